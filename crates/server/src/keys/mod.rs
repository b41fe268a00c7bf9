//! API keys (X2): shown once, kept as hash, with scopes and an end.

use crate::app::App;
use crate::http::auth::shown_part;
use crate::http::{
    Act, ApiError, ApiResult, Body, Caller, Deed, Listed, PathId, Peer, Scope, hash_key, make_key,
};
use crate::leads::text;
use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use ringback_core::ids::KeyId;
use ringback_core::time::Timestamp;
use ringback_store::{House as _, KeyKind, KeyRow};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// Every route about keys.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list, create))
        .routes(routes!(revoke))
}

/// A key, without the key.
#[derive(Debug, Serialize, ToSchema)]
pub struct KeyBody {
    /// Its id.
    #[schema(value_type = String, example = "key_0h3kq2m8x7v5t")]
    id: KeyId,
    /// `secret`, `test` or `write`.
    #[schema(example = "secret")]
    kind: &'static str,
    /// What people call it.
    name: String,
    /// Its beginning, to tell it from others.
    #[schema(example = "rb_live_x7Kq2m8v")]
    shown: String,
    /// What it opens; `*` is everything of its kind.
    scopes: Vec<String>,
    /// Until when.
    expires_at: Option<Timestamp>,
    /// When it was last used, to the half minute.
    last_used_at: Option<Timestamp>,
    /// Since when it opens nothing.
    revoked_at: Option<Timestamp>,
    /// Since when.
    created_at: Timestamp,
    /// The whole key: only in the answer that made it.
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<String>,
}

impl KeyBody {
    fn new(row: &KeyRow, key: Option<String>) -> Self {
        Self {
            id: row.id,
            kind: row.kind.as_str(),
            name: row.name.clone(),
            shown: row.shown.clone(),
            scopes: row.scopes.clone(),
            expires_at: row.expires_at,
            last_used_at: row.last_used_at,
            revoked_at: row.revoked_at,
            created_at: row.created_at,
            key,
        }
    }
}

/// A key to make.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewKey {
    /// What people call it.
    #[schema(example = "website")]
    name: String,
    /// `secret` (when it is not given), `test` (only reaches the sandbox) or `write` (public, tracking calls only).
    #[serde(default)]
    kind: Option<String>,
    /// `read`, `leads`, `send`, `admin`, or `*` for all, which is the default. No more than the key that asks has itself.
    #[serde(default)]
    scopes: Option<Vec<String>>,
    /// Until when; for ever when it is not given.
    #[serde(default)]
    expires_at: Option<Timestamp>,
    /// A write key of another system to go on using, 8 to 100 letters and digits.
    #[serde(default)]
    value: Option<String>,
}

/// The keys, revoked ones too.
#[utoipa::path(get, path = "/v1/keys", tag = "keys", responses((status = 200, description = "All of them, never with the key itself", body = Listed<KeyBody>)))]
async fn list(State(app): State<App>, caller: Caller) -> ApiResult<Json<Listed<KeyBody>>> {
    caller.may(Scope::Admin)?;
    let tenant = caller.home.row.id;
    let rows = app.ask(move |store| store.keys_of(tenant)).await?;
    Ok(Json(Listed::all(
        rows.iter().map(|row| KeyBody::new(row, None)).collect(),
    )))
}

/// Makes a key. The answer is the only place where it is ever shown.
#[utoipa::path(post, path = "/v1/keys", tag = "keys", request_body = NewKey, responses((status = 201, description = "The key, shown once", body = KeyBody)))]
async fn create(
    State(app): State<App>,
    caller: Caller,
    peer: Peer,
    headers: HeaderMap,
    body: Body<NewKey>,
) -> ApiResult<Response> {
    caller.may_change(Scope::Admin)?;
    let told = body.value;
    let name = text(Some(told.name), "name")?.ok_or_else(|| {
        ApiError::invalid(
            "name",
            "Give the key a name, so that people know what it is for.",
        )
    })?;
    let kind = kind(told.kind.as_deref())?;
    let scopes = scopes(&caller, kind, told.scopes)?;
    let now = app.now();
    if told.expires_at.is_some_and(|at| at <= now) {
        return Err(ApiError::invalid("expires_at", "This is in the past."));
    }
    let (shown, whole) = match told.value {
        Some(value) => adopted(kind, value)?,
        None => {
            let made = make_key(kind);
            (made.shown, made.whole)
        }
    };
    let row = KeyRow {
        id: KeyId::from_raw(app.new_id()),
        tenant: caller.home.row.id,
        kind,
        name,
        shown,
        hash: hash_key(&whole).to_vec(),
        scopes,
        expires_at: told.expires_at,
        last_used_at: None,
        revoked_at: None,
        created_at: now,
    };
    let act = Act::new(
        &caller,
        peer,
        "key.create",
        json!({"id": row.id, "kind": kind.as_str(), "name": row.name, "scopes": row.scopes}),
    );
    let act = act.once(&headers, "POST /v1/keys", &body.raw)?;
    let deed = move |writer: &ringback_store::Writer| {
        // A key that was revoked holds its name too: a value once public may have been copied.
        if writer.keys()?.iter().any(|one| one.shown == row.shown)
            || writer
                .keys_of(row.tenant)?
                .iter()
                .any(|one| one.shown == row.shown)
        {
            return Err(ApiError::conflict(
                "value_taken",
                "This value cannot be used. Choose another, or let the server make one.",
            )
            .at("value"));
        }
        writer.insert_key(&row)?;
        Ok(Deed::made(&KeyBody::new(&row, Some(whole))).secret())
    };
    app.administer(act, deed).await
}

/// Revokes a key: from this instant it opens nothing.
#[utoipa::path(delete, path = "/v1/keys/{id}", tag = "keys", params(("id" = String, Path, description = "The key's id")), responses((status = 204, description = "It opens nothing any more")))]
async fn revoke(
    State(app): State<App>,
    caller: Caller,
    peer: Peer,
    PathId(id): PathId<KeyId>,
) -> ApiResult<Response> {
    caller.may_change(Scope::Admin)?;
    let (tenant, now) = (caller.home.row.id, app.now());
    let act = Act::new(&caller, peer, "key.revoke", json!({"id": id}));
    let deed = move |writer: &ringback_store::Writer| {
        if writer.revoke_key(tenant, id, now)? {
            Ok(Deed::gone())
        } else {
            Err(ApiError::not_found())
        }
    };
    app.administer(act, deed).await
}

fn kind(told: Option<&str>) -> Result<KeyKind, ApiError> {
    match told {
        None => Ok(KeyKind::Secret),
        Some(word) => [KeyKind::Secret, KeyKind::Test, KeyKind::Write]
            .into_iter()
            .find(|kind| kind.as_str() == word)
            .ok_or_else(|| ApiError::invalid("kind", "A kind is secret, test or write.")),
    }
}

/// Nobody can make a key that opens more than their own.
fn scopes(
    caller: &Caller,
    kind: KeyKind,
    told: Option<Vec<String>>,
) -> Result<Vec<String>, ApiError> {
    if kind == KeyKind::Write {
        return match told {
            None => Ok(Vec::new()),
            Some(scopes) if scopes.is_empty() => Ok(scopes),
            Some(_) => Err(ApiError::invalid(
                "scopes",
                "A write key is public: it has no scopes, it only brings tracking calls in.",
            )),
        };
    }
    let own = &caller.key.scopes;
    let all = own.iter().any(|one| one == "*");
    let mut wanted = told.unwrap_or_else(|| own.clone());
    wanted.sort_unstable();
    wanted.dedup();
    if wanted.is_empty() {
        return Err(ApiError::invalid("scopes", "Name at least one scope."));
    }
    for scope in &wanted {
        if scope != "*" && !Scope::ALL.iter().any(|one| one.as_str() == scope) {
            return Err(ApiError::invalid(
                "scopes",
                "A scope is read, leads, send, admin or *.",
            ));
        }
        if !all && !own.contains(scope) {
            return Err(
                ApiError::forbidden("A key cannot make one that opens more than itself.")
                    .at("scopes"),
            );
        }
    }
    Ok(wanted)
}

fn adopted(kind: KeyKind, value: String) -> Result<(String, String), ApiError> {
    if kind != KeyKind::Write {
        return Err(ApiError::invalid(
            "value",
            "Only write keys are adopted; the server makes secret ones.",
        ));
    }
    let plain = value
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'));
    let ours = value.starts_with("rb_live_")
        || value.starts_with("rb_test_")
        || (value.starts_with("rb_write_") && value.len() < 17);
    if !(8..=100).contains(&value.len()) || !plain || ours {
        return Err(ApiError::invalid(
            "value",
            "A write key has 8 to 100 letters, digits, `_` or `-`, and does not begin like a secret key of ours.",
        ));
    }
    Ok((shown_part(&value).to_owned(), value))
}
