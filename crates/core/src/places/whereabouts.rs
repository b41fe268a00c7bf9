//! Which places a person may be in: sets from every source, never one pick (C4).

use super::{Region, State, Zone, state};
use crate::contact::{Phone, PhoneProfile};
use smallvec::SmallVec;

/// Everything known about where a person is. Borrowed, as the lead's record holds it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Whereabouts<'a> {
    /// An IANA zone that the person or their browser named.
    pub explicit_zone: Option<&'a str>,
    /// ZIP or postal code of the address.
    pub zip: Option<&'a str>,
    /// State or province, letters or name.
    pub state: Option<&'a str>,
    /// The number that would be reached.
    pub phone: Option<&'a Phone>,
    /// Country of the address.
    pub country: Option<Region>,
}

/// Where a zone, state or country was learned from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum Source {
    /// The person's own time zone.
    TimeZone = 1,
    /// ZIP or postal code.
    PostalCode = 2,
    /// State or province of the address.
    State = 4,
    /// The area code of the number.
    AreaCode = 8,
    /// The country of the address or of the number.
    Country = 16,
    /// Nothing is known: Eastern to Pacific stand in.
    Fallback = 32,
}

impl Source {
    const ALL: [Self; 6] = [
        Self::TimeZone,
        Self::PostalCode,
        Self::State,
        Self::AreaCode,
        Self::Country,
        Self::Fallback,
    ];

    /// The word for people.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::TimeZone => "time zone",
            Self::PostalCode => "postal code",
            Self::State => "state",
            Self::AreaCode => "area code",
            Self::Country => "country",
            Self::Fallback => "fallback",
        }
    }
}

/// A set of sources.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct Sources(u8);

impl Sources {
    /// The sources in the set.
    pub fn iter(self) -> impl Iterator<Item = Source> {
        Source::ALL
            .into_iter()
            .filter(move |source| self.has(*source))
    }

    /// Whether the source is in the set.
    pub const fn has(self, source: Source) -> bool {
        self.0 & source as u8 != 0
    }

    const fn with(self, source: Source) -> Self {
        Self(self.0 | source as u8)
    }
}

impl std::fmt::Debug for Sources {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

impl serde::Serialize for Sources {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter())
    }
}

/// The places a person may be in: every message must be lawful in all of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Places {
    /// Every zone that some source names, with its sources.
    pub zones: SmallVec<[(Zone, Sources); 4]>,
    /// Every state or province named or implied.
    pub states: SmallVec<[(State, Sources); 2]>,
    /// Every country named or implied.
    pub countries: SmallVec<[Region; 2]>,
    /// No source names a place: promotional messages stay, others go in the hours of Eastern to Pacific.
    pub unknown: bool,
    /// Sources that were given but could not be read.
    pub unread: Sources,
}

impl Whereabouts<'_> {
    /// The union of what all sources say. Well under a microsecond for North America.
    pub fn places(&self) -> Places {
        let mut places = Places {
            zones: SmallVec::new(),
            states: SmallVec::new(),
            countries: SmallVec::new(),
            unknown: false,
            unread: Sources::default(),
        };
        let profile = self.phone.map(Phone::profile);
        let numbered = profile.and_then(|profile| profile.region);
        if let Some(name) = self.explicit_zone.filter(|name| !name.trim().is_empty()) {
            match Zone::find(name) {
                Some(zone) => places.add_zone(zone, Source::TimeZone),
                None => places.miss(Source::TimeZone),
            }
        }
        // "10115" is a ZIP of New York and a postal code of Berlin, "WA" lies in two countries: an address without a
        // country is read as American only when the number does not say otherwise.
        let address = self.country.or(numbered).map_or(Address::Open, Address::of);
        if let Some(text) = self.zip.filter(|text| !text.trim().is_empty()) {
            places.add_postal(text, address);
        }
        if let Some(text) = self.state.filter(|text| !text.trim().is_empty()) {
            places.add_state_named(text, address);
        }
        if let (Some(phone), Some(profile)) = (self.phone, profile) {
            places.add_phone(phone, profile);
        }
        if let Some(country) = self.country {
            places.add_country(country);
            // A country of many states says too little; one of few zones says all there is to say.
            if places.zones.is_empty() && !matches!(country, Region::US | Region::CA) {
                places.add_zones(country.zones(), Source::Country);
            }
        }
        places.settle();
        places
    }
}

/// Whose states and postal codes an address is read with.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Address {
    Open,
    American,
    Canadian,
    Elsewhere,
}

impl Address {
    fn of(country: Region) -> Self {
        match country.as_str() {
            "US" | "PR" | "VI" | "GU" | "MP" | "AS" | "UM" => Self::American,
            "CA" => Self::Canadian,
            _ => Self::Elsewhere,
        }
    }

    fn may_be(self, country: Region) -> bool {
        match self {
            Self::Open => true,
            Self::American => country == Region::US,
            Self::Canadian => country == Region::CA,
            Self::Elsewhere => false,
        }
    }
}

impl Places {
    fn add_zone(&mut self, zone: Zone, source: Source) {
        match self.zones.iter_mut().find(|(known, _)| *known == zone) {
            Some((_, sources)) => *sources = sources.with(source),
            None => self.zones.push((zone, Sources::default().with(source))),
        }
    }

    fn add_zones(&mut self, zones: impl Iterator<Item = Zone>, source: Source) {
        for zone in zones {
            self.add_zone(zone, source);
        }
    }

    fn add_state(&mut self, state: State, source: Source) {
        match self.states.iter_mut().find(|(known, _)| *known == state) {
            Some((_, sources)) => *sources = sources.with(source),
            None => self.states.push((state, Sources::default().with(source))),
        }
        self.add_country(state.country());
    }

    fn add_country(&mut self, country: Region) {
        // Territories live under the law of the United States.
        let country = if Address::of(country) == Address::American {
            Region::US
        } else {
            country
        };
        if !self.countries.contains(&country) {
            self.countries.push(country);
        }
    }

    fn miss(&mut self, source: Source) {
        self.unread = self.unread.with(source);
    }

    fn add_postal(&mut self, text: &str, address: Address) {
        let found = state::us_zip(text)
            .or_else(|| state::canadian_code(text))
            .filter(|postal| address.may_be(postal.state.country()));
        match found {
            Some(postal) => {
                self.add_state(postal.state, Source::PostalCode);
                match postal.zone {
                    Some(zone) => self.add_zone(zone, Source::PostalCode),
                    None => self.add_zones(postal.state.zones(), Source::PostalCode),
                }
            }
            None => self.miss(Source::PostalCode),
        }
    }

    fn add_state_named(&mut self, text: &str, address: Address) {
        match State::find(text).filter(|state| address.may_be(state.country())) {
            Some(state) => {
                self.add_state(state, Source::State);
                self.add_zones(state.zones(), Source::State);
            }
            None => self.miss(Source::State),
        }
    }

    fn add_phone(&mut self, phone: &Phone, profile: PhoneProfile) {
        let north_american = phone.area_code();
        if let Some((state, zones)) = north_american.and_then(state::area_code) {
            self.add_state(state, Source::AreaCode);
            self.add_zones(zones, Source::AreaCode);
            return;
        }
        let Some(region) = profile.region else {
            self.miss(Source::AreaCode);
            return;
        };
        // The library gives toll-free and other shared codes of North America to the United States; they say nothing.
        if north_american.is_some() && matches!(region, Region::US | Region::CA) {
            self.miss(Source::AreaCode);
            return;
        }
        if north_american.is_some() && shared_north_american(profile) {
            self.miss(Source::AreaCode);
            return;
        }
        self.add_country(region);
        self.add_zones(region.zones(), Source::Country);
    }

    /// Names the country of a bare time zone, and lets Eastern to Pacific stand in when nothing is known.
    fn settle(&mut self) {
        if self.countries.is_empty() {
            let countries: SmallVec<[Region; 2]> = self
                .zones
                .iter()
                .filter_map(|(zone, _)| zone.country())
                .collect();
            for country in countries {
                self.add_country(country);
            }
        }
        let military = self.states.iter().any(|(state, _)| state.is_military());
        self.unknown = self.zones.is_empty() || self.countries.is_empty() || military;
        if self.unknown {
            for name in [
                "America/New_York",
                "America/Chicago",
                "America/Denver",
                "America/Los_Angeles",
            ] {
                if let Some(zone) = Zone::find(name) {
                    self.add_zone(zone, Source::Fallback);
                }
            }
        }
    }
}

/// Kinds whose numbers all countries of North America share.
fn shared_north_american(profile: PhoneProfile) -> bool {
    use crate::contact::PhoneKind::{Personal, Premium, TollFree, Unknown};
    matches!(profile.kind, TollFree | Premium | Personal | Unknown)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn look(whereabouts: Whereabouts) -> (BTreeSet<&'static str>, BTreeSet<&'static str>, bool) {
        let places = whereabouts.places();
        (
            places.zones.iter().map(|(zone, _)| zone.name()).collect(),
            places
                .states
                .iter()
                .map(|(state, _)| state.code())
                .collect(),
            places.unknown,
        )
    }

    const EASTERN: &str = "America/New_York";
    const CENTRAL: &str = "America/Chicago";
    const PACIFIC: &str = "America/Los_Angeles";

    /// C4: all sources count; one never replaces another.
    #[test]
    fn zones_and_states_are_the_union_of_all_sources() {
        let phone = Phone::from_e164("+12125550123").unwrap();
        let base = Whereabouts {
            phone: Some(&phone),
            ..Whereabouts::default()
        };
        assert_eq!(look(base), ([EASTERN].into(), ["NY"].into(), false));
        let seattle = Whereabouts {
            zip: Some("98101"),
            ..base
        };
        assert_eq!(
            look(seattle),
            ([EASTERN, PACIFIC].into(), ["NY", "WA"].into(), false)
        );
        let stated = Whereabouts {
            state: Some("florida"),
            ..base
        };
        assert_eq!(
            look(stated),
            ([EASTERN, CENTRAL].into(), ["NY", "FL"].into(), false)
        );
        let named = Whereabouts {
            explicit_zone: Some("Pacific/Honolulu"),
            ..base
        };
        assert_eq!(
            look(named),
            ([EASTERN, "Pacific/Honolulu"].into(), ["NY"].into(), false)
        );
        let abroad = Whereabouts {
            country: Some("FR".parse().unwrap()),
            ..base
        };
        assert_eq!(abroad.places().countries.len(), 2);
        let sources: Vec<_> = seattle
            .places()
            .zones
            .iter()
            .map(|(zone, from)| (zone.name(), format!("{from:?}")))
            .collect();
        assert_eq!(
            sources,
            [
                (PACIFIC, "{PostalCode}".to_owned()),
                (EASTERN, "{AreaCode}".to_owned())
            ]
        );
    }

    /// C4: nothing known, a toll-free number, military mail: the place is unknown.
    #[test]
    fn an_unknown_place_is_said_to_be_unknown() {
        let all = BTreeSet::from([EASTERN, CENTRAL, "America/Denver", PACIFIC]);
        assert_eq!(look(Whereabouts::default()), (all.clone(), [].into(), true));
        for e164 in [
            "+18005550199",
            "+18885550199",
            "+80012345678",
            "+15005550006",
        ] {
            let phone = Phone::from_e164(e164).unwrap();
            let known = look(Whereabouts {
                phone: Some(&phone),
                ..Whereabouts::default()
            });
            assert_eq!(known, (all.clone(), [].into(), true), "{e164}");
        }
        let us = Whereabouts {
            country: Some(Region::US),
            ..Whereabouts::default()
        };
        assert!(look(us).2);
        let military = Whereabouts {
            zip: Some("09002"),
            ..Whereabouts::default()
        };
        assert!(look(military).2);
        let toll_free = Phone::from_e164("+18005550199").unwrap();
        let with_zip = Whereabouts {
            phone: Some(&toll_free),
            zip: Some("10001"),
            ..Whereabouts::default()
        };
        assert_eq!(look(with_zip), ([EASTERN].into(), ["NY"].into(), false));
    }

    /// C4: +1 is not "US", and other countries bring their own zones.
    #[test]
    fn other_countries_bring_their_own_zones() {
        for (e164, country, zones) in [
            ("+18765230123", "JM", &["America/Jamaica"][..]),
            ("+12425022000", "BS", &["America/Nassau"]),
            ("+447400123456", "GB", &["Europe/London"]),
            ("+447911123456", "GG", &["Europe/Guernsey"]),
            ("+33612345678", "FR", &["Europe/Paris"]),
            (
                "+34612345678",
                "ES",
                &["Africa/Ceuta", "Atlantic/Canary", "Europe/Madrid"],
            ),
        ] {
            let phone = Phone::from_e164(e164).unwrap();
            let places = Whereabouts {
                phone: Some(&phone),
                ..Whereabouts::default()
            }
            .places();
            assert_eq!(
                places.countries.as_slice(),
                [country.parse().unwrap()],
                "{e164}"
            );
            let names: BTreeSet<_> = places.zones.iter().map(|(zone, _)| zone.name()).collect();
            assert_eq!(names, zones.iter().copied().collect(), "{e164}");
            assert!(!places.unknown);
        }
    }

    /// C4: a ZIP or state of one country is not read as another's.
    #[test]
    fn an_address_is_read_with_its_own_country() {
        let german = Phone::from_e164("+4915123456789").unwrap();
        let berlin = Whereabouts {
            phone: Some(&german),
            zip: Some("10115"),
            ..Whereabouts::default()
        }
        .places();
        assert!(berlin.states.is_empty() && berlin.unread.has(Source::PostalCode));
        let perth = Whereabouts {
            state: Some("WA"),
            country: Some("AU".parse().unwrap()),
            ..Whereabouts::default()
        };
        assert!(perth.places().states.is_empty());
        let ottawa = Whereabouts {
            zip: Some("K1A 0B1"),
            country: Some(Region::CA),
            ..Whereabouts::default()
        };
        assert!(look(ottawa).1.contains("ON"));
        let both = Whereabouts {
            phone: Some(&german),
            zip: Some("10001"),
            country: Some(Region::US),
            ..Whereabouts::default()
        };
        assert_eq!(
            look(both),
            (
                [EASTERN, "Europe/Berlin", "Europe/Busingen"].into(),
                ["NY"].into(),
                false
            )
        );
    }

    #[test]
    fn what_cannot_be_read_is_noted_and_left_out() {
        let phone = Phone::from_e164("+12125550123").unwrap();
        let places = Whereabouts {
            explicit_zone: Some("Mars/Olympus"),
            zip: Some("00000"),
            state: Some("Atlantis"),
            phone: Some(&phone),
            country: None,
        }
        .places();
        assert_eq!(
            format!("{:?}", places.unread),
            "{TimeZone, PostalCode, State}"
        );
        assert_eq!(places.zones.len(), 1);
        let bare = Whereabouts {
            explicit_zone: Some("Europe/Paris"),
            ..Whereabouts::default()
        }
        .places();
        assert_eq!(
            (bare.countries.as_slice(), bare.unknown),
            (&["FR".parse().unwrap()][..], false)
        );
        let nameless = Whereabouts {
            explicit_zone: Some("Etc/GMT+5"),
            ..Whereabouts::default()
        }
        .places();
        assert!(nameless.unknown && nameless.zones.len() == 5);
    }
}
