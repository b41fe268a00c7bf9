//! SendGrid, API version 3 (N2). Source: <https://www.twilio.com/docs/sendgrid/api-reference/mail-send/mail-send>.

mod hook;

use crate::{
    answers::{by_status, probe_failed, reference, unreadable},
    catalogue::{BASE_URL, ProviderInfo, RATE, SettingInfo},
    channel::{Capabilities, Channel, HookError, Length, Rate, RawHook, Repeat, Reports},
    http::{
        Answer, Broke, Call, Http,
        retry_after::{LONGEST_WAIT, retry_after},
    },
    mail::{Mail, encoded_words, mail, plain},
    settings::{Settings, SettingsError, under},
    signing::sendgrid::VerificationKey,
};
use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode, Uri, header};
use lettre::message::Mailbox;
use ringback_core::{
    messages::{ChannelKind, HookEvent, Outcome, Outgoing, Reason, Suppress},
    time::Timestamp,
};
use serde::{Deserialize, Serialize, Serializer};
use std::{borrow::Cow, time::Duration};

const NAME: &str = "SendGrid";
const DEADLINE: Duration = Duration::from_secs(15);
/// The custom argument that carries our message's id and comes back with events.
pub(super) const MESSAGE: &str = "message_ref";
/// Headers that SendGrid writes itself and refuses from others. Source: "headers" of the API reference.
const RESERVED: [&str; 12] = [
    "x-sg-id",
    "x-sg-eid",
    "received",
    "dkim-signature",
    "content-type",
    "content-transfer-encoding",
    "to",
    "from",
    "subject",
    "reply-to",
    "cc",
    "bcc",
];

pub(crate) const INFO: ProviderInfo = ProviderInfo {
    name: "sendgrid",
    channel: ChannelKind::Email,
    label: NAME,
    settings: &[
        SettingInfo::needed(
            "api_key",
            "API key",
            "Starts with SG.; a key that may only send mail is enough.",
        )
        .secret(),
        SettingInfo::needed(
            "from",
            "Sender",
            "A verified sender, or an address on an authenticated domain, such as Acme <hello@example.com>.",
        ),
        SettingInfo::optional(
            "verification_key",
            "Verification key",
            "Of the signed event webhook: under Settings, Mail settings, Event webhooks, with signature verification switched on. Without it reports are refused.",
        ),
        SettingInfo::optional(
            "verification_key_secondary",
            "Second verification key",
            "Accepted too, while you change keys.",
        ),
        SettingInfo::optional(
            "tracking",
            "Opens and clicks",
            "No (the default) leaves mails as they are written; yes lets SendGrid follow opens and clicks as the account is set up.",
        )
        .one_of(&["no", "yes"]),
        SettingInfo::optional(
            "ip_pool",
            "IP pool",
            "The pool of addresses to send from, when the account has several.",
        ),
        BASE_URL,
        RATE,
    ],
};

/// A SendGrid account with a sender.
pub struct SendGrid {
    http: Http,
    send: Uri,
    scopes: Uri,
    headers: HeaderMap,
    from: Mailbox,
    ip_pool: Option<String>,
    tracking: bool,
    keys: Vec<VerificationKey>,
    rate: Option<Rate>,
}

impl SendGrid {
    pub(crate) fn open(settings: &Settings<'_>, http: &Http) -> Result<Self, SettingsError> {
        let base = settings.base("https://api.sendgrid.com", http)?;
        let headers = settings.json_headers("api_key")?;
        let mut keys = Vec::new();
        for name in ["verification_key", "verification_key_secondary"] {
            if let Some(text) = settings.get(name) {
                keys.push(VerificationKey::parse(text).ok_or_else(|| {
                    SettingsError::new(
                        name,
                        "A verification key starts with MFkw and has 124 characters; copy it again.",
                    )
                })?);
            }
        }
        let ip_pool = settings.get("ip_pool").map(str::to_owned);
        if ip_pool
            .as_deref()
            .is_some_and(|name| !(2..=64).contains(&name.chars().count()))
        {
            return Err(SettingsError::new(
                "ip_pool",
                "The name of a pool has 2 to 64 characters.",
            ));
        }
        Ok(Self {
            http: http.clone(),
            send: under(&base, "/v3/mail/send")?,
            scopes: under(&base, "/v3/scopes")?,
            headers,
            from: settings.sender("from")?,
            ip_pool,
            tracking: settings.get("tracking") == Some("yes"),
            keys,
            rate: settings.rate()?,
        })
    }

    fn body(&self, mail: &Mail<'_>, message: &Outgoing) -> Option<Bytes> {
        let part = |kind, value| Part { kind, value };
        let mut content = vec![part("text/plain", mail.text)];
        content.extend(mail.html.map(|html| part("text/html", html)));
        let email = Email {
            personalizations: [Personalization {
                to: [Address {
                    email: mail.to.as_ref(),
                    name: None,
                }],
                custom_args: Arguments {
                    message_ref: message.message.to_string(),
                    attempt_ref: message.attempt.to_string(),
                },
            }],
            from: Address::of(&mail.from),
            reply_to: mail.reply_to.as_ref().map(Address::of),
            subject: mail.subject,
            content,
            headers: mail.headers,
            ip_pool_name: self.ip_pool.as_deref(),
            // Its own unsubscribe footer and header would stand beside ours (T5).
            tracking_settings: Tracking {
                click_tracking: (!self.tracking).then_some(OFF),
                open_tracking: (!self.tracking).then_some(OFF),
                subscription_tracking: OFF,
            },
        };
        serde_json::to_vec(&email).ok().map(Bytes::from)
    }
}

#[derive(Serialize)]
struct Email<'a> {
    personalizations: [Personalization<'a>; 1],
    from: Address<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reply_to: Option<Address<'a>>,
    subject: &'a str,
    content: Vec<Part<'a>>,
    #[serde(skip_serializing_if = "no_headers", serialize_with = "as_map")]
    headers: &'a [(String, String)],
    #[serde(skip_serializing_if = "Option::is_none")]
    ip_pool_name: Option<&'a str>,
    tracking_settings: Tracking,
}

#[derive(Serialize)]
struct Personalization<'a> {
    to: [Address<'a>; 1],
    custom_args: Arguments,
}

/// What comes back with every event. SendGrid keeps it as not personal, so it names nobody.
#[derive(Serialize)]
struct Arguments {
    message_ref: String,
    attempt_ref: String,
}

#[derive(Serialize)]
struct Address<'a> {
    email: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
}

impl<'a> Address<'a> {
    fn of(mailbox: &'a Mailbox) -> Self {
        Self {
            email: mailbox.email.as_ref(),
            name: mailbox.name.as_deref(),
        }
    }
}

#[derive(Serialize)]
struct Part<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    value: &'a str,
}

#[derive(Serialize)]
struct Tracking {
    #[serde(skip_serializing_if = "Option::is_none")]
    click_tracking: Option<Switch>,
    #[serde(skip_serializing_if = "Option::is_none")]
    open_tracking: Option<Switch>,
    subscription_tracking: Switch,
}

#[derive(Serialize)]
struct Switch {
    enable: bool,
}

const OFF: Switch = Switch { enable: false };

fn no_headers(headers: &&[(String, String)]) -> bool {
    headers.is_empty()
}

fn as_map<S: Serializer>(headers: &&[(String, String)], to: S) -> Result<S::Ok, S::Error> {
    to.collect_map(headers.iter().map(|(name, value)| {
        let value = if value.is_ascii() {
            Cow::Borrowed(value.as_str())
        } else {
            encoded_words(value).into()
        };
        (name, value)
    }))
}

#[derive(Deserialize, Default)]
struct Refused {
    #[serde(default)]
    errors: Vec<Fault>,
}

#[derive(Deserialize)]
struct Fault {
    #[serde(default)]
    message: Option<String>,
    #[serde(default)]
    field: Option<String>,
}

#[derive(Deserialize)]
struct Scopes {
    scopes: Vec<String>,
}

fn outcome(answer: &Answer, now: Timestamp) -> Outcome {
    if answer.status.is_success() {
        // 202 has no body; the name it gives the mail is in a header. A yes without one comes from somebody else.
        let named = answer
            .headers
            .get("x-message-id")
            .filter(|_| answer.status == StatusCode::ACCEPTED)
            .and_then(|value| value.to_str().ok())
            .and_then(|value| reference(value.to_owned()));
        return match named {
            Some(reference) => Outcome::Accepted {
                reference,
                cost: None,
            },
            None => unreadable(NAME),
        };
    }
    let refused: Refused = serde_json::from_slice(&answer.body).unwrap_or_default();
    let why = |detail: &str| Reason::new(format!("http_{}", answer.status.as_u16()), detail);
    let says = |words: &str| {
        refused.errors.iter().any(|fault| {
            fault
                .message
                .as_deref()
                .is_some_and(|message| message.to_ascii_lowercase().contains(words))
        })
    };
    let names = |fits: fn(&str) -> bool| {
        refused
            .errors
            .iter()
            .any(|fault| fault.field.as_deref().is_some_and(fits))
    };
    match answer.status.as_u16() {
        400 if names(is_recipient) => Outcome::Permanent {
            why: why("SendGrid does not accept the recipient's address."),
            suppress: Suppress::Invalid,
        },
        400 if names(is_sender) => Outcome::Misconfigured {
            why: why("SendGrid does not accept the sender's address."),
        },
        400 => Outcome::Permanent {
            why: why("SendGrid found the request invalid."),
            suppress: Suppress::No,
        },
        401 if says("credits exceeded") => Outcome::Retryable {
            why: Reason::new("credits", "The account's credits at SendGrid are used up."),
            after: Some(Duration::from_secs(3600)),
        },
        403 if says("sender identity") => Outcome::Misconfigured {
            why: why("The sender is not verified at SendGrid."),
        },
        429 => Outcome::Retryable {
            why: why("SendGrid asks us to slow down."),
            after: retry_after(&answer.headers, now).or_else(|| reset(&answer.headers, now)),
        },
        _ => by_status(NAME, answer, now),
    }
}

/// `personalizations.0.to.0.email` and its like.
fn is_recipient(field: &str) -> bool {
    let mut parts = field.split('.');
    parts.next() == Some("personalizations") && parts.nth(1) == Some("to")
}

fn is_sender(field: &str) -> bool {
    field == "from" || field.starts_with("from.")
}

/// `X-RateLimit-Reset`: the second at which the account may go on.
fn reset(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let text = headers.get("x-ratelimit-reset")?.to_str().ok()?;
    let wait = text.trim().parse::<i64>().ok()? - now.as_second();
    Some(Duration::from_secs(u64::try_from(wait).unwrap_or(0)).min(LONGEST_WAIT))
}

fn refuse(code: &str, detail: &str) -> Outcome {
    Outcome::Permanent {
        why: Reason::new(code, detail),
        suppress: Suppress::No,
    }
}

#[async_trait]
impl Channel for SendGrid {
    fn capabilities(&self) -> Capabilities {
        let reports = !self.keys.is_empty();
        Capabilities {
            kind: ChannelKind::Email,
            length: Some(Length::Bytes(30 * 1024 * 1024)),
            rate: self.rate,
            repeat: if reports {
                Repeat::ByReport
            } else {
                Repeat::Blind
            },
            reports: Reports {
                delivery: reports,
                failure: reports,
                engagement: reports && self.tracking,
                replies: false,
            },
            answers_opt_out: false,
        }
    }

    async fn send(&self, message: &Outgoing) -> Outcome {
        let mail = match mail(NAME, &self.from, message) {
            Ok(mail) => mail,
            Err(outcome) => return outcome,
        };
        if !plain(&mail.to) {
            return refuse(
                "address",
                "SendGrid cannot write to addresses with letters outside ASCII before the @.",
            );
        }
        let reserved = |name: &str| RESERVED.iter().any(|one| one.eq_ignore_ascii_case(name));
        if mail.headers.iter().any(|(name, _)| reserved(name)) {
            return refuse(
                "header",
                "The mail has a header that SendGrid writes itself; take it out of the template.",
            );
        }
        let Some(body) = self.body(&mail, message) else {
            return refuse("request", "The mail cannot be written as a request.");
        };
        let call = Call {
            method: Method::POST,
            uri: self.send.clone(),
            headers: self.headers.clone(),
            body,
            deadline: DEADLINE,
            ends: message.ends,
        };
        match self.http.call(call).await {
            Ok(answer) => outcome(&answer, message.at),
            Err(broke) => broke.outcome(),
        }
    }

    fn read(&self, hook: &RawHook, now: Timestamp) -> Result<Vec<HookEvent>, HookError> {
        hook::read(&self.keys, hook, now)
    }

    async fn probe(&self) -> Result<String, Reason> {
        let mut headers = self.headers.clone();
        headers.remove(header::CONTENT_TYPE);
        let call = Call {
            method: Method::GET,
            uri: self.scopes.clone(),
            headers,
            body: Bytes::new(),
            deadline: DEADLINE,
            ends: None,
        };
        let answer = self.http.call(call).await.map_err(Broke::reason)?;
        if !answer.status.is_success() {
            return Err(probe_failed(NAME, &answer));
        }
        match serde_json::from_slice::<Scopes>(&answer.body) {
            Ok(found) if found.scopes.iter().any(|scope| scope == "mail.send") => {
                Ok("SendGrid knows this key; it may send mail.".to_owned())
            }
            Ok(_) => Err(Reason::new(
                "no_scope",
                "SendGrid knows this key, but it may not send mail; give it the permission Mail Send.",
            )),
            Err(_) => Ok("SendGrid knows this key.".to_owned()),
        }
    }
}
