//! `failover`: PostgreSQL under Patroni with a synchronous standby; the primary dies under load again and again, the standby takes over, the
//! old primary comes back. What was acknowledged is there afterwards (P1). With `--servers` the clients are those of Ringback's own nodes, else
//! plain ones.

mod servers;
mod writers;

use crate::{
    dice::Dice,
    fault::{Fault, Tried, While, fault},
    figures::round,
};
use clap::Args;
use ringback_pgtest::{OWNER, Patroni, Standby};
use serde_json::{Value, json};
use std::{
    collections::HashSet,
    path::PathBuf,
    thread,
    time::{Duration, Instant},
};
use writers::{Repeated, Writers};

/// A standby that may take over has done so by then; the key of the primary lives six seconds.
const TAKEOVER_LIMIT: Duration = Duration::from_secs(30);
/// An old primary has to follow again within this time.
const RETURN_LIMIT: Duration = Duration::from_secs(120);

/// How large the campaign is.
#[derive(Debug, Args)]
pub struct FailoverArgs {
    /// How often the primary dies.
    #[arg(long, default_value_t = 5)]
    failovers: u64,
    /// Ringback servers on the pair; without any, plain clients insert rows.
    #[arg(long, default_value_t = 0)]
    servers: usize,
    /// The server under test.
    #[arg(long, default_value = "target/release/ringback")]
    binary: PathBuf,
    /// Leads in all, with --servers; the primary dies at even distances among them. Without it there are enough for all failovers.
    #[arg(long)]
    leads: Option<u64>,
    /// Leads a second, with --servers.
    #[arg(long, default_value_t = 20)]
    pace: u32,
    /// Connections at the same time, with --servers.
    #[arg(long, default_value_t = 32)]
    connections: usize,
    /// Rows that have to be acknowledged between two of them.
    #[arg(long, default_value_t = 200)]
    between: u64,
    /// Clients that insert at the same time.
    #[arg(long, default_value_t = 4)]
    writers: u64,
    /// Decides everything that is left to chance.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Commits do not wait for the standby: the campaign must find lost rows.
    #[arg(long)]
    asynchronous: bool,
    /// Clients acknowledge what they see when they repeat a row: the campaign must find lost rows.
    #[arg(long)]
    trust_what_is_seen: bool,
}

/// What happens to the primary.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Death {
    /// Patroni and PostgreSQL end at once.
    Sudden,
    /// Nothing reaches the standby for a while before.
    Held,
    /// The same, and the commits that wait are ended by an operator, so that their clients ask again.
    Terminated,
}

/// Each way to die comes as often as the others.
const fn kind(n: u64) -> Death {
    match n % 3 {
        0 => Death::Sudden,
        1 => Death::Held,
        _ => Death::Terminated,
    }
}

/// Runs the campaign. True when every acknowledged row was there at the end, or when the seeded loss was found.
pub async fn run(args: &FailoverArgs) -> Tried<(Value, bool)> {
    if args.servers > 0 {
        return servers::run(args).await;
    }
    let begun = Instant::now();
    let standby = if args.asynchronous {
        Standby::Asynchronous
    } else {
        Standby::Synchronous
    };
    let repeated = if args.trust_what_is_seen {
        Repeated::Seen
    } else {
        Repeated::Written
    };
    let mut patroni = Patroni::start(standby, &[]).during("starting Patroni")?;
    eprintln!(
        "bench: two servers under Patroni after {:?}",
        begun.elapsed()
    );
    // A commit that waits for the standby is not ended by this, or it would be answered without the standby.
    let limit = format!("ALTER ROLE {OWNER} SET statement_timeout = '100ms'");
    patroni
        .sql("postgres", &limit)
        .during("setting a time-out")?;
    let writers = Writers::start(&patroni, args.writers, repeated)?;
    let mut dice = Dice::new(args.seed, 30);
    let mut deaths = Deaths::default();
    for n in 0..args.failovers {
        until(&writers, args.between)?;
        let death = kind(n);
        die(&mut patroni, death, OWNER, &mut dice, &mut deaths)?;
        patroni
            .wait_for_standby(RETURN_LIMIT)
            .during("waiting for the old primary")?;
        eprintln!(
            "bench: {death:?} at {} acknowledged rows, {deaths:?}",
            writers.acknowledged()
        );
    }
    until(&writers, args.between)?;
    let told = writers.end();
    let stored = stored(&patroni)?;
    let lost = told.acknowledged.difference(&stored).count();
    let seeded = args.asynchronous || args.trust_what_is_seen;
    let held = if seeded { lost > 0 } else { lost == 0 };
    let line = json!({
        "campaign": "failover", "held": held, "seed": args.seed, "failovers": deaths.taken_over, "waited_for_the_old_primary": deaths.waited,
        "seconds": round(begun.elapsed().as_secs_f64(), 1),
        "expect_loss": seeded, "rows_acknowledged": told.acknowledged.len(), "rows_stored": stored.len(),
        "acknowledged_rows_lost": lost, "retried": told.retried,
        "slowest_takeover_s": round(deaths.slowest.as_secs_f64(), 1),
        "longest_silence_s": round(told.longest_silence.as_secs_f64(), 1),
        "old_primaries_rewound": patroni.said("pg_rewind exit code=0"),
    });
    Ok((line, held))
}

/// What became of the deaths.
#[derive(Debug, Default)]
struct Deaths {
    /// The standby was promoted.
    taken_over: u64,
    /// Patroni knew of no standby that had everything, so the old primary had to come back.
    waited: u64,
    /// The longest time until a standby was primary.
    slowest: Duration,
}

/// Lets the primary die, waits for the next one, and brings the dead back.
fn die(
    patroni: &mut Patroni,
    death: Death,
    clients_role: &str,
    dice: &mut Dice,
    deaths: &mut Deaths,
) -> Tried<()> {
    let primary = patroni
        .wait_for_primary(TAKEOVER_LIMIT)
        .during("looking for the primary")?;
    thread::sleep(Duration::from_millis(dice.below(1_000)));
    let held = match death {
        Death::Sudden => None,
        Death::Held | Death::Terminated => {
            let held = patroni.hold_line(primary).during("holding the line")?;
            thread::sleep(Duration::from_millis(300 + dice.below(500)));
            Some(held)
        }
    };
    if death == Death::Terminated {
        let all = format!(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE usename = '{clients_role}'"
        );
        // What waited at first may have reached the standby before the line was held. Clients who ask again the second time find rows that
        // no standby has.
        for _ in 0..2 {
            patroni
                .sql_on(primary, "postgres", &all)
                .during("ending what waits")?;
            thread::sleep(Duration::from_millis(400 + dice.below(400)));
        }
    }
    let begun = Instant::now();
    patroni.kill(primary).during("killing the primary")?;
    drop(held);
    match patroni.wait_for_primary(TAKEOVER_LIMIT) {
        Ok(next) if next == primary => {
            return Err(Fault::new("a primary that was killed answers"));
        }
        Ok(_) => {
            deaths.taken_over += 1;
            deaths.slowest = deaths.slowest.max(begun.elapsed());
        }
        Err(_) => deaths.waited += 1,
    }
    patroni
        .bring_back(primary)
        .during("bringing the old primary back")?;
    patroni
        .wait_for_primary(RETURN_LIMIT)
        .during("waiting for a primary")?;
    Ok(())
}

fn until(writers: &Writers, more: u64) -> Tried<()> {
    let begun = Instant::now();
    let enough = writers.acknowledged() + more;
    while writers.acknowledged() < enough {
        if begun.elapsed() > RETURN_LIMIT {
            return Err(fault!("nothing was acknowledged for {RETURN_LIMIT:?}"));
        }
        thread::sleep(Duration::from_millis(5));
    }
    Ok(())
}

fn stored(patroni: &Patroni) -> Tried<HashSet<u64>> {
    let rows = patroni
        .psql(OWNER)
        .args(["--command", "SELECT n FROM acknowledged"])
        .output()
        .during("reading the rows")?;
    if !rows.status.success() {
        let said = String::from_utf8_lossy(&rows.stderr).into_owned();
        return Err(said).during("reading the rows");
    }
    let text = String::from_utf8_lossy(&rows.stdout);
    text.lines()
        .map(|line| line.parse().during("reading a row"))
        .collect()
}
