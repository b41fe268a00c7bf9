//! Ringback itself on two PostgreSQL servers under Patroni: several nodes take leads in while the primary dies again and again. Three records
//! side by side, as for one server (P1 to P4).

use super::{Deaths, FailoverArgs, RETURN_LIMIT, die, kind};
use crate::{
    crash::{
        clients::{Clients, Manners},
        records::{self, Ask, Source},
        verdict,
    },
    dice::Dice,
    fault::{Fault, Tried, While},
    figures::round,
    rig::{still_there, wait_until_settled},
    sink::Sink,
    subject::{Elsewhere, Scratch, Subject},
};
use ringback_pgtest::{APP, OWNER, Patroni, Standby};
use serde_json::{Value, json};
use std::{
    fs,
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::{Duration, Instant},
};

/// How long to wait at the end for messages to settle, and for unknown ones to be found out.
const SETTLE: Duration = Duration::from_secs(180);
const UNKNOWN: Duration = Duration::from_secs(75);
/// How long a provider takes to answer, so that calls are under way when something happens.
const SINK_DELAY: Duration = Duration::from_millis(5);

/// The old primary is back, and everybody has caught up, after so many seconds of load.
const SECONDS_EACH: u64 = 90;

/// Runs the campaign. True when every promise held.
pub(super) async fn run(args: &FailoverArgs) -> Tried<(Value, bool)> {
    if args.asynchronous || args.trust_what_is_seen {
        return Err(Fault::new(
            "losses are seeded with plain clients alone: leave out --servers",
        ));
    }
    let begun = Instant::now();
    let leads = args
        .leads
        .unwrap_or((args.failovers + 1) * SECONDS_EACH * u64::from(args.pace));
    let scratch = Scratch::new("failover", None, false)?;
    let sink = Sink::start(true)?;
    sink.answer_after(SINK_DELAY);
    let patroni = Patroni::start(Standby::Synchronous, &[]).during("starting Patroni")?;
    eprintln!(
        "bench: two servers under Patroni after {:?}",
        begun.elapsed()
    );
    let (serves, owner) = (patroni.url(APP), patroni.url(OWNER));
    let patroni = Arc::new(Mutex::new(patroni));
    let asked = patroni.clone();
    let source = Source::Asked(Ask::new(move |sql| {
        let patroni = asked.lock().unwrap_or_else(PoisonError::into_inner);
        patroni.sql("ringback", sql).during("asking the primary")
    }));
    let mut nodes = Vec::new();
    for n in 0..args.servers {
        let mut node = Subject::new(&args.binary, &scratch.path().join(format!("node-{n}")))?;
        node.limit("lease_seconds = 5")?;
        node.keep_in(Elsewhere {
            serves: serves.clone(),
            owner: owner.clone(),
            source: source.clone(),
        });
        nodes.push(node);
    }
    let tenant = nodes[0].create_tenant("failover", "bench")?;
    nodes[0].start()?;
    for n in 1..args.servers {
        // What is sealed by one node is opened by all.
        let key = nodes[n].data().join("master.key");
        fs::create_dir_all(nodes[n].data()).during("making a data folder")?;
        fs::copy(nodes[0].data().join("master.key"), key).during("handing on the key")?;
        nodes[n].start()?;
    }
    nodes[0].connect(&tenant, &sink).await?;
    let addrs: Vec<_> = nodes.iter().map(Subject::addr).collect();
    let clients = Clients::new(addrs[0], &tenant.api_key, args.seed, leads);
    let manners = Manners {
        pace: Some(args.pace),
        ..Manners::default()
    };
    let clients = Arc::new(clients.also(addrs[1..].to_vec()).with(manners));
    let (theirs, pair) = (clients.clone(), patroni.clone());
    let (failovers, seed) = (args.failovers, args.seed);
    let tormentor = thread::Builder::new()
        .name("tormentor".into())
        .spawn(move || {
            let done = torment(&mut nodes, &pair, &theirs, (failovers, leads), seed);
            if done.is_err() {
                theirs.give_up();
            }
            (nodes, done)
        })
        .during("starting the tormentor")?;
    clients.post_all(args.connections).await;
    while !tormentor.is_finished() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let (mut nodes, done) = tormentor
        .join()
        .map_err(|_| Fault::new("the tormentor panicked"))?;
    let (deaths, under_load) = done?;
    sink.answer_after(Duration::ZERO);
    let settled = wait_until_settled(&mut nodes[0], SETTLE, UNKNOWN).await?;
    for node in &mut nodes {
        node.stop()?;
    }
    let verdict = verdict::compare(&clients.told(), &sink.copies(), &records::read(&source)?);
    let all = deaths.taken_over + deaths.waited == args.failovers;
    let held = verdict.held() && all && under_load == args.failovers;
    let rewound = {
        let patroni = patroni.lock().unwrap_or_else(PoisonError::into_inner);
        patroni.said("pg_rewind exit code=0")
    };
    let line = json!({
        "campaign": "failover", "held": held, "servers": args.servers, "seed": args.seed, "leads": leads, "connections": args.connections,
        "failovers": deaths.taken_over, "under_load": under_load, "waited_for_the_old_primary": deaths.waited, "slowest_takeover_s": round(deaths.slowest.as_secs_f64(), 1),
        "longest_silence_s": round(clients.longest_silence().as_secs_f64(), 1), "old_primaries_rewound": rewound,
        "seconds": round(begun.elapsed().as_secs_f64(), 1), "settled_after_s": settled.map(|after| round(after.as_secs_f64(), 1)),
        "retried": clients.retried(), "providers": sink.tally().json(), "verdict": verdict.json(),
    });
    Ok((line, held))
}

/// The primary dies so often, evenly over the leads; each time the old one is back before the next. Answers how often somebody was still
/// posting then.
fn torment(
    nodes: &mut [Subject],
    patroni: &Mutex<Patroni>,
    clients: &Clients,
    (failovers, leads): (u64, u64),
    seed: u64,
) -> Tried<(Deaths, u64)> {
    let mut dice = Dice::new(seed, 33);
    let (mut deaths, mut under_load) = (Deaths::default(), 0);
    for n in 0..failovers {
        let enough = (n + 1) * leads / (failovers + 1);
        while clients.acknowledged() < enough && !clients.done() {
            for node in &mut *nodes {
                still_there(node)?;
            }
            thread::sleep(Duration::from_millis(1));
        }
        let death = kind(n);
        under_load += u64::from(!clients.done());
        let mut patroni = patroni.lock().unwrap_or_else(PoisonError::into_inner);
        die(&mut patroni, death, APP, &mut dice, &mut deaths)?;
        patroni
            .wait_for_standby(RETURN_LIMIT)
            .during("waiting for the old primary")?;
        eprintln!(
            "bench: {death:?} at {} acknowledged leads, {deaths:?}",
            clients.acknowledged()
        );
    }
    Ok((deaths, under_load))
}
