//! When something happened, when the sender's clock may be wrong: the sender's own clock measured how long ago it was.

use ringback_core::time::Timestamp;
use serde_json::Value;

/// A clock that is wrong by more than this measures nothing; then what it says is taken as it is.
const SANE_S: i64 = 30 * 86_400;
/// Nothing that a browser reports is older than this.
const OLDEST_S: i64 = 946_684_800;

/// RFC 3339 with `Z` or offset and any fraction; whatever else is no time.
pub(super) fn read(value: Option<&Value>) -> Option<Timestamp> {
    let text = value?.as_str()?;
    (text.len() <= 40).then(|| text.parse().ok()).flatten()
}

/// The instant by our clock: now, less what the sender measured between the event and its request. Never in the future.
pub(super) fn happened(
    timestamp: Option<Timestamp>,
    sent: Option<Timestamp>,
    received: Timestamp,
) -> Timestamp {
    let Some(timestamp) = timestamp else {
        return received;
    };
    let micros = |at: Timestamp| at.as_microsecond();
    let at = match sent {
        Some(sent) if (micros(received) - micros(sent)).abs() <= SANE_S * 1_000_000 => {
            micros(received) - (micros(sent) - micros(timestamp)).max(0)
        }
        _ => micros(timestamp),
    };
    let at = Timestamp::from_microsecond(at).unwrap_or(received);
    if at > received || at.as_second() < OLDEST_S {
        received
    } else {
        at
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    /// S1: event time is the time of receipt less what the sender measured; without both clocks it is what was said, else now.
    #[test]
    fn a_wrong_clock_still_measures() {
        let received = at("2026-11-21T12:00:00Z");
        for (timestamp, sent, expected) in [
            // A clock that is an hour late, an event ten seconds before the request.
            (
                Some("2026-11-21T10:59:50Z"),
                Some("2026-11-21T11:00:00Z"),
                "2026-11-21T11:59:50Z",
            ),
            // A clock that is right, an event of years ago (an import).
            (
                Some("2024-01-01T00:00:00Z"),
                Some("2026-11-21T12:00:00Z"),
                "2024-01-01T00:00:00Z",
            ),
            // A clock that is years off.
            (
                Some("2026-01-02T03:04:05Z"),
                Some("2026-01-02T03:04:07Z"),
                "2026-01-02T03:04:05Z",
            ),
            (Some("2026-11-20T00:00:00Z"), None, "2026-11-20T00:00:00Z"),
            (None, Some("2026-11-21T11:59:00Z"), "2026-11-21T12:00:00Z"),
            // Nothing happens in the future, or before there were browsers.
            (Some("2030-01-01T00:00:00Z"), None, "2026-11-21T12:00:00Z"),
            (
                Some("2026-11-21T12:00:09Z"),
                Some("2026-11-21T12:00:00Z"),
                "2026-11-21T12:00:00Z",
            ),
            (Some("0001-01-01T00:00:00Z"), None, "2026-11-21T12:00:00Z"),
        ] {
            assert_eq!(
                happened(timestamp.map(at), sent.map(at), received),
                at(expected),
                "{timestamp:?} sent {sent:?}"
            );
        }
    }

    /// Whatever clocks say, an event is never in the future.
    #[test]
    fn nothing_happens_in_the_future() {
        let received = at("2026-11-21T12:00:00Z");
        proptest!(|(timestamp in -300_000_000_000i64..250_000_000_000, sent in -300_000_000_000i64..250_000_000_000)| {
            let [timestamp, sent] = [timestamp, sent].map(|seconds| Timestamp::from_second(seconds).ok());
            prop_assert!(happened(timestamp, sent, received) <= received);
        });
    }

    /// Times are read as SDKs write them.
    #[test]
    fn times_of_sdks_are_read() {
        for text in [
            "2026-11-21T11:34:00.659Z",
            "2026-11-21T11:34:07.358+00:00",
            "2026-11-21T11:34:07.966111+00:00",
            "2026-11-21T04:34:07-07:00",
        ] {
            assert!(read(Some(&Value::from(text))).is_some(), "{text}");
        }
        for value in [
            Value::from("yesterday"),
            Value::from(12),
            Value::Null,
            Value::from("9".repeat(500)),
        ] {
            assert_eq!(read(Some(&value)), None);
        }
    }
}
