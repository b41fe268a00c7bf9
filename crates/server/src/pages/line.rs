//! The line: a wait drawn on one scale for every page, dashed while the person waits, solid once somebody answered.

use super::format::{clock, words};
use askama::Template;
use jiff::SignedDuration;
use ringback_core::messages::{ChannelKind, Fact, Message, Status};
use ringback_core::time::{Timestamp, from_micros};

/// Where a wait of so many seconds lies, in per cent of the width: logarithmic from 10 seconds on, an hour at 91, a day at 99.
pub(crate) fn place(seconds: f64) -> f64 {
    let log = |seconds: f64| (1.0 + seconds.max(0.0) / 10.0).log10();
    let (hour, day) = (log(3_600.0), log(86_400.0));
    if seconds <= 3_600.0 {
        91.0 * log(seconds) / hour
    } else {
        (91.0 + 8.0 * (log(seconds) - hour) / (day - hour)).min(99.0)
    }
}

/// As a coordinate: `53.06%`.
pub(crate) fn percent(seconds: f64) -> String {
    let text = format!("{:.2}", place(seconds));
    format!("{}%", text.trim_end_matches('0').trim_end_matches('.'))
}

fn seconds(from: Timestamp, until: Timestamp) -> f64 {
    until.duration_since(from).as_secs_f64().max(0.0)
}

/// What happened to a lead since it began to ring.
#[derive(Debug, Clone)]
pub(crate) struct Wait {
    /// Since when.
    pub since: Timestamp,
    /// Until when a person was promised.
    pub promised: Option<Timestamp>,
    /// When a person of ours answered.
    pub answered: Option<Timestamp>,
    /// When the first person of ours was told: name, way, instant.
    pub told: Option<(String, ChannelKind, Timestamp)>,
    /// When somebody opened an alert: name and instant.
    pub seen: Option<(String, Timestamp)>,
    /// When it was passed on: to whom and when.
    pub passed: Option<(String, Timestamp)>,
}

/// People who were told together as one wait, from the messages about a lead in any order.
pub(crate) fn wait(
    since: Timestamp,
    promised: Option<Timestamp>,
    answered: Option<Timestamp>,
    messages: &[Message],
) -> Wait {
    let mut ours: Vec<&Message> = messages
        .iter()
        .filter(|message| is_alert(message) && message.created_at >= since)
        .collect();
    ours.sort_by_key(|message| message.id);
    let name = |message: &Message| {
        message
            .staff
            .clone()
            .unwrap_or_else(|| message.recipient.clone())
    };
    let arrived =
        |message: &&&Message| matches!(message.status, Status::Accepted | Status::Delivered);
    let told = ours
        .iter()
        .filter(arrived)
        .filter_map(|message| {
            Some((
                name(message),
                message.channel,
                message.accepted_at.or(message.settled_at)?,
            ))
        })
        .min_by_key(|told| told.2);
    let seen = ours.iter().filter_map(|message| {
        let first = [Fact::Clicked, Fact::Opened, Fact::Replied]
            .iter()
            .filter_map(|fact| message.facts.get(fact))
            .min()?;
        Some((name(message), from_micros(*first)))
    });
    let seen = seen.min_by_key(|seen| seen.1);
    let first = ours.first().map(|message| name(message));
    let passed = ours
        .iter()
        .find(|message| Some(name(message)) != first && seconds(since, message.created_at) > 20.0)
        .map(|message| (name(message), message.created_at));
    Wait {
        since,
        promised,
        answered,
        told,
        seen,
        passed,
    }
}

/// A message that tells people of ours about a lead.
pub(crate) fn is_alert(message: &Message) -> bool {
    message.staff.is_some() || message.channel == ChannelKind::Webhook
}

/// The line of a wait, ready to be drawn.
#[derive(Debug, Clone, Template)]
#[template(path = "line.html")]
pub(crate) struct Line {
    label: String,
    mini: bool,
    middle: u8,
    promise: Option<String>,
    ring: Option<String>,
    over: Option<(String, String)>,
    done: Option<String>,
    told: Option<String>,
    seen: Option<String>,
    passed: Option<String>,
    lamp: Option<String>,
    won: Option<String>,
    since_ms: i64,
    promise_s: i64,
}

impl Wait {
    /// Later than promised, as of now.
    pub(crate) fn is_late(&self, now: Timestamp) -> bool {
        self.promised
            .is_some_and(|promised| self.answered.unwrap_or(now) > promised)
    }

    /// How long, as a clock shows it.
    pub(crate) fn clock(&self, now: Timestamp) -> String {
        clock(seconds(self.since, self.answered.unwrap_or(now)) as i64)
    }

    /// The whole line in a sentence.
    fn sentence(&self, now: Timestamp) -> String {
        let span = |at: Timestamp| words(at.duration_since(self.since));
        let mut out = match self.answered {
            Some(at) => format!("Answered after {}", span(at)),
            None => format!("Ringing for {}", span(now)),
        };
        if let Some(promised) = self.promised
            && self.is_late(now)
        {
            out.push_str(&format!(", past the {} promised", span(promised)));
        }
        out.push('.');
        match &self.told {
            Some((who, channel, at)) => {
                out.push_str(&format!(
                    " {who} told by {} after {}",
                    way(*channel),
                    span(*at)
                ));
                match &self.seen {
                    Some((_, at)) => out.push_str(&format!(", seen after {}", span(*at))),
                    None => out.push_str(", not seen yet"),
                }
            }
            None => out.push_str(" Nobody told yet"),
        }
        if let Some((who, at)) = &self.passed {
            out.push_str(&format!(", passed to {who} after {}", span(*at)));
        }
        out.push('.');
        out
    }

    /// Only its marks, up to an instant: for the people who were told.
    pub(crate) fn marks(&self, until: Timestamp) -> Line {
        let mut line = self.draw(until, false);
        let span = |at: Timestamp| words(at.duration_since(self.since));
        line.label = match (&self.told, &self.seen) {
            (Some(told), Some(seen)) => {
                format!("Told after {}, seen after {}.", span(told.2), span(seen.1))
            }
            (Some(told), None) => format!("Told after {}.", span(told.2)),
            (None, _) => "Not told.".to_owned(),
        };
        (line.ring, line.over, line.lamp, line.since_ms) = (None, None, None, 0);
        line.done = self
            .told
            .as_ref()
            .map(|told| percent(seconds(self.since, told.2)));
        line
    }

    /// Draws it.
    pub(crate) fn draw(&self, now: Timestamp, mini: bool) -> Line {
        let at = |instant: Timestamp| percent(seconds(self.since, instant));
        let end = self.answered.unwrap_or(now);
        let ringing = self.answered.is_none();
        let late = self.is_late(now);
        let broken = self.promised.filter(|_| late);
        Line {
            label: self.sentence(now),
            mini,
            middle: if mini { 8 } else { 13 },
            promise: self.promised.map(at),
            ring: ringing.then(|| at(broken.unwrap_or(end))),
            over: broken
                .filter(|_| ringing)
                .map(|promised| (at(promised), at(end))),
            done: (!ringing).then(|| at(end)),
            told: self.told.as_ref().filter(|_| !mini).map(|told| at(told.2)),
            seen: self.seen.as_ref().filter(|_| !mini).map(|seen| at(seen.1)),
            passed: self
                .passed
                .as_ref()
                .filter(|_| !mini)
                .map(|passed| at(passed.1)),
            lamp: ringing.then(|| at(end)),
            won: (!ringing).then(|| at(end)),
            since_ms: if ringing {
                self.since.as_millisecond()
            } else {
                0
            },
            promise_s: self
                .promised
                .map_or(0, |promised| seconds(self.since, promised) as i64),
        }
    }
}

/// Until when somebody who began to wait then was promised a person: the time is counted in opening hours (W7).
pub(crate) fn promised(home: &crate::registry::Home, since: Timestamp) -> Option<Timestamp> {
    let settings = &home.tenant.config.settings;
    let promise = settings.promise?.first_response;
    let begins = settings.next_open(since, &home.tenant.zone)?;
    begins
        .checked_add(SignedDuration::try_from(promise).ok()?)
        .ok()
}

/// The way of a channel in a sentence.
pub(crate) const fn way(channel: ChannelKind) -> &'static str {
    match channel {
        ChannelKind::Sms => "text",
        ChannelKind::Email => "email",
        ChannelKind::Webhook => "webhook",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pages::tests::HOSTILE;

    /// Section 1 of the design: one scale for all lines.
    #[test]
    fn the_scale_is_the_one_that_is_learned_once() {
        for (seconds, text) in [
            (0.0, "0%"),
            (10.0, "10.71%"),
            (60.0, "30.07%"),
            (300.0, "53.06%"),
            (900.0, "69.71%"),
            (3_600.0, "91%"),
            (86_400.0, "99%"),
            (1e9, "99%"),
            (-5.0, "0%"),
        ] {
            assert_eq!(percent(seconds), text);
        }
        let rising: Vec<f64> = (0..2_000)
            .map(|step| place(f64::from(step) * 50.0))
            .collect();
        assert!(rising.windows(2).all(|pair| pair[0] <= pair[1]));
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_795_000_000 + seconds).unwrap()
    }

    fn waiting() -> Wait {
        Wait {
            since: at(0),
            promised: Some(at(300)),
            answered: None,
            told: Some((HOSTILE.into(), ChannelKind::Sms, at(2))),
            seen: Some(("Marcus".into(), at(38))),
            passed: Some(("Ray".into(), at(301))),
        }
    }

    /// A broken promise is drawn as a second piece of line and said in words.
    #[test]
    fn a_wait_past_the_promise_is_late() {
        let line = waiting().draw(at(403), false).render().unwrap();
        assert!(line.contains(r#"class="ring over" x1="53.06%""#), "{line}");
        assert!(line.contains(r#"class="halo""#) && line.contains(r#"class="esc""#));
        assert!(
            line.contains("Ringing for 6 min 43 s, past the 5 min promised."),
            "{line}"
        );
        assert!(!line.contains("<script>"), "{line}");
        assert!(!waiting().is_late(at(299)));
    }

    /// An answered wait is solid to its green end, late or not.
    #[test]
    fn an_answered_wait_is_solid() {
        let mut wait = waiting();
        wait.answered = Some(at(112));
        let line = wait.draw(at(9_999), true).render().unwrap();
        assert!(
            line.contains(r#"class="done""#)
                && line.contains(r#"class="won""#)
                && !line.contains("lamp")
                && !line.contains("class=\"told\"")
        );
        assert!(line.contains("Answered after 1 min 52 s."));
        assert_eq!(wait.clock(at(9_999)), "1:52");
    }
}
