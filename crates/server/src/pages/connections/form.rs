//! The form of a connection, made of what its provider says it wants to know. Secrets go in and never come out again (X5).

use super::super::message::explain::channel_word;
use super::super::{
    Fields, Frame, Named, Page, PageError, PageResult, Session, html, see_other_with,
};
use super::{read, row_of};
use crate::app::App;
use askama::Template;
use axum::Router;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::routing::get;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ringback_channels::{ProviderInfo, catalogue};
use ringback_core::ids::ConnectionId;
use ringback_core::messages::ChannelKind;
use ringback_store::{ConnectionRow, House as _};
use serde::Deserialize;
use serde_json::json;
use std::collections::BTreeMap;

/// The routes of the form.
pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/t/{slug}/connections/new", get(blank).post(add))
        .route("/t/{slug}/connections/{id}", get(edit).post(save))
}

/// More accounts than this are a mistake.
const MOST: usize = 100;
/// Before the name of a setting in the form, so that none meets the form's own fields.
const PREFIX: &str = "s.";

/// A field as the page shows it.
#[derive(Debug, Clone, PartialEq)]
struct Field {
    id: String,
    name: String,
    label: String,
    help: String,
    value: String,
    secret: bool,
    required: bool,
    kept: bool,
    choices: Vec<(String, bool)>,
    error: String,
}

#[derive(Template)]
#[template(path = "connections/form.html")]
struct FormPage {
    frame: Frame,
    title: String,
    line: &'static str,
    action: String,
    provider: &'static str,
    channel: &'static str,
    fields: Vec<Field>,
    button: &'static str,
    summary: Vec<(String, String)>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Which {
    provider: String,
    channel: String,
}

fn info(which: &Which) -> PageResult<&'static ProviderInfo> {
    let channel = ChannelKind::from_name(&which.channel);
    catalogue()
        .iter()
        .find(|one| {
            one.name == which.provider && channel.is_none_or(|channel| one.channel == channel)
        })
        .ok_or(PageError::NotFound)
}

/// What is wrong, and at which field: `name` or the name of a setting.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Wrong {
    field: String,
    advice: String,
}

impl Wrong {
    fn new(field: &str, advice: impl Into<String>) -> Self {
        Self {
            field: field.to_owned(),
            advice: advice.into(),
        }
    }
}

/// The fields of a provider with what was typed and what is kept already.
fn fields(
    info: &ProviderInfo,
    name: Option<&str>,
    typed: &BTreeMap<String, String>,
    kept: &BTreeMap<String, String>,
    wrong: Option<&Wrong>,
) -> Vec<Field> {
    let error = |field: &str| {
        wrong
            .filter(|wrong| wrong.field == field)
            .map(|wrong| wrong.advice.clone())
            .unwrap_or_default()
    };
    let mut out = Vec::new();
    if let Some(name) = name {
        out.push(Field {
            id: "f-name".into(),
            name: "name".into(),
            label: "Name".into(),
            help: "Your own word for it, such as main. Workflows call webhooks by it.".into(),
            value: name.to_owned(),
            secret: false,
            required: true,
            kept: false,
            choices: Vec::new(),
            error: error("name"),
        });
    }
    for setting in info
        .all_settings()
        .filter(|setting| !(info.name == "sandbox" && setting.name == "channel"))
    {
        let kept_value = kept
            .get(setting.name)
            .filter(|value| !value.trim().is_empty());
        // A secret that was typed is not sent back either: it is typed again when another field was wrong.
        let value = if setting.secret {
            String::new()
        } else {
            typed
                .get(setting.name)
                .or(kept_value)
                .cloned()
                .unwrap_or_default()
        };
        let mut choices: Vec<(String, bool)> = setting
            .choices
            .iter()
            .map(|choice| ((*choice).to_owned(), value.trim() == *choice))
            .collect();
        if !choices.is_empty() && !setting.required {
            choices.insert(0, (String::new(), value.trim().is_empty()));
        }
        out.push(Field {
            id: format!("f-{}", setting.name),
            name: format!("{PREFIX}{}", setting.name),
            label: setting.label.to_owned(),
            help: setting.help.to_owned(),
            value,
            secret: setting.secret,
            required: setting.required,
            kept: setting.secret && kept_value.is_some(),
            choices,
            error: error(setting.name),
        });
    }
    out
}

fn form(
    frame: Frame,
    info: &'static ProviderInfo,
    action: String,
    editing: Option<&str>,
    mut fields: Vec<Field>,
    wrong: Option<&Wrong>,
) -> FormPage {
    let mut summary: Vec<(String, String)> = fields
        .iter()
        .filter(|field| !field.error.is_empty())
        .map(|field| {
            (
                field.id.clone(),
                format!("{}: {}", field.label, field.error),
            )
        })
        .collect();
    if let (true, Some(wrong)) = (summary.is_empty(), wrong) {
        // Not one of the fields that are shown: said at the first.
        if let Some(first) = fields.first_mut() {
            first.error.clone_from(&wrong.advice);
            summary.push((first.id.clone(), wrong.advice.clone()));
        }
    }
    let title = match editing {
        Some(name) => format!("{name}, {}", info.label),
        None => format!("Connect {}", info.label),
    };
    let line = if editing.is_some() {
        "Secrets are kept sealed and never shown again. Leave one empty to keep it."
    } else {
        "Secrets are kept sealed with this server's key and never shown again."
    };
    FormPage {
        title,
        line,
        action,
        provider: info.name,
        channel: info.channel.as_str(),
        fields,
        button: if editing.is_some() { "Save" } else { "Connect" },
        summary,
        frame,
    }
}

async fn blank(State(app): State<App>, session: Session, Query(which): Query<Which>) -> PageResult {
    session.admin()?;
    let Ok(info) = info(&which) else {
        // Without a provider there is nothing to fill in yet: the list is where one is chosen.
        return Ok(super::super::see_other(&format!(
            "{}/connections",
            session.base()
        )));
    };
    let frame = Frame::load(&app, &session, Page::Connections).await?;
    let action = format!("{}/connections/new", frame.base);
    let fields = fields(
        info,
        Some(&suggested(&session, info)),
        &BTreeMap::new(),
        &BTreeMap::new(),
        None,
    );
    Ok(html(&form(frame, info, action, None, fields, None)))
}

/// A name that is free: `main`, else the provider's with a number.
fn suggested(session: &Session, info: &ProviderInfo) -> String {
    let taken = |name: &str| session.home.connections.iter().any(|row| row.name == name);
    let base = if session.home.connections.is_empty() {
        "main"
    } else {
        info.name
    };
    std::iter::once(base.to_owned())
        .chain((2..).map(|n| format!("{base}-{n}")))
        .find(|name| !taken(name))
        .unwrap_or_default()
}

/// What was typed, without the form's own fields and without blanks.
fn settings_of(typed: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    typed
        .iter()
        .filter_map(|(name, value)| {
            Some((
                name.strip_prefix(PREFIX)?.to_owned(),
                value.trim().to_owned(),
            ))
        })
        .filter(|(_, value)| !value.is_empty())
        .collect()
}

/// Opens the connection as a check; what is wrong is said with its field.
fn check(app: &App, info: &ProviderInfo, settings: &BTreeMap<String, String>) -> Result<(), Wrong> {
    let opened =
        ringback_channels::open(info.name, settings, app.registry.http()).map_err(|error| {
            Wrong {
                field: error.setting,
                advice: error.advice,
            }
        })?;
    if opened.capabilities().kind == info.channel {
        Ok(())
    } else {
        Err(Wrong::new(
            "name",
            format!(
                "These settings are for {}.",
                channel_word(opened.capabilities().kind).to_lowercase()
            ),
        ))
    }
}

fn checked_name(typed: &BTreeMap<String, String>) -> Result<String, Wrong> {
    let name = typed
        .get("name")
        .map(|name| name.trim())
        .unwrap_or_default();
    let fits = (1..=64).contains(&name.chars().count()) && !name.chars().any(char::is_control);
    if fits {
        Ok(name.to_owned())
    } else {
        Err(Wrong::new("name", "A name has 1 to 64 characters."))
    }
}

async fn add(
    State(app): State<App>,
    session: Session,
    Fields(typed): Fields<BTreeMap<String, String>>,
) -> PageResult {
    session.admin()?;
    let which = Which {
        provider: typed.get("provider").cloned().unwrap_or_default(),
        channel: typed.get("channel").cloned().unwrap_or_default(),
    };
    let info = info(&which)?;
    let mut settings = settings_of(&typed);
    if info.name == "sandbox" {
        settings.insert("channel".into(), info.channel.as_str().into());
    }
    let told = checked_name(&typed).and_then(|name| check(&app, info, &settings).map(|()| name));
    let wrong = match told {
        Ok(name) => match insert(&app, &session, info, &name, &settings).await? {
            Ok(id) => {
                let to = format!("{}/connections#{id}", session.base());
                let then = if matches!(info.name, "sandbox" | "smtp" | "webhook") {
                    ""
                } else {
                    " Give its webhook address to the provider, so that reports and answers come back."
                };
                return Ok(see_other_with(
                    &to,
                    "kept",
                    &format!(
                        "{name} is connected. Test it, then send something to yourself.{then}"
                    ),
                ));
            }
            Err(wrong) => wrong,
        },
        Err(wrong) => wrong,
    };
    let frame = Frame::load(&app, &session, Page::Connections).await?;
    let action = format!("{}/connections/new", frame.base);
    let name = typed.get("name").map_or("", String::as_str);
    let fields = fields(info, Some(name), &settings, &BTreeMap::new(), Some(&wrong));
    let mut response = html(&form(frame, info, action, None, fields, Some(&wrong)));
    *response.status_mut() = StatusCode::UNPROCESSABLE_ENTITY;
    Ok(response)
}

async fn insert(
    app: &App,
    session: &Session,
    info: &ProviderInfo,
    name: &str,
    settings: &BTreeMap<String, String>,
) -> PageResult<Result<ConnectionId, Wrong>> {
    let id = ConnectionId::from_raw(app.new_id());
    let (tenant, now) = (session.home.row.id, app.now());
    let mut row = ConnectionRow {
        id,
        channel: info.channel,
        provider: info.name.to_owned(),
        name: name.to_owned(),
        settings: app.registry.master().seal(tenant, id, settings),
        path_secret: URL_SAFE_NO_PAD.encode(crate::random_bytes::<24>()),
        position: 0,
        enabled: true,
        trouble: None,
        breaker: None,
        created_at: now,
    };
    let (actor, peer) = (session.actor(), session.peer.clone());
    let details = json!({"id": id, "provider": info.name, "name": name});
    let done = app
        .change(move |writer| {
            let have = writer.connections(tenant)?;
            if have.iter().any(|one| one.name == row.name) {
                return Ok(Err(Wrong::new(
                    "name",
                    "There is a connection of this name already. Choose another.",
                )));
            }
            if have.len() >= MOST {
                return Ok(Err(Wrong::new(
                    "name",
                    "There are 100 connections already. Delete one that is not used.",
                )));
            }
            row.position = have
                .iter()
                .filter(|one| one.channel == row.channel)
                .map(|one| one.position + 1)
                .max()
                .unwrap_or(0);
            writer.insert_connection(tenant, &row)?;
            writer.write_audit(tenant, &actor, Some(&peer), "connection.add", &details, now)?;
            Ok(Ok(id))
        })
        .await?;
    Ok(done)
}

fn of_row(
    session: &Session,
    id: ConnectionId,
) -> PageResult<(&ConnectionRow, &'static ProviderInfo)> {
    let row = row_of(session, id)?;
    let info = catalogue()
        .iter()
        .find(|one| one.name == row.provider && one.channel == row.channel)
        .ok_or(PageError::NotFound)?;
    Ok((row, info))
}

async fn edit(
    State(app): State<App>,
    session: Session,
    Named((_, id)): Named<(String, String)>,
) -> PageResult {
    session.admin()?;
    let id = read(&id)?;
    let (row, info) = of_row(&session, id)?;
    let kept = app
        .registry
        .master()
        .open(session.home.row.id, id, &row.settings)
        .unwrap_or_default();
    let frame = Frame::load(&app, &session, Page::Connections).await?;
    let action = format!("{}/connections/{id}", frame.base);
    let fields = fields(info, None, &BTreeMap::new(), &kept, None);
    Ok(html(&form(
        frame,
        info,
        action,
        Some(&row.name),
        fields,
        None,
    )))
}

/// What is kept with what was typed over it: a secret left empty stays, another setting left empty goes.
fn merged(
    info: &ProviderInfo,
    kept: &BTreeMap<String, String>,
    typed: &BTreeMap<String, String>,
) -> BTreeMap<String, String> {
    let mut settings = typed.clone();
    for setting in info.settings {
        let hidden = setting.secret || (info.name == "sandbox" && setting.name == "channel");
        if let Some(value) = kept.get(setting.name).filter(|_| hidden) {
            settings
                .entry(setting.name.to_owned())
                .or_insert_with(|| value.clone());
        }
    }
    settings
}

async fn save(
    State(app): State<App>,
    session: Session,
    Named((_, id)): Named<(String, String)>,
    Fields(typed): Fields<BTreeMap<String, String>>,
) -> PageResult {
    session.admin()?;
    let id = read(&id)?;
    let (row, info) = of_row(&session, id)?;
    let tenant = session.home.row.id;
    // Settings that this server's key does not open any more are typed anew as a whole.
    let kept = app
        .registry
        .master()
        .open(tenant, id, &row.settings)
        .unwrap_or_default();
    let typed = settings_of(&typed);
    let settings = merged(info, &kept, &typed);
    if let Err(wrong) = check(&app, info, &settings) {
        let frame = Frame::load(&app, &session, Page::Connections).await?;
        let action = format!("{}/connections/{id}", frame.base);
        let fields = fields(info, None, &typed, &kept, Some(&wrong));
        let mut response = html(&form(
            frame,
            info,
            action,
            Some(&row.name),
            fields,
            Some(&wrong),
        ));
        *response.status_mut() = StatusCode::UNPROCESSABLE_ENTITY;
        return Ok(response);
    }
    let sealed = app.registry.master().seal(tenant, id, &settings);
    let changed: Vec<String> = typed.keys().cloned().collect();
    super::change(
        &app,
        &session,
        id,
        "connection.change",
        json!({"id": id, "settings": changed}),
        move |writer, tenant, rows| {
            rows.into_iter()
                .filter(|row| row.id == id)
                .try_for_each(|row| {
                    writer.update_connection(
                        tenant,
                        &ConnectionRow {
                            settings: sealed.clone(),
                            trouble: None,
                            breaker: None,
                            ..row
                        },
                    )
                })
        },
    )
    .await?;
    Ok(see_other_with(
        &format!("{}/connections#{id}", session.base()),
        "kept",
        &format!("{} has its new settings. Test it.", row.name),
    ))
}

#[cfg(test)]
mod tests {
    use super::super::super::message::tests::frame;
    use super::super::super::tests::{HOSTILE, sound};
    use super::*;

    /// X5: no provider's form shows a secret, whether it was kept or typed just now, and every form is sound.
    #[test]
    fn no_form_shows_a_secret() {
        for info in catalogue() {
            let all: BTreeMap<String, String> = info
                .settings
                .iter()
                .map(|setting| {
                    (
                        setting.name.to_owned(),
                        if setting.secret {
                            "top-secret".to_owned()
                        } else {
                            HOSTILE.to_owned()
                        },
                    )
                })
                .collect();
            for wrong in info
                .settings
                .iter()
                .map(|setting| Wrong::new(setting.name, HOSTILE))
                .chain([Wrong::new("name", HOSTILE), Wrong::new("no_such", HOSTILE)])
            {
                let fields = fields(info, Some(HOSTILE), &all, &all, Some(&wrong));
                let page = form(
                    frame(),
                    info,
                    "/t/alder/connections/new".into(),
                    None,
                    fields,
                    Some(&wrong),
                )
                .render()
                .unwrap();
                sound(&page);
                assert!(!page.contains("top-secret"), "{}", info.name);
                assert!(
                    page.contains("aria-invalid=\"true\"") && page.contains("1 thing to mend"),
                    "{} {wrong:?}",
                    info.name
                );
            }
        }
    }

    /// X5: a secret left empty stays, another setting left empty goes.
    #[test]
    fn empty_secrets_stay_and_other_empty_settings_go() {
        let info = catalogue().iter().find(|one| one.name == "twilio").unwrap();
        let map = |pairs: &[(&str, &str)]| {
            pairs
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect::<BTreeMap<_, _>>()
        };
        let kept = map(&[
            ("auth_token", "old"),
            ("from", "+13035550100"),
            ("account_sid", "AC1"),
        ]);
        let typed = settings_of(&map(&[
            ("s.auth_token", " "),
            ("s.account_sid", " AC2 "),
            ("name", "x"),
            ("s.from", ""),
        ]));
        assert_eq!(
            merged(info, &kept, &typed),
            map(&[("auth_token", "old"), ("account_sid", "AC2")])
        );
    }
}
