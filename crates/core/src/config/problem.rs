//! What is wrong with a configuration, said so that the person who wrote it can mend it (W5).

use serde::Serialize;
use std::fmt;

/// One mistake: where it is, what it is, how it is mended.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Problem {
    /// The file within the tenant's folder, `workflows/emergency.yaml`.
    pub path: String,
    /// The line in it, from 1; none when the file as a whole is meant.
    pub line: Option<u32>,
    /// What is wrong, a sentence.
    pub message: String,
    /// What to do about it, a sentence, where we know.
    pub mend: Option<String>,
}

impl Problem {
    /// A problem of a whole file.
    pub fn of_file(path: &str, message: impl Into<String>) -> Self {
        Self {
            path: path.to_owned(),
            line: None,
            message: message.into(),
            mend: None,
        }
    }

    /// A problem at a line.
    pub fn at(path: &str, line: u32, message: impl Into<String>) -> Self {
        Self {
            line: Some(line),
            ..Self::of_file(path, message)
        }
    }

    /// What a template says about itself.
    pub(super) fn of_template(path: &str, told: Vec<crate::templates::Problem>) -> Vec<Self> {
        told.into_iter()
            .map(|one| Self {
                path: path.to_owned(),
                line: one.line,
                message: one.message,
                mend: None,
            })
            .collect()
    }

    /// The same with its mend.
    #[must_use]
    pub fn mend(mut self, mend: impl Into<Option<String>>) -> Self {
        self.mend = mend.into();
        self
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.path)?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        write!(f, ": {}", self.message)?;
        if let Some(mend) = &self.mend {
            write!(f, " {mend}")?;
        }
        Ok(())
    }
}

/// "Did you mean `emergency`?", when one of the known words is near to what was written.
pub fn did_you_mean<'a>(written: &str, known: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let wanted = written.to_lowercase();
    known
        .into_iter()
        .map(|word| (strsim::jaro_winkler(&wanted, &word.to_lowercase()), word))
        .filter(|(near, _)| *near >= 0.8)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, word)| format!("Did you mean `{word}`?"))
}

/// The known word that `written` is a slip of the pen away from: two letters at most.
pub(super) fn slip_of<'a>(
    written: &str,
    known: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    known
        .into_iter()
        .filter(|word| word.len().min(written.len()) > 3)
        .map(|word| (strsim::damerau_levenshtein(written, word), word))
        .filter(|(distance, _)| (1..=2).contains(distance))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, word)| word)
}

/// The mend for a word that is not in a list: the nearest one, else the whole list.
pub fn did_you_mean_or_list<'a>(
    written: &str,
    known: impl IntoIterator<Item = &'a str> + Clone,
) -> Option<String> {
    did_you_mean(written, known.clone()).or_else(|| {
        let words: Vec<String> = known
            .into_iter()
            .take(20)
            .map(|w| format!("`{w}`"))
            .collect();
        match words.as_slice() {
            [] => None,
            [only] => Some(format!("There is only {only}.")),
            _ => Some(format!("There are {}.", words.join(", "))),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_near_word_is_offered_and_a_far_one_is_not() {
        let known = ["emergency", "escalation", "new-lead"];
        assert_eq!(
            did_you_mean("emergancy", known),
            Some("Did you mean `emergency`?".to_owned())
        );
        assert_eq!(did_you_mean("zzz", known), None);
        assert_eq!(
            did_you_mean_or_list("zzz", known),
            Some("There are `emergency`, `escalation`, `new-lead`.".to_owned())
        );
    }

    #[test]
    fn a_problem_reads_as_file_line_sentence_and_mend() {
        let problem = Problem::at("workflows/a.yaml", 7, "There is no template `emergancy`.")
            .mend(Some("Did you mean `emergency`?".to_owned()));
        assert_eq!(
            problem.to_string(),
            "workflows/a.yaml:7: There is no template `emergancy`. Did you mean `emergency`?"
        );
    }
}
