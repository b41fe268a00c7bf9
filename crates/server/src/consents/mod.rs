//! What people allowed (C1), and whom nothing may be sent to (C5).

mod suppressions;

use crate::app::App;
use crate::http::{ApiError, ApiResult, Body, Caller, Listed, Queries, Scope, once, reply_as};
use crate::leads::{ConsentBody, SoftOptInBody, email, may_touch, phone};
use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use ringback_core::ids::{ConsentId, LeadId};
use ringback_core::messages::ChannelKind;
use ringback_core::time::Timestamp;
use ringback_core::turn::world::PointKind;
use ringback_core::turn::{ConsentGiven, Intake};
use ringback_store::ConsentView;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// Every route about consent and suppression.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list, tell))
        .merge(suppressions::routes())
}

/// Whose consents.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Whose {
    /// The lead.
    lead_id: String,
}

/// A grant or revocation.
#[derive(Debug, Serialize, ToSchema)]
pub struct ConsentLine {
    /// Its id.
    #[schema(value_type = String)]
    id: ConsentId,
    /// Number or address.
    address: String,
    /// `sms` or `email`.
    channel: String,
    /// `promotional`, `transactional`, …
    purpose: String,
    /// Granted or taken back.
    granted: bool,
    /// Why it counts: `written`, `verbal`, `provided_number`, `keyword`, `imported`.
    basis: String,
    /// What the person read.
    wording: Option<String>,
    /// What the person wrote.
    wrote: Option<String>,
    /// How it was given.
    method: String,
    /// The page it was given on.
    page: Option<String>,
    /// The address it came from.
    ip: Option<String>,
    /// Who wrote it down.
    actor: Option<String>,
    /// From when it counts no more.
    expires_at: Option<Timestamp>,
    /// The conditions of a soft opt-in, as they were stated; null for any other basis.
    soft_opt_in: Option<SoftOptInBody>,
    /// When its content was erased at the person's request; the chain still holds its place.
    erased_at: Option<Timestamp>,
    /// When.
    at: Timestamp,
}

impl From<ConsentView> for ConsentLine {
    fn from(view: ConsentView) -> Self {
        Self {
            id: ConsentId::from_raw(view.id),
            address: view.value,
            channel: view.channel,
            purpose: view.purpose,
            granted: view.granted,
            basis: view.basis,
            wording: view.wording,
            wrote: view.wrote,
            method: view.method,
            page: view.page,
            ip: view.ip,
            actor: view.actor,
            expires_at: view.expires_at,
            soft_opt_in: view.conditions.map(SoftOptInBody::from),
            erased_at: view.erased_at,
            at: view.at,
        }
    }
}

/// Every consent of a lead, oldest first: nothing is ever changed or removed.
#[utoipa::path(get, path = "/v1/consents", tag = "consents", params(Whose), responses((status = 200, description = "The trail", body = Listed<ConsentLine>)))]
async fn list(
    State(app): State<App>,
    caller: Caller,
    Queries(whose): Queries<Whose>,
) -> ApiResult<Json<Listed<ConsentLine>>> {
    caller.may(Scope::Read)?;
    let id: LeadId = whose
        .lead_id
        .parse()
        .map_err(|error| ApiError::invalid("lead_id", format!("This is {error}.")))?;
    let tenant = caller.home.row.id;
    let found = app
        .ask(move |store| match store.lead(tenant, id)? {
            Some(lead) => store.consents(tenant, lead.id).map(Some),
            None => Ok(None),
        })
        .await?;
    let rows = found.ok_or_else(ApiError::not_found)?;
    Ok(Json(Listed::all(
        rows.into_iter().map(ConsentLine::from).collect(),
    )))
}

/// A consent to write down, of a lead or of a bare number or address.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewConsent {
    /// The lead, all of whose contact points of the channel are meant.
    #[serde(default)]
    #[schema(value_type = Option<String>, example = "lead_0h3kq2m8x7v5t")]
    lead_id: Option<LeadId>,
    /// Or one number or address.
    #[serde(default)]
    to: Option<String>,
    /// `sms` or `email`.
    #[schema(example = "sms")]
    channel: String,
    /// `promotional`, `transactional`, `automated_call` or `tracking`.
    #[schema(example = "promotional")]
    purpose: String,
    /// Granted, or taken back.
    granted: bool,
    /// What the person read or heard.
    #[serde(default)]
    wording: Option<String>,
    /// How it was given: `verbal`, `web_form`, `paper`, …
    #[schema(example = "verbal")]
    method: String,
    /// The page it was given on.
    #[serde(default)]
    page: Option<String>,
    /// Why it counts: `written`, `verbal`, `soft_opt_in`, `implied` (with `expires_at`), `imported` or `provided_number`. Left out, it is
    /// `verbal` when that is the method, else `written`.
    #[serde(default)]
    #[schema(example = "written")]
    basis: Option<String>,
    /// From when it counts no more.
    #[serde(default)]
    expires_at: Option<Timestamp>,
    /// The conditions of a soft opt-in. With the basis `soft_opt_in` all five must be true.
    #[serde(default)]
    soft_opt_in: Option<SoftOptInBody>,
}

/// Writes down that consent was given or taken back. What was taken back holds at once, for messages that wait too.
#[utoipa::path(post, path = "/v1/consents", tag = "consents", request_body = NewConsent, responses((status = 201, description = "It is written down", body = Object), (status = 422, description = "A field cannot be used, such as a soft opt-in that lacks one of its five conditions", body = crate::http::Problem, content_type = "application/problem+json")))]
async fn tell(
    State(app): State<App>,
    caller: Caller,
    headers: HeaderMap,
    body: Body<NewConsent>,
) -> ApiResult<Response> {
    caller.may_change(Scope::Leads)?;
    let once = once(&headers, "POST /v1/consents", &body.raw)?;
    let told = body.value;
    if told.lead_id.is_some() == told.to.is_some() {
        return Err(ApiError::invalid(
            "lead_id",
            "Name a lead_id or a number or address as `to`.",
        ));
    }
    if let Some(lead) = told.lead_id {
        may_touch(&app, &caller, lead).await?;
    }
    let (lead, to) = (told.lead_id, told.to);
    let told = ConsentBody {
        channel: told.channel,
        purpose: told.purpose,
        granted: told.granted,
        wording: told.wording,
        method: told.method,
        page: told.page,
        basis: told.basis,
        expires_at: told.expires_at,
        soft_opt_in: told.soft_opt_in,
    };
    // A single consent has no place in a list; its fields are named as they were sent.
    let told = told.parse(0).map_err(unlisted)?;
    if told.method.trim().is_empty() {
        return Err(ApiError::invalid(
            "method",
            "Say how it was given: verbal, web_form, paper, …",
        ));
    }
    let region = caller.home.tenant.config.settings.region;
    let point = match (to, told.channel) {
        (None, _) => None,
        (Some(typed), ChannelKind::Sms) => Some((
            PointKind::Phone,
            phone(&typed, region, "to")?.as_str().to_owned(),
        )),
        (Some(typed), ChannelKind::Email | ChannelKind::Webhook) => {
            Some((PointKind::Email, email(&typed, "to")?.key()))
        }
    };
    let given = ConsentGiven {
        lead,
        point,
        told,
        actor: caller.actor(),
    };
    let answer = app
        .take(caller.home.row.id, Intake::Consent(Box::new(given)), once)
        .await?;
    Ok(reply_as(&answer, StatusCode::CREATED))
}

fn unlisted(mut error: ApiError) -> ApiError {
    if let Some(field) = &error.field
        && let Some(name) = field.strip_prefix("consents[0].")
    {
        error.field = Some(name.to_owned().into());
    }
    error
}
