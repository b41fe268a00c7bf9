//! Where people are: countries, states, ZIPs, area codes and their time zones, and the hours a business keeps (C4, L6).

mod region;
mod tables;
mod zone;

pub use region::*;
pub use zone::*;
