//! Trying again and taking back, one by one or many.

use super::compose::ComposedBody;
use super::find::status;
use crate::app::App;
use crate::http::once::{other_body, respond};
use crate::http::{ApiError, ApiResult, Caller, MaybeBody, PathId, Scope, once, reply, reply_as};
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use ringback_core::ids::MessageId;
use ringback_core::messages::Status;
use ringback_core::turn::{Answer, Intake, Order};
use ringback_store::MessageFilter;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(retry))
        .routes(routes!(cancel))
        .routes(routes!(bulk_retry))
}

/// A test key acts on sandbox messages alone.
async fn may_touch(app: &App, caller: &Caller, id: MessageId) -> Result<(), ApiError> {
    if !caller.sandbox() {
        return Ok(());
    }
    let tenant = caller.home.row.id;
    let message = app
        .ask(move |store| store.message(tenant, id))
        .await?
        .ok_or_else(ApiError::not_found)?;
    if message.sandbox {
        Ok(())
    } else {
        Err(ApiError::forbidden(
            "A test key only reaches the sandbox, and this message is a real one.",
        ))
    }
}

/// Gates a message that did not arrive from scratch and tries it again. 409 `not_ended` when it has not ended.
#[utoipa::path(post, path = "/v1/messages/{id}/retry", tag = "messages", params(("id" = String, Path, description = "The message's id")), responses((status = 200, description = "Where it stands now", body = ComposedBody)))]
async fn retry(
    State(app): State<App>,
    caller: Caller,
    PathId(id): PathId<MessageId>,
    headers: HeaderMap,
) -> ApiResult<Response> {
    caller.may(Scope::Send)?;
    may_touch(&app, &caller, id).await?;
    let once = once(&headers, &format!("POST /v1/messages/{id}/retry"), b"")?;
    let answer = app
        .take(
            caller.home.row.id,
            Intake::Retry {
                message: id,
                actor: caller.actor(),
            },
            once,
        )
        .await?;
    Ok(reply_as(&answer, StatusCode::OK))
}

/// Takes back a message that waits. 409 `not_waiting` when it went already.
#[utoipa::path(post, path = "/v1/messages/{id}/cancel", tag = "messages", params(("id" = String, Path, description = "The message's id")), responses((status = 200, description = "It will not go", body = Object)))]
async fn cancel(
    State(app): State<App>,
    caller: Caller,
    PathId(id): PathId<MessageId>,
    headers: HeaderMap,
) -> ApiResult<Response> {
    caller.may(Scope::Send)?;
    may_touch(&app, &caller, id).await?;
    let once = once(&headers, &format!("POST /v1/messages/{id}/cancel"), b"")?;
    let answer = app
        .take(
            caller.home.row.id,
            Intake::Cancel {
                message: id,
                actor: caller.actor(),
            },
            once,
        )
        .await?;
    Ok(reply(&answer))
}

/// Which messages to try again.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct BulkRetry {
    /// `failed` (when it is not given), `bounced`, `blocked`, `expired` or `unknown`.
    #[schema(example = "failed")]
    status: Option<String>,
    /// The newest so many, 1 to 500; 100 when it is not given.
    limit: Option<u32>,
}

/// What became of each.
#[derive(Debug, Serialize, ToSchema)]
pub struct BulkRetried {
    /// How many were put back.
    retried: usize,
    /// How many could not be.
    refused: usize,
    /// Each with where it stands.
    results: Vec<BulkResult>,
}

/// What became of one.
#[derive(Debug, Serialize, ToSchema)]
pub struct BulkResult {
    /// The message.
    #[schema(value_type = String)]
    id: MessageId,
    /// Where it stands; null when it could not be put back.
    #[schema(value_type = Option<String>)]
    status: Option<Status>,
    /// Why.
    why: Option<String>,
}

/// Tries many messages again, each gated from scratch. What a gate holds back now is held back.
#[utoipa::path(post, path = "/v1/messages/bulk-retry", tag = "messages", request_body = BulkRetry, responses((status = 200, description = "What became of each", body = BulkRetried)))]
async fn bulk_retry(
    State(app): State<App>,
    caller: Caller,
    headers: HeaderMap,
    body: MaybeBody<BulkRetry>,
) -> ApiResult<Response> {
    caller.may(Scope::Send)?;
    let tenant = caller.home.row.id;
    let once = once(&headers, "POST /v1/messages/bulk-retry", &body.raw)?;
    let now = app.now();
    if let Some(once) = once.clone()
        && let Some(before) = app
            .inbox
            .job(move |writer| {
                writer
                    .answered(tenant, &once, now)
                    .map(|before| before.map(|before| (before.hash == once.hash, before)))
            })
            .await??
    {
        let (same, before) = before;
        return if same {
            Ok(respond(before.status, before.body, true))
        } else {
            Err(other_body())
        };
    }
    let wanted = body
        .value
        .status
        .as_deref()
        .map_or(Ok(Status::Failed), status)?;
    if !wanted.missed() {
        return Err(ApiError::invalid(
            "status",
            "Only failed, bounced, blocked, expired and unknown messages are tried again.",
        ));
    }
    let limit = body.value.limit.unwrap_or(100);
    if !(1..=500).contains(&limit) {
        return Err(ApiError::invalid(
            "limit",
            "A limit is a number from 1 to 500.",
        ));
    }
    let filter = MessageFilter {
        status: Some(wanted),
        sandbox: caller.sandbox(),
        ..MessageFilter::default()
    };
    let (found, _) = app
        .ask(move |store| store.messages_page(tenant, &filter, None, limit))
        .await?;
    // Oldest first, so that they go in the order in which they were meant to.
    let ids: Vec<MessageId> = found.into_iter().rev().map(|message| message.id).collect();
    let order = |id: &MessageId| Order {
        tenant,
        at: now,
        intake: Intake::Retry {
            message: *id,
            actor: caller.actor(),
        },
        once: None,
    };
    let answers = app.inbox.take_all(ids.iter().map(order).collect()).await;
    let results: Vec<BulkResult> = ids
        .into_iter()
        .zip(answers)
        .map(|(id, answer)| result(id, answer))
        .collect();
    let retried = results.iter().filter(|one| one.status.is_some()).count();
    let done = BulkRetried {
        retried,
        refused: results.len() - retried,
        results,
    };
    let text = serde_json::to_string(&done).map_err(ApiError::internal)?;
    if let Some(once) = once {
        let kept = text.clone();
        app.write(move |writer| writer.remember(tenant, &once, 200, &kept, now))
            .await?;
    }
    Ok(respond(200, text, false))
}

fn result(id: MessageId, answer: Result<Answer, crate::loops::Refused>) -> BulkResult {
    match answer {
        Ok(Answer::Composed { status, why, .. }) => BulkResult {
            id,
            status: Some(status),
            why,
        },
        Ok(Answer::Refused { detail, .. }) => BulkResult {
            id,
            status: None,
            why: Some(detail),
        },
        Ok(_) => BulkResult {
            id,
            status: None,
            why: None,
        },
        Err(refused) => BulkResult {
            id,
            status: None,
            why: Some(refused.to_string()),
        },
    }
}
