//! One batch of orders: begun, loaded, decided, written, committed, and only then answered. The server's turn loop runs it against the
//! store; a simulation runs the same against a store that fails on purpose.

use super::{
    Answer, Answered, Breakers, Dice, Distrust, Guesses, Lines, LookUps, Once, Order, Placed,
    QueueOf, Queues, Tenant, Turn, World,
};
use crate::ids::{IdMaker, TenantId};
use crate::messages::Message;
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
    /// Prepares for claiming from these queues, so that what follows is read at once. May leave queues out that others are at.
    fn foresee(
        &mut self,
        _world: &mut World,
        _shares: &mut Vec<(QueueOf, u32)>,
        _tenants: &Tenants,
        _now: Timestamp,
    ) -> Result<(), Self::Error> {
        Ok(())
    }
    /// Messages of a queue that may go now, the longest waiting first.
    fn due(
        &mut self,
        queue: QueueOf,
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
    /// Where messages over a limit were placed.
    fn placed(&mut self) -> &mut Placed;
    /// How long texts were.
    fn guesses(&mut self) -> &mut Guesses;
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
    /// The calls under way.
    pub lines: &'a mut Lines,
    /// Whose messages wait.
    pub queues: &'a mut Queues,
    /// Why the wall clock is not believed; `None` when it is.
    pub distrust: Option<Distrust>,
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
    /// Queues that were taken from, and whether one of their messages found no line with room.
    pub claimed: Vec<(QueueOf, bool)>,
    /// What was known and what changed.
    pub world: World,
}

/// An answer for each order, what is to be sent off, and which queues were taken from.
type Outcome = (Vec<Answer>, Vec<Arc<Message>>, Vec<(QueueOf, bool)>);

impl Batch<'_> {
    /// Decides and commits. `before_commit` sees the answers and what changes when they are decided and nothing is lasting yet; when it
    /// fails, all is taken back.
    pub fn commit<R: Records>(
        mut self,
        records: &mut R,
        before_commit: impl FnOnce(&[Answer], &World) -> Result<(), R::Error>,
    ) -> Result<Decided, R::Error> {
        records.begin()?;
        let decided = self.load_and_decide(records);
        let committed = decided.and_then(|decided| {
            before_commit(&decided.answers, &decided.world)?;
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
        world.placed = std::mem::take(records.placed());
        world.guesses = std::mem::take(records.guesses());
        let decided = self.decide(records, &mut world);
        // What was heard of the accounts holds even when nothing of it can be written.
        *records.breakers() = std::mem::take(&mut world.breakers);
        *records.placed() = std::mem::take(&mut world.placed);
        *records.guesses() = std::mem::take(&mut world.guesses);
        let (answers, sent_off, claimed) = decided?;
        Ok(Decided {
            answers,
            sent_off,
            claimed,
            world,
        })
    }

    /// Decides against what was loaded, takes from the queues what there is room for, and writes it.
    fn decide<R: Records>(
        &mut self,
        records: &mut R,
        world: &mut World,
    ) -> Result<Outcome, R::Error> {
        let (now, tenants) = (self.now, self.tenants);
        self.lines.behind = self.queues.behind(now);
        let lines = &*self.lines;
        let mut answers = Vec::with_capacity(self.orders.len());
        let mut turn = Turn::new(world, tenants, self.ids, self.dice, now, lines, self.lease);
        turn.looks = self.looks;
        turn.distrust = self.distrust.take();
        for order in self.orders {
            answers.push(match &order.once {
                None => turn.take(order),
                Some(once) => once_only(records, &mut turn, order, once, now, self.written)?,
            });
        }
        let begun = u32::try_from(turn.sent_off.len()).unwrap_or(u32::MAX);
        let free = lines.free().saturating_sub(begun);
        let mut claimed = Vec::new();
        let mut shares = self.queues.shares(now, free);
        records.foresee(turn.world, &mut shares, tenants, now)?;
        for (queue, share) in shares {
            let due = records.due(queue, now, share)?;
            records.load_for(turn.world, &due, tenants, now)?;
            #[cfg(feature = "seeded-bugs")]
            super::stale::gate_outside_intent(turn.world, now);
            // What this turn changed already is newer than the row that was read.
            let changes = &turn.world.out.changes;
            let newer = |message: &Message| changes.iter().any(|one| one.message.id == message.id);
            let due = due.into_iter().filter(|one| !newer(one)).collect();
            turn.held.clear();
            turn.claim(due);
            claimed.push((queue, !turn.held.is_empty()));
        }
        let sent_off = std::mem::take(&mut turn.sent_off);
        drop(turn);
        records.apply(world, now)?;
        let sent_off = sent_off
            .into_iter()
            .filter_map(|id| world.out.message(id))
            .map(|message| Arc::new(message.clone()))
            .collect();
        Ok((answers, sent_off, claimed))
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
