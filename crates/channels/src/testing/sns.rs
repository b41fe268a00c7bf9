//! A stand-in for Amazon SNS: a fresh key, a certificate for it, and messages signed with it.

use super::{certificate::self_signed, hook};
use crate::{
    Channel, Http, RawHook, SettingsError, catalogue::find, ses::Ses, settings::Settings,
    signing::sns::Envelope,
};
use aws_lc_rs::{
    rand::SystemRandom,
    rsa::KeySize,
    signature::{RSA_PKCS1_SHA256, RsaKeyPair},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use ringback_core::time::Timestamp;
use serde_json::json;
use std::{collections::BTreeMap, sync::Arc};

/// Where the stand-in's certificate is said to lie.
const CERTIFICATE_URL: &str =
    "https://sns.us-east-1.amazonaws.com/SimpleNotificationService-test.pem";

/// Signs messages of one topic.
pub struct Sns {
    topic: String,
    key: RsaKeyPair,
    certificate: String,
}

impl Sns {
    /// A topic with a new key; takes a moment.
    pub fn new(topic: &str) -> Self {
        let key = RsaKeyPair::generate(KeySize::Rsa2048).expect("the system has randomness");
        let certificate = pem(&self_signed(&key, &[]));
        Self {
            topic: topic.to_owned(),
            key,
            certificate,
        }
    }

    /// An SES connection with these settings and this topic, which trusts the stand-in's certificate.
    pub fn channel(
        &self,
        settings: &BTreeMap<String, String>,
        http: &Http,
    ) -> Result<Arc<dyn Channel>, SettingsError> {
        trusting(
            &with_topic(settings, &self.topic),
            http,
            CERTIFICATE_URL,
            self.certificate.as_bytes(),
        )
    }

    /// A notification with this text, posted to `url`.
    pub fn notification(&self, url: &str, id: &str, at: Timestamp, text: &str) -> RawHook {
        self.post(url, id, at, "Notification", text, None)
    }

    /// The question whether to begin a subscription.
    pub fn confirmation(&self, url: &str, id: &str, at: Timestamp) -> RawHook {
        let asked = format!(
            "https://sns.us-east-1.amazonaws.com/?Action=ConfirmSubscription&TopicArn={}&Token=token",
            self.topic
        );
        self.post(
            url,
            id,
            at,
            "SubscriptionConfirmation",
            "Confirm?",
            Some(asked),
        )
    }

    fn post(
        &self,
        url: &str,
        id: &str,
        at: Timestamp,
        kind: &str,
        text: &str,
        asked: Option<String>,
    ) -> RawHook {
        let mut envelope = Envelope {
            kind: kind.to_owned(),
            message_id: id.to_owned(),
            topic_arn: self.topic.clone(),
            message: text.to_owned(),
            timestamp: at.strftime("%Y-%m-%dT%H:%M:%S.000Z").to_string(),
            signature_version: "2".to_owned(),
            signature: String::new(),
            signing_cert_url: CERTIFICATE_URL.to_owned(),
            subject: None,
            token: asked.as_ref().map(|_| "token".to_owned()),
            subscribe_url: asked,
        };
        let signed = envelope.signed_text().expect("the type is a known one");
        let mut signature = vec![0; self.key.public_modulus_len()];
        self.key
            .sign(
                &RSA_PKCS1_SHA256,
                &SystemRandom::new(),
                signed.as_bytes(),
                &mut signature,
            )
            .expect("the key was just made");
        envelope.signature = STANDARD.encode(signature);
        let mut body = json!({
            "Type": envelope.kind,
            "MessageId": envelope.message_id,
            "TopicArn": envelope.topic_arn,
            "Message": envelope.message,
            "Timestamp": envelope.timestamp,
            "SignatureVersion": envelope.signature_version,
            "Signature": envelope.signature,
            "SigningCertURL": envelope.signing_cert_url,
        });
        if let Some(asked) = envelope.subscribe_url {
            body["SubscribeURL"] = asked.into();
            body["Token"] = "token".into();
        }
        let headers = [
            ("x-amz-sns-message-type", kind.to_owned()),
            ("content-type", "text/plain; charset=UTF-8".to_owned()),
        ];
        hook(url, &headers, Bytes::from(body.to_string()))
    }
}

fn with_topic(settings: &BTreeMap<String, String>, topic: &str) -> BTreeMap<String, String> {
    let mut settings = settings.clone();
    settings.insert("topic_arn".to_owned(), topic.to_owned());
    settings
}

/// An SES connection that takes `pem` for the certificate at `certificate_url`, without fetching it.
pub fn trusting(
    settings: &BTreeMap<String, String>,
    http: &Http,
    certificate_url: &str,
    pem: &[u8],
) -> Result<Arc<dyn Channel>, SettingsError> {
    let settings = Settings::checked(find("ses")?, settings)?;
    let ses = Ses::open(&settings, http)?;
    ses.trust(certificate_url, pem)
        .map_err(|error| SettingsError::new("certificate", error.to_string()))?;
    Ok(Arc::new(ses))
}

fn pem(der: &[u8]) -> String {
    format!(
        "-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n",
        STANDARD.encode(der)
    )
}
