//! "I take this one" as the answer to an alert (D1, W7): the first one has the lead, the second hears who was faster.

use super::{Answer, Tenant, Turn};
use crate::ids::{ConnectionId, LeadId};
use crate::messages::Inbound;
use std::sync::Arc;

/// What people answer who take a lead: the whole of their message, without regard to capitals and marks.
const WORDS: [&str; 8] = [
    "1",
    "take",
    "taken",
    "mine",
    "i take it",
    "i take this one",
    "got it",
    "on it",
];

/// Whether a member of staff who was alerted says with this that they take the lead.
pub fn is_claim(body: &str) -> bool {
    if body.len() > 60 {
        return false;
    }
    let plain: String = body
        .chars()
        .map(|c| {
            if c.is_alphanumeric() {
                c.to_ascii_lowercase()
            } else {
                ' '
            }
        })
        .collect();
    let said = plain.split_whitespace().collect::<Vec<_>>().join(" ");
    WORDS.contains(&said.as_str())
}

impl Turn<'_> {
    /// A member of staff took a lead by answering the alert about it; the answer is answered.
    pub(super) fn claim_by_reply(
        &mut self,
        tenant: &Arc<Tenant>,
        lead: LeadId,
        staff: &str,
        inbound: &Inbound,
        connection: Option<ConnectionId>,
    ) -> Answer {
        if !self.world.first_seen(tenant.id, &inbound.dedup) {
            return Answer::Done;
        }
        let actor = format!("staff:{staff}");
        let answer = self.take_lead(tenant, lead, &actor);
        let Answer::Taken { by, at, now: own } = &answer else {
            return answer;
        };
        let state = self
            .own(tenant, lead)
            .and_then(|lead| self.world.lead(lead));
        let name = state
            .and_then(|state| state.lead.first_name.clone())
            .unwrap_or_else(|| "the lead".to_owned());
        let phone = state.and_then(|state| state.lead.phone.clone());
        let business = &tenant.config.settings.name;
        let text = if *own {
            let call = phone
                .map(|phone| format!(" Call {phone}."))
                .unwrap_or_default();
            format!("{business}: {name} is yours.{call}")
        } else {
            let by = by.split_once(':').map_or(by.as_str(), |(_, name)| name);
            let before = (inbound.at.as_second() - at.as_second()).max(0);
            format!("{business}: {by} took {name} {before} s before you.")
        };
        self.answer_word(tenant, None, inbound, connection, text);
        answer
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::messages::{ChannelKind, Message};
    use crate::turn::rehearsal::Rehearsal;
    use crate::turn::{Intake, trial};

    #[test]
    fn what_takes_a_lead_is_the_whole_message() {
        for yes in ["1", " 1.", "Mine!", "I take this one", "GOT IT", "on it 👍"] {
            assert!(is_claim(yes), "{yes}");
        }
        for no in [
            "",
            "11",
            "1 hour",
            "stop",
            "take him off the list",
            "not mine",
            "yes",
        ] {
            assert!(!is_claim(no), "{no}");
        }
    }

    fn answer(house: &mut Rehearsal, n: u32, lead: LeadId, staff: &str, phone: &str) -> Answer {
        let inbound = Inbound {
            dedup: format!("in:{n}"),
            channel: ChannelKind::Sms,
            from: phone.into(),
            to: String::new(),
            body: "1".into(),
            answered_by_provider: false,
            at: house.now(),
        };
        house.take(Intake::Claim {
            lead,
            staff: staff.into(),
            inbound: Box::new(inbound),
            connection: None,
        })
    }

    /// D1, W7: the first reply has the lead, the second hears who has it, and a repeated webhook changes nothing.
    #[test]
    fn the_first_reply_has_the_lead() {
        let mut house = trial::preset("plumbing", "2026-11-24T17:00:00Z");
        let lead = trial::lead_in(&house.take(trial::form(Some("contact"), 41)));
        let first = answer(&mut house, 1, lead, "Sam Okafor", "+13035550102");
        assert!(
            matches!(&first, Answer::Taken { by, now: true, .. } if by == "staff:Sam Okafor"),
            "{first:?}"
        );
        let second = answer(&mut house, 2, lead, "Lena Ortiz", "+13035550103");
        assert!(
            matches!(&second, Answer::Taken { by, now: false, .. } if by == "staff:Sam Okafor"),
            "{second:?}"
        );
        assert_eq!(
            answer(&mut house, 2, lead, "Lena Ortiz", "+13035550103"),
            Answer::Done
        );
        let said = |to: &str| -> Vec<String> {
            let all: Vec<&Message> = house.memory.messages().collect();
            let to = all.into_iter().filter(|message| message.recipient == to);
            to.filter_map(|message| message.body.clone()).collect()
        };
        assert_eq!(
            said("+13035550102"),
            ["Alder Plumbing: Dana is yours. Call +13035550151."]
        );
        assert_eq!(
            said("+13035550103"),
            ["Alder Plumbing: Sam Okafor took Dana 0 s before you."]
        );
        let owner = house.memory.lead(lead).unwrap().owner.as_deref();
        assert_eq!(owner, Some("Sam Okafor"));
    }
}
