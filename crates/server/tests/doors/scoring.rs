//! Scores through the whole house (S2 to S5): what is told to whom when a tier is entered, and a ledger that always adds up.

use crate::house::House;
use crate::message_pages::Desk;
use axum::body::Body;
use axum::http::{Request, StatusCode};
use jiff::SignedDuration;
use proptest::prelude::*;
use ringback_core::conditions::{EventFacts, Facts, LeadFacts, SessionFacts, TimeFacts};
use ringback_core::ids::{LeadId, SessionId};
use ringback_core::messages::{ChannelKind, Message};
use ringback_core::scoring::{Replay, ScoreModel, ScoreState};
use ringback_core::time::Timestamp;
use ringback_core::turn::Tenant;
use ringback_store::{AwardView, EventView, KeyKind, StandingView};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

const SECRET: &str = "rb_live_abcdefghijklmnopqrstuvwxyz012345678901234567";

/// Sends tracked events in one request, as a site does.
async fn batch(house: &House, items: &[Value]) {
    use base64::Engine as _;
    let user = base64::engine::general_purpose::STANDARD.encode(format!("{SECRET}:"));
    let request = Request::post("/v1/batch")
        .header("content-type", "application/json")
        .header("authorization", format!("Basic {user}"));
    let body = Body::from(json!({ "batch": items }).to_string());
    let answer = house.send(request.body(body).unwrap()).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
}

async fn does(house: &House, visitor: &str, event: &str, name: &str) {
    let item = match event.strip_prefix("page ") {
        Some(path) => json!({"type": "page", "properties": {"path": path}}),
        None => json!({"type": "track", "event": event}),
    };
    let mut item = item;
    item["anonymousId"] = json!(visitor);
    item["messageId"] = json!(name);
    batch(house, &[item]).await;
}

/// What was decided so far, as workflow, channel and person.
fn told(messages: &[Message]) -> BTreeSet<(String, &'static str, String)> {
    messages
        .iter()
        .map(|message| {
            let step = message.step.as_deref().unwrap_or_default();
            (
                step.split('@').next().unwrap_or_default().to_owned(),
                message.channel.as_str(),
                message.staff.clone().unwrap_or_default(),
            )
        })
        .collect()
}

fn to(
    workflow: &str,
    channels: &[&'static str],
    people: &[&str],
) -> BTreeSet<(String, &'static str, String)> {
    channels
        .iter()
        .flat_map(|channel| {
            people
                .iter()
                .map(move |one| (workflow.to_owned(), *channel, (*one).to_owned()))
        })
        .collect()
}

/// S3, S5: below 40 nobody hears anything; 40 to 59 and 60 to 79 are a mail to their lists; from 80 the emergency list has a text and a
/// mail, once, and twenty more events in the tier send nothing. It is Monday at eleven: each visit begins with 5 points.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_tier_tells_its_list_once() {
    let house = House::open().await;
    house.key(KeyKind::Secret, SECRET).await;
    let (standard, high, emergency) = (
        to(
            "standard-alert",
            &["email"],
            &["Ruth Alder", "Ruth Example"],
        ),
        to(
            "high-priority-alert",
            &["email"],
            &["Ruth Example", "Sam Okafor"],
        ),
        to(
            "emergency-alert",
            &["email", "sms"],
            &["Lena Ortiz", "Ruth Example", "Sam Okafor"],
        ),
    );
    let nobody = BTreeSet::new();
    let mut known = 0;
    for (visitor, steps) in [
        // 35, and the same click again counts once.
        ("calm", vec![("emergency_click", &nobody)]),
        // 30, 40, 55.
        (
            "curious",
            vec![
                ("phone_click", &nobody),
                ("testimonial_read", &standard),
                ("page /services/drains", &nobody),
                ("page /services/heaters", &nobody),
            ],
        ),
        // 35, 60, 70.
        (
            "worried",
            vec![
                ("emergency_click", &nobody),
                ("phone_click", &high),
                ("testimonial_read", &nobody),
            ],
        ),
        // 35, 60, 80, 90: every tier on the way is told of when it is entered.
        (
            "flooded",
            vec![
                ("emergency_click", &nobody),
                ("phone_click", &high),
                ("contact_form_start", &emergency),
                ("testimonial_read", &nobody),
            ],
        ),
    ] {
        let last = steps.last().map(|(event, _)| *event).unwrap();
        for (n, (event, wanted)) in steps.into_iter().enumerate() {
            does(&house, visitor, event, &format!("{visitor}-{n}")).await;
            // Decided in the commit that answered: nothing comes later.
            let all = house.messages(house.alder).await;
            assert_eq!(
                told(&all[..all.len() - known]),
                *wanted,
                "{visitor}: {event}"
            );
            assert_eq!(
                all.len() - known,
                wanted.len(),
                "{visitor}: {event}: each once"
            );
            known = all.len();
        }
        for n in 0..20 {
            does(&house, visitor, last, &format!("{visitor}-again-{n}")).await;
        }
        assert_eq!(house.messages(house.alder).await.len(), known, "{visitor}");
    }
    // What was decided arrives, once each.
    let alder = house.alder;
    house
        .until("all alerts went", async || {
            let all = house.messages(alder).await;
            all.iter()
                .all(|message| message.status.as_str() == "accepted" || message.status.settled())
                .then_some(())
        })
        .await;
    for phone in ["+13035550102", "+13035550103", "+13035550190"] {
        let texts = house.far.to(phone);
        assert_eq!(texts.len(), 1, "{phone}: {texts:?}");
        assert!(texts[0].contains("80"), "{texts:?}");
    }
    assert!(
        house.far.to("+13035550101").is_empty(),
        "no emergency of hers"
    );
    let mails = house
        .messages(alder)
        .await
        .into_iter()
        .filter(|message| message.channel == ChannelKind::Email && message.sandbox)
        .count();
    assert_eq!(mails, 2 + 2 + 2 + 3);
    let desk = Desk::open(&house, house.alder, "viewer").await;
    let inbox = desk.page("/t/alder/sandbox").await;
    assert!(
        inbox.contains("URGENT: Emergency lead on the website. Score: 80"),
        "{inbox}"
    );
    house.close().await;
}

/// S5: a visit of another day begins at nought and alerts again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_emergency_next_week_alerts_again() {
    let house = House::open().await;
    house.key(KeyKind::Secret, SECRET).await;
    let rush = ["emergency_click", "phone_click", "contact_form_start"];
    for week in 1..=2 {
        for event in rush {
            does(&house, "b1", event, &format!("{week}-{event}")).await;
        }
        let alerts = told(&house.messages(house.alder).await);
        assert!(
            alerts
                .iter()
                .any(|(workflow, ..)| workflow == "emergency-alert")
        );
        let texts = house
            .messages(house.alder)
            .await
            .into_iter()
            .filter(|message| {
                // Not those to the owner, whom nobody saved from waking up.
                let first = message
                    .step
                    .as_deref()
                    .is_some_and(|step| step.ends_with("#0"));
                message.channel == ChannelKind::Sms && first
            })
            .count();
        assert_eq!(texts, 3 * week, "three people, once a visit");
        house.pass(7 * 86_400);
    }
    house.close().await;
}

/// Something that a browser reports.
#[derive(Debug, Clone)]
struct Act {
    visitor: usize,
    kind: &'static str,
    path: &'static str,
    /// Minutes before the present at which it happened.
    ago: i64,
    search: Option<&'static str>,
}

const KINDS: [&str; 5] = [
    "page",
    "emergency_click",
    "phone_click",
    "contact_form_start",
    "testimonial_read",
];
const PATHS: [&str; 5] = [
    "/",
    "/emergency",
    "/services/drains",
    "/services/heaters",
    "/about",
];

fn act() -> impl Strategy<Value = Act> {
    (
        0usize..2,
        prop_oneof![2 => Just("page"), 3 => prop::sample::select(KINDS.to_vec())],
        prop::sample::select(PATHS.to_vec()),
        0i64..120,
        prop::option::weighted(0.2, prop::sample::select(vec!["burst pipe", "kitchen tap"])),
    )
        .prop_map(|(visitor, kind, path, ago, search)| Act {
            visitor,
            kind,
            path,
            ago,
            search,
        })
}

/// Acts, and the order in which their reports arrive: shuffled, some of them more than once, cut into requests.
fn stream() -> impl Strategy<Value = (Vec<Act>, Vec<usize>, usize)> {
    prop::collection::vec(act(), 1..25).prop_flat_map(|acts| {
        let n = acts.len();
        let arrivals = (prop::collection::vec(0..n, 0..10), Just(n))
            .prop_map(|(again, n)| (0..n).chain(again).collect::<Vec<usize>>())
            .prop_shuffle();
        (Just(acts), arrivals, 1usize..6)
    })
}

fn report(act: &Act, case: u32, n: usize, now: Timestamp) -> Value {
    let at = now - SignedDuration::from_mins(act.ago);
    let mut item = if act.kind == "page" {
        json!({"type": "page", "properties": {"path": act.path}})
    } else {
        json!({"type": "track", "event": act.kind, "properties": {}})
    };
    if let Some(search) = act.search {
        item["properties"]["search"] = json!(search);
    }
    item["anonymousId"] = json!(format!("c{case}v{}", act.visitor));
    item["messageId"] = json!(format!("c{case}m{n}"));
    item["timestamp"] = json!(at.to_string());
    item
}

/// A visit as the specification defines it, gathered anew from the events.
struct Visit {
    number: u32,
    began: Timestamp,
    last: Timestamp,
    views: u32,
    paths: Vec<String>,
}

/// The states that the stored events lead to, by the very rules, but with facts that this test gathers itself (S6).
fn recomputed(
    model: &ScoreModel,
    tenant: &Tenant,
    events: &[EventView],
) -> BTreeMap<Option<SessionId>, ScoreState> {
    let nothing = Value::Null;
    let mut visits: BTreeMap<SessionId, Visit> = BTreeMap::new();
    let mut replay = Replay::new(model);
    for event in events {
        // What is older than the visit at hand joins none and is history.
        let Some(session) = event.session else {
            continue;
        };
        let number = u32::try_from(visits.len()).unwrap() + 1;
        let visit = visits.entry(session).or_insert_with(|| Visit {
            number,
            began: event.at,
            last: event.at,
            views: 0,
            paths: Vec::new(),
        });
        visit.last = visit.last.max(event.at);
        if event.kind == "page" {
            let path = event.properties["path"].as_str().unwrap().to_owned();
            visit.views += 1;
            if !visit.paths.contains(&path) {
                visit.paths.push(path);
            }
        }
        let hours = tenant.config.settings.hours_at(visit.began, &tenant.zone);
        let facts = Facts {
            event: Some(EventFacts {
                kind: &event.kind,
                at: event.at,
                source: &event.source,
                properties: &event.properties,
            }),
            lead: LeadFacts {
                first_name: None,
                last_name: None,
                email: None,
                phone: None,
                source: None,
                stage: None,
                product: None,
                tier: None,
                city: None,
                state: None,
                zip: None,
                country: None,
                points: 0,
                attributes: &nothing,
                tags: &[],
                created_at: event.at,
                anonymous: true,
            },
            session: Some(SessionFacts {
                number: visit.number,
                started_at: visit.began,
                seconds: visit.last.duration_since(visit.began).as_secs().max(0),
                views: visit.views,
                paths: &visit.paths,
                first_path: visit.paths.first().map(String::as_str),
                referrer: None,
                utm: &nothing,
            }),
            time: TimeFacts {
                after_hours: hours.after_hours,
                weekend: hours.weekend,
                business_hours: hours.open,
                holiday: hours.holiday,
                hour: hours.hour,
                weekday: hours.weekday,
            },
            zone: &tenant.zone,
            run: None,
            now: event.at,
        };
        replay.take(session, &facts);
    }
    replay.finish()
}

fn sums(ledger: &[AwardView]) -> BTreeMap<Option<SessionId>, i64> {
    let mut sums = BTreeMap::new();
    for award in ledger {
        *sums.entry(award.session).or_insert(0) += award.points;
    }
    sums
}

fn points(standings: &[StandingView]) -> BTreeMap<Option<SessionId>, i64> {
    standings
        .iter()
        .map(|standing| (standing.session, standing.points))
        .collect()
}

async fn kept(house: &House, lead: LeadId) -> (Vec<AwardView>, Vec<StandingView>) {
    let alder = house.alder;
    house
        .app
        .ask(move |store| Ok((store.ledger(alder, lead)?, store.standings(alder, lead)?)))
        .await
        .unwrap()
}

/// One stream through the house, and what must be true after it.
async fn one_stream(house: &House, case: u32, acts: &[Act], arrivals: &[usize], size: usize) {
    let now = house.app.now();
    for some in arrivals.chunks(size) {
        let items: Vec<Value> = some
            .iter()
            .map(|n| report(&acts[*n], case, *n, now))
            .collect();
        batch(house, &items).await;
    }
    let home = house.app.registry.home(house.alder).unwrap();
    let model = &home.tenant.config.models["intent"];
    let leads: Vec<_> = house
        .leads(house.alder)
        .await
        .into_iter()
        .filter(|lead| lead.created_at == now)
        .collect();
    let visitors: BTreeSet<usize> = acts.iter().map(|act| act.visitor).collect();
    assert_eq!(leads.len(), visitors.len());
    let mut stored = 0;
    for lead in &leads {
        let events: Vec<EventView> = house
            .timeline(house.alder, lead.id)
            .await
            .into_iter()
            .filter(|event| event.source == "tracking")
            .collect();
        stored += events.len();
        let (ledger, standings) = kept(house, lead.id).await;
        assert_eq!(sums(&ledger), points(&standings), "the ledger is the score");
        let again = recomputed(model, &home.tenant, &events);
        let again: BTreeMap<_, _> = again
            .into_iter()
            .filter(|(_, state)| !state.fired.is_empty())
            .map(|(session, state)| (session, (state.points, state.tier)))
            .collect();
        let have: BTreeMap<_, _> = standings
            .iter()
            .map(|one| (one.session, (one.points, one.tier.clone())))
            .collect();
        assert_eq!(have, again, "recomputing gives the same");
        let last = standings.iter().max_by_key(|one| one.session).unwrap();
        assert_eq!((lead.points, &lead.tier), (last.points, &last.tier));
        for award in &ledger {
            assert!(events.iter().any(|event| event.id == award.event));
        }
    }
    assert_eq!(stored, acts.len(), "every report is kept once");
    // The two turn out to be one person: nothing is lost and nothing counts twice.
    let join: Vec<Value> = visitors
        .iter()
        .map(|visitor| json!({"type": "identify", "anonymousId": format!("c{case}v{visitor}"), "userId": format!("c{case}")}))
        .collect();
    batch(house, &join).await;
    let person = house
        .leads(house.alder)
        .await
        .into_iter()
        .find(|lead| lead.created_at == now)
        .unwrap();
    let (ledger, standings) = kept(house, person.id).await;
    assert_eq!(sums(&ledger), points(&standings), "also after a merge");
}

/// S2, S6: whatever the events, their order, their repeats and the requests they come in: each is kept once, the sum of the ledger is
/// the score, and recomputing from the stored events gives the same, through the real store.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_ledger_adds_up_over_any_stream_of_events() {
    let house = House::open().await;
    house.key(KeyKind::Secret, SECRET).await;
    let runtime = tokio::runtime::Handle::current();
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig {
        cases: 40,
        failure_persistence: None,
        ..ProptestConfig::default()
    });
    let case = std::cell::Cell::new(0);
    tokio::task::block_in_place(|| {
        runner
            .run(&stream(), |(acts, arrivals, size)| {
                // A day of its own for each, so that leads of cases are told apart and no limit is met.
                house.pass(86_400);
                case.set(case.get() + 1);
                runtime.block_on(one_stream(&house, case.get(), &acts, &arrivals, size));
                Ok(())
            })
            .unwrap();
    });
    house.close().await;
}
