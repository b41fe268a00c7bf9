//! Runs of workflows: starting one by hand, and which a lead went through.

use crate::app::App;
use crate::http::{
    ApiError, ApiResult, Body, Caller, Limit, Listed, MaybeBody, Page, PathId, PathText, Queries,
    Scope, once, reply,
};
use crate::leads::may_touch;
use crate::registry::Home;
use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::{IntoResponse as _, Response};
use ringback_core::ids::{EventId, LeadId, RunId};
use ringback_core::time::Timestamp;
use ringback_core::turn::world::{Run, RunState};
use ringback_core::turn::{Answer, Intake};
use ringback_store::House as _;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(start))
        .routes(routes!(list))
        .routes(routes!(one))
        .routes(routes!(stop))
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

/// Which runs.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Which {
    /// Of this lead, at most 200. Without it those of the whole business.
    lead_id: Option<String>,
    /// Of this workflow.
    workflow: Option<String>,
    /// `open`, `done` or `stopped`.
    state: Option<String>,
    /// Rows a page, 1 to 200; 50 when it is not given.
    #[param(value_type = Option<u32>)]
    limit: Option<Limit>,
    /// The cursor of the page before.
    after: Option<String>,
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

/// Runs of workflows, newest first: of a lead, of a workflow, or all.
#[utoipa::path(get, path = "/v1/runs", tag = "workflows", params(Which), responses((status = 200, description = "One page", body = Listed<RunBody>)))]
async fn list(
    State(app): State<App>,
    caller: Caller,
    Queries(which): Queries<Which>,
) -> ApiResult<Json<Listed<RunBody>>> {
    caller.may(Scope::Read)?;
    let tenant = caller.home.row.id;
    let state = which.state.as_deref().map(read_state).transpose()?;
    let wanted = which.workflow.clone();
    let fits = move |run: &Run| {
        let same = wanted.as_ref().is_none_or(|name| run.workflow == *name);
        same && state.is_none_or(|state| run.state == state)
    };
    if let Some(lead) = which.lead_id {
        let id: LeadId = lead
            .parse()
            .map_err(|error| ApiError::invalid("lead_id", format!("This is {error}.")))?;
        let found = app
            .ask(move |store| match store.lead(tenant, id)? {
                Some(lead) => store.runs(tenant, lead.id).map(Some),
                None => Ok(None),
            })
            .await?;
        let rows = found.ok_or_else(ApiError::not_found)?;
        let rows = rows.into_iter().filter(fits).map(RunBody::from);
        return Ok(Json(Listed::all(rows.collect())));
    }
    let page = Page {
        limit: which.limit,
        after: which.after,
    };
    let (most, before) = (page.rows(), page.after::<RunId>()?);
    let mut names = names(&app, &caller.home).await?;
    names.retain(|name| which.workflow.as_ref().is_none_or(|wanted| wanted == name));
    let rows = app
        .ask(move |store| store.runs_of(tenant, &names, state, before, most + 1))
        .await?;
    let rows = rows.into_iter().map(RunBody::from).collect();
    Ok(Json(Listed::cut(rows, most, |run: &RunBody| {
        run.id.to_string()
    })))
}

/// The workflows that runs may be of: those that hold, and those that open runs still go by.
pub(crate) async fn names(app: &App, home: &Home) -> Result<Vec<String>, ApiError> {
    let tenant = home.row.id;
    let mut names: Vec<String> = home.tenant.config.workflows.keys().cloned().collect();
    let open = app.ask(move |store| store.open_workflows(tenant)).await?;
    names.extend(open.into_iter().map(|(name, _)| name));
    names.sort_unstable();
    names.dedup();
    Ok(names)
}

/// The word of the API for where a run is.
pub(crate) fn read_state(word: &str) -> Result<RunState, ApiError> {
    [RunState::Open, RunState::Done, RunState::Stopped]
        .into_iter()
        .find(|state| state.as_str() == word)
        .ok_or_else(|| ApiError::invalid("state", "A run is `open`, `done` or `stopped`."))
}

/// One run.
#[utoipa::path(get, path = "/v1/runs/{id}", tag = "workflows", params(("id" = String, Path, description = "The run's id")), responses((status = 200, description = "The run", body = RunBody)))]
async fn one(
    State(app): State<App>,
    caller: Caller,
    PathId(id): PathId<RunId>,
) -> ApiResult<Json<RunBody>> {
    caller.may(Scope::Read)?;
    Ok(Json(find(&app, &caller.home, id).await?.into()))
}

/// A run of this business.
pub(crate) async fn find(app: &App, home: &Home, id: RunId) -> Result<Run, ApiError> {
    let tenant = home.row.id;
    let found = app.ask(move |store| store.run(tenant, id)).await?;
    found.ok_or_else(ApiError::not_found)
}

/// Stops a run: it goes no further, and what it said to the lead and still waits does not go. 409 `run_over` when it is over already.
#[utoipa::path(post, path = "/v1/runs/{id}/stop", tag = "workflows", params(("id" = String, Path, description = "The run's id")), responses((status = 200, description = "The run", body = RunBody)))]
async fn stop(
    State(app): State<App>,
    caller: Caller,
    PathId(id): PathId<RunId>,
    headers: HeaderMap,
    body: MaybeBody<Nothing>,
) -> ApiResult<Response> {
    caller.may(Scope::Send)?;
    let run = find(&app, &caller.home, id).await?;
    may_touch(&app, &caller, run.lead).await?;
    let once = once(&headers, &format!("POST /v1/runs/{id}/stop"), &body.raw)?;
    let order = Intake::StopRun {
        run: id,
        lead: run.lead,
        actor: caller.actor(),
    };
    let answer = app.take(caller.home.row.id, order, once).await?;
    if !matches!(answer, Answer::Done) {
        return Ok(reply(&answer));
    }
    let run = find(&app, &caller.home, id).await?;
    Ok(Json(RunBody::from(run)).into_response())
}

/// A body without anything in it.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Nothing {}
