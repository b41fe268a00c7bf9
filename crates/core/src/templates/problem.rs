//! What is wrong with a template, said to its author.

use std::fmt;

/// One thing to mend in a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The line of the file, from 1, where that is known.
    pub line: Option<u32>,
    /// What is wrong and what to write instead: one or two sentences.
    pub message: String,
}

impl Problem {
    /// A problem on a line.
    pub fn at(line: u32, message: impl Into<String>) -> Self {
        Self {
            line: Some(line),
            message: message.into(),
        }
    }

    /// A problem of the whole file.
    pub fn of_file(message: impl Into<String>) -> Self {
        Self {
            line: None,
            message: message.into(),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "line {line}: {}", self.message),
            None => f.write_str(&self.message),
        }
    }
}

/// ` Did you mean …?` with the nearest of the choices, or nothing when none is near.
pub(super) fn did_you_mean<'a>(word: &str, choices: impl IntoIterator<Item = &'a str>) -> String {
    // Comparing is quadratic in length and the word is the author's.
    if word.len() > 80 {
        return String::new();
    }
    choices
        .into_iter()
        .map(|choice| (strsim::damerau_levenshtein(word, choice), choice))
        .filter(|(distance, choice)| *distance <= 1 + word.len().max(choice.len()) / 4)
        .min()
        .map(|(_, choice)| format!(" Did you mean `{choice}`?"))
        .unwrap_or_default()
}
