//! The running Ringback: loops, HTTP API, dashboard.

mod app;
mod clock;
mod connections;
mod consents;
mod errors;
mod forms;
mod health;
mod hooks;
pub mod http;
mod keys;
mod leads;
mod live;
mod loops;
mod messages;
pub mod onboarding;
mod pages;
mod paper;
pub mod presets;
mod registry;
mod routes;
mod secrets;
pub mod sign_in;
mod staff;
mod tenant;
mod throttle;
mod tracking;
mod unsubscribe;
mod upkeep;
mod workflows;

pub use app::{App, Inner, Settings, StartError};
pub use clock::{WallClock, WallDice, random_bytes};
pub use loops::{Live, LiveChange, Loops, Rendered, render, webhook_url};
pub use registry::{Home, Houses, Registry};
pub use routes::{openapi, routes};
pub use secrets::{TokenFor, Tokens};
