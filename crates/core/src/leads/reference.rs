//! The human reference number of a lead (L5).
//!
//! A tenant's leads are counted; the count goes through a keyed Feistel network over 40 bits and is written as eight letters
//! (`K7Q2-M9XD`). It is unique because the network is a permutation, it cannot be enumerated without the tenant's secret, and it
//! needs no random index: reading it back gives the count, which is stored in order.

use sha2::{Digest, Sha256};

const ALPHABET: &[u8; 32] = b"23456789ABCDEFGHJKLMNPQRSTUVWXYZ"; // no 0, 1, I, O: people read it over the phone
const HALF: u64 = (1 << 20) - 1;
const ROUNDS: usize = 6;

/// A tenant's key for reference numbers, expanded once.
#[derive(Clone)]
pub struct ReferenceKey([[u64; 2]; ROUNDS]);

impl std::fmt::Debug for ReferenceKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ReferenceKey(***)")
    }
}

impl ReferenceKey {
    /// Expands the tenant's secret.
    pub fn new(secret: &[u8]) -> Self {
        let mut rounds = [[0; 2]; ROUNDS];
        for (round, keys) in rounds.iter_mut().enumerate() {
            let digest = Sha256::new()
                .chain_update(b"ringback.reference")
                .chain_update([round as u8])
                .chain_update(secret)
                .finalize();
            let mut words = digest.chunks_exact(8).map(|chunk| {
                chunk
                    .iter()
                    .fold(0u64, |word, byte| word << 8 | u64::from(*byte))
            });
            for key in keys {
                *key = words.next().unwrap_or_default();
            }
        }
        Self(rounds)
    }

    fn mix(&self, round: usize, half: u64) -> u64 {
        let [add, times] = self.0[round];
        let x = (half ^ add).wrapping_mul(times | 1);
        let x = (x ^ x >> 29).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        (x ^ x >> 32) & HALF
    }

    /// The reference of the tenant's `number`-th lead; numbers above 2^40 wrap, which no tenant reaches.
    pub fn write(&self, number: i64) -> String {
        let (mut left, mut right) = (number as u64 >> 20 & HALF, number as u64 & HALF);
        for round in 0..ROUNDS {
            (left, right) = (right, left ^ self.mix(round, right));
        }
        let mut shown = left << 20 | right;
        let mut letters = [b'2'; 9];
        for slot in [8, 7, 6, 5, 3, 2, 1, 0] {
            letters[slot] = ALPHABET[(shown & 31) as usize];
            shown >>= 5;
        }
        letters[4] = b'-';
        String::from_utf8_lossy(&letters).into_owned()
    }

    /// Reads a reference as people type it: any case, with or without the dash and `#`. `None` when it cannot be one.
    pub fn read(&self, typed: &str) -> Option<i64> {
        let mut shown = 0u64;
        let mut letters = 0;
        for byte in typed
            .bytes()
            .filter(|byte| !matches!(byte, b'-' | b' ' | b'#'))
        {
            let digit = ALPHABET
                .iter()
                .position(|c| *c == byte.to_ascii_uppercase())? as u64;
            shown = (shown << 5 | digit) & ((1 << 40) - 1);
            letters += 1;
        }
        if letters != 8 {
            return None;
        }
        let (mut left, mut right) = (shown >> 20, shown & HALF);
        for round in (0..ROUNDS).rev() {
            (left, right) = (right ^ self.mix(round, left), left);
        }
        Some((left << 20 | right) as i64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    /// L5: unique per tenant, and it reads back however it is typed.
    #[test]
    fn references_are_unique_and_read_back() {
        let key = ReferenceKey::new(b"tenant secret");
        let mut seen = HashSet::new();
        for number in 1..50_000 {
            let reference = key.write(number);
            assert_eq!(key.read(&reference), Some(number));
            assert!(seen.insert(reference));
        }
        let reference = key.write(7).to_lowercase().replace('-', "");
        assert_eq!(key.read(&format!("#{reference}")), Some(7));
        assert_eq!(key.read("K7Q2"), None);
    }

    /// L5: neighbours say nothing about each other, and another tenant's key reads something else.
    #[test]
    fn references_cannot_be_enumerated() {
        let (ours, theirs) = (ReferenceKey::new(b"a"), ReferenceKey::new(b"b"));
        let hits = (1..2_000)
            .filter(|number| {
                theirs
                    .read(&ours.write(*number))
                    .is_some_and(|read| read < 10_000)
            })
            .count();
        assert!(
            hits < 5,
            "{hits} references of one tenant read as low numbers of another"
        );
        let shared = ours
            .write(1)
            .bytes()
            .zip(ours.write(2).bytes())
            .filter(|(a, b)| a == b)
            .count();
        assert!(shared < 5);
    }
}
