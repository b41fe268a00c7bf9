//! What goes on beside the leads' own events: schedules, digests for staff, scoring anew, moving runs to another version. A job is a row
//! with a time; what goes through all leads does so a page at a time, a turn for each page, and goes on after a restart where it was.

use super::react::Happening;
use super::say::{Saying, signed};
use super::workflow::Going;
use super::world::{LedgerRow, RunState, ScoreRow};
use super::{Answer, Tenant, Turn};
use crate::ids::{LeadId, TenantId};
use crate::time::Timestamp;
use crate::workflows::{Action, Digest, Trigger, Workflow};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::sync::Arc;

/// Leads that a job looks at in one turn.
pub const JOB_PAGE: usize = 100;
/// How often segments that look at the time are looked at for leads that do nothing.
const SWEEP: jiff::SignedDuration = jiff::SignedDuration::from_hours(1);
/// Names of leads that a preview lists.
const MOST_EXAMPLES: usize = 20;

/// Something that is to be done at a time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Job {
    /// Whose.
    pub tenant: TenantId,
    /// Its name, unique in the tenant: `schedule:weekly-report`.
    pub name: String,
    /// What it does.
    pub what: JobKind,
    /// When it goes on; `None` when it is over.
    pub due_at: Option<Timestamp>,
    /// The last lead it looked at.
    pub after: Option<LeadId>,
    /// How far it came and what it found.
    pub data: Value,
    /// When it began.
    pub created_at: Timestamp,
}

/// What a job does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum JobKind {
    /// Starts a workflow for every lead for which it is meant, whenever its time comes.
    Schedule {
        /// The workflow.
        workflow: String,
    },
    /// Looks at every segment for every lead, because time alone makes a condition true.
    Sweep,
    /// Says to staff what was collected.
    Digest {
        /// The workflow.
        workflow: String,
        /// Its version when the first was collected.
        version: i64,
        /// The step.
        step: String,
    },
    /// Scores every lead anew by the rules of today (S6).
    Rescore {
        /// The model.
        model: String,
        /// Whether tiers that are entered by it start workflows; by default nobody hears of it.
        tell: bool,
    },
    /// Moves runs of a workflow to its present version (W4).
    Migrate {
        /// The workflow.
        workflow: String,
        /// Only tells what would become of them.
        preview: bool,
    },
}

impl JobKind {
    /// Whether it goes through all leads.
    pub const fn of_leads(&self) -> bool {
        !matches!(self, Self::Digest { .. })
    }

    /// Whether it looks at what the leads did before.
    pub const fn of_history(&self) -> bool {
        matches!(self, Self::Rescore { .. })
    }
}

impl Turn<'_> {
    fn put_job(&mut self, job: Job) {
        self.world.put_job(job);
    }

    /// Jobs of the tenant come into line with its configuration, at the start and after a change.
    pub(super) fn arrange(&mut self, tenant: &Arc<Tenant>) -> Answer {
        let config = Arc::clone(&tenant.config);
        let mut wanted: Vec<Job> = Vec::new();
        let job = |name: String, what, due_at, data| Job {
            tenant: tenant.id,
            name,
            what,
            due_at,
            after: None,
            data,
            created_at: self.now,
        };
        for workflow in config.workflows.values() {
            if let Trigger::Schedule(schedule) = &workflow.trigger {
                let what = JobKind::Schedule {
                    workflow: workflow.name.clone(),
                };
                wanted.push(job(
                    format!("schedule:{}", workflow.name),
                    what,
                    schedule.next(self.now, &tenant.zone),
                    json!({"schedule": schedule.as_str()}),
                ));
            }
        }
        if config.sweeps() {
            wanted.push(job(
                "sweep".into(),
                JobKind::Sweep,
                Some(self.now + SWEEP),
                json!({}),
            ));
        }
        for new in &wanted {
            let same = self.world.job(tenant.id, &new.name).is_some_and(|known| {
                known.due_at.is_some() && known.data["schedule"] == new.data["schedule"]
            });
            if !same {
                self.put_job(new.clone());
            }
        }
        let gone: Vec<Job> = self
            .world
            .jobs_of(tenant.id)
            .filter(|job| matches!(job.what, JobKind::Schedule { .. } | JobKind::Sweep))
            .filter(|job| job.due_at.is_some() && wanted.iter().all(|one| one.name != job.name))
            .cloned()
            .collect();
        for job in gone {
            self.put_job(Job {
                due_at: None,
                ..job
            });
        }
        Answer::Done
    }

    /// Begins to score every lead anew (S6).
    pub(super) fn rescore(
        &mut self,
        tenant: &Arc<Tenant>,
        model: &str,
        tell: bool,
        actor: &str,
    ) -> Answer {
        if !tenant.config.models.contains_key(model) {
            return Answer::NotFound;
        }
        let what = JobKind::Rescore {
            model: model.to_owned(),
            tell,
        };
        self.begin_job(tenant, format!("rescore:{model}"), what, actor)
    }

    /// Begins to move the runs of a workflow to its present version, or to tell what would become of them (W4).
    pub(super) fn migrate(
        &mut self,
        tenant: &Arc<Tenant>,
        workflow: &str,
        preview: bool,
        actor: &str,
    ) -> Answer {
        if !tenant.config.workflows.contains_key(workflow) {
            return Answer::NotFound;
        }
        let what = JobKind::Migrate {
            workflow: workflow.to_owned(),
            preview,
        };
        self.begin_job(tenant, format!("migrate:{workflow}"), what, actor)
    }

    fn begin_job(
        &mut self,
        tenant: &Arc<Tenant>,
        name: String,
        what: JobKind,
        actor: &str,
    ) -> Answer {
        let under_way = self.world.job(tenant.id, &name);
        if under_way.is_some_and(|job| job.due_at.is_some()) {
            return Answer::Refused {
                code: "under_way",
                detail: format!("{name} is under way already."),
                field: None,
            };
        }
        self.audit(tenant, actor, "job.start", json!({"job": name}));
        self.put_job(Job {
            tenant: tenant.id,
            name,
            what,
            due_at: Some(self.now),
            after: None,
            data: json!({"leads": 0}),
            created_at: self.now,
        });
        Answer::Done
    }

    /// A job goes on: with the next leads, where it goes through them.
    pub(super) fn job(
        &mut self,
        tenant: &Arc<Tenant>,
        name: &str,
        after: Option<LeadId>,
        leads: &[LeadId],
    ) -> Answer {
        let Some(job) = self
            .world
            .job(tenant.id, name)
            .filter(|job| job.due_at.is_some_and(|at| at <= self.now) && job.after == after)
            .cloned()
        else {
            return Answer::Done;
        };
        let mut job = job;
        let first = job.after.is_none();
        if first && job.what.of_leads() {
            job.data["began"] = json!(job.due_at.unwrap_or(self.now).to_string());
        }
        for lead in leads {
            let Some(own) = self.own(tenant, *lead).filter(|own| own == lead) else {
                continue;
            };
            self.fuel = super::FUEL;
            self.job_for(tenant, &mut job, own);
        }
        if let JobKind::Digest {
            workflow,
            version,
            step,
        } = &job.what
        {
            self.say_collected(tenant, workflow, *version, step, &job.data);
        }
        let seen = job.data["leads"].as_u64().unwrap_or(0) + leads.len() as u64;
        if job.what.of_leads() {
            job.data["leads"] = json!(seen);
        }
        if leads.len() < JOB_PAGE {
            job.after = None;
            job.due_at = match &job.what {
                JobKind::Schedule { workflow } => {
                    job.data["leads"] = json!(0);
                    match tenant
                        .config
                        .workflows
                        .get(workflow)
                        .map(|one| &one.trigger)
                    {
                        Some(Trigger::Schedule(schedule)) => schedule.next(self.now, &tenant.zone),
                        _ => None,
                    }
                }
                JobKind::Sweep => {
                    job.data["leads"] = json!(0);
                    tenant.config.sweeps().then_some(self.now + SWEEP)
                }
                _ => None,
            };
            if job.due_at.is_none() {
                job.data["ended"] = json!(self.now.to_string());
            }
        } else {
            job.after = leads.last().copied();
            job.due_at = Some(self.now);
        }
        self.put_job(job);
        Answer::Done
    }

    fn job_for(&mut self, tenant: &Arc<Tenant>, job: &mut Job, lead: LeadId) {
        match &job.what {
            JobKind::Schedule { workflow } => {
                let config = Arc::clone(&tenant.config);
                let Some(workflow) = config.workflows.get(workflow) else {
                    return;
                };
                let at = job.data["began"]
                    .as_str()
                    .and_then(|at| at.parse().ok())
                    .unwrap_or(self.now);
                let properties = json!({"schedule": workflow.name, "due": at});
                self.guarded(
                    tenant,
                    lead,
                    || format!("the schedule of {}", workflow.name),
                    |turn| {
                        let event = crate::ids::EventId::from_raw(turn.ids.next(turn.now));
                        let happening =
                            Happening::new(event, "schedule.due", "schedule", at, &properties);
                        if turn.may_start(tenant, lead, &happening, workflow) {
                            let event = turn.note(
                                tenant.id,
                                lead,
                                "schedule.due",
                                "schedule",
                                None,
                                properties.clone(),
                            );
                            let happening = Happening { event, ..happening };
                            turn.start(tenant, lead, &happening, workflow)?;
                            turn.segments(tenant, lead)?;
                        }
                        Ok(())
                    },
                );
            }
            JobKind::Sweep => self.guarded(
                tenant,
                lead,
                || "a look at the segments".to_owned(),
                |turn| turn.segments(tenant, lead),
            ),
            JobKind::Rescore { model, tell } => {
                let (model, tell) = (model.clone(), *tell);
                let changed = self.rescore_one(tenant, lead, &model, tell);
                let n = job.data["changed"].as_u64().unwrap_or(0) + u64::from(changed);
                job.data["changed"] = json!(n);
            }
            JobKind::Migrate { workflow, preview } => {
                let (workflow, preview) = (workflow.clone(), *preview);
                self.migrate_one(tenant, lead, &workflow, preview, &mut job.data);
            }
            JobKind::Digest { .. } => {}
        }
    }

    /// Adds a line to a digest that several leads share.
    pub(super) fn collect_for_staff(
        &mut self,
        tenant: &Arc<Tenant>,
        going: Going<'_>,
        digest: &Digest,
        here: &str,
        item: Value,
    ) {
        let name = format!("digest:{}#{here}", going.workflow.name);
        let open = self
            .world
            .job(tenant.id, &name)
            .filter(|job| job.due_at.is_some())
            .cloned();
        let mut job = open.unwrap_or_else(|| Job {
            tenant: tenant.id,
            name,
            what: JobKind::Digest {
                workflow: going.workflow.name.clone(),
                version: going.workflow.version,
                step: here.to_owned(),
            },
            due_at: Some(self.now + signed(digest.collect)),
            after: None,
            data: json!({}),
            created_at: self.now,
        });
        let n = super::workflow::push_item(&mut job.data["list"], item);
        if digest.count.is_some_and(|count| n >= count as usize) {
            job.due_at = Some(self.now);
        }
        self.put_job(job);
    }

    fn say_collected(
        &mut self,
        tenant: &Arc<Tenant>,
        workflow: &str,
        version: i64,
        step: &str,
        data: &Value,
    ) {
        let config = Arc::clone(&tenant.config);
        let Some(workflow) = config.workflow_version(workflow, version) else {
            return;
        };
        let Some(Action::Digest(digest)) = workflow.step(step).map(|step| &step.action) else {
            return;
        };
        self.say_to_staff(tenant, workflow, step, &digest.send, data["list"].clone());
    }

    /// Scores a lead anew by what it did, and writes the difference into the ledger. Answers whether there was one.
    fn rescore_one(&mut self, tenant: &Arc<Tenant>, lead: LeadId, model: &str, tell: bool) -> bool {
        let config = Arc::clone(&tenant.config);
        let Some(model) = config.models.get(model) else {
            return false;
        };
        let Some(state) = self.world.lead(lead) else {
            return false;
        };
        let fresh = super::react::recompute(tenant, state, model, self.world.history(lead));
        let session = fresh.0;
        let fresh = fresh.1;
        let at = state
            .scores
            .iter()
            .position(|row| row.model == model.name && row.session == session);
        let before = at
            .map(|at| state.scores[at].state.clone())
            .unwrap_or_default();
        if before == fresh {
            return false;
        }
        let entered = fresh
            .tier
            .clone()
            .filter(|tier| fresh.points > before.points && before.tier.as_ref() != Some(tier));
        let (points, tier) = (fresh.points, fresh.tier.clone());
        let said =
            json!({"model": model.name, "before": before.points, "points": points, "tier": tier});
        let event = self.note(tenant.id, lead, "score.recomputed", "score", None, said);
        if points != before.points {
            self.world.out.ledger.push(LedgerRow {
                tenant: tenant.id,
                lead,
                model: model.name.clone(),
                version: model.version,
                session,
                rule: "rescore".into(),
                points: points - before.points,
                event,
                at: self.now,
                why: vec!["scored anew by the rules of today".into()],
            });
        }
        let shown = self.world.lead(lead).map(|state| {
            tenant.config.shown_model(state.lead.product()) == Some(model.name.as_str())
        });
        if let Some(state) = self.world.lead_mut(lead) {
            match at {
                Some(at) => {
                    state.scores[at].state = fresh;
                    state.scores[at].dirty = true;
                }
                None => state.scores.push(ScoreRow {
                    model: model.name.clone(),
                    session,
                    state: fresh,
                    new: true,
                    dirty: true,
                }),
            }
            if shown == Some(true) {
                state.lead.points = points;
                state.lead.tier = tier;
            }
        }
        if let (true, Some(tier)) = (tell, entered) {
            let properties = json!({"model": model.name, "tier": tier});
            let event = self.note(
                tenant.id,
                lead,
                "tier.entered",
                "score",
                None,
                properties.clone(),
            );
            let happening = Happening::new(event, "tier.entered", "score", self.now, &properties);
            self.guarded(
                tenant,
                lead,
                || properties.to_string(),
                |turn| {
                    turn.trigger(tenant, lead, &happening, |trigger| {
                        matches!(trigger, Trigger::TierEntered { model: m, tier: t } if *m == model.name && *t == tier)
                    })
                },
            );
        }
        true
    }

    fn migrate_one(
        &mut self,
        tenant: &Arc<Tenant>,
        lead: LeadId,
        name: &str,
        preview: bool,
        data: &mut Value,
    ) {
        let config = Arc::clone(&tenant.config);
        let Some(present) = config.workflows.get(name) else {
            return;
        };
        let runs: Vec<_> = self
            .world
            .lead(lead)
            .into_iter()
            .flat_map(|state| &state.runs)
            .filter(|run| {
                run.state == RunState::Open
                    && run.workflow == name
                    && run.version != present.version
            })
            .map(|run| (run.id, run.version, run.step.clone()))
            .collect();
        for (run, version, step) in runs {
            let before = config.workflow_version(name, version);
            let may = match (before, &step) {
                (Some(before), Some(step)) => may_migrate(before, present, step),
                (None, _) => Err(format!("version {version} is not there any more")),
                (_, None) => Err("it does not wait at a step".to_owned()),
            };
            let (slot, why) = match &may {
                Ok(()) => ("moves", None),
                Err(why) => ("stays", Some(why.clone())),
            };
            data[slot] = json!(data[slot].as_u64().unwrap_or(0) + 1);
            if let Some(why) = why {
                if !data["examples"].is_array() {
                    data["examples"] = json!([]);
                }
                if let Value::Array(list) = &mut data["examples"]
                    && list.len() < MOST_EXAMPLES
                {
                    list.push(json!({"run": run, "lead": lead, "why": why}));
                }
            }
            if may.is_ok() && !preview {
                let said =
                    json!({"workflow": name, "run": run, "from": version, "to": present.version});
                if let Some(run) = self.run_mut(lead, run) {
                    run.version = present.version;
                }
                self.note(tenant.id, lead, "workflow.migrated", "workflow", None, said);
            }
        }
    }
}

/// Whether a run that waits at a step can go on by another version: the same step waits there for the same. The error is a sentence.
pub fn may_migrate(before: &Workflow, present: &Workflow, step: &str) -> Result<(), String> {
    if step == super::workflow::ANCHOR {
        return match (&before.trigger, &present.trigger) {
            (Trigger::Appointment(old), Trigger::Appointment(new)) if old == new => Ok(()),
            _ => Err("the appointment it waits for is another one now".to_owned()),
        };
    }
    let old = before
        .step(step)
        .ok_or_else(|| format!("its version has no step {step}"))?;
    let Some(new) = present.step(step) else {
        return Err(format!("the present version has no step {step}"));
    };
    if std::mem::discriminant(&old.action) != std::mem::discriminant(&new.action) {
        return Err(format!(
            "step {step} was `{}` and is `{}` now",
            old.action.kind(),
            new.action.kind()
        ));
    }
    if let (Action::WaitFor { events: old, .. }, Action::WaitFor { events: new, .. }) =
        (&old.action, &new.action)
        && old != new
    {
        return Err(format!(
            "step {step} waited for {} and waits for {} now",
            old.join(", "),
            new.join(", ")
        ));
    }
    Ok(())
}

impl Saying<'_> {
    /// The label of a step in what it says: workflow, version, step and, from the second on, attempt.
    pub(super) fn label(&self) -> String {
        let name = &self.workflow.name;
        let version = self.workflow.version;
        if self.attempt > 1 {
            format!("{name}@{version}#{}~{}", self.step, self.attempt)
        } else {
            format!("{name}@{version}#{}", self.step)
        }
    }
}
