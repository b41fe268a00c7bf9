//! SQLite: one file, one process, one connection that writes.

use super::{Row, Value, Values};
use crate::StoreError;
use crate::sql::Statement;
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{CachedStatement, Connection, ToSql};
use std::ops::ControlFlow;

impl StoreError {
    /// What SQLite said, at this statement.
    pub(crate) fn sqlite(at: &'static str) -> impl Fn(rusqlite::Error) -> Self {
        move |source| match source.sqlite_error_code() {
            Some(rusqlite::ErrorCode::DiskFull) => Self::DiskFull,
            _ => Self::Failed {
                at,
                source: Box::new(source),
            },
        }
    }
}

impl ToSql for Value<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match *self {
            Self::Null => ValueRef::Null,
            Self::Int(n) => ValueRef::Integer(n),
            Self::Text(text) => ValueRef::Text(text.as_bytes()),
            Self::Bytes(bytes) => ValueRef::Blob(bytes),
        }))
    }
}

/// A column of a row.
pub(super) fn value<'a>(
    row: &'a rusqlite::Row<'a>,
    column: usize,
) -> Result<Value<'a>, StoreError> {
    match row
        .get_ref(column)
        .map_err(StoreError::sqlite("reading a row"))?
    {
        ValueRef::Null => Ok(Value::Null),
        ValueRef::Integer(n) => Ok(Value::Int(n)),
        ValueRef::Text(text) => std::str::from_utf8(text)
            .map(Value::Text)
            .map_err(|_| StoreError::column(column)),
        ValueRef::Blob(bytes) => Ok(Value::Bytes(bytes)),
        ValueRef::Real(_) => Err(StoreError::column(column)),
    }
}

fn prepared<'a>(
    connection: &'a Connection,
    text: &str,
    name: &'static str,
    values: Values<'_>,
) -> Result<CachedStatement<'a>, StoreError> {
    let at = || StoreError::sqlite(name);
    let mut prepared = connection.prepare_cached(text).map_err(at())?;
    for (n, value) in values.iter().enumerate() {
        prepared
            .raw_bind_parameter(n + 1, value.value())
            .map_err(at())?;
    }
    Ok(prepared)
}

/// Hands over each row that a text finds, until no more are wanted.
pub(super) fn each(
    connection: &Connection,
    text: &str,
    name: &'static str,
    values: Values<'_>,
    mut take: impl FnMut(&Row<'_>) -> Result<ControlFlow<()>, StoreError>,
) -> Result<(), StoreError> {
    let mut prepared = prepared(connection, text, name, values)?;
    let mut rows = prepared.raw_query();
    while let Some(row) = rows.next().map_err(StoreError::sqlite(name))? {
        if take(&Row::Sqlite(row))?.is_break() {
            break;
        }
    }
    Ok(())
}

/// Changes something; answers how many rows.
pub(super) fn run(
    connection: &Connection,
    statement: &Statement,
    values: Values<'_>,
) -> Result<usize, StoreError> {
    prepared(connection, statement.sqlite, statement.name, values)?
        .raw_execute()
        .map_err(StoreError::sqlite(statement.name))
}

/// A statement without values that answers nothing.
pub(super) fn plain(
    connection: &Connection,
    text: &'static str,
    name: &'static str,
) -> Result<(), StoreError> {
    connection
        .prepare_cached(text)
        .and_then(|mut statement| statement.execute([]))
        .map(|_| ())
        .map_err(StoreError::sqlite(name))
}

/// What is wrong with the file.
pub(super) fn faults(connection: &Connection) -> Result<Vec<String>, StoreError> {
    let mut faults = Vec::new();
    each(
        connection,
        "PRAGMA integrity_check(20)",
        "integrity",
        &[],
        |row| {
            faults.push(row.get::<String>(0)?);
            Ok(ControlFlow::Continue(()))
        },
    )?;
    faults.retain(|fault| fault != "ok");
    each(
        connection,
        "PRAGMA foreign_key_check",
        "foreign keys",
        &[],
        |row| {
            let table: String = row.get(0)?;
            faults.push(format!("a row of {table} points nowhere"));
            Ok(ControlFlow::Continue(()))
        },
    )?;
    Ok(faults)
}

/// SQLite seeds its generator from the operating system.
pub(super) fn seed(connection: &Connection) -> Result<[u8; 32], StoreError> {
    connection
        .query_row("SELECT randomblob(32)", [], |row| row.get(0))
        .map_err(StoreError::sqlite("seed"))
}
