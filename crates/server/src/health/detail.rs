//! The health of the server in detail: a word, the reasons for it, and the figures behind them.

use super::PATIENCE;
use crate::app::App;
use crate::backups::BackupHealth;
use crate::connections::RestBody;
use crate::http::{ApiError, Caller};
use axum::Json;
use axum::extract::{FromRequestParts as _, Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use ringback_core::ids::ConnectionId;
use ringback_core::messages::ChannelKind;
use ringback_core::time::Timestamp;
use ringback_store::{ConnectionRow, House as _, WaitingCount};
use serde::Serialize;
use std::time::Duration;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(detail))
}

/// How the server is.
#[derive(Debug, Serialize, ToSchema)]
pub struct Health {
    /// `healthy`, `degraded` or `down`.
    status: &'static str,
    /// Why it is not healthy, in sentences.
    reasons: Vec<String>,
    /// The server's version.
    version: &'static str,
    /// Since when it runs.
    started_at: Timestamp,
    /// For how long, in seconds.
    uptime_seconds: i64,
    /// Memory in use, bytes.
    memory_bytes: Option<u64>,
    /// The database.
    database: Database,
    /// What waits.
    queue: Queue,
    /// The disk that the data folder is on.
    disk: Option<Disk>,
    /// The backups.
    backups: BackupHealth,
    /// Businesses whose messages to customers are held since a restore.
    held_since_restore: usize,
    /// Orders that wait for the writer.
    orders_waiting: usize,
    /// The version of the IANA zone data in use; they are part of the program, so that the machine's cannot change what a rule says.
    time_zone_data: &'static str,
    /// The caller's connections; only with a key.
    #[serde(skip_serializing_if = "Option::is_none")]
    connections: Option<Vec<ConnectionHealth>>,
}

/// The database.
#[derive(Debug, Serialize, ToSchema)]
pub struct Database {
    /// Whether it answers.
    answers: bool,
    /// How long the answer took.
    milliseconds: Option<f64>,
}

/// The disk that the data folder is on, as this process may use it. Unit: bytes.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
pub struct Disk {
    /// What may still be written.
    free_bytes: u64,
    /// All of it.
    total_bytes: u64,
}

/// What waits to be sent.
#[derive(Debug, Default, Serialize, ToSchema)]
pub struct Queue {
    /// Messages that wait, those for later included.
    waiting: i64,
    /// By channel.
    channels: Vec<ChannelQueue>,
    /// When the first of them is due.
    oldest_due_at: Option<Timestamp>,
    /// By how many seconds the oldest is late.
    late_seconds: i64,
    /// Calls to providers under way.
    in_flight: i64,
}

/// What waits on a channel.
#[derive(Debug, Serialize, ToSchema)]
pub struct ChannelQueue {
    /// The channel.
    #[schema(value_type = String)]
    channel: ChannelKind,
    /// How many wait.
    waiting: i64,
    /// When the first of them is due.
    oldest_due_at: Option<Timestamp>,
}

/// An account of the caller.
#[derive(Debug, Serialize, ToSchema)]
pub struct ConnectionHealth {
    /// Its id.
    #[schema(value_type = String)]
    id: ConnectionId,
    /// Its name.
    name: String,
    /// What it carries.
    #[schema(value_type = String)]
    channel: ChannelKind,
    /// Its settings can be used.
    configured: bool,
    /// It is on, and nothing is known to be wrong with it.
    available: bool,
    /// What is wrong.
    trouble: Option<String>,
    /// Since when it rests after repeated failures, why, and when it is tried again.
    rests: Option<RestBody>,
}

/// Messages this late mean that something is stuck (O3).
const LATE: i64 = 60;
const ORDERS_BEHIND: usize = 1_000;
/// Less room than this on the disk of the data folder means that intake will soon refuse (O7). Unit: bytes.
const LITTLE_ROOM: u64 = 512 << 20;

/// How the server is, with reasons; with a key also how the caller's connections are. 503 when it is down.
#[utoipa::path(get, path = "/health", tag = "health", responses((status = 200, description = "Healthy or degraded", body = Health), (status = 503, description = "Down", body = Health)))]
async fn detail(State(app): State<App>, request: Request) -> Result<Response, ApiError> {
    let caller = if request.headers().contains_key(header::AUTHORIZATION) {
        let (mut parts, _) = request.into_parts();
        Some(Caller::from_request_parts(&mut parts, &app).await?)
    } else {
        None
    };
    let tenant = caller.as_ref().map(|caller| caller.home.row.id);
    let began = crate::loops::instant();
    let asked = tokio::time::timeout(
        PATIENCE,
        app.ask(move |store| {
            let rows = tenant.map_or(Ok(Vec::new()), |tenant| store.connections(tenant))?;
            Ok(Asked {
                waiting: store.waiting()?,
                flying: store.flying()?,
                rows,
            })
        }),
    )
    .await;
    let took = began.elapsed();
    let health = assess(&app, caller.as_ref(), asked.ok().and_then(Result::ok), took);
    let status = if health.status == "down" {
        StatusCode::SERVICE_UNAVAILABLE
    } else {
        StatusCode::OK
    };
    Ok((status, Json(health)).into_response())
}

/// What the database was asked.
struct Asked {
    waiting: Vec<WaitingCount>,
    flying: i64,
    rows: Vec<ConnectionRow>,
}

fn assess(app: &App, caller: Option<&Caller>, asked: Option<Asked>, took: Duration) -> Health {
    let now = app.now();
    let answers = asked.is_some();
    let queue = asked
        .as_ref()
        .map(|asked| queue(&asked.waiting, asked.flying, now))
        .unwrap_or_default();
    let orders_waiting = app.inbox.waiting();
    let mut reasons = Vec::new();
    if app.stopping.is_cancelled() {
        reasons.push("The server is stopping.".to_owned());
    }
    if !answers {
        reasons.push("The database does not answer.".to_owned());
    }
    let down = !reasons.is_empty();
    if queue.late_seconds > LATE {
        reasons.push(format!(
            "The oldest message has been due for {} seconds.",
            queue.late_seconds
        ));
    }
    if orders_waiting > ORDERS_BEHIND {
        reasons.push(format!("{orders_waiting} requests wait for the database."));
    }
    let disk = disk(&app.settings.data);
    if let Some(disk) = disk.filter(|disk| disk.free_bytes < LITTLE_ROOM) {
        reasons.push(format!(
            "The disk of the data folder has {} MB left; when it is full, nothing new is taken in.",
            disk.free_bytes >> 20
        ));
    }
    // PostgreSQL has its own tools, of which nothing is known here.
    if app.settings.database.is_none() {
        reasons.extend(app.backups.trouble(now));
    }
    let houses = app.registry.houses();
    let held = |home: &&std::sync::Arc<crate::registry::Home>| home.tenant.hold.is_some();
    let held_since_restore = houses.homes.values().filter(held).count();
    if held_since_restore > 0 {
        reasons.push(format!(
            "The database was restored from a backup; messages to customers of {held_since_restore} businesses are held until a person lets them go."
        ));
    }
    let rows = asked.map(|asked| asked.rows).unwrap_or_default();
    let connections = caller.map(|caller| connections(caller, &rows));
    for one in connections.iter().flatten() {
        if let Some(rests) = &one.rests {
            reasons.push(format!(
                "Connection {} rests: {}",
                one.name,
                rests.because()
            ));
        }
        if let Some(trouble) = &one.trouble {
            reasons.push(format!("Connection {} has trouble: {trouble}", one.name));
        }
    }
    Health {
        status: if down {
            "down"
        } else if reasons.is_empty() {
            "healthy"
        } else {
            "degraded"
        },
        reasons,
        version: env!("CARGO_PKG_VERSION"),
        started_at: app.started_at,
        uptime_seconds: now.duration_since(app.started_at).as_secs().max(0),
        memory_bytes: memory(),
        database: Database {
            answers,
            milliseconds: answers.then(|| (took.as_secs_f64() * 1e5).round() / 100.0),
        },
        queue,
        disk,
        backups: app.backups.health(&app.settings.backup),
        held_since_restore,
        orders_waiting,
        time_zone_data: ringback_core::places::zone_data_version(),
        connections,
    }
}

fn queue(waiting: &[WaitingCount], in_flight: i64, now: Timestamp) -> Queue {
    let oldest = waiting.iter().filter_map(|one| one.oldest).min();
    Queue {
        waiting: waiting.iter().map(|one| one.n).sum(),
        channels: waiting
            .iter()
            .map(|one| ChannelQueue {
                channel: one.channel,
                waiting: one.n,
                oldest_due_at: one.oldest,
            })
            .collect(),
        oldest_due_at: oldest,
        late_seconds: oldest.map_or(0, |oldest| now.duration_since(oldest).as_secs().max(0)),
        in_flight,
    }
}

fn connections(caller: &Caller, rows: &[ConnectionRow]) -> Vec<ConnectionHealth> {
    let home = &caller.home;
    let view = |row: &ConnectionRow| {
        let broken = home.broken.get(&row.id).cloned();
        let trouble = broken.clone().or_else(|| row.trouble.clone());
        ConnectionHealth {
            id: row.id,
            name: row.name.clone(),
            channel: row.channel,
            configured: broken.is_none(),
            available: row.enabled && trouble.is_none() && row.breaker.is_none(),
            trouble,
            rests: row.breaker.as_ref().map(RestBody::new),
        }
    };
    rows.iter().map(view).collect()
}

/// Resident memory, from the kernel. Unit: bytes.
fn memory() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kilobytes: u64 = line.trim().trim_end_matches("kB").trim().parse().ok()?;
    Some(kilobytes * 1024)
}

/// The room on the disk of a folder, as the kernel says.
fn disk(folder: &std::path::Path) -> Option<Disk> {
    let room = rustix::fs::statvfs(folder).ok()?;
    Some(Disk {
        free_bytes: room.f_bavail.saturating_mul(room.f_frsize),
        total_bytes: room.f_blocks.saturating_mul(room.f_frsize),
    })
}
