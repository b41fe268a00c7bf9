//! The hold after a restore, for programs: what waits for a person, and what the person decides.

use super::held::{Acted, Will, act_on};
use crate::app::App;
use crate::http::{ApiResult, Caller, Listed, MaybeBody, Page, Queries, Scope};
use axum::Json;
use axum::extract::State;
use ringback_core::ids::{LeadId, MessageId};
use ringback_core::messages::{Category, ChannelKind, Message};
use ringback_core::time::Timestamp;
use ringback_store::{HeldCount, HoldState, House as _};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(show))
        .routes(routes!(held))
        .routes(routes!(release))
        .routes(routes!(discard))
}

/// The hold after a restore.
#[derive(Debug, Serialize, ToSchema)]
pub struct RecoveryBody {
    /// `none`, `holds`, `letting_go` or `over`.
    state: &'static str,
    /// The backup's name.
    backup: Option<String>,
    /// The instant that the backup held: what happened after it is lost, but for what journals and providers remember.
    backup_of: Option<Timestamp>,
    /// When it was restored.
    restored_at: Option<Timestamp>,
    /// When the state changed last.
    changed_at: Option<Timestamp>,
    /// By whom.
    changed_by: Option<String>,
    /// How many messages wait for a person.
    held: i64,
    /// What they are for and how they travel.
    groups: Vec<HeldGroup>,
    /// Messages of which it is still looked up whether they went out.
    looked_up: i64,
    /// What the restore did.
    report: serde_json::Value,
}

/// Messages of a kind that wait for a person.
#[derive(Debug, Serialize, ToSchema)]
pub struct HeldGroup {
    /// What they are for.
    #[schema(value_type = String)]
    category: Category,
    /// How they travel.
    #[schema(value_type = String)]
    channel: ChannelKind,
    /// How many.
    count: i64,
    /// How many of them may have gone out already, so that they may arrive twice.
    may_arrive_twice: i64,
    /// When the first was decided.
    first_at: Timestamp,
    /// When the last was decided.
    last_at: Timestamp,
}

impl From<HeldCount> for HeldGroup {
    fn from(count: HeldCount) -> Self {
        Self {
            category: count.category,
            channel: count.channel,
            count: count.n,
            may_arrive_twice: count.doubtful,
            first_at: count.first_at,
            last_at: count.last_at,
        }
    }
}

/// A message that waits for a person.
#[derive(Debug, Serialize, ToSchema)]
pub struct HeldMessage {
    /// Its id.
    #[schema(value_type = String)]
    id: MessageId,
    /// The lead.
    #[schema(value_type = Option<String>)]
    lead_id: Option<LeadId>,
    /// The member of staff.
    staff: Option<String>,
    /// How it travels.
    #[schema(value_type = String)]
    channel: ChannelKind,
    /// What it is for.
    #[schema(value_type = String)]
    category: Category,
    /// To whom.
    recipient: String,
    /// The workflow's step.
    step: Option<String>,
    /// It may have gone out already.
    may_arrive_twice: bool,
    /// When it was decided.
    created_at: Timestamp,
    /// When it stops to matter.
    expires_at: Option<Timestamp>,
}

impl From<Message> for HeldMessage {
    fn from(message: Message) -> Self {
        Self {
            id: message.id,
            lead_id: message.lead,
            staff: message.staff,
            channel: message.channel,
            category: message.category,
            recipient: message.recipient,
            step: message.step,
            may_arrive_twice: message.plan.doubt.is_some(),
            created_at: message.created_at,
            expires_at: message.expires_at,
        }
    }
}

/// Which held messages.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct WhichBody {
    /// These alone; all that are held when it is not given.
    #[schema(value_type = Option<Vec<String>>)]
    messages: Option<Vec<MessageId>>,
}

/// Whether messages are held since a restore, and how many of which kind.
#[utoipa::path(get, path = "/v1/recovery", tag = "recovery", responses((status = 200, description = "The hold", body = RecoveryBody)))]
async fn show(State(app): State<App>, caller: Caller) -> ApiResult<Json<RecoveryBody>> {
    caller.may(Scope::Read)?;
    let tenant = caller.home.row.id;
    let (hold, counts, looked_up) = app
        .ask(move |store| {
            let hold = store.hold(tenant)?;
            let counts = match &hold {
                Some(hold) if hold.state != HoldState::Over => {
                    store.held_counts(tenant, &hold.hold())?
                }
                _ => Vec::new(),
            };
            Ok((hold, counts, store.unknown_counts(tenant)?.open))
        })
        .await?;
    let hold = hold.as_ref();
    Ok(Json(RecoveryBody {
        state: hold.map_or("none", |hold| hold.state.as_str()),
        backup: hold.map(|hold| hold.backup.clone()),
        backup_of: hold.map(|hold| hold.snapshot_at),
        restored_at: hold.map(|hold| hold.restored_at),
        changed_at: hold.map(|hold| hold.changed_at),
        changed_by: hold.map(|hold| hold.changed_by.clone()),
        held: counts.iter().map(|count| count.n).sum(),
        groups: counts.into_iter().map(HeldGroup::from).collect(),
        looked_up,
        report: hold.map(|hold| hold.report.clone()).unwrap_or_default(),
    }))
}

/// What waits for a person, oldest first.
#[utoipa::path(get, path = "/v1/recovery/messages", tag = "recovery", params(Page), responses((status = 200, description = "A page of them", body = Listed<HeldMessage>)))]
async fn held(
    State(app): State<App>,
    caller: Caller,
    Queries(page): Queries<Page>,
) -> ApiResult<Json<Listed<HeldMessage>>> {
    caller.may(Scope::Read)?;
    let (tenant, most, after) = (caller.home.row.id, page.rows(), page.after::<MessageId>()?);
    let rows = app
        .ask(move |store| match store.hold(tenant)? {
            Some(hold) => store.held_since_restore(tenant, &hold.hold(), after, most + 1),
            None => Ok(Vec::new()),
        })
        .await?;
    let page = Listed::cut(rows, most, |message| message.id.to_string());
    Ok(Json(Listed {
        data: page.data.into_iter().map(HeldMessage::from).collect(),
        next: page.next,
    }))
}

/// Lets held messages go; each is asked at every gate anew. Without `messages` all of them go, and the hold ends. Doing it again changes
/// nothing. 409 `not_held` when there is no hold.
#[utoipa::path(post, path = "/v1/recovery/release", tag = "recovery", request_body = WhichBody, responses((status = 200, description = "How many go", body = Acted)))]
async fn release(
    State(app): State<App>,
    caller: Caller,
    body: MaybeBody<WhichBody>,
) -> ApiResult<Json<Acted>> {
    decide(app, caller, body, Will::Go).await
}

/// Ends held messages without sending them. Without `messages` all that are held now; the hold stays. 409 `not_held` when there is none.
#[utoipa::path(post, path = "/v1/recovery/discard", tag = "recovery", request_body = WhichBody, responses((status = 200, description = "How many ended", body = Acted)))]
async fn discard(
    State(app): State<App>,
    caller: Caller,
    body: MaybeBody<WhichBody>,
) -> ApiResult<Json<Acted>> {
    decide(app, caller, body, Will::Stay).await
}

async fn decide(
    app: App,
    caller: Caller,
    body: MaybeBody<WhichBody>,
    will: Will,
) -> ApiResult<Json<Acted>> {
    caller.may(Scope::Admin)?;
    if caller.sandbox() {
        return Err(crate::http::ApiError::forbidden(
            "A test key only reaches the sandbox, and what is held are real messages.",
        ));
    }
    let messages = body.value.messages;
    act_on(&app, caller.home.row.id, messages, will, caller.actor())
        .await
        .map(Json)
}
