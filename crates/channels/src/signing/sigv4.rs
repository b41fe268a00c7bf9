//! AWS Signature Version 4 for services other than S3.
//! Source: <https://docs.aws.amazon.com/IAM/latest/UserGuide/create-signed-request.html>.

use super::{hex, hmac_sha256, sha256_hex};
use http::Uri;
use ringback_core::time::Timestamp;

/// Who signs, and for which service where.
#[derive(Clone)]
pub struct Signer {
    /// The access key's public half, `AKIA…`.
    pub access_key_id: String,
    /// Its secret half.
    pub secret_access_key: String,
    /// The token of temporary credentials.
    pub session_token: Option<String>,
    /// Such as `us-east-1`.
    pub region: String,
    /// The service's signing name, `ses`.
    pub service: &'static str,
}

impl std::fmt::Debug for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Signer")
            .field("access_key_id", &self.access_key_id)
            .field("region", &self.region)
            .field("service", &self.service)
            .finish_non_exhaustive()
    }
}

/// The headers to add.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedHeaders {
    /// `x-amz-date`.
    pub date: String,
    /// `authorization`.
    pub authorization: String,
}

/// One request, as it is signed.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// The method.
    pub method: &'a str,
    /// The absolute address; its path and query are sent as they stand here.
    pub uri: &'a Uri,
    /// The value of `content-type`, when there is one.
    pub content_type: Option<&'a str>,
    /// The body.
    pub body: &'a [u8],
}

impl Signer {
    /// Signs a request as of `at`. The session token, if any, must be sent as `x-amz-security-token`.
    pub fn sign(&self, request: Request<'_>, at: Timestamp) -> SignedHeaders {
        let date = at.strftime("%Y%m%dT%H%M%SZ").to_string();
        let day = &date[..8];
        let (canonical, names) = self.canonical(request, &date);
        let scope = format!("{day}/{}/{}/aws4_request", self.region, self.service);
        let text = format!(
            "AWS4-HMAC-SHA256\n{date}\n{scope}\n{}",
            sha256_hex(canonical.as_bytes())
        );
        let signature = hex(hmac_sha256(&self.key(day), text.as_bytes()).as_ref());
        let authorization = format!(
            "AWS4-HMAC-SHA256 Credential={}/{scope}, SignedHeaders={names}, Signature={signature}",
            self.access_key_id
        );
        SignedHeaders {
            date,
            authorization,
        }
    }

    fn key(&self, day: &str) -> Vec<u8> {
        let secret = format!("AWS4{}", self.secret_access_key);
        [day, &self.region, self.service, "aws4_request"]
            .iter()
            .fold(secret.into_bytes(), |key, part| {
                hmac_sha256(&key, part.as_bytes()).as_ref().to_vec()
            })
    }

    /// The canonical request and the names of its headers.
    pub(crate) fn canonical(&self, request: Request<'_>, date: &str) -> (String, String) {
        let host = request.uri.authority().map_or("", |one| one.as_str());
        let mut headers = Vec::with_capacity(4);
        if let Some(content_type) = request.content_type {
            headers.push(("content-type", content_type));
        }
        headers.push(("host", host));
        headers.push(("x-amz-date", date));
        if let Some(token) = &self.session_token {
            headers.push(("x-amz-security-token", token));
        }
        let names: Vec<&str> = headers.iter().map(|(name, _)| *name).collect();
        let names = names.join(";");
        let lines: String = headers
            .iter()
            .map(|(name, value)| format!("{name}:{}\n", value.trim()))
            .collect();
        let canonical = format!(
            "{}\n{}\n{}\n{lines}\n{names}\n{}",
            request.method,
            encoded(request.uri.path(), true),
            canonical_query(request.uri.query().unwrap_or_default()),
            sha256_hex(request.body)
        );
        (canonical, names)
    }
}

/// The parameters in order of their encoded names, as they stand in the address.
fn canonical_query(query: &str) -> String {
    let mut pairs: Vec<(&str, &str)> = query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .collect();
    pairs.sort_unstable();
    let pairs: Vec<String> = pairs
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    pairs.join("&")
}

/// Percent-encodes everything but the unreserved characters. An encoded path is encoded once more, as AWS wants it.
pub(crate) fn encoded(text: &str, keep_slash: bool) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                out.push(char::from(byte));
            }
            b'/' if keep_slash => out.push('/'),
            _ => {
                out.push('%');
                out.push_str(&hex(&[byte]).to_uppercase());
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// N2: our signatures are botocore's, byte for byte.
    #[test]
    fn signatures_equal_the_reference() {
        let vectors: serde_json::Value =
            serde_json::from_str(include_str!("../../tests/fixtures/sigv4_ses.json")).unwrap();
        let vectors = vectors["vectors"].as_array().unwrap();
        assert!(vectors.len() >= 6);
        for vector in vectors {
            let text = |name: &str| vector[name].as_str().unwrap();
            let signer = Signer {
                access_key_id: text("access_key").into(),
                secret_access_key: text("secret_key").into(),
                session_token: vector["session_token"].as_str().map(Into::into),
                region: text("region").into(),
                service: "ses",
            };
            let uri: Uri = text("url").parse().unwrap();
            let request = Request {
                method: text("method"),
                uri: &uri,
                content_type: vector["request_headers"]["Content-Type"].as_str(),
                body: text("body").as_bytes(),
            };
            let (canonical, _) = signer.canonical(request, text("amz_date"));
            assert_eq!(canonical, text("canonical_request"), "{}", text("name"));
            let at = "2026-01-01T00:00:00Z".parse().unwrap();
            let signed = signer.sign(request, at);
            assert_eq!(signed.date, text("amz_date"));
            assert_eq!(
                signed.authorization,
                vector["request_headers"]["Authorization"].as_str().unwrap(),
                "{}",
                text("name")
            );
        }
    }
}
