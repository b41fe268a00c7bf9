//! A message as the API shows it.

use ringback_core::ids::{
    AttemptId, ConnectionId, EventId, LeadId, MessageId, NotificationId, RunId,
};
use ringback_core::messages::{
    Category, ChannelKind, Content, Cost, Message, Priority, Reason, Status,
};
use ringback_core::time::{Timestamp, from_micros};
use ringback_core::turn::Said;
use ringback_store::AttemptView;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// A message.
#[derive(Debug, Serialize, ToSchema)]
pub struct MessageBody {
    /// Its id.
    #[schema(value_type = String, example = "msg_0h3kq2m8x7v5t")]
    pub id: MessageId,
    /// The send step for one recipient that it belongs to.
    #[schema(value_type = String)]
    pub notification_id: NotificationId,
    /// The lead it goes to or speaks of.
    #[schema(value_type = Option<String>)]
    pub lead_id: Option<LeadId>,
    /// The staff member it goes to.
    pub staff: Option<String>,
    /// The workflow that caused it.
    pub workflow: Option<String>,
    /// The run that caused it.
    #[schema(value_type = Option<String>)]
    pub run_id: Option<RunId>,
    /// `sms`, `email` or `webhook`.
    #[schema(value_type = String)]
    pub channel: ChannelKind,
    /// Number, address or hook.
    pub recipient: String,
    /// `transactional`, `promotional`, `staff` or `emergency`.
    #[schema(value_type = String)]
    pub category: Category,
    /// `critical`, `high`, `normal` or `low`.
    #[schema(value_type = String)]
    pub priority: Priority,
    /// Where it stands.
    #[schema(value_type = String, example = "delivered")]
    pub status: Status,
    /// True when the sandbox stands in for a provider.
    pub sandbox: bool,
    /// True when it may have gone out more than once.
    pub repeated: bool,
    /// Why it stands there, when that is not plain.
    #[schema(value_type = Option<Object>)]
    pub why: Option<Reason>,
    /// When it was decided.
    pub created_at: Timestamp,
    /// When it may go next; only while it waits.
    pub due_at: Option<Timestamp>,
    /// When it stops to matter.
    pub expires_at: Option<Timestamp>,
    /// When the provider took it.
    pub accepted_at: Option<Timestamp>,
    /// When nothing more was to be done.
    pub settled_at: Option<Timestamp>,
    /// What happened to it besides its status: `opened`, `clicked`, `replied`, … and since when.
    #[schema(value_type = Object)]
    pub facts: BTreeMap<&'static str, Timestamp>,
    /// How often it was tried.
    pub attempt_count: u32,
    /// What it cost: millionths of the currency's unit.
    #[schema(value_type = Option<Object>)]
    pub cost: Option<Cost>,
}

impl MessageBody {
    /// A message for a list.
    pub fn new(message: &Message) -> Self {
        Self {
            id: message.id,
            notification_id: message.notification,
            lead_id: message.lead,
            staff: message.staff.clone(),
            workflow: workflow_of(message).map(str::to_owned),
            run_id: message.run,
            channel: message.channel,
            recipient: message.recipient.clone(),
            category: message.category,
            priority: message.priority,
            status: message.status,
            sandbox: message.sandbox,
            repeated: message.repeated,
            why: message.why.clone(),
            created_at: message.created_at,
            due_at: message.status.waits().then_some(message.due_at),
            expires_at: message.expires_at,
            accepted_at: message.accepted_at,
            settled_at: message.settled_at,
            facts: message
                .facts
                .iter()
                .map(|(fact, at)| (fact.as_str(), from_micros(*at)))
                .collect(),
            attempt_count: message.attempts,
            cost: message.cost.clone(),
        }
    }
}

/// The workflow a message was caused by.
pub fn workflow_of(message: &Message) -> Option<&str> {
    message
        .step
        .as_deref()
        .and_then(|step| step.split('@').next())
}

/// A message with everything that explains it.
#[derive(Debug, Serialize, ToSchema)]
pub struct MessageWhole {
    #[serde(flatten)]
    pub message: MessageBody,
    /// What it comes from.
    pub cause: CauseBody,
    /// What each gate said at the last look, in order.
    pub gates: Vec<GateBody>,
    /// When the gates were asked last.
    pub gated_at: Option<Timestamp>,
    /// Every call to a provider.
    pub attempts: Vec<AttemptBody>,
    /// Where it stands, in a sentence.
    pub explanation: String,
    /// What would have to change for it to go; null when nothing has to.
    pub to_change: Option<String>,
    /// The template and its version.
    #[schema(value_type = Option<Object>)]
    pub template: Option<Value>,
    /// The account it goes through; null for the sandbox.
    #[schema(value_type = Option<String>)]
    pub connection_id: Option<ConnectionId>,
    /// The provider's own name for it.
    pub provider_reference: Option<String>,
    /// The message that this one stands in for.
    #[schema(value_type = Option<String>)]
    pub instead_of: Option<MessageId>,
    /// The message that says it instead.
    #[schema(value_type = Option<String>)]
    pub replaced_by: Option<MessageId>,
    /// True while it is a dead letter: see `/v1/dead-letters`.
    pub dead: bool,
    /// Who discarded it, when and why: `{by, at, reason}`.
    #[schema(value_type = Option<Object>)]
    pub discarded: Option<Value>,
    /// Who had it tried again, and when: `{by, at}`, the last ten times.
    #[schema(value_type = Vec<Object>)]
    pub replayed: Vec<Value>,
    /// Channels that are tried when this one fails for good.
    #[schema(value_type = Vec<String>)]
    pub then: Vec<ChannelKind>,
    /// What it says.
    #[schema(value_type = Object)]
    pub content: Value,
}

/// What a message comes from.
#[derive(Debug, Serialize, ToSchema)]
pub struct CauseBody {
    /// The event.
    #[schema(value_type = Option<String>)]
    pub event_id: Option<EventId>,
    /// The event's type.
    pub event: Option<String>,
    /// The workflow.
    pub workflow: Option<String>,
    /// Its version.
    pub version: Option<i64>,
    /// The step, such as `1.otherwise.0`.
    pub step: Option<String>,
    /// The run.
    #[schema(value_type = Option<String>)]
    pub run_id: Option<RunId>,
}

/// What a gate said.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct GateBody {
    /// The gate.
    #[schema(example = "quiet_hours")]
    pub gate: String,
    /// `pass`, `defer`, `block` or `sandbox`.
    #[schema(example = "pass")]
    pub says: String,
    /// The rule that decided, by its id in `/v1/rules`; empty when none did.
    #[schema(example = "US-6")]
    pub rule: String,
    /// What it looked at and found.
    pub because: String,
}

/// A call to a provider.
#[derive(Debug, Serialize, ToSchema)]
pub struct AttemptBody {
    /// Its id.
    #[schema(value_type = String)]
    pub id: AttemptId,
    /// 1 for the first.
    pub number: u32,
    /// The account; null for the sandbox.
    #[schema(value_type = Option<String>)]
    pub connection_id: Option<ConnectionId>,
    /// When the call began.
    pub started_at: Timestamp,
    /// When it ended.
    pub finished_at: Timestamp,
    /// How long it took.
    pub milliseconds: i64,
    /// `delivered`, `accepted`, `retry`, `misconfigured`, `refused` or `unknown`; of a look into the provider's log `found`, `absent` or
    /// `unclear`.
    pub outcome: String,
    /// What the provider answered.
    #[schema(value_type = Option<Object>)]
    pub why: Option<Reason>,
    /// True when it came too late to count.
    pub late: bool,
}

impl From<AttemptView> for AttemptBody {
    fn from(view: AttemptView) -> Self {
        Self {
            id: view.id,
            number: view.number,
            connection_id: view.connection,
            started_at: view.started_at,
            finished_at: view.finished_at,
            milliseconds: milliseconds(view.started_at, view.finished_at),
            outcome: view.outcome,
            why: view.why,
            late: view.late,
        }
    }
}

/// Milliseconds between two instants, never negative.
pub fn milliseconds(from: Timestamp, until: Timestamp) -> i64 {
    (until.as_millisecond() - from.as_millisecond()).max(0)
}

/// What the gates said last and when, as it is kept.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Kept {
    at: Option<i64>,
    said: Vec<Said>,
}

/// Reads a kept verdict.
pub fn gates(message: &Message) -> (Option<Timestamp>, Vec<GateBody>) {
    let kept: Kept = serde_json::from_str(&message.verdict).unwrap_or_default();
    let said = kept.said.into_iter().map(|said| GateBody {
        gate: said.gate,
        says: said.says,
        rule: said.rule,
        because: said.because,
    });
    (kept.at.map(from_micros), said.collect())
}

/// What a message says, as JSON.
pub fn content(content: &Content) -> Value {
    match content {
        Content::Text { body } => json!({"text": body}),
        Content::Mail {
            subject,
            text,
            html,
            ..
        } => json!({"subject": subject, "text": text, "html": html}),
        Content::Json { event, body } => json!({"event": event, "body": body}),
    }
}
