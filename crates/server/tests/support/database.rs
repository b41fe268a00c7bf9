//! What the house of a test stands on: a file of SQLite, or with `RINGBACK_TEST_DATABASE=postgres` a database of PostgreSQL of its own.
//! `make unit` runs all tests on the first and once more on the second, but for those of the module `of_the_file`, which says why.

use ringback_pgtest::{Database, Template};

/// A fresh database, copied from one that was prepared once; `None` on SQLite.
pub fn fresh() -> Option<Database> {
    match std::env::var("RINGBACK_TEST_DATABASE").as_deref() {
        Err(_) | Ok("sqlite") => None,
        Ok("postgres") => Some(copy()),
        Ok(other) => panic!("RINGBACK_TEST_DATABASE is sqlite or postgres, and not {other}"),
    }
}

/// A fresh database, whatever the other tests stand on.
pub fn copy() -> Database {
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
