//! The running Ringback: loops, HTTP API, dashboard.

mod app;
mod clock;
mod forms;
mod hooks;
pub mod http;
mod leads;
mod loops;
mod paper;
mod registry;
mod routes;
mod secrets;
mod throttle;
mod tracking;
mod unsubscribe;

pub use app::{App, Inner, Settings, StartError};
pub use clock::{WallClock, WallDice, random_bytes};
pub use loops::{Live, LiveChange, Loops, Rendered, render, webhook_url};
pub use registry::{Home, Houses, Registry};
pub use routes::routes;
pub use secrets::{TokenFor, Tokens};
