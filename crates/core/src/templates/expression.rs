//! Reads what stands inside a tag: values, comparisons, filters and tests, by recursive descent of bounded depth.

use super::filters::{FILTERS, TESTS};
use super::problem::{Problem, did_you_mean};
use super::reading::{Target, Use, Walk};
use super::source::{Tag, What, Word};

/// Brackets, negations and alternatives inside one expression.
const DEPTH: u32 = 32;

pub(super) fn is_keyword(name: &str) -> bool {
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
pub(super) enum Purpose {
    /// Its value appears.
    Shown,
    /// A condition.
    Asked,
    /// A loop's list.
    Repeated,
}

pub(super) struct Expression<'w, 'a, 't> {
    walk: &'w mut Walk<'a>,
    tag: &'t Tag,
    purpose: Purpose,
    /// The next word.
    pub(super) at: usize,
    depth: u32,
    out: String,
    first_use: usize,
    chooses: bool,
}

impl<'w, 'a, 't> Expression<'w, 'a, 't> {
    pub(super) fn new(walk: &'w mut Walk<'a>, tag: &'t Tag, purpose: Purpose) -> Self {
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
    pub(super) fn finish(self) -> Result<String, Problem> {
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
    pub(super) fn whole(&mut self) -> Result<(), Problem> {
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

    pub(super) fn alternative(&mut self) -> Result<(), Problem> {
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
