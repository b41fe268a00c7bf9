//! Leads over HTTP (L1): taking in, finding, editing, and everything that is known about one.

mod acts;
mod edit;
mod find;
mod routes;
mod score;
mod timeline;
mod views;

use crate::app::App;
use crate::http::{ApiError, Caller};
use ringback_core::ids::LeadId;
use ringback_core::leads::Lead;
use utoipa_axum::router::OpenApiRouter;

pub(crate) use routes::{ConsentBody, SoftOptInBody, email, phone, text};

/// Every route about leads.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .merge(routes::routes())
        .merge(find::routes())
        .merge(edit::routes())
        .merge(timeline::routes())
        .merge(score::routes())
        .merge(acts::routes())
}

/// A lead of the caller's tenant, followed through merges.
pub(crate) async fn lead_of(app: &App, caller: &Caller, id: LeadId) -> Result<Lead, ApiError> {
    let tenant = caller.home.row.id;
    app.ask(move |store| store.lead(tenant, id))
        .await?
        .ok_or_else(ApiError::not_found)
}

/// A test key acts on test leads alone: whatever it causes stays in the sandbox.
pub(crate) async fn may_touch(app: &App, caller: &Caller, id: LeadId) -> Result<(), ApiError> {
    if caller.sandbox() && !lead_of(app, caller, id).await?.test {
        return Err(ApiError::forbidden(
            "A test key only reaches the sandbox, and this lead is a real one. Use a live key, or a lead that was made with the test key.",
        ));
    }
    Ok(())
}
