//! A file of SQLite as one end of a move.

use super::tables::{Schema, Table};
use super::{Datum, Mark, MoveError, Progress, State};
use crate::engine::{Kind, Value};
use crate::open::{FolderLock, lock, migrate, settle_in};
use crate::{OpenError, StoreError};
use rusqlite::types::ValueRef;
use rusqlite::{Connection, OptionalExtension as _, params_from_iter};
use std::path::{Path, PathBuf};

/// The data folder, which nobody else has meanwhile.
#[derive(Debug)]
pub(super) struct Folder {
    pub(super) path: PathBuf,
    pub(super) lock: Option<FolderLock>,
}

fn failed(at: &'static str) -> impl Fn(rusqlite::Error) -> MoveError {
    move |source| MoveError::Store(StoreError::sqlite(at)(source))
}

impl Folder {
    /// Takes a folder that has a database already.
    pub(super) fn found(path: &Path) -> Result<Self, MoveError> {
        if !path.join(crate::backup::DATABASE).exists() {
            return Err(MoveError::NoHouse(path.display().to_string()));
        }
        Self::made(path)
    }

    /// Takes a folder and makes the database when it is not there.
    pub(super) fn made(path: &Path) -> Result<Self, MoveError> {
        let cannot = |source| OpenError::Folder {
            path: path.to_owned(),
            source,
        };
        std::fs::create_dir_all(path).map_err(cannot)?;
        let lock = lock(path)?;
        let mut connection =
            Connection::open(path.join(crate::backup::DATABASE)).map_err(OpenError::from)?;
        settle_in(&connection, true).map_err(OpenError::from)?;
        migrate(&mut connection)?;
        Ok(Self {
            path: path.to_owned(),
            lock: Some(lock),
        })
    }

    pub(super) fn connect(&self) -> Result<File, MoveError> {
        let connection =
            Connection::open(self.path.join(crate::backup::DATABASE)).map_err(failed("open"))?;
        settle_in(&connection, true).map_err(failed("open"))?;
        // Rows come table by table, so one may point at a row that is still on its way; the end looks at all of them. What is not yet on the
        // disk at a power cut is moved again: how far each table is stands in the same file.
        connection
            .execute_batch("PRAGMA foreign_keys = OFF; PRAGMA synchronous = NORMAL; PRAGMA cache_size = -65536;")
            .map_err(failed("open"))?;
        Ok(File(connection))
    }
}

/// A connection to the file.
pub(super) struct File(Connection);

fn kind_of(declared: &str) -> Kind {
    match declared {
        "TEXT" => Kind::Text,
        "BLOB" => Kind::Bytes,
        _ => Kind::Int,
    }
}

fn bound(value: &Value<'_>) -> rusqlite::types::Value {
    use rusqlite::types::Value as Owned;
    match *value {
        Value::Null => Owned::Null,
        Value::Int(n) => Owned::Integer(n),
        Value::Text(text) => Owned::Text(text.to_owned()),
        Value::Bytes(bytes) => Owned::Blob(bytes.to_vec()),
    }
}

impl File {
    pub(super) fn schema(&self) -> Result<Schema, MoveError> {
        let sql = "SELECT t.name, c.name, c.type, c.pk FROM sqlite_master AS t, pragma_table_info(t.name) AS c
            WHERE t.type = 'table' AND t.name NOT LIKE 'sqlite_%' ORDER BY t.name, c.pk";
        let mut statement = self.0.prepare(sql).map_err(failed("schema"))?;
        let rows = statement
            .query_map([], |row| {
                Ok((
                    row.get::<_, String>(0)?,
                    row.get::<_, String>(1)?,
                    row.get::<_, String>(2)?,
                    row.get::<_, i64>(3)?,
                ))
            })
            .map_err(failed("schema"))?;
        let mut schema = Schema::new();
        for row in rows {
            let (table, column, declared, key) = row.map_err(failed("schema"))?;
            let found = schema.entry(table).or_default();
            if key > 0 {
                found.key.push(column.clone());
            }
            found.columns.insert(column, kind_of(&declared));
        }
        Ok(schema)
    }

    pub(super) fn count(&self, table: &str) -> Result<u64, MoveError> {
        let sql = format!("SELECT count(*) FROM \"{table}\"");
        let n: i64 = self
            .0
            .query_row(&sql, [], |row| row.get(0))
            .map_err(failed("count"))?;
        Ok(u64::try_from(n).unwrap_or(0))
    }

    pub(super) fn has_any(&self, table: &str) -> Result<bool, MoveError> {
        let sql = format!("SELECT 1 FROM \"{table}\" LIMIT 1");
        let found = self.0.query_row(&sql, [], |_| Ok(())).optional();
        Ok(found.map_err(failed("look"))?.is_some())
    }

    /// Hands over the rows of a piece.
    pub(super) fn piece(
        &self,
        table: &Table,
        key: &[usize],
        after: Option<&[Datum]>,
        most: usize,
        take: &mut dyn FnMut(&[Value<'_>]) -> Result<(), MoveError>,
    ) -> Result<(), MoveError> {
        let sql = table.piece(key, after.is_some(), most, '?');
        let mut statement = self.0.prepare_cached(&sql).map_err(failed("read"))?;
        let values = after
            .unwrap_or_default()
            .iter()
            .map(|one| bound(&one.value()));
        let mut rows = statement
            .query(params_from_iter(values))
            .map_err(failed("read"))?;
        while let Some(row) = rows.next().map_err(failed("read"))? {
            let mut values = Vec::with_capacity(table.columns.len());
            for (at, (column, kind)) in table.columns.iter().enumerate() {
                let wrong = || MoveError::Value {
                    table: table.name.clone(),
                    column: column.clone(),
                };
                let value = match row.get_ref(at).map_err(failed("read"))? {
                    ValueRef::Null => Value::Null,
                    ValueRef::Integer(n) if *kind == Kind::Int => Value::Int(n),
                    ValueRef::Text(text) if *kind == Kind::Text => {
                        Value::Text(std::str::from_utf8(text).map_err(|_| wrong())?)
                    }
                    ValueRef::Blob(bytes) if *kind == Kind::Bytes => Value::Bytes(bytes),
                    _ => return Err(wrong()),
                };
                values.push(value);
            }
            take(&values)?;
        }
        Ok(())
    }

    pub(super) fn begin(&self) -> Result<(), MoveError> {
        self.0
            .execute_batch("BEGIN IMMEDIATE")
            .map_err(failed("begin"))
    }

    pub(super) fn put(&self, table: &Table, row: &[Value<'_>]) -> Result<(), MoveError> {
        let marks: Vec<String> = (1..=row.len()).map(|n| format!("?{n}")).collect();
        let sql = format!(
            "INSERT INTO \"{}\" ({}) VALUES ({})",
            table.name,
            table.all(),
            marks.join(", ")
        );
        let mut statement = self.0.prepare_cached(&sql).map_err(failed("write"))?;
        for (at, value) in row.iter().enumerate() {
            statement
                .raw_bind_parameter(at + 1, value)
                .map_err(failed("write"))?;
        }
        statement.raw_execute().map_err(failed("write"))?;
        Ok(())
    }

    /// Says how far a table is, and makes it lasting together with its rows.
    pub(super) fn end(&self, table: &Table, so_far: &Progress) -> Result<(), MoveError> {
        let sql = "INSERT INTO moved_tables (name, after, n, done) VALUES (?1, ?2, ?3, ?4)
            ON CONFLICT (name) DO UPDATE SET after = excluded.after, n = excluded.n, done = excluded.done";
        let n = i64::try_from(so_far.rows).unwrap_or(i64::MAX);
        let values = (&table.name, so_far.after_text(), n, so_far.done);
        self.0
            .prepare_cached(sql)
            .and_then(|mut statement| statement.execute(values))
            .map_err(failed("progress"))?;
        self.0.execute_batch("COMMIT").map_err(failed("commit"))
    }

    pub(super) fn progress(&self, table: &str) -> Result<Progress, MoveError> {
        let sql = "SELECT after, n, done FROM moved_tables WHERE name = ?1";
        let found = self
            .0
            .query_row(sql, [table], |row| {
                Ok((row.get(0)?, row.get::<_, i64>(1)?, row.get(2)?))
            })
            .optional()
            .map_err(failed("progress"))?;
        found.map_or_else(
            || Ok(Progress::default()),
            |(after, n, done): (Option<String>, _, _)| Progress::read(after.as_deref(), n, done),
        )
    }

    pub(super) fn mark(&self) -> Result<Option<Mark>, MoveError> {
        mark_of(&self.0).map_err(failed("mark"))
    }

    pub(super) fn put_mark(&self, mark: &Mark) -> Result<(), MoveError> {
        // What a start goes by is on the disk before anything else happens.
        self.0
            .execute_batch("PRAGMA synchronous = FULL")
            .map_err(failed("mark"))?;
        let begins = if mark.state == State::Arriving {
            "DELETE FROM moved_tables;"
        } else {
            ""
        };
        self.0
            .execute_batch(&format!("BEGIN IMMEDIATE; {begins}"))
            .map_err(failed("mark"))?;
        self.0
            .execute(
                "INSERT INTO moves (one, id, state, other, at) VALUES (1, ?1, ?2, ?3, ?4)
                ON CONFLICT (one) DO UPDATE SET id = excluded.id, state = excluded.state, other = excluded.other, at = excluded.at",
                (&mark.id, mark.state as i64, &mark.other, mark.at),
            )
            .map_err(failed("mark"))?;
        self.0.execute_batch("COMMIT").map_err(failed("mark"))?;
        self.0
            .execute_batch("PRAGMA synchronous = NORMAL")
            .map_err(failed("mark"))
    }

    /// A row that points nowhere.
    pub(super) fn dangles(&self) -> Result<Option<String>, MoveError> {
        self.0
            .query_row("PRAGMA foreign_key_check", [], |row| row.get(0))
            .optional()
            .map_err(failed("foreign keys"))
    }

    /// Brings everything from the log into the file, and onto the disk.
    pub(super) fn settle(&self) -> Result<(), MoveError> {
        self.0
            .execute_batch("PRAGMA synchronous = FULL")
            .and_then(|()| {
                self.0
                    .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
            })
            .map_err(failed("checkpoint"))
    }

    pub(super) fn into_inner(self) -> Connection {
        self.0
    }
}

/// What a database says of a move of its house.
pub(super) fn mark_of(connection: &Connection) -> Result<Option<Mark>, rusqlite::Error> {
    connection
        .query_row(
            "SELECT id, state, other, at FROM moves WHERE one = 1",
            [],
            |row| {
                Ok(Mark {
                    id: row.get(0)?,
                    state: State::from_code(row.get(1)?),
                    other: row.get(2)?,
                    at: row.get(3)?,
                })
            },
        )
        .optional()
}
