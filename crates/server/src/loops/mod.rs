//! The two loops that do all the work: turns (events in, changes out) and sending (design 1).

mod alerts;
mod inbox;
mod live;
mod nodes;
mod retention;
#[cfg(feature = "seeded-bugs")]
mod seeded;
mod sending;
mod turns;

pub(crate) use inbox::instant;
pub use inbox::{Inbox, Refused};
pub use live::{Live, LiveAction, LiveAlert, LiveChange};
pub(crate) use nodes::{HOUSE, Neighbours};
pub(crate) use sending::Sender;
pub use sending::{Rendered, render, webhook_url};
pub(crate) use turns::LEASE;
pub use turns::Loops;
pub(crate) use turns::{Sending, Turns};
