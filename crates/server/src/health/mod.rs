//! How the server is (O1): alive, ready, and in detail with reasons.

mod detail;

use crate::app::App;
use crate::http::{ApiError, Code};
use axum::Json;
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use serde::Serialize;
use std::time::Duration;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// Health and metrics.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(live))
        .routes(routes!(ready))
        .merge(detail::routes())
        .routes(routes!(metrics))
}

/// A database that takes longer than this does not answer.
pub(super) const PATIENCE: Duration = Duration::from_secs(2);

/// In short.
#[derive(Debug, Serialize, ToSchema)]
pub struct Short {
    /// `ok`.
    status: &'static str,
}

/// The process runs.
#[utoipa::path(get, path = "/health/live", tag = "health", responses((status = 200, description = "It runs", body = Short)))]
async fn live() -> Json<Short> {
    Json(Short { status: "ok" })
}

/// Requests can be taken: the database answers and the server is not stopping.
#[utoipa::path(get, path = "/health/ready", tag = "health", responses((status = 200, description = "It is ready", body = Short), (status = 503, description = "It is not", body = crate::http::Problem, content_type = "application/problem+json")))]
async fn ready(State(app): State<App>) -> Response {
    let not = |says: &'static str| {
        let mut error = ApiError::new(StatusCode::SERVICE_UNAVAILABLE, Code::Busy).say(says);
        error.retry_after = Some(2);
        error.into_response()
    };
    if app.stopping.is_cancelled() {
        return not("The server is stopping.");
    }
    match tokio::time::timeout(PATIENCE, app.store_answers()).await {
        Ok(Ok(())) => Json(Short { status: "ok" }).into_response(),
        Ok(Err(_)) => not("The database failed."),
        Err(_) => not("The database does not answer."),
    }
}

/// Figures for Prometheus.
#[utoipa::path(get, path = "/metrics", tag = "health", responses((status = 200, description = "The text format", body = String, content_type = "text/plain")))]
async fn metrics(State(app): State<App>) -> Response {
    let mut response = app.metrics.render().into_response();
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8"),
    );
    response
}
