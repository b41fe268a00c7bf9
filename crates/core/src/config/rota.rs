//! Who is on call when, who is away, and who is responsible for which places (D1).

use crate::time::Timestamp;
use crate::workflows::schedule;
use jiff::civil::{Date, Time, Weekday};
use jiff::tz::TimeZone;
use serde::{Deserialize, Deserializer, de};

/// Who is on call when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rota {
    /// The first shift that holds.
    Shifts(Vec<Shift>),
    /// One after the other, a week each.
    Turns {
        /// In this order.
        people: Vec<String>,
        /// The day of the week on which it changes.
        handover: Weekday,
        /// At this time.
        at: Time,
    },
}

/// Hours of a week in which somebody is on call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shift {
    /// Who.
    pub name: String,
    /// On these days; none is every day.
    pub on: Vec<Weekday>,
    /// From this time.
    pub from: Time,
    /// To this time; one that is not later is on the next day.
    pub to: Time,
}

#[derive(Deserialize)]
#[serde(rename = "shift", deny_unknown_fields)]
struct WrittenShift {
    name: String,
    #[serde(default, deserialize_with = "schedule::weekdays")]
    on: Vec<Weekday>,
    from: Option<String>,
    to: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename = "on_call", deny_unknown_fields)]
struct WrittenTurns {
    rotate: Vec<String>,
    handover: Option<String>,
    at: Option<String>,
}

fn time<E: de::Error>(text: Option<&str>) -> Result<Time, E> {
    text.map_or(Ok(Time::midnight()), schedule::clock)
        .map_err(E::custom)
}

impl Rota {
    pub(super) fn of_shifts<'de, D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let written = Vec::<WrittenShift>::deserialize(from)?;
        if written.is_empty() {
            return Err(de::Error::custom(
                "The plan of who is on call has no shift.",
            ));
        }
        let shift = |one: WrittenShift| {
            Ok(Shift {
                from: time(one.from.as_deref())?,
                to: time(one.to.as_deref())?,
                name: one.name,
                on: one.on,
            })
        };
        Ok(Self::Shifts(
            written.into_iter().map(shift).collect::<Result<_, _>>()?,
        ))
    }

    pub(super) fn of_turns<'de, D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let written = WrittenTurns::deserialize(from)?;
        if written.rotate.is_empty() {
            return Err(de::Error::custom("`rotate` names nobody."));
        }
        let handover = match &written.handover {
            None => Weekday::Monday,
            Some(day) => schedule::weekday(day)
                .ok_or_else(|| de::Error::custom(format!("`{day}` is no day of the week.")))?,
        };
        Ok(Self::Turns {
            people: written.rotate,
            handover,
            at: time(written.at.as_deref())?,
        })
    }

    /// Everybody in the plan; one who has several shifts comes several times.
    pub fn people(&self) -> impl Iterator<Item = &str> {
        let names: Vec<&str> = match self {
            Self::Shifts(shifts) => shifts.iter().map(|shift| shift.name.as_str()).collect(),
            Self::Turns { people, .. } => people.iter().map(String::as_str).collect(),
        };
        names.into_iter()
    }

    /// Who is on call at an instant, by the clock of the business.
    pub fn at(&self, now: Timestamp, zone: &TimeZone) -> Option<&str> {
        let local = zone.to_datetime(now);
        match self {
            Self::Shifts(shifts) => shifts
                .iter()
                .find(|shift| shift.holds(local.date(), local.time()))
                .map(|shift| shift.name.as_str()),
            Self::Turns {
                people,
                handover,
                at,
            } => {
                // Weeks are counted from a handover long ago; before the hour of a handover the week before goes on.
                let first = jiff::civil::date(1970, 1, 5);
                let shift = i64::from(handover.to_monday_zero_offset());
                let days = local.date().since(first).ok()?.get_days();
                let mut days = i64::from(days) - shift;
                if local.weekday() == *handover && local.time() < *at {
                    days -= 1;
                }
                let turn = days.div_euclid(7).rem_euclid(people.len() as i64);
                people.get(usize::try_from(turn).ok()?).map(String::as_str)
            }
        }
    }
}

impl Shift {
    fn holds(&self, day: Date, time: Time) -> bool {
        let on = |day: Date| self.on.is_empty() || self.on.contains(&day.weekday());
        if self.from < self.to {
            return on(day) && self.from <= time && time < self.to;
        }
        let into_the_night = on(day) && time >= self.from;
        let out_of_it = time < self.to && day.yesterday().is_ok_and(on);
        into_the_night || out_of_it
    }
}

/// Days on which somebody is away: `2026-12-24` or `2026-12-24 to 2027-01-02`, both days included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Away {
    from: Date,
    to: Date,
}

impl Away {
    /// Whether a day is one of them.
    pub fn holds(&self, day: Date) -> bool {
        self.from <= day && day <= self.to
    }
}

impl<'de> Deserialize<'de> for Away {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        let (from, to) = text.split_once(" to ").unwrap_or((&text, &text));
        let day = |text: &str| {
            text.trim().parse::<Date>().map_err(|_| {
                de::Error::custom(format!(
                    "`{text}` is no day. Write 2026-12-24, or 2026-12-24 to 2027-01-02."
                ))
            })
        };
        let (from, to) = (day(from)?, day(to)?);
        if to < from {
            return Err(de::Error::custom(format!(
                "`{text}` ends before it begins."
            )));
        }
        Ok(Self { from, to })
    }
}

/// Places somebody is responsible for.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename = "territory", deny_unknown_fields)]
pub struct Territory {
    /// ZIP codes, whole or their beginning: `802`.
    #[serde(default)]
    zips: Vec<String>,
    /// States, by letters.
    #[serde(default)]
    states: Vec<String>,
}

impl Territory {
    /// Whether an address lies in it.
    pub fn holds(&self, zip: Option<&str>, state: Option<&str>) -> bool {
        let of_zip = zip.is_some_and(|zip| {
            let mut zips = self.zips.iter();
            zips.any(|begin| zip.starts_with(begin.trim_end_matches('*')))
        });
        let of_state = state.is_some_and(|state| {
            let mut states = self.states.iter();
            states.any(|one| one.eq_ignore_ascii_case(state))
        });
        of_zip || of_state
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(rota: &Rota, local: &str) -> Option<String> {
        let zone = TimeZone::get("America/Denver").unwrap();
        let local: jiff::civil::DateTime = local.parse().unwrap();
        let now = zone.to_timestamp(local).unwrap();
        rota.at(now, &zone).map(str::to_owned)
    }

    fn shifts(yaml: &str) -> Rota {
        struct Shifts(Rota);
        impl<'de> Deserialize<'de> for Shifts {
            fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                Rota::of_shifts(from).map(Self)
            }
        }
        serde_saphyr::from_str::<Shifts>(yaml).unwrap().0
    }

    /// D1: nights belong to the day on which they began.
    #[test]
    fn shifts_reach_into_the_next_day() {
        let rota = shifts(
            "[{ name: Night, on: [friday, sat], from: \"18:00\", to: \"08:00\" }, { name: Sunday, on: sunday }, { name: Day, from: \"08:00\", to: \"18:00\" }]",
        );
        for (local, who) in [
            ("2026-11-27T17:59", Some("Day")),
            ("2026-11-27T18:00", Some("Night")),
            ("2026-11-28T07:59", Some("Night")),
            ("2026-11-28T08:00", Some("Day")),
            ("2026-11-29T07:00", Some("Night")),
            ("2026-11-29T12:00", Some("Sunday")),
            ("2026-11-30T07:00", None),
            ("2026-12-01T07:00", None),
        ] {
            assert_eq!(at(&rota, local).as_deref(), who, "{local}");
        }
    }

    #[test]
    fn turns_change_at_the_handover() {
        let rota = Rota::Turns {
            people: vec!["A".into(), "B".into(), "C".into()],
            handover: Weekday::Wednesday,
            at: Time::constant(9, 0, 0, 0),
        };
        let before = at(&rota, "2026-11-25T08:59").unwrap();
        let after = at(&rota, "2026-11-25T09:00").unwrap();
        let week = at(&rota, "2026-12-02T08:59").unwrap();
        let next = at(&rota, "2026-12-02T09:00").unwrap();
        assert_eq!(after, week);
        let order = ["A", "B", "C", "A", "B"];
        let from = order.iter().position(|one| *one == before).unwrap();
        assert_eq!(
            [order[from + 1], order[from + 2]],
            [after.as_str(), next.as_str()]
        );
    }

    #[test]
    fn away_and_territory() {
        let away: Away = serde_saphyr::from_str("2026-12-24 to 2026-12-26").unwrap();
        let day = |text: &str| text.parse::<Date>().unwrap();
        assert!(away.holds(day("2026-12-24")) && away.holds(day("2026-12-26")));
        assert!(!away.holds(day("2026-12-27")));
        assert!(serde_saphyr::from_str::<Away>("Christmas").is_err());
        assert!(serde_saphyr::from_str::<Away>("2026-12-26 to 2026-12-24").is_err());
        let area: Territory =
            serde_saphyr::from_str("{ zips: [802, 80301], states: [wy] }").unwrap();
        for (zip, state, holds) in [
            (Some("80202"), None, true),
            (Some("80302"), Some("CO"), false),
            (None, Some("WY"), true),
            (None, None, false),
        ] {
            assert_eq!(area.holds(zip, state), holds, "{zip:?} {state:?}");
        }
    }
}
