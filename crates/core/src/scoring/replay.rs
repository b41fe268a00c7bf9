//! Scoring a whole history again (S6), event by event with the very code that scored it the first time.

use super::{
    model::{Scope, ScoreModel},
    state::{ScoreState, Scored, score},
};
use crate::conditions::Facts;
use std::collections::BTreeMap;

/// The states of one lead while its events go by.
#[derive(Debug)]
pub struct Replay<'m, K> {
    model: &'m ScoreModel,
    states: BTreeMap<Option<K>, ScoreState>,
}

impl<'m, K: Ord> Replay<'m, K> {
    /// Begins with nothing.
    pub const fn new(model: &'m ScoreModel) -> Self {
        Self {
            model,
            states: BTreeMap::new(),
        }
    }

    /// Scores the next event, of the session with that key.
    pub fn take(&mut self, session: K, facts: &Facts<'_>) -> Scored {
        let key = (self.model.scope == Scope::Session).then_some(session);
        score(self.model, self.states.entry(key).or_default(), facts)
    }

    /// The states as they stand: one per session, or the one of the lead under `None`.
    pub fn finish(self) -> BTreeMap<Option<K>, ScoreState> {
        self.states
    }
}

/// The states that a history of events leads to, from nothing.
pub fn recompute<'a, K: Ord>(
    model: &ScoreModel,
    events: impl IntoIterator<Item = (K, Facts<'a>)>,
) -> BTreeMap<Option<K>, ScoreState> {
    let mut replay = Replay::new(model);
    for (session, facts) in events {
        replay.take(session, &facts);
    }
    replay.finish()
}
