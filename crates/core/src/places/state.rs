//! States of the United States (with its territories and military mail) and provinces of Canada.

use super::{Region, Zone, tables};
use std::{fmt, str::FromStr};

/// A state, territory or province, by its position in the table. Its codes do not collide between the two countries.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct State(u8);

/// A text that names no state or province.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{name:?} is no state or province; use its two letters, for example FL or ON")]
pub struct StateError {
    /// What was written, cut to 32 characters.
    pub name: String,
}

type Row = (&'static str, &'static str, [u8; 2], &'static [u16]);

impl State {
    fn row(self) -> &'static Row {
        &tables::STATES[usize::from(self.0)]
    }

    /// Every state and province, in order of their codes.
    pub fn all() -> impl Iterator<Item = Self> {
        (0u8..).take(tables::STATES.len()).map(Self)
    }

    /// Finds a state by its two letters or its whole English name, in any case: `FL`, `fl`, `Florida`.
    pub fn find(text: &str) -> Option<Self> {
        let text = text.trim().trim_end_matches('.');
        let at = tables::STATES.iter().position(|(code, name, _, _)| {
            code.eq_ignore_ascii_case(text) || name.eq_ignore_ascii_case(text)
        })?;
        u8::try_from(at).ok().map(Self)
    }

    /// The two letters.
    pub fn code(self) -> &'static str {
        self.row().0
    }

    /// The English name.
    pub fn name(self) -> &'static str {
        self.row().1
    }

    /// The United States or Canada.
    pub fn country(self) -> Region {
        if self.row().2 == *b"CA" {
            Region::CA
        } else {
            Region::US
        }
    }

    /// Every time zone kept in the state; none for military mail.
    pub fn zones(self) -> impl Iterator<Item = Zone> {
        self.row().3.iter().map(|zone| Zone::from_index(*zone))
    }

    /// Whether it is a post office of the armed forces, whose people can be anywhere.
    pub fn is_military(self) -> bool {
        matches!(self.code(), "AA" | "AE" | "AP")
    }
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl FromStr for State {
    type Err = StateError;
    fn from_str(text: &str) -> Result<Self, StateError> {
        Self::find(text).ok_or_else(|| StateError {
            name: text.chars().take(32).collect(),
        })
    }
}

impl serde::Serialize for State {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.code())
    }
}

impl<'de> serde::Deserialize<'de> for State {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// What a US ZIP (5 digits, or 9 with its dash) or a Canadian postal code says about the place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Postal {
    pub state: State,
    /// One zone for a ZIP; a Canadian code only tells the province.
    pub zone: Option<Zone>,
}

/// Looks a US ZIP up; none when there is no such ZIP.
pub(super) fn us_zip(text: &str) -> Option<Postal> {
    let text = text.trim();
    let (five, rest) = (text.get(..5)?, text.get(5..)?);
    let rest = rest.strip_prefix(['-', ' ']).unwrap_or(rest);
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(five) || !digits(rest) || !matches!(rest.len(), 0 | 4) {
        return None;
    }
    let zip: u32 = five.parse().ok()?;
    let word = tables::ZIP_KNOWN.get(zip as usize / 64)?;
    if word >> (zip % 64) & 1 == 0 {
        return None;
    }
    let after = tables::ZIP_RUNS.partition_point(|(first, _, _)| *first <= zip);
    let (_, state, zone) = tables::ZIP_RUNS[after.checked_sub(1)?];
    Some(Postal {
        state: State(state),
        zone: (zone != u16::MAX).then(|| Zone::from_index(zone)),
    })
}

/// Looks the province of a Canadian postal code (`V6B 1A1`, or its first three characters) up.
pub(super) fn canadian_code(text: &str) -> Option<Postal> {
    let text: String = text.chars().filter(|c| !matches!(c, ' ' | '-')).collect();
    let shape = text.bytes().enumerate().all(|(at, byte)| {
        if at % 2 == 0 {
            byte.is_ascii_alphabetic()
        } else {
            byte.is_ascii_digit()
        }
    });
    if !shape || !matches!(text.len(), 3 | 6) {
        return None;
    }
    let province = match text.as_bytes()[0].to_ascii_uppercase() {
        b'A' => "NL",
        b'B' => "NS",
        b'C' => "PE",
        b'E' => "NB",
        b'G' | b'H' | b'J' => "QC",
        b'K' | b'L' | b'M' | b'N' | b'P' => "ON",
        b'R' => "MB",
        b'S' => "SK",
        b'T' => "AB",
        b'V' => "BC",
        b'Y' => "YT",
        // Nunavut shares the X with the Northwest Territories and has the three first.
        b'X' if matches!(&text.to_ascii_uppercase()[..3], "X0A" | "X0B" | "X0C") => "NU",
        b'X' => "NT",
        _ => return None,
    };
    State::find(province).map(|state| Postal { state, zone: None })
}

/// The state of an area code and every zone in it.
pub(super) fn area_code(code: u16) -> Option<(State, impl Iterator<Item = Zone>)> {
    let at = tables::AREA_CODES
        .binary_search_by_key(&code, |(known, _, _)| *known)
        .ok()?;
    let (_, state, zones) = &tables::AREA_CODES[at];
    Some((
        State(*state),
        zones.iter().map(|zone| Zone::from_index(*zone)),
    ))
}

/// The country of an area code all of whose numbers are assigned alike: any exchange from 200 on is a valid number, fixed or
/// mobile. A test holds this against the numbering plan's own data; codes that are only partly in use are left to it.
pub(crate) fn plain_area_code(code: u16) -> Option<Region> {
    const PARTLY_IN_USE: [u16; 2] = [472, 983];
    let (state, _) = area_code(code)?;
    let territory = matches!(state.code(), "PR" | "VI" | "GU" | "MP" | "AS");
    (!territory && !PARTLY_IN_USE.contains(&code)).then(|| state.country())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn zones(code: u16) -> BTreeSet<&'static str> {
        area_code(code).unwrap().1.map(Zone::name).collect()
    }

    /// Offsets inside an area code on a winter and a summer day.
    fn offsets(code: u16) -> BTreeSet<(i32, i32)> {
        let [winter, summer] =
            ["2026-01-15T12:00:00Z", "2026-07-15T12:00:00Z"].map(|at| at.parse().unwrap());
        let of = |zone: Zone, at| zone.rules().to_offset(at).seconds() / 3600;
        area_code(code)
            .unwrap()
            .1
            .map(|zone| (of(zone, winter), of(zone, summer)))
            .collect()
    }

    /// C4: the seed list of codes with more than one offset inside; one zone for such a code would be wrong.
    #[test]
    fn split_area_codes_keep_all_their_zones() {
        for code in [
            208, 986, 541, 458, 775, 928, 308, 620, 785, 605, 701, 906, 219, 574, 812, 930, 270,
            364, 606, 423, 850, 448, 334, 907, 250, 236, 672, 778, 807, 709, 418, 581, 867,
        ] {
            assert!(offsets(code).len() > 1, "{code}: {:?}", zones(code));
        }
        assert!(zones(850).is_superset(&["America/Chicago", "America/New_York"].into()));
        assert!(zones(423).is_superset(&["America/Chicago", "America/New_York"].into()));
    }

    /// C4: noise of the ZIP data (an exchange that reaches over a border) does not widen a code.
    #[test]
    fn codes_of_one_zone_have_one() {
        for (code, state, zone) in [
            (212, "NY", "America/New_York"),
            (808, "HI", "Pacific/Honolulu"),
            (206, "WA", "America/Los_Angeles"),
            (706, "GA", "America/New_York"),
            (305, "FL", "America/New_York"),
            (405, "OK", "America/Chicago"),
            (602, "AZ", "America/Phoenix"),
            (787, "PR", "America/Puerto_Rico"),
            (671, "GU", "Pacific/Guam"),
            (604, "BC", "America/Vancouver"),
            (403, "AB", "America/Edmonton"),
            (587, "AB", "America/Edmonton"),
            (324, "FL", "America/New_York"),
            (235, "MO", "America/Chicago"),
        ] {
            assert_eq!(zones(code), [zone].into(), "{code}");
            assert_eq!(area_code(code).unwrap().0.code(), state, "{code}");
        }
        for unknown in [0, 242, 876, 809, 800, 888, 555, 600, 911, 999] {
            assert!(
                area_code(unknown).is_none(),
                "{unknown} is no code of the US or Canada"
            );
        }
    }

    /// Every code that libphonenumber gives to the US or Canada is in the table, and no other country's.
    #[test]
    fn the_table_has_the_area_codes_of_the_us_and_canada_and_no_others() {
        use crate::contact::{Phone, PhoneKind};
        let home = ["US", "CA", "PR", "VI", "GU", "MP", "AS"];
        for code in 200..1000u16 {
            // Territories assign only some exchanges; one of these is in use in each of them.
            let region = [234, 555, 633, 201].into_iter().find_map(|exchange| {
                let phone = Phone::from_e164(&format!("+1{code}{exchange}0123"))?;
                let profile = phone.profile();
                matches!(profile.kind, PhoneKind::FixedOrMobile | PhoneKind::Landline)
                    .then_some(profile.region)
                    .flatten()
            });
            let expected = region.is_some_and(|region| home.contains(&region.as_str()));
            match area_code(code) {
                Some((state, _)) => assert!(expected, "{code} {state} is {region:?}"),
                None => assert!(!expected, "{code} of {region:?} is missing"),
            }
        }
    }

    /// C4: ZIP to state and zone.
    #[test]
    fn a_zip_tells_state_and_zone() {
        for (zip, state, zone) in [
            ("10001", "NY", "America/New_York"),
            ("98101", "WA", "America/Los_Angeles"),
            ("32501", "FL", "America/Chicago"),
            ("32801-1234", "FL", "America/New_York"),
            ("96813", "HI", "Pacific/Honolulu"),
            ("00501", "NY", "America/New_York"),
            ("99950", "AK", "America/Sitka"),
            ("86515", "AZ", "America/Denver"),
            ("85001", "AZ", "America/Phoenix"),
        ] {
            let postal = us_zip(zip).unwrap_or_else(|| panic!("{zip}"));
            assert_eq!(postal.state.code(), state, "{zip}");
            if zip != "99950" {
                assert_eq!(postal.zone.map(Zone::name), Some(zone), "{zip}");
            }
        }
        let military = us_zip("09002").unwrap();
        assert!(military.state.is_military() && military.zone.is_none());
        for wrong in [
            "", "0", "1000", "100011", "1000a", "10001-12", "00000", "99999", "SW1A 1AA", "1000é",
            "10001 é",
        ] {
            assert_eq!(us_zip(wrong), None, "{wrong}");
        }
        assert_eq!(canadian_code("V6B 1A1").unwrap().state.code(), "BC");
        assert_eq!(canadian_code("x0a").unwrap().state.code(), "NU");
        for wrong in ["", "V6B 1A", "Z1Z 1Z1", "VVB1A1", "ééé"] {
            assert_eq!(canadian_code(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn every_state_has_zones_but_the_military() {
        for state in State::all() {
            assert_eq!(
                state.zones().next().is_none(),
                state.is_military(),
                "{state}"
            );
            assert_eq!(State::find(&state.name().to_uppercase()), Some(state));
        }
        assert_eq!(
            State::all()
                .filter(|state| state.country() == Region::CA)
                .count(),
            13
        );
        assert!("Atlantis".parse::<State>().is_err());
    }
}
