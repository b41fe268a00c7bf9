//! One command from a backup to a data folder that can be started: checked before and after, held until a person has looked.
//!
//! Everything happens in a folder of its own inside the data folder; the database gets its name at the very end. A restore that breaks
//! off leaves a data folder without a database, and is simply done again.

use super::replay::Replayer;
use crate::journal::{self, Found};
use crate::registry::Registry;
use crate::secrets::{MasterKey, SealError};
use ringback_channels::{Egress, Http};
use ringback_core::ids::{IdMaker, LeadId, TenantId};
use ringback_core::seeded::{Bug, has};
use ringback_core::time::{Clock, Timestamp};
use ringback_core::turn::{JournalEntry, LookUps};
use ringback_store::backup::{self, BackupError, DATABASE, Holds, Manifest};
use ringback_store::{HoldRow, HoldState, House as _, OpenError, StoreError};
use serde::Serialize;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// References that may have been given between the backup and the loss are left out.
const NUMBERS_LEFT_OUT: i64 = 1_000_000;

/// What is to be restored, and where.
#[derive(Debug, Clone)]
pub struct RestoreWish {
    /// A backup, or a folder of backups, of which the newest good one is taken.
    pub from: PathBuf,
    /// The data folder that is to be.
    pub data: PathBuf,
    /// The folder of the journal that the server will go on with.
    pub journal: PathBuf,
    /// A journal kept elsewhere, taken over first.
    pub journal_from: Option<PathBuf>,
    /// Go on although there is no journal.
    pub without_journal: bool,
    /// The file of the master key, when it is not in the data folder already.
    pub key: Option<PathBuf>,
    /// What providers may be reached at, as the server that goes on with it is told: which accounts can be asked depends on it.
    pub egress: Egress,
    /// When it is looked up what became of messages that may have gone out.
    pub looks: LookUps,
    /// How long a claim holds.
    pub lease: Duration,
}

/// Why nothing was restored.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// The backup.
    #[error(transparent)]
    Backup(#[from] BackupError),
    /// The master key.
    #[error(transparent)]
    Key(#[from] SealError),
    /// The restored database cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A file or folder.
    #[error("{path} cannot be {at}: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// What was tried.
        at: &'static str,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// There is a database already.
    #[error(
        "there is a database in {0} already, and nothing is written over. Restore into another folder, or move that one away first"
    )]
    Occupied(PathBuf),
    /// The file is not the one that was checked.
    #[error(
        "the file of the backup {0} is not the one that was checked when it was made: take another backup"
    )]
    Changed(PathBuf),
    /// There is no master key.
    #[error(
        "the master key is missing. It is no part of a backup: name the copy you kept with --key FILE, it becomes {0}"
    )]
    NoKey(PathBuf),
    /// The master key is another one.
    #[error(
        "the key {0} is not the one that this backup was made under: settings of connections could not be opened and links in mails would be dead"
    )]
    OtherKey(PathBuf),
    /// The clock is behind.
    #[error(
        "the clock of this machine says {now}, and the backup or the journal is of {known}. Set the clock right first, else ids and hours would be wrong"
    )]
    Clock {
        /// The clock.
        now: Timestamp,
        /// What is known to have been.
        known: Timestamp,
    },
    /// There is no journal.
    #[error(
        "there is no journal in {0}. It remembers every STOP and every deletion since the backup: name it with --journal DIR. If it is lost, --without-journal goes on, and people who said STOP since then may be written to"
    )]
    NoJournal(PathBuf),
    /// A tenant's configuration cannot be read.
    #[error(
        "the configuration of {0} cannot be read by this version, so nothing could be replayed for it: restore with the version that made the backup"
    )]
    Tenant(String),
}

pub(super) fn file<'a>(
    at: &'static str,
    path: &'a Path,
) -> impl Fn(io::Error) -> RestoreError + 'a {
    move |source| RestoreError::File {
        path: path.to_owned(),
        at,
        source,
    }
}

/// What a restore did for a tenant.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct TenantReport {
    /// Its name in addresses.
    pub tenant: String,
    /// Entries of the suppression list that the journal brought back.
    pub listed: u64,
    /// Those that had been lifted since.
    pub lifted: u64,
    /// Consents taken back since.
    pub revoked: u64,
    /// Leads deleted since.
    pub erased: u64,
    /// Consents whose content was erased since.
    pub forgotten: u64,
    /// Messages that may have gone out since the backup.
    pub doubted: u64,
    /// Runs that may have gone on since the backup.
    pub runs: u64,
}

/// A data folder that can be started.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Restored {
    /// The backup.
    pub backup: PathBuf,
    /// What it holds.
    pub manifest: Manifest,
    /// When the restore ended.
    pub restored_at: Timestamp,
    /// Entries that were read from the journal.
    pub journal_entries: usize,
    /// Files of the journal that end in the middle of an entry, as a crash leaves them.
    pub journal_torn: usize,
    /// Files of the journal with damage in the middle.
    pub journal_damaged: Vec<PathBuf>,
    /// Each tenant.
    pub tenants: Vec<TenantReport>,
}

/// Restores a backup into a data folder.
pub fn restore(wish: &RestoreWish, clock: &dyn Clock) -> Result<Restored, RestoreError> {
    let kept = backup::newest(&wish.from)?;
    let manifest = kept.manifest?;
    let database = wish.data.join(DATABASE);
    for name in [DATABASE, "ringback.db-wal", "ringback.db-shm"] {
        if wish.data.join(name).exists() {
            return Err(RestoreError::Occupied(wish.data.clone()));
        }
    }
    fs::create_dir_all(&wish.data).map_err(file("made", &wish.data))?;
    let found = read_journal(wish)?;
    let now = clock.now();
    let known = found
        .newest()
        .map_or(manifest.taken_at, |newest| newest.max(manifest.taken_at));
    if now < known {
        return Err(RestoreError::Clock { now, known });
    }
    let master = key(wish, &manifest)?;
    let staging = wish.data.join("restoring");
    if staging.exists() {
        fs::remove_dir_all(&staging).map_err(file("removed", &staging))?;
    }
    fs::create_dir_all(&staging).map_err(file("made", &staging))?;
    let copy = staging.join(DATABASE);
    let (sha256, _) = backup::copy_and_hash(&kept.folder.join(DATABASE), &copy, Duration::ZERO)?;
    if sha256 != manifest.sha256 {
        return Err(RestoreError::Changed(kept.folder));
    }
    backup::check(&copy, &Holds::from(&manifest))?;
    let tenants = replay(
        wish,
        &manifest,
        &kept.folder,
        &staging,
        &master,
        &found,
        now,
    )?;
    fs::rename(&copy, &database).map_err(file("named", &copy))?;
    backup::sync_folder(&wish.data)?;
    fs::remove_dir_all(&staging).map_err(file("removed", &staging))?;
    Ok(Restored {
        backup: kept.folder,
        manifest,
        restored_at: now,
        journal_entries: found.entries.len(),
        journal_torn: found.torn,
        journal_damaged: found.damaged,
        tenants,
    })
}

fn read_journal(wish: &RestoreWish) -> Result<Found, RestoreError> {
    if let Some(from) = &wish.journal_from
        && *from != wish.journal
    {
        journal::adopt(from, &wish.journal).map_err(file("read", from))?;
    }
    if !wish.journal.is_dir() {
        if wish.without_journal {
            return Ok(Found::default());
        }
        return Err(RestoreError::NoJournal(wish.journal.clone()));
    }
    journal::read(&wish.journal).map_err(file("read", &wish.journal))
}

/// The master key, which must be the one that the backup was made under.
fn key(wish: &RestoreWish, manifest: &Manifest) -> Result<MasterKey, RestoreError> {
    let own = wish.data.join("master.key");
    if let Some(given) = &wish.key {
        let master = MasterKey::of_file(given)?;
        if master.mark() != manifest.master_key {
            return Err(RestoreError::OtherKey(given.clone()));
        }
        if !own.exists() {
            master.keep_in(&own)?;
        }
    }
    if !own.exists() {
        return Err(RestoreError::NoKey(own));
    }
    let master = MasterKey::of_file(&own)?;
    if master.mark() != manifest.master_key {
        return Err(RestoreError::OtherKey(own));
    }
    Ok(master)
}

/// Opens the copy, holds every tenant, does again what the journal remembers, and doubts what may have gone out.
fn replay(
    wish: &RestoreWish,
    manifest: &Manifest,
    from: &Path,
    staging: &Path,
    master: &MasterKey,
    found: &Found,
    now: Timestamp,
) -> Result<Vec<TenantReport>, RestoreError> {
    let (writer, readers, checkpointer) = ringback_store::open(staging)?;
    let mut ids = IdMaker::new(0, writer.last_id());
    let rows = writer.tenants()?;
    let hold = |tenant: TenantId, floor: i64| HoldRow {
        tenant,
        backup: from
            .file_name()
            .map(|name| name.to_string_lossy().into_owned())
            .unwrap_or_default(),
        snapshot_at: manifest.taken_at,
        restored_at: now,
        floor,
        state: HoldState::Holds,
        changed_at: now,
        changed_by: "restore".to_owned(),
        report: serde_json::Value::Null,
    };
    for row in &rows {
        let floor = ids.next(now);
        writer.skip_numbers(row.id, LeadId::from_raw(floor), NUMBERS_LEFT_OUT, now)?;
        writer.put_hold(&hold(row.id, floor))?;
    }
    let registry = Registry::new(master.clone(), Http::new(wish.egress.clone()));
    registry.reload(&writer)?;
    let tenants = registry.tenants();
    if let Some(row) = rows.iter().find(|row| !tenants.contains_key(&row.id)) {
        return Err(RestoreError::Tenant(row.slug.clone()));
    }
    let entries = if has(Bug::JournalNotReplayed) {
        Vec::new()
    } else {
        JournalEntry::fold(found.entries.clone())
    };
    let marks = journal::Marks::new(master);
    let mut replayer = Replayer::new(writer, tenants, ids, wish, now);
    let mut reports = Vec::new();
    for row in &rows {
        let mut report = TenantReport {
            tenant: row.slug.clone(),
            ..TenantReport::default()
        };
        replayer.remember(row.id, &entries, &marks, &mut report)?;
        replayer.doubt(row.id, manifest.taken_at, &mut report)?;
        let told = serde_json::to_value(&report).unwrap_or_default();
        let details = serde_json::json!({"backup_of": manifest.taken_at, "did": told});
        let writer = &replayer.writer;
        writer.write_audit(row.id, "cli", None, "restore", &details, now)?;
        let floor = writer.hold(row.id)?.map_or(0, |hold| hold.floor);
        writer.put_hold(&HoldRow {
            report: told,
            ..hold(row.id, floor)
        })?;
        reports.push(report);
    }
    drop((replayer, readers, checkpointer));
    backup::fold_log(&staging.join(DATABASE))?;
    Ok(reports)
}
