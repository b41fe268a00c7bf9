//! What a turn knows and what it changes: loaded set-wise before it, written set-wise after it.
//!
//! Events of one batch are decided one after the other; each sees what the ones before it changed. When deciding one fails, its
//! changes are taken back by a savepoint and the others go on.

use crate::consent::national::NationalList;
use crate::consent::{Basis, SoftOptIn};
use crate::ids::{EventId, LeadId, MessageId, RunId, SessionId, TenantId};
use crate::leads::Lead;
use crate::messages::{Attempt, Message};
use crate::places::Region;
use crate::scoring::ScoreState;
use crate::seeded::{Bug, has};
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::HashMap;

pub use super::limits::{Count, Counted, CounterKey, Span};
pub use super::points::*;

/// Visits of one browser less than 30 minutes apart (S1).
#[derive(Debug, Clone, PartialEq)]
pub struct Session {
    /// Its id.
    pub id: SessionId,
    /// 1 for the lead's first.
    pub number: u32,
    /// The first event.
    pub started_at: Timestamp,
    /// The last event.
    pub last_at: Timestamp,
    /// What was seen in it.
    pub data: SessionData,
    /// Not in the store yet.
    pub new: bool,
    /// To be written.
    pub dirty: bool,
}

/// What a session saw, as it is kept.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct SessionData {
    /// Page views.
    pub views: u32,
    /// Distinct paths in order, at most 50.
    pub paths: Vec<String>,
    /// The first page's path.
    pub first_path: Option<String>,
    /// The first referrer.
    pub referrer: Option<String>,
    /// Campaign fields of the first event that has them.
    pub utm: Value,
}

/// Where a lead stands in one score model.
#[derive(Debug, Clone, PartialEq)]
pub struct ScoreRow {
    /// The model's name.
    pub model: String,
    /// The session it counts, for session models.
    pub session: Option<SessionId>,
    /// Points, tier, and what fired.
    pub state: ScoreState,
    /// Not in the store yet.
    pub new: bool,
    /// To be written.
    pub dirty: bool,
}

/// One lead going through a workflow.
#[derive(Debug, Clone, PartialEq)]
pub struct Run {
    /// Its id.
    pub id: RunId,
    /// Whose.
    pub tenant: TenantId,
    /// Which lead.
    pub lead: LeadId,
    /// The workflow's name.
    pub workflow: String,
    /// Its version; a run finishes on the version it began with (W4).
    pub version: i64,
    /// What began it.
    pub event: EventId,
    /// The session it began in.
    pub session: Option<SessionId>,
    /// Goes on, done, or stopped.
    pub state: RunState,
    /// The step it waits at.
    pub step: Option<String>,
    /// The event it waits for.
    pub waits_for: Option<String>,
    /// When it wakes by itself.
    pub wake_at: Option<Timestamp>,
    /// What it carries: the event and score it began with.
    pub data: Value,
    /// When it began.
    pub created_at: Timestamp,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// Not in the store yet.
    pub new: bool,
    /// To be written.
    pub dirty: bool,
}

/// Whether a run goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunState {
    /// It waits.
    Open = 0,
    /// It came to its end.
    Done = 1,
    /// It was stopped.
    Stopped = 2,
}

impl RunState {
    /// The word of the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Done => "done",
            Self::Stopped => "stopped",
        }
    }
}

/// A lead with everything that deciding needs.
#[derive(Debug, Clone, PartialEq)]
pub struct LeadState {
    /// The lead.
    pub lead: Lead,
    /// Its last session.
    pub session: Option<Session>,
    /// Scores: of its lead models, and of its last session.
    pub scores: Vec<ScoreRow>,
    /// Open runs and those of this turn.
    pub runs: Vec<Run>,
    /// Its contact points.
    pub points: Vec<PointKey>,
    /// Not in the store yet.
    pub new: bool,
    /// To be written.
    pub dirty: bool,
}

impl LeadState {
    /// A lead that comes into being in this turn.
    pub fn new(lead: Lead) -> Self {
        Self {
            lead,
            session: None,
            scores: Vec::new(),
            runs: Vec::new(),
            points: Vec::new(),
            new: true,
            dirty: true,
        }
    }
}

/// One line of a lead's history.
#[derive(Debug, Clone, PartialEq)]
pub struct EventRow {
    /// Its id.
    pub id: EventId,
    /// Whose.
    pub tenant: TenantId,
    /// Which lead.
    pub lead: LeadId,
    /// Its type, `lead.captured`, `page`, `emergency_click`, …
    pub kind: String,
    /// When it happened.
    pub at: Timestamp,
    /// When we heard.
    pub received_at: Timestamp,
    /// Where it came from.
    pub source: String,
    /// Who did it, when not the lead.
    pub actor: Option<String>,
    /// Its session.
    pub session: Option<SessionId>,
    /// What came with it.
    pub properties: Value,
}

/// One award of points.
#[derive(Debug, Clone, PartialEq)]
pub struct LedgerRow {
    /// Whose.
    pub tenant: TenantId,
    /// Which lead.
    pub lead: LeadId,
    /// Which model.
    pub model: String,
    /// Its version then.
    pub version: i64,
    /// Which session, for session models.
    pub session: Option<SessionId>,
    /// Which rule.
    pub rule: String,
    /// How many points.
    pub points: i64,
    /// For which event.
    pub event: EventId,
    /// When.
    pub at: Timestamp,
    /// Which comparisons held, as sentences.
    pub why: Vec<String>,
}

/// One grant or revocation (C1).
#[derive(Debug, Clone, PartialEq)]
pub struct ConsentRow {
    /// Its id.
    pub id: crate::ids::ConsentId,
    /// Whose contact point.
    pub key: PointKey,
    /// Whose lead.
    pub lead: Option<LeadId>,
    /// The channel.
    pub channel: crate::messages::ChannelKind,
    /// What for.
    pub purpose: Purpose,
    /// Granted or taken back.
    pub granted: bool,
    /// Why it counts.
    pub basis: Basis,
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
    /// The conditions of a soft opt-in (UK-1).
    pub soft_opt_in: Option<SoftOptIn>,
    /// When.
    pub at: Timestamp,
}

/// An event that could not be decided, kept with its raw form.
#[derive(Debug, Clone, PartialEq)]
pub struct SetAside {
    /// Its id.
    pub id: crate::ids::ErrorId,
    /// Whose.
    pub tenant: TenantId,
    /// The lead, which is stored all the same.
    pub lead: Option<LeadId>,
    /// What went wrong, without personal data.
    pub error: String,
    /// What came in.
    pub raw: String,
    /// When.
    pub at: Timestamp,
}

/// A change to a message that is in the store.
#[derive(Debug, Clone, PartialEq)]
pub struct MessageChange {
    /// The message as it is to be.
    pub message: Message,
    /// The epoch and state it must have, else nothing is changed and the attempt is kept as late.
    pub expects: Expects,
}

/// What a message must look like for a change to be right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expects {
    /// In flight in this epoch.
    InFlight(i64),
    /// Read in this turn; nobody else writes.
    Read,
}

/// What the store knew and what this turn changes.
#[derive(Debug, Default)]
pub struct World {
    /// Leads by id.
    pub leads: HashMap<LeadId, LeadState>,
    /// Contact points that were looked up; `None` is known to be absent.
    pub points: HashMap<PointKey, Option<Point>>,
    /// Messages that were looked up.
    pub messages: HashMap<MessageId, Message>,
    /// Limits and budgets.
    pub counters: HashMap<CounterKey, Count>,
    /// The tenant's count of leads.
    pub numbers: HashMap<TenantId, i64>,
    /// Names of events that are known already.
    pub event_keys: HashMap<(LeadId, String), EventId>,
    /// Reports that were taken already.
    pub seen: HashMap<(TenantId, String), bool>,
    /// The national do-not-call lists that are asked, of tenants that have some (US-9).
    pub national: HashMap<TenantId, std::sync::Arc<Vec<NationalList>>>,
    /// Numbers that are on the list of a country, among those that were looked up.
    pub listed: std::collections::HashSet<(PointKey, Region)>,
    /// Which connections rest. Lent by the writer for a turn; a turn that is taken back keeps what it heard.
    pub breakers: super::Breakers,
    /// Where messages over a limit were placed. Lent like the breakers.
    pub placed: super::Placed,
    /// How long texts were. Lent like the breakers.
    pub guesses: super::Guesses,
    /// Jobs of tenants for which they were loaded, by name.
    pub jobs: HashMap<(TenantId, String), super::Job>,
    /// What leads did, oldest first, for those whose history was loaded.
    pub histories: HashMap<LeadId, Vec<EventRow>>,
    /// What is to be written.
    pub out: Output,
    undo: Vec<Undo>,
    base: usize,
    saving: bool,
}

/// Rows to be written, in the order in which they came to be.
#[derive(Debug, Default, Clone)]
pub struct Output {
    /// Merges: every row of the first becomes the second's.
    pub merges: Vec<(LeadId, LeadId)>,
    /// Timeline.
    pub events: Vec<EventRow>,
    /// Names of events.
    pub event_keys: Vec<(TenantId, LeadId, String, EventId)>,
    /// Points.
    pub ledger: Vec<LedgerRow>,
    /// New messages.
    pub messages: Vec<Message>,
    /// Changed messages.
    pub changes: Vec<MessageChange>,
    /// Attempts that ended.
    pub attempts: Vec<Attempt>,
    /// Grants and revocations.
    pub consents: Vec<ConsentRow>,
    /// Reports taken.
    pub seen: Vec<(TenantId, String)>,
    /// Waiting messages of these recipients are cancelled for this reason.
    pub cancels: Vec<Cancel>,
    /// Events that could not be decided.
    pub set_aside: Vec<SetAside>,
    /// Leads to delete.
    pub deleted: Vec<(TenantId, LeadId)>,
    /// Leads that were silent for too long: what says who they were goes, but for proofs.
    pub anonymised: Vec<(TenantId, LeadId)>,
    /// Offers made since then are proofs, and stay as they are when their lead is anonymised.
    pub proofs_since: Option<Timestamp>,
    /// Events that go, in the order of their leads and ids.
    pub forgotten_events: Vec<(TenantId, LeadId, EventId)>,
    /// Finished messages that go, with their calls.
    pub forgotten_messages: Vec<(TenantId, MessageId)>,
    /// Administrative actions.
    pub audit: Vec<AuditRow>,
    /// Connections whose trouble changed: `None` clears it.
    pub trouble: Vec<(TenantId, crate::ids::ConnectionId, Option<String>)>,
    /// What is counted as a metric.
    pub tallies: Vec<Tally>,
    /// Errors for the page of errors.
    pub errors: Vec<Raised>,
    /// Switches that turned by themselves.
    pub switched: Vec<(TenantId, super::KillSwitch)>,
    /// Orders that somebody else carries out.
    pub work: Vec<WorkRow>,
    /// Jobs as they are to be; of several of one name the last counts.
    pub jobs: Vec<super::Job>,
    /// What must be remembered outside of the database too.
    pub journal: Vec<super::JournalEntry>,
}

/// An order that a workflow wrote down for a person or another part of the house.
#[derive(Debug, Clone, PartialEq)]
pub struct WorkRow {
    /// Its id.
    pub id: crate::ids::WorkId,
    /// Whose.
    pub tenant: TenantId,
    /// Which lead.
    pub lead: LeadId,
    /// The run that wrote it.
    pub run: Option<RunId>,
    /// Run, step and attempt: the same is never ordered twice.
    pub key: String,
    /// What it is.
    pub kind: WorkKind,
    /// What is to be done, a line.
    pub title: String,
    /// Who does it, by name; none is whoever comes first.
    pub assignee: Option<String>,
    /// Until when.
    pub due_at: Option<Timestamp>,
    /// What belongs to it.
    pub data: Value,
    /// When it was written.
    pub created_at: Timestamp,
}

/// What kind of order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WorkKind {
    /// Something for a person to do.
    Task = 0,
    /// A call to the lead.
    Call = 1,
}

impl WorkKind {
    /// The word of the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Task => "task",
            Self::Call => "call",
        }
    }

    /// Reads a stored number.
    pub const fn from_code(code: i64) -> Option<Self> {
        match code {
            0 => Some(Self::Task),
            1 => Some(Self::Call),
            _ => None,
        }
    }
}

/// Something that people of the business should know went wrong (O4).
#[derive(Debug, Clone, PartialEq)]
pub struct Raised {
    /// Whose.
    pub tenant: TenantId,
    /// `warning`, `error` or `critical`.
    pub severity: &'static str,
    /// A sentence; errors that read alike are counted together.
    pub message: String,
    /// Where it came up.
    pub context: Value,
    /// When.
    pub at: Timestamp,
}

/// Something about unknown messages that is counted as a metric (P4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tally {
    /// A call ended without anybody knowing whether the message went out.
    Unknown,
    /// A call was made that may have been a second copy.
    PossibleDuplicate,
    /// An unknown message turned out to have gone out.
    Found,
    /// An unknown message turned out not to have gone out.
    Absent,
}

/// An administrative action (X6).
#[derive(Debug, Clone, PartialEq)]
pub struct AuditRow {
    /// Whose.
    pub tenant: TenantId,
    /// Who.
    pub actor: String,
    /// From where.
    pub address: Option<String>,
    /// What was done.
    pub action: String,
    /// Details without personal data.
    pub details: Value,
    /// When.
    pub at: Timestamp,
}

/// Messages that wait for a recipient and shall not go.
#[derive(Debug, Clone, PartialEq)]
pub struct Cancel {
    /// Whose.
    pub tenant: TenantId,
    /// Number or address.
    pub recipient: String,
    /// Only these categories.
    pub categories: &'static [crate::messages::Category],
    /// Status they end in.
    pub status: crate::messages::Status,
    /// Why.
    pub why: crate::messages::Reason,
    /// Messages that stay, such as the answer to the STOP itself.
    pub except: Option<MessageId>,
    /// Only what this run said.
    pub run: Option<RunId>,
    /// Only what speaks of this lead.
    pub lead: Option<LeadId>,
}

impl Cancel {
    /// Whether it ends a message that waits for the recipient.
    pub fn ends(&self, message: &Message) -> bool {
        self.except != Some(message.id)
            && self.categories.contains(&message.category)
            && self.run.is_none_or(|run| message.run == Some(run))
            && self.lead.is_none_or(|lead| message.lead == Some(lead))
    }
}

#[derive(Debug)]
enum Undo {
    Lead(LeadId, Option<Box<LeadState>>),
    Point(PointKey, Option<Option<Point>>),
    Message(MessageId, Option<Box<Message>>),
    Counter(CounterKey, Option<Count>),
    Number(TenantId, Option<i64>),
    EventKey((LeadId, String)),
    Seen((TenantId, String), Option<bool>),
    Job((TenantId, String), Option<Box<super::Job>>),
}

/// Where to go back to.
#[derive(Debug, Clone, Copy)]
pub struct Savepoint {
    undo: usize,
    lengths: [usize; 23],
}

impl World {
    /// Begins to remember, so that what follows can be taken back.
    pub fn savepoint(&mut self) -> Savepoint {
        self.saving = true;
        self.base = self.undo.len();
        Savepoint {
            undo: self.undo.len(),
            lengths: self.out.lengths(),
        }
    }

    /// Takes back what happened since.
    pub fn roll_back(&mut self, to: Savepoint) {
        while self.undo.len() > to.undo {
            match self.undo.pop() {
                Some(Undo::Lead(id, before)) => {
                    put_back(&mut self.leads, id, before.map(|state| *state));
                }
                Some(Undo::Point(key, before)) => put_back(&mut self.points, key, before),
                Some(Undo::Message(id, before)) => {
                    put_back(&mut self.messages, id, before.map(|message| *message));
                }
                Some(Undo::Counter(key, before)) => put_back(&mut self.counters, key, before),
                Some(Undo::Number(tenant, before)) => put_back(&mut self.numbers, tenant, before),
                Some(Undo::EventKey(key)) => {
                    self.event_keys.remove(&key);
                }
                Some(Undo::Seen(key, before)) => put_back(&mut self.seen, key, before),
                Some(Undo::Job(key, before)) => {
                    put_back(&mut self.jobs, key, before.map(|job| *job));
                }
                None => break,
            }
        }
        self.out.truncate(to.lengths);
    }

    /// Forgets what could have been taken back.
    pub fn release(&mut self) {
        self.undo.clear();
        self.base = 0;
        self.saving = false;
    }

    /// A lead that was loaded or made, following merges of this turn.
    pub fn lead(&self, id: LeadId) -> Option<&LeadState> {
        let state = self.leads.get(&id)?;
        match state.lead.merged_into {
            Some(into) if into != id => self.leads.get(&into).or(Some(state)),
            _ => Some(state),
        }
    }

    /// The same to change it; it will be written.
    pub fn lead_mut(&mut self, id: LeadId) -> Option<&mut LeadState> {
        let saved = |undo: &[Undo]| {
            undo.iter()
                .any(|one| matches!(one, Undo::Lead(lead, _) if *lead == id))
        };
        if self.saving && !saved(&self.undo[self.base..]) {
            let before = self.leads.get(&id).map(|state| Box::new(state.clone()));
            self.undo.push(Undo::Lead(id, before));
        }
        let state = self.leads.get_mut(&id)?;
        state.dirty = true;
        Some(state)
    }

    /// Adds a lead that comes into being.
    pub fn add_lead(&mut self, state: LeadState) {
        if self.saving {
            self.undo.push(Undo::Lead(state.lead.id, None));
        }
        self.leads.insert(state.lead.id, state);
    }

    /// A contact point, if there is one.
    pub fn point(&self, key: &PointKey) -> Option<&Point> {
        self.points.get(key).and_then(Option::as_ref)
    }

    /// The same to change it, made when absent.
    pub fn point_mut(&mut self, key: &PointKey, now: Timestamp) -> &mut Point {
        if self.saving {
            self.undo
                .push(Undo::Point(key.clone(), self.points.get(key).cloned()));
        }
        let point = self
            .points
            .entry(key.clone())
            .or_default()
            .get_or_insert_with(|| Point::new(None, now));
        point.dirty = true;
        point
    }

    /// A message to change. It must have been loaded.
    pub fn message_mut(&mut self, id: MessageId) -> Option<&mut Message> {
        if self.saving {
            self.undo.push(Undo::Message(
                id,
                self.messages
                    .get(&id)
                    .map(|message| Box::new(message.clone())),
            ));
        }
        self.messages.get_mut(&id)
    }

    /// How far a limit is used.
    pub fn counter(&self, key: &CounterKey) -> i64 {
        self.counters.get(key).map_or(0, |count| count.n)
    }

    /// Counts so many more.
    pub fn count(&mut self, key: CounterKey, by: i64) {
        if self.saving {
            self.undo
                .push(Undo::Counter(key, self.counters.get(&key).copied()));
        }
        let count = self.counters.entry(key).or_default();
        count.n += by;
        count.added += by;
    }

    /// The next number of a tenant's leads.
    pub fn next_number(&mut self, tenant: TenantId) -> i64 {
        if self.saving {
            self.undo
                .push(Undo::Number(tenant, self.numbers.get(&tenant).copied()));
        }
        let number = self.numbers.entry(tenant).or_insert(0);
        *number += 1;
        *number
    }

    /// Remembers the name of an event. Answers false when it was known.
    pub fn name_event(
        &mut self,
        tenant: TenantId,
        lead: LeadId,
        key: &str,
        event: EventId,
    ) -> bool {
        let name = (lead, key.to_owned());
        if self.event_keys.contains_key(&name) {
            return false;
        }
        if self.saving {
            self.undo.push(Undo::EventKey(name.clone()));
        }
        self.event_keys.insert(name, event);
        self.out
            .event_keys
            .push((tenant, lead, key.to_owned(), event));
        true
    }

    /// A job of a tenant whose jobs were loaded.
    pub fn job(&self, tenant: TenantId, name: &str) -> Option<&super::Job> {
        self.jobs.get(&(tenant, name.to_owned()))
    }

    /// All jobs of a tenant, in no order.
    pub fn jobs_of(&self, tenant: TenantId) -> impl Iterator<Item = &super::Job> {
        self.jobs.values().filter(move |job| job.tenant == tenant)
    }

    /// A job as it is to be.
    pub fn put_job(&mut self, job: super::Job) {
        let key = (job.tenant, job.name.clone());
        if self.saving {
            let before = self.jobs.get(&key).cloned().map(Box::new);
            self.undo.push(Undo::Job(key.clone(), before));
        }
        self.jobs.insert(key, job.clone());
        self.out.jobs.push(job);
    }

    /// What a lead did, oldest first, when it was loaded.
    pub fn history(&self, lead: LeadId) -> &[EventRow] {
        self.histories.get(&lead).map_or(&[], Vec::as_slice)
    }

    /// Notes that a report was taken. Answers false when it had been.
    pub fn first_seen(&mut self, tenant: TenantId, key: &str) -> bool {
        let name = (tenant, key.to_owned());
        let before = self.seen.get(&name).copied();
        if before == Some(true) && !has(Bug::WebhookTakenTwice) {
            return false;
        }
        if self.saving {
            self.undo.push(Undo::Seen(name.clone(), before));
        }
        self.seen.insert(name, true);
        self.out.seen.push((tenant, key.to_owned()));
        true
    }
}

fn put_back<K: std::hash::Hash + Eq, V>(map: &mut HashMap<K, V>, key: K, before: Option<V>) {
    match before {
        Some(value) => map.insert(key, value),
        None => map.remove(&key),
    };
}

impl Output {
    /// A message as this turn leaves it; `None` when it was not touched.
    pub(super) fn message(&self, id: MessageId) -> Option<&Message> {
        let changed = self.changes.iter().rev().map(|change| &change.message);
        let mut all = self.messages.iter().chain(changed);
        all.find(|message| message.id == id)
    }

    /// Whether a lead goes with this turn.
    pub(super) fn is_gone(&self, tenant: TenantId, lead: LeadId) -> bool {
        let one = (tenant, lead);
        self.deleted.contains(&one) || self.anonymised.contains(&one)
    }

    fn lengths(&self) -> [usize; 23] {
        [
            self.merges.len(),
            self.events.len(),
            self.event_keys.len(),
            self.ledger.len(),
            self.messages.len(),
            self.changes.len(),
            self.attempts.len(),
            self.consents.len(),
            self.seen.len(),
            self.cancels.len(),
            self.set_aside.len(),
            self.deleted.len(),
            self.audit.len(),
            self.trouble.len(),
            self.tallies.len(),
            self.errors.len(),
            self.switched.len(),
            self.work.len(),
            self.jobs.len(),
            self.journal.len(),
            self.anonymised.len(),
            self.forgotten_events.len(),
            self.forgotten_messages.len(),
        ]
    }

    fn truncate(&mut self, to: [usize; 23]) {
        self.merges.truncate(to[0]);
        self.events.truncate(to[1]);
        self.event_keys.truncate(to[2]);
        self.ledger.truncate(to[3]);
        self.messages.truncate(to[4]);
        self.changes.truncate(to[5]);
        self.attempts.truncate(to[6]);
        self.consents.truncate(to[7]);
        self.seen.truncate(to[8]);
        self.cancels.truncate(to[9]);
        self.set_aside.truncate(to[10]);
        self.deleted.truncate(to[11]);
        self.audit.truncate(to[12]);
        self.trouble.truncate(to[13]);
        self.tallies.truncate(to[14]);
        self.errors.truncate(to[15]);
        self.switched.truncate(to[16]);
        self.work.truncate(to[17]);
        self.jobs.truncate(to[18]);
        self.journal.truncate(to[19]);
        self.anonymised.truncate(to[20]);
        self.forgotten_events.truncate(to[21]);
        self.forgotten_messages.truncate(to[22]);
    }
}
