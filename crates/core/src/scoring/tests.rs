//! Limits, tiers, views and mistakes of score models.

use super::{LedgerRow, Scope, ScoreModel, ScoreState, explain_state, recompute, score};
use crate::conditions::scenes::Scene;
use crate::time::Timestamp;

fn model(yaml: &str) -> ScoreModel {
    serde_saphyr::from_str(yaml).unwrap_or_else(|why| panic!("{yaml}: {why}"))
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// A model over clicks: `up` and `down` as often as wanted, tiers at 10, 20 and 30.
fn ladder() -> ScoreModel {
    model(
        "name: ladder
scope: lead
rules:
  - { name: up, event: up, points: 10, limit: 1000 }
  - { name: leap, event: leap, points: 30, limit: 1000 }
  - { name: down, event: down, points: -10, limit: 1000 }
tiers:
  - { name: top, from: 30 }
  - { name: low, from: 10, to: 19 }
  - { name: middle, from: 20, to: 29 }",
    )
}

/// S5: a tier is entered once per state, whatever falls and rises in between; a jump enters only the highest.
#[test]
fn a_tier_is_entered_once() {
    let model = ladder();
    assert_eq!(model.check(), Vec::<String>::new());
    for (events, entered) in [
        (vec!["up", "up", "up"], vec!["low", "middle", "top"]),
        (vec!["leap"], vec!["top"]),
        (vec!["leap", "down", "down", "up", "up"], vec!["top"]),
        (
            vec!["up", "down", "up", "up", "down", "up"],
            vec!["low", "middle"],
        ),
        (vec!["down", "up", "up"], vec!["low"]),
        (
            vec!["up", "leap", "down", "down", "down", "leap"],
            vec!["low", "top"],
        ),
        (vec!["other"], vec![]),
    ] {
        let mut state = ScoreState::default();
        let got: Vec<String> = events
            .iter()
            .filter_map(|kind| score(&model, &mut state, &Scene::bare(kind).facts()).entered)
            .collect();
        assert_eq!(got, entered, "{events:?}");
        assert_eq!(
            state.tier.as_deref(),
            model.tier_of(state.points).map(|tier| tier.name.as_str()),
            "{events:?}"
        );
    }
}

/// S5, S6: new tiers in an old range do not alert for points that were there before.
#[test]
fn tiers_added_below_the_points_alert_nobody() {
    let mut model = ladder();
    let mut state = ScoreState::default();
    score(&model, &mut state, &Scene::bare("leap").facts());
    model
        .tiers
        .insert(0, serde_saphyr::from_str("{ name: new, from: 5 }").unwrap());
    assert_eq!(
        score(&model, &mut state, &Scene::bare("down").facts()).entered,
        None
    );
    assert_eq!(
        score(&model, &mut state, &Scene::bare("up").facts()).entered,
        None
    );
    assert_eq!(
        score(&model, &mut state, &Scene::bare("up").facts()).entered,
        None
    );
}

/// S2: once, per session, a number; and the defaults of both scopes.
#[test]
fn limits_hold_within_their_scope() {
    // Events as visit numbers; 0 is an event outside of any visit.
    for (scope, limit, visits, fired) in [
        ("lead", "", vec![1, 1, 2], 1),
        ("lead", "limit: once,", vec![1, 2, 3], 1),
        ("lead", "limit: per_session,", vec![1, 1, 2, 2, 3], 3),
        ("lead", "limit: per_session,", vec![1, 2, 1], 2),
        ("lead", "limit: per_session,", vec![0, 0, 1, 0], 2),
        ("lead", "limit: 2,", vec![1, 2, 3], 2),
        ("session", "", vec![1, 1, 1], 1),
        ("session", "limit: once,", vec![1, 1], 1),
        ("session", "limit: per_session,", vec![1, 1], 1),
        ("session", "limit: 3,", vec![1, 1, 1, 1], 3),
        ("session", "", vec![1, 2, 1, 2], 2),
    ] {
        let yaml = format!(
            "{{ name: m, scope: {scope}, rules: [{{ name: a, event: [click, tap], {limit} points: 5 }}] }}"
        );
        let model = model(&yaml);
        assert!(model.check().is_empty(), "{yaml}");
        let scenes: Vec<(u32, Scene)> = visits
            .iter()
            .map(|number| {
                let mut scene = Scene::bare("tap");
                scene.session = *number > 0;
                scene.number = *number;
                (*number, scene)
            })
            .collect();
        let states = recompute(
            &model,
            scenes.iter().map(|(visit, scene)| (*visit, scene.facts())),
        );
        assert_eq!(
            states.values().map(|state| state.points).sum::<i64>(),
            5 * fired,
            "{yaml} {visits:?}"
        );
        assert_eq!(
            states.keys().all(Option::is_some),
            model.scope == Scope::Session
        );
    }
}

/// S2: the view adds up, whatever the rows are, and knows the way to the next tier.
#[test]
fn the_breakdown_adds_up_to_the_points() {
    let model = ladder();
    let row = |rule: &str, points, minute: u32| LedgerRow {
        rule: rule.into(),
        points,
        at: at(&format!("2026-11-21T16:{minute:02}:00Z")),
        event: Some("evt_1".into()),
        why: vec!["it was a weekend".into()],
    };
    let now = at("2026-11-28T16:00:00Z");
    let view = explain_state(
        &model,
        [
            row("down", -10, 9),
            row("up", 10, 3),
            row("gone_rule", 22, 1),
        ],
        now,
    );
    assert_eq!(
        view.points,
        view.breakdown.iter().map(|line| line.points).sum::<i64>()
    );
    assert_eq!(
        (view.points, view.tier.as_deref(), view.faded),
        (22, Some("middle"), None)
    );
    let json = serde_json::to_value(&view).unwrap();
    assert_eq!(
        json["next_tier"],
        serde_json::json!({ "name": "top", "missing": 8 })
    );
    assert_eq!(
        json["breakdown"][0],
        serde_json::json!({
            "rule": "gone_rule", "label": "gone rule", "points": 22, "at": "2026-11-21T16:01:00Z", "event": "evt_1", "why": ["it was a weekend"]
        })
    );
    let empty = explain_state(&model, [], now);
    assert_eq!(
        (
            empty.points,
            empty.tier,
            empty.next_tier.map(|next| next.missing)
        ),
        (0, None, Some(10))
    );
}

/// S2: decay fades what is read, and never what was given.
#[test]
fn points_halve_with_every_half_life_when_they_are_read() {
    let mut model = ladder();
    model.decay = Some(serde_saphyr::from_str("{ half_life: 7d }").unwrap());
    let row = |points, day: &str| LedgerRow {
        rule: "up".into(),
        points,
        at: at(day),
        event: None,
        why: vec![],
    };
    for (now, faded) in [
        ("2026-11-01T00:00:00Z", 60),
        ("2026-11-08T00:00:00Z", 40),
        ("2026-11-15T00:00:00Z", 20),
        ("2026-11-22T00:00:00Z", 10),
        ("2030-01-01T00:00:00Z", 0),
    ] {
        let rows = [
            row(40, "2026-11-01T00:00:00Z"),
            row(20, "2026-11-08T00:00:00Z"),
        ];
        let view = explain_state(&model, rows, at(now));
        assert_eq!((view.points, view.faded), (60, Some(faded)), "{now}");
    }
}

/// W5: mistakes are told with the mend.
#[test]
fn every_mistake_of_a_model_is_told() {
    let many = (0..201)
        .map(|n| format!("{{ name: r{n}, event: e, points: 1 }},"))
        .collect::<String>();
    let patterns = (0..41)
        .map(|n| format!("{{ name: r{n}, points: 1, when: {{ field: lead.city, matches: a }} }},"))
        .collect::<String>();
    let tiers =
        |tiers: &str| format!("tiers: [{tiers}], rules: [{{ name: a, event: e, points: 1 }}]");
    let rule = |rule: &str| format!("rules: [{{ name: a, event: e, points: 1, {rule} }}]");
    for (body, wanted) in [
        ("rules: []".to_owned(), "has no rules"),
        (
            "rules: [{ name: a, event: e, points: 1 }, { name: a, event: f, points: 1 }]".into(),
            "two rules are called “a”",
        ),
        (format!("rules: [{many}]"), "has 201 rules; at most 200"),
        (format!("rules: [{patterns}]"), "has 41 patterns"),
        (
            "rules: [{ name: A b, event: e, points: 1 }]".into(),
            "small letters",
        ),
        (
            "rules: [{ name: a, event: e, points: 1001 }]".into(),
            "from -1000 to 1000",
        ),
        (
            "rules: [{ name: a, event: e, points: -1001 }]".into(),
            "from -1000 to 1000",
        ),
        (
            "rules: [{ name: a, event: e, points: many }]".into(),
            "points",
        ),
        (
            "rules: [{ name: a, points: 1 }]".into(),
            "neither event nor when",
        ),
        (
            "rules: [{ name: a, event: [], points: 1 }]".into(),
            "leave event: away",
        ),
        (
            "rules: [{ name: a, event: '', points: 1 }]".into(),
            "no type of event",
        ),
        (rule("limit: 0"), "a limit of 0"),
        (rule("limit: -1"), "a limit of 0"),
        (rule("limit: 2000000"), "a limit above 1000000"),
        (rule("limit: 99999999999"), "too large"),
        (rule("limit: per_sesion"), "did you mean per_session?"),
        (rule("limt: 2"), "limt"),
        (rule("best_of: x"), "is the only one with its best_of"),
        (rule("best_of: x, limit: 2"), "it can fire only once"),
        (
            rule("when: { field: lead.stgae, is: lost }"),
            "rule “a”: there is no field “lead.stgae”; did you mean lead.stage?",
        ),
        (
            rule("when: { field: lead.points, gt: 1 }"),
            "points cannot depend on points",
        ),
        (
            rule("when: { not: { field: lead.tier, is: high } }"),
            "the tier they lead to",
        ),
        (
            rule("when: { field: run.answer, is: a }"),
            "not part of a run",
        ),
        (
            tiers("{ name: a, from: 1 }, { name: a, from: 5 }"),
            "two tiers are called",
        ),
        (
            tiers("{ name: a, from: 1 }, { name: b, from: 1 }"),
            "both begin at 1",
        ),
        (
            tiers("{ name: a, from: 1, to: 6 }, { name: b, from: 5 }"),
            "they overlap",
        ),
        (
            tiers("{ name: b, from: 5 }, { name: a, from: 1, to: 3 }"),
            "is a hole; end the first at 4",
        ),
        (
            tiers("{ name: a, from: 1, to: 5 }"),
            "is the highest and ends at 5",
        ),
        (tiers("{ name: a, from: 5, to: 1 }"), "the wrong way round"),
        (tiers("{ name: a, from: 5, top: 1 }"), "top"),
    ] {
        let yaml = format!("{{ name: m, scope: lead, {body} }}");
        let told = match serde_saphyr::from_str::<ScoreModel>(&yaml) {
            Ok(model) => model.check().join("\n"),
            Err(why) => why.to_string(),
        };
        assert!(
            told.contains(wanted),
            "{yaml}\n  wanted: {wanted}\n  told: {told}"
        );
    }
}

/// A state stays small in the store and reads back.
#[test]
fn a_state_reads_back_from_the_store() {
    let model = ladder();
    let mut state = ScoreState::default();
    assert_eq!(
        serde_json::to_string(&state).unwrap(),
        r#"{"points":0,"peak":0}"#
    );
    score(&model, &mut state, &Scene::bare("up").facts());
    let text = serde_json::to_string(&state).unwrap();
    assert_eq!(
        text,
        r#"{"points":10,"tier":"low","peak":10,"fired":{"up":1}}"#
    );
    assert_eq!(serde_json::from_str::<ScoreState>(&text).unwrap(), state);
}

/// A rule that names its events does not fire when there is none, as in a re-score after an attribute changed.
#[test]
fn rules_that_name_events_are_silent_without_one() {
    let model = model(
        "{ name: m, scope: lead, rules: [{ name: a, event: e, points: 1 }, { name: b, when: { field: lead.city, is: denver }, points: 2 }] }",
    );
    let scene = Scene::bare("e");
    let mut state = ScoreState::default();
    score(
        &model,
        &mut state,
        &crate::conditions::Facts {
            event: None,
            ..scene.facts()
        },
    );
    assert_eq!(state.points, 2);
}
