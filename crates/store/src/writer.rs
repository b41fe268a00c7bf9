//! The one that writes: a turn at a time, loaded set-wise, written table by table, committed once (design 1).

use crate::StoreError;
use crate::open::FolderLock;
use crate::rows::{self, json, recent_blob, state_of};
use crate::sql::{Statement, house, leads, messages, scoring, workflows};
use ringback_core::ids::{LeadId, RunId, SessionId, TenantId};
use ringback_core::leads::Lead;
use ringback_core::messages::{ChannelKind, Message, Priority, Status};
use ringback_core::time::{Timestamp, from_micros, micros};
use ringback_core::turn::world::{
    Cancel, ConsentRow, CounterKey, EventRow, Expects, LeadState, LedgerRow, MessageChange,
    PointKey, PointKind, Run, RunState, ScoreRow, Session, World,
};
use ringback_core::turn::{Intake, Needs, Once, Order, Tenant};
use rusqlite::{CachedStatement, Connection, OptionalExtension, params};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// The only connection that changes the database.
pub struct Writer {
    pub(crate) connection: Connection,
    numbers: HashMap<TenantId, i64>,
    last_id: i64,
    _lock: FolderLock,
}

impl std::fmt::Debug for Writer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Writer")
    }
}

/// Moves the write-ahead log into the database, away from the commits.
pub struct Checkpointer(Connection);

impl std::fmt::Debug for Checkpointer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Checkpointer")
    }
}

impl Checkpointer {
    pub(crate) const fn new(connection: Connection) -> Self {
        Self(connection)
    }

    /// Moves what no reader needs any more. Never waits for anybody.
    pub fn run(&self) -> Result<(), StoreError> {
        self.0
            .query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()))
            .map_err(StoreError::at("checkpoint"))
    }
}

/// What was answered to a call with this key before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answered {
    /// Hash of that call.
    pub hash: Vec<u8>,
    /// HTTP status.
    pub status: u16,
    /// The body.
    pub body: String,
}

const MOST_MERGES: usize = 8;

impl Writer {
    pub(crate) fn new(connection: Connection, lock: FolderLock) -> Result<Self, rusqlite::Error> {
        let last_id = connection.query_row(house::LAST_IDS.text, [], |row| row.get(0))?;
        Ok(Self {
            connection,
            numbers: HashMap::new(),
            last_id,
            _lock: lock,
        })
    }

    /// The highest id in the store when it was opened.
    pub const fn last_id(&self) -> i64 {
        self.last_id
    }

    pub(crate) fn get(&self, statement: &Statement) -> Result<CachedStatement<'_>, StoreError> {
        self.connection
            .prepare_cached(statement.text)
            .map_err(StoreError::at(statement.name))
    }

    pub(crate) fn run(
        &self,
        statement: &Statement,
        values: impl rusqlite::Params,
    ) -> Result<usize, StoreError> {
        self.get(statement)?
            .execute(values)
            .map_err(StoreError::at(statement.name))
    }

    /// Begins a turn's transaction.
    pub fn begin(&self) -> Result<(), StoreError> {
        self.connection
            .prepare_cached("BEGIN IMMEDIATE")
            .and_then(|mut begin| begin.execute([]))
            .map(|_| ())
            .map_err(StoreError::at("begin"))
    }

    /// Makes a turn's changes lasting: on the disk when it returns (P1).
    pub fn commit(&self) -> Result<(), StoreError> {
        self.connection
            .prepare_cached("COMMIT")
            .and_then(|mut commit| commit.execute([]))
            .map(|_| ())
            .map_err(StoreError::at("commit"))
    }

    /// Takes a turn's changes back.
    pub fn roll_back(&mut self) {
        self.numbers.clear();
        if !self.connection.is_autocommit()
            && let Err(error) = self.connection.execute_batch("ROLLBACK")
        {
            tracing::error!(%error, "a turn could not be taken back");
        }
    }

    #[cfg(test)]
    pub(crate) fn pragma(&self, name: &str) -> String {
        self.connection
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

    // Loading

    /// Loads what these orders look at.
    pub fn load(
        &mut self,
        orders: &[Order],
        tenants: &HashMap<TenantId, Arc<Tenant>>,
        now: Timestamp,
    ) -> Result<World, StoreError> {
        let mut world = World::default();
        let mut involved: Vec<TenantId> = Vec::new();
        let mut needs = Needs::default();
        for order in orders {
            needs.points.clear();
            needs.leads.clear();
            needs.messages.clear();
            needs.seen.clear();
            order.needs(&mut needs);
            let mut found: Vec<LeadId> = needs.leads.clone();
            for key in needs.points.drain(..) {
                found.extend(self.load_point(&mut world, key)?);
            }
            for id in needs.messages.drain(..) {
                if let Some(message) = self.message(id.raw())? {
                    found.extend(message.lead);
                    self.load_recipient(&mut world, &message)?;
                    world.messages.insert(message.id, message);
                }
            }
            for (tenant, key) in needs.seen.drain(..) {
                let day = micros(now) / DAY;
                let seen = self
                    .get(&messages::SEEN)?
                    .exists(params![tenant.raw(), day, key])
                    .map_err(StoreError::at(messages::SEEN.name))?;
                world.seen.insert((tenant, key), seen);
            }
            for lead in found {
                let lead = self.load_lead(&mut world, lead)?;
                if let (Some(lead), Some(key)) = (lead, order.event_key()) {
                    self.load_event_key(&mut world, order.tenant, lead, key)?;
                }
            }
            if !matches!(order.intake, Intake::Settled(_)) && !involved.contains(&order.tenant) {
                involved.push(order.tenant);
            }
        }
        for tenant in involved {
            if let Some(tenant) = tenants.get(&tenant) {
                self.load_tenant(&mut world, tenant, now)?;
            }
        }
        Ok(world)
    }

    /// Adds to a world what gating these messages looks at.
    pub fn load_for(
        &mut self,
        world: &mut World,
        due: &[Message],
        tenants: &HashMap<TenantId, Arc<Tenant>>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let mut involved: HashSet<TenantId> = HashSet::new();
        for message in due {
            self.load_recipient(world, message)?;
            if let Some(lead) = message.lead
                && !world.leads.contains_key(&lead)
            {
                self.load_lead(world, lead)?;
            }
            if involved.insert(message.tenant)
                && let Some(tenant) = tenants.get(&message.tenant)
            {
                self.load_tenant(world, tenant, now)?;
            }
        }
        Ok(())
    }

    /// What alerts to staff look at: their contact points and the limits; and how far the leads are counted.
    fn load_tenant(
        &mut self,
        world: &mut World,
        tenant: &Tenant,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        for person in &tenant.staff {
            let named = [
                (PointKind::Phone, &person.phone),
                (PointKind::Email, &person.email),
            ];
            for (kind, value) in named {
                if let Some(value) = value {
                    self.load_point(
                        world,
                        PointKey {
                            tenant: tenant.id,
                            kind,
                            value: value.clone(),
                        },
                    )?;
                }
            }
        }
        for key in ringback_core::turn::counters_of(tenant.id, now) {
            if let std::collections::hash_map::Entry::Vacant(e) = world.counters.entry(key) {
                let n = self.counter(&key)?;
                e.insert((n, false));
            }
        }
        if let std::collections::hash_map::Entry::Vacant(e) = world.numbers.entry(tenant.id) {
            let number = match self.numbers.get(&tenant.id) {
                Some(number) => *number,
                None => {
                    let at = StoreError::at(leads::LAST_NUMBER.name);
                    self.get(&leads::LAST_NUMBER)?
                        .query_row([tenant.id.raw()], |row| row.get(0))
                        .optional()
                        .map_err(at)?
                        .unwrap_or(0)
                }
            };
            e.insert(number);
        }
        Ok(())
    }

    fn counter(&self, key: &CounterKey) -> Result<i64, StoreError> {
        let n = self
            .get(&messages::COUNTER)?
            .query_row(params![key.0.raw(), key.1, key.2], |row| row.get(0))
            .optional();
        Ok(n.map_err(StoreError::at(messages::COUNTER.name))?
            .unwrap_or(0))
    }

    /// Answers the lead behind the contact point.
    fn load_point(&self, world: &mut World, key: PointKey) -> Result<Option<LeadId>, StoreError> {
        if let Some(known) = world.points.get(&key) {
            return Ok(known.as_ref().and_then(|point| point.lead));
        }
        let mut statement = self.get(&leads::POINT)?;
        let point = statement
            .query_row(
                params![key.tenant.raw(), key.kind as i64, key.value],
                |row| rows::point(row, 0),
            )
            .optional();
        let point = point.map_err(StoreError::at(leads::POINT.name))?;
        let lead = point.as_ref().and_then(|point| point.lead);
        world.points.insert(key, point);
        Ok(lead)
    }

    fn load_recipient(&self, world: &mut World, message: &Message) -> Result<(), StoreError> {
        if message.channel != ChannelKind::Webhook && !message.recipient.is_empty() {
            let key = PointKey {
                tenant: message.tenant,
                kind: ringback_core::turn::kind_of(message.channel),
                value: message.recipient.clone(),
            };
            self.load_point(world, key)?;
        }
        Ok(())
    }

    fn load_event_key(
        &self,
        world: &mut World,
        tenant: TenantId,
        lead: LeadId,
        key: &str,
    ) -> Result<(), StoreError> {
        let at = StoreError::at(leads::EVENT_KEY.name);
        let event: Option<i64> = self
            .get(&leads::EVENT_KEY)?
            .query_row(params![tenant.raw(), lead.raw(), key], |row| row.get(0))
            .optional()
            .map_err(at)?;
        if let Some(event) = event {
            world.event_keys.insert(
                (lead, key.to_owned()),
                ringback_core::ids::EventId::from_raw(event),
            );
        }
        Ok(())
    }

    /// Loads a lead with all it has, and the leads it was merged into. Answers the last of them.
    fn load_lead(&self, world: &mut World, id: LeadId) -> Result<Option<LeadId>, StoreError> {
        let mut id = id;
        for _ in 0..MOST_MERGES {
            if let Some(known) = world.leads.get(&id) {
                match known.lead.merged_into {
                    Some(into) => id = into,
                    None => return Ok(Some(id)),
                }
                continue;
            }
            let Some(lead) = self.lead(id)? else {
                return Ok(None);
            };
            let next = lead.merged_into;
            let state = if next.is_some() {
                LeadState {
                    new: false,
                    dirty: false,
                    ..LeadState::new(lead)
                }
            } else {
                self.lead_state(world, lead)?
            };
            world.leads.insert(id, state);
            match next {
                Some(into) => id = into,
                None => return Ok(Some(id)),
            }
        }
        Ok(None)
    }

    pub(crate) fn lead(&self, id: LeadId) -> Result<Option<Lead>, StoreError> {
        let mut statement = self.get(&leads::BY_ID)?;
        let mut found = statement
            .query([id.raw()])
            .map_err(StoreError::at(leads::BY_ID.name))?;
        found
            .next()
            .map_err(StoreError::at(leads::BY_ID.name))?
            .map(rows::lead)
            .transpose()
    }

    fn lead_state(&self, world: &mut World, lead: Lead) -> Result<LeadState, StoreError> {
        let id = lead.id.raw();
        let at = StoreError::at;
        let mut points = Vec::new();
        {
            let mut statement = self.get(&leads::POINTS_OF)?;
            let found = statement
                .query_map([id], rows::named_point)
                .map_err(at(leads::POINTS_OF.name))?;
            for row in found {
                let (key, point) = row.map_err(at(leads::POINTS_OF.name))?;
                world.points.entry(key.clone()).or_insert(Some(point));
                points.push(key);
            }
        }
        let session = self.get(&leads::SESSION)?.query_row([id], |row| {
            Ok((
                row.get::<_, i64>(0)?,
                row.get::<_, u32>(1)?,
                row.get::<_, i64>(2)?,
                row.get::<_, i64>(3)?,
                row.get::<_, String>(4)?,
            ))
        });
        let session = match session.optional().map_err(at(leads::SESSION.name))? {
            Some((id, number, started_at, last_at, data)) => Some(Session {
                id: SessionId::from_raw(id),
                number,
                started_at: from_micros(started_at),
                last_at: from_micros(last_at),
                data: rows::from_json(&data, "sessions", id, "data")?,
                new: false,
                dirty: false,
            }),
            None => None,
        };
        let mut scores = Vec::new();
        {
            let mut statement = self.get(&scoring::STATES)?;
            let of_session = session.as_ref().map_or(0, |session| session.id.raw());
            let found = statement
                .query_map([id, of_session], |row| {
                    Ok((
                        row.get::<_, String>(0)?,
                        row.get::<_, i64>(1)?,
                        row.get::<_, String>(4)?,
                    ))
                })
                .map_err(at(scoring::STATES.name))?;
            for row in found {
                let (model, session, state) = row.map_err(at(scoring::STATES.name))?;
                let state = rows::from_json(&state, "score_states", id, "state")?;
                scores.push(ScoreRow {
                    model,
                    session: (session != 0).then_some(SessionId::from_raw(session)),
                    state,
                    new: false,
                    dirty: false,
                });
            }
        }
        let mut runs = Vec::new();
        {
            let mut statement = self.get(&workflows::RUNS_OF)?;
            let mut found = statement.query([id]).map_err(at(workflows::RUNS_OF.name))?;
            while let Some(row) = found.next().map_err(at(workflows::RUNS_OF.name))? {
                runs.push(rows::run(row)?);
            }
        }
        Ok(LeadState {
            lead,
            session,
            scores,
            runs,
            points,
            new: false,
            dirty: false,
        })
    }

    pub(crate) fn message(&self, id: i64) -> Result<Option<Message>, StoreError> {
        let mut statement = self.get(&messages::BY_ID)?;
        let mut found = statement
            .query([id])
            .map_err(StoreError::at(messages::BY_ID.name))?;
        found
            .next()
            .map_err(StoreError::at(messages::BY_ID.name))?
            .map(rows::message)
            .transpose()
    }

    fn messages(
        &self,
        statement: &Statement,
        values: impl rusqlite::Params,
    ) -> Result<Vec<Message>, StoreError> {
        let mut prepared = self.get(statement)?;
        let mut found = prepared
            .query(values)
            .map_err(StoreError::at(statement.name))?;
        let mut out = Vec::new();
        while let Some(row) = found.next().map_err(StoreError::at(statement.name))? {
            out.push(rows::message(row)?);
        }
        Ok(out)
    }

    /// What was answered to this key today or yesterday (X7).
    pub fn answered(
        &self,
        tenant: TenantId,
        once: &Once,
        now: Timestamp,
    ) -> Result<Option<Answered>, StoreError> {
        let day = micros(now) / DAY;
        self.get(&messages::ONCE)?
            .query_row(params![tenant.raw(), day, once.key], |row| {
                Ok(Answered {
                    hash: row.get(0)?,
                    status: row.get(1)?,
                    body: row.get(2)?,
                })
            })
            .optional()
            .map_err(StoreError::at(messages::ONCE.name))
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
        .map(|_| ())
    }

    // What is due

    /// Messages of a channel that may go now, most urgent first.
    pub fn due(
        &self,
        channel: ChannelKind,
        now: Timestamp,
        most: u32,
    ) -> Result<Vec<Message>, StoreError> {
        let mut out = Vec::new();
        for priority in Priority::ALL {
            let left = i64::from(most) - out.len() as i64;
            if left <= 0 {
                break;
            }
            out.extend(self.messages(
                &messages::DUE,
                params![channel.code(), priority.code(), micros(now), left],
            )?);
        }
        Ok(out)
    }

    /// When the next message of a channel is due.
    pub fn next_due(&self, channel: ChannelKind) -> Result<Option<Timestamp>, StoreError> {
        let mut next: Option<i64> = None;
        for priority in Priority::ALL {
            let at = StoreError::at(messages::NEXT_DUE.name);
            let due: Option<i64> = self
                .get(&messages::NEXT_DUE)?
                .query_row([channel.code(), priority.code()], |row| row.get(0))
                .optional()
                .map_err(at)?;
            next = match (next, due) {
                (Some(a), Some(b)) => Some(a.min(b)),
                (a, b) => a.or(b),
            };
        }
        Ok(next.map(from_micros))
    }

    /// Runs whose time has come.
    pub fn wakes(
        &self,
        now: Timestamp,
        most: u32,
    ) -> Result<Vec<(TenantId, RunId, LeadId)>, StoreError> {
        let mut statement = self.get(&workflows::WAKES)?;
        let found = statement
            .query_map(params![micros(now), most], |row| {
                Ok((
                    TenantId::from_raw(row.get(0)?),
                    RunId::from_raw(row.get(1)?),
                    LeadId::from_raw(row.get(2)?),
                ))
            })
            .map_err(StoreError::at(workflows::WAKES.name))?;
        found
            .collect::<Result<_, _>>()
            .map_err(StoreError::at(workflows::WAKES.name))
    }

    /// When the next run wakes.
    pub fn next_wake(&self) -> Result<Option<Timestamp>, StoreError> {
        let at = StoreError::at(workflows::NEXT_WAKE.name);
        let next: Option<i64> = self
            .get(&workflows::NEXT_WAKE)?
            .query_row([], |row| row.get(0))
            .optional()
            .map_err(at)?;
        Ok(next.map(from_micros))
    }

    /// Attempts whose deadline passed without an answer.
    pub fn overdue(&self, now: Timestamp, most: u32) -> Result<Vec<Message>, StoreError> {
        self.messages(&messages::OVERDUE, params![micros(now), most])
    }

    /// Attempts that were under way when the process before this one ended.
    pub fn in_flight(&self, most: u32) -> Result<Vec<Message>, StoreError> {
        self.messages(&messages::IN_FLIGHT, [most])
    }

    // Writing

    /// Writes what a turn changed. Call between [`Writer::begin`] and [`Writer::commit`].
    pub fn apply(&mut self, world: &mut World, now: Timestamp) -> Result<(), StoreError> {
        for (from, into) in std::mem::take(&mut world.out.merges) {
            self.merge(world, from, into)?;
        }
        self.write_leads(world)?;
        self.write_points(world)?;
        for event in &world.out.events {
            self.write_event(event)?;
        }
        for (tenant, lead, key, event) in &world.out.event_keys {
            self.run(
                &leads::INSERT_EVENT_KEY,
                params![tenant.raw(), lead.raw(), key, event.raw()],
            )?;
        }
        for row in &world.out.ledger {
            self.write_award(row)?;
        }
        for message in &world.out.messages {
            self.write_message(message)?;
        }
        let late = self.write_changes(&world.out.changes)?;
        for attempt in &world.out.attempts {
            let late = attempt.late || late.contains(&attempt.id.raw());
            let why = attempt.why.as_ref().map(json);
            self.run(
                &messages::INSERT_ATTEMPT,
                params![
                    attempt.id.raw(),
                    attempt.tenant.raw(),
                    attempt.message.raw(),
                    attempt.number,
                    attempt.connection.map(|id| id.raw()),
                    micros(attempt.started_at),
                    micros(attempt.finished_at),
                    attempt.outcome,
                    attempt.reference,
                    why,
                    late
                ],
            )?;
        }
        for consent in &world.out.consents {
            self.write_consent(consent)?;
        }
        let day = micros(now) / DAY;
        for (tenant, key) in &world.out.seen {
            self.run(&messages::INSERT_SEEN, params![tenant.raw(), day, key])?;
        }
        for cancel in &world.out.cancels {
            self.cancel_waiting(cancel, now)?;
        }
        for (key, (n, dirty)) in &world.counters {
            if *dirty {
                self.run(
                    &messages::SET_COUNTER,
                    params![key.0.raw(), key.1, key.2, n],
                )?;
            }
        }
        self.write_rest(world, now)?;
        self.numbers.extend(
            world
                .numbers
                .iter()
                .map(|(tenant, number)| (*tenant, *number)),
        );
        Ok(())
    }

    fn write_rest(&self, world: &World, now: Timestamp) -> Result<(), StoreError> {
        for row in &world.out.set_aside {
            let fingerprint = fingerprint(&row.error);
            self.run(
                &house::INSERT_SET_ASIDE,
                params![
                    row.id.raw(),
                    row.tenant.raw(),
                    row.lead.map(|lead| lead.raw()),
                    fingerprint,
                    row.error,
                    row.raw,
                    micros(row.at)
                ],
            )?;
            let context = json(
                &serde_json::json!({"component": "turn", "set_aside": row.id, "lead": row.lead}),
            );
            self.run(
                &house::COUNT_ERROR,
                params![
                    row.tenant.raw(),
                    fingerprint,
                    "error",
                    row.error,
                    context,
                    micros(row.at)
                ],
            )?;
        }
        for (tenant, lead) in &world.out.deleted {
            self.run(
                &leads::DELETE,
                params![tenant.raw(), lead.raw(), micros(now)],
            )?;
            self.run(&leads::FORGET_POINTS, params![tenant.raw(), lead.raw()])?;
            self.run(&leads::DETACH_POINTS, params![tenant.raw(), lead.raw()])?;
            self.run(&leads::DELETE_EVENTS, params![tenant.raw(), lead.raw()])?;
        }
        for (n, row) in world.out.audit.iter().enumerate() {
            // Audit rows are rare; their ids follow the instant and their place in the turn.
            let id = self.last_audit_id()?.max(micros(row.at)) + 1 + n as i64;
            self.run(
                &house::INSERT_AUDIT,
                params![
                    id,
                    row.tenant.raw(),
                    micros(row.at),
                    row.actor,
                    row.address,
                    row.action,
                    json(&row.details)
                ],
            )?;
        }
        for (connection, trouble) in &world.out.trouble {
            self.run(
                &house::CONNECTION_TROUBLE,
                params![connection.raw(), trouble],
            )?;
        }
        Ok(())
    }

    pub(crate) fn last_audit_id(&self) -> Result<i64, StoreError> {
        self.connection
            .query_row("SELECT coalesce(max(id), 0) FROM audit", [], |row| {
                row.get(0)
            })
            .map_err(StoreError::at("audit id"))
    }

    fn merge(&self, world: &World, from: LeadId, into: LeadId) -> Result<(), StoreError> {
        let Some(tenant) = world.leads.get(&from).map(|state| state.lead.tenant) else {
            return Ok(());
        };
        if world.leads.get(&from).is_some_and(|state| state.new) {
            return Ok(()); // nothing of it is in the store yet
        }
        for statement in [
            &leads::MERGE_EVENTS,
            &leads::MERGE_EVENT_KEYS,
            &leads::MERGE_SESSIONS,
            &leads::MERGE_LEDGER,
            &leads::MERGE_RUNS,
            &leads::MERGE_MESSAGES,
            &leads::MERGE_CONSENTS,
            &leads::MERGED_LEADS,
        ] {
            self.run(statement, params![tenant.raw(), from.raw(), into.raw()])?;
        }
        self.run(&leads::MERGE_STATES, params![tenant.raw(), from.raw()])?;
        Ok(())
    }

    fn write_leads(&self, world: &World) -> Result<(), StoreError> {
        let mut order: Vec<&LeadState> = world
            .leads
            .values()
            .filter(|state| state.new || state.dirty)
            .collect();
        order.sort_unstable_by_key(|state| state.lead.id);
        for state in order {
            self.write_lead(state)?;
            let lead = &state.lead;
            if let Some(session) = state.session.as_ref().filter(|session| session.dirty) {
                let data = json(&session.data);
                if session.new {
                    let values = params![
                        session.id.raw(),
                        lead.tenant.raw(),
                        lead.id.raw(),
                        session.number,
                        micros(session.started_at),
                        micros(session.last_at),
                        data
                    ];
                    self.run(&leads::INSERT_SESSION, values)?;
                } else {
                    self.run(
                        &leads::UPDATE_SESSION,
                        params![
                            session.id.raw(),
                            lead.tenant.raw(),
                            micros(session.last_at),
                            data
                        ],
                    )?;
                }
            }
            for row in state.scores.iter().filter(|row| row.dirty) {
                let statement = if row.new {
                    &scoring::INSERT_STATE
                } else {
                    &scoring::UPDATE_STATE
                };
                let session = row.session.map_or(0, |session| session.raw());
                if row.new {
                    self.run(
                        statement,
                        params![
                            lead.tenant.raw(),
                            lead.id.raw(),
                            row.model,
                            session,
                            row.state.points,
                            row.state.tier,
                            json(&row.state)
                        ],
                    )?;
                } else {
                    self.run(
                        statement,
                        params![
                            lead.tenant.raw(),
                            lead.id.raw(),
                            row.model,
                            session,
                            row.state.points,
                            row.state.tier,
                            json(&row.state)
                        ],
                    )?;
                }
            }
            for run in state.runs.iter().filter(|run| run.dirty) {
                self.write_run(run)?;
            }
        }
        Ok(())
    }

    fn write_lead(&self, state: &LeadState) -> Result<(), StoreError> {
        let lead = &state.lead;
        if state.new {
            let values = params![
                lead.id.raw(),
                lead.tenant.raw(),
                lead.number,
                lead.first_name,
                lead.last_name,
                lead.phone,
                lead.email,
                lead.source,
                lead.city,
                lead.state,
                lead.zip,
                lead.country,
                lead.time_zone,
                json(&lead.attributes),
                json(&lead.tags),
                json(&lead.products),
                lead.product(),
                lead.stage(),
                lead.points,
                lead.tier,
                lead.anonymous,
                lead.test,
                micros(lead.created_at),
                micros(lead.updated_at),
                micros(lead.last_event_at),
                lead.ringing_since.map(micros),
                lead.answered_at.map(micros),
                lead.answered_by,
                lead.merged_into.map(|id| id.raw())
            ];
            self.run(&leads::INSERT, values)?;
        } else {
            let values = params![
                lead.id.raw(),
                lead.tenant.raw(),
                lead.first_name,
                lead.last_name,
                lead.phone,
                lead.email,
                lead.source,
                lead.city,
                lead.state,
                lead.zip,
                lead.country,
                lead.time_zone,
                json(&lead.attributes),
                json(&lead.tags),
                json(&lead.products),
                lead.product(),
                lead.stage(),
                lead.points,
                lead.tier,
                lead.anonymous,
                lead.test,
                micros(lead.created_at),
                micros(lead.updated_at),
                micros(lead.last_event_at),
                lead.ringing_since.map(micros),
                lead.answered_at.map(micros),
                lead.answered_by,
                lead.merged_into.map(|id| id.raw())
            ];
            self.run(&leads::UPDATE, values)?;
        }
        Ok(())
    }

    fn write_run(&self, run: &Run) -> Result<(), StoreError> {
        let (step, waits_for, wake_at, ended_at) = (
            &run.step,
            &run.waits_for,
            run.wake_at.map(micros),
            run.ended_at.map(micros),
        );
        if run.new {
            // A run that ended within its turn carries nothing on: its messages and events tell what it did.
            let data = if run.state == RunState::Open {
                json(&run.data)
            } else {
                "null".to_owned()
            };
            let values = params![
                run.id.raw(),
                run.tenant.raw(),
                run.lead.raw(),
                run.workflow,
                run.version,
                run.event.raw(),
                run.session.map(|session| session.raw()),
                run.state as i64,
                step,
                waits_for,
                wake_at,
                data,
                micros(run.created_at),
                ended_at
            ];
            self.run(&workflows::INSERT_RUN, values)?;
        } else {
            let data = json(&run.data);
            self.run(
                &workflows::UPDATE_RUN,
                params![
                    run.id.raw(),
                    run.tenant.raw(),
                    run.lead.raw(),
                    run.state as i64,
                    step,
                    waits_for,
                    wake_at,
                    data,
                    ended_at
                ],
            )?;
        }
        Ok(())
    }

    fn write_points(&self, world: &World) -> Result<(), StoreError> {
        let mut order: Vec<_> = world
            .points
            .iter()
            .filter_map(|(key, point)| Some((key, point.as_ref().filter(|point| point.dirty)?)))
            .collect();
        order.sort_unstable_by_key(|(key, _)| *key);
        for (key, point) in order {
            let (lead, suppressed) = (
                point.lead.map(|lead| lead.raw()),
                point.suppressed.map_or(0, |reason| reason as i64),
            );
            let (suppressed_at, recent) =
                (point.suppressed_at.map(micros), recent_blob(&point.recent));
            if point.new {
                let values = params![
                    key.tenant.raw(),
                    key.kind as i64,
                    key.value,
                    lead,
                    micros(point.added_at),
                    suppressed,
                    suppressed_at,
                    point.suppressed_how,
                    point.consent.0,
                    recent
                ];
                self.run(&leads::INSERT_POINT, values)?;
            } else {
                let values = params![
                    key.tenant.raw(),
                    key.kind as i64,
                    key.value,
                    lead,
                    suppressed,
                    suppressed_at,
                    point.suppressed_how,
                    point.consent.0,
                    recent
                ];
                self.run(&leads::UPDATE_POINT, values)?;
            }
        }
        Ok(())
    }

    fn write_event(&self, event: &EventRow) -> Result<(), StoreError> {
        let values = params![
            event.id.raw(),
            event.tenant.raw(),
            event.lead.raw(),
            event.kind,
            micros(event.at),
            micros(event.received_at),
            event.source,
            event.actor,
            event.session.map(|session| session.raw()),
            json(&event.properties)
        ];
        self.run(&leads::INSERT_EVENT, values).map(|_| ())
    }

    fn write_award(&self, row: &LedgerRow) -> Result<(), StoreError> {
        let values = params![
            row.tenant.raw(),
            row.lead.raw(),
            row.model,
            row.session.map_or(0, |session| session.raw()),
            row.event.raw(),
            row.rule,
            row.version,
            row.points,
            micros(row.at),
            json(&row.why)
        ];
        self.run(&scoring::INSERT_LEDGER, values).map(|_| ())
    }

    fn write_message(&self, message: &Message) -> Result<(), StoreError> {
        let plan = if message.plan == ringback_core::messages::Plan::default() {
            None
        } else {
            Some(json(&message.plan))
        };
        let (template, version) = message
            .template
            .as_ref()
            .map_or((None, None), |(name, version)| (Some(name), Some(*version)));
        let values = params![
            message.id.raw(),
            message.tenant.raw(),
            message.lead.map(|lead| lead.raw()),
            message.staff,
            message.run.map(|run| run.raw()),
            message.step,
            message.notification.raw(),
            message.event.map(|event| event.raw()),
            message.channel.code(),
            message.connection.map(|connection| connection.raw()),
            message.recipient,
            message.category.code(),
            message.priority.code(),
            message.status.code(),
            state_of(message.status),
            micros(message.due_at),
            micros(message.created_at),
            message.expires_at.map(micros),
            template,
            version,
            message.locale,
            message.body,
            message.data,
            plan,
            message.verdict,
            message.epoch,
            message.attempt.map(|attempt| attempt.raw()),
            message.deadline.map(micros),
            message.hash.as_ref().map(<[u8; 16]>::as_slice),
            message.attempts,
            message.sandbox,
            message.repeated,
            message.settled_at.map(micros),
            message.why.as_ref().map(json)
        ];
        self.run(&messages::INSERT, values).map(|_| ())
    }

    /// Answers the attempts whose message had moved on already.
    fn write_changes(&self, changes: &[MessageChange]) -> Result<HashSet<i64>, StoreError> {
        let mut late = HashSet::new();
        for change in changes {
            let message = &change.message;
            match change.expects {
                Expects::InFlight(epoch) => {
                    let (micros_of_cost, currency) =
                        message.cost.as_ref().map_or((None, None), |cost| {
                            (Some(cost.micros), Some(&cost.currency))
                        });
                    let accepted_at = message.accepted_at.map(micros);
                    let values = params![
                        message.id.raw(),
                        epoch,
                        message.status.code(),
                        message.reference,
                        accepted_at,
                        message.settled_at.map(micros),
                        micros_of_cost,
                        currency
                    ];
                    if self.run(&messages::ACCEPT, values)? == 0 {
                        late.extend(message.attempt.map(|attempt| attempt.raw()));
                        self.run(
                            &messages::LATE_REFERENCE,
                            params![message.id.raw(), message.reference, accepted_at],
                        )?;
                    }
                }
                Expects::Read => self.change(message)?,
            }
        }
        Ok(late)
    }

    fn change(&self, message: &Message) -> Result<(), StoreError> {
        let (micros_of_cost, currency) = message.cost.as_ref().map_or((None, None), |cost| {
            (Some(cost.micros), Some(&cost.currency))
        });
        let plan = if message.plan == ringback_core::messages::Plan::default() {
            None
        } else {
            Some(json(&message.plan))
        };
        let values = params![
            message.id.raw(),
            message.tenant.raw(),
            message.connection.map(|connection| connection.raw()),
            message.status.code(),
            state_of(message.status),
            micros(message.due_at),
            message.data,
            plan,
            message.verdict,
            message.epoch,
            message.attempt.map(|attempt| attempt.raw()),
            message
                .deadline
                .filter(|_| message.status == Status::Sending)
                .map(micros),
            message.hash.as_ref().map(<[u8; 16]>::as_slice),
            message.attempts,
            message.sandbox,
            message.repeated,
            message.reference,
            message.accepted_at.map(micros),
            message.settled_at.map(micros),
            rows::facts_json(&message.facts),
            message.why.as_ref().map(json),
            micros_of_cost,
            currency,
            message.expires_at.map(micros)
        ];
        self.run(&messages::CHANGE, values).map(|_| ())
    }

    fn write_consent(&self, row: &ConsentRow) -> Result<(), StoreError> {
        let values = params![
            row.id.raw(),
            row.key.tenant.raw(),
            row.lead.map(|lead| lead.raw()),
            row.key.kind as i64,
            row.key.value,
            row.channel.as_str(),
            row.purpose.as_str(),
            row.granted,
            row.basis,
            row.wording,
            row.method,
            row.page,
            row.ip,
            row.actor,
            micros(row.at)
        ];
        self.run(&messages::INSERT_CONSENT, values).map(|_| ())
    }

    /// What waits for a recipient ends, in the commit of what ended it (C3).
    fn cancel_waiting(&self, cancel: &Cancel, now: Timestamp) -> Result<(), StoreError> {
        let waiting = self.messages(
            &messages::WAITING_FOR,
            params![cancel.tenant.raw(), cancel.recipient],
        )?;
        for mut message in waiting {
            if cancel.except == Some(message.id) || !cancel.categories.contains(&message.category) {
                continue;
            }
            message.status = cancel.status;
            message.settled_at = Some(now);
            message.why = Some(cancel.why.clone());
            self.change(&message)?;
        }
        Ok(())
    }

    /// Forgets what no promise needs any more, in small pieces: keys, reports and limits of days gone by.
    pub fn tidy(&self, now: Timestamp) -> Result<(), StoreError> {
        let (day, hour) = (micros(now) / DAY, micros(now) / HOUR);
        self.run(&messages::PURGE_ONCE, [day - 1])?;
        self.run(&messages::PURGE_SEEN, [day - 8])?;
        self.run(&messages::PURGE_COUNTERS, [hour - 2, day - 2])?;
        Ok(())
    }
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
