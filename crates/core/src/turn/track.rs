//! A person or browser did something (S1): found by name, put into a session, merged when it says who it is.

use super::react::Happening;
use super::world::{PointKey, PointKind, Session, SessionData};
use super::{Answer, Capture, ScoreShort, Tenant, Track, Tracked, Turn, Who};
use crate::ids::{EventId, LeadId, SessionId};
use crate::leads::Overwrite;
use crate::time::Timestamp;
use std::sync::Arc;

/// Events less than this apart belong to one session. Unit: microseconds.
const SESSION_GAP: i64 = 30 * 60 * 1_000_000;
const MOST_PATHS: usize = 50;

impl Turn<'_> {
    pub(super) fn track(&mut self, tenant: &Arc<Tenant>, track: &Track) -> Answer {
        if let Err(wrong) = crate::signals::check(&track.kind, &track.properties) {
            return Answer::Refused {
                code: "signal",
                detail: wrong.says,
                field: Some(wrong.field),
            };
        }
        let lead = match &track.who {
            Who::Lead(lead) => match self.own(tenant, *lead) {
                Some(lead) => lead,
                None => return Answer::NotFound,
            },
            Who::Named { anonymous, user } => {
                self.named(tenant, anonymous.as_deref(), user.as_deref(), track)
            }
        };
        if let Some(key) = &track.key
            && let Some(first) = self.world.event_keys.get(&(lead, key.clone())).copied()
        {
            return Answer::Tracked(self.tracked(lead, first, true, usize::MAX));
        }
        let first_message = self.world.out.messages.len();
        let session = track
            .session
            .then(|| self.visit(tenant, lead, track))
            .flatten();
        let late = track.session && session.is_none();
        let event = EventId::from_raw(self.ids.next(self.now));
        if let Some(key) = &track.key {
            self.world.name_event(tenant.id, lead, key, event);
        }
        if let Some(state) = self.world.lead_mut(lead) {
            state.lead.last_event_at = self.now;
        }
        self.world.out.events.push(super::world::EventRow {
            id: event,
            tenant: tenant.id,
            lead,
            kind: track.kind.clone(),
            at: track.happened,
            received_at: self.now,
            source: track.source.to_owned(),
            actor: None,
            session,
            properties: track.properties.clone(),
        });
        if let Some((name, value)) =
            crate::signals::kept(&track.kind, &track.properties, track.happened)
        {
            self.keep_attribute(lead, name, value);
        }
        let happening = Happening {
            public: track.public,
            late,
            ..Happening::new(
                event,
                &track.kind,
                track.source,
                track.happened,
                &track.properties,
            )
        };
        let product = self.product_of(tenant, lead, &happening);
        let happening = Happening {
            product: product.as_deref(),
            ..happening
        };
        self.guarded(
            tenant,
            lead,
            || format!("{} {}", track.kind, track.properties),
            |turn| turn.react(tenant, lead, &happening),
        );
        Answer::Tracked(self.tracked(lead, event, false, first_message))
    }

    /// The lead behind a browser's names; a name that is new makes one, and what identify tells is taken in.
    fn named(
        &mut self,
        tenant: &Arc<Tenant>,
        anonymous: Option<&str>,
        user: Option<&str>,
        track: &Track,
    ) -> LeadId {
        let key = |kind, value: &str| PointKey {
            tenant: tenant.id,
            kind,
            value: value.to_owned(),
        };
        let mut keys = Vec::with_capacity(4);
        if let Some(user) = user {
            keys.push(key(PointKind::User, user));
        }
        if let Some(anonymous) = anonymous {
            keys.push(key(PointKind::Anonymous, anonymous));
        }
        let traits = track.traits.as_deref();
        if let Some(capture) = traits {
            if let Some(phone) = &capture.phone {
                keys.push(key(PointKind::Phone, phone.as_str()));
            }
            if let Some(email) = &capture.email {
                keys.push(key(PointKind::Email, &email.key()));
            }
        }
        let vouched = if track.public {
            super::capture::Vouched::ByNobody
        } else {
            super::capture::Vouched::ByKey
        };
        let (lead, _) = self.resolve(tenant, &keys, vouched);
        for key in keys {
            let taken = self
                .world
                .point(&key)
                .and_then(|point| point.lead)
                .is_some_and(|owner| self.own(tenant, owner) != Some(lead));
            if track.public && taken {
                continue; // a known person's number or address stays theirs
            }
            // A public key never grants anything: what a browser claims is no enquiry (S1, US-2).
            self.attach(tenant, lead, key, false);
        }
        self.learn_traits(tenant, lead, traits, track);
        lead
    }

    fn learn_traits(
        &mut self,
        tenant: &Arc<Tenant>,
        lead: LeadId,
        traits: Option<&Capture>,
        track: &Track,
    ) {
        let now = self.now;
        let Some(state) = self.world.lead_mut(lead) else {
            return;
        };
        if state.lead.source.is_none() {
            state.lead.source = Some(track.source.to_owned());
        }
        if let Some(capture) = traits {
            state
                .lead
                .learn(capture.profile.clone(), Overwrite::Gaps, now);
            if state.lead.phone.is_none() {
                state.lead.phone = capture
                    .phone
                    .as_ref()
                    .map(|phone| phone.as_str().to_owned());
            }
            if state.lead.email.is_none() {
                state.lead.email = capture
                    .email
                    .as_ref()
                    .map(|email| email.as_str().to_owned());
            }
            state.lead.anonymous &= state.lead.phone.is_none() && state.lead.email.is_none();
        }
        if state.lead.products.is_empty()
            && let Some(product) = tenant.config.default_product()
        {
            super::capture::place(tenant, &mut state.lead, product, now);
        }
    }

    /// Puts the event into the lead's session: the last one when it is less than 30 minutes away, else a new one.
    fn visit(&mut self, tenant: &Arc<Tenant>, lead: LeadId, track: &Track) -> Option<SessionId> {
        let at = track.happened.as_microsecond();
        let fresh = SessionId::from_raw(self.ids.next(self.now));
        let _ = tenant;
        let state = self.world.lead_mut(lead)?;
        let goes_on = state.session.as_ref().is_some_and(|session| {
            at < session.last_at.as_microsecond() + SESSION_GAP
                && at > session.started_at.as_microsecond() - SESSION_GAP
        });
        if !goes_on {
            // An event from long before the last session (a late batch) joins no session: it is history, not a visit.
            if state
                .session
                .as_ref()
                .is_some_and(|session| at <= session.started_at.as_microsecond() - SESSION_GAP)
            {
                return None;
            }
            let number = state
                .session
                .as_ref()
                .map_or(1, |session| session.number + 1);
            // A new visit begins with an empty slate: an emergency next week alerts again (S5).
            state
                .scores
                .retain(|row| row.session.is_none() || row.dirty);
            state.session = Some(Session {
                id: fresh,
                number,
                started_at: track.happened,
                last_at: track.happened,
                data: SessionData::default(),
                new: true,
                dirty: true,
            });
        }
        let session = state.session.as_mut()?;
        session.dirty = true;
        session.last_at = session.last_at.max(track.happened);
        see(&mut session.data, track);
        Some(session.id)
    }

    fn tracked(&self, lead: LeadId, event: EventId, repeated: bool, since: usize) -> Tracked {
        let scores = self.world.lead(lead).map(|state| {
            let rows = state.scores.iter().filter(|row| {
                row.session.is_none()
                    || row.session == state.session.as_ref().map(|session| session.id)
            });
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
        });
        Tracked {
            id: event,
            lead_id: lead,
            repeated,
            scores: scores.unwrap_or_default(),
            messages: self.views(lead, since),
        }
    }
}

/// Takes an event of long ago into what its session saw, as far as its properties tell.
pub(super) fn replay(data: &mut SessionData, kind: &str, properties: &serde_json::Value) {
    let path = properties["path"].as_str().map(str::to_owned);
    let referrer = properties["referrer"].as_str().map(str::to_owned);
    if let Some(path) = path.filter(|_| kind == "page") {
        saw(data, &path);
    }
    if data.referrer.is_none() {
        data.referrer = referrer;
    }
}

fn saw(data: &mut SessionData, path: &str) {
    data.views += 1;
    data.first_path.get_or_insert_with(|| path.to_owned());
    if data.paths.len() < MOST_PATHS && !data.paths.iter().any(|seen| seen == path) {
        data.paths.push(path.to_owned());
    }
}

/// Takes a page view into what the session saw.
fn see(data: &mut SessionData, track: &Track) {
    if let Some(path) = &track.visit.path
        && track.kind == "page"
    {
        saw(data, path);
    }
    if data.referrer.is_none() {
        data.referrer.clone_from(&track.visit.referrer);
    }
    if data.utm.is_null()
        && track
            .visit
            .utm
            .as_object()
            .is_some_and(|utm| !utm.is_empty())
    {
        data.utm = track.visit.utm.clone();
    }
}

/// Seconds between the first event of a session and `at`; never negative.
pub(super) fn seconds(session: &Session, at: Timestamp) -> i64 {
    ((session.last_at.max(at).as_microsecond() - session.started_at.as_microsecond()) / 1_000_000)
        .max(0)
}
