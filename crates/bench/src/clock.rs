//! `clock`: the wall clock of the server is set while leads arrive. Nothing is lost or doubled, and no offer goes out in hours that are
//! closed by the true clock, which only the providers know (P6).

use crate::{
    crash::clients::{Clients, Manners},
    dice::Dice,
    fault::{Tried, While},
    rig::{Rig, Size, still_there},
    shim::Shim,
    sink::{OFFER, Sink},
    subject::Subject,
};
use clap::Args;
use jiff::{Timestamp, tz::TimeZone};
use serde_json::{Value, json};
use std::{
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

/// Noon in Denver on a Tuesday: open in every zone that people of the harness live in.
const DAY: &str = "2026-12-01T19:00:00Z";
/// Two in the morning in Denver: closed in all of them.
const NIGHT: &str = "2026-12-02T09:00:00Z";
const SECOND: i64 = 1_000_000_000;
/// The wall clock says day, and it is night; long enough that only the witnesses are left to hold an offer.
const INTO_THE_DAY: i64 = 9 * 3_600;
const HOLD: Duration = Duration::from_secs(80);
/// Seconds by which the clock is set: a little, a zone's worth, a day, years.
const JUMPS: [i64; 10] = [
    1,
    -1,
    90,
    -90,
    3_600,
    -3_600,
    86_400,
    -86_400,
    315_576_000,
    -31_557_600,
];
const WORKFLOW: &str = "name: offer\nproduct: auto-glass\ntrigger: lead_captured\nsteps:\n  - send: { to: lead, channels: { all: [sms] }, template: offer, category: promotional, priority: normal }\n";

/// How large the campaign is.
#[derive(Debug, Args)]
pub struct ClockArgs {
    #[command(flatten)]
    size: Size,
    /// So many of the jumps, in an order that the seed decides; each is taken back after a while.
    #[arg(long, default_value_t = 10)]
    jumps: usize,
    /// Milliseconds that the clock stays wrong; the way into the day stays for a minute.
    #[arg(long, default_value_t = 1_500)]
    stay_ms: u64,
}

/// Runs the campaign. True when every promise held.
pub async fn run(args: &ClockArgs) -> Tried<(Value, bool)> {
    let mut rig = Rig::new("clock", &args.size)?;
    let shim = Shim::build(rig.scratch.path())?;
    shim.put_before(&mut rig.subject, false);
    let mail = Sink::start(true)?;
    let sinks = [rig.sink.clone(), mail.clone()];
    let day = off(DAY)?;
    shim.set_clock_off(day)?;
    for sink in &sinks {
        sink.set_clock_off(day / 1_000_000);
    }
    rig.subject.start()?;
    rig.subject
        .connect_apart(&rig.tenant, &rig.sink, &mail)
        .await?;
    offer_something(&rig).await?;

    // By day: offers go out, or their absence at night would show nothing.
    let half = args.size.leads / 2;
    let manners = Manners {
        want_offers: true,
        ..Manners::default()
    };
    let first = Arc::new(rig.clients().with(manners).only(0, half));
    rig.storm(&first, |_, _| Ok(())).await?;
    let by_day = until_offers(&rig.sink, half).await;
    rig.subject.stop()?;

    let night = off(NIGHT)?;
    shim.set_clock_off(night)?;
    for sink in &sinks {
        sink.set_clock_off(night / 1_000_000);
    }
    rig.subject.start()?;
    let mut dice = Dice::new(args.size.seed, 40);
    let mut jumps: Vec<i64> = JUMPS.to_vec();
    for at in (1..jumps.len()).rev() {
        jumps.swap(at, dice.below(at as u64 + 1) as usize);
    }
    jumps.truncate(args.jumps);
    let stay = Duration::from_millis(args.stay_ms);
    // Spread over the time that the jumps take.
    let length = stay.as_secs_f64() * 2.0 * jumps.len() as f64 + 2.0 * HOLD.as_secs_f64();
    let pace = ((args.size.leads - half) as f64 / length).ceil().max(1.0);
    let second = Arc::new(
        rig.clients()
            .with(Manners {
                pace: Some(pace as u32),
                ..manners
            })
            .only(half, args.size.leads),
    );
    let set: Vec<i64> = jumps.clone();
    rig.storm(&second, move |subject, clients| {
        torment(subject, clients, &shim, night, &set, stay)
    })
    .await?;
    let clients = first.and(&second);
    let ended = rig.end(&clients, &[&mail]).await?;
    let offers = rig.sink.offers();
    let closed: Vec<String> = offers
        .iter()
        .filter(|(n, at)| !open(*n, *at))
        .map(|(n, at)| format!("offer to lead {n} at {at}"))
        .collect();
    let waiting = ended.book.offers.iter().filter(|one| one.status.waits());
    let held = ended.verdict.held() && closed.is_empty() && by_day == half;
    let mut line = ended.line;
    line["held"] = held.into();
    line["clock"] = json!({
        "jumps_seconds": jumps, "stay_ms": args.stay_ms, "offers_by_day": by_day, "offers_expected_by_day": half,
        "offers_planned": ended.book.offers.len(), "offers_that_wait": waiting.count(),
        "offers_in_closed_hours": closed.len(), "examples": closed.iter().take(5).collect::<Vec<_>>(),
    });
    Ok((line, held))
}

/// How far an instant is from the machine's clock, in nanoseconds.
fn off(instant: &str) -> Tried<i64> {
    let instant: Timestamp = instant.parse().during("reading an instant")?;
    let off = instant.duration_since(Timestamp::now());
    i64::try_from(off.as_nanos()).during("reading an instant")
}

/// A workflow that offers something to every lead by text.
async fn offer_something(rig: &Rig) -> Tried<()> {
    let key = &rig.tenant.api_key;
    let template = format!(
        "---\ncategory: promotional\npriority: normal\nmax_segments: 2\nsample:\n  tenant: {{ name: Bench, phone: \"+13035550140\", email: hello@example.com, address: \"200 Example Avenue, Denver, CO 80203\" }}\n  lead: {{ first_name: Dana, last_name: Whitfield, full_name: Dana Whitfield }}\n---\n{{{{ tenant.name }}}}: {OFFER} for {{{{ lead.last_name|default(\"you\") }}}}: a free wiper with every windshield. {{{{ message.opt_out_line }}}}\n"
    );
    rig.subject
        .put(key, "templates/offer.sms", &template)
        .await?;
    rig.subject.put(key, "workflows/offer", WORKFLOW).await
}

async fn until_offers(sink: &Sink, count: u64) -> u64 {
    let begun = Instant::now();
    while (sink.offers().len() as u64) < count && begun.elapsed() < Duration::from_secs(20) {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    sink.offers().len() as u64
}

/// Sets the clock and takes it back, over and over; then into the day for longer than a jump is held against it.
fn torment(
    subject: &mut Subject,
    clients: &Clients,
    shim: &Shim,
    true_off: i64,
    jumps: &[i64],
    stay: Duration,
) -> Tried<()> {
    for seconds in jumps {
        shim.set_clock_off(true_off + seconds * SECOND)?;
        thread::sleep(stay);
        still_there(subject)?;
        shim.set_clock_off(true_off)?;
        thread::sleep(stay);
        eprintln!(
            "bench: the clock was set by {seconds} s and back at {} acknowledged leads",
            clients.acknowledged()
        );
    }
    shim.set_clock_off(true_off + INTO_THE_DAY * SECOND)?;
    thread::sleep(HOLD);
    still_there(subject)?;
    shim.set_clock_off(true_off)?;
    thread::sleep(HOLD);
    Ok(())
}

/// Whether an offer may reach person `n` at this instant: from 8 to 21 where their number is from (US-6). Written without the product's own
/// rules.
fn open(n: u64, at: Timestamp) -> bool {
    let zone = match &crate::people::phone(n)[2..5] {
        "312" => "America/Chicago",
        "415" => "America/Los_Angeles",
        _ => "America/New_York",
    };
    let Ok(zone) = TimeZone::get(zone) else {
        return false;
    };
    (8..21).contains(&at.to_zoned(zone).hour())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn day_is_open_and_night_is_closed_for_everybody() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        for n in 0..200 {
            assert!(open(n, at(DAY)), "{n}");
            assert!(!open(n, at(NIGHT)), "{n}");
            let wrong = at(NIGHT) + jiff::SignedDuration::from_secs(INTO_THE_DAY);
            assert!(open(n, wrong), "the wrong clock says day");
        }
    }
}
