//! A question to the lead and its typed answer (W2): what cannot be read is asked again, twice, then a person takes over.

use super::definition::{Send, Step};
use crate::config::durations;
use crate::contact::{Email, Phone};
use crate::places::Region;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::time::Duration;

/// How often a question is repeated whose answer could not be read.
pub const RETRIES: u32 = 2;
/// The longest answer that is kept. Unit: characters.
const LONGEST: usize = 1_000;

/// A question.
#[derive(Debug, Clone, Serialize)]
pub struct Ask {
    /// How it is asked.
    pub question: Send,
    /// How it is asked again; none is with the same words.
    pub again: Option<Send>,
    /// What an answer is.
    pub answer: Answer,
    /// The attribute that keeps it.
    pub into: String,
    /// How long an answer is waited for, each time.
    #[serde(with = "durations")]
    pub within: Duration,
    /// What is done with an answer.
    pub then: Vec<Step>,
    /// What is done without one; before that, a task asks a person to take over.
    pub otherwise: Vec<Step>,
}

/// What an answer is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// Anything.
    Text,
    /// Yes or no.
    YesNo,
    /// A number.
    Number,
    /// One of these, by its word or its place in the list.
    Choice(Vec<String>),
    /// A day: `2026-12-24`, `12/24/2026`, today or tomorrow.
    Date,
    /// A phone number.
    Phone,
    /// An email address.
    Email,
    /// A ZIP or postal code.
    Zip,
}

impl Answer {
    /// Reads what a person wrote; `None` when it is no such answer.
    pub fn read(&self, wrote: &str, region: Region, today: Date) -> Option<Value> {
        let text: String = wrote.trim().chars().take(LONGEST).collect();
        if text.is_empty() {
            return None;
        }
        let word = text
            .trim_end_matches(['.', '!', '?', ',', ')'])
            .to_lowercase();
        match self {
            Self::Text => Some(json!(text)),
            Self::YesNo => match word.as_str() {
                "y" | "yes" | "yeah" | "yep" | "sure" | "ok" | "okay" | "si" | "sí"
                | "yes please" => Some(json!(true)),
                "n" | "no" | "nope" | "nah" | "no thanks" | "no thank you" => Some(json!(false)),
                _ => None,
            },
            Self::Number => number(&word),
            Self::Choice(choices) => {
                let by_word = choices.iter().find(|one| one.to_lowercase() == word);
                let by_place = || {
                    let place: usize = word.parse().ok()?;
                    choices.get(place.checked_sub(1)?)
                };
                by_word.or_else(by_place).map(|one| json!(one))
            }
            Self::Date => date(&word, region, today).map(|day| json!(day.to_string())),
            Self::Phone => Phone::parse(&text, region)
                .ok()
                .map(|phone| json!(phone.as_str())),
            Self::Email => Email::parse(&text).ok().map(|email| json!(email.as_str())),
            Self::Zip => {
                let plausible = (3..=10).contains(&text.len())
                    && text.chars().any(|c| c.is_ascii_digit())
                    && text
                        .chars()
                        .all(|c| c.is_ascii_alphanumeric() || c == ' ' || c == '-');
                plausible.then(|| json!(text.to_uppercase()))
            }
        }
    }

    /// What is wanted, within a sentence.
    pub fn noun(&self) -> String {
        match self {
            Self::Text => "an answer".into(),
            Self::YesNo => "yes or no".into(),
            Self::Number => "a number".into(),
            Self::Choice(choices) => format!("one of {}", choices.join(", ")),
            Self::Date => "a day".into(),
            Self::Phone => "a phone number".into(),
            Self::Email => "an email address".into(),
            Self::Zip => "a ZIP or postal code".into(),
        }
    }
}

/// A number with its thousands, a currency sign and a `k` as people write it.
fn number(word: &str) -> Option<Value> {
    let bare = word
        .trim_start_matches(['$', '£', '€', '~'])
        .replace([',', ' '], "");
    let (digits, times) = match bare.strip_suffix('k') {
        Some(digits) => (digits, 1_000.0),
        None => (bare.as_str(), 1.0),
    };
    let plain = digits
        .chars()
        .all(|c| c.is_ascii_digit() || c == '.' || c == '-');
    let number: f64 = plain.then(|| digits.parse().ok()).flatten()?;
    let number = number * times;
    if !number.is_finite() {
        return None;
    }
    // Whole numbers are kept as such, so that they read back as they were meant.
    if number.fract() == 0.0 && number.abs() < 9e15 {
        return Some(json!(number as i64));
    }
    Some(json!(number))
}

fn date(word: &str, region: Region, today: Date) -> Option<Date> {
    match word {
        "today" => return Some(today),
        "tomorrow" => return today.tomorrow().ok(),
        _ => {}
    }
    if let Ok(day) = word.parse::<Date>() {
        return Some(day);
    }
    let parts: Vec<i16> = word
        .split(['/', '.', '-'])
        .map(|part| part.trim().parse().ok())
        .collect::<Option<_>>()?;
    let (first, second, year) = match parts.as_slice() {
        [first, second] => (*first, *second, today.year()),
        [first, second, year] if *year < 100 => (*first, *second, year + 2_000),
        [first, second, year] => (*first, *second, *year),
        _ => return None,
    };
    let (month, day) = if region == Region::US {
        (first, second)
    } else {
        (second, first)
    };
    let (month, day) = (i8::try_from(month).ok()?, i8::try_from(day).ok()?);
    let found = Date::new(year, month, day).ok()?;
    // A day without its year is the next one.
    if parts.len() == 2 && found < today {
        return Date::new(year + 1, month, day).ok();
    }
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// W2: answers are typed.
    #[test]
    fn answers_are_read_as_people_write_them() {
        let today = jiff::civil::date(2026, 11, 24);
        let choices = Answer::Choice(vec!["Repair".into(), "Replacement".into()]);
        let uk: Region = "GB".parse().unwrap();
        for (answer, region, wrote, wanted) in [
            (&Answer::YesNo, Region::US, " Yes! ", Some(json!(true))),
            (&Answer::YesNo, Region::US, "No thanks", Some(json!(false))),
            (&Answer::YesNo, Region::US, "maybe", None),
            (
                &Answer::Number,
                Region::US,
                "$1,200.50",
                Some(json!(1200.5)),
            ),
            (&Answer::Number, Region::US, "450k", Some(json!(450_000))),
            (&Answer::Number, Region::US, "a lot", None),
            (&Answer::Number, Region::US, "inf", None),
            (&choices, Region::US, "2", Some(json!("Replacement"))),
            (&choices, Region::US, "repair.", Some(json!("Repair"))),
            (&choices, Region::US, "0", None),
            (&choices, Region::US, "3", None),
            (&Answer::Date, Region::US, "12/1", Some(json!("2026-12-01"))),
            (&Answer::Date, Region::US, "1/12", Some(json!("2027-01-12"))),
            (&Answer::Date, uk, "1/12", Some(json!("2026-12-01"))),
            (
                &Answer::Date,
                Region::US,
                "Tomorrow",
                Some(json!("2026-11-25")),
            ),
            (&Answer::Date, Region::US, "13/13/26", None),
            (
                &Answer::Phone,
                Region::US,
                "303 555 0199",
                Some(json!("+13035550199")),
            ),
            (&Answer::Email, Region::US, "dana at home", None),
            (&Answer::Zip, Region::US, "80202", Some(json!("80202"))),
            (&Answer::Zip, uk, "sw1a 1aa", Some(json!("SW1A 1AA"))),
            (&Answer::Zip, uk, "nowhere", None),
            (&Answer::Text, Region::US, "  ", None),
        ] {
            assert_eq!(
                answer.read(wrote, region, today),
                wanted,
                "{answer:?} {wrote:?}"
            );
        }
    }
}
