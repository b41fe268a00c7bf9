//! What a restore needs of the store: the hold of each tenant, what may have gone out since the backup, and what an erasure leaves.

use crate::engine::{Row, params};
use crate::rows::{from_json, json};
use crate::sql::{leads, messages, recovery};
use crate::{Reader, StoreError, Writer};
use ringback_core::ids::{LeadId, MessageId, RunId, TenantId};
use ringback_core::messages::{Category, ChannelKind, Message};
use ringback_core::time::{Timestamp, from_micros, micros};
use ringback_core::turn::Hold;
use ringback_core::turn::world::PointKind;

/// Whether a hold still holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HoldState {
    /// Nothing goes to customers.
    Holds = 0,
    /// A person released it; what waited is let go piece by piece.
    LettingGo = 1,
    /// All was let go.
    Over = 2,
}

impl HoldState {
    const fn from_code(code: i64) -> Option<Self> {
        match code {
            0 => Some(Self::Holds),
            1 => Some(Self::LettingGo),
            2 => Some(Self::Over),
            _ => None,
        }
    }

    /// The word of the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Holds => "holds",
            Self::LettingGo => "letting_go",
            Self::Over => "over",
        }
    }
}

/// What a tenant is held by since a restore.
#[derive(Debug, Clone, PartialEq)]
pub struct HoldRow {
    /// Whose.
    pub tenant: TenantId,
    /// The backup's name.
    pub backup: String,
    /// The instant that the backup held.
    pub snapshot_at: Timestamp,
    /// When it was restored.
    pub restored_at: Timestamp,
    /// Every id that is lower was given before.
    pub floor: i64,
    /// Whether it still holds.
    pub state: HoldState,
    /// When that changed last.
    pub changed_at: Timestamp,
    /// By whom.
    pub changed_by: String,
    /// What the restore did, for people: JSON.
    pub report: serde_json::Value,
}

impl HoldRow {
    /// What the turns go by; nothing once a person released it.
    pub fn in_force(&self) -> Option<Hold> {
        (self.state == HoldState::Holds).then(|| self.hold())
    }

    /// The hold itself, whatever became of it.
    pub fn hold(&self) -> Hold {
        Hold {
            since: self.restored_at,
            floor: self.floor,
        }
    }
}

/// Messages of a kind that wait for a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeldCount {
    /// What they are for.
    pub category: Category,
    /// How they travel.
    pub channel: ChannelKind,
    /// How many.
    pub n: i64,
    /// How many of them may have gone out already.
    pub doubtful: i64,
    /// When the first was decided.
    pub first_at: Timestamp,
    /// When the last was decided.
    pub last_at: Timestamp,
}

pub(crate) fn hold(row: &Row<'_>) -> Result<HoldRow, StoreError> {
    let tenant: i64 = row.get(0)?;
    let wrong = |column| StoreError::Impossible {
        table: "recovery_holds",
        id: tenant,
        column,
    };
    let report: String = row.get(8)?;
    let instant = |at: usize| row.get(at).map(from_micros);
    let state: i64 = row.get(5)?;
    Ok(HoldRow {
        tenant: TenantId::from_raw(tenant),
        backup: row.get(1)?,
        snapshot_at: instant(2)?,
        restored_at: instant(3)?,
        floor: row.get(4)?,
        state: HoldState::from_code(state).ok_or(wrong("state"))?,
        changed_at: instant(6)?,
        changed_by: row.get(7)?,
        report: from_json(&report, "recovery_holds", tenant, "report")?,
    })
}

impl Writer {
    /// A restored tenant is held until a person releases it.
    pub fn put_hold(&self, row: &HoldRow) -> Result<(), StoreError> {
        let values = params![
            row.tenant.raw(),
            row.backup,
            micros(row.snapshot_at),
            micros(row.restored_at),
            row.floor,
            row.changed_by,
            json(&row.report)
        ];
        self.run(&recovery::PUT_HOLD, values)?;
        self.house_changed(row.tenant)
    }

    /// A hold goes from one state to the next. Answers false when it was not in the first.
    pub fn move_hold(
        &self,
        tenant: TenantId,
        from: HoldState,
        to: HoldState,
        by: &str,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let values = params![tenant.raw(), from as i64, to as i64, micros(now), by];
        let moved = self.count(&recovery::MOVE_HOLD, values)? > 0;
        self.house_changed(tenant)?;
        Ok(moved)
    }

    /// The newest id of what happened to a tenant; 0 when nothing did.
    pub fn newest_id(&self, tenant: TenantId) -> Result<i64, StoreError> {
        let found = self
            .engine
            .value(&recovery::NEWEST_ID, params![tenant.raw()])?;
        Ok(found.unwrap_or_default())
    }

    /// Leaves so many numbers out of a tenant's count of leads: `id` stands for the gap.
    pub fn skip_numbers(
        &self,
        tenant: TenantId,
        id: LeadId,
        by: i64,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let last: i64 = self
            .engine
            .value(&leads::LAST_NUMBER, params![tenant.raw()])?
            .unwrap_or_default();
        let values = params![id.raw(), tenant.raw(), last + by, micros(now)];
        self.run(&recovery::SKIP_NUMBERS, values)
    }

    /// A piece of what was due or under way at an instant, after a message.
    pub fn unsettled_since(
        &self,
        tenant: TenantId,
        now: Timestamp,
        after: i64,
        most: u32,
    ) -> Result<Vec<MessageId>, StoreError> {
        let values = params![tenant.raw(), micros(now), after, most];
        self.engine.all(&recovery::UNSETTLED_SINCE, values, |row| {
            row.get(0).map(MessageId::from_raw)
        })
    }

    /// A piece of the runs whose time had come at an instant, after a run.
    pub fn due_runs(
        &self,
        tenant: TenantId,
        now: Timestamp,
        after: i64,
        most: u32,
    ) -> Result<Vec<(RunId, LeadId)>, StoreError> {
        let values = params![tenant.raw(), micros(now), after, most];
        self.engine.all(&recovery::DUE_RUNS, values, |row| {
            Ok((RunId::from_raw(row.get(0)?), LeadId::from_raw(row.get(1)?)))
        })
    }

    /// A piece of a tenant's contact points that belong to a lead, after one of them.
    pub fn points_after(
        &self,
        tenant: TenantId,
        after: (PointKind, &str),
        most: u32,
    ) -> Result<Vec<(PointKind, String, LeadId)>, StoreError> {
        let values = params![tenant.raw(), after.0 as i64, after.1, most];
        self.engine.all(&recovery::POINTS_AFTER, values, |row| {
            let lead: i64 = row.get(2)?;
            let kind = PointKind::from_code(row.get(0)?).ok_or(StoreError::Impossible {
                table: "contact_points",
                id: lead,
                column: "kind",
            })?;
            Ok((kind, row.get(1)?, LeadId::from_raw(lead)))
        })
    }

    /// A piece of a tenant's consents that have a content, after one of them: id, kind and value.
    pub fn consents_after(
        &self,
        tenant: TenantId,
        after: i64,
        most: u32,
    ) -> Result<Vec<(i64, PointKind, String)>, StoreError> {
        let values = params![tenant.raw(), after, most];
        self.engine.all(&recovery::CONSENTS_AFTER, values, |row| {
            let id: i64 = row.get(0)?;
            let kind = PointKind::from_code(row.get(1)?).ok_or(StoreError::Impossible {
                table: "consents",
                id,
                column: "kind",
            })?;
            Ok((id, kind, row.get(2)?))
        })
    }

    /// What an erasure leaves of a deleted lead elsewhere: nothing that says who it was.
    pub(crate) fn erase_traces(&self, tenant: TenantId, lead: LeadId) -> Result<(), StoreError> {
        for statement in [
            &recovery::ERASE_RUNS,
            &recovery::ERASE_SESSIONS,
            &recovery::ERASE_EVENT_KEYS,
            &recovery::ERASE_AWARDS,
            &recovery::ERASE_SCORES,
            &recovery::ERASE_SET_ASIDE,
            &recovery::ERASE_DRAFTS,
        ] {
            self.run(statement, params![tenant.raw(), lead.raw()])?;
        }
        Ok(())
    }
}

impl Reader<'_> {
    /// What waits for a person since a restore, by what it is for and how it travels.
    pub fn held_counts(&self, tenant: TenantId, hold: &Hold) -> Result<Vec<HeldCount>, StoreError> {
        self.all(
            &recovery::HELD_COUNTS,
            params![tenant.raw(), micros(hold.until())],
            |row| {
                let number = |at: usize| row.get::<i64>(at);
                let wrong = |column| StoreError::Impossible {
                    table: "messages",
                    id: 0,
                    column,
                };
                Ok(HeldCount {
                    category: Category::from_code(number(0)?).ok_or(wrong("category"))?,
                    channel: ChannelKind::from_code(number(1)?).ok_or(wrong("channel"))?,
                    n: number(2)?,
                    doubtful: number(3)?,
                    first_at: from_micros(number(4)?),
                    last_at: from_micros(number(5)?),
                })
            },
        )
    }

    /// A page of what waits for a person since a restore, oldest first.
    pub fn held_since_restore(
        &self,
        tenant: TenantId,
        hold: &Hold,
        after: Option<MessageId>,
        most: u32,
    ) -> Result<Vec<Message>, StoreError> {
        let after = after.map_or(0, |after| after.raw());
        self.all(
            &messages::HELD,
            params![tenant.raw(), micros(hold.until()), after, most],
            crate::rows::message,
        )
    }
}
