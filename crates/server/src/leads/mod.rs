//! Leads over HTTP (L1).

mod routes;

pub use routes::routes;
