//! Documents as they are written: YAML or text in, YAML or text out. Before one is stored the whole configuration is checked with it, so
//! that what the server runs is always of one piece (W5).

use crate::app::App;
use crate::http::{Act, ApiError, ApiResult, Caller, Deed, PathText, Peer, Queries, Scope, Text};
use crate::registry::Home;
use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse as _, Response};
use ringback_core::config::{Document, Problem, load};
use ringback_core::ids::TenantId;
use ringback_core::messages::ChannelKind;
use ringback_store::{DocumentRow, House as _, StoreError, Writer};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::Arc;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(workflow, put_workflow))
        .routes(routes!(template, put_template))
        .routes(routes!(score_model, put_score_model))
        .routes(routes!(product, put_product))
}

/// Which kind of document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Workflow,
    Template,
    ScoreModel,
    Product,
}

impl Kind {
    const fn folder(self) -> &'static str {
        match self {
            Self::Workflow => "workflows/",
            Self::Template => "templates/",
            Self::ScoreModel => "scores/",
            Self::Product => "products/",
        }
    }

    const fn word(self) -> &'static str {
        match self {
            Self::Workflow => "workflow",
            Self::Template => "template",
            Self::ScoreModel => "score model",
            Self::Product => "product",
        }
    }
}

/// Which version.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Version {
    /// An older version; the newest when it is not given.
    version: Option<i64>,
}

/// A document was stored.
#[derive(Debug, Serialize, ToSchema)]
pub struct Stored {
    /// Its place in the tenant's folder.
    #[schema(example = "workflows/hello.yaml")]
    path: String,
    /// Its version, which rises with every change; the same text again is no change.
    version: i64,
    /// What is allowed but probably not meant.
    #[schema(value_type = Vec<Object>)]
    warnings: Vec<Problem>,
}

/// A workflow as it is written. The answer's `ETag` is its version.
#[utoipa::path(get, path = "/v1/workflows/{name}", tag = "workflows", params(("name" = String, Path, description = "The workflow's name"), Version), responses((status = 200, description = "The document", body = String, content_type = "application/yaml")))]
async fn workflow(
    State(app): State<App>,
    caller: Caller,
    PathText(name): PathText,
    Queries(version): Queries<Version>,
) -> ApiResult<Response> {
    read(&app, &caller, Kind::Workflow, name, version).await
}

/// Stores a workflow. Runs that began with an older version go on with that one (W4).
#[utoipa::path(put, path = "/v1/workflows/{name}", tag = "workflows", params(("name" = String, Path, description = "The workflow's name")), request_body(content = String, content_type = "application/yaml"), responses((status = 200, description = "It is in force", body = Stored)))]
async fn put_workflow(
    State(app): State<App>,
    caller: Caller,
    peer: Peer,
    PathText(name): PathText,
    Text(text): Text,
) -> ApiResult<Response> {
    write(&app, &caller, peer, Kind::Workflow, name, text).await
}

/// A template as it is written. `{name}` alone is enough where there is one; else `{name}.sms`, `{name}.email.es` and so on.
#[utoipa::path(get, path = "/v1/templates/{name}", tag = "workflows", params(("name" = String, Path, description = "The template's name, with channel and locale where there are several"), Version), responses((status = 200, description = "The document", body = String, content_type = "text/plain")))]
async fn template(
    State(app): State<App>,
    caller: Caller,
    PathText(name): PathText,
    Queries(version): Queries<Version>,
) -> ApiResult<Response> {
    read(&app, &caller, Kind::Template, name, version).await
}

/// Stores a template. Messages that were decided before keep the words they were decided with (M10).
#[utoipa::path(put, path = "/v1/templates/{name}", tag = "workflows", params(("name" = String, Path, description = "The template's name; a new one with its channel, `hello.sms`")), request_body(content = String, content_type = "text/plain"), responses((status = 200, description = "It is in force", body = Stored)))]
async fn put_template(
    State(app): State<App>,
    caller: Caller,
    peer: Peer,
    PathText(name): PathText,
    Text(text): Text,
) -> ApiResult<Response> {
    write(&app, &caller, peer, Kind::Template, name, text).await
}

/// A score model as it is written.
#[utoipa::path(get, path = "/v1/score-models/{name}", tag = "workflows", params(("name" = String, Path, description = "The model's name"), Version), responses((status = 200, description = "The document", body = String, content_type = "application/yaml")))]
async fn score_model(
    State(app): State<App>,
    caller: Caller,
    PathText(name): PathText,
    Queries(version): Queries<Version>,
) -> ApiResult<Response> {
    read(&app, &caller, Kind::ScoreModel, name, version).await
}

/// Stores a score model. Points that were given stay; new events are scored by it.
#[utoipa::path(put, path = "/v1/score-models/{name}", tag = "workflows", params(("name" = String, Path, description = "The model's name")), request_body(content = String, content_type = "application/yaml"), responses((status = 200, description = "It is in force", body = Stored)))]
async fn put_score_model(
    State(app): State<App>,
    caller: Caller,
    peer: Peer,
    PathText(name): PathText,
    Text(text): Text,
) -> ApiResult<Response> {
    write(&app, &caller, peer, Kind::ScoreModel, name, text).await
}

/// A product as it is written.
#[utoipa::path(get, path = "/v1/products/{name}", tag = "workflows", params(("name" = String, Path, description = "The product's name"), Version), responses((status = 200, description = "The document", body = String, content_type = "application/yaml")))]
async fn product(
    State(app): State<App>,
    caller: Caller,
    PathText(name): PathText,
    Queries(version): Queries<Version>,
) -> ApiResult<Response> {
    read(&app, &caller, Kind::Product, name, version).await
}

/// Stores a product with its pipeline.
#[utoipa::path(put, path = "/v1/products/{name}", tag = "workflows", params(("name" = String, Path, description = "The product's name")), request_body(content = String, content_type = "application/yaml"), responses((status = 200, description = "It is in force", body = Stored)))]
async fn put_product(
    State(app): State<App>,
    caller: Caller,
    peer: Peer,
    PathText(name): PathText,
    Text(text): Text,
) -> ApiResult<Response> {
    write(&app, &caller, peer, Kind::Product, name, text).await
}

async fn read(
    app: &App,
    caller: &Caller,
    kind: Kind,
    name: String,
    version: Version,
) -> ApiResult<Response> {
    caller.may(Scope::Read)?;
    let (tenant, home) = (caller.home.row.id, Arc::clone(&caller.home));
    let found = app
        .ask(move |store| {
            let paths: Vec<String> = store
                .documents(tenant)?
                .into_iter()
                .map(|document| document.path)
                .collect();
            match place(&home, kind, &name, &paths) {
                Ok(Place::Known(path)) => store.document(tenant, &path, version.version),
                _ => Ok(None),
            }
        })
        .await?;
    let document = found.ok_or_else(ApiError::not_found)?;
    let DocumentRow {
        path,
        version,
        text: Some(text),
    } = document
    else {
        return Err(ApiError::not_found());
    };
    let kind = if path.ends_with(".yaml") {
        "application/yaml; charset=utf-8"
    } else {
        "text/plain; charset=utf-8"
    };
    let mut response = text.into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    if let Ok(tag) = HeaderValue::from_str(&format!("\"{version}\"")) {
        headers.insert(header::ETAG, tag);
    }
    if let Ok(path) = HeaderValue::from_str(&format!("</{path}>; rel=\"self\"")) {
        headers.insert(header::LINK, path);
    }
    Ok(response)
}

async fn write(
    app: &App,
    caller: &Caller,
    peer: Peer,
    kind: Kind,
    name: String,
    text: String,
) -> ApiResult<Response> {
    caller.may_change(Scope::Admin)?;
    if text.trim().is_empty() {
        return Err(ApiError::bad_request(format!(
            "Send the {} as the body.",
            kind.word()
        )));
    }
    let (tenant, home, now, actor) = (
        caller.home.row.id,
        Arc::clone(&caller.home),
        app.now(),
        caller.actor(),
    );
    // Checked here, on a thread that may take its time, so that a large configuration holds up no turn.
    let checked = app
        .ask(move |store| {
            let paths: Vec<String> = store
                .documents(tenant)?
                .into_iter()
                .map(|document| document.path)
                .collect();
            let path = match place(&home, kind, &name, &paths) {
                Ok(Place::Known(path) | Place::New(path)) => path,
                Err(error) => return Ok(Err(error)),
            };
            Ok(check(files(store, tenant)?, path, text))
        })
        .await??;
    let act = Act::new(caller, peer, "document.put", json!({"path": checked.path}));
    let deed = move |writer: &Writer| {
        let files = files(writer, tenant)?;
        let same: Vec<(String, i64)> = files
            .iter()
            .map(|(path, document)| (path.clone(), document.version))
            .collect();
        // Somebody else was faster: checked again with what is there now.
        let checked = if same == checked.against {
            checked
        } else {
            check(files, checked.path, checked.text)?
        };
        let Checked {
            path,
            text,
            warnings,
            unchanged,
            ..
        } = checked;
        let version = match unchanged {
            Some(version) => version,
            None => writer.put_document(tenant, &path, Some(&text), &actor, now)?,
        };
        Ok(Deed::done(&Stored {
            path,
            version,
            warnings,
        }))
    };
    app.administer(act, deed).await
}

/// A document that fits into the whole.
struct Checked {
    path: String,
    text: String,
    warnings: Vec<Problem>,
    /// The version of the same text, when it is stored already.
    unchanged: Option<i64>,
    /// What it was checked with: paths and versions.
    against: Vec<(String, i64)>,
}

fn check(
    mut files: BTreeMap<String, Document>,
    path: String,
    text: String,
) -> Result<Checked, ApiError> {
    let against = files
        .iter()
        .map(|(path, document)| (path.clone(), document.version))
        .collect();
    let have = files.get(&path);
    if let Some(same) = have.filter(|document| document.text == text) {
        let unchanged = Some(same.version);
        return Ok(Checked {
            path,
            text,
            warnings: Vec::new(),
            unchanged,
            against,
        });
    }
    let version = have.map_or(1, |document| document.version + 1);
    files.insert(
        path.clone(),
        Document {
            version,
            text: text.clone(),
        },
    );
    let config = load(&files).map_err(ApiError::configuration)?;
    let warnings = config
        .warnings
        .into_iter()
        .filter(|warning| warning.path == path)
        .collect();
    Ok(Checked {
        path,
        text,
        warnings,
        unchanged: None,
        against,
    })
}

fn files(
    store: &impl ringback_store::House,
    tenant: TenantId,
) -> Result<BTreeMap<String, Document>, StoreError> {
    let rows = store.documents(tenant)?;
    Ok(rows
        .into_iter()
        .filter_map(|row| {
            Some((
                row.path,
                Document {
                    version: row.version,
                    text: row.text?,
                },
            ))
        })
        .collect())
}

/// Where a document is, or would be.
enum Place {
    Known(String),
    New(String),
}

/// The path of a document by its name: the one it was read from, else the usual one.
fn place(home: &Home, kind: Kind, name: &str, paths: &[String]) -> Result<Place, ApiError> {
    let config = &home.tenant.config;
    let known = match kind {
        Kind::Workflow => config.workflows.get(name).map(|item| item.path.clone()),
        Kind::ScoreModel => config.models.get(name).map(|item| item.path.clone()),
        Kind::Product => config.products.get(name).map(|item| item.path.clone()),
        Kind::Template => return template_place(name, paths),
    };
    if let Some(path) = known {
        return Ok(Place::Known(path));
    }
    let fine = (1..=64).contains(&name.len())
        && name
            .bytes()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, b'-' | b'_'));
    if !fine {
        return Err(ApiError::invalid(
            "name",
            format!(
                "The name of a {} has small letters, digits, `-` and `_`, at most 64.",
                kind.word()
            ),
        ));
    }
    Ok(Place::New(format!("{}{name}.yaml", kind.folder())))
}

/// Templates are files `name.channel[.locale].ending` anywhere under `templates/`.
fn template_place(name: &str, paths: &[String]) -> Result<Place, ApiError> {
    let fine = (1..=120).contains(&name.len())
        && name
            .bytes()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, b'-' | b'_' | b'.'))
        && !name.contains("..")
        && !name.starts_with('.');
    if !fine {
        return Err(ApiError::invalid(
            "name",
            "A template is called by letters, digits, `-` and `_`, with its channel after a dot: hello.sms.",
        ));
    }
    let stem = |path: &str| {
        path.rsplit('/')
            .next()
            .and_then(|file| file.rsplit_once('.'))
            .map(|(stem, _)| stem.to_owned())
    };
    let file = |path: &str| path.rsplit('/').next().unwrap_or_default().to_owned();
    let all: Vec<&String> = paths
        .iter()
        .filter(|path| path.starts_with(Kind::Template.folder()))
        .collect();
    if let Some(path) = all
        .iter()
        .find(|path| file(path) == name || stem(path).as_deref() == Some(name))
    {
        return Ok(Place::Known((*path).clone()));
    }
    let begins = format!("{name}.");
    let mut of_name = all.iter().filter(|path| file(path).starts_with(&begins));
    match (of_name.next(), of_name.next()) {
        (Some(path), None) => return Ok(Place::Known((*path).clone())),
        (Some(_), Some(_)) => {
            let mut there: Vec<String> = all
                .iter()
                .filter(|path| file(path).starts_with(&begins))
                .filter_map(|path| stem(path))
                .collect();
            there.sort_unstable();
            return Err(ApiError::invalid(
                "name",
                format!("There are several: {}.", there.join(", ")),
            ));
        }
        _ => {}
    }
    let mut parts = name
        .trim_end_matches(".txt")
        .trim_end_matches(".mjml")
        .trim_end_matches(".html")
        .trim_end_matches(".json")
        .split('.')
        .skip(1);
    let channel = parts.next().and_then(ChannelKind::from_name);
    let channel = channel.ok_or_else(|| ApiError::invalid("name", format!("A new template needs its channel: `{name}.sms`, `{name}.email` or `{name}.webhook`.")))?;
    let ended = [".txt", ".mjml", ".html", ".json"]
        .iter()
        .any(|ending| name.ends_with(ending));
    let ending = match channel {
        _ if ended => "",
        ChannelKind::Sms => ".txt",
        ChannelKind::Email => ".mjml",
        ChannelKind::Webhook => ".json",
    };
    Ok(Place::New(format!(
        "{}{name}{ending}",
        Kind::Template.folder()
    )))
}
