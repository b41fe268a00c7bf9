//! Workflows: what happens when (W).

mod ask;
pub mod definition;
mod reading;
pub(crate) mod schedule;
pub mod trail;
mod trigger;
mod wait;

#[cfg(test)]
mod tests;

pub use ask::{Answer, Ask, RETRIES};
pub use definition::*;
pub use schedule::Schedule;
pub use trail::{Figures, Passed, THROUGH, TRAIL};
pub use trigger::{CALL_ENDED, CallOutcome, Offset, Segment, Trigger};
pub use wait::{Wait, Whose};
