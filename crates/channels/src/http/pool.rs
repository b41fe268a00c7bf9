//! Connections kept open for the next call to the same place.
//!
//! Ours instead of hyper-util's, because a broken call must know whether its own bytes can have left: a connection serves one call
//! at a time, so what its meter counts between taking and breaking belongs to that call alone.

use super::dial::{Meter, Wire};
use bytes::Bytes;
use http::uri::Authority;
use http_body_util::Full;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::time::Instant;

/// Shorter than the shortest common keep-alive of servers (5 s), so that we close first and do not write into a closing connection,
/// which would leave us not knowing (M3).
const IDLE: Duration = Duration::from_secs(4);
/// More idle connections to one place than this are closed.
const MOST_IDLE: usize = 512;
/// How often places nobody calls any more are forgotten.
const SWEEP: Duration = Duration::from_secs(30);

/// The same for all calls that can share connections.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Key {
    pub encrypted: bool,
    pub authority: Authority,
}

/// A connection that is free or in the hands of one call.
#[derive(Debug)]
pub(super) struct Idle {
    pub sender: SendRequest<Full<Bytes>>,
    pub meter: Meter,
}

#[derive(Debug, Default)]
pub(super) struct Pool(Mutex<Places>);

#[derive(Debug, Default)]
struct Places {
    idle: HashMap<Key, Vec<(Instant, Idle)>>,
    swept: Option<Instant>,
}

/// Begins to speak HTTP on a new connection.
pub(super) async fn open(wire: Wire) -> Result<Idle, hyper::Error> {
    let meter = wire.meter.clone();
    let (mut sender, connection) = http1::Builder::new()
        .max_headers(100)
        .max_buf_size(64 * 1024)
        .handshake(TokioIo::new(wire))
        .await?;
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "connection to a provider ended");
        }
    });
    sender.ready().await?;
    Ok(Idle { sender, meter })
}

impl Pool {
    fn places(&self) -> MutexGuard<'_, Places> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The connection used last, if one is still open.
    pub fn take(&self, key: &Key) -> Option<Idle> {
        let mut places = self.places();
        let idle = places.idle.get_mut(key)?;
        while let Some((since, one)) = idle.pop() {
            if since.elapsed() > IDLE {
                idle.clear(); // the others are older
            } else if !one.sender.is_closed() {
                return Some(one);
            }
        }
        None
    }

    /// Takes a connection back after a whole answer.
    pub fn give(&self, key: Key, one: Idle) {
        if one.sender.is_closed() {
            return;
        }
        let now = Instant::now();
        let mut places = self.places();
        if places.swept.is_none_or(|at| now - at > SWEEP) {
            places.swept = Some(now);
            places.idle.retain(|_, idle| {
                idle.retain(|(since, one)| now - *since <= IDLE && !one.sender.is_closed());
                !idle.is_empty()
            });
        }
        let idle = places.idle.entry(key).or_default();
        if idle.len() < MOST_IDLE {
            idle.push((now, one));
        }
    }
}
