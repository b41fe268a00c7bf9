//! A connection: made, given several requests at a time without waiting in between, and waited for by a thread that has nothing else to do.

use super::value::Param;
use crate::StoreError;
use std::borrow::Cow;
use std::collections::HashMap;
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;
use std::time::{Duration, Instant};
use tokio::runtime::{Builder, Runtime};
use tokio_postgres::types::ToSql;
use tokio_postgres::{AsyncMessage, Client, Row, Statement};

/// No answer for so long, and the connection is given up: the other end may be gone without having said so.
const SILENCE: Duration = Duration::from_secs(40);
/// Making a connection takes no longer.
const CONNECT: Duration = Duration::from_secs(5);

/// Looks after the sockets of all connections. Threads that ask wait beside it, so they may be of any kind.
fn keeper() -> Result<&'static Runtime, StoreError> {
    static KEEPER: OnceLock<Option<Runtime>> = OnceLock::new();
    KEEPER
        .get_or_init(|| {
            let mut builder = Builder::new_multi_thread();
            builder.worker_threads(1).enable_all();
            builder.thread_name("postgres").build().ok()
        })
        .as_ref()
        .ok_or_else(|| StoreError::Failed {
            at: "connect",
            source: "no thread could be started for connections to PostgreSQL".into(),
        })
}

#[expect(
    clippy::disallowed_methods,
    reason = "how long another machine is waited for has nothing to do with the time of the house"
)]
fn instant() -> Instant {
    Instant::now()
}

/// Waits for something that goes on elsewhere; `None` when it takes too long.
fn wait<F: Future>(future: F, limit: Duration) -> Option<F::Output> {
    struct Woken(Thread);
    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Woken(std::thread::current())));
    let mut context = Context::from_waker(&waker);
    let mut future = pin!(future);
    let began = instant();
    loop {
        if let Poll::Ready(out) = future.as_mut().poll(&mut context) {
            return Some(out);
        }
        std::thread::park_timeout(limit.checked_sub(began.elapsed())?);
    }
}

/// Which prepared statement a request uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Key {
    /// As it is written.
    One(usize),
    /// For many rows.
    Many(usize),
    /// For many rows, counted.
    Counted(usize),
    /// The locks of tenants.
    Locks,
    /// A text of the moment: not kept.
    Text,
}

/// Something to be done over the connection.
#[derive(Debug)]
pub(super) enum Step {
    /// Statements without values whose answers nobody reads.
    Plain(Cow<'static, str>),
    /// A statement with values.
    Ask {
        /// Its name, for errors.
        name: &'static str,
        /// How it is kept.
        key: Key,
        /// Its text.
        text: Cow<'static, str>,
        /// Its values.
        params: Vec<Param>,
    },
}

/// What came of a step.
#[derive(Debug, Default)]
pub(super) struct Reply {
    /// What it found.
    pub(super) rows: Vec<Row>,
    /// How many rows it changed or found.
    pub(super) count: u64,
}

/// Why a connection could not do as asked.
#[derive(Debug)]
pub(super) enum Trouble {
    /// PostgreSQL said no, or the connection broke, at this step.
    At(usize, tokio_postgres::Error),
    /// No answer came in time.
    Silent,
}

/// Takes in what other connections say. Must not wait.
pub(crate) type Heard = Box<dyn Fn(&str) + Send>;

/// A connection to the server.
pub(super) struct Line {
    client: Client,
    /// False behind poolers that do not know of prepared statements.
    prepares: bool,
    prepared: HashMap<Key, Statement>,
}

impl std::fmt::Debug for Line {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Line")
    }
}

impl Line {
    /// Connects.
    pub(super) fn connect(address: &super::Address) -> Result<Self, StoreError> {
        Self::connect_to_hear(address, None)
    }

    /// Connects, and hands over what other connections say.
    pub(super) fn connect_to_hear(
        address: &super::Address,
        heard: Option<Heard>,
    ) -> Result<Self, StoreError> {
        let at = "connect";
        let away =
            |source: Box<dyn std::error::Error + Send + Sync>| StoreError::Away { at, source };
        let keeper = keeper()?;
        let (config, tls) = (address.config.clone(), address.tls());
        let connecting = keeper.spawn(async move { config.connect(tls).await });
        let (client, mut connection) = wait(connecting, CONNECT)
            .ok_or_else(|| away(format!("no answer within {CONNECT:?}").into()))?
            .map_err(|ended| away(Box::new(ended)))?
            .map_err(|error| away(Box::new(error)))?;
        keeper.spawn(async move {
            // How it ended is heard by whoever asks next.
            while let Some(Ok(message)) =
                std::future::poll_fn(|context| connection.poll_message(context)).await
            {
                if let (AsyncMessage::Notification(said), Some(heard)) = (message, &heard) {
                    heard(said.payload());
                }
            }
        });
        Ok(Self {
            client,
            prepares: address.prepares,
            prepared: HashMap::new(),
        })
    }

    pub(super) fn is_closed(&self) -> bool {
        self.client.is_closed()
    }

    /// Does all steps in their order, in one round trip once their statements are prepared.
    pub(super) fn exchange(&mut self, steps: &[Step]) -> Result<Vec<Reply>, Trouble> {
        self.exchange_within(steps, SILENCE)
    }

    /// The same of steps that may take longer.
    pub(super) fn exchange_within(
        &mut self,
        steps: &[Step],
        limit: Duration,
    ) -> Result<Vec<Reply>, Trouble> {
        if self.prepares {
            self.prepare(steps)?;
        }
        let (client, prepared) = (&self.client, &self.prepared);
        let requests = steps.iter().map(|step| {
            let request: Request<'_, Reply> = match step {
                Step::Plain(text) => Box::pin(async move {
                    let done = client.batch_execute(text).await;
                    done.map(|()| Reply::default())
                }),
                Step::Ask {
                    key, text, params, ..
                } => Box::pin(ask(client, prepared.get(key), text, params)),
            };
            request
        });
        in_order(requests.collect(), limit)
    }

    fn prepare(&mut self, steps: &[Step]) -> Result<(), Trouble> {
        let mut missing: Vec<(usize, Key, &str, &[Param])> = Vec::new();
        for (n, step) in steps.iter().enumerate() {
            if let Step::Ask {
                key, text, params, ..
            } = step
                && *key != Key::Text
                && !self.prepared.contains_key(key)
                && !missing.iter().any(|(_, known, ..)| known == key)
            {
                missing.push((n, *key, text, params));
            }
        }
        if missing.is_empty() {
            return Ok(());
        }
        let client = &self.client;
        let requests = missing.iter().map(|(_, _, text, params)| {
            let kinds: Vec<_> = params.iter().map(Param::kind).collect();
            let request: Request<'_, Statement> =
                Box::pin(async move { client.prepare_typed(text, &kinds).await });
            request
        });
        let made = in_order(requests.collect(), SILENCE).map_err(|trouble| match trouble {
            Trouble::At(n, error) => {
                Trouble::At(missing.get(n).map_or(0, |(step, ..)| *step), error)
            }
            Trouble::Silent => Trouble::Silent,
        })?;
        let keys: Vec<Key> = missing.iter().map(|(_, key, ..)| *key).collect();
        self.prepared.extend(keys.into_iter().zip(made));
        Ok(())
    }
}

type Request<'a, T> = Pin<Box<dyn Future<Output = Result<T, tokio_postgres::Error>> + 'a>>;

async fn ask(
    client: &Client,
    prepared: Option<&Statement>,
    text: &str,
    params: &[Param],
) -> Result<Reply, tokio_postgres::Error> {
    use futures_util::TryStreamExt as _;
    let values = params.iter().map(|param| param as &(dyn ToSql + Sync));
    let stream = match prepared {
        Some(prepared) => client.query_raw(prepared, values).await?,
        None => {
            let typed = values.zip(params.iter().map(Param::kind));
            client.query_typed_raw(text, typed).await?
        }
    };
    let mut stream = pin!(stream);
    let mut rows = Vec::new();
    while let Some(row) = stream.try_next().await? {
        rows.push(row);
    }
    let count = stream.rows_affected().unwrap_or(0);
    Ok(Reply { rows, count })
}

/// Sends every request before the first answer is there. The first that failed is told of; those behind it failed with it.
fn in_order<T>(mut requests: Vec<Request<'_, T>>, limit: Duration) -> Result<Vec<T>, Trouble> {
    let mut out: Vec<Option<Result<T, tokio_postgres::Error>>> =
        requests.iter().map(|_| None).collect();
    let all = std::future::poll_fn(|context| {
        let mut open = false;
        for (request, out) in requests.iter_mut().zip(&mut out) {
            if out.is_none() {
                match request.as_mut().poll(context) {
                    Poll::Ready(done) => *out = Some(done),
                    Poll::Pending => open = true,
                }
            }
        }
        if open { Poll::Pending } else { Poll::Ready(()) }
    });
    wait(all, limit).ok_or(Trouble::Silent)?;
    let mut done = Vec::with_capacity(out.len());
    for (n, one) in out.into_iter().enumerate() {
        match one {
            Some(Ok(one)) => done.push(one),
            Some(Err(error)) => return Err(Trouble::At(n, error)),
            None => return Err(Trouble::Silent),
        }
    }
    Ok(done)
}
