//! `growth`: the same load on an empty and on a filled database in turn: CPU, answers and turns, the first minute and the last (issue of growth:
//! a table that is full must not cost more than one that is empty), and the same while a backup is made.
//!
//! Both engines: on PostgreSQL the CPU of its processes counts with the server's.

mod fill;

use crate::crash::records::Source;
use crate::{
    fault::{Fault, Tried, While, fault},
    figures::{Latencies, per, round},
    load::{Outcome, Plan, drive},
    meter,
    rig::{Rig, Size, wait_until_settled},
    subject::Elsewhere,
    wire,
};
use clap::{Args, ValueEnum};
use fill::{Base, fill};
use ringback_pgtest::{APP, Cluster, OWNER, Settings};
use rusqlite::Connection;
use serde_json::{Value, json};
use std::{
    cell::Cell,
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

/// How large the campaign is.
#[derive(Debug, Args)]
pub struct GrowthArgs {
    #[command(flatten)]
    size: Size,
    /// Where the rows lie.
    #[arg(long, value_enum, default_value = "sqlite")]
    engine: Kind,
    /// Finished messages in the filled database.
    #[arg(long, default_value_t = 200_000)]
    messages: u64,
    /// Events in the filled database.
    #[arg(long, default_value_t = 400_000)]
    events: u64,
    /// Leads a second.
    #[arg(long, default_value_t = 200.0)]
    rate: f64,
    /// How long each measurement lasts, in seconds; its first and its last fifth are told apart.
    #[arg(long, default_value_t = 300)]
    seconds: u64,
    /// How often each database is measured, in turn.
    #[arg(long, default_value_t = 2)]
    rounds: u32,
    /// Leaves the backup out.
    #[arg(long)]
    no_backup: bool,
    /// The most that the filled database may cost, as a ratio to the empty one.
    #[arg(long, default_value_t = 1.3)]
    most_ratio: f64,
}

/// An engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Kind {
    /// A file.
    Sqlite,
    /// A server of its own.
    Postgres,
}

/// What a backup may add to the answers, milliseconds at p99 (O5).
const BACKUP_ADDS_AT_MOST_MS: f64 = 50.0;
/// Rows of one lead in the filling that are copied from the small run.
const SMALL_RUN: u64 = 400;
/// The last minute may cost so much more than the first.
const MOST_SLOPE: f64 = 1.1;

/// The two databases, empty and filled, and how the server is brought to either.
enum Place {
    Folders {
        empty: PathBuf,
        full: PathBuf,
    },
    Databases {
        cluster: Box<Cluster>,
        empty: String,
    },
}

/// The filled database's name on PostgreSQL.
const FULL: &str = "growth_full";

impl Place {
    /// The server looks at one of them from now on.
    fn take(&self, rig: &mut Rig, full: bool) -> Tried<()> {
        match self {
            Self::Folders {
                empty,
                full: filled,
            } => {
                let folder = if full { filled } else { empty };
                fs::rename(folder, rig.subject.data()).during("taking a database")
            }
            Self::Databases { cluster, empty } => {
                let name = if full { FULL } else { empty };
                rig.subject.keep_in(elsewhere(cluster, name));
                Ok(())
            }
        }
    }

    /// It is put back.
    fn put_back(&self, rig: &Rig, full: bool) -> Tried<()> {
        match self {
            Self::Folders {
                empty,
                full: filled,
            } => {
                let folder = if full { filled } else { empty };
                fs::rename(rig.subject.data(), folder).during("putting a database back")
            }
            Self::Databases { .. } => Ok(()),
        }
    }

    /// The process whose children do the database's work, where it has any.
    fn postmaster(&self) -> Option<u32> {
        match self {
            Self::Folders { .. } => None,
            Self::Databases { cluster, .. } => cluster.postmaster(),
        }
    }
}

fn elsewhere(cluster: &Cluster, name: &str) -> Elsewhere {
    Elsewhere {
        serves: cluster.url(APP, name),
        owner: cluster.url(OWNER, name),
        source: Source::Postgres((**cluster).clone(), name.to_owned()),
    }
}

/// Runs the campaign. True when the filled database costs no more than it may.
pub async fn run(args: &GrowthArgs) -> Tried<(Value, bool)> {
    let cluster = match args.engine {
        Kind::Sqlite => None,
        Kind::Postgres => {
            let memory = ["shared_buffers = '1GB'", "max_wal_size = '8GB'"].join("\n");
            let settings = Settings::durable().with(memory);
            Some(Cluster::start(&settings).during("starting PostgreSQL")?)
        }
    };
    let database = match &cluster {
        None => None,
        Some(cluster) => Some(cluster.database().during("making the database")?),
    };
    let of_rig = database.as_ref().zip(cluster.as_ref());
    let of_rig = of_rig.map(|(database, cluster)| elsewhere(cluster, database.name()));
    let mut rig = Rig::on("growth", &args.size, of_rig)?;
    rig.subject.set("RINGBACK__BACKUP__EVERY", "off");
    rig.open().await?;
    let mut next = 0;
    let small = plan(
        &rig,
        &mut next,
        SMALL_RUN,
        Duration::from_secs(60),
        Some(100.0),
    );
    drive(small).await.during("the small run")?;
    wait_until_settled(
        &mut rig.subject,
        Duration::from_secs(60),
        Duration::from_secs(5),
    )
    .await?;
    rig.subject.stop()?;
    let begun = Instant::now();
    let (place, filled) = match cluster {
        None => {
            let data = rig.subject.data();
            let empty = rig.scratch.path().join("data-empty");
            let full = rig.scratch.path().join("data-full");
            copy_folder(&data, &full)?;
            fs::rename(&data, &empty).during("keeping the small database")?;
            let db = Connection::open(full.join("ringback.db")).during("opening the database")?;
            let filled = fill(&Base::File(db), args.messages, args.events)?;
            (Place::Folders { empty, full }, filled)
        }
        Some(cluster) => {
            let empty = database.as_ref().map_or("", |one| one.name()).to_owned();
            let copy = format!("CREATE DATABASE {FULL} TEMPLATE {empty} OWNER {OWNER}");
            cluster
                .sql("postgres", &copy)
                .during("copying the database")?;
            let base = Base::Database((*cluster).clone(), FULL.to_owned());
            let filled = fill(&base, args.messages, args.events)?;
            let cluster = Box::new(cluster);
            (Place::Databases { cluster, empty }, filled)
        }
    };
    eprintln!("bench: filled in {:?}: {filled}", begun.elapsed());
    let (mut of_empty, mut of_full) = (Vec::new(), Vec::new());
    for _ in 0..args.rounds {
        for full in [false, true] {
            place.take(&mut rig, full)?;
            let measured = measure(&mut rig, &mut next, args, None, place.postmaster()).await?;
            place.put_back(&rig, full)?;
            if full {
                of_full.push(measured);
            } else {
                of_empty.push(measured);
            }
        }
    }
    let cpu = ratio(&of_full, &of_empty, |one| one.cpu_per_1000);
    let turn = ratio(&of_full, &of_empty, |one| one.turn_ms);
    let slope = of_full
        .iter()
        .map(|one| per(one.last_cpu, one.first_cpu, 3))
        .fold(0.0, f64::max);
    let fine = of_full.iter().chain(&of_empty).all(|one| one.bad == 0);
    let mut held = fine && cpu <= args.most_ratio && slope <= MOST_SLOPE;
    let mut line = json!({
        "campaign": "growth", "engine": format!("{:?}", args.engine).to_lowercase(), "seed": args.size.seed, "filled": filled,
        "rate": args.rate, "seconds_each": args.seconds,
        "empty": of_empty.iter().map(Measured::json).collect::<Vec<_>>(),
        "full": of_full.iter().map(Measured::json).collect::<Vec<_>>(),
        "ratio_cpu_per_1000": cpu, "ratio_turn": turn, "last_fifth_to_first_fifth_cpu": slope,
    });
    if args.engine == Kind::Sqlite && !args.no_backup {
        place.take(&mut rig, true)?;
        let to = rig.scratch.path().join("backups");
        let backed_up = measure(&mut rig, &mut next, args, Some(&to), None).await?;
        let quiet = of_full.iter().map(|one| one.p99_ms).fold(0.0, f64::max);
        let adds = round(backed_up.p99_during_backup_ms - quiet, 3);
        held &= backed_up.bad == 0 && adds <= BACKUP_ADDS_AT_MOST_MS;
        line["backup"] = json!({
            "while_made": backed_up.json(), "seconds": backed_up.backup_s, "p99_ms_without": quiet, "p99_ms_added": adds,
        });
    }
    line["held"] = held.into();
    drop(database);
    Ok((line, held))
}

fn plan(rig: &Rig, next: &mut u64, most: u64, time: Duration, rate: Option<f64>) -> Plan {
    let from = *next;
    *next += 10_000_000;
    Plan {
        addr: rig.subject.addr(),
        key: rig.tenant.api_key.clone(),
        connections: rig.size.connections,
        from,
        most,
        time,
        rate,
    }
}

/// The middle of the ratios of two columns of measurements.
fn ratio(of: &[Measured], to: &[Measured], figure: impl Fn(&Measured) -> f64) -> f64 {
    let mean = |all: &[Measured]| all.iter().map(&figure).sum::<f64>() / all.len().max(1) as f64;
    per(mean(of), mean(to), 3)
}

/// One load on one database.
#[derive(Debug, Clone, Default)]
struct Measured {
    accepted: u64,
    bad: u64,
    p50_ms: f64,
    p99_ms: f64,
    p99_during_backup_ms: f64,
    cpu_per_1000: f64,
    database_cpu_per_1000: f64,
    first_cpu: f64,
    last_cpu: f64,
    turn_ms: f64,
    leads_a_turn: f64,
    backup_s: f64,
}

impl Measured {
    fn json(&self) -> Value {
        json!({
            "accepted": self.accepted, "bad": self.bad, "p50_ms": self.p50_ms, "p99_ms": self.p99_ms,
            "cpu_s_per_1000_notifications": self.cpu_per_1000, "of_which_database": self.database_cpu_per_1000,
            "first_fifth": self.first_cpu, "last_fifth": self.last_cpu,
            "turn_ms": self.turn_ms, "orders_a_turn": self.leads_a_turn, "p99_ms_during_backup": self.p99_during_backup_ms,
        })
    }
}

/// Five pieces of the load one after the other; with `backup`, one is made during the third.
async fn measure(
    rig: &mut Rig,
    next: &mut u64,
    args: &GrowthArgs,
    backup: Option<&Path>,
    postmaster: Option<u32>,
) -> Tried<Measured> {
    rig.subject.start()?;
    let pid = rig.subject.pid()?;
    let cpu = || -> Tried<(f64, f64)> {
        let database = postmaster.map_or(Ok(0.0), meter::cpu_seconds_of_all)?;
        Ok((meter::cpu_seconds(pid)?, database))
    };
    let warm = plan(rig, next, 300, Duration::from_secs(20), Some(args.rate));
    drive(warm).await.during("warming up")?;
    let piece = Duration::from_secs((args.seconds / 5).max(1));
    let mut measured = Measured::default();
    let (mut all, mut cpus, mut notifications) = (Latencies::new(), Vec::new(), 0);
    let turns_before = turns(rig).await?;
    for at in 0..5 {
        let (before, sent) = (cpu()?, rig.sink.tally().count);
        let load = plan(rig, next, u64::MAX, piece, Some(args.rate));
        let making = (at == 2).then_some(backup).flatten();
        let (outcome, backup_s) = match making {
            None => (drive(load).await.during("the load")?, None),
            Some(to) => {
                let done = Cell::new(false);
                let making = async {
                    let made = back_up(rig, to.to_owned()).await;
                    done.set(true);
                    made
                };
                let loading = while_making(&load, &done);
                let (outcome, made) = tokio::join!(loading, making);
                (outcome?, Some(made?))
            }
        };
        let n = rig.sink.tally().count - sent;
        let after = cpu()?;
        let database = after.1 - before.1;
        let used = after.0 - before.0 + database;
        measured.database_cpu_per_1000 += database;
        cpus.push(per(used * 1_000.0, n as f64, 4));
        notifications += n;
        if let Some(seconds) = backup_s {
            measured.backup_s = seconds;
            measured.p99_during_backup_ms = outcome.latencies.ms(0.99);
        }
        take(&mut measured, &mut all, &outcome);
        measured.cpu_per_1000 += used;
    }
    let turns_after = turns(rig).await?;
    let (n, seconds, orders) = (
        turns_after.0 - turns_before.0,
        turns_after.1 - turns_before.1,
        turns_after.2 - turns_before.2,
    );
    measured.turn_ms = per(seconds * 1_000.0, n, 4);
    measured.leads_a_turn = per(orders, n, 2);
    measured.cpu_per_1000 = per(measured.cpu_per_1000 * 1_000.0, notifications as f64, 4);
    measured.database_cpu_per_1000 = per(
        measured.database_cpu_per_1000 * 1_000.0,
        notifications as f64,
        4,
    );
    (measured.first_cpu, measured.last_cpu) = (cpus[0], cpus[4]);
    (measured.p50_ms, measured.p99_ms) = (all.ms(0.5), all.ms(0.99));
    wait_until_settled(
        &mut rig.subject,
        Duration::from_secs(60),
        Duration::from_secs(2),
    )
    .await?;
    rig.subject.stop()?;
    eprintln!("bench: {}", measured.json());
    Ok(measured)
}

/// The load again and again, for as long as the backup takes.
async fn while_making(load: &Plan, done: &Cell<bool>) -> Tried<Outcome> {
    let piece = |at: u64| Plan {
        from: load.from + at * 100_000,
        time: load.time.min(Duration::from_secs(5)),
        ..load.clone()
    };
    let mut all = drive(piece(0)).await.during("the load")?;
    for at in 1.. {
        if done.get() {
            break;
        }
        all.join(&drive(piece(at)).await.during("the load")?);
    }
    Ok(all)
}

fn take(measured: &mut Measured, all: &mut Latencies, outcome: &Outcome) {
    measured.accepted += outcome.accepted;
    measured.bad += outcome.refused + outcome.broken;
    all.join(&outcome.latencies);
}

/// A backup by the command line beside the server. Answers how long it took.
async fn back_up(rig: &Rig, to: PathBuf) -> Tried<f64> {
    let mut command = rig.subject.command();
    let begun = Instant::now();
    let output =
        tokio::task::spawn_blocking(move || command.arg("backup").arg("--to").arg(to).output())
            .await
            .map_err(|_| Fault::new("the backup panicked"))?
            .during("running `ringback backup`")?;
    if !output.status.success() {
        let says = String::from_utf8_lossy(&output.stderr);
        return Err(fault!("`ringback backup` failed: {says}"));
    }
    Ok(round(begun.elapsed().as_secs_f64(), 2))
}

/// Turns so far, their seconds, and their orders, by the server's own metrics.
async fn turns(rig: &Rig) -> Tried<(f64, f64, f64)> {
    let answer = wire::call(rig.subject.addr(), "GET", "/metrics", None, None)
        .await
        .during("reading the metrics")?;
    let text = answer.text();
    let figure = |name: &str| -> f64 {
        text.lines()
            .find_map(|line| line.strip_prefix(name)?.trim().parse().ok())
            .unwrap_or(0.0)
    };
    Ok((
        figure("ringback_turn_seconds_count "),
        figure("ringback_turn_seconds_sum "),
        figure("ringback_orders_total "),
    ))
}

fn copy_folder(from: &Path, to: &Path) -> Tried<()> {
    fs::create_dir_all(to).during("copying the data folder")?;
    for entry in fs::read_dir(from)
        .during("copying the data folder")?
        .flatten()
    {
        if entry.path().is_file() {
            fs::copy(entry.path(), to.join(entry.file_name())).during("copying the data folder")?;
        }
    }
    Ok(())
}
