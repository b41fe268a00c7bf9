//! The values a template is filled with, made presentable once and used for many templates.

use crate::messages::text::{NAME_CHARS, clean_for_strangers, clean_header, is_common_ending};
use minijinja::Value;
use minijinja::value::{Enumerator, Object};
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value as Json;
use std::borrow::Cow;
use std::sync::Arc;

/// The values for one recipient, made presentable where a template looks. Cheap to clone.
///
/// Everything that a lead or a visitor may have supplied (`lead.*`, `event.properties.*`, `run.*`, lists) passes
/// [`clean_for_strangers`] here, in this one place, so no template can forget it. `tenant`, `staff`, `link`, `message`, `promise` and
/// `appointment` are the tenant's and ours and stay as they are, apart from control characters. `email` and `phone` of a lead were parsed into their
/// types before and keep their dots.
///
/// A template shows a few of many values, so a text is cleaned when it is asked for, not before.
#[derive(Debug, Clone, Default)]
pub struct Data {
    root: Arc<Fields>,
}

/// A group of the tenant's own values, made once and used for many messages.
#[derive(Debug, Clone)]
pub struct Own(Value);

impl Own {
    /// Takes the values; nothing is taken out of them but control characters.
    pub fn new(values: Json) -> Self {
        Self(Place::ours().read(values).shown())
    }
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
    pub fn new(values: Json) -> Self {
        match values {
            Json::Object(map) => Self::of(map).unwrap_or_default(),
            _ => Self::default(),
        }
    }

    /// Reads the same from JSON text.
    pub fn read(text: &str) -> Result<Self, serde_json::Error> {
        let mut reader = serde_json::Deserializer::from_str(text);
        let data = Self::of(&mut reader)?;
        reader.end()?;
        Ok(data)
    }

    fn of<'de, D: Deserializer<'de>>(values: D) -> Result<Self, D::Error> {
        let fields = values.deserialize_map(Group(Place::ROOT))?;
        Ok(Self {
            root: Arc::new(fields),
        })
    }

    /// Adds a group of the tenant's own under a name; it takes the place of one that is there.
    pub fn with(mut self, name: &str, values: &Own) -> Self {
        let fields = &mut Arc::make_mut(&mut self.root).0;
        let part = Shown::Ready(values.0.clone());
        match fields.binary_search_by(|(known, _)| known.as_str().cmp(name)) {
            Ok(at) => fields[at].1 = part,
            Err(at) => fields.insert(at, (name.to_owned(), part)),
        }
        self
    }

    pub(super) fn root(&self) -> Value {
        Value::from_dyn_object(Arc::clone(&self.root))
    }

    /// The value at a dotted path, `None` where there is none or it is empty.
    pub(super) fn has(&self, path: &str) -> bool {
        let mut at = self.root();
        for step in path.split('.') {
            at = match at.get_attr(step) {
                Ok(value) => value,
                Err(_) => return false,
            };
        }
        !at.is_undefined() && !at.is_none()
    }
}

/// Which group of the data a value stands in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    /// The groups themselves.
    Root,
    /// The tenant's own and ours.
    Own,
    /// A lead's own fields: names are short, contact points typed.
    Person,
    /// Rows about leads, made by us: their links are ours.
    List,
    /// What happened.
    Event,
    /// Anything else that was supplied.
    Values,
}

/// What is done to a text.
#[derive(Debug, Clone, Copy)]
enum Wash {
    Supplied(usize),
    Contact,
    Own,
    EventType,
}

/// Where a value stands, and so how it is shown.
#[derive(Debug, Clone, Copy)]
struct Place {
    part: Part,
    wash: Wash,
    depth: u32,
}

impl Place {
    const ROOT: Self = Self {
        part: Part::Root,
        wash: Wash::Supplied(VALUE_CHARS),
        depth: 0,
    };

    const fn ours() -> Self {
        Self {
            part: Part::Own,
            wash: Wash::Own,
            depth: 0,
        }
    }

    /// The place of a named value of this group.
    fn of(self, name: &str) -> Self {
        let known = matches!(self.part, Part::Person | Part::List);
        let (part, wash) = match (self.part, name) {
            (Part::Root, "tenant" | "staff" | "link" | "message" | "promise" | "appointment")
            | (Part::Own, _)
            | (Part::List, "link") => (Part::Own, Wash::Own),
            (Part::Root, "lead") => (Part::Person, Wash::Supplied(VALUE_CHARS)),
            (Part::Root, "event") => (Part::Event, Wash::Supplied(VALUE_CHARS)),
            (Part::Root, "list") => (Part::List, Wash::Supplied(VALUE_CHARS)),
            (Part::Event, "type") => (Part::Values, Wash::EventType),
            (Part::Root | Part::Event | Part::Values, _) | (_, "attributes") => {
                (Part::Values, Wash::Supplied(VALUE_CHARS))
            }
            (part, "first_name" | "last_name" | "name") if known => {
                (part, Wash::Supplied(NAME_CHARS))
            }
            (part, "full_name") if known => (part, Wash::Supplied(2 * NAME_CHARS)),
            (part, "email" | "phone") if known => (part, Wash::Contact),
            (part, _) => (part, Wash::Supplied(VALUE_CHARS)),
        };
        let depth = if self.part == Part::Root {
            0
        } else {
            self.depth + 1
        };
        Self { part, wash, depth }
    }

    /// The place of a member of this list.
    const fn member(self) -> Self {
        let wash = match self.part {
            Part::Own => Wash::Own,
            _ => Wash::Supplied(VALUE_CHARS),
        };
        Self {
            part: self.part,
            wash,
            depth: self.depth + 1,
        }
    }

    fn read(self, value: Json) -> Shown {
        self.deserialize(value)
            .unwrap_or(Shown::Ready(Value::UNDEFINED))
    }

    fn text(self, text: String) -> Shown {
        match self.wash {
            Wash::Supplied(chars) => Shown::Supplied(text, chars),
            Wash::Contact => Shown::Contact(text),
            Wash::Own => Shown::Own(text),
            Wash::EventType if is_event_type(&text) => Shown::Own(text),
            Wash::EventType => Shown::Supplied(text, VALUE_CHARS),
        }
    }
}

/// One value, and what is done to it before anyone sees it.
#[derive(Debug, Clone)]
enum Shown {
    /// Stays as it is.
    Ready(Value),
    /// A stranger's text, shown up to so many characters.
    Supplied(String, usize),
    /// A typed contact point.
    Contact(String),
    /// A text of ours.
    Own(String),
}

impl Shown {
    fn shown(&self) -> Value {
        match self {
            Self::Ready(value) => value.clone(),
            Self::Supplied(text, chars) => Value::from(clean_for_strangers(text, *chars).as_ref()),
            Self::Contact(text) => Value::from(clean_header(text).as_ref()),
            Self::Own(text) => Value::from(without_controls(text).as_ref()),
        }
    }
}

impl<'de> DeserializeSeed<'de> for Place {
    type Value = Shown;

    fn deserialize<D: Deserializer<'de>>(self, values: D) -> Result<Shown, D::Error> {
        values.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Place {
    type Value = Shown;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a value")
    }

    fn visit_bool<E>(self, yes: bool) -> Result<Shown, E> {
        Ok(Shown::Ready(Value::from(yes)))
    }

    fn visit_i64<E>(self, whole: i64) -> Result<Shown, E> {
        Ok(Shown::Ready(Value::from(whole)))
    }

    fn visit_u64<E>(self, whole: u64) -> Result<Shown, E> {
        Ok(Shown::Ready(
            i64::try_from(whole).map_or_else(|_| Value::from(whole as f64), Value::from),
        ))
    }

    fn visit_f64<E>(self, part: f64) -> Result<Shown, E> {
        Ok(Shown::Ready(Value::from(part)))
    }

    fn visit_unit<E>(self) -> Result<Shown, E> {
        Ok(Shown::Ready(Value::from(())))
    }

    fn visit_str<E>(self, text: &str) -> Result<Shown, E> {
        Ok(self.text(text.to_owned()))
    }

    fn visit_string<E>(self, text: String) -> Result<Shown, E> {
        Ok(self.text(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Shown, A::Error> {
        let mut list: Vec<Value> = Vec::new();
        while self.depth < DEPTH && list.len() < MEMBERS {
            match items.next_element_seed(self.member())? {
                Some(item) => list.push(item.shown()),
                None => return Ok(Shown::Ready(Value::from(list))),
            }
        }
        while items.next_element::<IgnoredAny>()?.is_some() {}
        let value = if self.depth < DEPTH {
            Value::from(list)
        } else {
            Value::from(())
        };
        Ok(Shown::Ready(value))
    }

    fn visit_map<A: MapAccess<'de>>(self, fields: A) -> Result<Shown, A::Error> {
        if self.depth >= DEPTH {
            Group(self).skip(fields)?;
            return Ok(Shown::Ready(Value::from(())));
        }
        let group = Group(self).visit_map(fields)?;
        Ok(Shown::Ready(Value::from_object(group)))
    }
}

/// Reads the fields of a group.
struct Group(Place);

impl Group {
    fn skip<'de, A: MapAccess<'de>>(&self, mut fields: A) -> Result<(), A::Error> {
        while fields.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(())
    }
}

impl<'de> Visitor<'de> for Group {
    type Value = Fields;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("values by name")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut values: A) -> Result<Fields, A::Error> {
        let mut fields: Vec<(String, Shown)> = Vec::with_capacity(8);
        while fields.len() < MEMBERS {
            let Some(name) = values.next_key::<String>()? else {
                return Ok(Fields::new(fields));
            };
            let value = values.next_value_seed(self.0.of(&name))?;
            fields.push((name, value));
        }
        self.skip(values)?;
        Ok(Fields::new(fields))
    }
}

/// `event.type` is a word of ours such as `lead.captured`; trackers may send any text there, so it is left alone only where it
/// is such a word and not a domain.
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

/// The tenant's and our own texts: nothing is taken out of them but control characters.
fn without_controls(text: &str) -> Cow<'_, str> {
    let short = &text[..text.floor_char_boundary(OWN_CHARS)];
    if !short.contains(|c: char| c.is_control() && c != '\n') {
        return Cow::Borrowed(short);
    }
    let seen = short.chars().filter(|c| !c.is_control() || *c == '\n');
    Cow::Owned(seen.collect())
}

/// A group of named values in the order of their names, as they come out of a JSON object: a few are found faster
/// so than in a tree.
#[derive(Debug, Clone, Default)]
struct Fields(Vec<(String, Shown)>);

impl Fields {
    fn new(mut fields: Vec<(String, Shown)>) -> Self {
        if !fields.is_sorted_by(|(one, _), (next, _)| one < next) {
            fields.sort_by(|(one, _), (next, _)| one.cmp(next));
        }
        Self(fields)
    }
}

impl Object for Fields {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.get_value_by_str(key.as_str()?)
    }

    fn get_value_by_str(self: &Arc<Self>, key: &str) -> Option<Value> {
        let at = self
            .0
            .binary_search_by(|(name, _)| name.as_str().cmp(key))
            .ok()?;
        Some(self.0[at].1.shown())
    }

    /// A stranger may have chosen the names too.
    fn enumerate(self: &Arc<Self>) -> Enumerator {
        let plain = |name: &&String| clean_for_strangers(name, NAME_OF_FIELD) == name.as_str();
        let names = self.0.iter().map(|(name, _)| name).filter(plain);
        Enumerator::Values(names.map(|name| Value::from(name.as_str())).collect())
    }
}

/// The longest name of a field that a list of names shows.
const NAME_OF_FIELD: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn at(data: &Data, path: &str) -> String {
        path.split('.')
            .fold(data.root(), |value, step| value.get_attr(step).unwrap())
            .to_string()
    }

    /// Content spoofing: what strangers supplied is cleaned wherever it stands, and what is ours stays.
    #[test]
    fn supplied_values_are_cleaned_and_our_own_stay() {
        let link = "https://app.example.com/a/x?y=1";
        let data = Data::new(json!({
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
            .root()
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
            let data = Data::new(json!({"event": {"type": kind}}));
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
            json!({"lead": {"attributes": {"deep": deep, "many": many, "long": "y".repeat(1_000_000)}}}),
        );
        assert!(at(&data, "lead.attributes.deep").len() < 40);
        assert_eq!(at(&data, "lead.attributes.long").len(), VALUE_CHARS);
        assert!(
            Data::new(json!([1, 2]))
                .root()
                .get_attr("lead")
                .unwrap()
                .is_undefined()
        );
    }
}
