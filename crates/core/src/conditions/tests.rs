//! Every operator from both sides, every mistake with its mend.

use super::{Condition, scenes::Scene};
use serde_json::json;

fn read(yaml: &str) -> Condition {
    serde_saphyr::from_str(yaml).unwrap_or_else(|why| panic!("{yaml}: {why}"))
}

fn complaint(yaml: &str) -> String {
    match serde_saphyr::from_str::<Condition>(yaml) {
        Ok(condition) => condition.check().join("\n"),
        Err(why) => why.to_string(),
    }
}

/// S2, W2: what each operator says of a value that fits and of one that does not.
#[test]
fn every_operator_holds_and_fails_as_documented() {
    let scene = Scene::default();
    for (line, holds, fails) in [
        ("is text", "lead.stage, is: NEW", "lead.stage, is: lost"),
        (
            "is trims",
            "lead.stage, is: ' new '",
            "lead.stage, is: n ew",
        ),
        (
            "is number",
            "event.properties.count, is: 3",
            "event.properties.count, is: 4",
        ),
        (
            "is number in text",
            "lead.attributes.vehicle_year, is: 2021",
            "lead.attributes.vehicle_year, is: 2022",
        ),
        (
            "is text of a number",
            "event.properties.count, is: '3'",
            "event.properties.count, is: '03x'",
        ),
        (
            "is bool",
            "time.after_hours, is: true",
            "time.after_hours, is: false",
        ),
        (
            "is bool in text",
            "lead.attributes.mobile_service, is: true",
            "lead.attributes.mobile_service, is: false",
        ),
        (
            "is text of a bool",
            "event.properties.deep.flag, is: 'yes'",
            "event.properties.deep.flag, is: 'no'",
        ),
        ("is in a list", "lead.tags, is: vip", "lead.tags, is: VI"),
        (
            "is_not",
            "lead.stage, is_not: lost",
            "lead.stage, is_not: new",
        ),
        (
            "is_not in a list",
            "lead.tags, is_not: cold",
            "lead.tags, is_not: vip",
        ),
        (
            "is_not of missing",
            "lead.tier, is_not: high",
            "lead.city, is_not: denver",
        ),
        (
            "in",
            "lead.attributes.service_type, in: [repair, replacement]",
            "lead.attributes.service_type, in: [repair, chip]",
        ),
        (
            "in numbers",
            "event.properties.count, in: [1, 3]",
            "event.properties.count, in: [1, 2]",
        ),
        (
            "not_in",
            "lead.stage, not_in: [lost, won]",
            "lead.stage, not_in: [lost, New]",
        ),
        (
            "not_in of missing",
            "lead.tier, not_in: [high]",
            "lead.tags, not_in: [vip]",
        ),
        ("gt", "session.seconds, gt: 94", "session.seconds, gt: 95"),
        (
            "gte",
            "session.seconds, gte: 95",
            "session.seconds, gte: 96",
        ),
        ("lt", "session.seconds, lt: 96", "session.seconds, lt: 95"),
        (
            "lte",
            "session.seconds, lte: 95",
            "session.seconds, lte: 94",
        ),
        (
            "gt text",
            "lead.attributes.vehicle_year, gt: 2020.5",
            "lead.attributes.vehicle_year, gt: 2021",
        ),
        (
            "gt of a word",
            "lead.points, gte: 40",
            "lead.attributes.service_type, gt: 0",
        ),
        (
            "gt date",
            "lead.created_at, gt: 2026-11-20",
            "lead.created_at, gt: 2026-11-21",
        ),
        (
            "lt instant",
            "lead.created_at, lt: '2026-11-20T09:00:01-07:00'",
            "lead.created_at, lt: '2026-11-20T16:00:00Z'",
        ),
        (
            "date in text",
            "lead.attributes.preferred_date, gte: 2026-11-22",
            "lead.attributes.preferred_date, gt: 2026-11-22",
        ),
        (
            "between",
            "lead.points, between: [40, 50]",
            "lead.points, between: [41, 50]",
        ),
        (
            "between upper end",
            "lead.points, between: [0, 40]",
            "lead.points, between: [0, 39]",
        ),
        (
            "between dates",
            "event.at, between: [2026-11-21, 2026-11-22]",
            "event.at, between: [2026-11-20, 2026-11-21]",
        ),
        (
            "contains",
            "event.properties.path, contains: BURST",
            "event.properties.path, contains: bursts",
        ),
        (
            "contains one of",
            "session.utm.term, contains: [flood, pipe]",
            "session.utm.term, contains: [flood, leak]",
        ),
        (
            "contains in a list",
            "session.paths, contains: heat",
            "session.paths, contains: cold",
        ),
        (
            "contains a number",
            "lead.phone, contains: 5550142",
            "lead.phone, contains: 5550143",
        ),
        (
            "contains in a number",
            "lead.attributes.photos, contains: 2",
            "lead.attributes.photos, contains: 3",
        ),
        (
            "starts_with",
            "session.first_path, starts_with: /Emergency",
            "session.first_path, starts_with: emergency",
        ),
        (
            "at_least",
            "session.paths, starts_with: /services/, at_least: 2",
            "session.paths, starts_with: /services/, at_least: 3",
        ),
        (
            "at_least exists",
            "session.paths, exists: true, at_least: 4",
            "session.paths, exists: true, at_least: 5",
        ),
        (
            "at_least of one",
            "lead.stage, is: new",
            "lead.attributes.service_type, is: replacement, at_least: 2",
        ),
        (
            "ends_with",
            "lead.email, ends_with: '@EXAMPLE.com'",
            "lead.email, ends_with: '@example.org'",
        ),
        (
            "matches",
            "event.properties.path, matches: '^/emergency/[a-z-]+$'",
            "event.properties.path, matches: '^emergency'",
        ),
        (
            "matches case",
            "lead.attributes.service_type, matches: '^replace'",
            "lead.attributes.service_type, matches: '(?-i)^replace'",
        ),
        (
            "exists",
            "lead.city, exists: true",
            "lead.tier, exists: true",
        ),
        (
            "exists not",
            "lead.tier, exists: false",
            "lead.city, exists: false",
        ),
        (
            "exists blank",
            "lead.attributes.empty, exists: false",
            "lead.attributes.nothing, exists: true",
        ),
        (
            "exists empty list",
            "lead.attributes.none, exists: false",
            "lead.attributes.none, exists: true",
        ),
        (
            "exists object",
            "event.properties.deep, exists: true",
            "event.properties.deep, is: a",
        ),
        (
            "within past",
            "lead.created_at, within: 24h",
            "lead.created_at, within: 86399s",
        ),
        (
            "within future date",
            "lead.attributes.preferred_date, within: 8h",
            "lead.attributes.preferred_date, within: 7h",
        ),
        (
            "within, in a zone",
            "lead.attributes.preferred_date, within: 15h, zone: America/Denver",
            "lead.attributes.preferred_date, within: 14h, zone: America/Denver",
        ),
        (
            "older_than",
            "lead.created_at, older_than: 86399s",
            "lead.created_at, older_than: 24h",
        ),
        (
            "older_than of one to come",
            "lead.created_at, older_than: 1h",
            "lead.attributes.preferred_date, older_than: 1s",
        ),
        (
            "within of no date",
            "event.at, within: 1s",
            "lead.stage, within: 99d",
        ),
        (
            "zip with a nought",
            "lead.zip, is: 02134",
            "lead.zip, is: 12134",
        ),
        (
            "path into a list",
            "event.properties.deep.list.1, is: b",
            "event.properties.deep.list.2, is: b",
        ),
        (
            "list in properties",
            "event.properties.deep.list, is: b",
            "event.properties.deep.list, is: c",
        ),
        ("pages", "session.pages, is: 4", "session.pages, gt: 4"),
        (
            "referrer",
            "session.referrer_query, contains: no hot water",
            "session.referrer_query, contains: search.example",
        ),
        ("run", "run.answer, is: yes", "run.answer, is: maybe"),
        (
            "weekday",
            "time.weekday, in: [Saturday]",
            "time.weekday, is: sunday",
        ),
        (
            "anonymous",
            "lead.anonymous, is: no",
            "lead.anonymous, is: yes",
        ),
        ("event", "event.type, is: page", "event.source, is: crm"),
    ] {
        for (text, wanted) in [(holds, true), (fails, false)] {
            let condition = read(&format!("{{ field: {text} }}"));
            assert_eq!(condition.holds(&scene.facts()), wanted, "{line}: {text}");
            assert_eq!(
                condition.explain(&scene.facts()).held,
                wanted,
                "{line}: {text}"
            );
        }
    }
}

/// A field that is missing makes every operator false but `exists: false`, `is_not` and `not_in`.
#[test]
fn a_missing_field_fails_every_test_that_affirms() {
    let scene = Scene::bare("page");
    for field in [
        "session.referrer",
        "lead.attributes.x.y",
        "lead.tier",
        "run.x",
        "event.properties.path",
        "lead.tags",
        "lead.typo",
    ] {
        for test in [
            "is: a",
            "in: [a, 0]",
            "gt: 0",
            "gte: 0",
            "lt: 0",
            "lte: 0",
            "between: [0, 1]",
            "contains: a",
            "starts_with: a",
            "ends_with: a",
            "matches: ''",
            "exists: true",
            "within: 1d",
            "older_than: 1s",
            "is: false",
        ] {
            assert!(
                !read(&format!("{{ field: {field}, {test} }}")).holds(&scene.facts()),
                "{field} {test}"
            );
        }
        for test in ["exists: false", "is_not: a", "not_in: [a, b]"] {
            assert!(
                read(&format!("{{ field: {field}, {test} }}")).holds(&scene.facts()),
                "{field} {test}"
            );
        }
    }
}

/// Design, section 6: the example of the contract.
#[test]
fn the_condition_of_the_contract_reads_and_holds() {
    let condition = read(
        "all:
          - { field: event.properties.path, contains: emergency }
          - any:
              - { field: time.after_hours, is: true }
              - { field: lead.attributes.service_type, in: [replacement, recalibration] }
          - not: { field: lead.stage, is: lost }",
    );
    assert!(condition.check().is_empty());
    let mut scene = Scene::default();
    assert!(condition.holds(&scene.facts()));
    scene.time.after_hours = false;
    assert!(condition.holds(&scene.facts()));
    scene.attributes["service_type"] = json!("chip");
    assert!(!condition.holds(&scene.facts()));
}

/// W5: a mistake is answered with the mend.
#[test]
fn every_mistake_is_answered_with_its_mend() {
    let deep = format!(
        "{}{{ field: lead.stage, is: a }}{}",
        "{ not: ".repeat(16),
        " }".repeat(16)
    );
    let wide = format!("any: [{}]", "{ field: lead.stage, is: a },".repeat(200));
    let long = format!("{{ field: lead.stage, is: {} }}", "a".repeat(1_001));
    let patterns = format!("any: [{}]", "{ field: lead.stage, matches: a },".repeat(9));
    let list = format!("{{ field: lead.stage, in: [{}] }}", "a,".repeat(201));
    for (yaml, wanted) in [
        ("{ field: lead.stage, iss: lost }", "did you mean is?"),
        (
            "{ field: lead.stage, contians: lost }",
            "did you mean contains?",
        ),
        ("{ field: lead.stage, equals: lost }", "did you mean is?"),
        ("{ field: lead.points, '>=': 3 }", "did you mean gte?"),
        (
            "{ field: lead.stage, frobnicate: 3 }",
            "there are is, is_not, in",
        ),
        ("{ feild: lead.stage, is: lost }", "did you mean field?"),
        (
            "{ field: lead.points, gt: 1, lt: 3 }",
            "between: [from, to]",
        ),
        (
            "{ field: lead.stage, is: a, contains: b }",
            "write two comparisons under all:",
        ),
        ("{ is: lost }", "does not say which field"),
        ("{ field: lead.stage }", "has no operator"),
        ("{}", "the condition is empty"),
        ("~", "the condition is empty"),
        ("just text", "a condition: all, any, not"),
        (
            "[{ field: lead.stage, is: a }]",
            "stands under all: or any:",
        ),
        ("{ all: [], any: [] }", "all is empty"),
        ("{ any: }", "any is empty"),
        (
            "{ all: [{ field: lead.stage, is: a }], any: [{ field: lead.stage, is: a }] }",
            "all and any stand side by side",
        ),
        (
            "{ all: [{ field: lead.stage, is: a }], field: lead.city, is: b }",
            "stands beside a comparison",
        ),
        (
            "{ all: { field: lead.stage, is: a } }",
            "a list of conditions under all",
        ),
        ("{ field: lead.stage, is: }", "exists: true or false"),
        ("{ field: lead.stage, is: '' }", "counts as missing"),
        ("{ field: lead.stage, is: [a] }", "for a list write in"),
        (
            "{ field: lead.stage, is_not: [a] }",
            "for a list write not_in",
        ),
        ("{ field: lead.stage, in: a }", "wants a list"),
        ("{ field: lead.stage, in: [] }", "wants a list"),
        (
            "{ field: lead.stage, in: [[a]] }",
            "cannot hold another list",
        ),
        (
            "{ field: lead.stage, is: { a: b } }",
            "a text, a number, yes or no",
        ),
        (
            "{ field: lead.points, gt: many }",
            "wants a number, or a date",
        ),
        ("{ field: lead.points, between: [1] }", "wants two values"),
        (
            "{ field: lead.points, between: [3, 1] }",
            "the wrong way round",
        ),
        (
            "{ field: run.x, between: [3, 2026-11-22] }",
            "mixes a number and a date",
        ),
        ("{ field: lead.stage, contains: '' }", "wants a text"),
        (
            "{ field: lead.stage, exists: maybe }",
            "wants true or false",
        ),
        ("{ field: event.at, within: 48 }", "a number and a unit"),
        (
            "{ field: event.at, older_than: soon }",
            "a number and a unit",
        ),
        ("{ field: lead.stage, matches: '(a' }", "unclosed group"),
        (
            "{ field: lead.stage, matches: '(\\w{40}){40}' }",
            "more than 64 KiB",
        ),
        (
            "{ field: lead.stage, is: 99999999999999999999 }",
            "put it in quotes",
        ),
        (
            "{ field: session.paths, is: a, at_least: 0 }",
            "a whole number from 1",
        ),
        (
            "{ field: session.paths, is_not: a, at_least: 2 }",
            "turn the comparison round with not:",
        ),
        (
            "{ field: event.at, within: 1d, zone: Denver }",
            "America/Denver",
        ),
        (&deep, "at most 16 deep"),
        (&wide, "at most 200 comparisons"),
        (&long, "too long"),
        (&patterns, "at most 8 patterns"),
        (&list, "at most 200 values"),
        // What only the catalogue knows.
        (
            "{ field: lead.stgae, is: lost }",
            "there is no field “lead.stgae”; did you mean lead.stage?",
        ),
        (
            "{ field: lead.vehicle_make, is: BMW }",
            "did you mean lead.attributes.vehicle_make?",
        ),
        (
            "{ field: event.properties, exists: true }",
            "write event.properties.name",
        ),
        ("{ field: page.path, is: a }", "there is no field"),
        (
            "{ field: lead.points, contains: 4 }",
            "lead.points is a number; contains cannot be asked of it",
        ),
        ("{ field: lead.stage, gt: 4 }", "lead.stage is a text"),
        (
            "{ field: lead.created_at, is: 2026-11-22 }",
            "is a point in time",
        ),
        ("{ field: lead.created_at, gt: 5 }", "compares it with 5"),
        (
            "{ field: lead.points, gt: 2026-11-22 }",
            "compares it with 2026-11-22",
        ),
        (
            "{ field: lead.points, is: many }",
            "compares it with “many”",
        ),
        (
            "{ field: time.weekend, is: 3 }",
            "write is: true or is: false",
        ),
        ("{ field: lead.country, is: NO }", "put the word in quotes"),
        (
            "{ field: lead.stage, is: a, at_least: 2 }",
            "leave at_least away",
        ),
        (
            "{ field: lead.stage, is: a, zone: America/Denver }",
            "zone is for comparisons with dates",
        ),
        (
            "{ field: time.weekday, is: Satuday }",
            "did you mean saturday?",
        ),
    ] {
        let told = complaint(yaml);
        assert!(
            told.contains(wanted),
            "{yaml}\n  wanted: {wanted}\n  told: {told}"
        );
    }
}

/// W5: mistakes carry their line, and one check names all of them.
#[test]
fn mistakes_carry_their_line_and_all_are_told() {
    let why = serde_saphyr::from_str::<Condition>(
        "all:\n  - { field: lead.stage, is: a }\n  - { field: lead.stage, iss: b }\n",
    )
    .unwrap_err();
    assert_eq!(why.location().map(|at| at.line()), Some(3), "{why}");
    let condition = read(
        "any: [{ field: lead.x, is: a }, not: { all: [{ field: lead.y, is: a }, { field: lead.city, is: a }] }]",
    );
    assert_eq!(condition.check().len(), 2);
}

/// The same tree from JSON as from YAML, and twins of a key are refused there too.
#[test]
fn json_reads_as_yaml_does() {
    let yaml = read(
        "{ any: [{ field: lead.points, between: [1, 2.5] }, { field: lead.stage, not_in: [a, 1, true] }] }",
    );
    let json: Condition = serde_json::from_value(json!({ "any": [
        { "field": "lead.points", "between": [1, 2.5] }, { "field": "lead.stage", "not_in": ["a", 1, true] }
    ] }))
    .unwrap();
    assert_eq!(yaml, json);
    for twin in [
        r#"{"field":"a","field":"b","is":1}"#,
        r#"{"field":"a","is":1,"is":2}"#,
        r#"{"all":[{"field":"a","is":1}],"all":[]}"#,
    ] {
        assert!(serde_json::from_str::<Condition>(twin).is_err(), "{twin}");
    }
}

/// Patterns that shops write fit into what a pattern may take.
#[test]
fn everyday_patterns_fit_the_limit() {
    for pattern in [
        r"\b(emergency|urgent|24.?hours?|burst|flood|leak|no hot water|overflow)",
        r"^/services/[^/]+/?$",
        r"\bBMW\b",
        r"^\+1(303|720)",
        r"\d{4}-\d{2}-\d{2}",
        r"[\w.]+@example\.(com|org)$",
        r".*",
    ] {
        read(&format!("{{ field: lead.city, matches: '{pattern}' }}"));
    }
}
