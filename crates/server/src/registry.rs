//! Every tenant as the loops and pages need it: configuration compiled, channels open, keys at hand. Swapped whole when something of
//! the house changes, so that a turn never sees half a change.

use crate::secrets::MasterKey;
use arc_swap::ArcSwap;
use ringback_channels::{Channel, Http, Rate, Repeat};
use ringback_core::config::{Document, Problem, Settings, TenantConfig};
use ringback_core::ids::{ConnectionId, TenantId};
use ringback_core::leads::ReferenceKey;
use ringback_core::messages::ChannelKind;
use ringback_core::templates::{Own, Template};
use ringback_core::turn::{Connection, Pace, Tenant};
use ringback_store::{ConnectionRow, House, KeyRow, StoreError, TenantRow};
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

/// A tenant with its channels and rows.
pub struct Home {
    /// What the rules see.
    pub tenant: Arc<Tenant>,
    /// Its row.
    pub row: TenantRow,
    /// Its accounts' rows.
    pub connections: Vec<ConnectionRow>,
    /// Its accounts, open.
    pub channels: HashMap<ConnectionId, Arc<dyn Channel>>,
    /// Accounts that could not be opened, and why.
    pub broken: HashMap<ConnectionId, String>,
    /// What every template may say of the business.
    pub about: Own,
    /// Paths and versions of the documents that the configuration was read from.
    files: Vec<(String, i64)>,
    /// Templates of versions that are not the newest, for messages decided before.
    past: Mutex<PastTemplates>,
}

impl std::fmt::Debug for Home {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Home")
            .field("tenant", &self.row.slug)
            .finish_non_exhaustive()
    }
}

/// Templates by name, channel and version; `None` was looked for and is not there.
type PastTemplates = HashMap<(String, i64, i64), Option<Arc<Template>>>;

/// Everything that belongs to the house, as of one instant.
#[derive(Debug, Default)]
pub struct Houses {
    /// Tenants by id.
    pub homes: HashMap<TenantId, Arc<Home>>,
    /// Ids by the name in addresses.
    pub slugs: HashMap<String, TenantId>,
    /// Keys by the part that is shown.
    pub keys: HashMap<String, Arc<KeyRow>>,
    /// Whose an account is, for webhooks that name nothing else.
    pub accounts: HashMap<ConnectionId, TenantId>,
    tenants: Arc<HashMap<TenantId, Arc<Tenant>>>,
    /// The number of the last change that is in it.
    changed: i64,
}

/// Where the present [`Houses`] are found.
pub struct Registry {
    now: ArcSwap<Houses>,
    master: MasterKey,
    http: Http,
}

impl std::fmt::Debug for Registry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Registry")
    }
}

/// Why a tenant could not be loaded.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Its configuration has problems.
    #[error("the configuration of {tenant} has problems: {}", list(.problems))]
    Config {
        /// Its name in addresses.
        tenant: String,
        /// All of them.
        problems: Vec<Problem>,
    },
}

fn list(problems: &[Problem]) -> String {
    problems
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join("; ")
}

impl Registry {
    /// An empty one; call [`Registry::reload`].
    pub fn new(master: MasterKey, http: Http) -> Self {
        Self {
            now: ArcSwap::from_pointee(Houses::default()),
            master,
            http,
        }
    }

    /// The houses as they are now.
    pub fn houses(&self) -> Arc<Houses> {
        self.now.load_full()
    }

    /// What the turns see.
    pub fn tenants(&self) -> Arc<HashMap<TenantId, Arc<Tenant>>> {
        Arc::clone(&self.now.load().tenants)
    }

    /// A tenant by id.
    pub fn home(&self, tenant: TenantId) -> Option<Arc<Home>> {
        self.now.load().homes.get(&tenant).cloned()
    }

    /// A tenant by its name in addresses.
    pub fn by_slug(&self, slug: &str) -> Option<Arc<Home>> {
        let houses = self.now.load();
        houses
            .slugs
            .get(slug)
            .and_then(|id| houses.homes.get(id))
            .cloned()
    }

    /// The tenant that an account belongs to.
    pub fn by_connection(&self, connection: ConnectionId) -> Option<Arc<Home>> {
        let houses = self.now.load();
        houses
            .accounts
            .get(&connection)
            .and_then(|id| houses.homes.get(id))
            .cloned()
    }

    /// The master key.
    pub const fn master(&self) -> &MasterKey {
        &self.master
    }

    /// The guarded way out.
    pub const fn http(&self) -> &Http {
        &self.http
    }

    /// Reads anew what changed since it was read last: two statements, and a few for each tenant of which something changed. A tenant whose
    /// configuration has problems keeps the one it had, and the problems are logged; one that never had any is left out.
    pub fn reload(&self, store: &impl House) -> Result<(), StoreError> {
        let before = self.now.load_full();
        let since = if before.homes.is_empty() {
            -1
        } else {
            before.changed
        };
        let changed = store.tenants_since(since)?;
        if changed.is_empty() {
            return Ok(());
        }
        let mut houses = Houses {
            homes: before.homes.clone(),
            slugs: before.slugs.clone(),
            keys: HashMap::new(),
            accounts: before.accounts.clone(),
            tenants: Arc::default(),
            changed: since,
        };
        let mut tenants = HashMap::clone(&before.tenants);
        for (row, number) in changed {
            houses.changed = houses.changed.max(number);
            let slug = row.slug.clone();
            let id = row.id;
            let home = match self.load(store, row, before.homes.get(&id)) {
                Ok(home) => Arc::new(home),
                Err(LoadError::Store(error)) => return Err(error),
                Err(error @ LoadError::Config { .. }) => {
                    tracing::error!(%error, "the configuration before stays in force");
                    match before.homes.get(&id) {
                        Some(home) => Arc::clone(home),
                        None => continue,
                    }
                }
            };
            tenants.insert(id, Arc::clone(&home.tenant));
            houses.accounts.retain(|_, owner| *owner != id);
            houses
                .accounts
                .extend(home.connections.iter().map(|row| (row.id, id)));
            houses.slugs.insert(slug, id);
            houses.homes.insert(id, home);
        }
        houses.keys = store
            .keys()?
            .into_iter()
            .map(|key| (key.shown.clone(), Arc::new(key)))
            .collect();
        houses.tenants = Arc::new(tenants);
        self.now.store(Arc::new(houses));
        Ok(())
    }

    fn load(
        &self,
        store: &impl House,
        row: TenantRow,
        before: Option<&Arc<Home>>,
    ) -> Result<Home, LoadError> {
        let documents: BTreeMap<String, Document> = store
            .documents(row.id)?
            .into_iter()
            .filter_map(|document| {
                Some((
                    document.path,
                    Document {
                        version: document.version,
                        text: document.text?,
                    },
                ))
            })
            .collect();
        let files: Vec<(String, i64)> = documents
            .iter()
            .map(|(path, document)| (path.clone(), document.version))
            .collect();
        let config = match before.filter(|before| before.files == files) {
            // No document changed, so the configuration is the one there is: compiling it again would hold up the turns.
            Some(before) => Arc::clone(&before.tenant.config),
            None => Arc::new(self.compile(store, &row, &documents)?),
        };
        let rows = store.connections(row.id)?;
        let (mut channels, mut broken, mut connections) =
            (HashMap::new(), HashMap::new(), Vec::new());
        for one in &rows {
            let settings = self.settings(row.id, one);
            let opened = settings
                .as_ref()
                .map_err(Clone::clone)
                .and_then(|settings| self.open_with(one, settings));
            let settings = settings.unwrap_or_default();
            let mut connection = Connection {
                id: one.id,
                channel: one.channel,
                provider: one.provider.clone(),
                name: one.name.clone(),
                enabled: false,
                repeat: Repeat::Blind,
                answers_opt_out: false,
                pace: Pace::default(),
                registration: ringback_channels::registration_of(&one.provider, &settings),
            };
            match opened {
                Ok(channel) => {
                    let able = channel.capabilities();
                    connection.enabled = one.enabled;
                    connection.repeat = able.repeat;
                    connection.answers_opt_out = able.answers_opt_out;
                    connection.pace = pace(able.rate, &settings);
                    channels.insert(one.id, channel);
                }
                Err(why) => {
                    tracing::error!(tenant = %row.slug, connection = %one.name, why, "a connection could not be opened");
                    broken.insert(one.id, why);
                }
            }
            connections.push(connection);
        }
        let tenant = Tenant {
            id: row.id,
            slug: row.slug.clone(),
            zone: config.settings.time_zone.rules().clone(),
            config,
            staff: store.staff(row.id)?,
            connections,
            kill: row.kill.clone(),
            sandbox: row.sandbox,
            most_per_hour: row.messages_per_hour,
            references: ReferenceKey::new(&row.secret),
            hold: store.hold(row.id)?.and_then(|hold| hold.in_force()),
        };
        let about = Own::new(about(&tenant.config.settings));
        Ok(Home {
            about,
            tenant: Arc::new(tenant),
            row,
            connections: rows,
            channels,
            broken,
            files,
            past: Mutex::default(),
        })
    }

    /// Reads the documents, with the older versions that open runs still go by.
    fn compile(
        &self,
        store: &impl House,
        row: &TenantRow,
        documents: &BTreeMap<String, Document>,
    ) -> Result<TenantConfig, LoadError> {
        let mut config =
            ringback_core::config::load(documents).map_err(|problems| LoadError::Config {
                tenant: row.slug.clone(),
                problems,
            })?;
        let past = self.past_workflows(store, row, &config)?;
        for problem in config.remember(
            past.iter()
                .map(|(path, document)| (path.as_str(), document)),
        ) {
            tracing::warn!(tenant = %row.slug, %problem, "an older version that runs still go by cannot be read");
        }
        Ok(config)
    }

    /// Workflows of versions that open runs still go by (W4).
    fn past_workflows(
        &self,
        store: &impl House,
        row: &TenantRow,
        config: &TenantConfig,
    ) -> Result<Vec<(String, Document)>, StoreError> {
        let mut past = Vec::new();
        for (name, version) in store.open_workflows(row.id)? {
            let current = config.workflows.get(&name);
            if current.is_some_and(|workflow| workflow.version == version) {
                continue;
            }
            let path = current.map_or_else(
                || format!("workflows/{name}.yaml"),
                |workflow| workflow.path.clone(),
            );
            if let Some(text) = store
                .document(row.id, &path, Some(version))?
                .and_then(|document| document.text)
            {
                past.push((path, Document { version, text }));
            }
        }
        Ok(past)
    }

    /// An account's settings, unsealed.
    fn settings(
        &self,
        tenant: TenantId,
        row: &ConnectionRow,
    ) -> Result<BTreeMap<String, String>, String> {
        self.master
            .open(tenant, row.id, &row.settings)
            .map_err(|error| error.to_string())
    }

    fn open_with(
        &self,
        row: &ConnectionRow,
        settings: &BTreeMap<String, String>,
    ) -> Result<Arc<dyn Channel>, String> {
        ringback_channels::open(&row.provider, settings, &self.http)
            .map_err(|error| error.to_string())
    }

    /// Opens an account with its sealed settings.
    pub fn open(&self, tenant: TenantId, row: &ConnectionRow) -> Result<Arc<dyn Channel>, String> {
        self.open_with(row, &self.settings(tenant, row)?)
    }
}

/// How much an account may be used: its rate, and what was set for it.
fn pace(rate: Option<Rate>, settings: &BTreeMap<String, String>) -> Pace {
    let (per_hour, per_day) = ringback_channels::most_of(settings).unwrap_or_default();
    let interval = rate.map(|rate| {
        let per = i64::try_from(rate.per.as_micros()).unwrap_or(i64::MAX);
        per / i64::from(rate.count.max(1))
    });
    Pace {
        interval,
        per_hour,
        per_day,
    }
}

impl Home {
    /// The template a message was decided with: the newest when it is that version, else the one of that version, read
    /// once. `read` answers path and text of that version.
    pub fn template(
        &self,
        name: &str,
        channel: ChannelKind,
        version: i64,
        read: impl FnOnce() -> Option<(String, String)>,
    ) -> Option<Arc<Template>> {
        let newest = self.tenant.config.template(name, channel, None);
        if let Some(newest) = newest
            && newest.version == version
        {
            return Some(Arc::clone(newest));
        }
        if let Some(other) = self.tenant.config.template_version(name, channel, version) {
            return Some(Arc::clone(other));
        }
        let key = (name.to_owned(), channel.code(), version);
        let mut past = self.past.lock().unwrap_or_else(PoisonError::into_inner);
        let found = past.entry(key).or_insert_with(|| {
            let (path, text) = read()?;
            Template::parse(&path, &text)
                .ok()
                .map(|template| Arc::new(template.with_version(version)))
        });
        found.clone()
    }

    /// True while any message would go to the sandbox: no real account for texts or mails.
    pub fn in_sandbox(&self) -> bool {
        self.tenant.sandbox
            || !(self.tenant.has(ChannelKind::Sms) || self.tenant.has(ChannelKind::Email))
    }
}

/// What every template may say of the business.
pub(crate) fn about(settings: &Settings) -> serde_json::Value {
    serde_json::json!({
        "name": settings.name,
        "phone": settings.phone,
        "email": settings.email,
        "address": settings.postal_address,
        "website": settings.website,
        "region": settings.region,
        "color": settings.branding.color,
    })
}
