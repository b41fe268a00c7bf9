//! Answers of turns as HTTP, and the Idempotency-Key that lets a call be repeated (X7).

use super::{ApiError, Code};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use ringback_core::turn::{Answer, CaptureStatus, Once};
use serde_json::json;
use sha2::{Digest, Sha256};

const MOST_KEY: usize = 255;

/// The caller's Idempotency-Key for this route and body, if it sent one.
pub fn once(headers: &HeaderMap, route: &str, body: &[u8]) -> Result<Option<Once>, ApiError> {
    let Some(key) = headers.get("idempotency-key") else {
        return Ok(None);
    };
    let key = key
        .to_str()
        .ok()
        .filter(|key| !key.is_empty() && key.len() <= MOST_KEY);
    let key = key.ok_or_else(|| {
        ApiError::invalid(
            "Idempotency-Key",
            "An Idempotency-Key has 1 to 255 visible characters.",
        )
    })?;
    let hash = Sha256::new()
        .chain_update(route)
        .chain_update([0])
        .chain_update(body)
        .finalize()
        .into();
    Ok(Some(Once {
        key: format!("{route} {key}"),
        hash,
    }))
}

/// An answer as status and body, the way it is kept for a repeated call.
pub fn written(answer: &Answer) -> (u16, String) {
    let text = |value: &dyn erased::Json| value.text();
    match answer {
        Answer::Captured(captured) => {
            let status = if captured.status == CaptureStatus::Created {
                201
            } else {
                200
            };
            (status, text(captured))
        }
        Answer::Tracked(tracked) => (if tracked.repeated { 200 } else { 201 }, text(tracked)),
        Answer::Composed { id, status, why } => (
            201,
            json!({"id": id, "status": status, "why": why}).to_string(),
        ),
        Answer::Weighed(weighed) => (200, text(weighed)),
        Answer::Started { run, state } => {
            (201, json!({"id": run, "state": state.as_str()}).to_string())
        }
        Answer::Done => (200, json!({"status": "done"}).to_string()),
        Answer::Taken { by, at, now } => (
            200,
            json!({"answered_by": by, "at": at, "by_you_now": now}).to_string(),
        ),
        Answer::Repeated { status, body } => (*status, body.clone()),
        Answer::NotFound => error_text(&ApiError::not_found()),
        Answer::OtherBody => error_text(&other_body()),
        Answer::Refused {
            code,
            detail,
            field,
        } => error_text(&refused(code, detail, *field)),
    }
}

mod erased {
    pub(super) trait Json {
        fn text(&self) -> String;
    }

    impl<T: serde::Serialize> Json for T {
        fn text(&self) -> String {
            serde_json::to_string(self).unwrap_or_else(|_| "{}".into())
        }
    }
}

fn error_text(error: &ApiError) -> (u16, String) {
    (error.status.as_u16(), error.body())
}

pub(crate) fn other_body() -> ApiError {
    ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, Code::KeyReused)
        .say("This Idempotency-Key came with another body before. Use a new key for a new request.")
        .at("Idempotency-Key")
}

fn refused(code: &'static str, detail: &str, field: Option<&'static str>) -> ApiError {
    let status = match code {
        "set_aside" => StatusCode::INTERNAL_SERVER_ERROR,
        "stage_not_allowed"
        | "not_waiting"
        | "not_ended"
        | "not_held"
        | "not_dead"
        | "replaced"
        | "belongs_to_another_lead"
        | "same_lead"
        | "real_lead"
        | "ran_before"
        | "run_over"
        | "under_way" => StatusCode::CONFLICT,
        _ => StatusCode::UNPROCESSABLE_ENTITY,
    };
    let mut error = ApiError::new(
        status,
        if status == StatusCode::CONFLICT {
            Code::Conflict
        } else {
            Code::Invalid
        },
    )
    .say(detail.to_owned());
    error.code = code.into();
    error.field = field.map(Into::into);
    error
}

/// An answer as a response.
pub fn reply(answer: &Answer) -> Response {
    let (status, body) = written(answer);
    respond(status, body, matches!(answer, Answer::Repeated { .. }))
}

/// An answer as a response; what went well has this status.
pub fn reply_as(answer: &Answer, fine: StatusCode) -> Response {
    let mut response = reply(answer);
    if response.status().is_success() {
        *response.status_mut() = fine;
        if fine == StatusCode::NO_CONTENT {
            *response.body_mut() = axum::body::Body::empty();
            response.headers_mut().remove(header::CONTENT_TYPE);
        }
    }
    response
}

/// Status and JSON text as a response, marked when it was answered before.
pub(crate) fn respond(status: u16, body: String, repeated: bool) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let empty = status == StatusCode::NO_CONTENT;
    let mut response = if empty {
        status.into_response()
    } else {
        (status, body).into_response()
    };
    let kind = if status.is_success() {
        "application/json"
    } else {
        "application/problem+json"
    };
    if !empty {
        response
            .headers_mut()
            .insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    }
    if repeated {
        mark(&mut response);
    }
    response
}

/// Marks an answer that was given before.
pub(crate) fn mark(response: &mut Response) {
    response.headers_mut().insert(
        HeaderName::from_static("idempotency-replayed"),
        HeaderValue::from_static("true"),
    );
}
