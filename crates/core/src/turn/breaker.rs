//! A breaker per connection: who fails again and again rests, and one message alone finds out whether it works again (M5,
//! reliability 3.3).
//!
//! While everything works nothing is kept. What is open is written with the turn that opened it, so that a restart does not forget it.

use crate::ids::{AttemptId, ConnectionId};
use crate::messages::{Outcome, Reason};
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::time::Duration;

/// So many failures in a row open it.
const IN_A_ROW: u32 = 5;
/// So many calls are looked back at; half of them failing opens it too.
const LOOKED_BACK: u32 = 20;
/// The first rest; each failed probe doubles it.
const FIRST_REST: Duration = Duration::from_secs(30);
/// No rest is longer.
const LONGEST_REST: Duration = Duration::from_secs(15 * 60);
/// A probe that says nothing for so long is given up; calls end well before.
const PROBE_LIMIT: i64 = 60_000_000;
/// While a probe is under way the others ask again so much later.
const ASK_AGAIN: i64 = 5_000_000;

/// Every connection that failed lately.
#[derive(Debug, Default)]
pub struct Breakers {
    known: HashMap<ConnectionId, Breaker>,
    open: usize,
}

/// How one connection did lately.
#[derive(Debug, Clone, Default)]
struct Breaker {
    in_a_row: u32,
    /// The last calls, the newest in the lowest bit: 1 failed.
    recent: u32,
    seen: u32,
    resting: Option<Resting>,
    dirty: bool,
}

/// A connection that rests, as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resting {
    /// Since when, microseconds UTC.
    pub since: i64,
    /// When one message tries it again, microseconds UTC.
    pub probe_at: i64,
    /// How often a probe failed.
    pub failed_probes: u32,
    /// What opened it, a sentence.
    pub because: String,
    /// The attempt that tries it now, and since when (microseconds UTC).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probe: Option<(AttemptId, i64)>,
}

/// Whether a connection may be called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Passage {
    /// As ever.
    Free,
    /// By this message alone, to see whether it works again.
    Probe,
    /// Not before this instant.
    Rests(Timestamp),
}

/// What an outcome changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Swing {
    /// Nothing.
    None,
    /// It opened, for this reason.
    Opened(String),
    /// It works again.
    Closed,
}

/// What an outcome says about the connection, apart from the message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Says {
    /// It works.
    Works,
    /// It fails; come back after this, if it said so.
    Fails(Option<Duration>),
    /// The provider answered, and spoke of this message only.
    Answered,
    /// Nothing: it was not called, or the fault was ours.
    Nothing,
}

fn says(outcome: &Outcome) -> Says {
    match outcome {
        Outcome::Accepted { .. } | Outcome::Delivered { .. } => Says::Works,
        Outcome::Permanent { why, .. } if ours(&why.code) => Says::Nothing,
        Outcome::Permanent { .. } => Says::Answered,
        Outcome::Retryable { why, .. }
        | Outcome::Misconfigured { why }
        | Outcome::Unknown { why }
            if ours(&why.code) =>
        {
            Says::Nothing
        }
        // Who names a time is at work and asks for patience; that alone is no failure.
        Outcome::Retryable {
            after: Some(after), ..
        } => {
            if *after > LONGEST_REST {
                Says::Fails(Some(*after))
            } else {
                Says::Answered
            }
        }
        Outcome::Retryable { .. } | Outcome::Misconfigured { .. } | Outcome::Unknown { .. } => {
            Says::Fails(None)
        }
    }
}

/// Codes of what went wrong in this house, which no provider can help.
fn ours(code: &str) -> bool {
    matches!(
        code,
        "restart"
            | "late"
            | "no_connection"
            | "no_tenant"
            | "template"
            | "wrong_kind"
            | "request"
            | "lease"
            | "frozen"
            | "panic"
    )
}

impl Breakers {
    /// What was kept of connections that rested when the process before this one ended. A probe of then is over.
    pub fn restore(kept: impl IntoIterator<Item = (ConnectionId, Resting)>) -> Self {
        let known: HashMap<_, _> = kept
            .into_iter()
            .map(|(id, resting)| {
                let resting = Some(Resting {
                    probe: None,
                    ..resting
                });
                (
                    id,
                    Breaker {
                        resting,
                        ..Breaker::default()
                    },
                )
            })
            .collect();
        Self {
            open: known.len(),
            known,
        }
    }

    /// What is written down of these connections, all that there are and those that rest: other nodes hear of them too. What was counted here
    /// of connections that work stays.
    pub fn refresh(
        &mut self,
        all: impl Iterator<Item = ConnectionId>,
        kept: &HashMap<ConnectionId, Resting>,
    ) {
        for id in all {
            match (kept.get(&id), self.known.get_mut(&id)) {
                (Some(resting), Some(one)) => {
                    self.open += usize::from(one.resting.is_none());
                    one.resting = Some(resting.clone());
                    one.dirty = false;
                }
                (Some(resting), None) => {
                    self.open += 1;
                    let resting = Some(resting.clone());
                    self.known.insert(
                        id,
                        Breaker {
                            resting,
                            ..Breaker::default()
                        },
                    );
                }
                (None, Some(one)) if one.resting.is_some() => {
                    self.known.remove(&id);
                    self.open -= 1;
                }
                (None, _) => {}
            }
        }
    }

    /// Whether a connection may be called now.
    pub fn passage(&self, id: ConnectionId, now: Timestamp) -> Passage {
        if self.open == 0 {
            return Passage::Free;
        }
        let Some(resting) = self.known.get(&id).and_then(|one| one.resting.as_ref()) else {
            return Passage::Free;
        };
        let now = now.as_microsecond();
        match resting.probe {
            Some((_, since)) if now - since < PROBE_LIMIT => {
                Passage::Rests(crate::time::from_micros(now + ASK_AGAIN))
            }
            _ if resting.probe_at <= now => Passage::Probe,
            _ => Passage::Rests(crate::time::from_micros(resting.probe_at)),
        }
    }

    /// This attempt tries a resting connection.
    pub(super) fn begin_probe(&mut self, id: ConnectionId, attempt: AttemptId, now: Timestamp) {
        if let Some(one) = self.known.get_mut(&id)
            && let Some(resting) = &mut one.resting
        {
            resting.probe = Some((attempt, now.as_microsecond()));
            one.dirty = true;
        }
    }

    /// True when this attempt is the one that tries a resting connection.
    pub(super) fn is_probe(&self, id: ConnectionId, attempt: Option<AttemptId>) -> bool {
        self.known
            .get(&id)
            .and_then(|one| one.resting.as_ref()?.probe)
            .is_some_and(|(probe, _)| Some(probe) == attempt)
    }

    /// Takes in what a call came to.
    pub(super) fn settled(
        &mut self,
        id: ConnectionId,
        attempt: Option<AttemptId>,
        outcome: &Outcome,
        now: Timestamp,
    ) -> Swing {
        let says = says(outcome);
        let probe = self.is_probe(id, attempt);
        if !self.known.contains_key(&id) && !matches!(says, Says::Fails(_)) {
            return Swing::None;
        }
        let one = self.known.entry(id).or_default();
        let detail = why(outcome).map_or("", |why| why.detail.as_str());
        match (&mut one.resting, says) {
            (Some(_), Says::Works | Says::Answered) if probe => {
                self.known.remove(&id);
                self.known.insert(
                    id,
                    Breaker {
                        dirty: true,
                        ..Breaker::default()
                    },
                );
                self.open -= 1;
                Swing::Closed
            }
            (Some(resting), Says::Fails(wish)) if probe => {
                resting.failed_probes += 1;
                resting.probe = None;
                let rest = rest(resting.failed_probes, wish);
                resting.probe_at = now.as_microsecond() + rest;
                one.dirty = true;
                Swing::None
            }
            (Some(resting), Says::Nothing) if probe => {
                resting.probe = None;
                one.dirty = true;
                Swing::None
            }
            // Calls that were under way when it opened change nothing.
            (Some(_), _) | (None, Says::Nothing | Says::Answered) => Swing::None,
            (None, Says::Works) => {
                one.push(false);
                if one.recent == 0 && !one.dirty {
                    self.known.remove(&id);
                }
                Swing::None
            }
            (None, Says::Fails(wish)) => {
                one.push(true);
                let Some(because) = one.too_many(detail) else {
                    return Swing::None;
                };
                one.resting = Some(Resting {
                    since: now.as_microsecond(),
                    probe_at: now.as_microsecond() + rest(0, wish),
                    failed_probes: 0,
                    because: because.clone(),
                    probe: None,
                });
                one.dirty = true;
                self.open += 1;
                Swing::Opened(because)
            }
        }
    }

    /// Somebody mended or changed the connection: it begins anew.
    pub fn forget(&mut self, id: ConnectionId) {
        if let Some(one) = self.known.remove(&id)
            && one.resting.is_some()
        {
            self.open -= 1;
        }
    }

    /// What is to be written: connections whose rest began, changed or ended (`None`).
    pub fn changed(&self) -> impl Iterator<Item = (ConnectionId, Option<&Resting>)> {
        self.known
            .iter()
            .filter(|(_, one)| one.dirty)
            .map(|(id, one)| (*id, one.resting.as_ref()))
    }

    /// The wall clock was set by so many microseconds: who rests goes on resting as long as was meant.
    pub fn shift(&mut self, by: i64) {
        for one in self.known.values_mut() {
            if let Some(resting) = &mut one.resting {
                resting.since = resting.since.saturating_add(by);
                resting.probe_at = resting.probe_at.saturating_add(by);
                if let Some((_, since)) = &mut resting.probe {
                    *since = since.saturating_add(by);
                }
                one.dirty = true;
            }
        }
    }

    /// Everything was written.
    pub fn written(&mut self) {
        self.known.retain(|_, one| {
            one.dirty = false;
            one.resting.is_some() || one.recent != 0
        });
    }

    /// True when nothing is to be written and nothing was kept: the usual case.
    pub fn is_empty(&self) -> bool {
        self.known.is_empty()
    }
}

impl Breaker {
    fn push(&mut self, failed: bool) {
        self.in_a_row = if failed { self.in_a_row + 1 } else { 0 };
        self.recent = (self.recent * 2 + u32::from(failed)) % (1 << LOOKED_BACK);
        self.seen = (self.seen + 1).min(LOOKED_BACK);
    }

    fn too_many(&self, detail: &str) -> Option<String> {
        let failed = self.recent.count_ones();
        let how = if self.in_a_row >= IN_A_ROW {
            format!("{} calls failed in a row", self.in_a_row)
        } else if self.seen >= LOOKED_BACK && failed * 2 >= LOOKED_BACK {
            format!("{failed} of the last {LOOKED_BACK} calls failed")
        } else {
            return None;
        };
        Some(format!("{how}, last: {detail}"))
    }
}

/// How long it rests after so many failed probes, microseconds. What the provider asks for is believed up to the longest rest.
fn rest(failed_probes: u32, wish: Option<Duration>) -> i64 {
    let own = FIRST_REST.saturating_mul(1 << failed_probes.min(10));
    let rest = wish.map_or(own, |wish| own.max(wish)).min(LONGEST_REST);
    i64::try_from(rest.as_micros()).unwrap_or(i64::MAX)
}

fn why(outcome: &Outcome) -> Option<&Reason> {
    match outcome {
        Outcome::Retryable { why, .. }
        | Outcome::Misconfigured { why }
        | Outcome::Permanent { why, .. }
        | Outcome::Unknown { why } => Some(why),
        Outcome::Accepted { .. } | Outcome::Delivered { .. } => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::messages::{ProviderRef, Suppress};

    const ID: ConnectionId = ConnectionId::from_raw(7);

    fn at(seconds: i64) -> Timestamp {
        crate::time::from_micros(1_790_000_000_000_000 + seconds * 1_000_000)
    }

    fn fails() -> Outcome {
        Outcome::Retryable {
            why: Reason::new("connect", "The connection was refused."),
            after: None,
        }
    }

    fn works() -> Outcome {
        Outcome::Accepted {
            reference: ProviderRef("SM1".into()),
            cost: None,
        }
    }

    fn refused() -> Outcome {
        Outcome::Permanent {
            why: Reason::new("21211", "The number is not valid."),
            suppress: Suppress::Invalid,
        }
    }

    fn tell(breakers: &mut Breakers, outcome: &Outcome, second: i64) -> Swing {
        breakers.settled(ID, None, outcome, at(second))
    }

    /// M5: five failures in a row open it; a success between them does not.
    #[test]
    fn five_failures_in_a_row_open_it() {
        let mut breakers = Breakers::default();
        for n in 0..4 {
            assert_eq!(tell(&mut breakers, &fails(), n), Swing::None);
        }
        assert_eq!(tell(&mut breakers, &works(), 4), Swing::None);
        for n in 0..4 {
            assert_eq!(tell(&mut breakers, &fails(), n), Swing::None, "{n}");
        }
        assert!(
            matches!(tell(&mut breakers, &fails(), 9), Swing::Opened(why) if why.starts_with("5 calls failed in a row"))
        );
        assert_eq!(breakers.passage(ID, at(10)), Passage::Rests(at(39)));
        assert_eq!(
            breakers.passage(ConnectionId::from_raw(8), at(10)),
            Passage::Free
        );
    }

    /// M5: half of twenty calls failing opens it, however they are mixed; less does not.
    #[test]
    fn half_of_twenty_open_it() {
        for (every, opens) in [(2, true), (3, false)] {
            let mut breakers = Breakers::default();
            let mut opened = false;
            for n in 0..60 {
                let outcome = if n % every == 0 { fails() } else { works() };
                opened |= matches!(tell(&mut breakers, &outcome, n), Swing::Opened(_));
            }
            assert_eq!(opened, opens, "one of {every} fails");
        }
    }

    /// Refusals of one person's number, slow-downs and mistakes of our own say nothing against the connection.
    #[test]
    fn only_failures_of_the_connection_count() {
        let mut breakers = Breakers::default();
        let slow_down = Outcome::Retryable {
            why: Reason::new("http_429", "Slow down."),
            after: Some(Duration::from_secs(7)),
        };
        let own = Outcome::Unknown {
            why: Reason::new("restart", "The server stopped."),
        };
        for n in 0..30 {
            for outcome in [&refused(), &slow_down, &own] {
                assert_eq!(tell(&mut breakers, outcome, n), Swing::None);
            }
        }
        assert!(breakers.is_empty(), "nothing is kept while all is well");
    }

    /// M5: half-open lets exactly one message through; its success closes, its failure doubles the rest.
    #[test]
    fn one_probe_alone_decides() {
        let mut breakers = Breakers::default();
        for _ in 0..5 {
            tell(&mut breakers, &fails(), 0);
        }
        let probe = AttemptId::from_raw(1);
        assert_eq!(breakers.passage(ID, at(29)), Passage::Rests(at(30)));
        assert_eq!(breakers.passage(ID, at(30)), Passage::Probe);
        breakers.begin_probe(ID, probe, at(30));
        assert_eq!(breakers.passage(ID, at(31)), Passage::Rests(at(36)));
        // Another call that was under way since before decides nothing.
        assert_eq!(tell(&mut breakers, &works(), 31), Swing::None);
        assert_eq!(
            breakers.settled(ID, Some(probe), &fails(), at(32)),
            Swing::None
        );
        assert_eq!(breakers.passage(ID, at(33)), Passage::Rests(at(92)));
        assert_eq!(breakers.passage(ID, at(92)), Passage::Probe);
        let second = AttemptId::from_raw(2);
        breakers.begin_probe(ID, second, at(92));
        // The provider answers about a person's number: it works.
        assert_eq!(
            breakers.settled(ID, Some(second), &refused(), at(93)),
            Swing::Closed
        );
        assert_eq!(breakers.passage(ID, at(93)), Passage::Free);
        assert_eq!(breakers.changed().collect::<Vec<_>>(), [(ID, None)]);
        breakers.written();
        assert!(breakers.is_empty());
    }

    /// What was open before a restart is open after it, and a probe of then is made again.
    #[test]
    fn a_rest_outlives_the_process() {
        let mut breakers = Breakers::default();
        for _ in 0..5 {
            tell(&mut breakers, &fails(), 0);
        }
        breakers.begin_probe(ID, AttemptId::from_raw(1), at(30));
        let kept: Vec<(ConnectionId, Resting)> = breakers
            .changed()
            .filter_map(|(id, resting)| Some((id, resting?.clone())))
            .map(|(id, resting)| {
                let text = serde_json::to_string(&resting).unwrap();
                (id, serde_json::from_str(&text).unwrap())
            })
            .collect();
        let again = Breakers::restore(kept);
        assert_eq!(again.passage(ID, at(20)), Passage::Rests(at(30)));
        assert_eq!(again.passage(ID, at(31)), Passage::Probe);
    }

    /// A rest grows, and no provider makes us wait for ever.
    #[test]
    fn rests_are_bounded() {
        let seconds = |n, wish: Option<u64>| rest(n, wish.map(Duration::from_secs)) / 1_000_000;
        assert_eq!(
            [0, 1, 2, 5, 60].map(|n| seconds(n, None)),
            [30, 60, 120, 900, 900]
        );
        assert_eq!(seconds(0, Some(86_400)), 900);
        assert_eq!(seconds(0, Some(120)), 120);
    }

    /// What a provider asks beyond the longest rest is a failure; a quarter of an hour itself is patience.
    #[test]
    fn a_wish_beyond_the_longest_rest_is_a_failure() {
        let wish = |seconds| Outcome::Retryable {
            why: Reason::new("http_503", "Later."),
            after: Some(Duration::from_secs(seconds)),
        };
        let mut breakers = Breakers::default();
        for n in 0..5 {
            assert_eq!(tell(&mut breakers, &wish(900), n), Swing::None);
        }
        assert!(breakers.is_empty());
        for n in 0..4 {
            assert_eq!(tell(&mut breakers, &wish(901), n), Swing::None);
        }
        assert!(!breakers.is_empty());
        assert!(
            matches!(tell(&mut breakers, &wish(901), 4), Swing::Opened(why) if why.ends_with("last: Later."))
        );
        assert_eq!(breakers.passage(ID, at(4)), Passage::Rests(at(904)));
    }

    /// A refusal for a reason of our own says nothing, neither of a healthy account nor by its probe; one of the provider's own does.
    #[test]
    fn our_own_faults_say_nothing() {
        let own = Outcome::Permanent {
            why: Reason::new("template", "It cannot be filled in."),
            suppress: Suppress::No,
        };
        let mut breakers = Breakers::default();
        for _ in 0..5 {
            tell(&mut breakers, &fails(), 0);
        }
        let (first, second) = (AttemptId::from_raw(1), AttemptId::from_raw(2));
        breakers.begin_probe(ID, first, at(30));
        breakers.written();
        assert_eq!(breakers.settled(ID, Some(first), &own, at(31)), Swing::None);
        assert_eq!(
            breakers.passage(ID, at(31)),
            Passage::Probe,
            "the next one tries it"
        );
        assert_eq!(breakers.changed().count(), 1, "and that is written");
        breakers.begin_probe(ID, second, at(31));
        assert!(breakers.is_probe(ID, Some(second)) && !breakers.is_probe(ID, Some(first)));
        assert!(!breakers.is_probe(ID, None) && !Breakers::default().is_probe(ID, Some(second)));
        // A probe that says nothing for a minute is given up.
        assert_eq!(breakers.passage(ID, at(90)), Passage::Rests(at(95)));
        assert_eq!(breakers.passage(ID, at(91)), Passage::Probe);
    }

    /// Each failed probe doubles the rest; once mended or set anew an account begins as a new one, and what others do stays.
    #[test]
    fn an_account_that_was_mended_begins_anew() {
        let other = ConnectionId::from_raw(8);
        let mut breakers = Breakers::default();
        for id in [ID, other] {
            for _ in 0..5 {
                breakers.settled(id, None, &fails(), at(0));
            }
        }
        let mut now = 30;
        for (n, rest) in [(1, 60), (2, 120), (3, 240)] {
            let probe = AttemptId::from_raw(n);
            breakers.begin_probe(ID, probe, at(now));
            breakers.settled(ID, Some(probe), &fails(), at(now));
            assert_eq!(
                breakers.passage(ID, at(now)),
                Passage::Rests(at(now + rest))
            );
            now += rest;
        }
        let kept = breakers
            .changed()
            .filter_map(|(id, resting)| Some((id, resting?.failed_probes)));
        assert_eq!(kept.max(), Some((other, 0)));
        breakers.forget(ID);
        assert_eq!(breakers.passage(ID, at(31)), Passage::Free);
        assert_eq!(breakers.passage(other, at(29)), Passage::Rests(at(30)));
        // What failed but does not rest is forgotten too, and nothing of the others.
        tell(&mut breakers, &fails(), 40);
        breakers.forget(ID);
        assert_eq!(breakers.passage(other, at(29)), Passage::Rests(at(30)));
        breakers.forget(other);
        assert!(breakers.is_empty() && breakers.passage(other, at(29)) == Passage::Free);
        // Begun anew it takes five failures again.
        for n in 0..4 {
            assert_eq!(tell(&mut breakers, &fails(), n), Swing::None);
        }
        assert!(matches!(tell(&mut breakers, &fails(), 5), Swing::Opened(_)));
    }

    /// An account without failures among its last twenty is forgotten; one with some is kept, and written only when it rests.
    #[test]
    fn what_failed_long_ago_is_forgotten() {
        let mut breakers = Breakers::default();
        tell(&mut breakers, &fails(), 0);
        for n in 0..19 {
            tell(&mut breakers, &works(), n);
            breakers.written();
            assert!(!breakers.is_empty(), "{n}");
        }
        assert_eq!(breakers.changed().count(), 0);
        tell(&mut breakers, &works(), 20);
        assert!(breakers.is_empty());
        // Half of nineteen is not half of twenty.
        for n in 0..10 {
            assert_eq!(tell(&mut breakers, &fails(), n), Swing::None, "{n}");
            if n < 9 {
                assert_eq!(tell(&mut breakers, &works(), n), Swing::None, "{n}");
            }
        }
        let opened = tell(&mut breakers, &works(), 20);
        assert_eq!(opened, Swing::None, "a success opens nothing");
        assert!(
            matches!(tell(&mut breakers, &fails(), 21), Swing::Opened(why) if why.starts_with("10 of the last 20"))
        );
        // Another success after a rest that was closed and is not written yet keeps it until it is.
        let probe = AttemptId::from_raw(3);
        breakers.begin_probe(ID, probe, at(60));
        assert_eq!(
            breakers.settled(ID, Some(probe), &works(), at(61)),
            Swing::Closed
        );
        tell(&mut breakers, &works(), 62);
        assert_eq!(breakers.changed().collect::<Vec<_>>(), [(ID, None)]);
        breakers.written();
        assert!(breakers.is_empty());
    }

    /// Reliability 4.5: when the wall clock is set, who rests goes on resting as long as was meant, and a probe as long as it may.
    #[test]
    fn rests_go_with_the_clock() {
        let mut breakers = Breakers::default();
        for _ in 0..5 {
            tell(&mut breakers, &fails(), 0);
        }
        breakers.written();
        breakers.shift(3_600_000_000);
        assert_eq!(breakers.passage(ID, at(3_600)), Passage::Rests(at(3_630)));
        assert_eq!(
            breakers
                .changed()
                .map(|(_, resting)| resting.unwrap().since)
                .collect::<Vec<_>>(),
            [at(3_600).as_microsecond()]
        );
        breakers.begin_probe(ID, AttemptId::from_raw(1), at(3_630));
        breakers.shift(-3_600_000_000);
        assert_eq!(breakers.passage(ID, at(89)), Passage::Rests(at(94)));
        assert_eq!(breakers.passage(ID, at(90)), Passage::Probe);
    }

    fn resting(probe_at: i64) -> Resting {
        Resting {
            since: at(0).as_microsecond(),
            probe_at: at(probe_at).as_microsecond(),
            failed_probes: 0,
            because: "5 calls failed in a row".into(),
            probe: None,
        }
    }

    /// M5, O6: what another node wrote of a connection holds here too, and what it took away is gone; what was counted here stays.
    #[test]
    fn what_other_nodes_found_out_holds_here() {
        let other = ConnectionId::from_raw(8);
        let mut breakers = Breakers::default();
        let kept = |all: &[(ConnectionId, i64)]| -> HashMap<ConnectionId, Resting> {
            all.iter()
                .map(|(id, probe_at)| (*id, resting(*probe_at)))
                .collect()
        };
        let both = || [ID, other].into_iter();
        // Nothing was known of it.
        breakers.refresh(both(), &kept(&[(ID, 30)]));
        assert_eq!(breakers.passage(ID, at(1)), Passage::Rests(at(30)));
        assert_eq!(breakers.passage(other, at(1)), Passage::Free);
        assert_eq!((breakers.open, breakers.changed().count()), (1, 0));
        // It rests on, for longer.
        breakers.refresh(both(), &kept(&[(ID, 60)]));
        assert_eq!(breakers.passage(ID, at(1)), Passage::Rests(at(60)));
        assert_eq!(breakers.open, 1);
        // What is not spoken of stays as it is.
        breakers.refresh(std::iter::once(other), &kept(&[]));
        assert_eq!(breakers.passage(ID, at(1)), Passage::Rests(at(60)));
        // Another node mended it.
        breakers.refresh(both(), &kept(&[]));
        assert_eq!(breakers.passage(ID, at(1)), Passage::Free);
        assert!(breakers.is_empty() && breakers.open == 0);
        // Four failures were counted here: neither news of others nor none makes them forgotten.
        for n in 0..4 {
            assert_eq!(tell(&mut breakers, &fails(), n), Swing::None);
        }
        breakers.refresh(both(), &kept(&[(other, 30)]));
        assert_eq!(breakers.open, 1);
        assert!(matches!(tell(&mut breakers, &fails(), 5), Swing::Opened(_)));
        assert_eq!((breakers.open, breakers.changed().count()), (2, 1));
        // What is read anew needs no writing.
        breakers.refresh(both(), &kept(&[(ID, 90), (other, 30)]));
        assert_eq!((breakers.open, breakers.changed().count()), (2, 0));
        // Counted here, opened there.
        breakers.forget(ID);
        assert_eq!(breakers.open, 1);
        tell(&mut breakers, &fails(), 6);
        breakers.forget(ID);
        assert_eq!(breakers.open, 1, "it did not rest");
        tell(&mut breakers, &fails(), 6);
        breakers.refresh(both(), &kept(&[(ID, 90), (other, 30)]));
        assert_eq!(breakers.open, 2);
        assert_eq!(breakers.passage(ID, at(6)), Passage::Rests(at(90)));
    }

    /// M5: only the call that tries a resting connection decides; others that were under way change nothing of it, whatever they come to.
    #[test]
    fn calls_that_were_under_way_change_nothing() {
        let (probe, other) = (AttemptId::from_raw(1), Some(AttemptId::from_raw(2)));
        let own = Outcome::Unknown {
            why: Reason::new("restart", "The server stopped."),
        };
        let mut breakers = Breakers::default();
        for _ in 0..5 {
            tell(&mut breakers, &fails(), 0);
        }
        breakers.begin_probe(ID, probe, at(30));
        breakers.written();
        for outcome in [works(), refused(), fails(), own] {
            assert_eq!(breakers.settled(ID, other, &outcome, at(31)), Swing::None);
            assert!(breakers.is_probe(ID, Some(probe)), "{outcome:?}");
            assert_eq!(breakers.changed().count(), 0, "{outcome:?}");
        }
        assert_eq!(
            breakers.settled(ID, Some(probe), &works(), at(32)),
            Swing::Closed
        );
        assert_eq!(
            (breakers.open, breakers.passage(ID, at(32))),
            (0, Passage::Free)
        );
    }
}
