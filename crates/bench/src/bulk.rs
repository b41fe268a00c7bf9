//! `bulk`: a great many messages of low priority wait, the provider is slow, and a critical alert comes in. Its call begins within a
//! second, and the server stays small (P14, M7).

use crate::{
    crash::records::open_messages,
    dice::Dice,
    fault::{Tried, While, fault},
    figures::round,
    people,
    rig::{Rig, Size, still_there},
    wire::{Request, Wire},
};
use clap::Args;
use ringback_core::messages::ChannelKind;
use serde_json::{Value, json};
use std::{
    fs,
    sync::Arc,
    time::{Duration, Instant},
};

/// P14: a critical alert is called for within this.
const WITHIN: Duration = Duration::from_secs(1);
/// A try is given up after this.
const PATIENCE: Duration = Duration::from_secs(30);
/// The source of leads that are critical.
const ALARM: &str = "alarm";

/// How large the campaign is.
#[derive(Debug, Args)]
pub struct BulkArgs {
    #[command(flatten)]
    size: Size,
    /// Critical alerts, one after the other.
    #[arg(long, default_value_t = 100)]
    tries: u64,
    /// Milliseconds that the provider takes for each call while messages pile up and alerts come in.
    #[arg(long, default_value_t = 8_000)]
    slow_ms: u64,
    /// The server may not use more memory than this, in MiB.
    #[arg(long, default_value_t = 150)]
    most_mib: u64,
}

/// Runs the campaign. True when every alert was in time and the server stayed small.
pub async fn run(args: &BulkArgs) -> Tried<(Value, bool)> {
    let mut rig = Rig::new("bulk", &args.size)?;
    rig.open().await?;
    for (name, when, priority) in [("answer", "is_not", "low"), ("alarm", "is", "critical")] {
        let workflow = format!(
            "name: {name}\nproduct: auto-glass\ntrigger: lead_captured\nwhen: {{ field: lead.source, {when}: {ALARM} }}\nsteps:\n  - send: {{ to: lead, channels: {{ all: [sms] }}, template: answer, category: transactional, priority: {priority} }}\n"
        );
        let document = format!("workflows/{name}");
        rig.subject
            .put(&rig.tenant.api_key, &document, &workflow)
            .await?;
    }
    rig.sink.answer_after(Duration::from_millis(args.slow_ms));
    let begun = Instant::now();
    let clients = Arc::new(rig.clients());
    rig.storm(&clients, |_, _| Ok(())).await?;
    let filled = begun.elapsed();
    let database = rig.subject.records()?;
    let before = open_messages(&database)?.waiting;
    if clients.acknowledged() < args.size.leads {
        return Err(fault!(
            "only {} of {} leads were taken",
            clients.acknowledged(),
            args.size.leads
        ));
    }
    let mut dice = Dice::new(args.size.seed, 50);
    let mut times = Vec::new();
    let mut missing = 0;
    let mut wire = Wire::connect(rig.subject.addr())
        .await
        .during("connecting")?;
    for n in args.size.leads..args.size.leads + args.tries {
        still_there(&mut rig.subject)?;
        // Not in step with the calls that end.
        tokio::time::sleep(Duration::from_millis(50 + dice.below(200))).await;
        match alarm(&rig, &mut wire, n).await? {
            Some(time) => times.push(time),
            None => missing += 1,
        }
    }
    let after = open_messages(&database)?.waiting;
    let memory = most_memory(rig.subject.pid()?)?;
    rig.subject.kill();
    times.sort_unstable();
    let part = |share: f64| {
        let at = ((times.len() as f64 * share).ceil() as usize).clamp(1, times.len().max(1)) - 1;
        times.get(at).copied().unwrap_or_default()
    };
    let ms = |time: Duration| round(time.as_secs_f64() * 1_000.0, 1);
    // What waits at the end says that the alerts did not simply come last.
    let waited = after * 2 >= before && before > 0;
    let small = memory <= args.most_mib << 20;
    let held = missing == 0 && part(1.0) < WITHIN && small && waited;
    let line = json!({
        "campaign": "bulk", "held": held, "seed": args.size.seed, "leads": args.size.leads,
        "filled_in_s": round(filled.as_secs_f64(), 1), "waiting_before": before, "waiting_after": after,
        "alerts": args.tries, "not_called_within_30_s": missing,
        "p50_ms": ms(part(0.5)), "p99_ms": ms(part(0.99)), "most_ms": ms(part(1.0)),
        "most_memory_mib": round(memory as f64 / f64::from(1 << 20), 1),
    });
    Ok((line, held))
}

/// Posts a critical lead and waits for its call. None when it did not come.
async fn alarm(rig: &Rig, wire: &mut Wire, n: u64) -> Tried<Option<Duration>> {
    let posted = Instant::now();
    let body = people::lead(n, people::now_us()).replace("web-form", ALARM);
    let request = Request::new("POST", "/v1/leads", rig.subject.addr())
        .header("authorization", &format!("Bearer {}", rig.tenant.api_key))
        .header("content-type", "application/json")
        .body(body.as_bytes());
    let answer = wire.ask(&request).await.during("posting a critical lead")?;
    if answer.status >= 300 {
        let (status, text) = (answer.status, answer.text());
        return Err(fault!("a critical lead was answered {status}: {text}"));
    }
    while posted.elapsed() < PATIENCE {
        if let Some(at) = rig.sink.first_arrival(n, ChannelKind::Sms) {
            return Ok(Some(at.saturating_duration_since(posted)));
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    Ok(None)
}

/// The most memory that a process has used, in bytes.
fn most_memory(pid: u32) -> Tried<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).during("reading its memory")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok())
        .map(|kib| kib << 10)
        .ok_or_else(|| fault!("the system does not say how much memory the server used"))
}
