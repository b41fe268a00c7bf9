//! What a form posted, whatever it was wrapped in: urlencoded, multipart or JSON. Names and texts, nothing interpreted yet.

use crate::app::App;
use crate::http::{ApiError, Code};
use axum::extract::{FromRequest, Multipart, Request};
use axum::http::{HeaderMap, StatusCode, header};
use bytes::Bytes;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// What came in.
#[derive(Debug, Clone, Default)]
pub(super) struct Posted {
    /// Answers by name; the last one of a name counts.
    pub(super) values: BTreeMap<String, String>,
    /// Names under which a file was sent.
    pub(super) files: Vec<String>,
    /// True when the body was JSON.
    pub(super) json: bool,
}

/// More answers than any form has.
const MOST_FIELDS: usize = 200;
const MOST_NAME: usize = 100;
const MOST_VALUE: usize = 20_000;

impl Posted {
    /// An answer, trimmed; an empty one is none.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.values
            .get(name)
            .map(|value| value.trim())
            .filter(|value| !value.is_empty())
    }

    fn put(&mut self, name: String, value: String) {
        let full = self.values.len() >= MOST_FIELDS && !self.values.contains_key(&name);
        if !full && name.len() <= MOST_NAME {
            let value = if value.len() > MOST_VALUE {
                value.chars().take(MOST_VALUE).collect()
            } else {
                value
            };
            self.values.insert(name, value);
        }
    }

    /// Reads a body by its content type.
    pub(super) async fn read(
        app: &App,
        headers: &HeaderMap,
        raw: &Bytes,
    ) -> Result<Self, ApiError> {
        let kind = headers
            .get(header::CONTENT_TYPE)
            .and_then(|kind| kind.to_str().ok())
            .unwrap_or_default();
        let (essence, _) = kind.split_once(';').unwrap_or((kind, ""));
        match essence.trim().to_ascii_lowercase().as_str() {
            "multipart/form-data" => Self::multipart(app, headers, raw.clone()).await,
            "application/json" => Self::json(raw),
            "application/x-www-form-urlencoded" | "" => Ok(Self::urlencoded(raw)),
            _ => Err(ApiError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, Code::Body)
                .say("A form is sent as application/x-www-form-urlencoded, multipart/form-data or application/json.")
                .at("content-type")),
        }
    }

    fn urlencoded(raw: &[u8]) -> Self {
        let mut posted = Self::default();
        for (name, value) in url::form_urlencoded::parse(raw).take(MOST_FIELDS * 4) {
            posted.put(name.into_owned(), value.into_owned());
        }
        posted
    }

    fn json(raw: &[u8]) -> Result<Self, ApiError> {
        let map: Map<String, Value> = crate::http::extract::parse(raw)?;
        let mut posted = Self {
            json: true,
            ..Self::default()
        };
        for (name, value) in map {
            let text = match value {
                Value::Null => continue,
                Value::String(text) => text,
                Value::Bool(yes) => yes.to_string(),
                Value::Number(number) => number.to_string(),
                Value::Array(_) | Value::Object(_) => {
                    return Err(ApiError::invalid(
                        name.clone(),
                        format!("`{name}` is a text, a number, true or false."),
                    ));
                }
            };
            posted.put(name, text);
        }
        Ok(posted)
    }

    async fn multipart(app: &App, headers: &HeaderMap, raw: Bytes) -> Result<Self, ApiError> {
        let broken = || ApiError::bad_request("The multipart body cannot be read.");
        let mut request = Request::new(axum::body::Body::from(raw));
        *request.headers_mut() = headers.clone();
        let mut parts = Multipart::from_request(request, app)
            .await
            .map_err(|_| broken())?;
        let mut posted = Self::default();
        for _ in 0..MOST_FIELDS * 4 {
            let Some(part) = parts.next_field().await.map_err(|_| broken())? else {
                break;
            };
            let Some(name) = part.name().map(str::to_owned) else {
                continue;
            };
            let file = part.file_name().map(str::to_owned);
            let bytes = part.bytes().await.map_err(|_| broken())?;
            match file {
                // Browsers send an empty part for a file that nobody chose.
                Some(file) if file.is_empty() && bytes.is_empty() => {}
                Some(_) if posted.files.len() < MOST_FIELDS => posted.files.push(name),
                Some(_) => {}
                None => posted.put(name, String::from_utf8_lossy(&bytes).into_owned()),
            }
        }
        Ok(posted)
    }

    /// Everything as a JSON text, as it is kept of a submission that was set apart.
    pub(super) fn raw(&self) -> String {
        let text = serde_json::to_string(&self.values).unwrap_or_default();
        text.chars().take(8_000).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Hostile input is normal: whatever the bytes are, reading ends and stays within bounds.
    #[test]
    fn any_bytes_are_read_within_bounds() {
        proptest!(|(raw in proptest::collection::vec(any::<u8>(), 0..2_000))| {
            let posted = Posted::urlencoded(&raw);
            prop_assert!(posted.values.len() <= MOST_FIELDS);
            drop(Posted::json(&raw));
        });
        let many: String = (0..5_000).map(|n| format!("f{n}=1&")).collect();
        assert_eq!(
            Posted::urlencoded(many.as_bytes()).values.len(),
            MOST_FIELDS
        );
        let long = format!("a={}", "x".repeat(100_000));
        assert_eq!(
            Posted::urlencoded(long.as_bytes()).values["a"].len(),
            MOST_VALUE
        );
    }

    /// JSON answers are texts, numbers and truths; anything nested is refused with its name.
    #[test]
    fn json_answers_become_texts() {
        let posted =
            Posted::json(br#"{"name":"Dana","year":2021,"mobile":true,"none":null}"#).unwrap();
        assert_eq!(
            (
                posted.get("name"),
                posted.get("year"),
                posted.get("mobile"),
                posted.get("none")
            ),
            (Some("Dana"), Some("2021"), Some("true"), None)
        );
        assert_eq!(
            Posted::json(br#"{"phone":["1"]}"#)
                .unwrap_err()
                .field
                .as_deref(),
            Some("phone")
        );
    }
}
