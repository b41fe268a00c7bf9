//! The database, whichever it is: everything that is asked or changed goes through here, by named statements.

pub(crate) mod postgres;
mod sqlite;
mod value;

use crate::StoreError;
use crate::sql::Statement;
use rusqlite::Connection;
use std::ops::ControlFlow;

pub(crate) use postgres::{Address, Gathered, Postgres};
pub(crate) use value::{FromValue, Kept, Kind, Row, ToValue, Value, Values, params};

/// A connection to the database.
#[derive(Debug)]
#[doc(hidden)]
pub enum Engine {
    /// A file of SQLite.
    Sqlite(Connection),
    /// A connection to PostgreSQL.
    Postgres(Box<Postgres>),
}

impl Engine {
    /// Hands over each row that a statement finds, until no more are wanted.
    pub(crate) fn each(
        &self,
        statement: &Statement,
        values: Values<'_>,
        take: impl FnMut(&Row<'_>) -> Result<ControlFlow<()>, StoreError>,
    ) -> Result<(), StoreError> {
        match self {
            Self::Sqlite(connection) => {
                sqlite::each(connection, statement.sqlite, statement.name, values, take)
            }
            Self::Postgres(postgres) => postgres.each(statement, values, take),
        }
    }

    /// Every row that a statement finds.
    pub(crate) fn all<T>(
        &self,
        statement: &Statement,
        values: Values<'_>,
        map: impl Fn(&Row<'_>) -> Result<T, StoreError>,
    ) -> Result<Vec<T>, StoreError> {
        let mut out = Vec::new();
        self.each(statement, values, |row| {
            out.push(map(row)?);
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(out)
    }

    /// The first row that a statement finds.
    pub(crate) fn one<T>(
        &self,
        statement: &Statement,
        values: Values<'_>,
        map: impl FnOnce(&Row<'_>) -> Result<T, StoreError>,
    ) -> Result<Option<T>, StoreError> {
        let (mut out, mut map) = (None, Some(map));
        self.each(statement, values, |row| {
            if let Some(map) = map.take() {
                out = Some(map(row)?);
            }
            Ok(ControlFlow::Break(()))
        })?;
        Ok(out)
    }

    /// The first column of the first row that a statement finds.
    pub(crate) fn value<T: FromValue>(
        &self,
        statement: &Statement,
        values: Values<'_>,
    ) -> Result<Option<T>, StoreError> {
        self.one(statement, values, |row| row.get(0))
    }

    /// Whether a statement finds anything.
    pub(crate) fn exists(
        &self,
        statement: &Statement,
        values: Values<'_>,
    ) -> Result<bool, StoreError> {
        self.one(statement, values, |_| Ok(()))
            .map(|found| found.is_some())
    }

    /// Every row that a text finds which was put together for one question. Its values are written `$1`, `$2`, ….
    pub(crate) fn all_of_text<T>(
        &self,
        text: &str,
        name: &'static str,
        values: Values<'_>,
        map: impl Fn(&Row<'_>) -> Result<T, StoreError>,
    ) -> Result<Vec<T>, StoreError> {
        let mut out = Vec::new();
        let take = |row: &Row<'_>| {
            out.push(map(row)?);
            Ok(ControlFlow::Continue(()))
        };
        match self {
            Self::Sqlite(connection) => {
                sqlite::each(connection, &text.replace('$', "?"), name, values, take)?;
            }
            Self::Postgres(postgres) => postgres.each_of_text(text, name, values, take)?,
        }
        Ok(out)
    }

    /// Changes something and answers how many rows.
    pub(crate) fn count(
        &self,
        statement: &Statement,
        values: Values<'_>,
    ) -> Result<usize, StoreError> {
        match self {
            Self::Sqlite(connection) => sqlite::run(connection, statement, values),
            Self::Postgres(postgres) => postgres.count(statement, values),
        }
    }

    /// Changes something; nobody asks how many rows. It is done when something is read, and with the commit at the latest.
    pub(crate) fn run(&self, statement: &Statement, values: Values<'_>) -> Result<(), StoreError> {
        match self {
            Self::Sqlite(connection) => sqlite::run(connection, statement, values).map(|_| ()),
            Self::Postgres(postgres) => postgres.queue(statement, values),
        }
    }

    /// Makes the same change many times, and answers for each how many rows it changed.
    pub(crate) fn count_each(
        &self,
        statement: &Statement,
        rows: &[Values<'_>],
    ) -> Result<Vec<usize>, StoreError> {
        match self {
            Self::Sqlite(connection) => rows
                .iter()
                .map(|values| sqlite::run(connection, statement, values))
                .collect(),
            Self::Postgres(postgres) => postgres.count_each(statement, rows),
        }
    }

    /// The word that compares with a pattern whatever the case of the letters.
    pub(crate) const fn like(&self) -> &'static str {
        match self {
            Self::Sqlite(_) => "LIKE",
            Self::Postgres(_) => "ILIKE",
        }
    }

    /// True where other nodes may change the same database.
    pub(crate) const fn is_shared(&self) -> bool {
        matches!(self, Self::Postgres(_))
    }

    /// PostgreSQL, when it is that.
    pub(crate) fn as_postgres(&self) -> Option<&Postgres> {
        match self {
            Self::Sqlite(_) => None,
            Self::Postgres(postgres) => Some(postgres),
        }
    }

    /// Begins a transaction that changes something.
    pub(crate) fn begin(&self) -> Result<(), StoreError> {
        match self {
            Self::Sqlite(connection) => sqlite::plain(connection, "BEGIN IMMEDIATE", "begin"),
            Self::Postgres(postgres) => postgres.begin(),
        }
    }

    /// Makes it lasting.
    pub(crate) fn commit(&self) -> Result<(), StoreError> {
        match self {
            Self::Sqlite(connection) => sqlite::plain(connection, "COMMIT", "commit"),
            Self::Postgres(postgres) => postgres.commit(),
        }
    }

    /// Takes back what was begun, if something was.
    pub(crate) fn roll_back(&self) {
        match self {
            Self::Sqlite(connection) => {
                if !connection.is_autocommit()
                    && let Err(error) = connection.execute_batch("ROLLBACK")
                {
                    tracing::error!(%error, "a transaction could not be taken back");
                }
            }
            Self::Postgres(postgres) => postgres.roll_back(),
        }
    }

    /// Begins to read as of one instant.
    pub(crate) fn begin_to_read(&self) -> Result<(), StoreError> {
        match self {
            Self::Sqlite(connection) => sqlite::plain(connection, "BEGIN", "begin to read"),
            Self::Postgres(postgres) => postgres.begin_to_read(),
        }
    }

    /// Thirty-two bytes that nobody can guess.
    pub(crate) fn seed(&self) -> Result<[u8; 32], StoreError> {
        match self {
            Self::Sqlite(connection) => sqlite::seed(connection),
            Self::Postgres(_) => postgres::seed(),
        }
    }

    /// What is wrong with the database itself; nothing when it is whole. Reads all of it.
    pub(crate) fn faults(&self) -> Result<Vec<String>, StoreError> {
        match self {
            Self::Sqlite(connection) => sqlite::faults(connection),
            // Its own tools look after its files.
            Self::Postgres(_) => Ok(Vec::new()),
        }
    }

    /// The connection, where a test or a tool looks at SQLite itself.
    #[cfg(test)]
    pub(crate) fn as_sqlite(&self) -> &Connection {
        match self {
            Self::Sqlite(connection) => connection,
            Self::Postgres(_) => panic!("not SQLite"),
        }
    }
}
