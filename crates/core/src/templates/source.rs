//! Splits a template into literal text and tags, and each tag into words.

use super::problem::Problem;

/// A stretch of a template.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Piece {
    /// Text that appears as it stands.
    Literal(String),
    /// Something between `{{ }}`, `{% %}` or `{# #}`.
    Tag(Tag),
}

/// The three kinds of tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// `{{ … }}`: shows a value.
    Output,
    /// `{% … %}`: decides what is shown.
    Control,
    /// `{# … #}`: for authors only.
    Comment,
}

/// A tag and its words.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Tag {
    pub kind: Kind,
    pub words: Vec<Word>,
    /// `-` or `+` after the opening braces, or nothing.
    pub open: &'static str,
    /// `-` or `+` before the closing braces, or nothing.
    pub close: &'static str,
    /// The line of the file that it begins on.
    pub line: u32,
    /// Line breaks inside, kept so that lines stay what they are.
    pub breaks: usize,
}

/// A word of a tag.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Word {
    pub what: What,
    pub line: u32,
}

/// What a word is.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum What {
    /// `lead`, `if`, `upper`.
    Name(String),
    /// `"text"`, without quotes and escapes.
    Text(String),
    /// `12` or `1.5`.
    Number(String),
    /// Punctuation.
    Sign(&'static str),
}

impl Tag {
    /// The delimiters of the kind.
    pub(super) const fn braces(&self) -> (&'static str, &'static str) {
        match self.kind {
            Kind::Output => ("{{", "}}"),
            Kind::Control => ("{%", "%}"),
            Kind::Comment => ("{#", "#}"),
        }
    }

    fn is_name(&self, name: &str) -> bool {
        self.kind == Kind::Control
            && matches!(&self.words[..], [Word { what: What::Name(only), .. }] if only == name)
    }
}

/// Longest first, so that `==` is not read as two `=`.
const SIGNS: &[&str] = &[
    "**", "//", "==", "!=", "<=", ">=", ".", ",", "(", ")", "[", "]", "|", "<", ">", "-", "/", "%",
    "=", "+", "*", "~", ":",
];

/// The most words of a tag: chains of filters and operators are read by recursion, here and in the engine.
const WORDS: usize = 150;

/// Splits `source`, whose first line is `first_line` of the file.
pub(super) fn split(source: &str, first_line: u32) -> Result<Vec<Piece>, Problem> {
    let mut scan = Scan {
        rest: source,
        line: first_line,
    };
    let mut pieces = Vec::new();
    loop {
        let literal = scan.literal();
        if !literal.is_empty() {
            pieces.push(Piece::Literal(literal.to_owned()));
        }
        if scan.rest.is_empty() {
            return Ok(pieces);
        }
        let tag = scan.tag()?;
        if tag.is_name("raw") {
            pieces.push(Piece::Literal(scan.raw(tag.line)?));
        } else {
            pieces.push(Piece::Tag(tag));
        }
    }
}

struct Scan<'a> {
    rest: &'a str,
    line: u32,
}

impl<'a> Scan<'a> {
    fn take(&mut self, bytes: usize) -> &'a str {
        let (taken, rest) = self.rest.split_at(bytes);
        self.line += taken.bytes().filter(|b| *b == b'\n').count() as u32;
        self.rest = rest;
        taken
    }

    fn literal(&mut self) -> &'a str {
        let end = self
            .rest
            .as_bytes()
            .windows(2)
            .position(|two| two[0] == b'{' && matches!(two[1], b'{' | b'%' | b'#'))
            .unwrap_or(self.rest.len());
        self.take(end)
    }

    fn tag(&mut self) -> Result<Tag, Problem> {
        let line = self.line;
        let kind = match self.take(2) {
            "{{" => Kind::Output,
            "{%" => Kind::Control,
            _ => Kind::Comment,
        };
        let mut tag = Tag {
            kind,
            words: Vec::new(),
            open: self.sign_of_trimming(""),
            close: "",
            line,
            breaks: 0,
        };
        let (opening, closing) = tag.braces();
        if kind == Kind::Comment {
            let Some(end) = self.rest.find(closing) else {
                return Err(never_closed(line, opening, closing));
            };
            let inside = self.take(end);
            tag.close = if inside.ends_with('-') { "-" } else { "" };
            self.take(2);
        } else {
            loop {
                let blank = self.rest.len() - self.rest.trim_start().len();
                self.take(blank);
                let trim = self.sign_of_trimming(closing);
                if self.rest.starts_with(closing) {
                    tag.close = trim;
                    self.take(2);
                    break;
                }
                if self.rest.is_empty() {
                    return Err(never_closed(line, opening, closing));
                }
                if tag.words.len() == WORDS {
                    return Err(Problem::at(
                        line,
                        format!(
                            "This tag has more than {WORDS} words. Split it over several tags, or name parts of it with `set`."
                        ),
                    ));
                }
                let word_line = self.line;
                let what = self.word()?;
                tag.words.push(Word {
                    what,
                    line: word_line,
                });
            }
        }
        tag.breaks = (self.line - line) as usize;
        Ok(tag)
    }

    /// Takes the `-` or `+` that is followed by `before`.
    fn sign_of_trimming(&mut self, before: &str) -> &'static str {
        for sign in ["-", "+"] {
            if self
                .rest
                .strip_prefix(sign)
                .is_some_and(|rest| rest.starts_with(before))
            {
                self.take(1);
                return sign;
            }
        }
        ""
    }

    fn word(&mut self) -> Result<What, Problem> {
        let line = self.line;
        let first = self.rest.chars().next().unwrap_or_default();
        let run = |more: fn(char) -> bool| self.rest.find(|c| !more(c)).unwrap_or(self.rest.len());
        if first.is_ascii_alphabetic() || first == '_' {
            let end = run(|c| c.is_ascii_alphanumeric() || c == '_');
            return Ok(What::Name(self.take(end).to_owned()));
        }
        if first.is_ascii_digit() {
            let mut end = run(|c| c.is_ascii_digit());
            if let Some(fraction) = self.rest[end..].strip_prefix('.') {
                let digits = fraction
                    .find(|c: char| !c.is_ascii_digit())
                    .unwrap_or(fraction.len());
                end += if digits > 0 { 1 + digits } else { 0 };
            }
            if end > 18 {
                return Err(Problem::at(
                    line,
                    "This number is too long; at most 18 digits can be written.",
                ));
            }
            return Ok(What::Number(self.take(end).to_owned()));
        }
        if first == '"' || first == '\'' {
            return self.text(first);
        }
        match SIGNS.iter().find(|sign| self.rest.starts_with(**sign)) {
            Some(sign) => {
                self.take(sign.len());
                Ok(What::Sign(sign))
            }
            None if first == '{' || first == '}' => Err(Problem::at(
                line,
                "Braces cannot be nested inside a tag. Close the tag first, or write literal braces between {% raw %} and {% endraw %}.",
            )),
            None => Err(Problem::at(
                line,
                format!("`{first}` has no meaning inside a tag. Put text between quotes."),
            )),
        }
    }

    fn text(&mut self, quote: char) -> Result<What, Problem> {
        let line = self.line;
        let mut text = String::new();
        let mut chars = self.rest.char_indices().skip(1);
        while let Some((at, c)) = chars.next() {
            match c {
                c if c == quote => {
                    self.take(at + 1);
                    return Ok(What::Text(text));
                }
                '\\' => text.push(match chars.next().map(|(_, c)| c) {
                    Some('n') => '\n',
                    Some('t') => '\t',
                    Some(c @ ('"' | '\'' | '\\' | '/')) => c,
                    _ => {
                        return Err(Problem::at(line, "After a backslash in quotes only n, t, a quote, a slash or a backslash can stand."));
                    }
                }),
                c => text.push(c),
            }
        }
        Err(Problem::at(
            line,
            format!("A text begins with {quote} here and never ends. Close it with {quote}."),
        ))
    }

    /// The text up to `{% endraw %}`, which is taken too.
    fn raw(&mut self, line: u32) -> Result<String, Problem> {
        let mut from = 0;
        while let Some(found) = self.rest[from..].find("{%") {
            let start = from + found;
            let inside = self.rest[start + 2..].trim_start_matches('-').trim_start();
            if let Some(after) = inside.strip_prefix("endraw") {
                let after = after.trim_start().trim_start_matches('-');
                if after.starts_with("%}") {
                    let literal = self.take(start).to_owned();
                    let closing = self.rest.len() - after.len() + 2;
                    self.take(closing);
                    return Ok(literal);
                }
            }
            from = start + 2;
        }
        Err(never_closed(line, "{% raw %}", "{% endraw %}"))
    }
}

fn never_closed(line: u32, opening: &str, closing: &str) -> Problem {
    Problem::at(
        line,
        format!("`{opening}` begins here and is never closed. Write `{closing}` where it ends."),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(source: &str) -> Vec<What> {
        match &split(source, 1).unwrap()[..] {
            [Piece::Tag(tag)] => tag.words.iter().map(|w| w.what.clone()).collect(),
            other => panic!("{other:?}"),
        }
    }

    /// T1: a text may hold what would close the tag.
    #[test]
    fn quotes_protect_braces() {
        assert_eq!(words(r#"{{ "}}" }}"#), [What::Text("}}".into())]);
        assert_eq!(words(r#"{{ '\'\\\n' }}"#), [What::Text("'\\\n".into())]);
        assert_eq!(words("{{- a.b|c(1.5)-}}").len(), 8);
    }

    /// T1: a problem names the line it is on, also after comments and multi-line tags.
    #[test]
    fn lines_are_counted_through_everything() {
        let pieces = split(
            "a\n{# x\ny #}\n{{\n b }}{% raw %}\n{{ c }}\n{% endraw %}{{ d }}",
            5,
        )
        .unwrap();
        let lines: Vec<_> = pieces
            .iter()
            .filter_map(|p| {
                if let Piece::Tag(t) = p {
                    Some(t.line)
                } else {
                    None
                }
            })
            .collect();
        assert_eq!(lines, [6, 8, 11]);
        assert!(pieces.contains(&Piece::Literal("\n{{ c }}\n".into())));
    }

    /// T1: what cannot be read is a sentence with a line.
    #[test]
    fn half_tags_are_problems() {
        for source in [
            "a\n{{ b",
            "a\n{% if",
            "a\n{# c",
            "a\n{{ 'b }}",
            "a\n{% raw %}b",
            "a\n{{ {} }}",
            "a\n{{ ä }}",
            "a\n{{ \"\\x\" }}",
        ] {
            let problem = split(source, 1).unwrap_err();
            assert_eq!(problem.line, Some(2), "{source}");
        }
    }
}
