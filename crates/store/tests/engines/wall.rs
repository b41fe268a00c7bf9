//! X4: the second wall, which stands also where a statement forgets its tenant; and that a difference between the engines is seen.

use crate::house::{Engine, House, Place, at, database};
use crate::same::capture;
use ringback_core::ids::TenantId;
use ringback_core::turn::Order;
use ringback_pgtest::{Database, PgBouncer};
use std::process::Command;

fn fill(house: &mut House) {
    let now = at("2026-03-03T17:00:00Z");
    let orders: Vec<Order> = (0..10)
        .map(|n| Order {
            tenant: TenantId::from_raw(1 + n % 2),
            at: now,
            intake: capture(n as u64, format!("key-{n}")),
            once: None,
        })
        .collect();
    house.turn(&orders, now).unwrap();
}

/// What the application's own role finds with a text of its choice.
fn as_application(database: &Database, sql: &str) -> String {
    let said = Command::new("psql")
        .args([
            "-X",
            "-q",
            "-A",
            "-t",
            "-v",
            "ON_ERROR_STOP=1",
            "-c",
            sql,
            &database.app_url(),
        ])
        .output()
        .unwrap();
    assert!(
        said.status.success(),
        "{sql}: {}",
        String::from_utf8_lossy(&said.stderr)
    );
    String::from_utf8_lossy(&said.stdout).trim().to_owned()
}

/// X4: with the application's own filter left out, a transaction sees the rows of the tenants that it named, and none where it named none.
#[test]
fn a_forgotten_filter_shows_nothing_of_others() {
    let mut house = House::open(Engine::Postgres);
    fill(&mut house);
    let Place::Database(database) = &house.place else {
        panic!("on PostgreSQL")
    };
    let tables = database.sql(
        "SELECT c.relname FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid WHERE c.relkind = 'r' AND a.attname = 'tenant_id' ORDER BY 1",
    );
    let tables: Vec<String> = tables.unwrap().lines().map(str::to_owned).collect();
    assert!(tables.len() > 25, "{tables:?}");
    let mut filled = 0;
    for table in &tables {
        let all = database
            .sql(&format!("SELECT count(*) FROM {table}"))
            .unwrap();
        let of_one = database
            .sql(&format!("SELECT count(*) FROM {table} WHERE tenant_id = 1"))
            .unwrap();
        filled += usize::from(all != of_one);
        let unnamed = as_application(database, &format!("SELECT count(*) FROM {table}"));
        assert_eq!(unnamed, "0", "{table} is seen without a tenant");
        let named = as_application(
            database,
            &format!(
                "BEGIN; SELECT set_config('ringback.tenants', '1', true); SELECT count(*) FROM {table}; COMMIT"
            ),
        );
        assert_eq!(
            named.lines().last(),
            Some(of_one.as_str()),
            "{table} shows another tenant"
        );
    }
    assert!(filled > 8, "only {filled} tables hold rows of both tenants");
    let forged = Command::new("psql")
        .args(["-X", "-q", "-c", "BEGIN; SELECT set_config('ringback.tenants', '1', true); UPDATE leads SET tenant_id = 2; COMMIT", &database.app_url()])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&forged.stderr).into_owned();
    assert!(
        said.contains("row-level security") || said.contains("row security"),
        "{said}"
    );
}

/// X4: the role that serves owns nothing and cannot look past the wall; one that could is refused.
#[test]
fn a_role_that_could_look_past_the_wall_is_refused() {
    let database = database();
    let owned =
        database.sql("SELECT count(*) FROM pg_class WHERE relowner = 'ringback_app'::regrole");
    assert_eq!(owned.unwrap(), "0");
    let mighty = database.server().superuser_url(database.name());
    let refused = ringback_store::open_postgres(&mighty, None)
        .unwrap_err()
        .to_string();
    assert!(refused.contains("row security"), "{refused}");
}

/// X4: behind PgBouncer in transaction mode every transaction may have another session; each names its tenants itself, so none sees what the
/// one before it named.
#[test]
fn a_pooler_in_transaction_mode_mixes_nobody_up() {
    let database = database();
    let pooler = PgBouncer::start(database.server(), 2).unwrap();
    let url = format!(
        "{}?prepare=off",
        pooler.url(ringback_pgtest::APP, &database)
    );
    let (writer, readers) = ringback_store::open_postgres(&url, None).unwrap();
    let mut house = House::with(writer, readers, Place::Database(database));
    fill(&mut house);
    std::thread::scope(|threads| {
        for n in 0..4 {
            let (readers, tenant) = (house.readers.clone(), TenantId::from_raw(1 + n % 2));
            threads.spawn(move || {
                for _ in 0..25 {
                    let found = readers.ask(|store| {
                        store.leads(tenant, &ringback_store::LeadFilter::default(), None, 50)
                    });
                    let found = found.unwrap();
                    assert_eq!(found.len(), 5);
                    assert!(found.iter().all(|lead| lead.tenant == tenant));
                }
            });
        }
    });
}

/// A suite that sees no difference would be none: without a unique index, two leads get one number, and the comparison says so.
#[test]
fn a_missing_constraint_is_seen() {
    let insert = |number: i64, id: i64| {
        format!(
            "INSERT INTO leads (id, tenant_id, number, anonymous, created_at, updated_at, last_event_at) VALUES ({id}, 1, {number}, 0, 0, 0, 0)"
        )
    };
    let mut refused = Vec::new();
    for drops in [false, true] {
        let (one, other) = (House::open(Engine::Sqlite), House::open(Engine::Postgres));
        let (Place::Folder(folder), Place::Database(database)) = (&one.place, &other.place) else {
            panic!("one of each")
        };
        if drops {
            database.sql("DROP INDEX leads_number").unwrap();
        }
        let sqlite = rusqlite::Connection::open(folder.join("ringback.db")).unwrap();
        for (number, id) in [(1, 11), (1, 12)] {
            let on_sqlite = sqlite.execute(&insert(number, id), []).is_ok();
            let on_postgres = database.sql(&insert(number, id)).is_ok();
            refused.push(on_sqlite == on_postgres);
        }
        let same = one.rows()["leads"] == other.rows()["leads"];
        assert_eq!(
            same, !drops,
            "the comparison does not see what the index was for"
        );
    }
    assert_eq!(refused, [true, true, true, false]);
}
