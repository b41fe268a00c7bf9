//! The chain that consents and administrative actions hang on: nothing can be changed, taken out or put in unseen, and what a person
//! asks to be erased can be erased while the chain still verifies (C1, X6).
//!
//! An entry holds a commitment to its payload, not the payload: SHA-256 over a random salt and the payload's fields. Salt and payload
//! lie in the row that the entry names. Erasing both leaves the entry whole, and nobody can guess the payload back without the salt.

use crate::ids::TenantId;
use crate::time::{Timestamp, micros};
use sha2::{Digest, Sha256};
use std::fmt;
use std::str::FromStr;

/// Which table an entry's row is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Entry {
    /// A grant or revocation of consent.
    Consent = 0,
    /// An administrative action.
    Audit = 1,
}

impl Entry {
    /// Reads a stored number.
    pub const fn from_code(code: i64) -> Option<Self> {
        match code {
            0 => Some(Self::Consent),
            1 => Some(Self::Audit),
            _ => None,
        }
    }

    /// The table, for people who look for a row.
    pub const fn table(self) -> &'static str {
        match self {
            Self::Consent => "consents",
            Self::Audit => "audit",
        }
    }
}

/// A commitment, or the hash of a chain up to an entry.
pub type Hash = [u8; 32];

/// What makes a payload's hash unguessable; erased with it.
pub type Salt = [u8; 16];

/// Takes in a payload field by field, each with its length in front: no two payloads read alike.
#[derive(Debug, Clone)]
pub struct Payload(Sha256);

impl Payload {
    /// Begins with the salt.
    pub fn salted(salt: &Salt) -> Self {
        Self(Sha256::new_with_prefix(salt))
    }

    /// A text, or that there is none.
    #[must_use]
    pub fn text(self, text: Option<&str>) -> Self {
        self.bytes(text.map(str::as_bytes))
    }

    /// Bytes, or that there are none. More than 4 GiB is no payload of ours.
    #[must_use]
    pub fn bytes(mut self, bytes: Option<&[u8]>) -> Self {
        match bytes {
            Some(bytes) => {
                let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX - 1);
                self.0.update(length.to_be_bytes());
                self.0.update(bytes);
            }
            None => self.0.update(u32::MAX.to_be_bytes()),
        }
        self
    }

    /// A number, or that there is none.
    #[must_use]
    pub fn number(self, number: Option<i64>) -> Self {
        match number {
            Some(number) => self.bytes(Some(&number.to_be_bytes())),
            None => self.bytes(None),
        }
    }

    /// The commitment.
    pub fn commitment(self) -> Hash {
        self.0.finalize().into()
    }
}

/// One entry before it is in its chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Link {
    /// Where the payload is.
    pub entry: Entry,
    /// The row's id there.
    pub row: i64,
    /// When it was written.
    pub at: Timestamp,
    /// What the payload was.
    pub commitment: Hash,
}

/// The end of a chain: how many entries it has and what they hash to. Written as `17:9f…`, it is an anchor that can be kept elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Head {
    /// The number of the last entry; 0 before the first.
    pub seq: i64,
    /// The hash of the last entry over all before it.
    pub hash: Hash,
}

impl Head {
    /// The head after one more entry. Every field has a fixed length and place, so that nothing depends on how it is stored.
    #[must_use]
    pub fn after(self, tenant: TenantId, link: &Link) -> Self {
        let seq = self.seq + 1;
        let hash = Sha256::new_with_prefix(b"ringback.v1")
            .chain_update(seq.to_be_bytes())
            .chain_update(micros(link.at).to_be_bytes())
            .chain_update(tenant.raw().to_be_bytes())
            .chain_update([link.entry as u8])
            .chain_update(link.row.to_be_bytes())
            .chain_update(link.commitment)
            .chain_update(self.hash)
            .finalize()
            .into();
        Self { seq, hash }
    }
}

impl fmt::Display for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.seq)?;
        self.hash
            .iter()
            .try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Why a text is no anchor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "an anchor is a number, a colon and 64 hexadecimal digits, as `ringback audit head` prints it"
)]
pub struct NoAnchor;

impl FromStr for Head {
    type Err = NoAnchor;

    fn from_str(text: &str) -> Result<Self, NoAnchor> {
        let (seq, digits) = text.trim().split_once(':').ok_or(NoAnchor)?;
        let seq = seq.parse().ok().filter(|seq| *seq >= 0).ok_or(NoAnchor)?;
        if digits.len() != 64 || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(NoAnchor);
        }
        let mut hash = [0; 32];
        for (at, byte) in hash.iter_mut().enumerate() {
            let pair = digits.get(at * 2..at * 2 + 2).ok_or(NoAnchor)?;
            *byte = u8::from_str_radix(pair, 16).map_err(|_| NoAnchor)?;
        }
        Ok(Self { seq, hash })
    }
}

/// The hash under which a wording is kept once, however many people read it.
pub fn wording_hash(text: &str) -> Hash {
    Sha256::digest(text.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link(row: i64) -> Link {
        Link {
            entry: Entry::Consent,
            row,
            at: Timestamp::UNIX_EPOCH,
            commitment: Payload::salted(&[7; 16]).text(Some("sms")).commitment(),
        }
    }

    /// C1: two payloads that only move a letter over a border are two payloads, and none is not empty.
    #[test]
    fn payloads_do_not_read_alike() {
        let salt = [1; 16];
        let of =
            |a: Option<&str>, b: Option<&str>| Payload::salted(&salt).text(a).text(b).commitment();
        let all = [
            of(Some("ab"), Some("c")),
            of(Some("a"), Some("bc")),
            of(Some("abc"), None),
            of(None, Some("abc")),
            of(Some("abc"), Some("")),
            Payload::salted(&[2; 16])
                .text(Some("abc"))
                .text(Some(""))
                .commitment(),
        ];
        for (at, one) in all.iter().enumerate() {
            assert!(!all[..at].contains(one), "{at}");
        }
    }

    /// C1: every field of an entry, its place and its tenant are in the hash.
    #[test]
    fn every_field_of_an_entry_counts() {
        let tenant = TenantId::from_raw(5);
        let start = Head::default().after(tenant, &link(1));
        let base = link(2);
        let others = [
            Link {
                entry: Entry::Audit,
                ..base
            },
            Link { row: 3, ..base },
            Link {
                at: Timestamp::from_second(1).unwrap(),
                ..base
            },
            Link {
                commitment: [0; 32],
                ..base
            },
        ];
        let whole = start.after(tenant, &base);
        assert_eq!(whole.seq, 2);
        for other in others {
            assert_ne!(start.after(tenant, &other).hash, whole.hash, "{other:?}");
        }
        assert_ne!(start.after(TenantId::from_raw(6), &base).hash, whole.hash);
        assert_ne!(Head::default().after(tenant, &base).hash, whole.hash);
    }

    /// P15: an anchor is read back as it was written, and nothing else is one.
    #[test]
    fn an_anchor_is_read_back() {
        let head = Head::default().after(TenantId::from_raw(5), &link(1));
        assert_eq!(head.to_string().parse(), Ok(head));
        for text in [
            "",
            "1",
            "1:",
            "x:00",
            "-1:00",
            &format!("1:{}", "é".repeat(32)),
            &head.to_string()[..60],
        ] {
            assert_eq!(text.parse::<Head>(), Err(NoAnchor), "{text}");
        }
    }

    /// C1: an entry says in which table its row is.
    #[test]
    fn an_entry_names_its_table() {
        for (code, entry, table) in [(0, Entry::Consent, "consents"), (1, Entry::Audit, "audit")] {
            assert_eq!(Entry::from_code(code), Some(entry));
            assert_eq!((entry as i64, entry.table()), (code, table));
        }
        assert_eq!(Entry::from_code(2), None);
    }

    /// C1: numbers are part of a payload too, and none is not zero; a chain made long ago still verifies.
    #[test]
    fn a_chain_made_long_ago_still_verifies() {
        let of = |number| Payload::salted(&[1; 16]).number(number).commitment();
        assert!(of(Some(0)) != of(None) && of(Some(1)) != of(Some(-1)) && of(None) != [0; 32]);
        // Worked out apart from this program: SHA-256 over salt, lengths and bytes, then over the fields in their order.
        let head = Head::default().after(TenantId::from_raw(5), &link(1));
        assert_eq!(
            head.to_string(),
            "1:6c31e2d4afe7330b3a2677c8f7f06baeda491dc0f55c598e32d32e9a0f46c1b1"
        );
        let words: String = wording_hash("Yes.")
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        assert_eq!(
            words,
            "5f9a2b795615ba6a3d5455fd5624d773fbca5bcd16249c421fd37411dc9837da"
        );
        assert!(format!("{head}x").parse::<Head>() == Err(NoAnchor));
        assert_eq!(
            format!(" {} ", head.to_string().to_uppercase()).parse(),
            Ok(head)
        );
        assert_eq!(
            head.to_string().replacen(':', ":g", 1)[..67].parse::<Head>(),
            Err(NoAnchor)
        );
    }
}
