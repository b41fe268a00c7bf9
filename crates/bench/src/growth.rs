//! `growth`: the same load on an empty and on a filled database in turn: CPU, answers and turns, the first minute and the last (issue of growth:
//! a table that is full must not cost more than one that is empty), and the same while a backup is made.
//!
//! The filling copies the real rows of a small run inside one transaction while the server is stopped: leads with their contact points,
//! messages, calls, points and events, all long settled, with ids and instants of before.

use crate::{
    fault::{Fault, Tried, While, fault},
    figures::{Latencies, per, round},
    load::{Outcome, Plan, drive},
    meter,
    rig::{Rig, Size, wait_until_settled},
    wire,
};
use clap::Args;
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
    /// The most that the filled database may cost, as a ratio to the empty one.
    #[arg(long, default_value_t = 1.3)]
    most_ratio: f64,
}

/// What a backup may add to the answers, milliseconds at p99 (O5).
const BACKUP_ADDS_AT_MOST_MS: f64 = 50.0;
/// Rows of one lead in the filling that are copied from the small run.
const SMALL_RUN: u64 = 400;
/// Instants of the filling begin here: a year ago, so that nothing of it is recent. Unit: microseconds before the small run.
const AGO: i64 = 200 * 86_400_000_000;
/// Copied ids begin here: milliseconds since 2024, above all that old instants have, below all that real ones have.
const FIRST_ID: i64 = 1 << 50;

/// Runs the campaign. True when the filled database costs no more than it may.
pub async fn run(args: &GrowthArgs) -> Tried<(Value, bool)> {
    let mut rig = Rig::new("growth", &args.size)?;
    rig.subject.set("RINGBACK__BACKUP__EVERY", "off");
    rig.open().await?;
    let mut next = 0;
    let small = plan(
        &rig,
        &mut next,
        SMALL_RUN,
        Duration::from_secs(60),
        Some(200.0),
    );
    drive(small).await.during("the small run")?;
    wait_until_settled(
        &mut rig.subject,
        Duration::from_secs(60),
        Duration::from_secs(5),
    )
    .await?;
    rig.subject.stop()?;
    let (data, empty, full) = (
        rig.subject.data(),
        rig.scratch.path().join("data-empty"),
        rig.scratch.path().join("data-full"),
    );
    copy_folder(&data, &full)?;
    fs::rename(&data, &empty).during("keeping the small database")?;
    let begun = Instant::now();
    let filled = fill(&full.join("ringback.db"), args.messages, args.events)?;
    eprintln!("bench: filled in {:?}: {filled}", begun.elapsed());
    let (mut of_empty, mut of_full) = (Vec::new(), Vec::new());
    for _ in 0..args.rounds {
        for (folder, into) in [(&empty, &mut of_empty), (&full, &mut of_full)] {
            fs::rename(folder, &data).during("taking a database")?;
            into.push(measure(&mut rig, &mut next, args, None).await?);
            fs::rename(&data, folder).during("putting a database back")?;
        }
    }
    fs::rename(&full, &data).during("taking a database")?;
    let to = rig.scratch.path().join("backups");
    let backed_up = measure(&mut rig, &mut next, args, Some(&to)).await?;
    let cpu = ratio(&of_full, &of_empty, |one| one.cpu_per_1000);
    let turn = ratio(&of_full, &of_empty, |one| one.turn_ms);
    let last = of_full
        .iter()
        .map(|one| per(one.last_cpu, one.first_cpu, 3))
        .fold(0.0, f64::max);
    let quiet = of_full.iter().map(|one| one.p99_ms).fold(0.0, f64::max);
    let adds = round(backed_up.p99_during_backup_ms - quiet, 3);
    let fine = backed_up.bad == 0 && of_full.iter().chain(&of_empty).all(|one| one.bad == 0);
    let held = fine && cpu <= args.most_ratio && adds <= BACKUP_ADDS_AT_MOST_MS;
    let line = json!({
        "campaign": "growth", "held": held, "seed": args.size.seed, "filled": filled, "rate": args.rate, "seconds_each": args.seconds,
        "empty": of_empty.iter().map(Measured::json).collect::<Vec<_>>(),
        "full": of_full.iter().map(Measured::json).collect::<Vec<_>>(),
        "ratio_cpu_per_1000": cpu, "ratio_turn": turn, "last_fifth_to_first_fifth_cpu": last,
        "backup": {"while_made": backed_up.json(), "seconds": backed_up.backup_s, "p99_ms_without": quiet, "p99_ms_added": adds},
    });
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
            "cpu_s_per_1000_notifications": self.cpu_per_1000, "first_fifth": self.first_cpu, "last_fifth": self.last_cpu,
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
) -> Tried<Measured> {
    rig.subject.start()?;
    let pid = rig.subject.pid()?;
    let warm = plan(rig, next, 300, Duration::from_secs(20), Some(args.rate));
    drive(warm).await.during("warming up")?;
    let piece = Duration::from_secs((args.seconds / 5).max(1));
    let mut measured = Measured::default();
    let (mut all, mut cpus, mut notifications) = (Latencies::new(), Vec::new(), 0);
    let turns_before = turns(rig).await?;
    for at in 0..5 {
        let (before, sent) = (meter::cpu_seconds(pid)?, rig.sink.tally().count);
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
        let used = meter::cpu_seconds(pid)? - before;
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

/// Fills a database whose server is stopped. Answers how many rows there are.
fn fill(database: &Path, messages: u64, events: u64) -> Tried<Value> {
    let db = Connection::open(database).during("opening the database")?;
    db.execute_batch(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF; PRAGMA cache_size = -1000000; PRAGMA foreign_keys = OFF; BEGIN;",
    )
    .during("opening the database")?;
    let leads = (messages / 2).max(1);
    let each = |table: &str, filter: &str| -> Tried<u64> {
        db.query_row(
            &format!("SELECT count(*) FROM {table} WHERE {filter}"),
            [],
            |row| row.get::<_, i64>(0),
        )
        .map(|n| n.unsigned_abs())
        .during(format_args!("counting {table}"))
    };
    let samples = each("leads", "last_name LIKE '%xq'")?.max(1);
    // A lead of the filling is number i; the sample it is copied from is the (i mod samples)th.
    db.execute_batch(&format!(
        "CREATE TEMP TABLE sample AS SELECT id, row_number() OVER (ORDER BY id) - 1 AS at FROM leads WHERE last_name LIKE '%xq';
         CREATE TEMP TABLE copy AS
             WITH RECURSIVE s(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM s WHERE i + 1 < {leads})
             SELECT s.i AS i, sample.id AS from_id, {FIRST_ID} + s.i * 65536 AS to_id FROM s JOIN sample ON sample.at = s.i % {samples};
         CREATE INDEX temp.copy_from ON copy (from_id);"
    ))
    .during("laying out the filling")?;
    let old = |column: &str| format!("t.{column} - {AGO}");
    // Child ids follow their lead's: what is old comes before what is new in every index.
    let child = "copy.to_id + 1 + (t.id % 50000)";
    insert(
        &db,
        "leads",
        "t.id = copy.from_id",
        &[
            ("id", "copy.to_id".into()),
            ("number", "1000 + copy.i".into()),
            (
                "phone",
                "'+19' || printf('%09d', (copy.i * 19577647) % 1000000000)".into(),
            ),
            (
                "email",
                "'old.' || ((copy.i * 19577647) % 1000000000) || '@example.com'".into(),
            ),
            ("last_name", "'Old ' || copy.i".into()),
            ("created_at", old("created_at")),
            ("updated_at", old("updated_at")),
            ("last_event_at", old("last_event_at")),
        ],
    )?;
    insert(
        &db,
        "contact_points",
        "t.lead_id = copy.from_id",
        &[
            ("value", "CASE t.kind WHEN 0 THEN '+19' || printf('%09d', (copy.i * 19577647) % 1000000000) ELSE 'old.' || ((copy.i * 19577647) % 1000000000) || '@example.com' END".into()),
            ("lead_id", "copy.to_id".into()),
            ("added_at", old("added_at")),
        ],
    )?;
    for (table, key) in [
        ("messages", "lead_id"),
        ("runs", "lead_id"),
        ("sessions", "lead_id"),
    ] {
        let mut changes = vec![
            ("id", child.to_owned()),
            ("lead_id", "copy.to_id".to_owned()),
        ];
        match table {
            "messages" => changes.extend([
                ("recipient", "CASE t.channel WHEN 0 THEN '+19' || printf('%09d', (copy.i * 19577647) % 1000000000) ELSE 'old.' || ((copy.i * 19577647) % 1000000000) || '@example.com' END".to_owned()),
                ("notification_id", "copy.to_id".to_owned()),
                ("due_at", old("due_at")),
                ("created_at", old("created_at")),
            ]),
            "runs" => changes.push(("created_at", old("created_at"))),
            _ => changes.push(("started_at", old("started_at"))),
        }
        let settled = match table {
            "messages" => "AND t.state = 2",
            "runs" => "AND t.state <> 0",
            _ => "",
        };
        insert(
            &db,
            table,
            &format!("t.{key} = copy.from_id {settled}"),
            &changes,
        )?;
    }
    for table in ["score_states", "score_ledger"] {
        insert(
            &db,
            table,
            "t.lead_id = copy.from_id",
            &[("lead_id", "copy.to_id".into())],
        )?;
    }
    db.execute_batch(
        "CREATE TEMP TABLE calls AS SELECT message_id, id FROM attempts; CREATE INDEX temp.calls_of ON calls (message_id);",
    )
    .during("laying out the calls")?;
    insert_calls(&db)?;
    // As many events as were asked for: some for each lead, in turn.
    let per_lead = events.div_ceil(leads).max(1);
    let columns = columns(&db, "events")?;
    let expressions: Vec<String> = columns
        .iter()
        .map(|column| match &**column {
            "id" => format!("copy.to_id + 50001 + s.i % {}", 15_000),
            "lead_id" => "copy.to_id".to_owned(),
            "at" | "received_at" => format!("t.{column} - {AGO} + s.i"),
            other => format!("t.{other}"),
        })
        .collect();
    let sql = format!(
        "WITH RECURSIVE s(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM s WHERE i + 1 < {per_lead})
         INSERT INTO events ({}) SELECT {} FROM copy, s
         JOIN events AS t ON t.id = (SELECT id FROM events WHERE lead_id = copy.from_id ORDER BY id LIMIT 1)",
        columns.join(", "),
        expressions.join(", ")
    );
    db.execute(&sql, []).during("filling events")?;
    db.execute_batch("COMMIT; PRAGMA wal_checkpoint(TRUNCATE);")
        .during("keeping the filling")?;
    let mut counts = serde_json::Map::new();
    for table in [
        "leads",
        "messages",
        "attempts",
        "events",
        "contact_points",
        "runs",
    ] {
        counts.insert(table.to_owned(), each(table, "1 = 1")?.into());
    }
    let bytes = fs::metadata(database).map_or(0, |file| file.len());
    counts.insert("megabytes".to_owned(), (bytes >> 20).into());
    Ok(Value::Object(counts))
}

fn columns(db: &Connection, table: &str) -> Tried<Vec<String>> {
    let mut read = db
        .prepare(&format!("SELECT name FROM pragma_table_info('{table}')"))
        .during(format_args!("reading the columns of {table}"))?;
    read.query_map([], |row| row.get(0))
        .and_then(Iterator::collect)
        .during(format_args!("reading the columns of {table}"))
}

/// Copies the rows `t` of a table for every row of `copy` that fits, with some columns changed.
fn insert(db: &Connection, table: &str, fits: &str, changes: &[(&str, String)]) -> Tried<()> {
    let columns = columns(db, table)?;
    let expressions: Vec<String> = columns
        .iter()
        .map(|column| {
            let changed = changes.iter().find(|(name, _)| name == column);
            changed.map_or_else(|| format!("t.{column}"), |(_, to)| to.clone())
        })
        .collect();
    let sql = format!(
        "INSERT INTO {table} ({}) SELECT {} FROM copy JOIN {table} AS t ON {fits}",
        columns.join(", "),
        expressions.join(", ")
    );
    db.execute(&sql, [])
        .during(format_args!("filling {table}"))
        .map(|_| ())
}

/// The calls of the copied messages, each beside its message.
fn insert_calls(db: &Connection) -> Tried<()> {
    let columns = columns(db, "attempts")?;
    let expressions: Vec<String> = columns
        .iter()
        .map(|column| match &**column {
            "id" => "m.id + 1".to_owned(),
            "message_id" => "m.id".to_owned(),
            "started_at" | "finished_at" => format!("t.{column} - {AGO}"),
            other => format!("t.{other}"),
        })
        .collect();
    let sql = format!(
        "INSERT INTO attempts ({}) SELECT {} FROM messages AS m
         JOIN attempts AS t ON t.id = (SELECT min(id) FROM calls)
         WHERE m.id >= {FIRST_ID} AND m.id < {FIRST_ID} + 4611686018427387904 / 4096",
        columns.join(", "),
        expressions.join(", ")
    );
    db.execute(&sql, []).during("filling attempts").map(|_| ())
}
