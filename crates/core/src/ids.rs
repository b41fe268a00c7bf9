//! Identifiers: 63-bit integers in time order, shown as prefix and 13 letters (`lead_0h3k…`).
//!
//! An id is milliseconds since 2024 (41 bits), node (6 bits) and a sequence (16 bits). The public form permutes the bits, so
//! that neighbours do not look alike; it needs no second column. Ids are not secrets: what must not be guessed has a token of its own.

use crate::time::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::{fmt, str::FromStr};

const EPOCH_MS: i64 = 1_704_067_200_000; // 2024-01-01T00:00:00Z
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz"; // Crockford's base32
const MASK: u64 = (1 << 63) - 1;
const ODD: u64 = 0x5851_f42d_4c95_7f2d;

/// Why a text is no id of the wanted kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "not an id of this kind: it starts with {expected}_ and has 13 letters and digits after that"
)]
pub struct IdError {
    /// The prefix that was expected, without the underscore.
    pub expected: &'static str,
}

fn inverse(odd: u64) -> u64 {
    // Newton's iteration doubles the correct low bits each time; five rounds reach 64.
    (0..5).fold(odd, |x, _| {
        x.wrapping_mul(2u64.wrapping_sub(odd.wrapping_mul(x)))
    })
}

fn permute(raw: u64) -> u64 {
    let x = raw.wrapping_mul(ODD) & MASK;
    let x = x ^ (x >> 32);
    x.wrapping_mul(ODD) & MASK
}

fn restore(shown: u64) -> u64 {
    let back = inverse(ODD);
    let x = shown.wrapping_mul(back) & MASK;
    let x = x ^ (x >> 32);
    x.wrapping_mul(back) & MASK
}

/// The 13 letters of a raw id.
fn letters(raw: i64) -> [u8; 13] {
    let mut rest = permute(raw as u64 & MASK);
    let mut out = [b'0'; 13];
    for slot in out.iter_mut().rev() {
        *slot = ALPHABET[(rest & 31) as usize];
        rest >>= 5;
    }
    out
}

fn read(letters: &str) -> Option<i64> {
    if letters.len() != 13 {
        return None;
    }
    let mut shown = 0u64;
    for byte in letters.bytes() {
        let digit = ALPHABET.iter().position(|c| *c == byte)? as u64;
        shown = shown.checked_mul(32)?.checked_add(digit)?;
    }
    let raw = (shown <= MASK).then(|| restore(shown))?;
    i64::try_from(raw).ok().filter(|raw| *raw > 0)
}

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident = $prefix:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(i64);

        impl $name {
            /// The prefix of the public form, without the underscore.
            pub const PREFIX: &'static str = $prefix;

            /// Takes a stored integer; only the store and the id maker have one.
            pub const fn from_raw(raw: i64) -> Self {
                Self(raw)
            }

            /// The integer that is stored.
            pub const fn raw(self) -> i64 {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let letters = letters(self.0);
                write!(f, "{}_{}", Self::PREFIX, std::str::from_utf8(&letters).unwrap_or_default())
            }
        }

        impl FromStr for $name {
            type Err = IdError;
            fn from_str(text: &str) -> Result<Self, IdError> {
                text.strip_prefix(concat!($prefix, "_")).and_then(read).map(Self).ok_or(IdError { expected: $prefix })
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    )*};
}

ids! {
    /// An order for a person or another part of the house.
    WorkId = "work";
    /// One client business, the unit of isolation.
    TenantId = "tnt";
    /// A person who may buy.
    LeadId = "lead";
    /// Something a lead did or that happened to it.
    EventId = "evt";
    /// Visits less than 30 minutes apart.
    SessionId = "ses";
    /// One lead going through a workflow.
    RunId = "run";
    /// One send step for one recipient, over all its messages.
    NotificationId = "ntf";
    /// One communication to one recipient on one channel.
    MessageId = "msg";
    /// One call to a provider for a message.
    AttemptId = "att";
    /// A tenant's configured account at a provider.
    ConnectionId = "con";
    /// Who works the leads.
    StaffId = "stf";
    /// One grant or revocation.
    ConsentId = "cns";
    /// An API key.
    KeyId = "key";
    /// A person who signs in.
    UserId = "usr";
    /// One entry of the list of errors.
    ErrorId = "err";
    /// Dead letters of one cause: a hash of the cause, the same as long as the cause is.
    CauseId = "dead";
}

/// Makes ids that rise with time: at most 65,536 a millisecond and node; the next millisecond is borrowed when they run out.
#[derive(Debug, Clone)]
pub struct IdMaker {
    node: i64,
    last: i64,
}

impl IdMaker {
    /// A maker for node 0 to 63 that starts a second after `last`, the highest id that the store knows (0 for none). In that second lie
    /// ids that were given and are not in the store any more: of a call that a report settled before the server died.
    pub fn new(node: u8, last: i64) -> Self {
        let gap = if last == 0 { 0 } else { 1_000 << 16 };
        Self {
            node: i64::from(node & 63),
            last: (last >> 22 << 16 | (last & 0xffff)) + gap,
        }
    }

    /// The next raw id; never lower than one given before, also when the clock goes back.
    pub fn next(&mut self, now: Timestamp) -> i64 {
        let ms = (now.as_millisecond() - EPOCH_MS).max(1);
        self.last = (self.last + 1).max(ms << 16);
        (self.last >> 16) << 22 | self.node << 16 | (self.last & 0xffff)
    }
}

/// The instant by which an id was given, in milliseconds of Unix.
pub const fn given_ms(raw: i64) -> i64 {
    (raw >> 22) + EPOCH_MS
}

/// The lowest raw id that a maker of any node gives at that instant: what is older has a lower one.
pub fn first_of(at: Timestamp) -> i64 {
    (at.as_millisecond() - EPOCH_MS).max(0) << 22
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_public_form_reads_back() {
        let mut maker = IdMaker::new(5, 0);
        let now: Timestamp = "2026-11-21T16:00:00Z".parse().unwrap();
        let mut before = 0;
        for _ in 0..200_000 {
            let raw = maker.next(now);
            assert!(raw > before);
            before = raw;
        }
        let id = LeadId::from_raw(before);
        assert_eq!(id.to_string().parse::<LeadId>(), Ok(id));
        assert!(id.to_string().parse::<MessageId>().is_err());
        assert!("lead_zzzzzzzzzzzzz".parse::<LeadId>().is_err());
    }

    #[test]
    fn ids_before_and_after_an_instant_stand_on_its_sides() {
        let now: Timestamp = "2026-11-21T16:00:00Z".parse().unwrap();
        let before = IdMaker::new(63, 0).next(now - jiff::SignedDuration::from_millis(1));
        assert!(before < first_of(now));
        assert!(first_of(now) <= IdMaker::new(0, 0).next(now));
    }

    #[test]
    fn a_maker_goes_on_after_the_last_id_of_the_store() {
        let now: Timestamp = "2026-11-21T16:00:00Z".parse().unwrap();
        let mut first = IdMaker::new(0, 0);
        let last = (0..70_000).map(|_| first.next(now)).last().unwrap();
        assert!(IdMaker::new(0, last).next(now) > last);
    }
}
