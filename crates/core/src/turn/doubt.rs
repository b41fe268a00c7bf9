//! When the end of a call is unknown: it is found out, or said again, or left, by what the provider can tell and by what the message is
//! for (M3, P3, P4, reliability 3.2).
//!
//! | the provider | what is done |
//! |---|---|
//! | drops twins by our key | the same call is made again, with the same key and the same bytes |
//! | has a log | it is read; found: adopted; absent twice: sent again; otherwise by category |
//! | reports only, or nothing at all | a report is waited for, then by category |
//!
//! By category: offers are given up; what a customer waits for is said once more at the end, if it still matters; an alert is said again at
//! once, over another account where there is one, marked as a repetition.

use super::budget;
use super::say::all_ways;
use super::settle::Again;
use super::world::Tally;
use super::{Answer, Connection, Looked, Tenant, Turn};
use crate::ids::ConnectionId;
use crate::messages::{
    Attempt, Category, Doubt, Finding, Message, Outcome, Plan, Reason, Repeat, Status,
};
use crate::time::{Timestamp, from_micros, micros};
use std::sync::Arc;
use std::time::Duration;

/// When it is looked up what became of a call, counted from when its end became unknown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LookUps {
    /// The instants, rising; after the last one the category decides.
    pub after: [Duration; 5],
    /// Two look-ups that do not find it prove its absence only so far apart.
    pub apart: Duration,
}

impl Default for LookUps {
    fn default() -> Self {
        Self {
            after: [5, 15, 60, 300, 900].map(Duration::from_secs),
            apart: Duration::from_secs(60),
        }
    }
}

/// Keys are remembered for 24 hours (Resend's description of its `Idempotency-Key`); an hour of that is left as a margin.
const KEY_HOLDS: i64 = 23 * 3_600_000_000;

impl Turn<'_> {
    /// What the provider of this account can tell about a call whose end is unknown. The sandbox is in this house.
    fn repeat_of(tenant: &Tenant, connection: Option<ConnectionId>) -> Repeat {
        let Some(connection) = connection else {
            return Repeat::ByKey;
        };
        tenant
            .connections
            .iter()
            .find(|way| way.id == connection)
            .map_or(Repeat::Blind, |way| way.repeat)
    }

    /// True when a further call now cannot become a second copy: the same account drops twins by our key.
    pub(super) fn drops_twin(&self, tenant: &Tenant, message: &Message, doubt: &Doubt) -> bool {
        message.connection == doubt.connection
            && !message.marked_as_repeat()
            && micros(self.now) - doubt.called_at < KEY_HOLDS
            && Self::repeat_of(tenant, message.connection) == Repeat::ByKey
    }

    /// True when a message waited for its further call for so long that the provider has forgotten the key, and is not worth a second
    /// copy ([`Turn::by_category`]): what nobody waits for at a desk.
    pub(super) fn twin_after_all(&self, tenant: &Tenant, message: &Message) -> bool {
        let matters_more = matches!(message.category, Category::Staff | Category::Emergency);
        message.plan.doubt.as_ref().is_some_and(|doubt| {
            !matters_more
                && !doubt.again
                && Self::repeat_of(tenant, doubt.connection) == Repeat::ByKey
                && micros(self.now) - doubt.called_at >= KEY_HOLDS
        })
    }

    /// A call ended, and nobody knows whether it went out.
    pub(super) fn doubted(
        &mut self,
        tenant: &Arc<Tenant>,
        mut message: Message,
        called_at: Timestamp,
        why: &Reason,
    ) {
        self.world.out.tallies.push(Tally::Unknown);
        let claimed = budget::claimed_at(&message, self.lease, called_at);
        let before = message.plan.doubt.clone();
        let twin = before
            .as_ref()
            .is_some_and(|doubt| self.drops_twin(tenant, &message, doubt));
        let doubt = match before {
            Some(doubt) if twin => doubt,
            before => Doubt {
                connection: message.connection,
                // The clock may have been set back during the call, which was never longer than its lease: a log is rather read from too
                // early on than from too late.
                called_at: micros(called_at.min(self.now - super::say::signed(self.lease))),
                claimed_at: micros(claimed),
                since: micros(self.now),
                looks: 0,
                absent_at: None,
                calls: before.as_ref().map_or(0, |doubt| doubt.calls) + 1,
                spent: 0,
                again: before.is_some_and(|doubt| doubt.again),
                stopped: false,
            },
        };
        message.repeated = doubt.calls > 1;
        if message.repeated {
            self.world.out.tallies.push(Tally::PossibleDuplicate);
        }
        let (again, first) = (doubt.again, !twin);
        let mut doubt = doubt;
        // Until it is found out it counts as spent; a twin that the provider drops costs nothing more.
        if first {
            doubt.spent = message.cost.as_ref().map_or(0, |cost| cost.micros);
        }
        message.plan.doubt = Some(doubt);
        if !first {
            self.give_back(tenant, &mut message, claimed);
        }
        if message.plan.deaths >= Plan::QUARANTINE {
            self.quarantine(tenant, message);
            return;
        }
        message.why = Some(why.clone());
        let urgent = matches!(message.category, Category::Staff | Category::Emergency);
        let by_key = Self::repeat_of(tenant, message.connection) == Repeat::ByKey;
        match Self::repeat_of(tenant, message.connection) {
            _ if urgent && !(by_key && first) && (!again || self.another(tenant, &message)) => {
                self.say_again(tenant, message, why);
            }
            Repeat::ByKey => self.call_again(tenant, message, why, None),
            Repeat::ByLog => self.look_later(tenant, message, why),
            Repeat::Blind if again || message.category == Category::Promotional => {
                self.give_up(tenant, message, why);
            }
            Repeat::ByReport | Repeat::Blind => {
                // Nothing to look up: only a report can come, and time decides.
                if let Some(doubt) = &mut message.plan.doubt {
                    doubt.looks = LOOKS - 1;
                }
                self.look_later(tenant, message, why);
            }
        }
    }

    /// The same call with the same key, at the times at which others are looked up.
    pub(super) fn call_again(
        &mut self,
        tenant: &Arc<Tenant>,
        mut message: Message,
        why: &Reason,
        wish: Option<Duration>,
    ) {
        let Some(doubt) = &mut message.plan.doubt else {
            return;
        };
        let Some(after) = self.looks.after.get(doubt.looks as usize) else {
            self.by_category(tenant, message, why);
            return;
        };
        let due = from_micros(doubt.since) + super::say::signed(*after);
        doubt.looks += 1;
        let why = Reason::new(
            why.code.clone(),
            format!(
                "{} The same call is made again with the same key, which the provider does not send twice.",
                why.detail
            ),
        );
        let wait = Duration::try_from(due.duration_since(self.now)).unwrap_or_default();
        self.wait(&mut message, wait.max(wish.unwrap_or_default()), &why);
        self.change(message);
    }

    /// Waits for the next look-up, or, after the last, decides by category.
    fn look_later(&mut self, tenant: &Arc<Tenant>, mut message: Message, why: &Reason) {
        let next = message
            .plan
            .doubt
            .as_ref()
            .and_then(|doubt| self.next_look(doubt));
        let Some(at) = next else {
            self.by_category(tenant, message, why);
            return;
        };
        message.status = Status::Unknown;
        message.settled_at = None;
        message.deadline = Some(at);
        message.why = Some(why.clone());
        self.change(message);
    }

    /// When a message is looked up next; `None` after the last time. Looks that a standstill of the server held up come one after the
    /// other and not all at once, and what was not there once is looked for a second time in any case.
    fn next_look(&self, doubt: &Doubt) -> Option<Timestamp> {
        let signed = super::say::signed;
        if let Some(after) = self.looks.after.get(doubt.looks as usize) {
            let at = from_micros(doubt.since) + signed(*after);
            return Some(at.max(self.now + signed(self.looks.after[0])));
        }
        doubt
            .absent_at
            .map(|first| from_micros(first) + signed(self.looks.apart))
            .filter(|at| *at > self.now)
    }

    /// A look into the provider's log ended.
    pub(super) fn looked(&mut self, tenant: &Arc<Tenant>, looked: &Looked) -> Answer {
        let known = self.world.messages.get(&looked.message.id).cloned();
        let Some(mut message) = known.filter(|known| known.tenant == tenant.id) else {
            return Answer::NotFound;
        };
        let waits = message.status == Status::Unknown
            && message.deadline.is_some()
            && message.epoch == looked.message.epoch;
        let Some(mut doubt) = message.plan.doubt.take().filter(|_| waits) else {
            return Answer::Done; // a report or a person was faster
        };
        doubt.looks += 1;
        match &looked.finding {
            Finding::Found(outcome) => {
                self.world.out.tallies.push(Tally::Found);
                let why = Reason::new("found", "The provider's log has it: it went out.");
                self.note_look(&message, looked, "found", why, Some(outcome));
                self.adopt(tenant, message, doubt, outcome);
            }
            Finding::Absent => {
                let apart = i64::try_from(self.looks.apart.as_micros()).unwrap_or(i64::MAX);
                let now = micros(looked.finished_at);
                let first = *doubt.absent_at.get_or_insert(now);
                let proven = now - first >= apart;
                let detail = if proven {
                    "The provider's log of that time does not have it, as before: it did not go out."
                } else {
                    "The provider's log of that time does not have it yet; a second look makes sure."
                };
                let why = Reason::new("absent", detail);
                self.note_look(&message, looked, "absent", why.clone(), None);
                if proven {
                    self.world.out.tallies.push(Tally::Absent);
                    let claimed = from_micros(doubt.claimed_at);
                    doubt.spent = budget::before_last(&doubt, message.plan.paid);
                    doubt.calls -= 1;
                    message.repeated = doubt.calls > 1;
                    message.plan.doubt = Some(doubt);
                    self.give_back(tenant, &mut message, claimed);
                    message.plan.doubt = message.plan.doubt.filter(|doubt| doubt.calls > 0);
                    message.deadline = None;
                    self.again_or_elsewhere(tenant, message, &why, Again::Here(None));
                } else {
                    message.plan.doubt = Some(doubt);
                    let why = message.why.clone().unwrap_or(why);
                    self.look_later(tenant, message, &why);
                }
            }
            Finding::Unclear { why } => {
                if Self::repeat_of(tenant, message.connection) == Repeat::ByLog {
                    self.note_look(&message, looked, "unclear", why.clone(), None);
                }
                message.plan.doubt = Some(doubt);
                let why = message.why.clone().unwrap_or_else(|| why.clone());
                self.look_later(tenant, message, &why);
            }
        }
        Answer::Done
    }

    /// It went out after all: the message stands where its answer would have put it.
    fn adopt(
        &mut self,
        tenant: &Arc<Tenant>,
        mut message: Message,
        doubt: Doubt,
        outcome: &Outcome,
    ) {
        message.repeated = doubt.calls > 1;
        let claimed = from_micros(doubt.claimed_at);
        message.plan.doubt = Some(Doubt {
            spent: budget::before_last(&doubt, message.plan.paid),
            ..doubt
        })
        .filter(|doubt| doubt.calls > 1);
        message.deadline = None;
        match outcome {
            Outcome::Accepted { reference, cost } | Outcome::Delivered { reference, cost } => {
                message.status = if matches!(outcome, Outcome::Delivered { .. }) {
                    Status::Delivered
                } else {
                    Status::Accepted
                };
                message.reference = Some(reference.0.clone());
                // Without a price from the provider what was reserved stands.
                if cost.is_some() {
                    let real = Self::real_cost(tenant, &message, cost.as_ref());
                    self.price(tenant, &mut message, real, claimed);
                }
                message.accepted_at = Some(self.now);
                self.end(&mut message, None);
                self.change(message);
            }
            other => self.after_failure(tenant, message, other, claimed),
        }
    }

    /// Neither found nor proven absent: what the message is for decides.
    fn by_category(&mut self, tenant: &Arc<Tenant>, message: Message, why: &Reason) {
        let again = message.plan.doubt.as_ref().is_some_and(|doubt| doubt.again);
        let matters = message.expires_at.is_none_or(|at| at > self.now);
        let by_key = Self::repeat_of(tenant, message.connection) == Repeat::ByKey;
        let more = match message.category {
            Category::Promotional => false,
            // All calls of a key count as one; a further one means another account.
            Category::Transactional => {
                !again && matters && (!by_key || self.another(tenant, &message))
            }
            Category::Staff | Category::Emergency => !again && matters,
        };
        if more {
            self.say_again(tenant, message, why);
        } else {
            self.give_up(tenant, message, why);
        }
    }

    /// Says it once more although it may have gone out; an alert over another account where there is one.
    fn say_again(&mut self, tenant: &Arc<Tenant>, mut message: Message, why: &Reason) {
        let by_key = Self::repeat_of(tenant, message.connection) == Repeat::ByKey;
        let urgent = matches!(message.category, Category::Staff | Category::Emergency);
        if (urgent || by_key) && self.another(tenant, &message) {
            message.plan.tried.extend(message.connection);
        }
        if let Some(doubt) = &mut message.plan.doubt {
            doubt.again = true;
        }
        message.deadline = None;
        let because = if urgent {
            "an alert must not be lost"
        } else {
            "it still matters"
        };
        let why = Reason::new(
            why.code.clone(),
            format!(
                "{} It is said again, because {because}; it may arrive twice.",
                why.detail
            ),
        );
        self.wait(&mut message, Duration::ZERO, &why);
        self.change(message);
    }

    /// Nothing more is done by itself. A report may still tell.
    pub(super) fn give_up(&mut self, tenant: &Arc<Tenant>, mut message: Message, why: &Reason) {
        message.status = Status::Unknown;
        self.watch(tenant, &message, true);
        let elsewhere = if matches!(message.category, Category::Staff | Category::Emergency) {
            self.next_channel(tenant, &mut message, why)
        } else {
            None
        };
        self.end(&mut message, Some(elsewhere.unwrap_or_else(|| why.clone())));
        self.change(message);
    }

    /// Another account that may be called for this message.
    pub(super) fn another(&self, tenant: &Tenant, message: &Message) -> bool {
        all_ways(tenant, message).any(|way: &Connection| {
            Some(way.id) != message.connection
                && !message.plan.tried.contains(&way.id)
                && !matches!(
                    self.world.breakers.passage(way.id, self.now),
                    super::Passage::Rests(_)
                )
        })
    }

    /// A look-up is kept among the calls, so that the message tells what was asked, when, and what was found (M10).
    fn note_look(
        &mut self,
        message: &Message,
        looked: &Looked,
        word: &'static str,
        why: Reason,
        outcome: Option<&Outcome>,
    ) {
        let reference = match outcome {
            Some(Outcome::Accepted { reference, .. } | Outcome::Delivered { reference, .. }) => {
                Some(reference.0.clone())
            }
            _ => None,
        };
        let id = self.attempt_id();
        self.world.out.attempts.push(Attempt {
            id,
            tenant: message.tenant,
            message: message.id,
            number: message.attempts,
            connection: message.connection,
            started_at: looked.started_at,
            finished_at: looked.finished_at,
            outcome: word,
            reference,
            why: Some(why),
            late: false,
        });
    }
}

const LOOKS: u32 = 5;

#[cfg(test)]
#[path = "doubt_tests.rs"]
mod tests;
