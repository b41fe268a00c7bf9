//! What a person does with a lead: take it, move it, note something, write to it, look at its number.

use crate::app::App;
use crate::http::ApiError;
use crate::pages::{Fields, Named, PageError, PageResult, Session, format, people, see_other_with};
use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse as _, Response};
use ringback_core::ids::LeadId;
use ringback_core::messages::{Category, ChannelKind, Status};
use ringback_core::turn::world::{PointKey, PointKind};
use ringback_core::turn::{Answer, Compose, Intake, StageMove, Track, Visit, Who};
use serde::Deserialize;
use serde_json::json;
use sha2::{Digest, Sha256};

type Path = Named<(String, String)>;

fn id(path: &Path) -> PageResult<LeadId> {
    path.0.1.parse().map_err(|_| PageError::NotFound)
}

/// Where an action leads back to: the page it came from, when that is one of ours, else the lead.
fn back(session: &Session, headers: &HeaderMap, lead: LeadId) -> String {
    let base = session.base();
    let from = headers
        .get(header::REFERER)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split_once("://"))
        .and_then(|(_, rest)| rest.find('/').map(|at| &rest[at..]));
    match from.map(|path| path.split(['?', '#']).next().unwrap_or_default()) {
        Some(path) if path == base || path == format!("{base}/") => base,
        _ => format!("{base}/leads/{lead}"),
    }
}

/// What a turn said, when it is not what was hoped for.
fn refused(answer: Answer) -> PageResult<String> {
    match answer {
        Answer::NotFound => Err(PageError::NotFound),
        Answer::Refused { detail, .. } => Ok(detail),
        _ => Ok(String::new()),
    }
}

/// The first has it; the second reads who was first and by how much (W7).
pub(super) async fn take(
    State(app): State<App>,
    session: Session,
    headers: HeaderMap,
    path: Path,
) -> PageResult {
    let lead = id(&path)?;
    let to = back(&session, &headers, lead);
    let answer = app
        .take(
            session.home.row.id,
            Intake::Take {
                lead,
                actor: session.actor(),
            },
            None,
        )
        .await?;
    let Answer::Taken { by, at, now } = answer else {
        let detail = refused(answer)?;
        return Ok(see_other_with(&to, "late", &detail));
    };
    let notice = if now {
        "You have this one. The others see it on their pages.".to_owned()
    } else {
        format!(
            "{} took it {} before you.",
            people::actor(&by),
            format::words(app.now().duration_since(at))
        )
    };
    Ok(see_other_with(
        &to,
        if now { "kept" } else { "lamp" },
        &notice,
    ))
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct StageForm {
    product: String,
    stage: String,
    reason: String,
}

pub(super) async fn stage(
    State(app): State<App>,
    session: Session,
    path: Path,
    Fields(form): Fields<StageForm>,
) -> PageResult {
    let lead = id(&path)?;
    let reason = crate::leads::text(Some(form.reason), "reason")?;
    let order = StageMove {
        lead,
        product: (!form.product.is_empty()).then_some(form.product),
        stage: form.stage.clone(),
        reason,
        actor: session.actor(),
    };
    let to = format!("{}/leads/{lead}", session.base());
    let detail = refused(
        app.take(session.home.row.id, Intake::Stage(order), None)
            .await?,
    )?;
    if detail.is_empty() {
        Ok(see_other_with(
            &to,
            "kept",
            &format!("Moved to {}.", people::plain(&form.stage).to_lowercase()),
        ))
    } else {
        Ok(see_other_with(&to, "late", &detail))
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct NoteForm {
    text: String,
}

const MOST_NOTE: usize = 2_000;

pub(super) async fn note(
    State(app): State<App>,
    session: Session,
    path: Path,
    Fields(form): Fields<NoteForm>,
) -> PageResult {
    let lead = id(&path)?;
    let to = format!("{}/leads/{lead}", session.base());
    let text: String = form
        .text
        .trim()
        .chars()
        .filter(|c| !c.is_control() || *c == '\n')
        .take(MOST_NOTE)
        .collect();
    if text.is_empty() {
        return Ok(see_other_with(
            &to,
            "late",
            "The note was empty, so nothing was kept.",
        ));
    }
    let track = Track {
        who: Who::Lead(lead),
        kind: "note".to_owned(),
        happened: app.now(),
        properties: json!({"text": text, "by": session.actor()}),
        key: None,
        source: "staff",
        traits: None,
        visit: Visit::default(),
        public: false,
        session: false,
    };
    let detail = refused(
        app.take(session.home.row.id, Intake::Track(Box::new(track)), None)
            .await?,
    )?;
    if detail.is_empty() {
        Ok(see_other_with(
            &to,
            "kept",
            "The note stands in the timeline.",
        ))
    } else {
        Ok(see_other_with(&to, "late", &detail))
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct ReplyForm {
    by: String,
    subject: String,
    body: String,
}

const MOST_TEXT: usize = 1_600;
const MOST_MAIL: usize = 20_000;

pub(super) async fn reply(
    State(app): State<App>,
    session: Session,
    path: Path,
    Fields(form): Fields<ReplyForm>,
) -> PageResult {
    let lead = id(&path)?;
    let to = format!("{}/leads/{lead}", session.base());
    let mail = form.by == "email";
    let body = form.body.trim().replace("\r\n", "\n");
    let most = if mail { MOST_MAIL } else { MOST_TEXT };
    if body.is_empty() || body.chars().count() > most {
        return Ok(see_other_with(
            &to,
            "late",
            &format!("Nothing was sent: write 1 to {most} characters."),
        ));
    }
    let subject = crate::leads::text(Some(form.subject), "subject")?;
    if mail && subject.is_none() {
        return Ok(see_other_with(
            &to,
            "late",
            "Nothing was sent: an email needs a subject.",
        ));
    }
    let compose = Compose {
        lead: Some(lead),
        staff: None,
        to: None,
        channel: if mail {
            ChannelKind::Email
        } else {
            ChannelKind::Sms
        },
        category: Category::Transactional,
        body: Some(body),
        subject: subject.filter(|_| mail),
        template: None,
        data: json!({}),
        send_at: None,
        actor: session.actor(),
        sandbox: false,
    };
    let answer = app
        .take(
            session.home.row.id,
            Intake::Compose(Box::new(compose)),
            None,
        )
        .await?;
    let Answer::Composed { status, why, .. } = answer else {
        let detail = refused(answer)?;
        return Ok(see_other_with(&to, "late", &detail));
    };
    let why = why
        .map(|why| format!(": {}", why.trim_end_matches('.')))
        .unwrap_or_default();
    let (class, text) = match status {
        Status::Sending | Status::Queued => (
            "kept",
            "On its way. What becomes of it stands in the timeline.".to_owned(),
        ),
        Status::Scheduled | Status::Deferred => ("held", format!("It waits{why}.")),
        _ => ("late", format!("{}{why}.", people::chip(status).2)),
    };
    Ok(see_other_with(&to, class, &text))
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct RevealForm {
    point: String,
}

/// Names a contact point without saying it.
pub(super) fn point_name(lead: LeadId, key: &PointKey) -> String {
    let hash = Sha256::digest(format!("{lead}|{}|{}", key.kind as i64, key.value).as_bytes());
    hash.iter()
        .take(8)
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// Shows a number or address, and writes down who looked (X6).
pub(super) async fn reveal(
    State(app): State<App>,
    session: Session,
    headers: HeaderMap,
    path: Path,
    Fields(form): Fields<RevealForm>,
) -> PageResult<Response> {
    let lead = id(&path)?;
    let tenant = session.home.row.id;
    let known = app
        .ask(move |store| {
            store
                .lead(tenant, lead)?
                .map(|lead| {
                    store
                        .points(lead.tenant, lead.id)
                        .map(|points| (lead.id, points))
                })
                .transpose()
        })
        .await?;
    let (lead, points) = known.ok_or(PageError::NotFound)?;
    let reachable = points
        .into_iter()
        .filter(|(key, _)| matches!(key.kind, PointKind::Phone | PointKind::Email));
    let (key, _) = reachable
        .into_iter()
        .find(|(key, _)| point_name(lead, key) == form.point)
        .ok_or_else(|| PageError::from(ApiError::not_found()))?;
    let kind = if key.kind == PointKind::Phone {
        "phone"
    } else {
        "email"
    };
    session
        .audit(
            &app,
            "contact.reveal",
            json!({"lead": lead.to_string(), "kind": kind}),
        )
        .await?;
    if headers
        .get(header::ACCEPT)
        .is_some_and(|accept| accept.as_bytes().starts_with(b"application/json"))
    {
        let value = if key.kind == PointKind::Phone {
            format::phone(&key.value)
        } else {
            key.value
        };
        return Ok((
            [(header::CACHE_CONTROL, "no-store")],
            Json(json!({"value": value})),
        )
            .into_response());
    }
    let name = format!("{}.{}", key.kind as i64, key.value);
    super::page(&app, &session, &lead.to_string(), None, Some(&name)).await
}
