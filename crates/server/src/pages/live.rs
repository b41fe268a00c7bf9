//! What changes while a page is open (U, section 7 of the design): the page hears that something did and fetches its own parts anew.

use super::Session;
use crate::app::App;
use crate::live::Listener;
use axum::Router;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use axum::routing::get;

pub(super) fn routes() -> Router<App> {
    Router::new().route("/t/{slug}/live", get(changes))
}

async fn changes(State(app): State<App>, session: Session, headers: HeaderMap) -> Response {
    let again = headers.contains_key("last-event-id");
    crate::live::sent(&app, session.home.row.id, again, Listener::Browser(headers))
}
