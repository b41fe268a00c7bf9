//! What changed, for browsers that look: gathered for 25 ms, then told once (U, N6).

use ringback_core::ids::{EventId, LeadId, TenantId};
use ringback_core::time::Timestamp;
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

/// Something that a person of the business should look at now (N6).
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct LiveAlert {
    /// Whose.
    #[serde(skip)]
    pub tenant: TenantId,
    /// The line of the lead's history that it comes from: the same alert has the same id on every node.
    pub id: EventId,
    /// What happened: `lead_ringing`, `lead_taken`, `lead_assigned`, `lead_replied`, `lead_status_changed`, `churn_risk`, `call_started`,
    /// `call_ended`, `appointment_booked`, `appointment_changed`.
    pub event: &'static str,
    /// `low`, `normal`, `high` or `critical`.
    pub urgency: &'static str,
    /// The lead.
    pub lead: LeadId,
    /// A sentence.
    pub title: String,
    /// When.
    pub at: Timestamp,
    /// What can be done, at most three.
    pub actions: Vec<LiveAction>,
}

/// Something that can be done about an alert.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct LiveAction {
    /// The words on the button.
    pub label: &'static str,
    /// `GET` opens it; `POST` does it.
    pub method: &'static str,
    /// The page's address, for people.
    pub href: String,
    /// The address of the API that does the same; none where there is no such thing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub api: Option<String>,
}

/// The hub between the writer and the browsers.
#[derive(Debug)]
pub struct Live {
    pending: Mutex<HashMap<TenantId, BTreeSet<LeadId>>>,
    version: AtomicU64,
    out: broadcast::Sender<Arc<LiveChange>>,
    alerts: broadcast::Sender<Arc<LiveAlert>>,
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
            alerts: broadcast::channel(256).0,
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

    /// Whether anybody looks.
    pub fn anybody(&self) -> bool {
        self.out.receiver_count() > 0 || self.alerts.receiver_count() > 0
    }

    /// Tells whoever is there, at once.
    pub fn alert(&self, alert: LiveAlert) {
        // Nobody listening is fine.
        let _ = self.alerts.send(Arc::new(alert));
    }

    /// Hears every alert from now on.
    pub fn alerts(&self) -> broadcast::Receiver<Arc<LiveAlert>> {
        self.alerts.subscribe()
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
