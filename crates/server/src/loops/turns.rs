//! The turn loop: takes all that waits, decides it, commits once, answers, and sends off what was born or claimed for it.

use super::inbox::{Inbox, Queue, Refused, Reply, instant};
use super::live::Live;
use crate::clock::WallDice;
use crate::registry::Registry;
use jiff::SignedDuration;
use metrics::{counter, gauge, histogram};
use ringback_core::ids::{IdMaker, LeadId, MessageId, TenantId};
use ringback_core::messages::{ChannelKind, Message, Outcome, Reason, Status};
use ringback_core::time::{Clock, Timestamp};
use ringback_core::turn::world::Tally;
use ringback_core::turn::{
    Answer, Batch, Intake, Leases, LookUps, Order, Room, Settled, Tenants, World,
};
use ringback_store::{Checkpointer, StoreError, Writer};
use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How long a claim holds. Calls end before it does.
pub(super) const LEASE: Duration = Duration::from_secs(60);
const LEASE_SPAN: SignedDuration = SignedDuration::from_secs(60);
/// Attempts in flight per channel: texts, mails, webhooks. One slow channel never holds up another (M8).
const IN_FLIGHT: [u32; 3] = [400, 400, 200];
/// Look-ups under way at the same time, over all tenants.
const MOST_LOOKS: usize = 32;
/// Orders of one turn; fewer while messages wait, so that intake never starves sending.
const MOST_ORDERS: usize = 256;
const MOST_ORDERS_BEHIND: usize = 24;
/// The safety net: looks for what is due even when nothing woke it.
const SLOWEST_POLL: Duration = Duration::from_secs(5);
const CHECKPOINT_EVERY: Duration = Duration::from_millis(50);
const TIDY_EVERY: Duration = Duration::from_secs(3600);
const RETRY_STORE: Duration = Duration::from_millis(200);

/// The threads of the loops; joined on stop.
#[derive(Debug)]
pub struct Loops {
    writer: Option<JoinHandle<()>>,
    checkpoints: Option<JoinHandle<()>>,
    stop: Arc<AtomicBool>,
}

/// What the writer thread works with.
pub(crate) struct Turns {
    pub(crate) writer: Writer,
    pub(crate) inbox: Arc<Inbox>,
    pub(crate) registry: Arc<Registry>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) live: Arc<Live>,
    pub(crate) sending: Sending,
    /// Hands a caller's answer over as HTTP status and body, so that a repeated call hears the same (X7).
    pub(crate) written: fn(&Answer) -> (u16, String),
    ids: IdMaker,
    leases: Leases,
    next_due: [Option<Timestamp>; 3],
    next_wake: Option<Timestamp>,
    next_look: Option<Timestamp>,
    looking: HashSet<MessageId>,
    looked: Instant,
    tidied: Instant,
}

/// What the turns ask of the sending side.
pub(crate) struct Sending {
    /// Calls the provider.
    pub(crate) send_off: Box<dyn Fn(Arc<Message>) + Send>,
    /// Looks up what became of a message whose call has no known end.
    pub(crate) look_up: Box<dyn Fn(Arc<Message>) + Send>,
    /// When that is done.
    pub(crate) looks: LookUps,
}

impl Loops {
    /// Starts the threads.
    pub(crate) fn start(turns: Turns, checkpointer: Checkpointer) -> std::io::Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let checkpoints = std::thread::Builder::new().name("checkpoints".into()).spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                std::thread::park_timeout(CHECKPOINT_EVERY);
                if let Err(error) = checkpointer.run() {
                    tracing::warn!(%error, "the write-ahead log could not be moved into the database; tried again");
                }
            }
        })?;
        let writer = std::thread::Builder::new()
            .name("turns".into())
            .stack_size(8 << 20)
            .spawn(move || turns.run())?;
        Ok(Self {
            writer: Some(writer),
            checkpoints: Some(checkpoints),
            stop,
        })
    }

    /// Waits until everything that was taken is written. The inbox must have been stopped.
    pub fn join(mut self) {
        if let Some(writer) = self.writer.take()
            && writer.join().is_err()
        {
            tracing::error!("the turn loop ended in a panic");
        }
        self.stop.store(true, Ordering::Relaxed);
        if let Some(checkpoints) = self.checkpoints.take() {
            checkpoints.thread().unpark();
            let _ = checkpoints.join();
        }
    }
}

impl Turns {
    pub(crate) fn new(
        writer: Writer,
        inbox: Arc<Inbox>,
        registry: Arc<Registry>,
        clock: Arc<dyn Clock>,
        live: Arc<Live>,
        sending: Sending,
        written: fn(&Answer) -> (u16, String),
    ) -> Self {
        let ids = IdMaker::new(0, writer.last_id());
        let now = instant();
        Self {
            writer,
            inbox,
            registry,
            clock,
            live,
            sending,
            written,
            ids,
            leases: Leases::default(),
            next_due: [None; 3],
            next_wake: None,
            next_look: None,
            looking: HashSet::new(),
            looked: now,
            tidied: now,
        }
    }

    fn run(mut self) {
        self.recover();
        self.look_ahead();
        self.look_for_looks();
        while let Some(queue) = self.inbox.next(Some(self.wake_at()), self.most_orders()) {
            self.one(queue);
        }
    }

    /// Attempts that were under way when the process before this one ended: nobody knows what became of them (M3).
    fn recover(&mut self) {
        let lost = match self.writer.in_flight(100_000) {
            Ok(lost) => lost,
            Err(error) => {
                tracing::error!(%error, "messages in flight could not be read");
                return;
            }
        };
        if lost.is_empty() {
            return;
        }
        tracing::warn!(
            n = lost.len(),
            "the last run ended while these were being sent"
        );
        let why = Reason::new(
            "restart",
            "The server stopped while the provider was being called.",
        );
        for piece in lost.chunks(500) {
            let outcomes = piece
                .iter()
                .map(|message| self.lost(message, &why))
                .collect();
            self.one(Queue {
                outcomes,
                ..Queue::default()
            });
        }
    }

    fn lost(&self, message: &Message, why: &Reason) -> Settled {
        let now = self.clock.now();
        Settled {
            message: Arc::new(message.clone()),
            // The intent was committed a lease before its deadline.
            started_at: message
                .deadline
                .map_or(now, |deadline| deadline - LEASE_SPAN),
            finished_at: now,
            outcome: Outcome::Unknown { why: why.clone() },
        }
    }

    fn most_orders(&self) -> usize {
        let now = self.clock.now();
        let behind = (0..3)
            .any(|lane| self.leases.in_lane(lane) >= IN_FLIGHT[lane] || self.is_due(lane, now));
        if behind {
            MOST_ORDERS_BEHIND
        } else {
            MOST_ORDERS
        }
    }

    fn wake_at(&self) -> Instant {
        let now = self.clock.now();
        let lanes = (0..3)
            .filter(|lane| self.leases.in_lane(*lane) < IN_FLIGHT[*lane])
            .filter_map(|lane| self.next_due[lane]);
        let look = self.next_look.filter(|_| self.looking.len() < MOST_LOOKS);
        let next = lanes.chain(self.next_wake).chain(look).min();
        let wait = next.map_or(SLOWEST_POLL, |next| {
            Duration::try_from(next.duration_since(now)).unwrap_or(Duration::ZERO)
        });
        instant() + wait.min(SLOWEST_POLL)
    }

    /// One turn.
    fn one(&mut self, queue: Queue) {
        let Queue {
            mut orders,
            outcomes,
            looked,
            jobs,
            ..
        } = queue;
        for job in jobs {
            job(&mut self.writer);
        }
        let began = instant();
        let now = self.clock.now();
        let tenants = self.registry.tenants();
        for settled in &outcomes {
            let intake = Intake::Settled(Box::new(settled.clone()));
            orders.push_back(own(settled.message.tenant, now, intake));
        }
        for looked in &looked {
            let intake = Intake::Looked(Box::new(looked.clone()));
            orders.push_back(own(looked.message.tenant, now, intake));
        }
        self.ring_runs(now, &mut orders);
        self.collect_overdue(now, &mut orders);
        self.hand_out_looks(now);
        if orders.is_empty() && !self.anything_due(now) {
            return;
        }
        let (orders, mut replies): (Vec<Order>, Vec<Option<Reply>>) = orders.into_iter().unzip();
        match self.decide(&orders, &mut replies, &tenants, now) {
            Ok((sent_off, world)) => {
                for order in &orders {
                    if let Intake::Settled(settled) = &order.intake {
                        self.leases.end(&settled.message);
                    }
                }
                if !looked.is_empty() {
                    for one in &looked {
                        self.looking.remove(&one.message.id);
                    }
                    self.next_look = Some(self.next_look.map_or(now, |next| next.min(now)));
                }
                counter!("ringback_turns_total").increment(1);
                counter!("ringback_orders_total").increment(orders.len() as u64);
                histogram!("ringback_turn_seconds").record(began.elapsed().as_secs_f64());
                let ends = self.registry.http().boot().now() + LEASE;
                for message in sent_off {
                    self.leases.begin(&message, ends);
                    (self.sending.send_off)(message);
                }
                self.tell(&world);
            }
            Err(error) => {
                tracing::error!(%error, source = ?std::error::Error::source(&error), "a turn could not be written");
                counter!("ringback_turns_failed_total").increment(1);
                let refused = if matches!(error, StoreError::DiskFull) {
                    Refused::DiskFull
                } else {
                    Refused::Store
                };
                for reply in replies.into_iter().flatten() {
                    let _ = reply.send(Err(refused));
                }
                self.inbox.put_back(outcomes, looked);
                std::thread::sleep(RETRY_STORE);
            }
        }
    }

    /// Decides, commits, and only then answers.
    fn decide(
        &mut self,
        orders: &[Order],
        replies: &mut [Option<Reply>],
        tenants: &Tenants,
        now: Timestamp,
    ) -> Result<(Vec<Arc<Message>>, World), StoreError> {
        let mut room = Room::default();
        for (lane, most) in IN_FLIGHT.iter().enumerate() {
            room.free[lane] = most.saturating_sub(self.leases.in_lane(lane));
            room.queue[lane] = self.is_due(lane, now);
        }
        let batch = Batch {
            orders,
            tenants,
            now,
            ids: &mut self.ids,
            dice: &mut WallDice,
            room,
            looks: self.sending.looks,
            lease: LEASE,
            written: self.written,
        };
        let decided = batch.commit(&mut self.writer, |_answers| {
            #[cfg(feature = "seeded-bugs")]
            super::seeded::answer_before_commit(replies, _answers);
        })?;
        answer(replies, decided.answers);
        self.look_ahead_after(&decided.world);
        Ok((decided.sent_off, decided.world))
    }

    /// Something of this lane waits, and its time has come.
    fn is_due(&self, lane: usize, now: Timestamp) -> bool {
        self.next_due[lane].is_some_and(|due| due <= now)
    }

    fn anything_due(&self, now: Timestamp) -> bool {
        (0..3).any(|lane| self.leases.in_lane(lane) < IN_FLIGHT[lane] && self.is_due(lane, now))
    }

    /// Runs whose time has come become orders.
    fn ring_runs(
        &self,
        now: Timestamp,
        orders: &mut std::collections::VecDeque<(Order, Option<Reply>)>,
    ) {
        if self.next_wake.is_none_or(|next| next > now) {
            return;
        }
        match self.writer.wakes(now, 500) {
            Ok(wakes) => {
                for (tenant, run, lead) in wakes {
                    orders.push_back(own(tenant, now, Intake::Wake { run, lead }));
                }
            }
            Err(error) => tracing::error!(%error, "waiting runs could not be read; tried again"),
        }
    }

    /// Attempts that outlived their deadline without an answer are unknown (reliability 3.1). Looked for now and then.
    fn collect_overdue(
        &mut self,
        now: Timestamp,
        orders: &mut std::collections::VecDeque<(Order, Option<Reply>)>,
    ) {
        if self.looked.elapsed() < SLOWEST_POLL {
            return;
        }
        self.looked = instant();
        match self.outlived(now) {
            Ok(overdue) => {
                let why = Reason::new(
                    "lease",
                    "The server heard no end of the call before its lease ended.",
                );
                for message in overdue {
                    let settled = self.lost(&message, &why);
                    orders.push_back(own(message.tenant, now, Intake::Settled(Box::new(settled))));
                }
            }
            Err(error) => {
                tracing::error!(%error, "overdue attempts could not be read; tried again");
            }
        }
        self.look_ahead();
        self.look_for_looks();
        if self.tidied.elapsed() > TIDY_EVERY {
            self.tidied = instant();
            match self.writer.tidy(now) {
                Ok(false) => {}
                // In small pieces, the next with the next look.
                Ok(true) => {
                    self.tidied = self.tidied.checked_sub(TIDY_EVERY).unwrap_or(self.tidied);
                }
                Err(error) => {
                    tracing::warn!(%error, "old keys could not be removed; tried again in an hour");
                }
            }
        }
        gauge!("ringback_orders_waiting").set(self.inbox.waiting() as f64);
        for (lane, channel) in ChannelKind::ALL.iter().enumerate() {
            gauge!("ringback_in_flight", "channel" => channel.as_str())
                .set(f64::from(self.leases.in_lane(lane)));
        }
    }

    /// Attempts whose lease is over: by the boot clock where this process made the call, else by what was written with the intent.
    fn outlived(&self, now: Timestamp) -> Result<Vec<Message>, StoreError> {
        let boot = self.registry.http().boot().now();
        let mut overdue = self.writer.overdue(now, 500)?;
        overdue.retain(|message| !self.leases.holds(message, boot));
        if self.leases.any_over(boot) {
            let known: HashSet<MessageId> = overdue.iter().map(|message| message.id).collect();
            let mut frozen = self.writer.in_flight(1_000)?;
            frozen.retain(|message| {
                self.leases.is_over(message, boot) && !known.contains(&message.id)
            });
            overdue.append(&mut frozen);
        }
        Ok(overdue)
    }

    fn look_for_looks(&mut self) {
        match self.writer.next_look(Timestamp::UNIX_EPOCH) {
            Ok(look) => self.next_look = look,
            Err(error) => {
                tracing::error!(%error, "unknown messages could not be read; tried again");
            }
        }
    }

    /// Unknown messages whose next look-up is due are handed over; what is found comes back as an order.
    fn hand_out_looks(&mut self, now: Timestamp) {
        let room = MOST_LOOKS.saturating_sub(self.looking.len());
        if room == 0 || self.next_look.is_none_or(|next| next > now) {
            return;
        }
        // Those under way are still due in the store until what they found is written.
        let most = u32::try_from(MOST_LOOKS * 2).unwrap_or(u32::MAX);
        let due = self.writer.looks(now, most);
        let next = self.writer.next_look(now);
        match (due, next) {
            (Ok(due), Ok(next)) => {
                let fresh: Vec<Message> = due
                    .into_iter()
                    .filter(|message| !self.looking.contains(&message.id))
                    .collect();
                // With more than there is room for, the first that comes back asks again.
                self.next_look = if fresh.len() > room { Some(now) } else { next };
                for message in fresh.into_iter().take(room) {
                    self.looking.insert(message.id);
                    (self.sending.look_up)(Arc::new(message));
                }
            }
            (Err(error), _) | (_, Err(error)) => {
                tracing::error!(%error, "unknown messages could not be read; tried again");
            }
        }
    }

    /// Asks the store when something is due next.
    fn look_ahead(&mut self) {
        for (lane, channel) in ChannelKind::ALL.iter().enumerate() {
            match self.writer.next_due(*channel) {
                Ok(due) => self.next_due[lane] = due,
                Err(error) => tracing::error!(%error, "the queue could not be read; tried again"),
            }
        }
        match self.writer.next_wake() {
            Ok(wake) => self.next_wake = wake,
            Err(error) => tracing::error!(%error, "waiting runs could not be read; tried again"),
        }
    }

    /// After a turn: what it put into the queue may be due sooner; what it claimed asks for a fresh look.
    fn look_ahead_after(&mut self, world: &World) {
        let now = self.clock.now();
        let claimed = (0..3).any(|lane| self.is_due(lane, now));
        let woken = self.next_wake.is_some_and(|wake| wake <= now);
        let changed = || world.out.changes.iter().map(|change| &change.message);
        let looks = changed().filter(|message| message.status == Status::Unknown);
        if let Some(look) = looks.filter_map(|message| message.deadline).min() {
            self.next_look = Some(self.next_look.map_or(look, |next| next.min(look)));
        }
        if claimed || woken || !world.out.cancels.is_empty() {
            self.look_ahead();
            return;
        }
        for message in world
            .out
            .messages
            .iter()
            .chain(changed())
            .filter(|message| message.status.waits())
        {
            let next = &mut self.next_due[message.channel.code() as usize];
            *next = Some(next.map_or(message.due_at, |next| next.min(message.due_at)));
        }
        let wakes = world
            .leads
            .values()
            .flat_map(|state| &state.runs)
            .filter(|run| run.dirty)
            .filter_map(|run| run.wake_at);
        if let Some(wake) = wakes.min() {
            self.next_wake = Some(self.next_wake.map_or(wake, |next| next.min(wake)));
        }
    }

    fn tell(&self, world: &World) {
        let events = world
            .out
            .events
            .iter()
            .map(|event| (event.tenant, Some(event.lead)));
        let messages = world
            .out
            .messages
            .iter()
            .map(|message| (message.tenant, message.lead));
        let changes = world
            .out
            .changes
            .iter()
            .map(|change| (change.message.tenant, change.message.lead));
        let all: Vec<(TenantId, Option<LeadId>)> = events.chain(messages).chain(changes).collect();
        self.live.note(all);
        for tally in &world.out.tallies {
            match tally {
                Tally::Unknown => counter!("ringback_messages_unknown_total").increment(1),
                Tally::PossibleDuplicate => {
                    counter!("ringback_possible_duplicates_total").increment(1);
                }
                Tally::Found => {
                    counter!("ringback_reconciled_total", "result" => "found").increment(1);
                }
                Tally::Absent => {
                    counter!("ringback_reconciled_total", "result" => "absent").increment(1);
                }
            }
        }
        let mut statuses = [[0u64; 12]; 3];
        let new = world.out.messages.iter();
        for message in new.chain(world.out.changes.iter().map(|change| &change.message)) {
            statuses[message.channel.code() as usize][message.status.code() as usize] += 1;
        }
        for (channel, counts) in ChannelKind::ALL.iter().zip(statuses) {
            for (status, n) in Status::ALL.iter().zip(counts).filter(|(_, n)| *n > 0) {
                counter!("ringback_messages_total", "channel" => channel.as_str(), "status" => status.as_str()).increment(n);
            }
        }
    }
}

/// Answers everybody who still waits.
pub(super) fn answer(replies: &mut [Option<Reply>], answers: Vec<Answer>) {
    for (reply, answer) in replies.iter_mut().zip(answers) {
        if let Some(reply) = reply.take() {
            // A caller who went away is no reason to worry: the lead is stored.
            let _ = reply.send(Ok(answer));
        }
    }
}

/// An order that no caller waits for.
fn own(tenant: TenantId, now: Timestamp, intake: Intake) -> (Order, Option<Reply>) {
    let order = Order {
        tenant,
        at: now,
        intake,
        once: None,
    };
    (order, None)
}
