//! Records kept in memory: what a turn is decided against where nothing has to last. Simulations, model tests and tests of the rules use
//! it; it answers what the store answers, row by row, so that the same batch runs against either.
//!
//! What a batch changes is set aside by [`Records::apply`] and becomes known with [`Records::commit`]; until then it can be taken back.

mod keep;
mod load;

use super::world::{
    AuditRow, ConsentRow, CounterKey, EventRow, LedgerRow, Output, Point, PointKey, Raised, Run,
    RunState, Session, SetAside, WorkRow, World,
};
use super::{
    Answered, Breakers, Guesses, Job, KillSwitch, Once, Order, Placed, QueueOf, Records, Tenants,
};
use crate::consent::national::NationalList;
use crate::ids::{EventId, LeadId, MessageId, RunId, TenantId};
use crate::leads::Lead;
use crate::messages::{Attempt, Message, Status};
use crate::places::Region;
use crate::scoring::ScoreState;
use crate::time::{Timestamp, micros};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::convert::Infallible;
use std::sync::Arc;

/// Microseconds of a day.
const DAY: i64 = 86_400_000_000;

/// A lead's standing in a model: lead, model, and the session of session models.
type StateKey = (LeadId, String, i64);

/// Everything that was decided so far.
#[derive(Debug, Default)]
pub struct Memory {
    leads: BTreeMap<LeadId, Lead>,
    deleted: HashSet<LeadId>,
    sessions: HashMap<LeadId, Vec<Session>>,
    states: BTreeMap<StateKey, ScoreState>,
    runs: BTreeMap<RunId, Run>,
    runs_of: HashMap<LeadId, BTreeSet<RunId>>,
    wakes: BTreeSet<(Timestamp, RunId)>,
    points: HashMap<PointKey, Point>,
    points_of: HashMap<LeadId, BTreeSet<PointKey>>,
    events: HashMap<LeadId, Vec<EventRow>>,
    event_keys: HashMap<LeadId, HashMap<String, EventId>>,
    ledger: HashMap<LeadId, Vec<LedgerRow>>,
    messages: BTreeMap<MessageId, Message>,
    messages_of: HashMap<LeadId, BTreeSet<MessageId>>,
    merged: HashMap<LeadId, Vec<LeadId>>,
    queues: BTreeMap<QueueOf, BTreeSet<(Timestamp, MessageId)>>,
    open: BTreeSet<(Timestamp, MessageId)>,
    looks: BTreeSet<(Timestamp, MessageId)>,
    waiting: HashMap<(TenantId, String), BTreeSet<MessageId>>,
    attempts: HashMap<MessageId, Vec<Attempt>>,
    consents: Vec<ConsentRow>,
    seen: HashMap<(TenantId, String), i64>,
    counters: HashMap<CounterKey, i64>,
    numbers: HashMap<TenantId, i64>,
    once: HashMap<(TenantId, String), (i64, Answered)>,
    set_aside: Vec<SetAside>,
    errors: Vec<Raised>,
    audit: Vec<AuditRow>,
    switched: Vec<(TenantId, KillSwitch)>,
    work: Vec<WorkRow>,
    jobs: BTreeMap<(TenantId, String), Job>,
    national: HashMap<TenantId, Arc<Vec<NationalList>>>,
    listed: HashSet<(PointKey, Region)>,
    breakers: Breakers,
    placed: Placed,
    guesses: Guesses,
    staged: Staged,
}

/// What a batch changed, until it is committed.
#[derive(Debug, Default)]
struct Staged {
    leads: Vec<super::world::LeadState>,
    points: Vec<(PointKey, Point)>,
    counters: Vec<(CounterKey, i64)>,
    numbers: Vec<(TenantId, i64)>,
    out: Output,
    once: Vec<(TenantId, String, i64, Answered)>,
    now: Option<Timestamp>,
}

/// Where the rows of a message stand: waiting, in flight, done, or unknown and to be looked up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stands {
    Waits,
    InFlight,
    Settled,
    LookedUp,
}

impl Stands {
    const fn of(message: &Message) -> Self {
        match message.status {
            Status::Scheduled | Status::Queued | Status::Deferred => Self::Waits,
            Status::Sending => Self::InFlight,
            Status::Unknown if message.deadline.is_some() => Self::LookedUp,
            _ => Self::Settled,
        }
    }
}

impl Memory {
    /// A lead that is there, not merged into another and not deleted.
    pub fn lead(&self, id: LeadId) -> Option<&Lead> {
        self.leads
            .get(&id)
            .filter(|lead| lead.merged_into.is_none() && !self.deleted.contains(&id))
    }

    /// Every lead that is there, oldest first.
    pub fn leads(&self) -> impl Iterator<Item = &Lead> {
        self.leads
            .values()
            .filter(|lead| lead.merged_into.is_none() && !self.deleted.contains(&lead.id))
    }

    /// A message as it stands.
    pub fn message(&self, id: MessageId) -> Option<&Message> {
        self.messages.get(&id)
    }

    /// Every message, oldest first.
    pub fn messages(&self) -> impl Iterator<Item = &Message> {
        self.messages.values()
    }

    /// The messages about a lead, oldest first.
    pub fn messages_of(&self, lead: LeadId) -> impl Iterator<Item = &Message> {
        let ids = self.messages_of.get(&lead).into_iter().flatten();
        ids.filter_map(|id| self.messages.get(id))
    }

    /// The calls of a message, oldest first.
    pub fn attempts_of(&self, id: MessageId) -> &[Attempt] {
        self.attempts.get(&id).map_or(&[], Vec::as_slice)
    }

    /// A lead's history, oldest first.
    pub fn timeline(&self, lead: LeadId) -> &[EventRow] {
        self.events.get(&lead).map_or(&[], Vec::as_slice)
    }

    /// A run as it stands.
    pub fn run(&self, id: RunId) -> Option<&Run> {
        self.runs.get(&id)
    }

    /// Every run, oldest first.
    pub fn runs(&self) -> impl Iterator<Item = &Run> {
        self.runs.values()
    }

    /// Every point that a lead was ever given, in the order of awards.
    pub fn ledger(&self, lead: LeadId) -> &[LedgerRow] {
        self.ledger.get(&lead).map_or(&[], Vec::as_slice)
    }

    /// A lead's standing in a model; for a session model in its last visit.
    pub fn score(&self, lead: LeadId, model: &str) -> Option<&ScoreState> {
        let last = self.sessions.get(&lead).and_then(|all| all.last());
        let of = |session: i64| self.states.get(&(lead, model.to_owned(), session));
        last.and_then(|session| of(session.id.raw()))
            .or_else(|| of(0))
    }

    /// A contact point.
    pub fn point(&self, key: &PointKey) -> Option<&Point> {
        self.points.get(key)
    }

    /// How far a limit is used.
    pub fn counter(&self, key: &CounterKey) -> i64 {
        self.counters.get(key).copied().unwrap_or(0)
    }

    /// Grants and revocations, in order.
    pub fn consents(&self) -> &[ConsentRow] {
        &self.consents
    }

    /// Events that could not be decided, in order.
    pub fn set_aside(&self) -> &[SetAside] {
        &self.set_aside
    }

    /// What people of the business should know went wrong, in order.
    pub fn errors(&self) -> &[Raised] {
        &self.errors
    }

    /// Administrative actions, in order.
    pub fn audit(&self) -> &[AuditRow] {
        &self.audit
    }

    /// Switches that turned by themselves, in order.
    pub fn switched(&self) -> &[(TenantId, KillSwitch)] {
        &self.switched
    }

    /// Orders that workflows wrote down for others, in order.
    pub fn work(&self) -> &[WorkRow] {
        &self.work
    }

    /// A job by its name.
    pub fn job(&self, tenant: TenantId, name: &str) -> Option<&Job> {
        self.jobs.get(&(tenant, name.to_owned()))
    }

    /// Jobs whose time has come, the longest due first.
    pub fn jobs_due(&self, now: Timestamp) -> Vec<&Job> {
        let mut due: Vec<&Job> = self
            .jobs
            .values()
            .filter(|job| job.due_at.is_some_and(|at| at <= now))
            .collect();
        due.sort_by_key(|job| job.due_at);
        due
    }

    /// When the next job is due.
    pub fn next_job(&self) -> Option<Timestamp> {
        self.jobs.values().filter_map(|job| job.due_at).min()
    }

    /// Leads of a tenant after a lead, in the order of their ids: a page of them.
    pub fn leads_after(&self, tenant: TenantId, after: Option<LeadId>, most: usize) -> Vec<LeadId> {
        use std::ops::Bound::{Excluded, Unbounded};
        let from = after.map_or(Unbounded, Excluded);
        self.leads
            .range((from, Unbounded))
            .filter(|(id, lead)| {
                lead.tenant == tenant && lead.merged_into.is_none() && !self.deleted.contains(*id)
            })
            .take(most)
            .map(|(id, _)| *id)
            .collect()
    }

    /// Writes a contact point as it is to be, such as a number that staff confirmed before anything begins.
    pub fn put_point(&mut self, key: PointKey, point: Point) {
        let point = Point {
            new: false,
            dirty: false,
            ..point
        };
        self.keep_point(key, point);
    }

    /// Puts a national do-not-call list in force, with those of its numbers that matter here (US-9).
    pub fn put_national(
        &mut self,
        tenant: TenantId,
        list: NationalList,
        numbers: impl IntoIterator<Item = String>,
    ) {
        let country = list.country;
        let lists = self.national.entry(tenant).or_default();
        let mut others: Vec<NationalList> = lists.iter().cloned().collect();
        others.retain(|one| one.country != country);
        others.push(list);
        *lists = Arc::new(others);
        self.listed.extend(numbers.into_iter().map(|value| {
            let key = PointKey {
                tenant,
                kind: super::world::PointKind::Phone,
                value,
            };
            (key, country)
        }));
    }

    // What is due

    /// Runs whose time has come, the longest due first.
    pub fn wakes(&self, now: Timestamp, most: usize) -> Vec<(TenantId, RunId, LeadId)> {
        let due = self.wakes.iter().take_while(|(at, _)| *at <= now);
        due.take(most)
            .filter_map(|(_, id)| self.runs.get(id))
            .map(|run| (run.tenant, run.id, run.lead))
            .collect()
    }

    /// When the next run wakes.
    pub fn next_wake(&self) -> Option<Timestamp> {
        self.wakes.first().map(|(at, _)| *at)
    }

    /// When the next message of a queue is due.
    pub fn next_due(&self, queue: QueueOf) -> Option<Timestamp> {
        let first = self.queues.get(&queue)?.first()?;
        Some(first.0)
    }

    /// Every queue with messages that wait, and when the next of each is due.
    pub fn queues(&self) -> Vec<(QueueOf, Timestamp)> {
        let first = self.queues.iter();
        first
            .filter_map(|(queue, all)| Some((*queue, all.first()?.0)))
            .collect()
    }

    /// Calls whose deadline passed without an answer.
    pub fn overdue(&self, now: Timestamp, most: usize) -> Vec<Message> {
        self.of(&self.open, now, most)
    }

    /// Unknown messages whose next look-up is due.
    pub fn looks(&self, now: Timestamp, most: usize) -> Vec<Message> {
        self.of(&self.looks, now, most)
    }

    /// When the next unknown message is looked up.
    pub fn next_look(&self) -> Option<Timestamp> {
        self.looks.first().map(|(at, _)| *at)
    }

    fn of(
        &self,
        index: &BTreeSet<(Timestamp, MessageId)>,
        now: Timestamp,
        most: usize,
    ) -> Vec<Message> {
        let due = index.iter().take_while(|(at, _)| *at <= now).take(most);
        due.filter_map(|(_, id)| self.messages.get(id).cloned())
            .collect()
    }
}

impl Records for Memory {
    type Error = Infallible;

    fn begin(&mut self) -> Result<(), Infallible> {
        self.staged = Staged::default();
        Ok(())
    }

    fn load(
        &mut self,
        orders: &[Order],
        tenants: &Tenants,
        now: Timestamp,
    ) -> Result<World, Infallible> {
        Ok(self.world_for(orders, tenants, now))
    }

    fn load_for(
        &mut self,
        world: &mut World,
        due: &[Message],
        tenants: &Tenants,
        now: Timestamp,
    ) -> Result<(), Infallible> {
        self.add_to(world, due, tenants, now);
        Ok(())
    }

    fn due(
        &mut self,
        queue: QueueOf,
        now: Timestamp,
        most: u32,
    ) -> Result<Vec<Message>, Infallible> {
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        let waiting = self.queues.get(&queue);
        Ok(waiting.map_or_else(Vec::new, |waiting| self.of(waiting, now, most)))
    }

    fn answered(
        &mut self,
        tenant: TenantId,
        once: &Once,
        now: Timestamp,
    ) -> Result<Option<Answered>, Infallible> {
        let today = micros(now) / DAY;
        let fresh = self.staged.once.iter();
        let fresh = fresh
            .filter(|(of, key, ..)| *of == tenant && *key == once.key)
            .map(|(_, _, day, answered)| (*day, answered.clone()))
            .next_back();
        let known = || self.once.get(&(tenant, once.key.clone())).cloned();
        Ok(fresh
            .or_else(known)
            .filter(|(day, _)| (-1..=1).contains(&(day - today)))
            .map(|(_, answered)| answered))
    }

    fn remember(
        &mut self,
        tenant: TenantId,
        once: &Once,
        status: u16,
        body: &str,
        now: Timestamp,
    ) -> Result<(), Infallible> {
        let answered = Answered {
            hash: once.hash.to_vec(),
            status,
            body: body.to_owned(),
        };
        let day = micros(now) / DAY;
        self.staged
            .once
            .push((tenant, once.key.clone(), day, answered));
        Ok(())
    }

    fn apply(&mut self, world: &mut World, now: Timestamp) -> Result<(), Infallible> {
        self.stage(world, now);
        Ok(())
    }

    fn commit(&mut self) -> Result<(), Infallible> {
        self.keep();
        Ok(())
    }

    fn roll_back(&mut self) {
        self.staged = Staged::default();
    }

    fn breakers(&mut self) -> &mut Breakers {
        &mut self.breakers
    }

    fn placed(&mut self) -> &mut Placed {
        &mut self.placed
    }

    fn guesses(&mut self) -> &mut Guesses {
        &mut self.guesses
    }
}
