use super::*;
use crate::config::Spending;
use crate::ids::{ConnectionId, MessageId};
use crate::messages::{Finding, Reason, Report, Reported, Status, Suppress};
use crate::turn::scene::{
    DANA, DANAS_MAIL, MAILS, RUTH, Scene, TEXTS, accepted, after, dollars, instant, refused,
    retryable, unknown, way,
};
use crate::turn::{Intake, Ruling};
use Category::{Emergency, Promotional, Staff, Transactional};
use ChannelKind::{Email, Sms};
use proptest::prelude::*;

/// A segment to the United States by the built-in list, millionths of a dollar.
const SEGMENT: i64 = 13_300;
/// 23 November 2026 in Denver, days since 1970; and the month.
const TODAY: i64 = 20_780;
const THIS_MONTH: i64 = 2026 * 12 + 10;
const DAY_OF_TEXTS: Counted = Counted::SpentDay(Sms);
const MONTH_OF_TEXTS: Counted = Counted::SpentMonth(Sms);

/// A business that may spend so much on texts, whole dollars.
fn scene(per_day: Option<u32>, per_month: Option<u32>) -> Scene {
    let mut scene = Scene::new();
    scene.settings(|settings| settings.budget.sms = Spending { per_day, per_month });
    scene
}

/// What is spent and reserved today and in this month.
fn spent(scene: &Scene) -> (i64, i64) {
    (
        scene.counter(DAY_OF_TEXTS, TODAY),
        scene.counter(MONTH_OF_TEXTS, THIS_MONTH),
    )
}

/// The code and the end of a deferral by a budget.
fn held(scene: &mut Scene, message: &Message) -> Option<(String, Timestamp, String)> {
    match scene.judge(message).ruling {
        Ruling::Pass => None,
        Ruling::Defer { until, why, .. } => Some((why.code, until, why.detail)),
        Ruling::End { why, .. } => panic!("{why:?}"),
    }
}

/// M11: at 100 % everything waits until the period begins anew in the tenant's zone, but for alerts, emergencies and the answer to a word.
#[test]
fn a_budget_stops_all_but_alerts_at_its_end() {
    let month = "It is the month that counts.";
    for (per_day, per_month, what, slot, code, until, words) in [
        (
            Some(5),
            None,
            DAY_OF_TEXTS,
            TODAY,
            "budget:spent.sms.date",
            "2026-11-24T07:00:00Z",
            "today",
        ),
        (
            None,
            Some(5),
            MONTH_OF_TEXTS,
            THIS_MONTH,
            "budget:spent.sms.month",
            "2026-12-01T07:00:00Z",
            "this month",
        ),
        (
            Some(90),
            Some(5),
            MONTH_OF_TEXTS,
            THIS_MONTH,
            "budget:spent.sms.month",
            "2026-12-01T07:00:00Z",
            "this month",
        ),
    ] {
        let mut scene = scene(per_day, per_month);
        // Its one segment fits exactly.
        scene.set(what, slot, 5 * MILLION - SEGMENT);
        let text = scene.message(DANA, Transactional);
        assert_eq!(held(&mut scene, &text), None, "{month}");
        scene.set(what, slot, 5 * MILLION - SEGMENT + 1);
        let (by, at, because) = held(&mut scene, &text).unwrap();
        assert_eq!((&*by, at), (code, instant(until)));
        assert_eq!(
            because,
            format!(
                "4.99 of 5 USD for texts {words} are spent or reserved, and this one may cost 0.0133."
            )
        );
        scene.set(what, slot, 50 * MILLION);
        for (to, category, passes) in [
            (DANA, Transactional, false),
            (DANA, Promotional, false),
            (DANA, Emergency, true),
            (RUTH, Staff, true),
        ] {
            let message = Message {
                priority: crate::messages::Priority::Critical,
                ..scene.message(to, category)
            };
            assert_eq!(
                held(&mut scene, &message).is_none(),
                passes,
                "{category}: priority alone never passes"
            );
        }
        let mut answer = scene.message(DANA, Transactional);
        answer.plan.keyword_answer = true;
        assert_eq!(held(&mut scene, &answer), None);
        let played = Message {
            sandbox: true,
            ..scene.message(DANA, Transactional)
        };
        assert_eq!(held(&mut scene, &played), None, "the sandbox costs nothing");
        let mail = scene.message(DANAS_MAIL, Transactional);
        assert_eq!(held(&mut scene, &mail), None, "mails have their own budget");
    }
    // Jitter spreads what waits for the same midnight.
    let mut spread = scene(Some(5), None);
    spread.dice.0 = 0.5;
    spread.set(DAY_OF_TEXTS, TODAY, 5 * MILLION);
    let text = spread.message(DANA, Transactional);
    assert_eq!(
        held(&mut spread, &text).unwrap().1,
        instant("2026-11-24T07:10:00Z")
    );
    // Days and months are the tenant's: at 06:59 UTC it is yesterday in Denver.
    let mut night = scene(Some(5), None);
    night.now = instant("2026-11-24T06:59:00Z");
    let keys = counters_of(&night.tenant(), night.now);
    assert!(
        keys.iter()
            .any(|key| key.what == DAY_OF_TEXTS && key.slot == TODAY)
    );
    night.now = instant("2026-11-24T07:00:00Z");
    let keys = counters_of(&night.tenant(), night.now);
    assert!(
        keys.iter()
            .any(|key| key.what == DAY_OF_TEXTS && key.slot == TODAY + 1)
    );
    assert!(
        keys.iter()
            .any(|key| key.what == DAY_OF_TEXTS && key.slot == -TODAY - 2),
        "what was told is loaded too"
    );
    assert_eq!(
        keys.len(),
        5,
        "two for texts and what was told of one, two for mails"
    );
    night.edit(|tenant| tenant.connections.clear());
    assert_eq!(
        counters_of(&night.tenant(), night.now),
        [],
        "without an account nothing is spent"
    );
}

/// M11: a mail is reserved for by its provider's price, a text by its country, its segments and the dearest account.
#[test]
fn what_is_reserved_is_what_the_call_may_cost() {
    let reserve = |scene: &mut Scene, mut message: Message, connection| {
        message.connection = Some(connection);
        scene.turn(|turn, tenant| turn.reserve(tenant, &mut message));
        message
    };
    let mut scene = scene(Some(100), None);
    let text = scene.message(DANA, Transactional);
    let two = Message {
        body: Some("a".repeat(161)),
        ..text.clone()
    };
    assert_eq!(
        reserve(&mut scene, text.clone(), TEXTS).cost,
        Some(dollars(SEGMENT))
    );
    assert_eq!(spent(&scene), (SEGMENT, SEGMENT));
    let kept = reserve(&mut scene, two, TEXTS);
    assert_eq!(kept.cost, Some(dollars(2 * SEGMENT)));
    assert_eq!(
        (reserved(&kept), spent(&scene)),
        (2 * SEGMENT, (3 * SEGMENT, 3 * SEGMENT))
    );
    // A further call adds to what those before may have cost.
    let mut again = kept;
    again.plan.paid = 2 * SEGMENT;
    let again = reserve(&mut scene, again, TEXTS);
    assert_eq!(again.cost, Some(dollars(4 * SEGMENT)));
    assert_eq!(reserved(&again), 2 * SEGMENT);
    // What a template said so far is what its next text is taken to have; the first is taken for two.
    let template = |scene: &mut Scene, name: &str| Message {
        body: None,
        template: Some((name.into(), 1)),
        ..scene.message(DANA, Transactional)
    };
    let news = template(&mut scene, "news");
    assert_eq!(
        reserve(&mut scene, news.clone(), TEXTS).cost,
        Some(dollars(2 * SEGMENT))
    );
    scene.world.guesses.learn(&news, 5);
    scene.world.guesses.learn(&news, 3);
    assert_eq!(
        reserve(&mut scene, news, TEXTS).cost,
        Some(dollars(5 * SEGMENT))
    );
    let other = template(&mut scene, "other");
    assert_eq!(
        reserve(&mut scene, other.clone(), TEXTS).cost,
        Some(dollars(2 * SEGMENT)),
        "another template"
    );
    let theirs = Message {
        tenant: crate::ids::TenantId::from_raw(2),
        ..template(&mut scene, "news")
    };
    assert_eq!(scene.world.guesses.of(&theirs), 2, "and another tenant");
    // A text without a template teaches nothing.
    scene.world.guesses.learn(&text, 9);
    let blank = Message {
        template: None,
        body: None,
        ..text.clone()
    };
    assert_eq!(scene.world.guesses.of(&blank), 2);
    for n in 0..=MOST_GUESSES {
        let one = Message {
            template: Some((format!("t{n}"), 1)),
            ..other.clone()
        };
        scene.world.guesses.learn(&one, 1);
    }
    assert!(
        scene.world.guesses.0.len() <= MOST_GUESSES,
        "they are bounded"
    );
    // The link of a question is not known here: it is taken for long.
    let mut question = Message {
        body: Some(format!("Yes? {}", crate::turn::CONFIRM_LINK)),
        ..text.clone()
    };
    assert_eq!(scene.world.guesses.of(&question), 1);
    question.plan.asks_staff = true;
    assert_eq!(scene.world.guesses.of(&question), 2);
    let mail = scene.message(DANAS_MAIL, Transactional);
    assert_eq!(
        reserve(&mut scene, mail.clone(), MAILS).cost,
        Some(dollars(400))
    );
    assert_eq!(
        reserve(&mut scene, mail, ConnectionId::from_raw(99)).cost,
        None,
        "an account that is gone"
    );
    let british = Message {
        recipient: "+447400123456".into(),
        ..text
    };
    assert_eq!(
        reserve(&mut scene, british, TEXTS).cost,
        Some(dollars(53_000))
    );
    // What costs nothing is reserved with nothing.
    scene.edit(|tenant| tenant.connections[1].provider = "smtp".into());
    let free = scene.message(DANAS_MAIL, Transactional);
    assert_eq!(reserve(&mut scene, free.clone(), MAILS).cost, None);
    scene.settings(|settings| {
        settings.budget.email = Spending {
            per_day: Some(0),
            per_month: None,
        }
    });
    assert_eq!(held(&mut scene, &free), None, "and passes any budget");
    // The dearest account that may carry it must fit.
    let mut dear = self::scene(Some(1), None);
    dear.set(Counted::SpentDay(Email), TODAY, MILLION - 400);
    dear.settings(|settings| {
        settings.budget.email = Spending {
            per_day: Some(1),
            per_month: None,
        }
    });
    let mail = dear.message(DANAS_MAIL, Transactional);
    assert_eq!(held(&mut dear, &mail), None);
    let mut other = way(ConnectionId::from_raw(5), Email, "dear");
    other.provider = "sendgrid".into();
    dear.edit(|tenant| tenant.connections.push(other));
    assert!(held(&mut dear, &mail).is_some());
}

/// M11: people hear at 50, 80 and 100 %, each once, with an error only at the end.
#[test]
fn people_are_told_at_each_share_once() {
    let mut scene = scene(Some(1), None);
    let mut told = Vec::new();
    for percent in [49, 50, 51, 79, 80, 99, 100, 101] {
        scene.set(DAY_OF_TEXTS, TODAY, percent * 10_000 - SEGMENT);
        let mut text = scene.message(DANA, Transactional);
        text.connection = Some(TEXTS);
        scene.turn(|turn, tenant| turn.reserve(tenant, &mut text));
        for raised in std::mem::take(&mut scene.world.out.errors) {
            told.push((percent, raised.severity, raised.message));
        }
    }
    let mails: Vec<String> = scene
        .world
        .out
        .messages
        .iter()
        .filter_map(|mail| mail.body.clone())
        .collect();
    assert_eq!(mails.len(), 3, "each is told by mail: {mails:?}");
    assert!(
        mails[0].contains("Budget for texts: 50 %") && mails[2].contains("Budget for texts: 100 %"),
        "{mails:?}"
    );
    let waits = "At 100 % everything but alerts to staff waits.";
    assert_eq!(
        told,
        [
            (50, "warning", format!("Half of the budget for texts today (1 USD) is used. {waits}")),
            (80, "warning", format!("Four fifths of the budget for texts today (1 USD) is used. {waits}")),
            (100, "error", "All of the budget for texts today (1 USD) is used. Everything but alerts to staff waits until it begins anew, or until the budget is raised in tenant.yaml.".to_owned()),
        ]
    );
    assert_eq!(scene.counter(DAY_OF_TEXTS, -1 - TODAY), 100);
    // Nothing is told of no budget, and nothing divides by nothing.
    for budget in [None, Some(0)] {
        let mut scene = self::scene(budget, None);
        let mut text = scene.message(DANA, Transactional);
        text.connection = Some(TEXTS);
        scene.turn(|turn, tenant| turn.reserve(tenant, &mut text));
        assert_eq!(scene.world.out.errors, []);
        assert_eq!(spent(&scene), (SEGMENT, SEGMENT));
    }
}

/// M11: what a call took is what it costs; one that did not go costs nothing; and all of it on the day on which it was claimed.
#[test]
fn a_call_costs_what_it_took_on_the_day_it_was_claimed() {
    let begin = || {
        let mut scene = scene(Some(100), Some(1_000));
        // One second before midnight in Denver, where texts are answers to an act of just now.
        scene.now = instant("2026-11-24T06:59:59Z");
        let mut text = scene.message(DANA, Transactional);
        text.plan.answers = Some(scene.now.as_microsecond());
        let sent = scene.post(text);
        assert_eq!((sent.status, spent(&scene).0), (Status::Sending, SEGMENT));
        scene.now = after(scene.now, 10);
        (scene, sent.id)
    };
    for (outcome, costs) in [
        (accepted(Some(9_000)), 9_000),
        (accepted(None), 0),
        (retryable(None), 0),
        (refused(Suppress::No), 0),
        (unknown(), SEGMENT),
    ] {
        let (mut scene, id) = begin();
        let message = scene.settle(id, outcome.clone());
        assert_eq!(spent(&scene), (costs, costs), "{outcome:?}");
        assert_eq!(scene.counter(DAY_OF_TEXTS, TODAY + 1), 0, "{outcome:?}");
        assert_eq!(
            message.cost.map_or(0, |cost| cost.micros),
            costs,
            "{outcome:?}"
        );
    }
    // Nor is a call given back to yesterday that was claimed in the first minute of today.
    let (mut scene, id) = begin();
    scene.settle(id, retryable(None));
    scene.now = instant("2026-11-24T07:00:20Z");
    assert_eq!(scene.claim(), 1);
    assert_eq!(scene.counter(DAY_OF_TEXTS, TODAY + 1), SEGMENT);
    scene.now = after(scene.now, 1);
    scene.settle(id, unknown());
    for seconds in [5, 70] {
        scene.now = after(scene.now, seconds);
        scene.look(id, Finding::Absent);
    }
    assert_eq!(spent(&scene), (0, 0));
    assert_eq!(scene.counter(DAY_OF_TEXTS, TODAY + 1), 0);
    // A look that proves that it did not go gives it back on that day too; one that finds it corrects the price there.
    for found in [false, true] {
        let (mut scene, id) = begin();
        scene.settle(id, unknown());
        for seconds in [5, 70] {
            scene.now = after(scene.now, seconds);
            if found {
                scene.look(id, Finding::Found(accepted(Some(9_000))));
                break;
            }
            scene.look(id, Finding::Absent);
        }
        let costs = if found { 9_000 } else { 0 };
        assert_eq!(spent(&scene), (costs, costs), "found: {found}");
        assert_eq!(scene.counter(DAY_OF_TEXTS, TODAY + 1), 0, "found: {found}");
    }
}

/// M11, M4: what a message cost before it was sent again stays spent, also when the provider reports the price of the second call.
#[test]
fn the_price_of_a_replay_comes_on_top() {
    let mut scene = scene(Some(100), None);
    let text = scene.message(DANA, Transactional);
    let id = scene.post(text).id;
    scene.settle(id, accepted(Some(SEGMENT)));
    let mut n = 0;
    let mut report = |scene: &mut Scene, what, cost: Option<i64>| {
        n += 1;
        let report = Report {
            dedup: format!("r{n}"),
            message: Some(id),
            reference: None,
            what: Reported::Status(what),
            suppress: Suppress::No,
            why: Some(Reason::new("30003", "Switched off.")),
            cost: cost.map(dollars),
            at: scene.now,
        };
        scene.take(Intake::Report(Box::new(report)));
        scene.world.messages[&id].cost.clone()
    };
    report(&mut scene, Status::Failed, None);
    scene.take(Intake::Retry {
        message: id,
        at: None,
        actor: "user:Ruth".into(),
    });
    let again = &scene.world.messages[&id];
    assert_eq!((again.status, again.plan.paid), (Status::Sending, SEGMENT));
    assert_eq!(reserved(again), SEGMENT);
    let message = scene.settle(id, accepted(Some(SEGMENT)));
    assert_eq!(message.cost, Some(dollars(2 * SEGMENT)));
    assert_eq!(
        report(&mut scene, Status::Delivered, Some(9_000)),
        Some(dollars(SEGMENT + 9_000))
    );
    assert_eq!(spent(&scene).0, SEGMENT + 9_000);
    // Told twice it is not counted twice.
    assert_eq!(
        report(&mut scene, Status::Delivered, Some(9_000)),
        Some(dollars(SEGMENT + 9_000))
    );
    assert_eq!(spent(&scene).0, SEGMENT + 9_000);
}

/// M11: a report that finds a message whose end was unknown puts its price in the place of what was kept for that call, once.
#[test]
fn the_price_of_a_call_that_a_report_found_replaces_what_was_kept_for_it() {
    let mut scene = scene(Some(100), None);
    let text = scene.message(DANA, Transactional);
    let id = scene.post(text).id;
    scene.settle(id, unknown());
    assert_eq!(spent(&scene).0, SEGMENT);
    for (n, status) in [Status::Accepted, Status::Delivered]
        .into_iter()
        .enumerate()
    {
        let report = Report {
            dedup: format!("r{n}"),
            message: Some(id),
            reference: None,
            what: Reported::Status(status),
            suppress: Suppress::No,
            why: None,
            cost: Some(dollars(9_000)),
            at: scene.now,
        };
        scene.take(Intake::Report(Box::new(report)));
        assert_eq!(
            scene.world.messages[&id].cost,
            Some(dollars(9_000)),
            "{status}"
        );
        assert_eq!(spent(&scene).0, 9_000, "{status}");
    }
}

/// M11: the page shows what may be spent and when it begins anew.
#[test]
fn budgets_are_shown_with_their_end() {
    let scene = scene(Some(5), None);
    let shown: Vec<_> = purses_of(&scene.tenant(), scene.now)
        .into_iter()
        .map(|one| {
            (
                one.channel,
                one.period,
                one.key.slot,
                one.most,
                one.anew_at.to_string(),
            )
        })
        .collect();
    let (day, month) = ("2026-11-24T07:00:00Z", "2026-12-01T07:00:00Z");
    assert_eq!(
        shown,
        [
            (Sms, "day", TODAY, Some(5 * MILLION), day.to_owned()),
            (Sms, "month", THIS_MONTH, None, month.to_owned()),
            (Email, "day", TODAY, None, day.to_owned()),
            (Email, "month", THIS_MONTH, None, month.to_owned()),
        ]
    );
}

/// One thing that happens to a business.
#[derive(Debug, Clone)]
enum Act {
    /// Somebody is written to: recipient, kind, and how long the text is.
    Send(&'static str, Category, usize),
    /// A call under way ends: the how manieth, and how.
    End(usize, End),
    /// Something unknown is looked up: found, or not there.
    Look(usize, bool),
    /// The provider reports, with a price or without.
    Report(usize, Status, Option<i64>),
    /// Somebody sends a dead letter again.
    Replay(usize),
    /// Time passes, minutes.
    Pass(i64),
}

#[derive(Debug, Clone, Copy)]
enum End {
    Accepted(Option<i64>),
    Retry,
    Refused,
    Unknown,
    Dearer,
}

fn act() -> impl Strategy<Value = Act> {
    let to = prop::sample::select(vec![
        (DANA, Transactional),
        (DANA, Promotional),
        (DANAS_MAIL, Transactional),
        (RUTH, Staff),
        (DANA, Emergency),
    ]);
    let end = prop_oneof![
        4 => prop::option::of(1_000..40_000i64).prop_map(End::Accepted),
        2 => Just(End::Retry),
        1 => Just(End::Refused),
        3 => Just(End::Unknown),
        1 => Just(End::Dearer),
    ];
    let status = prop::sample::select(vec![
        Status::Accepted,
        Status::Delivered,
        Status::Failed,
        Status::Bounced,
    ]);
    let price = prop::option::of(1_000..40_000i64);
    prop_oneof![
        6 => (to, 1..400usize).prop_map(|((to, category), length)| Act::Send(to, category, length)),
        8 => (0..8usize, end).prop_map(|(n, end)| Act::End(n, end)),
        3 => (0..8usize, any::<bool>()).prop_map(|(n, found)| Act::Look(n, found)),
        3 => (0..8usize, status, price).prop_map(|(n, status, price)| Act::Report(n, status, price)),
        2 => (0..8usize).prop_map(Act::Replay),
        4 => (1..700i64).prop_map(Act::Pass),
    ]
}

/// The how manieth of the messages that fit, oldest first.
fn nth(scene: &Scene, n: usize, fits: impl Fn(&Message) -> bool) -> Option<MessageId> {
    let mut all: Vec<&Message> = scene
        .world
        .messages
        .values()
        .filter(|one| fits(one))
        .collect();
    all.sort_by_key(|one| one.id);
    all.get(n % all.len().max(1)).map(|one| one.id)
}

fn happen(scene: &mut Scene, act: &Act, n: usize) {
    match act {
        Act::Send(to, category, length) => {
            let mut message = scene.message(to, *category);
            if message.channel == Sms {
                message.body = Some(format!(
                    "Alder Plumbing. Reply STOP. {}",
                    "a".repeat(*length)
                ));
            }
            message.plan.answers = (*category == Transactional).then(|| scene.now.as_microsecond());
            scene.post(message);
        }
        Act::End(which, end) => {
            let Some(id) = nth(scene, *which, |one| one.status == Status::Sending) else {
                return;
            };
            let outcome = match end {
                End::Accepted(cost) => accepted(*cost),
                End::Retry => retryable(None),
                End::Refused => refused(Suppress::No),
                End::Unknown => unknown(),
                End::Dearer => crate::messages::Outcome::Retryable {
                    why: Reason::new(DEARER, "It is dearer than what was reserved."),
                    after: None,
                },
            };
            scene.settle(id, outcome);
        }
        Act::Look(which, found) => {
            let looked_up = |one: &Message| one.status == Status::Unknown && one.deadline.is_some();
            if let Some(id) = nth(scene, *which, looked_up) {
                let finding = if *found {
                    Finding::Found(accepted(Some(7_000)))
                } else {
                    Finding::Absent
                };
                scene.look(id, finding);
            }
        }
        Act::Report(which, status, cost) => {
            // A provider reports of what it was asked to send.
            if let Some(id) = nth(scene, *which, |one| one.attempt.is_some() && !one.sandbox) {
                let report = Report {
                    dedup: format!("report {n}"),
                    message: Some(id),
                    reference: None,
                    what: Reported::Status(*status),
                    suppress: Suppress::No,
                    why: Some(Reason::new("reported", "So it is.")),
                    cost: cost.map(dollars),
                    at: scene.now,
                };
                scene.take(Intake::Report(Box::new(report)));
            }
        }
        Act::Replay(which) => {
            if let Some(id) = nth(scene, *which, Message::is_dead) {
                scene.take(Intake::Retry {
                    message: id,
                    at: None,
                    actor: "user:Ruth".into(),
                });
            }
        }
        Act::Pass(minutes) => {
            scene.now = after(scene.now, minutes * 60);
            scene.claim();
        }
    }
}

/// What all periods of a budget say together.
fn all_of(scene: &Scene, fits: impl Fn(Counted) -> bool) -> i64 {
    let counters = scene.world.counters.iter();
    counters
        .filter(|(key, _)| fits(key.what) && key.slot >= 0)
        .map(|(_, count)| count.n)
        .sum()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 192, failure_persistence: None, ..ProptestConfig::default() })]

    /// M11, I9: whatever happens, the budgets stand at the sum of what the messages carry; none that may not pass is claimed beyond its end; and
    /// what ended without going carries nothing but what earlier calls may have cost.
    #[test]
    fn budgets_add_up_and_are_never_passed(acts in prop::collection::vec(act(), 1..60)) {
        let mut scene = Scene::new();
        let most = 1;
        scene.settings(|settings| {
            settings.budget.sms = Spending { per_day: Some(most), per_month: Some(most) };
            settings.limits.leads.texts_per_24h = 1_000;
        });
        // A text to Denver costs six cents, so that the budget is soon used.
        scene.settings(|settings| { settings.budget.prices.sms.insert(Region::US, 0.06); });
        let mut priced = std::collections::HashSet::new();
        for (n, act) in acts.iter().enumerate() {
            let before = scene.world.messages.clone();
            happen(&mut scene, act, n);
            for channel in [Sms, Email] {
                let cost = |one: &Message| one.cost.as_ref().map_or(0, |cost| cost.micros);
                let carried: i64 = scene.world.messages.values().filter(|one| one.channel == channel).map(cost).sum();
                let days = all_of(&scene, |what| what == Counted::SpentDay(channel));
                let months = all_of(&scene, |what| what == Counted::SpentMonth(channel));
                prop_assert_eq!((days, months), (carried, carried), "{} after {:?}", channel, act);
            }
            for one in scene.world.messages.values() {
                let fresh = before.get(&one.id).is_none_or(|known| known.epoch < one.epoch);
                let bound = matches!(one.category, Transactional | Promotional) && one.channel == Sms;
                // Alerts that were claimed in the same moment come after it.
                let alerts = matches!(act, Act::Send(_, Staff | Emergency, _)) || matches!(act, Act::Pass(_));
                if fresh && bound && one.status == Status::Sending && !alerts {
                    let day = purses(&scene.tenant(), Sms, scene.now)[0].key.slot;
                    let used = scene.counter(DAY_OF_TEXTS, day);
                    prop_assert!(used <= i64::from(most) * MILLION, "{} after {:?}", used, act);
                }
                let gone = matches!(one.status, Status::Failed | Status::Bounced | Status::Blocked | Status::Expired | Status::Cancelled);
                // A price that a provider reports counts, whatever became of the message.
                let reported = matches!(act, Act::Report(_, _, Some(_))) && before.get(&one.id).is_some_and(|known| known.cost != one.cost);
                if reported {
                    priced.insert(one.id);
                }
                if gone && one.accepted_at.is_none() && !priced.contains(&one.id) {
                    let kept = one.cost.as_ref().map_or(0, |cost| cost.micros);
                    prop_assert!(kept <= spent_before(one), "{:?} after {:?}", one, act);
                }
            }
        }
    }
}
