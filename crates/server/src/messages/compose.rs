//! A message that a person or a system of the tenant asks for.

use super::find::channel;
use crate::app::App;
use crate::http::{ApiError, ApiResult, Body, Caller, Scope, once, reply};
use crate::leads::{email, may_touch, phone, text};
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use ringback_core::ids::LeadId;
use ringback_core::messages::{Category, ChannelKind};
use ringback_core::time::Timestamp;
use ringback_core::turn::{Compose, Intake, Tenant};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

/// A message to send: to a lead, a staff member or a bare number or address; with a text or a template.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ComposeBody {
    /// To this lead.
    #[schema(value_type = Option<String>, example = "lead_0h3kq2m8x7v5t")]
    lead_id: Option<LeadId>,
    /// To this staff member, by name.
    staff_id: Option<String>,
    /// To this number or address.
    to: Option<String>,
    /// `sms` or `email`.
    #[schema(example = "sms")]
    channel: String,
    /// `transactional`, `promotional` or `staff`.
    #[schema(example = "transactional")]
    category: String,
    /// The text.
    #[schema(example = "On our way")]
    body: Option<String>,
    /// Or a template by name.
    template: Option<String>,
    /// The subject of a mail with a text.
    subject: Option<String>,
    /// What the template is filled with beside the lead.
    #[schema(value_type = Object)]
    data: Map<String, Value>,
    /// Not before this instant.
    send_at: Option<Timestamp>,
}

/// What became of it.
#[derive(Debug, Serialize, ToSchema)]
pub struct ComposedBody {
    /// Its id.
    #[schema(example = "msg_0h3kq2m8x7v5t")]
    pub id: String,
    /// Where it stands.
    #[schema(example = "sending")]
    pub status: String,
    /// Why, when that is not plain.
    pub why: Option<String>,
}

const MOST_SMS: usize = 1_600;
const MOST_MAIL: usize = 100_000;
const MOST_DATA: usize = 32 << 10;

/// Sends a message, through the same gates as every other. The answer says where it stands after them; 201 does not mean that it went.
#[utoipa::path(post, path = "/v1/messages", tag = "messages", request_body(content = ComposeBody, example = json!({"lead_id": "lead_0h3kq2m8x7v5t", "channel": "sms", "category": "transactional", "body": "On our way"})),
    responses((status = 201, description = "It was decided", body = ComposedBody)))]
pub(super) async fn compose(
    State(app): State<App>,
    caller: Caller,
    headers: HeaderMap,
    body: Body<ComposeBody>,
) -> ApiResult<Response> {
    caller.may(Scope::Send)?;
    let once = once(&headers, "POST /v1/messages", &body.raw)?;
    let compose = body.value.parse(&caller, app.now())?;
    if let Some(lead) = compose.lead {
        may_touch(&app, &caller, lead).await?;
    }
    let answer = app
        .take(caller.home.row.id, Intake::Compose(Box::new(compose)), once)
        .await?;
    Ok(reply(&answer))
}

impl ComposeBody {
    fn parse(self, caller: &Caller, now: Timestamp) -> Result<Compose, ApiError> {
        let tenant = &caller.home.tenant;
        if self.channel.is_empty() {
            return Err(missing("channel"));
        }
        let kind = channel(&self.channel)?;
        if kind == ChannelKind::Webhook {
            return Err(ApiError::invalid(
                "channel",
                "Webhooks are called by workflows; write by sms or email.",
            ));
        }
        let targets = [
            self.lead_id.is_some(),
            self.staff_id.is_some(),
            self.to.is_some(),
        ]
        .into_iter()
        .filter(|given| *given)
        .count();
        if targets != 1 {
            return Err(ApiError::invalid(
                "lead_id",
                "Name exactly one of lead_id, staff_id and to.",
            ));
        }
        let to = self
            .to
            .map(|typed| address(&typed, kind, tenant))
            .transpose()?;
        let category = category(
            &self.category,
            self.staff_id.is_some(),
            to.as_deref(),
            tenant,
        )?;
        let body = self.body.filter(|body| !body.trim().is_empty());
        match (&body, &self.template) {
            (None, None) => {
                return Err(ApiError::invalid("body", "Send a body or name a template."));
            }
            (Some(_), Some(_)) => {
                return Err(ApiError::invalid(
                    "template",
                    "Send a body or name a template, not both.",
                ));
            }
            _ => {}
        }
        if let Some(body) = &body {
            check_text(body, kind)?;
        }
        if serde_json::to_vec(&self.data).map_or(0, |text| text.len()) > MOST_DATA {
            return Err(ApiError::invalid("data", "Data hold at most 32 KB."));
        }
        if self
            .send_at
            .is_some_and(|at| at.duration_since(now) > jiff::SignedDuration::from_hours(24 * 366))
        {
            return Err(ApiError::invalid(
                "send_at",
                "This is more than a year ahead.",
            ));
        }
        Ok(Compose {
            lead: self.lead_id,
            staff: self.staff_id,
            to,
            channel: kind,
            category,
            body,
            subject: text(self.subject, "subject")?,
            template: text(self.template, "template")?,
            data: Value::Object(self.data),
            send_at: self.send_at,
            actor: caller.actor(),
            sandbox: caller.sandbox(),
        })
    }
}

fn missing(field: &'static str) -> ApiError {
    ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, crate::http::Code::Missing)
        .say(format!("`{field}` is missing."))
        .at(field)
}

/// Reads a number or an address as it was typed.
pub(crate) fn address(
    typed: &str,
    channel: ChannelKind,
    tenant: &Tenant,
) -> Result<String, ApiError> {
    Ok(match channel {
        ChannelKind::Sms => phone(typed, tenant.config.settings.region, "to")?
            .as_str()
            .to_owned(),
        ChannelKind::Email | ChannelKind::Webhook => email(typed, "to")?.key(),
    })
}

/// The category decides which gates hold a message, so nobody may choose one that a recipient does not have: `staff` is for people of
/// the business alone, and emergencies are never composed (C2, C4).
fn category(
    name: &str,
    to_staff: bool,
    to: Option<&str>,
    tenant: &Tenant,
) -> Result<Category, ApiError> {
    if name.is_empty() {
        return Err(missing("category"));
    }
    let category = Category::from_name(name).ok_or_else(|| {
        ApiError::invalid(
            "category",
            "A category is transactional, promotional or staff.",
        )
    })?;
    let ours = to_staff
        || to.is_some_and(|to| {
            tenant.staff.iter().any(|one| {
                one.phone.as_deref() == Some(to)
                    || one
                        .email
                        .as_ref()
                        .is_some_and(|email| email.eq_ignore_ascii_case(to))
            })
        });
    match category {
        Category::Emergency => Err(ApiError::invalid(
            "category",
            "Emergency messages concern the recipient's own health and safety; they are not composed by hand.",
        )),
        Category::Staff if !ours => Err(ApiError::invalid(
            "category",
            "Staff messages go to people of the business; a lead's are transactional or promotional.",
        )),
        other => Ok(other),
    }
}

/// Refuses words that are too long for the channel or hold control characters.
pub(crate) fn check_text(body: &str, channel: ChannelKind) -> Result<(), ApiError> {
    let most = if channel == ChannelKind::Sms {
        MOST_SMS
    } else {
        MOST_MAIL
    };
    if body.chars().count() > most {
        return Err(ApiError::invalid(
            "body",
            format!("A text by {channel} has at most {most} characters."),
        ));
    }
    if body
        .chars()
        .any(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t'))
    {
        return Err(ApiError::invalid(
            "body",
            "The text holds a control character.",
        ));
    }
    Ok(())
}
