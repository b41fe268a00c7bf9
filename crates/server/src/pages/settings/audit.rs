//! Settings, what was changed: every administrative action with who, when and from where (X4).

use super::super::errors::fields;
use super::super::format::Local;
use super::super::people;
use super::super::stamp::Stamp;
use super::super::{Frame, Page, PageResult, Session, html};
use super::{Part, Tab, tabs};
use crate::app::App;
use askama::Template;
use axum::Router;
use axum::extract::{Query, State};
use axum::routing::get;
use ringback_core::time::Timestamp;
use ringback_store::{AuditView, House as _};
use serde::Deserialize;

const ROWS: u32 = 50;

pub(super) fn routes() -> Router<App> {
    Router::new().route("/t/{slug}/settings/audit", get(show))
}

/// An action in the list.
#[derive(Debug)]
struct Row {
    at: Stamp,
    actor: String,
    address: String,
    action: String,
    details: String,
}

#[derive(Template)]
#[template(path = "settings/audit.html")]
struct AuditPage {
    frame: Frame,
    tabs: Vec<Tab>,
    headline: String,
    line: String,
    rows: Vec<Row>,
    older: String,
    newest: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Asked {
    before: Option<i64>,
}

async fn show(State(app): State<App>, session: Session, Query(asked): Query<Asked>) -> PageResult {
    session.admin()?;
    let frame = Frame::load(&app, &session, Page::Settings).await?;
    let (tenant, before) = (session.home.row.id, asked.before.unwrap_or(i64::MAX));
    let entries = app
        .ask(move |store| store.audit(tenant, before, ROWS))
        .await?;
    Ok(html(&page(
        frame,
        &entries,
        asked.before.is_some(),
        &Local::of(&session.home),
        app.now(),
    )))
}

fn page(
    frame: Frame,
    entries: &[AuditView],
    later: bool,
    local: &Local,
    now: Timestamp,
) -> AuditPage {
    let base = format!("{}/settings/audit", frame.base);
    let rows = entries
        .iter()
        .map(|entry| Row {
            at: Stamp::of(local, entry.at, now),
            actor: people::actor(&entry.actor),
            address: entry.address.clone().unwrap_or_default(),
            action: words(&entry.action),
            details: fields(&entry.details)
                .into_iter()
                .map(|(name, value)| format!("{}: {value}", name.replace('_', " ")))
                .collect::<Vec<_>>()
                .join(" · "),
        })
        .collect();
    let headline = match entries.first() {
        Some(last) if !later => format!(
            "Last changed {} by {}",
            local.when(last.at, now),
            people::actor(&last.actor)
        ),
        Some(_) => "Earlier changes".to_owned(),
        None => "Nothing was changed yet".to_owned(),
    };
    AuditPage {
        tabs: tabs(&frame.base, Part::Audit),
        headline,
        line: "Every administrative action, kept for good. What happened to a lead is on its own page.".to_owned(),
        older: match entries.last() {
            Some(last) if entries.len() >= ROWS as usize => format!("{base}?before={}", last.id),
            _ => String::new(),
        },
        newest: if later { base } else { String::new() },
        rows,
        frame,
    }
}

/// What was done, in words; what is not known here is shown as it is written.
fn words(action: &str) -> String {
    let said = match action {
        "tenant.create" => "Moved in",
        "key.create" => "Made a key",
        "key.revoke" => "Revoked a key",
        "user.create" => "Added a person who signs in",
        "user.change" => "Changed a person who signs in",
        "user.link" => "Made a sign-in link",
        "staff.store" => "Stored a member of staff",
        "staff.remove" => "Removed a member of staff",
        "document.store" => "Stored a file",
        "document.remove" => "Removed a file",
        "switch" => "Turned a switch",
        "sign_in" => "Signed in",
        "sign_out" => "Signed out",
        "reveal" => "Revealed contact data",
        other => return other.replace(['_', '.'], " "),
    };
    said.to_owned()
}

#[cfg(test)]
mod tests {
    use super::super::super::tests::{HOSTILE, sound};
    use super::super::tests::{frame, local, now};
    use super::*;

    fn entry(actor: &str, action: &str) -> AuditView {
        AuditView {
            id: 9,
            at: now(),
            actor: actor.into(),
            address: Some("192.0.2.7".into()),
            action: action.into(),
            details: serde_json::json!({"name": actor, "on": true}),
        }
    }

    /// X4: who did what, when and from where.
    #[test]
    fn an_action_says_who_what_and_from_where() {
        let text = page(
            frame(),
            &[entry("user:Inez Ford", "key.create")],
            false,
            &local(),
            now(),
        )
        .render()
        .unwrap();
        sound(&text);
        assert!(
            text.contains("Last changed 6:49 am by Inez Ford")
                && text.contains("Made a key")
                && text.contains("192.0.2.7")
        );
    }

    /// Hostile input is text, and a full page leads on.
    #[test]
    fn hostile_and_many_entries_are_shown() {
        let entries: Vec<AuditView> = (0..50).map(|_| entry(HOSTILE, HOSTILE)).collect();
        let text = page(frame(), &entries, true, &local(), now())
            .render()
            .unwrap();
        sound(&text);
        assert!(text.contains("?before=9"));
        sound(&page(frame(), &[], false, &local(), now()).render().unwrap());
    }
}
