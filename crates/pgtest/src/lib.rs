//! Real PostgreSQL for tests and campaigns: the server of Debian's packages, started in a temporary folder, on loopback, gone afterwards.
//!
//! - [`shared`]: one server for all tests of a run, also when each test is a process of its own; fast, without fsync.
//! - [`Cluster`]: a server of one's own, which can be stopped in every way and started again.
//! - [`Server::database`] and [`Server::template`]: a database for each test, copied from one that was prepared once.
//! - [`PgBouncer`]: a pooler in transaction mode in front of a server.
//! - [`Patroni`]: two servers that stand in for each other.
//!
//! As root everything runs as the system user `postgres`, because PostgreSQL refuses root. Nothing is left behind, not even by a test that
//! is killed: a guardian outside of the test's process waits for the end of its users and then ends and removes what they started.
//!
//! Servers speak TCP on 127.0.0.1 with a password of their own and a socket in a folder that nobody else can enter. Text is ordered by the
//! rules of English (ICU), as in many a real house: whoever needs the order of bytes has to say `COLLATE "C"`.

#![allow(
    clippy::disallowed_methods,
    reason = "processes are waited for in real time; nothing that is tested decides by it"
)]

mod binaries;
mod cluster;
mod database;
mod folder;
mod patroni;
mod pgbouncer;

pub use binaries::Binaries;
pub use cluster::{APP, BACKUP, Cluster, Durability, OWNER, Server, Settings, Stop, shared};
pub use database::{Database, NewTemplate, ReadyTemplate, Template};
pub use patroni::{Held, Node, Patroni, Standby};
pub use pgbouncer::PgBouncer;

use std::{fmt, thread, time::Duration};

/// What could not be done, why, and what to do about it.
#[derive(Debug)]
pub struct Error(String);

/// The result of everything here.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    pub(crate) fn new(sentence: impl Into<String>) -> Self {
        Self(sentence.into())
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Error {}

/// Says what was being done when something failed.
pub(crate) trait While<T> {
    fn during(self, what: impl fmt::Display) -> Result<T>;
}

impl<T, E: fmt::Display> While<T> for std::result::Result<T, E> {
    fn during(self, what: impl fmt::Display) -> Result<T> {
        self.map_err(|why| Error(format!("{what}: {why}")))
    }
}

/// Asks every few milliseconds until `so` says yes or `limit` has passed; false when it has.
pub(crate) fn wait_until(limit: Duration, mut so: impl FnMut() -> bool) -> bool {
    let begun = std::time::Instant::now();
    while !so() {
        if begun.elapsed() > limit {
            return false;
        }
        thread::sleep(Duration::from_millis(5));
    }
    true
}

/// A port of loopback that is free now, outside of the range from which the system takes ports for outgoing connections: a server that is
/// restarted must find its port again.
pub(crate) fn free_port() -> Result<u16> {
    use std::net::TcpListener;
    for _ in 0..200 {
        let port = 20_000 + (random(2)? % 12_000) as u16;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return Ok(port);
        }
    }
    Err(Error::new(
        "no port between 20000 and 32000 is free on 127.0.0.1",
    ))
}

/// A number of so many random bytes, at most eight.
pub(crate) fn random(bytes: usize) -> Result<u64> {
    use std::io::Read as _;
    let mut read = [0; 8];
    std::fs::File::open("/dev/urandom")
        .and_then(|mut dice| dice.read_exact(&mut read[..bytes]))
        .during("reading /dev/urandom")?;
    Ok(u64::from_le_bytes(read))
}
