//! One message: its title is the explanation; below it what happened, the gates, every call, and what would have to change (M10).

pub(super) mod body;
pub(super) mod explain;
mod gates;
mod hours;
mod trace;

use super::format::{Local, mask};
use super::{Frame, Named, Page, PageError, PageResult, Session, html, see_other_with};
use crate::app::App;
use crate::registry::Home;
use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::{get, post};
use body::Shown;
use explain::{Chip, Telling, channel_word, chip, step_of};
use ringback_channels::catalogue;
use ringback_core::ids::{ConnectionId, EventId, MessageId};
use ringback_core::leads::Lead;
use ringback_core::messages::{ChannelKind, Message, Status};
use ringback_core::time::Timestamp;
use ringback_core::turn::{Answer, Intake, VerdictView};
use ringback_store::{AttemptView, EventView};
use trace::{Item, Story};

/// The routes of one message.
pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/t/{slug}/messages/{id}", get(show))
        .route("/t/{slug}/messages/{id}/body", get(show_body))
        .route("/t/{slug}/messages/{id}/retry", post(retry))
        .route("/t/{slug}/messages/{id}/cancel", post(cancel))
}

/// A term and what is said of it.
#[derive(Debug, Clone, PartialEq)]
struct Line {
    term: &'static str,
    text: String,
    href: String,
    masked: bool,
}

impl Line {
    fn new(term: &'static str, text: impl Into<String>) -> Self {
        Self {
            term,
            text: text.into(),
            href: String::new(),
            masked: false,
        }
    }

    fn to(self, href: String) -> Self {
        Self { href, ..self }
    }

    fn masked(self) -> Self {
        Self {
            masked: true,
            ..self
        }
    }
}

/// Another message of the same step for the same person.
#[derive(Debug, Clone)]
struct Sibling {
    href: String,
    what: &'static str,
    chip: Chip,
}

#[derive(Template)]
#[template(path = "messages/message.html")]
struct MessagePage {
    frame: Frame,
    href: String,
    id: String,
    title: String,
    chip: Chip,
    repeated: bool,
    kind: &'static str,
    whom: String,
    whom_href: String,
    line: String,
    trace: Vec<Item>,
    changes: [(&'static str, String); 4],
    heading: &'static str,
    shown: Shown,
    facts: Vec<Line>,
    siblings: Vec<Sibling>,
    cancel: bool,
    retry: bool,
    twice: bool,
    /// A dead letter: it can be changed or discarded at this address.
    dead: String,
    /// Whether its words can be changed.
    change: bool,
    discarded: bool,
}

/// What the store knows of a message and around it.
struct Known {
    message: Message,
    attempts: Vec<AttemptView>,
    lead: Option<Lead>,
    cause: Option<EventView>,
    notification: Vec<Message>,
}

/// The lead as people say it.
pub(super) fn lead_name(lead: Option<&Lead>) -> String {
    lead.and_then(Lead::full_name)
        .unwrap_or_else(|| "the lead".to_owned())
}

/// Whom a message goes to, as people say it.
pub(super) fn whom(message: &Message, lead: Option<&Lead>) -> String {
    match (&message.staff, &message.plan.hook) {
        (Some(name), _) => name.clone(),
        (None, Some(hook)) => hook.clone(),
        (None, None) => match lead.and_then(Lead::full_name) {
            Some(name) => name,
            None if message.recipient.is_empty() => "the lead".to_owned(),
            None => mask(&message.recipient),
        },
    }
}

/// The account a message goes through, as people say it: label of the provider and name of the account.
pub(super) fn provider(
    home: &Home,
    connection: Option<ConnectionId>,
    sandbox: bool,
) -> (String, String) {
    match connection.and_then(|id| home.connections.iter().find(|row| row.id == id)) {
        Some(row) => (label(&row.provider).to_owned(), row.name.clone()),
        None if sandbox => ("The sandbox".to_owned(), String::new()),
        None => ("The provider".to_owned(), String::new()),
    }
}

/// The provider's name for people.
pub(super) fn label(provider: &str) -> &str {
    catalogue()
        .iter()
        .find(|one| one.name == provider)
        .map_or(provider, |one| one.label)
}

async fn show(
    State(app): State<App>,
    session: Session,
    Named((_, id)): Named<(String, String)>,
) -> PageResult {
    let id = read(&id)?;
    let known = load(&app, &session, id).await?;
    let frame = Frame::load(&app, &session, Page::Messages).await?;
    let shown = body::shown(body::content(&app, &session.home, &known.message).await);
    Ok(html(&page(frame, &session.home, &known, shown, app.now())))
}

fn read(id: &str) -> PageResult<MessageId> {
    id.parse().map_err(|_| PageError::NotFound)
}

async fn load(app: &App, session: &Session, id: MessageId) -> PageResult<Known> {
    let tenant = session.home.row.id;
    let known = app
        .ask(move |store| {
            let Some(message) = store.message(tenant, id)? else {
                return Ok(None);
            };
            let lead = message
                .lead
                .map(|lead| store.lead(tenant, lead))
                .transpose()?
                .flatten();
            let cause = match (&lead, message.event) {
                (Some(lead), Some(event)) => {
                    let after = EventId::from_raw(event.raw().saturating_add(1));
                    store
                        .timeline(tenant, lead.id, Some(after), 1)?
                        .into_iter()
                        .find(|one| one.id == event)
                }
                _ => None,
            };
            let attempts = store.attempts(tenant, id)?;
            let notification = store.notification(tenant, message.notification)?;
            Ok(Some(Known {
                message,
                attempts,
                lead,
                cause,
                notification,
            }))
        })
        .await?;
    known.ok_or(PageError::NotFound)
}

fn page(frame: Frame, home: &Home, known: &Known, shown: Shown, now: Timestamp) -> MessagePage {
    let message = &known.message;
    let local = Local::of(home);
    let verdict: VerdictView = serde_json::from_str(&message.verdict).unwrap_or_default();
    let whom = whom(message, known.lead.as_ref());
    let (by, account) = provider(home, message.connection, message.sandbox);
    let region = home.tenant.config.settings.region;
    let told = Telling {
        message,
        verdict: &verdict,
        local: &local,
        region: region.as_str(),
        now,
        whom: &whom,
        provider: &by,
    };
    let providers: Vec<String> = known
        .attempts
        .iter()
        .map(|attempt| provider(home, attempt.connection, message.sandbox).0)
        .collect();
    let lead = known.lead.as_ref().map_or_else(
        || "The lead".to_owned(),
        |lead| super::people::name(&home.tenant, lead),
    );
    let story = Story {
        told: &told,
        attempts: &known.attempts,
        cause: known.cause.as_ref(),
        lead: &lead,
        providers: &providers,
    };
    let base = frame.base.clone();
    let href = format!("{base}/messages/{}", message.id);
    let ended = message.status.missed() || message.status == Status::Cancelled;
    let siblings = known
        .notification
        .iter()
        .filter(|one| one.id != message.id)
        .map(|one| Sibling {
            href: format!("{base}/messages/{}", one.id),
            what: channel_word(one.channel),
            chip: chip(one.status),
        })
        .collect();
    let whom_href = known
        .lead
        .as_ref()
        .filter(|_| message.staff.is_none())
        .map(|lead| format!("{base}/leads/{}", lead.id))
        .unwrap_or_default();
    MessagePage {
        id: message.id.to_string(),
        title: told.title(),
        chip: chip(message.status),
        repeated: message.repeated,
        kind: channel_word(message.channel),
        whom_href,
        line: trace::line(&told),
        trace: trace::trace(&story),
        changes: told.changes(),
        heading: body::heading(message.channel),
        shown,
        facts: facts(&told, known, &base, &account, &lead),
        siblings,
        cancel: message.status.waits() && frame.writes,
        retry: ended
            && !message.recipient.is_empty()
            && message.plan.replaced_by.is_none()
            && frame.writes,
        dead: if message.is_dead() && frame.writes {
            format!("{base}/queue/dead/{}", message.id)
        } else {
            String::new()
        },
        change: message.channel != ChannelKind::Webhook,
        discarded: message.plan.discarded.is_some(),
        twice: message.status == Status::Unknown,
        href,
        frame,
        whom,
    }
}

fn facts(told: &Telling<'_>, known: &Known, base: &str, account: &str, lead: &str) -> Vec<Line> {
    let message = told.message;
    let mut lines = vec![match &message.cost {
        Some(cost) => Line::new(
            "Cost",
            match message.status {
                Status::Sending => {
                    format!("{:.4} {} reserved", cost.micros as f64 / 1e6, cost.currency)
                }
                _ => format!("{:.4} {}", cost.micros as f64 / 1e6, cost.currency),
            },
        ),
        None if message.sandbox => Line::new("Cost", "nothing, the sandbox is free"),
        None if message.attempts == 0 => Line::new("Cost", "nothing so far"),
        None => Line::new(
            "Cost",
            "nothing by the price list, and the provider named no price",
        ),
    }];
    if message.recipient.is_empty() {
        lines.push(Line::new("To", "nobody: there is no address"));
    } else if message.channel == ChannelKind::Webhook {
        lines.push(Line::new("To", message.recipient.clone()));
    } else {
        lines.push(Line::new("To", mask(&message.recipient)).masked());
    }
    if let Some(one) = &known.lead {
        let term = if message.staff.is_some() {
            "About"
        } else {
            "Lead"
        };
        lines.push(Line::new(term, lead).to(format!("{base}/leads/{}", one.id)));
    }
    lines.push(Line::new(
        "Connection",
        if account.is_empty() {
            told.provider.to_lowercase()
        } else {
            format!("{account} ({})", told.provider)
        },
    ));
    if let Some(step) = &message.step {
        let (name, version, at) = step_of(step);
        lines.push(
            Line::new("Workflow", format!("{name}, version {version}, step {at}"))
                .to(format!("{base}/workflows/{name}")),
        );
    }
    if let Some((name, version)) = &message.template {
        let locale = message
            .locale
            .as_deref()
            .map(|locale| format!(", {locale}"))
            .unwrap_or_default();
        lines.push(
            Line::new("Template", format!("{name}, version {version}{locale}"))
                .to(format!("{base}/templates/{name}")),
        );
    }
    for (term, other) in [
        ("Stands in for", message.plan.instead_of),
        ("Said instead by", message.plan.replaced_by),
    ] {
        if let Some(other) = other {
            let href = format!("{base}/messages/{other}");
            lines.push(Line::new(term, other.to_string()).to(href));
        }
    }
    lines.push(Line::new("Priority", message.priority.as_str()));
    if let Some(reference) = message
        .reference
        .as_deref()
        .filter(|reference| *reference != "sandbox")
    {
        lines.push(Line::new("Provider's name", reference));
    }
    if let Some(hours) = told.hours().filter(|hours| !hours.version.is_empty()) {
        lines.push(Line::new(
            "Rules",
            format!("{} {}", hours.version, hours.rules.join(" ")),
        ));
    }
    lines
}

async fn show_body(
    State(app): State<App>,
    session: Session,
    Named((_, id)): Named<(String, String)>,
) -> PageResult {
    let (tenant, id) = (session.home.row.id, read(&id)?);
    let message = app
        .ask(move |store| store.message(tenant, id))
        .await?
        .ok_or(PageError::NotFound)?;
    Ok(body::document(
        body::content(&app, &session.home, &message).await,
    ))
}

async fn retry(
    State(app): State<App>,
    session: Session,
    Named((_, id)): Named<(String, String)>,
) -> PageResult {
    let id = read(&id)?;
    let answer = app
        .take(
            session.home.row.id,
            Intake::Retry {
                message: id,
                at: None,
                actor: session.actor(),
            },
            None,
        )
        .await?;
    back(&session, id, answer)
}

async fn cancel(
    State(app): State<App>,
    session: Session,
    Named((_, id)): Named<(String, String)>,
) -> PageResult {
    let id = read(&id)?;
    let answer = app
        .take(
            session.home.row.id,
            Intake::Cancel {
                message: id,
                actor: session.actor(),
            },
            None,
        )
        .await?;
    back(&session, id, answer)
}

/// Back to the message with what is now true.
fn back(session: &Session, id: MessageId, answer: Answer) -> PageResult<Response> {
    let to = format!("{}/messages/{id}", session.base());
    let (class, text) = match answer {
        Answer::Done => ("kept", "Message cancelled. It will not go.".to_owned()),
        Answer::Composed {
            status: Status::Sending | Status::Accepted | Status::Delivered | Status::Queued,
            ..
        } => ("kept", "It is tried again.".to_owned()),
        Answer::Composed { status, why, .. } => (
            "held",
            why.map_or_else(
                || format!("It is {status} now."),
                |why| format!("It is {status} now: {}", explain::lower_first(&why)),
            ),
        ),
        Answer::Refused { detail, .. } => ("late", detail),
        _ => return Err(PageError::NotFound),
    };
    Ok(see_other_with(&to, class, &text))
}

#[cfg(test)]
pub(super) mod tests;
