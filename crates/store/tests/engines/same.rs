//! The same orders at the same instants: both engines answer alike, and hold the same rows afterwards.

use crate::house::{Engine, House, at};
use jiff::SignedDuration;
use ringback_core::consent::Basis;
use ringback_core::contact::{Email, Phone};
use ringback_core::ids::{LeadId, MessageId, TenantId};
use ringback_core::leads::{Overwrite, Profile};
use ringback_core::messages::{
    Category, ChannelKind, Cost, Inbound, Message, Outcome, ProviderRef, Reason, Report, Reported,
    Status, Suppress,
};
use ringback_core::time::Timestamp;
use ringback_core::turn::world::{PointKind, Purpose, Suppression};
use ringback_core::turn::{
    Answer, Capture, Compose, ConsentGiven, ConsentTold, Edit, Intake, Once, Order, Settled,
    StageMove, SuppressOrder, Track, Visit, Who,
};
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Throws of the scenario.
struct Chance(u64);

impl Chance {
    fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % n
    }
}

fn phone(person: u64) -> String {
    format!("+1303555{:04}", 100 + person)
}

fn told(purpose: Purpose, granted: bool) -> ConsentTold {
    ConsentTold {
        channel: ChannelKind::Sms,
        purpose,
        granted,
        wording: Some("Yes, you may write to me.".into()),
        method: "web_form".into(),
        page: Some("https://alder.example/quote".into()),
        basis: Some(Basis::Written),
        expires_at: None,
        soft_opt_in: None,
    }
}

pub fn capture(person: u64, key: String) -> Intake {
    let attributes =
        json!({"service_type": "replacement", "photos": person, "note": "a\nb '|' \\ ü"});
    Intake::Capture(Box::new(Capture {
        profile: Profile {
            first_name: Some(format!("Person {person}")),
            state: Some("CO".into()),
            zip: Some("80202".into()),
            source: Some("website".into()),
            attributes: attributes.as_object().cloned().unwrap(),
            tags: vec!["new".into()],
            ..Profile::default()
        },
        phone: Phone::from_e164(&phone(person)),
        email: Email::parse(&format!("person{person}@example.com"))
            .ok()
            .filter(|_| !person.is_multiple_of(3)),
        anonymous_id: Some(format!("browser-{}", person % 7)).filter(|_| person.is_multiple_of(2)),
        product: None,
        consents: vec![told(Purpose::Promotional, true)],
        form: Some("quote".into()),
        key: Some(key),
        test: false,
        own_enquiry: true,
        overwrite: Overwrite::Newer,
        ip: Some("192.0.2.7".into()),
    }))
}

/// What the scenario knows: both houses give the same.
#[derive(Default)]
struct Known {
    leads: Vec<(TenantId, LeadId)>,
    flying: Vec<Arc<Message>>,
    messages: Vec<(TenantId, MessageId)>,
    keys: u64,
}

impl Known {
    fn order(&mut self, chance: &mut Chance, now: Timestamp) -> Order {
        self.keys += 1;
        let mut tenant = TenantId::from_raw(1 + chance.below(2) as i64);
        let person = chance.below(25);
        let key = format!(
            "key-{}",
            if chance.below(9) == 0 {
                chance.below(self.keys)
            } else {
                self.keys
            }
        );
        let lead = (!self.leads.is_empty())
            .then(|| self.leads[chance.below(self.leads.len() as u64) as usize]);
        let message = (!self.messages.is_empty())
            .then(|| self.messages[chance.below(self.messages.len() as u64) as usize]);
        let actor = || "user:Inez".to_owned();
        let intake = match (chance.below(20), lead, message) {
            (0..=4, ..) => capture(person, key.clone()),
            (5..=8, ..) if !self.flying.is_empty() => {
                let message = self
                    .flying
                    .swap_remove(chance.below(self.flying.len() as u64) as usize);
                tenant = message.tenant;
                let why = Reason::new("31", "They said no.");
                let reference = ProviderRef(format!("SM{}", message.id.raw()));
                let cost = message.cost.clone().or(Some(Cost {
                    micros: 7_900,
                    currency: "USD".into(),
                }));
                let outcome = match chance.below(10) {
                    0..=5 => Outcome::Accepted {
                        reference,
                        cost: message.cost.clone(),
                    },
                    6 => Outcome::Delivered { reference, cost },
                    7 => Outcome::Retryable { why, after: None },
                    8 => Outcome::Permanent {
                        why,
                        suppress: [Suppress::No, Suppress::Invalid, Suppress::OptedOut]
                            [chance.below(3) as usize],
                    },
                    _ => Outcome::Unknown { why },
                };
                Intake::Settled(Box::new(Settled {
                    message,
                    started_at: now,
                    finished_at: now + SignedDuration::from_millis(80),
                    outcome,
                    segments: Some(1),
                    died: false,
                }))
            }
            (9 | 10, ..) => Intake::Track(Box::new(Track {
                who: match lead {
                    Some((of, lead)) if chance.below(3) == 0 => {
                        tenant = of;
                        Who::Lead(lead)
                    }
                    _ => Who::Named {
                        anonymous: Some(format!("browser-{}", person % 7)),
                        user: None,
                    },
                },
                kind: ["page", "emergency_click", "pricing_view"][chance.below(3) as usize].into(),
                happened: now,
                properties: json!({"path": "/emergency"}),
                key: Some(key.clone()),
                source: "tracking",
                traits: None,
                visit: Visit {
                    path: Some("/emergency".into()),
                    ..Visit::default()
                },
                public: true,
                session: true,
            })),
            (11, ..) => Intake::Inbound {
                inbound: Box::new(Inbound {
                    dedup: key.clone(),
                    channel: ChannelKind::Sms,
                    from: phone(person),
                    to: "+13035550199".into(),
                    body: ["STOP", "START", "Thanks", "HELP"][chance.below(4) as usize].into(),
                    answered_by_provider: false,
                    at: now,
                }),
                connection: None,
            },
            (12, Some((of, lead)), _) => {
                tenant = of;
                let profile = Profile {
                    city: Some("Denver".into()),
                    ..Profile::default()
                };
                Intake::Edit(Box::new(Edit {
                    lead,
                    profile,
                    clear: vec!["zip".into()],
                    phone: Phone::from_e164(&phone(chance.below(25))),
                    email: None,
                    actor: actor(),
                }))
            }
            (13, Some((of, lead)), _) => {
                tenant = of;
                let stage =
                    ["contacted", "won", "lost", "nowhere"][chance.below(4) as usize].into();
                Intake::Stage(StageMove {
                    lead,
                    product: None,
                    stage,
                    reason: Some("talked".into()),
                    actor: actor(),
                })
            }
            (14, Some((of, into)), _) => {
                tenant = of;
                let others: Vec<_> = self
                    .leads
                    .iter()
                    .filter(|one| one.0 == of && one.1 != into)
                    .collect();
                match others.first() {
                    Some((_, from)) if chance.below(2) == 0 => Intake::Merge {
                        from: *from,
                        into,
                        actor: actor(),
                    },
                    _ => Intake::Take {
                        lead: into,
                        actor: actor(),
                    },
                }
            }
            (15, Some((of, lead)), _) => {
                tenant = of;
                if chance.below(4) == 0 {
                    Intake::Delete {
                        lead,
                        actor: actor(),
                    }
                } else {
                    Intake::Compose(Box::new(Compose {
                        lead: Some(lead),
                        staff: None,
                        to: None,
                        channel: ChannelKind::Sms,
                        category: Category::Transactional,
                        body: Some("We are on our way.".into()),
                        subject: None,
                        template: None,
                        data: json!({}),
                        send_at: (chance.below(2) == 0)
                            .then(|| now + SignedDuration::from_mins(30)),
                        actor: actor(),
                        sandbox: false,
                    }))
                }
            }
            (16, _, Some((of, message))) => {
                tenant = of;
                match chance.below(4) {
                    0 => Intake::Cancel {
                        message,
                        actor: actor(),
                    },
                    1 => Intake::Retry {
                        message,
                        at: None,
                        actor: actor(),
                    },
                    2 => Intake::Weigh { message },
                    _ => Intake::Discard {
                        message,
                        reason: "enough".into(),
                        actor: actor(),
                    },
                }
            }
            (17, _, Some((of, message))) => {
                tenant = of;
                Intake::Report(Box::new(Report {
                    dedup: key.clone(),
                    message: Some(message),
                    reference: None,
                    what: Reported::Status(
                        [Status::Delivered, Status::Failed, Status::Unknown]
                            [chance.below(3) as usize],
                    ),
                    suppress: Suppress::No,
                    why: None,
                    cost: None,
                    at: now,
                }))
            }
            (18, ..) => Intake::Consent(Box::new(ConsentGiven {
                lead: None,
                point: Some((PointKind::Phone, phone(person))),
                told: told(Purpose::Promotional, chance.below(2) == 0),
                actor: actor(),
            })),
            _ => Intake::Suppress(Box::new(SuppressOrder {
                kind: PointKind::Phone,
                value: phone(person),
                reason: (chance.below(2) == 0).then_some(Suppression::Listed),
                how: "a call to the office".into(),
                actor: actor(),
            })),
        };
        let once = (chance.below(3) == 0).then_some(Once { key, hash: [7; 32] });
        Order {
            tenant,
            at: now,
            intake,
            once,
        }
    }
}

/// One seed of the scenario, on both engines.
fn run(seed: u64, turns: u64) {
    let mut houses = [House::open(Engine::Sqlite), House::open(Engine::Postgres)];
    let (mut chance, mut known) = (Chance(seed), Known::default());
    let mut now = at("2026-03-03T17:00:00Z");
    for turn in 0..turns {
        now += SignedDuration::from_secs(1 + chance.below(400) as i64);
        let orders: Vec<Order> = (0..chance.below(14))
            .map(|_| known.order(&mut chance, now))
            .collect();
        let orders: Vec<Vec<Order>> = houses
            .iter_mut()
            .map(|house| {
                let mut orders = orders.clone();
                for (tenant, run, lead) in house.writer.wakes(now, 100).unwrap() {
                    orders.push(Order {
                        tenant,
                        at: now,
                        intake: Intake::Wake { run, lead },
                        once: None,
                    });
                }
                orders
            })
            .collect();
        assert_eq!(
            orders[0].len(),
            orders[1].len(),
            "seed {seed}, turn {turn}: other runs wake"
        );
        let [first, second] = [0, 1].map(|n| {
            let decided = houses[n].turn(&orders[n], now);
            decided.unwrap_or_else(|error| panic!("seed {seed}, turn {turn}: {error:?}"))
        });
        alike(&first.answers, &second.answers, seed, turn);
        alike(&first.sent_off, &second.sent_off, seed, turn);
        for (orders, house) in orders.iter().zip(&mut houses) {
            for order in orders {
                if let Intake::Settled(settled) = &order.intake {
                    house.end_of_call(&settled.message);
                }
            }
        }
        for (order, answer) in orders[0].iter().zip(&first.answers) {
            if let Answer::Captured(captured) = answer {
                known.leads.push((order.tenant, captured.id));
            }
        }
        known.messages.extend(
            first
                .world
                .out
                .messages
                .iter()
                .map(|one| (one.tenant, one.id)),
        );
        known.flying.extend(first.sent_off);
        assert_eq!(
            houses[0].writer.queues().unwrap(),
            houses[1].writer.queues().unwrap()
        );
        assert_eq!(
            houses[0].writer.next_wake().unwrap(),
            houses[1].writer.next_wake().unwrap()
        );
    }
    compare(&houses[0].rows(), &houses[1].rows(), seed);
    for house in &houses {
        for tenant in [1, 2].map(TenantId::from_raw) {
            let verified = house.readers.ask(|store| store.verify_chain(tenant, &[]));
            verified
                .unwrap()
                .unwrap_or_else(|broken| panic!("seed {seed}: {broken}"));
        }
    }
}

/// Equal, or where they differ first and how.
fn alike<T: std::fmt::Debug + PartialEq>(one: &[T], other: &[T], seed: u64, turn: u64) {
    assert_eq!(one.len(), other.len(), "seed {seed}, turn {turn}");
    for (n, (one, other)) in one.iter().zip(other).enumerate() {
        if one != other {
            let (one, other) = (format!("{one:?}"), format!("{other:?}"));
            let same = one.bytes().zip(other.bytes()).take_while(|(a, b)| a == b);
            let from = same.count().saturating_sub(60);
            let piece = |text: &str| text.chars().skip(from).take(200).collect::<String>();
            panic!(
                "seed {seed}, turn {turn}, the {n}th differs:\n{}\n{}",
                piece(&one),
                piece(&other)
            );
        }
    }
}

fn compare(one: &BTreeMap<String, Vec<String>>, other: &BTreeMap<String, Vec<String>>, seed: u64) {
    for (table, rows) in one {
        let others = &other[table];
        for (row, of_other) in rows.iter().zip(others) {
            assert_eq!(row, of_other, "seed {seed}: {table} differs");
        }
        assert_eq!(
            rows.len(),
            others.len(),
            "seed {seed}: {table} has another number of rows"
        );
    }
    let filled = one.values().filter(|rows| !rows.is_empty()).count();
    assert!(filled > 14, "only {filled} tables have rows: {one:?}");
}

/// Both engines decide and hold the same, whatever comes in, in what order and in what company.
#[test]
fn both_engines_hold_the_same_rows() {
    for seed in 1..=6 {
        run(seed, 60);
    }
}
