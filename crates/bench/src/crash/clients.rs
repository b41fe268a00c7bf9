//! The clients: each posts its leads and, when the line breaks, posts them again under the same `Idempotency-Key` (X7).

use crate::{
    people,
    wire::{Answer, Request, Wire},
};
use ringback_core::ids::LeadId;
use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

/// A client gives a lead up after this long without an answer.
const PATIENCE: Duration = Duration::from_secs(120);

/// A client takes a line for broken after this long without an answer; sooner when there is another server to turn to.
const SILENCE: Duration = Duration::from_secs(60);
const SILENCE_OF_ONE: Duration = Duration::from_secs(8);

/// What a client was told about its lead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Told {
    /// 2xx, with the lead's id.
    Acknowledged(LeadId),
    /// An answer that the contract does not know here.
    Unexpected(String),
}

/// What clients of a campaign do beyond posting as fast as they are answered.
#[derive(Debug, Clone, Copy, Default)]
pub struct Manners {
    /// They wait and ask again when the disk is full; otherwise 507 is an answer outside the contract.
    pub bear_a_full_disk: bool,
    /// Leads also agree to offers by text.
    pub want_offers: bool,
    /// Not more leads a second than this.
    pub pace: Option<u32>,
}

/// All clients of a campaign, and their notebook.
pub struct Clients {
    addr: SocketAddr,
    /// Further servers, to which a client turns when one does not answer.
    others: Vec<SocketAddr>,
    authorization: String,
    seed: u64,
    first: u64,
    leads: u64,
    next: AtomicU64,
    finished: AtomicU64,
    acknowledged: AtomicU64,
    retried: AtomicU64,
    abandoned: AtomicBool,
    full: AtomicU64,
    manners: Manners,
    told: Mutex<BTreeMap<u64, Told>>,
    /// When the last lead was acknowledged, and the longest time in which none was.
    silence: Mutex<(Option<Instant>, Duration)>,
}

impl Clients {
    /// Clients for `leads` leads.
    pub fn new(addr: SocketAddr, key: &str, seed: u64, leads: u64) -> Self {
        Self {
            addr,
            others: Vec::new(),
            authorization: format!("Bearer {key}"),
            seed,
            first: 0,
            leads,
            next: AtomicU64::new(0),
            finished: AtomicU64::new(0),
            acknowledged: AtomicU64::new(0),
            retried: AtomicU64::new(0),
            abandoned: AtomicBool::new(false),
            full: AtomicU64::new(0),
            manners: Manners::default(),
            told: Mutex::default(),
            silence: Mutex::default(),
        }
    }

    /// The longest time in which no lead was acknowledged.
    pub fn longest_silence(&self) -> Duration {
        let silence = self.silence.lock().unwrap_or_else(PoisonError::into_inner);
        silence.1
    }

    fn heard(&self) {
        let now = Instant::now();
        let mut silence = self.silence.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(last) = silence.0.replace(now) {
            silence.1 = silence.1.max(now - last);
        }
    }

    /// The same clients with other manners.
    #[must_use]
    pub fn with(mut self, manners: Manners) -> Self {
        self.manners = manners;
        self
    }

    /// The same clients with further servers to turn to.
    #[must_use]
    pub fn also(mut self, others: Vec<SocketAddr>) -> Self {
        self.others = others;
        self
    }

    /// The n-th server, round and round.
    fn server(&self, n: usize) -> SocketAddr {
        match n % (self.others.len() + 1) {
            0 => self.addr,
            other => self.others[other - 1],
        }
    }

    /// Clients for the leads from `first` up to, and without, `end` alone.
    #[must_use]
    pub fn only(mut self, first: u64, end: u64) -> Self {
        (self.next, self.finished) = (AtomicU64::new(first), AtomicU64::new(first));
        (self.first, self.leads) = (first, end);
        self
    }

    /// The notebooks of both.
    #[must_use]
    pub fn and(&self, others: &Self) -> Self {
        let both = Self::new(self.addr, "", self.seed, self.leads);
        both.retried
            .store(self.retried() + others.retried(), Ordering::Relaxed);
        let mut told = self.told();
        told.extend(others.told());
        Self {
            told: Mutex::new(told),
            ..both
        }
    }

    /// How often the server said that the disk is full.
    pub fn heard_full(&self) -> u64 {
        self.full.load(Ordering::Relaxed)
    }

    /// Leads that were answered 2xx so far.
    pub fn acknowledged(&self) -> u64 {
        self.acknowledged.load(Ordering::Relaxed)
    }

    /// Requests that had to be repeated.
    pub fn retried(&self) -> u64 {
        self.retried.load(Ordering::Relaxed)
    }

    /// True when every lead has its answer.
    pub fn done(&self) -> bool {
        self.finished.load(Ordering::Relaxed) >= self.leads
    }

    /// What was said about each lead.
    pub fn told(&self) -> BTreeMap<u64, Told> {
        self.told
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Tells the clients that the server will not come back.
    pub fn give_up(&self) {
        self.abandoned.store(true, Ordering::Relaxed);
    }

    /// Posts every lead over so many connections.
    pub async fn post_all(self: &Arc<Self>, connections: usize) {
        let tasks: Vec<_> = (0..connections)
            .map(|n| tokio::spawn(self.clone().one_connection(n)))
            .collect();
        for task in tasks {
            // A client that panicked leaves leads without an answer, which `done` and the verdict show.
            drop(task.await);
        }
    }

    async fn one_connection(self: Arc<Self>, mut server: usize) {
        let mut wire = None;
        let begun = Instant::now();
        loop {
            let n = self.next.fetch_add(1, Ordering::Relaxed);
            if n >= self.leads {
                return;
            }
            if let Some(pace) = self.manners.pace {
                let due = Duration::from_secs_f64((n - self.first) as f64 / f64::from(pace.max(1)));
                tokio::time::sleep(due.saturating_sub(begun.elapsed())).await;
            }
            let told = self.post(n, &mut wire, &mut server).await;
            if matches!(told, Told::Acknowledged(_)) {
                self.acknowledged.fetch_add(1, Ordering::Relaxed);
                self.heard();
            }
            self.told
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .insert(n, told);
            self.finished.fetch_add(1, Ordering::Relaxed);
        }
    }

    async fn post(&self, n: u64, wire: &mut Option<Wire>, server: &mut usize) -> Told {
        // The same bytes each time: another body under the same key is refused.
        let request = Request::new("POST", "/v1/leads", self.addr)
            .header("authorization", &self.authorization)
            .header("content-type", "application/json")
            .header("idempotency-key", &format!("crash-{}-{n}", self.seed))
            .body(self.body(n).as_bytes());
        let begun = Instant::now();
        while begun.elapsed() < PATIENCE && !self.abandoned.load(Ordering::Relaxed) {
            let asked = ask(wire, self.server(*server), &request);
            let limit = if self.others.is_empty() {
                SILENCE
            } else {
                SILENCE_OF_ONE
            };
            let answer = match tokio::time::timeout(limit, asked).await {
                Ok(Ok(answer)) => answer,
                Ok(Err(_)) | Err(_) => {
                    *wire = None;
                    *server += 1;
                    self.again(20).await;
                    continue;
                }
            };
            match answer.status {
                200 | 201 => return acknowledged(&answer),
                // The first request is still at work, or the server sheds load: both say "ask again".
                409 | 429 | 503 => {
                    if !self.others.is_empty() {
                        *wire = None;
                        *server += 1;
                    }
                    self.again(50).await;
                }
                507 if self.manners.bear_a_full_disk => {
                    self.full.fetch_add(1, Ordering::Relaxed);
                    self.again(50).await;
                }
                status => return Told::Unexpected(format!("{status} {}", answer.text())),
            }
        }
        Told::Unexpected(format!("no answer in {PATIENCE:?}"))
    }

    fn body(&self, n: u64) -> String {
        let now = people::now_us();
        if self.manners.want_offers {
            people::lead_who_wants_offers(n, now)
        } else {
            people::lead(n, now)
        }
    }

    async fn again(&self, ms: u64) {
        self.retried.fetch_add(1, Ordering::Relaxed);
        tokio::time::sleep(Duration::from_millis(ms)).await;
    }
}

async fn ask(wire: &mut Option<Wire>, addr: SocketAddr, request: &[u8]) -> std::io::Result<Answer> {
    let open = match wire {
        Some(open) if open.kept() => open,
        _ => wire.insert(Wire::connect(addr).await?),
    };
    open.ask(request).await
}

fn acknowledged(answer: &Answer) -> Told {
    let json = answer.json();
    match json["id"].as_str().map(str::parse::<LeadId>) {
        Some(Ok(lead)) => Told::Acknowledged(lead),
        _ => Told::Unexpected(format!(
            "{} without a lead's id: {}",
            answer.status,
            answer.text()
        )),
    }
}
