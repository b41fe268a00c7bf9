//! Every route of the server in one place, in the order of the contract.

use crate::app::App;
use crate::http::ApiError;
use axum::Router;
use axum::extract::DefaultBodyLimit;
use tower_http::catch_panic::CatchPanicLayer;
use utoipa_axum::router::OpenApiRouter;

/// The API's largest body.
const MOST_BODY: usize = 1 << 20;

/// Every route that describes itself, in the order of the contract.
fn described() -> OpenApiRouter<App> {
    OpenApiRouter::with_openapi(crate::http::docs::frame())
        .merge(crate::leads::routes())
        .merge(crate::messages::routes())
        .merge(crate::limits::routes())
        .merge(crate::dead::routes())
        .merge(crate::connections::routes())
        .merge(crate::workflows::routes())
        .merge(crate::configuration::routes())
        .merge(crate::consents::routes())
        .merge(crate::do_not_call::routes())
        .merge(crate::compliance::routes())
        .merge(crate::staff::routes())
        .merge(crate::reports::routes())
        .merge(crate::keys::routes())
        .merge(crate::tenant::routes())
        .merge(crate::errors::routes())
        .merge(crate::recovery::routes())
        .merge(crate::live::routes())
        .merge(crate::health::routes())
}

/// The API's own description.
pub fn openapi() -> utoipa::openapi::OpenApi {
    crate::http::docs::complete(described().split_for_parts().1)
}

/// The whole server.
pub fn routes(app: &App) -> Router {
    let (api, described) = described().split_for_parts();
    let described = crate::http::docs::complete(described);
    Router::new()
        .merge(api)
        .merge(crate::pages::routes(app))
        .merge(crate::http::docs::pages(described))
        .merge(crate::forms::routes())
        .merge(crate::hooks::routes())
        .merge(crate::tracking::routes())
        .merge(crate::unsubscribe::routes())
        .merge(crate::staff::confirm_routes())
        .fallback(crate::pages::lost::nowhere)
        .method_not_allowed_fallback(crate::pages::lost::other_method)
        .layer(DefaultBodyLimit::max(MOST_BODY))
        .layer(CatchPanicLayer::custom(
            |_: Box<dyn std::any::Any + Send>| {
                axum::response::IntoResponse::into_response(ApiError::internal("a route panicked"))
            },
        ))
        .layer(axum::middleware::from_fn(crate::http::headers))
        .with_state(app.clone())
}
