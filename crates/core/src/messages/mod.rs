//! Messages: what is said to whom, how far it came, and what a provider answered (M).

mod dead;
mod message;
mod outcome;
mod prices;
pub mod segments;
mod status;
pub mod text;
mod words;

pub use dead::*;
pub use message::*;
pub use outcome::*;
pub use prices::*;
pub use status::*;
pub use words::*;
