//! The rules of quiet hours as data: read once, checked, refused when a state is missing or a rule is wider than the law (C4).

use crate::consent::rules::Rules;
use crate::places::{DayHours, HolidaySet, Holidays, Region, State, Zone};
use serde::Deserialize;
use std::collections::BTreeMap;

/// The hours of one law or of the product's own default.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HoursRule {
    /// Its id in verdicts and reports, for example `US-FL`.
    pub id: String,
    /// Where the hours were read.
    pub source: String,
    /// Who keeps them, for sentences: "Florida", "the United Kingdom".
    pub place: String,
    /// Monday to Friday, Saturday, Sunday.
    days: [DayHours; 3],
    /// The calendar on whose days it is closed.
    pub(super) holidays: Option<HolidaySet>,
    /// The hours must hold in this zone too.
    pub(super) also_in: Option<Zone>,
}

/// All rules of one file.
#[derive(Debug, Clone)]
pub struct QuietHours {
    /// The version that verdicts name.
    pub version: String,
    /// The day the facts were read.
    pub as_of: jiff::civil::Date,
    pub(super) promotional: HoursRule,
    pub(super) transactional: HoursRule,
    states: BTreeMap<State, HoursRule>,
    countries: BTreeMap<Region, Option<HoursRule>>,
}

/// The part of the file of rules that is about hours.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::consent) struct HoursFile {
    federal: Everywhere,
    promotional: Everywhere,
    transactional: Everywhere,
    states: Vec<Row>,
    federal_only: Vec<State>,
    nowhere: Vec<State>,
    countries: Vec<Row>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Everywhere {
    id: String,
    hours: DayHours,
    source: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    id: String,
    state: Option<State>,
    #[serde(default)]
    countries: Vec<Region>,
    mon_fri: DayHours,
    sat: DayHours,
    sun: DayHours,
    holidays: Option<String>,
    also_in: Option<Zone>,
    #[serde(rename = "confidence")]
    _confidence: Confidence,
    source: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Confidence {
    Read,
    Vendor,
}

impl HoursRule {
    fn everywhere(rule: Everywhere) -> Self {
        Self {
            id: rule.id,
            source: rule.source,
            place: String::new(),
            days: [rule.hours.clone(), rule.hours.clone(), rule.hours],
            holidays: None,
            also_in: None,
        }
    }

    /// Monday to Friday, Saturday, Sunday.
    pub const fn days(&self) -> &[DayHours; 3] {
        &self.days
    }

    /// Whether public holidays are closed.
    pub const fn keeps_holidays(&self) -> bool {
        self.holidays.is_some()
    }

    /// The hours of a weekday; Monday is 0.
    pub(super) fn on(&self, weekday: i64) -> &DayHours {
        &self.days[usize::try_from(weekday - 4).unwrap_or(0).min(2)]
    }
}

impl QuietHours {
    /// The rules that are built in.
    pub fn built_in() -> &'static Self {
        &Rules::built_in().hours
    }

    /// Takes the hours of a file of rules, noting all that is wrong with them: a state is missing or twice, hours overlap or are
    /// wider than federal law, a calendar does not exist.
    pub(in crate::consent) fn of(
        file: HoursFile,
        version: &str,
        as_of: jiff::civil::Date,
        holidays: &Holidays,
        problems: &mut Vec<String>,
    ) -> Self {
        for (name, rule) in [
            ("promotional", &file.promotional),
            ("transactional", &file.transactional),
        ] {
            if !rule.hours.within(&file.federal.hours) {
                problems.push(format!(
                    "the {name} hours {} are wider than federal law, {}",
                    rule.hours, file.federal.hours
                ));
            }
        }
        let mut states = BTreeMap::new();
        for row in file.states {
            let Some(state) = row.state else {
                problems.push(format!("{} names no state", row.id));
                continue;
            };
            for hours in [&row.mon_fri, &row.sat, &row.sun] {
                if !hours.within(&file.federal.hours) {
                    problems.push(format!(
                        "{}: {hours} is wider than federal law, {}",
                        row.id, file.federal.hours
                    ));
                }
            }
            let rule = row.rule(state.name().to_owned(), holidays, problems);
            if states.insert(state, rule).is_some() {
                problems.push(format!("{} has more than one rule", state.name()));
            }
        }
        for state in State::all().filter(|state| state.country() == Region::US) {
            let listed = usize::from(states.contains_key(&state))
                + file
                    .federal_only
                    .iter()
                    .chain(&file.nowhere)
                    .filter(|one| **one == state)
                    .count();
            if listed != 1 {
                problems.push(format!(
                    "{} must stand once, in a rule, in federal_only or in nowhere, and stands {listed} times",
                    state.name()
                ));
            }
        }
        let mut countries = BTreeMap::from([(Region::US, None)]);
        for row in file.countries {
            for region in &row.countries {
                let rule = row.rule(region.name().to_owned(), holidays, problems);
                if countries.insert(*region, Some(rule)).is_some() {
                    problems.push(format!("{} has more than one rule", region.name()));
                }
            }
        }
        Self {
            version: version.to_owned(),
            as_of,
            promotional: HoursRule::everywhere(file.promotional),
            transactional: HoursRule::everywhere(file.transactional),
            states,
            countries,
        }
    }

    /// The rule of a state, when it has one narrower than federal law.
    pub fn of_state(&self, state: State) -> Option<&HoursRule> {
        self.states.get(&state)
    }

    /// Every rule that is narrower than the product's own: whose it is, Monday to Friday, Saturday, Sunday, and where it was read.
    pub fn all(&self) -> impl Iterator<Item = &HoursRule> {
        self.states
            .values()
            .chain(self.countries.values().flatten())
    }

    /// The rule of a country: none when it has no profile, an empty profile when only the product's own hours count.
    pub fn of_country(&self, region: Region) -> Option<Option<&HoursRule>> {
        self.countries.get(&region).map(Option::as_ref)
    }
}

impl Row {
    fn rule(&self, place: String, holidays: &Holidays, problems: &mut Vec<String>) -> HoursRule {
        let set = self.holidays.as_ref().and_then(|key| {
            let set = holidays.set(key).cloned();
            if set.is_none() {
                problems.push(format!("{}: there are no holidays named {key}", self.id));
            }
            set
        });
        HoursRule {
            id: self.id.clone(),
            source: self.source.clone(),
            place,
            days: [self.mon_fri.clone(), self.sat.clone(), self.sun.clone()],
            holidays: set,
            also_in: self.also_in,
        }
    }
}
