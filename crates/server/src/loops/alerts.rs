//! Which lines of a lead's history the people of the business hear of at once, in which words, with what to do about them (N6).

use super::live::{LiveAction, LiveAlert};
use ringback_core::leads::Lead;
use ringback_core::turn::Tenant;
use ringback_core::turn::world::EventRow;

/// The alert that a line of history is, if it is one.
pub(super) fn of(tenant: &Tenant, lead: &Lead, row: &EventRow) -> Option<LiveAlert> {
    let name = crate::pages::people::name(tenant, lead);
    let said = |field: &str| row.properties[field].as_str().unwrap_or_default();
    let rings = lead.ringing_since.is_some() && lead.answered_at.is_none();
    let (event, urgency, title) = match row.kind.as_str() {
        "tier.entered" => {
            let urgency = urgency_of(tenant, said("model"), said("tier"));
            let tier = crate::pages::people::plain(said("tier"));
            ("lead_ringing", urgency, format!("{name} rings, {tier}"))
        }
        "lead.acknowledged" => {
            let by = crate::pages::people::actor(said("by"));
            ("lead_taken", "low", format!("{by} took {name}"))
        }
        "lead.assigned" => (
            "lead_assigned",
            "normal",
            format!("{name} is {}'s now", said("to")),
        ),
        "message.received" => ("lead_replied", "high", format!("{name} wrote")),
        "stage.changed" => {
            let to = crate::pages::people::plain(said("to"));
            (
                "lead_status_changed",
                "low",
                format!("{name} is at {to} now"),
            )
        }
        "churn.predicted" => {
            let risk = row.properties["probability"].as_f64().unwrap_or(0.0);
            let urgency = match risk {
                risk if risk >= 0.8 => "critical",
                risk if risk >= 0.6 => "high",
                _ => "normal",
            };
            (
                "churn_risk",
                urgency,
                format!("{name} may leave, {:.0} %", risk * 100.0),
            )
        }
        "call.ordered" | "call.started" => {
            ("call_started", "normal", format!("{name} is being called"))
        }
        "call.ended" => (
            "call_ended",
            "normal",
            format!("The call with {name} ended"),
        ),
        "appointment.confirmed" => (
            "appointment_booked",
            "normal",
            format!("{name} has an appointment"),
        ),
        "appointment.moved" | "appointment.cancelled" => (
            "appointment_changed",
            "high",
            format!("The appointment of {name} changed"),
        ),
        _ => return None,
    };
    let page = format!("/t/{}/leads/{}", tenant.slug, lead.id);
    let mut actions = Vec::new();
    if rings {
        actions.push(LiveAction {
            label: "I take this one",
            method: "POST",
            href: format!("{page}/take"),
            api: Some(format!("/v1/leads/{}/take", lead.id)),
        });
    }
    if let Some(phone) = lead.phone.as_ref().filter(|_| urgency != "low") {
        actions.push(LiveAction {
            label: "Call",
            method: "GET",
            href: format!("tel:{phone}"),
            api: None,
        });
    }
    actions.push(LiveAction {
        label: "Open",
        method: "GET",
        href: page,
        api: Some(format!("/v1/leads/{}", lead.id)),
    });
    Some(LiveAlert {
        tenant: tenant.id,
        id: row.id,
        event,
        urgency,
        lead: lead.id,
        title,
        at: row.at,
        actions,
    })
}

/// The highest tier of a model is critical, the one below high where there are others below it, the others normal.
fn urgency_of(tenant: &Tenant, model: &str, tier: &str) -> &'static str {
    let Some(model) = tenant.config.models.get(model) else {
        return "normal";
    };
    let mut tiers: Vec<(i64, &str)> = model
        .tiers
        .iter()
        .map(|tier| (tier.from, tier.name.as_str()))
        .collect();
    tiers.sort_unstable();
    match tiers.iter().rev().position(|(_, name)| *name == tier) {
        Some(0) => "critical",
        Some(1) if tiers.len() > 2 => "high",
        _ => "normal",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ringback_core::ids::{EventId, LeadId, TenantId};
    use serde_json::{Value, json};
    use std::sync::Arc;

    fn told(kind: &str, properties: Value, rings: bool) -> Option<LiveAlert> {
        let files = crate::presets::find("plumbing").unwrap().files;
        let config = crate::onboarding::check(&files).unwrap();
        let tenant = ringback_core::turn::rehearsal::tenant_of(1, Arc::new(config));
        let at = "2026-11-21T13:49:52Z".parse().unwrap();
        let mut lead = Lead::new(LeadId::from_raw(3 << 22), TenantId::from_raw(1), 1, at);
        lead.first_name = Some("Dana".into());
        lead.phone = Some("+13035550142".into());
        lead.ringing_since = rings.then_some(at);
        let row = EventRow {
            id: EventId::from_raw(5 << 22),
            tenant: tenant.id,
            lead: lead.id,
            kind: kind.into(),
            at,
            received_at: at,
            source: "score".into(),
            actor: None,
            session: None,
            properties,
        };
        of(&tenant, &lead, &row)
    }

    /// N6: an alert has an urgency by its tier and at most three things to do.
    #[test]
    fn an_alert_says_how_urgent_it_is_and_what_to_do() {
        let tier = |tier: &str| json!({"model": "intent", "tier": tier});
        for (name, urgency) in [
            ("immediate", "critical"),
            ("high_priority", "high"),
            ("standard", "normal"),
        ] {
            let alert = told("tier.entered", tier(name), true).unwrap();
            assert_eq!((alert.event, alert.urgency), ("lead_ringing", urgency));
            let labels: Vec<&str> = alert.actions.iter().map(|action| action.label).collect();
            assert_eq!(labels, ["I take this one", "Call", "Open"]);
        }
        let taken = told(
            "lead.acknowledged",
            json!({"by": "staff:Sam Okafor"}),
            false,
        )
        .unwrap();
        assert_eq!(
            (taken.event, taken.title.as_str()),
            ("lead_taken", "Sam Okafor took Dana")
        );
        assert_eq!(taken.actions.len(), 1);
        let stage = told("stage.changed", json!({"from": "new", "to": "won"}), false).unwrap();
        assert_eq!(
            (stage.event, stage.title.as_str()),
            ("lead_status_changed", "Dana is at Won now")
        );
        let risk = told("churn.predicted", json!({"probability": 0.83}), false).unwrap();
        assert_eq!(
            (risk.event, risk.urgency, risk.title.as_str()),
            ("churn_risk", "critical", "Dana may leave, 83 %")
        );
        for (kind, event) in [
            ("call.ordered", "call_started"),
            ("call.ended", "call_ended"),
            ("appointment.confirmed", "appointment_booked"),
        ] {
            assert_eq!(told(kind, json!({}), false).unwrap().event, event);
        }
        assert_eq!(told("page", json!({}), false), None);
    }
}
