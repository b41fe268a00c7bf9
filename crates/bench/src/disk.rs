//! `disk`: the disk fills up at a random byte, over and over. Intake says so (507), nothing acknowledged is lost, no call is made without
//! its intent on the disk, and all that is needed to go on is room (P10).

use crate::{
    crash::clients::{Clients, Manners},
    dice::Dice,
    fault::{Tried, fault},
    figures::round,
    rig::{Rig, Size, still_there, until_acknowledged},
    shim::Shim,
    sink::Sink,
    subject::Subject,
};
use clap::Args;
use serde_json::{Value, json};
use std::{
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

/// How long the server may take to say that the disk is full, and to go on once it has room.
const PATIENCE: Duration = Duration::from_secs(20);
/// Calls whose intent was on the disk before it was full have arrived after this.
const LAST_CALLS: Duration = Duration::from_millis(400);

/// How large the campaign is.
#[derive(Debug, Args)]
pub struct DiskArgs {
    #[command(flatten)]
    size: Size,
    /// How often the disk fills up.
    #[arg(long, default_value_t = 20)]
    times: u64,
    /// The disk fills up within so many bytes.
    #[arg(long, default_value_t = 300_000)]
    within: u64,
}

/// What came of it.
#[derive(Debug, Default)]
struct Filled {
    times: u64,
    killed_while_full: u64,
    sent_while_full: u64,
    slowest_recovery: Duration,
}

/// Runs the campaign. True when every promise held.
pub async fn run(args: &DiskArgs) -> Tried<(Value, bool)> {
    let mut rig = Rig::new("disk", &args.size)?;
    let shim = Shim::build(rig.scratch.path())?;
    shim.put_before(&mut rig.subject, false);
    rig.open().await?;
    let clients = Arc::new(rig.clients().with(Manners {
        bear_a_full_disk: true,
        ..Manners::default()
    }));
    let mut dice = Dice::new(args.size.seed, 30);
    // The last part is left free, so that the clients are still at it when the last room comes back.
    let mut instants: Vec<u64> = (0..args.times)
        .map(|_| 1 + dice.below(args.size.leads * 9 / 10))
        .collect();
    instants.sort_unstable();
    let (sink, within) = (rig.sink.clone(), args.within);
    let filled = rig
        .storm(&clients, move |subject, clients| {
            let mut filled = Filled::default();
            for instant in instants {
                until_acknowledged(subject, clients, instant)?;
                let done = fill(
                    subject,
                    clients,
                    &shim,
                    &sink,
                    &mut dice,
                    within,
                    &mut filled,
                );
                shim.set_room(None)?;
                done?;
            }
            Ok(filled)
        })
        .await?;
    let refused = clients.heard_full();
    let ended = rig.end(&clients, &[]).await?;
    let held = ended.verdict.held() && filled.sent_while_full == 0 && refused > 0;
    let mut line = ended.line;
    line["held"] = held.into();
    line["disk"] = json!({
        "times_full": filled.times, "killed_while_full": filled.killed_while_full, "answers_507": refused,
        "sent_while_full": filled.sent_while_full,
        "slowest_recovery_ms": round(filled.slowest_recovery.as_secs_f64() * 1_000.0, 0),
    });
    Ok((line, held))
}

fn fill(
    subject: &mut Subject,
    clients: &Clients,
    shim: &Shim,
    sink: &Sink,
    dice: &mut Dice,
    within: u64,
    filled: &mut Filled,
) -> Tried<()> {
    let before = clients.heard_full();
    shim.set_room(Some(dice.below(within)))?;
    let begun = Instant::now();
    while clients.heard_full() < before + 3 {
        if clients.done() {
            return Ok(());
        }
        still_there(subject)?;
        if begun.elapsed() > PATIENCE {
            return Err(fault!(
                "the disk had {:?} bytes left for {PATIENCE:?} and no client was answered 507; the end of the server's log:\n{}",
                shim.room()?,
                subject.end_of_log()
            ));
        }
        thread::sleep(Duration::from_millis(2));
    }
    filled.times += 1;
    thread::sleep(LAST_CALLS);
    let arrived = sink.tally().count;
    thread::sleep(Duration::from_millis(300 + dice.below(300)));
    filled.sent_while_full += sink.tally().count - arrived;
    let killed = dice.once_in(4);
    if killed {
        subject.kill();
        filled.killed_while_full += 1;
    }
    let acknowledged = clients.acknowledged();
    let begun = Instant::now();
    shim.set_room(None)?;
    if killed {
        subject.start()?;
    }
    while clients.acknowledged() == acknowledged && !clients.done() {
        still_there(subject)?;
        if begun.elapsed() > PATIENCE {
            return Err(fault!(
                "the disk had room again for {PATIENCE:?} and no lead was taken; the end of the server's log:\n{}",
                subject.end_of_log()
            ));
        }
        thread::sleep(Duration::from_millis(1));
    }
    filled.slowest_recovery = filled.slowest_recovery.max(begun.elapsed());
    eprintln!(
        "bench: disk full at {acknowledged} acknowledged leads, {}back after {:?}",
        if killed { "killed, " } else { "" },
        begun.elapsed()
    );
    Ok(())
}
