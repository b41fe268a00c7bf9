use super::*;
use crate::messages::Status;
use crate::turn::scene::{
    DANA, DANAS_MAIL, MAILS, RUTH, Scene, TEXTS, accepted, after, instant, retryable, way,
};
use crate::turn::{Ruling, Share};
use Category::{Emergency, Promotional, Staff, Transactional};
use ChannelKind::{Email, Sms, Webhook};
use proptest::prelude::*;
use std::sync::Arc;

/// M6: what is held does not all come back at the same instant.
#[test]
fn what_is_held_is_spread_over_the_hours_to_come() {
    let mut placed = Placed::default();
    let (tenant, what) = (TenantId::from_raw(1), Counted::All);
    let key = CounterKey {
        tenant,
        what,
        slot: 10,
    };
    let places: Vec<i64> = (0..5).map(|_| placed.after(key, HOUR, 2)).collect();
    let half = HOUR / 2;
    let eleven = 11 * HOUR;
    assert_eq!(
        places,
        [
            eleven,
            eleven + half,
            eleven + HOUR,
            eleven + 3 * half,
            eleven + 2 * HOUR
        ]
    );
    let next = CounterKey { slot: 11, ..key };
    assert_eq!(placed.after(next, HOUR, 2), 12 * HOUR);
}

#[test]
fn a_paced_line_gives_out_one_place_after_the_other() {
    let mut placed = Placed::default();
    let (tenant, what) = (
        TenantId::from_raw(1),
        Counted::Pace(ConnectionId::from_raw(5)),
    );
    assert_eq!(placed.on_line(tenant, what, 1_000, 100), 1_000);
    assert_eq!(placed.on_line(tenant, what, 1_000, 100), 1_102);
    assert_eq!(placed.on_line(tenant, what, 5_000, 100), 5_000);
}

/// What holds a message: the code, the instant, and whether it joins a digest.
fn held(scene: &mut Scene, message: &Message) -> Option<(String, Timestamp, bool)> {
    match scene.judge(message).ruling {
        Ruling::Pass => None,
        Ruling::Defer { until, why, digest } => Some((why.code, until, digest)),
        Ruling::End { why, .. } => panic!("{why:?}"),
    }
}

/// Monday, 23 November 2026, 17:00 UTC: the hour and the day that limits count in there.
const THIS_HOUR: i64 = THIS_DAY * 24 + 17;
const THIS_DAY: i64 = 20_780;

#[test]
fn hours_and_days_are_those_of_the_clock_in_utc() {
    let now = instant("2026-11-23T17:59:59.999999Z");
    assert_eq!(
        (Span::Hour.slot(now), Span::Day.slot(now)),
        (THIS_HOUR, THIS_DAY)
    );
    assert_eq!(Span::Hour.slot(after(now, 1)), THIS_HOUR + 1);
    assert_eq!((Span::Hour.as_str(), Span::Day.as_str()), ("hour", "day"));
}

/// M6: every limit holds at its bound and not before, until its hour or day is over; the narrowest wins.
#[test]
fn every_limit_of_the_tenant_holds_at_its_bound() {
    let limits = "limits: { sms: { per_hour: 10, per_day: 30 }, email: { per_hour: 11, per_day: 31 }, webhook: { per_hour: 12 }, all_per_hour: 40 }\n";
    let hour = instant("2026-11-23T18:00:00Z");
    let day = instant("2026-11-24T00:00:00Z");
    for (to, category, what, slot, bound, code, until, digest) in [
        (
            DANA,
            Transactional,
            Counted::Channel(Sms, Span::Hour),
            THIS_HOUR,
            10,
            "sms.hour",
            hour,
            false,
        ),
        (
            DANA,
            Transactional,
            Counted::Channel(Sms, Span::Day),
            THIS_DAY,
            30,
            "sms.day",
            day,
            false,
        ),
        (
            DANA,
            Transactional,
            Counted::All,
            THIS_HOUR,
            40,
            "all.hour",
            hour,
            false,
        ),
        (
            DANAS_MAIL,
            Transactional,
            Counted::Channel(Email, Span::Hour),
            THIS_HOUR,
            11,
            "email.hour",
            hour,
            false,
        ),
        (
            DANAS_MAIL,
            Transactional,
            Counted::Channel(Email, Span::Day),
            THIS_DAY,
            31,
            "email.day",
            day,
            false,
        ),
        (
            RUTH,
            Staff,
            Counted::Staff(Sms, Span::Hour),
            THIS_HOUR,
            20,
            "staff.sms.hour",
            hour,
            true,
        ),
        (
            RUTH,
            Staff,
            Counted::Staff(Sms, Span::Day),
            THIS_DAY,
            100,
            "staff.sms.day",
            day,
            true,
        ),
        (
            "ruth@example.com",
            Staff,
            Counted::Staff(Email, Span::Hour),
            THIS_HOUR,
            100,
            "staff.email.hour",
            hour,
            true,
        ),
        (
            "ruth@example.com",
            Staff,
            Counted::Staff(Email, Span::Day),
            THIS_DAY,
            1_000,
            "staff.email.day",
            day,
            true,
        ),
        (
            RUTH,
            Staff,
            Counted::StaffAll,
            THIS_HOUR,
            50,
            "staff.all.hour",
            hour,
            true,
        ),
        (
            RUTH,
            Staff,
            Counted::All,
            THIS_HOUR,
            40,
            "all.hour",
            hour,
            true,
        ),
    ] {
        let mut scene = Scene::with(limits);
        let message = scene.message(to, category);
        scene.set(what, slot - 1, bound);
        scene.set(what, slot, bound - 1);
        assert_eq!(held(&mut scene, &message), None, "{code}");
        scene.set(what, slot, bound);
        let wanted = Some((format!("limit:{code}"), until, digest));
        assert_eq!(held(&mut scene, &message), wanted, "{code}");
        // Where a limit stands a repeated call is not held, and the one answer to a word never is.
        let again = Message {
            attempts: 1,
            attempt: Some(AttemptId::from_raw(first_of(scene.now))),
            ..message.clone()
        };
        assert_eq!(held(&mut scene, &again), None, "{code}");
        let mut answer = message.clone();
        answer.plan.keyword_answer = true;
        assert_eq!(held(&mut scene, &answer), None, "{code}");
    }
    // What is critical or an emergency is counted and passes.
    let mut scene = Scene::with(limits);
    scene.set(Counted::Channel(Sms, Span::Hour), THIS_HOUR, 10);
    let critical = Message {
        priority: Priority::Critical,
        ..scene.message(DANA, Transactional)
    };
    let emergency = Message {
        priority: Priority::Low,
        ..scene.message(DANA, Emergency)
    };
    assert_eq!(held(&mut scene, &critical), None);
    assert_eq!(held(&mut scene, &emergency), None);
    // A webhook is held by its own limit alone, and joins no digest.
    let mut scene = Scene::with(limits);
    scene.edit(|tenant| {
        tenant
            .connections
            .push(way(ConnectionId::from_raw(9), Webhook, "crm"));
    });
    let mut hook = scene.message("crm", Staff);
    (hook.channel, hook.staff) = (Webhook, None);
    scene.set(Counted::Staff(Email, Span::Hour), THIS_HOUR, 1_000);
    scene.set(Counted::StaffAll, THIS_HOUR, 1_000);
    assert_eq!(held(&mut scene, &hook), None);
    scene.set(Counted::Channel(Webhook, Span::Hour), THIS_HOUR, 12);
    assert_eq!(
        held(&mut scene, &hook),
        Some(("limit:webhook.hour".into(), hour, false))
    );
}

/// M6: a critical alert over a limit is said within a minute, in one digest; a digest itself is not held.
#[test]
fn a_critical_alert_over_the_limit_comes_within_a_minute() {
    let mut scene = Scene::new();
    scene.set(Counted::Staff(Sms, Span::Hour), THIS_HOUR, 20);
    let mut alert = Message {
        priority: Priority::Critical,
        ..scene.message(RUTH, Staff)
    };
    let in_a_minute = after(scene.now, 60);
    assert_eq!(
        held(&mut scene, &alert),
        Some(("limit:staff.sms.hour".into(), in_a_minute, true))
    );
    scene.now = instant("2026-11-23T17:59:30Z");
    let end = instant("2026-11-23T18:00:00Z");
    assert_eq!(
        held(&mut scene, &alert),
        Some(("limit:staff.sms.hour".into(), end, true))
    );
    alert.plan.digest = true;
    assert_eq!(held(&mut scene, &alert), None);
}

/// M6, US-8: one person gets three offers and four texts in a rolling day, or fewer where the business says so, and never more.
#[test]
fn one_person_gets_so_much_in_a_rolling_day() {
    let had = |scene: &mut Scene, to: &str, seconds_ago: i64, offer| {
        let at = after(scene.now, -seconds_ago);
        scene.point(to).recent.add(at, offer);
    };
    let opens = |seconds_ago: i64| {
        let mut at = instant("2026-11-24T17:00:00.000001Z");
        at -= jiff::SignedDuration::from_secs(seconds_ago);
        at
    };
    for (most, offers) in [
        ("", 3),
        ("limits: { leads: { promotional_per_24h: 2 } }\n", 2),
    ] {
        let mut scene = Scene::with(most);
        // Within the hours of the day on which room is, so that nothing else holds it.
        for n in 0..offers - 1 {
            had(&mut scene, DANAS_MAIL, 7_200 - n, true);
        }
        let lead = scene.lead(|_| ());
        let mut offer = scene.message(DANAS_MAIL, Promotional);
        offer.lead = Some(lead);
        assert_eq!(held(&mut scene, &offer), None, "{offers}");
        had(&mut scene, DANAS_MAIL, 3_600, true);
        let (code, until, digest) = held(&mut scene, &offer).unwrap();
        assert_eq!((&*code, digest), ("limit:person.promotional", false));
        // The lowest bit of an instant says that it was an offer.
        assert_eq!(
            until.as_microsecond() / 10,
            opens(7_200).as_microsecond() / 10
        );
        let answer = Message {
            lead: Some(lead),
            ..scene.message(DANAS_MAIL, Transactional)
        };
        assert_eq!(held(&mut scene, &answer), None, "answers are no offers");
    }
    let mut scene = Scene::new();
    for n in 0..3 {
        had(&mut scene, DANA, 100 - n, false);
    }
    let text = scene.message(DANA, Transactional);
    let offer = scene.message(DANA, Promotional);
    assert_eq!(held(&mut scene, &text), None);
    had(&mut scene, DANA, 10, false);
    let wanted = Some(("limit:person.texts".to_owned(), opens(100), false));
    assert_eq!(held(&mut scene, &text), wanted);
    assert_eq!(held(&mut scene, &offer), wanted, "an offer is a text too");
    let emergency = scene.message(DANA, Emergency);
    assert_eq!(held(&mut scene, &emergency), None);
    scene.now = after(opens(100), 0);
    assert_eq!(held(&mut scene, &text), None, "a day later there is room");
    let mut scene = Scene::new();
    for n in 0..9 {
        had(&mut scene, DANAS_MAIL, 100 - n, false);
    }
    let mail = scene.message(DANAS_MAIL, Transactional);
    assert_eq!(held(&mut scene, &mail), None, "mails are no texts");
    // More than the law allows cannot be set.
    let mut scene = Scene::new();
    scene.settings(|settings| settings.limits.leads.promotional_per_24h = 9);
    for n in 0..3 {
        had(&mut scene, DANA, 100 - n, true);
    }
    assert_eq!(
        held(&mut scene, &offer).unwrap().0,
        "limit:person.promotional"
    );
}

/// M6: an account has its own pace, calls an hour and calls a day; those that wait are placed one after the other.
#[test]
fn an_account_is_used_no_more_than_it_may() {
    let hour = instant("2026-11-23T18:00:00Z");
    let day = instant("2026-11-24T00:00:00Z");
    let paced = |pace: Pace| {
        let mut scene = Scene::new();
        scene.edit(|tenant| tenant.connections[0].pace = pace);
        scene
    };
    let all = |scene: &mut Scene| {
        let way = scene.tenant().connections[0].clone();
        scene.turn(|turn, tenant| turn.over_account(tenant.id, &way))
    };
    for (pace, span, slot, until) in [
        (
            Pace {
                per_hour: Some(7),
                ..Pace::default()
            },
            Span::Hour,
            THIS_HOUR,
            hour,
        ),
        (
            Pace {
                per_day: Some(7),
                ..Pace::default()
            },
            Span::Day,
            THIS_DAY,
            day,
        ),
    ] {
        let mut scene = paced(pace);
        let what = Counted::Account(TEXTS, span);
        scene.set(what, slot, 6);
        assert_eq!(all(&mut scene), None);
        scene.set(what, slot, 7);
        assert_eq!(all(&mut scene), Some((until, what, 7)));
        let message = scene.message(DANA, Transactional);
        let code = format!("limit:{TEXTS}.{}", span.as_str());
        assert_eq!(
            held(&mut scene, &message),
            Some((code.clone(), until, false))
        );
        // The second of seven is placed a seventh later, what is critical at once when there is room.
        let place = from_micros(until.as_microsecond() + span.length() / 7);
        assert_eq!(
            held(&mut scene, &message),
            Some((code.clone(), place, false))
        );
        let critical = Message {
            priority: Priority::Critical,
            ..message
        };
        assert_eq!(held(&mut scene, &critical), Some((code, until, false)));
        assert!(!pace.is_free());
    }
    let pace = Pace {
        interval: Some(500_000),
        ..Pace::default()
    };
    assert!(!pace.is_free() && Pace::default().is_free());
    let mut scene = paced(pace);
    let now = scene.now.as_microsecond();
    let what = Counted::Pace(TEXTS);
    scene.set(what, 0, now);
    assert_eq!(all(&mut scene), None, "free at this very instant");
    scene.set(what, 0, now + 1);
    assert_eq!(all(&mut scene), Some((from_micros(now + 1), what, 1)));
    let mut message = scene.message(DANA, Transactional);
    let code = format!("limit:{TEXTS}.pace");
    let (_, first, _) = held(&mut scene, &message).unwrap();
    let (_, second, _) = held(&mut scene, &message).unwrap();
    assert_eq!(
        (first, second),
        (from_micros(now + 1), from_micros(now + 510_001))
    );
    // One that was placed before and is late takes the first room, and pushes nobody back.
    message.why = Some(crate::messages::Reason::new(&*code, "No room."));
    message.due_at = from_micros(now - 1);
    assert_eq!(
        held(&mut scene, &message),
        Some((code, from_micros(now + 1), false))
    );
    message.due_at = from_micros(now);
    let (_, third, _) = held(&mut scene, &message).unwrap();
    assert_eq!(third, from_micros(now + 1_020_001));
    message.due_at = from_micros(now - 1);
    message.why = Some(crate::messages::Reason::new("quiet_hours", "Night."));
    let (_, fourth, _) = held(&mut scene, &message).unwrap();
    assert_eq!(fourth, from_micros(now + 1_530_001));
    let (.., because) = crate::turn::scene::said(&scene.judge(&message), "connection").unwrap();
    assert_eq!(
        because,
        "Connection texts has no room: its limit is 2.0 calls a second over this connection."
    );
    // An account without a pace is never full, whatever was counted for it.
    let mut scene = paced(Pace {
        per_hour: Some(7),
        ..Pace::default()
    });
    scene.set(what, 0, now + 1_000_000);
    assert_eq!(all(&mut scene), None);
}

/// M6: with the intent everything is counted once, a repeated call only for its account, and a contact moves to the last call.
#[test]
fn an_intent_counts_what_its_kind_counts() {
    let limits =
        "limits: { sms: { per_hour: 1000 }, email: { per_hour: 1000 }, all_per_hour: 5000 }\n";
    let counted = |to: &str, category, change: &dyn Fn(&mut Scene, &mut Message)| {
        let mut scene = Scene::with(limits);
        scene.edit(|tenant| {
            tenant.connections[0].pace = Pace {
                per_hour: Some(500),
                per_day: Some(900),
                interval: Some(1_000),
            };
        });
        let mut message = scene.message(to, category);
        message.attempts = 1;
        message.connection = Some(if to.contains('@') { MAILS } else { TEXTS });
        change(&mut scene, &mut message);
        scene.turn(|turn, tenant| turn.count_contact(tenant, &message, message.attempt));
        let mut names: Vec<String> = scene
            .world
            .counters
            .iter()
            .filter(|(_, count)| count.added != 0)
            .map(|(key, count)| match key.what {
                Counted::Pace(_) => format!("pace {}", count.n - scene.now.as_microsecond()),
                what => format!(
                    "{} {}",
                    what.name().replace(&TEXTS.to_string(), "texts"),
                    count.n
                ),
            })
            .collect();
        names.sort();
        let now = scene.now;
        let (all, offers) = scene.point(to).recent.within(now);
        (names.join(", "), all.n, offers.n)
    };
    let as_is = |_: &mut Scene, _: &mut Message| ();
    let account = "pace 1000, ";
    let calls = "texts.day 1, texts.hour 1";
    assert_eq!(
        counted(DANA, Transactional, &as_is),
        (format!("all.hour 1, {account}sms.hour 1, {calls}"), 1, 0)
    );
    assert_eq!(
        counted(DANA, Promotional, &as_is),
        (format!("all.hour 1, {account}sms.hour 1, {calls}"), 1, 1)
    );
    assert_eq!(
        counted(DANAS_MAIL, Transactional, &as_is),
        ("all.hour 1, email.hour 1".into(), 0, 0)
    );
    assert_eq!(
        counted(DANAS_MAIL, Promotional, &as_is),
        ("all.hour 1, email.hour 1".into(), 1, 1)
    );
    let staff = format!(
        "all.hour 1, {account}sms.hour 1, staff.all.hour 1, staff.sms.day 1, staff.sms.hour 1, {calls}"
    );
    assert_eq!(counted(RUTH, Staff, &as_is), (staff, 0, 0));
    let mails = "all.hour 1, email.hour 1, staff.all.hour 1, staff.email.day 1, staff.email.hour 1";
    assert_eq!(
        counted("ruth@example.com", Staff, &as_is),
        (mails.into(), 0, 0)
    );
    assert_eq!(
        counted(DANA, Promotional, &|_, message| message.channel = Webhook),
        (format!("all.hour 1, {account}{calls}"), 0, 0)
    );
    // The one answer to a word is a call and no contact; the sandbox is no account.
    assert_eq!(
        counted(DANA, Transactional, &|_, message| message
            .plan
            .keyword_answer =
            true),
        (format!("{account}{calls}"), 0, 0)
    );
    assert_eq!(
        counted(DANA, Transactional, &|_, message| message.connection = None),
        ("all.hour 1, sms.hour 1".into(), 1, 0)
    );
    let again = |scene: &mut Scene, message: &mut Message| {
        message.attempts = 2;
        let before = after(scene.now, -600);
        message.attempt = Some(AttemptId::from_raw(first_of(before)));
        scene.point(DANA).recent.add(before, false);
    };
    assert_eq!(
        counted(DANA, Transactional, &again),
        (format!("{account}{calls}"), 1, 0)
    );
    assert_eq!(
        counted(RUTH, Staff, &|_, message| message.attempts = 2),
        (format!("{account}{calls}"), 0, 0)
    );
    // Where nothing limits an account nothing is counted for it.
    let free = |scene: &mut Scene, _: &mut Message| {
        scene.edit(|tenant| tenant.connections[0].pace = Pace::default());
    };
    assert_eq!(
        counted(DANA, Transactional, &free),
        ("all.hour 1, sms.hour 1".into(), 1, 0)
    );
    // A pace that is behind begins now, one that is ahead goes on from there.
    for (ahead, wanted) in [(-5_000_000, 1_000), (2_000, 3_000)] {
        let moved = |scene: &mut Scene, _: &mut Message| {
            let now = scene.now.as_microsecond();
            scene.set(Counted::Pace(TEXTS), 0, now + ahead);
        };
        let (names, ..) = counted(DANA, Transactional, &moved);
        assert!(names.contains(&format!("pace {wanted},")), "{names}");
    }
}

/// M6: counters keep their names, since they are the API's; and each says in words what it counts.
#[test]
fn counters_have_names_and_words() {
    let id = ConnectionId::from_raw(5);
    for (what, name, words) in [
        (
            Counted::Staff(Sms, Span::Hour),
            "staff.sms.hour",
            "texts to staff an hour",
        ),
        (
            Counted::Staff(Sms, Span::Day),
            "staff.sms.day",
            "texts to staff a day",
        ),
        (
            Counted::Staff(Email, Span::Hour),
            "staff.email.hour",
            "mails to staff an hour",
        ),
        (
            Counted::Staff(Webhook, Span::Day),
            "staff.email.day",
            "mails to staff a day",
        ),
        (Counted::StaffAll, "staff.all.hour", "alerts an hour"),
        (
            Counted::Channel(Sms, Span::Hour),
            "sms.hour",
            "texts an hour",
        ),
        (Counted::Channel(Sms, Span::Day), "sms.day", "texts a day"),
        (
            Counted::Channel(Email, Span::Hour),
            "email.hour",
            "mails an hour",
        ),
        (
            Counted::Channel(Email, Span::Day),
            "email.day",
            "mails a day",
        ),
        (
            Counted::Channel(Webhook, Span::Hour),
            "webhook.hour",
            "webhooks an hour",
        ),
        (
            Counted::Channel(Webhook, Span::Day),
            "webhook.day",
            "webhooks a day",
        ),
        (Counted::All, "all.hour", "messages an hour"),
        (Counted::SpentDay(Sms), "spent.sms.date", "spent a day"),
        (
            Counted::SpentMonth(Email),
            "spent.email.month",
            "spent a month",
        ),
        (
            Counted::Watched(10, true),
            "flow.000000000000000a.failed",
            "failed messages of a workflow",
        ),
        (
            Counted::Watched(10, false),
            "flow.000000000000000a.fine",
            "messages of a workflow",
        ),
        (
            Counted::Account(id, Span::Hour),
            "conn.hour",
            "calls an hour over this connection",
        ),
        (
            Counted::Account(id, Span::Day),
            "conn.day",
            "calls a day over this connection",
        ),
        (
            Counted::Pace(id),
            "conn.pace",
            "calls a second over this connection",
        ),
    ] {
        assert_eq!(what.name().replace(&id.to_string(), "conn"), name);
        assert_eq!(said(what), words, "{name}");
    }
    let pace = Pace {
        interval: Some(40_000),
        per_hour: Some(9),
        per_day: Some(70),
    };
    for (what, words) in [
        (
            Counted::Account(id, Span::Hour),
            "9 calls an hour over this connection",
        ),
        (
            Counted::Account(id, Span::Day),
            "70 calls a day over this connection",
        ),
        (
            Counted::Pace(id),
            "25.0 calls a second over this connection",
        ),
    ] {
        assert_eq!(said_of(&pace, what), words);
    }
}

/// M6: what a turn may ask for is loaded before it, each once; and the page shows every limit with its end.
#[test]
fn what_is_asked_for_is_loaded_and_shown() {
    let mut scene = Scene::with(
        "limits: { sms: { per_hour: 10 }, email: { per_day: 31 }, all_per_hour: 40 }\nbudget: { sms: { per_day: 5 } }\n",
    );
    let pace = Pace {
        interval: Some(40_000),
        per_hour: Some(9),
        per_day: Some(70),
    };
    scene.edit(|tenant| {
        tenant.connections[0].pace = pace;
        tenant.most_per_hour = Some(30);
        tenant.kill = vec![crate::turn::KillSwitch::Share(Share {
            workflow: "welcome".into(),
            percent: 10,
            back_above: 10,
            since: 4,
        })];
    });
    let name = |key: &CounterKey| key.what.name().replace(&TEXTS.to_string(), "texts");
    let keys = counters_of(&scene.tenant(), scene.now);
    let mut names: Vec<String> = keys
        .iter()
        .map(name)
        .filter(|name| !name.starts_with("flow."))
        .collect();
    names.sort();
    assert_eq!(
        names,
        [
            "all.hour",
            "email.day",
            "sms.hour",
            "spent.email.date",
            "spent.email.month",
            "spent.sms.date",
            "spent.sms.date",
            "spent.sms.month",
            "staff.all.hour",
            "staff.email.day",
            "staff.email.hour",
            "staff.sms.day",
            "staff.sms.hour",
            "texts.day",
            "texts.hour",
            "texts.pace",
        ]
    );
    assert_eq!(
        keys.len(),
        names.len() + 2,
        "a workflow that is watched has two"
    );
    let shown: Vec<(String, i64, String)> = standings(&scene.tenant(), scene.now)
        .iter()
        .map(|one| {
            (
                name(&one.key),
                one.most,
                one.anew_at.strftime("%d %H").to_string(),
            )
        })
        .collect();
    let row = |name: &str, most, anew: &str| (name.to_owned(), most, anew.to_owned());
    assert_eq!(
        shown,
        [
            row("staff.sms.hour", 20, "23 18"),
            row("staff.sms.day", 100, "24 00"),
            row("staff.email.hour", 100, "23 18"),
            row("staff.email.day", 1_000, "24 00"),
            row("staff.all.hour", 50, "23 18"),
            row("sms.hour", 10, "23 18"),
            row("all.hour", 30, "23 18"),
            row("email.day", 31, "24 00"),
            row("texts.hour", 9, "23 18"),
            row("texts.day", 70, "24 00"),
        ]
    );
    // Where the operator gives a tier the narrower of both counts; where there is one only, that one.
    let in_all = |scene: &Scene| {
        let all = standings(&scene.tenant(), scene.now);
        all.iter()
            .find(|one| one.key.what == Counted::All)
            .map(|one| one.most)
    };
    scene.edit(|tenant| tenant.most_per_hour = Some(50));
    assert_eq!(in_all(&scene), Some(40));
    scene.settings(|settings| settings.limits.all_per_hour = None);
    assert_eq!(in_all(&scene), Some(50));
    scene.edit(|tenant| tenant.most_per_hour = None);
    assert_eq!(in_all(&scene), None);
}

/// More places than are remembered begin anew, and memory stays bounded.
#[test]
fn places_are_bounded() {
    let mut placed = Placed::default();
    for n in 0..=MOST_PLACED as i64 {
        placed.on_line(TenantId::from_raw(n), Counted::All, 0, 100);
    }
    assert_eq!(placed.0.len(), 1);
}

/// M6, M4: a call that is made again is no further contact: after four calls of one text there is room for three more.
#[test]
fn a_repeated_call_is_no_further_contact() {
    let mut scene = Scene::new();
    let text = scene.message(DANA, Transactional);
    let mut message = scene.post(text);
    for _ in 0..3 {
        assert_eq!(message.status, Status::Sending);
        message = scene.settle(message.id, retryable(None));
        scene.now = message.due_at;
        assert_eq!(scene.claim(), 1);
        message = scene.world.messages[&message.id].clone();
    }
    scene.settle_as(Arc::new(message), accepted(None));
    let mut sent = 1;
    while sent < 9 {
        let next = scene.message(DANA, Transactional);
        if scene.post(next).status != Status::Sending {
            break;
        }
        sent += 1;
    }
    assert_eq!(sent, 4);
}

/// M6, US-8: a call that is made again a day after the first is asked for anew, since the person may have had others meanwhile.
#[test]
fn a_call_that_is_made_again_a_day_later_is_a_contact_again() {
    for (others, goes) in [(3, true), (4, false)] {
        let mut scene = Scene::new();
        let text = scene.message(DANA, Transactional);
        let sent = scene.post(text);
        let first = scene.settle(sent.id, retryable(Some(100_000)));
        assert_eq!(first.due_at, after(scene.now, 86_400));
        scene.now = after(scene.now, 86_401);
        for _ in 0..others {
            let text = scene.message(DANA, Transactional);
            assert_eq!(scene.post(text).status, Status::Sending);
        }
        scene.claim();
        let again = &scene.world.messages[&sent.id];
        assert_eq!(again.status == Status::Sending, goes, "{others} others");
        let code = again.why.as_ref().map(|why| &*why.code);
        assert_eq!(code, (!goes).then_some("limit:person.texts"));
        let now = scene.now;
        let (all, _) = scene.point(DANA).recent.within(now);
        assert_eq!(all.n, 4);
    }
    // Within the day it is the same contact, which moves; in its very last millisecond that is not said any more.
    for (later, asked) in [(86_399_998, false), (86_400_000, true)] {
        let mut scene = Scene::new();
        let text = scene.message(DANA, Transactional);
        let sent = scene.post(text);
        scene.now += jiff::SignedDuration::from_millis(later);
        let within = scene.turn(|turn, _| turn.within_a_day(sent.attempt));
        assert_eq!(within, !asked);
        assert!(!scene.turn(|turn, _| turn.within_a_day(None)));
    }
}

/// Something that happens to a business with limits.
#[derive(Debug, Clone)]
enum Act {
    /// Somebody is written to.
    Send(&'static str, Category, Priority),
    /// The how manieth call under way ends: taken, or to be made again, perhaps at a wish in seconds.
    End(usize, bool, Option<u64>),
    /// Minutes pass, and what is due is claimed.
    Pass(i64),
}

fn act() -> impl Strategy<Value = Act> {
    let to = prop::sample::select(vec![
        (DANA, Transactional),
        (DANA, Promotional),
        (DANAS_MAIL, Transactional),
        (DANAS_MAIL, Promotional),
        (RUTH, Staff),
        ("ruth@example.com", Staff),
    ]);
    let wish = prop::option::weighted(0.3, prop::sample::select(vec![30u64, 4_000, 90_000]));
    prop_oneof![
        6 => (to, prop::sample::select(Priority::ALL)).prop_map(|((to, category), priority)| Act::Send(to, category, priority)),
        4 => (0..6usize, any::<bool>(), wish).prop_map(|(n, fine, wish)| Act::End(n, fine, wish)),
        4 => prop::sample::select(vec![1i64, 7, 61, 300, 725]).prop_map(Act::Pass),
    ]
}

/// A call as a naive judge notes it down.
#[derive(Debug, Clone)]
struct Call {
    at: Timestamp,
    message: Message,
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    /// M6, M8, US-8: whatever is sent, repeated and waited for, no window is ever passed: counted naively, from a list of all calls.
    #[test]
    fn random_calls_are_never_more_than_a_window_allows(acts in prop::collection::vec(act(), 1..70)) {
        let mut scene = Scene::with("limits: { sms: { per_hour: 5, per_day: 12 }, email: { per_hour: 4 }, all_per_hour: 7, staff_alerts: { sms_per_hour: 2, sms_per_day: 6, email_per_hour: 2, email_per_day: 5, all_per_hour: 3 } }\n");
        scene.edit(|tenant| {
            tenant.connections[0].pace = Pace { interval: Some(2_000_000), per_hour: Some(9), per_day: Some(20) };
        });
        let mut calls: Vec<Call> = Vec::new();
        for act in &acts {
            match act {
                Act::Send(to, category, priority) => {
                    let mut message = scene.message(to, *category);
                    message.priority = *priority;
                    message.plan.answers = (*category == Transactional).then(|| scene.now.as_microsecond());
                    // Mails find their place by the lead.
                    message.lead = Some(scene.lead(|_| ()));
                    scene.post(message);
                }
                Act::End(n, fine, wish) => {
                    let mut under_way: Vec<_> = scene.world.messages.values().filter(|one| one.status == Status::Sending).map(|one| one.id).collect();
                    under_way.sort();
                    if let Some(id) = under_way.get(n % under_way.len().max(1)) {
                        scene.settle(*id, if *fine { accepted(None) } else { retryable(*wish) });
                    }
                }
                Act::Pass(minutes) => {
                    scene.now = after(scene.now, minutes * 60);
                    scene.claim();
                }
            }
            let fresh = |one: &&Message| one.attempt.is_some() && calls.iter().all(|call| call.message.attempt != one.attempt);
            let mut fresh: Vec<Message> = scene.world.messages.values().filter(fresh).cloned().collect();
            fresh.sort_by_key(|one| one.attempt);
            for message in fresh {
                calls.push(Call { at: scene.now, message });
                naive(&calls).map_err(|why| TestCaseError::fail(format!("{why} after {act:?}")))?;
            }
        }
    }
}

/// Holds the last call of a list against every window; counts nothing but the list.
fn naive(calls: &[Call]) -> Result<(), String> {
    let Some((last, before)) = calls.split_last() else {
        return Ok(());
    };
    let hour = |at: Timestamp| at.strftime("%F %H").to_string();
    let day = |at: Timestamp| at.strftime("%F").to_string();
    let first = |call: &&Call| call.message.attempts == 1;
    let texts = |call: &&Call| call.message.channel == Sms;
    let count = |fits: &dyn Fn(&&Call) -> bool| before.iter().filter(|call| fits(call)).count();
    let same_hour = |call: &&Call| hour(call.at) == hour(last.at);
    let same_day = |call: &&Call| day(call.at) == day(last.at);
    let staff = |call: &&Call| call.message.category == Staff;
    let text = last.message.channel == Sms;
    let of_channel = |call: &&Call| texts(call) == text;
    let mut windows: Vec<(&str, usize, usize)> = Vec::new();
    if last.message.attempts == 1
        && last.message.priority != Priority::Critical
        && !last.message.plan.digest
    {
        windows.push((
            "channel, hour",
            count(&|call| first(call) && of_channel(call) && same_hour(call)),
            if text { 5 } else { 4 },
        ));
        windows.push((
            "all, hour",
            count(&|call| first(call) && same_hour(call)),
            7,
        ));
        if text {
            windows.push((
                "texts, day",
                count(&|call| first(call) && texts(call) && same_day(call)),
                12,
            ));
        }
    }
    if last.message.attempts == 1 && last.message.category == Staff && !last.message.plan.digest {
        let alerts = |call: &&Call| first(call) && staff(call);
        windows.push((
            "alerts, hour",
            count(&|call| alerts(call) && same_hour(call)),
            3,
        ));
        windows.push((
            "alerts by channel, hour",
            count(&|call| alerts(call) && of_channel(call) && same_hour(call)),
            2,
        ));
        windows.push((
            "alerts by channel, day",
            count(&|call| alerts(call) && of_channel(call) && same_day(call)),
            if text { 6 } else { 5 },
        ));
    }
    if text {
        windows.push((
            "account, hour",
            count(&|call| texts(call) && same_hour(call)),
            9,
        ));
        windows.push((
            "account, day",
            count(&|call| texts(call) && same_day(call)),
            20,
        ));
        let near = |call: &&Call| {
            texts(call) && last.at.duration_since(call.at) < jiff::SignedDuration::from_secs(2)
        };
        windows.push(("account, pace", count(&|call| near(call)), 1));
    }
    if last.message.category != Staff {
        // A message is one contact, at its last call.
        let contacts = |offers: bool, channel: Option<ChannelKind>| {
            let mut last_calls = HashMap::new();
            for call in before {
                let counts = call.message.category != Staff
                    && call.message.recipient == last.message.recipient
                    && (!offers || call.message.category == Promotional)
                    && channel.is_none_or(|channel| call.message.channel == channel);
                if counts && call.message.id != last.message.id {
                    last_calls.insert(call.message.id, call.at);
                }
            }
            let day = jiff::SignedDuration::from_hours(24);
            last_calls
                .values()
                .filter(|at| last.at.duration_since(**at) < day)
                .count()
        };
        if last.message.category == Promotional {
            windows.push(("offers, rolling day", contacts(true, None), 3));
        }
        if text {
            windows.push(("texts, rolling day", contacts(false, Some(Sms)), 4));
        }
    }
    match windows.iter().find(|(_, n, most)| n >= most) {
        Some(window) => Err(format!("{window:?} of {:?}", last.message)),
        None => Ok(()),
    }
}
