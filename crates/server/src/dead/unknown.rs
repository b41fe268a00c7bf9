//! What nobody knows (M3, P4): messages that may or may not have gone out, with what was looked up and when, and those that may have gone
//! out more than once.

use crate::app::App;
use crate::http::{ApiResult, Caller, Page, Queries, Scope};
use crate::messages::{AttemptBody, MessageBody};
use axum::Json;
use axum::extract::State;
use ringback_core::ids::{MessageId, TenantId};
use ringback_core::messages::Message;
use ringback_core::time::{Timestamp, from_micros};
use ringback_store::{AttemptView, MessageFilter, Reader, StoreError, UnknownCounts};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list))
}

/// Messages with what was found out about them.
#[derive(Debug)]
pub(crate) struct Doubtful {
    pub counts: UnknownCounts,
    pub unknown: Vec<(Message, Vec<AttemptView>)>,
    pub next: Option<MessageId>,
    pub repeated: Vec<Message>,
}

/// Reads a page of unknown messages, and the newest that may have gone out twice.
pub(crate) fn doubtful(
    store: &Reader<'_>,
    tenant: TenantId,
    after: Option<MessageId>,
    most: u32,
) -> Result<Doubtful, StoreError> {
    let mut found = store.unknown(tenant, after, most + 1)?;
    let more = found.len() > most as usize;
    found.truncate(most as usize);
    let next = found.last().filter(|_| more).map(|message| message.id);
    let mut unknown = Vec::with_capacity(found.len());
    for message in found {
        let attempts = store.attempts(tenant, message.id)?;
        unknown.push((message, attempts));
    }
    let filter = MessageFilter {
        repeated: true,
        ..MessageFilter::default()
    };
    let (repeated, _) = store.messages_page(tenant, &filter, None, most)?;
    Ok(Doubtful {
        counts: store.unknown_counts(tenant)?,
        unknown,
        next,
        repeated,
    })
}

/// A message of which nobody knows whether it went out.
#[derive(Debug, Serialize, ToSchema)]
pub struct UnknownBody {
    /// The message.
    #[serde(flatten)]
    pub message: MessageBody,
    /// Since when its end is unknown.
    pub since: Option<Timestamp>,
    /// How many calls may have gone out, each as a copy of its own.
    pub calls: u32,
    /// When it is looked up next; null when nothing more is done by itself.
    pub next_look_at: Option<Timestamp>,
    /// The calls, and every look into the provider's log: `found`, `absent` or `unclear`.
    pub looked_up: Vec<AttemptBody>,
}

/// What nobody knows, and how much of it there is.
#[derive(Debug, Serialize, ToSchema)]
pub struct UnknownList {
    /// How many are still looked up.
    pub open: i64,
    /// How many nothing more is done about by itself.
    pub given_up: i64,
    /// How many messages may have gone out more than once, whatever became of them; `GET /v1/messages?repeated=true` lists them.
    pub possibly_repeated: i64,
    /// The unknown ones, newest first.
    pub data: Vec<UnknownBody>,
    /// Send it as `after` to get the next page; null on the last.
    pub next: Option<String>,
}

/// Messages that may or may not have gone out, with what was looked up when and found, newest first; and how many there are.
#[utoipa::path(get, path = "/v1/unknown", tag = "dead letters", params(Page), responses((status = 200, description = "A page of unknown messages", body = UnknownList)))]
async fn list(
    State(app): State<App>,
    caller: Caller,
    Queries(page): Queries<Page>,
) -> ApiResult<Json<UnknownList>> {
    caller.may(Scope::Read)?;
    let tenant = caller.home.row.id;
    let (after, most) = (page.after::<MessageId>()?, page.rows());
    let found = app
        .ask(move |store| doubtful(store, tenant, after, most))
        .await?;
    let data = found.unknown.into_iter().map(|(message, attempts)| {
        let doubt = message.plan.doubt.as_ref();
        UnknownBody {
            since: doubt.map(|doubt| from_micros(doubt.since)),
            calls: doubt.map_or(0, |doubt| doubt.calls),
            next_look_at: message.deadline,
            looked_up: attempts.into_iter().map(AttemptBody::from).collect(),
            message: MessageBody::new(&message),
        }
    });
    Ok(Json(UnknownList {
        open: found.counts.open,
        given_up: found.counts.given_up,
        possibly_repeated: found.counts.repeated,
        data: data.collect(),
        next: found.next.map(|id| id.to_string()),
    }))
}
