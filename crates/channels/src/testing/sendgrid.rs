//! A SendGrid of one's own, for tests: a key pair, and events signed with it.

use super::hook;
use crate::channel::RawHook;
use aws_lc_rs::{
    encoding::{AsDer, PublicKeyX509Der},
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use ringback_core::time::Timestamp;

/// An account that signs its events.
pub struct SendGrid(EcdsaKeyPair);

impl Default for SendGrid {
    fn default() -> Self {
        Self(
            EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING)
                .expect("the system has randomness"),
        )
    }
}

impl SendGrid {
    /// What the console shows; it belongs into `verification_key`.
    pub fn verification_key(&self) -> String {
        let der: PublicKeyX509Der<'_> = self
            .0
            .public_key()
            .as_der()
            .expect("a fresh key can be written");
        STANDARD.encode(der.as_ref())
    }

    /// A delivery of these events (a JSON array) to `url`, signed at `at`.
    pub fn events(&self, url: &str, at: Timestamp, body: &str) -> RawHook {
        let stamp = at.as_second().to_string();
        let text = [stamp.as_bytes(), body.as_bytes()].concat();
        let signature = self
            .0
            .sign(&SystemRandom::new(), &text)
            .expect("a fresh key signs");
        hook(
            url,
            &[
                (
                    "x-twilio-email-event-webhook-signature",
                    STANDARD.encode(signature.as_ref()),
                ),
                ("x-twilio-email-event-webhook-timestamp", stamp),
                ("content-type", "application/json".into()),
            ],
            Bytes::copy_from_slice(body.as_bytes()),
        )
    }
}
