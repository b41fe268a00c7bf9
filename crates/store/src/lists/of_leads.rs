//! Leads: one whole, lists, history, points.

use super::*;
use crate::engine::{Kept, ToValue, params};
use crate::rows::{self, from_json};
use crate::sql::{leads, scoring};
use crate::{Reader, StoreError};
use ringback_core::ids::{EventId, LeadId, SessionId, TenantId};
use ringback_core::leads::Lead;
use ringback_core::seeded::{Bug, has};
use ringback_core::time::{Timestamp, from_micros, micros};
use ringback_core::turn::world::{Point, PointKey, PointKind, Run};

/// How many leads a search by name looks at, newest first.
const SEARCH_DEPTH: i64 = 50_000;

/// What a search by words looks at.
const NAMED_LIKE: &str = " AND (coalesce(first_name, '') || ' ' || coalesce(last_name, '') || ' ' || coalesce(email, '') || ' ' || coalesce(phone, '')) {LIKE} $";

impl Reader<'_> {
    /// A lead of this tenant; a merged one leads to the one it became.
    pub fn lead(&self, tenant: TenantId, id: LeadId) -> Result<Option<Lead>, StoreError> {
        let mut id = id;
        for _ in 0..8 {
            let Some(lead) =
                self.engine
                    .one(&leads::BY_ID, params![tenant.raw(), id.raw()], rows::lead)?
            else {
                return Ok(None);
            };
            match lead.merged_into {
                Some(into) => id = into,
                None => return Ok(Some(lead)),
            }
        }
        Ok(None)
    }

    /// The lead behind a contact point.
    pub fn lead_of(&self, key: &PointKey) -> Result<Option<LeadId>, StoreError> {
        Ok(self.point(key)?.and_then(|point| point.lead))
    }

    /// A contact point.
    pub fn point(&self, key: &PointKey) -> Result<Option<Point>, StoreError> {
        let values = params![key.tenant.raw(), key.kind as i64, key.value];
        self.engine
            .one(&leads::POINT, values, |row| rows::point(row, 0))
    }

    /// The contact points of a lead.
    pub fn points(
        &self,
        tenant: TenantId,
        lead: LeadId,
    ) -> Result<Vec<(PointKey, Point)>, StoreError> {
        let values = params![tenant.raw(), lead.raw()];
        self.all(&leads::POINTS_OF, values, rows::named_point)
    }

    /// Leads, newest first, before a cursor.
    pub fn leads(
        &self,
        tenant: TenantId,
        filter: &LeadFilter,
        before: Option<LeadId>,
        most: u32,
    ) -> Result<Vec<Lead>, StoreError> {
        if let Some(number) = filter.number {
            let found = self.all(&leads::BY_NUMBER, params![tenant.raw(), number], rows::lead)?;
            if !found.is_empty() {
                return found
                    .into_iter()
                    .map(|lead| self.lead(tenant, lead.id))
                    .filter_map(Result::transpose)
                    .collect();
            }
        }
        for (kind, value) in [
            (PointKind::Phone, filter.phone.clone()),
            (
                PointKind::Email,
                filter
                    .words
                    .clone()
                    .filter(|words| words.contains('@'))
                    .map(|words| words.to_lowercase()),
            ),
        ] {
            if let Some(value) = value
                && let Some(lead) = self.lead_of(&PointKey {
                    tenant,
                    kind,
                    value,
                })?
            {
                return Ok(self.lead(tenant, lead)?.into_iter().collect());
            }
        }
        let mut text = String::from(
            "SELECT id, tenant_id, number, first_name, last_name, phone, email, source, city, state, zip, country, time_zone, attributes, tags, products, points, tier, anonymous, test, created_at, updated_at, last_event_at, ringing_since, answered_at, answered_by, merged_into, owner, kept FROM leads WHERE tenant_id = $1 AND merged_into IS NULL AND deleted_at IS NULL AND id < $2",
        );
        let mut values: Vec<Kept> = vec![
            tenant.raw().into(),
            before.map_or(i64::MAX, |id| id.raw()).into(),
        ];
        if has(Bug::TenantFilterMissing) {
            text = text.replace("tenant_id = $1", "$1 IS NOT NULL");
        }
        let mut narrow = |text: &mut String, clause: &str, value: Kept| {
            values.push(value);
            text.push_str(&clause.replace('$', &format!("${}", values.len())));
        };
        for (clause, value) in [
            (" AND stage = $", &filter.stage),
            (" AND product = $", &filter.product),
            (" AND source = $", &filter.source),
            (" AND tier = $", &filter.tier),
        ] {
            if let Some(value) = value {
                narrow(&mut text, clause, value.clone().into());
            }
        }
        if let Some(after) = filter.created_after {
            narrow(&mut text, " AND created_at >= $", micros(after).into());
        }
        if filter.ringing {
            text.push_str(" AND ringing_since IS NOT NULL AND answered_at IS NULL");
        }
        if filter.known {
            text.push_str(" AND anonymous = 0");
        }
        if let Some(words) = filter
            .words
            .as_ref()
            .filter(|words| !words.trim().is_empty())
        {
            // A search by name reads the newest leads only: an index over names would cost every lead that comes in.
            let floor = self.search_floor(tenant)?;
            let clause = NAMED_LIKE.replace("{LIKE}", self.engine.like());
            narrow(&mut text, " AND id >= $", floor.into());
            for word in words.split_whitespace().take(5) {
                let like = format!("%{}%", word.replace(['%', '_', '\\'], ""));
                narrow(&mut text, &clause, like.into());
            }
        }
        text.push_str(" ORDER BY id DESC LIMIT ");
        text.push_str(&most.to_string());
        let values: Vec<&dyn ToValue> = values.iter().map(|value| value as _).collect();
        self.engine
            .all_of_text(&text, "leads.list", &values, rows::lead)
    }

    pub(super) fn search_floor(&self, tenant: TenantId) -> Result<i64, StoreError> {
        let text = "SELECT id FROM leads WHERE tenant_id = $1 AND merged_into IS NULL AND deleted_at IS NULL ORDER BY id DESC LIMIT 1 OFFSET $2";
        let values = params![tenant.raw(), SEARCH_DEPTH];
        let name = "leads.search_floor";
        let floor = self
            .engine
            .all_of_text(text, name, values, |row| row.get(0))?;
        Ok(floor.first().copied().unwrap_or(0))
    }

    /// Who waits for a person, longest first.
    pub fn ringing(&self, tenant: TenantId, most: u32) -> Result<Vec<Lead>, StoreError> {
        self.all(&leads::RINGING, params![tenant.raw(), most], rows::lead)
    }

    /// How many wait for a person.
    pub fn ringing_count(&self, tenant: TenantId) -> Result<i64, StoreError> {
        self.engine
            .value(&leads::RINGING_COUNT, params![tenant.raw()])
            .map(Option::unwrap_or_default)
    }

    /// How long leads waited that began to ring in this stretch and were answered, oldest first.
    pub fn waits(
        &self,
        tenant: TenantId,
        from: Timestamp,
        until: Timestamp,
        most: u32,
    ) -> Result<Vec<WaitView>, StoreError> {
        let text = "SELECT ringing_since, answered_at FROM leads WHERE tenant_id = $1 AND merged_into IS NULL AND deleted_at IS NULL AND id >= $2 AND ringing_since >= $3 AND ringing_since < $4 AND answered_at IS NOT NULL ORDER BY id LIMIT $5";
        // Leads that began to ring in the stretch were made in it or some days before.
        let floor = id_floor(from.as_millisecond() - 30 * 86_400_000);
        self.engine.all_of_text(
            text,
            "leads.waits",
            params![tenant.raw(), floor, micros(from), micros(until), most],
            |row| {
                let (since, answered): (i64, i64) = (row.get(0)?, row.get(1)?);
                Ok(WaitView {
                    since: from_micros(since),
                    seconds: (answered - since) / 1_000_000,
                })
            },
        )
    }

    /// A lead's history, newest first.
    pub fn timeline(
        &self,
        tenant: TenantId,
        lead: LeadId,
        before: Option<EventId>,
        most: u32,
    ) -> Result<Vec<EventView>, StoreError> {
        let before = before.map_or(i64::MAX, |id| id.raw());
        self.all(
            &leads::TIMELINE,
            params![tenant.raw(), lead.raw(), before, most],
            |row| {
                let id: i64 = row.get(0)?;
                let properties: String = row.get(6)?;
                Ok(EventView {
                    id: EventId::from_raw(id),
                    kind: row.get(1)?,
                    at: from_micros(row.get(2)?),
                    source: row.get(3)?,
                    actor: row.get(4)?,
                    session: row.get::<Option<i64>>(5)?.map(SessionId::from_raw),
                    properties: from_json(&properties, "events", id, "properties")?,
                })
            },
        )
    }

    /// Every award of a lead, by model and visit, oldest first.
    pub fn ledger(&self, tenant: TenantId, lead: LeadId) -> Result<Vec<AwardView>, StoreError> {
        self.all(&scoring::LEDGER, params![tenant.raw(), lead.raw()], |row| {
            let why: String = row.get(7)?;
            let session: i64 = row.get(1)?;
            Ok(AwardView {
                model: row.get(0)?,
                session: (session != 0).then_some(SessionId::from_raw(session)),
                event: EventId::from_raw(row.get(2)?),
                rule: row.get(3)?,
                version: row.get(4)?,
                points: row.get(5)?,
                at: from_micros(row.get(6)?),
                why: from_json(&why, "score_ledger", lead.raw(), "why")?,
            })
        })
    }

    /// Every standing of a lead, by model and visit.
    pub fn standings(
        &self,
        tenant: TenantId,
        lead: LeadId,
    ) -> Result<Vec<StandingView>, StoreError> {
        self.all(
            &scoring::ALL_STATES,
            params![tenant.raw(), lead.raw()],
            |row| {
                let session: i64 = row.get(1)?;
                Ok(StandingView {
                    model: row.get(0)?,
                    session: (session != 0).then_some(SessionId::from_raw(session)),
                    points: row.get(2)?,
                    tier: row.get(3)?,
                })
            },
        )
    }

    /// The runs of a lead, newest first.
    pub fn runs(&self, tenant: TenantId, lead: LeadId) -> Result<Vec<Run>, StoreError> {
        let values = params![tenant.raw(), lead.raw()];
        self.all(&crate::sql::workflows::RUNS_OF, values, rows::run)
    }
}
