//! Texts to the people of the business: each confirms the number once, may say stop, and then hears of leads another way (ST-1).

use super::gate::{UNCONFIRMED, ground};
use super::world::{PointKey, PointKind, Purpose, StaffNumber, Suppression};
use super::{ConsentTold, Tenant, Turn};
use crate::consent::Basis;
use crate::ids::{ConnectionId, LeadId};
use crate::messages::{Category, ChannelKind, Inbound, Message, Priority, Reason};
use serde_json::json;
use std::sync::Arc;

/// What stands in the question for the link that the sender puts in.
pub const CONFIRM_LINK: &str = "{link}";

impl Turn<'_> {
    /// What becomes of an alert that may not go as a text: the question goes out when nobody asked yet, and the alert goes by the
    /// person's mail, unless the step tells by mail anyway. Answers the reason with what happens now.
    pub(super) fn staff_elsewhere(
        &mut self,
        tenant: &Arc<Tenant>,
        message: &mut Message,
        why: &Reason,
    ) -> Option<Reason> {
        let text = message.category == Category::Staff && message.channel == ChannelKind::Sms;
        if !text || message.plan.asks_staff || !matches!(&*why.code, UNCONFIRMED | "suppressed") {
            return None;
        }
        if why.code == UNCONFIRMED {
            self.ask_to_confirm(tenant, message);
        }
        self.staff_by_mail(tenant, message, why)
    }

    /// Tells by mail what cannot be told by text.
    pub(super) fn staff_by_mail(
        &mut self,
        tenant: &Arc<Tenant>,
        message: &mut Message,
        why: &Reason,
    ) -> Option<Reason> {
        if message.plan.by_mail_too {
            let detail = format!("{} The mail of the same step tells it.", why.detail);
            return Some(Reason::new(why.code.clone(), detail));
        }
        if let Some(instead) = self.next_channel(tenant, message, why) {
            return Some(instead);
        }
        let name = message.staff.as_deref()?;
        let person = tenant.staff.iter().find(|one| one.name == name)?;
        let Some(address) = person.email.clone() else {
            let text = format!(
                "{name} may not be texted and has no email address, so an alert reached nobody: {} Add an address under Settings, Staff.",
                why.detail
            );
            self.raise(
                tenant,
                "error",
                text,
                json!({"component": "turn", "message": message.id}),
            );
            return None;
        };
        let channel = ChannelKind::Email;
        let id = self.message_id();
        let mut instead = self.stand_in(tenant, id, message, channel, address);
        // Without a mail of its own the words of the text are the mail.
        instead.template = message.template.clone().map(|(name, version)| {
            let mail = tenant.config.template(&name, channel, None);
            let version = mail.map_or(version, |mail| mail.version);
            (name, version)
        });
        instead.body = message.body.as_ref().map(|text| {
            let subject = format!("{}: an alert", tenant.config.settings.name);
            super::say::mail_words(Some(&subject), text)
        });
        self.post(tenant, instead);
        Some(Reason::new(
            why.code.clone(),
            format!("{} Said by email instead.", why.detail),
        ))
    }

    /// The one question, when a text could go there at all.
    fn ask_to_confirm(&mut self, tenant: &Arc<Tenant>, alert: &Message) {
        let key = PointKey {
            tenant: tenant.id,
            kind: PointKind::Phone,
            value: alert.recipient.clone(),
        };
        let asked = self
            .world
            .point(&key)
            .is_some_and(|point| point.staff_number() != StaffNumber::Unasked);
        let cannot = ground::number(tenant, alert).is_some()
            || matches!(ground::registration(tenant, alert), Some(Err(_)));
        if asked || cannot {
            return;
        }
        let now = self.now;
        self.world.point_mut(&key, now).staff_asked();
        let id = self.message_id();
        let notification = self.notification_id();
        let mut ask = self.blank(tenant, id, notification, ChannelKind::Sms, Category::Staff);
        ask.staff.clone_from(&alert.staff);
        ask.recipient.clone_from(&alert.recipient);
        ask.priority = Priority::High;
        ask.body = Some(format!(
            "{}: may alerts about new leads come to this number? Reply YES or open {CONFIRM_LINK} Reply STOP for none. Msg & data rates may apply.",
            tenant.config.settings.name
        ));
        ask.plan.asks_staff = true;
        self.post(tenant, ask);
    }

    /// True when a number is of somebody on the staff who has not confirmed it.
    pub(super) fn staff_unconfirmed(&self, tenant: &Tenant, key: &PointKey) -> bool {
        key.kind == PointKind::Phone
            && tenant
                .staff
                .iter()
                .any(|one| one.phone.as_deref() == Some(&*key.value))
            && self
                .world
                .point(key)
                .is_none_or(|point| point.staff_number() != StaffNumber::Confirmed)
    }

    /// YES or START of a staff member: alerts come as texts from now on.
    pub(super) fn staff_said_yes(
        &mut self,
        tenant: &Arc<Tenant>,
        key: &PointKey,
        lead: Option<LeadId>,
        inbound: &Inbound,
        connection: Option<ConnectionId>,
    ) {
        let stopped = self.world.point(key).is_some_and(|point| {
            point.suppressed == Some(Suppression::Doubted)
                || point.consent.wished(Suppression::OptedOut)
        });
        let wrote = inbound.body.chars().take(60).collect();
        let told = staff_consent(true, Some(wrote), "reply");
        self.write_consent(lead, key.clone(), &told, None, None);
        if stopped {
            self.start_again(tenant, key, lead, inbound, connection);
        } else if !inbound.answered_by_provider {
            let text = format!(
                "{}: confirmed, alerts come to this number. Reply HELP for help, STOP to end.",
                tenant.config.settings.name
            );
            self.answer_word(tenant, lead, inbound, connection, text);
        }
    }

    /// A staff member said stop: it is written down, and owners and admins hear whose alerts go another way now, or no way.
    pub(super) fn staff_said_stop(
        &mut self,
        tenant: &Tenant,
        key: &PointKey,
        wrote: Option<String>,
    ) {
        let people: Vec<_> = tenant
            .staff
            .iter()
            .filter(|one| key.kind == PointKind::Phone && one.phone.as_deref() == Some(&*key.value))
            .cloned()
            .collect();
        if people.is_empty() {
            return;
        }
        let told = staff_consent(false, wrote, "reply");
        self.write_consent(None, key.clone(), &told, None, None);
        for person in people {
            let name = person.name;
            let text = match person.email {
                Some(_) => format!(
                    "{name} answered STOP, so no text goes there any more. Alerts to {name} go by mail. Only {name} can undo it, with START."
                ),
                None => format!(
                    "{name} answered STOP, so no text goes there any more, and there is no email address: alerts to {name} reach nobody. Add an address under Settings, Staff. Only {name} can undo it, with START."
                ),
            };
            let context = json!({"component": "turn", "staff": name});
            self.raise(tenant, "warning", text.clone(), context);
            let subject = format!("{name} gets no more texts");
            self.alert_admins(tenant, Some(ChannelKind::Sms), &subject, &text);
        }
    }
}

/// A yes or a stop of somebody on the staff, as it is written down.
pub fn staff_consent(granted: bool, wrote: Option<String>, method: &str) -> ConsentTold {
    ConsentTold {
        channel: ChannelKind::Sms,
        purpose: Purpose::Staff,
        granted,
        wording: wrote,
        method: method.to_owned(),
        page: None,
        basis: Some(Basis::Keyword),
        expires_at: None,
        soft_opt_in: None,
    }
}
