//! The sandbox inbox: what would have been sent, as the person would see it, and the other side to play (N12).

use super::format::{Local, mask, query};
use super::message::body::{self, Shown};
use super::message::explain::{Chip, channel_word, chip, step_of};
use super::message::{lead_name, whom};
use super::messages::{Choice, channel_choices, leads_of};
use super::{Fields, Frame, Named, Page, PageError, PageResult, Session, html, see_other_with};
use crate::app::App;
use crate::http::ApiError;
use crate::registry::Home;
use askama::Template;
use axum::Router;
use axum::extract::{Query, State};
use axum::routing::{get, post};
use ringback_core::ids::{LeadId, MessageId};
use ringback_core::leads::Lead;
use ringback_core::messages::{
    Category, ChannelKind, Fact, Inbound, Message, Reason, Report, Reported, Status, Suppress,
};
use ringback_core::time::Timestamp;
use ringback_core::turn::{Answer, Intake};
use serde::Deserialize;
use std::collections::HashMap;

/// The routes of the sandbox.
pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/t/{slug}/sandbox", get(inbox))
        .route("/t/{slug}/sandbox/{id}/report", post(report))
        .route("/t/{slug}/sandbox/{id}/reply", post(reply))
}

/// Messages a page.
const ROWS: usize = 30;
/// Pages of messages that are looked through for those of the sandbox.
const ROUNDS: usize = 10;

/// What the address asks for.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
struct Asked {
    q: String,
    channel: String,
    after: String,
    m: String,
}

/// A line of the list.
#[derive(Debug, Clone)]
struct Entry {
    href: String,
    kind: &'static str,
    whom: String,
    words: String,
    time: String,
    machine: String,
    current: bool,
}

/// The message that is open.
#[derive(Debug, Clone)]
struct Open {
    id: String,
    kind: &'static str,
    whom: String,
    to: String,
    time: String,
    machine: String,
    chip: Chip,
    status: String,
    shown: Shown,
    because: String,
    because_href: String,
    category: &'static str,
    template: String,
    reply: bool,
    first_name: String,
    facts: Vec<String>,
}

#[derive(Template)]
#[template(path = "sandbox/inbox.html")]
struct InboxPage {
    frame: Frame,
    q: String,
    channels: Vec<Choice>,
    line: String,
    entries: Vec<Entry>,
    open: Option<Open>,
    newest: String,
    older: String,
    filtered: bool,
    chosen: bool,
}

/// True for messages that never left this server.
fn in_sandbox(home: &Home, message: &Message) -> bool {
    let account = message
        .connection
        .and_then(|id| home.connections.iter().find(|row| row.id == id));
    message.sandbox || account.is_some_and(|row| row.provider == "sandbox")
}

/// It has been "sent": the provider that the sandbox stands in for was called.
fn sent(home: &Home, message: &Message) -> bool {
    in_sandbox(home, message) && (message.attempts > 0 || message.accepted_at.is_some())
}

async fn inbox(State(app): State<App>, session: Session, Query(asked): Query<Asked>) -> PageResult {
    let (tenant, home) = (session.home.row.id, session.home.clone());
    let channel = ChannelKind::from_name(&asked.channel);
    let words = asked.q.trim().to_lowercase();
    let mut before: Option<MessageId> = asked.after.parse().ok();
    let wanted: Option<MessageId> = asked.m.parse().ok();
    let (found, chosen, leads) = app
        .ask(move |store| {
            let mut found: Vec<Message> = Vec::new();
            for _ in 0..ROUNDS {
                let page = store.messages(tenant, None, channel, None, before, 100)?;
                let full = page.len() == 100;
                before = page.last().map(|last| last.id);
                let leads = leads_of(store, tenant, &page)?;
                found.extend(page.into_iter().filter(|message| {
                    let lead = message.lead.and_then(|id| leads.get(&id));
                    sent(&home, message)
                        && (words.is_empty()
                            || message.recipient.to_lowercase().contains(&words)
                            || whom(message, lead).to_lowercase().contains(&words)
                            || message
                                .template
                                .as_ref()
                                .is_some_and(|(name, _)| name.contains(&words)))
                }));
                if found.len() > ROWS || !full {
                    break;
                }
            }
            found.truncate(ROWS + 1);
            let chosen = match wanted {
                Some(id) => store
                    .message(tenant, id)?
                    .filter(|message| in_sandbox(&home, message)),
                None => None,
            };
            let mut all = found.clone();
            all.extend(chosen.clone());
            let leads = leads_of(store, tenant, &all)?;
            Ok((found, chosen, leads))
        })
        .await?;
    let frame = Frame::load(&app, &session, Page::Sandbox).await?;
    let chosen = chosen.or_else(|| found.first().cloned());
    let mut shown = Vec::with_capacity(found.len());
    for message in found.iter().take(ROWS) {
        shown.push(body::shown(
            body::content(&app, &session.home, message).await,
        ));
    }
    let open = match &chosen {
        Some(message) => Some((
            message,
            body::shown(body::content(&app, &session.home, message).await),
        )),
        None => None,
    };
    Ok(html(&page(
        frame,
        &session.home,
        &asked,
        &found,
        &shown,
        open,
        &leads,
        app.now(),
    )))
}

#[expect(
    clippy::too_many_arguments,
    reason = "what the page is made of, each from another place"
)]
fn page(
    frame: Frame,
    home: &Home,
    asked: &Asked,
    found: &[Message],
    shown: &[Shown],
    open: Option<(&Message, Shown)>,
    leads: &HashMap<LeadId, Lead>,
    now: Timestamp,
) -> InboxPage {
    let local = Local::of(home);
    let base = format!("{}/sandbox", frame.base);
    let filters: String = [("q", &asked.q), ("channel", &asked.channel)]
        .iter()
        .filter(|(_, value)| !value.is_empty())
        .map(|(name, value)| format!("{name}={}&", query(value)))
        .collect();
    let more = found.len() > ROWS;
    let current = open.as_ref().map(|(message, _)| message.id);
    let here = if asked.after.is_empty() {
        String::new()
    } else {
        format!("after={}&", query(&asked.after))
    };
    let entries: Vec<Entry> = found
        .iter()
        .take(ROWS)
        .zip(shown)
        .map(|(message, shown)| Entry {
            href: format!("{base}?{filters}{here}m={}", message.id),
            kind: channel_word(message.channel),
            whom: whom(message, message.lead.and_then(|id| leads.get(&id))),
            words: body::first_words(shown),
            time: local.when(message.accepted_at.unwrap_or(message.created_at), now),
            machine: Local::machine(message.accepted_at.unwrap_or(message.created_at)),
            current: Some(message.id) == current,
        })
        .collect();
    let older = found
        .get(ROWS.saturating_sub(1))
        .filter(|_| more)
        .map(|last| format!("{base}?{filters}after={}", last.id))
        .unwrap_or_default();
    let newest = if asked.after.is_empty() {
        String::new()
    } else {
        format!("{base}?{}", filters.trim_end_matches('&'))
    };
    let line = match entries.len() {
        0 => String::new(),
        1 => "1 message".to_owned(),
        n => format!(
            "{n} messages{}, newest first",
            if more || !newest.is_empty() {
                " on this page"
            } else {
                ""
            }
        ),
    };
    let open =
        open.map(|(message, shown)| open_one(&frame.base, message, shown, leads, &local, now));
    InboxPage {
        q: asked.q.clone(),
        channels: channel_choices(&asked.channel),
        line,
        entries,
        open,
        newest,
        older,
        filtered: !filters.is_empty(),
        chosen: !asked.m.is_empty(),
        frame,
    }
}

fn open_one(
    base: &str,
    message: &Message,
    shown: Shown,
    leads: &HashMap<LeadId, Lead>,
    local: &Local,
    now: Timestamp,
) -> Open {
    let lead = message.lead.and_then(|id| leads.get(&id));
    let chip = chip(message.status);
    let at = message.accepted_at.unwrap_or(message.created_at);
    let (because, because_href) = match &message.step {
        Some(step) => {
            let (name, version, step) = step_of(step);
            (
                format!("{name}, version {version}, step {step}"),
                format!("{base}/workflows/{name}"),
            )
        }
        None => (
            "written by hand or asked for by a system".to_owned(),
            String::new(),
        ),
    };
    let first_name = match (&message.staff, lead) {
        (Some(name), _) => name.clone(),
        (None, Some(lead)) => lead
            .first_name
            .clone()
            .unwrap_or_else(|| lead_name(Some(lead))),
        (None, None) => "the recipient".to_owned(),
    };
    Open {
        id: message.id.to_string(),
        kind: channel_word(message.channel),
        whom: whom(message, lead),
        to: if message.channel == ChannelKind::Webhook {
            message.recipient.clone()
        } else {
            mask(&message.recipient)
        },
        time: local.when(at, now),
        machine: Local::machine(at),
        chip,
        status: format!("{} in the sandbox", chip.word),
        shown,
        because,
        because_href,
        category: match message.category {
            Category::Staff => "an alert to people of the business",
            other => other.as_str(),
        },
        template: message
            .template
            .as_ref()
            .map(|(name, version)| format!("{name}, version {version}"))
            .unwrap_or_default(),
        reply: message.channel != ChannelKind::Webhook,
        first_name,
        facts: message
            .facts
            .iter()
            .map(|(fact, at)| {
                format!(
                    "{fact} {}",
                    local.when(ringback_core::time::from_micros(*at), now)
                )
            })
            .collect(),
    }
}

/// The message, if it is one that may be played with: nobody makes reports up for real ones.
async fn playable(app: &App, session: &Session, id: &str) -> PageResult<Message> {
    let (tenant, id) = (
        session.home.row.id,
        id.parse::<MessageId>().map_err(|_| PageError::NotFound)?,
    );
    let message = app
        .ask(move |store| store.message(tenant, id))
        .await?
        .ok_or(PageError::NotFound)?;
    if in_sandbox(&session.home, &message) {
        Ok(message)
    } else {
        Err(PageError::from(ApiError::conflict(
            "not_in_the_sandbox",
            "This message went to a real provider; only that provider reports on it.",
        )))
    }
}

#[derive(Debug, Deserialize)]
struct ReportFields {
    report: String,
}

/// What a provider would report.
fn reported(word: &str) -> Option<(Reported, Suppress, &'static str)> {
    Some(match word {
        "delivered" => (
            Reported::Status(Status::Delivered),
            Suppress::No,
            "Reported as delivered.",
        ),
        "failed" => (
            Reported::Status(Status::Failed),
            Suppress::No,
            "Reported as failed.",
        ),
        "bounced" => (
            Reported::Status(Status::Bounced),
            Suppress::Invalid,
            "Reported as bounced: the address is not written to again.",
        ),
        "complained" => (
            Reported::Fact(Fact::Complained),
            Suppress::Complained,
            "Reported as a complaint: no offers to this address any more.",
        ),
        "opened" => (
            Reported::Fact(Fact::Opened),
            Suppress::No,
            "Reported as opened.",
        ),
        "clicked" => (
            Reported::Fact(Fact::Clicked),
            Suppress::No,
            "Reported as clicked.",
        ),
        _ => return None,
    })
}

async fn report(
    State(app): State<App>,
    session: Session,
    Named((_, id)): Named<(String, String)>,
    Fields(fields): Fields<ReportFields>,
) -> PageResult {
    let message = playable(&app, &session, &id).await?;
    let (what, suppress, said) = reported(&fields.report).ok_or_else(|| {
        PageError::from(ApiError::invalid("report", "Choose one of the reports."))
    })?;
    let before = message.status;
    let report = Report {
        dedup: format!("sandbox:{}:{}:{}", message.id, fields.report, app.new_id()),
        message: Some(message.id),
        reference: None,
        what,
        suppress,
        why: Some(Reason::new(
            format!("sandbox_{}", fields.report),
            "Somebody played the provider in the sandbox.",
        )),
        cost: None,
        at: app.now(),
    };
    let answer = app
        .take(session.home.row.id, Intake::Report(Box::new(report)), None)
        .await?;
    if answer != Answer::Done {
        return Err(PageError::NotFound);
    }
    let to = format!("{}/sandbox?m={}", session.base(), message.id);
    // A report moves a message only forward (M9).
    let still = matches!(what, Reported::Status(status) if before.after(status) == before);
    if still {
        return Ok(see_other_with(
            &to,
            "held",
            &format!("It stays {before}: a report moves a message only forward."),
        ));
    }
    Ok(see_other_with(&to, "kept", said))
}

#[derive(Debug, Deserialize)]
struct ReplyFields {
    #[serde(default)]
    body: String,
    #[serde(default)]
    word: String,
}

async fn reply(
    State(app): State<App>,
    session: Session,
    Named((_, id)): Named<(String, String)>,
    Fields(fields): Fields<ReplyFields>,
) -> PageResult {
    let message = playable(&app, &session, &id).await?;
    let to = format!("{}/sandbox?m={}", session.base(), message.id);
    let text = if fields.word.is_empty() {
        fields.body.trim()
    } else {
        fields.word.as_str()
    };
    if text.is_empty() {
        return Ok(see_other_with(
            &to,
            "late",
            "Write what the person answers first.",
        ));
    }
    if message.channel == ChannelKind::Webhook || message.recipient.is_empty() {
        return Err(PageError::from(ApiError::conflict(
            "nobody_answers",
            "Nobody answers a request to a server.",
        )));
    }
    let text: String = text.chars().take(10_000).collect();
    let inbound = Inbound {
        dedup: format!("sandbox:{}:reply:{}", message.id, app.new_id()),
        channel: message.channel,
        from: message.recipient.clone(),
        to: "sandbox".to_owned(),
        body: text.clone(),
        answered_by_provider: false,
        at: app.now(),
    };
    let order = crate::claims::order(&app, &session.home, inbound, message.connection).await?;
    app.take(session.home.row.id, order, None).await?;
    let short: String = text.chars().take(60).collect();
    Ok(see_other_with(
        &to,
        "kept",
        &format!(
            "Answered “{short}” on their behalf. What the answer set off is at the top of the list."
        ),
    ))
}

#[cfg(test)]
mod tests {
    use super::super::message::tests::frame;
    use super::super::tests::{HOSTILE, sound};
    use super::*;

    /// N12: the inbox is sound when it is empty and whatever would have been sent.
    #[test]
    fn the_inbox_is_sound_whatever_was_said() {
        let text = || HOSTILE.to_owned();
        let entry = Entry {
            href: "/t/alder/sandbox?m=msg_1".into(),
            kind: "Text",
            whom: text(),
            words: text(),
            time: text(),
            machine: String::new(),
            current: true,
        };
        let open = |shown: Shown| Open {
            id: "msg_1".into(),
            kind: "Text",
            whom: text(),
            to: text(),
            time: text(),
            machine: String::new(),
            chip: chip(Status::Delivered),
            status: "Delivered in the sandbox".into(),
            shown,
            because: text(),
            because_href: "/t/alder/workflows/x".into(),
            category: "transactional",
            template: text(),
            reply: true,
            first_name: text(),
            facts: vec![text()],
        };
        let page = |open: Option<Open>| InboxPage {
            frame: frame(),
            q: text(),
            channels: channel_choices(""),
            line: String::new(),
            entries: vec![entry.clone(); 30],
            open,
            newest: "/x".into(),
            older: "/y".into(),
            filtered: false,
            chosen: true,
        };
        sound(&page(None).render().unwrap());
        for shown in [
            Shown::Text {
                body: text(),
                size: text(),
            },
            Shown::Mail {
                subject: text(),
                text: text(),
                html: true,
            },
            Shown::Json {
                event: text(),
                body: text(),
            },
            Shown::Nothing(text()),
        ] {
            sound(&page(Some(open(shown))).render().unwrap());
        }
    }

    /// N12: only the reports of the page are known.
    #[test]
    fn other_reports_are_unknown() {
        for word in [
            "delivered",
            "failed",
            "bounced",
            "complained",
            "opened",
            "clicked",
        ] {
            assert!(reported(word).is_some(), "{word}");
        }
        for word in ["", "sending", "Bounced", "unknown"] {
            assert!(reported(word).is_none(), "{word}");
        }
    }
}
