//! What an event causes: points, tiers, stages, workflows. One queue, so that a consequence is treated like what caused it.

use super::world::{EventRow, LeadState, Run, ScoreRow, Session, SessionData};
use super::{Fault, Tenant, Turn};
use crate::conditions::{EventFacts, Facts, LeadFacts, SessionFacts, TimeFacts};
use crate::config::Versioned;
use crate::ids::{EventId, LeadId};
use crate::scoring::{Scope, ScoreModel, ScoreState};
use crate::time::Timestamp;
use crate::workflows::Trigger;
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
    /// The product it is about, where it says so: those of others do not hear it (W6).
    pub(super) product: Option<&'a str>,
}

impl<'a> Happening<'a> {
    /// Something that this house brought about.
    pub(super) const fn new(
        event: EventId,
        kind: &'a str,
        source: &'a str,
        at: Timestamp,
        properties: &'a Value,
    ) -> Self {
        Self {
            event,
            kind,
            also: None,
            at,
            source,
            form: None,
            properties,
            public: false,
            late: false,
            product: None,
        }
    }

    /// The event that began a run.
    pub(super) fn of(run: &'a Run) -> Self {
        let story = &run.data["event"];
        let at = story["at"].as_str().and_then(|at| at.parse().ok());
        Self {
            form: story["form"].as_str(),
            ..Self::new(
                run.event,
                story["type"].as_str().unwrap_or_default(),
                story["source"].as_str().unwrap_or_default(),
                at.unwrap_or(run.created_at),
                &story["properties"],
            )
        }
    }
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
                        other => other.hears(happening.kind, happening.also, happening.properties),
                    })?;
                    self.progress(tenant, lead, happening, None)?;
                }
                Next::Tier { model, tier } => {
                    let reached = json!({"model": model, "tier": tier});
                    self.note(tenant.id, lead, "tier.entered", "score", None, reached);
                    self.ring(lead);
                    self.trigger(tenant, lead, happening, |trigger| matches!(trigger, Trigger::TierEntered { model: m, tier: t } if *m == model && *t == tier))?;
                    self.progress(tenant, lead, happening, Some((&model, &tier)))?;
                }
            }
        }
        self.segments(tenant, lead)
    }

    /// Moves the lead where its products say that it goes by itself: by points, by an event, by a tier (S7, L9). A move that the pipeline
    /// or a guard does not allow is not made.
    fn progress(
        &mut self,
        tenant: &Arc<Tenant>,
        lead: LeadId,
        happening: &Happening<'_>,
        tier: Option<(&str, &str)>,
    ) -> Result<(), Fault> {
        let config = Arc::clone(&tenant.config);
        let placements = self
            .world
            .lead(lead)
            .map(|state| state.lead.products.clone())
            .unwrap_or_default();
        for placement in placements {
            let Some(product) = config.product(&placement.product) else {
                continue;
            };
            if happening.product.is_some_and(|other| other != product.name) {
                continue;
            }
            let mut to: Option<(&str, String)> = None;
            if let (Some(qualification), None) = (&product.qualification, tier) {
                let points = self.points_in(tenant, lead, &product.name);
                let ahead = product.place(&qualification.stage) > product.place(&placement.stage);
                if points >= qualification.points && ahead {
                    let why = format!("{points} points, and {} qualify", qualification.points);
                    to = Some((&qualification.stage, why));
                }
            }
            let facts_hold = |when: &crate::conditions::Condition| {
                self.world.lead(lead).is_some_and(|state| {
                    let product = Some(product.name.as_str());
                    when.holds(&facts(
                        tenant,
                        state,
                        Some(happening),
                        self.now,
                        None,
                        product,
                    ))
                })
            };
            let fits = |one: &&crate::config::Progress| {
                let cause = match tier {
                    Some((model, tier)) => {
                        one.tier.as_deref() == Some(tier)
                            && product.score_model.as_deref() == Some(model)
                    }
                    None => {
                        one.tier.is_none()
                            && one.event.as_deref().is_none_or(|kind| {
                                kind == happening.kind || Some(kind) == happening.also
                            })
                    }
                };
                cause
                    && one.to != placement.stage
                    && one
                        .from
                        .as_ref()
                        .is_none_or(|from| *from == placement.stage)
                    && one.when.as_ref().is_none_or(facts_hold)
            };
            if let Some(one) = product.progression.iter().find(fits) {
                let why = tier.map_or_else(
                    || happening.kind.to_owned(),
                    |(_, tier)| format!("tier {tier}"),
                );
                to = Some((&one.to, why));
            }
            if let Some((stage, why)) = to {
                self.burn()?;
                // What the pipeline does not allow is no mistake of the event's.
                let _ = self.move_stage(
                    tenant,
                    lead,
                    Some(&product.name),
                    stage,
                    Some(&why),
                    "progression",
                );
            }
        }
        Ok(())
    }

    /// Points of the lead in the score model of a product, in its last visit for a model of visits.
    fn points_in(&self, tenant: &Tenant, lead: LeadId, product: &str) -> i64 {
        let Some(state) = self.world.lead(lead) else {
            return 0;
        };
        standing(tenant, state, product).map_or(0, |row| row.state.points)
    }

    /// From now on the lead waits for a person of ours.
    pub(super) fn ring(&mut self, lead: LeadId) {
        let now = self.now;
        if let Some(state) = self.world.lead_mut(lead)
            && (state.lead.ringing_since.is_none() || state.lead.answered_at.is_some())
        {
            state.lead.ringing_since = Some(now);
            state.lead.answered_at = None;
            state.lead.answered_by = None;
            state.lead.alerted.clear();
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
        for product in products.iter().filter(|product| {
            happening
                .product
                .is_none_or(|other| other == product.as_str())
        }) {
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
        let facts = facts_at(
            tenant,
            state,
            Some(happening),
            self.now,
            None,
            clock_at,
            model.product.as_deref(),
        );
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

/// The standing of a lead in the score model of a product: of its last visit for a model of visits.
pub(super) fn standing<'a>(
    tenant: &Tenant,
    state: &'a LeadState,
    product: &str,
) -> Option<&'a ScoreRow> {
    let model = &tenant.config.model_of(product)?.name;
    state.scores.iter().rev().find(|row| row.model == *model)
}

/// The state that a lead's whole history leads to in a model (S6): of its last visit for a model of visits. What the lead was like at the
/// time of each event is not known any more, so it is taken as it is today.
pub(super) fn recompute(
    tenant: &Tenant,
    state: &LeadState,
    model: &ScoreModel,
    history: &[EventRow],
) -> (Option<crate::ids::SessionId>, ScoreState) {
    let last = state.session.as_ref().map(|session| session.id);
    let of_visit = model.scope == Scope::Session;
    let session = if of_visit { last } else { None };
    let mut scratch = LeadState {
        session: None,
        scores: Vec::new(),
        runs: Vec::new(),
        points: Vec::new(),
        ..state.clone()
    };
    let mut fresh = ScoreState::default();
    let mut number = 0;
    for event in history {
        if let Some(id) = event.session {
            if scratch.session.as_ref().map(|session| session.id) != Some(id) {
                number += 1;
                scratch.session = Some(Session {
                    id,
                    number,
                    started_at: event.at,
                    last_at: event.at,
                    data: SessionData::default(),
                    new: false,
                    dirty: false,
                });
            }
            if let Some(session) = &mut scratch.session {
                session.last_at = session.last_at.max(event.at);
                super::track::replay(&mut session.data, &event.kind, &event.properties);
            }
        }
        if of_visit && (event.session.is_none() || event.session != last) {
            continue;
        }
        let happening = Happening::new(
            event.id,
            &event.kind,
            &event.source,
            event.at,
            &event.properties,
        );
        let clock_at = match (&scratch.session, of_visit) {
            (Some(session), true) => session.started_at,
            _ => event.at,
        };
        let facts = facts_at(
            tenant,
            &scratch,
            Some(&happening),
            event.at,
            None,
            clock_at,
            model.product.as_deref(),
        );
        crate::scoring::score(model, &mut fresh, &facts);
    }
    (session, fresh)
}

/// What conditions may look at, borrowed from what is known. `product` is the one at hand (W6).
pub(super) fn facts<'a>(
    tenant: &'a Tenant,
    state: &'a LeadState,
    happening: Option<&Happening<'a>>,
    now: Timestamp,
    run: Option<&'a Value>,
    product: Option<&'a str>,
) -> Facts<'a> {
    let clock_at = happening.map_or(now, |happening| happening.at);
    facts_at(tenant, state, happening, now, run, clock_at, product)
}

/// The same under the tenant's clock as it stood at `clock_at`.
fn facts_at<'a>(
    tenant: &'a Tenant,
    state: &'a LeadState,
    happening: Option<&Happening<'a>>,
    now: Timestamp,
    run: Option<&'a Value>,
    clock_at: Timestamp,
    product: Option<&'a str>,
) -> Facts<'a> {
    let lead = &state.lead;
    // Stage, points and tier are those of the product at hand; without one, of the product that lists show.
    let at_hand = product.and_then(|name| {
        let mut placements = lead.products.iter();
        placements.find(|placement| placement.product == name)
    });
    let (stage, product, points, tier) = match at_hand {
        Some(placement) if Some(placement.product.as_str()) != lead.product() => {
            let row = standing(tenant, state, &placement.product);
            (
                Some(placement.stage.as_str()),
                Some(placement.product.as_str()),
                row.map_or(0, |row| row.state.points),
                row.and_then(|row| row.state.tier.as_deref()),
            )
        }
        _ => (
            lead.stage(),
            lead.product(),
            lead.points,
            lead.tier.as_deref(),
        ),
    };
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
            stage,
            product,
            tier,
            city: lead.city.as_deref(),
            state: lead.state.as_deref(),
            zip: lead.zip.as_deref(),
            country: lead.country.as_deref(),
            points,
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
