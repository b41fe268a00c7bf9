//! Workflows that start each other in a circle (W1): one that never waits would go on until its fuel is spent, one that waits would go on
//! for ever.

use super::Findings;
use crate::config::Product;
use crate::config::draft::Draft;
use crate::workflows::{Action, Source, Step, Trigger, Workflow};
use std::collections::{BTreeMap, BTreeSet};

/// What a workflow brings about that may start another, and whether it waits before it does.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Cause {
    Starts(String),
    Stage(Option<String>, String),
    Attribute(String),
    Tag,
}

pub(super) fn check(draft: &Draft, findings: &mut Findings) {
    let workflows: BTreeMap<&str, &Workflow> = draft
        .workflows
        .iter()
        .filter_map(|(name, read)| Some((name.as_str(), read.value.as_ref()?)))
        .collect();
    // From one to the next, and whether there is a way between them without a wait.
    let mut next: BTreeMap<&str, BTreeMap<&str, bool>> = BTreeMap::new();
    for (name, workflow) in &workflows {
        let mut causes = BTreeMap::new();
        gather(&workflow.steps, false, &mut causes);
        for (other, theirs) in &workflows {
            for (cause, waits) in &causes {
                if starts(draft, workflow, cause, theirs) {
                    let ways = next.entry(name).or_default();
                    let waited = ways.entry(other).or_insert(true);
                    *waited &= waits;
                }
            }
        }
    }
    let mut told: BTreeSet<BTreeSet<&str>> = BTreeSet::new();
    for name in workflows.keys() {
        for at_once in [true, false] {
            if let Some(circle) = circle(&next, name, at_once) {
                let members: BTreeSet<&str> = circle.iter().copied().collect();
                if !told.insert(members) {
                    continue;
                }
                let path: Vec<String> = circle.iter().map(|one| format!("`{one}`")).collect();
                let Some(read) = draft.workflows.get(*name) else {
                    continue;
                };
                if at_once {
                    findings.mended(
                        read,
                        "steps",
                        format!(
                            "These workflows start each other in a circle without a wait: {}.",
                            path.join(", then ")
                        ),
                        "Take one of the steps away, or let it depend on something that ends."
                            .to_owned(),
                    );
                } else {
                    findings.warn(
                        read,
                        "steps",
                        format!(
                            "These workflows start each other again and again, with waits between: {}.",
                            path.join(", then ")
                        ),
                        "Make sure that an exit or `reentry` ends it.".to_owned(),
                    );
                }
            }
        }
    }
}

/// What steps bring about. `waited` once the run waited before them, whatever the way.
fn gather(steps: &[Step], waited: bool, into: &mut BTreeMap<Cause, bool>) -> bool {
    let mut waited = waited;
    for step in steps {
        let cause = match &step.action {
            Action::StartWorkflow(name) => Some(Cause::Starts(name.clone())),
            Action::SetStage { product, stage } => {
                Some(Cause::Stage(product.clone(), stage.clone()))
            }
            Action::SetAttribute { name, value } => {
                // What is always the same changes nothing the second time.
                matches!(value, Source::Field(_) | Source::Add(_))
                    .then(|| Cause::Attribute(name.clone()))
            }
            Action::Tag { .. } => Some(Cause::Tag),
            _ => None,
        };
        if let Some(cause) = cause {
            let known = into.entry(cause).or_insert(true);
            *known &= waited;
        }
        let waits = matches!(
            step.action,
            Action::Wait(_) | Action::WaitFor { .. } | Action::Ask(_)
        );
        let inside = waited || waits;
        let ways = step.action.ways();
        let mut through = !ways.is_empty();
        for (_, list) in ways {
            through &= gather(list, inside, into);
        }
        // A step that is passed over lets nobody wait.
        waited |= step.when.is_none() && (waits || through);
    }
    waited
}

fn starts(draft: &Draft, by: &Workflow, cause: &Cause, other: &Workflow) -> bool {
    match (cause, &other.trigger) {
        (Cause::Starts(name), _) => *name == other.name,
        (Cause::Stage(product, stage), Trigger::StageChanged { product: of, to }) => {
            let moved = product
                .as_deref()
                .or(by.product.as_deref())
                .or_else(|| draft.default_product());
            let watched = of.as_deref().or(other.product.as_deref());
            let same_product = watched.is_none() || moved == watched;
            let pipeline = moved.and_then(|name| draft.products.get(name)?.value.as_ref());
            same_product
                && to.as_deref().is_none_or(|to| to == stage)
                && pipeline.is_none_or(|product| comes_back(product, stage))
        }
        (Cause::Attribute(name), Trigger::Segment(segment)) => {
            let field = format!("lead.attributes.{name}");
            // Who is inside enters again only after being out for so long: what its own steps write does not start it anew.
            let its_own = other.name == by.name && segment.leaves_after.is_some();
            !its_own && segment.when.fields().iter().any(|one| **one == *field)
        }
        (Cause::Tag, Trigger::Segment(segment)) => {
            segment.when.fields().contains(&"lead.tags") && other.name != by.name
        }
        _ => false,
    }
}

/// Whether a lead can come into a stage more than once: a move to where it is does nothing, so only a pipeline with a way back goes round.
fn comes_back(product: &Product, stage: &str) -> bool {
    product.stages.iter().any(|other| {
        other.name != stage && product.may_move(&other.name, stage).is_ok() && {
            let reaches = |from: &str| product.may_move(stage, from).is_ok();
            reaches(&other.name)
        }
    })
}

/// The shortest way from a workflow back to itself, itself first and last.
fn circle<'n>(
    next: &BTreeMap<&'n str, BTreeMap<&'n str, bool>>,
    from: &'n str,
    at_once: bool,
) -> Option<Vec<&'n str>> {
    let mut queue: std::collections::VecDeque<Vec<&str>> = [vec![from]].into();
    let mut seen: BTreeSet<&str> = BTreeSet::new();
    while let Some(path) = queue.pop_front() {
        let here = path.last()?;
        for (other, waits) in next.get(here).into_iter().flatten() {
            if at_once && *waits {
                continue;
            }
            let mut on = path.clone();
            on.push(other);
            if *other == from {
                return Some(on);
            }
            if seen.insert(other) {
                queue.push_back(on);
            }
        }
    }
    None
}
