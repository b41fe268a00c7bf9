//! Leads: people who may buy, and where they stand.

mod lead;
mod reference;
mod speed;

pub use lead::*;
pub use reference::*;
pub use speed::Speed;
