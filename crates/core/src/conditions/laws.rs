//! The laws of the tree, for any condition, any facts and any document.

use super::{Condition, scenes::Scene};
use proptest::prelude::*;
use serde_json::json;

/// Fields, operators and values that are often right and sometimes not.
fn leaf() -> impl Strategy<Value = serde_json::Value> {
    let field = prop::sample::select(vec![
        "lead.stage",
        "lead.zip",
        "lead.tier",
        "lead.tags",
        "lead.points",
        "lead.attributes.vehicle_year",
        "lead.attributes.empty",
        "lead.attributes.preferred_date",
        "lead.created_at",
        "event.properties.deep.list",
        "event.properties.path",
        "event.properties.deep",
        "session.paths",
        "session.seconds",
        "session.referrer_query",
        "time.weekend",
        "run.answer",
        "no.such",
    ]);
    let one = prop_oneof![
        Just(json!("new")),
        Just(json!("yes")),
        Just(json!(2021)),
        Just(json!(95)),
        Just(json!(true)),
        Just(json!("2026-11-22")),
        Just(json!("a")),
        Just(json!("Ü")),
    ];
    let test = prop_oneof![
        one.clone().prop_map(|value| json!({ "is": value })),
        one.clone().prop_map(|value| json!({ "is_not": value })),
        prop::collection::vec(one.clone(), 1..4).prop_map(|values| json!({ "in": values })),
        prop::collection::vec(one, 1..4).prop_map(|values| json!({ "not_in": values })),
        (
            prop::sample::select(vec!["gt", "gte", "lt", "lte"]),
            -5i64..3_000
        )
            .prop_map(|(name, number)| json!({ name: number })),
        (0i64..50, 50i64..3_000).prop_map(|(from, to)| json!({ "between": [from, to] })),
        (
            prop::sample::select(vec!["contains", "starts_with", "ends_with"]),
            "[a-z/é]{1,3}"
        )
            .prop_map(|(name, text)| json!({ name: text })),
        Just(json!({ "matches": "^[a-z]+$" })),
        any::<bool>().prop_map(|wanted| json!({ "exists": wanted })),
        (prop::sample::select(vec!["within", "older_than"]), 1u32..99)
            .prop_map(|(name, hours)| json!({ name: format!("{hours}h") })),
    ];
    (field, test, prop::option::of(1u32..4)).prop_map(|(field, mut test, at_least)| {
        test["field"] = json!(field);
        let denies = test.get("is_not").is_some()
            || test.get("not_in").is_some()
            || test.get("exists") == Some(&json!(false));
        if let (Some(wanted), false) = (at_least, denies) {
            test["at_least"] = json!(wanted);
        }
        test
    })
}

fn tree() -> impl Strategy<Value = serde_json::Value> {
    leaf().prop_recursive(5, 40, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 1..4).prop_map(|nodes| json!({ "all": nodes })),
            prop::collection::vec(inner.clone(), 1..4).prop_map(|nodes| json!({ "any": nodes })),
            inner.prop_map(|node| json!({ "not": node })),
        ]
    })
}

fn scene() -> impl Strategy<Value = Scene> {
    (
        any::<bool>(),
        any::<bool>(),
        0i64..200,
        prop::collection::vec("[a-z/é]{0,6}", 0..4),
        "\\PC{0,12}",
    )
        .prop_map(|(rich, weekend, seconds, paths, text)| {
            let mut scene = if rich {
                Scene::default()
            } else {
                Scene::bare("page")
            };
            scene.time.weekend = weekend;
            scene.seconds = seconds;
            scene.session |= weekend;
            scene.paths = paths;
            scene.properties =
                json!({ "path": text, "deep": { "list": [text, null, 2021, [1], {}] } });
            scene
        })
}

proptest! {
    /// S2: `not` turns a condition round, `all` and `any` are each other's mirror, and explaining agrees with deciding.
    #[test]
    fn the_tree_keeps_its_laws(node in tree(), scene in scene()) {
        let read = |value: serde_json::Value| serde_json::from_value::<Condition>(value).unwrap();
        let condition = read(node.clone());
        let facts = scene.facts();
        let held = condition.holds(&facts);
        prop_assert_eq!(read(json!({ "not": node })).holds(&facts), !held);
        let explained = condition.explain(&facts);
        prop_assert_eq!(explained.held, held);
        prop_assert_eq!(condition.why(&facts).is_empty(), !held);
        prop_assert!(condition.why(&facts).iter().all(|why| explained.parts.iter().any(|part| part.held && part.sentence == *why)));
        prop_assert!(!condition.describe().is_empty());
        let _ = condition.check();
    }

    /// The outcome of the whole follows from the outcomes of its parts.
    #[test]
    fn the_parts_explain_the_whole(nodes in prop::collection::vec(leaf(), 1..6), scene in scene()) {
        let facts = scene.facts();
        for (name, whole) in [("all", true), ("any", false)] {
            let condition: Condition = serde_json::from_value(json!({ name: nodes.clone() })).unwrap();
            let explained = condition.explain(&facts);
            let follows = if whole { explained.parts.iter().all(|part| part.held) } else { explained.parts.iter().any(|part| part.held) };
            prop_assert_eq!(explained.held, follows);
            prop_assert_eq!(explained.parts.len(), nodes.len());
        }
    }

    /// Hostile documents are refused, never a panic.
    #[test]
    fn no_document_makes_reading_panic(text in "\\PC{0,200}", bits in prop::collection::vec(prop::sample::select(vec![
        "all:", "any:", "not:", "{", "}", "[", "]", " ", "\n", "  - ", "field:", "lead.stage", ",", "is:", "matches:", "'(?'", "between:",
        "1e999", "-", "&a ", "*a", "!!binary ", "within:", "99999999999d", "null", "~", "zone:", "at_least:", "\u{feff}", "'\\p{L}{9}'",
    ]), 0..40)) {
        for document in [text, bits.concat()] {
            if let Ok(condition) = serde_saphyr::from_str::<Condition>(&document) {
                let _ = condition.check();
                let _ = condition.explain(&Scene::default().facts());
            }
            if let Ok(condition) = serde_json::from_str::<Condition>(&document) {
                prop_assert!(!condition.describe().is_empty());
            }
        }
    }

    /// Any keys with any values: refused with a sentence, or usable.
    #[test]
    fn no_comparison_makes_reading_panic(
        keys in prop::collection::btree_map(prop::sample::select(vec![
            "field", "at_least", "zone", "all", "not", "is", "is_not", "in", "gt", "lte", "between", "contains", "ends_with", "matches",
            "exists", "within", "older_than",
        ]), hostile(), 0..3),
        field in prop::option::of(prop::sample::select(vec!["lead.zip", "session.paths", "event.at", "run.x.0.\u{e9}", "lead.tags"])),
    ) {
        let mut node = json!(keys);
        if let Some(field) = field {
            node["field"] = json!(field);
        }
        match serde_json::from_value::<Condition>(node) {
            Err(why) => prop_assert!(why.to_string().len() > 20),
            Ok(condition) => {
                prop_assert!(condition.check().len() < 20);
                for scene in [Scene::default(), Scene::bare("page")] {
                    prop_assert_eq!(condition.explain(&scene.facts()).held, condition.holds(&scene.facts()));
                }
            }
        }
    }
}

fn hostile() -> impl Strategy<Value = serde_json::Value> {
    let one = prop_oneof![
        Just(json!(null)),
        any::<bool>().prop_map(|truth| json!(truth)),
        any::<f64>().prop_map(|number| json!(number)),
        prop::sample::select(vec![i64::MIN, -1, 0, 1, 3, 1 << 53, i64::MAX])
            .prop_map(|number| json!(number)),
        "\\PC{0,9}".prop_map(|text| json!(text)),
        prop::sample::select(vec![
            "2026-11-22",
            "-9999-01-01",
            "9999-12-31T23:59:59",
            "9999-12-31",
            "3653d",
            "99999999999999999999d",
            "1d",
            "a",
            "A\u{301}",
            "\u{130}",
            "(",
            "a|b",
            "(a{999}){999}",
            "inf",
            "-0",
            "America/Denver",
            "UTC",
            "../../etc/passwd",
            "lead.stage",
        ])
        .prop_map(|text| json!(text)),
    ];
    prop_oneof![3 => one.clone(), 1 => prop::collection::vec(one, 0..4).prop_map(|values| json!(values)), 1 => Just(json!({ "all": [] }))]
}
