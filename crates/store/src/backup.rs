//! Backups of the embedded database (O5, P11): copied while the server works, restored into a scratch file and checked before they count.
//!
//! One read transaction holds one instant of the database from the first page to the last count, so the copy is that instant, and the
//! writer, which appends to its log, neither waits for it nor disturbs it. What the copy must hold (rows of every table, the end of every
//! chain) is asked in the same transaction and stands in a manifest beside it.

mod folder;

use crate::open::{OpenError, settle_in};
use crate::sql::{Statement, house, ledger};
use crate::{StoreError, look};
use ringback_core::consent::ledger::Head;
use ringback_core::ids::TenantId;
use ringback_core::time::{Clock, Timestamp, from_micros};
use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, OpenFlags, OptionalExtension as _};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

pub use folder::{Kept, kept, newest, prune};

/// The database's name in a data folder and in a backup.
pub const DATABASE: &str = "ringback.db";
/// The manifest's name in a backup.
pub const MANIFEST: &str = "manifest.json";
/// The form of the manifest that this program writes and reads.
const FORMAT: u32 = 1;
/// Pages copied at a time; 1 MiB, so that the machine's disk is given back often.
const PAGES: i32 = 256;
/// The copy is synced with every piece: a commit of the server waits in the file system's journal for what of it is not on the disk yet. With
/// 16 MiB the slowest of some 500 syncs of 16 KiB beside it took 35 ms, with 1 MiB 20 to 24, without a copy 14 to 24 (ext4, a virtual disk).
const SYNC_EVERY: u64 = 1 << 20;
/// A large file goes in pieces, with rests: giving back all its blocks is one change of the file system, behind which commits wait too (33 ms
/// for 1 GB at once, 20 to 25 in pieces).
const GONE_AT_ONCE: u64 = 16 << 20;

/// Why there is no good backup.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The database cannot be read.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// SQLite failed.
    #[error("the database could not be {at}")]
    Sqlite {
        /// What was tried.
        at: &'static str,
        /// What it said.
        #[source]
        source: rusqlite::Error,
    },
    /// A file or folder failed.
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
    /// There is no room for a copy and the scratch file it is checked in.
    #[error(
        "the disk of {folder} has {free} MB left, and a backup needs {needs} MB while it is checked. Free some space or name another disk"
    )]
    NoRoom {
        /// Where it should go.
        folder: PathBuf,
        /// What is free. Unit: megabytes.
        free: u64,
        /// What it takes. Unit: megabytes.
        needs: u64,
    },
    /// There is no database.
    #[error("there is no database in {0}: is it the data folder of a server?")]
    NoDatabase(PathBuf),
    /// What stands in the place of a backup is none.
    #[error("{0} is no backup: it has no manifest that can be read ({1})")]
    NoManifest(PathBuf, String),
    /// It was written by a newer program.
    #[error("the backup {0} was made by a newer Ringback; restore it with that one")]
    Newer(PathBuf),
    /// The copy is not what the source was.
    #[error("the backup was restored into a scratch file and is not good: {0}")]
    NotGood(String),
}

fn sqlite(at: &'static str) -> impl Fn(rusqlite::Error) -> BackupError {
    move |source| BackupError::Sqlite { at, source }
}

fn file<'a>(at: &'static str, path: &'a Path) -> impl Fn(io::Error) -> BackupError + 'a {
    move |source| BackupError::File {
        path: path.to_owned(),
        at,
        source,
    }
}

/// What a backup holds, written beside it once it was checked. A backup without a manifest is none.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// The form of this file.
    pub format: u32,
    /// The instant that the backup holds.
    pub taken_at: Timestamp,
    /// When it had been restored into a scratch file and checked.
    pub checked_at: Timestamp,
    /// The program that made it.
    pub program: String,
    /// The version of the schema.
    pub schema: i32,
    /// A mark of the master key that opens its sealed settings; says nothing about the key itself.
    pub master_key: String,
    /// SHA-256 of the file, hexadecimal.
    pub sha256: String,
    /// Its size.
    pub bytes: u64,
    /// Rows of every table.
    pub tables: BTreeMap<String, i64>,
    /// The end of every tenant's chain of consents and administrative actions.
    pub chains: Vec<ChainEnd>,
    /// When the newest event was received.
    pub newest_event_at: Option<Timestamp>,
    /// The highest id given by then.
    pub last_id: i64,
}

/// The end of a tenant's chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChainEnd {
    /// Whose.
    pub tenant: TenantId,
    /// Its last place.
    pub seq: i64,
    /// The hash there, hexadecimal.
    pub hash: String,
}

/// What a backup is asked to be.
#[derive(Debug, Clone)]
pub struct Wish<'a> {
    /// The data folder.
    pub data: &'a Path,
    /// The folder of backups.
    pub to: &'a Path,
    /// The mark of the master key.
    pub master_key: &'a str,
    /// The program's name and version.
    pub program: &'a str,
    /// Rest after every piece, so that whoever else uses the machine comes first.
    pub rest: Duration,
}

/// A backup that was restored into a scratch file and checked.
#[derive(Debug, Clone, PartialEq)]
pub struct Good {
    /// Its folder.
    pub folder: PathBuf,
    /// What it holds.
    pub manifest: Manifest,
}

/// Takes a backup while a server may work on the data folder, checks it, and only then gives it its name.
pub fn back_up(wish: &Wish<'_>, clock: &dyn Clock) -> Result<Good, BackupError> {
    let source = wish.data.join(DATABASE);
    let size = fs::metadata(&source)
        .map_err(|_| BackupError::NoDatabase(wish.data.to_owned()))?
        .len();
    fs::create_dir_all(wish.to).map_err(file("made", wish.to))?;
    room_for(wish.to, size)?;
    let taken_at = clock.now();
    let name = folder::name(wish.to, taken_at);
    let part = wish.to.join(format!(".{name}.part"));
    let good = in_part(wish, clock, &source, &part, taken_at);
    let good = good.and_then(|manifest| {
        let done = wish.to.join(name);
        fs::rename(&part, &done).map_err(file("named", &part))?;
        sync_folder(wish.to)?;
        Ok(Good {
            folder: done,
            manifest,
        })
    });
    if good.is_err() {
        // What is left of it must not be taken for a backup; that it cannot be removed is no second reason.
        drop(fs::remove_dir_all(&part));
    }
    good
}

fn in_part(
    wish: &Wish<'_>,
    clock: &dyn Clock,
    source: &Path,
    part: &Path,
    taken_at: Timestamp,
) -> Result<Manifest, BackupError> {
    drop(fs::remove_dir_all(part));
    fs::create_dir_all(part).map_err(file("made", part))?;
    let copy = part.join(DATABASE);
    let at_source = copy_of(source, &copy, wish.rest)?;
    let scratch = part.join("scratch");
    fs::create_dir_all(&scratch).map_err(file("made", &scratch))?;
    let (sha256, bytes) = copy_and_hash(&copy, &scratch.join(DATABASE), wish.rest)?;
    let found = check(&scratch.join(DATABASE), &at_source)?;
    remove_gently(&scratch)?;
    let manifest = Manifest {
        format: FORMAT,
        taken_at,
        checked_at: clock.now(),
        program: wish.program.to_owned(),
        schema: found.schema,
        master_key: wish.master_key.to_owned(),
        sha256,
        bytes,
        tables: found.tables,
        chains: found.chains,
        newest_event_at: found.newest_event_at,
        last_id: found.last_id,
    };
    write_manifest(part, &manifest)?;
    Ok(manifest)
}

/// What a database holds, asked in one transaction.
#[derive(Debug, Clone, PartialEq)]
pub struct Holds {
    schema: i32,
    tables: BTreeMap<String, i64>,
    chains: Vec<ChainEnd>,
    newest_event_at: Option<Timestamp>,
    last_id: i64,
}

impl From<&Manifest> for Holds {
    fn from(manifest: &Manifest) -> Self {
        Self {
            schema: manifest.schema,
            tables: manifest.tables.clone(),
            chains: manifest.chains.clone(),
            newest_event_at: manifest.newest_event_at,
            last_id: manifest.last_id,
        }
    }
}

fn reader(path: &Path) -> Result<Connection, BackupError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(sqlite("opened"))?;
    settle_in(&connection, false).map_err(sqlite("opened"))?;
    Ok(connection)
}

/// Copies one instant of the database and says what that instant holds.
fn copy_of(source: &Path, copy: &Path, rest: Duration) -> Result<Holds, BackupError> {
    let source = reader(source)?;
    source.execute_batch("BEGIN").map_err(sqlite("read"))?;
    let holds = holds(&source)?;
    let mut target = Connection::open(copy).map_err(sqlite("copied"))?;
    // Nobody reads it before it is whole, and it is synced below.
    target
        .execute_batch("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;")
        .map_err(sqlite("copied"))?;
    let synced = File::open(copy).map_err(file("opened", copy))?;
    {
        let backup = Backup::new(&source, &mut target).map_err(sqlite("copied"))?;
        let mut unsynced = 0;
        loop {
            match backup.step(PAGES).map_err(sqlite("copied"))? {
                StepResult::Done => break,
                StepResult::More => {}
                // The transaction holds the source still, so only the copy's own disk can be slow.
                _ => std::thread::sleep(Duration::from_millis(5)),
            }
            unsynced += PAGES as u64 * 4_096;
            if unsynced >= SYNC_EVERY {
                synced.sync_data().map_err(file("synced", copy))?;
                unsynced = 0;
            }
            std::thread::sleep(rest);
        }
    }
    source.execute_batch("COMMIT").map_err(sqlite("read"))?;
    target
        .close()
        .map_err(|(_, source)| sqlite("copied")(source))?;
    synced.sync_all().map_err(file("synced", copy))?;
    Ok(holds)
}

/// Removes a folder; its files shrink before they go.
fn remove_gently(folder: &Path) -> Result<(), BackupError> {
    let removed = file("removed", folder);
    for entry in fs::read_dir(folder).map_err(&removed)? {
        let path = entry.map_err(&removed)?.path();
        let mut left = fs::metadata(&path).map_err(&removed)?.len();
        if left <= GONE_AT_ONCE || !path.is_file() {
            continue;
        }
        let shrinks = File::options()
            .write(true)
            .open(&path)
            .map_err(file("removed", &path))?;
        while left > 0 {
            left = left.saturating_sub(GONE_AT_ONCE);
            shrinks.set_len(left).map_err(file("removed", &path))?;
            std::thread::sleep(Duration::from_millis(5));
        }
    }
    fs::remove_dir_all(folder).map_err(removed)
}

/// The tables of a database, those of SQLite itself left out.
fn tables(connection: &Connection) -> Result<Vec<String>, rusqlite::Error> {
    let sql = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name";
    let mut statement = connection.prepare(sql)?;
    let names = statement.query_map([], |row| row.get(0))?;
    names.collect()
}

/// What a database holds. The connection is in a transaction.
fn holds(connection: &Connection) -> Result<Holds, BackupError> {
    let read = sqlite("read");
    let mut counts = BTreeMap::new();
    for name in tables(connection).map_err(&read)? {
        // The name is one that the database itself gave.
        let sql = format!("SELECT count(*) FROM \"{name}\"");
        let n = connection
            .query_row(&sql, [], |row| row.get(0))
            .map_err(&read)?;
        counts.insert(name, n);
    }
    let schema = connection
        .query_row(
            "SELECT coalesce(max(version), 0) FROM refinery_schema_history",
            [],
            |row| row.get(0),
        )
        .map_err(&read)?;
    let newest: Option<i64> = connection
        .query_row(
            "SELECT received_at FROM events ORDER BY id DESC LIMIT 1",
            [],
            |row| row.get(0),
        )
        .map(Some)
        .or_else(|error| match error {
            rusqlite::Error::QueryReturnedNoRows => Ok(None),
            other => Err(other),
        })
        .map_err(&read)?;
    let last_id = connection
        .query_row(house::LAST_IDS.sqlite, [], |row| row.get(0))
        .map_err(&read)?;
    let mut tenants = connection
        .prepare("SELECT id FROM tenants ORDER BY id")
        .map_err(&read)?;
    let tenants: Vec<i64> = tenants
        .query_map([], |row| row.get(0))
        .and_then(Iterator::collect)
        .map_err(&read)?;
    let mut chains = Vec::new();
    for tenant in tenants {
        chains.push(chain_end(connection, &ledger::HEAD, tenant).map_err(&read)?);
    }
    Ok(Holds {
        schema,
        tables: counts,
        chains,
        newest_event_at: newest.map(from_micros),
        last_id,
    })
}

/// The end of a tenant's chain; the beginning when it has no entry.
fn chain_end(
    connection: &Connection,
    head: &Statement,
    tenant: i64,
) -> Result<ChainEnd, rusqlite::Error> {
    let found = connection
        .query_row(head.sqlite, [tenant], |row| {
            Ok((row.get::<_, i64>(0)?, row.get::<_, [u8; 32]>(1)?))
        })
        .optional()?;
    let head = found.map_or_else(Head::default, |(seq, hash)| Head { seq, hash });
    Ok(ChainEnd {
        tenant: TenantId::from_raw(tenant),
        seq: head.seq,
        hash: hex(&head.hash),
    })
}

/// Opens a restored database and holds it against what it must hold: every page and index, foreign keys, the rows of every table, the
/// newest event, and every entry of every chain. Answers what it holds.
pub fn check(restored: &Path, expected: &Holds) -> Result<Holds, BackupError> {
    let not_good = |why: String| BackupError::NotGood(why);
    let connection = Connection::open(restored).map_err(sqlite("opened"))?;
    settle_in(&connection, true).map_err(sqlite("opened"))?;
    let read = sqlite("checked");
    let first: String = connection
        .query_row("PRAGMA integrity_check", [], |row| row.get(0))
        .map_err(&read)?;
    if first != "ok" {
        return Err(not_good(format!("SQLite finds it damaged: {first}")));
    }
    let orphans = connection
        .prepare("PRAGMA foreign_key_check")
        .and_then(|mut check| check.exists([]))
        .map_err(&read)?;
    if orphans {
        return Err(not_good("a row points at nothing".to_owned()));
    }
    connection.execute_batch("BEGIN").map_err(&read)?;
    let found = holds(&connection)?;
    for (table, n) in &expected.tables {
        let has = found.tables.get(table).copied().unwrap_or(-1);
        if has != *n {
            return Err(not_good(format!(
                "table {table} has {has} rows, and the source had {n}"
            )));
        }
    }
    if found != *expected {
        return Err(not_good(
            "its newest event, its schema or the end of a chain is not the source's".to_owned(),
        ));
    }
    connection.execute_batch("COMMIT").map_err(&read)?;
    drop(connection);
    let folder = restored.parent().unwrap_or_else(|| Path::new("."));
    let chains = look(folder)?;
    for end in &found.chains {
        let hash = read_hex(&end.hash)
            .ok_or_else(|| not_good("a chain's hash cannot be read".to_owned()))?;
        let anchor = Head { seq: end.seq, hash };
        // A tenant without entries has no end to hold on to.
        let anchors = [anchor];
        let anchors = if end.seq == 0 { &[][..] } else { &anchors[..] };
        let verified = chains.ask(|store| store.verify_chain(end.tenant, anchors))?;
        if let Err(broken) = verified {
            return Err(not_good(format!("the chain of {}: {broken}", end.tenant)));
        }
    }
    Ok(found)
}

/// Moves all of the log of a restored database into its file, so that the file alone is the database. Nobody else may have it open.
pub fn fold_log(database: &Path) -> Result<(), BackupError> {
    let connection = Connection::open(database).map_err(sqlite("opened"))?;
    settle_in(&connection, true).map_err(sqlite("opened"))?;
    connection
        .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
        .map_err(sqlite("folded"))
}

/// Copies a file and hashes what it writes. The bytes read and the bytes hashed are the same ones.
pub fn copy_and_hash(from: &Path, to: &Path, rest: Duration) -> Result<(String, u64), BackupError> {
    let mut source = File::open(from).map_err(file("read", from))?;
    let mut target = File::create(to).map_err(file("written", to))?;
    let (mut hash, mut bytes, mut unsynced) = (Sha256::new(), 0u64, 0u64);
    let mut buffer = vec![0; 1 << 20];
    loop {
        let n = source.read(&mut buffer).map_err(file("read", from))?;
        if n == 0 {
            break;
        }
        hash.update(&buffer[..n]);
        target
            .write_all(&buffer[..n])
            .map_err(file("written", to))?;
        bytes += n as u64;
        unsynced += n as u64;
        if unsynced >= SYNC_EVERY {
            target.sync_data().map_err(file("synced", to))?;
            unsynced = 0;
        }
        std::thread::sleep(rest);
    }
    target.sync_all().map_err(file("synced", to))?;
    Ok((hex(&hash.finalize()), bytes))
}

/// Reads the manifest of a backup.
pub fn manifest(backup: &Path) -> Result<Manifest, BackupError> {
    let none = |why: String| BackupError::NoManifest(backup.to_owned(), why);
    let text =
        fs::read_to_string(backup.join(MANIFEST)).map_err(|error| none(error.to_string()))?;
    let format: serde_json::Value =
        serde_json::from_str(&text).map_err(|error| none(error.to_string()))?;
    if format["format"].as_u64() > Some(u64::from(FORMAT)) {
        return Err(BackupError::Newer(backup.to_owned()));
    }
    serde_json::from_value(format).map_err(|error| none(error.to_string()))
}

fn write_manifest(backup: &Path, manifest: &Manifest) -> Result<(), BackupError> {
    let path = backup.join(MANIFEST);
    let text = serde_json::to_string_pretty(manifest)
        .map_err(|error| BackupError::NotGood(error.to_string()))?;
    let mut out = File::create(&path).map_err(file("written", &path))?;
    out.write_all(text.as_bytes())
        .and_then(|()| out.sync_all())
        .map_err(file("written", &path))?;
    sync_folder(backup)
}

/// Makes names in a folder lasting.
pub fn sync_folder(folder: &Path) -> Result<(), BackupError> {
    File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(file("synced", folder))
}

/// A copy and the scratch file it is checked in, with a tenth to spare.
fn room_for(folder: &Path, size: u64) -> Result<(), BackupError> {
    let Ok(room) = rustix::fs::statvfs(folder) else {
        return Ok(()); // a file system that cannot say; the copy itself finds out
    };
    let (free, needs) = (
        room.f_bavail.saturating_mul(room.f_frsize),
        size / 5 * 11 + (16 << 20),
    );
    if free >= needs {
        return Ok(());
    }
    Err(BackupError::NoRoom {
        folder: folder.to_owned(),
        free: free >> 20,
        needs: needs >> 20,
    })
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing into a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn read_hex(text: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    for (at, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&text[at * 2..at * 2 + 2], 16).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests;
