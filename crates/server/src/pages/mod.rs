//! The dashboard: pages under `/t/{slug}`, sign-in, and what they load (U). Server-rendered; everything works without script.

mod alert;
mod assets;
mod connections;
mod errors;
mod example;
pub(crate) mod format;
pub(crate) mod frame;
mod lead;
mod leads;
pub(crate) mod line;
mod live;
pub(crate) mod lost;
mod message;
mod messages;
mod on_call;
mod overview;
pub(crate) mod people;
mod queue;
mod recovery;
mod reports;
mod runs;
mod sandbox;
pub(crate) mod session;
mod settings;
mod simulate;
pub(crate) mod stamp;
mod templates;
mod workflows;

pub(crate) use frame::{Frame, Page};
pub(crate) use session::{Session, is_signed_in};

use crate::app::App;
use crate::http::ApiError;
use askama::Template;
use axum::Router;
use axum::body::Body;
use axum::extract::{FromRequestParts, Request, State};
use axum::http::header::{self, HeaderName};
use axum::http::request::Parts;
use axum::http::{HeaderValue, Method, StatusCode, Uri};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum::routing::get;

/// Every page.
pub fn routes(app: &App) -> Router<App> {
    Router::new()
        .merge(session::routes())
        .merge(alert::routes())
        .merge(errors::routes())
        .merge(recovery::routes())
        .merge(example::routes())
        .merge(settings::routes())
        .merge(templates::routes())
        .merge(workflows::routes())
        .merge(on_call::routes())
        .merge(reports::routes())
        .merge(runs::routes())
        .merge(simulate::routes())
        .merge(overview::routes())
        .merge(leads::routes())
        .merge(lead::routes())
        .merge(live::routes())
        .merge(messages::routes())
        .merge(message::routes())
        .merge(queue::routes())
        .merge(sandbox::routes())
        .merge(connections::routes())
        .route("/t/{slug}/{*rest}", get(|| async { PageError::NotFound }))
        .layer(axum::middleware::from_fn(fragments))
        .layer(axum::middleware::from_fn_with_state(
            app.clone(),
            same_origin,
        ))
        .route("/assets/{name}", get(assets::serve))
        .route("/favicon.ico", get(assets::icon))
}

/// What a page answers when it cannot be shown.
#[derive(Debug)]
pub(crate) enum PageError {
    /// Sign in first; then this address.
    SignIn(String),
    /// Nothing there, or somebody else's.
    NotFound,
    /// The role may not.
    Forbidden(&'static str),
    /// Anything the API would say.
    Api(ApiError),
}

/// What pages answer.
pub(crate) type PageResult<T = Response> = Result<T, PageError>;

impl From<ApiError> for PageError {
    fn from(error: ApiError) -> Self {
        if error.status == StatusCode::NOT_FOUND {
            Self::NotFound
        } else {
            Self::Api(error)
        }
    }
}

#[derive(Template)]
#[template(path = "sign_in/error.html")]
struct ErrorPage<'a> {
    title: &'a str,
    detail: &'a str,
    back: &'a str,
    back_word: &'a str,
    css: &'static str,
}

impl IntoResponse for PageError {
    fn into_response(self) -> Response {
        let page = |status: StatusCode, title: &str, detail: &str| {
            let mut response = html(&ErrorPage {
                title,
                detail,
                back: "/",
                back_word: "To the dashboard",
                css: assets::css(),
            });
            *response.status_mut() = status;
            response
        };
        match self {
            Self::SignIn(next) => see_other(&format!("/sign-in?next={}", format::query(&next))),
            Self::NotFound => page(
                StatusCode::NOT_FOUND,
                "There is nothing here by that name",
                "The address may be old, or what it named was merged or deleted.",
            ),
            Self::Forbidden(detail) => page(
                StatusCode::FORBIDDEN,
                "Your role does not open this",
                detail,
            ),
            Self::Api(error) => {
                let detail = error.detail.to_string();
                let status = error.status;
                // Writes the cause to the log.
                drop(error.into_response());
                page(status, "That did not work", &detail)
            }
        }
    }
}

const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; frame-src 'self'; base-uri 'none'; frame-ancestors 'none'";

/// A page with everything a browser is told about it.
pub(crate) fn html(template: &impl Template) -> Response {
    match template.render() {
        Ok(text) => {
            let mut response = text.into_response();
            dress(&mut response);
            response
        }
        Err(error) => ApiError::internal(error.to_string()).into_response(),
    }
}

fn dress(response: &mut Response) {
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "same-origin"),
        (header::CACHE_CONTROL, "no-store"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (
            HeaderName::from_static("cross-origin-opener-policy"),
            "same-origin",
        ),
        (
            HeaderName::from_static("permissions-policy"),
            "camera=(), microphone=(), geolocation=()",
        ),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
}

/// 303 to an address of ours.
pub(crate) fn see_other(to: &str) -> Response {
    let mut response = StatusCode::SEE_OTHER.into_response();
    let to = HeaderValue::from_str(to).unwrap_or_else(|_| HeaderValue::from_static("/"));
    response.headers_mut().insert(header::LOCATION, to);
    response
        .headers_mut()
        .insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// 303 to an address of ours, where a sentence says what the action came to. `class` is `kept`, `late`, `lamp` or `held`.
pub(crate) fn see_other_with(to: &str, class: &'static str, notice: &str) -> Response {
    let mut response = see_other(to);
    let cookie = format!(
        "ringback-notice={}; Path=/; Max-Age=30; HttpOnly; SameSite=Lax",
        frame::Notice::write(class, notice)
    );
    if let Ok(value) = HeaderValue::from_str(&cookie) {
        response.headers_mut().append(header::SET_COOKIE, value);
    }
    response
}

/// A form's fields. What cannot be read is said on a page.
#[derive(Debug)]
pub(crate) struct Fields<T>(pub T);

impl<T: serde::de::DeserializeOwned> axum::extract::FromRequest<App> for Fields<T> {
    type Rejection = PageError;

    async fn from_request(request: Request, app: &App) -> Result<Self, PageError> {
        let raw = crate::http::extract::read(request, app).await?;
        serde_urlencoded::from_bytes(&raw)
            .map(Self)
            .map_err(|error| {
                PageError::Api(ApiError::bad_request(format!(
                    "The form cannot be read: {error}."
                )))
            })
    }
}

/// The parts of a path after `/t/{slug}`, parsed. What cannot be parsed is not found.
#[derive(Debug)]
pub(crate) struct Named<T>(pub T);

impl<T: serde::de::DeserializeOwned + Send> FromRequestParts<App> for Named<T> {
    type Rejection = PageError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, PageError> {
        axum::extract::Path::<T>::from_request_parts(parts, app)
            .await
            .map(|path| Self(path.0))
            .map_err(|_| PageError::NotFound)
    }
}

/// Refuses posts that another site's page sends (X4). What sends neither header is no browser.
async fn same_origin(State(app): State<App>, request: Request, next: Next) -> Response {
    if matches!(
        *request.method(),
        Method::GET | Method::HEAD | Method::OPTIONS
    ) || is_same_origin(&request, &app)
    {
        return next.run(request).await;
    }
    PageError::Forbidden(
        "The form was sent by a page of another site. Open the dashboard itself and do it there.",
    )
    .into_response()
}

fn is_same_origin(request: &Request, app: &App) -> bool {
    let header = |name: &str| {
        request
            .headers()
            .get(name)
            .and_then(|value| value.to_str().ok())
    };
    if let Some(site) = header("sec-fetch-site") {
        return matches!(site, "same-origin" | "none");
    }
    let Some(origin) = header("origin") else {
        return true;
    };
    let host = header("host").or_else(|| {
        request
            .uri()
            .authority()
            .map(|authority| authority.as_str())
    });
    let authority = origin.split_once("://").map_or(origin, |(_, rest)| rest);
    origin == app.settings.public_url
        || host.is_some_and(|host| host.eq_ignore_ascii_case(authority))
}

/// `?fragment=a,b` answers only the elements of these ids, so that an open page can be brought up to date in place.
async fn fragments(request: Request, next: Next) -> Response {
    let wanted = wanted(request.uri());
    let noticed = wanted.is_empty()
        && frame::cookie(request.headers(), "ringback-notice")
            .is_some_and(|notice| !notice.is_empty());
    let mut response = next.run(request).await;
    if noticed
        && response.status() == StatusCode::OK
        && !response.headers().contains_key(header::SET_COOKIE)
    {
        // It was read; the next page does not say it again.
        response.headers_mut().append(
            header::SET_COOKIE,
            HeaderValue::from_static("ringback-notice=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax"),
        );
    }
    if wanted.is_empty() || response.status() != StatusCode::OK {
        return response;
    }
    let (parts, body) = response.into_parts();
    let Ok(bytes) = axum::body::to_bytes(body, 4 << 20).await else {
        return ApiError::internal("a page was too large to be cut").into_response();
    };
    let text = String::from_utf8_lossy(&bytes);
    let cut: String = wanted.iter().filter_map(|id| element(&text, id)).collect();
    let mut response = Response::from_parts(parts, Body::from(cut));
    response.headers_mut().remove(header::CONTENT_LENGTH);
    response
}

fn wanted(uri: &Uri) -> Vec<String> {
    let query = uri.query().unwrap_or_default();
    let value = url::form_urlencoded::parse(query.as_bytes())
        .find(|(name, _)| name == "fragment")
        .map(|(_, value)| value.into_owned())
        .unwrap_or_default();
    let fits = |id: &&str| {
        !id.is_empty()
            && id.len() <= 60
            && id
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    value
        .split(',')
        .filter(fits)
        .take(12)
        .map(str::to_owned)
        .collect()
}

/// The element with an id in a page of ours: from its tag to the one that closes it.
fn element<'a>(page: &'a str, id: &str) -> Option<&'a str> {
    let mark = page.find(&format!(" id=\"{id}\""))?;
    let begin = page[..mark].rfind('<')?;
    let name: String = page[begin + 1..]
        .chars()
        .take_while(char::is_ascii_alphanumeric)
        .collect();
    let (open, close) = (format!("<{name}"), format!("</{name}>"));
    let (mut at, mut depth) = (begin + open.len(), 1usize);
    loop {
        let end = page[at..].find(&close)? + at;
        let inner = page[at..end]
            .match_indices(&open)
            .filter(|(found, _)| {
                !page[at + found + open.len()..].starts_with(|c: char| c.is_ascii_alphanumeric())
            })
            .count();
        depth = depth + inner - 1;
        at = end + close.len();
        if depth == 0 {
            return page.get(begin..at);
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Section 7 of the design: a fragment is the whole element, with what is nested in it.
    #[test]
    fn a_fragment_is_cut_with_everything_inside() {
        let page = r#"<main><div id="a" data-live><div>1<div>2</div></div><divider></divider></div><div id="b">x</div></main>"#;
        assert_eq!(
            element(page, "a"),
            Some(r#"<div id="a" data-live><div>1<div>2</div></div><divider></divider></div>"#)
        );
        assert_eq!(element(page, "b"), Some(r#"<div id="b">x</div>"#));
        assert_eq!(element(page, "c"), None);
        assert_eq!(
            wanted(&"/t/x?view=a&fragment=a,b,%22".parse().unwrap()),
            ["a", "b"]
        );
    }

    /// What every page promises: one heading, unique ids, no handler or style in the markup, nothing of a visitor's as markup.
    pub(crate) fn sound(page: &str) {
        assert_eq!(page.matches("<h1").count(), 1, "one h1");
        let mut ids: Vec<&str> = page
            .split(" id=\"")
            .skip(1)
            .filter_map(|rest| rest.split('"').next())
            .collect();
        let all = ids.len();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), all, "ids are unique: {ids:?}");
        for bad in [
            " style=\"",
            " onclick=",
            " onload=",
            " onsubmit=",
            "javascript:",
            "<style",
            "<script>",
        ] {
            assert!(!page.contains(bad), "{bad}");
        }
        assert!(!page.contains(HOSTILE), "markup of a visitor");
    }

    /// A name that wants to be markup.
    pub(crate) const HOSTILE: &str = "<script>alert('x')</script>\"><img src=x onerror=alert(1)>";
}
