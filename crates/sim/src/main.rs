//! The command line of the simulation.

use clap::{Parser, Subcommand};
use ringback_sim::campaign::{self, Tally, Verdict};
use ringback_sim::faults::Act;
use ringback_sim::world::Plan;
use serde_json::json;
use std::io::Write as _;
use std::process::ExitCode;
use std::time::Instant;

#[derive(Debug, Parser)]
#[command(
    about = "Small worlds in virtual time: finds what must not be, and tells the seed that shows it."
)]
struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Many seeds. Fails when anything is found, or when a fault never happened.
    Run {
        /// How many.
        #[arg(long, default_value_t = 2000)]
        seeds: u64,
        /// The first.
        #[arg(long, default_value_t = 1)]
        from: u64,
        /// Threads.
        #[arg(long, default_value_t = 2)]
        jobs: usize,
    },
    /// One seed, with its history.
    Replay {
        /// Which.
        #[arg(long)]
        seed: u64,
        /// Prints everything that happened.
        #[arg(long)]
        log: bool,
    },
    /// The n-th operation fails, for every n, in some small worlds: an error, a full disk, the end of the process.
    Nth {
        /// How many worlds.
        #[arg(long, default_value_t = 12)]
        scenes: u64,
        /// The n of one run to print, of the first world and a crash.
        #[arg(long)]
        log: Option<u64>,
    },
    /// Puts in one bug after the other; fails unless each is found. Only in a build with the feature `seeded-bugs`.
    Seeded {
        /// The most seeds for one bug.
        #[arg(long, default_value_t = 400)]
        seeds: u64,
        /// Only this bug.
        #[arg(long)]
        only: Option<String>,
    },
}

#[expect(clippy::disallowed_methods, reason = "how long a campaign took")]
fn clock() -> Instant {
    Instant::now()
}

fn say(line: &str) {
    // Nobody is left to tell when the other end of the pipe is gone.
    let _ = writeln!(std::io::stdout(), "{line}");
}

fn tell(verdict: &Verdict) {
    for found in verdict.found.iter().take(5) {
        say(&format!("seed {}: {found}", verdict.seed));
    }
}

fn sum(tally: &Tally, began: Instant, complete: bool) -> ExitCode {
    say(&tally.to_json(began.elapsed().as_secs_f64()).to_string());
    if tally.found.is_empty() && (!complete || tally.never().is_empty()) {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn main() -> ExitCode {
    let began = clock();
    match Args::parse().command {
        Command::Run { seeds, from, jobs } => {
            sum(&campaign::run(from, seeds, jobs, &tell), began, true)
        }
        Command::Replay { seed, log } => {
            let verdict = campaign::one(Plan {
                keep: log,
                ..Plan::of(seed)
            });
            for line in &verdict.lines {
                say(line);
            }
            tell(&verdict);
            say(&json!({"seed": seed, "hash": verdict.hash, "calls": verdict.calls, "violations": verdict.found.len(), "happened": verdict.counts}).to_string());
            if verdict.found.is_empty() {
                ExitCode::SUCCESS
            } else {
                ExitCode::FAILURE
            }
        }
        Command::Nth { scenes, log } => nth(scenes, log, began),
        Command::Seeded { seeds, only } => seeded(seeds, only.as_deref()),
    }
}

fn nth(scenes: u64, log: Option<u64>, began: Instant) -> ExitCode {
    let mut all = Tally::default();
    if let Some(n) = log {
        let verdict = campaign::one(Plan {
            keep: true,
            ..campaign::nth_plan(1, n, Act::Crash)
        });
        verdict.lines.iter().for_each(|line| say(line));
        tell(&verdict);
        return ExitCode::SUCCESS;
    }
    for scene in 1..=scenes {
        for act in [Act::Fail, Act::Full, Act::Crash] {
            let tally = campaign::nth(scene, act, &|n, verdict| {
                for found in verdict.found.iter().take(3) {
                    say(&format!("world {scene}, operation {n}, {act:?}: {found}"));
                }
            });
            all.join(tally);
        }
    }
    sum(&all, began, false)
}

#[cfg(not(feature = "seeded-bugs"))]
fn seeded(_: u64, _: Option<&str>) -> ExitCode {
    say(
        "This build carries no bugs. Build it with --features seeded-bugs, in a target folder of its own.",
    );
    ExitCode::FAILURE
}

/// The invariants that a bug is known to break: another one would be found by chance.
#[cfg(feature = "seeded-bugs")]
const fn expected(bug: ringback_core::seeded::Bug) -> &'static [u8] {
    use ringback_core::seeded::Bug;
    match bug {
        Bug::AnswerBeforeCommit => &[1],
        Bug::RetryOnUnknown | Bug::WebhookTakenTwice => &[3],
        Bug::ConsentAtPlanningOnly | Bug::GateOutsideIntent => &[4],
        Bug::LocalZoneOfServer | Bug::CapCheckThenSet => &[5],
        Bug::LateReportWins => &[6],
        Bug::LeaseByNodeClock => &[2, 3],
        Bug::LedgerRowChanged => &[8],
        Bug::TenantFilterMissing => &[7],
        Bug::BudgetNotReleased => &[9],
        // Worlds restore no backups: `ringback-bench restore` finds it.
        Bug::JournalNotReplayed => &[],
    }
}

#[cfg(feature = "seeded-bugs")]
fn seeded(seeds: u64, only: Option<&str>) -> ExitCode {
    use ringback_core::seeded::{Bug, sow};
    if let Some(name) = only {
        let Some(bug) = Bug::ALL.into_iter().find(|bug| bug.as_str() == name) else {
            say(&format!("There is no bug {name}."));
            return ExitCode::FAILURE;
        };
        sow(bug);
        for seed in 1..=seeds {
            let verdict = campaign::seed(seed, false);
            let wanted = expected(bug);
            let mut found = verdict.found.iter();
            if let Some(found) = found.find(|found| wanted.contains(&found.invariant)) {
                say(&format!("{name:<26} seed {seed:<5} {found}"));
                return ExitCode::SUCCESS;
            }
        }
        say(&format!("{name:<26} not found in {seeds} seeds"));
        return ExitCode::FAILURE;
    }
    // A bug stays in for the rest of its process, so each gets one of its own.
    let Ok(program) = std::env::current_exe() else {
        say("The program does not know where it is.");
        return ExitCode::FAILURE;
    };
    let mut missed = 0;
    let in_worlds = |bug: &Bug| !expected(*bug).is_empty();
    for bug in Bug::ALL.into_iter().filter(in_worlds) {
        let seeds = seeds.to_string();
        let run = std::process::Command::new(&program)
            .args(["seeded", "--seeds", &seeds, "--only", bug.as_str()])
            .status();
        missed += u32::from(!run.is_ok_and(|status| status.success()));
    }
    if missed == 0 {
        ExitCode::SUCCESS
    } else {
        say(&format!("{missed} bugs were not found"));
        ExitCode::FAILURE
    }
}
