//! What passes between the sending loop and a channel: one message out, one outcome back, reports later.

use super::{ChannelKind, Fact, Status};
use crate::ids::{AttemptId, MessageId};
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// A message, rendered and ready for one attempt.
#[derive(Debug, Clone)]
pub struct Outgoing {
    /// The message; travels with the request where the provider lets it, so that reports find their way back.
    pub message: MessageId,
    /// This attempt. Also the idempotency key's seed: see `key`.
    pub attempt: AttemptId,
    /// The same over all attempts of a message; providers that drop twins get it (M3).
    pub key: String,
    /// E.164 number, email address, or URL.
    pub to: String,
    /// The sender shown, where the tenant sets one per message; else the connection's.
    pub from_name: Option<String>,
    /// What is said.
    pub content: Content,
    /// Where the provider shall report to, when the connection has a public address.
    pub report_url: Option<String>,
    /// The instant of this attempt (signatures carry it).
    pub at: Timestamp,
    /// How long the message still matters; providers that can drop late messages get it.
    pub remaining: Option<Duration>,
    /// Until when bytes of it may be written, counted from the start of the machine: somebody else may hold the message after that.
    pub ends: Option<Duration>,
}

/// What is said, by channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// A text message.
    Text {
        /// The whole text.
        body: String,
    },
    /// A mail.
    Mail {
        /// Without CR, LF or NUL.
        subject: String,
        /// The text part, always there.
        text: String,
        /// The HTML part.
        html: Option<String>,
        /// Reply-To address.
        reply_to: Option<String>,
        /// Further headers such as List-Unsubscribe (T5); names and values without CR, LF or NUL.
        headers: Vec<(String, String)>,
    },
    /// A JSON document for a server.
    Json {
        /// The event's name, `a.b.c`.
        event: String,
        /// The body, byte for byte as it is signed.
        body: String,
    },
}

/// The provider's own name for a message.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ProviderRef(pub String);

/// An amount in millionths of a unit of `currency` (ISO 4217).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cost {
    /// Millionths of the currency's unit.
    pub micros: i64,
    /// ISO 4217 code.
    pub currency: String,
}

/// Why something went as it did, for people: the provider's code where it has one, and a sentence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reason {
    /// The provider's or our own short code (`21610`, `connect`, `http_500`).
    pub code: String,
    /// A sentence without personal data and without secrets.
    pub detail: String,
}

impl Reason {
    /// A reason from code and sentence.
    pub fn new(code: impl Into<String>, detail: impl Into<String>) -> Self {
        Self {
            code: code.into(),
            detail: detail.into(),
        }
    }
}

/// What a permanent refusal says about the address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Suppress {
    /// The address is fine.
    No,
    /// The person opted out with the provider: a revocation we learn late.
    OptedOut,
    /// The address does not exist or cannot take this channel.
    Invalid,
    /// Recipient or carrier blocks us.
    Blocked,
    /// The person complained.
    Complained,
}

/// What one attempt came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The far end has it.
    Delivered {
        /// The provider's name for it.
        reference: ProviderRef,
        /// The price, where the answer tells.
        cost: Option<Cost>,
    },
    /// The provider has it; reports follow.
    Accepted {
        /// The provider's name for it.
        reference: ProviderRef,
        /// The price, where the answer tells.
        cost: Option<Cost>,
    },
    /// Certain that nothing was sent; the same may work later.
    Retryable {
        /// Why not now.
        why: Reason,
        /// When the provider said to come back.
        after: Option<Duration>,
    },
    /// Our account, sender or registration is wrong: nothing will pass here until somebody mends the connection.
    Misconfigured {
        /// What to mend.
        why: Reason,
    },
    /// It will never arrive this way.
    Permanent {
        /// Why.
        why: Reason,
        /// What it says about the address.
        suppress: Suppress,
    },
    /// The line broke after we spoke; it may have been sent (M3).
    Unknown {
        /// Where it broke.
        why: Reason,
    },
}

/// How to go on when it is unknown whether a message went out (M3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Repeat {
    /// The provider drops twins by our key: simply make the same call again.
    ByKey,
    /// The provider's own log can be asked.
    ByLog,
    /// Only a report or an answer of the person tells.
    ByReport,
    /// Nothing tells.
    #[default]
    Blind,
}

/// What a look into a provider's log came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finding {
    /// It is there: what the call would have answered, had its answer arrived.
    Found(Outcome),
    /// The log reaches past the time of the call, and it is not there.
    Absent,
    /// The log could not be read, or does not say it clearly.
    Unclear {
        /// Why not.
        why: Reason,
    },
}

/// What came in at a provider's webhook, proven and parsed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HookEvent {
    /// News of a message that we sent.
    Report(Report),
    /// A person wrote to us.
    Inbound(Inbound),
    /// The provider asks us to fetch this URL once to confirm a subscription (SNS).
    Confirm {
        /// Checked to be the provider's own host.
        url: String,
    },
}

/// News of a message that we sent (M9).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// Identifies the report: repeated ones are dropped by it. At most 200 characters.
    pub dedup: String,
    /// Our message, when our reference came back with the report.
    pub message: Option<MessageId>,
    /// The provider's name for the message.
    pub reference: Option<ProviderRef>,
    /// What is reported.
    pub what: Reported,
    /// What it says about the address.
    pub suppress: Suppress,
    /// Why, where the provider tells.
    pub why: Option<Reason>,
    /// The price, where the provider tells.
    pub cost: Option<Cost>,
    /// When it happened, by the provider's clock.
    pub at: Timestamp,
}

/// The content of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reported {
    /// The message reached this status.
    Status(Status),
    /// Something happened to the message.
    Fact(Fact),
}

/// A message from a person to us.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inbound {
    /// The provider's id of it: repeated ones are dropped by it.
    pub dedup: String,
    /// The channel it came on.
    pub channel: ChannelKind,
    /// Who wrote, as the provider says (E.164 or address).
    pub from: String,
    /// Which of our senders it went to.
    pub to: String,
    /// What was written, at most 10,000 characters.
    pub body: String,
    /// True when the provider recognised an opt-out word and answers it itself.
    pub answered_by_provider: bool,
    /// When it came.
    pub at: Timestamp,
}
