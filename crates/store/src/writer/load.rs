//! What a turn looks at, loaded before it is decided.

use super::{DAY, MOST_MERGES, Writer};
use crate::StoreError;
use crate::rows::{self};
use crate::sql::{Statement, leads, messages, scoring, workflows};
use ringback_core::ids::{LeadId, SessionId, TenantId};
use ringback_core::leads::Lead;
use ringback_core::messages::{ChannelKind, Message, Outcome};
use ringback_core::time::{Timestamp, from_micros, micros};
use ringback_core::turn::world::{
    Count, CounterKey, LeadState, PointKey, PointKind, ScoreRow, Session, World,
};
use ringback_core::turn::{Intake, Needs, Order, Tenant};
use rusqlite::{OptionalExtension, params};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

impl Writer {
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
        for key in ringback_core::turn::counters_of(tenant, now) {
            if let std::collections::hash_map::Entry::Vacant(e) = world.counters.entry(key) {
                let n = self.counter(&key)?;
                e.insert(Count { n, added: 0 });
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
            .query_row(
                params![key.tenant.raw(), key.what.name(), key.slot],
                |row| row.get(0),
            )
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
                if !world.points.contains_key(&key) {
                    self.load_national(world, &key)?;
                }
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

    pub(super) fn messages(
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
}
