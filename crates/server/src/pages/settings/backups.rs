//! Settings, backups: when the last good one was made, when the next is due, and what to keep beside them (O5, O1).

use super::super::format::Local;
use super::super::{Frame, Page, PageResult, Session, html};
use super::{Part, Tab, tabs};
use crate::app::App;
use crate::backups::BackupHealth;
use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::routing::get;
use ringback_core::time::Timestamp;

pub(super) fn routes() -> Router<App> {
    Router::new().route("/t/{slug}/settings/backups", get(show))
}

#[derive(Template)]
#[template(path = "settings/backups.html")]
struct BackupsPage {
    frame: Frame,
    tabs: Vec<Tab>,
    headline: String,
    line: String,
    facts: Vec<(&'static str, String)>,
    trouble: String,
}

async fn show(State(app): State<App>, session: Session) -> PageResult {
    session.admin()?;
    let frame = Frame::load(&app, &session, Page::Settings).await?;
    let (health, now) = (app.backups.health(&app.settings.backup), app.now());
    let trouble = app.backups.trouble(now).unwrap_or_default();
    let local = Local::of(&session.home);
    Ok(html(&page(frame, &local, &health, trouble, now)))
}

fn page(
    frame: Frame,
    local: &Local,
    health: &BackupHealth,
    trouble: String,
    now: Timestamp,
) -> BackupsPage {
    let when = |at: Option<Timestamp>| at.map(|at| local.when(at, now));
    let headline = match (when(health.last_good_at), health.running) {
        (_, true) => "A backup is being made".to_owned(),
        (Some(at), _) => format!("The last good backup is of {at}"),
        (None, _) => "There is no backup yet".to_owned(),
    };
    let mut facts = vec![("Folder on the server", health.folder.clone())];
    if let Some(bytes) = health.bytes {
        facts.push(("Size", format!("{} MB", (bytes >> 20).max(1))));
    }
    let next = when(health.next_at).unwrap_or_else(|| "none by itself".to_owned());
    facts.push(("The next one", next));
    if let (Some(at), Some(why)) = (when(health.failed_at), &health.failed_because) {
        facts.push(("Failed", format!("{at}: {why}")));
    }
    BackupsPage {
        tabs: tabs(&frame.base, Part::Backups),
        headline,
        line: "Each backup was restored into a scratch file and checked before it counts. They hold every business of this server.".to_owned(),
        facts,
        trouble,
        frame,
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{frame, local, now};
    use super::*;

    /// O1, O5: the page tells the last good backup, or that there is none, and what went wrong.
    #[test]
    fn the_page_tells_the_last_good_backup() {
        let mut health = BackupHealth {
            folder: "/mnt/backups".into(),
            last_good_at: None,
            bytes: None,
            next_at: Some(now()),
            failed_at: None,
            failed_because: None,
            running: false,
        };
        let render = |health: &BackupHealth, trouble: &str| {
            page(frame(), &local(), health, trouble.to_owned(), now())
                .render()
                .unwrap()
        };
        assert!(render(&health, "").contains("There is no backup yet"));
        health.last_good_at = Some(now() - jiff::SignedDuration::from_hours(3));
        health.bytes = Some(90 << 20);
        let shown = render(&health, "The last good backup is 50 hours old.");
        for says in [
            "The last good backup is of 3:49 am",
            "90 MB",
            "50 hours old",
            "master.key",
        ] {
            assert!(shown.contains(says), "{says}: {shown}");
        }
    }
}
