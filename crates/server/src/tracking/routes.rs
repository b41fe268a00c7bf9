//! `/v1/track` and its kin: who may, how much, and what is answered (S1).

use super::event::{Sender, event};
use super::item::Kind;
use super::open::open;
use super::request::{Call, read};
use crate::app::App;
use crate::http::{ApiError, Caller, PathText, Peer, Scope, auth};
use crate::throttle::Rate;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use metrics::counter;
use ringback_core::turn::{Answer, Intake, Order, Tracked};
use ringback_store::KeyKind;
use serde_json::{Value, json};
use std::net::IpAddr;

/// Events that go to the writer together.
const AT_ONCE: usize = 500;
/// So many addresses may use one key to the full.
const ADDRESSES: u32 = 20;

const CALLS: [(&str, &str, Call); 7] = [
    ("identify", "i", Call::One(Kind::Identify)),
    ("track", "t", Call::One(Kind::Track)),
    ("page", "p", Call::One(Kind::Page)),
    ("screen", "s", Call::One(Kind::Screen)),
    ("group", "g", Call::One(Kind::Group)),
    ("alias", "a", Call::One(Kind::Alias)),
    ("batch", "b", Call::Batch),
];

/// Every route of the tracking API.
pub(crate) fn routes() -> Router<App> {
    let mut router = Router::new().route(
        "/v1/projects/{key}/settings",
        get(settings).options(preflight),
    );
    let door = |call: Call, import: bool| {
        post(move |state: State<App>, peer: Peer, request: Request| {
            receive(state, peer, request, call, import)
        })
        .options(preflight)
    };
    for (long, short, call) in CALLS {
        router = router
            .route(&format!("/v1/{long}"), door(call, false))
            .route(&format!("/v1/{short}"), door(call, false));
    }
    router.route("/v1/import", door(Call::Batch, true))
}

/// What the browser SDK asks first.
async fn settings(
    State(app): State<App>,
    PathText(key): PathText,
    Peer(ip): Peer,
    headers: HeaderMap,
) -> Response {
    if let Err(left) = app.limits.public(ip) {
        return ApiError::too_many(left.wait).into_response();
    }
    let Some(caller) = auth::find(&app, &key, &[KeyKind::Write]) else {
        return auth::no_write_key().into_response();
    };
    let (scheme, host) = app
        .settings
        .public_url
        .split_once("://")
        .unwrap_or(("https", &app.settings.public_url));
    let body = json!({"integrations": {"Segment.io": {"apiKey": key, "apiHost": format!("{host}/v1"), "protocol": scheme}}});
    allow(
        &headers,
        listed(&caller, &headers),
        Json(body).into_response(),
    )
}

/// A preflight names no key, so every origin that some tenant lists may ask; the call itself is held to its own tenant's list.
async fn preflight(State(app): State<App>, headers: HeaderMap) -> Response {
    let houses = app.registry.houses();
    let origin = origin(&headers);
    let listed = origin.is_some_and(|origin| {
        houses.homes.values().any(|home| {
            home.tenant
                .config
                .settings
                .tracking
                .origins
                .iter()
                .any(|one| one == origin)
        })
    });
    let mut response = StatusCode::NO_CONTENT.into_response();
    let to = response.headers_mut();
    to.insert(
        header::ACCESS_CONTROL_ALLOW_METHODS,
        HeaderValue::from_static("GET, POST, OPTIONS"),
    );
    to.insert(
        header::ACCESS_CONTROL_ALLOW_HEADERS,
        HeaderValue::from_static("authorization, content-type, x-retry-count"),
    );
    to.insert(
        header::ACCESS_CONTROL_MAX_AGE,
        HeaderValue::from_static("600"),
    );
    allow(&headers, listed, response)
}

fn origin(headers: &HeaderMap) -> Option<&str> {
    headers
        .get(header::ORIGIN)
        .map(|origin| origin.to_str().unwrap_or_default())
}

/// Whether the caller's tenant lists the origin. Servers send none.
fn listed(caller: &Caller, headers: &HeaderMap) -> bool {
    origin(headers).is_none_or(|origin| {
        caller
            .home
            .tenant
            .config
            .settings
            .tracking
            .origins
            .iter()
            .any(|one| one == origin)
    })
}

fn allow(headers: &HeaderMap, listed: bool, mut response: Response) -> Response {
    let to = response.headers_mut();
    to.insert(header::VARY, HeaderValue::from_static("Origin"));
    if let Some(origin) = headers.get(header::ORIGIN).filter(|_| listed) {
        to.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
    }
    response
}

async fn receive(
    State(app): State<App>,
    Peer(ip): Peer,
    request: Request,
    call: Call,
    import: bool,
) -> Response {
    let (parts, body) = request.into_parts();
    let mut allowed = false;
    let response = match take(&app, ip, &parts.headers, body, (call, import), &mut allowed).await {
        Ok(response) => response,
        Err(error) => error.into_response(),
    };
    allow(&parts.headers, allowed, response)
}

async fn take(
    app: &App,
    ip: IpAddr,
    headers: &HeaderMap,
    body: axum::body::Body,
    (call, import): (Call, bool),
    allowed: &mut bool,
) -> Result<Response, ApiError> {
    let named = named(headers)?;
    let mut caller = named.as_deref().and_then(|key| find(app, key));
    let trusted = |caller: &Option<Caller>| {
        caller
            .as_ref()
            .is_some_and(|caller| caller.key.kind == KeyKind::Secret)
    };
    if !trusted(&caller) {
        draw(app, ip, None, 1)?;
    }
    let raw = open(headers, body).await?;
    let request = read(call, &raw, app.now());
    if caller.is_none() {
        let key = request
            .as_ref()
            .ok()
            .and_then(|request| request.write_key.as_deref())
            .filter(|_| named.is_none());
        // A secret never stands in a body: bodies of browsers are public.
        caller = key.and_then(|key| auth::find(app, key, &[KeyKind::Write]));
    }
    let caller = caller.ok_or_else(auth::no_write_key)?;
    let public = caller.key.kind == KeyKind::Write;
    if public {
        *allowed = listed(&caller, headers);
        if !*allowed {
            return Err(ApiError::forbidden(
                "Pages of this origin may not send events. Add the origin to `tracking.origins` in tenant.yaml.",
            ));
        }
    } else {
        caller.may(Scope::Leads)?;
        if let Some(per_minute) = caller.home.row.requests_per_minute {
            app.limits
                .tenant(caller.home.row.id, per_minute)
                .map_err(|left| ApiError::too_many(left.wait))?;
        }
    }
    let request = request?;
    if public {
        let tens = u32::try_from(request.items.len() / 10).unwrap_or(u32::MAX);
        draw(app, ip, Some(&caller), 1 + tens)?;
    }
    app.limits.used(caller.key.id, app.now());
    for skip in &request.skipped {
        counter!("ringback_tracking_skipped_total", "why" => skip.as_str()).increment(1);
    }
    let sender = Sender {
        prefix: format!("{}:", caller.key.id.raw()),
        public,
        region: caller.home.tenant.config.settings.region,
        import,
    };
    let at = app.now();
    let order = |track| Order {
        tenant: caller.home.row.id,
        at,
        intake: Intake::Track(Box::new(track)),
        once: None,
    };
    let orders: Vec<Order> = request
        .items
        .into_iter()
        .filter_map(|item| event(item, &sender))
        .map(order)
        .collect();
    let mut results = Vec::new();
    let mut orders = orders.into_iter().peekable();
    while orders.peek().is_some() {
        let some = orders.by_ref().take(AT_ONCE).collect();
        for answer in app.inbox.take_all(some).await {
            if let Answer::Tracked(tracked) = answer? {
                results.push(tracked);
            }
        }
    }
    counter!("ringback_tracking_events_total").increment(results.len() as u64);
    Ok(if public {
        Json(json!({"success": true})).into_response()
    } else {
        Json(told(call, &results)).into_response()
    })
}

/// The key in the header: the user of Basic, or a bearer.
fn named(headers: &HeaderMap) -> Result<Option<String>, ApiError> {
    let Some(value) = headers.get(header::AUTHORIZATION) else {
        return Ok(None);
    };
    let value = value.to_str().map_err(|_| auth::no_write_key())?;
    if let Some(bearer) = value
        .get(..7)
        .filter(|scheme| scheme.eq_ignore_ascii_case("bearer "))
        .and_then(|_| value.get(7..))
    {
        return Ok(Some(bearer.trim().to_owned()));
    }
    // An empty user is how an SDK says that the key is in the body.
    Ok(auth::basic_user(headers).filter(|user| !user.is_empty()))
}

fn find(app: &App, key: &str) -> Option<Caller> {
    auth::find(app, key, &[KeyKind::Write, KeyKind::Secret])
}

/// Draws from the limits of the address, and of the key once it is known.
fn draw(app: &App, ip: IpAddr, caller: Option<&Caller>, many: u32) -> Result<(), ApiError> {
    let per_minute = app.settings.public_per_minute;
    let limit = match caller {
        None => (
            format!("track:{}", crate::http::network(ip)),
            Rate::a_minute(per_minute),
        ),
        Some(caller) => (
            format!("track:{}", caller.key.id.raw()),
            Rate::a_minute(per_minute.saturating_mul(ADDRESSES)),
        ),
    };
    app.throttle
        .draw_many(app.now(), &[limit], many)
        .map_err(ApiError::too_many)
}

/// What a secret key is told: lead, points and tier, in the order of the items that were taken.
fn told(call: Call, results: &[Tracked]) -> Value {
    let one = |tracked: &Tracked| {
        let best = tracked.scores.values().max_by_key(|score| score.points);
        json!({
            "id": tracked.id,
            "lead_id": tracked.lead_id,
            "repeated": tracked.repeated,
            "points": best.map_or(0, |score| score.points),
            "tier": best.and_then(|score| score.tier.as_deref()),
            "scores": tracked.scores,
        })
    };
    match (call, results) {
        (Call::One(_), [tracked]) => {
            let mut body = one(tracked);
            body["success"] = Value::Bool(true);
            body
        }
        _ => json!({"success": true, "results": results.iter().map(one).collect::<Vec<_>>()}),
    }
}
