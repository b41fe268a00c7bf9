//! The running Ringback: loops, HTTP API, dashboard.

mod app;
mod clock;
pub mod http;
mod leads;
mod loops;
pub mod onboarding;
mod pages;
pub mod presets;
mod registry;
mod routes;
mod secrets;
pub mod sign_in;

pub use app::{App, Inner, Settings, StartError};
pub use clock::{WallClock, WallDice, random_bytes};
pub use loops::{Live, LiveChange, Loops, Rendered, render, webhook_url};
pub use registry::{Home, Houses, Registry};
pub use routes::routes;
