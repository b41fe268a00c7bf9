//! The engine of workflows (W1 to W4): a run goes through its steps inside the turn; where it waits, a row remembers the place.
//!
//! What a run does is keyed by run, step and attempt, and is in the commit that moves the run on: after a crash it is either all there or
//! not at all.

#[cfg(test)]
mod model;
mod segments;
mod steps;
#[cfg(test)]
mod tests;

pub(super) use steps::push_item;

use super::react::{Happening, facts};
use super::world::{Cancel, Run, RunState};
use super::{Answer, Fault, Tenant, Turn};
use crate::conditions::Condition;
use crate::config::Versioned;
use crate::ids::{EventId, LeadId, RunId};
use crate::messages::{Category, Reason, Status};
use crate::time::Timestamp;
use crate::workflows::{Action, OTHERWISE, Offset, Reentry, Step, THEN, Trigger, Until, Workflow};
use serde_json::{Value, json};
use std::sync::Arc;

/// Where a run came to.
pub(super) enum Flow {
    /// Past the last step.
    Through,
    /// It waits; the run's row says where.
    Waits,
    /// It ended on purpose.
    Ended,
}

/// What woke a waiting step.
#[derive(Clone, Copy)]
pub(super) enum Woke<'h> {
    /// Its event came.
    Event(&'h Happening<'h>),
    /// Its time came.
    Time,
}

/// A run on its way: whose, and by which version.
#[derive(Clone, Copy)]
pub(super) struct Going<'w> {
    pub(super) lead: LeadId,
    pub(super) run: RunId,
    pub(super) workflow: &'w Versioned<Workflow>,
}

/// The step of a run that waits for its appointment: before the first one.
pub(super) const ANCHOR: &str = "appointment";
/// Events that a run waits for are kept in one column, with this between them.
const BETWEEN: char = '|';
/// Places that a run remembers; no workflow worth drawing has more.
const MOST_TRAIL: usize = 64;

impl Turn<'_> {
    /// Starts every workflow whose trigger fits and whose condition holds.
    pub(super) fn trigger(
        &mut self,
        tenant: &Arc<Tenant>,
        lead: LeadId,
        happening: &Happening<'_>,
        fits: impl Fn(&Trigger) -> bool,
    ) -> Result<(), Fault> {
        let config = Arc::clone(&tenant.config);
        for workflow in config
            .workflows
            .values()
            .filter(|workflow| fits(&workflow.trigger))
        {
            if self.may_start(tenant, lead, happening, workflow) {
                self.start(tenant, lead, happening, workflow)?;
            }
        }
        Ok(())
    }

    /// Whether a workflow whose trigger fits starts for this lead.
    pub(super) fn may_start(
        &mut self,
        tenant: &Arc<Tenant>,
        lead: LeadId,
        happening: &Happening<'_>,
        workflow: &Versioned<Workflow>,
    ) -> bool {
        let Some(state) = self.world.lead(lead) else {
            return false;
        };
        if !concerns(state, happening, workflow) {
            return false;
        }
        let product = workflow.product.as_deref();
        if let Some(when) = &workflow.when
            && !when.holds(&facts(
                tenant,
                state,
                Some(happening),
                self.now,
                None,
                product,
            ))
        {
            return false;
        }
        if self.ran_before(lead, workflow) {
            return false;
        }
        if let Some(share) = tenant.share_of(&workflow.name)
            && !share.has(lead)
        {
            let why = format!("it is for {} % of the leads now", share.percent);
            self.passed_over(tenant, lead, workflow, &why);
            return false;
        }
        true
    }

    pub(super) fn passed_over(
        &mut self,
        tenant: &Tenant,
        lead: LeadId,
        workflow: &Workflow,
        why: &str,
    ) {
        let said = json!({"workflow": workflow.name, "why": why});
        self.note(
            tenant.id,
            lead,
            "workflow.passed_over",
            "workflow",
            None,
            said,
        );
    }

    fn ran_before(&self, lead: LeadId, workflow: &Workflow) -> bool {
        let Some(state) = self.world.lead(lead) else {
            return false;
        };
        let session = state.session.as_ref().map(|session| session.id);
        let mut of_it = state
            .runs
            .iter()
            .filter(|run| run.workflow == workflow.name);
        match workflow.reentry {
            Reentry::Always => false,
            Reentry::WhenDone => of_it.any(|run| run.state == RunState::Open),
            Reentry::OncePerSession => session.is_some() && of_it.any(|run| run.session == session),
            Reentry::OncePerLead => of_it.next().is_some(),
            Reentry::After(length) => {
                let length = super::say::signed(length);
                of_it.any(|run| run.created_at + length > self.now)
            }
        }
    }

    /// A run that begins now. It goes as far as it comes.
    pub(super) fn start(
        &mut self,
        tenant: &Arc<Tenant>,
        lead: LeadId,
        happening: &Happening<'_>,
        workflow: &Versioned<Workflow>,
    ) -> Result<RunId, Fault> {
        let run = self.open_run(tenant, lead, happening, workflow);
        let going = Going {
            lead,
            run,
            workflow,
        };
        let flow = self.walk_as(tenant, going, &workflow.steps, "", 0)?;
        self.note_flow(lead, run, &flow);
        Ok(run)
    }

    fn open_run(
        &mut self,
        tenant: &Tenant,
        lead: LeadId,
        happening: &Happening<'_>,
        workflow: &Versioned<Workflow>,
    ) -> RunId {
        let id = self.run_id();
        let now = self.now;
        let state = self.world.lead_mut(lead);
        if let Some(state) = state {
            let session = state.session.as_ref().map(|session| session.id);
            state.runs.push(Run {
                id,
                tenant: tenant.id,
                lead,
                workflow: workflow.name.clone(),
                version: workflow.version,
                event: happening.event,
                session,
                state: RunState::Open,
                step: None,
                waits_for: None,
                wake_at: None,
                data: json!({
                    "event": {"type": happening.kind, "at": happening.at.to_string(), "source": happening.source, "form": happening.form, "properties": happening.properties},
                    "public": happening.public,
                }),
                created_at: now,
                ended_at: None,
                new: true,
                dirty: true,
            });
        }
        id
    }

    /// Starts a workflow by hand: its trigger and condition are the caller's business, re-entry and products are not (W4, W6).
    pub(super) fn start_run(
        &mut self,
        tenant: &Arc<Tenant>,
        lead: LeadId,
        name: &str,
        actor: &str,
    ) -> Answer {
        let Some(lead) = self.own(tenant, lead) else {
            return Answer::NotFound;
        };
        let config = Arc::clone(&tenant.config);
        let Some(workflow) = config.workflows.get(name) else {
            return Answer::NotFound;
        };
        let placed = |product: &str| {
            self.world.lead(lead).is_some_and(|state| {
                state
                    .lead
                    .products
                    .iter()
                    .any(|placement| placement.product == product)
            })
        };
        if let Some(product) = workflow
            .product
            .as_deref()
            .filter(|product| !placed(product))
        {
            return Answer::Refused {
                code: "other_product",
                detail: format!(
                    "Workflow {name} is for leads in product {product}; this lead is not in it."
                ),
                field: Some("lead_id"),
            };
        }
        if self.ran_before(lead, workflow) {
            return Answer::Refused {
                code: "ran_before",
                detail: format!(
                    "Workflow {name} ran for this lead already, and its `reentry` does not let it run again."
                ),
                field: Some("lead_id"),
            };
        }
        let properties = json!({"workflow": name});
        let event = self.note(
            tenant.id,
            lead,
            "workflow.started",
            "api",
            Some(actor),
            properties.clone(),
        );
        let happening = Happening::new(event, "workflow.started", "api", self.now, &properties);
        self.guarded(
            tenant,
            lead,
            || properties.to_string(),
            |turn| {
                turn.start(tenant, lead, &happening, workflow)?;
                turn.segments(tenant, lead)
            },
        );
        let runs = self.world.lead(lead).map(|state| &state.runs);
        match runs.and_then(|runs| {
            runs.iter()
                .find(|run| run.event == event && run.workflow == name)
        }) {
            Some(run) => Answer::Started {
                run: run.id,
                state: run.state,
            },
            None => Answer::Refused {
                code: "set_aside",
                detail: "The workflow could not run. What went wrong is on the errors page.".into(),
                field: None,
            },
        }
    }

    fn note_flow(&mut self, lead: LeadId, id: RunId, flow: &Flow) {
        if matches!(flow, Flow::Through) {
            self.trod(lead, id, crate::workflows::THROUGH);
        }
        if !matches!(flow, Flow::Waits) {
            self.close(lead, id, RunState::Done);
        }
    }

    /// The run came to a place that its counts are made of: a wait, a way it took, its end.
    pub(super) fn trod(&mut self, lead: LeadId, id: RunId, place: &str) {
        let Some(run) = self.run_mut(lead, id) else {
            return;
        };
        let Value::Object(data) = &mut run.data else {
            return;
        };
        let trail = data.entry(crate::workflows::TRAIL);
        if let Value::Array(trail) = trail.or_insert_with(|| json!([]))
            && trail.len() < MOST_TRAIL
        {
            trail.push(json!(place));
        }
    }

    /// A person or the API stops a run: what it said and what still waits does not go.
    pub(super) fn stop_run(
        &mut self,
        tenant: &Arc<Tenant>,
        lead: LeadId,
        run: RunId,
        actor: &str,
    ) -> Answer {
        let Some(lead) = self.own(tenant, lead) else {
            return Answer::NotFound;
        };
        let Some(state) = self.run(lead, run).map(|run| run.state) else {
            return Answer::NotFound;
        };
        if state != RunState::Open {
            return Answer::Refused {
                code: "run_over",
                detail: "This run is over already; there is nothing to stop.".into(),
                field: None,
            };
        }
        let why = format!("{actor} stopped it");
        self.finish(tenant, lead, run, RunState::Stopped, &why);
        self.audit(tenant, actor, "run.stop", json!({"run": run, "lead": lead}));
        Answer::Done
    }

    /// The run is over. One that was stopped on the way stays stopped.
    fn close(&mut self, lead: LeadId, id: RunId, state: RunState) {
        let now = self.now;
        if let Some(run) = self.run_mut(lead, id)
            && run.state == RunState::Open
        {
            run.state = state;
            run.step = None;
            run.waits_for = None;
            run.wake_at = None;
            run.ended_at = Some(now);
        }
    }

    /// Ends a run from outside: what it said and what still waits does not go.
    pub(super) fn finish(
        &mut self,
        tenant: &Tenant,
        lead: LeadId,
        id: RunId,
        state: RunState,
        why: &str,
    ) {
        let Some(run) = self.run(lead, id).filter(|run| run.state == RunState::Open) else {
            return;
        };
        let said =
            json!({"workflow": run.workflow, "run": id, "state": state.as_str(), "why": why});
        self.close(lead, id, state);
        self.note(tenant.id, lead, "workflow.ended", "workflow", None, said);
        let Some(known) = self.world.lead(lead).map(|state| &state.lead) else {
            return;
        };
        let recipients: Vec<String> = [known.phone.clone(), known.email.clone()]
            .into_iter()
            .flatten()
            .map(|address| address.to_lowercase())
            .collect();
        for recipient in recipients {
            self.world.out.cancels.push(Cancel {
                tenant: tenant.id,
                recipient,
                categories: &[Category::Transactional, Category::Promotional],
                status: Status::Cancelled,
                why: Reason::new("workflow_ended", format!("The workflow ended: {why}.")),
                except: None,
                run: Some(id),
                lead: None,
            });
        }
    }

    pub(super) fn run_mut(&mut self, lead: LeadId, id: RunId) -> Option<&mut Run> {
        let run = self
            .world
            .lead_mut(lead)?
            .runs
            .iter_mut()
            .find(|run| run.id == id)?;
        run.dirty = true;
        Some(run)
    }

    pub(super) fn run(&self, lead: LeadId, id: RunId) -> Option<&Run> {
        self.world.lead(lead)?.runs.iter().find(|run| run.id == id)
    }

    /// Walks with the run among those under way: what it causes does not end it from outside.
    fn walk_as(
        &mut self,
        tenant: &Arc<Tenant>,
        going: Going<'_>,
        steps: &[Step],
        path: &str,
        from: usize,
    ) -> Result<Flow, Fault> {
        self.walking.push(going.run);
        let flow = self.walk(tenant, going, steps, path, from);
        self.walking.pop();
        flow
    }

    /// Goes through a list of steps from `from` on. `path` is where the list stands (`1.otherwise.`).
    pub(super) fn walk(
        &mut self,
        tenant: &Arc<Tenant>,
        going: Going<'_>,
        steps: &[Step],
        path: &str,
        from: usize,
    ) -> Result<Flow, Fault> {
        if let Some(way) = path.strip_suffix('.').filter(|_| from == 0) {
            self.trod(going.lead, going.run, way);
        }
        for (index, step) in steps.iter().enumerate().skip(from) {
            self.burn()?;
            if self
                .run(going.lead, going.run)
                .is_none_or(|run| run.state != RunState::Open)
            {
                // Something that a step caused ended the run.
                return Ok(Flow::Ended);
            }
            if let Some(when) = &step.when
                && !self.holds(tenant, going, when, None)
            {
                continue;
            }
            let here = format!("{path}{index}");
            let flow = self.step(tenant, going, step, &here)?;
            if !matches!(flow, Flow::Through) {
                return Ok(flow);
            }
        }
        Ok(Flow::Through)
    }

    /// Whether a condition holds for a run: by the event that began it, or by one that comes now.
    pub(super) fn holds(
        &self,
        tenant: &Tenant,
        going: Going<'_>,
        when: &Condition,
        comes: Option<&Happening<'_>>,
    ) -> bool {
        let (Some(state), Some(run)) =
            (self.world.lead(going.lead), self.run(going.lead, going.run))
        else {
            return false;
        };
        let began;
        let happening = match comes {
            Some(happening) => happening,
            None => {
                began = Happening::of(run);
                &began
            }
        };
        when.holds(&facts(
            tenant,
            state,
            Some(happening),
            self.now,
            Some(&run.data),
            going.workflow.product.as_deref(),
        ))
    }

    /// The run waits at a step: for an event, until an instant.
    pub(super) fn pause(
        &mut self,
        lead: LeadId,
        run: RunId,
        step: &str,
        events: &[String],
        until: Timestamp,
    ) {
        let again = self
            .run(lead, run)
            .is_some_and(|run| run.step.as_deref() == Some(step));
        if let Some(run) = self.run_mut(lead, run) {
            run.step = Some(step.to_owned());
            run.waits_for = (!events.is_empty()).then(|| events.join(&BETWEEN.to_string()));
            run.wake_at = Some(until);
        }
        if !again {
            self.trod(lead, run, step);
        }
    }

    /// What an event means for the runs under way: goals and exits first, then those that wait for it.
    pub(super) fn resume_waiting(
        &mut self,
        tenant: &Arc<Tenant>,
        lead: LeadId,
        happening: &Happening<'_>,
    ) -> Result<(), Fault> {
        self.end_by(tenant, lead, Some(happening));
        self.appointment(tenant, lead, happening);
        let Some(state) = self.world.lead(lead) else {
            return Ok(());
        };
        let waiting: Vec<RunId> = state
            .runs
            .iter()
            .filter(|run| run.state == RunState::Open && waits_for(run, happening.kind))
            .map(|run| run.id)
            .collect();
        for run in waiting {
            self.resume(tenant, lead, run, Woke::Event(happening))?;
        }
        Ok(())
    }

    /// Ends the runs whose goal is reached or that became pointless. Without an event only conditions are asked.
    fn end_by(&mut self, tenant: &Arc<Tenant>, lead: LeadId, happening: Option<&Happening<'_>>) {
        let Some(state) = self.world.lead(lead) else {
            return;
        };
        let open: Vec<(RunId, String, i64)> = state
            .runs
            .iter()
            .filter(|run| run.state == RunState::Open && !self.walking.contains(&run.id))
            .map(|run| (run.id, run.workflow.clone(), run.version))
            .collect();
        for (run, name, version) in open {
            if let Some(workflow) = tenant.config.workflow_version(&name, version) {
                let going = Going {
                    lead,
                    run,
                    workflow,
                };
                self.end_one(tenant, going, happening);
            }
        }
    }

    /// Ends a run whose goal is reached or that became pointless. Answers whether it did.
    fn end_one(
        &mut self,
        tenant: &Tenant,
        going: Going<'_>,
        happening: Option<&Happening<'_>>,
    ) -> bool {
        let fits = |until: &Until| {
            let hears = match happening {
                Some(happening) => {
                    until.events.is_empty()
                        || until.events.iter().any(|kind| kind == happening.kind)
                }
                None => until.events.is_empty(),
            };
            // An event of another product is none of this one's (W6).
            let ours = happening
                .and_then(|happening| happening.product)
                .zip(going.workflow.product.as_deref())
                .is_none_or(|(theirs, own)| theirs == own);
            hears
                && ours
                && until
                    .when
                    .as_ref()
                    .is_none_or(|when| self.holds(tenant, going, when, happening))
        };
        let told = |until: &Until| match &until.when {
            Some(when) if until.events.is_empty() => when.describe(),
            _ => happening.map_or_else(String::new, |happening| happening.kind.to_owned()),
        };
        let reached = going.workflow.goals.iter().find(|until| fits(until));
        let ended = match reached {
            Some(goal) => Some((
                RunState::Done,
                format!("its goal is reached, {}", told(goal)),
            )),
            None => {
                let exit = going.workflow.exits.iter().find(|until| fits(until));
                exit.map(|exit| {
                    (
                        RunState::Stopped,
                        format!("it became pointless, {}", told(exit)),
                    )
                })
            }
        };
        if let Some((state, why)) = &ended {
            self.finish(tenant, going.lead, going.run, *state, why);
        }
        ended.is_some()
    }

    /// Runs that wait for an appointment: a new one begins to wait, a moved one waits for the new time, a cancelled one ends (A1).
    fn appointment(&mut self, tenant: &Arc<Tenant>, lead: LeadId, happening: &Happening<'_>) {
        let (gone, known) = match happening.kind {
            "appointment.confirmed" | "appointment.moved" => (false, true),
            "appointment.cancelled" => (true, false),
            _ => return,
        };
        let properties = happening.properties;
        let id = match &properties["id"] {
            Value::String(id) => id.clone(),
            Value::Number(id) => id.to_string(),
            _ => "only".to_owned(),
        };
        let instant = |name: &str| {
            properties[name]
                .as_str()
                .and_then(|at| at.parse::<Timestamp>().ok())
        };
        let config = Arc::clone(&tenant.config);
        for workflow in config.workflows.values() {
            let Trigger::Appointment(offset) = &workflow.trigger else {
                continue;
            };
            let waiting = self.world.lead(lead).and_then(|state| {
                let mut runs = state.runs.iter();
                let run = runs.find(|run| {
                    run.state == RunState::Open
                        && run.workflow == workflow.name
                        && run.step.as_deref() == Some(ANCHOR)
                        && run.data["appointment"] == id.as_str()
                });
                run.map(|run| run.id)
            });
            if gone {
                if let Some(run) = waiting {
                    self.finish(
                        tenant,
                        lead,
                        run,
                        RunState::Stopped,
                        "the appointment was cancelled",
                    );
                }
                continue;
            }
            let start = instant("start");
            let (Some(start), true) = (start, known) else {
                continue;
            };
            let at = match offset {
                Offset::Before(length) => start - super::say::signed(*length),
                Offset::After(length) => {
                    instant("end").unwrap_or(start) + super::say::signed(*length)
                }
            };
            let placed = self
                .world
                .lead(lead)
                .is_some_and(|state| concerns(state, happening, workflow));
            match waiting {
                Some(run) => {
                    self.pause(lead, run, ANCHOR, &[], at.max(self.now));
                    let told = json!({"type": happening.kind, "at": happening.at.to_string(), "source": happening.source, "form": null, "properties": properties});
                    if let Some(run) = self.run_mut(lead, run) {
                        run.data["event"] = told;
                    }
                }
                None if !placed => {}
                None if at < self.now => {
                    let why = "the appointment was made too late for it";
                    self.passed_over(tenant, lead, workflow, why);
                }
                None => {
                    let run = self.open_run(tenant, lead, happening, workflow);
                    if let Some(run) = self.run_mut(lead, run) {
                        run.data["appointment"] = json!(id);
                    }
                    self.pause(lead, run, ANCHOR, &[], at);
                }
            }
        }
    }

    pub(super) fn wake(&mut self, tenant: &Arc<Tenant>, run: RunId, lead: LeadId) -> Answer {
        let Some(lead) = self.own(tenant, lead) else {
            return Answer::NotFound;
        };
        let due = self.run(lead, run).is_some_and(|run| {
            run.state == RunState::Open && run.wake_at.is_some_and(|at| at <= self.now)
        });
        if due {
            self.guarded(
                tenant,
                lead,
                || format!("the wake-up of {run}"),
                |turn| {
                    turn.resume(tenant, lead, run, Woke::Time)?;
                    turn.segments(tenant, lead)
                },
            );
            if self.run(lead, run).is_some_and(|run| {
                run.wake_at.is_some_and(|at| at <= self.now) && run.state == RunState::Open
            }) {
                // Waking it failed and was set aside: stopped, so that it does not ring for ever.
                self.close(lead, run, RunState::Stopped);
            }
        }
        Answer::Done
    }

    fn resume(
        &mut self,
        tenant: &Arc<Tenant>,
        lead: LeadId,
        id: RunId,
        woke: Woke<'_>,
    ) -> Result<(), Fault> {
        let Some(run) = self.run(lead, id).filter(|run| run.state == RunState::Open) else {
            return Ok(());
        };
        let (name, version) = (run.workflow.clone(), run.version);
        let Some(step) = run.step.clone() else {
            return Ok(());
        };
        let config = Arc::clone(&tenant.config);
        let Some(workflow) = config.workflow_version(&name, version) else {
            return Err(Fault::Rule(format!(
                "workflow {name} has no version {version} any more"
            )));
        };
        let going = Going {
            lead,
            run: id,
            workflow,
        };
        if let Woke::Event(happening) = woke
            && let Some(at) = workflow.step(&step)
            && let Action::WaitFor {
                filter: Some(filter),
                ..
            } = &at.action
            && !self.holds(tenant, going, filter, Some(happening))
        {
            return Ok(());
        }
        // What changed while it waited may have reached its goal.
        if matches!(woke, Woke::Time) && self.end_one(tenant, going, None) {
            return Ok(());
        }
        let before = self.run(lead, id).and_then(|run| run.wake_at);
        if let Some(run) = self.run_mut(lead, id) {
            run.step = None;
            run.waits_for = None;
            run.wake_at = None;
        }
        self.walking.push(id);
        let flow = if step == ANCHOR {
            self.at_appointment(tenant, going)
        } else {
            let parts: Vec<&str> = step.split('.').collect();
            self.go_on(tenant, going, &workflow.steps, "", &parts, woke, before)
        };
        self.walking.pop();
        self.note_flow(lead, id, &flow?);
        Ok(())
    }

    /// The time of an appointment came: its condition is asked now, not when the appointment was made.
    fn at_appointment(&mut self, tenant: &Arc<Tenant>, going: Going<'_>) -> Result<Flow, Fault> {
        if let Some(when) = &going.workflow.when
            && !self.holds(tenant, going, when, None)
        {
            self.passed_over(
                tenant,
                going.lead,
                going.workflow,
                "its condition does not hold at its time",
            );
            return Ok(Flow::Ended);
        }
        self.walk(tenant, going, &going.workflow.steps, "", 0)
    }

    /// Finds the step that waited, does what its waking asks for, and goes on behind it, list by list outwards.
    #[expect(
        clippy::too_many_arguments,
        reason = "a walk needs its place: whose run, which list, which step, what woke it"
    )]
    fn go_on(
        &mut self,
        tenant: &Arc<Tenant>,
        going: Going<'_>,
        steps: &[Step],
        path: &str,
        parts: &[&str],
        woke: Woke<'_>,
        before: Option<Timestamp>,
    ) -> Result<Flow, Fault> {
        let lost = || {
            Fault::Rule(format!(
                "workflow {} has no step {path}{} any more",
                going.workflow.name,
                parts.join(".")
            ))
        };
        let (first, rest) = parts.split_first().ok_or_else(lost)?;
        let index: usize = first.parse().map_err(|_| lost())?;
        let step = steps.get(index).ok_or_else(lost)?;
        let here = format!("{path}{index}");
        let flow = match rest.split_first() {
            None => self.after(tenant, going, step, &here, woke, before)?,
            Some((name, inner)) => {
                let list = step.action.way(name).ok_or_else(lost)?;
                let path = format!("{here}.{name}.");
                self.go_on(tenant, going, list, &path, inner, woke, before)?
            }
        };
        match flow {
            Flow::Through => self.walk(tenant, going, steps, path, index + 1),
            other => Ok(other),
        }
    }

    /// What a waiting step does when it wakes.
    fn after(
        &mut self,
        tenant: &Arc<Tenant>,
        going: Going<'_>,
        step: &Step,
        here: &str,
        woke: Woke<'_>,
        before: Option<Timestamp>,
    ) -> Result<Flow, Fault> {
        match &step.action {
            Action::WaitFor { .. } => {
                let name = if matches!(woke, Woke::Event(_)) {
                    THEN
                } else {
                    OTHERWISE
                };
                let list = step.action.way(name).unwrap_or_default();
                self.walk(tenant, going, list, &format!("{here}.{name}."), 0)
            }
            Action::Ask(ask) => match woke {
                Woke::Event(happening) => {
                    self.answered(tenant, going, ask, here, happening, before)
                }
                Woke::Time => self.walk(
                    tenant,
                    going,
                    &ask.otherwise,
                    &format!("{here}.otherwise."),
                    0,
                ),
            },
            Action::Digest(digest) => {
                self.say_digest(tenant, going, digest, here)?;
                Ok(Flow::Through)
            }
            _ => Ok(Flow::Through),
        }
    }

    /// The event that began a run, for what its messages say.
    pub(super) fn began(&self, lead: LeadId, run: RunId) -> Option<(EventId, &Value)> {
        self.run(lead, run).map(|run| (run.event, &run.data))
    }
}

/// Whether a run waits for events of this type.
fn waits_for(run: &Run, kind: &str) -> bool {
    run.waits_for
        .as_deref()
        .is_some_and(|kinds| kinds.split(BETWEEN).any(|one| one == kind))
}

/// Products are isolated (W6): a workflow of one product never acts on a lead that is not in it, nor on an event of another.
pub(super) fn concerns(
    state: &super::world::LeadState,
    happening: &Happening<'_>,
    workflow: &Workflow,
) -> bool {
    let Some(product) = workflow.product.as_deref() else {
        return true;
    };
    let mut placements = state.lead.products.iter();
    placements.any(|placement| placement.product == product)
        && happening.product.is_none_or(|other| other == product)
}
