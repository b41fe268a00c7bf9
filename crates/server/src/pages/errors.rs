//! Errors: what broke most often, since when, for whom; and the events that were set aside with their raw form (M2, U).

use super::format::{Local, amount, number};
use super::people::short;
use super::stamp::Stamp;
use super::{Frame, Page, PageResult, Session, html};
use crate::app::App;
use askama::Template;
use axum::Router;
use axum::extract::{Query, State};
use axum::routing::get;
use ringback_core::time::Timestamp;
use ringback_store::{ErrorRow, House as _, SetAsideRow};
use serde::Deserialize;

const GROUPS: u32 = 50;
const ASIDE: u32 = 20;

pub(super) fn routes() -> Router<App> {
    Router::new().route("/t/{slug}/errors", get(show))
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Asked {
    /// The last number shown before.
    before: Option<i64>,
}

/// Errors that read alike.
#[derive(Debug)]
struct Group {
    message: String,
    class: &'static str,
    symbol: &'static str,
    severity: String,
    n: String,
    first: Stamp,
    last: Stamp,
    context: Vec<(String, String)>,
}

/// An event that could not be decided.
#[derive(Debug)]
struct Aside {
    id: String,
    at: Stamp,
    error: String,
    raw: String,
    lead: Option<String>,
}

#[derive(Template)]
#[template(path = "errors/page.html")]
struct ErrorsPage {
    frame: Frame,
    headline: String,
    line: String,
    groups: Vec<Group>,
    asides: Vec<Aside>,
    older: String,
    newest: String,
    server: String,
}

async fn show(State(app): State<App>, session: Session, Query(asked): Query<Asked>) -> PageResult {
    let frame = Frame::load(&app, &session, Page::Errors).await?;
    let (tenant, before) = (session.home.row.id, asked.before.unwrap_or(i64::MAX));
    let (errors, asides) = app
        .ask(move |store| {
            Ok((
                store.errors(tenant, GROUPS)?,
                store.set_aside(tenant, before, ASIDE)?,
            ))
        })
        .await?;
    let local = Local::of(&session.home);
    Ok(html(&page(
        frame,
        &local,
        &errors,
        &asides,
        asked.before.is_some(),
        &app.settings.public_url,
        app.now(),
    )))
}

fn page(
    frame: Frame,
    local: &Local,
    errors: &[ErrorRow],
    asides: &[SetAsideRow],
    later: bool,
    server: &str,
    now: Timestamp,
) -> ErrorsPage {
    let all: i64 = errors.iter().map(|error| error.n).sum();
    let headline = match errors.first() {
        None => "No error is on record".to_owned(),
        Some(last) => format!(
            "{} of error, the last one {}",
            amount(i64::try_from(errors.len()).unwrap_or(i64::MAX), "kind"),
            local.when(last.last_at, now)
        ),
    };
    let line = match errors.iter().max_by_key(|error| error.n) {
        None => "What breaks is counted here by what it has in common.".to_owned(),
        Some(most) => format!(
            "{} in all. Most often, {}: {}",
            amount(all, "time"),
            amount(most.n, "time"),
            short(&most.message, 120)
        ),
    };
    let base = format!("{}/errors", frame.base);
    let older = match asides.last() {
        Some(last) if asides.len() >= ASIDE as usize => {
            format!("{base}?before={}#aside", last.id.raw())
        }
        _ => String::new(),
    };
    ErrorsPage {
        headline,
        line,
        groups: errors
            .iter()
            .map(|error| group(error, local, now))
            .collect(),
        asides: asides
            .iter()
            .map(|aside| set_aside(aside, &frame.base, local, now))
            .collect(),
        older,
        newest: if later {
            format!("{base}#aside")
        } else {
            String::new()
        },
        server: server.to_owned(),
        frame,
    }
}

fn group(error: &ErrorRow, local: &Local, now: Timestamp) -> Group {
    let (class, symbol) = match error.severity.as_str() {
        "critical" => ("late", "blocked"),
        "warning" => ("lamp", "deferred"),
        _ => ("late", "failed"),
    };
    Group {
        message: short(&error.message, 400),
        class,
        symbol,
        severity: error.severity.clone(),
        n: number(error.n),
        first: Stamp::of(local, error.first_at, now),
        last: Stamp::of(local, error.last_at, now),
        context: fields(&error.context),
    }
}

/// The fields of a JSON object as words, at most twelve.
pub(super) fn fields(context: &serde_json::Value) -> Vec<(String, String)> {
    let word = |value: &serde_json::Value| match value {
        serde_json::Value::String(text) => short(text, 200),
        other => short(&other.to_string(), 200),
    };
    match context {
        serde_json::Value::Object(map) => map
            .iter()
            .filter(|(_, value)| !value.is_null())
            .take(12)
            .map(|(name, value)| (short(name, 60), word(value)))
            .collect(),
        serde_json::Value::Null => Vec::new(),
        other => vec![("what".to_owned(), word(other))],
    }
}

fn set_aside(aside: &SetAsideRow, base: &str, local: &Local, now: Timestamp) -> Aside {
    let raw = serde_json::from_str::<serde_json::Value>(&aside.raw)
        .ok()
        .and_then(|value| serde_json::to_string_pretty(&value).ok())
        .unwrap_or_else(|| aside.raw.clone());
    Aside {
        id: aside.id.to_string(),
        at: Stamp::of(local, aside.at, now),
        error: short(&aside.error, 400),
        raw: short(&raw, 8_000),
        lead: aside.lead.map(|lead| format!("{base}/leads/{lead}")),
    }
}

#[cfg(test)]
mod tests {
    use super::super::settings::tests::{frame, local, now};
    use super::super::tests::{HOSTILE, sound};
    use super::*;
    use ringback_core::ids::{ErrorId, LeadId};

    fn error(message: &str, n: i64) -> ErrorRow {
        ErrorRow {
            fingerprint: "f".into(),
            severity: "error".into(),
            message: message.into(),
            context: serde_json::json!({"workflow": HOSTILE, "nothing": null}),
            n,
            first_at: now() - jiff::SignedDuration::from_hours(30),
            last_at: now(),
        }
    }

    fn aside(raw: &str, lead: Option<LeadId>) -> SetAsideRow {
        SetAsideRow {
            id: ErrorId::from_raw(7),
            lead,
            fingerprint: "f".into(),
            error: HOSTILE.into(),
            raw: raw.into(),
            at: now(),
        }
    }

    /// M2: grouped errors are counted with first and last, and what was set aside shows its raw form and leads to its lead.
    #[test]
    fn errors_are_grouped_and_what_was_set_aside_is_kept_readable() {
        let lead = LeadId::from_raw(5);
        let page = page(
            frame(),
            &local(),
            &[error("The template failed", 12), error("x", 3)],
            &[aside("{\"a\":1}", Some(lead))],
            false,
            "https://ringback.example",
            now(),
        );
        let text = page.render().unwrap();
        sound(&text);
        assert!(text.contains("2 kinds of error"));
        assert!(text.contains("15 times in all"));
        assert!(text.contains(&format!("/t/alder/leads/{lead}")));
        assert!(text.contains("&#34;a&#34;: 1") || text.contains("&quot;a&quot;: 1"));
        assert!(!text.contains("nothing"));
    }

    /// Section 2 of the design: an empty page says one sentence and one command that works as pasted.
    #[test]
    fn an_empty_page_says_what_it_would_show() {
        let text = page(
            frame(),
            &local(),
            &[],
            &[],
            false,
            "https://ringback.example",
            now(),
        )
        .render()
        .unwrap();
        sound(&text);
        assert!(text.contains("No error is on record"));
        assert!(text.contains("https://ringback.example/v1/errors/stats"));
    }

    /// Hostile input is text, whatever page it comes to.
    #[test]
    fn hostile_errors_are_text() {
        sound(
            &page(
                frame(),
                &local(),
                &[error(HOSTILE, 1)],
                &[aside(HOSTILE, None)],
                true,
                "https://ringback.example",
                now(),
            )
            .render()
            .unwrap(),
        );
    }
}
