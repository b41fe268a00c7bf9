//! Twilio's own log: what became of a text whose answer never came (M3).
//! Source: <https://www.twilio.com/docs/messaging/api/message-resource#read-multiple-message-resources>. `DateSent` filters on a date that is
//! null while a text is queued, so the list is asked by recipient alone and read newest first until it is older than the call.

use super::{Twilio, codes, cost};
use crate::{
    answers::{by_status, reference, short},
    http::{Answer, Call},
};
use bytes::Bytes;
use http::{Method, Uri, header, uri::PathAndQuery};
use jiff::{SignedDuration, fmt::rfc2822};
use ringback_core::{
    messages::{Content, Finding, Outcome, Outgoing, Reason},
    time::Timestamp,
};
use serde::Deserialize;
use std::time::Duration;
use url::form_urlencoded::byte_serialize;

/// A look-up is no send: nobody waits for it.
const DEADLINE: Duration = Duration::from_secs(10);
/// Entries a page: with 1,600 characters each they still fit into an answer that is read.
const PAGE: u32 = 20;
/// Pages that are followed; more texts to one number since the call would be no usual business.
const MOST_PAGES: usize = 5;
/// Clocks differ, and dates are in whole seconds: entries so long before the call are looked at too.
const MARGIN: SignedDuration = SignedDuration::from_secs(5);
/// What Twilio puts before a trial account's texts.
const TRIAL: &str = "Sent from your Twilio trial account - ";

#[derive(Deserialize)]
struct Page {
    messages: Vec<Entry>,
    #[serde(default)]
    next_page_uri: Option<String>,
}

/// A text as the log has it.
#[derive(Deserialize)]
struct Entry {
    sid: String,
    #[serde(default)]
    from: Option<String>,
    #[serde(default)]
    messaging_service_sid: Option<String>,
    #[serde(default)]
    body: Option<String>,
    #[serde(default)]
    direction: Option<String>,
    #[serde(default)]
    date_created: Option<String>,
    #[serde(default)]
    status: Option<String>,
    #[serde(default)]
    error_code: Option<u32>,
    #[serde(default)]
    price: Option<String>,
    #[serde(default)]
    price_unit: Option<String>,
}

fn unclear(code: &str, detail: impl Into<String>) -> Finding {
    Finding::Unclear {
        why: Reason::new(code, detail),
    }
}

impl Twilio {
    pub(super) async fn search(&self, message: &Outgoing, since: Timestamp) -> Finding {
        let Content::Text { body } = &message.content else {
            return unclear("wrong_kind", "Only texts are in Twilio's log.");
        };
        let to: String = byte_serialize(message.to.as_bytes()).collect();
        let mut next = format!("{}?To={to}&PageSize={PAGE}", self.messages.path());
        let mut matches: Vec<Entry> = Vec::new();
        for _ in 0..MOST_PAGES {
            let answer = match self.page(&next).await {
                Ok(answer) => answer,
                Err(why) => return Finding::Unclear { why },
            };
            let Ok(page) = serde_json::from_slice::<Page>(&answer.body) else {
                return unclear("unreadable", "Twilio's log cannot be read.");
            };
            let from = begin(since, &answer, message.at);
            let mut older = false;
            for entry in page.messages {
                match entry.created() {
                    Some(at) if at < from => older = true,
                    _ if self.is_ours(&entry) && same_words(&entry, body) => matches.push(entry),
                    _ => {}
                }
            }
            match page.next_page_uri.filter(|uri| uri.starts_with('/')) {
                Some(uri) if !older => next = uri,
                _ => return judge(matches),
            }
        }
        unclear(
            "long_log",
            "There are too many texts to this number in Twilio's log since the call.",
        )
    }

    async fn page(&self, path: &str) -> Result<Answer, Reason> {
        let mut headers = self.headers.clone();
        headers.remove(header::CONTENT_TYPE);
        let mut parts = self.messages.clone().into_parts();
        parts.path_and_query = PathAndQuery::try_from(path).ok();
        let uri = Uri::from_parts(parts)
            .map_err(|_| Reason::new("url", "Twilio named a page that cannot be called."))?;
        let call = Call {
            method: Method::GET,
            uri,
            headers,
            body: Bytes::new(),
            deadline: DEADLINE,
            ends: None,
        };
        let answer = self
            .http
            .call(call)
            .await
            .map_err(crate::http::Broke::reason)?;
        if answer.cut {
            return Err(Reason::new("cut", "Twilio's log was too long to be read."));
        }
        if answer.status.is_success() {
            return Ok(answer);
        }
        let refused = by_status(super::NAME, &answer, Timestamp::UNIX_EPOCH);
        Err(match refused {
            Outcome::Retryable { why, .. }
            | Outcome::Misconfigured { why }
            | Outcome::Permanent { why, .. } => why,
            _ => Reason::new(
                format!("http_{}", answer.status.as_u16()),
                "Twilio had trouble of its own when its log was asked.",
            ),
        })
    }

    /// Sent by this account's own sender to a person.
    fn is_ours(&self, entry: &Entry) -> bool {
        let outbound = entry
            .direction
            .as_deref()
            .is_none_or(|direction| direction.starts_with("outbound"));
        let sender = match (&self.service, &self.from) {
            (Some(service), _) => entry.messaging_service_sid.as_ref() == Some(service),
            (None, Some(from)) => entry.from.as_ref() == Some(from),
            (None, None) => true,
        };
        outbound && sender
    }
}

impl Entry {
    fn created(&self) -> Option<Timestamp> {
        let text = self.date_created.as_deref()?;
        rfc2822::DateTimeParser::new().parse_timestamp(text).ok()
    }
}

/// The instant of the call by Twilio's clock, as far as its answer tells the time.
fn begin(since: Timestamp, answer: &Answer, now: Timestamp) -> Timestamp {
    let theirs = answer
        .headers
        .get(header::DATE)
        .and_then(|date| date.to_str().ok())
        .and_then(|date| rfc2822::DateTimeParser::new().parse_timestamp(date).ok());
    let skew = theirs.map_or(SignedDuration::ZERO, |theirs| theirs.duration_since(now));
    since
        .checked_add(skew)
        .and_then(|at| at.checked_sub(MARGIN))
        .unwrap_or(Timestamp::MIN)
}

/// The same text: Twilio may put its trial line before it and plain characters for fancy ones ("smart encoding").
fn same_words(entry: &Entry, ours: &str) -> bool {
    let Some(theirs) = entry.body.as_deref() else {
        return false;
    };
    let fold = |text: &str| -> String { text.chars().filter(|c| c.is_alphanumeric()).collect() };
    let theirs = theirs.strip_prefix(TRIAL).unwrap_or(theirs);
    theirs == ours || {
        let folded = fold(ours);
        !folded.is_empty() && folded == fold(theirs)
    }
}

fn judge(mut matches: Vec<Entry>) -> Finding {
    let Some(entry) = matches.pop() else {
        return Finding::Absent;
    };
    if !matches.is_empty() {
        return unclear(
            "several",
            format!(
                "Twilio's log has {} texts with these words since the call.",
                matches.len() + 1
            ),
        );
    }
    if matches!(entry.status.as_deref(), Some("failed" | "undelivered"))
        && let Some(code) = entry.error_code
    {
        return Finding::Found(codes::outcome(code, None));
    }
    let cost = cost(entry.price.as_deref(), entry.price_unit.as_deref());
    match reference(short(&entry.sid, 64)) {
        Some(reference) => Finding::Found(Outcome::Accepted { reference, cost }),
        None => unclear("unreadable", "Twilio's log has it under no name."),
    }
}
