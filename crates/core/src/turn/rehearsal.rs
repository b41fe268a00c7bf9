//! A rehearsal: the real rules over [`Memory`] under virtual time, with a provider that answers at once. `simulate` runs it, and so do
//! tests of the engine.
//!
//! Time stands still until somebody moves it. What falls due on the way (a run that wakes, a message whose hour has come, a look into a
//! provider's log) happens at its own instant, in order.

#[cfg(test)]
mod tests;

use super::memory::Memory;
use super::world::{Consent, Point, PointKey, PointKind, Purpose};
use super::{
    Answer, Batch, Connection, Decided, Dice, Intake, JOB_PAGE, Lines, LookUps, Looked, Order,
    Pace, Queues, Registration, Settled, StaffMember, Tenant, Tenants,
};
use crate::config::TenantConfig;
use crate::consent::Basis;
use crate::ids::{ConnectionId, IdMaker, TenantId};
use crate::leads::ReferenceKey;
use crate::messages::{ChannelKind, Finding, Message, Outcome, ProviderRef, Reason, Repeat};
use crate::time::Timestamp;
use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

/// The far end of every account.
pub trait Provider {
    /// One call for a message; it ends at the instant at which it began.
    fn call(&mut self, message: &Message, now: Timestamp) -> Outcome;

    /// What the provider's log says of a message that may have gone out.
    fn look(&mut self, message: &Message, now: Timestamp) -> Finding {
        let _ = (message, now);
        Finding::Absent
    }
}

/// A provider that takes everything, at the price that was reserved for it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Perfect;

impl Provider for Perfect {
    fn call(&mut self, message: &Message, _now: Timestamp) -> Outcome {
        taken(message)
    }
}

/// The answer of a provider that took a message, at the price that was reserved for it.
pub fn taken(message: &Message) -> Outcome {
    Outcome::Accepted {
        reference: ProviderRef(message.id.to_string()),
        cost: message.cost.clone(),
    }
}

/// Dice that fall as their seed has it, a SplitMix64 generator.
/// Source: Steele, Lea, Flood, "Fast splittable pseudorandom number generators", 2014.
#[derive(Debug, Clone)]
pub struct SeededDice(pub u64);

impl Dice for SeededDice {
    fn roll(&mut self) -> f64 {
        if self.0 == STILL {
            return 0.5;
        }
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    }
}

/// The seed with which chance stands still: every roll is the middle, however many came before.
pub const STILL: u64 = 0;

/// Batches at one instant; more of them turn in a circle.
const MOST_AT_ONCE: u32 = 10_000;
/// How long a call may take before others think that it ended.
const LEASE: Duration = Duration::from_secs(60);
/// Runs that wake in one batch.
const MOST_WAKES: usize = 200;

/// Sees a batch that was decided: its instant, its orders, and what came of them.
pub type Watch<'w> = &'w mut dyn FnMut(Timestamp, &[Order], &Decided);

/// A business, or several, whose time is moved by hand.
#[derive(Debug)]
pub struct Rehearsal<P = Perfect> {
    /// What is known.
    pub memory: Memory,
    /// The far end.
    pub provider: P,
    tenants: Tenants,
    ids: IdMaker,
    dice: SeededDice,
    lines: Lines,
    queues: Queues,
    settled: VecDeque<Settled>,
    looked: VecDeque<Looked>,
    now: Timestamp,
    dies: Dies,
}

/// Whether the node is about to die.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Dies {
    /// It lives.
    No,
    /// While it makes its next calls.
    Calling,
    /// It died while it called; nothing happens until another one starts.
    Dead,
}

impl Rehearsal<Perfect> {
    /// Opens one business at an instant, with the id 1.
    pub fn open(config: Arc<TenantConfig>, now: Timestamp) -> Self {
        Self::with(vec![tenant_of(1, config)], Perfect, now)
    }
}

impl<P: Provider> Rehearsal<P> {
    /// Opens some businesses at an instant, with the far end of their accounts. Their staff confirmed their numbers (ST-1).
    pub fn with(tenants: Vec<Tenant>, provider: P, now: Timestamp) -> Self {
        let mut memory = Memory::default();
        for tenant in &tenants {
            for value in tenant.staff.iter().filter_map(|one| one.phone.clone()) {
                let mut point = Point::new(None, now);
                point.allow(
                    ChannelKind::Sms.code(),
                    Purpose::Staff,
                    Consent::Granted,
                    Basis::Written,
                    None,
                );
                let key = PointKey {
                    tenant: tenant.id,
                    kind: PointKind::Phone,
                    value,
                };
                memory.put_point(key, point);
            }
        }
        let tenants = tenants.into_iter();
        let mut house = Self {
            memory,
            provider,
            tenants: tenants
                .map(|tenant| (tenant.id, Arc::new(tenant)))
                .collect(),
            ids: IdMaker::new(0, 0),
            dice: SeededDice(1),
            lines: Lines::default(),
            queues: Queues::default(),
            settled: VecDeque::new(),
            looked: VecDeque::new(),
            now: crate::time::from_micros(crate::time::micros(now)),
            dies: Dies::No,
        };
        house.arrange();
        house
    }

    /// Jobs of every business come into line with its configuration, as at the start of a server.
    fn arrange(&mut self) {
        let mut ids: Vec<TenantId> = self.tenants.keys().copied().collect();
        ids.sort_unstable();
        let orders: Vec<Order> = ids
            .into_iter()
            .map(|id| self.order(id, Intake::Arrange))
            .collect();
        self.batch(orders, &mut |_, _, _| {});
    }

    /// The same with other dice.
    #[must_use]
    pub fn seeded(mut self, seed: u64) -> Self {
        self.dice = SeededDice(seed);
        self
    }

    /// The same as another node of the house, whose ids are others.
    #[must_use]
    pub fn on_node(mut self, node: u8) -> Self {
        self.ids = IdMaker::new(node, self.ids.next(self.now));
        self
    }

    /// The node will die while it makes its next calls: the providers have them, and nobody hears their answers.
    pub const fn die_while_calling(&mut self) {
        self.dies = Dies::Calling;
    }

    /// True from the calls over which the node died until another one starts.
    pub fn is_dead(&self) -> bool {
        self.dies == Dies::Dead
    }

    /// The node dies, and another one starts after some time: what was kept in memory is gone, and the end of the calls that were under way
    /// is unknown (M3, W3). Answers how many those were.
    pub fn restart(&mut self, down: Duration, watch: Watch<'_>) -> usize {
        self.dies = Dies::No;
        self.settled.clear();
        self.looked.clear();
        self.lines = Lines::default();
        self.queues = Queues::default();
        self.now += jiff::SignedDuration::try_from(down).unwrap_or(jiff::SignedDuration::ZERO);
        self.queues.fill(self.memory.queues());
        let now = self.now;
        let lost = self.memory.overdue(Timestamp::MAX, usize::MAX);
        let n = lost.len();
        let lease = jiff::SignedDuration::try_from(LEASE).unwrap_or(jiff::SignedDuration::ZERO);
        self.settled.extend(lost.into_iter().map(|message| Settled {
            started_at: message.deadline.map_or(now, |deadline| deadline - lease),
            message: Arc::new(message),
            finished_at: now,
            outcome: Outcome::Unknown {
                why: Reason::new(
                    "restart",
                    "The server stopped while the provider was being called.",
                ),
            },
            segments: None,
            died: true,
        }));
        self.arrange();
        self.settle_down(watch);
        n
    }

    /// What time it is.
    pub const fn now(&self) -> Timestamp {
        self.now
    }

    /// A business as the turns see it.
    pub fn tenant(&self, id: TenantId) -> Option<&Arc<Tenant>> {
        self.tenants.get(&id)
    }

    /// The business changes: another configuration, somebody else on call, a switch.
    pub fn change(&mut self, tenant: Tenant) {
        self.tenants.insert(tenant.id, Arc::new(tenant));
        self.arrange();
    }

    /// Gives one order and lets happen what it causes now.
    pub fn take(&mut self, intake: Intake) -> Answer {
        let order = self.order(TenantId::from_raw(1), intake);
        let mut answers = self.give(&[order], &mut |_, _, _| {});
        answers.pop().unwrap_or(Answer::NotFound)
    }

    /// An order that comes in now.
    pub const fn order(&self, tenant: TenantId, intake: Intake) -> Order {
        Order {
            tenant,
            at: self.now,
            intake,
            once: None,
        }
    }

    /// Gives orders in one batch and lets happen what they cause now. Answers them in order.
    pub fn give(&mut self, orders: &[Order], watch: Watch<'_>) -> Vec<Answer> {
        let decided = self.batch(orders.to_vec(), watch);
        self.settle_down(watch);
        decided.answers.into_iter().take(orders.len()).collect()
    }

    /// When something is due by itself next.
    pub fn next(&self) -> Option<Timestamp> {
        if !self.settled.is_empty() || !self.looked.is_empty() {
            return Some(self.now);
        }
        [
            self.memory.next_wake(),
            self.memory.next_job(),
            self.queues.next(),
            self.memory.next_look(),
        ]
        .into_iter()
        .flatten()
        .min()
        .map(|at| at.max(self.now))
    }

    /// Lets time pass until an instant, and happen what falls due on the way.
    pub fn run_until(&mut self, until: Timestamp, watch: Watch<'_>) {
        self.settle_down(watch);
        while let Some(next) = self.next().filter(|next| *next <= until) {
            if self.is_dead() {
                return;
            }
            self.now = next;
            self.settle_down(watch);
        }
        if !self.is_dead() {
            self.now = self.now.max(until);
        }
    }

    /// Lets so much time pass.
    pub fn wait(&mut self, length: Duration) {
        let length = jiff::SignedDuration::try_from(length).unwrap_or(jiff::SignedDuration::MAX);
        self.run_until(self.now + length, &mut |_, _, _| {});
    }

    /// Everything that is due at this instant happens.
    fn settle_down(&mut self, watch: Watch<'_>) {
        let mut batches = 0;
        while !self.is_dead() && self.next().is_some_and(|next| next <= self.now) {
            batches += 1;
            if batches > MOST_AT_ONCE {
                // What is due and cannot be done now is asked again a moment later, as the server's loop does.
                self.now += jiff::SignedDuration::from_millis(1);
                return;
            }
            let decided = self.batch(Vec::new(), watch);
            let idle = decided.sent_off.is_empty()
                && decided.answers.is_empty()
                && decided.world.out.changes.is_empty();
            if idle {
                self.now += jiff::SignedDuration::from_millis(1);
                return;
            }
        }
    }

    /// One batch: what is given, what calls came to, and what wakes now.
    fn batch(&mut self, mut orders: Vec<Order>, watch: Watch<'_>) -> Decided {
        let now = self.now;
        let own = |tenant, intake| Order {
            tenant,
            at: now,
            intake,
            once: None,
        };
        let settled = self.settled.drain(..);
        orders.extend(settled.map(|one| own(one.message.tenant, Intake::Settled(Box::new(one)))));
        let looked = self.looked.drain(..);
        orders.extend(looked.map(|one| own(one.message.tenant, Intake::Looked(Box::new(one)))));
        for (tenant, run, lead) in self.memory.wakes(now, MOST_WAKES) {
            orders.push(own(tenant, Intake::Wake { run, lead }));
        }
        for job in self.memory.jobs_due(now) {
            let leads = if job.what.of_leads() {
                self.memory.leads_after(job.tenant, job.after, JOB_PAGE)
            } else {
                Vec::new()
            };
            let (name, after, history) = (job.name.clone(), job.after, job.what.of_history());
            orders.push(own(
                job.tenant,
                Intake::Job {
                    name,
                    after,
                    leads,
                    history,
                },
            ));
        }
        let batch = Batch {
            orders: &orders,
            tenants: &self.tenants,
            now,
            ids: &mut self.ids,
            dice: &mut self.dice,
            lines: &mut self.lines,
            queues: &mut self.queues,
            distrust: None,
            looks: LookUps::default(),
            lease: LEASE,
            written: |_| (200, String::new()),
        };
        let decided = match batch.commit(&mut self.memory, |_, _| Ok(())) {
            Ok(decided) => decided,
            Err(never) => match never {},
        };
        let mut ended: HashSet<(TenantId, ChannelKind)> = HashSet::new();
        for order in &orders {
            if let Intake::Settled(settled) = &order.intake {
                self.lines.end(&settled.message);
                ended.insert((settled.message.tenant, settled.message.channel));
            }
        }
        for (tenant, channel) in ended {
            self.queues.release(tenant, channel);
        }
        let memory = &self.memory;
        self.queues
            .after_turn(&decided.world, &decided.claimed, now, |queue| {
                memory.next_due(queue)
            });
        watch(now, &orders, &decided);
        for message in &decided.sent_off {
            self.lines.begin(message, None);
            let outcome = self.provider.call(message, now);
            self.settled.push_back(Settled {
                message: Arc::clone(message),
                started_at: now,
                finished_at: now,
                outcome,
                segments: None,
                died: false,
            });
        }
        if self.dies == Dies::Calling && !decided.sent_off.is_empty() {
            self.dies = Dies::Dead;
            return decided;
        }
        for message in self.memory.looks(now, 64) {
            let finding = self.provider.look(&message, now);
            self.looked.push_back(Looked {
                message: Arc::new(message),
                started_at: now,
                finished_at: now,
                finding,
            });
        }
        decided
    }
}

/// A business as it would be with an account for each channel and each hook, and its staff as its configuration names them.
pub fn tenant_of(id: i64, config: Arc<TenantConfig>) -> Tenant {
    let tenant = TenantId::from_raw(id);
    let account = |n: i64, channel, provider: &str, name: &str| Connection {
        id: ConnectionId::from_raw(id * 1_000 + n),
        channel,
        provider: provider.to_owned(),
        name: name.to_owned(),
        enabled: true,
        repeat: Repeat::ByKey,
        answers_opt_out: false,
        pace: Pace::default(),
        registration: Registration::NotNeeded,
    };
    let mut connections = vec![
        account(1, ChannelKind::Sms, "twilio", "sms"),
        account(2, ChannelKind::Email, "ses", "email"),
    ];
    for (hook, n) in config.staff.hooks.iter().zip(3..) {
        connections.push(account(n, ChannelKind::Webhook, "webhook", &hook.name));
    }
    let staff = config.staff.people.iter().map(|person| {
        let lists = config.staff.lists.iter();
        StaffMember {
            name: person.name.clone(),
            phone: person.phone.as_ref().map(|phone| phone.as_str().to_owned()),
            email: person.email.as_ref().map(|email| email.as_str().to_owned()),
            roles: person.roles.clone(),
            lists: lists
                .filter(|(_, members)| members.contains(&person.name))
                .map(|(list, _)| list.clone())
                .collect(),
            on_call: config.staff.on_call.as_ref() == Some(&person.name),
        }
    });
    Tenant {
        id: tenant,
        slug: format!("tenant-{id}"),
        staff: staff.collect(),
        connections,
        kill: Vec::new(),
        sandbox: false,
        most_per_hour: None,
        zone: config.settings.time_zone.rules().clone(),
        references: ReferenceKey::new(&id.to_be_bytes()),
        hold: None,
        config,
    }
}
