//! Hours of one day: half-open intervals in local time, as people write them.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use smallvec::SmallVec;
use std::{fmt, str::FromStr};

const DAY_MINUTES: u16 = 24 * 60;

/// Open intervals of a day in minutes since midnight, in order, never touching or overlapping. Written as `"08:00-20:00"`, as a
/// list of such, or as `closed`. `24:00` is the end of the day.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct DayHours(SmallVec<[(u16, u16); 2]>);

/// Why a text is no hours of a day.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HoursError {
    /// Not the way hours are written.
    #[error("{0:?} is not written as hours; use \"08:00-20:00\" or closed")]
    Unreadable(String),
    /// Ends before it begins.
    #[error(
        "{0:?} ends before it begins; hours past midnight are split: until 24:00, and from 00:00 on the next day"
    )]
    Backwards(String),
    /// Two intervals share time.
    #[error("{0} begins before the interval before it has ended; join the two or move one")]
    Overlap(String),
}

fn clock(minute: u16) -> String {
    format!("{:02}:{:02}", minute / 60, minute % 60)
}

fn minute(text: &str) -> Option<u16> {
    let (hours, minutes) = text.trim().split_once(':')?;
    let number = |text: &str, width: std::ops::RangeInclusive<usize>| {
        (width.contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit()))
            .then(|| text.parse::<u16>().ok())
            .flatten()
    };
    let (hours, minutes) = (number(hours, 1..=2)?, number(minutes, 2..=2)?);
    let all = hours * 60 + minutes;
    (minutes < 60 && all <= DAY_MINUTES).then_some(all)
}

impl DayHours {
    /// Closed all day.
    pub fn closed() -> Self {
        Self::default()
    }

    /// The hours of several texts, which may stand in any order.
    ///
    /// # Errors
    /// When one cannot be read, ends before it begins or overlaps another.
    pub fn of<'a>(texts: impl IntoIterator<Item = &'a str>) -> Result<Self, HoursError> {
        let mut intervals: SmallVec<[(u16, u16); 2]> = SmallVec::new();
        for text in texts {
            let shown = || text.chars().take(40).collect::<String>();
            let (from, to) = text
                .split_once(['-', '–'])
                .ok_or_else(|| HoursError::Unreadable(shown()))?;
            let (Some(from), Some(to)) = (minute(from), minute(to)) else {
                return Err(HoursError::Unreadable(shown()));
            };
            if from >= to {
                return Err(HoursError::Backwards(shown()));
            }
            intervals.push((from, to));
        }
        intervals.sort_unstable();
        for pair in intervals.windows(2) {
            if pair[1].0 < pair[0].1 {
                return Err(HoursError::Overlap(clock(pair[1].0)));
            }
        }
        // Neighbours that touch are one: no closing time lies between them.
        let mut joined: SmallVec<[(u16, u16); 2]> = SmallVec::new();
        for (from, to) in intervals {
            match joined.last_mut() {
                Some(last) if last.1 == from => last.1 = to,
                _ => joined.push((from, to)),
            }
        }
        Ok(Self(joined))
    }

    /// The intervals, in minutes since midnight.
    pub fn intervals(&self) -> &[(u16, u16)] {
        &self.0
    }

    /// Whether the second of the day is inside, with `margin` seconds cut off every end.
    pub fn contains(&self, second: i64, margin: i64) -> bool {
        self.0.iter().any(|(from, to)| {
            i64::from(*from) * 60 <= second && second < i64::from(*to) * 60 - margin
        })
    }

    /// The first second after `second` at which an interval begins that `margin` leaves something of.
    pub fn next_start(&self, second: i64, margin: i64) -> Option<i64> {
        self.0
            .iter()
            .filter(|(from, to)| i64::from(*to - *from) * 60 > margin)
            .map(|(from, _)| i64::from(*from) * 60)
            .find(|start| *start > second)
    }

    /// The second at which the interval around `second` ends, when there is one.
    pub fn end_of(&self, second: i64) -> Option<i64> {
        self.0
            .iter()
            .find(|(from, to)| i64::from(*from) * 60 <= second && second < i64::from(*to) * 60)
            .map(|(_, to)| i64::from(*to) * 60)
    }

    /// Whether these hours lie wholly inside the other's.
    pub fn within(&self, other: &Self) -> bool {
        self.0.iter().all(|(from, to)| {
            other
                .0
                .iter()
                .any(|(first, last)| first <= from && to <= last)
        })
    }
}

impl fmt::Display for DayHours {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("closed");
        }
        for (at, (from, to)) in self.0.iter().enumerate() {
            let comma = if at > 0 { ", " } else { "" };
            write!(f, "{comma}{}-{}", clock(*from), clock(*to))?;
        }
        Ok(())
    }
}

impl fmt::Debug for DayHours {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for DayHours {
    type Err = HoursError;
    fn from_str(text: &str) -> Result<Self, HoursError> {
        match text.trim() {
            "closed" => Ok(Self::closed()),
            text => Self::of(text.split(',')),
        }
    }
}

impl Serialize for DayHours {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for DayHours {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Written;
        impl<'de> de::Visitor<'de> for Written {
            type Value = DayHours;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("hours such as \"08:00-20:00\", a list of them, or closed")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<DayHours, E> {
                text.parse().map_err(E::custom)
            }
            fn visit_seq<A: de::SeqAccess<'de>>(self, mut list: A) -> Result<DayHours, A::Error> {
                let mut texts: Vec<String> = Vec::new();
                while let Some(text) = list.next_element()? {
                    texts.push(text);
                }
                DayHours::of(texts.iter().map(String::as_str)).map_err(de::Error::custom)
            }
        }
        deserializer.deserialize_any(Written)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hours_are_read_as_people_write_them() {
        for (written, shown) in [
            ("08:00-20:00", "08:00-20:00"),
            ("8:00 - 20:00", "08:00-20:00"),
            ("08:00–12:00, 13:00–24:00", "08:00-12:00, 13:00-24:00"),
            ("13:00-17:00,08:00-12:00", "08:00-12:00, 13:00-17:00"),
            ("08:00-12:00,12:00-17:00", "08:00-17:00"),
            ("closed", "closed"),
        ] {
            assert_eq!(written.parse::<DayHours>().unwrap().to_string(), shown);
        }
        for wrong in [
            "",
            "8-20",
            "08:00",
            "08:00-25:00",
            "08:60-20:00",
            "20:00-08:00",
            "08:00-08:00",
            "08:00-12:00,11:00-13:00",
            "é:00-ü:00",
            "+8:00-20:00",
            "open",
        ] {
            assert!(wrong.parse::<DayHours>().is_err(), "{wrong:?}");
        }
        let error = "22:00-06:00".parse::<DayHours>().unwrap_err();
        assert!(error.to_string().contains("split"));
    }

    #[test]
    fn the_beginning_is_inside_and_the_end_is_not() {
        let hours: DayHours = "08:00-12:00, 13:00-20:00".parse().unwrap();
        let at = |hour: i64, minute: i64| hour * 3600 + minute * 60;
        assert!(!hours.contains(at(8, 0) - 1, 0) && hours.contains(at(8, 0), 0));
        assert!(hours.contains(at(12, 0) - 1, 0) && !hours.contains(at(12, 0), 0));
        assert!(hours.contains(at(19, 50) - 1, 600) && !hours.contains(at(19, 50), 600));
        assert_eq!(hours.next_start(0, 0), Some(at(8, 0)));
        assert_eq!(hours.next_start(at(8, 0), 0), Some(at(13, 0)));
        assert_eq!(hours.next_start(at(13, 0), 0), None);
        assert_eq!(hours.end_of(at(12, 30)), None);
        assert_eq!(hours.end_of(at(13, 0)), Some(at(20, 0)));
        assert!(hours.within(&"08:00-20:00".parse().unwrap()));
        assert!(!hours.within(&"08:00-19:00".parse().unwrap()));
    }
}
