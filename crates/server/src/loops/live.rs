//! What changed, for browsers that look: gathered for 25 ms, then told once (U, N6).

use ringback_core::ids::{LeadId, TenantId};
use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::broadcast;

/// Something that pages show has changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LiveChange {
    /// Whose.
    pub tenant: TenantId,
    /// Counts up; a browser that missed one asks for everything.
    pub version: u64,
    /// The leads that changed, at most 50; more are `None`.
    pub leads: Option<Vec<LeadId>>,
}

/// The hub between the writer and the browsers.
#[derive(Debug)]
pub struct Live {
    pending: Mutex<HashMap<TenantId, BTreeSet<LeadId>>>,
    version: AtomicU64,
    out: broadcast::Sender<Arc<LiveChange>>,
    wake: tokio::sync::Notify,
    doors: tokio::sync::watch::Sender<u64>,
}

const MOST_NAMED: usize = 50;

impl Default for Live {
    fn default() -> Self {
        Self {
            pending: Mutex::default(),
            version: AtomicU64::new(1),
            out: broadcast::channel(256).0,
            wake: tokio::sync::Notify::new(),
            doors: tokio::sync::watch::Sender::new(0),
        }
    }
}

impl Live {
    /// Notes what a turn changed. Cheap when nobody looks.
    pub fn note(&self, changed: impl IntoIterator<Item = (TenantId, Option<LeadId>)>) {
        if self.out.receiver_count() == 0 {
            return;
        }
        let mut pending = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
        for (tenant, lead) in changed {
            let leads = pending.entry(tenant).or_default();
            if leads.len() <= MOST_NAMED {
                leads.extend(lead);
            }
        }
        drop(pending);
        self.wake.notify_one();
    }

    /// Hears every change from now on.
    pub fn listen(&self) -> broadcast::Receiver<Arc<LiveChange>> {
        self.out.subscribe()
    }

    /// A key or a sign-in may have ended: whoever listens is asked anew whether they still may.
    pub fn ask_again(&self) {
        self.doors.send_modify(|n| *n += 1);
    }

    /// Hears when listeners are to be asked anew.
    pub fn doors(&self) -> tokio::sync::watch::Receiver<u64> {
        self.doors.subscribe()
    }

    /// The version of the last change.
    pub fn version(&self) -> u64 {
        self.version.load(Ordering::Relaxed)
    }

    /// Tells what was gathered, each 25 ms at most, until the server ends.
    pub async fn run(&self) {
        loop {
            self.wake.notified().await;
            tokio::time::sleep(std::time::Duration::from_millis(25)).await;
            let pending =
                std::mem::take(&mut *self.pending.lock().unwrap_or_else(PoisonError::into_inner));
            for (tenant, leads) in pending {
                let version = self.version.fetch_add(1, Ordering::Relaxed) + 1;
                let leads = (leads.len() <= MOST_NAMED).then(|| leads.into_iter().collect());
                // Nobody listening is fine.
                let _ = self.out.send(Arc::new(LiveChange {
                    tenant,
                    version,
                    leads,
                }));
            }
        }
    }
}
