//! Amazon SNS messages: an RSA signature by a certificate that lies on Amazon's own host.
//! Source: <https://docs.aws.amazon.com/sns/latest/dg/sns-verify-signature-of-message.html>.

use aws_lc_rs::signature::{
    RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY, RSA_PKCS1_2048_8192_SHA256, RsaParameters,
    UnparsedPublicKey,
};
use base64::{Engine, engine::general_purpose::STANDARD};
use ringback_core::time::Timestamp;
use rustls::pki_types::CertificateDer;
use serde::Deserialize;
use webpki::EndEntityCert;

/// What SNS posts, unproven.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Envelope {
    /// `Notification`, `SubscriptionConfirmation` or `UnsubscribeConfirmation`.
    #[serde(rename = "Type")]
    pub kind: String,
    /// Unique for each message; the same when it is repeated.
    pub message_id: String,
    /// The topic it was published to.
    pub topic_arn: String,
    /// The content, a text.
    pub message: String,
    /// When it was published.
    pub timestamp: String,
    /// `1` or `2`.
    pub signature_version: String,
    /// Base64.
    pub signature: String,
    /// Where the certificate lies.
    #[serde(rename = "SigningCertURL")]
    pub signing_cert_url: String,
    /// Only there when the publisher gave one.
    #[serde(default)]
    pub subject: Option<String>,
    /// Of confirmations.
    #[serde(default)]
    pub token: Option<String>,
    /// Of confirmations: calling it confirms.
    #[serde(default, rename = "SubscribeURL")]
    pub subscribe_url: Option<String>,
}

impl Envelope {
    /// The text that is signed; None for a type we do not know.
    pub fn signed_text(&self) -> Option<String> {
        let confirmation = match self.kind.as_str() {
            "Notification" => false,
            "SubscriptionConfirmation" | "UnsubscribeConfirmation" => true,
            _ => return None,
        };
        let mut text = String::with_capacity(self.message.len() + 512);
        let mut add = |name: &str, value: &str| {
            text.push_str(name);
            text.push('\n');
            text.push_str(value);
            text.push('\n');
        };
        add("Message", &self.message);
        add("MessageId", &self.message_id);
        if confirmation {
            add("SubscribeURL", self.subscribe_url.as_deref()?);
        } else if let Some(subject) = &self.subject {
            add("Subject", subject);
        }
        add("Timestamp", &self.timestamp);
        if confirmation {
            add("Token", self.token.as_deref()?);
        }
        add("TopicArn", &self.topic_arn);
        add("Type", &self.kind);
        Some(text)
    }

    /// True when the certificate's key signed this.
    pub fn signed_by(&self, certificate: &Certificate) -> bool {
        let algorithm: &RsaParameters = match self.signature_version.as_str() {
            "1" => &RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY,
            "2" => &RSA_PKCS1_2048_8192_SHA256,
            _ => return false,
        };
        let (Some(text), Ok(signature)) = (self.signed_text(), STANDARD.decode(&self.signature))
        else {
            return false;
        };
        UnparsedPublicKey::new(algorithm, &certificate.key)
            .verify(text.as_bytes(), &signature)
            .is_ok()
    }
}

/// True for an address on SNS's own host: https, `sns.REGION.amazonaws.com` (or `.com.cn`), no user, the standard port.
pub fn is_sns_url(text: &str) -> bool {
    let Ok(url) = url::Url::parse(text) else {
        return false;
    };
    let plain = url.scheme() == "https"
        && url.username().is_empty()
        && url.password().is_none()
        && url.port().is_none();
    let region = url
        .host_str()
        .and_then(|host| host.strip_prefix("sns."))
        .and_then(|rest| {
            rest.strip_suffix(".amazonaws.com")
                .or_else(|| rest.strip_suffix(".amazonaws.com.cn"))
        });
    plain
        && region.is_some_and(|region| {
            !region.is_empty()
                && region
                    .bytes()
                    .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        })
}

/// True for an address that a signing certificate may lie at.
pub fn is_certificate_url(text: &str) -> bool {
    is_sns_url(text)
        && url::Url::parse(text)
            .is_ok_and(|url| url.path().ends_with(".pem") && url.query().is_none())
}

/// What is needed of a certificate: its key and how long it holds.
#[derive(Debug, Clone)]
pub struct Certificate {
    key: Vec<u8>,
    not_before: Timestamp,
    not_after: Timestamp,
}

impl Certificate {
    /// Reads the first certificate of a PEM text.
    pub fn from_pem(pem: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(pem).ok()?;
        let (_, rest) = text.split_once("-----BEGIN CERTIFICATE-----")?;
        let (body, _) = rest.split_once("-----END CERTIFICATE-----")?;
        let body: String = body.split_ascii_whitespace().collect();
        Self::from_der(&STANDARD.decode(body).ok()?)
    }

    fn from_der(der: &[u8]) -> Option<Self> {
        // The strict reader first; ours only picks two fields that it does not hand out.
        let strict = CertificateDer::from(der);
        EndEntityCert::try_from(&strict).ok()?;
        let mut outer = Der(der);
        let mut certificate = Der(outer.take(0x30)?);
        let mut body = Der(certificate.take(0x30)?);
        if body.0.first() == Some(&0xa0) {
            body.take(0xa0)?; // version
        }
        body.take(0x02)?; // serial number
        body.take(0x30)?; // signature algorithm
        body.take(0x30)?; // issuer
        let mut validity = Der(body.take(0x30)?);
        let not_before = validity.time()?;
        let not_after = validity.time()?;
        body.take(0x30)?; // subject
        let mut key_info = Der(body.take(0x30)?);
        key_info.take(0x30)?; // algorithm
        let key = key_info.take(0x03)?.strip_prefix(&[0])?; // no unused bits
        Some(Self {
            key: key.to_vec(),
            not_before,
            not_after,
        })
    }

    /// True when the certificate holds at that instant.
    pub fn holds(&self, at: Timestamp) -> bool {
        (self.not_before..=self.not_after).contains(&at)
    }
}

/// Reads DER, element by element.
struct Der<'a>(&'a [u8]);

impl<'a> Der<'a> {
    /// The content of the next element, which must have this tag.
    fn take(&mut self, tag: u8) -> Option<&'a [u8]> {
        let (&found, rest) = self.0.split_first()?;
        let (&first, mut rest) = rest.split_first()?;
        let length = match first {
            0..=0x7f => usize::from(first),
            0x81..=0x83 => {
                let (digits, after) = rest.split_at_checked(usize::from(first & 0x7f))?;
                rest = after;
                digits
                    .iter()
                    .fold(0, |sum, byte| sum << 8 | usize::from(*byte))
            }
            _ => return None,
        };
        let (content, after) = rest.split_at_checked(length)?;
        self.0 = after;
        (found == tag).then_some(content)
    }

    /// The next element as an instant: UTCTime (years 1950 to 2049) or GeneralizedTime.
    fn time(&mut self) -> Option<Timestamp> {
        let (content, century) = match self.0.first()? {
            0x17 => {
                let content = self.take(0x17)?;
                let year = std::str::from_utf8(content.get(..2)?).ok()?;
                (content, if year < "50" { "20" } else { "19" })
            }
            _ => (self.take(0x18)?, ""),
        };
        let digits = std::str::from_utf8(content).ok()?;
        let full = format!("{century}{digits}");
        let time = jiff::fmt::strtime::parse("%Y%m%d%H%M%SZ", full).ok()?;
        let time = time.to_datetime().ok()?;
        jiff::tz::TimeZone::UTC.to_timestamp(time).ok()
    }
}
