//! PostgreSQL: any number of nodes on one database.
//!
//! A transaction costs few round trips: it begins with the first request, questions that are known beforehand are gathered and asked
//! together, changes are queued and sent together before the next question, at the latest with the commit. Every transaction says which
//! tenants it is about (X4), and one that changes something holds their locks from its beginning to its end: turns of one tenant follow
//! each other, whichever node takes them.

mod address;
pub(crate) mod bulk;
mod gather;
mod line;
mod migrate;
mod queue;
mod text;
mod value;

use crate::StoreError;
use crate::engine::{Kind, Row, Value, Values};
use crate::nodes::Node;
use crate::sql::Statement;
use line::{Key, Line, Reply, Step, Trouble};
use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::collections::{BTreeSet, HashMap};
use std::fmt::Write as _;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;
use tokio_postgres::error::SqlState;
use value::{Param, Raw};

pub use address::Address;
pub(crate) use gather::Gathered;
pub(crate) use migrate::{KNOWN, migrate};

/// A connection to PostgreSQL, made when it is needed, and what its transaction holds.
pub struct Postgres {
    address: Arc<Address>,
    line: RefCell<Option<Line>>,
    state: RefCell<State>,
    shapes: RefCell<HashMap<usize, Arc<text::Shape>>>,
    /// The node whose turns go over it; none where a tool or a test works alone.
    node: Option<Node>,
    /// Counts the transactions of the node.
    turn: Cell<i64>,
}

impl std::fmt::Debug for Postgres {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Postgres")
    }
}

/// Which transaction the caller began.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Open {
    /// None: every statement is one of its own.
    #[default]
    No,
    /// One that reads as of an instant.
    Read,
    /// One that changes something.
    Write,
}

/// A transaction, as this side knows it.
#[derive(Debug, Default)]
struct State {
    open: Open,
    /// True once PostgreSQL has heard of it.
    sent: bool,
    /// True for a turn: what it trips over is decided again.
    turn: bool,
    /// True when it can only be taken back.
    broken: bool,
    /// The tenants that it is about.
    tenants: BTreeSet<i64>,
    /// Changes that are not sent yet.
    queue: queue::Queue,
    /// Answers that were asked for beforehand.
    gathered: HashMap<Vec<u8>, Vec<tokio_postgres::Row>>,
}

/// Whose rows a statement is about.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Scope {
    /// These tenants'.
    Of(Vec<i64>),
    /// Everybody's: one of the few statements that may look across tenants.
    All,
}

/// A column of a row.
pub(crate) fn value(row: &tokio_postgres::Row, column: usize) -> Result<Value<'_>, StoreError> {
    row.try_get::<_, Raw<'_>>(column)
        .map(|raw| raw.0)
        .map_err(|error| StoreError::Failed {
            at: "reading a row",
            source: Box::new(error),
        })
}

/// Thirty-two bytes that nobody can guess.
pub(crate) fn seed() -> Result<[u8; 32], StoreError> {
    let mut seed = [0; 32];
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    provider
        .secure_random
        .fill(&mut seed)
        .map_err(|_| StoreError::Failed {
            at: "seed",
            source: "the system gave no random bytes".into(),
        })?;
    Ok(seed)
}

/// How long things may take; said in every transaction, since a pooler may give each to another session. A node that was frozen in a
/// transaction loses it before others take over its work.
const LIMITS: &str =
    "SET LOCAL statement_timeout = '20s'; SET LOCAL idle_in_transaction_session_timeout = '4s'; ";
/// Reading may take a person's time.
const READ_LIMITS: &str =
    "SET LOCAL statement_timeout = '30s'; SET LOCAL idle_in_transaction_session_timeout = '60s'; ";
/// Every statement of a turn is a few seeks, however many rows its tables had when it was planned.
const SEEKS: &str = "SET LOCAL lock_timeout = '10s'; SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off; SET LOCAL enable_hashjoin = off; SET LOCAL enable_mergejoin = off; SET LOCAL jit = off; SET LOCAL plan_cache_mode = force_generic_plan; ";

impl Postgres {
    /// Steps of the node's own book-keeping, in a transaction of their own.
    pub(crate) fn book(
        &self,
        steps: &[(&'static str, Vec<i64>)],
    ) -> Result<Vec<Vec<Vec<i64>>>, StoreError> {
        let mut all = vec![Step::Plain(Cow::Borrowed(
            "BEGIN; SET LOCAL statement_timeout = '5s'; SET LOCAL lock_timeout = '4s'",
        ))];
        all.extend(steps.iter().map(|(text, values)| Step::Ask {
            name: "nodes",
            key: Key::Text,
            text: Cow::Borrowed(text),
            params: values.iter().copied().map(Param::Int).collect(),
        }));
        all.push(Step::Plain(Cow::Borrowed("COMMIT")));
        self.connected()?;
        let replies = self.exchange(&all, false).inspect_err(|_| {
            // What was begun ends with the connection.
            *self.line.borrow_mut() = None;
        })?;
        let number = |row: &tokio_postgres::Row, at| match value(row, at)? {
            Value::Int(n) => Ok(n),
            _ => Ok(0),
        };
        replies
            .iter()
            .skip(1)
            .take(steps.len())
            .map(|reply| {
                let rows = reply.rows.iter();
                rows.map(|row| (0..row.len()).map(|at| number(row, at)).collect())
                    .collect()
            })
            .collect()
    }

    /// Says something to all nodes that listen.
    pub(crate) fn tell(&self, what: &str) -> Result<(), StoreError> {
        self.connected()?;
        // Words of ours and numbers alone.
        let text = format!("NOTIFY ringback, '{what}'");
        self.exchange(&[Step::Plain(Cow::Owned(text))], false)
            .map(|_| ())
    }

    /// Hears what nodes say from now on. Behind a pooler in transaction mode nothing is heard, and looking now and then has to do.
    pub(crate) fn listen(&self, heard: line::Heard) -> Result<(), StoreError> {
        let mut new = Line::connect_to_hear(&self.address, Some(heard))?;
        new.exchange(&[Step::Plain(Cow::Borrowed("LISTEN ringback"))])
            .map_err(|trouble| said(trouble, &[], false).0)?;
        *self.line.borrow_mut() = Some(new);
        Ok(())
    }

    /// Whether there is a connection.
    pub(crate) fn is_connected(&self) -> bool {
        self.line
            .borrow()
            .as_ref()
            .is_some_and(|line| !line.is_closed())
    }

    pub(crate) fn new(address: Arc<Address>) -> Self {
        Self {
            address,
            line: RefCell::default(),
            state: RefCell::default(),
            shapes: RefCell::default(),
            node: None,
            turn: Cell::new(0),
        }
    }

    /// The same for a node: its transactions hold only as long as it is taken for alive.
    pub(crate) fn of_node(address: Arc<Address>, node: Node) -> Self {
        Self {
            node: Some(node),
            ..Self::new(address)
        }
    }

    /// Hands over each row that a statement finds, until no more are wanted.
    pub(super) fn each(
        &self,
        statement: &Statement,
        values: Values<'_>,
        take: impl FnMut(&Row<'_>) -> Result<ControlFlow<()>, StoreError>,
    ) -> Result<(), StoreError> {
        if !self.state.borrow().gathered.is_empty() {
            let key = gather::key(statement, values);
            let rows = self.state.borrow_mut().gathered.remove(&key);
            if let Some(rows) = rows {
                let done = hand_over(&rows, take);
                self.state.borrow_mut().gathered.insert(key, rows);
                return done;
            }
        }
        hand_over(&self.ask(statement, values)?.rows, take)
    }

    /// The same of a text that was put together for one question; its first value is the tenant.
    pub(super) fn each_of_text(
        &self,
        text: &str,
        name: &'static str,
        values: Values<'_>,
        take: impl FnMut(&Row<'_>) -> Result<ControlFlow<()>, StoreError>,
    ) -> Result<(), StoreError> {
        let step = Step::Ask {
            name,
            key: Key::Text,
            text: Cow::Owned(text.to_owned()),
            params: params(values),
        };
        let scope = scope_of(Some(0), values);
        let replies = self.go(vec![(scope, step)], None)?;
        let rows = replies.into_iter().next().unwrap_or_default().rows;
        hand_over(&rows, take)
    }

    fn ask(&self, statement: &Statement, values: Values<'_>) -> Result<Reply, StoreError> {
        let scope = scope_of(statement.tenant, values);
        let replies = self.go(vec![(scope, alone(statement, values))], None)?;
        Ok(replies.into_iter().next().unwrap_or_default())
    }

    /// Changes something and answers how many rows.
    pub(super) fn count(
        &self,
        statement: &Statement,
        values: Values<'_>,
    ) -> Result<usize, StoreError> {
        let reply = self.ask(statement, values)?;
        Ok(usize::try_from(reply.count).unwrap_or(usize::MAX))
    }

    /// Changes something soon.
    pub(super) fn queue(
        &self,
        statement: &Statement,
        values: Values<'_>,
    ) -> Result<(), StoreError> {
        if self.state.borrow().open != Open::Write {
            return self.count(statement, values).map(|_| ());
        }
        let shape = self.shape(statement, values);
        let scope = scope_of(statement.tenant, values);
        self.state
            .borrow_mut()
            .queue
            .push(statement, shape, scope, values)
            .map_err(|source| StoreError::Failed {
                at: statement.name,
                source,
            })
    }

    /// Makes the same change many times in one statement, where it can be; answers for each how many rows it changed.
    pub(super) fn count_each(
        &self,
        statement: &Statement,
        rows: &[Values<'_>],
    ) -> Result<Vec<usize>, StoreError> {
        let Some(first) = rows.first() else {
            return Ok(Vec::new());
        };
        let shape = self.shape(statement, first);
        let repeats = {
            let mut met = std::collections::HashSet::new();
            !rows
                .iter()
                .all(|values| met.insert(gather::of_places(values, &shape.key)))
        };
        let counted = shape
            .counted
            .as_ref()
            .filter(|_| rows.len() > 1 && !repeats);
        let Some(text) = counted else {
            return rows
                .iter()
                .map(|values| self.count(statement, values))
                .collect();
        };
        let failed = |source| StoreError::Failed {
            at: statement.name,
            source,
        };
        let (mut columns, mut tenants) = (gather::columns(first), BTreeSet::new());
        for values in rows {
            gather::push(&mut columns, values).map_err(failed)?;
            if let Scope::Of(of) = scope_of(statement.tenant, values) {
                tenants.extend(of);
            }
        }
        let step = Step::Ask {
            name: statement.name,
            key: Key::Counted(statement.id),
            text: Cow::Owned(text.clone()),
            params: columns.into_iter().map(Param::Many).collect(),
        };
        let scope = match statement.tenant {
            Some(_) => Scope::Of(tenants.into_iter().collect()),
            None => Scope::All,
        };
        let replies = self.go(vec![(scope, step)], None)?;
        let mut out = vec![0; rows.len()];
        for row in replies.iter().flat_map(|reply| &reply.rows) {
            let nth = match value(row, 0)? {
                Value::Int(nth) => usize::try_from(nth - 1).unwrap_or(usize::MAX),
                _ => usize::MAX,
            };
            if let Some(n) = out.get_mut(nth) {
                *n += 1;
            }
        }
        Ok(out)
    }

    fn shape(&self, statement: &Statement, values: Values<'_>) -> Arc<text::Shape> {
        let mut shapes = self.shapes.borrow_mut();
        let shape = shapes.entry(statement.id).or_insert_with(|| {
            let kinds: Vec<Kind> = values.iter().map(|value| value.kind()).collect();
            Arc::new(text::shape(statement.postgres, &kinds))
        });
        Arc::clone(shape)
    }

    /// Begins a transaction that changes something. PostgreSQL hears of it with its first statement.
    pub(super) fn begin(&self) -> Result<(), StoreError> {
        self.open(Open::Write)
    }

    /// Begins to read as of one instant.
    pub(super) fn begin_to_read(&self) -> Result<(), StoreError> {
        self.open(Open::Read)
    }

    fn open(&self, open: Open) -> Result<(), StoreError> {
        if self.state.borrow().sent {
            // Of a caller who went away half-way.
            self.roll_back();
        }
        *self.state.borrow_mut() = State {
            open,
            ..State::default()
        };
        self.connected()
    }

    /// The connection over which a transaction was begun: on a new one its rest would be done without its beginning.
    fn still_connected(&self) -> Result<(), StoreError> {
        if self
            .line
            .borrow()
            .as_ref()
            .is_some_and(|line| !line.is_closed())
        {
            return Ok(());
        }
        Err(StoreError::Away {
            at: "transaction",
            source: "the connection ended in the middle of a transaction".into(),
        })
    }

    fn connected(&self) -> Result<(), StoreError> {
        let mut line = self.line.borrow_mut();
        if line.as_ref().is_none_or(Line::is_closed) {
            *line = None;
            *line = Some(Line::connect(&self.address)?);
        }
        Ok(())
    }

    /// This transaction is a turn about these tenants: they are locked, in one order on every node, before anything is read.
    pub(crate) fn involve(&self, tenants: impl IntoIterator<Item = i64>) {
        let mut state = self.state.borrow_mut();
        state.turn = true;
        if !state.sent {
            state.tenants.extend(tenants);
        }
    }

    /// Takes the locks of further tenants where nobody else holds them; answers whose. A turn that waited for them here could wait for
    /// one that waits for it.
    pub(crate) fn involve_if_free(&self, tenants: &[i64]) -> Result<BTreeSet<i64>, StoreError> {
        let known = self.state.borrow().tenants.clone();
        let (held, new): (Vec<i64>, Vec<i64>) =
            tenants.iter().partition(|one| known.contains(*one));
        let mut free: BTreeSet<i64> = held.into_iter().collect();
        if new.is_empty() {
            return Ok(free);
        }
        let mut column = value::Column::new(Kind::Int);
        for one in &new {
            column
                .push(Value::Int(*one))
                .map_err(|source| StoreError::Failed {
                    at: "locks",
                    source,
                })?;
        }
        let locks = Step::Ask {
            name: "locks",
            key: Key::Locks,
            text: Cow::Borrowed(
                "SELECT one, pg_try_advisory_xact_lock(-one) FROM unnest($1::BIGINT[]) AS one",
            ),
            params: vec![Param::Many(column)],
        };
        let all = known.iter().chain(&new).copied().collect();
        let see = Step::Plain(Cow::Owned(set_tenants(&all)));
        let nobody = || Scope::Of(Vec::new());
        let replies = self.go(vec![(nobody(), see), (nobody(), locks)], None)?;
        let mut taken = Vec::new();
        for row in replies.iter().flat_map(|reply| &reply.rows) {
            if let (Value::Int(one), Value::Int(1)) = (value(row, 0)?, value(row, 1)?) {
                taken.push(one);
            }
        }
        free.extend(taken.iter().copied());
        self.state.borrow_mut().tenants.extend(taken);
        Ok(free)
    }

    /// Makes what was begun lasting, with everything that is still queued, in one round trip.
    pub(super) fn commit(&self) -> Result<(), StoreError> {
        let state = self.state.borrow();
        let nothing = !state.sent && state.queue.is_empty();
        let open = state.open;
        drop(state);
        if open == Open::No || nothing {
            *self.state.borrow_mut() = State::default();
            return Ok(());
        }
        let done = match self.go(Vec::new(), Some("COMMIT")) {
            Err(StoreError::Unsure) => self.was_it_made_lasting(),
            other => other.map(|_| ()),
        };
        if done.is_ok() {
            *self.state.borrow_mut() = State::default();
        }
        done
    }

    /// The answer to a commit was lost. The node's own row tells: it is read under its lock, so that a transaction that still goes on over
    /// there has ended before.
    fn was_it_made_lasting(&self) -> Result<(), StoreError> {
        let Some(node) = &self.node else {
            return Err(StoreError::Unsure);
        };
        let (number, epoch) = node.epoch();
        let ask = [
            Step::Plain(Cow::Borrowed("BEGIN; SET LOCAL lock_timeout = '8s'")),
            Step::Ask {
                name: "last turn",
                key: Key::Text,
                text: Cow::Borrowed(
                    "SELECT turn FROM node_turns WHERE node = $1 AND epoch = $2 FOR UPDATE",
                ),
                params: vec![Param::Int(number), Param::Int(epoch)],
            },
            Step::Plain(Cow::Borrowed("COMMIT")),
        ];
        // A server that starts again, or one that is promoted, needs some seconds.
        for again in 0..40_u32 {
            let answer = self.connected().and_then(|()| self.exchange(&ask, false));
            match answer {
                Ok(replies) => {
                    let last = replies.get(1).and_then(|reply| reply.rows.first());
                    return match last.map(|row| value(row, 0)).transpose()? {
                        Some(Value::Int(turn)) if turn == self.turn.get() => Ok(()),
                        Some(_) => Err(StoreError::Away {
                            at: "commit",
                            source: "the connection broke before it".into(),
                        }),
                        None => Err(StoreError::Unsure),
                    };
                }
                Err(_) => {
                    *self.line.borrow_mut() = None;
                    std::thread::sleep(Duration::from_millis(150 + 37 * u64::from(again % 7)));
                }
            }
        }
        Err(StoreError::Unsure)
    }

    /// Takes back what was begun, if something was.
    pub(super) fn roll_back(&self) {
        let state = std::mem::take(&mut *self.state.borrow_mut());
        if !state.sent {
            return;
        }
        let mut line = self.line.borrow_mut();
        if let Some(one) = line.as_mut()
            && one
                .exchange(&[Step::Plain(Cow::Borrowed("ROLLBACK"))])
                .is_err()
        {
            // Without a connection there is no transaction either.
            *line = None;
        }
    }

    /// Sends what is queued and what is asked, and waits for all answers; those of what is asked come back.
    fn go(
        &self,
        asked: Vec<(Scope, Step)>,
        end: Option<&'static str>,
    ) -> Result<Vec<Reply>, StoreError> {
        let mut state = self.state.borrow_mut();
        if state.broken {
            return Err(StoreError::Failed {
                at: "transaction",
                source: "it failed before and can only be taken back".into(),
            });
        }
        let queued = state.queue.take();
        let first = !state.sent;
        let changes = !queued.is_empty();
        let mut steps = Vec::with_capacity(queued.len() + asked.len() + 2);
        let mut answers = Vec::with_capacity(asked.len());
        let held = self.node.as_ref().filter(|_| state.open == Open::Write);
        let hold = held.filter(|_| !state.sent).map(|node| {
            self.turn.set(self.turn.get() + 1);
            let (number, epoch) = node.epoch();
            let turn = self.turn.get();
            format!("; SELECT ringback_hold({number}, {epoch}, {turn})")
        });
        state.enter(
            &mut steps,
            hold,
            queued.iter().chain(&asked).map(|(scope, _)| scope),
        );
        let unasked = queued.len();
        for (n, (scope, step)) in queued.into_iter().chain(asked).enumerate() {
            let across = scope == Scope::All;
            if across {
                steps.push(Step::Plain(Cow::Borrowed(
                    "SET LOCAL ringback.operator = 'on'",
                )));
            }
            if n >= unasked {
                answers.push(steps.len());
            }
            steps.push(step);
            if across {
                steps.push(Step::Plain(Cow::Borrowed(
                    "SET LOCAL ringback.operator = ''",
                )));
            }
        }
        let lasting = end.is_some() || state.open == Open::No;
        if lasting {
            steps.push(Step::Plain(Cow::Borrowed("COMMIT")));
        }
        // A transaction that had begun ended with its connection: what follows must never run on another one.
        let ready = if first || state.open == Open::No {
            self.connected()
        } else {
            self.still_connected()
        };
        let mut done = ready.and_then(|()| self.exchange(&steps, lasting));
        // A connection that ended while nobody looked has done nothing of it yet.
        if first && !lasting && !changes && matches!(done, Err(StoreError::Away { .. })) {
            done = self
                .connected()
                .and_then(|()| self.exchange(&steps, lasting));
        }
        match done {
            Ok(mut replies) => Ok(answers
                .into_iter()
                .filter_map(|at| replies.get_mut(at).map(std::mem::take))
                .collect()),
            Err(error) => {
                state.broken = state.open != Open::No;
                Err(match error {
                    StoreError::Failed { at, source } if state.turn && is_taken(&*source) => {
                        StoreError::Busy { at, source }
                    }
                    other => other,
                })
            }
        }
    }

    fn exchange(&self, steps: &[Step], lasting: bool) -> Result<Vec<Reply>, StoreError> {
        let mut line = self.line.borrow_mut();
        let Some(one) = line.as_mut() else {
            return Err(StoreError::Away {
                at: "connect",
                source: "there is no connection".into(),
            });
        };
        one.exchange(steps).map_err(|trouble| {
            let (error, gone) = said(trouble, steps, lasting);
            if gone {
                *line = None;
            }
            error
        })
    }
}

impl State {
    /// What must be said before statements of these scopes: that a transaction begins, whose it is, and whose locks it takes.
    fn enter<'a>(
        &mut self,
        steps: &mut Vec<Step>,
        hold: Option<String>,
        scopes: impl Iterator<Item = &'a Scope>,
    ) {
        let mut new = BTreeSet::new();
        for scope in scopes {
            if let Scope::Of(tenants) = scope {
                new.extend(tenants.iter().copied());
            }
        }
        let mut text = String::new();
        let begins = self.open == Open::No || !self.sent;
        let lock: Vec<i64>;
        if begins {
            new.extend(self.tenants.iter().copied());
            text.push_str(match self.open {
                Open::Read => "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; ",
                Open::Write | Open::No => "BEGIN; ",
            });
            text.push_str(match self.open {
                Open::Read => READ_LIMITS,
                Open::Write | Open::No => LIMITS,
            });
            if self.open == Open::Write {
                text.push_str(SEEKS);
            }
            lock = new.iter().copied().collect();
        } else {
            lock = new.difference(&self.tenants).copied().collect();
            if lock.is_empty() {
                return;
            }
        }
        let mut tenants = std::mem::take(&mut self.tenants);
        tenants.extend(new);
        text.push_str(&set_tenants(&tenants));
        if self.open == Open::Write {
            for piece in lock.chunks(500) {
                text.push_str("; SELECT ");
                for (n, one) in piece.iter().enumerate() {
                    let comma = if n == 0 { "" } else { ", " };
                    let _ = write!(text, "{comma}pg_advisory_xact_lock({})", -one);
                }
            }
        }
        if self.open != Open::No {
            self.tenants = tenants;
            self.sent = true;
        }
        text.push_str(&hold.unwrap_or_default());
        steps.push(Step::Plain(Cow::Owned(text)));
    }
}

fn set_tenants(tenants: &BTreeSet<i64>) -> String {
    let mut text = String::from("SET LOCAL ringback.tenants = '");
    for (n, one) in tenants.iter().enumerate() {
        let comma = if n == 0 { "" } else { "," };
        let _ = write!(text, "{comma}{one}");
    }
    text.push('\'');
    text
}

/// The statement for one row.
fn alone(statement: &Statement, values: Values<'_>) -> Step {
    Step::Ask {
        name: statement.name,
        key: Key::One(statement.id),
        text: Cow::Borrowed(statement.postgres),
        params: params(values),
    }
}

fn params(values: Values<'_>) -> Vec<Param> {
    values
        .iter()
        .map(|value| Param::new(value.value(), value.kind()))
        .collect()
}

fn scope_of(tenant: Option<usize>, values: Values<'_>) -> Scope {
    match tenant {
        None => Scope::All,
        Some(at) => match values.get(at).map(|value| value.value()) {
            Some(Value::Int(tenant)) => Scope::Of(vec![tenant]),
            _ => Scope::Of(Vec::new()),
        },
    }
}

fn hand_over(
    rows: &[tokio_postgres::Row],
    mut take: impl FnMut(&Row<'_>) -> Result<ControlFlow<()>, StoreError>,
) -> Result<(), StoreError> {
    for row in rows {
        if take(&Row::Postgres(row))?.is_break() {
            break;
        }
    }
    Ok(())
}

/// Whether a unique index had the last word.
fn is_taken(source: &(dyn std::error::Error + Send + Sync + 'static)) -> bool {
    source
        .downcast_ref::<tokio_postgres::Error>()
        .and_then(tokio_postgres::Error::code)
        .is_some_and(|code| *code == SqlState::UNIQUE_VIOLATION)
}

/// What went wrong, in the words of the store, and whether the connection is of no more use.
fn said(trouble: Trouble, steps: &[Step], lasting: bool) -> (StoreError, bool) {
    let last = steps.len().saturating_sub(1);
    let (n, error) = match trouble {
        Trouble::At(n, error) => (n, error),
        Trouble::Silent if lasting => return (StoreError::Unsure, true),
        Trouble::Silent => {
            let at = "waiting for PostgreSQL";
            let source = "no answer came".into();
            return (StoreError::Away { at, source }, true);
        }
    };
    let at = match steps.get(n) {
        Some(Step::Ask { name, .. }) => name,
        _ if lasting && n == last => "commit",
        _ => "begin",
    };
    let code = error.as_db_error().map(|said| said.code().clone());
    let source = Box::new(error);
    let Some(code) = code else {
        // The connection broke. Whoever sent a commit cannot know how far it came.
        let error = if lasting {
            StoreError::Unsure
        } else {
            StoreError::Away { at, source }
        };
        return (error, true);
    };
    let ends =
        code.code().starts_with("08") || code.code().starts_with("57P") || code.code() == "25P03";
    if ends {
        let error = if lasting && n == last {
            StoreError::Unsure
        } else {
            StoreError::Away { at, source }
        };
        return (error, true);
    }
    match code {
        other if other.code() == "RB001" => (StoreError::Fenced, false),
        SqlState::DISK_FULL => (StoreError::DiskFull, false),
        SqlState::T_R_SERIALIZATION_FAILURE
        | SqlState::T_R_DEADLOCK_DETECTED
        | SqlState::LOCK_NOT_AVAILABLE
        | SqlState::QUERY_CANCELED => (StoreError::Busy { at, source }, false),
        // A primary that became a standby, and plans that an upgrade made old: another connection knows better.
        SqlState::READ_ONLY_SQL_TRANSACTION | SqlState::FEATURE_NOT_SUPPORTED => {
            (StoreError::Away { at, source }, true)
        }
        _ => (StoreError::Failed { at, source }, false),
    }
}
