//! What the sandbox "sent" (N12), with the words that a person would have read.

use super::find::said;
use super::views::MessageBody;
use crate::app::App;
use crate::http::{ApiResult, Caller, Listed, Page, Queries, Scope};
use axum::Json;
use axum::extract::State;
use ringback_core::ids::MessageId;
use ringback_store::MessageFilter;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(sandbox))
}

/// A message that stayed in the sandbox.
#[derive(Debug, Serialize, ToSchema)]
pub struct SandboxMessage {
    #[serde(flatten)]
    message: MessageBody,
    /// What it says: `text`, or `subject`, `text` and `html`, or `event` and `body`.
    #[schema(value_type = Object)]
    content: Value,
}

/// What would have been sent, newest first.
#[utoipa::path(get, path = "/v1/sandbox/messages", tag = "messages", params(Page), responses((status = 200, description = "A page of the sandbox", body = Listed<SandboxMessage>)))]
async fn sandbox(
    State(app): State<App>,
    caller: Caller,
    Queries(page): Queries<Page>,
) -> ApiResult<Json<Listed<SandboxMessage>>> {
    caller.may(Scope::Read)?;
    let (after, most, tenant) = (page.after::<MessageId>()?, page.rows(), caller.home.row.id);
    let filter = MessageFilter {
        sandbox: true,
        ..MessageFilter::default()
    };
    let (rows, next) = app
        .ask(move |store| store.messages_page(tenant, &filter, after, most))
        .await?;
    let mut data = Vec::with_capacity(rows.len());
    for message in &rows {
        data.push(SandboxMessage {
            message: MessageBody::new(message),
            content: said(&app, &caller.home, message).await?,
        });
    }
    Ok(Json(Listed {
        data,
        next: next.map(|id| id.to_string()),
    }))
}
