//! What changes while a page is open (U, section 7 of the design): the page hears that something did and fetches its own parts anew.

use super::Session;
use crate::app::App;
use axum::Router;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use axum::routing::get;
use std::time::Duration;

/// After so long the browser asks again by itself, and whoever was signed out meanwhile hears nothing more.
const AGAIN: Duration = Duration::from_secs(600);

pub(super) fn routes() -> Router<App> {
    Router::new().route("/t/{slug}/live", get(changes))
}

async fn changes(State(app): State<App>, session: Session, headers: HeaderMap) -> Response {
    crate::live::sent(
        &app,
        session.home.row.id,
        headers.contains_key("last-event-id"),
        Some(AGAIN),
    )
}
