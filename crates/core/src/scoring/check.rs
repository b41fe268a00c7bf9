//! Checking a score model (W5).

use super::model::{Limit, Rule, ScoreModel, Tier};
use crate::conditions::suggest::{quoted, shown};
use std::collections::BTreeSet;

const RULES: usize = 200;
const TIERS: usize = 20;
const POINTS: i64 = 1_000;
const TIMES: u32 = 1_000_000;
/// Compiled patterns are the one thing in a model that takes memory.
const PATTERNS: usize = 40;

/// Facts that stem from the score itself or from a run: a rule that asked them would depend on the order of rules, or never fire.
const UNFIT: [(&str, &str); 3] = [
    ("lead.points", "points cannot depend on points; use tiers"),
    ("lead.tier", "points cannot depend on the tier they lead to"),
    ("run.", "a score is not part of a run"),
];

pub(super) fn check(model: &ScoreModel) -> Vec<String> {
    let mut problems = Vec::new();
    problems.extend(name_problem("the model", &model.name));
    if model.rules.is_empty() {
        problems.push("the model has no rules; nobody would ever get a point".to_owned());
    }
    if model.rules.len() > RULES {
        problems.push(format!(
            "the model has {} rules; at most {RULES} are allowed",
            model.rules.len()
        ));
    }
    let mut names = BTreeSet::new();
    for rule in &model.rules {
        if !names.insert(rule.name.as_str()) {
            problems.push(format!(
                "two rules are called {}; give one of them another name",
                quoted(&rule.name)
            ));
        }
        rule_problems(model, rule, &mut problems);
    }
    let patterns: usize = model
        .rules
        .iter()
        .filter_map(|rule| rule.when.as_ref())
        .map(|when| when.patterns())
        .sum();
    if patterns > PATTERNS {
        problems.push(format!("the model has {patterns} patterns (matches); at most {PATTERNS} are allowed, use contains with a list of words"));
    }
    tier_problems(&model.tiers, &mut problems);
    problems
}

fn name_problem(what: &str, name: &str) -> Option<String> {
    let plain = name.bytes().all(|byte| {
        byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'_' | b'-')
    });
    (!plain || name.is_empty() || name.len() > 60).then(|| {
        format!(
            "{what} is called {}; a name has 1 to 60 small letters, digits, - and _",
            quoted(name)
        )
    })
}

fn rule_problems(model: &ScoreModel, rule: &Rule, problems: &mut Vec<String>) {
    let here = format!("rule {}", quoted(&rule.name));
    problems.extend(name_problem("a rule", &rule.name));
    if !(-POINTS..=POINTS).contains(&rule.points) {
        problems.push(format!(
            "{here} gives {} points; from -{POINTS} to {POINTS} are allowed",
            rule.points
        ));
    }
    match rule.limit {
        Some(Limit::Times(0)) => problems.push(format!(
            "{here} has a limit of 0 and would never fire; write 1 or more, or delete the rule"
        )),
        Some(Limit::Times(times)) if times > TIMES => {
            problems.push(format!("{here} has a limit above {TIMES}"));
        }
        _ => {}
    }
    if rule.best_of.is_some() && !matches!(rule.limit, None | Some(Limit::Once | Limit::Times(1))) {
        problems.push(format!(
            "{here} counts as the best of {}, so it can fire only once; leave limit away",
            quoted(rule.best_of.as_deref().unwrap_or_default())
        ));
    }
    if rule.best_of.as_ref().is_some_and(|group| {
        model
            .rules
            .iter()
            .filter(|other| other.best_of.as_ref() == Some(group))
            .count()
            < 2
    }) {
        problems.push(format!(
            "{here} is the only one with its best_of; give the same to the rules it competes with"
        ));
    }
    if rule.events.is_empty() && rule.when.is_none() {
        problems.push(format!(
            "{here} has neither event nor when, so everybody would get its points; add one of them"
        ));
    }
    if let Some(event) = rule
        .events
        .iter()
        .find(|event| event.trim().is_empty() || event.len() > 200)
    {
        problems.push(format!(
            "{here} listens to {}, which is no type of event",
            quoted(event)
        ));
    }
    let Some(when) = &rule.when else { return };
    problems.extend(
        when.check()
            .into_iter()
            .map(|problem| format!("{here}: {problem}")),
    );
    for field in when.fields() {
        if let Some((_, why)) = UNFIT
            .iter()
            .find(|(path, _)| field == *path || (path.ends_with('.') && field.starts_with(path)))
        {
            problems.push(format!("{here} asks for {}; {why}", shown(field, 80)));
        }
    }
}

fn tier_problems(tiers: &[Tier], problems: &mut Vec<String>) {
    if tiers.len() > TIERS {
        problems.push(format!(
            "the model has {} tiers; at most {TIERS} are allowed",
            tiers.len()
        ));
    }
    let mut names = BTreeSet::new();
    for (at, tier) in tiers.iter().enumerate() {
        let here = format!("tier {}", quoted(&tier.name));
        problems.extend(name_problem("a tier", &tier.name));
        if !names.insert(tier.name.as_str()) {
            problems.push(format!(
                "two tiers are called {}; give one of them another name",
                quoted(&tier.name)
            ));
        }
        if let Some(to) = tier.to.filter(|to| *to < tier.from) {
            problems.push(format!(
                "{here} goes from {} to {to}, which is the wrong way round",
                tier.from
            ));
            continue;
        }
        match (tiers.get(at + 1), tier.to) {
            (None, Some(to)) => problems.push(format!("{here} is the highest and ends at {to}; leave to: away, or more points would be in no tier")),
            (None, None) => {}
            (Some(next), _) if next.from == tier.from => {
                problems.push(format!("{here} and tier {} both begin at {}", quoted(&next.name), tier.from));
            }
            (Some(next), Some(to)) if to >= next.from => {
                problems.push(format!("{here} goes up to {to}, but tier {} begins at {}; they overlap", quoted(&next.name), next.from));
            }
            (Some(next), Some(to)) if to < next.from.saturating_sub(1) => problems.push(format!(
                "between {here}, which ends at {to}, and tier {}, which begins at {}, is a hole; end the first at {}",
                quoted(&next.name),
                next.from,
                next.from.saturating_sub(1)
            )),
            (Some(_), _) => {}
        }
    }
}
