//! SendGrid's event webhook (H1). Source: <https://www.twilio.com/docs/sendgrid/for-developers/tracking-events/event>.

use super::MESSAGE;
use crate::{
    answers::short,
    channel::{HookError, RawHook},
    signing::{sendgrid::VerificationKey, sha256_hex},
};
use ringback_core::{
    messages::{Fact, HookEvent, ProviderRef, Reason, Report, Reported, Status, Suppress},
    time::Timestamp,
};
use serde_json::Value;

const SIGNATURE: &str = "x-twilio-email-event-webhook-signature";
const TIMESTAMP: &str = "x-twilio-email-event-webhook-timestamp";
/// SendGrid repeats what was not taken for a day; older events are replays.
const OLDEST_S: i64 = 25 * 3600;
const FUTURE_S: i64 = 300;
/// What a recipient's server calls an address that does not exist (RFC 5248).
const NO_SUCH_MAILBOX: [&str; 7] = [
    "5.1.1", "5.1.2", "5.1.3", "5.1.6", "5.1.10", "5.2.0", "5.2.1",
];

/// Proves the signature, then reads: one delivery carries many events, and one that cannot be read does not lose the others.
pub(super) fn read(
    keys: &[VerificationKey],
    hook: &RawHook,
    now: Timestamp,
) -> Result<Vec<HookEvent>, HookError> {
    if keys.is_empty() {
        return Err(HookError::NotConfigured(
            "Switch signature verification on for the event webhook and enter its key as verification_key, so that reports can be proven."
                .into(),
        ));
    }
    let (Some(signature), Some(stamp)) = (hook.header(SIGNATURE), hook.header(TIMESTAMP)) else {
        return Err(HookError::BadSignature);
    };
    let proven = keys
        .iter()
        .any(|key| key.signed(stamp, &hook.body, signature));
    if !proven {
        return Err(HookError::BadSignature);
    }
    let signed_at: i64 = stamp
        .parse()
        .map_err(|_| HookError::Malformed("the timestamp is none".into()))?;
    if !(-FUTURE_S..=OLDEST_S).contains(&now.as_second().saturating_sub(signed_at)) {
        return Err(HookError::Stale);
    }
    let events: Vec<Value> = serde_json::from_slice(&hook.body)
        .map_err(|error| HookError::Malformed(format!("not a list of events: {error}")))?;
    Ok(events
        .iter()
        .filter_map(|event| report(event, now))
        .map(HookEvent::Report)
        .collect())
}

fn report(event: &Value, now: Timestamp) -> Option<Report> {
    let text = |name: &str| event[name].as_str().unwrap_or_default();
    let (what, suppress, why) = meaning(event)?;
    let at = event["timestamp"].as_f64().unwrap_or_default();
    Some(Report {
        dedup: match text("sg_event_id") {
            "" => sha256_hex(event.to_string().as_bytes()),
            id => short(id, 180),
        },
        message: event[MESSAGE].as_str().and_then(|id| id.parse().ok()),
        reference: name_of(text("sg_message_id")),
        what,
        suppress,
        why,
        cost: None,
        at: Timestamp::from_second(at as i64)
            .ok()
            .filter(|_| at > 0.0)
            .unwrap_or(now),
    })
}

/// The name that the answer to our call gave; events add the machine that worked on the mail.
fn name_of(id: &str) -> Option<ProviderRef> {
    let end = [".recvd-", ".filter"]
        .iter()
        .filter_map(|mark| id.find(mark))
        .min()
        .unwrap_or(id.len());
    crate::answers::reference(id[..end].to_owned())
}

fn meaning(event: &Value) -> Option<(Reported, Suppress, Option<Reason>)> {
    let text = |name: &str| event[name].as_str().unwrap_or_default();
    let plain = |what| Some((what, Suppress::No, None));
    match text("event") {
        "processed" => plain(Reported::Status(Status::Accepted)),
        "deferred" => plain(Reported::Fact(Fact::Delayed)),
        "delivered" => plain(Reported::Status(Status::Delivered)),
        // A machine that fetches pictures ahead of the person is no reader.
        "open" if event["sg_machine_open"] == true => None,
        "open" => plain(Reported::Fact(Fact::Opened)),
        "click" => plain(Reported::Fact(Fact::Clicked)),
        "bounce" => Some(bounced(
            text("type"),
            text("bounce_classification"),
            text("status"),
        )),
        "dropped" => Some(dropped(text("reason"))),
        "spamreport" => Some((
            Reported::Fact(Fact::Complained),
            Suppress::Complained,
            Some(Reason::new(
                "spamreport",
                "The person called the mail spam.",
            )),
        )),
        kind @ ("unsubscribe" | "group_unsubscribe") => Some((
            Reported::Fact(Fact::Unsubscribed),
            Suppress::OptedOut,
            Some(Reason::new(kind, "The person unsubscribed with SendGrid.")),
        )),
        _ => None,
    }
}

/// `blocked` is about us or the moment; `bounce` is about the address, which exists or not by its classification, else its status.
fn bounced(kind: &str, classification: &str, status: &str) -> (Reported, Suppress, Option<Reason>) {
    let code = format!(
        "{}/{} {}",
        short(kind, 20),
        short(classification, 40),
        short(status, 12)
    );
    let code = code.trim_end();
    if kind == "blocked" {
        let why = Reason::new(
            code,
            "The recipient's mail server did not take the mail for now, and SendGrid stopped trying.",
        );
        return (Reported::Status(Status::Failed), Suppress::No, Some(why));
    }
    let gone = match classification {
        "Invalid Address" => true,
        "" | "Unclassified" => NO_SUCH_MAILBOX.contains(&status),
        _ => false,
    };
    let (suppress, detail) = if gone {
        (Suppress::Invalid, "The mailbox does not exist.")
    } else {
        (Suppress::No, "The mailbox refused the mail for good.")
    };
    (
        Reported::Status(Status::Bounced),
        suppress,
        Some(Reason::new(code, detail)),
    )
}

/// SendGrid did not try: the address is on one of its lists, or the mail or the account was not fit.
fn dropped(reason: &str) -> (Reported, Suppress, Option<Reason>) {
    let blocked = |suppress, detail: &str| {
        (
            Reported::Status(Status::Blocked),
            suppress,
            Some(Reason::new(short(reason, 60), detail)),
        )
    };
    match reason {
        "Bounced Address" => blocked(
            Suppress::Invalid,
            "The address bounced before; it is on SendGrid's list.",
        ),
        "Unsubscribed Address" => blocked(
            Suppress::OptedOut,
            "The person unsubscribed with SendGrid before.",
        ),
        "Spam Reporting Address" => blocked(
            Suppress::Complained,
            "The person called a mail spam before; the address is on SendGrid's list.",
        ),
        "Invalid" => blocked(Suppress::Invalid, "SendGrid found the address invalid."),
        _ => {
            let code = if reason.is_empty() {
                "dropped".to_owned()
            } else {
                short(reason, 60)
            };
            let why = Reason::new(code, "SendGrid did not send the mail.");
            (Reported::Status(Status::Failed), Suppress::No, Some(why))
        }
    }
}
