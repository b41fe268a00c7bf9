//! Limits of the public doors, kept in memory: so many in a stretch of time for anything that has a name. Time is the app's clock,
//! so that a test can let an hour pass.

use ringback_core::time::Timestamp;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// So many in so many seconds; what is used up fills again steadily.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rate {
    /// So many.
    pub(crate) count: u32,
    /// In so many seconds.
    pub(crate) seconds: u32,
}

impl Rate {
    /// So many a minute.
    pub(crate) const fn a_minute(count: u32) -> Self {
        Self { count, seconds: 60 }
    }

    /// So many an hour.
    pub(crate) const fn an_hour(count: u32) -> Self {
        Self {
            count,
            seconds: 3_600,
        }
    }
}

#[derive(Debug, Clone, Copy)]
struct Bucket {
    left: f64,
    at: i64,
    rate: Rate,
}

impl Bucket {
    fn size(self) -> f64 {
        f64::from(self.rate.count.max(1))
    }

    fn per_second(self) -> f64 {
        self.size() / f64::from(self.rate.seconds.max(1))
    }

    fn filled(self, now: i64) -> f64 {
        let seconds = (now - self.at).max(0) as f64 / 1_000_000.0;
        (self.left + seconds * self.per_second()).min(self.size())
    }
}

/// Every limit that something has drawn on lately.
#[derive(Debug, Default)]
pub(crate) struct Throttle(Mutex<HashMap<String, Bucket>>);

/// More names than this are not remembered; those with nothing used go first.
const MOST: usize = 100_000;

impl Throttle {
    /// Draws one from each of these limits, or none from any. `Err` holds the seconds after which it may be tried again.
    pub(crate) fn draw(&self, now: Timestamp, limits: &[(String, Rate)]) -> Result<(), u32> {
        self.draw_many(now, limits, 1)
    }

    /// The same for `many` at once. More than a limit holds at all goes when it is full.
    pub(crate) fn draw_many(
        &self,
        now: Timestamp,
        limits: &[(String, Rate)],
        many: u32,
    ) -> Result<(), u32> {
        let now = now.as_microsecond();
        let mut buckets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.len() + limits.len() > MOST {
            buckets.retain(|_, bucket| bucket.filled(now) < bucket.size());
            if buckets.len() + limits.len() > MOST {
                buckets.clear();
            }
        }
        let mut wait = 0.0f64;
        for (name, rate) in limits {
            let fresh = Bucket {
                left: f64::from(rate.count.max(1)),
                at: now,
                rate: *rate,
            };
            let bucket = buckets
                .get(name)
                .filter(|bucket| bucket.rate == *rate)
                .copied()
                .unwrap_or(fresh);
            let (left, asked) = (bucket.filled(now), f64::from(many).min(bucket.size()));
            if left < asked {
                wait = wait.max((asked - left) / bucket.per_second());
            }
        }
        if wait > 0.0 {
            return Err((wait.ceil() as u32).max(1));
        }
        for (name, rate) in limits {
            let fresh = Bucket {
                left: f64::from(rate.count.max(1)),
                at: now,
                rate: *rate,
            };
            let bucket = buckets.entry(name.clone()).or_insert(fresh);
            if bucket.rate != *rate {
                *bucket = fresh;
            }
            bucket.left = (bucket.filled(now) - f64::from(many)).max(0.0);
            bucket.at = now;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + seconds).unwrap()
    }

    /// L3: five a minute are five, the sixth waits, and a minute later there are five again.
    #[test]
    fn what_is_used_up_fills_again_with_time() {
        let throttle = Throttle::default();
        let limits = [("ip".to_owned(), Rate::a_minute(5))];
        assert_eq!(
            (0..9)
                .filter(|_| throttle.draw(at(0), &limits).is_ok())
                .count(),
            5
        );
        assert_eq!(throttle.draw(at(0), &limits), Err(12));
        assert_eq!(
            (0..9)
                .filter(|_| throttle.draw(at(60), &limits).is_ok())
                .count(),
            5
        );
    }

    /// A refusal by one limit costs nothing with the others.
    #[test]
    fn a_refusal_draws_from_no_limit() {
        let throttle = Throttle::default();
        let (small, large) = (
            ("small".to_owned(), Rate::a_minute(1)),
            ("large".to_owned(), Rate::an_hour(3)),
        );
        assert!(
            throttle
                .draw(at(0), &[small.clone(), large.clone()])
                .is_ok()
        );
        for _ in 0..10 {
            assert!(
                throttle
                    .draw(at(0), &[small.clone(), large.clone()])
                    .is_err()
            );
        }
        assert!(throttle.draw(at(0), std::slice::from_ref(&large)).is_ok());
        assert!(throttle.draw(at(0), std::slice::from_ref(&large)).is_ok());
        assert!(throttle.draw(at(0), std::slice::from_ref(&large)).is_err());
    }

    /// Hostile input is normal: a flood of names does not fill the memory.
    #[test]
    fn a_flood_of_names_is_bounded() {
        let throttle = Throttle::default();
        for n in 0..(MOST + 500) {
            assert!(
                throttle
                    .draw(at(0), &[(n.to_string(), Rate::a_minute(2))])
                    .is_ok()
            );
        }
        assert!(throttle.0.lock().unwrap().len() <= MOST);
    }
}
