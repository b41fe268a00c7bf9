//! A request as an SDK makes it: one call, or a batch with defaults for its items.

use super::item::{Item, Kind, Skip};
use super::when;
use crate::http::ApiError;
use ringback_core::time::Timestamp;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

/// The largest single event.
const MOST_ITEM: usize = 32 << 10;
/// The most events of a request.
const MOST_ITEMS: usize = 2_500;

/// What a path asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Call {
    /// One event of a kind.
    One(Kind),
    /// Many, each with its kind.
    Batch,
}

/// A request, taken apart.
#[derive(Debug, Default)]
pub(super) struct Request {
    /// The key, when it is in the body.
    pub(super) write_key: Option<String>,
    /// What can be taken, in order.
    pub(super) items: Vec<Item>,
    /// What cannot, and why.
    pub(super) skipped: Vec<Skip>,
}

#[derive(Deserialize)]
struct Batch {
    batch: Vec<Box<RawValue>>,
    #[serde(default, rename = "writeKey")]
    write_key: Value,
    #[serde(default, rename = "sentAt")]
    sent_at: Value,
    #[serde(default)]
    context: Value,
    #[serde(default)]
    integrations: Value,
}

/// Takes a body apart. Single items that cannot be used are skipped; a body that is no JSON is refused as a whole.
pub(super) fn read(call: Call, body: &[u8], received: Timestamp) -> Result<Request, ApiError> {
    match call {
        Call::One(kind) => {
            let map: Map<String, Value> = crate::http::extract::parse(body)?;
            let mut request = Request {
                write_key: key(map.get("writeKey")),
                ..Request::default()
            };
            if body.len() > MOST_ITEM {
                request.skipped.push(Skip::TooLarge);
            } else {
                request.put(Item::read(map, Some(kind), None, received));
            }
            Ok(request)
        }
        Call::Batch => {
            let batch: Batch = crate::http::extract::parse(body)?;
            let mut request = Request {
                write_key: key(Some(&batch.write_key)),
                ..Request::default()
            };
            let sent = when::read(Some(&batch.sent_at));
            for (at, raw) in batch.batch.iter().enumerate() {
                if at >= MOST_ITEMS {
                    request.skipped.push(Skip::TooMany);
                } else if raw.get().len() > MOST_ITEM {
                    request.skipped.push(Skip::TooLarge);
                } else {
                    match serde_json::from_str::<Map<String, Value>>(raw.get()) {
                        Ok(mut map) => {
                            default(&mut map, "context", &batch.context);
                            default(&mut map, "integrations", &batch.integrations);
                            request.put(Item::read(map, None, sent, received));
                        }
                        Err(_) => request.skipped.push(Skip::Unreadable),
                    }
                }
            }
            Ok(request)
        }
    }
}

impl Request {
    fn put(&mut self, item: Result<Item, Skip>) {
        match item {
            Ok(item) => self.items.push(item),
            Err(skip) => self.skipped.push(skip),
        }
    }
}

fn key(value: Option<&Value>) -> Option<String> {
    value.and_then(Value::as_str).map(str::to_owned)
}

/// What a batch says for all its items, where an item says nothing itself.
fn default(map: &mut Map<String, Value>, name: &str, common: &Value) {
    let Value::Object(common) = common else {
        return;
    };
    let own = map.entry(name).or_insert_with(|| Value::Object(Map::new()));
    if own.is_null() {
        *own = Value::Object(Map::new());
    }
    if let Value::Object(own) = own {
        for (name, value) in common {
            if !own.contains_key(name) {
                own.insert(name.clone(), value.clone());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Timestamp {
        "2026-11-21T12:00:00Z".parse().unwrap()
    }

    /// S1: an item that is too large, unreadable or of nobody is skipped; the others of its batch are taken.
    #[test]
    fn one_bad_item_spoils_no_batch() {
        let large = "x".repeat(MOST_ITEM);
        let body = format!(
            r#"{{"batch":[{{"type":"track","event":"A","userId":"u"}},{{"type":"track","event":"B"}},{{"type":"dance","userId":"u"}},7,{{"type":"track","event":"{large}","userId":"u"}},{{"type":"page","anonymousId":9}}],"context":{{"locale":"en"}},"writeKey":"wk"}}"#
        );
        let request = read(Call::Batch, body.as_bytes(), now()).unwrap();
        assert_eq!(request.items.len(), 2);
        assert_eq!(
            request.skipped,
            [
                Skip::Nobody,
                Skip::UnknownKind,
                Skip::Unreadable,
                Skip::TooLarge
            ]
        );
        assert_eq!(request.items[0].context["locale"], "en");
        assert_eq!(request.items[1].anonymous.as_deref(), Some("9"));
        assert_eq!(request.write_key.as_deref(), Some("wk"));
    }

    /// A body that is no JSON is refused as a whole.
    #[test]
    fn malformed_bodies_are_refused() {
        for body in ["", "{", "[]", "7", r#"{"batch":7}"#, r#"{"nothing":1}"#] {
            assert!(read(Call::Batch, body.as_bytes(), now()).is_err(), "{body}");
        }
        let deep = format!("{}1{}", "[".repeat(5_000), "]".repeat(5_000));
        assert!(read(Call::One(Kind::Track), deep.as_bytes(), now()).is_err());
    }
}
