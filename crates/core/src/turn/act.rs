//! What people of the business do with leads and messages: edit, move, merge, delete, take, cancel. Dead letters are in `dead`.

use super::react::Happening;
use super::world::{AuditRow, LeadState, PointKey, PointKind, RunState, ScoreRow};
use super::{Answer, Edit, StageMove, Tenant, Turn};
use crate::ids::{LeadId, MessageId};
use crate::leads::Overwrite;
use crate::messages::{Reason, Status};
use serde_json::{Value, json};
use std::sync::Arc;

impl Turn<'_> {
    pub(super) fn audit(&mut self, tenant: &Tenant, actor: &str, action: &str, details: Value) {
        self.world.out.audit.push(AuditRow {
            tenant: tenant.id,
            actor: actor.to_owned(),
            address: None,
            action: action.to_owned(),
            details,
            at: self.now,
        });
    }

    pub(super) fn edit(&mut self, tenant: &Arc<Tenant>, edit: &Edit) -> Answer {
        let Some(lead) = self.own(tenant, edit.lead) else {
            return Answer::NotFound;
        };
        let mut keys = Vec::new();
        if let Some(phone) = &edit.phone {
            keys.push(PointKey {
                tenant: tenant.id,
                kind: PointKind::Phone,
                value: phone.as_str().to_owned(),
            });
        }
        if let Some(email) = &edit.email {
            keys.push(PointKey {
                tenant: tenant.id,
                kind: PointKind::Email,
                value: email.key(),
            });
        }
        for key in &keys {
            if let Some(other) = self
                .world
                .point(key)
                .and_then(|point| point.lead)
                .and_then(|other| self.own(tenant, other))
                && other != lead
            {
                return Answer::Refused {
                    code: "belongs_to_another_lead",
                    detail: format!("This contact belongs to lead {other}. Merge the two instead."),
                    field: Some(if key.kind == PointKind::Phone {
                        "phone"
                    } else {
                        "email"
                    }),
                };
            }
        }
        for key in keys {
            self.attach(tenant, lead, key, false);
        }
        let now = self.now;
        let Some(state) = self.world.lead_mut(lead) else {
            return Answer::NotFound;
        };
        let known = &mut state.lead;
        let clears = |name: &str| edit.clear.iter().any(|field| field == name);
        // A list or map that is replaced as a whole is emptied first.
        if clears("attributes") {
            known.attributes = json!({});
        }
        if clears("tags") {
            known.tags.clear();
        }
        known.learn(edit.profile.clone(), Overwrite::Newer, now);
        if let Some(source) = &edit.profile.source {
            known.source = Some(source.clone());
        }
        for field in &edit.clear {
            match field.as_str() {
                "source" => known.source = None,
                "first_name" => known.first_name = None,
                "last_name" => known.last_name = None,
                "city" => known.city = None,
                "state" => known.state = None,
                "zip" => known.zip = None,
                "country" => known.country = None,
                "time_zone" => known.time_zone = None,
                name => {
                    if let (Some(name), Value::Object(attributes)) =
                        (name.strip_prefix("attributes."), &mut known.attributes)
                    {
                        attributes.remove(name);
                    }
                }
            }
        }
        if let Some(phone) = &edit.phone {
            known.phone = Some(phone.as_str().to_owned());
        }
        if let Some(email) = &edit.email {
            known.email = Some(email.as_str().to_owned());
        }
        known.anonymous &= known.phone.is_none() && known.email.is_none();
        known.updated_at = now;
        for (field, kind) in [("phone", PointKind::Phone), ("email", PointKind::Email)] {
            if edit.clear.iter().any(|name| name == field) {
                self.detach(lead, kind);
            }
        }
        let event = self.note(
            tenant.id,
            lead,
            "lead.edited",
            "api",
            Some(&edit.actor),
            json!({"cleared": edit.clear}),
        );
        let properties = json!({"cleared": edit.clear});
        let happening = Happening::new(event, "lead.edited", "api", now, &properties);
        self.guarded(
            tenant,
            lead,
            || properties.to_string(),
            |turn| {
                turn.resume_waiting(tenant, lead, &happening)?;
                turn.trigger(tenant, lead, &happening, |trigger| {
                    trigger.hears(happening.kind, None, &properties)
                })?;
                turn.segments(tenant, lead)
            },
        );
        Answer::Done
    }

    /// Takes the contact points of a kind off a lead; what is known of them (consent, suppression) stays with them.
    fn detach(&mut self, lead: LeadId, kind: PointKind) {
        let now = self.now;
        let Some(state) = self.world.lead_mut(lead) else {
            return;
        };
        let (gone, kept) = std::mem::take(&mut state.points)
            .into_iter()
            .partition(|key| key.kind == kind);
        state.points = kept;
        match kind {
            PointKind::Phone => state.lead.phone = None,
            PointKind::Email => state.lead.email = None,
            PointKind::Anonymous | PointKind::User => {}
        }
        let gone: Vec<PointKey> = gone;
        for key in gone {
            self.world.point_mut(&key, now).lead = None;
        }
    }

    pub(super) fn stage(&mut self, tenant: &Arc<Tenant>, order: &StageMove) -> Answer {
        let Some(lead) = self.own(tenant, order.lead) else {
            return Answer::NotFound;
        };
        match self.move_stage(
            tenant,
            lead,
            order.product.as_deref(),
            &order.stage,
            order.reason.as_deref(),
            &order.actor,
        ) {
            Ok(()) => Answer::Done,
            Err(detail) => Answer::Refused {
                code: "stage_not_allowed",
                detail,
                field: Some("stage"),
            },
        }
    }

    /// Moves a lead in its pipeline when the product allows it, and lets workflows know (L9).
    pub(super) fn move_stage(
        &mut self,
        tenant: &Arc<Tenant>,
        lead: LeadId,
        product: Option<&str>,
        stage: &str,
        reason: Option<&str>,
        actor: &str,
    ) -> Result<(), String> {
        let state = self.world.lead(lead).ok_or("the lead is gone")?;
        let product = product
            .or_else(|| state.lead.product())
            .map(str::to_owned)
            .ok_or("The lead is in no product yet.")?;
        let at = state
            .lead
            .products
            .iter()
            .position(|placement| placement.product == product);
        let from = at.map(|at| state.lead.products[at].stage.clone());
        if from.as_deref() == Some(stage) {
            return Ok(());
        }
        tenant.config.may_move(&product, from.as_deref(), stage)?;
        let config = Arc::clone(&tenant.config);
        let pipeline = config.product(&product);
        for guard in pipeline.map_or_else(Vec::new, |one| one.guards(from.as_deref(), stage)) {
            let facts = super::react::facts(tenant, state, None, self.now, None, Some(&product));
            if !guard.holds(&facts) {
                return Err(format!(
                    "`{stage}` is for leads of which this holds: {}.",
                    guard.describe()
                ));
            }
        }
        let terminal = pipeline
            .and_then(|one| one.stage(stage))
            .is_some_and(|one| one.terminal);
        let now = self.now;
        if let Some(state) = self.world.lead_mut(lead) {
            let placement = crate::leads::Placement {
                product: product.clone(),
                stage: stage.to_owned(),
                since: now.as_microsecond(),
            };
            match at {
                Some(at) => state.lead.products[at] = placement,
                None => state.lead.products.push(placement),
            }
            state.lead.updated_at = now;
        }
        let properties = json!({"product": product, "from": from, "to": stage, "reason": reason});
        let event = self.note(
            tenant.id,
            lead,
            "stage.changed",
            "stage",
            Some(actor),
            properties.clone(),
        );
        let happening = Happening {
            product: Some(&product),
            ..Happening::new(event, "stage.changed", "stage", now, &properties)
        };
        self.burn().map_err(|fault| fault.to_string())?;
        if terminal {
            self.close_runs(tenant, lead, &product, stage);
        }
        self.guarded(
            tenant,
            lead,
            || properties.to_string(),
            |turn| {
                turn.resume_waiting(tenant, lead, &happening)?;
                turn.trigger(tenant, lead, &happening, |trigger| match trigger {
                    crate::workflows::Trigger::StageChanged { product: p, to } => {
                        p.as_deref().is_none_or(|p| p == product)
                            && to.as_deref().is_none_or(|to| to == stage)
                    }
                    other => other.hears("stage.changed", None, &properties),
                })?;
                turn.segments(tenant, lead)
            },
        );
        Ok(())
    }

    /// Nothing more is to be done for the lead in this product: what runs for it ends (L9). The run that brought it there goes on.
    fn close_runs(&mut self, tenant: &Arc<Tenant>, lead: LeadId, product: &str, stage: &str) {
        let Some(state) = self.world.lead(lead) else {
            return;
        };
        let over = |placement: &crate::leads::Placement| {
            let known = tenant.config.product(&placement.product);
            known
                .and_then(|one| one.stage(&placement.stage))
                .is_some_and(|one| one.terminal)
        };
        let everywhere = state.lead.products.iter().all(over);
        let ends: Vec<crate::ids::RunId> = state
            .runs
            .iter()
            .filter(|run| run.state == RunState::Open && !self.walking.contains(&run.id))
            .filter(|run| {
                let workflow = tenant.config.workflow_version(&run.workflow, run.version);
                match workflow.and_then(|workflow| workflow.product.as_deref()) {
                    Some(of) => of == product,
                    None => everywhere,
                }
            })
            .map(|run| run.id)
            .collect();
        let why = format!("the lead is in {stage}");
        for run in ends {
            self.finish(tenant, lead, run, RunState::Stopped, &why);
        }
        if everywhere {
            self.out_of_hands(tenant, lead);
        }
    }

    /// A person of ours says who has a lead from now on (D1).
    pub(super) fn assign_by_hand(
        &mut self,
        tenant: &Arc<Tenant>,
        lead: LeadId,
        to: &str,
        actor: &str,
    ) -> Answer {
        let Some(lead) = self.own(tenant, lead) else {
            return Answer::NotFound;
        };
        if !tenant.staff.iter().any(|one| one.name == to) {
            return Answer::Refused {
                code: "unknown_staff",
                detail: format!("There is no staff member {to}."),
                field: Some("to"),
            };
        }
        self.give(tenant, lead, to, "staff", actor);
        Answer::Done
    }

    pub(super) fn merge_by_hand(
        &mut self,
        tenant: &Arc<Tenant>,
        from: LeadId,
        into: LeadId,
        actor: &str,
    ) -> Answer {
        let (Some(from), Some(into)) = (self.own(tenant, from), self.own(tenant, into)) else {
            return Answer::NotFound;
        };
        if from == into {
            return Answer::Refused {
                code: "same_lead",
                detail: "A lead cannot be merged with itself.".into(),
                field: Some("into"),
            };
        }
        self.merge(tenant, from, into);
        self.audit(
            tenant,
            actor,
            "lead.merge",
            json!({"from": from, "into": into}),
        );
        Answer::Done
    }

    /// Two leads are one: all history of the first becomes the second's, and nothing known is lost (L7).
    pub(super) fn merge(&mut self, tenant: &Arc<Tenant>, from: LeadId, into: LeadId) {
        let Some(source) = self.world.lead_mut(from).cloned() else {
            return;
        };
        let now = self.now;
        if let Some(state) = self.world.lead_mut(from) {
            state.lead.merged_into = Some(into);
            state.lead.updated_at = now;
            state.points.clear();
            state.runs.clear();
            state.scores.clear();
            state.session = None;
        }
        for key in &source.points {
            self.world.point_mut(key, now).lead = Some(into);
        }
        self.world.out.merges.push((from, into));
        let doubled = match self.world.lead_mut(into) {
            Some(target) => absorb(tenant, target, &source, now),
            None => Vec::new(),
        };
        self.repoint(from, into);
        let reference = tenant.references.write(source.lead.number);
        let event = self.note(
            tenant.id,
            into,
            "lead.merged",
            "merge",
            None,
            json!({"from": from, "reference": reference}),
        );
        for (model, rule, points) in doubled {
            // Both had the rule: the ledger keeps both awards and takes the second back, so that its sum stays the score (S2).
            self.world.out.ledger.push(super::world::LedgerRow {
                tenant: tenant.id,
                lead: into,
                version: tenant
                    .config
                    .models
                    .get(&model)
                    .map_or(0, |model| model.version),
                model,
                session: None,
                rule,
                points: -points,
                event,
                at: now,
                why: vec!["counted once after a merge".into()],
            });
        }
    }

    /// Rows of this turn that speak of the first lead speak of the second from now on.
    fn repoint(&mut self, from: LeadId, into: LeadId) {
        let out = &mut self.world.out;
        for event in out.events.iter_mut().filter(|event| event.lead == from) {
            event.lead = into;
        }
        for row in out.ledger.iter_mut().filter(|row| row.lead == from) {
            row.lead = into;
        }
        for message in out
            .messages
            .iter_mut()
            .filter(|message| message.lead == Some(from))
        {
            message.lead = Some(into);
        }
        for row in out.consents.iter_mut().filter(|row| row.lead == Some(from)) {
            row.lead = Some(into);
        }
        for name in out.event_keys.iter_mut().filter(|name| name.1 == from) {
            name.1 = into;
        }
        let names: Vec<_> = self
            .world
            .event_keys
            .iter()
            .filter(|((lead, _), _)| *lead == from)
            .map(|((_, key), event)| (key.clone(), *event))
            .collect();
        for (key, event) in names {
            self.world.event_keys.insert((into, key), event);
        }
    }

    pub(super) fn delete(&mut self, tenant: &Arc<Tenant>, lead: LeadId, actor: &str) -> Answer {
        let Some(lead) = self.own(tenant, lead) else {
            return Answer::NotFound;
        };
        self.end_all_of(tenant, lead);
        let now = self.now;
        let points = self
            .world
            .lead(lead)
            .map(|state| state.points.clone())
            .unwrap_or_default();
        // Whoever comes with these contact points from now on is somebody new.
        let before = self.ids.next(now);
        self.world.out.journal.push(super::JournalEntry::Erased {
            tenant: tenant.id,
            lead,
            before,
            points,
            marks: Vec::new(),
            at: now,
        });
        self.world.out.deleted.push((tenant.id, lead));
        self.audit(tenant, actor, "lead.delete", json!({"lead": lead}));
        Answer::Done
    }

    /// What waits for a lead that goes ends.
    pub(super) fn end_all_of(&mut self, tenant: &Tenant, lead: LeadId) {
        let keys = self
            .world
            .lead(lead)
            .map(|state| state.points.clone())
            .unwrap_or_default();
        for key in keys {
            self.world.out.cancels.push(super::world::Cancel {
                tenant: tenant.id,
                recipient: key.value,
                categories: &[
                    crate::messages::Category::Transactional,
                    crate::messages::Category::Promotional,
                ],
                status: Status::Cancelled,
                why: Reason::new("lead_deleted", "The lead was deleted."),
                except: None,
                run: None,
                lead: None,
            });
        }
        // What waits for the lead would ring for ever and find nobody.
        let now = self.now;
        if let Some(state) = self.world.lead_mut(lead) {
            for run in &mut state.runs {
                if run.state == RunState::Open {
                    run.state = RunState::Stopped;
                    run.waits_for = None;
                    run.wake_at = None;
                    run.ended_at = Some(now);
                    run.dirty = true;
                }
            }
        }
    }

    /// A person of ours takes a lead: the first one has it, the others hear who was first (W7).
    pub(super) fn take_lead(&mut self, tenant: &Arc<Tenant>, lead: LeadId, actor: &str) -> Answer {
        let Some(lead) = self.own(tenant, lead) else {
            return Answer::NotFound;
        };
        let now = self.now;
        let Some(state) = self.world.lead_mut(lead) else {
            return Answer::NotFound;
        };
        if let (Some(at), Some(by)) = (state.lead.answered_at, state.lead.answered_by.clone())
            && state.lead.ringing_since.is_some()
        {
            return Answer::Taken {
                now: by == actor,
                by,
                at,
            };
        }
        state.lead.answered_at = Some(now);
        state.lead.answered_by = Some(actor.to_owned());
        state.lead.ringing_since.get_or_insert(now);
        let alerted = state.lead.alerted.clone();
        let waited = state
            .lead
            .ringing_since
            .map(|since| (now.as_microsecond() - since.as_microsecond()) / 1_000_000);
        let properties = json!({"by": actor, "waited_seconds": waited});
        let event = self.note(
            tenant.id,
            lead,
            "lead.acknowledged",
            "staff",
            Some(actor),
            properties.clone(),
        );
        let happening = Happening::new(event, "lead.acknowledged", "staff", now, &properties);
        self.call_off(tenant, lead, &alerted);
        // A link in an alert says who it was for.
        let name = actor.strip_prefix("staff:").unwrap_or(actor);
        if tenant.staff.iter().any(|one| one.name == name) {
            self.give(tenant, lead, name, "staff", actor);
        }
        self.guarded(
            tenant,
            lead,
            || properties.to_string(),
            |turn| turn.react(tenant, lead, &happening),
        );
        Answer::Taken {
            by: actor.to_owned(),
            at: now,
            now: true,
        }
    }

    /// Somebody took the lead: alerts about it that wait for the others do not go any more.
    fn call_off(&mut self, tenant: &Tenant, lead: LeadId, alerted: &[String]) {
        let people = tenant
            .staff
            .iter()
            .filter(|one| alerted.contains(&one.name));
        for address in people.flat_map(|one| [one.phone.clone(), one.email.clone()]) {
            let Some(recipient) = address.map(|address| address.to_lowercase()) else {
                continue;
            };
            self.world.out.cancels.push(super::world::Cancel {
                tenant: tenant.id,
                recipient,
                categories: &[crate::messages::Category::Staff],
                status: Status::Cancelled,
                why: Reason::new("taken", "Somebody took the lead before this went out."),
                except: None,
                run: None,
                lead: Some(lead),
            });
        }
    }

    pub(super) fn cancel(
        &mut self,
        tenant: &Arc<Tenant>,
        message: MessageId,
        actor: &str,
    ) -> Answer {
        let Some(known) = self
            .world
            .messages
            .get(&message)
            .filter(|known| known.tenant == tenant.id)
            .cloned()
        else {
            return Answer::NotFound;
        };
        if !known.status.waits() {
            return Answer::Refused {
                code: "not_waiting",
                detail: format!("It is {} and cannot be taken back.", known.status),
                field: None,
            };
        }
        let mut known = known;
        known.stop(Status::Cancelled);
        self.end(
            &mut known,
            Some(Reason::new("cancelled", format!("Taken back by {actor}."))),
        );
        self.change(known);
        self.audit(tenant, actor, "message.cancel", json!({"message": message}));
        Answer::Done
    }
}

/// Takes over what the other lead had. Answers awards that both had and only one may keep.
fn absorb(
    tenant: &Tenant,
    target: &mut LeadState,
    source: &LeadState,
    now: jiff::Timestamp,
) -> Vec<(String, String, i64)> {
    let (mine, theirs) = (&mut target.lead, &source.lead);
    mine.learn(
        crate::leads::Profile {
            first_name: theirs.first_name.clone(),
            last_name: theirs.last_name.clone(),
            source: theirs.source.clone(),
            city: theirs.city.clone(),
            state: theirs.state.clone(),
            zip: theirs.zip.clone(),
            country: theirs.country.clone(),
            time_zone: theirs.time_zone.clone(),
            attributes: theirs.attributes.as_object().cloned().unwrap_or_default(),
            tags: theirs.tags.clone(),
        },
        Overwrite::Gaps,
        now,
    );
    if mine.phone.is_none() {
        mine.phone.clone_from(&theirs.phone);
    }
    if mine.email.is_none() {
        mine.email.clone_from(&theirs.email);
    }
    mine.test &= theirs.test || theirs.anonymous;
    mine.anonymous &= theirs.anonymous;
    mine.last_event_at = mine.last_event_at.max(theirs.last_event_at);
    mine.created_at = mine.created_at.min(theirs.created_at);
    if mine.ringing_since.is_none() {
        mine.ringing_since = theirs.ringing_since;
        mine.answered_at = theirs.answered_at;
        mine.answered_by.clone_from(&theirs.answered_by);
        mine.alerted.clone_from(&theirs.alerted);
    }
    if mine.owner.is_none() {
        mine.owner.clone_from(&theirs.owner);
        mine.assigned_at = theirs.assigned_at;
    }
    for one in &theirs.inside {
        if !mine.inside.iter().any(|have| have.segment == one.segment) {
            mine.inside.push(one.clone());
        }
    }
    for placement in &theirs.products {
        if !mine
            .products
            .iter()
            .any(|have| have.product == placement.product)
        {
            mine.products.push(placement.clone());
        }
    }
    for key in &source.points {
        if !target.points.contains(key) {
            target.points.push(key.clone());
        }
    }
    target
        .runs
        .extend(source.runs.iter().cloned().map(|mut run| {
            run.lead = target.lead.id;
            run.dirty = true;
            run
        }));
    // The newer visit goes on.
    let newer = |a: &super::world::Session, b: &super::world::Session| a.last_at >= b.last_at;
    target.session = match (target.session.take(), source.session.clone()) {
        (Some(ours), Some(theirs)) => Some(if newer(&ours, &theirs) { ours } else { theirs }),
        (one, other) => one.or(other),
    };
    let mut doubled = Vec::new();
    for row in &source.scores {
        doubled.extend(absorb_score(tenant, &mut target.scores, row));
    }
    if target.lead.tier.is_none() && target.lead.points < source.lead.points {
        target.lead.points = source.lead.points;
        target.lead.tier.clone_from(&source.lead.tier);
    }
    doubled
}

/// Adds one standing to the other of the same model and visit. Answers what both gave and only one may keep.
fn absorb_score(
    tenant: &Tenant,
    scores: &mut Vec<ScoreRow>,
    row: &ScoreRow,
) -> Vec<(String, String, i64)> {
    let mut row = row.clone();
    row.dirty = true;
    row.new = true;
    let Some(have) = scores
        .iter_mut()
        .find(|have| have.model == row.model && have.session == row.session)
    else {
        scores.push(row);
        return Vec::new();
    };
    have.dirty = true;
    let Some(model) = tenant.config.models.get(&row.model) else {
        return Vec::new();
    };
    let doubled = crate::scoring::absorb(model, &mut have.state, &row.state);
    doubled
        .into_iter()
        .map(|(rule, points)| (row.model.clone(), rule, points))
        .collect()
}
