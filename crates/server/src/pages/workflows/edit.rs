//! A workflow's text: written as a draft, checked with everything else, published. Runs that are under way go on by their version (W4).

use super::super::settings::document::{Trouble, trouble};
use super::super::{
    Fields, Frame, Named, Page, PageError, PageResult, Session, html, see_other_with,
};
use super::publish::publish;
use crate::app::App;
use crate::configuration::{Changes, check, held};
use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use ringback_core::config::Problem;
use ringback_store::{DraftFile, House as _};
use serde::Deserialize;

pub(super) fn routes() -> Router<App> {
    Router::new().route("/t/{slug}/workflows/{name}/edit", get(show).post(act))
}

#[derive(Template)]
#[template(path = "workflows/edit.html")]
struct EditPage {
    frame: Frame,
    name: String,
    path: String,
    version: i64,
    text: String,
    rows: usize,
    /// A draft is written down.
    drafted: bool,
    fine: bool,
    problems: Vec<Trouble>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Typed {
    /// The version that was edited.
    version: i64,
    text: String,
    /// `draft`, `check`, `publish` or `discard`.
    act: String,
}

/// The path and version of a workflow that holds.
fn of(session: &Session, name: &str) -> PageResult<(String, i64)> {
    let workflow = session.home.tenant.config.workflows.get(name);
    let workflow = workflow.ok_or(PageError::NotFound)?;
    Ok((workflow.path.clone(), workflow.version))
}

async fn show(
    State(app): State<App>,
    session: Session,
    Named((_, name)): Named<(String, String)>,
) -> PageResult {
    session.admin()?;
    let (path, version) = of(&session, &name)?;
    let (tenant, of_path) = (session.home.row.id, path.clone());
    let (text, draft) = app
        .ask(move |store| {
            let text = store.document(tenant, &of_path, Some(version))?;
            let drafts = store.drafts(tenant)?.into_iter();
            let draft = drafts
                .filter(|one| one.path == of_path)
                .find_map(|one| one.text);
            Ok((text.and_then(|row| row.text).unwrap_or_default(), draft))
        })
        .await?;
    let frame = Frame::load(&app, &session, Page::Workflows).await?;
    let drafted = draft.is_some();
    let text = draft.unwrap_or(text);
    Ok(html(&page(
        frame,
        name,
        path,
        version,
        text,
        drafted,
        &[],
        false,
    )))
}

#[expect(
    clippy::too_many_arguments,
    reason = "what is shown, gathered in one place from reading and from a form that came back"
)]
fn page(
    frame: Frame,
    name: String,
    path: String,
    version: i64,
    text: String,
    drafted: bool,
    problems: &[Problem],
    fine: bool,
) -> EditPage {
    let base = frame.base.clone();
    EditPage {
        rows: text.lines().count().clamp(12, 40) + 2,
        problems: problems
            .iter()
            .take(50)
            .map(|problem| trouble(problem, &path, &text, &base))
            .collect(),
        frame,
        name,
        path,
        version,
        text,
        drafted,
        fine,
    }
}

async fn act(
    State(app): State<App>,
    session: Session,
    Named((_, name)): Named<(String, String)>,
    Fields(typed): Fields<Typed>,
) -> PageResult {
    session.admin()?;
    let (path, _) = of(&session, &name)?;
    let (tenant, now, actor) = (session.home.row.id, app.now(), session.actor());
    let here = format!("{}/workflows/{name}", session.base());
    if typed.act == "discard" {
        app.write(move |writer| writer.delete_draft(tenant, &path))
            .await?;
        return Ok(see_other_with(&here, "kept", "The draft is thrown away."));
    }
    // Browsers send a form's lines with CR LF.
    let text = typed.text.replace("\r\n", "\n");
    let changes = Changes::from([(path.clone(), Some(text.clone()))]);
    let checked = app
        .ask(move |store| Ok(check(held(store.documents(tenant)?), &changes)))
        .await?;
    let there = checked
        .as_ref()
        .ok()
        .and_then(|checked| checked.against.get(&path).copied());
    let problems = match &checked {
        Err(problems) => problems.clone(),
        Ok(_) if there.unwrap_or(0) != typed.version => vec![
            Problem::of_file(
                &path,
                "Somebody else stored a version in the meantime; yours is not stored.",
            )
            .mend("Open the newest version in another tab and bring your lines over.".to_owned()),
        ],
        Ok(_) => Vec::new(),
    };
    let fine = problems.is_empty() && typed.act == "check";
    if !problems.is_empty() || fine {
        let frame = Frame::load(&app, &session, Page::Workflows).await?;
        let page = page(
            frame,
            name,
            path,
            typed.version,
            text,
            false,
            &problems,
            fine,
        );
        let mut response = html(&page);
        if !problems.is_empty() {
            *response.status_mut() = StatusCode::UNPROCESSABLE_ENTITY;
        }
        return Ok(response);
    }
    let Ok(checked) = checked else {
        return Err(PageError::NotFound);
    };
    if typed.act == "draft" {
        let draft = DraftFile {
            path,
            text: Some(text),
            base: typed.version,
            at: now,
            actor,
        };
        app.write(move |writer| writer.put_draft(tenant, &draft))
            .await?;
        return Ok(see_other_with(
            &here,
            "kept",
            "The draft is written down. Nothing changes until it is published.",
        ));
    }
    let says = publish(&app, &session, path, checked).await?;
    let says = says.unwrap_or_else(|| "It is the same as before; nothing changed.".to_owned());
    Ok(see_other_with(&here, "kept", &says))
}

#[cfg(test)]
mod tests {
    use super::super::super::settings::tests::frame;
    use super::super::super::tests::{HOSTILE, sound};
    use super::*;

    /// W5: what is wrong is said with its line, and nothing typed is lost.
    #[test]
    fn mistakes_come_back_with_what_was_typed() {
        let text = format!("name: one\ntrigger: {HOSTILE}\n");
        let problem = Problem::at("workflows/one.yaml", 2, "There is no such trigger.");
        let shown = page(
            frame(),
            "one".into(),
            "workflows/one.yaml".into(),
            4,
            text,
            true,
            &[problem],
            false,
        )
        .render()
        .unwrap();
        sound(&shown);
        for words in [
            "Line 2",
            "There is no such trigger.",
            "name: one",
            "Throw the draft away",
        ] {
            assert!(shown.contains(words), "{words}: {shown}");
        }
    }
}
