//! Reports: how fast people are answered, in its four parts, against what was promised (W7).

use super::format::{amount, number, words};
use super::frame::{Frame, Page};
use super::{PageResult, Session, html, line};
use crate::app::App;
use crate::reports::{Part, SpeedBody, read};
use askama::Template;
use axum::Router;
use axum::extract::{Query, State};
use axum::routing::get;
use jiff::SignedDuration;
use serde::Deserialize;

pub(super) fn routes() -> Router<App> {
    Router::new().route("/t/{slug}/reports", get(show))
}

/// Marks in one row.
const MOST_TICKS: usize = 120;
const RANGES: [(u16, &str); 4] = [
    (1, "24 hours"),
    (7, "7 days"),
    (30, "30 days"),
    (90, "90 days"),
];

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Asked {
    range: String,
}

#[derive(Debug)]
struct Row {
    part: &'static str,
    what: &'static str,
    leads: String,
    half: String,
    nine: String,
    longest: String,
    label: String,
    ticks: Vec<(String, bool)>,
    median: String,
}

#[derive(Debug)]
struct Range {
    days: u16,
    label: &'static str,
    chosen: bool,
}

#[derive(Template)]
#[template(path = "reports/page.html")]
struct ReportPage {
    frame: Frame,
    headline: String,
    line: String,
    ranges: Vec<Range>,
    promise: String,
    rows: Vec<Row>,
    empty: bool,
    server: String,
}

async fn show(State(app): State<App>, session: Session, Query(asked): Query<Asked>) -> PageResult {
    let days = RANGES
        .iter()
        .find(|(days, _)| asked.range == days.to_string());
    let days = days.map_or(7, |(days, _)| *days);
    let told = read(&app, &session.home, days).await?;
    let frame = Frame::load(&app, &session, Page::Reports).await?;
    let promise = session
        .home
        .tenant
        .config
        .settings
        .promise
        .and_then(|promise| i64::try_from(promise.first_response.as_secs()).ok());
    Ok(html(&page(
        frame,
        &told,
        promise,
        days,
        &app.settings.public_url,
    )))
}

fn length(ms: Option<i64>) -> String {
    ms.map_or_else(
        || "–".to_owned(),
        |ms| words(SignedDuration::from_millis(ms)),
    )
}

fn page(
    frame: Frame,
    told: &SpeedBody,
    promise_s: Option<i64>,
    days: u16,
    server: &str,
) -> ReportPage {
    let rows: Vec<Row> = told
        .parts
        .iter()
        .map(|part| {
            let (name, what) = match part.part {
                Part::Detected => ("Detected", "from what they did until it was known here"),
                Part::Routed => (
                    "Routed",
                    "until somebody had the lead, where one is given away",
                ),
                Part::Notified => ("Notified", "until the first alert was with its provider"),
                Part::Answered => ("Answered", "until a person took it"),
            };
            let late = |ms: i64| {
                part.part == Part::Answered && promise_s.is_some_and(|promise| ms > promise * 1_000)
            };
            let step = part.all_ms.len().div_ceil(MOST_TICKS).max(1);
            let half = length(part.half_ms);
            Row {
                part: name,
                what,
                leads: number(i64::try_from(part.leads).unwrap_or(i64::MAX)),
                nine: length(part.nine_of_ten_ms),
                longest: length(part.longest_ms),
                label: format!("{name}: half within {half}"),
                half,
                ticks: part
                    .all_ms
                    .iter()
                    .step_by(step)
                    .map(|ms| (line::percent(*ms as f64 / 1_000.0), late(*ms)))
                    .collect(),
                median: part
                    .half_ms
                    .map(|ms| line::percent(ms as f64 / 1_000.0))
                    .unwrap_or_default(),
            }
        })
        .collect();
    let answered = told.parts.iter().find(|part| part.part == Part::Answered);
    let half = answered.and_then(|part| part.half_ms);
    let late = match (answered, promise_s) {
        (Some(part), Some(promise)) => Some(
            part.all_ms
                .iter()
                .filter(|ms| **ms > promise * 1_000)
                .count(),
        ),
        _ => None,
    };
    let headline = match half {
        Some(ms) => format!(
            "Half are answered within {}",
            words(SignedDuration::from_millis(ms))
        ),
        None if told.leads > 0 => "Nobody was answered in this time".to_owned(),
        None => "Figures begin with the first lead".to_owned(),
    };
    let count = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
    let mut says = if told.leads == 0 {
        String::new()
    } else {
        format!(
            "{} rang, {} not answered yet.",
            amount(count(told.leads), "lead"),
            number(count(told.unanswered))
        )
    };
    if let (Some(late), Some(promise)) = (late, promise_s) {
        says.push_str(&format!(
            " {} later than the {} you promised.",
            number(count(late)),
            words(SignedDuration::from_secs(promise))
        ));
    }
    ReportPage {
        frame,
        headline,
        line: says,
        ranges: RANGES
            .iter()
            .map(|(of, label)| Range {
                days: *of,
                label,
                chosen: *of == days,
            })
            .collect(),
        promise: promise_s
            .map(|seconds| line::percent(seconds as f64))
            .unwrap_or_default(),
        rows,
        empty: told.leads == 0,
        server: server.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::settings::tests::{frame, now};
    use super::super::tests::sound;
    use super::*;
    use crate::reports::measure;
    use ringback_core::ids::LeadId;
    use ringback_store::SpeedView;

    /// W7: four parts on one scale, and how many were later than promised.
    #[test]
    fn speed_to_lead_stands_in_four_parts() {
        let speed = |answered: i64| SpeedView {
            lead: LeadId::from_raw(1),
            acted_at: Some(now()),
            rang_at: now(),
            routed_at: None,
            told_at: Some(now() + SignedDuration::from_millis(1_100)),
            answered_at: Some(now() + SignedDuration::from_secs(answered)),
        };
        let told = measure(now(), &[speed(48), speed(400)]);
        let text = page(frame(), &told, Some(300), 7, "https://x.example")
            .render()
            .unwrap();
        sound(&text);
        for words in [
            "Half are answered within 48 s",
            "2 leads rang, 0 not answered yet. 1 later than the 5 min you promised.",
            "Detected",
            "Routed",
            "Notified",
            "1.1 s",
            "6 min 40 s",
            "class=\"tick over\"",
        ] {
            assert!(text.contains(words), "{words}: {text}");
        }
        let text = page(frame(), &measure(now(), &[]), None, 7, "https://x.example")
            .render()
            .unwrap();
        sound(&text);
        assert!(text.contains("Figures begin with the first lead"));
    }
}
