//! A tenant's accounts at providers: kept sealed (X5), never answered back, tried before they are trusted.

mod views;

use crate::app::App;
use crate::http::{Act, ApiError, ApiResult, Body, Caller, Deed, Listed, PathId, Peer, Scope};
use crate::leads::text;
use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ringback_channels::{Channel, ProviderInfo, catalogue};
use ringback_core::ids::ConnectionId;
use ringback_core::messages::ChannelKind;
use ringback_store::{ConnectionRow, House as _};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use views::ConnectionBody;

pub use views::RestBody;

/// Every route about connections.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list, create))
        .routes(routes!(one, change, remove))
        .routes(routes!(test))
}

/// A new account.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewConnection {
    /// `sms`, `email` or `webhook`.
    #[schema(example = "sms")]
    channel: String,
    /// `twilio`, `http_sms`, `resend`, `ses`, `sendgrid`, `smtp`, `webhook` or `sandbox`.
    #[schema(example = "twilio")]
    provider: String,
    /// A name of your own, unique; workflows call hooks by it.
    #[schema(example = "main")]
    name: String,
    /// The provider's settings, all strings. Secrets are never answered back.
    #[serde(default)]
    #[schema(value_type = Object)]
    settings: BTreeMap<String, String>,
    /// Accounts of a channel are tried in this order, the lowest first.
    #[serde(default)]
    order: Option<i64>,
}

/// What to change about an account.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ConnectionPatch {
    /// Settings to set; null takes one off, the others stay.
    #[schema(value_type = Object)]
    settings: BTreeMap<String, Option<String>>,
    /// The order in which accounts are tried.
    order: Option<i64>,
    /// On or off.
    enabled: Option<bool>,
}

const MOST_CONNECTIONS: usize = 100;
/// Providers answer a probe well before this.
const PROBE: Duration = Duration::from_secs(15);

/// The accounts, in the order in which they are tried.
#[utoipa::path(get, path = "/v1/connections", tag = "connections", responses((status = 200, description = "All of them", body = Listed<ConnectionBody>)))]
async fn list(State(app): State<App>, caller: Caller) -> ApiResult<Json<Listed<ConnectionBody>>> {
    caller.may(Scope::Read)?;
    let tenant = caller.home.row.id;
    let rows = app.ask(move |store| store.connections(tenant)).await?;
    Ok(Json(Listed::all(
        rows.iter()
            .map(|row| ConnectionBody::new(&app, &caller.home, row))
            .collect(),
    )))
}

/// One account.
#[utoipa::path(get, path = "/v1/connections/{id}", tag = "connections", params(("id" = String, Path, description = "The connection's id")), responses((status = 200, description = "The account", body = ConnectionBody)))]
async fn one(
    State(app): State<App>,
    caller: Caller,
    PathId(id): PathId<ConnectionId>,
) -> ApiResult<Json<ConnectionBody>> {
    caller.may(Scope::Read)?;
    let row = row_of(&app, &caller, id).await?;
    Ok(Json(ConnectionBody::new(&app, &caller.home, &row)))
}

async fn row_of(app: &App, caller: &Caller, id: ConnectionId) -> Result<ConnectionRow, ApiError> {
    let tenant = caller.home.row.id;
    let rows = app.ask(move |store| store.connections(tenant)).await?;
    rows.into_iter()
        .find(|row| row.id == id)
        .ok_or_else(ApiError::not_found)
}

/// Adds an account. From now on the channel is served by it instead of the sandbox.
#[utoipa::path(post, path = "/v1/connections", tag = "connections", request_body(content = NewConnection, example = json!({"channel": "sms", "provider": "twilio", "name": "main", "settings": {"account_sid": "AC0123456789abcdef0123456789abcdef", "auth_token": "…", "from": "+13035550100", "campaign": "CM0123456789abcdef"}})),
    responses((status = 201, description = "The account; give `webhook_url` to the provider", body = ConnectionBody)))]
async fn create(
    State(app): State<App>,
    caller: Caller,
    peer: Peer,
    headers: HeaderMap,
    body: Body<NewConnection>,
) -> ApiResult<Response> {
    caller.may_change(Scope::Admin)?;
    let told = body.value;
    let (channel, _) = provider(&told.channel, &told.provider)?;
    let name = text(Some(told.name), "name")?
        .filter(|name| name.len() <= 64)
        .ok_or_else(|| ApiError::invalid("name", "A name has 1 to 64 characters."))?;
    let mut settings = told.settings;
    if told.provider == "sandbox" {
        settings
            .entry("channel".into())
            .or_insert_with(|| channel.as_str().to_owned());
    }
    open(&app, &told.provider, channel, &settings)?;
    let id = ConnectionId::from_raw(app.new_id());
    let tenant = caller.home.row.id;
    let row = ConnectionRow {
        id,
        channel,
        provider: told.provider,
        name,
        settings: app.registry.master().seal(tenant, id, &settings),
        path_secret: URL_SAFE_NO_PAD.encode(crate::clock::random_bytes::<24>()),
        position: order(told.order)?.unwrap_or(0),
        enabled: true,
        trouble: None,
        breaker: None,
        created_at: app.now(),
    };
    let act = Act::new(
        &caller,
        peer,
        "connection.add",
        json!({"id": id, "provider": row.provider, "name": row.name}),
    )
    .once(&headers, "POST /v1/connections", &body.raw)?;
    let answer = ConnectionBody::new(&app, &caller.home, &row);
    let deed = move |writer: &ringback_store::Writer| {
        let have = writer.connections(tenant)?;
        if have.iter().any(|one| one.name == row.name) {
            return Err(ApiError::conflict(
                "name_taken",
                "There is a connection of this name already. Change it, or choose another name.",
            )
            .at("name"));
        }
        if have.len() >= MOST_CONNECTIONS {
            return Err(ApiError::conflict(
                "too_many",
                "There are 100 connections already. Remove one that is not used.",
            ));
        }
        writer.insert_connection(tenant, &row)?;
        Ok(Deed::made(&answer))
    };
    app.administer(act, deed).await
}

/// Changes an account: settings that are not named stay as they are.
#[utoipa::path(patch, path = "/v1/connections/{id}", tag = "connections", params(("id" = String, Path, description = "The connection's id")), request_body = ConnectionPatch, responses((status = 200, description = "The account as it is now", body = ConnectionBody)))]
async fn change(
    State(app): State<App>,
    caller: Caller,
    peer: Peer,
    PathId(id): PathId<ConnectionId>,
    headers: HeaderMap,
    body: Body<ConnectionPatch>,
) -> ApiResult<Response> {
    caller.may_change(Scope::Admin)?;
    let told = body.value;
    let mut row = row_of(&app, &caller, id).await?;
    let tenant = caller.home.row.id;
    let named: Vec<&String> = told.settings.keys().collect();
    let act = Act::new(
        &caller,
        peer,
        "connection.change",
        json!({"id": id, "settings": named, "order": told.order, "enabled": told.enabled}),
    );
    let act = act.once(&headers, &format!("PATCH /v1/connections/{id}"), &body.raw)?;
    if !told.settings.is_empty() {
        // Settings that this server's key does not open any more are replaced as a whole.
        let mut settings = app
            .registry
            .master()
            .open(tenant, id, &row.settings)
            .unwrap_or_default();
        for (name, value) in told.settings {
            match value {
                Some(value) => settings.insert(name, value),
                None => settings.remove(&name),
            };
        }
        open(&app, &row.provider, row.channel, &settings)?;
        row.settings = app.registry.master().seal(tenant, id, &settings);
        row.trouble = None;
        row.breaker = None;
    }
    if let Some(position) = order(told.order)? {
        row.position = position;
    }
    if let Some(enabled) = told.enabled {
        row.enabled = enabled;
        row.breaker = None;
    }
    let answer = ConnectionBody::new(&app, &caller.home, &row);
    let deed = move |writer: &ringback_store::Writer| {
        if !writer.connections(tenant)?.iter().any(|one| one.id == id) {
            return Err(ApiError::not_found());
        }
        writer.update_connection(tenant, &row)?;
        Ok(Deed::done(&answer))
    };
    app.administer(act, deed).await
}

/// Removes an account. When it was the channel's last, the channel is served by the sandbox again.
#[utoipa::path(delete, path = "/v1/connections/{id}", tag = "connections", params(("id" = String, Path, description = "The connection's id")), responses((status = 204, description = "It is gone")))]
async fn remove(
    State(app): State<App>,
    caller: Caller,
    peer: Peer,
    PathId(id): PathId<ConnectionId>,
) -> ApiResult<Response> {
    caller.may_change(Scope::Admin)?;
    let tenant = caller.home.row.id;
    let act = Act::new(&caller, peer, "connection.remove", json!({"id": id}));
    let deed = move |writer: &ringback_store::Writer| {
        if writer.delete_connection(tenant, id)? {
            Ok(Deed::gone())
        } else {
            Err(ApiError::not_found())
        }
    };
    app.administer(act, deed).await
}

/// What a try found.
#[derive(Debug, Serialize, ToSchema)]
pub struct Tried {
    /// Whether the account can be used.
    ok: bool,
    /// What was found, a sentence.
    #[schema(example = "Twilio knows the account, and its number can send texts.")]
    message: String,
    /// The provider's code, when it refused.
    code: Option<String>,
}

/// Tries an account without sending anything to a person.
#[utoipa::path(post, path = "/v1/connections/{id}/test", tag = "connections", params(("id" = String, Path, description = "The connection's id")), responses((status = 200, description = "What was found", body = Tried)))]
async fn test(
    State(app): State<App>,
    caller: Caller,
    PathId(id): PathId<ConnectionId>,
) -> ApiResult<Json<Tried>> {
    caller.may(Scope::Admin)?;
    row_of(&app, &caller, id).await?;
    if let Some(why) = caller.home.broken.get(&id) {
        return Ok(Json(Tried {
            ok: false,
            message: why.clone(),
            code: Some("settings".into()),
        }));
    }
    let channel = caller
        .home
        .channels
        .get(&id)
        .cloned()
        .ok_or_else(ApiError::not_found)?;
    Ok(Json(
        match tokio::time::timeout(PROBE, channel.probe()).await {
            Ok(Ok(message)) => Tried {
                ok: true,
                message,
                code: None,
            },
            Ok(Err(why)) => Tried {
                ok: false,
                message: why.detail,
                code: Some(why.code),
            },
            Err(_) => Tried {
                ok: false,
                message: "The provider did not answer within 15 seconds.".into(),
                code: Some("timeout".into()),
            },
        },
    ))
}

fn order(told: Option<i64>) -> Result<Option<i64>, ApiError> {
    match told {
        Some(n) if !(-1_000_000..=1_000_000).contains(&n) => Err(ApiError::invalid(
            "order",
            "An order is a number from -1000000 to 1000000.",
        )),
        other => Ok(other),
    }
}

fn provider(channel: &str, name: &str) -> Result<(ChannelKind, &'static ProviderInfo), ApiError> {
    let kind = ChannelKind::from_name(channel)
        .ok_or_else(|| ApiError::invalid("channel", "A channel is sms, email or webhook."))?;
    let known = |fits: &dyn Fn(&ProviderInfo) -> bool| {
        let mut names: Vec<&str> = catalogue()
            .iter()
            .filter(|one| fits(one))
            .map(|one| one.name)
            .collect();
        names.dedup();
        names.join(", ")
    };
    if !catalogue().iter().any(|one| one.name == name) {
        return Err(ApiError::invalid(
            "provider",
            format!(
                "There is no provider of this name; there are {}.",
                known(&|_| true)
            ),
        ));
    }
    let info = catalogue()
        .iter()
        .find(|one| one.name == name && one.channel == kind);
    let info = info.ok_or_else(|| {
        ApiError::invalid(
            "provider",
            format!(
                "It does not carry {kind}; that do {}.",
                known(&|one| one.channel == kind)
            ),
        )
    })?;
    Ok((kind, info))
}

/// Opens an account as a check: what is wrong is said with its setting.
fn open(
    app: &App,
    provider: &str,
    channel: ChannelKind,
    settings: &BTreeMap<String, String>,
) -> Result<Arc<dyn Channel>, ApiError> {
    let opened =
        ringback_channels::open(provider, settings, app.registry.http()).map_err(|error| {
            let field = if error.setting == "provider" {
                error.setting
            } else {
                format!("settings.{}", error.setting)
            };
            ApiError::invalid(field, error.advice)
        })?;
    if opened.capabilities().kind != channel {
        return Err(ApiError::invalid(
            "settings.channel",
            format!(
                "These settings are for {}, not for {channel}.",
                opened.capabilities().kind
            ),
        ));
    }
    Ok(opened)
}
