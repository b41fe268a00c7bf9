//! Settings, limits and costs: how far each limit and budget is used, what they hold until when, what a day and a lead cost (M6, M11).

use super::super::format::Local;
use super::super::message::explain::channel_word;
use super::super::stamp::Stamp;
use super::super::{Frame, Page, PageResult, Session, html};
use super::{Part, Tab, tabs};
use crate::app::App;
use crate::limits::{CostsBody, LimitsBody, known, spent};
use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::routing::get;
use ringback_core::time::Timestamp;

pub(super) fn routes() -> Router<App> {
    Router::new().route("/t/{slug}/settings/limits", get(show))
}

/// Something that is used up, with a bar.
#[derive(Debug)]
struct Row {
    what: String,
    used: String,
    most: String,
    percent: i64,
    class: &'static str,
    anew: Stamp,
}

/// What waits for one reason.
#[derive(Debug)]
struct Held {
    what: String,
    n: i64,
    first: Stamp,
    last: Stamp,
    href: String,
}

/// What a day cost.
#[derive(Debug)]
struct Day {
    day: String,
    channel: &'static str,
    cost: String,
}

#[derive(Template)]
#[template(path = "settings/limits.html")]
struct LimitsPage {
    frame: Frame,
    tabs: Vec<Tab>,
    headline: String,
    line: String,
    held: Vec<Held>,
    limits: Vec<Row>,
    budgets: Vec<Row>,
    days: Vec<Day>,
    per_lead: String,
    price_list: String,
}

async fn show(State(app): State<App>, session: Session) -> PageResult {
    session.admin()?;
    let frame = Frame::load(&app, &session, Page::Settings).await?;
    let (home, now) = (session.home.clone(), app.now());
    let (known, spent) = app
        .ask(move |store| Ok((known(store, &home, now)?, spent(store, &home, now)?)))
        .await?;
    Ok(html(&page(
        frame,
        &LimitsBody::new(&session.home, &known),
        &CostsBody::new(&session.home, &spent),
        &Local::of(&session.home),
        now,
    )))
}

/// An amount for people: cents where they say enough, more digits where not.
fn money(micros: i64, currency: &str) -> String {
    let amount = micros as f64 / 1e6;
    if micros != 0 && micros.abs() < 100_000 {
        format!("{amount:.4} {currency}")
    } else {
        format!("{amount:.2} {currency}")
    }
}

/// The reason that holds messages, in words.
fn reason(code: &str, limits: &LimitsBody) -> String {
    let named = |name: &str| {
        limits
            .limits
            .iter()
            .find(|limit| limit.name == name)
            .map(|limit| match &limit.connection {
                Some(connection) => format!("{} {connection}: {}", limit.most, limit.what),
                None => format!("{} {}", limit.most, limit.what),
            })
    };
    match code.split_once(':') {
        Some(("limit", "person.promotional")) => "Offers to one person in 24 hours".into(),
        Some(("limit", "person.texts")) => "Texts to one person in 24 hours".into(),
        Some(("limit", name)) if name.ends_with(".pace") => "The rate of a connection".into(),
        Some(("limit", name)) => named(name).map_or_else(
            || format!("The limit {name}"),
            |words| format!("The limit of {words}"),
        ),
        Some(("budget", name)) => format!(
            "The budget for {}",
            if name.contains(".sms.") {
                "texts"
            } else {
                "mails"
            }
        ),
        _ => match code {
            "quiet_hours" => "Quiet hours".into(),
            "rests" => "A connection that rests after failures".into(),
            "no_connection" => "No connection is switched on".into(),
            "doubted" => "A reply that may mean stop, and that nobody has read".into(),
            "" => "Without a reason".into(),
            other => other.replace('_', " "),
        },
    }
}

fn percent(used: i64, most: i64) -> i64 {
    if most <= 0 {
        return 100;
    }
    (used.saturating_mul(100) / most).clamp(0, 100)
}

const fn class(percent: i64) -> &'static str {
    match percent {
        100 => "late",
        80.. => "held",
        _ => "kept",
    }
}

fn page(
    frame: Frame,
    limits: &LimitsBody,
    costs: &CostsBody,
    local: &Local,
    now: Timestamp,
) -> LimitsPage {
    let currency = costs.currency.as_str();
    let held: Vec<Held> = limits
        .held
        .iter()
        .map(|held| Held {
            what: format!(
                "{} · {}",
                reason(&held.reason, limits),
                channel_word(held.channel).to_lowercase()
            ),
            n: held.messages,
            first: Stamp::of(local, held.first_at, now),
            last: Stamp::of(local, held.last_at, now),
            href: format!("{}/messages/{}", frame.base, held.sample),
        })
        .collect();
    let rows = limits
        .limits
        .iter()
        .map(|limit| {
            let percent = percent(limit.used, limit.most);
            Row {
                what: match &limit.connection {
                    Some(connection) => format!("{connection}: {}", limit.what),
                    None => limit.what.clone(),
                },
                used: limit.used.to_string(),
                most: limit.most.to_string(),
                percent,
                class: class(percent),
                anew: Stamp::of(local, limit.anew_at, now),
            }
        })
        .collect();
    let budgets = costs
        .budgets
        .iter()
        .filter(|budget| budget.most_micros.is_some() || budget.used_micros != 0)
        .map(|budget| {
            let percent = budget
                .most_micros
                .map_or(0, |most| percent(budget.used_micros, most));
            Row {
                what: format!("{}, this {}", channel_word(budget.channel), budget.period),
                used: money(budget.used_micros, currency),
                most: budget
                    .most_micros
                    .map_or_else(|| "no limit".into(), |most| money(most, currency)),
                percent,
                class: class(percent),
                anew: Stamp::of(local, budget.anew_at, now),
            }
        })
        .collect();
    let waiting: i64 = held.iter().map(|held| held.n).sum();
    let headline = match waiting {
        0 => "Nothing is held back".to_owned(),
        1 => "One message is held back".to_owned(),
        n => format!("{n} messages are held back"),
    };
    LimitsPage {
        tabs: tabs(&frame.base, Part::Limits),
        headline,
        line: "Limits and budgets are set in tenant.yaml, those of an account with its connection."
            .to_owned(),
        held,
        limits: rows,
        budgets,
        days: costs
            .days
            .iter()
            .map(|day| Day {
                day: day.day.strftime("%a %-d %b").to_string(),
                channel: channel_word(day.channel),
                cost: money(day.micros, currency),
            })
            .collect(),
        per_lead: match costs.per_lead_micros {
            Some(micros) => format!(
                "{} a lead this month, over {} leads, monthly fees included.",
                money(micros, currency),
                costs.leads_this_month
            ),
            None => "No lead came this month yet.".to_owned(),
        },
        price_list: format!(
            "Where a provider names no price, the list of {} counts, or the prices in tenant.yaml.",
            costs.price_list
        ),
        frame,
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::tests::sound;
    use super::super::tests::{frame, local, now};
    use super::*;
    use crate::limits::{BudgetBody, DayBody, HeldBody, LimitBody};
    use ringback_core::ids::MessageId;
    use ringback_core::messages::ChannelKind;

    fn limits() -> LimitsBody {
        LimitsBody {
            limits: vec![LimitBody {
                name: "sms.hour".into(),
                what: "texts an hour".into(),
                connection: None,
                used: 85,
                most: 100,
                anew_at: now(),
            }],
            held: vec![HeldBody {
                reason: "limit:sms.hour".into(),
                channel: ChannelKind::Sms,
                messages: 12,
                first_at: now(),
                last_at: now(),
                sample: MessageId::from_raw(5),
            }],
        }
    }

    fn costs() -> CostsBody {
        CostsBody {
            currency: "USD".into(),
            budgets: vec![BudgetBody {
                channel: ChannelKind::Sms,
                period: "day",
                used_micros: 51_130_000,
                most_micros: Some(100_000_000),
                anew_at: now(),
            }],
            days: vec![DayBody {
                day: "2026-11-20".parse().unwrap(),
                channel: ChannelKind::Sms,
                micros: 26_600,
            }],
            leads_this_month: 7,
            per_lead_micros: Some(7_304_285),
            price_list: "2026-11-20".into(),
        }
    }

    /// M6: the page says which limit holds how many until when; M11: what it costs.
    #[test]
    fn the_page_says_what_holds_what() {
        let text = page(frame(), &limits(), &costs(), &local(), now())
            .render()
            .unwrap();
        sound(&text);
        for said in [
            "12 messages are held back",
            "The limit of 100 texts an hour",
            "85",
            "51.13 USD",
            "0.0266 USD",
            "7.30 USD a lead this month, over 7 leads",
        ] {
            assert!(text.contains(said), "{said}");
        }
        let none = LimitsBody {
            limits: Vec::new(),
            held: Vec::new(),
        };
        let text = page(frame(), &none, &costs(), &local(), now())
            .render()
            .unwrap();
        sound(&text);
        assert!(text.contains("Nothing is held back"));
    }
}
