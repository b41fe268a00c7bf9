//! The versions of a workflow and how they differ; the draft, compared and published; the way back (W4, I5).

use super::super::format::Local;
use super::super::{
    Fields, Frame, Named, Page, PageError, PageResult, Session, html, see_other_with,
};
use super::publish::publish;
use crate::app::App;
use crate::configuration::diff::{DiffLine, around, lines};
use crate::configuration::{Changes, check, held};
use askama::Template;
use axum::Router;
use axum::extract::{Query, State};
use axum::routing::get;
use ringback_store::{House as _, VersionRow};
use serde::Deserialize;

pub(super) fn routes() -> Router<App> {
    Router::new().route("/t/{slug}/workflows/{name}/versions", get(show).post(act))
}

/// Versions that are listed.
const MOST: u32 = 50;
/// Lines around a difference.
const CONTEXT: usize = 3;

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Asked {
    from: String,
    to: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Typed {
    /// The version that was looked at when the button was pressed.
    version: i64,
    /// A version, or `draft`.
    take: String,
}

#[derive(Debug)]
struct Row {
    version: i64,
    at: String,
    machine: String,
    actor: String,
    holds: bool,
    compare: String,
}

/// A line of the comparison.
#[derive(Debug)]
struct Shown {
    /// `new`, `gone`, `same` or `cut`.
    class: &'static str,
    text: String,
}

#[derive(Template)]
#[template(path = "workflows/versions.html")]
struct VersionsPage {
    frame: Frame,
    name: String,
    version: i64,
    headline: String,
    diff: Vec<Shown>,
    /// What `take` would be; empty when what is compared holds already.
    take: String,
    take_word: String,
    rows: Vec<Row>,
    others: bool,
}

async fn show(
    State(app): State<App>,
    session: Session,
    Named((_, name)): Named<(String, String)>,
    Query(asked): Query<Asked>,
) -> PageResult {
    let workflow = session.home.tenant.config.workflows.get(&name);
    let workflow = workflow.ok_or(PageError::NotFound)?;
    let (path, newest) = (workflow.path.clone(), workflow.version);
    let (to_draft, to) = match asked.to.as_str() {
        "draft" => (true, newest),
        "" => (false, newest),
        text => (false, text.parse().map_err(|_| PageError::NotFound)?),
    };
    let from: i64 = match asked.from.as_str() {
        "" if to_draft => newest,
        "" => to - 1,
        text => text.parse().map_err(|_| PageError::NotFound)?,
    };
    let (tenant, of) = (session.home.row.id, name.clone());
    let (rows, before, after, open) = app
        .ask(move |store| {
            let text = |version: i64| -> Result<Option<String>, _> {
                if version < 1 {
                    return Ok(Some(String::new()));
                }
                let row = store.document(tenant, &path, Some(version))?;
                Ok(row.map(|row| row.text.unwrap_or_default()))
            };
            let after = if to_draft {
                let drafts = store.drafts(tenant)?.into_iter();
                drafts
                    .filter(|one| one.path == path)
                    .find_map(|one| one.text)
            } else {
                text(to)?
            };
            let rows = store.document_versions(tenant, &path, MOST)?;
            let open = store.open_runs(tenant, &of, super::MOST_OPEN)?;
            Ok((rows, text(from)?, after, open))
        })
        .await?;
    let (Some(before), Some(after)) = (before, after) else {
        return Err(PageError::NotFound);
    };
    let frame = Frame::load(&app, &session, Page::Workflows).await?;
    let local = Local::of(&session.home);
    let compared = Compared {
        from,
        to: (!to_draft).then_some(to),
        before,
        after,
    };
    let others = open.iter().any(|one| one.version != newest);
    let mut page = page(frame, name, newest, &compared, rows, &local, app.now());
    page.others = others;
    Ok(html(&page))
}

/// Two texts.
struct Compared {
    from: i64,
    /// None is the draft.
    to: Option<i64>,
    before: String,
    after: String,
}

fn page(
    frame: Frame,
    name: String,
    newest: i64,
    compared: &Compared,
    rows: Vec<VersionRow>,
    local: &Local,
    now: ringback_core::time::Timestamp,
) -> VersionsPage {
    let all = lines(&compared.before, &compared.after);
    let diff = around(&all, CONTEXT)
        .into_iter()
        .map(|line| match line {
            None => Shown {
                class: "cut",
                text: String::new(),
            },
            Some(DiffLine::Same(text)) => Shown {
                class: "same",
                text: text.to_owned(),
            },
            Some(DiffLine::Gone(text)) => Shown {
                class: "gone",
                text: text.to_owned(),
            },
            Some(DiffLine::New(text)) => Shown {
                class: "new",
                text: text.to_owned(),
            },
        })
        .collect();
    let headline = match (compared.to, compared.from) {
        (None, from) => format!("What the draft changes in version {from}"),
        (Some(to), from) if from < 1 => format!("Version {to}, the first"),
        (Some(to), from) => format!("What version {to} changed in version {from}"),
    };
    let (take, take_word) = match compared.to {
        None => ("draft".to_owned(), "Publish the draft".to_owned()),
        Some(to) if to != newest => (to.to_string(), format!("Make version {to} hold again")),
        Some(_) if compared.from >= 1 => (
            compared.from.to_string(),
            format!("Make version {} hold again", compared.from),
        ),
        Some(_) => (String::new(), String::new()),
    };
    VersionsPage {
        rows: rows
            .into_iter()
            .filter(|row| !row.removed)
            .map(|row| Row {
                at: local.when(row.at, now),
                machine: Local::machine(row.at),
                actor: super::people::actor(&row.actor),
                holds: row.version == newest,
                compare: format!(
                    "{}/workflows/{name}/versions?to={}",
                    frame.base, row.version
                ),
                version: row.version,
            })
            .collect(),
        frame,
        name,
        version: newest,
        headline,
        diff,
        take,
        take_word,
        others: false,
    }
}

async fn act(
    State(app): State<App>,
    session: Session,
    Named((_, name)): Named<(String, String)>,
    Fields(typed): Fields<Typed>,
) -> PageResult {
    session.admin()?;
    let workflow = session.home.tenant.config.workflows.get(&name);
    let workflow = workflow.ok_or(PageError::NotFound)?;
    let here = format!("{}/workflows/{name}", session.base());
    if workflow.version != typed.version {
        return Ok(see_other_with(
            &format!("{here}/versions"),
            "late",
            "Somebody else published a version in the meantime. Look at the difference again.",
        ));
    }
    let (tenant, path, take) = (session.home.row.id, workflow.path.clone(), typed.take);
    let of_path = path.clone();
    let checked = app
        .ask(move |store| {
            let text = if take == "draft" {
                let drafts = store.drafts(tenant)?.into_iter();
                drafts
                    .filter(|one| one.path == of_path)
                    .find_map(|one| one.text)
            } else {
                let version = take.parse().unwrap_or(0);
                let row = store.document(tenant, &of_path, Some(version))?;
                row.and_then(|row| row.text)
            };
            let Some(text) = text else {
                return Ok(None);
            };
            let changes = Changes::from([(of_path, Some(text))]);
            Ok(Some(check(held(store.documents(tenant)?), &changes)))
        })
        .await?;
    let checked = match checked.ok_or(PageError::NotFound)? {
        Ok(checked) => checked,
        Err(problems) => {
            let says = problems
                .first()
                .map(ToString::to_string)
                .unwrap_or_default();
            return Ok(see_other_with(
                &format!("{here}/edit"),
                "late",
                &format!("It does not fit what the other files say today. {says}"),
            ));
        }
    };
    let says = publish(&app, &session, path, checked).await?;
    let says = says.unwrap_or_else(|| "It is the same as what holds; nothing changed.".to_owned());
    Ok(see_other_with(&here, "kept", &says))
}

#[cfg(test)]
mod tests {
    use super::super::super::settings::tests::{frame, local, now};
    use super::super::super::tests::{HOSTILE, sound};
    use super::*;

    fn row(version: i64) -> VersionRow {
        VersionRow {
            path: "workflows/one.yaml".into(),
            version,
            at: now(),
            actor: "user:Inez Ford".into(),
            removed: false,
        }
    }

    /// W4: two versions stand against each other, and the older one can hold again.
    #[test]
    fn versions_are_compared_line_by_line() {
        let compared = Compared {
            from: 3,
            to: Some(4),
            before: "a\nwithin: 5m\n".into(),
            after: format!("a\nwithin: 4m\n{HOSTILE}\n"),
        };
        let shown = page(
            frame(),
            "one".into(),
            4,
            &compared,
            vec![row(4), row(3)],
            &local(),
            now(),
        );
        let text = shown.render().unwrap();
        sound(&text);
        for words in [
            "What version 4 changed in version 3",
            "within: 5m</del>",
            "within: 4m</ins>",
            "Make version 3 hold again",
            "Inez Ford",
        ] {
            assert!(text.contains(words), "{words}: {text}");
        }
    }
}
