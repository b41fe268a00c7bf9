//! What the house of a test stands on: a file of SQLite, or with `RINGBACK_TEST_DATABASE=postgres` a database of PostgreSQL of its own.

use ringback_pgtest::{Database, Template};

/// A fresh database, copied from one that was prepared once; `None` on SQLite.
pub fn fresh() -> Option<Database> {
    match std::env::var("RINGBACK_TEST_DATABASE").as_deref() {
        Err(_) | Ok("sqlite") => None,
        Ok("postgres") => Some(postgres()),
        Ok(other) => panic!("RINGBACK_TEST_DATABASE is sqlite or postgres, and not {other}"),
    }
}

/// A database of PostgreSQL, copied from one that was prepared once.
pub fn postgres() -> Database {
    let schema = include_str!("../../../store/migrations/postgres/V1__the_first_house.sql");
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

/// As the settings have it.
pub fn of(database: Option<&Database>) -> Option<ringback_server::Database> {
    database.map(|one| ringback_server::Database {
        serves: one.app_url(),
        owner: None,
    })
}
