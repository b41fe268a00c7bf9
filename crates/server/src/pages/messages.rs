//! Messages: what went out, what did not, newest first.

use super::format::{Local, query};
use super::message::explain::{Chip, Telling, channel_word, chip, step_of};
use super::message::{provider, whom};
use super::{Frame, Page, PageError, PageResult, Session, html};
use crate::app::App;
use crate::http::ApiError;
use crate::registry::Home;
use askama::Template;
use axum::Router;
use axum::extract::{Query, State};
use axum::routing::get;
use ringback_core::ids::{LeadId, MessageId};
use ringback_core::leads::Lead;
use ringback_core::messages::{ChannelKind, Message, Status};
use ringback_core::time::Timestamp;
use ringback_core::turn::VerdictView;
use ringback_store::MessageFilter;
use serde::Deserialize;
use std::collections::HashMap;

/// The route of the list.
pub(super) fn routes() -> Router<App> {
    Router::new().route("/t/{slug}/messages", get(list))
}

/// Rows a page.
const ROWS: u32 = 50;
/// The filter for messages that may have gone out more than once.
const REPEATED: &str = "repeated";

/// What the address asks for.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Asked {
    status: String,
    channel: String,
    workflow: String,
    after: String,
}

/// A choice of a filter.
#[derive(Debug, Clone)]
pub(super) struct Choice {
    pub value: String,
    pub word: String,
    pub chosen: bool,
}

/// A row.
#[derive(Debug, Clone)]
struct RowView {
    href: String,
    whom: String,
    about: String,
    kind: &'static str,
    chip: Chip,
    sentence: String,
    from: String,
    from_href: String,
    time: String,
    machine: String,
    sandbox: bool,
}

#[derive(Template)]
#[template(path = "messages/list.html")]
struct MessagesPage {
    frame: Frame,
    title: &'static str,
    line: String,
    statuses: Vec<Choice>,
    channels: Vec<Choice>,
    workflows: Vec<Choice>,
    filtered: bool,
    rows: Vec<RowView>,
    newest: String,
    older: String,
}

async fn list(State(app): State<App>, session: Session, Query(asked): Query<Asked>) -> PageResult {
    let tenant = session.home.row.id;
    let repeated = asked.status == REPEATED;
    let status = if repeated {
        None
    } else {
        one_of(&asked.status, Status::from_name, "status")?
    };
    let channel = one_of(&asked.channel, ChannelKind::from_name, "channel")?;
    let before: Option<MessageId> = one_of(&asked.after, |text| text.parse().ok(), "after")?;
    let workflow = Some(asked.workflow.clone()).filter(|name| !name.is_empty());
    let filter = MessageFilter {
        status,
        channel,
        workflow,
        repeated,
        ..MessageFilter::default()
    };
    let (messages, next, leads) = app
        .ask(move |store| {
            let (messages, next) = store.messages_page(tenant, &filter, before, ROWS)?;
            let leads = leads_of(store, tenant, &messages)?;
            Ok((messages, next, leads))
        })
        .await?;
    let frame = Frame::load(&app, &session, Page::Messages).await?;
    Ok(html(&page(
        frame,
        &session.home,
        &asked,
        &messages,
        next,
        &leads,
        app.now(),
    )))
}

fn one_of<T>(
    text: &str,
    read: impl Fn(&str) -> Option<T>,
    field: &'static str,
) -> PageResult<Option<T>> {
    if text.is_empty() {
        return Ok(None);
    }
    read(text).map(Some).ok_or_else(|| {
        PageError::from(ApiError::invalid(
            field,
            "This filter is none that we know. Choose one from the list.",
        ))
    })
}

/// The leads that messages speak of, each read once.
pub(super) fn leads_of(
    store: &ringback_store::Reader<'_>,
    tenant: ringback_core::ids::TenantId,
    messages: &[Message],
) -> Result<HashMap<LeadId, Lead>, ringback_store::StoreError> {
    let mut leads = HashMap::new();
    for id in messages.iter().filter_map(|message| message.lead) {
        if let std::collections::hash_map::Entry::Vacant(free) = leads.entry(id)
            && let Some(lead) = store.lead(tenant, id)?
        {
            free.insert(lead);
        }
    }
    Ok(leads)
}

/// Everything of a message that a list shows of it, in one sentence.
pub(super) fn sentence(
    home: &Home,
    message: &Message,
    lead: Option<&Lead>,
    local: &Local,
    now: Timestamp,
) -> String {
    let verdict: VerdictView = serde_json::from_str(&message.verdict).unwrap_or_default();
    let whom = whom(message, lead);
    let (provider, _) = provider(home, message.connection, message.sandbox);
    let region = home.tenant.config.settings.region;
    Telling {
        message,
        verdict: &verdict,
        local,
        region: region.as_str(),
        now,
        whom: &whom,
        provider: &provider,
    }
    .title()
}

pub(super) fn choices<'a>(
    all: &str,
    values: impl Iterator<Item = (&'a str, &'a str)>,
    chosen: &str,
) -> Vec<Choice> {
    let first = Choice {
        value: String::new(),
        word: all.to_owned(),
        chosen: chosen.is_empty(),
    };
    std::iter::once(first)
        .chain(values.map(|(value, word)| Choice {
            value: value.to_owned(),
            word: word.to_owned(),
            chosen: value == chosen,
        }))
        .collect()
}

pub(super) fn channel_choices(chosen: &str) -> Vec<Choice> {
    choices(
        "Every channel",
        ChannelKind::ALL
            .iter()
            .map(|one| (one.as_str(), channel_word(*one))),
        chosen,
    )
}

fn page(
    frame: Frame,
    home: &Home,
    asked: &Asked,
    messages: &[Message],
    next: Option<MessageId>,
    leads: &HashMap<LeadId, Lead>,
    now: Timestamp,
) -> MessagesPage {
    let local = Local::of(home);
    let base = format!("{}/messages", frame.base);
    let filters: String = [
        ("status", &asked.status),
        ("channel", &asked.channel),
        ("workflow", &asked.workflow),
    ]
    .iter()
    .filter(|(_, value)| !value.is_empty())
    .map(|(name, value)| format!("&{name}={}", query(value)))
    .collect();
    let address = |after: Option<MessageId>| {
        let after = after.map(|id| format!("&after={id}")).unwrap_or_default();
        let query = format!("{filters}{after}");
        if query.is_empty() {
            base.clone()
        } else {
            format!("{base}?{}", &query[1..])
        }
    };
    let older = next.map(|next| address(Some(next))).unwrap_or_default();
    let newest = if asked.after.is_empty() {
        String::new()
    } else {
        address(None)
    };
    let rows: Vec<RowView> = messages
        .iter()
        .map(|message| {
            let lead = message.lead.and_then(|id| leads.get(&id));
            let (from, from_href) = match &message.step {
                Some(step) => (
                    step_of(step).0.to_owned(),
                    format!("{}/workflows/{}", frame.base, query(step_of(step).0)),
                ),
                None => ("by hand".to_owned(), String::new()),
            };
            RowView {
                href: format!("{base}/{}", message.id),
                whom: whom(message, lead),
                about: lead
                    .filter(|_| message.staff.is_some() || message.plan.hook.is_some())
                    .and_then(Lead::full_name)
                    .map(|name| format!("about {name}"))
                    .unwrap_or_default(),
                kind: channel_word(message.channel),
                chip: chip(message.status),
                sentence: sentence(home, message, lead, &local, now),
                from,
                from_href,
                time: local.when(message.created_at, now),
                machine: Local::machine(message.created_at),
                sandbox: message.sandbox,
            }
        })
        .collect();
    let filtered = !filters.is_empty();
    let names: Vec<&str> = home
        .tenant
        .config
        .workflows
        .keys()
        .map(String::as_str)
        .collect();
    let line = match (rows.len(), filtered) {
        (0, true) => "None fits the filter".to_owned(),
        (0, false) => String::new(),
        (1, _) => "1 message".to_owned(),
        (n, _) => format!(
            "{n} messages{}, newest first",
            if next.is_some() || !asked.after.is_empty() {
                " on this page"
            } else {
                ""
            }
        ),
    };
    MessagesPage {
        title: "Messages",
        line,
        statuses: choices(
            "Every status",
            Status::ALL
                .iter()
                .map(|one| (one.as_str(), chip(*one).word))
                .chain([(REPEATED, "Possibly repeated")]),
            &asked.status,
        ),
        channels: channel_choices(&asked.channel),
        workflows: choices(
            "Every workflow",
            names.into_iter().map(|name| (name, name)),
            &asked.workflow,
        ),
        filtered,
        rows,
        newest,
        older,
        frame,
    }
}

#[cfg(test)]
mod tests {
    use super::super::message::tests::frame;
    use super::super::tests::{HOSTILE, sound};
    use super::*;

    fn page(rows: usize, filtered: bool) -> MessagesPage {
        let row = RowView {
            href: "/t/alder/messages/msg_1".into(),
            whom: HOSTILE.into(),
            about: HOSTILE.into(),
            kind: "Text",
            chip: chip(Status::Deferred),
            sentence: HOSTILE.into(),
            from: HOSTILE.into(),
            from_href: "/t/alder/workflows/x".into(),
            time: "6:43 am".into(),
            machine: "2026-11-21T13:43:09Z".into(),
            sandbox: true,
        };
        MessagesPage {
            frame: frame(),
            title: "Messages",
            line: "2 messages".into(),
            statuses: choices("Every status", [("failed", "Failed")].into_iter(), "failed"),
            channels: channel_choices("sms"),
            workflows: choices("Every workflow", [(HOSTILE, HOSTILE)].into_iter(), ""),
            filtered,
            rows: vec![row; rows],
            newest: "/t/alder/messages".into(),
            older: "/t/alder/messages?after=msg_1".into(),
        }
    }

    /// U: the list is sound when it is empty, filtered and full, and fits its budget of 60 KB.
    #[test]
    fn the_list_is_sound_empty_and_full() {
        assert!(page(0, false).render().unwrap().contains("No messages yet"));
        assert!(page(0, true).render().unwrap().contains("No message fits"));
        for (rows, filtered) in [(0, false), (0, true), (50, false)] {
            let page = page(rows, filtered).render().unwrap();
            sound(&page);
            assert!(page.len() < 60_000, "{} bytes", page.len());
        }
    }
}
