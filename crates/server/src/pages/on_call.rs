//! Staff: who is on call and until when, who is there, who hears of which leads, who has how many in hand (D1).

use super::format::{Local, amount, number};
use super::frame::{Frame, Page};
use super::{Fields, PageError, PageResult, Session, html, people, see_other_with};
use crate::app::App;
use crate::http::ApiError;
use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::routing::{get, post};
use jiff::SignedDuration;
use ringback_core::ids::WorkId;
use ringback_core::time::Timestamp;
use ringback_core::turn::Tenant;
use ringback_core::workflows::{Recipient, Trigger};
use ringback_store::WorkView;
use serde::Deserialize;
use std::collections::BTreeMap;

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/t/{slug}/staff", get(show))
        .route("/t/{slug}/staff/done", post(done))
}

/// How far ahead the plan is shown.
const AHEAD: SignedDuration = SignedDuration::from_hours(7 * 24);
/// Plans change at full or half hours; nobody hands over in between.
const STEP: SignedDuration = SignedDuration::from_mins(30);
/// Changes that are listed.
const MOST_CHANGES: usize = 12;
/// Open leads that are looked at to count what each person has in hand.
const MOST_RINGING: u32 = 500;
const MOST_WORK: u32 = 50;

/// A stretch in which the same people are on call.
#[derive(Debug, PartialEq, Eq)]
struct Stretch {
    who: String,
    from: String,
    machine: String,
    now: bool,
}

#[derive(Debug)]
struct Person {
    name: String,
    there: bool,
    on_call: bool,
    roles: String,
    lists: String,
    skills: String,
    manager: String,
    rings: String,
}

/// Who hears of a tier.
#[derive(Debug)]
struct TierRow {
    tier: String,
    level: u8,
    model: String,
    hears: Vec<(String, String)>,
}

#[derive(Debug)]
struct Task {
    id: String,
    title: String,
    lead: String,
    href: String,
    who: String,
    due: String,
    late: bool,
}

#[derive(Template)]
#[template(path = "staff/page.html")]
struct StaffPage {
    frame: Frame,
    headline: String,
    line: String,
    plan: Vec<Stretch>,
    persons: Vec<Person>,
    tiers: Vec<TierRow>,
    tasks: Vec<Task>,
}

async fn show(State(app): State<App>, session: Session) -> PageResult {
    let tenant = session.home.row.id;
    let (ringing, work) = app
        .ask(move |store| {
            let ringing = store.ringing(tenant, MOST_RINGING)?;
            let mut work = Vec::new();
            for one in store.open_work(tenant, None, MOST_WORK)? {
                let lead = store.lead(tenant, one.lead)?;
                work.push((one, lead));
            }
            Ok((ringing, work))
        })
        .await?;
    let mut rings: BTreeMap<String, i64> = BTreeMap::new();
    for lead in &ringing {
        if let Some(owner) = &lead.owner {
            *rings.entry(owner.clone()).or_default() += 1;
        }
    }
    let frame = Frame::load(&app, &session, Page::Staff).await?;
    let local = Local::of(&session.home);
    let home = &session.home.tenant;
    let work = work
        .into_iter()
        .map(|(work, lead)| {
            let name = lead.map(|lead| people::name(home, &lead));
            (
                work,
                name.unwrap_or_else(|| "a lead that was deleted".to_owned()),
            )
        })
        .collect();
    Ok(html(&page(frame, home, &local, &rings, work, app.now())))
}

/// Who is on call, in words.
fn on_call(tenant: &Tenant, at: Timestamp) -> String {
    let names: Vec<&str> = tenant
        .on_call(at)
        .into_iter()
        .map(|one| one.name.as_str())
        .collect();
    match names.as_slice() {
        [] => "Nobody".to_owned(),
        [one] => (*one).to_owned(),
        [most @ .., last] => format!("{} and {last}", most.join(", ")),
    }
}

/// The coming changes of who is on call, the present first.
fn plan(tenant: &Tenant, local: &Local, now: Timestamp) -> Vec<Stretch> {
    let mut out: Vec<Stretch> = Vec::new();
    // From the last half hour on, so that a handover is told at its own time.
    let step = STEP.as_secs();
    let start = now.as_second() - now.as_second().rem_euclid(step);
    let steps = AHEAD.as_secs() / step;
    for n in 0..=steps {
        let Ok(at) = Timestamp::from_second(start + n * step) else {
            break;
        };
        let at = at.max(now);
        let who = on_call(tenant, at);
        if out.last().is_some_and(|last| last.who == who) {
            continue;
        }
        if out.len() == MOST_CHANGES {
            break;
        }
        out.push(Stretch {
            who,
            from: if out.is_empty() {
                "now".to_owned()
            } else {
                local.when(at, now)
            },
            machine: Local::machine(at),
            now: out.is_empty(),
        });
    }
    out
}

/// Which recipients hear of each tier, by the workflows that its entering starts.
fn tiers(tenant: &Tenant) -> Vec<TierRow> {
    let config = &tenant.config;
    let mut out = Vec::new();
    for model in config.models.values() {
        let mut all: Vec<_> = model.tiers.iter().collect();
        all.sort_by_key(|tier| std::cmp::Reverse(tier.from));
        for (at, tier) in all.iter().enumerate() {
            let mut hears: Vec<(String, String)> = Vec::new();
            let started = config.workflows.values().filter(|workflow| {
                matches!(&workflow.trigger, Trigger::TierEntered { model: of, tier: one } if *of == model.name && *one == tier.name)
            });
            for workflow in started {
                for (_, send) in workflow.sends() {
                    if matches!(send.to, Recipient::Lead) {
                        continue;
                    }
                    let names = who(tenant, &send.to);
                    let row = (send.to.describe(), names);
                    if !hears.contains(&row) {
                        hears.push(row);
                    }
                }
            }
            out.push(TierRow {
                tier: tier.title().into_owned(),
                level: 3u8.saturating_sub(u8::try_from(at).unwrap_or(3)),
                model: model.name.clone(),
                hears,
            });
        }
    }
    out
}

/// Who a recipient is by name, as far as it does not depend on the lead.
fn who(tenant: &Tenant, to: &Recipient) -> String {
    let fits = |one: &&ringback_core::turn::StaffMember| match to {
        Recipient::List(list) => one.lists.contains(list),
        Recipient::Role(role) => one.roles.contains(role),
        Recipient::Staff(name) => one.name == *name,
        _ => false,
    };
    let names: Vec<&str> = tenant
        .staff
        .iter()
        .filter(fits)
        .map(|one| one.name.as_str())
        .collect();
    match to {
        Recipient::List(_) | Recipient::Role(_) | Recipient::Staff(_) if names.is_empty() => {
            "nobody".to_owned()
        }
        _ => names.join(", "),
    }
}

fn page(
    frame: Frame,
    tenant: &Tenant,
    local: &Local,
    rings: &BTreeMap<String, i64>,
    work: Vec<(WorkView, String)>,
    now: Timestamp,
) -> StaffPage {
    let plan = plan(tenant, local, now);
    let headline = match plan.first() {
        Some(first) if first.who == "Nobody" => "Nobody is on call".to_owned(),
        Some(first) if first.who.contains(" and ") => format!("{} are on call", first.who),
        Some(first) => format!("{} is on call", first.who),
        None => "Staff".to_owned(),
    };
    let on_duty = tenant.on_call(now);
    let persons: Vec<Person> = tenant
        .staff
        .iter()
        .map(|one| {
            let known = tenant.config.staff.member(&one.name);
            let rings = rings.get(&one.name).copied().unwrap_or(0);
            Person {
                there: tenant.is_there(&one.name, now),
                on_call: on_duty.iter().any(|duty| duty.name == one.name),
                roles: one.roles.join(", "),
                lists: one.lists.join(", "),
                skills: known
                    .map(|known| known.skills.join(", "))
                    .unwrap_or_default(),
                manager: known
                    .and_then(|known| known.manager.clone())
                    .unwrap_or_default(),
                rings: if rings > 0 {
                    number(rings)
                } else {
                    String::new()
                },
                name: one.name.clone(),
            }
        })
        .collect();
    let there = persons.iter().filter(|one| one.there).count();
    let next = match plan.get(1) {
        Some(next) => format!("{} from {} on. ", next.who, next.from),
        None => String::new(),
    };
    let away = if there == persons.len() {
        "Everybody is there by their hours.".to_owned()
    } else {
        format!(
            "{there} of {} there by their hours.",
            amount(i64::try_from(persons.len()).unwrap_or(i64::MAX), "person")
                .replace("persons", "people")
        )
    };
    let tasks = work
        .into_iter()
        .map(|(work, lead)| Task {
            id: work.id.to_string(),
            href: format!("{}/leads/{}", frame.base, work.lead),
            lead,
            who: work
                .assignee
                .unwrap_or_else(|| "whoever comes first".to_owned()),
            late: work.due_at.is_some_and(|due| due < now),
            due: work
                .due_at
                .map(|due| local.when(due, now))
                .unwrap_or_default(),
            title: work.title,
        })
        .collect();
    StaffPage {
        headline,
        line: if persons.is_empty() {
            "Nobody works the leads yet.".to_owned()
        } else {
            format!("{next}{away}")
        },
        plan,
        persons,
        tiers: tiers(tenant),
        tasks,
        frame,
    }
}

#[derive(Debug, Deserialize)]
struct Done {
    id: String,
}

async fn done(State(app): State<App>, session: Session, Fields(done): Fields<Done>) -> PageResult {
    if !session.may_write() {
        return Err(PageError::Forbidden(
            "Viewers only look. Ask an agent to tick it off.",
        ));
    }
    let id: WorkId = done.id.parse().map_err(|_| PageError::NotFound)?;
    let (tenant, now, actor) = (session.home.row.id, app.now(), session.actor());
    let found = app
        .write(move |writer| writer.finish_work(tenant, id, &actor, now))
        .await
        .map_err(|error: ApiError| PageError::from(error))?;
    let to = format!("{}/staff", session.base());
    match found {
        Some(true) => {
            session
                .audit(&app, "work.done", serde_json::json!({"work": id}))
                .await?;
            Ok(see_other_with(&to, "kept", "It is done, and off the list."))
        }
        Some(false) => Ok(see_other_with(
            &to,
            "held",
            "Somebody ticked it off before.",
        )),
        None => Err(PageError::NotFound),
    }
}

#[cfg(test)]
mod tests {
    use super::super::settings::tests::{frame, local, now};
    use super::super::tests::{HOSTILE, sound};
    use super::*;
    use ringback_core::ids::LeadId;
    use ringback_core::turn::world::WorkKind;

    fn tenant(staff: impl Fn(String) -> String) -> Tenant {
        let mut files = crate::presets::find("plumbing").unwrap().files;
        let text = staff(files["staff.yaml"].clone());
        files.insert("staff.yaml".into(), text);
        let config = crate::onboarding::check(&files).unwrap();
        ringback_core::turn::rehearsal::tenant_of(1, std::sync::Arc::new(config))
    }

    /// D1: who is on call when, who hears of which tier, and what is to be done.
    #[test]
    fn staff_stand_with_their_plan_and_their_lists() {
        let rotates = |text: String| {
            text.replace(
                "on_call: Lena Ortiz",
                "on_call: { rotate: [Sam Okafor, Lena Ortiz], handover: monday, at: \"08:00\" }",
            )
        };
        let tenant = tenant(rotates);
        let rings = BTreeMap::from([("Sam Okafor".to_owned(), 2)]);
        let task = WorkView {
            id: WorkId::from_raw(9 << 22),
            lead: LeadId::from_raw(3 << 22),
            run: None,
            kind: WorkKind::Task,
            title: HOSTILE.into(),
            assignee: None,
            due_at: Some(now() - SignedDuration::from_mins(5)),
            data: serde_json::json!({}),
            created_at: now(),
        };
        let shown = page(
            frame(),
            &tenant,
            &local(),
            &rings,
            vec![(task, HOSTILE.into())],
            now(),
        );
        // Saturday; it changes on Monday at eight.
        assert_eq!(shown.plan.len(), 2, "{:?}", shown.plan);
        assert_eq!(shown.plan[1].from, "Mon 8:00 am");
        assert_ne!(shown.plan[0].who, shown.plan[1].who);
        let text = shown.render().unwrap();
        sound(&text);
        for words in [
            "is on call",
            "the list emergency",
            "Sam Okafor, Lena Ortiz",
            "everybody with the role owner",
            "drains, water heaters",
            "whoever comes first",
        ] {
            assert!(text.contains(words), "{words}: {text}");
        }
    }

    /// Without a plan, and without anybody, the page says so.
    #[test]
    fn an_empty_house_says_who_is_missing() {
        let mut tenant = tenant(|text| text);
        assert_eq!(plan(&tenant, &local(), now()).len(), 1);
        tenant.staff.clear();
        let text = page(
            frame(),
            &tenant,
            &local(),
            &BTreeMap::new(),
            Vec::new(),
            now(),
        )
        .render()
        .unwrap();
        sound(&text);
        assert!(
            text.contains("Nobody is on call") && text.contains("Nobody works the leads yet."),
            "{text}"
        );
    }
}
