//! The load: many keep-alive connections that post leads, as fast as answers come or at a rate.

use crate::{
    figures::Latencies,
    people,
    wire::{Request, Wire},
};
use serde_json::{Value, json};
use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

/// What to post, where, how fast and until when.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The server.
    pub addr: SocketAddr,
    /// A secret API key.
    pub key: String,
    /// Connections at the same time.
    pub connections: usize,
    /// The first lead's number.
    pub from: u64,
    /// At most so many leads.
    pub most: u64,
    /// At most so long; a request under way is finished.
    pub time: Duration,
    /// Leads a second. Without, each connection posts again as soon as it is answered.
    pub rate: Option<f64>,
}

/// What came of it.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// Leads that were answered 2xx.
    pub accepted: u64,
    /// Leads that were answered otherwise.
    pub refused: u64,
    /// Requests that broke.
    pub broken: u64,
    /// The first refusal, whole.
    pub first_refusal: Option<String>,
    /// Seconds from the first request to the last answer.
    pub seconds: f64,
    /// When the first request went, microseconds since 1970.
    pub start_us: u64,
    /// From the instant a request was due to its answer, so that a server which stalls does not hide it by slowing the load.
    pub latencies: Latencies,
    /// How many numbers were used.
    pub used: u64,
}

impl Outcome {
    fn new() -> Self {
        Self {
            accepted: 0,
            refused: 0,
            broken: 0,
            first_refusal: None,
            seconds: 0.0,
            start_us: 0,
            latencies: Latencies::new(),
            used: 0,
        }
    }

    /// Leads a second that were answered 2xx.
    pub fn rate(&self) -> f64 {
        crate::figures::per(self.accepted as f64, self.seconds, 1)
    }

    /// `{leads_per_s, p50_ms, p99_ms, accepted, bad}`.
    pub fn json(&self) -> Value {
        json!({
            "leads_per_s": self.rate(), "p50_ms": self.latencies.ms(0.5), "p99_ms": self.latencies.ms(0.99),
            "accepted": self.accepted, "bad": self.refused + self.broken,
        })
    }

    /// Takes in what came of another one.
    pub fn join(&mut self, other: &Self) {
        self.accepted += other.accepted;
        self.refused += other.refused;
        self.broken += other.broken;
        self.latencies.join(&other.latencies);
        if self.first_refusal.is_none() {
            self.first_refusal.clone_from(&other.first_refusal);
        }
    }
}

/// Carries out a plan. All connections are open before the clock starts.
pub async fn drive(plan: Plan) -> std::io::Result<Outcome> {
    let mut wires = Vec::with_capacity(plan.connections);
    for _ in 0..plan.connections {
        wires.push(Wire::connect(plan.addr).await?);
    }
    let shared = Arc::new(Shared {
        next: AtomicU64::new(0),
        start: Instant::now(),
        start_us: people::now_us(),
        authorization: format!("Bearer {}", plan.key),
        plan,
    });
    let tasks: Vec<_> = wires
        .into_iter()
        .map(|wire| tokio::spawn(one_connection(wire, shared.clone())))
        .collect();
    let mut all = Outcome::new();
    for task in tasks {
        all.join(&task.await?);
    }
    all.seconds = shared.start.elapsed().as_secs_f64();
    all.start_us = shared.start_us;
    all.used = shared.next.load(Ordering::Relaxed).min(shared.plan.most);
    Ok(all)
}

struct Shared {
    next: AtomicU64,
    start: Instant,
    start_us: u64,
    authorization: String,
    plan: Plan,
}

async fn one_connection(mut wire: Wire, shared: Arc<Shared>) -> Outcome {
    let plan = &shared.plan;
    let mut out = Outcome::new();
    loop {
        if shared.start.elapsed() >= plan.time {
            return out;
        }
        let turn = shared.next.fetch_add(1, Ordering::Relaxed);
        if turn >= plan.most {
            return out;
        }
        let due = match plan.rate {
            None => Instant::now(),
            Some(rate) => {
                let due = shared.start + Duration::from_secs_f64(turn as f64 / rate);
                tokio::time::sleep_until(due.into()).await;
                due
            }
        };
        let t0 = shared.start_us + micros(due.saturating_duration_since(shared.start));
        let request = Request::new("POST", "/v1/leads", plan.addr)
            .header("authorization", &shared.authorization)
            .header("content-type", "application/json")
            .body(people::lead(plan.from + turn, t0).as_bytes());
        match wire.status(&request).await {
            Ok(status) => {
                out.latencies.see(due.elapsed());
                if (200..300).contains(&status) {
                    out.accepted += 1;
                } else {
                    out.refused += 1;
                    out.first_refusal.get_or_insert_with(|| wire.last());
                }
            }
            Err(why) => {
                out.broken += 1;
                out.first_refusal.get_or_insert_with(|| why.to_string());
            }
        }
        while !wire.kept() {
            if shared.start.elapsed() >= plan.time {
                return out;
            }
            match Wire::connect(plan.addr).await {
                Ok(fresh) => wire = fresh,
                Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
            }
        }
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
