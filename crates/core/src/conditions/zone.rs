//! A time zone named beside a comparison.

use jiff::tz::{TimeZone, TimeZoneDatabase};

/// A zone by its IANA name, from the data that is compiled in, so that every node reads the same hour.
#[derive(Debug, Clone)]
pub(super) struct Zone {
    name: Box<str>,
    rules: TimeZone,
}

impl PartialEq for Zone {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Zone {
    pub(super) fn read(name: &str) -> Option<Self> {
        let rules = TimeZoneDatabase::bundled().get(name).ok()?;
        Some(Self {
            name: name.into(),
            rules,
        })
    }

    pub(super) const fn rules(&self) -> &TimeZone {
        &self.rules
    }
}
