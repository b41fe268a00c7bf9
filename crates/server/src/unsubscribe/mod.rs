//! The link in a mail that ends offers (T5, C5): one button for people, one request for mail programs (RFC 8058). Looking at the page
//! changes nothing, because programs look at links before people do; and nobody learns from it whose link it is.

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
use ringback_core::contact::Email;
use ringback_core::messages::ChannelKind;
use ringback_core::turn::world::{PointKey, PointKind, Purpose, Suppression};
use ringback_core::turn::{ConsentGiven, ConsentTold, Intake, Order, SuppressOrder};

/// Both routes.
pub(crate) fn routes() -> Router<App> {
    Router::new().route("/u/{token}", get(ask).post(end))
}

#[derive(Template)]
#[template(path = "unsubscribe/page.html")]
struct Page<'a> {
    paper: &'a Paper,
    done: bool,
}

fn page(done: bool) -> Response {
    let paper = Paper::plain();
    paper.answer(
        StatusCode::OK,
        &Page {
            paper: &paper,
            done,
        },
        &[],
        &[],
    )
}

/// The page with the button; the same for every token.
async fn ask(State(app): State<App>, Peer(ip): Peer) -> Response {
    match app.limits.public(ip) {
        Ok(_) => page(false),
        Err(left) => ApiError::too_many(left.wait).into_response(),
    }
}

/// The button, or a mail program on the person's behalf. What the body says does not matter: coming here is the wish.
async fn end(State(app): State<App>, PathText(token): PathText, Peer(ip): Peer) -> Response {
    if let Err(left) = app.limits.public(ip) {
        return ApiError::too_many(left.wait).into_response();
    }
    match unsubscribe(&app, &token).await {
        Ok(()) => page(true),
        Err(error) => error.into_response(),
    }
}

/// Takes the mail's recipient off every list of offers, in one turn; a token that is not ours changes nothing.
async fn unsubscribe(app: &App, token: &str) -> Result<(), ApiError> {
    let Some(id) = app.tokens.read(TokenFor::Unsubscribe, token) else {
        return Ok(());
    };
    let Some(message) = app.ask(move |store| store.message_behind_link(id)).await? else {
        return Ok(());
    };
    // Parsed anew: an address that a caller wrote in capitals is compared in small letters like any other.
    let email = Email::parse(&message.recipient)
        .ok()
        .or_else(|| Email::from_stored(&message.recipient))
        .filter(|_| message.channel == ChannelKind::Email);
    let Some(value) = email.map(|email| email.key()) else {
        return Ok(());
    };
    let tenant = message.tenant;
    let key = PointKey {
        tenant,
        kind: PointKind::Email,
        value: value.clone(),
    };
    let known = app.ask(move |store| store.point(&key)).await?;
    if known.is_some_and(|point| point.suppressed == Some(Suppression::Unsubscribed)) {
        return Ok(());
    }
    let actor = "the person".to_owned();
    let told = ConsentTold {
        channel: ChannelKind::Email,
        purpose: Purpose::Promotional,
        granted: false,
        wording: None,
        method: "unsubscribe link".to_owned(),
        page: Some(format!("{}/u/…", app.settings.public_url)),
        basis: None,
        expires_at: None,
        soft_opt_in: None,
    };
    let intakes = [
        Intake::Suppress(Box::new(SuppressOrder {
            kind: PointKind::Email,
            value: value.clone(),
            reason: Some(Suppression::Unsubscribed),
            how: "by the unsubscribe link in a mail".to_owned(),
            actor: actor.clone(),
        })),
        Intake::Consent(Box::new(ConsentGiven {
            lead: None,
            point: Some((PointKind::Email, value)),
            told,
            actor,
        })),
    ];
    let at = app.now();
    let orders = intakes
        .into_iter()
        .map(|intake| Order {
            tenant,
            at,
            intake,
            once: None,
        })
        .collect();
    for answer in app.inbox.take_all(orders).await {
        answer?;
    }
    metrics::counter!("ringback_unsubscribed_total").increment(1);
    Ok(())
}
