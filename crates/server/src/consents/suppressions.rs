//! The suppression list (C5): who may not be written to, why, and since when.

use crate::app::App;
use crate::http::{
    ApiError, ApiResult, Body, Caller, Listed, Page, PathText, Queries, Scope, not_a_cursor, once,
    reply_as,
};
use crate::leads::{email, phone, text};
use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ringback_core::places::Region;
use ringback_core::time::{Timestamp, from_micros, micros};
use ringback_core::turn::world::{PointKey, PointKind, Suppression};
use ringback_core::turn::{Intake, SuppressOrder};
use ringback_store::SuppressionView;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list, add))
        .routes(routes!(remove))
}

/// An entry of the list.
#[derive(Debug, Serialize, ToSchema)]
pub struct SuppressionBody {
    /// Number or address.
    address: String,
    /// `phone` or `email`.
    #[schema(value_type = Option<String>)]
    kind: Option<PointKind>,
    /// `opted_out`, `unsubscribed`, `complained`, `bounced`, `blocked` or `listed`.
    reason: Option<&'static str>,
    /// Since when.
    at: Timestamp,
    /// How we know.
    how: Option<String>,
}

impl From<SuppressionView> for SuppressionBody {
    fn from(view: SuppressionView) -> Self {
        Self {
            address: view.value,
            kind: view.kind,
            reason: view.reason.map(Suppression::as_str),
            at: view.at,
            how: view.how,
        }
    }
}

/// Who may not be written to, newest first.
#[utoipa::path(get, path = "/v1/suppressions", tag = "consents", params(Page), responses((status = 200, description = "A page of the list", body = Listed<SuppressionBody>)))]
async fn list(
    State(app): State<App>,
    caller: Caller,
    Queries(page): Queries<Page>,
) -> ApiResult<Json<Listed<SuppressionBody>>> {
    caller.may(Scope::Read)?;
    let after = page
        .after
        .as_deref()
        .filter(|after| !after.is_empty())
        .map(|after| read_cursor(after).ok_or_else(not_a_cursor))
        .transpose()?;
    let (tenant, most) = (caller.home.row.id, page.rows());
    let rows = app
        .ask(move |store| store.suppressions_page(tenant, after, most + 1))
        .await?;
    let page = Listed::cut(rows, most, write_cursor);
    Ok(Json(Listed {
        data: page.data.into_iter().map(SuppressionBody::from).collect(),
        next: page.next,
    }))
}

fn write_cursor(view: &SuppressionView) -> String {
    let kind = view.kind.map_or(0, |kind| kind as i64);
    URL_SAFE_NO_PAD.encode(format!("{}|{kind}|{}", micros(view.at), view.value))
}

fn read_cursor(text: &str) -> Option<(Timestamp, PointKind, String)> {
    let text = String::from_utf8(URL_SAFE_NO_PAD.decode(text).ok()?).ok()?;
    let mut parts = text.splitn(3, '|');
    let at = from_micros(parts.next()?.parse().ok()?);
    let kind = PointKind::from_code(parts.next()?.parse().ok()?)?;
    Some((at, kind, parts.next()?.to_owned()))
}

/// Somebody who may not be written to.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct NewSuppression {
    /// The number.
    #[schema(example = "+13035550142")]
    phone: Option<String>,
    /// Or the email address.
    email: Option<String>,
    /// `listed` (when it is not given), `opted_out`, `unsubscribed`, `complained`, `bounced` or `blocked`.
    reason: Option<String>,
    /// How you know, a sentence.
    how: Option<String>,
}

/// Puts a number or address on the list. Messages that wait for it are blocked at once.
#[utoipa::path(post, path = "/v1/suppressions", tag = "consents", request_body = NewSuppression, responses((status = 201, description = "It is on the list", body = Object)))]
async fn add(
    State(app): State<App>,
    caller: Caller,
    headers: HeaderMap,
    body: Body<NewSuppression>,
) -> ApiResult<Response> {
    caller.may_change(Scope::Leads)?;
    let once = once(&headers, "POST /v1/suppressions", &body.raw)?;
    let told = body.value;
    let region = caller.home.tenant.config.settings.region;
    let (kind, value) = match (told.phone, told.email) {
        (Some(typed), None) => (
            PointKind::Phone,
            phone(&typed, region, "phone")?.as_str().to_owned(),
        ),
        (None, Some(typed)) => (PointKind::Email, email(&typed, "email")?.key()),
        _ => return Err(ApiError::invalid("phone", "Name a phone or an email.")),
    };
    let reason = told
        .reason
        .as_deref()
        .map_or(Ok(Suppression::Listed), reason)?;
    let how =
        text(told.how, "how")?.unwrap_or_else(|| format!("Put on the list by {}.", caller.actor()));
    let order = SuppressOrder {
        kind,
        value,
        reason: Some(reason),
        how,
        actor: caller.actor(),
    };
    let answer = app
        .take(caller.home.row.id, Intake::Suppress(Box::new(order)), once)
        .await?;
    Ok(reply_as(&answer, StatusCode::CREATED))
}

fn reason(word: &str) -> Result<Suppression, ApiError> {
    let all = (1..=6).filter_map(Suppression::from_code);
    all.clone().find(|one| one.as_str() == word).ok_or_else(|| {
        let known: Vec<&str> = all.map(Suppression::as_str).collect();
        ApiError::invalid(
            "reason",
            format!("A reason is one of {}.", known.join(", ")),
        )
    })
}

/// Takes a number or address off the list. An opt-out or complaint is the person's own: 409 `person_only`.
#[utoipa::path(delete, path = "/v1/suppressions/{address}", tag = "consents", params(("address" = String, Path, description = "The number or email address")), responses((status = 204, description = "It is off the list")))]
async fn remove(
    State(app): State<App>,
    caller: Caller,
    PathText(address): PathText,
) -> ApiResult<Response> {
    caller.may_change(Scope::Leads)?;
    let tenant = caller.home.row.id;
    let (kind, value) = address_of(&address, caller.home.tenant.config.settings.region)?;
    let key = PointKey {
        tenant,
        kind,
        value: value.clone(),
    };
    let point = app.ask(move |store| store.point(&key)).await?;
    let reason = point
        .and_then(|point| point.suppressed)
        .ok_or_else(ApiError::not_found)?;
    if matches!(reason, Suppression::OptedOut | Suppression::Complained) {
        return Err(ApiError::conflict(
            "person_only",
            "This person said stop. Only they can undo it: with START, or by signing up again.",
        ));
    }
    let order = SuppressOrder {
        kind,
        value,
        reason: None,
        how: format!("Taken off the list by {}.", caller.actor()),
        actor: caller.actor(),
    };
    let answer = app
        .take(tenant, Intake::Suppress(Box::new(order)), None)
        .await?;
    Ok(reply_as(&answer, StatusCode::NO_CONTENT))
}

/// What cannot be a number or address is on no list.
fn address_of(typed: &str, region: Region) -> Result<(PointKind, String), ApiError> {
    let found = if typed.contains('@') {
        email(typed, "address").map(|email| (PointKind::Email, email.key()))
    } else {
        phone(typed, region, "address").map(|phone| (PointKind::Phone, phone.as_str().to_owned()))
    };
    found.map_err(|_| ApiError::not_found())
}
