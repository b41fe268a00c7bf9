//! Workflows: what starts them, what they do step by step, in words beside their text (W1 to W5). Read only; files are edited in Settings.

use super::format::amount;
use super::settings::document;
use super::{Frame, Named, Page, PageError, PageResult, Session, html};
use crate::app::App;
use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::routing::get;
use ringback_core::config::{TenantConfig, Versioned, durations};
use ringback_core::messages::ChannelKind;
use ringback_core::turn::KillSwitch;
use ringback_core::workflows::{
    Action, By, Channels, Clock, Offset, Recipient, Reentry, Send, Source, Step, Trigger, Wait,
    Workflow,
};
use std::time::Duration;

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/t/{slug}/workflows", get(list))
        .route("/t/{slug}/workflows/{name}", get(one))
}

/// A workflow in the list.
#[derive(Debug)]
struct Row {
    name: String,
    href: String,
    label: String,
    trigger: String,
    product: String,
    steps: String,
    version: i64,
    stopped: bool,
}

#[derive(Template)]
#[template(path = "workflows/list.html")]
struct ListPage {
    frame: Frame,
    headline: String,
    rows: Vec<Row>,
    server: String,
}

/// A step with those inside it; rendered by itself, because steps nest.
#[derive(Debug, Template)]
#[template(path = "workflows/step.html")]
struct StepView {
    number: String,
    kind: &'static str,
    text: String,
    /// Name and address of the template.
    template: Option<(String, String)>,
    /// What holds, or it is passed over.
    when: String,
    then_word: &'static str,
    then: Vec<StepView>,
    otherwise_word: &'static str,
    otherwise: Vec<StepView>,
}

#[derive(Template)]
#[template(path = "workflows/one.html")]
struct OnePage {
    frame: Frame,
    name: String,
    label: String,
    version: i64,
    stopped: bool,
    trigger: String,
    when: String,
    reentry: String,
    product: String,
    steps: Vec<StepView>,
    path: String,
    edit: String,
    text: String,
}

async fn list(State(app): State<App>, session: Session) -> PageResult {
    let frame = Frame::load(&app, &session, Page::Workflows).await?;
    Ok(html(&list_page(
        frame,
        &session.home.tenant.config,
        &session.home.row.kill,
        &app.settings.public_url,
    )))
}

fn list_page(frame: Frame, config: &TenantConfig, kill: &[KillSwitch], server: &str) -> ListPage {
    let rows: Vec<Row> = config
        .workflows
        .values()
        .map(|workflow| Row {
            name: workflow.name.clone(),
            href: format!("{}/workflows/{}", frame.base, workflow.name),
            label: workflow.label.clone().unwrap_or_default(),
            trigger: trigger(&workflow.trigger, config),
            product: workflow.product.clone().unwrap_or_default(),
            steps: amount(
                i64::try_from(workflow.walk().len()).unwrap_or(i64::MAX),
                "step",
            ),
            version: workflow.version,
            stopped: stopped(kill, &workflow.name),
        })
        .collect();
    let off = rows.iter().filter(|row| row.stopped).count();
    let headline = match (rows.len(), off) {
        (0, _) => "No workflow runs".to_owned(),
        (n, 0) => format!(
            "{} run",
            amount(i64::try_from(n).unwrap_or(i64::MAX), "workflow")
        ),
        (n, off) => format!(
            "{} of {} run",
            n - off,
            amount(i64::try_from(n).unwrap_or(i64::MAX), "workflow")
        ),
    };
    ListPage {
        headline,
        rows,
        server: server.to_owned(),
        frame,
    }
}

fn stopped(kill: &[KillSwitch], name: &str) -> bool {
    kill.iter().any(|switch| {
        matches!(switch, KillSwitch::All)
            || matches!(switch, KillSwitch::Workflow(one) if one == name)
    })
}

async fn one(
    State(app): State<App>,
    session: Session,
    Named((_, name)): Named<(String, String)>,
) -> PageResult {
    let config = &session.home.tenant.config;
    let workflow = config.workflows.get(&name).ok_or(PageError::NotFound)?;
    let frame = Frame::load(&app, &session, Page::Workflows).await?;
    let text = document::read(
        &app,
        session.home.row.id,
        workflow.path.clone(),
        workflow.version,
    )
    .await?
    .unwrap_or_default();
    Ok(html(&one_page(
        frame,
        config,
        workflow,
        &session.home.row.kill,
        text,
    )))
}

fn one_page(
    frame: Frame,
    config: &TenantConfig,
    workflow: &Versioned<Workflow>,
    kill: &[KillSwitch],
    text: String,
) -> OnePage {
    OnePage {
        name: workflow.name.clone(),
        label: workflow.label.clone().unwrap_or_default(),
        version: workflow.version,
        stopped: stopped(kill, &workflow.name),
        trigger: trigger(&workflow.trigger, config),
        when: workflow
            .when
            .as_ref()
            .map(|when| when.describe())
            .unwrap_or_default(),
        reentry: reentry(workflow.reentry),
        product: workflow.product.clone().unwrap_or_default(),
        steps: steps(&workflow.steps, "", &frame.base),
        path: workflow.path.clone(),
        edit: if frame.admin {
            format!(
                "{}/settings/document?path={}",
                frame.base,
                super::format::query(&workflow.path)
            )
        } else {
            String::new()
        },
        text,
        frame,
    }
}

/// What starts a run, as a sentence without its end.
fn trigger(trigger: &Trigger, config: &TenantConfig) -> String {
    match trigger {
        Trigger::LeadCaptured { form: Some(form) } => format!("A lead comes in by the form {form}"),
        Trigger::LeadCaptured { form: None } => "A lead comes in".to_owned(),
        Trigger::Event { types } => format!("A lead does {}", types.join(" or ")),
        Trigger::TierEntered { model, tier } => {
            let found = config.models.get(model).and_then(|model| model.tier(tier));
            match found {
                Some(found) => format!(
                    "A score rises to {}, {} points of {model}",
                    found.title(),
                    found.from
                ),
                None => format!("A score rises to {tier} in {model}"),
            }
        }
        Trigger::StageChanged { product, to } => {
            let to = to.as_deref().map_or_else(
                || "another stage".to_owned(),
                |to| format!("the stage {to}"),
            );
            let product = product
                .as_deref()
                .map(|product| format!(" of {product}"))
                .unwrap_or_default();
            format!("A lead comes to {to}{product}")
        }
        Trigger::CallEnded { outcomes } if outcomes.is_empty() => "A call ends".to_owned(),
        Trigger::CallEnded { outcomes } => {
            let words: Vec<String> = outcomes
                .iter()
                .map(|one| one.as_str().replace('_', " "))
                .collect();
            format!("A call ends with {}", words.join(" or "))
        }
        Trigger::Appointment(Offset::Before(length)) => {
            format!("{} before an appointment", length_words(*length))
        }
        Trigger::Appointment(Offset::After(length)) => {
            format!("{} after an appointment", length_words(*length))
        }
        Trigger::Schedule(schedule) => format!("The time comes: {schedule}"),
        Trigger::Segment(segment) => {
            format!(
                "It becomes true for a lead that {}",
                segment.when.describe()
            )
        }
        Trigger::Manual => "A person or the API starts it".to_owned(),
    }
}

fn reentry(reentry: Reentry) -> String {
    match reentry {
        Reentry::Always => "Every time".to_owned(),
        Reentry::OncePerLead => "Once in a lead's life".to_owned(),
        Reentry::OncePerSession => "Once in a visit".to_owned(),
        Reentry::WhenDone => "Not while a run of it is under way".to_owned(),
        Reentry::After(length) => format!("Not before {} are over", length_words(length)),
    }
}

fn steps(all: &[Step], before: &str, base: &str) -> Vec<StepView> {
    all.iter()
        .enumerate()
        .map(|(at, step)| view(step, &format!("{before}{}", at + 1), base))
        .collect()
}

fn view(step: &Step, number: &str, base: &str) -> StepView {
    let inside = |steps_inside: &[Step]| steps(steps_inside, &format!("{number}."), base);
    let mut view = StepView {
        number: number.to_owned(),
        kind: "",
        text: String::new(),
        template: None,
        when: step
            .when
            .as_ref()
            .map(|when| when.describe())
            .unwrap_or_default(),
        then_word: "",
        then: Vec::new(),
        otherwise_word: "",
        otherwise: Vec::new(),
    };
    match &step.action {
        Action::Send(send) => {
            view.kind = "Send";
            view.text = said(send);
            view.template = Some((
                send.template.clone(),
                format!("{base}/templates/{}", send.template),
            ));
        }
        Action::Digest(digest) => {
            view.kind = "Collect";
            let full = digest
                .count
                .map(|count| format!(" or until there are {count}"))
                .unwrap_or_default();
            view.text = format!(
                "for {}{full}, then {}",
                length_words(digest.collect),
                said(&digest.send)
            );
            view.template = Some((
                digest.send.template.clone(),
                format!("{base}/templates/{}", digest.send.template),
            ));
        }
        Action::Ask(ask) => {
            view.kind = "Ask";
            view.text = format!(
                "for {}, up to {}, kept as {}",
                ask.answer.noun(),
                length_words(ask.within),
                ask.into
            );
            view.template = Some((
                ask.question.template.clone(),
                format!("{base}/templates/{}", ask.question.template),
            ));
            view.then_word = "With an answer";
            view.then = inside(&ask.then);
            view.otherwise_word = "Without one";
            view.otherwise = inside(&ask.otherwise);
        }
        Action::Wait(Wait::For(length)) => {
            view.kind = "Wait";
            view.text = length_words(*length);
        }
        Action::Wait(wait) => {
            view.kind = "Wait";
            view.text = wait.to_string();
        }
        Action::Split(variants) => {
            view.kind = "Split";
            let ways: Vec<String> = variants
                .iter()
                .map(|one| format!("{} for {} %", one.name, one.percent))
                .collect();
            view.text = format!("the leads: {}", ways.join(", "));
            let (first, others) = variants
                .split_first()
                .map_or((None, &[][..]), |(one, rest)| (Some(one), rest));
            view.then_word = "The first way";
            view.then = first.map_or_else(Vec::new, |one| inside(&one.steps));
            view.otherwise_word = "The others";
            view.otherwise = others.iter().flat_map(|one| inside(&one.steps)).collect();
        }
        Action::Escalate(levels) => {
            view.kind = "Escalate";
            view.text = "until somebody answers".to_owned();
            view.then_word = "Level by level";
            view.then = inside(levels);
        }
        Action::Assign(assign) => {
            view.kind = "Assign";
            view.text = match assign.by {
                _ if matches!(assign.among, Recipient::Staff(_)) => {
                    format!("the lead to {}", assign.among)
                }
                By::RoundRobin => format!("the lead in turn to {}", assign.among),
                By::LeastLoaded => format!("the lead to who has the fewest of {}", assign.among),
                By::Territory => format!("the lead by its place to one of {}", assign.among),
            };
        }
        Action::SetAttribute { name, value } => {
            view.kind = "Note";
            view.text = match value {
                Source::Value(value) => format!("{name}: {value}"),
                Source::Field(field) => format!("{name}: what {field} says"),
                Source::Add(more) => format!("{name}: {more} more than before"),
            };
        }
        Action::Tag { add, remove } => {
            view.kind = "Tag";
            let added = add.iter().map(|tag| format!("+{tag}"));
            let removed = remove.iter().map(|tag| format!("-{tag}"));
            view.text = added.chain(removed).collect::<Vec<_>>().join(" ");
        }
        Action::CreateTask(task) => {
            view.kind = "Task";
            view.text.clone_from(&task.title);
        }
        Action::StartCall(call) => {
            view.kind = "Call";
            view.text = match &call.about {
                Some(about) => format!("the lead about {about}"),
                None => "the lead".to_owned(),
            };
        }
        Action::StartWorkflow(name) => {
            view.kind = "Start";
            view.text = format!("the workflow {name}");
        }
        Action::StopWorkflow(name) => {
            view.kind = "Stop";
            view.text = format!("the workflow {name}");
        }
        Action::WaitFor {
            events,
            within,
            of,
            then,
            otherwise,
            ..
        } => {
            view.kind = "Wait";
            let words: Vec<String> = events.iter().map(|one| event_words(one)).collect();
            let open = match of {
                Clock::Always => "",
                Clock::BusinessHours => " of opening hours",
            };
            view.text = format!(
                "for {}, up to {}{open}",
                words.join(" or "),
                length_words(*within)
            );
            view.then_word = "When it comes";
            view.then = inside(then);
            view.otherwise_word = "When it does not";
            view.otherwise = inside(otherwise);
        }
        Action::Branch {
            when,
            then,
            otherwise,
        } => {
            view.kind = "If";
            view.text = when.describe();
            view.then_word = "Then";
            view.then = inside(then);
            view.otherwise_word = "Else";
            view.otherwise = inside(otherwise);
        }
        Action::SetStage { product, stage } => {
            view.kind = "Move";
            view.text = match product {
                Some(product) => format!("the lead to the stage {stage} of {product}"),
                None => format!("the lead to the stage {stage}"),
            };
        }
        Action::End => {
            view.kind = "End";
            view.text = "of the run".to_owned();
        }
    }
    view
}

/// `a text and a mail to the list emergency, at once`.
fn said(send: &Send) -> String {
    let words: Vec<&str> = send
        .channels
        .kinds()
        .iter()
        .map(|kind| channel_words(*kind))
        .collect();
    let (joined, how) = match &send.channels {
        Channels::All(_) => (join(&words, "and"), ""),
        Channels::First(_) if words.len() > 1 => (words.join(", else "), ", the first that works"),
        Channels::First(_) => (join(&words, "or"), ""),
        Channels::Preferred(_) => (join(&words, "or"), ", as they prefer, else the cheapest"),
    };
    let expires = send
        .expires
        .map(|length| format!(", no later than {} after", length_words(length)))
        .unwrap_or_default();
    let urgency = match send.priority {
        Some(priority) if priority != ringback_core::messages::Priority::Normal => {
            format!(", {priority}")
        }
        _ => String::new(),
    };
    format!("{joined} to {}{how}{urgency}{expires}", send.to)
}

fn join(words: &[&str], last_word: &str) -> String {
    match words {
        [] => String::new(),
        [one] => (*one).to_owned(),
        [most @ .., last] => format!("{} {last_word} {last}", most.join(", ")),
    }
}

const fn channel_words(kind: ChannelKind) -> &'static str {
    match kind {
        ChannelKind::Sms => "a text",
        ChannelKind::Email => "a mail",
        ChannelKind::Webhook => "a webhook",
    }
}

fn event_words(event: &str) -> String {
    match event {
        "lead.acknowledged" => "“I take this one”".to_owned(),
        other => other.to_owned(),
    }
}

fn length_words(length: Duration) -> String {
    jiff::SignedDuration::try_from(length).map_or_else(
        |_| durations::show(length),
        |length| {
            if length.is_zero() {
                "no time".to_owned()
            } else {
                super::format::words(length)
            }
        },
    )
}

#[cfg(test)]
mod tests {
    use super::super::settings::tests::frame;
    use super::super::tests::{HOSTILE, sound};
    use super::*;

    fn config(preset: &str) -> TenantConfig {
        crate::onboarding::check(&crate::presets::find(preset).unwrap().files).unwrap()
    }

    /// W1: the list says what starts each workflow.
    #[test]
    fn the_list_says_what_starts_each_workflow() {
        let text = list_page(
            frame(),
            &config("plumbing"),
            &[KillSwitch::Workflow("emergency-alert".into())],
            "https://x.example",
        )
        .render()
        .unwrap();
        sound(&text);
        assert!(
            text.contains("A score rises to Immediate, 80 points of intent"),
            "{text}"
        );
        assert!(
            text.contains("3 of 4 workflows run")
                && text.contains("/t/alder/workflows/emergency-alert")
        );
    }

    /// Every preset's workflow can be read as words, with its steps nested as they run.
    #[test]
    fn every_workflow_reads_as_words() {
        for preset in [
            "plumbing",
            "auto-glass",
            "saas-nurture",
            "real-estate-churn",
        ] {
            let config = config(preset);
            for workflow in config.workflows.values() {
                let text = one_page(frame(), &config, workflow, &[], "steps: []".into())
                    .render()
                    .unwrap();
                sound(&text);
                assert_eq!(text.matches("<ol").count(), text.matches("</ol>").count());
            }
        }
        let config = config("plumbing");
        let text = one_page(
            frame(),
            &config,
            &config.workflows["emergency-alert"],
            &[],
            String::new(),
        )
        .render()
        .unwrap();
        for words in [
            "a text and a mail to the list emergency, critical",
            "for “I take this one”, up to 5 min",
            "When it does not",
            "everybody with the role owner",
            "/t/alder/templates/escalation",
        ] {
            assert!(text.contains(words), "{words}: {text}");
        }
    }

    /// An empty house and hostile text are sound.
    #[test]
    fn empty_and_hostile_workflows_are_text() {
        let mut config = config("plumbing");
        let mut workflow = config.workflows["emergency-alert"].clone();
        workflow.item.label = Some(HOSTILE.into());
        workflow.item.trigger = Trigger::Event {
            types: vec![HOSTILE.into()],
        };
        sound(
            &one_page(frame(), &config, &workflow, &[], HOSTILE.into())
                .render()
                .unwrap(),
        );
        config.workflows.clear();
        sound(
            &list_page(frame(), &config, &[], "https://x.example")
                .render()
                .unwrap(),
        );
    }
}
