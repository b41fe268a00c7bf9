//! Standard Webhooks, version 1: ours outward, and inward what Svix signs for Resend.
//! Source: <https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md>.

use super::{hmac_sha256, same};
use crate::channel::{HookError, RawHook};
use base64::{Engine, engine::general_purpose::STANDARD};
use ringback_core::time::Timestamp;

/// How far a timestamp may be from now, either way, in seconds.
pub const TOLERANCE_S: i64 = 300;

/// A signing secret: the bytes behind `whsec_…`.
#[derive(Clone)]
pub struct Secret(Vec<u8>);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(***)")
    }
}

impl Secret {
    /// Reads `whsec_` and base64, or base64 alone. None when it is something else or shorter than 16 bytes.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.strip_prefix("whsec_").unwrap_or(text);
        let bytes = STANDARD.decode(text).ok()?;
        (bytes.len() >= 16).then_some(Self(bytes))
    }
}

/// The value of `webhook-signature`: `v1,` and base64 of HMAC-SHA256 over id, timestamp and body.
pub fn sign(secret: &Secret, id: &str, timestamp_s: i64, body: &[u8]) -> String {
    let mut text = Vec::with_capacity(id.len() + 22 + body.len());
    text.extend_from_slice(id.as_bytes());
    text.push(b'.');
    text.extend_from_slice(timestamp_s.to_string().as_bytes());
    text.push(b'.');
    text.extend_from_slice(body);
    let mut out = String::with_capacity(47);
    out.push_str("v1,");
    STANDARD.encode_string(hmac_sha256(&secret.0, &text).as_ref(), &mut out);
    out
}

/// Proves a webhook against any of the secrets and answers its id. Both header families (`webhook-`, `svix-`) are read; versions
/// other than v1 in the list are passed over.
pub fn verify<'h>(
    secrets: &[Secret],
    hook: &'h RawHook,
    now: Timestamp,
) -> Result<&'h str, HookError> {
    let family = |suffix: &str| {
        hook.header(&format!("webhook-{suffix}"))
            .or_else(|| hook.header(&format!("svix-{suffix}")))
            .ok_or(HookError::BadSignature)
    };
    let (id, stamp, signatures) = (family("id")?, family("timestamp")?, family("signature")?);
    // Written as it is signed: "+1" or "01" would be other bytes than those that were signed.
    let timestamp: i64 = stamp.parse().map_err(|_| HookError::BadSignature)?;
    if timestamp.to_string() != stamp || id.is_empty() || id.len() > 180 {
        return Err(HookError::BadSignature);
    }
    let proven = secrets.iter().any(|secret| {
        let expected = sign(secret, id, timestamp, &hook.body);
        signatures
            .split(' ')
            .take(16)
            .any(|one| same(one.as_bytes(), expected.as_bytes()))
    });
    if !proven {
        return Err(HookError::BadSignature);
    }
    if (now.as_second() - timestamp).abs() > TOLERANCE_S {
        return Err(HookError::Stale);
    }
    Ok(id)
}
