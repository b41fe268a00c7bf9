//! Signals from outside with a schema (S8): checked when they come in, kept with the lead, usable in conditions and templates.
//!
//! `churn.predicted` says how likely a client is to leave. The last one is kept as `lead.attributes.churn`.

use serde_json::{Map, Value, json};

/// The event that says how likely a client is to leave.
pub const CHURN: &str = "churn.predicted";
/// Sentences and actions of a signal that are kept, and letters of each.
const MOST_ITEMS: usize = 20;
const LONGEST_ITEM: usize = 500;

/// What is wrong with a signal: the field, and a sentence.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{says}")]
pub struct SignalError {
    /// The property at fault.
    pub field: &'static str,
    /// What to do about it.
    pub says: String,
}

/// What a field of a signal holds.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Holds {
    /// A number from and to, both included.
    Number(f64, f64),
    /// A short text.
    Text,
    /// Several short texts.
    Texts,
}

/// Fields of `churn.predicted`, and which of them must be there.
const OF_CHURN: [(&str, Holds, bool); 7] = [
    ("probability", Holds::Number(0.0, 1.0), true),
    ("risk_level", Holds::Text, false),
    ("days_until_churn", Holds::Number(0.0, 36_500.0), false),
    ("recommended_actions", Holds::Texts, false),
    ("insights", Holds::Texts, false),
    ("lead_value", Holds::Number(-1e15, 1e15), false),
    ("property_match_count", Holds::Number(0.0, 1e9), false),
];

/// Checks an event that has a schema; every other event is as its sender wants it.
pub fn check(kind: &str, properties: &Value) -> Result<(), SignalError> {
    if kind != CHURN {
        return Ok(());
    }
    for (field, holds, needed) in OF_CHURN {
        let value = &properties[field];
        if value.is_null() {
            if needed {
                return Err(SignalError {
                    field,
                    says: format!("`{field}` is missing: `{CHURN}` needs it."),
                });
            }
            continue;
        }
        let told = match holds {
            Holds::Number(low, high) => value
                .as_f64()
                .filter(|n| (low..=high).contains(n))
                .is_none()
                .then(|| {
                    if high == 1.0 {
                        format!("`{field}` is a number from 0 to 1.")
                    } else {
                        format!("`{field}` is a number from {low} on.")
                    }
                }),
            Holds::Text => {
                let short = value
                    .as_str()
                    .is_some_and(|text| text.len() <= LONGEST_ITEM);
                (!short).then(|| format!("`{field}` is a short text."))
            }
            Holds::Texts => {
                let fine = value.as_array().is_some_and(|items| {
                    items.len() <= MOST_ITEMS
                        && items.iter().all(|item| {
                            item.as_str().is_some_and(|text| text.len() <= LONGEST_ITEM)
                        })
                });
                (!fine).then(|| format!("`{field}` is a list of at most {MOST_ITEMS} short texts."))
            }
        };
        if let Some(says) = told {
            return Err(SignalError { field, says });
        }
    }
    Ok(())
}

/// What a signal leaves with the lead: the attribute's name and its value. None for events without a schema.
pub fn kept(
    kind: &str,
    properties: &Value,
    at: crate::time::Timestamp,
) -> Option<(&'static str, Value)> {
    if kind != CHURN {
        return None;
    }
    let mut kept = Map::new();
    for (field, ..) in OF_CHURN {
        if !properties[field].is_null() {
            kept.insert(field.into(), properties[field].clone());
        }
    }
    kept.insert("at".into(), json!(at.to_string()));
    Some(("churn", Value::Object(kept)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// S8: the schema of `churn.predicted`.
    #[test]
    fn a_churn_signal_is_checked() {
        let whole = json!({"probability": 0.72, "risk_level": "high", "days_until_churn": 14,
            "recommended_actions": ["Call"], "insights": ["No visit in 30 days"], "lead_value": 12_500.0, "property_match_count": 3});
        assert_eq!(check(CHURN, &whole), Ok(()));
        assert_eq!(check(CHURN, &json!({"probability": 0})), Ok(()));
        assert_eq!(check("churn.other", &json!({"probability": 7})), Ok(()));
        for (properties, field) in [
            (json!({}), "probability"),
            (json!({"probability": 1.2}), "probability"),
            (json!({"probability": "0.5"}), "probability"),
            (
                json!({"probability": 0.5, "days_until_churn": -1}),
                "days_until_churn",
            ),
            (json!({"probability": 0.5, "insights": "none"}), "insights"),
            (
                json!({"probability": 0.5, "recommended_actions": [1]}),
                "recommended_actions",
            ),
            (json!({"probability": 0.5, "risk_level": {}}), "risk_level"),
        ] {
            assert_eq!(
                check(CHURN, &properties).unwrap_err().field,
                field,
                "{properties}"
            );
        }
        let (name, value) = kept(CHURN, &whole, "2026-11-24T10:00:00Z".parse().unwrap()).unwrap();
        assert_eq!((name, &value["probability"]), ("churn", &json!(0.72)));
    }
}
