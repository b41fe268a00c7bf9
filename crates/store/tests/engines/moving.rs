//! O6: everything a house knows moves from SQLite to PostgreSQL and back, and nothing that differs is taken for the same.

use crate::house::database;
#[path = "../support/lived_in.rs"]
mod lived_in;

use ringback_core::time::Timestamp;
use ringback_pgtest::Database;
use ringback_store::moving::{End, Move, MoveError, STAY, Verified};
use ringback_store::{OpenError, Role, join_postgres};
use rusqlite::Connection;
use rusqlite::types::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// A data folder that goes with the test.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let n = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("ringback-moving-{}-{n}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        Self(path)
    }

    fn lived_in(leads: usize, seed: u64) -> Self {
        let folder = Self::new();
        lived_in::fill(&folder.0, leads, seed, &|tenant, id| {
            vec![tenant as u8, id as u8]
        });
        folder
    }

    fn end(&self) -> End {
        End::Folder(self.0.clone())
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn end(database: &Database) -> End {
    End::Database {
        serves: database.app_url(),
        owner: None,
    }
}

fn now() -> Timestamp {
    crate::house::at("2026-03-03T17:00:00Z")
}

fn quiet(_: &str, _: u64, _: bool) {}

/// The whole way, as the program goes it.
fn moves(from: &End, to: &End) -> Result<Vec<Verified>, MoveError> {
    let mut moving = Move::begin(from, to, now())?;
    moving.copy(&quiet)?;
    let (tables, last_id) = moving.verify(&quiet)?;
    let mut writer = moving.writer()?;
    writer.begin()?;
    moving.arrive(&writer, last_id, now())?;
    writer.commit()?;
    drop(writer);
    moving.leave(now())?;
    Ok(tables)
}

/// Every row of every table, told by SQLite itself.
fn rows(folder: &Path) -> BTreeMap<String, Vec<Vec<Value>>> {
    let connection = Connection::open(folder.join("ringback.db")).unwrap();
    let sql = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'";
    let mut names = connection.prepare(sql).unwrap();
    let names: Vec<String> = names
        .query_map([], |row| row.get(0))
        .unwrap()
        .map(Result::unwrap)
        .collect();
    let moved = names
        .into_iter()
        .filter(|name| STAY.iter().all(|(one, _)| one != name));
    moved
        .map(|name| {
            let mut all = connection
                .prepare(&format!("SELECT * FROM \"{name}\""))
                .unwrap();
            let n = all.column_count();
            let rows = all.query_map([], |row| (0..n).map(|at| row.get(at)).collect());
            let mut rows: Vec<Vec<Value>> = rows.unwrap().map(Result::unwrap).collect();
            rows.sort_by_key(|row| format!("{row:?}"));
            (name, rows)
        })
        .collect()
}

/// There and back, hostile texts and the largest numbers among it: every table has rows, and every row is what it was.
#[test]
fn a_lived_in_house_comes_back_as_it_was() {
    for seed in 1..=3 {
        let (first, second) = (Folder::lived_in(400, seed), Folder::new());
        let database = database();
        let there = moves(&first.end(), &end(&database)).unwrap();
        for table in &there {
            assert!(table.rows > 0, "{} has no rows in this test", table.table);
            let counted = database.sql(&format!("SELECT count(*) FROM {}", table.table));
            assert_eq!(counted.unwrap(), table.rows.to_string(), "{}", table.table);
        }
        let back = moves(&end(&database), &second.end()).unwrap();
        assert_eq!(there, back);
        let (before, after) = (rows(&first.0), rows(&second.0));
        assert_eq!(before.len(), there.len());
        for (table, rows) in &before {
            assert_eq!(Some(rows), after.get(table), "{table}");
        }
        let hashes: std::collections::BTreeSet<&str> =
            there.iter().map(|one| one.hash.as_str()).collect();
        assert_eq!(
            hashes.len(),
            there.len(),
            "every table has a hash of its own"
        );
        // No node gives ids that are as low as what moved in.
        let highest: i64 = i64::MAX >> 22;
        let ids =
            database.sql("SELECT min(ids_until) > 1700000000000 AND count(*) = 31 FROM nodes");
        assert_eq!(ids.unwrap(), "t", "{highest}");
        drop(ringback_store::open(&second.0).unwrap());
    }
}

/// Every table of either schema moves, or stays for a reason that is written down.
#[test]
fn no_table_is_forgotten() {
    let folder = Folder::lived_in(1, 1);
    let database = database();
    let moved: Vec<String> = moves(&folder.end(), &end(&database))
        .unwrap()
        .into_iter()
        .map(|table| table.table)
        .collect();
    let on_postgres = database
        .sql("SELECT relname FROM pg_class WHERE relnamespace = 'public'::REGNAMESPACE AND relkind IN ('r', 'p')")
        .unwrap();
    let connection = Connection::open(folder.0.join("ringback.db")).unwrap();
    let mut on_sqlite = connection
        .prepare("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
        .unwrap();
    let on_sqlite = on_sqlite
        .query_map([], |row| row.get::<_, String>(0))
        .unwrap();
    let all: std::collections::BTreeSet<String> = on_sqlite
        .map(Result::unwrap)
        .chain(on_postgres.lines().map(str::to_owned))
        .collect();
    for table in &all {
        let stays = STAY
            .iter()
            .any(|(one, why)| one == table && !why.is_empty());
        assert_ne!(moved.contains(table), stays, "{table}");
    }
    for (table, _) in STAY {
        assert!(all.contains(*table), "{table} is no table any more");
    }
}

/// A table that only one end has, or a column, is refused before anything is copied.
#[test]
fn schemas_that_differ_are_refused() {
    for change in [
        "CREATE TABLE more (id BIGINT PRIMARY KEY)",
        "ALTER TABLE leads ADD COLUMN shoe_size BIGINT",
    ] {
        let (folder, database) = (Folder::lived_in(1, 1), database());
        database.sql(change).unwrap();
        let refused = Move::begin(&folder.end(), &end(&database), now());
        assert!(
            matches!(refused, Err(MoveError::Schemas(_))),
            "{change}: {refused:?}"
        );
        assert_eq!(database.sql("SELECT count(*) FROM leads").unwrap(), "0");
    }
}

/// A single value that is another, a row less or a row more at the new house is found, and the house is not opened.
#[test]
fn what_differs_is_found() {
    for (table, change) in [
        (
            "leads",
            "UPDATE leads SET city = coalesce(city, '') || ' ' WHERE id = 7",
        ),
        (
            "messages",
            "UPDATE messages SET body = NULL, data = data || ' ' WHERE id = 3",
        ),
        ("consents", "DELETE FROM consents WHERE id = 5"),
        (
            "seen",
            "INSERT INTO seen (tenant_id, day, key) VALUES (1, 9, 'more')",
        ),
        (
            "wordings",
            "UPDATE wordings SET first_at = first_at + 1 WHERE hash = (SELECT hash FROM wordings ORDER BY hash LIMIT 1)",
        ),
        ("chain", "UPDATE chain SET seq = seq + 100000 WHERE seq = 4"),
    ] {
        let (folder, database) = (Folder::lived_in(40, 5), database());
        let moving = Move::begin(&folder.end(), &end(&database), now()).unwrap();
        moving.copy(&quiet).unwrap();
        moving.verify(&quiet).unwrap();
        database.sql(change).unwrap();
        let found = moving.verify(&quiet).unwrap_err();
        assert!(
            matches!(&found, MoveError::Different { table: one, .. } if one == table),
            "{change}: {found}"
        );
        assert!(matches!(
            ringback_store::open_postgres(&database.app_url(), None),
            Err(OpenError::Arriving(_))
        ));
    }
}

fn join(database: &Database) -> Result<ringback_store::Registrar, OpenError> {
    let boot = Duration::from_secs(1_000);
    join_postgres(&database.app_url(), None, Role::All, now(), boot).map(|(.., node)| node)
}

/// Before, between and after the pieces no server opens either end, only the same move goes on, and what is given up is open again.
#[test]
fn a_house_in_the_middle_of_a_move_is_opened_by_nobody() {
    let (folder, database, other) = (Folder::lived_in(40, 9), database(), database());
    let moving = Move::begin(&folder.end(), &end(&database), now()).unwrap();
    assert!(!moving.resumed());
    let refused = join(&database).unwrap_err();
    assert!(matches!(refused, OpenError::Arriving(_)), "{refused:?}");
    assert!(matches!(
        ringback_store::open(&folder.0),
        Err(OpenError::InUse(_))
    ));
    drop(moving);
    let refused = ringback_store::open(&folder.0).unwrap_err();
    assert!(matches!(refused, OpenError::Leaving(_)), "{refused}");
    assert!(refused.to_string().contains("--give-up"), "{refused}");
    assert!(!refused.to_string().contains(database.server().password()));
    // Another house does not come in between.
    let stranger = Folder::lived_in(3, 2);
    let between = Move::begin(&stranger.end(), &end(&database), now());
    assert!(
        matches!(between, Err(MoveError::OtherMove(_))),
        "{between:?}"
    );
    ringback_store::open(&stranger.0).unwrap();
    // The same goes on, and is over.
    let moving = Move::begin(&folder.end(), &end(&database), now()).unwrap();
    assert!(moving.resumed() && !moving.done());
    drop(moving);
    moves(&folder.end(), &end(&database)).unwrap();
    let left = ringback_store::open(&folder.0).unwrap_err();
    assert!(matches!(left, OpenError::Left(_)), "{left}");
    let node = join(&database).unwrap();
    // However slow this machine is: the node counts as alive.
    let alive = "UPDATE nodes SET lease_until = lease_until + 3600000000 WHERE state = 0";
    database.sql(alive).unwrap();
    let again = Move::begin(&folder.end(), &end(&other), now());
    assert!(matches!(again, Err(MoveError::Gone(_))), "{again:?}");
    // While a server works on it nothing moves out.
    let third = Folder::new();
    let busy = Move::begin(&end(&database), &third.end(), now());
    let busy = busy.unwrap_err();
    assert!(
        matches!(busy, MoveError::Open(OpenError::Serves(_))),
        "{busy}"
    );
    node.leave().unwrap();
    drop(Move::begin(&end(&database), &third.end(), now()).unwrap());
    let refused = join(&database).unwrap_err();
    assert!(matches!(refused, OpenError::Leaving(_)), "{refused:?}");
    ringback_store::moving::give_up(&end(&database), now()).unwrap();
    join(&database).unwrap().leave().unwrap();
    let nothing = ringback_store::moving::give_up(&end(&database), now());
    assert!(matches!(nothing, Err(MoveError::NotMoving)));
}

/// What has rows is not moved into, whichever table they are in; a file that a server has is not moved out of.
#[test]
fn what_is_not_empty_is_not_moved_into() {
    let (folder, database) = (Folder::lived_in(3, 4), database());
    database
        .sql("INSERT INTO counters (tenant_id, name, slot, n) VALUES (1, 'a', 1, 1)")
        .unwrap();
    let refused = Move::begin(&folder.end(), &end(&database), now());
    assert!(
        matches!(&refused, Err(MoveError::Occupied { table, .. }) if table == "counters"),
        "{refused:?}"
    );
    database.sql("DELETE FROM counters").unwrap();
    let server = ringback_store::open(&folder.0).unwrap();
    let refused = Move::begin(&folder.end(), &end(&database), now());
    assert!(matches!(refused, Err(MoveError::Open(OpenError::InUse(_)))));
    drop(server);
    let nowhere = Folder::new();
    let refused = Move::begin(&nowhere.end(), &end(&database), now());
    assert!(matches!(refused, Err(MoveError::NoHouse(_))));
    assert!(!nowhere.0.exists(), "nothing was made");
    let refused = Move::begin(&folder.end(), &nowhere.end(), now());
    assert!(matches!(refused, Err(MoveError::OneKind)));
    moves(&folder.end(), &end(&database)).unwrap();
}

/// A node that was frozen during the move and wakes up is none any more.
#[test]
fn a_node_that_sleeps_through_the_move_is_no_node_when_it_wakes() {
    let (folder, database) = (Folder::lived_in(3, 4), database());
    moves(&folder.end(), &end(&database)).unwrap();
    let node = join(&database).unwrap();
    database
        .sql("UPDATE nodes SET lease_until = 1 WHERE state = 0")
        .unwrap();
    let back = Folder::new();
    moves(&end(&database), &back.end()).unwrap();
    let woken = node.beat(now(), Duration::from_secs(1_030));
    assert!(woken.is_err(), "{woken:?}");
}

/// PostgreSQL holds no zero byte in a text: it is said which table has one, and nothing is opened.
#[test]
fn a_zero_byte_is_named() {
    let (folder, database) = (Folder::lived_in(3, 4), database());
    let connection = Connection::open(folder.0.join("ringback.db")).unwrap();
    connection
        .execute(
            "UPDATE leads SET city = 'a' || char(0) || 'b' WHERE id = 1",
            [],
        )
        .unwrap();
    drop(connection);
    let refused = moves(&folder.end(), &end(&database)).unwrap_err();
    assert!(
        matches!(&refused, MoveError::Value { table, column } if table == "leads" && column == "city"),
        "{refused}"
    );
}
