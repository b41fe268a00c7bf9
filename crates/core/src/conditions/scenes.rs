//! A scene to try conditions and score models on: owns what [`Facts`] borrows.

use super::{EventFacts, Facts, LeadFacts, SessionFacts, TimeFacts};
use crate::time::Timestamp;
use jiff::tz::TimeZone;
use serde_json::{Value, json};

/// Saturday morning in Denver; a second visit that began on an emergency page.
#[derive(Debug, Clone)]
pub(crate) struct Scene {
    pub kind: String,
    pub properties: Value,
    pub attributes: Value,
    pub utm: Value,
    pub run: Value,
    pub tags: Vec<String>,
    pub paths: Vec<String>,
    pub referrer: Option<String>,
    pub session: bool,
    pub number: u32,
    pub seconds: i64,
    pub time: TimeFacts,
    pub now: Timestamp,
    pub zone: TimeZone,
}

impl Default for Scene {
    fn default() -> Self {
        Self {
            kind: "page".into(),
            properties: json!({ "path": "/emergency/burst-pipe", "count": 3, "deep": { "list": ["a", "b"], "flag": true } }),
            attributes: json!({
                "service_type": "Replacement", "vehicle_year": "2021", "preferred_date": "2026-11-22", "mobile_service": "yes",
                "empty": "", "nothing": null, "none": [], "photos": 2
            }),
            utm: json!({ "term": "burst pipe repair" }),
            run: json!({ "answer": "yes" }),
            tags: vec!["VIP".into(), "from-fair".into()],
            paths: [
                "/emergency/burst-pipe",
                "/services/drains",
                "/about",
                "/services/heaters",
            ]
            .map(String::from)
            .to_vec(),
            referrer: Some("https://search.example/?q=no+hot+water".into()),
            session: true,
            number: 2,
            seconds: 95,
            time: TimeFacts {
                after_hours: true,
                weekend: true,
                business_hours: false,
                holiday: false,
                hour: 9,
                weekday: "saturday",
            },
            now: "2026-11-21T16:00:00Z".parse().unwrap(),
            zone: TimeZone::UTC,
        }
    }
}

impl Scene {
    /// A scene in which nothing is known: an event of the given type, no visit.
    pub(crate) fn bare(kind: &str) -> Self {
        Self {
            kind: kind.into(),
            properties: Value::Null,
            attributes: Value::Null,
            utm: Value::Null,
            run: Value::Null,
            tags: Vec::new(),
            paths: Vec::new(),
            referrer: None,
            session: false,
            number: 1,
            seconds: 0,
            time: TimeFacts {
                after_hours: false,
                weekend: false,
                business_hours: false,
                holiday: false,
                hour: 10,
                weekday: "tuesday",
            },
            now: "2026-11-24T17:00:00Z".parse().unwrap(),
            zone: TimeZone::UTC,
        }
    }

    pub(crate) fn facts(&self) -> Facts<'_> {
        Facts {
            event: Some(EventFacts {
                kind: &self.kind,
                at: self.now,
                source: "web",
                properties: &self.properties,
            }),
            lead: LeadFacts {
                first_name: Some("Dana"),
                last_name: None,
                email: Some("dana@example.com"),
                phone: Some("+13035550142"),
                source: Some("google"),
                stage: Some("new"),
                product: Some("repairs"),
                tier: None,
                city: Some("Denver"),
                state: Some("CO"),
                zip: Some("02134"),
                country: Some("US"),
                points: 40,
                attributes: &self.attributes,
                tags: &self.tags,
                created_at: "2026-11-20T16:00:00Z".parse().unwrap(),
                anonymous: false,
            },
            session: self.session.then(|| SessionFacts {
                number: self.number,
                started_at: "2026-11-21T15:58:25Z".parse().unwrap(),
                seconds: self.seconds,
                views: 6,
                paths: &self.paths,
                first_path: self.paths.first().map(String::as_str),
                referrer: self.referrer.as_deref(),
                utm: &self.utm,
            }),
            time: self.time,
            zone: &self.zone,
            run: Some(&self.run),
            now: self.now,
        }
    }
}
