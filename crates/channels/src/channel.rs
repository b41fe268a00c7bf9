//! What every channel can do, and the words for it.

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderMap, Method};
use ringback_core::{
    messages::{ChannelKind, Finding, HookEvent, Outcome, Outgoing, Reason},
    time::Timestamp,
};
use std::time::Duration;

pub use ringback_core::messages::Repeat;

/// A tenant's way to reach people through one provider. It translates: consent, hours, limits and retries were settled before.
#[async_trait]
pub trait Channel: Send + Sync {
    /// What this connection can do. Checks, pages and the planner ask here; nobody asks for a provider's name.
    fn capabilities(&self) -> Capabilities;

    /// Makes exactly one attempt. Never retries, never sleeps, always ends (10 s for texts, 15 s else).
    async fn send(&self, message: &Outgoing) -> Outcome;

    /// Looks into the provider's own log for what became of a call that began at `since` and whose end is unknown. Changes nothing.
    async fn look_up(&self, _message: &Outgoing, _since: Timestamp) -> Finding {
        Finding::Unclear {
            why: Reason::new("no_log", "This provider has no log that can be asked."),
        }
    }

    /// Fetches what [`read`](Self::read) needs to prove this webhook and does not have yet. Most need nothing.
    async fn prepare(&self, _hook: &RawHook) -> Result<(), HookError> {
        Ok(())
    }

    /// Reads a provider's webhook; the signature is proven before the body is parsed (H1). Unknown kinds of events are no error:
    /// they come to nothing.
    fn read(&self, hook: &RawHook, now: Timestamp) -> Result<Vec<HookEvent>, HookError>;

    /// Tries the connection without sending anything to a person, and says what it found in a sentence.
    async fn probe(&self) -> Result<String, Reason>;
}

/// What a connection can do.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Capabilities {
    /// The way its messages travel.
    pub kind: ChannelKind,
    /// The longest text it takes, as the provider counts.
    pub length: Option<Length>,
    /// The provider's own limit, where it is known or was set.
    pub rate: Option<Rate>,
    /// What a second attempt after an unknown outcome would mean (M3).
    pub repeat: Repeat,
    /// Which news it sends back.
    pub reports: Reports,
    /// The provider answers STOP and its like itself; an answer of ours would be refused (C3).
    pub answers_opt_out: bool,
}

/// The longest content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Length {
    /// So many characters.
    Characters(u32),
    /// So many bytes with everything.
    Bytes(u32),
}

/// So many messages in so much time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// So many.
    pub count: u32,
    /// In this time.
    pub per: Duration,
}

/// Which news a connection sends back once its webhook is set up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Reports {
    /// That it arrived.
    pub delivery: bool,
    /// That it failed or bounced.
    pub failure: bool,
    /// That it was opened or clicked.
    pub engagement: bool,
    /// What people write back.
    pub replies: bool,
}

/// A webhook as it came in, nothing interpreted.
#[derive(Debug, Clone)]
pub struct RawHook {
    /// The method.
    pub method: Method,
    /// The exact public URL as configured, with the query as it came. Never built from `Host` or forwarded headers.
    pub url: String,
    /// The headers.
    pub headers: HeaderMap,
    /// The body, byte for byte.
    pub body: Bytes,
}

/// Why a webhook was not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HookError {
    /// Nobody who knows the secret sent this. Answer 403 with an empty body.
    #[error("the signature does not fit")]
    BadSignature,
    /// Rightly signed, but too long ago or in the future: a replay.
    #[error("the signature is too old or from the future")]
    Stale,
    /// Rightly signed and unreadable.
    #[error("the webhook cannot be read: {0}")]
    Malformed(String),
    /// A setting is missing without which nothing can be proven.
    #[error("{0}")]
    NotConfigured(String),
}

impl RawHook {
    /// A header as text, if it is there once and readable.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut all = self.headers.get_all(name).iter();
        let one = all.next()?.to_str().ok()?;
        all.next().is_none().then_some(one)
    }
}
