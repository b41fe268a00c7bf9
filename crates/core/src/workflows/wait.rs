//! Until when a run waits (W2): for a length of time, until an instant, until the business is open, until a time of somebody's day.

use super::schedule;
use crate::config::durations;
use crate::time::Timestamp;
use jiff::civil::{DateTime, Time, Weekday};
use serde::de::{self, Deserializer, MapAccess, Visitor, value::MapAccessDeserializer};
use serde::{Deserialize, Serialize};
use std::{fmt, time::Duration};

/// Until when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Wait {
    /// For so long.
    For(#[serde(with = "durations")] Duration),
    /// Until an instant.
    Until(Timestamp),
    /// Until a date and time by the business's clock.
    UntilDate(DateTime),
    /// Until the business is open.
    UntilOpen,
    /// Until a time of the day, on one of these days where some are named.
    UntilClock {
        /// The time.
        at: Time,
        /// Whose clock shows it.
        of: Whose,
        /// Days of the week.
        #[serde(skip_serializing_if = "Vec::is_empty", serialize_with = "day_names")]
        on: Vec<Weekday>,
    },
    /// Until the instant in a field, or so long before or after it.
    UntilField {
        /// Such as `event.properties.start`.
        field: String,
        /// Earlier than it.
        #[serde(with = "durations::option")]
        before: Option<Duration>,
        /// Later than it.
        #[serde(with = "durations::option")]
        after: Option<Duration>,
    },
}

/// Whose clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Whose {
    /// The lead's, wherever it may be.
    #[default]
    Recipient,
    /// The business's.
    Business,
}

fn day_names<S: serde::Serializer>(days: &[Weekday], to: S) -> Result<S::Ok, S::Error> {
    to.collect_seq(days.iter().map(|day| format!("{day:?}").to_lowercase()))
}

impl fmt::Display for Wait {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::For(length) => f.write_str(&durations::show(*length)),
            Self::Until(at) => write!(f, "until {at}"),
            Self::UntilDate(at) => write!(f, "until {} {}", at.date(), at.strftime("%H:%M")),
            Self::UntilOpen => f.write_str("until the business is open"),
            Self::UntilClock { at, of, on } => {
                let of = match of {
                    Whose::Recipient => "where the lead is",
                    Whose::Business => "at the business's place",
                };
                write!(f, "until {} {of}", at.strftime("%H:%M"))?;
                let days: Vec<String> = on.iter().map(|day| format!("{day:?}")).collect();
                if days.is_empty() {
                    Ok(())
                } else {
                    write!(f, ", on {}", days.join(", "))
                }
            }
            Self::UntilField {
                field,
                before,
                after,
            } => {
                if let Some(length) = before {
                    write!(f, "until {} before {field}", durations::show(*length))
                } else if let Some(length) = after {
                    write!(f, "until {} after {field}", durations::show(*length))
                } else {
                    write!(f, "until {field}")
                }
            }
        }
    }
}

#[derive(Deserialize)]
#[serde(rename = "wait", deny_unknown_fields)]
struct Written {
    #[serde(default, rename = "for", with = "durations::option")]
    length: Option<Duration>,
    until: Option<WrittenUntil>,
    of: Option<Whose>,
    #[serde(default, deserialize_with = "schedule::weekdays")]
    on: Vec<Weekday>,
}

/// `business_hours`, a time of the day, an instant, or a field.
enum WrittenUntil {
    Word(String),
    Field {
        field: String,
        before: Option<Duration>,
        after: Option<Duration>,
    },
}

impl<'de> Deserialize<'de> for WrittenUntil {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(rename = "until", deny_unknown_fields)]
        struct OfField {
            field: String,
            #[serde(default, with = "durations::option")]
            before: Option<Duration>,
            #[serde(default, with = "durations::option")]
            after: Option<Duration>,
        }
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = WrittenUntil;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("`business_hours`, a time such as \"09:00\", an instant, or `field: …`")
            }
            fn visit_str<E: de::Error>(self, word: &str) -> Result<WrittenUntil, E> {
                Ok(WrittenUntil::Word(word.to_owned()))
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<WrittenUntil, A::Error> {
                let OfField {
                    field,
                    before,
                    after,
                } = OfField::deserialize(MapAccessDeserializer::new(map))?;
                if before.is_some() && after.is_some() {
                    return Err(de::Error::custom("Either `before` or `after`, not both."));
                }
                Ok(WrittenUntil::Field {
                    field,
                    before,
                    after,
                })
            }
        }
        from.deserialize_any(Either)
    }
}

fn until(word: &str, of: Option<Whose>, on: Vec<Weekday>) -> Result<Wait, String> {
    if word == "business_hours" {
        return Ok(Wait::UntilOpen);
    }
    if let Ok(at) = schedule::clock(word) {
        let of = of.unwrap_or_default();
        return Ok(Wait::UntilClock { at, of, on });
    }
    if let Ok(at) = word.parse::<Timestamp>() {
        return Ok(Wait::Until(at));
    }
    if let Ok(at) = word.parse::<DateTime>() {
        return Ok(Wait::UntilDate(at));
    }
    Err(format!(
        "`{word}` is nothing to wait until. Write `business_hours`, \"09:00\", \"2026-12-24 10:00\" or {{ field: event.properties.start, before: 2h }}."
    ))
}

impl<'de> Deserialize<'de> for Wait {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct OneWait;
        impl<'de> Visitor<'de> for OneWait {
            type Value = Wait;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a length of time such as 5m, or `until: …`")
            }
            fn visit_str<E: de::Error>(self, word: &str) -> Result<Wait, E> {
                durations::parse(word).map(Wait::For).map_err(E::custom)
            }
            fn visit_i64<E: de::Error>(self, n: i64) -> Result<Wait, E> {
                self.visit_str(&n.to_string())
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Wait, A::Error> {
                let written = Written::deserialize(MapAccessDeserializer::new(map))?;
                let of_clock = written.of.is_some() || !written.on.is_empty();
                let wait = match (written.length, written.until) {
                    (Some(length), None) => Wait::For(length),
                    (None, Some(WrittenUntil::Word(word))) => {
                        until(&word, written.of, written.on).map_err(de::Error::custom)?
                    }
                    (
                        None,
                        Some(WrittenUntil::Field {
                            field,
                            before,
                            after,
                        }),
                    ) => Wait::UntilField {
                        field,
                        before,
                        after,
                    },
                    _ => {
                        return Err(de::Error::custom(
                            "A wait has exactly one of `for` and `until`.",
                        ));
                    }
                };
                if of_clock && !matches!(wait, Wait::UntilClock { .. }) {
                    return Err(de::Error::custom(
                        "`of` and `on` belong to a time of the day, such as `until: \"09:00\"`.",
                    ));
                }
                Ok(wait)
            }
        }
        from.deserialize_any(OneWait)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_are_read_in_their_forms() {
        for (yaml, said) in [
            ("5m", "5m"),
            ("{ for: 2d }", "2d"),
            ("{ until: business_hours }", "until the business is open"),
            ("{ until: \"09:00\" }", "until 09:00 where the lead is"),
            (
                "{ until: \"17:30\", of: business, on: [friday] }",
                "until 17:30 at the business's place, on Friday",
            ),
            (
                "{ until: 2026-12-24T10:00:00Z }",
                "until 2026-12-24T10:00:00Z",
            ),
            ("{ until: \"2026-12-24 10:00\" }", "until 2026-12-24 10:00"),
            (
                "{ until: { field: event.properties.start, before: 2h } }",
                "until 2h before event.properties.start",
            ),
        ] {
            let wait: Wait =
                serde_saphyr::from_str(yaml).unwrap_or_else(|why| panic!("{yaml}: {why}"));
            assert_eq!(wait.to_string(), said);
        }
        for (yaml, why) in [
            ("{ for: 5m, until: business_hours }", "exactly one"),
            ("{ until: soon }", "nothing to wait until"),
            ("{ until: business_hours, on: monday }", "belong to a time"),
            ("soon", "no length of time"),
            ("{ until: { field: a, before: 1h, after: 1h } }", "not both"),
        ] {
            let told = serde_saphyr::from_str::<Wait>(yaml)
                .unwrap_err()
                .to_string();
            assert!(told.contains(why), "{yaml}: {told}");
        }
    }
}
