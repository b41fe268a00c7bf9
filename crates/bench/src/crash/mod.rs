//! `crash`: leads under load while the server is killed, then three records side by side (P1, P2, P3).
//!
//! What the clients were told, what the providers saw, what the database says: written by three parties that do not know of each
//! other, compared by [`verdict`] once nothing waits any more.

pub mod clients;
pub mod records;
pub mod verdict;

pub use records::open_messages;

use crate::{
    dice::Dice,
    fault::Tried,
    figures::round,
    rig::{Rig, Size, until_acknowledged},
    subject::Subject,
};
use clap::Args;
use clients::Clients;
use serde_json::Value;
use std::{sync::Arc, thread, time::Duration};

/// How large the campaign is.
#[derive(Debug, Args)]
pub struct CrashArgs {
    #[command(flatten)]
    size: Size,
    /// How often the server is killed, at random instants.
    #[arg(long, default_value_t = 10)]
    kills: u64,
    /// The server answers before it commits (a build with the feature `seeded-bugs`): the campaign must find a lost lead.
    #[arg(long)]
    expect_loss: bool,
}

/// Runs the campaign. True when every promise held, or when the seeded loss was found.
pub async fn run(args: &CrashArgs) -> Tried<(Value, bool)> {
    let mut rig = Rig::new("crash", &args.size)?;
    if args.expect_loss {
        rig.subject
            .set("RINGBACK_TEST_BUGS", "answer-before-commit");
    }
    rig.open().await?;
    let clients = Arc::new(rig.clients());
    let (instants, seed) = (instants(args), args.size.seed);
    let restarts = rig
        .storm(&clients, move |subject, clients| {
            kill_at(subject, clients, &instants, seed)
        })
        .await?;
    let ended = rig.end(&clients, &[]).await?;
    let held = if args.expect_loss {
        ended.verdict.lost() > 0
    } else {
        ended.verdict.held()
    };
    let slowest = restarts.iter().max().copied().unwrap_or_default();
    let mut line = ended.line;
    line["held"] = held.into();
    line["kills"] = restarts.len().into();
    line["expect_loss"] = args.expect_loss.into();
    line["slowest_restart_ms"] = round(slowest.as_secs_f64() * 1_000.0, 0).into();
    Ok((line, held))
}

/// The instants, as counts of acknowledged leads, rising; the last may come when every lead is in and messages still go out.
fn instants(args: &CrashArgs) -> Vec<u64> {
    let mut dice = Dice::new(args.size.seed, 1);
    let mut instants: Vec<u64> = (0..args.kills)
        .map(|_| 1 + dice.below(args.size.leads))
        .collect();
    instants.sort_unstable();
    instants
}

/// Kills and restarts; answers how long each restart took.
pub fn kill_at(
    subject: &mut Subject,
    clients: &Clients,
    instants: &[u64],
    seed: u64,
) -> Tried<Vec<Duration>> {
    let mut dice = Dice::new(seed, 2);
    let mut restarts = Vec::new();
    for instant in instants {
        until_acknowledged(subject, clients, *instant)?;
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
    Ok(restarts)
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
