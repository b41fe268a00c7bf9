//! An item becomes an event of a lead: its type by our names, its page and campaign where sessions look for them.

use super::item::{Item, Kind};
use super::traits;
use ringback_core::places::Region;
use ringback_core::turn::{Track, Visit, Who};
use serde_json::{Map, Value};

/// Who sent it.
#[derive(Debug, Clone)]
pub(super) struct Sender {
    /// In front of the sender's names for its events: names of two keys never meet.
    pub(super) prefix: String,
    /// Only a public key vouches for it.
    pub(super) public: bool,
    /// Numbers without a country belong here.
    pub(super) region: Region,
    /// Told in the past: belongs to no visit.
    pub(super) import: bool,
}

/// Types that only we write; nobody may play them from outside.
const OURS: [&str; 9] = [
    "lead.",
    "message.",
    "tier.",
    "stage.",
    "consent.",
    "suppression.",
    "run.",
    "score.",
    "staff.",
];
const MOST_TYPE: usize = 100;
const MOST_TEXT: usize = 500;

/// The event of an item. `None` when its name holds no letter or digit.
pub(super) fn event(item: Item, sender: &Sender) -> Option<Track> {
    let kind = match item.kind {
        Kind::Identify => "identify".to_owned(),
        Kind::Track => type_of(item.event.as_deref().unwrap_or_default(), sender.public)?,
        Kind::Page => "page".to_owned(),
        Kind::Screen => "screen".to_owned(),
        Kind::Group => "group".to_owned(),
        Kind::Alias => "alias".to_owned(),
    };
    let visit = visit(&item);
    let seen = matches!(item.kind, Kind::Track | Kind::Page | Kind::Screen);
    let mut properties = item.properties;
    if seen && let Some(path) = &visit.path {
        properties
            .entry("path")
            .or_insert_with(|| Value::from(path.as_str()));
    }
    let mut capture = None;
    if item.kind == Kind::Identify {
        let told = traits::read(&item.traits, sender.region);
        properties.extend(traits::attributes(&item.traits));
        if !told.unusable.is_empty() {
            properties.insert("unusable".to_owned(), Value::Object(told.unusable));
        }
        capture = Some(Box::new(told.capture));
    }
    if !item.context.is_empty() {
        properties
            .entry("context")
            .or_insert(Value::Object(item.context));
    }
    Some(Track {
        who: Who::Named {
            anonymous: item.anonymous,
            user: item.user,
        },
        kind,
        happened: item.happened,
        properties: Value::Object(properties),
        key: item.message_id.map(|id| format!("{}{id}", sender.prefix)),
        source: "tracking",
        traits: capture,
        visit,
        public: sender.public,
        session: seen && !item.by_server && !sender.import,
    })
}

/// `Emergency Click` and `emergencyClick` are `emergency_click`. Dots make types of ours and of trusted systems, so a public key has none.
fn type_of(name: &str, public: bool) -> Option<String> {
    let mut out = String::new();
    let (mut gap, mut low) = (false, false);
    for c in name.trim().chars().take(MOST_TYPE * 2) {
        let dot = c == '.' && !public;
        if !(c.is_alphanumeric() || dot) {
            gap = true;
            low = false;
            continue;
        }
        if (gap || (low && c.is_uppercase())) && !out.is_empty() && !dot && !out.ends_with('.') {
            out.push('_');
        }
        gap = false;
        low = c.is_lowercase() || c.is_numeric();
        out.extend(c.to_lowercase());
    }
    let mut out: String = out.trim_matches('.').chars().take(MOST_TYPE).collect();
    if OURS.iter().any(|prefix| out.starts_with(prefix)) {
        out = out.replace('.', "_");
    }
    (!out.is_empty()).then_some(out)
}

/// The page and campaign that an item tells of.
fn visit(item: &Item) -> Visit {
    let none = Map::new();
    let inside = |name: &str| {
        item.context
            .get(name)
            .and_then(Value::as_object)
            .unwrap_or(&none)
    };
    let (page, campaign) = (inside("page"), inside("campaign"));
    let said = |map: &Map<String, Value>, name: &str| {
        map.get(name)
            .and_then(Value::as_str)
            .map(str::trim)
            .filter(|text| !text.is_empty())
            .map(|text| text.chars().take(MOST_TEXT).collect::<String>())
    };
    let either = |name: &str| said(&item.properties, name).or_else(|| said(page, name));
    let address = either("url").and_then(|url| url::Url::parse(&url).ok());
    let path = either("path").or_else(|| address.as_ref().map(|url| url.path().to_owned()));
    let path = path
        .map(|path| path.split(['?', '#']).next().unwrap_or_default().to_owned())
        .filter(|path| !path.is_empty());
    let mut utm = Map::new();
    for (ours, theirs) in [
        ("source", "source"),
        ("medium", "medium"),
        ("campaign", "name"),
        ("term", "term"),
        ("content", "content"),
    ] {
        if let Some(text) = said(campaign, theirs) {
            utm.insert(ours.to_owned(), Value::from(text));
        }
    }
    let query = either("search")
        .or_else(|| {
            address
                .as_ref()
                .and_then(|url| url.query().map(str::to_owned))
        })
        .unwrap_or_default();
    for (name, value) in
        url::form_urlencoded::parse(query.trim_start_matches('?').as_bytes()).take(50)
    {
        if let Some(name) = name
            .strip_prefix("utm_")
            .filter(|name| ["source", "medium", "campaign", "term", "content"].contains(name))
            && !value.is_empty()
        {
            utm.entry(name)
                .or_insert_with(|| Value::from(value.chars().take(MOST_TEXT).collect::<String>()));
        }
    }
    Visit {
        path,
        referrer: either("referrer"),
        utm: if utm.is_empty() {
            Value::Null
        } else {
            Value::Object(utm)
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    /// S1: types are written alike, however a page writes them; nobody outside plays a type of ours.
    #[test]
    fn names_of_events_become_types() {
        for (name, public, expected) in [
            ("Emergency Click", true, "emergency_click"),
            ("emergencyClick", true, "emergency_click"),
            ("  Signed-Up!  ", true, "signed_up"),
            ("phone_click", true, "phone_click"),
            ("CTA Clicked", true, "cta_clicked"),
            ("Step 2 Done", true, "step_2_done"),
            ("churn.predicted", true, "churn_predicted"),
            ("churn.predicted", false, "churn.predicted"),
            ("lead.captured", true, "lead_captured"),
            ("Lead.Captured", false, "lead_captured"),
            ("Größe gewählt", true, "größe_gewählt"),
        ] {
            assert_eq!(type_of(name, public).as_deref(), Some(expected), "{name}");
        }
        assert_eq!(type_of(" --- ", true), None);
    }

    /// Whatever a name is, the type is short, and never one of ours.
    #[test]
    fn no_name_becomes_a_type_of_ours() {
        proptest!(|(name in "(lead|Message|TIER)?[. ]?\\PC{0,200}", public: bool)| {
            if let Some(kind) = type_of(&name, public) {
                prop_assert!(kind.chars().count() <= MOST_TYPE && !kind.is_empty());
                prop_assert!(OURS.iter().all(|prefix| !kind.starts_with(prefix)));
                prop_assert!(!public || !kind.contains('.'));
            }
        });
    }

    fn visit_of(value: Value) -> Visit {
        let Value::Object(map) = value else {
            panic!("an object")
        };
        visit(&Item::read(map, None, None, "2026-11-21T12:00:00Z".parse().unwrap()).unwrap())
    }

    /// S1: the page is found wherever SDKs put it, and so is the campaign.
    #[test]
    fn page_and_campaign_are_found() {
        let expected = Visit {
            path: Some("/pricing".into()),
            referrer: Some("https://www.google.com/".into()),
            utm: json!({"source": "google", "campaign": "spring"}),
        };
        let page = json!({"url": "https://acme.example/pricing?utm_source=google&utm_campaign=spring", "referrer": "https://www.google.com/"});
        assert_eq!(
            visit_of(json!({"type": "page", "userId": "u", "properties": page})),
            expected
        );
        assert_eq!(
            visit_of(
                json!({"type": "track", "event": "A", "userId": "u", "context": {"page": page}})
            ),
            expected
        );
        let context = json!({"page": {"path": "/pricing", "referrer": "https://www.google.com/"}, "campaign": {"name": "spring", "source": "google"}});
        assert_eq!(
            visit_of(json!({"type": "page", "userId": "u", "context": context})),
            expected
        );
    }
}
