//! `freeze`: the server is stopped as by a paused machine (SIGSTOP) for longer than its claims hold, then goes on. What it was about to
//! say when it froze is not said: somebody else may have said it meanwhile (P3, reliability 3.1).

use crate::{
    crash::{
        clients::Clients,
        records::{calls_kept, calls_under_way},
    },
    dice::Dice,
    fault::Tried,
    rig::{Rig, Size, still_there, until_acknowledged},
    sink::Arrivals,
    subject::Subject,
};
use clap::Args;
use ringback_core::messages::ChannelKind;
use serde_json::{Value, json};
use std::{
    collections::{HashMap, HashSet},
    fs,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

/// A new call for the same message is made only after its end was unknown for a while; what comes sooner is the old call.
const TOO_SOON: Duration = Duration::from_millis(900);

/// How large the campaign is.
#[derive(Debug, Args)]
pub struct FreezeArgs {
    #[command(flatten)]
    size: Size,
    /// How often the server is frozen, at random instants.
    #[arg(long, default_value_t = 20)]
    freezes: u64,
    /// How long a claim on a message holds, in seconds.
    #[arg(long, default_value_t = 3)]
    lease_seconds: u32,
}

/// One time that the server stood still.
#[derive(Debug)]
struct Freeze {
    under_way: HashSet<(u64, ChannelKind)>,
    thawed: Instant,
    thawed_at: jiff::Timestamp,
}

/// Runs the campaign. True when every promise held.
pub async fn run(args: &FreezeArgs) -> Tried<(Value, bool)> {
    let mut rig = Rig::new("freeze", &args.size)?;
    rig.subject
        .limit(&format!("lease_seconds = {}", args.lease_seconds))?;
    rig.open().await?;
    let clients = Arc::new(rig.clients());
    let mut dice = Dice::new(args.size.seed, 20);
    let mut instants: Vec<u64> = (0..args.freezes)
        .map(|_| 1 + dice.below(args.size.leads))
        .collect();
    instants.sort_unstable();
    let lease = Duration::from_secs(args.lease_seconds.into());
    let freezes = rig
        .storm(&clients, move |subject, clients| {
            let mut freezes = Vec::new();
            for instant in instants {
                until_acknowledged(subject, clients, instant)?;
                thread::sleep(Duration::from_micros(dice.below(20_000)));
                let longer = Duration::from_millis(100 + dice.below(1_000));
                freezes.push(freeze(subject, clients, lease + longer)?);
            }
            Ok(freezes)
        })
        .await?;
    let ended = rig.end(&clients, &[]).await?;
    let kept = calls_kept(&rig.subject.records()?)?;
    let zombies = zombies(&freezes, &rig.sink.arrivals(), &kept);
    let held = ended.verdict.held() && zombies.is_empty();
    let mut line = ended.line;
    line["held"] = held.into();
    line["freeze"] = json!({
        "freezes": freezes.len(), "lease_seconds": args.lease_seconds,
        "calls_under_way": freezes.iter().map(|freeze| freeze.under_way.len()).sum::<usize>(),
        "said_after_the_lease": zombies.len(), "examples": zombies.iter().take(5).collect::<Vec<_>>(),
    });
    Ok((line, held))
}

fn freeze(subject: &mut Subject, clients: &Clients, length: Duration) -> Tried<Freeze> {
    subject.signal("STOP")?;
    let status = format!("/proc/{}/stat", subject.pid()?);
    let begun = Instant::now();
    // The signal reaches all threads a moment later.
    while !fs::read_to_string(&status).is_ok_and(|stat| stat.contains(") T ")) {
        still_there(subject)?;
        thread::sleep(Duration::from_millis(1));
    }
    let under_way = calls_under_way(&subject.records()?);
    thread::sleep(length.saturating_sub(begun.elapsed()));
    let (thawed, thawed_at) = (Instant::now(), jiff::Timestamp::now());
    subject.signal("CONT")?;
    let under_way = under_way?;
    eprintln!(
        "bench: frozen for {length:?} at {} acknowledged leads, {} calls under way",
        clients.acknowledged(),
        under_way.len()
    );
    Ok(Freeze {
        under_way,
        thawed,
        thawed_at,
    })
}

/// Messages that arrived by a call whose lease had ended. One that was claimed anew after the freeze has a call of its own: where a key drops
/// twins that may be at once.
fn zombies(
    freezes: &[Freeze],
    arrivals: &Arrivals,
    kept: &HashMap<(u64, ChannelKind), Vec<i64>>,
) -> Vec<String> {
    let mut found = Vec::new();
    for freeze in freezes {
        for (n, channel) in &freeze.under_way {
            let times = arrivals.get(&(*n, *channel));
            let late = times.into_iter().flatten().find(|at| {
                at.checked_duration_since(freeze.thawed)
                    .is_some_and(|after| after < TOO_SOON)
            });
            let anew = kept.get(&(*n, *channel)).is_some_and(|calls| {
                let first = ringback_core::ids::first_of(freeze.thawed_at);
                calls.iter().any(|call| *call >= first)
            });
            if late.is_some() && !anew {
                found.push(format!("{channel} of lead {n}"));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_right_after_a_freeze_is_the_old_call() {
        let thawed = Instant::now();
        let at = |ms: i64| {
            let span = Duration::from_millis(ms.unsigned_abs());
            if ms < 0 { thawed - span } else { thawed + span }
        };
        let under_way = HashSet::from([(1, ChannelKind::Sms), (2, ChannelKind::Sms)]);
        let thawed_at = jiff::Timestamp::now();
        let freezes = [Freeze {
            under_way,
            thawed,
            thawed_at,
        }];
        let mut kept = HashMap::new();
        let mut arrivals = Arrivals::new();
        arrivals.insert((1, ChannelKind::Sms), vec![at(-2_000), at(1_100)]);
        // This one was not under way: it is new.
        arrivals.insert((3, ChannelKind::Sms), vec![at(20)]);
        assert_eq!(zombies(&freezes, &arrivals, &kept), Vec::<String>::new());
        arrivals.insert((2, ChannelKind::Sms), vec![at(20)]);
        assert_eq!(zombies(&freezes, &arrivals, &kept), ["sms of lead 2"]);
        let before = ringback_core::ids::first_of(thawed_at) - 1;
        kept.insert((2, ChannelKind::Sms), vec![before]);
        assert_eq!(zombies(&freezes, &arrivals, &kept), ["sms of lead 2"]);
        kept.insert((2, ChannelKind::Sms), vec![before, before + 1]);
        assert_eq!(zombies(&freezes, &arrivals, &kept), Vec::<String>::new());
    }
}
