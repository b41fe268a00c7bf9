//! Simulate: events that are pasted or sent as a file happen to the configuration under virtual time, and nothing leaves the house (W5).

use super::format::{Local, amount, number};
use super::frame::{Frame, Page};
use super::{PageError, PageResult, Session, html, people};
use crate::app::App;
use crate::configuration::diff::{DiffLine, lines};
use crate::configuration::with_draft;
use crate::http::ApiError;
use crate::workflows::simulate::{Wish, happen};
use askama::Template;
use axum::Router;
use axum::extract::{FromRequest, Multipart, Query, Request, State};
use axum::http::StatusCode;
use axum::routing::get;
use ringback_core::config::{FieldKind, Form, TenantConfig};
use ringback_core::time::Timestamp;
use ringback_core::turn::simulate::{Line, Simulated};
use ringback_core::workflows::Trigger;
use ringback_store::House as _;
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::Arc;

pub(super) fn routes() -> Router<App> {
    Router::new().route("/t/{slug}/simulate", get(show).post(run))
}

/// Lines of a timeline on one page.
const MOST_LINES: usize = 400;
/// Lines that differ by a draft.
const MOST_DIFFERENT: usize = 200;

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Asked {
    workflow: String,
    draft: String,
}

/// The form as it was typed.
#[derive(Debug, Default, Clone)]
struct Typed {
    events: String,
    from: String,
    draft: bool,
}

/// A line of the timeline.
#[derive(Debug)]
struct Shown {
    at: String,
    machine: String,
    symbol: &'static str,
    class: &'static str,
    title: String,
    who: String,
    detail: String,
}

#[derive(Debug)]
struct Day {
    day: String,
    lines: Vec<Shown>,
}

/// The sums of a simulation.
#[derive(Debug)]
struct Sums {
    name: &'static str,
    sent: String,
    not_sent: String,
    waiting: String,
    cost: String,
}

#[derive(Debug, Default)]
struct Told {
    headline: String,
    days: Vec<Day>,
    cut: String,
    refused: Vec<String>,
    errors: Vec<String>,
    sums: Vec<Sums>,
    /// What would be different by the draft: plus or minus, and the line.
    different: Vec<(bool, String)>,
    same: bool,
}

#[derive(Template)]
#[template(path = "simulate/page.html")]
struct SimulatePage {
    frame: Frame,
    typed: Typed,
    has_draft: bool,
    mistake: String,
    told: Option<Told>,
    rows: usize,
    zone: String,
}

async fn show(State(app): State<App>, session: Session, Query(asked): Query<Asked>) -> PageResult {
    let config = Arc::clone(&session.home.tenant.config);
    let typed = Typed {
        events: sample(&config, &asked.workflow),
        from: String::new(),
        draft: !asked.draft.is_empty(),
    };
    let page = page(&app, &session, typed, String::new(), None).await?;
    Ok(html(&page))
}

/// Events that let a workflow run once, as far as one can know.
fn sample(config: &TenantConfig, workflow: &str) -> String {
    let person = r#""first_name":"Dana","phone":"+1 303-555-0151","email":"dana@example.com","address":{"zip":"80202"}"#;
    let lead = format!(r#"{{"at_offset_s":0,"path":"/v1/leads","body":{{{person}}}}}"#);
    let Some(found) = config.workflows.get(workflow) else {
        return lead;
    };
    let who = r#""lead":"dana@example.com""#;
    match &found.trigger {
        Trigger::LeadCaptured { form: None } => lead,
        Trigger::LeadCaptured { form: Some(form) } => {
            let body = answers(config.forms.get(form).map(|form| &form.item));
            format!(r#"{{"at_offset_s":0,"path":"/f/{form}","body":{body}}}"#)
        }
        Trigger::Event { types } => {
            let kind = types.first().map_or("page", String::as_str);
            format!(
                "{lead}\n{{\"at_offset_s\":1,\"path\":\"/simulate/event\",\"body\":{{{who},\"type\":\"{kind}\"}}}}"
            )
        }
        _ => format!(
            "{lead}\n{{\"at_offset_s\":1,\"path\":\"/simulate/start\",\"body\":{{{who},\"workflow\":\"{workflow}\"}}}}"
        ),
    }
}

/// Answers to everything that a form insists on, and to what most forms ask.
fn answers(form: Option<&Form>) -> Value {
    let mut body = json!({"first_name": "Dana", "phone": "+1 303-555-0151", "email": "dana@example.com", "zip": "80202"});
    let required = form
        .into_iter()
        .flat_map(|form| &form.fields)
        .filter(|field| field.required);
    for field in required {
        if body.get(&field.name).is_some() {
            continue;
        }
        let answer = match field.kind {
            FieldKind::Select => field
                .choices
                .first()
                .map_or_else(String::new, |choice| choice.value.clone()),
            FieldKind::Number => "2021".to_owned(),
            FieldKind::Date => "2030-01-07".to_owned(),
            FieldKind::Checkbox => "true".to_owned(),
            FieldKind::Phone => "+1 303-555-0151".to_owned(),
            FieldKind::Email => "dana@example.com".to_owned(),
            FieldKind::Text if field.max.is_some_and(|most| most < 6) => "CO".to_owned(),
            FieldKind::Text | FieldKind::Textarea | FieldKind::Hidden | FieldKind::Photos => {
                "Sample".to_owned()
            }
        };
        body[&field.name] = answer.into();
    }
    body
}

async fn page(
    app: &App,
    session: &Session,
    typed: Typed,
    mistake: String,
    told: Option<Told>,
) -> PageResult<SimulatePage> {
    let tenant = session.home.row.id;
    let drafts = app.ask(move |store| store.drafts(tenant)).await?;
    let frame = Frame::load(app, session, Page::Simulate).await?;
    Ok(SimulatePage {
        rows: typed.events.lines().count().clamp(6, 18) + 1,
        has_draft: !drafts.is_empty(),
        zone: frame.place.clone(),
        frame,
        typed,
        mistake,
        told,
    })
}

/// Reads the form; a file that was chosen counts instead of what was pasted.
async fn read(app: &App, request: Request) -> Result<Typed, ApiError> {
    let broken = || ApiError::bad_request("The form cannot be read.");
    let mut parts = Multipart::from_request(request, app)
        .await
        .map_err(|_| broken())?;
    let mut typed = Typed::default();
    while let Some(part) = parts.next_field().await.map_err(|_| broken())? {
        let name = part.name().unwrap_or_default().to_owned();
        let bytes = part.bytes().await.map_err(|_| {
            ApiError::bad_request("The file is too large: at most 1 MB of events at a time.")
        })?;
        let text = String::from_utf8_lossy(&bytes).into_owned();
        match name.as_str() {
            "file" if !text.trim().is_empty() => typed.events = text,
            "events" if typed.events.is_empty() => typed.events = text.replace("\r\n", "\n"),
            "from" => typed.from = text.trim().to_owned(),
            "draft" => typed.draft = true,
            _ => {}
        }
    }
    Ok(typed)
}

async fn run(State(app): State<App>, session: Session, request: Request) -> PageResult {
    let typed = read(&app, request).await.map_err(PageError::Api)?;
    let local = Local::of(&session.home);
    let now = app.now();
    let from = match typed.from.as_str() {
        "" => Some(now),
        text => text
            .parse::<jiff::civil::DateTime>()
            .ok()
            .and_then(|at| local.zone().to_timestamp(at).ok()),
    };
    let Some(from) = from else {
        return again(
            &app,
            &session,
            typed,
            "It begins at a time like 2026-11-24T08:00.".into(),
        )
        .await;
    };
    let wish = Wish {
        events: typed.events.clone(),
        from,
        until: None,
        seed: 1,
    };
    let held = Arc::clone(&session.home.tenant.config);
    let told = match happen(Arc::clone(&held), wish.clone()).await {
        Ok(told) => told,
        Err(error) => return again(&app, &session, typed, error.detail.into_owned()).await,
    };
    let mut by_draft = None;
    if typed.draft {
        match with_draft(&app, session.home.row.id).await? {
            Ok(checked) => {
                by_draft = Some(happen(Arc::new(checked.config), wish).await?);
            }
            Err(problems) => {
                let says = problems
                    .first()
                    .map(ToString::to_string)
                    .unwrap_or_default();
                let says = format!("The draft does not fit what the other files say today. {says}");
                return again(&app, &session, typed, says).await;
            }
        }
    }
    let told = tell(&held, &told, by_draft.as_ref(), &local, from);
    Ok(html(
        &page(&app, &session, typed, String::new(), Some(told)).await?,
    ))
}

async fn again(app: &App, session: &Session, typed: Typed, mistake: String) -> PageResult {
    let mut response = html(&page(app, session, typed, mistake, None).await?);
    *response.status_mut() = StatusCode::UNPROCESSABLE_ENTITY;
    Ok(response)
}

fn sums(name: &'static str, told: &Simulated) -> Sums {
    let count = |n: usize| number(i64::try_from(n).unwrap_or(i64::MAX));
    Sums {
        name,
        sent: count(told.sent),
        not_sent: count(told.not_sent),
        waiting: count(told.waiting),
        cost: format!("{:.4} {}", told.cost_micros as f64 / 1e6, told.currency),
    }
}

fn tell(
    config: &TenantConfig,
    held: &Simulated,
    by_draft: Option<&Simulated>,
    local: &Local,
    from: Timestamp,
) -> Told {
    let shown = by_draft.unwrap_or(held);
    let mut names = HashMap::new();
    let mut days: Vec<Day> = Vec::new();
    for line in shown.timeline.iter().take(MOST_LINES) {
        let next = names.len() + 1;
        let who = line.lead.as_ref().map(|lead| {
            let n = *names.entry(lead.clone()).or_insert(next);
            format!("Lead {n}")
        });
        let day = local.day(line.at, from);
        if days.last().is_none_or(|last| last.day != day) {
            days.push(Day {
                day,
                lines: Vec::new(),
            });
        }
        if let Some(last) = days.last_mut() {
            last.lines.push(show_line(
                line,
                who.unwrap_or_default(),
                local,
                &shown.currency,
            ));
        }
    }
    let left = shown.timeline.len().saturating_sub(MOST_LINES);
    let said = amount(i64::try_from(shown.sent).unwrap_or(i64::MAX), "message");
    let mut sums_of = vec![sums(
        if by_draft.is_some() {
            "As it holds"
        } else {
            "Sum"
        },
        held,
    )];
    let (mut different, mut same) = (Vec::new(), false);
    if let Some(draft) = by_draft {
        sums_of.push(sums("By the draft", draft));
        let (before, after) = (held.show(config), draft.show(config));
        for line in lines(&before, &after) {
            match line {
                DiffLine::Gone(text) if text.starts_with("  ") => {
                    different.push((false, text.trim().to_owned()));
                }
                DiffLine::New(text) if text.starts_with("  ") => {
                    different.push((true, text.trim().to_owned()));
                }
                _ => {}
            }
        }
        same = different.is_empty();
        different.truncate(MOST_DIFFERENT);
    }
    Told {
        headline: format!("{said} would go out"),
        days,
        cut: if left > 0 {
            format!(
                "And {}. `ringback simulate` shows all of them.",
                amount(i64::try_from(left).unwrap_or(i64::MAX), "more line")
            )
        } else {
            String::new()
        },
        refused: shown
            .refused
            .iter()
            .map(|(line, why)| format!("Line {line}: {why}"))
            .collect(),
        errors: shown.errors.clone(),
        sums: sums_of,
        different,
        same,
    }
}

fn show_line(line: &Line, who: String, local: &Local, currency: &str) -> Shown {
    let to = line.to.as_deref().unwrap_or("nobody");
    let what = line.template.as_deref().unwrap_or("own words");
    let by = line
        .step
        .as_deref()
        .map(|step| format!("{step}. "))
        .unwrap_or_default();
    let why = line.why.as_deref().unwrap_or_default();
    let (symbol, class, title, detail) = match (line.channel, line.what.as_str()) {
        (Some(channel), "sent") => {
            let cost = line
                .cost_micros
                .map(|micros| format!("{:.4} {currency}", micros as f64 / 1e6))
                .unwrap_or_default();
            (
                "t-out",
                "kept",
                format!("{what} by {channel} to {to}"),
                format!("{by}{cost}"),
            )
        }
        (Some(channel), "waits") => {
            let until = line
                .until
                .map(|at| format!(" until {}", local.when(at, line.at)))
                .unwrap_or_default();
            (
                "t-gate",
                "held",
                format!("{what} by {channel} to {to} waits{until}"),
                format!("{by}{why}"),
            )
        }
        (Some(channel), _) => (
            "t-cross",
            "late",
            format!("{what} by {channel} to {to} does not go"),
            format!("{by}{why}"),
        ),
        (None, kind) => ("t-dot", "", people::plain(kind), why.to_owned()),
    };
    Shown {
        at: local.exact(line.at),
        machine: Local::machine(line.at),
        symbol,
        class,
        title,
        who,
        detail,
    }
}

#[cfg(test)]
mod tests {
    use super::super::settings::tests::{frame, local, now};
    use super::super::tests::{HOSTILE, sound};
    use super::*;
    use ringback_core::turn::simulate::{read, simulate};

    fn config(preset: &str) -> Arc<TenantConfig> {
        let files = crate::presets::find(preset).unwrap().files;
        Arc::new(crate::onboarding::check(&files).unwrap())
    }

    fn told(config: &Arc<TenantConfig>, events: &str) -> Simulated {
        let until = now() + jiff::SignedDuration::from_hours(48);
        let events = read(events, now()).unwrap();
        simulate(Arc::clone(config), &events, now(), until, 1)
    }

    fn render(typed: Typed, mistake: &str, told: Option<Told>) -> String {
        let page = SimulatePage {
            frame: frame(),
            rows: 6,
            has_draft: true,
            zone: "Denver".into(),
            typed,
            mistake: mistake.into(),
            told,
        };
        let text = page.render().unwrap();
        sound(&text);
        text
    }

    /// W5: each workflow of a preset can be run in test from its page, and what would go out is told with its reason.
    #[test]
    fn every_workflow_has_events_that_run_it() {
        for preset in ["plumbing", "auto-glass"] {
            let config = config(preset);
            for name in config.workflows.keys() {
                let found = told(&config, &sample(&config, name));
                assert_eq!(found.refused, Vec::new(), "{preset} {name}");
                assert!(!found.timeline.is_empty(), "{preset} {name}");
                let shown = tell(&config, &found, None, &local(), now());
                let text = render(Typed::default(), "", Some(shown));
                assert!(text.contains("would go out"), "{text}");
            }
        }
        let config = config("plumbing");
        let found = told(&config, &sample(&config, "emergency-alert"));
        let text = render(
            Typed::default(),
            "",
            Some(tell(&config, &found, None, &local(), now())),
        );
        assert!(text.contains("emergency by sms to Sam Okafor"), "{text}");
        assert!(text.contains("escalation by sms to Ruth Alder"), "{text}");
    }

    /// W5: a draft is held against what holds: the sums, and what would be different.
    #[test]
    fn a_draft_is_compared_with_what_holds() {
        let mut changed = crate::presets::find("plumbing").unwrap().files;
        let path = "workflows/emergency-alert.yaml";
        let text = changed[path].replace("within: 5m", "within: 4m");
        changed.insert(path.to_owned(), text);
        let (old, new) = (
            config("plumbing"),
            Arc::new(crate::onboarding::check(&changed).unwrap()),
        );
        let events = sample(&old, "emergency-alert");
        let shown = tell(
            &old,
            &told(&old, &events),
            Some(&told(&new, &events)),
            &local(),
            now(),
        );
        assert!(!shown.different.is_empty() && !shown.same);
        let text = render(Typed::default(), "", Some(shown));
        assert!(
            text.contains("By the draft") && text.contains("</ins>"),
            "{text}"
        );
        let same = tell(
            &old,
            &told(&old, &events),
            Some(&told(&old, &events)),
            &local(),
            now(),
        );
        assert!(same.same);
    }

    /// What was typed stays after a mistake, and is text.
    #[test]
    fn a_mistake_keeps_what_was_typed() {
        let typed = Typed {
            events: HOSTILE.into(),
            from: HOSTILE.into(),
            draft: true,
        };
        let text = render(typed, "line 1: this is no JSON object.", None);
        assert!(text.contains("this is no JSON object"));
    }
}
