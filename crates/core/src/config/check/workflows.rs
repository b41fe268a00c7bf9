//! `workflows/*.yaml`: every name exists, every step can be reached, everybody can be told (W1, W2, W6, C2).

use super::Findings;
use crate::config::draft::{Draft, Read};
use crate::config::problem::did_you_mean;
use crate::messages::{Category, ChannelKind};
use crate::workflows::{Action, Recipient, Send, Step, Trigger, Workflow};
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
    "message.delivered",
    "message.failed",
    "message.replied",
    "message.clicked",
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
        steps(draft, read, workflow, &workflow.steps, "steps", findings);
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
        Trigger::LeadCaptured { form: None } | Trigger::Manual => {}
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
    if kind.trim().is_empty() || kind.chars().count() > 100 {
        findings.at(read, place, "The type of an event has 1 to 100 characters.");
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

fn steps(
    draft: &Draft,
    read: &Read<Workflow>,
    workflow: &Workflow,
    list: &[Step],
    nest: &str,
    findings: &mut Findings,
) {
    let ends = list
        .iter()
        .position(|step| matches!(step.action, Action::End) && step.when.is_none());
    if let Some(at) = ends
        && at + 1 < list.len()
    {
        findings.at(
            read,
            &format!("{nest}/{}", at + 1),
            "Nothing comes here: the step before it ends the run.",
        );
    }
    for (at, step) in list.iter().enumerate() {
        let place = format!("{nest}/{at}");
        if let Some(when) = &step.when {
            findings.condition(read, &format!("{place}/when"), when);
        }
        match &step.action {
            Action::Send(one) => send(draft, read, one, &format!("{place}/send"), findings),
            Action::Wait(length) if *length == Duration::ZERO => {
                findings.at(read, &format!("{place}/wait"), "A wait of no time is none.");
            }
            Action::Wait(_) | Action::End => {}
            Action::WaitFor {
                event: kind,
                within,
                then,
                otherwise,
            } => {
                event(read, &format!("{place}/wait_for/event"), kind, findings);
                if *within == Duration::ZERO {
                    findings.at(
                        read,
                        &format!("{place}/wait_for/within"),
                        "A wait of no time is none.",
                    );
                }
                steps(
                    draft,
                    read,
                    workflow,
                    then,
                    &format!("{place}/then"),
                    findings,
                );
                steps(
                    draft,
                    read,
                    workflow,
                    otherwise,
                    &format!("{place}/otherwise"),
                    findings,
                );
                unreachable_after(read, then, otherwise, at, list, nest, findings);
            }
            Action::Branch {
                when,
                then,
                otherwise,
            } => {
                findings.condition(read, &format!("{place}/branch"), when);
                steps(
                    draft,
                    read,
                    workflow,
                    then,
                    &format!("{place}/then"),
                    findings,
                );
                steps(
                    draft,
                    read,
                    workflow,
                    otherwise,
                    &format!("{place}/otherwise"),
                    findings,
                );
                unreachable_after(read, then, otherwise, at, list, nest, findings);
            }
            Action::SetStage { product, stage: to } => {
                if let Some(name) = product {
                    let place = format!("{place}/set_stage/product");
                    let products = draft.products.keys().map(String::as_str);
                    findings.known(read, &place, "product", name, products);
                    foreign(read, &place, "pipeline", Some(name), workflow, findings);
                }
                let place = format!("{place}/set_stage/stage");
                stage(
                    draft,
                    read,
                    workflow,
                    product.as_deref(),
                    to,
                    &place,
                    findings,
                );
            }
        }
    }
}

/// When both ways end the run, nothing after the fork is reached.
fn unreachable_after(
    read: &Read<Workflow>,
    then: &[Step],
    otherwise: &[Step],
    at: usize,
    list: &[Step],
    nest: &str,
    findings: &mut Findings,
) {
    let ends = |way: &[Step]| {
        way.last()
            .is_some_and(|step| matches!(step.action, Action::End) && step.when.is_none())
    };
    if ends(then) && ends(otherwise) && list[at].when.is_none() && at + 1 < list.len() {
        findings.at(
            read,
            &format!("{nest}/{}", at + 1),
            "Nothing comes here: both ways before it end the run.",
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
    let staff = match &draft.staff {
        None => {
            findings.mended(
                read,
                &format!("{place}/to"),
                format!("There is no staff.yaml, so {} is nobody.", send.to),
                "Write staff.yaml with `people`, `lists` and `hooks`.".to_owned(),
            );
            return;
        }
        Some(staff) => match &staff.value {
            Some(staff) => staff,
            None => return,
        },
    };
    let people = || staff.people.iter().map(|one| one.name.as_str());
    let exists = match &send.to {
        Recipient::Lead => true,
        Recipient::List(name) => {
            let lists = staff.lists.keys().map(String::as_str);
            findings.known(read, &format!("{place}/to/list"), "list", name, lists)
        }
        Recipient::Role(name) => {
            let place = format!("{place}/to/role");
            findings.known(read, &place, "person with the role", name, staff.roles())
        }
        Recipient::Staff(name) => {
            findings.known(read, &format!("{place}/to/staff"), "person", name, people())
        }
        Recipient::Hook(name) => {
            let hooks = staff.hooks.iter().map(|hook| hook.name.as_str());
            findings.known(read, &format!("{place}/to/hook"), "hook", name, hooks)
        }
        Recipient::OnCall => {
            if staff.on_call.is_none() {
                findings.mended(
                    read,
                    &format!("{place}/to"),
                    "Nobody is on call.",
                    "Write `on_call: NAME` in staff.yaml.".to_owned(),
                );
            }
            staff.on_call.is_some()
        }
    };
    if !exists || matches!(send.to, Recipient::Hook(_)) {
        return;
    }
    let members = staff.of(&send.to);
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
