//! Reads the tags of a template, checks them, and writes them out again for the engine.
//!
//! The language is the part of Jinja that shows, chooses and repeats. Whatever makes values larger (`~ + *`, nested lists, blocks
//! that are captured) or reaches other templates is left out: with it, a page of text can ask for more memory than there is.

use super::filters::{FILTERS, TESTS};
use super::problem::{Problem, did_you_mean};
use super::source::{Kind, Piece, Tag, What, Word};

/// A variable in a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Use {
    /// Dotted path.
    pub path: String,
    /// The line it stands on.
    pub line: u32,
    /// Shown without a condition around it and without a fallback.
    pub bare: bool,
}

/// A stretch of a checked template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Checked {
    /// Text that appears as it stands.
    Literal(String),
    /// A tag, ready for the engine.
    Tag {
        /// With its braces.
        text: String,
        /// True for `{% … %}`, whose order and number matter.
        control: bool,
        /// True for `{# … #}`.
        comment: bool,
        /// The line of the file.
        line: u32,
    },
}

/// A template whose every tag was understood.
#[derive(Debug, Default)]
pub(super) struct Reading {
    pub pieces: Vec<Checked>,
    pub uses: Vec<Use>,
}

/// What the values are written into.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Target {
    /// Text and HTML, escaped as the engine is told.
    Words,
    /// JSON: every value passes `tojson`.
    Json,
}

/// Conditions and loops inside one another; each `elif` counts, as the engine reads it as a condition inside the last.
const NESTING: usize = 24;
/// Brackets, negations and alternatives inside one expression.
const DEPTH: u32 = 32;
/// Problems told at once; the rest waits until these are mended.
const TOLD: usize = 50;

/// Reads all tags. `optional` are variables that may be empty without a fallback: they show as nothing.
pub(super) fn read(
    pieces: Vec<Piece>,
    optional: &[String],
    target: Target,
) -> Result<Reading, Vec<Problem>> {
    let mut walk = Walk {
        optional,
        target,
        open: Vec::new(),
        bound: vec![Vec::new()],
        reading: Reading::default(),
    };
    let mut problems = Vec::new();
    for piece in pieces {
        match piece {
            Piece::Literal(text) => walk.reading.pieces.push(Checked::Literal(text)),
            Piece::Tag(tag) => {
                if let Err(problem) = walk.tag(&tag) {
                    problems.push(problem);
                    if problems.len() == TOLD {
                        return Err(problems);
                    }
                }
            }
        }
    }
    if let Some(block) = walk.open.last().filter(|_| problems.is_empty()) {
        let word = block.word;
        problems.push(Problem::at(
            block.line,
            format!("`{{% {word} %}}` begins here and never ends. Write `{{% end{word} %}}`."),
        ));
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    let mut reading = walk.reading;
    leave_no_lines(&mut reading.pieces);
    Ok(reading)
}

/// A line that holds only a condition, loop or comment leaves no empty line behind.
pub(super) fn leave_no_lines(pieces: &mut [Checked]) {
    let mut removed = None;
    for at in 0..pieces.len() {
        let Checked::Tag {
            control, comment, ..
        } = &pieces[at]
        else {
            continue;
        };
        if !control && !comment {
            continue;
        }
        let before = match at.checked_sub(1).map(|before| &pieces[before]) {
            None => Some(0),
            Some(Checked::Literal(text)) => {
                let kept = text.trim_end_matches([' ', '\t']);
                (kept.ends_with('\n') || (kept.is_empty() && (at == 1 || removed == Some(at - 2))))
                    .then_some(kept.len())
            }
            Some(Checked::Tag { .. }) => None,
        };
        let after = match pieces.get(at + 1) {
            None => Some(0),
            Some(Checked::Literal(text)) => {
                let blank = text.len() - text.trim_start_matches([' ', '\t', '\r']).len();
                text[blank..].starts_with('\n').then_some(blank + 1)
            }
            Some(Checked::Tag { .. }) => None,
        };
        if let (Some(before), Some(after)) = (before, after) {
            removed = Some(at);
            if let Some(Checked::Literal(text)) =
                at.checked_sub(1).and_then(|at| pieces.get_mut(at))
            {
                text.truncate(before);
            }
            if let Some(Checked::Literal(text)) = pieces.get_mut(at + 1) {
                text.drain(..after);
            }
        }
    }
}

/// Checked pieces as the engine's source. Literals are written so that nothing in them can be taken for a tag.
pub(super) fn write(pieces: &[Checked]) -> String {
    let mut out = String::new();
    for (at, piece) in pieces.iter().enumerate() {
        match piece {
            Checked::Literal(text) => {
                let before_tag = matches!(pieces.get(at + 1), Some(Checked::Tag { .. }));
                let mut chars = text.chars().peekable();
                while let Some(c) = chars.next() {
                    let next = chars.peek().copied();
                    let opens = c == '{'
                        && (matches!(next, Some('{' | '%' | '#'))
                            || (next.is_none() && before_tag));
                    if opens {
                        out.push_str(r#"{{ "{" }}"#);
                    } else {
                        out.push(c);
                    }
                }
            }
            Checked::Tag { text, .. } => out.push_str(text),
        }
    }
    out
}

/// True when the conditions and loops among `pieces` are closed in order, as they are in a source that was read; moving pieces
/// about (MJML, text from HTML) can break that.
pub(super) fn balanced(pieces: &[Checked]) -> bool {
    let mut open = Vec::new();
    for piece in pieces {
        let Checked::Tag {
            text,
            control: true,
            ..
        } = piece
        else {
            continue;
        };
        let word = text
            .trim_start_matches(['{', '%', '-', '+', ' '])
            .split([' ', '%', '-'])
            .next()
            .unwrap_or_default();
        let fine = match word {
            "if" | "for" => {
                open.push(word);
                true
            }
            "elif" => open.last() == Some(&"if"),
            "else" => open.last().is_some(),
            "endif" => open.pop() == Some("if"),
            "endfor" => open.pop() == Some("for"),
            _ => true,
        };
        if !fine {
            return false;
        }
    }
    open.is_empty()
}

struct Block {
    word: &'static str,
    line: u32,
    /// Variables that its conditions ask about.
    asked: Vec<String>,
    has_else: bool,
    elifs: usize,
}

struct Walk<'a> {
    optional: &'a [String],
    target: Target,
    open: Vec<Block>,
    /// Names bound by loops and `set`, innermost last.
    bound: Vec<Vec<String>>,
    reading: Reading,
}

impl Walk<'_> {
    fn tag(&mut self, tag: &Tag) -> Result<(), Problem> {
        let inside = match tag.kind {
            Kind::Comment => String::new(),
            Kind::Output => self.output(tag)?,
            Kind::Control => self.control(tag)?,
        };
        let (opening, closing) = tag.braces();
        let breaks = "\n".repeat(tag.breaks);
        self.reading.pieces.push(Checked::Tag {
            text: format!(
                "{opening}{} {inside} {breaks}{}{closing}",
                tag.open, tag.close
            ),
            control: tag.kind == Kind::Control,
            comment: tag.kind == Kind::Comment,
            line: tag.line,
        });
        Ok(())
    }

    fn output(&mut self, tag: &Tag) -> Result<String, Problem> {
        if tag.words.is_empty() {
            return Err(Problem::at(
                tag.line,
                "Nothing stands between `{{` and `}}`. Name a variable.",
            ));
        }
        let mut expression = Expression::new(self, tag, Purpose::Shown);
        expression.whole()?;
        let text = expression.finish()?;
        if self.target == Target::Json && !text.ends_with("|tojson") {
            return Err(Problem::at(
                tag.line,
                format!(
                    "In JSON every value is written with tojson: `{{{{ {text}|tojson }}}}`, without quotes around it."
                ),
            ));
        }
        Ok(text)
    }

    fn control(&mut self, tag: &Tag) -> Result<String, Problem> {
        let line = tag.line;
        let word = match tag.words.first().map(|w| &w.what) {
            Some(What::Name(word)) => word.as_str(),
            _ => {
                return Err(Problem::at(
                    line,
                    "A `{% … %}` tag begins with a word such as if or for.",
                ));
            }
        };
        let alone = |text: &str| match tag.words.get(1) {
            None => Ok(text.to_owned()),
            Some(_) => Err(Problem::at(
                line,
                format!("`{{% {text} %}}` stands alone; remove what follows."),
            )),
        };
        match word {
            "if" => {
                self.begin("if", line)?;
                self.condition(tag, "if")
            }
            "elif" => {
                self.deeper(line)?;
                match self
                    .open
                    .last_mut()
                    .filter(|block| block.word == "if" && !block.has_else)
                {
                    Some(block) => block.elifs += 1,
                    None => {
                        return Err(Problem::at(
                            line,
                            "`{% elif %}` stands here without an `{% if %}` before it.",
                        ));
                    }
                }
                self.condition(tag, "elif")
            }
            "else" => {
                let text = alone("else")?;
                match self.open.last_mut().filter(|block| !block.has_else) {
                    Some(block) => block.has_else = true,
                    None => {
                        return Err(Problem::at(
                            line,
                            "`{% else %}` stands here without an `{% if %}` or `{% for %}` before it.",
                        ));
                    }
                }
                Ok(text)
            }
            "endif" => {
                let text = alone("endif")?;
                self.end("if", line)?;
                Ok(text)
            }
            "for" => self.repeat(tag),
            "endfor" => {
                let text = alone("endfor")?;
                self.end("for", line)?;
                self.bound.pop();
                Ok(text)
            }
            "set" => self.set(tag),
            "endraw" => Err(Problem::at(
                line,
                "`{% endraw %}` stands here without a `{% raw %}` before it.",
            )),
            "include" | "extends" | "import" | "from" | "block" | "endblock" | "macro" | "call" => {
                Err(Problem::at(
                    line,
                    format!(
                        "`{{% {word} %}}` is not available: each template stands for itself. Write its text here."
                    ),
                ))
            }
            other => Err(Problem::at(
                line,
                format!(
                    "`{{% {other} %}}` is not available; there are if, for, set and raw.{}",
                    did_you_mean(
                        other,
                        ["if", "elif", "else", "endif", "for", "endfor", "set", "raw"]
                    )
                ),
            )),
        }
    }

    fn begin(&mut self, word: &'static str, line: u32) -> Result<(), Problem> {
        self.deeper(line)?;
        self.open.push(Block {
            word,
            line,
            asked: Vec::new(),
            has_else: false,
            elifs: 0,
        });
        Ok(())
    }

    fn deeper(&self, line: u32) -> Result<(), Problem> {
        let depth: usize = self.open.iter().map(|block| 1 + block.elifs).sum();
        if depth < NESTING {
            return Ok(());
        }
        Err(Problem::at(
            line,
            format!(
                "Conditions and loops can be nested {NESTING} deep, each `elif` counted; this is one more."
            ),
        ))
    }

    fn end(&mut self, word: &'static str, line: u32) -> Result<(), Problem> {
        match self.open.last() {
            Some(block) if block.word == word => {
                self.open.pop();
                Ok(())
            }
            Some(block) => Err(Problem::at(
                line,
                format!(
                    "`{{% end{word} %}}` stands here, but the `{{% {} %}}` of line {} is still open.",
                    block.word, block.line
                ),
            )),
            None => Err(Problem::at(
                line,
                format!("`{{% end{word} %}}` stands here without a `{{% {word} %}}` before it."),
            )),
        }
    }

    fn condition(&mut self, tag: &Tag, word: &str) -> Result<String, Problem> {
        let before = self.reading.uses.len();
        let mut expression = Expression::new(self, tag, Purpose::Asked);
        expression.at = 1;
        expression.whole()?;
        let text = expression.finish()?;
        let asked: Vec<String> = self.reading.uses[before..]
            .iter()
            .map(|used| used.path.clone())
            .collect();
        if let Some(block) = self.open.last_mut() {
            block.asked.extend(asked);
        }
        Ok(format!("{word} {text}"))
    }

    fn repeat(&mut self, tag: &Tag) -> Result<String, Problem> {
        let wrong = || {
            Problem::at(
                tag.line,
                "A loop reads `{% for item in list %}`, or `{% for name, value in lead.attributes|items %}`.",
            )
        };
        let mut names = Vec::new();
        let mut at = 1;
        loop {
            match tag.words.get(at).map(|w| &w.what) {
                Some(What::Name(name)) if !is_keyword(name) => names.push(name.clone()),
                _ => return Err(wrong()),
            }
            match tag.words.get(at + 1).map(|w| &w.what) {
                Some(What::Sign(",")) if names.len() == 1 => at += 2,
                Some(What::Name(word)) if word == "in" => {
                    at += 2;
                    break;
                }
                _ => return Err(wrong()),
            }
        }
        self.begin("for", tag.line)?;
        let mut expression = Expression::new(self, tag, Purpose::Repeated);
        expression.at = at;
        expression.alternative()?;
        let text = expression.finish()?;
        let line = format!("for {} in {text}", names.join(", "));
        names.push("loop".to_owned());
        self.bound.push(names);
        Ok(line)
    }

    fn set(&mut self, tag: &Tag) -> Result<String, Problem> {
        let name = match tag.words.get(1..3) {
            Some(
                [
                    Word {
                        what: What::Name(name),
                        ..
                    },
                    Word {
                        what: What::Sign("="),
                        ..
                    },
                ],
            ) if !is_keyword(name) => name.clone(),
            _ => {
                return Err(Problem::at(
                    tag.line,
                    "`set` gives a value a name on one line: `{% set name = lead.first_name|default(\"there\") %}`.",
                ));
            }
        };
        let mut expression = Expression::new(self, tag, Purpose::Shown);
        expression.at = 3;
        expression.whole()?;
        let text = expression.finish()?;
        if let Some(names) = self.bound.last_mut() {
            names.push(name.clone());
        }
        Ok(format!("set {name} = {text}"))
    }

    fn is_bound(&self, name: &str) -> bool {
        self.bound.iter().flatten().any(|bound| bound == name)
    }

    fn is_asked(&self, path: &str) -> bool {
        self.open
            .iter()
            .flat_map(|block| &block.asked)
            .any(|asked| asked == path)
    }
}

fn is_keyword(name: &str) -> bool {
    matches!(
        name,
        "and"
            | "or"
            | "not"
            | "if"
            | "else"
            | "in"
            | "is"
            | "true"
            | "false"
            | "none"
            | "True"
            | "False"
            | "None"
            | "loop"
            | "self"
    )
}

/// What an expression is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Purpose {
    /// Its value appears.
    Shown,
    /// A condition.
    Asked,
    /// A loop's list.
    Repeated,
}

struct Expression<'w, 'a, 't> {
    walk: &'w mut Walk<'a>,
    tag: &'t Tag,
    purpose: Purpose,
    at: usize,
    depth: u32,
    out: String,
    first_use: usize,
    chooses: bool,
}

impl<'w, 'a, 't> Expression<'w, 'a, 't> {
    fn new(walk: &'w mut Walk<'a>, tag: &'t Tag, purpose: Purpose) -> Self {
        let first_use = walk.reading.uses.len();
        Self {
            walk,
            tag,
            purpose,
            at: 0,
            depth: 0,
            out: String::new(),
            first_use,
            chooses: false,
        }
    }

    /// The expression's text, once nothing is left over.
    fn finish(self) -> Result<String, Problem> {
        if let Some(word) = self.tag.words.get(self.at) {
            return Err(left_over(word));
        }
        if self.chooses {
            // `a if b else c`: what is shown depends on the condition; rendering the sample without optional values tells.
            for used in &mut self.walk.reading.uses[self.first_use..] {
                used.bare = false;
            }
        }
        Ok(self.out)
    }

    fn peek(&self) -> Option<&'t What> {
        self.tag.words.get(self.at).map(|word| &word.what)
    }

    fn is_sign(&self, sign: &str) -> bool {
        matches!(self.peek(), Some(What::Sign(s)) if *s == sign)
    }

    fn is_word(&self, word: &str) -> bool {
        matches!(self.peek(), Some(What::Name(name)) if name == word)
    }

    fn line(&self) -> u32 {
        self.tag
            .words
            .get(self.at)
            .or(self.tag.words.last())
            .map_or(self.tag.line, |word| word.line)
    }

    fn wrong(&self, message: impl Into<String>) -> Problem {
        Problem::at(self.line(), message)
    }

    fn take_sign(&mut self, sign: &str) -> Result<(), Problem> {
        if self.is_sign(sign) {
            self.at += 1;
            Ok(())
        } else {
            Err(match self.tag.words.get(self.at) {
                Some(word) => left_over(word),
                None => self.wrong(format!("A `{sign}` is missing at the end of this tag.")),
            })
        }
    }

    fn deeper(&mut self) -> Result<(), Problem> {
        self.depth += 1;
        if self.depth > DEPTH {
            return Err(
                self.wrong("This expression is nested too deep. Split it over several tags.")
            );
        }
        Ok(())
    }

    /// `a if b else c`
    fn whole(&mut self) -> Result<(), Problem> {
        self.deeper()?;
        self.alternative()?;
        if self.is_word("if") {
            self.chooses = true;
            self.at += 1;
            self.out.push_str(" if ");
            self.alternative()?;
            if self.is_word("else") {
                self.at += 1;
                self.out.push_str(" else ");
                self.whole()?;
            }
        }
        self.depth -= 1;
        Ok(())
    }

    fn alternative(&mut self) -> Result<(), Problem> {
        self.negation()?;
        while let Some(What::Name(word)) = self.peek() {
            if word != "and" && word != "or" {
                break;
            }
            self.at += 1;
            self.out
                .push_str(if word == "and" { " and " } else { " or " });
            self.negation()?;
        }
        Ok(())
    }

    fn negation(&mut self) -> Result<(), Problem> {
        self.deeper()?;
        if self.is_word("not") {
            self.at += 1;
            self.out.push_str("not ");
            self.negation()?;
        } else {
            self.comparison()?;
        }
        self.depth -= 1;
        Ok(())
    }

    fn comparison(&mut self) -> Result<(), Problem> {
        self.sum()?;
        loop {
            let next_is_in = matches!(self.tag.words.get(self.at + 1).map(|w| &w.what), Some(What::Name(n)) if n == "in");
            let operator = match self.peek() {
                Some(What::Sign(sign @ ("==" | "!=" | "<" | "<=" | ">" | ">="))) => *sign,
                Some(What::Name(word)) if word == "in" => "in",
                Some(What::Name(word)) if word == "not" && next_is_in => {
                    self.at += 1;
                    "not in"
                }
                _ => return Ok(()),
            };
            self.at += 1;
            self.out.push(' ');
            self.out.push_str(operator);
            self.out.push(' ');
            self.sum()?;
        }
    }

    fn sum(&mut self) -> Result<(), Problem> {
        self.unary()?;
        while let Some(What::Sign(sign @ ("-" | "/" | "//" | "%"))) = self.peek() {
            self.at += 1;
            self.out.push(' ');
            self.out.push_str(sign);
            self.out.push(' ');
            self.unary()?;
        }
        Ok(())
    }

    fn unary(&mut self) -> Result<(), Problem> {
        self.deeper()?;
        if self.is_sign("-") {
            self.at += 1;
            self.out.push('-');
            self.unary()?;
        } else {
            self.postfix()?;
        }
        self.depth -= 1;
        Ok(())
    }

    fn postfix(&mut self) -> Result<(), Problem> {
        let used = self.primary()?;
        let mut shown_as_is = used;
        loop {
            if self.is_sign("|") {
                self.at += 1;
                let filter = self.filter()?;
                if let Some(index) = shown_as_is.filter(|_| {
                    filter == "default" || (filter == "tojson" && self.walk.target == Target::Json)
                }) {
                    self.walk.reading.uses[index].bare = false;
                    shown_as_is = None;
                }
            } else if self.is_word("is") {
                self.at += 1;
                self.test()?;
                if let Some(index) = shown_as_is.take() {
                    self.walk.reading.uses[index].bare = false;
                }
            } else {
                return Ok(());
            }
        }
    }

    /// A value; for a variable of the outside the index of its use.
    fn primary(&mut self) -> Result<Option<usize>, Problem> {
        let line = self.line();
        match self.peek() {
            Some(What::Text(text)) => {
                self.at += 1;
                self.quote(text);
                Ok(None)
            }
            Some(What::Number(number)) => {
                self.at += 1;
                self.out.push_str(number);
                Ok(None)
            }
            Some(What::Sign("(")) => {
                self.at += 1;
                self.out.push('(');
                self.whole()?;
                self.take_sign(")")?;
                self.out.push(')');
                Ok(None)
            }
            Some(What::Sign("[")) => {
                self.constants()?;
                Ok(None)
            }
            Some(What::Name(name)) => match name.as_str() {
                "true" | "True" => {
                    self.at += 1;
                    self.out.push_str("true");
                    Ok(None)
                }
                "false" | "False" => {
                    self.at += 1;
                    self.out.push_str("false");
                    Ok(None)
                }
                "none" | "None" => {
                    self.at += 1;
                    self.out.push_str("none");
                    Ok(None)
                }
                "loop" if self.walk.is_bound("loop") => self.variable(),
                word if is_keyword(word) => {
                    Err(self.wrong(format!("A value is missing before `{word}`.")))
                }
                _ => self.variable(),
            },
            Some(What::Sign(_)) => Err(left_over(&self.tag.words[self.at])),
            None => Err(Problem::at(
                line,
                "A value is missing at the end of this tag.",
            )),
        }
    }

    /// `lead.attributes["service type"].year`
    fn variable(&mut self) -> Result<Option<usize>, Problem> {
        let line = self.line();
        let mut path = String::new();
        let from = self.out.len();
        let mut local = false;
        loop {
            match self.peek() {
                Some(What::Name(name)) => {
                    if path.is_empty() {
                        local = self.walk.is_bound(name);
                    } else {
                        path.push('.');
                        self.out.push('.');
                    }
                    path.push_str(name);
                    self.out.push_str(name);
                    self.at += 1;
                }
                _ => {
                    return Err(self.wrong(
                        "After a dot comes a name; names with spaces are written `[\"name\"]`.",
                    ));
                }
            }
            loop {
                if !self.is_sign("[") {
                    break;
                }
                self.at += 1;
                match self.peek() {
                    Some(What::Text(key)) => {
                        path.push('.');
                        path.push_str(key);
                        self.out.push('[');
                        self.quote(key);
                    }
                    Some(What::Number(index)) => {
                        path.push('.');
                        path.push_str(index);
                        self.out.push('[');
                        self.out.push_str(index);
                    }
                    _ => {
                        return Err(
                            self.wrong("Between `[` and `]` stands a name in quotes or a number.")
                        );
                    }
                }
                self.at += 1;
                self.take_sign("]")?;
                self.out.push(']');
            }
            if !self.is_sign(".") {
                break;
            }
            self.at += 1;
        }
        if self.is_sign("(") {
            return Err(self.wrong(format!("`{path}` cannot be called: templates have no functions. Use a filter, such as `{path}|upper`.")));
        }
        if local {
            return Ok(None);
        }
        let next_is = |at: usize, word: &str| matches!(self.tag.words.get(at).map(|w| &w.what), Some(What::Name(n)) if n == word);
        let has_fallback = self.is_sign("|") && next_is(self.at + 1, "default");
        let optional = self.walk.optional.iter().any(|name| {
            *name == path
                || name
                    .strip_suffix(".*")
                    .is_some_and(|group| path.starts_with(group))
        });
        if optional && !has_fallback && !self.is_word("is") && self.purpose == Purpose::Shown {
            self.out.insert(from, '(');
            self.out.push_str("|default(\"\"))");
        }
        let bare = self.purpose == Purpose::Shown && !optional && !self.walk.is_asked(&path);
        self.walk.reading.uses.push(Use { path, line, bare });
        Ok(Some(self.walk.reading.uses.len() - 1))
    }

    /// `["a", "b", 3]`: texts and numbers only, so that lists cannot be put into lists.
    fn constants(&mut self) -> Result<(), Problem> {
        self.at += 1;
        self.out.push('[');
        while !self.is_sign("]") {
            match self.peek() {
                Some(What::Text(text)) => self.quote(text),
                Some(What::Number(number)) => self.out.push_str(number),
                _ => {
                    return Err(self
                        .wrong("A list holds texts in quotes and numbers, separated by commas."));
                }
            }
            self.at += 1;
            if self.is_sign(",") {
                self.at += 1;
                self.out.push_str(", ");
            } else {
                break;
            }
        }
        self.take_sign("]")?;
        self.out.push(']');
        Ok(())
    }

    fn filter(&mut self) -> Result<&'static str, Problem> {
        let line = self.line();
        let Some(What::Name(name)) = self.peek() else {
            return Err(self.wrong("After `|` comes the name of a filter, such as upper."));
        };
        let Some((name, most)) = FILTERS.iter().find(|(known, _)| known == name) else {
            let nearest = did_you_mean(name, FILTERS.iter().map(|(name, _)| *name));
            let all = FILTERS
                .iter()
                .map(|(name, _)| *name)
                .collect::<Vec<_>>()
                .join(", ");
            return Err(Problem::at(
                line,
                format!("There is no filter `{name}`.{nearest} The filters are {all}."),
            ));
        };
        self.at += 1;
        self.out.push('|');
        self.out.push_str(name);
        if self.is_sign("(") {
            self.at += 1;
            let mut given = 0;
            let start = self.out.len();
            while !self.is_sign(")") {
                if given > 0 {
                    self.take_sign(",")?;
                    self.out.push_str(", ");
                }
                self.whole()?;
                given += 1;
            }
            self.at += 1;
            if given > *most {
                return Err(Problem::at(
                    line,
                    format!("`{name}` takes {} in brackets.", in_words(*most)),
                ));
            }
            if given > 0 {
                self.out.insert(start, '(');
                self.out.push(')');
            }
        }
        Ok(name)
    }

    fn test(&mut self) -> Result<(), Problem> {
        self.out.push_str(" is ");
        if self.is_word("not") {
            self.at += 1;
            self.out.push_str("not ");
        }
        let Some(What::Name(name)) = self.peek() else {
            return Err(self.wrong("After `is` comes a test, such as defined."));
        };
        let Some(name) = TESTS.iter().find(|known| *known == name) else {
            let nearest = did_you_mean(name, TESTS.iter().copied());
            return Err(self.wrong(format!(
                "There is no test `{name}`.{nearest} The tests are {}.",
                TESTS.join(", ")
            )));
        };
        self.at += 1;
        self.out.push_str(name);
        Ok(())
    }

    fn quote(&mut self, text: &str) {
        self.out.push('"');
        for c in text.chars() {
            match c {
                '"' => self.out.push_str("\\\""),
                '\\' => self.out.push_str("\\\\"),
                '\n' => self.out.push_str("\\n"),
                c => self.out.push(c),
            }
        }
        self.out.push('"');
    }
}

fn in_words(most: usize) -> &'static str {
    match most {
        0 => "nothing",
        1 => "at most one value",
        _ => "at most two values",
    }
}

fn left_over(word: &Word) -> Problem {
    Problem::at(
        word.line,
        match &word.what {
            What::Sign("+" | "*" | "**") => {
                "Templates subtract and divide, but do not add or multiply; put the finished number into the data.".to_owned()
            }
            What::Sign("~") => "Texts are not joined with `~`: write the values one after the other, `{{ a }} {{ b }}`.".to_owned(),
            What::Sign(":") => "`:` has no meaning here; a filter's values stand in brackets, `default(\"there\")`.".to_owned(),
            What::Sign(",") => "A comma has no meaning here.".to_owned(),
            What::Sign("=") => "Two values are compared with `==`.".to_owned(),
            What::Sign(sign) => format!("`{sign}` stands in the wrong place."),
            What::Name(name) if name == "recursive" => "Loops cannot be recursive.".to_owned(),
            What::Name(name) if name == "if" => "A loop has no condition of its own; write `{% if … %}` inside it.".to_owned(),
            What::Name(name) => format!("`{name}` stands in the wrong place; an operator or a filter is missing before it."),
            What::Text(text) => format!("The text \"{}\" stands in the wrong place.", text.chars().take(30).collect::<String>()),
            What::Number(number) => format!("The number {number} stands in the wrong place."),
        },
    )
}

#[cfg(test)]
mod tests {
    use super::super::source::split;
    use super::*;

    fn understood(source: &str) -> Result<(String, Vec<Use>), Vec<Problem>> {
        let pieces = split(source, 1).map_err(|p| vec![p])?;
        let reading = read(pieces, &["lead.city".to_owned()], Target::Words)?;
        Ok((write(&reading.pieces), reading.uses))
    }

    /// T1: what is understood is written out in one form.
    #[test]
    fn tags_are_written_out_again() {
        for (source, expected) in [
            (
                "a {{lead.first_name|default('there')}} b",
                r#"a {{ lead.first_name|default("there") }} b"#,
            ),
            (
                "{%if a.b==1 and not c%}x{%elif d in ['p',2]%}y{%else%}z{%endif%}",
                r#"{% if a.b == 1 and not c %}x{% elif d in ["p", 2] %}y{% else %}z{% endif %}"#,
            ),
            (
                "{% for k, v in lead.attributes|items %}{{k}}={{ v }}{% endfor %}",
                "{% for k, v in lead.attributes|items %}{{ k }}={{ v }}{% endfor %}",
            ),
            ("{{ lead.city }}", r#"{{ (lead.city|default("")) }}"#),
            (
                "{{ lead.city|upper }}",
                r#"{{ (lead.city|default(""))|upper }}"#,
            ),
            ("{{ a['b c'][0].d }}", r#"{{ a["b c"][0].d }}"#),
            (
                "{{ a if b is not defined else 'c\"' }}",
                r#"{{ a if b is not defined else "c\"" }}"#,
            ),
            ("{{- a -}}\n{# no #}", "{{- a -}}\n{#  #}"),
            (
                "{% raw %}{{ a }} {%{% endraw %}{{ b }}",
                r#"{{ "{" }}{ a }} {{ "{" }}%{{ b }}"#,
            ),
            (
                "{% set x = a|upper() %}{{ x }}",
                "{% set x = a|upper %}{{ x }}",
            ),
            ("{{ a - 1 / -2 }}", "{{ a - 1 / -2 }}"),
            (
                "a\n  {% if b %}  \n c\n{# d #}\n{% endif %}\ne",
                "a\n{% if b %} c\n{#  #}{% endif %}e",
            ),
            (
                "a {% if b %}\nc{% endif %}\n",
                "a {% if b %}\nc{% endif %}\n",
            ),
        ] {
            assert_eq!(understood(source).unwrap().0, expected, "{source}");
        }
    }

    /// T1: only a value that is shown without condition and fallback is bare.
    #[test]
    fn a_condition_or_a_fallback_covers_a_variable() {
        for (source, bare) in [
            ("{{ lead.zip }}", true),
            ("{{ lead.zip|upper }}", true),
            ("{{ lead.zip|default('') }}", false),
            ("{{ lead.zip|upper|default('') }}", false),
            ("{% if lead.zip %}{{ lead.zip }}{% endif %}", false),
            ("{% if lead.state %}{{ lead.zip }}{% endif %}", true),
            ("{% for x in lead.zip %}{% endfor %}", false),
            ("{{ 'y' if lead.zip is defined else 'n' }}", false),
            ("{{ lead.city }}", false),
            ("{{ 'a'|default(lead.zip) }}", true),
        ] {
            let uses = understood(source).unwrap().1;
            assert_eq!(uses.iter().any(|u| u.bare), bare, "{source}: {uses:?}");
        }
        assert!(
            understood("{% for lead in list %}{{ lead.zip }}{% endfor %}")
                .unwrap()
                .1
                .iter()
                .all(|u| u.path == "list")
        );
    }

    /// T1: whatever is not part of the language is a problem with a line and a way out.
    #[test]
    fn the_rest_of_jinja_is_refused() {
        for source in [
            "{{ a ~ b }}",
            "{{ a + b }}",
            "{{ 'x' * 9 }}",
            "{{ 'x' ** 9 }}",
            "{{ [a] }}",
            "{{ [[1]] }}",
            "{{ (a, b) }}",
            "{{ a, b }}",
            "{{ range(9) }}",
            "{{ a.b() }}",
            "{{ a|indent(9) }}",
            "{{ a|safe }}",
            "{{ a|nope }}",
            "{{ a is nope }}",
            "{{ a|upper(1) }}",
            "{{ a|default(1,2) }}",
            "{{ a[b] }}",
            "{{ a[1:2] }}",
            "{{ a. }}",
            "{{ .a }}",
            "{{ a b }}",
            "{{ }}",
            "{{ if }}",
            "{{ not }}",
            "{{ a | }}",
            "{{ (a }}",
            "{{ a) }}",
            "{{ a = b }}",
            "{{ 1234567890123456789 }}",
            "{{ self.x }}",
            "{{ loop.index }}",
            "{% include 'x' %}",
            "{% extends 'x' %}",
            "{% import 'x' as y %}",
            "{% macro x() %}",
            "{% block x %}",
            "{% with a = 1 %}",
            "{% filter upper %}",
            "{% autoescape false %}",
            "{% set a %}b{% endset %}",
            "{% set a.b = 1 %}",
            "{% do x %}",
            "{% iff a %}",
            "{% if a %}",
            "{% endif %}",
            "{% else %}",
            "{% elif a %}",
            "{% for a in b %}{% endif %}",
            "{% if a %}{% endfor %}",
            "{% if a %}{% else %}{% else %}{% endif %}",
            "{% for a in b recursive %}{% endfor %}",
            "{% for a in b if c %}{% endfor %}",
            "{% for a, b, c in d %}{% endfor %}",
            "{% for in in d %}{% endfor %}",
            "{% for a %}{% endfor %}",
            "{% 1 %}",
            "{% %}",
            "{% endraw %}",
            "{% if a %}{% endif a %}",
        ] {
            let problems = understood(&format!("x\n{source}")).unwrap_err();
            assert_eq!(problems[0].line, Some(2), "{source}: {problems:?}");
            assert!(problems[0].message.ends_with(['.', '?']), "{}", problems[0]);
        }
    }

    /// T1: nesting is bounded where it is read, so that nothing later recurses without end.
    #[test]
    fn nesting_is_bounded() {
        for source in [
            format!("{{{{ {}a{} }}}}", "(".repeat(9_000), ")".repeat(9_000)),
            format!("{{{{ {}a }}}}", "not ".repeat(9_000)),
            format!("{{{{ {}a }}}}", "-".repeat(9_000)),
            format!("{{{{ a{} }}}}", "|default(a".repeat(9_000)),
            format!("{{{{ a{} }}}}", " if a else a".repeat(9_000)),
            "{% if a %}".repeat(9_000),
            "{% for a in b %}".repeat(9_000),
            format!("{{{{ a{} }}}}", "|upper".repeat(9_000)),
            format!("{{{{ a{} }}}}", " - a".repeat(9_000)),
            format!("{{{{ a{} }}}}", " == a".repeat(9_000)),
            format!("{{{{ a{} }}}}", " and a".repeat(9_000)),
            format!("{{{{ a{} }}}}", ".a".repeat(9_000)),
            format!("{{% if a %}}{}{{% endif %}}", "{% elif a %}".repeat(4_000)),
        ] {
            assert!(understood(&source).is_err());
        }
    }
}
