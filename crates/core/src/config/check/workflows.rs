//! `workflows/*.yaml`: every name exists, every step can be reached, everybody can be told (W1, W2, W6, C2).

use super::Findings;
use crate::conditions::Condition;
use crate::config::draft::{Draft, Read};
use crate::config::problem::did_you_mean;
use crate::messages::{Category, ChannelKind};
use crate::workflows::{
    Action, Ask, By, Clock, Recipient, Send, Skill, Source, Step, Trigger, Wait, Workflow,
};
use std::time::Duration;

/// The most steps of a workflow, those inside others included.
const MOST_STEPS: usize = 200;

/// Events that the server itself brings about; a name near to one of them is probably a slip.
const OWN_EVENTS: &[&str] = &[
    "lead.captured",
    "lead.updated",
    "lead.merged",
    "lead.acknowledged",
    "stage.changed",
    "tier.entered",
    "message.received",
    "lead.edited",
    "lead.assigned",
    "segment.entered",
    "schedule.due",
    "question.answered",
    "workflow.started",
    "churn.predicted",
    "appointment.requested",
    "appointment.confirmed",
    "appointment.moved",
    "appointment.cancelled",
    "call.ended",
];

pub(super) fn check(draft: &Draft, findings: &mut Findings) {
    for read in draft.workflows.values() {
        let Some(workflow) = &read.value else {
            continue;
        };
        if let Some(product) = &workflow.product {
            findings.known(
                read,
                "product",
                "product",
                product,
                draft.products.keys().map(String::as_str),
            );
        }
        trigger(draft, read, workflow, findings);
        if let Some(when) = &workflow.when {
            findings.condition(read, "when", when);
            no_visit(read, workflow, "when", when, findings);
        }
        for (list, ends) in [("goals", &workflow.goals), ("exits", &workflow.exits)] {
            for (at, until) in ends.iter().enumerate() {
                let place = format!("{list}/{at}");
                for kind in &until.events {
                    event(read, &place, kind, findings);
                }
                if let Some(when) = &until.when {
                    findings.condition(read, &format!("{place}/when"), when);
                }
            }
        }
        if workflow.steps.is_empty() {
            findings.at(
                read,
                "steps",
                "The workflow has no steps, so it would do nothing.",
            );
        }
        if workflow.walk().len() > MOST_STEPS {
            findings.at(
                read,
                "steps",
                format!("The workflow has more than {MOST_STEPS} steps."),
            );
        }
        let _ends = steps(draft, read, workflow, &workflow.steps, "steps", findings);
        supplied(draft, read, workflow, findings);
    }
    super::cycles::check(draft, findings);
    promised(draft, findings);
}

/// W7: a promise of a first response is watched by a workflow that waits as long, in opening hours, and does something when it is broken.
fn promised(draft: &Draft, findings: &mut Findings) {
    let Some(read) = &draft.settings else { return };
    let Some(promise) = read.value.as_ref().and_then(|settings| settings.promise) else {
        return;
    };
    let watches = |step: &Step| match &step.action {
        Action::WaitFor {
            events,
            within,
            of: Clock::BusinessHours,
            otherwise,
            ..
        } => {
            *within == promise.first_response
                && !otherwise.is_empty()
                && events.iter().any(|kind| kind == "lead.acknowledged")
        }
        _ => false,
    };
    let mut workflows = draft
        .workflows
        .values()
        .filter_map(|read| read.value.as_ref());
    if !workflows.any(|workflow| workflow.walk().into_iter().any(watches)) {
        let length = crate::config::durations::show(promise.first_response);
        findings.warn(
            read,
            "promise/first_response",
            "Nothing happens when the promise of a first response is broken.",
            format!(
                "Let a workflow `wait_for: {{ event: lead.acknowledged, within: {length}, of: business_hours }}`, and tell somebody `otherwise`."
            ),
        );
    }
}

/// Every variable of what is said has a value in this workflow (T1).
fn supplied(draft: &Draft, read: &Read<Workflow>, workflow: &Workflow, findings: &mut Findings) {
    let asked: Vec<&str> = workflow
        .walk()
        .into_iter()
        .filter_map(|step| match &step.action {
            Action::Ask(ask) => Some(ask.into.as_str()),
            _ => None,
        })
        .collect();
    let appointment = match &workflow.trigger {
        Trigger::Appointment(_) => true,
        Trigger::Event { types } => types.iter().all(|kind| kind.starts_with("appointment.")),
        _ => false,
    };
    let without_event = matches!(workflow.trigger, Trigger::Schedule(_) | Trigger::Segment(_));
    let product = workflow
        .product
        .as_deref()
        .or_else(|| draft.default_product());
    let no_score = product
        .and_then(|name| draft.products.get(name)?.value.as_ref())
        .is_some_and(|product| product.score_model.is_none());
    let mut told: Vec<(&str, &str)> = Vec::new();
    for (step, send) in workflow.sends() {
        let collects = matches!(step.action, Action::Digest(_));
        let templates = draft.templates.iter().filter(|(_, one)| {
            one.name == send.template && send.channels.kinds().contains(&one.channel)
        });
        for variable in templates.flat_map(|(_, template)| template.variables()) {
            let top = variable.split('.').next().unwrap_or_default();
            let why = match top {
                "appointment" if !appointment => {
                    "only a workflow with the trigger `appointment` knows one".to_owned()
                }
                "list" if !collects => "only a `digest` has a list".to_owned(),
                "score" if no_score => "the product has no `score_model`".to_owned(),
                "event" if without_event && variable.starts_with("event.properties.") => {
                    format!("the trigger `{}` brings no event", workflow.trigger.kind())
                }
                "run" => match variable.strip_prefix("run.") {
                    Some(name) if !asked.contains(&name) => {
                        "no `ask` of this workflow keeps it".to_owned()
                    }
                    _ => continue,
                },
                "lead" | "staff" if collects && send.to != Recipient::Lead && top == "lead" => {
                    "a digest speaks of several leads; it has `list`".to_owned()
                }
                _ => continue,
            };
            if told.contains(&(send.template.as_str(), variable)) {
                continue;
            }
            told.push((&send.template, variable));
            findings.at(
                read,
                "steps",
                format!(
                    "The template `{}` uses `{variable}`, which has no value here: {why}.",
                    send.template
                ),
            );
        }
    }
}

/// What starts by the clock or by a look at a lead has no event and no visit that a condition could ask about.
fn no_visit(
    read: &Read<Workflow>,
    workflow: &Workflow,
    place: &str,
    when: &Condition,
    findings: &mut Findings,
) {
    let what = match workflow.trigger {
        Trigger::Schedule(_) => "a schedule comes",
        Trigger::Segment(_) => "a segment is looked at",
        _ => return,
    };
    for field in when.fields() {
        let never = field.starts_with("event.properties.")
            || place != "when" && field.starts_with("event.");
        if never {
            findings.mended(
                read,
                place,
                format!("`{field}` is never there: when {what}, the lead does nothing."),
                "Ask about `lead.…`, such as lead.attributes, lead.stage or lead.tags.".to_owned(),
            );
        }
    }
}

fn trigger(draft: &Draft, read: &Read<Workflow>, workflow: &Workflow, findings: &mut Findings) {
    match &workflow.trigger {
        Trigger::LeadCaptured { form: Some(form) } => {
            let place = "trigger/lead_captured/form";
            let forms = draft.forms.keys().map(String::as_str);
            if findings.known(read, place, "form", form, forms)
                && let Some(form) = draft.forms.get(form).and_then(|form| form.value.as_ref())
            {
                foreign(
                    read,
                    place,
                    "form",
                    form.product.as_deref(),
                    workflow,
                    findings,
                );
            }
        }
        Trigger::LeadCaptured { form: None }
        | Trigger::Manual
        | Trigger::CallEnded { .. }
        | Trigger::Appointment(_) => {}
        Trigger::Schedule(schedule) => {
            // Any time will do: what never comes from now on never comes.
            let from = crate::time::from_micros(1_767_225_600_000_000);
            if schedule.next(from, &jiff::tz::TimeZone::UTC).is_none() {
                findings.at(
                    read,
                    "trigger/schedule",
                    format!("`{schedule}` never comes."),
                );
            }
        }
        Trigger::Segment(segment) => {
            let place = "trigger/segment/when";
            findings.condition(read, place, &segment.when);
            no_visit(read, workflow, place, &segment.when, findings);
        }
        Trigger::Event { types } => {
            for kind in types {
                event(read, "trigger/event", kind, findings);
            }
        }
        Trigger::TierEntered { model, tier } => {
            let place = "trigger/tier_entered/model";
            let models = draft.models.keys().map(String::as_str);
            if findings.known(read, place, "score model", model, models)
                && let Some(model) = draft
                    .models
                    .get(model)
                    .and_then(|model| model.value.as_ref())
            {
                let tiers: Vec<&str> = model.tiers.iter().map(|tier| tier.name.as_str()).collect();
                findings.known(read, "trigger/tier_entered/tier", "tier", tier, tiers);
                foreign(
                    read,
                    place,
                    "score model",
                    model.product.as_deref(),
                    workflow,
                    findings,
                );
            }
        }
        Trigger::StageChanged { product, to } => {
            let place = "trigger/stage_changed/product";
            if let Some(name) = product {
                let products = draft.products.keys().map(String::as_str);
                findings.known(read, place, "product", name, products);
                foreign(read, place, "pipeline", Some(name), workflow, findings);
            }
            if let Some(to) = to {
                stage(
                    draft,
                    read,
                    workflow,
                    product.as_deref(),
                    to,
                    "trigger/stage_changed/to",
                    findings,
                );
            }
        }
    }
}

/// W6: what belongs to one product does not act on another's.
fn foreign(
    read: &Read<Workflow>,
    place: &str,
    what: &str,
    owner: Option<&str>,
    workflow: &Workflow,
    findings: &mut Findings,
) {
    if let (Some(owner), Some(own)) = (owner, &workflow.product)
        && owner != own
    {
        findings.at(
            read,
            place,
            format!("This {what} belongs to the product `{owner}`, the workflow to `{own}` (W6)."),
        );
    }
}

fn event(read: &Read<Workflow>, place: &str, kind: &str, findings: &mut Findings) {
    if kind.trim().is_empty() || kind.chars().count() > 100 || kind.contains('|') {
        findings.at(
            read,
            place,
            "The type of an event has 1 to 100 characters, and no | among them.",
        );
        return;
    }
    let near = kind
        .contains('.')
        .then(|| did_you_mean(kind, OWN_EVENTS.iter().copied()))
        .flatten();
    if !OWN_EVENTS.contains(&kind)
        && let Some(mend) = near
    {
        findings.warn(
            read,
            place,
            format!("The server itself never brings about `{kind}`; somebody has to send it."),
            mend,
        );
    }
}

fn stage(
    draft: &Draft,
    read: &Read<Workflow>,
    workflow: &Workflow,
    product: Option<&str>,
    stage: &str,
    place: &str,
    findings: &mut Findings,
) {
    let of = product
        .or(workflow.product.as_deref())
        .or_else(|| draft.default_product());
    let Some(product) = of
        .and_then(|name| draft.products.get(name))
        .and_then(|read| read.value.as_ref())
    else {
        return;
    };
    let stages: Vec<&str> = product
        .stages
        .iter()
        .map(|stage| stage.name.as_str())
        .collect();
    findings.known(read, place, "stage", stage, stages);
}

/// Checks a list of steps. Answers whether nothing comes after it: every way through it ends the run.
fn steps(
    draft: &Draft,
    read: &Read<Workflow>,
    workflow: &Workflow,
    list: &[Step],
    nest: &str,
    findings: &mut Findings,
) -> bool {
    let mut over = "";
    for (at, step) in list.iter().enumerate() {
        let place = format!("{nest}/{at}");
        if !over.is_empty() {
            findings.at(read, &place, format!("Nothing comes here: {over}."));
            return true;
        }
        if let Some(when) = &step.when {
            findings.condition(read, &format!("{place}/when"), when);
        }
        let ends = one_step(draft, read, workflow, step, &place, findings);
        if ends && step.when.is_none() {
            over = match step.action.ways().len() {
                0 => "the step before it ends the run",
                2 => "both ways before it end the run",
                _ => "all ways before it end the run",
            };
        }
    }
    !over.is_empty()
}

/// Checks a step with what is inside it. Answers whether it ends the run whatever happens.
fn one_step(
    draft: &Draft,
    read: &Read<Workflow>,
    workflow: &Workflow,
    step: &Step,
    place: &str,
    findings: &mut Findings,
) -> bool {
    let at = |part: &str| format!("{place}/{part}");
    match &step.action {
        Action::Send(one) => send(draft, read, one, &at("send"), findings),
        Action::Digest(digest) => {
            send(draft, read, &digest.send, &at("digest"), findings);
            if digest.collect == Duration::ZERO {
                findings.at(
                    read,
                    &at("digest/collect"),
                    "A digest collects for some time; without any it is a `send`.",
                );
            }
        }
        Action::Ask(ask) => question(draft, read, ask, &at("ask"), findings),
        Action::Wait(wait) => match wait {
            Wait::For(length) if *length == Duration::ZERO => {
                findings.at(read, &at("wait"), "A wait of no time is none.");
            }
            Wait::UntilField { field, .. } => {
                known_field(read, &at("wait/until/field"), field, findings);
            }
            _ => {}
        },
        Action::WaitFor {
            events,
            filter,
            within,
            ..
        } => {
            for kind in events {
                event(read, &at("wait_for/event"), kind, findings);
            }
            if let Some(filter) = filter {
                findings.condition(read, &at("wait_for/where"), filter);
            }
            if *within == Duration::ZERO {
                findings.at(read, &at("wait_for/within"), "A wait of no time is none.");
            }
        }
        Action::Branch { when, .. } => findings.condition(read, &at("branch"), when),
        Action::Escalate(levels) => {
            for send in escalated(levels) {
                self::send(draft, read, send, &at("escalate"), findings);
            }
            return false;
        }
        Action::Split(_) => {}
        Action::Assign(assign) => {
            people(draft, read, &assign.among, &at("assign/among"), findings);
            if let (Some(Skill::Named(skill)), Some(staff)) = (&assign.skill, staff_of(draft)) {
                let skills: Vec<&str> = staff
                    .people
                    .iter()
                    .flat_map(|one| one.skills.iter().map(String::as_str))
                    .collect();
                findings.known(
                    read,
                    &at("assign/skill"),
                    "person with the skill",
                    skill,
                    skills,
                );
            }
            if let Some(Skill::Field(field)) = &assign.skill {
                known_field(read, &at("assign/skill/field"), field, findings);
            }
            if assign.by == By::Territory
                && staff_of(draft)
                    .is_some_and(|staff| staff.people.iter().all(|one| one.territory.is_none()))
            {
                findings.mended(
                    read,
                    &at("assign/by"),
                    "Nobody has a territory.",
                    "Write `territory: { zips: [802], states: [CO] }` at people in staff.yaml."
                        .to_owned(),
                );
            }
        }
        Action::SetStage { product, stage: to } => {
            if let Some(name) = product {
                let place = at("set_stage/product");
                let products = draft.products.keys().map(String::as_str);
                findings.known(read, &place, "product", name, products);
                foreign(read, &place, "pipeline", Some(name), workflow, findings);
            }
            stage(
                draft,
                read,
                workflow,
                product.as_deref(),
                to,
                &at("set_stage/stage"),
                findings,
            );
        }
        Action::SetAttribute { name, value } => {
            attribute_name(read, &at("set_attribute/name"), name, findings);
            if let Source::Field(field) = value {
                known_field(read, &at("set_attribute/from"), field, findings);
            }
        }
        Action::Tag { add, remove } => {
            let blank = |tag: &String| tag.trim().is_empty() || tag.chars().count() > 64;
            if add.is_empty() && remove.is_empty() || add.iter().chain(remove).any(blank) {
                findings.at(read, &at("tag"), "A tag has 1 to 64 characters.");
            }
        }
        Action::CreateTask(task) => {
            if task.title.trim().is_empty() || task.title.chars().count() > 200 {
                findings.at(
                    read,
                    &at("create_task/title"),
                    "A task has a title of 1 to 200 characters.",
                );
            }
            if let Some(to) = &task.to {
                people(draft, read, to, &at("create_task/to"), findings);
            }
        }
        Action::StartCall(_) => {}
        Action::StartWorkflow(name) => {
            other(draft, read, workflow, name, &at("start_workflow"), findings);
        }
        Action::StopWorkflow(name) => {
            other(draft, read, workflow, name, &at("stop_workflow"), findings);
        }
        Action::End => return true,
    }
    let ways = step.action.ways();
    let mut all_end = ways.len() > 1;
    for (name, inside) in ways {
        let nest = match &step.action {
            Action::Split(variants) => {
                let nth = variants.iter().position(|one| one.name == name);
                at(&format!("split/{}/steps", nth.unwrap_or(0)))
            }
            _ => at(name),
        };
        all_end &= steps(draft, read, workflow, inside, &nest, findings);
    }
    all_end
}

/// What an escalation says, level by level.
fn escalated(levels: &[Step]) -> Vec<&Send> {
    let mut said = Vec::new();
    let mut open: Vec<&Step> = levels.iter().rev().collect();
    while let Some(step) = open.pop() {
        if let Action::Send(send) = &step.action {
            said.push(send);
        }
        for (_, inside) in step.action.ways() {
            open.extend(inside.iter().rev());
        }
    }
    said
}

fn staff_of(draft: &Draft) -> Option<&crate::config::Staff> {
    draft.staff.as_ref()?.value.as_ref()
}

/// A workflow that is started or stopped: it exists, and is no other product's (W6).
fn other(
    draft: &Draft,
    read: &Read<Workflow>,
    workflow: &Workflow,
    name: &str,
    place: &str,
    findings: &mut Findings,
) {
    let names = draft.workflows.keys().map(String::as_str);
    if findings.known(read, place, "workflow", name, names)
        && let Some(other) = draft
            .workflows
            .get(name)
            .and_then(|read| read.value.as_ref())
    {
        let owner = other.product.as_deref();
        foreign(read, place, "workflow", owner, workflow, findings);
    }
}

/// A field that a step reads: one of the catalogue.
fn known_field(read: &Read<Workflow>, place: &str, field: &str, findings: &mut Findings) {
    let known = crate::conditions::catalogue();
    let fits = known.iter().any(|info| {
        info.path == field
            || info
                .path
                .strip_suffix('*')
                .is_some_and(|root| field.len() > root.len() && field.starts_with(root))
    });
    if !fits {
        let paths = known.iter().map(|info| info.path);
        findings.mended(
            read,
            place,
            format!("There is no field `{field}`."),
            did_you_mean(field, paths).or_else(|| {
                Some(
                    "Write one such as event.properties.start or lead.attributes.budget."
                        .to_owned(),
                )
            }),
        );
    }
}

fn attribute_name(read: &Read<Workflow>, place: &str, name: &str, findings: &mut Findings) {
    let plain = (1..=64).contains(&name.len())
        && name
            .bytes()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'_');
    if !plain {
        findings.at(
            read,
            place,
            format!("`{name}` is no name of an attribute: small letters, digits and _ are."),
        );
    }
}

fn question(draft: &Draft, read: &Read<Workflow>, ask: &Ask, place: &str, findings: &mut Findings) {
    send(draft, read, &ask.question, place, findings);
    if let Some(again) = &ask.again {
        send(draft, read, again, place, findings);
    }
    attribute_name(read, &format!("{place}/into"), &ask.into, findings);
    if ask.within == Duration::ZERO {
        findings.at(
            read,
            &format!("{place}/within"),
            "An answer needs some time to come.",
        );
    }
}

fn send(draft: &Draft, read: &Read<Workflow>, send: &Send, place: &str, findings: &mut Findings) {
    let at = |part: &str| format!("{place}/{part}");
    for channel in send.channels.kinds() {
        let exists = draft
            .template_files
            .iter()
            .any(|(name, kind)| *name == send.template && kind == channel);
        if !exists {
            let others = draft
                .template_files
                .iter()
                .filter(|(_, kind)| kind == channel)
                .map(|(name, _)| name.as_str());
            findings.mended(
                read,
                &at("template"),
                format!("There is no template `{}` for {channel}.", send.template),
                did_you_mean(&send.template, others).or_else(|| {
                    let ending = match channel {
                        ChannelKind::Sms => "sms.txt",
                        ChannelKind::Email => "email.mjml",
                        ChannelKind::Webhook => "webhook.json",
                    };
                    Some(format!("Write templates/{}.{ending}.", send.template))
                }),
            );
        }
    }
    categories(draft, read, send, place, findings);
    recipient(draft, read, send, place, findings);
    if send
        .expires
        .is_some_and(|length| length < Duration::from_secs(10))
    {
        findings.at(
            read,
            &at("expires"),
            "A message needs at least ten seconds to be sent.",
        );
    }
}

/// C2: the template fixes the category; a step may repeat it, and people and staff each have theirs.
fn categories(
    draft: &Draft,
    read: &Read<Workflow>,
    send: &Send,
    place: &str,
    findings: &mut Findings,
) {
    let of_template = draft.templates.iter().filter(|(_, one)| {
        one.name == send.template && send.channels.kinds().contains(&one.channel)
    });
    let mut fixed: Option<Category> = None;
    for (path, template) in of_template {
        if let Some(said) = send.category
            && said != template.category
        {
            findings.at(
                read,
                &format!("{place}/category"),
                format!(
                    "The step says `{said}`, but {path} says `{}`: the template's category counts.",
                    template.category
                ),
            );
        }
        fixed = fixed.or(Some(template.category));
    }
    let Some(category) = fixed else { return };
    let to_lead = send.to == Recipient::Lead;
    if to_lead && category == Category::Staff {
        findings.at(
            read,
            &format!("{place}/to"),
            format!(
                "`{}` is a staff alert; a lead must never read it (C2).",
                send.template
            ),
        );
    }
    if !to_lead && category != Category::Staff {
        findings.mended(
            read,
            &format!("{place}/to"),
            format!(
                "`{}` is {category}, but goes to {} (C2).",
                send.template, send.to
            ),
            "What staff hear has `category: staff`.".to_owned(),
        );
    }
}

fn recipient(
    draft: &Draft,
    read: &Read<Workflow>,
    send: &Send,
    place: &str,
    findings: &mut Findings,
) {
    if send.to == Recipient::Lead {
        return;
    }
    if !people(draft, read, &send.to, &format!("{place}/to"), findings)
        || matches!(send.to, Recipient::Hook(_))
    {
        return;
    }
    let Some(staff) = staff_of(draft) else { return };
    let members = match &send.to {
        // Who that is, is known when it happens; anybody may be.
        Recipient::LeadOwner | Recipient::Manager | Recipient::OthersAlerted => {
            staff.people.iter().collect()
        }
        to => staff.of(to),
    };
    reached(read, send, &members, place, findings);
}

/// Whether a recipient stands for somebody.
fn people(
    draft: &Draft,
    read: &Read<Workflow>,
    to: &Recipient,
    place: &str,
    findings: &mut Findings,
) -> bool {
    let staff = match &draft.staff {
        None => {
            findings.mended(
                read,
                place,
                format!("There is no staff.yaml, so {to} is nobody."),
                "Write staff.yaml with `people`, `lists` and `hooks`.".to_owned(),
            );
            return false;
        }
        Some(staff) => match &staff.value {
            Some(staff) => staff,
            None => return false,
        },
    };
    let people = || staff.people.iter().map(|one| one.name.as_str());
    match to {
        Recipient::Lead | Recipient::LeadOwner | Recipient::OthersAlerted => true,
        Recipient::Manager => {
            let some = staff.people.iter().any(|one| one.manager.is_some());
            if !some {
                findings.mended(
                    read,
                    place,
                    "Nobody has a manager.",
                    "Write `manager: NAME` at people in staff.yaml.".to_owned(),
                );
            }
            some
        }
        Recipient::List(name) => {
            let lists = staff.lists.keys().map(String::as_str);
            findings.known(read, &format!("{place}/list"), "list", name, lists)
        }
        Recipient::Role(name) => {
            let place = format!("{place}/role");
            findings.known(read, &place, "person with the role", name, staff.roles())
        }
        Recipient::Staff(name) => {
            findings.known(read, &format!("{place}/staff"), "person", name, people())
        }
        Recipient::Hook(name) => {
            let hooks = staff.hooks.iter().map(|hook| hook.name.as_str());
            findings.known(read, &format!("{place}/hook"), "hook", name, hooks)
        }
        Recipient::OnCall => {
            let some = staff.on_call.is_some() || staff.rota.is_some();
            if !some {
                findings.mended(
                    read,
                    place,
                    "Nobody is on call.",
                    "Write `on_call: NAME` in staff.yaml.".to_owned(),
                );
            }
            some
        }
    }
}

/// Somebody of them can be reached on each channel.
fn reached(
    read: &Read<Workflow>,
    send: &Send,
    members: &[&crate::config::StaffMember],
    place: &str,
    findings: &mut Findings,
) {
    let reached = |channel: ChannelKind| {
        members.iter().any(|one| match channel {
            ChannelKind::Sms => one.phone.is_some(),
            ChannelKind::Email => one.email.is_some(),
            ChannelKind::Webhook => false,
        })
    };
    for channel in send.channels.kinds() {
        if !reached(*channel) {
            let missing = if *channel == ChannelKind::Sms {
                "phone number"
            } else {
                "email address"
            };
            findings.mended(
                read,
                &format!("{place}/to"),
                format!(
                    "Nobody hears this by {channel}: no {missing} is known for {}.",
                    send.to
                ),
                "Add it in staff.yaml, or take the channel away.".to_owned(),
            );
        }
    }
}
