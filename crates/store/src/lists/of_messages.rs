//! Messages and the calls that were made for them.

use super::*;
use crate::engine::{Row, params};
use crate::rows::{self, from_json};
use crate::sql::messages;
use crate::{Reader, StoreError};
use ringback_core::ids::{AttemptId, ConnectionId, LeadId, MessageId, NotificationId, TenantId};
use ringback_core::messages::{ChannelKind, Message, Status};
use ringback_core::time::from_micros;

impl Reader<'_> {
    /// A message of this tenant.
    pub fn message(&self, tenant: TenantId, id: MessageId) -> Result<Option<Message>, StoreError> {
        let values = params![tenant.raw(), id.raw()];
        self.engine.one(&messages::BY_ID, values, rows::message)
    }

    /// The messages about a lead, newest first.
    pub fn messages_of(
        &self,
        tenant: TenantId,
        lead: LeadId,
        before: Option<MessageId>,
        most: u32,
    ) -> Result<Vec<Message>, StoreError> {
        self.all(
            &messages::OF_LEAD,
            params![
                tenant.raw(),
                lead.raw(),
                before.map_or(i64::MAX, |id| id.raw()),
                most
            ],
            rows::message,
        )
    }

    /// A tenant's messages, newest first, narrowed by what is given. Reads at most 20 times as many rows as are asked for.
    pub fn messages(
        &self,
        tenant: TenantId,
        status: Option<Status>,
        channel: Option<ChannelKind>,
        workflow: Option<&str>,
        before: Option<MessageId>,
        most: u32,
    ) -> Result<Vec<Message>, StoreError> {
        let mut before = before.map_or(i64::MAX, |id| id.raw());
        let troubled = status.is_some_and(Status::missed);
        let statement = if troubled {
            &messages::TROUBLE
        } else {
            &messages::NEWEST
        };
        let mut out = Vec::new();
        for _ in 0..20 {
            let page = self.all(
                statement,
                params![tenant.raw(), before, most],
                rows::message,
            )?;
            let last = page.last().map(|message| message.id.raw());
            let full = page.len() == most as usize;
            out.extend(page.into_iter().filter(|message| {
                status.is_none_or(|status| message.status == status)
                    && channel.is_none_or(|channel| message.channel == channel)
                    && workflow.is_none_or(|workflow| {
                        message
                            .step
                            .as_ref()
                            .is_some_and(|step| step.split('@').next() == Some(workflow))
                    })
            }));
            match last {
                Some(last) if full && out.len() < most as usize => before = last,
                _ => break,
            }
        }
        out.truncate(most as usize);
        Ok(out)
    }

    /// One page of a tenant's messages, newest first, and the cursor of the next page. A page that had to look at too many rows
    /// may hold fewer than asked for and still have a next one.
    pub fn messages_page(
        &self,
        tenant: TenantId,
        filter: &MessageFilter,
        before: Option<MessageId>,
        most: u32,
    ) -> Result<(Vec<Message>, Option<MessageId>), StoreError> {
        const STEP: u32 = 250;
        const ROUNDS: usize = 20;
        let mut before = before.map_or(i64::MAX, |id| id.raw());
        let troubled = filter.status.is_some_and(Status::missed);
        let mut out: Vec<Message> = Vec::new();
        for _ in 0..ROUNDS {
            let page = match filter.lead {
                Some(lead) => {
                    let before = Some(MessageId::from_raw(before));
                    self.messages_of(tenant, lead, before, STEP)?
                }
                None => {
                    let statement = if filter.repeated {
                        &messages::REPEATED
                    } else if troubled {
                        &messages::TROUBLE
                    } else {
                        &messages::NEWEST
                    };
                    self.all(
                        statement,
                        params![tenant.raw(), before, STEP],
                        rows::message,
                    )?
                }
            };
            let full = page.len() == STEP as usize;
            let last = page.last().map(|message| message.id.raw());
            for message in page.into_iter().filter(|message| filter.fits(message)) {
                if out.len() == most as usize {
                    let next = out.last().map(|message| message.id);
                    return Ok((out, next));
                }
                out.push(message);
            }
            match last {
                Some(last) if full => before = last,
                _ => return Ok((out, None)),
            }
        }
        Ok((out, Some(MessageId::from_raw(before))))
    }

    /// The calls of all messages about a lead, newest first.
    pub fn attempts_of_lead(
        &self,
        tenant: TenantId,
        lead: LeadId,
        before: i64,
        most: u32,
    ) -> Result<Vec<LeadAttempt>, StoreError> {
        self.all(
            &messages::ATTEMPTS_OF_LEAD,
            params![tenant.raw(), lead.raw(), before, most],
            |row| {
                let message: i64 = row.get(9)?;
                let channel = ChannelKind::from_code(row.get(10)?);
                Ok(LeadAttempt {
                    attempt: attempt_view(row)?,
                    message: MessageId::from_raw(message),
                    channel: channel.ok_or(StoreError::Impossible {
                        table: "messages",
                        id: message,
                        column: "channel",
                    })?,
                    staff: row.get(11)?,
                })
            },
        )
    }

    /// One send step for one recipient, over all its messages.
    pub fn notification(
        &self,
        tenant: TenantId,
        id: NotificationId,
    ) -> Result<Vec<Message>, StoreError> {
        // Messages of one notification get their ids right after its own; later stand-ins are found through the lead.
        let mut found = self.all(
            &messages::OF_NOTIFICATION,
            params![tenant.raw(), id.raw(), id.raw() + (1 << 22) * 4],
            rows::message,
        )?;
        if let Some(lead) = found.first().and_then(|message| message.lead) {
            for message in self.messages_of(tenant, lead, None, 200)? {
                if message.notification == id && !found.iter().any(|known| known.id == message.id) {
                    found.push(message);
                }
            }
        }
        Ok(found)
    }

    /// The messages to a number or address, newest first.
    pub fn messages_to(
        &self,
        tenant: TenantId,
        address: &str,
        most: u32,
    ) -> Result<Vec<Message>, StoreError> {
        let values = params![tenant.raw(), address, most];
        self.all(&messages::TO_ADDRESS, values, rows::message)
    }

    /// The calls of a message, first one first.
    pub fn attempts(
        &self,
        tenant: TenantId,
        message: MessageId,
    ) -> Result<Vec<AttemptView>, StoreError> {
        self.all(
            &messages::ATTEMPTS_OF,
            params![tenant.raw(), message.raw()],
            attempt_view,
        )
    }
}

fn attempt_view(row: &Row<'_>) -> Result<AttemptView, StoreError> {
    let id: i64 = row.get(0)?;
    let why: Option<String> = row.get(7)?;
    Ok(AttemptView {
        id: AttemptId::from_raw(id),
        number: row.get(1)?,
        connection: row.get::<Option<i64>>(2)?.map(ConnectionId::from_raw),
        started_at: from_micros(row.get(3)?),
        finished_at: from_micros(row.get(4)?),
        outcome: row.get(5)?,
        reference: row.get(6)?,
        why: why
            .map(|why| from_json(&why, "attempts", id, "why"))
            .transpose()?,
        late: row.get(8)?,
    })
}
