//! What each step of a workflow does (W2).

use super::super::react::Happening;
use super::super::say::{Saying, signed};
use super::super::world::{WorkKind, WorkRow};
use super::super::{Fault, Tenant, Turn};
use super::{Flow, Going};
use crate::ids::{LeadId, WorkId};
use crate::time::Timestamp;
use crate::workflows::{
    Action, Ask, Clock, Digest, RETRIES, Recipient, Send, Source, Step, Task, Variant, Wait, Whose,
    schedule,
};
use serde_json::{Map, Number, Value, json};
use sha2::{Digest as _, Sha256};
use std::sync::Arc;
use std::time::Duration;

/// The most that one digest lists; more of them are counted.
const LONGEST_LIST: usize = 50;
/// What an answer to a question comes as.
const REPLY: &str = "message.received";

impl Turn<'_> {
    /// Does a step. `here` is the path to it.
    pub(super) fn step(
        &mut self,
        tenant: &Arc<Tenant>,
        going: Going<'_>,
        step: &Step,
        here: &str,
    ) -> Result<Flow, Fault> {
        match &step.action {
            Action::Send(send) => {
                self.say_once(tenant, going, here, send, 1)?;
            }
            Action::Digest(digest) => return self.collect(tenant, going, digest, here),
            Action::Ask(ask) => {
                self.say_once(tenant, going, here, &ask.question, 1)?;
                let until = self.now + signed(ask.within);
                self.pause(going.lead, going.run, here, &[REPLY.to_owned()], until);
                return Ok(Flow::Waits);
            }
            Action::Wait(wait) => {
                if let Some(until) = self.until(tenant, going, wait) {
                    self.pause(going.lead, going.run, here, &[], until);
                    return Ok(Flow::Waits);
                }
            }
            Action::WaitFor {
                events, within, of, ..
            } => {
                let until = match of {
                    Clock::Always => self.now + signed(*within),
                    Clock::BusinessHours => self.after_open(tenant, *within),
                };
                self.pause(going.lead, going.run, here, events, until);
                return Ok(Flow::Waits);
            }
            Action::Branch {
                when,
                then,
                otherwise,
            } => {
                let (list, name) = if self.holds(tenant, going, when, None) {
                    (then, "then")
                } else {
                    (otherwise, "otherwise")
                };
                return self.walk(tenant, going, list, &format!("{here}.{name}."), 0);
            }
            Action::Split(variants) => return self.split(tenant, going, variants, here),
            Action::Escalate(steps) => {
                // Whoever is told one after the other until somebody answers is waited for.
                self.ring(going.lead);
                return self.walk(tenant, going, steps, &format!("{here}.levels."), 0);
            }
            Action::Assign(assign) => self.assign(tenant, going, assign),
            Action::SetStage { product, stage } => {
                let product = product.as_deref().or(going.workflow.product.as_deref());
                let name = &going.workflow.name;
                self.move_stage(tenant, going.lead, product, stage, Some("workflow"), name)
                    .map_err(|refused| {
                        Fault::Rule(format!(
                            "workflow {name} could not set the stage: {refused}"
                        ))
                    })?;
            }
            Action::SetAttribute { name, value } => self.set_attribute(going, name, value),
            Action::Tag { add, remove } => {
                if let Some(state) = self.world.lead_mut(going.lead) {
                    let tags = &mut state.lead.tags;
                    tags.retain(|tag| !remove.contains(tag));
                    for tag in add {
                        if !tags.contains(tag) {
                            tags.push(tag.clone());
                        }
                    }
                }
            }
            Action::CreateTask(task) => self.create_task(tenant, going, here, task),
            Action::StartCall(call) => {
                let data = json!({"assistant": call.assistant, "about": call.about});
                let title = call.about.clone().unwrap_or_else(|| "Call the lead".into());
                self.order_work(tenant, going, here, WorkKind::Call, title, None, None, data);
            }
            Action::StartWorkflow(name) => self.start_other(tenant, going, name)?,
            Action::StopWorkflow(name) => self.stop_others(tenant, going, name),
            Action::End => {
                self.trod(going.lead, going.run, here);
                return Ok(Flow::Ended);
            }
        }
        Ok(Flow::Through)
    }

    fn say_once(
        &mut self,
        tenant: &Arc<Tenant>,
        going: Going<'_>,
        here: &str,
        send: &Send,
        attempt: u32,
    ) -> Result<(), Fault> {
        self.say(
            tenant,
            &Saying {
                lead: going.lead,
                run: going.run,
                workflow: going.workflow,
                step: here,
                send,
                attempt,
                list: None,
            },
        )
    }

    /// The instant a wait lasts until; `None` when it is over already, or can never come.
    fn until(&mut self, tenant: &Tenant, going: Going<'_>, wait: &Wait) -> Option<Timestamp> {
        let now = self.now;
        let until = match wait {
            Wait::For(length) => Some(now + signed(*length)),
            Wait::Until(at) => Some(*at),
            Wait::UntilDate(at) => Some(schedule::instant(*at, &tenant.zone)),
            Wait::UntilOpen => tenant.config.settings.next_open(now, &tenant.zone),
            Wait::UntilClock { at, of, on } => match of {
                Whose::Business => schedule::next_clock(now, *at, on, &tenant.zone),
                Whose::Recipient => {
                    let lead = self.world.lead(going.lead).map(|state| &state.lead);
                    let zones = super::super::gate::places_of_lead(tenant, lead).zones;
                    // Where the person may be in several places the hour has come in all of them.
                    let all = zones
                        .iter()
                        .filter_map(|(zone, _)| schedule::next_clock(now, *at, on, zone.rules()));
                    all.max()
                        .or_else(|| schedule::next_clock(now, *at, on, &tenant.zone))
                }
            },
            Wait::UntilField {
                field,
                before,
                after,
            } => {
                let value = self.value_at(going, field);
                let at = value
                    .as_ref()
                    .and_then(Value::as_str)
                    .and_then(|text| instant_in(text, tenant));
                let at = at.map(|at| match (before, after) {
                    (Some(length), _) => at - signed(*length),
                    (None, Some(length)) => at + signed(*length),
                    (None, None) => at,
                });
                if at.is_none() {
                    let why = format!("{field} holds no time to wait for");
                    let said = json!({"workflow": going.workflow.name, "why": why});
                    self.note(
                        tenant.id,
                        going.lead,
                        "step.skipped",
                        "workflow",
                        None,
                        said,
                    );
                }
                at
            }
        };
        until.filter(|until| *until > now)
    }

    /// When the business will have been open for so long from now on.
    pub(in super::super) fn after_open(&self, tenant: &Tenant, length: Duration) -> Timestamp {
        tenant
            .config
            .settings
            .after_open(self.now, length, &tenant.zone)
            .unwrap_or_else(|| self.now + signed(length))
    }

    /// The value of a field that a step names: of the event that began the run, of the lead, of the run.
    pub(in super::super) fn value_at(&self, going: Going<'_>, field: &str) -> Option<Value> {
        let run = self.run(going.lead, going.run)?;
        let lead = &self.world.lead(going.lead)?.lead;
        let found = if let Some(path) = field.strip_prefix("event.") {
            below(&run.data["event"], path)
        } else if let Some(path) = field.strip_prefix("lead.attributes.") {
            below(&lead.attributes, path)
        } else if let Some(path) = field.strip_prefix("run.") {
            below(&run.data, path)
        } else {
            let text = match field {
                "lead.first_name" => lead.first_name.as_ref(),
                "lead.last_name" => lead.last_name.as_ref(),
                "lead.email" => lead.email.as_ref(),
                "lead.phone" => lead.phone.as_ref(),
                "lead.source" => lead.source.as_ref(),
                "lead.city" => lead.city.as_ref(),
                "lead.state" => lead.state.as_ref(),
                "lead.zip" => lead.zip.as_ref(),
                "lead.country" => lead.country.as_ref(),
                _ => None,
            };
            return text.map(|text| json!(text));
        };
        found.filter(|value| !value.is_null()).cloned()
    }

    fn set_attribute(&mut self, going: Going<'_>, name: &str, value: &Source) {
        let value = match value {
            Source::Value(value) => Some(value.clone()),
            Source::Field(field) => self.value_at(going, field),
            Source::Add(more) => {
                let known = self.world.lead(going.lead);
                let before = known.and_then(|state| state.lead.attributes.get(name));
                Some(Value::Number(sum(before, more)))
            }
        };
        let Some(value) = value else { return };
        self.keep_attribute(going.lead, name, value);
    }

    pub(in super::super) fn keep_attribute(&mut self, lead: LeadId, name: &str, value: Value) {
        let now = self.now;
        if let Some(state) = self.world.lead_mut(lead)
            && state.lead.attributes.get(name) != Some(&value)
        {
            match &mut state.lead.attributes {
                Value::Object(known) => {
                    known.insert(name.to_owned(), value);
                }
                other => *other = json!({ name: value }),
            }
            state.lead.updated_at = now;
        }
    }

    fn split(
        &mut self,
        tenant: &Arc<Tenant>,
        going: Going<'_>,
        variants: &[Variant],
        here: &str,
    ) -> Result<Flow, Fault> {
        let Some(variant) = choose(variants, going.lead, &going.workflow.name, here) else {
            return Ok(Flow::Through);
        };
        let said = json!({"workflow": going.workflow.name, "step": here, "way": variant.name});
        self.note(
            tenant.id,
            going.lead,
            "workflow.split",
            "workflow",
            None,
            said,
        );
        if let Some(run) = self.run_mut(going.lead, going.run) {
            remember(&mut run.data, "ways", here, json!(variant.name));
        }
        let path = format!("{here}.{}.", variant.name);
        self.walk(tenant, going, &variant.steps, &path, 0)
    }

    /// An answer came. What is one is kept; what is none is asked again, and at last a person takes over.
    pub(super) fn answered(
        &mut self,
        tenant: &Arc<Tenant>,
        going: Going<'_>,
        ask: &Ask,
        here: &str,
        happening: &Happening<'_>,
        before: Option<Timestamp>,
    ) -> Result<Flow, Fault> {
        let read_as = happening.properties["read_as"].as_str();
        let wrote = happening.properties["body"].as_str().unwrap_or_default();
        let waits = [REPLY.to_owned()];
        if matches!(read_as, Some("stop" | "start" | "help")) {
            // STOP and the like are no answers; they have been heard elsewhere.
            let until = before.unwrap_or(self.now);
            self.pause(going.lead, going.run, here, &waits, until);
            return Ok(Flow::Waits);
        }
        let today = tenant.zone.to_datetime(self.now).date();
        let region = tenant.config.settings.region;
        if let Some(value) = ask.answer.read(wrote, region, today) {
            self.keep_attribute(going.lead, &ask.into, value.clone());
            if let Some(run) = self.run_mut(going.lead, going.run) {
                remember(&mut run.data, "answers", &ask.into, value);
            }
            let said = json!({"workflow": going.workflow.name, "question": ask.into});
            self.note(
                tenant.id,
                going.lead,
                "question.answered",
                "workflow",
                None,
                said,
            );
            return self.walk(tenant, going, &ask.then, &format!("{here}.then."), 0);
        }
        let tries = self
            .run(going.lead, going.run)
            .and_then(|run| run.data["tries"][here].as_u64())
            .unwrap_or(0)
            + 1;
        if tries <= u64::from(RETRIES) {
            if let Some(run) = self.run_mut(going.lead, going.run) {
                remember(&mut run.data, "tries", here, json!(tries));
            }
            let again = ask.again.as_ref().unwrap_or(&ask.question);
            let attempt = u32::try_from(tries).unwrap_or(RETRIES) + 1;
            self.say_once(tenant, going, here, again, attempt)?;
            let until = self.now + signed(ask.within);
            self.pause(going.lead, going.run, here, &waits, until);
            return Ok(Flow::Waits);
        }
        let title = format!(
            "Read the lead's answer: {} was asked for {} times",
            ask.answer.noun(),
            RETRIES + 1
        );
        let data = json!({"question": ask.into});
        self.order_work(tenant, going, here, WorkKind::Task, title, None, None, data);
        self.ring(going.lead);
        self.walk(
            tenant,
            going,
            &ask.otherwise,
            &format!("{here}.otherwise."),
            0,
        )
    }

    fn create_task(&mut self, tenant: &Arc<Tenant>, going: Going<'_>, here: &str, task: &Task) {
        let people = match &task.to {
            Some(to) => self.people(tenant, going.lead, to),
            None => self.people(tenant, going.lead, &Recipient::LeadOwner),
        };
        let due = task.due.map(|length| self.now + signed(length));
        let who = people.into_iter().next();
        let title = task.title.clone();
        self.order_work(
            tenant,
            going,
            here,
            WorkKind::Task,
            title,
            who,
            due,
            json!({}),
        );
    }

    /// Writes an order down that somebody else carries out: keyed by run, step and attempt, so that it is there once.
    #[expect(
        clippy::too_many_arguments,
        reason = "all columns of a row, each with its own meaning"
    )]
    fn order_work(
        &mut self,
        tenant: &Arc<Tenant>,
        going: Going<'_>,
        here: &str,
        kind: WorkKind,
        title: String,
        assignee: Option<String>,
        due_at: Option<Timestamp>,
        data: Value,
    ) {
        let id = WorkId::from_raw(self.ids.next(self.now));
        let key = format!("{}/{here}", going.run);
        let said = json!({"work": id, "title": title, "to": assignee});
        let event = match kind {
            WorkKind::Task => "task.created",
            WorkKind::Call => "call.ordered",
        };
        self.note(tenant.id, going.lead, event, "workflow", None, said);
        self.world.out.work.push(WorkRow {
            id,
            tenant: tenant.id,
            lead: going.lead,
            run: Some(going.run),
            key,
            kind,
            title,
            assignee,
            due_at,
            data,
            created_at: self.now,
        });
    }

    fn start_other(
        &mut self,
        tenant: &Arc<Tenant>,
        going: Going<'_>,
        name: &str,
    ) -> Result<(), Fault> {
        let config = Arc::clone(&tenant.config);
        let Some(workflow) = config.workflows.get(name) else {
            return Err(Fault::Rule(format!(
                "workflow {} starts {name}, which is not there",
                going.workflow.name
            )));
        };
        let Some((event, data)) = self.began(going.lead, going.run) else {
            return Ok(());
        };
        // The other one goes by the event that began this one.
        let story = data["event"].clone();
        let at = self.now;
        let happening = Happening {
            at: story["at"]
                .as_str()
                .and_then(|at| at.parse().ok())
                .unwrap_or(at),
            source: story["source"].as_str().unwrap_or("workflow"),
            form: story["form"].as_str(),
            ..Happening::new(
                event,
                story["type"].as_str().unwrap_or("workflow.started"),
                "workflow",
                at,
                &story["properties"],
            )
        };
        if self.may_start(tenant, going.lead, &happening, workflow) {
            self.start(tenant, going.lead, &happening, workflow)?;
        }
        Ok(())
    }

    fn stop_others(&mut self, tenant: &Tenant, going: Going<'_>, name: &str) {
        use super::super::world::RunState;
        let open: Vec<_> = self
            .world
            .lead(going.lead)
            .into_iter()
            .flat_map(|state| &state.runs)
            .filter(|run| {
                run.state == RunState::Open && run.workflow == name && run.id != going.run
            })
            .map(|run| run.id)
            .collect();
        let why = format!("workflow {} stopped it", going.workflow.name);
        for run in open {
            self.finish(tenant, going.lead, run, RunState::Stopped, &why);
        }
    }

    /// A digest collects: for a lead in the run of the first one, for staff in a job that all leads share.
    fn collect(
        &mut self,
        tenant: &Arc<Tenant>,
        going: Going<'_>,
        digest: &Digest,
        here: &str,
    ) -> Result<Flow, Fault> {
        use super::super::world::RunState;
        let Some(item) = self.item(tenant, going) else {
            return Ok(Flow::Through);
        };
        if digest.send.to != Recipient::Lead {
            self.collect_for_staff(tenant, going, digest, here, item);
            return Ok(Flow::Through);
        }
        let open = self.world.lead(going.lead).and_then(|state| {
            let mut runs = state.runs.iter();
            let first = runs.find(|run| {
                run.state == RunState::Open
                    && run.id != going.run
                    && run.workflow == going.workflow.name
                    && run.step.as_deref() == Some(here)
            });
            first.map(|run| run.id)
        });
        let collector = open.unwrap_or(going.run);
        let mut n = 0;
        if let Some(run) = self.run_mut(going.lead, collector) {
            n = push_item(&mut run.data["collected"], item);
        }
        let full = digest.count.is_some_and(|count| n >= count as usize);
        let now = self.now;
        match (open, full) {
            (None, true) => {
                self.say_digest(tenant, going, digest, here)?;
                Ok(Flow::Through)
            }
            (None, false) => {
                let until = self.now + signed(digest.collect);
                self.pause(going.lead, going.run, here, &[], until);
                Ok(Flow::Waits)
            }
            (Some(first), full) => {
                // The first one speaks for this one, which is done; once it is full it wakes at once.
                if full && let Some(run) = self.run_mut(going.lead, first) {
                    run.wake_at = Some(now);
                }
                Ok(Flow::Ended)
            }
        }
    }

    /// Says what a run collected.
    pub(super) fn say_digest(
        &mut self,
        tenant: &Arc<Tenant>,
        going: Going<'_>,
        digest: &Digest,
        here: &str,
    ) -> Result<(), Fault> {
        let list = self
            .run(going.lead, going.run)
            .map(|run| run.data["collected"].clone())
            .unwrap_or_default();
        self.say(
            tenant,
            &Saying {
                lead: going.lead,
                run: going.run,
                workflow: going.workflow,
                step: here,
                send: &digest.send,
                attempt: 1,
                list: Some(list),
            },
        )
    }

    /// One line of a digest.
    fn item(&self, tenant: &Tenant, going: Going<'_>) -> Option<Value> {
        let state = self.world.lead(going.lead)?;
        let run = self.run(going.lead, going.run)?;
        let lead = &state.lead;
        Some(json!({
            "lead": lead.id,
            "reference": tenant.references.write(lead.number),
            "name": lead.full_name(),
            "label": lead.tier,
            "event": run.data["event"]["type"],
            "at": run.data["event"]["at"],
            "properties": run.data["event"]["properties"],
        }))
    }
}

/// Adds a line; answers how many there are, those beyond the longest list counted.
pub(in super::super) fn push_item(list: &mut Value, item: Value) -> usize {
    if !list.is_array() {
        *list = json!([]);
    }
    let Value::Array(items) = list else { return 0 };
    if items.len() < LONGEST_LIST {
        items.push(item);
        return items.len();
    }
    // The last line counts the rest.
    let more = items
        .last()
        .and_then(|last| last["more"].as_u64())
        .unwrap_or(0)
        + 1;
    if more == 1 {
        items.pop();
        items.push(json!({"more": 2}));
    } else if let Some(last) = items.last_mut() {
        last["more"] = json!(more);
    }
    LONGEST_LIST - 1 + usize::try_from(more.max(2)).unwrap_or(usize::MAX)
}

fn remember(data: &mut Value, what: &str, key: &str, value: Value) {
    if !data[what].is_object() {
        data[what] = Value::Object(Map::new());
    }
    data[what][key] = value;
}

fn below<'v>(value: &'v Value, path: &str) -> Option<&'v Value> {
    path.split('.').try_fold(value, |value, part| match value {
        Value::Object(map) => map.get(part),
        Value::Array(items) => items.get(part.parse::<usize>().ok()?),
        _ => None,
    })
}

/// A number and so much more; whole as long as both are.
fn sum(before: Option<&Value>, more: &Number) -> Number {
    let before = before.and_then(|value| match value {
        Value::Number(number) => Some(number.clone()),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    });
    let before = before.unwrap_or_else(|| Number::from(0));
    let whole = before.as_i64().zip(more.as_i64());
    if let Some(sum) = whole.and_then(|(before, more)| before.checked_add(more)) {
        return Number::from(sum);
    }
    let parts = before.as_f64().zip(more.as_f64());
    parts
        .and_then(|(before, more)| Number::from_f64(before + more))
        .unwrap_or(before)
}

/// An instant as a sender wrote it; without an offset it is meant at the business's place.
fn instant_in(text: &str, tenant: &Tenant) -> Option<Timestamp> {
    text.parse::<Timestamp>().ok().or_else(|| {
        let local = text.parse::<jiff::civil::DateTime>().ok()?;
        Some(schedule::instant(local, &tenant.zone))
    })
}

/// The way of a lead, always the same for the same step.
fn choose<'v>(
    variants: &'v [Variant],
    lead: LeadId,
    workflow: &str,
    step: &str,
) -> Option<&'v Variant> {
    let mut hash = Sha256::new();
    hash.update(lead.raw().to_be_bytes());
    hash.update(workflow);
    hash.update([0]);
    hash.update(step);
    let digest = hash.finalize();
    let lot = u16::from_be_bytes([digest[0], digest[1]]) % 100;
    let mut upto = 0u16;
    variants.iter().find(|variant| {
        upto += u16::from(variant.percent);
        lot < upto
    })
}
