//! Speed to lead in four parts (W7): when it was detected that a lead waits, when somebody had it, when the first of ours was told, and
//! when a person answered.

use super::Lead;
use crate::messages::{Category, Message};
use crate::time::Timestamp;
use serde::Serialize;

/// How fast a lead that waits was answered. What has not happened yet is `None`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Speed {
    /// Since when it waits for a person.
    pub detected: Timestamp,
    /// When somebody had it in hand.
    pub routed: Option<Timestamp>,
    /// When a provider took the first alert about it.
    pub notified: Option<Timestamp>,
    /// When a person of ours answered.
    pub answered: Option<Timestamp>,
}

impl Speed {
    /// Of a lead and the messages about it; `None` for a lead that waits for nobody and never did.
    pub fn of<'m>(lead: &Lead, messages: impl IntoIterator<Item = &'m Message>) -> Option<Self> {
        let detected = lead.ringing_since?;
        let since = |at: &Timestamp| *at >= detected;
        let alerts = messages
            .into_iter()
            .filter(|message| message.category == Category::Staff && since(&message.created_at));
        Some(Self {
            detected,
            routed: lead.assigned_at.filter(since),
            notified: alerts.filter_map(|message| message.accepted_at).min(),
            answered: lead.answered_at.filter(since),
        })
    }

    /// Seconds from detection to each part: routed, notified, answered.
    pub fn seconds(&self) -> [Option<i64>; 3] {
        let after = |at: Timestamp| at.duration_since(self.detected).as_secs();
        [self.routed, self.notified, self.answered].map(|at| at.map(after))
    }
}
