//! A store with a business in it, on one engine or the other, gone with the test.

use ringback_core::config::{Document, TenantConfig, load};
use ringback_core::ids::{ConnectionId, IdMaker, TenantId};
use ringback_core::leads::ReferenceKey;
use ringback_core::messages::{ChannelKind, Message, Repeat};
use ringback_core::time::Timestamp;
use ringback_core::turn::world::{Consent, Point, PointKey, PointKind, Purpose, World};
use ringback_core::turn::{
    Answer, Batch, Connection, Decided, Dice, Lines, LookUps, Order, Pace, Queues, Registration,
    StaffMember, Tenant, Tenants,
};
use ringback_pgtest::{Database, Server, Template};
use ringback_store::{ConnectionRow, House as _, Readers, StoreError, TenantRow, Writer};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    Sqlite,
    Postgres,
}

/// Where the rows lie.
pub enum Place {
    Folder(PathBuf),
    Database(Database),
    /// With the house that this one stands beside.
    Elsewhere,
}

pub struct House {
    pub writer: Writer,
    pub readers: Readers,
    pub place: Place,
    pub tenants: Tenants,
    pub ids: IdMaker,
    pub lines: Lines,
    pub queues: Queues,
    dice: Throws,
}

/// The same throws for every house.
struct Throws(u64);

impl Dice for Throws {
    fn roll(&mut self) -> f64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 40) as f64 / (1u64 << 24) as f64
    }
}

pub fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

pub fn server() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(|| ringback_pgtest::shared().unwrap())
}

/// An empty house's database, copied from one that was prepared once.
pub fn database() -> Database {
    let schema = include_str!("../../migrations/postgres/V1__the_first_house.sql");
    let ready = match server().template(schema).unwrap() {
        Template::Ready(ready) => ready,
        Template::New(new) => {
            let (app, owner) = (new.database().app_url(), new.database().owner_url());
            drop(ringback_store::open_postgres(&app, Some(&owner)).unwrap());
            new.finish().unwrap()
        }
    };
    ready.database().unwrap()
}

fn read(dir: &Path, root: &Path, files: &mut BTreeMap<String, Document>) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let name = path
            .strip_prefix(root)
            .unwrap()
            .to_string_lossy()
            .into_owned();
        if path.is_dir() {
            read(&path, root, files);
        } else if !["events/", "site/", "README"]
            .iter()
            .any(|one| name.starts_with(one))
            && let Ok(text) = std::fs::read_to_string(&path)
        {
            files.insert(name, Document::new(text));
        }
    }
}

fn config(preset: &'static str) -> Arc<TenantConfig> {
    static READ: Mutex<BTreeMap<&str, Arc<TenantConfig>>> = Mutex::new(BTreeMap::new());
    let mut known = READ.lock().unwrap();
    Arc::clone(known.entry(preset).or_insert_with(|| read_preset(preset)))
}

fn read_preset(preset: &str) -> Arc<TenantConfig> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../presets")
        .join(preset);
    let mut files = BTreeMap::new();
    read(&root, &root, &mut files);
    Arc::new(load(&files).unwrap_or_else(|problems| panic!("{preset}: {problems:?}")))
}

/// A business of a preset with an account for texts and one for mails.
pub fn tenant(n: i64, preset: &'static str) -> Tenant {
    let config = config(preset);
    let connection = |channel: ChannelKind| Connection {
        id: ConnectionId::from_raw(100 * n + channel.code()),
        channel,
        provider: "simulated".into(),
        name: format!("{channel}"),
        enabled: true,
        repeat: Repeat::ByKey,
        answers_opt_out: false,
        pace: Pace::default(),
        registration: Registration::NotNeeded,
    };
    let staff = config.staff.people.iter().map(|person| StaffMember {
        name: person.name.clone(),
        phone: person.phone.as_ref().map(|phone| phone.as_str().to_owned()),
        email: person.email.as_ref().map(|email| email.as_str().to_owned()),
        roles: person.roles.iter().map(ToString::to_string).collect(),
        lists: Vec::new(),
        on_call: config.staff.on_call.as_ref() == Some(&person.name),
    });
    Tenant {
        id: TenantId::from_raw(n),
        slug: format!("{preset}-{n}"),
        zone: config.settings.time_zone.rules().clone(),
        staff: staff.collect(),
        connections: vec![connection(ChannelKind::Sms), connection(ChannelKind::Email)],
        kill: Vec::new(),
        hold: None,
        sandbox: false,
        most_per_hour: None,
        references: ReferenceKey::new(&[n as u8; 32]),
        config,
    }
}

impl House {
    pub fn open(engine: Engine) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let (writer, readers, place) = match engine {
            Engine::Sqlite => {
                let n = COUNT.fetch_add(1, Ordering::Relaxed);
                let folder = std::env::temp_dir()
                    .join(format!("ringback-engines-{}-{n}", std::process::id()));
                let _ = std::fs::remove_dir_all(&folder);
                let (writer, readers, _) = ringback_store::open(&folder).unwrap();
                (writer, readers, Place::Folder(folder))
            }
            Engine::Postgres => {
                let database = database();
                let (writer, readers) =
                    ringback_store::open_postgres(&database.app_url(), None).unwrap();
                (writer, readers, Place::Database(database))
            }
        };
        Self::with(writer, readers, place)
    }

    /// A house on what was opened, with two businesses that move in.
    pub fn with(writer: Writer, readers: Readers, place: Place) -> Self {
        let mut house = Self {
            writer,
            readers,
            place,
            tenants: Tenants::new(),
            ids: IdMaker::new(0, 0),
            lines: Lines::default(),
            queues: Queues::default(),
            dice: Throws(1),
        };
        for one in [tenant(1, "plumbing"), tenant(2, "auto-glass")] {
            house.move_in(one);
        }
        house
    }

    /// Another node of the same house.
    pub fn beside(&self, writer: Writer, readers: Readers) -> Self {
        let mut house = Self {
            writer,
            readers,
            place: Place::Elsewhere,
            tenants: self.tenants.clone(),
            ids: IdMaker::new(0, 0),
            lines: Lines::default(),
            queues: Queues::default(),
            dice: Throws(2),
        };
        house.reads_the_house();
        house
    }

    /// Takes for true what is written down of the house now.
    pub fn reads_the_house(&mut self) {
        let version = self.writer.version().unwrap();
        self.writer.keeps_in_mind(version);
    }

    fn move_in(&mut self, tenant: Tenant) {
        let now = at("2026-03-02T16:00:00Z");
        self.writer.begin().unwrap();
        self.writer
            .insert_tenant(&TenantRow {
                id: tenant.id,
                slug: tenant.slug.clone(),
                name: tenant.slug.clone(),
                secret: vec![tenant.id.raw() as u8; 32],
                requests_per_minute: None,
                messages_per_hour: Some(60),
                sandbox: false,
                kill: Vec::new(),
                created_at: now,
            })
            .unwrap();
        for (position, one) in tenant.connections.iter().enumerate() {
            let row = ConnectionRow {
                id: one.id,
                channel: one.channel,
                provider: one.provider.clone(),
                name: one.name.clone(),
                settings: vec![1, 2, 3],
                path_secret: "secret".into(),
                position: position as i64,
                enabled: true,
                trouble: None,
                breaker: None,
                created_at: now,
            };
            self.writer.insert_connection(tenant.id, &row).unwrap();
        }
        // Everybody on the staff confirmed the number once (ST-1).
        let mut known = World::default();
        for value in tenant.staff.iter().filter_map(|one| one.phone.clone()) {
            let key = PointKey {
                tenant: tenant.id,
                kind: PointKind::Phone,
                value,
            };
            let mut point = Point::new(None, now);
            let basis = ringback_core::consent::Basis::Written;
            point.allow(
                ChannelKind::Sms.code(),
                Purpose::Staff,
                Consent::Granted,
                basis,
                None,
            );
            known.points.insert(key, Some(point));
        }
        self.writer.apply(&mut known, now).unwrap();
        self.writer.commit().unwrap();
        self.reads_the_house();
        self.tenants.insert(tenant.id, Arc::new(tenant));
    }

    /// One turn over these orders.
    pub fn turn(&mut self, orders: &[Order], now: Timestamp) -> Result<Decided, StoreError> {
        self.queues.fill(self.writer.queues().unwrap());
        let batch = Batch {
            orders,
            tenants: &self.tenants,
            now,
            ids: &mut self.ids,
            dice: &mut self.dice,
            lines: &mut self.lines,
            queues: &mut self.queues,
            distrust: None,
            looks: LookUps::default(),
            lease: Duration::from_secs(60),
            written: |answer: &Answer| (200, format!("{answer:?}")),
        };
        let decided = batch.commit(&mut self.writer, |_, _| Ok(()))?;
        for message in &decided.sent_off {
            self.lines.begin(message, None);
        }
        Ok(decided)
    }

    /// The call for a message ended.
    pub fn end_of_call(&mut self, message: &Message) {
        self.lines.end(message);
        self.queues.release(message.tenant, message.channel);
    }

    /// Every row of every table that both engines have, as text, but for what is random.
    pub fn rows(&self) -> BTreeMap<String, Vec<String>> {
        TABLES
            .iter()
            .map(|(table, columns)| {
                let mut rows = match &self.place {
                    Place::Folder(folder) => of_sqlite(folder, table, columns),
                    Place::Database(database) => of_postgres(database, table, columns),
                    Place::Elsewhere => panic!("ask the house that has the database"),
                };
                rows.sort();
                ((*table).to_owned(), rows)
            })
            .collect()
    }
}

impl Drop for House {
    fn drop(&mut self) {
        if let Place::Folder(folder) = &self.place {
            let _ = std::fs::remove_dir_all(folder);
        }
    }
}

fn of_sqlite(folder: &Path, table: &str, columns: &str) -> Vec<String> {
    let connection = rusqlite::Connection::open(folder.join("ringback.db")).unwrap();
    let shown: Vec<String> = columns
        .split(", ")
        .map(|one| match one.strip_prefix('#') {
            Some(bytes) => {
                format!("CASE WHEN {bytes} IS NULL THEN '-' ELSE lower(hex({bytes})) END")
            }
            None => format!("coalesce(CAST({one} AS TEXT), '-')"),
        })
        .collect();
    let sql = format!("SELECT {} FROM {table}", shown.join(" || '|' || "));
    let mut statement = connection.prepare(&sql).unwrap();
    let rows = statement.query_map([], |row| row.get(0)).unwrap();
    rows.map(Result::unwrap).collect()
}

fn of_postgres(database: &Database, table: &str, columns: &str) -> Vec<String> {
    let shown: Vec<String> = columns
        .split(", ")
        .map(|one| match one.strip_prefix('#') {
            Some(bytes) => format!("coalesce(encode({bytes}, 'hex'), '-')"),
            None => format!("coalesce({one}::text, '-')"),
        })
        .collect();
    // A line a row, also where a text has several.
    let sql = format!(
        "SELECT replace({}, E'\\n', '␤') FROM {table}",
        shown.join(" || '|' || ")
    );
    let said = database.sql(&sql).unwrap();
    said.lines().map(|line| line.replace('␤', "\n")).collect()
}

/// Tables with their columns; `#` before one of bytes. Salts are random, and so are the hashes over them; ids of administrative actions count
/// by tenant on PostgreSQL.
const TABLES: &[(&str, &str)] = &[
    (
        "leads",
        "id, tenant_id, number, first_name, last_name, phone, email, source, city, state, zip, country, time_zone, attributes, tags, products, product, stage, points, tier, anonymous, test, created_at, updated_at, last_event_at, ringing_since, answered_at, answered_by, merged_into, owner, kept, deleted_at",
    ),
    (
        "contact_points",
        "tenant_id, kind, value, lead_id, added_at, suppressed, suppressed_at, suppressed_how, consent, #terms, #recent",
    ),
    (
        "events",
        "id, tenant_id, lead_id, kind, at, received_at, source, actor, session_id, properties",
    ),
    ("event_keys", "tenant_id, lead_id, key, event_id"),
    (
        "sessions",
        "id, tenant_id, lead_id, number, started_at, last_at, data",
    ),
    (
        "score_states",
        "tenant_id, lead_id, model, session_id, points, tier, state",
    ),
    (
        "score_ledger",
        "tenant_id, lead_id, model, session_id, event_id, rule, model_version, points, at, why",
    ),
    (
        "runs",
        "id, tenant_id, lead_id, workflow, version, event_id, session_id, state, step, waits_for, wake_at, data, created_at, ended_at",
    ),
    (
        "jobs",
        "tenant_id, name, what, due_at, after_id, data, created_at",
    ),
    (
        "work",
        "id, tenant_id, lead_id, run_id, key, kind, title, assignee, due_at, data, created_at, done_at, done_by",
    ),
    (
        "messages",
        "id, tenant_id, lead_id, staff, run_id, step, notification_id, event_id, channel, connection_id, recipient, category, priority, status, state, due_at, created_at, expires_at, template, template_version, locale, body, data, plan, verdict, epoch, attempt_id, deadline, #hash, attempts, sandbox, repeated, provider_ref, accepted_at, settled_at, facts, why, cost_micros, currency, cause",
    ),
    (
        "attempts",
        "id, tenant_id, message_id, number, connection_id, started_at, finished_at, outcome, provider_ref, why, late",
    ),
    ("seen", "tenant_id, day, key"),
    ("wordings", "tenant_id, #hash, text, first_at"),
    (
        "consents",
        "id, tenant_id, lead_id, kind, value, channel, purpose, granted, basis, #wording, wrote, method, page, ip, actor, expires_at, at, erased_at, conditions",
    ),
    (
        "chain",
        "tenant_id, seq, entry, CASE WHEN entry = 0 THEN row_id END, at",
    ),
    ("counters", "tenant_id, name, slot, n"),
    (
        "idempotency_keys",
        "tenant_id, day, key, #hash, status, answer",
    ),
    (
        "set_aside",
        "id, tenant_id, lead_id, fingerprint, error, raw, at",
    ),
    (
        "errors",
        "tenant_id, fingerprint, severity, message, context, n, first_at, last_at",
    ),
    ("audit", "tenant_id, at, actor, address, action, details"),
    (
        "connections",
        "id, tenant_id, channel, provider, name, #settings, path_secret, position, enabled, trouble, breaker, created_at",
    ),
    (
        "documents",
        "tenant_id, path, version, text, created_at, actor",
    ),
    (
        "staff",
        "tenant_id, name, phone, email, roles, lists, on_call",
    ),
    (
        "drafts",
        "id, tenant_id, form, #hash, data, step, at, lead_id",
    ),
    (
        "tenants",
        "id, slug, name, #secret, requests_per_minute, messages_per_hour, sandbox, kill, created_at",
    ),
];
