//! A lead as the API shows it.

use ringback_core::ids::{LeadId, SessionId};
use ringback_core::leads::Lead;
use ringback_core::messages::ChannelKind;
use ringback_core::time::{Timestamp, from_micros};
use ringback_core::turn::world::{Consent, Point, PointKey, Purpose, Suppression};
use ringback_core::turn::{ScoreShort, Tenant, kind_of};
use ringback_store::{Reader, StandingView, StoreError};
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// A lead.
#[derive(Debug, Serialize, ToSchema)]
pub struct LeadView {
    /// Its id.
    #[schema(value_type = String, example = "lead_0h3kq2m8x7v5t")]
    pub id: LeadId,
    /// Its reference number.
    #[schema(example = "K7Q2-M9XD")]
    pub reference: String,
    /// Given name.
    pub first_name: Option<String>,
    /// Family name.
    pub last_name: Option<String>,
    /// First phone, E.164.
    #[schema(example = "+13035550142")]
    pub phone: Option<String>,
    /// First email address.
    pub email: Option<String>,
    /// Where it came from.
    pub source: Option<String>,
    /// Where the person lives or wants the work done.
    pub address: AddressView,
    /// IANA time zone that the person confirmed.
    pub time_zone: Option<String>,
    /// What else is known, by name.
    #[schema(value_type = Object)]
    pub attributes: Value,
    /// Tags.
    pub tags: Vec<String>,
    /// The product that lists show.
    pub product: Option<String>,
    /// The stage in that product.
    pub stage: Option<String>,
    /// Points of that product's score model.
    pub points: i64,
    /// Tier of that product's score model.
    pub tier: Option<String>,
    /// Where it stands, by product.
    pub products: BTreeMap<String, PlacementView>,
    /// Phones, addresses, browsers and outside ids; only when one lead is asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub contact_points: Option<Vec<PointView>>,
    /// True until a message can reach it.
    pub anonymous: bool,
    /// True for leads that only try things out.
    pub test: bool,
    /// When it came.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// When it last did something.
    pub last_event_at: Timestamp,
    /// Since when it waits for a person.
    pub ringing_since: Option<Timestamp>,
    /// When a person answered.
    pub answered_at: Option<Timestamp>,
    /// Who answered.
    pub answered_by: Option<String>,
}

/// An address.
#[derive(Debug, Serialize, ToSchema)]
pub struct AddressView {
    /// City.
    pub city: Option<String>,
    /// State or region.
    pub state: Option<String>,
    /// Postal code.
    pub zip: Option<String>,
    /// ISO 3166-1 alpha-2.
    pub country: Option<String>,
}

/// Where a lead stands in a product.
#[derive(Debug, Serialize, ToSchema)]
pub struct PlacementView {
    /// The stage.
    pub stage: String,
    /// Since when.
    pub since: Timestamp,
    /// Scores by model; only when one lead is asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub scores: Option<BTreeMap<String, ScoreShort>>,
}

/// A contact point.
#[derive(Debug, Serialize, ToSchema)]
pub struct PointView {
    /// `phone`, `email`, `anonymous` or `user`.
    #[schema(value_type = String)]
    pub kind: ringback_core::turn::world::PointKind,
    /// Number, address or id.
    pub value: String,
    /// When it was first given.
    pub added_at: Timestamp,
    /// Why it may not be used.
    #[schema(value_type = Option<String>)]
    pub suppressed: Option<Suppression>,
    /// Since when it may not be used.
    pub suppressed_at: Option<Timestamp>,
    /// How we know.
    pub suppressed_how: Option<String>,
    /// What it may be used for: `unasked`, `granted`, `revoked` or `provided`, by purpose.
    #[schema(value_type = Object)]
    pub consent: BTreeMap<&'static str, Consent>,
}

impl LeadView {
    /// What a list shows of a lead.
    pub fn short(tenant: &Tenant, lead: Lead) -> Self {
        let products = lead.products.iter().map(|placement| {
            let view = PlacementView {
                stage: placement.stage.clone(),
                since: from_micros(placement.since),
                scores: None,
            };
            (placement.product.clone(), view)
        });
        Self {
            reference: tenant.references.write(lead.number),
            products: products.collect(),
            product: lead.product().map(str::to_owned),
            stage: lead.stage().map(str::to_owned),
            id: lead.id,
            first_name: lead.first_name,
            last_name: lead.last_name,
            phone: lead.phone,
            email: lead.email,
            source: lead.source,
            address: AddressView {
                city: lead.city,
                state: lead.state,
                zip: lead.zip,
                country: lead.country,
            },
            time_zone: lead.time_zone,
            attributes: lead.attributes,
            tags: lead.tags,
            points: lead.points,
            tier: lead.tier,
            contact_points: None,
            anonymous: lead.anonymous,
            test: lead.test,
            created_at: lead.created_at,
            updated_at: lead.updated_at,
            last_event_at: lead.last_event_at,
            ringing_since: lead.ringing_since,
            answered_at: lead.answered_at,
            answered_by: lead.answered_by,
        }
    }

    /// Everything about one lead, from one snapshot.
    pub fn whole(
        store: &Reader<'_>,
        tenant: &Tenant,
        id: LeadId,
    ) -> Result<Option<Self>, StoreError> {
        let Some(lead) = store.lead(tenant.id, id)? else {
            return Ok(None);
        };
        let points = store
            .points(lead.tenant, lead.id)?
            .into_iter()
            .filter(|(key, _)| key.tenant == tenant.id);
        let points = points.map(|(key, point)| point_view(key, point)).collect();
        let standings = standings(store, tenant, lead.id)?;
        let mut view = Self::short(tenant, lead);
        view.contact_points = Some(points);
        for (product, placement) in &mut view.products {
            let rows = tenant
                .config
                .models_of(product)
                .iter()
                .filter_map(|model| standings.iter().find(|row| row.model == model.name));
            placement.scores = Some(
                rows.map(|row| {
                    (
                        row.model.clone(),
                        ScoreShort {
                            points: row.points,
                            tier: row.tier.clone(),
                        },
                    )
                })
                .collect(),
            );
        }
        Ok(Some(view))
    }
}

fn point_view(key: PointKey, point: Point) -> PointView {
    let channel = ChannelKind::ALL
        .iter()
        .find(|channel| kind_of(**channel) == key.kind);
    let consent = channel.map(|channel| {
        let ask = |purpose: Purpose| (purpose.as_str(), point.consent.get(channel.code(), purpose));
        [Purpose::Transactional, Purpose::Promotional]
            .map(ask)
            .into_iter()
            .collect()
    });
    PointView {
        kind: key.kind,
        value: key.value,
        added_at: point.added_at,
        suppressed: point.suppressed,
        suppressed_at: point.suppressed_at,
        suppressed_how: point.suppressed_how,
        consent: consent.unwrap_or_default(),
    }
}

/// The standing of each model that counts now: of the lead's last visit for models that count a visit, else the one there is.
pub fn standings(
    store: &Reader<'_>,
    tenant: &Tenant,
    lead: LeadId,
) -> Result<Vec<StandingView>, StoreError> {
    let mut newest: BTreeMap<String, StandingView> = BTreeMap::new();
    let rank = |session: Option<SessionId>| session.map_or(0, SessionId::raw);
    for row in store.standings(tenant.id, lead)? {
        match newest.get(&row.model) {
            Some(have) if rank(have.session) >= rank(row.session) => {}
            _ => {
                newest.insert(row.model.clone(), row);
            }
        }
    }
    Ok(newest.into_values().collect())
}
