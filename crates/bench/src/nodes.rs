//! `nodes`: three servers on one PostgreSQL under load; one at a time is killed, frozen for longer than its lease, or cut off from the database, and
//! the database itself is restarted in every way. Then three records side by side, as for one server (P1 to P4, P8).
//!
//! Each node speaks to the database at an address of loopback of its own, so that it can be cut off alone. The rules that drop what it
//! says live in a network of the campaign's own (`unshare --net`), never in the machine's; that needs root, nft and ip.

use crate::{
    crash::{
        clients::{Clients, Manners},
        records::{self, Source},
        verdict,
    },
    dice::Dice,
    fault::{Fault, Tried, While, fault},
    figures::round,
    rig::{Size, still_there, wait_until_settled},
    sink::Sink,
    subject::{Elsewhere, Scratch, Subject},
};
use clap::Args;
use ringback_pgtest::{APP, Cluster, Database, OWNER, Settings, Stop};
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    env, fs,
    os::unix::process::CommandExt as _,
    path::Path,
    process::Command,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

/// Says that the campaign runs in a network of its own.
const INSIDE: &str = "RINGBACK_BENCH_OWN_NETWORK";
/// P8: the work of a node that died goes on within this time.
const GOES_ON: Duration = Duration::from_secs(10);

/// How large the campaign is.
#[derive(Debug, Args)]
pub struct NodesArgs {
    #[command(flatten)]
    size: Size,
    /// Servers on the one database.
    #[arg(long, default_value_t = 3)]
    nodes: usize,
    /// How often something happens, at random instants; each kind as often as the others.
    #[arg(long, default_value_t = 14)]
    faults: u64,
    /// How often a node is killed. Where any of these four is given, they alone say what happens, and the others are none.
    #[arg(long)]
    kills: Option<u64>,
    /// How often a node is frozen.
    #[arg(long)]
    freezes: Option<u64>,
    /// How often PostgreSQL is restarted, in its three ways in turn.
    #[arg(long)]
    restarts: Option<u64>,
    /// How often a node is cut off, in three ways in turn; an error where that cannot be done.
    #[arg(long)]
    cuts: Option<u64>,
    /// Leads a second, so that the load lasts as long as the faults.
    #[arg(long, default_value_t = 40)]
    pace: u32,
    /// How long a node is frozen or cut off, in seconds: longer than any lease.
    #[arg(long, default_value_t = 15)]
    away_seconds: u64,
}

/// What happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Trouble {
    /// kill -9 of a node, which comes back when others have taken over its work.
    Kill,
    /// SIGSTOP of a node for longer than its lease, then SIGCONT.
    Freeze,
    /// PostgreSQL restarts.
    Restart(Restart),
    /// Nothing reaches the database from a node, nor a node from the database, or one of both.
    Cut(Way),
}

/// The ways in which PostgreSQL is stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Restart {
    Fast,
    Immediate,
    Killed,
}

/// Which way is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Way {
    Both,
    ToTheDatabase,
    FromTheDatabase,
}

const ALWAYS: [Trouble; 5] = [
    Trouble::Kill,
    Trouble::Freeze,
    Trouble::Restart(Restart::Fast),
    Trouble::Restart(Restart::Immediate),
    Trouble::Restart(Restart::Killed),
];
const CUTS: [Trouble; 3] = [
    Trouble::Cut(Way::Both),
    Trouble::Cut(Way::ToTheDatabase),
    Trouble::Cut(Way::FromTheDatabase),
];

/// Starts the same campaign again in a network of its own, where that is possible; answers when it is not, or when this is it.
pub fn into_own_network() -> Tried<()> {
    if env::var_os(INSIDE).is_some() {
        return Ok(());
    }
    let works = Command::new("unshare")
        .args(["--net", "sh", "-c", "ip link set lo up && nft list ruleset"])
        .output()
        .is_ok_and(|done| done.status.success());
    if !works {
        eprintln!(
            "bench: nodes are not cut off from the database: that needs root, unshare, ip and nft"
        );
        return Ok(());
    }
    let own = env::current_exe().during("finding the harness")?;
    let failed = Command::new("unshare")
        .args([
            "--net",
            "sh",
            "-c",
            "ip link set lo up && exec \"$@\"",
            "sh",
        ])
        .arg(own)
        .args(env::args_os().skip(1))
        .env(INSIDE, "1")
        .exec();
    Err(failed).during("starting in a network of its own")
}

/// The house of all nodes.
struct House {
    nodes: Vec<Subject>,
    cluster: Cluster,
    source: Source,
}

/// Runs the campaign. True when every promise held.
pub async fn run(args: &NodesArgs) -> Tried<(Value, bool)> {
    let begun = Instant::now();
    let cuts = env::var_os(INSIDE).is_some();
    let size = &args.size;
    let scratch = Scratch::new("nodes", size.folder.as_deref(), size.keep)?;
    let sink = Sink::start(true)?;
    sink.answer_after(Duration::from_millis(size.sink_delay_ms));
    let addresses: Vec<String> = (0..=args.nodes)
        .map(|n| format!("127.0.0.{}", n + 1))
        .collect();
    let listen = format!("listen_addresses = '{}'", addresses.join(", "));
    let cluster =
        Cluster::start(&Settings::durable().with(listen)).during("starting PostgreSQL")?;
    let database = cluster.database().during("making the database")?;
    let source = Source::Postgres((*cluster).clone(), database.name().to_owned());
    let mut nodes = Vec::new();
    for n in 0..args.nodes {
        nodes.push(node(args, scratch.path(), &database, &source, n)?);
    }
    let tenant = nodes[0].create_tenant("nodes", "bench")?;
    nodes[0].start()?;
    for n in 1..args.nodes {
        // What is sealed by one node is opened by all.
        let key = nodes[n].data().join("master.key");
        fs::create_dir_all(nodes[n].data()).during("making a data folder")?;
        fs::copy(nodes[0].data().join("master.key"), key).during("handing on the key")?;
        nodes[n].start()?;
    }
    nodes[0].connect(&tenant, &sink).await?;
    let addrs: Vec<_> = nodes.iter().map(Subject::addr).collect();
    let clients = Clients::new(addrs[0], &tenant.api_key, size.seed, size.leads);
    let manners = Manners {
        pace: Some(args.pace),
        ..Manners::default()
    };
    let clients = Arc::new(clients.also(addrs[1..].to_vec()).with(manners));

    let mut house = House {
        nodes,
        cluster,
        source: source.clone(),
    };
    let (theirs, plan) = (clients.clone(), plan(args, cuts)?);
    let (away, seed) = (Duration::from_secs(args.away_seconds), size.seed);
    let tormentor = thread::Builder::new()
        .name("tormentor".into())
        .spawn(move || {
            let done = torment(&mut house, &theirs, &plan, away, seed);
            if done.is_err() {
                theirs.give_up();
            }
            (house, done)
        })
        .during("starting the tormentor")?;
    clients.post_all(size.connections).await;
    while !tormentor.is_finished() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let (mut house, done) = tormentor
        .join()
        .map_err(|_| Fault::new("the tormentor panicked"))?;
    let happened = done?;

    sink.answer_after(Duration::ZERO);
    let settled = wait_until_settled(
        &mut house.nodes[0],
        Duration::from_secs(size.settle_seconds),
        Duration::from_secs(size.unknown_seconds),
    )
    .await?;
    for node in &mut house.nodes {
        node.stop()?;
    }
    let verdict = verdict::compare(&clients.told(), &sink.copies(), &records::read(&source)?);
    let slowest = happened.went_on.iter().max().copied().unwrap_or_default();
    let held = verdict.held() && slowest <= GOES_ON;
    let line = json!({
        "campaign": "nodes", "held": held, "seed": size.seed, "leads": size.leads, "connections": size.connections, "nodes": args.nodes,
        "seconds": round(begun.elapsed().as_secs_f64(), 1),
        "settled_after_s": settled.map(|after| round(after.as_secs_f64(), 1)),
        "retried": clients.retried(), "faults": happened.counts, "no_cuts": !cuts,
        "longest_silence_s": round(clients.longest_silence().as_secs_f64(), 1), "slowest_takeover_s": round(slowest.as_secs_f64(), 1),
        "providers": sink.tally().json(), "verdict": verdict.json(),
    });
    drop(database);
    Ok((line, held))
}

fn node(
    args: &NodesArgs,
    scratch: &Path,
    database: &Database,
    source: &Source,
    n: usize,
) -> Tried<Subject> {
    let mut node = Subject::new(&args.size.binary, &scratch.join(format!("node-{n}")))?;
    node.limit("lease_seconds = 5")?;
    // The first address is the harness's own.
    let own = |role| {
        database
            .url(role)
            .replace("@127.0.0.1:", &format!("@127.0.0.{}:", n + 2))
    };
    node.keep_in(Elsewhere {
        serves: own(APP),
        owner: own(OWNER),
        source: source.clone(),
    });
    Ok(node)
}

/// What happens, and after how many acknowledged leads.
fn plan(args: &NodesArgs, cuts: bool) -> Tried<Vec<(u64, Trouble)>> {
    let mut dice = Dice::new(args.size.seed, 31);
    let kinds: Vec<Trouble> = if cuts {
        ALWAYS.into_iter().chain(CUTS).collect()
    } else {
        ALWAYS.to_vec()
    };
    let [kill, freeze, restarts @ ..] = ALWAYS;
    let given: [(Option<u64>, &[Trouble]); 4] = [
        (args.kills, &[kill]),
        (args.freezes, &[freeze]),
        (args.restarts, &restarts),
        (args.cuts, &CUTS),
    ];
    let mut troubles: Vec<Trouble> = Vec::new();
    if given.iter().any(|(count, _)| count.is_some()) {
        if !cuts && args.cuts.is_some_and(|count| count > 0) {
            return Err(Fault::new(
                "--cuts needs root, unshare, ip and nft; `tests/install campaigns` gets them",
            ));
        }
        for (count, of) in given {
            let of = of.iter().copied().cycle();
            troubles.extend(of.take(usize::try_from(count.unwrap_or(0)).unwrap_or(usize::MAX)));
        }
    } else {
        let all = kinds.iter().copied().cycle();
        troubles.extend(all.take(usize::try_from(args.faults).unwrap_or(usize::MAX)));
    }
    let mut instants: Vec<u64> = troubles
        .iter()
        .map(|_| 1 + dice.below(args.size.leads))
        .collect();
    instants.sort_unstable();
    let mut plan = Vec::new();
    for instant in instants {
        let next = dice.below(troubles.len() as u64) as usize;
        plan.push((instant, troubles.swap_remove(next)));
    }
    Ok(plan)
}

#[derive(Debug, Default)]
struct Happened {
    counts: BTreeMap<String, u64>,
    /// How long the calls of each node that died stood still.
    went_on: Vec<Duration>,
}

fn torment(
    house: &mut House,
    clients: &Clients,
    plan: &[(u64, Trouble)],
    away: Duration,
    seed: u64,
) -> Tried<Happened> {
    let mut dice = Dice::new(seed, 32);
    let mut happened = Happened::default();
    for (instant, trouble) in plan {
        while clients.acknowledged() < *instant && !clients.done() {
            for node in &mut house.nodes {
                still_there(node)?;
            }
            thread::sleep(Duration::from_millis(1));
        }
        thread::sleep(Duration::from_micros(dice.below(20_000)));
        let n = dice.below(house.nodes.len() as u64) as usize;
        match trouble {
            Trouble::Kill => happened.went_on.push(kill(house, n)?),
            Trouble::Freeze => {
                house.nodes[n].signal("STOP")?;
                thread::sleep(away);
                house.nodes[n].signal("CONT")?;
            }
            Trouble::Restart(how) => {
                let how = match how {
                    Restart::Fast => Stop::Fast,
                    Restart::Immediate => Stop::Immediate,
                    Restart::Killed => Stop::Kill,
                };
                house.cluster.restart(how).during("restarting PostgreSQL")?;
            }
            Trouble::Cut(way) => cut(n, house.cluster.port(), *way, away)?,
        }
        eprintln!(
            "bench: {trouble:?} at {} acknowledged leads",
            clients.acknowledged()
        );
        let kind = format!("{trouble:?}").to_lowercase();
        *happened.counts.entry(kind).or_default() += 1;
    }
    Ok(happened)
}

/// Kills a node, waits until nothing that was under way then is still counted as under way, and starts it again. Answers how long that took.
fn kill(house: &mut House, n: usize) -> Tried<Duration> {
    let node = &mut house.nodes[n];
    node.kill();
    let begun = Instant::now();
    let Source::Postgres(server, database) = &house.source else {
        return Err(Fault::new("nodes share a database of PostgreSQL"));
    };
    let under_way = server
        .sql(
            database,
            "SELECT id || ':' || epoch FROM messages WHERE state = 1",
        )
        .during("looking what was under way")?;
    let names: Vec<String> = under_way.lines().map(|line| format!("'{line}'")).collect();
    if !names.is_empty() {
        let still = format!(
            "SELECT count(*) FROM messages WHERE state = 1 AND id || ':' || epoch IN ({})",
            names.join(", ")
        );
        while server
            .sql(database, &still)
            .during("looking what is under way")?
            != "0"
        {
            if begun.elapsed() > GOES_ON * 6 {
                return Err(fault!(
                    "the work of a node that died stood still for {:?}",
                    begun.elapsed()
                ));
            }
            thread::sleep(Duration::from_millis(50));
        }
    }
    let took = begun.elapsed();
    house.nodes[n].start()?;
    Ok(took)
}

/// Drops what a node and the database say to each other, for a while.
fn cut(n: usize, port: u16, way: Way, away: Duration) -> Tried<()> {
    let there = format!("ip daddr 127.0.0.{} tcp dport {port} drop", n + 2);
    let back = format!("ip saddr 127.0.0.{} tcp sport {port} drop", n + 2);
    let rules = match way {
        Way::Both => format!("{there}; {back};"),
        Way::ToTheDatabase => format!("{there};"),
        Way::FromTheDatabase => format!("{back};"),
    };
    nft(&format!(
        "table inet ringback {{ chain cut {{ type filter hook input priority 0; {rules} }}; }}"
    ))?;
    thread::sleep(away);
    nft("delete table inet ringback")
}

fn nft(rules: &str) -> Tried<()> {
    // Never in the machine's own network.
    if env::var_os(INSIDE).is_none() {
        return Err(Fault::new(
            "nodes are cut off in a network of the campaign's own alone",
        ));
    }
    let done = Command::new("nft")
        .arg(rules)
        .output()
        .during("running nft")?;
    if done.status.success() {
        return Ok(());
    }
    Err(fault!(
        "nft {rules}: {}",
        String::from_utf8_lossy(&done.stderr)
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        nodes: NodesArgs,
    }

    #[test]
    fn every_kind_of_trouble_comes_as_often_as_the_others() {
        let args = Cli::parse_from(["bench", "--faults", "16"]).nodes;
        let mut counts = BTreeMap::new();
        for (instant, trouble) in plan(&args, true).unwrap() {
            assert!((1..=args.size.leads).contains(&instant));
            *counts.entry(trouble).or_insert(0) += 1;
        }
        assert_eq!(counts.len(), 8);
        assert!(counts.values().all(|count| *count == 2), "{counts:?}");
        let without = plan(&args, false).unwrap();
        assert!(without.iter().all(|(_, trouble)| !CUTS.contains(trouble)));
        assert_eq!(without, plan(&args, false).unwrap(), "the seed decides");
    }

    #[test]
    fn what_is_asked_for_happens_so_often() {
        let args = Cli::parse_from(["bench", "--kills", "50", "--restarts", "6"]).nodes;
        let mut counts = BTreeMap::new();
        for (_, trouble) in plan(&args, false).unwrap() {
            *counts.entry(trouble).or_insert(0) += 1;
        }
        let restart = |how| (Trouble::Restart(how), 2);
        let wanted = [
            (Trouble::Kill, 50),
            restart(Restart::Fast),
            restart(Restart::Immediate),
            restart(Restart::Killed),
        ];
        assert_eq!(counts, BTreeMap::from(wanted));
        let cuts = Cli::parse_from(["bench", "--cuts", "1"]).nodes;
        assert!(
            plan(&cuts, false).is_err(),
            "what cannot be done is no success"
        );
    }
}
