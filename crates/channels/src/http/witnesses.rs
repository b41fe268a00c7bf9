//! What providers say of the time: every answer has a `Date`. Several of them together tell whether our own clock is right (reliability 4.5).

use super::boot::BootClock;
use http::{HeaderMap, header};
use jiff::fmt::rfc2822;
use ringback_core::time::Timestamp;
use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

/// One provider is listened to so often.
const EVERY: Duration = Duration::from_secs(10);
/// More than this many in one moment are not remembered.
const MOST: usize = 64;

/// What an answer said of the time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Witness {
    /// Host and port that said it.
    pub who: String,
    /// What time it said.
    pub said: Timestamp,
    /// When it was heard, by the boot clock.
    pub heard: Duration,
}

/// The last word of each provider.
#[derive(Debug, Default)]
pub(super) struct Witnesses(Mutex<HashMap<String, (Witness, bool)>>);

impl Witnesses {
    /// Takes in an answer's `Date`; one that is missing or unreadable says nothing.
    pub(super) fn hear(&self, who: &str, headers: &HeaderMap, boot: &BootClock) {
        let Some(date) = headers
            .get(header::DATE)
            .and_then(|date| date.to_str().ok())
        else {
            return;
        };
        let heard = boot.now();
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((last, _)) = known.get(who)
            && heard.saturating_sub(last.heard) < EVERY
        {
            return;
        }
        let Ok(said) = rfc2822::DateTimeParser::new().parse_timestamp(date) else {
            return;
        };
        if known.len() >= MOST {
            known.retain(|_, (_, fresh)| *fresh);
        }
        if known.len() < MOST {
            let who = who.to_owned();
            let witness = Witness {
                who: who.clone(),
                said,
                heard,
            };
            known.insert(who, (witness, true));
        }
    }

    /// What was heard since the last time this was asked.
    pub(super) fn fresh(&self) -> Vec<Witness> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known
            .values_mut()
            .filter(|(_, fresh)| *fresh)
            .map(|(witness, fresh)| {
                *fresh = false;
                witness.clone()
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn headers(date: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(header::DATE, HeaderValue::from_static(date))])
    }

    #[test]
    fn each_provider_is_heard_once_in_ten_seconds() {
        let witnesses = Witnesses::default();
        let at = |seconds| BootClock::reading(move || Duration::from_secs(seconds));
        let date = "Mon, 23 Nov 2026 16:04:00 GMT";
        witnesses.hear("a:443", &headers(date), &at(100));
        witnesses.hear("b:443", &HeaderMap::new(), &at(100));
        witnesses.hear("c:443", &headers("soon"), &at(100));
        let fresh = witnesses.fresh();
        assert_eq!(fresh.len(), 1, "no date says nothing: {fresh:?}");
        assert_eq!(fresh[0].said.to_string(), "2026-11-23T16:04:00Z");
        witnesses.hear("a:443", &headers(date), &at(109));
        assert_eq!(witnesses.fresh(), []);
        witnesses.hear("a:443", &headers(date), &at(110));
        assert_eq!(witnesses.fresh()[0].heard, Duration::from_secs(110));
    }
}
