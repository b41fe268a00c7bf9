//! The rules as one dated file: what may go where on which ground, when, how often, each with where it was read (C1 to C5).

use super::Basis;
use super::hours::{HoursFile, QuietHours};
use super::national::NationalRule;
use crate::messages::{Category, ChannelKind};
use crate::places::{Holidays, Region};
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use std::sync::OnceLock;

/// All rules of one file.
#[derive(Debug, Clone)]
pub struct Rules {
    /// The version that verdicts name.
    pub version: String,
    /// The day the facts were read.
    pub as_of: Date,
    /// Every rule with an id, in the order of the file.
    pub list: Vec<Rule>,
    /// The most promotional contacts of one person in a rolling 24 hours (US-8).
    pub promotional_per_24h: u32,
    /// When messages may go (C4).
    pub hours: QuietHours,
    offers: Vec<Offers>,
    elsewhere: Elsewhere,
    nationals: Vec<NationalRule>,
}

/// One rule, as it is shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Its id in verdicts and reports, for example `US-1`.
    pub id: String,
    /// The gate that asks for it.
    pub gate: String,
    /// The channels it is about.
    pub channels: Vec<ChannelKind>,
    /// The categories it is about.
    pub categories: Vec<Category>,
    /// What it asks, a sentence.
    pub says: String,
    /// What is kept unless a business is stricter.
    pub default: String,
    /// True when an operator may loosen it by signing off; every other rule can only be kept or made stricter.
    #[serde(default)]
    pub loosened: bool,
    /// How sure we are of it.
    pub confidence: Confidence,
    /// Where it was read.
    pub source: String,
}

/// How sure we are of a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Confidence {
    /// Read in the statute, an order or the provider's own pages.
    Read,
    /// Well known, not read again.
    Settled,
    /// Only in tables of vendors, or disputed.
    Vendor,
}

/// What carries an offer in some countries.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Offers {
    rule: String,
    countries: Vec<Region>,
    channels: Vec<ChannelKind>,
    bases: Vec<Basis>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Elsewhere {
    rule: String,
    bases: Vec<Basis>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    rules_version: String,
    as_of: String,
    rules: Vec<Rule>,
    offers: Vec<Offers>,
    elsewhere: Elsewhere,
    promotional_per_24h: u32,
    do_not_call: Vec<NationalRule>,
    hours: HoursFile,
}

impl Rules {
    /// The rules that are built in.
    pub fn built_in() -> &'static Self {
        static LOADED: OnceLock<Rules> = OnceLock::new();
        LOADED.get_or_init(|| {
            Self::load(include_str!("../../data/rules.yaml"), Holidays::built_in())
                .expect("the built-in file is read by a test")
        })
    }

    /// Reads a file of rules.
    ///
    /// # Errors
    /// All that is wrong with it, each as a sentence: it cannot be read, a rule is there twice or is named and not there, a country has
    /// two rules for a channel, more contacts than the law allows, or what [`QuietHours`] finds wrong with the hours.
    pub fn load(yaml: &str, holidays: &Holidays) -> Result<Self, Vec<String>> {
        let file: File = serde_saphyr::from_str(yaml)
            .map_err(|error| vec![format!("the file of rules cannot be read: {error}")])?;
        let mut problems = Vec::new();
        let as_of = file.as_of.parse().unwrap_or_else(|_| {
            problems.push(format!(
                "as_of {:?} is no date; write it as 2026-11-21",
                file.as_of
            ));
            Date::MIN
        });
        for (at, rule) in file.rules.iter().enumerate() {
            if file.rules.iter().take(at).any(|other| other.id == rule.id) {
                problems.push(format!("{} is there more than once", rule.id));
            }
        }
        let named = file.offers.iter().map(|offers| &offers.rule);
        for name in named.chain([&file.elsewhere.rule]) {
            if !file.rules.iter().any(|rule| rule.id == *name) {
                problems.push(format!("offers name {name}, which is no rule"));
            }
        }
        for (at, national) in file.do_not_call.iter().enumerate() {
            let name = &national.rule;
            if !file.rules.iter().any(|rule| rule.id == *name) {
                problems.push(format!("do_not_call names {name}, which is no rule"));
            }
            let others = file.do_not_call.iter().take(at);
            if others
                .into_iter()
                .any(|other| other.country == national.country)
            {
                problems.push(format!("{} has two rules for its list", national.country));
            }
            if national.country == Region::US && national.oldest_days > 31 {
                problems.push(format!("{name} is wider than federal law, 31 days"));
            }
        }
        for (at, offers) in file.offers.iter().enumerate() {
            let twice = |other: &&Offers| {
                other
                    .channels
                    .iter()
                    .any(|one| offers.channels.contains(one))
                    && other
                        .countries
                        .iter()
                        .any(|one| offers.countries.contains(one))
            };
            if let Some(other) = file.offers.iter().take(at).find(twice) {
                problems.push(format!(
                    "{} and {} are both about offers to the same country by the same channel",
                    other.rule, offers.rule
                ));
            }
        }
        if file.promotional_per_24h > 3 {
            problems.push(
                "promotional_per_24h is wider than the law of Florida and Oklahoma, 3".to_owned(),
            );
        }
        let hours = QuietHours::of(
            file.hours,
            &file.rules_version,
            as_of,
            holidays,
            &mut problems,
        );
        if !problems.is_empty() {
            return Err(problems);
        }
        Ok(Self {
            version: file.rules_version,
            as_of,
            list: file.rules,
            promotional_per_24h: file.promotional_per_24h,
            hours,
            offers: file.offers,
            elsewhere: file.elsewhere,
            nationals: file.do_not_call,
        })
    }

    /// A rule by its id.
    pub fn rule(&self, id: &str) -> Option<&Rule> {
        self.list.iter().find(|rule| rule.id == id)
    }

    /// The rule for the national do-not-call list of a country.
    pub fn national(&self, country: Region) -> Option<&NationalRule> {
        self.nationals.iter().find(|rule| rule.country == country)
    }

    /// Every rule for a national do-not-call list.
    pub fn nationals(&self) -> impl Iterator<Item = &NationalRule> {
        self.nationals.iter()
    }

    /// The rule for offers to a country by a channel, and the bases that satisfy it.
    pub fn offers(&self, country: Option<Region>, channel: ChannelKind) -> (&str, &[Basis]) {
        let fits = |offers: &&Offers| {
            offers.channels.contains(&channel)
                && country.is_some_and(|country| offers.countries.contains(&country))
        };
        self.offers
            .iter()
            .find(fits)
            .map_or((&self.elsewhere.rule, &self.elsewhere.bases), |offers| {
                (&offers.rule, &offers.bases)
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = include_str!("../../data/rules.yaml");

    /// C1 to C5: a file with a rule twice, a rule that is not there, or something wider than the law is not used.
    #[test]
    fn a_wrong_file_does_not_load() {
        for (from, to, part) in [
            ("id: US-2,", "id: US-1,", "US-1 is there more than once"),
            (
                "{ rule: CA-1, countries",
                "{ rule: CA-9, countries",
                "CA-9, which is no rule",
            ),
            (
                "countries: [CA], channels: [sms, email], bases",
                "countries: [CA, US], channels: [email], bases",
                "US-17 and CA-1",
            ),
            (
                "promotional_per_24h: 3\n#",
                "promotional_per_24h: 4\n#",
                "wider than the law",
            ),
            (
                "bases: [written, soft_opt_in]",
                "bases: [written, wished_for]",
                "cannot be read",
            ),
            ("as_of: 2026-11-21", "as_of: lately", "lately"),
            (
                "oldest_days: 31",
                "oldest_days: 60",
                "wider than federal law",
            ),
            (
                "rule: UK-4, country: GB",
                "rule: UK-9, country: GB",
                "UK-9, which is no rule",
            ),
        ] {
            assert!(GOOD.contains(from), "{from}");
            let problems = Rules::load(&GOOD.replacen(from, to, 1), Holidays::built_in())
                .expect_err(to)
                .join("\n");
            assert!(problems.contains(part), "{part}: {problems}");
        }
    }

    /// Every rule says what it asks and where that was read.
    #[test]
    fn every_rule_has_a_source() {
        let rules = Rules::built_in();
        assert!(rules.list.len() >= 20);
        for rule in &rules.list {
            assert!(
                rule.says.ends_with('.') && !rule.source.is_empty() && !rule.channels.is_empty(),
                "{}",
                rule.id
            );
        }
        assert!(rules.hours.all().all(|rule| !rule.source.is_empty()));
    }

    /// C2: what carries an offer is looked up by country and channel; where no rule is about both, only writing is enough.
    #[test]
    fn what_carries_an_offer_goes_by_country_and_channel() {
        use ChannelKind::{Email, Sms, Webhook};
        let rules = Rules::built_in();
        for (country, channel, rule) in [
            (Some(Region::US), Sms, "US-1"),
            (Some(Region::US), Email, "US-17"),
            (Some(Region::GB), Sms, "UK-1"),
            (Some(Region::GB), Webhook, "XX-1"),
            ("BR".parse().ok(), Sms, "XX-1"),
            (None, Sms, "XX-1"),
        ] {
            let (found, bases) = rules.offers(country, channel);
            assert_eq!(found, rule, "{country:?} {channel}");
            assert!(bases.contains(&Basis::Written));
            assert_eq!(bases.contains(&Basis::Verbal), rule == "US-17");
        }
        assert_eq!(rules.rule("US-8").map(|rule| &*rule.gate), Some("caps"));
        assert_eq!(rules.rule("US-99"), None);
        let lists: Vec<(&str, u16)> = rules
            .nationals()
            .map(|rule| (&*rule.rule, rule.oldest_days))
            .collect();
        assert_eq!(lists, [("US-9", 31), ("UK-4", 28)]);
        assert_eq!(
            rules.national(Region::GB).map(|rule| &*rule.rule),
            Some("UK-4")
        );
        assert_eq!(rules.national(Region::CA), None);
    }

    /// US-9: a country has one list; another country's may be asked for longer than the American one.
    #[test]
    fn a_country_has_one_rule_for_its_list() {
        let (from, to) = ("rule: UK-4, country: GB", "rule: UK-4, country: US");
        let problems = Rules::load(&GOOD.replacen(from, to, 1), Holidays::built_in()).unwrap_err();
        assert_eq!(problems, ["US has two rules for its list"]);
        let longer = GOOD.replacen(
            "country: GB, oldest_days: 28",
            "country: GB, oldest_days: 90",
            1,
        );
        assert!(longer != GOOD && Rules::load(&longer, Holidays::built_in()).is_ok());
        let shorter = GOOD.replacen("promotional_per_24h: 3\n#", "promotional_per_24h: 2\n#", 1);
        assert_eq!(
            Rules::load(&shorter, Holidays::built_in()).map(|rules| rules.promotional_per_24h),
            Ok(2)
        );
    }

    /// C4: rules of hours are found by state and country, and say whether they keep holidays.
    #[test]
    fn rules_of_hours_are_found_by_state_and_country() {
        let hours = &Rules::built_in().hours;
        let state = |code: &str| hours.of_state(code.parse().unwrap());
        let rhode_island = state("RI").unwrap();
        assert!(rhode_island.keeps_holidays());
        assert_eq!(
            rhode_island.days().each_ref().map(ToString::to_string),
            ["09:00-18:00", "10:00-17:00", "closed"]
        );
        let florida = state("FL").unwrap();
        assert!(!florida.keeps_holidays() && florida.id == "US-FL");
        assert_eq!(state("AK"), None);
        assert_eq!(
            hours.of_country(Region::US),
            Some(None),
            "the states' rules count"
        );
        assert_eq!(
            hours
                .of_country(Region::GB)
                .flatten()
                .map(|rule| &*rule.place),
            Some(Region::GB.name())
        );
        assert_eq!(hours.of_country("BR".parse().unwrap()), None);
        assert!(hours.all().count() > 15);
    }
}
