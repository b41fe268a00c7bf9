//! `products/*.yaml`: pipelines that hold together (L9, S7).

use super::Findings;
use crate::config::draft::Draft;
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
