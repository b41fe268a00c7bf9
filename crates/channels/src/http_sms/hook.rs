//! What an SMS provider of any kind posts to us: proven as the settings say, then read by their pointers (H1).

use super::{
    request::Request,
    rules::{Pointer, Refusals, Words},
    settings::{header_name, pointer, read},
    template::Placeholder,
};
use crate::{
    answers::{reference as name, short},
    channel::{HookError, RawHook},
    report_url::reference,
    settings::{Settings, SettingsError},
    signing::{hmac_sha256, same, sha256_hex},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use http::{HeaderName, header};
use ringback_core::{
    messages::{ChannelKind, Fact, HookEvent, Inbound, Report, Reported},
    time::Timestamp,
};
use serde_json::{Map, Value};
use url::form_urlencoded::parse;

/// How far a signed timestamp may be from now, either way, in seconds.
const TOLERANCE_S: i64 = 300;

/// How a post proves that the provider sent it. That it came to the secret address was seen before.
enum Proof {
    /// The secret address is all there is.
    Path,
    /// A header carries the secret itself.
    Shared {
        header: HeaderName,
        secrets: Vec<String>,
    },
    /// A header carries HMAC-SHA256 of the body, of its timestamp too where there is one.
    Signed {
        header: HeaderName,
        secrets: Vec<String>,
        encoding: Encoding,
        timestamp: Option<HeaderName>,
    },
}

/// How a signature is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Encoding {
    Hex,
    Base64,
}

impl Encoding {
    fn read(self, text: &str) -> Option<Vec<u8>> {
        let text = text.strip_prefix("sha256=").unwrap_or(text);
        match self {
            Self::Base64 => STANDARD.decode(text).ok(),
            Self::Hex => {
                let digits: Option<Vec<u8>> = text
                    .chars()
                    .map(|c| c.to_digit(16).and_then(|digit| u8::try_from(digit).ok()))
                    .collect();
                let digits = digits.filter(|digits| digits.len() % 2 == 0)?;
                Some(digits.chunks(2).map(|two| two[0] << 4 | two[1]).collect())
            }
        }
    }
}

impl Proof {
    fn check(&self, hook: &RawHook, now: Timestamp) -> Result<(), HookError> {
        let proven = |fits: bool| fits.then_some(()).ok_or(HookError::BadSignature);
        match self {
            Self::Path => Ok(()),
            Self::Shared { header, secrets } => {
                let found = hook
                    .header(header.as_str())
                    .ok_or(HookError::BadSignature)?;
                proven(
                    secrets
                        .iter()
                        .any(|secret| same(secret.as_bytes(), found.as_bytes())),
                )
            }
            Self::Signed {
                header,
                secrets,
                encoding,
                timestamp,
            } => {
                let found = hook
                    .header(header.as_str())
                    .and_then(|text| encoding.read(text))
                    .ok_or(HookError::BadSignature)?;
                let mut text = Vec::new();
                let mut at = None;
                if let Some(header) = timestamp {
                    let stamp = hook
                        .header(header.as_str())
                        .ok_or(HookError::BadSignature)?;
                    at = Some(stamp.parse::<i64>().map_err(|_| HookError::BadSignature)?);
                    text.extend_from_slice(stamp.as_bytes());
                    text.push(b'.');
                }
                text.extend_from_slice(&hook.body);
                proven(
                    secrets
                        .iter()
                        .any(|secret| same(hmac_sha256(secret.as_bytes(), &text).as_ref(), &found)),
                )?;
                match at {
                    Some(at) if now.as_second().abs_diff(at) > TOLERANCE_S.unsigned_abs() => {
                        Err(HookError::Stale)
                    }
                    _ => Ok(()),
                }
            }
        }
    }
}

/// Where a report says what.
struct Reporting {
    status: Pointer,
    words: Words,
    message: Option<Pointer>,
    id: Option<Pointer>,
    code: Option<Pointer>,
}

/// Where a person's text stands.
struct Replies {
    text: Pointer,
    from: Pointer,
    to: Option<Pointer>,
    id: Option<Pointer>,
    /// What tells a reply from a report; without it, that no status stands there.
    when: Option<Pointer>,
}

/// The door of a connection.
pub(super) struct Door {
    proof: Proof,
    reporting: Option<Reporting>,
    replies: Option<Replies>,
}

fn proof(settings: &Settings<'_>) -> Result<Proof, SettingsError> {
    let kind = settings.get("proof").unwrap_or("path");
    let header = read(settings, "proof_header", header_name)?;
    let timestamp = read(settings, "proof_timestamp_header", header_name)?;
    let secrets: Vec<String> = ["proof_secret", "proof_secret_secondary"]
        .into_iter()
        .filter_map(|name| settings.get(name).map(str::to_owned))
        .collect();
    if kind == "path" {
        return match (&header, secrets.is_empty()) {
            (None, true) => Ok(Proof::Path),
            _ => Err(SettingsError::new(
                "proof",
                "Choose how the header proves a report: header, hmac_sha256_hex or hmac_sha256_base64.",
            )),
        };
    }
    let header = header.ok_or_else(|| {
        SettingsError::new("proof_header", "Enter the header that carries the proof.")
    })?;
    if secrets.iter().any(|secret| secret.len() < 8) || settings.get("proof_secret").is_none() {
        return Err(SettingsError::new(
            "proof_secret",
            "Enter the secret that proves reports; it has at least 8 characters.",
        ));
    }
    if kind == "header" {
        return match timestamp {
            None => Ok(Proof::Shared { header, secrets }),
            Some(_) => Err(SettingsError::new(
                "proof_timestamp_header",
                "A shared secret signs no timestamp; leave this empty or choose a signature.",
            )),
        };
    }
    Ok(Proof::Signed {
        header,
        secrets,
        encoding: if kind == "hmac_sha256_hex" {
            Encoding::Hex
        } else {
            Encoding::Base64
        },
        timestamp,
    })
}

fn reporting(
    settings: &Settings<'_>,
    request: &Request,
) -> Result<Option<Reporting>, SettingsError> {
    let message = pointer(settings, "report_message")?;
    let comes_back = request.uses(Placeholder::ReportUrl)
        || (message.is_some() && request.uses(Placeholder::MessageId));
    match (
        pointer(settings, "report_status")?,
        read(settings, "report_statuses", Words::parse)?,
    ) {
        (None, None) => Ok(None),
        (Some(_), Some(_)) if !comes_back => Err(SettingsError::new(
            "report_message",
            "A report must find its message: send {{report_url}} along, or {{message_id}} and enter where a report gives it back.",
        )),
        (Some(status), Some(words)) => Ok(Some(Reporting {
            status,
            words,
            message,
            id: pointer(settings, "report_id")?,
            code: pointer(settings, "report_code")?,
        })),
        (None, Some(_)) => Err(SettingsError::new(
            "report_status",
            "Enter where a report has its status, too.",
        )),
        (Some(_), None) => Err(SettingsError::new(
            "report_statuses",
            "Enter what the status words mean, too.",
        )),
    }
}

fn replies(settings: &Settings<'_>) -> Result<Option<Replies>, SettingsError> {
    match (
        pointer(settings, "reply_text")?,
        pointer(settings, "reply_from")?,
    ) {
        (Some(text), Some(from)) => Ok(Some(Replies {
            text,
            from,
            to: pointer(settings, "reply_to")?,
            id: pointer(settings, "reply_id")?,
            when: read(settings, "reply_when", |text| Pointer::parse(text, true))?,
        })),
        (None, None) => Ok(None),
        (None, Some(_)) => Err(SettingsError::new(
            "reply_text",
            "Enter where the text of a reply stands, too.",
        )),
        (Some(_), None) => Err(SettingsError::new(
            "reply_from",
            "Enter where the number of the person stands, too.",
        )),
    }
}

impl Door {
    pub fn open(settings: &Settings<'_>, request: &Request) -> Result<Self, SettingsError> {
        Ok(Self {
            reporting: reporting(settings, request)?,
            proof: proof(settings)?,
            replies: replies(settings)?,
        })
    }

    /// True when delivery reports can be read; our id comes back with each.
    pub fn hears_reports(&self) -> bool {
        self.reporting.is_some()
    }

    /// True when what people write back can be read.
    pub fn hears_replies(&self) -> bool {
        self.replies.is_some()
    }

    pub fn read(
        &self,
        refusals: &Refusals,
        hook: &RawHook,
        now: Timestamp,
    ) -> Result<Vec<HookEvent>, HookError> {
        if self.reporting.is_none() && self.replies.is_none() {
            return Err(HookError::NotConfigured(
                "Enter where a report says its status as report_status and report_statuses, so that reports can be read.".into(),
            ));
        }
        self.proof.check(hook, now)?;
        let ours = reference(&hook.url);
        let mut events = Vec::new();
        for one in documents(hook)? {
            if let Some(inbound) = self.reply(&one, now) {
                events.push(HookEvent::Inbound(inbound));
            } else if let Some(reporting) = &self.reporting {
                let message = reporting
                    .message
                    .as_ref()
                    .and_then(|pointer| pointer.text(&one)?.parse().ok())
                    .or(ours);
                let Some(said) = reporting.status.text(&one) else {
                    continue;
                };
                let code = reporting
                    .code
                    .as_ref()
                    .and_then(|pointer| pointer.text(&one));
                let code = code.map(|code| short(&code, 40));
                let Some((all, suppress, why)) =
                    reporting.words.meaning(&said, code.as_deref(), refusals)
                else {
                    continue;
                };
                let id = reporting.id.as_ref().and_then(|pointer| pointer.text(&one));
                // Two providers of one business may give the same id; with ours in front each report is itself.
                let key = match (&message, &id) {
                    (Some(message), Some(id)) => format!("{message}:{}", short(id, 80)),
                    (Some(message), None) => message.to_string(),
                    (None, Some(id)) => short(id, 80),
                    (None, None) => sha256_hex(one.to_string().as_bytes()),
                };
                events.extend(all.into_iter().map(|what| {
                    // One post may tell two things, and each is known by its own name.
                    let part = match what {
                        Reported::Status(status) => status.as_str(),
                        Reported::Fact(Fact::Opened) => "read",
                        Reported::Fact(_) => "sent",
                    };
                    HookEvent::Report(Report {
                        dedup: format!("{key}:{part}:{}", code.as_deref().unwrap_or("0")),
                        message,
                        reference: id.clone().and_then(name),
                        what,
                        suppress,
                        why: why.clone(),
                        cost: None,
                        at: now,
                    })
                }));
            }
        }
        Ok(events)
    }

    fn reply(&self, document: &Value, now: Timestamp) -> Option<Inbound> {
        let replies = self.replies.as_ref()?;
        let is_reply = match (&replies.when, &self.reporting) {
            (Some(when), _) => when.holds(document),
            (None, Some(reporting)) => reporting.status.text(document).is_none(),
            (None, None) => true,
        };
        if !is_reply {
            return None;
        }
        let at = |pointer: &Option<Pointer>| pointer.as_ref()?.text(document);
        let from = number(&replies.from.text(document)?);
        Some(Inbound {
            dedup: at(&replies.id).map_or_else(
                || sha256_hex(document.to_string().as_bytes()),
                |id| format!("{}:{}", short(&from, 40), short(&id, 120)),
            ),
            channel: ChannelKind::Sms,
            from,
            to: number(&at(&replies.to).unwrap_or_default()),
            body: replies
                .text
                .text(document)
                .unwrap_or_default()
                .chars()
                .take(10_000)
                .collect(),
            answered_by_provider: false,
            at: now,
        })
    }
}

/// Some providers leave the plus out.
fn number(text: &str) -> String {
    let text = text.trim();
    if text.len() >= 8 && text.bytes().all(|b| b.is_ascii_digit()) {
        format!("+{}", short(text, 300))
    } else {
        short(text, 320)
    }
}

/// What was posted: the fields of a form, a document, or each document of a list.
fn documents(hook: &RawHook) -> Result<Vec<Value>, HookError> {
    let form = hook
        .header(header::CONTENT_TYPE.as_str())
        .is_some_and(|kind| kind.starts_with("application/x-www-form-urlencoded"));
    if form {
        let mut fields = Map::new();
        for (name, value) in parse(&hook.body) {
            fields
                .entry(name.into_owned())
                .or_insert_with(|| value.into_owned().into());
        }
        return Ok(vec![Value::Object(fields)]);
    }
    match serde_json::from_slice(&hook.body) {
        Ok(Value::Array(all)) => Ok(all),
        Ok(one @ Value::Object(_)) => Ok(vec![one]),
        Ok(_) => Err(HookError::Malformed(
            "neither a document nor a list of them".into(),
        )),
        Err(error) => Err(HookError::Malformed(format!(
            "neither a form nor JSON: {error}"
        ))),
    }
}
