//! A lead comes in: found again or made, told apart from others by phone and email without limit of time (L1, L7).

use super::JournalEntry;
use super::react::{Happening, facts};
use super::world::{Consent, ConsentRow, LeadState, PointKey, PointKind, Purpose};
use super::{
    Answer, Capture, CaptureStatus, Captured, ConsentTold, MessageView, ProductView, ScoreShort,
    Tenant, Turn,
};
use crate::consent::Basis;
use crate::ids::{ConsentId, LeadId};
use crate::leads::{Lead, Overwrite, Placement};
use crate::messages::ChannelKind;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Who says that these names are one person.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Vouched {
    /// A form of ours or a secret key.
    ByKey,
    /// A public write key.
    ByNobody,
}

/// What a capture came to before anything reacts.
pub(super) struct Landed {
    pub(super) lead: LeadId,
    pub(super) status: CaptureStatus,
}

impl Turn<'_> {
    pub(super) fn capture(&mut self, tenant: &Arc<Tenant>, capture: &Capture) -> Answer {
        let keys = points_of(tenant, capture);
        if capture.test
            && let Some(field) = self.real_person(tenant, &keys)
        {
            return Answer::Refused {
                code: "real_lead",
                detail: "This belongs to a real lead, and a test changes nothing real. Use another one, or send it without `test` and with a live key.".into(),
                field: Some(field),
            };
        }
        let (lead, status) = self.resolve(tenant, &keys, Vouched::ByKey);
        let landed = Landed { lead, status };
        if let Some(key) = &capture.key
            && self.world.event_keys.contains_key(&(lead, key.clone()))
        {
            // The same sending again: whatever it told was written down the first time.
            return Answer::Captured(self.captured(tenant, &landed, usize::MAX));
        }
        self.land(tenant, &landed, keys, capture);
        let first_message = self.world.out.messages.len();
        let kind = if landed.status == CaptureStatus::Created {
            "lead.created"
        } else {
            "lead.captured"
        };
        let properties = self.story_of(capture);
        let source = capture
            .form
            .as_ref()
            .map_or_else(|| "api".to_owned(), |form| format!("form:{form}"));
        let event = self.note(
            tenant.id,
            lead,
            "lead.captured",
            &source,
            None,
            properties.clone(),
        );
        if let Some(key) = &capture.key {
            self.world.name_event(tenant.id, lead, key, event);
        }
        if let Some(state) = self.world.lead_mut(lead) {
            state.lead.last_event_at = self.now;
            if !capture.test
                && state
                    .lead
                    .ringing_since
                    .is_none_or(|_| state.lead.answered_at.is_some())
            {
                state.lead.ringing_since = Some(self.now);
                state.lead.answered_at = None;
                state.lead.answered_by = None;
                state.lead.alerted.clear();
            }
        }
        let happening = Happening {
            also: (kind != "lead.captured").then_some(kind),
            form: capture.form.as_deref(),
            product: capture.product.as_deref(),
            ..Happening::new(event, "lead.captured", &source, self.now, &properties)
        };
        let routed = match &capture.product {
            Some(_) => None,
            None => self.product_of(tenant, lead, &happening),
        };
        let happening = Happening {
            product: happening.product.or(routed.as_deref()),
            ..happening
        };
        self.guarded(
            tenant,
            lead,
            || properties.to_string(),
            |turn| turn.react(tenant, lead, &happening),
        );
        Answer::Captured(self.captured(tenant, &landed, first_message))
    }

    /// The field whose number or address belongs to a person who is no test. A browser without a name is nobody yet.
    fn real_person(&self, tenant: &Tenant, keys: &[PointKey]) -> Option<&'static str> {
        let real = |key: &&PointKey| {
            self.world
                .point(key)
                .and_then(|point| point.lead)
                .and_then(|lead| self.own(tenant, lead))
                .and_then(|lead| self.world.lead(lead))
                .is_some_and(|state| !state.lead.test && !state.lead.anonymous)
        };
        keys.iter().find(real).map(|key| match key.kind {
            PointKind::Phone => "phone",
            PointKind::Email => "email",
            PointKind::Anonymous | PointKind::User => "anonymous_id",
        })
    }

    /// Takes in what is told about the lead that was found or made.
    fn land(
        &mut self,
        tenant: &Arc<Tenant>,
        landed: &Landed,
        keys: Vec<PointKey>,
        capture: &Capture,
    ) {
        let lead = landed.lead;
        for key in keys {
            self.attach(tenant, lead, key, capture.own_enquiry);
        }
        for told in &capture.consents {
            self.tell_consent(tenant, lead, told, capture);
        }
        let now = self.now;
        if let Some(state) = self.world.lead_mut(lead) {
            // Who tried things out and now means it is a real person from now on.
            let fresh = landed.status == CaptureStatus::Created;
            state.lead.test = capture.test && (fresh || state.lead.test);
            let lead = &mut state.lead;
            lead.learn(capture.profile.clone(), capture.overwrite, now);
            if let Some(phone) = &capture.phone
                && (lead.phone.is_none() || capture.overwrite == Overwrite::Newer)
            {
                lead.phone = Some(phone.as_str().to_owned());
            }
            if let Some(email) = &capture.email
                && (lead.email.is_none() || capture.overwrite == Overwrite::Newer)
            {
                lead.email = Some(email.as_str().to_owned());
            }
            lead.anonymous &= lead.phone.is_none() && lead.email.is_none();
        }
        let routed = match (&capture.product, self.world.lead(lead)) {
            (Some(product), _) => Some(product.clone()),
            (None, Some(state)) if state.lead.products.is_empty() => Some(
                tenant
                    .config
                    .product_for(&facts(tenant, state, None, now, None, None))
                    .to_owned(),
            ),
            (None, _) => None,
        };
        if let (Some(product), Some(state)) = (routed, self.world.lead_mut(lead)) {
            place(tenant, &mut state.lead, &product, now);
        }
    }

    /// The product that an event is about, where it says so: by its own `product`, or by the first rule of the routing list that looks
    /// at events and holds (L9). The lead is in that product from then on.
    pub(super) fn product_of(
        &mut self,
        tenant: &Arc<Tenant>,
        lead: LeadId,
        happening: &Happening<'_>,
    ) -> Option<String> {
        let config = &tenant.config;
        let told = happening.properties["product"]
            .as_str()
            .filter(|name| config.product(name).is_some());
        let product = match told {
            Some(name) => name.to_owned(),
            None => {
                let state = self.world.lead(lead)?;
                let facts = facts(tenant, state, Some(happening), self.now, None, None);
                let mut routes = config.settings.routing.iter();
                let by_event = |when: &crate::conditions::Condition| {
                    when.fields()
                        .iter()
                        .any(|field| field.starts_with("event."))
                };
                let route = routes.find(|route| {
                    let when = route.when.as_ref();
                    when.is_some_and(|when| by_event(when) && when.holds(&facts))
                })?;
                route.product.clone()
            }
        };
        let now = self.now;
        if let Some(state) = self.world.lead_mut(lead) {
            place(tenant, &mut state.lead, &product, now);
        }
        Some(product)
    }

    /// The lead behind the first known of these contact points; several leads behind them are one and merge (L7).
    pub(super) fn resolve(
        &mut self,
        tenant: &Arc<Tenant>,
        keys: &[PointKey],
        vouched: Vouched,
    ) -> (LeadId, CaptureStatus) {
        let mut found: Vec<LeadId> = Vec::new();
        for key in keys {
            if let Some(lead) = self
                .world
                .point(key)
                .and_then(|point| point.lead)
                .and_then(|lead| self.own(tenant, lead))
                && !found.contains(&lead)
            {
                found.push(lead);
            }
        }
        // The oldest lead with a name to it stays; browsers that have now said who they are join it.
        found.sort_by_key(|lead| {
            (
                self.world
                    .lead(*lead)
                    .is_none_or(|state| state.lead.anonymous),
                *lead,
            )
        });
        match found.split_first() {
            Some((stays, others)) => {
                for other in others {
                    // What a public key claims never makes two known people one: anybody can read that key (S1).
                    let stranger = self
                        .world
                        .lead(*other)
                        .is_some_and(|state| state.lead.anonymous);
                    if vouched == Vouched::ByKey || stranger {
                        self.merge(tenant, *other, *stays);
                    }
                }
                let known = self
                    .world
                    .lead(*stays)
                    .is_some_and(|state| !state.lead.anonymous);
                (
                    *stays,
                    if known {
                        CaptureStatus::Merged
                    } else {
                        CaptureStatus::Created
                    },
                )
            }
            None => {
                let id = LeadId::from_raw(self.ids.next(self.now));
                let number = self.world.next_number(tenant.id);
                self.world
                    .add_lead(LeadState::new(Lead::new(id, tenant.id, number, self.now)));
                (id, CaptureStatus::Created)
            }
        }
    }

    /// Gives a contact point to a lead. A person's own enquiry is consent to be answered (US-2).
    pub(super) fn attach(
        &mut self,
        tenant: &Arc<Tenant>,
        lead: LeadId,
        key: PointKey,
        own_enquiry: bool,
    ) {
        let now = self.now;
        let reached = matches!(key.kind, PointKind::Phone | PointKind::Email);
        let channel = channel_of(key.kind);
        let known = self.world.point(&key);
        let consent = known.map_or(Consent::Unasked, |point| {
            point.consent.get(channel, Purpose::Transactional)
        });
        let provided = reached && own_enquiry && matches!(consent, Consent::Unasked);
        if !provided && known.is_some_and(|point| point.lead == Some(lead)) {
            return;
        }
        let point = self.world.point_mut(&key, now);
        point.lead = Some(lead);
        if provided {
            point
                .consent
                .set(channel, Purpose::Transactional, Consent::Provided);
        }
        if let Some(state) = self.world.lead_mut(lead)
            && !state.points.contains(&key)
        {
            state.points.push(key);
        }
        let _ = tenant;
    }

    /// Writes down a consent for the lead's contact points of the channel.
    fn tell_consent(
        &mut self,
        tenant: &Arc<Tenant>,
        lead: LeadId,
        told: &ConsentTold,
        capture: &Capture,
    ) {
        let value = match super::kind_of(told.channel) {
            PointKind::Phone => capture
                .phone
                .as_ref()
                .map(|phone| phone.as_str().to_owned()),
            _ => capture.email.as_ref().map(|email| email.key()),
        };
        let Some(value) = value else { return };
        let key = PointKey {
            tenant: tenant.id,
            kind: super::kind_of(told.channel),
            value,
        };
        self.write_consent(Some(lead), key, told, capture.ip.clone(), None);
    }

    /// One row of the ledger, and the contact point's own summary of it.
    pub(super) fn write_consent(
        &mut self,
        lead: Option<LeadId>,
        key: PointKey,
        told: &ConsentTold,
        ip: Option<String>,
        actor: Option<String>,
    ) {
        let id = ConsentId::from_raw(self.ids.next(self.now));
        let now = self.now;
        let point = self.world.point_mut(&key, now);
        let consent = if told.granted {
            Consent::Granted
        } else {
            Consent::Revoked
        };
        let before = point.consent.get(told.channel.code(), told.purpose);
        let basis = told.grounds();
        point.allow(
            told.channel.code(),
            told.purpose,
            consent,
            basis,
            told.expires_at,
        );
        let (channel, purpose) = (told.channel, told.purpose);
        let named = (key.clone(), channel, purpose, now);
        match (before, consent) {
            (Consent::Revoked, Consent::Granted) => {
                let (key, channel, purpose, at) = named;
                self.world.out.journal.push(JournalEntry::Granted {
                    key,
                    channel,
                    purpose,
                    at,
                });
            }
            (before, Consent::Revoked) if before != Consent::Revoked => {
                let (key, channel, purpose, at) = named;
                self.world.out.journal.push(JournalEntry::Revoked {
                    key,
                    channel,
                    purpose,
                    at,
                });
            }
            _ => {}
        }
        // A wording is shown to many and kept once; what one person wrote is theirs, and can be erased with the row.
        let (wording, wrote) = if basis == Basis::Keyword {
            (None, told.wording.clone())
        } else {
            (told.wording.clone(), None)
        };
        self.world.out.consents.push(ConsentRow {
            id,
            key,
            lead,
            channel: told.channel,
            purpose: told.purpose,
            granted: told.granted,
            basis,
            wording,
            wrote,
            method: told.method.clone(),
            page: told.page.clone(),
            ip,
            actor,
            expires_at: told.expires_at,
            soft_opt_in: told.soft_opt_in.filter(|_| basis == Basis::SoftOptIn),
            at: now,
        });
    }

    /// What the timeline keeps of a capture: what was told, not who they are.
    fn story_of(&self, capture: &Capture) -> Value {
        let mut story = Map::new();
        if let Some(form) = &capture.form {
            story.insert("form".into(), json!(form));
        }
        if let Some(source) = &capture.profile.source {
            story.insert("source".into(), json!(source));
        }
        if !capture.profile.attributes.is_empty() {
            story.insert(
                "attributes".into(),
                Value::Object(capture.profile.attributes.clone()),
            );
        }
        if let Some(ip) = &capture.ip {
            story.insert("ip".into(), json!(ip));
        }
        Value::Object(story)
    }

    pub(super) fn captured(
        &self,
        tenant: &Tenant,
        landed: &Landed,
        first_message: usize,
    ) -> Captured {
        let (reference, products) = match self.world.lead(landed.lead) {
            Some(state) => (
                tenant.references.write(state.lead.number),
                product_views(tenant, state),
            ),
            None => (String::new(), BTreeMap::new()),
        };
        let messages = self.views(landed.lead, first_message);
        Captured {
            id: landed.lead,
            reference,
            status: landed.status,
            products,
            messages,
        }
    }

    /// The messages about a lead that were decided since.
    pub(super) fn views(&self, lead: LeadId, since: usize) -> Vec<MessageView> {
        let messages = self.world.out.messages.get(since..).unwrap_or_default();
        messages
            .iter()
            .filter(|message| message.lead == Some(lead))
            .map(|message| MessageView {
                id: message.id,
                notification: message.notification,
                channel: message.channel,
                status: message.status,
            })
            .collect()
    }
}

/// The contact points that a capture names.
fn points_of(tenant: &Tenant, capture: &Capture) -> Vec<PointKey> {
    let mut keys = Vec::with_capacity(3);
    let key = |kind, value: &str| PointKey {
        tenant: tenant.id,
        kind,
        value: value.to_owned(),
    };
    if let Some(phone) = &capture.phone {
        keys.push(key(PointKind::Phone, phone.as_str()));
    }
    if let Some(email) = &capture.email {
        keys.push(key(PointKind::Email, &email.key()));
    }
    if let Some(anonymous) = &capture.anonymous_id {
        keys.push(key(PointKind::Anonymous, anonymous));
    }
    keys
}

/// The stored number of the channel that a contact point is for.
const fn channel_of(kind: PointKind) -> i64 {
    match kind {
        PointKind::Phone => ChannelKind::Sms.code(),
        PointKind::Email | PointKind::Anonymous | PointKind::User => ChannelKind::Email.code(),
    }
}

/// Puts a lead into a product at its first stage, unless it is in it.
pub(super) fn place(tenant: &Tenant, lead: &mut Lead, product: &str, now: crate::time::Timestamp) {
    if lead
        .products
        .iter()
        .any(|placement| placement.product == product)
    {
        return;
    }
    if let Some(stage) = tenant.config.first_stage(product) {
        lead.products.push(Placement {
            product: product.to_owned(),
            stage: stage.to_owned(),
            since: now.as_microsecond(),
        });
    }
}

/// Where a lead stands in each product, for answers.
pub(super) fn product_views(tenant: &Tenant, state: &LeadState) -> BTreeMap<String, ProductView> {
    let scores_of = |product: &str| -> BTreeMap<String, ScoreShort> {
        let row_of = |name: &str| state.scores.iter().rev().find(|row| row.model == name);
        let rows = tenant
            .config
            .models_of(product)
            .iter()
            .filter_map(|model| row_of(&model.name));
        rows.map(|row| {
            (
                row.model.clone(),
                ScoreShort {
                    points: row.state.points,
                    tier: row.state.tier.clone(),
                },
            )
        })
        .collect()
    };
    state
        .lead
        .products
        .iter()
        .map(|placement| {
            (
                placement.product.clone(),
                ProductView {
                    stage: placement.stage.clone(),
                    scores: scores_of(&placement.product),
                },
            )
        })
        .collect()
}
