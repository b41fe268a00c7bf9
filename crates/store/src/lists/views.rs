//! What questions answer with.

use ringback_core::consent::SoftOptIn;
use ringback_core::ids::{AttemptId, CauseId, ConnectionId, EventId, LeadId, MessageId, SessionId};
use ringback_core::messages::{ChannelKind, Message, Reason, Status};
use ringback_core::time::Timestamp;
use ringback_core::turn::world::{PointKind, Suppression};
use serde_json::Value;

/// What a list of leads is narrowed by. All that are given must fit.
#[derive(Debug, Clone, Default)]
pub struct LeadFilter {
    /// Stage of the first product.
    pub stage: Option<String>,
    /// First product.
    pub product: Option<String>,
    /// Source.
    pub source: Option<String>,
    /// Tier of the first product.
    pub tier: Option<String>,
    /// Created at or after.
    pub created_after: Option<Timestamp>,
    /// Words of the name, or a phone, email or reference.
    pub words: Option<String>,
    /// A phone number in the search, E.164.
    pub phone: Option<String>,
    /// The count behind a reference in the search.
    pub number: Option<i64>,
    /// Only those that wait for a person.
    pub ringing: bool,
    /// Only those with a contact point.
    pub known: bool,
}

/// A line of a lead's history.
#[derive(Debug, Clone, PartialEq)]
pub struct EventView {
    /// Its id.
    pub id: EventId,
    /// Its type.
    pub kind: String,
    /// When it happened.
    pub at: Timestamp,
    /// Where it came from.
    pub source: String,
    /// Who did it.
    pub actor: Option<String>,
    /// Its visit.
    pub session: Option<SessionId>,
    /// What came with it.
    pub properties: Value,
}

/// An award, as it is kept.
#[derive(Debug, Clone, PartialEq)]
pub struct AwardView {
    /// The model.
    pub model: String,
    /// The visit, for session models.
    pub session: Option<SessionId>,
    /// The event.
    pub event: EventId,
    /// The rule.
    pub rule: String,
    /// The model's version then.
    pub version: i64,
    /// Points.
    pub points: i64,
    /// When.
    pub at: Timestamp,
    /// Which comparisons held.
    pub why: Vec<String>,
}

/// Where a lead stands in a model.
#[derive(Debug, Clone, PartialEq)]
pub struct StandingView {
    /// The model.
    pub model: String,
    /// The visit, for session models.
    pub session: Option<SessionId>,
    /// Points.
    pub points: i64,
    /// Tier.
    pub tier: Option<String>,
}

/// A call to a provider, as it is kept.
#[derive(Debug, Clone, PartialEq)]
pub struct AttemptView {
    /// Its id.
    pub id: AttemptId,
    /// 1 for the first.
    pub number: u32,
    /// The account.
    pub connection: Option<ConnectionId>,
    /// When it began.
    pub started_at: Timestamp,
    /// When it ended.
    pub finished_at: Timestamp,
    /// What came of it.
    pub outcome: String,
    /// The provider's name for the message.
    pub reference: Option<String>,
    /// What the provider said.
    pub why: Option<Reason>,
    /// Came too late to count.
    pub late: bool,
}

/// Dead letters that ended for the same reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CauseCount {
    /// The group.
    pub cause: CauseId,
    /// How many.
    pub n: i64,
    /// The oldest of them.
    pub first: MessageId,
    /// The newest of them.
    pub last: MessageId,
}

/// Messages of which nobody knows whether they went out, or how often.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct UnknownCounts {
    /// It is still looked up.
    pub open: i64,
    /// Nothing more is done about them by itself.
    pub given_up: i64,
    /// They may have gone out more than once.
    pub repeated: i64,
}

/// A call to a provider with the message it was made for.
#[derive(Debug, Clone, PartialEq)]
pub struct LeadAttempt {
    /// The call.
    pub attempt: AttemptView,
    /// Its message.
    pub message: MessageId,
    /// The message's channel.
    pub channel: ChannelKind,
    /// The staff member it went to.
    pub staff: Option<String>,
}

/// What a list of messages is narrowed by. All that are given must fit.
#[derive(Debug, Clone, Default)]
pub struct MessageFilter {
    /// About this lead.
    pub lead: Option<LeadId>,
    /// Standing there.
    pub status: Option<Status>,
    /// On this channel.
    pub channel: Option<ChannelKind>,
    /// Caused by this workflow.
    pub workflow: Option<String>,
    /// Only those that the sandbox took.
    pub sandbox: bool,
    /// Only those that may have gone out more than once (P4).
    pub repeated: bool,
}

impl MessageFilter {
    pub(super) fn fits(&self, message: &Message) -> bool {
        self.status.is_none_or(|status| message.status == status)
            && self
                .channel
                .is_none_or(|channel| message.channel == channel)
            && (!self.sandbox || message.sandbox)
            && (!self.repeated || message.repeated)
            && self.workflow.as_deref().is_none_or(|workflow| {
                let step = message.step.as_deref();
                step.is_some_and(|step| step.split('@').next() == Some(workflow))
            })
    }
}

/// A grant or revocation, as it is kept.
#[derive(Debug, Clone, PartialEq)]
pub struct ConsentView {
    /// Its id.
    pub id: i64,
    /// Phone or email.
    pub kind: Option<PointKind>,
    /// Number or address.
    pub value: String,
    /// Channel.
    pub channel: String,
    /// What for.
    pub purpose: String,
    /// Granted or taken back.
    pub granted: bool,
    /// Why it counts.
    pub basis: String,
    /// What the person read.
    pub wording: Option<String>,
    /// What the person wrote.
    pub wrote: Option<String>,
    /// How it was given.
    pub method: String,
    /// The page.
    pub page: Option<String>,
    /// The address it came from.
    pub ip: Option<String>,
    /// Who wrote it down.
    pub actor: Option<String>,
    /// From when it counts no more.
    pub expires_at: Option<Timestamp>,
    /// The conditions of a soft opt-in.
    pub conditions: Option<SoftOptIn>,
    /// When its content was erased.
    pub erased_at: Option<Timestamp>,
    /// When.
    pub at: Timestamp,
}

/// An entry of the suppression list.
#[derive(Debug, Clone, PartialEq)]
pub struct SuppressionView {
    /// Phone or email.
    pub kind: Option<PointKind>,
    /// Number or address.
    pub value: String,
    /// Why.
    pub reason: Option<Suppression>,
    /// Since when.
    pub at: Timestamp,
    /// How we know.
    pub how: Option<String>,
}

/// A submission that was kept apart.
#[derive(Debug, Clone, PartialEq)]
pub struct SpamView {
    /// Its id.
    pub id: i64,
    /// The form.
    pub form: String,
    /// What gave it away.
    pub sign: String,
    /// What came in.
    pub raw: String,
    /// From where.
    pub ip: Option<String>,
    /// When.
    pub at: Timestamp,
}

/// A booking that is not finished.
#[derive(Debug, Clone, PartialEq)]
pub struct DraftRow {
    /// The form.
    pub form: String,
    /// Hash of the secret that goes with it.
    pub hash: Vec<u8>,
    /// What was filled in so far.
    pub data: Value,
    /// The step reached.
    pub step: u32,
    /// When it was last saved.
    pub at: Timestamp,
    /// The lead, once it was finished.
    pub lead: Option<LeadId>,
}

/// Messages that wait on one channel.
#[derive(Debug, Clone, PartialEq)]
pub struct WaitingCount {
    /// The channel.
    pub channel: ChannelKind,
    /// How many.
    pub n: i64,
    /// When the first of them is due.
    pub oldest: Option<Timestamp>,
}

/// Messages of a tenant that wait on one channel in one status.
#[derive(Debug, Clone, PartialEq)]
pub struct WaitingOf {
    /// The channel.
    pub channel: ChannelKind,
    /// Scheduled, queued or deferred.
    pub status: Status,
    /// How many.
    pub n: i64,
    /// When the first of them is due.
    pub next: Option<Timestamp>,
}

/// Answered leads of a stretch of time: how long each waited.
#[derive(Debug, Clone, PartialEq)]
pub struct WaitView {
    /// When it began to ring.
    pub since: Timestamp,
    /// Seconds until a person answered.
    pub seconds: i64,
}
