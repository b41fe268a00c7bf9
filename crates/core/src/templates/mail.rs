//! Mail bodies: MJML compiled to HTML once, the text part made from the HTML, the preheader put in front.

use super::pieces::{Checked, balanced, leave_no_lines};
use super::problem::Problem;
use html2text::config;
use html2text::render::TextDecorator;
use regex::Regex;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::LazyLock;

/// Columns of the text part.
const WIDTH: usize = 72;
/// Elements inside one another. MJML and HTML are read by recursion; deeper nesting could exhaust the stack.
const NESTING: usize = 64;

fn regex(pattern: &str) -> Regex {
    Regex::new(pattern).expect("the pattern is fixed and tested")
}

static COMMENT: LazyLock<Regex> = LazyLock::new(|| regex(r"(?s)<!--.*?(?:-->|$)"));
static MOVED: LazyLock<Regex> = LazyLock::new(|| {
    regex(r"(?i)<(/?)(table|tbody|thead|tfoot|tr|td|th|caption|colgroup|col|ul|ol|li)\b[^>]*>")
});
static BODY: LazyLock<Regex> = LazyLock::new(|| regex(r"(?is)<body\b[^>]*>"));
static PREVIEW: LazyLock<Regex> =
    LazyLock::new(|| regex(r"(?is)<div style=.display:none[^>]*>.*?</div>"));
static BLANK_LINES: LazyLock<Regex> = LazyLock::new(|| regex(r"\n[ \t]*\n(?:[ \t]*\n)+"));

/// Tags stand as plain words while MJML and HTML are rebuilt around them.
struct Marks<'a> {
    pieces: &'a [Checked],
    word: String,
}

impl<'a> Marks<'a> {
    fn new(pieces: &'a [Checked]) -> Self {
        let taken = |word: &str| {
            pieces
                .iter()
                .any(|p| matches!(p, Checked::Literal(text) if text.contains(word)))
        };
        let mut word = "rbq".to_owned();
        while taken(&word) {
            word.push('q');
        }
        Self { pieces, word }
    }

    fn mark(&self, at: usize) -> String {
        // Fixed width, so that no mark begins another.
        format!("{}{at:05}z", self.word)
    }

    fn marked(&self) -> String {
        let mut out = String::new();
        for (at, piece) in self.pieces.iter().enumerate() {
            match piece {
                Checked::Literal(text) => out.push_str(text),
                Checked::Tag { comment: true, .. } => {}
                Checked::Tag { .. } => out.push_str(&self.mark(at)),
            }
        }
        out
    }

    /// The pieces of a text in which marks stand.
    fn unmarked(&self, text: &str) -> Vec<Checked> {
        let mut out = Vec::new();
        let mut rest = text;
        while let Some(found) = rest.find(&self.word) {
            let (before, mark) = rest.split_at(found);
            let digits = mark
                .get(self.word.len()..self.word.len() + 5)
                .and_then(|d| d.parse::<usize>().ok());
            let piece = digits
                .and_then(|at| self.pieces.get(at))
                .filter(|p| matches!(p, Checked::Tag { .. }));
            if !before.is_empty() {
                out.push(Checked::Literal(before.to_owned()));
            }
            match piece {
                Some(piece) => {
                    out.push(piece.clone());
                    rest = &mark[self.word.len() + 6..];
                }
                None => {
                    out.push(Checked::Literal(self.word.clone()));
                    rest = &mark[self.word.len()..];
                }
            }
        }
        if !rest.is_empty() {
            out.push(Checked::Literal(rest.to_owned()));
        }
        out
    }
}

/// Compiles MJML. Every tag of the source must come through, conditions and loops once and in order.
pub(super) fn compile(
    pieces: &[Checked],
    first_line: u32,
    language: &str,
) -> Result<Vec<Checked>, Vec<Problem>> {
    let marks = Marks::new(pieces);
    let source = marks.marked();
    let line_at = |offset: usize| {
        // Marks hold no line breaks, tags may: close enough for a line number.
        first_line
            + source.as_bytes()[..offset.min(source.len())]
                .iter()
                .filter(|b| **b == b'\n')
                .count() as u32
    };
    if let Some(at) = source.to_ascii_lowercase().find("<mj-include") {
        return Err(vec![Problem::at(
            line_at(at),
            "<mj-include> is not available: each template stands for itself. Put the part into this file.",
        )]);
    }
    bounded_nesting(&source, &line_at)?;
    let html = catch_unwind(AssertUnwindSafe(|| {
        let parsed = mrml::parse(&source).map_err(|error| mjml_problem(&error, &line_at))?;
        let options = mrml::prelude::render::RenderOptions {
            disable_comments: true,
            social_icon_origin: None,
            // No fonts from other servers: they would tell them who reads the mail.
            fonts: std::collections::HashMap::new(),
        };
        let html = parsed.element.render(&options);
        html.map_err(|error| {
            Problem::of_file(format!("The MJML cannot be turned into HTML: {error}."))
        })
    }))
    .unwrap_or_else(|_| {
        Err(Problem::of_file(
            "The MJML cannot be turned into HTML. Check its elements and attributes.",
        ))
    })
    .map_err(|problem| vec![problem])?;
    // What screen readers are told when the author names no language.
    let html = html.replace("lang=\"und\"", &format!("lang=\"{language}\""));
    let mut problems = Vec::new();
    if let Some(at) = html.find("<mj-") {
        let name: String = html[at + 1..]
            .chars()
            .take_while(|c| c.is_ascii_alphanumeric() || *c == '-')
            .take(30)
            .collect();
        let line = source.find(&format!("<{name}")).map(line_at);
        let message = format!("MJML has no element <{name}>, or not in this place.");
        return Err(vec![Problem { line, message }]);
    }
    let compiled = marks.unmarked(&html);
    for piece in pieces {
        if let Checked::Tag {
            text,
            line,
            control,
            comment: false,
        } = piece
        {
            let times = compiled.iter().filter(|other| *other == piece).count();
            if times == 0
                || (*control && times != pieces.iter().filter(|other| *other == piece).count())
            {
                problems.push(Problem::at(
                    *line,
                    format!("MJML has no place for `{}` here. Put it inside a text, or between elements inside <mj-raw> and </mj-raw>.", text.trim()),
                ));
            }
        }
    }
    if problems.is_empty() && !balanced(&compiled) {
        problems.push(Problem::of_file("MJML moves a condition or loop out of order. Put each `{% … %}` inside <mj-raw>, or its begin and end inside one text."));
    }
    if problems.is_empty() {
        Ok(compiled)
    } else {
        Err(problems)
    }
}

fn mjml_problem(error: &mrml::prelude::parser::Error, line_at: &impl Fn(usize) -> u32) -> Problem {
    use mrml::prelude::parser::Error;
    let text = error.to_string();
    let what = text.split(" in root template").next().unwrap_or(&text);
    let line = match error {
        Error::UnexpectedElement { position, .. }
        | Error::UnexpectedToken { position, .. }
        | Error::MissingAttribute { position, .. }
        | Error::InvalidAttribute { position, .. }
        | Error::InvalidFormat { position, .. } => Some(line_at(position.start)),
        _ => None,
    };
    Problem {
        line,
        message: format!("The MJML cannot be read: {what}."),
    }
}

/// Checks HTML that an author wrote; a fragment becomes a whole document.
pub(super) fn document(
    pieces: Vec<Checked>,
    first_line: u32,
) -> Result<Vec<Checked>, Vec<Problem>> {
    let marks = Marks::new(&pieces);
    let source = marks.marked();
    let line_at = |offset: usize| {
        first_line
            + source.as_bytes()[..offset.min(source.len())]
                .iter()
                .filter(|b| **b == b'\n')
                .count() as u32
    };
    bounded_nesting(&source, &line_at)?;
    if BODY.is_match(&source) {
        return Ok(pieces);
    }
    let mut whole = Vec::with_capacity(pieces.len() + 2);
    whole.push(Checked::Literal(
        "<!doctype html><html><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\"></head><body>".to_owned(),
    ));
    whole.extend(pieces);
    whole.push(Checked::Literal("</body></html>".to_owned()));
    Ok(whole)
}

/// What no mail should hold, and where a value would be dangerous.
pub(super) fn lint(pieces: &[Checked]) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (at, piece) in pieces.iter().enumerate() {
        match piece {
            Checked::Literal(text) => {
                let lower = text.to_ascii_lowercase();
                for element in ["<script", "<iframe", "<object", "<embed", "<form"] {
                    if lower.contains(element) {
                        problems.push(Problem::of_file(format!(
                            "Mail programs drop {element}> and distrust the mail for it. Remove it."
                        )));
                    }
                }
            }
            Checked::Tag {
                text,
                line,
                control: false,
                comment: false,
            } => {
                let before = match at.checked_sub(1).and_then(|at| pieces.get(at)) {
                    Some(Checked::Literal(text)) => text.trim_end().to_ascii_lowercase(),
                    _ => continue,
                };
                let supplied = ["lead.", "event.", "run."].iter().any(|root| {
                    text.trim_start_matches(['{', '-', '+', ' ', '('])
                        .starts_with(root)
                });
                let begins_link = ["href=\"", "href='", "src=\"", "src='"]
                    .iter()
                    .any(|attribute| before.ends_with(attribute));
                if begins_link && supplied {
                    problems.push(Problem::at(*line, format!("`{}` comes from the lead and cannot be a link's address. Link to `link.book` or `tenant.website`.", text.trim())));
                }
                if before.ends_with('=') {
                    problems.push(Problem::at(
                        *line,
                        format!(
                            "Put quotes around the attribute's value: `=\"{}\"`.",
                            text.trim()
                        ),
                    ));
                }
            }
            Checked::Tag { .. } => {}
        }
    }
    problems
}

/// Puts the preheader, the line that inboxes show after the subject, in front of the body, unseen.
pub(super) fn with_preheader(html: Vec<Checked>, preheader: Vec<Checked>) -> Vec<Checked> {
    let mut out = Vec::with_capacity(html.len() + preheader.len() + 2);
    let mut waiting = Some(preheader);
    // The body's own tag may be interrupted by values (`<body style="{{ … }}">`): the next `>` ends it.
    let mut inside_body_tag = false;
    for piece in html {
        match piece {
            Checked::Literal(text) if waiting.is_some() => {
                let lower = text.to_ascii_lowercase();
                let start = if inside_body_tag {
                    Some(0)
                } else {
                    lower.find("<body")
                };
                let Some(start) = start else {
                    out.push(Checked::Literal(text));
                    continue;
                };
                match text[start..].find('>') {
                    None => {
                        inside_body_tag = true;
                        out.push(Checked::Literal(text));
                    }
                    Some(end) => {
                        let (before, after) = text.split_at(start + end + 1);
                        out.push(Checked::Literal(format!(
                            "{before}<div style=\"display:none;max-height:0;overflow:hidden;mso-hide:all\">"
                        )));
                        out.extend(waiting.take().unwrap_or_default());
                        out.push(Checked::Literal(format!("</div>{after}")));
                    }
                }
            }
            piece => out.push(piece),
        }
    }
    out
}

/// The text part of a mail: the same words without the layout, links in brackets behind their words.
pub(super) fn text_of(html: &[Checked]) -> Result<Vec<Checked>, Problem> {
    let failed = || {
        Problem::of_file(
            "No text part can be made from this HTML. Write one into the front matter, as `text: |`.",
        )
    };
    let marks = Marks::new(html);
    let mut source = marks.marked();
    // Tables are layout here. Loose words, which our marks are, would be moved out of tables and become items of lists.
    source = COMMENT.replace_all(&source, "").into_owned();
    source = PREVIEW.replace_all(&source, "").into_owned();
    source = MOVED
        .replace_all(&source, |found: &regex::Captures<'_>| {
            match &found[2].to_ascii_lowercase()[..] {
                "tr" | "td" | "th" | "ul" | "ol" => format!("<{}div>", &found[1]),
                "li" if found[1].is_empty() => "<div>* ".to_owned(),
                "li" => "</div>".to_owned(),
                _ => String::new(),
            }
        })
        .into_owned();
    let text = catch_unwind(AssertUnwindSafe(|| {
        config::with_decorator(Plain::default())
            .allow_width_overflow()
            .no_link_wrapping()
            .string_from_read(source.as_bytes(), WIDTH)
    }))
    .map_err(|_| failed())?
    .map_err(|_| failed())?;
    let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
    let text = BLANK_LINES
        .replace_all(&lines.join("\n"), "\n\n")
        .trim()
        .to_owned();
    let mut pieces = marks.unmarked(&text);
    leave_no_lines(&mut pieces);
    if !balanced(&pieces) {
        return Err(failed());
    }
    Ok(pieces)
}

/// Refuses markup nested deeper than any mail is. Elements that never close count, as a parser may keep them open.
fn bounded_nesting(source: &str, line_at: &impl Fn(usize) -> u32) -> Result<(), Vec<Problem>> {
    const VOID: &[&str] = &[
        "br", "img", "hr", "meta", "link", "input", "area", "base", "col", "embed", "source",
        "track", "wbr",
    ];
    let mut open = 0usize;
    let mut from = 0;
    while let Some(found) = source[from..].find('<') {
        let start = from + found;
        let inside = &source[start + 1..];
        from = start + 1;
        if inside.starts_with("!--") {
            from = inside
                .find("-->")
                .map_or(source.len(), |end| start + end + 4);
            continue;
        }
        if inside.starts_with('/') {
            open = open.saturating_sub(1);
            continue;
        }
        let name_end = inside
            .find(|c: char| !c.is_ascii_alphanumeric() && c != '-')
            .unwrap_or(inside.len());
        let name = inside[..name_end].to_ascii_lowercase();
        if name.is_empty() || VOID.contains(&name.as_str()) {
            continue;
        }
        let closes_itself = inside
            .find('>')
            .is_some_and(|end| inside[..end].ends_with('/'));
        if !closes_itself {
            open += 1;
            if open > NESTING {
                return Err(vec![Problem::at(
                    line_at(start),
                    format!(
                        "More than {NESTING} elements are open here. Close elements where they end, each with its own closing tag."
                    ),
                )]);
            }
        }
    }
    Ok(())
}

/// Words only; a link is followed by its address in brackets.
#[derive(Debug, Clone, Default)]
struct Plain {
    links: Vec<String>,
}

impl TextDecorator for Plain {
    type Annotation = ();

    fn decorate_link_start(&mut self, url: &str) -> (String, ()) {
        self.links.push(url.to_owned());
        (String::new(), ())
    }

    fn decorate_link_end(&mut self) -> String {
        match self.links.pop() {
            Some(url) if !url.is_empty() && !url.starts_with('#') => {
                format!(
                    " ({})",
                    url.trim_start_matches("mailto:").trim_start_matches("tel:")
                )
            }
            _ => String::new(),
        }
    }

    fn decorate_em_start(&self) -> (String, ()) {
        (String::new(), ())
    }

    fn decorate_em_end(&self) -> String {
        String::new()
    }

    fn decorate_strong_start(&self) -> (String, ()) {
        (String::new(), ())
    }

    fn decorate_strong_end(&self) -> String {
        String::new()
    }

    fn decorate_strikeout_start(&self) -> (String, ()) {
        (String::new(), ())
    }

    fn decorate_strikeout_end(&self) -> String {
        String::new()
    }

    fn decorate_code_start(&self) -> (String, ()) {
        (String::new(), ())
    }

    fn decorate_code_end(&self) -> String {
        String::new()
    }

    fn decorate_preformat_first(&self) {}

    fn decorate_preformat_cont(&self) {}

    fn decorate_image(&mut self, _src: &str, title: &str) -> (String, ()) {
        (title.to_owned(), ())
    }

    fn header_prefix(&self, _level: usize) -> String {
        String::new()
    }

    fn quote_prefix(&self) -> String {
        "> ".to_owned()
    }

    fn unordered_item_prefix(&self) -> String {
        "* ".to_owned()
    }

    fn ordered_item_prefix(&self, i: i64) -> String {
        format!("{i}. ")
    }

    fn make_subblock_decorator(&self) -> Self {
        Self::default()
    }

    fn finalise(&mut self, _urls: Vec<String>) -> Vec<html2text::render::TaggedLine<()>> {
        Vec::new()
    }
}
