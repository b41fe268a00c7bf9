//! An attempt ended: the message moves on, is tried again, goes another way, or ends (M4, M5, reliability 3.1).

use super::breaker::Swing;
use super::budget;
use super::recovery::Standing;
use super::say::signed;
use super::world::{Expects, MessageChange, Point, PointKey, Suppression, Tally};
use super::{Answer, JournalEntry, Settled, Tenant, Turn, kind_of};
use crate::messages::{
    Attempt, Category, ChannelKind, Message, Outcome, Plan, Reason, Status, Suppress,
};
use crate::seeded::{Bug, has};
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

/// A provider that asks for more patience than this has no room for us: the message takes another way first.
const LONGEST_WAIT: Duration = Duration::from_secs(15 * 60);
/// Nobody is waited for longer.
const LONGEST_WISH: Duration = Duration::from_secs(24 * 3600);

/// How a message may be called for again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Again {
    /// Over the same account, after this wish of the provider.
    Here(Option<Duration>),
    /// Over another account first: this one is at fault, or asked for this much patience.
    Elsewhere(Option<Duration>),
}

impl Turn<'_> {
    pub(super) fn settle(&mut self, tenant: &Arc<Tenant>, settled: &Settled) -> Answer {
        let sent = &settled.message;
        let probe = self.swing(tenant, settled);
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
                if let Some(n) = settled.segments {
                    self.world.guesses.learn(sent, n);
                }
                let real = Self::real_cost(tenant, &message, cost.as_ref());
                // Where the price is another than what was reserved the row was read: a late answer changes no budget.
                if real != sent.cost && self.in_flight(sent) {
                    let claimed = budget::claimed_at(sent, self.lease, self.now);
                    self.price(tenant, &mut message, real, claimed);
                }
                message.accepted_at = Some(settled.finished_at);
                self.watch(tenant, &message, false);
                self.end(&mut message, None);
                if message.repeated {
                    self.world.out.tallies.push(Tally::PossibleDuplicate);
                }
                // Whether it is still in flight is decided by the row itself when it is written.
                self.world.out.changes.push(MessageChange {
                    message,
                    expects: Expects::InFlight(sent.epoch),
                });
                self.world.out.attempts.push(attempt);
            }
            failed => {
                if let Some(n) = settled.segments {
                    self.world.guesses.learn(sent, n);
                }
                let in_flight = self.in_flight(sent);
                attempt.late = !in_flight;
                let reported = self.world.messages.get(&sent.id).is_some_and(|known| {
                    known.epoch == sent.epoch
                        && known.status.settled()
                        && known.status != Status::Unknown
                });
                if reported && sent.repeated && matches!(failed, Outcome::Unknown { .. }) {
                    // A report was faster than the end of the call, which may have made a second copy.
                    self.world.out.tallies.push(Tally::PossibleDuplicate);
                }
                self.world.out.attempts.push(attempt);
                if in_flight && let Some(mut message) = self.world.message_mut(sent.id).cloned() {
                    if probe {
                        // Finding out about the account is not the message's own try.
                        message.attempts = message.attempts.saturating_sub(1).max(1);
                    }
                    // Whoever heard an end of the call did not die of it.
                    message.plan.deaths = if settled.died {
                        message.plan.deaths + 1
                    } else {
                        0
                    };
                    self.after_failure(tenant, message, failed, settled.started_at);
                }
            }
        }
        Answer::Done
    }

    /// True when the row that was read is still under way in this epoch.
    fn in_flight(&self, sent: &Message) -> bool {
        self.world
            .messages
            .get(&sent.id)
            .is_some_and(|known| known.status == Status::Sending && known.epoch == sent.epoch)
    }

    /// The breaker of the account takes in what a call came to. Answers whether the call was its probe.
    fn swing(&mut self, tenant: &Tenant, settled: &Settled) -> bool {
        let sent = &settled.message;
        let breakers = &mut self.world.breakers;
        let fine = matches!(
            settled.outcome,
            Outcome::Accepted { .. } | Outcome::Delivered { .. }
        );
        let Some(id) = sent.connection.filter(|_| !(fine && breakers.is_empty())) else {
            return false;
        };
        let probe = breakers.is_probe(id, sent.attempt);
        let swing = breakers.settled(id, sent.attempt, &settled.outcome, self.now);
        if swing == Swing::Closed {
            self.world.out.trouble.push((tenant.id, id, None));
        }
        if let Swing::Opened(because) = swing {
            let way = tenant.connections.iter().find(|way| way.id == id);
            let name = way.map_or("(removed)", |way| way.name.as_str());
            let text = format!(
                "Connection {name} rests: {because} Its messages take another way or wait until one of them finds that it works again."
            );
            let context = serde_json::json!({
                "component": "sending", "connection": id, "provider": way.map(|way| way.provider.as_str()),
            });
            self.raise(tenant, "error", text.clone(), context);
            self.alert_admins(
                tenant,
                Some(sent.channel),
                &format!("{name} does not work"),
                &text,
            );
        }
        probe
    }

    pub(super) fn after_failure(
        &mut self,
        tenant: &Arc<Tenant>,
        mut message: Message,
        outcome: &Outcome,
        called_at: Timestamp,
    ) {
        // This call itself did not go out; only those before it may have.
        message.repeated = message
            .plan
            .doubt
            .as_ref()
            .is_some_and(|doubt| doubt.calls > 1);
        if !matches!(outcome, Outcome::Unknown { .. }) {
            let claimed = budget::claimed_at(&message, self.lease, called_at);
            self.give_back(tenant, &mut message, claimed);
        }
        match outcome {
            // It was not called: what it really costs is known now, and is reserved at once.
            Outcome::Retryable { why, .. }
                if why.code == budget::DEARER
                    && Retries::wait(message.category, message.attempts + 1).is_some() =>
            {
                self.wait(&mut message, Duration::ZERO, why);
                self.change(message);
            }
            Outcome::Retryable { why, after } => {
                if self.asks_by_key(tenant, &message) {
                    let wish = after.map(|wish| wish.min(LONGEST_WAIT));
                    self.call_again(tenant, message, why, wish);
                    return;
                }
                let again = match after {
                    Some(after) if *after > LONGEST_WAIT => Again::Elsewhere(Some(*after)),
                    _ if self.rests(&message) => Again::Elsewhere(*after),
                    after => Again::Here(*after),
                };
                self.again_or_elsewhere(tenant, message, why, again);
            }
            Outcome::Misconfigured { why } => {
                if let Some(connection) = message.connection {
                    self.world
                        .out
                        .trouble
                        .push((tenant.id, connection, Some(why.detail.clone())));
                }
                if self.asks_by_key(tenant, &message) {
                    self.call_again(tenant, message, why, None);
                } else {
                    self.again_or_elsewhere(tenant, message, why, Again::Elsewhere(None));
                }
            }
            Outcome::Permanent { why, suppress } => {
                self.learn(tenant, &message, *suppress, why);
                message.status = match suppress {
                    // The address itself is wrong, so a call before reached nobody either.
                    Suppress::Invalid => Status::Bounced,
                    other => message.ends(status_of(*other)),
                };
                self.watch(tenant, &message, true);
                let stopped = *suppress == Suppress::OptedOut
                    && message.category == Category::Staff
                    && message.channel == ChannelKind::Sms;
                let elsewhere = if stopped {
                    self.staff_by_mail(tenant, &mut message, why)
                } else {
                    self.next_channel(tenant, &mut message, why)
                };
                self.end(&mut message, Some(elsewhere.unwrap_or_else(|| why.clone())));
                self.change(message);
            }
            Outcome::Unknown { why } if has(Bug::RetryOnUnknown) => {
                self.again_or_elsewhere(tenant, message, why, Again::Here(None));
            }
            Outcome::Unknown { why } => self.doubted(tenant, message, called_at, why),
            Outcome::Accepted { .. } | Outcome::Delivered { .. } => {}
        }
    }

    /// True when a call before ended unknown at an account that drops twins, so that only this account may be called again.
    fn asks_by_key(&self, tenant: &Tenant, message: &Message) -> bool {
        message
            .plan
            .doubt
            .as_ref()
            .is_some_and(|doubt| !doubt.again && self.drops_twin(tenant, message, doubt))
    }

    /// True when the account that was called rests by now.
    fn rests(&self, message: &Message) -> bool {
        message.connection.is_some_and(|id| {
            matches!(
                self.world.breakers.passage(id, self.now),
                super::Passage::Rests(_)
            )
        })
    }

    /// Tries once more later, or on the next account, or on the next channel, or ends as failed.
    pub(super) fn again_or_elsewhere(
        &mut self,
        tenant: &Arc<Tenant>,
        mut message: Message,
        why: &Reason,
        again: Again,
    ) {
        let wait = Retries::wait(message.category, message.attempts + 1);
        match (again, wait) {
            (Again::Here(wish), Some(wait)) => {
                let jitter = 0.8 + 0.4 * self.dice.roll();
                let own = Duration::from_secs_f64(wait as f64 * jitter);
                let wait = wish.map_or(own, |wish| wish.max(own));
                self.wait(&mut message, wait, why);
            }
            _ if self.another(tenant, &message) => {
                message.plan.tried.extend(message.connection);
                message.attempts = 0;
                self.wait(&mut message, Duration::ZERO, why);
            }
            (Again::Elsewhere(wish), Some(wait)) if message.plan.then.is_empty() => {
                // There is no other way: who named a time is called then; else somebody may be mending the account.
                let own = Duration::from_secs(wait * 30);
                let wait = wish.map_or(own, |wish| wish.min(LONGEST_WISH));
                self.wait(&mut message, wait, why);
            }
            _ => {
                message.status = message.ends(Status::Failed);
                self.watch(tenant, &message, true);
                let elsewhere = self.next_channel(tenant, &mut message, why);
                self.end(&mut message, Some(elsewhere.unwrap_or_else(|| why.clone())));
            }
        }
        self.change(message);
    }

    pub(super) fn wait(&mut self, message: &mut Message, length: Duration, why: &Reason) {
        message.status = Status::Queued;
        message.due_at = self.now + signed(length);
        message.deadline = None;
        message.why = Some(why.clone());
        if let Some(expires) = message.expires_at
            && message.due_at >= expires
        {
            message.status = message.ends(Status::Expired);
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
    pub(super) fn next_channel(
        &mut self,
        tenant: &Arc<Tenant>,
        message: &mut Message,
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
            let mut instead = self.stand_in(tenant, id, message, channel, address);
            instead.template = Some((template, version));
            instead.plan.then = rest.collect();
            instead.plan.answers = message.plan.answers;
            // What killed the server once may do so on any channel: the stand-in is a suspect from the start.
            instead.plan.deaths = message.plan.deaths.min(Plan::SUSPECT);
            self.post(tenant, instead);
            message.plan.replaced_by = Some(id);
            return Some(Reason::new(
                why.code.clone(),
                format!("{} Said by {channel} instead.", why.detail),
            ));
        }
        None
    }

    /// A message that says the same to the same person by another channel; what it is said with is the caller's.
    pub(super) fn stand_in(
        &mut self,
        tenant: &Tenant,
        id: crate::ids::MessageId,
        message: &Message,
        channel: ChannelKind,
        address: String,
    ) -> Message {
        let mut instead = self.blank(tenant, id, message.notification, channel, message.category);
        instead.lead = message.lead;
        instead.staff.clone_from(&message.staff);
        instead.run = message.run;
        instead.step.clone_from(&message.step);
        instead.event = message.event;
        instead.recipient = super::say::reached_by(channel, address);
        instead.priority = message.priority;
        instead.expires_at = message.expires_at;
        instead.data.clone_from(&message.data);
        instead.plan.instead_of = Some(message.id);
        instead
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
        let known = self.world.point(&key).and_then(|point| point.suppressed);
        self.put_on_list(&key, reason, &how, self.now);
        if reason == Suppression::OptedOut && known != Some(reason) {
            self.staff_said_stop(tenant, &key, None);
        }
    }

    /// Puts a contact point on the suppression list.
    pub(super) fn put_on_list(
        &mut self,
        key: &PointKey,
        reason: Suppression,
        how: &str,
        at: Timestamp,
    ) {
        self.changing_list(key, |point| point.suppress(reason, how, at));
    }
}

impl Turn<'_> {
    /// Changes where a contact point stands on the suppression list. A restored database must not have forgotten it (P12).
    pub(super) fn changing_list<T>(
        &mut self,
        key: &PointKey,
        change: impl FnOnce(&mut Point) -> T,
    ) -> T {
        let now = self.now;
        let point = self.world.point_mut(key, now);
        let before = Standing::of(point);
        let answer = change(point);
        let after = Standing::of(point);
        if after != before {
            self.world.out.journal.push(JournalEntry::Stands {
                key: key.clone(),
                holds_back: after.holds_more_than(&before),
                standing: after,
                at: now,
            });
        }
        answer
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

#[cfg(test)]
#[path = "settle_tests.rs"]
mod tests;
