//! Scores: rules that turn what a lead does into points, and tiers over the points (S2 to S5).
//!
//! ```yaml
//! name: intent
//! scope: session            # one state per visit; `lead` keeps one for the lead's whole life
//! rules:
//!   - { name: emergency_click, label: Tapped “Emergency help”, event: emergency_click, points: 30 }
//!   - name: service_pages
//!     label: Looked at two services
//!     when: { field: session.paths, starts_with: /services/, at_least: 2 }
//!     points: 15
//! tiers:
//!   - { name: standard, label: Standard, from: 40 }
//!   - { name: immediate, label: Immediate, from: 80 }
//! ```
//!
//! **Rules.** A rule fires when the event is of its type (any of a list; any at all when it names none) and its condition holds. Types
//! are compared without regard to case, with `-` and spaces as `_`, so that a tracked “Emergency Click” is `emergency_click`. `limit`
//! says how often it may: `once`, `per_session` or a number. A session model forgets with the session, so there `once` and
//! `per_session` mean the same, and both are the default; for a lead model `once` is. Of rules with the same `best_of` only the best
//! counts: when a better one fires later, it adds the difference.
//!
//! **Tiers.** `from` and `to` are included; without `to` a tier goes up to the next. A tier is entered by rising above every point
//! reached before in this state, so it is entered once, a jump enters only the highest, and a fall changes the tier in silence (S5).
//! A tier from 0 or less is where everybody begins; nobody enters it.
//!
//! **Decay.** `decay: { half_life: 7d }` fades points when they are read ([`points_at`]); tiers and alerts go by the points as they were
//! given, so that the breakdown always adds up and a replay of the events gives the same result.

mod check;
mod model;
mod replay;
mod state;
mod view;

#[cfg(test)]
mod laws;
#[cfg(test)]
mod preset_clock;
#[cfg(test)]
mod presets;
#[cfg(test)]
mod tests;

pub use model::{Decay, Limit, Rule, Scope, ScoreModel, Tier};
pub use replay::{Replay, recompute};
pub use state::{Award, ScoreState, Scored, absorb, score};
pub use view::{LedgerRow, Line, NextTier, ScoreView, explain_state, next_tier, points_at};
