//! Connections that only read, each lent to one question at a time.

use rusqlite::Connection;
use std::sync::{Arc, Condvar, Mutex, PoisonError};

/// A few read-only connections. Cheap to clone. Ask from a thread that may block.
#[derive(Clone)]
pub struct Readers(Arc<Pool>);

struct Pool {
    idle: Mutex<Vec<Connection>>,
    back: Condvar,
}

impl std::fmt::Debug for Readers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Readers")
    }
}

/// A read-only view of the database as of one instant.
pub struct Reader<'a> {
    pub(crate) connection: &'a Connection,
}

impl std::fmt::Debug for Reader<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Reader")
    }
}

impl Readers {
    pub(crate) fn new(
        n: usize,
        make: impl Fn() -> Result<Connection, rusqlite::Error>,
    ) -> Result<Self, rusqlite::Error> {
        let idle = (0..n).map(|_| make()).collect::<Result<_, _>>()?;
        Ok(Self(Arc::new(Pool {
            idle: Mutex::new(idle),
            back: Condvar::new(),
        })))
    }

    /// Answers a question from one snapshot. Waits while all connections are lent.
    pub fn ask<T>(&self, question: impl FnOnce(&Reader<'_>) -> T) -> T {
        let mut idle = self.0.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let connection = loop {
            match idle.pop() {
                Some(connection) => break connection,
                None => {
                    idle = self
                        .0
                        .back
                        .wait(idle)
                        .unwrap_or_else(PoisonError::into_inner);
                }
            }
        };
        drop(idle);
        let lent = Lent {
            pool: &self.0,
            connection: Some(connection),
        };
        match &lent.connection {
            Some(connection) => {
                // One snapshot for all statements of a question; ended by the guard.
                let began = connection.execute_batch("BEGIN").is_ok();
                let answer = question(&Reader { connection });
                if began {
                    let ended = connection.execute_batch("COMMIT");
                    debug_assert!(ended.is_ok(), "a read transaction ends");
                }
                answer
            }
            None => unreachable!("a lent connection is there until it is given back"),
        }
    }
}

struct Lent<'a> {
    pool: &'a Pool,
    connection: Option<Connection>,
}

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take() {
            if !connection.is_autocommit() {
                // A question panicked half-way; an open read transaction would stop checkpoints for ever.
                let _ = connection.execute_batch("ROLLBACK");
            }
            self.pool
                .idle
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(connection);
            self.pool.back.notify_one();
        }
    }
}
