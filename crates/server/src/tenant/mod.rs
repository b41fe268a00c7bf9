//! The business itself: who the caller is, its switches (M12), and its audit log (X6).

use crate::app::App;
use crate::http::{
    Act, ApiError, ApiResult, Body, Caller, Deed, Listed, Page, Peer, Queries, Scope, cursor,
};
use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use ringback_core::ids::{KeyId, TenantId};
use ringback_core::time::Timestamp;
use ringback_core::turn::{KillSwitch, Share};
use ringback_store::{House as _, TenantRow};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// Every route about the business itself.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(me))
        .routes(routes!(tenant, switch))
        .routes(routes!(audit))
}

/// Who the caller is.
#[derive(Debug, Serialize, ToSchema)]
pub struct Me {
    /// The business.
    tenant: TenantBody,
    /// The key.
    key: MyKey,
    /// The server's version.
    version: &'static str,
}

/// The key that asks.
#[derive(Debug, Serialize, ToSchema)]
pub struct MyKey {
    /// Its id.
    #[schema(value_type = String)]
    id: KeyId,
    /// Its name.
    name: String,
    /// `secret` or `test`.
    kind: &'static str,
    /// What it opens.
    scopes: Vec<String>,
    /// Until when.
    expires_at: Option<Timestamp>,
}

/// A business.
#[derive(Debug, Serialize, ToSchema)]
pub struct TenantBody {
    /// Its id.
    #[schema(value_type = String, example = "tnt_0h3kq2m8x7v5t")]
    id: TenantId,
    /// Its name in addresses.
    slug: String,
    /// Its name.
    name: String,
    /// True when it was told that everything goes to the sandbox.
    sandbox: bool,
    /// What is switched off: `"all"`, `{"channel": "sms"}`, `{"workflow": "name"}`.
    #[schema(value_type = Vec<Object>)]
    kill: Vec<KillSwitch>,
    /// Requests a minute; null is no limit.
    requests_per_minute: Option<u32>,
    /// Messages an hour; null is no limit.
    messages_per_hour: Option<u32>,
    /// Since when.
    created_at: Timestamp,
}

impl TenantBody {
    fn new(row: &TenantRow) -> Self {
        Self {
            id: row.id,
            slug: row.slug.clone(),
            name: row.name.clone(),
            sandbox: row.sandbox,
            kill: row.kill.clone(),
            requests_per_minute: row.requests_per_minute,
            messages_per_hour: row.messages_per_hour,
            created_at: row.created_at,
        }
    }
}

/// Which business and key this is. Every key may ask.
#[utoipa::path(get, path = "/v1/me", tag = "tenant", responses((status = 200, description = "The business and the key", body = Me)))]
async fn me(caller: Caller) -> Json<Me> {
    let key = &caller.key;
    let key = MyKey {
        id: key.id,
        name: key.name.clone(),
        kind: key.kind.as_str(),
        scopes: key.scopes.clone(),
        expires_at: key.expires_at,
    };
    Json(Me {
        tenant: TenantBody::new(&caller.home.row),
        key,
        version: env!("CARGO_PKG_VERSION"),
    })
}

/// The business and its switches.
#[utoipa::path(get, path = "/v1/tenant", tag = "tenant", responses((status = 200, description = "The business", body = TenantBody)))]
async fn tenant(caller: Caller) -> ApiResult<Json<TenantBody>> {
    caller.may(Scope::Read)?;
    Ok(Json(TenantBody::new(&caller.home.row)))
}

/// Switches to set. What is not named stays.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Switches {
    /// Everything goes to the sandbox.
    sandbox: Option<bool>,
    /// All that is switched off from now on: `"all"`, `{"channel": "sms"}`, `{"workflow": "name"}`; or only for a share of the leads, `{"share": {"workflow": "name", "percent": 10}}`. Empty switches everything on.
    #[schema(value_type = Option<Vec<Object>>)]
    kill: Option<Vec<KillSwitch>>,
}

/// Switches sending off and on: all of it, a channel, a workflow; or everything into the sandbox. Holds from the next message on.
#[utoipa::path(patch, path = "/v1/tenant", tag = "tenant", request_body(content = Switches, example = json!({"kill": [{"channel": "sms"}]})), responses((status = 200, description = "The business as it is now", body = TenantBody)))]
async fn switch(
    State(app): State<App>,
    caller: Caller,
    peer: Peer,
    headers: HeaderMap,
    body: Body<Switches>,
) -> ApiResult<Response> {
    caller.may_change(Scope::Admin)?;
    let told = body.value;
    if let Some(kill) = &told.kill {
        check(kill, &caller)?;
    }
    let (tenant, now) = (caller.home.row.id, app.now());
    let act = Act::new(
        &caller,
        peer,
        "tenant.switch",
        json!({"sandbox": told.sandbox, "kill": told.kill}),
    )
    .once(&headers, "PATCH /v1/tenant", &body.raw)?;
    let deed = move |writer: &ringback_store::Writer| {
        let mut row = writer
            .tenants()?
            .into_iter()
            .find(|row| row.id == tenant)
            .ok_or_else(ApiError::not_found)?;
        row.sandbox = told.sandbox.unwrap_or(row.sandbox);
        if let Some(kill) = told.kill {
            row.kill = begun(kill, &row.kill, now);
        }
        writer.update_tenant(&row)?;
        Ok(Deed::done(&TenantBody::new(&row)))
    };
    app.administer(act, deed).await
}

/// Shares that are new or changed begin now: what failed before does not count against them.
pub(crate) fn begun(
    mut kill: Vec<KillSwitch>,
    before: &[KillSwitch],
    now: Timestamp,
) -> Vec<KillSwitch> {
    for switch in &mut kill {
        if let KillSwitch::Share(share) = switch {
            let same = before.iter().find_map(|one| match one {
                KillSwitch::Share(one)
                    if one.workflow == share.workflow && one.percent == share.percent =>
                {
                    Some(one.since)
                }
                _ => None,
            });
            share.since = same.unwrap_or_else(|| now.as_microsecond());
        }
    }
    kill
}

fn check(kill: &[KillSwitch], caller: &Caller) -> Result<(), ApiError> {
    if kill.len() > 100 {
        return Err(ApiError::invalid("kill", "At most 100 switches."));
    }
    for switch in kill {
        if let KillSwitch::Share(share) = switch
            && (share.percent > 100 || share.back_above > 100)
        {
            return Err(ApiError::invalid(
                "kill",
                "A share is a whole number from 0 to 100.",
            ));
        }
        let (KillSwitch::Workflow(name) | KillSwitch::Share(Share { workflow: name, .. })) = switch
        else {
            continue;
        };
        if !caller.home.tenant.config.workflows.contains_key(name) {
            return Err(ApiError::invalid(
                "kill",
                format!(
                    "There is no workflow `{}`.",
                    name.chars().take(60).collect::<String>()
                ),
            ));
        }
    }
    Ok(())
}

/// An administrative action.
#[derive(Debug, Serialize, ToSchema)]
pub struct AuditBody {
    /// Its place in the log.
    id: String,
    /// When.
    at: Timestamp,
    /// Who.
    #[schema(example = "key:website")]
    actor: String,
    /// From where.
    address: Option<String>,
    /// What.
    #[schema(example = "connection.add")]
    action: String,
    /// Details.
    #[schema(value_type = Object)]
    details: Value,
}

/// What people and keys did, newest first.
#[utoipa::path(get, path = "/v1/audit", tag = "tenant", params(Page), responses((status = 200, description = "A page of the log", body = Listed<AuditBody>)))]
async fn audit(
    State(app): State<App>,
    caller: Caller,
    Queries(page): Queries<Page>,
) -> ApiResult<Json<Listed<AuditBody>>> {
    caller.may(Scope::Admin)?;
    let (tenant, most) = (caller.home.row.id, page.rows());
    let before = cursor::<i64>(page.after.as_deref())?.unwrap_or(i64::MAX);
    let rows = app
        .ask(move |store| store.audit(tenant, before, most + 1))
        .await?;
    let page = Listed::cut(rows, most, |row| row.id.to_string());
    let view = |row: ringback_store::AuditView| AuditBody {
        id: row.id.to_string(),
        at: row.at,
        actor: row.actor,
        address: row.address,
        action: row.action,
        details: row.details,
    };
    Ok(Json(Listed {
        data: page.data.into_iter().map(view).collect(),
        next: page.next,
    }))
}
