//! Saying what a condition asks, how each comparison came out, and why the whole held.

use super::{
    Condition,
    facts::Facts,
    operators::Comparison,
    sentences::{claim, seen, sentence},
};
use serde::Serialize;

/// A condition with its outcome.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Explained {
    /// Whether the whole condition held.
    pub held: bool,
    /// Its comparisons, in the order they are written.
    pub parts: Vec<Part>,
}

/// One comparison with its outcome.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Part {
    /// What was claimed and what was seen: `page path contains “emergency”: it was “/emergency/burst-pipe”`.
    pub sentence: String,
    /// Whether the claim was true.
    pub held: bool,
    /// The value that was seen; absent when it was missing, and for names and addresses of a person, which are not repeated.
    pub seen: Option<String>,
    /// The field as it is written in the condition.
    pub field: String,
}

pub(super) fn explain(condition: &Condition, facts: &Facts<'_>) -> Explained {
    let mut parts = Vec::new();
    collect(condition, false, facts, &mut parts);
    Explained {
        held: condition.holds(facts),
        parts,
    }
}

fn collect(condition: &Condition, turned: bool, facts: &Facts<'_>, parts: &mut Vec<Part>) {
    match condition {
        Condition::All(nodes) | Condition::Any(nodes) => nodes
            .iter()
            .for_each(|node| collect(node, turned, facts, parts)),
        Condition::Not(node) => collect(node, !turned, facts, parts),
        Condition::Compare(comparison) => parts.push(part(comparison, turned, facts)),
    }
}

/// The comparisons that made the condition hold (or fail, when `turned`): branches that did not are left out.
pub(super) fn why(condition: &Condition, facts: &Facts<'_>) -> Vec<String> {
    let mut sentences = Vec::new();
    reasons(condition, false, facts, &mut sentences);
    sentences
}

fn reasons(condition: &Condition, turned: bool, facts: &Facts<'_>, sentences: &mut Vec<String>) {
    if condition.holds(facts) == turned {
        return;
    }
    match condition {
        Condition::All(nodes) | Condition::Any(nodes) => nodes
            .iter()
            .for_each(|node| reasons(node, turned, facts, sentences)),
        Condition::Not(node) => reasons(node, !turned, facts, sentences),
        Condition::Compare(comparison) => {
            let found = comparison.field.seen(facts);
            sentences.push(sentence(comparison, turned, &found, facts));
        }
    }
}

pub(super) fn describe(condition: &Condition) -> String {
    let mut out = String::new();
    words(&mut out, condition, false, false);
    out
}

fn words(out: &mut String, condition: &Condition, turned: bool, inner: bool) {
    let (nodes, joint) = match condition {
        Condition::Compare(comparison) => return claim(out, comparison, turned, None),
        Condition::Not(node) => return words(out, node, !turned, inner),
        // Not all of them: one of them not; not any: none of them (De Morgan), so the sentence needs no “not (…)”.
        Condition::All(nodes) => (nodes, if turned { " or " } else { " and " }),
        Condition::Any(nodes) => (nodes, if turned { " and " } else { " or " }),
    };
    let brackets = inner && nodes.len() > 1;
    out.push_str(if brackets { "(" } else { "" });
    for (at, node) in nodes.iter().enumerate() {
        out.push_str(if at > 0 { joint } else { "" });
        words(out, node, turned, true);
    }
    out.push_str(if brackets { ")" } else { "" });
}

fn part(comparison: &Comparison, turned: bool, facts: &Facts<'_>) -> Part {
    let found = comparison.field.seen(facts);
    let mut value = String::new();
    let told = !comparison.field.personal() && seen(&mut value, comparison, &found, facts, "");
    Part {
        sentence: sentence(comparison, turned, &found, facts),
        held: comparison.judges(&found, facts) != turned,
        seen: told.then_some(value),
        field: comparison.field.written().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Condition, scenes::Scene};

    fn read(yaml: &str) -> Condition {
        serde_saphyr::from_str(yaml).unwrap()
    }

    /// S2: a rule can say which of its comparisons held.
    #[test]
    fn sentences_say_what_was_claimed_and_what_was_seen() {
        let scene = Scene::default();
        for (yaml, sentence) in [
            (
                "{ field: event.properties.path, contains: emergency }",
                "page path contains “emergency”: it was “/emergency/burst-pipe”",
            ),
            (
                "{ field: event.properties.path, contains: [drain, burst, leak] }",
                "page path contains “burst”: it was “/emergency/burst-pipe”",
            ),
            (
                "{ field: event.properties.path, contains: [drain, leak] }",
                "page path contains one of “drain”, “leak”: it was “/emergency/burst-pipe”",
            ),
            (
                "{ field: time.after_hours, is: true }",
                "it was after hours",
            ),
            (
                "{ field: time.weekend, is_not: true }",
                "it was not a weekend",
            ),
            (
                "not: { field: time.holiday, is: true }",
                "it was not a holiday",
            ),
            (
                "not: { field: lead.stage, is: lost }",
                "stage is not “lost”: it was “new”",
            ),
            (
                "{ field: lead.city, exists: true }",
                "city is given: it was “Denver”",
            ),
            ("{ field: lead.tier, exists: false }", "tier is not given"),
            (
                "{ field: lead.tier, is: high }",
                "tier is “high”: it was not given",
            ),
            (
                "{ field: session.number, gte: 2 }",
                "number of the visit is at least 2: it was 2",
            ),
            (
                "{ field: session.paths, starts_with: /services/, at_least: 2 }",
                "at least 2 of the pages of the visit start with “/services/”: it was “/services/drains”, “/services/heaters”, “/emergency/burst-pipe” and 1 more",
            ),
            (
                "{ field: session.paths, exists: true, at_least: 9 }",
                "there are at least 9 pages of the visit: it was “/emergency/burst-pipe”, “/services/drains”, “/about” and 1 more",
            ),
            (
                "{ field: lead.tags, is: vip }",
                "one of the tags is “vip”: it was “VIP”, “from-fair”",
            ),
            (
                "{ field: lead.attributes.service_type, in: [repair, replacement] }",
                "service type is one of “repair”, “replacement”: it was “Replacement”",
            ),
            (
                "{ field: lead.attributes.preferred_date, within: 48h }",
                "preferred date is within 2d of the moment: it was “2026-11-22”",
            ),
            (
                "{ field: lead.created_at, older_than: 1d }",
                "first sight of the lead is longer ago than 1d: it was 2026-11-20T16:00:00Z",
            ),
            (
                "{ field: lead.email, ends_with: example.com }",
                "email address ends with “example.com”",
            ),
            (
                "{ field: session.utm.term, contains: pipe }",
                "UTM term contains “pipe”: it was “burst pipe repair”",
            ),
        ] {
            let condition = read(yaml);
            let explained = condition.explain(&scene.facts());
            assert_eq!(explained.parts[0].sentence, sentence, "{yaml}");
            assert_eq!(explained.held, condition.holds(&scene.facts()));
            assert_eq!(explained.held, explained.parts[0].held);
        }
    }

    #[test]
    fn only_branches_that_held_are_reasons() {
        let scene = Scene::default();
        let condition = read(
            "any:
              - all: [{ field: time.after_hours, is: true }, { field: lead.stage, is: lost }]
              - { field: session.number, gte: 2 }
              - not: { any: [{ field: lead.city, is: Boulder }, { field: lead.city, is: Aspen }] }",
        );
        assert_eq!(
            condition.why(&scene.facts()),
            [
                "number of the visit is at least 2: it was 2",
                "city is not “Boulder”: it was “Denver”",
                "city is not “Aspen”: it was “Denver”",
            ]
        );
        assert_eq!(
            condition.describe(),
            "(it was after hours and stage is “lost”) or number of the visit is at least 2 or (city is not “Boulder” and city is not “Aspen”)"
        );
        assert!(
            read("{ field: lead.stage, is: lost }")
                .why(&scene.facts())
                .is_empty()
        );
    }

    /// What a stranger typed is shown to staff: no control characters, no turned text, no flood.
    #[test]
    fn hostile_values_are_tamed_before_they_are_shown() {
        let mut scene = Scene::default();
        scene.properties["path"] =
            serde_json::json!(format!("a\u{202e}\n\u{0}{}", "x".repeat(5_000)));
        let part = read("{ field: event.properties.path, contains: a }")
            .explain(&scene.facts())
            .parts
            .remove(0);
        assert!(
            part.held && part.sentence.chars().count() < 150,
            "{}",
            part.sentence
        );
        assert!(!part.sentence.contains(['\u{202e}', '\n', '\u{0}']));
    }
}
