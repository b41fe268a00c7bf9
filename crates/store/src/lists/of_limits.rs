//! How far limits and budgets are used, and what they hold.

use crate::engine::FromValue;
use crate::engine::{Row, params};
use crate::sql::messages;
use crate::{Reader, StoreError};
use ringback_core::ids::{MessageId, TenantId};
use ringback_core::messages::ChannelKind;
use ringback_core::time::{Timestamp, from_micros};
use ringback_core::turn::world::{Counted, CounterKey};

/// Messages that one reason holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldBy {
    /// The reason's code: `limit:` or `budget:` with the counter's name, `quiet_hours`, `rests`, …
    pub code: String,
    /// The channel.
    pub channel: ChannelKind,
    /// How many.
    pub n: i64,
    /// When the first of them is asked again.
    pub first: Timestamp,
    /// When the last of them is asked again.
    pub last: Timestamp,
    /// One of them.
    pub sample: MessageId,
}

/// What was spent on a channel in a day or month.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SpentOn {
    /// Days since 1970, or months since year 0.
    pub slot: i64,
    /// Millionths of the tenant's currency.
    pub micros: i64,
}

fn column<T: FromValue>(row: &Row<'_>, n: usize) -> Result<T, StoreError> {
    row.get(n)
}

/// More waiting messages than this are not looked at for a page.
const MOST_LOOKED_AT: u32 = 50_000;

impl Reader<'_> {
    /// How far counters stand, in the order of the keys.
    pub fn counters(&self, keys: &[CounterKey]) -> Result<Vec<i64>, StoreError> {
        let read = |key: &CounterKey| {
            let values = params![key.tenant.raw(), key.what.name(), key.slot];
            let found = self.all(&messages::COUNTER, values, |row| column(row, 0))?;
            Ok(found.first().copied().unwrap_or_default())
        };
        keys.iter().map(read).collect()
    }

    /// What is deferred now, by reason and channel; of very many the first fifty thousand.
    pub fn held(&self, tenant: TenantId) -> Result<Vec<HeldBy>, StoreError> {
        self.all(
            &messages::HELD_BY,
            params![tenant.raw(), MOST_LOOKED_AT],
            |row| {
                let id: i64 = column(row, 5)?;
                let channel =
                    ChannelKind::from_code(column(row, 1)?).ok_or(StoreError::Impossible {
                        table: "messages",
                        id,
                        column: "channel",
                    })?;
                Ok(HeldBy {
                    code: column::<Option<String>>(row, 0)?.unwrap_or_default(),
                    channel,
                    n: column(row, 2)?,
                    first: from_micros(column(row, 3)?),
                    last: from_micros(column(row, 4)?),
                    sample: MessageId::from_raw(id),
                })
            },
        )
    }

    /// What was spent on a channel: by day since a day, and by month since a month.
    pub fn spent(
        &self,
        tenant: TenantId,
        channel: ChannelKind,
        since_day: i64,
        since_month: i64,
    ) -> Result<(Vec<SpentOn>, Vec<SpentOn>), StoreError> {
        let (day, month) = (
            Counted::SpentDay(channel).name(),
            Counted::SpentMonth(channel).name(),
        );
        let values = params![tenant.raw(), day, since_day, month, since_month];
        let rows = self.all(&messages::SPENT, values, |row| {
            let name: String = column(row, 0)?;
            let spent = SpentOn {
                slot: column(row, 1)?,
                micros: column(row, 2)?,
            };
            Ok((name == day, spent))
        })?;
        let (days, months): (Vec<_>, Vec<_>) = rows.into_iter().partition(|(day, _)| *day);
        let only = |rows: Vec<(bool, SpentOn)>| rows.into_iter().map(|(_, spent)| spent).collect();
        Ok((only(days), only(months)))
    }

    /// How many leads came since an instant.
    pub fn leads_since(&self, tenant: TenantId, since: Timestamp) -> Result<i64, StoreError> {
        let values = params![tenant.raw(), ringback_core::ids::first_of(since)];
        let found = self.all(&messages::LEADS_SINCE, values, |row| column(row, 0))?;
        Ok(found.first().copied().unwrap_or_default())
    }
}
