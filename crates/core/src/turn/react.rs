//! What an event causes: points, tiers, stages, workflows. One queue, so that a consequence is treated like what caused it.

use super::world::{LeadState, ScoreRow};
use super::{Fault, Tenant, Turn};
use crate::conditions::{EventFacts, Facts, LeadFacts, SessionFacts, TimeFacts};
use crate::config::Versioned;
use crate::ids::{EventId, LeadId};
use crate::scoring::{Scope, ScoreModel, ScoreState};
use crate::time::Timestamp;
use crate::workflows::definition::Trigger;
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::sync::Arc;

/// Something that happened to a lead, as rules and workflows see it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Happening<'a> {
    pub(super) event: EventId,
    pub(super) kind: &'a str,
    /// A second name that triggers may use (`lead.created` beside `lead.captured`).
    pub(super) also: Option<&'a str>,
    pub(super) at: Timestamp,
    pub(super) source: &'a str,
    pub(super) form: Option<&'a str>,
    pub(super) properties: &'a Value,
    /// Only a public write key vouches for it.
    pub(super) public: bool,
    /// It belongs to a time before the present visit: history, no part of it.
    pub(super) late: bool,
}

/// A consequence that workflows may be triggered by.
enum Next {
    Event,
    Tier { model: String, tier: String },
}

impl Turn<'_> {
    pub(super) fn react(
        &mut self,
        tenant: &Arc<Tenant>,
        lead: LeadId,
        happening: &Happening<'_>,
    ) -> Result<(), Fault> {
        #[cfg(feature = "seeded-bugs")]
        assert!(happening.kind != "test.panic", "a bug that a test put here");
        let mut queue: VecDeque<Next> = VecDeque::from([Next::Event]);
        for (model, tier) in self.score(tenant, lead, happening) {
            queue.push_back(Next::Tier { model, tier });
        }
        while let Some(next) = queue.pop_front() {
            self.burn()?;
            match next {
                Next::Event => {
                    self.resume_waiting(tenant, lead, happening)?;
                    self.trigger(tenant, lead, happening, |trigger| match trigger {
                        Trigger::LeadCaptured { form } => {
                            happening.kind == "lead.captured"
                                && form
                                    .as_deref()
                                    .is_none_or(|form| happening.form == Some(form))
                        }
                        Trigger::Event { types } => types.iter().any(|kind| {
                            kind == happening.kind || Some(kind.as_str()) == happening.also
                        }),
                        _ => false,
                    })?;
                }
                Next::Tier { model, tier } => {
                    let reached = json!({"model": model, "tier": tier});
                    self.note(tenant.id, lead, "tier.entered", "score", None, reached);
                    self.ring(lead, happening.at);
                    self.trigger(tenant, lead, happening, |trigger| matches!(trigger, Trigger::TierEntered { model: m, tier: t } if *m == model && *t == tier))?;
                }
            }
        }
        Ok(())
    }

    /// From now on the lead waits for a person of ours.
    fn ring(&mut self, lead: LeadId, _at: Timestamp) {
        let now = self.now;
        if let Some(state) = self.world.lead_mut(lead)
            && (state.lead.ringing_since.is_none() || state.lead.answered_at.is_some())
        {
            state.lead.ringing_since = Some(now);
            state.lead.answered_at = None;
            state.lead.answered_by = None;
        }
    }

    /// Awards the points of every model of the lead's products. Answers the tiers that were newly entered.
    fn score(
        &mut self,
        tenant: &Arc<Tenant>,
        lead: LeadId,
        happening: &Happening<'_>,
    ) -> Vec<(String, String)> {
        let Some(state) = self.world.lead(lead) else {
            return Vec::new();
        };
        let products: Vec<String> = state
            .lead
            .products
            .iter()
            .map(|placement| placement.product.clone())
            .collect();
        let config = Arc::clone(&tenant.config);
        let mut done: Vec<&str> = Vec::new();
        let mut entered = Vec::new();
        for product in &products {
            for model in config.models_of(product) {
                if done.contains(&model.name.as_str()) {
                    continue;
                }
                done.push(&model.name);
                if let Some(tier) = self.score_one(tenant, lead, happening, model) {
                    entered.push((model.name.clone(), tier));
                }
            }
        }
        entered
    }

    fn score_one(
        &mut self,
        tenant: &Arc<Tenant>,
        lead: LeadId,
        happening: &Happening<'_>,
        model: &Versioned<ScoreModel>,
    ) -> Option<String> {
        let state = self.world.lead(lead)?;
        let session = match model.scope {
            Scope::Session if happening.late => return None,
            Scope::Session => Some(state.session.as_ref()?.id),
            Scope::Lead => None,
        };
        let name = model.name.as_str();
        let at = state
            .scores
            .iter()
            .position(|row| row.model == name && row.session == session);
        let mut score_state =
            at.map_or_else(ScoreState::default, |at| state.scores[at].state.clone());
        // The hour of a visit is that of its first event (S3), whatever comes in later and from where.
        let clock_at = match (model.scope, &state.session) {
            (Scope::Session, Some(session)) => session.started_at,
            _ => happening.at,
        };
        let facts = facts_at(tenant, state, Some(happening), self.now, None, clock_at);
        let scored = crate::scoring::score(model, &mut score_state, &facts);
        if scored.awards.is_empty() && scored.entered.is_none() {
            return None;
        }
        let (points, tier) = (score_state.points, score_state.tier.clone());
        for award in scored.awards {
            self.world.out.ledger.push(super::world::LedgerRow {
                tenant: tenant.id,
                lead,
                model: name.to_owned(),
                version: model.version,
                session,
                rule: award.rule,
                points: award.points,
                event: happening.event,
                at: happening.at,
                why: award.why,
            });
        }
        let shown = tenant
            .config
            .shown_model(self.world.lead(lead)?.lead.product())
            == Some(name);
        let state = self.world.lead_mut(lead)?;
        match at {
            Some(at) => {
                state.scores[at].state = score_state;
                state.scores[at].dirty = true;
            }
            None => state.scores.push(ScoreRow {
                model: name.to_owned(),
                session,
                state: score_state,
                new: true,
                dirty: true,
            }),
        }
        if shown {
            state.lead.points = points;
            state.lead.tier = tier;
        }
        scored.entered
    }
}

/// What conditions may look at, borrowed from what is known.
pub(super) fn facts<'a>(
    tenant: &'a Tenant,
    state: &'a LeadState,
    happening: Option<&Happening<'a>>,
    now: Timestamp,
    run: Option<&'a Value>,
) -> Facts<'a> {
    let clock_at = happening.map_or(now, |happening| happening.at);
    facts_at(tenant, state, happening, now, run, clock_at)
}

/// The same under the tenant's clock as it stood at `clock_at`.
fn facts_at<'a>(
    tenant: &'a Tenant,
    state: &'a LeadState,
    happening: Option<&Happening<'a>>,
    now: Timestamp,
    run: Option<&'a Value>,
    clock_at: Timestamp,
) -> Facts<'a> {
    let lead = &state.lead;
    Facts {
        event: happening.map(|one| EventFacts {
            kind: one.kind,
            at: one.at,
            source: one.source,
            properties: one.properties,
        }),
        lead: LeadFacts {
            first_name: lead.first_name.as_deref(),
            last_name: lead.last_name.as_deref(),
            email: lead.email.as_deref(),
            phone: lead.phone.as_deref(),
            source: lead.source.as_deref(),
            stage: lead.stage(),
            product: lead.product(),
            tier: lead.tier.as_deref(),
            city: lead.city.as_deref(),
            state: lead.state.as_deref(),
            zip: lead.zip.as_deref(),
            country: lead.country.as_deref(),
            points: lead.points,
            attributes: &lead.attributes,
            tags: &lead.tags,
            created_at: lead.created_at,
            anonymous: lead.anonymous,
        },
        session: state.session.as_ref().map(|session| SessionFacts {
            number: session.number,
            started_at: session.started_at,
            seconds: super::track::seconds(session, happening.map_or(now, |one| one.at)),
            views: session.data.views,
            paths: &session.data.paths,
            first_path: session.data.first_path.as_deref(),
            referrer: session.data.referrer.as_deref(),
            utm: &session.data.utm,
        }),
        time: time_at(tenant, clock_at),
        zone: &tenant.zone,
        run,
        now,
    }
}

/// What the clock on the tenant's wall says.
fn time_at(tenant: &Tenant, at: Timestamp) -> TimeFacts {
    let hours = tenant.config.settings.hours_at(at, &tenant.zone);
    TimeFacts {
        after_hours: hours.after_hours,
        weekend: hours.weekend,
        business_hours: hours.open,
        holiday: hours.holiday,
        hour: hours.hour,
        weekday: hours.weekday,
    }
}
