//! The nodes that work on one database: who is there, by the database's own clock, and whose work is to be taken over (O6).
//!
//! A node has a number, with which its ids and attempts are marked, and an epoch, which is never given twice. It keeps both as long as its
//! lease is renewed. A node whose lease is over finds it out by the clock that counts from the start of its machine, before it calls a
//! provider, and by the database, before it commits; others then take its calls under way for unknown.

use crate::StoreError;
use crate::engine::{Address, Postgres, postgres::KNOWN};
use ringback_core::time::Timestamp;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// How long a node is taken for alive after it was heard of.
const LEASE: Duration = Duration::from_secs(6);
/// No id of a node is from later than so long after it was last heard of.
const IDS_AHEAD: i64 = 60_000;

/// What a node does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Role {
    /// Takes in, answers and sends.
    #[default]
    All,
    /// Takes in and answers; what is due is left to others.
    Api,
    /// Sends; takes in what comes to it all the same.
    Worker,
}

impl Role {
    /// The word that is stored.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Api => "api",
            Self::Worker => "worker",
        }
    }

    /// Whether it calls providers.
    pub const fn sends(self) -> bool {
        !matches!(self, Self::Api)
    }
}

/// This process as one of the nodes. Cheap to clone; every clone knows at once what its lease is.
#[derive(Debug, Clone)]
pub struct Node(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    number: AtomicI64,
    epoch: AtomicI64,
    /// Microseconds since the machine started.
    until: AtomicU64,
    /// Ids of a number that was used before begin above this one.
    ids_from: AtomicI64,
    dead: Mutex<Vec<Dead>>,
}

/// A node that was taken for dead, whose calls under way are to be settled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Dead {
    /// Its number.
    pub number: u8,
    /// Its epoch.
    pub epoch: i64,
}

impl Node {
    /// Its number: 1 to 31. Another one after it was taken for dead and joined again.
    pub fn number(&self) -> u8 {
        u8::try_from(self.0.number.load(Ordering::Acquire)).unwrap_or(0)
    }

    /// What its ids begin above.
    pub fn ids_from(&self) -> i64 {
        self.0.ids_from.load(Ordering::Acquire)
    }

    /// True as long as nobody can have taken over its work, by the time since the machine started.
    pub fn holds(&self, since_boot: Duration) -> bool {
        let now = u64::try_from(since_boot.as_micros()).unwrap_or(u64::MAX);
        now < self.0.until.load(Ordering::Acquire)
    }

    /// Nodes whose calls under way this one is to settle.
    pub fn dead(&self) -> Vec<Dead> {
        self.0
            .dead
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    pub(crate) fn epoch(&self) -> (i64, i64) {
        let number = self.0.number.load(Ordering::Acquire);
        (number, self.0.epoch.load(Ordering::Acquire))
    }

    fn renewed(&self, since_boot: Duration) {
        let until = since_boot + LEASE;
        let until = u64::try_from(until.as_micros()).unwrap_or(u64::MAX);
        self.0.until.store(until, Ordering::Release);
    }
}

/// What a heartbeat found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Beat {
    /// Nodes that are alive, this one among them.
    pub alive: usize,
    /// True for the one that does what only one may do.
    pub leads: bool,
    /// The version of what nodes keep in mind.
    pub version: i64,
    /// The database's clock.
    pub now: Timestamp,
    /// True when it was taken for dead and has joined again under another number.
    pub joined_again: bool,
}

/// Renews the lease of this node and looks after the others. Has a connection of its own, so that no turn keeps it from being heard.
#[derive(Debug)]
pub struct Registrar {
    engine: Postgres,
    node: Node,
    role: Role,
    heard: bool,
}

impl Registrar {
    /// Joins the nodes of a database. The instants are the present by the wall and since the machine started.
    pub(crate) fn join(
        address: Arc<Address>,
        role: Role,
        now: Timestamp,
        since_boot: Duration,
    ) -> Result<Self, StoreError> {
        let node = Node(Arc::new(Inner {
            number: AtomicI64::new(0),
            epoch: AtomicI64::new(0),
            until: AtomicU64::new(0),
            ids_from: AtomicI64::new(0),
            dead: Mutex::default(),
        }));
        let registrar = Self {
            engine: Postgres::new(address),
            node,
            role,
            heard: false,
        };
        registrar.join_anew(now, since_boot)?;
        Ok(registrar)
    }

    /// This process as a node.
    pub fn node(&self) -> Node {
        self.node.clone()
    }

    fn join_anew(&self, now: Timestamp, since_boot: Duration) -> Result<(), StoreError> {
        // Under one lock: no number is given twice.
        let rows = self.engine.book(&[
            ("SELECT pg_advisory_xact_lock(2)::TEXT", vec![]),
            (
                JOIN,
                vec![now.as_millisecond() + IDS_AHEAD, self.role as i64, KNOWN],
            ),
            (MOVES, vec![]),
            (TOO_NEW, vec![KNOWN]),
        ])?;
        let joined = rows.get(1).and_then(|rows| rows.first());
        let Some([number, epoch, ids_from]) = joined.map(Vec::as_slice) else {
            let found = |at: usize| rows.get(at).is_some_and(|rows| !rows.is_empty());
            return Err(StoreError::Failed {
                at: "joining the nodes",
                source: if found(2) {
                    "the house moves to another database, or has moved".into()
                } else if found(3) {
                    "the schema has changed and needs the newer program: update this one".into()
                } else {
                    "31 nodes work on this database already: stop one first".into()
                },
            });
        };
        let ids_from =
            Timestamp::from_millisecond(*ids_from).map_or(0, ringback_core::ids::first_of);
        self.node.0.ids_from.store(ids_from, Ordering::Release);
        self.node.0.epoch.store(*epoch, Ordering::Release);
        self.node.0.number.store(*number, Ordering::Release);
        self.node.renewed(since_boot);
        Ok(())
    }

    /// Renews the lease, finds nodes whose lease is over, and marks them as dead where no turn of theirs is in its middle.
    pub fn beat(&self, now: Timestamp, since_boot: Duration) -> Result<Beat, StoreError> {
        let (number, epoch) = self.node.epoch();
        let ids = now.as_millisecond() + IDS_AHEAD;
        let rows = self.engine.book(&[
            (RENEW, vec![number, epoch, ids]),
            (MARK_DEAD, vec![number]),
            (STATES, vec![]),
        ])?;
        let joined_again = rows.first().is_none_or(Vec::is_empty);
        if joined_again {
            self.join_anew(now, since_boot)?;
        } else {
            // Counted from before the question: the database counts from after it.
            self.node.renewed(since_boot);
        }
        let (number, _) = self.node.epoch();
        let (mut dead, mut alive, mut leader) = (Vec::new(), 0, i64::MAX);
        let (mut version, mut clock) = (0, 0);
        for row in rows.get(2).into_iter().flatten() {
            let &[one, of_epoch, state, role, house, at] = row.as_slice() else {
                continue;
            };
            (version, clock) = (house, at);
            if state == 0 {
                alive += 1;
                if role != Role::Api as i64 {
                    leader = leader.min(one);
                }
            } else if state == 1 {
                dead.push(Dead {
                    number: u8::try_from(one).unwrap_or(0),
                    epoch: of_epoch,
                });
            }
        }
        *self
            .node
            .0
            .dead
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = dead;
        Ok(Beat {
            alive,
            leads: leader == number,
            version,
            now: ringback_core::time::from_micros(clock),
            joined_again,
        })
    }

    /// All calls of a dead node were settled: its number is free.
    pub fn settled(&self, dead: Dead) -> Result<(), StoreError> {
        let values = vec![i64::from(dead.number), dead.epoch];
        self.engine
            .book(&[(FREE, values.clone()), (FORGET, values)])?;
        Ok(())
    }

    /// Leaves in order: nothing is left to take over.
    pub fn leave(&self) -> Result<(), StoreError> {
        let (number, epoch) = self.node.epoch();
        self.node.0.until.store(0, Ordering::Release);
        self.engine.book(&[
            (LEAVE_TURNS, vec![number, epoch]),
            (LEAVE, vec![number, epoch]),
        ])?;
        Ok(())
    }

    /// Hears what other nodes say, and says so once it does: words such as `due` and `house`. To be called again when it was cut off.
    pub fn listen(&mut self, heard: impl Fn(&str) + Send + 'static) -> Result<(), StoreError> {
        self.engine.listen(Box::new(heard))?;
        self.heard = true;
        Ok(())
    }

    /// Whether it has to listen anew.
    pub fn is_deaf(&self) -> bool {
        !self.heard || !self.engine.is_connected()
    }

    /// Says a word to all nodes: letters, numbers, blanks, dots and signs; whatever else is in it is left out.
    pub fn tell(&self, word: &str) -> Result<(), StoreError> {
        let plain = |c: &char| c.is_ascii_alphanumeric() || matches!(c, ' ' | '.' | '-');
        let word: String = word.chars().filter(plain).collect();
        self.engine.tell(&word)
    }
}

/// The lowest number that was never given or is free.
const JOIN: &str = "WITH free AS (
    SELECT n AS node, coalesce((SELECT ids_until FROM nodes WHERE node = n), 0) AS ids_from
    FROM generate_series(1::BIGINT, 31::BIGINT) AS n
    WHERE NOT EXISTS (SELECT 1 FROM nodes WHERE node = n AND state <> 2) AND NOT EXISTS (SELECT 1 FROM moves WHERE state <> 1)
        AND NOT EXISTS (SELECT 1 FROM schema_history WHERE serves_from > $3)
    ORDER BY n LIMIT 1
), clock AS (SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::BIGINT AS at), joined AS (
    INSERT INTO nodes (node, epoch, role, lease_until, ids_until, state, knows)
    SELECT free.node, clock.at, (ARRAY['all', 'api', 'worker'])[$2 + 1], clock.at + 6000000, greatest(free.ids_from, $1), 0, $3 FROM free, clock
    ON CONFLICT (node) DO UPDATE SET epoch = excluded.epoch, role = excluded.role, lease_until = excluded.lease_until,
        ids_until = excluded.ids_until, state = 0, knows = excluded.knows
    RETURNING node, epoch
), begun AS (
    INSERT INTO node_turns (node, epoch, turn) SELECT node, epoch, 0 FROM joined
)
SELECT joined.node, joined.epoch, free.ids_from FROM joined, free";
/// Changes of the schema that this program cannot work with.
const TOO_NEW: &str = "SELECT version FROM schema_history WHERE serves_from > $1";
/// A house that moves has no nodes.
const MOVES: &str = "SELECT state FROM moves WHERE state <> 1";
const RENEW: &str = "UPDATE nodes SET lease_until = (extract(epoch FROM clock_timestamp()) * 1000000)::BIGINT + 6000000, ids_until = greatest(ids_until, $3)
WHERE node = $1 AND epoch = $2 AND state = 0 RETURNING node";
/// A node in the middle of a turn is left alone until the turn ends or the database ends it.
const MARK_DEAD: &str = "WITH late AS (
    SELECT t.node, t.epoch FROM node_turns AS t JOIN nodes AS n ON n.node = t.node AND n.epoch = t.epoch
    WHERE n.state = 0 AND n.node <> $1 AND n.lease_until < (extract(epoch FROM clock_timestamp()) * 1000000)::BIGINT
    FOR UPDATE OF t SKIP LOCKED
), over AS (
    UPDATE node_turns AS t SET over = 1 FROM late WHERE t.node = late.node AND t.epoch = late.epoch RETURNING t.node, t.epoch
)
UPDATE nodes AS n SET state = 1 FROM over WHERE n.node = over.node AND n.epoch = over.epoch RETURNING n.node";
const STATES: &str = "SELECT node, epoch, state, CASE role WHEN 'all' THEN 0::BIGINT WHEN 'api' THEN 1 ELSE 2 END,
    (SELECT version FROM house_version WHERE one = 1), (extract(epoch FROM clock_timestamp()) * 1000000)::BIGINT
FROM nodes ORDER BY node";
const FREE: &str = "UPDATE nodes SET state = 2 WHERE node = $1 AND epoch = $2 AND state = 1";
const FORGET: &str = "DELETE FROM node_turns WHERE node = $1 AND epoch = $2 AND over = 1";
const LEAVE: &str = "UPDATE nodes SET state = 1 WHERE node = $1 AND epoch = $2 AND state = 0";
const LEAVE_TURNS: &str = "UPDATE node_turns SET over = 1 WHERE node = $1 AND epoch = $2";
