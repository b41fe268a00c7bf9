//! `simulate` over HTTP: events happen to the configuration under virtual time, and nothing leaves the house (W5).

use crate::app::App;
use crate::configuration;
use crate::http::{ApiError, ApiResult, Body, Caller, Scope};
use axum::Json;
use axum::extract::State;
use ringback_core::config::TenantConfig;
use ringback_core::time::Timestamp;
use ringback_core::turn::simulate::{AFTERWARDS, Simulated, read, simulate_while};
use serde::Deserialize;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::Duration;
use tokio::sync::Semaphore;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(run))
}

/// Events that one simulation takes.
pub(crate) const MOST_EVENTS: usize = 5_000;
/// Days that pass in one.
pub(crate) const MOST_DAYS: i64 = 400;
/// One that is not done by then is given up.
const LONGEST: Duration = Duration::from_secs(20);
/// Seconds since 1970 at which a simulation may begin: 1990 to 2200, so that no offset leaves the calendar.
const POSSIBLE: std::ops::Range<i64> = 631_152_000..7_258_118_400;
/// Each takes a core while it runs: one at a time, so that the work goes on beside it.
static RUNNING: LazyLock<Semaphore> = LazyLock::new(|| Semaphore::new(1));

/// What is to happen.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SimulateBody {
    /// JSON lines with `at` or `at_offset_s`, `path` and `body`, at most 5,000: what is posted where, and `/simulate/reply`,
    /// `/simulate/take`, `/simulate/event`, `/simulate/start`, `/simulate/stage`, `/simulate/outage`.
    #[schema(
        example = r#"{"at_offset_s":0,"path":"/v1/leads","body":{"first_name":"Dana","phone":"+13035550142"}}"#
    )]
    events: String,
    /// When it begins; now when it is not given.
    #[serde(default)]
    from: Option<Timestamp>,
    /// Until when time passes; two days after the last event when it is not given, at most 400 days after `from`.
    #[serde(default)]
    until: Option<Timestamp>,
    /// Where chance begins.
    #[serde(default)]
    seed: Option<u64>,
    /// By the draft of the configuration instead of what holds.
    #[serde(default)]
    draft: bool,
}

/// Lets events happen to the configuration under virtual time: what would go to whom, when, on which channel, at what cost, and why not.
/// Nothing is stored and nothing is sent.
#[utoipa::path(post, path = "/v1/simulate", tag = "workflows", request_body = SimulateBody, responses((status = 200, description = "The timeline with its sums", body = Object)))]
async fn run(
    State(app): State<App>,
    caller: Caller,
    body: Body<SimulateBody>,
) -> ApiResult<Json<Simulated>> {
    caller.may(Scope::Read)?;
    let told = body.value;
    let config = if told.draft {
        let checked = configuration::with_draft(&app, caller.home.row.id).await?;
        Arc::new(checked.map_err(ApiError::configuration)?.config)
    } else {
        Arc::clone(&caller.home.tenant.config)
    };
    let wish = Wish {
        events: told.events,
        from: told.from.unwrap_or_else(|| app.now()),
        until: told.until,
        seed: told.seed.unwrap_or(1),
    };
    Ok(Json(happen(config, wish).await?))
}

/// What is to happen, and when.
#[derive(Debug, Clone)]
pub(crate) struct Wish {
    /// JSON lines.
    pub(crate) events: String,
    /// When it begins.
    pub(crate) from: Timestamp,
    /// Until when time passes.
    pub(crate) until: Option<Timestamp>,
    /// Where chance begins.
    pub(crate) seed: u64,
}

/// Simulates on a thread of its own, one at a time.
pub(crate) async fn happen(config: Arc<TenantConfig>, wish: Wish) -> Result<Simulated, ApiError> {
    if !POSSIBLE.contains(&wish.from.as_second()) {
        return Err(ApiError::invalid(
            "from",
            "Begin at an instant between 1990 and 2200.",
        ));
    }
    let events = read(&wish.events, wish.from)
        .map_err(|why| ApiError::invalid("events", format!("The events, {why}")))?;
    if events.is_empty() {
        return Err(ApiError::invalid(
            "events",
            "Write at least one event, a line for each.",
        ));
    }
    if events.len() > MOST_EVENTS {
        return Err(ApiError::invalid(
            "events",
            "At most 5,000 events here; `ringback simulate` takes any number.",
        ));
    }
    let last = events.last().map_or(wish.from, |event| event.at);
    let after = jiff::SignedDuration::try_from(AFTERWARDS).unwrap_or(jiff::SignedDuration::ZERO);
    let (first, latest) = (
        events
            .first()
            .map_or(wish.from, |event| event.at.min(wish.from)),
        wish.from
            .checked_add(jiff::SignedDuration::from_hours(24 * MOST_DAYS)),
    );
    let latest = latest.map_err(|_| ApiError::invalid("from", "This instant is too far away."))?;
    let until = match wish.until {
        Some(until) => until,
        None => last
            .checked_add(after)
            .map_err(|_| ApiError::invalid("events", "Their time is too far away."))?,
    };
    if until > latest || first < wish.from {
        return Err(ApiError::invalid(
            "until",
            "Events happen after `from`, and at most 400 days pass.",
        ));
    }
    let permit = RUNNING.acquire().await;
    let given_up = Arc::new(AtomicBool::new(false));
    let asked = Arc::clone(&given_up);
    let work = tokio::task::spawn_blocking(move || {
        let may_go_on = &mut || !asked.load(Ordering::Relaxed);
        let done = simulate_while(config, &events, wish.from, until, wish.seed, may_go_on);
        drop(permit);
        done
    });
    let done = tokio::time::timeout(LONGEST, work).await;
    given_up.store(true, Ordering::Relaxed);
    match done {
        Ok(Ok(Some(told))) => Ok(told),
        Ok(Ok(None)) | Err(_) => Err(ApiError::invalid(
            "events",
            "This takes too long here. Simulate fewer events or days, or use `ringback simulate` on a copy of the folder.",
        )),
        Ok(Err(_)) => Err(ApiError::internal("a simulation panicked")),
    }
}
