//! Settings, who signs in: people with a role, and links that sign them in once (X2).

use super::super::format::Local;
use super::super::stamp::Stamp;
use super::super::{
    Fields, Frame, Named, Page, PageError, PageResult, Session, html, see_other_with,
};
use super::{Part, Tab, name, tabs};
use crate::app::App;
use crate::sign_in::make_link;
use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::{get, post};
use ringback_core::contact::Email;
use ringback_core::ids::UserId;
use ringback_core::time::Timestamp;
use ringback_store::{House as _, StoreError, UserRow, Writer};
use serde::Deserialize;

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/t/{slug}/settings/people", get(show).post(add))
        .route("/t/{slug}/settings/people/{user}", post(act))
}

const ROLES: &[(&str, &str)] = &[
    ("owner", "owner: everything"),
    ("admin", "admin: everything but owners"),
    ("agent", "agent: leads and messages"),
    ("viewer", "viewer: looks, changes nothing"),
];

/// A person in the list.
#[derive(Debug)]
struct Row {
    id: String,
    name: String,
    email: String,
    role: String,
    since: Stamp,
    disabled: Option<Stamp>,
    /// The person who looks.
    me: bool,
    /// The person who looks may change this one.
    mine: bool,
}

/// A link that was just made.
#[derive(Debug)]
struct Link {
    name: String,
    address: String,
}

#[derive(Debug, Default, Clone, Deserialize)]
#[serde(default)]
struct Typed {
    name: String,
    email: String,
    role: String,
}

#[derive(Debug, Default, Clone)]
struct Mistakes {
    name: String,
    email: String,
}

#[derive(Template)]
#[template(path = "settings/people.html")]
struct PeoplePage {
    frame: Frame,
    tabs: Vec<Tab>,
    headline: String,
    line: String,
    link: Option<Link>,
    rows: Vec<Row>,
    roles: Vec<(&'static str, &'static str)>,
    typed: Typed,
    mistakes: Mistakes,
}

async fn show(State(app): State<App>, session: Session) -> PageResult {
    session.admin()?;
    answer(
        &app,
        &session,
        None,
        Typed {
            role: "agent".into(),
            ..Typed::default()
        },
        Mistakes::default(),
    )
    .await
}

async fn answer(
    app: &App,
    session: &Session,
    link: Option<Link>,
    typed: Typed,
    mistakes: Mistakes,
) -> PageResult {
    let frame = Frame::load(app, session, Page::Settings).await?;
    let tenant = session.home.row.id;
    let users = app.ask(move |store| store.users(tenant)).await?;
    Ok(html(&page(
        frame,
        &users,
        &session.user,
        link,
        typed,
        mistakes,
        &Local::of(&session.home),
        app.now(),
    )))
}

#[expect(clippy::too_many_arguments, reason = "all that the page shows, once")]
fn page(
    frame: Frame,
    users: &[UserRow],
    me: &UserRow,
    link: Option<Link>,
    typed: Typed,
    mistakes: Mistakes,
    local: &Local,
    now: Timestamp,
) -> PeoplePage {
    let active = users
        .iter()
        .filter(|user| user.disabled_at.is_none())
        .count();
    let rows = users
        .iter()
        .map(|user| Row {
            id: user.id.to_string(),
            name: user.name.clone(),
            email: user.email.clone(),
            role: user.role.clone(),
            since: Stamp::of(local, user.created_at, now),
            disabled: user.disabled_at.map(|at| Stamp::of(local, at, now)),
            me: user.id == me.id,
            mine: may_change(me, user),
        })
        .collect();
    PeoplePage {
        tabs: tabs(&frame.base, Part::People),
        headline: if active == 1 {
            "One person signs in".to_owned()
        } else {
            format!("{active} people sign in")
        },
        line: "They work with these pages. Who hears of leads is under Staff.".to_owned(),
        link,
        rows,
        roles: ROLES
            .iter()
            .copied()
            .filter(|(role, _)| *role != "owner" || me.role == "owner")
            .collect(),
        typed,
        mistakes,
        frame,
    }
}

/// Owners may change everybody but themselves; admins everybody but owners and themselves.
fn may_change(me: &UserRow, other: &UserRow) -> bool {
    me.id != other.id && (me.role == "owner" || other.role != "owner")
}

/// What a change came to.
enum Added {
    /// Here is the token of the link.
    Link(String),
    /// The address is here already.
    Known,
}

async fn add(State(app): State<App>, session: Session, Fields(typed): Fields<Typed>) -> PageResult {
    session.admin()?;
    let mut mistakes = Mistakes::default();
    let name = name(&typed.name).map_err(|why| mistakes.name = why).ok();
    let email = Email::parse(&typed.email)
        .map(|email| email.as_str().to_lowercase())
        .map_err(|why| mistakes.email = why.advice())
        .ok();
    let (Some(name), Some(email)) = (name, email) else {
        return wrong(&app, &session, typed, mistakes).await;
    };
    let role = role_for(&session.user, &typed.role)?;
    let (tenant, now, actor, peer) = (
        session.home.row.id,
        app.now(),
        session.actor(),
        session.peer.clone(),
    );
    let user = UserRow {
        id: UserId::from_raw(app.new_id()),
        tenant,
        email,
        name: name.clone(),
        role: role.to_owned(),
        password: None,
        created_at: now,
        disabled_at: None,
    };
    let added = app
        .write(move |writer| {
            if writer
                .users(tenant)?
                .iter()
                .any(|other| other.email == user.email)
            {
                return Ok(Added::Known);
            }
            writer.insert_user(&user)?;
            writer.write_audit(
                tenant,
                &actor,
                Some(&peer),
                "user.create",
                &serde_json::json!({"user": user.id, "name": user.name, "role": user.role}),
                now,
            )?;
            make_link(writer, user.id, now).map(Added::Link)
        })
        .await?;
    match added {
        Added::Known => {
            mistakes.email =
                "This address signs in here already. Enable it or make a link for it in the list."
                    .to_owned();
            wrong(&app, &session, typed, mistakes).await
        }
        Added::Link(token) => {
            let link = Link {
                name,
                address: format!("{}/sign-in/link/{token}", app.settings.public_url),
            };
            answer(
                &app,
                &session,
                Some(link),
                Typed {
                    role: "agent".into(),
                    ..Typed::default()
                },
                Mistakes::default(),
            )
            .await
        }
    }
}

async fn wrong(app: &App, session: &Session, typed: Typed, mistakes: Mistakes) -> PageResult {
    let mut response: Response = answer(app, session, None, typed, mistakes).await?;
    *response.status_mut() = StatusCode::UNPROCESSABLE_ENTITY;
    Ok(response)
}

/// The role that was asked for, if this person may give it.
fn role_for(me: &UserRow, role: &str) -> PageResult<&'static str> {
    let role = ROLES
        .iter()
        .map(|(role, _)| *role)
        .find(|known| *known == role)
        .ok_or(PageError::Forbidden("There is no such role."))?;
    if role == "owner" && me.role != "owner" {
        Err(PageError::Forbidden(
            "Only an owner makes somebody an owner.",
        ))
    } else {
        Ok(role)
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Act {
    /// `link`, `disable`, `enable` or `role`.
    act: String,
    role: String,
}

async fn act(
    State(app): State<App>,
    session: Session,
    Named((_, user)): Named<(String, String)>,
    Fields(asked): Fields<Act>,
) -> PageResult {
    session.admin()?;
    let id: UserId = user.parse().map_err(|_| PageError::NotFound)?;
    let tenant = session.home.row.id;
    let mut user = app
        .ask(move |store| store.user(id))
        .await?
        .filter(|user| user.tenant == tenant)
        .ok_or(PageError::NotFound)?;
    let to = format!("{}/settings/people", session.base());
    let (now, actor, peer) = (app.now(), session.actor(), session.peer.clone());
    if asked.act == "link" && (user.id == session.user.id || may_change(&session.user, &user)) {
        if user.disabled_at.is_some() {
            return Ok(see_other_with(
                &to,
                "held",
                &format!("{} is disabled. Enable first, then make a link.", user.name),
            ));
        }
        let name = user.name;
        let token = app
            .write(move |writer| {
                writer.write_audit(
                    tenant,
                    &actor,
                    Some(&peer),
                    "user.link",
                    &serde_json::json!({"user": id}),
                    now,
                )?;
                make_link(writer, id, now)
            })
            .await?;
        let link = Link {
            name,
            address: format!("{}/sign-in/link/{token}", app.settings.public_url),
        };
        return answer(
            &app,
            &session,
            Some(link),
            Typed {
                role: "agent".into(),
                ..Typed::default()
            },
            Mistakes::default(),
        )
        .await;
    }
    if !may_change(&session.user, &user) {
        return Err(PageError::Forbidden(
            "Nobody changes or disables themselves, and only owners change owners.",
        ));
    }
    let said = match asked.act.as_str() {
        "disable" => {
            user.disabled_at = Some(now);
            format!("{} is signed out everywhere and cannot sign in.", user.name)
        }
        "enable" => {
            user.disabled_at = None;
            format!("{} may sign in again.", user.name)
        }
        "role" => {
            role_for(&session.user, &asked.role)?.clone_into(&mut user.role);
            format!("{} is {} now.", user.name, user.role)
        }
        _ => return Err(PageError::NotFound),
    };
    app.write(move |writer: &mut Writer| -> Result<(), StoreError> {
        writer.update_user(&user)?;
        if user.disabled_at.is_some() {
            writer.delete_browsers(user.id)?;
        }
        writer.write_audit(tenant, &actor, Some(&peer), "user.change", &serde_json::json!({"user": user.id, "role": user.role, "disabled": user.disabled_at.is_some()}), now)
    })
    .await?;
    app.live.ask_again();
    Ok(see_other_with(&to, "kept", &said))
}

#[cfg(test)]
mod tests {
    use super::super::super::tests::{HOSTILE, sound};
    use super::super::tests::{frame, local, now};
    use super::*;
    use ringback_core::ids::TenantId;

    fn user(raw: i64, name: &str, role: &str) -> UserRow {
        UserRow {
            id: UserId::from_raw(raw),
            tenant: TenantId::from_raw(1),
            email: "inez@example.com".into(),
            name: name.into(),
            role: role.into(),
            password: None,
            created_at: now(),
            disabled_at: None,
        }
    }

    /// X2: nobody shuts themselves out, and admins neither make nor change owners.
    #[test]
    fn nobody_shuts_out_themselves_or_a_superior() {
        let (owner, admin, agent) = (
            user(1, "o", "owner"),
            user(2, "a", "admin"),
            user(3, "g", "agent"),
        );
        assert!(may_change(&owner, &admin) && may_change(&admin, &agent));
        assert!(!may_change(&owner, &owner) && !may_change(&admin, &owner));
        assert!(
            role_for(&admin, "owner").is_err()
                && role_for(&owner, "owner").is_ok()
                && role_for(&owner, "root").is_err()
        );
    }

    /// A link is shown where it was made; the list says who is disabled.
    #[test]
    fn a_link_is_shown_where_it_was_made() {
        let me = user(1, "Inez Ford", "owner");
        let gone = UserRow {
            disabled_at: Some(now()),
            ..user(2, "Owen", "agent")
        };
        let link = Link {
            name: "Owen".into(),
            address: "https://ringback.example/sign-in/link/abc".into(),
        };
        let text = page(
            frame(),
            &[me.clone(), gone],
            &me,
            Some(link),
            Typed::default(),
            Mistakes::default(),
            &local(),
            now(),
        )
        .render()
        .unwrap();
        sound(&text);
        assert!(
            text.contains("One person signs in")
                && text.contains("/sign-in/link/abc")
                && text.contains("you")
        );
    }

    /// Hostile names are text.
    #[test]
    fn hostile_people_are_text() {
        let me = user(1, HOSTILE, "admin");
        let typed = Typed {
            name: HOSTILE.into(),
            email: HOSTILE.into(),
            role: HOSTILE.into(),
        };
        let mistakes = Mistakes {
            name: HOSTILE.into(),
            email: HOSTILE.into(),
        };
        sound(
            &page(
                frame(),
                &[me.clone(), user(2, HOSTILE, "viewer")],
                &me,
                None,
                typed,
                mistakes,
                &local(),
                now(),
            )
            .render()
            .unwrap(),
        );
    }
}
