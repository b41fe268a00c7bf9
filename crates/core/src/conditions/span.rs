//! Lengths of time as people write them: `15m`, `48h`, `7d`, `1h 30m`.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::{fmt, str::FromStr};

/// A length of time in whole seconds, from one second to ten years. A day is 24 hours, also when clocks change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span(i64);

/// Ten years: long enough for every reminder, short enough that adding it to an instant cannot overflow.
const LONGEST: i64 = 3_653 * 86_400;
const UNITS: [(&str, i64); 5] = [
    ("w", 604_800),
    ("d", 86_400),
    ("h", 3_600),
    ("m", 60),
    ("s", 1),
];

/// Why a text is no length of time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "“{0}” is not a length of time: write a number and a unit, such as 30s, 15m, 48h, 7d or 2w (at most ten years)"
)]
pub struct SpanError(String);

impl Span {
    /// The length in seconds.
    pub const fn seconds(self) -> i64 {
        self.0
    }

    /// The length in microseconds, the unit in which instants are stored.
    pub const fn micros(self) -> i64 {
        self.0 * 1_000_000
    }
}

impl FromStr for Span {
    type Err = SpanError;

    fn from_str(text: &str) -> Result<Self, SpanError> {
        read(text)
            .map(Span)
            .ok_or_else(|| SpanError(text.chars().take(40).collect()))
    }
}

fn read(text: &str) -> Option<i64> {
    let mut rest = text.trim();
    if rest.len() > 40 {
        return None;
    }
    let mut total = 0i64;
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let amount: i64 = rest.get(..digits)?.parse().ok()?;
        rest = rest.get(digits..)?.trim_start();
        let (unit, seconds) = UNITS.iter().find(|(unit, _)| rest.starts_with(unit))?;
        rest = rest.get(unit.len()..)?.trim_start();
        total = total.checked_add(amount.checked_mul(*seconds)?)?;
    }
    (1..=LONGEST).contains(&total).then_some(total)
}

impl fmt::Display for Span {
    /// In the largest unit that divides it evenly: `48h` is shown as `2d`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Weeks are left out: people say “14 days” rather than “2 weeks” in rules.
        let (unit, seconds) = UNITS[1..]
            .iter()
            .find(|(_, seconds)| self.0 % seconds == 0)
            .unwrap_or(&UNITS[4]);
        write!(f, "{}{unit}", self.0 / seconds)
    }
}

impl Serialize for Span {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_read_as_people_write_them() {
        for (text, seconds) in [
            ("30s", Some(30)),
            ("15m", Some(900)),
            ("48h", Some(172_800)),
            ("7d", Some(604_800)),
            ("2w", Some(1_209_600)),
            (" 1h 30m ", Some(5_400)),
            ("1h30m", Some(5_400)),
            ("90 m", Some(5_400)),
            ("", None),
            ("0m", None),
            ("48", None),
            ("h", None),
            ("-5m", None),
            ("5 months", None),
            ("1.5h", None),
            ("99999999999999999999d", None),
            ("9999999999999d", None),
            ("11d😀", None),
        ] {
            assert_eq!(
                text.parse::<Span>().ok().map(Span::seconds),
                seconds,
                "{text:?}"
            );
        }
        assert_eq!("48h".parse::<Span>().unwrap().to_string(), "2d");
        assert_eq!("90m".parse::<Span>().unwrap().to_string(), "90m");
    }
}
