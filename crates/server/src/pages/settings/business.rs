//! Settings, business: what the configuration says of the business, where in the files, and the files with their versions.

use super::super::format::{Local, amount};
use super::super::{Frame, Page, PageResult, Session, html};
use super::{Part, Tab, tabs};
use crate::app::App;
use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::routing::get;
use ringback_core::config::{TenantConfig, durations};
use ringback_core::messages::ChannelKind;
use ringback_core::time::Timestamp;
use ringback_core::turn::StaffMember;
use ringback_store::{DocumentRow, House as _};

pub(super) fn routes() -> Router<App> {
    Router::new().route("/t/{slug}/settings/business", get(show))
}

/// A fact with its place in the files.
#[derive(Debug)]
struct Fact {
    name: &'static str,
    lines: Vec<String>,
    /// `tenant.yaml:12`, or nothing where the default holds.
    place: String,
    href: String,
}

/// A file of the configuration.
#[derive(Debug)]
struct File {
    path: String,
    href: String,
    version: i64,
}

/// What is allowed but probably not meant.
#[derive(Debug)]
struct Warning {
    text: String,
    place: String,
    href: String,
}

#[derive(Template)]
#[template(path = "settings/business.html")]
struct BusinessPage {
    frame: Frame,
    tabs: Vec<Tab>,
    headline: String,
    line: String,
    facts: Vec<Fact>,
    warnings: Vec<Warning>,
    files: Vec<File>,
    example: String,
}

async fn show(State(app): State<App>, session: Session) -> PageResult {
    session.admin()?;
    let frame = Frame::load(&app, &session, Page::Settings).await?;
    let tenant = session.home.row.id;
    let documents = app.ask(move |store| store.documents(tenant)).await?;
    let local = Local::of(&session.home);
    Ok(html(&page(
        frame,
        &session.home.tenant.config,
        &session.home.tenant.staff,
        &documents,
        &local,
        app.now(),
    )))
}

fn page(
    frame: Frame,
    config: &TenantConfig,
    staff: &[StaffMember],
    documents: &[DocumentRow],
    local: &Local,
    now: Timestamp,
) -> BusinessPage {
    let settings = &config.settings;
    let state = settings.hours_at(now, local.zone());
    let headline = if state.open {
        format!("{} is open", settings.name)
    } else {
        format!("{} is closed now", settings.name)
    };
    let next = if state.open {
        None
    } else {
        settings.next_open(now, local.zone())
    };
    let line = match next {
        Some(next) => format!(
            "It is {} in {}. It opens {}.",
            local.time(now),
            local.place(),
            local.when(next, now)
        ),
        None => format!("It is {} in {}.", local.time(now), local.place()),
    };
    let text = documents
        .iter()
        .find(|document| document.path == "tenant.yaml")
        .and_then(|document| document.text.as_deref())
        .unwrap_or_default();
    let base = frame.base.clone();
    let files = documents
        .iter()
        .map(|document| File {
            href: address(&base, &document.path, None),
            path: document.path.clone(),
            version: document.version,
        })
        .collect();
    BusinessPage {
        tabs: tabs(&base, Part::Business),
        headline,
        line,
        facts: facts(config, local, now, text, &base),
        warnings: warnings(config, staff, &base),
        files,
        example: format!("{base}/example"),
        frame,
    }
}

/// What is set, in words, each with its line in the file.
fn facts(
    config: &TenantConfig,
    local: &Local,
    now: Timestamp,
    text: &str,
    base: &str,
) -> Vec<Fact> {
    let settings = &config.settings;
    let fact = |name: &'static str, key: &str, lines: Vec<String>| {
        let (place, href) = match line_of(text, key) {
            Some(at) => (
                format!("tenant.yaml:{at}"),
                address(base, "tenant.yaml", None),
            ),
            None => (String::new(), String::new()),
        };
        Fact {
            name,
            lines,
            place,
            href,
        }
    };
    vec![
        fact("Name", "name", vec![settings.name.clone()]),
        fact("Country", "region", vec![settings.region.name().to_owned()]),
        fact(
            "Time zone",
            "time_zone",
            vec![settings.time_zone.name().to_owned()],
        ),
        fact("Hours", "hours", hours(config)),
        fact("Holidays", "holidays", vec![holidays(config, local, now)]),
        fact("Promise", "promise", vec![promise(config)]),
        fact("Limits to staff", "limits", staff_limits(config)),
        fact("Limits to one lead", "limits", lead_limits(config)),
        fact("Budget", "budget", budget(config)),
        fact(
            "Quiet hours",
            "quiet_hours",
            vec![format!(
                "Texts and calls to leads from 8:00 to {}:00 where the person is, narrower where the law is. Offers until 20:00 at the latest.",
                settings.quiet_hours.transactional_until
            )],
        ),
        fact(
            "Pages that track",
            "tracking",
            vec![if settings.tracking.origins.is_empty() {
                "None: no browser may send events.".to_owned()
            } else {
                settings.tracking.origins.join(", ")
            }],
        ),
        fact(
            "Postal address",
            "postal_address",
            vec![
                settings
                    .postal_address
                    .clone()
                    .unwrap_or_else(|| "None. Mails to leads need one.".to_owned()),
            ],
        ),
    ]
}

/// What is allowed and probably not meant. Since the business moved in, its people are those under Staff: what the file says of them
/// is shown as long as it is still true there.
fn warnings(config: &TenantConfig, staff: &[StaffMember], base: &str) -> Vec<Warning> {
    let as_written = |name: &str| {
        let written = config.staff.people.iter().find(|one| one.name == name);
        let kept = staff.iter().find(|one| one.name == name);
        written.zip(kept).is_some_and(|(written, kept)| {
            written.phone.as_ref().map(|phone| phone.as_str()) == kept.phone.as_deref()
                && written.email.as_ref().map(|email| email.as_str()) == kept.email.as_deref()
        })
    };
    let about = |message: &str| {
        config
            .staff
            .people
            .iter()
            .map(|one| one.name.as_str())
            .find(|name| message.starts_with(name))
    };
    config
        .warnings
        .iter()
        .filter(|problem| {
            problem.path != "staff.yaml" || about(&problem.message).is_none_or(as_written)
        })
        .take(20)
        .map(|problem| Warning {
            text: match &problem.mend {
                Some(mend) => format!("{} {mend}", problem.message),
                None => problem.message.clone(),
            },
            place: match problem.line {
                _ if problem.path == "staff.yaml" => "Staff".to_owned(),
                Some(line) => format!("{}:{line}", problem.path),
                None => problem.path.clone(),
            },
            href: if problem.path == "staff.yaml" {
                format!("{base}/settings/staff")
            } else {
                address(base, &problem.path, None)
            },
        })
        .collect()
}

/// The page of a file, in its newest version or an earlier one.
pub(super) fn address(base: &str, path: &str, version: Option<i64>) -> String {
    let version = version
        .map(|version| format!("&version={version}"))
        .unwrap_or_default();
    format!(
        "{base}/settings/document?path={}{version}",
        super::super::format::query(path)
    )
}

/// The line of a top-level key, from 1.
fn line_of(text: &str, key: &str) -> Option<usize> {
    text.lines()
        .position(|line| {
            line.strip_prefix(key)
                .is_some_and(|rest| rest.trim_start().starts_with(':'))
        })
        .map(|at| at + 1)
}

/// Opening hours by day, days of the same hours together.
fn hours(config: &TenantConfig) -> Vec<String> {
    let Some(hours) = &config.settings.hours else {
        return vec!["Always open.".to_owned()];
    };
    let written = serde_json::to_value(hours).unwrap_or_default();
    let days = [
        "monday",
        "tuesday",
        "wednesday",
        "thursday",
        "friday",
        "saturday",
        "sunday",
    ];
    let mut runs: Vec<(usize, usize, String)> = Vec::new();
    for (at, day) in days.iter().enumerate() {
        let said = match &written[*day] {
            serde_json::Value::String(text) if text == "closed" => "closed".to_owned(),
            serde_json::Value::String(text) => text.replace('-', " to "),
            serde_json::Value::Array(parts) if parts.is_empty() => "closed".to_owned(),
            serde_json::Value::Array(parts) => parts
                .iter()
                .filter_map(|part| part.as_str())
                .map(|part| part.replace('-', " to "))
                .collect::<Vec<_>>()
                .join(", "),
            _ => "closed".to_owned(),
        };
        match runs.last_mut() {
            Some((_, last, same)) if *same == said => *last = at,
            _ => runs.push((at, at, said)),
        }
    }
    let title = |at: usize| {
        let day = days.get(at).copied().unwrap_or_default();
        format!(
            "{}{}",
            day.get(..1).unwrap_or_default().to_uppercase(),
            day.get(1..).unwrap_or_default()
        )
    };
    runs.into_iter()
        .map(|(from, to, said)| {
            if from == to {
                format!("{}: {said}", title(from))
            } else {
                format!("{} to {}: {said}", title(from), title(to))
            }
        })
        .collect()
}

fn holidays(config: &TenantConfig, local: &Local, now: Timestamp) -> String {
    let today = now.to_zoned(local.zone().clone()).date();
    let year = today.saturating_add(jiff::Span::new().days(365));
    let days = config.settings.holidays.between(today, year);
    match days.as_slice() {
        [] => "None.".to_owned(),
        [first, rest @ ..] => {
            let more = rest
                .iter()
                .take(3)
                .map(|day| day.strftime("%-d %B").to_string())
                .collect::<Vec<_>>()
                .join(", ");
            let all = amount(i64::try_from(days.len()).unwrap_or(i64::MAX), "day");
            let next = first.strftime("%A %-d %B");
            if more.is_empty() {
                format!("{all} in the next year: {next}.")
            } else {
                format!("{all} in the next year; the next are {next}, {more}.")
            }
        }
    }
}

fn promise(config: &TenantConfig) -> String {
    match &config.settings.promise {
        Some(promise) => format!(
            "A person answers within {} of opening hours.",
            durations::show(promise.first_response)
        ),
        None => "None. Set one, and every late answer is told.".to_owned(),
    }
}

fn staff_limits(config: &TenantConfig) -> Vec<String> {
    let limits = &config.settings.limits.staff_alerts;
    vec![
        format!(
            "{} texts an hour, {} a day",
            limits.sms_per_hour, limits.sms_per_day
        ),
        format!(
            "{} mails an hour, {} a day",
            limits.email_per_hour, limits.email_per_day
        ),
        format!(
            "{} alerts an hour over all channels. What is over joins a digest; critical ones never wait.",
            limits.all_per_hour
        ),
    ]
}

fn lead_limits(config: &TenantConfig) -> Vec<String> {
    let limits = &config.settings.limits.leads;
    vec![format!(
        "{} offers and {} texts of every kind in 24 hours",
        limits.promotional_per_24h, limits.texts_per_24h
    )]
}

fn budget(config: &TenantConfig) -> Vec<String> {
    let budget = &config.settings.budget;
    [(ChannelKind::Sms, "Texts"), (ChannelKind::Email, "Mails")]
        .into_iter()
        .map(|(channel, word)| {
            let spending = budget.of(channel);
            let day = spending
                .per_day
                .map(|n| format!("{n} {} a day", budget.currency));
            let month = spending
                .per_month
                .map(|n| format!("{n} {} a month", budget.currency));
            match (day, month) {
                (None, None) => format!("{word}: no limit"),
                (day, month) => format!(
                    "{word}: {}",
                    [day, month]
                        .into_iter()
                        .flatten()
                        .collect::<Vec<_>>()
                        .join(", ")
                ),
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::super::tests::{HOSTILE, sound};
    use super::super::tests::{frame, local, now};
    use super::*;

    fn documents() -> Vec<DocumentRow> {
        crate::presets::find("plumbing")
            .unwrap()
            .files
            .into_iter()
            .map(|(path, text)| DocumentRow {
                path,
                version: 3,
                text: Some(text),
            })
            .collect()
    }

    fn config() -> TenantConfig {
        crate::onboarding::check(&crate::presets::find("plumbing").unwrap().files).unwrap()
    }

    /// U: what is set is said in words, with its line in the files.
    #[test]
    fn what_is_set_is_said_with_its_line() {
        let text = page(frame(), &config(), &[], &documents(), &local(), now())
            .render()
            .unwrap();
        sound(&text);
        assert!(text.contains("Alder Plumbing is closed now"));
        assert!(text.contains("It opens 8:00 am"));
        assert!(text.contains("Monday to Friday: 07:00 to 18:00"));
        assert!(text.contains("Saturday: 08:00 to 13:00"));
        assert!(text.contains("tenant.yaml:2"));
        assert!(text.contains("settings/document?path=workflows%2Femergency-alert.yaml"));
    }

    /// Hostile input is text, and where nothing is set the page says so.
    #[test]
    fn a_bare_and_hostile_business_is_shown() {
        let mut config = config();
        config.settings.name = HOSTILE.into();
        config.settings.hours = None;
        config.settings.holidays = Default::default();
        config.settings.promise = None;
        let text = page(frame(), &config, &[], &[], &local(), now())
            .render()
            .unwrap();
        sound(&text);
        assert!(text.contains("Always open."));
    }

    /// Example people are warned of until somebody changes them under Staff, which is where the warning leads.
    #[test]
    fn example_people_are_warned_of_where_they_are_changed() {
        let config = config();
        let mut staff: Vec<StaffMember> = config
            .staff
            .people
            .iter()
            .map(|one| StaffMember {
                name: one.name.clone(),
                phone: one.phone.as_ref().map(|phone| phone.as_str().to_owned()),
                email: one.email.as_ref().map(|email| email.as_str().to_owned()),
                roles: Vec::new(),
                lists: Vec::new(),
                on_call: false,
            })
            .collect();
        let said = |staff: &[StaffMember]| {
            warnings(&config, staff, "/t/alder")
                .into_iter()
                .filter(|warning| warning.href == "/t/alder/settings/staff")
                .map(|warning| warning.text)
                .collect::<Vec<_>>()
        };
        assert_eq!(said(&staff).len(), 6, "{:?}", said(&staff));
        let ruth = staff.iter_mut().find(|one| one.name == "Ruth Alder");
        ruth.unwrap().phone = Some("+13032221234".into());
        assert!(said(&staff).iter().all(|text| !text.contains("Ruth")));
        assert_eq!(said(&[]).len(), 0);
    }

    /// The line is that of the key, not of a word that begins alike.
    #[test]
    fn a_key_is_found_at_its_line() {
        assert_eq!(line_of("# name: x\nnames: 1\nname: a\n", "name"), Some(3));
        assert_eq!(line_of("", "name"), None);
    }
}
