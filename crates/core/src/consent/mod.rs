//! Consent and the law: whether and when a message may go (C1 to C5).

mod basis;
pub mod hours;
pub mod ledger;
pub mod national;
pub mod rules;
pub mod words;

pub use basis::{Basis, SoftOptIn, Term};
