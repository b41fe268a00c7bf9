//! The schema of PostgreSQL and its statements can be distributed by tenant: every table has its place, every key begins with the tenant, and
//! every statement finds its rows on one server, but for those that docs/scale.md lists.

#![allow(clippy::unwrap_used, reason = "a test ends where it is surprised")]

mod routing;

use ringback_pgtest::{Database, OWNER, shared};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

const STAND_IN: &str = include_str!("stand_in.sql");
const SCRIPT: &str = include_str!("../../../../docs/scale/distribute.sql");
const SCALE: &str = include_str!("../../../../docs/scale.md");

/// The folder of the store's SQL.
fn store() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../store")
}

/// A database with today's schema and the two functions of Citus.
fn house() -> Database {
    let database = shared().unwrap().database().unwrap();
    let migrations = store().join("migrations/postgres");
    let mut files: Vec<_> = fs::read_dir(&migrations)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    // V2 comes before V10.
    files.sort_by_key(|path| {
        let name = path.file_name().unwrap().to_str().unwrap();
        name[1..]
            .split_once("__")
            .unwrap()
            .0
            .parse::<u32>()
            .unwrap()
    });
    for file in files {
        run(&database, &fs::read_to_string(file).unwrap()).unwrap();
    }
    // The program makes this one itself.
    run(
        &database,
        "CREATE TABLE schema_history (version BIGINT PRIMARY KEY)",
    )
    .unwrap();
    run(&database, STAND_IN).unwrap();
    database
}

/// Runs SQL as the owner, all or nothing.
fn run(database: &Database, sql: &str) -> Result<(), String> {
    let mut psql = database.server().binaries().psql(&database.url(OWNER));
    let done = psql
        .args(["--single-transaction", "--command", sql])
        .output()
        .unwrap();
    if done.status.success() {
        return Ok(());
    }
    Err(String::from_utf8(done.stderr).unwrap())
}

fn tables(database: &Database) -> BTreeSet<String> {
    let all = "SELECT relname FROM pg_class WHERE relnamespace = 'public'::REGNAMESPACE AND relkind IN ('r', 'p') AND relname <> 'distributed'";
    database
        .sql(all)
        .unwrap()
        .lines()
        .map(str::to_owned)
        .collect()
}

/// Tables by what the script makes of them.
fn placed(database: &Database) -> BTreeMap<String, String> {
    run(database, SCRIPT).unwrap();
    let rows = database
        .sql("SELECT relation, kind FROM distributed")
        .unwrap();
    let mut placed: BTreeMap<String, String> = rows
        .lines()
        .map(|row| row.split_once('|').unwrap())
        .map(|(table, kind)| (table.to_owned(), kind.to_owned()))
        .collect();
    for line in SCRIPT.lines() {
        if let Some(rest) = line.strip_prefix("-- local ") {
            let (table, why) = rest.split_once(": ").unwrap();
            assert!(!why.is_empty(), "{table}");
            let before = placed.insert(table.to_owned(), "local".to_owned());
            assert_eq!(before, None, "{table} has two places");
        }
    }
    placed
}

#[test]
fn every_table_has_its_place() {
    let database = house();
    let all = tables(&database);
    let placed = placed(&database);
    assert!(all.len() > 30, "only {all:?}");
    let with_place: BTreeSet<String> = placed.keys().cloned().collect();
    assert_eq!(
        all, with_place,
        "left: the schema, right: docs/scale/distribute.sql"
    );
    // Whatever belongs to a tenant is distributed, and nothing else is.
    let of_tenants = "SELECT table_name FROM information_schema.columns WHERE column_name = 'tenant_id' AND table_schema = 'public'";
    let of_tenants: BTreeSet<String> = database
        .sql(of_tenants)
        .unwrap()
        .lines()
        .map(str::to_owned)
        .collect();
    let distributed = placed.iter().filter(|(_, kind)| *kind == "distributed");
    let distributed: BTreeSet<String> = distributed.map(|(table, _)| table.clone()).collect();
    assert_eq!(of_tenants, distributed);
}

/// What Citus refuses, the stand-in refuses: otherwise the test above would prove nothing.
#[test]
fn what_cannot_be_distributed_is_refused() {
    for (case, change, complaint) in [
        (
            "a key without the tenant",
            "CREATE UNIQUE INDEX leads_phone ON leads (phone)",
            "leads_phone",
        ),
        (
            "a key with the tenant last",
            "CREATE UNIQUE INDEX leads_late ON leads (number, tenant_id)",
            "leads_late",
        ),
        (
            "a reference to a row of any tenant",
            "ALTER TABLE users ADD UNIQUE (tenant_id, name); CREATE TABLE other (id BIGINT PRIMARY KEY); ALTER TABLE runs ADD CONSTRAINT astray FOREIGN KEY (lead_id) REFERENCES other (id)",
            "astray",
        ),
        (
            "a row of no tenant",
            "ALTER TABLE spam DROP CONSTRAINT spam_pkey; ALTER TABLE spam ALTER COLUMN tenant_id DROP NOT NULL",
            "spam",
        ),
    ] {
        let database = house();
        run(&database, change).unwrap_or_else(|why| panic!("{case}: {why}"));
        let why = run(&database, SCRIPT).expect_err(case);
        assert!(why.contains(complaint), "{case}: {why}");
    }
}

/// A statement of a tenant names it so that the server with its rows can be found without asking the others.
#[test]
fn every_statement_finds_its_rows_on_one_server() {
    let database = house();
    let placed = placed(&database);
    let is = |kind: &str| {
        let of = placed.iter().filter(|(_, one)| *one == kind);
        of.map(|(table, _)| table.clone()).collect::<BTreeSet<_>>()
    };
    let distributed = is("distributed");
    let statements = routing::read(&store().join("sql"));
    assert!(
        statements.len() > 120,
        "only {} statements",
        statements.len()
    );
    let (mut astray, mut everywhere) = (Vec::new(), BTreeSet::new());
    for statement in &statements {
        let problems = routing::problems(&statement.text, &distributed);
        if statement.operator {
            if !problems.is_empty() {
                everywhere.insert(statement.name.clone());
            }
        } else {
            astray.extend(
                problems
                    .into_iter()
                    .map(|why| format!("{}: {why}", statement.name)),
            );
        }
    }
    assert_eq!(astray, Vec::<String>::new());
    let listed: BTreeSet<String> = SCALE
        .lines()
        .filter_map(|line| line.strip_prefix("| `"))
        .filter_map(|line| line.split_once('`'))
        .map(|(name, _)| name.to_owned())
        .filter(|name| name.contains('.'))
        .collect();
    assert_eq!(
        everywhere, listed,
        "left: statements that ask every server, right: those that docs/scale.md lists"
    );
}
