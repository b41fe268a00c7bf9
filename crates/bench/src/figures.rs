//! Figures as they are printed: rates and milliseconds, medians and tails.

use hdrhistogram::Histogram;
use std::time::Duration;

/// What takes longer counts as an hour.
const LONGEST_US: u64 = 3_600_000_000;

/// Durations that were seen, to three significant digits.
#[derive(Debug, Clone)]
pub struct Latencies(Histogram<u64>);

impl Latencies {
    /// Nothing seen yet.
    pub fn new() -> Self {
        let made = Histogram::new_with_max(LONGEST_US, 3);
        Self(made.expect("an hour with three digits is within a histogram's bounds"))
    }

    /// Takes one duration in.
    pub fn see(&mut self, duration: Duration) {
        self.see_us(u64::try_from(duration.as_micros()).unwrap_or(u64::MAX));
    }

    /// Takes one duration in, in microseconds.
    pub fn see_us(&mut self, us: u64) {
        self.0.saturating_record(us.max(1));
    }

    /// Takes in all that another one saw.
    pub fn join(&mut self, other: &Self) {
        self.0
            .add(&other.0)
            .expect("both histograms have the same bounds");
    }

    /// How many were seen.
    #[cfg(test)]
    pub fn count(&self) -> u64 {
        self.0.len()
    }

    /// The duration that a share of `quantile` did not exceed, in milliseconds.
    pub fn ms(&self, quantile: f64) -> f64 {
        round(self.0.value_at_quantile(quantile) as f64 / 1_000.0, 3)
    }
}

/// Rounds to `digits` behind the point; what cannot be divided is 0.
pub fn round(value: f64, digits: i32) -> f64 {
    let scale = 10f64.powi(digits);
    let rounded = (value * scale).round() / scale;
    if rounded.is_finite() { rounded } else { 0.0 }
}

/// `part / whole`, 0 when there is no whole.
pub fn per(part: f64, whole: f64, digits: i32) -> f64 {
    round(part / whole, digits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_those_of_the_values() {
        let mut all = Latencies::new();
        let mut half = Latencies::new();
        for ms in 1..=50u64 {
            all.see(Duration::from_millis(ms));
            half.see(Duration::from_millis(50 + ms));
        }
        all.join(&half);
        assert_eq!(all.count(), 100);
        assert!((all.ms(0.5) - 50.0).abs() < 0.1, "{}", all.ms(0.5));
        assert!((all.ms(0.99) - 99.0).abs() < 0.1, "{}", all.ms(0.99));
    }

    #[test]
    fn a_rate_without_a_time_is_zero() {
        assert_eq!(per(3.0, 0.0, 2), 0.0);
        assert_eq!(per(1.0, 3.0, 2), 0.33);
    }
}
