//! What can be shown to a person, a lawyer or an authority: the rules, the chain's anchor, and all about one number or address (C7).

pub mod report;

use crate::app::App;
use crate::http::{ApiError, ApiResult, Caller, Queries, Scope};
use axum::Json;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse as _, Response};
use report::{Report, ReportedAbout, csv};
use ringback_core::consent::rules::{Rule, Rules};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// Every route about compliance.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(rules))
        .routes(routes!(anchor))
        .routes(routes!(about))
}

/// The rules that gates go by.
#[derive(Debug, Serialize, ToSchema)]
pub struct RulesBody {
    /// The version that verdicts name.
    #[schema(example = "2026-11-21")]
    rules_version: String,
    /// The day the facts were read.
    #[schema(value_type = String, example = "2026-11-21")]
    as_of: jiff::civil::Date,
    /// Every rule with an id.
    #[schema(value_type = Vec<Object>)]
    rules: Vec<Rule>,
    /// Hours of states and countries that are narrower than the product's own.
    hours: Vec<HoursBody>,
}

/// Hours of a state or country.
#[derive(Debug, Serialize, ToSchema)]
pub struct HoursBody {
    /// The rule's id.
    #[schema(example = "US-FL")]
    id: String,
    /// Whose hours they are.
    #[schema(example = "Florida")]
    place: String,
    /// Monday to Friday.
    #[schema(example = "08:00-20:00")]
    mon_fri: String,
    /// Saturday.
    saturday: String,
    /// Sunday.
    sunday: String,
    /// Closed on public holidays.
    holidays_closed: bool,
    /// Where it was read.
    source: String,
}

/// Every rule that decides whether and when a message may go, dated, each with where it was read. Not legal advice.
#[utoipa::path(get, path = "/v1/rules", tag = "consents", responses((status = 200, description = "The rules", body = RulesBody)))]
async fn rules(caller: Caller) -> ApiResult<Json<RulesBody>> {
    caller.may(Scope::Read)?;
    let rules = Rules::built_in();
    let hours = rules.hours.all().map(|rule| {
        let [mon_fri, saturday, sunday] = rule.days();
        HoursBody {
            id: rule.id.clone(),
            place: rule.place.clone(),
            mon_fri: mon_fri.to_string(),
            saturday: saturday.to_string(),
            sunday: sunday.to_string(),
            holidays_closed: rule.keeps_holidays(),
            source: rule.source.clone(),
        }
    });
    Ok(Json(RulesBody {
        rules_version: rules.version.clone(),
        as_of: rules.as_of,
        rules: rules.list.clone(),
        hours: hours.collect(),
    }))
}

/// The end of the chain.
#[derive(Debug, Serialize, ToSchema)]
pub struct AnchorBody {
    /// How many entries the chain has, a colon, and what they hash to. Keep it somewhere else; `ringback audit verify --anchor` compares it.
    #[schema(example = "17:9f2c…")]
    anchor: String,
}

/// The anchor of the chain of consents and administrative actions: kept elsewhere, it shows later that nothing before it was changed,
/// taken out or cut off.
#[utoipa::path(get, path = "/v1/audit/anchor", tag = "tenant", responses((status = 200, description = "The anchor", body = AnchorBody)))]
async fn anchor(State(app): State<App>, caller: Caller) -> ApiResult<Json<AnchorBody>> {
    caller.may(Scope::Read)?;
    let tenant = caller.home.row.id;
    let head = app.ask(move |store| store.anchor(tenant)).await?;
    Ok(Json(AnchorBody {
        anchor: head.to_string(),
    }))
}

/// Whom the report is about.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Whom {
    /// The number or email address.
    address: String,
    /// `json` (when it is left out) or `csv`.
    #[serde(default)]
    format: Option<String>,
}

/// All about one number or address: the consent trail, whether it is suppressed, and each message with its time, verdict and calls.
#[utoipa::path(get, path = "/v1/compliance/report", tag = "consents", params(Whom), responses((status = 200, description = "The report", body = Report)))]
async fn about(
    State(app): State<App>,
    caller: Caller,
    Queries(whom): Queries<Whom>,
) -> ApiResult<Response> {
    caller.may(Scope::Read)?;
    let region = caller.home.tenant.config.settings.region;
    let about = ReportedAbout::read(&whom.address, region).ok_or_else(|| {
        ApiError::invalid(
            "address",
            "This is neither a phone number nor an email address.",
        )
    })?;
    let (tenant, now) = (caller.home.row.id, app.now());
    let report = app
        .ask(move |store| report::make(store, tenant, &about, now))
        .await?;
    match whom.format.as_deref() {
        None | Some("json") => Ok(Json(report).into_response()),
        Some("csv") => {
            let kind = [(header::CONTENT_TYPE, "text/csv; charset=utf-8")];
            Ok((kind, csv(&report)).into_response())
        }
        Some(_) => Err(ApiError::invalid("format", "A format is json or csv.")),
    }
}
