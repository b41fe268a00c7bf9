//! What goes on beside the leads' own events, and what workflows left people to do: scoring anew, moving runs, giving leads away, tasks
//! (S6, W4, D1).

use super::runs::Nothing;
use crate::app::App;
use crate::http::{
    Act, ApiError, ApiResult, Body, Caller, Deed, Listed, MaybeBody, Page, PathId, PathText, Peer,
    Queries, Scope, once, reply,
};
use crate::leads::may_touch;
use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use ringback_core::ids::{LeadId, RunId, WorkId};
use ringback_core::time::Timestamp;
use ringback_core::turn::{Intake, Job};
use ringback_store::{WorkView, Writer};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(rescore))
        .routes(routes!(migrate))
        .routes(routes!(jobs))
        .routes(routes!(assign))
        .routes(routes!(work))
        .routes(routes!(done))
}

/// How to score anew.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RescoreBody {
    /// Tiers that are entered by it start workflows; by default nobody hears of it.
    tell: bool,
}

/// Scores every lead anew by the rules of today, as a job that says nothing unless told to (S6). 409 `under_way` while one is at it.
#[utoipa::path(post, path = "/v1/score-models/{name}/rescore", tag = "workflows", params(("name" = String, Path, description = "The model's name")), request_body = RescoreBody, responses((status = 200, description = "It has begun; /v1/jobs tells how far it came", body = Object)))]
async fn rescore(
    State(app): State<App>,
    caller: Caller,
    PathText(name): PathText,
    headers: HeaderMap,
    body: MaybeBody<RescoreBody>,
) -> ApiResult<Response> {
    caller.may_change(Scope::Admin)?;
    let route = format!("POST /v1/score-models/{name}/rescore");
    let once = once(&headers, &route, &body.raw)?;
    let order = Intake::Rescore {
        model: name.clone(),
        tell: body.value.tell,
        actor: caller.actor(),
    };
    let answer = app.take(caller.home.row.id, order, once).await?;
    Ok(reply(&answer))
}

/// How to move runs.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct MigrateBody {
    /// Only tells what would become of them.
    preview: bool,
}

/// Moves runs that are under way to the workflow's present version, where the step they wait at is still there; with `preview` it is only
/// told what would become of them (W4). 409 `under_way` while one is at it.
#[utoipa::path(post, path = "/v1/workflows/{name}/migrate", tag = "workflows", params(("name" = String, Path, description = "The workflow's name")), request_body = MigrateBody, responses((status = 200, description = "It has begun; /v1/jobs tells how far it came", body = Object)))]
async fn migrate(
    State(app): State<App>,
    caller: Caller,
    PathText(name): PathText,
    headers: HeaderMap,
    body: MaybeBody<MigrateBody>,
) -> ApiResult<Response> {
    caller.may_change(Scope::Admin)?;
    let route = format!("POST /v1/workflows/{name}/migrate");
    let once = once(&headers, &route, &body.raw)?;
    let order = Intake::Migrate {
        workflow: name.clone(),
        preview: body.value.preview,
        actor: caller.actor(),
    };
    let answer = app.take(caller.home.row.id, order, once).await?;
    Ok(reply(&answer))
}

/// Something that goes on beside the leads' own events.
#[derive(Debug, Serialize, ToSchema)]
pub struct JobBody {
    /// Its name.
    #[schema(example = "rescore:intent")]
    name: String,
    /// What it does, with what it was told.
    #[schema(value_type = Object)]
    what: Value,
    /// `open` or `over`.
    state: &'static str,
    /// When it goes on.
    due_at: Option<Timestamp>,
    /// How far it came and what it found.
    #[schema(value_type = Object)]
    found: Value,
    /// When it began.
    created_at: Timestamp,
}

impl From<Job> for JobBody {
    fn from(job: Job) -> Self {
        Self {
            name: job.name,
            what: serde_json::to_value(&job.what).unwrap_or_default(),
            state: if job.due_at.is_some() { "open" } else { "over" },
            due_at: job.due_at,
            found: job.data,
            created_at: job.created_at,
        }
    }
}

/// Schedules, digests for staff, scoring anew, moving runs: what goes on, and what came of those that are over.
#[utoipa::path(get, path = "/v1/jobs", tag = "workflows", responses((status = 200, description = "All of them", body = Listed<JobBody>)))]
async fn jobs(State(app): State<App>, caller: Caller) -> ApiResult<Json<Listed<JobBody>>> {
    caller.may(Scope::Read)?;
    let tenant = caller.home.row.id;
    let rows = app.ask(move |store| store.jobs(tenant)).await?;
    Ok(Json(Listed::all(
        rows.into_iter().map(JobBody::from).collect(),
    )))
}

/// Whom to give it to.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AssignBody {
    /// A staff member by name.
    #[schema(example = "Ray Alder")]
    to: String,
}

/// Gives the lead to a person of yours (D1).
#[utoipa::path(post, path = "/v1/leads/{id}/assign", tag = "leads", params(("id" = String, Path, description = "The lead's id")), request_body = AssignBody, responses((status = 200, description = "The person has it", body = Object)))]
async fn assign(
    State(app): State<App>,
    caller: Caller,
    PathId(id): PathId<LeadId>,
    headers: HeaderMap,
    body: Body<AssignBody>,
) -> ApiResult<Response> {
    caller.may(Scope::Leads)?;
    may_touch(&app, &caller, id).await?;
    let once = once(&headers, &format!("POST /v1/leads/{id}/assign"), &body.raw)?;
    let order = Intake::Assign {
        lead: id,
        to: body.value.to,
        actor: caller.actor(),
    };
    let answer = app.take(caller.home.row.id, order, once).await?;
    Ok(reply(&answer))
}

/// Something that a workflow left people to do.
#[derive(Debug, Serialize, ToSchema)]
pub struct WorkBody {
    /// Its id.
    #[schema(value_type = String, example = "work_0h3kq2m8x7v5t")]
    id: WorkId,
    /// `task` or `call`.
    kind: &'static str,
    /// What is to be done.
    title: String,
    /// The lead it is about.
    #[schema(value_type = String)]
    lead_id: LeadId,
    /// The run that wrote it.
    #[schema(value_type = Option<String>)]
    run_id: Option<RunId>,
    /// Who does it; null is whoever comes first.
    assignee: Option<String>,
    /// Until when.
    due_at: Option<Timestamp>,
    /// What belongs to it.
    #[schema(value_type = Object)]
    data: Value,
    /// When it was written.
    created_at: Timestamp,
}

impl From<WorkView> for WorkBody {
    fn from(work: WorkView) -> Self {
        Self {
            id: work.id,
            kind: work.kind.as_str(),
            title: work.title,
            lead_id: work.lead,
            run_id: work.run,
            assignee: work.assignee,
            due_at: work.due_at,
            data: work.data,
            created_at: work.created_at,
        }
    }
}

/// Tasks and calls that workflows ordered and nobody did yet, newest first.
#[utoipa::path(get, path = "/v1/work", tag = "workflows", params(Page), responses((status = 200, description = "One page", body = Listed<WorkBody>)))]
async fn work(
    State(app): State<App>,
    caller: Caller,
    Queries(page): Queries<Page>,
) -> ApiResult<Json<Listed<WorkBody>>> {
    caller.may(Scope::Read)?;
    let (tenant, most, before) = (caller.home.row.id, page.rows(), page.after::<WorkId>()?);
    let rows = app
        .ask(move |store| store.open_work(tenant, before, most + 1))
        .await?;
    let rows = rows.into_iter().map(WorkBody::from).collect();
    Ok(Json(Listed::cut(rows, most, |work: &WorkBody| {
        work.id.to_string()
    })))
}

/// Says that something was done. 409 `done_before` when somebody was faster.
#[utoipa::path(post, path = "/v1/work/{id}/done", tag = "workflows", params(("id" = String, Path, description = "Its id")), responses((status = 200, description = "It is off the list", body = Object)))]
async fn done(
    State(app): State<App>,
    caller: Caller,
    peer: Peer,
    PathId(id): PathId<WorkId>,
    headers: HeaderMap,
    body: MaybeBody<Nothing>,
) -> ApiResult<Response> {
    caller.may(Scope::Leads)?;
    let (tenant, now, actor) = (caller.home.row.id, app.now(), caller.actor());
    let act = Act::new(&caller, peer, "work.done", json!({"work": id}));
    let act = act.once(&headers, &format!("POST /v1/work/{id}/done"), &body.raw)?;
    let deed = move |writer: &Writer| finish(writer, tenant, id, &actor, now);
    app.administer(act, deed).await
}

/// It was done; once.
fn finish(
    writer: &Writer,
    tenant: ringback_core::ids::TenantId,
    id: WorkId,
    actor: &str,
    now: Timestamp,
) -> Result<Deed, ApiError> {
    match writer.finish_work(tenant, id, actor, now)? {
        Some(true) => Ok(Deed::done(&json!({"id": id, "status": "done"}))),
        Some(false) => Err(ApiError::conflict(
            "done_before",
            "Somebody said before that it was done.",
        )),
        None => Err(ApiError::not_found()),
    }
}
