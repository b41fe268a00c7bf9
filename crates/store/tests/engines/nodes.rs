//! O6: several nodes on one database. Numbers are given once, silence is noticed by the database's clock, and who was taken for dead commits
//! nothing any more.

use crate::house::{House, Place, at, database};
use crate::same::capture;
use ringback_core::ids::{IdMaker, TenantId};
use ringback_core::time::Timestamp;
use ringback_core::turn::{Lines, Order, QueueOf, queues_in, words_of};
use ringback_store::{House as _, Readers, Registrar, Role, StoreError, Writer, join_postgres};
use std::collections::BTreeMap;
use std::time::Duration;

const BOOT: Duration = Duration::from_secs(1_000);

fn join(url: &str) -> (Writer, Readers, Registrar) {
    join_postgres(url, None, Role::All, at("2026-03-03T17:00:00Z"), BOOT).unwrap()
}

fn order(n: u64) -> Order {
    Order {
        tenant: TenantId::from_raw(1 + (n % 2) as i64),
        at: at("2026-03-03T17:00:00Z"),
        intake: capture(2 * n + 1, format!("key-{n}")),
        once: None,
    }
}

/// Two nodes that take leads of the same tenants at the same time count them without a gap or a twin, and their chains hold.
#[test]
fn two_nodes_count_the_same_tenants_exactly() {
    let database = database();
    let url = database.app_url();
    let (writer, readers, first) = join(&url);
    let mut one = House::with(writer, readers, Place::Database(database));
    one.ids = IdMaker::new(first.node().number() * 2, 0);
    let (writer, readers, second) = join(&url);
    assert_ne!(first.node().number(), second.node().number());
    let mut other = one.beside(writer, readers);
    other.ids = IdMaker::new(second.node().number() * 2, 0);
    let now = at("2026-03-03T17:00:00Z");
    std::thread::scope(|threads| {
        for (house, begin) in [(&mut one, 0), (&mut other, 1_000)] {
            threads.spawn(move || {
                for turn in 0..15 {
                    let orders: Vec<Order> = (0..6).map(|n| order(begin + turn * 6 + n)).collect();
                    let mut decided = house.turn(&orders, now);
                    while matches!(decided, Err(StoreError::Busy { .. })) {
                        decided = house.turn(&orders, now);
                    }
                    decided.unwrap();
                }
            });
        }
    });
    let Place::Database(database) = &one.place else {
        panic!("on PostgreSQL")
    };
    let counted = database.sql("SELECT tenant_id || ' ' || count(*) || ' ' || max(number) || ' ' || count(DISTINCT number) FROM leads GROUP BY tenant_id ORDER BY 1").unwrap();
    assert_eq!(counted, "1 90 90 90\n2 90 90 90");
    for tenant in [1, 2].map(TenantId::from_raw) {
        let verified = one.readers.ask(|store| store.verify_chain(tenant, &[]));
        verified
            .unwrap()
            .unwrap_or_else(|broken| panic!("{broken}"));
    }
}

/// A node whose lease is over is marked as dead by the next one that looks, commits nothing any more, and joins again under a new epoch.
#[test]
fn a_silent_node_is_taken_over_and_commits_nothing() {
    let database = database();
    let url = database.app_url();
    let (writer, readers, silent) = join(&url);
    let mut frozen = House::with(writer, readers, Place::Database(database));
    let (_, _, looks) = join(&url);
    let now = at("2026-03-03T17:00:00Z");
    frozen.turn(&[order(1)], now).unwrap();
    assert!(silent.node().holds(BOOT + Duration::from_secs(5)));
    assert!(
        !silent.node().holds(BOOT + Duration::from_secs(6)),
        "by its own clock it is over"
    );
    let Place::Database(database) = &frozen.place else {
        panic!("on PostgreSQL")
    };
    // Six seconds pass for one of them.
    let number = silent.node().number();
    database
        .sql(&format!(
            "UPDATE nodes SET lease_until = 1 WHERE node = {number}"
        ))
        .unwrap();
    let refused = frozen.turn(&[order(2)], now).unwrap_err();
    assert!(matches!(refused, StoreError::Fenced), "{refused:?}");
    let beat = looks.beat(now, BOOT).unwrap();
    assert_eq!((beat.alive, beat.leads), (1, true));
    let dead = looks.node().dead();
    assert_eq!(
        dead.iter().map(|one| one.number).collect::<Vec<_>>(),
        [number]
    );
    let found = frozen.writer.in_flight_of(0, 10).unwrap();
    assert!(
        !found.is_empty(),
        "its calls are found by the number in their ids"
    );
    // It wakes up: the number is not its own any more.
    let beat = silent.beat(now, BOOT).unwrap();
    assert!(beat.joined_again);
    assert_ne!(silent.node().number(), number);
    frozen.turn(&[order(2)], now).unwrap();
    looks.settled(dead[0]).unwrap();
    looks.beat(now, BOOT).unwrap();
    assert_eq!(looks.node().dead(), []);
}

/// O6: what one node cannot send itself another one hears of at once, by name, and does not have to look for.
#[test]
fn queues_of_another_node_are_heard_of() {
    let database = database();
    let url = database.app_url();
    let (writer, readers, first) = join(&url);
    let mut busy = House::with(writer, readers, Place::Database(database));
    let (writer, readers, mut second) = join(&url);
    let mut free = busy.beside(writer, readers);
    let (hears, heard) = std::sync::mpsc::channel();
    second
        .listen(move |word| drop(hears.send(word.to_owned())))
        .unwrap();
    let now = at("2026-03-03T17:00:00Z");
    busy.lines = Lines::with_room_for(0);
    let decided = busy.turn(&[order(1), order(2)], now).unwrap();
    assert_eq!(decided.sent_off, []);
    let waits = decided.world.out.messages.iter();
    let waits: BTreeMap<QueueOf, Timestamp> = waits
        .filter(|message| message.status.waits())
        .map(|message| (QueueOf::of(message), message.due_at))
        .collect();
    for word in words_of(waits) {
        first.tell(&word).unwrap();
    }
    let mut told = Vec::new();
    let written = busy.writer.queues().unwrap();
    while told.len() < written.len() {
        let word = heard.recv_timeout(Duration::from_secs(30)).unwrap();
        told.extend(queues_in(&word).unwrap_or_default());
    }
    let sorted = |mut queues: Vec<(QueueOf, Timestamp)>| {
        queues.sort_unstable();
        queues
    };
    assert!(!written.is_empty());
    assert_eq!(sorted(told.clone()), sorted(written));
    for (queue, due) in told {
        free.queues.note(queue, due);
    }
    assert!(free.queues.any_due(now));
    assert!(!free.turn(&[], now).unwrap().sent_off.is_empty());
}

/// What one node changed of the house is known to the others before they decide anything.
#[test]
fn no_turn_goes_by_an_old_house() {
    let database = database();
    let url = database.app_url();
    let (writer, readers, _first) = join(&url);
    let mut one = House::with(writer, readers, Place::Database(database));
    let (writer, readers, _second) = join(&url);
    let mut other = one.beside(writer, readers);
    let now = at("2026-03-03T17:00:00Z");
    other.turn(&[order(1)], now).unwrap();
    one.writer.begin().unwrap();
    one.writer
        .put_document(
            TenantId::from_raw(1),
            "tenant.yaml",
            Some("name: Alder"),
            "user:Inez",
            now,
        )
        .unwrap();
    one.writer.commit().unwrap();
    let stale = other.turn(&[order(2)], now).unwrap_err();
    assert!(matches!(stale, StoreError::Stale), "{stale:?}");
    other.reads_the_house();
    other.turn(&[order(2)], now).unwrap();
}

/// A connection that the database ended is made anew: nothing of a turn was done over it, so nobody hears of it.
#[test]
fn a_connection_that_was_cut_is_made_anew() {
    let database = database();
    let url = database.app_url();
    let (writer, readers, registrar) = join(&url);
    let mut house = House::with(writer, readers, Place::Database(database));
    let now = at("2026-03-03T17:00:00Z");
    house.turn(&[order(1)], now).unwrap();
    let Place::Database(database) = &house.place else {
        panic!("on PostgreSQL")
    };
    let cut = "SELECT count(pg_terminate_backend(pid, 5000)) FROM pg_stat_activity WHERE datname = current_database() AND usename = 'ringback_app'";
    assert_ne!(database.sql(cut).unwrap(), "0");
    house.turn(&[order(2)], now).unwrap();
    house.readers.ask(|store| store.alive()).unwrap();
    registrar.beat(now, BOOT).unwrap();
    // In the middle of a transaction it is another matter: all of it is gone, and it is said so.
    house.writer.begin().unwrap();
    house.writer.chain_head(TenantId::from_raw(1)).unwrap();
    let Place::Database(database) = &house.place else {
        panic!("on PostgreSQL")
    };
    database.sql(cut).unwrap();
    let details = serde_json::json!({});
    let lost = house
        .writer
        .write_audit(
            TenantId::from_raw(1),
            "user:Inez",
            None,
            "switch",
            &details,
            now,
        )
        .and_then(|()| house.writer.commit());
    assert!(matches!(lost, Err(StoreError::Away { .. })), "{lost:?}");
    house.writer.roll_back();
    house.turn(&[order(3)], now).unwrap();
    let verified = house
        .readers
        .ask(|store| store.verify_chain(TenantId::from_raw(1), &[]));
    verified.unwrap().unwrap();
}
