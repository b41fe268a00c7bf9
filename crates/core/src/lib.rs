//! Words and rules of Ringback's domain.
//!
//! Everything here is pure: no await, no SQL, no files, no clock, no dice. Time and chance are handed in, so a decision can be
//! replayed, simulated and explained.

pub mod conditions;
pub mod config;
pub mod consent;
pub mod contact;
pub mod ids;
pub mod leads;
pub mod messages;
pub mod places;
pub mod scoring;
pub mod seeded;
pub mod signals;
pub mod templates;
pub mod time;
pub mod turn;
pub mod workflows;
