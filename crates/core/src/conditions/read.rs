//! Reading a condition from YAML or JSON. Whatever is wrong is told as a sentence with the mend, and nothing can grow without bound.

use super::{
    Condition,
    comparison::Parts,
    suggest::{nearest, quoted},
};
use serde::{
    Deserialize, Deserializer,
    de::{DeserializeSeed, Error, MapAccess, SeqAccess, Visitor},
};
use std::{cell::Cell, fmt};

const DEPTH: usize = 16;
const NODES: usize = 200;
const VALUES: usize = 200;
const VALUE_BYTES: usize = 1_000;
const ALL_BYTES: usize = 32 * 1024;
const PATTERNS: usize = 8;
/// Beyond 2^53 numbers have gaps, and two different ids would be equal.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// Every operator as it is written.
pub(super) const OPERATORS: [&str; 16] = [
    "is",
    "is_not",
    "in",
    "not_in",
    "gt",
    "gte",
    "lt",
    "lte",
    "between",
    "contains",
    "starts_with",
    "ends_with",
    "matches",
    "exists",
    "within",
    "older_than",
];
const OTHERS: [&str; 6] = ["all", "any", "not", "field", "at_least", "zone"];

/// Names that other tools give to our operators.
const FOREIGN: [(&str, &str); 24] = [
    ("==", "is"),
    ("=", "is"),
    ("eq", "is"),
    ("equals", "is"),
    ("equal", "is"),
    ("value", "is"),
    ("!=", "is_not"),
    ("ne", "is_not"),
    ("neq", "is_not"),
    ("not_equals", "is_not"),
    ("one_of", "in"),
    ("none_of", "not_in"),
    (">", "gt"),
    (">=", "gte"),
    ("<", "lt"),
    ("<=", "lte"),
    ("min", "gte"),
    ("max", "lte"),
    ("after", "gt"),
    ("before", "lt"),
    ("regex", "matches"),
    ("present", "exists"),
    ("newer_than", "within"),
    ("includes", "contains"),
];

/// What one condition may still use.
pub(super) struct Budget {
    nodes: Cell<usize>,
    bytes: Cell<usize>,
    patterns: Cell<usize>,
}

impl Budget {
    fn node<E: Error>(&self) -> Result<(), E> {
        self.nodes.set(self.nodes.get() + 1);
        if self.nodes.get() > NODES {
            return Err(E::custom(format_args!(
                "a condition holds at most {NODES} comparisons and groups; use in or contains with a list, or split the rule"
            )));
        }
        Ok(())
    }

    fn text<E: Error>(&self, text: &str) -> Result<(), E> {
        self.bytes.set(self.bytes.get() + text.len());
        if text.len() > VALUE_BYTES || self.bytes.get() > ALL_BYTES {
            return Err(E::custom(format_args!(
                "the values of a condition are too long: at most {VALUE_BYTES} bytes each and {ALL_BYTES} together"
            )));
        }
        Ok(())
    }

    pub(super) fn pattern<E: Error>(&self) -> Result<(), E> {
        self.patterns.set(self.patterns.get() + 1);
        if self.patterns.get() > PATTERNS {
            return Err(E::custom(format_args!(
                "a condition holds at most {PATTERNS} patterns; join them with | or use contains with a list of words"
            )));
        }
        Ok(())
    }
}

impl<'de> Deserialize<'de> for Condition {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let budget = Budget {
            nodes: Cell::new(0),
            bytes: Cell::new(0),
            patterns: Cell::new(0),
        };
        Node {
            depth: 1,
            budget: &budget,
        }
        .deserialize(deserializer)
    }
}

#[derive(Clone, Copy)]
struct Node<'b> {
    depth: usize,
    budget: &'b Budget,
}

impl<'de> DeserializeSeed<'de> for Node<'_> {
    type Value = Condition;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Condition, D::Error> {
        if self.depth > DEPTH {
            return Err(D::Error::custom(format_args!(
                "a condition is nested at most {DEPTH} deep; write it flatter"
            )));
        }
        self.budget.node()?;
        deserializer.deserialize_any(self)
    }
}

impl Node<'_> {
    fn below(self) -> Self {
        Self {
            depth: self.depth + 1,
            ..self
        }
    }
}

impl<'de> Visitor<'de> for Node<'_> {
    type Value = Condition;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "a condition: all, any, not, or a comparison such as { field: lead.stage, is: lost }",
        )
    }

    fn visit_seq<A: SeqAccess<'de>>(self, _: A) -> Result<Condition, A::Error> {
        Err(A::Error::custom(
            "a list of conditions stands under all: or any:, so that it is clear how many must hold",
        ))
    }

    fn visit_unit<E: Error>(self) -> Result<Condition, E> {
        Err(E::custom(
            "the condition is empty; write a comparison such as { field: lead.stage, is: lost }",
        ))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Condition, A::Error> {
        let mut group: Option<(&'static str, Condition)> = None;
        let mut field: Option<String> = None;
        let mut test: Option<(&'static str, Raw)> = None;
        let mut at_least: Option<Raw> = None;
        let mut zone: Option<String> = None;
        while let Some(key) = map.next_key::<String>()? {
            let raw = RawSeed {
                budget: self.budget,
                inner: false,
            };
            match key.as_str() {
                name @ ("all" | "any" | "not") => {
                    if let Some((other, _)) = &group {
                        return Err(A::Error::custom(format_args!(
                            "{other} and {name} stand side by side; put one inside the other, so that it is clear how they belong together"
                        )));
                    }
                    group = Some(match name {
                        "all" => (
                            "all",
                            Condition::All(map.next_value_seed(Nodes(self.below(), "all"))?),
                        ),
                        "any" => (
                            "any",
                            Condition::Any(map.next_value_seed(Nodes(self.below(), "any"))?),
                        ),
                        _ => (
                            "not",
                            Condition::Not(Box::new(map.next_value_seed(self.below())?)),
                        ),
                    });
                }
                "field" => once(&mut field, map.next_value()?, "field")?,
                "at_least" => once(&mut at_least, map.next_value_seed(raw)?, "at_least")?,
                "zone" => once(&mut zone, map.next_value()?, "zone")?,
                other => {
                    let Some(name) = OPERATORS.iter().find(|name| **name == other) else {
                        return Err(A::Error::custom(unknown(other)));
                    };
                    if let Some((before, _)) = &test {
                        return Err(A::Error::custom(format_args!(
                            "{before} and {name} stand in one comparison; write two comparisons under all:{}",
                            if before.starts_with(['g', 'l']) && name.starts_with(['g', 'l']) {
                                ", or between: [from, to]"
                            } else {
                                ""
                            }
                        )));
                    }
                    test = Some((name, map.next_value_seed(raw)?));
                }
            }
        }
        if let Some((name, group)) = group {
            if field.is_some() || test.is_some() || at_least.is_some() || zone.is_some() {
                return Err(A::Error::custom(format_args!(
                    "{name} stands beside a comparison; put the comparison into the list under {name}:, or both under all:"
                )));
            }
            return Ok(group);
        }
        let Some(field) = field else {
            return Err(A::Error::custom(match test {
                Some((name, _)) => format!("the comparison with {name} does not say which field it means; add field: such as field: lead.stage"),
                None => "the condition is empty; write a comparison such as { field: lead.stage, is: lost }".to_owned(),
            }));
        };
        let Some((name, raw)) = test else {
            return Err(A::Error::custom(format_args!(
                "the comparison of {} has no operator; add one, such as is: … or exists: true",
                quoted(&field)
            )));
        };
        let comparison = Parts {
            field: &field,
            name,
            at_least,
            zone,
            budget: self.budget,
        }
        .build(raw)?;
        Ok(Condition::Compare(comparison))
    }
}

fn once<T, E: Error>(slot: &mut Option<T>, value: T, name: &str) -> Result<(), E> {
    if slot.replace(value).is_some() {
        return Err(E::custom(format_args!(
            "{name} stands twice in one comparison"
        )));
    }
    Ok(())
}

fn unknown(written: &str) -> String {
    let meant = FOREIGN
        .iter()
        .find(|(name, _)| name.eq_ignore_ascii_case(written))
        .map(|(_, ours)| *ours)
        .or_else(|| nearest(written, OPERATORS.into_iter().chain(OTHERS)));
    match meant {
        Some(name) => format!("{} is no operator; did you mean {name}?", quoted(written)),
        None => format!(
            "{} is no operator; there are {}",
            quoted(written),
            OPERATORS.join(", ")
        ),
    }
}

/// The list under `all` or `any`.
struct Nodes<'b>(Node<'b>, &'static str);

impl<'de> DeserializeSeed<'de> for Nodes<'_> {
    type Value = Vec<Condition>;

    fn deserialize<D: Deserializer<'de>>(
        self,
        deserializer: D,
    ) -> Result<Vec<Condition>, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Nodes<'_> {
    type Value = Vec<Condition>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "a list of conditions under {}, each beginning with a dash",
            self.1
        )
    }

    fn visit_unit<E: Error>(self) -> Result<Vec<Condition>, E> {
        Err(E::custom(format_args!(
            "{} is empty; list at least one condition under it",
            self.1
        )))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Vec<Condition>, A::Error> {
        let mut nodes = Vec::new();
        while let Some(node) = seq.next_element_seed(self.0)? {
            nodes.push(node);
        }
        if nodes.is_empty() {
            return self.visit_unit();
        }
        nodes.shrink_to_fit();
        Ok(nodes)
    }
}

/// A value as it stands in the document.
pub(super) enum Raw {
    Null,
    Bool(bool),
    /// With its spelling, for operators that compare text.
    Number(f64, String),
    Text(String),
    List(Vec<Raw>),
}

struct RawSeed<'b> {
    budget: &'b Budget,
    inner: bool,
}

impl<'de> DeserializeSeed<'de> for RawSeed<'_> {
    type Value = Raw;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Raw, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for RawSeed<'_> {
    type Value = Raw;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text, a number, yes or no, or a list of these")
    }

    fn visit_unit<E: Error>(self) -> Result<Raw, E> {
        Ok(Raw::Null)
    }

    fn visit_none<E: Error>(self) -> Result<Raw, E> {
        Ok(Raw::Null)
    }

    fn visit_bool<E: Error>(self, truth: bool) -> Result<Raw, E> {
        Ok(Raw::Bool(truth))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Raw, E> {
        self.exact(number as f64, number.to_string())
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Raw, E> {
        self.exact(number as f64, number.to_string())
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Raw, E> {
        self.exact(number, number.to_string())
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Raw, E> {
        self.budget.text(text)?;
        Ok(Raw::Text(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Raw, A::Error> {
        if self.inner {
            return Err(A::Error::custom(
                "a list of values cannot hold another list",
            ));
        }
        let mut values = Vec::new();
        while let Some(value) = seq.next_element_seed(RawSeed {
            budget: self.budget,
            inner: true,
        })? {
            if values.len() == VALUES {
                return Err(A::Error::custom(format_args!(
                    "a list holds at most {VALUES} values"
                )));
            }
            values.push(value);
        }
        Ok(Raw::List(values))
    }
}

impl RawSeed<'_> {
    fn exact<E: Error>(self, number: f64, spelt: String) -> Result<Raw, E> {
        if !number.is_finite() || number.abs() >= EXACT {
            return Err(E::custom(format_args!(
                "{spelt} is no number that can be compared exactly; put it in quotes"
            )));
        }
        Ok(Raw::Number(number, spelt))
    }
}
