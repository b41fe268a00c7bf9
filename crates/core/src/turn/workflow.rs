//! The engine of workflows (W1 to W3): a run goes through its steps inside the turn; where it waits, a row remembers the place.

use super::react::{Happening, facts};
use super::say::Saying;
use super::world::{Run, RunState};
use super::{Answer, Fault, Tenant, Turn};
use crate::config::Versioned;
use crate::ids::{EventId, LeadId, RunId};
use crate::workflows::definition::{Action, Reentry, Step, Trigger, Workflow};
use serde_json::{Value, json};
use std::sync::Arc;

/// Where a run came to.
enum Flow {
    /// Past the last step.
    Through,
    /// It waits; the run's row says where.
    Waits,
    /// It ended on purpose.
    Ended,
}

/// What woke a waiting step.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Woke {
    /// Its event came.
    Event,
    /// Its time came.
    Time,
}

/// Which list of sub-steps a step's path goes on in.
const THEN: &str = "then";
const OTHERWISE: &str = "otherwise";

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
            let Some(state) = self.world.lead(lead) else {
                continue;
            };
            // Products are isolated (W6): a workflow of one product never acts on a lead of another.
            if let Some(product) = &workflow.product
                && !state
                    .lead
                    .products
                    .iter()
                    .any(|placement| placement.product == *product)
            {
                continue;
            }
            if let Some(when) = &workflow.when
                && !when.holds(&facts(tenant, state, Some(happening), self.now, None))
            {
                continue;
            }
            if self.ran_before(lead, workflow) {
                continue;
            }
            if let Some(share) = tenant.share_of(&workflow.name)
                && !share.has(lead)
            {
                let why = format!("it is for {} % of the leads now", share.percent);
                let said = json!({"workflow": workflow.name, "why": why});
                self.note(
                    tenant.id,
                    lead,
                    "workflow.passed_over",
                    "workflow",
                    None,
                    said,
                );
                continue;
            }
            self.start(tenant, lead, happening, workflow)?;
        }
        Ok(())
    }

    fn ran_before(&self, lead: LeadId, workflow: &Workflow) -> bool {
        let Some(state) = self.world.lead(lead) else {
            return false;
        };
        let session = state.session.as_ref().map(|session| session.id);
        let open = state
            .runs
            .iter()
            .filter(|run| run.workflow == workflow.name);
        match workflow.reentry {
            Reentry::Always => false,
            Reentry::WhenDone => open.clone().any(|run| run.state == RunState::Open),
            Reentry::OncePerSession => open
                .clone()
                .any(|run| run.session == session && session.is_some()),
            Reentry::OncePerLead => open.clone().next().is_some(),
        }
    }

    fn start(
        &mut self,
        tenant: &Arc<Tenant>,
        lead: LeadId,
        happening: &Happening<'_>,
        workflow: &Versioned<Workflow>,
    ) -> Result<(), Fault> {
        let id = self.run_id();
        let session = self
            .world
            .lead(lead)
            .and_then(|state| state.session.as_ref())
            .map(|session| session.id);
        let run = Run {
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
            created_at: self.now,
            ended_at: None,
            new: true,
            dirty: true,
        };
        if let Some(state) = self.world.lead_mut(lead) {
            state.runs.push(run);
        }
        let flow = self.walk(tenant, lead, id, workflow, &workflow.steps, "", 0)?;
        self.note_flow(lead, id, &flow);
        Ok(())
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
        let happening = Happening {
            event,
            kind: "workflow.started",
            also: None,
            at: self.now,
            source: "api",
            form: None,
            properties: &properties,
            public: false,
            late: false,
        };
        self.guarded(
            tenant,
            lead,
            || properties.to_string(),
            |turn| turn.start(tenant, lead, &happening, workflow),
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
        let now = self.now;
        if let Some(run) = self.run_mut(lead, id)
            && !matches!(flow, Flow::Waits)
        {
            run.state = RunState::Done;
            run.step = None;
            run.waits_for = None;
            run.wake_at = None;
            run.ended_at = Some(now);
        }
    }

    fn run_mut(&mut self, lead: LeadId, id: RunId) -> Option<&mut Run> {
        let run = self
            .world
            .lead_mut(lead)?
            .runs
            .iter_mut()
            .find(|run| run.id == id)?;
        run.dirty = true;
        Some(run)
    }

    fn run(&self, lead: LeadId, id: RunId) -> Option<&Run> {
        self.world.lead(lead)?.runs.iter().find(|run| run.id == id)
    }

    /// Goes through a list of steps from `from` on. `path` is where the list stands (`1.otherwise.`).
    #[expect(
        clippy::too_many_arguments,
        reason = "a walk needs its place: whose run, which list, which step"
    )]
    fn walk(
        &mut self,
        tenant: &Arc<Tenant>,
        lead: LeadId,
        run: RunId,
        workflow: &Workflow,
        steps: &[Step],
        path: &str,
        from: usize,
    ) -> Result<Flow, Fault> {
        for (index, step) in steps.iter().enumerate().skip(from) {
            self.burn()?;
            if let Some(when) = &step.when
                && !self.holds(tenant, lead, run, when)
            {
                continue;
            }
            let here = format!("{path}{index}");
            let flow = match &step.action {
                Action::Send(send) => {
                    self.say(
                        tenant,
                        &Saying {
                            lead,
                            run,
                            workflow,
                            step: &here,
                            send,
                        },
                    )?;
                    Flow::Through
                }
                Action::Wait(length) => {
                    self.pause(lead, run, &here, None, *length);
                    Flow::Waits
                }
                Action::WaitFor { event, within, .. } => {
                    self.pause(lead, run, &here, Some(event.clone()), *within);
                    Flow::Waits
                }
                Action::Branch {
                    when,
                    then,
                    otherwise,
                } => {
                    let (list, name) = if self.holds(tenant, lead, run, when) {
                        (then, THEN)
                    } else {
                        (otherwise, OTHERWISE)
                    };
                    self.walk(
                        tenant,
                        lead,
                        run,
                        workflow,
                        list,
                        &format!("{here}.{name}."),
                        0,
                    )?
                }
                Action::SetStage { product, stage } => {
                    self.move_stage(
                        tenant,
                        lead,
                        product.as_deref(),
                        stage,
                        Some("workflow"),
                        &workflow.name,
                    )
                    .map_err(|refused| {
                        Fault::Rule(format!(
                            "workflow {} could not set the stage: {refused}",
                            workflow.name
                        ))
                    })?;
                    Flow::Through
                }
                Action::End => Flow::Ended,
            };
            if !matches!(flow, Flow::Through) {
                return Ok(flow);
            }
        }
        Ok(Flow::Through)
    }

    fn holds(
        &self,
        tenant: &Tenant,
        lead: LeadId,
        run: RunId,
        when: &crate::conditions::Condition,
    ) -> bool {
        let Some(state) = self.world.lead(lead) else {
            return false;
        };
        let Some(run) = self.run(lead, run) else {
            return false;
        };
        let at = run.data["event"]["at"]
            .as_str()
            .and_then(|at| at.parse().ok())
            .unwrap_or(run.created_at);
        let happening = Happening {
            event: run.event,
            kind: run.data["event"]["type"].as_str().unwrap_or_default(),
            also: None,
            at,
            source: run.data["event"]["source"].as_str().unwrap_or_default(),
            form: run.data["event"]["form"].as_str(),
            properties: &run.data["event"]["properties"],
            public: false,
            late: false,
        };
        when.holds(&facts(
            tenant,
            state,
            Some(&happening),
            self.now,
            Some(&run.data),
        ))
    }

    fn pause(
        &mut self,
        lead: LeadId,
        run: RunId,
        step: &str,
        event: Option<String>,
        length: std::time::Duration,
    ) {
        let until =
            self.now + jiff::SignedDuration::try_from(length).unwrap_or(jiff::SignedDuration::MAX);
        if let Some(run) = self.run_mut(lead, run) {
            run.step = Some(step.to_owned());
            run.waits_for = event;
            run.wake_at = Some(until);
        }
    }

    /// Runs of the lead that wait for this event go on.
    pub(super) fn resume_waiting(
        &mut self,
        tenant: &Arc<Tenant>,
        lead: LeadId,
        happening: &Happening<'_>,
    ) -> Result<(), Fault> {
        let Some(state) = self.world.lead(lead) else {
            return Ok(());
        };
        let waiting: Vec<RunId> = state
            .runs
            .iter()
            .filter(|run| {
                run.state == RunState::Open && run.waits_for.as_deref() == Some(happening.kind)
            })
            .map(|run| run.id)
            .collect();
        for run in waiting {
            self.resume(tenant, lead, run, Woke::Event)?;
        }
        Ok(())
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
                |turn| turn.resume(tenant, lead, run, Woke::Time),
            );
            if self.run(lead, run).is_some_and(|run| {
                run.wake_at.is_some_and(|at| at <= self.now) && run.state == RunState::Open
            }) {
                // Waking it failed and was set aside: stopped, so that it does not ring for ever.
                let now = self.now;
                if let Some(run) = self.run_mut(lead, run) {
                    run.state = RunState::Stopped;
                    run.wake_at = None;
                    run.ended_at = Some(now);
                }
            }
        }
        Answer::Done
    }

    fn resume(
        &mut self,
        tenant: &Arc<Tenant>,
        lead: LeadId,
        id: RunId,
        woke: Woke,
    ) -> Result<(), Fault> {
        let Some(run) = self.run(lead, id) else {
            return Ok(());
        };
        let (name, version) = (run.workflow.clone(), run.version);
        let Some(step) = run.step.clone() else {
            return Ok(());
        };
        let Some(workflow) = tenant.config.workflow_version(&name, version) else {
            return Err(Fault::Rule(format!(
                "workflow {name} has no version {version} any more"
            )));
        };
        if let Some(run) = self.run_mut(lead, id) {
            run.step = None;
            run.waits_for = None;
            run.wake_at = None;
        }
        let parts: Vec<&str> = step.split('.').collect();
        let flow = self.go_on(
            tenant,
            lead,
            id,
            workflow,
            &workflow.steps,
            "",
            &parts,
            woke,
        )?;
        self.note_flow(lead, id, &flow);
        Ok(())
    }

    /// Finds the step that waited, does what its waking asks for, and goes on behind it, list by list outwards.
    #[expect(
        clippy::too_many_arguments,
        reason = "a walk needs its place: whose run, which list, which step"
    )]
    fn go_on(
        &mut self,
        tenant: &Arc<Tenant>,
        lead: LeadId,
        run: RunId,
        workflow: &Workflow,
        steps: &[Step],
        path: &str,
        parts: &[&str],
        woke: Woke,
    ) -> Result<Flow, Fault> {
        let lost = || {
            Fault::Rule(format!(
                "workflow {} has no step {path}{} any more",
                workflow.name,
                parts.join(".")
            ))
        };
        let (first, rest) = parts.split_first().ok_or_else(lost)?;
        let index: usize = first.parse().map_err(|_| lost())?;
        let step = steps.get(index).ok_or_else(lost)?;
        let flow = match rest.split_first() {
            None => match &step.action {
                Action::WaitFor {
                    then, otherwise, ..
                } => {
                    let (list, name) = if woke == Woke::Event {
                        (then, THEN)
                    } else {
                        (otherwise, OTHERWISE)
                    };
                    self.walk(
                        tenant,
                        lead,
                        run,
                        workflow,
                        list,
                        &format!("{path}{index}.{name}."),
                        0,
                    )?
                }
                _ => Flow::Through,
            },
            Some((name, inner)) => {
                let list = sub_steps(step, name).ok_or_else(lost)?;
                self.go_on(
                    tenant,
                    lead,
                    run,
                    workflow,
                    list,
                    &format!("{path}{index}.{name}."),
                    inner,
                    woke,
                )?
            }
        };
        match flow {
            Flow::Through => self.walk(tenant, lead, run, workflow, steps, path, index + 1),
            other => Ok(other),
        }
    }

    /// The event that began a run, for what its messages say.
    pub(super) fn began(&self, lead: LeadId, run: RunId) -> Option<(EventId, &Value)> {
        self.run(lead, run).map(|run| (run.event, &run.data))
    }
}

fn sub_steps<'s>(step: &'s Step, name: &str) -> Option<&'s [Step]> {
    match (&step.action, name) {
        (Action::WaitFor { then, .. } | Action::Branch { then, .. }, THEN) => Some(then),
        (Action::WaitFor { otherwise, .. } | Action::Branch { otherwise, .. }, OTHERWISE) => {
            Some(otherwise)
        }
        _ => None,
    }
}
