//! What a turn changed, written table by table.

use super::{DAY, Writer, fingerprint};
use crate::engine::{ToValue, Values, params};
use crate::rows::{self, json, recent_blob, state_of};
use crate::sql::{house, leads, ledger, messages, recovery, scoring, workflows};
use crate::{House as _, StoreError};
use ringback_core::ids::{LeadId, TenantId};
use ringback_core::messages::{Cause, Message, Status};
use ringback_core::time::{Timestamp, micros};
use ringback_core::turn::KillSwitch;
use ringback_core::turn::world::{
    Cancel, EventRow, Expects, LeadState, LedgerRow, MessageChange, Run, RunState, World,
};
use std::collections::HashSet;

impl Writer {
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
        for (key, count) in world.counters.iter().filter(|(_, count)| count.added != 0) {
            self.run(
                &messages::ADD_TO_COUNTER,
                params![key.tenant.raw(), key.what.name(), key.slot, count.added],
            )?;
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
        for row in &world.out.work {
            self.run(
                &workflows::INSERT_WORK,
                params![
                    row.id.raw(),
                    row.tenant.raw(),
                    row.lead.raw(),
                    row.run.map(|run| run.raw()),
                    row.key,
                    row.kind as i64,
                    row.title,
                    row.assignee,
                    row.due_at.map(micros),
                    json(&row.data),
                    micros(row.created_at)
                ],
            )?;
        }
        for job in &world.out.jobs {
            self.run(
                &workflows::PUT_JOB,
                params![
                    job.tenant.raw(),
                    job.name,
                    json(&job.what),
                    job.due_at.map(micros),
                    job.after.map(|lead| lead.raw()),
                    json(&job.data),
                    micros(job.created_at)
                ],
            )?;
        }
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
            self.delete_lead(*tenant, *lead, now)?;
            self.run(&recovery::ERASE_ATTEMPTS, params![tenant.raw(), lead.raw()])?;
            self.run(
                &recovery::ERASE_MESSAGES,
                params![tenant.raw(), lead.raw(), micros(now)],
            )?;
        }
        self.forget(world, now)?;
        for row in &world.out.audit {
            self.write_audit_row(row)?;
        }
        for (tenant, switch) in &world.out.switched {
            self.turn_switch(*tenant, switch)?;
        }
        for raised in &world.out.errors {
            self.run(
                &house::COUNT_ERROR,
                params![
                    raised.tenant.raw(),
                    fingerprint(&raised.message),
                    raised.severity,
                    raised.message,
                    json(&raised.context),
                    micros(raised.at)
                ],
            )?;
        }
        for (connection, resting) in world.breakers.changed() {
            self.run(
                &house::CONNECTION_BREAKER,
                params![connection.raw(), resting.map(json)],
            )?;
        }
        for (tenant, connection, trouble) in &world.out.trouble {
            self.house_changed(*tenant)?;
            self.run(
                &house::CONNECTION_TROUBLE,
                params![tenant.raw(), connection.raw(), trouble],
            )?;
        }
        Ok(())
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
            &leads::MERGE_STATES,
            &leads::MERGE_RUNS,
            &leads::MERGE_MESSAGES,
            &workflows::MERGE_WORK,
            &ledger::MERGE_CONSENTS,
            &leads::MERGED_LEADS,
        ] {
            self.run(statement, params![tenant.raw(), from.raw(), into.raw()])?;
        }
        self.run(&leads::DROP_STATES, params![tenant.raw(), from.raw()])?;
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
                let values = params![
                    lead.tenant.raw(),
                    lead.id.raw(),
                    row.model,
                    session,
                    row.state.points,
                    row.state.tier,
                    json(&row.state)
                ];
                self.run(statement, values)?;
            }
            for run in state.runs.iter().filter(|run| run.dirty) {
                self.write_run(run)?;
            }
        }
        Ok(())
    }

    fn write_lead(&self, state: &LeadState) -> Result<(), StoreError> {
        let lead = &state.lead;
        let statement = if state.new {
            &leads::INSERT
        } else {
            &leads::UPDATE
        };
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
            lead.merged_into.map(|id| id.raw()),
            lead.owner,
            json(&rows::KeptOfLead::of(lead))
        ];
        self.run(statement, values)
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
                    ended_at,
                    run.version
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
                    recent,
                    rows::terms_blob(&point.terms)
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
                    recent,
                    rows::terms_blob(&point.terms)
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
        self.run(&leads::INSERT_EVENT, values)
    }

    /// A switch of a tenant turned by itself; an older one of the same workflow goes.
    fn turn_switch(&self, tenant: TenantId, switch: &KillSwitch) -> Result<(), StoreError> {
        let Some(mut row) = self.tenants()?.into_iter().find(|row| row.id == tenant) else {
            return Ok(());
        };
        row.kill.retain(|one| match (one, switch) {
            (KillSwitch::Share(one), KillSwitch::Share(new)) => one.workflow != new.workflow,
            (one, new) => one != new,
        });
        row.kill.push(switch.clone());
        self.update_tenant(&row)
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
        self.run(&scoring::INSERT_LEDGER, values)
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
            state_of(message),
            micros(message.due_at),
            micros(message.created_at),
            message.expires_at.map(micros),
            template,
            version,
            message.locale,
            message.body,
            message.data.text(),
            plan,
            &*message.verdict,
            message.epoch,
            message.attempt.map(|attempt| attempt.raw()),
            message.deadline.map(micros),
            message.hash.as_ref().map(<[u8; 16]>::as_slice),
            message.attempts,
            message.sandbox,
            message.repeated,
            message.settled_at.map(micros),
            message.why.as_ref().map(json),
            message.cost.as_ref().map(|cost| cost.micros),
            message.cost.as_ref().map(|cost| cost.currency.as_str())
        ];
        self.run(&messages::INSERT, values)
    }

    /// Answers the attempts whose message had moved on already.
    fn write_changes(&self, changes: &[MessageChange]) -> Result<HashSet<i64>, StoreError> {
        let mut late = HashSet::new();
        let mut accepted: Vec<(&Message, i64)> = Vec::new();
        for change in changes {
            let message = &change.message;
            match change.expects {
                Expects::InFlight(epoch) => accepted.push((message, epoch)),
                Expects::Read => {
                    // One message keeps its order; different ones have none.
                    if accepted.iter().any(|(one, _)| one.id == message.id) {
                        self.accept(&accepted, &mut late)?;
                        accepted.clear();
                    }
                    self.change(message)?;
                }
            }
        }
        self.accept(&accepted, &mut late)?;
        Ok(late)
    }

    /// What providers took, each only where the attempt of its epoch is still in flight.
    fn accept(
        &self,
        accepted: &[(&Message, i64)],
        late: &mut HashSet<i64>,
    ) -> Result<(), StoreError> {
        let rows: Vec<_> = accepted
            .iter()
            .map(|(message, epoch)| {
                let cost = message.cost.as_ref();
                (
                    message.id.raw(),
                    *epoch,
                    message.status.code(),
                    message.reference.as_deref(),
                    message.accepted_at.map(micros),
                    message.settled_at.map(micros),
                    cost.map(|cost| cost.micros),
                    cost.map(|cost| cost.currency.as_str()),
                    message.tenant.raw(),
                )
            })
            .collect();
        let values: Vec<[&dyn ToValue; 9]> = rows
            .iter()
            .map(|row| {
                [
                    &row.0 as &dyn ToValue,
                    &row.1,
                    &row.2,
                    &row.3,
                    &row.4,
                    &row.5,
                    &row.6,
                    &row.7,
                    &row.8,
                ]
            })
            .collect();
        let values: Vec<Values<'_>> = values.iter().map(<[_; 9]>::as_slice).collect();
        let counts = self.engine.count_each(&messages::ACCEPT, &values)?;
        for ((message, epoch), n) in accepted.iter().zip(counts) {
            if n == 0 {
                late.extend(message.attempt.map(|attempt| attempt.raw()));
                self.run(
                    &messages::LATE_REFERENCE,
                    params![
                        message.id.raw(),
                        message.reference,
                        message.accepted_at.map(micros),
                        *epoch,
                        message.tenant.raw()
                    ],
                )?;
            }
        }
        Ok(())
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
            state_of(message),
            micros(message.due_at),
            message.data.text(),
            plan,
            &*message.verdict,
            message.epoch,
            message.attempt.map(|attempt| attempt.raw()),
            message
                .deadline
                .filter(|_| matches!(message.status, Status::Sending | Status::Unknown))
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
            message.expires_at.map(micros),
            Cause::of(message).map(|cause| cause.id().raw())
        ];
        self.run(&messages::CHANGE, values)
    }

    /// What waits for a recipient ends, in the commit of what ended it (C3).
    fn cancel_waiting(&self, cancel: &Cancel, now: Timestamp) -> Result<(), StoreError> {
        let waiting = self.messages(
            &messages::WAITING_FOR,
            params![cancel.tenant.raw(), cancel.recipient],
        )?;
        for mut message in waiting {
            if !cancel.ends(&message) {
                continue;
            }
            message.stop(cancel.status);
            message.settled_at = Some(now);
            message.why = Some(cancel.why.clone());
            self.change(&message)?;
        }
        Ok(())
    }
}
