//! The values a template is filled with, made presentable once and used for many templates.

use crate::messages::text::{NAME_CHARS, clean_for_strangers, clean_header, is_common_ending};
use minijinja::Value;
use minijinja::value::{Enumerator, Object};
use std::borrow::Cow;
use std::sync::Arc;

/// The values for one recipient, ready to be shown. Cheap to clone.
///
/// Everything that a lead or a visitor may have supplied (`lead.*`, `event.properties.*`, `run.*`, lists) passes
/// [`clean_for_strangers`] here, in this one place, so no template can forget it. `tenant`, `staff`, `link`, `message` and
/// `appointment` are the tenant's and ours and stay as they are, apart from control characters. `email` and `phone` of a lead were parsed into their
/// types before and keep their dots.
#[derive(Debug, Clone)]
pub struct Data {
    root: Value,
}

/// The longest value shown of what a lead supplied.
const VALUE_CHARS: usize = 500;
/// The longest value of the tenant's own.
const OWN_CHARS: usize = 4_000;
/// Members of a list or group that are shown.
const MEMBERS: usize = 200;
/// Lists and groups inside one another.
const DEPTH: u32 = 8;

impl Data {
    /// Takes values by name: `{"tenant": {…}, "lead": {…}, "event": {…}, …}`.
    pub fn new(values: &serde_json::Value) -> Self {
        let root = match values {
            serde_json::Value::Object(map) => {
                Value::from_object(Fields::new(map.iter().map(|(name, value)| {
                    let value = match name.as_str() {
                        "tenant" | "staff" | "link" | "message" | "appointment" => own(value, 0),
                        "lead" => supplied(value, Part::Person, 0),
                        "event" => event(value),
                        "list" => supplied(value, Part::List, 0),
                        _ => supplied(value, Part::Values, 0),
                    };
                    (Cow::Borrowed(name.as_str()), value)
                })))
            }
            _ => Value::from_object(Fields::new(std::iter::empty())),
        };
        Self { root }
    }

    pub(super) const fn root(&self) -> &Value {
        &self.root
    }

    /// The value at a dotted path, `None` where there is none or it is empty.
    pub(super) fn has(&self, path: &str) -> bool {
        let mut at = self.root.clone();
        for step in path.split('.') {
            at = match at.get_attr(step) {
                Ok(value) => value,
                Err(_) => return false,
            };
        }
        !at.is_undefined() && !at.is_none()
    }
}

/// Where in the data a supplied value stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    /// A lead's own fields: names are short, contact points typed.
    Person,
    /// Rows about leads, made by us: their links are ours.
    List,
    /// Anything else that was supplied.
    Values,
}

fn supplied(value: &serde_json::Value, part: Part, depth: u32) -> Value {
    match value {
        serde_json::Value::String(text) => shown(text, VALUE_CHARS),
        serde_json::Value::Array(items) if depth < DEPTH => {
            let items: Vec<Value> = items
                .iter()
                .take(MEMBERS)
                .map(|item| supplied(item, part, depth + 1))
                .collect();
            Value::from(items)
        }
        serde_json::Value::Object(map) if depth < DEPTH => Value::from_object(Fields::new(
            map.iter().take(MEMBERS).map(|(name, value)| {
                let known = part != Part::Values;
                let value = match (name.as_str(), value) {
                    ("first_name" | "last_name" | "name", serde_json::Value::String(text))
                        if known =>
                    {
                        shown(text, NAME_CHARS)
                    }
                    ("full_name", serde_json::Value::String(text)) if known => {
                        shown(text, 2 * NAME_CHARS)
                    }
                    ("email" | "phone", serde_json::Value::String(text)) if known => {
                        Value::from(clean_header(text).as_ref())
                    }
                    ("link", value) if part == Part::List => own(value, depth + 1),
                    ("attributes", value) => supplied(value, Part::Values, depth + 1),
                    (_, value) => supplied(value, part, depth + 1),
                };
                (clean_for_strangers(name, 64), value)
            }),
        )),
        serde_json::Value::Array(_) | serde_json::Value::Object(_) => Value::from(()),
        plain => number_or_bool(plain),
    }
}

fn shown(text: &str, chars: usize) -> Value {
    Value::from(clean_for_strangers(text, chars).as_ref())
}

/// `event.type` is a word of ours such as `lead.captured`; trackers may send any text there, so it is left alone only where it
/// is such a word and not a domain.
fn event(value: &serde_json::Value) -> Value {
    let serde_json::Value::Object(map) = value else {
        return supplied(value, Part::Values, 0);
    };
    Value::from_object(Fields::new(map.iter().take(MEMBERS).map(
        |(name, value)| {
            let value = match value {
                serde_json::Value::String(kind) if name == "type" && is_event_type(kind) => {
                    Value::from(kind.as_str())
                }
                value => supplied(value, Part::Values, 1),
            };
            (clean_for_strangers(name, 64), value)
        },
    )))
}

fn is_event_type(kind: &str) -> bool {
    // The first word of every event of ours; `paypal.com` has another.
    const SUBJECTS: &[&str] = &[
        "lead",
        "page",
        "form",
        "call",
        "message",
        "appointment",
        "tier",
        "stage",
        "session",
        "consent",
        "score",
        "workflow",
        "run",
        "staff",
        "import",
        "identify",
        "track",
        "email",
        "sms",
        "quote",
        "invoice",
        "payment",
        "visit",
        "booking",
    ];
    let (subject, rest) = kind.split_once('.').unwrap_or((kind, ""));
    kind.len() <= 64
        && SUBJECTS.contains(&subject)
        && rest
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'_' | b'.'))
        && !rest.split('.').any(is_common_ending)
}

/// The tenant's and our own values: nothing is taken out of them but control characters.
fn own(value: &serde_json::Value, depth: u32) -> Value {
    match value {
        serde_json::Value::String(text) => {
            let short = &text[..text.floor_char_boundary(OWN_CHARS)];
            if short.contains(|c: char| c.is_control() && c != '\n') {
                let clean: String = short
                    .chars()
                    .filter(|c| !c.is_control() || *c == '\n')
                    .collect();
                Value::from(clean)
            } else {
                Value::from(short)
            }
        }
        serde_json::Value::Array(items) if depth < DEPTH => {
            let items: Vec<Value> = items
                .iter()
                .take(MEMBERS)
                .map(|item| own(item, depth + 1))
                .collect();
            Value::from(items)
        }
        serde_json::Value::Object(map) if depth < DEPTH => {
            Value::from_object(Fields::new(map.iter().take(MEMBERS).map(
                |(name, value)| (Cow::Borrowed(name.as_str()), own(value, depth + 1)),
            )))
        }
        serde_json::Value::Array(_) | serde_json::Value::Object(_) => Value::from(()),
        plain => number_or_bool(plain),
    }
}

fn number_or_bool(value: &serde_json::Value) -> Value {
    match value {
        serde_json::Value::Bool(yes) => Value::from(*yes),
        serde_json::Value::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(whole), _) => Value::from(whole),
            (None, Some(part)) => Value::from(part),
            (None, None) => Value::from(()),
        },
        _ => Value::from(()),
    }
}

/// A group of named values, sorted by name: a few names are found faster so than in a tree.
#[derive(Debug)]
struct Fields(Box<[(Box<str>, Value)]>);

impl Fields {
    fn new<'a>(fields: impl Iterator<Item = (Cow<'a, str>, Value)>) -> Self {
        let mut fields: Vec<(Box<str>, Value)> = fields
            .map(|(name, value)| (Box::from(name), value))
            .collect();
        fields.sort_by(|a, b| a.0.cmp(&b.0));
        fields.dedup_by(|a, b| a.0 == b.0);
        Self(fields.into_boxed_slice())
    }
}

impl Object for Fields {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.get_value_by_str(key.as_str()?)
    }

    fn get_value_by_str(self: &Arc<Self>, key: &str) -> Option<Value> {
        let at = self
            .0
            .binary_search_by(|(name, _)| (**name).cmp(key))
            .ok()?;
        Some(self.0[at].1.clone())
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Values(
            self.0
                .iter()
                .map(|(name, _)| Value::from(&**name))
                .collect(),
        )
    }

    fn enumerator_len(self: &Arc<Self>) -> Option<usize> {
        Some(self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn at(data: &Data, path: &str) -> String {
        path.split('.')
            .fold(data.root.clone(), |value, step| {
                value.get_attr(step).unwrap()
            })
            .to_string()
    }

    /// Content spoofing: what strangers supplied is cleaned wherever it stands, and what is ours stays.
    #[test]
    fn supplied_values_are_cleaned_and_our_own_stay() {
        let link = "https://app.example.com/a/x?y=1";
        let data = Data::new(&json!({
            "tenant": {"website": "https://www.example.com", "name": "Example.com Ltd"},
            "link": {"lead": link},
            "lead": {
                "first_name": "Call evil.com now http://evil.com", "last_name": "x".repeat(90), "email": "anna@evil.com",
                "phone": "+15125550123", "city": "www.evil.com", "attributes": {"car": {"note": "see evil.com/x"}, "email": "a@evil.com"},
                "tags": ["evil.com"], "points": 12, "member": true, "nothing": null,
            },
            "event": {"type": "lead.captured", "at": "2026-11-21T16:00:00Z", "properties": {"path": "http://evil.com", "evil.com": 1}},
            "score": {"reasons": ["Looked at evil.com"], "points": 85},
            "run": {"quote": "evil.com"},
            "list": [{"name": "evil.com", "link": link, "email": "anna@example.com"}],
            "other": "evil.com",
        }));
        assert_eq!(at(&data, "tenant.website"), "https://www.example.com");
        assert_eq!(at(&data, "tenant.name"), "Example.com Ltd");
        assert_eq!(at(&data, "link.lead"), link);
        assert_eq!(at(&data, "lead.first_name"), "Call now");
        assert_eq!(at(&data, "lead.last_name").len(), NAME_CHARS);
        assert_eq!(at(&data, "lead.email"), "anna@evil.com");
        assert_eq!(at(&data, "lead.city"), "");
        assert_eq!(at(&data, "lead.attributes.car.note"), "see");
        assert_eq!(at(&data, "lead.attributes.email"), "");
        assert_eq!(at(&data, "lead.tags"), "['']");
        assert_eq!(at(&data, "event.type"), "lead.captured");
        assert_eq!(at(&data, "event.at"), "2026-11-21T16:00:00Z");
        assert_eq!(at(&data, "event.properties.path"), "");
        assert_eq!(at(&data, "score.reasons"), "['Looked at']");
        assert_eq!(at(&data, "run.quote"), "");
        assert_eq!(at(&data, "other"), "");
        let row = data
            .root
            .get_attr("list")
            .unwrap()
            .get_item_by_index(0)
            .unwrap();
        assert_eq!(row.get_attr("name").unwrap().as_str(), Some(""));
        assert_eq!(row.get_attr("link").unwrap().as_str(), Some(link));
        assert!(!format!("{data:?}").contains("evil.com\": 1"));
        assert!(
            data.has("lead.points")
                && !data.has("lead.nothing")
                && !data.has("lead.attributes.none")
        );
    }

    /// Content spoofing: a tracker may name its event like a domain.
    #[test]
    fn event_types_are_ours_or_cleaned() {
        for (kind, shown) in [
            ("lead.captured", "lead.captured"),
            ("tier.entered", "tier.entered"),
            ("page", "page"),
            ("form.submitted", "form.submitted"),
            ("evil.com", ""),
            ("lead.com", ""),
            ("page.xyz", ""),
            ("Signed Up", "Signed Up"),
        ] {
            let data = Data::new(&json!({"event": {"type": kind}}));
            assert_eq!(at(&data, "event.type"), shown, "{kind}");
        }
    }

    /// V1: size and depth of data are bounded.
    #[test]
    fn data_is_bounded() {
        let mut deep = json!("x");
        for _ in 0..100 {
            deep = json!([deep]);
        }
        let many: Vec<_> = (0..10_000).collect();
        let data = Data::new(
            &json!({"lead": {"attributes": {"deep": deep, "many": many, "long": "y".repeat(1_000_000)}}}),
        );
        assert!(at(&data, "lead.attributes.deep").len() < 40);
        assert_eq!(at(&data, "lead.attributes.long").len(), VALUE_CHARS);
        assert!(
            Data::new(&json!([1, 2]))
                .root
                .get_attr("lead")
                .unwrap()
                .is_undefined()
        );
    }
}
