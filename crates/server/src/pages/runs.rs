//! Runs: where each lead is in a workflow, why it waits there, until when; stopping one (U, W3).

use super::format::{Local, number, query};
use super::frame::{Frame, Page};
use super::{Named, PageError, PageResult, Session, html, people, see_other_with, workflows};
use crate::app::App;
use crate::workflows::runs::{find, names, read_state};
use askama::Template;
use axum::Router;
use axum::extract::{Query, State};
use axum::routing::{get, post};
use ringback_core::ids::RunId;
use ringback_core::leads::Lead;
use ringback_core::messages::Message;
use ringback_core::time::Timestamp;
use ringback_core::turn::world::{Run, RunState};
use ringback_core::turn::{Answer, Intake, Tenant};
use ringback_core::workflows::{THROUGH, TRAIL};
use serde::Deserialize;

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/t/{slug}/runs", get(list))
        .route("/t/{slug}/runs/{id}", get(one))
        .route("/t/{slug}/runs/{id}/stop", post(stop))
}

const ROWS: u32 = 50;

#[derive(Debug, Default, Clone, Deserialize)]
#[serde(default)]
struct Asked {
    workflow: String,
    state: String,
    after: String,
}

#[derive(Debug)]
struct Choice {
    value: String,
    label: String,
    chosen: bool,
}

#[derive(Debug)]
struct Row {
    href: String,
    name: String,
    workflow: String,
    version: i64,
    class: &'static str,
    symbol: &'static str,
    state: String,
    place: String,
    began: String,
    machine: String,
}

#[derive(Template)]
#[template(path = "runs/list.html")]
struct List {
    frame: Frame,
    headline: String,
    workflows: Vec<Choice>,
    states: Vec<Choice>,
    rows: Vec<Row>,
    shown: String,
    newest: String,
    older: String,
    narrowed: bool,
}

/// A place that a run came to.
#[derive(Debug)]
struct Place {
    symbol: &'static str,
    class: &'static str,
    number: String,
    text: String,
    detail: String,
}

/// What a run said.
#[derive(Debug)]
struct Said {
    href: String,
    whom: String,
    what: String,
    chip: (&'static str, &'static str, &'static str),
    at: String,
    machine: String,
}

#[derive(Template)]
#[template(path = "runs/run.html")]
struct RunPage {
    frame: Frame,
    id: String,
    headline: String,
    workflow: String,
    version: i64,
    class: &'static str,
    symbol: &'static str,
    state: String,
    lead: String,
    lead_href: String,
    began: String,
    machine: String,
    by: String,
    places: Vec<Place>,
    said: Vec<Said>,
    open: bool,
}

async fn list(State(app): State<App>, session: Session, Query(asked): Query<Asked>) -> PageResult {
    let home = &session.home;
    let tenant = home.row.id;
    let all = names(&app, home).await?;
    let state = match asked.state.as_str() {
        "" => None,
        word => Some(read_state(word).map_err(|_| PageError::NotFound)?),
    };
    let before: Option<RunId> = match asked.after.as_str() {
        "" => None,
        text => Some(text.parse().map_err(|_| PageError::NotFound)?),
    };
    let mut of = all.clone();
    of.retain(|name| asked.workflow.is_empty() || *name == asked.workflow);
    let found = app
        .ask(move |store| {
            let mut rows = Vec::new();
            for run in store.runs_of(tenant, &of, state, before, ROWS + 1)? {
                let lead = store.lead(tenant, run.lead)?;
                rows.push((run, lead));
            }
            Ok(rows)
        })
        .await?;
    let frame = Frame::load(&app, &session, Page::Runs).await?;
    let local = Local::of(home);
    Ok(html(&list_page(
        frame,
        &home.tenant,
        &local,
        &asked,
        &all,
        found,
        app.now(),
    )))
}

fn list_page(
    frame: Frame,
    tenant: &Tenant,
    local: &Local,
    asked: &Asked,
    names: &[String],
    mut found: Vec<(Run, Option<Lead>)>,
    now: Timestamp,
) -> List {
    let more = found.len() > ROWS as usize;
    found.truncate(ROWS as usize);
    let address = |after: &str| {
        let parts = [
            ("workflow", asked.workflow.as_str()),
            ("state", &asked.state),
            ("after", after),
        ];
        let parts: Vec<String> = parts
            .into_iter()
            .filter(|(_, value)| !value.is_empty())
            .map(|(name, value)| format!("{name}={}", query(value)))
            .collect();
        let sign = if parts.is_empty() { "" } else { "?" };
        format!("{}/runs{sign}{}", frame.base, parts.join("&"))
    };
    let older = found
        .last()
        .filter(|_| more)
        .map(|(run, _)| address(&run.id.to_string()))
        .unwrap_or_default();
    let newest = if asked.after.is_empty() {
        String::new()
    } else {
        address("")
    };
    let waiting = found
        .iter()
        .filter(|(run, _)| run.state == RunState::Open)
        .count();
    let count = number(i64::try_from(waiting).unwrap_or(0));
    let plus = if more { "+" } else { "" };
    let headline = match (found.is_empty(), waiting) {
        (true, _) => "No run".to_owned(),
        (_, 0) => "No run is under way here".to_owned(),
        (_, 1) if !more => "1 run is under way".to_owned(),
        _ => format!("{count}{plus} runs are under way"),
    };
    let rows: Vec<Row> = found
        .iter()
        .map(|(run, lead)| {
            let (class, symbol, state) = standing(tenant, run, local, now);
            Row {
                href: format!("{}/runs/{}", frame.base, run.id),
                name: lead.as_ref().map_or_else(
                    || "A lead that was deleted".to_owned(),
                    |lead| people::name(tenant, lead),
                ),
                workflow: run.workflow.clone(),
                version: run.version,
                class,
                symbol,
                state,
                place: run.step.as_deref().map(place_number).unwrap_or_default(),
                began: local.when(run.created_at, now),
                machine: Local::machine(run.created_at),
            }
        })
        .collect();
    let states = [
        ("", "Every state"),
        ("open", "Under way"),
        ("done", "Done"),
        ("stopped", "Stopped"),
    ];
    let every = Choice {
        value: String::new(),
        label: "Every workflow".into(),
        chosen: asked.workflow.is_empty(),
    };
    List {
        headline,
        workflows: std::iter::once(every)
            .chain(names.iter().map(|name| Choice {
                value: name.clone(),
                label: name.clone(),
                chosen: *name == asked.workflow,
            }))
            .collect(),
        states: states
            .into_iter()
            .map(|(value, label)| Choice {
                value: value.to_owned(),
                label: label.to_owned(),
                chosen: value == asked.state,
            })
            .collect(),
        shown: format!(
            "{} shown, newest first",
            number(i64::try_from(rows.len()).unwrap_or(0))
        ),
        rows,
        newest,
        older,
        narrowed: !asked.workflow.is_empty() || !asked.state.is_empty(),
        frame,
    }
}

/// `1.otherwise.0` is step 2.1, as the page of the workflow counts.
fn place_number(step: &str) -> String {
    let parts = step
        .split('.')
        .filter_map(|part| part.parse::<usize>().ok());
    parts
        .map(|index| (index + 1).to_string())
        .collect::<Vec<_>>()
        .join(".")
}

/// How a run stands, drawn and said: why it waits and until when.
pub(super) fn standing(
    tenant: &Tenant,
    run: &Run,
    local: &Local,
    now: Timestamp,
) -> (&'static str, &'static str, String) {
    match run.state {
        RunState::Done => ("kept", "delivered", "Done".to_owned()),
        RunState::Stopped => ("", "cancelled", "Stopped".to_owned()),
        RunState::Open => {
            let until = run
                .wake_at
                .map(|at| format!(", until {}", local.when(at, now)));
            let until = until.unwrap_or_default();
            ("lamp", "ringing", format!("{}{until}", reason(tenant, run)))
        }
    }
}

/// Why a run waits.
fn reason(tenant: &Tenant, run: &Run) -> String {
    let Some(step) = run.step.as_deref() else {
        return "Is about to go on".to_owned();
    };
    if step == "appointment" {
        return "Waits for its appointment".to_owned();
    }
    if let Some(events) = &run.waits_for {
        let words: Vec<String> = events.split('|').map(workflows::event_words).collect();
        return format!("Waits for {}", words.join(" or "));
    }
    let workflow = tenant.config.workflow_version(&run.workflow, run.version);
    match workflow.and_then(|workflow| workflows::step_words(workflow, step)) {
        Some(("Collect", _)) => "Collects before it says it once".to_owned(),
        Some(("Wait", _)) => "Lets time pass".to_owned(),
        _ => "Waits".to_owned(),
    }
}

async fn one(
    State(app): State<App>,
    session: Session,
    Named((_, id)): Named<(String, RunId)>,
) -> PageResult {
    let home = &session.home;
    let run = find(&app, home, id).await?;
    let (tenant, of) = (home.row.id, run.lead);
    let (lead, messages) = app
        .ask(move |store| {
            let lead = store.lead(tenant, of)?;
            let messages = match &lead {
                Some(lead) => store.messages_of(tenant, lead.id, None, 200)?,
                None => Vec::new(),
            };
            Ok((lead, messages))
        })
        .await?;
    let messages = messages
        .into_iter()
        .filter(|one| one.run == Some(id))
        .collect();
    let frame = Frame::load(&app, &session, Page::Runs).await?;
    let local = Local::of(home);
    Ok(html(&run_page(
        frame,
        &home.tenant,
        &local,
        &run,
        lead.as_ref(),
        messages,
        app.now(),
    )))
}

fn run_page(
    frame: Frame,
    tenant: &Tenant,
    local: &Local,
    run: &Run,
    lead: Option<&Lead>,
    messages: Vec<Message>,
    now: Timestamp,
) -> RunPage {
    let (class, symbol, state) = standing(tenant, run, local, now);
    let name = lead.map_or_else(
        || "A lead that was deleted".to_owned(),
        |lead| people::name(tenant, lead),
    );
    let event = &run.data["event"]["type"];
    RunPage {
        id: run.id.to_string(),
        headline: match run.state {
            RunState::Open => state.clone(),
            RunState::Done => format!("{} is through", run.workflow),
            RunState::Stopped => format!("{} was stopped", run.workflow),
        },
        workflow: run.workflow.clone(),
        version: run.version,
        class,
        symbol,
        state: match run.state {
            RunState::Open => "Under way".to_owned(),
            _ => match run.ended_at {
                Some(at) => format!("{state}, {}", local.when(at, now)),
                None => state,
            },
        },
        lead_href: lead.map_or_else(String::new, |lead| {
            format!("{}/leads/{}", frame.base, lead.id)
        }),
        lead: name,
        began: local.when(run.created_at, now),
        machine: Local::machine(run.created_at),
        by: event.as_str().map(people::plain).unwrap_or_default(),
        places: places(tenant, run),
        said: messages
            .iter()
            .map(|message| Said {
                href: format!("{}/messages/{}", frame.base, message.id),
                whom: message
                    .staff
                    .clone()
                    .unwrap_or_else(|| super::format::mask(&message.recipient)),
                what: message.template.as_ref().map_or_else(
                    || message.channel.to_string(),
                    |(template, _)| format!("{template}, {}", message.channel),
                ),
                chip: people::chip(message.status),
                at: local.when(message.created_at, now),
                machine: Local::machine(message.created_at),
            })
            .collect(),
        open: run.state == RunState::Open,
        frame,
    }
}

/// Where a run went, in words of its version.
fn places(tenant: &Tenant, run: &Run) -> Vec<Place> {
    let workflow = tenant.config.workflow_version(&run.workflow, run.version);
    let trail = run.data[TRAIL].as_array();
    let mut out: Vec<Place> = Vec::new();
    for place in trail
        .into_iter()
        .flatten()
        .filter_map(|place| place.as_str())
    {
        if place == THROUGH {
            out.push(Place {
                symbol: "t-dot",
                class: "kept",
                number: String::new(),
                text: "It went past its last step".to_owned(),
                detail: String::new(),
            });
            continue;
        }
        let last = place.rsplit('.').next().unwrap_or(place);
        if last.parse::<usize>().is_err() {
            let text = match last {
                "then" => "It came, or it held".to_owned(),
                "otherwise" => "It did not".to_owned(),
                "levels" => "Level by level".to_owned(),
                "appointment" => "It waited for its appointment".to_owned(),
                way => format!("It went the way {way}"),
            };
            out.push(Place {
                symbol: "t-cause",
                class: "",
                number: place_number(place),
                text,
                detail: String::new(),
            });
            continue;
        }
        let words = workflow.and_then(|workflow| workflows::step_words(workflow, place));
        let here = run.state == RunState::Open && run.step.as_deref() == Some(place);
        let (kind, detail) = words.unwrap_or(("A step", String::new()));
        out.push(Place {
            symbol: if here { "t-open" } else { "t-dot" },
            class: if here { "lamp" } else { "" },
            number: place_number(place),
            text: if here {
                format!("{kind}, now")
            } else {
                kind.to_owned()
            },
            detail,
        });
    }
    out
}

async fn stop(
    State(app): State<App>,
    session: Session,
    Named((_, id)): Named<(String, RunId)>,
) -> PageResult {
    if !session.may_write() {
        return Err(PageError::Forbidden(
            "Viewers only look. Ask an agent to stop it.",
        ));
    }
    let run = find(&app, &session.home, id).await?;
    let order = Intake::StopRun {
        run: id,
        lead: run.lead,
        actor: session.actor(),
    };
    let here = format!("{}/runs/{id}", session.base());
    match app.take(session.home.row.id, order, None).await? {
        Answer::Done => Ok(see_other_with(
            &here,
            "kept",
            "It is stopped. What it said to the lead and still waited does not go.",
        )),
        Answer::Refused { detail, .. } => Ok(see_other_with(&here, "late", &detail)),
        _ => Err(PageError::NotFound),
    }
}

#[cfg(test)]
mod tests {
    use super::super::settings::tests::{frame, local, now};
    use super::super::tests::{HOSTILE, sound};
    use super::*;
    use ringback_core::ids::{EventId, LeadId, TenantId};
    use serde_json::json;

    fn tenant() -> Tenant {
        let files = crate::presets::find("plumbing").unwrap().files;
        let config = crate::onboarding::check(&files).unwrap();
        ringback_core::turn::rehearsal::tenant_of(1, std::sync::Arc::new(config))
    }

    fn run(state: RunState) -> Run {
        let open = state == RunState::Open;
        Run {
            id: RunId::from_raw(7 << 22),
            tenant: TenantId::from_raw(1),
            lead: LeadId::from_raw(3 << 22),
            workflow: "emergency-alert".into(),
            version: 1,
            event: EventId::from_raw(5 << 22),
            session: None,
            state,
            step: open.then(|| "1".into()),
            waits_for: open.then(|| "lead.acknowledged".into()),
            wake_at: open.then(|| now() + jiff::SignedDuration::from_mins(4)),
            data: json!({"event": {"type": "tier.entered"}, "trail": ["1"]}),
            created_at: now(),
            ended_at: (!open).then(now),
            new: false,
            dirty: false,
        }
    }

    fn lead() -> Lead {
        let mut lead = Lead::new(LeadId::from_raw(3 << 22), TenantId::from_raw(1), 1, now());
        lead.first_name = Some(HOSTILE.into());
        lead
    }

    /// U: a run says where it is, why it waits, until when.
    #[test]
    fn a_run_says_why_it_waits_and_until_when() {
        let (tenant, local) = (tenant(), local());
        let page = run_page(
            frame(),
            &tenant,
            &local,
            &run(RunState::Open),
            Some(&lead()),
            Vec::new(),
            now(),
        );
        let text = page.render().unwrap();
        sound(&text);
        for words in [
            "Waits for “I take this one”, until 6:53 am",
            "Tier entered",
            "Wait, now",
            "/stop\"",
        ] {
            assert!(text.contains(words), "{words}: {text}");
        }
        let done = run_page(
            frame(),
            &tenant,
            &local,
            &run(RunState::Done),
            None,
            Vec::new(),
            now(),
        );
        let text = done.render().unwrap();
        sound(&text);
        assert!(!text.contains("/stop\""));
    }

    /// Lists keep their filter in the address, and an empty one says so.
    #[test]
    fn the_list_of_runs() {
        let (tenant, local) = (tenant(), local());
        let asked = Asked {
            workflow: "emergency-alert".into(),
            ..Asked::default()
        };
        let names = ["emergency-alert".to_owned()];
        let many = vec![(run(RunState::Open), Some(lead())); 51];
        let text = list_page(frame(), &tenant, &local, &asked, &names, many, now())
            .render()
            .unwrap();
        sound(&text);
        assert!(text.contains("50+ runs are under way"), "{text}");
        assert!(
            text.contains("?workflow=emergency-alert&#38;after=run_"),
            "{text}"
        );
        let text = list_page(
            frame(),
            &tenant,
            &local,
            &Asked::default(),
            &[],
            Vec::new(),
            now(),
        )
        .render()
        .unwrap();
        sound(&text);
        assert!(text.contains("No run"));
    }

    /// Steps are counted as the page of the workflow counts them.
    #[test]
    fn steps_are_counted_from_one() {
        assert_eq!(place_number("1.otherwise.0"), "2.1");
        assert_eq!(place_number("appointment"), "");
    }
}
