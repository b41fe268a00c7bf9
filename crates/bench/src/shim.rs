//! The library that stands between a server and the system (`shim/shim.c`), and what a power cut leaves by its records.

use crate::{
    dice::Dice,
    fault::{Tried, While, fault},
    subject::Subject,
};
use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    process::Command,
};

const SOURCE: &str = include_str!("../shim/shim.c");
/// What a disk writes in one piece.
const SECTOR: usize = 512;

/// The built library and its switches.
#[derive(Debug)]
pub struct Shim {
    library: PathBuf,
    control: fs::File,
    control_path: PathBuf,
    log: PathBuf,
}

impl Shim {
    /// Builds it into a folder with the C compiler.
    pub fn build(folder: &Path) -> Tried<Self> {
        let (source, library) = (folder.join("shim.c"), folder.join("shim.so"));
        fs::write(&source, SOURCE).during("writing the shim's source")?;
        let built = Command::new("cc")
            .args(["-O2", "-shared", "-fPIC", "-o"])
            .args([&library, &source])
            .output()
            .during("running `cc`; install a C compiler such as gcc")?;
        if !built.status.success() {
            return Err(fault!(
                "the shim could not be built: {}",
                String::from_utf8_lossy(&built.stderr)
            ));
        }
        let control_path = folder.join("shim.control");
        let control = fs::OpenOptions::new()
            .create(true)
            .truncate(true)
            .read(true)
            .write(true)
            .open(&control_path)
            .during("making the shim's switches")?;
        let shim = Self {
            library,
            control,
            control_path,
            log: folder.join("shim.log"),
        };
        shim.set_clock_off(0)?;
        shim.set_room(None)?;
        shim.set_sync_us(0)?;
        Ok(shim)
    }

    /// Starts the server from now on behind the shim; with `records`, what reaches the database is written down.
    pub fn put_before(&self, subject: &mut Subject, records: bool) {
        subject.set("LD_PRELOAD", &self.library.display().to_string());
        subject.set(
            "RINGBACK_SHIM_CONTROL",
            &self.control_path.display().to_string(),
        );
        if records {
            subject.set("RINGBACK_SHIM_LOG", &self.log.display().to_string());
        }
    }

    fn switch(&self, place: u64, value: i64) -> Tried<()> {
        self.control
            .write_all_at(&value.to_ne_bytes(), place * 8)
            .during("setting a switch of the shim")
    }

    /// Sets the server's wall clock off by so many nanoseconds.
    pub fn set_clock_off(&self, nanoseconds: i64) -> Tried<()> {
        self.switch(0, nanoseconds)
    }

    /// Leaves so many bytes of room on the disk; none is no limit.
    pub fn set_room(&self, bytes: Option<u64>) -> Tried<()> {
        self.switch(
            1,
            bytes.map_or(-1, |bytes| i64::try_from(bytes).unwrap_or(i64::MAX)),
        )
    }

    /// The room that is left; none without a limit.
    pub fn room(&self) -> Tried<Option<u64>> {
        let mut bytes = [0; 8];
        self.control
            .read_exact_at(&mut bytes, 8)
            .during("reading a switch of the shim")?;
        Ok(u64::try_from(i64::from_ne_bytes(bytes)).ok())
    }

    /// Lets a sync take so many microseconds.
    pub fn set_sync_us(&self, microseconds: u32) -> Tried<()> {
        self.switch(2, microseconds.into())
    }

    /// Takes what was recorded since the last time.
    pub fn take_records(&self) -> Tried<Vec<Record>> {
        let bytes = match fs::read(&self.log) {
            Ok(bytes) => bytes,
            Err(why) if why.kind() == std::io::ErrorKind::NotFound => Vec::new(),
            Err(why) => return Err(fault!("reading the shim's records: {why}")),
        };
        fs::write(&self.log, b"").during("clearing the shim's records")?;
        Ok(read_records(&bytes))
    }
}

/// A file of the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kept {
    /// `ringback.db`
    Database,
    /// `ringback.db-wal`
    Wal,
    /// `ringback.db-journal`
    Journal,
}

impl Kept {
    /// Every file that is rebuilt.
    pub const ALL: [Self; 3] = [Self::Database, Self::Wal, Self::Journal];

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Database => "ringback.db",
            Self::Wal => "ringback.db-wal",
            Self::Journal => "ringback.db-journal",
        }
    }

    fn from_code(code: u8) -> Option<Self> {
        Self::ALL.get(usize::from(code).checked_sub(1)?).copied()
    }
}

/// Something that reached a file of the database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    file: Kept,
    what: Happened,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Happened {
    Write {
        at: usize,
        bytes: Vec<u8>,
    },
    Truncate(usize),
    /// Everything among the first so many records is lasting.
    Sync(usize),
    Unlink,
}

/// Reads records; half a record at the end was cut off by the kill and never came about.
fn read_records(mut bytes: &[u8]) -> Vec<Record> {
    let mut records = Vec::new();
    while let Some((head, rest)) = bytes.split_at_checked(16) {
        let number = |range: std::ops::Range<usize>| {
            let mut all = [0; 8];
            all[..range.len()].copy_from_slice(&head[range]);
            usize::try_from(u64::from_le_bytes(all)).unwrap_or(usize::MAX)
        };
        let (length, offset) = (number(4..8), number(8..16));
        let Some((body, rest)) = rest.split_at_checked(length) else {
            break;
        };
        let what = match head[0] {
            1 => Happened::Write {
                at: offset,
                bytes: body.to_vec(),
            },
            2 => Happened::Truncate(offset),
            3 => Happened::Sync(offset),
            _ => Happened::Unlink,
        };
        let Some(file) = Kept::from_code(head[1]) else {
            break;
        };
        records.push(Record { file, what });
        bytes = rest;
    }
    records
}

/// The bytes of the database's files; one that is not there is missing.
pub type Files = BTreeMap<Kept, Vec<u8>>;

/// Reads the files of a database.
pub fn read_files(folder: &Path) -> Tried<Files> {
    let mut files = Files::new();
    for kept in Kept::ALL {
        match fs::read(folder.join(kept.name())) {
            Ok(bytes) => drop(files.insert(kept, bytes)),
            Err(why) if why.kind() == std::io::ErrorKind::NotFound => {}
            Err(why) => return Err(fault!("reading {}: {why}", kept.name())),
        }
    }
    Ok(files)
}

/// Writes the files of a database, and nothing else of it is left: also not the shared memory, which a power cut takes away.
pub fn write_files(folder: &Path, files: &Files) -> Tried<()> {
    fs::create_dir_all(folder).during("making a folder")?;
    let names = Kept::ALL.map(Kept::name);
    for name in names.into_iter().chain(["ringback.db-shm"]) {
        match fs::remove_file(folder.join(name)) {
            Err(why) if why.kind() != std::io::ErrorKind::NotFound => {
                return Err(fault!("removing {name}: {why}"));
            }
            _ => {}
        }
    }
    for (kept, bytes) in files {
        fs::write(folder.join(kept.name()), bytes)
            .during(format_args!("writing {}", kept.name()))?;
    }
    Ok(())
}

/// How a disk treats what it was not asked to make lasting, or lies about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Disk {
    /// Nothing but what was synced is left.
    Strict,
    /// Of what was not synced, each sector is there with one half probability.
    Torn,
    /// It says that it synced, and did nothing: shows that the campaign can find a loss.
    Lying,
}

/// What is on the disk after a power cut, and how many writes were not lasting at that instant.
pub fn after_power_cut(
    mut files: Files,
    records: &[Record],
    disk: Disk,
    dice: &mut Dice,
) -> (Files, u64) {
    let mut lasting: BTreeMap<Kept, usize> = BTreeMap::new();
    for record in records {
        if let Happened::Sync(before) = record.what
            && disk != Disk::Lying
        {
            let known = lasting.entry(record.file).or_default();
            *known = before.max(*known);
        }
    }
    let mut loose = 0;
    for (number, record) in records.iter().enumerate() {
        let synced = lasting
            .get(&record.file)
            .is_some_and(|before| number < *before);
        let mut kept = || synced || (disk == Disk::Torn && dice.once_in(2));
        match &record.what {
            Happened::Write { at, bytes } => {
                loose += u64::from(!synced);
                let mut from = 0;
                while from < bytes.len() {
                    // Up to the next border of a sector.
                    let to = bytes.len().min(((at + from) / SECTOR + 1) * SECTOR - at);
                    if kept() {
                        let file = files.entry(record.file).or_default();
                        if file.len() < at + to {
                            file.resize(at + to, 0);
                        }
                        file[at + from..at + to].copy_from_slice(&bytes[from..to]);
                    }
                    from = to;
                }
            }
            Happened::Truncate(length) => {
                if kept()
                    && let Some(file) = files.get_mut(&record.file)
                {
                    file.resize(*length, 0);
                }
            }
            Happened::Unlink => drop(files.remove(&record.file)),
            Happened::Sync(_) => {}
        }
    }
    (files, loose)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(what: u8, offset: u64, body: &[u8]) -> Vec<u8> {
        let mut all = vec![what, 2, 0, 0];
        all.extend(u32::try_from(body.len()).unwrap().to_le_bytes());
        all.extend(offset.to_le_bytes());
        all.extend(body);
        all
    }

    fn write(at: usize, fill: u8, length: usize) -> Record {
        Record {
            file: Kept::Wal,
            what: Happened::Write {
                at,
                bytes: vec![fill; length],
            },
        }
    }

    #[test]
    fn records_are_read_and_half_a_record_is_none() {
        let mut log = bytes(1, 4, b"abc");
        log.extend(bytes(3, 1, b""));
        log.extend(bytes(1, 9, b"never"));
        log.truncate(log.len() - 1);
        let read = read_records(&log);
        assert_eq!(read.len(), 2);
        assert_eq!(
            read[0].what,
            Happened::Write {
                at: 4,
                bytes: b"abc".to_vec()
            }
        );
        assert_eq!(read[1].what, Happened::Sync(1));
    }

    #[test]
    fn only_what_was_written_before_a_sync_began_is_left() {
        let sync = Record {
            file: Kept::Wal,
            what: Happened::Sync(1),
        };
        // The second write came while the sync was under way.
        let records = [write(0, 1, 600), write(600, 2, 1_000), sync];
        let after = |disk| after_power_cut(Files::new(), &records, disk, &mut Dice::new(1, 1));
        let (strict, loose) = after(Disk::Strict);
        assert_eq!((strict[&Kept::Wal].len(), loose), (600, 1));
        let (lying, loose) = after(Disk::Lying);
        assert!(lying.is_empty() && loose == 2);
    }

    #[test]
    fn a_torn_disk_keeps_whole_sectors() {
        let records = [write(100, 7, 512 * 40)];
        let (files, _) = after_power_cut(Files::new(), &records, Disk::Torn, &mut Dice::new(3, 1));
        let file = &files[&Kept::Wal];
        let (mut there, mut gone) = (0, 0);
        for sector in file.chunks(SECTOR).skip(1) {
            let whole = sector.iter().all(|byte| *byte == sector[0]);
            assert!(whole, "a sector is written in one piece");
            if sector[0] == 7 {
                there += 1;
            } else {
                gone += 1;
            }
        }
        assert!(there > 5 && gone > 5, "{there} there, {gone} gone");
    }
}
