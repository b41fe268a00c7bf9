//! What a turn looks at, loaded before it is decided.

use super::{DAY, MOST_MERGES, Writer};
use crate::StoreError;
use crate::engine::{Values, params};
use crate::rows::{self};
use crate::sql::{Statement, leads, messages, scoring, workflows};
use ringback_core::ids::{LeadId, MessageId, SessionId, TenantId};
use ringback_core::leads::Lead;
use ringback_core::messages::{ChannelKind, Message, Outcome};
use ringback_core::time::{Timestamp, from_micros, micros};
use ringback_core::turn::world::{
    Count, CounterKey, EventRow, LeadState, PointKey, PointKind, ScoreRow, Session, World,
};
use ringback_core::turn::{Intake, Needs, Order, Tenant};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// Events of a lead that scoring anew looks at; what came after them is not counted.
const MOST_HISTORY: i64 = 20_000;

impl Writer {
    /// Loads what these orders look at.
    pub fn load(
        &mut self,
        orders: &[Order],
        tenants: &HashMap<TenantId, Arc<Tenant>>,
        now: Timestamp,
    ) -> Result<World, StoreError> {
        self.foresee_orders(orders, tenants, now)?;
        self.holds_the_house()?;
        let mut world = World::default();
        let mut involved: Vec<TenantId> = Vec::new();
        let mut needs = Needs::default();
        let mut asked: HashSet<TenantId> = HashSet::new();
        for order in orders {
            needs.points.clear();
            needs.leads.clear();
            needs.messages.clear();
            needs.seen.clear();
            needs.jobs = false;
            order.needs(&mut needs);
            if needs.jobs {
                asked.insert(order.tenant);
            }
            for lead in needs.histories.drain(..) {
                let history = self.history(order.tenant, lead)?;
                world.histories.insert(lead, history);
            }
            let mut found: Vec<LeadId> = needs.leads.clone();
            for key in needs.points.drain(..) {
                found.extend(self.load_point(&mut world, key)?);
            }
            for id in needs.messages.drain(..) {
                if let Some(message) = self.message(order.tenant, id)? {
                    found.extend(message.lead);
                    self.load_recipient(&mut world, &message)?;
                    world.messages.insert(message.id, message);
                }
            }
            for (tenant, key) in needs.seen.drain(..) {
                let day = micros(now) / DAY;
                let values = params![tenant.raw(), day, key];
                let seen = self.engine.exists(&messages::SEEN, values)?;
                world.seen.insert((tenant, key), seen);
            }
            for lead in found {
                let lead = self.load_lead(&mut world, order.tenant, lead)?;
                if let (Some(lead), Some(key)) = (lead, order.event_key()) {
                    self.load_event_key(&mut world, order.tenant, lead, key)?;
                }
            }
            // What went well looks at nothing more; what failed may be said another way, to people and within limits.
            let went_well = matches!(&order.intake, Intake::Settled(settled) if matches!(
                settled.outcome,
                Outcome::Accepted { .. } | Outcome::Delivered { .. }
            ));
            if !went_well && !involved.contains(&order.tenant) {
                involved.push(order.tenant);
            }
        }
        for tenant in involved {
            if let Some(tenant) = tenants.get(&tenant) {
                self.load_tenant(&mut world, tenant, now)?;
                if tenant.config.has_digests() || asked.contains(&tenant.id) {
                    self.load_jobs(&mut world, tenant.id)?;
                }
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
                self.load_lead(world, message.tenant, lead)?;
            }
            if involved.insert(message.tenant)
                && let Some(tenant) = tenants.get(&message.tenant)
            {
                self.load_tenant(world, tenant, now)?;
            }
        }
        Ok(())
    }

    fn load_jobs(&self, world: &mut World, tenant: TenantId) -> Result<(), StoreError> {
        let jobs = self
            .engine
            .all(&workflows::JOBS_OF, params![tenant.raw()], |row| {
                rows::job(tenant, row)
            })?;
        for job in jobs {
            world.jobs.insert((tenant, job.name.clone()), job);
        }
        Ok(())
    }

    fn history(&self, tenant: TenantId, lead: LeadId) -> Result<Vec<EventRow>, StoreError> {
        let values = params![tenant.raw(), lead.raw(), MOST_HISTORY];
        self.engine.all(&leads::HISTORY, values, |row| {
            rows::event(tenant, lead, row)
        })
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
        for key in ringback_core::turn::counters_of(tenant, now) {
            if let std::collections::hash_map::Entry::Vacant(e) = world.counters.entry(key) {
                let n = self.counter(&key)?;
                e.insert(Count { n, added: 0 });
            }
        }
        if let std::collections::hash_map::Entry::Vacant(e) = world.numbers.entry(tenant.id) {
            let number = match self.numbers.get(&tenant.id) {
                Some(number) => *number,
                None => self
                    .engine
                    .value(&leads::LAST_NUMBER, params![tenant.id.raw()])?
                    .unwrap_or(0),
            };
            e.insert(number);
        }
        Ok(())
    }

    fn counter(&self, key: &CounterKey) -> Result<i64, StoreError> {
        let values = params![key.tenant.raw(), key.what.name(), key.slot];
        self.engine
            .value(&messages::COUNTER, values)
            .map(Option::unwrap_or_default)
    }

    /// Answers the lead behind the contact point.
    fn load_point(&self, world: &mut World, key: PointKey) -> Result<Option<LeadId>, StoreError> {
        if let Some(known) = world.points.get(&key) {
            return Ok(known.as_ref().and_then(|point| point.lead));
        }
        let values = params![key.tenant.raw(), key.kind as i64, key.value];
        let point = self
            .engine
            .one(&leads::POINT, values, |row| rows::point(row, 0))?;
        let lead = point.as_ref().and_then(|point| point.lead);
        self.load_national(world, &key)?;
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
        let values = params![tenant.raw(), lead.raw(), key];
        let event: Option<i64> = self.engine.value(&leads::EVENT_KEY, values)?;
        if let Some(event) = event {
            world.event_keys.insert(
                (lead, key.to_owned()),
                ringback_core::ids::EventId::from_raw(event),
            );
        }
        Ok(())
    }

    /// Loads a lead with all it has, and the leads it was merged into. Answers the last of them.
    fn load_lead(
        &self,
        world: &mut World,
        tenant: TenantId,
        id: LeadId,
    ) -> Result<Option<LeadId>, StoreError> {
        let mut id = id;
        for _ in 0..MOST_MERGES {
            if let Some(known) = world.leads.get(&id) {
                match known.lead.merged_into {
                    Some(into) => id = into,
                    None => return Ok(Some(id)),
                }
                continue;
            }
            let Some(lead) = self.lead(tenant, id)? else {
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

    pub(crate) fn lead(&self, tenant: TenantId, id: LeadId) -> Result<Option<Lead>, StoreError> {
        let values = params![tenant.raw(), id.raw()];
        self.engine.one(&leads::BY_ID, values, rows::lead)
    }

    fn lead_state(&self, world: &mut World, lead: Lead) -> Result<LeadState, StoreError> {
        let (tenant, id) = (lead.tenant.raw(), lead.id.raw());
        let found = self
            .engine
            .all(&leads::POINTS_OF, params![tenant, id], rows::named_point)?;
        let mut points = Vec::with_capacity(found.len());
        for (key, point) in found {
            if !world.points.contains_key(&key) {
                self.load_national(world, &key)?;
            }
            world.points.entry(key.clone()).or_insert(Some(point));
            points.push(key);
        }
        let session = self
            .engine
            .one(&leads::SESSION, params![tenant, id], |row| {
                let id: i64 = row.get(0)?;
                Ok(Session {
                    id: SessionId::from_raw(id),
                    number: row.get(1)?,
                    started_at: from_micros(row.get(2)?),
                    last_at: from_micros(row.get(3)?),
                    data: rows::from_json(&row.get::<String>(4)?, "sessions", id, "data")?,
                    new: false,
                    dirty: false,
                })
            })?;
        let of_session = session.as_ref().map_or(0, |session| session.id.raw());
        let values = params![tenant, id, of_session];
        let scores = self.engine.all(&scoring::STATES, values, |row| {
            let session: i64 = row.get(1)?;
            Ok(ScoreRow {
                model: row.get(0)?,
                session: (session != 0).then_some(SessionId::from_raw(session)),
                state: rows::from_json(&row.get::<String>(4)?, "score_states", id, "state")?,
                new: false,
                dirty: false,
            })
        })?;
        let runs = self
            .engine
            .all(&workflows::RUNS_OF, params![tenant, id], rows::run)?;
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

    pub(crate) fn message(
        &self,
        tenant: TenantId,
        id: MessageId,
    ) -> Result<Option<Message>, StoreError> {
        let values = params![tenant.raw(), id.raw()];
        self.engine.one(&messages::BY_ID, values, rows::message)
    }

    pub(super) fn messages(
        &self,
        statement: &Statement,
        values: Values<'_>,
    ) -> Result<Vec<Message>, StoreError> {
        self.engine.all(statement, values, rows::message)
    }
}
