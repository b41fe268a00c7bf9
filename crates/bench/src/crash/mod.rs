//! `crash`: leads under load while the server is killed, then three records side by side (P1, P2, P3).
//!
//! What the clients were told, what the providers saw, what the database says: written by three parties that do not know of each
//! other, compared by [`verdict`] once nothing waits any more.

mod clients;
mod records;
mod verdict;

pub use records::open_messages;

use crate::{
    dice::Dice,
    fault::{Fault, Tried, While, fault},
    figures::round,
    sink::Sink,
    subject::{Scratch, Subject},
};
use clap::Args;
use clients::Clients;
use serde_json::{Value, json};
use std::{
    path::PathBuf,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

/// How large the campaign is.
#[derive(Debug, Args)]
pub struct CrashArgs {
    /// The server to kill.
    #[arg(long, default_value = "target/release/ringback")]
    binary: PathBuf,
    /// Leads in all.
    #[arg(long, default_value_t = 10_000)]
    leads: u64,
    /// Connections at the same time.
    #[arg(long, default_value_t = 64)]
    connections: usize,
    /// How often the server is killed, at random instants.
    #[arg(long, default_value_t = 10)]
    kills: u64,
    /// Decides the instants.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Milliseconds that the providers take to answer, so that kills find calls under way.
    #[arg(long, default_value_t = 5)]
    sink_delay_ms: u64,
    /// How long to wait at the end for messages to settle.
    #[arg(long, default_value_t = 180)]
    settle_seconds: u64,
    /// How long to wait, once the rest has settled, for unknown messages to be found out; ends when none of them changes any more.
    #[arg(long, default_value_t = 75)]
    unknown_seconds: u64,
    /// The server answers before it commits (a build with the feature `seeded-bugs`): the campaign must find a lost lead.
    #[arg(long)]
    expect_loss: bool,
    /// Where the data folder is made; the system's temporary folder otherwise.
    #[arg(long)]
    folder: Option<PathBuf>,
    /// Leaves the data folder behind.
    #[arg(long)]
    keep: bool,
}

/// Runs the campaign. True when every promise held, or when the seeded loss was found.
pub async fn run(args: &CrashArgs) -> Tried<(Value, bool)> {
    let scratch = Scratch::new("crash", args.folder.as_deref(), args.keep)?;
    let sink = Sink::start(true)?;
    sink.answer_after(Duration::from_millis(args.sink_delay_ms));
    let mut subject = Subject::new(&args.binary, scratch.path())?;
    if args.expect_loss {
        subject.set("RINGBACK_TEST_BUGS", "answer-before-commit");
    }
    let tenant = subject.create_tenant("Crash", "bench")?;
    subject.start()?;
    subject.connect(&tenant, &sink).await?;

    let begun = Instant::now();
    let clients = Arc::new(Clients::new(
        subject.addr(),
        &tenant.api_key,
        args.seed,
        args.leads,
    ));
    let killer = {
        let clients = clients.clone();
        let instants = instants(args);
        let seed = args.seed;
        thread::Builder::new()
            .name("killer".into())
            .spawn(move || {
                let killed = kill_at(subject, &clients, &instants, seed);
                if killed.is_err() {
                    clients.give_up();
                }
                killed
            })
            .during("starting the killer")?
    };
    clients.post_all(args.connections).await;
    while !killer.is_finished() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let (mut subject, restarts) = killer
        .join()
        .map_err(|_| Fault::new("the killer panicked"))??;
    let told = clients.told();

    sink.answer_after(Duration::ZERO);
    let settled = wait_until_settled(
        &mut subject,
        Duration::from_secs(args.settle_seconds),
        Duration::from_secs(args.unknown_seconds),
    )
    .await?;
    let stop = subject.stop()?;
    let database = subject.database()?;
    let book = records::read(&database)?;
    let saw = sink.copies();
    let verdict = verdict::compare(&told, &saw, &book);

    let held = if args.expect_loss {
        verdict.lost() > 0
    } else {
        verdict.held()
    };
    let slowest = restarts.iter().max().copied().unwrap_or_default();
    let line = json!({
        "campaign": "crash", "held": held, "seed": args.seed, "kills": restarts.len(), "connections": args.connections,
        "expect_loss": args.expect_loss, "seconds": round(begun.elapsed().as_secs_f64(), 1),
        "slowest_restart_ms": round(slowest.as_secs_f64() * 1_000.0, 0),
        "settled_after_s": settled.map(|after| round(after.as_secs_f64(), 1)),
        "stop_ms": round(stop.as_secs_f64() * 1_000.0, 0),
        "retried": clients.retried(), "providers": sink.tally().json(), "verdict": verdict.json(),
    });
    Ok((line, held))
}

/// The instants, as counts of acknowledged leads, rising; the last may come when every lead is in and messages still go out.
fn instants(args: &CrashArgs) -> Vec<u64> {
    let mut dice = Dice::new(args.seed, 1);
    let mut instants: Vec<u64> = (0..args.kills)
        .map(|_| 1 + dice.below(args.leads))
        .collect();
    instants.sort_unstable();
    instants
}

/// Kills and restarts; answers the server and how long each restart took.
fn kill_at(
    mut subject: Subject,
    clients: &Clients,
    instants: &[u64],
    seed: u64,
) -> Tried<(Subject, Vec<Duration>)> {
    let mut dice = Dice::new(seed, 2);
    let mut restarts = Vec::new();
    for instant in instants {
        while clients.acknowledged() < *instant {
            if !subject.alive() {
                return Err(fault!(
                    "the server ended by itself; the end of its log:\n{}",
                    subject.end_of_log()
                ));
            }
            if clients.done() {
                break;
            }
            thread::sleep(Duration::from_millis(1));
        }
        // Some microseconds more, so that the kill does not always fall just behind an answer.
        thread::sleep(Duration::from_micros(dice.below(20_000)));
        subject.kill();
        thread::sleep(Duration::from_millis(dice.below(100)));
        restarts.push(subject.start()?);
        eprintln!(
            "bench: killed at {} acknowledged leads, back after {:?}",
            clients.acknowledged(),
            restarts[restarts.len() - 1]
        );
    }
    Ok((subject, restarts))
}

/// Waits until no message waits or is on its way, then until none is unknown or none of them has changed for `patience`. Answers when the
/// former was so; None when it was not in time.
async fn wait_until_settled(
    subject: &mut Subject,
    limit: Duration,
    patience: Duration,
) -> Tried<Option<Duration>> {
    let database = subject.database()?;
    let begun = Instant::now();
    let mut settled = None;
    let mut unknown = (0, begun);
    while begun.elapsed() < limit {
        if !subject.alive() {
            return Err(fault!(
                "the server ended by itself; the end of its log:\n{}",
                subject.end_of_log()
            ));
        }
        let open = open_messages(&database)?;
        if open.waiting > 0 {
            settled = None;
        } else {
            settled.get_or_insert_with(|| begun.elapsed());
            if open.unknown != unknown.0 {
                unknown = (open.unknown, Instant::now());
            }
            if open.unknown == 0 || unknown.1.elapsed() > patience {
                break;
            }
        }
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
    Ok(settled)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        crash: CrashArgs,
    }

    #[test]
    fn the_seed_decides_when_the_server_is_killed() {
        let at = |seed: &str| {
            let args = Cli::parse_from(["bench", "--seed", seed, "--kills", "20"]).crash;
            instants(&args)
        };
        assert_eq!(at("5"), at("5"));
        assert_ne!(at("5"), at("6"));
        assert!(at("5").is_sorted() && at("5").iter().all(|at| (1..=10_000).contains(at)));
    }
}
