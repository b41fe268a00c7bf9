//! The queue: what waits, until when and why; dead letters by their cause; and what nobody knows (M3, M4, M8, P4).

mod dead;
mod edit;
mod unknown;

use super::format::{Local, amount};
use super::message::explain::{Chip, channel_word, chip};
use super::message::whom;
use super::messages::{leads_of, sentence};
use super::{Frame, Page, PageError, PageResult, Session, html};
use crate::app::App;
use crate::dead::{Group, groups};
use crate::registry::Home;
use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::routing::get;
use dead::Row;
use ringback_core::ids::{LeadId, MessageId};
use ringback_core::leads::Lead;
use ringback_core::messages::Message;
use ringback_core::time::Timestamp;
use ringback_store::{UnknownCounts, WaitingOf};
use serde::Deserialize;
use std::collections::HashMap;

/// Where the next part of a list begins.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Cursor {
    after: String,
}

impl Cursor {
    /// The last message of the part before; none at the beginning.
    fn message(&self) -> PageResult<Option<MessageId>> {
        Some(self.after.as_str())
            .filter(|text| !text.is_empty())
            .map(|text| text.parse().map_err(|_| PageError::NotFound))
            .transpose()
    }
}

/// The routes of the queue.
pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/t/{slug}/queue", get(show))
        .merge(dead::routes())
        .merge(edit::routes())
        .merge(unknown::routes())
}

/// Waiting messages that are shown.
const WAITING: u32 = 50;
/// Groups of dead letters that are shown here; the others are on their own page.
const GROUPS: usize = 5;

/// What waits on a channel.
#[derive(Debug, Clone)]
struct Lane {
    kind: &'static str,
    chip: Chip,
    n: i64,
    next: String,
}

/// A message that waits.
#[derive(Debug, Clone)]
struct Waiting {
    href: String,
    whom: String,
    kind: &'static str,
    chip: Chip,
    sentence: String,
    due: String,
    machine: String,
}

#[derive(Template)]
#[template(path = "queue/queue.html")]
struct QueuePage {
    frame: Frame,
    title: String,
    lanes: Vec<Lane>,
    waiting: Vec<Waiting>,
    more: i64,
    groups: Vec<Row>,
    more_groups: usize,
    unknown: String,
}

/// What the page is made of.
struct Known {
    counts: Vec<WaitingOf>,
    waiting: Vec<Message>,
    groups: Vec<Group>,
    unknown: UnknownCounts,
    leads: HashMap<LeadId, Lead>,
}

async fn show(State(app): State<App>, session: Session) -> PageResult {
    let tenant = session.home.row.id;
    let known = app
        .ask(move |store| {
            let waiting = store.waiting_messages(tenant, WAITING)?;
            let groups = groups(store, tenant)?;
            let mut all = waiting.clone();
            all.extend(groups.iter().map(|group| group.sample.clone()));
            Ok(Known {
                counts: store.waiting_counts(tenant)?,
                leads: leads_of(store, tenant, &all)?,
                unknown: store.unknown_counts(tenant)?,
                waiting,
                groups,
            })
        })
        .await?;
    let frame = Frame::load(&app, &session, Page::Queue).await?;
    let mut rows = Vec::new();
    for group in known.groups.iter().take(GROUPS) {
        rows.push(Row::of(&app, &session.home, group, &known.leads, app.now()).await);
    }
    Ok(html(&page(frame, &session.home, &known, rows, app.now())))
}

fn page(frame: Frame, home: &Home, known: &Known, groups: Vec<Row>, now: Timestamp) -> QueuePage {
    let local = Local::of(home);
    let base = frame.base.clone();
    let lanes: Vec<Lane> = known
        .counts
        .iter()
        .map(|count| Lane {
            kind: channel_word(count.channel),
            chip: chip(count.status),
            n: count.n,
            next: count.next.map(|at| local.when(at, now)).unwrap_or_default(),
        })
        .collect();
    let all: i64 = known.counts.iter().map(|count| count.n).sum();
    let lead_of = |message: &Message| message.lead.and_then(|id| known.leads.get(&id));
    let waiting: Vec<Waiting> = known
        .waiting
        .iter()
        .map(|message| Waiting {
            href: format!("{base}/messages/{}", message.id),
            whom: whom(message, lead_of(message)),
            kind: channel_word(message.channel),
            chip: chip(message.status),
            sentence: sentence(home, message, lead_of(message), &local, now),
            due: local.when(message.due_at, now),
            machine: Local::machine(message.due_at),
        })
        .collect();
    let dead: i64 = known.groups.iter().map(|group| group.n).sum();
    let title = match (all, dead) {
        (0, 0) => "Nothing waits".to_owned(),
        (0, n) => format!("Nothing waits, {n} did not arrive"),
        (1, 0) => "1 message waits".to_owned(),
        (n, 0) => format!("{n} messages wait"),
        (n, m) => format!("{n} waiting, {m} did not arrive"),
    };
    let more = all - waiting.len() as i64;
    QueuePage {
        title,
        lanes,
        waiting,
        more: more.max(0),
        more_groups: known.groups.len().saturating_sub(groups.len()),
        groups,
        unknown: not_known(known.unknown),
        frame,
    }
}

/// What nobody knows, in one sentence; the same on every page.
pub(super) fn not_known(counts: UnknownCounts) -> String {
    let mut parts = Vec::new();
    if counts.open > 0 {
        parts.push(format!("{} looked up now", amount(counts.open, "message")));
    }
    if counts.given_up > 0 {
        parts.push(format!("{} may or may not have arrived", counts.given_up));
    }
    if counts.repeated > 0 {
        parts.push(format!("{} possibly repeated", counts.repeated));
    }
    if parts.is_empty() {
        "Of every message it is known whether it went out, and none went out twice.".to_owned()
    } else {
        format!("{}.", parts.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::super::message::tests::frame;
    use super::super::tests::{HOSTILE, sound};
    use super::*;
    use ringback_core::messages::Status;

    /// U: the queue is sound when nothing waits and when much does.
    #[test]
    fn the_queue_is_sound_empty_and_full() {
        let one = Waiting {
            href: "/t/alder/messages/msg_1".into(),
            whom: HOSTILE.into(),
            kind: "Text",
            chip: chip(Status::Deferred),
            sentence: HOSTILE.into(),
            due: "8:07 am".into(),
            machine: "2026-11-21T15:07:00Z".into(),
        };
        let lane = Lane {
            kind: "Text",
            chip: chip(Status::Deferred),
            n: 9,
            next: "8:07 am".into(),
        };
        let page = |n: usize| QueuePage {
            frame: frame(),
            title: "Nothing waits".into(),
            lanes: vec![lane.clone(); n],
            waiting: vec![one.clone(); n],
            more: n as i64,
            groups: vec![Row::sample(); n],
            more_groups: n,
            unknown: not_known(UnknownCounts::default()),
        };
        for n in [0, 1, 50] {
            sound(&page(n).render().unwrap());
        }
    }

    /// P4: the number that may have gone out twice is said wherever it is not zero.
    #[test]
    fn what_is_not_known_is_said_in_one_sentence() {
        let of = |open, given_up, repeated| {
            not_known(UnknownCounts {
                open,
                given_up,
                repeated,
            })
        };
        assert!(of(0, 0, 0).starts_with("Of every message it is known"));
        assert_eq!(
            of(2, 1, 3),
            "2 messages looked up now, 1 may or may not have arrived, 3 possibly repeated."
        );
        assert_eq!(of(0, 0, 1), "1 possibly repeated.");
    }
}
