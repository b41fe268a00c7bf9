//! The first response that a business promises (W7): a message speaks of it only when it can be kept.

use super::Tenant;
use super::world::LeadState;
use crate::messages::Message;
use crate::time::Timestamp;
use serde_json::{Value, json};
use std::time::Duration;

/// A message that goes out later than this after it was decided does not say "within 15 minutes" any more.
const FRESH: jiff::SignedDuration = jiff::SignedDuration::from_secs(60);
/// Where the promise stands among a message's data.
const NAME: &str = "promise";

/// What may be promised to a lead that waits for a person: `by`, the instant until which somebody answers, and `within`, the same as a
/// length of time while the clock on the wall and the opening hours run alike. None when nothing is promised, when nobody of the staff is
/// there by then, when the lead has its answer, or when the time is over already.
pub(super) fn promise(tenant: &Tenant, state: &LeadState, now: Timestamp) -> Option<Value> {
    let promise = tenant.config.settings.promise?;
    let lead = &state.lead;
    let since = lead.ringing_since.filter(|_| lead.answered_at.is_none())?;
    let settings = &tenant.config.settings;
    let by = settings.after_open(since, promise.first_response, &tenant.zone)?;
    let anybody = |at: Timestamp| {
        let mut staff = tenant.staff.iter();
        staff.any(|one| tenant.is_there(&one.name, at))
    };
    if by <= now + FRESH || !anybody(by) {
        return None;
    }
    let mut view = json!({"by": by.to_string()});
    let length = super::say::signed(promise.first_response);
    if by == since + length && now <= since + FRESH && anybody(now) {
        view["within"] = json!(words(promise.first_response));
    }
    Some(view)
}

/// Takes out of a message's data what was promised and cannot be said any more, because it goes out later than it was decided. To be
/// asked before the text is tied to the intent.
pub(super) fn take_back(message: &mut Message, now: Timestamp) {
    if now <= message.created_at + FRESH || !message.data.text().contains("\"promise\"") {
        return;
    }
    let Ok(Value::Object(mut data)) = serde_json::from_str::<Value>(message.data.text()) else {
        return;
    };
    let Some(Value::Object(view)) = data.get_mut(NAME) else {
        return;
    };
    view.remove("within");
    let by = view
        .get("by")
        .and_then(Value::as_str)
        .and_then(|at| at.parse::<Timestamp>().ok());
    if by.is_none_or(|by| by <= now + FRESH) {
        data.remove(NAME);
    }
    message.data = Value::Object(data).to_string().into();
}

/// `15 minutes`, `2 hours`, `1 hour and 30 minutes`.
fn words(length: Duration) -> String {
    let minutes = length.as_secs().div_ceil(60);
    let some = |n: u64, unit: &str| format!("{n} {unit}{}", if n == 1 { "" } else { "s" });
    match (minutes / 60, minutes % 60) {
        (0, minutes) => some(minutes, "minute"),
        (hours, 0) => some(hours, "hour"),
        (hours, minutes) => format!("{} and {}", some(hours, "hour"), some(minutes, "minute")),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Intake;
    use super::super::rehearsal::Rehearsal;
    use super::super::trial::{form, instant, lead_in, preset};
    use super::*;
    use crate::messages::ChannelKind;

    /// What the newest text to a lead was promised.
    fn promised(house: &Rehearsal) -> Value {
        let texts = house.memory.messages();
        let texts = texts.filter(|one| one.staff.is_none() && one.channel == ChannelKind::Sms);
        let data = texts.last().expect("a text").data.text().to_owned();
        serde_json::from_str::<Value>(&data).unwrap()[NAME].clone()
    }

    /// W7: auto-glass promises 15 minutes of opening hours: as a length of time while the shop stays open, as an hour of the day before it
    /// closes and at night.
    #[test]
    fn the_promise_is_made_in_words_that_can_be_kept() {
        for (came, within, by) in [
            // Tuesday, 10:00 and 17:50 and 22:00; Saturday after closing; the day before Thanksgiving.
            (
                "2026-11-24T17:00:00Z",
                json!("15 minutes"),
                "2026-11-24T17:15:00Z",
            ),
            ("2026-11-25T00:50:00Z", Value::Null, "2026-11-25T15:05:00Z"),
            ("2026-11-25T05:00:00Z", Value::Null, "2026-11-25T15:15:00Z"),
            ("2026-11-21T22:00:00Z", Value::Null, "2026-11-23T15:15:00Z"),
            ("2026-11-26T01:00:00Z", Value::Null, "2026-11-27T15:15:00Z"),
        ] {
            let mut house = preset("auto-glass", came);
            house.take(form(Some("quick-quote"), 1));
            let told = promised(&house);
            assert_eq!(
                (&told["within"], &told["by"]),
                (&within, &json!(by)),
                "{came}"
            );
        }
    }

    /// W7: who was answered is promised nothing, and who asks again while the time runs is promised what is left of it.
    #[test]
    fn nothing_is_promised_that_is_over_or_done() {
        let mut house = preset("auto-glass", "2026-11-24T17:00:00Z");
        let lead = lead_in(&house.take(form(Some("quick-quote"), 1)));
        house.wait(Duration::from_secs(600));
        house.take(form(Some("booking"), 1));
        assert_eq!(promised(&house), json!({"by": "2026-11-24T17:15:00Z"}));
        house.wait(Duration::from_secs(600));
        house.take(form(Some("booking"), 1));
        assert_eq!(promised(&house), Value::Null, "the time is over");
        house.take(Intake::Take {
            lead,
            actor: "Ana Castro".into(),
        });
        house.wait(Duration::from_secs(600));
        house.take(form(Some("booking"), 1));
        assert_eq!(
            promised(&house)["within"],
            "15 minutes",
            "a new wait has begun"
        );
    }

    /// W7: a message that goes out later does not repeat what was true when it was decided.
    #[test]
    fn a_late_message_takes_its_promise_back() {
        let mut house = preset("auto-glass", "2026-11-24T17:00:00Z");
        house.take(form(Some("quick-quote"), 1));
        let message = house
            .memory
            .messages()
            .find(|one| one.staff.is_none())
            .unwrap();
        for (at, left) in [
            (
                "2026-11-24T17:00:50Z",
                json!({"by": "2026-11-24T17:15:00Z", "within": "15 minutes"}),
            ),
            (
                "2026-11-24T17:05:00Z",
                json!({"by": "2026-11-24T17:15:00Z"}),
            ),
            ("2026-11-24T17:14:30Z", Value::Null),
        ] {
            let mut late = message.clone();
            take_back(&mut late, instant(at));
            let data: Value = serde_json::from_str(late.data.text()).unwrap();
            assert_eq!(data[NAME], left, "{at}");
            assert_eq!(data["lead"]["first_name"], "Dana");
        }
    }

    #[test]
    fn a_length_of_time_in_words() {
        for (minutes, told) in [
            (1, "1 minute"),
            (15, "15 minutes"),
            (60, "1 hour"),
            (90, "1 hour and 30 minutes"),
        ] {
            assert_eq!(words(Duration::from_secs(minutes * 60)), told);
        }
    }

    /// W7: nobody takes the lead in time: the owner hears of it, counted in opening hours, and only once.
    #[test]
    fn a_broken_promise_escalates() {
        for (came, told) in [
            ("2026-11-24T17:00:00Z", "2026-11-24T17:15:00Z"),
            ("2026-11-25T05:00:00Z", "2026-11-25T15:15:00Z"),
        ] {
            let mut house = preset("auto-glass", came);
            house.take(form(Some("quick-quote"), 1));
            house.wait(Duration::from_secs(86_400));
            let escalated: Vec<_> = house
                .memory
                .messages()
                .filter(|one| {
                    one.template
                        .as_ref()
                        .is_some_and(|(name, _)| name == "escalation")
                })
                .map(|one| (one.channel, one.created_at))
                .collect();
            let at = instant(told);
            assert_eq!(
                escalated,
                [(ChannelKind::Sms, at), (ChannelKind::Email, at)],
                "{came}"
            );
        }
    }
}
