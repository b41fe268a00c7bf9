//! Time since the machine began, its sleep included: the one clock by which a worker that was frozen notices that it was.
//!
//! Wall clocks are set and monotonic ones stand still while a machine sleeps or is moved; a lease runs on all the same (reliability 3.1).

use std::{fmt, sync::Arc, time::Duration};

/// A clock that counts from the start of the machine. Cheap to clone.
#[derive(Clone)]
pub struct BootClock(Arc<dyn Fn() -> Duration + Send + Sync>);

impl BootClock {
    /// The machine's own: `CLOCK_BOOTTIME`.
    pub fn of_the_machine() -> Self {
        Self::reading(|| {
            let now = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
            let seconds = u64::try_from(now.tv_sec).unwrap_or_default();
            let nanos = u32::try_from(now.tv_nsec).unwrap_or_default();
            Duration::new(seconds, nanos)
        })
    }

    /// One that is read elsewhere; tests move it.
    pub fn reading(read: impl Fn() -> Duration + Send + Sync + 'static) -> Self {
        Self(Arc::new(read))
    }

    /// How long the machine has been running.
    pub fn now(&self) -> Duration {
        (self.0)()
    }
}

impl fmt::Debug for BootClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BootClock({:?})", self.now())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machines_clock_goes_forward() {
        let clock = BootClock::of_the_machine();
        let first = clock.now();
        assert!(first > Duration::ZERO && clock.now() >= first);
    }
}
