//! Where people are: countries, states, ZIPs, area codes and their time zones, and the hours a business keeps (C4, L6).

mod region;
mod state;
mod tables;
mod whereabouts;
mod zone;

pub use region::*;
pub use state::{State, StateError};
pub use whereabouts::*;
pub use zone::*;
