//! Leads: people who may buy, and where they stand.

mod lead;
mod reference;

pub use lead::*;
pub use reference::*;
