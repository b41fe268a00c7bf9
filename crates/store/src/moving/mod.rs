//! Moving house: everything that a house knows goes from SQLite to PostgreSQL or back (O6).
//!
//! Both ends are marked first, so that no server opens either of them before the move is over, and the mark names the move: what was
//! interrupted goes on where it stopped, and nothing else can come in between. Tables are read from the schemas of both ends; each goes over in
//! pieces, in the order of its primary key, and every piece says in its own commit how far the table has come. At the end both ends are read whole
//! and compared, table by table, by the number of rows and a hash over the canonical text of each. Only then may the new one be opened.
//! See `docs/decisions/0040-moving-house.md`.

mod digest;
mod postgres;
mod sqlite;
mod tables;

use crate::engine::postgres::bulk::{Arg, Bulk, Columns};
use crate::engine::{Engine, Postgres, Value};
use crate::sql::house;
use crate::{OpenError, Readers, StoreError, Writer};
use digest::Digest;
use ringback_core::time::{Timestamp, micros};
use rusqlite::Connection;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tables::{Schema, Table, agree};

pub use tables::STAY;

/// One end of a move.
#[derive(Clone)]
pub enum End {
    /// A data folder with its file of SQLite.
    Folder(PathBuf),
    /// A database of PostgreSQL.
    Database {
        /// `postgres://…` of the role that serves.
        serves: String,
        /// `postgres://…` of the role that owns the schema, which is brought up to date first.
        owner: Option<String>,
    },
}

impl std::fmt::Debug for End {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Folder(path) => f.debug_tuple("Folder").field(path).finish(),
            Self::Database { .. } => f.write_str("Database"),
        }
    }
}

/// Why a house did not move. What has arrived stays there; the same move goes on with it.
#[derive(Debug, thiserror::Error)]
pub enum MoveError {
    /// An end cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// An end failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Both ends are of one kind.
    #[error(
        "a house moves between SQLite and PostgreSQL; from SQLite to SQLite goes `ringback backup` with `restore`, from PostgreSQL to PostgreSQL `pg_dump` with `pg_restore`"
    )]
    OneKind,
    /// There is nothing that could move.
    #[error("there is no house in {0}: nothing can move out of it")]
    NoHouse(String),
    /// The target has something already.
    #[error(
        "{place} is not empty: its table {table} has rows, and nothing is written over. Name an empty database, or a folder without one"
    )]
    Occupied {
        /// Where.
        place: String,
        /// The first table with rows.
        table: String,
    },
    /// The target holds a part of another house.
    #[error(
        "in {0} another move was interrupted, of another house. Finish that one, or make the target empty again"
    )]
    OtherMove(String),
    /// The source went elsewhere.
    #[error(
        "this house has moved to {0} already. To take it up again here, knowing nothing of what happened there: --give-up"
    )]
    Gone(String),
    /// The source is itself the target of a move that is not over.
    #[error("this house has not arrived whole here: finish the move that brings it, from {0}")]
    Arriving(String),
    /// Nothing is to be given up.
    #[error("this house is not on its way anywhere, and has not left")]
    NotMoving,
    /// The two schemas differ.
    #[error("the schemas of the two ends differ: {0}")]
    Schemas(String),
    /// A value of another kind than its column.
    #[error(
        "a row of {table} has a value in {column} that is not of the column's kind, or that PostgreSQL cannot hold (a zero byte in a text)"
    )]
    Value {
        /// Table.
        table: String,
        /// Column.
        column: String,
    },
    /// A row points at one that is not there.
    #[error("a row of {0} points at one that is not there: the house that was left is damaged")]
    Dangles(String),
    /// What arrived is not what left.
    #[error(
        "{table} is not the same at both ends ({from} rows there, {to} here): nothing was opened, the house that was left is as it was. Please report this"
    )]
    Different {
        /// The table.
        table: String,
        /// Rows at the end that is left.
        from: u64,
        /// Rows at the other.
        to: u64,
    },
    /// A row of how far the move is cannot be read.
    #[error("it cannot be read how far the move is")]
    Progress,
}

/// Where a house stands in a move.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    /// Not all of it is here yet.
    Arriving = 0,
    /// It came from elsewhere, whole.
    Arrived = 1,
    /// It is on its way elsewhere.
    Leaving = 2,
    /// It is elsewhere.
    Left = 3,
}

impl State {
    fn from_code(code: i64) -> Self {
        match code {
            1 => Self::Arrived,
            2 => Self::Leaving,
            3 => Self::Left,
            _ => Self::Arriving,
        }
    }
}

/// What an end says of a move.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mark {
    id: String,
    state: State,
    /// The other end, without a password.
    other: String,
    at: i64,
}

impl Mark {
    /// Why a server must not open this house; nothing where it may.
    pub(crate) fn keeps_out(self) -> Option<OpenError> {
        match self.state {
            State::Arrived => None,
            State::Arriving => Some(OpenError::Arriving(self.other)),
            State::Leaving => Some(OpenError::Leaving(self.other)),
            State::Left => Some(OpenError::Left(self.other)),
        }
    }
}

/// Keeps a server out of a file that is in the middle of a move.
pub(crate) fn keep_out_of_file(connection: &Connection) -> Result<(), OpenError> {
    let kept = sqlite::mark_of(connection)?.and_then(Mark::keeps_out);
    kept.map_or(Ok(()), Err)
}

/// Keeps a server out of a database that is in the middle of a move.
pub(crate) fn keep_out_of_database(address: &crate::engine::Address) -> Result<(), OpenError> {
    let mark = postgres::mark_of(&mut Bulk::connect(address)?)?;
    mark.and_then(Mark::keeps_out).map_or(Ok(()), Err)
}

/// Nodes that work on a database of PostgreSQL. Those that fell silent are none any more, also when they wake up.
pub(crate) fn alive(address: &crate::engine::Address) -> Result<Option<String>, OpenError> {
    Ok(postgres::alive(&mut Bulk::connect(address)?)?)
}

/// A value that is kept: of the key of the last row that arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Datum {
    Null,
    Int(i64),
    Text(String),
    Bytes(Vec<u8>),
}

impl Datum {
    fn of(value: Value<'_>) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Int(n) => Self::Int(n),
            Value::Text(text) => Self::Text(text.to_owned()),
            Value::Bytes(bytes) => Self::Bytes(bytes.to_vec()),
        }
    }

    fn value(&self) -> Value<'_> {
        match self {
            Self::Null => Value::Null,
            Self::Int(n) => Value::Int(*n),
            Self::Text(text) => Value::Text(text),
            Self::Bytes(bytes) => Value::Bytes(bytes),
        }
    }

    fn arg(&self) -> Arg {
        match self {
            // A primary key has no empty part.
            Self::Null => Arg::NoText,
            Self::Int(n) => Arg::Int(*n),
            Self::Text(text) => Arg::Text(text.clone()),
            Self::Bytes(bytes) => Arg::Bytes(bytes.clone()),
        }
    }

    fn json(&self) -> serde_json::Value {
        match self {
            Self::Null => serde_json::Value::Null,
            Self::Int(n) => (*n).into(),
            Self::Text(text) => text.as_str().into(),
            Self::Bytes(bytes) => serde_json::json!({ "bytes": bytes }),
        }
    }

    fn of_json(value: &serde_json::Value) -> Option<Self> {
        match value {
            serde_json::Value::Null => Some(Self::Null),
            serde_json::Value::Number(n) => n.as_i64().map(Self::Int),
            serde_json::Value::String(text) => Some(Self::Text(text.clone())),
            serde_json::Value::Object(map) => {
                let bytes = map.get("bytes")?.as_array()?.iter();
                let bytes = bytes.map(|one| one.as_u64().and_then(|one| u8::try_from(one).ok()));
                bytes.collect::<Option<_>>().map(Self::Bytes)
            }
            _ => None,
        }
    }
}

/// How far a table is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Progress {
    /// The key of the last row that arrived.
    after: Option<Vec<Datum>>,
    rows: u64,
    done: bool,
}

impl Progress {
    fn after_text(&self) -> Option<String> {
        let key = self.after.as_ref()?;
        let parts: Vec<serde_json::Value> = key.iter().map(Datum::json).collect();
        Some(serde_json::Value::Array(parts).to_string())
    }

    fn read(after: Option<&str>, rows: i64, done: bool) -> Result<Self, MoveError> {
        let key = |text: &str| {
            let parts: Vec<serde_json::Value> = serde_json::from_str(text).ok()?;
            parts.iter().map(Datum::of_json).collect::<Option<Vec<_>>>()
        };
        let after = after
            .map(|text| key(text).ok_or(MoveError::Progress))
            .transpose()?;
        Ok(Self {
            after,
            rows: u64::try_from(rows).unwrap_or(0),
            done,
        })
    }
}

/// An end that was opened.
#[derive(Debug)]
enum Opened {
    Folder(sqlite::Folder),
    Database(postgres::Database),
}

enum Line {
    File(sqlite::File),
    Session(Box<postgres::Session>),
}

type Take<'a> = &'a mut dyn FnMut(&[Value<'_>]) -> Result<(), MoveError>;

impl Opened {
    fn connect(&self) -> Result<Line, MoveError> {
        Ok(match self {
            Self::Folder(folder) => Line::File(folder.connect()?),
            Self::Database(database) => Line::Session(Box::new(database.connect()?)),
        })
    }

    fn shown(&self) -> String {
        match self {
            Self::Folder(folder) => format!("sqlite:{}", folder.path.display()),
            Self::Database(database) => database.shown(),
        }
    }

    /// How many may write there side by side.
    const fn writers(&self) -> usize {
        match self {
            Self::Folder(_) => 1,
            Self::Database(_) => 4,
        }
    }
}

impl Line {
    fn schema(&mut self) -> Result<Schema, MoveError> {
        match self {
            Self::File(file) => file.schema(),
            Self::Session(session) => session.schema(),
        }
    }

    fn mark(&mut self) -> Result<Option<Mark>, MoveError> {
        match self {
            Self::File(file) => file.mark(),
            Self::Session(session) => session.mark(),
        }
    }

    fn put_mark(&mut self, mark: &Mark) -> Result<(), MoveError> {
        match self {
            Self::File(file) => file.put_mark(mark),
            Self::Session(session) => session.put_mark(mark),
        }
    }

    fn has_any(&mut self, table: &str) -> Result<bool, MoveError> {
        match self {
            Self::File(file) => file.has_any(table),
            Self::Session(session) => session.has_any(table),
        }
    }

    fn count(&mut self, table: &str) -> Result<u64, MoveError> {
        match self {
            Self::File(file) => file.count(table),
            Self::Session(session) => session.count(table),
        }
    }

    fn progress(&mut self, table: &str) -> Result<Progress, MoveError> {
        match self {
            Self::File(file) => file.progress(table),
            Self::Session(session) => session.progress(table),
        }
    }

    fn piece(
        &mut self,
        table: &Table,
        key: &[usize],
        after: Option<&[Datum]>,
        most: usize,
        take: Take<'_>,
    ) -> Result<(), MoveError> {
        match self {
            Self::File(file) => file.piece(table, key, after, most, take),
            Self::Session(session) => session.piece(table, key, after, most, take),
        }
    }
}

/// How many rows make a piece: so many that it is about four megabytes, whatever the rows are like.
#[derive(Debug)]
struct Size(usize);

impl Size {
    const BYTES: usize = 4 << 20;
    const MOST: usize = 8_000;

    fn after(&mut self, rows: usize, bytes: usize) {
        let each = (bytes / rows.max(1)).max(1);
        self.0 = (Self::BYTES / each).clamp(16, Self::MOST).min(self.0 * 4);
    }
}

fn weight(value: &Value<'_>) -> usize {
    match value {
        Value::Null | Value::Int(_) => 8,
        Value::Text(text) => text.len() + 8,
        Value::Bytes(bytes) => bytes.len() + 8,
    }
}

/// A table that was found the same at both ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// Its name.
    pub table: String,
    /// Its rows.
    pub rows: u64,
    /// The sum of the hashes of their canonical texts, in hexadecimal.
    pub hash: String,
}

/// What a move says while it goes on: a table, how many of its rows have arrived, and whether that was all.
pub type Tell<'a> = &'a (dyn Fn(&str, u64, bool) + Sync);

/// A move under way. Both ends are this process's alone.
#[derive(Debug)]
pub struct Move {
    id: String,
    from: Opened,
    to: Opened,
    tables: Vec<Table>,
    resumed: bool,
    /// All of it was moved and opened before: only the house that was left has to hear of it.
    done: bool,
}

impl Move {
    /// Takes both ends, looks whether the house may move, and marks both.
    pub fn begin(from: &End, to: &End, now: Timestamp) -> Result<Self, MoveError> {
        if matches!(
            (from, to),
            (End::Folder(_), End::Folder(_)) | (End::Database { .. }, End::Database { .. })
        ) {
            return Err(MoveError::OneKind);
        }
        let source = match from {
            End::Folder(path) => Opened::Folder(sqlite::Folder::found(path)?),
            End::Database { .. } => open_database(from)?,
        };
        let target = match to {
            End::Folder(path) => Opened::Folder(sqlite::Folder::made(path)?),
            End::Database { .. } => open_database(to)?,
        };
        let (mut there, mut here) = (source.connect()?, target.connect()?);
        let tables = agree(&there.schema()?, &here.schema()?)?;
        let (left, arrived) = (there.mark()?, here.mark()?);
        let under_way = match &left {
            Some(mark) if mark.state == State::Arriving => {
                return Err(MoveError::Arriving(mark.other.clone()));
            }
            Some(mark) if mark.state != State::Arrived => Some(mark),
            _ => None,
        };
        let ours = |mark: &Mark| under_way.is_some_and(|one| one.id == mark.id);
        let resumed = match &arrived {
            Some(mark) if ours(mark) => true,
            Some(mark) if mark.state == State::Arriving => {
                return Err(MoveError::OtherMove(target.shown()));
            }
            _ => false,
        };
        let done = resumed && arrived.as_ref().map(|mark| mark.state) == Some(State::Arrived);
        if !resumed {
            if let Some(mark) = under_way
                && mark.state == State::Left
            {
                return Err(MoveError::Gone(mark.other.clone()));
            }
            if let Some(mark) = arrived.filter(|mark| mark.state != State::Arrived) {
                return Err(MoveError::Gone(mark.other));
            }
            for table in &tables {
                if here.has_any(&table.name)? {
                    return Err(MoveError::Occupied {
                        place: target.shown(),
                        table: table.name.clone(),
                    });
                }
            }
        }
        let id = match under_way {
            Some(mark) => mark.id.clone(),
            None => new_id()?,
        };
        let mark = |state, other: &Opened| Mark {
            id: id.clone(),
            state,
            other: other.shown(),
            at: micros(now),
        };
        if !done {
            // The house that is left first: from now on it does not change.
            there.put_mark(&mark(State::Leaving, &target))?;
            if !resumed {
                here.put_mark(&mark(State::Arriving, &source))?;
            }
        }
        drop((there, here));
        Ok(Self {
            id,
            from: source,
            to: target,
            tables,
            resumed,
            done,
        })
    }

    /// Whether it goes on with what was interrupted.
    pub const fn resumed(&self) -> bool {
        self.resumed
    }

    /// Whether all was moved and opened before.
    pub const fn done(&self) -> bool {
        self.done
    }

    /// The end that is left, without a password.
    pub fn left(&self) -> String {
        self.from.shown()
    }

    /// The other end, without a password.
    pub fn goes_to(&self) -> String {
        self.to.shown()
    }

    /// Reads the house that is left.
    pub fn reader(&self) -> Result<Readers, MoveError> {
        match &self.from {
            Opened::Folder(folder) => Ok(crate::look(&folder.path)?),
            Opened::Database(database) => {
                let address = Arc::clone(&database.address);
                let engine = || Engine::Postgres(Box::new(Postgres::new(Arc::clone(&address))));
                Ok(Readers::new(1, || Ok(engine())).map_err(OpenError::from)?)
            }
        }
    }

    /// Brings over what has not arrived yet.
    pub fn copy(&self, tell: Tell<'_>) -> Result<(), MoveError> {
        // Others point at tenants.
        let (tenants, rest) = self.tables.split_at(1.min(self.tables.len()));
        let connect = || Ok((self.from.connect()?, self.to.connect()?));
        let copy = |(from, to): &mut (Line, Line), table: &Table| copy_table(from, to, table, tell);
        side_by_side(tenants, 1, connect, copy)?;
        side_by_side(rest, self.to.writers(), connect, copy)?;
        if let Line::File(file) = self.to.connect()?
            && let Some(table) = file.dangles()?
        {
            return Err(MoveError::Dangles(table));
        }
        Ok(())
    }

    /// Reads both ends whole and compares them. Answers every table, and the highest id that was ever given.
    pub fn verify(&self, tell: Tell<'_>) -> Result<(Vec<Verified>, i64), MoveError> {
        let work: Vec<(&Table, bool)> = self
            .tables
            .iter()
            .flat_map(|table| [(table, true), (table, false)])
            .collect();
        let found: Mutex<Vec<(String, bool, Digest)>> = Mutex::default();
        let connect = || Ok((self.from.connect()?, self.to.connect()?));
        side_by_side(&work, 4, connect, |(from, to), (table, left)| {
            let digest = if *left {
                digest_of(from, table, &table.from_key)?
            } else {
                digest_of(to, table, &table.to_key)?
            };
            if *left {
                tell(&table.name, digest.rows, true);
            }
            let mut found = found.lock().unwrap_or_else(PoisonError::into_inner);
            found.push((table.name.clone(), *left, digest));
            Ok(())
        })?;
        let found = found.into_inner().unwrap_or_else(PoisonError::into_inner);
        let (mut all, mut last_id) = (Vec::new(), 0);
        for table in &self.tables {
            let of = |side: bool| {
                let one = found
                    .iter()
                    .find(|(name, left, _)| *name == table.name && *left == side);
                one.map(|(.., digest)| digest.clone()).unwrap_or_default()
            };
            let (left, here) = (of(true), of(false));
            if (left.rows, left.hash()) != (here.rows, here.hash()) {
                return Err(MoveError::Different {
                    table: table.name.clone(),
                    from: left.rows,
                    to: here.rows,
                });
            }
            last_id = last_id.max(left.last_id);
            all.push(Verified {
                table: table.name.clone(),
                rows: left.rows,
                hash: left.hash(),
            });
        }
        Ok((all, last_id))
    }

    /// What changes the new house, for what has to be written before anybody opens it. Begin and commit are the caller's, and
    /// [`Self::arrive`] belongs into the same commit.
    pub fn writer(&mut self) -> Result<Writer, MoveError> {
        Ok(match &mut self.to {
            Opened::Folder(folder) => {
                let connection = Connection::open(folder.path.join(crate::backup::DATABASE))
                    .map_err(OpenError::from)?;
                crate::open::settle_in(&connection, true).map_err(OpenError::from)?;
                Writer::new(Engine::Sqlite(connection), folder.lock.take())?
            }
            Opened::Database(database) => {
                let engine = Postgres::new(Arc::clone(&database.address));
                Writer::new(Engine::Postgres(Box::new(engine)), None)?
            }
        })
    }

    /// All of it is here: within the commit of `writer`.
    pub fn arrive(&self, writer: &Writer, last_id: i64, now: Timestamp) -> Result<(), MoveError> {
        use crate::engine::params;
        // A second more, as the makers of ids have it: what lies there was given and is not in the store any more.
        let ids = ringback_core::ids::given_ms(last_id) + 1_000;
        writer.count(&house::ARRIVED_IDS, params![ids])?;
        let arrived = writer.count(&house::ARRIVED, params![self.id, micros(now)])?;
        if arrived == 0 {
            return Err(MoveError::Progress);
        }
        Ok(())
    }

    /// The house that was left hears that it is elsewhere now.
    pub fn leave(self, now: Timestamp) -> Result<(), MoveError> {
        if let Line::File(file) = self.to.connect()? {
            file.settle()?;
            drop(file.into_inner());
        }
        self.from.connect()?.put_mark(&Mark {
            id: self.id,
            state: State::Left,
            other: self.to.shown(),
            at: micros(now),
        })
    }
}

impl Table {
    fn wrong(&self, at: usize) -> MoveError {
        MoveError::Value {
            table: self.name.clone(),
            column: self
                .columns
                .get(at)
                .map(|(name, _)| name.clone())
                .unwrap_or_default(),
        }
    }
}

/// A house that was to move, or has moved, is taken up again where it was. Answers where it was to go.
pub fn give_up(from: &End, now: Timestamp) -> Result<String, MoveError> {
    let source = match from {
        End::Folder(path) => Opened::Folder(sqlite::Folder::found(path)?),
        End::Database { .. } => open_database(from)?,
    };
    let mut there = source.connect()?;
    match there.mark()? {
        Some(mark) if matches!(mark.state, State::Leaving | State::Left) => {
            there.put_mark(&Mark {
                id: mark.id,
                state: State::Arrived,
                other: mark.other.clone(),
                at: micros(now),
            })?;
            Ok(mark.other)
        }
        Some(mark) if mark.state == State::Arriving => Err(MoveError::Arriving(mark.other)),
        _ => Err(MoveError::NotMoving),
    }
}

fn open_database(end: &End) -> Result<Opened, MoveError> {
    match end {
        End::Folder(_) => Err(MoveError::OneKind),
        End::Database { serves, owner } => Ok(Opened::Database(postgres::Database::open(
            serves,
            owner.as_deref(),
        )?)),
    }
}

/// A name for a move that no other has.
fn new_id() -> Result<String, MoveError> {
    use std::fmt::Write as _;
    let seed = crate::engine::postgres::seed()?;
    Ok(seed[..8].iter().fold(String::new(), |mut out, byte| {
        // Writing into a String cannot fail.
        let _ = write!(out, "{byte:02x}");
        out
    }))
}

fn key_of(row: &[Value<'_>], key: &[usize]) -> Vec<Datum> {
    key.iter()
        .filter_map(|at| row.get(*at).copied())
        .map(Datum::of)
        .collect()
}

/// Brings over what has not arrived yet of a table, piece by piece.
fn copy_table(
    from: &mut Line,
    to: &mut Line,
    table: &Table,
    tell: Tell<'_>,
) -> Result<(), MoveError> {
    let mut so_far = to.progress(&table.name)?;
    let mut size = Size(500);
    while !so_far.done {
        let (most, mut rows, mut bytes) = (size.0, 0, 0);
        let mut last: Option<Vec<Datum>> = None;
        let mut columns = Columns::new(table.columns.iter().map(|(_, kind)| *kind));
        if let Line::File(file) = to {
            file.begin()?;
        }
        from.piece(
            table,
            &table.from_key,
            so_far.after.as_deref(),
            most,
            &mut |row| {
                rows += 1;
                bytes += row.iter().map(weight).sum::<usize>();
                if rows == most {
                    last = Some(key_of(row, &table.from_key));
                }
                match to {
                    Line::File(file) => file.put(table, row),
                    Line::Session(_) => {
                        let holds = |value: &Value<'_>| matches!(value, Value::Text(text) if text.contains('\0'));
                        if let Some(at) = row.iter().position(holds) {
                            return Err(table.wrong(at));
                        }
                        Ok(columns.push(row)?)
                    }
                }
            },
        )?;
        so_far.rows += rows as u64;
        so_far.done = rows < most;
        so_far.after = last.or(so_far.after);
        match to {
            Line::File(file) => file.end(table, &so_far)?,
            Line::Session(session) => session.put(table, columns, &so_far)?,
        }
        size.after(rows, bytes);
        tell(&table.name, so_far.rows, so_far.done);
    }
    Ok(())
}

/// A table of one end, read whole in the order of its key. How many rows there are is asked apart, so that a row which that order misses is
/// found to be missing.
fn digest_of(line: &mut Line, table: &Table, key: &[usize]) -> Result<Digest, MoveError> {
    let (mut digest, mut after) = (Digest::default(), None);
    let mut size = Size(500);
    loop {
        let (most, mut rows, mut bytes) = (size.0, 0, 0);
        let mut last = None;
        line.piece(table, key, after.as_deref(), most, &mut |row| {
            rows += 1;
            bytes += row.iter().map(weight).sum::<usize>();
            if rows == most {
                last = Some(key_of(row, key));
            }
            digest.add(table, row);
            Ok(())
        })?;
        if rows < most {
            break;
        }
        after = last;
        size.after(rows, bytes);
    }
    let counted = line.count(&table.name)?;
    if counted != digest.rows {
        return Err(MoveError::Different {
            table: table.name.clone(),
            from: digest.rows,
            to: counted,
        });
    }
    Ok(digest)
}

/// Does a thing with each, so many at a time, over connections that each has for itself; the first that fails is told of, and nothing new is
/// begun after it.
fn side_by_side<T: Sync, C>(
    all: &[T],
    at_once: usize,
    connect: impl Fn() -> Result<C, MoveError> + Sync,
    work: impl Fn(&mut C, &T) -> Result<(), MoveError> + Sync,
) -> Result<(), MoveError> {
    let (next, failed) = (AtomicUsize::new(0), Mutex::new(None));
    let go = || {
        let mut connected = connect()?;
        while let Some(one) = all.get(next.fetch_add(1, Ordering::Relaxed)) {
            work(&mut connected, one)?;
        }
        Ok(())
    };
    std::thread::scope(|threads| {
        for _ in 0..at_once.min(all.len()) {
            threads.spawn(|| {
                if let Err(error) = go() {
                    next.store(all.len(), Ordering::Relaxed);
                    let mut failed = failed.lock().unwrap_or_else(PoisonError::into_inner);
                    failed.get_or_insert(error);
                }
            });
        }
    });
    let failed = failed.into_inner().unwrap_or_else(PoisonError::into_inner);
    failed.map_or(Ok(()), Err)
}
