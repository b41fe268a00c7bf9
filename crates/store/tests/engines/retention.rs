//! L11 on each engine: what was kept for as long as it was to be goes, a piece at a time, and proofs stay.

use crate::house::{Engine, House, Place, at};
use crate::on_both;
use crate::same::capture;
use jiff::SignedDuration;
use ringback_core::config::TenantConfig;
use ringback_core::ids::{LeadId, TenantId};
use ringback_core::messages::{Message, Outcome, ProviderRef};
use ringback_core::time::Timestamp;
use ringback_core::turn::world::{PointKind, Suppression};
use ringback_core::turn::{
    Answer, Intake, Kept, Lines, MOST_FORGOTTEN, Mark, Old, Order, Settled, SuppressOrder, Tenant,
    Track, Visit, Who,
};
use std::sync::Arc;
use std::time::Duration;

const WREN: TenantId = TenantId::from_raw(2);
const LONG_AGO: &str = "2025-01-07T17:00:00Z";
const NOW: &str = "2026-12-01T18:00:00Z";

fn order(intake: Intake, now: Timestamp) -> Order {
    Order {
        tenant: WREN,
        at: now,
        intake,
        once: None,
    }
}

/// A lead comes in, and what is said because of it arrives.
fn comes(house: &mut House, n: u64, now: Timestamp) -> LeadId {
    let taken = house
        .turn(&[order(capture(n, format!("key-{n}")), now)], now)
        .unwrap();
    let Answer::Captured(captured) = &taken.answers[0] else {
        panic!("{:?}", taken.answers)
    };
    arrive(house, &taken.sent_off, now);
    captured.id
}

fn arrive(house: &mut House, sent_off: &[Arc<Message>], now: Timestamp) {
    let settled = |message: &Arc<Message>| {
        let settled = Settled {
            message: Arc::clone(message),
            started_at: now,
            finished_at: now,
            outcome: Outcome::Accepted {
                reference: ProviderRef(format!("SM{}", message.id.raw())),
                cost: message.cost.clone(),
            },
            segments: None,
            died: false,
        };
        order(Intake::Settled(Box::new(settled)), now)
    };
    let orders: Vec<Order> = sent_off.iter().map(settled).collect();
    house.turn(&orders, now).unwrap();
    for message in sent_off {
        house.end_of_call(message);
    }
}

fn looks(house: &mut House, lead: LeadId, n: usize, now: Timestamp) {
    let page = |n: usize| {
        let track = Track {
            who: Who::Lead(lead),
            kind: "page".into(),
            happened: now,
            properties: serde_json::json!({"path": "/"}),
            key: Some(format!("page-{n}-{}", now.as_second())),
            source: "tracking",
            traits: None,
            visit: Visit::default(),
            public: false,
            session: false,
        };
        order(Intake::Track(Box::new(track)), now)
    };
    let orders: Vec<Order> = (0..n).map(page).collect();
    for piece in orders.chunks(100) {
        house.turn(piece, now).unwrap();
    }
}

fn keeps_messages_for(house: &mut House, days: u64) {
    let tenant = &house.tenants[&WREN];
    let mut config = TenantConfig::clone(&tenant.config);
    config.settings.retention.messages = Some(Duration::from_secs(days * 86_400));
    let tenant = Tenant {
        config: Arc::new(config),
        ..Tenant::clone(tenant)
    };
    house.tenants.insert(WREN, Arc::new(tenant));
}

fn kept(house: &House, now: Timestamp) -> Kept {
    Kept::of(&house.tenants[&WREN], now)
}

/// Every piece until the end, each in a turn of its own. Answers how many.
fn all_of_it(house: &mut House, now: Timestamp) -> usize {
    let (mut mark, mut pieces) = (Some(Mark::START), 0);
    while let Some(from) = mark {
        let (old, next) = house.writer.old(WREN, &kept(house, now), from).unwrap();
        mark = next;
        if old.is_empty() {
            continue;
        }
        let before = sizes(house);
        assert!(old.leads.len() + old.events.len() + old.messages.len() <= MOST_FORGOTTEN);
        house
            .turn(&[order(Intake::Old(Box::new(old)), now)], now)
            .unwrap();
        let gone: usize = before.iter().zip(sizes(house)).map(|(a, b)| a - b).sum();
        assert!(gone <= 2 * MOST_FORGOTTEN, "{gone} rows in one turn");
        pieces += 1;
        assert!(pieces < 100, "it ends");
    }
    pieces
}

/// A turn over a queue in which messages wait, with the largest piece or without any: to whom it sends, and how many events go.
fn claimed_with(house: &mut House, piece: bool) -> (Vec<String>, usize) {
    let (then, now) = (at(LONG_AGO), at(NOW));
    let lead = comes(house, 11, then);
    looks(house, lead, 450, then);
    house.lines = Lines::with_room_for(0);
    let taken = house
        .turn(&[order(capture(15, "key-15".into()), now)], now)
        .unwrap();
    assert_eq!(taken.sent_off, []);
    house.lines = Lines::default();
    let mut orders = Vec::new();
    if piece {
        let (old, _) = house
            .writer
            .old(WREN, &kept(house, now), Mark::START)
            .unwrap();
        orders.push(order(Intake::Old(Box::new(old)), now));
    }
    let turn = house.turn(&orders, now).unwrap();
    let to = turn.sent_off.iter().map(|one| one.recipient.clone());
    (to.collect(), turn.world.out.forgotten_events.len())
}

/// Rows of the tables that pieces are taken from.
fn sizes(house: &House) -> [usize; 4] {
    let rows = house.rows();
    ["events", "event_keys", "messages", "attempts"].map(|table| rows[table].len())
}

on_both! {
    /// L11: a lead that was silent for eighteen months says nothing of a person any more, and however much it did, it goes in small pieces. Who
    /// came back stays. Consents and their chain stay, and so does a no.
    fn silent_leads_are_forgotten_and_their_no_is_not(house: &mut House) {
        let (then, now) = (at(LONG_AGO), at(NOW));
        let [silent, refused, back] = [11, 12, 13].map(|n| comes(house, n, then));
        looks(house, silent, 450, then + SignedDuration::from_hours(1));
        looks(house, back, 450, then + SignedDuration::from_hours(1));
        let stop = SuppressOrder {
            kind: PointKind::Phone,
            value: "+13035550112".into(),
            reason: Some(Suppression::OptedOut),
            how: "STOP by text".into(),
            actor: "user:Inez".into(),
        };
        house.turn(&[order(Intake::Suppress(Box::new(stop)), then)], then).unwrap();
        looks(house, back, 3, now - SignedDuration::from_hours(24));
        let consents = house.rows()["consents"].clone();
        assert!(!consents.is_empty());
        assert!(all_of_it(house, now) >= 5);
        assert_eq!(all_of_it(house, now), 0, "nothing is left to do");
        let ask = &house.readers;
        for lead in [silent, refused] {
            assert_eq!(ask.ask(|store| store.lead(WREN, lead)).unwrap(), None);
            assert_eq!(ask.ask(|store| store.timeline(WREN, lead, None, 10)).unwrap(), []);
            assert_eq!(ask.ask(|store| store.points(WREN, lead)).unwrap(), []);
        }
        let rows = house.rows();
        for name in ["Person 11|", "Person 12|", "person11@example.com", "person12@example.com"] {
            for (table, rows) in rows.iter().filter(|(table, _)| !["consents", "contact_points"].contains(&table.as_str())) {
                assert!(rows.iter().all(|row| !row.contains(name)), "{table} still has {name}");
            }
        }
        assert!(ask.ask(|store| store.lead(WREN, back)).unwrap().is_some());
        let mut history = ask.ask(|store| store.timeline(WREN, back, None, 500)).unwrap();
        history.retain(|event| event.source == "tracking");
        assert_eq!(history.len(), 3, "what it did long ago is forgotten, what it did yesterday is not");
        assert_eq!(rows["consents"].len(), consents.len());
        ask.ask(|store| store.verify_chain(WREN, &[])).unwrap().unwrap();
        let no: Vec<&String> = rows["contact_points"].iter().filter(|row| row.contains("+13035550112")).collect();
        assert_eq!(no.len(), 1, "whoever said no is not written to again");
        assert!(rows["contact_points"].iter().all(|row| !row.contains("+13035550111")));
    }

    /// L11: finished messages go where the business says so, with their calls; one that failed stays until somebody discards it.
    fn finished_messages_go_when_the_business_says_so(house: &mut House) {
        let (then, later) = (at("2026-08-04T17:00:00Z"), at("2026-12-01T18:00:00Z"));
        comes(house, 1, then);
        let taken = house.turn(&[order(capture(2, "key-2".into()), then)], then).unwrap();
        let why = ringback_core::messages::Reason::new("21211", "No such number.");
        let failed = Settled {
            message: Arc::clone(&taken.sent_off[0]),
            started_at: then,
            finished_at: then,
            outcome: Outcome::Permanent { why, suppress: ringback_core::messages::Suppress::No },
            segments: None,
            died: false,
        };
        house.turn(&[order(Intake::Settled(Box::new(failed)), then)], then).unwrap();
        house.end_of_call(&taken.sent_off[0]);
        arrive(house, &taken.sent_off[1..], then);
        assert_eq!(all_of_it(house, later), 0, "by default they stay as long as their lead");
        let before = house.rows()["messages"].len();
        keeps_messages_for(house, 90);
        assert!(all_of_it(house, later) > 0);
        let rows = house.rows();
        assert!(before > 2 && !rows["messages"].is_empty() && rows["messages"].len() < before);
        let id = taken.sent_off[0].id;
        let dead = house.readers.ask(|store| store.message(WREN, id)).unwrap();
        assert!(dead.is_some(), "a dead letter is somebody's to discard");
        assert!(house.readers.ask(|store| store.attempts(WREN, id)).unwrap().len() == 1);
        assert_eq!(rows["leads"].len(), 2);
    }

    /// L11: what goes never stands before what is due, counted in turns: the very turn that takes the largest piece away claims all that the
    /// same turn of another house claims, in which nothing is old.
    fn a_claim_waits_for_no_piece(house: &mut House) {
        let engine = if matches!(house.place, Place::Folder(_)) { Engine::Sqlite } else { Engine::Postgres };
        let (with, old) = claimed_with(house, true);
        let (without, none) = claimed_with(&mut House::open(engine), false);
        assert!(!without.is_empty());
        assert_eq!(with, without);
        assert_eq!((old, none), (MOST_FORGOTTEN, 0), "the piece is as large as one may be");
    }

    /// What is named once too often goes once: an old piece that comes again changes nothing, and a message that is not finished stays.
    fn a_piece_that_comes_twice_is_harmless(house: &mut House) {
        let (then, now) = (at(LONG_AGO), at(NOW));
        comes(house, 1, then);
        let (old, _) = house.writer.old(WREN, &kept(house, now), Mark::START).unwrap();
        assert_eq!(old.leads.len(), 1);
        house.lines = Lines::with_room_for(0);
        let waiting = house.turn(&[order(capture(5, "key-5".into()), now)], now).unwrap();
        let messages: Vec<_> = waiting.world.out.messages.iter().filter(|one| one.status.waits()).map(|one| one.id).collect();
        assert!(!messages.is_empty());
        let old = Old { messages: messages.clone(), ..old };
        for _ in 0..2 {
            house.turn(&[order(Intake::Old(Box::new(old.clone())), now)], now).unwrap();
        }
        for message in messages {
            assert!(house.readers.ask(|store| store.message(WREN, message)).unwrap().is_some());
        }
        house.readers.ask(|store| store.verify_chain(WREN, &[])).unwrap().unwrap();
    }
}
