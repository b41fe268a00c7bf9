//! `/v1/config`: the folder as a whole, its draft, its releases (I5).

use super::{
    Changes, MOST_VERSIONS, Release, Versions, back_to, changes_of, check, conflict, fits, held,
    overtaken, releases, store, versions,
};
use crate::app::App;
use crate::http::{
    Act, ApiError, ApiResult, Body, Caller, Deed, Listed, MaybeBody, Peer, Queries, Scope,
};
use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use ringback_core::config::Problem;
use ringback_core::time::Timestamp;
use ringback_store::{DraftFile, House as _, StoreError, VersionRow, Writer};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::collections::BTreeMap;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// Every route about the configuration as a whole.
pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(read))
        .routes(routes!(draft, put_draft, delete_draft))
        .routes(routes!(publish))
        .routes(routes!(list))
        .routes(routes!(roll_back))
}

/// Most files in one call.
const MOST_FILES: usize = 1_000;
/// Releases that are listed.
const MOST_RELEASES: usize = 100;

/// A file of the configuration.
#[derive(Debug, Serialize, ToSchema)]
pub struct FileBody {
    /// Its version.
    version: i64,
    /// What is in it.
    text: String,
}

/// The configuration.
#[derive(Debug, Serialize, ToSchema)]
pub struct ConfigBody {
    /// The instant of the newest change that is in it.
    release: Option<Timestamp>,
    /// Files by path.
    files: BTreeMap<String, FileBody>,
}

/// As of when.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct At {
    /// As it held at this instant; now when it is not given.
    at: Option<Timestamp>,
}

/// The files that hold, as they are written, with their versions.
#[utoipa::path(get, path = "/v1/config", tag = "configuration", params(At), responses((status = 200, description = "All files", body = ConfigBody)))]
async fn read(
    State(app): State<App>,
    caller: Caller,
    Queries(asked): Queries<At>,
) -> ApiResult<Json<ConfigBody>> {
    caller.may(Scope::Read)?;
    let tenant = caller.home.row.id;
    let (rows, all) = app
        .ask(move |store| {
            let rows = match asked.at {
                Some(at) => store.documents_at(tenant, at)?,
                None => store.documents(tenant)?,
            };
            Ok((rows, store.releases(tenant, MOST_VERSIONS)?))
        })
        .await?;
    let release = all
        .iter()
        .map(|row| row.at)
        .find(|at| asked.at.is_none_or(|then| *at <= then));
    let files = held(rows).into_iter();
    Ok(Json(ConfigBody {
        release,
        files: files
            .map(|(path, document)| {
                let file = FileBody {
                    version: document.version,
                    text: document.text,
                };
                (path, file)
            })
            .collect(),
    }))
}

/// A file as it is to become.
#[derive(Debug, Serialize, ToSchema)]
pub struct DraftBody {
    /// Its path.
    path: String,
    /// What will be in it; null for a file that goes.
    text: Option<String>,
    /// The version that was edited; 0 for a new file.
    base: i64,
    /// When it was written.
    at: Timestamp,
    /// Who wrote it.
    actor: String,
}

/// Files as they are to become.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChangeBody {
    /// Texts by path; null for a file that is to go.
    #[schema(value_type = Object)]
    files: BTreeMap<String, Option<String>>,
    /// The versions that were edited, by path; 0 for a new file. Without it nobody asks whether somebody else was faster.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    base: Option<BTreeMap<String, i64>>,
}

/// What was written, and what is to be known of it.
#[derive(Debug, Serialize, ToSchema)]
pub struct DraftedBody {
    /// Paths of the draft.
    files: Vec<String>,
    /// What is allowed but probably not meant.
    #[schema(value_type = Vec<Object>)]
    warnings: Vec<Problem>,
}

/// What is written and does not hold yet.
#[utoipa::path(get, path = "/v1/config/draft", tag = "configuration", responses((status = 200, description = "The files of the draft", body = Listed<DraftBody>)))]
async fn draft(State(app): State<App>, caller: Caller) -> ApiResult<Json<Listed<DraftBody>>> {
    caller.may(Scope::Read)?;
    let tenant = caller.home.row.id;
    let rows = app.ask(move |store| store.drafts(tenant)).await?;
    let view = |row: DraftFile| DraftBody {
        path: row.path,
        text: row.text,
        base: row.base,
        at: row.at,
        actor: row.actor,
    };
    Ok(Json(Listed::all(rows.into_iter().map(view).collect())))
}

/// Writes down what the files are to become; nothing changes yet. It is checked as a whole, with the files that hold. What was drafted before is
/// replaced. 409 `config_conflict` when a file has another version than `base` says.
#[utoipa::path(put, path = "/v1/config/draft", tag = "configuration", request_body = ChangeBody, responses((status = 200, description = "It is written down", body = DraftedBody)))]
async fn put_draft(
    State(app): State<App>,
    caller: Caller,
    peer: Peer,
    body: Body<ChangeBody>,
) -> ApiResult<Response> {
    caller.may_change(Scope::Admin)?;
    let told = body.value;
    few(&told.files)?;
    let (tenant, now, actor) = (caller.home.row.id, app.now(), caller.actor());
    let changes: Changes = told.files;
    let checked = app
        .ask(move |store| Ok(check(held(store.documents(tenant)?), &changes)))
        .await?
        .map_err(ApiError::configuration)?;
    let edited = told.base;
    let paths: Vec<&String> = checked.changes.keys().collect();
    let act = Act::new(&caller, peer, "config.draft", json!({"paths": paths}));
    let deed = move |writer: &Writer| {
        let there = versions(writer, tenant)?;
        if let Some(base) = &edited {
            let moved = overtaken(base.iter().map(|(path, version)| (path, *version)), &there);
            if !moved.is_empty() {
                return Err(conflict(&moved));
            }
        }
        for before in writer.drafts(tenant)? {
            writer.delete_draft(tenant, &before.path)?;
        }
        for (path, text) in &checked.changes {
            let draft = DraftFile {
                path: path.clone(),
                text: text.clone(),
                base: there.get(path).copied().unwrap_or(0),
                at: now,
                actor: actor.clone(),
            };
            writer.put_draft(tenant, &draft)?;
        }
        let files = checked.changes.keys().cloned().collect();
        let warnings = checked.config.warnings;
        Ok(Deed::done(&DraftedBody { files, warnings }))
    };
    app.administer(act, deed).await
}

/// Forgets the draft.
#[utoipa::path(delete, path = "/v1/config/draft", tag = "configuration", responses((status = 204, description = "There is no draft")))]
async fn delete_draft(State(app): State<App>, caller: Caller, peer: Peer) -> ApiResult<Response> {
    caller.may_change(Scope::Admin)?;
    let tenant = caller.home.row.id;
    let act = Act::new(&caller, peer, "config.draft", json!({"paths": []}));
    let deed = move |writer: &Writer| {
        for before in writer.drafts(tenant)? {
            writer.delete_draft(tenant, &before.path)?;
        }
        Ok(Deed::gone())
    };
    app.administer(act, deed).await
}

/// What is published: the draft, or these files at once.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct PublishBody {
    /// Texts by path instead of the draft; null for a file that is to go.
    #[schema(value_type = Option<Object>)]
    files: Option<BTreeMap<String, Option<String>>>,
    /// The versions that were edited, by path; 0 for a new file. The draft knows its own.
    #[schema(value_type = Option<Object>)]
    base: Option<BTreeMap<String, i64>>,
}

/// What holds from now on.
#[derive(Debug, Serialize, ToSchema)]
pub struct PublishedBody {
    /// The instant of the release, to come back to it later; null when nothing changed.
    release: Option<Timestamp>,
    /// Paths and their versions; 0 for a file that is gone.
    #[schema(value_type = Object)]
    files: BTreeMap<String, i64>,
}

/// Publishes the draft, or the files of the body, in one commit: they hold from now on, runs that are under way go on by their version.
/// 409 `config_conflict` when somebody else stored one of them in the meantime.
#[utoipa::path(post, path = "/v1/config/publish", tag = "configuration", request_body = PublishBody, responses((status = 200, description = "They hold", body = PublishedBody)))]
async fn publish(
    State(app): State<App>,
    caller: Caller,
    peer: Peer,
    headers: HeaderMap,
    body: MaybeBody<PublishBody>,
) -> ApiResult<Response> {
    caller.may_change(Scope::Admin)?;
    let told = body.value;
    let tenant = caller.home.row.id;
    if let Some(files) = &told.files {
        few(files)?;
    }
    let read = app
        .ask(move |store| {
            let drafts = store.drafts(tenant)?;
            let (changes, base) = match told.files {
                Some(files) => (files, told.base),
                None => {
                    let base = drafts.iter().map(|one| (one.path.clone(), one.base));
                    (changes_of(&drafts), Some(base.collect()))
                }
            };
            let there = versions(store, tenant)?;
            let base: Versions = base.unwrap_or_default();
            let moved = overtaken(base.iter().map(|(path, version)| (path, *version)), &there);
            if !moved.is_empty() {
                return Ok(Err(conflict(&moved)));
            }
            let checked = check(held(store.documents(tenant)?), &changes);
            Ok(checked
                .map_err(ApiError::configuration)
                .map(|checked| (changes, checked)))
        })
        .await?;
    let (changes, checked) = read?;
    settle(
        &app,
        &caller,
        peer,
        "config.publish",
        changes,
        checked,
        (&headers, &body.raw),
    )
    .await
}

/// Stores what was checked, and forgets what the draft had of it.
async fn settle(
    app: &App,
    caller: &Caller,
    peer: Peer,
    action: &'static str,
    changes: Changes,
    checked: super::Checked,
    (headers, raw): (&HeaderMap, &[u8]),
) -> ApiResult<Response> {
    let (tenant, now, actor) = (caller.home.row.id, app.now(), caller.actor());
    let paths: Vec<&String> = checked.changes.keys().collect();
    let act = Act::new(caller, peer, action, json!({"paths": paths}));
    let act = act.once(headers, &format!("POST {action}"), raw)?;
    let deed = move |writer: &Writer| {
        let stored = store(writer, tenant, &checked, &actor, now)?;
        let stored = stored.map_err(|moved| conflict(&moved))?;
        for path in changes.keys() {
            writer.delete_draft(tenant, path)?;
        }
        Ok(Deed::done(&PublishedBody {
            release: (!stored.is_empty()).then_some(now),
            files: stored.into_iter().collect(),
        }))
    };
    app.administer(act, deed).await
}

/// Files that changed together.
#[derive(Debug, Serialize, ToSchema)]
pub struct ReleaseBody {
    /// When; `POST /v1/config/rollback` goes back to it.
    at: Timestamp,
    /// Who stored them.
    actor: String,
    /// The files.
    files: Vec<ReleasedFile>,
}

/// A file of a release.
#[derive(Debug, Serialize, ToSchema)]
pub struct ReleasedFile {
    /// Its path.
    path: String,
    /// The version it became.
    version: i64,
    /// It was removed.
    removed: bool,
}

impl From<Release> for ReleaseBody {
    fn from(release: Release) -> Self {
        let file = |row: VersionRow| ReleasedFile {
            path: row.path,
            version: row.version,
            removed: row.removed,
        };
        Self {
            at: release.at,
            actor: release.actor,
            files: release.files.into_iter().map(file).collect(),
        }
    }
}

/// The releases, newest first: what changed together, when, by whom.
#[utoipa::path(get, path = "/v1/config/releases", tag = "configuration", responses((status = 200, description = "The newest hundred", body = Listed<ReleaseBody>)))]
async fn list(State(app): State<App>, caller: Caller) -> ApiResult<Json<Listed<ReleaseBody>>> {
    caller.may(Scope::Read)?;
    let tenant = caller.home.row.id;
    let rows = app
        .ask(move |store| store.releases(tenant, MOST_VERSIONS))
        .await?;
    let all = releases(rows).into_iter().take(MOST_RELEASES);
    Ok(Json(Listed::all(all.map(ReleaseBody::from).collect())))
}

/// Where to go back to.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BackBody {
    /// An instant: the files become again what held then.
    to: Timestamp,
}

/// Makes the files again what held at an instant, as new versions in one commit.
#[utoipa::path(post, path = "/v1/config/rollback", tag = "configuration", request_body = BackBody, responses((status = 200, description = "They hold", body = PublishedBody)))]
async fn roll_back(
    State(app): State<App>,
    caller: Caller,
    peer: Peer,
    headers: HeaderMap,
    body: Body<BackBody>,
) -> ApiResult<Response> {
    caller.may_change(Scope::Admin)?;
    let (tenant, to) = (caller.home.row.id, body.value.to);
    let read = app
        .ask(move |store| {
            let oldest = store.releases(tenant, MOST_VERSIONS)?;
            if oldest.last().is_none_or(|row| row.at > to) {
                return Ok(Err(ApiError::invalid(
                    "to",
                    "Nothing held at that instant. GET /v1/config/releases lists those to go back to.",
                )));
            }
            let changes = back_to(store, tenant, to)?;
            let checked = check(held(store.documents(tenant)?), &changes);
            Ok::<_, StoreError>(checked
                .map_err(ApiError::configuration)
                .map(|checked| (changes, checked)))
        })
        .await?;
    let (changes, checked) = read?;
    settle(
        &app,
        &caller,
        peer,
        "config.rollback",
        changes,
        checked,
        (&headers, &body.raw),
    )
    .await
}

fn few(files: &Changes) -> Result<(), ApiError> {
    if files.len() > MOST_FILES {
        return Err(ApiError::invalid("files", "At most 1,000 files at a time."));
    }
    for (path, text) in files {
        let fits = fits(path, text.as_deref().unwrap_or_default());
        fits.map_err(|problem| ApiError::configuration(vec![problem]))?;
    }
    Ok(())
}
