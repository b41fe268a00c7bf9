//! Conditions: one typed tree for score rules, triggers, branches, routing and segments (S2, W2).
//!
//! ```yaml
//! when:
//!   all:
//!     - { field: event.properties.path, contains: emergency }
//!     - any:
//!         - { field: time.after_hours, is: true }
//!         - { field: lead.attributes.service_type, in: [replacement, recalibration] }
//!     - not: { field: lead.stage, is: lost }
//! ```
//!
//! | operator | holds when |
//! |---|---|
//! | `is`, `is_not` | the value equals; case and spaces around do not matter, `"2021"` equals `2021`, `yes` and `on` equal `true` |
//! | `in`, `not_in` | the value equals one of the list, or none |
//! | `gt`, `gte`, `lt`, `lte`, `between` | it stands so to a number or a date; numbers and dates are read out of text; both ends of `between` count |
//! | `contains`, `starts_with`, `ends_with` | the text does, whatever its case; of a list of texts one has to fit |
//! | `matches` | the regular expression is found in it, whatever the case (`(?-i)` turns that off); 64 KiB compiled at most |
//! | `exists` | there is a value (`true`) or none (`false`) |
//! | `within` | the instant lies no farther from now than that, before or after (`15m`, `48h`, `7d`) |
//! | `older_than` | the instant is longer ago than that; never for one to come |
//!
//! A date such as `2026-11-22` stands for its midnight and `2026-11-22T09:00` for that hour, at the tenant's place unless
//! `zone: America/Denver` stands beside the operator; a time with an offset says itself when it is.
//!
//! **Missing.** A field that is absent, `null`, blank or an empty list is missing: `exists: false`, `is_not` and `not_in` hold, all
//! else does not. **Lists.** A comparison holds when one element passes; `at_least: 2` beside the operator asks for two. `is_not` and
//! `not_in` hold when no element is such. **Bounds.** Depth 16, 200 comparisons and groups, 200 values in a list, 8 patterns; of a
//! text longer than 16 KiB `contains` and `matches` search the beginning.

mod catalogue;
mod check;
mod comparison;
mod explain;
mod facts;
mod fields;
mod operators;
mod read;
mod referrer;
mod sentences;
mod span;
pub(crate) mod suggest;
mod values;
mod zone;

#[cfg(test)]
mod laws;
#[cfg(test)]
pub(crate) mod scenes;
#[cfg(test)]
mod tests;

pub use catalogue::{FieldInfo, FieldKind, catalogue};
pub use explain::{Explained, Part};
pub use facts::{EventFacts, Facts, LeadFacts, SessionFacts, TimeFacts};
pub use operators::Comparison;
pub use span::{Span, SpanError};

/// A condition as configuration says it; read with serde, so its size is bounded.
#[derive(Debug, Clone, PartialEq)]
pub enum Condition {
    /// Every one of them holds.
    All(Vec<Condition>),
    /// At least one of them holds.
    Any(Vec<Condition>),
    /// It does not hold.
    Not(Box<Condition>),
    /// One comparison.
    Compare(Comparison),
}

impl Condition {
    /// Whether the condition holds. Allocates nothing, but for decoding a referrer's query.
    pub fn holds(&self, facts: &Facts<'_>) -> bool {
        match self {
            Self::All(parts) => parts.iter().all(|part| part.holds(facts)),
            Self::Any(parts) => parts.iter().any(|part| part.holds(facts)),
            Self::Not(part) => !part.holds(facts),
            Self::Compare(comparison) => comparison.holds(facts),
        }
    }

    /// What is wrong with it, one sentence per problem: fields that do not exist, operators that do not fit the field's type (W5).
    pub fn check(&self) -> Vec<String> {
        let mut problems = Vec::new();
        check::check(self, &mut problems);
        problems
    }

    /// Every comparison with its outcome and what was seen, in the order they are written. What stands under `not` is told turned
    /// round, so that a part that held always speaks for the whole.
    pub fn explain(&self, facts: &Facts<'_>) -> Explained {
        explain::explain(self, facts)
    }

    /// Why it holds: the sentences of the comparisons that made it so, none when it does not.
    pub fn why(&self, facts: &Facts<'_>) -> Vec<String> {
        explain::why(self, facts)
    }

    /// The condition in words, without facts: `page path contains “emergency” and it was after hours`.
    pub fn describe(&self) -> String {
        explain::describe(self)
    }

    /// The fields it asks for, as they are written, in that order; one that is asked twice comes twice.
    pub fn fields(&self) -> Vec<&str> {
        let mut found = Vec::new();
        self.each(&mut |comparison| found.push(comparison.field.written()));
        found
    }

    /// Whether time alone can make it true or false.
    pub fn looks_at_the_clock(&self) -> bool {
        let mut found = false;
        self.each(&mut |comparison| {
            found |= comparison.field.written().starts_with("time.")
                || matches!(comparison.test.name(), "within" | "older_than");
        });
        found
    }

    /// How many regular expressions it holds.
    pub(crate) fn patterns(&self) -> usize {
        let mut count = 0;
        self.each(&mut |comparison| count += usize::from(comparison.test.name() == "matches"));
        count
    }

    fn each<'c>(&'c self, visit: &mut impl FnMut(&'c Comparison)) {
        match self {
            Self::All(parts) | Self::Any(parts) => parts.iter().for_each(|part| part.each(visit)),
            Self::Not(part) => part.each(visit),
            Self::Compare(comparison) => visit(comparison),
        }
    }
}
