//! What can be done with a lead: tell an event, move it to a stage, merge it, take it.

use super::edit::settled;
use super::views::LeadView;
use crate::app::App;
use crate::http::{ApiError, ApiResult, Body, Caller, MaybeBody, PathId, Scope, once, reply};
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use ringback_core::ids::LeadId;
use ringback_core::time::Timestamp;
use ringback_core::turn::{Intake, StageMove, Track, Visit, Who};
use serde::Deserialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(event))
        .routes(routes!(stage))
        .routes(routes!(merge))
        .routes(routes!(take))
}

/// Something a lead did.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EventBody {
    /// Its type: letters, digits, `_`, `-` and `.`, at most 100.
    #[schema(example = "emergency_click")]
    r#type: String,
    /// When it happened; now when it is not given.
    #[serde(default)]
    at: Option<Timestamp>,
    /// What came with it, at most 32 KB.
    #[serde(default)]
    #[schema(value_type = Object)]
    properties: Map<String, Value>,
    /// The sender's own name for it, up to 200 characters: the same one again changes nothing.
    #[serde(default)]
    id: Option<String>,
}

const MOST_PROPERTIES: usize = 32 << 10;
const MOST_KEY: usize = 200;

/// Tells that a lead did something: it is scored, and workflows hear of it.
#[utoipa::path(post, path = "/v1/leads/{id}/events", tag = "leads", params(("id" = String, Path, description = "The lead's id")), request_body(content = EventBody, example = json!({"type": "emergency_click"})),
    responses((status = 201, description = "The event, the scores now and what was decided to say", body = Object), (status = 200, description = "It had been told before and changed nothing", body = Object)))]
async fn event(
    State(app): State<App>,
    caller: Caller,
    PathId(id): PathId<LeadId>,
    headers: HeaderMap,
    body: Body<EventBody>,
) -> ApiResult<Response> {
    caller.may(Scope::Leads)?;
    super::may_touch(&app, &caller, id).await?;
    let once = once(&headers, &format!("POST /v1/leads/{id}/events"), &body.raw)?;
    let track = body.value.parse(id, body.raw.len(), app.now())?;
    let answer = app
        .take(caller.home.row.id, Intake::Track(Box::new(track)), once)
        .await?;
    Ok(reply(&answer))
}

impl EventBody {
    fn parse(self, lead: LeadId, bytes: usize, now: Timestamp) -> Result<Track, ApiError> {
        let kind = self.r#type.trim();
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
        if kind.is_empty() || kind.len() > 100 || !kind.chars().all(plain) {
            return Err(ApiError::invalid(
                "type",
                "A type has 1 to 100 letters, digits, `_`, `-` or `.`.",
            ));
        }
        if bytes > MOST_PROPERTIES
            && serde_json::to_vec(&self.properties).map_or(0, |text| text.len()) > MOST_PROPERTIES
        {
            return Err(ApiError::invalid(
                "properties",
                "Properties hold at most 32 KB.",
            ));
        }
        if self.id.as_ref().is_some_and(|id| {
            id.is_empty() || id.len() > MOST_KEY || id.chars().any(char::is_control)
        }) {
            return Err(ApiError::invalid(
                "id",
                "An id has 1 to 200 visible characters.",
            ));
        }
        let happened = self.at.unwrap_or(now);
        if happened.duration_since(now) > jiff::SignedDuration::from_hours(24) {
            return Err(ApiError::invalid(
                "at",
                "This is more than a day ahead. Send UTC, or a time with its offset.",
            ));
        }
        if happened < Timestamp::UNIX_EPOCH {
            return Err(ApiError::invalid("at", "This is before 1970."));
        }
        let path = self
            .properties
            .get("path")
            .and_then(Value::as_str)
            .map(|path| path.chars().take(500).collect());
        Ok(Track {
            who: Who::Lead(lead),
            kind: kind.to_owned(),
            happened,
            properties: Value::Object(self.properties),
            key: self.id,
            source: "api",
            traits: None,
            visit: Visit {
                path,
                ..Visit::default()
            },
            public: false,
            session: true,
        })
    }
}

/// Where to move a lead.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct StageBody {
    /// The product; the lead's first when it is not given.
    #[serde(default)]
    product: Option<String>,
    /// The stage.
    #[schema(example = "contacted")]
    stage: String,
    /// Why, for the history.
    #[serde(default)]
    reason: Option<String>,
}

/// Moves a lead to a stage of a product. 409 `stage_not_allowed` when the pipeline does not let it go there.
#[utoipa::path(post, path = "/v1/leads/{id}/stage", tag = "leads", params(("id" = String, Path, description = "The lead's id")), request_body = StageBody,
    responses((status = 200, description = "The lead as it is now", body = LeadView)))]
async fn stage(
    State(app): State<App>,
    caller: Caller,
    PathId(id): PathId<LeadId>,
    headers: HeaderMap,
    body: Body<StageBody>,
) -> ApiResult<Response> {
    caller.may(Scope::Leads)?;
    super::may_touch(&app, &caller, id).await?;
    let once = once(&headers, &format!("POST /v1/leads/{id}/stage"), &body.raw)?;
    let StageBody {
        product,
        stage,
        reason,
    } = body.value;
    let config = &caller.home.tenant.config;
    if let Some(product) = &product
        && config.product(product).is_none()
    {
        return Err(ApiError::invalid(
            "product",
            format!("There is no product `{}`.", short(product)),
        ));
    }
    let stage = super::text(Some(stage), "stage")?
        .ok_or_else(|| ApiError::invalid("stage", "Name the stage."))?;
    let reason = super::text(reason, "reason")?;
    let order = StageMove {
        lead: id,
        product,
        stage,
        reason,
        actor: caller.actor(),
    };
    let answer = app
        .take(caller.home.row.id, Intake::Stage(order), once)
        .await?;
    settled(&app, &caller, id, &answer).await
}

/// The beginning of a text that was typed, for a sentence.
fn short(text: &str) -> String {
    text.chars().take(60).collect()
}

/// The lead that stays.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MergeBody {
    /// Its id.
    #[schema(value_type = String, example = "lead_0h3kq2m8x7v5t")]
    into: LeadId,
}

/// Makes two leads one: all history becomes the other's, and nothing known is lost (L7).
#[utoipa::path(post, path = "/v1/leads/{id}/merge", tag = "leads", params(("id" = String, Path, description = "The lead that ends")), request_body = MergeBody,
    responses((status = 200, description = "The lead that stays", body = LeadView)))]
async fn merge(
    State(app): State<App>,
    caller: Caller,
    PathId(id): PathId<LeadId>,
    headers: HeaderMap,
    body: Body<MergeBody>,
) -> ApiResult<Response> {
    caller.may(Scope::Leads)?;
    let into = body.value.into;
    super::may_touch(&app, &caller, id).await?;
    super::may_touch(&app, &caller, into).await?;
    let once = once(&headers, &format!("POST /v1/leads/{id}/merge"), &body.raw)?;
    let answer = app
        .take(
            caller.home.row.id,
            Intake::Merge {
                from: id,
                into,
                actor: caller.actor(),
            },
            once,
        )
        .await?;
    settled(&app, &caller, into, &answer).await
}

/// Takes a lead for a person of yours.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct TakeBody {
    /// A staff member by name; the key itself when it is not given.
    by: Option<String>,
}

/// "I take this one": the first one has it, the others hear who was first (W7).
#[utoipa::path(post, path = "/v1/leads/{id}/take", tag = "leads", params(("id" = String, Path, description = "The lead's id")), request_body = TakeBody,
    responses((status = 200, description = "Who has it, since when, and whether it is you: `answered_by`, `at`, `by_you_now`", body = Object)))]
async fn take(
    State(app): State<App>,
    caller: Caller,
    PathId(id): PathId<LeadId>,
    headers: HeaderMap,
    body: MaybeBody<TakeBody>,
) -> ApiResult<Response> {
    caller.may(Scope::Leads)?;
    super::may_touch(&app, &caller, id).await?;
    let once = once(&headers, &format!("POST /v1/leads/{id}/take"), &body.raw)?;
    let actor = match body.value.by {
        Some(name) if caller.home.tenant.staff.iter().any(|one| one.name == name) => name,
        Some(_) => {
            return Err(ApiError::invalid(
                "by",
                "There is no staff member of this name.",
            ));
        }
        None => caller.actor(),
    };
    let answer = app
        .take(caller.home.row.id, Intake::Take { lead: id, actor }, once)
        .await?;
    Ok(reply(&answer))
}
