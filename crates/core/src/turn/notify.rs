//! What the people who run the business must hear, by a way that works (D3, M11).

use super::world::{PointKey, PointKind, Raised, StaffNumber};
use super::{Passage, StaffMember, Tenant, Turn};
use crate::messages::{Category, ChannelKind, Priority};
use serde_json::Value;
use std::sync::Arc;

impl Turn<'_> {
    /// Puts a sentence on the page of errors.
    pub(super) fn raise(
        &mut self,
        tenant: &Tenant,
        severity: &'static str,
        message: String,
        context: Value,
    ) {
        self.world.out.errors.push(Raised {
            tenant: tenant.id,
            severity,
            message,
            context,
            at: self.now,
        });
    }

    /// Tells owners and admins, each once, by a channel other than the one that is in trouble, when there is one. Without any such
    /// person everybody of the staff hears it.
    pub(super) fn alert_admins(
        &mut self,
        tenant: &Tenant,
        avoid: Option<ChannelKind>,
        subject: &str,
        text: &str,
    ) {
        let Some(shared) = self.tenants.get(&tenant.id).cloned() else {
            return;
        };
        for person in runners(tenant) {
            if let Some((channel, address)) = self.reachable(tenant, person, avoid) {
                self.tell(&shared, person, channel, address, subject, text);
            }
        }
    }

    /// How somebody can be reached: by a channel with an account that works, the one to be avoided last; else by the sandbox.
    fn reachable(
        &self,
        tenant: &Tenant,
        person: &StaffMember,
        avoid: Option<ChannelKind>,
    ) -> Option<(ChannelKind, String)> {
        let works = |channel| {
            tenant.ways(channel).any(|way| {
                !matches!(
                    self.world.breakers.passage(way.id, self.now),
                    Passage::Rests(_)
                )
            })
        };
        let rank = |channel: ChannelKind| {
            let avoided = u8::from(avoid == Some(channel)) * 2;
            let dead = u8::from(tenant.has(channel) && !works(channel)) * 4;
            // A number that is not confirmed gets no text (ST-1).
            let closed = channel == ChannelKind::Sms && tenant.has(channel) && {
                let key = PointKey {
                    tenant: tenant.id,
                    kind: PointKind::Phone,
                    value: person.phone.clone().unwrap_or_default(),
                };
                self.world.point(&key).is_none_or(|point| {
                    point.suppressed.is_some() || point.staff_number() != StaffNumber::Confirmed
                })
            };
            avoided + dead + u8::from(closed) * 8 + u8::from(!tenant.has(channel))
        };
        [
            (ChannelKind::Email, &person.email),
            (ChannelKind::Sms, &person.phone),
        ]
        .into_iter()
        .filter_map(|(channel, address)| Some((channel, address.clone()?)))
        .min_by_key(|(channel, _)| rank(*channel))
    }

    fn tell(
        &mut self,
        tenant: &Arc<Tenant>,
        person: &StaffMember,
        channel: ChannelKind,
        address: String,
        subject: &str,
        text: &str,
    ) {
        let notification = self.notification_id();
        let id = self.message_id();
        let mut message = self.blank(tenant, id, notification, channel, Category::Staff);
        message.staff = Some(person.name.clone());
        message.recipient = super::say::reached_by(channel, address);
        message.priority = Priority::High;
        message.body = Some(match channel {
            ChannelKind::Email => super::say::mail_words(Some(subject), text),
            ChannelKind::Sms | ChannelKind::Webhook => {
                format!("{}: {text}", tenant.config.settings.name)
            }
        });
        self.post(tenant, message);
    }
}

/// Who runs the business: owners and admins; without any, everybody of the staff.
pub(super) fn runners(tenant: &Tenant) -> Vec<&StaffMember> {
    let runs_it = |one: &&StaffMember| {
        let mut roles = one.roles.iter();
        roles.any(|role| role == "owner" || role == "admin")
    };
    let runners: Vec<&StaffMember> = tenant.staff.iter().filter(runs_it).collect();
    if runners.is_empty() {
        return tenant.staff.iter().collect();
    }
    runners
}
