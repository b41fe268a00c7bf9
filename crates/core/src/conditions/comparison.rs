//! Putting a comparison together from its keys: field, operator with its value, `at_least`, `zone`.

use super::{
    fields::Field,
    operators::{Comparison, Pattern, Test},
    read::{Budget, Raw},
    span::Span,
    suggest::{quoted, shown},
    values::{Bound, Literal, moment, number},
    zone::Zone,
};
use jiff::tz::TimeZone;
use serde::de::Error;

/// The most that `at_least` may ask for.
const AT_LEAST: u32 = 1_000;

/// A comparison whose keys have all been read.
pub(super) struct Parts<'p> {
    pub(super) field: &'p str,
    pub(super) name: &'static str,
    pub(super) at_least: Option<Raw>,
    pub(super) zone: Option<String>,
    pub(super) budget: &'p Budget,
}

impl Parts<'_> {
    /// Puts the comparison together, or says what does not fit.
    pub(super) fn build<E: Error>(self, raw: Raw) -> Result<Comparison, E> {
        let zone = match &self.zone {
            None => None,
            Some(name) if name.len() <= 60 => Zone::read(name),
            Some(_) => None,
        };
        if let (Some(name), None) = (&self.zone, &zone) {
            return Err(E::custom(format_args!(
                "{} is no time zone; write one such as America/Denver",
                quoted(name)
            )));
        }
        let wanted = match &self.at_least {
            None => 1,
            Some(Raw::Number(number, _))
                if number.fract() == 0.0 && (1.0..=f64::from(AT_LEAST)).contains(number) =>
            {
                *number as u32
            }
            Some(_) => {
                return Err(E::custom(format_args!(
                    "at_least wants a whole number from 1 to {AT_LEAST}"
                )));
            }
        };
        let test = self.test(raw)?;
        if wanted > 1 && test.denies() {
            return Err(E::custom(format_args!(
                "at_least does not go with {}; turn the comparison round with not:",
                self.name
            )));
        }
        Ok(Comparison {
            field: Field::read(self.field),
            test,
            wanted,
            zone,
        })
    }

    /// “contains for lead.city”, so that the place is found also where the document has no lines.
    fn here(&self) -> String {
        format!("{} for {}", self.name, shown(self.field, 80))
    }

    fn test<E: Error>(&self, raw: Raw) -> Result<Test, E> {
        Ok(match self.name {
            "is" => Test::Is(self.literal(raw)?),
            "is_not" => Test::IsNot(self.literal(raw)?),
            "in" => Test::In(self.literals(raw)?),
            "not_in" => Test::NotIn(self.literals(raw)?),
            "gt" => Test::Gt(self.bound(&raw)?),
            "gte" => Test::Gte(self.bound(&raw)?),
            "lt" => Test::Lt(self.bound(&raw)?),
            "lte" => Test::Lte(self.bound(&raw)?),
            "between" => self.between(raw)?,
            "contains" => Test::Contains(self.words(raw)?),
            "starts_with" => Test::StartsWith(self.words(raw)?),
            "ends_with" => Test::EndsWith(self.words(raw)?),
            "matches" => {
                let Raw::Text(pattern) = raw else {
                    return Err(E::custom(format_args!(
                        "{} wants a regular expression in single quotes",
                        self.here()
                    )));
                };
                self.budget.pattern()?;
                Test::Matches(
                    Pattern::read(&pattern)
                        .map_err(|why| E::custom(format_args!("{}: {why}", self.here())))?,
                )
            }
            "exists" => match raw {
                Raw::Bool(wanted) => Test::Exists(wanted),
                _ => {
                    return Err(E::custom(format_args!(
                        "{} wants true or false",
                        self.here()
                    )));
                }
            },
            "within" => Test::Within(self.span(raw)?),
            _ => Test::OlderThan(self.span(raw)?),
        })
    }

    fn literal<E: Error>(&self, raw: Raw) -> Result<Literal, E> {
        match raw {
            Raw::Null => Err(E::custom(format_args!(
                "{} has no value; to ask whether there is one, write exists: true or false",
                self.here()
            ))),
            Raw::Text(text) if text.trim().is_empty() => Err(E::custom(format_args!(
                "{} compares with an empty text, which counts as missing; write exists: false",
                self.here()
            ))),
            Raw::Bool(truth) => Ok(Literal::Bool(truth)),
            Raw::Number(number, _) => Ok(Literal::Number(number)),
            Raw::Text(text) => Ok(Literal::text(&text)),
            Raw::List(_) => Err(E::custom(format_args!(
                "{} wants one value; for a list write {}",
                self.here(),
                if self.name == "is_not" {
                    "not_in"
                } else {
                    "in"
                }
            ))),
        }
    }

    fn literals<E: Error>(&self, raw: Raw) -> Result<Box<[Literal]>, E> {
        match raw {
            Raw::List(values) if !values.is_empty() => values
                .into_iter()
                .map(|value| self.literal(value))
                .collect(),
            _ => Err(E::custom(format_args!(
                "{} wants a list such as [repair, replacement]",
                self.here()
            ))),
        }
    }

    fn words<E: Error>(&self, raw: Raw) -> Result<Box<[Box<str>]>, E> {
        let word = |raw| match raw {
            Raw::Text(text) if !text.trim().is_empty() => Ok(text.into_boxed_str()),
            Raw::Number(_, spelt) => Ok(spelt.into_boxed_str()),
            _ => Err(E::custom(format_args!(
                "{} wants a text, or a list of texts of which one has to fit",
                self.here()
            ))),
        };
        match raw {
            Raw::List(values) if !values.is_empty() => values.into_iter().map(word).collect(),
            one => Ok(Box::new([word(one)?])),
        }
    }

    fn bound<E: Error>(&self, raw: &Raw) -> Result<Bound, E> {
        let read = match raw {
            Raw::Number(number, _) => Some(Bound::Number(*number)),
            Raw::Text(text) => number(text)
                .map(Bound::Number)
                .or_else(|| Some(Bound::Instant(moment(text)?, text.trim().into()))),
            _ => None,
        };
        read.ok_or_else(|| {
            E::custom(format_args!(
                "{} wants a number, or a date such as 2026-11-22 or 2026-11-22T09:00:00Z",
                self.here()
            ))
        })
    }

    fn between<E: Error>(&self, raw: Raw) -> Result<Test, E> {
        let Raw::List(ends) = raw else {
            return Err(E::custom(format_args!(
                "{} wants two values: [from, to], both included",
                self.here()
            )));
        };
        let ends: Vec<Bound> = ends
            .iter()
            .map(|end| self.bound(end))
            .collect::<Result<_, E>>()?;
        let Ok([from, to]) = <[Bound; 2]>::try_from(ends) else {
            return Err(E::custom(format_args!(
                "{} wants two values: [from, to], both included",
                self.here()
            )));
        };
        let rising = match (&from, &to) {
            (Bound::Number(from), Bound::Number(to)) => from <= to,
            (Bound::Instant(from, _), Bound::Instant(to, _)) => {
                // Which zone they are read in does not matter here, unless only one of them says its own.
                from.at(&TimeZone::UTC) <= to.at(&TimeZone::UTC)
            }
            _ => {
                return Err(E::custom(format_args!(
                    "{} mixes a number and a date",
                    self.here()
                )));
            }
        };
        if !rising {
            return Err(E::custom(format_args!(
                "{} has its ends the wrong way round: the lower comes first",
                self.here()
            )));
        }
        Ok(Test::Between(from, to))
    }

    fn span<E: Error>(&self, raw: Raw) -> Result<Span, E> {
        let written = match raw {
            Raw::Text(text) => text,
            Raw::Number(_, spelt) => spelt,
            _ => String::new(),
        };
        written
            .parse()
            .map_err(|why| E::custom(format_args!("{}: {why}", self.here())))
    }
}
