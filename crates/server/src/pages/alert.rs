//! `/a/{token}`: the link in a staff alert. Who waits, what for, and one thumb to take the lead. Opening it takes nothing, because
//! programs open links before people do; the button does (design, section 8). Nobody signs in here: the token proves that the alert was
//! ours, and it shows no more than the alert spoke of.

use super::format::{self, Local, amount, words};
use super::line::{self, Line, Wait};
use super::people::{self, short};
use super::{Named, PageError, PageResult, assets, html};
use crate::app::App;
use crate::http::{ApiError, Peer};
use crate::registry::Home;
use crate::secrets::TokenFor;
use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::routing::get;
use jiff::SignedDuration;
use ringback_core::config::TenantConfig;
use ringback_core::leads::Lead;
use ringback_core::messages::Message;
use ringback_core::time::Timestamp;
use ringback_core::turn::{Answer, Intake};
use ringback_store::AwardView;
use std::sync::Arc;

/// Looks and posts a minute from one address.
const A_MINUTE: u32 = 60;

pub(super) fn routes() -> Router<App> {
    Router::new().route("/a/{token}", get(show).post(take))
}

/// What the alert spoke of.
struct Behind {
    home: Arc<Home>,
    message: Message,
    lead: Lead,
    awards: Vec<AwardView>,
    messages: Vec<Message>,
}

/// How the taking went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Just {
    /// Nobody pressed the button in this request.
    Looked,
    /// It is the reader's now.
    Mine,
    /// Somebody was faster.
    Second,
}

#[derive(Template)]
#[template(path = "alert/page.html")]
struct AlertPage {
    css: &'static str,
    script: &'static str,
    business: String,
    title: String,
    /// `Noor, this one is yours to take`.
    greeting: String,
    /// `lamp`, `late` or `kept`.
    state: &'static str,
    clock: String,
    since_ms: i64,
    now_ms: i64,
    /// `Sam Osei waits.`
    sentence: String,
    /// The promise, or who has the lead.
    soft: String,
    wait: Option<Line>,
    need: String,
    said: String,
    level: u8,
    score: String,
    reasons: Vec<String>,
    facts: Vec<(String, String)>,
    /// Digits for `tel:`.
    tel: String,
    phone: String,
    first: String,
    mail: String,
    /// Nobody has it yet.
    open: bool,
    just: Just,
    action: String,
    lead: String,
}

async fn find(app: &App, peer: std::net::IpAddr, token: &str) -> PageResult<Behind> {
    if let Err(left) = app.limits.address(peer, "alert", A_MINUTE) {
        return Err(PageError::Api(ApiError::too_many(left.wait)));
    }
    let id = app
        .tokens
        .read(TokenFor::Alert, token)
        .ok_or(PageError::NotFound)?;
    let found = app
        .ask(move |store| {
            let Some(message) = store.message_behind_link(id)? else {
                return Ok(None);
            };
            let Some(lead) = message.lead else {
                return Ok(None);
            };
            let Some(lead) = store.lead(message.tenant, lead)? else {
                return Ok(None);
            };
            let awards = store.ledger(message.tenant, lead.id)?;
            let messages = store.messages_of(message.tenant, lead.id, None, 40)?;
            Ok(Some((message, lead, awards, messages)))
        })
        .await?;
    let (message, lead, awards, messages) = found.ok_or(PageError::NotFound)?;
    let home = app
        .registry
        .home(message.tenant)
        .ok_or(PageError::NotFound)?;
    Ok(Behind {
        home,
        message,
        lead,
        awards,
        messages,
    })
}

async fn show(State(app): State<App>, Peer(peer): Peer, Named(token): Named<String>) -> PageResult {
    let behind = find(&app, peer, &token).await?;
    Ok(html(&page(&behind, &token, Just::Looked, app.now())))
}

async fn take(State(app): State<App>, Peer(peer): Peer, Named(token): Named<String>) -> PageResult {
    let behind = find(&app, peer, &token).await?;
    let actor = match &behind.message.staff {
        Some(name) => format!("staff:{name}"),
        None => "alert link".to_owned(),
    };
    let answer = app
        .take(
            behind.home.row.id,
            Intake::Take {
                lead: behind.lead.id,
                actor,
            },
            None,
        )
        .await?;
    let just = match answer {
        Answer::Taken { now: true, .. } => Just::Mine,
        Answer::Taken { now: false, .. } => Just::Second,
        Answer::NotFound => return Err(PageError::NotFound),
        _ => {
            return Err(PageError::Api(ApiError::internal(
                "taking a lead had no answer",
            )));
        }
    };
    // Read anew: the lead has somebody now.
    let behind = find(&app, peer, &token).await?;
    Ok(html(&page(&behind, &token, just, app.now())))
}

fn page(behind: &Behind, token: &str, just: Just, now: Timestamp) -> AlertPage {
    let home = &behind.home;
    let local = Local::of(home);
    let lead = &behind.lead;
    let since = lead.ringing_since.unwrap_or(lead.created_at);
    let answered = lead.answered_at.filter(|_| lead.ringing_since.is_some());
    let shown = Shown {
        name: people::name(&home.tenant, lead),
        wait: line::wait(
            since,
            line::promised(home, since),
            answered,
            &behind.messages,
        ),
        awards: &behind.awards,
        reader: behind.message.staff.as_deref(),
        reference: home.tenant.references.write(lead.number),
        path: format!("/t/{}/leads/{}", home.row.slug, lead.id),
        action: format!("/a/{token}"),
        just,
    };
    lay_out(&home.tenant.config, &local, lead, shown, now)
}

/// What the page is made of besides the lead itself.
struct Shown<'a> {
    name: String,
    wait: Wait,
    awards: &'a [AwardView],
    /// The member of staff that the alert went to.
    reader: Option<&'a str>,
    reference: String,
    path: String,
    action: String,
    just: Just,
}

fn lay_out(
    config: &TenantConfig,
    local: &Local,
    lead: &Lead,
    shown: Shown<'_>,
    now: Timestamp,
) -> AlertPage {
    let Shown {
        name,
        wait,
        awards,
        reader,
        reference,
        path,
        action,
        just,
    } = shown;
    let first = lead.first_name.clone().unwrap_or_else(|| name.clone());
    let (since, answered, promised) = (wait.since, wait.answered, wait.promised);
    let late = wait.is_late(now);
    let by = lead
        .answered_by
        .as_deref()
        .map(people::actor)
        .unwrap_or_default();
    let mine = reader.is_some_and(|reader| reader == by);
    let open = answered.is_none();
    let state = match (open, late) {
        (false, _) => "kept",
        (true, true) => "late",
        (true, false) => "lamp",
    };
    let sentence = match answered {
        None => format!("{name} waits."),
        Some(at) if mine => format!("You took {first} {}.", local.on(at, now)),
        Some(at) if just == Just::Second => format!(
            "{by} took {first} {} before you.",
            words(now.duration_since(at))
        ),
        Some(at) => format!("{by} took {first} {}.", local.on(at, now)),
    };
    let soft = match (answered, promised) {
        (Some(_), _) if mine && lead.phone.is_none() => {
            "No number is known yet; what is known is on the page of the lead.".to_owned()
        }
        (Some(_), _) if mine => "Call now: the line is yours.".to_owned(),
        (Some(_), _) => "Nothing is left to do for you.".to_owned(),
        (None, Some(promised)) if late => format!(
            "The promise ended {}, {} ago.",
            local.when(promised, now),
            words(rounded(now.duration_since(promised)))
        ),
        (None, Some(promised)) => {
            format!("You promised an answer by {}.", local.when(promised, now))
        }
        (None, None) => format!("Since {} in {}.", local.when(since, now), local.place()),
    };
    let greeting = match (
        reader.and_then(|reader| reader.split_whitespace().next()),
        open,
    ) {
        (Some(reader), true) => format!("{reader}, this one is yours to take"),
        (Some(reader), false) => format!("{reader}, this one is answered"),
        (None, true) => "This one is yours to take".to_owned(),
        (None, false) => "This one is answered".to_owned(),
    };
    let title = if open {
        format!("{name} waits {}", wait.clock(now))
    } else {
        sentence.trim_end_matches('.').to_owned()
    };
    let (level, score, reasons) = score(config, lead, awards);
    let (need, said, facts) = need(config, lead, &reference);
    AlertPage {
        css: assets::css(),
        script: assets::script(),
        business: config.settings.name.clone(),
        title,
        greeting,
        state,
        clock: wait.clock(now),
        since_ms: since.as_millisecond(),
        now_ms: now.as_millisecond(),
        sentence,
        soft,
        wait: lead.ringing_since.map(|_| wait.draw(now, false)),
        need,
        said,
        level,
        score,
        reasons,
        facts,
        tel: lead.phone.clone().unwrap_or_default(),
        phone: lead.phone.as_deref().map(format::phone).unwrap_or_default(),
        first,
        mail: lead.email.clone().unwrap_or_default(),
        open,
        just,
        action,
        lead: path,
    }
}

/// Whole seconds read better than tenths.
fn rounded(span: SignedDuration) -> SignedDuration {
    SignedDuration::from_secs(span.as_secs())
}

/// The tier as bars and words, and the rules that gave most.
fn score(config: &TenantConfig, lead: &Lead, awards: &[AwardView]) -> (u8, String, Vec<String>) {
    let product = lead
        .products
        .first()
        .map(|placement| placement.product.as_str());
    let model = config
        .shown_model(product)
        .and_then(|name| config.models.get(name));
    let points = amount(lead.points, "point");
    let Some(model) = model else {
        return (0, points, Vec::new());
    };
    let tier = lead.tier.as_deref().and_then(|name| model.tier(name));
    let level = tier.map_or(0, |tier| {
        let above = model
            .tiers
            .iter()
            .filter(|other| other.from > tier.from)
            .count();
        3u8.saturating_sub(u8::try_from(above).unwrap_or(u8::MAX))
            .max(1)
    });
    let mut best: Vec<&AwardView> = awards
        .iter()
        .filter(|award| award.model == model.name && award.points > 0)
        .collect();
    best.sort_by_key(|award| std::cmp::Reverse(award.points));
    let mut reasons: Vec<String> = Vec::new();
    for award in best {
        let reason = model.rule(&award.rule).map_or_else(
            || award.rule.replace(['_', '-'], " "),
            |rule| rule.title().into_owned(),
        );
        if !reasons.contains(&reason) && reasons.len() < 3 {
            reasons.push(reason);
        }
    }
    let score = match tier {
        Some(tier) => format!("{}, {points}", tier.title()),
        None => points,
    };
    (level, score, reasons)
}

/// What is wanted, what was said with it, and the facts beside.
fn need(
    config: &TenantConfig,
    lead: &Lead,
    reference: &str,
) -> (String, String, Vec<(String, String)>) {
    let text = |name: &str| match lead.attributes.get(name)? {
        serde_json::Value::String(text) if !text.trim().is_empty() => Some(short(text.trim(), 600)),
        serde_json::Value::Number(number) => Some(number.to_string()),
        _ => None,
    };
    let vehicle: Vec<String> = ["vehicle_year", "vehicle_make", "vehicle_model"]
        .iter()
        .filter_map(|name| text(name))
        .collect();
    let service = ["service_type", "service", "need", "interest"]
        .iter()
        .find_map(|name| text(name));
    let product = lead
        .products
        .first()
        .and_then(|placement| config.product(&placement.product))
        .map(|product| {
            product
                .label
                .clone()
                .unwrap_or_else(|| product.name.clone())
        });
    let mut parts: Vec<String> = service.into_iter().collect();
    if !vehicle.is_empty() {
        parts.push(vehicle.join(" "));
    }
    if parts.is_empty() {
        parts.extend(product);
    }
    let mut need = parts.join(", ").replace('_', " ");
    if need.is_empty() {
        need = "An answer".to_owned();
    }
    let need: String = need
        .chars()
        .enumerate()
        .flat_map(|(at, c)| {
            if at == 0 {
                c.to_uppercase().collect::<Vec<_>>()
            } else {
                vec![c]
            }
        })
        .collect();
    let said = ["message", "notes", "description", "comment"]
        .iter()
        .find_map(|name| text(name))
        .unwrap_or_default();
    let place: Vec<&str> = [
        lead.city.as_deref(),
        lead.state.as_deref(),
        lead.zip.as_deref(),
    ]
    .into_iter()
    .flatten()
    .collect();
    let mut facts = Vec::new();
    if !place.is_empty() {
        facts.push(("Where".to_owned(), place.join(" ")));
    }
    for name in [
        "preferred_date",
        "preferred_time",
        "preferred_contact",
        "insurance",
        "address",
    ] {
        if let Some(value) = text(name) {
            facts.push((name.replace('_', " "), short(&value, 120)));
        }
    }
    if let Some(source) = &lead.source {
        facts.push(("Came by".to_owned(), source.clone()));
    }
    facts.push(("Reference".to_owned(), reference.to_owned()));
    (short(&need, 160), said, facts)
}

#[cfg(test)]
mod tests {
    use super::super::settings::tests::{local, now};
    use super::super::tests::{HOSTILE, sound};
    use super::*;
    use ringback_core::ids::{EventId, LeadId, TenantId};

    fn config(preset: &str) -> TenantConfig {
        crate::onboarding::check(&crate::presets::find(preset).unwrap().files).unwrap()
    }

    fn lead() -> Lead {
        let mut lead = Lead::new(LeadId::from_raw(5), TenantId::from_raw(1), 7, now());
        lead.first_name = Some("Dana".into());
        lead.last_name = Some("Whitfield".into());
        lead.phone = Some("+13035550142".into());
        lead.attributes = serde_json::json!({"service_type": "burst pipe", "message": "Water comes through the ceiling."});
        lead.points = 95;
        lead.tier = Some("immediate".into());
        lead.ringing_since = Some(now() - SignedDuration::from_secs(403));
        lead
    }

    fn award() -> AwardView {
        AwardView {
            model: "intent".into(),
            session: None,
            event: EventId::from_raw(1),
            rule: "emergency_click".into(),
            version: 1,
            points: 50,
            at: now(),
            why: Vec::new(),
        }
    }

    fn shown(
        config: &TenantConfig,
        lead: &Lead,
        promised: Option<Timestamp>,
        reader: Option<&str>,
        just: Just,
    ) -> String {
        let since = lead.ringing_since.unwrap_or(lead.created_at);
        let shown = Shown {
            name: lead.full_name().unwrap_or_else(|| "Visitor M9XD".into()),
            wait: Wait {
                since,
                promised,
                answered: lead.answered_at,
                told: None,
                seen: None,
                passed: None,
            },
            awards: &[award()],
            reader,
            reference: "K7Q2-M9XD".into(),
            path: "/t/alder/leads/lead_1".into(),
            action: "/a/tok".into(),
            just,
        };
        let text = lay_out(config, &local(), lead, shown, now())
            .render()
            .unwrap();
        sound(&text);
        text
    }

    /// Section 8 of the design: who waits, what for, and one thumb to answer.
    #[test]
    fn an_open_alert_says_who_waits_and_has_two_buttons() {
        let text = shown(
            &config("plumbing"),
            &lead(),
            None,
            Some("Noor Haddad"),
            Just::Looked,
        );
        assert!(
            text.contains("Noor, this one is yours to take")
                && text.contains("Dana Whitfield waits.")
        );
        assert!(
            text.contains("Burst pipe")
                && text.contains("Immediate, 95 points")
                && text.contains("6:43")
        );
        assert!(
            text.contains("href=\"tel:+13035550142\"")
                && text.contains("action=\"/a/tok\"")
                && text.contains("method=\"post\"")
        );
    }

    /// The second person reads who was first and how long before (section 7).
    #[test]
    fn the_second_opener_reads_who_was_first() {
        let mut taken = lead();
        taken.answered_at = Some(now() - SignedDuration::from_secs(4));
        taken.answered_by = Some("staff:Marcus Bell".into());
        let text = shown(
            &config("plumbing"),
            &taken,
            None,
            Some("Noor Haddad"),
            Just::Second,
        );
        assert!(
            text.contains("Marcus Bell took Dana 4.0 s before you."),
            "{text}"
        );
        assert!(!text.contains("method=\"post\""));
        let text = shown(
            &config("plumbing"),
            &taken,
            None,
            Some("Marcus Bell"),
            Just::Mine,
        );
        assert!(text.contains("You took Dana at 6:49 am.") && text.contains("tel:"));
    }

    /// W7: a promise that is broken is told in words, one that is not says until when.
    #[test]
    fn the_promise_is_told() {
        let (lead, glass) = (lead(), config("auto-glass"));
        let later = now() + SignedDuration::from_mins(10);
        assert!(
            shown(&glass, &lead, Some(later), None, Just::Looked)
                .contains("You promised an answer by 6:59 am.")
        );
        let text = shown(
            &glass,
            &lead,
            Some(now() - SignedDuration::from_secs(103)),
            None,
            Just::Looked,
        );
        assert!(
            text.contains("The promise ended 6:48 am, 1 min 43 s ago.")
                && text.contains("clock late"),
            "{text}"
        );
    }

    /// Hostile and bare leads are shown as text.
    #[test]
    fn hostile_and_bare_leads_are_text() {
        let mut bad = lead();
        bad.first_name = Some(HOSTILE.into());
        bad.answered_by = Some(HOSTILE.into());
        bad.source = Some(HOSTILE.into());
        bad.attributes =
            serde_json::json!({"service_type": HOSTILE, "message": HOSTILE, "vehicle_year": 2023});
        shown(&config("plumbing"), &bad, None, Some(HOSTILE), Just::Looked);
        let bare = Lead::new(LeadId::from_raw(5), TenantId::from_raw(1), 7, now());
        assert!(
            shown(&config("plumbing"), &bare, None, None, Just::Looked)
                .contains("Visitor M9XD waits.")
        );
    }
}
