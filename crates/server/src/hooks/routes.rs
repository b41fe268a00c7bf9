//! `/hooks/{connection}/{secret}`: one address for each connection.

use crate::app::App;
use crate::http::ApiError;
use crate::registry::Home;
use aws_lc_rs::constant_time;
use axum::Router;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use bytes::Bytes;
use metrics::counter;
use ringback_channels::http::{Call, parse_url};
use ringback_channels::{Channel, HookError, RawHook};
use ringback_core::contact::{Email, Phone};
use ringback_core::ids::ConnectionId;
use ringback_core::messages::{ChannelKind, HookEvent, Inbound};
use ringback_core::turn::{Answer, Intake, Order};
use ringback_store::ConnectionRow;
use std::sync::Arc;
use std::time::Duration;

/// The route.
pub(crate) fn routes() -> Router<App> {
    Router::new().route("/hooks/{connection}/{secret}", post(receive))
}

async fn receive(
    State(app): State<App>,
    Path((connection, secret)): Path<(String, String)>,
    request: Request,
) -> Response {
    let Some((home, row)) = find(&app, &connection, &secret) else {
        counter!("ringback_hooks_total", "provider" => "none", "outcome" => "no_such_door")
            .increment(1);
        return StatusCode::FORBIDDEN.into_response();
    };
    let provider = row.provider.clone();
    let count = move |outcome: &'static str| {
        counter!("ringback_hooks_total", "provider" => provider.clone(), "outcome" => outcome)
            .increment(1);
    };
    let Some(channel) = home.channels.get(&row.id).map(Arc::clone) else {
        count("broken_connection");
        return later("The connection's settings cannot be opened.");
    };
    let (parts, body) = request.into_parts();
    let query = parts.uri.query().map(str::to_owned);
    let body =
        match crate::http::extract::read(Request::from_parts(parts.clone(), body), &app).await {
            Ok(body) => body,
            Err(error) => {
                count("unreadable");
                return error.into_response();
            }
        };
    let hook = raw(&app, &row, query.as_deref(), parts.headers, body);
    match prove(&app, channel.as_ref(), &hook).await {
        Ok(events) => match take(&app, &home, row.id, events).await {
            Ok(spoke) => {
                count("taken");
                if spoke {
                    silence()
                } else {
                    StatusCode::NO_CONTENT.into_response()
                }
            }
            Err(error) => {
                count("not_stored");
                error.into_response()
            }
        },
        Err(HookError::BadSignature) => {
            count("bad_signature");
            StatusCode::FORBIDDEN.into_response()
        }
        Err(HookError::Stale) => {
            count("stale");
            StatusCode::FORBIDDEN.into_response()
        }
        Err(HookError::Malformed(why)) => {
            count("malformed");
            ApiError::bad_request(why).into_response()
        }
        Err(HookError::NotConfigured(why)) => {
            count("not_configured");
            tracing::warn!(tenant = %home.row.slug, connection = %row.name, why, "a webhook could not be proven");
            later("This connection cannot prove webhooks yet.")
        }
    }
}

/// The connection behind an address, when the address knows its secret. The two answers take the same time.
fn find(app: &App, connection: &str, secret: &str) -> Option<(Arc<Home>, ConnectionRow)> {
    let id = connection.parse::<ConnectionId>().ok()?;
    let home = app.registry.by_connection(id)?;
    let row = home.connections.iter().find(|row| row.id == id)?.clone();
    constant_time::verify_slices_are_equal(row.path_secret.as_bytes(), secret.as_bytes()).ok()?;
    Some((home, row))
}

/// The webhook as it came, under the address that it was given: never under what `Host` says.
fn raw(
    app: &App,
    row: &ConnectionRow,
    query: Option<&str>,
    headers: HeaderMap,
    body: Bytes,
) -> RawHook {
    let mut url = crate::loops::webhook_url(&app.settings.public_url, row);
    if let Some(query) = query {
        url.push('?');
        url.push_str(query);
    }
    RawHook {
        method: Method::POST,
        url,
        headers,
        body,
    }
}

async fn prove(
    app: &App,
    channel: &dyn Channel,
    hook: &RawHook,
) -> Result<Vec<HookEvent>, HookError> {
    channel.prepare(hook).await?;
    channel.read(hook, app.now())
}

/// Puts everything that was reported before the writer and waits for the commit. True when a person spoke.
async fn take(
    app: &App,
    home: &Home,
    connection: ConnectionId,
    events: Vec<HookEvent>,
) -> Result<bool, ApiError> {
    let at = app.now();
    let (mut orders, mut spoke) = (Vec::with_capacity(events.len()), false);
    for event in events {
        let intake = match event {
            HookEvent::Report(report) if report.message.is_none() => {
                counter!("ringback_hook_reports_unknown_total").increment(1);
                continue;
            }
            HookEvent::Report(report) => Intake::Report(Box::new(report)),
            HookEvent::Inbound(inbound) => {
                spoke |= inbound.channel == ChannelKind::Sms;
                let inbound = read_sender(home, inbound);
                crate::claims::order(app, home, inbound, Some(connection)).await?
            }
            HookEvent::Confirm { url } => {
                confirm(app, url);
                continue;
            }
        };
        orders.push(Order {
            tenant: home.row.id,
            at,
            intake,
            once: None,
        });
    }
    for answer in app.inbox.take_all(orders).await {
        // A provider that hears of trouble sends it again; what was taken already is known by its name then.
        if answer? == Answer::NotFound {
            counter!("ringback_hook_reports_unknown_total").increment(1);
        }
    }
    Ok(spoke)
}

/// The sender as leads have it: E.164, or the address's key. Short codes and the like stay as they are.
fn read_sender(home: &Home, mut inbound: Inbound) -> Inbound {
    let parsed = match inbound.channel {
        ChannelKind::Sms => Phone::parse(&inbound.from, home.tenant.config.settings.region)
            .ok()
            .map(|phone| phone.as_str().to_owned()),
        ChannelKind::Email | ChannelKind::Webhook => {
            let bare = inbound
                .from
                .rsplit_once('<')
                .map_or(inbound.from.as_str(), |(_, rest)| {
                    rest.trim_end_matches([' ', '>'])
                });
            Email::parse(bare).ok().map(|email| email.key())
        }
    };
    inbound.from = parsed.unwrap_or_else(|| inbound.from.trim().chars().take(254).collect());
    inbound
}

/// Confirms a subscription, once and beside the answer. The channel checked that the address is the provider's own.
fn confirm(app: &App, url: String) {
    let http = app.registry.http().clone();
    tokio::spawn(async move {
        let uri = match parse_url(&url) {
            Ok(uri) => uri,
            Err(why) => {
                tracing::warn!(why, "a subscription could not be confirmed");
                return;
            }
        };
        let call = Call {
            method: Method::GET,
            uri,
            headers: HeaderMap::new(),
            body: Bytes::new(),
            deadline: Duration::from_secs(10),
            ends: None,
        };
        match http.call(call).await {
            Ok(answer) if answer.status.is_success() => {
                tracing::info!("a subscription was confirmed");
            }
            Ok(answer) => {
                tracing::warn!(status = %answer.status, "a subscription could not be confirmed");
            }
            Err(broke) => {
                tracing::warn!(why = ?broke.reason(), "a subscription could not be confirmed");
            }
        }
    });
}

/// Providers of texts read the answer as what to say back: nothing, because what is said goes through the gate.
fn silence() -> Response {
    let mut response = (StatusCode::OK, "<Response/>").into_response();
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static("text/xml"));
    response
}

/// Not now: the provider sends it again.
fn later(why: &'static str) -> Response {
    let mut error =
        ApiError::new(StatusCode::SERVICE_UNAVAILABLE, crate::http::Code::Busy).say(why);
    error.retry_after = Some(60);
    error.into_response()
}
