//! `ringback-bench`: puts load and faults on a real Ringback server over real sockets, on loopback only.
//!
//! Every campaign starts the given binary on a fresh data folder, plays the providers itself, and prints one line of JSON.
//! All chance comes from `--seed`.

#![allow(
    clippy::disallowed_methods,
    reason = "the harness measures real time; nothing it tests decides by it"
)]

mod bare;
mod crash;
mod dice;
mod fault;
mod figures;
mod hostile;
mod isolation;
mod load;
mod meter;
mod people;
mod poison;
mod routes;
mod run;
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
}

#[derive(Debug, Subcommand)]
enum What {
    /// Measures rates, latencies, memory, disk and CPU, and the store alone beside them.
    Run(run::RunArgs),
    /// Kills the server at random instants and compares what clients, providers and the database say (P1 to P3).
    Crash(crash::CrashArgs),
    /// One message that ends the server whenever it is to be sent, among many that do no harm; needs a build with `seeded-bugs`.
    Poison(poison::PoisonArgs),
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
    // One thread for the load: the server under test needs the others.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .during("starting")?;
    let (line, held) = runtime.block_on(async {
        match &cli.what {
            What::Run(args) => run::run(args).await.map(|line| (line, true)),
            What::Crash(args) => crash::run(args).await,
            What::Poison(args) => poison::run(args).await,
            What::Hostile(args) => hostile::run(args).await,
            What::Isolation(args) => isolation::run(args).await,
            What::Bare { database, seconds } => {
                bare_alone(database, *seconds).map(|line| (line, true))
            }
        }
    })?;
    writeln!(std::io::stdout(), "{line}").during("printing the result")?;
    Ok(held)
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
