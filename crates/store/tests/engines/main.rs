//! One suite for both engines: what the store does on SQLite it does on PostgreSQL, with the real rules of the core.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

mod house;
mod lost;
mod moving;
mod nodes;
mod promises;
mod retention;
mod same;
mod wall;

/// A test for each engine.
macro_rules! on_both {
    ($($(#[$doc:meta])* fn $name:ident($house:ident: &mut House) $body:block)*) => {$(
        mod $name {
            use super::*;

            fn promise($house: &mut House) $body

            $(#[$doc])*
            #[test]
            fn on_sqlite() {
                promise(&mut House::open(Engine::Sqlite));
            }

            $(#[$doc])*
            #[test]
            fn on_postgres() {
                promise(&mut House::open(Engine::Postgres));
            }
        }
    )*};
}
pub(crate) use on_both;
