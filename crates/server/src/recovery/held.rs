//! What is held since a restore: let go or discarded by a person, one by one or all, piece by piece.

use crate::app::App;
use crate::http::{ApiError, Code};
use axum::http::StatusCode;
use ringback_core::ids::{MessageId, TenantId};
use ringback_core::turn::{Answer, Intake, Order};
use ringback_store::{HoldState, House as _};
use serde::Serialize;
use std::sync::atomic::Ordering;
use utoipa::ToSchema;

/// Messages of one piece.
const PIECE: u32 = 200;

/// What a person decided about held messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Will {
    /// They go, gated anew.
    Go,
    /// They do not.
    Stay,
}

/// What became of held messages.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct Acted {
    /// How many it was done for.
    pub done: usize,
    /// How many were not held any more.
    pub refused: usize,
}

async fn take(
    app: &App,
    tenant: TenantId,
    messages: &[MessageId],
    will: Will,
    actor: &str,
) -> Result<Acted, ApiError> {
    let at = app.now();
    let order = |message: &MessageId| Order {
        tenant,
        at,
        intake: match will {
            Will::Go => Intake::LetGo { message: *message },
            Will::Stay => Intake::HoldBack {
                message: *message,
                actor: actor.to_owned(),
            },
        },
        once: None,
    };
    let mut acted = Acted::default();
    for piece in messages.chunks(PIECE as usize) {
        for answer in app.inbox.take_all(piece.iter().map(order).collect()).await {
            match answer {
                Ok(Answer::Done) => acted.done += 1,
                Ok(_) => acted.refused += 1,
                Err(refused) => return Err(refused.into()),
            }
        }
    }
    Ok(acted)
}

/// Does what a person decided, for these messages or for all that are held. All that go end the hold: from then on nothing is held.
pub(crate) async fn act_on(
    app: &App,
    tenant: TenantId,
    messages: Option<Vec<MessageId>>,
    will: Will,
    actor: String,
) -> Result<Acted, ApiError> {
    let hold = app.ask(move |store| store.hold(tenant)).await?;
    let Some(hold) = hold.filter(|hold| hold.state != HoldState::Over) else {
        let mut error = ApiError::new(StatusCode::CONFLICT, Code::Conflict);
        error.code = "not_held".into();
        return Err(error.say(
            "Nothing is held: this business was not restored from a backup, or was released already.",
        ));
    };
    if let Some(messages) = messages {
        let acted = take(app, tenant, &messages, will, &actor).await?;
        let n = acted.done;
        note(app, tenant, &actor, will, n).await?;
        return Ok(acted);
    }
    if will == Will::Go {
        let by = actor.clone();
        let now = app.now();
        app.change(move |writer| {
            writer.move_hold(tenant, HoldState::Holds, HoldState::LettingGo, &by, now)?;
            writer.write_audit(
                tenant,
                &by,
                None,
                "recovery.release",
                &serde_json::json!({}),
                now,
            )
        })
        .await?;
        return go_on(app, tenant).await;
    }
    let mut acted = Acted::default();
    let mut after = None;
    loop {
        let held = hold.hold();
        let piece = app
            .ask(move |store| store.held_since_restore(tenant, &held, after, PIECE))
            .await?;
        let Some(last) = piece.last() else { break };
        after = Some(last.id);
        let ids: Vec<MessageId> = piece.iter().map(|message| message.id).collect();
        let one = take(app, tenant, &ids, will, &actor).await?;
        acted.done += one.done;
        acted.refused += one.refused;
    }
    note(app, tenant, &actor, will, acted.done).await?;
    Ok(acted)
}

async fn note(
    app: &App,
    tenant: TenantId,
    actor: &str,
    will: Will,
    n: usize,
) -> Result<(), ApiError> {
    let (actor, now) = (actor.to_owned(), app.now());
    let action = match will {
        Will::Go => "recovery.let_go",
        Will::Stay => "recovery.discard",
    };
    app.write(move |writer| {
        let details = serde_json::json!({"messages": n});
        writer.write_audit(tenant, &actor, None, action, &details, now)
    })
    .await
}

/// Goes on with every tenant that was released and not yet let go wholly, as after a restart.
pub(crate) async fn go_on_with_all(app: &App) {
    if app.released.load(Ordering::Relaxed) {
        return;
    }
    let tenants: Vec<TenantId> = app.registry.houses().homes.keys().copied().collect();
    let mut open = false;
    for tenant in tenants {
        match go_on(app, tenant).await {
            Ok(_) => {
                let tenants = app.registry.tenants();
                open |= tenants.get(&tenant).is_some_and(|one| one.hold.is_some());
            }
            Err(error) => {
                open = true;
                tracing::warn!(error = %error.detail, "what a restore held could not be let go; tried again");
            }
        }
    }
    app.released.store(!open, Ordering::Relaxed);
}

/// Lets go what is still held of a tenant that was released; also after a restart in between.
pub(crate) async fn go_on(app: &App, tenant: TenantId) -> Result<Acted, ApiError> {
    let mut acted = Acted::default();
    let hold = app.ask(move |store| store.hold(tenant)).await?;
    let Some(hold) = hold.filter(|hold| hold.state == HoldState::LettingGo) else {
        return Ok(acted);
    };
    let mut after = None;
    loop {
        let held = hold.hold();
        let piece = app
            .ask(move |store| store.held_since_restore(tenant, &held, after, PIECE))
            .await?;
        let Some(last) = piece.last() else { break };
        after = Some(last.id);
        let ids: Vec<MessageId> = piece.iter().map(|message| message.id).collect();
        let one = take(app, tenant, &ids, Will::Go, "release").await?;
        acted.done += one.done;
        acted.refused += one.refused;
    }
    let (by, now) = (hold.changed_by, app.now());
    app.write(move |writer| {
        writer
            .move_hold(tenant, HoldState::LettingGo, HoldState::Over, &by, now)
            .map(|_| ())
    })
    .await?;
    Ok(acted)
}
