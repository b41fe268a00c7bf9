//! Scoring one event.

use super::model::{Limit, Rule, ScoreModel};
use crate::conditions::Facts;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What a lead has gathered in one model: for a session model in one visit, else in its whole life.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScoreState {
    /// The sum of all awards.
    pub points: i64,
    /// The tier that the points are in now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tier: Option<String>,
    /// The most points there ever were; tiers at or below it were entered or passed, and are not entered again (S5).
    #[serde(default)]
    pub peak: i64,
    /// How often each rule fired.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub fired: BTreeMap<String, u32>,
    /// Of rules that may fire once per visit in a model that lasts longer: the number of the last visit they fired in.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub sessions: BTreeMap<String, u32>,
}

/// Points that one event gave: a line of the ledger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Award {
    /// The rule that fired.
    pub rule: String,
    /// What it gave.
    pub points: i64,
    /// The sentences of the comparisons that held; empty when the event alone was enough.
    pub why: Vec<String>,
}

/// What one event did to a state.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scored {
    /// The rules that fired, in the order of the model.
    pub awards: Vec<Award>,
    /// The tier that was entered by a rise.
    pub entered: Option<String>,
}

/// Scores one event: adds what its rules give to the state and says what that was, and which tier was entered (S5).
pub fn score(model: &ScoreModel, state: &mut ScoreState, facts: &Facts<'_>) -> Scored {
    let mut awards = Vec::new();
    for rule in &model.rules {
        let heard = match &facts.event {
            Some(event) => rule.listens(event.kind),
            None => rule.events.is_empty(),
        };
        if !heard
            || !state.may_fire(model, rule, facts)
            || rule.when.as_ref().is_some_and(|when| !when.holds(facts))
        {
            continue;
        }
        let beaten = rule
            .best_of
            .as_ref()
            .and_then(|group| state.best(model, group));
        if beaten.is_some_and(|best| rule.points <= best) {
            continue;
        }
        let mut why = rule
            .when
            .as_ref()
            .map_or_else(Vec::new, |when| when.why(facts));
        if let Some(best) = beaten {
            why.push(format!("counts {} instead of {best}", rule.points));
        }
        let points = rule.points.saturating_sub(beaten.unwrap_or(0));
        state.note(model, rule, facts, points);
        awards.push(Award {
            rule: rule.name.clone(),
            points,
            why,
        });
    }
    let entered = state.settle(model);
    Scored { awards, entered }
}

impl ScoreState {
    fn may_fire(&self, model: &ScoreModel, rule: &Rule, facts: &Facts<'_>) -> bool {
        let times = self.fired.get(&rule.name).copied().unwrap_or(0);
        match model.limit_of(rule) {
            Limit::Once => times == 0,
            Limit::Times(limit) => times < limit,
            Limit::PerSession if model.scope == super::Scope::Session => times == 0,
            // Visits are numbered, so one number is enough; an event that arrives after its visit gives nothing.
            Limit::PerSession => self
                .sessions
                .get(&rule.name)
                .is_none_or(|last| visit(facts) > *last),
        }
    }

    /// The points of the best rule of a group that fired.
    fn best(&self, model: &ScoreModel, group: &str) -> Option<i64> {
        model
            .rules
            .iter()
            .filter(|rule| {
                rule.best_of.as_deref() == Some(group) && self.fired.contains_key(&rule.name)
            })
            .map(|rule| rule.points)
            .max()
    }

    fn note(&mut self, model: &ScoreModel, rule: &Rule, facts: &Facts<'_>, points: i64) {
        self.points = self.points.saturating_add(points);
        match self.fired.get_mut(&rule.name) {
            Some(times) => *times = times.saturating_add(1),
            None => {
                self.fired.insert(rule.name.clone(), 1);
            }
        }
        if model.scope == super::Scope::Lead && model.limit_of(rule) == Limit::PerSession {
            self.sessions.insert(rule.name.clone(), visit(facts));
        }
    }

    /// Puts the tier right, and says which one was entered: only a tier that begins above all points so far.
    fn settle(&mut self, model: &ScoreModel) -> Option<String> {
        let tier = model.tier_of(self.points);
        if self.tier.as_deref() != tier.map(|tier| tier.name.as_str()) {
            self.tier = tier.map(|tier| tier.name.clone());
        }
        let entered = tier
            .filter(|tier| tier.from > self.peak)
            .map(|tier| tier.name.clone());
        self.peak = self.peak.max(self.points);
        entered
    }
}

/// The number of the visit; 0 for an event outside of any.
fn visit(facts: &Facts<'_>) -> u32 {
    facts.session.as_ref().map_or(0, |session| session.number)
}

/// Adds what another lead gathered in the same model, when two leads turn out to be one (L7). Answers the awards that both have and
/// only one may keep, as rule and points to take back; the state has them taken back already.
pub fn absorb(
    model: &ScoreModel,
    state: &mut ScoreState,
    other: &ScoreState,
) -> Vec<(String, i64)> {
    let mut doubled = Vec::new();
    state.points += other.points;
    state.peak = state.peak.max(other.peak);
    for (rule, times) in &other.fired {
        let fired = state.fired.entry(rule.clone()).or_insert(0);
        let Some(known) = model.rule(rule) else {
            *fired += times;
            continue;
        };
        let most = match model.limit_of(known) {
            Limit::Once => 1,
            Limit::Times(most) => most,
            Limit::PerSession => u32::MAX,
        };
        let both = fired.saturating_add(*times);
        let over = both.saturating_sub(most.max(*fired));
        *fired = both - over;
        if over > 0 {
            let points = known.points * i64::from(over);
            state.points -= points;
            doubled.push((rule.clone(), points));
        }
    }
    for (rule, session) in &other.sessions {
        let last = state.sessions.entry(rule.clone()).or_insert(*session);
        *last = (*last).max(*session);
    }
    state.peak = state.peak.max(state.points);
    state.tier = model.tier_of(state.points).map(|tier| tier.name.clone());
    doubled
}
