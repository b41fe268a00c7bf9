//! What identify tells about a person, as a lead has it. It fills gaps and grants nothing: whoever holds a public key may say anything.

use ringback_core::contact::{Email, Phone};
use ringback_core::leads::{Overwrite, Profile};
use ringback_core::places::Region;
use ringback_core::turn::Capture;
use serde_json::{Map, Value};

/// Traits that have a place of their own, or are about an account and no person.
const RESERVED: [&str; 18] = [
    "email",
    "phone",
    "firstName",
    "lastName",
    "first_name",
    "last_name",
    "name",
    "address",
    "createdAt",
    "avatar",
    "id",
    "city",
    "state",
    "zip",
    "postalCode",
    "country",
    "consent",
    "consents",
];
const MOST_ATTRIBUTES: usize = 50;
const MOST_TEXT: usize = 200;
const MOST_ATTRIBUTE: usize = 1_000;

/// What was told, and what of it could not be used, in words.
#[derive(Debug, Clone)]
pub(super) struct Told {
    pub(super) capture: Capture,
    pub(super) unusable: Map<String, Value>,
}

/// Reads traits. A bad phone number or address is left out, and why is written down: machines keep the lead without it (L6).
pub(super) fn read(traits: &Map<String, Value>, region: Region) -> Told {
    let mut unusable = Map::new();
    let place = match traits.get("address") {
        Some(Value::Object(map)) => map.clone(),
        _ => Map::new(),
    };
    let named = |names: &[&str], map: &Map<String, Value>| {
        names.iter().find_map(|name| text(map.get(*name)))
    };
    let phone = text(traits.get("phone")).and_then(|typed| match Phone::parse(&typed, region) {
        Ok(phone) => Some(phone),
        Err(why) => {
            unusable.insert("phone".to_owned(), Value::from(why.advice()));
            None
        }
    });
    let email = text(traits.get("email")).and_then(|typed| match Email::parse(&typed) {
        Ok(email) => Some(email),
        Err(why) => {
            unusable.insert("email".to_owned(), Value::from(why.advice()));
            None
        }
    });
    let (mut first_name, mut last_name) = (
        named(&["firstName", "first_name"], traits),
        named(&["lastName", "last_name"], traits),
    );
    if first_name.is_none()
        && last_name.is_none()
        && let Some(name) = named(&["name"], traits)
    {
        let (first, last) = name
            .split_once(char::is_whitespace)
            .map_or((name.as_str(), ""), |(first, last)| (first, last.trim()));
        first_name = Some(first.to_owned());
        last_name = (!last.is_empty()).then(|| last.to_owned());
    }
    let either = |names: &[&str]| named(names, &place).or_else(|| named(names, traits));
    let country = either(&["country"])
        .and_then(|text| text.parse::<Region>().ok())
        .map(|region| region.as_str().to_owned());
    let profile = Profile {
        first_name,
        last_name,
        source: None,
        city: either(&["city"]),
        state: either(&["state"]),
        zip: either(&["postalCode", "zip"]),
        country,
        time_zone: None,
        attributes: attributes(traits),
        tags: Vec::new(),
    };
    let capture = Capture {
        profile,
        phone,
        email,
        anonymous_id: None,
        product: None,
        consents: Vec::new(),
        form: None,
        key: None,
        test: false,
        own_enquiry: false,
        overwrite: Overwrite::Gaps,
        ip: None,
    };
    Told { capture, unusable }
}

/// What else is told, as long as it is short and plain.
pub(super) fn attributes(traits: &Map<String, Value>) -> Map<String, Value> {
    let plain = |name: &str, value: &Value| {
        let short = match value {
            Value::String(text) => text.len() <= MOST_ATTRIBUTE,
            Value::Number(_) | Value::Bool(_) => true,
            Value::Null | Value::Array(_) | Value::Object(_) => false,
        };
        short && !name.is_empty() && name.len() <= 100 && !RESERVED.contains(&name)
    };
    let plain = traits.iter().filter(|(name, value)| plain(name, value));
    plain
        .take(MOST_ATTRIBUTES)
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

/// A short text without control characters.
fn text(value: Option<&Value>) -> Option<String> {
    let text = match value? {
        Value::String(text) => text.trim().to_owned(),
        Value::Number(number) => number.to_string(),
        _ => return None,
    };
    (!text.is_empty() && !text.chars().any(char::is_control))
        .then(|| text.chars().take(MOST_TEXT).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn told(value: Value) -> Told {
        let Value::Object(map) = value else {
            panic!("an object")
        };
        read(&map, "US".parse().unwrap())
    }

    /// L6, S1: machines keep the lead without a bad number, and the reason is kept.
    #[test]
    fn a_bad_number_costs_only_itself() {
        let told = told(
            json!({"email": "Dana@Example.com", "phone": "12", "name": "Dana May Lead", "plan": "trial", "consent": true, "address": {"state": "TX", "postalCode": 78701}}),
        );
        assert!(told.capture.phone.is_none());
        assert!(
            told.unusable["phone"]
                .as_str()
                .is_some_and(|why| why.ends_with('.'))
        );
        assert_eq!(
            told.capture.email.as_ref().map(Email::key).as_deref(),
            Some("dana@example.com")
        );
        let profile = &told.capture.profile;
        assert_eq!(
            (profile.first_name.as_deref(), profile.last_name.as_deref()),
            (Some("Dana"), Some("May Lead"))
        );
        assert_eq!(
            (profile.state.as_deref(), profile.zip.as_deref()),
            (Some("TX"), Some("78701"))
        );
        assert_eq!(
            profile.attributes,
            *json!({"plan": "trial"}).as_object().unwrap()
        );
        assert!(told.capture.consents.is_empty() && !told.capture.own_enquiry);
    }
}
