//! One turn: events in, changes out. Pure: what is known was loaded before, what changes is written after (design 1).
//!
//! [`Turn::take`] decides one order against the [`World`]. A panic or an error in reacting to an event sets that event aside with its
//! raw form; its lead and the event itself are stored all the same, and the orders after it go on (M1, M2).

mod act;
mod batch;
mod breaker;
pub mod budget;
mod capture;
mod claim;
mod dead;
mod doubt;
mod gate;
mod hooks;
mod intake;
mod jobs;
pub mod limits;
mod lines;
pub mod memory;
mod notify;
mod people;
#[cfg(test)]
mod people_tests;
mod points;
mod promise;
mod queues;
mod react;
mod recovery;
pub mod rehearsal;
mod retention;
mod rollout;
mod say;
#[cfg(test)]
mod scene;
mod settle;
pub mod simulate;
mod staff;
#[cfg(feature = "seeded-bugs")]
mod stale;
mod tenant;
mod track;
#[cfg(test)]
pub(crate) mod trial;
mod wall;
#[cfg(test)]
mod weeks;
mod workflow;
pub mod world;

pub use batch::{Batch, Decided, Records, Tenants};
pub use breaker::{Breakers, Passage, Resting};
pub use budget::Guesses;
pub use claim::is_claim;
pub use dead::QUARANTINED;
pub use doubt::LookUps;
pub use gate::{Ruling, Said, Verdict, VerdictView};
pub use intake::*;
pub use jobs::{JOB_PAGE, Job, JobKind, may_migrate};
pub use limits::{Pace, Placed, counters_of};
pub use lines::{Line, Lines, MOST_CALLS};
pub use queues::{QueueOf, Queues, queues_in, words_of};
pub use recovery::{HELD, Hold, JournalEntry, RESTORED, Standing};
pub use retention::{Breath, Kept, LOOKED_AT, MOST_FORGOTTEN, Mark, Old, Silence, TURNS_BETWEEN};
pub use rollout::Share;
pub use settle::Retries;
pub use staff::{CONFIRM_LINK, staff_consent};
#[cfg(feature = "seeded-bugs")]
pub use stale::forget_readings;
pub use tenant::*;
pub use wall::{Distrust, Jump, WallWatch};
pub use world::World;

use crate::ids::{
    AttemptId, ErrorId, EventId, IdMaker, LeadId, MessageId, NotificationId, RunId, TenantId,
};
use crate::messages::{ChannelKind, Message};
use crate::time::Timestamp;
use serde_json::Value;
use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;
use world::{EventRow, SetAside};

/// Dice for jitter, handed in.
pub trait Dice {
    /// A number from 0 (included) to 1 (not included).
    fn roll(&mut self) -> f64;
}

/// One turn over a batch of orders.
pub struct Turn<'a> {
    /// What is known, and what changes.
    pub world: &'a mut World,
    /// Every tenant.
    pub tenants: &'a HashMap<TenantId, Arc<Tenant>>,
    /// Makes ids.
    pub ids: &'a mut IdMaker,
    /// Jitter.
    pub dice: &'a mut dyn Dice,
    /// The instant of the turn.
    pub now: Timestamp,
    /// The calls under way, and who must queue.
    pub lines: &'a Lines,
    /// How long a claim holds; calls end before.
    pub lease: Duration,
    /// When it is looked up what became of calls whose end is unknown.
    pub looks: LookUps,
    /// Why the wall clock is not believed; `None` when it is.
    pub distrust: Option<Distrust>,
    /// Messages that this turn sends off: born claimed, with their intent in the same commit.
    pub sent_off: Vec<MessageId>,
    /// Whose messages found no line that has room: they are asked again when one of their calls ended.
    pub held: std::collections::HashSet<(ChannelKind, TenantId, crate::messages::Priority)>,
    /// What this turn began, on top of the calls under way.
    begun: lines::Begun,
    /// True while messages are taken from the queue.
    claiming: bool,
    /// Steps that an event may still cause; a workflow cannot loop for ever.
    fuel: u32,
    /// Runs that go through their steps just now.
    walking: Vec<RunId>,
    /// True while a message is under way over which the server may have died, so that no other of the kind is sent beside it.
    suspect: bool,
    /// Suspects that this turn told to wait for another one.
    held_suspects: u32,
}

/// Why an order could not be decided.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// A rule or workflow is at fault.
    #[error("{0}")]
    Rule(String),
    /// An event caused more than it may.
    #[error("one event caused more than {0} steps: workflows that start each other in a circle?")]
    Fuel(u32),
}

const FUEL: u32 = 200;
/// Why the business cannot undo a STOP or a complaint.
pub const PERSON_ONLY: &str =
    "This person said stop. Only they can undo it: with START, or by signing up again.";
/// How long a reply that may mean stop waits for somebody to read it, before it counts as a stop (C3).
const DOUBT_LASTS: jiff::SignedDuration = jiff::SignedDuration::from_hours(24);

impl std::fmt::Debug for Turn<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Turn")
            .field("now", &self.now)
            .field("sent_off", &self.sent_off.len())
            .finish_non_exhaustive()
    }
}

impl<'a> Turn<'a> {
    /// A turn at `now` over what was loaded.
    pub fn new(
        world: &'a mut World,
        tenants: &'a HashMap<TenantId, Arc<Tenant>>,
        ids: &'a mut IdMaker,
        dice: &'a mut dyn Dice,
        now: Timestamp,
        lines: &'a Lines,
        lease: Duration,
    ) -> Self {
        Self {
            world,
            tenants,
            ids,
            dice,
            now,
            lines,
            lease,
            looks: LookUps::default(),
            distrust: None,
            sent_off: Vec::new(),
            held: std::collections::HashSet::new(),
            begun: lines::Begun::default(),
            claiming: false,
            fuel: FUEL,
            walking: Vec::new(),
            suspect: lines.has_suspect(),
            held_suspects: 0,
        }
    }

    /// Decides one order. Never fails: what cannot be decided is set aside.
    pub fn take(&mut self, order: &Order) -> Answer {
        let Some(tenant) = self.tenants.get(&order.tenant).cloned() else {
            return Answer::NotFound;
        };
        let start = self.world.savepoint();
        self.fuel = FUEL;
        self.walking.clear();
        let sent_off = self.sent_off.len();
        let answer = catch_unwind(AssertUnwindSafe(|| self.decide(&tenant, order)));
        let answer = answer.unwrap_or_else(|panic| {
            // What came before the reaction failed too: nothing of the order is kept but its raw form.
            self.world.roll_back(start);
            self.sent_off.truncate(sent_off);
            self.recount();
            let error = panic_text(panic.as_ref());
            self.set_aside(order.tenant, None, &error, &format!("{:?}", order.intake));
            Answer::Refused { code: "set_aside", detail: "This could not be decided. It was set aside with its raw form; see the errors page.".into(), field: None }
        });
        self.world.release();
        answer
    }

    fn decide(&mut self, tenant: &Arc<Tenant>, order: &Order) -> Answer {
        match &order.intake {
            Intake::Capture(capture) => self.capture(tenant, capture),
            Intake::Track(track) => self.track(tenant, track),
            Intake::Edit(edit) => self.edit(tenant, edit),
            Intake::Stage(order) => self.stage(tenant, order),
            Intake::Merge { from, into, actor } => self.merge_by_hand(tenant, *from, *into, actor),
            Intake::Delete { lead, actor } => self.delete(tenant, *lead, actor),
            Intake::Old(old) => self.forget_old(tenant, old),
            Intake::Take { lead, actor } => self.take_lead(tenant, *lead, actor),
            Intake::StartRun {
                lead,
                workflow,
                actor,
            } => self.start_run(tenant, *lead, workflow, actor),
            Intake::Compose(compose) => self.compose(tenant, compose),
            Intake::Cancel { message, actor } => self.cancel(tenant, *message, actor),
            Intake::Retry { message, at, actor } => self.retry(tenant, *message, *at, actor),
            Intake::Weigh { message } => self.weigh(tenant, *message),
            Intake::Amend(amend) => self.amend(tenant, amend),
            Intake::Discard {
                message,
                reason,
                actor,
            } => self.discard(tenant, *message, reason, actor),
            Intake::Report(report) => self.report(tenant, report),
            Intake::Inbound {
                inbound,
                connection,
            } => self.inbound(tenant, inbound, *connection),
            Intake::Claim {
                lead,
                staff,
                inbound,
                connection,
            } => self.claim_by_reply(tenant, *lead, staff, inbound, *connection),
            Intake::Consent(given) => self.consent(tenant, given),
            Intake::Suppress(order) => self.suppress(tenant, order),
            Intake::Settled(settled) => self.settle(tenant, settled),
            Intake::Looked(looked) => self.looked(tenant, looked),
            Intake::Wake { run, lead } => self.wake(tenant, *run, *lead),
            Intake::Arrange => self.arrange(tenant),
            Intake::Job {
                name, after, leads, ..
            } => self.job(tenant, name, *after, leads),
            Intake::Rescore { model, tell, actor } => self.rescore(tenant, model, *tell, actor),
            Intake::Migrate {
                workflow,
                preview,
                actor,
            } => self.migrate(tenant, workflow, *preview, actor),
            Intake::Assign { lead, to, actor } => self.assign_by_hand(tenant, *lead, to, actor),
            Intake::StopRun { run, lead, actor } => self.stop_run(tenant, *lead, *run, actor),
            Intake::Journal(entry) => self.replay(tenant, entry),
            Intake::Restored { message, since } => self.restored(tenant, *message, *since),
            Intake::RestoredRun { run, lead, since } => self.restored_run(*lead, *run, *since),
            Intake::LetGo { message } => self.let_go(tenant, *message),
            Intake::HoldBack { message, actor } => self.hold_back(tenant, *message, actor),
        }
    }

    /// Runs a reaction. When it fails, its changes are taken back, and the event is set aside with its raw form.
    fn guarded(
        &mut self,
        tenant: &Arc<Tenant>,
        lead: LeadId,
        raw: impl FnOnce() -> String,
        react: impl FnOnce(&mut Self) -> Result<(), Fault>,
    ) {
        let start = self.world.savepoint();
        let sent_off = self.sent_off.len();
        let walking = self.walking.len();
        let error = match catch_unwind(AssertUnwindSafe(|| react(self))) {
            Ok(Ok(())) => return,
            Ok(Err(fault)) => fault.to_string(),
            Err(panic) => panic_text(panic.as_ref()),
        };
        self.world.roll_back(start);
        self.sent_off.truncate(sent_off);
        self.walking.truncate(walking);
        self.recount();
        self.set_aside(tenant.id, Some(lead), &error, &raw());
    }

    fn set_aside(&mut self, tenant: TenantId, lead: Option<LeadId>, error: &str, raw: &str) {
        let id = ErrorId::from_raw(self.ids.next(self.now));
        let raw = raw.chars().take(8_000).collect();
        self.world.out.set_aside.push(SetAside {
            id,
            tenant,
            lead,
            error: error.to_owned(),
            raw,
            at: self.now,
        });
    }

    /// Spends one step of what an event may cause.
    fn burn(&mut self) -> Result<(), Fault> {
        self.fuel = self.fuel.checked_sub(1).ok_or(Fault::Fuel(FUEL))?;
        Ok(())
    }

    /// The lead, followed through merges, when it is the tenant's and was not deleted just now.
    fn own(&self, tenant: &Tenant, lead: LeadId) -> Option<LeadId> {
        self.world
            .lead(lead)
            .filter(|state| state.lead.tenant == tenant.id)
            .map(|state| state.lead.id)
            .filter(|lead| !self.world.out.is_gone(tenant.id, *lead))
    }

    /// Writes a line of a lead's history.
    fn note(
        &mut self,
        tenant: TenantId,
        lead: LeadId,
        kind: &str,
        source: &str,
        actor: Option<&str>,
        properties: Value,
    ) -> EventId {
        let id = EventId::from_raw(self.ids.next(self.now));
        self.world.out.events.push(EventRow {
            id,
            tenant,
            lead,
            kind: kind.to_owned(),
            at: self.now,
            received_at: self.now,
            source: source.to_owned(),
            actor: actor.map(str::to_owned),
            session: None,
            properties,
        });
        id
    }

    fn run_id(&mut self) -> RunId {
        RunId::from_raw(self.ids.next(self.now))
    }

    fn notification_id(&mut self) -> NotificationId {
        NotificationId::from_raw(self.ids.next(self.now))
    }

    fn message_id(&mut self) -> MessageId {
        MessageId::from_raw(self.ids.next(self.now))
    }

    fn attempt_id(&mut self) -> AttemptId {
        AttemptId::from_raw(self.ids.next(self.now))
    }

    /// Claims messages that are due: each is gated again, and goes off with its intent in this commit, or waits, or ends.
    pub fn claim(&mut self, due: Vec<Message>) {
        let due: Vec<Message> = self.join_digests(due);
        self.claiming = true;
        for message in due {
            let Some(tenant) = self.tenants.get(&message.tenant).cloned() else {
                continue;
            };
            self.claim_one(&tenant, message);
        }
        self.claiming = false;
    }
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned());
    format!(
        "a bug in deciding: {}",
        text.unwrap_or_else(|| "no text".into())
    )
}
