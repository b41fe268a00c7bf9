//! The turn loop: takes all that waits, decides it, commits once, answers, and sends off what was born or claimed for it.

use super::inbox::{Inbox, Queue, Refused, Reply, instant};
use super::live::Live;
use crate::clock::WallDice;
use crate::registry::Registry;
use jiff::SignedDuration;
use metrics::{counter, gauge, histogram};
use ringback_core::ids::{IdMaker, LeadId, MessageId, TenantId};
use ringback_core::messages::{ChannelKind, Message, Outcome, Plan, Reason, Status};
use ringback_core::time::{Clock, Timestamp};
use ringback_core::turn::world::Tally;
use ringback_core::turn::{Answer, Intake, LookUps, Once, Order, Room, Settled, Turn, World};
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
    in_flight: [u32; 3],
    /// The message under way over which the server may have died; there is one at a time.
    suspect: Option<MessageId>,
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
            in_flight: [0; 3],
            suspect: None,
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
                .map(|message| Settled {
                    died: true,
                    ..self.lost(message, &why)
                })
                .collect();
            // Nothing is sent before every death is written down: what kills the server would kill it again in between.
            self.in_flight = IN_FLIGHT;
            self.one(Queue {
                outcomes,
                ..Queue::default()
            });
        }
        self.in_flight = [0; 3];
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
            died: false,
        }
    }

    fn most_orders(&self) -> usize {
        let now = self.clock.now();
        let behind =
            (0..3).any(|lane| self.in_flight[lane] >= IN_FLIGHT[lane] || self.is_due(lane, now));
        if behind {
            MOST_ORDERS_BEHIND
        } else {
            MOST_ORDERS
        }
    }

    fn wake_at(&self) -> Instant {
        let now = self.clock.now();
        let lanes = (0..3)
            .filter(|lane| self.in_flight[*lane] < IN_FLIGHT[*lane])
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
                for settled in &outcomes {
                    let lane = &mut self.in_flight[settled.message.channel.code() as usize];
                    *lane = lane.saturating_sub(1);
                    self.suspect = self.suspect.filter(|id| *id != settled.message.id);
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
                for message in sent_off {
                    self.in_flight[message.channel.code() as usize] += 1;
                    if message.plan.deaths >= Plan::SUSPECT {
                        self.suspect = Some(message.id);
                    }
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
        tenants: &std::collections::HashMap<TenantId, Arc<ringback_core::turn::Tenant>>,
        now: Timestamp,
    ) -> Result<(Vec<Arc<Message>>, World), StoreError> {
        self.writer.begin()?;
        let decided = self.decide_inside(orders, tenants, now);
        let committed = decided.and_then(|decided| {
            #[cfg(feature = "seeded-bugs")]
            super::seeded::answer_before_commit(replies, &decided.0);
            self.writer.commit().map(|()| decided)
        });
        match committed {
            Ok((answers, sent_off, world)) => {
                answer(replies, answers);
                self.writer.breakers.borrow_mut().written();
                self.look_ahead_after(&world);
                Ok((sent_off, world))
            }
            Err(error) => {
                self.writer.roll_back();
                Err(error)
            }
        }
    }

    #[expect(
        clippy::type_complexity,
        reason = "answers, what to send off, and the world, once"
    )]
    fn decide_inside(
        &mut self,
        orders: &[Order],
        tenants: &std::collections::HashMap<TenantId, Arc<ringback_core::turn::Tenant>>,
        now: Timestamp,
    ) -> Result<(Vec<Answer>, Vec<Arc<Message>>, World), StoreError> {
        let mut world = self.writer.load(orders, tenants, now)?;
        world.breakers = self.writer.breakers.take();
        let decided = self.decide_in(&mut world, orders, tenants, now);
        self.writer
            .breakers
            .replace(std::mem::take(&mut world.breakers));
        let (answers, sent_off) = decided?;
        Ok((answers, sent_off, world))
    }

    /// Decides against what was loaded, and writes it.
    fn decide_in(
        &mut self,
        world: &mut World,
        orders: &[Order],
        tenants: &std::collections::HashMap<TenantId, Arc<ringback_core::turn::Tenant>>,
        now: Timestamp,
    ) -> Result<(Vec<Answer>, Vec<Arc<Message>>), StoreError> {
        let mut dice = WallDice;
        let mut room = Room {
            suspect: self.suspect.is_some(),
            ..Room::default()
        };
        for (lane, most) in IN_FLIGHT.iter().enumerate() {
            room.free[lane] = most.saturating_sub(self.in_flight[lane]);
            room.queue[lane] = self.is_due(lane, now);
        }
        let mut answers = Vec::with_capacity(orders.len());
        let mut turn = Turn::new(world, tenants, &mut self.ids, &mut dice, now, room, LEASE);
        turn.looks = self.sending.looks;
        for order in orders {
            answers.push(match &order.once {
                None => turn.take(order),
                Some(once) => once_only(&self.writer, &mut turn, order, once, now, self.written)?,
            });
        }
        let room = turn.room;
        let mut suspect = room.suspect;
        let mut sent_off = std::mem::take(&mut turn.sent_off);
        drop(turn);
        for (lane, channel) in ChannelKind::ALL.iter().enumerate() {
            let free = room.free[lane].min(200);
            if free == 0 || !self.is_due(lane, now) {
                continue;
            }
            let due = self.writer.due(*channel, now, free)?;
            self.writer.load_for(world, &due, tenants, now)?;
            // What this turn changed already is newer than the row that was read.
            let due = due
                .into_iter()
                .filter(|message| {
                    !world
                        .out
                        .changes
                        .iter()
                        .any(|change| change.message.id == message.id)
                })
                .collect();
            let mut turn = Turn::new(
                world,
                tenants,
                &mut self.ids,
                &mut dice,
                now,
                Room {
                    free: room.free,
                    queue: [false; 3],
                    suspect,
                },
                LEASE,
            );
            turn.claim(due);
            suspect = turn.room.suspect;
            sent_off.append(&mut turn.sent_off);
        }
        self.writer.apply(world, now)?;
        let find = |id: &MessageId| {
            let new = world.out.messages.iter().find(|message| message.id == *id);
            new.or_else(|| {
                world
                    .out
                    .changes
                    .iter()
                    .rev()
                    .map(|change| &change.message)
                    .find(|message| message.id == *id)
            })
        };
        let sent_off = sent_off
            .iter()
            .filter_map(find)
            .map(|message| Arc::new(message.clone()))
            .collect();
        Ok((answers, sent_off))
    }

    /// Something of this lane waits, and its time has come.
    fn is_due(&self, lane: usize, now: Timestamp) -> bool {
        self.next_due[lane].is_some_and(|due| due <= now)
    }

    fn anything_due(&self, now: Timestamp) -> bool {
        (0..3).any(|lane| self.in_flight[lane] < IN_FLIGHT[lane] && self.is_due(lane, now))
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
        match self.writer.overdue(now, 500) {
            Ok(overdue) => {
                let why = Reason::new(
                    "lease",
                    "The server heard no end of the call before its lease ended.",
                );
                for message in overdue {
                    let lane = &mut self.in_flight[message.channel.code() as usize];
                    *lane = lane.saturating_sub(1);
                    self.suspect = self.suspect.filter(|id| *id != message.id);
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
                .set(f64::from(self.in_flight[lane]));
        }
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

/// Decides an order whose caller gave a key: the same key and body hears the same answer, nothing happens twice (X7).
fn once_only(
    writer: &Writer,
    turn: &mut Turn<'_>,
    order: &Order,
    once: &Once,
    now: Timestamp,
    written: fn(&Answer) -> (u16, String),
) -> Result<Answer, StoreError> {
    if let Some(before) = writer.answered(order.tenant, once, now)? {
        return Ok(if before.hash == once.hash {
            Answer::Repeated {
                status: before.status,
                body: before.body,
            }
        } else {
            Answer::OtherBody
        });
    }
    let answer = turn.take(order);
    let (status, body) = written(&answer);
    writer.remember(order.tenant, once, status, &body, now)?;
    Ok(answer)
}
