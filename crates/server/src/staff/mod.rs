//! Who works the leads: their names, numbers, roles and lists.

mod confirm;

use crate::app::App;
use crate::http::{Act, ApiError, ApiResult, Body, Caller, Deed, Listed, PathText, Peer, Scope};
use crate::leads::{email, phone, text};
use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use ringback_core::turn::StaffMember;
use ringback_core::turn::world::StaffNumber;
use ringback_store::House as _;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(crate) use confirm::routes as confirm_routes;

/// Every route about staff.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list, put))
        .routes(routes!(remove))
}

/// A person who works the leads.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct StaffBody {
    /// The name, unique; it is the id.
    #[schema(example = "Ray Alder")]
    name: String,
    /// Where texts go.
    #[schema(example = "+13035550171")]
    phone: Option<String>,
    /// Where mails go.
    #[schema(example = "ray@example.com")]
    email: Option<String>,
    /// `owner`, `admin`, `agent`, …
    roles: Vec<String>,
    /// Lists that the person is on, such as `emergency`.
    lists: Vec<String>,
    /// On call now.
    on_call: bool,
    /// Whether alerts may come to the number as texts: `unasked`, `asked`, `confirmed` or `stopped`; the person alone decides it (ST-1).
    /// Not read when it is sent.
    #[schema(read_only, example = "confirmed")]
    texts: Option<String>,
}

const MOST_STAFF: usize = 1_000;

/// Everybody who works the leads.
#[utoipa::path(get, path = "/v1/staff", tag = "staff", responses((status = 200, description = "All of them", body = Listed<StaffBody>)))]
async fn list(State(app): State<App>, caller: Caller) -> ApiResult<Json<Listed<StaffBody>>> {
    caller.may(Scope::Read)?;
    let tenant = caller.home.row.id;
    let rows = app
        .ask(move |store| {
            let mut rows = Vec::new();
            for row in store.staff(tenant)? {
                let texts = match &row.phone {
                    Some(phone) => Some(store.staff_number(tenant, phone)?),
                    None => None,
                };
                rows.push((row, texts));
            }
            Ok(rows)
        })
        .await?;
    let view = |(row, texts): (StaffMember, Option<StaffNumber>)| StaffBody {
        texts: texts.map(|texts| texts.as_str().to_owned()),
        name: row.name,
        phone: row.phone,
        email: row.email,
        roles: row.roles,
        lists: row.lists,
        on_call: row.on_call,
    };
    Ok(Json(Listed::all(rows.into_iter().map(view).collect())))
}

/// Adds a person, or changes the one of this name.
#[utoipa::path(post, path = "/v1/staff", tag = "staff", request_body = StaffBody, responses((status = 201, description = "The person was added", body = StaffBody), (status = 200, description = "The person was changed", body = StaffBody)))]
async fn put(
    State(app): State<App>,
    caller: Caller,
    peer: Peer,
    headers: HeaderMap,
    body: Body<StaffBody>,
) -> ApiResult<Response> {
    caller.may_change(Scope::Admin)?;
    let told = body.value;
    let region = caller.home.tenant.config.settings.region;
    let row = StaffMember {
        name: text(Some(told.name), "name")?
            .ok_or_else(|| ApiError::invalid("name", "Name the person."))?,
        phone: told
            .phone
            .filter(|typed| !typed.trim().is_empty())
            .map(|typed| phone(&typed, region, "phone"))
            .transpose()?
            .map(|phone| phone.as_str().to_owned()),
        email: told
            .email
            .filter(|typed| !typed.trim().is_empty())
            .map(|typed| email(&typed, "email"))
            .transpose()?
            .map(|email| email.as_str().to_owned()),
        roles: words(told.roles, "roles")?,
        lists: words(told.lists, "lists")?,
        on_call: told.on_call,
    };
    let tenant = caller.home.row.id;
    let act = Act::new(
        &caller,
        peer,
        "staff.put",
        json!({"name": row.name, "roles": row.roles, "lists": row.lists, "on_call": row.on_call}),
    );
    let act = act.once(&headers, "POST /v1/staff", &body.raw)?;
    let deed = move |writer: &ringback_store::Writer| {
        let have = writer.staff(tenant)?;
        let known = have.iter().any(|one| one.name == row.name);
        if !known && have.len() >= MOST_STAFF {
            return Err(ApiError::conflict(
                "too_many",
                "There are 1000 people already.",
            ));
        }
        writer.put_staff(tenant, &row)?;
        let texts = match &row.phone {
            Some(phone) => Some(writer.staff_number(tenant, phone)?.as_str().to_owned()),
            None => None,
        };
        let view = StaffBody {
            texts,
            name: row.name,
            phone: row.phone,
            email: row.email,
            roles: row.roles,
            lists: row.lists,
            on_call: row.on_call,
        };
        Ok(if known {
            Deed::done(&view)
        } else {
            Deed::made(&view)
        })
    };
    app.administer(act, deed).await
}

/// Removes a person. Alerts that only this person would get are set aside from now on.
#[utoipa::path(delete, path = "/v1/staff/{name}", tag = "staff", params(("name" = String, Path, description = "The person's name")), responses((status = 204, description = "The person is gone")))]
async fn remove(
    State(app): State<App>,
    caller: Caller,
    peer: Peer,
    PathText(name): PathText,
) -> ApiResult<Response> {
    caller.may_change(Scope::Admin)?;
    let tenant = caller.home.row.id;
    let act = Act::new(&caller, peer, "staff.remove", json!({"name": name}));
    let deed = move |writer: &ringback_store::Writer| {
        if writer.delete_staff(tenant, &name)? {
            Ok(Deed::gone())
        } else {
            Err(ApiError::not_found())
        }
    };
    app.administer(act, deed).await
}

fn words(told: Vec<String>, field: &'static str) -> Result<Vec<String>, ApiError> {
    if told.len() > 50 {
        return Err(ApiError::invalid(field, format!("At most 50 {field}.")));
    }
    let mut out: Vec<String> = Vec::new();
    for word in told {
        if let Some(word) = text(Some(word), field)?
            && !out.contains(&word)
        {
            out.push(word);
        }
    }
    Ok(out)
}
