//! `/v1/leads`: taking in, reading, editing, listing.

use crate::app::App;
use crate::http::{ApiError, ApiResult, Body, Caller, Code, Peer, Scope, once, reply};
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use ringback_core::consent::{Basis, SoftOptIn};
use ringback_core::contact::{Email, Phone};
use ringback_core::leads::{Overwrite, Profile};
use ringback_core::messages::ChannelKind;
use ringback_core::places::Region;
use ringback_core::time::Timestamp;
use ringback_core::turn::world::Purpose;
use ringback_core::turn::{Capture, ConsentTold, Intake};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// Taking leads in.
pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(capture))
}

/// A lead, as a caller tells it.
#[derive(Debug, Clone, Default, Deserialize, Serialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct LeadBody {
    /// Given name.
    #[schema(example = "Dana")]
    pub first_name: Option<String>,
    /// Family name.
    #[schema(example = "Whitfield")]
    pub last_name: Option<String>,
    /// A phone number as typed; numbers without a country belong to the tenant's region.
    #[schema(example = "(303) 555-0142")]
    pub phone: Option<String>,
    /// An email address.
    #[schema(example = "dana@example.com")]
    pub email: Option<String>,
    /// Where the lead came from.
    #[schema(example = "web-form")]
    pub source: Option<String>,
    /// The product it asks for; else the tenant's routing decides.
    pub product: Option<String>,
    /// What else is known, by name; at most 100 names and 32 KB.
    #[schema(value_type = Object)]
    pub attributes: Map<String, Value>,
    /// Where the person lives or wants the work done.
    pub address: Option<AddressBody>,
    /// IANA time zone that the person confirmed.
    #[schema(example = "America/Denver")]
    pub time_zone: Option<String>,
    /// Consents given with it.
    pub consents: Vec<ConsentBody>,
    /// Only trying things out: nothing leaves the sandbox.
    pub test: bool,
}

/// An address.
#[derive(Debug, Clone, Default, Deserialize, Serialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct AddressBody {
    /// City.
    pub city: Option<String>,
    /// State or region.
    pub state: Option<String>,
    /// Postal code.
    pub zip: Option<String>,
    /// ISO 3166-1 alpha-2.
    pub country: Option<String>,
}

/// A consent, as a caller tells it.
#[derive(Debug, Clone, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ConsentBody {
    /// `sms`, `email`.
    #[schema(example = "sms")]
    pub channel: String,
    /// `promotional`, `transactional`, `automated_call`, `tracking`.
    #[schema(example = "promotional")]
    pub purpose: String,
    /// Granted or refused.
    pub granted: bool,
    /// What the person read.
    #[serde(default)]
    pub wording: Option<String>,
    /// How it was given: `web_form`, `verbal`, …
    #[serde(default = "unknown_method")]
    pub method: String,
    /// The page it was given on.
    #[serde(default)]
    pub page: Option<String>,
    /// Why it counts: `written`, `verbal`, `soft_opt_in`, `implied` (with `expires_at`), `imported` or `provided_number`. Left out, it is
    /// `verbal` when that is the method, else `written`.
    #[serde(default)]
    #[schema(example = "written")]
    pub basis: Option<String>,
    /// From when it counts no more.
    #[serde(default)]
    pub expires_at: Option<Timestamp>,
    /// The conditions of a soft opt-in. With the basis `soft_opt_in` all five must be true.
    #[serde(default)]
    pub soft_opt_in: Option<SoftOptInBody>,
}

/// The five conditions of a soft opt-in (PECR 22(3)); what is left out is not stated, and then it does not count.
#[derive(Debug, Clone, Copy, Default, Deserialize, Serialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SoftOptInBody {
    /// The person gave the details to the business, and no list or third party did.
    #[schema(example = true)]
    from_the_person: bool,
    /// They were given in a sale or in talks about one, such as a quote that was asked for; a mere visit is none.
    #[schema(example = true)]
    in_a_sale: bool,
    /// The offers are about the business's own similar things.
    #[schema(example = true)]
    own_similar_things: bool,
    /// The person could easily refuse when the details were collected.
    #[schema(example = true)]
    refusal_offered: bool,
    /// The person can easily refuse in every message.
    #[schema(example = true)]
    refusal_in_every_message: bool,
}

impl From<SoftOptInBody> for SoftOptIn {
    fn from(body: SoftOptInBody) -> Self {
        Self {
            from_the_person: body.from_the_person,
            in_a_sale: body.in_a_sale,
            own_similar_things: body.own_similar_things,
            refusal_offered: body.refusal_offered,
            refusal_in_every_message: body.refusal_in_every_message,
        }
    }
}

impl From<SoftOptIn> for SoftOptInBody {
    fn from(known: SoftOptIn) -> Self {
        Self {
            from_the_person: known.from_the_person,
            in_a_sale: known.in_a_sale,
            own_similar_things: known.own_similar_things,
            refusal_offered: known.refusal_offered,
            refusal_in_every_message: known.refusal_in_every_message,
        }
    }
}

fn unknown_method() -> String {
    "api".into()
}

const MOST_TEXT: usize = 200;
const MOST_ATTRIBUTES: usize = 100;
const MOST_ATTRIBUTE_BYTES: usize = 32 << 10;

/// Takes a lead in: 201 when it is new, 200 when the person was known and the two became one (L7). Answered after the commit (M1).
#[utoipa::path(post, path = "/v1/leads", tag = "leads", request_body = LeadBody,
    responses((status = 201, description = "A new lead", body = CapturedBody), (status = 200, description = "Merged with a known lead", body = CapturedBody),
        (status = 422, description = "A field cannot be used", body = crate::http::Problem, content_type = "application/problem+json")))]
async fn capture(
    State(app): State<App>,
    caller: Caller,
    Peer(ip): Peer,
    headers: HeaderMap,
    body: Body<LeadBody>,
) -> ApiResult<Response> {
    caller.may(Scope::Leads)?;
    let once = once(&headers, "POST /v1/leads", &body.raw)?;
    let mut capture = body
        .value
        .parse(caller.home.tenant.config.settings.region)?;
    capture.ip = Some(ip.to_string());
    capture.test |= caller.sandbox();
    if let Some(product) = &capture.product
        && caller.home.tenant.config.product(product).is_none()
    {
        return Err(ApiError::invalid(
            "product",
            format!("There is no product `{product}`."),
        ));
    }
    let answer = app
        .take(caller.home.row.id, Intake::Capture(Box::new(capture)), once)
        .await?;
    Ok(reply(&answer))
}

/// What a capture came to.
#[derive(Debug, Serialize, ToSchema)]
pub struct CapturedBody {
    /// The lead's id.
    #[schema(example = "lead_0h3kq2m8x7v5t")]
    pub id: String,
    /// Its reference number.
    #[schema(example = "K7Q2-M9XD")]
    pub reference: String,
    /// `created` or `merged`.
    pub status: String,
    /// Where it stands, by product.
    #[schema(value_type = Object)]
    pub products: Value,
    /// What was decided to say.
    #[schema(value_type = Vec<Object>)]
    pub messages: Value,
}

impl LeadBody {
    /// Parses what a caller told; what cannot be used is said with its field (L6).
    pub(crate) fn parse(self, region: Region) -> Result<Capture, ApiError> {
        let phone = self
            .phone
            .filter(|text| !text.trim().is_empty())
            .map(|typed| phone(&typed, region, "phone"))
            .transpose()?;
        let email = self
            .email
            .filter(|text| !text.trim().is_empty())
            .map(|typed| email(&typed, "email"))
            .transpose()?;
        let address = self.address.unwrap_or_default();
        let attributes = attributes(self.attributes)?;
        let consents = self
            .consents
            .into_iter()
            .enumerate()
            .map(|(at, consent)| consent.parse(at))
            .collect::<Result<Vec<_>, _>>()?;
        if let Some(zone) = &self.time_zone
            && jiff::tz::TimeZone::get(zone).is_err()
        {
            return Err(ApiError::invalid(
                "time_zone",
                format!("`{zone}` is no time zone; write it like America/Denver."),
            ));
        }
        let country = address
            .country
            .map(|text| {
                text.trim().parse::<Region>().map_err(|_| {
                    ApiError::invalid(
                        "address.country",
                        "A country is two letters, such as US or GB.",
                    )
                })
            })
            .transpose()?;
        Ok(Capture {
            profile: Profile {
                first_name: text(self.first_name, "first_name")?,
                last_name: text(self.last_name, "last_name")?,
                source: text(self.source, "source")?,
                city: text(address.city, "address.city")?,
                state: text(address.state, "address.state")?,
                zip: text(address.zip, "address.zip")?,
                country: country.map(|region| region.as_str().to_owned()),
                time_zone: self.time_zone,
                attributes,
                tags: Vec::new(),
            },
            phone,
            email,
            anonymous_id: None,
            product: self.product,
            consents,
            form: None,
            key: None,
            test: self.test,
            own_enquiry: true,
            overwrite: Overwrite::Newer,
            ip: None,
        })
    }
}

/// A text without control characters, trimmed, at most 200 characters; empty is nothing.
pub(crate) fn text(value: Option<String>, field: &'static str) -> Result<Option<String>, ApiError> {
    let Some(value) = value else { return Ok(None) };
    let value = value.trim();
    if value.is_empty() {
        return Ok(None);
    }
    if value.chars().count() > MOST_TEXT {
        return Err(ApiError::invalid(
            field,
            format!("`{field}` has at most {MOST_TEXT} characters."),
        ));
    }
    if value.chars().any(char::is_control) {
        return Err(ApiError::invalid(
            field,
            format!("`{field}` holds a control character."),
        ));
    }
    Ok(Some(value.to_owned()))
}

pub(crate) fn phone(typed: &str, region: Region, field: &'static str) -> Result<Phone, ApiError> {
    Phone::parse(typed, region).map_err(|why| {
        ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, Code::Phone)
            .say(why.advice())
            .at(field)
    })
}

pub(crate) fn email(typed: &str, field: &'static str) -> Result<Email, ApiError> {
    Email::parse(typed).map_err(|why| {
        ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, Code::Email)
            .say(why.advice())
            .at(field)
    })
}

/// Attributes within bounds.
pub(crate) fn attributes(map: Map<String, Value>) -> Result<Map<String, Value>, ApiError> {
    if map.len() > MOST_ATTRIBUTES {
        return Err(ApiError::invalid(
            "attributes",
            format!("At most {MOST_ATTRIBUTES} attributes."),
        ));
    }
    if let Some(name) = map.keys().find(|name| name.is_empty() || name.len() > 100) {
        let shown: String = name.chars().take(20).collect();
        return Err(ApiError::invalid(
            "attributes",
            format!("The attribute name `{shown}…` is empty or longer than 100 bytes."),
        ));
    }
    if map.len() > 10
        && serde_json::to_vec(&map).map_or(0, |text| text.len()) > MOST_ATTRIBUTE_BYTES
        || map
            .values()
            .any(|value| matches!(value, Value::String(text) if text.len() > MOST_ATTRIBUTE_BYTES))
    {
        return Err(ApiError::invalid(
            "attributes",
            "Attributes hold at most 32 KB.",
        ));
    }
    Ok(map)
}

impl ConsentBody {
    pub(crate) fn parse(self, at: usize) -> Result<ConsentTold, ApiError> {
        let field = |name: &str| format!("consents[{at}].{name}");
        let channel = ChannelKind::from_name(&self.channel)
            .ok_or_else(|| ApiError::invalid(field("channel"), "A channel is sms or email."))?;
        let purpose = [
            Purpose::Promotional,
            Purpose::Transactional,
            Purpose::AutomatedCall,
            Purpose::Tracking,
        ]
        .into_iter()
        .find(|purpose| purpose.as_str() == self.purpose);
        let purpose = purpose.ok_or_else(|| {
            ApiError::invalid(
                field("purpose"),
                "A purpose is promotional, transactional, automated_call or tracking.",
            )
        })?;
        let short = |text: Option<String>, most: usize| {
            text.map(|text| {
                text.chars()
                    .filter(|c| !c.is_control())
                    .take(most)
                    .collect::<String>()
            })
        };
        let basis = self.basis.as_deref().map(|name| {
            Basis::from_name(name).filter(|basis| *basis != Basis::Keyword).ok_or_else(|| {
                ApiError::invalid(field("basis"), "A basis is written, verbal, soft_opt_in, implied, imported or provided_number.")
            })
        });
        let basis = basis.transpose()?;
        if basis == Some(Basis::Implied) && self.granted && self.expires_at.is_none() {
            return Err(ApiError::invalid(
                field("expires_at"),
                "Implied consent ends: two years after a purchase, six months after an enquiry. Say when.",
            ));
        }
        let told = ConsentTold {
            channel,
            purpose,
            granted: self.granted,
            wording: short(self.wording, 2_000),
            method: short(Some(self.method), 100).unwrap_or_default(),
            page: short(self.page, 1_000),
            basis,
            expires_at: self.expires_at,
            soft_opt_in: self.soft_opt_in.map(SoftOptIn::from),
        };
        if let Some((name, asks)) = told.lacks() {
            return Err(ApiError::invalid(
                field(&format!("soft_opt_in.{name}")),
                format!(
                    "A soft opt-in counts only when all five of its conditions hold, and this one is missing. {asks} If so, set it to true."
                ),
            ));
        }
        Ok(told)
    }
}
