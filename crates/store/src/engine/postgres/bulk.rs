//! Whole tables over one connection: what a move reads and writes, in statements that are put together from the schema.

use super::line::{Key, Line, Reply, Step};
use super::value::{Column, Param};
use super::{Address, said};
use crate::StoreError;
use crate::engine::{Kind, Value};
use std::borrow::Cow;
use std::time::Duration;
use tokio_postgres::Row;

/// Counting a large table takes its time; PostgreSQL itself ends what takes longer.
const LONGEST: Duration = Duration::from_secs(700);

/// A value of a statement.
#[derive(Debug)]
pub(crate) enum Arg {
    /// A number.
    Int(i64),
    /// Text.
    Text(String),
    /// Bytes.
    Bytes(Vec<u8>),
    /// No text.
    NoText,
}

impl Arg {
    fn param(&self) -> Param {
        match self {
            Self::Int(n) => Param::Int(*n),
            Self::Text(text) => Param::Text(text.clone()),
            Self::Bytes(bytes) => Param::Bytes(bytes.clone()),
            Self::NoText => Param::Null(Kind::Text),
        }
    }
}

/// Many rows, column by column.
#[derive(Debug)]
pub(crate) struct Columns {
    columns: Vec<Column>,
    rows: usize,
}

impl Columns {
    /// No rows yet.
    pub(crate) fn new(kinds: impl Iterator<Item = Kind>) -> Self {
        Self {
            columns: kinds.map(Column::new).collect(),
            rows: 0,
        }
    }

    /// One more.
    pub(crate) fn push(&mut self, row: &[Value<'_>]) -> Result<(), StoreError> {
        for (column, value) in self.columns.iter_mut().zip(row) {
            column
                .push(*value)
                .map_err(|source| StoreError::Failed { at: "move", source })?;
        }
        self.rows += 1;
        Ok(())
    }
}

/// A connection for whole tables.
pub(crate) struct Bulk(Line);

fn plain(text: &'static str) -> Step {
    Step::Plain(Cow::Borrowed(text))
}

fn asked(text: &str, params: Vec<Param>) -> Step {
    Step::Ask {
        name: "move",
        key: Key::Text,
        text: Cow::Owned(text.to_owned()),
        params,
    }
}

impl Bulk {
    pub(crate) fn connect(address: &Address) -> Result<Self, StoreError> {
        Ok(Self(Line::connect(address)?))
    }

    fn run(&mut self, steps: &[Step]) -> Result<Vec<Reply>, StoreError> {
        self.0
            .exchange_within(steps, LONGEST)
            .map_err(|trouble| said(trouble, steps, true).0)
    }

    /// One question in a transaction of its own.
    pub(crate) fn ask(
        &mut self,
        begin: &'static str,
        text: &str,
        values: &[Arg],
    ) -> Result<Vec<Row>, StoreError> {
        let values = values.iter().map(Arg::param).collect();
        let steps = [plain(begin), asked(text, values), plain("COMMIT")];
        let mut replies = self.run(&steps)?;
        Ok(replies.drain(..).nth(1).unwrap_or_default().rows)
    }

    /// Several statements in one transaction; what each found.
    pub(crate) fn together(
        &mut self,
        begin: &'static str,
        statements: &[(&'static str, Vec<Arg>)],
    ) -> Result<Vec<Vec<Row>>, StoreError> {
        let mut steps = vec![plain(begin)];
        steps.extend(statements.iter().map(|(text, values)| {
            let values = values.iter().map(Arg::param).collect();
            asked(text, values)
        }));
        steps.push(plain("COMMIT"));
        let replies = self.run(&steps)?;
        let found = replies.into_iter().skip(1).take(statements.len());
        Ok(found.map(|reply| reply.rows).collect())
    }

    /// Many rows in one statement, and one more statement, in one transaction.
    pub(crate) fn put(
        &mut self,
        begin: &'static str,
        insert: &str,
        rows: Columns,
        then: &str,
        values: &[Arg],
    ) -> Result<(), StoreError> {
        let mut steps = vec![plain(begin)];
        if rows.rows > 0 {
            let columns = rows.columns.into_iter().map(Param::Many).collect();
            steps.push(asked(insert, columns));
        }
        steps.push(asked(then, values.iter().map(Arg::param).collect()));
        steps.push(plain("COMMIT"));
        self.run(&steps).map(|_| ())
    }
}
