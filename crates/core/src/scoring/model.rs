//! A score model as configuration says it.

use crate::conditions::{Condition, Span, suggest};
use serde::{
    Deserialize, Deserializer, Serialize,
    de::{Error, SeqAccess, Visitor},
};
use std::{borrow::Cow, fmt};

/// Rules and tiers. Read it with serde, then ask [`ScoreModel::check`] what is wrong with it.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScoreModel {
    /// Its name within the tenant.
    pub name: String,
    /// The product it belongs to (W6).
    #[serde(default)]
    pub product: Option<String>,
    /// For how long points are gathered.
    pub scope: Scope,
    /// At most 200.
    pub rules: Vec<Rule>,
    /// From the lowest to the highest, whatever order they are written in.
    #[serde(default, deserialize_with = "rising")]
    pub tiers: Vec<Tier>,
    /// How points fade when they are read.
    #[serde(default)]
    pub decay: Option<Decay>,
}

/// For how long a state gathers points.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// For one visit.
    Session,
    /// For the whole life of the lead.
    Lead,
}

/// One way to earn (or lose) points.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Its name within the model, kept in the ledger.
    pub name: String,
    /// What people see.
    #[serde(default)]
    pub label: Option<String>,
    /// The types of event it listens to; every event when empty.
    #[serde(default, rename = "event", deserialize_with = "one_or_several")]
    pub events: Vec<String>,
    /// What has to hold besides.
    #[serde(default)]
    pub when: Option<Condition>,
    /// From -1000 to 1000.
    pub points: i64,
    /// How often it may fire in one state.
    #[serde(default)]
    pub limit: Option<Limit>,
    /// Of rules with the same name here only the best counts.
    #[serde(default)]
    pub best_of: Option<String>,
}

/// How often a rule may fire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// Once in the state.
    Once,
    /// Once in each visit.
    PerSession,
    /// So many times in the state.
    Times(u32),
}

/// A range of points with a name.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tier {
    /// Its name within the model.
    pub name: String,
    /// What people see.
    #[serde(default)]
    pub label: Option<String>,
    /// The lowest number of points in it.
    pub from: i64,
    /// The highest; up to the next tier when absent.
    #[serde(default)]
    pub to: Option<i64>,
}

/// How points fade.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Decay {
    /// The time after which half of the points are left.
    pub half_life: Span,
}

impl ScoreModel {
    /// What is wrong with the model, one sentence per problem (W5).
    pub fn check(&self) -> Vec<String> {
        super::check::check(self)
    }

    /// The rule of that name.
    pub fn rule(&self, name: &str) -> Option<&Rule> {
        self.rules.iter().find(|rule| rule.name == name)
    }

    /// The tier of that name.
    pub fn tier(&self, name: &str) -> Option<&Tier> {
        self.tiers.iter().find(|tier| tier.name == name)
    }

    /// The tier that so many points are in.
    pub fn tier_of(&self, points: i64) -> Option<&Tier> {
        self.tiers
            .iter()
            .filter(|tier| tier.from <= points && tier.to.is_none_or(|to| points <= to))
            .max_by_key(|tier| tier.from)
    }

    /// The limit of a rule, with the default of the model's scope.
    pub fn limit_of(&self, rule: &Rule) -> Limit {
        rule.limit.unwrap_or(match self.scope {
            Scope::Session => Limit::PerSession,
            Scope::Lead => Limit::Once,
        })
    }
}

impl Rule {
    /// What people see: the label, or the name in plain words.
    pub fn title(&self) -> Cow<'_, str> {
        title(self.label.as_deref(), &self.name)
    }

    /// Whether it listens to events of that type.
    pub fn listens(&self, kind: &str) -> bool {
        self.events.is_empty() || self.events.iter().any(|event| same_type(event, kind))
    }
}

impl Tier {
    /// What people see: the label, or the name in plain words.
    pub fn title(&self) -> Cow<'_, str> {
        title(self.label.as_deref(), &self.name)
    }
}

fn title<'a>(label: Option<&'a str>, name: &str) -> Cow<'a, str> {
    label.map_or_else(|| Cow::Owned(name.replace(['_', '-'], " ")), Cow::Borrowed)
}

/// Trackers send the names people click together: “Emergency Click”, “emergency-click”.
fn same_type(ours: &str, theirs: &str) -> bool {
    let plain = |byte: u8| match byte {
        b' ' | b'-' => b'_',
        other => other.to_ascii_lowercase(),
    };
    ours.len() == theirs.len() && ours.bytes().map(plain).eq(theirs.bytes().map(plain))
}

fn rising<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Tier>, D::Error> {
    let mut tiers = Vec::<Tier>::deserialize(deserializer)?;
    tiers.sort_by_key(|tier| tier.from);
    Ok(tiers)
}

fn one_or_several<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    struct Types;

    impl<'de> Visitor<'de> for Types {
        type Value = Vec<String>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a type of event such as page, or a list of types")
        }

        fn visit_str<E: Error>(self, text: &str) -> Result<Vec<String>, E> {
            Ok(vec![text.to_owned()])
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Vec<String>, A::Error> {
            let mut types = Vec::new();
            while let Some(one) = seq.next_element()? {
                types.push(one);
            }
            if types.is_empty() {
                return Err(A::Error::custom(
                    "the list of event types is empty; leave event: away to listen to all",
                ));
            }
            Ok(types)
        }
    }

    deserializer.deserialize_any(Types)
}

impl<'de> Deserialize<'de> for Limit {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Words;

        impl Visitor<'_> for Words {
            type Value = Limit;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a limit: once, per_session or a number")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Limit, E> {
                match text {
                    "once" => Ok(Limit::Once),
                    "per_session" => Ok(Limit::PerSession),
                    other => Err(E::custom(format_args!(
                        "{} is no limit; write once, per_session or a number{}",
                        suggest::quoted(other),
                        suggest::did_you_mean(other, ["once", "per_session"])
                    ))),
                }
            }

            fn visit_u64<E: Error>(self, times: u64) -> Result<Limit, E> {
                u32::try_from(times)
                    .map(Limit::Times)
                    .map_err(|_| E::custom("the limit is too large; leave it at a million or less"))
            }

            fn visit_i64<E: Error>(self, times: i64) -> Result<Limit, E> {
                // A negative limit is told like a limit of nought, by the check.
                self.visit_u64(u64::try_from(times).unwrap_or(0))
            }
        }

        deserializer.deserialize_any(Words)
    }
}
