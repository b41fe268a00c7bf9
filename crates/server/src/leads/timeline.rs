//! Everything about a lead, in order (L10): its events, the messages about it and their attempts, read together instead of being
//! written twice. Ids rise with time, so that the three merge by id.

use crate::app::App;
use crate::http::{
    ApiError, ApiResult, Caller, Limit, Listed, PathId, Queries, Scope, not_a_cursor,
};
use axum::Json;
use axum::extract::State;
use ringback_core::ids::{EventId, LeadId, MessageId, TenantId};
use ringback_core::messages::Message;
use ringback_core::time::Timestamp;
use ringback_store::{AwardView, EventView, LeadAttempt, Reader, StoreError};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(timeline))
}

/// Which part of a timeline.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Filters {
    /// Only lines of this type: an event's type, `message` or `attempt`.
    r#type: Option<String>,
    /// Rows a page, 1 to 200; 50 when it is not given.
    #[param(value_type = Option<u32>)]
    limit: Option<Limit>,
    /// The cursor of the page before.
    after: Option<String>,
}

/// One line of a lead's history.
#[derive(Debug, Serialize, ToSchema)]
pub struct TimelineLine {
    /// The event, message or attempt.
    pub id: String,
    /// An event's type such as `lead.captured` or `emergency_click`, `message` or `attempt`.
    pub r#type: String,
    /// When it happened.
    pub at: Timestamp,
    /// Who did it: `lead`, `system`, `provider`, or a person or key by name.
    pub actor: String,
    /// Where it came from.
    pub source: String,
    /// The points it added, over all models; null for what is not scored.
    pub points: Option<i64>,
    /// The rules that fired.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<Object>)]
    pub awards: Vec<Value>,
    /// What came with it.
    #[schema(value_type = Object)]
    pub details: Value,
    #[serde(skip)]
    order: i64,
}

const MOST_ROUNDS: usize = 20;
const STEP: u32 = 200;

/// The history of a lead, newest first.
#[utoipa::path(get, path = "/v1/leads/{id}/timeline", tag = "leads", params(("id" = String, Path, description = "The lead's id"), Filters), responses((status = 200, description = "A page of the history", body = Listed<TimelineLine>)))]
async fn timeline(
    State(app): State<App>,
    caller: Caller,
    PathId(id): PathId<LeadId>,
    Queries(filters): Queries<Filters>,
) -> ApiResult<Json<Listed<TimelineLine>>> {
    caller.may(Scope::Read)?;
    let before = match filters.after.as_deref().filter(|after| !after.is_empty()) {
        Some(after) => read_cursor(after)?,
        None => i64::MAX,
    };
    let most = filters.limit.map_or(50, |limit| limit.0);
    let tenant = caller.home.row.id;
    let page = app
        .ask(move |store| page(store, tenant, id, filters.r#type.as_deref(), before, most))
        .await?;
    page.map(Json).ok_or_else(ApiError::not_found)
}

/// A cursor is the id of the last line, of whatever kind.
fn read_cursor(after: &str) -> Result<i64, ApiError> {
    let letters = after.rsplit('_').next().unwrap_or_default();
    let id: EventId = format!("{}_{letters}", EventId::PREFIX)
        .parse()
        .map_err(|_| not_a_cursor())?;
    Ok(id.raw())
}

fn page(
    store: &Reader<'_>,
    tenant: TenantId,
    lead: LeadId,
    kind: Option<&str>,
    before: i64,
    most: u32,
) -> Result<Option<Listed<TimelineLine>>, StoreError> {
    let Some(lead) = store.lead(tenant, lead)? else {
        return Ok(None);
    };
    let lead = lead.id;
    let awards = store.ledger(tenant, lead)?;
    let mut before = before;
    let mut out: Vec<TimelineLine> = Vec::new();
    for _ in 0..MOST_ROUNDS {
        let lines = step(store, tenant, lead, kind, before, &awards)?;
        let last = lines.last().map(|line| line.order);
        let full = lines.len() == STEP as usize;
        out.extend(
            lines
                .into_iter()
                .filter(|line| kind.is_none_or(|kind| line.r#type == kind)),
        );
        match last {
            Some(last) if full && out.len() <= most as usize => before = last,
            _ => return Ok(Some(Listed::cut(out, most, |line| line.id.clone()))),
        }
    }
    // So much was looked at that the page ends here, full or not.
    Ok(Some(Listed {
        data: out,
        next: Some(EventId::from_raw(before).to_string()),
    }))
}

/// The next lines of all kinds before an id, newest first.
fn step(
    store: &Reader<'_>,
    tenant: TenantId,
    lead: LeadId,
    kind: Option<&str>,
    before: i64,
    awards: &[AwardView],
) -> Result<Vec<TimelineLine>, StoreError> {
    let mut lines = Vec::new();
    let wants = |one: &str| kind.is_none_or(|kind| kind == one);
    if kind.is_none_or(|kind| kind != "message" && kind != "attempt") {
        lines.extend(
            store
                .timeline(tenant, lead, Some(EventId::from_raw(before)), STEP)?
                .into_iter()
                .map(|event| of_event(event, awards)),
        );
    }
    if wants("message") {
        lines.extend(
            store
                .messages_of(tenant, lead, Some(MessageId::from_raw(before)), STEP)?
                .iter()
                .map(of_message),
        );
    }
    if wants("attempt") {
        lines.extend(
            store
                .attempts_of_lead(tenant, lead, before, STEP)?
                .into_iter()
                .map(of_attempt),
        );
    }
    lines.sort_by_key(|line| std::cmp::Reverse(line.order));
    lines.truncate(STEP as usize);
    Ok(lines)
}

fn of_event(event: EventView, awards: &[AwardView]) -> TimelineLine {
    let awards: Vec<&AwardView> = awards
        .iter()
        .filter(|award| award.event == event.id)
        .collect();
    let actor = event.actor.unwrap_or_else(|| {
        let ours = ["score", "stage", "merge", "workflow"].contains(&event.source.as_str());
        if ours { "system".into() } else { "lead".into() }
    });
    TimelineLine {
        id: event.id.to_string(),
        r#type: event.kind,
        at: event.at,
        actor,
        source: event.source,
        points: Some(awards.iter().map(|award| award.points).sum()),
        awards: awards.iter().map(|award| json!({"model": award.model, "rule": award.rule, "points": award.points, "why": award.why})).collect(),
        details: event.properties,
        order: event.id.raw(),
    }
}

fn of_message(message: &Message) -> TimelineLine {
    TimelineLine {
        id: message.id.to_string(),
        r#type: "message".into(),
        at: message.created_at,
        actor: "system".into(),
        source: message
            .step
            .as_deref()
            .map_or("composed", |step| {
                step.split('@').next().unwrap_or_default()
            })
            .to_owned(),
        points: None,
        awards: Vec::new(),
        details: json!({
            "channel": message.channel,
            "category": message.category,
            "status": message.status,
            "staff": message.staff,
            "template": message.template.as_ref().map(|(name, _)| name),
            "sandbox": message.sandbox,
            "why": message.why.as_ref().map(|why| &why.detail),
        }),
        order: message.id.raw(),
    }
}

fn of_attempt(one: LeadAttempt) -> TimelineLine {
    let attempt = one.attempt;
    TimelineLine {
        id: attempt.id.to_string(),
        r#type: "attempt".into(),
        at: attempt.started_at,
        actor: "provider".into(),
        source: attempt
            .connection
            .map_or_else(|| "sandbox".to_owned(), |connection| connection.to_string()),
        points: None,
        awards: Vec::new(),
        details: json!({
            "message_id": one.message,
            "channel": one.channel,
            "staff": one.staff,
            "number": attempt.number,
            "outcome": attempt.outcome,
            "finished_at": attempt.finished_at,
            "why": attempt.why.map(|why| why.detail),
        }),
        order: attempt.id.raw(),
    }
}
