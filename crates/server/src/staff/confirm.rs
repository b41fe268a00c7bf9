//! The link with which a person of the business confirms the number that alerts go to (ST-1): one button. Looking at the page changes
//! nothing, because programs look at links before people do; and nobody learns from it whose number it is.

use crate::app::App;
use crate::http::{ApiError, PathText, Peer};
use crate::paper::Paper;
use crate::secrets::TokenFor;
use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use ringback_core::consent::Basis;
use ringback_core::messages::ChannelKind;
use ringback_core::turn::world::{PointKey, PointKind, StaffNumber};
use ringback_core::turn::{ConsentGiven, Intake, staff_consent};

/// The page and its button.
pub(crate) fn routes() -> Router<App> {
    Router::new().route("/c/{token}", get(ask).post(confirm))
}

#[derive(Template)]
#[template(path = "confirm/page.html")]
struct Page<'a> {
    paper: &'a Paper,
    done: bool,
}

fn page(done: bool) -> Response {
    let paper = Paper::plain();
    let page = Page {
        paper: &paper,
        done,
    };
    paper.answer(StatusCode::OK, &page, &[], &[])
}

/// The page with the button; the same for every token.
async fn ask(State(app): State<App>, Peer(ip): Peer) -> Response {
    match app.limits.public(ip) {
        Ok(_) => page(false),
        Err(left) => ApiError::too_many(left.wait).into_response(),
    }
}

async fn confirm(State(app): State<App>, PathText(token): PathText, Peer(ip): Peer) -> Response {
    if let Err(left) = app.limits.public(ip) {
        return ApiError::too_many(left.wait).into_response();
    }
    match yes(&app, &token).await {
        Ok(()) => page(true),
        Err(error) => error.into_response(),
    }
}

/// Writes the yes down; a token that is not ours changes nothing, and neither does one whose number said stop since.
async fn yes(app: &App, token: &str) -> Result<(), ApiError> {
    let Some(id) = app.tokens.read(TokenFor::Confirm, token) else {
        return Ok(());
    };
    let Some(message) = app.ask(move |store| store.message_behind_link(id)).await? else {
        return Ok(());
    };
    if message.channel != ChannelKind::Sms {
        return Ok(());
    }
    let (tenant, value) = (message.tenant, message.recipient);
    let key = PointKey {
        tenant,
        kind: PointKind::Phone,
        value: value.clone(),
    };
    let known = app.ask(move |store| store.point(&key)).await?;
    let waits = known.is_none_or(|point| {
        matches!(
            point.staff_number(),
            StaffNumber::Unasked | StaffNumber::Asked
        )
    });
    if !waits {
        return Ok(());
    }
    let mut told = staff_consent(true, None, "confirmation link");
    told.basis = Some(Basis::Written);
    told.wording = Some("May alerts come as texts? Yes, text me.".to_owned());
    told.page = Some(format!("{}/c/…", app.settings.public_url));
    let given = ConsentGiven {
        lead: None,
        point: Some((PointKind::Phone, value)),
        told,
        actor: "the person".to_owned(),
    };
    app.take(tenant, Intake::Consent(Box::new(given)), None)
        .await?;
    Ok(())
}
