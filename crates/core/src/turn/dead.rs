//! Dead letters (M4) and messages that kill the server (reliability 3.3): weighed, replayed, mended, discarded, quarantined.
//!
//! A replay keeps the message and with it the provider's key; everything that was tried is forgotten, what may have gone out is not. A
//! changed recipient or text is another message, which stands in for the old one.

use super::gate::Ruling;
use super::{Amend, Answer, Tenant, Turn, Weighed};
use crate::ids::MessageId;
use crate::messages::{
    ChannelKind, Cost, Discarded, Doubt, Filling, Message, Plan, Prices, Reason, Replayed, Status,
};
use crate::time::{Timestamp, micros};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

/// The code of a message that is kept from being sent because it kills the server.
pub const QUARANTINED: &str = "quarantined";

/// Replays that a message remembers.
const MOST_REPLAYS: usize = 10;

/// Suspects that wait for another one to end are asked again one after the other, so far apart.
const SUSPECTS_APART: Duration = Duration::from_millis(250);

impl Turn<'_> {
    /// A message of this tenant that ended without arriving.
    fn ended(&self, tenant: &Tenant, id: MessageId) -> Result<Message, Answer> {
        let known = self.world.messages.get(&id);
        let Some(known) = known.filter(|known| known.tenant == tenant.id) else {
            return Err(Answer::NotFound);
        };
        let refused = |code, detail: String| Answer::Refused {
            code,
            detail,
            field: None,
        };
        if !(known.status.missed() || known.status == Status::Cancelled) {
            let detail = format!(
                "It is {}: only a message that ended without arriving is tried again.",
                known.status
            );
            return Err(refused("not_ended", detail));
        }
        if let Some(other) = known.plan.replaced_by {
            let detail = format!("Message {other} says it instead: try that one again.");
            return Err(refused("replaced", detail));
        }
        Ok(known.clone())
    }

    /// The message as it is when nothing was tried yet; what may have gone out keeps its doubt.
    fn anew(&self, tenant: &Tenant, id: MessageId) -> Result<Message, Answer> {
        let mut known = self.ended(tenant, id)?;
        if known.recipient.is_empty() {
            return Err(Answer::Refused {
                code: "no_contact",
                detail: "It has no recipient; add the contact and send a new message.".into(),
                field: None,
            });
        }
        let open = known.status == Status::Unknown;
        let quarantined = is_quarantined(&known);
        // Who took it and reported a failure would drop a call with the same key as a twin.
        let taken = known.accepted_at.is_some() && !open;
        known.plan = Plan {
            digest: false,
            tried: Vec::new(),
            discarded: None,
            doubt: known.plan.doubt.filter(|_| open).map(|doubt| Doubt {
                again: true,
                stopped: false,
                ..doubt
            }),
            // What was in quarantine goes alone, and one more death puts it back.
            deaths: if quarantined { Plan::SUSPECT } else { 0 },
            rounds: known.plan.rounds + u32::from(taken),
            ..known.plan
        };
        // What it cost so far stays spent, whatever becomes of it now.
        if let Some(cost) = &known.cost {
            let currency = tenant.config.settings.budget.currency.clone();
            let micros = Prices::built_in().in_currency(cost, &currency);
            known.plan.paid = micros;
            known.cost = Some(Cost { micros, currency });
        }
        known.deadline = None;
        known.status = Status::Queued;
        known.due_at = self.now;
        known.attempts = 0;
        known.accepted_at = None;
        known.settled_at = None;
        known.why = None;
        known.expires_at = None;
        Ok(known)
    }

    /// Gates a message from scratch and sends it again under the same key, now or at a time (M4).
    pub(super) fn retry(
        &mut self,
        tenant: &Arc<Tenant>,
        message: MessageId,
        at: Option<Timestamp>,
        actor: &str,
    ) -> Answer {
        let mut known = match self.anew(tenant, message) {
            Ok(known) => known,
            Err(answer) => return answer,
        };
        let acts = &mut known.plan.replayed;
        acts.drain(..acts.len().saturating_sub(MOST_REPLAYS - 1));
        acts.push(Replayed {
            by: actor.to_owned(),
            at: micros(self.now),
        });
        match at.filter(|at| *at > self.now) {
            Some(at) => {
                known.status = Status::Scheduled;
                known.due_at = at;
            }
            None => self.place_at_gates(tenant, &mut known),
        }
        if known.status == Status::Sending {
            self.sent_off.push(message);
        }
        let (status, due_at) = (known.status, known.due_at);
        let why = known.why.as_ref().map(|why| why.detail.clone());
        self.change(known);
        self.audit(
            tenant,
            actor,
            "message.retry",
            json!({"message": message, "due_at": status.waits().then_some(due_at)}),
        );
        Answer::Composed {
            id: message,
            status,
            why,
        }
    }

    /// What would become of a message if it were tried again now. Changes nothing.
    pub(super) fn weigh(&mut self, tenant: &Tenant, message: MessageId) -> Answer {
        let known = match self.anew(tenant, message) {
            Ok(known) => known,
            Err(answer) => return answer,
        };
        let verdict = self.judge(tenant, &known);
        let (status, why, until) = match verdict.ruling {
            Ruling::Pass => (Status::Queued, None, None),
            Ruling::Defer { until, why, .. } => (Status::Deferred, Some(why), Some(until)),
            Ruling::End { status, why } => (status, Some(why), None),
        };
        Answer::Weighed(Weighed {
            id: message,
            status,
            why,
            until,
            sandbox: verdict.sandbox,
            twice: known.plan.doubt.is_some(),
        })
    }

    /// Nothing more is to be done about a dead letter; the row stays and says so.
    pub(super) fn discard(
        &mut self,
        tenant: &Tenant,
        message: MessageId,
        reason: &str,
        actor: &str,
    ) -> Answer {
        let mut known = match self.ended(tenant, message) {
            Ok(known) => known,
            Err(answer) => return answer,
        };
        if !known.is_dead() {
            return Answer::Refused {
                code: "not_dead",
                detail: format!(
                    "It is {} and no dead letter: there is nothing to discard.",
                    known.status
                ),
                field: None,
            };
        }
        known.plan.discarded = Some(Discarded {
            by: actor.to_owned(),
            at: micros(self.now),
            reason: reason.to_owned(),
        });
        self.change(known);
        self.audit(
            tenant,
            actor,
            "message.discard",
            json!({"message": message, "reason": reason}),
        );
        Answer::Done
    }

    /// A person changed recipient or text: a new message goes through the gates and stands in for the old one.
    pub(super) fn amend(&mut self, tenant: &Arc<Tenant>, amend: &Amend) -> Answer {
        let mut old = match self.ended(tenant, amend.message) {
            Ok(old) => old,
            Err(answer) => return answer,
        };
        let refused = |code, detail: &str, field| Answer::Refused {
            code,
            detail: detail.to_owned(),
            field: Some(field),
        };
        if !old.is_dead() {
            return refused(
                "not_dead",
                "It is no dead letter any more: write a new message instead.",
                "id",
            );
        }
        let id = self.message_id();
        let recipient = match &amend.to {
            Some(to) => super::say::reached_by(old.channel, to.clone()),
            None => old.recipient.clone(),
        };
        let data = match amended_data(&old, amend.data.as_ref()) {
            Ok(data) => data,
            Err(why) => return refused("invalid", &why, "data"),
        };
        let body = amended_body(&old, amend);
        if recipient == old.recipient && data == old.data && body == old.body {
            return refused(
                "nothing_changed",
                "Nothing was changed: replay it as it is, or change recipient or text.",
                "to",
            );
        }
        let same_person = recipient == old.recipient;
        let mut new = Message {
            id,
            connection: None,
            recipient,
            status: Status::Queued,
            due_at: self.now,
            created_at: self.now,
            expires_at: None,
            template: old.template.clone().filter(|_| body.is_none()),
            body,
            data,
            plan: Plan {
                then: Vec::new(),
                instead_of: Some(old.id),
                hook: old.plan.hook.clone(),
                keyword_answer: old.plan.keyword_answer,
                // The same person may have the old words already. No account can drop the new ones as a twin.
                doubt: old
                    .plan
                    .doubt
                    .clone()
                    .filter(|_| same_person && old.status == Status::Unknown)
                    .map(|doubt| Doubt {
                        connection: None,
                        again: true,
                        stopped: false,
                        ..doubt
                    }),
                ..Plan::default()
            },
            epoch: 0,
            attempt: None,
            deadline: None,
            hash: None,
            attempts: 0,
            repeated: false,
            reference: None,
            accepted_at: None,
            settled_at: None,
            facts: std::collections::BTreeMap::new(),
            why: None,
            cost: None,
            ..old.clone()
        };
        if is_quarantined(&old) {
            new.plan.deaths = Plan::SUSPECT;
        }
        self.post(tenant, new);
        let Some(new) = self.world.out.messages.last() else {
            return Answer::NotFound;
        };
        let answer = Answer::Composed {
            id,
            status: new.status,
            why: new.why.as_ref().map(|why| why.detail.clone()),
        };
        old.plan.replaced_by = Some(id);
        self.change(old);
        let mut changed = Vec::new();
        for (name, is) in [
            ("to", !same_person),
            ("text", amend.body.is_some() || amend.subject.is_some()),
            ("data", amend.data.is_some()),
        ] {
            if is {
                changed.push(name);
            }
        }
        self.audit(
            tenant,
            &amend.actor,
            "message.amend",
            json!({"message": amend.message, "instead": id, "changed": changed}),
        );
        answer
    }

    /// What is done with a message instead of calling for it again, once it was under way at too many deaths.
    pub(super) fn quarantine(&mut self, tenant: &Arc<Tenant>, mut message: Message) {
        let deaths = message.plan.deaths;
        let why = Reason::new(
            QUARANTINED,
            format!(
                "The server died {deaths} times in a row while it was being sent, the last time with nothing else suspected. It is kept from being sent until somebody has looked at it."
            ),
        );
        message.status = message.ends(Status::Failed);
        message.deadline = None;
        let elsewhere = self.next_channel(tenant, &mut message, &why);
        self.end(&mut message, Some(elsewhere.unwrap_or(why)));
        self.raise(
            tenant,
            "critical",
            "A message is in quarantine: the server died again and again while it was being sent. See Dead letters.".into(),
            json!({
                "component": "sending", "message": message.id, "channel": message.channel, "connection": message.connection,
                "template": message.template.as_ref().map(|(name, version)| format!("{name}@{version}")), "deaths": deaths,
            }),
        );
        self.change(message);
    }

    /// True when a message has to wait for another suspect to end; it is asked again soon.
    pub(super) fn waits_for_suspect(&mut self, message: &mut Message) -> bool {
        if message.plan.deaths < Plan::SUSPECT {
            return false;
        }
        if !self.suspect {
            self.suspect = true;
            return false;
        }
        self.held_suspects += 1;
        message.status = Status::Queued;
        message.due_at = self.now + super::say::signed(SUSPECTS_APART * self.held_suspects);
        message.why = Some(Reason::new(
            "suspect",
            "The server died while it was being sent, more than once, so it goes alone. Another one is under way.",
        ));
        true
    }
}

/// A message that the server keeps from being sent because it died over it.
fn is_quarantined(message: &Message) -> bool {
    message
        .why
        .as_ref()
        .is_some_and(|why| why.code == QUARANTINED)
}

/// What the template is filled with after a merge patch (RFC 7396): null takes a value out.
fn amended_data(old: &Message, patch: Option<&Value>) -> Result<Filling, String> {
    let Some(patch) = patch else {
        return Ok(old.data.clone());
    };
    if old.template.is_none() {
        return Err("It has no template to fill: change its body instead.".into());
    }
    let mut data: Value = serde_json::from_str(old.data.text())
        .map_err(|error| format!("What it was filled with cannot be read: {error}."))?;
    merge(&mut data, patch, 0);
    Ok(data.to_string().into())
}

/// Deeper than this nothing of ours is nested.
const DEEPEST: usize = 16;

fn merge(into: &mut Value, patch: &Value, depth: usize) {
    let (Value::Object(changes), true) = (patch, depth < DEEPEST) else {
        *into = patch.clone();
        return;
    };
    if !into.is_object() {
        *into = json!({});
    }
    if let Value::Object(known) = into {
        for (name, value) in changes {
            if value.is_null() {
                known.remove(name);
            } else {
                merge(
                    known.entry(name.clone()).or_insert(Value::Null),
                    value,
                    depth + 1,
                );
            }
        }
    }
}

/// The words that a person wrote in place of the old ones, as they are kept.
fn amended_body(old: &Message, amend: &Amend) -> Option<String> {
    if amend.body.is_none() && amend.subject.is_none() {
        return old.body.clone();
    }
    if old.channel != ChannelKind::Email {
        return amend.body.clone().or_else(|| old.body.clone());
    }
    let known: Value = old
        .body
        .as_deref()
        .and_then(|body| serde_json::from_str(body).ok())
        .unwrap_or_default();
    let part = |new: &Option<String>, name: &str| match new {
        Some(text) => json!(text),
        None => known[name].clone(),
    };
    let words =
        json!({"subject": part(&amend.subject, "subject"), "text": part(&amend.body, "text")});
    Some(words.to_string())
}
