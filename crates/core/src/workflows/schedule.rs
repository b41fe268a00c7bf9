//! Times of the business's own clock: every so many days, weeks or months, or a cron line (W1).
//!
//! A local time that a change to summer time skips is taken at the first instant after the gap; one that comes twice in autumn counts
//! once, the first time.

use crate::time::Timestamp;
use jiff::civil::{Date, DateTime, Time, Weekday, date};
use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{Span, ToSpan};
use serde::de::{self, Deserializer};
use serde::{Deserialize, Serialize, Serializer};
use std::fmt;

/// When something happens again and again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {
    written: String,
    kind: Kind,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Kind {
    Every {
        n: i64,
        unit: Unit,
        on: Vec<Weekday>,
        day: i8,
        at: Time,
    },
    Cron(Box<Cron>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unit {
    Day,
    Week,
    Month,
}

/// A cron line of five fields: minute, hour, day of the month, month, day of the week. Each is a set of bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Cron {
    minutes: u64,
    hours: u64,
    days: u64,
    months: u64,
    weekdays: u64,
    /// Both days are named: then one of them is enough, as cron has it.
    either_day: bool,
}

/// Days that are searched for the next time: a leap day comes at least every eight years.
const FARTHEST_DAYS: i32 = 8 * 366;
/// The Monday from which weeks are counted.
const FIRST_MONDAY: Date = date(1970, 1, 5);

impl Schedule {
    /// The first time after an instant, by the clock of a zone. None when there is none within eight years.
    pub fn next(&self, after: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        let mut day = zone.to_datetime(after).date().yesterday().ok()?;
        for _ in 0..FARTHEST_DAYS {
            if self.falls_on(day) {
                let found = self
                    .times()
                    .map(|time| instant(day.to_datetime(time), zone))
                    .filter(|at| *at > after)
                    .min();
                if found.is_some() {
                    return found;
                }
            }
            day = day.tomorrow().ok()?;
        }
        None
    }

    fn falls_on(&self, day: Date) -> bool {
        match &self.kind {
            Kind::Every {
                n,
                unit,
                on,
                day: of_month,
                ..
            } => match unit {
                Unit::Day => {
                    since(date(1970, 1, 1), day) % n == 0
                        && (on.is_empty() || on.contains(&day.weekday()))
                }
                Unit::Week => {
                    let week = since(FIRST_MONDAY, day).div_euclid(7);
                    let weekday = day.weekday();
                    week.rem_euclid(*n) == 0
                        && (on.contains(&weekday) || on.is_empty() && weekday == Weekday::Monday)
                }
                Unit::Month => {
                    let month = i64::from(day.year()) * 12 + i64::from(day.month()) - 1;
                    // The 31st of a short month is its last day.
                    let wanted = (*of_month).min(day.days_in_month());
                    month.rem_euclid(*n) == 0 && day.day() == wanted
                }
            },
            Kind::Cron(cron) => {
                let in_month = has(cron.months, day.month());
                let of_month = has(cron.days, day.day());
                let of_week = has(cron.weekdays, day.weekday().to_sunday_zero_offset());
                in_month
                    && if cron.either_day {
                        of_month || of_week
                    } else {
                        of_month && of_week
                    }
            }
        }
    }

    fn times(&self) -> impl Iterator<Item = Time> {
        let (hours, minutes, exact) = match &self.kind {
            Kind::Every { at, .. } => (0, 0, Some(*at)),
            Kind::Cron(cron) => (cron.hours, cron.minutes, None),
        };
        let of_cron = (0..24)
            .filter(move |hour| has(hours, *hour))
            .flat_map(move |hour| {
                (0..60)
                    .filter(move |minute| has(minutes, *minute))
                    .map(move |minute| Time::constant(hour, minute, 0, 0))
            });
        exact.into_iter().chain(of_cron)
    }

    /// As it is written.
    pub fn as_str(&self) -> &str {
        &self.written
    }
}

/// The instant of a local time: after a gap that swallows it, and the first of two.
pub(crate) fn instant(local: DateTime, zone: &TimeZone) -> Timestamp {
    let ambiguous = zone.to_ambiguous_timestamp(local);
    match ambiguous.offset() {
        // Before the gap the clock stood at `before`: the same reading by it is as long after the gap as it was meant to be into it.
        AmbiguousOffset::Gap { before, after } => {
            let beyond = before.to_timestamp(local).unwrap_or(Timestamp::MAX);
            let into = after.to_timestamp(local).unwrap_or(beyond);
            // The change itself lies between the two readings.
            zone.following(into)
                .next()
                .map_or(beyond, |change| change.timestamp())
        }
        _ => ambiguous.earlier().unwrap_or(Timestamp::MAX),
    }
}

fn since(first: Date, day: Date) -> i64 {
    day.since(first)
        .map(|span| i64::from(span.get_days()))
        .unwrap_or_default()
}

const fn has(set: u64, n: i8) -> bool {
    n >= 0 && set >> n & 1 == 1
}

/// The day of the week with this name, whole or its first three letters.
pub(crate) fn weekday(name: &str) -> Option<Weekday> {
    const NAMES: [(&str, Weekday); 7] = [
        ("monday", Weekday::Monday),
        ("tuesday", Weekday::Tuesday),
        ("wednesday", Weekday::Wednesday),
        ("thursday", Weekday::Thursday),
        ("friday", Weekday::Friday),
        ("saturday", Weekday::Saturday),
        ("sunday", Weekday::Sunday),
    ];
    let name = name.to_ascii_lowercase();
    NAMES
        .iter()
        .find(|(whole, _)| *whole == name || whole[..3] == name)
        .map(|(_, day)| *day)
}

/// Reads `09:00`; the error is a sentence.
pub(crate) fn clock(text: &str) -> Result<Time, String> {
    let told = || format!("`{text}` is no time of the day. Write it as \"09:00\", in quotes.");
    let (hour, minute) = text.trim().split_once(':').ok_or_else(told)?;
    let two = |part: &str| {
        (1..=2)
            .contains(&part.len())
            .then(|| part.parse::<i8>().ok())
            .flatten()
    };
    let (hour, minute) = two(hour).zip(two(minute)).ok_or_else(told)?;
    Time::new(hour, minute, 0, 0).map_err(|_| told())
}

impl Cron {
    fn read(line: &str) -> Result<Self, String> {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let [minute, hour, day, month, week] = fields.as_slice() else {
            return Err(format!(
                "`{line}` is no cron line: it has five fields, minute, hour, day of the month, month and day of the week, such as `0 9 * * mon`."
            ));
        };
        let month_of = |name: &str| {
            let names = [
                "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
            ];
            names
                .iter()
                .position(|one| *one == name)
                .map(|at| at as i8 + 1)
        };
        let week_of = |name: &str| weekday(name).map(|day| day.to_sunday_zero_offset());
        let mut weekdays = field(week, 0, 7, week_of)?;
        // 7 is Sunday too.
        weekdays |= weekdays >> 7 & 1;
        let cron = Self {
            minutes: field(minute, 0, 59, |_| None)?,
            hours: field(hour, 0, 23, |_| None)?,
            days: field(day, 1, 31, |_| None)?,
            months: field(month, 1, 12, month_of)?,
            weekdays,
            either_day: *day != "*" && *week != "*",
        };
        Ok(cron)
    }
}

/// A field of a cron line: `*`, numbers, ranges and steps, with commas between.
fn field(text: &str, low: i8, high: i8, named: impl Fn(&str) -> Option<i8>) -> Result<u64, String> {
    let told = || format!("`{text}` in the cron line is not between {low} and {high}.");
    let number = |part: &str| {
        named(&part.to_ascii_lowercase())
            .or_else(|| part.parse().ok())
            .filter(|n| (low..=high).contains(n))
            .ok_or_else(told)
    };
    let mut set = 0;
    for part in text.split(',') {
        let (range, step) = match part.split_once('/') {
            Some((range, step)) => (
                range,
                step.parse::<usize>()
                    .ok()
                    .filter(|step| *step > 0)
                    .ok_or_else(told)?,
            ),
            None => (part, 1),
        };
        let (from, to) = match range.split_once('-') {
            _ if range == "*" => (low, high),
            Some((from, to)) => (number(from)?, number(to)?),
            None if step > 1 => (number(range)?, high),
            None => (number(range)?, number(range)?),
        };
        if from > to {
            return Err(told());
        }
        for n in (from..=to).step_by(step) {
            set |= 1u64 << n;
        }
    }
    Ok(set)
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.written)
    }
}

impl Serialize for Schedule {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&self.written)
    }
}

#[derive(Deserialize)]
#[serde(rename = "schedule", deny_unknown_fields)]
struct Written {
    cron: Option<String>,
    every: Option<String>,
    #[serde(default, deserialize_with = "weekdays")]
    on: Vec<Weekday>,
    day: Option<i8>,
    at: Option<String>,
}

/// A day of the week or a list of them.
pub(crate) fn weekdays<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<Weekday>, D::Error> {
    struct Days;
    impl<'de> de::Visitor<'de> for Days {
        type Value = Vec<Weekday>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a day of the week or a list of them")
        }
        fn visit_str<E: de::Error>(self, word: &str) -> Result<Self::Value, E> {
            weekday(word)
                .map(|day| vec![day])
                .ok_or_else(|| E::custom(format!("`{word}` is no day of the week.")))
        }
        fn visit_seq<A: de::SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
            let mut days = Vec::new();
            while let Some(word) = items.next_element::<String>()? {
                let day = weekday(&word)
                    .ok_or_else(|| de::Error::custom(format!("`{word}` is no day of the week.")))?;
                if !days.contains(&day) {
                    days.push(day);
                }
            }
            Ok(days)
        }
    }
    from.deserialize_any(Days)
}

fn unit(text: &str) -> Option<(i64, Unit)> {
    let text = text.trim();
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let n = if digits == 0 {
        1
    } else {
        text[..digits].parse().ok()?
    };
    let unit = match text[digits..].trim() {
        "d" | "day" | "days" => Unit::Day,
        "w" | "week" | "weeks" => Unit::Week,
        "mo" | "month" | "months" => Unit::Month,
        _ => return None,
    };
    (1..=60).contains(&n).then_some((n, unit))
}

impl<'de> Deserialize<'de> for Schedule {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let written = Written::deserialize(from)?;
        let told = |text: &str| Err(de::Error::custom(text));
        match written {
            Written {
                cron: Some(line),
                every: None,
                on,
                day: None,
                at: None,
            } if on.is_empty() => Ok(Self {
                kind: Kind::Cron(Box::new(Cron::read(&line).map_err(de::Error::custom)?)),
                written: line,
            }),
            Written {
                cron: None,
                every: Some(every),
                on,
                day,
                at: Some(at),
            } => {
                let Some((n, unit)) = unit(&every) else {
                    return Err(de::Error::custom(format!(
                        "`{every}` is no rhythm. Write `day`, `2w`, `month` or `3 months`."
                    )));
                };
                if unit == Unit::Month && !on.is_empty() {
                    return told("A month has `day: 1` to `day: 31`, not `on`.");
                }
                if unit != Unit::Month && day.is_some() {
                    return told("`day` is the day of a month; weeks have `on: monday`.");
                }
                let day = day.unwrap_or(1);
                if !(1..=31).contains(&day) {
                    return told("`day` is between 1 and 31.");
                }
                let time = clock(&at).map_err(de::Error::custom)?;
                let days: Vec<String> = on
                    .iter()
                    .map(|day| format!("{day:?}").to_lowercase())
                    .collect();
                let on_days = match (unit, days.is_empty()) {
                    (Unit::Month, _) => format!(" on day {day}"),
                    (_, true) => String::new(),
                    (_, false) => format!(" on {}", days.join(", ")),
                };
                Ok(Self {
                    written: format!("every {every}{on_days} at {at}"),
                    kind: Kind::Every {
                        n,
                        unit,
                        on,
                        day,
                        at: time,
                    },
                })
            }
            _ => told(
                "A schedule is `cron: \"0 9 * * mon\"`, or `every: week` with `on` and `at: \"09:00\"`.",
            ),
        }
    }
}

/// The next instant from `after` on at which a local clock of the zone shows `time`, on one of these days where some are named.
pub(crate) fn next_clock(
    after: Timestamp,
    time: Time,
    on: &[Weekday],
    zone: &TimeZone,
) -> Option<Timestamp> {
    let mut day = zone.to_datetime(after).date();
    let span: Span = 1.day();
    for _ in 0..=8 {
        let at = instant(day.to_datetime(time), zone);
        if at >= after && (on.is_empty() || on.contains(&day.weekday())) {
            return Some(at);
        }
        day = day.checked_add(span).ok()?;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schedule(yaml: &str) -> Schedule {
        serde_saphyr::from_str(yaml).unwrap_or_else(|why| panic!("{yaml}: {why}"))
    }

    fn times(yaml: &str, zone: &str, from: &str, n: usize) -> Vec<String> {
        let schedule = schedule(yaml);
        let zone = TimeZone::get(zone).unwrap();
        let mut at: Timestamp = from.parse().unwrap();
        let mut out = Vec::new();
        for _ in 0..n {
            at = schedule.next(at, &zone).unwrap();
            out.push(
                at.to_zoned(zone.clone())
                    .strftime("%a %F %H:%M %z")
                    .to_string(),
            );
        }
        out
    }

    /// W1: by the business's own clock, over both changes of summer time.
    #[test]
    fn times_follow_the_local_clock_over_both_changes() {
        let denver = "America/Denver";
        for (yaml, from, wanted) in [
            (
                "{ every: day, at: \"09:00\" }",
                "2026-03-07T12:00:00Z",
                vec![
                    "Sat 2026-03-07 09:00 -0700",
                    "Sun 2026-03-08 09:00 -0600",
                    "Mon 2026-03-09 09:00 -0600",
                ],
            ),
            (
                "{ cron: \"30 2 * * *\" }",
                "2026-03-07T12:00:00Z",
                vec!["Sun 2026-03-08 03:00 -0600", "Mon 2026-03-09 02:30 -0600"],
            ),
            (
                "{ cron: \"30 1 * * *\" }",
                "2026-10-31T12:00:00Z",
                vec!["Sun 2026-11-01 01:30 -0600", "Mon 2026-11-02 01:30 -0700"],
            ),
            (
                "{ every: 2w, on: [monday, fri], at: \"17:00\" }",
                "2026-11-23T12:00:00Z",
                vec![
                    "Mon 2026-11-23 17:00 -0700",
                    "Fri 2026-11-27 17:00 -0700",
                    "Mon 2026-12-07 17:00 -0700",
                ],
            ),
            (
                "{ every: month, day: 31, at: \"08:00\" }",
                "2026-01-31T16:00:00Z",
                vec!["Sat 2026-02-28 08:00 -0700", "Tue 2026-03-31 08:00 -0600"],
            ),
            (
                "{ cron: \"*/20 9-10 1,15 jan-mar *\" }",
                "2026-01-15T17:30:00Z",
                vec!["Thu 2026-01-15 10:40 -0700", "Sun 2026-02-01 09:00 -0700"],
            ),
            (
                "{ cron: \"0 0 13 * fri\" }",
                "2026-11-10T00:00:00Z",
                vec!["Fri 2026-11-13 00:00 -0700", "Fri 2026-11-20 00:00 -0700"],
            ),
        ] {
            assert_eq!(times(yaml, denver, from, wanted.len()), wanted, "{yaml}");
        }
    }

    #[test]
    fn what_is_no_schedule_is_told() {
        for (yaml, why) in [
            ("{ cron: \"9 *\" }", "five fields"),
            ("{ cron: \"61 * * * *\" }", "between 0 and 59"),
            ("{ cron: \"0 9 * * fun\" }", "between 0 and 7"),
            ("{ cron: \"0 9-5 * * *\" }", "between 0 and 23"),
            ("{ cron: \"*/0 * * * *\" }", "between 0 and 59"),
            ("{ every: day }", "A schedule is"),
            ("{ every: hour, at: \"09:00\" }", "no rhythm"),
            ("{ every: month, on: monday, at: \"09:00\" }", "not `on`"),
            ("{ every: week, day: 3, at: \"09:00\" }", "of a month"),
            ("{ every: week, on: moonday, at: \"09:00\" }", "no day"),
            ("{ every: day, at: \"9am\" }", "no time of the day"),
            ("{ every: day, at: \"25:00\" }", "no time of the day"),
        ] {
            let told = serde_saphyr::from_str::<Schedule>(yaml)
                .unwrap_err()
                .to_string();
            assert!(told.contains(why), "{yaml}: {told}");
        }
    }

    #[test]
    fn the_thirtieth_of_february_never_comes() {
        let never = schedule("{ cron: \"0 0 30 2 *\" }");
        let now = "2026-01-01T00:00:00Z".parse().unwrap();
        assert_eq!(never.next(now, &TimeZone::UTC), None);
    }

    /// A time of the day is the next one, today's if it is still to come.
    #[test]
    fn the_next_time_of_the_day() {
        let zone = TimeZone::get("America/New_York").unwrap();
        for (from, on, wanted) in [
            ("2026-11-24T13:59:00Z", vec![], "2026-11-24T14:00:00Z"),
            ("2026-11-24T14:00:00Z", vec![], "2026-11-24T14:00:00Z"),
            ("2026-11-24T14:00:01Z", vec![], "2026-11-25T14:00:00Z"),
            (
                "2026-11-24T14:00:01Z",
                vec![Weekday::Tuesday],
                "2026-12-01T14:00:00Z",
            ),
        ] {
            let at = next_clock(
                from.parse().unwrap(),
                Time::constant(9, 0, 0, 0),
                &on,
                &zone,
            );
            assert_eq!(at.unwrap().to_string(), wanted, "{from}");
        }
    }
}
