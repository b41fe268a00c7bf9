//! Settings, staff: who hears of leads, how they are reached, on which lists they are, who is on call (D1).

use super::super::{Fields, Frame, Page, PageResult, Session, html, see_other_with};
use super::{Part, Tab, name, tabs, words};
use crate::app::App;
use crate::registry::Home;
use askama::Template;
use axum::Router;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::routing::{get, post};
use ringback_core::config::TenantConfig;
use ringback_core::contact::{Email, Phone};
use ringback_core::places::Region;
use ringback_core::turn::StaffMember;
use ringback_core::turn::world::StaffNumber;
use ringback_core::workflows::Recipient;
use ringback_store::House as _;
use serde::Deserialize;
use std::collections::BTreeSet;

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/t/{slug}/settings/staff", get(show).post(put))
        .route("/t/{slug}/settings/staff/remove", post(remove))
}

/// A person in the list.
#[derive(Debug)]
struct Row {
    name: String,
    /// For ids in the page.
    at: usize,
    phone: String,
    email: String,
    roles: String,
    lists: String,
    on_call: bool,
    /// What is to be known of texts to the number; empty when they may come.
    texts: &'static str,
    edit: String,
}

/// The form as it was typed.
#[derive(Debug, Default, Clone, Deserialize)]
#[serde(default)]
struct Typed {
    /// The name before, for one who is there already.
    was: String,
    name: String,
    phone: String,
    email: String,
    roles: String,
    lists: String,
    on_call: Option<String>,
}

/// What is to be mended, at its field.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
struct Mistakes {
    name: String,
    phone: String,
    email: String,
}

impl Mistakes {
    fn none(&self) -> bool {
        self == &Self::default()
    }
}

#[derive(Template)]
#[template(path = "settings/staff.html")]
struct StaffPage {
    frame: Frame,
    tabs: Vec<Tab>,
    headline: String,
    line: String,
    /// Recipients of workflows that are nobody.
    gaps: Vec<String>,
    rows: Vec<Row>,
    typed: Typed,
    mistakes: Mistakes,
    wrong: bool,
    known_roles: String,
    known_lists: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Asked {
    edit: String,
}

async fn show(State(app): State<App>, session: Session, Query(asked): Query<Asked>) -> PageResult {
    session.admin()?;
    let frame = Frame::load(&app, &session, Page::Settings).await?;
    let typed = session
        .home
        .tenant
        .staff
        .iter()
        .find(|one| one.name == asked.edit)
        .map(typed_of)
        .unwrap_or_default();
    let mut page = page(frame, &session.home, typed, Mistakes::default());
    let tenant = session.home.row.id;
    let staff = session.home.tenant.staff.clone();
    let known = app
        .ask(move |store| {
            let phones = staff.iter().map(|one| one.phone.as_deref());
            phones
                .map(|phone| {
                    phone
                        .map(|phone| store.staff_number(tenant, phone))
                        .transpose()
                })
                .collect::<Result<Vec<_>, _>>()
        })
        .await?;
    for (row, known) in page.rows.iter_mut().zip(known) {
        row.texts = texts(known);
    }
    Ok(html(&page))
}

/// Whether alerts come to somebody's number as texts, when they do not (ST-1).
const fn texts(known: Option<StaffNumber>) -> &'static str {
    match known {
        None | Some(StaffNumber::Confirmed) => "",
        Some(StaffNumber::Unasked) => {
            "Asked once, with the first text that would go there for real, whether alerts may come to it; until the person says yes they go by mail."
        }
        Some(StaffNumber::Asked) => {
            "Asked whether alerts may come as texts, and has not answered YES or opened the link yet; until then they go by mail."
        }
        Some(StaffNumber::Stopped) => {
            "Said STOP to texts: alerts go by mail. Only the person can undo it, by texting START."
        }
    }
}

fn typed_of(one: &StaffMember) -> Typed {
    Typed {
        was: one.name.clone(),
        name: one.name.clone(),
        phone: one.phone.clone().unwrap_or_default(),
        email: one.email.clone().unwrap_or_default(),
        roles: one.roles.join(", "),
        lists: one.lists.join(", "),
        on_call: one.on_call.then(|| "on".to_owned()),
    }
}

fn page(frame: Frame, home: &Home, typed: Typed, mistakes: Mistakes) -> StaffPage {
    lay_out(
        frame,
        &home.tenant.staff,
        &home.tenant.config,
        typed,
        mistakes,
    )
}

fn lay_out(
    frame: Frame,
    staff: &[StaffMember],
    config: &TenantConfig,
    typed: Typed,
    mistakes: Mistakes,
) -> StaffPage {
    let base = format!("{}/settings/staff", frame.base);
    let on_call: Vec<&str> = staff
        .iter()
        .filter(|one| one.on_call)
        .map(|one| one.name.as_str())
        .collect();
    let rows = staff
        .iter()
        .enumerate()
        .map(|(at, one)| Row {
            at,
            name: one.name.clone(),
            phone: one
                .phone
                .as_deref()
                .map(super::super::format::phone)
                .unwrap_or_default(),
            email: one.email.clone().unwrap_or_default(),
            roles: one.roles.join(", "),
            lists: one.lists.join(", "),
            on_call: one.on_call,
            texts: "",
            edit: format!(
                "{base}?edit={}#edit",
                super::super::format::query(&one.name)
            ),
        })
        .collect();
    let known = |own: fn(&StaffMember) -> &Vec<String>, more: Vec<String>| {
        let all: BTreeSet<String> = staff
            .iter()
            .flat_map(|one| own(one).iter().cloned())
            .chain(more)
            .collect();
        all.into_iter().collect::<Vec<_>>().join(", ")
    };
    let (mut lists, mut roles) = (Vec::new(), Vec::new());
    for (_, send) in config
        .workflows
        .values()
        .flat_map(|workflow| workflow.sends())
    {
        match &send.to {
            Recipient::List(list) => lists.push(list.clone()),
            Recipient::Role(role) => roles.push(role.clone()),
            _ => {}
        }
    }
    StaffPage {
        tabs: tabs(&frame.base, Part::Staff),
        headline: match on_call.as_slice() {
            [] => "Nobody is on call".to_owned(),
            [one] => format!("{one} is on call"),
            [most @ .., last] => format!("{} and {last} are on call", most.join(", ")),
        },
        line:
            "Who hears of leads. Workflows tell people by list, by role, by name or who is on call."
                .to_owned(),
        gaps: gaps(staff, config),
        rows,
        wrong: !mistakes.none(),
        typed,
        mistakes,
        known_roles: known(|one| &one.roles, roles),
        known_lists: known(|one| &one.lists, lists),
        frame,
    }
}

/// Recipients that workflows tell and that are nobody: an alert would reach no one.
fn gaps(staff: &[StaffMember], config: &TenantConfig) -> Vec<String> {
    let mut out = BTreeSet::new();
    for (name, workflow) in &config.workflows {
        for (_, send) in workflow.sends() {
            let empty = match &send.to {
                Recipient::List(list) => !staff.iter().any(|one| one.lists.contains(list)),
                Recipient::Role(role) => !staff.iter().any(|one| one.roles.contains(role)),
                Recipient::Staff(wanted) => !staff.iter().any(|one| one.name == *wanted),
                Recipient::OnCall => {
                    config.staff.rota.is_none() && !staff.iter().any(|one| one.on_call)
                }
                // Somebody stands in for them while they are nobody.
                Recipient::LeadOwner | Recipient::Manager | Recipient::OthersAlerted => false,
                Recipient::Lead | Recipient::Hook(_) => false,
            };
            if empty {
                out.insert(format!("{name} tells {}, and that is nobody.", send.to));
            }
        }
    }
    out.into_iter().collect()
}

/// Reads the form, or says at each field what to mend.
fn read(typed: &Typed, staff: &[StaffMember], region: Region) -> Result<StaffMember, Mistakes> {
    let mut mistakes = Mistakes::default();
    let name = name(&typed.name).unwrap_or_else(|why| {
        mistakes.name = why;
        String::new()
    });
    if !name.is_empty() && name != typed.was && staff.iter().any(|one| one.name == name) {
        mistakes.name = format!(
            "{name} is here already. Workflows know people by name, so every name is its own."
        );
    }
    let phone = match typed.phone.trim() {
        "" => None,
        phone => Phone::parse(phone, region)
            .map(|phone| phone.as_str().to_owned())
            .map_err(|why| mistakes.phone = why.advice())
            .ok(),
    };
    let email = match typed.email.trim() {
        "" => None,
        email => Email::parse(email)
            .map(|email| email.as_str().to_owned())
            .map_err(|why| mistakes.email = why.advice())
            .ok(),
    };
    if typed.phone.trim().is_empty() && typed.email.trim().is_empty() {
        mistakes.phone =
            "Give a phone number or an email address, else no alert can reach this person."
                .to_owned();
    }
    if !mistakes.none() {
        return Err(mistakes);
    }
    Ok(StaffMember {
        name,
        phone,
        email,
        roles: words(&typed.roles),
        lists: words(&typed.lists),
        on_call: typed.on_call.is_some(),
    })
}

async fn put(State(app): State<App>, session: Session, Fields(typed): Fields<Typed>) -> PageResult {
    session.admin()?;
    let home = &session.home;
    let member = match read(
        &typed,
        &home.tenant.staff,
        home.tenant.config.settings.region,
    ) {
        Ok(member) => member,
        Err(mistakes) => {
            let frame = Frame::load(&app, &session, Page::Settings).await?;
            let mut response = html(&page(frame, home, typed, mistakes));
            *response.status_mut() = StatusCode::UNPROCESSABLE_ENTITY;
            return Ok(response);
        }
    };
    let (tenant, now, actor, peer) = (
        home.row.id,
        app.now(),
        session.actor(),
        session.peer.clone(),
    );
    let said = if typed.was.is_empty() {
        format!("{} is added.", member.name)
    } else {
        format!("{} is changed.", member.name)
    };
    app.change(move |writer| {
        if !typed.was.is_empty() && typed.was != member.name {
            writer.delete_staff(tenant, &typed.was)?;
        }
        writer.put_staff(tenant, &member)?;
        let details = serde_json::json!({"name": member.name, "was": (typed.was != member.name && !typed.was.is_empty()).then_some(typed.was), "roles": member.roles, "lists": member.lists, "on_call": member.on_call});
        writer.write_audit(tenant, &actor, Some(&peer), "staff.store", &details, now)
    })
    .await?;
    Ok(see_other_with(
        &format!("{}/settings/staff", session.base()),
        "kept",
        &said,
    ))
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Named {
    name: String,
}

async fn remove(
    State(app): State<App>,
    session: Session,
    Fields(named): Fields<Named>,
) -> PageResult {
    session.admin()?;
    let (tenant, now, actor, peer) = (
        session.home.row.id,
        app.now(),
        session.actor(),
        session.peer.clone(),
    );
    let name = named.name.clone();
    let done = app
        .change(move |writer| {
            let done = writer.delete_staff(tenant, &named.name)?;
            if done {
                writer.write_audit(
                    tenant,
                    &actor,
                    Some(&peer),
                    "staff.remove",
                    &serde_json::json!({"name": named.name}),
                    now,
                )?;
            }
            Ok(done)
        })
        .await?;
    let to = format!("{}/settings/staff", session.base());
    Ok(if done {
        see_other_with(&to, "kept", &format!("{name} hears of no lead any more."))
    } else {
        see_other_with(&to, "held", "There was nobody of that name any more.")
    })
}

#[cfg(test)]
mod tests {
    use super::super::super::tests::{HOSTILE, sound};
    use super::super::tests::frame;
    use super::*;

    fn config() -> TenantConfig {
        crate::onboarding::check(&crate::presets::find("plumbing").unwrap().files).unwrap()
    }

    fn member(name: &str, lists: &[&str]) -> StaffMember {
        StaffMember {
            name: name.into(),
            phone: Some("+13035550101".into()),
            email: None,
            roles: vec!["owner".into()],
            lists: lists.iter().map(|list| (*list).to_owned()).collect(),
            on_call: true,
        }
    }

    fn us() -> Region {
        "US".parse().unwrap()
    }

    /// D1: who is on call is the first thing said, and an alert that would reach nobody is named.
    #[test]
    fn who_is_on_call_and_what_reaches_nobody_is_said() {
        let text = lay_out(
            frame(),
            &[member("Ruth Alder", &["emergency"])],
            &config(),
            Typed::default(),
            Mistakes::default(),
        )
        .render()
        .unwrap();
        sound(&text);
        assert!(text.contains("Ruth Alder is on call"));
        assert!(text.contains("(303) 555-0101"));
        assert!(text.contains("tells the list high_priority, and that is nobody."));
        assert!(!text.contains("tells the list emergency,"));
    }

    /// L6: a mistake is told at its field with advice, and nothing typed is lost.
    #[test]
    fn mistakes_are_told_at_their_fields() {
        let typed = Typed {
            name: "Ruth".into(),
            phone: "303 555".into(),
            email: "ruth@".into(),
            ..Typed::default()
        };
        let mistakes = read(&typed, &[], us()).unwrap_err();
        assert!(
            !mistakes.phone.is_empty() && !mistakes.email.is_empty() && mistakes.name.is_empty()
        );
        let text = lay_out(frame(), &[], &config(), typed, mistakes)
            .render()
            .unwrap();
        sound(&text);
        assert!(text.contains("value=\"303 555\"") && text.contains("aria-invalid"));
        assert!(
            read(
                &Typed {
                    name: "A".into(),
                    ..Typed::default()
                },
                &[],
                us()
            )
            .unwrap_err()
            .phone
            .contains("no alert can reach")
        );
        assert!(
            read(
                &Typed {
                    name: "Ruth".into(),
                    email: "r@example.com".into(),
                    ..Typed::default()
                },
                &[member("Ruth", &[])],
                us()
            )
            .is_err()
        );
    }

    /// Numbers are kept in one form, lists as words.
    #[test]
    fn a_person_is_read() {
        let typed = Typed {
            was: "Ruth".into(),
            name: "Ruth Alder".into(),
            phone: "(303) 555-0101".into(),
            roles: "owner, admin".into(),
            on_call: Some("on".into()),
            ..Typed::default()
        };
        let read = read(&typed, &[member("Ruth", &[])], us()).unwrap();
        assert_eq!(
            (read.phone.as_deref(), read.roles.len(), read.on_call),
            (Some("+13035550101"), 2, true)
        );
    }

    /// Hostile names are text.
    #[test]
    fn hostile_people_are_text() {
        let typed = Typed {
            was: HOSTILE.into(),
            name: HOSTILE.into(),
            phone: HOSTILE.into(),
            ..Typed::default()
        };
        let mistakes = Mistakes {
            name: HOSTILE.into(),
            ..Mistakes::default()
        };
        sound(
            &lay_out(
                frame(),
                &[member(HOSTILE, &[HOSTILE]), member("b", &[])],
                &config(),
                typed,
                mistakes,
            )
            .render()
            .unwrap(),
        );
    }
}
