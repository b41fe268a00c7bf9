//! Trying one again and taking one back. Many are tried again as dead letters.

use super::compose::ComposedBody;
use crate::app::App;
use crate::http::{ApiError, ApiResult, Caller, PathId, Scope, once, reply, reply_as};
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use ringback_core::ids::MessageId;
use ringback_core::turn::Intake;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(retry))
        .routes(routes!(cancel))
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
                at: None,
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
