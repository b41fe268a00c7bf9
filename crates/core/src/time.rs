//! Time as the product uses it: instants in UTC microseconds, handed in by a [`Clock`].

pub use jiff::Timestamp;
use std::time::Duration;

/// Where the present comes from. One module of the server reads the wall clock; tests and `simulate` hand in their own.
pub trait Clock: Send + Sync {
    /// The present instant.
    fn now(&self) -> Timestamp;

    /// How long the machine has been running, its sleep included: a clock that nobody sets. `None` where time is moved by hand.
    fn since_boot(&self) -> Option<Duration> {
        None
    }
}

/// A clock that stands still at the given instant, for tests and simulations.
#[derive(Debug, Clone, Copy)]
pub struct StoppedClock(pub Timestamp);

impl Clock for StoppedClock {
    fn now(&self) -> Timestamp {
        self.0
    }
}

/// Microseconds since 1970 in UTC, as the store keeps them. Sub-microsecond digits are cut.
pub fn micros(at: Timestamp) -> i64 {
    at.as_microsecond()
}

/// The instant of stored microseconds; values outside jiff's range (years -9999 to 9999) become the nearest bound.
pub fn from_micros(micros: i64) -> Timestamp {
    Timestamp::from_microsecond(micros).unwrap_or(if micros < 0 {
        Timestamp::MIN
    } else {
        Timestamp::MAX
    })
}
