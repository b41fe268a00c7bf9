//! One dead letter: what it says and what was answered, and recipient or words changed by hand (M4). The changed message is a new one.

use super::super::format::mask;
use super::super::message::body::{self, Shown};
use super::super::message::explain::{Chip, channel_word, chip, lower_first};
use super::super::message::whom;
use super::super::messages::leads_of;
use super::super::{
    Fields, Frame, Named, Page, PageError, PageResult, Session, html, see_other_with,
};
use crate::app::App;
use crate::dead::{Amendment, amend};
use crate::http::ApiError;
use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::get;
use ringback_core::ids::MessageId;
use ringback_core::messages::{ChannelKind, Message, Status};
use ringback_core::turn::Answer;
use serde::Deserialize;

/// The routes of one letter.
pub(super) fn routes() -> Router<App> {
    Router::new().route("/t/{slug}/queue/dead/{which}/edit", get(show).post(change))
}

#[derive(Template)]
#[template(path = "queue/edit.html")]
struct EditPage {
    frame: Frame,
    href: String,
    message: String,
    kind: &'static str,
    chip: Chip,
    whom: String,
    templated: String,
    mail: bool,
    now_to: String,
    written: Written,
    error: (String, String),
}

/// The form as it was sent.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
struct Written {
    to: String,
    subject: String,
    body: String,
}

fn id_of(name: &str) -> PageResult<MessageId> {
    name.parse().map_err(|_| PageError::NotFound)
}

async fn letter(app: &App, session: &Session, id: MessageId) -> PageResult<(Message, String)> {
    let tenant = session.home.row.id;
    let found = app
        .ask(move |store| {
            let Some(letter) = store.message(tenant, id)? else {
                return Ok(None);
            };
            let leads = leads_of(store, tenant, std::slice::from_ref(&letter))?;
            let whom = whom(&letter, letter.lead.and_then(|id| leads.get(&id)));
            Ok(Some((letter, whom)))
        })
        .await?;
    let (letter, whom) = found.ok_or(PageError::NotFound)?;
    if letter.is_dead() && letter.channel != ChannelKind::Webhook {
        Ok((letter, whom))
    } else {
        Err(PageError::NotFound)
    }
}

/// The letter's own words and address, as the form begins with them.
async fn as_it_is(app: &App, session: &Session, letter: &Message) -> Written {
    let (subject, body) = match body::shown(body::content(app, &session.home, letter).await) {
        Shown::Text { body, .. } | Shown::Json { body, .. } => (String::new(), body),
        Shown::Mail { subject, text, .. } => (subject, text),
        Shown::Nothing(_) => (String::new(), String::new()),
    };
    Written {
        // Contact data stays masked; who leaves the field empty keeps the recipient.
        to: String::new(),
        subject,
        // What is added at the end of every mail is added to the new one too.
        body: own_words(letter).unwrap_or(body),
    }
}

/// What a person wrote, without what the server adds.
fn own_words(letter: &Message) -> Option<String> {
    let body = letter.body.as_deref()?;
    if letter.channel != ChannelKind::Email {
        return Some(body.to_owned());
    }
    let parts: serde_json::Value = serde_json::from_str(body).ok()?;
    parts["text"].as_str().map(str::to_owned)
}

fn page(
    frame: Frame,
    letter: &Message,
    whom: String,
    written: Written,
    error: (String, String),
) -> EditPage {
    EditPage {
        href: format!("{}/queue/dead/{}/edit", frame.base, letter.id),
        message: format!("{}/messages/{}", frame.base, letter.id),
        kind: channel_word(letter.channel),
        chip: chip(letter.status),
        whom,
        templated: letter
            .template
            .as_ref()
            .map(|(name, _)| name.clone())
            .unwrap_or_default(),
        mail: letter.channel == ChannelKind::Email,
        now_to: mask(&letter.recipient),
        written,
        error,
        frame,
    }
}

async fn show(
    State(app): State<App>,
    session: Session,
    Named((_, name)): Named<(String, String)>,
) -> PageResult {
    if !session.may_write() {
        return Err(PageError::Forbidden(
            "Viewers look, and change nothing. Ask an agent or an owner.",
        ));
    }
    let (letter, whom) = letter(&app, &session, id_of(&name)?).await?;
    let written = as_it_is(&app, &session, &letter).await;
    let frame = Frame::load(&app, &session, Page::Queue).await?;
    let none = (String::new(), String::new());
    Ok(html(&page(frame, &letter, whom, written, none)))
}

/// Line ends as browsers send them are those of the form's text.
fn same(text: &str) -> String {
    text.replace("\r\n", "\n").trim_end().to_owned()
}

async fn change(
    State(app): State<App>,
    session: Session,
    Named((_, name)): Named<(String, String)>,
    Fields(written): Fields<Written>,
) -> PageResult {
    let (letter, whom) = letter(&app, &session, id_of(&name)?).await?;
    let known = as_it_is(&app, &session, &letter).await;
    let new = |sent: &str, known: &str| Some(same(sent)).filter(|sent| *sent != same(known));
    let wanted = Amendment {
        to: Some(written.to.trim().to_owned()).filter(|to| !to.is_empty()),
        body: new(&written.body, &known.body),
        subject: new(&written.subject, &known.subject)
            .filter(|_| letter.channel == ChannelKind::Email),
        data: None,
    };
    let answer = amend(&app, &session.home, &letter, wanted, session.actor(), None).await;
    let wrong = match answer {
        Ok(Answer::Composed { id, status, why }) => {
            return Ok(went(&session, id, status, why.as_deref()));
        }
        Ok(Answer::Refused { detail, field, .. }) => (field.unwrap_or("to").to_owned(), detail),
        Ok(_) => return Err(PageError::NotFound),
        Err(ApiError {
            status: StatusCode::UNPROCESSABLE_ENTITY,
            detail,
            field,
            ..
        }) => (
            field.map_or_else(|| "to".to_owned(), |field| field.to_string()),
            detail.into_owned(),
        ),
        Err(error) => return Err(error.into()),
    };
    let frame = Frame::load(&app, &session, Page::Queue).await?;
    let mut response = html(&page(frame, &letter, whom, written, wrong));
    *response.status_mut() = StatusCode::UNPROCESSABLE_ENTITY;
    Ok(response)
}

/// To the new message, with where it stands.
fn went(session: &Session, id: MessageId, status: Status, why: Option<&str>) -> Response {
    let to = format!("{}/messages/{id}", session.base());
    let (class, said) = match why {
        Some(why) if status != Status::Sending => (
            "held",
            format!(
                "This message stands in for the old one. It is {status}: {}",
                lower_first(why)
            ),
        ),
        _ => (
            "kept",
            "This message stands in for the old one and is on its way.".to_owned(),
        ),
    };
    see_other_with(&to, class, &said)
}

#[cfg(test)]
mod tests {
    use super::super::super::message::tests::frame;
    use super::super::super::tests::{HOSTILE, sound};
    use super::*;

    /// U: the form is sound, also when something is wrong; nothing typed is lost.
    #[test]
    fn the_form_keeps_what_was_typed() {
        for (mail, error) in [(false, ""), (true, "body"), (false, "to")] {
            let page = EditPage {
                frame: frame(),
                href: "/t/alder/queue/dead/msg_1/edit".into(),
                message: "/t/alder/messages/msg_1".into(),
                kind: "Text",
                chip: chip(Status::Failed),
                whom: HOSTILE.into(),
                templated: HOSTILE.into(),
                mail,
                now_to: HOSTILE.into(),
                written: Written {
                    to: HOSTILE.into(),
                    subject: HOSTILE.into(),
                    body: HOSTILE.into(),
                },
                error: (error.into(), HOSTILE.into()),
            };
            let text = page.render().unwrap();
            sound(&text);
            assert_eq!(text.contains("role=\"alert\""), !error.is_empty());
        }
    }
}
