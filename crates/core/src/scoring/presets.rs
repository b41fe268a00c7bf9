//! The two models of the specification as they ship, rule by rule and tier by tier.

use super::{Award, ScoreModel, ScoreState, next_tier, score};
use crate::conditions::scenes::Scene;
use serde_json::json;

const PLUMBING: &str = include_str!("../../../../presets/plumbing/scores/intent.yaml");
const AUTO_GLASS: &str = include_str!("../../../../presets/auto-glass/scores/priority.yaml");

fn model(yaml: &str) -> ScoreModel {
    let model: ScoreModel = serde_saphyr::from_str(yaml).unwrap();
    assert_eq!(model.check(), Vec::<String>::new());
    model
}

/// The points that one event gives in a fresh state, rule by rule.
fn awards(model: &ScoreModel, scene: &Scene) -> Vec<(String, i64)> {
    let scored = score(model, &mut ScoreState::default(), &scene.facts());
    scored
        .awards
        .into_iter()
        .map(|Award { rule, points, .. }| (rule, points))
        .collect()
}

fn visit(change: impl FnOnce(&mut Scene)) -> Scene {
    let mut scene = Scene::bare("page");
    scene.session = true;
    change(&mut scene);
    scene
}

fn event(kind: &str) -> Scene {
    visit(|scene| scene.kind = kind.into())
}

fn paths(scene: &mut Scene, paths: &[&str]) {
    scene.paths = paths.iter().map(|path| (*path).to_owned()).collect();
}

/// S3: every rule of `plumbing` fires for what it means and not for what is next to it.
#[test]
fn every_rule_of_plumbing_fires_for_what_it_means() {
    let model = model(PLUMBING);
    let none: &[(&str, i64)] = &[];
    let search = [("emergency_search_keywords", 20)];
    for (case, scene, wanted) in [
        ("a plain page view on Tuesday", visit(|_| {}), none),
        (
            "emergency click",
            event("emergency_click"),
            &[("emergency_click", 30)],
        ),
        (
            "emergency click, as a tracker names it",
            event("Emergency Click"),
            &[("emergency_click", 30)],
        ),
        ("a click of another name", event("emergency_clicks"), none),
        ("phone click", event("phone_click"), &[("phone_click", 25)]),
        (
            "contact form start",
            event("contact_form_start"),
            &[("contact_form_start", 20)],
        ),
        (
            "testimonial",
            event("testimonial_read"),
            &[("testimonial_read", 10)],
        ),
        (
            "one service page",
            visit(|s| paths(s, &["/services/drains", "/about"])),
            none,
        ),
        (
            "two service pages",
            visit(|s| paths(s, &["/services/drains", "/services/heaters"])),
            &[("service_pages", 15)],
        ),
        (
            "the list of services is no service",
            visit(|s| paths(s, &["/services", "/services/drains"])),
            none,
        ),
        (
            "three pages",
            visit(|s| paths(s, &["/", "/about", "/prices"])),
            &[("three_pages", 10)],
        ),
        ("two pages", visit(|s| paths(s, &["/", "/about"])), none),
        ("119 seconds", visit(|s| s.seconds = 119), none),
        (
            "120 seconds",
            visit(|s| s.seconds = 120),
            &[("two_minutes", 15)],
        ),
        (
            "after hours",
            visit(|s| s.time.after_hours = true),
            &[("after_hours", 20)],
        ),
        (
            "weekend",
            visit(|s| s.time.weekend = true),
            &[("weekend", 10)],
        ),
        (
            "after hours on a weekend add up",
            visit(|s| {
                s.time.after_hours = true;
                s.time.weekend = true;
            }),
            &[("after_hours", 20), ("weekend", 10)],
        ),
        (
            "business hours",
            visit(|s| s.time.business_hours = true),
            &[("business_hours", 5)],
        ),
        (
            "second visit",
            visit(|s| s.number = 2),
            &[("returning_visitor", 15)],
        ),
        (
            "first page is an emergency page",
            visit(|s| paths(s, &["/Emergency/burst-pipe"])),
            &[("direct_emergency_navigation", 25)],
        ),
        (
            "second page is an emergency page",
            visit(|s| paths(s, &["/", "/emergency"])),
            none,
        ),
        (
            "UTM term",
            visit(|s| s.utm = json!({ "term": "Burst pipe repair" })),
            &search,
        ),
        (
            "UTM campaign is no search",
            visit(|s| s.utm = json!({ "campaign": "burst" })),
            none,
        ),
        (
            "search on the site",
            visit(|s| s.properties = json!({ "search": "no hot water" })),
            &search,
        ),
        (
            "search on the site, short",
            visit(|s| s.properties = json!({ "q": "URGENT plumber" })),
            &search,
        ),
        (
            "referrer query",
            visit(|s| s.referrer = Some("https://search.example/?q=toilet+overflowing".into())),
            &search,
        ),
        (
            "a referrer that is only called so",
            visit(|s| s.referrer = Some("https://leak.example/flood".into())),
            none,
        ),
        (
            "a calm search",
            visit(|s| s.utm = json!({ "term": "kitchen tap" })),
            none,
        ),
    ] {
        let got = awards(&model, &scene);
        let got: Vec<(&str, i64)> = got
            .iter()
            .map(|(rule, points)| (rule.as_str(), *points))
            .collect();
        assert_eq!(got, wanted, "{case}");
    }
}

/// S3, S5: the visit of the mock page, from the search to the form: 75, 105, 125; each tier once.
#[test]
fn a_burst_pipe_on_saturday_rises_through_the_tiers() {
    let model = model(PLUMBING);
    let mut state = ScoreState::default();
    let mut scene = visit(|scene| {
        paths(scene, &["/emergency/burst-pipe"]);
        scene.utm = json!({ "term": "burst pipe repair" });
        scene.time.after_hours = true;
        scene.time.weekend = true;
    });
    let mut log = Vec::new();
    for kind in [
        "page",
        "page",
        "emergency_click",
        "emergency_click",
        "contact_form_start",
    ] {
        scene.kind = kind.into();
        let scored = score(&model, &mut state, &scene.facts());
        log.push((state.points, scored.entered));
    }
    let tier = |name: &str| Some(name.to_owned());
    assert_eq!(
        log,
        [
            (75, tier("high_priority")),
            (75, None),
            (105, tier("immediate")),
            (105, None),
            (125, None)
        ]
    );
    assert_eq!(state.tier, tier("immediate"));
    // The tier below was jumped over: it counts as passed.
    assert!(
        !log.iter()
            .any(|(_, entered)| entered.as_deref() == Some("standard"))
    );
    // A new visit is a new state and alerts again (S5).
    let mut next = ScoreState::default();
    scene.number = 2;
    assert_eq!(
        score(&model, &mut next, &scene.facts()).entered,
        tier("immediate")
    );
}

/// S2: the ledger says why.
#[test]
fn an_award_says_what_was_seen() {
    let model = model(PLUMBING);
    let scene = visit(|scene| {
        paths(scene, &["/emergency/burst-pipe"]);
        scene.referrer = Some("https://search.example/?q=burst+pipe".into());
        scene.time.weekend = true;
    });
    let scored = score(&model, &mut ScoreState::default(), &scene.facts());
    let why: Vec<&str> = scored
        .awards
        .iter()
        .flat_map(|award| &award.why)
        .map(String::as_str)
        .collect();
    assert_eq!(
        why,
        [
            "it was a weekend",
            "first page of the visit contains “emergency”: it was “/emergency/burst-pipe”",
            "search before the visit contains “burst”: it was “burst pipe”",
        ]
    );
}

fn form(attributes: serde_json::Value) -> Scene {
    let mut scene = Scene::bare("lead.captured");
    scene.attributes = attributes;
    scene
}

/// S4: every rule of `auto-glass`, and what the whole form gives.
#[test]
fn every_rule_of_auto_glass_fires_for_what_it_means() {
    let model = model(AUTO_GLASS);
    // It is 2026-11-24T17:00Z; dates stand for their midnight in UTC.
    for (case, attributes, points, entered) in [
        ("nothing said", json!({}), 1, Some("normal")),
        (
            "chip repair",
            json!({ "service_type": "repair" }),
            1,
            Some("normal"),
        ),
        (
            "replacement",
            json!({ "service_type": "Replacement" }),
            3,
            Some("normal"),
        ),
        ("photos", json!({ "photos": 2 }), 1 + 2, Some("normal")),
        ("no photos", json!({ "photos": 0 }), 1, Some("normal")),
        (
            "wanted tomorrow",
            json!({ "preferred_date": "2026-11-25" }),
            1 + 2,
            Some("normal"),
        ),
        (
            "wanted today",
            json!({ "preferred_date": "2026-11-24" }),
            1 + 2,
            Some("normal"),
        ),
        (
            "wanted in 31 hours",
            json!({ "preferred_date": "2026-11-26" }),
            1 + 2,
            Some("normal"),
        ),
        (
            "wanted in 55 hours",
            json!({ "preferred_date": "2026-11-27" }),
            1,
            Some("normal"),
        ),
        (
            "no date at all",
            json!({ "preferred_date": "as soon as possible" }),
            1,
            Some("normal"),
        ),
        (
            "mobile, ticked",
            json!({ "mobile_service": "on" }),
            1 + 1,
            Some("normal"),
        ),
        (
            "mobile, true",
            json!({ "mobile_service": true }),
            1 + 1,
            Some("normal"),
        ),
        (
            "mobile, no",
            json!({ "mobile_service": "no" }),
            1,
            Some("normal"),
        ),
        (
            "premium",
            json!({ "vehicle_make": "mercedes-benz" }),
            1 + 1,
            Some("normal"),
        ),
        (
            "not premium",
            json!({ "vehicle_make": "Ford" }),
            1,
            Some("normal"),
        ),
        (
            "4: one below high",
            json!({ "service_type": "replacement", "vehicle_make": "BMW" }),
            4,
            Some("normal"),
        ),
        (
            "5: high",
            json!({ "service_type": "replacement", "photos": 1 }),
            5,
            Some("high"),
        ),
        (
            "everything",
            json!({ "service_type": "replacement", "photos": 5, "preferred_date": "2026-11-25", "mobile_service": "yes", "vehicle_make": "Tesla" }),
            9,
            Some("high"),
        ),
    ] {
        let mut state = ScoreState::default();
        let scored = score(&model, &mut state, &form(attributes).facts());
        assert_eq!(
            (state.points, scored.entered.as_deref()),
            (points, entered),
            "{case}"
        );
        assert_eq!(
            scored.awards.iter().map(|award| award.points).sum::<i64>(),
            points,
            "{case}"
        );
    }
    let other = Scene {
        kind: "page".into(),
        ..form(json!({ "photos": 3 }))
    };
    assert!(awards(&model, &other).is_empty(), "only a form counts");
}

/// S4: who asks for a repair first and for a replacement later has 3, not 4; and the order does not matter.
#[test]
fn replacement_counts_three_and_everything_else_one() {
    let model = model(AUTO_GLASS);
    for order in [["repair", "replacement"], ["replacement", "repair"]] {
        let mut state = ScoreState::default();
        let mut sum = 0;
        for service in order {
            let scored = score(
                &model,
                &mut state,
                &form(json!({ "service_type": service })).facts(),
            );
            sum += scored.awards.iter().map(|award| award.points).sum::<i64>();
        }
        assert_eq!((state.points, sum), (3, 3), "{order:?}");
    }
}

/// S3, S4: every edge of every tier.
#[test]
fn tiers_begin_and_end_where_the_specification_says() {
    for (yaml, points, tier, next) in [
        (PLUMBING, -5, None, Some(("standard", 45))),
        (PLUMBING, 39, None, Some(("standard", 1))),
        (PLUMBING, 40, Some("standard"), Some(("high_priority", 20))),
        (PLUMBING, 59, Some("standard"), Some(("high_priority", 1))),
        (PLUMBING, 60, Some("high_priority"), Some(("immediate", 20))),
        (PLUMBING, 79, Some("high_priority"), Some(("immediate", 1))),
        (PLUMBING, 80, Some("immediate"), None),
        (PLUMBING, i64::MAX, Some("immediate"), None),
        (AUTO_GLASS, 0, None, Some(("normal", 1))),
        (AUTO_GLASS, 1, Some("normal"), Some(("high", 4))),
        (AUTO_GLASS, 4, Some("normal"), Some(("high", 1))),
        (AUTO_GLASS, 5, Some("high"), None),
    ] {
        let model = model(yaml);
        assert_eq!(
            model.tier_of(points).map(|tier| tier.name.as_str()),
            tier,
            "{} {points}",
            model.name
        );
        let next = next.map(|(name, missing)| (name.to_owned(), missing));
        assert_eq!(next_tier(&model, points), next, "{} {points}", model.name);
    }
}
