//! Runs that go by an earlier version: what would become of them under the present one, and moving them (W4).

use super::super::format::{amount, number};
use super::super::{
    Fields, Frame, Named, Page, PageError, PageResult, Session, html, see_other, see_other_with,
};
use crate::app::App;
use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::routing::get;
use ringback_core::turn::{Answer, Intake, Job, JobKind};
use ringback_store::OpenRuns;
use serde::Deserialize;

pub(super) fn routes() -> Router<App> {
    Router::new().route("/t/{slug}/workflows/{name}/move", get(show).post(act))
}

#[derive(Debug)]
struct Row {
    version: i64,
    n: String,
    present: bool,
}

/// A run that cannot go on by the present version.
#[derive(Debug)]
struct Stays {
    href: String,
    why: String,
}

#[derive(Template)]
#[template(path = "workflows/move.html")]
struct MovePage {
    frame: Frame,
    name: String,
    version: i64,
    headline: String,
    rows: Vec<Row>,
    /// What the last look or move came to; empty before the first.
    found: String,
    under_way: bool,
    looked: bool,
    stays: Vec<Stays>,
    more: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Typed {
    /// `look` or `move`.
    act: String,
}

async fn show(
    State(app): State<App>,
    session: Session,
    Named((_, name)): Named<(String, String)>,
) -> PageResult {
    let workflow = session.home.tenant.config.workflows.get(&name);
    let version = workflow.ok_or(PageError::NotFound)?.version;
    let (tenant, of) = (session.home.row.id, name.clone());
    let (open, jobs) = app
        .ask(move |store| {
            Ok((
                store.open_runs(tenant, &of, super::MOST_OPEN)?,
                store.jobs(tenant)?,
            ))
        })
        .await?;
    let job = jobs
        .into_iter()
        .find(|job| job.name == format!("migrate:{name}"));
    let frame = Frame::load(&app, &session, Page::Workflows).await?;
    Ok(html(&page(frame, name, version, &open, job.as_ref())))
}

fn page(
    frame: Frame,
    name: String,
    version: i64,
    open: &[OpenRuns],
    job: Option<&Job>,
) -> MovePage {
    let earlier: i64 = open
        .iter()
        .filter(|one| one.version != version)
        .map(|one| one.n)
        .sum();
    let headline = match earlier {
        0 => format!("Every run goes by version {version}"),
        1 => "1 run goes by an earlier version".to_owned(),
        n => format!("{} runs go by earlier versions", number(n)),
    };
    let under_way = job.is_some_and(|job| job.due_at.is_some());
    let of = |slot: &str| job.and_then(|job| job.data[slot].as_i64()).unwrap_or(0);
    let (moves, stays) = (of("moves"), of("stays"));
    let preview = job.is_some_and(|job| matches!(job.what, JobKind::Migrate { preview: true, .. }));
    let found = match (job, under_way, preview) {
        (None, ..) => String::new(),
        (Some(_), true, _) => format!(
            "Under way: {} looked at so far.",
            amount(of("leads"), "lead")
        ),
        (_, false, true) => format!(
            "The last look: {} can go on by the present version, {} cannot.",
            amount(moves, "run"),
            number(stays)
        ),
        (_, false, false) => format!(
            "The last move: {} moved, {} stayed.",
            amount(moves, "run"),
            number(stays)
        ),
    };
    let examples = job.map(|job| &job.data["examples"]);
    let list: Vec<Stays> = examples
        .and_then(serde_json::Value::as_array)
        .into_iter()
        .flatten()
        .map(|one| Stays {
            href: format!(
                "{}/runs/{}",
                frame.base,
                one["run"].as_str().unwrap_or_default()
            ),
            why: one["why"].as_str().unwrap_or_default().to_owned(),
        })
        .collect();
    let rest = stays - i64::try_from(list.len()).unwrap_or(0);
    MovePage {
        rows: open
            .iter()
            .map(|one| Row {
                version: one.version,
                n: amount(one.n, "run"),
                present: one.version == version,
            })
            .collect(),
        frame,
        name,
        version,
        headline,
        found,
        under_way,
        looked: preview && !under_way && moves > 0,
        stays: list,
        more: if rest > 0 {
            format!("And {} more.", number(rest))
        } else {
            String::new()
        },
    }
}

async fn act(
    State(app): State<App>,
    session: Session,
    Named((_, name)): Named<(String, String)>,
    Fields(typed): Fields<Typed>,
) -> PageResult {
    session.admin()?;
    let here = format!("{}/workflows/{name}/move", session.base());
    let order = Intake::Migrate {
        workflow: name,
        preview: typed.act != "move",
        actor: session.actor(),
    };
    match app.take(session.home.row.id, order, None).await? {
        Answer::Done => Ok(see_other(&here)),
        Answer::Refused { detail, .. } => Ok(see_other_with(&here, "late", &detail)),
        _ => Err(PageError::NotFound),
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::settings::tests::{frame, now};
    use super::super::super::tests::sound;
    use super::*;
    use serde_json::json;

    /// W4: a look says what would become of the runs, and only then there is a button that moves them.
    #[test]
    fn runs_are_moved_after_a_look() {
        let runs = |version, n| OpenRuns {
            version,
            n,
            next: None,
        };
        let job = |preview| Job {
            tenant: ringback_core::ids::TenantId::from_raw(1),
            name: "migrate:one".into(),
            what: JobKind::Migrate {
                workflow: "one".into(),
                preview,
            },
            due_at: None,
            after: None,
            data: json!({"leads": 9, "moves": 7, "stays": 2, "examples": [{"run": "run_0123456789abc", "why": "the present version has no step 3"}]}),
            created_at: now(),
        };
        let open = [runs(3, 9), runs(4, 1)];
        let text = page(frame(), "one".into(), 4, &open, Some(&job(true)))
            .render()
            .unwrap();
        sound(&text);
        for words in [
            "9 runs go by earlier versions",
            "7 runs can go on by the present version, 2 cannot.",
            "the present version has no step 3",
            "And 1 more.",
            "Move them",
        ] {
            assert!(text.contains(words), "{words}: {text}");
        }
        let text = page(frame(), "one".into(), 4, &open, None)
            .render()
            .unwrap();
        sound(&text);
        assert!(!text.contains("Move them") && text.contains("Look what would become of them"));
    }
}
