//! Values that are compared, and comparing them: without regard to case, with numbers and dates read out of text, nothing allocated.

use crate::time::Timestamp;
use jiff::{civil, tz::TimeZone};
use serde_json::Value;
use std::{
    cmp::Ordering,
    fmt::{self, Write},
};

/// Of a longer text only this much is searched by `contains` and `matches`.
const SEARCHED: usize = 16 * 1024;

/// One value that was seen.
#[derive(Debug, Clone, Copy)]
pub(super) enum Scalar<'f> {
    Text(&'f str),
    Number(f64),
    Bool(bool),
    Instant(Timestamp),
    /// An object or a list inside a list: it exists, and equals nothing.
    Opaque,
}

/// What was found at a field.
#[derive(Debug)]
pub(super) enum Seen<'f> {
    Missing,
    One(Scalar<'f>),
    /// A text that had to be put together.
    Made(String),
    Texts(&'f [String]),
    Values(&'f [Value]),
}

impl<'f> Scalar<'f> {
    pub(super) fn of(value: &'f Value) -> Self {
        match value {
            Value::String(text) => Self::Text(text),
            Value::Bool(truth) => Self::Bool(*truth),
            Value::Number(number) => number.as_f64().map_or(Self::Opaque, Self::Number),
            _ => Self::Opaque,
        }
    }

    fn blank(self) -> bool {
        matches!(self, Self::Text(text) if blank(text))
    }

    /// Gives the value as text to `test`; numbers as they are usually written, so that a ZIP sent as a number still reads.
    pub(super) fn with_text(self, test: impl FnOnce(&str) -> bool) -> bool {
        match self {
            Self::Text(text) => test(text),
            Self::Number(number) => {
                let mut buffer = Small::default();
                write!(buffer, "{number}").is_ok() && test(buffer.text())
            }
            _ => false,
        }
    }
}

impl<'f> Seen<'f> {
    pub(super) fn text(text: &'f str) -> Self {
        if blank(text) {
            Self::Missing
        } else {
            Self::One(Scalar::Text(text))
        }
    }

    pub(super) fn maybe(text: Option<&'f str>) -> Self {
        text.map_or(Self::Missing, Self::text)
    }

    pub(super) fn number(number: f64) -> Self {
        Self::One(Scalar::Number(number))
    }

    pub(super) fn texts(texts: &'f [String]) -> Self {
        if texts.is_empty() {
            Self::Missing
        } else {
            Self::Texts(texts)
        }
    }

    pub(super) fn is_list(&self) -> bool {
        matches!(self, Self::Texts(_) | Self::Values(_))
    }

    /// Calls `each` with every value that is not blank until it answers false.
    pub(super) fn each<'s>(&'s self, mut each: impl FnMut(Scalar<'s>) -> bool) {
        let mut go = |scalar: Scalar<'s>| scalar.blank() || each(scalar);
        match self {
            Self::Missing => {}
            Self::One(scalar) => {
                go(*scalar);
            }
            Self::Made(text) => {
                go(Scalar::Text(text));
            }
            Self::Texts(texts) => {
                let _all = texts.iter().all(|text| go(Scalar::Text(text)));
            }
            Self::Values(values) => {
                let _all = values
                    .iter()
                    .filter(|value| !value.is_null())
                    .all(|value| go(Scalar::of(value)));
            }
        }
    }

    /// Whether at least `wanted` of the values pass the test.
    pub(super) fn count<'s>(
        &'s self,
        wanted: u32,
        mut test: impl FnMut(Scalar<'s>) -> bool,
    ) -> bool {
        let mut missing = wanted;
        self.each(|scalar| {
            missing -= u32::from(test(scalar));
            missing > 0
        });
        missing == 0
    }
}

/// A number on its way to text, on the stack.
struct Small {
    bytes: [u8; 40],
    used: usize,
}

impl Default for Small {
    fn default() -> Self {
        Self {
            bytes: [0; 40],
            used: 0,
        }
    }
}

impl Small {
    fn text(&self) -> &str {
        self.bytes
            .get(..self.used)
            .and_then(|bytes| std::str::from_utf8(bytes).ok())
            .unwrap_or_default()
    }
}

impl Write for Small {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let end = self.used + text.len();
        self.bytes
            .get_mut(self.used..end)
            .ok_or(fmt::Error)?
            .copy_from_slice(text.as_bytes());
        self.used = end;
        Ok(())
    }
}

/// A value that a condition compares with.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Literal {
    /// A text; `number` and `truth` are what it would be as such, for facts that are numbers or yes and no.
    Text {
        text: Box<str>,
        number: Option<f64>,
        truth: Option<bool>,
    },
    Number(f64),
    Bool(bool),
}

impl Literal {
    pub(super) fn text(text: &str) -> Self {
        let text = trimmed(text);
        Self::Text {
            text: text.into(),
            number: number(text),
            truth: truth(text),
        }
    }

    /// Equality as a person means it: without regard to case or spaces around, `"2021"` equals 2021, `yes` and `on` equal true.
    pub(super) fn equals(&self, seen: Scalar<'_>) -> bool {
        match (self, seen) {
            (Self::Text { text, .. }, Scalar::Text(seen)) => same(trimmed(seen), text),
            (Self::Text { number, .. }, Scalar::Number(seen)) => *number == Some(seen),
            (Self::Text { truth, .. }, Scalar::Bool(seen)) => *truth == Some(seen),
            (Self::Number(wanted), Scalar::Text(seen)) => number(seen) == Some(*wanted),
            (Self::Number(wanted), Scalar::Number(seen)) => seen == *wanted,
            (Self::Bool(wanted), Scalar::Text(seen)) => truth(seen) == Some(*wanted),
            (Self::Bool(wanted), Scalar::Bool(seen)) => seen == *wanted,
            (Self::Bool(wanted), Scalar::Number(seen)) => seen == f64::from(u8::from(*wanted)),
            _ => false,
        }
    }
}

/// One end of a range.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Bound {
    Number(f64),
    /// A date or an instant, and how it was written.
    Instant(Moment, Box<str>),
}

impl Bound {
    /// How the value seen stands to the bound; `None` when it is of another kind.
    pub(super) fn order(&self, seen: Scalar<'_>, zone: &TimeZone) -> Option<Ordering> {
        match self {
            Self::Number(bound) => match seen {
                Scalar::Number(seen) => seen.partial_cmp(bound),
                Scalar::Text(seen) => number(seen)?.partial_cmp(bound),
                _ => None,
            },
            Self::Instant(bound, _) => Some(instant_of(seen, zone)?.cmp(&bound.at(zone)?)),
        }
    }
}

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => write!(f, "{number}"),
            Self::Instant(_, written) => f.write_str(written),
        }
    }
}

/// The instant a value stands for.
pub(super) fn instant_of(seen: Scalar<'_>, zone: &TimeZone) -> Option<Timestamp> {
    match seen {
        Scalar::Instant(at) => Some(at),
        Scalar::Text(text) => moment(text)?.at(zone),
        _ => None,
    }
}

/// A date or time as it was written: with an offset an instant, else what a clock on some wall says.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Moment {
    At(Timestamp),
    Local(civil::DateTime),
}

impl Moment {
    /// The instant, on a wall of that zone; an hour that clocks skip or repeat is read as jiff's “compatible” rule does.
    pub(super) fn at(&self, zone: &TimeZone) -> Option<Timestamp> {
        match self {
            Self::At(at) => Some(*at),
            Self::Local(local) => zone.to_timestamp(*local).ok(),
        }
    }
}

/// Reads `2026-11-22` (its midnight), `2026-11-22T09:00` or a full RFC 3339 time.
pub(super) fn moment(text: &str) -> Option<Moment> {
    let text = trimmed(text);
    // Brackets would name a zone, and make jiff look it up: facts are hostile, so they may not.
    if !(10..=40).contains(&text.len())
        || !text.as_bytes()[0].is_ascii_digit()
        || text.contains('[')
    {
        return None;
    }
    let local = if text.len() == 10 {
        text.parse::<civil::Date>()
            .ok()?
            .to_datetime(civil::Time::midnight())
    } else {
        match text.parse::<Timestamp>() {
            Ok(at) => return Some(Moment::At(at)),
            Err(_) => text.parse::<civil::DateTime>().ok()?,
        }
    };
    Some(Moment::Local(local))
}

/// `str::trim`, at once for the usual text that has nothing to trim.
fn trimmed(text: &str) -> &str {
    match text.as_bytes() {
        [first, .., last] if first.is_ascii_graphic() && last.is_ascii_graphic() => text,
        _ => text.trim(),
    }
}

fn blank(text: &str) -> bool {
    trimmed(text).is_empty()
}

/// Reads a finite number such as `2021`, `-3.5` or `1e3`. Words such as `inf` are no numbers.
pub(super) fn number(text: &str) -> Option<f64> {
    let text = trimmed(text);
    let first = *text.as_bytes().first()?;
    if text.len() > 40 || !(first.is_ascii_digit() || matches!(first, b'-' | b'+' | b'.')) {
        return None;
    }
    text.parse().ok().filter(|number: &f64| number.is_finite())
}

/// Reads yes or no as forms send it.
pub(super) fn truth(text: &str) -> Option<bool> {
    let text = trimmed(text);
    let among = |words: [&str; 5]| words.iter().any(|word| word.eq_ignore_ascii_case(text));
    if among(["true", "yes", "on", "1", "y"]) {
        Some(true)
    } else if among(["false", "no", "off", "0", "n"]) {
        Some(false)
    } else {
        None
    }
}

fn folded(text: &str) -> impl DoubleEndedIterator<Item = char> {
    text.chars().flat_map(char::to_lowercase)
}

/// Whether two texts are the same but for case.
pub(super) fn same(a: &str, b: &str) -> bool {
    let (Some(first), Some(other)) = (a.as_bytes().first(), b.as_bytes().first()) else {
        return a == b;
    };
    // Most comparisons end at the first letter.
    if first.is_ascii() && other.is_ascii() && !first.eq_ignore_ascii_case(other) {
        return false;
    }
    if a.len() == b.len() && a.eq_ignore_ascii_case(b) {
        return true;
    }
    !(a.is_ascii() && b.is_ascii()) && folded(a).eq(folded(b))
}

fn begins(text: &str, start: &str) -> bool {
    let mut letters = folded(text);
    folded(start).all(|wanted| letters.next() == Some(wanted))
}

/// Whether `text` starts with `start`, but for case.
pub(super) fn starts(text: &str, start: &str) -> bool {
    let text = trimmed(text);
    if start.is_ascii() {
        return text
            .as_bytes()
            .get(..start.len())
            .is_some_and(|head| head.eq_ignore_ascii_case(start.as_bytes()));
    }
    begins(text, start)
}

/// Whether `text` ends with `end`, but for case.
pub(super) fn ends(text: &str, end: &str) -> bool {
    let text = trimmed(text);
    if end.is_ascii() {
        let from = text.len().checked_sub(end.len());
        return from
            .and_then(|from| text.as_bytes().get(from..))
            .is_some_and(|tail| tail.eq_ignore_ascii_case(end.as_bytes()));
    }
    let mut letters = folded(text).rev();
    folded(end)
        .rev()
        .all(|wanted| letters.next() == Some(wanted))
}

/// The part of a text that is searched.
pub(super) fn searchable(text: &str) -> &str {
    if text.len() <= SEARCHED {
        return text;
    }
    let mut end = SEARCHED;
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

/// Whether `text` contains `word`, but for case.
pub(super) fn contains(text: &str, word: &str) -> bool {
    let text = searchable(text);
    if !word.is_ascii() {
        return text.char_indices().any(|(at, _)| begins(&text[at..], word));
    }
    let (text, word) = (text.as_bytes(), word.as_bytes());
    let Some(first) = word.first() else {
        return true;
    };
    let (low, high) = (first.to_ascii_lowercase(), first.to_ascii_uppercase());
    let Some(last) = text.len().checked_sub(word.len()) else {
        return false;
    };
    text[..=last].iter().enumerate().any(|(at, byte)| {
        (*byte == low || *byte == high) && text[at..at + word.len()].eq_ignore_ascii_case(word)
    })
}

#[cfg(test)]
mod tests {
    use super::super::zone::Zone;
    use super::*;

    #[test]
    fn text_is_compared_without_regard_to_case() {
        for (text, word) in [
            ("/Emergency/burst-pipe", "emergency"),
            ("ÉTÉ chaud", "été"),
            ("été chaud", "ÉTÉ"),
            ("a", "A"),
            ("x", ""),
            ("日本語", "本"),
        ] {
            assert!(contains(text, word), "{text} contains {word}");
        }
        for (text, word) in [
            ("", "a"),
            ("emergenc", "emergency"),
            ("été", "éte"),
            ("\u{e9}", "\u{e8}"),
        ] {
            assert!(!contains(text, word), "{text} lacks {word}");
        }
        assert!(starts("/SERVICES/drains", "/services/") && !starts("/service", "/services/"));
        assert!(
            starts("Élan vital", "éL") && ends("grand ÉTÉ", "été") && !ends("été", "grand été")
        );
        assert!(ends("Dana@Example.COM", "@example.com") && !ends("com", "@example.com"));
        assert!(same("\u{212a}elvin", "kelvin") && same("", "") && !same("", "a"));
        assert!(same("Straße", "sTRAßE") && same("İ", "i\u{307}") && !same("a", "ab"));
    }

    #[test]
    fn long_text_is_cut_between_letters() {
        let long = "é".repeat(SEARCHED);
        assert!(searchable(&long).len() <= SEARCHED);
        assert!(!contains(&format!("{long}needle"), "needle"));
        let odd = format!("x{long}");
        assert!(searchable(&odd).len() < SEARCHED);
    }

    #[test]
    fn numbers_are_read_out_of_text() {
        for (text, wanted) in [
            ("2021", Some(2021.0)),
            (" -3.5 ", Some(-3.5)),
            ("+1e3", Some(1000.0)),
            ("02134", Some(2134.0)),
            (".5", Some(0.5)),
            ("", None),
            ("inf", None),
            ("NaN", None),
            ("-inf", None),
            ("+nan", None),
            ("1e999", None),
            ("12 tons", None),
            ("0x10", None),
        ] {
            assert_eq!(number(text), wanted, "{text}");
        }
    }

    #[test]
    fn instants_are_read_out_of_text() {
        let denver = Zone::read("America/Denver").unwrap();
        let denver = denver.rules();
        for (text, zone, wanted) in [
            ("2026-11-22", &TimeZone::UTC, Some("2026-11-22T00:00:00Z")),
            ("2026-11-22", denver, Some("2026-11-22T07:00:00Z")),
            ("2026-07-01T09:00", denver, Some("2026-07-01T15:00:00Z")),
            (
                "2026-07-01 09:00:00",
                &TimeZone::UTC,
                Some("2026-07-01T09:00:00Z"),
            ),
            (
                "2026-11-22T09:00:00-07:00",
                denver,
                Some("2026-11-22T16:00:00Z"),
            ),
            (
                "2026-11-22T09:00:00Z",
                &TimeZone::UTC,
                Some("2026-11-22T09:00:00Z"),
            ),
            ("2026-11-22T09:00[Europe/London]", &TimeZone::UTC, None),
            ("2026-13-22", &TimeZone::UTC, None),
            ("22.11.2026", &TimeZone::UTC, None),
            ("tomorrow  ", &TimeZone::UTC, None),
            ("9999-12-31T23:59:59", denver, None),
            ("", &TimeZone::UTC, None),
            ("2026é", &TimeZone::UTC, None),
        ] {
            assert_eq!(
                moment(text).and_then(|moment| moment.at(zone)),
                wanted.map(|at| at.parse().unwrap()),
                "{text}"
            );
        }
    }
}
