//! Whether the wall clock can be believed (reliability 4.5, P6). Hours and limits go by it; leases and waits for answers do not.
//!
//! Before each turn it is held against the clock that counts from the start of the machine, which nobody sets: a jump of more than two
//! seconds holds what goes to customers for a minute. And every provider says in its answers what time it is: while two of them say
//! otherwise, offers wait.

use crate::messages::{Category, Message};
use crate::time::{Timestamp, micros};
use std::collections::HashMap;
use std::time::Duration;

/// A clock that is set by more than this jumped; less is how clocks are kept right.
const JUMP: i64 = 2_000_000;
/// So long after a jump the wall clock is not believed.
const HOLD: Duration = Duration::from_secs(60);
/// Offers wait so much longer: the calls of what goes first bring the time of providers, who may say that the clock is wrong.
const LISTEN: Duration = Duration::from_secs(15);
/// What a provider's clock and the network may differ.
const APART: i64 = 120_000_000;
/// What a provider said counts for so long.
const REMEMBERED: Duration = Duration::from_secs(3600);
/// Providers that are listened to; the one that spoke longest ago is forgotten first.
const MOST_WITNESSES: usize = 64;

/// The wall clock was set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Jump {
    /// By so many microseconds; below 0 it was set back.
    pub by: i64,
}

/// Watches the wall clock.
#[derive(Debug, Default)]
pub struct WallWatch {
    last: Option<(i64, Duration)>,
    held_until: Option<Duration>,
    witnesses: HashMap<String, (i64, Duration)>,
}

/// Why the wall clock is not believed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Distrust {
    /// A sentence.
    pub because: String,
    /// Only offers wait.
    pub offers_only: bool,
    /// When to ask again.
    pub wait: Duration,
}

impl Distrust {
    /// True when this message waits until the clock is believed again. Alerts to staff and answers to STOP never do.
    pub(super) fn holds(&self, message: &Message) -> bool {
        match message.category {
            Category::Promotional => true,
            Category::Transactional => !self.offers_only && !message.plan.keyword_answer,
            Category::Staff | Category::Emergency => false,
        }
    }
}

fn span(length: Duration) -> i64 {
    i64::try_from(length.as_micros()).unwrap_or(i64::MAX)
}

impl WallWatch {
    /// Holds the wall clock against the time since the machine began. Answers when it jumped since the last look.
    pub fn look(&mut self, wall: Timestamp, boot: Duration) -> Option<Jump> {
        let now = micros(wall);
        let before = self.last.replace((now, boot));
        let (wall_before, boot_before) = before?;
        let expected = wall_before.saturating_add(span(boot.saturating_sub(boot_before)));
        let by = now.saturating_sub(expected);
        if by.abs() <= JUMP {
            return None;
        }
        self.held_until = Some(boot + HOLD);
        Some(Jump { by })
    }

    /// Takes in what a provider's answer said of the time.
    pub fn hear(&mut self, witness: &str, said: Timestamp, boot: Duration) {
        if self.witnesses.len() >= MOST_WITNESSES && !self.witnesses.contains_key(witness) {
            let oldest = self.witnesses.iter().min_by_key(|(_, (_, at))| *at);
            if let Some(oldest) = oldest.map(|(name, _)| name.clone()) {
                self.witnesses.remove(&oldest);
            }
        }
        self.witnesses
            .insert(witness.to_owned(), (micros(said), boot));
    }

    /// Why the wall clock is not believed at this instant; `None` when it is.
    pub fn distrust(&self, wall: Timestamp, boot: Duration) -> Option<Distrust> {
        if let Some(until) = self.held_until.filter(|until| boot < *until) {
            return Some(Distrust {
                because: "The clock of the server was set within the last minute; what goes to customers waits until it has stood the test of a minute.".into(),
                offers_only: false,
                wait: until - boot,
            });
        }
        let heard_by = self.held_until.map(|until| until + LISTEN);
        if let Some(until) = heard_by.filter(|until| boot < *until) {
            return Some(Distrust {
                because: "The clock of the server was set a minute ago; offers wait a little longer, for providers to say what time it is.".into(),
                offers_only: true,
                wait: until - boot,
            });
        }
        let now = micros(wall);
        let against = self.witnesses.values().filter(|(said, at)| {
            let ago = boot.saturating_sub(*at);
            // What time it is now by this witness.
            let theirs = said.saturating_add(span(ago));
            ago < REMEMBERED && now.saturating_sub(theirs).abs() > APART
        });
        let against = against.count();
        (against >= 2).then(|| Distrust {
            because: format!(
                "{against} providers say that the clock of the server is more than two minutes off; offers wait until it is right."
            ),
            offers_only: true,
            wait: HOLD,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_795_000_000 + seconds).expect("a time")
    }

    const fn boot(seconds: u64) -> Duration {
        Duration::from_secs(5_000 + seconds)
    }

    #[test]
    fn a_clock_that_keeps_time_is_believed() {
        let mut watch = WallWatch::default();
        for second in 0..300 {
            // Kept right by a little, as time services do; and a machine that slept for an hour in between.
            let slept = if second > 100 { 3_600 } else { 0 };
            let wall = at(second + slept + second / 60);
            let since = boot(u64::try_from(second + slept).expect("positive"));
            assert_eq!(watch.look(wall, since), None, "{second}");
            assert_eq!(watch.distrust(wall, since), None, "{second}");
        }
    }

    #[test]
    fn a_jump_holds_customers_messages_for_a_minute() {
        for by in [3, -3, 90, -90, 3_600, -86_400, 315_000_000, -31_000_000] {
            let mut watch = WallWatch::default();
            watch.look(at(0), boot(0));
            let jump = watch.look(at(by), boot(0)).expect("a jump");
            assert_eq!(jump.by, by * 1_000_000);
            let held = watch.distrust(at(by + 59), boot(59)).expect("held");
            assert!(!held.offers_only && held.wait == Duration::from_secs(1));
            let listens = watch.distrust(at(by + 60), boot(60)).expect("held");
            assert!(listens.offers_only && listens.wait == Duration::from_secs(15));
            assert_eq!(watch.distrust(at(by + 75), boot(75)), None);
            let back = watch.look(at(80), boot(80)).expect("a jump");
            assert_eq!(back.by, -by * 1_000_000);
        }
        let mut watch = WallWatch::default();
        watch.look(at(0), boot(0));
        assert_eq!(watch.look(at(1), boot(0)), None, "one second is no jump");
    }

    #[test]
    fn two_witnesses_hold_offers_one_does_not() {
        let mut watch = WallWatch::default();
        watch.hear("a", at(0), boot(0));
        assert_eq!(watch.distrust(at(7_200), boot(10)), None);
        watch.hear("b", at(5), boot(5));
        let held = watch.distrust(at(7_200), boot(10)).expect("held");
        assert!(held.offers_only);
        assert_eq!(
            watch.distrust(at(100), boot(10)),
            None,
            "within two minutes"
        );
        // They are asked what time it would be now, not what it was then.
        assert_eq!(watch.distrust(at(1_800), boot(1_800)), None);
        assert_eq!(watch.distrust(at(9_000), boot(3_700)), None, "too long ago");
    }

    #[test]
    fn witnesses_are_bounded() {
        let mut watch = WallWatch::default();
        for n in 0..1_000 {
            watch.hear(&format!("host {n}"), at(0), boot(n));
        }
        assert_eq!(watch.witnesses.len(), MOST_WITNESSES);
        assert!(watch.witnesses.contains_key("host 999"));
    }
}
