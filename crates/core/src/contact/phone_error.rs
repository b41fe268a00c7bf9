//! Why a text is no phone number, said so that the person who typed it can mend it (L6).

use crate::places::Region;
use rlibphonenumber::{PHONE_NUMBER_UTIL, PhoneNumberFormat};
use std::fmt;

/// What is wrong with a phone number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PhoneFault {
    /// Nothing was written.
    Empty,
    /// There are letters in it.
    Letters,
    /// It cannot be read as a number at all.
    NotANumber,
    /// The country code behind the `+` does not exist, or there is none and the home country has no numbering plan.
    UnknownCountry,
    /// Digits are missing.
    TooShort {
        /// How many.
        by: u8,
    },
    /// There are digits too many.
    TooLong {
        /// How many.
        by: u8,
    },
    /// The length is right, but the country gives out no such number.
    NotAssigned,
}

/// A phone number that cannot be used. `Display` and `Debug` never show it, since logs are read by many; [`PhoneError::advice`]
/// does, for the person who typed it.
#[derive(Clone, PartialEq, Eq)]
pub struct PhoneError {
    /// What is wrong.
    pub fault: PhoneFault,
    /// The country whose rules were applied.
    pub country: Region,
    typed: Box<str>,
}

const WORDS: [&str; 10] = [
    "no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine",
];

fn digits(by: u8) -> String {
    let noun = if by == 1 { "digit" } else { "digits" };
    match WORDS.get(usize::from(by)) {
        Some(word) => format!("{word} {noun}"),
        None => format!("{by} {noun}"),
    }
}

impl PhoneError {
    pub(super) fn new(fault: PhoneFault, country: Region, typed: &str) -> Self {
        let typed: String = typed
            .trim()
            .chars()
            .filter(|c| !c.is_control())
            .take(32)
            .collect();
        Self {
            fault,
            country,
            typed: typed.into(),
        }
    }

    /// One sentence for the person who typed the number: what is wrong and for which country.
    pub fn advice(&self) -> String {
        let (typed, country) = (&self.typed, self.country.name());
        match self.fault {
            PhoneFault::Empty => "Write a phone number.".to_owned(),
            PhoneFault::Letters => {
                format!("{typed} has letters in it; write the phone number with digits only.")
            }
            PhoneFault::NotANumber => format!(
                "This cannot be read as a phone number; write it with its area code{}.",
                self.example()
            ),
            PhoneFault::UnknownCountry => format!(
                "{typed} has no country code that exists; begin with + and the code, for example +1 or +44."
            ),
            PhoneFault::TooShort { by } => {
                format!("{typed} is {} short for {country}.", digits(by))
            }
            PhoneFault::TooLong { by } => {
                format!("{typed} has {} too many for {country}.", digits(by))
            }
            PhoneFault::NotAssigned => format!(
                "{typed} has the right length, but {country} has no such number; check the digits."
            ),
        }
    }

    fn example(&self) -> String {
        rlibphonenumber::Region::from_code(self.country.as_str())
            .ok()
            .and_then(|region| PHONE_NUMBER_UTIL.get_example_number(region).ok())
            .map(|number| {
                let shown = PHONE_NUMBER_UTIL.format(&number, PhoneNumberFormat::International);
                format!(", for example {shown}")
            })
            .unwrap_or_default()
    }
}

impl fmt::Debug for PhoneError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PhoneError")
            .field("fault", &self.fault)
            .field("country", &self.country)
            .finish_non_exhaustive()
    }
}

impl fmt::Display for PhoneError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let country = self.country.name();
        match self.fault {
            PhoneFault::Empty => f.write_str("the phone number is empty"),
            PhoneFault::Letters => f.write_str("the phone number has letters in it"),
            PhoneFault::NotANumber => f.write_str("the text is no phone number"),
            PhoneFault::UnknownCountry => f.write_str("the phone number has no known country code"),
            PhoneFault::TooShort { by } => {
                write!(f, "the phone number is {} short for {country}", digits(by))
            }
            PhoneFault::TooLong { by } => {
                write!(
                    f,
                    "the phone number has {} too many for {country}",
                    digits(by)
                )
            }
            PhoneFault::NotAssigned => write!(f, "{country} has no such phone number"),
        }
    }
}

impl std::error::Error for PhoneError {}
