//! What a decision dies of is set aside with its raw form, and the orders after it go on (M1, reliability 3.3). And what a replay keeps
//! and forgets (M4).
#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot go on should say where"
)]

use ringback_core::config::{Document, load};
use ringback_core::ids::{ConnectionId, IdMaker, MessageId, NotificationId, TenantId};
use ringback_core::leads::ReferenceKey;
use ringback_core::messages::{
    Category, ChannelKind, Doubt, Message, Outcome, Plan, Priority, Reason, Status,
};
use ringback_core::time::Timestamp;
use ringback_core::turn::{
    Answer, Dice, Intake, Lines, Order, QUARANTINED, Settled, Tenant, Turn, World,
};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

/// Dice over which every decision dies that throws them, as over a bug of ours.
struct Broken;

impl Dice for Broken {
    fn roll(&mut self) -> f64 {
        panic!("the dice fell off the table")
    }
}

fn tenant() -> Tenant {
    let files = [
        (
            "tenant.yaml",
            "name: Alder Plumbing\nregion: US\ntime_zone: America/Denver\npostal_address: 100 Example Street\n",
        ),
        (
            "products/repair.yaml",
            "name: repair\nstages:\n  - { name: new }\n",
        ),
        (
            "staff.yaml",
            "people:\n  - { name: Ruth Alder, email: ruth@example.com }\n",
        ),
    ];
    let documents: BTreeMap<String, Document> = files
        .into_iter()
        .map(|(path, text)| (path.to_owned(), Document::new(text)))
        .collect();
    let config = load(&documents).unwrap_or_else(|problems| panic!("{problems:?}"));
    Tenant {
        id: TenantId::from_raw(1),
        slug: "alder".into(),
        config: Arc::new(config),
        staff: Vec::new(),
        connections: Vec::new(),
        kill: Vec::new(),
        sandbox: false,
        most_per_hour: None,
        zone: jiff::tz::TimeZone::UTC,
        references: ReferenceKey::new(b"a secret of a test"),
        hold: None,
    }
}

fn message(id: i64, status: Status, now: Timestamp) -> Message {
    Message {
        id: MessageId::from_raw(id),
        tenant: TenantId::from_raw(1),
        lead: None,
        staff: None,
        run: None,
        step: None,
        notification: NotificationId::from_raw(1),
        event: None,
        channel: ChannelKind::Email,
        connection: None,
        recipient: "dana@example.com".into(),
        category: Category::Transactional,
        priority: Priority::Normal,
        status,
        due_at: now,
        created_at: now,
        expires_at: None,
        template: None,
        locale: None,
        body: Some("{\"text\": \"On our way\"}".into()),
        data: "{}".to_owned().into(),
        plan: Plan::default(),
        verdict: "{}".into(),
        epoch: 1,
        attempt: None,
        deadline: None,
        hash: None,
        attempts: 1,
        sandbox: true,
        repeated: false,
        reference: None,
        accepted_at: None,
        settled_at: None,
        facts: BTreeMap::new(),
        why: None,
        cost: None,
    }
}

/// Dice that always fall the same way.
struct Even;

impl Dice for Even {
    fn roll(&mut self) -> f64 {
        0.5
    }
}

/// M4: a replay forgets what was tried and keeps what may have gone out. Whoever took a message and reported that it did not arrive would
/// drop a call with the same key as a twin, so that this one goes under a key of its own round.
#[test]
fn a_replay_keeps_its_doubt_and_gets_a_round_of_its_own_where_it_was_taken() {
    let now: Timestamp = "2026-11-23T17:00:00Z".parse().unwrap();
    let tenant = Arc::new(tenant());
    let tenants = HashMap::from([(tenant.id, Arc::clone(&tenant))]);
    let doubt = Doubt {
        connection: None,
        called_at: now.as_microsecond(),
        claimed_at: now.as_microsecond(),
        since: now.as_microsecond(),
        looks: 5,
        absent_at: None,
        calls: 1,
        spent: 0,
        again: false,
        stopped: false,
    };
    let mut cases = Vec::new();
    for (id, status, taken, doubt, why, rounds, deaths) in [
        (20, Status::Failed, false, None, "http_500", 0, 0),
        (21, Status::Failed, true, None, "30006", 1, 0),
        (22, Status::Bounced, true, None, "bounced", 1, 0),
        (
            23,
            Status::Unknown,
            false,
            Some(doubt.clone()),
            "timeout",
            0,
            0,
        ),
        (
            24,
            Status::Unknown,
            false,
            Some(doubt),
            QUARANTINED,
            0,
            Plan::SUSPECT,
        ),
    ] {
        let mut one = message(id, status, now);
        one.attempts = 4;
        one.accepted_at = taken.then_some(now);
        one.plan.tried = vec![ConnectionId::from_raw(7)];
        one.plan.doubt = doubt;
        one.why = Some(Reason::new(why, "It did not go."));
        cases.push((one, rounds, deaths));
    }
    let mut world = World::default();
    for (one, ..) in &cases {
        assert!(one.is_dead(), "{}", one.status);
        world.messages.insert(one.id, one.clone());
    }
    let (mut ids, mut dice) = (IdMaker::new(0, 0), Even);
    let later = now + jiff::SignedDuration::from_secs(60);
    let lines = Lines::default();
    let mut turn = Turn::new(
        &mut world,
        &tenants,
        &mut ids,
        &mut dice,
        now,
        &lines,
        Duration::from_secs(60),
    );
    for (one, ..) in &cases {
        let answer = turn.take(&Order {
            tenant: tenant.id,
            at: now,
            intake: Intake::Retry {
                message: one.id,
                at: Some(later),
                actor: "user:Inez".into(),
            },
            once: None,
        });
        assert!(
            matches!(
                answer,
                Answer::Composed {
                    status: Status::Scheduled,
                    ..
                }
            ),
            "{answer:?}"
        );
    }
    drop(turn);
    for ((old, rounds, deaths), change) in cases.iter().zip(&world.out.changes) {
        let new = &change.message;
        assert_eq!(
            (new.id, new.attempts, new.due_at, new.plan.tried.len()),
            (old.id, 0, later, 0)
        );
        assert_eq!(
            (new.plan.rounds, new.plan.deaths),
            (*rounds, *deaths),
            "{:?}",
            old.why
        );
        assert_eq!(
            new.plan
                .doubt
                .as_ref()
                .map(|doubt| (doubt.calls, doubt.again)),
            old.plan.doubt.as_ref().map(|doubt| (doubt.calls, true)),
            "what may have gone out keeps its doubt"
        );
        assert!(!new.is_dead());
    }
    assert_eq!(world.out.audit.len(), cases.len());
}

/// 3.3: an order that panics the decision is set aside with its raw form and leaves nothing half done; the next one is decided.
#[test]
fn an_order_that_panics_is_set_aside_and_the_next_one_goes_on() {
    let now: Timestamp = "2026-11-23T17:00:00Z".parse().unwrap();
    let tenant = Arc::new(tenant());
    let tenants = HashMap::from([(tenant.id, Arc::clone(&tenant))]);
    let sent = message(10, Status::Sending, now);
    let failed = message(11, Status::Failed, now);
    let mut world = World::default();
    for one in [&sent, &failed] {
        world.messages.insert(one.id, one.clone());
    }
    let order = |intake| Order {
        tenant: tenant.id,
        at: now,
        intake,
        once: None,
    };
    // The wait before the next attempt is thrown with dice.
    let poison = order(Intake::Settled(Box::new(Settled {
        message: Arc::new(sent.clone()),
        started_at: now,
        finished_at: now,
        outcome: Outcome::Retryable {
            why: Reason::new("http_500", "The provider has trouble of its own."),
            after: None,
        },
        segments: None,
        died: false,
    })));
    let harmless = order(Intake::Discard {
        message: failed.id,
        reason: "They called us".into(),
        actor: "user:Inez".into(),
    });
    let mut ids = IdMaker::new(0, 0);
    let mut dice = Broken;
    let lines = Lines::default();
    let mut turn = Turn::new(
        &mut world,
        &tenants,
        &mut ids,
        &mut dice,
        now,
        &lines,
        Duration::from_secs(60),
    );
    let answers = [turn.take(&poison), turn.take(&harmless)];
    drop(turn);
    assert!(
        matches!(
            answers[0],
            Answer::Refused {
                code: "set_aside",
                ..
            }
        ),
        "{:?}",
        answers[0]
    );
    assert_eq!(answers[1], Answer::Done);
    let aside = &world.out.set_aside;
    assert_eq!(aside.len(), 1);
    assert!(
        aside[0].error.contains("the dice fell off the table"),
        "{}",
        aside[0].error
    );
    assert!(
        aside[0].raw.contains("Settled") && aside[0].raw.contains("http_500"),
        "the raw form is kept: {}",
        aside[0].raw
    );
    let changed: Vec<MessageId> = world.out.changes.iter().map(|one| one.message.id).collect();
    assert_eq!(changed, [failed.id], "nothing of the first is half done");
    assert!(world.out.attempts.is_empty());
    assert_eq!(world.messages[&sent.id], sent);
}
