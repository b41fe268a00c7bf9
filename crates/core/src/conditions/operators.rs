//! Operators: the tests a comparison can make of what it sees.

use super::{
    facts::Facts,
    fields::Field,
    span::Span,
    values::{Bound, Literal, Scalar, Seen, contains, ends, instant_of, searchable, starts},
    zone::Zone,
};
use crate::time::Timestamp;
use jiff::tz::TimeZone;
use regex::{Regex, RegexBuilder};
use std::cmp::Ordering;

/// A pattern may take this much when compiled, and as much again for the states it has met.
const PATTERN_BYTES: usize = 64 * 1024;

/// One comparison: a field, a test, and of a list how many elements have to pass it.
#[derive(Debug, Clone, PartialEq)]
pub struct Comparison {
    pub(super) field: Field,
    pub(super) test: Test,
    /// 1 unless `at_least` says more.
    pub(super) wanted: u32,
    /// For dates without one; that of [`Facts::zone`] when absent.
    pub(super) zone: Option<Zone>,
}

/// What is asked of a value.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Test {
    Is(Literal),
    IsNot(Literal),
    In(Box<[Literal]>),
    NotIn(Box<[Literal]>),
    Gt(Bound),
    Gte(Bound),
    Lt(Bound),
    Lte(Bound),
    Between(Bound, Bound),
    Contains(Box<[Box<str>]>),
    StartsWith(Box<[Box<str>]>),
    EndsWith(Box<[Box<str>]>),
    Matches(Pattern),
    Exists(bool),
    Within(Span),
    OlderThan(Span),
}

impl Test {
    /// The operator as it is written.
    pub(super) const fn name(&self) -> &'static str {
        match self {
            Self::Is(_) => "is",
            Self::IsNot(_) => "is_not",
            Self::In(_) => "in",
            Self::NotIn(_) => "not_in",
            Self::Gt(_) => "gt",
            Self::Gte(_) => "gte",
            Self::Lt(_) => "lt",
            Self::Lte(_) => "lte",
            Self::Between(..) => "between",
            Self::Contains(_) => "contains",
            Self::StartsWith(_) => "starts_with",
            Self::EndsWith(_) => "ends_with",
            Self::Matches(_) => "matches",
            Self::Exists(_) => "exists",
            Self::Within(_) => "within",
            Self::OlderThan(_) => "older_than",
        }
    }

    /// Whether the test holds when nothing passes it.
    pub(super) const fn denies(&self) -> bool {
        matches!(self, Self::IsNot(_) | Self::NotIn(_) | Self::Exists(false))
    }

    /// Whether one value passes; for tests that deny, whether it is what they deny.
    pub(super) fn passes(&self, seen: Scalar<'_>, zone: &TimeZone, now: Timestamp) -> bool {
        match self {
            Self::Is(literal) | Self::IsNot(literal) => literal.equals(seen),
            Self::In(literals) | Self::NotIn(literals) => {
                literals.iter().any(|literal| literal.equals(seen))
            }
            Self::Gt(bound) => bound.order(seen, zone) == Some(Ordering::Greater),
            Self::Gte(bound) => bound.order(seen, zone).is_some_and(Ordering::is_ge),
            Self::Lt(bound) => bound.order(seen, zone) == Some(Ordering::Less),
            Self::Lte(bound) => bound.order(seen, zone).is_some_and(Ordering::is_le),
            Self::Between(from, to) => {
                from.order(seen, zone).is_some_and(Ordering::is_ge)
                    && to.order(seen, zone).is_some_and(Ordering::is_le)
            }
            Self::Contains(words) => {
                seen.with_text(|text| words.iter().any(|word| contains(text, word)))
            }
            Self::StartsWith(words) => {
                seen.with_text(|text| words.iter().any(|word| starts(text, word)))
            }
            Self::EndsWith(words) => {
                seen.with_text(|text| words.iter().any(|word| ends(text, word)))
            }
            Self::Matches(pattern) => seen.with_text(|text| pattern.fits(text)),
            Self::Exists(_) => true,
            Self::Within(span) => {
                away(seen, zone, now).is_some_and(|away| away.abs() <= span.micros())
            }
            Self::OlderThan(span) => {
                away(seen, zone, now).is_some_and(|away| away < -span.micros())
            }
        }
    }
}

/// Microseconds from `now` to the instant seen, negative when it is past.
fn away(seen: Scalar<'_>, zone: &TimeZone, now: Timestamp) -> Option<i64> {
    Some(instant_of(seen, zone)?.as_microsecond() - now.as_microsecond())
}

impl Comparison {
    pub(super) fn holds(&self, facts: &Facts<'_>) -> bool {
        self.judges(&self.field.seen(facts), facts)
    }

    pub(super) fn judges(&self, seen: &Seen<'_>, facts: &Facts<'_>) -> bool {
        let passed = seen.count(self.wanted, |scalar| self.passes(scalar, facts));
        passed != self.test.denies()
    }

    /// Whether one value passes; dates without a zone are read in the comparison's own, else in that of the facts.
    pub(super) fn passes(&self, seen: Scalar<'_>, facts: &Facts<'_>) -> bool {
        let zone = self.zone.as_ref().map_or(facts.zone, Zone::rules);
        self.test.passes(seen, zone, facts.now)
    }
}

/// A regular expression of bounded size: no pattern takes more than linear time, none takes more than its share of memory.
#[derive(Debug, Clone)]
pub(super) struct Pattern(Regex);

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.written() == other.written()
    }
}

impl Pattern {
    pub(super) fn read(written: &str) -> Result<Self, String> {
        RegexBuilder::new(written)
            .case_insensitive(true)
            .size_limit(PATTERN_BYTES)
            .dfa_size_limit(PATTERN_BYTES)
            .nest_limit(50)
            .build()
            .map(Self)
            .map_err(|error| match error {
                regex::Error::CompiledTooBig(_) => {
                    "the pattern takes more than 64 KiB when compiled; use smaller repetitions, [a-z0-9] for \\w, or contains with a list of words"
                        .to_owned()
                }
                regex::Error::Syntax(report) => {
                    let why = report.lines().last().unwrap_or_default();
                    format!("the pattern cannot be read: {}", why.trim_start_matches("error: "))
                }
                _ => "the pattern cannot be read".to_owned(),
            })
    }

    pub(super) fn written(&self) -> &str {
        self.0.as_str()
    }

    fn fits(&self, text: &str) -> bool {
        self.0.is_match(searchable(text))
    }
}
