//! Amazon SES, API version 2 (N2). Source: <https://docs.aws.amazon.com/ses/latest/APIReference-V2/API_SendEmail.html>.

mod door;
mod events;

use crate::{
    answers::{by_status, probe_failed, reference, unreadable},
    catalogue::{BASE_URL, ProviderInfo, RATE, SettingInfo},
    channel::{Capabilities, Channel, HookError, Length, Rate, RawHook, Repeat, Reports},
    http::{Answer, Broke, Call, Http},
    mail::{Mail, encoded_words, line, mail, plain},
    settings::{Settings, SettingsError, secret_header, under},
    signing::sigv4::{Request, Signer},
};
use async_trait::async_trait;
use bytes::Bytes;
use door::Door;
use http::{HeaderMap, HeaderValue, Method, Uri, header};
use lettre::message::Mailbox;
use ringback_core::{
    ids::MessageId,
    messages::{ChannelKind, HookEvent, Outcome, Outgoing, Reason, Suppress},
    time::Timestamp,
};
use serde::{Deserialize, Serialize};
use std::{borrow::Cow, time::Duration};

const NAME: &str = "Amazon SES";
const DEADLINE: Duration = Duration::from_secs(15);
/// The tag that carries our message's id and comes back with reports.
pub(super) const TAG: &str = "message_ref";
const JSON: &str = "application/json";

pub(crate) const INFO: ProviderInfo = ProviderInfo {
    name: "ses",
    channel: ChannelKind::Email,
    label: NAME,
    settings: &[
        SettingInfo::needed(
            "region",
            "Region",
            "Such as us-east-1; where the sender is verified.",
        ),
        SettingInfo::needed(
            "access_key_id",
            "Access key ID",
            "Of a user who may do ses:SendEmail and ses:GetAccount and nothing else.",
        ),
        SettingInfo::needed(
            "secret_access_key",
            "Secret access key",
            "Belongs to the access key ID.",
        )
        .secret(),
        SettingInfo::optional(
            "session_token",
            "Session token",
            "Only for temporary credentials.",
        )
        .secret(),
        SettingInfo::needed(
            "from",
            "Sender",
            "A verified address, or one on a verified domain, such as Acme <hello@example.com>.",
        ),
        SettingInfo::optional(
            "configuration_set",
            "Configuration set",
            "Its event destination reports back; without one there are no reports.",
        ),
        SettingInfo::optional(
            "topic_arn",
            "SNS topic ARN",
            "The topic of that event destination; reports from any other topic are refused.",
        ),
        BASE_URL,
        RATE,
    ],
};

/// An SES account with a sender.
pub struct Ses {
    http: Http,
    send: Uri,
    account: Uri,
    headers: HeaderMap,
    signer: Signer,
    from: Mailbox,
    configuration_set: Option<String>,
    door: Door,
    rate: Option<Rate>,
}

impl Ses {
    pub(crate) fn open(settings: &Settings<'_>, http: &Http) -> Result<Self, SettingsError> {
        let region = settings.required("region")?;
        if !region
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        {
            return Err(SettingsError::new(
                "region",
                "Write a region such as us-east-1.",
            ));
        }
        let suffix = if region.starts_with("cn-") { ".cn" } else { "" };
        let own = format!("https://email.{region}.amazonaws.com{suffix}");
        let base = settings.base(&own, http)?;
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT, HeaderValue::from_static(JSON));
        headers.insert(header::USER_AGENT, crate::user_agent());
        let session_token = settings.get("session_token").map(str::to_owned);
        if let Some(token) = &session_token {
            headers.insert(
                "x-amz-security-token",
                secret_header("session_token", token)?,
            );
        }
        let configuration_set = settings.get("configuration_set").map(str::to_owned);
        let topic = settings.get("topic_arn").map(str::to_owned);
        if topic
            .as_deref()
            .is_some_and(|arn| !arn.starts_with("arn:aws"))
        {
            return Err(SettingsError::new(
                "topic_arn",
                "A topic ARN starts with arn:aws.",
            ));
        }
        Ok(Self {
            http: http.clone(),
            send: under(&base, "/v2/email/outbound-emails")?,
            account: under(&base, "/v2/email/account")?,
            headers,
            signer: Signer {
                access_key_id: settings.required("access_key_id")?.to_owned(),
                secret_access_key: settings.required("secret_access_key")?.to_owned(),
                session_token,
                region: region.to_owned(),
                service: "ses",
            },
            from: settings.sender("from")?,
            configuration_set,
            door: Door::new(topic),
            rate: settings.rate()?,
        })
    }

    /// Takes a certificate as the one that lies at `url`, without fetching it.
    pub(crate) fn trust(&self, url: &str, pem: &[u8]) -> Result<(), HookError> {
        self.door.keep(url, pem)
    }

    async fn call(
        &self,
        method: Method,
        uri: &Uri,
        body: Bytes,
        at: Timestamp,
        ends: Option<Duration>,
    ) -> Result<Answer, Broke> {
        let content_type = (method == Method::POST).then_some(JSON);
        let signed = self.signer.sign(
            Request {
                method: method.as_str(),
                uri,
                content_type,
                body: &body,
            },
            at,
        );
        let unsendable =
            || Broke::BeforeRequest(Reason::new("url", "The signature cannot be sent."));
        let mut headers = self.headers.clone();
        if let Some(content_type) = content_type {
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
        }
        let date = HeaderValue::from_str(&signed.date).map_err(|_| unsendable())?;
        headers.insert("x-amz-date", date);
        let mut authorization =
            HeaderValue::from_str(&signed.authorization).map_err(|_| unsendable())?;
        authorization.set_sensitive(true);
        headers.insert(header::AUTHORIZATION, authorization);
        self.http
            .call(Call {
                method,
                uri: uri.clone(),
                headers,
                body,
                deadline: DEADLINE,
                ends,
            })
            .await
    }

    fn body(&self, mail: &Mail<'_>, message: MessageId) -> Option<Bytes> {
        let utf8 = |data| Part {
            data,
            charset: "UTF-8",
        };
        let email = SendEmail {
            from_email_address: line(&mail.from, true),
            destination: Destination {
                to_addresses: [mail.to.as_ref()],
            },
            reply_to_addresses: mail.reply_to.as_ref().map(|to| [to.email.to_string()]),
            configuration_set_name: self.configuration_set.as_deref(),
            email_tags: [Tag {
                name: TAG,
                value: message.to_string(),
            }],
            content: Content {
                simple: Simple {
                    subject: utf8(mail.subject),
                    body: Parts {
                        text: utf8(mail.text),
                        html: mail.html.map(utf8),
                    },
                    headers: mail
                        .headers
                        .iter()
                        .map(|(name, value)| Header {
                            name,
                            value: if value.is_ascii() {
                                Cow::Borrowed(value.as_str())
                            } else {
                                encoded_words(value).into()
                            },
                        })
                        .collect(),
                },
            },
        };
        serde_json::to_vec(&email).ok().map(Bytes::from)
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct SendEmail<'a> {
    from_email_address: String,
    destination: Destination<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reply_to_addresses: Option<[String; 1]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    configuration_set_name: Option<&'a str>,
    email_tags: [Tag; 1],
    content: Content<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Destination<'a> {
    to_addresses: [&'a str; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Tag {
    name: &'static str,
    value: String,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Content<'a> {
    simple: Simple<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Simple<'a> {
    subject: Part<'a>,
    body: Parts<'a>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    headers: Vec<Header<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Parts<'a> {
    text: Part<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    html: Option<Part<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Part<'a> {
    data: &'a str,
    charset: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Header<'a> {
    name: &'a str,
    value: Cow<'a, str>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Sent {
    message_id: String,
}

#[derive(Deserialize, Default)]
struct Refused {
    #[serde(default, rename = "__type")]
    kind: String,
    #[serde(default, alias = "Message")]
    message: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Account {
    #[serde(default)]
    production_access_enabled: bool,
    #[serde(default)]
    sending_enabled: bool,
    send_quota: Quota,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Quota {
    max24_hour_send: f64,
    max_send_rate: f64,
    sent_last24_hours: f64,
}

fn outcome(answer: &Answer, now: Timestamp) -> Outcome {
    if answer.status.is_success() {
        let named = serde_json::from_slice::<Sent>(&answer.body)
            .ok()
            .and_then(|sent| reference(sent.message_id));
        return match named {
            Some(reference) => Outcome::Accepted {
                reference,
                cost: None,
            },
            None => unreadable(NAME),
        };
    }
    let refused: Refused = serde_json::from_slice(&answer.body).unwrap_or_default();
    let header = answer
        .headers
        .get("x-amzn-errortype")
        .and_then(|value| value.to_str().ok());
    // `Type:http://…` in the header, `namespace#Type` in the body.
    let kind = header.unwrap_or(&refused.kind);
    let kind = kind.split(':').next().unwrap_or_default();
    let kind = kind.rsplit('#').next().unwrap_or_default();
    if answer.status.is_server_error() {
        return by_status(NAME, answer, now);
    }
    by_type(kind, &refused.message).unwrap_or_else(|| by_status(NAME, answer, now))
}

/// The class of a typed refusal. Source: the API reference's "Errors" of SendEmail.
fn by_type(kind: &str, message: &str) -> Option<Outcome> {
    let config = |detail: &str| Outcome::Misconfigured {
        why: Reason::new(kind, detail),
    };
    let permanent = |detail: &str| Outcome::Permanent {
        why: Reason::new(kind, detail),
        suppress: Suppress::No,
    };
    let retry = |detail: &str, seconds| Outcome::Retryable {
        why: Reason::new(kind, detail),
        after: Some(Duration::from_secs(seconds)),
    };
    Some(match kind {
        "ThrottlingException" | "LimitExceededException" | "TooManyRequestsException"
            if message.to_ascii_lowercase().contains("daily") =>
        {
            retry("The account's quota of 24 hours is used up.", 3600)
        }
        "TooManyRequestsException" | "ThrottlingException" => {
            retry("Faster than the account may send.", 1)
        }
        "LimitExceededException" => retry("A limit of the account is reached.", 60),
        "MessageRejected" if message.contains("not verified") => config(
            "The sender is not verified in this region, or the account is in the SES sandbox and the recipient is not.",
        ),
        "MessageRejected" => permanent("SES refused the content of the mail."),
        "MailFromDomainNotVerifiedException" => {
            config("The custom MAIL FROM domain is not verified.")
        }
        "AccountSuspendedException" | "SendingPausedException" => {
            config("Sending is paused or suspended for this account.")
        }
        "NotFoundException" => config("The configuration set does not exist in this region."),
        "BadRequestException" => permanent("SES found the request invalid."),
        "SignatureDoesNotMatch" | "SignatureDoesNotMatchException" => {
            config("The secret access key does not belong to the access key ID.")
        }
        "RequestExpired" | "RequestTimeTooSkewed" => {
            config("The server's clock is wrong; AWS refuses signatures that are minutes off.")
        }
        "InvalidClientTokenId" | "UnrecognizedClientException" | "ExpiredTokenException" => {
            config("AWS does not know the access key ID, or the session token ran out.")
        }
        "AccessDeniedException" | "AccessDenied" => {
            config("The access key may not do ses:SendEmail for this sender.")
        }
        _ => return None,
    })
}

#[async_trait]
impl Channel for Ses {
    fn capabilities(&self) -> Capabilities {
        let reports = self.configuration_set.is_some() && self.door.is_open();
        Capabilities {
            kind: ChannelKind::Email,
            length: Some(Length::Bytes(40 * 1024 * 1024)),
            rate: self.rate,
            repeat: if reports {
                Repeat::ByReport
            } else {
                Repeat::Blind
            },
            reports: Reports {
                delivery: reports,
                failure: reports,
                engagement: reports,
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
            return Outcome::Permanent {
                why: Reason::new(
                    "address",
                    "SES cannot write to addresses with letters outside ASCII before the @.",
                ),
                suppress: Suppress::No,
            };
        }
        let Some(body) = self.body(&mail, message.message) else {
            return Outcome::Permanent {
                why: Reason::new("request", "The mail cannot be written as a request."),
                suppress: Suppress::No,
            };
        };
        let called = self
            .call(Method::POST, &self.send, body, message.at, message.ends)
            .await;
        match called {
            Ok(answer) => outcome(&answer, message.at),
            Err(broke) => broke.outcome(),
        }
    }

    async fn prepare(&self, hook: &RawHook) -> Result<(), HookError> {
        self.door.prepare(&self.http, hook).await
    }

    fn read(&self, hook: &RawHook, now: Timestamp) -> Result<Vec<HookEvent>, HookError> {
        self.door.read(hook, now)
    }

    async fn probe(&self) -> Result<String, Reason> {
        let answer = self
            .call(
                Method::GET,
                &self.account,
                Bytes::new(),
                crate::clock::now(),
                None,
            )
            .await
            .map_err(Broke::reason)?;
        if !answer.status.is_success() {
            return Err(match outcome(&answer, crate::clock::now()) {
                Outcome::Misconfigured { why } => why,
                _ => probe_failed(NAME, &answer),
            });
        }
        let Ok(account) = serde_json::from_slice::<Account>(&answer.body) else {
            return Ok("AWS knows this access key.".to_owned());
        };
        if !account.sending_enabled {
            return Err(Reason::new(
                "sending_paused",
                "Sending is paused for this SES account.",
            ));
        }
        let quota = &account.send_quota;
        let sandbox = if account.production_access_enabled {
            ""
        } else {
            " The account is still in the SES sandbox and reaches only verified addresses."
        };
        Ok(format!(
            "SES may send {} more mails today, {} a second.{sandbox}",
            (quota.max24_hour_send - quota.sent_last24_hours).max(0.0),
            quota.max_send_rate
        ))
    }
}
