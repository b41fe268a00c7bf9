//! The server through its routes, without sockets: what callers are promised.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test that cannot go on should say where"
)]

#[path = "../support/database.rs"]
mod database;

mod accidents;
mod breaker;
mod capture;
mod claims;
mod compliance;
mod connections;
mod dead;
mod dead_pages;
mod documents;
mod doubt;
mod errors;
mod far;
mod health;
mod hostile;
mod house;
mod isolation;
mod keys;
mod leads;
mod limits;
mod live;
mod messages;
mod moving;
mod nodes;
mod of_the_file;
mod poison;
mod restore;
mod simulated;
mod workflows;
