//! Consent and the law: whether and when a message may go (C1 to C5).

pub mod hours;
pub mod words;
