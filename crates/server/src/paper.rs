//! The paper that customers of a tenant see: its name, its colour, one style sheet, and headers that let nothing else in.

use crate::registry::Home;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;

/// One page's frame.
#[derive(Debug, Clone)]
pub(crate) struct Paper {
    /// The business, or nothing where nobody may learn which it is.
    pub(crate) name: String,
    /// The colour of buttons, `#rrggbb`.
    pub(crate) color: String,
    /// The colour of writing on it.
    pub(crate) ink: &'static str,
    /// Allows the page's own style sheet.
    pub(crate) nonce: String,
    /// The number that people may call.
    pub(crate) phone: Option<String>,
}

const PLAIN: &str = "#1f4f8f";

impl Paper {
    /// A tenant's.
    pub(crate) fn of(home: &Home) -> Self {
        let settings = &home.tenant.config.settings;
        let color = settings
            .branding
            .color
            .as_deref()
            .and_then(rgb)
            .unwrap_or_else(|| PLAIN.to_owned());
        Self {
            name: settings.name.clone(),
            ink: ink_on(&color),
            color,
            nonce: nonce(),
            phone: settings.phone.clone(),
        }
    }

    /// Nobody's.
    pub(crate) fn plain() -> Self {
        Self {
            name: String::new(),
            color: PLAIN.to_owned(),
            ink: "#fff",
            nonce: nonce(),
            phone: None,
        }
    }

    /// The page as an answer. `forms_to` are further origins that its form may lead to, `framed_by` pages that may hold it.
    pub(crate) fn answer(
        &self,
        status: StatusCode,
        page: &impl askama::Template,
        forms_to: &[String],
        framed_by: &[String],
    ) -> Response {
        let Ok(html) = page.render() else {
            return crate::http::ApiError::internal("a page could not be rendered").into_response();
        };
        let mut policy = format!(
            "default-src 'none'; style-src 'nonce-{}'; base-uri 'none'; form-action 'self'",
            self.nonce
        );
        for origin in forms_to {
            policy.push(' ');
            policy.push_str(origin);
        }
        policy.push_str("; frame-ancestors 'self'");
        for origin in framed_by {
            policy.push(' ');
            policy.push_str(origin);
        }
        let mut response = (status, html).into_response();
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("text/html; charset=utf-8"),
        );
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert(
            header::REFERRER_POLICY,
            HeaderValue::from_static("same-origin"),
        );
        headers.insert(
            header::X_CONTENT_TYPE_OPTIONS,
            HeaderValue::from_static("nosniff"),
        );
        if let Ok(policy) = HeaderValue::from_str(&policy) {
            headers.insert(header::CONTENT_SECURITY_POLICY, policy);
        }
        response
    }
}

fn nonce() -> String {
    STANDARD_NO_PAD.encode(crate::clock::random_bytes::<12>())
}

/// `#rgb` or `#rrggbb` as `#rrggbb`; whatever else is no colour, and none gets into a style sheet.
fn rgb(text: &str) -> Option<String> {
    let digits = text
        .strip_prefix('#')
        .filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()))?;
    match digits.len() {
        6 => Some(text.to_owned()),
        3 => Some(
            digits
                .chars()
                .fold("#".to_owned(), |all, digit| format!("{all}{digit}{digit}")),
        ),
        _ => None,
    }
}

/// White or black, whichever is read better on the colour (WCAG relative luminance).
fn ink_on(color: &str) -> &'static str {
    let part = |at: usize| {
        let value = color
            .get(at..at + 2)
            .and_then(|digits| u8::from_str_radix(digits, 16).ok())
            .unwrap_or(0);
        let value = f64::from(value) / 255.0;
        if value <= 0.040_45 {
            value / 12.92
        } else {
            ((value + 0.055) / 1.055).powf(2.4)
        }
    };
    let luminance = 0.2126 * part(1) + 0.7152 * part(3) + 0.0722 * part(5);
    if 1.05 / (luminance + 0.05) >= (luminance + 0.05) / 0.05 {
        "#fff"
    } else {
        "#000"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Writing on a button can be read whatever colour the tenant chose.
    #[test]
    fn ink_is_chosen_by_the_colour_it_lies_on() {
        for (color, ink) in [
            ("#ffffff", "#000"),
            ("#000000", "#fff"),
            ("#1f5fa8", "#fff"),
            ("#ffd400", "#000"),
            ("#0f6b5c", "#fff"),
        ] {
            assert_eq!(ink_on(color), ink, "{color}");
        }
    }

    /// Nothing but a colour gets into the style sheet.
    #[test]
    fn only_colours_are_colours() {
        assert_eq!(rgb("#abc").as_deref(), Some("#aabbcc"));
        assert_eq!(rgb("#0f6b5c").as_deref(), Some("#0f6b5c"));
        for text in ["red", "#12", "#12345g", "#fff;}", "", "#ééé"] {
            assert_eq!(rgb(text), None, "{text}");
        }
    }
}
