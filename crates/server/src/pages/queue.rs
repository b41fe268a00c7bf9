//! The queue: what waits, until when and why; and dead letters, grouped by their reason, with one button to mend a group (M4, M8).

use super::format::{Local, query};
use super::message::explain::{Chip, channel_word, chip, inner, lower_first};
use super::message::{provider, whom};
use super::messages::{leads_of, sentence};
use super::{Fields, Frame, Page, PageError, PageResult, Session, html, see_other_with};
use crate::app::App;
use crate::http::ApiError;
use crate::registry::Home;
use askama::Template;
use axum::Router;
use axum::extract::{Query, State};
use axum::routing::get;
use ringback_core::ids::{LeadId, MessageId, TenantId};
use ringback_core::leads::Lead;
use ringback_core::messages::{ChannelKind, Message, Status};
use ringback_core::time::Timestamp;
use ringback_core::turn::{Answer, Intake, Order};
use ringback_store::{Reader, StoreError, WaitingOf};
use serde::Deserialize;
use std::collections::{BTreeMap, HashMap};

/// The routes of the queue.
pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/t/{slug}/queue", get(show))
        .route("/t/{slug}/queue/retry", get(ask).post(retry))
}

/// Waiting messages that are shown.
const WAITING: u32 = 50;
/// Dead letters that are looked at for groups, of each status.
const DEAD: u32 = 250;
/// What ended without arriving although nobody wished it.
const ENDED: [Status; 3] = [Status::Failed, Status::Bounced, Status::Unknown];

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

/// Dead letters of one reason.
#[derive(Debug, Clone, PartialEq)]
struct Group {
    status: &'static str,
    chip: Chip,
    code: String,
    detail: String,
    n: usize,
    newest: String,
    machine: String,
    sample: String,
    sample_whom: String,
    all: String,
    mend: &'static str,
}

#[derive(Template)]
#[template(path = "queue/queue.html")]
struct QueuePage {
    frame: Frame,
    title: String,
    lanes: Vec<Lane>,
    waiting: Vec<Waiting>,
    more: i64,
    groups: Vec<Group>,
}

/// What the page is made of.
struct Known {
    counts: Vec<WaitingOf>,
    waiting: Vec<Message>,
    dead: Vec<Message>,
    leads: HashMap<LeadId, Lead>,
}

fn dead(store: &Reader<'_>, tenant: TenantId) -> Result<Vec<Message>, StoreError> {
    let mut dead = Vec::new();
    for status in ENDED {
        dead.extend(store.messages(tenant, Some(status), None, None, None, DEAD)?);
    }
    Ok(dead)
}

async fn show(State(app): State<App>, session: Session) -> PageResult {
    let tenant = session.home.row.id;
    let known = app
        .ask(move |store| {
            let waiting = store.waiting_messages(tenant, WAITING)?;
            let dead = dead(store, tenant)?;
            let mut all = waiting.clone();
            all.extend(
                samples(&dead)
                    .into_values()
                    .map(|(sample, _)| sample.clone()),
            );
            Ok(Known {
                counts: store.waiting_counts(tenant)?,
                leads: leads_of(store, tenant, &all)?,
                waiting,
                dead,
            })
        })
        .await?;
    let frame = Frame::load(&app, &session, Page::Queue).await?;
    Ok(html(&page(frame, &session.home, &known, app.now())))
}

fn code_of(message: &Message) -> &str {
    message.why.as_ref().map_or("none", |why| why.code.as_str())
}

/// The newest message of each reason, and how many there are.
fn samples(dead: &[Message]) -> BTreeMap<(i64, &str), (&Message, usize)> {
    let mut groups: BTreeMap<(i64, &str), (&Message, usize)> = BTreeMap::new();
    for message in dead {
        let group = groups
            .entry((message.status.code(), code_of(message)))
            .or_insert((message, 0));
        group.1 += 1;
        if message.id > group.0.id {
            group.0 = message;
        }
    }
    groups
}

fn page(frame: Frame, home: &Home, known: &Known, now: Timestamp) -> QueuePage {
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
    let mut groups: Vec<Group> = samples(&known.dead)
        .into_iter()
        .map(|((_, code), (sample, n))| {
            let status = sample.status;
            let detail = sample
                .why
                .as_ref()
                .map(|why| {
                    inner(why.detail.split(" Said by ").next().unwrap_or_default()).to_owned()
                })
                .unwrap_or_default();
            let (by, _) = provider(home, sample.connection, sample.sandbox);
            let at = sample.settled_at.unwrap_or(sample.created_at);
            Group {
                status: status.as_str(),
                chip: chip(status),
                code: code.to_owned(),
                detail: if detail.is_empty() {
                    format!("{by} gave no reason")
                } else {
                    detail
                },
                n,
                newest: local.when(at, now),
                machine: Local::machine(at),
                sample: format!("{base}/messages/{}", sample.id),
                sample_whom: whom(sample, lead_of(sample)),
                all: format!("{base}/queue/retry?status={status}&code={}", query(code)),
                mend: mend(status),
            }
        })
        .collect();
    groups.sort_by_key(|group| std::cmp::Reverse(group.n));
    let failed = known.dead.len();
    let title = match (all, failed) {
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
        groups,
        frame,
    }
}

const fn mend(status: Status) -> &'static str {
    match status {
        Status::Bounced => {
            "The addresses are at fault: they are blocked at the next gate until they change."
        }
        Status::Unknown => "They may have arrived: whoever gets one again may get it twice.",
        _ => "Mend what the sentence names first; each is asked at all gates again.",
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Which {
    status: String,
    code: String,
}

impl Which {
    fn status(&self) -> PageResult<Status> {
        Status::from_name(&self.status)
            .filter(|status| ENDED.contains(status))
            .ok_or_else(|| {
                PageError::from(ApiError::invalid(
                    "status",
                    "Only failed, bounced and unknown messages are tried again from here.",
                ))
            })
    }
}

#[derive(Template)]
#[template(path = "queue/retry.html")]
struct RetryPage {
    frame: Frame,
    title: String,
    detail: String,
    mend: &'static str,
    status: String,
    code: String,
    n: usize,
}

async fn group(
    app: &App,
    tenant: TenantId,
    status: Status,
    code: String,
) -> PageResult<Vec<Message>> {
    Ok(app
        .ask(move |store| {
            Ok(store
                .messages(tenant, Some(status), None, None, None, DEAD)?
                .into_iter()
                .filter(|message| code_of(message) == code)
                .collect())
        })
        .await?)
}

async fn ask(State(app): State<App>, session: Session, Query(which): Query<Which>) -> PageResult {
    let status = which.status()?;
    let found = group(&app, session.home.row.id, status, which.code.clone()).await?;
    let frame = Frame::load(&app, &session, Page::Queue).await?;
    Ok(html(&retry_page(frame, &found, status, which.code)))
}

fn retry_page(frame: Frame, found: &[Message], status: Status, code: String) -> RetryPage {
    let kind = |n: usize| {
        let one = found
            .first()
            .map_or("message", |first| match first.channel {
                ChannelKind::Sms => "text",
                ChannelKind::Email => "email",
                ChannelKind::Webhook => "request",
            });
        let same = found.iter().all(|message| {
            found
                .first()
                .is_some_and(|first| first.channel == message.channel)
        });
        let one = if same { one } else { "message" };
        if n == 1 {
            format!("1 {status} {one}")
        } else {
            format!("{n} {status} {one}s")
        }
    };
    let detail = found
        .first()
        .and_then(|message| message.why.as_ref())
        .map(|why| inner(&why.detail).to_owned())
        .unwrap_or_default();
    RetryPage {
        title: if found.is_empty() {
            "Nothing is left to send again".to_owned()
        } else {
            format!("Send {} again?", kind(found.len()))
        },
        detail: lower_first(&detail),
        mend: mend(status),
        status: status.as_str().to_owned(),
        code,
        n: found.len(),
        frame,
    }
}

async fn retry(
    State(app): State<App>,
    session: Session,
    Fields(which): Fields<Which>,
) -> PageResult {
    let status = which.status()?;
    let tenant = session.home.row.id;
    let found = group(&app, tenant, status, which.code.clone()).await?;
    let (now, actor) = (app.now(), session.actor());
    // Oldest first, so that they go in the order in which they were meant to.
    let ids: Vec<MessageId> = found.iter().rev().map(|message| message.id).collect();
    let orders = ids
        .iter()
        .map(|id| Order {
            tenant,
            at: now,
            intake: Intake::Retry {
                message: *id,
                actor: actor.clone(),
            },
            once: None,
        })
        .collect();
    let answers = app.inbox.take_all(orders).await;
    let again = answers
        .iter()
        .filter(|answer| matches!(answer, Ok(Answer::Composed { .. })))
        .count();
    let stay = answers.len() - again;
    session.audit(&app, "messages.retry", serde_json::json!({"status": status, "code": which.code, "retried": again, "refused": stay})).await?;
    let to = format!("{}/queue", session.base());
    let left = if stay == 0 {
        String::new()
    } else {
        format!(" {stay} stay as they are.")
    };
    let (class, text) = if again == 0 {
        ("late", format!("None was sent again.{left}"))
    } else {
        (
            "kept",
            format!(
                "{again} {} asked at the gates again.{left}",
                if again == 1 { "is" } else { "are" }
            ),
        )
    };
    Ok(see_other_with(&to, class, &text))
}

#[cfg(test)]
mod tests {
    use super::super::message::tests::frame;
    use super::super::tests::{HOSTILE, sound};
    use super::*;

    /// U: the queue is sound when nothing waits and when much does, and a group is sent again only after a question.
    #[test]
    fn the_queue_is_sound_empty_and_full() {
        let group = Group {
            status: "failed",
            chip: chip(Status::Failed),
            code: HOSTILE.into(),
            detail: HOSTILE.into(),
            n: 14,
            newest: "6:43 am".into(),
            machine: "2026-11-21T13:43:09Z".into(),
            sample: "/t/alder/messages/msg_1".into(),
            sample_whom: HOSTILE.into(),
            all: format!("/t/alder/queue/retry?status=failed&code={}", query(HOSTILE)),
            mend: mend(Status::Failed),
        };
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
            groups: vec![group.clone(); n],
        };
        for n in [0, 1, 50] {
            sound(&page(n).render().unwrap());
        }
        let ask = retry_page(frame(), &[], Status::Failed, HOSTILE.into());
        assert_eq!(ask.title, "Nothing is left to send again");
        sound(&ask.render().unwrap());
        sound(
            &RetryPage {
                n: 14,
                detail: HOSTILE.into(),
                ..ask
            }
            .render()
            .unwrap(),
        );
    }
}
