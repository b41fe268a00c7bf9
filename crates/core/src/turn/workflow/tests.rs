//! Triggers and steps of the engine, each through a small business (W1, W2, L9, S6 to S8).

use super::super::rehearsal::{Rehearsal, tenant_of};
use super::super::trial::{config, event, form, instant, lead_in, open, told};
use super::super::world::{RunState, WorkKind};
use super::super::{Answer, Edit, Intake, Who};
use crate::ids::LeadId;
use crate::leads::Profile;
use crate::messages::{ChannelKind, Inbound, Status};
use serde_json::{Value, json};
use std::time::Duration;

/// A quarter past ten on a Tuesday in Denver.
const TUESDAY: &str = "2026-11-24T17:15:00Z";

fn workflow(body: &str) -> String {
    format!("name: flow\n{body}")
}

fn house(body: &str) -> Rehearsal {
    house_with(body, &[])
}

fn house_with(body: &str, others: &[(&str, &str)]) -> Rehearsal {
    let text = workflow(body);
    let mut documents = vec![("workflows/flow.yaml", text.as_str())];
    documents.extend_from_slice(others);
    open(&documents, TUESDAY)
}

fn hours(n: u64) -> Duration {
    Duration::from_secs(n * 3_600)
}

fn does(house: &mut Rehearsal, lead: LeadId, kind: &str, properties: Value) -> Answer {
    let now = house.now();
    house.take(event(Who::Lead(lead), kind, now, properties))
}

fn writes(house: &mut Rehearsal, n: u32, body: &str) {
    let at = house.now();
    let dedup = format!("{body} {at}");
    house.take(Intake::Inbound {
        inbound: Box::new(Inbound {
            channel: ChannelKind::Sms,
            from: format!("+1303555{:04}", 110 + n),
            to: "+13035550100".into(),
            body: body.into(),
            at,
            dedup,
            answered_by_provider: false,
        }),
        connection: None,
    });
}

fn kinds(house: &Rehearsal, lead: LeadId) -> Vec<String> {
    let lines = house.memory.timeline(lead).iter();
    lines.map(|line| line.kind.clone()).collect()
}

fn attribute(house: &Rehearsal, lead: LeadId, name: &str) -> Value {
    house.memory.lead(lead).expect("a lead").attributes[name].clone()
}

fn calm(house: &Rehearsal) {
    let aside: Vec<&str> = house
        .memory
        .set_aside()
        .iter()
        .map(|one| one.error.as_str())
        .collect();
    assert!(aside.is_empty(), "{aside:?}");
}

const NOTE: &str = "send: { to: lead, channels: { all: [sms] }, template: note }";

/// W2: what is said, collected and done in one go.
#[test]
fn plain_steps_do_what_they_say() {
    let mut house = house(
        "trigger: { event: wants }
steps:
  - tag: { add: [warm, vip], remove: [cold] }
  - set_attribute: { name: budget, from: event.properties.budget }
  - set_attribute: { name: level, value: high }
  - create_task: { title: Look at the budget, to: { staff: Sam Okafor }, due: 2h }
  - start_call: { about: the budget }
  - branch: { field: lead.attributes.budget, gte: 500 }
    then:
      - set_stage: { stage: contacted }
    otherwise:
      - end
  - assign: Sam Okafor
",
    );
    let lead = lead_in(&house.take(form(None, 1)));
    does(&mut house, lead, "wants", json!({"budget": 700}));
    calm(&house);
    let known = house.memory.lead(lead).expect("a lead");
    assert_eq!(known.tags, ["warm", "vip"]);
    assert_eq!(known.attributes["budget"], 700);
    assert_eq!(known.attributes["level"], "high");
    assert_eq!(known.stage(), Some("contacted"));
    assert_eq!(known.owner.as_deref(), Some("Sam Okafor"));
    let work = house.memory.work();
    assert_eq!(
        (work[0].kind, work[0].assignee.as_deref(), work[0].due_at),
        (
            WorkKind::Task,
            Some("Sam Okafor"),
            Some(house.now() + jiff::SignedDuration::from_hours(2))
        )
    );
    assert_eq!(
        (work[1].kind, work[1].title.as_str()),
        (WorkKind::Call, "the budget")
    );
    does(&mut house, lead, "wants", json!({"budget": 100}));
    assert_eq!(house.memory.work().len(), 4, "another run orders its own");
}

/// W2: each wait ends when it says, by the right clock, over the night and the change of the clock.
#[test]
fn waits_end_when_they_say() {
    for (wait, from, until) in [
        ("90m", TUESDAY, "2026-11-24T18:45:00Z"),
        ("{ for: 1d }", TUESDAY, "2026-11-25T17:15:00Z"),
        ("{ until: business_hours }", TUESDAY, "2026-11-24T17:15:00Z"),
        // Friday evening in Denver: Monday at eight.
        (
            "{ until: business_hours }",
            "2026-11-28T02:00:00Z",
            "2026-11-30T15:00:00Z",
        ),
        // The lead's ZIP is in Denver.
        ("{ until: \"09:00\" }", TUESDAY, "2026-11-25T16:00:00Z"),
        (
            "{ until: \"09:00\", on: friday }",
            TUESDAY,
            "2026-11-27T16:00:00Z",
        ),
        (
            "{ until: \"12:00\", of: business }",
            TUESDAY,
            "2026-11-24T19:00:00Z",
        ),
        (
            "{ until: \"2026-12-24 10:00\" }",
            TUESDAY,
            "2026-12-24T17:00:00Z",
        ),
        (
            "{ until: 2026-11-24T17:00:00Z }",
            TUESDAY,
            "2026-11-24T17:15:00Z",
        ),
        (
            "{ until: { field: event.properties.start, before: 2h } }",
            TUESDAY,
            "2026-11-26T15:00:00Z",
        ),
        (
            "{ until: { field: event.properties.other } }",
            TUESDAY,
            "2026-11-24T17:15:00Z",
        ),
        // The night in which the clock goes back has an hour more.
        (
            "{ until: \"09:00\" }",
            "2026-10-31T18:00:00Z",
            "2026-11-01T16:00:00Z",
        ),
        // A quarter of an hour is left on Friday; the rest is on Monday.
        (
            "{ until: \"02:30\" }",
            "2026-03-07T18:00:00Z",
            "2026-03-08T09:00:00Z",
        ),
    ] {
        let text = workflow(&format!(
            "trigger: {{ event: go }}\nsteps:\n  - wait: {wait}\n  - tag: done\n"
        ));
        let mut house = open(&[("workflows/flow.yaml", &text)], from);
        let lead = lead_in(&house.take(form(None, 1)));
        does(
            &mut house,
            lead,
            "go",
            json!({"start": "2026-11-26T17:00:00Z"}),
        );
        calm(&house);
        let wakes = house.memory.next_wake().unwrap_or(house.now());
        assert_eq!(wakes.to_string(), until, "{wait} from {from}");
        house.run_until(wakes, &mut |_, _, _| {});
        assert_eq!(
            house.memory.lead(lead).expect("a lead").tags,
            ["done"],
            "{wait}"
        );
    }
}

/// W7: a promise counts opening hours.
#[test]
fn a_wait_for_an_event_can_count_opening_hours_only() {
    let mut house = house(
        "trigger: lead_captured
steps:
  - wait_for: { event: lead.acknowledged, within: 15m, of: business_hours }
    otherwise:
      - tag: late
",
    );
    // Ten minutes before closing on Friday.
    house.run_until(instant("2026-11-28T00:50:00Z"), &mut |_, _, _| {});
    house.take(form(None, 1));
    assert_eq!(
        house.memory.next_wake(),
        Some(instant("2026-11-30T15:05:00Z"))
    );
}

/// W2: only the event that is meant ends the wait, and the first of several does.
#[test]
fn a_wait_for_an_event_hears_what_it_is_for() {
    let mut house = house(
        "trigger: { event: quoted }
steps:
  - wait_for: { event: [call.ended, paid], within: 2d, where: { any: [ { field: event.type, is: paid }, { field: event.properties.outcome, is: booked } ] } }
    then:
      - tag: won
    otherwise:
      - tag: lost
",
    );
    let lead = lead_in(&house.take(form(None, 1)));
    does(&mut house, lead, "quoted", json!({}));
    does(
        &mut house,
        lead,
        "call.ended",
        json!({"outcome": "no_answer"}),
    );
    does(&mut house, lead, "something", json!({"outcome": "booked"}));
    assert!(house.memory.lead(lead).expect("a lead").tags.is_empty());
    does(&mut house, lead, "paid", json!({}));
    assert_eq!(house.memory.lead(lead).expect("a lead").tags, ["won"]);
    assert_eq!(house.next(), None);
}

/// W2: a question with a typed answer: read, asked again twice, and then a person.
#[test]
fn a_question_is_read_or_asked_again_or_handed_over() {
    const ASKING: &str = "trigger: lead_captured
steps:
  - ask: { channels: { first: [sms] }, template: note, again: again, answer: number, into: rooms, within: 1d }
    then:
      - tag: answered
    otherwise:
      - tag: unanswered
";
    const AGAIN: (&str, &str) = (
        "templates/again.sms.txt",
        "---\ncategory: transactional\nsample: {}\n---\nA number please. {{ message.opt_out_line }}\n",
    );
    let mut house = house_with(ASKING, &[AGAIN]);
    let lead = lead_in(&house.take(form(None, 1)));
    writes(&mut house, 1, "about three?");
    writes(&mut house, 1, "3");
    calm(&house);
    assert_eq!(attribute(&house, lead, "rooms"), 3);
    assert_eq!(house.memory.lead(lead).expect("a lead").tags, ["answered"]);
    let steps: Vec<String> = house
        .memory
        .messages()
        .filter_map(|one| one.step.clone())
        .collect();
    assert_eq!(steps, ["flow@1#0", "flow@1#0~2"]);

    let mut house = house_with(ASKING, &[AGAIN]);
    let lead = lead_in(&house.take(form(None, 1)));
    for (n, wrote) in ["many", "lots", "some"].into_iter().enumerate() {
        house.wait(Duration::from_secs(60 * n as u64));
        writes(&mut house, 1, wrote);
    }
    calm(&house);
    assert_eq!(
        house.memory.lead(lead).expect("a lead").tags,
        ["unanswered"]
    );
    assert_eq!(house.memory.messages().count(), 3, "asked three times");
    assert_eq!(house.memory.work().len(), 1, "a person reads it");

    let mut house = house_with(ASKING, &[AGAIN]);
    let lead = lead_in(&house.take(form(None, 1)));
    writes(&mut house, 1, "HELP");
    house.wait(hours(23));
    assert!(house.memory.lead(lead).expect("a lead").tags.is_empty());
    house.wait(hours(2));
    assert_eq!(
        house.memory.lead(lead).expect("a lead").tags,
        ["unanswered"]
    );
    assert!(
        house.memory.work().is_empty(),
        "nobody answered, nobody has to read"
    );
}

/// W2: a lot is drawn once for each lead, about as often as it says.
#[test]
fn a_split_is_stable_for_each_lead() {
    let mut house = house(
        "trigger: { event: go }
steps:
  - split:
      - { name: short, percent: 30, steps: [ { tag: short } ] }
      - { name: long, percent: 70, steps: [ { wait: 1h }, { tag: long } ] }
  - tag: after
",
    );
    let mut short = 0;
    for n in 0..200 {
        let lead = lead_in(&house.take(form(None, n)));
        does(&mut house, lead, "go", json!({}));
        house.wait(hours(2));
        let tags = house.memory.lead(lead).expect("a lead").tags.clone();
        assert_eq!(tags.len(), 2, "{tags:?}");
        short += u32::from(tags[0] == "short");
        does(&mut house, lead, "go", json!({}));
        house.wait(hours(2));
        assert_eq!(
            house.memory.lead(lead).expect("a lead").tags,
            tags,
            "the same way again"
        );
    }
    assert!((40..80).contains(&short), "{short} of 200");
}

/// W2, M6: a digest for the lead collects in the first run, and one message speaks for all.
#[test]
fn a_digest_for_the_lead_says_it_once() {
    let mut house = house(
        "trigger: { event: match }
steps:
  - digest: { to: lead, channels: { all: [sms] }, template: note, collect: 2h, count: 4 }
",
    );
    let lead = lead_in(&house.take(form(None, 1)));
    for n in 0..3 {
        does(&mut house, lead, "match", json!({"n": n}));
        house.wait(Duration::from_secs(600));
    }
    assert_eq!(house.memory.messages().count(), 0);
    house.wait(hours(2));
    calm(&house);
    let said: Vec<_> = house.memory.messages().collect();
    assert_eq!(said.len(), 1);
    let data: Value = serde_json::from_str(said[0].data.text()).expect("data");
    assert_eq!(data["list"].as_array().map(Vec::len), Some(3));
    for n in 0..4 {
        does(&mut house, lead, "match", json!({"n": n}));
    }
    assert_eq!(house.memory.messages().count(), 2, "the fourth fills it");
    assert!(house.memory.runs().all(|run| run.state != RunState::Open));
}

/// W2: a digest for staff collects over all leads.
#[test]
fn a_digest_for_staff_collects_over_leads() {
    let mut house = house(
        "trigger: lead_captured
steps:
  - digest: { to: { list: office }, channels: { all: [email] }, template: news, collect: 1h, count: 10 }
",
    );
    for n in 1..=3 {
        house.take(form(None, n));
        house.wait(Duration::from_secs(300));
    }
    assert_eq!(house.memory.messages().count(), 0);
    house.wait(hours(1));
    calm(&house);
    let said: Vec<_> = house.memory.messages().collect();
    assert_eq!(
        (said.len(), said[0].recipient.as_str()),
        (1, "sam@example.com")
    );
    let data: Value = serde_json::from_str(said[0].data.text()).expect("data");
    assert_eq!(data["list"].as_array().map(Vec::len), Some(3));
    for n in 4..=13 {
        house.take(form(None, n));
    }
    assert_eq!(house.memory.messages().count(), 2, "ten fill it");
    house.wait(hours(3));
    assert_eq!(house.memory.messages().count(), 2);
}

/// W1: a goal ends a run as done, an exit as stopped, and what it said and still waits does not go.
#[test]
fn goals_and_exits_end_a_run_and_what_waits_of_it() {
    const NURTURE: &str = "trigger: lead_captured
goals:
  - paid
exits:
  - { event: message.received, when: { field: event.properties.read_as, is: text } }
  - when: { field: lead.tags, is: stop }
steps:
  - wait: 12h
  - send: { to: lead, channels: { all: [sms] }, template: note }
  - wait: 7d
  - send: { to: lead, channels: { all: [sms] }, template: note }
";
    for (how, state) in [
        ("paid", RunState::Done),
        ("reply", RunState::Stopped),
        ("tag", RunState::Stopped),
    ] {
        let mut house = house(NURTURE);
        let lead = lead_in(&house.take(form(None, 1)));
        // The first text waits for the morning.
        house.wait(hours(13));
        assert_eq!(
            house.memory.messages().next().expect("one").status,
            Status::Deferred
        );
        match how {
            "paid" => {
                does(&mut house, lead, "paid", json!({}));
            }
            "reply" => writes(&mut house, 1, "please call me instead"),
            _ => {
                house.take(Intake::Edit(Box::new(Edit {
                    lead,
                    profile: Profile {
                        tags: vec!["stop".into()],
                        ..Profile::default()
                    },
                    clear: Vec::new(),
                    phone: None,
                    email: None,
                    actor: "Ruth".into(),
                })));
            }
        }
        house.wait(hours(24 * 10));
        calm(&house);
        let said: Vec<_> = house.memory.messages().map(|one| one.status).collect();
        assert_eq!(said, [Status::Cancelled], "{how}");
        assert_eq!(
            house.memory.runs().next().expect("a run").state,
            state,
            "{how}"
        );
    }
}

/// W1: re-entry, and a pause after it.
#[test]
fn a_lead_enters_again_only_as_it_says() {
    for (reentry, wanted) in [
        ("always", 3),
        ("once_per_lead", 1),
        ("when_done", 2),
        ("{ after: 2h }", 2),
    ] {
        let mut house = house(&format!(
            "trigger: {{ event: go }}\nreentry: {reentry}\nsteps:\n  - wait: 30m\n  - tag: a\n"
        ));
        let lead = lead_in(&house.take(form(None, 1)));
        does(&mut house, lead, "go", json!({}));
        does(&mut house, lead, "go", json!({}));
        house.wait(hours(3));
        does(&mut house, lead, "go", json!({}));
        assert_eq!(house.memory.runs().count(), wanted, "{reentry}");
    }
}

/// A1, W1: a reminder goes along with its appointment and ends with it.
#[test]
fn a_reminder_follows_its_appointment() {
    const REMINDER: &str = "trigger: { appointment: { before: 24h } }
steps:
  - send: { to: lead, channels: { all: [sms] }, template: note }
";
    let about = |start: &str| json!({"id": "a1", "start": start, "end": start});
    let mut house = house(REMINDER);
    let lead = lead_in(&house.take(form(None, 1)));
    does(
        &mut house,
        lead,
        "appointment.confirmed",
        about("2026-11-30T20:00:00Z"),
    );
    assert_eq!(
        house.memory.next_wake(),
        Some(instant("2026-11-29T20:00:00Z"))
    );
    does(
        &mut house,
        lead,
        "appointment.moved",
        about("2026-12-01T18:00:00Z"),
    );
    does(
        &mut house,
        lead,
        "appointment.confirmed",
        json!({"id": "a2", "start": "2026-12-03T18:00:00Z"}),
    );
    assert_eq!(
        house.memory.next_wake(),
        Some(instant("2026-11-30T18:00:00Z"))
    );
    house.run_until(instant("2026-12-01T00:00:00Z"), &mut |_, _, _| {});
    calm(&house);
    assert_eq!(told(&house), ["30T18:00:00 sms +13035550111 note accepted"]);
    does(
        &mut house,
        lead,
        "appointment.cancelled",
        json!({"id": "a2"}),
    );
    assert_eq!(house.next(), None);
    // In three hours: too late for a reminder a day before.
    does(
        &mut house,
        lead,
        "appointment.confirmed",
        json!({"id": "a3", "start": "2026-12-01T03:00:00Z"}),
    );
    assert_eq!(house.next(), None);
    assert!(
        kinds(&house, lead)
            .iter()
            .any(|kind| kind == "workflow.passed_over")
    );
}

/// A2, W1: the outcome of a call decides.
#[test]
fn a_call_that_nobody_answered_has_its_own_workflow() {
    let mut house = house(
        "trigger: { call_ended: { outcome: [no_answer, voicemail] } }\nsteps:\n  - tag: again\n",
    );
    let lead = lead_in(&house.take(form(None, 1)));
    does(&mut house, lead, "call.ended", json!({"outcome": "booked"}));
    assert_eq!(house.memory.runs().count(), 0);
    does(
        &mut house,
        lead,
        "call.ended",
        json!({"outcome": "voicemail"}),
    );
    assert_eq!(house.memory.lead(lead).expect("a lead").tags, ["again"]);
}

/// W1: a schedule starts for the leads for which it is meant, page by page, each time.
#[test]
fn a_schedule_comes_for_every_lead_it_is_for() {
    let mut house = house(
        "trigger: { schedule: { every: week, on: wednesday, at: \"10:00\" } }
when: { field: lead.attributes.plan, is: gold }
steps:
  - tag: greeted
",
    );
    for n in 0..250 {
        let lead = lead_in(&house.take(form(None, n)));
        if n % 2 == 0 {
            house.take(event(Who::Lead(lead), "any", instant(TUESDAY), json!({})));
            house.take(edit(lead, "plan", "gold"));
        }
    }
    assert_eq!(house.next(), Some(instant("2026-11-25T17:00:00Z")));
    house.wait(hours(30));
    calm(&house);
    let greeted = house
        .memory
        .leads()
        .filter(|lead| !lead.tags.is_empty())
        .count();
    assert_eq!((greeted, house.memory.runs().count()), (125, 125));
    house.wait(hours(24 * 7));
    assert_eq!(house.memory.runs().count(), 250, "and the week after");
}

fn edit(lead: LeadId, name: &str, value: impl Into<Value>) -> Intake {
    let mut profile = Profile::default();
    profile.attributes.insert(name.to_owned(), value.into());
    Intake::Edit(Box::new(Edit {
        lead,
        profile,
        clear: Vec::new(),
        phone: None,
        email: None,
        actor: "Ruth".into(),
    }))
}

/// S8, W8: a stage of churn is entered once, until the probability was lower for seven days; stages exclude each other.
#[test]
fn a_churn_segment_is_entered_once_until_it_was_left_for_long_enough() {
    let mut house = house(
        "trigger: { segment: { when: { field: lead.attributes.churn.probability, gt: 0.6 }, leaves_after: 7d } }
steps:
  - send: { to: { list: office }, channels: { all: [email] }, template: alert, category: staff }
",
    );
    let lead = lead_in(&house.take(form(None, 1)));
    let wrong = does(
        &mut house,
        lead,
        "churn.predicted",
        json!({"probability": 1.5}),
    );
    assert!(matches!(
        wrong,
        Answer::Refused {
            code: "signal",
            field: Some("probability"),
            ..
        }
    ));
    let mut runs = Vec::new();
    for (day, probability) in [
        (0, 0.7),
        (1, 0.9),
        (2, 0.2),
        (4, 0.8),
        (5, 0.1),
        (13, 0.7),
        (14, 0.75),
    ] {
        house.run_until(
            instant(TUESDAY) + jiff::SignedDuration::from_hours(24 * day),
            &mut |_, _, _| {},
        );
        does(
            &mut house,
            lead,
            "churn.predicted",
            json!({"probability": probability}),
        );
        runs.push(house.memory.runs().count());
    }
    calm(&house);
    assert_eq!(runs, [1, 1, 1, 1, 1, 2, 2]);
}

/// W1: time alone can make a condition true.
#[test]
fn a_segment_that_looks_at_the_clock_is_entered_without_an_event() {
    let mut house = house(
        "trigger: { segment: { when: { field: lead.created_at, older_than: 3d } } }\nsteps:\n  - tag: old\n",
    );
    let lead = lead_in(&house.take(form(None, 1)));
    house.wait(hours(71));
    assert!(house.memory.lead(lead).expect("a lead").tags.is_empty());
    house.wait(hours(3));
    assert_eq!(house.memory.lead(lead).expect("a lead").tags, ["old"]);
    house.wait(hours(24 * 5));
    assert_eq!(house.memory.runs().count(), 1);
}

/// W1: workflows start and stop each other; one that starts itself in a circle ends by its fuel.
#[test]
fn workflows_start_and_stop_each_other() {
    let other = (
        "workflows/other.yaml",
        "name: other\ntrigger: manual\nsteps:\n  - wait: 1d\n  - tag: never\n",
    );
    let mut house = house_with(
        "trigger: { event: [go, halt] }
steps:
  - start_workflow: other
    when: { field: event.type, is: go }
  - stop_workflow: other
    when: { field: event.type, is: halt }
",
        &[other],
    );
    let lead = lead_in(&house.take(form(None, 1)));
    does(&mut house, lead, "go", json!({}));
    assert_eq!(
        house
            .memory
            .runs()
            .filter(|run| run.state == RunState::Open)
            .count(),
        1
    );
    does(&mut house, lead, "halt", json!({}));
    house.wait(hours(48));
    assert!(house.memory.lead(lead).expect("a lead").tags.is_empty());
    let states: Vec<_> = house
        .memory
        .runs()
        .filter(|run| run.workflow == "other")
        .map(|run| run.state)
        .collect();
    assert_eq!(states, [RunState::Stopped]);
}

/// L9: what runs for a product ends when the lead comes to a final stage there; guards hold.
#[test]
fn a_final_stage_ends_what_runs_and_guards_hold() {
    let product = (
        "products/repair.yaml",
        "name: repair\nstages:\n  - { name: new }\n  - { name: quoted, when: { field: lead.attributes.price, exists: true } }\n  - { name: won, terminal: true }\nprogression:\n  - { event: quote.sent, to: quoted }\n  - { event: paid, to: won }\n",
    );
    let mut house = house_with(
        "product: repair\ntrigger: { event: go }\nsteps:\n  - wait: 3d\n  - tag: late\n",
        &[product],
    );
    let lead = lead_in(&house.take(form(None, 1)));
    does(&mut house, lead, "go", json!({}));
    does(&mut house, lead, "quote.sent", json!({}));
    assert_eq!(
        house.memory.lead(lead).expect("a lead").stage(),
        Some("new"),
        "the guard"
    );
    house.take(edit(lead, "price", 120));
    does(&mut house, lead, "quote.sent", json!({}));
    assert_eq!(
        house.memory.lead(lead).expect("a lead").stage(),
        Some("quoted")
    );
    does(&mut house, lead, "paid", json!({}));
    calm(&house);
    assert_eq!(
        house.memory.lead(lead).expect("a lead").stage(),
        Some("won")
    );
    assert_eq!(
        house.memory.runs().next().expect("a run").state,
        RunState::Stopped
    );
    assert_eq!(house.next(), None);
}

const TWO_PRODUCTS: [(&str, &str); 5] = [
    (
        "tenant.yaml",
        "name: Cloud House\nregion: US\ntime_zone: America/Denver\npostal_address: 100 Example Street\nproduct: mail\nrouting:\n  - { product: files, when: { field: event.properties.app, is: files } }\n",
    ),
    ("products/repair.yaml", ""),
    (
        "products/mail.yaml",
        "name: mail\nstages:\n  - { name: trial }\n  - { name: ready }\n  - { name: paying, terminal: true }\nscore_model: mail-use\nqualification: { points: 30, stage: ready }\n",
    ),
    (
        "products/files.yaml",
        "name: files\nstages:\n  - { name: trial }\n  - { name: active }\nscore_model: files-use\nprogression:\n  - { tier: busy, to: active }\n",
    ),
    (
        "scores/mail-use.yaml",
        "name: mail-use\nscope: lead\nproduct: mail\nrules:\n  - { name: sent, event: sent, points: 20, limit: 5 }\ntiers:\n  - { name: busy, from: 40 }\n",
    ),
];

/// W6, L9, S7: products are apart: events, scores, stages and workflows of one never touch the other.
#[test]
fn products_are_apart() {
    let mut documents = TWO_PRODUCTS.to_vec();
    documents.extend([
        (
            "scores/files-use.yaml",
            "name: files-use\nscope: lead\nproduct: files\nrules:\n  - { name: login, event: login, points: 25, limit: 5 }\ntiers:\n  - { name: busy, from: 50 }\n",
        ),
        (
            "workflows/of-mail.yaml",
            "name: of-mail\nproduct: mail\ntrigger: { event: login }\nsteps:\n  - tag: mail\n",
        ),
        (
            "workflows/of-files.yaml",
            "name: of-files\nproduct: files\ntrigger: { event: login }\nwhen: { field: lead.stage, is: trial }\nsteps:\n  - tag: files\n",
        ),
        (
            "workflows/qualified.yaml",
            "name: qualified\nproduct: mail\ntrigger: { stage_changed: { to: ready } }\nsteps:\n  - tag: qualified\n",
        ),
    ]);
    let mut house = open(&documents, TUESDAY);
    let lead = lead_in(&house.take(form(None, 1)));
    does(&mut house, lead, "login", json!({"app": "files"}));
    does(&mut house, lead, "login", json!({"product": "files"}));
    calm(&house);
    let known = house.memory.lead(lead).expect("a lead");
    let placed: Vec<_> = known
        .products
        .iter()
        .map(|one| (one.product.as_str(), one.stage.as_str()))
        .collect();
    assert_eq!(placed, [("mail", "trial"), ("files", "active")]);
    assert_eq!(known.tags, ["files"]);
    assert_eq!(house.memory.score(lead, "mail-use"), None);
    does(&mut house, lead, "sent", json!({}));
    assert_eq!(
        house.memory.lead(lead).expect("a lead").stage(),
        Some("trial")
    );
    does(&mut house, lead, "sent", json!({}));
    let known = house.memory.lead(lead).expect("a lead");
    assert_eq!(known.stage(), Some("ready"), "S7: forty points qualify");
    assert_eq!(known.tags, ["files", "qualified"]);
    // The second login is in no stage that the workflow is for: `lead.stage` is that of its own product.
    does(&mut house, lead, "login", json!({"product": "files"}));
    assert_eq!(
        house
            .memory
            .runs()
            .filter(|run| run.workflow == "of-files")
            .count(),
        2
    );
}

/// S6: after a change of the rules every lead is scored anew; nobody hears of it unless that is asked for.
#[test]
fn scoring_anew_is_quiet_unless_it_is_told_to_speak() {
    const ALERT: (&str, &str) = (
        "workflows/flow.yaml",
        "name: flow\ntrigger: { tier_entered: { model: use, tier: hot } }\nsteps:\n  - tag: hot\n",
    );
    const PRODUCT: (&str, &str) = (
        "products/repair.yaml",
        "name: repair\nscore_model: use\nstages:\n  - { name: new }\n",
    );
    let rules = |points: u32| {
        format!(
            "name: use\nscope: lead\nrules:\n  - {{ name: login, event: login, points: {points}, limit: 9 }}\ntiers:\n  - {{ name: hot, from: 50 }}\n"
        )
    };
    for tell in [false, true] {
        let (old, new) = (rules(10), rules(30));
        let mut house = open(&[PRODUCT, ALERT, ("scores/use.yaml", &old)], TUESDAY);
        let leads: Vec<LeadId> = (0..150)
            .map(|n| lead_in(&house.take(form(None, n))))
            .collect();
        for lead in &leads {
            does(&mut house, *lead, "login", json!({}));
            does(&mut house, *lead, "login", json!({}));
        }
        house.change(tenant_of(
            1,
            config(&[PRODUCT, ALERT, ("scores/use.yaml", &new)]),
        ));
        let begun = house.take(Intake::Rescore {
            model: "use".into(),
            tell,
            actor: "Ruth".into(),
        });
        assert_eq!(begun, Answer::Done);
        calm(&house);
        let tenant = house.memory.lead(leads[0]).expect("a lead").tenant;
        let job = house.memory.job(tenant, "rescore:use").expect("a job");
        assert_eq!(
            (
                job.data["leads"].as_u64(),
                job.data["changed"].as_u64(),
                job.due_at
            ),
            (Some(150), Some(150), None)
        );
        for lead in &leads {
            let points = house.memory.score(*lead, "use").expect("a score").points;
            let sum: i64 = house
                .memory
                .ledger(*lead)
                .iter()
                .map(|row| row.points)
                .sum();
            assert_eq!((points, sum), (60, 60), "the ledger adds up");
            let known = house.memory.lead(*lead).expect("a lead");
            assert_eq!((known.points, known.tier.as_deref()), (60, Some("hot")));
            assert_eq!(known.tags.is_empty(), !tell);
        }
    }
}

/// W4: runs finish on the version they began with, and are moved where the same step waits for the same.
#[test]
fn runs_finish_on_their_version_or_are_moved() {
    let before = workflow("trigger: { event: go }\nsteps:\n  - wait: 1d\n  - tag: old\n");
    let after = workflow("trigger: { event: go }\nsteps:\n  - wait: 1d\n  - tag: new\n");
    let other = workflow("trigger: { event: go }\nsteps:\n  - tag: first\n  - wait: 1d\n");
    for (present, migrate, tags) in [
        (&after, false, vec!["old"]),
        (&after, true, vec!["new"]),
        (&other, true, vec!["old"]),
    ] {
        let mut house = open(&[("workflows/flow.yaml", &before)], TUESDAY);
        let lead = lead_in(&house.take(form(None, 1)));
        does(&mut house, lead, "go", json!({}));
        let mut config = (*config(&[("workflows/flow.yaml", present)])).clone();
        config.workflows.get_mut("flow").expect("it").version = 2;
        let old = crate::config::Document::new(before.clone());
        assert!(config.remember([("workflows/flow.yaml", &old)]).is_empty());
        house.change(tenant_of(1, config.into()));
        let ask = |preview| Intake::Migrate {
            workflow: "flow".into(),
            preview,
            actor: "Ruth".into(),
        };
        house.take(ask(true));
        let tenant = house.memory.lead(lead).expect("a lead").tenant;
        let told = house
            .memory
            .job(tenant, "migrate:flow")
            .expect("a job")
            .data
            .clone();
        let moves = told["moves"].as_u64().unwrap_or(0);
        assert_eq!(moves, u64::from(!std::ptr::eq(present, &other)), "{told}");
        assert_eq!(
            house.memory.runs().next().expect("a run").version,
            1,
            "a preview moves nothing"
        );
        if migrate {
            house.take(ask(false));
        }
        house.wait(hours(30));
        calm(&house);
        assert_eq!(house.memory.lead(lead).expect("a lead").tags, tags);
    }
}

/// W2: the stated preference first, then the cheapest; what a gate would end comes last.
#[test]
fn the_preferred_channel_is_stated_or_cheapest_and_allowed() {
    const BODY: &str = "trigger: { event: go }
steps:
  - send: { to: lead, channels: { preferred: [sms, email] }, template: note }
";
    for (prefers, stopped, wanted) in [
        (None, false, "email"),
        (Some("text"), false, "sms"),
        (Some("text"), true, "email"),
        (Some("email"), false, "email"),
    ] {
        let mut house = house(BODY);
        let lead = lead_in(&house.take(form(None, 1)));
        if let Some(prefers) = prefers {
            house.take(edit(lead, "preferred_channel", prefers));
        }
        if stopped {
            writes(&mut house, 1, "STOP");
        }
        does(&mut house, lead, "go", json!({}));
        calm(&house);
        let said: Vec<_> = house
            .memory
            .messages()
            .filter(|one| one.step.is_some())
            .map(|one| (one.channel.as_str(), one.status))
            .collect();
        assert_eq!(said, [(wanted, Status::Accepted)], "{prefers:?} {stopped}");
    }
    let _ = NOTE;
}

/// W2: an attribute can count, whatever stood there before.
#[test]
fn an_attribute_is_added_to() {
    let mut house = house(
        "trigger: { event: again }
steps:
  - set_attribute: { name: times, add: 1 }
  - set_attribute: { name: spent, add: 2.5 }
  - set_attribute: { name: named, add: -3 }
",
    );
    let lead = lead_in(&house.take(form(None, 1)));
    house.take(edit(lead, "spent", 10));
    house.take(edit(lead, "named", "nobody"));
    for _ in 0..3 {
        does(&mut house, lead, "again", json!({}));
    }
    calm(&house);
    let now = ["times", "spent", "named"].map(|name| attribute(&house, lead, name));
    assert_eq!(now, [json!(3), json!(17.5), json!(-9)]);
}

/// W7: whoever is told level by level until somebody answers is waited for, also for a lead that had its answer long ago.
#[test]
fn an_escalation_makes_the_lead_wait_for_a_person() {
    let mut house = house(
        "trigger: { event: trouble }
steps:
  - escalate:
      template: alert
      channels: { all: [sms] }
      levels:
        - { to: { list: office }, within: 10m }
        - { to: { role: owner } }
",
    );
    let lead = lead_in(&house.take(form(None, 1)));
    let take = |house: &mut Rehearsal| {
        house.take(Intake::Take {
            lead,
            actor: "Sam Okafor".into(),
        })
    };
    take(&mut house);
    house.wait(hours(48));
    does(&mut house, lead, "trouble", json!({}));
    let known = house.memory.lead(lead).expect("a lead").clone();
    assert_eq!(
        (known.ringing_since, known.answered_at),
        (Some(house.now()), None)
    );
    take(&mut house);
    assert!(
        house
            .memory
            .lead(lead)
            .is_some_and(|lead| lead.answered_at.is_some())
    );
    house.wait(hours(1));
    assert_eq!(told(&house).len(), 1, "nobody is told after the answer");
    calm(&house);
}

/// C4, US-7: what a prediction, a schedule or a segment causes answers nobody, so at night it waits; what the person did is answered.
#[test]
fn what_the_person_did_not_do_is_no_reason_to_write_at_night() {
    let segment =
        "trigger: { segment: { when: { field: lead.attributes.churn.probability, gt: 0.6 } } }";
    for (trigger, kind, waits) in [
        (segment, "churn.predicted", true),
        (
            "trigger: { event: churn.predicted }",
            "churn.predicted",
            true,
        ),
        (
            "trigger: { stage_changed: { to: contacted } }",
            "moved",
            true,
        ),
        ("trigger: { event: asked }", "asked", false),
    ] {
        let mut house = house(&format!(
            "{trigger}\nsteps:\n  - send: {{ to: lead, channels: {{ all: [sms] }}, template: note }}\n"
        ));
        let lead = lead_in(&house.take(form(None, 1)));
        house.run_until(instant("2026-11-25T05:30:00Z"), &mut |_, _, _| {});
        if kind == "moved" {
            house.take(Intake::Stage(super::super::StageMove {
                lead,
                product: None,
                stage: "contacted".into(),
                reason: None,
                actor: "staff".into(),
            }));
        } else {
            does(&mut house, lead, kind, json!({"probability": 0.9}));
        }
        calm(&house);
        let stands: Vec<bool> = house
            .memory
            .messages()
            .map(|one| one.status == Status::Deferred)
            .collect();
        assert_eq!(stands, [waits], "{trigger}");
    }
}
