//! The suppression list (C5): who may not be written to, why, and since when.

use crate::app::App;
use crate::csv;
use crate::http::{
    ApiError, ApiResult, Body, Caller, Listed, Page, PathText, Queries, Scope, Text, not_a_cursor,
    once, reply_as,
};
use crate::leads::{email, phone, text};
use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ringback_core::places::Region;
use ringback_core::time::{Timestamp, from_micros, micros};
use ringback_core::turn::world::{PointKey, PointKind, Suppression};
use ringback_core::turn::{Intake, Order, PERSON_ONLY, SuppressOrder};
use ringback_store::SuppressionView;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list, add))
        .routes(routes!(import))
        .routes(routes!(export))
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
    /// `opted_out`, `unsubscribed`, `complained`, `bounced`, `blocked`, `listed` or `doubted`.
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
    /// `listed` (when it is not given), `opted_out`, `unsubscribed`, `complained`, `bounced`, `blocked` or `doubted`.
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

/// What an import came to.
#[derive(Debug, Serialize, ToSchema)]
pub struct Imported {
    /// How many numbers and addresses are on the list now.
    listed: usize,
    /// Lines that could not be used.
    refused: Vec<RefusedLine>,
}

/// A line that could not be used.
#[derive(Debug, Serialize, ToSchema)]
pub struct RefusedLine {
    /// Its number, from 1.
    line: usize,
    /// Why.
    why: String,
}

/// Puts many numbers and addresses on the list, such as those who said no before. CSV with `address`, then perhaps `reason` and `how`; a
/// first line of these names is passed over. Lines that cannot be used are told, the others count.
#[utoipa::path(post, path = "/v1/suppressions/import", tag = "consents", request_body(content = String, content_type = "text/csv"), responses((status = 200, description = "What it came to", body = Imported)))]
async fn import(
    State(app): State<App>,
    caller: Caller,
    Text(body): Text,
) -> ApiResult<Json<Imported>> {
    caller.may_change(Scope::Leads)?;
    let (tenant, at, actor) = (caller.home.row.id, app.now(), caller.actor());
    let region = caller.home.tenant.config.settings.region;
    let (mut orders, mut refused) = (Vec::new(), Vec::new());
    for (n, cells) in csv::rows(&body).into_iter().enumerate() {
        let cell = |at: usize| {
            cells
                .get(at)
                .map(|cell| cell.trim())
                .filter(|cell| !cell.is_empty())
        };
        let Some(typed) = cell(0) else { continue };
        if n == 0 && typed.eq_ignore_ascii_case("address") {
            continue;
        }
        let read = || -> Result<SuppressOrder, String> {
            let unreadable = "This is neither a phone number nor an email address.";
            let (kind, value) = address_of(typed, region).map_err(|_| unreadable.to_owned())?;
            let why = cell(1)
                .map_or(Ok(Suppression::Listed), reason)
                .map_err(|error| error.detail.into_owned())?;
            let how = text(cell(2).map(str::to_owned), "how")
                .map_err(|error| error.detail.into_owned())?;
            let how = how.unwrap_or_else(|| format!("Put on the list by an import of {actor}."));
            let (reason, actor) = (Some(why), actor.clone());
            Ok(SuppressOrder {
                kind,
                value,
                reason,
                how,
                actor,
            })
        };
        match read() {
            Ok(order) => orders.push(Order {
                tenant,
                at,
                intake: Intake::Suppress(Box::new(order)),
                once: None,
            }),
            Err(why) => refused.push(RefusedLine { line: n + 1, why }),
        }
    }
    let listed = orders.len();
    while !orders.is_empty() {
        let rest = orders.split_off(orders.len().min(TAKEN_AT_ONCE));
        for answer in app.inbox.take_all(orders).await {
            answer?;
        }
        orders = rest;
    }
    Ok(Json(Imported { listed, refused }))
}

/// The whole list as CSV, to keep or to take elsewhere: `address`, `reason`, `how`, `at`.
#[utoipa::path(get, path = "/v1/suppressions/export", tag = "consents", responses((status = 200, description = "The list", body = String, content_type = "text/csv")))]
async fn export(State(app): State<App>, caller: Caller) -> ApiResult<Response> {
    caller.may(Scope::Read)?;
    let tenant = caller.home.row.id;
    let rows = app
        .ask(move |store| {
            let (mut all, mut after) = (Vec::new(), None);
            loop {
                let page = store.suppressions_page(tenant, after.take(), EXPORTED_AT_ONCE)?;
                after = page
                    .last()
                    .and_then(|last| Some((last.at, last.kind?, last.value.clone())));
                let whole = page.len() < EXPORTED_AT_ONCE as usize || after.is_none();
                all.extend(page);
                if whole {
                    return Ok(all);
                }
            }
        })
        .await?;
    let mut out = csv::line(&["address", "reason", "how", "at"]);
    for row in rows {
        let reason = row.reason.map_or("", Suppression::as_str);
        let how = row.how.unwrap_or_default();
        out.push_str(&csv::line(&[&row.value, reason, &how, &row.at.to_string()]));
    }
    let kind = [(header::CONTENT_TYPE, "text/csv; charset=utf-8")];
    Ok((kind, out).into_response())
}

/// Entries of an import that wait for one turn; more would push others out of the queue.
const TAKEN_AT_ONCE: usize = 500;

/// Rows read at a time for an export.
const EXPORTED_AT_ONCE: u32 = 1_000;

fn reason(word: &str) -> Result<Suppression, ApiError> {
    let all = (1..=7).filter_map(Suppression::from_code);
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
    if reason.person_only() {
        return Err(ApiError::conflict("person_only", PERSON_ONLY));
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
