//! A database of PostgreSQL as one end of a move.

use super::tables::{Schema, Table};
use super::{Datum, Mark, MoveError, Progress, State};
use crate::engine::postgres::bulk::{Arg, Bulk, Columns};
use crate::engine::{Address, Kind, Value, postgres};
use crate::{OpenError, StoreError};
use std::sync::Arc;

/// A database that no server works on meanwhile.
#[derive(Debug, Clone)]
pub(super) struct Database {
    pub(super) address: Arc<Address>,
}

impl Database {
    /// Brings the schema up to date where an owner is named, and looks whether it is.
    pub(super) fn open(serves: &str, owner: Option<&str>) -> Result<Self, MoveError> {
        let address = Arc::new(Address::parse(serves)?);
        let owner = owner.map(Address::parse).transpose()?;
        postgres::migrate(&address, owner.as_ref())?;
        Ok(Self { address })
    }

    /// Connects. A server that is slow to answer now may be there in a moment, and a move takes its time anyway.
    pub(super) fn connect(&self) -> Result<Session, MoveError> {
        let mut tries = 0;
        loop {
            match Bulk::connect(&self.address) {
                Err(StoreError::Away { .. }) if tries < 4 => tries += 1,
                done => return Ok(Session(done?)),
            }
        }
    }

    /// Where it is, without a password.
    pub(super) fn shown(&self) -> String {
        self.address.shown()
    }
}

/// A connection that sees the rows of all tenants.
pub(super) struct Session(Bulk);

/// What one may see, and that the disk is waited for at the end only: how far each table is, is committed with its rows, so that both are
/// lost together.
const WRITES: &str = "BEGIN; SET LOCAL statement_timeout = '120s'; SET LOCAL ringback.operator = 'on'; SET LOCAL synchronous_commit = off";
const READS: &str = "BEGIN READ ONLY; SET LOCAL statement_timeout = '600s'; SET LOCAL ringback.operator = 'on'; SET LOCAL jit = off";
/// The lock under which nodes are given their numbers, so that none joins between the look and the mark.
const ALONE: &str = "BEGIN; SET LOCAL lock_timeout = '5s'; SET LOCAL ringback.operator = 'on'; SELECT pg_advisory_xact_lock(2)";
/// Nodes that fell silent are no nodes any more, also when they wake up; one in the middle of a turn is alive.
const SILENT: &str = "WITH late AS (
    SELECT t.node, t.epoch FROM node_turns AS t JOIN nodes AS n ON n.node = t.node AND n.epoch = t.epoch
    WHERE n.state = 0 AND n.lease_until < (extract(epoch FROM clock_timestamp()) * 1000000)::BIGINT
    FOR UPDATE OF t SKIP LOCKED
), over AS (
    UPDATE node_turns AS t SET over = 1 FROM late WHERE t.node = late.node AND t.epoch = late.epoch RETURNING t.node, t.epoch
)
UPDATE nodes AS n SET state = 1 FROM over WHERE n.node = over.node AND n.epoch = over.epoch";
/// The mark is made where no node is alive, and answers who is where one is.
const MARK: &str = "INSERT INTO moves (one, id, state, other, at) SELECT 1, $1, $2, $3, $4
WHERE NOT EXISTS (SELECT 1 FROM nodes WHERE state = 0)
ON CONFLICT (one) DO UPDATE SET id = excluded.id, state = excluded.state, other = excluded.other, at = excluded.at RETURNING one";
const ALIVE: &str =
    "SELECT coalesce(string_agg(node::TEXT, ', ' ORDER BY node), '') FROM nodes WHERE state = 0";
const COLUMNS: &str =
    "SELECT c.relname::TEXT, a.attname::TEXT, format_type(a.atttypid, NULL)::TEXT,
    coalesce(array_position(i.indkey::INT2[], a.attnum) + 1, 0)::BIGINT AS place
FROM pg_class AS c
JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
LEFT JOIN pg_index AS i ON i.indrelid = c.oid AND i.indisprimary
WHERE c.relnamespace = current_schema()::REGNAMESPACE AND c.relkind IN ('r', 'p')
ORDER BY c.relname::TEXT, place";

fn text(value: Value<'_>) -> String {
    match value {
        Value::Text(text) => text.to_owned(),
        _ => String::new(),
    }
}

fn number(value: Value<'_>) -> i64 {
    match value {
        Value::Int(n) => n,
        _ => 0,
    }
}

impl Session {
    pub(super) fn schema(&mut self) -> Result<Schema, MoveError> {
        let mut schema = Schema::new();
        for row in self.0.ask(READS, COLUMNS, &[])? {
            let table = text(postgres::value(&row, 0)?);
            let column = text(postgres::value(&row, 1)?);
            let kind = match postgres::value(&row, 2)? {
                Value::Text("text") => Kind::Text,
                Value::Text("bytea") => Kind::Bytes,
                _ => Kind::Int,
            };
            let found = schema.entry(table).or_default();
            if number(postgres::value(&row, 3)?) > 0 {
                found.key.push(column.clone());
            }
            found.columns.insert(column, kind);
        }
        Ok(schema)
    }

    pub(super) fn count(&mut self, table: &str) -> Result<u64, MoveError> {
        let sql = format!("SELECT count(*) FROM \"{table}\"");
        let rows = self.0.ask(READS, &sql, &[])?;
        let n = rows
            .first()
            .map(|row| postgres::value(row, 0))
            .transpose()?;
        Ok(n.map_or(0, |n| u64::try_from(number(n)).unwrap_or(0)))
    }

    pub(super) fn has_any(&mut self, table: &str) -> Result<bool, MoveError> {
        let sql = format!("SELECT 1 FROM \"{table}\" LIMIT 1");
        Ok(!self.0.ask(READS, &sql, &[])?.is_empty())
    }

    /// Hands over the rows of a piece.
    pub(super) fn piece(
        &mut self,
        table: &Table,
        key: &[usize],
        after: Option<&[Datum]>,
        most: usize,
        take: &mut dyn FnMut(&[Value<'_>]) -> Result<(), MoveError>,
    ) -> Result<(), MoveError> {
        let sql = table.piece(key, after.is_some(), most, '$');
        let values: Vec<Arg> = after.unwrap_or_default().iter().map(Datum::arg).collect();
        for row in self.0.ask(READS, &sql, &values)? {
            let values = (0..table.columns.len()).map(|at| postgres::value(&row, at));
            take(&values.collect::<Result<Vec<_>, StoreError>>()?)?;
        }
        Ok(())
    }

    /// Writes many rows of a table and says how far it is, in one transaction.
    pub(super) fn put(
        &mut self,
        table: &Table,
        rows: Columns,
        so_far: &Progress,
    ) -> Result<(), MoveError> {
        let kinds: Vec<String> = table
            .columns
            .iter()
            .enumerate()
            .map(|(n, (_, kind))| format!("${}::{}[]", n + 1, kind.name()))
            .collect();
        let insert = format!(
            "INSERT INTO \"{}\" ({}) SELECT * FROM unnest({})",
            table.name,
            table.all(),
            kinds.join(", ")
        );
        let progress = "INSERT INTO moved_tables (name, after, n, done) VALUES ($1, $2, $3, $4)
            ON CONFLICT (name) DO UPDATE SET after = excluded.after, n = excluded.n, done = excluded.done";
        let values = [
            Arg::Text(table.name.clone()),
            so_far.after_text().map_or(Arg::NoText, Arg::Text),
            Arg::Int(i64::try_from(so_far.rows).unwrap_or(i64::MAX)),
            Arg::Int(i64::from(so_far.done)),
        ];
        Ok(self.0.put(WRITES, &insert, rows, progress, &values)?)
    }

    pub(super) fn progress(&mut self, table: &str) -> Result<Progress, MoveError> {
        let sql = "SELECT after, n, done FROM moved_tables WHERE name = $1";
        let rows = self.0.ask(READS, sql, &[Arg::Text(table.to_owned())])?;
        let Some(row) = rows.first() else {
            return Ok(Progress::default());
        };
        let after = match postgres::value(row, 0)? {
            Value::Text(text) => Some(text),
            _ => None,
        };
        let n = number(postgres::value(row, 1)?);
        Progress::read(after, n, number(postgres::value(row, 2)?) == 1)
    }

    pub(super) fn mark(&mut self) -> Result<Option<Mark>, MoveError> {
        Ok(mark_of(&mut self.0)?)
    }

    /// Marks the house while no server works on it.
    pub(super) fn put_mark(&mut self, mark: &Mark) -> Result<(), MoveError> {
        let values = vec![
            Arg::Text(mark.id.clone()),
            Arg::Int(mark.state as i64),
            Arg::Text(mark.other.clone()),
            Arg::Int(mark.at),
        ];
        let mut steps = vec![(SILENT, Vec::new())];
        if mark.state == State::Arriving {
            steps.push(("DELETE FROM moved_tables", Vec::new()));
        }
        steps.extend([(MARK, values), (ALIVE, Vec::new())]);
        match nodes_of(&self.0.together(ALONE, &steps)?)? {
            Some(nodes) => Err(OpenError::Serves(nodes).into()),
            None => Ok(()),
        }
    }
}

fn nodes_of(replies: &[Vec<tokio_postgres::Row>]) -> Result<Option<String>, StoreError> {
    let alive = replies.last().and_then(|rows| rows.first());
    let alive = alive.map(|row| postgres::value(row, 0)).transpose()?;
    Ok(alive.map(text).filter(|nodes| !nodes.is_empty()))
}

/// Nodes that are alive; those that fell silent are none any more.
pub(super) fn alive(line: &mut Bulk) -> Result<Option<String>, StoreError> {
    nodes_of(&line.together(ALONE, &[(SILENT, Vec::new()), (ALIVE, Vec::new())])?)
}

/// What a database says of a move of its house.
pub(super) fn mark_of(line: &mut Bulk) -> Result<Option<Mark>, StoreError> {
    let sql = "SELECT id, state, other, at FROM moves WHERE one = 1";
    let rows = line.ask(READS, sql, &[])?;
    let Some(row) = rows.first() else {
        return Ok(None);
    };
    Ok(Some(Mark {
        id: text(postgres::value(row, 0)?),
        state: State::from_code(number(postgres::value(row, 1)?)),
        other: text(postgres::value(row, 2)?),
        at: number(postgres::value(row, 3)?),
    }))
}
