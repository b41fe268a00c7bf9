//! The laws of scoring, for any model and any history.

use super::{Limit, ScoreModel, ScoreState, Scored, recompute, score};
use crate::conditions::scenes::Scene;
use proptest::prelude::*;
use serde_json::{Value, json};
use std::collections::BTreeMap;

const KINDS: [&str; 4] = ["page", "click", "form", "call"];

/// A model whose rules ask only the event, so that it also shows whether order matters.
fn model() -> impl Strategy<Value = ScoreModel> {
    let limit = prop_oneof![
        Just(json!("once")),
        Just(json!("per_session")),
        (1u32..4).prop_map(|n| json!(n))
    ];
    let rule = (
        prop::option::of(prop::sample::subsequence(KINDS.to_vec(), 1..3)),
        prop::option::of(0i64..4),
        -30i64..60,
        prop::option::of(limit),
        prop::bool::weighted(0.2),
    );
    let rules = prop::collection::vec(rule, 1..8);
    (rules, prop::collection::btree_set(1i64..200, 0..5), any::<bool>()).prop_map(|(rules, edges, session)| {
        let rules: Vec<Value> = rules
            .into_iter()
            .enumerate()
            .map(|(n, (event, level, points, limit, grouped))| {
                let mut rule = json!({ "name": format!("r{n}"), "points": points, "event": event.unwrap_or_else(|| KINDS.to_vec()) });
                if let Some(level) = level {
                    rule["when"] = json!({ "field": "event.properties.level", "gte": level });
                }
                if grouped {
                    rule["best_of"] = json!("group");
                } else if let Some(limit) = limit {
                    rule["limit"] = limit;
                }
                rule
            })
            .collect();
        let tiers: Vec<Value> = edges.into_iter().enumerate().map(|(n, from)| json!({ "name": format!("t{n}"), "from": from })).collect();
        let scope = if session { "session" } else { "lead" };
        serde_json::from_value(json!({ "name": "m", "scope": scope, "rules": rules, "tiers": tiers })).unwrap()
    })
}

fn history(visits: std::ops::Range<u32>) -> impl Strategy<Value = Vec<(u32, Scene)>> {
    prop::collection::vec(
        (prop::sample::select(KINDS.to_vec()), 0i64..4, visits),
        0..30,
    )
    .prop_map(|events| {
        let mut events: Vec<(u32, Scene)> = events
            .into_iter()
            .map(|(kind, level, visit)| {
                let mut scene = Scene::bare(kind);
                scene.properties = json!({ "level": level });
                scene.session = true;
                scene.number = visit;
                (visit, scene)
            })
            .collect();
        events.sort_by_key(|(visit, _)| *visit);
        events
    })
}

proptest! {
    /// S2, S5: what is awarded is what is there, no rule exceeds its limit, no tier is entered twice, and tiers are entered upwards.
    #[test]
    fn awards_add_up_and_tiers_are_entered_once(model in model(), events in history(1..4)) {
        let mut states: BTreeMap<u32, (ScoreState, Vec<Scored>)> = BTreeMap::new();
        for (visit, scene) in &events {
            let key = if model.scope == super::Scope::Session { *visit } else { 0 };
            let (state, log) = states.entry(key).or_default();
            let scored = score(&model, state, &scene.facts());
            prop_assert_eq!(state.tier.as_deref(), model.tier_of(state.points).map(|tier| tier.name.as_str()));
            if let Some(entered) = &scored.entered {
                prop_assert_eq!(Some(entered), state.tier.as_ref());
            }
            log.push(scored);
        }
        for (state, log) in states.values() {
            let awards = || log.iter().flat_map(|scored| &scored.awards);
            prop_assert_eq!(state.points, awards().map(|award| award.points).sum::<i64>());
            for rule in &model.rules {
                let fired = awards().filter(|award| award.rule == rule.name).count();
                let most = match model.limit_of(rule) {
                    Limit::Times(times) => times as usize,
                    Limit::PerSession if model.scope == super::Scope::Lead => 3,
                    Limit::Once | Limit::PerSession => 1,
                };
                prop_assert!(fired <= most);
                prop_assert_eq!(state.fired.get(&rule.name).copied().unwrap_or(0) as usize, fired);
            }
            let edges: Vec<i64> = log
                .iter()
                .filter_map(|scored| model.tier(scored.entered.as_deref()?))
                .map(|tier| tier.from)
                .collect();
            prop_assert!(edges.is_sorted_by(|a, b| a < b), "{:?}", edges);
        }
    }

    /// S6: scoring a history again gives what scoring it event by event gave, also over a restart that reads the state from the store.
    #[test]
    fn recomputing_equals_scoring_as_it_happens(model in model(), events in history(1..4), restart in any::<prop::sample::Index>()) {
        let mut states: BTreeMap<Option<u32>, ScoreState> = BTreeMap::new();
        let restart = restart.index(events.len() + 1);
        for (at, (visit, scene)) in events.iter().enumerate() {
            if at == restart {
                for state in states.values_mut() {
                    *state = serde_json::from_str(&serde_json::to_string(state).unwrap()).unwrap();
                }
            }
            let key = (model.scope == super::Scope::Session).then_some(*visit);
            score(&model, states.entry(key).or_default(), &scene.facts());
        }
        prop_assert_eq!(recompute(&model, events.iter().map(|(visit, scene)| (*visit, scene.facts()))), states);
    }

    /// S2: within a visit neither the order of events nor their repeats beyond the limit change the points.
    #[test]
    fn the_order_of_events_does_not_matter((events, shuffled) in history(1..2).prop_flat_map(|events| {
        let shuffled = Just(events.clone()).prop_shuffle();
        (Just(events), shuffled)
    }), model in model()) {
        let points = |events: &[(u32, Scene)]| {
            let states = recompute(&model, events.iter().map(|(visit, scene)| (*visit, scene.facts())));
            states.values().map(|state| state.points).sum::<i64>()
        };
        prop_assert_eq!(points(&events), points(&shuffled));
        // Everything once more: only rules that may fire more often have anything to add.
        if model.rules.iter().all(|rule| !matches!(model.limit_of(rule), Limit::Times(2..))) {
            let twice = [events.clone(), shuffled].concat();
            prop_assert_eq!(points(&events), points(&twice));
        }
    }

    /// Hostile documents are refused, never a panic.
    #[test]
    fn no_document_makes_reading_a_model_panic(body in prop::collection::vec(prop::sample::select(vec![
        "name: m\n", "scope: lead\n", "rules:\n", "  - { name: a, event: e, points: 1 }\n", "tiers:\n", "  - { name: t, from: 1 }\n",
        "decay: { half_life: 1s }\n", "decay: 3\n", "  - { when: { all: [ ] } }\n", "limit", ": ", "\n", "&a ", "*a", "{", "]",
    ]), 0..12)) {
        if let Ok(model) = serde_saphyr::from_str::<ScoreModel>(&body.concat()) {
            prop_assert!(model.check().len() < 100);
        }
    }

    /// Numbers at the very ends are complained about, and do no harm to who scores all the same.
    #[test]
    fn the_largest_numbers_do_no_harm(
        rules in prop::collection::vec((extreme(), prop::option::of(Just("best")), 0u32..3), 1..6),
        tiers in prop::collection::vec((extreme(), prop::option::of(extreme())), 0..5),
    ) {
        let rules: Vec<Value> = rules
            .iter()
            .enumerate()
            .map(|(n, (points, group, limit))| {
                json!({ "name": format!("r{n}"), "event": "e", "points": points, "best_of": group, "limit": limit })
            })
            .collect();
        let tiers: Vec<Value> = tiers.iter().map(|(from, to)| json!({ "name": "t", "from": from, "to": to })).collect();
        let model: ScoreModel =
            serde_json::from_value(json!({ "name": "m", "scope": "lead", "rules": rules, "tiers": tiers })).unwrap();
        prop_assert!(model.check().len() < 100);
        let mut state = ScoreState::default();
        for _ in 0..3 {
            score(&model, &mut state, &Scene::bare("e").facts());
            prop_assert!(super::next_tier(&model, state.points).is_none_or(|(_, missing)| missing > 0));
        }
    }
}

fn extreme() -> impl Strategy<Value = i64> {
    prop::sample::select(vec![
        i64::MIN,
        i64::MIN + 1,
        -1,
        0,
        1,
        i64::MAX - 1,
        i64::MAX,
    ])
}
