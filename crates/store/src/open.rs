//! Opening the house: one process, a database that is not newer than this program, a SQLite that does not lose data.

use crate::engine::{Address, Engine, Postgres, postgres};
use crate::moving;
use crate::{Checkpointer, Readers, Registrar, Role, StoreError, Writer};
use ringback_core::time::Timestamp;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};
use std::fs::{File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

mod migrations {
    refinery::embed_migrations!("migrations/sqlite");
}

/// Older versions can corrupt the write-ahead log when two connections checkpoint. Source: sqlite.org, release 3.51.3.
const OLDEST_SQLITE: i32 = 3_051_003;

/// Why the data folder could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process has it.
    #[error(
        "the data folder {0} is in use by another Ringback. Stop that one first, or give this one a folder of its own with --data."
    )]
    InUse(PathBuf),
    /// The folder cannot be used.
    #[error("the data folder {path} cannot be used: {source}")]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The database was written by a newer Ringback.
    #[error(
        "the database is of version {found}, this program knows {known}. Use the newer program that wrote it, or restore the backup from before the upgrade."
    )]
    Newer {
        /// Version of the database.
        found: i32,
        /// Newest version that this program knows.
        known: i32,
    },
    /// SQLite is too old.
    #[error(
        "SQLite {0} is too old: 3.51.3 or newer is needed, because older ones can corrupt the write-ahead log."
    )]
    OldSqlite(&'static str),
    /// A migration failed; the database is as it was.
    #[error("the database could not be brought up to date; it is as it was before")]
    Migration(#[source] refinery::Error),
    /// SQLite failed.
    #[error("the database cannot be opened")]
    Sqlite(#[from] rusqlite::Error),
    /// The address of the database cannot be read.
    #[error("the address of the database cannot be read: {0}")]
    Address(String),
    /// The role could look past the second wall.
    #[error(
        "the role {0} is a superuser or bypasses row security, so one tenant's data would be kept from another by the program alone. Give --database a role that is neither, and --database-owner the one that owns the tables."
    )]
    TooMighty(String),
    /// The schema is missing or old, and nobody was named who may change it.
    #[error(
        "the database has no schema of this version. Start once with --database-owner postgres://…, the role that owns the database; it brings the schema up to date and lets the other role use it."
    )]
    NoSchema,
    /// Servers of an older version are at work, which the next change of the schema would break.
    #[error(
        "change {version} of the schema takes away what servers of the version before still use, and some are at work (nodes {nodes}). Update and restart them first, or stop them; one that was killed counts as alive for six seconds more"
    )]
    OlderServes {
        /// The change.
        version: i64,
        /// Numbers of the nodes.
        nodes: String,
    },
    /// A migration that was applied reads otherwise now.
    #[error(
        "migration {0} was applied in another form: this program and the database are not of the same line"
    )]
    Edited(i64),
    /// Servers work on it.
    #[error(
        "servers work on this database (nodes {0}): stop them all first. One that was killed counts as alive for six seconds more"
    )]
    Serves(String),
    /// A house is on its way here.
    #[error(
        "the house that moves here from {0} has not arrived whole. Run the same `ringback migrate` again: it goes on where it stopped"
    )]
    Arriving(String),
    /// This house is on its way elsewhere.
    #[error(
        "this house is on its way to {0}. Run the same `ringback migrate` again to bring it there, or `ringback migrate --give-up` to stay here"
    )]
    Leaving(String),
    /// This house is elsewhere.
    #[error(
        "this house has moved to {0}: serve it there. Whoever takes it up here again, with `ringback migrate --give-up`, knows nothing of what happened since"
    )]
    Left(String),
    /// It was opened and does not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Keeps other processes out of a data folder until it is dropped.
#[derive(Debug)]
pub struct FolderLock {
    _file: File,
}

/// Opens the database of a data folder: makes both when they are new, brings the schema up to date, and locks others out.
pub fn open(folder: &Path) -> Result<(Writer, Readers, Checkpointer), OpenError> {
    if rusqlite::version_number() < OLDEST_SQLITE {
        return Err(OpenError::OldSqlite(rusqlite::version()));
    }
    let failed = |source| OpenError::Folder {
        path: folder.to_owned(),
        source,
    };
    std::fs::create_dir_all(folder).map_err(failed)?;
    let lock = lock(folder)?;
    let file = folder.join("ringback.db");
    let mut connection = Connection::open(&file)?;
    settle_in(&connection, true)?;
    migrate(&mut connection)?;
    moving::keep_out_of_file(&connection)?;
    let checkpoints = Connection::open(&file)?;
    settle_in(&checkpoints, true)?;
    let readers = Readers::new(reader_count(), || {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let reader = Connection::open_with_flags(&file, flags)?;
        settle_in(&reader, false)?;
        Ok(Engine::Sqlite(reader))
    })?;
    Ok((
        Writer::new(Engine::Sqlite(connection), Some(lock))?,
        readers,
        Checkpointer::new(checkpoints),
    ))
}

/// Opens a database of PostgreSQL. With an owner the schema is brought up to date first, and the role of the first address is let use it.
pub fn open_postgres(serves: &str, owner: Option<&str>) -> Result<(Writer, Readers), OpenError> {
    let serves = Arc::new(Address::parse(serves)?);
    let owner = owner.map(Address::parse).transpose()?;
    postgres::migrate(&serves, owner.as_ref())?;
    moving::keep_out_of_database(&serves)?;
    let engine = || Engine::Postgres(Box::new(Postgres::new(Arc::clone(&serves))));
    let readers = Readers::new(reader_count(), || Ok(engine()))?;
    Ok((Writer::new(engine(), None)?, readers))
}

/// Opens a database of PostgreSQL that was restored, for what has to be written before a server opens it. Nodes that were alive when the
/// backup was taken are none any more; one that is alive now is refused.
pub fn open_restored(serves: &str, owner: Option<&str>) -> Result<Writer, OpenError> {
    let serves = Arc::new(Address::parse(serves)?);
    let owner = owner.map(Address::parse).transpose()?;
    postgres::migrate(&serves, owner.as_ref())?;
    moving::keep_out_of_database(&serves)?;
    if let Some(nodes) = moving::alive(&serves)? {
        return Err(OpenError::Serves(nodes));
    }
    Ok(Writer::new(
        Engine::Postgres(Box::new(Postgres::new(serves))),
        None,
    )?)
}

/// A house on PostgreSQL for one of its nodes: what changes it, what reads it, and what keeps the node alive in the eyes of the others.
pub fn join_postgres(
    serves: &str,
    owner: Option<&str>,
    role: Role,
    now: Timestamp,
    since_boot: Duration,
) -> Result<(Writer, Readers, Registrar), OpenError> {
    let serves = Arc::new(Address::parse(serves)?);
    let owner = owner.map(Address::parse).transpose()?;
    postgres::migrate(&serves, owner.as_ref())?;
    moving::keep_out_of_database(&serves)?;
    let registrar = Registrar::join(Arc::clone(&serves), role, now, since_boot)?;
    let reader = || Engine::Postgres(Box::new(Postgres::new(Arc::clone(&serves))));
    let readers = Readers::new(reader_count(), || Ok(reader()))?;
    let engine = Postgres::of_node(Arc::clone(&serves), registrar.node());
    let writer = Writer::new(Engine::Postgres(Box::new(engine)), None)?;
    Ok((writer, readers, registrar))
}

/// Looks into the database of a data folder without changing it, beside a running server too. Nothing is made or brought up to date.
pub fn look(folder: &Path) -> Result<Readers, OpenError> {
    let file = folder.join("ringback.db");
    Ok(Readers::new(1, || {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let reader = Connection::open_with_flags(&file, flags)?;
        settle_in(&reader, false)?;
        Ok(Engine::Sqlite(reader))
    })?)
}

fn reader_count() -> usize {
    std::thread::available_parallelism()
        .map_or(2, usize::from)
        .clamp(2, 8)
}

pub(crate) fn lock(folder: &Path) -> Result<FolderLock, OpenError> {
    let failed = |source| OpenError::Folder {
        path: folder.to_owned(),
        source,
    };
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(folder.join("lock"))
        .map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(FolderLock { _file: file }),
        Err(TryLockError::WouldBlock) => Err(OpenError::InUse(folder.to_owned())),
        Err(TryLockError::Error(source)) => Err(failed(source)),
    }
}

/// Every connection has the same manners. FULL: an acknowledged lead is on the disk (P1). No mmap. Cache 8 MiB: a larger one costs
/// CPU at every commit.
pub(crate) fn settle_in(connection: &Connection, writes: bool) -> Result<(), rusqlite::Error> {
    connection.busy_timeout(Duration::from_secs(5))?;
    connection.set_prepared_statement_cache_capacity(256);
    // Without this, SQLite looks at the value of every `LIMIT ?` and compiles the statement anew each time it is bound.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    connection.execute_batch(
        "PRAGMA foreign_keys = ON; PRAGMA temp_store = MEMORY; PRAGMA mmap_size = 0; PRAGMA cache_size = -8192; PRAGMA trusted_schema = OFF;",
    )?;
    if writes {
        connection.execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 20000; PRAGMA journal_size_limit = 67108864;")?;
    } else {
        connection.execute_batch("PRAGMA query_only = ON;")?;
    }
    Ok(())
}

pub(crate) fn migrate(connection: &mut Connection) -> Result<(), OpenError> {
    let runner = migrations::migrations::runner();
    let known = runner
        .get_migrations()
        .iter()
        .map(refinery::Migration::version)
        .max()
        .unwrap_or(0);
    let has_history: bool = connection.query_row(
        "SELECT count(*) FROM sqlite_master WHERE name = 'refinery_schema_history'",
        [],
        |row| row.get(0),
    )?;
    if has_history {
        let found: i32 = connection.query_row(
            "SELECT coalesce(max(version), 0) FROM refinery_schema_history",
            [],
            |row| row.get(0),
        )?;
        if found > known {
            return Err(OpenError::Newer { found, known });
        }
    }
    runner.run(connection).map_err(OpenError::Migration)?;
    Ok(())
}

/// A database in memory with the schema of today, for tests.
#[cfg(test)]
pub(crate) fn in_memory() -> Connection {
    let mut connection = Connection::open_in_memory().expect("a database in memory");
    migrate(&mut connection).expect("the schema of today");
    connection
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(name: &str) -> PathBuf {
        let path =
            std::env::temp_dir().join(format!("ringback-store-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        path
    }

    /// O6: two processes on one folder would split the data.
    #[test]
    fn a_second_opener_is_refused_with_words() {
        let path = folder("lock");
        let held = open(&path).expect("the first opens");
        let refused = open(&path).expect_err("the second is refused");
        assert!(matches!(refused, OpenError::InUse(_)));
        assert!(refused.to_string().contains("--data"));
        drop(held);
        open(&path).expect("free again");
        std::fs::remove_dir_all(path).expect("cleaned up");
    }

    /// An older program never touches a newer database.
    #[test]
    fn a_newer_database_is_refused() {
        let path = folder("newer");
        drop(open(&path).expect("made"));
        let connection = Connection::open(path.join("ringback.db")).expect("opened");
        connection
            .execute("INSERT INTO refinery_schema_history (version, name, applied_on, checksum) VALUES (999, 'later', '2030-01-01T00:00:00Z', '1')", [])
            .expect("a later migration");
        drop(connection);
        assert!(matches!(
            open(&path).err(),
            Some(OpenError::Newer { found: 999, .. })
        ));
        std::fs::remove_dir_all(path).expect("cleaned up");
    }

    /// P1: the settings that the promise stands on.
    #[test]
    fn the_writer_syncs_every_commit() {
        let path = folder("full");
        let (writer, ..) = open(&path).expect("made");
        assert_eq!(writer.pragma("synchronous"), "2");
        assert_eq!(writer.pragma("journal_mode"), "wal");
        drop(writer);
        std::fs::remove_dir_all(path).expect("cleaned up");
    }

    /// L11: a form that nobody went on with is forgotten after 30 days, 200 in one go; what was touched since stays.
    #[test]
    fn old_drafts_go_in_small_pieces() {
        use ringback_core::ids::{IdMaker, TenantId};
        let path = folder("drafts");
        let (writer, readers, _) = open(&path).expect("made");
        let now: Timestamp = "2026-11-21T16:00:00Z".parse().expect("a time");
        let (tenant, mut ids) = (TenantId::from_raw(1), IdMaker::new(1, 0));
        let days = |n: i64| now - jiff::SignedDuration::from_hours(24 * n);
        let mut draft = |made: i64, touched: i64| {
            let id = ids.next(days(made));
            let row = crate::DraftRow {
                form: "booking".into(),
                hash: vec![1],
                data: serde_json::json!({}),
                step: 1,
                at: days(touched),
                lead: None,
            };
            writer.insert_draft(id, tenant, &row).expect("kept");
            id
        };
        let touched = draft(60, 2);
        let old: Vec<i64> = (0..250).map(|_| draft(31, 31)).collect();
        let young = draft(29, 29);
        let left = |ids: &[i64]| {
            ids.iter()
                .filter(|id| {
                    let found = readers.ask(|store| store.draft(tenant, **id));
                    found.expect("read").is_some()
                })
                .count()
        };
        assert!(writer.tidy(now).expect("tidied"), "there is more");
        assert_eq!(left(&old), 50);
        assert!(!writer.tidy(now).expect("tidied"), "that was all");
        assert_eq!((left(&old), left(&[touched, young])), (0, 2));
        drop(writer);
        std::fs::remove_dir_all(path).expect("cleaned up");
    }

    /// A text that waits, of this priority, made and due at these seconds.
    fn waiting(writer: &Writer, id: i64, priority: i64, status: i64, made: i64, due: i64) {
        writer.engine.as_sqlite().execute(
                "INSERT INTO messages (id, tenant_id, notification_id, channel, recipient, category, priority, status, state, due_at, created_at, expires_at, data, verdict) \
                 VALUES (?1, 1, 1, 0, '+13035550140', 0, ?2, ?3, 0, ?5, ?4, ?6, '{}', '{}')",
                [id, priority, status, made * 1_000_000, due * 1_000_000, (made + 600) * 1_000_000],
            )
            .expect("a message");
    }

    fn at(second: i64) -> Timestamp {
        ringback_core::time::from_micros(second * 1_000_000)
    }

    /// M7: every queue is found by a seek, with when its next message is due, whoever else has how many.
    #[test]
    fn queues_are_known_by_tenant_channel_and_priority() {
        use ringback_core::ids::TenantId;
        use ringback_core::messages::{ChannelKind, Priority};
        use ringback_core::turn::QueueOf;
        let path = folder("queues");
        let (writer, ..) = open(&path).expect("made");
        for n in 1..=20 {
            waiting(&writer, n, Priority::Low.code(), 1, 100, 100 + n);
        }
        waiting(&writer, 21, Priority::Critical.code(), 1, 150, 150);
        let queue = |priority| QueueOf {
            tenant: TenantId::from_raw(1),
            channel: ChannelKind::Sms,
            priority,
        };
        let (bulk, alert) = (queue(Priority::Low), queue(Priority::Critical));
        assert_eq!(
            writer.queues().expect("read"),
            [(alert, at(150)), (bulk, at(101))]
        );
        let due = |queue, now, most| {
            let due = writer.due(queue, at(now), most).expect("read");
            due.iter().map(|one| one.id.raw()).collect::<Vec<_>>()
        };
        assert_eq!(due(bulk, 103, 10), [1, 2, 3]);
        assert_eq!(due(bulk, 200, 2), [1, 2]);
        assert_eq!(due(alert, 149, 10), [0_i64; 0]);
        let other = QueueOf {
            tenant: TenantId::from_raw(2),
            ..bulk
        };
        assert_eq!(writer.next_due(other).expect("read"), None);
        drop(writer);
        std::fs::remove_dir_all(path).expect("cleaned up");
    }

    /// A clock that was years ahead and is set right again leaves nothing that waits for years, and moves nothing that was planned by
    /// the right time.
    #[test]
    fn a_clock_that_is_set_back_leaves_nothing_far_off() {
        let path = folder("set");
        let (writer, ..) = open(&path).expect("made");
        let (now, year) = (2_000_000_000, 31_557_600);
        // Planned by the right time for tomorrow; made by the wrong time; tried again by the wrong time.
        waiting(&writer, 1, 1, 0, now - 10, now + 86_000);
        waiting(&writer, 2, 1, 2, now + year, now + year + 60);
        waiting(&writer, 3, 1, 1, now - 10, now + year + 5);
        let moved = writer.clock_was_set(-year * 1_000_000, at(now));
        assert_eq!(moved.expect("moved"), 2);
        let due = |id: i64| -> i64 {
            let sql = "SELECT due_at / 1000000 FROM messages WHERE id = ?1";
            writer
                .engine
                .as_sqlite()
                .query_row(sql, [id], |row| row.get(0))
                .expect("there")
        };
        assert_eq!([due(1), due(2), due(3)], [now + 86_000, now + 60, now + 5]);
        drop(writer);
        std::fs::remove_dir_all(path).expect("cleaned up");
    }

    /// A clock that jumps and is set right again lets nothing expire that has time left.
    #[test]
    fn a_jump_takes_no_time_from_a_message() {
        let path = folder("expires");
        let (writer, ..) = open(&path).expect("made");
        waiting(&writer, 1, 1, 1, 1_000, 1_000);
        let expires = || -> i64 {
            let sql = "SELECT expires_at / 1000000 FROM messages";
            writer
                .engine
                .as_sqlite()
                .query_row(sql, [], |row| row.get(0))
                .expect("there")
        };
        for (by, then) in [
            (86_400, 88_000),
            (-31_557_600, -31_469_600),
            (31_471_200, 1_600),
        ] {
            writer.clock_was_set(by * 1_000_000, at(0)).expect("set");
            assert_eq!(expires(), then);
        }
        drop(writer);
        std::fs::remove_dir_all(path).expect("cleaned up");
    }
}
