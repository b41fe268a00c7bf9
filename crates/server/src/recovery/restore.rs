//! One command from a backup to a data folder that can be started: checked before and after, held until a person has looked. PostgreSQL is
//! restored by its own tools; what has to follow is the same.
//!
//! Everything happens in a folder of its own inside the data folder; the database gets its name at the very end. A restore that breaks
//! off leaves a data folder without a database, and is simply done again.

use super::replay::Replayer;
use crate::app::Database;
use crate::journal::{self, Found};
use crate::registry::Registry;
use crate::secrets::{MasterKey, SealError};
use ringback_channels::{Egress, Http};
use ringback_core::ids::{IdMaker, LeadId, TenantId, given_ms};
use ringback_core::seeded::{Bug, has};
use ringback_core::time::{Clock, Timestamp};
use ringback_core::turn::{JournalEntry, LookUps};
use ringback_store::backup::{self, BackupError, DATABASE, Holds, Manifest};
use ringback_store::{HoldRow, HoldState, House as _, OpenError, StoreError, Writer};
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
    /// The instant named is impossible.
    #[error(
        "the database holds something of {found}, so it cannot be as it was at {said}: name the instant that it was restored to, or none"
    )]
    AsOf {
        /// What was named.
        said: Timestamp,
        /// The newest thing in the database.
        found: Timestamp,
    },
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
    let found = read_journal(
        &wish.journal,
        wish.journal_from.as_ref(),
        wish.without_journal,
    )?;
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

fn read_journal(
    journal: &Path,
    from: Option<&PathBuf>,
    without: bool,
) -> Result<Found, RestoreError> {
    if let Some(from) = from
        && *from != journal
    {
        journal::adopt(from, journal).map_err(file("read", from))?;
    }
    if !journal.is_dir() {
        if without {
            return Ok(Found::default());
        }
        return Err(RestoreError::NoJournal(journal.to_owned()));
    }
    journal::read(journal).map_err(file("read", journal))
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
    let backup = from
        .file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default();
    let after = After {
        backup,
        taken_at: manifest.taken_at,
        egress: wish.egress.clone(),
        looks: wish.looks,
        lease: wish.lease,
        now,
    };
    let ids = IdMaker::new(0, writer.last_id());
    let reports = after.settle(writer, ids, master, found)?;
    drop((readers, checkpointer));
    backup::fold_log(&staging.join(DATABASE))?;
    Ok(reports)
}

/// What follows when a database was put back to where it was at an instant.
struct After {
    backup: String,
    taken_at: Timestamp,
    egress: Egress,
    looks: LookUps,
    lease: Duration,
    now: Timestamp,
}

impl After {
    /// Holds every tenant, does again what the journal remembers, and doubts what may have gone out.
    fn settle(
        &self,
        mut writer: Writer,
        mut ids: IdMaker,
        master: &MasterKey,
        found: &Found,
    ) -> Result<Vec<TenantReport>, RestoreError> {
        let now = self.now;
        let rows = writer.tenants()?;
        let hold = |tenant: TenantId, floor: i64| HoldRow {
            tenant,
            backup: self.backup.clone(),
            snapshot_at: self.taken_at,
            restored_at: now,
            floor,
            state: HoldState::Holds,
            changed_at: now,
            changed_by: "restore".to_owned(),
            report: serde_json::Value::Null,
        };
        // All at once: where this breaks off, nobody finds one of them that is not held.
        in_commit(&mut writer, |writer| {
            for row in &rows {
                let floor = ids.next(now);
                writer.skip_numbers(row.id, LeadId::from_raw(floor), NUMBERS_LEFT_OUT, now)?;
                writer.put_hold(&hold(row.id, floor))?;
            }
            Ok(())
        })?;
        let registry = Registry::new(master.clone(), Http::new(self.egress.clone()));
        registry.reload(&writer)?;
        writer.keeps_in_mind(writer.version()?);
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
        let mut replayer = Replayer::new(writer, tenants, ids, (self.looks, self.lease), now);
        let mut reports = Vec::new();
        for row in &rows {
            let mut report = TenantReport {
                tenant: row.slug.clone(),
                ..TenantReport::default()
            };
            replayer.remember(row.id, &entries, &marks, &mut report)?;
            replayer.doubt(row.id, self.taken_at, &mut report)?;
            let told = serde_json::to_value(&report).unwrap_or_default();
            let details = serde_json::json!({"backup_of": self.taken_at, "did": told});
            in_commit(&mut replayer.writer, |writer| {
                writer.write_audit(row.id, "cli", None, "restore", &details, now)?;
                let floor = writer.hold(row.id)?.map_or(0, |hold| hold.floor);
                writer.put_hold(&HoldRow {
                    report: told.clone(),
                    ..hold(row.id, floor)
                })
            })?;
            reports.push(report);
        }
        Ok(reports)
    }
}

fn in_commit(
    writer: &mut Writer,
    work: impl FnOnce(&Writer) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    writer.begin()?;
    let done = work(writer).and_then(|()| writer.commit());
    if done.is_err() {
        writer.roll_back();
    }
    done
}

/// A database of PostgreSQL that its own tools put back, and what its servers go on with.
#[derive(Debug, Clone)]
pub struct HoldWish {
    /// The database.
    pub database: Database,
    /// The data folder of a server of this house, with its master key.
    pub data: PathBuf,
    /// The folder of the journal that the server will go on with.
    pub journal: PathBuf,
    /// The journals of the other nodes: each has written down the turns that it took.
    pub journals: Vec<PathBuf>,
    /// Go on although there is no journal.
    pub without_journal: bool,
    /// The instant that the database was put back to. Without it the newest thing in the database tells.
    pub as_of: Option<Timestamp>,
    /// What providers may be reached at.
    pub egress: Egress,
    /// When it is looked up what became of messages that may have gone out.
    pub looks: LookUps,
    /// How long a claim holds.
    pub lease: Duration,
}

/// A database that may be served.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Held {
    /// The instant that the database holds.
    pub as_of: Timestamp,
    /// Since when it is held.
    pub held_at: Timestamp,
    /// Entries that were read from the journal.
    pub journal_entries: usize,
    /// Files of the journal that end in the middle of an entry, as a crash leaves them.
    pub journal_torn: usize,
    /// Files of the journal with damage in the middle.
    pub journal_damaged: Vec<PathBuf>,
    /// Each tenant.
    pub tenants: Vec<TenantReport>,
}

/// What all nodes have written down, in the order in which it happened.
fn read_journals(wish: &HoldWish) -> Result<Found, RestoreError> {
    let mut all = Found::default();
    let own = Some(&wish.journal).filter(|own| own.is_dir());
    if own.is_none() && wish.journals.is_empty() && !wish.without_journal {
        return Err(RestoreError::NoJournal(wish.journal.clone()));
    }
    for folder in own.into_iter().chain(&wish.journals) {
        let found = read_journal(folder, None, false)?;
        all.entries.extend(found.entries);
        all.torn += found.torn;
        all.damaged.extend(found.damaged);
    }
    // The last word on a number counts, whichever node heard it. Words of one node stay in their order.
    all.entries.sort_by_key(JournalEntry::at);
    Ok(all)
}

/// What has to follow when PostgreSQL was restored: what a restore of the embedded database does by itself. No server may work on it
/// meanwhile; when it breaks off it is done again.
pub fn hold_database(wish: &HoldWish, clock: &dyn Clock) -> Result<Held, RestoreError> {
    let own = wish.data.join("master.key");
    if !own.exists() {
        return Err(RestoreError::NoKey(own));
    }
    let master = MasterKey::of_file(&own)?;
    let found = read_journals(wish)?;
    let now = clock.now();
    let owner = wish.database.owner.as_deref();
    let writer = ringback_store::open_restored(&wish.database.serves, owner)?;
    let mut newest = 0;
    for tenant in writer.tenants()? {
        newest = newest.max(writer.newest_id(tenant.id)?);
        for one in writer.connections(tenant.id)? {
            if master.open(tenant.id, one.id, &one.settings).is_err() {
                return Err(RestoreError::OtherKey(own));
            }
        }
    }
    let newest_at = Timestamp::from_millisecond(given_ms(newest)).unwrap_or(now);
    let as_of = match wish.as_of {
        Some(said) if said < newest_at => {
            return Err(RestoreError::AsOf {
                said,
                found: newest_at,
            });
        }
        Some(said) => said,
        None => newest_at,
    };
    let known = found.newest().map_or(as_of, |newest| newest.max(as_of));
    if now < known {
        return Err(RestoreError::Clock { now, known });
    }
    let after = After {
        backup: "PostgreSQL".to_owned(),
        taken_at: as_of,
        egress: wish.egress.clone(),
        looks: wish.looks,
        lease: wish.lease,
        now,
    };
    let tenants = after.settle(writer, IdMaker::new(0, newest), &master, &found)?;
    Ok(Held {
        as_of,
        held_at: now,
        journal_entries: found.entries.len(),
        journal_torn: found.torn,
        journal_damaged: found.damaged,
        tenants,
    })
}
