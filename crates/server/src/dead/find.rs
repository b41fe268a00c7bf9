//! Finding dead letters: their causes with a sample of each, and the letters of one cause.

use crate::app::App;
use crate::http::{ApiError, ApiResult, Caller, Listed, Page, PathId, Queries, Scope};
use crate::messages::{AttemptBody, MessageBody, said};
use crate::registry::Home;
use axum::Json;
use axum::extract::State;
use ringback_core::ids::{CauseId, ConnectionId, MessageId, TenantId};
use ringback_core::messages::{Cause, ChannelKind, Message, Status};
use ringback_core::time::Timestamp;
use ringback_store::{AttemptView, Reader, StoreError};
use serde::Serialize;
use serde_json::Value;
use std::str::FromStr;
use std::sync::Arc;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(one, super::acts::change))
}

/// Causes that are told apart; beyond them somebody has to mend the first ones.
const MOST_CAUSES: u32 = 200;

/// Which dead letters are meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Which {
    /// Every one of the business.
    All,
    /// Those of one cause.
    Of(CauseId),
    /// One.
    One(MessageId),
}

impl FromStr for Which {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        if text == "all" {
            return Ok(Self::All);
        }
        let group = text.parse().map(Self::Of);
        group.or_else(|_| text.parse().map(Self::One)).map_err(drop)
    }
}

impl std::fmt::Display for Which {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::All => f.write_str("all"),
            Self::Of(cause) => cause.fmt(f),
            Self::One(message) => message.fmt(f),
        }
    }
}

/// Dead letters that were meant: the oldest so many, and how many there are beyond them.
#[derive(Debug)]
pub(crate) struct Chosen {
    pub letters: Vec<Message>,
    pub left: i64,
}

/// Reads what is meant, oldest first, so that they go in the order in which they were meant to. With `sandbox` only what the sandbox
/// took. 404 when there is no such message or cause.
pub(crate) async fn choose(
    app: &App,
    tenant: TenantId,
    which: Which,
    sandbox: bool,
    most: u32,
) -> Result<Chosen, ApiError> {
    let found = app
        .ask(move |store| chosen(store, tenant, which, sandbox, most))
        .await?;
    found.ok_or_else(ApiError::not_found)
}

fn chosen(
    store: &Reader<'_>,
    tenant: TenantId,
    which: Which,
    sandbox: bool,
    most: u32,
) -> Result<Option<Chosen>, StoreError> {
    let causes = match which {
        Which::One(id) => {
            let letter = store.message(tenant, id)?;
            return Ok(letter.map(|letter| Chosen {
                letters: vec![letter],
                left: 0,
            }));
        }
        Which::All => store.causes(tenant, MOST_CAUSES)?,
        Which::Of(cause) => {
            let all = store.causes(tenant, MOST_CAUSES)?;
            let of: Vec<_> = all.into_iter().filter(|one| one.cause == cause).collect();
            if of.is_empty() {
                return Ok(None);
            }
            of
        }
    };
    let all: i64 = causes.iter().map(|one| one.n).sum();
    let mut letters = Vec::new();
    for one in causes {
        letters.extend(store.dead_from(tenant, one.cause, None, most)?);
    }
    letters.retain(|letter| !sandbox || letter.sandbox);
    letters.sort_unstable_by_key(|letter| letter.id);
    let fit = i64::try_from(letters.len()).unwrap_or(i64::MAX);
    letters.truncate(most as usize);
    let kept = i64::try_from(letters.len()).unwrap_or(i64::MAX);
    Ok(Some(Chosen {
        letters,
        left: if sandbox { fit } else { all } - kept,
    }))
}

/// A group of dead letters as the store knows it: the cause, how many, and the newest with its calls.
#[derive(Debug)]
pub(crate) struct Group {
    pub id: CauseId,
    pub cause: Cause,
    pub n: i64,
    pub first_at: Timestamp,
    pub last_at: Timestamp,
    pub sample: Message,
    pub answer: Option<AttemptView>,
}

/// Every group, the largest first.
pub(crate) fn groups(store: &Reader<'_>, tenant: TenantId) -> Result<Vec<Group>, StoreError> {
    let mut groups = Vec::new();
    for one in store.causes(tenant, MOST_CAUSES)? {
        groups.extend(group(store, tenant, one)?);
    }
    groups.sort_by_key(|group| {
        (
            std::cmp::Reverse(group.n),
            std::cmp::Reverse(group.sample.id),
        )
    });
    Ok(groups)
}

fn group(
    store: &Reader<'_>,
    tenant: TenantId,
    one: ringback_store::CauseCount,
) -> Result<Option<Group>, StoreError> {
    let Some(sample) = store.message(tenant, one.last)? else {
        return Ok(None);
    };
    let Some(cause) = Cause::of(&sample) else {
        return Ok(None);
    };
    let ended = |message: &Message| message.settled_at.unwrap_or(message.created_at);
    let first = if one.first == one.last {
        None
    } else {
        store.message(tenant, one.first)?
    };
    Ok(Some(Group {
        id: one.cause,
        cause,
        n: one.n,
        first_at: first.as_ref().map_or_else(|| ended(&sample), ended),
        last_at: ended(&sample),
        answer: store
            .attempts(tenant, sample.id)?
            .into_iter()
            .rfind(|one| !matches!(one.outcome.as_str(), "found" | "absent" | "unclear")),
        sample,
    }))
}

/// Dead letters that ended for the same reason, with one of them as a sample.
#[derive(Debug, Serialize, ToSchema)]
pub struct DeadGroup {
    /// Name of the group; the same cause has the same name.
    #[schema(value_type = String, example = "dead_0h3kq2m8x7v5t")]
    pub id: CauseId,
    /// How they ended: `failed`, `bounced`, `expired` or `unknown`.
    #[schema(value_type = String, example = "failed")]
    pub status: Status,
    /// `sms`, `email` or `webhook`.
    #[schema(value_type = String)]
    pub channel: ChannelKind,
    /// The account of the last call; null for the sandbox, and where no account was called.
    #[schema(value_type = Option<String>)]
    pub connection_id: Option<ConnectionId>,
    /// Its name.
    pub connection: Option<String>,
    /// Code of the reason.
    #[schema(example = "http_500")]
    pub code: String,
    /// The reason as the newest of them has it.
    pub detail: Option<String>,
    /// The template; null for what a person wrote.
    pub template: Option<String>,
    /// How many.
    pub count: i64,
    /// When the oldest of them ended.
    pub first_at: Timestamp,
    /// When the newest of them ended.
    pub last_at: Timestamp,
    /// The newest of them.
    pub sample: DeadSample,
}

/// One dead letter with its words and what the provider answered last.
#[derive(Debug, Serialize, ToSchema)]
pub struct DeadSample {
    /// The message.
    #[serde(flatten)]
    pub message: MessageBody,
    /// What it says.
    #[schema(value_type = Object)]
    pub content: Value,
    /// The last call, looks into the provider's log apart; null when there was none.
    pub answer: Option<AttemptBody>,
}

/// A cause and a page of its letters.
#[derive(Debug, Serialize, ToSchema)]
pub struct DeadGroupWhole {
    /// The group.
    #[serde(flatten)]
    pub group: DeadGroup,
    /// Its letters, newest first.
    pub data: Vec<MessageBody>,
    /// Send it as `after` to get the next page; null on the last.
    pub next: Option<String>,
}

async fn described(app: &App, home: &Arc<Home>, group: Group) -> Result<DeadGroup, ApiError> {
    let content = said(app, home, &group.sample).await?;
    let cause = group.cause;
    let row = home
        .connections
        .iter()
        .find(|row| Some(row.id) == cause.connection);
    Ok(DeadGroup {
        id: group.id,
        status: cause.status,
        channel: cause.channel,
        connection_id: cause.connection,
        connection: row.map(|row| row.name.clone()),
        code: cause.code,
        detail: group.sample.why.as_ref().map(|why| why.detail.clone()),
        template: cause.template,
        count: group.n,
        first_at: group.first_at,
        last_at: group.last_at,
        sample: DeadSample {
            message: MessageBody::new(&group.sample),
            content,
            answer: group.answer.map(AttemptBody::from),
        },
    })
}

/// Dead letters: messages that ended without reaching anybody and that a person can still do something about, by their cause, the largest
/// group first. What a gate or a person ended is none, nor what went another way, nor what was discarded.
#[utoipa::path(get, path = "/v1/dead-letters", tag = "dead letters", responses((status = 200, description = "Every group", body = Listed<DeadGroup>)))]
async fn list(State(app): State<App>, caller: Caller) -> ApiResult<Json<Listed<DeadGroup>>> {
    caller.may(Scope::Read)?;
    let tenant = caller.home.row.id;
    let found = app.ask(move |store| groups(store, tenant)).await?;
    let mut data = Vec::with_capacity(found.len());
    for group in found {
        data.push(described(&app, &caller.home, group).await?);
    }
    Ok(Json(Listed::all(data)))
}

/// One group with its letters, newest first. The id of a letter finds the group that it is in.
#[utoipa::path(get, path = "/v1/dead-letters/{id}", tag = "dead letters", params(("id" = String, Path, description = "The id of a group, or of a message in it"), Page), responses((status = 200, description = "The group", body = DeadGroupWhole)))]
async fn one(
    State(app): State<App>,
    caller: Caller,
    PathId(which): PathId<Which>,
    Queries(page): Queries<Page>,
) -> ApiResult<Json<DeadGroupWhole>> {
    caller.may(Scope::Read)?;
    let tenant = caller.home.row.id;
    let (after, most) = (page.after::<MessageId>()?, page.rows());
    let found = app
        .ask(move |store| {
            let id = match which {
                Which::All => None,
                Which::Of(cause) => Some(cause),
                Which::One(id) => store
                    .message(tenant, id)?
                    .as_ref()
                    .and_then(Cause::of)
                    .map(|cause| cause.id()),
            };
            let Some(id) = id else {
                return Ok(None);
            };
            let all = store.causes(tenant, MOST_CAUSES)?;
            let Some(count) = all.into_iter().find(|one| one.cause == id) else {
                return Ok(None);
            };
            let letters = store.dead_of(tenant, id, after, most + 1)?;
            Ok(group(store, tenant, count)?.map(|group| (group, letters)))
        })
        .await?;
    let (group, letters) = found.ok_or_else(ApiError::not_found)?;
    let listed = Listed::cut(letters, most, |letter| letter.id.to_string());
    Ok(Json(DeadGroupWhole {
        group: described(&app, &caller.home, group).await?,
        data: listed.data.iter().map(MessageBody::new).collect(),
        next: listed.next,
    }))
}
