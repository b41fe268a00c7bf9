//! Ringback's channels: a small module per provider, one guarded way out of the house, and proof of what comes in.
//!
//! A channel translates: request, reply, and a table from reply to outcome. Consent, quiet hours, limits, retries and failover
//! were settled before it is called; it makes one attempt and says exactly what is known of it.

mod answers;
mod catalogue;
mod channel;
mod clock;
pub mod http;
mod http_sms;
mod mail;
mod registration;
mod report_url;
mod resend;
mod sandbox;
mod sendgrid;
mod ses;
mod settings;
pub mod signing;
mod smtp;
pub mod testing;
mod twilio;
mod webhook;

pub use self::http::{BootClock, Egress, Http, Witness};
pub use catalogue::{ProviderInfo, SettingInfo, catalogue, most_of, open};
pub use channel::{Capabilities, Channel, HookError, Length, Rate, RawHook, Repeat, Reports};
pub use registration::registration_of;
pub use sandbox::sandbox;
pub use settings::SettingsError;

/// How we introduce ourselves to servers.
pub(crate) fn user_agent() -> ::http::HeaderValue {
    ::http::HeaderValue::from_static(concat!("ringback/", env!("CARGO_PKG_VERSION")))
}
