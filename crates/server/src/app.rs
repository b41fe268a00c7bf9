//! The running server in one value: what every route and page works with.

use crate::backups::{BackupPlan, Backups};
use crate::journal::Journal;
use crate::loops::{HOUSE, Inbox, Live, Loops, Neighbours};
use crate::registry::Registry;
use crate::secrets::{MasterKey, SealError, Tokens};
use ringback_channels::{Egress, Http};
use ringback_core::ids::{IdMaker, TenantId};
use ringback_core::time::{Clock, Timestamp};
use ringback_core::turn::{Answer, Intake, LookUps, Once, Order};
use ringback_store::{House as _, OpenError, Readers, Role, StoreError, Writer};
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// What the operator sets for the whole server. Tenants' own configuration is theirs.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Holds everything of an embedded server.
    pub data: PathBuf,
    /// The address that links and webhooks are built on, without a slash at the end.
    pub public_url: String,
    /// Networks that providers may be reached in although they are private.
    pub egress: Egress,
    /// Proxies whose X-Forwarded-For is believed.
    pub trusted_proxies: Vec<ipnet::IpNet>,
    /// Orders that may wait for the writer; more are asked to come back.
    pub most_waiting: usize,
    /// Requests a minute from one address on public routes.
    pub public_per_minute: u32,
    /// True when browsers reach it over https: cookies are marked secure.
    pub https: bool,
    /// When it is looked up what became of messages whose call has no known end.
    pub looks: LookUps,
    /// How long a claim on a message holds; its call ends well before.
    pub lease: Duration,
    /// PostgreSQL, instead of the file in the data folder. Nothing falls back from one to the other.
    pub database: Option<Database>,
    /// What this node does, where there may be several.
    pub role: Role,
    /// When and where the server backs itself up.
    pub backup: BackupPlan,
    /// The folder of the journal.
    pub journal: PathBuf,
}

/// A database of PostgreSQL.
#[derive(Clone)]
pub struct Database {
    /// `postgres://…` of the role that serves; it owns nothing and row security holds for it.
    pub serves: String,
    /// `postgres://…` of the role that owns the schema and brings it up to date at the start.
    pub owner: Option<String>,
}

impl std::fmt::Debug for Database {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Database")
    }
}

impl Settings {
    /// Defaults for a data folder and a public address.
    pub fn new(data: PathBuf, public_url: impl Into<String>) -> Self {
        let public_url: String = public_url.into();
        Self {
            backup: BackupPlan::of_folder(&data),
            journal: data.join("journal"),
            data,
            https: public_url.starts_with("https://"),
            public_url: public_url.trim_end_matches('/').to_owned(),
            egress: Egress::default(),
            trusted_proxies: Vec::new(),
            most_waiting: 4_096,
            public_per_minute: 300,
            looks: LookUps::default(),
            lease: crate::loops::LEASE,
            database: None,
            role: Role::All,
        }
    }
}

/// The running server. Cheap to clone.
#[derive(Clone)]
pub struct App(Arc<Inner>);

/// What is inside an [`App`].
pub struct Inner {
    /// What the operator set.
    pub settings: Settings,
    /// Every tenant.
    pub registry: Arc<Registry>,
    /// The door to the writer.
    pub inbox: Arc<Inbox>,
    /// Connections that only read.
    pub readers: Readers,
    /// The present.
    pub clock: Arc<dyn Clock>,
    /// What changed, for browsers.
    pub live: Arc<Live>,
    /// Tokens in links.
    pub tokens: Tokens,
    /// Limits of requests, kept in memory.
    pub limits: crate::http::Limits,
    /// Limits of the public doors, kept in memory.
    pub(crate) throttle: crate::throttle::Throttle,
    /// What forms remember for a while.
    pub(crate) forms: crate::forms::Memory,
    /// When the server started.
    pub started_at: Timestamp,
    /// What is known of the backups.
    pub backups: Backups,
    /// No tenant is held since a restore, so that nobody has to look again.
    pub(crate) released: AtomicBool,
    /// Renders the metrics.
    pub metrics: metrics_exporter_prometheus::PrometheusHandle,
    /// Ends everything that would never end by itself.
    pub stopping: tokio_util::sync::CancellationToken,
    pub(crate) neighbours: Option<Neighbours>,
    /// With the number of the node that they are marked with.
    ids: Mutex<(u8, IdMaker)>,
}

impl std::ops::Deref for App {
    type Target = Inner;

    fn deref(&self) -> &Inner {
        &self.0
    }
}

impl std::fmt::Debug for App {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("App")
    }
}

/// Why the server could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The data folder.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The master key.
    #[error(transparent)]
    Key(#[from] SealError),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The journal.
    #[error("the folder of the journal {0} cannot be used: {1}. Name another one with journal.dir")]
    Journal(PathBuf, #[source] std::io::Error),
    /// A thread.
    #[error("a thread could not be started: {0}")]
    Thread(#[from] std::io::Error),
}

/// What makes ids of the house on this node.
fn ids_of(others: &Neighbours) -> (u8, IdMaker) {
    let number = others.node().number();
    let ids = IdMaker::new(number * 2 + 1, others.node().ids_from());
    (number, ids)
}

impl App {
    /// Opens the data folder and starts the loops. Must be called inside a tokio runtime.
    pub fn start(
        mut settings: Settings,
        clock: Arc<dyn Clock>,
    ) -> Result<(Self, Loops), StartError> {
        if settings.database.is_some() {
            // Its own tools take copies of PostgreSQL.
            settings.backup.every = None;
        }
        let opened = match &settings.database {
            None => {
                let (writer, readers, checkpointer) = ringback_store::open(&settings.data)?;
                (writer, readers, Some(checkpointer), None)
            }
            Some(database) => {
                // Its master key is in the data folder, the same on every node.
                std::fs::create_dir_all(&settings.data)?;
                let (owner, boot) = (
                    database.owner.as_deref(),
                    ringback_channels::BootClock::of_the_machine().now(),
                );
                let (writer, readers, registrar) = ringback_store::join_postgres(
                    &database.serves,
                    owner,
                    settings.role,
                    clock.now(),
                    boot,
                )?;
                (writer, readers, None, Some(registrar))
            }
        };
        let (writer, readers, checkpointer, registrar) = opened;
        let master = MasterKey::of_folder(&settings.data)?;
        let journal = Journal::open(settings.journal.clone(), &master)
            .map_err(|source| StartError::Journal(settings.journal.clone(), source))?;
        let http = Http::new(settings.egress.clone());
        let registry = Arc::new(Registry::new(master.clone(), http));
        let version = writer.version()?;
        registry.reload(&writer)?;
        writer.keeps_in_mind(version);
        let inbox = Arc::new(Inbox::new(settings.most_waiting));
        let live = Arc::new(Live::default());
        let tokens = Tokens::new(&master);
        let (neighbours, heartbeat) = match registrar {
            Some(registrar) => {
                let (clock, inbox) = (Arc::clone(&clock), Arc::clone(&inbox));
                let started = Neighbours::start(registrar, settings.role, clock, inbox)?;
                (Some(started.0), Some(started.1))
            }
            None => (None, None),
        };
        let sender = crate::loops::Sender::new(
            Arc::clone(&registry),
            Arc::clone(&inbox),
            neighbours.clone(),
            readers.clone(),
            Arc::clone(&clock),
            tokens.clone(),
            &settings,
            tokio::runtime::Handle::current(),
        );
        // Ids of the house (tenants, keys, connections) come from a maker of their own node, so that they never meet the writer's.
        let ids = match &neighbours {
            None => (0, IdMaker::new(1, writer.last_id())),
            Some(others) => ids_of(others),
        };
        let ids = Mutex::new(ids);
        let turns = crate::loops::Turns::new(
            (writer, journal),
            Arc::clone(&inbox),
            Arc::clone(&registry),
            Arc::clone(&clock),
            Arc::clone(&live),
            crate::loops::Sending {
                send_off: {
                    let sender = sender.clone();
                    Box::new(move |message, leased| sender.send_off(message, leased))
                },
                look_up: Box::new(move |message| sender.look_up(message)),
                looks: settings.looks,
                lease: settings.lease,
            },
            neighbours.clone(),
            crate::http::written,
        );
        let loops = Loops::start(turns, checkpointer, neighbours.clone().zip(heartbeat))?;
        let stopping = tokio_util::sync::CancellationToken::new();
        let telling = Arc::clone(&live);
        let stopped = stopping.clone();
        tokio::spawn(async move {
            tokio::select! {
                () = telling.run() => {}
                () = stopped.cancelled() => {}
            }
        });
        let limits = crate::http::Limits::new(settings.public_per_minute);
        let (throttle, forms) = (
            crate::throttle::Throttle::default(),
            crate::forms::Memory::default(),
        );
        let started_at = clock.now();
        let metrics = crate::http::recorder();
        let app = Self(Arc::new(Inner {
            settings,
            registry,
            inbox,
            readers,
            clock,
            live,
            tokens,
            limits,
            throttle,
            forms,
            started_at,
            backups: Backups::default(),
            released: AtomicBool::new(false),
            metrics,
            stopping,
            neighbours,
            ids,
        }));
        tokio::spawn(crate::upkeep::run(app.clone()));
        Ok((app, loops))
    }

    /// The present.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// A new id for something of the house.
    pub fn new_id(&self) -> i64 {
        let now = self.now();
        let mut ids = self.ids.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(others) = &self.neighbours
            && others.node().number() != ids.0
        {
            *ids = ids_of(others);
        }
        ids.1.next(now)
    }

    /// Decides something that happened, and answers after the commit.
    pub async fn take(
        &self,
        tenant: TenantId,
        intake: Intake,
        once: Option<Once>,
    ) -> Result<Answer, crate::http::ApiError> {
        let order = Order {
            tenant,
            at: self.now(),
            intake,
            once,
        };
        self.inbox.take(order).await.map_err(Into::into)
    }

    /// Asks the store something, on a thread that may wait.
    pub async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&ringback_store::Reader<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, crate::http::ApiError> {
        let readers = self.readers.clone();
        tokio::task::spawn_blocking(move || readers.ask(question))
            .await
            .map_err(|_| crate::http::ApiError::internal("a question to the store panicked"))?
            .map_err(Into::into)
    }

    /// Changes something of the house in one commit, then reads the houses anew so that it holds from now on.
    pub async fn change<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Writer) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, crate::http::ApiError> {
        let registry = Arc::clone(&self.registry);
        let done = self
            .inbox
            .job(move |writer| {
                writer.begin()?;
                let done = work(writer).and_then(|done| writer.commit().map(|()| done));
                if done.is_err() {
                    writer.roll_back();
                }
                let done = done?;
                registry.reload(writer)?;
                Ok::<_, StoreError>(done)
            })
            .await;
        if let Some(others) = &self.neighbours {
            others.tell(HOUSE);
        }
        // A key may be among what ended.
        self.live.ask_again();
        done.map_err(crate::http::ApiError::from)?
            .map_err(Into::into)
    }

    /// Writes something of the house in one commit; nothing that turns or keys look at.
    pub async fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Writer) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, crate::http::ApiError> {
        let done = self
            .inbox
            .job(move |writer| {
                writer.begin()?;
                let done = work(writer).and_then(|done| writer.commit().map(|()| done));
                if done.is_err() {
                    writer.roll_back();
                }
                done
            })
            .await;
        done.map_err(crate::http::ApiError::from)?
            .map_err(Into::into)
    }

    /// Stops in order (O7): no more orders, what was taken is written, calls end, then the threads.
    pub async fn stop(&self, loops: Loops) {
        self.inbox.close();
        self.stopping.cancel();
        let limit = Duration::from_secs(16);
        // Calls of other nodes are theirs to end.
        let own = self.neighbours.as_ref().map(|one| one.node().number() * 2);
        let calls = async {
            loop {
                let flies = self.ask(move |store| match own {
                    Some(node) => store.flies_for(node),
                    None => store.flying().map(|n| n > 0),
                });
                if !flies.await.unwrap_or(false) && self.inbox.waiting() == 0 {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        if tokio::time::timeout(limit, calls).await.is_err() {
            tracing::warn!(
                "some calls to providers did not end in time; what became of them is looked up at the next start"
            );
        }
        self.inbox.stop();
        // Joining waits for the last commit; it must not hold up the runtime that settles the last calls.
        let joined = tokio::task::spawn_blocking(move || loops.join()).await;
        if joined.is_err() {
            tracing::error!("the loops did not end in order");
        }
    }

    /// The address a request came from: the right-most hop that is not one of our proxies (V13).
    pub fn address(&self, peer: IpAddr, forwarded: Option<&str>) -> IpAddr {
        let trusted = |address: &IpAddr| {
            self.settings
                .trusted_proxies
                .iter()
                .any(|net| net.contains(address))
        };
        if !trusted(&peer) {
            return peer;
        }
        let hops = forwarded
            .unwrap_or_default()
            .rsplit(',')
            .map(|hop| hop.trim().parse::<IpAddr>());
        let mut last = peer;
        for hop in hops {
            match hop {
                Ok(hop) => {
                    last = hop;
                    if !trusted(&hop) {
                        break;
                    }
                }
                Err(_) => break,
            }
        }
        last
    }

    /// Whether the store answers.
    pub async fn store_answers(&self) -> Result<(), crate::http::ApiError> {
        self.ask(|store| store.answers()).await
    }
}
