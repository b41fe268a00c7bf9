//! Settings, compliance: the rules with their sources, and the report about one number or address, ready to print (C7).

use super::super::format::Local;
use super::super::people;
use super::super::stamp::Stamp;
use super::super::{Frame, Page, PageResult, Session, html};
use super::{Part, Tab, tabs};
use crate::app::App;
use crate::compliance::report::{Report, ReportedAbout, ReportedMessage, make};
use crate::do_not_call::NationalListBody;
use askama::Template;
use axum::Router;
use axum::extract::{Query, State};
use axum::routing::get;
use ringback_core::consent::national::day_of;
use ringback_core::consent::rules::{Confidence, Rules};
use ringback_core::time::Timestamp;
use ringback_store::House as _;
use serde::Deserialize;

pub(super) fn routes() -> Router<App> {
    Router::new().route("/t/{slug}/settings/compliance", get(show))
}

/// A rule in the table.
#[derive(Debug)]
struct RuleRow {
    id: String,
    says: String,
    default: String,
    source: String,
    sure: &'static str,
}

/// Hours of a state or country.
#[derive(Debug)]
struct HoursRow {
    place: String,
    mon_fri: String,
    saturday: String,
    sunday: String,
    holidays: &'static str,
    source: String,
}

/// A consent in the report.
#[derive(Debug)]
struct ConsentRow {
    at: Stamp,
    says: String,
    how: String,
    shown: String,
}

/// A message in the report.
#[derive(Debug)]
struct MessageRow {
    at: Stamp,
    href: String,
    what: String,
    status: String,
    gates: Vec<(String, String)>,
    calls: Vec<String>,
}

/// All about one number or address.
#[derive(Debug)]
struct About {
    address: String,
    suppressed: String,
    consents: Vec<ConsentRow>,
    messages: Vec<MessageRow>,
    after: Vec<String>,
    anchor: String,
    cut: bool,
}

#[derive(Template)]
#[template(path = "settings/compliance.html")]
struct CompliancePage {
    frame: Frame,
    tabs: Vec<Tab>,
    headline: String,
    line: String,
    action: String,
    asked: String,
    wrong: &'static str,
    about: Option<About>,
    /// The national lists that are asked, a sentence each.
    lists: Vec<String>,
    rules: Vec<RuleRow>,
    hours: Vec<HoursRow>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Asked {
    address: String,
}

async fn show(State(app): State<App>, session: Session, Query(asked): Query<Asked>) -> PageResult {
    session.admin()?;
    let frame = Frame::load(&app, &session, Page::Settings).await?;
    let (tenant, now) = (session.home.row.id, app.now());
    let typed: String = asked
        .address
        .chars()
        .filter(|c| !c.is_control())
        .take(320)
        .collect();
    let region = session.home.tenant.config.settings.region;
    let about = ReportedAbout::read(&typed, region);
    let wrong = about.is_none() && !typed.trim().is_empty();
    let report = match about {
        Some(about) => {
            let report = app
                .ask(move |store| make(store, tenant, &about, now))
                .await?;
            // Who looked at whom is itself an administrative action; the address stays out of the log (X6).
            let details =
                serde_json::json!({"lead": report.lead_id, "messages": report.messages.len()});
            session.audit(&app, "compliance.report", details).await?;
            Some(report)
        }
        None => None,
    };
    let lists = app.ask(move |store| store.national_lists(tenant)).await?;
    let mut page = page(
        frame,
        &typed,
        wrong,
        report.as_ref(),
        &Local::of(&session.home),
        now,
    );
    let today = day_of(now);
    page.lists = lists
        .iter()
        .filter_map(|list| NationalListBody::sentence(list, today))
        .collect();
    Ok(html(&page))
}

fn page(
    frame: Frame,
    typed: &str,
    wrong: bool,
    report: Option<&Report>,
    local: &Local,
    now: Timestamp,
) -> CompliancePage {
    let rules = Rules::built_in();
    let base = frame.base.clone();
    CompliancePage {
        tabs: tabs(&frame.base, Part::Compliance),
        headline: report.map_or_else(
            || format!("Rules of {}", rules.as_of.strftime("%-d %B %Y")),
            |report| format!("Report on {}", report.address),
        ),
        line: "What is kept for every message, and where each rule was read. Not legal advice."
            .to_owned(),
        action: format!("{base}/settings/compliance"),
        asked: typed.to_owned(),
        wrong: if wrong {
            "This is neither a phone number nor an email address."
        } else {
            ""
        },
        about: report.map(|report| about(report, &base, local, now)),
        lists: Vec::new(),
        rules: rules
            .list
            .iter()
            .map(|rule| RuleRow {
                id: rule.id.clone(),
                says: rule.says.clone(),
                default: rule.default.clone(),
                source: rule.source.clone(),
                sure: match rule.confidence {
                    Confidence::Read => "read",
                    Confidence::Settled => "well known",
                    Confidence::Vendor => "from tables of vendors",
                },
            })
            .collect(),
        hours: rules
            .hours
            .all()
            .map(|rule| {
                let [mon_fri, saturday, sunday] = rule.days();
                HoursRow {
                    place: rule.place.clone(),
                    mon_fri: mon_fri.to_string(),
                    saturday: saturday.to_string(),
                    sunday: sunday.to_string(),
                    holidays: if rule.keeps_holidays() { "closed" } else { "" },
                    source: rule.source.clone(),
                }
            })
            .collect(),
        frame,
    }
}

fn about(report: &Report, base: &str, local: &Local, now: Timestamp) -> About {
    let consents = report.consents.iter().map(|consent| ConsentRow {
        at: Stamp::of(local, consent.at, now),
        says: format!(
            "{} {} messages by {}",
            if consent.granted {
                "Agreed to"
            } else {
                "Took back"
            },
            consent.purpose.replace('_', " "),
            consent.channel
        ),
        how: [
            Some(consent.basis.replace('_', " ")),
            Some(consent.method.clone()),
            consent.page.clone(),
            consent.ip.clone(),
            consent.actor.as_deref().map(people::actor),
            consent
                .expires_at
                .map(|at| format!("until {}", local.exact(at))),
            consent
                .soft_opt_in
                .map(|_| "all five conditions of the soft opt-in stated".to_owned()),
        ]
        .into_iter()
        .flatten()
        .collect::<Vec<_>>()
        .join(" · "),
        shown: consent
            .wording
            .clone()
            .or_else(|| consent.wrote.clone())
            .unwrap_or_default(),
    });
    let after = report.after_revocation.iter().map(|one| {
        format!(
            "{}: taken back {}, decided {}, call began {}",
            one.message_id,
            local.exact(one.revoked_at),
            one.decided_at
                .map_or_else(|| "at an unknown time".to_owned(), |at| local.exact(at)),
            local.exact(one.call_began_at)
        )
    });
    About {
        address: report.address.clone(),
        suppressed: report.suppressed.as_ref().map_or_else(String::new, |why| {
            format!(
                "{}{}",
                why.reason.replace('_', " "),
                why.how
                    .as_deref()
                    .map(|how| format!(": {how}"))
                    .unwrap_or_default()
            )
        }),
        consents: consents.collect(),
        messages: report
            .messages
            .iter()
            .map(|one| message(one, base, local, now))
            .collect(),
        after: after.collect(),
        anchor: report.anchor.clone(),
        cut: report.cut,
    }
}

fn message(one: &ReportedMessage, base: &str, local: &Local, now: Timestamp) -> MessageRow {
    let message = &one.message;
    let gates = one.gates.iter().map(|gate| {
        let name = format!("{}: {}", gate.gate.replace('_', " "), gate.says);
        (
            name,
            [gate.rule.as_str(), gate.because.as_str()]
                .join(" ")
                .trim()
                .to_owned(),
        )
    });
    let calls = one.attempts.iter().map(|call| {
        let why = call
            .why
            .as_ref()
            .map(|why| format!(": {}", why.detail))
            .unwrap_or_default();
        format!("{} {}{why}", local.exact(call.started_at), call.outcome)
    });
    MessageRow {
        at: Stamp::of(local, message.created_at, now),
        href: format!("{base}/messages/{}", message.id),
        what: format!(
            "{} {} {}",
            message.category,
            message.channel,
            one.template.as_deref().unwrap_or("written by hand")
        ),
        status: message.status.to_string(),
        gates: gates.collect(),
        calls: calls.collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::tests::{HOSTILE, sound};
    use super::super::tests::{frame, local, now};
    use super::*;
    use crate::compliance::report::{SuppressedBody, TrailBody};

    fn report() -> Report {
        Report {
            address: "+13035550142".into(),
            made_at: now(),
            anchor: "3:9f".into(),
            known_since: Some(now()),
            lead_id: None,
            suppressed: Some(SuppressedBody {
                reason: "opted_out",
                at: Some(now()),
                how: Some(HOSTILE.into()),
            }),
            consents: vec![TrailBody {
                at: now(),
                granted: false,
                channel: "sms".into(),
                purpose: "promotional".into(),
                basis: "keyword".into(),
                wording: None,
                wrote: Some(HOSTILE.into()),
                method: HOSTILE.into(),
                page: Some(HOSTILE.into()),
                ip: None,
                actor: Some("user:Inez Ford".into()),
                expires_at: Some(now()),
                soft_opt_in: None,
            }],
            messages: Vec::new(),
            cut: false,
            after_revocation: Vec::new(),
        }
    }

    /// C7: the rules are shown with their sources, and the report with the trail, whatever people wrote.
    #[test]
    fn rules_and_report_are_shown() {
        let text = page(frame(), "", false, None, &local(), now())
            .render()
            .unwrap();
        sound(&text);
        assert!(
            text.contains("US-1") && text.contains("47 CFR 64.1200") && text.contains("Florida")
        );
        let text = page(frame(), HOSTILE, true, Some(&report()), &local(), now())
            .render()
            .unwrap();
        sound(&text);
        assert!(text.contains("Took back promotional messages by sms") && text.contains("3:9f"));
    }
}
