//! Runs of workflows: starting one by hand, and which a lead went through.

use crate::app::App;
use crate::http::{
    ApiError, ApiResult, Body, Caller, Listed, PathText, Queries, Scope, once, reply,
};
use crate::leads::may_touch;
use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use ringback_core::ids::{EventId, LeadId, RunId};
use ringback_core::time::Timestamp;
use ringback_core::turn::Intake;
use ringback_core::turn::world::Run;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(start))
        .routes(routes!(list))
}

/// Whom to start it for.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct StartBody {
    /// The lead.
    #[schema(value_type = String, example = "lead_0h3kq2m8x7v5t")]
    lead_id: LeadId,
}

/// Starts a workflow for a lead, whatever its trigger. 409 `ran_before` when its re-entry does not let it run again.
#[utoipa::path(post, path = "/v1/workflows/{name}/runs", tag = "workflows", params(("name" = String, Path, description = "The workflow's name")), request_body = StartBody, responses((status = 201, description = "The run: `id` and `state` (`open`, `done` or `stopped`)", body = Object)))]
async fn start(
    State(app): State<App>,
    caller: Caller,
    PathText(name): PathText,
    headers: HeaderMap,
    body: Body<StartBody>,
) -> ApiResult<Response> {
    caller.may(Scope::Send)?;
    let lead = body.value.lead_id;
    if !caller.home.tenant.config.workflows.contains_key(&name) {
        return Err(ApiError::not_found());
    }
    may_touch(&app, &caller, lead).await?;
    let once = once(
        &headers,
        &format!("POST /v1/workflows/{name}/runs"),
        &body.raw,
    )?;
    let answer = app
        .take(
            caller.home.row.id,
            Intake::StartRun {
                lead,
                workflow: name,
                actor: caller.actor(),
            },
            once,
        )
        .await?;
    Ok(reply(&answer))
}

/// Whose runs.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Whose {
    /// The lead.
    lead_id: String,
}

/// One lead going through a workflow.
#[derive(Debug, Serialize, ToSchema)]
pub struct RunBody {
    /// Its id.
    #[schema(value_type = String, example = "run_0h3kq2m8x7v5t")]
    id: RunId,
    /// The workflow.
    workflow: String,
    /// Its version: a run ends with the one it began with.
    version: i64,
    /// The lead.
    #[schema(value_type = String)]
    lead_id: LeadId,
    /// What began it.
    #[schema(value_type = String)]
    event_id: EventId,
    /// `open`, `done` or `stopped`.
    state: &'static str,
    /// The step it waits at, such as `1.otherwise.0`.
    step: Option<String>,
    /// The event it waits for.
    waits_for: Option<String>,
    /// When it goes on by itself.
    wakes_at: Option<Timestamp>,
    /// When it began.
    created_at: Timestamp,
    /// When it ended.
    ended_at: Option<Timestamp>,
}

impl From<Run> for RunBody {
    fn from(run: Run) -> Self {
        Self {
            id: run.id,
            workflow: run.workflow,
            version: run.version,
            lead_id: run.lead,
            event_id: run.event,
            state: run.state.as_str(),
            step: run.step,
            waits_for: run.waits_for,
            wakes_at: run.wake_at,
            created_at: run.created_at,
            ended_at: run.ended_at,
        }
    }
}

/// The runs of a lead, newest first.
#[utoipa::path(get, path = "/v1/runs", tag = "workflows", params(Whose), responses((status = 200, description = "All of them", body = Listed<RunBody>)))]
async fn list(
    State(app): State<App>,
    caller: Caller,
    Queries(whose): Queries<Whose>,
) -> ApiResult<Json<Listed<RunBody>>> {
    caller.may(Scope::Read)?;
    let id: LeadId = whose
        .lead_id
        .parse()
        .map_err(|error| ApiError::invalid("lead_id", format!("This is {error}.")))?;
    let tenant = caller.home.row.id;
    let found = app
        .ask(move |store| match store.lead(tenant, id)? {
            Some(lead) => store.runs(tenant, lead.id).map(Some),
            None => Ok(None),
        })
        .await?;
    let rows = found.ok_or_else(ApiError::not_found)?;
    Ok(Json(Listed::all(
        rows.into_iter().map(RunBody::from).collect(),
    )))
}
