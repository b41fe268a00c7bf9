//! What routes take out of a request. Every refusal is a problem document; none of the framework's plain texts leaks.

use super::limits::Left;
use super::{ApiError, Code};
use crate::app::App;
use axum::extract::rejection::BytesRejection;
use axum::extract::{ConnectInfo, FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;
use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::str::FromStr;
use std::sync::{Arc, OnceLock};

/// A JSON body with its raw bytes.
#[derive(Debug)]
pub struct Body<T> {
    /// What it says.
    pub value: T,
    /// The bytes, for idempotency keys and signatures.
    pub raw: Bytes,
}

impl<T: DeserializeOwned> FromRequest<App> for Body<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, app: &App) -> Result<Self, ApiError> {
        let raw = read(request, app).await?;
        Ok(Self {
            value: parse(&raw)?,
            raw,
        })
    }
}

/// A JSON body that may be left out.
#[derive(Debug)]
pub struct MaybeBody<T> {
    /// What it says, or the defaults.
    pub value: T,
    /// The bytes, for idempotency keys.
    pub raw: Bytes,
}

impl<T: DeserializeOwned + Default> FromRequest<App> for MaybeBody<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, app: &App) -> Result<Self, ApiError> {
        let raw = read(request, app).await?;
        let value = if raw.iter().all(u8::is_ascii_whitespace) {
            T::default()
        } else {
            parse(&raw)?
        };
        Ok(Self { value, raw })
    }
}

/// The body's bytes, within the route's limit.
pub(crate) async fn read(request: Request, app: &App) -> Result<Bytes, ApiError> {
    Bytes::from_request(request, app)
        .await
        .map_err(|rejection| match rejection {
            BytesRejection::FailedToBufferBody(error)
                if error.status() == StatusCode::PAYLOAD_TOO_LARGE =>
            {
                ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, Code::TooLarge)
                    .say("The body is larger than this route takes.")
            }
            _ => ApiError::bad_request("The body ended before it was whole."),
        })
}

/// Reads JSON; what is wrong is said with its field.
pub(crate) fn parse<T: DeserializeOwned>(raw: &[u8]) -> Result<T, ApiError> {
    if let Ok(value) = serde_json::from_slice(raw) {
        return Ok(value);
    }
    // The second reading costs time only where something is wrong: it knows at which field.
    let mut reader = serde_json::Deserializer::from_slice(raw);
    match serde_path_to_error::deserialize::<_, T>(&mut reader) {
        Ok(_) => Err(ApiError::bad_request(
            "There is something after the end of the JSON document.",
        )),
        Err(error) => {
            let path = error.path().to_string();
            let inner = error.into_inner();
            match inner.classify() {
                serde_json::error::Category::Data => {
                    let text = inner.to_string();
                    let text = text
                        .split(" at line ")
                        .next()
                        .unwrap_or_default()
                        .to_owned();
                    let mut refused = ApiError::invalid(path.clone(), format!("{path}: {text}."));
                    if let Some(field) = text
                        .strip_prefix("missing field `")
                        .and_then(|rest| rest.strip_suffix('`'))
                    {
                        refused = ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, Code::Missing)
                            .say(format!("`{field}` is missing."))
                            .at(field.to_owned());
                    }
                    Err(refused)
                }
                _ => Err(ApiError::bad_request(format!(
                    "The body is no JSON: line {}, column {}.",
                    inner.line(),
                    inner.column()
                ))),
            }
        }
    }
}

/// The query, read into a type.
#[derive(Debug)]
pub struct Queries<T>(pub T);

impl<T: DeserializeOwned> FromRequestParts<App> for Queries<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        match Query::<T>::from_request_parts(parts, app).await {
            Ok(Query(value)) => Ok(Self(value)),
            Err(rejection) => Err(
                ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, Code::Invalid)
                    .say(format!(
                        "The query cannot be read: {}",
                        rejection.body_text()
                    ))
                    .at("query"),
            ),
        }
    }
}

/// An id in the path. One that cannot be an id is simply not found.
#[derive(Debug, Clone, Copy)]
pub struct PathId<T>(pub T);

impl<T: FromStr> FromRequestParts<App> for PathId<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        let Path(text) = Path::<String>::from_request_parts(parts, app)
            .await
            .map_err(|_| ApiError::not_found())?;
        text.parse().map(Self).map_err(|_| ApiError::not_found())
    }
}

/// A text in the path. What cannot be one is simply not found.
#[derive(Debug, Clone)]
pub struct PathText(pub String);

impl FromRequestParts<App> for PathText {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        let Path(text) = Path::<String>::from_request_parts(parts, app)
            .await
            .map_err(|_| ApiError::not_found())?;
        if text.is_empty() || text.len() > 320 || text.chars().any(char::is_control) {
            return Err(ApiError::not_found());
        }
        Ok(Self(text))
    }
}

/// A body that is a text, byte for byte.
#[derive(Debug)]
pub struct Text(pub String);

impl FromRequest<App> for Text {
    type Rejection = ApiError;

    async fn from_request(request: Request, app: &App) -> Result<Self, ApiError> {
        let raw = read(request, app).await?;
        String::from_utf8(raw.into())
            .map(Self)
            .map_err(|_| ApiError::bad_request("The body is no text in UTF-8."))
    }
}

/// One page of a list: `next` is the cursor of the one after it.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct Listed<T> {
    /// The rows.
    pub data: Vec<T>,
    /// Send it as `after` to get the next page; null on the last.
    pub next: Option<String>,
}

impl<T> Listed<T> {
    /// A page from one row more than it holds: the extra row says that there is a next page.
    pub fn cut(mut rows: Vec<T>, most: u32, cursor: impl Fn(&T) -> String) -> Self {
        let most = most as usize;
        let more = rows.len() > most;
        rows.truncate(most);
        let next = rows.last().filter(|_| more).map(cursor);
        Self { data: rows, next }
    }

    /// All there is, on one page.
    pub const fn all(data: Vec<T>) -> Self {
        Self { data, next: None }
    }
}

/// A page of a list: `?limit=&after=`.
#[derive(Debug, Clone, Default, Deserialize, utoipa::IntoParams)]
#[serde(default)]
#[into_params(parameter_in = Query)]
pub struct Page {
    /// Rows a page, 1 to 200; 50 when it is not given.
    #[param(value_type = Option<u32>)]
    pub limit: Option<Limit>,
    /// The cursor of the page before.
    pub after: Option<String>,
}

/// Rows a page.
#[derive(Debug, Clone, Copy)]
pub struct Limit(pub u32);

impl<'de> Deserialize<'de> for Limit {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse()
            .ok()
            .filter(|n| (1..=200).contains(n))
            .map(Self)
            .ok_or_else(|| serde::de::Error::custom("limit is a number from 1 to 200"))
    }
}

impl Page {
    /// Rows a page.
    pub fn rows(&self) -> u32 {
        self.limit.map_or(50, |limit| limit.0)
    }

    /// The cursor as an id. 422 when it is none.
    pub fn after<T: FromStr>(&self) -> Result<Option<T>, ApiError> {
        cursor(self.after.as_deref())
    }
}

/// A cursor as what it stands for. 422 when it is none.
pub(crate) fn cursor<T: FromStr>(after: Option<&str>) -> Result<Option<T>, ApiError> {
    after
        .filter(|after| !after.is_empty())
        .map(|after| after.parse().map_err(|_| not_a_cursor()))
        .transpose()
}

/// 422 for a text that is no cursor.
pub(crate) fn not_a_cursor() -> ApiError {
    ApiError::invalid("after", "This is no cursor: use `next` of the page before.")
}

/// The caller's address, behind trusted proxies only.
#[derive(Debug, Clone, Copy)]
pub struct Peer(pub IpAddr);

impl FromRequestParts<App> for Peer {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Self::Rejection> {
        let peer = parts
            .extensions
            .get::<ConnectInfo<SocketAddr>>()
            .map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |info| info.0.ip());
        let forwarded = parts
            .headers
            .get("x-forwarded-for")
            .and_then(|value| value.to_str().ok());
        Ok(Self(app.address(peer, forwarded)))
    }
}

/// Where a route leaves what is left of the caller's limit, for the headers.
#[derive(Debug, Clone, Default)]
pub(crate) struct LeftSlot(Arc<OnceLock<Left>>);

impl LeftSlot {
    pub(crate) fn set(&self, left: Left) {
        if self.0.set(left).is_err() {
            tracing::debug!("a request drew from two limits; the first is told");
        }
    }
}

/// Adds `X-Request-Id` and the RateLimit headers to every answer.
pub(crate) async fn headers(mut request: Request, next: Next) -> Response {
    let slot = LeftSlot::default();
    request.extensions_mut().insert(slot.clone());
    let id = request
        .headers()
        .get("x-request-id")
        .cloned()
        .filter(|id| id.len() <= 64);
    let api = request.uri().path().starts_with("/v1/");
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    if api {
        // What is known about people stays out of every cache on the way.
        headers
            .entry(header::CACHE_CONTROL)
            .or_insert(HeaderValue::from_static("no-store"));
    }
    if let Some(left) = slot.0.get() {
        let number = |n: u32| HeaderValue::from(n);
        headers.insert(
            HeaderName::from_static("ratelimit-limit"),
            number(left.limit),
        );
        headers.insert(
            HeaderName::from_static("ratelimit-remaining"),
            number(left.remaining),
        );
        headers.insert(
            HeaderName::from_static("ratelimit-reset"),
            number(left.wait),
        );
    }
    let id = id.unwrap_or_else(|| {
        let bytes = crate::clock::random_bytes::<8>();
        let text = format!("{:016x}", u64::from_be_bytes(bytes));
        HeaderValue::from_str(&text).unwrap_or_else(|_| HeaderValue::from_static("none"))
    });
    headers.insert(HeaderName::from_static("x-request-id"), id);
    response
}
