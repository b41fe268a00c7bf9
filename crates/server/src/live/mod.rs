//! What changes, as it changes: server-sent events and the same over WebSocket. Only ids travel; who hears of one asks for it.

use crate::app::App;
use crate::http::{ApiError, ApiResult, Caller, Scope};
use crate::loops::LiveChange;
use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket, WebSocketUpgrade, close_code};
use axum::extract::{FromRequestParts as _, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse as _, Response};
use futures_util::stream::{self, Stream, StreamExt as _};
use ringback_core::ids::TenantId;
use serde_json::json;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// The live feed.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(events))
        .routes(routes!(socket))
}

/// A line that nobody uses is closed by some proxy after a minute or less.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// The changes of one tenant.
struct Feed {
    changes: Receiver<Arc<LiveChange>>,
    tenant: TenantId,
    stopping: tokio_util::sync::CancellationToken,
}

/// What a listener hears: a version, and the leads that changed; `None` is "anything may have".
type Heard = (u64, Option<Arc<LiveChange>>);

impl Feed {
    fn new(app: &App, tenant: TenantId) -> Self {
        Self {
            changes: app.live.listen(),
            tenant,
            stopping: app.stopping.clone(),
        }
    }

    /// The next change; `None` when the server stops.
    async fn next(&mut self) -> Option<Heard> {
        loop {
            let change = tokio::select! {
                () = self.stopping.cancelled() => return None,
                change = self.changes.recv() => change,
            };
            match change {
                Ok(change) if change.tenant == self.tenant => {
                    return Some((change.version, Some(change)));
                }
                Ok(_) => {}
                // Too slow to hear each: asks for everything instead.
                Err(RecvError::Lagged(_)) => return Some((0, None)),
                Err(RecvError::Closed) => return None,
            }
        }
    }

    fn stream(self) -> impl Stream<Item = Heard> {
        stream::unfold(self, |mut feed| async move {
            feed.next().await.map(|heard| (heard, feed))
        })
    }
}

fn data(heard: &Heard) -> String {
    let leads = heard.1.as_ref().and_then(|change| change.leads.as_ref());
    json!({"leads": leads}).to_string()
}

/// The changes of the business as server-sent events: `id` is a version, `event` is `change`, `data` is `{"leads": [ids] | null}`; null
/// means that anything may have changed. A comment comes every 15 seconds. Who reconnects hears one change with null first.
#[utoipa::path(get, path = "/v1/live", tag = "live", responses((status = 200, description = "An endless stream", body = String, content_type = "text/event-stream")))]
async fn events(State(app): State<App>, caller: Caller, headers: HeaderMap) -> ApiResult<Response> {
    caller.may(Scope::Read)?;
    Ok(sent(
        &app,
        caller.home.row.id,
        headers.contains_key("last-event-id"),
        None,
    ))
}

/// The changes of a tenant as an endless answer, or one that ends after `most`, so that whoever listens is looked at again.
pub(crate) fn sent(app: &App, tenant: TenantId, again: bool, most: Option<Duration>) -> Response {
    let feed = Feed::new(app, tenant);
    let version = app.live.version();
    // Nobody knows what a browser missed while it was away.
    let missed = again.then_some((version, None));
    let ends = async move {
        match most {
            Some(most) => tokio::time::sleep(most).await,
            None => std::future::pending().await,
        }
    };
    let heard = stream::iter(missed).chain(feed.stream()).take_until(ends);
    let lines = heard.map(move |heard: Heard| {
        Ok::<_, Infallible>(
            Event::default()
                .id(heard.0.max(version).to_string())
                .event("change")
                .data(data(&heard)),
        )
    });
    let mut response = Sse::new(lines)
        .keep_alive(KeepAlive::new().interval(HEARTBEAT).text("still here"))
        .into_response();
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // Proxies that gather an answer before passing it on would gather for ever.
    headers.insert(
        HeaderName::from_static("x-accel-buffering"),
        HeaderValue::from_static("no"),
    );
    response
}

/// The same over WebSocket: each message is `{"event": "change", "id": version, "data": {"leads": …}}`.
#[utoipa::path(get, path = "/v1/live/ws", tag = "live", responses((status = 101, description = "The line is open"), (status = 426, description = "Ask for a WebSocket", body = crate::http::Problem, content_type = "application/problem+json")))]
async fn socket(State(app): State<App>, caller: Caller, request: Request) -> ApiResult<Response> {
    caller.may(Scope::Read)?;
    let (mut parts, _) = request.into_parts();
    let upgrade = WebSocketUpgrade::from_request_parts(&mut parts, &app).await;
    let upgrade = upgrade.map_err(|_| {
        ApiError::new(StatusCode::UPGRADE_REQUIRED, crate::http::Code::Invalid)
            .say("Ask for a WebSocket here, or read /v1/live.")
    })?;
    let feed = Feed::new(&app, caller.home.row.id);
    Ok(upgrade
        .max_message_size(4 << 10)
        .on_upgrade(move |socket| talk(socket, feed)))
}

async fn talk(mut socket: WebSocket, mut feed: Feed) {
    let mut beat = tokio::time::interval(HEARTBEAT);
    beat.reset();
    loop {
        let message = tokio::select! {
            heard = feed.next() => match heard {
                Some(heard) => {
                    let leads = heard.1.as_ref().and_then(|change| change.leads.as_ref());
                    Message::text(json!({"event": "change", "id": heard.0, "data": {"leads": leads}}).to_string())
                }
                None => break,
            },
            _ = beat.tick() => Message::Ping(bytes::Bytes::new()),
            said = socket.recv() => match said {
                // Nothing is expected from the other side; pings are answered by the library.
                Some(Ok(Message::Close(_)) | Err(_)) | None => return,
                Some(Ok(_)) => continue,
            },
        };
        if socket.send(message).await.is_err() {
            return;
        }
    }
    let bye = CloseFrame {
        code: close_code::AWAY,
        reason: Utf8Bytes::from_static("the server is stopping"),
    };
    if let Err(error) = socket.send(Message::Close(Some(bye))).await {
        tracing::debug!(%error, "a live line was gone already");
    }
}
