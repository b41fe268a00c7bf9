//! `ringback migrate`, the program itself: killed at instants all over the move, there and back, it goes on where it stopped, and what has moved
//! is what there was (O6).

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

#[path = "../../store/tests/support/lived_in.rs"]
mod lived_in;

use lived_in::Chance;
use ringback_core::ids::{ConnectionId, TenantId};
use ringback_pgtest::{Database, Template};
use ringback_server::MasterKey;
use rusqlite::{Connection, OpenFlags};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

/// How often each way is interrupted.
const KILLS: usize = 20;
/// Leads, events, messages, attempts, consents, …: each so many.
const LEADS: usize = 12_000;

struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn folder(name: &str) -> Folder {
    let path = std::env::temp_dir().join(format!("ringback-migrate-{name}-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&path);
    std::fs::create_dir_all(&path).unwrap();
    Folder(path)
}

fn database() -> Database {
    let schema = include_str!("../../store/migrations/postgres/V1__the_first_house.sql");
    let ready = match ringback_pgtest::shared().unwrap().template(schema).unwrap() {
        Template::Ready(ready) => ready,
        Template::New(new) => {
            let (app, owner) = (new.database().app_url(), new.database().owner_url());
            drop(ringback_store::open_postgres(&app, Some(&owner)).unwrap());
            new.finish().unwrap()
        }
    };
    ready.database().unwrap()
}

fn ringback(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ringback"));
    command.args(arguments).stdin(Stdio::null());
    for name in ["DATABASE_URL", "DATABASE_OWNER_URL", "RINGBACK_DATA"] {
        command.env_remove(name);
    }
    command
}

fn said(output: &Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

/// How many rows have arrived, and whether all have.
fn arrived(to: &To<'_>) -> Option<(i64, bool)> {
    let sql = "SELECT coalesce(sum(n), 0), count(*), coalesce(sum(done), 0) FROM moved_tables";
    let (n, tables, done) = match to {
        To::Database(database) => {
            let row = database.sql(sql).ok()?;
            let mut parts = row.split('|').map(|part| part.parse::<i64>().unwrap_or(0));
            (parts.next()?, parts.next()?, parts.next()?)
        }
        To::Folder(path) => {
            let flags = OpenFlags::SQLITE_OPEN_READ_ONLY;
            let file = Connection::open_with_flags(path.join("ringback.db"), flags).ok()?;
            let row = file.query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)));
            row.ok()?
        }
    };
    Some((n, tables > 30 && tables == done))
}

enum To<'a> {
    Database(&'a Database),
    Folder(&'a Path),
}

fn running(child: &mut Child) -> bool {
    child.try_wait().unwrap().is_none()
}

/// Moves, killed whenever a further part of all rows has arrived, and at the end in the middle of the comparison. Answers what the last run said
/// and how many were killed.
fn move_with_interruptions(
    move_it: &[&str],
    to: &To<'_>,
    total: i64,
    chance: &mut Chance,
) -> (Value, usize) {
    let mut killed = 0;
    let mut last = 0;
    while killed < KILLS {
        let mut child = ringback(move_it)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // The instant is told by what has arrived, and not by a clock: the n-th kill comes with the n-th part of the rows.
        let part = total / (KILLS as i64 + 1);
        let until = last + 1 + chance.below(part as usize) as i64;
        while running(&mut child) {
            match arrived(to) {
                Some((n, all)) if n >= until || all => break,
                _ => std::thread::yield_now(),
            }
        }
        if !running(&mut child) {
            break;
        }
        child.kill().unwrap();
        child.wait().unwrap();
        killed += 1;
        last = arrived(to).map_or(last, |(n, _)| n);
    }
    let done = ringback(move_it).output().unwrap();
    assert!(done.status.success(), "{}", said(&done));
    (serde_json::from_slice(&done.stdout).unwrap(), killed)
}

fn tables(moved: &Value) -> BTreeMap<String, (u64, String)> {
    let tables = moved["tables"].as_array().unwrap().iter();
    tables
        .map(|table| {
            let text = |name: &str| table[name].as_str().unwrap().to_owned();
            (
                text("table"),
                (table["rows"].as_u64().unwrap(), text("hash")),
            )
        })
        .collect()
}

fn rows_of(path: &Path) -> i64 {
    let file = Connection::open(path.join("ringback.db")).unwrap();
    let sql = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'";
    let mut names = file.prepare(sql).unwrap();
    let names = names.query_map([], |row| row.get::<_, String>(0)).unwrap();
    let moved = names.map(Result::unwrap).filter(|name| {
        ringback_store::moving::STAY
            .iter()
            .all(|(one, _)| one != name)
    });
    moved
        .map(|name| {
            let sql = format!("SELECT count(*) FROM \"{name}\"");
            file.query_row(&sql, [], |row| row.get::<_, i64>(0))
                .unwrap()
        })
        .sum()
}

#[test]
fn a_move_that_is_killed_at_twenty_instants_goes_on() {
    let (home, second) = (folder("first"), folder("second"));
    let master = MasterKey::of_folder(&home.0).unwrap();
    let settings = BTreeMap::from([("auth_token".to_owned(), "example".to_owned())]);
    lived_in::fill(&home.0, LEADS, 7, &|tenant, id| {
        master.seal(
            TenantId::from_raw(tenant),
            ConnectionId::from_raw(id),
            &settings,
        )
    });
    std::fs::copy(home.0.join("master.key"), second.0.join("master.key")).unwrap();
    let total = rows_of(&home.0);
    assert!(total > LEADS as i64 * 7, "{total}");
    let database = database();
    let (data, back, url) = (
        home.0.display().to_string(),
        second.0.display().to_string(),
        database.app_url(),
    );
    let mut chance = Chance(11);

    let there = [
        "migrate", "--from", "sqlite", "--to", &url, "--data", &data, "--json",
    ];
    let (moved, killed) =
        move_with_interruptions(&there, &To::Database(&database), total, &mut chance);
    assert_eq!(killed, KILLS);
    assert_eq!(moved["resumed"], true);
    let mut first = tables(&moved);
    let all: u64 = first.values().map(|(rows, _)| rows).sum();
    assert_eq!(all as i64, total);
    for (table, (rows, _)) in &first {
        assert!(*rows > 0, "{table} has no rows in this test");
    }

    // The old house is closed, and says where the new one is.
    let refused = ringback(&["tenant", "list", "--data", &data])
        .output()
        .unwrap();
    assert_eq!(refused.status.code(), Some(1), "{}", said(&refused));
    assert!(
        said(&refused).contains("has moved to postgres://"),
        "{}",
        said(&refused)
    );
    assert!(
        !said(&refused).contains(database.server().password()),
        "{}",
        said(&refused)
    );
    let open = ringback(&["tenant", "list", "--data", &data, "--database", &url])
        .output()
        .unwrap();
    assert!(open.status.success(), "{}", said(&open));

    let home_again = [
        "migrate", "--from", &url, "--to", "sqlite", "--data", &back, "--json",
    ];
    let (moved, killed) =
        move_with_interruptions(&home_again, &To::Folder(&second.0), total, &mut chance);
    assert_eq!(killed, KILLS);
    let mut back_again = tables(&moved);
    // What the arrival wrote beside: every business is held, which servers have to hear of, and its chain tells of the move.
    for table in ["audit", "chain", "recovery_holds", "tenants"] {
        let (was, is) = (
            first.remove(table).unwrap(),
            back_again.remove(table).unwrap(),
        );
        assert!(is.0 >= was.0 && is != was, "{table}: {was:?} {is:?}");
    }
    assert_eq!(first, back_again);
    let open = ringback(&["tenant", "list", "--data", &back])
        .output()
        .unwrap();
    assert!(open.status.success(), "{}", said(&open));
}

/// Wrong use is told in words, and a move that is given up leaves the house where it was.
#[test]
fn wrong_use_is_told_and_giving_up_opens_the_old_house() {
    let home = folder("give-up");
    let master = MasterKey::of_folder(&home.0).unwrap();
    lived_in::fill(&home.0, 5, 3, &|tenant, id| {
        master.seal(
            TenantId::from_raw(tenant),
            ConnectionId::from_raw(id),
            &BTreeMap::new(),
        )
    });
    let database = database();
    let (data, url) = (home.0.display().to_string(), database.app_url());
    for (wrong, code, says) in [
        (
            vec!["migrate", "--from", "mysql", "--to", "sqlite"],
            2,
            "write a database as",
        ),
        (
            vec![
                "migrate",
                "--from",
                "sqlite",
                "--to",
                "sqlite:/nowhere",
                "--data",
                &data,
            ],
            1,
            "a house moves between",
        ),
        (
            vec!["migrate", "--from", "sqlite", "--data", &data],
            2,
            "--to",
        ),
        (
            vec!["migrate", "--from", "sqlite", "--give-up", "--data", &data],
            1,
            "not on its way",
        ),
    ] {
        let output = ringback(&wrong).output().unwrap();
        assert_eq!(
            output.status.code(),
            Some(code),
            "{wrong:?}: {}",
            said(&output)
        );
        assert!(said(&output).contains(says), "{wrong:?}: {}", said(&output));
    }
    let there = ["migrate", "--from", "sqlite", "--to", &url, "--data", &data];
    let done = ringback(&there).output().unwrap();
    assert!(done.status.success(), "{}", said(&done));
    assert!(
        said(&done).contains("counts and hashes equal"),
        "{}",
        said(&done)
    );
    let again = ringback(&there).output().unwrap();
    assert!(said(&again).contains("had moved"), "{}", said(&again));
    let give_up = ["migrate", "--from", "sqlite", "--give-up", "--data", &data];
    let given_up = ringback(&give_up).output().unwrap();
    assert!(given_up.status.success(), "{}", said(&given_up));
    let open = ringback(&["tenant", "list", "--data", &data])
        .output()
        .unwrap();
    assert!(open.status.success(), "{}", said(&open));
    let refused = ringback(&there).output().unwrap();
    assert!(
        said(&refused).contains("is not empty"),
        "{}",
        said(&refused)
    );
}
