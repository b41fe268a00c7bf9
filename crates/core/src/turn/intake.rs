//! What comes into a turn, and what its caller is answered.

use super::JournalEntry;
use super::world::{PointKey, PointKind, Purpose, Suppression};
use crate::consent::{Basis, SoftOptIn};
use crate::contact::{Email, Phone};
use crate::ids::{ConnectionId, EventId, LeadId, MessageId, NotificationId, RunId, TenantId};
use crate::leads::{Overwrite, Profile};
use crate::messages::{
    Category, ChannelKind, Finding, Inbound, Message, Outcome, Reason, Report, Status,
};
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;

/// One thing that happened, for one tenant.
#[derive(Debug, Clone)]
pub struct Order {
    /// Whose it is.
    pub tenant: TenantId,
    /// When we heard of it.
    pub at: Timestamp,
    /// What happened.
    pub intake: Intake,
    /// The caller's key, so that a repeated call changes nothing (X7).
    pub once: Option<Once>,
}

/// A caller's Idempotency-Key with the hash of its request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Once {
    /// The key, at most 255 characters, with the route in front.
    pub key: String,
    /// Hash of method, path and body.
    pub hash: [u8; 32],
}

/// What was answered to a call with this key before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answered {
    /// Hash of that call.
    pub hash: Vec<u8>,
    /// HTTP status.
    pub status: u16,
    /// The body.
    pub body: String,
}

/// What happened.
#[derive(Debug, Clone)]
pub enum Intake {
    /// A lead came in by API, form or import.
    Capture(Box<Capture>),
    /// A person or browser did something.
    Track(Box<Track>),
    /// What is known about a lead is edited.
    Edit(Box<Edit>),
    /// A lead is moved to a stage.
    Stage(StageMove),
    /// Two leads are one.
    Merge {
        /// The one that ends.
        from: LeadId,
        /// The one that stays.
        into: LeadId,
        /// Who says so.
        actor: String,
    },
    /// A lead is deleted.
    Delete {
        /// The lead.
        lead: LeadId,
        /// Who says so.
        actor: String,
    },
    /// A person of ours takes a lead.
    Take {
        /// The lead.
        lead: LeadId,
        /// Who.
        actor: String,
    },
    /// A workflow is started by hand or by the API, whatever its trigger.
    StartRun {
        /// The lead.
        lead: LeadId,
        /// The workflow's name.
        workflow: String,
        /// Who says so.
        actor: String,
    },
    /// A person wrote a message.
    Compose(Box<Compose>),
    /// A message that waits is not to go.
    Cancel {
        /// The message.
        message: MessageId,
        /// Who says so.
        actor: String,
    },
    /// A message that ended without arriving is tried again, gated from scratch (M4).
    Retry {
        /// The message.
        message: MessageId,
        /// Not before; at once when it is `None`.
        at: Option<Timestamp>,
        /// Who says so.
        actor: String,
    },
    /// What would become of a message if it were tried again now; changes nothing.
    Weigh {
        /// The message.
        message: MessageId,
    },
    /// Recipient or words of a dead letter are changed: another message stands in for it.
    Amend(Box<Amend>),
    /// Nothing more is to be done about a dead letter.
    Discard {
        /// The message.
        message: MessageId,
        /// Why, in the person's words; may be empty.
        reason: String,
        /// Who says so.
        actor: String,
    },
    /// A provider reports on a message.
    Report(Box<Report>),
    /// A person wrote to us.
    Inbound {
        /// What was written.
        inbound: Box<Inbound>,
        /// The account it came through.
        connection: Option<ConnectionId>,
    },
    /// A member of staff answered an alert: they take the lead it was about.
    Claim {
        /// The lead.
        lead: LeadId,
        /// Whose number it came from.
        staff: String,
        /// What was written.
        inbound: Box<Inbound>,
        /// The account it came through.
        connection: Option<ConnectionId>,
    },
    /// Consent is granted or taken back outside of a capture.
    Consent(Box<ConsentGiven>),
    /// A contact point is put on or taken off the suppression list.
    Suppress(Box<SuppressOrder>),
    /// An attempt ended.
    Settled(Box<Settled>),
    /// A look into a provider's log ended.
    Looked(Box<Looked>),
    /// The tenant's jobs come into line with its configuration.
    Arrange,
    /// A job's time has come.
    Job {
        /// Its name.
        name: String,
        /// How far it was when its leads were read; when it is elsewhere by now, another turn was faster.
        after: Option<LeadId>,
        /// The next leads, where it goes through all of them; fewer than a page are the last.
        leads: Vec<LeadId>,
        /// What these leads did is looked at.
        history: bool,
    },
    /// Every lead is scored anew by the rules of today (S6).
    Rescore {
        /// The model.
        model: String,
        /// Tiers that are entered by it start workflows.
        tell: bool,
        /// Who says so.
        actor: String,
    },
    /// Runs of a workflow are moved to its present version (W4).
    Migrate {
        /// The workflow.
        workflow: String,
        /// Only tells what would become of them.
        preview: bool,
        /// Who says so.
        actor: String,
    },
    /// A lead is given to a person of ours (D1).
    Assign {
        /// The lead.
        lead: LeadId,
        /// Who has it from now on.
        to: String,
        /// Who says so.
        actor: String,
    },
    /// A run is not to go on.
    StopRun {
        /// The run.
        run: RunId,
        /// Its lead.
        lead: LeadId,
        /// Who says so.
        actor: String,
    },
    /// A waiting run's time has come.
    Wake {
        /// The run.
        run: RunId,
        /// Its lead.
        lead: LeadId,
    },
    /// What was kept for as long as it was to be goes (L11).
    Old(Box<super::Old>),
    /// A journal remembers what a restored database may have forgotten.
    Journal(Box<JournalEntry>),
    /// A message of a restored database that may have gone out since the backup.
    Restored {
        /// The message.
        message: MessageId,
        /// The instant of the backup.
        since: Timestamp,
    },
    /// A run of a restored database that may have gone on since the backup.
    RestoredRun {
        /// The run.
        run: RunId,
        /// Its lead.
        lead: LeadId,
        /// The instant of the backup.
        since: Timestamp,
    },
    /// A message that is held since a restore may go.
    LetGo {
        /// The message.
        message: MessageId,
    },
    /// A message that is held since a restore does not go.
    HoldBack {
        /// The message.
        message: MessageId,
        /// Who says so.
        actor: String,
    },
}

/// A lead as it came in, parsed at the edge.
#[derive(Debug, Clone)]
pub struct Capture {
    /// What was told.
    pub profile: Profile,
    /// The phone.
    pub phone: Option<Phone>,
    /// The email address.
    pub email: Option<Email>,
    /// The browser it came from, when the form sent it.
    pub anonymous_id: Option<String>,
    /// The product, else the tenant's default.
    pub product: Option<String>,
    /// Consents given with it.
    pub consents: Vec<ConsentTold>,
    /// The form it came through.
    pub form: Option<String>,
    /// Name of the event, so that a repeated one changes nothing.
    pub key: Option<String>,
    /// Only trying things out: sandbox channels.
    pub test: bool,
    /// True when the person gave the contact data in an enquiry; false for imports (US-2).
    pub own_enquiry: bool,
    /// Who may overwrite what.
    pub overwrite: Overwrite,
    /// The address it came from.
    pub ip: Option<String>,
}

/// Consent that came with a lead.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ConsentTold {
    /// The channel.
    pub channel: ChannelKind,
    /// What for.
    pub purpose: Purpose,
    /// Granted or refused.
    pub granted: bool,
    /// What the person read; for keywords, what the person wrote.
    pub wording: Option<String>,
    /// How it was given.
    pub method: String,
    /// The page.
    pub page: Option<String>,
    /// Why it counts; without it `verbal` when that is the method, else `written`.
    pub basis: Option<Basis>,
    /// From when it counts no more.
    pub expires_at: Option<Timestamp>,
    /// The conditions of a soft opt-in, all of which must hold (UK-1).
    #[serde(default)]
    pub soft_opt_in: Option<SoftOptIn>,
}

impl ConsentTold {
    /// The condition that a soft opt-in lacks: its name, and what it asks.
    pub fn lacks(&self) -> Option<(&'static str, &'static str)> {
        let soft = self.granted && self.grounds() == Basis::SoftOptIn;
        soft.then(|| self.soft_opt_in.unwrap_or_default().missing())
            .flatten()
    }

    /// Why it counts.
    pub fn grounds(&self) -> Basis {
        self.basis.unwrap_or(if self.method == "verbal" {
            Basis::Verbal
        } else {
            Basis::Written
        })
    }
}

/// Something a person or browser did.
#[derive(Debug, Clone)]
pub struct Track {
    /// Who: a lead that is known by id, or names of it.
    pub who: Who,
    /// Type of the event: `page`, `emergency_click`, …; `identify` only tells who it is.
    pub kind: String,
    /// When it happened.
    pub happened: Timestamp,
    /// What came with it.
    pub properties: Value,
    /// The name the sender gave it (S1).
    pub key: Option<String>,
    /// `tracking` or `api`.
    pub source: &'static str,
    /// What identify told.
    pub traits: Option<Box<Capture>>,
    /// Page address and campaign of the visit.
    pub visit: Visit,
    /// True when only a public write key vouches for it (S1).
    pub public: bool,
    /// True for browsers: counts towards a session.
    pub session: bool,
}

/// Who did it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Who {
    /// A lead of ours.
    Lead(LeadId),
    /// Names that the sender knows it by; at least one.
    Named {
        /// The browser's id.
        anonymous: Option<String>,
        /// The person's id in the sender's system.
        user: Option<String>,
    },
}

/// What a browser tells of the page it is on.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Visit {
    /// The page's path.
    pub path: Option<String>,
    /// Where it came from.
    pub referrer: Option<String>,
    /// Campaign fields, an object or null.
    pub utm: Value,
}

/// An edit by a person or a system of the tenant.
#[derive(Debug, Clone)]
pub struct Edit {
    /// The lead.
    pub lead: LeadId,
    /// What to set.
    pub profile: Profile,
    /// Fields to empty, by name.
    pub clear: Vec<String>,
    /// A further phone.
    pub phone: Option<Phone>,
    /// A further email address.
    pub email: Option<Email>,
    /// Who.
    pub actor: String,
}

/// A move to a stage (L9).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StageMove {
    /// The lead.
    pub lead: LeadId,
    /// The product, else the first.
    pub product: Option<String>,
    /// Where to.
    pub stage: String,
    /// Why.
    pub reason: Option<String>,
    /// Who.
    pub actor: String,
}

/// A message that a person wrote or asked for.
#[derive(Debug, Clone)]
pub struct Compose {
    /// To a lead.
    pub lead: Option<LeadId>,
    /// To a staff member, by name.
    pub staff: Option<String>,
    /// To a bare number or address.
    pub to: Option<String>,
    /// The channel.
    pub channel: ChannelKind,
    /// The category.
    pub category: Category,
    /// The text, for messages without template.
    pub body: Option<String>,
    /// The subject of a mail.
    pub subject: Option<String>,
    /// The template.
    pub template: Option<String>,
    /// What the template is filled with beside the lead.
    pub data: Value,
    /// Not before.
    pub send_at: Option<Timestamp>,
    /// Who.
    pub actor: String,
    /// Into the sandbox whatever is connected.
    pub sandbox: bool,
}

/// What a person changes about a dead letter. What is `None` stays as it is.
#[derive(Debug, Clone)]
pub struct Amend {
    /// The dead letter.
    pub message: MessageId,
    /// Its channel, which decides what kind of address `to` is.
    pub channel: ChannelKind,
    /// Another number or address.
    pub to: Option<String>,
    /// Other words; they replace the template.
    pub body: Option<String>,
    /// Another subject of a mail.
    pub subject: Option<String>,
    /// A merge patch (RFC 7396) for what the template is filled with.
    pub data: Option<Value>,
    /// Who.
    pub actor: String,
}

/// What would become of a message if it were tried again now.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Weighed {
    /// The message.
    pub id: MessageId,
    /// `queued` when it would go, `deferred`, or where a gate would end it.
    pub status: Status,
    /// What holds it.
    pub why: Option<Reason>,
    /// Until when it would be held.
    pub until: Option<Timestamp>,
    /// True when the sandbox would stand in for a provider.
    pub sandbox: bool,
    /// True when it may have gone out before, so that a person may get it twice.
    pub twice: bool,
}

/// Consent told outside of a capture.
#[derive(Debug, Clone)]
pub struct ConsentGiven {
    /// The lead, whose contact points of the channel are meant.
    pub lead: Option<LeadId>,
    /// Or this contact point.
    pub point: Option<(PointKind, String)>,
    /// What was told.
    pub told: ConsentTold,
    /// Who wrote it down.
    pub actor: String,
}

/// An order for the suppression list (C5).
#[derive(Debug, Clone)]
pub struct SuppressOrder {
    /// The contact point.
    pub kind: PointKind,
    /// Number or address.
    pub value: String,
    /// Why; `None` takes it off the list.
    pub reason: Option<Suppression>,
    /// How we know.
    pub how: String,
    /// Who.
    pub actor: String,
}

/// An attempt that ended, with the message as it was when it was sent off.
#[derive(Debug, Clone)]
pub struct Settled {
    /// The message as it was sent off.
    pub message: Arc<Message>,
    /// When the call began.
    pub started_at: Timestamp,
    /// When it ended.
    pub finished_at: Timestamp,
    /// What came of it; what went well names its cost, by the provider or by the list.
    pub outcome: Outcome,
    /// How many segments its text had, when it was a text and was filled in.
    pub segments: Option<u32>,
    /// True when the process that made the call ended before it did: found at the next start.
    pub died: bool,
}

/// A look into a provider's log that ended, with the message as it was when it was asked for.
#[derive(Debug, Clone)]
pub struct Looked {
    /// The message.
    pub message: Arc<Message>,
    /// When the look-up began.
    pub started_at: Timestamp,
    /// When it ended.
    pub finished_at: Timestamp,
    /// What it came to.
    pub finding: Finding,
}

/// What the caller hears after the commit.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    /// A lead was stored.
    Captured(Captured),
    /// An event was stored.
    Tracked(Tracked),
    /// A message was stored.
    Composed {
        /// Its id.
        id: MessageId,
        /// Where it stands.
        status: Status,
        /// Why it stands there, when that is not plain.
        why: Option<String>,
    },
    /// What would become of a message.
    Weighed(Weighed),
    /// A run was started.
    Started {
        /// Its id.
        run: RunId,
        /// Whether it waits somewhere or came to its end at once.
        state: super::world::RunState,
    },
    /// It is done.
    Done,
    /// There is no such thing in this tenant.
    NotFound,
    /// It is not allowed, for this reason.
    Refused {
        /// A stable code.
        code: &'static str,
        /// A sentence.
        detail: String,
        /// The field at fault.
        field: Option<&'static str>,
    },
    /// Somebody was first: who, and when.
    Taken {
        /// Who has it.
        by: String,
        /// Since when.
        at: Timestamp,
        /// True when it was the caller just now.
        now: bool,
    },
    /// The same call was answered before: status and body.
    Repeated {
        /// HTTP status.
        status: u16,
        /// The body that was answered.
        body: String,
    },
    /// The key was used for another body.
    OtherBody,
}

/// What a capture came to: the body of the API's answer.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Captured {
    /// The lead.
    pub id: LeadId,
    /// Its reference number.
    pub reference: String,
    /// `created` or `merged`.
    pub status: CaptureStatus,
    /// Where it stands, per product.
    pub products: BTreeMap<String, ProductView>,
    /// What was decided to say.
    pub messages: Vec<MessageView>,
}

/// Whether a lead is new.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CaptureStatus {
    /// New.
    Created,
    /// Known before.
    Merged,
}

/// Where a lead stands in a product.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ProductView {
    /// The stage.
    pub stage: String,
    /// Scores by model.
    pub scores: BTreeMap<String, ScoreShort>,
}

/// A score in short.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ScoreShort {
    /// Points.
    pub points: i64,
    /// Tier.
    pub tier: Option<String>,
}

/// A message in short.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct MessageView {
    /// Its id.
    pub id: MessageId,
    /// The notification it belongs to.
    pub notification: NotificationId,
    /// The channel.
    pub channel: ChannelKind,
    /// Where it stands.
    pub status: Status,
}

/// What an event came to.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Tracked {
    /// The event; of the first one when it is a repetition.
    pub id: EventId,
    /// The lead.
    pub lead_id: LeadId,
    /// True when it had been taken before and changed nothing.
    pub repeated: bool,
    /// Scores by model.
    pub scores: BTreeMap<String, ScoreShort>,
    /// What was decided to say.
    pub messages: Vec<MessageView>,
}

/// What must be loaded before an order can be decided.
#[derive(Debug, Clone, Default)]
pub struct Needs {
    /// Contact points.
    pub points: Vec<PointKey>,
    /// Leads.
    pub leads: Vec<LeadId>,
    /// Messages.
    pub messages: Vec<MessageId>,
    /// Reports taken.
    pub seen: Vec<(TenantId, String)>,
    /// Leads whose history is looked at.
    pub histories: Vec<LeadId>,
    /// The tenant's jobs.
    pub jobs: bool,
}

impl Order {
    /// The name its sender gave the event, if it has one.
    pub fn event_key(&self) -> Option<&str> {
        match &self.intake {
            Intake::Capture(capture) => capture.key.as_deref(),
            Intake::Track(track) => track.key.as_deref(),
            _ => None,
        }
    }

    /// What deciding this order looks at first; the leads that are found by it come with all they have.
    pub fn needs(&self, needs: &mut Needs) {
        let tenant = self.tenant;
        let mut point = |kind, value: String| {
            needs.points.push(PointKey {
                tenant,
                kind,
                value,
            });
        };
        match &self.intake {
            Intake::Capture(capture) => capture.points(&mut point),
            Intake::Track(track) => {
                match &track.who {
                    Who::Lead(lead) => needs.leads.push(*lead),
                    Who::Named { anonymous, user } => {
                        if let Some(value) = anonymous {
                            point(PointKind::Anonymous, value.clone());
                        }
                        if let Some(value) = user {
                            point(PointKind::User, value.clone());
                        }
                    }
                }
                if let Some(traits) = &track.traits {
                    traits.points(&mut |kind, value| {
                        needs.points.push(PointKey {
                            tenant,
                            kind,
                            value,
                        });
                    });
                }
            }
            Intake::Edit(edit) => {
                if let Some(phone) = &edit.phone {
                    point(PointKind::Phone, phone.as_str().to_owned());
                }
                if let Some(email) = &edit.email {
                    point(PointKind::Email, email.key());
                }
                needs.leads.push(edit.lead);
            }
            Intake::Stage(StageMove { lead, .. })
            | Intake::Delete { lead, .. }
            | Intake::Take { lead, .. }
            | Intake::StartRun { lead, .. }
            | Intake::Assign { lead, .. }
            | Intake::StopRun { lead, .. }
            | Intake::RestoredRun { lead, .. }
            | Intake::Wake { lead, .. } => {
                needs.leads.push(*lead);
            }
            Intake::Arrange | Intake::Rescore { .. } | Intake::Migrate { .. } => needs.jobs = true,
            Intake::Job { leads, history, .. } => {
                needs.jobs = true;
                needs.leads.extend(leads);
                if *history {
                    needs.histories.extend(leads);
                }
            }
            Intake::Old(old) => needs.leads.extend(&old.leads),
            Intake::Merge { from, into, .. } => needs.leads.extend([*from, *into]),
            Intake::Compose(compose) => {
                if let Some(to) = &compose.to {
                    point(kind_of(compose.channel), to.clone());
                }
                needs.leads.extend(compose.lead);
            }
            Intake::Cancel { message, .. }
            | Intake::Retry { message, .. }
            | Intake::Weigh { message }
            | Intake::Restored { message, .. }
            | Intake::LetGo { message }
            | Intake::HoldBack { message, .. }
            | Intake::Discard { message, .. } => needs.messages.push(*message),
            Intake::Amend(amend) => {
                if let Some(to) = &amend.to {
                    point(
                        kind_of(amend.channel),
                        super::say::reached_by(amend.channel, to.clone()),
                    );
                }
                needs.messages.push(amend.message);
            }
            Intake::Report(report) => {
                needs.messages.extend(report.message);
                needs.seen.push((tenant, report.dedup.clone()));
            }
            Intake::Inbound { inbound, .. } => {
                point(kind_of(inbound.channel), inbound.from.clone());
                needs.seen.push((tenant, inbound.dedup.clone()));
            }
            Intake::Claim { lead, inbound, .. } => {
                point(kind_of(inbound.channel), inbound.from.clone());
                needs.seen.push((tenant, inbound.dedup.clone()));
                needs.leads.push(*lead);
            }
            Intake::Consent(given) => {
                if let Some((kind, value)) = &given.point {
                    point(*kind, value.clone());
                }
                needs.leads.extend(given.lead);
            }
            Intake::Suppress(order) => point(order.kind, order.value.clone()),
            Intake::Journal(entry) => match &**entry {
                JournalEntry::Stands { key, .. }
                | JournalEntry::Revoked { key, .. }
                | JournalEntry::Granted { key, .. } => point(key.kind, key.value.clone()),
                JournalEntry::Erased { lead, .. } => needs.leads.push(*lead),
                JournalEntry::Forgotten { .. } => {}
            },
            Intake::Looked(looked) => needs.messages.push(looked.message.id),
            Intake::Settled(settled) => {
                let as_reserved = match &settled.outcome {
                    Outcome::Accepted { cost, .. } | Outcome::Delivered { cost, .. } => {
                        *cost == settled.message.cost && settled.message.plan.doubt.is_none()
                    }
                    _ => false,
                };
                if !as_reserved {
                    needs.messages.push(settled.message.id);
                }
            }
        }
    }
}

impl Capture {
    fn points(&self, point: &mut impl FnMut(PointKind, String)) {
        if let Some(phone) = &self.phone {
            point(PointKind::Phone, phone.as_str().to_owned());
        }
        if let Some(email) = &self.email {
            point(PointKind::Email, email.key());
        }
        if let Some(anonymous) = &self.anonymous_id {
            point(PointKind::Anonymous, anonymous.clone());
        }
    }
}

/// The kind of contact point that a channel reaches.
pub const fn kind_of(channel: ChannelKind) -> PointKind {
    match channel {
        ChannelKind::Sms => PointKind::Phone,
        ChannelKind::Email | ChannelKind::Webhook => PointKind::Email,
    }
}
