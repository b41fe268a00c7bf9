//! The score of a lead, with every point explained (S2).

use super::views::standings;
use crate::app::App;
use crate::http::{ApiError, ApiResult, Caller, PathId, Scope};
use axum::Json;
use axum::extract::State;
use ringback_core::ids::LeadId;
use ringback_core::scoring::{LedgerRow, ScoreView, explain_state};
use ringback_core::time::Timestamp;
use ringback_core::turn::Tenant;
use ringback_store::{Reader, StoreError};
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::Arc;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(score))
}

/// The scores of a lead, by model.
#[derive(Debug, Serialize, ToSchema)]
pub struct Scores {
    /// Points, tier, next tier and the breakdown: every award with its rule, points, instant, event and the reasons in sentences.
    #[schema(value_type = Object, example = json!({"intent": {"points": 50, "tier": "standard", "next_tier": {"name": "immediate", "missing": 30}, "breakdown": [{"rule": "emergency_click", "label": "Tapped Emergency help", "points": 30, "at": "2026-11-21T16:00:00Z", "event": "evt_0h3kq2m8x7v5t", "why": []}]}}))]
    scores: BTreeMap<String, ScoreView>,
}

/// Where a lead stands in each score model and why: the breakdown always adds up to the points.
#[utoipa::path(get, path = "/v1/leads/{id}/score", tag = "leads", params(("id" = String, Path, description = "The lead's id")), responses((status = 200, description = "The scores", body = Scores)))]
async fn score(
    State(app): State<App>,
    caller: Caller,
    PathId(id): PathId<LeadId>,
) -> ApiResult<Json<Scores>> {
    caller.may(Scope::Read)?;
    let tenant = Arc::clone(&caller.home.tenant);
    let now = app.now();
    let scores = app.ask(move |store| read(store, &tenant, id, now)).await?;
    scores
        .map(|scores| Json(Scores { scores }))
        .ok_or_else(ApiError::not_found)
}

fn read(
    store: &Reader<'_>,
    tenant: &Tenant,
    id: LeadId,
    now: Timestamp,
) -> Result<Option<BTreeMap<String, ScoreView>>, StoreError> {
    let Some(lead) = store.lead(tenant.id, id)? else {
        return Ok(None);
    };
    let standings = standings(store, tenant, lead.id)?;
    let ledger = store.ledger(tenant.id, lead.id)?;
    let mut scores = BTreeMap::new();
    let models = lead
        .products
        .iter()
        .flat_map(|placement| tenant.config.models_of(&placement.product));
    for model in models {
        let standing = standings.iter().find(|row| row.model == model.name);
        let awards = ledger.iter().filter(|award| {
            award.model == model.name && standing.is_some_and(|row| row.session == award.session)
        });
        let rows = awards.map(|award| LedgerRow {
            rule: award.rule.clone(),
            points: award.points,
            at: award.at,
            event: Some(award.event.to_string()),
            why: award.why.clone(),
        });
        scores.insert(model.name.clone(), explain_state(model, rows, now));
    }
    Ok(Some(scores))
}
