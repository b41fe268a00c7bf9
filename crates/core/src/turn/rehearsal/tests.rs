//! The rehearsal itself: time, the far end, and what falls due on the way.

use super::super::trial::{event, form, instant, lead_in, open, preset, told};
use super::super::world::RunState;
use super::super::{Answer, Intake, Who};
use super::{Perfect, Provider, Rehearsal, taken, tenant_of};
use crate::messages::{Message, Outcome, Reason, Status};
use crate::time::Timestamp;
use serde_json::json;
use std::time::Duration;

fn browser() -> Who {
    Who::Named {
        anonymous: Some("v-1".into()),
        user: None,
    }
}

/// S5, W7: an emergency alerts the list at once and the owner after five minutes that nobody answered.
#[test]
fn an_emergency_at_night_reaches_the_owner_when_nobody_takes_it() {
    let mut house = preset("plumbing", "2026-11-24T06:10:00Z");
    for (kind, path) in [
        ("page", "/emergency/burst-pipe"),
        ("emergency_click", "/emergency/burst-pipe"),
        ("phone_click", "/emergency/burst-pipe"),
    ] {
        let now = house.now();
        house.take(event(browser(), kind, now, json!({"path": path})));
        house.wait(Duration::from_secs(3));
    }
    house.wait(Duration::from_secs(3600));
    insta::assert_snapshot!(told(&house).join("\n"));
    let runs: Vec<_> = house.memory.runs().map(|run| run.state).collect();
    assert_eq!(runs, [RunState::Done; 3]);
    assert!(house.memory.set_aside().is_empty());
}

/// W7: whoever takes the lead ends the wait.
#[test]
fn an_emergency_that_was_taken_goes_no_further() {
    let mut house = preset("plumbing", "2026-11-24T06:10:00Z");
    let now = house.now();
    let here = json!({"path": "/emergency/burst-pipe"});
    house.take(event(browser(), "page", now, here.clone()));
    house.take(event(browser(), "phone_click", now, here.clone()));
    let lead = lead_in(&house.take(event(browser(), "emergency_click", now, here)));
    let before = house.memory.messages().count();
    house.wait(Duration::from_secs(60));
    let taken = house.take(Intake::Take {
        lead,
        actor: "Sam Okafor".into(),
    });
    assert!(matches!(taken, Answer::Taken { now: true, .. }));
    house.wait(Duration::from_secs(3600));
    assert_eq!(house.memory.messages().count(), before);
}

const GREETING: (&str, &str) = (
    "workflows/greeting.yaml",
    "name: greeting\ntrigger: lead_captured\nsteps:\n  - wait: 9h\n  - send: { to: lead, channels: { all: [sms] }, template: note }\n",
);

/// C4: what a wait leads to at night goes out in the morning, on the way through the night.
#[test]
fn a_night_passes_and_the_text_goes_in_the_morning() {
    // 17:30 in Denver; the wait ends at 02:30.
    let mut house = open(&[GREETING], "2026-11-24T00:30:00Z");
    house.take(form(None, 1));
    house.run_until(instant("2026-11-24T12:00:00Z"), &mut |_, _, _| {});
    let message = house.memory.messages().next().expect("a message");
    assert_eq!(message.status, Status::Deferred, "{:?}", message.why);
    house.run_until(instant("2026-11-25T12:00:00Z"), &mut |_, _, _| {});
    let message = house.memory.messages().next().expect("a message");
    assert_eq!(message.status, Status::Accepted);
    let local = message
        .accepted_at
        .expect("a time")
        .to_zoned(jiff::tz::TimeZone::get("America/Denver").expect("a zone"));
    assert_eq!(local.hour(), 8, "{local}");
    assert_eq!(house.next(), None, "nothing is left to do");
}

/// A provider that is out for a while.
struct Out(Timestamp);

impl Provider for Out {
    fn call(&mut self, message: &Message, now: Timestamp) -> Outcome {
        if now < self.0 {
            Outcome::Retryable {
                why: Reason::new("http_503", "out"),
                after: None,
            }
        } else {
            taken(message)
        }
    }
}

/// M4: calls are made again on their own clock, and end.
#[test]
fn a_provider_that_is_out_is_called_again() {
    let config = super::super::trial::config(&[(
        "workflows/greeting.yaml",
        "name: greeting\ntrigger: lead_captured\nsteps:\n  - send: { to: lead, channels: { all: [sms] }, template: note }\n",
    )]);
    let now = instant("2026-11-24T18:00:00Z");
    let out = Out(now + jiff::SignedDuration::from_secs(5));
    let mut house = Rehearsal::with(vec![tenant_of(1, config)], out, now);
    house.take(form(None, 1));
    house.wait(Duration::from_secs(60));
    let message = house.memory.messages().next().expect("a message");
    assert_eq!(
        (message.status, message.attempts),
        (Status::Accepted, 3),
        "{:?}",
        message.why
    );
    let outcomes: Vec<_> = house.memory.attempts_of(message.id).iter().collect();
    let outcomes: Vec<_> = outcomes.iter().map(|one| one.outcome).collect();
    assert_eq!(outcomes, ["retry", "retry", "accepted"]);
}

/// L7: people of one number are one lead here as in the store.
#[test]
fn the_same_number_is_the_same_lead() {
    let mut house = open(&[], "2026-11-24T18:00:00Z");
    let first = lead_in(&house.take(form(None, 1)));
    let second = lead_in(&house.take(form(None, 1)));
    let other = lead_in(&house.take(form(None, 2)));
    assert_eq!(first, second);
    assert_ne!(first, other);
    assert_eq!(house.memory.leads().count(), 2);
    let kinds: Vec<&str> = house
        .memory
        .timeline(first)
        .iter()
        .map(|event| event.kind.as_str())
        .collect();
    assert_eq!(kinds, ["lead.captured", "lead.captured"]);
    let _far: Perfect = house.provider;
}
