//! Saying in sentences what a condition asks, what was seen, and why it held.

use super::{
    Condition,
    catalogue::{FieldKind, Place},
    check::asks,
    facts::Facts,
    operators::{Comparison, Test},
    suggest::shown,
    values::{Bound, Scalar, Seen, contains, ends, starts},
};
use serde::Serialize;
use std::fmt::Display;

/// Characters of a seen value that are repeated, and elements of a list.
const SEEN: usize = 80;
const ELEMENTS: usize = 3;

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
        Condition::Compare(comparison) => sentences.push(part(comparison, turned, facts).sentence),
    }
}

pub(super) fn describe(condition: &Condition) -> String {
    words(condition, false, false)
}

fn words(condition: &Condition, turned: bool, inner: bool) -> String {
    let (nodes, joint) = match condition {
        Condition::Compare(comparison) => return claim(comparison, turned, None),
        Condition::Not(node) => return words(node, !turned, inner),
        // Not all of them: one of them not; not any: none of them (De Morgan), so the sentence needs no “not (…)”.
        Condition::All(nodes) => (nodes, if turned { " or " } else { " and " }),
        Condition::Any(nodes) => (nodes, if turned { " and " } else { " or " }),
    };
    let joined = nodes
        .iter()
        .map(|node| words(node, turned, true))
        .collect::<Vec<_>>()
        .join(joint);
    if inner && nodes.len() > 1 {
        format!("({joined})")
    } else {
        joined
    }
}

fn part(comparison: &Comparison, turned: bool, facts: &Facts<'_>) -> Part {
    let found = comparison.field.seen(facts);
    let held = comparison.judges(&found, facts.now) != turned;
    let seen = if comparison.field.personal() {
        None
    } else {
        seen(comparison, &found, facts)
    };
    let mut sentence = claim(comparison, turned, Some((&found, facts)));
    if comparison.field.kind() != FieldKind::Bool && !comparison.field.personal() {
        match (&seen, &comparison.test) {
            (Some(seen), _) => sentence.push_str(&format!(": it was {seen}")),
            (None, Test::Exists(_)) => {}
            (None, _) => sentence.push_str(": it was not given"),
        }
    }
    let seen = seen.map(|seen| seen.trim_matches(['“', '”']).to_owned());
    Part {
        sentence,
        held,
        seen,
        field: comparison.field.written().to_owned(),
    }
}

/// What was seen; of a list the elements that passed come first.
fn seen(comparison: &Comparison, found: &Seen<'_>, facts: &Facts<'_>) -> Option<String> {
    let (mut passed, mut others, mut more) = (Vec::new(), Vec::new(), 0usize);
    found.each(|scalar| {
        let list = if comparison
            .test
            .passes(scalar, comparison.zone.as_ref(), facts.now)
        {
            &mut passed
        } else {
            &mut others
        };
        if list.len() < ELEMENTS {
            list.push(scalar);
        } else {
            more += 1;
        }
        true
    });
    passed.append(&mut others);
    more += passed.len().saturating_sub(ELEMENTS);
    passed.truncate(ELEMENTS);
    let mut text = passed
        .into_iter()
        .map(scalar_text)
        .collect::<Vec<_>>()
        .join(", ");
    if text.is_empty() {
        return None;
    }
    if more > 0 {
        text.push_str(&format!(" and {more} more"));
    }
    Some(text)
}

fn scalar_text(scalar: Scalar<'_>) -> String {
    match scalar {
        Scalar::Text(text) => format!("“{}”", shown(text, SEEN)),
        Scalar::Number(number) => number.to_string(),
        Scalar::Bool(truth) => if truth { "yes" } else { "no" }.to_owned(),
        Scalar::Instant(at) => format!("{at:.0}"),
        Scalar::Opaque => "a value with parts".to_owned(),
    }
}

/// Yes-or-no fields have sentences of their own: “it was a weekend” says more than “weekend is yes”.
const CLAIMS: [(Place, &str, &str); 5] = [
    (
        Place::AfterHours,
        "it was after hours",
        "it was not after hours",
    ),
    (Place::Weekend, "it was a weekend", "it was not a weekend"),
    (
        Place::BusinessHours,
        "it was within business hours",
        "it was not within business hours",
    ),
    (Place::Holiday, "it was a holiday", "it was not a holiday"),
    (
        Place::Anonymous,
        "the lead was anonymous",
        "the lead was not anonymous",
    ),
];

/// What the comparison claims, the other way round when `turned`.
fn claim(comparison: &Comparison, turned: bool, met: Option<(&Seen<'_>, &Facts<'_>)>) -> String {
    let Comparison {
        field,
        test,
        wanted,
        ..
    } = comparison;
    if let Test::Is(literal) | Test::IsNot(literal) = test
        && let Some(asked) = asks(literal)
        && let Some((_, yes, no)) = CLAIMS.iter().find(|(place, ..)| field.is(*place))
    {
        let affirmed = (asked != turned) != test.denies();
        return if affirmed { *yes } else { *no }.to_owned();
    }
    let denied = turned != test.denies();
    let label = field.label();
    let [is, is_not, are] = verbs(test);
    let object = object(comparison, met);
    let claim = if *wanted > 1 {
        let number = if denied { "fewer than" } else { "at least" };
        match test {
            Test::Exists(_) => format!("there are {number} {wanted} {label}"),
            _ => format!("{number} {wanted} of the {label} {are} {object}"),
        }
    } else if field.kind() == FieldKind::List && !matches!(test, Test::Exists(_)) {
        format!(
            "{} of the {label} {is} {object}",
            if denied { "none" } else { "one" }
        )
    } else {
        format!("{label} {} {object}", if denied { is_not } else { is })
    };
    claim.trim_end().to_owned()
}

/// The verb of a test for one, against one, and for several.
fn verbs(test: &Test) -> [&'static str; 3] {
    let dated = |bound: &Bound| matches!(bound, Bound::Instant(..));
    match test {
        Test::Is(_) | Test::IsNot(_) => ["is", "is not", "are"],
        Test::In(_) | Test::NotIn(_) => ["is one of", "is none of", "are among"],
        Test::Gt(bound) if dated(bound) => ["is after", "is not after", "are after"],
        Test::Gte(bound) if dated(bound) => {
            ["is at or after", "is not at or after", "are at or after"]
        }
        Test::Lt(bound) if dated(bound) => ["is before", "is not before", "are before"],
        Test::Lte(bound) if dated(bound) => {
            ["is at or before", "is not at or before", "are at or before"]
        }
        Test::Gt(_) => ["is more than", "is not more than", "are more than"],
        Test::Gte(_) => ["is at least", "is not at least", "are at least"],
        Test::Lt(_) => ["is less than", "is not less than", "are less than"],
        Test::Lte(_) => ["is at most", "is not at most", "are at most"],
        Test::Between(..) => ["is between", "is not between", "are between"],
        Test::Contains(_) => ["contains", "does not contain", "contain"],
        Test::StartsWith(_) => ["starts with", "does not start with", "start with"],
        Test::EndsWith(_) => ["ends with", "does not end with", "end with"],
        Test::Matches(_) => ["matches", "does not match", "match"],
        Test::Exists(_) => ["is given", "is not given", "are given"],
        Test::Within(_) => ["is within", "is not within", "are within"],
        Test::OlderThan(_) => [
            "is longer ago than",
            "is not longer ago than",
            "are longer ago than",
        ],
    }
}

fn object(comparison: &Comparison, met: Option<(&Seen<'_>, &Facts<'_>)>) -> String {
    match &comparison.test {
        Test::Is(literal) | Test::IsNot(literal) => literal.to_string(),
        Test::In(literals) | Test::NotIn(literals) => several(literals.iter()),
        Test::Gt(bound) | Test::Gte(bound) | Test::Lt(bound) | Test::Lte(bound) => {
            bound.to_string()
        }
        Test::Between(from, to) => format!("{from} and {to}"),
        Test::Contains(words) => one_word(words, met, contains),
        Test::StartsWith(words) => one_word(words, met, starts),
        Test::EndsWith(words) => one_word(words, met, ends),
        Test::Matches(pattern) => format!("the pattern {}", shown(pattern.written(), SEEN)),
        Test::Exists(_) => String::new(),
        Test::Within(span) => format!("{span} of the moment"),
        Test::OlderThan(span) => span.to_string(),
    }
}

/// The word that was found, so that the sentence says which of a long list it was; the list when none was.
fn one_word(
    words: &[Box<str>],
    met: Option<(&Seen<'_>, &Facts<'_>)>,
    fits: fn(&str, &str) -> bool,
) -> String {
    let quote = |word: &str| format!("“{}”", shown(word, SEEN));
    if let [word] = words {
        return quote(word);
    }
    if let Some((found, _)) = met {
        let hit = words
            .iter()
            .find(|word| found.count(1, |scalar| scalar.with_text(|text| fits(text, word))));
        if let Some(word) = hit {
            return quote(word);
        }
    }
    format!("one of {}", several(words.iter().map(|word| quote(word))))
}

fn several<T: Display>(values: impl ExactSizeIterator<Item = T>) -> String {
    let more = values.len().saturating_sub(5);
    let mut text = values
        .take(5)
        .map(|value| value.to_string())
        .collect::<Vec<_>>()
        .join(", ");
    if more > 0 {
        text.push_str(&format!(" and {more} more"));
    }
    text
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
