//! The history of a lead: what it did, what we did, what was said, merged by time.

use super::Known;
use crate::app::App;
use crate::pages::format::{self, Local};
use crate::pages::line::{is_alert, way};
use crate::pages::people;
use crate::registry::Home;
use ringback_core::ids::MessageId;
use ringback_core::messages::{Content, Message};
use ringback_core::time::Timestamp;
use ringback_core::turn::world::PointKind;
use ringback_store::{AwardView, EventView};
use serde_json::Value;
use std::collections::HashMap;
use std::sync::Arc;

/// A line of the history.
#[derive(Debug)]
pub(super) struct Entry {
    order: i64,
    pub at: String,
    pub machine: String,
    pub class: &'static str,
    pub glyph: &'static str,
    pub who: String,
    pub did: String,
    pub points: Vec<(String, String)>,
    pub chip: Option<(&'static str, &'static str, &'static str)>,
    pub bubble: String,
    pub out: bool,
    pub why: String,
    pub href: String,
}

/// Texts of messages that are shown in full.
const MOST_TEXTS: usize = 20;
const LONGEST_TEXT: usize = 600;

/// What our messages to the lead say. Their text is made of template and data, on a thread that may wait.
pub(super) async fn texts(
    app: &App,
    home: &Arc<Home>,
    known: &Known,
) -> HashMap<MessageId, String> {
    let wanted: Vec<Message> = known
        .messages
        .iter()
        .filter(|message| !is_alert(message))
        .take(MOST_TEXTS)
        .cloned()
        .collect();
    if wanted.is_empty() {
        return HashMap::new();
    }
    let (app, home) = (app.clone(), Arc::clone(home));
    let made = tokio::task::spawn_blocking(move || {
        let text = |message: &Message| {
            let rendered = crate::loops::render(
                &home,
                &app.readers,
                &app.tokens,
                &app.settings.public_url,
                message,
            )
            .ok()?;
            Some(match rendered.content {
                Content::Text { body } => body,
                Content::Mail { subject, text, .. } => format!("{subject}\n{text}"),
                Content::Json { event, .. } => event,
            })
        };
        wanted
            .iter()
            .filter_map(|message| Some((message.id, people::short(&text(message)?, LONGEST_TEXT))))
            .collect()
    });
    made.await.unwrap_or_default()
}

/// The newest lines and the cursor of older ones.
pub(super) fn lines(
    home: &Home,
    local: &Local,
    known: &Known,
    texts: &HashMap<MessageId, String>,
    most: usize,
    now: Timestamp,
) -> (Vec<Entry>, Option<i64>) {
    let name = people::name(&home.tenant, &known.lead);
    let mut out: Vec<Entry> = known
        .events
        .iter()
        .filter_map(|event| of_event(local, &name, event, &known.awards, now))
        .collect();
    let base = format!("/t/{}", home.row.slug);
    out.extend(
        known
            .messages
            .iter()
            .map(|message| of_message(local, &name, message, texts, &base, now)),
    );
    for entry in &mut out {
        entry.bubble = masked(&entry.bubble, known);
    }
    out.sort_by_key(|entry| std::cmp::Reverse(entry.order));
    let oldest_event = (known.events.len() > most)
        .then(|| known.events.last().map(|event| event.id.raw()))
        .flatten();
    let oldest_message = (known.messages.len() > most)
        .then(|| known.messages.last().map(|message| message.id.raw()))
        .flatten();
    // Lines below what was read of either kind would be incomplete.
    if let Some(floor) = oldest_event.max(oldest_message) {
        out.retain(|entry| entry.order > floor);
        return (out, Some(floor + 1));
    }
    (out, None)
}

/// What was said, without the contact data in it: those are revealed one by one (X6).
fn masked(text: &str, known: &Known) -> String {
    let mut text = text.to_owned();
    for (key, _) in known
        .points
        .iter()
        .filter(|(key, _)| matches!(key.kind, PointKind::Phone | PointKind::Email))
    {
        let mask = format::mask(&key.value);
        text = text
            .replace(&key.value, &mask)
            .replace(&format::phone(&key.value), &mask);
    }
    text
}

fn stamp(local: &Local, at: Timestamp, now: Timestamp) -> String {
    if local.midnight(at) == local.midnight(now) {
        local.exact(at)
    } else {
        local.when(at, now)
    }
}

fn text<'a>(properties: &'a Value, name: &str) -> Option<&'a str> {
    properties.get(name).and_then(Value::as_str)
}

fn of_event(
    local: &Local,
    name: &str,
    event: &EventView,
    awards: &[AwardView],
    now: Timestamp,
) -> Option<Entry> {
    let awards: Vec<&AwardView> = awards
        .iter()
        .filter(|award| award.event == event.id)
        .collect();
    let actor = event.actor.as_deref().map(people::actor);
    let ringback = || "Ringback".to_owned();
    let plain = |name: &str| people::plain(name).to_lowercase();
    let (mut class, mut glyph, mut bubble) = ("", "t-dot", String::new());
    let (who, did) = match event.kind.as_str() {
        "lead.acknowledged" => {
            (class, glyph) = ("kept", "t-up");
            (
                actor.unwrap_or_else(|| "Somebody".to_owned()),
                "took this lead".to_owned(),
            )
        }
        "lead.captured" => {
            glyph = "t-cause";
            let form = text(&event.properties, "form");
            (
                name.to_owned(),
                form.map_or_else(
                    || format!("came in by {}", plain(&event.source)),
                    |form| format!("sent the form “{}”", people::plain(form)),
                ),
            )
        }
        "lead.edited" => (
            actor.unwrap_or_else(ringback),
            "changed what is known".to_owned(),
        ),
        "lead.merged" => (
            actor.unwrap_or_else(ringback),
            "found that two leads are one".to_owned(),
        ),
        "stage.changed" => {
            let to = text(&event.properties, "to").map(plain).unwrap_or_default();
            let reason = text(&event.properties, "reason")
                .map(|reason| format!(": {reason}"))
                .unwrap_or_default();
            (
                actor.unwrap_or_else(ringback),
                format!("moved the lead to {to}{reason}"),
            )
        }
        "tier.entered" => {
            class = "lamp";
            let tier = text(&event.properties, "tier")
                .map(people::plain)
                .unwrap_or_default();
            (name.to_owned(), format!("reached {tier}"))
        }
        "workflow.started" => {
            glyph = "t-gate";
            (
                ringback(),
                format!(
                    "started {}",
                    text(&event.properties, "workflow")
                        .or_else(|| text(&event.properties, "name"))
                        .unwrap_or("a workflow")
                ),
            )
        }
        "consent.changed" => (name.to_owned(), "changed what we may send".to_owned()),
        "message.received" => {
            glyph = "t-in";
            bubble = ["text", "body", "message"]
                .iter()
                .find_map(|key| text(&event.properties, key))
                .unwrap_or_default()
                .to_owned();
            let channel = text(&event.properties, "channel").map_or("text", |channel| {
                if channel == "email" { "email" } else { "text" }
            });
            (name.to_owned(), format!("answered by {channel}"))
        }
        // The message itself stands in the history.
        "message.composed" => return None,
        "note" => {
            glyph = "t-open";
            bubble = text(&event.properties, "text")
                .unwrap_or_default()
                .to_owned();
            let by = text(&event.properties, "by").map(people::actor).or(actor);
            (
                by.unwrap_or_else(|| "Somebody".to_owned()),
                "noted".to_owned(),
            )
        }
        kind => {
            let who = actor.unwrap_or_else(|| name.to_owned());
            (who, lower(&people::did(kind, &event.properties)))
        }
    };
    let points = awards.iter().map(|award| {
        (
            if award.points < 0 {
                award.points.to_string()
            } else {
                format!("+{}", award.points)
            },
            people::plain(&award.rule),
        )
    });
    Some(Entry {
        order: event.id.raw(),
        at: stamp(local, event.at, now),
        machine: Local::machine(event.at),
        class,
        glyph,
        who,
        did,
        points: points.collect(),
        chip: None,
        bubble: people::short(&bubble, LONGEST_TEXT),
        out: false,
        why: String::new(),
        href: String::new(),
    })
}

fn lower(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| {
        first.to_lowercase().chain(chars).collect()
    })
}

fn of_message(
    local: &Local,
    name: &str,
    message: &Message,
    texts: &HashMap<MessageId, String>,
    base: &str,
    now: Timestamp,
) -> Entry {
    let chip = people::chip(message.status);
    let to = match (&message.staff, is_alert(message)) {
        (Some(staff), _) => staff.clone(),
        (None, true) => message.recipient.clone(),
        (None, false) => name.to_owned(),
    };
    let did = match message.channel {
        ringback_core::messages::ChannelKind::Webhook => format!("called {to}"),
        channel if is_alert(message) => format!("told {to} by {}", way(channel)),
        channel => format!("wrote to {to} by {}", way(channel)),
    };
    let by = message
        .step
        .as_deref()
        .and_then(|step| step.split('@').next());
    let plain = matches!(chip.2, "Delivered" | "Accepted");
    Entry {
        order: message.id.raw(),
        at: stamp(local, message.created_at, now),
        machine: Local::machine(message.created_at),
        class: chip.0,
        glyph: "t-out",
        who: "Ringback".to_owned(),
        did: by.map_or_else(
            || did.clone(),
            |workflow| format!("{did}, step of {workflow}"),
        ),
        points: Vec::new(),
        chip: Some(chip),
        bubble: texts.get(&message.id).cloned().unwrap_or_default(),
        out: true,
        why: message
            .why
            .as_ref()
            .filter(|_| !plain)
            .map(|why| why.detail.clone())
            .unwrap_or_default(),
        href: format!("{base}/messages/{}", message.id),
    }
}
