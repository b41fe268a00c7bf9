//! Reliability 3.1: a worker that was frozen past its time writes nothing, by a clock that runs on while the machine sleeps.

#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

mod support;

use ringback_channels::{BootClock, open};
use ringback_core::messages::Outcome;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use support::{Server, answer, http, outgoing, settings};

/// A machine that falls asleep for an hour when its clock was read so often.
fn sleeps_after(reads: u32) -> (BootClock, Arc<AtomicU32>) {
    let count = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&count);
    let clock = BootClock::reading(move || {
        let n = counted.fetch_add(1, Ordering::Relaxed);
        Duration::from_secs(100 + if n >= reads { 3_600 } else { 0 })
    });
    (clock, count)
}

/// Wherever it falls asleep before the first byte, nothing is written, and the message may be sent by somebody else.
#[tokio::test]
async fn whoever_wakes_too_late_says_nothing() {
    let taken = answer("201 Created", &[], r#"{"sid":"SM1","status":"queued"}"#);
    let server = Server::always(taken).await;
    // How often the clock is read until the last byte is out.
    let (clock, count) = sleeps_after(u32::MAX);
    let channel = open(
        "twilio",
        &settings("twilio", &server.url()),
        &http().by_clock(clock),
    )
    .unwrap();
    assert!(matches!(
        channel.send(&outgoing("twilio")).await,
        Outcome::Accepted { .. }
    ));
    let reads = count.load(Ordering::Relaxed);
    assert!(
        reads >= 3,
        "at the start, before the request and at each write: {reads}"
    );
    assert_eq!(server.requests().len(), 1);
    for asleep_after in 1..reads {
        let (clock, _) = sleeps_after(asleep_after);
        let channel = open(
            "twilio",
            &settings("twilio", &server.url()),
            &http().by_clock(clock),
        )
        .unwrap();
        let outcome = channel.send(&outgoing("twilio")).await;
        assert!(
            matches!(outcome, Outcome::Retryable { .. }),
            "{asleep_after}: {outcome:?}"
        );
        assert_eq!(
            server.requests().len(),
            1,
            "asleep after {asleep_after} reads"
        );
    }
}

/// The lease of the message ends the call earlier than the provider's own limit would.
#[tokio::test]
async fn a_lease_that_is_over_is_no_call() {
    let server = Server::always(answer("201 Created", &[], r#"{"sid":"SM1"}"#)).await;
    for (ends, sent) in [(99, false), (100, false), (101, true)] {
        let (clock, _) = sleeps_after(u32::MAX);
        let channel = open(
            "twilio",
            &settings("twilio", &server.url()),
            &http().by_clock(clock),
        )
        .unwrap();
        let mut message = outgoing("twilio");
        message.ends = Some(Duration::from_secs(ends));
        let before = server.requests().len();
        let outcome = channel.send(&message).await;
        assert_eq!(
            matches!(outcome, Outcome::Accepted { .. }),
            sent,
            "{ends}: {outcome:?}"
        );
        assert_eq!(
            server.requests().len() - before,
            usize::from(sent),
            "{ends}"
        );
    }
}
