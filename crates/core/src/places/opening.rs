//! The hours a business keeps: open or not, after hours, weekend, holiday, and how long until it opens (S3).

use super::{DayHours, Holiday, HolidaySet, Holidays};
use jiff::{
    Timestamp, ToSpan,
    civil::{Date, Weekday},
    tz::TimeZone,
};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

const DAY: i64 = 86_400;
/// How far ahead the next opening is looked for: a business may be closed for its holidays, but not for a year.
const HORIZON_DAYS: i64 = 370;

/// A week of opening hours and the days that are different. Days that are not named are closed. Every question also takes the
/// holidays that the business keeps elsewhere in its settings.
///
/// ```yaml
/// monday: "07:00-18:00"
/// tuesday: ["07:00-12:00", "13:00-18:00"]
/// saturday: closed
/// holidays: [2026-12-24]
/// holiday_set: us_federal
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct OpeningHours {
    /// Monday to Sunday.
    days: [DayHours; 7],
    /// Days the business is closed, besides those of the set.
    holidays: Vec<Date>,
    /// A calendar of public holidays on which it is closed too, for example `us_federal`.
    holiday_set: Option<String>,
}

/// What the hours say of an instant, in the business's own time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OpeningState {
    /// The business is open.
    pub open: bool,
    /// It is not; the same fact as scores ask for it.
    pub after_hours: bool,
    /// Saturday or Sunday.
    pub weekend: bool,
    /// A holiday of the business or of its calendar.
    pub holiday: bool,
    /// The hour on the wall, 0 to 23.
    pub hour: i8,
    /// The weekday.
    pub weekday: Weekday,
}

impl OpeningState {
    /// The weekday as conditions write it: `monday`.
    pub const fn weekday_name(&self) -> &'static str {
        match self.weekday {
            Weekday::Monday => "monday",
            Weekday::Tuesday => "tuesday",
            Weekday::Wednesday => "wednesday",
            Weekday::Thursday => "thursday",
            Weekday::Friday => "friday",
            Weekday::Saturday => "saturday",
            Weekday::Sunday => "sunday",
        }
    }
}

/// The hours as they are written.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    #[serde(default)]
    monday: DayHours,
    #[serde(default)]
    tuesday: DayHours,
    #[serde(default)]
    wednesday: DayHours,
    #[serde(default)]
    thursday: DayHours,
    #[serde(default)]
    friday: DayHours,
    #[serde(default)]
    saturday: DayHours,
    #[serde(default)]
    sunday: DayHours,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    holidays: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    holiday_set: Option<String>,
}

impl Serialize for OpeningHours {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let [
            monday,
            tuesday,
            wednesday,
            thursday,
            friday,
            saturday,
            sunday,
        ] = self.days.clone();
        let holidays = self.holidays.iter().map(Date::to_string).collect();
        let holiday_set = self.holiday_set.clone();
        Written {
            monday,
            tuesday,
            wednesday,
            thursday,
            friday,
            saturday,
            sunday,
            holidays,
            holiday_set,
        }
        .serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for OpeningHours {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        use serde::de::Error;
        let written = Written::deserialize(deserializer)?;
        let mut holidays = written
            .holidays
            .iter()
            .map(|text| {
                text.trim().parse::<Date>().map_err(|_| {
                    D::Error::custom(format!("{text:?} is no date; write holidays as 2026-12-25"))
                })
            })
            .collect::<Result<Vec<_>, _>>()?;
        holidays.sort();
        holidays.dedup();
        if let Some(set) = &written.holiday_set
            && Holidays::built_in().set(set).is_none()
        {
            let known: Vec<_> = Holidays::built_in().keys().collect();
            return Err(D::Error::custom(format!(
                "there are no holidays named {set:?}; known are {}",
                known.join(", ")
            )));
        }
        Ok(Self {
            days: [
                written.monday,
                written.tuesday,
                written.wednesday,
                written.thursday,
                written.friday,
                written.saturday,
                written.sunday,
            ],
            holidays,
            holiday_set: written.holiday_set,
        })
    }
}

/// Local time of an instant.
struct Wall {
    date: Date,
    second: i64,
}

impl Wall {
    fn at(at: Timestamp, zone: &TimeZone) -> Self {
        let local = zone.to_datetime(at);
        Self {
            date: local.date(),
            second: i64::from(local.hour()) * 3600
                + i64::from(local.minute()) * 60
                + i64::from(local.second()),
        }
    }
}

impl OpeningHours {
    /// Hours that are the same from Monday to Friday and closed on the weekend.
    pub fn weekdays(hours: &DayHours) -> Self {
        let mut days: [DayHours; 7] = Default::default();
        days[..5].fill(hours.clone());
        Self {
            days,
            ..Self::default()
        }
    }

    /// Open at every moment.
    pub fn always() -> Self {
        let whole: DayHours = "00:00-24:00".parse().unwrap_or_default();
        Self {
            days: std::array::from_fn(|_| whole.clone()),
            ..Self::default()
        }
    }

    fn set(&self) -> Option<&'static HolidaySet> {
        Holidays::built_in().set(self.holiday_set.as_deref()?)
    }

    /// Whether the business has a holiday on that day. A calendar that does not reach the year has no holidays there.
    pub fn is_holiday(&self, date: Date, holidays: &[Date]) -> bool {
        self.holidays.binary_search(&date).is_ok()
            || holidays.contains(&date)
            || self
                .set()
                .is_some_and(|set| matches!(set.on(date), Holiday::Yes(_)))
    }

    /// The hours of one day.
    pub fn on(&self, date: Date, holidays: &[Date]) -> DayHours {
        if self.is_holiday(date, holidays) {
            return DayHours::closed();
        }
        let weekday = date.weekday().to_monday_zero_offset();
        self.days[usize::try_from(weekday).unwrap_or(0).min(6)].clone()
    }

    /// Whether the business is open.
    pub fn is_open(&self, at: Timestamp, zone: &TimeZone, holidays: &[Date]) -> bool {
        let wall = Wall::at(at, zone);
        self.on(wall.date, holidays).contains(wall.second, 0)
    }

    /// Everything the hours say of an instant.
    pub fn state_at(&self, at: Timestamp, zone: &TimeZone, holidays: &[Date]) -> OpeningState {
        let wall = Wall::at(at, zone);
        let open = self.on(wall.date, holidays).contains(wall.second, 0);
        let weekday = wall.date.weekday();
        OpeningState {
            open,
            after_hours: !open,
            weekend: matches!(weekday, Weekday::Saturday | Weekday::Sunday),
            holiday: self.is_holiday(wall.date, holidays),
            hour: i8::try_from(wall.second / 3600).unwrap_or(0),
            weekday,
        }
    }

    /// The first open instant at or after `at`; none within a year.
    pub fn next_open(
        &self,
        at: Timestamp,
        zone: &TimeZone,
        holidays: &[Date],
    ) -> Option<Timestamp> {
        self.next(at, zone, holidays, true)
    }

    /// The first closed instant at or after `at`; none within a year.
    pub fn next_closed(
        &self,
        at: Timestamp,
        zone: &TimeZone,
        holidays: &[Date],
    ) -> Option<Timestamp> {
        self.next(at, zone, holidays, false)
    }

    /// Goes from edge to edge: the next opening or closing on this day's wall, midnight, or a change of the clock, whichever is
    /// first. Nothing can change between two of them.
    fn next(
        &self,
        at: Timestamp,
        zone: &TimeZone,
        holidays: &[Date],
        open: bool,
    ) -> Option<Timestamp> {
        let limit = at.checked_add((HORIZON_DAYS * 24).hours()).ok()?;
        let mut now = at;
        while now <= limit {
            if self.is_open(now, zone, holidays) == open {
                return Some(now);
            }
            now = self.edge(now, zone, holidays)?;
        }
        None
    }

    /// The next instant at which the answer may change.
    fn edge(&self, at: Timestamp, zone: &TimeZone, holidays: &[Date]) -> Option<Timestamp> {
        let wall = Wall::at(at, zone);
        let hours = self.on(wall.date, holidays);
        let ahead = hours
            .end_of(wall.second)
            .or_else(|| hours.next_start(wall.second, 0))
            .unwrap_or(DAY)
            - wall.second;
        let second = at.as_microsecond().div_euclid(1_000_000) + ahead.max(1);
        let change = zone
            .following(at)
            .next()
            .map(|change| change.timestamp().as_second());
        Timestamp::from_second(change.map_or(second, |change| second.min(change))).ok()
    }

    /// Open minutes from one instant to another, whole ones; none when the second is earlier. Spans over a year count as a year.
    pub fn open_minutes_between(
        &self,
        from: Timestamp,
        to: Timestamp,
        zone: &TimeZone,
        holidays: &[Date],
    ) -> i64 {
        let limit = from
            .checked_add((HORIZON_DAYS * 24).hours())
            .map_or(to, |limit| to.min(limit));
        let (mut now, mut open_micros) = (from, 0);
        while now < limit {
            let open = self.is_open(now, zone, holidays);
            let next = self
                .edge(now, zone, holidays)
                .map_or(limit, |next| next.min(limit));
            if open {
                open_micros += next.as_microsecond() - now.as_microsecond();
            }
            now = next;
        }
        open_micros / 60_000_000
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::DateTime;
    use proptest::prelude::*;

    fn hours() -> OpeningHours {
        serde_saphyr::from_str(
            "monday: \"07:00-18:00\"\ntuesday: [\"07:00-12:00\", \"13:00-18:00\"]\nwednesday: 07:00-18:00\nthursday: 07:00-18:00\n\
             friday: 07:00-24:00\nsaturday: 00:00-02:00\nsunday: closed\nholidays: [2026-12-24, 2026-12-24]\nholiday_set: us_federal\n",
        )
        .unwrap()
    }

    fn zone(name: &str) -> TimeZone {
        name.parse::<crate::places::Zone>().unwrap().rules().clone()
    }

    fn at(zone: &TimeZone, text: &str) -> Timestamp {
        let local: DateTime = text.parse().unwrap();
        local.to_zoned(zone.clone()).unwrap().timestamp()
    }

    /// S3: a second to each side of each edge.
    #[test]
    fn hours_open_on_the_second_and_close_on_the_second() {
        let (hours, zone) = (hours(), zone("America/New_York"));
        for (text, open) in [
            ("2026-10-05T06:59:59", false),
            ("2026-10-05T07:00:00", true),
            ("2026-10-05T17:59:59.999999", true),
            ("2026-10-05T18:00:00", false),
            ("2026-10-06T11:59:59", true),
            ("2026-10-06T12:00:00", false),
            ("2026-10-06T12:59:59", false),
            ("2026-10-06T13:00:00", true),
            ("2026-10-09T23:59:59", true),
            ("2026-10-10T00:00:00", true),
            ("2026-10-10T01:59:59", true),
            ("2026-10-10T02:00:00", false),
            ("2026-10-11T12:00:00", false),
        ] {
            let state = hours.state_at(at(&zone, text), &zone, &[]);
            assert_eq!((state.open, state.after_hours), (open, !open), "{text}");
        }
    }

    /// S3: weekend, holiday, hour and weekday are the business's own.
    #[test]
    fn the_state_is_that_of_the_business_not_of_utc() {
        let (hours, zone) = (hours(), zone("Pacific/Honolulu"));
        let state = hours.state_at("2026-10-12T05:30:00Z".parse().unwrap(), &zone, &[]);
        assert_eq!(
            (state.weekend, state.hour, state.weekday_name()),
            (true, 19, "sunday")
        );
        for (text, holiday) in [
            ("2026-10-12T10:00:00", true), // Columbus Day
            ("2026-12-24T10:00:00", true), // our own
            ("2026-12-25T10:00:00", true),
            ("2026-12-28T10:00:00", false),
        ] {
            let state = hours.state_at(at(&zone, text), &zone, &[]);
            assert_eq!((state.holiday, state.open), (holiday, !holiday), "{text}");
        }
    }

    #[test]
    fn the_next_opening_passes_nights_weekends_and_holidays() {
        let (hours, zone) = (hours(), zone("America/New_York"));
        for (from, to) in [
            ("2026-10-05T06:00:00", "2026-10-05T07:00:00"),
            ("2026-10-05T09:00:00", "2026-10-05T09:00:00"),
            ("2026-10-06T12:30:00", "2026-10-06T13:00:00"),
            // Monday the 12th is Columbus Day.
            ("2026-10-10T02:00:00", "2026-10-13T07:00:00"),
            // Thursday to Friday are Christmas, then Saturday's two hours.
            ("2026-12-23T18:00:00", "2026-12-26T00:00:00"),
        ] {
            assert_eq!(
                hours.next_open(at(&zone, from), &zone, &[]),
                Some(at(&zone, to)),
                "{from}"
            );
        }
        let closing = hours.next_closed(at(&zone, "2026-10-09T20:00:00"), &zone, &[]);
        assert_eq!(closing, Some(at(&zone, "2026-10-10T02:00:00")));
        assert_eq!(
            OpeningHours::default().next_open(at(&zone, "2026-10-05T06:00:00"), &zone, &[]),
            None
        );
        assert_eq!(
            OpeningHours::always().next_closed(at(&zone, "2026-10-05T06:00:00"), &zone, &[]),
            None
        );
    }

    #[test]
    fn open_minutes_leave_out_closed_time() {
        let (hours, zone) = (hours(), zone("America/New_York"));
        for (from, to, minutes) in [
            ("2026-10-05T17:00:00", "2026-10-06T08:00:00", 120),
            ("2026-10-06T11:30:00", "2026-10-06T13:30:00", 60),
            ("2026-10-11T00:00:00", "2026-10-12T23:00:00", 0),
            ("2026-10-05T10:00:00", "2026-10-05T09:00:00", 0),
            // A night with the spring change and one with the autumn change, open all night.
            ("2026-10-09T23:00:00", "2026-10-10T03:00:00", 180),
        ] {
            assert_eq!(
                hours.open_minutes_between(at(&zone, from), at(&zone, to), &zone, &[]),
                minutes,
                "{from}"
            );
        }
        let always = OpeningHours::always();
        for (date, after, minutes) in [
            ("2026-03-08", "2026-03-09", 23 * 60),
            ("2026-11-01", "2026-11-02", 25 * 60),
        ] {
            let [from, to] = [date, after].map(|date| at(&zone, &format!("{date}T00:00:00")));
            assert_eq!(always.open_minutes_between(from, to, &zone, &[]), minutes);
        }
    }

    /// S3: on the days the clocks change the wall counts.
    #[test]
    fn opening_hours_follow_the_wall_when_clocks_change() {
        let zone = zone("America/New_York");
        let early = OpeningHours {
            days: std::array::from_fn(|_| "01:30-02:30".parse().unwrap()),
            ..OpeningHours::default()
        };
        // In spring 02:00 to 03:00 does not exist, so half an hour is left.
        let spring = [
            at(&zone, "2026-03-08T00:00:00"),
            at(&zone, "2026-03-08T12:00:00"),
        ];
        assert_eq!(
            early.open_minutes_between(spring[0], spring[1], &zone, &[]),
            30
        );
        // In autumn 01:00 to 02:00 comes twice: 01:30 to 02:00, and again 01:30 to 02:30.
        let autumn = [
            at(&zone, "2026-11-01T00:00:00"),
            at(&zone, "2026-11-01T12:00:00"),
        ];
        assert_eq!(
            early.open_minutes_between(autumn[0], autumn[1], &zone, &[]),
            90
        );
    }

    /// S3: the holidays of the business's settings close it as its own do.
    #[test]
    fn holidays_can_be_handed_in() {
        let (hours, zone) = (hours(), zone("America/New_York"));
        let noon = at(&zone, "2026-10-07T12:00:00");
        let day = ["2026-10-07".parse().unwrap()];
        assert!(hours.is_open(noon, &zone, &[]));
        assert!(!hours.is_open(noon, &zone, &day));
        assert!(hours.state_at(noon, &zone, &day).holiday);
        let next = at(&zone, "2026-10-08T07:00:00");
        assert_eq!(hours.next_open(noon, &zone, &day), Some(next));
    }

    #[test]
    fn hours_are_written_as_they_are_read() {
        let yaml = serde_saphyr::to_string(&hours()).unwrap();
        assert!(yaml.contains("12:00, 13:00-18:00"), "{yaml}");
        assert_eq!(
            serde_saphyr::from_str::<OpeningHours>(&yaml).unwrap(),
            hours()
        );
    }

    #[test]
    fn a_mistake_is_answered_with_the_mend() {
        for (yaml, part) in [
            ("monday: 8 to 5", "08:00-20:00"),
            ("monday: \"18:00-07:00\"", "split"),
            (
                "monday: [\"08:00-12:00\", \"11:00-13:00\"]",
                "11:00 begins before",
            ),
            ("munday: \"08:00-12:00\"", "munday"),
            ("holidays: [Christmas]", "2026-12-25"),
            ("holiday_set: us_fedral", "us_federal"),
            ("monday: 5", "hours such as"),
        ] {
            let error = serde_saphyr::from_str::<OpeningHours>(yaml)
                .unwrap_err()
                .to_string();
            assert!(error.contains(part), "{yaml}: {error}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

        /// The next opening is open, and no minute before it is.
        #[test]
        fn no_open_minute_is_passed_over(second in 1_767_225_600i64..1_861_920_000, name in "(America/New_York|Europe/London|Australia/Lord_Howe)") {
            let (hours, zone) = (hours(), zone(&name));
            let from = Timestamp::from_second(second).unwrap();
            let opens = hours.next_open(from, &zone, &[]).unwrap();
            prop_assert!(hours.is_open(opens, &zone, &[]));
            let mut minute = from;
            while minute < opens {
                prop_assert!(!hours.is_open(minute, &zone, &[]), "{minute} is open, found {opens}");
                minute += 7.minutes();
            }
            prop_assert_eq!(hours.open_minutes_between(from, opens, &zone, &[]), 0);
        }
    }
}
