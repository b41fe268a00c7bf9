//! Reads the tags of a template, checks them, and writes them out again for the engine.
//!
//! The language is the part of Jinja that shows, chooses and repeats. Whatever makes values larger (`~ + *`, nested lists, blocks
//! that are captured) or reaches other templates is left out: with it, a page of text can ask for more memory than there is.

use super::expression::{Expression, Purpose, is_keyword};
use super::pieces::{Checked, leave_no_lines};
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

struct Block {
    word: &'static str,
    line: u32,
    /// Variables that its conditions ask about.
    asked: Vec<String>,
    has_else: bool,
    elifs: usize,
}

pub(super) struct Walk<'a> {
    pub(super) optional: &'a [String],
    pub(super) target: Target,
    open: Vec<Block>,
    /// Names bound by loops and `set`, innermost last.
    bound: Vec<Vec<String>>,
    pub(super) reading: Reading,
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

    pub(super) fn is_bound(&self, name: &str) -> bool {
        self.bound.iter().flatten().any(|bound| bound == name)
    }

    pub(super) fn is_asked(&self, path: &str) -> bool {
        self.open
            .iter()
            .flat_map(|block| &block.asked)
            .any(|asked| asked == path)
    }
}

#[cfg(test)]
#[path = "reading_tests.rs"]
mod tests;
