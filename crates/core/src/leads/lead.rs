//! A lead as the rules see it.

use crate::ids::{LeadId, TenantId};
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Where a lead stands in one product (L9).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Placement {
    /// The product's name.
    pub product: String,
    /// The stage's name.
    pub stage: String,
    /// Since when, microseconds UTC.
    pub since: i64,
}

/// A person who may buy. Contact points are rows of their own; the first phone and email are kept here for lists and templates.
#[derive(Debug, Clone, PartialEq)]
pub struct Lead {
    /// Its id.
    pub id: LeadId,
    /// Whose lead it is.
    pub tenant: TenantId,
    /// The tenant's count of leads when it came; the reference number is made of it (L5).
    pub number: i64,
    /// Given name, at most 200 characters.
    pub first_name: Option<String>,
    /// Family name, at most 200 characters.
    pub last_name: Option<String>,
    /// First phone, E.164.
    pub phone: Option<String>,
    /// First email address.
    pub email: Option<String>,
    /// Where it came from (`web-form`, `tracking`, …).
    pub source: Option<String>,
    /// City as given.
    pub city: Option<String>,
    /// State or region as given.
    pub state: Option<String>,
    /// Postal code as given.
    pub zip: Option<String>,
    /// Country, ISO 3166-1 alpha-2.
    pub country: Option<String>,
    /// IANA zone that the person confirmed.
    pub time_zone: Option<String>,
    /// What else is known, by name: always an object.
    pub attributes: Value,
    /// Tags.
    pub tags: Vec<String>,
    /// Where it stands, per product; the first is the one shown in lists.
    pub products: Vec<Placement>,
    /// Points of the product's score model now.
    pub points: i64,
    /// Tier of the product's score model now.
    pub tier: Option<String>,
    /// True until it has a contact point that a message can reach.
    pub anonymous: bool,
    /// True for leads that only try things out.
    pub test: bool,
    /// When it came.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// When it last did something.
    pub last_event_at: Timestamp,
    /// Since when it waits for a person of ours.
    pub ringing_since: Option<Timestamp>,
    /// When a person of ours answered.
    pub answered_at: Option<Timestamp>,
    /// Who answered.
    pub answered_by: Option<String>,
    /// Who of ours has it in hand, by name (D1).
    pub owner: Option<String>,
    /// Since when.
    pub assigned_at: Option<Timestamp>,
    /// Who of ours was alerted since it began to wait for a person.
    pub alerted: Vec<String>,
    /// Segments that it is in, or was in not long ago.
    pub inside: Vec<Inside>,
    /// The lead it was merged into (L7).
    pub merged_into: Option<LeadId>,
}

/// A segment that a lead is in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inside {
    /// The segment's workflow.
    pub segment: String,
    /// Since when its condition does not hold any more, microseconds UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub left_at: Option<i64>,
}

impl Lead {
    /// A lead of which nothing is known yet.
    pub fn new(id: LeadId, tenant: TenantId, number: i64, now: Timestamp) -> Self {
        Self {
            id,
            tenant,
            number,
            first_name: None,
            last_name: None,
            phone: None,
            email: None,
            source: None,
            city: None,
            state: None,
            zip: None,
            country: None,
            time_zone: None,
            attributes: Value::Object(Map::new()),
            tags: Vec::new(),
            products: Vec::new(),
            points: 0,
            tier: None,
            anonymous: true,
            test: false,
            created_at: now,
            updated_at: now,
            last_event_at: now,
            ringing_since: None,
            answered_at: None,
            answered_by: None,
            owner: None,
            assigned_at: None,
            alerted: Vec::new(),
            inside: Vec::new(),
            merged_into: None,
        }
    }

    /// The product that lists show.
    pub fn product(&self) -> Option<&str> {
        self.products
            .first()
            .map(|placement| placement.product.as_str())
    }

    /// The stage that lists show.
    pub fn stage(&self) -> Option<&str> {
        self.products
            .first()
            .map(|placement| placement.stage.as_str())
    }

    /// Both names with a space, or what there is of them.
    pub fn full_name(&self) -> Option<String> {
        match (&self.first_name, &self.last_name) {
            (Some(first), Some(last)) => Some(format!("{first} {last}")),
            (Some(one), None) | (None, Some(one)) => Some(one.clone()),
            (None, None) => None,
        }
    }
}

/// What a caller tells about a lead; `None` says nothing, so that a merge never erases (L7).
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Profile {
    /// Given name.
    pub first_name: Option<String>,
    /// Family name.
    pub last_name: Option<String>,
    /// Where it came from.
    pub source: Option<String>,
    /// City.
    pub city: Option<String>,
    /// State or region.
    pub state: Option<String>,
    /// Postal code.
    pub zip: Option<String>,
    /// Country, ISO 3166-1 alpha-2.
    pub country: Option<String>,
    /// IANA zone that the person confirmed.
    pub time_zone: Option<String>,
    /// What else is known.
    pub attributes: Map<String, Value>,
    /// Tags to add.
    pub tags: Vec<String>,
}

/// Who may overwrite what is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Overwrite {
    /// The person's own form, or an edit here: newer wins.
    Newer,
    /// A machine source: only gaps are filled.
    Gaps,
}

impl Lead {
    /// Takes in what a caller tells. Answers true when something changed.
    pub fn learn(&mut self, told: Profile, rule: Overwrite, now: Timestamp) -> bool {
        let mut changed = false;
        let mut set = |slot: &mut Option<String>, value: Option<String>| {
            if let Some(value) = value
                && (slot.is_none() || (rule == Overwrite::Newer && slot.as_ref() != Some(&value)))
            {
                *slot = Some(value);
                changed = true;
            }
        };
        set(&mut self.first_name, told.first_name);
        set(&mut self.last_name, told.last_name);
        set(&mut self.city, told.city);
        set(&mut self.state, told.state);
        set(&mut self.zip, told.zip);
        set(&mut self.country, told.country);
        set(&mut self.time_zone, told.time_zone);
        if self.source.is_none() && told.source.is_some() {
            self.source = told.source;
            changed = true;
        }
        if let Value::Object(known) = &mut self.attributes {
            for (name, value) in told.attributes {
                if rule == Overwrite::Newer || !known.contains_key(&name) {
                    changed |= known.get(&name) != Some(&value);
                    known.insert(name, value);
                }
            }
        }
        for tag in told.tags {
            if !self.tags.contains(&tag) {
                self.tags.push(tag);
                changed = true;
            }
        }
        if changed {
            self.updated_at = now;
        }
        changed
    }
}
