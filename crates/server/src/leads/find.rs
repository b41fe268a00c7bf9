//! Finding leads: the list with its filters and search, and one lead whole.

use super::views::LeadView;
use crate::app::App;
use crate::http::{ApiError, ApiResult, Caller, Limit, Listed, PathId, Queries, Scope, cursor};
use axum::Json;
use axum::extract::State;
use ringback_core::contact::Phone;
use ringback_core::ids::LeadId;
use ringback_core::time::Timestamp;
use ringback_store::LeadFilter;
use serde::Deserialize;
use std::sync::Arc;

use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list))
}

/// What a list of leads is narrowed by. All that are given must fit.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Filters {
    /// Stage of the first product.
    stage: Option<String>,
    /// First product.
    product: Option<String>,
    /// Where the lead came from.
    source: Option<String>,
    /// Tier of the first product's score.
    tier: Option<String>,
    /// Created at or after, RFC 3339.
    #[param(value_type = Option<String>, example = "2026-11-21T00:00:00Z")]
    created_after: Option<String>,
    /// A name, a phone as typed, an email address or a reference number.
    q: Option<String>,
    /// `ringing`: only those that wait for a person; `known`: only those with a phone or address.
    view: Option<String>,
    /// Rows a page, 1 to 200; 50 when it is not given.
    #[param(value_type = Option<u32>)]
    limit: Option<Limit>,
    /// The cursor of the page before.
    after: Option<String>,
}

const MOST_WORDS: usize = 200;

/// Leads, newest first.
#[utoipa::path(get, path = "/v1/leads", tag = "leads", params(Filters), responses((status = 200, description = "A page of leads", body = Listed<LeadView>)))]
async fn list(
    State(app): State<App>,
    caller: Caller,
    Queries(filters): Queries<Filters>,
) -> ApiResult<Json<Listed<LeadView>>> {
    caller.may(Scope::Read)?;
    let after: Option<LeadId> = cursor(filters.after.as_deref())?;
    let most = filters.limit.map_or(50, |limit| limit.0);
    let filter = filters.read(&caller)?;
    let tenant = Arc::clone(&caller.home.tenant);
    let rows = app
        .ask(move |store| store.leads(tenant.id, &filter, after, most + 1))
        .await?;
    let page = Listed::cut(rows, most, |lead| lead.id.to_string());
    let data = page
        .data
        .into_iter()
        .map(|lead| LeadView::short(&caller.home.tenant, lead))
        .collect();
    Ok(Json(Listed {
        data,
        next: page.next,
    }))
}

impl Filters {
    fn read(self, caller: &Caller) -> Result<LeadFilter, ApiError> {
        let tenant = &caller.home.tenant;
        let mut filter = LeadFilter {
            stage: self.stage,
            product: self.product,
            source: self.source,
            tier: self.tier,
            ..LeadFilter::default()
        };
        let at = |text: String| {
            text.parse::<Timestamp>().map_err(|_| {
                ApiError::invalid(
                    "created_after",
                    "Write a time such as 2026-11-21T16:00:00Z.",
                )
            })
        };
        filter.created_after = self.created_after.map(at).transpose()?;
        match self.view.as_deref() {
            None | Some("" | "all") => {}
            Some("ringing") => filter.ringing = true,
            Some("known") => filter.known = true,
            Some(_) => {
                return Err(ApiError::invalid(
                    "view",
                    "A view is all, known or ringing.",
                ));
            }
        }
        if let Some(words) = self.q.filter(|words| !words.trim().is_empty()) {
            let words = words.trim();
            if words.chars().count() > MOST_WORDS || words.chars().any(char::is_control) {
                return Err(ApiError::invalid(
                    "q",
                    "Search with at most 200 characters.",
                ));
            }
            filter.phone = Phone::parse(words, tenant.config.settings.region)
                .ok()
                .map(|phone| phone.as_str().to_owned());
            filter.number = tenant.references.read(words);
            filter.words = Some(words.to_owned());
        }
        Ok(filter)
    }
}

/// A lead with everything that is known about it; a merged one leads to the one it became.
#[utoipa::path(get, path = "/v1/leads/{id}", tag = "leads", params(("id" = String, Path, description = "The lead's id")), responses((status = 200, description = "The lead", body = LeadView)))]
pub(super) async fn one(
    State(app): State<App>,
    caller: Caller,
    PathId(id): PathId<LeadId>,
) -> ApiResult<Json<LeadView>> {
    caller.may(Scope::Read)?;
    whole(&app, &caller, id).await.map(Json)
}

/// The lead as it is now, or 404.
pub(super) async fn whole(app: &App, caller: &Caller, id: LeadId) -> Result<LeadView, ApiError> {
    let tenant = Arc::clone(&caller.home.tenant);
    app.ask(move |store| LeadView::whole(store, &tenant, id))
        .await?
        .ok_or_else(ApiError::not_found)
}
