//! Every route of the server in one place, in the order of the contract.

use crate::app::App;
use crate::http::ApiError;
use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::StatusCode;
use tower_http::catch_panic::CatchPanicLayer;

/// The API's largest body.
const MOST_BODY: usize = 1 << 20;

/// The whole server.
pub fn routes(app: &App) -> Router {
    let (api, openapi) = crate::leads::routes().split_for_parts();
    let _ = openapi;
    Router::new()
        .merge(api)
        .merge(crate::pages::routes(app))
        .fallback(|| async { ApiError::not_found() })
        .method_not_allowed_fallback(|| async { ApiError::new(StatusCode::METHOD_NOT_ALLOWED, crate::http::Code::Method).say("This route knows other methods.") })
        .layer(DefaultBodyLimit::max(MOST_BODY))
        .layer(CatchPanicLayer::custom(|_: Box<dyn std::any::Any + Send>| axum::response::IntoResponse::into_response(ApiError::internal("a route panicked"))))
        .layer(axum::middleware::from_fn(crate::http::headers))
        .with_state(app.clone())
}
