//! What nobody knows: messages that may or may not have gone out, with every look that was taken, and those that may have gone out twice
//! (M3, P4).

use super::super::format::Local;
use super::super::message::explain::{Chip, channel_word, chip, inner, plain};
use super::super::message::{provider, whom};
use super::super::messages::{leads_of, sentence};
use super::super::{Frame, Page, PageResult, Session, html};
use super::{Cursor, not_known};
use crate::app::App;
use crate::dead::{Doubtful, doubtful};
use crate::registry::Home;
use askama::Template;
use axum::Router;
use axum::extract::{Query, State};
use axum::routing::get;
use ringback_core::ids::LeadId;
use ringback_core::leads::Lead;
use ringback_core::messages::Message;
use ringback_core::time::Timestamp;
use ringback_store::AttemptView;
use std::collections::HashMap;

/// The route of what nobody knows.
pub(super) fn routes() -> Router<App> {
    Router::new().route("/t/{slug}/queue/unknown", get(show))
}

/// Messages of each list on one page.
const ROWS: u32 = 30;

/// A look into the provider's log, or a call.
#[derive(Debug, Clone)]
struct Look {
    at: String,
    machine: String,
    found: String,
}

/// A message of which nobody knows whether it went out.
#[derive(Debug, Clone)]
struct Open {
    href: String,
    whom: String,
    kind: &'static str,
    chip: Chip,
    sentence: String,
    looks: Vec<Look>,
    replay: String,
}

/// A message that may have gone out more than once.
#[derive(Debug, Clone)]
struct Twice {
    href: String,
    whom: String,
    kind: &'static str,
    chip: Chip,
    sentence: String,
    at: String,
    machine: String,
}

#[derive(Template)]
#[template(path = "queue/unknown.html")]
struct UnknownPage {
    frame: Frame,
    title: String,
    line: String,
    unknown: Vec<Open>,
    repeated: Vec<Twice>,
    repeated_n: i64,
    newest: String,
    older: String,
}

async fn show(
    State(app): State<App>,
    session: Session,
    Query(cursor): Query<Cursor>,
) -> PageResult {
    let tenant = session.home.row.id;
    let after = cursor.message()?;
    let (found, leads) = app
        .ask(move |store| {
            let found = doubtful(store, tenant, after, ROWS)?;
            let mut all: Vec<Message> = found.repeated.clone();
            all.extend(found.unknown.iter().map(|(message, _)| message.clone()));
            let leads = leads_of(store, tenant, &all)?;
            Ok((found, leads))
        })
        .await?;
    let frame = Frame::load(&app, &session, Page::Queue).await?;
    let paged = after.is_some();
    Ok(html(&page(
        frame,
        &session.home,
        &found,
        &leads,
        paged,
        app.now(),
    )))
}

fn page(
    frame: Frame,
    home: &Home,
    found: &Doubtful,
    leads: &HashMap<LeadId, Lead>,
    paged: bool,
    now: Timestamp,
) -> UnknownPage {
    let local = Local::of(home);
    let base = frame.base.clone();
    let lead_of = |message: &Message| message.lead.and_then(|id| leads.get(&id));
    let unknown = found
        .unknown
        .iter()
        .map(|(message, attempts)| Open {
            href: format!("{base}/messages/{}", message.id),
            whom: whom(message, lead_of(message)),
            kind: channel_word(message.channel),
            chip: chip(message.status),
            sentence: sentence(home, message, lead_of(message), &local, now),
            looks: attempts
                .iter()
                .map(|attempt| look(home, message, attempt, &local, now))
                .collect(),
            replay: if message.is_dead() && frame.writes {
                format!("{base}/queue/dead/{}", message.id)
            } else {
                String::new()
            },
        })
        .collect();
    let repeated = found
        .repeated
        .iter()
        .map(|message| Twice {
            href: format!("{base}/messages/{}", message.id),
            whom: whom(message, lead_of(message)),
            kind: channel_word(message.channel),
            chip: chip(message.status),
            sentence: sentence(home, message, lead_of(message), &local, now),
            at: local.when(message.created_at, now),
            machine: Local::machine(message.created_at),
        })
        .collect();
    let counts = found.counts;
    UnknownPage {
        title: match counts.open + counts.given_up {
            0 => "Nothing is unknown".to_owned(),
            1 => "1 message may or may not have gone out".to_owned(),
            n => format!("{n} messages may or may not have gone out"),
        },
        line: not_known(counts),
        unknown,
        repeated,
        repeated_n: counts.repeated,
        newest: if paged {
            format!("{base}/queue/unknown")
        } else {
            String::new()
        },
        older: found
            .next
            .map(|id| format!("{base}/queue/unknown?after={id}"))
            .unwrap_or_default(),
        frame,
    }
}

fn look(
    home: &Home,
    message: &Message,
    attempt: &AttemptView,
    local: &Local,
    now: Timestamp,
) -> Look {
    let (by, _) = provider(home, attempt.connection, message.sandbox);
    let found = match attempt.outcome.as_str() {
        "found" => format!("The log of {by} has it"),
        "absent" => format!("The log of {by} does not have it"),
        "unclear" => format!("The log of {by} gave no clear answer"),
        "accepted" | "delivered" => format!("{by} took it"),
        "unknown" => format!("{by} was called, and the line broke"),
        _ => format!("{by} refused it"),
    };
    let why = attempt
        .why
        .as_ref()
        .filter(|_| !matches!(attempt.outcome.as_str(), "found" | "absent"))
        .map(|why| format!(": {}", plain(inner(&why.detail))))
        .unwrap_or_default();
    Look {
        at: local.when(attempt.started_at, now),
        machine: Local::machine(attempt.started_at),
        found: format!("{found}{why}"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::message::tests::frame;
    use super::super::super::tests::{HOSTILE, sound};
    use super::*;
    use ringback_core::messages::Status;

    /// U, P4: one screen for what nobody knows, sound when there is nothing and when there is much.
    #[test]
    fn what_nobody_knows_is_one_sound_screen() {
        let open = Open {
            href: "/t/alder/messages/msg_1".into(),
            whom: HOSTILE.into(),
            kind: "Text",
            chip: chip(Status::Unknown),
            sentence: HOSTILE.into(),
            looks: vec![
                Look {
                    at: "6:43 am".into(),
                    machine: "2026-11-21T13:43:09Z".into(),
                    found: HOSTILE.into(),
                };
                6
            ],
            replay: "/t/alder/queue/dead/msg_1".into(),
        };
        let twice = Twice {
            href: "/t/alder/messages/msg_1".into(),
            whom: HOSTILE.into(),
            kind: "Email",
            chip: chip(Status::Accepted),
            sentence: HOSTILE.into(),
            at: "6:43 am".into(),
            machine: "2026-11-21T13:43:09Z".into(),
        };
        for n in [0, 1, 30] {
            let page = UnknownPage {
                frame: frame(),
                title: "Nothing is unknown".into(),
                line: HOSTILE.into(),
                unknown: vec![open.clone(); n],
                repeated: vec![twice.clone(); n],
                repeated_n: n as i64,
                newest: String::new(),
                older: "/t/alder/queue/unknown?after=msg_1".into(),
            };
            let text = page.render().unwrap();
            sound(&text);
            assert!(text.len() < 120_000, "{} bytes", text.len());
        }
    }
}
