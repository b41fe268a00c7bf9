//! Changing what is known about a lead: PATCH merges, PUT replaces, DELETE forgets.

use super::find;
use super::routes::{AddressBody, LeadBody, attributes, email, phone, text};
use super::views::LeadView;
use crate::app::App;
use crate::http::once::mark;
use crate::http::{ApiError, ApiResult, Body, Caller, PathId, Scope, once, reply, reply_as};
use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use ringback_core::contact::{Email, Phone};
use ringback_core::ids::LeadId;
use ringback_core::leads::Profile;
use ringback_core::places::Region;
use ringback_core::turn::{Answer, Edit, Intake};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(find::one, patch, replace, delete))
}

/// What to change about a lead. A field that is not named stays; null empties it.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct LeadPatch {
    /// Given name.
    #[serde(deserialize_with = "told")]
    first_name: Option<Option<String>>,
    /// Family name.
    #[serde(deserialize_with = "told")]
    last_name: Option<Option<String>>,
    /// The phone: a new one is added and becomes the first; null takes all off.
    #[serde(deserialize_with = "told")]
    phone: Option<Option<String>>,
    /// The email address: a new one is added and becomes the first; null takes all off.
    #[serde(deserialize_with = "told")]
    email: Option<Option<String>>,
    /// Where the lead came from.
    #[serde(deserialize_with = "told")]
    source: Option<Option<String>>,
    /// Attributes by name; null takes one off.
    #[schema(value_type = Object)]
    attributes: Map<String, Value>,
    /// Parts of the address.
    address: Option<AddressPatch>,
    /// IANA time zone.
    #[serde(deserialize_with = "told")]
    time_zone: Option<Option<String>>,
    /// All tags.
    tags: Option<Vec<String>>,
}

/// Parts of an address to change.
#[derive(Debug, Default, Deserialize, Serialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct AddressPatch {
    /// City.
    #[serde(deserialize_with = "told")]
    city: Option<Option<String>>,
    /// State or region.
    #[serde(deserialize_with = "told")]
    state: Option<Option<String>>,
    /// Postal code.
    #[serde(deserialize_with = "told")]
    zip: Option<Option<String>>,
    /// ISO 3166-1 alpha-2.
    #[serde(deserialize_with = "told")]
    country: Option<Option<String>>,
}

/// Tells a null from a field that is not there.
pub(crate) fn told<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Option<Option<T>>, D::Error> {
    Option::<T>::deserialize(deserializer).map(Some)
}

const MOST_TAGS: usize = 50;

/// Changes some of what is known about a lead.
#[utoipa::path(patch, path = "/v1/leads/{id}", tag = "leads", params(("id" = String, Path, description = "The lead's id")), request_body(content = LeadPatch, example = json!({"first_name": "Dana", "attributes": {"vehicle_year": 2019}, "time_zone": null})),
    responses((status = 200, description = "The lead as it is now", body = LeadView)))]
async fn patch(
    State(app): State<App>,
    caller: Caller,
    PathId(id): PathId<LeadId>,
    headers: HeaderMap,
    body: Body<LeadPatch>,
) -> ApiResult<Response> {
    caller.may(Scope::Leads)?;
    super::may_touch(&app, &caller, id).await?;
    let once = once(&headers, &format!("PATCH /v1/leads/{id}"), &body.raw)?;
    let edit = body.value.parse(
        id,
        caller.home.tenant.config.settings.region,
        caller.actor(),
    )?;
    let answer = app
        .take(caller.home.row.id, Intake::Edit(Box::new(edit)), once)
        .await?;
    settled(&app, &caller, id, &answer).await
}

/// Replaces what is known about a lead: what is not named is emptied. Consents, products and history stay.
#[utoipa::path(put, path = "/v1/leads/{id}", tag = "leads", params(("id" = String, Path, description = "The lead's id")), request_body = LeadBody,
    responses((status = 200, description = "The lead as it is now", body = LeadView)))]
async fn replace(
    State(app): State<App>,
    caller: Caller,
    PathId(id): PathId<LeadId>,
    headers: HeaderMap,
    body: Body<LeadBody>,
) -> ApiResult<Response> {
    caller.may(Scope::Leads)?;
    super::may_touch(&app, &caller, id).await?;
    let once = once(&headers, &format!("PUT /v1/leads/{id}"), &body.raw)?;
    let told = body.value;
    if !told.consents.is_empty() {
        return Err(ApiError::invalid(
            "consents",
            "Consents are written down with POST /v1/consents; they are never replaced.",
        ));
    }
    if told.product.is_some() {
        return Err(ApiError::invalid(
            "product",
            "A lead comes into a product with POST /v1/leads/{id}/stage.",
        ));
    }
    let capture = told.parse(caller.home.tenant.config.settings.region)?;
    let (profile, mut clear) = (
        capture.profile,
        vec!["attributes".to_owned(), "tags".to_owned()],
    );
    let gone = [
        ("first_name", profile.first_name.is_none()),
        ("last_name", profile.last_name.is_none()),
        ("source", profile.source.is_none()),
        ("city", profile.city.is_none()),
        ("state", profile.state.is_none()),
        ("zip", profile.zip.is_none()),
        ("country", profile.country.is_none()),
        ("time_zone", profile.time_zone.is_none()),
        ("phone", capture.phone.is_none()),
        ("email", capture.email.is_none()),
    ];
    clear.extend(
        gone.into_iter()
            .filter(|(_, gone)| *gone)
            .map(|(name, _)| name.to_owned()),
    );
    let edit = Edit {
        lead: id,
        profile,
        clear,
        phone: capture.phone,
        email: capture.email,
        actor: caller.actor(),
    };
    let answer = app
        .take(caller.home.row.id, Intake::Edit(Box::new(edit)), once)
        .await?;
    settled(&app, &caller, id, &answer).await
}

/// Forgets a lead: personal data go, waiting messages are taken back, what is suppressed stays suppressed.
#[utoipa::path(delete, path = "/v1/leads/{id}", tag = "leads", params(("id" = String, Path, description = "The lead's id")), responses((status = 204, description = "It is gone")))]
async fn delete(
    State(app): State<App>,
    caller: Caller,
    PathId(id): PathId<LeadId>,
) -> ApiResult<Response> {
    caller.may(Scope::Leads)?;
    super::may_touch(&app, &caller, id).await?;
    let answer = app
        .take(
            caller.home.row.id,
            Intake::Delete {
                lead: id,
                actor: caller.actor(),
            },
            None,
        )
        .await?;
    Ok(reply_as(&answer, StatusCode::NO_CONTENT))
}

/// What went well is answered with the lead as it is now.
pub(super) async fn settled(
    app: &App,
    caller: &Caller,
    id: LeadId,
    answer: &Answer,
) -> ApiResult<Response> {
    let response = reply(answer);
    if !response.status().is_success() {
        return Ok(response);
    }
    let mut whole = Json(find::whole(app, caller, id).await?).into_response();
    if matches!(answer, Answer::Repeated { .. }) {
        mark(&mut whole);
    }
    Ok(whole)
}

/// Fields that were told, taken apart into what to set and what to empty.
struct Parts {
    clear: Vec<String>,
}

impl Parts {
    fn text(
        &mut self,
        told: Option<Option<String>>,
        name: &'static str,
        field: &'static str,
    ) -> Result<Option<String>, ApiError> {
        let Some(told) = told else { return Ok(None) };
        let value = text(told, field)?;
        if value.is_none() {
            self.clear.push(name.to_owned());
        }
        Ok(value)
    }
}

impl LeadPatch {
    fn parse(self, lead: LeadId, region: Region, actor: String) -> Result<Edit, ApiError> {
        let mut parts = Parts { clear: Vec::new() };
        let address = self.address.unwrap_or_default();
        let phone: Option<Phone> = parts
            .text(self.phone, "phone", "phone")?
            .map(|typed| phone(&typed, region, "phone"))
            .transpose()?;
        let email: Option<Email> = match self.email {
            Some(Some(typed)) if !typed.trim().is_empty() => Some(email(&typed, "email")?),
            Some(_) => {
                parts.clear.push("email".into());
                None
            }
            None => None,
        };
        let mut known = Map::new();
        for (name, value) in self.attributes {
            if value.is_null() {
                parts.clear.push(format!("attributes.{name}"));
            } else {
                known.insert(name, value);
            }
        }
        if parts.clear.len() > 200 {
            return Err(ApiError::invalid("attributes", "At most 100 attributes."));
        }
        // The same reading as for a new lead, so that both refuse the same.
        let body = LeadBody {
            first_name: parts.text(self.first_name, "first_name", "first_name")?,
            last_name: parts.text(self.last_name, "last_name", "last_name")?,
            source: parts.text(self.source, "source", "source")?,
            attributes: attributes(known)?,
            address: Some(AddressBody {
                city: parts.text(address.city, "city", "address.city")?,
                state: parts.text(address.state, "state", "address.state")?,
                zip: parts.text(address.zip, "zip", "address.zip")?,
                country: parts.text(address.country, "country", "address.country")?,
            }),
            time_zone: parts.text(self.time_zone, "time_zone", "time_zone")?,
            ..LeadBody::default()
        };
        let mut profile: Profile = body.parse(region)?.profile;
        if let Some(tags) = self.tags {
            profile.tags = read_tags(tags)?;
            parts.clear.push("tags".into());
        }
        Ok(Edit {
            lead,
            profile,
            clear: parts.clear,
            phone,
            email,
            actor,
        })
    }
}

fn read_tags(tags: Vec<String>) -> Result<Vec<String>, ApiError> {
    if tags.len() > MOST_TAGS {
        return Err(ApiError::invalid("tags", "At most 50 tags."));
    }
    let mut out: Vec<String> = Vec::new();
    for tag in tags {
        if let Some(tag) = text(Some(tag), "tags")?
            && !out.contains(&tag)
        {
            out.push(tag);
        }
    }
    Ok(out)
}
