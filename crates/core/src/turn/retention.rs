//! What is kept for how long (L11): silent leads lose everything that says who they were, visitors of whom nothing came go, tracking events and
//! finished messages go when their time is over. Proofs of consent, suppressions and the chain stay.
//!
//! The store names what is old, a piece at a time; the turn looks again, under the locks of the turn, and says what goes. A piece is an order
//! in a turn like any other: the same turn also claims what is due, so no claim waits for it.

use super::{Answer, Tenant, Turn};
use crate::ids::{EventId, LeadId, MessageId};
use crate::leads::Lead;
use crate::messages::Category;
use crate::time::Timestamp;
use jiff::SignedDuration;
use serde_json::json;
use std::sync::Arc;

/// Proof of what was offered to whom is kept for five years and a month, whatever else is forgotten (US-13).
const PROOFS: SignedDuration = SignedDuration::from_hours(24 * (5 * 366 + 30));

/// Leads or messages that are looked at for one piece.
pub const LOOKED_AT: usize = 200;
/// Rows that go with one piece.
pub const MOST_FORGOTTEN: usize = 200;
/// Where there is other work, so many turns go by between two pieces.
pub const TURNS_BETWEEN: u32 = 16;

/// What is older than these is not kept any longer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kept {
    /// Leads that were silent since.
    pub leads: Timestamp,
    /// Visitors without a name and without a tier, silent since.
    pub visitors: Timestamp,
    /// Tracking events.
    pub events: Timestamp,
    /// Finished messages; `None` keeps them as long as their lead.
    pub messages: Option<Timestamp>,
    /// Proofs of offers that were sent.
    pub proofs: Timestamp,
}

impl Kept {
    /// What a business keeps, by its settings.
    pub fn of(tenant: &Tenant, now: Timestamp) -> Self {
        let ago = |length: std::time::Duration| {
            SignedDuration::try_from(length)
                .ok()
                .and_then(|length| now.checked_sub(length).ok())
                .unwrap_or(Timestamp::UNIX_EPOCH)
        };
        let set = &tenant.config.settings.retention;
        Self {
            leads: ago(set.silent_leads),
            visitors: ago(set.visitors),
            events: ago(set.events),
            messages: set.messages.map(ago),
            proofs: now.checked_sub(PROOFS).unwrap_or(Timestamp::UNIX_EPOCH),
        }
    }

    /// The youngest instant at which a lead can have been made of which anything goes.
    pub fn youngest_lead(&self) -> Timestamp {
        self.leads.max(self.visitors).max(self.events)
    }

    /// The youngest instant at which a message can have been made that goes.
    pub fn youngest_message(&self) -> Timestamp {
        self.messages
            .map_or(self.proofs, |messages| messages.max(self.proofs))
    }

    /// Whether a lead was silent for long enough. A visitor is somebody without a name of whom nothing came.
    pub fn lead_goes(&self, lead: &Silence) -> bool {
        lead.last < self.leads || (lead.visitor && lead.last < self.visitors)
    }

    /// Whether a finished message goes. An offer is proof for five years; where nothing is said of messages it goes only after that, and
    /// with its lead.
    pub fn message_goes(&self, category: Category, made: Timestamp, lead_is_gone: bool) -> bool {
        match (category, self.messages) {
            (Category::Promotional, messages) => {
                made < self.proofs && (lead_is_gone || messages.is_some_and(|end| made < end))
            }
            (_, Some(end)) => made < end,
            (_, None) => false,
        }
    }
}

/// What tells how long a lead was silent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Silence {
    /// When it last did anything.
    pub last: Timestamp,
    /// Without a name, and no tier was ever reached.
    pub visitor: bool,
}

impl Silence {
    /// Of a lead as it stands.
    pub fn of(lead: &Lead) -> Self {
        Self {
            last: lead.last_event_at,
            visitor: lead.anonymous && lead.tier.is_none(),
        }
    }
}

/// A piece of what is old: at most [`MOST_FORGOTTEN`] rows, unless one lead alone has more messages.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Old {
    /// Leads that were silent.
    pub leads: Vec<LeadId>,
    /// Events, by their lead.
    pub events: Vec<(LeadId, EventId)>,
    /// Finished messages.
    pub messages: Vec<MessageId>,
}

impl Old {
    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.leads.is_empty() && self.events.is_empty() && self.messages.is_empty()
    }
}

/// How far a look through a tenant came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mark {
    /// Through the leads, up to this one.
    Leads(i64),
    /// Through the messages, up to this one.
    Messages(i64),
}

impl Mark {
    /// The beginning.
    pub const START: Self = Self::Leads(0);
}

/// When the next piece may go: at once where there is nothing else to do, and else with every [`TURNS_BETWEEN`]th turn.
#[derive(Debug, Clone, Copy, Default)]
pub struct Breath {
    turns: u32,
}

impl Breath {
    /// Whether a piece may go with this turn. Ask once a turn.
    pub fn may(&mut self, busy: bool) -> bool {
        self.turns = self.turns.saturating_add(1);
        let may = !busy || self.turns > TURNS_BETWEEN;
        if may {
            self.turns = 0;
        }
        may
    }
}

impl Turn<'_> {
    /// What was kept for as long as it was to be goes. Leads are looked at again: one may have come back since it was named.
    pub(super) fn forget_old(&mut self, tenant: &Arc<Tenant>, old: &Old) -> Answer {
        let kept = Kept::of(tenant, self.now);
        let mut gone = Vec::new();
        for lead in &old.leads {
            let Some(own) = self.own(tenant, *lead).filter(|own| own == lead) else {
                continue;
            };
            let silent = self
                .world
                .lead(own)
                .is_some_and(|state| kept.lead_goes(&Silence::of(&state.lead)));
            if !silent {
                continue;
            }
            self.end_all_of(tenant, own);
            self.world.out.anonymised.push((tenant.id, own));
            gone.push(own);
        }
        let out = &mut self.world.out;
        out.proofs_since = Some(kept.proofs);
        let events = old.events.iter();
        out.forgotten_events
            .extend(events.map(|(lead, event)| (tenant.id, *lead, *event)));
        let messages = old.messages.iter();
        out.forgotten_messages
            .extend(messages.map(|message| (tenant.id, *message)));
        if !gone.is_empty() {
            self.audit(
                tenant,
                "retention",
                "lead.anonymise",
                json!({"leads": gone}),
            );
        }
        Answer::Done
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::TenantId;
    use crate::turn::Intake;
    use crate::turn::Who;
    use crate::turn::trial::{event, form, instant, lead_in, open};
    use serde_json::Value;

    fn kept(now: &str) -> Kept {
        let now = instant(now);
        let days = |n: i64| now - SignedDuration::from_hours(24 * n);
        Kept {
            leads: days(548),
            visitors: days(30),
            events: days(396),
            messages: None,
            proofs: now - PROOFS,
        }
    }

    /// L11: a lead goes after eighteen silent months, a visitor without name and tier after thirty days.
    #[test]
    fn silence_has_an_end() {
        let kept = kept("2026-12-01T12:00:00Z");
        for (last, visitor, goes) in [
            ("2025-06-01T11:59:59Z", false, true),
            ("2025-06-01T12:00:00Z", false, false),
            ("2026-11-01T11:59:59Z", true, true),
            ("2026-11-01T12:00:00Z", true, false),
            ("2026-11-01T11:59:59Z", false, false),
        ] {
            let silence = Silence {
                last: instant(last),
                visitor,
            };
            assert_eq!(kept.lead_goes(&silence), goes, "{last} {visitor}");
        }
    }

    /// US-13: what was offered is proof for five years, whatever the settings say and whoever is gone.
    #[test]
    fn an_offer_is_proof_for_five_years() {
        use Category::{Promotional, Transactional};
        let by_lead = kept("2026-12-01T12:00:00Z");
        let by_age = Kept {
            messages: Some(instant("2026-06-01T00:00:00Z")),
            ..by_lead
        };
        for (kept, category, made, gone, goes) in [
            (by_lead, Transactional, "2019-01-01T00:00:00Z", true, false),
            (by_lead, Promotional, "2022-01-01T00:00:00Z", true, false),
            (by_lead, Promotional, "2021-01-01T00:00:00Z", true, true),
            (by_lead, Promotional, "2021-01-01T00:00:00Z", false, false),
            (by_age, Transactional, "2026-05-31T00:00:00Z", false, true),
            (by_age, Transactional, "2026-06-02T00:00:00Z", false, false),
            (by_age, Promotional, "2026-05-31T00:00:00Z", true, false),
            (by_age, Promotional, "2021-01-01T00:00:00Z", false, true),
        ] {
            let at = instant(made);
            assert_eq!(
                kept.message_goes(category, at, gone),
                goes,
                "{category:?} {made} {gone}"
            );
        }
    }

    /// Of turns that have other work, one in seventeen carries a piece; it never stands still for good.
    #[test]
    fn other_work_comes_first() {
        let mut breath = Breath::default();
        let busy: Vec<bool> = (0..170).map(|_| breath.may(true)).collect();
        assert_eq!(busy.iter().filter(|may| **may).count(), 10);
        let next = |from: usize| busy[from..].iter().position(|may| *may);
        assert_eq!(next(17), Some(TURNS_BETWEEN as usize));
        assert!(
            breath.may(false) && breath.may(false),
            "at once where nothing else is to do"
        );
        assert!(!breath.may(true), "and not at once after that");
    }

    /// L11: a lead that came back since it was named stays; one that did not loses what waits for it. No journal has to remember it: after
    /// a restore it is found silent again.
    #[test]
    fn who_came_back_stays() {
        let mut house = open(&[], "2025-01-06T16:00:00Z");
        let [silent, back] = [1, 2].map(|n| lead_in(&house.take(form(None, n))));
        let later = instant("2026-12-01T12:00:00Z");
        house.run_until(later, &mut |_, _, _| {});
        house.take(event(Who::Lead(back), "page", later, Value::Null));
        let order = house.order(
            TenantId::from_raw(1),
            Intake::Old(Box::new(Old {
                leads: vec![silent, back],
                ..Old::default()
            })),
        );
        let mut journal = Vec::new();
        house.give(&[order], &mut |_, _, decided| {
            journal.extend(decided.world.out.journal.clone());
        });
        assert!(house.memory.lead(silent).is_none());
        assert!(house.memory.lead(back).is_some());
        let audit = house.memory.audit().iter();
        assert_eq!(
            audit.filter(|row| row.action == "lead.anonymise").count(),
            1
        );
        assert_eq!(journal, []);
    }
}
