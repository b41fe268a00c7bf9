//! Resend's webhooks, signed by Svix (H1). Source: <https://resend.com/docs/webhooks/event-types>.

use super::TAG;
use crate::{
    answers::short,
    channel::{HookError, RawHook},
    signing::standard::{Secret, verify},
};
use ringback_core::{
    ids::MessageId,
    messages::{
        ChannelKind, Fact, HookEvent, Inbound, ProviderRef, Reason, Report, Reported, Status,
        Suppress,
    },
    time::Timestamp,
};
use serde::Deserialize;
use serde_json::Value;

#[derive(Deserialize)]
struct Event {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    created_at: Option<String>,
    #[serde(default)]
    data: Data,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Data {
    email_id: Option<String>,
    from: Option<String>,
    to: Value,
    subject: Option<String>,
    tags: Value,
    bounce: Option<Bounce>,
    suppressed: Option<Why>,
    failed: Option<Why>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Bounce {
    #[serde(rename = "type")]
    kind: String,
    #[serde(rename = "subType")]
    sub_kind: String,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Why {
    reason: String,
}

pub(super) fn read(
    secrets: &[Secret],
    hook: &RawHook,
    now: Timestamp,
) -> Result<Vec<HookEvent>, HookError> {
    if secrets.is_empty() {
        return Err(HookError::NotConfigured(
            "Enter the webhook's signing secret as webhook_secret, so that reports can be proven."
                .into(),
        ));
    }
    let id = verify(secrets, hook, now)?;
    let event: Event = serde_json::from_slice(&hook.body)
        .map_err(|error| HookError::Malformed(format!("not an event of Resend: {error}")))?;
    let at = event
        .created_at
        .as_deref()
        .and_then(|text| text.parse().ok())
        .unwrap_or(now);
    if event.kind == "email.received" {
        return Ok(inbound(&event.data, id, at).into_iter().collect());
    }
    let Some((what, suppress, why)) = meaning(&event) else {
        return Ok(Vec::new());
    };
    let report = Report {
        dedup: id.to_owned(),
        message: reference(&event.data.tags),
        reference: event.data.email_id.map(|id| ProviderRef(short(&id, 200))),
        what,
        suppress,
        why,
        cost: None,
        at,
    };
    if report.what != Reported::Fact(Fact::Sent) {
        return Ok(vec![HookEvent::Report(report)]);
    }
    // Sent also proves that Resend has it, when the answer to the call was lost (M3).
    let accepted = Report {
        dedup: format!("{id}:accepted"),
        what: Reported::Status(Status::Accepted),
        ..report.clone()
    };
    Ok(vec![HookEvent::Report(accepted), HookEvent::Report(report)])
}

fn meaning(event: &Event) -> Option<(Reported, Suppress, Option<Reason>)> {
    let data = &event.data;
    let status = |status| Some((Reported::Status(status), Suppress::No, None));
    let fact = |fact| Some((Reported::Fact(fact), Suppress::No, None));
    match event.kind.as_str() {
        "email.scheduled" | "email.queued" => status(Status::Accepted),
        "email.sent" => fact(Fact::Sent),
        "email.delivered" => status(Status::Delivered),
        "email.delivery_delayed" => fact(Fact::Delayed),
        "email.opened" => fact(Fact::Opened),
        "email.clicked" => fact(Fact::Clicked),
        "email.complained" => Some((
            Reported::Fact(Fact::Complained),
            Suppress::Complained,
            Some(Reason::new("complaint", "The person called the mail spam.")),
        )),
        "email.bounced" => {
            let bounce = data.bounce.as_ref();
            let (kind, sub_kind) =
                bounce.map_or(("", ""), |one| (one.kind.as_str(), one.sub_kind.as_str()));
            let code = format!("{}/{}", short(kind, 20), short(sub_kind, 40));
            Some(if kind == "Permanent" {
                (
                    Reported::Status(Status::Bounced),
                    Suppress::Invalid,
                    Some(Reason::new(
                        code,
                        "The mailbox does not exist or refused the mail for good.",
                    )),
                )
            } else {
                (
                    Reported::Status(Status::Failed),
                    Suppress::No,
                    Some(Reason::new(code, "The mailbox did not take the mail.")),
                )
            })
        }
        "email.suppressed" => {
            let complained = data
                .suppressed
                .as_ref()
                .is_some_and(|why| why.reason.contains("complaint"));
            let (suppress, code) = if complained {
                (Suppress::Complained, "previous_complaint")
            } else {
                (Suppress::Invalid, "previous_bounce")
            };
            Some((
                Reported::Status(Status::Blocked),
                suppress,
                Some(Reason::new(
                    code,
                    "The address is on Resend's own suppression list.",
                )),
            ))
        }
        "email.failed" => {
            let code = data
                .failed
                .as_ref()
                .map_or_else(|| "failed".to_owned(), |why| short(&why.reason, 60));
            Some((
                Reported::Status(Status::Failed),
                Suppress::No,
                Some(Reason::new(code, "Resend could not send the mail.")),
            ))
        }
        _ => None,
    }
}

/// Our message, from the tags: an object, or a list of names and values.
fn reference(tags: &Value) -> Option<MessageId> {
    let text = match tags {
        Value::Object(map) => map.get(TAG)?.as_str()?,
        Value::Array(list) => list
            .iter()
            .find(|tag| tag["name"] == TAG)
            .and_then(|tag| tag["value"].as_str())?,
        _ => return None,
    };
    text.parse().ok()
}

/// A mail from a person. The event has no body, only the subject, which is where people put "unsubscribe".
fn inbound(data: &Data, id: &str, at: Timestamp) -> Option<HookEvent> {
    let to = match &data.to {
        Value::Array(list) => list.first()?.as_str()?,
        Value::String(one) => one,
        _ => return None,
    };
    let from = data.from.as_deref()?;
    let bare = |line: &str| {
        let inner = line.rsplit_once('<').map_or(line, |(_, rest)| rest);
        short(inner.trim_end_matches('>').trim(), 320)
    };
    Some(HookEvent::Inbound(Inbound {
        dedup: id.to_owned(),
        channel: ChannelKind::Email,
        from: bare(from),
        to: bare(to),
        body: short(data.subject.as_deref().unwrap_or_default(), 10_000),
        answered_by_provider: false,
        at,
    }))
}
