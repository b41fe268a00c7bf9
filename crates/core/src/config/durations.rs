//! Lengths of time as configuration writes them: `10s`, `5m`, `1h30m`, `2d`, `1w`.

use serde::{Deserialize, Deserializer, Serializer, de};
use std::time::Duration;

/// The longest time a configuration may name. Everything a workflow waits for fits in two years.
pub const LONGEST: Duration = Duration::from_secs(2 * 366 * 86_400);

const UNITS: [(&str, u64); 5] = [
    ("w", 604_800),
    ("d", 86_400),
    ("h", 3_600),
    ("m", 60),
    ("s", 1),
];

/// Reads `1h30m`; the error is a sentence.
pub fn parse(text: &str) -> Result<Duration, String> {
    let advice = || {
        format!(
            "`{text}` is no length of time. Write a number and s, m, h, d or w, such as 5m, 24h or 1h30m."
        )
    };
    let mut rest = text.trim();
    if rest.is_empty() {
        return Err(advice());
    }
    let mut seconds: u64 = 0;
    while !rest.is_empty() {
        let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let count: u64 = rest[..digits].parse().map_err(|_| advice())?;
        rest = rest[digits..].trim_start();
        let (unit, each) = UNITS
            .iter()
            .find(|(unit, _)| rest.starts_with(unit))
            .ok_or_else(advice)?;
        rest = rest[unit.len()..].trim_start();
        seconds = count
            .checked_mul(*each)
            .and_then(|more| seconds.checked_add(more))
            .filter(|sum| *sum <= LONGEST.as_secs())
            .ok_or_else(|| format!("`{text}` is longer than two years, which is the most."))?;
    }
    Ok(Duration::from_secs(seconds))
}

/// Writes a length of time as it is read: `1h30m`.
pub fn show(length: Duration) -> String {
    let mut rest = length.as_secs();
    let mut out = String::new();
    for (unit, each) in UNITS {
        if rest >= each {
            out.push_str(&format!("{}{unit}", rest / each));
            rest %= each;
        }
    }
    if out.is_empty() { "0s".to_owned() } else { out }
}

/// For `#[serde(with = "durations")]`.
pub fn serialize<S: Serializer>(length: &Duration, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(&show(*length))
}

/// For `#[serde(with = "durations")]`.
pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
    parse(&String::deserialize(from)?).map_err(de::Error::custom)
}

/// For `#[serde(default, with = "durations::option")]`.
pub mod option {
    use super::{Deserialize, Deserializer, Duration, Serializer, de, parse, show};

    /// Writes the length or nothing.
    pub fn serialize<S: Serializer>(length: &Option<Duration>, to: S) -> Result<S::Ok, S::Error> {
        match length {
            Some(length) => to.serialize_some(&show(*length)),
            None => to.serialize_none(),
        }
    }

    /// Reads a length; nothing is none.
    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Duration>, D::Error> {
        Option::<String>::deserialize(from)?
            .map(|text| parse(&text).map_err(de::Error::custom))
            .transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn lengths_are_read_and_mistakes_are_explained() {
        for (text, seconds) in [
            ("10s", 10),
            ("5m", 300),
            ("1h30m", 5_400),
            ("1h 30m", 5_400),
            ("24h", 86_400),
            ("2d", 172_800),
            ("1w", 604_800),
            ("0s", 0),
        ] {
            assert_eq!(parse(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for text in [
            "",
            "5",
            "m",
            "5 minutes",
            "-5m",
            "5.5m",
            "99999999999999999999s",
            "3000d",
            "é",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_shown_reads_back(seconds in 0u64..60_000_000) {
            let length = Duration::from_secs(seconds);
            prop_assert_eq!(parse(&show(length)), Ok(length));
        }

        #[test]
        fn any_text_is_answered(text in ".*") {
            let _answer = parse(&text);
        }
    }
}
