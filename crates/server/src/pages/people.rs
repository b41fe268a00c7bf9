//! How leads are named and described on pages.

use super::format::{mask_email, mask_phone};
use ringback_core::leads::Lead;
use ringback_core::messages::Status;
use ringback_core::turn::Tenant;
use serde_json::Value;

/// What a page calls a lead: the name, else what is known, else the visitor's number.
pub(crate) fn name(tenant: &Tenant, lead: &Lead) -> String {
    if let Some(name) = lead.full_name() {
        return name;
    }
    if let Some(phone) = &lead.phone {
        return mask_phone(phone);
    }
    if let Some(email) = &lead.email {
        return mask_email(email);
    }
    let reference = tenant.references.write(lead.number);
    format!(
        "Visitor {}",
        reference.rsplit('-').next().unwrap_or_default()
    )
}

/// A tier for the three bars: how high it is among its model's, and the word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TierView {
    /// 0 to 3.
    pub level: u8,
    /// What people call it.
    pub word: String,
}

/// The tier of a lead's first product.
pub(crate) fn tier(tenant: &Tenant, lead: &Lead) -> Option<TierView> {
    let name = lead.tier.as_deref()?;
    let model = lead.product().and_then(|product| {
        tenant
            .config
            .models_of(product)
            .iter()
            .find(|model| model.tier(name).is_some())
    });
    let Some(model) = model else {
        return Some(TierView {
            level: 1,
            word: plain(name),
        });
    };
    let place = model
        .tiers
        .iter()
        .position(|tier| tier.name == name)
        .unwrap_or(0);
    let word = model.tiers[place]
        .label
        .clone()
        .unwrap_or_else(|| plain(name));
    // The highest tier has three bars whatever the number of tiers; none but the first has none.
    let below = model.tiers.len() - 1 - place;
    let level = if place == 0 && model.tiers.len() > 3 {
        0
    } else {
        3u8.saturating_sub(u8::try_from(below).unwrap_or(3))
    };
    Some(TierView { level, word })
}

/// The stage of a lead's first product, as people call it.
pub(crate) fn stage(tenant: &Tenant, lead: &Lead) -> String {
    let Some(placement) = lead.products.first() else {
        return String::new();
    };
    let product = tenant.config.product(&placement.product);
    let stage = product.and_then(|product| product.stage(&placement.stage));
    stage
        .and_then(|stage| stage.label.clone())
        .unwrap_or_else(|| plain(&placement.stage))
}

/// `emergency_click` is `Emergency click`.
pub(crate) fn plain(name: &str) -> String {
    let text = name.replace(['_', '-', '.'], " ");
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| {
        first.to_uppercase().chain(chars).collect()
    })
}

const NEEDS: &[&str] = &[
    "need",
    "problem",
    "issue",
    "description",
    "message",
    "request",
    "details",
    "notes",
    "issue_type",
    "service",
    "service_type",
];

/// What the person wants, as far as it was told.
pub(crate) fn need(lead: &Lead) -> Option<String> {
    let told = |name: &&str| lead.attributes.get(*name).and_then(said);
    let mut need = NEEDS.iter().find_map(told)?;
    let vehicle: Vec<String> = ["vehicle_year", "vehicle_make", "vehicle_model"]
        .iter()
        .filter_map(told)
        .collect();
    if !vehicle.is_empty() {
        need = format!("{}, {}", plain(&need), vehicle.join(" "));
    } else if !need.contains(' ') {
        need = plain(&need);
    }
    Some(short(&need, 90))
}

/// A value as a person would write it.
pub(crate) fn said(value: &Value) -> Option<String> {
    match value {
        Value::String(text) if !text.trim().is_empty() => Some(text.trim().to_owned()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(yes) => Some(if *yes { "yes" } else { "no" }.to_owned()),
        Value::Array(list) => Some(list.iter().filter_map(said).collect::<Vec<_>>().join(", "))
            .filter(|text| !text.is_empty()),
        _ => None,
    }
}

/// The beginning of a text.
pub(crate) fn short(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    let cut: String = text.chars().take(most).collect();
    format!("{}…", cut.trim_end())
}

/// How a status is drawn and said: class, symbol, word.
pub(crate) const fn chip(status: Status) -> (&'static str, &'static str, &'static str) {
    match status {
        Status::Scheduled => ("held", "scheduled", "Scheduled"),
        Status::Queued => ("", "queued", "Queued"),
        Status::Deferred => ("held", "deferred", "Deferred"),
        Status::Sending => ("ink", "sending", "Sending"),
        Status::Accepted => ("", "accepted", "Accepted"),
        Status::Delivered => ("kept", "delivered", "Delivered"),
        Status::Failed => ("late", "failed", "Failed"),
        Status::Bounced => ("late", "bounced", "Bounced"),
        Status::Blocked => ("held", "blocked", "Blocked"),
        Status::Cancelled => ("", "cancelled", "Cancelled"),
        Status::Expired => ("late", "expired", "Expired"),
        Status::Unknown => ("lamp", "unknown", "Unknown"),
    }
}

/// Who it was: `user:Inez Ford` is `Inez Ford`.
pub(crate) fn actor(actor: &str) -> String {
    match actor.split_once(':') {
        Some(("user" | "staff", name)) => name.to_owned(),
        Some(("key", name)) => format!("API key “{name}”"),
        _ => actor.to_owned(),
    }
}

/// What a person or browser did, in words that follow its name.
pub(crate) fn did(kind: &str, properties: &Value) -> String {
    let path = properties
        .get("path")
        .and_then(Value::as_str)
        .map(|path| short(path, 60));
    match (kind, path) {
        ("page" | "page_view", Some(path)) => format!("opened {path}"),
        ("page" | "page_view", None) => "opened a page".to_owned(),
        ("phone_click" | "call_click", _) => "tapped the phone number".to_owned(),
        ("emergency_click", _) => "tapped “Emergency help”".to_owned(),
        ("form_start" | "contact_form_start" | "form_started", _) => "began the form".to_owned(),
        ("form_submit" | "form_submitted", _) => "sent the form".to_owned(),
        ("identify", _) => "said who it is".to_owned(),
        (kind, _) => plain(kind),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// Names of the configuration read as words.
    #[test]
    fn names_read_as_words() {
        assert_eq!(plain("high_priority"), "High priority");
        assert_eq!(plain(""), "");
        assert_eq!(actor("user:Inez Ford"), "Inez Ford");
        assert_eq!(actor("key:site"), "API key “site”");
        assert_eq!(short("a b c d", 3), "a b…");
        assert_eq!(
            did("page", &json!({"path": "/emergency"})),
            "opened /emergency"
        );
    }

    /// What the person wants is found among what the form asked.
    #[test]
    fn the_need_is_what_the_form_asked() {
        let mut lead = Lead::new(
            ringback_core::ids::LeadId::from_raw(1),
            ringback_core::ids::TenantId::from_raw(1),
            1,
            jiff::Timestamp::UNIX_EPOCH,
        );
        assert_eq!(need(&lead), None);
        lead.attributes = json!({"service_type": "replacement", "vehicle_year": 2022, "vehicle_make": "Audi", "vehicle_model": "Q5"});
        assert_eq!(need(&lead).unwrap(), "Replacement, 2022 Audi Q5");
        lead.attributes =
            json!({"message": "Burst pipe above the kitchen", "service_type": "repair"});
        assert_eq!(need(&lead).unwrap(), "Burst pipe above the kitchen");
    }
}
