//! What providers and people send back: reports that move a message forward, and words that a person writes (M9, C3, H1).

use super::budget;
use super::world::{Cancel, PointKey, Purpose, Suppression, Tally};
use super::{Answer, ConsentTold, Tenant, Turn, kind_of};
use crate::consent::Basis;
use crate::consent::words::{InboundWord, StopHow, classify};
use crate::ids::{ConnectionId, LeadId};
use crate::messages::{
    Category, ChannelKind, Inbound, Message, Plan, Reason, Report, Reported, Status, Suppress,
};
use crate::seeded::{Bug, has};
use serde_json::json;
use std::sync::Arc;

impl Turn<'_> {
    pub(super) fn report(&mut self, tenant: &Arc<Tenant>, report: &Report) -> Answer {
        let Some(id) = report.message else {
            return Answer::NotFound;
        };
        if self
            .world
            .messages
            .get(&id)
            .is_none_or(|message| message.tenant != tenant.id)
        {
            return Answer::NotFound;
        }
        if !self.world.first_seen(tenant.id, &report.dedup) {
            return Answer::Done;
        }
        let now = self.now;
        let Some(mut message) = self.world.message_mut(id).cloned() else {
            return Answer::NotFound;
        };
        // A report may overtake the provider's own answer; the answer then finds the message settled and is kept as evidence.
        match report.what {
            Reported::Status(status) => {
                let after = if has(Bug::LateReportWins) {
                    status
                } else {
                    message.status.after(status)
                };
                if after != message.status {
                    let paid = message.plan.paid;
                    if (message.status == Status::Unknown || message.status.waits())
                        && let Some(doubt) = &mut message.plan.doubt
                    {
                        // The call it speaks of is none of those before any more.
                        doubt.spent = budget::before_last(doubt, paid);
                        self.world.out.tallies.push(Tally::Found);
                    }
                    message.status = after;
                    message.settled_at.get_or_insert(now);
                    message.deadline = None;
                    message.accepted_at.get_or_insert(report.at);
                    message.why = report
                        .why
                        .clone()
                        .filter(|_| !matches!(after, Status::Accepted | Status::Delivered));
                }
            }
            Reported::Fact(fact) => {
                let at = message
                    .facts
                    .entry(fact)
                    .or_insert(report.at.as_microsecond());
                *at = (*at).min(report.at.as_microsecond());
            }
        }
        if message.reference.is_none() {
            message.reference = report
                .reference
                .as_ref()
                .map(|reference| reference.0.clone());
        }
        if report.cost.is_some() {
            let sent = message.accepted_at.unwrap_or(message.created_at);
            let real = Self::real_cost(tenant, &message, report.cost.as_ref());
            self.price(tenant, &mut message, real, sent);
        }
        if report.suppress != Suppress::No {
            let why = report
                .why
                .clone()
                .unwrap_or_else(|| Reason::new("report", "no reason was given"));
            self.learn(tenant, &message, report.suppress, &why);
        }
        self.change(message);
        Answer::Done
    }

    pub(super) fn inbound(
        &mut self,
        tenant: &Arc<Tenant>,
        inbound: &Inbound,
        connection: Option<ConnectionId>,
    ) -> Answer {
        if !self.world.first_seen(tenant.id, &inbound.dedup) {
            return Answer::Done;
        }
        let key = PointKey {
            tenant: tenant.id,
            kind: kind_of(inbound.channel),
            value: inbound.from.clone(),
        };
        let lead = self
            .world
            .point(&key)
            .and_then(|point| point.lead)
            .and_then(|lead| self.own(tenant, lead));
        let word = classify(&inbound.body, Some(&tenant.config.settings.name));
        let said = json!({"channel": inbound.channel, "body": inbound.body, "to": inbound.to, "read_as": read_as(&word)});
        let event = lead.map(|lead| {
            self.note(
                tenant.id,
                lead,
                "message.received",
                inbound.channel.as_str(),
                None,
                said,
            )
        });
        match &word {
            InboundWord::Stop { how } => {
                self.stop(tenant, &key, lead, inbound, connection, &how_read(how));
            }
            InboundWord::Start | InboundWord::Yes if self.staff_unconfirmed(tenant, &key) => {
                self.staff_said_yes(tenant, &key, lead, inbound, connection);
            }
            InboundWord::Start => self.start_again(tenant, &key, lead, inbound, connection),
            InboundWord::Yes
                if self
                    .world
                    .point(&key)
                    .is_some_and(|point| point.consent.wished(Suppression::OptedOut)) =>
            {
                self.start_again(tenant, &key, lead, inbound, connection);
            }
            InboundWord::Help => {
                let settings = &tenant.config.settings;
                let contact = settings
                    .phone
                    .as_deref()
                    .or(settings.email.as_deref())
                    .unwrap_or("our website");
                let text = format!(
                    "{}: for help reach us at {contact}. Message frequency varies. Message and data rates may apply. Reply STOP to end.",
                    settings.name
                );
                self.answer_word(tenant, lead, inbound, connection, text);
            }
            InboundWord::Unsure { .. } => self.doubt(&key, lead, inbound),
            InboundWord::Yes | InboundWord::None => {}
        }
        if let (Some(lead), Some(event)) = (lead, event) {
            let properties = json!({"channel": inbound.channel, "body": inbound.body, "read_as": read_as(&word)});
            let happening = super::react::Happening::new(
                event,
                "message.received",
                "inbound",
                inbound.at,
                &properties,
            );
            self.guarded(
                tenant,
                lead,
                || properties.to_string(),
                |turn| turn.react(tenant, lead, &happening),
            );
        }
        Answer::Done
    }

    /// STOP, in the same turn: revocation, suppression, everything that waits for the number, then one confirmation (C3).
    fn stop(
        &mut self,
        tenant: &Arc<Tenant>,
        key: &PointKey,
        lead: Option<LeadId>,
        inbound: &Inbound,
        connection: Option<ConnectionId>,
        how: &str,
    ) {
        let already = self
            .world
            .point(key)
            .is_some_and(|point| point.consent.wished(Suppression::OptedOut));
        let wrote: String = inbound.body.chars().take(60).collect();
        for purpose in [Purpose::Promotional, Purpose::Transactional] {
            let told = ConsentTold {
                channel: inbound.channel,
                purpose,
                granted: false,
                wording: Some(wrote.clone()),
                method: format!("reply: {how}"),
                page: None,
                basis: Some(Basis::Keyword),
                expires_at: None,
                soft_opt_in: None,
            };
            self.write_consent(lead, key.clone(), &told, None, None);
        }
        let how = format!("by replying {}", wrote.trim());
        self.put_on_list(key, Suppression::OptedOut, &how, self.now);
        if !already {
            self.staff_said_stop(tenant, key, Some(wrote));
        }
        let answer = if already || inbound.answered_by_provider {
            None
        } else {
            let text = format!(
                "{}: you will get no more messages from us. Reply HELP for help.",
                tenant.config.settings.name
            );
            self.answer_word(tenant, lead, inbound, connection, text)
        };
        self.world.out.cancels.push(Cancel {
            tenant: tenant.id,
            recipient: key.value.clone(),
            // Alerts that wait are asked again at their time, and go by mail then.
            categories: &[Category::Transactional, Category::Promotional],
            status: Status::Blocked,
            why: Reason::new(
                "opted_out",
                format!("The person opted out {how} before it went."),
            ),
            except: answer,
            run: None,
            lead: None,
        });
    }

    /// A reply that may mean stop: offers wait at once, the staff sees it, and after a day without an answer it counts as a stop.
    /// What holds more is never replaced by it, and neither is a doubt that is older.
    fn doubt(&mut self, key: &PointKey, lead: Option<LeadId>, inbound: &Inbound) {
        let wrote: String = inbound.body.chars().take(60).collect();
        let how = format!("by replying {}", wrote.trim());
        self.put_on_list(key, Suppression::Doubted, &how, self.now);
        // It rings, so that a person reads it.
        let now = self.now;
        if let Some(state) = lead.and_then(|lead| self.world.lead_mut(lead))
            && !state.lead.test
        {
            state.lead.ringing_since = Some(now);
            state.lead.answered_at = None;
            state.lead.answered_by = None;
        }
    }

    pub(super) fn start_again(
        &mut self,
        tenant: &Arc<Tenant>,
        key: &PointKey,
        lead: Option<LeadId>,
        inbound: &Inbound,
        connection: Option<ConnectionId>,
    ) {
        let now = self.now;
        // START undoes an opt-out and nothing else: bounces, complaints and lists of others stay (compliance 4).
        if self.world.point(key).is_none() || !self.changing_list(key, |point| point.start(now)) {
            return;
        }
        let still_held = self
            .world
            .point(key)
            .and_then(|point| point.suppressed)
            .is_some_and(|reason| !reason.offers_only());
        let wording = inbound.body.chars().take(60).collect();
        let told = ConsentTold {
            channel: inbound.channel,
            purpose: Purpose::Transactional,
            granted: true,
            wording: Some(wording),
            method: "reply".into(),
            page: None,
            basis: Some(Basis::Keyword),
            expires_at: None,
            soft_opt_in: None,
        };
        self.write_consent(lead, key.clone(), &told, None, None);
        if !inbound.answered_by_provider && !still_held {
            let text = format!(
                "{}: you will get our messages again. Reply HELP for help, STOP to end.",
                tenant.config.settings.name
            );
            self.answer_word(tenant, lead, inbound, connection, text);
        }
    }

    /// The one answer to a word; it is not held by what the word did.
    pub(super) fn answer_word(
        &mut self,
        tenant: &Arc<Tenant>,
        lead: Option<LeadId>,
        inbound: &Inbound,
        connection: Option<ConnectionId>,
        text: String,
    ) -> Option<crate::ids::MessageId> {
        if inbound.channel != ChannelKind::Sms {
            return None;
        }
        if tenant.connections.iter().any(|way| {
            Some(way.id) == connection && way.answers_opt_out && inbound.answered_by_provider
        }) {
            return None;
        }
        let id = self.message_id();
        let notification = self.notification_id();
        let mut message: Message = self.blank(
            tenant,
            id,
            notification,
            inbound.channel,
            Category::Transactional,
        );
        message.lead = lead;
        message.recipient.clone_from(&inbound.from);
        message.body = Some(text);
        message.plan = Plan {
            keyword_answer: true,
            ..Plan::default()
        };
        message.expires_at = Some(self.now + jiff::SignedDuration::from_secs(60));
        message.priority = crate::messages::Priority::High;
        self.post(tenant, message);
        Some(id)
    }

    pub(super) fn consent(&mut self, tenant: &Arc<Tenant>, given: &super::ConsentGiven) -> Answer {
        let lead = match given.lead {
            Some(lead) => match self.own(tenant, lead) {
                Some(lead) => Some(lead),
                None => return Answer::NotFound,
            },
            None => None,
        };
        let kind = kind_of(given.told.channel);
        let keys: Vec<PointKey> = match (&given.point, lead.and_then(|lead| self.world.lead(lead)))
        {
            (Some((kind, value)), _) => vec![PointKey {
                tenant: tenant.id,
                kind: *kind,
                value: value.clone(),
            }],
            (None, Some(state)) => state
                .points
                .iter()
                .filter(|key| key.kind == kind)
                .cloned()
                .collect(),
            (None, None) => Vec::new(),
        };
        if keys.is_empty() {
            return Answer::Refused {
                code: "no_contact",
                detail: format!("There is no contact point for {}.", given.told.channel),
                field: Some("channel"),
            };
        }
        if let Some((_, asks)) = given.told.lacks() {
            return Answer::Refused {
                code: "soft_opt_in",
                detail: format!(
                    "A soft opt-in counts only when all five of its conditions hold, and this one is not recorded: {asks}"
                ),
                field: Some("soft_opt_in"),
            };
        }
        for key in keys {
            let lead = lead.or_else(|| self.world.point(&key).and_then(|point| point.lead));
            self.write_consent(
                lead,
                key.clone(),
                &given.told,
                None,
                Some(given.actor.clone()),
            );
            // Whoever wants no news of their own request wants no offers either (US-5: revoke one, revoke all).
            if !given.told.granted && given.told.purpose == Purpose::Transactional {
                let offers = ConsentTold {
                    purpose: Purpose::Promotional,
                    ..given.told.clone()
                };
                self.write_consent(lead, key.clone(), &offers, None, Some(given.actor.clone()));
            }
            if !given.told.granted {
                let categories: &'static [Category] = match given.told.purpose {
                    Purpose::Promotional => &[Category::Promotional],
                    _ => &[Category::Transactional, Category::Promotional],
                };
                self.world.out.cancels.push(Cancel {
                    tenant: tenant.id,
                    recipient: key.value.clone(),
                    categories,
                    status: Status::Blocked,
                    why: Reason::new(
                        "consent_revoked",
                        format!("Consent was taken back ({}).", given.told.method),
                    ),
                    except: None,
                    run: None,
                    lead: None,
                });
            }
        }
        let told = json!({"lead": lead, "channel": given.told.channel, "purpose": given.told.purpose, "granted": given.told.granted});
        self.audit(tenant, &given.actor, "consent.tell", told);
        if let Some(lead) = lead {
            let said = json!({"channel": given.told.channel, "purpose": given.told.purpose, "granted": given.told.granted, "method": given.told.method});
            self.note(
                tenant.id,
                lead,
                "consent.changed",
                "api",
                Some(&given.actor),
                said,
            );
        }
        Answer::Done
    }

    pub(super) fn suppress(
        &mut self,
        tenant: &Arc<Tenant>,
        order: &super::SuppressOrder,
    ) -> Answer {
        let key = PointKey {
            tenant: tenant.id,
            kind: order.kind,
            value: order.value.clone(),
        };
        let now = self.now;
        match order.reason {
            Some(reason) => {
                self.put_on_list(&key, reason, &order.how, now);
                let categories = super::recovery::stopped_by(reason);
                self.world.out.cancels.push(Cancel {
                    tenant: tenant.id,
                    recipient: key.value.clone(),
                    categories,
                    status: Status::Blocked,
                    why: Reason::new(
                        "suppressed",
                        format!("Put on the suppression list: {}", order.how),
                    ),
                    except: None,
                    run: None,
                    lead: None,
                });
            }
            None => {
                match self.world.point(&key).map(|point| point.suppressed) {
                    None => return Answer::NotFound,
                    // The person may have said so since the caller looked.
                    Some(Some(reason)) if reason.person_only() => {
                        return Answer::Refused {
                            code: "person_only",
                            detail: super::PERSON_ONLY.into(),
                            field: None,
                        };
                    }
                    Some(_) => self.changing_list(&key, |point| point.lift(now)),
                }
            }
        }
        let action = if order.reason.is_some() {
            "suppression.add"
        } else {
            "suppression.remove"
        };
        self.audit(
            tenant,
            &order.actor,
            action,
            json!({"kind": key.kind, "reason": order.reason}),
        );
        if let Some(lead) = self
            .world
            .point(&key)
            .and_then(|point| point.lead)
            .and_then(|lead| self.own(tenant, lead))
        {
            self.note(
                tenant.id,
                lead,
                action,
                "api",
                Some(&order.actor),
                json!({"kind": key.kind, "how": order.how}),
            );
        }
        Answer::Done
    }
}

/// The word that the timeline keeps.
const fn read_as(word: &InboundWord) -> &'static str {
    match word {
        InboundWord::Stop { .. } => "stop",
        InboundWord::Unsure { .. } => "unsure",
        InboundWord::Help => "help",
        InboundWord::Start => "start",
        InboundWord::Yes => "yes",
        InboundWord::None => "text",
    }
}

/// How a stop was recognised, for the consent record.
fn how_read(how: &StopHow) -> String {
    match how {
        StopHow::Conclusive { word } | StopHow::Listed { word } => format!("the word {word}"),
        StopHow::Misspelt { word } => format!("the word {word}, misspelt"),
        StopHow::FreeText { .. } => "the person's own words".to_owned(),
    }
}
