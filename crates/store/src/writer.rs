//! The one that writes: a turn at a time, loaded set-wise, written table by table, committed once (design 1).

mod apply;
mod foresee;
pub(crate) mod ledger;
mod load;
pub(crate) mod national;
mod records;
mod retention;

use crate::engine::{Engine, Values, params};
use crate::open::FolderLock;
use crate::rows;
use crate::sql::{Statement, house, leads, messages, workflows};
use crate::{House as _, StoreError};
use ringback_core::ids::{ConnectionId, LeadId, RunId, TenantId};
use ringback_core::messages::{ChannelKind, Message, Priority};
use ringback_core::time::{Timestamp, from_micros, micros};
use ringback_core::turn::{
    Answered, Breakers, Guesses, Intake, JOB_PAGE, JobKind, Once, Placed, QueueOf, Resting,
};
use std::cell::{Cell, RefCell};
use std::collections::HashMap;

/// The only connection that changes the database.
pub struct Writer {
    pub(crate) engine: Engine,
    numbers: HashMap<TenantId, i64>,
    chains: ledger::Chains,
    last_id: i64,
    /// Which connections rest. A turn borrows it, and gives it back when it is written or taken back.
    pub breakers: RefCell<Breakers>,
    /// Where messages over a limit were placed; the loop lends it to each turn.
    pub placed: RefCell<Placed>,
    /// How long texts were; the loop lends it to each turn.
    pub guesses: RefCell<Guesses>,
    national: RefCell<national::Asked>,
    /// Answers remembered in this turn, on PostgreSQL, where they are written with the commit.
    told: RefCell<HashMap<(TenantId, String), Answered>>,
    /// The version of the house that is kept in mind.
    in_mind: Cell<i64>,
    _lock: Option<FolderLock>,
}

impl std::fmt::Debug for Writer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Writer")
    }
}

/// Moves the write-ahead log into the database, away from the commits.
pub struct Checkpointer(rusqlite::Connection);

impl std::fmt::Debug for Checkpointer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Checkpointer")
    }
}

impl Checkpointer {
    pub(crate) const fn new(connection: rusqlite::Connection) -> Self {
        Self(connection)
    }

    /// Moves what no reader needs any more. Never waits for anybody.
    pub fn run(&self) -> Result<(), StoreError> {
        self.0
            .query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()))
            .map_err(StoreError::sqlite("checkpoint"))
    }
}

const MOST_MERGES: usize = 8;

impl Writer {
    pub(crate) fn new(engine: Engine, lock: Option<FolderLock>) -> Result<Self, StoreError> {
        let last_id = engine
            .value(&house::LAST_IDS, params![])?
            .unwrap_or_default();
        let breakers = kept_breakers(&engine)?;
        let seed = engine.seed()?;
        let in_mind = engine.value(&house::VERSION, params![1])?.unwrap_or(1);
        Ok(Self {
            engine,
            numbers: HashMap::new(),
            chains: ledger::Chains::new(seed),
            last_id,
            breakers: RefCell::new(breakers),
            placed: RefCell::default(),
            guesses: RefCell::default(),
            national: RefCell::default(),
            told: RefCell::default(),
            in_mind: Cell::new(in_mind),
            _lock: lock,
        })
    }

    /// The highest id in the store when it was opened.
    pub const fn last_id(&self) -> i64 {
        self.last_id
    }

    pub(crate) fn run(&self, statement: &Statement, values: Values<'_>) -> Result<(), StoreError> {
        self.engine.run(statement, values)
    }

    pub(crate) fn count(
        &self,
        statement: &Statement,
        values: Values<'_>,
    ) -> Result<usize, StoreError> {
        self.engine.count(statement, values)
    }

    /// Begins a turn's transaction.
    pub fn begin(&mut self) -> Result<(), StoreError> {
        if self.engine.as_postgres().is_some() {
            // Other nodes write too: what was known after the last turn may be old.
            self.numbers.clear();
            self.chains.forget_heads();
            self.national.get_mut().take();
            self.told.get_mut().clear();
        }
        self.engine.begin()
    }

    /// Makes a turn's changes lasting: on the disk when it returns (P1).
    pub fn commit(&self) -> Result<(), StoreError> {
        self.engine.commit()
    }

    /// Takes a turn's changes back.
    pub fn roll_back(&mut self) {
        self.numbers.clear();
        self.chains.forget();
        *self.national.get_mut() = None;
        self.engine.roll_back();
    }

    #[cfg(test)]
    pub(crate) fn pragma(&self, name: &str) -> String {
        self.engine
            .as_sqlite()
            .query_row(&format!("PRAGMA {name}"), [], |row| {
                row.get::<_, rusqlite::types::Value>(0)
            })
            .map(|value| match value {
                rusqlite::types::Value::Integer(n) => n.to_string(),
                rusqlite::types::Value::Text(text) => text,
                other => format!("{other:?}"),
            })
            .unwrap_or_default()
    }

    /// What was answered to this key today or yesterday (X7).
    pub fn answered(
        &self,
        tenant: TenantId,
        once: &Once,
        now: Timestamp,
    ) -> Result<Option<Answered>, StoreError> {
        let day = micros(now) / DAY;
        if self.engine.as_postgres().is_some() {
            let told = self.told.borrow();
            if let Some(told) = told.get(&(tenant, once.key.clone())) {
                return Ok(Some(told.clone()));
            }
        }
        let values = params![tenant.raw(), day, once.key];
        self.engine.one(&messages::ONCE, values, |row| {
            Ok(Answered {
                hash: row.get(0)?,
                status: row.get(1)?,
                body: row.get(2)?,
            })
        })
    }

    /// Remembers an answer for its key.
    pub fn remember(
        &self,
        tenant: TenantId,
        once: &Once,
        status: u16,
        body: &str,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        if self.engine.as_postgres().is_some() {
            let told = Answered {
                hash: once.hash.to_vec(),
                status,
                body: body.to_owned(),
            };
            let key = (tenant, once.key.clone());
            self.told.borrow_mut().insert(key, told);
        }
        self.run(
            &messages::INSERT_ONCE,
            params![
                tenant.raw(),
                micros(now) / DAY,
                once.key,
                once.hash.as_slice(),
                status,
                body
            ],
        )
    }

    /// What is kept in mind of the house is of this version, read before it was read.
    pub fn keeps_in_mind(&self, version: i64) {
        self.in_mind.set(version);
    }

    /// The house as it is kept in mind is the one that is written down, or nothing is decided by it.
    fn holds_the_house(&self) -> Result<(), StoreError> {
        if self.engine.as_postgres().is_some() && self.version()? != self.in_mind.get() {
            return Err(StoreError::Stale);
        }
        Ok(())
    }

    /// What servers keep in mind of a tenant changes with this commit.
    pub(crate) fn house_changed(&self, tenant: TenantId) -> Result<(), StoreError> {
        if self.engine.as_postgres().is_some() {
            // At once: the next statement reads what it counted.
            self.count(&house::CHANGED, params![])?;
        }
        self.count(&house::TOUCH, params![tenant.raw()]).map(|_| ())
    }

    // What is due

    /// A tenant's messages of a channel and priority that may go now, the longest waiting first.
    pub fn due(
        &self,
        queue: QueueOf,
        now: Timestamp,
        most: u32,
    ) -> Result<Vec<Message>, StoreError> {
        self.messages(
            &messages::DUE,
            params![
                queue.channel.code(),
                queue.priority.code(),
                queue.tenant.raw(),
                micros(now),
                most
            ],
        )
    }

    /// When a tenant's next message of a channel and priority is due.
    pub fn next_due(&self, queue: QueueOf) -> Result<Option<Timestamp>, StoreError> {
        let values = params![
            queue.channel.code(),
            queue.priority.code(),
            queue.tenant.raw()
        ];
        let due: Option<i64> = self.engine.value(&messages::NEXT_DUE, values)?;
        Ok(due.map(from_micros))
    }

    /// Every queue with messages that wait, and when the next of each is due: a seek for each, not a look at each message.
    pub fn queues(&self) -> Result<Vec<(QueueOf, Timestamp)>, StoreError> {
        let mut out = Vec::new();
        for channel in ChannelKind::ALL.iter().copied() {
            for priority in Priority::ALL.iter().copied() {
                let mut after = i64::MIN;
                loop {
                    let values = params![channel.code(), priority.code(), after];
                    let next: Option<i64> = self.engine.value(&messages::NEXT_WAITING, values)?;
                    let Some(tenant) = next else { break };
                    after = tenant;
                    let queue = QueueOf {
                        channel,
                        priority,
                        tenant: TenantId::from_raw(tenant),
                    };
                    if let Some(due) = self.next_due(queue)? {
                        out.push((queue, due));
                    }
                }
            }
        }
        Ok(out)
    }

    /// Runs whose time has come.
    pub fn wakes(
        &self,
        now: Timestamp,
        most: u32,
    ) -> Result<Vec<(TenantId, RunId, LeadId)>, StoreError> {
        let values = params![micros(now), most];
        self.engine.all(&workflows::WAKES, values, |row| {
            Ok((
                TenantId::from_raw(row.get(0)?),
                RunId::from_raw(row.get(1)?),
                LeadId::from_raw(row.get(2)?),
            ))
        })
    }

    /// When the next run wakes.
    pub fn next_wake(&self) -> Result<Option<Timestamp>, StoreError> {
        let next: Option<i64> = self.engine.value(&workflows::NEXT_WAKE, params![])?;
        Ok(next.map(from_micros))
    }

    /// Jobs whose time has come, each with the next leads it looks at, as an order for the next turn.
    pub fn jobs_due(
        &self,
        now: Timestamp,
        most: u32,
    ) -> Result<Vec<(TenantId, Intake)>, StoreError> {
        let due = self
            .engine
            .all(&workflows::JOBS_DUE, params![micros(now), most], |row| {
                let (tenant, what): (i64, String) = (row.get(0)?, row.get(2)?);
                let what: JobKind = rows::from_json(&what, "jobs", tenant, "what")?;
                let after: Option<i64> = row.get(3)?;
                Ok((TenantId::from_raw(tenant), row.get(1)?, what, after))
            })?;
        let mut orders = Vec::with_capacity(due.len());
        for (tenant, name, what, after) in due {
            let next = if what.of_leads() {
                let page = i64::try_from(JOB_PAGE).unwrap_or(i64::MAX);
                let values = params![tenant.raw(), after.unwrap_or(0), page];
                self.engine.all(&leads::PAGE, values, |row| {
                    Ok(LeadId::from_raw(row.get(0)?))
                })?
            } else {
                Vec::new()
            };
            let (history, after) = (what.of_history(), after.map(LeadId::from_raw));
            orders.push((
                tenant,
                Intake::Job {
                    name,
                    after,
                    leads: next,
                    history,
                },
            ));
        }
        Ok(orders)
    }

    /// When the next job is due.
    pub fn next_job(&self) -> Result<Option<Timestamp>, StoreError> {
        let next: Option<i64> = self.engine.value(&workflows::NEXT_JOB, params![])?;
        Ok(next.map(from_micros))
    }

    /// Attempts whose deadline passed without an answer.
    pub fn overdue(&self, now: Timestamp, most: u32) -> Result<Vec<Message>, StoreError> {
        self.messages(&messages::OVERDUE, params![micros(now), most])
    }

    /// Attempts that were under way when the process before this one ended.
    pub fn in_flight(&self, most: u32) -> Result<Vec<Message>, StoreError> {
        self.messages(&messages::IN_FLIGHT, params![most])
    }

    /// Attempts under way whose ids a maker of this node made.
    pub fn in_flight_of(&self, node: u8, most: u32) -> Result<Vec<Message>, StoreError> {
        self.messages(&messages::IN_FLIGHT_OF, params![node, most])
    }

    /// True where other nodes may change the same database.
    pub const fn is_shared(&self) -> bool {
        self.engine.is_shared()
    }

    /// Unknown messages whose next look-up is due.
    pub fn looks(&self, now: Timestamp, most: u32) -> Result<Vec<Message>, StoreError> {
        self.messages(&messages::LOOKS, params![micros(now), most])
    }

    /// When the next unknown message is looked up after an instant.
    pub fn next_look(&self, after: Timestamp) -> Result<Option<Timestamp>, StoreError> {
        let next: Option<i64> = self
            .engine
            .value(&messages::NEXT_LOOK, params![micros(after)])?;
        Ok(next.map(from_micros))
    }

    /// The wall clock was set by so many microseconds, to `now`. Messages matter as long from now as before; and when it was set back,
    /// what was planned while it was wrong would wait for a day that is far off: it keeps its distance from now instead. Answers how
    /// many messages and runs were planned anew.
    pub fn clock_was_set(&self, by: i64, now: Timestamp) -> Result<usize, StoreError> {
        self.run(&messages::SET_BY, params![by])?;
        if by >= 0 {
            return Ok(0);
        }
        let (now, far) = (micros(now), micros(now).saturating_add(DAY + HOUR));
        let moved = self.count(&messages::SET_BACK, params![now, -by, far])?
            + self.count(&messages::SET_BACK_LOOKS, params![now, -by, far])?
            + self.count(&messages::SET_BACK_KEYS, params![-by])?
            + self.count(&workflows::SET_BACK, params![now, -by])?;
        Ok(moved)
    }

    /// Forgets what no promise needs any more, in small pieces: keys, reports and limits of days gone by.
    /// Answers whether there is more of it.
    pub fn tidy(&self, now: Timestamp) -> Result<bool, StoreError> {
        let (day, hour) = (micros(now) / DAY, micros(now) / HOUR);
        self.run(&messages::PURGE_ONCE, params![day - 1])?;
        self.run(&messages::PURGE_SEEN, params![day - 8])?;
        self.run(&messages::PURGE_COUNTERS, params![hour - 2, day - 2])?;
        let old = now - jiff::SignedDuration::from_hours(24 * DRAFT_DAYS);
        let gone = self.count(
            &leads::PURGE_DRAFTS,
            params![
                ringback_core::ids::first_of(old),
                micros(old),
                DRAFTS_AT_ONCE
            ],
        )?;
        let more = self.tidy_national(now)?;
        Ok(more || gone == DRAFTS_AT_ONCE as usize)
    }
}

/// A form that nobody went on with for so many days is forgotten (L11).
const DRAFT_DAYS: i64 = 30;
/// Drafts removed in one go, so that no turn waits for it.
const DRAFTS_AT_ONCE: i64 = 200;

/// Connections that rested when the database was closed. One that cannot be read begins anew.
fn kept_breakers(engine: &Engine) -> Result<Breakers, StoreError> {
    let rows = engine.all(&house::BREAKERS, params![], |row| {
        Ok((row.get::<i64>(0)?, row.get::<String>(1)?))
    })?;
    let mut kept = Vec::new();
    for (id, text) in rows {
        if let Ok(resting) = serde_json::from_str::<Resting>(&text) {
            kept.push((ConnectionId::from_raw(id), resting));
        }
    }
    Ok(Breakers::restore(kept))
}

/// Microseconds of a day.
pub(crate) const DAY: i64 = 86_400_000_000;
const HOUR: i64 = 3_600_000_000;

/// Groups errors that read alike: digits and ids do not count.
pub(crate) fn fingerprint(error: &str) -> String {
    use sha2::{Digest, Sha256};
    let shape: String = error
        .chars()
        .map(|c| if c.is_ascii_digit() { '0' } else { c })
        .take(300)
        .collect();
    Sha256::digest(shape.as_bytes())
        .iter()
        .take(8)
        .map(|byte| format!("{byte:02x}"))
        .collect()
}
