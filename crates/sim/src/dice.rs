//! Chance that can be played again.

/// A SplitMix64 generator. Source: Steele, Lea, Flood, "Fast splittable pseudorandom number generators", 2014.
#[derive(Debug, Clone)]
pub struct Dice(u64);

impl Dice {
    /// Dice for a seed and a purpose, so that two purposes of one world do not share their throws.
    pub fn new(seed: u64, purpose: u64) -> Self {
        let mut dice = Self(
            seed.wrapping_mul(0x9e6c_63d0_876a_68e5) ^ purpose.wrapping_mul(0xd1b5_4a32_d192_ed03),
        );
        dice.throw();
        dice
    }

    /// The next 64 bits.
    pub fn throw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number from 0 up to, and without, `end` (0 when `end` is 0).
    pub fn below(&mut self, end: i64) -> i64 {
        ((u128::from(self.throw()) * end.max(0).unsigned_abs() as u128) >> 64) as i64
    }

    /// A number from `low` up to, and without, `high`.
    pub fn between(&mut self, low: i64, high: i64) -> i64 {
        low + self.below(high - low)
    }

    /// One of `choices`, which is not empty.
    pub fn pick<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len() as i64) as usize]
    }

    /// True in so many of a thousand throws.
    pub fn in_thousand(&mut self, n: i64) -> bool {
        self.below(1_000) < n
    }
}

impl ringback_core::turn::Dice for Dice {
    fn roll(&mut self) -> f64 {
        (self.throw() >> 11) as f64 / (1u64 << 53) as f64
    }
}
