//! What a turn knows and what it changes: loaded set-wise before it, written set-wise after it.
//!
//! Events of one batch are decided one after the other; each sees what the ones before it changed. When deciding one fails, its
//! changes are taken back by a savepoint and the others go on.

use crate::ids::{EventId, LeadId, MessageId, RunId, SessionId, TenantId};
use crate::leads::Lead;
use crate::messages::{Attempt, Message};
use crate::scoring::ScoreState;
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use smallvec::SmallVec;
use std::collections::HashMap;

/// What kind of contact point it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PointKind {
    /// A phone number in E.164.
    Phone = 0,
    /// An email address, lower-cased.
    Email = 1,
    /// A browser that has not said who it is.
    Anonymous = 2,
    /// A person's id in another system.
    User = 3,
}

impl PointKind {
    /// Reads a stored number.
    pub const fn from_code(code: i64) -> Option<Self> {
        match code {
            0 => Some(Self::Phone),
            1 => Some(Self::Email),
            2 => Some(Self::Anonymous),
            3 => Some(Self::User),
            _ => None,
        }
    }
}

/// Names a contact point.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PointKey {
    /// Whose it is.
    pub tenant: TenantId,
    /// Its kind.
    pub kind: PointKind,
    /// The number, address or id.
    pub value: String,
}

/// Why a contact point may not be used (C5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Suppression {
    /// The person said stop: nothing but the answer to START or HELP.
    OptedOut = 1,
    /// The person unsubscribed from offers.
    Unsubscribed = 2,
    /// The person complained: no offers ever again.
    Complained = 3,
    /// The address does not exist or cannot take the channel.
    Bounced = 4,
    /// Recipient or carrier blocks us.
    Blocked = 5,
    /// Put on the list by a person or an import.
    Listed = 6,
}

impl Suppression {
    /// Reads a stored number; 0 is no suppression.
    pub const fn from_code(code: i64) -> Option<Self> {
        match code {
            1 => Some(Self::OptedOut),
            2 => Some(Self::Unsubscribed),
            3 => Some(Self::Complained),
            4 => Some(Self::Bounced),
            5 => Some(Self::Blocked),
            6 => Some(Self::Listed),
            _ => None,
        }
    }

    /// The word of the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::OptedOut => "opted_out",
            Self::Unsubscribed => "unsubscribed",
            Self::Complained => "complained",
            Self::Bounced => "bounced",
            Self::Blocked => "blocked",
            Self::Listed => "listed",
        }
    }

    /// True when only offers are held back.
    pub const fn offers_only(self) -> bool {
        matches!(self, Self::Unsubscribed | Self::Complained)
    }
}

/// What one contact point may be used for, two bits for each channel and purpose.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ConsentBits(pub i64);

/// One answer of the consent bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Consent {
    /// Nothing is known.
    Unasked = 0,
    /// Granted in writing or the like.
    Granted = 1,
    /// Taken back.
    Revoked = 2,
    /// Given by the person in an enquiry: good for answering it (US-2).
    Provided = 3,
}

/// What consent is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// Offers.
    Promotional = 0,
    /// Answers and service.
    Transactional = 1,
    /// Calls by a machine.
    AutomatedCall = 2,
    /// Open and click tracking.
    Tracking = 3,
}

impl Purpose {
    /// The word of the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Promotional => "promotional",
            Self::Transactional => "transactional",
            Self::AutomatedCall => "automated_call",
            Self::Tracking => "tracking",
        }
    }
}

impl ConsentBits {
    const fn shift(channel: i64, purpose: Purpose) -> u32 {
        (channel as u32 % 7) * 8 + purpose as u32 * 2
    }

    /// What is known for channel (its stored number) and purpose.
    pub const fn get(self, channel: i64, purpose: Purpose) -> Consent {
        match self.0 >> Self::shift(channel, purpose) & 3 {
            1 => Consent::Granted,
            2 => Consent::Revoked,
            3 => Consent::Provided,
            _ => Consent::Unasked,
        }
    }

    /// Writes what is known now.
    pub fn set(&mut self, channel: i64, purpose: Purpose, consent: Consent) {
        let shift = Self::shift(channel, purpose);
        self.0 = self.0 & !(3 << shift) | (consent as i64) << shift;
    }
}

/// The contacts of the last 24 hours: microseconds UTC with the lowest bit set for offers. Oldest first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Recent(pub SmallVec<[i64; 4]>);

impl Recent {
    /// Adds a contact and forgets what is older than a day. At most 32 are kept.
    pub fn add(&mut self, at: Timestamp, offer: bool) {
        let now = at.as_microsecond();
        self.0.retain(|one| *one > now - DAY_US);
        if self.0.len() == 32 {
            self.0.remove(0);
        }
        self.0.push(now & !1 | i64::from(offer));
    }

    /// Contacts within the day before `now`: all, and offers alone, with the instant at which the oldest of each leaves the window.
    pub fn within(&self, now: Timestamp) -> (Window, Window) {
        let now = now.as_microsecond();
        let (mut all, mut offers) = (Window::default(), Window::default());
        for one in self.0.iter().filter(|one| **one > now - DAY_US) {
            all.count(*one);
            if one & 1 == 1 {
                offers.count(*one);
            }
        }
        (all, offers)
    }
}

/// How many contacts fell into a window.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Window {
    /// The count.
    pub n: u32,
    /// The oldest of them, microseconds UTC.
    pub oldest: Option<i64>,
}

impl Window {
    fn count(&mut self, at: i64) {
        self.n += 1;
        self.oldest = Some(self.oldest.map_or(at, |oldest| oldest.min(at)));
    }
}

const DAY_US: i64 = 86_400_000_000;

/// A contact point with all that a gate asks of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Point {
    /// Whose it is.
    pub lead: Option<LeadId>,
    /// When it was first given.
    pub added_at: Timestamp,
    /// Why it may not be used.
    pub suppressed: Option<Suppression>,
    /// Since when.
    pub suppressed_at: Option<Timestamp>,
    /// How we know: a sentence.
    pub suppressed_how: Option<String>,
    /// What it may be used for.
    pub consent: ConsentBits,
    /// What it had lately.
    pub recent: Recent,
    /// Not in the store yet.
    pub new: bool,
    /// To be written.
    pub dirty: bool,
}

impl Point {
    /// A contact point seen for the first time.
    pub fn new(lead: Option<LeadId>, now: Timestamp) -> Self {
        Self {
            lead,
            added_at: now,
            suppressed: None,
            suppressed_at: None,
            suppressed_how: None,
            consent: ConsentBits::default(),
            recent: Recent::default(),
            new: true,
            dirty: true,
        }
    }
}

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
    /// Why it counts: `written`, `provided_number`, `verbal`, `imported`, `keyword`.
    pub basis: String,
    /// What the person read.
    pub wording: Option<String>,
    /// How it was given.
    pub method: String,
    /// The page.
    pub page: Option<String>,
    /// The address it came from.
    pub ip: Option<String>,
    /// Who wrote it down.
    pub actor: Option<String>,
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

/// A counter of a limit: name and slot (hour or day since 1970).
pub type CounterKey = (TenantId, &'static str, i64);

/// What the store knew and what this turn changes.
#[derive(Debug, Default)]
pub struct World {
    /// Leads by id.
    pub leads: HashMap<LeadId, LeadState>,
    /// Contact points that were looked up; `None` is known to be absent.
    pub points: HashMap<PointKey, Option<Point>>,
    /// Messages that were looked up.
    pub messages: HashMap<MessageId, Message>,
    /// Limits.
    pub counters: HashMap<CounterKey, (i64, bool)>,
    /// The tenant's count of leads.
    pub numbers: HashMap<TenantId, i64>,
    /// Names of events that are known already.
    pub event_keys: HashMap<(LeadId, String), EventId>,
    /// Reports that were taken already.
    pub seen: HashMap<(TenantId, String), bool>,
    /// What is to be written.
    pub out: Output,
    undo: Vec<Undo>,
    base: usize,
    saving: bool,
}

/// Rows to be written, in the order in which they came to be.
#[derive(Debug, Default)]
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
    /// Administrative actions.
    pub audit: Vec<AuditRow>,
    /// Connections whose trouble changed: `None` clears it.
    pub trouble: Vec<(crate::ids::ConnectionId, Option<String>)>,
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
}

#[derive(Debug)]
enum Undo {
    Lead(LeadId, Option<Box<LeadState>>),
    Point(PointKey, Option<Option<Point>>),
    Message(MessageId, Option<Box<Message>>),
    Counter(CounterKey, Option<(i64, bool)>),
    Number(TenantId, Option<i64>),
    EventKey((LeadId, String)),
    Seen((TenantId, String), Option<bool>),
}

/// Where to go back to.
#[derive(Debug, Clone, Copy)]
pub struct Savepoint {
    undo: usize,
    lengths: [usize; 13],
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
        self.counters.get(key).map_or(0, |(n, _)| *n)
    }

    /// Counts one more.
    pub fn count(&mut self, key: CounterKey) {
        if self.saving {
            self.undo
                .push(Undo::Counter(key, self.counters.get(&key).copied()));
        }
        let slot = self.counters.entry(key).or_insert((0, true));
        *slot = (slot.0 + 1, true);
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

    /// Notes that a report was taken. Answers false when it had been.
    pub fn first_seen(&mut self, tenant: TenantId, key: &str) -> bool {
        let name = (tenant, key.to_owned());
        let before = self.seen.get(&name).copied();
        if before == Some(true) {
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
    fn lengths(&self) -> [usize; 13] {
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
        ]
    }

    fn truncate(&mut self, to: [usize; 13]) {
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
    }
}
