//! How fast leads were answered, in its parts (W7).

use super::*;
use crate::engine::params;
use crate::rows::{KeptOfLead, from_json};
use crate::{Reader, StoreError};
use ringback_core::ids::{LeadId, TenantId};
use ringback_core::time::{Timestamp, from_micros, micros};

/// The instants of a lead that rang.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SpeedView {
    /// The lead.
    pub lead: LeadId,
    /// When the person did what made it ring, by the sender's clock.
    pub acted_at: Option<Timestamp>,
    /// When it began to ring here.
    pub rang_at: Timestamp,
    /// When somebody of ours was given it.
    pub routed_at: Option<Timestamp>,
    /// When a provider took the first alert about it.
    pub told_at: Option<Timestamp>,
    /// When a person took it.
    pub answered_at: Option<Timestamp>,
}

impl Reader<'_> {
    /// Leads that began to ring since an instant, newest first.
    pub fn speeds(
        &self,
        tenant: TenantId,
        since: Timestamp,
        most: u32,
    ) -> Result<Vec<SpeedView>, StoreError> {
        let text = "SELECT l.id, l.ringing_since, l.answered_at, l.kept, \
            (SELECT min(m.accepted_at) FROM messages AS m WHERE m.tenant_id = $1 AND m.lead_id = l.id AND m.staff IS NOT NULL), \
            (SELECT e.at FROM events AS e WHERE e.tenant_id = $1 AND e.lead_id = l.id AND e.received_at <= l.ringing_since \
                AND e.source NOT IN ('score', 'stage', 'workflow', 'merge', 'staff', 'system') ORDER BY e.id DESC LIMIT 1) \
            FROM leads AS l WHERE l.tenant_id = $1 AND l.merged_into IS NULL AND l.deleted_at IS NULL AND l.id >= $2 AND l.ringing_since >= $3 \
            ORDER BY l.id DESC LIMIT $4";
        // Leads that began to ring in the stretch were made in it or some days before.
        let floor = id_floor(since.as_millisecond() - 30 * 86_400_000);
        let values = params![tenant.raw(), floor, micros(since), most];
        self.engine
            .all_of_text(text, "leads.speeds", values, |row| {
                let id: i64 = row.get(0)?;
                let kept: String = row.get(3)?;
                let kept: KeptOfLead = from_json(&kept, "leads", id, "kept")?;
                let at = |n: usize| -> Result<Option<Timestamp>, StoreError> {
                    Ok(row.get::<Option<i64>>(n)?.map(from_micros))
                };
                Ok(SpeedView {
                    lead: LeadId::from_raw(id),
                    rang_at: from_micros(row.get(1)?),
                    answered_at: at(2)?,
                    routed_at: kept.assigned_at.map(from_micros),
                    told_at: at(4)?,
                    acted_at: at(5)?,
                })
            })
    }
}
