//! `ringback-bench`: puts load and faults on a real Ringback server over real sockets, on loopback only.
//!
//! Every campaign starts the given binary on a fresh data folder, plays the providers itself, and prints one line of JSON.
//! All chance comes from `--seed`.

#![allow(
    clippy::disallowed_methods,
    reason = "the harness measures real time; nothing it tests decides by it"
)]

mod bare;
mod book;
mod bulk;
mod clock;
mod crash;
mod dice;
mod disk;
mod failover;
mod fault;
mod faults;
mod figures;
mod freeze;
mod growth;
mod hostile;
mod isolation;
mod load;
mod meter;
mod nodes;
mod people;
mod poison;
mod power;
mod restore;
mod rig;
mod routes;
mod run;
mod shim;
mod sink;
mod subject;
mod wire;

use clap::{Parser, Subcommand};
use fault::{Tried, While};
use std::{
    io::Write as _,
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

/// Puts load and faults on a Ringback server and prints one line of JSON.
#[derive(Debug, Parser)]
#[command(name = "ringback-bench", version)]
struct Cli {
    #[command(subcommand)]
    what: What,
    /// Adds a line with the result to this file.
    #[arg(long, global = true)]
    book: Option<PathBuf>,
    /// What the line calls the server under test.
    #[arg(long, global = true, default_value = "unknown")]
    commit: String,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Measures rates, latencies, memory, disk and CPU, and the store alone beside them.
    Run(run::RunArgs),
    /// Kills the server at random instants and compares what clients, providers and the database say (P1 to P3).
    Crash(crash::CrashArgs),
    /// Cuts the power at random instants and starts the server on what was synced (P1).
    Power(power::PowerArgs),
    /// Freezes the server for longer than its claims hold (P3).
    Freeze(freeze::FreezeArgs),
    /// Fills the disk at a random byte (P10).
    Disk(disk::DiskArgs),
    /// Sets the wall clock of the server (P6).
    Clock(clock::ClockArgs),
    /// Lets critical alerts come in while a great many messages wait (P14).
    Bulk(bulk::BulkArgs),
    /// Lets providers do everything wrong that they can do wrong (P3, P4).
    Faults(faults::FaultsArgs),
    /// Kills the primary of two PostgreSQL servers under Patroni, again and again (P1).
    Failover(failover::FailoverArgs),
    /// Kills, freezes and cuts off one of three servers on one PostgreSQL, and restarts that (P1 to P4, P8).
    Nodes(nodes::NodesArgs),
    /// One message that ends the server whenever it is to be sent, among many that do no harm; needs a build with `seeded-bugs`.
    Poison(poison::PoisonArgs),
    /// Loses the data folder and restores a backup, with providers that remember (P11, P12).
    Restore(restore::RestoreArgs),
    /// Measures the same load on an empty and on a filled database, and while a backup is made.
    Growth(growth::GrowthArgs),
    /// Sends random and hostile bodies to every route.
    Hostile(hostile::HostileArgs),
    /// Tries every route with another tenant's key (X4, P7).
    Isolation(isolation::IsolationArgs),
    /// Writes the rows of one lead of an existing database in groups, without a server.
    #[command(hide = true)]
    Bare {
        /// The database to take the rows from.
        #[arg(long)]
        database: PathBuf,
        /// How long to write.
        #[arg(long, default_value_t = 5)]
        seconds: u64,
    },
}

fn main() -> ExitCode {
    match start(&Cli::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(why) => {
            eprintln!("bench: {why}");
            ExitCode::FAILURE
        }
    }
}

/// True when everything that was promised held.
fn start(cli: &Cli) -> Tried<bool> {
    if matches!(cli.what, What::Nodes(_)) {
        nodes::into_own_network()?;
    }
    // One thread for the load: the server under test needs the others.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .during("starting")?;
    let result = runtime.block_on(async {
        match &cli.what {
            What::Run(args) => run::run(args).await.map(|line| (line, true)),
            What::Crash(args) => crash::run(args).await,
            What::Power(args) => power::run(args).await,
            What::Freeze(args) => freeze::run(args).await,
            What::Disk(args) => disk::run(args).await,
            What::Clock(args) => clock::run(args).await,
            What::Bulk(args) => bulk::run(args).await,
            What::Faults(args) => faults::run(args).await,
            What::Failover(args) => failover::run(args).await,
            What::Nodes(args) => nodes::run(args).await,
            What::Poison(args) => poison::run(args).await,
            What::Restore(args) => restore::run(args).await,
            What::Growth(args) => growth::run(args).await,
            What::Hostile(args) => hostile::run(args).await,
            What::Isolation(args) => isolation::run(args).await,
            What::Bare { database, seconds } => {
                bare_alone(database, *seconds).map(|line| (line, true))
            }
        }
    });
    if let Some(book) = &cli.book {
        match &result {
            Ok((line, _)) => book::add(book, &cli.commit, line)?,
            Err(why) => book::add(book, &cli.commit, &broken_off(&why.to_string()))?,
        }
    }
    let (line, held) = result?;
    writeln!(std::io::stdout(), "{line}").during("printing the result")?;
    Ok(held)
}

/// The line of a campaign that could not go on to its end.
fn broken_off(why: &str) -> serde_json::Value {
    let words: Vec<String> = std::env::args().collect();
    let seed = words.windows(2).find(|pair| pair[0] == "--seed");
    let seed = seed.and_then(|pair| pair[1].parse::<u64>().ok());
    serde_json::json!({"campaign": words.get(1), "held": false, "seed": seed, "could_not_go_on": why})
}

fn bare_alone(database: &Path, seconds: u64) -> Tried<serde_json::Value> {
    let scratch = subject::Scratch::new("bare", None, false)?;
    let bare = bare::measure(
        database,
        &scratch.path().join("bare.db"),
        Duration::from_secs(seconds),
    )?;
    Ok(bare.json(0.0))
}
