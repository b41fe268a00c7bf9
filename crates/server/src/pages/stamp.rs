//! An instant as a page shows it.

use super::format::Local;
use ringback_core::time::Timestamp;

/// What people read, and what machines do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Stamp {
    /// For the `datetime` of `<time>`.
    pub machine: String,
    /// As briefly as is clear.
    pub text: String,
}

impl Stamp {
    /// An instant, seen from now.
    pub fn of(local: &Local, at: Timestamp, now: Timestamp) -> Self {
        Self {
            machine: Local::machine(at),
            text: local.when(at, now),
        }
    }
}
