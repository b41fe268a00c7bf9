//! The journal: what a restored database must not have forgotten, kept outside of it (reliability 4.6, P12).
//!
//! Append-only files beside the database or, better, on another disk (`journal.dir`). What holds something back (a STOP, a bounce, a
//! complaint, an entry of the suppression list, a consent taken back, a deleted lead) is on the disk before the turn that caused it is
//! committed; what gives something back follows the commit. A turn that changes none of this writes nothing here. See
//! `docs/decisions/0030-journals-outside-the-database.md`.
//!
//! A file is a row of frames: length (4 bytes, little-endian), the first 8 bytes of the SHA-256 of what follows, and one
//! [`JournalEntry`] as JSON. Every process begins a file of its own, so a frame that a crash tore is the last of its file.

use crate::secrets::{MasterKey, hex};
use aws_lc_rs::hmac;
use ringback_core::time::Timestamp;
use ringback_core::turn::JournalEntry;
use ringback_core::turn::world::PointKey;
use ringback_store::StoreError;
use sha2::{Digest, Sha256};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

const BEGINS: &str = "journal-";
const ENDS: &str = ".log";
const HEAD: usize = 12;
/// No entry is longer; a length above it is no length. Unit: bytes.
const MOST: usize = 1 << 20;
/// A file that is longer is followed by a new one, so that old ones can go. Unit: bytes.
const FILE_SIZE: u64 = 4 << 20;
/// Backups are kept for so long, and each may be restored (compliance, "Retention defaults").
const BACKUP_DAYS: i64 = 35;

/// The journal of a running server. One writer has it.
#[derive(Debug)]
pub struct Journal {
    folder: PathBuf,
    marks: Marks,
    open: Option<Open>,
}

#[derive(Debug)]
struct Open {
    file: File,
    bytes: u64,
}

/// Makes marks of contact points: they can be found again by whoever has the master key, and read by nobody.
#[derive(Clone)]
pub struct Marks(hmac::Key);

impl std::fmt::Debug for Marks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Marks(***)")
    }
}

impl Marks {
    /// Marks under a master key.
    pub fn new(master: &MasterKey) -> Self {
        Self(master.signer("ringback.journal.mark"))
    }

    /// The mark of a contact point.
    pub fn of(&self, key: &PointKey) -> String {
        let text = format!("{}|{}|{}", key.tenant.raw(), key.kind as i64, key.value);
        hex(hmac::sign(&self.0, text.as_bytes()).as_ref())
    }
}

impl Journal {
    /// The journal of a folder, which is made when it is not there. Nothing is written until there is something to remember.
    pub fn open(folder: PathBuf, master: &MasterKey) -> io::Result<Self> {
        fs::create_dir_all(&folder)?;
        Ok(Self {
            folder,
            marks: Marks::new(master),
            open: None,
        })
    }

    /// Makes marks as this journal's entries have them.
    pub const fn marks(&self) -> &Marks {
        &self.marks
    }

    /// Writes entries; they are on the disk when it returns.
    pub fn write(&mut self, entries: &[JournalEntry]) -> Result<(), StoreError> {
        if entries.is_empty() {
            return Ok(());
        }
        let mut bytes = Vec::new();
        for entry in entries {
            frame(&self.marked(entry), &mut bytes);
        }
        let written = self.append(&bytes);
        if written.is_err() {
            // What is half written is a torn end: the next entries begin a file of their own.
            self.open = None;
        }
        written.map_err(|error| match error.kind() {
            io::ErrorKind::StorageFull => StoreError::DiskFull,
            _ => StoreError::Journal(error),
        })
    }

    /// An entry as it is kept: marks in the place of contact points.
    fn marked(&self, entry: &JournalEntry) -> JournalEntry {
        let mut entry = entry.clone();
        if let JournalEntry::Erased { points, marks, .. } = &mut entry {
            marks.extend(points.iter().map(|key| self.marks.of(key)));
        }
        entry
    }

    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self
            .open
            .as_ref()
            .is_some_and(|open| open.bytes > FILE_SIZE)
        {
            self.open = None;
        }
        let open = match &mut self.open {
            Some(open) => open,
            None => self.open.insert(begin(&self.folder)?),
        };
        open.file.write_all(bytes)?;
        open.file.sync_data()?;
        open.bytes += bytes.len() as u64;
        Ok(())
    }
}

/// Begins the next file. Its name counts on from the last one, so that the names are in the order of what is in them whatever the clock says.
fn begin(folder: &Path) -> io::Result<Open> {
    let next = files(folder)?
        .last()
        .and_then(|path| number(path))
        .map_or(1, |last| last + 1);
    let path = folder.join(format!("{BEGINS}{next:010}{ENDS}"));
    let file = OpenOptions::new()
        .create_new(true)
        .append(true)
        .mode(0o600)
        .open(path)?;
    File::open(folder)?.sync_all()?;
    Ok(Open { file, bytes: 0 })
}

fn number(path: &Path) -> Option<u64> {
    let name = path.file_name()?.to_str()?;
    name.strip_prefix(BEGINS)?.strip_suffix(ENDS)?.parse().ok()
}

/// The files of a journal, the oldest first.
fn files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files: Vec<PathBuf> = fs::read_dir(folder)?
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| number(path).is_some())
        .collect();
    files.sort();
    Ok(files)
}

fn sum(payload: &[u8]) -> [u8; 8] {
    let mut sum = [0; 8];
    sum.copy_from_slice(&Sha256::digest(payload)[..8]);
    sum
}

fn frame(entry: &JournalEntry, out: &mut Vec<u8>) {
    // Values of ours always serialise.
    let payload = serde_json::to_vec(entry).unwrap_or_default();
    let length = u32::try_from(payload.len()).unwrap_or(u32::MAX);
    out.extend_from_slice(&length.to_le_bytes());
    out.extend_from_slice(&sum(&payload));
    out.extend_from_slice(&payload);
}

/// What was found in a journal.
#[derive(Debug, Default, PartialEq)]
pub struct Found {
    /// Every entry, in order.
    pub entries: Vec<JournalEntry>,
    /// Files that end in the middle of an entry: a crash came while it was written, and nobody was told that it was taken.
    pub torn: usize,
    /// Files with damage in the middle. What stands behind it was read; what it was is lost.
    pub damaged: Vec<PathBuf>,
}

impl Found {
    /// When the newest entry happened.
    pub fn newest(&self) -> Option<Timestamp> {
        self.entries.iter().map(JournalEntry::at).max()
    }
}

/// Reads a journal.
pub fn read(folder: &Path) -> io::Result<Found> {
    let mut found = Found::default();
    for path in files(folder)? {
        let bytes = fs::read(&path)?;
        let (mut at, mut damaged) = (0, false);
        while at < bytes.len() {
            if let Some((entry, end)) = frame_at(&bytes, at) {
                found.entries.push(entry);
                at = end;
                continue;
            }
            match (at + 1..bytes.len()).find(|next| frame_at(&bytes, *next).is_some()) {
                Some(next) => {
                    damaged = true;
                    at = next;
                }
                None => {
                    found.torn += 1;
                    break;
                }
            }
        }
        if damaged {
            found.damaged.push(path);
        }
    }
    Ok(found)
}

fn frame_at(bytes: &[u8], at: usize) -> Option<(JournalEntry, usize)> {
    let head = bytes.get(at..at + HEAD)?;
    let length = u32::from_le_bytes(head[..4].try_into().ok()?) as usize;
    if length > MOST {
        return None;
    }
    let end = at + HEAD + length;
    let payload = bytes.get(at + HEAD..end)?;
    if sum(payload) != head[4..] {
        return None;
    }
    Some((serde_json::from_slice(payload).ok()?, end))
}

/// Removes the files of which no backup that may still be restored needs anything: all their entries are older than the oldest backup that
/// is kept, and than the days for which backups are kept elsewhere. The newest file always stays. Answers how many went.
pub fn prune(folder: &Path, oldest_backup: Timestamp, now: Timestamp) -> io::Result<usize> {
    let needed = oldest_backup.min(now - jiff::SignedDuration::from_hours(24 * BACKUP_DAYS));
    let mut all = files(folder)?;
    all.pop();
    let mut gone = 0;
    for path in all {
        let bytes = fs::read(&path)?;
        let (mut at, mut newest) = (0, Timestamp::MIN);
        while let Some((entry, end)) = frame_at(&bytes, at) {
            newest = newest.max(entry.at());
            at = end;
        }
        if at < bytes.len() || newest >= needed {
            // One that cannot be read whole is no one's to remove, and later ones are not older.
            break;
        }
        fs::remove_file(&path)?;
        gone += 1;
    }
    Ok(gone)
}

/// Copies the files of one journal that another does not have.
pub fn adopt(from: &Path, into: &Path) -> io::Result<()> {
    fs::create_dir_all(into)?;
    for path in files(from)? {
        let Some(name) = path.file_name() else {
            continue;
        };
        let target = into.join(name);
        if !target.exists() {
            fs::copy(&path, &target)?;
            File::open(&target)?.sync_all()?;
        }
    }
    File::open(into)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ringback_core::ids::{LeadId, TenantId};
    use ringback_core::turn::Standing;
    use ringback_core::turn::world::{PointKind, Suppression};

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_790_000_000 + second).unwrap()
    }

    fn key(value: &str) -> PointKey {
        PointKey {
            tenant: TenantId::from_raw(3),
            kind: PointKind::Phone,
            value: value.into(),
        }
    }

    fn stop(n: i64) -> JournalEntry {
        JournalEntry::Stands {
            key: key(&format!("+1303555{n:04}")),
            standing: Standing {
                front: Some((Suppression::OptedOut, at(n), "by replying STOP".into())),
                wishes: vec![Suppression::OptedOut],
            },
            holds_back: true,
            at: at(n),
        }
    }

    fn folder(name: &str) -> PathBuf {
        let path =
            std::env::temp_dir().join(format!("ringback-journal-{name}-{}", std::process::id()));
        drop(fs::remove_dir_all(&path));
        path
    }

    fn open(path: &Path) -> Journal {
        Journal::open(path.to_owned(), &MasterKey::from_bytes([7; 32])).unwrap()
    }

    /// P12: what was written is read back, by the next process too, and contact points of the deleted stand there as marks alone.
    #[test]
    fn what_was_written_is_read_back() {
        let path = folder("back");
        let mut first = open(&path);
        first.write(&[]).unwrap();
        assert_eq!(
            fs::read_dir(&path).unwrap().count(),
            0,
            "nothing to remember"
        );
        first.write(&[stop(1), stop(2)]).unwrap();
        drop(first);
        let mut second = open(&path);
        let erased = JournalEntry::Erased {
            tenant: TenantId::from_raw(3),
            lead: LeadId::from_raw(9),
            before: 10,
            points: vec![key("+13035550199")],
            marks: Vec::new(),
            at: at(3),
        };
        second.write(&[erased]).unwrap();
        let found = read(&path).unwrap();
        assert_eq!(found.entries[..2], [stop(1), stop(2)]);
        let JournalEntry::Erased { points, marks, .. } = &found.entries[2] else {
            panic!("{found:?}");
        };
        assert!(points.is_empty());
        assert_eq!(marks, &[second.marks().of(&key("+13035550199"))]);
        assert_ne!(marks[0], second.marks().of(&key("+13035550198")));
        let on_disk = fs::read_dir(&path)
            .unwrap()
            .map(|entry| fs::read(entry.unwrap().path()).unwrap())
            .collect::<Vec<_>>()
            .concat();
        assert!(!on_disk.windows(7).any(|bytes| bytes == b"5550199"));
        assert_eq!((found.torn, found.damaged.len()), (0, 0));
        assert_eq!(found.newest(), Some(at(3)));
        fs::remove_dir_all(path).unwrap();
    }

    /// A crash at any byte of an append loses that entry alone; a flipped byte in the middle is damage, and said to be.
    #[test]
    fn a_torn_end_is_borne_and_damage_is_named() {
        let path = folder("torn");
        open(&path).write(&[stop(1), stop(2), stop(3)]).unwrap();
        let file = files(&path).unwrap().remove(0);
        let whole = fs::read(&file).unwrap();
        let each = whole.len() / 3;
        for length in each * 2 + 1..whole.len() {
            fs::write(&file, &whole[..length]).unwrap();
            let found = read(&path).unwrap();
            assert_eq!(found.entries, [stop(1), stop(2)], "cut at {length}");
            assert_eq!((found.torn, found.damaged.len()), (1, 0));
        }
        for byte in each..each * 2 {
            let mut bent = whole.clone();
            bent[byte] ^= 0x20;
            fs::write(&file, &bent).unwrap();
            let found = read(&path).unwrap();
            assert_eq!(found.entries, [stop(1), stop(3)], "bent at {byte}");
            assert_eq!(found.damaged, std::slice::from_ref(&file));
        }
        fs::remove_dir_all(path).unwrap();
    }

    /// The journal goes only when every backup that may be restored has what it says.
    #[test]
    fn old_files_go_when_no_backup_needs_them() {
        let path = folder("prune");
        let days = |n: i64| at(86_400 * n);
        for day in [0, 10, 20] {
            let JournalEntry::Stands { key, standing, .. } = stop(day) else {
                unreachable!("a stop");
            };
            let entry = JournalEntry::Stands {
                key,
                standing,
                holds_back: true,
                at: days(day),
            };
            open(&path).write(&[entry]).unwrap();
        }
        assert_eq!(
            prune(&path, days(30), days(34)).unwrap(),
            0,
            "35 days are not over"
        );
        assert_eq!(
            prune(&path, days(5), days(60)).unwrap(),
            1,
            "a backup of the fifth day"
        );
        assert_eq!(prune(&path, days(60), days(60)).unwrap(), 1);
        assert_eq!(
            prune(&path, days(99), days(99)).unwrap(),
            0,
            "the newest stays"
        );
        assert_eq!(read(&path).unwrap().newest(), Some(days(20)));
        fs::remove_dir_all(path).unwrap();
    }
}
