//! Resend (N2). Source: <https://resend.com/docs/api-reference>.

mod hook;

use crate::{
    answers::{by_status, probe_failed, reference, unreadable},
    catalogue::{BASE_URL, ProviderInfo, RATE, SettingInfo},
    channel::{Capabilities, Channel, HookError, Length, Rate, RawHook, Repeat, Reports},
    http::{
        Answer, Broke, Call, Http,
        retry_after::{LONGEST_WAIT, retry_after},
    },
    mail::{Mail, line, mail},
    settings::{Settings, SettingsError, under},
    signing::standard::Secret,
};
use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Uri, header};
use lettre::message::Mailbox;
use ringback_core::{
    ids::MessageId,
    messages::{ChannelKind, HookEvent, Outcome, Outgoing, Reason, Suppress},
    time::Timestamp,
};
use serde::{Deserialize, Serialize, Serializer};
use std::time::Duration;

const NAME: &str = "Resend";
const DEADLINE: Duration = Duration::from_secs(15);
/// The tag that carries our message's id and comes back with reports.
pub(super) const TAG: &str = "message_ref";

pub(crate) const INFO: ProviderInfo = ProviderInfo {
    name: "resend",
    channel: ChannelKind::Email,
    label: NAME,
    settings: &[
        SettingInfo::needed(
            "api_key",
            "API key",
            "Starts with re_; a key that may only send is enough.",
        )
        .secret(),
        SettingInfo::needed(
            "from",
            "Sender",
            "An address on a domain that Resend has verified, such as Acme <hello@example.com>.",
        ),
        SettingInfo::optional(
            "webhook_secret",
            "Webhook signing secret",
            "Starts with whsec_; shown on the webhook's page at Resend. Without it reports are refused.",
        )
        .secret(),
        SettingInfo::optional(
            "webhook_secret_secondary",
            "Second webhook signing secret",
            "Accepted too, while you rotate secrets.",
        )
        .secret(),
        BASE_URL,
        RATE,
    ],
};

/// A Resend account with a sender.
pub struct Resend {
    http: Http,
    emails: Uri,
    domains: Uri,
    headers: HeaderMap,
    from: Mailbox,
    secrets: Vec<Secret>,
    rate: Option<Rate>,
}

impl Resend {
    pub(crate) fn open(settings: &Settings<'_>, http: &Http) -> Result<Self, SettingsError> {
        let base = settings.base("https://api.resend.com", http)?;
        let headers = settings.json_headers("api_key")?;
        let mut secrets = Vec::new();
        for name in ["webhook_secret", "webhook_secret_secondary"] {
            if let Some(text) = settings.get(name) {
                secrets.push(Secret::parse(text).ok_or_else(|| {
                    SettingsError::new(name, "A signing secret starts with whsec_; copy it again.")
                })?);
            }
        }
        Ok(Self {
            http: http.clone(),
            emails: under(&base, "/emails")?,
            domains: under(&base, "/domains")?,
            headers,
            from: settings.sender("from")?,
            secrets,
            rate: settings.rate()?,
        })
    }
}

#[derive(Serialize)]
struct Email<'a> {
    from: String,
    to: [&'a str; 1],
    #[serde(skip_serializing_if = "Option::is_none")]
    reply_to: Option<[String; 1]>,
    subject: &'a str,
    text: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    html: Option<&'a str>,
    #[serde(skip_serializing_if = "no_headers", serialize_with = "as_map")]
    headers: &'a [(String, String)],
    tags: [Tag; 1],
}

#[derive(Serialize)]
struct Tag {
    name: &'static str,
    value: String,
}

fn no_headers(headers: &&[(String, String)]) -> bool {
    headers.is_empty()
}

fn as_map<S: Serializer>(headers: &&[(String, String)], to: S) -> Result<S::Ok, S::Error> {
    to.collect_map(headers.iter().map(|(name, value)| (name, value)))
}

/// The request's body. The same message gives the same bytes, or the key would be refused.
fn body(mail: &Mail<'_>, message: MessageId) -> Option<Bytes> {
    let email = Email {
        from: line(&mail.from, false),
        to: [mail.to.as_ref()],
        reply_to: mail.reply_to.as_ref().map(|to| [to.email.to_string()]),
        subject: mail.subject,
        text: mail.text,
        html: mail.html,
        headers: mail.headers,
        tags: [Tag {
            name: TAG,
            value: message.to_string(),
        }],
    };
    serde_json::to_vec(&email).ok().map(Bytes::from)
}

#[derive(Deserialize)]
struct Created {
    id: String,
}

#[derive(Deserialize)]
struct Refused {
    name: String,
}

#[derive(Deserialize)]
struct Domains {
    data: Vec<Domain>,
}

#[derive(Deserialize)]
struct Domain {
    status: String,
}

fn outcome(answer: &Answer, now: Timestamp) -> Outcome {
    if answer.status.is_success() {
        let named = serde_json::from_slice::<Created>(&answer.body)
            .ok()
            .and_then(|created| reference(created.id));
        return match named {
            Some(reference) => Outcome::Accepted {
                reference,
                cost: None,
            },
            None => unreadable(NAME),
        };
    }
    let Ok(refused) = serde_json::from_slice::<Refused>(&answer.body) else {
        return by_status(NAME, answer, now);
    };
    by_name(
        &refused.name,
        answer.status.as_u16(),
        retry_after(&answer.headers, now).or_else(|| reset_in(&answer.headers)),
    )
    .unwrap_or_else(|| by_status(NAME, answer, now))
}

/// `ratelimit-reset`: in how many seconds the account may go on. Source: <https://resend.com/docs/api-reference/rate-limit>.
fn reset_in(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get("ratelimit-reset")?.to_str().ok()?;
    let seconds = text.trim().parse().ok()?;
    Some(Duration::from_secs(seconds).min(LONGEST_WAIT))
}

/// The class of a named refusal. Source: <https://resend.com/docs/api-reference/errors>.
fn by_name(name: &str, status: u16, after: Option<Duration>) -> Option<Outcome> {
    let why = |detail: &str| Reason::new(name, detail);
    let config = |detail: &str| Outcome::Misconfigured { why: why(detail) };
    let permanent = |detail: &str| Outcome::Permanent {
        why: why(detail),
        suppress: Suppress::No,
    };
    let retry = |detail: &str, after| Outcome::Retryable {
        why: why(detail),
        after,
    };
    Some(match name {
        "missing_required_field"
        | "invalid_parameter"
        | "invalid_attachment"
        | "invalid_idempotency_key" => permanent("Resend found a field of the request invalid."),
        "validation_error" if status == 403 => config(
            "The sender's domain is not verified at Resend, or the account may only write to its own address.",
        ),
        "validation_error" => permanent("Resend found the mail invalid."),
        "missing_api_key" | "restricted_api_key" | "invalid_api_key" | "invalid_access"
        | "suspended_api_key" => config("Resend did not accept the API key."),
        "invalid_from_address" => config("Resend does not accept the sender's address."),
        "not_found" | "method_not_allowed" | "invalid_region" => {
            config("Resend does not know this address; check the settings of the connection.")
        }
        "concurrent_idempotent_requests" => retry(
            "Resend still works on the same mail.",
            after.or(Some(Duration::from_secs(2))),
        ),
        // The key was used with other bytes: a twin of this mail is on its way already.
        "invalid_idempotent_request" => Outcome::Unknown {
            why: why("Resend had this mail before, with another content."),
        },
        "rate_limit_exceeded" => retry("Resend asks us to slow down.", after),
        "daily_quota_exceeded" | "monthly_quota_exceeded" => retry(
            "The account's quota at Resend is used up.",
            after.or(Some(Duration::from_secs(3600))),
        ),
        "security_error" => permanent("Resend refused the mail for security."),
        "application_error" | "internal_server_error" => Outcome::Unknown {
            why: why("Resend had trouble of its own and may have sent it all the same."),
        },
        _ => return None,
    })
}

#[async_trait]
impl Channel for Resend {
    fn capabilities(&self) -> Capabilities {
        Capabilities {
            kind: ChannelKind::Email,
            length: Some(Length::Bytes(40 * 1024 * 1024)),
            rate: self.rate,
            repeat: Repeat::ByKey,
            reports: Reports {
                delivery: !self.secrets.is_empty(),
                failure: !self.secrets.is_empty(),
                engagement: !self.secrets.is_empty(),
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
        let (Some(body), Ok(key)) = (
            body(&mail, message.message),
            HeaderValue::from_str(&message.key),
        ) else {
            return Outcome::Permanent {
                why: Reason::new("request", "The mail cannot be written as a request."),
                suppress: Suppress::No,
            };
        };
        let mut headers = self.headers.clone();
        headers.insert("idempotency-key", key);
        let call = Call {
            method: Method::POST,
            uri: self.emails.clone(),
            headers,
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
        hook::read(&self.secrets, hook, now)
    }

    async fn probe(&self) -> Result<String, Reason> {
        let mut headers = self.headers.clone();
        headers.remove(header::CONTENT_TYPE);
        let call = Call {
            method: Method::GET,
            uri: self.domains.clone(),
            headers,
            body: Bytes::new(),
            deadline: DEADLINE,
            ends: None,
        };
        let answer = self.http.call(call).await.map_err(Broke::reason)?;
        if answer.status.is_success() {
            return Ok(match serde_json::from_slice::<Domains>(&answer.body) {
                Ok(found) => {
                    let verified = found.data.iter().filter(|one| one.status == "verified");
                    format!(
                        "Resend knows this key; {} of {} domains are verified.",
                        verified.count(),
                        found.data.len()
                    )
                }
                Err(_) => "Resend knows this key.".to_owned(),
            });
        }
        match serde_json::from_slice::<Refused>(&answer.body) {
            Ok(refused) if refused.name == "restricted_api_key" => {
                Ok("Resend knows this key; it may only send.".to_owned())
            }
            _ => Err(probe_failed(NAME, &answer)),
        }
    }
}
