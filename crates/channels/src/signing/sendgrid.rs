//! SendGrid's signature on its event webhook: ECDSA P-256 with SHA-256 over the timestamp header and the raw body.
//! Source: <https://www.twilio.com/docs/sendgrid/for-developers/tracking-events/getting-started-event-webhook-security-features>.

use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1, ParsedPublicKey};
use base64::{Engine, engine::general_purpose::STANDARD};

/// The DER that stands before the 65 bytes of a point on P-256 (RFC 5480).
const BEFORE_THE_POINT: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a,
    0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];

/// The key that proves events: public, as the console of SendGrid shows it.
#[derive(Debug, Clone)]
pub struct VerificationKey(ParsedPublicKey);

impl VerificationKey {
    /// Reads base64 of a P-256 key in DER. None when it is something else.
    pub fn parse(text: &str) -> Option<Self> {
        let der = STANDARD.decode(text.trim()).ok()?;
        let point = der.strip_prefix(&BEFORE_THE_POINT)?;
        ParsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, point)
            .ok()
            .map(Self)
    }

    /// True when this key's owner signed these bytes at this timestamp; `signature` is base64 of DER.
    pub fn signed(&self, timestamp: &str, body: &[u8], signature: &str) -> bool {
        let Ok(signature) = STANDARD.decode(signature) else {
            return false;
        };
        let text = [timestamp.as_bytes(), body].concat();
        self.0.verify_sig(&text, &signature).is_ok()
    }
}
