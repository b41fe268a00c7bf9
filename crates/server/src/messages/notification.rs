//! One send step for one recipient, over all its messages (M9): did all, some or none of it arrive, how fast, for how much.

use super::views::milliseconds;
use crate::app::App;
use crate::http::{ApiError, ApiResult, Caller, PathId, Scope};
use axum::Json;
use axum::extract::State;
use ringback_core::ids::{MessageId, NotificationId};
use ringback_core::messages::{ChannelKind, Cost, Message, Status};
use serde::Serialize;
use std::collections::BTreeMap;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(notification))
}

/// A notification over all its channels.
#[derive(Debug, Serialize, ToSchema)]
pub struct NotificationBody {
    /// Its id.
    #[schema(value_type = String, example = "ntf_0h3kq2m8x7v5t")]
    id: NotificationId,
    /// `all`, `some` or `none` of its channels took it.
    overall: &'static str,
    /// True when nothing more is to be done.
    settled: bool,
    /// Each channel.
    channels: Vec<ChannelBody>,
    /// What it cost by currency, in millionths of its unit.
    #[schema(value_type = Object)]
    cost: BTreeMap<String, i64>,
}

/// One channel of a notification.
#[derive(Debug, Serialize, ToSchema)]
pub struct ChannelBody {
    /// The message.
    #[schema(value_type = String)]
    message_id: MessageId,
    /// The channel.
    #[schema(value_type = String)]
    channel: ChannelKind,
    /// Where it stands.
    #[schema(value_type = String)]
    status: Status,
    /// From the decision until the provider took it, or it ended; null while it waits.
    milliseconds: Option<i64>,
    /// Why it stands there.
    why: Option<String>,
    /// What it cost.
    #[schema(value_type = Option<Object>)]
    cost: Option<Cost>,
    /// The message that stands in for this one, which failed.
    #[schema(value_type = Option<String>)]
    replaced_by: Option<MessageId>,
}

/// What became of one send step for one recipient.
#[utoipa::path(get, path = "/v1/notifications/{id}", tag = "messages", params(("id" = String, Path, description = "The notification's id")), responses((status = 200, description = "The whole", body = NotificationBody)))]
async fn notification(
    State(app): State<App>,
    caller: Caller,
    PathId(id): PathId<NotificationId>,
) -> ApiResult<Json<NotificationBody>> {
    caller.may(Scope::Read)?;
    let tenant = caller.home.row.id;
    let messages = app.ask(move |store| store.notification(tenant, id)).await?;
    if messages.is_empty() {
        return Err(ApiError::not_found());
    }
    Ok(Json(whole(id, &messages)))
}

fn whole(id: NotificationId, messages: &[Message]) -> NotificationBody {
    let replaced_by = |message: &Message| {
        messages
            .iter()
            .find(|other| other.plan.instead_of == Some(message.id))
            .map(|other| other.id)
    };
    let counted: Vec<&Message> = messages
        .iter()
        .filter(|message| replaced_by(message).is_none())
        .collect();
    let arrived = counted
        .iter()
        .filter(|message| matches!(message.status, Status::Accepted | Status::Delivered))
        .count();
    let overall = match arrived {
        0 => "none",
        n if n == counted.len() => "all",
        _ => "some",
    };
    let mut cost: BTreeMap<String, i64> = BTreeMap::new();
    for one in messages.iter().filter_map(|message| message.cost.as_ref()) {
        *cost.entry(one.currency.clone()).or_default() += one.micros;
    }
    let channels = messages.iter().map(|message| ChannelBody {
        message_id: message.id,
        channel: message.channel,
        status: message.status,
        milliseconds: message
            .accepted_at
            .or(message.settled_at)
            .map(|at| milliseconds(message.created_at, at)),
        why: message.why.as_ref().map(|why| why.detail.clone()),
        cost: message.cost.clone(),
        replaced_by: replaced_by(message),
    });
    NotificationBody {
        id,
        overall,
        settled: messages.iter().all(|message| message.status.settled()),
        channels: channels.collect(),
        cost,
    }
}
