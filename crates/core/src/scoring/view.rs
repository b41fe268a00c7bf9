//! Showing a score with all that it is made of (`GET /v1/leads/{id}/score`).

use super::model::{Decay, ScoreModel};
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};

/// A line of the ledger, as the store keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LedgerRow {
    /// The rule that fired.
    pub rule: String,
    /// What it gave.
    pub points: i64,
    /// When.
    pub at: Timestamp,
    /// The event that made it fire, by id or type.
    pub event: Option<String>,
    /// The sentences of the comparisons that held.
    pub why: Vec<String>,
}

/// A score as people see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ScoreView {
    /// The sum of the breakdown, always.
    pub points: i64,
    /// What is left of the points after fading, for a model with decay.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub faded: Option<i64>,
    /// The tier that the points are in.
    pub tier: Option<String>,
    /// The next higher tier.
    pub next_tier: Option<NextTier>,
    /// Every award, the oldest first.
    pub breakdown: Vec<Line>,
}

/// How far the next tier is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NextTier {
    /// Its name.
    pub name: String,
    /// The points that are missing.
    pub missing: i64,
}

/// A line of the breakdown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Line {
    /// The rule that fired.
    pub rule: String,
    /// What people see; the plain name when the model has the rule no more.
    pub label: String,
    /// What it gave.
    pub points: i64,
    /// When.
    pub at: Timestamp,
    /// The event that made it fire.
    pub event: Option<String>,
    /// The sentences of the comparisons that held.
    pub why: Vec<String>,
}

/// Puts together what a state is made of from its ledger. Points, tier and next tier all come from the rows, so that the page can
/// never say more or less than its lines add up to.
pub fn explain_state(
    model: &ScoreModel,
    rows: impl IntoIterator<Item = LedgerRow>,
    now: Timestamp,
) -> ScoreView {
    let mut breakdown: Vec<Line> = rows
        .into_iter()
        .map(|row| Line {
            label: model.rule(&row.rule).map_or_else(
                || row.rule.replace(['_', '-'], " "),
                |rule| rule.title().into_owned(),
            ),
            rule: row.rule,
            points: row.points,
            at: row.at,
            event: row.event,
            why: row.why,
        })
        .collect();
    breakdown.sort_by_key(|line| line.at);
    let points = breakdown
        .iter()
        .fold(0i64, |sum, line| sum.saturating_add(line.points));
    let faded = model.decay.map(|decay| {
        points_at(
            decay,
            breakdown.iter().map(|line| (line.points, line.at)),
            now,
        )
    });
    ScoreView {
        points,
        faded,
        tier: model.tier_of(points).map(|tier| tier.name.clone()),
        next_tier: next_tier(model, points).map(|(name, missing)| NextTier { name, missing }),
        breakdown,
    }
}

/// The next higher tier and the points that are missing; `None` in the highest.
pub fn next_tier(model: &ScoreModel, points: i64) -> Option<(String, i64)> {
    model
        .tiers
        .iter()
        .filter(|tier| tier.from > points)
        .min_by_key(|tier| tier.from)
        .map(|tier| (tier.name.clone(), tier.from.saturating_sub(points)))
}

/// What awards are worth at `now`: each halves in every half-life since it was given. Rounded once, at the end.
pub fn points_at(
    decay: Decay,
    awards: impl IntoIterator<Item = (i64, Timestamp)>,
    now: Timestamp,
) -> i64 {
    let half_life = decay.half_life.micros() as f64;
    let left: f64 = awards
        .into_iter()
        .map(|(points, at)| {
            let age = (now.as_microsecond() - at.as_microsecond()).max(0) as f64;
            points as f64 * (-age / half_life).exp2()
        })
        .sum();
    left.round() as i64
}
