//! What a turn will look at, asked together. On PostgreSQL a question is a round trip, so all that are known beforehand are gathered, level by
//! level: first what the orders name, then the leads behind it, then what hangs on those. The loaders stay the same and find the answers
//! there; what nobody foresaw they ask by themselves.

use super::{DAY, Writer};
use crate::StoreError;
use crate::engine::{Gathered, Postgres, params};
use crate::rows;
use crate::sql::{house, leads, ledger, messages, national, scoring, workflows};
use ringback_core::ids::{ConnectionId, LeadId, TenantId};
use ringback_core::messages::{ChannelKind, Message};
use ringback_core::time::{Timestamp, micros};
use ringback_core::turn::world::{PointKey, PointKind, World};
use ringback_core::turn::{Breakers, Needs, Order, QueueOf, Resting, Tenant, Tenants};
use std::collections::{BTreeSet, HashMap, HashSet};

/// Leads whose rows are asked for, each with the name of the event that it may have taken before.
type Leads = BTreeSet<(TenantId, LeadId, Option<String>)>;

impl Writer {
    /// Asks for what these orders look at. Nothing on SQLite, where a question costs microseconds.
    pub(super) fn foresee_orders(
        &self,
        orders: &[Order],
        tenants: &Tenants,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let Some(postgres) = self.engine.as_postgres() else {
            return Ok(());
        };
        postgres.involve(orders.iter().map(|order| order.tenant.raw()));
        let mut first = Gathered::default();
        let mut needs = Needs::default();
        let (mut points, mut named, mut known) = (HashSet::new(), Vec::new(), Leads::new());
        let mut involved = BTreeSet::new();
        first.add(&house::VERSION, params![1])?;
        for order in orders {
            let key = order.event_key().map(str::to_owned);
            order.needs(&mut needs);
            for point in needs.points.drain(..) {
                points.insert((point, key.clone()));
            }
            for lead in needs.leads.drain(..) {
                known.insert((order.tenant, lead, key.clone()));
            }
            for message in needs.messages.drain(..) {
                first.add(&messages::BY_ID, params![order.tenant.raw(), message.raw()])?;
                named.push((order.tenant, message));
            }
            for (tenant, key) in needs.seen.drain(..) {
                first.add(
                    &messages::SEEN,
                    params![tenant.raw(), micros(now) / DAY, key],
                )?;
            }
            if let Some(once) = &order.once {
                let values = params![order.tenant.raw(), micros(now) / DAY, once.key];
                first.add(&messages::ONCE, values)?;
            }
            involved.insert(order.tenant);
        }
        for tenant in involved.iter().filter_map(|id| tenants.get(id)) {
            of_tenant(&mut first, tenant, now)?;
        }
        for (point, _) in &points {
            of_point(&mut first, point)?;
        }
        of_leads(&mut first, &known)?;
        postgres.gather(first)?;
        self.refresh_breakers(&mut self.breakers.borrow_mut(), &involved, tenants)?;

        let mut second = Gathered::default();
        let mut found = Leads::new();
        for (point, key) in points {
            let values = params![point.tenant.raw(), point.kind as i64, point.value];
            if let Some(Some(lead)) = self.engine.value::<Option<i64>>(&leads::POINT, values)? {
                found.insert((point.tenant, LeadId::from_raw(lead), key));
            }
        }
        for (tenant, id) in named {
            let values = params![tenant.raw(), id.raw()];
            if let Some(message) = self.engine.one(&messages::BY_ID, values, rows::message)? {
                self.of_message(&mut second, &message)?;
                found.extend(message.lead.map(|lead| (tenant, lead, None)));
            }
        }
        let found: Leads = found.difference(&known).cloned().collect();
        of_leads(&mut second, &found)?;
        postgres.gather(second)?;
        known.extend(found);
        self.foresee_standings(postgres, &known)
    }

    /// Asks for what claiming from these queues looks at. Queues of tenants that another node has a turn of are left to it.
    pub(super) fn foresee_claims(
        &self,
        world: &mut World,
        shares: &mut Vec<(QueueOf, u32)>,
        tenants: &Tenants,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let Some(postgres) = self.engine.as_postgres() else {
            return Ok(());
        };
        if shares.is_empty() {
            return Ok(());
        }
        let wanted: BTreeSet<i64> = shares.iter().map(|(queue, _)| queue.tenant.raw()).collect();
        let wanted: Vec<i64> = wanted.into_iter().collect();
        let free = postgres.involve_if_free(&wanted)?;
        shares.retain(|(queue, _)| free.contains(&queue.tenant.raw()));
        let involved: BTreeSet<TenantId> = shares.iter().map(|(queue, _)| queue.tenant).collect();
        let mut first = Gathered::default();
        for (queue, share) in &*shares {
            first.add(
                &messages::DUE,
                params![
                    queue.channel.code(),
                    queue.priority.code(),
                    queue.tenant.raw(),
                    micros(now),
                    *share
                ],
            )?;
        }
        for tenant in involved.iter().filter_map(|id| tenants.get(id)) {
            of_tenant(&mut first, tenant, now)?;
        }
        postgres.gather(first)?;
        self.refresh_breakers(&mut world.breakers, &involved, tenants)?;
        let (mut second, mut found) = (Gathered::default(), Leads::new());
        for (queue, share) in &*shares {
            for message in self.due(*queue, now, *share)? {
                if !world.points.contains_key(&recipient(&message)) {
                    self.of_message(&mut second, &message)?;
                }
                let lead = message.lead.filter(|lead| !world.leads.contains_key(lead));
                found.extend(lead.map(|lead| (message.tenant, lead, None)));
            }
        }
        of_leads(&mut second, &found)?;
        postgres.gather(second)?;
        self.foresee_standings(postgres, &found)
    }

    /// Where leads stand in the models of their last visit, and what the lists say of their numbers.
    fn foresee_standings(&self, postgres: &Postgres, of: &Leads) -> Result<(), StoreError> {
        let mut third = Gathered::default();
        for (tenant, lead, _) in of {
            let values = params![tenant.raw(), lead.raw()];
            // Somebody who is not there has no standing either.
            if !self.engine.exists(&leads::BY_ID, values)? {
                continue;
            }
            let session: i64 = self.engine.value(&leads::SESSION, values)?.unwrap_or(0);
            third.add(&scoring::STATES, params![tenant.raw(), lead.raw(), session])?;
            let points = self
                .engine
                .all(&leads::POINTS_OF, values, rows::named_point)?;
            for (point, _) in points {
                self.of_lists(&mut third, &point)?;
            }
        }
        postgres.gather(third)
    }

    fn of_message(&self, wanted: &mut Gathered, message: &Message) -> Result<(), StoreError> {
        if message.channel == ChannelKind::Webhook || message.recipient.is_empty() {
            return Ok(());
        }
        let point = recipient(message);
        of_point(wanted, &point)?;
        self.of_lists(wanted, &point)
    }

    fn of_lists(&self, wanted: &mut Gathered, point: &PointKey) -> Result<(), StoreError> {
        let (PointKind::Phone, Some(number)) = (point.kind, super::national::digits(point)) else {
            return Ok(());
        };
        for list in self.lists_of(point.tenant)?.iter() {
            let values = params![point.tenant.raw(), list.id, number];
            wanted.add(&national::LISTED, values)?;
        }
        Ok(())
    }

    /// Which of the tenants' connections rest: other nodes heard of them too.
    fn refresh_breakers(
        &self,
        breakers: &mut Breakers,
        involved: &BTreeSet<TenantId>,
        tenants: &Tenants,
    ) -> Result<(), StoreError> {
        for id in involved {
            let kept: HashMap<ConnectionId, Resting> = self
                .engine
                .all(&house::BREAKERS_OF, params![id.raw()], |row| {
                    Ok((row.get::<i64>(0)?, row.get::<String>(1)?))
                })?
                .into_iter()
                .filter_map(|(id, text)| {
                    Some((
                        ConnectionId::from_raw(id),
                        serde_json::from_str(&text).ok()?,
                    ))
                })
                .collect();
            let all = tenants.get(id).into_iter().flat_map(|one| &one.connections);
            breakers.refresh(all.map(|way| way.id), &kept);
        }
        Ok(())
    }
}

fn recipient(message: &Message) -> PointKey {
    PointKey {
        tenant: message.tenant,
        kind: ringback_core::turn::kind_of(message.channel),
        value: message.recipient.clone(),
    }
}

fn of_point(wanted: &mut Gathered, point: &PointKey) -> Result<(), StoreError> {
    let values = params![point.tenant.raw(), point.kind as i64, point.value];
    wanted.add(&leads::POINT, values)
}

fn of_leads(wanted: &mut Gathered, of: &Leads) -> Result<(), StoreError> {
    for (tenant, lead, key) in of {
        let values = params![tenant.raw(), lead.raw()];
        wanted.add(&leads::BY_ID, values)?;
        wanted.add(&leads::POINTS_OF, values)?;
        wanted.add(&leads::SESSION, values)?;
        wanted.add(&workflows::RUNS_OF, values)?;
        if let Some(key) = key {
            wanted.add(&leads::EVENT_KEY, params![tenant.raw(), lead.raw(), key])?;
        }
    }
    Ok(())
}

fn of_tenant(wanted: &mut Gathered, tenant: &Tenant, now: Timestamp) -> Result<(), StoreError> {
    let id = tenant.id.raw();
    for person in &tenant.staff {
        let named = [
            (PointKind::Phone, &person.phone),
            (PointKind::Email, &person.email),
        ];
        for (kind, value) in named {
            if let Some(value) = value {
                wanted.add(&leads::POINT, params![id, kind as i64, value])?;
            }
        }
    }
    for key in ringback_core::turn::counters_of(tenant, now) {
        let values = params![key.tenant.raw(), key.what.name(), key.slot];
        wanted.add(&messages::COUNTER, values)?;
    }
    wanted.add(&leads::LAST_NUMBER, params![id])?;
    wanted.add(&ledger::HEAD, params![id])?;
    wanted.add(&national::IN_FORCE_OF, params![id])?;
    wanted.add(&house::BREAKERS_OF, params![id])
}
