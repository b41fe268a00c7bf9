//! One lead: rings since when, who was told, why this score, what may be sent, and everything that happened.

mod act;
mod told;
mod trace;

use super::format::{Local, mask_email, mask_phone, words};
use super::frame::{Frame, Page};
use super::line::{self, Line};
use super::people::{self, TierView};
use super::{Named, PageError, PageResult, Session, html};
use crate::app::App;
use crate::registry::Home;
use askama::Template;
use axum::Router;
use axum::extract::{Query, State};
use axum::routing::{get, post};
use ringback_core::ids::{EventId, LeadId, MessageId};
use ringback_core::leads::Lead;
use ringback_core::messages::{ChannelKind, Message};
use ringback_core::scoring::{LedgerRow, ScoreView, explain_state};
use ringback_core::time::Timestamp;
use ringback_core::turn::world::{
    Consent, Point, PointKey, PointKind, Purpose, Run, RunState, Suppression,
};
use ringback_store::{AwardView, ConsentView, EventView, Reader, StandingView, StoreError};
use serde::Deserialize;
use std::collections::HashMap;
use told::Told;
use trace::Entry;

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/t/{slug}/leads/{id}", get(show))
        .route("/t/{slug}/leads/{id}/take", post(act::take))
        .route("/t/{slug}/leads/{id}/stage", post(act::stage))
        .route("/t/{slug}/leads/{id}/note", post(act::note))
        .route("/t/{slug}/leads/{id}/reply", post(act::reply))
        .route("/t/{slug}/leads/{id}/reveal", post(act::reveal))
}

/// Lines of history on one page.
const MOST_LINES: u32 = 60;
/// Marks of tiers nearer to each other than this have no room for their words. Unit: hundredths of the bar.
const LEAST_ROOM: i64 = 25;

#[derive(Debug)]
struct Clock {
    text: String,
    class: &'static str,
    since_ms: i64,
    bold: String,
    soft: String,
    parts: String,
    line: Line,
}

#[derive(Debug)]
struct Award {
    label: String,
    rule: String,
    why: String,
    at: String,
    machine: String,
    points: i64,
    x: String,
    width: String,
}

#[derive(Debug)]
struct Threshold {
    x: String,
    text: String,
    anchor: &'static str,
}

#[derive(Debug)]
struct Score {
    model: String,
    label: String,
    points: i64,
    said: String,
    foot: String,
    picture: String,
    awards: Vec<Award>,
    tiers: Vec<Threshold>,
    /// The tiers in words, when there is no room for them beside their marks.
    edges: String,
}

#[derive(Debug)]
struct May {
    class: &'static str,
    symbol: &'static str,
    word: &'static str,
}

#[derive(Debug)]
struct Allowed {
    channel: &'static str,
    request: May,
    offers: May,
    how: Vec<String>,
}

#[derive(Debug)]
struct Contact {
    what: &'static str,
    reveal: &'static str,
    mask: String,
    shown: bool,
    key: String,
    note: String,
}

#[derive(Debug)]
struct Choice {
    value: String,
    label: String,
    chosen: bool,
}

#[derive(Template)]
#[template(path = "leads/lead.html")]
struct LeadPage {
    frame: Frame,
    href: String,
    name: String,
    first_name: String,
    reference: String,
    title: String,
    need: Option<String>,
    tier: Option<TierView>,
    standing: Vec<String>,
    test: bool,
    clock: Option<Clock>,
    told: Vec<Told>,
    call: Option<String>,
    takes: bool,
    stages: Vec<Choice>,
    product: String,
    text: Option<String>,
    mail: Option<String>,
    lines: Vec<Entry>,
    older: String,
    newest: String,
    scores: Vec<Score>,
    allowed: Vec<Allowed>,
    contacts: Vec<Contact>,
    facts: Vec<(String, String)>,
    runs: Vec<(String, String, String)>,
}

/// What is known of a lead, as the store has it.
struct Known {
    lead: Lead,
    alerts: Vec<Message>,
    events: Vec<EventView>,
    messages: Vec<Message>,
    awards: Vec<AwardView>,
    standings: Vec<StandingView>,
    points: Vec<(PointKey, Point)>,
    consents: Vec<ConsentView>,
    runs: Vec<Run>,
}

fn read(
    store: &Reader<'_>,
    home: &Home,
    id: LeadId,
    before: Option<i64>,
) -> Result<Option<Known>, StoreError> {
    let tenant = home.row.id;
    let Some(lead) = store.lead(tenant, id)? else {
        return Ok(None);
    };
    let id = lead.id;
    Ok(Some(Known {
        alerts: store.messages_of(tenant, id, None, 100)?,
        events: store.timeline(tenant, id, before.map(EventId::from_raw), MOST_LINES + 1)?,
        messages: store.messages_of(tenant, id, before.map(MessageId::from_raw), MOST_LINES + 1)?,
        awards: store.ledger(tenant, id)?,
        standings: store.standings(tenant, id)?,
        points: store.points(tenant, id)?,
        consents: store.consents(tenant, id)?,
        runs: store.runs(tenant, id)?,
        lead,
    }))
}

fn clock_of(
    home: &Home,
    local: &Local,
    lead: &Lead,
    alerts: &[Message],
    now: Timestamp,
) -> Option<Clock> {
    let since = lead.ringing_since?;
    let wait = line::wait(since, line::promised(home, since), lead.answered_at, alerts);
    let late = wait.is_late(now);
    let promise =
        home.tenant.config.settings.promise.map(|promise| {
            jiff::SignedDuration::try_from(promise.first_response).unwrap_or_default()
        });
    let soft = match (promise, wait.promised) {
        (Some(promise), Some(promised)) if late => {
            let end = lead.answered_at.unwrap_or(now);
            format!(
                "{} past the {} you promised.",
                words(end.duration_since(promised)),
                words(promise)
            )
        }
        (Some(_), Some(promised)) if lead.answered_at.is_none() => {
            format!("Promised until {}.", local.when(promised, now))
        }
        (Some(promise), _) => format!("Within the {} you promised.", words(promise)),
        (None, _) => String::new(),
    };
    let span = |at: Timestamp| words(at.duration_since(since));
    let mut parts = vec![match &wait.told {
        Some((who, channel, at)) => format!(
            "First told: {who} by {} after {}",
            line::way(*channel),
            span(*at)
        ),
        None => "Nobody told yet".to_owned(),
    }];
    parts.push(wait.seen.as_ref().map_or_else(
        || "not seen yet".to_owned(),
        |(who, at)| format!("seen by {who} after {}", span(*at)),
    ));
    if let Some((who, at)) = &wait.passed {
        parts.push(format!("passed to {who} after {}", span(*at)));
    }
    let bold = match (lead.answered_at, &lead.answered_by) {
        (Some(at), by) => format!(
            "{} took it {}.",
            by.as_deref()
                .map_or_else(|| "Somebody".to_owned(), people::actor),
            local.on(at, now)
        ),
        (None, _) => format!(
            "Ringing since {}.",
            if now.duration_since(since).as_hours() < 12 {
                local.exact(since)
            } else {
                local.when(since, now)
            }
        ),
    };
    Some(Clock {
        text: wait.clock(now),
        class: if late {
            "late"
        } else if lead.answered_at.is_some() {
            "kept"
        } else {
            "lamp"
        },
        since_ms: if lead.answered_at.is_none() {
            since.as_millisecond()
        } else {
            0
        },
        bold,
        soft,
        parts: format!("{}.", parts.join(", ")),
        line: wait.draw(now, false),
    })
}

/// A part of a whole as a coordinate.
fn share(part: i64, whole: i64) -> String {
    format!(
        "{:.1}%",
        (part.max(0) as f64 / whole.max(1) as f64 * 100.0).min(100.0)
    )
}

fn scores(home: &Home, local: &Local, known: &Known, now: Timestamp) -> Vec<Score> {
    let models = known
        .lead
        .products
        .iter()
        .flat_map(|placement| home.tenant.config.models_of(&placement.product));
    let mut out: Vec<Score> = Vec::new();
    for model in models {
        // The newest visit stands for models that gather points by visit.
        let standing = known
            .standings
            .iter()
            .filter(|row| row.model == model.name)
            .max_by_key(|row| row.session.map(|session| session.raw()));
        let rows = known.awards.iter().filter(|award| {
            award.model == model.name && standing.is_some_and(|row| row.session == award.session)
        });
        let rows = rows.map(|award| LedgerRow {
            rule: award.rule.clone(),
            points: award.points,
            at: award.at,
            event: None,
            why: award.why.clone(),
        });
        let view = explain_state(model, rows, now);
        if view.breakdown.is_empty() || out.iter().any(|score| score.model == model.name) {
            continue;
        }
        let scope = if matches!(model.scope, ringback_core::scoring::Scope::Session) {
            ", this visit"
        } else {
            ""
        };
        let tiers: Vec<(i64, String)> = model
            .tiers
            .iter()
            .map(|tier| {
                (
                    tier.from,
                    tier.label
                        .clone()
                        .unwrap_or_else(|| people::plain(&tier.name)),
                )
            })
            .collect();
        out.push(score(
            local,
            &model.name,
            &format!("Model “{}”, version {}{scope}", model.name, model.version),
            &tiers,
            view,
            now,
        ));
    }
    out
}

fn score(
    local: &Local,
    name: &str,
    foot: &str,
    tiers: &[(i64, String)],
    view: ScoreView,
    now: Timestamp,
) -> Score {
    let highest = tiers.iter().map(|tier| tier.0).max().unwrap_or(0);
    let whole = view.points.max(highest + highest / 4).max(1);
    let mut sum = 0;
    let awards: Vec<Award> = view
        .breakdown
        .into_iter()
        .map(|row| {
            let from = sum;
            sum += row.points;
            Award {
                x: share(from.min(sum), whole),
                width: share(row.points.abs(), whole),
                why: row
                    .why
                    .iter()
                    .map(|why| people::short(why, 140))
                    .collect::<Vec<_>>()
                    .join("; "),
                label: row.label,
                rule: row.rule,
                at: if local.midnight(row.at) == local.midnight(now) {
                    local.exact(row.at)
                } else {
                    local.when(row.at, now)
                },
                machine: Local::machine(row.at),
                points: row.points,
            }
        })
        .collect();
    let label = |name: &str| {
        tiers
            .iter()
            .find(|tier| tier.1.eq_ignore_ascii_case(&people::plain(name)))
            .map_or_else(|| people::plain(name), |tier| tier.1.clone())
    };
    let mut said = match &view.tier {
        Some(tier) => format!("{}. ", label(tier)),
        None => String::new(),
    };
    match &view.next_tier {
        Some(next) => said.push_str(&format!("{} more for {}", next.missing, label(&next.name))),
        None if !tiers.is_empty() => said.push_str("Nothing higher"),
        None => {}
    }
    if let Some(faded) = view.faded.filter(|faded| *faded != view.points) {
        said.push_str(&format!(". {faded} after fading"));
    }
    let shown: Vec<&(i64, String)> = tiers.iter().filter(|tier| tier.0 > 0).collect();
    let count = shown.len();
    // Words need room beside each other; where the edges lie close, the numbers stand alone and the words below.
    let close = |pair: &[&(i64, String)]| (pair[1].0 - pair[0].0) * 100 < whole * LEAST_ROOM;
    let crowded = shown.windows(2).any(close);
    let thresholds = shown.iter().enumerate().map(|(at, tier)| Threshold {
        x: share(tier.0, whole),
        text: if crowded {
            tier.0.to_string()
        } else {
            format!("{} {}", tier.0, tier.1)
        },
        anchor: if at + 1 == count && tier.0 * 10 > whole * 8 {
            "end"
        } else {
            "middle"
        },
    });
    let listed: Vec<String> = shown
        .iter()
        .map(|tier| format!("{} from {}", tier.1, tier.0))
        .collect();
    Score {
        picture: format!(
            "{} points from {}; {}",
            view.points,
            super::format::amount(i64::try_from(awards.len()).unwrap_or(0), "award"),
            listed.join(", ")
        ),
        model: name.to_owned(),
        label: people::plain(name),
        points: view.points,
        said,
        foot: foot.to_owned(),
        tiers: thresholds.collect(),
        edges: if crowded {
            listed.join(", ")
        } else {
            String::new()
        },
        awards,
    }
}

const YES: May = May {
    class: "kept",
    symbol: "delivered",
    word: "Yes",
};
const NO: May = May {
    class: "held",
    symbol: "blocked",
    word: "No",
};

fn allowed(local: &Local, known: &Known, now: Timestamp) -> Vec<Allowed> {
    let mut out = Vec::new();
    for (kind, channel, label, thing) in [
        (PointKind::Phone, ChannelKind::Sms, "Text", "a phone number"),
        (
            PointKind::Email,
            ChannelKind::Email,
            "Email",
            "an email address",
        ),
    ] {
        let points: Vec<&(PointKey, Point)> = known
            .points
            .iter()
            .filter(|(key, _)| key.kind == kind)
            .collect();
        let mut how = Vec::new();
        let (mut request, mut offers) = (NO, NO);
        if points.is_empty() {
            how.push(format!("{label}: nobody gave {thing} yet."));
        }
        for (key, point) in &points {
            let mask = super::format::mask(&key.value);
            if let Some(why) = point.suppressed {
                let when = point
                    .suppressed_at
                    .map(|at| format!(" on {}", local.when(at, now)))
                    .unwrap_or_default();
                let from = point
                    .suppressed_how
                    .clone()
                    .map(|how| format!(" ({how})"))
                    .unwrap_or_default();
                let said = match why {
                    Suppression::Doubted => "a reply may mean stop, so offers wait; read it and take the number off the list, else it counts as a stop after a day; since".to_owned(),
                    why => people::plain(why.as_str()).to_lowercase(),
                };
                how.push(format!("{mask}: {said}{when}{from}."));
                if why.offers_only()
                    && point.consent.get(channel.code(), Purpose::Transactional) != Consent::Revoked
                {
                    request = YES;
                }
                continue;
            }
            if point.consent.get(channel.code(), Purpose::Transactional) != Consent::Revoked {
                request = YES;
            }
            let granted =
                point.consent.get(channel.code(), Purpose::Promotional) == Consent::Granted;
            if granted {
                offers = YES;
            }
            let own = match point.consent.get(channel.code(), Purpose::Transactional) {
                Consent::Granted => "consent in writing",
                Consent::Provided => "given in an enquiry",
                Consent::Revoked => "taken back",
                Consent::Unasked => "never asked",
            };
            how.push(format!(
                "{mask} since {}: {own}{}.",
                local.when(point.added_at, now),
                if granted {
                    ", offers too"
                } else {
                    "; offers were not agreed to"
                }
            ));
        }
        for consent in known
            .consents
            .iter()
            .rev()
            .filter(|consent| consent.kind == Some(kind) && consent.channel == channel.as_str())
            .take(3)
        {
            let said = if consent.granted {
                "Agreed to"
            } else {
                "Refused"
            };
            let page = consent
                .page
                .as_deref()
                .map(|page| format!(" on {}", people::short(page, 60)))
                .unwrap_or_default();
            let wording = consent
                .wording
                .as_deref()
                .map(|wording| format!(": “{}”", people::short(wording, 160)))
                .unwrap_or_default();
            how.push(format!(
                "{said} {} messages {}{page}, {}{wording}",
                consent.purpose,
                local.when(consent.at, now),
                people::plain(&consent.method).to_lowercase()
            ));
        }
        out.push(Allowed {
            channel: label,
            request,
            offers,
            how,
        });
    }
    out
}

fn contacts(known: &Known, revealed: Option<&str>) -> Vec<Contact> {
    let reachable = known
        .points
        .iter()
        .filter(|(key, _)| matches!(key.kind, PointKind::Phone | PointKind::Email));
    reachable
        .map(|(key, point)| {
            let phone = key.kind == PointKind::Phone;
            let name = format!("{}.{}", key.kind as i64, key.value);
            let shown = revealed == Some(name.as_str());
            Contact {
                what: if phone { "Phone" } else { "Email" },
                reveal: if phone {
                    "Reveal the phone number"
                } else {
                    "Reveal the email address"
                },
                mask: match (shown, phone) {
                    (true, true) => super::format::phone(&key.value),
                    (true, false) => key.value.clone(),
                    (false, true) => mask_phone(&key.value),
                    (false, false) => mask_email(&key.value),
                },
                shown,
                key: act::point_name(known.lead.id, key),
                note: point
                    .suppressed
                    .map(|why| people::plain(why.as_str()))
                    .unwrap_or_default(),
            }
        })
        .collect()
}

fn facts(local: &Local, lead: &Lead, now: Timestamp) -> Vec<(String, String)> {
    let mut out = Vec::new();
    let place: Vec<&str> = [&lead.city, &lead.state, &lead.zip, &lead.country]
        .into_iter()
        .filter_map(|part| part.as_deref())
        .collect();
    if !place.is_empty() {
        out.push(("Place".to_owned(), place.join(", ")));
    }
    if let Some(zone) = &lead.time_zone {
        out.push(("Time zone".to_owned(), zone.clone()));
    }
    if let Some(source) = &lead.source {
        out.push(("Source".to_owned(), people::plain(source)));
    }
    if !lead.tags.is_empty() {
        out.push(("Tags".to_owned(), lead.tags.join(", ")));
    }
    if let Some(attributes) = lead.attributes.as_object() {
        let told = attributes.iter().filter_map(|(name, value)| {
            Some((
                people::short(&people::plain(name), 40),
                people::short(&people::said(value)?, 300),
            ))
        });
        out.extend(told.take(24));
    }
    out.push(("Came in".to_owned(), local.when(lead.created_at, now)));
    out
}

impl LeadPage {
    fn new(
        frame: Frame,
        home: &Home,
        known: &Known,
        texts: &HashMap<MessageId, String>,
        before: Option<i64>,
        revealed: Option<&str>,
        now: Timestamp,
    ) -> Self {
        let local = Local::of(home);
        let lead = &known.lead;
        let tenant = &home.tenant;
        let href = format!("{}/leads/{}", frame.base, lead.id);
        let name = people::name(tenant, lead);
        let clock = clock_of(home, &local, lead, &known.alerts, now);
        let rings = lead.ringing_since.is_some() && lead.answered_at.is_none();
        let product = lead
            .products
            .first()
            .map(|placement| placement.product.clone())
            .unwrap_or_default();
        let stages = tenant.config.product(&product).map(|of| {
            of.stages
                .iter()
                .map(|stage| Choice {
                    chosen: lead.stage() == Some(stage.name.as_str()),
                    label: stage
                        .label
                        .clone()
                        .unwrap_or_else(|| people::plain(&stage.name)),
                    value: stage.name.clone(),
                })
                .collect()
        });
        let standing = lead.products.iter().map(|placement| {
            let of = tenant.config.product(&placement.product);
            let stage = of
                .and_then(|of| of.stage(&placement.stage))
                .and_then(|stage| stage.label.clone())
                .unwrap_or_else(|| people::plain(&placement.stage));
            format!(
                "{stage} in {}",
                of.map_or(placement.product.as_str(), |of| of.title())
            )
        });
        let (lines, more) = trace::lines(home, &local, known, texts, MOST_LINES as usize, now);
        let runs = known.runs.iter().take(8).map(|run| {
            let state = match run.state {
                RunState::Open => match (&run.waits_for, run.wake_at) {
                    (Some(event), Some(at)) => format!(
                        "waits for {} until {}",
                        people::plain(event).to_lowercase(),
                        local.when(at, now)
                    ),
                    (Some(event), None) => {
                        format!("waits for {}", people::plain(event).to_lowercase())
                    }
                    (None, Some(at)) => format!("goes on {}", local.on(at, now)),
                    (None, None) => "runs".to_owned(),
                },
                RunState::Done => "done".to_owned(),
                RunState::Stopped => "stopped".to_owned(),
            };
            (
                format!("{}/workflows/{}", frame.base, run.workflow),
                format!("{} v{}", run.workflow, run.version),
                state,
            )
        });
        let local_hours = tenant.zone.clone();
        let hour = local_hours.to_datetime(now).time();
        let hold = if (8..21).contains(&hour.hour()) {
            "It may go now unless its own hours say later; the gates decide."
        } else {
            "It is night here: it waits for the morning unless it answers within 15 minutes."
        };
        let to = |kind: PointKind| {
            known
                .points
                .iter()
                .find(|(key, point)| {
                    key.kind == kind && point.suppressed.is_none_or(|why| why.offers_only())
                })
                .map(|(key, _)| key.value.clone())
        };
        Self {
            title: clock.as_ref().filter(|_| rings).map_or_else(
                || name.clone(),
                |clock| format!("{name}, ringing {}", clock.text),
            ),
            first_name: lead
                .first_name
                .clone()
                .unwrap_or_else(|| "this person".to_owned()),
            reference: tenant.references.write(lead.number),
            need: people::need(lead),
            tier: people::tier(tenant, lead),
            standing: standing.collect(),
            test: lead.test,
            told: told::rows(&local, lead, &known.alerts, &frame.base, now),
            call: lead.phone.clone(),
            takes: frame.writes && (rings || lead.answered_at.is_none()),
            stages: stages.unwrap_or_default(),
            product,
            text: to(PointKind::Phone).map(|phone| format!("To {}. {hold}", mask_phone(&phone))),
            mail: to(PointKind::Email).map(|email| format!("To {}.", mask_email(&email))),
            older: more
                .map(|cursor| format!("{href}?before={cursor}"))
                .unwrap_or_default(),
            newest: if before.is_some() {
                href.clone()
            } else {
                String::new()
            },
            lines,
            scores: scores(home, &local, known, now),
            allowed: allowed(&local, known, now),
            contacts: contacts(known, revealed),
            facts: facts(&local, lead, now),
            runs: runs.collect(),
            clock,
            name,
            href,
            frame,
        }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Asked {
    before: Option<i64>,
}

async fn show(
    State(app): State<App>,
    session: Session,
    Named((_, id)): Named<(String, String)>,
    Query(asked): Query<Asked>,
) -> PageResult {
    page(&app, &session, &id, asked.before, None).await
}

async fn page(
    app: &App,
    session: &Session,
    id: &str,
    before: Option<i64>,
    revealed: Option<&str>,
) -> PageResult {
    let id: LeadId = id.parse().map_err(|_| PageError::NotFound)?;
    let home = std::sync::Arc::clone(&session.home);
    let known = app
        .ask(move |store| read(store, &home, id, before))
        .await?
        .ok_or(PageError::NotFound)?;
    if known.lead.id != id {
        return Ok(super::see_other(&format!(
            "{}/leads/{}",
            session.base(),
            known.lead.id
        )));
    }
    let texts = trace::texts(app, &session.home, &known).await;
    let frame = Frame::load(app, session, Page::Leads).await?;
    Ok(html(&LeadPage::new(
        frame,
        &session.home,
        &known,
        &texts,
        before,
        revealed,
        app.now(),
    )))
}
