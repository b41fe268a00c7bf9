//! The turn loop: takes all that waits, decides it, commits once, answers, and sends off what was born or claimed for it.

use super::inbox::{Inbox, Queue, Refused, Reply, instant};
use super::live::Live;
use super::nodes::Neighbours;
use super::retention::Retention;
use crate::clock::WallDice;
use crate::journal::Journal;
use crate::registry::Registry;
use jiff::SignedDuration;
use metrics::{counter, gauge, histogram};
use ringback_core::ids::{IdMaker, LeadId, MessageId, TenantId};
use ringback_core::messages::{ChannelKind, Message, Outcome, Reason, Status};
use ringback_core::time::{Clock, Timestamp};
use ringback_core::turn::world::Tally;
use ringback_core::turn::{
    Answer, Batch, Decided, Distrust, Intake, JournalEntry, Lines, LookUps, MOST_CALLS, Order,
    QueueOf, Queues, Settled, Tenants, WallWatch, World,
};
use ringback_store::{Checkpointer, House as _, StoreError, Writer};
use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How long a claim holds, unless the operator says otherwise. Calls end before it does.
pub(crate) const LEASE: Duration = Duration::from_secs(60);
/// The queues are read anew from the store now and then, whatever is remembered of them.
const REFILL_EVERY: Duration = Duration::from_secs(30);
/// Look-ups under way at the same time, over all tenants.
const MOST_LOOKS: usize = 32;
/// Jobs that go on in one turn.
const MOST_JOBS: u32 = 4;
/// Orders of one turn; fewer while messages wait, so that intake never starves sending.
const MOST_ORDERS: usize = 256;
const MOST_ORDERS_BEHIND: usize = 24;
/// The safety net: looks for what is due even when nothing woke it.
const SLOWEST_POLL: Duration = Duration::from_secs(5);
const CHECKPOINT_EVERY: Duration = Duration::from_millis(50);
const TIDY_EVERY: Duration = Duration::from_secs(3600);
/// So often a turn is decided again before its callers are asked to come back.
const MOST_TRIES: usize = 5;
const RETRY_STORE: Duration = Duration::from_millis(200);

/// The threads of the loops; joined on stop.
#[derive(Debug)]
pub struct Loops {
    writer: Option<JoinHandle<()>>,
    checkpoints: Option<JoinHandle<()>>,
    stop: Arc<AtomicBool>,
    heartbeat: Option<(Neighbours, JoinHandle<()>)>,
}

/// What the writer thread works with.
pub(crate) struct Turns {
    pub(crate) writer: Writer,
    journal: Journal,
    pub(crate) inbox: Arc<Inbox>,
    pub(crate) registry: Arc<Registry>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) live: Arc<Live>,
    pub(crate) sending: Sending,
    /// Hands a caller's answer over as HTTP status and body, so that a repeated call hears the same (X7).
    pub(crate) written: fn(&Answer) -> (u16, String),
    ids: IdMaker,
    lines: Lines,
    queues: Queues,
    filled: Instant,
    next_wake: Option<Timestamp>,
    next_job: Option<Timestamp>,
    /// The tenants whose jobs are in line with their configuration.
    arranged: Option<Arc<Tenants>>,
    next_look: Option<Timestamp>,
    looking: HashSet<MessageId>,
    watch: WallWatch,
    looked: Instant,
    tidied: Instant,
    retention: Retention,
    neighbours: Option<Neighbours>,
    /// The number that ids are marked with, where there may be several nodes.
    number: u8,
}

/// What the turns ask of the sending side.
pub(crate) struct Sending {
    /// Calls the provider; its lease counts from this instant of the boot clock, or from now where there is none.
    pub(crate) send_off: Box<dyn Fn(Arc<Message>, Option<Duration>) + Send>,
    /// Looks up what became of a message whose call has no known end.
    pub(crate) look_up: Box<dyn Fn(Arc<Message>) + Send>,
    /// When that is done.
    pub(crate) looks: LookUps,
    /// How long a claim holds.
    pub(crate) lease: Duration,
}

impl Loops {
    /// Starts the threads.
    pub(crate) fn start(
        turns: Turns,
        checkpointer: Option<Checkpointer>,
        heartbeat: Option<(Neighbours, JoinHandle<()>)>,
    ) -> std::io::Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let checkpoints = match checkpointer {
            Some(checkpointer) => Some(checkpoints(checkpointer, Arc::clone(&stop))?),
            None => None,
        };
        let writer = std::thread::Builder::new()
            .name("turns".into())
            .stack_size(8 << 20)
            .spawn(move || turns.run())?;
        Ok(Self {
            writer: Some(writer),
            checkpoints,
            stop,
            heartbeat,
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
        // Last of all: what was taken is written by a node that is still taken for alive.
        if let Some((neighbours, heartbeat)) = self.heartbeat.take() {
            neighbours.leave();
            let _ = heartbeat.join();
        }
    }
}

fn checkpoints(
    checkpointer: Checkpointer,
    stopped: Arc<AtomicBool>,
) -> std::io::Result<JoinHandle<()>> {
    std::thread::Builder::new().name("checkpoints".into()).spawn(move || {
        while !stopped.load(Ordering::Relaxed) {
            std::thread::park_timeout(CHECKPOINT_EVERY);
            if let Err(error) = checkpointer.run() {
                tracing::warn!(%error, "the write-ahead log could not be moved into the database; tried again");
            }
        }
    })
}

impl Turns {
    #[expect(
        clippy::too_many_arguments,
        reason = "the wiring of everything that a turn needs"
    )]
    pub(crate) fn new(
        (writer, journal): (Writer, Journal),
        inbox: Arc<Inbox>,
        registry: Arc<Registry>,
        clock: Arc<dyn Clock>,
        live: Arc<Live>,
        sending: Sending,
        neighbours: Option<Neighbours>,
        written: fn(&Answer) -> (u16, String),
    ) -> Self {
        let number = neighbours.as_ref().map_or(0, |one| one.node().number());
        let ids = match &neighbours {
            None => IdMaker::new(0, writer.last_id()),
            Some(one) => IdMaker::new(number * 2, one.node().ids_from()),
        };
        let lines = lines_of(neighbours.as_ref());
        let now = instant();
        Self {
            writer,
            journal,
            inbox,
            registry,
            clock,
            live,
            sending,
            written,
            ids,
            lines,
            queues: Queues::default(),
            filled: now,
            next_wake: None,
            next_job: None,
            arranged: None,
            next_look: None,
            looking: HashSet::new(),
            watch: WallWatch::default(),
            looked: now,
            tidied: now,
            retention: Retention::new(),
            neighbours,
            number,
        }
    }

    fn run(mut self) {
        // From here on a jump of the clock is seen, also one that comes before the first turn.
        self.watch_clock(self.clock.now());
        self.recover();
        self.fill_queues();
        self.look_ahead();
        self.look_for_looks();
        while let Some(queue) = self.inbox.next(Some(self.wake_at()), self.most_orders()) {
            self.one(queue);
        }
    }

    /// Attempts that were under way when the process before this one ended: nobody knows what became of them (M3).
    fn recover(&mut self) {
        if self.neighbours.is_some() {
            // Other nodes are at it, or have taken over from the process before this one.
            return;
        }
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
                .map(|message| Settled {
                    died: true,
                    ..self.lost(message, &why)
                })
                .collect();
            // Nothing is sent before every death is written down: what kills the server would kill it again in between.
            self.lines = Lines::with_room_for(0);
            self.one(Queue {
                outcomes,
                ..Queue::default()
            });
        }
        self.lines = Lines::default();
    }

    fn lost(&self, message: &Message, why: &Reason) -> Settled {
        let now = self.clock.now();
        Settled {
            message: Arc::new(message.clone()),
            // The intent was committed a lease before its deadline.
            started_at: message
                .deadline
                .map_or(now, |deadline| deadline - self.lease_span()),
            finished_at: now,
            outcome: Outcome::Unknown { why: why.clone() },
            segments: None,
            died: false,
        }
    }

    fn lease_span(&self) -> SignedDuration {
        SignedDuration::try_from(self.sending.lease).unwrap_or(SignedDuration::MAX)
    }

    fn most_orders(&self) -> usize {
        if !self.sends() {
            MOST_ORDERS
        } else if self.lines.full() || self.queues.any_due(self.clock.now()) {
            MOST_ORDERS_BEHIND
        } else {
            MOST_ORDERS
        }
    }

    fn wake_at(&self) -> Instant {
        let now = self.clock.now();
        let due = self.queues.next().filter(|_| !self.lines.full());
        let look = self.next_look.filter(|_| self.looking.len() < MOST_LOOKS);
        let next = due
            .into_iter()
            .chain(self.next_wake)
            .chain(self.next_job)
            .chain(look)
            .min();
        let wait = next.map_or(SLOWEST_POLL, |next| {
            Duration::try_from(next.duration_since(now)).unwrap_or(Duration::ZERO)
        });
        let old = self.retention.wait().filter(|_| self.leads());
        instant() + wait.min(old.unwrap_or(SLOWEST_POLL))
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
        self.look_at_neighbours();
        // The leases of this turn count from here, however long the server stands still before it sends anything off (SIGSTOP).
        let leased = self.clock.since_boot();
        self.watch_clock(now);
        let tenants = self.registry.tenants();
        self.arrange(&tenants, now, &mut orders);
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
        self.take_over(now, &mut orders);
        self.hand_out_looks(now);
        self.forget_old(&tenants, now, &mut orders);
        if orders.is_empty() && !self.anything_due(now) {
            return;
        }
        let (orders, mut replies): (Vec<Order>, Vec<Option<Reply>>) = orders.into_iter().unzip();
        match self.decide_until_free(&orders, &mut replies, tenants, now) {
            Ok((sent_off, world)) => {
                for order in &orders {
                    if let Intake::Settled(settled) = &order.intake {
                        self.lines.end(&settled.message);
                        self.queues
                            .release(settled.message.tenant, settled.message.channel);
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
                let ends = leased.map(|leased| leased + self.sending.lease);
                for message in sent_off {
                    self.lines.begin(&message, ends);
                    (self.sending.send_off)(message, leased);
                }
                self.tell(&world);
            }
            Err(error) => {
                tracing::error!(%error, source = ?std::error::Error::source(&error), "a turn could not be written");
                counter!("ringback_turns_failed_total").increment(1);
                let refused = match error {
                    StoreError::DiskFull => Refused::DiskFull,
                    StoreError::Unsure => Refused::Unsure,
                    _ => Refused::Store,
                };
                for reply in replies.into_iter().flatten() {
                    let _ = reply.send(Err(refused));
                }
                self.inbox.put_back(outcomes, looked);
                std::thread::sleep(RETRY_STORE);
            }
        }
    }

    /// Jobs of tenants whose configuration is new to this loop come into line with it.
    fn arrange(
        &mut self,
        tenants: &Arc<Tenants>,
        now: Timestamp,
        orders: &mut std::collections::VecDeque<(Order, Option<Reply>)>,
    ) {
        if self
            .arranged
            .as_ref()
            .is_some_and(|known| Arc::ptr_eq(known, tenants))
        {
            return;
        }
        let before = self.arranged.replace(Arc::clone(tenants));
        for (id, tenant) in tenants.iter() {
            let known = before.as_ref().and_then(|known| known.get(id));
            let same = known.is_some_and(|known| Arc::ptr_eq(&known.config, &tenant.config));
            let had = known.is_some_and(|known| known.config.has_jobs());
            if !same && (had || known.is_none() || tenant.config.has_jobs()) {
                orders.push_back(own(*id, now, Intake::Arrange));
            }
        }
    }

    /// Holds the wall clock against the one that nobody sets, before anything is decided by it.
    fn watch_clock(&mut self, now: Timestamp) {
        let Some(boot) = self.clock.since_boot() else {
            return;
        };
        for witness in self.registry.http().witnesses() {
            self.watch.hear(&witness.who, witness.said, witness.heard);
        }
        let Some(jump) = self.watch.look(now, boot) else {
            return;
        };
        counter!("ringback_clock_jumps_total").increment(1);
        tracing::error!(
            seconds = jump.by as f64 / 1e6,
            "the clock of the server was set; what goes to customers waits for a minute. Let a time service such as chrony keep it right"
        );
        // Where several nodes keep the time of one database, one clock that was set says nothing of the others.
        if self.neighbours.as_ref().is_some_and(|one| !one.alone()) {
            return;
        }
        self.writer.breakers.borrow_mut().shift(jump.by);
        match self.writer.clock_was_set(jump.by, now) {
            Ok(0) => {}
            Ok(moved) => tracing::warn!(
                moved,
                "messages and runs that were planned by the wrong time keep their distance from now"
            ),
            Err(error) => {
                tracing::error!(%error, "what was planned by the wrong time could not be moved");
            }
        }
        self.fill_queues();
        self.look_ahead();
        self.look_for_looks();
    }

    fn distrust(&self, now: Timestamp) -> Option<Distrust> {
        self.watch.distrust(now, self.clock.since_boot()?)
    }

    /// Decides again what another node was in the way of, or what the house as it was kept in mind is too old for.
    fn decide_until_free(
        &mut self,
        orders: &[Order],
        replies: &mut [Option<Reply>],
        mut tenants: Arc<Tenants>,
        now: Timestamp,
    ) -> Result<(Vec<Arc<Message>>, World), StoreError> {
        for _ in 0..MOST_TRIES {
            match self.decide(orders, replies, &tenants, now) {
                Err(StoreError::Stale) => {
                    self.read_the_house()?;
                    tenants = self.registry.tenants();
                }
                Err(StoreError::Busy { at, .. }) => {
                    tracing::debug!(at, "another node was in the way; the turn is decided again");
                }
                other => return other,
            }
        }
        self.decide(orders, replies, &tenants, now)
    }

    /// Reads anew what is kept in mind.
    fn read_the_house(&mut self) -> Result<(), StoreError> {
        let version = self.writer.version()?;
        self.registry.reload(&self.writer)?;
        self.writer.keeps_in_mind(version);
        self.live.ask_again();
        Ok(())
    }

    fn sends(&self) -> bool {
        self.neighbours.as_ref().is_none_or(Neighbours::sends)
    }

    /// Whether this node does what only one may do.
    fn leads(&self) -> bool {
        self.neighbours.as_ref().is_none_or(Neighbours::leads)
    }

    /// Takes in what other nodes did, and what they made of this one.
    fn look_at_neighbours(&mut self) {
        let Some(others) = self.neighbours.clone() else {
            return;
        };
        if others.node().number() != self.number {
            // It was taken for dead. Its calls under way are settled by others; what it still hears of them comes too late.
            self.number = others.node().number();
            self.ids = IdMaker::new(self.number * 2, others.node().ids_from());
            self.lines = lines_of(Some(&others));
        }
        if others.heard_of_house()
            && let Err(error) = self.read_the_house()
        {
            tracing::error!(%error, "what another node changed could not be read; the next turn reads it");
        }
        for (queue, due) in others.heard_of_queues() {
            self.queues.note(queue, due);
        }
        if others.heard_of_due() {
            self.fill_queues();
            self.look_ahead();
            self.look_for_looks();
        }
    }

    /// Calls of nodes that fell silent: nobody knows what became of them (M3).
    fn take_over(
        &mut self,
        now: Timestamp,
        orders: &mut std::collections::VecDeque<(Order, Option<Reply>)>,
    ) {
        let Some(others) = self.neighbours.clone().filter(Neighbours::leads) else {
            return;
        };
        let why = Reason::new(
            "restart",
            "The node that called the provider fell silent in the middle.",
        );
        for dead in others.node().dead() {
            match self.writer.in_flight_of(dead.number * 2, 500) {
                Ok(lost) if lost.is_empty() => others.settled(dead),
                Ok(lost) => {
                    for message in lost {
                        let settled = Settled {
                            died: true,
                            ..self.lost(&message, &why)
                        };
                        let intake = Intake::Settled(Box::new(settled));
                        orders.push_back(own(message.tenant, now, intake));
                    }
                    // After this turn it is looked whether that was all.
                    self.inbox.nudge();
                }
                Err(error) => {
                    tracing::error!(%error, "the calls of a node that fell silent could not be read; tried again");
                }
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
        let distrust = self.distrust(now);
        let journal = &mut self.journal;
        let mut given_back = Vec::new();
        let batch = Batch {
            orders,
            tenants,
            now,
            ids: &mut self.ids,
            dice: &mut WallDice,
            lines: &mut self.lines,
            queues: &mut self.queues,
            distrust,
            looks: self.sending.looks,
            lease: self.sending.lease,
            written: self.written,
        };
        let Decided {
            answers,
            sent_off,
            claimed,
            world,
        } = batch.commit(&mut self.writer, |_answers, world| {
            #[cfg(feature = "seeded-bugs")]
            super::seeded::answer_before_commit(replies, _answers);
            if world.out.journal.is_empty() {
                return Ok(());
            }
            // Nobody hears that a STOP was taken before the journal has it (P12).
            let (before, after) = JournalEntry::around_commit(&world.out.journal);
            given_back = after;
            journal.write(&before)
        })?;
        answer(replies, answers);
        if let Err(error) = journal.write(&given_back) {
            tracing::error!(%error, "the journal does not have what was given back; after a restore it would be held back again");
        }
        self.look_ahead_after(&world, &claimed);
        Ok((sent_off, world))
    }

    fn anything_due(&self, now: Timestamp) -> bool {
        !self.lines.full() && self.queues.any_due(now)
    }

    /// Runs whose time has come become orders.
    fn ring_runs(
        &self,
        now: Timestamp,
        orders: &mut std::collections::VecDeque<(Order, Option<Reply>)>,
    ) {
        if !self.sends() {
            return;
        }
        if self.next_job.is_some_and(|next| next <= now) {
            match self.writer.jobs_due(now, MOST_JOBS) {
                Ok(jobs) => {
                    orders.extend(
                        jobs.into_iter()
                            .map(|(tenant, intake)| own(tenant, now, intake)),
                    );
                }
                Err(error) => tracing::error!(%error, "jobs could not be read; tried again"),
            }
        }
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
        if self.tidied.elapsed() > TIDY_EVERY && self.leads() {
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
        gauge!("ringback_in_flight").set(f64::from(self.lines.all()));
    }

    /// A piece of what was kept for as long as it was to be goes with this turn, which claims what is due all the same (L11).
    fn forget_old(
        &mut self,
        tenants: &Tenants,
        now: Timestamp,
        orders: &mut std::collections::VecDeque<(Order, Option<Reply>)>,
    ) {
        // By a clock that was set, everything may seem to be old.
        if self.distrust(now).is_some() {
            self.retention.pause();
        }
        if !self.leads() {
            return;
        }
        let busy = !orders.is_empty() || self.anything_due(now);
        match self.retention.next(&self.writer, tenants, now, busy) {
            Ok(Some((tenant, intake))) => orders.push_back(own(tenant, now, intake)),
            Ok(None) => {}
            Err(error) => {
                tracing::warn!(%error, "what is old could not be read; it is looked at again tomorrow");
            }
        }
    }

    /// Attempts whose lease is over: by the boot clock where this process made the call, else by what was written with the intent.
    fn outlived(&self, now: Timestamp) -> Result<Vec<Message>, StoreError> {
        let mut overdue = self.writer.overdue(now, MOST_CALLS + 500)?;
        if self.neighbours.is_some() {
            // Leases of others are the database's to judge.
            let number = i64::from(self.number) * 2;
            overdue.retain(|message| {
                let attempt = message.attempt.map_or(0, |attempt| attempt.raw());
                attempt >> 16 & 63 == number
            });
        }
        let Some(boot) = self.clock.since_boot() else {
            return Ok(overdue);
        };
        overdue.retain(|message| !self.lines.holds(message, boot));
        if self.lines.any_over(boot) {
            let known: HashSet<MessageId> = overdue.iter().map(|message| message.id).collect();
            let mut frozen = self.writer.in_flight(MOST_CALLS)?;
            frozen.retain(|message| {
                self.lines.is_over(message, boot) && !known.contains(&message.id)
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
        if room == 0 || !self.leads() || self.next_look.is_none_or(|next| next > now) {
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

    /// Reads the queues anew.
    fn fill_queues(&mut self) {
        self.filled = instant();
        match self.writer.queues() {
            Ok(all) => self.queues.fill(all),
            Err(error) => tracing::error!(%error, "the queues could not be read; tried again"),
        }
    }

    /// Asks the store when something is due next.
    fn look_ahead(&mut self) {
        // Where others write too, what they did not say is found as soon as this.
        let every = match self.neighbours {
            Some(_) => SLOWEST_POLL,
            None => REFILL_EVERY,
        };
        if self.filled.elapsed() > every {
            self.fill_queues();
        }
        match self.writer.next_wake() {
            Ok(wake) => self.next_wake = wake,
            Err(error) => tracing::error!(%error, "waiting runs could not be read; tried again"),
        }
        match self.writer.next_job() {
            Ok(job) => self.next_job = job,
            Err(error) => tracing::error!(%error, "jobs could not be read; tried again"),
        }
    }

    /// After a turn: what it put into a queue may be due sooner; a queue it claimed from is asked for its next.
    fn look_ahead_after(&mut self, world: &World, claimed: &[(QueueOf, bool)]) {
        let now = self.clock.now();
        let writer = &self.writer;
        self.queues.after_turn(world, claimed, now, |queue| {
            writer.next_due(queue).unwrap_or_else(|error| {
                tracing::error!(%error, "a queue could not be read; tried again");
                Some(now)
            })
        });
        let woken = self.next_wake.is_some_and(|wake| wake <= now) || !world.out.jobs.is_empty();
        let changed = || world.out.changes.iter().map(|change| &change.message);
        let looks = changed().filter(|message| message.status == Status::Unknown);
        if let Some(look) = looks.filter_map(|message| message.deadline).min() {
            self.next_look = Some(self.next_look.map_or(look, |next| next.min(look)));
        }
        if woken {
            self.look_ahead();
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

    /// Lines of history that people should look at now, to whoever looks (N6).
    fn tell_people(&self, world: &World) {
        let tenants = self.registry.tenants();
        for row in &world.out.events {
            if let Some(tenant) = tenants.get(&row.tenant)
                && let Some(state) = world.lead(row.lead)
                && let Some(alert) = super::alerts::of(tenant, &state.lead, row)
            {
                self.live.alert(alert);
            }
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
        if self.live.anybody() {
            self.tell_people(world);
        }
        if let Some(others) = &self.neighbours {
            let changed = world.out.changes.iter().map(|change| &change.message);
            let written = world.out.messages.iter().chain(changed);
            let waits = written.filter(|message| message.status.waits());
            others.tell_queues(waits.map(|message| (QueueOf::of(message), message.due_at)));
            // A node that sends wakes by itself what it wrote; one that does not has to tell those that do.
            let runs = || {
                world
                    .leads
                    .values()
                    .any(|one| one.runs.iter().any(|run| run.dirty))
            };
            if !others.sends() && runs() {
                others.tell(super::nodes::DUE);
            }
            if !world.out.switched.is_empty() {
                others.tell(super::nodes::HOUSE);
            }
        }
        if !world.out.switched.is_empty()
            && let Err(error) = self.registry.reload(&self.writer)
        {
            tracing::error!(%error, "a switch turned by itself could not be read; it holds from the next change on");
        }
        let forgotten = [
            ("lead", world.out.anonymised.len()),
            ("event", world.out.forgotten_events.len()),
            ("message", world.out.forgotten_messages.len()),
        ];
        for (what, n) in forgotten.into_iter().filter(|(_, n)| *n > 0) {
            counter!("ringback_forgotten_total", "what" => what).increment(n as u64);
        }
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

/// As many calls at a time as a node may have: none where it only takes in and answers.
fn lines_of(neighbours: Option<&Neighbours>) -> Lines {
    if neighbours.is_none_or(Neighbours::sends) {
        Lines::default()
    } else {
        Lines::with_room_for(0)
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
