//! Countries and territories by their two letters.

use super::{Zone, tables};
use std::{fmt, str::FromStr};

/// A country or territory: ISO 3166-1 alpha-2 in capitals. Only codes that exist can be made.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Region([u8; 2]);

/// A text that names no country.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{code:?} is no country code; use two letters such as US or GB")]
pub struct RegionError {
    /// What was written, cut to 16 characters.
    pub code: String,
}

impl Region {
    /// The United States.
    pub const US: Self = Self(*b"US");
    /// Canada.
    pub const CA: Self = Self(*b"CA");
    /// The United Kingdom without the Crown Dependencies, which are regions of their own.
    pub const GB: Self = Self(*b"GB");

    /// Reads two letters in any case.
    pub fn from_bytes(code: [u8; 2]) -> Option<Self> {
        let code = code.map(|byte| byte.to_ascii_uppercase());
        tables::COUNTRIES
            .binary_search_by_key(&code, |(known, _, _)| *known)
            .is_ok()
            .then_some(Self(code))
    }

    /// The two letters.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }

    fn row(self) -> Option<&'static ([u8; 2], &'static str, &'static [u16])> {
        tables::COUNTRIES
            .binary_search_by_key(&self.0, |(known, _, _)| *known)
            .ok()
            .map(|at| &tables::COUNTRIES[at])
    }

    /// The English name as it stands in a sentence: "Ireland", "the United Kingdom".
    pub fn name(self) -> &'static str {
        self.row().map_or("", |(_, name, _)| name)
    }

    /// Every time zone of the country.
    pub fn zones(self) -> impl Iterator<Item = Zone> {
        self.row()
            .map_or(&[] as &[u16], |(_, _, zones)| zones)
            .iter()
            .map(|zone| Zone::from_index(*zone))
    }
}

impl fmt::Debug for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Region {
    type Err = RegionError;
    fn from_str(text: &str) -> Result<Self, RegionError> {
        <[u8; 2]>::try_from(text.trim().as_bytes())
            .ok()
            .and_then(Self::from_bytes)
            .ok_or_else(|| RegionError {
                code: text.chars().take(16).collect(),
            })
    }
}

impl serde::Serialize for Region {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> serde::Deserialize<'de> for Region {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_region_is_read_in_any_case_and_only_when_it_exists() {
        assert_eq!("gb".parse(), Ok(Region::GB));
        assert_eq!(" US ".parse(), Ok(Region::US));
        for wrong in ["", "U", "USA", "UK", "ZZ", "ü", "12", "u\0"] {
            assert!(wrong.parse::<Region>().is_err(), "{wrong:?}");
        }
        assert_eq!(Region::GB.name(), "the United Kingdom");
        assert_eq!(serde_json::to_string(&Region::US).unwrap(), "\"US\"");
        assert_eq!(
            serde_json::from_str::<Region>("\"ca\"").unwrap(),
            Region::CA
        );
    }

    #[test]
    fn a_region_knows_its_zones() {
        let zones: Vec<_> = Region::GB.zones().map(Zone::name).collect();
        assert_eq!(zones, ["Europe/London"]);
        assert!("BR".parse::<Region>().unwrap().zones().count() > 10);
    }
}
