//! Questions about leads and messages: lists, one thing whole, figures.

mod of_dead;
mod of_leads;
mod of_limits;
mod of_messages;
mod of_speed;
mod of_workflows;
mod views;

use crate::engine::{Row, Values, params};
use crate::rows::{self, from_json};
use crate::sql::{Statement, leads, messages};
use crate::{House, Reader, StoreError, Writer};
use ringback_core::ids::{LeadId, MessageId, TenantId};
use ringback_core::messages::{ChannelKind, Message, Status};
use ringback_core::time::{Timestamp, from_micros, micros};
use ringback_core::turn::world::{PointKind, Suppression};

pub use of_limits::{HeldBy, SpentOn};
pub use of_speed::SpeedView;
pub use of_workflows::{OpenRuns, TrailView, WorkView};
pub use views::*;

impl Reader<'_> {
    pub(crate) fn all<T>(
        &self,
        statement: &Statement,
        values: Values<'_>,
        map: impl Fn(&Row<'_>) -> Result<T, StoreError>,
    ) -> Result<Vec<T>, StoreError> {
        self.engine.all(statement, values, map)
    }

    /// The suppression list, newest first.
    pub fn suppressions(
        &self,
        tenant: TenantId,
        before: Option<Timestamp>,
        most: u32,
    ) -> Result<Vec<SuppressionView>, StoreError> {
        self.all(
            &leads::SUPPRESSIONS,
            params![tenant.raw(), before.map_or(i64::MAX, micros), most],
            suppression_view,
        )
    }

    /// One page of the suppression list, newest first, after the last row of the page before.
    pub fn suppressions_page(
        &self,
        tenant: TenantId,
        after: Option<(Timestamp, PointKind, String)>,
        most: u32,
    ) -> Result<Vec<SuppressionView>, StoreError> {
        let (at, kind, value) = match after {
            Some((at, kind, value)) => (micros(at), kind as i64, value),
            None => (i64::MAX, i64::MAX, String::new()),
        };
        let values = params![tenant.raw(), at, kind, value, most];
        self.all(&leads::SUPPRESSIONS_PAGE, values, suppression_view)
    }

    /// What was kept apart as spam, newest first.
    pub fn spam(
        &self,
        tenant: TenantId,
        before: Option<i64>,
        most: u32,
    ) -> Result<Vec<SpamView>, StoreError> {
        self.all(
            &leads::SPAM,
            params![tenant.raw(), before.unwrap_or(i64::MAX), most],
            |row| {
                let read = || -> Result<SpamView, StoreError> {
                    Ok(SpamView {
                        id: row.get(0)?,
                        form: row.get(1)?,
                        sign: row.get(2)?,
                        raw: row.get(3)?,
                        ip: row.get(4)?,
                        at: from_micros(row.get(5)?),
                    })
                };
                read()
            },
        )
    }

    /// A booking that is not finished.
    pub fn draft(&self, tenant: TenantId, id: i64) -> Result<Option<DraftRow>, StoreError> {
        let found = self.all(&leads::DRAFT, params![tenant.raw(), id], |row| {
            let data: String = row.get(2)?;
            Ok(DraftRow {
                form: row.get(0)?,
                hash: row.get(1)?,
                data: from_json(&data, "drafts", id, "data")?,
                step: row.get(3)?,
                at: from_micros(row.get(4)?),
                lead: row.get::<Option<i64>>(5)?.map(LeadId::from_raw),
            })
        })?;
        Ok(found.into_iter().next())
    }

    /// When the event was taken that a caller gave this name, if it was.
    pub fn named_event(
        &self,
        tenant: TenantId,
        lead: LeadId,
        key: &str,
    ) -> Result<Option<Timestamp>, StoreError> {
        let found = self.all(
            &leads::EVENT_KEY,
            params![tenant.raw(), lead.raw(), key],
            |row| row.get::<i64>(0),
        )?;
        Ok(found
            .first()
            .and_then(|id| Timestamp::from_millisecond((id >> 22) + ID_EPOCH_MS).ok()))
    }

    /// A message by its id alone, for links that prove themselves and name no tenant.
    pub fn message_behind_link(&self, id: MessageId) -> Result<Option<Message>, StoreError> {
        self.engine
            .one(&messages::BEHIND_LINK, params![id.raw()], rows::message)
    }

    /// How many messages wait, per channel.
    pub fn waiting(&self) -> Result<Vec<WaitingCount>, StoreError> {
        self.all(&messages::COUNTS, params![], |row| {
            let channel = ChannelKind::from_code(row.get(0)?).ok_or(StoreError::Impossible {
                table: "messages",
                id: 0,
                column: "channel",
            })?;
            Ok(WaitingCount {
                channel,
                n: row.get(1)?,
                oldest: row.get::<Option<i64>>(2)?.map(from_micros),
            })
        })
    }

    /// How many messages of a tenant wait, per channel and status.
    pub fn waiting_counts(&self, tenant: TenantId) -> Result<Vec<WaitingOf>, StoreError> {
        self.all(&messages::COUNTS_OF, params![tenant.raw()], |row| {
            let wrong = |column| StoreError::Impossible {
                table: "messages",
                id: 0,
                column,
            };
            let channel = ChannelKind::from_code(row.get(0)?);
            let status = Status::from_code(row.get(1)?);
            let next: Option<i64> = row.get(3)?;
            Ok(WaitingOf {
                channel: channel.ok_or(wrong("channel"))?,
                status: status.ok_or(wrong("status"))?,
                n: row.get(2)?,
                next: next.map(from_micros),
            })
        })
    }

    /// The messages of a tenant that wait, the next one first.
    pub fn waiting_messages(
        &self,
        tenant: TenantId,
        most: u32,
    ) -> Result<Vec<Message>, StoreError> {
        self.all(
            &messages::WAITING_OF,
            params![tenant.raw(), most],
            rows::message,
        )
    }

    /// Attempts under way.
    pub fn flying(&self) -> Result<i64, StoreError> {
        self.engine
            .value(&messages::FLYING, params![])
            .map(Option::unwrap_or_default)
    }

    /// Whether any attempt is under way whose id a maker of this node made.
    pub fn flies_for(&self, node: u8) -> Result<bool, StoreError> {
        self.engine
            .exists(&messages::IN_FLIGHT_OF, params![node, 1])
    }

    /// What is wrong with the database file; nothing when it is whole. Reads all of it.
    pub fn integrity(&self) -> Result<Vec<String>, StoreError> {
        self.engine.faults()
    }

    /// Whether the database answers.
    pub fn alive(&self) -> Result<(), StoreError> {
        House::answers(self)
    }
}

fn suppression_view(row: &Row<'_>) -> Result<SuppressionView, StoreError> {
    let read = || -> Result<SuppressionView, StoreError> {
        Ok(SuppressionView {
            kind: PointKind::from_code(row.get(0)?),
            value: row.get(1)?,
            reason: Suppression::from_code(row.get(2)?),
            at: from_micros(row.get::<Option<i64>>(3)?.unwrap_or(0)),
            how: row.get(4)?,
        })
    };
    read()
}

impl Writer {
    /// Keeps a submission apart (L3).
    #[expect(
        clippy::too_many_arguments,
        reason = "a row has so many columns, and it is written in one place"
    )]
    pub fn insert_spam(
        &self,
        id: i64,
        tenant: TenantId,
        form: &str,
        sign: &str,
        raw: &str,
        ip: Option<&str>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.run(
            &leads::INSERT_SPAM,
            params![id, tenant.raw(), form, sign, raw, ip, micros(now)],
        )
        .map(|_| ())
    }

    /// Keeps a booking that is not finished.
    pub fn insert_draft(
        &self,
        id: i64,
        tenant: TenantId,
        draft: &DraftRow,
    ) -> Result<(), StoreError> {
        let values = params![
            id,
            tenant.raw(),
            draft.form,
            draft.hash,
            rows::json(&draft.data),
            draft.step,
            micros(draft.at)
        ];
        self.run(&leads::INSERT_DRAFT, values).map(|_| ())
    }

    /// The next step of a booking.
    pub fn update_draft(
        &self,
        id: i64,
        tenant: TenantId,
        draft: &DraftRow,
    ) -> Result<(), StoreError> {
        let values = params![
            tenant.raw(),
            id,
            rows::json(&draft.data),
            draft.step,
            micros(draft.at),
            draft.lead.map(|lead| lead.raw())
        ];
        self.run(&leads::UPDATE_DRAFT, values).map(|_| ())
    }
}

/// Ids count milliseconds from here: the beginning of 2024.
const ID_EPOCH_MS: i64 = 1_704_067_200_000;

/// The lowest id of an instant, milliseconds since 1970.
fn id_floor(ms: i64) -> i64 {
    (ms - ID_EPOCH_MS).max(0) << 22
}
