//! Connections that only read, each lent to one question at a time.

use crate::engine::Engine;
use std::sync::{Arc, Condvar, Mutex, PoisonError};

/// A few read-only connections. Cheap to clone. Ask from a thread that may block.
#[derive(Clone)]
pub struct Readers(Arc<Pool>);

struct Pool {
    idle: Mutex<Vec<Engine>>,
    back: Condvar,
}

impl std::fmt::Debug for Readers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Readers")
    }
}

/// A read-only view of the database as of one instant.
pub struct Reader<'a> {
    pub(crate) engine: &'a Engine,
}

impl std::fmt::Debug for Reader<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Reader")
    }
}

impl Readers {
    pub(crate) fn new(
        n: usize,
        make: impl Fn() -> Result<Engine, rusqlite::Error>,
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
        let engine = loop {
            match idle.pop() {
                Some(engine) => break engine,
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
            engine: Some(engine),
        };
        match &lent.engine {
            Some(engine) => {
                // One snapshot for all statements of a question; ended by the guard.
                let began = engine.begin_to_read().is_ok();
                let answer = question(&Reader { engine });
                if began && engine.commit().is_err() {
                    // After a statement that failed there is nothing to keep.
                    engine.roll_back();
                }
                answer
            }
            None => unreachable!("a lent connection is there until it is given back"),
        }
    }
}

struct Lent<'a> {
    pool: &'a Pool,
    engine: Option<Engine>,
}

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        if let Some(engine) = self.engine.take() {
            // Of a question that panicked half-way; an open read transaction would stop checkpoints for ever.
            engine.roll_back();
            self.pool
                .idle
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(engine);
            self.pool.back.notify_one();
        }
    }
}
