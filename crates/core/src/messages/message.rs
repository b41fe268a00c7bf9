//! A message as it is kept: what was decided, how far it came, and why (M10).

use super::{Category, ChannelKind, Cost, Fact, Priority, Reason, Status};
use crate::ids::{
    AttemptId, ConnectionId, EventId, LeadId, MessageId, NotificationId, RunId, TenantId,
};
use crate::templates::Data;
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

/// One communication to one recipient on one channel. Its text is template version and data; only what a person wrote is `body`.
#[derive(Debug, Clone, PartialEq)]
pub struct Message {
    /// Its id.
    pub id: MessageId,
    /// Whose it is.
    pub tenant: TenantId,
    /// The lead it goes to or speaks of.
    pub lead: Option<LeadId>,
    /// The staff member it goes to, by name.
    pub staff: Option<String>,
    /// The workflow run that caused it.
    pub run: Option<RunId>,
    /// Workflow, version and step, as `name@3#1.otherwise.0`.
    pub step: Option<String>,
    /// The send step for one recipient that it belongs to.
    pub notification: NotificationId,
    /// The event that caused it.
    pub event: Option<EventId>,
    /// How it travels.
    pub channel: ChannelKind,
    /// The account it goes through; `None` with `sandbox`.
    pub connection: Option<ConnectionId>,
    /// E.164 number, email address or hook name; empty when there is none.
    pub recipient: String,
    /// Its category.
    pub category: Category,
    /// Its priority.
    pub priority: Priority,
    /// Where it stands.
    pub status: Status,
    /// When it may go next.
    pub due_at: Timestamp,
    /// When it was decided.
    pub created_at: Timestamp,
    /// When it stops to matter.
    pub expires_at: Option<Timestamp>,
    /// Template name and version.
    pub template: Option<(String, i64)>,
    /// The locale of the template.
    pub locale: Option<String>,
    /// What a person wrote: the text of an SMS, or a mail as JSON `{subject, text}`.
    pub body: Option<String>,
    /// What the template is filled with.
    pub data: Filling,
    /// What to do when this way fails.
    pub plan: Plan,
    /// What the gates said last, as JSON text: see `consent::gates`.
    pub verdict: Arc<str>,
    /// Rises with every claim; a result of an older epoch is evidence only.
    pub epoch: i64,
    /// The attempt in flight or the last one.
    pub attempt: Option<AttemptId>,
    /// Until when the attempt in flight must have answered; of an unknown message, when it is looked up next.
    pub deadline: Option<Timestamp>,
    /// Hash of template version and data, part of the intent.
    pub hash: Option<[u8; 16]>,
    /// Attempts begun so far.
    pub attempts: u32,
    /// True when the sandbox stands in for a provider.
    pub sandbox: bool,
    /// True when it may have gone out more than once; listed and counted (P4).
    pub repeated: bool,
    /// The provider's name for it.
    pub reference: Option<String>,
    /// When the provider took it.
    pub accepted_at: Option<Timestamp>,
    /// When nothing more was to be done.
    pub settled_at: Option<Timestamp>,
    /// What happened to it besides its status, with the first instant of each, microseconds UTC.
    pub facts: BTreeMap<Fact, i64>,
    /// Why it stands where it stands, when that is not plain.
    pub why: Option<Reason>,
    /// What it cost.
    pub cost: Option<Cost>,
}

/// What a template is filled with: kept as JSON text, read once for all messages that share it. Cheap to clone.
#[derive(Clone)]
pub struct Filling(Arc<(String, OnceLock<Data>)>);

impl Filling {
    /// The JSON text.
    pub fn text(&self) -> &str {
        &self.0.0
    }

    /// The values, ready to be shown.
    pub fn data(&self) -> Result<&Data, serde_json::Error> {
        if let Some(data) = self.0.1.get() {
            return Ok(data);
        }
        let data = Data::read(self.text())?;
        Ok(self.0.1.get_or_init(|| data))
    }
}

impl From<String> for Filling {
    fn from(text: String) -> Self {
        Self(Arc::new((text, OnceLock::new())))
    }
}

impl PartialEq for Filling {
    fn eq(&self, other: &Self) -> bool {
        self.text() == other.text()
    }
}

impl std::fmt::Debug for Filling {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.text())
    }
}

/// What to do when this way fails (M5), and how the message behaves at its gates.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Plan {
    /// Channels still to try, in order, when this one fails for good.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub then: Vec<ChannelKind>,
    /// Connections that failed already.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tried: Vec<ConnectionId>,
    /// The message that this one stands in for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instead_of: Option<MessageId>,
    /// The instant of the person's own act that this answers; opens quiet hours for 15 minutes (C4). Microseconds UTC.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub answers: Option<i64>,
    /// Held over a limit: joins the others that are held for the same recipient (M6).
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub digest: bool,
    /// The one answer to STOP, START or HELP: neither suppression nor hours nor caps hold it (C3, M6).
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub keyword_answer: bool,
    /// The one question to a person of the business whether alerts may come as texts (ST-1).
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub asks_staff: bool,
    /// The same step tells the same person by mail anyway.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub by_mail_too: bool,
    /// The recipient's own reference to whom the text speaks, for staff: the lead's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hook: Option<String>,
    /// Calls of which nobody knows whether they went out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub doubt: Option<Doubt>,
    /// What it cost before somebody sent it again, millionths of the tenant's currency (M11).
    #[serde(skip_serializing_if = "is_nothing")]
    pub paid: i64,
    /// The message that says it instead: over the next channel, or mended by a person.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replaced_by: Option<MessageId>,
    /// A person decided that nothing more is to be done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub discarded: Option<Discarded>,
    /// Who had it tried again and when, the last ten times.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub replayed: Vec<Replayed>,
    /// How many times in a row the server died while this message was under way; see [`Plan::SUSPECT`].
    #[serde(skip_serializing_if = "is_zero")]
    pub deaths: u32,
    /// How often it was sent anew after a provider had taken it and then reported that it did not arrive. Each round is another message
    /// to a provider that drops twins by our key.
    #[serde(skip_serializing_if = "is_zero")]
    pub rounds: u32,
    /// A person let it go after a restore, while others are still held.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub let_go: bool,
}

impl Plan {
    /// So many deaths make a message a suspect: it is sent only while no other suspect is.
    pub const SUSPECT: u32 = 2;
    /// So many put it into quarantine.
    pub const QUARANTINE: u32 = 3;
}

const fn is_zero(n: &u32) -> bool {
    *n == 0
}

/// Who had a message tried again, and when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Replayed {
    /// Who.
    pub by: String,
    /// When, microseconds UTC.
    pub at: i64,
}

/// Who decided that nothing more is to be done about a dead letter, when and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Discarded {
    /// Who.
    pub by: String,
    /// When, microseconds UTC.
    pub at: i64,
    /// Why, in the person's words; may be empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
}

/// What is not known about calls that were made for a message, and how far it is found out (reliability 3.2).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Doubt {
    /// The account of the last of these calls.
    pub connection: Option<ConnectionId>,
    /// When that call began, microseconds UTC: the provider's log is searched from here.
    pub called_at: i64,
    /// When it was claimed, microseconds UTC: the budgets of that day keep what it may have cost.
    pub claimed_at: i64,
    /// Since when its end is unknown, microseconds UTC: look-ups are counted from here.
    pub since: i64,
    /// How often it was looked up, or asked for again by its key.
    #[serde(default)]
    pub looks: u32,
    /// The first look-up whose log reached past the time and did not have it, microseconds UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub absent_at: Option<i64>,
    /// How many calls may have gone out, each as a copy of its own.
    pub calls: u32,
    /// What these calls may have cost, millionths of the tenant's currency (M11).
    #[serde(default, skip_serializing_if = "is_nothing")]
    pub spent: i64,
    /// It was decided to say it again although it may have gone out.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub again: bool,
    /// A gate or a person ended it: nothing is open about it but whether the calls before went out.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub stopped: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks like this")]
const fn is_nothing(n: &i64) -> bool {
    *n == 0
}

impl Message {
    /// Where a message stands that is not called for any more: one that may have gone out before is never said not to have.
    pub const fn ends(&self, status: Status) -> Status {
        if self.plan.doubt.is_some() {
            Status::Unknown
        } else {
            status
        }
    }

    /// Ends a message by the will of a gate or a person; see [`Message::ends`].
    pub fn stop(&mut self, status: Status) {
        self.status = self.ends(status);
        if let Some(doubt) = &mut self.plan.doubt {
            doubt.stopped = true;
        }
    }

    /// True when the text says that it is a repetition: staff must not take it for a second emergency.
    pub fn marked_as_repeat(&self) -> bool {
        matches!(self.category, Category::Staff | Category::Emergency)
            && self.plan.doubt.as_ref().is_some_and(|doubt| doubt.again)
    }
}

/// One call to a provider, as it is kept once it ended.
#[derive(Debug, Clone, PartialEq)]
pub struct Attempt {
    /// Its id; the intent named it before the call.
    pub id: AttemptId,
    /// Whose it is.
    pub tenant: TenantId,
    /// The message.
    pub message: MessageId,
    /// 1 for the first.
    pub number: u32,
    /// The account.
    pub connection: Option<ConnectionId>,
    /// When the call began.
    pub started_at: Timestamp,
    /// When it ended.
    pub finished_at: Timestamp,
    /// `delivered`, `accepted`, `retry`, `misconfigured`, `refused` or `unknown`; of a look-up `found`, `absent` or `unclear`.
    pub outcome: &'static str,
    /// The provider's name for the message.
    pub reference: Option<String>,
    /// What the provider said.
    pub why: Option<Reason>,
    /// True when it came too late to count: kept as evidence (reliability 3.1).
    pub late: bool,
}
