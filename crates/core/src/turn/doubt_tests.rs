use super::*;
use crate::ids::MessageId;
use crate::messages::{ChannelKind, ProviderRef, Suppress};
use crate::turn::QUARANTINED;
use crate::turn::scene::{
    DANA, DANAS_MAIL, LEASE, MAILS, RUTH, Scene, TEXTS, accepted, after, dollars, refused,
    retryable, unknown, way,
};
use Category::{Emergency, Promotional, Staff, Transactional};
use ChannelKind::{Email, Sms};

const SECOND: ConnectionId = ConnectionId::from_raw(3);

fn change(scene: &mut Scene, id: MessageId, change: impl FnOnce(&mut Message)) {
    change(scene.world.messages.get_mut(&id).unwrap());
}

fn known(scene: &Scene, id: MessageId) -> Message {
    scene.world.messages[&id].clone()
}

/// A call for a message whose end nobody knows.
fn in_doubt(scene: &mut Scene, to: &str, category: Category) -> Message {
    let message = scene.message(to, category);
    let sent = scene.post(message);
    assert_eq!(sent.status, Status::Sending);
    scene.settle(sent.id, unknown())
}

fn unclear() -> Finding {
    Finding::Unclear {
        why: Reason::new("http_500", "The log cannot be read."),
    }
}

fn tallies(scene: &mut Scene) -> Vec<Tally> {
    std::mem::take(&mut scene.world.out.tallies)
}

/// Adds a second account for the channel.
fn second(scene: &mut Scene, channel: ChannelKind) {
    scene.edit(|tenant| tenant.connections.push(way(SECOND, channel, "second")));
}

/// M3: who drops twins is called again with the same key, at 5, 15, 60, 300 and 900 seconds; it stays one copy and one price.
#[test]
fn a_key_is_called_again_at_the_times_of_looks() {
    let mut scene = Scene::new();
    let began = scene.now;
    let mut message = in_doubt(&mut scene, DANAS_MAIL, Transactional);
    for (n, seconds) in [5, 15, 60, 300, 900].into_iter().enumerate() {
        let due = after(began, seconds);
        assert_eq!(
            (message.status, message.due_at, message.deadline),
            (Status::Queued, due, None)
        );
        let doubt = message.plan.doubt.clone().unwrap();
        assert_eq!(
            (doubt.looks as usize, doubt.calls, doubt.spent),
            (n + 1, 1, 400)
        );
        assert_eq!(
            (doubt.since, doubt.connection),
            (micros(began), Some(MAILS))
        );
        // A log is read from a lease before, since the clock may have been set back meanwhile.
        assert_eq!(from_micros(doubt.called_at), after(began, -60));
        assert!(!message.repeated && message.cost == Some(dollars(400)));
        assert!(message.why.unwrap().detail.contains("with the same key"));
        scene.now = due;
        assert_eq!(scene.claim(), 1);
        message = known(&scene, message.id);
        assert!(!message.repeated, "the provider drops the twin");
        assert_eq!(
            message.cost,
            Some(dollars(800)),
            "reserved for this call too"
        );
        message = scene.settle(message.id, unknown());
        assert_eq!(
            message.cost,
            Some(dollars(400)),
            "a twin costs nothing more"
        );
    }
    assert_eq!((message.status, message.deadline), (Status::Unknown, None));
    assert_eq!(message.settled_at, Some(scene.now));
    assert_eq!(tallies(&mut scene), [Tally::Unknown; 6]);
}

/// M3: after the last look the category decides; a key means another account then, and an alert is said over one where there is one.
#[test]
fn after_the_last_look_the_category_decides() {
    #[derive(Debug, PartialEq)]
    enum Then {
        Again,
        Given,
    }
    for (to, category, other, expires, then, moved) in [
        (DANA, Transactional, false, None, Then::Again, false),
        (DANA, Transactional, true, None, Then::Again, false),
        (DANA, Transactional, false, Some(901), Then::Again, false),
        (DANA, Transactional, false, Some(900), Then::Given, false),
        (DANA, Promotional, true, None, Then::Given, false),
        (DANAS_MAIL, Transactional, false, None, Then::Given, false),
        (DANAS_MAIL, Transactional, true, None, Then::Again, true),
        (
            DANAS_MAIL,
            Transactional,
            true,
            Some(900),
            Then::Given,
            false,
        ),
    ] {
        let case = format!("{to} {category} {other} {expires:?}");
        let channel = if to == DANA { Sms } else { Email };
        let mut scene = Scene::new();
        let mut message = in_doubt(&mut scene, to, category);
        if other {
            second(&mut scene, channel);
        }
        let id = message.id;
        let began = scene.now;
        change(&mut scene, id, |known| {
            known.plan.doubt.as_mut().unwrap().looks = 4;
            known.status = Status::Unknown;
            known.deadline = Some(after(began, 900));
            known.expires_at = expires.map(|seconds| after(began, seconds));
        });
        scene.now = after(began, 900);
        message = if channel == Sms {
            scene.look(id, unclear())
        } else {
            change(&mut scene, id, |known| {
                known.plan.doubt.as_mut().unwrap().looks = 5;
                (known.status, known.epoch) = (Status::Sending, 2);
            });
            scene.settle(id, unknown())
        };
        let doubt = message.plan.doubt.clone().unwrap();
        if then == Then::Again {
            assert_eq!(
                (message.status, message.due_at, message.deadline),
                (Status::Queued, scene.now, None),
                "{case}"
            );
            assert!(doubt.again, "{case}");
            assert!(
                message
                    .why
                    .unwrap()
                    .detail
                    .contains("because it still matters"),
                "{case}"
            );
            assert_eq!(!message.plan.tried.is_empty(), moved, "{case}");
            if expires.is_some() {
                continue;
            }
            assert_eq!(scene.claim(), 1);
            message = known(&scene, id);
            assert!(message.repeated, "{case}: a second copy may be out");
            // It is said again once, not for ever.
            tallies(&mut scene);
            message = scene.settle(id, unknown());
            assert_eq!(
                tallies(&mut scene),
                [Tally::Unknown, Tally::PossibleDuplicate],
                "{case}"
            );
            assert_eq!(message.plan.doubt.as_ref().unwrap().calls, 2, "{case}");
            assert!(
                message.repeated && message.plan.doubt.as_ref().unwrap().again,
                "{case}"
            );
            change(&mut scene, id, |known| {
                known.plan.doubt.as_mut().unwrap().looks = 5;
                (known.status, known.deadline) = (Status::Unknown, Some(began));
            });
            message = scene.look(id, unclear());
        }
        assert_eq!(
            (message.status, message.deadline),
            (Status::Unknown, None),
            "{case}"
        );
        assert_eq!(message.settled_at, Some(scene.now), "{case}");
    }
}

/// M3: a log is read at its times, and what it does not have twice, a minute apart, did not go out: it is sent again and costs nothing.
#[test]
fn what_a_log_twice_does_not_have_is_sent_again() {
    let mut scene = Scene::new();
    scene.dice.0 = 0.5;
    let began = scene.now;
    let mut message = in_doubt(&mut scene, DANA, Transactional);
    assert_eq!(tallies(&mut scene), [Tally::Unknown]);
    let id = message.id;
    for (seconds, looks) in [(5, 1), (15, 2)] {
        assert_eq!(
            (message.status, message.deadline),
            (Status::Unknown, Some(after(began, seconds)))
        );
        assert_eq!(
            (
                message.settled_at,
                message.plan.doubt.as_ref().unwrap().looks
            ),
            (None, looks - 1)
        );
        scene.now = after(began, seconds);
        message = scene.look(id, Finding::Absent);
        assert_eq!(
            message.why.as_ref().unwrap().code,
            "timeout",
            "what happened stays told"
        );
    }
    // Almost a minute after the first look is not enough.
    scene.now = after(began, 64);
    message = scene.look(id, Finding::Absent);
    assert_eq!(
        (message.status, message.deadline),
        (Status::Unknown, Some(after(began, 300)))
    );
    assert_eq!(message.cost, Some(dollars(13_300)));
    scene.now = after(began, 65);
    message = scene.look(id, Finding::Absent);
    assert_eq!(
        (message.status, message.due_at),
        (Status::Queued, after(scene.now, 2))
    );
    assert_eq!(
        (message.plan.doubt, message.repeated, message.cost),
        (None, false, None)
    );
    assert_eq!(message.why.unwrap().code, "absent");
    assert_eq!(tallies(&mut scene), [Tally::Absent]);
    let looks: Vec<(&str, &str)> = scene
        .world
        .out
        .attempts
        .iter()
        .map(|one| {
            (
                one.outcome,
                one.why.as_ref().map_or("", |why| why.detail.as_str()),
            )
        })
        .collect();
    assert_eq!(looks.len(), 5, "the call and four looks");
    assert!(
        looks[1].0 == "absent" && looks[1].1.contains("a second look"),
        "{looks:?}"
    );
    assert!(
        looks[4].0 == "absent" && looks[4].1.contains("it did not go out"),
        "{looks:?}"
    );
}

/// M3: the first absence at the last look is looked at once more; a standstill does not make all looks at once.
#[test]
fn looks_come_one_after_the_other() {
    let mut scene = Scene::new();
    let began = scene.now;
    let id = in_doubt(&mut scene, DANA, Transactional).id;
    // The server stood still for ten minutes: the next look is five seconds on.
    scene.now = after(began, 600);
    assert_eq!(scene.look(id, unclear()).deadline, Some(after(began, 605)));
    scene.now = after(began, 605);
    assert_eq!(scene.look(id, unclear()).deadline, Some(after(began, 610)));
    scene.now = after(began, 610);
    assert_eq!(scene.look(id, unclear()).deadline, Some(after(began, 615)));
    scene.now = after(began, 615);
    assert_eq!(scene.look(id, unclear()).deadline, Some(after(began, 900)));
    scene.now = after(began, 900);
    let message = scene.look(id, Finding::Absent);
    assert_eq!(
        (message.status, message.deadline),
        (Status::Unknown, Some(after(began, 960)))
    );
    // A minute after that first absence nothing is looked at any more.
    scene.now = after(began, 960);
    let message = scene.look(id, unclear());
    assert_eq!(
        message.status,
        Status::Queued,
        "said again, since it still matters"
    );
}

/// M3, P4: what was found in the log stands where its answer would have put it.
#[test]
fn what_a_log_has_is_adopted() {
    let delivered = Outcome::Delivered {
        reference: ProviderRef("D1".into()),
        cost: None,
    };
    for (outcome, status, reference, cost) in [
        (
            accepted(Some(9_000)),
            Status::Accepted,
            Some("SM1"),
            Some(9_000),
        ),
        (delivered, Status::Delivered, Some("D1"), Some(13_300)),
        (refused(Suppress::Invalid), Status::Bounced, None, None),
    ] {
        let mut scene = Scene::new();
        let message = in_doubt(&mut scene, DANA, Transactional);
        tallies(&mut scene);
        scene.now = after(scene.now, 5);
        let message = scene.look(message.id, Finding::Found(outcome.clone()));
        assert_eq!(message.status, status);
        assert_eq!(message.reference.as_deref(), reference);
        assert_eq!(message.cost.map(|cost| cost.micros), cost, "{outcome:?}");
        assert_eq!(
            (message.plan.doubt, message.repeated, message.deadline),
            (None, false, None)
        );
        assert_eq!(message.settled_at, Some(scene.now));
        assert_eq!(message.accepted_at, reference.map(|_| scene.now));
        assert_eq!(tallies(&mut scene), [Tally::Found]);
        let look = scene.world.out.attempts.last().unwrap();
        assert_eq!(
            (look.outcome, look.reference.as_deref()),
            ("found", reference)
        );
    }
    // Of two calls that may have gone out one was found: the other still may have, and costs its half.
    let mut scene = Scene::new();
    let id = in_doubt(&mut scene, DANA, Transactional).id;
    change(&mut scene, id, |known| {
        let doubt = known.plan.doubt.as_mut().unwrap();
        (doubt.calls, doubt.spent) = (2, 26_600);
        known.cost = Some(dollars(26_600));
    });
    let message = scene.look(id, Finding::Found(accepted(Some(9_000))));
    assert_eq!(message.cost, Some(dollars(13_300 + 9_000)));
    assert_eq!(
        message.plan.doubt.map(|doubt| (doubt.calls, doubt.spent)),
        Some((2, 13_300))
    );
    assert!(message.repeated);
    // And of two of which one proves absent one stays in doubt, with its price and what was paid before both.
    let mut scene = Scene::new();
    let id = in_doubt(&mut scene, DANA, Transactional).id;
    let now = micros(scene.now);
    change(&mut scene, id, |known| {
        known.plan.paid = 6_600;
        let doubt = known.plan.doubt.as_mut().unwrap();
        (doubt.calls, doubt.spent, doubt.absent_at) = (3, 36_600, Some(now - 60_000_000));
        known.cost = Some(dollars(36_600));
        known.repeated = true;
    });
    let message = scene.look(id, Finding::Absent);
    assert_eq!(
        message
            .plan
            .doubt
            .as_ref()
            .map(|doubt| (doubt.calls, doubt.spent)),
        Some((2, 26_600))
    );
    assert_eq!(
        (message.cost, message.repeated),
        (Some(dollars(26_600)), true)
    );
    change(&mut scene, id, |known| {
        (known.status, known.deadline) = (Status::Unknown, Some(known.due_at));
    });
    let message = scene.look(id, Finding::Absent);
    assert_eq!(
        message.plan.doubt.map(|doubt| (doubt.calls, doubt.spent)),
        Some((1, 16_600))
    );
    assert!(!message.repeated);
}

/// Reliability 3.1: a look that comes late, or is of another claim or business, changes nothing.
#[test]
fn a_late_look_changes_nothing() {
    type Spoil = fn(&mut Message);
    let cases: [(&str, Spoil); 4] = [
        ("found out already", |known| {
            known.status = Status::Delivered;
        }),
        ("not looked up", |known| known.deadline = None),
        ("claimed again", |known| known.epoch += 1),
        ("of another business", |known| {
            known.tenant = crate::ids::TenantId::from_raw(2);
        }),
    ];
    for (what, spoil) in cases {
        let mut scene = Scene::new();
        let message = in_doubt(&mut scene, DANA, Transactional);
        change(&mut scene, message.id, spoil);
        let before = known(&scene, message.id);
        let attempts = scene.world.out.attempts.len();
        let looked = Looked {
            message: Arc::new(message.clone()),
            started_at: scene.now,
            finished_at: scene.now,
            finding: Finding::Found(accepted(None)),
        };
        let answer = scene.take(crate::turn::Intake::Looked(Box::new(looked)));
        let wanted = if what == "of another business" {
            Answer::NotFound
        } else {
            Answer::Done
        };
        assert_eq!(answer, wanted, "{what}");
        assert_eq!(known(&scene, message.id), before, "{what}");
        assert_eq!(scene.world.out.attempts.len(), attempts, "{what}");
    }
}

/// M3: where nothing can be looked up a report is waited for a quarter of an hour; offers without any report are given up at once.
#[test]
fn without_a_log_a_report_is_waited_for() {
    for (repeat, category, again, deadline) in [
        (Repeat::ByReport, Transactional, false, Some(900)),
        (Repeat::ByReport, Promotional, false, Some(900)),
        (Repeat::ByReport, Transactional, true, Some(900)),
        (Repeat::Blind, Transactional, false, Some(900)),
        (Repeat::Blind, Promotional, false, None),
        (Repeat::Blind, Transactional, true, None),
    ] {
        let mut scene = Scene::new();
        scene.edit(|tenant| tenant.connections[0].repeat = repeat);
        let mut message = in_doubt(&mut scene, DANA, category);
        if again {
            let id = message.id;
            change(&mut scene, id, |known| {
                known.plan.doubt.as_mut().unwrap().again = true;
                known.status = Status::Sending;
            });
            message = scene.settle(id, unknown());
        }
        let case = format!("{repeat:?} {category} {again}");
        assert_eq!(message.status, Status::Unknown, "{case}");
        assert_eq!(
            message.deadline,
            deadline.map(|seconds| after(scene.now, seconds)),
            "{case}"
        );
        assert_eq!(message.settled_at.is_some(), deadline.is_none(), "{case}");
        if deadline.is_some() {
            assert_eq!(message.plan.doubt.as_ref().unwrap().looks, 4, "{case}");
            let attempts = scene.world.out.attempts.len();
            scene.now = after(scene.now, 900);
            let message = scene.look(message.id, unclear());
            let more = category == Transactional && !again;
            assert_eq!(
                message.status,
                if more {
                    Status::Queued
                } else {
                    Status::Unknown
                },
                "{case}"
            );
            assert_eq!(
                scene.world.out.attempts.len(),
                attempts,
                "{case}: nothing was asked"
            );
        }
    }
}

/// M3, P4: an alert in doubt is said again at once, over another account where there is one, and marked; a key is asked first.
#[test]
fn an_alert_in_doubt_is_said_again_at_once() {
    for category in [Staff, Emergency] {
        let to = if category == Staff { RUTH } else { DANA };
        let mut scene = Scene::new();
        second(&mut scene, Sms);
        let message = in_doubt(&mut scene, to, category);
        assert_eq!(
            (message.status, message.due_at),
            (Status::Queued, scene.now),
            "{category}"
        );
        assert!(
            message
                .why
                .as_ref()
                .unwrap()
                .detail
                .contains("an alert must not be lost")
        );
        assert!(message.marked_as_repeat() && message.plan.tried == [TEXTS]);
        scene.claim();
        let again = known(&scene, message.id);
        assert_eq!((again.connection, again.repeated), (Some(SECOND), true));
        // Both were tried: its log is read now.
        let message = scene.settle(message.id, unknown());
        assert_eq!(
            (message.status, message.deadline),
            (Status::Unknown, Some(after(scene.now, 5)))
        );
        // When that does not tell, and nothing more is tried, the next channel of the step says it.
        change(&mut scene, message.id, |known| {
            known.plan.doubt.as_mut().unwrap().looks = 5;
            known.plan.then = vec![Email];
            known.template = Some(("alert".into(), 1));
            known.staff = Some("Ruth Alder".into());
        });
        let message = scene.look(message.id, unclear());
        assert_eq!((message.status, message.deadline), (Status::Unknown, None));
        let instead = &scene.world.messages[&message.plan.replaced_by.unwrap()];
        assert_eq!(instead.channel, Email);
    }
    // Alone, the same account says it again, and then its log is read.
    let mut scene = Scene::new();
    let message = in_doubt(&mut scene, RUTH, Staff);
    assert!(message.status == Status::Queued && message.plan.tried.is_empty());
    scene.claim();
    let message = scene.settle(message.id, unknown());
    assert_eq!(
        (message.status, message.plan.doubt.unwrap().calls),
        (Status::Unknown, 2)
    );
    // A key is asked once before another copy is risked.
    let mut scene = Scene::new();
    second(&mut scene, Email);
    let message = in_doubt(&mut scene, "ruth@example.com", Staff);
    assert_eq!(
        (message.status, message.due_at),
        (Status::Queued, after(scene.now, 5))
    );
    assert!(!message.plan.doubt.as_ref().unwrap().again);
    scene.now = message.due_at;
    scene.claim();
    let message = scene.settle(message.id, unknown());
    assert_eq!(
        (message.status, message.due_at),
        (Status::Queued, scene.now)
    );
    assert!(message.plan.doubt.as_ref().unwrap().again && message.plan.tried == [MAILS]);
    // An offer is never followed by another channel.
    let mut scene = Scene::new();
    scene.edit(|tenant| tenant.connections[0].repeat = Repeat::Blind);
    let mut offer = scene.message(DANA, Promotional);
    (offer.body, offer.template, offer.plan.then) = (None, Some(("news".into(), 1)), vec![Email]);
    offer.lead = Some(scene.lead(|_| ()));
    let sent = scene.post(offer);
    let message = scene.settle(sent.id, unknown());
    assert_eq!(
        (message.status, message.plan.replaced_by),
        (Status::Unknown, None)
    );
}

/// M3: a twin is dropped only by the same account, within its memory of a day less an hour, while the words are the same.
#[test]
fn a_twin_is_dropped_by_the_same_account_while_it_remembers() {
    let hold = KEY_HOLDS;
    assert_eq!(hold, 23 * 3_600 * 1_000_000);
    for (what, connection, category, again, ago, drops) in [
        ("at once", MAILS, Transactional, false, 0, true),
        (
            "to the last moment",
            MAILS,
            Transactional,
            false,
            hold - 1,
            true,
        ),
        ("too late", MAILS, Transactional, false, hold, false),
        ("another account", SECOND, Transactional, false, 0, false),
        (
            "said again in the same words",
            MAILS,
            Transactional,
            true,
            0,
            true,
        ),
        (
            "an alert that says that it repeats",
            MAILS,
            Staff,
            true,
            0,
            false,
        ),
        ("an alert that does not", MAILS, Staff, false, 0, true),
        (
            "an account with a log",
            TEXTS,
            Transactional,
            false,
            0,
            false,
        ),
    ] {
        let mut scene = Scene::new();
        second(&mut scene, Email);
        let mut message = scene.message(DANAS_MAIL, category);
        message.connection = Some(connection);
        let doubt = Doubt {
            connection: Some(if connection == SECOND {
                MAILS
            } else {
                connection
            }),
            called_at: micros(scene.now) - ago,
            claimed_at: micros(scene.now) - ago,
            since: 0,
            looks: 0,
            absent_at: None,
            calls: 1,
            spent: 0,
            again,
            stopped: false,
        };
        message.plan.doubt = Some(doubt.clone());
        let found = scene.turn(|turn, tenant| turn.drops_twin(tenant, &message, &doubt));
        assert_eq!(found, drops, "{what}");
    }
    // The sandbox is in this house and drops them; an account that is gone tells nothing.
    let scene = Scene::new();
    let of = |connection| Turn::repeat_of(&scene.tenant(), connection);
    assert_eq!(of(None), Repeat::ByKey);
    assert_eq!(of(Some(MAILS)), Repeat::ByKey);
    assert_eq!(of(Some(TEXTS)), Repeat::ByLog);
    assert_eq!(of(Some(ConnectionId::from_raw(99))), Repeat::Blind);
}

/// Whoever waited at the gates until the key had lapsed is not called over it again; only an alert is worth a second copy.
#[test]
fn a_lapsed_key_is_not_called_again() {
    const LAPSES: i64 = 23 * 3_600;
    for (seconds, category, calls) in [
        (LAPSES - 61, Transactional, 1),
        (LAPSES - 60, Transactional, 0),
        (LAPSES - 61, Promotional, 1),
        (LAPSES - 60, Promotional, 0),
        (LAPSES + 60, Staff, 1),
    ] {
        let mut scene = Scene::new();
        // At the same hour of the next day it is open everywhere.
        scene.now = after(scene.now, 4 * 3_600);
        let began = scene.now;
        let message = in_doubt(&mut scene, DANAS_MAIL, Transactional);
        change(&mut scene, message.id, |message| message.expires_at = None);
        // A log is read from a lease before, and the key counted from there.
        scene.now = after(began, seconds);
        let mut judged = known(&scene, message.id);
        judged.category = category;
        let lapsed = scene.turn(|turn, tenant| turn.twin_after_all(tenant, &judged));
        assert_eq!(lapsed, calls == 0, "{category:?} after {seconds} s");
        if category != Transactional {
            continue;
        }
        assert_eq!(scene.claim(), calls);
        if calls == 0 {
            let ended = known(&scene, message.id);
            assert_eq!(ended.status, Status::Unknown);
            assert_eq!(ended.why.expect("told").code, "key_lapsed");
        }
        // Said again knowingly, or over an account without keys: another rule decides.
        judged.plan.doubt.as_mut().expect("in doubt").again = true;
        assert!(!scene.turn(|turn, tenant| turn.twin_after_all(tenant, &judged)));
    }
}

/// Reliability 3.3: over whom the server died three times goes to quarantine, whatever its account can tell.
#[test]
fn a_message_that_kills_the_server_is_put_aside() {
    for (deaths, put_aside) in [(1, false), (2, true)] {
        let mut scene = Scene::new();
        let text = scene.message(DANA, Transactional);
        let sent = scene.post(text);
        change(&mut scene, sent.id, |known| known.plan.deaths = deaths);
        let settled = crate::turn::Settled {
            message: Arc::new(sent.clone()),
            started_at: scene.now,
            finished_at: scene.now,
            outcome: unknown(),
            segments: None,
            died: true,
        };
        scene.take(crate::turn::Intake::Settled(Box::new(settled)));
        let code = known(&scene, sent.id).why.unwrap().code;
        assert_eq!(code == QUARANTINED, put_aside, "{code}");
    }
}

/// M3: a call that ends unknown after one that failed is a first doubt; the time it began counts when that is earlier than a lease ago.
#[test]
fn a_doubt_begins_with_its_own_call() {
    let mut scene = Scene::new();
    let text = scene.message(DANA, Transactional);
    let sent = scene.post(text);
    scene.settle(sent.id, retryable(None));
    scene.now = after(scene.now, 4);
    scene.claim();
    let claimed = scene.now;
    let call = known(&scene, sent.id);
    scene.now = after(claimed, 200);
    let settled = crate::turn::Settled {
        message: Arc::new(call),
        started_at: after(claimed, 1),
        finished_at: scene.now,
        outcome: unknown(),
        segments: None,
        died: false,
    };
    scene.take(crate::turn::Intake::Settled(Box::new(settled)));
    let doubt = known(&scene, sent.id).plan.doubt.unwrap();
    assert_eq!(from_micros(doubt.called_at), after(claimed, 1));
    assert_eq!(from_micros(doubt.claimed_at), claimed);
    assert_eq!((doubt.calls, from_micros(doubt.since)), (1, scene.now));
    assert_eq!(LEASE, Duration::from_secs(60));
}
