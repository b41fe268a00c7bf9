//! An attempt ended: the message moves on, is tried again, goes another way, or ends (M4, M5, reliability 3.1).

use super::say::signed;
use super::world::{Expects, MessageChange, PointKey, Suppression};
use super::{Answer, Settled, Tenant, Turn, kind_of};
use crate::messages::{
    Attempt, Category, ChannelKind, Message, Outcome, Plan, Reason, Status, Suppress,
};
use crate::time::Timestamp;
use std::sync::Arc;
use std::time::Duration;

/// How often and when a message is tried again (M4): three more times after the first call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retries;

impl Retries {
    /// The wait before attempt `next` (2 for the first repetition) in seconds: 2, 4, 8, for staff alerts 5, 10, 20. `None` ends it.
    pub const fn wait(category: Category, next: u32) -> Option<u64> {
        let first = if matches!(category, Category::Staff) {
            5
        } else {
            2
        };
        if next >= 2 && next <= 4 {
            Some(first << (next - 2))
        } else {
            None
        }
    }
}

/// A provider's wish to come back later is believed up to this long; above it the message takes another way first.
const LONGEST_WAIT: Duration = Duration::from_secs(15 * 60);

impl Turn<'_> {
    pub(super) fn settle(&mut self, tenant: &Arc<Tenant>, settled: &Settled) -> Answer {
        let sent = &settled.message;
        let (outcome, reference, why) = told(&settled.outcome);
        let mut attempt = Attempt {
            id: sent.attempt.unwrap_or(crate::ids::AttemptId::from_raw(0)),
            tenant: tenant.id,
            message: sent.id,
            number: sent.attempts,
            connection: sent.connection,
            started_at: settled.started_at,
            finished_at: settled.finished_at,
            outcome,
            reference,
            why,
            late: false,
        };
        match &settled.outcome {
            Outcome::Accepted { reference, cost } | Outcome::Delivered { reference, cost } => {
                let mut message = Message::clone(sent);
                message.status = if matches!(settled.outcome, Outcome::Delivered { .. }) {
                    Status::Delivered
                } else {
                    Status::Accepted
                };
                message.reference = Some(reference.0.clone());
                message.cost.clone_from(cost);
                message.accepted_at = Some(settled.finished_at);
                self.end(&mut message, None);
                // Whether it is still in flight is decided by the row itself when it is written.
                self.world.out.changes.push(MessageChange {
                    message,
                    expects: Expects::InFlight(sent.epoch),
                });
                self.world.out.attempts.push(attempt);
            }
            failed => {
                let in_flight = self.world.messages.get(&sent.id).is_some_and(|known| {
                    known.status == Status::Sending && known.epoch == sent.epoch
                });
                attempt.late = !in_flight;
                self.world.out.attempts.push(attempt);
                if in_flight && let Some(message) = self.world.message_mut(sent.id).cloned() {
                    self.after_failure(tenant, message, failed);
                }
            }
        }
        Answer::Done
    }

    fn after_failure(&mut self, tenant: &Arc<Tenant>, mut message: Message, outcome: &Outcome) {
        match outcome {
            Outcome::Retryable { why, after } => {
                let long = after.is_some_and(|after| after > LONGEST_WAIT);
                self.again_or_elsewhere(
                    tenant,
                    message,
                    why,
                    if long { None } else { Some(*after) },
                );
            }
            Outcome::Misconfigured { why } => {
                if let Some(connection) = message.connection {
                    self.world
                        .out
                        .trouble
                        .push((connection, Some(why.detail.clone())));
                }
                self.again_or_elsewhere(tenant, message, why, None);
            }
            Outcome::Permanent { why, suppress } => {
                message.status = status_of(*suppress);
                self.learn(tenant, &message, *suppress, why);
                let elsewhere = self.next_channel(tenant, &message, why);
                self.end(&mut message, Some(elsewhere.unwrap_or_else(|| why.clone())));
                self.change(message);
            }
            Outcome::Unknown { why } => {
                let drops_twins = message.sandbox
                    || tenant
                        .connections
                        .iter()
                        .any(|way| Some(way.id) == message.connection && way.drops_twins);
                if drops_twins {
                    // The provider drops a twin by its key: to ask again is safe (M3).
                    self.again_or_elsewhere(tenant, message, why, Some(None));
                } else {
                    self.leave_unknown(tenant, message, why);
                }
            }
            Outcome::Accepted { .. } | Outcome::Delivered { .. } => {}
        }
    }

    /// It may or may not have arrived. A lost alert costs a customer, so staff hear it again, marked; nobody else does (reliability 3.2).
    fn leave_unknown(&mut self, tenant: &Arc<Tenant>, mut message: Message, why: &Reason) {
        if matches!(message.category, Category::Staff | Category::Emergency)
            && !message.repeated
            && message.attempts < 4
        {
            message.repeated = true;
            let why = Reason::new(
                why.code.clone(),
                format!(
                    "{} It is said again, because an alert must not be lost; it may arrive twice.",
                    why.detail
                ),
            );
            self.again_or_elsewhere(tenant, message, &why, Some(None));
            return;
        }
        message.status = Status::Unknown;
        self.end(&mut message, Some(why.clone()));
        self.change(message);
    }

    /// Tries once more later, or on the next account, or on the next channel, or ends as failed. `after` is the provider's wish when
    /// the same account may be asked again at all.
    fn again_or_elsewhere(
        &mut self,
        tenant: &Arc<Tenant>,
        mut message: Message,
        why: &Reason,
        after: Option<Option<Duration>>,
    ) {
        let other_way = |message: &Message| {
            tenant.ways(message.channel).any(|way| {
                Some(way.id) != message.connection
                    && !message.plan.tried.contains(&way.id)
                    && message
                        .plan
                        .hook
                        .as_ref()
                        .is_none_or(|hook| way.name == *hook)
            })
        };
        let next = message.attempts + 1;
        let wait = Retries::wait(message.category, next);
        if let (Some(wait), Some(wish)) = (wait, after) {
            let jitter = 0.8 + 0.4 * self.dice.roll();
            let own = Duration::from_secs_f64(wait as f64 * jitter);
            let wait = wish.map_or(own, |wish| wish.max(own));
            self.wait(&mut message, wait, why);
        } else if other_way(&message) {
            message.plan.tried.extend(message.connection);
            message.attempts = 0;
            self.wait(&mut message, Duration::ZERO, why);
        } else if let (None, Some(wait)) = (after, wait) {
            // The account itself is at fault and there is no other: somebody may be mending it.
            self.wait(&mut message, Duration::from_secs(wait * 30), why);
        } else {
            message.status = Status::Failed;
            let elsewhere = self.next_channel(tenant, &message, why);
            self.end(&mut message, Some(elsewhere.unwrap_or_else(|| why.clone())));
        }
        self.change(message);
    }

    fn wait(&mut self, message: &mut Message, length: Duration, why: &Reason) {
        message.status = Status::Queued;
        message.due_at = self.now + signed(length);
        message.deadline = None;
        message.why = Some(why.clone());
        if let Some(expires) = message.expires_at
            && message.due_at >= expires
        {
            message.status = Status::Expired;
            message.settled_at = Some(self.now);
            message.why = Some(Reason::new(
                "expired",
                format!(
                    "It would have gone again after it stopped to matter. Before: {}",
                    why.detail
                ),
            ));
        }
    }

    pub(super) fn end(&mut self, message: &mut Message, why: Option<Reason>) {
        message.deadline = None;
        message.settled_at = Some(self.now);
        message.why = why;
    }

    pub(super) fn change(&mut self, message: Message) {
        if let Some(known) = self.world.message_mut(message.id) {
            known.clone_from(&message);
        }
        self.world.out.changes.push(MessageChange {
            message,
            expects: Expects::Read,
        });
    }

    /// The next channel of the step says it instead (M5). Answers the reason with what happens now.
    fn next_channel(
        &mut self,
        tenant: &Arc<Tenant>,
        message: &Message,
        why: &Reason,
    ) -> Option<Reason> {
        let mut rest = message.plan.then.iter().copied();
        let (template, _) = message.template.clone()?;
        while let Some(channel) = rest.next() {
            let Some(address) = self.address_of(tenant, message, channel) else {
                continue;
            };
            let Some(found) = tenant.config.template(&template, channel, None) else {
                continue;
            };
            let version = found.version;
            let id = self.message_id();
            let mut instead =
                self.blank(tenant, id, message.notification, channel, message.category);
            instead.lead = message.lead;
            instead.staff.clone_from(&message.staff);
            instead.run = message.run;
            instead.step.clone_from(&message.step);
            instead.event = message.event;
            instead.recipient = super::say::reached_by(channel, address);
            instead.priority = message.priority;
            instead.expires_at = message.expires_at;
            instead.template = Some((template, version));
            instead.data.clone_from(&message.data);
            instead.plan = Plan {
                then: rest.collect(),
                answers: message.plan.answers,
                instead_of: Some(message.id),
                ..Plan::default()
            };
            self.post(tenant, instead);
            return Some(Reason::new(
                why.code.clone(),
                format!("{} Said by {channel} instead.", why.detail),
            ));
        }
        None
    }

    fn address_of(
        &self,
        tenant: &Tenant,
        message: &Message,
        channel: ChannelKind,
    ) -> Option<String> {
        let (phone, email) = match &message.staff {
            Some(name) => tenant
                .staff
                .iter()
                .find(|one| one.name == *name)
                .map(|one| (one.phone.clone(), one.email.clone()))?,
            None => message
                .lead
                .and_then(|lead| self.world.lead(lead))
                .map(|state| (state.lead.phone.clone(), state.lead.email.clone()))?,
        };
        match channel {
            ChannelKind::Sms => phone,
            ChannelKind::Email => email,
            ChannelKind::Webhook => None,
        }
    }

    /// What a refusal or report says about the address is kept with it (C5).
    pub(super) fn learn(
        &mut self,
        tenant: &Tenant,
        message: &Message,
        suppress: Suppress,
        why: &Reason,
    ) {
        let reason = match suppress {
            Suppress::No => return,
            Suppress::OptedOut => Suppression::OptedOut,
            Suppress::Invalid => Suppression::Bounced,
            Suppress::Blocked => Suppression::Blocked,
            Suppress::Complained => Suppression::Complained,
        };
        if message.recipient.is_empty() || message.channel == ChannelKind::Webhook {
            return;
        }
        let key = PointKey {
            tenant: tenant.id,
            kind: kind_of(message.channel),
            value: message.recipient.to_lowercase(),
        };
        let how = format!("the provider said so ({}): {}", why.code, why.detail);
        self.put_on_list(&key, reason, how, self.now);
    }

    /// Puts a contact point on the suppression list; a reason that holds back more is never replaced by one that holds back less.
    pub(super) fn put_on_list(
        &mut self,
        key: &PointKey,
        reason: Suppression,
        how: String,
        at: Timestamp,
    ) {
        let now = self.now;
        let point = self.world.point_mut(key, now);
        if point
            .suppressed
            .is_none_or(|known| known.offers_only() && !reason.offers_only())
        {
            point.suppressed = Some(reason);
            point.suppressed_at = Some(at);
            point.suppressed_how = Some(how.chars().take(300).collect());
        }
    }
}

const fn status_of(suppress: Suppress) -> Status {
    match suppress {
        Suppress::No => Status::Failed,
        Suppress::Invalid => Status::Bounced,
        Suppress::OptedOut | Suppress::Blocked | Suppress::Complained => Status::Blocked,
    }
}

/// An outcome as an attempt keeps it.
fn told(outcome: &Outcome) -> (&'static str, Option<String>, Option<Reason>) {
    match outcome {
        Outcome::Delivered { reference, .. } => ("delivered", Some(reference.0.clone()), None),
        Outcome::Accepted { reference, .. } => ("accepted", Some(reference.0.clone()), None),
        Outcome::Retryable { why, .. } => ("retry", None, Some(why.clone())),
        Outcome::Misconfigured { why } => ("misconfigured", None, Some(why.clone())),
        Outcome::Permanent { why, .. } => ("refused", None, Some(why.clone())),
        Outcome::Unknown { why } => ("unknown", None, Some(why.clone())),
    }
}
