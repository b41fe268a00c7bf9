//! What changes, as it changes: server-sent events and the same over WebSocket. Only ids travel; who hears of one asks for it.

use crate::app::App;
use crate::http::{ApiError, ApiResult, Caller, Scope};
use crate::loops::{LiveAlert, LiveChange};
use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket, WebSocketUpgrade, close_code};
use axum::extract::{FromRequestParts as _, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse as _, Response};
use futures_util::stream::{self, Stream, StreamExt as _};
use ringback_core::ids::TenantId;
use ringback_store::KeyRow;
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

/// Keys and sign-ins also end by themselves; so often it is looked whether one did.
const LOOK_AGAIN: Duration = Duration::from_secs(5);

/// Who listens, to be asked whether they still may.
#[derive(Debug)]
pub(crate) enum Listener {
    /// Whoever has this key.
    Key(Arc<KeyRow>),
    /// A person at a browser, known by the cookie in these headers.
    Browser(HeaderMap),
}

impl Listener {
    async fn may_still(&self, app: &App, tenant: TenantId) -> bool {
        match self {
            Self::Key(key) => {
                let houses = app.registry.houses();
                houses.homes.contains_key(&tenant)
                    && houses
                        .keys
                        .get(&key.shown)
                        .is_some_and(|known| known.id == key.id)
                    && key.expires_at.is_none_or(|at| at > app.now())
            }
            Self::Browser(headers) => crate::pages::is_signed_in(app, headers, tenant).await,
        }
    }
}

/// The changes of one tenant.
struct Feed {
    app: App,
    changes: Receiver<Arc<LiveChange>>,
    alerts: Receiver<Arc<LiveAlert>>,
    doors: tokio::sync::watch::Receiver<u64>,
    tenant: TenantId,
    listener: Listener,
    look: tokio::time::Interval,
    /// Whether they still may is to be asked before anything else is told.
    ask: bool,
}

/// What a listener hears.
enum Heard {
    /// A version, and the leads that changed; `None` is "anything may have".
    Change(u64, Option<Arc<LiveChange>>),
    /// Something to look at now (N6).
    Alert(Arc<LiveAlert>),
}

impl Heard {
    const fn event(&self) -> &'static str {
        match self {
            Self::Change(..) => "change",
            Self::Alert(_) => "alert",
        }
    }

    fn data(&self) -> serde_json::Value {
        match self {
            Self::Change(_, change) => {
                let leads = change.as_ref().and_then(|change| change.leads.as_ref());
                json!({"leads": leads})
            }
            Self::Alert(alert) => serde_json::to_value(&**alert).unwrap_or_default(),
        }
    }
}

impl Feed {
    fn new(app: &App, tenant: TenantId, listener: Listener) -> Self {
        let mut look = tokio::time::interval(LOOK_AGAIN);
        look.reset();
        Self {
            app: app.clone(),
            changes: app.live.listen(),
            alerts: app.live.alerts(),
            doors: app.live.doors(),
            tenant,
            listener,
            look,
            ask: false,
        }
    }

    /// The next change; `None` when the server stops or the listener may hear no more. May be dropped at any wait and called again.
    async fn next(&mut self) -> Option<Heard> {
        loop {
            if self.ask {
                if !self.listener.may_still(&self.app, self.tenant).await {
                    return None;
                }
                self.ask = false;
            }
            let change = tokio::select! {
                biased;
                () = self.app.stopping.cancelled() => return None,
                _ = self.doors.changed() => {
                    self.ask = true;
                    continue;
                }
                _ = self.look.tick() => {
                    self.ask = true;
                    continue;
                }
                alert = self.alerts.recv() => match alert {
                Ok(alert) if alert.tenant == self.tenant => return Some(Heard::Alert(alert)),
                    // An alert that is missed is still on the page, which the change brings up to date.
                    Ok(_) | Err(RecvError::Lagged(_)) => continue,
                    Err(RecvError::Closed) => return None,
                },
                change = self.changes.recv() => change,
            };
            match change {
                Ok(change) if change.tenant == self.tenant => {
                    return Some(Heard::Change(change.version, Some(change)));
                }
                Ok(_) => {}
                // Too slow to hear each: asks for everything instead.
                Err(RecvError::Lagged(_)) => return Some(Heard::Change(0, None)),
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

/// The changes of the business as server-sent events: `id` is a version, `event` is `change`, `data` is `{"leads": [ids] | null}`; null
/// means that anything may have changed. `event` is `alert` for what a person should look at now (N6): `data` is `{"event", "urgency", "lead",
/// "title", "at", "actions": [{"label", "method", "href", "api"?}]}` with at most three actions. A comment comes every 15 seconds. Who reconnects hears
/// one change with null first.
#[utoipa::path(get, path = "/v1/live", tag = "live", responses((status = 200, description = "An endless stream", body = String, content_type = "text/event-stream")))]
async fn events(State(app): State<App>, caller: Caller, headers: HeaderMap) -> ApiResult<Response> {
    caller.may(Scope::Read)?;
    Ok(sent(
        &app,
        caller.home.row.id,
        headers.contains_key("last-event-id"),
        Listener::Key(caller.key),
    ))
}

/// The changes of a tenant as an endless answer, which ends when the key or sign-in behind it does.
pub(crate) fn sent(app: &App, tenant: TenantId, again: bool, listener: Listener) -> Response {
    let feed = Feed::new(app, tenant, listener);
    let version = app.live.version();
    // Nobody knows what a browser missed while it was away.
    let missed = again.then_some(Heard::Change(version, None));
    let heard = stream::iter(missed).chain(feed.stream());
    let lines = heard.map(move |heard: Heard| {
        let event = Event::default()
            .event(heard.event())
            .data(heard.data().to_string());
        Ok::<_, Infallible>(match &heard {
            Heard::Change(known, _) => event.id((*known).max(version).to_string()),
            Heard::Alert(_) => event,
        })
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

/// The same over WebSocket: each message is `{"event": "change", "id": version, "data": {"leads": …}}` or `{"event": "alert", "data": {…}}`.
#[utoipa::path(get, path = "/v1/live/ws", tag = "live", responses((status = 101, description = "The line is open"), (status = 426, description = "Ask for a WebSocket", body = crate::http::Problem, content_type = "application/problem+json")))]
async fn socket(State(app): State<App>, caller: Caller, request: Request) -> ApiResult<Response> {
    caller.may(Scope::Read)?;
    let (mut parts, _) = request.into_parts();
    let upgrade = WebSocketUpgrade::from_request_parts(&mut parts, &app).await;
    let upgrade = upgrade.map_err(|_| {
        ApiError::new(StatusCode::UPGRADE_REQUIRED, crate::http::Code::Invalid)
            .say("Ask for a WebSocket here, or read /v1/live.")
    })?;
    let feed = Feed::new(&app, caller.home.row.id, Listener::Key(caller.key));
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
                    let mut told = json!({"event": heard.event(), "data": heard.data()});
                    if let Heard::Change(version, _) = heard {
                        told["id"] = json!(version);
                    }
                    Message::text(told.to_string())
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
    let bye = if feed.app.stopping.is_cancelled() {
        CloseFrame {
            code: close_code::AWAY,
            reason: Utf8Bytes::from_static("the server is stopping"),
        }
    } else {
        CloseFrame {
            code: close_code::POLICY,
            reason: Utf8Bytes::from_static("the key opens nothing any more"),
        }
    };
    if let Err(error) = socket.send(Message::Close(Some(bye))).await {
        tracing::debug!(%error, "a live line was gone already");
    }
}
