//! What a turn looks at, taken from memory.

use super::super::world::{Count, LeadState, PointKey, PointKind, ScoreRow, Session, World};
use super::super::{Intake, Needs, Order, Tenant, Tenants, counters_of, kind_of};
use super::{DAY, Memory, Run, RunState};
use crate::ids::{LeadId, SessionId, TenantId};
use crate::leads::Lead;
use crate::messages::{ChannelKind, Message, Outcome};
use crate::time::{Timestamp, micros};
use std::collections::HashSet;

/// Leads that were merged into one another are followed so far.
const MOST_MERGES: usize = 8;
/// The newest runs of a lead; one with more is a mistake.
const MOST_RUNS: usize = 200;

impl Memory {
    pub(super) fn world_for(&self, orders: &[Order], tenants: &Tenants, now: Timestamp) -> World {
        let mut world = World::default();
        let mut involved: Vec<TenantId> = Vec::new();
        let mut asked: HashSet<TenantId> = HashSet::new();
        for order in orders {
            let mut needs = Needs::default();
            order.needs(&mut needs);
            if needs.jobs {
                asked.insert(order.tenant);
            }
            for lead in &needs.histories {
                let history = self.timeline(*lead).to_vec();
                world.histories.insert(*lead, history);
            }
            let mut found: Vec<LeadId> = std::mem::take(&mut needs.leads);
            for key in needs.points {
                found.extend(self.load_point(&mut world, key));
            }
            for id in needs.messages {
                if let Some(message) = self.messages.get(&id) {
                    found.extend(message.lead);
                    self.load_recipient(&mut world, message);
                    world.messages.insert(message.id, message.clone());
                }
            }
            for name in needs.seen {
                let today = micros(now) / DAY;
                let seen = self.seen.get(&name);
                let seen = seen.is_some_and(|day| (-1..=7).contains(&(today - day)));
                world.seen.insert(name, seen);
            }
            for lead in found {
                let lead = self.load_lead(&mut world, lead);
                if let (Some(lead), Some(key)) = (lead, order.event_key()) {
                    let names = self.event_keys.get(&lead);
                    if let Some(event) = names.and_then(|names| names.get(key)) {
                        world.event_keys.insert((lead, key.to_owned()), *event);
                    }
                }
            }
            // What went well looks at nothing more, as in the store.
            let went_well = matches!(&order.intake, Intake::Settled(settled) if matches!(
                settled.outcome,
                Outcome::Accepted { .. } | Outcome::Delivered { .. }
            ));
            if !went_well && !involved.contains(&order.tenant) {
                involved.push(order.tenant);
            }
        }
        for tenant in involved.iter().filter_map(|id| tenants.get(id)) {
            self.load_tenant(&mut world, tenant, now);
            if tenant.config.has_digests() || asked.contains(&tenant.id) {
                let jobs = self.jobs.iter().filter(|((of, _), _)| *of == tenant.id);
                world
                    .jobs
                    .extend(jobs.map(|(key, job)| (key.clone(), job.clone())));
            }
        }
        world
    }

    pub(super) fn add_to(
        &self,
        world: &mut World,
        due: &[Message],
        tenants: &Tenants,
        now: Timestamp,
    ) {
        let mut involved: HashSet<TenantId> = HashSet::new();
        for message in due {
            self.load_recipient(world, message);
            if let Some(lead) = message.lead
                && !world.leads.contains_key(&lead)
            {
                self.load_lead(world, lead);
            }
            if involved.insert(message.tenant)
                && let Some(tenant) = tenants.get(&message.tenant)
            {
                self.load_tenant(world, tenant, now);
            }
        }
    }

    fn load_tenant(&self, world: &mut World, tenant: &Tenant, now: Timestamp) {
        for person in &tenant.staff {
            let named = [
                (PointKind::Phone, &person.phone),
                (PointKind::Email, &person.email),
            ];
            for (kind, value) in named {
                if let Some(value) = value.clone() {
                    let tenant = tenant.id;
                    self.load_point(
                        world,
                        PointKey {
                            tenant,
                            kind,
                            value,
                        },
                    );
                }
            }
        }
        for key in counters_of(tenant, now) {
            let n = self.counter(&key);
            world.counters.entry(key).or_insert(Count { n, added: 0 });
        }
        let number = self.numbers.get(&tenant.id).copied().unwrap_or(0);
        world.numbers.entry(tenant.id).or_insert(number);
    }

    /// Answers the lead behind the contact point.
    fn load_point(&self, world: &mut World, key: PointKey) -> Option<LeadId> {
        if let Some(known) = world.points.get(&key) {
            return known.as_ref().and_then(|point| point.lead);
        }
        let point = self.points.get(&key).cloned();
        let lead = point.as_ref().and_then(|point| point.lead);
        self.load_national(world, &key);
        world.points.insert(key, point);
        lead
    }

    fn load_national(&self, world: &mut World, key: &PointKey) {
        let Some(lists) = self
            .national
            .get(&key.tenant)
            .filter(|_| key.kind == PointKind::Phone)
        else {
            return;
        };
        for list in lists.iter() {
            let name = (key.clone(), list.country);
            if self.listed.contains(&name) {
                world.listed.insert(name);
            }
        }
        world
            .national
            .entry(key.tenant)
            .or_insert_with(|| std::sync::Arc::clone(lists));
    }

    fn load_recipient(&self, world: &mut World, message: &Message) {
        if message.channel != ChannelKind::Webhook && !message.recipient.is_empty() {
            let key = PointKey {
                tenant: message.tenant,
                kind: kind_of(message.channel),
                value: message.recipient.clone(),
            };
            self.load_point(world, key);
        }
    }

    /// Takes over a lead with all it has, and the leads it was merged into. Answers the last of them.
    fn load_lead(&self, world: &mut World, id: LeadId) -> Option<LeadId> {
        let mut id = id;
        for _ in 0..MOST_MERGES {
            let next = match world.leads.get(&id) {
                Some(known) => known.lead.merged_into,
                None => {
                    let lead = self
                        .leads
                        .get(&id)
                        .filter(|_| !self.deleted.contains(&id))?;
                    let state = if lead.merged_into.is_some() {
                        LeadState {
                            new: false,
                            dirty: false,
                            ..LeadState::new(lead.clone())
                        }
                    } else {
                        self.state_of(world, lead)
                    };
                    world.leads.insert(id, state);
                    lead.merged_into
                }
            };
            match next {
                Some(into) => id = into,
                None => return Some(id),
            }
        }
        None
    }

    fn state_of(&self, world: &mut World, lead: &Lead) -> LeadState {
        let id = lead.id;
        let keys = self.points_of.get(&id).cloned().unwrap_or_default();
        let mut points = Vec::with_capacity(keys.len());
        for key in keys {
            if !world.points.contains_key(&key) {
                self.load_national(world, &key);
                world
                    .points
                    .insert(key.clone(), self.points.get(&key).cloned());
            }
            points.push(key);
        }
        let session = self.sessions.get(&id).and_then(|all| all.last()).cloned();
        let session = session.map(|session| Session {
            new: false,
            dirty: false,
            ..session
        });
        let of_session = session.as_ref().map_or(0, |session| session.id.raw());
        let scores = self
            .states
            .range((id, String::new(), i64::MIN)..)
            .take_while(|((lead, ..), _)| *lead == id)
            .filter(|((_, _, session), _)| *session == 0 || *session == of_session)
            .map(|((_, model, session), state)| ScoreRow {
                model: model.clone(),
                session: (*session != 0).then_some(SessionId::from_raw(*session)),
                state: state.clone(),
                new: false,
                dirty: false,
            })
            .collect();
        let runs = self.runs_of.get(&id).into_iter().flatten().rev();
        let runs = runs
            .take(MOST_RUNS)
            .filter_map(|run| self.runs.get(run))
            .map(as_loaded);
        LeadState {
            lead: lead.clone(),
            session,
            scores,
            runs: runs.collect(),
            points,
            new: false,
            dirty: false,
        }
    }
}

/// What an ended run carried is not needed to decide anything.
fn as_loaded(run: &Run) -> Run {
    Run {
        data: if run.state == RunState::Open {
            run.data.clone()
        } else {
            serde_json::Value::Null
        },
        new: false,
        dirty: false,
        ..run.clone()
    }
}
