//! One event of a request: who, what, when, and what came with it.

use super::when;
use ringback_core::time::Timestamp;
use serde_json::{Map, Value};

/// The kinds of the Segment spec.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Tells who somebody is.
    Identify,
    /// Somebody did something.
    Track,
    /// Somebody looked at a page.
    Page,
    /// Somebody looked at a screen of an app.
    Screen,
    /// Somebody belongs to something.
    Group,
    /// Two names are one person.
    Alias,
}

impl Kind {
    /// Reads the word of `type`.
    pub(super) fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "identify" => Self::Identify,
            "track" => Self::Track,
            "page" => Self::Page,
            "screen" => Self::Screen,
            "group" => Self::Group,
            "alias" => Self::Alias,
            _ => return None,
        })
    }
}

/// Why an item cannot be taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Skip {
    /// Over 32 KB.
    TooLarge,
    /// Over the number of items of a batch.
    TooMany,
    /// No object.
    Unreadable,
    /// A type that nobody knows.
    UnknownKind,
    /// Neither a user nor a browser.
    Nobody,
    /// A track call without an event.
    NoEvent,
    /// A group call without a group, or an alias without a previous name.
    NoOther,
}

impl Skip {
    /// The word of the metric.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::TooLarge => "too_large",
            Self::TooMany => "too_many",
            Self::Unreadable => "unreadable",
            Self::UnknownKind => "unknown_type",
            Self::Nobody => "nobody",
            Self::NoEvent => "no_event",
            Self::NoOther => "no_group_or_previous",
        }
    }
}

/// An event, read.
#[derive(Debug, Clone)]
pub(super) struct Item {
    pub(super) kind: Kind,
    pub(super) anonymous: Option<String>,
    pub(super) user: Option<String>,
    /// The event's name as it was sent.
    pub(super) event: Option<String>,
    /// The name that the sender gave this very event.
    pub(super) message_id: Option<String>,
    pub(super) happened: Timestamp,
    pub(super) properties: Map<String, Value>,
    pub(super) traits: Map<String, Value>,
    pub(super) context: Map<String, Value>,
    /// Sent by a server on somebody's behalf.
    pub(super) by_server: bool,
}

const MOST_ID: usize = 200;
const MOST_MESSAGE_ID: usize = 100;

impl Item {
    /// Reads an item. `kind` is what the path says; a batch's items say it themselves.
    pub(super) fn read(
        mut map: Map<String, Value>,
        kind: Option<Kind>,
        sent: Option<Timestamp>,
        received: Timestamp,
    ) -> Result<Self, Skip> {
        let kind = kind
            .or_else(|| {
                map.get("type")
                    .and_then(Value::as_str)
                    .and_then(Kind::from_name)
            })
            .ok_or(Skip::UnknownKind)?;
        let mut anonymous = id(map.get("anonymousId"));
        let user = id(map.get("userId"));
        let mut properties = object(map.remove("properties"));
        let mut traits = object(map.remove("traits"));
        let mut context = object(map.remove("context"));
        let said = object(context.remove("traits"));
        let event = map.get("event").and_then(Value::as_str).map(str::to_owned);
        match kind {
            Kind::Track if event.as_deref().is_none_or(|event| event.trim().is_empty()) => {
                return Err(Skip::NoEvent);
            }
            Kind::Alias => {
                let previous = id(map.get("previousId")).ok_or(Skip::NoOther)?;
                if user.is_none() {
                    return Err(Skip::Nobody);
                }
                anonymous = Some(previous);
            }
            Kind::Group => {
                let group = id(map.get("groupId")).ok_or(Skip::NoOther)?;
                properties = std::mem::take(&mut traits);
                properties.insert("group_id".to_owned(), Value::from(group));
            }
            Kind::Identify => {
                for (name, value) in said {
                    traits.entry(name).or_insert(value);
                }
            }
            Kind::Track | Kind::Page | Kind::Screen => {}
        }
        if anonymous.is_none() && user.is_none() {
            return Err(Skip::Nobody);
        }
        if matches!(kind, Kind::Page | Kind::Screen) {
            for name in ["name", "category"] {
                if let Some(Value::String(text)) = map.get(name) {
                    properties
                        .entry(name)
                        .or_insert_with(|| Value::from(text.as_str()));
                }
            }
        }
        let timestamp =
            when::read(map.get("timestamp")).or_else(|| when::read(map.get("originalTimestamp")));
        let sent = when::read(map.get("sentAt")).or(sent);
        Ok(Self {
            kind,
            anonymous,
            user,
            event,
            message_id: map
                .get("messageId")
                .and_then(Value::as_str)
                .filter(|id| !id.is_empty() && id.len() <= MOST_MESSAGE_ID)
                .map(str::to_owned),
            happened: when::happened(timestamp, sent, received),
            properties,
            traits,
            context,
            by_server: map.get("channel").and_then(Value::as_str) == Some("server"),
        })
    }
}

/// A name of somebody; numbers become texts.
fn id(value: Option<&Value>) -> Option<String> {
    let text = match value? {
        Value::String(text) => text.trim().to_owned(),
        Value::Number(number) => number.to_string(),
        _ => return None,
    };
    (!text.is_empty() && text.len() <= MOST_ID && !text.chars().any(char::is_control))
        .then_some(text)
}

fn object(value: Option<Value>) -> Map<String, Value> {
    match value {
        Some(Value::Object(map)) => map,
        _ => Map::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn read(value: Value) -> Result<Item, Skip> {
        let Value::Object(map) = value else {
            return Err(Skip::Unreadable);
        };
        Item::read(map, None, None, "2026-11-21T12:00:00Z".parse().unwrap())
    }

    /// S1: who is needed, and each kind needs its own.
    #[test]
    fn each_kind_needs_its_own() {
        for (value, expected) in [
            (json!({"type": "track", "event": "A"}), Err(Skip::Nobody)),
            (json!({"type": "track", "userId": "u"}), Err(Skip::NoEvent)),
            (
                json!({"type": "track", "userId": "u", "event": " "}),
                Err(Skip::NoEvent),
            ),
            (json!({"type": "group", "userId": "u"}), Err(Skip::NoOther)),
            (json!({"type": "alias", "userId": "u"}), Err(Skip::NoOther)),
            (
                json!({"type": "alias", "previousId": "a"}),
                Err(Skip::Nobody),
            ),
            (
                json!({"type": "page", "anonymousId": null, "userId": 42}),
                Ok(()),
            ),
            (json!({"type": "identify", "anonymousId": "a"}), Ok(())),
        ] {
            let found = read(value.clone()).map(|_| ());
            assert_eq!(found, expected, "{value}");
        }
    }

    /// Hostile input is normal: whatever JSON an item is, reading it ends.
    #[test]
    fn any_item_is_read_or_skipped() {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            ".{0,30}".prop_map(Value::from)
        ];
        let tree = leaf.prop_recursive(3, 20, 4, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                proptest::collection::hash_map("type|userId|anonymousId|previousId|groupId|event|traits|context|timestamp|sentAt", inner, 0..6).prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        });
        proptest!(|(value in tree, kind in "track|page|identify|group|alias|screen")| {
            if let Value::Object(mut map) = value {
                map.insert("type".into(), kind.into());
                drop(Item::read(map, None, None, Timestamp::UNIX_EPOCH));
            }
        });
    }
}
