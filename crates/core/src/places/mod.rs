//! Where people are: countries, states, ZIPs, area codes and their time zones, and the hours a business keeps (C4, L6).

mod day_hours;
mod holidays;
mod opening;
mod region;
mod state;
mod tables;
mod whereabouts;
mod zone;

pub use day_hours::*;
pub use holidays::{Holiday, HolidayError, HolidaySet, Holidays};
pub use opening::*;
pub use region::*;
pub(crate) use state::plain_area_code;
pub use state::{State, StateError};
pub use whereabouts::*;
pub use zone::*;
