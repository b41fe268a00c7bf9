//! The orders of a restore, decided by the same turns as any other; nothing is sent off by them.

use super::restore::TenantReport;
use crate::clock::WallDice;
use crate::journal::Marks;
use ringback_core::ids::{IdMaker, LeadId, TenantId};
use ringback_core::time::Timestamp;
use ringback_core::turn::world::{PointKey, PointKind};
use ringback_core::turn::{
    Answer, Batch, Intake, JournalEntry, Lines, LookUps, Order, Queues, Tenants,
};
use ringback_store::{StoreError, Writer};
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

/// Orders of one commit, and rows read at a time.
const PIECE: u32 = 500;

/// Decides orders on a restored database before anybody else sees it.
pub(super) struct Replayer {
    pub(super) writer: Writer,
    tenants: Arc<Tenants>,
    ids: IdMaker,
    lines: Lines,
    queues: Queues,
    looks: LookUps,
    lease: Duration,
    now: Timestamp,
}

impl Replayer {
    pub(super) fn new(
        writer: Writer,
        tenants: Arc<Tenants>,
        ids: IdMaker,
        (looks, lease): (LookUps, Duration),
        now: Timestamp,
    ) -> Self {
        Self {
            writer,
            tenants,
            ids,
            // No line has room, so nothing is sent off.
            lines: Lines::with_room_for(0),
            queues: Queues::default(),
            looks,
            lease,
            now,
        }
    }

    /// One commit for each piece.
    fn take(&mut self, tenant: TenantId, intakes: Vec<Intake>) -> Result<Vec<Answer>, StoreError> {
        let mut answers = Vec::with_capacity(intakes.len());
        let mut rest = intakes.into_iter().peekable();
        while rest.peek().is_some() {
            let order = |intake| Order {
                tenant,
                at: self.now,
                intake,
                once: None,
            };
            let orders: Vec<Order> = rest.by_ref().take(PIECE as usize).map(order).collect();
            let batch = Batch {
                orders: &orders,
                tenants: &self.tenants,
                now: self.now,
                ids: &mut self.ids,
                dice: &mut WallDice,
                lines: &mut self.lines,
                queues: &mut self.queues,
                distrust: None,
                looks: self.looks,
                lease: self.lease,
                written: crate::http::written,
            };
            // The journal has it already.
            answers.extend(batch.commit(&mut self.writer, |_, _| Ok(()))?.answers);
        }
        Ok(answers)
    }

    /// Does again what the journal remembers of a tenant.
    pub(super) fn remember(
        &mut self,
        tenant: TenantId,
        entries: &[JournalEntry],
        marks: &Marks,
        report: &mut TenantReport,
    ) -> Result<(), StoreError> {
        let own = entries.iter().filter(|entry| entry.tenant() == tenant);
        let mut intakes = Vec::new();
        for entry in own.clone() {
            match entry {
                JournalEntry::Stands { standing, .. } if standing.front.is_some() => {
                    report.listed += 1;
                }
                JournalEntry::Stands { .. } => report.lifted += 1,
                JournalEntry::Revoked { .. } => report.revoked += 1,
                JournalEntry::Granted { .. }
                | JournalEntry::Erased { .. }
                | JournalEntry::Forgotten { .. } => continue,
            }
            intakes.push(Intake::Journal(Box::new(entry.clone())));
        }
        self.take(tenant, intakes)?;
        let gone = self.erased(tenant, own.clone(), marks)?;
        let deletions = gone.into_iter().map(|lead| Intake::Delete {
            lead,
            actor: "restore".to_owned(),
        });
        let answers = self.take(tenant, deletions.collect())?;
        report.erased += answers
            .iter()
            .filter(|answer| **answer == Answer::Done)
            .count() as u64;
        report.forgotten += self.forget(tenant, own, marks)?;
        Ok(())
    }

    /// The leads that were deleted, and those who were the same person and had not been merged yet when the backup was made.
    fn erased<'e>(
        &self,
        tenant: TenantId,
        entries: impl Iterator<Item = &'e JournalEntry>,
        marks: &Marks,
    ) -> Result<BTreeSet<LeadId>, StoreError> {
        let mut gone = BTreeSet::new();
        let mut marked: HashMap<&str, i64> = HashMap::new();
        for entry in entries {
            if let JournalEntry::Erased {
                lead,
                before,
                marks,
                ..
            } = entry
            {
                gone.insert(*lead);
                for mark in marks {
                    let known = marked.entry(mark).or_insert(*before);
                    *known = (*known).max(*before);
                }
            }
        }
        if marked.is_empty() {
            return Ok(gone);
        }
        let mut after = (PointKind::Phone, String::new());
        loop {
            let points = self
                .writer
                .points_after(tenant, (after.0, &after.1), PIECE)?;
            let Some((kind, value, _)) = points.last() else {
                return Ok(gone);
            };
            after = (*kind, value.clone());
            for (kind, value, lead) in points {
                let key = PointKey {
                    tenant,
                    kind,
                    value,
                };
                let before = marked.get(marks.of(&key).as_str());
                if before.is_some_and(|before| lead.raw() < *before) {
                    gone.insert(lead);
                }
            }
        }
    }

    /// Erases again what consents said, where that was asked for.
    fn forget<'e>(
        &mut self,
        tenant: TenantId,
        entries: impl Iterator<Item = &'e JournalEntry>,
        marks: &Marks,
    ) -> Result<u64, StoreError> {
        let mut marked: HashMap<&str, i64> = HashMap::new();
        for entry in entries {
            if let JournalEntry::Forgotten { before, marks, .. } = entry {
                for mark in marks {
                    let known = marked.entry(mark).or_insert(*before);
                    *known = (*known).max(*before);
                }
            }
        }
        if marked.is_empty() {
            return Ok(0);
        }
        let (mut values, mut after) = (BTreeSet::new(), 0);
        loop {
            let rows = self.writer.consents_after(tenant, after, PIECE)?;
            let Some((last, ..)) = rows.last() else { break };
            after = *last;
            for (id, kind, value) in rows {
                let key = PointKey {
                    tenant,
                    kind,
                    value,
                };
                if marked
                    .get(marks.of(&key).as_str())
                    .is_some_and(|before| id < *before)
                {
                    values.insert(key.value);
                }
            }
        }
        let mut gone = 0;
        for value in values {
            self.writer.begin()?;
            let why = "erased before the restore, by the journal";
            let erased = self
                .writer
                .erase_consents(tenant, &value, "restore", why, self.now)
                .and_then(|n| self.writer.commit().map(|()| n));
            if erased.is_err() {
                self.writer.roll_back();
            }
            gone += erased? as u64;
        }
        Ok(gone)
    }

    /// What was due or under way between the backup and now may have gone out.
    pub(super) fn doubt(
        &mut self,
        tenant: TenantId,
        since: Timestamp,
        report: &mut TenantReport,
    ) -> Result<(), StoreError> {
        let mut after = 0;
        loop {
            let piece = self
                .writer
                .unsettled_since(tenant, self.now, after, PIECE)?;
            let Some(last) = piece.last() else { break };
            after = last.raw();
            report.doubted += piece.len() as u64;
            let intakes = piece
                .into_iter()
                .map(|message| Intake::Restored { message, since });
            self.take(tenant, intakes.collect())?;
        }
        let mut after = 0;
        loop {
            let piece = self.writer.due_runs(tenant, self.now, after, PIECE)?;
            let Some((last, _)) = piece.last() else {
                return Ok(());
            };
            after = last.raw();
            report.runs += piece.len() as u64;
            let intakes =
                piece
                    .into_iter()
                    .map(|(run, lead)| Intake::RestoredRun { run, lead, since });
            self.take(tenant, intakes.collect())?;
        }
    }
}
