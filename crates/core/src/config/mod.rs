//! A tenant's configuration: a folder of small documents, read and checked as a whole (W5, I5).

pub mod durations;
#[allow(dead_code, reason = "the loader joins with its documents")]
mod node;
mod problem;
#[allow(dead_code, reason = "the loader joins with its documents")]
mod reader;

pub use problem::{Problem, did_you_mean};

/// Pages and the API show a condition in words; the document itself is the form that reads back.
pub(crate) fn in_words<S: serde::Serializer>(
    when: &crate::conditions::Condition,
    to: S,
) -> Result<S::Ok, S::Error> {
    to.serialize_str(&when.describe())
}

/// [`in_words`] of a condition that may be absent.
pub(crate) fn maybe_in_words<S: serde::Serializer>(
    when: &Option<crate::conditions::Condition>,
    to: S,
) -> Result<S::Ok, S::Error> {
    match when {
        Some(when) => to.serialize_some(&when.describe()),
        None => to.serialize_none(),
    }
}
