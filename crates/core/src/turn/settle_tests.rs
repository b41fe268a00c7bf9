use super::*;
use crate::ids::{ConnectionId, MessageId};
use crate::messages::{Doubt, Priority, ProviderRef, Report, Reported};
use crate::turn::scene::{
    DANA, DANAS_MAIL, RUTH, Scene, TEXTS, accepted, after, dollars, instant, refused, retryable,
    unknown, way,
};
use crate::turn::world::Tally;
use crate::turn::{Intake, KillSwitch, Passage, Share};
use Category::{Staff, Transactional};
use ChannelKind::{Email, Sms, Webhook};

/// A text to Dana that is under way.
fn under_way(scene: &mut Scene) -> Message {
    let text = scene.message(DANA, Transactional);
    let sent = scene.post(text);
    assert_eq!(sent.status, Status::Sending);
    sent
}

fn misconfigured() -> Outcome {
    Outcome::Misconfigured {
        why: Reason::new("20003", "The token is wrong."),
    }
}

fn dearer() -> Outcome {
    Outcome::Retryable {
        why: Reason::new(budget::DEARER, "It would cost more than was reserved."),
        after: None,
    }
}

/// Changes a message as the store has it.
fn change(scene: &mut Scene, id: MessageId, change: impl FnOnce(&mut Message)) {
    change(scene.world.messages.get_mut(&id).unwrap());
}

/// M4: three more calls after 2, 4 and 8 seconds; alerts after 5, 10 and 20.
#[test]
fn three_repetitions_wait_longer_each_time() {
    let waits = |category| [0, 1, 2, 3, 4, 5, 6].map(|next| Retries::wait(category, next));
    let none = None;
    assert_eq!(
        waits(Transactional),
        [none, none, Some(2), Some(4), Some(8), none, none]
    );
    assert_eq!(
        waits(Staff),
        [none, none, Some(5), Some(10), Some(20), none, none]
    );
}

/// M9, M10: what a call came to is kept with the message and among its calls.
#[test]
fn what_a_call_came_to_is_kept() {
    let delivered = Outcome::Delivered {
        reference: ProviderRef("D1".into()),
        cost: None,
    };
    for (outcome, status, word, reference, code) in [
        (
            accepted(Some(9_000)),
            Status::Accepted,
            "accepted",
            Some("SM1"),
            None,
        ),
        (delivered, Status::Delivered, "delivered", Some("D1"), None),
        (
            retryable(None),
            Status::Queued,
            "retry",
            None,
            Some("http_500"),
        ),
        (
            misconfigured(),
            Status::Queued,
            "misconfigured",
            None,
            Some("20003"),
        ),
        (
            refused(Suppress::No),
            Status::Failed,
            "refused",
            None,
            Some("21211"),
        ),
        (unknown(), Status::Unknown, "unknown", None, Some("timeout")),
    ] {
        let mut scene = Scene::new();
        let sent = under_way(&mut scene);
        scene.now = after(scene.now, 2);
        let message = scene.settle(sent.id, outcome);
        assert_eq!(message.status, status);
        assert_eq!(message.reference.as_deref(), reference);
        assert_eq!(message.accepted_at, reference.map(|_| scene.now));
        let ended = matches!(
            status,
            Status::Accepted | Status::Delivered | Status::Failed
        );
        assert_eq!(message.settled_at.is_some(), ended, "{status}");
        assert_eq!(
            message.deadline.is_some(),
            status == Status::Unknown,
            "{status}"
        );
        assert_eq!(message.why.map(|why| why.code), code.map(str::to_owned));
        let [attempt] = &scene.world.out.attempts[..] else {
            panic!("{:?}", scene.world.out.attempts);
        };
        assert_eq!(
            (attempt.outcome, attempt.number, attempt.late),
            (word, 1, false)
        );
        assert_eq!(
            (attempt.id, attempt.connection),
            (sent.attempt.unwrap(), Some(TEXTS))
        );
        assert_eq!(attempt.reference.as_deref(), reference);
        assert_eq!(attempt.why.as_ref().map(|why| &*why.code), code);
    }
}

/// Reliability 3.1: the answer to a claim that is not the present one is evidence and changes nothing, no budget either.
#[test]
fn a_late_answer_is_evidence_only() {
    for outcome in [
        accepted(Some(90_000)),
        retryable(None),
        refused(Suppress::Invalid),
    ] {
        for (what, spoil) in [
            (
                "another epoch",
                (|known: &mut Message| known.epoch += 1) as fn(&mut Message),
            ),
            ("settled", |known| known.status = Status::Delivered),
        ] {
            let mut scene = Scene::new();
            let sent = Arc::new(under_way(&mut scene));
            change(&mut scene, sent.id, spoil);
            let before = scene.world.messages[&sent.id].clone();
            let spent = scene.world.counters.clone();
            let known = scene.settle_as(Arc::clone(&sent), outcome.clone());
            assert_eq!(known, before, "{what}");
            assert_eq!(scene.world.counters, spent, "{what}");
            let late = !matches!(outcome, Outcome::Accepted { .. });
            assert_eq!(scene.world.out.attempts[0].late, late, "{what}");
            assert_eq!(scene.point(DANA).suppressed, None, "{what}");
        }
    }
}

/// P4: a call without an end that a report overtook may have been a second copy, and is counted as one; nothing else is.
#[test]
fn only_a_repeated_call_that_a_report_overtook_counts_as_a_second_copy() {
    type Spoil = fn(&mut Message, &mut Message);
    let cases: [(&str, bool, Spoil); 6] = [
        ("overtaken and repeated", true, |_, _| ()),
        ("the first copy", false, |_, sent| sent.repeated = false),
        ("of another claim", false, |known, _| known.epoch += 1),
        ("still under way", false, |known, _| {
            known.status = Status::Sending;
        }),
        ("unknown already", false, |known, _| {
            known.status = Status::Unknown;
        }),
        ("waits again", false, |known, _| {
            known.status = Status::Queued;
        }),
    ];
    for (what, counts, spoil) in cases {
        let mut scene = Scene::new();
        let mut sent = under_way(&mut scene);
        sent.repeated = true;
        let mut known = Message {
            status: Status::Delivered,
            ..sent.clone()
        };
        spoil(&mut known, &mut sent);
        scene.world.messages.insert(known.id, known);
        scene.settle_as(Arc::new(sent), unknown());
        let tallies = &scene.world.out.tallies;
        assert_eq!(
            tallies.contains(&Tally::PossibleDuplicate),
            counts,
            "{what}: {tallies:?}"
        );
    }
    // What failed for certain was no copy; what was taken again was one.
    for (outcome, counts) in [(retryable(None), false), (accepted(None), true)] {
        let mut scene = Scene::new();
        let mut sent = under_way(&mut scene);
        sent.repeated = true;
        change(&mut scene, sent.id, |known| {
            known.status = Status::Delivered;
        });
        scene.settle_as(Arc::new(sent), outcome);
        assert_eq!(
            scene.world.out.tallies.contains(&Tally::PossibleDuplicate),
            counts
        );
    }
    // The end of a call is known when a second copy was never possible.
    let mut scene = Scene::new();
    let sent = under_way(&mut scene);
    scene.settle(sent.id, accepted(None));
    assert_eq!(scene.world.out.tallies, []);
}

/// Reliability 3.3: deaths of the server over a message are counted in a row; whoever heard an end of the call did not die of it.
#[test]
fn deaths_over_a_message_are_counted_in_a_row() {
    for (died, deaths) in [(true, 2), (false, 0)] {
        let mut scene = Scene::new();
        let sent = under_way(&mut scene);
        change(&mut scene, sent.id, |known| known.plan.deaths = 1);
        let settled = Settled {
            message: Arc::new(sent.clone()),
            started_at: scene.now,
            finished_at: scene.now,
            outcome: unknown(),
            segments: None,
            died,
        };
        scene.take(Intake::Settled(Box::new(settled)));
        assert_eq!(scene.world.messages[&sent.id].plan.deaths, deaths);
    }
}

/// T2, M11: how many segments a text had is learned, whatever came of the call.
#[test]
fn segments_are_learned_from_every_call() {
    for outcome in [accepted(Some(90_000)), retryable(None)] {
        let mut scene = Scene::new();
        let mut text = scene.message(DANA, Transactional);
        (text.body, text.template) = (None, Some(("news".into(), 1)));
        let sent = scene.post(text);
        let settled = Settled {
            message: Arc::new(sent),
            started_at: scene.now,
            finished_at: scene.now,
            outcome,
            segments: Some(4),
            died: false,
        };
        scene.take(Intake::Settled(Box::new(settled)));
        let mut next = scene.message(DANA, Transactional);
        (next.body, next.template) = (None, Some(("news".into(), 1)));
        assert_eq!(scene.post(next).cost, Some(dollars(4 * 13_300)));
    }
}

/// M5, D3: a connection that fails five times rests; owners hear it once by another channel; one message tries it, and its try is not held
/// against the message.
#[test]
fn a_connection_that_fails_rests_and_people_hear_it_by_another_way() {
    let mut scene = Scene::new();
    scene.edit(|tenant| {
        tenant
            .connections
            .insert(0, way(ConnectionId::from_raw(8), Webhook, "crm"));
    });
    let mut last = None;
    for n in 0..5 {
        assert_eq!(scene.world.out.errors.len(), 0, "{n}");
        let sent = under_way(&mut scene);
        last = Some(sent.id);
        scene.settle(sent.id, retryable(None));
        scene.point(DANA).recent = crate::turn::world::Recent::default();
    }
    let [raised] = &scene.world.out.errors[..] else {
        panic!("{:?}", scene.world.out.errors);
    };
    assert!(
        raised.severity == "error"
            && raised
                .message
                .starts_with("Connection texts rests: 5 calls failed in a row"),
        "{raised:?}"
    );
    assert_eq!(raised.context["provider"], "twilio");
    let alerts: Vec<&Message> = scene
        .world
        .messages
        .values()
        .filter(|one| one.category == Staff)
        .collect();
    assert!(
        alerts.len() == 1 && alerts[0].recipient == "ruth@example.com",
        "{alerts:?}"
    );
    assert!(
        alerts[0]
            .body
            .as_ref()
            .unwrap()
            .contains("texts does not work")
    );
    assert_eq!(
        scene.world.breakers.passage(TEXTS, scene.now),
        Passage::Rests(after(scene.now, 30))
    );
    let id = last.unwrap();
    // Resting, so that it goes elsewhere; there is none, so that it waits half a minute for each second that it would have waited.
    let message = &scene.world.messages[&id];
    assert_eq!(
        (message.status, message.due_at),
        (Status::Queued, after(scene.now, 60))
    );
    assert_eq!(scene.world.out.trouble, []);
    scene.now = after(scene.now, 61);
    let due = |scene: &mut Scene| {
        scene.claim();
        scene
            .world
            .messages
            .values()
            .filter(|one| one.status == Status::Sending && one.channel == Sms)
            .cloned()
            .collect::<Vec<_>>()
    };
    let tries = due(&mut scene);
    assert_eq!(tries.len(), 1, "one alone tries it");
    assert_eq!(tries[0].attempts, 2);
    let after_probe = scene.settle(tries[0].id, retryable(None));
    assert_eq!(
        after_probe.attempts, 1,
        "finding out about the account is not the message's own try"
    );
    assert_eq!(scene.world.out.trouble, []);
    scene.now = after(scene.now, 61);
    let tries = due(&mut scene);
    scene.settle(tries[0].id, accepted(None));
    assert_eq!(
        scene.world.out.trouble,
        [(scene.tenant().id, TEXTS, None)],
        "what the page says of it is cleared"
    );
    assert_eq!(
        scene.world.breakers.passage(TEXTS, scene.now),
        Passage::Free
    );
    assert_eq!(scene.world.out.errors.len(), 1);
}

/// M4: the same account after 2 seconds give or take a fifth, or when the provider wishes, up to 15 minutes; beyond that another way.
#[test]
fn a_failed_call_is_made_again_when_it_may() {
    for (case, dice, category, attempts, outcome, milliseconds) in [
        ("early", 0.0, Transactional, 1, retryable(None), 1_600),
        (
            "in the middle",
            0.5,
            Transactional,
            1,
            retryable(None),
            2_000,
        ),
        (
            "the second repetition",
            0.5,
            Transactional,
            2,
            retryable(None),
            4_000,
        ),
        ("the third", 0.5, Transactional, 3, retryable(None), 8_000),
        ("an alert", 0.5, Staff, 1, retryable(None), 5_000),
        ("a wish", 0.5, Transactional, 1, retryable(Some(7)), 7_000),
        (
            "a wish that is shorter",
            0.5,
            Transactional,
            1,
            retryable(Some(1)),
            2_000,
        ),
        (
            "a wish of a quarter of an hour",
            0.5,
            Transactional,
            1,
            retryable(Some(900)),
            900_000,
        ),
        (
            "a longer wish: nobody else is there",
            0.5,
            Transactional,
            1,
            retryable(Some(901)),
            901_000,
        ),
        (
            "a wish of two days",
            0.5,
            Transactional,
            1,
            retryable(Some(172_800)),
            86_400_000,
        ),
        (
            "the account is at fault",
            0.5,
            Transactional,
            1,
            misconfigured(),
            60_000,
        ),
        (
            "the account is still at fault",
            0.5,
            Transactional,
            2,
            misconfigured(),
            120_000,
        ),
        ("dearer than reserved", 0.5, Transactional, 1, dearer(), 0),
        ("dearer again", 0.5, Transactional, 3, dearer(), 0),
    ] {
        let mut scene = Scene::new();
        let to = if category == Staff { RUTH } else { DANA };
        let text = scene.message(to, category);
        let sent = scene.post(text);
        change(&mut scene, sent.id, |known| known.attempts = attempts);
        scene.dice.0 = dice;
        let message = scene.settle(sent.id, outcome);
        let due = scene.now + jiff::SignedDuration::from_millis(milliseconds);
        assert_eq!(
            (message.status, message.due_at, message.attempts),
            (Status::Queued, due, attempts),
            "{case}"
        );
        assert_eq!(
            (message.deadline, message.settled_at, message.cost),
            (None, None, None),
            "{case}"
        );
        assert!(message.plan.tried.is_empty(), "{case}");
    }
    // After the fourth call nothing is left.
    for outcome in [
        retryable(None),
        retryable(Some(901)),
        misconfigured(),
        dearer(),
    ] {
        let mut scene = Scene::new();
        let sent = under_way(&mut scene);
        change(&mut scene, sent.id, |known| known.attempts = 4);
        let message = scene.settle(sent.id, outcome.clone());
        assert_eq!(
            (message.status, message.settled_at),
            (Status::Failed, Some(scene.now)),
            "{outcome:?}"
        );
        assert!(message.why.is_some() && message.cost.is_none());
    }
    let mut scene = Scene::new();
    let sent = under_way(&mut scene);
    scene.settle(sent.id, misconfigured());
    assert_eq!(
        scene.world.out.trouble,
        [(
            scene.tenant().id,
            TEXTS,
            Some("The token is wrong.".to_owned())
        )]
    );
}

/// M5: an account that is at fault, or that failed to the end, makes way for the next one, from the first call on.
#[test]
fn another_account_takes_over() {
    let second = ConnectionId::from_raw(3);
    for (outcome, attempts, moves) in [
        (retryable(None), 1, false),
        (retryable(None), 4, true),
        (retryable(Some(901)), 1, true),
        (misconfigured(), 1, true),
        (refused(Suppress::No), 1, false),
    ] {
        let mut scene = Scene::new();
        scene.edit(|tenant| tenant.connections.push(way(second, Sms, "second")));
        let sent = under_way(&mut scene);
        assert_eq!(sent.connection, Some(TEXTS));
        change(&mut scene, sent.id, |known| known.attempts = attempts);
        let message = scene.settle(sent.id, outcome.clone());
        if moves {
            assert_eq!(
                (message.attempts, message.due_at),
                (0, scene.now),
                "{outcome:?}"
            );
            assert_eq!(message.plan.tried, [TEXTS]);
            scene.claim();
            assert_eq!(scene.world.messages[&sent.id].connection, Some(second));
            // Where both were tried nobody is left.
            change(&mut scene, sent.id, |known| known.attempts = 4);
            assert_eq!(
                scene.settle(sent.id, retryable(None)).status,
                Status::Failed
            );
        } else {
            assert!(message.plan.tried.is_empty(), "{outcome:?}");
        }
    }
    // An account that rests is none.
    let mut scene = Scene::new();
    scene.edit(|tenant| tenant.connections.push(way(second, Sms, "second")));
    for _ in 0..5 {
        scene
            .world
            .breakers
            .settled(second, None, &retryable(None), scene.now);
    }
    let sent = under_way(&mut scene);
    let message = scene.settle(sent.id, misconfigured());
    assert_eq!(
        (message.plan.tried.len(), message.due_at),
        (0, after(scene.now, 60))
    );
}

/// M4: what would go again only after it stopped to matter ends now.
#[test]
fn a_repetition_that_comes_too_late_is_not_made() {
    for (milliseconds, status) in [(2_000, Status::Expired), (2_001, Status::Queued)] {
        let mut scene = Scene::new();
        scene.dice.0 = 0.5;
        let mut text = scene.message(DANA, Transactional);
        text.expires_at = Some(scene.now + jiff::SignedDuration::from_millis(milliseconds));
        let sent = scene.post(text);
        let message = scene.settle(sent.id, retryable(None));
        assert_eq!(message.status, status);
        assert_eq!(message.settled_at.is_some(), status == Status::Expired);
        let code = message.why.unwrap().code;
        assert_eq!(code == "expired", status == Status::Expired, "{code}");
    }
}

/// M5: where a channel fails for good the next one of the step says it, to the same person about the same thing.
#[test]
fn the_next_channel_says_it_instead() {
    let mut scene = Scene::new();
    let lead = scene.lead(|_| ());
    let mut text = scene.message(DANA, Transactional);
    text.lead = Some(lead);
    (text.body, text.template) = (None, Some(("news".into(), 1)));
    text.step = Some("welcome@1#0".into());
    text.priority = Priority::High;
    text.expires_at = Some(after(scene.now, 9_000));
    text.plan.then = vec![Webhook, Email, Sms];
    text.plan.answers = Some(5);
    text.plan.deaths = 7;
    let sent = scene.post(text);
    // However much time there is for another call: the next channel goes at once when this account is at fault.
    let settled = Settled {
        message: Arc::new(sent.clone()),
        started_at: scene.now,
        finished_at: scene.now,
        outcome: misconfigured(),
        segments: None,
        died: true,
    };
    scene.take(Intake::Settled(Box::new(settled)));
    let message = scene.world.messages[&sent.id].clone();
    assert_eq!(message.status, Status::Failed);
    assert_eq!(
        message.why.unwrap().detail,
        "The token is wrong. Said by email instead."
    );
    let instead = &scene.world.messages[&message.plan.replaced_by.unwrap()];
    assert_eq!((instead.channel, &*instead.recipient), (Email, DANAS_MAIL));
    assert_eq!(
        (instead.lead, &instead.staff, instead.notification),
        (sent.lead, &None, sent.notification)
    );
    assert_eq!(
        (instead.step.clone(), instead.run, instead.event),
        (sent.step, sent.run, sent.event)
    );
    assert_eq!(
        (instead.priority, instead.expires_at),
        (Priority::High, sent.expires_at)
    );
    assert_eq!(
        (instead.category, &instead.data),
        (Transactional, &sent.data)
    );
    assert_eq!(instead.template.as_ref().unwrap().0, "news");
    assert_eq!(
        (instead.plan.instead_of, &instead.plan.then[..]),
        (Some(sent.id), &[Sms][..])
    );
    assert_eq!(
        (instead.plan.answers, instead.plan.deaths),
        (Some(5), Plan::SUSPECT)
    );
    // To somebody of the staff it goes by their own address.
    let mut alert = scene.message(RUTH, Staff);
    (alert.body, alert.template) = (None, Some(("alert".into(), 1)));
    alert.plan.then = vec![Email];
    scene.edit(|tenant| {
        let mut other = tenant.staff[0].clone();
        (other.name, other.email) = ("Ann Alder".into(), Some("ann@example.com".into()));
        tenant.staff.insert(0, other);
    });
    let sent = scene.post(alert);
    let message = scene.settle(sent.id, refused(Suppress::No));
    let instead = &scene.world.messages[&message.plan.replaced_by.unwrap()];
    assert_eq!(instead.recipient, "ruth@example.com");
    // Without a template, or an address, nobody says it.
    let mut scene = Scene::new();
    let mut text = scene.message(DANA, Transactional);
    text.plan.then = vec![Email];
    let sent = scene.post(text.clone());
    assert_eq!(
        scene
            .settle(sent.id, refused(Suppress::No))
            .plan
            .replaced_by,
        None
    );
    (text.id, text.template) = (MessageId::from_raw(5), Some(("news".into(), 1)));
    let sent = scene.post(text);
    assert_eq!(
        scene
            .settle(sent.id, refused(Suppress::No))
            .plan
            .replaced_by,
        None,
        "nobody knows whose number it is"
    );
}

/// C5, M9: a refusal says what it says of the address, and no address is suppressed for what it does not say.
#[test]
fn a_refusal_is_learned_from() {
    use Suppression as S;
    for (suppress, status, reason) in [
        (Suppress::No, Status::Failed, None),
        (Suppress::Invalid, Status::Bounced, Some(S::Bounced)),
        (Suppress::OptedOut, Status::Blocked, Some(S::OptedOut)),
        (Suppress::Blocked, Status::Blocked, Some(S::Blocked)),
        (Suppress::Complained, Status::Blocked, Some(S::Complained)),
    ] {
        let mut scene = Scene::new();
        let sent = under_way(&mut scene);
        let message = scene.settle(sent.id, refused(suppress));
        assert_eq!(
            (message.status, message.settled_at),
            (status, Some(scene.now))
        );
        let at = scene.now;
        let point = scene.point(DANA);
        assert_eq!(
            (point.suppressed, point.suppressed_at),
            (reason, reason.map(|_| at))
        );
        if reason.is_some() {
            let how = "the provider said so (21211): The number is not valid.";
            assert_eq!(point.suppressed_how.as_deref(), Some(how));
        }
    }
    let learned = |recipient: &str, channel| {
        let mut scene = Scene::new();
        let message = Message {
            recipient: recipient.into(),
            channel,
            ..scene.message(DANAS_MAIL, Transactional)
        };
        scene.world.points.clear();
        let why = Reason::new("x", "X.");
        scene.turn(|turn, tenant| turn.learn(tenant, &message, Suppress::Invalid, &why));
        scene
            .world
            .points
            .into_keys()
            .map(|key| key.value)
            .collect::<Vec<_>>()
    };
    assert_eq!(learned("Dana@Example.com", Email), ["dana@example.com"]);
    assert_eq!(learned("", Email), [""; 0], "nobody was meant");
    assert_eq!(learned("crm", Webhook), [""; 0], "a server is no person");
}

/// C5, US-10: what holds back more is never replaced by what holds back less, and what START cannot lift takes the place of a stop.
#[test]
fn the_list_never_forgets() {
    use Suppression::{Blocked, Bounced, Complained, Doubted, Listed, OptedOut, Unsubscribed};
    for (known, new, stands) in [
        (None, OptedOut, OptedOut),
        (None, Complained, Complained),
        (Some(Unsubscribed), OptedOut, OptedOut),
        (Some(Doubted), OptedOut, OptedOut),
        (Some(Unsubscribed), Complained, Unsubscribed),
        (Some(Complained), Bounced, Bounced),
        (Some(OptedOut), Listed, Listed),
        (Some(OptedOut), Bounced, Bounced),
        (Some(OptedOut), Blocked, Blocked),
        (Some(OptedOut), Complained, OptedOut),
        (Some(OptedOut), OptedOut, OptedOut),
        (Some(Listed), OptedOut, Listed),
        (Some(Listed), Bounced, Listed),
        (Some(Bounced), Listed, Bounced),
        (Some(Blocked), Unsubscribed, Blocked),
    ] {
        let mut scene = Scene::new();
        scene.point(DANA).suppressed = known;
        let at = instant("2026-11-20T10:00:00Z");
        let long = "x".repeat(400);
        scene.turn(|turn, _| turn.put_on_list(&Scene::key(DANA), new, &long, at));
        let point = scene.point(DANA);
        assert_eq!(point.suppressed, Some(stands), "{known:?} and {new:?}");
        if known != Some(stands) {
            assert_eq!(point.suppressed_at, Some(at));
            assert_eq!(point.suppressed_how.as_ref().unwrap().len(), 300);
        }
    }
}

/// ST-1: a person of the staff who stopped with the provider is told by mail, and owners hear it once.
#[test]
fn an_alert_to_somebody_who_stopped_goes_by_mail() {
    let mut scene = Scene::new();
    let alert = scene.message(RUTH, Staff);
    let sent = scene.post(alert);
    let message = scene.settle(sent.id, refused(Suppress::OptedOut));
    let by_mail = |scene: &Scene| {
        let all = scene.world.messages.values();
        all.filter(|one| one.plan.instead_of == Some(sent.id))
            .cloned()
            .collect::<Vec<_>>()
    };
    let instead = by_mail(&scene).remove(0);
    assert_eq!(
        (instead.channel, &*instead.recipient),
        (Email, "ruth@example.com")
    );
    assert_eq!(message.status, Status::Blocked);
    let stopped = |scene: &Scene| {
        scene
            .world
            .out
            .errors
            .iter()
            .filter(|one| one.message.contains("answered STOP"))
            .count()
    };
    assert_eq!(stopped(&scene), 1);
    // Told again, nobody is told again.
    let mut again = Message {
        epoch: 9,
        status: Status::Sending,
        ..sent
    };
    again.id = MessageId::from_raw(6);
    scene.world.messages.insert(again.id, again.clone());
    scene.settle(again.id, refused(Suppress::OptedOut));
    assert_eq!(stopped(&scene), 1);
    // Another refusal of an alert, or the stop of a lead, goes the way of its step, which has no other.
    for (to, category, suppress) in [
        (RUTH, Staff, Suppress::Invalid),
        (DANA, Transactional, Suppress::OptedOut),
        ("ruth@example.com", Staff, Suppress::OptedOut),
    ] {
        let mut scene = Scene::new();
        let message = scene.message(to, category);
        let sent = scene.post(message);
        let message = scene.settle(sent.id, refused(suppress));
        assert!(
            scene
                .world
                .messages
                .values()
                .all(|one| one.plan.instead_of != Some(message.id)),
            "{to} {suppress:?}"
        );
        let told = scene
            .world
            .out
            .errors
            .iter()
            .filter(|one| one.message.contains("answered STOP"))
            .count();
        assert_eq!(told, 0, "{to} {suppress:?}");
    }
}

/// M3: while a call before is in doubt at an account that drops twins, only that account is asked again, at the times of its looks.
#[test]
fn a_failure_after_an_unknown_call_asks_the_same_account() {
    for (repeat, again, outcome, seconds) in [
        (crate::messages::Repeat::ByKey, false, retryable(None), 15),
        (
            crate::messages::Repeat::ByKey,
            false,
            retryable(Some(3_600)),
            900,
        ),
        (crate::messages::Repeat::ByKey, false, misconfigured(), 15),
        (crate::messages::Repeat::ByKey, true, retryable(None), 4),
        (crate::messages::Repeat::ByLog, false, retryable(None), 4),
    ] {
        let mut scene = Scene::new();
        scene.dice.0 = 0.5;
        scene.edit(|tenant| tenant.connections[0].repeat = repeat);
        let sent = under_way(&mut scene);
        let now = scene.now.as_microsecond();
        change(&mut scene, sent.id, |known| {
            known.attempts = 2;
            known.plan.doubt = Some(Doubt {
                connection: Some(TEXTS),
                called_at: now,
                claimed_at: now,
                since: now,
                looks: 1,
                absent_at: None,
                calls: 1,
                spent: 0,
                again,
                stopped: false,
            });
        });
        let message = scene.settle(sent.id, outcome.clone());
        let wanted = (Status::Queued, after(scene.now, seconds));
        assert_eq!(
            (message.status, message.due_at),
            wanted,
            "{repeat:?} {again} {outcome:?}"
        );
        assert_eq!(
            message.plan.doubt.unwrap().looks,
            if seconds == 4 { 1 } else { 2 }
        );
        assert!(!message.repeated);
    }
    // This call did not go out; two before it may have.
    for (calls, repeated) in [(1, false), (2, true)] {
        let mut scene = Scene::new();
        let sent = under_way(&mut scene);
        let now = scene.now.as_microsecond();
        change(&mut scene, sent.id, |known| {
            known.plan.doubt = Some(Doubt {
                connection: Some(TEXTS),
                called_at: now,
                claimed_at: now,
                since: now,
                looks: 1,
                absent_at: None,
                calls,
                spent: 0,
                again: true,
                stopped: false,
            });
        });
        assert_eq!(scene.settle(sent.id, retryable(None)).repeated, repeated);
    }
}

/// M12: while a workflow is watched, what ended well and badly is counted, and a retry is no end.
#[test]
fn ends_of_a_watched_workflow_are_counted() {
    for (outcome, counted) in [
        (accepted(None), [1, 0]),
        (refused(Suppress::No), [0, 1]),
        (retryable(None), [0, 0]),
    ] {
        let mut scene = Scene::new();
        let share = Share {
            workflow: "welcome".into(),
            percent: 10,
            back_above: 10,
            since: 0,
        };
        scene.edit(|tenant| tenant.kill = vec![KillSwitch::Share(share)]);
        let mut text = scene.message(DANA, Transactional);
        text.step = Some("welcome@1#0".into());
        let sent = scene.post(text);
        scene.settle(sent.id, outcome);
        let n = |failed| {
            let counters = scene.world.counters.iter();
            counters
                .filter(|(key, _)| matches!(key.what, crate::turn::world::Counted::Watched(_, bad) if bad == failed))
                .map(|(_, count)| count.n)
                .sum::<i64>()
        };
        assert_eq!([n(false), n(true)], counted);
    }
}

/// M9: an answer that comes after the reports changes nothing, and reports in any order end alike.
#[test]
fn reports_and_answers_end_alike_in_any_order() {
    let report = |scene: &mut Scene, id: MessageId, n: usize, what: Reported, seconds: i64| {
        let at = after(instant("2026-11-23T17:00:00Z"), seconds);
        let report = Report {
            dedup: format!("r{n}"),
            message: Some(id),
            reference: None,
            what,
            suppress: Suppress::No,
            why: Some(Reason::new("30005", "Unknown number.")),
            cost: None,
            at,
        };
        scene.take(Intake::Report(Box::new(report)));
    };
    let opened = |seconds| (Reported::Fact(crate::messages::Fact::Opened), seconds);
    let status = |status, seconds| (Reported::Status(status), seconds);
    let all = [
        status(Status::Accepted, 1),
        status(Status::Delivered, 2),
        opened(9),
        opened(4),
        status(Status::Failed, 5),
    ];
    for first in 0..all.len() {
        for step in [1, 2, 3, 4] {
            let mut scene = Scene::new();
            let sent = Arc::new(under_way(&mut scene));
            for n in 0..all.len() {
                let at = (first + n * step) % all.len();
                let (what, seconds) = all[at];
                report(&mut scene, sent.id, at, what, seconds);
                report(&mut scene, sent.id, at, what, seconds);
                if n == 2 {
                    scene.settle_as(Arc::clone(&sent), accepted(None));
                }
            }
            let message = &scene.world.messages[&sent.id];
            assert_eq!(message.status, Status::Failed, "from {first} by {step}");
            let opened = message.facts[&crate::messages::Fact::Opened];
            assert_eq!(
                opened,
                after(instant("2026-11-23T17:00:00Z"), 4).as_microsecond()
            );
            assert_eq!(message.why.as_ref().unwrap().code, "30005");
        }
    }
}
