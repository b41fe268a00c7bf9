//! Public holidays by rule, for the years that the data covers (C4, S3).

use jiff::{
    ToSpan,
    civil::{Date, Weekday},
};
use serde::Deserialize;
use std::{collections::BTreeMap, sync::OnceLock};

/// What the calendar says of a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holiday<'a> {
    /// An ordinary day.
    No,
    /// A public holiday, or the day it is observed on.
    Yes(&'a str),
    /// The data does not reach this year.
    NoData,
}

/// One calendar, worked out to days. Days are numbers since 1 January 1970.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HolidaySet {
    /// Its key in the data, for example `us_federal`.
    pub key: String,
    /// Its name for people.
    pub name: String,
    years: std::ops::Range<i64>,
    days: Vec<(i64, String)>,
}

/// All calendars.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Holidays(BTreeMap<String, HolidaySet>);

/// Why a file of holidays is not used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HolidayError {
    /// Not the shape of such a file.
    #[error("the file of holidays cannot be read: {0}")]
    Unreadable(String),
    /// A set names another that is not there, or itself.
    #[error("the holidays {set} extend {base}, which is not defined before them")]
    Base {
        /// The set at fault.
        set: String,
        /// What it names.
        base: String,
    },
    /// A day that no calendar has.
    #[error(
        "{day} in the holidays {set} is no day; give a date (month-day), an nth weekday of a month, or days from easter"
    )]
    Day {
        /// The set at fault.
        set: String,
        /// The name of the day.
        day: String,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    years: (i16, i16),
    sets: BTreeMap<String, Set>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Set {
    name: String,
    #[serde(rename = "source")]
    _source: String,
    extends: Option<String>,
    #[serde(default)]
    days: Vec<Day>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Day {
    name: String,
    date: Option<String>,
    month: Option<i8>,
    nth: Option<i8>,
    weekday: Option<String>,
    #[serde(default)]
    plus: i64,
    easter: Option<i64>,
    observed: Option<Observed>,
    years: Option<Years>,
}

#[derive(Deserialize, Clone, Copy)]
#[serde(rename_all = "snake_case")]
enum Observed {
    Nearest,
    After,
    InTwoDays,
}

#[derive(Deserialize, Clone, Copy)]
#[serde(rename_all = "snake_case")]
enum Years {
    Even,
    Odd,
}

impl Holidays {
    /// The calendars that are built in.
    pub fn built_in() -> &'static Self {
        static LOADED: OnceLock<Holidays> = OnceLock::new();
        LOADED.get_or_init(|| {
            Self::load(include_str!("../../data/holidays.yaml"))
                .expect("the built-in file is read by a test")
        })
    }

    /// Reads a file of calendars.
    ///
    /// # Errors
    /// When it cannot be read or names days that do not exist.
    pub fn load(yaml: &str) -> Result<Self, HolidayError> {
        let file: File = serde_saphyr::from_str(yaml)
            .map_err(|error| HolidayError::Unreadable(error.to_string()))?;
        let (first, last) = (
            file.years.0.clamp(1970, 2200),
            file.years.1.clamp(1970, 2200),
        );
        let mut sets = BTreeMap::new();
        for (key, set) in &file.sets {
            let base = match &set.extends {
                None => None,
                Some(base) => Some(
                    file.sets
                        .get(base)
                        .filter(|base| base.extends.is_none())
                        .ok_or_else(|| HolidayError::Base {
                            set: key.clone(),
                            base: base.clone(),
                        })?,
                ),
            };
            let mut days = Vec::new();
            for day in base.iter().flat_map(|base| &base.days).chain(&set.days) {
                for year in first..=last {
                    let even = year % 2 == 0;
                    if matches!(
                        (day.years, even),
                        (Some(Years::Even), false) | (Some(Years::Odd), true)
                    ) {
                        continue;
                    }
                    let date = day.in_year(year).ok_or_else(|| HolidayError::Day {
                        set: key.clone(),
                        day: day.name.clone(),
                    })?;
                    days.push((epoch_day(date), day.name.clone()));
                    if let Some(moved) = day.observed.and_then(|how| moved(date, how)) {
                        days.push((epoch_day(moved), format!("{} (observed)", day.name)));
                    }
                }
            }
            days.sort();
            days.dedup_by_key(|(day, _)| *day);
            let years =
                epoch_day(Date::constant(first, 1, 1))..epoch_day(Date::constant(last, 12, 31)) + 1;
            let set = HolidaySet {
                key: key.clone(),
                name: set.name.clone(),
                years,
                days,
            };
            sets.insert(key.clone(), set);
        }
        Ok(Self(sets))
    }

    /// The calendar of that key.
    pub fn set(&self, key: &str) -> Option<&HolidaySet> {
        self.0.get(key)
    }

    /// The keys of all calendars.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }
}

impl HolidaySet {
    /// What the calendar says of a day, given as days since 1 January 1970.
    pub fn on_epoch_day(&self, day: i64) -> Holiday<'_> {
        if !self.years.contains(&day) {
            return Holiday::NoData;
        }
        match self.days.binary_search_by_key(&day, |(known, _)| *known) {
            Ok(at) => Holiday::Yes(&self.days[at].1),
            Err(_) => Holiday::No,
        }
    }

    /// What the calendar says of a date.
    pub fn on(&self, date: Date) -> Holiday<'_> {
        self.on_epoch_day(epoch_day(date))
    }

    /// The last day that the data covers, to warn before it ends.
    pub fn data_until(&self) -> Date {
        let days = self.years.end - 1;
        Date::constant(1970, 1, 1)
            .checked_add(days.days())
            .unwrap_or(Date::MAX)
    }
}

/// Days since 1 January 1970.
fn epoch_day(date: Date) -> i64 {
    // Midnight in UTC is a whole number of days, so the division is exact.
    date.to_datetime(jiff::civil::Time::midnight())
        .to_zoned(jiff::tz::TimeZone::UTC)
        .map_or(0, |zoned| zoned.timestamp().as_second().div_euclid(86_400))
}

impl Day {
    fn in_year(&self, year: i16) -> Option<Date> {
        let date = match (&self.date, self.month, self.nth, &self.weekday, self.easter) {
            (Some(date), None, None, None, None) => {
                let (month, day) = date.split_once('-')?;
                Date::new(year, month.parse().ok()?, day.parse().ok()?).ok()?
            }
            (None, Some(month), Some(nth), Some(weekday), None) => {
                let first = Date::new(year, month, 1).ok()?;
                first
                    .nth_weekday_of_month(nth, weekday_named(weekday)?)
                    .ok()?
            }
            (None, None, None, None, Some(days)) if days.abs() < 366 => {
                easter(year)?.checked_add(days.days()).ok()?
            }
            _ => return None,
        };
        date.checked_add(self.plus.clamp(-60, 60).days()).ok()
    }
}

/// The weekday of an English name.
fn weekday_named(name: &str) -> Option<Weekday> {
    Some(match name {
        "monday" => Weekday::Monday,
        "tuesday" => Weekday::Tuesday,
        "wednesday" => Weekday::Wednesday,
        "thursday" => Weekday::Thursday,
        "friday" => Weekday::Friday,
        "saturday" => Weekday::Saturday,
        "sunday" => Weekday::Sunday,
        _ => return None,
    })
}

fn moved(date: Date, how: Observed) -> Option<Date> {
    let days = match (how, date.weekday()) {
        (Observed::Nearest, Weekday::Saturday) => -1,
        (Observed::Nearest | Observed::After, Weekday::Sunday) => 1,
        (Observed::After | Observed::InTwoDays, Weekday::Saturday) => 2,
        (Observed::InTwoDays, Weekday::Sunday) => 2,
        _ => return None,
    };
    date.checked_add(days.days()).ok()
}

/// Easter Sunday of the western churches. Source: the anonymous Gregorian algorithm (Meeus, Astronomical Algorithms, chapter 8).
fn easter(year: i16) -> Option<Date> {
    let year_number = i32::from(year);
    let (a, b, c) = (year_number % 19, year_number / 100, year_number % 100);
    let (d, e) = (b / 4, b % 4);
    let g = (8 * b + 13) / 25;
    let h = (19 * a + b - d - g + 15) % 30;
    let (i, k) = (c / 4, c % 4);
    let l = (32 + 2 * e + 2 * i - h - k) % 7;
    let m = (a + 11 * h + 19 * l) / 433;
    let month = (h + l - 7 * m + 90) / 25;
    let day = (h + l - 7 * m + 33 * month + 19) % 32;
    Date::new(year, i8::try_from(month).ok()?, i8::try_from(day).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> Date {
        text.parse().unwrap()
    }

    /// C4: the federal calendar, observed days included.
    #[test]
    fn the_federal_calendar_is_right() {
        let set = Holidays::built_in().set("us_federal").unwrap();
        for (date, name) in [
            ("2026-01-01", "New Year's Day"),
            ("2026-01-19", "Martin Luther King Jr. Day"),
            ("2026-02-16", "Washington's Birthday"),
            ("2026-05-25", "Memorial Day"),
            ("2026-06-19", "Juneteenth"),
            ("2026-07-03", "Independence Day (observed)"),
            ("2026-07-04", "Independence Day"),
            ("2026-09-07", "Labor Day"),
            ("2026-10-12", "Columbus Day"),
            ("2026-11-11", "Veterans Day"),
            ("2026-11-26", "Thanksgiving Day"),
            ("2026-12-25", "Christmas Day"),
            ("2027-06-18", "Juneteenth (observed)"),
            ("2027-07-05", "Independence Day (observed)"),
            ("2027-12-24", "Christmas Day (observed)"),
            ("2027-12-31", "New Year's Day (observed)"),
        ] {
            assert_eq!(set.on(day(date)), Holiday::Yes(name), "{date}");
        }
        for ordinary in ["2026-01-02", "2026-07-06", "2026-11-27", "2026-12-24"] {
            assert_eq!(set.on(day(ordinary)), Holiday::No, "{ordinary}");
        }
        assert_eq!(set.on(day("2046-01-01")), Holiday::NoData);
        assert_eq!(set.on(day("2019-12-31")), Holiday::NoData);
        assert_eq!(set.data_until(), day("2045-12-31"));
    }

    #[test]
    fn state_calendars_add_to_the_federal_one() {
        for (key, date) in [
            ("us_al", "2026-04-27"),
            ("us_la", "2026-02-17"),
            ("us_la", "2026-11-03"),
            ("us_ms", "2027-04-26"),
            ("us_ut", "2026-07-24"),
            ("us_ri", "2026-08-10"),
            ("us_pa", "2026-04-03"),
            ("us_pa", "2026-11-26"),
            ("gb", "2026-04-06"),
            ("gb", "2026-12-28"),
            ("gb", "2027-12-27"),
            ("gb", "2027-12-28"),
            ("gb", "2028-01-03"),
            ("europe", "2026-05-14"),
        ] {
            let found = Holidays::built_in().set(key).unwrap().on(day(date));
            assert!(matches!(found, Holiday::Yes(_)), "{key} {date}");
        }
        assert_eq!(
            Holidays::built_in()
                .set("us_la")
                .unwrap()
                .on(day("2027-11-02")),
            Holiday::No
        );
    }

    #[test]
    fn easter_falls_where_the_church_has_it() {
        for date in [
            "2024-03-31",
            "2025-04-20",
            "2026-04-05",
            "2027-03-28",
            "2028-04-16",
            "2038-04-25",
            "2000-04-23",
        ] {
            assert_eq!(easter(day(date).year()), Some(day(date)));
        }
    }

    #[test]
    fn a_wrong_file_is_refused_with_the_reason() {
        let file = |day: &str| {
            format!(
                "years: [2026, 2027]\nsets:\n  x:\n    name: X\n    source: none\n    days:\n      - {day}\n"
            )
        };
        for (wrong, part) in [
            ("{ name: Never, date: \"13-45\" }", "Never"),
            ("{ name: Never, date: \"02-30\" }", "Never"),
            ("{ name: Half, month: 5, nth: 1 }", "Half"),
            ("{ name: Odd, month: 5, nth: 9, weekday: monday }", "Odd"),
            ("{ name: Both, date: \"01-01\", easter: 1 }", "Both"),
            ("{ name: Typo, dat: \"01-01\" }", "dat"),
        ] {
            let error = Holidays::load(&file(wrong)).unwrap_err();
            assert!(error.to_string().contains(part), "{error}");
        }
        let base = "years: [2026, 2027]\nsets:\n  x: { name: X, source: none, extends: y }\n";
        assert!(matches!(
            Holidays::load(base),
            Err(HolidayError::Base { .. })
        ));
    }
}
