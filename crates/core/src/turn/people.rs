//! Which person of the business hears or has a lead (D1): lists, roles, who is on call, the owner and their manager, and whose turn it is.
//! A lead that nobody has always reaches somebody.

use super::limits::{Counted, CounterKey};
use super::workflow::Going;
use super::world::LeadState;
use super::{StaffMember, Tenant, Turn};
use crate::ids::{LeadId, TenantId};
use crate::time::Timestamp;
use crate::workflows::{Assign, By, Recipient, Skill};
use serde_json::json;
use sha2::{Digest, Sha256};
use std::sync::Arc;

/// What somebody must be like to have a lead.
type Rule<'a> = &'a dyn Fn(&&str) -> bool;

/// A short name for a counter.
fn short(name: &str) -> u64 {
    let digest = Sha256::digest(name);
    let mut bytes = [0; 8];
    bytes.copy_from_slice(&digest[..8]);
    u64::from_be_bytes(bytes)
}

/// Whose turn it is among some people.
fn turn_key(tenant: TenantId, among: &Recipient) -> CounterKey {
    CounterKey {
        tenant,
        what: Counted::Turn(short(&among.to_string())),
        slot: 0,
    }
}

/// How many leads a person has in hand.
fn load_key(tenant: TenantId, name: &str) -> CounterKey {
    CounterKey {
        tenant,
        what: Counted::Load(short(name)),
        slot: 0,
    }
}

/// The counters of distribution, for the store to load; none where no workflow gives leads to anybody.
pub(super) fn counters_of(tenant: &Tenant) -> Vec<CounterKey> {
    let among = tenant.config.assigns();
    if among.is_empty() {
        return Vec::new();
    }
    let turns = among.iter().map(|among| turn_key(tenant.id, among));
    let loads = tenant
        .staff
        .iter()
        .map(|person| load_key(tenant.id, &person.name));
    turns.chain(loads).collect()
}

impl Tenant {
    /// Who is on call at an instant: by the plan of staff.yaml, else whoever is marked so.
    pub fn on_call(&self, now: Timestamp) -> Vec<&StaffMember> {
        match &self.config.staff.rota {
            Some(rota) => {
                let name = rota.at(now, &self.zone);
                let found = self.staff.iter().filter(|one| Some(&*one.name) == name);
                found.collect()
            }
            None => self.staff.iter().filter(|one| one.on_call).collect(),
        }
    }

    /// Whether a person is there at an instant, by their own hours; somebody without any is always there.
    pub fn is_there(&self, name: &str, now: Timestamp) -> bool {
        let Some(person) = self.config.staff.member(name) else {
            return true;
        };
        let day = self.zone.to_datetime(now).date();
        let away = person.away.iter().any(|away| away.holds(day));
        let open = person
            .hours
            .as_ref()
            .is_none_or(|hours| hours.is_open(now, &self.zone, &[]));
        open && !away
    }
}

/// The people that a recipient stands for, those who are away left out while anybody else is there. Empty when nobody is.
pub(super) fn people_of<'t>(
    tenant: &'t Tenant,
    state: Option<&LeadState>,
    to: &Recipient,
    now: Timestamp,
) -> Vec<&'t StaffMember> {
    let all = |fits: &dyn Fn(&StaffMember) -> bool| -> Vec<&'t StaffMember> {
        tenant.staff.iter().filter(|one| fits(one)).collect()
    };
    let owner = || state.and_then(|state| state.lead.owner.as_deref());
    let found = match to {
        Recipient::Lead | Recipient::Hook(_) => return Vec::new(),
        Recipient::List(list) => all(&|one| one.lists.iter().any(|on| on == list)),
        Recipient::Role(role) => all(&|one| one.roles.iter().any(|has| has == role)),
        Recipient::Staff(name) => return all(&|one| one.name == *name),
        Recipient::OnCall => return tenant.on_call(now),
        Recipient::LeadOwner => {
            let own = all(&|one| Some(one.name.as_str()) == owner());
            if own.is_empty() {
                return on_duty(tenant, now);
            }
            return own;
        }
        Recipient::Manager => {
            let manager = owner()
                .and_then(|name| tenant.config.staff.member(name))
                .and_then(|person| person.manager.as_deref());
            let own = all(&|one| Some(one.name.as_str()) == manager);
            if own.is_empty() {
                return super::notify::runners(tenant);
            }
            return own;
        }
        Recipient::OthersAlerted => {
            let Some(state) = state else {
                return Vec::new();
            };
            let took = state.lead.answered_by.as_deref();
            let took = took.map(|actor| actor.strip_prefix("staff:").unwrap_or(actor));
            return all(&|one| {
                state.lead.alerted.contains(&one.name) && took != Some(one.name.as_str())
            });
        }
    };
    let there: Vec<&StaffMember> = found
        .iter()
        .copied()
        .filter(|one| tenant.is_there(&one.name, now))
        .collect();
    if there.is_empty() { found } else { there }
}

/// Who hears of a lead that nobody has: who is on call, else who runs the business.
pub(super) fn on_duty(tenant: &Tenant, now: Timestamp) -> Vec<&StaffMember> {
    let on_call = tenant.on_call(now);
    if on_call.is_empty() {
        super::notify::runners(tenant)
    } else {
        on_call
    }
}

impl Turn<'_> {
    /// Names of the people that a recipient stands for.
    pub(super) fn people(&self, tenant: &Tenant, lead: LeadId, to: &Recipient) -> Vec<String> {
        people_of(tenant, self.world.lead(lead), to, self.now)
            .into_iter()
            .map(|one| one.name.clone())
            .collect()
    }

    /// Gives the lead to a person (D1). Who has it keeps it, unless the step wants somebody else; whoever took it by hand keeps it.
    pub(super) fn assign(&mut self, tenant: &Arc<Tenant>, going: Going<'_>, assign: &Assign) {
        let Some(state) = self.world.lead(going.lead) else {
            return;
        };
        let owner = state.lead.owner.clone();
        let known = owner
            .as_deref()
            .filter(|name| tenant.staff.iter().any(|one| one.name == *name));
        if known.is_some() && !assign.again {
            return;
        }
        let Some(name) = self.choose(tenant, going, assign, owner.as_deref()) else {
            return;
        };
        self.give(tenant, going.lead, &name, "workflow", &going.workflow.name);
    }

    fn choose(
        &mut self,
        tenant: &Tenant,
        going: Going<'_>,
        assign: &Assign,
        owner: Option<&str>,
    ) -> Option<String> {
        let skill = match &assign.skill {
            None => None,
            Some(Skill::Named(name)) => Some(name.clone()),
            Some(Skill::Field(field)) => self
                .value_at(going, field)
                .and_then(|value| value.as_str().map(str::to_owned)),
        };
        let state = self.world.lead(going.lead)?;
        // Everybody in the order of the configuration, so that turns do not depend on who is there today.
        let mut everybody: Vec<&str> = match &assign.among {
            Recipient::List(list) => tenant
                .staff
                .iter()
                .filter(|one| one.lists.iter().any(|on| on == list))
                .map(|one| one.name.as_str())
                .collect(),
            Recipient::Role(role) => tenant
                .staff
                .iter()
                .filter(|one| one.roles.iter().any(|has| has == role))
                .map(|one| one.name.as_str())
                .collect(),
            other => people_of(tenant, Some(state), other, self.now)
                .into_iter()
                .map(|one| one.name.as_str())
                .collect(),
        };
        everybody.sort_unstable();
        let config = &tenant.config.staff;
        let lead = &state.lead;
        let not_again = |name: &&str| !assign.again || Some(*name) != owner;
        let there = |name: &&str| tenant.is_there(name, self.now);
        let skilled = |name: &&str| {
            skill.as_deref().is_none_or(|skill| {
                config
                    .member(name)
                    .is_some_and(|one| one.skills.iter().any(|has| has.eq_ignore_ascii_case(skill)))
            })
        };
        let near = |name: &&str| {
            assign.by != By::Territory
                || config.member(name).is_some_and(|one| {
                    one.territory
                        .as_ref()
                        .is_some_and(|area| area.holds(lead.zip.as_deref(), lead.state.as_deref()))
                })
        };
        // What cannot be had is given up in this order: being there, the territory, the skill. Somebody always has the lead.
        let rules: [&[Rule<'_>]; 5] = [
            &[&not_again, &skilled, &near, &there],
            &[&not_again, &skilled, &near],
            &[&not_again, &skilled],
            &[&not_again],
            &[],
        ];
        let chosen = rules.iter().find_map(|rules| {
            let some: Vec<&str> = everybody
                .iter()
                .copied()
                .filter(|name| rules.iter().all(|rule| rule(name)))
                .collect();
            (!some.is_empty()).then_some(some)
        });
        let Some(candidates) = chosen else {
            let duty = on_duty(tenant, self.now);
            return duty.first().map(|one| one.name.clone());
        };
        if assign.by == By::LeastLoaded {
            let load = |name: &&&str| self.world.counter(&load_key(tenant.id, name));
            return candidates
                .iter()
                .min_by_key(load)
                .map(|name| (*name).to_owned());
        }
        let key = turn_key(tenant.id, &assign.among);
        let all = i64::try_from(everybody.len()).unwrap_or(i64::MAX).max(1);
        let from = self.world.counter(&key).rem_euclid(all);
        let place = |name: &str| {
            let at = everybody.iter().position(|one| *one == name).unwrap_or(0);
            (i64::try_from(at).unwrap_or(0) - from).rem_euclid(all)
        };
        let next = candidates.iter().min_by_key(|name| place(name))?;
        let (next, steps) = ((*next).to_owned(), place(next) + 1);
        self.world.count(key, steps);
        Some(next)
    }

    /// The lead is a person's from now on.
    pub(super) fn give(
        &mut self,
        tenant: &Arc<Tenant>,
        lead: LeadId,
        name: &str,
        source: &str,
        actor: &str,
    ) {
        let now = self.now;
        let Some(state) = self.world.lead_mut(lead) else {
            return;
        };
        let before = state.lead.owner.replace(name.to_owned());
        state.lead.assigned_at = Some(now);
        state.lead.updated_at = now;
        if before.as_deref() == Some(name) {
            return;
        }
        if !tenant.config.assigns().is_empty() {
            if let Some(before) = &before {
                self.world.count(load_key(tenant.id, before), -1);
            }
            self.world.count(load_key(tenant.id, name), 1);
        }
        let said = json!({"to": name, "before": before});
        self.note(tenant.id, lead, "lead.assigned", source, Some(actor), said);
    }

    /// Nobody has anything to do for the lead any more.
    pub(super) fn out_of_hands(&mut self, tenant: &Tenant, lead: LeadId) {
        let owner = self
            .world
            .lead(lead)
            .and_then(|state| state.lead.owner.clone());
        if let Some(owner) = owner
            && !tenant.config.assigns().is_empty()
        {
            self.world.count(load_key(tenant.id, &owner), -1);
        }
    }
}
