//! Workflows: what starts them, where their runs are, what they do step by step, their versions and their draft (W1 to W5).

mod diagram;
mod edit;
mod moving;
mod publish;
mod versions;

use super::format::{Local, amount, number};
use super::settings::document;
use super::{Frame, Named, Page, PageError, PageResult, Session, html, people};
use crate::app::App;
use crate::workflows::figures::{MOST_OPEN, count, stopped, trails};
use askama::Template;
use axum::Router;
use axum::extract::{Query, State};
use axum::routing::get;
use diagram::Diagram;
use ringback_core::config::{TenantConfig, Versioned, durations};
use ringback_core::leads::Lead;
use ringback_core::messages::ChannelKind;
use ringback_core::time::Timestamp;
use ringback_core::turn::KillSwitch;
use ringback_core::turn::world::Run;
use ringback_core::workflows::{
    Action, By, Channels, Clock, Offset, Recipient, Reentry, Send, Source, Step, Trigger, Wait,
    Workflow,
};
use ringback_store::House as _;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/t/{slug}/workflows", get(list))
        .route("/t/{slug}/workflows/{name}", get(one))
        .merge(edit::routes())
        .merge(versions::routes())
        .merge(moving::routes())
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
    /// Runs under way, in words; empty when there are none.
    open: String,
    runs: String,
    draft: bool,
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
    /// The path to it in the document.
    id: String,
    /// How many came, wait and left here.
    figures: String,
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

/// A run in the list beside the diagram.
#[derive(Debug)]
struct RunRow {
    at: String,
    machine: String,
    name: String,
    href: String,
    class: &'static str,
    symbol: &'static str,
    state: String,
}

/// A stretch of time for the figures.
#[derive(Debug)]
struct Range {
    days: u16,
    label: &'static str,
    chosen: bool,
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
    diagram: Diagram,
    ranges: Vec<Range>,
    /// What is to be said of the figures: other versions, or that nothing began.
    about: String,
    steps: Vec<StepView>,
    runs: Vec<RunRow>,
    path: String,
    /// Somebody wrote another text of it: how it differs.
    draft: String,
    text: String,
}

/// What the page of one is made of.
#[derive(Default)]
struct Known {
    trails: Vec<ringback_store::TrailView>,
    runs: Vec<(Run, Option<Lead>)>,
    draft: Option<String>,
    text: String,
    days: u16,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Asked {
    range: String,
}

const RANGES: [(u16, &str); 4] = [
    (1, "24 hours"),
    (7, "7 days"),
    (30, "30 days"),
    (90, "90 days"),
];
/// Runs beside the diagram.
const NEWEST: u32 = 8;

async fn list(State(app): State<App>, session: Session) -> PageResult {
    let frame = Frame::load(&app, &session, Page::Workflows).await?;
    let tenant = session.home.row.id;
    let names: Vec<String> = session
        .home
        .tenant
        .config
        .workflows
        .keys()
        .cloned()
        .collect();
    let (open, drafts) = app
        .ask(move |store| {
            let mut open = BTreeMap::new();
            for name in names {
                let runs = store.open_runs(tenant, &name, MOST_OPEN)?;
                open.insert(name, runs.iter().map(|one| one.n).sum::<i64>());
            }
            let drafts = store.drafts(tenant)?.into_iter().map(|draft| draft.path);
            Ok((open, drafts.collect::<BTreeSet<String>>()))
        })
        .await?;
    Ok(html(&list_page(
        frame,
        &session.home.tenant.config,
        &session.home.row.kill,
        &app.settings.public_url,
        (&open, &drafts),
    )))
}

fn list_page(
    frame: Frame,
    config: &TenantConfig,
    kill: &[KillSwitch],
    server: &str,
    (open, drafts): (&BTreeMap<String, i64>, &BTreeSet<String>),
) -> ListPage {
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
            open: match open.get(&workflow.name).copied().unwrap_or(0) {
                0 => String::new(),
                n if n >= i64::from(MOST_OPEN) => format!("{}+", number(n)),
                n => number(n),
            },
            runs: format!("{}/runs?workflow={}&state=open", frame.base, workflow.name),
            draft: drafts.contains(&workflow.path),
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

async fn one(
    State(app): State<App>,
    session: Session,
    Named((_, name)): Named<(String, String)>,
    Query(asked): Query<Asked>,
) -> PageResult {
    let config = &session.home.tenant.config;
    let workflow = config.workflows.get(&name).ok_or(PageError::NotFound)?;
    let frame = Frame::load(&app, &session, Page::Workflows).await?;
    let days = RANGES
        .iter()
        .find(|(days, _)| asked.range == days.to_string());
    let days = days.map_or(30, |(days, _)| *days);
    let tenant = session.home.row.id;
    let text = document::read(&app, tenant, workflow.path.clone(), workflow.version)
        .await?
        .unwrap_or_default();
    let (_, trails) = trails(&app, &session.home, &name, days).await?;
    let path = workflow.path.clone();
    let (runs, draft) = app
        .ask(move |store| {
            let mut runs = Vec::new();
            for run in store.runs_of(tenant, &[name], None, None, NEWEST)? {
                let lead = store.lead(tenant, run.lead)?;
                runs.push((run, lead));
            }
            let drafts = store.drafts(tenant)?.into_iter();
            let draft = drafts
                .filter(|one| one.path == path)
                .find_map(|one| one.text);
            Ok((runs, draft))
        })
        .await?;
    let known = Known {
        trails,
        runs,
        draft,
        text,
        days,
    };
    Ok(html(&one_page(
        frame,
        &session.home.tenant,
        workflow,
        known,
        app.now(),
    )))
}

fn one_page(
    frame: Frame,
    tenant: &ringback_core::turn::Tenant,
    workflow: &Versioned<Workflow>,
    known: Known,
    now: Timestamp,
) -> OnePage {
    let config = &tenant.config;
    let local = Local::new(tenant.zone.clone(), config.settings.region.as_str(), "");
    let (figures, others) = count(workflow, workflow.version, &known.trails);
    let mut steps = steps(&workflow.steps, "", &frame.base);
    let diagram = diagram::draw(workflow, &figures, &steps);
    if figures.runs > 0 {
        tell(&mut steps, &figures);
    }
    let about = match (figures.runs, others) {
        (0, 0) => "No run began in this time.".to_owned(),
        (0, others) => format!(
            "No run of version {} began in this time, {} of earlier ones did.",
            workflow.version,
            number(i64::try_from(others).unwrap_or(i64::MAX))
        ),
        (_, 0) => String::new(),
        (_, others) => format!(
            "Beside these, {} went by earlier versions.",
            amount(i64::try_from(others).unwrap_or(i64::MAX), "run")
        ),
    };
    let runs = known
        .runs
        .iter()
        .map(|(run, lead)| run_row(tenant, &frame.base, &local, run, lead.as_ref(), now))
        .collect();
    let draft = known.draft.map(|draft| {
        let (gone, new) = crate::configuration::diff::count(&crate::configuration::diff::lines(
            &known.text,
            &draft,
        ));
        let lines = |n: usize| amount(i64::try_from(n).unwrap_or(i64::MAX), "line");
        match (gone, new) {
            (0, 0) => String::new(),
            (0, new) => format!("A draft has {} more.", lines(new)),
            (gone, 0) => format!("A draft has {} less.", lines(gone)),
            (gone, new) => format!(
                "A draft differs: {} of it in place of {}.",
                lines(new),
                lines(gone)
            ),
        }
    });
    OnePage {
        name: workflow.name.clone(),
        label: workflow.label.clone().unwrap_or_default(),
        version: workflow.version,
        stopped: stopped(&tenant.kill, &workflow.name),
        trigger: trigger(&workflow.trigger, config),
        when: workflow
            .when
            .as_ref()
            .map(|when| when.describe())
            .unwrap_or_default(),
        reentry: reentry(workflow.reentry),
        product: workflow.product.clone().unwrap_or_default(),
        diagram,
        ranges: RANGES
            .iter()
            .map(|(days, label)| Range {
                days: *days,
                label,
                chosen: *days == known.days,
            })
            .collect(),
        about,
        steps,
        runs,
        path: workflow.path.clone(),
        draft: draft.unwrap_or_default(),
        text: known.text,
        frame,
    }
}

/// Says at each step how many came, wait there and ended there.
fn tell(steps: &mut [StepView], figures: &ringback_core::workflows::Figures<'_>) {
    for step in steps {
        let passed = figures.steps.get(&step.id).copied().unwrap_or_default();
        let words = |n: u64, word: &str| {
            (n > 0).then(|| format!("{} {word}", number(i64::try_from(n).unwrap_or(i64::MAX))))
        };
        let parts = [
            Some(words(passed.reached, "came").unwrap_or_else(|| "nobody came".to_owned())),
            words(
                passed.here,
                if passed.here == 1 {
                    "waits now"
                } else {
                    "wait now"
                },
            ),
            words(passed.left, "ended here"),
        ];
        step.figures = parts.into_iter().flatten().collect::<Vec<_>>().join(", ");
        tell(&mut step.then, figures);
        tell(&mut step.otherwise, figures);
    }
}

fn run_row(
    tenant: &ringback_core::turn::Tenant,
    base: &str,
    local: &Local,
    run: &Run,
    lead: Option<&Lead>,
    now: Timestamp,
) -> RunRow {
    let (class, symbol, state) = super::runs::standing(tenant, run, local, now);
    RunRow {
        at: local.when(run.created_at, now),
        machine: Local::machine(run.created_at),
        name: lead.map_or_else(
            || "A lead that was deleted".to_owned(),
            |lead| people::name(tenant, lead),
        ),
        href: format!("{base}/runs/{}", run.id),
        class,
        symbol,
        state,
    }
}

/// Every step with those inside it, in order.
fn flat(steps: &[StepView]) -> Vec<&StepView> {
    let mut all = Vec::new();
    for step in steps {
        all.push(step);
        all.extend(flat(&step.then));
        all.extend(flat(&step.otherwise));
    }
    all
}

/// A step in words: `Wait`, `for “I take this one”, up to 5 min`. None where the workflow has no such step.
pub(super) fn step_words(workflow: &Workflow, id: &str) -> Option<(&'static str, String)> {
    let view = view(workflow.step(id)?, "", "");
    Some((view.kind, view.text))
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
        id: step.id.clone(),
        figures: String::new(),
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

pub(super) fn event_words(event: &str) -> String {
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

    fn tenant(config: TenantConfig) -> ringback_core::turn::Tenant {
        ringback_core::turn::rehearsal::tenant_of(1, std::sync::Arc::new(config))
    }

    fn now() -> Timestamp {
        super::super::settings::tests::now()
    }

    fn shown(preset: &str, name: &str, known: Known) -> String {
        let tenant = tenant(config(preset));
        let workflow = &tenant.config.workflows[name];
        let page = one_page(frame(), &tenant, workflow, known, now());
        page.render().unwrap()
    }

    /// W1: the list says what starts each workflow, and how many runs are under way.
    #[test]
    fn the_list_says_what_starts_each_workflow() {
        let open = BTreeMap::from([("emergency-alert".to_owned(), 3)]);
        let drafts = BTreeSet::from(["workflows/standard-alert.yaml".to_owned()]);
        let text = list_page(
            frame(),
            &config("plumbing"),
            &[KillSwitch::Workflow("emergency-alert".into())],
            "https://x.example",
            (&open, &drafts),
        )
        .render()
        .unwrap();
        sound(&text);
        for words in [
            "A score rises to Immediate, 80 points of intent",
            "3 of 4 workflows run",
            "/t/alder/workflows/emergency-alert",
            "/t/alder/runs?workflow=emergency-alert&#38;state=open",
            "draft",
        ] {
            assert!(text.contains(words), "{words}: {text}");
        }
    }

    /// Every preset's workflow can be read as words and seen as a drawing, with its steps nested as they run.
    #[test]
    fn every_workflow_reads_as_words() {
        for preset in [
            "plumbing",
            "auto-glass",
            "saas-nurture",
            "real-estate-churn",
        ] {
            for name in config(preset).workflows.keys() {
                let text = shown(preset, name, Known::default());
                sound(&text);
                assert_eq!(text.matches("<ol").count(), text.matches("</ol>").count());
                assert!(text.contains("No run began in this time."), "{name}");
            }
        }
        let text = shown("plumbing", "emergency-alert", Known::default());
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

    /// U: the drawing and the steps have the same figures, and the line gets thinner as people are answered.
    #[test]
    fn figures_stand_at_the_steps_and_in_the_drawing() {
        let trail = |places: &str, open| ringback_store::TrailView {
            version: 1,
            open,
            trail: places.split(' ').map(str::to_owned).collect(),
        };
        let mut trails = vec![trail("1 1.then through", false); 8];
        trails.push(trail("1", true));
        trails.push(trail("1 1.otherwise through", false));
        trails.push(ringback_store::TrailView {
            version: 9,
            ..trail("7", true)
        });
        let known = Known {
            trails,
            draft: Some("name: other\n".into()),
            text: "name: one\n".into(),
            days: 30,
            ..Known::default()
        };
        let text = shown("plumbing", "emergency-alert", known);
        sound(&text);
        for words in [
            "10 runs began, 9 went to the end, 1 wait now.",
            "10 came, 1 waits now",
            "1 came",
            "8 answered",
            "stroke-width=\"20\"",
            "stroke-width=\"3.8\"",
            "Beside these, 1 run went by earlier versions.",
            "A draft differs: 1 line of it in place of 1 line.",
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
        config.workflows.clear();
        let empty = (&BTreeMap::new(), &BTreeSet::new());
        let list = list_page(frame(), &config, &[], "https://x.example", empty);
        sound(&list.render().unwrap());
        let known = Known {
            text: HOSTILE.into(),
            ..Known::default()
        };
        let tenant = tenant(config);
        sound(
            &one_page(frame(), &tenant, &workflow, known, now())
                .render()
                .unwrap(),
        );
    }
}
