//! Runs of workflows, what goes on beside them, and what they left people to do.

use super::*;
use crate::engine::params;
use crate::rows::{self, from_json};
use crate::sql::workflows;
use crate::{Reader, StoreError};
use ringback_core::ids::{LeadId, RunId, TenantId, WorkId};
use ringback_core::time::{Timestamp, from_micros};
use ringback_core::turn::Job;
use ringback_core::turn::world::{Run, RunState, WorkKind};
use ringback_core::workflows::TRAIL;
use serde_json::Value;

/// Where a run went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrailView {
    /// Its version.
    pub version: i64,
    /// Still under way.
    pub open: bool,
    /// The places it came to.
    pub trail: Vec<String>,
}

/// Runs of a version that are under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OpenRuns {
    /// The version.
    pub version: i64,
    /// How many.
    pub n: i64,
    /// When the first of them wakes.
    pub next: Option<Timestamp>,
}

/// Something that a workflow left a person to do.
#[derive(Debug, Clone, PartialEq)]
pub struct WorkView {
    /// Its id.
    pub id: WorkId,
    /// The lead it is about.
    pub lead: LeadId,
    /// The run that wrote it.
    pub run: Option<RunId>,
    /// What it is.
    pub kind: WorkKind,
    /// What is to be done.
    pub title: String,
    /// Who does it.
    pub assignee: Option<String>,
    /// Until when.
    pub due_at: Option<Timestamp>,
    /// What belongs to it.
    pub data: Value,
    /// When it was written.
    pub created_at: Timestamp,
}

const STATES: [RunState; 3] = [RunState::Open, RunState::Done, RunState::Stopped];

impl Reader<'_> {
    /// One run.
    pub fn run(&self, tenant: TenantId, id: RunId) -> Result<Option<Run>, StoreError> {
        let values = params![tenant.raw(), id.raw()];
        self.engine.one(&workflows::RUN, values, rows::whole_run)
    }

    /// Runs of some workflows, newest first, before a cursor: of one state, or of all.
    pub fn runs_of(
        &self,
        tenant: TenantId,
        names: &[String],
        state: Option<RunState>,
        before: Option<RunId>,
        most: u32,
    ) -> Result<Vec<Run>, StoreError> {
        let before = before.map_or(i64::MAX, |id| id.raw());
        let mut found = Vec::new();
        for name in names {
            for one in STATES
                .into_iter()
                .filter(|one| state.is_none_or(|state| state == *one))
            {
                let values = params![tenant.raw(), name, one as i64, before, most];
                found.extend(self.all(&workflows::RUNS_IN, values, rows::run)?);
            }
        }
        found.sort_by_key(|run| std::cmp::Reverse(run.id));
        found.truncate(most as usize);
        Ok(found)
    }

    /// Where the newest runs of a workflow went that began at an instant or later, at most so many in each state.
    pub fn trails(
        &self,
        tenant: TenantId,
        workflow: &str,
        since: Timestamp,
        most: u32,
    ) -> Result<Vec<TrailView>, StoreError> {
        let floor = id_floor(since.as_millisecond());
        let mut found = Vec::new();
        for state in STATES {
            let values = params![tenant.raw(), workflow, state as i64, floor, most];
            found.extend(self.all(&workflows::TRAILS, values, |row| {
                let data: String = row.get(1)?;
                let mut data: Value = from_json(&data, "runs", 0, "data")?;
                let trail = match data[TRAIL].take() {
                    Value::Array(places) => places
                        .into_iter()
                        .filter_map(|place| match place {
                            Value::String(place) => Some(place),
                            _ => None,
                        })
                        .collect(),
                    _ => Vec::new(),
                };
                Ok(TrailView {
                    version: row.get(0)?,
                    open: state == RunState::Open,
                    trail,
                })
            })?);
        }
        Ok(found)
    }

    /// Runs of a workflow that are under way, by version; no more than a number are counted.
    pub fn open_runs(
        &self,
        tenant: TenantId,
        workflow: &str,
        most: u32,
    ) -> Result<Vec<OpenRuns>, StoreError> {
        let values = params![tenant.raw(), workflow, most];
        self.all(&workflows::OPEN_RUNS, values, |row| {
            Ok(OpenRuns {
                version: row.get(0)?,
                n: row.get(1)?,
                next: row.get::<Option<i64>>(2)?.map(from_micros),
            })
        })
    }

    /// What goes on beside the leads' own events, and what came of it.
    pub fn jobs(&self, tenant: TenantId) -> Result<Vec<Job>, StoreError> {
        self.all(&workflows::JOBS_OF, params![tenant.raw()], |row| {
            rows::job(tenant, row)
        })
    }

    /// What people are still to do, newest first, before a cursor.
    pub fn open_work(
        &self,
        tenant: TenantId,
        before: Option<WorkId>,
        most: u32,
    ) -> Result<Vec<WorkView>, StoreError> {
        let before = before.map_or(i64::MAX, |id| id.raw());
        let values = params![tenant.raw(), before, most];
        self.all(&workflows::OPEN_WORK, values, |row| {
            let id: i64 = row.get(0)?;
            let kind = WorkKind::from_code(row.get(3)?);
            let data: String = row.get(7)?;
            Ok(WorkView {
                id: WorkId::from_raw(id),
                lead: LeadId::from_raw(row.get(1)?),
                run: row.get::<Option<i64>>(2)?.map(RunId::from_raw),
                kind: kind.ok_or(StoreError::Impossible {
                    table: "work",
                    id,
                    column: "kind",
                })?,
                title: row.get(4)?,
                assignee: row.get(5)?,
                due_at: row.get::<Option<i64>>(6)?.map(from_micros),
                data: from_json(&data, "work", id, "data")?,
                created_at: from_micros(row.get(8)?),
            })
        })
    }
}
