//! Settings, keys: what opens the API. A key is shown whole once, when it is made (X2).

use super::super::format::Local;
use super::super::stamp::Stamp;
use super::super::{
    Fields, Frame, Named, Page, PageError, PageResult, Session, html, see_other_with,
};
use super::{Part, Tab, name, tabs};
use crate::app::App;
use crate::http::{hash_key, make_key};
use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::{get, post};
use jiff::SignedDuration;
use ringback_core::ids::KeyId;
use ringback_core::time::Timestamp;
use ringback_store::{House as _, KeyKind, KeyRow};
use serde::Deserialize;

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/t/{slug}/settings/keys", get(show).post(make))
        .route("/t/{slug}/settings/keys/{key}/revoke", post(revoke))
}

/// A key in the list.
#[derive(Debug)]
struct Row {
    id: String,
    name: String,
    kind: &'static str,
    shown: String,
    scopes: String,
    created: Stamp,
    used: Option<Stamp>,
    expires: Option<Stamp>,
    /// Since when it opens nothing.
    ended: Option<Stamp>,
}

/// A key that was just made.
#[derive(Debug)]
struct Made {
    name: String,
    whole: String,
    /// A command that works as pasted.
    command: String,
}

#[derive(Debug, Default, Clone, Deserialize)]
#[serde(default)]
struct Typed {
    name: String,
    kind: String,
    /// Days until it ends; empty is never.
    days: String,
    read: Option<String>,
    leads: Option<String>,
    send: Option<String>,
    admin: Option<String>,
}

#[derive(Template)]
#[template(path = "settings/keys.html")]
struct KeysPage {
    frame: Frame,
    tabs: Vec<Tab>,
    headline: String,
    line: String,
    made: Option<Made>,
    rows: Vec<Row>,
    ended: Vec<Row>,
    typed: Typed,
    problem: String,
}

async fn show(State(app): State<App>, session: Session) -> PageResult {
    session.admin()?;
    Ok(html(
        &load(
            &app,
            &session,
            None,
            Typed {
                kind: "secret".into(),
                ..Typed::default()
            },
            String::new(),
        )
        .await?,
    ))
}

async fn load(
    app: &App,
    session: &Session,
    made: Option<Made>,
    typed: Typed,
    problem: String,
) -> PageResult<KeysPage> {
    let frame = Frame::load(app, session, Page::Settings).await?;
    let tenant = session.home.row.id;
    let keys = app.ask(move |store| store.keys_of(tenant)).await?;
    Ok(page(
        frame,
        &keys,
        made,
        typed,
        problem,
        &Local::of(&session.home),
        app.now(),
    ))
}

fn page(
    frame: Frame,
    keys: &[KeyRow],
    made: Option<Made>,
    typed: Typed,
    problem: String,
    local: &Local,
    now: Timestamp,
) -> KeysPage {
    let over =
        |key: &&KeyRow| key.revoked_at.is_some() || key.expires_at.is_some_and(|at| at <= now);
    let row = |key: &KeyRow| Row {
        id: key.id.to_string(),
        name: key.name.clone(),
        kind: kind_words(key.kind),
        shown: format!("{}…", key.shown),
        scopes: scopes(key),
        created: Stamp::of(local, key.created_at, now),
        used: key.last_used_at.map(|at| Stamp::of(local, at, now)),
        expires: key.expires_at.map(|at| Stamp::of(local, at, now)),
        ended: key
            .revoked_at
            .or(key.expires_at.filter(|at| *at <= now))
            .map(|at| Stamp::of(local, at, now)),
    };
    let rows: Vec<Row> = keys
        .iter()
        .rev()
        .filter(|key| !over(key))
        .map(row)
        .collect();
    let ended = keys.iter().rev().filter(over).take(20).map(row).collect();
    let n = rows.len();
    KeysPage {
        tabs: tabs(&frame.base, Part::Keys),
        headline: match n {
            0 => "No key opens the API".to_owned(),
            1 => "One key opens the API".to_owned(),
            n => format!("{n} keys open the API"),
        },
        line: "A key is shown whole once, when it is made. Only its hash is kept.".to_owned(),
        made,
        rows,
        ended,
        typed,
        problem,
        frame,
    }
}

const fn kind_words(kind: KeyKind) -> &'static str {
    match kind {
        KeyKind::Secret => "for servers",
        KeyKind::Test => "for trying out: everything stays in the sandbox",
        KeyKind::Write => "for browsers: tracking only",
    }
}

fn scopes(key: &KeyRow) -> String {
    if key.kind == KeyKind::Write {
        return "tracking".to_owned();
    }
    if key.scopes.iter().any(|scope| scope == "*") {
        "everything".to_owned()
    } else {
        key.scopes.join(", ")
    }
}

async fn make(
    State(app): State<App>,
    session: Session,
    Fields(typed): Fields<Typed>,
) -> PageResult {
    session.admin()?;
    let row = match read(&typed, app.now()) {
        Ok(row) => row,
        Err(problem) => {
            let mut response = html(&load(&app, &session, None, typed, problem).await?);
            *response.status_mut() = StatusCode::UNPROCESSABLE_ENTITY;
            return Ok(response);
        }
    };
    let (tenant, now, actor, peer) = (
        session.home.row.id,
        app.now(),
        session.actor(),
        session.peer.clone(),
    );
    let text = make_key(row.kind);
    let row = KeyRow {
        id: KeyId::from_raw(app.new_id()),
        tenant,
        shown: text.shown.clone(),
        hash: hash_key(&text.whole).to_vec(),
        ..row
    };
    let (name, kind, scopes) = (row.name.clone(), row.kind, row.scopes.clone());
    app.change(move |writer| {
        writer.insert_key(&row)?;
        writer.write_audit(tenant, &actor, Some(&peer), "key.create", &serde_json::json!({"key": row.id, "name": row.name, "kind": row.kind.as_str(), "scopes": row.scopes}), now)
    })
    .await?;
    let server = &app.settings.public_url;
    let may = |scope: &str| scopes.iter().any(|one| one == "*" || one == scope);
    let bearer = format!("-H \"Authorization: Bearer {}\"", text.whole);
    let command = match kind {
        KeyKind::Write => format!(
            "curl -s {server}/v1/page -u {}: -H \"Content-Type: application/json\" -d '{{\"anonymousId\":\"v1\",\"properties\":{{\"path\":\"/emergency/burst-pipe\"}}}}'",
            text.whole
        ),
        _ if may("leads") => format!(
            "curl -s {server}/v1/leads {bearer} -H \"Content-Type: application/json\" -d '{{\"first_name\":\"Dana\",\"phone\":\"+13035550142\",\"source\":\"curl\"}}'"
        ),
        _ if may("read") => format!("curl -s {server}/v1/leads {bearer}"),
        _ => String::new(),
    };
    // The page that follows the form shows the key; no address ever holds it, and it is not kept anywhere.
    Ok(html(
        &load(
            &app,
            &session,
            Some(Made {
                name,
                whole: text.whole,
                command,
            }),
            Typed {
                kind: "secret".into(),
                ..Typed::default()
            },
            String::new(),
        )
        .await?,
    ))
}

/// The key that was asked for, without its secret.
fn read(typed: &Typed, now: Timestamp) -> Result<KeyRow, String> {
    let kind = [KeyKind::Secret, KeyKind::Test, KeyKind::Write]
        .into_iter()
        .find(|kind| kind.as_str() == typed.kind)
        .ok_or("Choose what the key is for.")?;
    let name = name(&typed.name)
        .map_err(|why| format!("{why} It tells later which program uses the key."))?;
    let wanted = [
        ("read", &typed.read),
        ("leads", &typed.leads),
        ("send", &typed.send),
        ("admin", &typed.admin),
    ];
    let mut scopes: Vec<String> = wanted
        .iter()
        .filter(|(_, on)| on.is_some())
        .map(|(scope, _)| (*scope).to_owned())
        .collect();
    if kind == KeyKind::Write || scopes.len() == wanted.len() {
        scopes = vec!["*".to_owned()];
    }
    if scopes.is_empty() {
        return Err("Choose at least one thing that the key may do.".to_owned());
    }
    let expires_at = match typed.days.trim() {
        "" => None,
        days => {
            let days: i64 = days
                .parse()
                .ok()
                .filter(|days| (1..=3_650).contains(days))
                .ok_or("It ends after 1 to 3650 days, or never when the field is empty.")?;
            Some(now + SignedDuration::from_hours(24 * days))
        }
    };
    Ok(KeyRow {
        id: KeyId::from_raw(0),
        tenant: ringback_core::ids::TenantId::from_raw(0),
        kind,
        name,
        shown: String::new(),
        hash: Vec::new(),
        scopes,
        expires_at,
        last_used_at: None,
        revoked_at: None,
        created_at: now,
    })
}

async fn revoke(
    State(app): State<App>,
    session: Session,
    Named((_, key)): Named<(String, String)>,
) -> PageResult {
    session.admin()?;
    let id: KeyId = key.parse().map_err(|_| PageError::NotFound)?;
    let (tenant, now, actor, peer) = (
        session.home.row.id,
        app.now(),
        session.actor(),
        session.peer.clone(),
    );
    let ours = app.ask(move |store| store.keys_of(tenant)).await?;
    if ours.iter().all(|key| key.id != id) {
        return Err(PageError::NotFound);
    }
    let done = app
        .change(move |writer| {
            let done = writer.revoke_key(tenant, id, now)?;
            if done {
                writer.write_audit(
                    tenant,
                    &actor,
                    Some(&peer),
                    "key.revoke",
                    &serde_json::json!({"key": id}),
                    now,
                )?;
            }
            Ok(done)
        })
        .await?;
    let to = format!("{}/settings/keys", session.base());
    Ok(if done {
        see_other_with(&to, "kept", "The key opens nothing any more.")
    } else {
        see_other_with(&to, "held", "That key opened nothing already.")
    })
}

#[cfg(test)]
mod tests {
    use super::super::super::tests::{HOSTILE, sound};
    use super::super::tests::{frame, local, now};
    use super::*;

    fn key(raw: i64, name: &str) -> KeyRow {
        let typed = Typed {
            name: "x".into(),
            kind: "secret".into(),
            read: Some("on".into()),
            ..Typed::default()
        };
        KeyRow {
            id: KeyId::from_raw(raw),
            name: name.into(),
            shown: "rb_live_Ab3dEf9h".into(),
            ..read(&typed, now()).unwrap()
        }
    }

    /// X2: a key is shown whole where it was made and only there; a revoked one says since when.
    #[test]
    fn a_key_is_shown_whole_once() {
        let revoked = KeyRow {
            revoked_at: Some(now()),
            ..key(2, "old")
        };
        let made = Made {
            name: "site".into(),
            whole: "rb_live_Ab3dEf9hSECRET".into(),
            command: "curl".into(),
        };
        let text = page(
            frame(),
            &[key(1, "site"), revoked],
            Some(made),
            Typed::default(),
            String::new(),
            &local(),
            now(),
        )
        .render()
        .unwrap();
        sound(&text);
        assert!(text.contains("rb_live_Ab3dEf9hSECRET") && text.contains("One key opens the API"));
        let text = page(
            frame(),
            &[key(1, "site")],
            None,
            Typed::default(),
            String::new(),
            &local(),
            now(),
        )
        .render()
        .unwrap();
        sound(&text);
        assert!(!text.contains("SECRET"));
        assert!(text.contains("/settings/keys/key_"));
    }

    /// What a key may do is chosen, and what makes no sense is said.
    #[test]
    fn the_form_is_read_with_its_mistakes() {
        let full = Typed {
            name: "a".into(),
            kind: "secret".into(),
            days: "30".into(),
            read: Some("on".into()),
            leads: Some("on".into()),
            ..Typed::default()
        };
        let row = read(&full, now()).unwrap();
        assert_eq!(row.scopes, ["read", "leads"]);
        assert_eq!(
            row.expires_at,
            Some(now() + SignedDuration::from_hours(720))
        );
        let all = Typed {
            send: Some("on".into()),
            admin: Some("on".into()),
            days: String::new(),
            ..full.clone()
        };
        assert_eq!(read(&all, now()).unwrap().scopes, ["*"]);
        assert_eq!(
            read(
                &Typed {
                    kind: "write".into(),
                    read: None,
                    leads: None,
                    ..full.clone()
                },
                now()
            )
            .unwrap()
            .scopes,
            ["*"]
        );
        for (typed, why) in [
            (
                Typed {
                    kind: "root".into(),
                    ..full.clone()
                },
                "Choose what",
            ),
            (
                Typed {
                    name: " ".into(),
                    ..full.clone()
                },
                "Type a name",
            ),
            (
                Typed {
                    days: "-1".into(),
                    ..full.clone()
                },
                "3650",
            ),
            (
                Typed {
                    read: None,
                    leads: None,
                    ..full
                },
                "at least one",
            ),
        ] {
            assert!(read(&typed, now()).unwrap_err().contains(why));
        }
    }

    /// Hostile names are text, and the empty page is sound.
    #[test]
    fn hostile_keys_are_text() {
        sound(
            &page(
                frame(),
                &[key(1, HOSTILE)],
                None,
                Typed {
                    name: HOSTILE.into(),
                    ..Typed::default()
                },
                HOSTILE.into(),
                &local(),
                now(),
            )
            .render()
            .unwrap(),
        );
        sound(
            &page(
                frame(),
                &[],
                None,
                Typed::default(),
                String::new(),
                &local(),
                now(),
            )
            .render()
            .unwrap(),
        );
    }
}
