//! A field as a condition names it, and how it is found among the facts.

use super::{
    catalogue::{CATALOGUE, FieldInfo, FieldKind, Place},
    facts::Facts,
    referrer::searched,
    suggest::shown,
    values::{Scalar, Seen},
};
use serde_json::Value;
use std::borrow::Cow;

/// Segments below a `.*` field, and their bytes, at most.
const DEEPEST: usize = 8;
const LONGEST: usize = 200;

/// A field as a condition names it. One that the catalogue does not know is kept, so that a check can name it; it is always missing.
#[derive(Debug, Clone)]
pub(super) struct Field {
    written: Box<str>,
    info: Option<&'static FieldInfo>,
    tail: Box<[Box<str>]>,
    label: Cow<'static, str>,
}

impl PartialEq for Field {
    fn eq(&self, other: &Self) -> bool {
        self.written == other.written
    }
}

impl Field {
    pub(super) fn read(written: &str) -> Self {
        let (info, tail) =
            find(written).map_or((None, Box::default()), |(info, tail)| (Some(info), tail));
        let written: Box<str> = written.chars().take(LONGEST).collect();
        let label = match info {
            None => Cow::Owned(written.to_string()),
            Some(info) => label(info, &tail),
        };
        Self {
            written,
            info,
            tail,
            label,
        }
    }

    pub(super) fn written(&self) -> &str {
        &self.written
    }

    pub(super) fn info(&self) -> Option<&'static FieldInfo> {
        self.info
    }

    pub(super) fn kind(&self) -> FieldKind {
        self.info.map_or(FieldKind::Any, |info| info.kind)
    }

    pub(super) fn is(&self, place: Place) -> bool {
        self.info.is_some_and(|info| info.place == place)
    }

    /// Names and addresses of a person: what was seen is not repeated in explanations, which live longer than the lead may (L11).
    pub(super) fn personal(&self) -> bool {
        matches!(
            self.info.map(|info| info.place),
            Some(Place::FirstName | Place::LastName | Place::Email | Place::Phone)
        )
    }

    /// What the field is called in sentences.
    pub(super) fn label(&self) -> &str {
        &self.label
    }

    /// What the facts say about the field. Empty and blank texts, empty lists and `null` count as missing: forms send them for
    /// every field that was left open.
    pub(super) fn seen<'f>(&self, facts: &'f Facts<'_>) -> Seen<'f> {
        let Some(info) = self.info else {
            return Seen::Missing;
        };
        let lead = &facts.lead;
        match info.place {
            Place::EventType => facts
                .event
                .as_ref()
                .map_or(Seen::Missing, |event| Seen::text(event.kind)),
            Place::EventSource => facts
                .event
                .as_ref()
                .map_or(Seen::Missing, |event| Seen::text(event.source)),
            Place::EventAt => facts
                .event
                .as_ref()
                .map_or(Seen::Missing, |event| Seen::One(Scalar::Instant(event.at))),
            Place::EventProperties => facts
                .event
                .as_ref()
                .map_or(Seen::Missing, |event| self.below(event.properties)),
            Place::FirstName => Seen::maybe(lead.first_name),
            Place::LastName => Seen::maybe(lead.last_name),
            Place::Email => Seen::maybe(lead.email),
            Place::Phone => Seen::maybe(lead.phone),
            Place::Source => Seen::maybe(lead.source),
            Place::Stage => Seen::maybe(lead.stage),
            Place::Product => Seen::maybe(lead.product),
            Place::Tier => Seen::maybe(lead.tier),
            Place::City => Seen::maybe(lead.city),
            Place::State => Seen::maybe(lead.state),
            Place::Zip => Seen::maybe(lead.zip),
            Place::Country => Seen::maybe(lead.country),
            Place::Points => Seen::number(lead.points as f64),
            Place::Tags => Seen::texts(lead.tags),
            Place::CreatedAt => Seen::One(Scalar::Instant(lead.created_at)),
            Place::Anonymous => Seen::One(Scalar::Bool(lead.anonymous)),
            Place::Attributes => self.below(lead.attributes),
            Place::AfterHours => Seen::One(Scalar::Bool(facts.time.after_hours)),
            Place::Weekend => Seen::One(Scalar::Bool(facts.time.weekend)),
            Place::BusinessHours => Seen::One(Scalar::Bool(facts.time.business_hours)),
            Place::Holiday => Seen::One(Scalar::Bool(facts.time.holiday)),
            Place::Hour => Seen::number(f64::from(facts.time.hour)),
            Place::Weekday => Seen::text(facts.time.weekday),
            Place::Run => facts.run.map_or(Seen::Missing, |run| self.below(run)),
            _ => self.of_session(info.place, facts),
        }
    }

    fn of_session<'f>(&self, place: Place, facts: &'f Facts<'_>) -> Seen<'f> {
        let Some(session) = &facts.session else {
            return Seen::Missing;
        };
        match place {
            Place::SessionNumber => Seen::number(f64::from(session.number)),
            Place::SessionStartedAt => Seen::One(Scalar::Instant(session.started_at)),
            Place::SessionSeconds => Seen::number(session.seconds as f64),
            Place::SessionViews => Seen::number(f64::from(session.views)),
            Place::SessionPages => Seen::number(session.paths.len() as f64),
            Place::SessionPaths => Seen::texts(session.paths),
            Place::SessionFirstPath => Seen::maybe(session.first_path),
            Place::SessionReferrer => Seen::maybe(session.referrer),
            Place::SessionReferrerQuery => match session.referrer.and_then(searched) {
                None => Seen::Missing,
                Some(Cow::Borrowed(words)) => Seen::text(words),
                Some(Cow::Owned(words)) => Seen::Made(words),
            },
            Place::SessionUtm => self.below(session.utm),
            _ => Seen::Missing,
        }
    }

    fn below<'f>(&self, mut value: &'f Value) -> Seen<'f> {
        for part in &self.tail {
            let next = match value {
                Value::Object(map) => map.get(&**part),
                Value::Array(items) => part
                    .parse::<usize>()
                    .ok()
                    .and_then(|index| items.get(index)),
                _ => None,
            };
            let Some(next) = next else {
                return Seen::Missing;
            };
            value = next;
        }
        match value {
            Value::Null => Seen::Missing,
            Value::Array(items) if items.is_empty() => Seen::Missing,
            Value::Array(items) => Seen::Values(items),
            Value::String(text) => Seen::text(text),
            other => Seen::One(Scalar::of(other)),
        }
    }
}

fn find(written: &str) -> Option<(&'static FieldInfo, Box<[Box<str>]>)> {
    if written.len() > LONGEST {
        return None;
    }
    for info in &CATALOGUE {
        if info.path == written {
            return (!written.ends_with('*')).then_some((info, Box::default()));
        }
        if let Some(tail) = info
            .path
            .strip_suffix('*')
            .and_then(|root| written.strip_prefix(root))
        {
            let tail: Box<[Box<str>]> = tail.split('.').map(Box::from).collect();
            let sound = tail.len() <= DEEPEST && tail.iter().all(|part| !part.trim().is_empty());
            return sound.then_some((info, tail));
        }
    }
    None
}

/// A label of the catalogue, or the last name of the path in plain words.
fn label(info: &FieldInfo, tail: &[Box<str>]) -> Cow<'static, str> {
    let Some(last) = tail.last() else {
        return Cow::Borrowed(info.label);
    };
    let plain = shown(&last.replace(['_', '-'], " "), 80);
    match (info.place, &**last) {
        (Place::EventProperties, "path") => Cow::Borrowed("page path"),
        (Place::EventProperties, "search" | "q" | "query") => Cow::Borrowed("search on the site"),
        (Place::SessionUtm, _) => Cow::Owned(format!("UTM {plain}")),
        _ => Cow::Owned(plain),
    }
}

#[cfg(test)]
mod tests {
    use super::{super::catalogue::catalogue, *};

    #[test]
    fn every_field_of_the_catalogue_reads_back() {
        for info in catalogue() {
            let path = info.path.replace('*', "some_name");
            let field = Field::read(&path);
            assert_eq!(field.info().map(|found| found.path), Some(info.path));
            assert!(
                !field.label().is_empty() && info.help.ends_with('.'),
                "{path}"
            );
        }
    }

    #[test]
    fn paths_that_lead_nowhere_are_unknown() {
        for path in [
            "",
            "event",
            "event.properties",
            "event.properties.",
            "lead.attributes.a..b",
            "lead.tyer",
            "run. ",
            &"run.a".repeat(99),
        ] {
            assert!(Field::read(path).info().is_none(), "{path:?}");
        }
        let deep = format!("run{}", ".a".repeat(DEEPEST + 1));
        assert!(Field::read(&deep).info().is_none());
    }
}
