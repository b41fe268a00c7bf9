//! Addresses that lead nowhere: a page for people, a problem document for programs.

use super::{PageError, assets, html};
use crate::http::{ApiError, Code};
use askama::Template;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};

/// A browser asks for a page. `*/*` alone is what programs send.
fn wants_page(headers: &HeaderMap) -> bool {
    headers
        .get_all(header::ACCEPT)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .any(|value| value.contains("text/html") || value.contains("application/xhtml+xml"))
}

/// Nothing is here.
pub(crate) async fn nowhere(headers: HeaderMap) -> Response {
    if wants_page(&headers) {
        PageError::NotFound.into_response()
    } else {
        ApiError::not_found().into_response()
    }
}

#[derive(Template)]
#[template(path = "sign_in/error.html")]
struct OtherWay {
    title: &'static str,
    detail: &'static str,
    back: &'static str,
    back_word: &'static str,
    css: &'static str,
}

/// Something is here, but not by this method: for instance the address of a form's answer that was typed or loaded again.
pub(crate) async fn other_method(headers: HeaderMap) -> Response {
    if !wants_page(&headers) {
        return ApiError::new(StatusCode::METHOD_NOT_ALLOWED, Code::Method)
            .say("This route knows other methods.")
            .into_response();
    }
    let mut response = html(&OtherWay {
        title: "This address is where a form goes",
        detail: "It cannot be opened by itself. Open the page with the form again.",
        back: "/",
        back_word: "To the dashboard",
        css: assets::css(),
    });
    *response.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    fn accepting(text: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(header::ACCEPT, HeaderValue::from_static(text))])
    }

    /// X7: a browser reads a page, a program a problem document, with the same status.
    #[tokio::test]
    async fn browsers_read_a_page_and_programs_a_problem() {
        for (accept, kind) in [
            (
                "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8",
                "text/html; charset=utf-8",
            ),
            ("*/*", "application/problem+json"),
            ("application/json", "application/problem+json"),
        ] {
            let nowhere = nowhere(accepting(accept)).await;
            assert_eq!(
                (
                    nowhere.status(),
                    nowhere.headers()[header::CONTENT_TYPE].to_str().unwrap()
                ),
                (StatusCode::NOT_FOUND, kind)
            );
            let other = other_method(accepting(accept)).await;
            assert_eq!(
                (
                    other.status(),
                    other.headers()[header::CONTENT_TYPE].to_str().unwrap()
                ),
                (StatusCode::METHOD_NOT_ALLOWED, kind)
            );
        }
        assert_eq!(
            nowhere(HeaderMap::new()).await.headers()[header::CONTENT_TYPE],
            "application/problem+json"
        );
    }
}
