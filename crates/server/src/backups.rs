//! Backups by the running server (O5): on time, in a thread that gives way to everybody else, kept for a while, and known to the health page.

use crate::app::App;
use crate::secrets::MasterKey;
use metrics::{counter, gauge};
use ringback_core::time::Timestamp;
use ringback_store::backup::{self, BackupError, Good, Wish};
use ringback_store::{House as _, StoreError};
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use utoipa::ToSchema;

/// When and where the server backs itself up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackupPlan {
    /// The folder of backups.
    pub to: PathBuf,
    /// How often; never by itself when it is `None`.
    pub every: Option<Duration>,
    /// How many are kept.
    pub keep: usize,
}

impl BackupPlan {
    /// Daily, into the data folder, a week of them.
    pub fn of_folder(data: &Path) -> Self {
        Self {
            to: data.join("backups"),
            every: Some(Duration::from_secs(86_400)),
            keep: 7,
        }
    }
}

/// After a failure it is tried again so soon.
const AGAIN: jiff::SignedDuration = jiff::SignedDuration::from_mins(15);
/// Without a good backup for so long somebody should know (O3).
const TOO_OLD: jiff::SignedDuration = jiff::SignedDuration::from_hours(48);
/// The rest after every MiB, so that the disk is the server's first.
const REST: Duration = Duration::from_millis(2);
/// How much it gives way to other threads: 0 not at all, 19 always.
const GIVES_WAY: i32 = 15;

/// What is known of the backups.
#[derive(Debug, Default)]
pub struct Backups {
    known: Mutex<Known>,
    running: AtomicBool,
}

#[derive(Debug, Clone, Default)]
struct Known {
    looked: bool,
    last: Option<Good>,
    failed: Option<(Timestamp, String)>,
    /// Since when there is something to back up.
    house_since: Option<Timestamp>,
}

/// The backups, as the health page tells them.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct BackupHealth {
    /// The folder that they are kept in.
    pub folder: String,
    /// The instant that the last good one holds: restored into a scratch file and checked.
    pub last_good_at: Option<Timestamp>,
    /// Its size.
    pub bytes: Option<u64>,
    /// When the next one is due; null when the server makes none by itself.
    pub next_at: Option<Timestamp>,
    /// When the last attempt failed, if none was good since.
    pub failed_at: Option<Timestamp>,
    /// Why it failed.
    pub failed_because: Option<String>,
    /// One is being made.
    pub running: bool,
}

impl Backups {
    fn known(&self) -> std::sync::MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is known, for the health page.
    pub fn health(&self, plan: &BackupPlan) -> BackupHealth {
        let known = self.known().clone();
        let last = known.last.as_ref().map(|good| &good.manifest);
        BackupHealth {
            folder: plan.to.display().to_string(),
            last_good_at: last.map(|last| last.taken_at),
            bytes: last.map(|last| last.bytes),
            next_at: next(&known, plan),
            failed_at: known.failed.as_ref().map(|(at, _)| *at),
            failed_because: known.failed.map(|(_, why)| why),
            running: self.running.load(Ordering::Relaxed),
        }
    }

    /// What somebody should know, as a sentence (O3).
    pub fn trouble(&self, now: Timestamp) -> Option<String> {
        let known = self.known().clone();
        let last = known.last.as_ref().map(|good| good.manifest.taken_at);
        let since = last.or(known.house_since)?;
        let old = now.duration_since(since);
        if old < TOO_OLD {
            return None;
        }
        let failed = known
            .failed
            .map(|(_, why)| format!(" The last attempt failed: {why}."))
            .unwrap_or_default();
        Some(match last {
            Some(_) => format!(
                "The last good backup is {} hours old.{failed}",
                old.as_hours()
            ),
            None => format!("There is no good backup of this server yet.{failed}"),
        })
    }
}

/// When the next backup is due.
fn next(known: &Known, plan: &BackupPlan) -> Option<Timestamp> {
    let every = jiff::SignedDuration::try_from(plan.every?).ok()?;
    let last = known.last.as_ref().map(|good| good.manifest.taken_at);
    let due = last.or(known.house_since)? + every;
    Some(match &known.failed {
        Some((at, _)) => due.max(*at + AGAIN),
        None => due,
    })
}

/// Begins a backup when one is due. Called again and again by the upkeep; answers at once.
pub(crate) async fn when_due(app: &App) {
    let backups = &app.backups;
    if !backups.known().looked {
        look(app).await;
    }
    let due = next(&backups.known(), &app.settings.backup).is_some_and(|due| due <= app.now());
    if !due || backups.running.swap(true, Ordering::AcqRel) {
        return;
    }
    // Somebody may have made one by the command line meanwhile.
    look(app).await;
    if next(&backups.known(), &app.settings.backup).is_none_or(|due| due > app.now()) {
        backups.running.store(false, Ordering::Release);
        return;
    }
    let own = app.clone();
    let begun = std::thread::Builder::new()
        .name("backup".into())
        .spawn(move || {
            give_way();
            make(&own);
            own.backups.running.store(false, Ordering::Release);
        });
    if let Err(error) = begun {
        tracing::error!(%error, "the thread of a backup could not be started; tried again");
        backups.running.store(false, Ordering::Release);
    }
}

/// This thread works when nobody else wants to.
pub fn give_way() {
    // On Linux this is the calling thread's alone; where it cannot be, the backup only takes a little more of the machine.
    let _ = rustix::process::setpriority_process(None, GIVES_WAY);
}

/// Looks what is there already.
async fn look(app: &App) {
    let to = app.settings.backup.to.clone();
    let since = app
        .ask(|store| {
            let tenants = store.tenants()?;
            Ok::<_, StoreError>(tenants.iter().map(|tenant| tenant.created_at).min())
        })
        .await
        .ok()
        .flatten();
    let newest = tokio::task::spawn_blocking(move || backup::newest(&to).ok()).await;
    let mut known = app.backups.known();
    known.looked = true;
    known.house_since = since;
    if let Ok(Some(kept)) = newest
        && let Ok(manifest) = kept.manifest
        && known
            .last
            .as_ref()
            .is_none_or(|last| last.manifest.taken_at < manifest.taken_at)
    {
        let folder = kept.folder;
        known.last = Some(Good { folder, manifest });
        known.failed = None;
    }
    drop(known);
    tell(app);
}

fn tell(app: &App) {
    if let Some(good) = &app.backups.known().last {
        gauge!("ringback_backup_last_good_seconds").set(good.manifest.taken_at.as_second() as f64);
    }
}

fn make(app: &App) {
    let plan = &app.settings.backup;
    let made = take(
        &app.settings.data,
        &plan.to,
        app.registry.master(),
        &*app.clock,
    );
    let now = app.now();
    match made {
        Ok(good) => {
            tracing::info!(backup = %good.folder.display(), bytes = good.manifest.bytes, "a backup was made, restored into a scratch file and found good");
            counter!("ringback_backups_total", "result" => "good").increment(1);
            let mut known = app.backups.known();
            known.last = Some(good);
            known.failed = None;
            drop(known);
            tidy(&plan.to, plan.keep, &app.settings.journal, now);
        }
        Err(error) => {
            let why = said(&error);
            tracing::error!(
                why,
                "there is no new backup; tried again in a quarter of an hour"
            );
            counter!("ringback_backups_total", "result" => "failed").increment(1);
            app.backups.known().failed = Some((now, why));
        }
    }
    tell(app);
}

/// An error with its causes, in one line.
fn said(error: &BackupError) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

/// Takes one backup of a data folder, beside a running server or without one.
pub fn take(
    data: &Path,
    to: &Path,
    master: &MasterKey,
    clock: &dyn ringback_core::time::Clock,
) -> Result<Good, BackupError> {
    let wish = Wish {
        data,
        to,
        master_key: &master.mark(),
        program: concat!("ringback ", env!("CARGO_PKG_VERSION")),
        rest: REST,
    };
    backup::back_up(&wish, clock)
}

/// Removes backups that are too many or too old, and what no backup needs of the journal.
pub fn tidy(to: &Path, keep: usize, journal: &Path, now: Timestamp) {
    match backup::prune(to, keep.max(1), now) {
        Ok(gone) => {
            for path in gone {
                tracing::info!(backup = %path.display(), "an old backup was removed");
            }
        }
        Err(error) => tracing::warn!(%error, "old backups could not be removed"),
    }
    let oldest = backup::kept(to).ok().and_then(|kept| {
        let good = kept.into_iter().filter_map(|one| one.manifest.ok());
        good.map(|manifest| manifest.taken_at).min()
    });
    if let Some(oldest) = oldest.filter(|_| journal.is_dir())
        && let Err(error) = crate::journal::prune(journal, oldest, now)
    {
        tracing::warn!(%error, "old files of the journal could not be removed");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ringback_store::backup::Manifest;
    use std::collections::BTreeMap;

    fn at(hours: i64) -> Timestamp {
        Timestamp::from_second(1_790_000_000 + hours * 3_600).unwrap()
    }

    fn good(taken_at: Timestamp) -> Good {
        Good {
            folder: PathBuf::from("/backups/one"),
            manifest: Manifest {
                format: 1,
                taken_at,
                checked_at: taken_at,
                program: String::new(),
                schema: 1,
                master_key: String::new(),
                sha256: String::new(),
                bytes: 9,
                tables: BTreeMap::new(),
                chains: Vec::new(),
                newest_event_at: None,
                last_id: 1,
            },
        }
    }

    /// O3, O5: daily from the first day on, again soon after a failure, and a warning after two days without.
    #[test]
    fn a_backup_is_due_daily_and_missed_after_two_days() {
        let plan = BackupPlan::of_folder(Path::new("data"));
        let backups = Backups::default();
        assert_eq!(backups.health(&plan).next_at, None, "there is no house yet");
        backups.known().house_since = Some(at(0));
        assert_eq!(backups.health(&plan).next_at, Some(at(24)));
        assert_eq!(backups.trouble(at(47)), None);
        assert!(
            backups
                .trouble(at(48))
                .is_some_and(|why| why.contains("no good backup"))
        );
        backups.known().failed = Some((at(30), "the disk is full".into()));
        assert_eq!(backups.health(&plan).next_at, Some(at(30) + AGAIN));
        assert!(
            backups
                .trouble(at(49))
                .is_some_and(|why| why.contains("the disk is full"))
        );
        backups.known().failed = None;
        backups.known().last = Some(good(at(50)));
        assert_eq!(backups.health(&plan).next_at, Some(at(74)));
        assert_eq!(backups.trouble(at(97)), None);
        assert!(
            backups
                .trouble(at(99))
                .is_some_and(|why| why.contains("49 hours old"))
        );
        let never = BackupPlan {
            every: None,
            ..plan
        };
        assert_eq!(backups.health(&never).next_at, None);
    }
}
