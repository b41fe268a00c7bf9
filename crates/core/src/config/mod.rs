//! A tenant's configuration: a folder of small documents, read and checked as a whole (W5, I5).
//!
//! The folder is also the stored form: every document is kept with its version under its path, so that what a person edits, what
//! `pull` and `push` move and what the server runs are the same text. [`load`] turns documents into a [`TenantConfig`] or into
//! all their problems at once; nothing half-checked gets further.
//!
//! ```text
//! tenant.yaml  staff.yaml  products/*.yaml  scores/*.yaml  workflows/*.yaml  forms/*.yaml
//! templates/**/{name}.{sms|email|webhook}[.{locale}].{txt|mjml|html|json}  events/*.jsonl
//! ```

mod check;
mod draft;
pub mod durations;
pub mod form;
mod node;
mod problem;
pub mod product;
mod reader;
mod rota;
pub mod settings;
pub mod staff;
mod tenant;

#[cfg(test)]
mod mistakes;
#[cfg(test)]
mod tests;

pub use form::{AntiSpam, Choice, Consent, Field, FieldKind, Form, LeadField, Purpose, Target};
pub use problem::{Problem, did_you_mean};
pub use product::{Moves, Product, Progress, Qualification, Stage};
pub use rota::{Away, Rota, Shift, Territory};
pub use settings::{Budget, Limits, Promise, Settings, Spending};
pub use staff::{Hook, Staff, StaffMember};
pub use tenant::{TenantConfig, Versioned};

use node::Node;
use std::collections::BTreeMap;

/// One document as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    /// Rises with every change; runs and messages note it (W4).
    pub version: i64,
    /// The text, byte for byte.
    pub text: String,
}

impl Document {
    /// The first version of a text.
    pub fn new(text: impl Into<String>) -> Self {
        Self {
            version: 1,
            text: text.into(),
        }
    }
}

/// The most documents of a tenant.
pub const MOST_DOCUMENTS: usize = 1_000;

/// Reads and checks all documents of a tenant; the error is everything that is wrong, in the order of path and line.
pub fn load(files: &BTreeMap<String, Document>) -> Result<TenantConfig, Vec<Problem>> {
    if files.len() > MOST_DOCUMENTS {
        return Err(vec![Problem::of_file(
            "",
            format!(
                "There are {} documents; {MOST_DOCUMENTS} is the most.",
                files.len()
            ),
        )]);
    }
    let mut findings = check::Findings::default();
    let draft = draft::Draft::read(files, &mut findings);
    check::everything(&draft, &mut findings);
    let (mut problems, warnings) = findings.split();
    match draft.finish(warnings) {
        Some(config) if problems.is_empty() => Ok(config),
        _ => {
            if problems.is_empty() {
                problems.push(Problem::of_file(
                    "tenant.yaml",
                    "The configuration is not complete.",
                ));
            }
            Err(problems)
        }
    }
}

/// Names of things: small letters, digits, `-` and `_`, at most 64. They appear in addresses and file names.
pub(crate) fn is_name(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
        && text
            .bytes()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, b'-' | b'_'))
}

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
