//! Workflows as a list, their versions, and where their runs went (U, W4).

use crate::app::App;
use crate::http::{ApiError, ApiResult, Caller, Listed, PathText, Queries, Scope};
use crate::registry::Home;
use axum::Json;
use axum::extract::State;
use ringback_core::time::Timestamp;
use ringback_core::turn::KillSwitch;
use ringback_core::workflows::Figures;
use ringback_store::{House as _, TrailView};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(versions))
        .routes(routes!(figures))
}

/// Runs that a figure is made of, at most, in each state: the newest ones.
pub(crate) const MOST_RUNS: u32 = 10_000;
/// Open runs that are counted, at most.
pub(crate) const MOST_OPEN: u32 = 100_000;
const MOST_VERSIONS: u32 = 200;

/// A workflow.
#[derive(Debug, Serialize, ToSchema)]
pub struct WorkflowBody {
    /// Its name.
    name: String,
    /// What people call it.
    label: Option<String>,
    /// The product it belongs to.
    product: Option<String>,
    /// The version that holds.
    version: i64,
    /// Where it is written.
    path: String,
    /// What starts it.
    #[schema(value_type = Object)]
    trigger: serde_json::Value,
    /// Switched off.
    stopped: bool,
    /// Runs that are under way, 100,000 at most are counted.
    open_runs: i64,
    /// Another text of it is written down and does not hold yet.
    draft: bool,
}

/// Whether a workflow is switched off.
pub(crate) fn stopped(kill: &[KillSwitch], name: &str) -> bool {
    kill.iter().any(|switch| {
        matches!(switch, KillSwitch::All)
            || matches!(switch, KillSwitch::Workflow(one) if one == name)
    })
}

/// Every workflow that holds.
#[utoipa::path(get, path = "/v1/workflows", tag = "workflows", responses((status = 200, description = "All of them", body = Listed<WorkflowBody>)))]
async fn list(State(app): State<App>, caller: Caller) -> ApiResult<Json<Listed<WorkflowBody>>> {
    caller.may(Scope::Read)?;
    let home = Arc::clone(&caller.home);
    let rows = app
        .ask(move |store| {
            let tenant = home.row.id;
            let drafts = store.drafts(tenant)?;
            let mut rows = Vec::new();
            for workflow in home.tenant.config.workflows.values() {
                let open = store.open_runs(tenant, &workflow.name, MOST_OPEN)?;
                rows.push(WorkflowBody {
                    name: workflow.name.clone(),
                    label: workflow.label.clone(),
                    product: workflow.product.clone(),
                    version: workflow.version,
                    path: workflow.path.clone(),
                    trigger: serde_json::to_value(&workflow.trigger).unwrap_or_default(),
                    stopped: stopped(&home.row.kill, &workflow.name),
                    open_runs: open.iter().map(|one| one.n).sum(),
                    draft: drafts.iter().any(|one| one.path == workflow.path),
                });
            }
            Ok(rows)
        })
        .await?;
    Ok(Json(Listed::all(rows)))
}

/// A version of a workflow.
#[derive(Debug, Serialize, ToSchema)]
pub struct VersionBody {
    /// Its number; `GET /v1/workflows/{name}?version=` is its text.
    version: i64,
    /// Since when it held.
    at: Timestamp,
    /// Who stored it.
    actor: String,
    /// The workflow was removed with it.
    removed: bool,
}

/// The versions of a workflow, newest first. None ever changes (W4).
#[utoipa::path(get, path = "/v1/workflows/{name}/versions", tag = "workflows", params(("name" = String, Path, description = "The workflow's name")), responses((status = 200, description = "The newest two hundred", body = Listed<VersionBody>)))]
async fn versions(
    State(app): State<App>,
    caller: Caller,
    PathText(name): PathText,
) -> ApiResult<Json<Listed<VersionBody>>> {
    caller.may(Scope::Read)?;
    let workflow = caller.home.tenant.config.workflows.get(&name);
    let path = workflow.ok_or_else(ApiError::not_found)?.path.clone();
    let tenant = caller.home.row.id;
    let rows = app
        .ask(move |store| store.document_versions(tenant, &path, MOST_VERSIONS))
        .await?;
    let rows = rows.into_iter().map(|row| VersionBody {
        version: row.version,
        at: row.at,
        actor: row.actor,
        removed: row.removed,
    });
    Ok(Json(Listed::all(rows.collect())))
}

/// Since when.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Since {
    /// Runs that began in so many days, 1 to 365; 30 when it is not given.
    days: Option<u16>,
}

/// Where the runs of a workflow went.
#[derive(Debug, Serialize, ToSchema)]
pub struct FiguresBody {
    /// The version that the steps are of. Runs that go by others are counted in `other_versions` alone.
    version: i64,
    /// Since when runs are counted.
    since: Timestamp,
    /// Runs that were counted; of more than 10,000 in a state the newest.
    runs: u64,
    /// Those that went past the last step.
    through: u64,
    /// Runs of other versions in the same time.
    other_versions: u64,
    /// Every step in its order.
    steps: Vec<StepBody>,
    /// How many took which way, by its path: `1.otherwise`.
    ways: BTreeMap<String, u64>,
}

/// A step with its figures.
#[derive(Debug, Serialize, ToSchema)]
pub struct StepBody {
    /// The path to it in the document.
    #[schema(example = "1.otherwise.0")]
    id: String,
    /// Its kind, as it is written.
    kind: &'static str,
    /// Runs whose turn came there.
    reached: u64,
    /// Runs that wait there now.
    here: u64,
    /// Runs that ended there, by a goal, an exit, an `end`, or because somebody stopped them.
    left: u64,
}

/// How many runs came to each step, wait there now, and ended there (U).
#[utoipa::path(get, path = "/v1/workflows/{name}/figures", tag = "workflows", params(("name" = String, Path, description = "The workflow's name"), Since), responses((status = 200, description = "The figures", body = FiguresBody)))]
async fn figures(
    State(app): State<App>,
    caller: Caller,
    PathText(name): PathText,
    Queries(since): Queries<Since>,
) -> ApiResult<Json<FiguresBody>> {
    caller.may(Scope::Read)?;
    let days = since.days.unwrap_or(30);
    if !(1..=365).contains(&days) {
        return Err(ApiError::invalid("days", "Ask for 1 to 365 days."));
    }
    let workflow = caller.home.tenant.config.workflows.get(&name);
    let workflow = workflow.ok_or_else(ApiError::not_found)?;
    let (since, trails) = trails(&app, &caller.home, &name, days).await?;
    let (counted, other_versions) = count(workflow, workflow.version, &trails);
    let steps = workflow.walk().into_iter().map(|step| {
        let passed = counted.steps.get(&step.id).copied().unwrap_or_default();
        StepBody {
            id: step.id.clone(),
            kind: step.action.kind(),
            reached: passed.reached,
            here: passed.here,
            left: passed.left,
        }
    });
    Ok(Json(FiguresBody {
        version: workflow.version,
        since,
        runs: counted.runs,
        through: counted.through,
        other_versions,
        steps: steps.collect(),
        ways: counted.ways.clone(),
    }))
}

/// Where the runs of the last days went, and since when.
pub(crate) async fn trails(
    app: &App,
    home: &Home,
    name: &str,
    days: u16,
) -> Result<(Timestamp, Vec<TrailView>), ApiError> {
    let since = app.now() - jiff::SignedDuration::from_hours(24 * i64::from(days));
    let (tenant, name) = (home.row.id, name.to_owned());
    let found = app
        .ask(move |store| store.trails(tenant, &name, since, MOST_RUNS))
        .await?;
    Ok((since, found))
}

/// The figures of a version, and how many runs went by others.
pub(crate) fn count<'w>(
    workflow: &'w ringback_core::workflows::Workflow,
    version: i64,
    trails: &[TrailView],
) -> (Figures<'w>, u64) {
    let mut figures = Figures::new(workflow);
    let mut others = 0;
    for one in trails {
        if one.version == version {
            figures.count(&one.trail, one.open);
        } else {
            others += 1;
        }
    }
    (figures, others)
}
