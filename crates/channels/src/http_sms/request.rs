//! The request, as the settings describe it.

use super::{
    settings::{header_name, read},
    template::{Body, Json, Placeholder, Template, Values},
};
use crate::{
    http::{Call, Http},
    report_url::with_reference,
    settings::{Settings, SettingsError},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri, header};
use ringback_core::messages::Outgoing;
use serde_json::Value;
use std::time::Duration;

pub(super) const DEADLINE: Duration = Duration::from_secs(10);

/// What is posted where.
pub(super) struct Request {
    method: Method,
    /// Scheme, host and port as they are dialled; placeholders stand only behind it.
    origin: String,
    path: Template,
    headers: Vec<(HeaderName, Template)>,
    body: Body,
    fixed: Fixed,
    idempotency: Option<HeaderName>,
}

/// What placeholders of the connection stand for.
struct Fixed {
    from: String,
    user: String,
    secret: String,
    second_secret: String,
    basic: String,
}

/// True for headers that carry what nobody else may know (X5).
fn opens_doors(name: &HeaderName) -> bool {
    ["authorization", "key", "token", "secret", "password"]
        .iter()
        .any(|end| name.as_str().ends_with(end))
}

fn headers(text: &str) -> Result<Vec<(HeaderName, Template)>, String> {
    let map: serde_json::Map<String, Value> = serde_json::from_str(text).map_err(|error| {
        format!(
            "Write a JSON object such as {{\"Authorization\": \"Bearer {{{{secret}}}}\"}}: {error}."
        )
    })?;
    map.iter()
        .map(|(name, value)| {
            let value = value
                .as_str()
                .ok_or("The value of a header is a text in quotes.")?;
            let template = Template::parse(value)?;
            if template.has(Placeholder::Text) {
                return Err("{{text}} cannot stand in a header; put it into the body.".to_owned());
            }
            let name = header_name(name)?;
            let secret = [
                Placeholder::Secret,
                Placeholder::SecondSecret,
                Placeholder::Basic,
            ];
            if opens_doors(&name) && !secret.iter().any(|one| template.has(*one)) {
                return Err("A secret does not belong here, where it would be shown: enter it as secret and write {{secret}} or {{basic}}.".to_owned());
            }
            Ok((name, template))
        })
        .collect()
}

/// Splits an address into what is dialled and what may have placeholders.
fn address(
    settings: &Settings<'_>,
    fixed: &Fixed,
    http: &Http,
) -> Result<(String, Template), SettingsError> {
    let wrong = |advice: String| SettingsError::new("url", advice);
    let typed = settings.required("url")?;
    let host_at = typed.find("://").map_or(0, |at| at + 3);
    let rest_at = typed[host_at..]
        .find(['/', '?'])
        .map_or(typed.len(), |at| at + host_at);
    let (host, rest) = typed.split_at(rest_at);
    if host.contains("{{") {
        return Err(wrong(
            "A placeholder cannot stand in the host; write the host out.".into(),
        ));
    }
    let path = Template::parse(rest).map_err(wrong)?;
    let before_query = rest.split_once('?').map_or(rest, |(path, _)| path);
    if Template::parse(before_query).is_ok_and(|path| path.has(Placeholder::Text)) {
        return Err(wrong(
            "{{text}} cannot stand in the path; put it behind the ? or into the body.".into(),
        ));
    }
    let sample = format!("{host}{}", path.in_url(&fixed.sample()));
    let uri = settings.url("url", &sample, http)?;
    let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
        return Err(wrong("The address has no host.".into()));
    };
    let origin = format!("{scheme}://{authority}");
    // As it is called, not as a browser would mend it.
    let called = format!("{origin}{}", path.in_url(&fixed.sample()));
    called.parse::<Uri>().map_err(|error| {
        wrong(format!(
            "This is not an address that can be called: {error}."
        ))
    })?;
    Ok((origin, path))
}

impl Fixed {
    fn open(settings: &Settings<'_>) -> Self {
        let text = |name| settings.get(name).unwrap_or_default().to_owned();
        let (user, secret) = (text("user"), text("secret"));
        Self {
            from: text("from"),
            basic: STANDARD.encode(format!("{user}:{secret}")),
            second_secret: text("second_secret"),
            user,
            secret,
        }
    }

    fn with<'a>(
        &'a self,
        to: &'a str,
        text: &'a str,
        message_id: &'a str,
        attempt_id: &'a str,
        report_url: &'a str,
    ) -> Values<'a> {
        Values {
            to,
            from: &self.from,
            text,
            message_id,
            attempt_id,
            report_url,
            user: &self.user,
            secret: &self.secret,
            second_secret: &self.second_secret,
            basic: &self.basic,
        }
    }

    fn sample(&self) -> Values<'_> {
        self.with(
            "+12065550100",
            "text",
            "msg_1",
            "att_1",
            "https://example.com/",
        )
    }
}

/// The body, and what kind it is.
fn body(
    settings: &Settings<'_>,
    method: &Method,
) -> Result<(Body, Option<&'static str>), SettingsError> {
    Ok(match (settings.get("body"), settings.get("format")) {
        (None, _) => (Body::None, None),
        (Some(_), _) if *method == Method::GET => {
            return Err(SettingsError::new(
                "body",
                "GET carries no body; write the fields behind the ? of the address.",
            ));
        }
        (Some(_), Some("form")) => (
            read(settings, "body", Template::parse)?.map_or(Body::None, Body::Form),
            Some("application/x-www-form-urlencoded"),
        ),
        (Some(_), _) => (
            read(settings, "body", Json::parse)?.map_or(Body::None, Body::Json),
            Some("application/json"),
        ),
    })
}

impl Request {
    pub fn open(settings: &Settings<'_>, http: &Http) -> Result<Self, SettingsError> {
        let fixed = Fixed::open(settings);
        let (origin, path) = address(settings, &fixed, http)?;
        let method = match settings.get("method") {
            Some("GET") => Method::GET,
            Some("PUT") => Method::PUT,
            _ => Method::POST,
        };
        let (body, kind) = body(settings, &method)?;
        let mut headers = read(settings, "headers", headers)?.unwrap_or_default();
        for (name, value) in [
            (header::CONTENT_TYPE, kind),
            (header::ACCEPT, Some("application/json")),
        ] {
            if let Some(value) = value
                && !headers.iter().any(|(one, _)| *one == name)
            {
                headers.push((name, Template::written(value)));
            }
        }
        let request = Self {
            method,
            origin,
            path,
            headers,
            body,
            fixed,
            idempotency: read(settings, "idempotency_header", header_name)?,
        };
        request.is_whole()?;
        Ok(request)
    }

    /// Checks that everything that is needed is there, and fits together.
    fn is_whole(&self) -> Result<(), SettingsError> {
        let fixed = &self.fixed;
        for (placeholder, setting, value) in [
            (Placeholder::From, "from", &fixed.from),
            (Placeholder::User, "user", &fixed.user),
            (Placeholder::Secret, "secret", &fixed.secret),
            (
                Placeholder::SecondSecret,
                "second_secret",
                &fixed.second_secret,
            ),
            (Placeholder::Basic, "user", &fixed.user),
            (Placeholder::Basic, "secret", &fixed.secret),
        ] {
            if self.uses(placeholder) && value.is_empty() {
                return Err(SettingsError::new(
                    setting,
                    "A placeholder stands for this, so it is needed.",
                ));
            }
        }
        if !self.uses(Placeholder::To) && !self.uses(Placeholder::ToDigits) {
            return Err(SettingsError::new(
                "body",
                "Nothing says who the text is for; write {{to}} or {{to_digits}} into the body or behind the ? of the address.",
            ));
        }
        if !self.uses(Placeholder::Text) {
            return Err(SettingsError::new(
                "body",
                "Nothing says what the text is; write {{text}} into the body or behind the ? of the address.",
            ));
        }
        if let Some(name) = &self.idempotency {
            let wrong = |advice| Err(SettingsError::new("idempotency_header", advice));
            if self.headers.iter().any(|(one, _)| one == name) {
                return wrong("This header is among the headers already; name it only here.");
            }
            if self.path.has(Placeholder::AttemptId) || self.body.has(Placeholder::AttemptId) {
                return wrong(
                    "A key belongs to the same words each time, and {{attempt_id}} changes them; send {{message_id}} instead.",
                );
            }
        }
        match self.header_map(&fixed.sample()) {
            Some(_) => Ok(()),
            None => Err(SettingsError::new(
                "headers",
                "A header has characters that cannot be sent; copy its values again.",
            )),
        }
    }

    /// True when this placeholder is sent along.
    pub fn uses(&self, placeholder: Placeholder) -> bool {
        self.path.has(placeholder)
            || self.body.has(placeholder)
            || self.headers.iter().any(|(_, value)| value.has(placeholder))
    }

    /// True when a second call with the same key is dropped.
    pub fn has_key(&self) -> bool {
        self.idempotency.is_some()
    }

    /// The call for a message; None when a value cannot be written.
    pub fn call(&self, message: &Outgoing, text: &str) -> Option<Call> {
        let (id, attempt) = (message.message.to_string(), message.attempt.to_string());
        let report_url = message
            .report_url
            .as_deref()
            .map(|url| with_reference(url, message.message));
        let report_url = report_url.as_deref().unwrap_or_default();
        let values = self
            .fixed
            .with(&message.to, text, &id, &attempt, report_url);
        let mut headers = self.header_map(&values)?;
        if let Some(name) = &self.idempotency {
            headers.insert(name.clone(), HeaderValue::from_str(&message.key).ok()?);
        }
        Some(Call {
            method: self.method.clone(),
            uri: format!("{}{}", self.origin, self.path.in_url(&values))
                .parse()
                .ok()?,
            headers,
            body: Bytes::from(self.body.fill(&values)),
            deadline: DEADLINE,
            ends: message.ends,
        })
    }

    /// The headers, with what stands for no message in particular: for an address that only tests.
    pub fn test_headers(&self) -> HeaderMap {
        let mut headers = self.header_map(&self.fixed.sample()).unwrap_or_default();
        headers.remove(header::CONTENT_TYPE);
        headers
    }

    /// Where the provider is, without a path.
    pub fn origin(&self) -> Option<Uri> {
        self.origin.parse().ok()
    }

    fn header_map(&self, values: &Values<'_>) -> Option<HeaderMap> {
        let mut map = HeaderMap::new();
        map.insert(header::USER_AGENT, crate::user_agent());
        for (name, template) in &self.headers {
            let mut value = HeaderValue::from_str(&template.plain(values)).ok()?;
            value.set_sensitive(true);
            map.insert(name.clone(), value);
        }
        Some(map)
    }
}
