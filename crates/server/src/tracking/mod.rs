//! The tracking API that existing SDKs speak (S1): their requests as they are, unmodified.

mod event;
mod item;
mod open;
mod request;
mod routes;
mod traits;
mod when;

pub(crate) use routes::routes;
