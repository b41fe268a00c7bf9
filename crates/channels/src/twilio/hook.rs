//! Twilio's webhooks: reports on messages, and what people write back (H1).

use super::codes;
use crate::{
    answers::short,
    channel::{HookError, RawHook},
    report_url::reference,
    signing::twilio::{Algorithm, Signed, body_hash, verify},
};
use http::Method;
use ringback_core::ids::MessageId;
use ringback_core::{
    messages::{
        ChannelKind, Fact, HookEvent, Inbound, ProviderRef, Report, Reported, Status, Suppress,
    },
    time::Timestamp,
};
use url::form_urlencoded::parse;

const SIGNATURE: &str = "x-twilio-signature";
const SETTINGS: &str = "x-twilio-webhooks-signature-settings";

fn query(url: &str) -> Option<&str> {
    url.split_once('?').map(|(_, query)| query)
}

/// Proves the signature, then reads. JSON webhooks are of products that we do not use: proven and passed over.
pub(super) fn read(
    tokens: &[String],
    shared_key: Option<&str>,
    hook: &RawHook,
    now: Timestamp,
) -> Result<Vec<HookEvent>, HookError> {
    let signature = hook.header(SIGNATURE).ok_or(HookError::BadSignature)?;
    let (algorithm, secrets) = match hook.header(SETTINGS) {
        None if hook.headers.contains_key(SETTINGS) => return Err(HookError::BadSignature),
        None => (
            Algorithm::Sha1,
            tokens.iter().map(String::as_str).collect::<Vec<_>>(),
        ),
        Some(settings) => {
            let algorithm = Algorithm::from_settings(settings).ok_or(HookError::BadSignature)?;
            let key = shared_key.ok_or_else(|| {
                HookError::NotConfigured(
                    "Twilio signs its webhooks with a shared key; enter it as webhook_shared_key."
                        .into(),
                )
            })?;
            (algorithm, vec![key])
        }
    };
    let pairs = |encoded: &[u8]| -> Vec<(String, String)> { parse(encoded).into_owned().collect() };
    let by_hash = body_hash(&hook.url).is_some();
    let by_url = hook.method == Method::GET;
    let fields = match (by_hash, by_url) {
        (true, _) => Vec::new(),
        (_, true) => pairs(query(&hook.url).unwrap_or_default().as_bytes()),
        (_, false) => pairs(&hook.body),
    };
    let signed = match (by_hash, by_url) {
        (true, _) => Signed::Body(&hook.body),
        (_, true) => Signed::Nothing,
        (_, false) => Signed::Form(&fields),
    };
    if !verify(&secrets, algorithm, &hook.url, signed, signature) {
        return Err(HookError::BadSignature);
    }
    Ok(events(&Fields(&fields), reference(&hook.url), now))
}

struct Fields<'a>(&'a [(String, String)]);

impl Fields<'_> {
    /// A field's value; empty ones count as missing.
    fn get(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(one, value)| one == name && !value.is_empty())
            .map(|(_, value)| value.as_str())
    }
}

fn events(fields: &Fields<'_>, message: Option<MessageId>, now: Timestamp) -> Vec<HookEvent> {
    let Some(sid) = fields
        .get("MessageSid")
        .or_else(|| fields.get("SmsSid"))
        .filter(|sid| sid.len() <= 64)
    else {
        return Vec::new();
    };
    match fields
        .get("MessageStatus")
        .or_else(|| fields.get("SmsStatus"))
    {
        None | Some("received" | "receiving") => inbound(fields, sid, now).into_iter().collect(),
        Some(status) => reports(fields, sid, status, message, now),
    }
}

fn inbound(fields: &Fields<'_>, sid: &str, now: Timestamp) -> Option<HookEvent> {
    let (from, to) = (fields.get("From")?, fields.get("To")?);
    // Addresses of other channels (whatsapp:+…) are not numbers.
    if from.contains(':') {
        return None;
    }
    Some(HookEvent::Inbound(Inbound {
        dedup: sid.to_owned(),
        channel: ChannelKind::Sms,
        from: short(from, 320),
        to: short(to, 320),
        body: fields
            .get("Body")
            .unwrap_or_default()
            .chars()
            .take(10_000)
            .collect(),
        answered_by_provider: fields.get("OptOutType").is_some(),
        at: now,
    }))
}

fn reports(
    fields: &Fields<'_>,
    sid: &str,
    status: &str,
    message: Option<MessageId>,
    now: Timestamp,
) -> Vec<HookEvent> {
    let code = fields.get("ErrorCode").and_then(|code| code.parse().ok());
    let report = |suffix: &str, what: Reported| Report {
        dedup: format!("{sid}:{suffix}:{}", code.unwrap_or(0)),
        message,
        reference: Some(ProviderRef(sid.to_owned())),
        what,
        suppress: Suppress::No,
        why: None,
        cost: None,
        at: now,
    };
    let plain = |status: Status| report(status.as_str(), Reported::Status(status));
    let all = match status {
        "accepted" | "queued" | "scheduled" | "sending" => vec![plain(Status::Accepted)],
        // Handed to the carrier: also proof that Twilio has it, when the answer to the call was lost (M3).
        "sent" => vec![
            plain(Status::Accepted),
            report("sent", Reported::Fact(Fact::Sent)),
        ],
        "delivered" | "partially_delivered" => vec![plain(Status::Delivered)],
        "read" => vec![
            plain(Status::Delivered),
            report("read", Reported::Fact(Fact::Opened)),
        ],
        "canceled" => vec![plain(Status::Cancelled)],
        "undelivered" | "failed" => {
            let (reached, suppress, why) = codes::reported(code);
            vec![Report {
                suppress,
                why,
                ..report(status, Reported::Status(reached))
            }]
        }
        _ => Vec::new(),
    };
    all.into_iter().map(HookEvent::Report).collect()
}
