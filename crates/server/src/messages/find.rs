//! Finding messages: the list, and one with everything that explains it.

use super::explain::{explanation, to_change};
use super::views::{
    AttemptBody, CauseBody, MessageBody, MessageWhole, content, gates, workflow_of,
};
use crate::app::App;
use crate::http::{ApiError, ApiResult, Caller, Limit, Listed, PathId, Queries, Scope, cursor};
use crate::registry::Home;
use axum::Json;
use axum::extract::State;
use ringback_core::ids::{LeadId, MessageId};
use ringback_core::messages::{ChannelKind, Message, Status};
use ringback_core::time::from_micros;
use ringback_store::MessageFilter;
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;

use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list, super::compose::compose))
        .routes(routes!(one))
}

/// What a list of messages is narrowed by. All that are given must fit.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Filters {
    /// About this lead.
    lead_id: Option<String>,
    /// `scheduled`, `queued`, `deferred`, `sending`, `accepted`, `delivered`, `failed`, `bounced`, `blocked`, `cancelled`, `expired` or `unknown`.
    status: Option<String>,
    /// `sms`, `email` or `webhook`.
    channel: Option<String>,
    /// Caused by this workflow.
    workflow: Option<String>,
    /// `true`: only those that may have gone out more than once.
    repeated: Option<bool>,
    /// Rows a page, 1 to 200; 50 when it is not given.
    #[param(value_type = Option<u32>)]
    limit: Option<Limit>,
    /// The cursor of the page before.
    after: Option<String>,
}

/// Reads the word of a status; 422 with all there are.
fn status(name: &str) -> Result<Status, ApiError> {
    Status::from_name(name).ok_or_else(|| {
        let known: Vec<&str> = Status::ALL.iter().map(|one| one.as_str()).collect();
        ApiError::invalid(
            "status",
            format!("A status is one of {}.", known.join(", ")),
        )
    })
}

/// Reads the word of a channel; 422 with all there are.
pub(super) fn channel(name: &str) -> Result<ChannelKind, ApiError> {
    ChannelKind::from_name(name)
        .ok_or_else(|| ApiError::invalid("channel", "A channel is sms, email or webhook."))
}

/// Messages, newest first.
#[utoipa::path(get, path = "/v1/messages", tag = "messages", params(Filters), responses((status = 200, description = "A page of messages", body = Listed<MessageBody>)))]
async fn list(
    State(app): State<App>,
    caller: Caller,
    Queries(filters): Queries<Filters>,
) -> ApiResult<Json<Listed<MessageBody>>> {
    caller.may(Scope::Read)?;
    let after: Option<MessageId> = cursor(filters.after.as_deref())?;
    let most = filters.limit.map_or(50, |limit| limit.0);
    let tenant = caller.home.row.id;
    let lead = filters
        .lead_id
        .map(|id| {
            id.parse::<LeadId>()
                .map_err(|error| ApiError::invalid("lead_id", format!("This is {error}.")))
        })
        .transpose()?;
    let filter = MessageFilter {
        lead,
        status: filters.status.as_deref().map(status).transpose()?,
        channel: filters.channel.as_deref().map(channel).transpose()?,
        workflow: filters.workflow,
        sandbox: false,
        repeated: filters.repeated == Some(true),
    };
    let (rows, next) = app
        .ask(move |store| store.messages_page(tenant, &filter, after, most))
        .await?;
    Ok(Json(Listed {
        data: rows.iter().map(MessageBody::new).collect(),
        next: next.map(|id| id.to_string()),
    }))
}

/// A message with everything that explains it: what caused it, what each gate said, every attempt, what it cost, what it says, and what
/// would have to change.
#[utoipa::path(get, path = "/v1/messages/{id}", tag = "messages", params(("id" = String, Path, description = "The message's id")), responses((status = 200, description = "The message", body = MessageWhole)))]
async fn one(
    State(app): State<App>,
    caller: Caller,
    PathId(id): PathId<MessageId>,
) -> ApiResult<Json<MessageWhole>> {
    caller.may(Scope::Read)?;
    let tenant = caller.home.row.id;
    let found = app
        .ask(move |store| {
            let Some(message) = store.message(tenant, id)? else {
                return Ok(None);
            };
            let attempts = store.attempts(tenant, id)?;
            Ok(Some((message, attempts)))
        })
        .await?;
    let (message, attempts) = found.ok_or_else(ApiError::not_found)?;
    let said = said(&app, &caller.home, &message).await?;
    let (gated_at, gates) = gates(&message);
    Ok(Json(MessageWhole {
        cause: cause(&message),
        to_change: to_change(&message, &gates),
        gates,
        gated_at,
        attempts: attempts.into_iter().map(AttemptBody::from).collect(),
        explanation: explanation(&message),
        template: message.template.as_ref().map(
            |(name, version)| json!({"name": name, "version": version, "locale": message.locale}),
        ),
        connection_id: message.connection,
        provider_reference: message.reference.clone(),
        instead_of: message.plan.instead_of,
        replaced_by: message.plan.replaced_by,
        dead: message.is_dead(),
        discarded: message
            .plan
            .discarded
            .as_ref()
            .map(|one| json!({"by": one.by, "at": from_micros(one.at), "reason": one.reason})),
        replayed: message
            .plan
            .replayed
            .iter()
            .map(|one| json!({"by": one.by, "at": from_micros(one.at)}))
            .collect(),
        then: message.plan.then.clone(),
        content: said,
        message: MessageBody::new(&message),
    }))
}

/// What a message says, on a thread that may wait: templates of old versions are read from the store.
pub(crate) async fn said(
    app: &App,
    home: &Arc<Home>,
    message: &Message,
) -> Result<Value, ApiError> {
    let (app, home, message) = (app.clone(), Arc::clone(home), message.clone());
    let rendered = tokio::task::spawn_blocking(move || {
        crate::loops::render(
            &home,
            &app.readers,
            &app.tokens,
            &app.settings.public_url,
            &message,
        )
    })
    .await;
    let rendered = rendered.map_err(|_| ApiError::internal("rendering a message panicked"))?;
    Ok(match rendered {
        Ok(rendered) => content(&rendered.content),
        Err(why) => json!({"problem": why.detail}),
    })
}

fn cause(message: &Message) -> CauseBody {
    let data: Value = serde_json::from_str(message.data.text()).unwrap_or_default();
    let (version, step) = match message
        .step
        .as_deref()
        .and_then(|step| step.split_once('@'))
        .and_then(|(_, rest)| rest.split_once('#'))
    {
        Some((version, step)) => (version.parse().ok(), Some(step.to_owned())),
        None => (None, None),
    };
    CauseBody {
        event_id: message.event,
        event: data["event"]["type"].as_str().map(str::to_owned),
        workflow: workflow_of(message).map(str::to_owned),
        version,
        step,
        run_id: message.run,
    }
}
