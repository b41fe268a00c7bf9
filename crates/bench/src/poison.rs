//! `poison`: one message ends the server whenever it is to be sent, among many that do no harm (reliability 3.3).
//!
//! Needs a build with the feature `seeded-bugs`, in which certain words abort the process. The server is started again after every death,
//! as a service manager would. It must come to rest by itself: three deaths, then the message is in quarantine, every other one went out
//! once, and nothing waits.

use crate::{
    crash::open_messages,
    fault::{Tried, While, fault},
    people,
    sink::Sink,
    subject::{Scratch, Subject, Tenant},
    wire,
};
use clap::Args;
use ringback_core::messages::ChannelKind;
use serde_json::{Value, json};
use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

/// The words that end a server with bugs put in on purpose (`crates/server/src/loops/seeded.rs`).
const DEADLY: &str = "a word that kills this server";
/// The number of the deadly message; the others count from one.
const POISON: u64 = 0;
/// Deaths after which the campaign gives up: three are promised.
const MOST_DEATHS: u32 = 8;
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// How large the campaign is.
#[derive(Debug, Args)]
pub struct PoisonArgs {
    /// A server built with the feature `seeded-bugs`.
    #[arg(long, default_value = "target/debug/ringback-seeded")]
    binary: PathBuf,
    /// Harmless messages around the deadly one.
    #[arg(long, default_value_t = 60)]
    others: u64,
    /// How long the whole may take.
    #[arg(long, default_value_t = 120)]
    limit_seconds: u64,
    /// Leaves the data folder behind.
    #[arg(long)]
    keep: bool,
}

async fn mail(subject: &Subject, tenant: &Tenant, n: u64, words: &str) -> Tried<u16> {
    let body = json!({
        "to": format!("person{n}@example.com"), "channel": "email", "category": "transactional", "subject": "Hello",
        "body": format!("{words} {}", people::token(n, people::now_us())),
    });
    let answer = wire::call(
        subject.addr(),
        "POST",
        "/v1/messages",
        Some(&tenant.api_key),
        Some(&body),
    );
    Ok(answer.await.during("posting a message")?.status)
}

/// Runs the campaign. True when everything that is promised held.
pub async fn run(args: &PoisonArgs) -> Tried<(Value, bool)> {
    let scratch = Scratch::new("poison", None, args.keep)?;
    let sink = Sink::start(true)?;
    // So that the harmless ones are under way at the first death.
    sink.answer_after(Duration::from_millis(1_500));
    let mut subject = Subject::new(&args.binary, scratch.path())?;
    let tenant = subject.create_tenant("Poison", "bench")?;
    subject.start()?;
    subject.connect(&tenant, &sink).await?;
    let begun = Instant::now();
    for n in 1..=args.others {
        let status = mail(&subject, &tenant, n, "Hello,").await?;
        if status != 201 {
            return Err(fault!("a harmless message was answered {status}"));
        }
    }
    // The server may be gone before it answers; the message is in the database all the same, and that is what counts.
    drop(mail(&subject, &tenant, POISON, DEADLY).await);

    let limit = Duration::from_secs(args.limit_seconds);
    let mut deaths = 0;
    let mut suspected = 0;
    let quarantined = loop {
        if begun.elapsed() > limit || deaths > MOST_DEATHS {
            break 0;
        }
        if !subject.alive() {
            deaths += 1;
            subject.kill();
            sink.answer_after(Duration::from_millis(200));
            subject.start()?;
            eprintln!("bench: death {deaths} after {:?}", begun.elapsed());
            continue;
        }
        // It may die while it is asked.
        if let Ok(n) = in_quarantine(&subject, &tenant).await
            && n > 0
        {
            suspected = n;
            break n;
        }
        tokio::time::sleep(LOOK_EVERY).await;
    };
    let database = subject.records()?;
    let settled = loop {
        let open = open_messages(&database)?;
        if open.waiting == 0 {
            break Some(begun.elapsed());
        }
        if begun.elapsed() > limit || !subject.alive() {
            break None;
        }
        tokio::time::sleep(LOOK_EVERY).await;
    };
    let copies = sink.copies();
    let of = |n| copies.get(&(n, ChannelKind::Email)).copied().unwrap_or(0);
    let missing = (1..=args.others).filter(|n| of(*n) == 0).count();
    let doubled = (1..=args.others).filter(|n| of(*n) > 1).count();
    let alive = subject.alive();
    let stop = subject.stop()?;
    let held = deaths == 3
        && quarantined == 1
        && (missing, doubled, of(POISON)) == (0, 0, 0)
        && settled.is_some()
        && alive;
    let line = json!({
        "campaign": "poison", "held": held, "deaths": deaths, "quarantined": suspected, "others": args.others,
        "others_missing": missing, "others_doubled": doubled, "poison_sent": of(POISON),
        "settled_after_s": settled.map(|after| (after.as_secs_f64() * 10.0).round() / 10.0),
        "stop_ms": stop.as_millis() as u64, "providers": sink.tally().json(),
    });
    Ok((line, held))
}

/// How many messages are in quarantine.
async fn in_quarantine(subject: &Subject, tenant: &Tenant) -> Tried<i64> {
    let key = Some(tenant.api_key.as_str());
    let answer = wire::call(subject.addr(), "GET", "/v1/dead-letters", key, None);
    let list = answer.await.during("asking for dead letters")?.json();
    let groups = list["data"].as_array().cloned().unwrap_or_default();
    let of_code = groups.iter().filter(|one| one["code"] == "quarantined");
    Ok(of_code.filter_map(|one| one["count"].as_i64()).sum())
}
