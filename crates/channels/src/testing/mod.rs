//! Signing webhooks as the providers do, for tests and the load harness: what is signed here, [`read`](crate::Channel::read) accepts.

mod certificate;
mod sendgrid;
mod sns;

pub use certificate::{expired_certificate, server_certificate};
pub use sendgrid::SendGrid;
pub use sns::{Sns, trusting};

use crate::{
    channel::RawHook,
    signing::{
        hex, hmac_sha256,
        standard::{self, Secret},
        twilio::{self, Algorithm, Signed},
    },
};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use ringback_core::time::Timestamp;
use url::form_urlencoded;

fn hook(url: &str, headers: &[(&'static str, String)], body: Bytes) -> RawHook {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        let value = HeaderValue::from_str(value).expect("signatures are plain ASCII");
        map.insert(HeaderName::from_static(name), value);
    }
    RawHook {
        method: Method::POST,
        url: url.to_owned(),
        headers: map,
        body,
    }
}

/// A form webhook of Twilio to `url` with these fields.
pub fn twilio_form(auth_token: &str, url: &str, fields: &[(&str, &str)]) -> RawHook {
    let owned: Vec<(String, String)> = fields
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    let body = form_urlencoded::Serializer::new(String::new())
        .extend_pairs(fields)
        .finish();
    let signature = twilio::sign(auth_token, Algorithm::Sha1, url, Signed::Form(&owned));
    hook(
        url,
        &[
            ("x-twilio-signature", signature),
            (
                "content-type",
                "application/x-www-form-urlencoded; charset=UTF-8".into(),
            ),
        ],
        Bytes::from(body),
    )
}

/// A status report of Twilio; `error` is its error code.
pub fn twilio_status(
    auth_token: &str,
    url: &str,
    sid: &str,
    status: &str,
    error: Option<&str>,
) -> RawHook {
    let mut fields = vec![
        ("MessageSid", sid),
        ("MessageStatus", status),
        ("SmsSid", sid),
        ("SmsStatus", status),
        ("ApiVersion", "2010-04-01"),
    ];
    fields.extend(error.map(|code| ("ErrorCode", code)));
    twilio_form(auth_token, url, &fields)
}

/// A text that a person sends to a Twilio number.
pub fn twilio_inbound(
    auth_token: &str,
    url: &str,
    sid: &str,
    from: &str,
    to: &str,
    body: &str,
) -> RawHook {
    let fields = [
        ("MessageSid", sid),
        ("SmsSid", sid),
        ("SmsStatus", "received"),
        ("From", from),
        ("To", to),
        ("Body", body),
        ("NumMedia", "0"),
    ];
    twilio_form(auth_token, url, &fields)
}

/// A JSON post whose signature, in lower-case hex, is over its timestamp, a dot and its body, as many SMS providers do.
pub fn signed_json(
    secret: &str,
    url: &str,
    headers: (&'static str, &'static str),
    at: Timestamp,
    body: &str,
) -> RawHook {
    let (signature, timestamp) = headers;
    let stamp = at.as_second().to_string();
    let proof = hmac_sha256(secret.as_bytes(), format!("{stamp}.{body}").as_bytes());
    hook(
        url,
        &[
            (signature, hex(proof.as_ref())),
            (timestamp, stamp),
            ("content-type", "application/json".into()),
        ],
        Bytes::copy_from_slice(body.as_bytes()),
    )
}

/// A webhook as Svix signs it for Resend. None when `secret` is no signing secret.
pub fn svix(secret: &str, url: &str, id: &str, at: Timestamp, body: &str) -> Option<RawHook> {
    let secret = Secret::parse(secret)?;
    let seconds = at.as_second();
    Some(hook(
        url,
        &[
            ("svix-id", id.to_owned()),
            ("svix-timestamp", seconds.to_string()),
            (
                "svix-signature",
                standard::sign(&secret, id, seconds, body.as_bytes()),
            ),
            ("content-type", "application/json".into()),
        ],
        Bytes::copy_from_slice(body.as_bytes()),
    ))
}
