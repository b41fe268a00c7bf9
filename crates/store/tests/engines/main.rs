//! One suite for both engines: what the store does on SQLite it does on PostgreSQL, with the real rules of the core.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

mod house;
mod same;
