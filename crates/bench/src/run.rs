//! `run`: one measurement of the whole server, printed as one line of JSON.

use crate::{
    bare,
    fault::{Tried, While, fault},
    figures::{per, round},
    load::{self, Outcome, Plan},
    meter::{self, Memory, Peak},
    sink::{Sink, Tally},
    subject::{Scratch, Subject, Tenant},
};
use clap::Args;
use serde_json::{Value, json};
use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

/// Messages that the preset `bench` sends for one lead.
const PER_LEAD: u64 = 2;
/// The load's number of connections at which notifications, CPU and memory are taken.
const USUAL: usize = 64;

/// What to measure and for how long.
#[derive(Debug, Args)]
pub struct RunArgs {
    /// The server to measure.
    #[arg(long, default_value = "target/release/ringback")]
    binary: PathBuf,
    /// About 30 seconds in all instead of about two minutes.
    #[arg(long)]
    quick: bool,
    /// Connections at the same time, one measurement each.
    #[arg(long, value_delimiter = ',', default_value = "1,64,256")]
    connections: Vec<usize>,
    /// Leads a second of the paced measurements.
    #[arg(long, value_delimiter = ',', default_value = "100,500")]
    rates: Vec<f64>,
    /// Milliseconds that the providers take to answer.
    #[arg(long, default_value_t = 0)]
    sink_delay_ms: u64,
    /// Where the data folder is made; the system's temporary folder otherwise.
    #[arg(long)]
    folder: Option<PathBuf>,
    /// Leaves the data folder behind.
    #[arg(long)]
    keep: bool,
}

/// How long each part takes.
struct Lengths {
    warm_up: u64,
    closed: Duration,
    paced: Duration,
    bare: Duration,
}

impl Lengths {
    const QUICK: Self = Self {
        warm_up: 500,
        closed: Duration::from_secs(3),
        paced: Duration::from_secs(4),
        bare: Duration::from_secs(2),
    };
    const FULL: Self = Self {
        warm_up: 2_000,
        closed: Duration::from_secs(10),
        paced: Duration::from_secs(15),
        bare: Duration::from_secs(5),
    };
}

/// Measures and answers the line to print.
pub async fn run(args: &RunArgs) -> Tried<Value> {
    let lengths = if args.quick {
        Lengths::QUICK
    } else {
        Lengths::FULL
    };
    let scratch = Scratch::new("bench", args.folder.as_deref(), args.keep)?;
    let load_before = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let sink = Sink::start(false)?;
    sink.answer_after(Duration::from_millis(args.sink_delay_ms));
    let mut subject = Subject::new(&args.binary, scratch.path())?;
    let tenant = subject.create_tenant("Bench", "bench")?;
    let first_start = subject.start()?;
    subject.connect(&tenant, &sink).await?;
    let pid = subject.pid()?;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let idle = Memory::of(pid)?;

    let mut stage = Stage {
        subject: &subject,
        tenant: &tenant,
        sink: &sink,
        pid,
        next: 0,
    };
    say("warming up");
    stage
        .run(USUAL, lengths.warm_up, Duration::from_secs(60), None)
        .await?;
    let small = database_bytes(&stage.subject.database()?);
    let small_leads = stage.next;
    let written_before = meter::written_bytes(pid).unwrap_or(0);

    let mut accepted = serde_json::Map::new();
    let mut usual = None;
    let mut fastest: f64 = 0.0;
    let peak = Peak::watch(pid);
    let mut loaded = Memory::default();
    for connections in &args.connections {
        say(&format!(
            "{connections} connections, as fast as they are answered"
        ));
        let measured = stage
            .run(*connections, u64::MAX, lengths.closed, None)
            .await?;
        fastest = fastest.max(measured.load.rate());
        accepted.insert(format!("at_{connections}"), measured.json());
        if *connections == USUAL || usual.is_none() {
            loaded = Memory::of(pid)?;
            usual = Some(measured);
        }
    }
    let usual = usual.ok_or_else(|| fault!("--connections is empty"))?;
    let mut paced = Vec::new();
    for rate in args
        .rates
        .iter()
        .copied()
        .chain([round(fastest / 2.0, 0).max(1.0)])
    {
        say(&format!("{rate} leads a second"));
        let measured = stage
            .run(USUAL, u64::MAX, lengths.paced, Some(rate))
            .await?;
        paced.push(measured.paced_json(rate));
    }
    let written = meter::written_bytes(pid)
        .unwrap_or(0)
        .saturating_sub(written_before);
    let leads = stage.next - small_leads;
    let grown = database_bytes(&subject.database()?);
    let peak_kib = peak.kib();
    drop(peak);
    tokio::time::sleep(Duration::from_secs(2)).await;
    let after = Memory::of(pid)?;
    say("stopping, starting again");
    let stop = subject.stop()?;
    let database = subject.database()?;
    let at_rest = database_bytes(&database);
    let second_start = subject.start()?;
    subject.stop()?;
    say("the same rows without a server");
    let bare = bare::measure(&database, &scratch.path().join("bare.db"), lengths.bare)?;

    Ok(json!({
        "machine": {
            "cores": std::thread::available_parallelism().map_or(0, usize::from),
            "load_before": load_before.split(' ').next().unwrap_or_default(), "quick": args.quick,
            "sink_delay_ms": args.sink_delay_ms,
        },
        "leads": accepted,
        "notifications_per_s": usual.notifications_per_s(),
        "lead_to_provider": paced,
        "cpu": {
            "seconds_per_1000_leads": per(usual.cpu_s * 1_000.0, usual.load.accepted as f64, 4),
            "seconds_per_1000_notifications": per(usual.cpu_s * 1_000.0, usual.tally.unique as f64, 4),
        },
        "memory": {
            "idle": idle.json(), "loaded": loaded.json(), "peak_rss_mib": meter::mib(peak_kib), "after": after.json(),
        },
        "disk": {
            "database_bytes_per_lead": per(at_rest.database.saturating_sub(small.database) as f64, leads as f64, 0),
            "wal_bytes_at_most": grown.wal, "written_bytes_per_lead": per(written as f64, leads as f64, 0),
            "leads": leads,
        },
        "start": {
            "empty_ms": round(first_start.as_secs_f64() * 1_000.0, 0), "full_ms": round(second_start.as_secs_f64() * 1_000.0, 0),
            "stop_ms": round(stop.as_secs_f64() * 1_000.0, 0),
        },
        "store_alone": bare.json(usual.load.rate()),
    }))
}

/// Writes progress for the person who waits; the result is the only line on standard output.
fn say(what: &str) {
    eprintln!("bench: {what}");
}

struct Stage<'a> {
    subject: &'a Subject,
    tenant: &'a Tenant,
    sink: &'a Sink,
    pid: u32,
    next: u64,
}

/// One stretch of load and what came of it.
struct Measured {
    load: Outcome,
    tally: Tally,
    cpu_s: f64,
}

impl Stage<'_> {
    async fn run(
        &mut self,
        connections: usize,
        most: u64,
        time: Duration,
        rate: Option<f64>,
    ) -> Tried<Measured> {
        self.sink.reset();
        let cpu_before = meter::cpu_seconds(self.pid)?;
        let load = load::drive(Plan {
            addr: self.subject.addr(),
            key: self.tenant.api_key.clone(),
            connections,
            from: self.next,
            most,
            time,
            rate,
        })
        .await
        .during("putting load on the server")?;
        self.next += load.used;
        if let Some(refusal) = &load.first_refusal {
            say(&format!(
                "{} leads were not accepted; the first answer was {refusal}",
                load.refused + load.broken
            ));
        }
        if load.accepted == 0 {
            return Err(fault!(
                "no lead was accepted; the end of the server's log:\n{}",
                self.subject.end_of_log()
            ));
        }
        self.drained(PER_LEAD * load.accepted).await;
        let tally = self.sink.tally();
        if tally.unique < PER_LEAD * load.accepted {
            say(&format!(
                "{} of {} messages reached the providers",
                tally.unique,
                PER_LEAD * load.accepted
            ));
        }
        Ok(Measured {
            cpu_s: meter::cpu_seconds(self.pid)? - cpu_before,
            load,
            tally,
        })
    }

    /// Waits until `wanted` messages have reached the sink, or none has come for ten seconds.
    async fn drained(&self, wanted: u64) {
        let mut seen = 0;
        let mut since = Instant::now();
        while since.elapsed() < Duration::from_secs(10) {
            let now = self.sink.unique();
            if now >= wanted {
                // Outcomes are settled after the provider's answer; their CPU belongs to the stretch.
                tokio::time::sleep(Duration::from_millis(300)).await;
                return;
            }
            if now > seen {
                (seen, since) = (now, Instant::now());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

impl Measured {
    /// From the first request to the last message at a provider.
    fn notifications_per_s(&self) -> f64 {
        let seconds = self.tally.last_us.saturating_sub(self.load.start_us) as f64 / 1e6;
        per(self.tally.unique as f64, seconds, 1)
    }

    fn json(&self) -> Value {
        let mut json = self.load.json();
        json["notifications_per_s"] = json!(self.notifications_per_s());
        json["providers"] = self.tally.json();
        json["to_provider_p99_ms"] = json!(self.tally.latencies.ms(0.99));
        json
    }

    fn paced_json(&self, rate: f64) -> Value {
        json!({
            "rate": rate, "accepted": self.load.accepted, "bad": self.load.refused + self.load.broken,
            "answer_p50_ms": self.load.latencies.ms(0.5), "answer_p99_ms": self.load.latencies.ms(0.99),
            "p50_ms": self.tally.latencies.ms(0.5), "p99_ms": self.tally.latencies.ms(0.99),
            "delivered": self.tally.unique, "duplicates": self.tally.duplicates,
            "cpu_seconds_per_1000_leads": per(self.cpu_s * 1_000.0, self.load.accepted as f64, 4),
        })
    }
}

struct Bytes {
    database: u64,
    wal: u64,
}

fn database_bytes(database: &Path) -> Bytes {
    let size = |path: &Path| fs::metadata(path).map_or(0, |file| file.len());
    let mut wal = database.as_os_str().to_owned();
    wal.push("-wal");
    let wal = size(Path::new(&wal));
    Bytes {
        database: size(database),
        wal,
    }
}
