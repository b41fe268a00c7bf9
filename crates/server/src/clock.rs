//! The one place that reads the wall clock and throws dice.

use rand::Rng;
use ringback_channels::BootClock;
use ringback_core::time::{Clock, Timestamp};
use ringback_core::turn::Dice;
use std::time::Duration;

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct WallClock;

impl Clock for WallClock {
    #[expect(clippy::disallowed_methods, reason = "this is the one place")]
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    fn since_boot(&self) -> Option<Duration> {
        Some(BootClock::of_the_machine().now())
    }
}

/// The machine's dice.
#[derive(Debug, Clone, Copy, Default)]
pub struct WallDice;

impl Dice for WallDice {
    fn roll(&mut self) -> f64 {
        rand::rng().random()
    }
}

/// `N` bytes that nobody can guess.
pub fn random_bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    rand::rng().fill(&mut bytes[..]);
    bytes
}
