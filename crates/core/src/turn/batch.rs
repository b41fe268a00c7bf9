//! One batch of orders: begun, loaded, decided, written, committed, and only then answered. The server's turn loop runs it against the
//! store; a simulation runs the same against a store that fails on purpose.

use super::{Answer, Answered, Breakers, Dice, LookUps, Once, Order, Room, Tenant, Turn, World};
use crate::ids::{IdMaker, MessageId, TenantId};
use crate::messages::{ChannelKind, Message};
use crate::time::Timestamp;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

/// Every tenant, by id.
pub type Tenants = HashMap<TenantId, Arc<Tenant>>;

/// What a batch is decided against. Every call but [`Records::roll_back`] may fail; what was begun is then taken back.
pub trait Records {
    /// Why it did not do as asked.
    type Error;

    /// Begins a transaction.
    fn begin(&mut self) -> Result<(), Self::Error>;
    /// What these orders look at.
    fn load(
        &mut self,
        orders: &[Order],
        tenants: &Tenants,
        now: Timestamp,
    ) -> Result<World, Self::Error>;
    /// Adds what gating these messages looks at.
    fn load_for(
        &mut self,
        world: &mut World,
        due: &[Message],
        tenants: &Tenants,
        now: Timestamp,
    ) -> Result<(), Self::Error>;
    /// Messages of a channel that may go now, most urgent first.
    fn due(
        &mut self,
        channel: ChannelKind,
        now: Timestamp,
        most: u32,
    ) -> Result<Vec<Message>, Self::Error>;
    /// What was answered to a caller's key before.
    fn answered(
        &mut self,
        tenant: TenantId,
        once: &Once,
        now: Timestamp,
    ) -> Result<Option<Answered>, Self::Error>;
    /// Remembers an answer for its key.
    fn remember(
        &mut self,
        tenant: TenantId,
        once: &Once,
        status: u16,
        body: &str,
        now: Timestamp,
    ) -> Result<(), Self::Error>;
    /// Writes what changed.
    fn apply(&mut self, world: &mut World, now: Timestamp) -> Result<(), Self::Error>;
    /// Makes it lasting.
    fn commit(&mut self) -> Result<(), Self::Error>;
    /// Takes back what was begun.
    fn roll_back(&mut self);
    /// Which connections rest.
    fn breakers(&mut self) -> &mut Breakers;
}

/// A batch, before it is decided.
#[expect(
    missing_debug_implementations,
    reason = "dice and tenants have none worth reading"
)]
pub struct Batch<'a> {
    /// What came in, in order.
    pub orders: &'a [Order],
    /// Every tenant.
    pub tenants: &'a Tenants,
    /// The instant.
    pub now: Timestamp,
    /// Makes ids.
    pub ids: &'a mut IdMaker,
    /// Jitter.
    pub dice: &'a mut dyn Dice,
    /// How much may be sent off; `queue` says where messages are due already.
    pub room: Room,
    /// When unknown messages are looked up.
    pub looks: LookUps,
    /// How long a claim holds.
    pub lease: Duration,
    /// Hands an answer over as HTTP status and body, so that a repeated call hears the same (X7).
    pub written: fn(&Answer) -> (u16, String),
}

/// A batch that is on the disk.
#[derive(Debug)]
pub struct Decided {
    /// One for each order.
    pub answers: Vec<Answer>,
    /// Messages to send off, with their intent in the same commit.
    pub sent_off: Vec<Arc<Message>>,
    /// What was known and what changed.
    pub world: World,
}

/// An answer for each order, and what is to be sent off.
type Outcome = (Vec<Answer>, Vec<Arc<Message>>);

/// Messages claimed at a time on one channel.
const MOST_CLAIMS: u32 = 200;

impl Batch<'_> {
    /// Decides and commits. `before_commit` sees the answers when they are decided and nothing is lasting yet.
    pub fn commit<R: Records>(
        mut self,
        records: &mut R,
        before_commit: impl FnOnce(&[Answer]),
    ) -> Result<Decided, R::Error> {
        records.begin()?;
        let decided = self.load_and_decide(records);
        let committed = decided.and_then(|decided| {
            before_commit(&decided.answers);
            records.commit().map(|()| decided)
        });
        match committed {
            Ok(decided) => {
                records.breakers().written();
                Ok(decided)
            }
            Err(error) => {
                records.roll_back();
                Err(error)
            }
        }
    }

    fn load_and_decide<R: Records>(&mut self, records: &mut R) -> Result<Decided, R::Error> {
        let mut world = records.load(self.orders, self.tenants, self.now)?;
        world.breakers = std::mem::take(records.breakers());
        let decided = self.decide(records, &mut world);
        // What was heard of the accounts holds even when nothing of it can be written.
        *records.breakers() = std::mem::take(&mut world.breakers);
        let (answers, sent_off) = decided?;
        Ok(Decided {
            answers,
            sent_off,
            world,
        })
    }

    /// Decides against what was loaded, and writes it.
    fn decide<R: Records>(
        &mut self,
        records: &mut R,
        world: &mut World,
    ) -> Result<Outcome, R::Error> {
        let (now, tenants, was_due) = (self.now, self.tenants, self.room.queue);
        let mut answers = Vec::with_capacity(self.orders.len());
        let mut turn = Turn::new(
            world, tenants, self.ids, self.dice, now, self.room, self.lease,
        );
        turn.looks = self.looks;
        for order in self.orders {
            answers.push(match &order.once {
                None => turn.take(order),
                Some(once) => once_only(records, &mut turn, order, once, now, self.written)?,
            });
        }
        let room = turn.room;
        let mut sent_off = std::mem::take(&mut turn.sent_off);
        drop(turn);
        for (lane, channel) in ChannelKind::ALL.iter().enumerate() {
            let free = room.free[lane].min(MOST_CLAIMS);
            if free == 0 || !was_due[lane] {
                continue;
            }
            let due = records.due(*channel, now, free)?;
            records.load_for(world, &due, tenants, now)?;
            #[cfg(feature = "seeded-bugs")]
            super::stale::gate_outside_intent(world, now);
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
            let room = Room {
                free: room.free,
                queue: [false; 3],
            };
            let mut turn = Turn::new(world, tenants, self.ids, self.dice, now, room, self.lease);
            turn.claim(due);
            sent_off.append(&mut turn.sent_off);
        }
        records.apply(world, now)?;
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
}

/// Decides an order whose caller gave a key: the same key and body hears the same answer, nothing happens twice (X7).
fn once_only<R: Records>(
    records: &mut R,
    turn: &mut Turn<'_>,
    order: &Order,
    once: &Once,
    now: Timestamp,
    written: fn(&Answer) -> (u16, String),
) -> Result<Answer, R::Error> {
    if let Some(before) = records.answered(order.tenant, once, now)? {
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
    records.remember(order.tenant, once, status, &body, now)?;
    Ok(answer)
}
