//! SES events, in both dialects (event publishing and the older notifications).
//! Source: <https://docs.aws.amazon.com/ses/latest/dg/event-publishing-retrieving-sns-contents.html>.

use super::TAG;
use crate::{answers::short, channel::HookError};
use ringback_core::{
    messages::{Fact, HookEvent, ProviderRef, Reason, Report, Reported, Status, Suppress},
    time::Timestamp,
};
use serde::Deserialize;
use std::collections::HashMap;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Event {
    #[serde(alias = "notificationType")]
    event_type: Option<String>,
    mail: Option<Mail>,
    #[serde(default)]
    bounce: Option<Bounce>,
    #[serde(default)]
    complaint: Option<Complaint>,
    #[serde(default)]
    delivery: Option<Stamp>,
    #[serde(default)]
    delivery_delay: Option<Stamp>,
    #[serde(default)]
    open: Option<Stamp>,
    #[serde(default)]
    click: Option<Stamp>,
    #[serde(default)]
    subscription: Option<Subscription>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Mail {
    message_id: String,
    #[serde(default)]
    tags: HashMap<String, Vec<String>>,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct Bounce {
    bounce_type: String,
    bounce_sub_type: String,
    bounced_recipients: Vec<Recipient>,
    timestamp: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Recipient {
    status: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct Complaint {
    complaint_feedback_type: Option<String>,
    timestamp: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Stamp {
    timestamp: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct Subscription {
    timestamp: Option<String>,
    new_topic_preferences: Option<Preferences>,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct Preferences {
    unsubscribe_all: bool,
}

struct Meaning {
    what: Reported,
    suppress: Suppress,
    why: Option<Reason>,
    at: Option<String>,
}

/// Reads the text of a proven notification. Texts that are no event of ours (such as SNS's own test) come to nothing.
pub(super) fn read(text: &str, id: &str, at: Timestamp) -> Result<Vec<HookEvent>, HookError> {
    let Ok(event) = serde_json::from_str::<Event>(text) else {
        return Ok(Vec::new());
    };
    let (Some(kind), Some(mail)) = (&event.event_type, &event.mail) else {
        return Ok(Vec::new());
    };
    let Some(meaning) = meaning(kind, &event) else {
        return Ok(Vec::new());
    };
    let report = Report {
        dedup: short(id, 180),
        message: mail
            .tags
            .get(TAG)
            .and_then(|values| values.first())
            .and_then(|value| value.parse().ok()),
        reference: Some(ProviderRef(short(&mail.message_id, 200))),
        what: meaning.what,
        suppress: meaning.suppress,
        why: meaning.why,
        cost: None,
        at: meaning.at.and_then(|text| text.parse().ok()).unwrap_or(at),
    };
    if report.what != Reported::Fact(Fact::Sent) {
        return Ok(vec![HookEvent::Report(report)]);
    }
    // Sent also proves that SES has it, when the answer to the call was lost (M3).
    let accepted = Report {
        dedup: format!("{}:accepted", report.dedup),
        what: Reported::Status(Status::Accepted),
        ..report.clone()
    };
    Ok(vec![HookEvent::Report(accepted), HookEvent::Report(report)])
}

fn meaning(kind: &str, event: &Event) -> Option<Meaning> {
    let plain = |what, at: Option<&Stamp>| {
        Some(Meaning {
            what,
            suppress: Suppress::No,
            why: None,
            at: at.and_then(|stamp| stamp.timestamp.clone()),
        })
    };
    let failed = |code: &str, detail: &str| {
        Some(Meaning {
            what: Reported::Status(Status::Failed),
            suppress: Suppress::No,
            why: Some(Reason::new(code, detail)),
            at: None,
        })
    };
    match kind {
        "Send" => plain(Reported::Fact(Fact::Sent), None),
        "Delivery" => plain(Reported::Status(Status::Delivered), event.delivery.as_ref()),
        "DeliveryDelay" => plain(Reported::Fact(Fact::Delayed), event.delivery_delay.as_ref()),
        "Open" => plain(Reported::Fact(Fact::Opened), event.open.as_ref()),
        "Click" => plain(Reported::Fact(Fact::Clicked), event.click.as_ref()),
        "Bounce" => event.bounce.as_ref().map(bounced),
        "Complaint" => event.complaint.as_ref().and_then(complained),
        "Reject" => failed("Reject", "SES found bad content in the mail."),
        "Rendering Failure" => failed("Rendering Failure", "SES could not fill in its template."),
        "Subscription" => event
            .subscription
            .as_ref()
            .filter(|one| {
                one.new_topic_preferences
                    .as_ref()
                    .is_some_and(|new| new.unsubscribe_all)
            })
            .map(|one| Meaning {
                what: Reported::Fact(Fact::Unsubscribed),
                suppress: Suppress::OptedOut,
                why: Some(Reason::new(
                    "unsubscribed",
                    "The person unsubscribed with SES.",
                )),
                at: one.timestamp.clone(),
            }),
        _ => None,
    }
}

fn bounced(bounce: &Bounce) -> Meaning {
    let status = bounce
        .bounced_recipients
        .iter()
        .find_map(|one| one.status.as_deref())
        .unwrap_or_default();
    let code = format!(
        "{}/{} {}",
        short(&bounce.bounce_type, 20),
        short(&bounce.bounce_sub_type, 40),
        short(status, 12)
    );
    let (status, suppress, detail) =
        match (bounce.bounce_type.as_str(), bounce.bounce_sub_type.as_str()) {
            ("Permanent", "Suppressed" | "OnAccountSuppressionList") => (
                Status::Blocked,
                Suppress::Invalid,
                "The address is on the suppression list of SES.",
            ),
            ("Permanent", _) => (
                Status::Bounced,
                Suppress::Invalid,
                "The mailbox does not exist or refused the mail for good.",
            ),
            (_, "MailboxFull") => (Status::Failed, Suppress::No, "The mailbox is full."),
            _ => (
                Status::Failed,
                Suppress::No,
                "The mailbox did not take the mail, and SES stopped trying.",
            ),
        };
    Meaning {
        what: Reported::Status(status),
        suppress,
        why: Some(Reason::new(code.trim_end(), detail)),
        at: bounce.timestamp.clone(),
    }
}

/// `not-spam` is the opposite of a complaint: somebody took the mail out of the spam folder.
fn complained(complaint: &Complaint) -> Option<Meaning> {
    let kind = complaint
        .complaint_feedback_type
        .as_deref()
        .unwrap_or("abuse");
    if kind == "not-spam" {
        return None;
    }
    Some(Meaning {
        what: Reported::Fact(Fact::Complained),
        suppress: Suppress::Complained,
        why: Some(Reason::new(
            short(kind, 40),
            "The person called the mail spam.",
        )),
        at: complaint.timestamp.clone(),
    })
}
