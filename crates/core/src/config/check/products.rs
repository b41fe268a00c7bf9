//! `products/*.yaml`: pipelines that hold together (L9, S7).

use super::Findings;
use crate::config::draft::{Draft, Read};
use crate::config::{Product, is_name};

/// The most stages of a pipeline.
const MOST_STAGES: usize = 50;

pub(super) fn check(draft: &Draft, findings: &mut Findings) {
    for read in draft.products.values() {
        let Some(product) = &read.value else { continue };
        if product.stages.is_empty() || product.stages.len() > MOST_STAGES {
            findings.at(
                read,
                "stages",
                format!("A product has 1 to {MOST_STAGES} stages."),
            );
        }
        if product.stages.first().is_some_and(|stage| stage.terminal) {
            findings.at(
                read,
                "stages/0",
                "A lead begins in the first stage, so that one cannot be final.",
            );
        }
        for (at, stage) in product.stages.iter().enumerate() {
            if !is_name(&stage.name) {
                findings.at(
                    read,
                    &format!("stages/{at}/name"),
                    format!(
                        "`{}` is no name: small letters, digits, - and _ are.",
                        stage.name
                    ),
                );
            }
            if product.stages[..at]
                .iter()
                .any(|other| other.name == stage.name)
            {
                findings.at(
                    read,
                    &format!("stages/{at}/name"),
                    format!("The stage `{}` is here twice.", stage.name),
                );
            }
        }
        let stages = || product.stages.iter().map(|stage| stage.name.as_str());
        let lists = [
            (
                "transitions",
                product.transitions.as_deref().unwrap_or_default(),
            ),
            ("regressions", product.regressions.as_slice()),
        ];
        for (list, moves) in lists {
            for (at, one) in moves.iter().enumerate() {
                findings.known(
                    read,
                    &format!("{list}/{at}/from"),
                    "stage",
                    &one.from,
                    stages(),
                );
                for (nth, to) in one.to.iter().enumerate() {
                    findings.known(
                        read,
                        &format!("{list}/{at}/to/{nth}"),
                        "stage",
                        to,
                        stages(),
                    );
                }
            }
        }
        guards(read, product, findings);
        progression(draft, read, product, findings);
        for stage in unreachable(product) {
            findings.warn(
                read,
                "transitions",
                format!("No move leads to the stage `{stage}`."),
                None,
            );
        }
        if let Some(name) = &product.score_model
            && findings.known(
                read,
                "score_model",
                "score model",
                name,
                draft.models.keys().map(String::as_str),
            )
            && let Some(model) = draft
                .models
                .get(name)
                .and_then(|model| model.value.as_ref())
            && model
                .product
                .as_deref()
                .is_some_and(|own| own != product.name)
        {
            findings.at(
                read,
                "score_model",
                format!(
                    "The score model `{name}` belongs to the product `{}` (W6).",
                    model.product.as_deref().unwrap_or_default()
                ),
            );
        }
        if let Some(qualification) = &product.qualification {
            findings.known(
                read,
                "qualification/stage",
                "stage",
                &qualification.stage,
                stages(),
            );
            if product.score_model.is_none() {
                findings.at(
                    read,
                    "qualification",
                    "Points of what? `qualification` needs a `score_model`.",
                );
            }
        }
    }
}

/// Conditions of stages and moves.
fn guards(read: &Read<Product>, product: &Product, findings: &mut Findings) {
    for (at, stage) in product.stages.iter().enumerate() {
        if let Some(when) = &stage.when {
            findings.condition(read, &format!("stages/{at}/when"), when);
            if at == 0 {
                findings.at(
                    read,
                    "stages/0/when",
                    "A lead begins in the first stage, whatever it is like: it has no condition.",
                );
            }
        }
    }
    let lists = [
        (
            "transitions",
            product.transitions.as_deref().unwrap_or_default(),
        ),
        ("regressions", product.regressions.as_slice()),
    ];
    for (list, moves) in lists {
        for (at, one) in moves.iter().enumerate() {
            if let Some(when) = &one.when {
                findings.condition(read, &format!("{list}/{at}/when"), when);
            }
        }
    }
}

/// What moves leads by itself.
fn progression(draft: &Draft, read: &Read<Product>, product: &Product, findings: &mut Findings) {
    let stages = || product.stages.iter().map(|stage| stage.name.as_str());
    for (at, one) in product.progression.iter().enumerate() {
        let place = |part: &str| format!("progression/{at}/{part}");
        findings.known(read, &place("to"), "stage", &one.to, stages());
        if let Some(from) = &one.from {
            findings.known(read, &place("from"), "stage", from, stages());
        }
        if let Some(when) = &one.when {
            findings.condition(read, &place("when"), when);
        }
        if one.event.is_some() && one.tier.is_some() {
            findings.at(
                read,
                &place("tier"),
                "A rule of `progression` hears an `event` or a `tier`; write two rules for both.",
            );
        }
        if one.event.is_none() && one.tier.is_none() && one.when.is_none() {
            findings.at(
                read,
                &format!("progression/{at}"),
                "This would move every lead at once: it needs an `event`, a `tier` or a condition in `when`.",
            );
        }
        let model = product
            .score_model
            .as_ref()
            .and_then(|name| draft.models.get(name)?.value.as_ref());
        match (&one.tier, &product.score_model) {
            (Some(_), None) => findings.at(
                read,
                &place("tier"),
                "A tier of what? `progression` by tier needs a `score_model`.",
            ),
            (Some(tier), Some(_)) => {
                if let Some(model) = model {
                    let tiers: Vec<&str> =
                        model.tiers.iter().map(|tier| tier.name.as_str()).collect();
                    findings.known(read, &place("tier"), "tier", tier, tiers);
                }
            }
            (None, _) => {}
        }
    }
}

/// Stages that no declared move leads to.
fn unreachable(product: &Product) -> Vec<&str> {
    let Some(transitions) = &product.transitions else {
        return Vec::new();
    };
    product
        .stages
        .iter()
        .skip(1)
        .map(|stage| stage.name.as_str())
        .filter(|stage| {
            !transitions
                .iter()
                .chain(&product.regressions)
                .any(|moves| moves.to.iter().any(|to| to == stage))
        })
        .collect()
}
