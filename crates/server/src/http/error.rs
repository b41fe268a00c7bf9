//! The one error the API speaks: problem details (RFC 9457) with a stable code and the field at fault (X7).

use crate::loops::Refused;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use ringback_store::StoreError;
use serde::Serialize;
use std::borrow::Cow;
use utoipa::ToSchema;

/// What a route answers.
pub type ApiResult<T> = Result<T, ApiError>;

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $text:literal, $title:literal;)*) => {
        /// A stable code: clients may decide by it.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Code { $($(#[$doc])* $name),* }

        impl Code {
            /// The word in the body.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text),* }
            }

            /// What it means, in a few words.
            pub const fn title(self) -> &'static str {
                match self { $(Self::$name => $title),* }
            }
        }
    };
}

codes! {
    /// The body is no JSON, or too large, or of another type.
    Body = "body_unreadable", "The body cannot be read";
    /// A value is missing.
    Missing = "missing", "Something is missing";
    /// A value cannot be used.
    Invalid = "invalid", "A value cannot be used";
    /// The configuration would have problems.
    Configuration = "configuration_problems", "The configuration would have problems";
    /// A phone number cannot be read.
    Phone = "phone_unreadable", "The phone number cannot be read";
    /// An email address cannot be read.
    Email = "email_unreadable", "The email address cannot be read";
    /// No key, or one that opens nothing.
    Unauthorized = "unauthorized", "A key is needed";
    /// The key does not open this.
    Forbidden = "forbidden", "This key does not open that";
    /// There is no such thing, or it is somebody else's.
    NotFound = "not_found", "There is no such thing";
    /// The route knows other methods.
    Method = "method_not_allowed", "This route knows other methods";
    /// It cannot be done as things stand.
    Conflict = "conflict", "It cannot be done as things stand";
    /// The idempotency key was used for another request.
    KeyReused = "idempotency_key_reused", "The idempotency key was used for another request";
    /// Too many requests.
    TooMany = "too_many_requests", "Too many requests";
    /// Too much at once.
    TooLarge = "too_large", "Too much at once";
    /// The server is behind or stopping.
    Busy = "busy", "The server is behind";
    /// The disk is full.
    DiskFull = "disk_full", "The disk is full";
    /// A bug, or a store that fails.
    Internal = "internal", "Something is wrong on our side";
}

/// An error on its way to the caller.
#[derive(Debug)]
pub struct ApiError {
    /// HTTP status.
    pub status: StatusCode,
    /// The stable code.
    pub code: Cow<'static, str>,
    /// What it means; the code above may be narrower.
    pub kind: Code,
    /// A sentence for the person who must act.
    pub detail: Cow<'static, str>,
    /// The field at fault, as a path.
    pub field: Option<Cow<'static, str>>,
    /// Seconds until it is worth trying again.
    pub retry_after: Option<u32>,
    /// Everything that is wrong with a configuration, each with its place and mend (W5).
    pub errors: Box<[ringback_core::config::Problem]>,
    /// For the log, never for the caller.
    pub source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

/// The body of every error answer: problem details (RFC 9457).
#[derive(Debug, Serialize, ToSchema)]
pub struct Problem<'a> {
    /// Names the kind of problem.
    #[serde(rename = "type")]
    #[schema(example = "urn:ringback:problem:phone_unreadable")]
    pub kind: String,
    /// What it means, in a few words.
    pub title: &'a str,
    /// HTTP status.
    pub status: u16,
    /// A sentence for the person who must act.
    pub detail: &'a str,
    /// A stable code: clients may decide by it.
    pub code: &'a str,
    /// The field at fault.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field: Option<&'a str>,
    /// Everything that is wrong with a configuration: `path`, `line`, `message`, `mend`.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    #[schema(value_type = Vec<Object>)]
    pub errors: &'a [ringback_core::config::Problem],
}

impl ApiError {
    /// An error of this status and code; its detail is the title until [`ApiError::say`].
    pub fn new(status: StatusCode, code: Code) -> Self {
        Self {
            status,
            code: Cow::Borrowed(code.as_str()),
            kind: code,
            detail: Cow::Borrowed(code.title()),
            field: None,
            retry_after: None,
            errors: Box::new([]),
            source: None,
        }
    }

    /// 400.
    pub fn bad_request(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, Code::Body).say(detail)
    }

    /// 422 with the field at fault.
    pub fn invalid(
        field: impl Into<Cow<'static, str>>,
        detail: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, Code::Invalid)
            .say(detail)
            .at(field)
    }

    /// 422 with everything that is wrong with a configuration.
    pub fn configuration(errors: Vec<ringback_core::config::Problem>) -> Self {
        let n = errors.len();
        let said = errors.first().map(ToString::to_string).unwrap_or_default();
        let rest = if n > 1 {
            format!(" And {} more, see `errors`.", n - 1)
        } else {
            String::new()
        };
        let mut error = Self::new(StatusCode::UNPROCESSABLE_ENTITY, Code::Configuration)
            .say(format!("Nothing was stored. {said}{rest}"));
        error.errors = errors.into();
        error
    }

    /// 404: there is no such thing, or it is somebody else's; nobody can tell which.
    pub fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, Code::NotFound).say("There is nothing here by that name.")
    }

    /// 401.
    pub fn unauthorized() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, Code::Unauthorized).say("Send a key as `Authorization: Bearer rb_live_…`. The dashboard makes keys under Settings.")
    }

    /// 403.
    pub fn forbidden(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::FORBIDDEN, Code::Forbidden).say(detail)
    }

    /// 409.
    pub fn conflict(code: &'static str, detail: impl Into<Cow<'static, str>>) -> Self {
        let mut error = Self::new(StatusCode::CONFLICT, Code::Conflict).say(detail);
        error.code = Cow::Borrowed(code);
        error
    }

    /// 429 with the wait in seconds.
    pub fn too_many(retry_after: u32) -> Self {
        let mut error = Self::new(StatusCode::TOO_MANY_REQUESTS, Code::TooMany)
            .say(format!("Too many requests. Try again in {retry_after} s."));
        error.retry_after = Some(retry_after);
        error
    }

    /// 500; the cause goes to the log.
    pub fn internal(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        let mut error = Self::new(StatusCode::INTERNAL_SERVER_ERROR, Code::Internal)
            .say("This was written down for the operator. Trying again may help.");
        error.source = Some(cause.into());
        error
    }

    /// Says it in a sentence.
    pub fn say(mut self, detail: impl Into<Cow<'static, str>>) -> Self {
        self.detail = detail.into();
        self
    }

    /// Names the field at fault.
    pub fn at(mut self, field: impl Into<Cow<'static, str>>) -> Self {
        self.field = Some(field.into());
        self
    }

    /// The body as JSON text.
    pub fn body(&self) -> String {
        let problem = Problem {
            kind: format!("urn:ringback:problem:{}", self.code),
            title: self.kind.title(),
            status: self.status.as_u16(),
            detail: &self.detail,
            code: &self.code,
            field: self.field.as_deref(),
            errors: &self.errors,
        };
        serde_json::to_string(&problem).unwrap_or_else(|_| "{}".into())
    }
}

impl std::fmt::Display for ApiError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.code, self.detail)
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        if let Some(source) = &self.source {
            tracing::error!(error = %source, cause = ?source.source(), "a request failed");
            metrics::counter!("ringback_errors_total").increment(1);
        }
        let mut response = (self.status, self.body()).into_response();
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        if let Some(seconds) = self.retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

impl From<Refused> for ApiError {
    fn from(refused: Refused) -> Self {
        let (status, code, wait) = match refused {
            Refused::Busy => (StatusCode::SERVICE_UNAVAILABLE, Code::Busy, 1),
            Refused::Stopping => (StatusCode::SERVICE_UNAVAILABLE, Code::Busy, 5),
            Refused::Store => (StatusCode::SERVICE_UNAVAILABLE, Code::Internal, 2),
            Refused::Unsure => (StatusCode::SERVICE_UNAVAILABLE, Code::Internal, 2),
            Refused::DiskFull => (StatusCode::INSUFFICIENT_STORAGE, Code::DiskFull, 60),
        };
        let mut error = Self::new(status, code).say(refused.to_string());
        error.retry_after = Some(wait);
        error
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::DiskFull => Refused::DiskFull.into(),
            StoreError::Unsure => Refused::Unsure.into(),
            StoreError::Busy { .. }
            | StoreError::Away { .. }
            | StoreError::Stale
            | StoreError::Fenced => {
                let mut refused = Self::from(Refused::Store);
                refused.source = Some(Box::new(error));
                refused
            }
            other => Self::internal(other),
        }
    }
}
