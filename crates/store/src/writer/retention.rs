//! What was kept for as long as it was to be, a piece at a time (L11). A look reads a bounded number of rows and names a bounded number of them;
//! a turn decides which of them go, under its locks.

use super::Writer;
use crate::StoreError;
use crate::engine::params;
use crate::sql::{leads, recovery, retention};
use ringback_core::ids::{EventId, LeadId, MessageId, TenantId, first_of};
use ringback_core::messages::Category;
use ringback_core::time::{Timestamp, from_micros, micros};
use ringback_core::turn::world::{ConsentBits, World};
use ringback_core::turn::{Kept, LOOKED_AT, MOST_FORGOTTEN, Mark, Old, Silence};

/// A message goes with its calls.
const ROWS_OF_MESSAGE: usize = 2;

const fn whole(n: usize) -> i64 {
    n as i64
}

impl Writer {
    /// The next piece of what is old in a tenant, and where to look next; no mark when the end is reached.
    pub fn old(
        &self,
        tenant: TenantId,
        kept: &Kept,
        from: Mark,
    ) -> Result<(Old, Option<Mark>), StoreError> {
        match from {
            Mark::Leads(after) => self.old_leads(tenant, kept, after),
            Mark::Messages(after) => self.old_messages(tenant, kept, after),
        }
    }

    fn old_leads(
        &self,
        tenant: TenantId,
        kept: &Kept,
        after: i64,
    ) -> Result<(Old, Option<Mark>), StoreError> {
        let values = params![
            tenant.raw(),
            after,
            first_of(kept.youngest_lead()),
            whole(LOOKED_AT)
        ];
        let found = self.engine.all(&retention::LEADS_FROM, values, |row| {
            let silence = Silence {
                last: from_micros(row.get(1)?),
                visitor: row.get::<i64>(2)? != 0 && row.get::<i64>(3)? == 0,
            };
            Ok((row.get::<i64>(0)?, silence))
        })?;
        let Some((last, _)) = found.last() else {
            return Ok((Old::default(), Some(Mark::Messages(0))));
        };
        let (mut old, mut room, mut before) = (Old::default(), MOST_FORGOTTEN, after);
        for (id, silence) in &found {
            if kept.lead_goes(silence) {
                let lead = LeadId::from_raw(*id);
                let rows = self.rows_of(tenant, lead)?;
                if rows.events.len() > MOST_FORGOTTEN && old.is_empty() {
                    // Its history first; the next look finds it shorter.
                    let events = rows.events.into_iter().take(MOST_FORGOTTEN);
                    old.events = events.map(|event| (lead, event)).collect();
                    return Ok((old, Some(Mark::Leads(before))));
                }
                let n = 1 + rows.events.len() + rows.messages * ROWS_OF_MESSAGE;
                if n > room && !old.is_empty() {
                    return Ok((old, Some(Mark::Leads(before))));
                }
                old.leads.push(lead);
                room = room.saturating_sub(n);
            }
            before = *id;
        }
        if room > 0 {
            let events = first_of(kept.events);
            let values = params![tenant.raw(), after, last, events, whole(room)];
            let found = self.engine.all(&retention::EVENTS_BEFORE, values, |row| {
                let lead = LeadId::from_raw(row.get(0)?);
                Ok((lead, EventId::from_raw(row.get(1)?)))
            })?;
            let more = found.len() == room;
            old.events = found;
            if more {
                return Ok((old, Some(Mark::Leads(after))));
            }
        } else {
            return Ok((old, Some(Mark::Leads(after))));
        }
        let next = if found.len() < LOOKED_AT {
            Mark::Messages(0)
        } else {
            Mark::Leads(*last)
        };
        Ok((old, Some(next)))
    }

    fn rows_of(&self, tenant: TenantId, lead: LeadId) -> Result<RowsOf, StoreError> {
        let most = whole(MOST_FORGOTTEN) + 1;
        let values = params![tenant.raw(), lead.raw(), most];
        let events = self.engine.all(&retention::EVENTS_OF, values, |row| {
            Ok(EventId::from_raw(row.get(0)?))
        })?;
        let messages: i64 = self
            .engine
            .value(&retention::MESSAGES_OF, values)?
            .unwrap_or(0);
        let messages = usize::try_from(messages).unwrap_or(usize::MAX / ROWS_OF_MESSAGE);
        Ok(RowsOf { events, messages })
    }

    fn old_messages(
        &self,
        tenant: TenantId,
        kept: &Kept,
        after: i64,
    ) -> Result<(Old, Option<Mark>), StoreError> {
        let youngest = first_of(kept.youngest_message());
        let values = params![tenant.raw(), after, youngest, whole(LOOKED_AT)];
        let found = self.engine.all(&retention::MESSAGES_FROM, values, |row| {
            let id: i64 = row.get(0)?;
            let category = Category::from_code(row.get(1)?).ok_or(StoreError::Impossible {
                table: "messages",
                id,
                column: "category",
            })?;
            let (made, settled, lead_is_gone) = (
                from_micros(row.get(2)?),
                row.get::<i64>(3)? != 0,
                row.get::<i64>(4)? != 0,
            );
            Ok((
                id,
                settled && kept.message_goes(category, made, lead_is_gone),
            ))
        })?;
        let mut old = Old::default();
        for (id, goes) in &found {
            if !*goes {
                continue;
            }
            old.messages.push(MessageId::from_raw(*id));
            if old.messages.len() * ROWS_OF_MESSAGE >= MOST_FORGOTTEN {
                return Ok((old, Some(Mark::Messages(*id))));
            }
        }
        let next = found
            .last()
            .filter(|_| found.len() == LOOKED_AT)
            .map(|(id, _)| Mark::Messages(*id));
        Ok((old, next))
    }

    /// Writes what a turn let go.
    pub(super) fn forget(&self, world: &World, now: Timestamp) -> Result<(), StoreError> {
        for (tenant, lead) in &world.out.anonymised {
            self.delete_lead(*tenant, *lead, now)?;
            let proofs = world.out.proofs_since.map_or(i64::MAX, micros);
            let offers = Category::Promotional.code();
            self.run(
                &retention::ANONYMISE_ATTEMPTS,
                params![tenant.raw(), lead.raw(), proofs, offers],
            )?;
            self.run(
                &retention::ANONYMISE_MESSAGES,
                params![tenant.raw(), lead.raw(), micros(now), proofs, offers],
            )?;
        }
        let events = &world.out.forgotten_events;
        for (at, (tenant, lead, event)) in events.iter().enumerate() {
            self.run(&retention::FORGET_EVENT, params![tenant.raw(), event.raw()])?;
            let next = events.get(at + 1).map(|(_, lead, _)| lead);
            if next != Some(lead) {
                self.run(
                    &retention::FORGET_EVENT_KEYS,
                    params![tenant.raw(), lead.raw(), event.raw()],
                )?;
            }
        }
        for (tenant, message) in &world.out.forgotten_messages {
            for statement in [&retention::FORGET_ATTEMPTS, &retention::FORGET_MESSAGE] {
                self.run(statement, params![tenant.raw(), message.raw()])?;
            }
        }
        Ok(())
    }

    /// A lead's own row, its contact points but for what must be remembered, and what it did.
    pub(super) fn delete_lead(
        &self,
        tenant: TenantId,
        lead: LeadId,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.run(
            &leads::DELETE,
            params![tenant.raw(), lead.raw(), micros(now)],
        )?;
        let [high, low, wishes] = ConsentBits::MASKS;
        self.run(
            &leads::FORGET_POINTS,
            params![tenant.raw(), lead.raw(), high, low],
        )?;
        self.run(
            &leads::DETACH_POINTS,
            params![tenant.raw(), lead.raw(), high, low, wishes],
        )?;
        self.run(&leads::DELETE_EVENTS, params![tenant.raw(), lead.raw()])?;
        self.erase_traces(tenant, lead)?;
        self.run(
            &recovery::ERASE_MERGED,
            params![tenant.raw(), lead.raw(), micros(now)],
        )
    }
}

/// What hangs on a lead, counted no further than a piece goes.
struct RowsOf {
    events: Vec<EventId>,
    messages: usize,
}
