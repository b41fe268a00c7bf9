//! The time rules of the two presets on both sides of every edge: opening, closing, midnight, weekend, holiday, and the nights on
//! which clocks change (S3, S4).

use super::{Award, ScoreModel, ScoreState, score};
use crate::conditions::{TimeFacts, scenes::Scene};
use crate::config::{Document, Settings};
use serde_json::json;
use std::collections::BTreeMap;

const PLUMBING: &str = include_str!("../../../../presets/plumbing/scores/intent.yaml");
const AUTO_GLASS: &str = include_str!("../../../../presets/auto-glass/scores/priority.yaml");
const PLUMBER: &str = include_str!("../../../../presets/plumbing/tenant.yaml");
const GLAZIER: &str = include_str!("../../../../presets/auto-glass/tenant.yaml");

/// The settings of a preset, as a tenant has them.
fn settings(yaml: &str, product: &str) -> Settings {
    let documents = BTreeMap::from([
        ("tenant.yaml".to_owned(), Document::new(yaml)),
        (
            format!("products/{product}.yaml"),
            Document::new(format!("name: {product}\nstages: [{{ name: new }}]\n")),
        ),
    ]);
    crate::config::load(&documents)
        .unwrap_or_else(|problems| panic!("{problems:?}"))
        .settings
}

/// What the wall clock of the business says at an instant.
fn clock(settings: &Settings, at: &str) -> TimeFacts {
    let hours = settings.hours_at(at.parse().unwrap(), settings.time_zone.rules());
    TimeFacts {
        after_hours: hours.after_hours,
        weekend: hours.weekend,
        business_hours: hours.open,
        holiday: hours.holiday,
        hour: hours.hour,
        weekday: hours.weekday,
    }
}

const OPEN: &[(&str, i64)] = &[("business_hours", 5)];
const SHUT: &[(&str, i64)] = &[("after_hours", 20)];
const SATURDAY: &[(&str, i64)] = &[("weekend", 10), ("business_hours", 5)];
const SHUT_WEEKEND: &[(&str, i64)] = &[("after_hours", 20), ("weekend", 10)];

/// S3: what a visit gets for its hour. Instants are UTC; Denver is six hours behind in summer and seven in winter.
#[test]
fn a_visit_is_given_points_for_the_hour_at_the_plumbers_place() {
    let settings = settings(PLUMBER, "plumbing");
    let model: ScoreModel = serde_saphyr::from_str(PLUMBING).unwrap();
    for (at, wanted, case) in [
        (
            "2026-11-24T13:59:59Z",
            SHUT,
            "Tuesday, a second before seven",
        ),
        ("2026-11-24T14:00:00Z", OPEN, "Tuesday at seven"),
        (
            "2026-11-25T00:59:59Z",
            OPEN,
            "Tuesday, the last second before six",
        ),
        ("2026-11-25T01:00:00Z", SHUT, "Tuesday at six"),
        ("2026-11-21T06:59:59Z", SHUT, "Friday, the last second"),
        ("2026-11-21T07:00:00Z", SHUT_WEEKEND, "Saturday at midnight"),
        (
            "2026-11-21T14:59:59Z",
            SHUT_WEEKEND,
            "Saturday, a second before eight",
        ),
        ("2026-11-21T15:00:00Z", SATURDAY, "Saturday at eight"),
        (
            "2026-11-21T19:59:59Z",
            SATURDAY,
            "Saturday, the last second before one",
        ),
        ("2026-11-21T20:00:00Z", SHUT_WEEKEND, "Saturday at one"),
        ("2026-11-22T19:00:00Z", SHUT_WEEKEND, "Sunday at noon"),
        (
            "2026-11-23T06:59:59Z",
            SHUT_WEEKEND,
            "Sunday, the last second",
        ),
        ("2026-11-23T07:00:00Z", SHUT, "Monday at midnight"),
        // In the night to Sunday, 8 March, clocks go forward.
        (
            "2026-03-06T13:59:59Z",
            SHUT,
            "Friday before, a second before seven",
        ),
        ("2026-03-06T14:00:00Z", OPEN, "Friday before, at seven"),
        (
            "2026-03-08T08:59:59Z",
            SHUT_WEEKEND,
            "the last second before two",
        ),
        (
            "2026-03-08T09:00:00Z",
            SHUT_WEEKEND,
            "three o'clock follows at once",
        ),
        (
            "2026-03-09T05:59:59Z",
            SHUT_WEEKEND,
            "Sunday ends an hour earlier",
        ),
        ("2026-03-09T06:00:00Z", SHUT, "Monday at midnight"),
        (
            "2026-03-09T12:59:59Z",
            SHUT,
            "Monday, a second before seven",
        ),
        ("2026-03-09T13:00:00Z", OPEN, "Monday at seven"),
        // In the night to Sunday, 1 November, they go back.
        (
            "2026-10-30T12:59:59Z",
            SHUT,
            "Friday before, a second before seven",
        ),
        ("2026-10-30T13:00:00Z", OPEN, "Friday before, at seven"),
        ("2026-11-01T07:30:00Z", SHUT_WEEKEND, "half past one"),
        ("2026-11-01T08:30:00Z", SHUT_WEEKEND, "half past one again"),
        (
            "2026-11-02T06:59:59Z",
            SHUT_WEEKEND,
            "Sunday ends an hour later",
        ),
        ("2026-11-02T07:00:00Z", SHUT, "Monday at midnight"),
        (
            "2026-11-02T13:59:59Z",
            SHUT,
            "Monday, a second before seven",
        ),
        ("2026-11-02T14:00:00Z", OPEN, "Monday at seven"),
        // Thanksgiving, and the days around it.
        ("2026-11-25T18:00:00Z", OPEN, "the day before, at eleven"),
        ("2026-11-26T06:59:59Z", SHUT, "the day before, last second"),
        ("2026-11-26T07:00:00Z", SHUT, "Thanksgiving begins"),
        ("2026-11-26T18:00:00Z", SHUT, "Thanksgiving at eleven"),
        (
            "2026-11-27T13:59:59Z",
            SHUT,
            "the day after, a second before seven",
        ),
        ("2026-11-27T14:00:00Z", OPEN, "the day after, at seven"),
        (
            "2026-12-24T18:00:00Z",
            SHUT,
            "Christmas Eve, the plumber's own holiday",
        ),
        ("2026-12-25T18:00:00Z", SHUT, "Christmas Day"),
        (
            "2026-07-03T18:00:00Z",
            SHUT,
            "the Friday for a Fourth on a Saturday",
        ),
        (
            "2026-07-04T16:00:00Z",
            SHUT_WEEKEND,
            "the Fourth, a Saturday with hours otherwise",
        ),
        ("2026-07-11T16:00:00Z", SATURDAY, "the Saturday after"),
    ] {
        let scene = Scene {
            session: true,
            time: clock(&settings, at),
            ..Scene::bare("page")
        };
        let scored = score(&model, &mut ScoreState::default(), &scene.facts());
        let got: Vec<(&str, i64)> = scored
            .awards
            .iter()
            .map(|Award { rule, points, .. }| (rule.as_str(), *points))
            .collect();
        assert_eq!(got, wanted, "{at}, {case}");
    }
}

/// W7, S4: the hours in which auto-glass promises an answer, on both sides of the same edges.
#[test]
fn the_glaziers_hours_open_and_close_to_the_second() {
    let settings = settings(GLAZIER, "auto-glass");
    for (at, open, holiday, case) in [
        (
            "2026-11-24T14:59:59Z",
            false,
            false,
            "Tuesday, a second before eight",
        ),
        ("2026-11-24T15:00:00Z", true, false, "Tuesday at eight"),
        (
            "2026-11-25T00:59:59Z",
            true,
            false,
            "Tuesday, the last second before six",
        ),
        ("2026-11-25T01:00:00Z", false, false, "Tuesday at six"),
        (
            "2026-11-21T15:59:59Z",
            false,
            false,
            "Saturday, a second before nine",
        ),
        ("2026-11-21T16:00:00Z", true, false, "Saturday at nine"),
        ("2026-11-21T21:00:00Z", false, false, "Saturday at two"),
        ("2026-11-22T19:00:00Z", false, false, "Sunday at noon"),
        (
            "2026-03-09T13:59:59Z",
            false,
            false,
            "clocks went forward: a second before eight",
        ),
        (
            "2026-03-09T14:00:00Z",
            true,
            false,
            "clocks went forward: eight",
        ),
        (
            "2026-11-02T14:59:59Z",
            false,
            false,
            "clocks went back: a second before eight",
        ),
        (
            "2026-11-02T15:00:00Z",
            true,
            false,
            "clocks went back: eight",
        ),
        ("2026-11-26T18:00:00Z", false, true, "Thanksgiving"),
        ("2026-11-27T18:00:00Z", true, false, "the day after"),
        (
            "2026-12-24T18:00:00Z",
            true,
            false,
            "Christmas Eve is a day like others here",
        ),
        ("2026-12-25T18:00:00Z", false, true, "Christmas Day"),
    ] {
        let clock = clock(&settings, at);
        assert_eq!(
            (clock.business_hours, clock.after_hours, clock.holiday),
            (open, !open, holiday),
            "{at}, {case}"
        );
    }
}

/// S4: “within 48 h” counts real hours to the beginning of the wanted day at the shop, whatever clocks do in between; a holiday is a
/// day like others.
#[test]
fn wanted_within_48_hours_counts_to_the_day_at_the_shop() {
    let settings = settings(GLAZIER, "auto-glass");
    let model: ScoreModel = serde_saphyr::from_str(AUTO_GLASS).unwrap();
    for (now, wanted, soon, case) in [
        (
            "2026-11-23T07:00:00Z",
            "2026-11-25",
            true,
            "midnight to midnight: 48 hours",
        ),
        ("2026-11-23T06:59:59Z", "2026-11-25", false, "a second more"),
        (
            "2026-11-24T06:30:00Z",
            "2026-11-26",
            false,
            "Monday half past eleven at night: 48.5 hours there, 41.5 in UTC",
        ),
        (
            "2026-11-24T07:00:00Z",
            "2026-11-26",
            true,
            "half an hour later; the day is Thanksgiving",
        ),
        (
            "2026-11-24T06:59:59Z",
            "2026-11-23",
            true,
            "today, in its last second",
        ),
        (
            "2026-03-07T06:00:00Z",
            "2026-03-09",
            true,
            "forward: Friday at eleven at night is 48 hours away",
        ),
        (
            "2026-03-07T05:59:59Z",
            "2026-03-09",
            false,
            "forward: a second more",
        ),
        (
            "2026-10-31T07:00:00Z",
            "2026-11-02",
            true,
            "back: Saturday at one is 48 hours away",
        ),
        (
            "2026-10-31T06:59:59Z",
            "2026-11-02",
            false,
            "back: at midnight it was nearly 49",
        ),
        (
            "2026-11-23T16:00:00Z",
            "2026-11-25T09:00",
            true,
            "an hour of the day: 48 hours to nine o'clock",
        ),
        (
            "2026-11-23T15:59:59Z",
            "2026-11-25T09:00",
            false,
            "a second more",
        ),
        (
            "2026-11-23T09:00:00Z",
            "2026-11-25T09:00:00Z",
            true,
            "an hour with its offset says itself when it is",
        ),
        (
            "2026-11-23T08:59:59Z",
            "2026-11-25T09:00:00Z",
            false,
            "a second more",
        ),
    ] {
        let scene = Scene {
            attributes: json!({ "preferred_date": wanted }),
            now: now.parse().unwrap(),
            zone: settings.time_zone.rules().clone(),
            ..Scene::bare("lead.captured")
        };
        let scored = score(&model, &mut ScoreState::default(), &scene.facts());
        let awarded = scored
            .awards
            .iter()
            .any(|award| award.rule == "wanted_soon");
        assert_eq!(awarded, soon, "{now} for {wanted}: {case}");
    }
}
