//! A server with two tenants: Alder Plumbing with a Twilio account that leads to us, Wren Auto Glass in the sandbox.

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::{HeaderMap, Request, StatusCode, header};
use bytes::Bytes;
use http_body_util::BodyExt as _;
use ringback_channels::Egress;
use ringback_core::ids::{ConnectionId, KeyId, LeadId, MessageId, TenantId};
use ringback_core::leads::Lead;
use ringback_core::messages::{ChannelKind, Message, Status};
use ringback_core::time::{Clock, Timestamp};
use ringback_core::turn::StaffMember;
use ringback_core::turn::world::{Point, PointKey, PointKind};
use ringback_server::{App, Loops, Settings};
use ringback_store::{
    ConnectionRow, EventView, House as _, KeyKind, KeyRow, LeadFilter, SpamView, TenantRow,
};
use serde_json::Value;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tower::ServiceExt as _;

/// The auth token that webhooks are signed with.
pub const TOKEN: &str = "example-auth-token";
/// Where the server believes to be.
pub const PUBLIC: &str = "https://ringback.test";

/// A clock that only tests move.
#[derive(Debug)]
pub struct MovableClock(AtomicI64);

impl Clock for MovableClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_microsecond(self.0.load(Ordering::SeqCst)).unwrap()
    }
}

/// A data folder that goes with the test.
#[derive(Debug)]
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let name = format!(
            "ringback-doors-{}-{}",
            std::process::id(),
            COUNT.fetch_add(1, Ordering::Relaxed)
        );
        Self(std::env::temp_dir().join(name))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).ok();
    }
}

/// Plays Twilio: accepts everything and remembers it.
#[derive(Debug, Default)]
pub struct Far {
    texts: Mutex<Vec<BTreeMap<String, String>>>,
}

impl Far {
    /// The texts to a number, in order.
    pub fn to(&self, number: &str) -> Vec<String> {
        let texts = self.texts.lock().unwrap();
        texts
            .iter()
            .filter(|text| text["To"] == number)
            .map(|text| text["Body"].clone())
            .collect()
    }
}

async fn twilio() -> (Arc<Far>, SocketAddr) {
    let far = Arc::new(Far::default());
    let kept = Arc::clone(&far);
    let answer = move |body: Bytes| async move {
        let text = url::form_urlencoded::parse(&body).into_owned().collect();
        let mut texts = kept.texts.lock().unwrap();
        texts.push(text);
        (
            StatusCode::CREATED,
            axum::Json(
                serde_json::json!({"sid": format!("SM{:032x}", texts.len()), "status": "queued"}),
            ),
        )
    };
    let routes = Router::new().fallback(answer);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        // The framework's own loop is not built in; one connection after the other is enough here.
        while let Ok((stream, _)) = listener.accept().await {
            let service = hyper_util::service::TowerToHyperService::new(routes.clone());
            tokio::spawn(async move {
                let builder = hyper_util::server::conn::auto::Builder::new(
                    hyper_util::rt::TokioExecutor::new(),
                );
                builder
                    .serve_connection(hyper_util::rt::TokioIo::new(stream), service)
                    .await
                    .ok();
            });
        }
    });
    (far, address)
}

/// The server.
pub struct House {
    pub app: App,
    pub clock: Arc<MovableClock>,
    pub far: Arc<Far>,
    /// Alder Plumbing.
    pub alder: TenantId,
    /// Wren Auto Glass.
    pub wren: TenantId,
    /// Alder's Twilio account.
    pub twilio: ConnectionId,
    /// Wren's mail account, which takes reports signed with [`MAIL_SECRET`].
    pub mail: ConnectionId,
    _database: Option<ringback_pgtest::Database>,
    router: Router,
    loops: Mutex<Option<Loops>>,
    changes: tokio::sync::broadcast::Receiver<Arc<ringback_server::LiveChange>>,
    _folder: Folder,
}

/// Everybody on the staff confirmed the number once, as people do when they begin (ST-1).
async fn staff_confirmed(app: &App, tenant: TenantId) {
    let home = app.registry.home(tenant).unwrap();
    let now = app.now();
    app.change(move |writer| {
        let mut known = ringback_core::turn::World::default();
        for value in home.tenant.staff.iter().filter_map(|one| one.phone.clone()) {
            let key = PointKey {
                tenant,
                kind: PointKind::Phone,
                value,
            };
            let mut point = Point::new(None, now);
            point.allow(
                ChannelKind::Sms.code(),
                ringback_core::turn::world::Purpose::Staff,
                ringback_core::turn::world::Consent::Granted,
                ringback_core::consent::Basis::Written,
                None,
            );
            known.points.insert(key, Some(point));
        }
        writer.apply(&mut known, now)
    })
    .await
    .unwrap();
}

/// The signing secret of Wren's mail account.
pub const MAIL_SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// An answer, read whole.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Answer {
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("no JSON: {}", self.text()))
    }

    pub fn header(&self, name: impl header::AsHeaderName) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    /// The value of an input on a page.
    pub fn input(&self, name: &str) -> Option<String> {
        let (_, rest) = self
            .text()
            .split_once(&format!("name=\"{name}\" value=\""))?;
        rest.split('"').next().map(str::to_owned)
    }
}

impl House {
    /// Monday, 23 November 2026, 11:00 in Denver.
    pub async fn open() -> Self {
        Self::open_with(10_000, |_, text| text.to_owned()).await
    }

    /// The same with another limit for one address, and documents changed on their way in: path and text.
    pub async fn open_with(per_minute: u32, change: fn(&str, &str) -> String) -> Self {
        let folder = Folder::new();
        let start: Timestamp = "2026-11-23T18:00:00Z".parse().unwrap();
        let clock = Arc::new(MovableClock(AtomicI64::new(start.as_microsecond())));
        let (far, address) = twilio().await;
        let mut settings = Settings::new(folder.0.clone(), PUBLIC);
        settings.egress = Egress {
            allow: vec!["127.0.0.0/8".parse().unwrap()],
            allow_http: true,
        };
        settings.public_per_minute = per_minute;
        let database = crate::database::fresh();
        settings.database = crate::database::of(database.as_ref());
        let (app, loops) = App::start(settings, Arc::clone(&clock) as Arc<dyn Clock>).unwrap();
        let changes = app.live.listen();
        let alder = tenant(&app, "alder", "plumbing", change).await;
        let wren = tenant(&app, "wren", "auto-glass", change).await;
        staff_confirmed(&app, alder).await;
        let base = format!("http://{address}");
        let twilio = connection(
            &app,
            alder,
            ("twilio", ChannelKind::Sms),
            &[
                ("account_sid", "AC0123456789abcdef0123456789abcdef"),
                ("auth_token", TOKEN),
                ("from", "+13035550100"),
                ("campaign", "CM0000"),
                ("base_url", &base),
                ("answers_opt_out", "no"),
            ],
        )
        .await;
        let mail = connection(
            &app,
            wren,
            ("resend", ChannelKind::Email),
            &[
                ("api_key", "re_example"),
                ("from", "hello@example.com"),
                ("base_url", &base),
                ("webhook_secret", MAIL_SECRET),
            ],
        )
        .await;
        let router = ringback_server::routes(&app);
        Self {
            _database: database,
            app,
            clock,
            far,
            alder,
            wren,
            twilio,
            mail,
            router,
            loops: Mutex::new(Some(loops)),
            changes,
            _folder: folder,
        }
    }

    /// Ends in order; what a test forgets to end, the process ends.
    pub async fn close(self) {
        let loops = self.loops.lock().unwrap().take();
        if let Some(loops) = loops {
            self.app.stop(loops).await;
        }
    }

    /// Time passes.
    pub fn pass(&self, seconds: i64) {
        self.clock
            .0
            .fetch_add(seconds * 1_000_000, Ordering::SeqCst);
    }

    /// A request from the address 203.0.113.`host`.
    pub async fn send_from(&self, host: u8, mut request: Request<Body>) -> Answer {
        request
            .extensions_mut()
            .insert(ConnectInfo(SocketAddr::from(([203, 0, 113, host], 40_000))));
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        Answer {
            status: parts.status,
            headers: parts.headers,
            body: body.collect().await.unwrap().to_bytes(),
        }
    }

    /// The response with its body still open.
    pub async fn stream(&self, request: Request<Body>) -> axum::response::Response {
        self.router.clone().oneshot(request).await.unwrap()
    }

    pub async fn send(&self, request: Request<Body>) -> Answer {
        self.send_from(7, request).await
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.send(Request::get(path).body(Body::empty()).unwrap())
            .await
    }

    /// A form as a browser posts it.
    pub async fn post_form(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let body = url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs(fields)
            .finish();
        self.send(
            Request::post(path)
                .header("content-type", "application/x-www-form-urlencoded")
                .body(Body::from(body))
                .unwrap(),
        )
        .await
    }

    pub async fn post_json(&self, path: &str, body: &Value) -> Answer {
        self.send(
            Request::post(path)
                .header("content-type", "application/json")
                .body(Body::from(body.to_string()))
                .unwrap(),
        )
        .await
    }

    /// A key of Alder's, as it was written elsewhere (adopted) or by us.
    pub async fn key(&self, kind: KeyKind, whole: &str) {
        let hash = ringback_server::http::hash_key(whole).to_vec();
        let shown = ["rb_live_", "rb_test_", "rb_write_"]
            .into_iter()
            .find(|prefix| whole.starts_with(prefix))
            .map_or(whole, |prefix| &whole[..prefix.len() + 8]);
        let row = KeyRow {
            id: KeyId::from_raw(self.app.new_id()),
            tenant: self.alder,
            kind,
            name: whole.to_owned(),
            shown: shown.to_owned(),
            hash,
            scopes: vec!["*".to_owned()],
            expires_at: None,
            last_used_at: None,
            revoked_at: None,
            created_at: self.app.now(),
        };
        self.app
            .change(move |writer| writer.insert_key(&row))
            .await
            .unwrap();
    }

    /// What could not be decided.
    pub async fn set_aside(&self, tenant: TenantId) -> Vec<String> {
        let rows = self
            .app
            .ask(move |store| store.set_aside(tenant, i64::MAX, 100))
            .await
            .unwrap();
        rows.into_iter().map(|row| row.error).collect()
    }

    /// The leads of a tenant, newest first.
    pub async fn leads(&self, tenant: TenantId) -> Vec<Lead> {
        self.app
            .ask(move |store| store.leads(tenant, &LeadFilter::default(), None, 100))
            .await
            .unwrap()
    }

    /// A lead's history, oldest first.
    pub async fn timeline(&self, tenant: TenantId, lead: LeadId) -> Vec<EventView> {
        let mut events = self
            .app
            .ask(move |store| store.timeline(tenant, lead, None, 500))
            .await
            .unwrap();
        events.reverse();
        events
    }

    pub async fn messages(&self, tenant: TenantId) -> Vec<Message> {
        self.app
            .ask(move |store| store.messages(tenant, None, None, None, None, 100))
            .await
            .unwrap()
    }

    pub async fn message(&self, tenant: TenantId, id: MessageId) -> Message {
        self.app
            .ask(move |store| store.message(tenant, id))
            .await
            .unwrap()
            .unwrap()
    }

    pub async fn point(&self, tenant: TenantId, kind: PointKind, value: &str) -> Option<Point> {
        let key = PointKey {
            tenant,
            kind,
            value: value.to_owned(),
        };
        self.app.ask(move |store| store.point(&key)).await.unwrap()
    }

    pub async fn spam(&self, tenant: TenantId) -> Vec<SpamView> {
        self.app
            .ask(move |store| store.spam(tenant, None, 100))
            .await
            .unwrap()
    }

    /// Waits until something is so, looking again whenever the house tells of a change.
    pub async fn until<T>(&self, what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
        let mut changes = self.changes.resubscribe();
        let waiting = async {
            loop {
                if let Some(found) = look().await {
                    return found;
                }
                let heard = changes.recv().await;
                assert!(
                    !matches!(heard, Err(tokio::sync::broadcast::error::RecvError::Closed)),
                    "the house fell silent"
                );
            }
        };
        match tokio::time::timeout(Duration::from_secs(20), waiting).await {
            Ok(found) => found,
            Err(_) => panic!(
                "never came: {what}; set aside: {:?}; messages: {:#?}",
                self.set_aside(self.alder).await,
                self.messages(self.alder).await
            ),
        }
    }

    /// Waits until a message of Alder's stands so.
    pub async fn stands(&self, id: MessageId, status: Status) -> Message {
        self.until(status.as_str(), async || {
            self.messages(self.alder)
                .await
                .into_iter()
                .find(|message| message.id == id && message.status == status)
        })
        .await
    }

    /// The public address of a connection's webhooks.
    pub fn hook_url(&self, tenant: TenantId, connection: ConnectionId) -> String {
        let home = self.app.registry.home(tenant).unwrap();
        let row = home
            .connections
            .iter()
            .find(|row| row.id == connection)
            .unwrap();
        ringback_server::webhook_url(PUBLIC, row)
    }

    /// Posts a signed webhook.
    pub async fn hook(&self, hook: &ringback_channels::RawHook) -> Answer {
        let path = hook.url.strip_prefix(PUBLIC).unwrap();
        let mut request = Request::post(path)
            .body(Body::from(hook.body.clone()))
            .unwrap();
        *request.headers_mut() = hook.headers.clone();
        self.send(request).await
    }
}

async fn tenant(app: &App, slug: &str, preset: &str, change: fn(&str, &str) -> String) -> TenantId {
    let id = TenantId::from_raw(app.new_id());
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../presets")
        .join(preset);
    let mut documents = Vec::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let name = path
                .strip_prefix(&root)
                .unwrap()
                .to_str()
                .unwrap()
                .to_owned();
            let wanted = ["tenant.yaml", "staff.yaml"].contains(&name.as_str())
                || ["products/", "scores/", "workflows/", "templates/", "forms/"]
                    .iter()
                    .any(|folder| name.starts_with(folder));
            if wanted {
                let text = change(&name, &std::fs::read_to_string(&path).unwrap());
                documents.push((name, text));
            }
        }
    }
    let row = TenantRow {
        id,
        slug: slug.to_owned(),
        name: slug.to_owned(),
        secret: vec![7; 32],
        requests_per_minute: None,
        messages_per_hour: None,
        sandbox: false,
        kill: Vec::new(),
        created_at: app.now(),
    };
    let now = app.now();
    let words = |all: &[&str]| all.iter().map(|one| (*one).to_owned()).collect();
    let ruth = StaffMember {
        name: "Ruth Example".to_owned(),
        phone: Some("+13035550190".to_owned()),
        email: Some("ruth@example.com".to_owned()),
        roles: words(&["owner", "office"]),
        lists: words(&["office", "admin", "emergency", "high_priority", "standard"]),
        on_call: true,
    };
    app.change(move |writer| {
        writer.insert_tenant(&row)?;
        for (path, text) in &documents {
            writer.put_document(id, path, Some(text), "test", now)?;
        }
        // Workflows that tell people of the business need somebody on every list.
        writer.put_staff(id, &ruth)
    })
    .await
    .unwrap();
    let home = app
        .registry
        .home(id)
        .unwrap_or_else(|| panic!("the preset {preset} has problems"));
    let staff = &home.tenant.config.staff;
    let people: Vec<StaffMember> = staff
        .people
        .iter()
        .map(|person| StaffMember {
            name: person.name.clone(),
            phone: person.phone.as_ref().map(|phone| phone.as_str().to_owned()),
            email: person.email.as_ref().map(|email| email.as_str().to_owned()),
            roles: person.roles.clone(),
            lists: staff
                .lists
                .iter()
                .filter(|(_, people)| people.contains(&person.name))
                .map(|(list, _)| list.clone())
                .collect(),
            on_call: staff.on_call.as_ref() == Some(&person.name),
        })
        .collect();
    app.change(move |writer| {
        people
            .iter()
            .try_for_each(|person| writer.put_staff(id, person))
    })
    .await
    .unwrap();
    id
}

async fn connection(
    app: &App,
    tenant: TenantId,
    (provider, channel): (&str, ChannelKind),
    settings: &[(&str, &str)],
) -> ConnectionId {
    let id = ConnectionId::from_raw(app.new_id());
    let settings: BTreeMap<String, String> = settings
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    let row = ConnectionRow {
        id,
        channel,
        provider: provider.to_owned(),
        name: provider.to_owned(),
        settings: app.registry.master().seal(tenant, id, &settings),
        path_secret: "p4thsecret".to_owned(),
        position: 0,
        enabled: true,
        trouble: None,
        breaker: None,
        created_at: app.now(),
    };
    app.change(move |writer| writer.insert_connection(tenant, &row))
        .await
        .unwrap();
    let home = app.registry.home(tenant).unwrap();
    assert!(home.broken.is_empty(), "{:?}", home.broken);
    id
}
