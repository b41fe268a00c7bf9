//! Many worlds: seed by seed, failure by failure, bug by bug.

use crate::check::{Violation, check};
use crate::faults::{Act, Seam, Trouble};
use crate::providers::Goes;
use crate::world::{Plan, Sim};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

/// What a world came to.
#[derive(Debug)]
pub struct Verdict {
    /// Its seed.
    pub seed: u64,
    /// The hash of its history.
    pub hash: String,
    /// What must not be.
    pub found: Vec<Violation>,
    /// How often each thing happened.
    pub counts: BTreeMap<String, u64>,
    /// Calls to providers.
    pub calls: usize,
    /// The history, when it was kept.
    pub lines: Vec<String>,
}

/// Lets one world happen and checks it.
pub fn one(plan: Plan) -> Verdict {
    let seed = plan.seed;
    let sim = Sim::run(plan);
    let found = check(&sim);
    Verdict {
        seed,
        hash: sim.history.hash(),
        found,
        calls: sim.calls.len(),
        lines: sim.history.lines().to_vec(),
        counts: sim.faults.counts.clone(),
    }
}

/// One world of a seed, and for some seeds a second time: the same seed must tell the same history (I12).
pub fn seed(seed: u64, twice: bool) -> Verdict {
    let mut verdict = one(Plan::of(seed));
    if twice {
        let again = one(Plan::of(seed));
        if again.hash != verdict.hash {
            verdict.found.push(Violation {
                invariant: 12,
                says: format!("seed {seed} told {} and then {}", verdict.hash, again.hash),
            });
        }
    }
    verdict
}

/// What a campaign came to.
#[derive(Debug, Default)]
pub struct Tally {
    /// Worlds.
    pub worlds: u64,
    /// Calls to providers.
    pub calls: u64,
    /// How often each thing happened.
    pub counts: BTreeMap<String, u64>,
    /// Seeds with what was found.
    pub found: Vec<(u64, Vec<Violation>)>,
}

impl Tally {
    fn add(&mut self, verdict: Verdict) {
        self.worlds += 1;
        self.calls += verdict.calls as u64;
        for (what, n) in verdict.counts {
            *self.counts.entry(what).or_default() += n;
        }
        if !verdict.found.is_empty() {
            self.found.push((verdict.seed, verdict.found));
        }
    }

    /// Adds another.
    pub fn join(&mut self, other: Self) {
        self.worlds += other.worlds;
        self.calls += other.calls;
        for (what, n) in other.counts {
            *self.counts.entry(what).or_default() += n;
        }
        self.found.extend(other.found);
    }

    /// Things that must happen sometimes and never did: then the campaign has shown nothing about them.
    pub fn never(&self) -> Vec<String> {
        must_happen()
            .into_iter()
            .filter(|what| !self.counts.contains_key(what))
            .collect()
    }

    /// The campaign as one line.
    pub fn to_json(&self, seconds: f64) -> Value {
        let seeds: Vec<u64> = self.found.iter().map(|(seed, _)| *seed).collect();
        json!({
            "worlds": self.worlds, "calls": self.calls, "seconds": (seconds * 10.0).round() / 10.0,
            "worlds_per_second": (self.worlds as f64 / seconds.max(0.001) * 10.0).round() / 10.0,
            "violations": self.found.iter().map(|(_, all)| all.len()).sum::<usize>(),
            "seeds": seeds.iter().take(50).collect::<Vec<_>>(), "happened": self.counts, "never": self.never(),
        })
    }
}

/// Every fault and every crash point.
pub fn must_happen() -> Vec<String> {
    let calls = Goes::ALL.iter().map(|goes| goes.as_str().to_owned());
    let crashes = Seam::ALL
        .iter()
        .map(|seam| format!("crash.{}", seam.as_str()));
    let stores = Seam::ALL.iter().filter(|seam| seam.of_store());
    let failures = stores.flat_map(|seam| {
        [
            format!("fail.{}", seam.as_str()),
            format!("full.{}", seam.as_str()),
        ]
    });
    let others = [
        "clock.forward",
        "clock.back",
        "provider.outage",
        "provider.drops_twin",
        "client.comes_again",
        "client.gives_up",
        "request.twice",
        "reply.twice",
        "report.twice",
        "look_up.found",
        "look_up.absent",
        "look_up.unclear",
        "server.stands_still",
        "staff.retry",
        "staff.cancel",
    ];
    calls
        .chain(crashes)
        .chain(failures)
        .chain(others.map(str::to_owned))
        .collect()
}

/// Lets the worlds of many seeds happen, on some threads.
pub fn run(from: u64, seeds: u64, jobs: usize, tell: &(dyn Fn(&Verdict) + Sync)) -> Tally {
    let next = AtomicU64::new(from);
    let tally = Mutex::new(Tally::default());
    std::thread::scope(|scope| {
        for _ in 0..jobs.max(1) {
            scope.spawn(|| {
                loop {
                    let n = next.fetch_add(1, Ordering::Relaxed);
                    if n >= from + seeds {
                        break;
                    }
                    let verdict = seed(n, n.is_multiple_of(20));
                    tell(&verdict);
                    if let Ok(mut tally) = tally.lock() {
                        tally.add(verdict);
                    }
                }
            });
        }
    });
    let mut tally = tally.into_inner().unwrap_or_default();
    tally.found.sort_by_key(|(seed, _)| *seed);
    tally
}

/// A small world in which one operation fails.
pub const fn nth_plan(scene: u64, n: u64, act: Act) -> Plan {
    Plan {
        seed: scene,
        trouble: Some(Trouble::Nth {
            left: n,
            act,
            hit: false,
        }),
        keep: false,
        twin: false,
        small: true,
    }
}

/// The n-th failure loop: a small world in which the n-th operation fails, for n = 1, 2, 3 … until a run passes untouched.
pub fn nth(scene: u64, act: Act, tell: &(dyn Fn(u64, &Verdict) + Sync)) -> Tally {
    let mut tally = Tally::default();
    for n in 1.. {
        let verdict = one(nth_plan(scene, n, act));
        let untouched = verdict.counts.keys().all(|what| {
            !what.starts_with("fail.") && !what.starts_with("full.") && !what.starts_with("crash.")
        });
        tell(n, &verdict);
        tally.add(verdict);
        if untouched {
            break;
        }
    }
    tally
}
