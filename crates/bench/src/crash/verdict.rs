//! The comparison: pure, so that it can be shown to bite.

use super::{
    clients::Told,
    records::{Book, Message},
};
use crate::sink::Copies;
use ringback_core::{
    ids::LeadId,
    messages::{ChannelKind, Status},
};
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap};

/// What the preset `bench` sends for each lead.
const PLANNED: [ChannelKind; 2] = [ChannelKind::Sms, ChannelKind::Email];
/// Examples kept of each kind of breach.
const EXAMPLES: usize = 5;

/// A way to break a promise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Breach {
    /// P1: a lead that was acknowledged is not in the database.
    Lost,
    /// X7: one idempotency key made two leads.
    StoredTwice,
    /// P2: an acknowledged lead lacks a message.
    MessageMissing,
    /// P2: a lead has a message of one kind twice.
    PlannedTwice,
    /// P2: a message reached no final state.
    NotSettled,
    /// P3, P4: a person got a message twice, and the store does not list it as possibly repeated.
    Doubled,
    /// A message counts as accepted and no provider ever saw it.
    NeverSent,
    /// A provider saw a message that the store says it did not send, or does not know.
    SentUnknownToStore,
    /// An answer outside the contract.
    UnexpectedAnswer,
    /// The database is damaged.
    Damage,
}

impl Breach {
    const fn word(self) -> &'static str {
        match self {
            Self::Lost => "acknowledged_leads_lost",
            Self::StoredTwice => "leads_stored_twice",
            Self::MessageMissing => "messages_missing",
            Self::PlannedTwice => "messages_planned_twice",
            Self::NotSettled => "messages_not_settled",
            Self::Doubled => "messages_doubled",
            Self::NeverSent => "accepted_but_never_sent",
            Self::SentUnknownToStore => "sent_unknown_to_store",
            Self::UnexpectedAnswer => "unexpected_answers",
            Self::Damage => "damage",
        }
    }

    const ALL: [Self; 10] = [
        Self::Lost,
        Self::StoredTwice,
        Self::MessageMissing,
        Self::PlannedTwice,
        Self::NotSettled,
        Self::Doubled,
        Self::NeverSent,
        Self::SentUnknownToStore,
        Self::UnexpectedAnswer,
        Self::Damage,
    ];
}

/// Counts, breaches with examples, and what is allowed but worth knowing.
#[derive(Debug, Default)]
pub struct Verdict {
    breaches: BTreeMap<Breach, (u64, Vec<String>)>,
    acknowledged: u64,
    stored: u64,
    messages: u64,
    arrived: u64,
    unknown: u64,
    listed_as_repeated: u64,
    arrived_twice_and_listed: u64,
    waiting_for_hours: u64,
}

impl Verdict {
    fn breach(&mut self, breach: Breach, example: String) {
        let (count, examples) = self.breaches.entry(breach).or_default();
        *count += 1;
        if examples.len() < EXAMPLES {
            examples.push(example);
        }
    }

    fn count(&self, breach: Breach) -> u64 {
        self.breaches.get(&breach).map_or(0, |(count, _)| *count)
    }

    /// True when no promise was broken.
    pub fn held(&self) -> bool {
        self.breaches.is_empty()
    }

    /// Acknowledged leads that are gone.
    pub fn lost(&self) -> u64 {
        self.count(Breach::Lost)
    }

    /// Every count, also those that are 0, then examples of what was broken.
    pub fn json(&self) -> Value {
        let mut json = json!({
            "leads_acknowledged": self.acknowledged, "leads_stored": self.stored, "messages_stored": self.messages,
            "messages_arrived": self.arrived, "messages_unknown": self.unknown,
            "listed_as_possibly_repeated": self.listed_as_repeated,
            "arrived_twice_and_listed": self.arrived_twice_and_listed, "waiting_for_hours": self.waiting_for_hours,
        });
        for breach in Breach::ALL {
            json[breach.word()] = json!(self.count(breach));
        }
        let examples: serde_json::Map<_, _> = self
            .breaches
            .iter()
            .map(|(breach, (_, examples))| (breach.word().to_owned(), json!(examples)))
            .collect();
        json["examples"] = Value::Object(examples);
        json
    }
}

/// Compares the three records.
pub fn compare(told: &BTreeMap<u64, Told>, saw: &Copies, book: &Book) -> Verdict {
    let mut verdict = Verdict {
        stored: book.leads.len() as u64,
        messages: book.messages.len() as u64,
        arrived: saw.len() as u64,
        ..Verdict::default()
    };
    for damage in &book.damage {
        verdict.breach(Breach::Damage, damage.clone());
    }
    let mut messages: HashMap<(i64, ChannelKind), Vec<&Message>> = HashMap::new();
    for message in &book.messages {
        messages
            .entry((message.lead, message.channel))
            .or_default()
            .push(message);
    }
    let mut numbers: HashMap<LeadId, u64> = HashMap::new();
    for (n, told) in told {
        match told {
            Told::Unexpected(answer) => {
                verdict.breach(Breach::UnexpectedAnswer, format!("lead {n}: {answer}"));
            }
            Told::Acknowledged(lead) => {
                verdict.acknowledged += 1;
                if let Some(other) = numbers.insert(*lead, *n) {
                    verdict.breach(
                        Breach::Lost,
                        format!("{lead} was the answer for lead {other} and for lead {n}"),
                    );
                }
                check_lead(&mut verdict, *n, *lead, &messages, book);
            }
        }
    }
    for (n, leads) in &book.by_number {
        if leads.len() > 1 {
            verdict.breach(
                Breach::StoredTwice,
                format!("lead {n} is {} leads", leads.len()),
            );
        }
    }
    for message in &book.messages {
        verdict.unknown += u64::from(message.status == Status::Unknown);
        verdict.listed_as_repeated += u64::from(message.maybe_repeated);
        verdict.waiting_for_hours += u64::from(message.waits_for_hours);
        if !message.status.settled() && !message.waits_for_hours {
            let lead = LeadId::from_raw(message.lead);
            verdict.breach(
                Breach::NotSettled,
                format!("{} to {lead} is {}", message.channel, message.status),
            );
        }
    }
    check_arrivals(&mut verdict, saw, &messages, book);
    verdict
}

fn check_lead(
    verdict: &mut Verdict,
    n: u64,
    lead: LeadId,
    messages: &HashMap<(i64, ChannelKind), Vec<&Message>>,
    book: &Book,
) {
    if !book.leads.contains(&lead.raw()) {
        verdict.breach(Breach::Lost, format!("lead {n}, {lead}"));
        return;
    }
    for channel in PLANNED {
        match messages.get(&(lead.raw(), channel)).map_or(0, Vec::len) {
            0 => verdict.breach(
                Breach::MessageMissing,
                format!("lead {n}, {lead} has no {channel}"),
            ),
            1 => {}
            many => verdict.breach(
                Breach::PlannedTwice,
                format!("lead {n}, {lead} has {many} of {channel}"),
            ),
        }
    }
}

fn check_arrivals(
    verdict: &mut Verdict,
    saw: &Copies,
    messages: &HashMap<(i64, ChannelKind), Vec<&Message>>,
    book: &Book,
) {
    for ((n, channel), copies) in saw {
        let leads = book.by_number.get(n).map_or(&[] as &[i64], Vec::as_slice);
        let mut known = leads
            .iter()
            .filter_map(|lead| messages.get(&(*lead, *channel)))
            .flatten();
        let Some(message) = known.next() else {
            verdict.breach(
                Breach::SentUnknownToStore,
                format!("{channel} of lead {n} arrived and is not stored"),
            );
            continue;
        };
        let listed = message.maybe_repeated || message.status == Status::Unknown;
        match (*copies, listed) {
            (2.., true) => verdict.arrived_twice_and_listed += 1,
            (2.., false) => verdict.breach(
                Breach::Doubled,
                format!(
                    "{channel} of lead {n} arrived {copies} times and is {}",
                    message.status
                ),
            ),
            _ => {}
        }
        if matches!(
            message.status,
            Status::Blocked | Status::Cancelled | Status::Expired | Status::Failed
        ) {
            verdict.breach(
                Breach::SentUnknownToStore,
                format!("{channel} of lead {n} arrived and is {}", message.status),
            );
        }
    }
    for (n, leads) in &book.by_number {
        for channel in PLANNED {
            if saw.contains_key(&(*n, channel)) {
                continue;
            }
            for message in leads
                .iter()
                .filter_map(|lead| messages.get(&(*lead, channel)))
                .flatten()
            {
                if matches!(message.status, Status::Accepted | Status::Delivered) {
                    verdict.breach(
                        Breach::NeverSent,
                        format!(
                            "{channel} of lead {n} is {} and never arrived",
                            message.status
                        ),
                    );
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Three leads of which everything is as it should be.
    fn fine() -> (BTreeMap<u64, Told>, Copies, Book) {
        let mut told = BTreeMap::new();
        let mut saw = Copies::new();
        let mut book = Book::default();
        for n in 0..3u64 {
            let id = 1_000 + n as i64;
            told.insert(n, Told::Acknowledged(LeadId::from_raw(id)));
            book.leads.insert(id);
            book.by_number.insert(n, vec![id]);
            for channel in PLANNED {
                saw.insert((n, channel), 1);
                book.messages.push(Message {
                    lead: id,
                    channel,
                    status: Status::Accepted,
                    maybe_repeated: false,
                    waits_for_hours: false,
                });
            }
        }
        (told, saw, book)
    }

    type Change = fn(&mut BTreeMap<u64, Told>, &mut Copies, &mut Book);

    /// P1 to P4: each way to break a promise is seen, and called by its name.
    #[test]
    fn every_breach_is_found() {
        let cases: &[(&str, Option<Breach>, Change)] = &[
            ("as it should be", None, |_, _, _| {}),
            ("a lead is gone", Some(Breach::Lost), |_, _, book| {
                book.leads.remove(&1_001);
            }),
            (
                "two clients have one lead",
                Some(Breach::Lost),
                |told, _, _| {
                    told.insert(2, Told::Acknowledged(LeadId::from_raw(1_001)));
                },
            ),
            (
                "a retry made a second lead",
                Some(Breach::StoredTwice),
                |_, _, book| {
                    book.leads.insert(2_000);
                    book.by_number.insert(0, vec![1_000, 2_000]);
                },
            ),
            (
                "a message was not planned",
                Some(Breach::MessageMissing),
                |_, saw, book| {
                    book.messages.pop();
                    saw.remove(&(2, ChannelKind::Email));
                },
            ),
            (
                "a message was planned twice",
                Some(Breach::PlannedTwice),
                |_, _, book| {
                    let again = book.messages[0].clone();
                    book.messages.push(again);
                },
            ),
            (
                "a message is stuck",
                Some(Breach::NotSettled),
                |_, _, book| {
                    book.messages[0].status = Status::Sending;
                },
            ),
            (
                "a message waits for an hour that is allowed",
                None,
                |_, saw, book| {
                    saw.remove(&(0, PLANNED[0]));
                    book.messages[0].status = Status::Deferred;
                    book.messages[0].waits_for_hours = true;
                },
            ),
            (
                "a person got a text twice",
                Some(Breach::Doubled),
                |_, saw, _| {
                    saw.insert((1, ChannelKind::Sms), 2);
                },
            ),
            (
                "twice, and the store lists it as unknown",
                None,
                |_, saw, book| {
                    saw.insert((0, ChannelKind::Sms), 2);
                    book.messages[0].status = Status::Unknown;
                },
            ),
            (
                "twice, and the store marks it as repeated",
                None,
                |_, saw, book| {
                    saw.insert((0, ChannelKind::Sms), 2);
                    book.messages[0].maybe_repeated = true;
                },
            ),
            (
                "accepted, and nobody saw it",
                Some(Breach::NeverSent),
                |_, saw, _| {
                    saw.remove(&(1, ChannelKind::Email));
                },
            ),
            ("unknown, and nobody saw it", None, |_, saw, book| {
                saw.remove(&(0, ChannelKind::Sms));
                book.messages[0].status = Status::Unknown;
            }),
            (
                "sent without a record",
                Some(Breach::SentUnknownToStore),
                |_, saw, _| {
                    saw.insert((77, ChannelKind::Sms), 1);
                },
            ),
            (
                "sent although blocked",
                Some(Breach::SentUnknownToStore),
                |_, _, book| {
                    book.messages[0].status = Status::Blocked;
                },
            ),
            (
                "an odd answer",
                Some(Breach::UnexpectedAnswer),
                |told, _, _| {
                    told.insert(9, Told::Unexpected("500".into()));
                },
            ),
            ("a damaged file", Some(Breach::Damage), |_, _, book| {
                book.damage.push("row 3 missing from index".into());
            }),
        ];
        for (case, breach, change) in cases {
            let (mut told, mut saw, mut book) = fine();
            change(&mut told, &mut saw, &mut book);
            let verdict = compare(&told, &saw, &book);
            let found: Vec<_> = verdict.breaches.keys().copied().collect();
            assert_eq!(found, breach.iter().copied().collect::<Vec<_>>(), "{case}");
            assert_eq!(verdict.held(), breach.is_none(), "{case}");
        }
    }

    #[test]
    fn the_line_has_every_count() {
        let (mut told, saw, mut book) = fine();
        book.leads.remove(&1_000);
        told.insert(5, Told::Unexpected("418".into()));
        let json = compare(&told, &saw, &book).json();
        assert_eq!(json["acknowledged_leads_lost"], 1);
        assert_eq!(json["messages_doubled"], 0);
        assert_eq!(json["leads_acknowledged"], 3);
        assert_eq!(json["examples"]["unexpected_answers"][0], "lead 5: 418");
    }
}
