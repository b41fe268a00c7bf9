//! The folder of backups: a folder for each, named by its instant, oldest first in any listing.

use super::{BackupError, DATABASE, MANIFEST, Manifest, file, manifest, remove_gently};
use ringback_core::time::Timestamp;
use std::fs;
use std::path::{Path, PathBuf};

const BEGINS: &str = "ringback-";
/// Erased people are gone from the backups after so many days (compliance, "Retention defaults").
pub(super) const MOST_DAYS: i64 = 35;

/// A backup as it lies there.
#[derive(Debug)]
pub struct Kept {
    /// Its folder.
    pub folder: PathBuf,
    /// What it holds; an error when that cannot be read.
    pub manifest: Result<Manifest, BackupError>,
}

/// A name that is not taken: the instant, and a number when two were taken within a second.
pub(super) fn name(folder: &Path, at: Timestamp) -> String {
    let base = format!("{BEGINS}{}", at.strftime("%Y%m%dT%H%M%SZ"));
    let free = |name: &String| !folder.join(name).exists();
    let others = (2..).map(|n| format!("{base}-{n}"));
    std::iter::once(base.clone())
        .chain(others)
        .find(free)
        .unwrap_or(base)
}

/// Every backup of a folder, the oldest first. None when there is no such folder yet.
pub fn kept(folder: &Path) -> Result<Vec<Kept>, BackupError> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(file("read", folder)(error)),
    };
    let mut folders: Vec<PathBuf> = entries
        .flatten()
        .filter(|entry| entry.file_name().to_string_lossy().starts_with(BEGINS))
        .map(|entry| entry.path())
        .collect();
    folders.sort();
    let read = |folder: PathBuf| Kept {
        manifest: manifest(&folder),
        folder,
    };
    Ok(folders.into_iter().map(read).collect())
}

/// The newest backup that is good, of a folder of backups; or the folder itself when it is one.
pub fn newest(folder: &Path) -> Result<Kept, BackupError> {
    if folder.join(MANIFEST).exists() || folder.join(DATABASE).exists() {
        return Ok(Kept {
            folder: folder.to_owned(),
            manifest: manifest(folder),
        });
    }
    let good = kept(folder)?.into_iter().filter(|one| one.manifest.is_ok());
    let at = |one: &Kept| one.manifest.as_ref().ok().map(|manifest| manifest.taken_at);
    good.max_by_key(at).ok_or_else(|| {
        let why = "and there is none in it".to_owned();
        BackupError::NoManifest(folder.to_owned(), why)
    })
}

/// Removes backups beyond the newest `keep` and those older than 35 days; the newest good one stays whatever its age. Answers what went.
pub fn prune(folder: &Path, keep: usize, now: Timestamp) -> Result<Vec<PathBuf>, BackupError> {
    let oldest = now - jiff::SignedDuration::from_hours(24 * MOST_DAYS);
    let mut good: Vec<(Timestamp, PathBuf)> = kept(folder)?
        .into_iter()
        .filter_map(|one| Some((one.manifest.ok()?.taken_at, one.folder)))
        .collect();
    good.sort();
    good.reverse();
    let mut gone = Vec::new();
    for (at, (taken, path)) in good.into_iter().enumerate() {
        if at > 0 && (at >= keep || taken < oldest) {
            // The manifest goes first: what is half removed is no backup any more.
            fs::remove_file(path.join(MANIFEST)).map_err(file("removed", &path))?;
            remove_gently(&path)?;
            gone.push(path);
        }
    }
    Ok(gone)
}
