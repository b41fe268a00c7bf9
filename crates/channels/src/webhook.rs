//! Webhooks out by the Standard Webhooks specification (N11), with a bearer token and a source header for CRMs (D2).

use crate::{
    answers::{by_status, wrong_kind},
    catalogue::{ProviderInfo, RATE, SettingInfo},
    channel::{Capabilities, Channel, HookError, Length, Rate, RawHook, Repeat, Reports},
    http::{Answer, Broke, Call, Http, retry_after::retry_after},
    settings::{Settings, SettingsError, plain_header, secret_header},
    signing::standard::{Secret, sign},
};
use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use ringback_core::{
    messages::{ChannelKind, Content, HookEvent, Outcome, Outgoing, ProviderRef, Reason, Suppress},
    time::Timestamp,
};
use std::time::Duration;

const NAME: &str = "The server behind this webhook";
const DEADLINE: Duration = Duration::from_secs(15);

pub(crate) const INFO: ProviderInfo = ProviderInfo {
    name: "webhook",
    channel: ChannelKind::Webhook,
    label: "Webhook",
    settings: &[
        SettingInfo::needed("url", "Address", "Where events are posted to, starting with https://."),
        SettingInfo::optional(
            "secret",
            "Signing secret",
            "Starts with whsec_; the receiver proves with it that events are ours (Standard Webhooks).",
        )
        .secret(),
        SettingInfo::optional(
            "secret_secondary",
            "Second signing secret",
            "Events are signed with this one too, while you rotate secrets.",
        )
        .secret(),
        SettingInfo::optional(
            "bearer",
            "Bearer token",
            "Sent as Authorization: Bearer, for receivers that want one.",
        )
        .secret(),
        SettingInfo::optional("source", "Source name", "Sent as X-Webhook-Source, for receivers that want one."),
        RATE,
    ],
};

/// Somebody's server that wants to hear of events.
pub struct Webhook {
    http: Http,
    url: Uri,
    headers: HeaderMap,
    secrets: Vec<Secret>,
    rate: Option<Rate>,
}

impl Webhook {
    pub(crate) fn open(settings: &Settings<'_>, http: &Http) -> Result<Self, SettingsError> {
        let url = settings.url("url", settings.required("url")?, http)?;
        let mut headers = HeaderMap::new();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/json"),
        );
        headers.insert(header::USER_AGENT, crate::user_agent());
        if let Some(token) = settings.get("bearer") {
            let value = secret_header("bearer", &format!("Bearer {token}"))?;
            headers.insert(header::AUTHORIZATION, value);
        }
        if let Some(source) = settings.get("source") {
            let value = plain_header("source", source)?;
            headers.insert("x-webhook-source", value);
        }
        let mut secrets = Vec::new();
        for name in ["secret", "secret_secondary"] {
            if let Some(text) = settings.get(name) {
                secrets.push(Secret::parse(text).ok_or_else(|| {
                    SettingsError::new(
                        name,
                        "A signing secret is whsec_ and at least 16 bytes in base64.",
                    )
                })?);
            }
        }
        Ok(Self {
            http: http.clone(),
            url,
            headers,
            secrets,
            rate: settings.rate()?,
        })
    }

    async fn post(
        &self,
        id: &str,
        at: Timestamp,
        body: Bytes,
        ends: Option<Duration>,
    ) -> Result<Answer, Broke> {
        let bad_id = || Broke::BeforeRequest(Reason::new("url", "The event's id cannot be sent."));
        let mut headers = self.headers.clone();
        headers.insert(
            "webhook-id",
            HeaderValue::from_str(id).map_err(|_| bad_id())?,
        );
        headers.insert("webhook-timestamp", HeaderValue::from(at.as_second()));
        if !self.secrets.is_empty() {
            let all: Vec<String> = self
                .secrets
                .iter()
                .map(|secret| sign(secret, id, at.as_second(), &body))
                .collect();
            let value = HeaderValue::from_str(&all.join(" ")).map_err(|_| bad_id())?;
            headers.insert("webhook-signature", value);
        }
        self.http
            .call(Call {
                method: Method::POST,
                uri: self.url.clone(),
                headers,
                body,
                deadline: DEADLINE,
                ends,
            })
            .await
    }
}

fn outcome(answer: &Answer, id: &str, now: Timestamp) -> Outcome {
    if answer.status.is_success() {
        return Outcome::Delivered {
            reference: ProviderRef(id.to_owned()),
            cost: None,
        };
    }
    let abort = answer
        .headers
        .get("webhook-delivery")
        .is_some_and(|value| value == "abort-message");
    if abort {
        return Outcome::Permanent {
            why: Reason::new(
                "abort-message",
                "The receiver does not want this event again.",
            ),
            suppress: Suppress::No,
        };
    }
    if answer.status == StatusCode::GONE {
        return Outcome::Misconfigured {
            why: Reason::new(
                "http_410",
                "The receiver is gone for good; remove the webhook or enter its new address.",
            ),
        };
    }
    // Receivers are told at least once, and know the delivery by its id.
    if answer.status.is_server_error() {
        return Outcome::Retryable {
            why: Reason::new(
                format!("http_{}", answer.status.as_u16()),
                format!("{NAME} has trouble of its own."),
            ),
            after: retry_after(&answer.headers, now),
        };
    }
    by_status(NAME, answer, now)
}

#[async_trait]
impl Channel for Webhook {
    fn capabilities(&self) -> Capabilities {
        Capabilities {
            kind: ChannelKind::Webhook,
            length: Some(Length::Bytes(256 * 1024)),
            rate: self.rate,
            repeat: Repeat::ByKey,
            reports: Reports::default(),
            answers_opt_out: false,
        }
    }

    async fn send(&self, message: &Outgoing) -> Outcome {
        let Content::Json { body, .. } = &message.content else {
            return wrong_kind(NAME);
        };
        let body = Bytes::copy_from_slice(body.as_bytes());
        match self
            .post(&message.key, message.at, body, message.ends)
            .await
        {
            Ok(answer) => outcome(&answer, &message.key, message.at),
            Err(broke) => broke.outcome(),
        }
    }

    fn read(&self, _hook: &RawHook, _now: Timestamp) -> Result<Vec<HookEvent>, HookError> {
        Err(HookError::NotConfigured(
            "A webhook only sends; nothing comes back on it.".into(),
        ))
    }

    async fn probe(&self) -> Result<String, Reason> {
        let now = crate::clock::now();
        let body = format!("{{\"type\":\"ringback.test\",\"timestamp\":\"{now}\",\"data\":{{}}}}");
        let id = format!("probe_{}", now.as_millisecond());
        let answer = self
            .post(&id, now, Bytes::from(body), None)
            .await
            .map_err(Broke::reason)?;
        if answer.status.is_success() {
            return Ok(format!(
                "The server took a test event with status {}.",
                answer.status.as_u16()
            ));
        }
        Err(crate::answers::probe_failed(NAME, &answer))
    }
}
