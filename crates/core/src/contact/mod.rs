//! Contact points of people: phone numbers and email addresses, parsed once at the edge (L6).

mod email;
mod phone;

pub use email::*;
pub use phone::*;
