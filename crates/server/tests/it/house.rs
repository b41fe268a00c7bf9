//! A server on a folder of its own, with businesses opened from the presets, and a caller who speaks to its router.

use crate::database;
use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Method, Request, StatusCode, header};
use http_body_util::BodyExt as _;
use ringback_core::config::{Document, load};
use ringback_core::consent::Basis;
use ringback_core::ids::{KeyId, TenantId};
use ringback_core::messages::ChannelKind;
use ringback_core::time::{Clock, Timestamp};
use ringback_core::turn::StaffMember;
use ringback_core::turn::world::{Consent, Point, PointKey, PointKind, Purpose};
use ringback_server::http::{hash_key, make_key};
use ringback_server::recovery::{
    HoldWish, RestoreError, RestoreWish, TenantReport, hold_database, restore,
};
use ringback_server::{App, Loops, MasterKey, Settings, StartError, backups};
use ringback_store::{KeyKind, KeyRow, Role, TenantRow};
use serde_json::Value;
use std::collections::BTreeMap;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tower::ServiceExt as _;

/// A clock that tests move. It begins on a Monday at 10 in the morning in Denver.
#[derive(Debug)]
pub struct Hands(Mutex<Timestamp>);

impl Hands {
    /// Moves on.
    pub fn forward(&self, length: jiff::SignedDuration) {
        let mut now = self.0.lock().unwrap();
        *now += length;
    }
}

impl Clock for Hands {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap()
    }
}

/// A server with its router.
pub struct House {
    pub app: App,
    pub clock: Arc<Hands>,
    loops: Option<Loops>,
    router: Router,
    pub folder: PathBuf,
    database: Option<ringback_pgtest::Database>,
    role: Role,
}

/// A business in the house, with its keys.
#[derive(Debug, Clone)]
pub struct Guest {
    pub id: TenantId,
    /// A live key that may do everything.
    pub key: String,
    /// A test key.
    pub test_key: String,
}

/// What a route answered.
#[derive(Debug)]
pub struct Reply {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub text: String,
    pub json: Value,
}

impl Reply {
    /// The reply, when it has this status.
    #[track_caller]
    pub fn is(self, status: u16) -> Self {
        assert_eq!(self.status.as_u16(), status, "{}", self.text);
        self
    }

    /// A field as text.
    #[track_caller]
    pub fn text_of(&self, pointer: &str) -> String {
        self.json
            .pointer(pointer)
            .and_then(Value::as_str)
            .unwrap_or_else(|| panic!("{pointer} in {}", self.text))
            .to_owned()
    }

    /// A list.
    #[track_caller]
    pub fn data(&self) -> &Vec<Value> {
        self.json["data"]
            .as_array()
            .unwrap_or_else(|| panic!("no data in {}", self.text))
    }
}

static COUNT: AtomicU32 = AtomicU32::new(0);

impl House {
    /// A server that stands empty. Providers on this machine may be reached.
    pub async fn empty() -> Self {
        Self::empty_on(database::fresh())
    }

    /// The same on a file of SQLite, whatever the other tests stand on.
    pub async fn empty_on_file() -> Self {
        Self::empty_on(None)
    }

    /// The same as a node of PostgreSQL that does a part of the work.
    pub async fn empty_node(role: Role) -> Self {
        let mut house = Self::empty_on(Some(database::copy()));
        house.end();
        house.role = role;
        house.start();
        house
    }

    /// Another node of the same house, in a folder of its own with the same key.
    pub fn node(&self, role: Role) -> (App, Loops) {
        self.try_node(role, None).unwrap()
    }

    /// The same, when it speaks to the database at this address.
    pub fn node_at(&self, role: Role, address: &str) -> (App, Loops) {
        self.try_node(role, Some(address)).unwrap()
    }

    /// What another node says when it cannot start.
    pub fn second_node(&self, role: Role) -> Result<(), String> {
        self.try_node(role, None)
            .map(|_| ())
            .map_err(|error| error.to_string())
    }

    fn try_node(&self, role: Role, address: Option<&str>) -> Result<(App, Loops), StartError> {
        let folder = self.folder.join(format!("{role:?}"));
        std::fs::create_dir_all(&folder).unwrap();
        let key = "master.key";
        std::fs::copy(self.folder.join(key), folder.join(key)).unwrap();
        let mut settings = settings(folder, self.database.as_ref());
        settings.role = role;
        if let (Some(address), Some(database)) = (address, &mut settings.database) {
            address.clone_into(&mut database.serves);
        }
        App::start(settings, Arc::clone(&self.clock) as Arc<dyn Clock>)
    }

    /// The PostgreSQL database that it stands on.
    pub fn database(&self) -> &ringback_pgtest::Database {
        self.database.as_ref().unwrap()
    }

    fn empty_on(database: Option<ringback_pgtest::Database>) -> Self {
        let folder = std::env::temp_dir().join(format!(
            "ringback-it-{}-{}",
            std::process::id(),
            COUNT.fetch_add(1, Ordering::Relaxed)
        ));
        std::fs::create_dir_all(&folder).unwrap();
        let clock = Arc::new(Hands(Mutex::new("2026-11-23T17:00:00Z".parse().unwrap())));
        Self::on(folder, clock, database)
    }

    /// A second process that would like to have the same folder.
    pub fn second(&self) -> Result<(), String> {
        App::start(
            settings(self.folder.clone(), self.database.as_ref()),
            Arc::clone(&self.clock) as Arc<dyn Clock>,
        )
        .map(|_| ())
        .map_err(|error| error.to_string())
    }

    /// A server that stands empty on a database of PostgreSQL of its own, whatever the others stand on.
    pub async fn on_postgres() -> Self {
        Self::empty_on(Some(database::copy()))
    }

    /// Another node on the same database, with the same master key and the same clock. It knows what is there when it begins.
    pub fn neighbour(&self) -> Self {
        let n = COUNT.fetch_add(1, Ordering::Relaxed);
        let folder = self.folder.with_extension(format!("node-{n}"));
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::copy(self.folder.join("master.key"), folder.join("master.key")).unwrap();
        let settings = settings(folder.clone(), self.database.as_ref());
        Self::of(folder, Arc::clone(&self.clock), settings, None)
    }

    fn on(folder: PathBuf, clock: Arc<Hands>, database: Option<ringback_pgtest::Database>) -> Self {
        let settings = settings(folder.clone(), database.as_ref());
        Self::of(folder, clock, settings, database)
    }

    fn of(
        folder: PathBuf,
        clock: Arc<Hands>,
        settings: Settings,
        database: Option<ringback_pgtest::Database>,
    ) -> Self {
        let (app, loops) = App::start(settings, Arc::clone(&clock) as Arc<dyn Clock>).unwrap();
        let router = ringback_server::routes(&app);
        Self {
            app,
            clock,
            loops: Some(loops),
            router,
            folder,
            database,
            role: Role::All,
        }
    }

    /// A server with one business from a preset.
    pub async fn with(preset: &'static str) -> (Self, Guest) {
        let house = Self::empty().await;
        let guest = house.open(preset, preset).await;
        (house, guest)
    }

    /// A server with one business from a preset whose files were changed: text of a file, what it becomes.
    pub async fn changed(preset: &'static str, changes: &[(&str, &str, &str)]) -> (Self, Guest) {
        let house = Self::empty().await;
        let mut files = preset_files(preset);
        for (path, before, after) in changes {
            if before.is_empty() {
                files.push(((*path).to_owned(), (*after).to_owned()));
                continue;
            }
            let (_, text) = files.iter_mut().find(|(name, _)| name == path).unwrap();
            assert!(text.contains(before), "{before} in {path}");
            *text = text.replace(before, after);
        }
        let guest = house.open_files(preset, files).await;
        (house, guest)
    }

    /// Opens a business from a preset.
    pub async fn open(&self, slug: &'static str, preset: &str) -> Guest {
        self.open_files(slug, preset_files(preset)).await
    }

    async fn open_files(&self, slug: &'static str, files: Vec<(String, String)>) -> Guest {
        let documents: BTreeMap<String, Document> = files
            .iter()
            .map(|(path, text)| (path.clone(), Document::new(text.clone())))
            .collect();
        let config = load(&documents).unwrap();
        let (id, now) = (TenantId::from_raw(self.app.new_id()), self.app.now());
        let mut keys = Vec::new();
        let mut make = |kind, name: &str, scopes: &[&str]| {
            let made = make_key(kind);
            keys.push(self.key_row(id, kind, name, scopes, &made.shown, &made.whole));
            made.whole
        };
        let key = make(KeyKind::Secret, "all", &["*"]);
        let test_key = make(KeyKind::Test, "trying", &["*"]);
        let staff: Vec<StaffMember> = config
            .staff
            .people
            .iter()
            .map(|one| StaffMember {
                name: one.name.clone(),
                phone: one.phone.as_ref().map(|phone| phone.as_str().to_owned()),
                email: one.email.as_ref().map(|email| email.as_str().to_owned()),
                roles: one.roles.clone(),
                lists: config
                    .staff
                    .lists
                    .iter()
                    .filter(|(_, names)| names.contains(&one.name))
                    .map(|(list, _)| list.clone())
                    .collect(),
                on_call: config.staff.on_call.as_ref() == Some(&one.name),
            })
            .collect();
        self.app
            .change(move |writer| {
                writer.insert_tenant(&TenantRow {
                    id,
                    slug: slug.into(),
                    name: slug.into(),
                    secret: vec![id.raw() as u8; 32],
                    requests_per_minute: None,
                    messages_per_hour: None,
                    sandbox: false,
                    kill: Vec::new(),
                    created_at: now,
                })?;
                for (path, text) in &files {
                    writer.put_document(id, path, Some(text), "test", now)?;
                }
                // Everybody on the staff confirmed the number once, as people do when they begin (ST-1).
                let mut known = ringback_core::turn::World::default();
                for one in &staff {
                    writer.put_staff(id, one)?;
                    let Some(value) = one.phone.clone() else {
                        continue;
                    };
                    let key = PointKey {
                        tenant: id,
                        kind: PointKind::Phone,
                        value,
                    };
                    let mut point = Point::new(None, now);
                    let (granted, sms) = (Consent::Granted, ChannelKind::Sms.code());
                    point.allow(sms, Purpose::Staff, granted, Basis::Written, None);
                    known.points.insert(key, Some(point));
                }
                writer.apply(&mut known, now)?;
                for key in &keys {
                    writer.insert_key(key)?;
                }
                Ok(())
            })
            .await
            .unwrap();
        Guest { id, key, test_key }
    }

    fn key_row(
        &self,
        tenant: TenantId,
        kind: KeyKind,
        name: &str,
        scopes: &[&str],
        shown: &str,
        whole: &str,
    ) -> KeyRow {
        KeyRow {
            id: KeyId::from_raw(self.app.new_id()),
            tenant,
            kind,
            name: name.into(),
            shown: shown.into(),
            hash: hash_key(whole).to_vec(),
            scopes: scopes.iter().map(|scope| (*scope).to_owned()).collect(),
            expires_at: None,
            last_used_at: None,
            revoked_at: None,
            created_at: self.app.now(),
        }
    }

    /// A further live key with these scopes.
    pub async fn key(&self, guest: &Guest, scopes: &[&str]) -> String {
        let made = make_key(KeyKind::Secret);
        let row = self.key_row(
            guest.id,
            KeyKind::Secret,
            "some",
            scopes,
            &made.shown,
            &made.whole,
        );
        self.app
            .change(move |writer| writer.insert_key(&row))
            .await
            .unwrap();
        made.whole
    }

    /// The process ends as a crash ends it: what is under way has no end that anybody writes down. Another one opens the same folder.
    pub async fn die(&mut self) {
        self.end();
        self.start();
        // What was under way is written down before anything else is done.
        self.app.write(|_| Ok(())).await.unwrap();
    }

    /// Takes a backup beside the running server, as the operator of its database takes it.
    pub fn back_up(&self, to: &Path) {
        if let Some(database) = &self.database {
            std::fs::create_dir_all(to).unwrap();
            return database.dump(&to.join("ringback.dump")).unwrap();
        }
        let master = MasterKey::of_folder(&self.folder).unwrap();
        backups::take(&self.folder, to, &master, &*self.clock).unwrap();
    }

    /// The server ends, and what it stood on is left as it is.
    pub fn end(&mut self) {
        self.app.stopping.cancel();
        self.app.inbox.stop();
        if let Some(loops) = self.loops.take() {
            loops.join();
        }
    }

    /// A server on what there is now.
    pub fn start(&mut self) {
        let clock = Arc::clone(&self.clock) as Arc<dyn Clock>;
        let mut settings = settings(self.folder.clone(), self.database.as_ref());
        settings.role = self.role;
        let (app, loops) = App::start(settings, clock).unwrap();
        self.router = ringback_server::routes(&app);
        self.app = app;
        self.loops = Some(loops);
    }

    /// What the server stands on is another from now on.
    pub fn stands_on(&mut self, database: Option<ringback_pgtest::Database>) {
        self.database = database;
    }

    /// The end of a move that the server stands on.
    pub fn place(&self) -> ringback_store::moving::End {
        match database::of(self.database.as_ref()) {
            None => ringback_store::moving::End::Folder(self.folder.clone()),
            Some(of) => ringback_store::moving::End::Database {
                serves: of.serves,
                owner: of.owner,
            },
        }
    }

    /// The database is lost, what is beside it is not; the newest backup takes its place.
    pub async fn lose_and_restore(&mut self, from: &Path) -> Vec<TenantReport> {
        self.end();
        let tenants = match self.database.take() {
            Some(lost) => self.restore_database(lost, from),
            None => self.restore_file(from),
        };
        self.start();
        tenants
    }

    /// PostgreSQL is restored by its own tools; what follows is ours.
    fn restore_database(
        &mut self,
        lost: ringback_pgtest::Database,
        from: &Path,
    ) -> Vec<TenantReport> {
        let restored = lost.server().restored(&from.join("ringback.dump")).unwrap();
        drop(lost);
        // The server was alive when the backup was taken; what it was is in there.
        restored.sql("UPDATE nodes SET lease_until = 1").unwrap();
        let own = settings(self.folder.clone(), Some(&restored));
        let wish = HoldWish {
            database: own.database.unwrap(),
            data: own.data,
            journal: own.journal,
            journals: Vec::new(),
            without_journal: false,
            as_of: None,
            egress: own.egress,
            looks: own.looks,
            lease: own.lease,
        };
        let done = hold_database(&wish, &*self.clock).unwrap();
        self.database = Some(restored);
        done.tenants
    }

    fn restore_file(&self, from: &Path) -> Vec<TenantReport> {
        let own = settings(self.folder.clone(), None);
        let wish = RestoreWish {
            from: from.to_owned(),
            data: own.data,
            journal: own.journal,
            journal_from: None,
            without_journal: false,
            key: None,
            egress: own.egress,
            looks: own.looks,
            lease: own.lease,
        };
        let refused = restore(&wish, &*self.clock).unwrap_err();
        assert!(matches!(refused, RestoreError::Occupied(_)), "{refused}");
        for name in ["ringback.db", "ringback.db-wal", "ringback.db-shm"] {
            drop(std::fs::remove_file(self.folder.join(name)));
        }
        restore(&wish, &*self.clock).unwrap().tenants
    }

    /// Sends a request as it is.
    pub async fn send(&self, request: Request<Body>) -> Reply {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let text = String::from_utf8_lossy(&body.collect().await.unwrap().to_bytes()).into_owned();
        let json = serde_json::from_str(&text).unwrap_or(Value::Null);
        Reply {
            status: parts.status,
            headers: parts.headers,
            text,
            json,
        }
    }

    /// The response with its body still open.
    pub async fn open_stream(&self, key: &str, path: &str) -> axum::response::Response {
        self.router
            .clone()
            .oneshot(request(Method::GET, path, key).body(Body::empty()).unwrap())
            .await
            .unwrap()
    }

    /// GET.
    pub async fn get(&self, key: &str, path: &str) -> Reply {
        self.send(request(Method::GET, path, key).body(Body::empty()).unwrap())
            .await
    }

    /// DELETE.
    pub async fn delete(&self, key: &str, path: &str) -> Reply {
        self.send(
            request(Method::DELETE, path, key)
                .body(Body::empty())
                .unwrap(),
        )
        .await
    }

    /// POST of JSON.
    pub async fn post(&self, key: &str, path: &str, body: Value) -> Reply {
        self.call(Method::POST, key, path, body.to_string()).await
    }

    /// PATCH of JSON.
    pub async fn patch(&self, key: &str, path: &str, body: Value) -> Reply {
        self.call(Method::PATCH, key, path, body.to_string()).await
    }

    /// PUT of a text.
    pub async fn put(&self, key: &str, path: &str, body: impl Into<String>) -> Reply {
        self.call(Method::PUT, key, path, body.into()).await
    }

    /// Any method with any body.
    pub async fn call(
        &self,
        method: Method,
        key: &str,
        path: &str,
        body: impl Into<Body>,
    ) -> Reply {
        self.send(
            request(method, path, key)
                .header(header::CONTENT_TYPE, "application/json")
                .body(body.into())
                .unwrap(),
        )
        .await
    }

    /// POST with an Idempotency-Key.
    pub async fn post_once(&self, key: &str, path: &str, once: &str, body: Value) -> Reply {
        let request = request(Method::POST, path, key).header("idempotency-key", once);
        self.send(request.body(Body::from(body.to_string())).unwrap())
            .await
    }

    /// A lead of a person with this number, captured by API.
    pub async fn lead(&self, key: &str, phone: &str) -> String {
        self.post(
            key,
            "/v1/leads",
            serde_json::json!({"first_name": "Dana", "phone": phone, "source": "curl"}),
        )
        .await
        .is(201)
        .text_of("/id")
    }

    /// Waits until a question is answered with something, asked anew whenever anything changed. Ten seconds are for ever.
    pub async fn until<T, F: Future<Output = Option<T>>>(
        &self,
        what: &str,
        ask: impl Fn() -> F,
    ) -> T {
        let mut changes = self.app.live.listen();
        let found = async {
            loop {
                if let Some(found) = ask().await {
                    return found;
                }
                // Lagging is a change too.
                drop(changes.recv().await);
            }
        };
        tokio::time::timeout(Duration::from_secs(10), found)
            .await
            .unwrap_or_else(|_| panic!("waited in vain for {what}"))
    }

    /// Lets time pass, and has the loops look at the clock.
    pub async fn pass(&self, seconds: i64) {
        self.clock.forward(jiff::SignedDuration::from_secs(seconds));
        self.app.write(|_| Ok(())).await.unwrap();
    }

    /// Waits until a message stands there.
    pub async fn message_is(&self, key: &str, id: &str, statuses: &[&str]) -> Reply {
        let path = format!("/v1/messages/{id}");
        let path = &path;
        self.until(&format!("{id} to be {statuses:?}"), || async move {
            let reply = self.get(key, path).await.is(200);
            statuses
                .contains(&reply.json["status"].as_str().unwrap_or_default())
                .then_some(reply)
        })
        .await
    }
}

impl Drop for House {
    fn drop(&mut self) {
        self.end();
        if let Err(error) = std::fs::remove_dir_all(&self.folder) {
            println!("{}: {error}", self.folder.display());
        }
    }
}

/// Providers on this machine may be reached.
fn settings(folder: PathBuf, database: Option<&ringback_pgtest::Database>) -> Settings {
    let mut settings = Settings::new(folder, "https://ringback.example");
    settings.database = database::of(database);
    settings.egress.allow = vec!["127.0.0.0/8".parse().unwrap()];
    settings
}

/// A request with a key; an empty key is none.
pub fn request(method: Method, path: &str, key: &str) -> http::request::Builder {
    let request = Request::builder().method(method).uri(path);
    if key.is_empty() {
        request
    } else {
        request.header(header::AUTHORIZATION, format!("Bearer {key}"))
    }
}

/// The documents of a preset, read where they are.
fn preset_files(preset: &str) -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../presets")
        .join(preset);
    let mut files = Vec::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path
                .strip_prefix(&root)
                .unwrap()
                .to_string_lossy()
                .into_owned();
            if path.is_dir() {
                if !["site", "events"].contains(&name.as_str()) {
                    folders.push(path);
                }
            } else if !name.ends_with(".md") {
                files.push((name, std::fs::read_to_string(&path).unwrap()));
            }
        }
    }
    files.sort();
    files
}
