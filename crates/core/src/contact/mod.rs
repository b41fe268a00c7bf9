//! Contact points of people: phone numbers and email addresses, parsed once at the edge (L6).

mod email;
mod phone;
mod phone_error;
mod phone_kind;

pub use email::*;
pub use phone::*;
pub use phone_error::*;
pub use phone_kind::*;
