//! How long `simulate` takes for many events: `cargo run --release -p ringback-core --example simulate_many -- [EVENTS] [PRESET]`.
//!
//! A month of a website (`plumbing`) or of a prediction service (`real-estate-churn`) is made from a seed, simulated, and one JSON line says
//! how long it took and what came of it.

#![allow(clippy::print_stdout, reason = "what it measured is its answer")]

use ringback_core::config::{Document, TenantConfig, load};
use ringback_core::time::Timestamp;
use ringback_core::turn::Dice as _;
use ringback_core::turn::rehearsal::SeededDice;
use ringback_core::turn::simulate::{Event, simulate};
use serde_json::json;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

const FROM: &str = "2026-11-01T06:00:00Z";
/// The month, in seconds.
const SECONDS: f64 = 30.0 * 86_400.0;

fn main() {
    let mut words = std::env::args().skip(1);
    let n: u32 = words
        .next()
        .map_or(100_000, |word| word.parse().expect("a number of events"));
    let preset = words.next().unwrap_or_else(|| "plumbing".to_owned());
    let config = Arc::new(config(&preset));
    let from: Timestamp = FROM.parse().expect("an instant");
    let events = match preset.as_str() {
        "real-estate-churn" => predictions(n, from),
        _ => visits(n, from),
    };
    let until = from + jiff::SignedDuration::from_hours(31 * 24);
    #[expect(
        clippy::disallowed_methods,
        reason = "the time that it takes is what is measured"
    )]
    let began = std::time::Instant::now();
    let told = simulate(config, &events, from, until, 1);
    let took = began.elapsed();
    assert!(
        told.errors.is_empty() && told.refused.is_empty(),
        "{:?} {:?}",
        told.errors.first(),
        told.refused.first()
    );
    let line = json!({"preset": preset, "events": told.events, "seconds": took.as_secs_f64(), "per_event_us": took.as_secs_f64() * 1e6 / f64::from(n),
        "lines": told.timeline.len(), "sent": told.sent, "not_sent": told.not_sent, "waiting": told.waiting});
    println!("{line}");
}

/// Visits of one to eight steps; a third of them leave their number and address, some of those for the second time.
fn visits(n: u32, from: Timestamp) -> Vec<Event> {
    const PAGES: [&str; 6] = [
        "/",
        "/services/drains",
        "/services/sewer",
        "/emergency/burst-pipe",
        "/prices",
        "/blog/winter",
    ];
    const CLICKS: [&str; 4] = [
        "emergency_click",
        "phone_click",
        "contact_form_start",
        "testimonial_read",
    ];
    let mut dice = SeededDice(7);
    let mut pick = |most: u32| (dice.roll() * f64::from(most)) as u32;
    let mut events = Vec::new();
    let mut visit = 0u32;
    while events.len() < n as usize {
        visit += 1;
        let who = format!("v-{}", pick(visit) + 1);
        let mut at = from + jiff::SignedDuration::from_secs(i64::from(pick(SECONDS as u32)));
        for _ in 0..=pick(7) {
            at += jiff::SignedDuration::from_secs(i64::from(pick(50) + 5));
            let line = u32::try_from(events.len()).unwrap_or(0) + 1;
            let (path, body) = match pick(10) {
                0..6 => {
                    let page = PAGES[pick(6) as usize];
                    (
                        "/v1/page",
                        json!({"anonymousId": who, "messageId": format!("m{line}"), "properties": {"path": page}, "context": {"page": {"path": page}}}),
                    )
                }
                6..9 => (
                    "/v1/track",
                    json!({"anonymousId": who, "messageId": format!("m{line}"), "event": CLICKS[pick(4) as usize], "properties": {"path": "/services/drains"}}),
                ),
                _ => {
                    let person = pick(visit.min(9_000));
                    (
                        "/f/contact",
                        json!({"first_name": "Dana", "phone": format!("+1303{:07}", 2_000_000 + person), "email": format!("dana{person}@example.com"), "zip": "80205", "sms_consent": "on", "anonymousId": who}),
                    )
                }
            };
            events.push(Event {
                at,
                path: path.to_owned(),
                body,
                line,
            });
        }
    }
    events.truncate(n as usize);
    events.sort_by_key(|event| event.at);
    events
}

/// Clients whose chance to leave is predicted again and again.
fn predictions(n: u32, from: Timestamp) -> Vec<Event> {
    let mut dice = SeededDice(7);
    let clients = (n / 50).max(1);
    let name = |client: u32| format!("client{client}@example.com");
    let mut events: Vec<Event> = (0..clients)
        .map(|client| Event {
            at: from + jiff::SignedDuration::from_secs(i64::from(client)),
            path: "/v1/leads".to_owned(),
            body: json!({"first_name": "Clara", "email": name(client), "phone": format!("+1303{:07}", 2_000_000 + client), "source": "crm", "address": {"state": "CO", "zip": "80206"}}),
            line: client + 1,
        })
        .collect();
    for line in clients..n {
        let client = (dice.roll() * f64::from(clients)) as u32;
        let seconds = f64::from(clients) + dice.roll() * (SECONDS - f64::from(clients));
        events.push(Event {
            at: from + jiff::SignedDuration::from_secs(seconds as i64),
            path: format!("/v1/leads/{{{}}}/events", name(client)),
            body: json!({"type": "churn.predicted", "properties": {"probability": (dice.roll() * 100.0).round() / 100.0}}),
            line: line + 1,
        });
    }
    events.sort_by_key(|event| event.at);
    events
}

fn config(preset: &str) -> TenantConfig {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../presets")
        .join(preset);
    let mut files = BTreeMap::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        let entries = std::fs::read_dir(&folder).expect("a preset of the repository");
        for path in entries.filter_map(|entry| Some(entry.ok()?.path())) {
            if path.is_dir() {
                folders.push(path);
            } else if let (Ok(text), Ok(inside)) =
                (std::fs::read_to_string(&path), path.strip_prefix(&root))
            {
                files.insert(inside.to_string_lossy().into_owned(), Document::new(text));
            }
        }
    }
    load(&files).unwrap_or_else(|problems| panic!("{preset}: {problems:?}"))
}
