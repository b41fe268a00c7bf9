//! What a message says, as the person sees it. A mail is shown in a frame of its own, from a route with its own policy: nothing in it runs,
//! loads from elsewhere, or reaches the page around it.

use crate::app::App;
use crate::registry::Home;
use axum::http::HeaderValue;
use axum::http::header::{self, HeaderName};
use axum::response::{IntoResponse as _, Response};
use ringback_core::messages::segments::{Encoding, segments};
use ringback_core::messages::{ChannelKind, Content, Message, Reason};
use std::sync::Arc;

/// What is shown of a text.
#[derive(Debug, Clone, PartialEq)]
pub(in super::super) enum Shown {
    /// A text message with its size in words.
    Text {
        /// The text.
        body: String,
        /// `121 characters, GSM-7, 1 segment`.
        size: String,
    },
    /// A mail; its body is shown in a frame.
    Mail {
        /// The subject.
        subject: String,
        /// The text part.
        text: String,
        /// True when it has an HTML part.
        html: bool,
    },
    /// A request to a server.
    Json {
        /// The event's name.
        event: String,
        /// The body.
        body: String,
    },
    /// It has no text, for this reason.
    Nothing(String),
}

/// Renders the message as it is or was sent.
pub(in super::super) async fn content(
    app: &App,
    home: &Arc<Home>,
    message: &Message,
) -> Result<Content, Reason> {
    let (app, home, message) = (app.clone(), Arc::clone(home), message.clone());
    let rendered = tokio::task::spawn_blocking(move || {
        crate::render(
            &home,
            &app.readers,
            &app.tokens,
            &app.settings.public_url,
            &message,
        )
    });
    match rendered.await {
        Ok(rendered) => rendered.map(|rendered| rendered.content),
        Err(_) => Err(Reason::new(
            "template",
            "Rendering it panicked; this was written down.",
        )),
    }
}

/// What a page shows of it.
pub(in super::super) fn shown(content: Result<Content, Reason>) -> Shown {
    match content {
        Ok(Content::Text { body }) => {
            let counted = segments(&body);
            let encoding = match counted.encoding {
                Encoding::Gsm7 => "GSM-7",
                Encoding::Ucs2 => "Unicode",
            };
            let plural = if counted.count == 1 { "" } else { "s" };
            Shown::Text {
                size: format!(
                    "{} characters, {encoding}, {} segment{plural}",
                    body.chars().count(),
                    counted.count
                ),
                body,
            }
        }
        Ok(Content::Mail {
            subject,
            text,
            html,
            ..
        }) => Shown::Mail {
            subject,
            text,
            html: html.is_some(),
        },
        Ok(Content::Json { event, body }) => {
            let pretty = serde_json::from_str::<serde_json::Value>(&body)
                .ok()
                .and_then(|value| serde_json::to_string_pretty(&value).ok());
            Shown::Json {
                event,
                body: pretty.unwrap_or(body),
            }
        }
        Err(why) => Shown::Nothing(why.detail),
    }
}

/// The first words, for a list.
pub(in super::super) fn first_words(shown: &Shown) -> String {
    let text = match shown {
        Shown::Text { body, .. } | Shown::Json { body, .. } => body,
        Shown::Mail { subject, .. } => subject,
        Shown::Nothing(why) => why,
    };
    text.split_whitespace()
        .take(24)
        .collect::<Vec<_>>()
        .join(" ")
        .chars()
        .take(140)
        .collect()
}

const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; form-action 'none'; base-uri 'none'; frame-ancestors 'self'; sandbox";

/// The body alone, for the frame.
pub(super) fn document(content: Result<Content, Reason>) -> Response {
    let html = match content {
        Ok(Content::Mail {
            html: Some(html), ..
        }) => html,
        Ok(Content::Mail { text, .. }) => plain(&text),
        Ok(Content::Text { body }) | Ok(Content::Json { body, .. }) => plain(&body),
        Err(why) => plain(&why.detail),
    };
    let mut response = html.into_response();
    for (name, value) in [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-store"),
        (
            HeaderName::from_static("cross-origin-resource-policy"),
            "same-origin",
        ),
    ] {
        response
            .headers_mut()
            .insert(name, HeaderValue::from_static(value));
    }
    response
}

fn plain(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len() + 64);
    for c in text.chars() {
        match c {
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '&' => escaped.push_str("&amp;"),
            other => escaped.push(other),
        }
    }
    format!(
        "<!doctype html><meta charset=\"utf-8\"><title>The text</title><pre style=\"white-space:pre-wrap;font:14px/1.5 system-ui,sans-serif\">{escaped}</pre>"
    )
}

/// The word before the text on a page.
pub(in super::super) const fn heading(channel: ChannelKind) -> &'static str {
    match channel {
        ChannelKind::Sms => "The text",
        ChannelKind::Email => "The mail",
        ChannelKind::Webhook => "The request",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// X4: a mail is a guest: its page runs nothing, loads nothing, and its text is no markup when it is plain.
    #[test]
    fn the_body_of_a_mail_is_shown_under_its_own_policy() {
        let mail = |html: Option<&str>| Content::Mail {
            subject: "s".into(),
            text: "<b>1 < 2</b>".into(),
            html: html.map(str::to_owned),
            reply_to: None,
            headers: Vec::new(),
        };
        let response = document(Ok(mail(Some("<p>Hello</p>"))));
        let policy = response.headers()[header::CONTENT_SECURITY_POLICY]
            .to_str()
            .unwrap();
        assert!(
            policy.starts_with("default-src 'none'")
                && policy.ends_with("sandbox")
                && !policy.contains("script")
        );
        assert!(!response.headers().contains_key(header::X_FRAME_OPTIONS));
        assert!(plain("<b>1 < 2</b>").contains("&lt;b&gt;1 &lt; 2&lt;/b&gt;"));
    }

    /// T6: the size of a text is said in what it costs.
    #[test]
    fn a_text_says_its_size() {
        let Shown::Text { size, .. } = shown(Ok(Content::Text {
            body: "Hello".into(),
        })) else {
            panic!("a text")
        };
        assert_eq!(size, "5 characters, GSM-7, 1 segment");
    }
}
