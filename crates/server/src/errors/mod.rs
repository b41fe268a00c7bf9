//! What went wrong (O4): grouped, counted, and what could not be decided with its raw form.

use crate::app::App;
use crate::http::{ApiResult, Caller, Listed, Page, Queries, Scope};
use axum::Json;
use axum::extract::State;
use ringback_core::ids::{ErrorId, LeadId};
use ringback_core::time::Timestamp;
use ringback_store::{ErrorRow, House as _, SetAsideRow};
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// Every route about errors.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(stats))
        .routes(routes!(set_aside))
}

/// Errors that read alike.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ErrorBody {
    /// What they have in common.
    fingerprint: String,
    /// `warning`, `error` or `critical`.
    #[schema(example = "error")]
    severity: String,
    /// What went wrong.
    message: String,
    /// Where it came up last.
    #[schema(value_type = Object)]
    context: Value,
    /// How often.
    count: i64,
    /// When first.
    first_seen: Timestamp,
    /// When last.
    last_seen: Timestamp,
}

impl From<ErrorRow> for ErrorBody {
    fn from(row: ErrorRow) -> Self {
        Self {
            fingerprint: row.fingerprint,
            severity: row.severity,
            message: row.message,
            context: row.context,
            count: row.n,
            first_seen: row.first_at,
            last_seen: row.last_at,
        }
    }
}

const MOST_GROUPS: u32 = 1_000;

/// Errors, grouped, the most recent first: at most 1,000 groups.
#[utoipa::path(get, path = "/v1/errors", tag = "errors", responses((status = 200, description = "The groups", body = Listed<ErrorBody>)))]
async fn list(State(app): State<App>, caller: Caller) -> ApiResult<Json<Listed<ErrorBody>>> {
    caller.may(Scope::Read)?;
    Ok(Json(Listed::all(groups(&app, &caller).await?)))
}

async fn groups(app: &App, caller: &Caller) -> ApiResult<Vec<ErrorBody>> {
    let tenant = caller.home.row.id;
    let rows = app
        .ask(move |store| store.errors(tenant, MOST_GROUPS))
        .await?;
    Ok(rows.into_iter().map(ErrorBody::from).collect())
}

/// Figures about errors.
#[derive(Debug, Serialize, ToSchema)]
pub struct ErrorStats {
    /// How many errors there were.
    total: i64,
    /// How many by severity.
    #[schema(value_type = Object, example = json!({"warning": 0, "error": 3, "critical": 0}))]
    by_severity: BTreeMap<String, i64>,
    /// The ten most frequent.
    most_frequent: Vec<ErrorBody>,
    /// Which way it goes.
    trend: Trend,
}

/// Which way it goes: groups that came up, and groups that are new.
#[derive(Debug, Serialize, ToSchema)]
pub struct Trend {
    /// Came up in the last hour.
    last_hour: usize,
    /// Came up in the last 24 hours.
    last_24_hours: usize,
    /// Came up in the last 14 days.
    last_14_days: usize,
    /// First seen in the last 24 hours.
    new_in_24_hours: usize,
}

/// Totals by severity, the ten most frequent, and the trend.
#[utoipa::path(get, path = "/v1/errors/stats", tag = "errors", responses((status = 200, description = "The figures", body = ErrorStats)))]
async fn stats(State(app): State<App>, caller: Caller) -> ApiResult<Json<ErrorStats>> {
    caller.may(Scope::Read)?;
    let mut groups = groups(&app, &caller).await?;
    let now = app.now();
    let since = |at: Timestamp, hours: i64| {
        now.duration_since(at) <= jiff::SignedDuration::from_hours(hours)
    };
    let seen = |hours| {
        groups
            .iter()
            .filter(|group| since(group.last_seen, hours))
            .count()
    };
    let trend = Trend {
        last_hour: seen(1),
        last_24_hours: seen(24),
        last_14_days: seen(14 * 24),
        new_in_24_hours: groups
            .iter()
            .filter(|group| since(group.first_seen, 24))
            .count(),
    };
    let mut by_severity: BTreeMap<String, i64> = ["warning", "error", "critical"]
        .map(|word| (word.to_owned(), 0))
        .into();
    for group in &groups {
        *by_severity.entry(group.severity.clone()).or_default() += group.count;
    }
    groups.sort_by_key(|group| std::cmp::Reverse(group.count));
    groups.truncate(10);
    Ok(Json(ErrorStats {
        total: by_severity.values().sum(),
        by_severity,
        most_frequent: groups,
        trend,
    }))
}

/// An event that could not be decided.
#[derive(Debug, Serialize, ToSchema)]
pub struct SetAsideBody {
    /// Its id.
    #[schema(value_type = String)]
    id: ErrorId,
    /// Its lead, which was stored all the same.
    #[schema(value_type = Option<String>)]
    lead_id: Option<LeadId>,
    /// The group of errors it belongs to.
    fingerprint: String,
    /// What went wrong.
    error: String,
    /// What came in.
    raw: String,
    /// When.
    at: Timestamp,
}

/// Events that could not be decided, newest first. Their leads are stored all the same (M1).
#[utoipa::path(get, path = "/v1/errors/set-aside", tag = "errors", params(Page), responses((status = 200, description = "A page of them", body = Listed<SetAsideBody>)))]
async fn set_aside(
    State(app): State<App>,
    caller: Caller,
    Queries(page): Queries<Page>,
) -> ApiResult<Json<Listed<SetAsideBody>>> {
    caller.may(Scope::Read)?;
    let (tenant, most) = (caller.home.row.id, page.rows());
    let before = page.after::<ErrorId>()?.map_or(i64::MAX, ErrorId::raw);
    let rows = app
        .ask(move |store| store.set_aside(tenant, before, most + 1))
        .await?;
    let view = |row: SetAsideRow| SetAsideBody {
        id: row.id,
        lead_id: row.lead,
        fingerprint: row.fingerprint,
        error: row.error,
        raw: row.raw,
        at: row.at,
    };
    let page = Listed::cut(rows, most, |row| row.id.to_string());
    Ok(Json(Listed {
        data: page.data.into_iter().map(view).collect(),
        next: page.next,
    }))
}
