//! Who was told of a lead, on which channel, and why others were not.

use crate::pages::format::{Local, mask, words};
use crate::pages::line::{Line, Wait, is_alert, way};
use crate::pages::people;
use ringback_core::leads::Lead;
use ringback_core::messages::{Fact, Message, Status};
use ringback_core::time::{Timestamp, from_micros};

/// A row of the table.
#[derive(Debug)]
pub(super) struct Told {
    pub who: String,
    pub note: String,
    pub by: String,
    pub class: &'static str,
    pub symbol: &'static str,
    pub word: &'static str,
    pub line: Option<Line>,
    pub came: String,
    pub href: String,
}

/// The messages to people of ours since the lead began to ring, the first one first.
pub(super) fn rows(
    local: &Local,
    lead: &Lead,
    messages: &[Message],
    base: &str,
    now: Timestamp,
) -> Vec<Told> {
    let since = lead.ringing_since.unwrap_or(lead.created_at);
    let mut ours: Vec<&Message> = messages
        .iter()
        .filter(|message| is_alert(message) && message.created_at >= since)
        .collect();
    ours.sort_by_key(|message| message.id);
    ours.truncate(24);
    ours.into_iter()
        .map(|message| row(local, since, lead.answered_at, message, base, now))
        .collect()
}

fn row(
    local: &Local,
    since: Timestamp,
    answered: Option<Timestamp>,
    message: &Message,
    base: &str,
    now: Timestamp,
) -> Told {
    let (class, symbol, word) = people::chip(message.status);
    let arrived = message
        .accepted_at
        .or(message.settled_at)
        .filter(|_| matches!(message.status, Status::Accepted | Status::Delivered));
    let first = |fact: Fact| message.facts.get(&fact).map(|at| from_micros(*at));
    let seen = [Fact::Clicked, Fact::Opened, Fact::Replied]
        .into_iter()
        .filter_map(first)
        .min();
    let who = message
        .staff
        .clone()
        .unwrap_or_else(|| message.recipient.clone());
    let span = |at: Timestamp| words(at.duration_since(since));
    let why = message.why.as_ref().map(|why| why.detail.clone());
    let came = match (message.status, seen, arrived) {
        (_, Some(at), _) => format!("Opened after {}", span(at)),
        (Status::Deferred, ..) => format!(
            "{}{}",
            local.held(message.due_at, now),
            why.map(|why| format!(": {why}")).unwrap_or_default()
        ),
        (Status::Accepted | Status::Delivered, None, Some(at)) => {
            let told = format!("Told after {}, not opened", span(at));
            if message.sandbox {
                format!("{told}; the sandbox kept it")
            } else {
                told
            }
        }
        (_, None, _) => why.unwrap_or_default(),
    };
    let line = arrived.map(|at| {
        Wait {
            since,
            promised: None,
            answered: None,
            told: Some((who.clone(), message.channel, at)),
            seen: seen.map(|at| (who.clone(), at)),
            passed: None,
        }
        .marks(answered.unwrap_or(now))
    });
    let to = mask(&message.recipient);
    Told {
        note: if message.staff.is_some() && !message.recipient.is_empty() {
            to
        } else {
            String::new()
        },
        by: capital(way(message.channel)),
        who,
        class,
        symbol,
        word,
        line,
        came,
        href: format!("{base}/messages/{}", message.id),
    }
}

fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| {
        first.to_uppercase().chain(chars).collect()
    })
}
