//! `X-Twilio-Signature`. Source: <https://www.twilio.com/docs/usage/security#validating-requests>.

use super::{same, sha256_hex};
use aws_lc_rs::hmac;
use base64::{Engine, engine::general_purpose::STANDARD};
use std::collections::{BTreeMap, BTreeSet};

/// The hash that a signature was made with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    /// With the auth token; the usual.
    Sha1,
    /// With a shared key, when the settings header says so.
    Sha256,
}

impl Algorithm {
    /// Reads `X-Twilio-Webhooks-Signature-Settings: key=…,algorithm=HMAC_SHA256`. None for an algorithm we do not know.
    pub fn from_settings(header: &str) -> Option<Self> {
        let named = header
            .split(',')
            .filter_map(|part| part.trim().split_once('='))
            .find_map(|(name, value)| (name == "algorithm").then_some(value));
        match named {
            Some("HMAC_SHA256") => Some(Self::Sha256),
            Some("HMAC_SHA1") => Some(Self::Sha1),
            _ => None,
        }
    }
}

/// What was signed beside the URL.
#[derive(Debug, Clone, Copy)]
pub enum Signed<'a> {
    /// The decoded form fields, in any order.
    Form(&'a [(String, String)]),
    /// The body itself; its hash stands in the URL as `bodySHA256`.
    Body(&'a [u8]),
    /// The URL alone, as for GET.
    Nothing,
}

/// The signature of a request to `url`.
pub fn sign(secret: &str, algorithm: Algorithm, url: &str, signed: Signed<'_>) -> String {
    let algorithm = match algorithm {
        Algorithm::Sha1 => hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
        Algorithm::Sha256 => hmac::HMAC_SHA256,
    };
    let mut context = hmac::Context::with_key(&hmac::Key::new(algorithm, secret.as_bytes()));
    context.update(url.as_bytes());
    if let Signed::Form(fields) = signed {
        // A name that is repeated counts once for each distinct value.
        let mut sorted: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for (name, value) in fields {
            sorted.entry(name).or_default().insert(value);
        }
        for (name, values) in sorted {
            for value in values {
                context.update(name.as_bytes());
                context.update(value.as_bytes());
            }
        }
    }
    STANDARD.encode(context.sign().as_ref())
}

/// True when `signature` was made by somebody who knows one of the secrets, for this URL in any of the forms that Twilio signs
/// (as configured, without port, with the standard port).
pub fn verify(
    secrets: &[&str],
    algorithm: Algorithm,
    url: &str,
    signed: Signed<'_>,
    signature: &str,
) -> bool {
    if let Signed::Body(body) = signed {
        let hash = body_hash(url).unwrap_or_default();
        if !same(hash.as_bytes(), sha256_hex(body).as_bytes()) {
            return false;
        }
    }
    secrets.iter().filter(|one| !one.is_empty()).any(|secret| {
        forms_of(url).iter().any(|form| {
            let expected = sign(secret, algorithm, form, signed);
            same(expected.as_bytes(), signature.as_bytes())
        })
    })
}

/// The `bodySHA256` of a URL.
pub fn body_hash(url: &str) -> Option<&str> {
    let (_, query) = url.split_once('?')?;
    query
        .split('&')
        .find_map(|pair| pair.strip_prefix("bodySHA256="))
}

/// The URL as configured, and with its port taken away or the standard one added: Twilio signs either.
fn forms_of(url: &str) -> Vec<String> {
    let mut forms = vec![url.to_owned()];
    let Some((scheme, rest)) = url.split_once("://") else {
        return forms;
    };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    let port = authority
        .rsplit_once(':')
        .filter(|(_, port)| !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()));
    match port {
        Some((host, _)) => forms.push(format!("{scheme}://{host}{path}")),
        None => {
            let standard = if scheme == "http" { 80 } else { 443 };
            forms.push(format!("{scheme}://{authority}:{standard}{path}"));
        }
    }
    forms
}
