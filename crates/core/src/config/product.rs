//! `products/*.yaml`: what a tenant sells, with its pipeline of stages (L9).

use super::problem::did_you_mean_or_list;
use crate::conditions::Condition;
use serde::{Deserialize, Serialize};

/// A product and its pipeline.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Product {
    /// The name, which is the file's too.
    pub name: String,
    /// What people call it.
    pub label: Option<String>,
    /// The stages in order; a lead begins in the first.
    pub stages: Vec<Stage>,
    /// Exactly the moves that are allowed. None: forward to any later stage, and the regressions.
    pub transitions: Option<Vec<Moves>>,
    /// Moves back that are allowed although they are not forward.
    #[serde(default)]
    pub regressions: Vec<Moves>,
    /// The score model that speaks for the product.
    pub score_model: Option<String>,
    /// The points that move a lead to a stage by themselves (S7).
    pub qualification: Option<Qualification>,
    /// What else moves a lead by itself: the first that fits.
    #[serde(default)]
    pub progression: Vec<Progress>,
}

/// What moves a lead by itself (L9): an event or a tier, while a condition holds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Progress {
    /// An event of this type.
    pub event: Option<String>,
    /// This tier of the product's score model is entered.
    pub tier: Option<String>,
    /// What must hold.
    #[serde(default, serialize_with = "super::maybe_in_words")]
    pub when: Option<Condition>,
    /// Only from this stage; none is any that may be left for it.
    pub from: Option<String>,
    /// To this stage, when the pipeline allows the move.
    pub to: String,
}

/// One stage of a pipeline.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stage {
    /// The name.
    pub name: String,
    /// What people call it.
    pub label: Option<String>,
    /// Nothing more is to be done: running workflows of the product end here.
    #[serde(default)]
    pub terminal: bool,
    /// What must hold for a lead that comes into it, whoever moves it.
    #[serde(default, serialize_with = "super::maybe_in_words")]
    pub when: Option<Condition>,
}

/// Moves out of one stage.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Moves {
    /// The stage that is left.
    pub from: String,
    /// The stages that may be entered from it.
    pub to: Vec<String>,
    /// What must hold for a lead that goes this way.
    #[serde(default, serialize_with = "super::maybe_in_words")]
    pub when: Option<Condition>,
}

/// The points that move a lead by themselves (S7).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Qualification {
    /// From so many points of the product's score model.
    pub points: i64,
    /// To this stage, when the pipeline allows the move.
    pub stage: String,
}

impl Product {
    /// What people call it.
    pub fn title(&self) -> &str {
        self.label.as_deref().unwrap_or(&self.name)
    }

    /// The stage a lead begins in. A checked product has one.
    pub fn first_stage(&self) -> &str {
        self.stages.first().map_or("new", |stage| &stage.name)
    }

    /// A stage by its name.
    pub fn stage(&self, name: &str) -> Option<&Stage> {
        self.stages.iter().find(|stage| stage.name == name)
    }

    /// What must hold for a lead that goes from one stage to another, beside that the move is allowed (L9).
    pub fn guards(&self, from: Option<&str>, to: &str) -> Vec<&Condition> {
        let of_stage = self.stage(to).and_then(|stage| stage.when.as_ref());
        let lists = [
            self.transitions.as_deref().unwrap_or_default(),
            self.regressions.as_slice(),
        ];
        let fits = |one: &&Moves| {
            Some(one.from.as_str()) == from && one.to.iter().any(|stage| stage == to)
        };
        let mut moves = lists.into_iter().flatten().filter(fits);
        let of_move = moves.next().and_then(|one| one.when.as_ref());
        of_stage.into_iter().chain(of_move).collect()
    }

    /// Where a stage stands in the pipeline.
    pub fn place(&self, stage: &str) -> Option<usize> {
        self.stages.iter().position(|one| one.name == stage)
    }

    /// Whether there is such a stage; the error is a sentence.
    pub fn may_enter(&self, to: &str) -> Result<(), String> {
        if self.stage(to).is_some() {
            return Ok(());
        }
        let mend = did_you_mean_or_list(to, self.stages.iter().map(|stage| stage.name.as_str()));
        let said = format!(
            "{} has no stage `{to}`. {}",
            self.title(),
            mend.unwrap_or_default()
        );
        Err(said.trim_end().to_owned())
    }

    /// Whether a lead may go from one stage to another; the error is a sentence for the person who asked (L9).
    pub fn may_move(&self, from: &str, to: &str) -> Result<(), String> {
        self.may_enter(to)?;
        if from == to {
            return Err(format!("The lead is in `{to}` already."));
        }
        let listed = |moves: &[Moves]| {
            moves
                .iter()
                .any(|one| one.from == from && one.to.iter().any(|stage| stage == to))
        };
        if listed(&self.regressions) {
            return Ok(());
        }
        if let Some(moves) = &self.transitions {
            return if listed(moves) {
                Ok(())
            } else {
                Err(format!(
                    "{} does not allow to go from `{from}` to `{to}`: products/{}.yaml lists the moves.",
                    self.title(),
                    self.name
                ))
            };
        }
        let place = |name: &str| self.stages.iter().position(|stage| stage.name == name);
        // A stage that a later version of the pipeline no longer has can be left for any.
        let (Some(here), Some(target)) = (place(from), place(to)) else {
            return Ok(());
        };
        if self.stages.get(here).is_some_and(|stage| stage.terminal) {
            return Err(format!(
                "`{from}` is a final stage. To let leads leave it, add it to `regressions` in products/{}.yaml.",
                self.name
            ));
        }
        if target < here {
            return Err(format!(
                "`{to}` comes before `{from}`. To let leads go back, add it to `regressions` in products/{}.yaml.",
                self.name
            ));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn product(transitions: Option<Vec<Moves>>) -> Product {
        let stage = |name: &str, terminal| Stage {
            name: name.to_owned(),
            label: None,
            terminal,
            when: None,
        };
        let moves = |from: &str, to: &str| Moves {
            from: from.to_owned(),
            to: vec![to.to_owned()],
            when: None,
        };
        Product {
            name: "glass".to_owned(),
            label: None,
            stages: vec![
                stage("new", false),
                stage("contacted", false),
                stage("quoted", false),
                stage("won", true),
                stage("lost", true),
            ],
            transitions,
            regressions: vec![moves("lost", "contacted"), moves("quoted", "contacted")],
            score_model: None,
            qualification: None,
            progression: Vec::new(),
        }
    }

    /// L9: forward, and back only where it is declared.
    #[test]
    fn a_lead_moves_forward_and_back_only_where_declared() {
        let open = product(None);
        for (from, to, may) in [
            ("new", "contacted", true),
            ("new", "lost", true),
            ("quoted", "contacted", true),
            ("contacted", "new", false),
            ("won", "lost", false),
            ("lost", "contacted", true),
            ("lost", "new", false),
            ("new", "new", false),
            ("gone", "contacted", true),
        ] {
            assert_eq!(open.may_move(from, to).is_ok(), may, "{from} to {to}");
        }
        let strict = product(Some(vec![Moves {
            from: "new".to_owned(),
            to: vec!["contacted".to_owned()],
            when: None,
        }]));
        assert!(strict.may_move("new", "contacted").is_ok());
        assert!(strict.may_move("lost", "contacted").is_ok());
        assert!(strict.may_move("new", "quoted").is_err());
    }

    #[test]
    fn a_refused_move_says_what_to_do() {
        let said = product(None).may_move("new", "quotd").unwrap_err();
        assert_eq!(said, "glass has no stage `quotd`. Did you mean `quoted`?");
    }
}
