//! The door that SNS knocks at: topic, certificate, signature, age, in this order; only then the event is read (H1).

use super::events;
use crate::{
    channel::{HookError, RawHook},
    http::{Call, Http},
    signing::sns::{Certificate, Envelope, is_certificate_url, is_sns_url},
};
use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode};
use ringback_core::{messages::HookEvent, time::Timestamp};
use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::time::Instant;

/// How long a fetched certificate is used.
const KEEP: Duration = Duration::from_secs(24 * 3600);
/// More certificates than a region ever has at once.
const MOST: usize = 16;
/// SNS repeats for up to an hour (its longest default); older messages are replays.
const OLDEST_S: i64 = 2 * 3600;
const FUTURE_S: i64 = 300;

pub(super) struct Door {
    topic: Option<String>,
    certificates: Mutex<HashMap<String, (Certificate, Instant)>>,
}

impl Door {
    pub fn new(topic: Option<String>) -> Self {
        Self {
            topic,
            certificates: Mutex::default(),
        }
    }

    pub fn is_open(&self) -> bool {
        self.topic.is_some()
    }

    /// Everything that can be refused before a certificate is needed.
    fn envelope(&self, hook: &RawHook) -> Result<Envelope, HookError> {
        let topic = self.topic.as_deref().ok_or_else(|| {
            HookError::NotConfigured(
                "Enter the SNS topic as topic_arn, so that reports can be proven.".into(),
            )
        })?;
        // Not yet proven, so whatever cannot be read counts as unsigned.
        let envelope: Envelope =
            serde_json::from_slice(&hook.body).map_err(|_| HookError::BadSignature)?;
        let fits = envelope.topic_arn == topic
            && is_certificate_url(&envelope.signing_cert_url)
            && matches!(envelope.signature_version.as_str(), "1" | "2")
            && envelope.signed_text().is_some();
        fits.then_some(envelope).ok_or(HookError::BadSignature)
    }

    fn known(&self) -> MutexGuard<'_, HashMap<String, (Certificate, Instant)>> {
        self.certificates
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn certificate(&self, url: &str) -> Option<Certificate> {
        let known = self.known();
        let (certificate, since) = known.get(url)?;
        (since.elapsed() < KEEP).then(|| certificate.clone())
    }

    /// Keeps a certificate for the address it lies at.
    pub fn keep(&self, url: &str, pem: &[u8]) -> Result<(), HookError> {
        let certificate = Certificate::from_pem(pem).ok_or(HookError::BadSignature)?;
        let mut known = self.known();
        if known.len() >= MOST {
            known.clear();
        }
        known.insert(url.to_owned(), (certificate, Instant::now()));
        Ok(())
    }

    /// Fetches the certificate that this message names, if it is not known yet.
    pub async fn prepare(&self, http: &Http, hook: &RawHook) -> Result<(), HookError> {
        let envelope = self.envelope(hook)?;
        let url = &envelope.signing_cert_url;
        if self.certificate(url).is_some() {
            return Ok(());
        }
        let uri = url.parse().map_err(|_| HookError::BadSignature)?;
        let unreachable = || {
            HookError::NotConfigured("The signing certificate of SNS could not be fetched.".into())
        };
        let answer = http
            .call(Call {
                method: Method::GET,
                uri,
                headers: HeaderMap::new(),
                body: Bytes::new(),
                deadline: Duration::from_secs(5),
                ends: None,
            })
            .await
            .map_err(|_| unreachable())?;
        if answer.status != StatusCode::OK || answer.cut {
            return Err(unreachable());
        }
        self.keep(url, &answer.body)
    }

    pub fn read(&self, hook: &RawHook, now: Timestamp) -> Result<Vec<HookEvent>, HookError> {
        let envelope = self.envelope(hook)?;
        let certificate = self
            .certificate(&envelope.signing_cert_url)
            .ok_or_else(|| {
                HookError::NotConfigured("The signing certificate of SNS is not here yet.".into())
            })?;
        if !certificate.holds(now) || !envelope.signed_by(&certificate) {
            return Err(HookError::BadSignature);
        }
        let at: Timestamp = envelope
            .timestamp
            .parse()
            .map_err(|_| HookError::Malformed("the timestamp is none".into()))?;
        let age = now.as_second() - at.as_second();
        if !(-FUTURE_S..=OLDEST_S).contains(&age) {
            return Err(HookError::Stale);
        }
        match envelope.kind.as_str() {
            "SubscriptionConfirmation" => {
                let url = envelope.subscribe_url.unwrap_or_default();
                if !is_sns_url(&url) {
                    return Err(HookError::Malformed(
                        "the confirmation leads elsewhere".into(),
                    ));
                }
                Ok(vec![HookEvent::Confirm { url }])
            }
            "Notification" => events::read(&envelope.message, &envelope.message_id, at),
            _ => Ok(Vec::new()),
        }
    }
}
