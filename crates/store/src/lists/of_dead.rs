//! Dead letters by their cause, messages of which nobody knows whether they went out, and those that may have gone out twice.

use super::*;
use crate::engine::params;
use crate::rows;
use crate::sql::messages;
use crate::{Reader, StoreError};
use ringback_core::ids::{CauseId, MessageId, TenantId};
use ringback_core::messages::Message;

impl Reader<'_> {
    /// Every cause of dead letters, at most `most`: how many, the oldest and the newest message.
    pub fn causes(&self, tenant: TenantId, most: u32) -> Result<Vec<CauseCount>, StoreError> {
        self.all(&messages::CAUSES, params![tenant.raw(), most], |row| {
            let read = || -> Result<CauseCount, StoreError> {
                Ok(CauseCount {
                    cause: CauseId::from_raw(row.get(0)?),
                    n: row.get(1)?,
                    first: MessageId::from_raw(row.get(2)?),
                    last: MessageId::from_raw(row.get(3)?),
                })
            };
            read()
        })
    }

    /// How many dead letters there are.
    pub fn dead_count(&self, tenant: TenantId) -> Result<i64, StoreError> {
        self.count(&messages::DEAD_COUNT, tenant)
    }

    /// Dead letters of a cause, newest first.
    pub fn dead_of(
        &self,
        tenant: TenantId,
        cause: CauseId,
        before: Option<MessageId>,
        most: u32,
    ) -> Result<Vec<Message>, StoreError> {
        let before = before.map_or(i64::MAX, |id| id.raw());
        let values = params![tenant.raw(), cause.raw(), before, most];
        self.all(&messages::OF_CAUSE, values, rows::message)
    }

    /// Dead letters of a cause, oldest first: the order in which they were meant to go.
    pub fn dead_from(
        &self,
        tenant: TenantId,
        cause: CauseId,
        after: Option<MessageId>,
        most: u32,
    ) -> Result<Vec<Message>, StoreError> {
        let after = after.map_or(0, |id| id.raw());
        let values = params![tenant.raw(), cause.raw(), after, most];
        self.all(&messages::OF_CAUSE_FIRST, values, rows::message)
    }

    /// How many messages may have gone out more than once (P4).
    pub fn repeated_count(&self, tenant: TenantId) -> Result<i64, StoreError> {
        self.count(&messages::REPEATED_COUNT, tenant)
    }

    /// Messages of which nobody knows whether they went out, newest first.
    pub fn unknown(
        &self,
        tenant: TenantId,
        before: Option<MessageId>,
        most: u32,
    ) -> Result<Vec<Message>, StoreError> {
        let before = before.map_or(i64::MAX, |id| id.raw());
        let values = params![tenant.raw(), before, most];
        self.all(&messages::UNKNOWN, values, rows::message)
    }

    /// How many of them there are.
    pub fn unknown_counts(&self, tenant: TenantId) -> Result<UnknownCounts, StoreError> {
        let found = self.all(&messages::UNKNOWN_COUNTS, params![tenant.raw()], |row| {
            let read = || -> Result<(i64, i64), StoreError> { Ok((row.get(0)?, row.get(1)?)) };
            read()
        })?;
        let (all, open) = found.first().copied().unwrap_or_default();
        Ok(UnknownCounts {
            open,
            given_up: all - open,
            repeated: self.repeated_count(tenant)?,
        })
    }

    fn count(&self, statement: &Statement, tenant: TenantId) -> Result<i64, StoreError> {
        let found = self.all(statement, params![tenant.raw()], |row| row.get(0))?;
        Ok(found.first().copied().unwrap_or(0))
    }
}
