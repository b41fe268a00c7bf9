use super::*;
use crate::consent::Basis;
use crate::consent::national::NationalList;
use crate::ids::ConnectionId;
use crate::messages::Doubt;
use crate::turn::scene::{
    DANA, DANAS_MAIL, MAILS, RUTH, Scene, TEXTS, after, instant, last, said, way,
};
use crate::turn::world::{Consent, Point, Purpose, StaffNumber, Suppression};
use crate::turn::{Distrust, Registration, Share};
use Category::{Emergency, Promotional, Staff, Transactional};
use std::collections::BTreeSet;
use std::sync::Arc;

/// What becomes of a message, in a line: the gate that spoke last, its word and rule, and the ruling.
fn told(scene: &mut Scene, message: &Message) -> String {
    let verdict = scene.judge(message);
    let (gate, says, rule) = last(&verdict);
    let word = [&*gate, &*says, &*rule].join(" ").trim_end().to_owned();
    let sandbox = if verdict.sandbox {
        " in the sandbox"
    } else {
        ""
    };
    let ruling = match &verdict.ruling {
        Ruling::Pass => "passes".to_owned(),
        Ruling::Defer { until, why, digest } => {
            assert!(!digest, "{word}");
            format!("{} until {until}", why.code)
        }
        Ruling::End { status, why } => format!("{status}, {}", why.code),
    };
    format!("{word}: {ruling}{sandbox}")
}

const PASSES: &str = "connection pass: passes";
const PLAYED: &str = "connection pass: passes in the sandbox";

/// One message and what changes about it and about the business.
type Case<'a> = (
    &'a str,
    &'a str,
    Category,
    &'a dyn Fn(&mut Scene, &mut Message),
    &'a str,
);

fn cases(cases: &[Case<'_>]) {
    for (case, to, category, change, wanted) in cases {
        let mut scene = Scene::new();
        let mut message = scene.message(to, *category);
        change(&mut scene, &mut message);
        assert_eq!(told(&mut scene, &message), *wanted, "{case}");
    }
}

fn as_is(_: &mut Scene, _: &mut Message) {}

/// M10: every gate that was asked is kept in its order, with the instant, the version of the rules, and the rule that decided.
#[test]
fn what_every_gate_says_is_kept_in_order() {
    let mut scene = Scene::new();
    let message = scene.message(DANA, Promotional);
    let verdict = scene.judge(&message);
    let view: VerdictView = serde_json::from_str(&verdict.text).unwrap();
    assert_eq!(view.at, scene.now.as_microsecond());
    assert_eq!(view.rules, Rules::built_in().version);
    let all: Vec<[&str; 3]> = view
        .said
        .iter()
        .map(|said| [&*said.gate, &*said.says, &*said.rule])
        .collect();
    assert_eq!(
        all,
        [
            ["kill_switch", "pass", ""],
            ["sandbox", "pass", ""],
            ["suppression", "pass", ""],
            ["consent", "pass", "US-1"],
            ["do_not_call", "pass", "US-9"],
            ["number", "pass", ""],
            ["registration", "pass", "US-15"],
            ["caps", "pass", ""],
            ["budget", "pass", ""],
            ["quiet_hours", "pass", ""],
            ["content", "pass", "US-16"],
            ["connection", "pass", ""],
        ]
    );
    assert_eq!((verdict.ruling, verdict.sandbox), (Ruling::Pass, false));
    let hours = &view.said[9].because;
    assert_eq!(
        hours
            .split(", time zones ")
            .next()
            .unwrap_or_default()
            .replace(&Rules::built_in().version, "RULES"),
        "Open everywhere the person may be. 10:00 in America/Denver (area code). Rules RULES"
    );
    assert!(hours.ends_with(": US-6"), "{hours}");
    // A place that is known from two sides names both.
    let lead = scene.lead(|lead| lead.zip = Some("80202".into()));
    let message = Message {
        lead: Some(lead),
        ..message
    };
    let verdict = scene.judge(&message);
    let (.., hours) = said(&verdict, "quiet_hours").unwrap();
    assert!(
        hours.contains(" in America/Denver (postal code, area code). "),
        "{hours}"
    );
}

/// P6, M12: a clock that is not believed, an end of interest and switches come before everything else.
#[test]
fn clock_expiry_and_switches_come_first() {
    let doubtful = |scene: &mut Scene, offers_only| {
        scene.distrust = Some(Distrust {
            because: "The clock was set.".into(),
            offers_only,
            wait: Duration::from_secs(30),
        });
    };
    let step = |message: &mut Message| message.step = Some("welcome@3#1.otherwise.0".into());
    cases(&[
        (
            "nothing stands against it",
            DANA,
            Transactional,
            &as_is,
            PASSES,
        ),
        (
            "a clock that was set",
            DANA,
            Transactional,
            &|scene, _| doubtful(scene, false),
            "clock defer: clock until 2026-11-23T17:00:30Z",
        ),
        (
            "two providers say another time: offers wait",
            DANA,
            Promotional,
            &|scene, _| doubtful(scene, true),
            "clock defer: clock until 2026-11-23T17:00:30Z",
        ),
        (
            "and answers do not",
            DANA,
            Transactional,
            &|scene, _| doubtful(scene, true),
            PASSES,
        ),
        (
            "alerts never wait for the clock",
            RUTH,
            Staff,
            &|scene, _| doubtful(scene, false),
            PASSES,
        ),
        (
            "the instant itself is too late",
            DANA,
            Transactional,
            &|scene, message| message.expires_at = Some(scene.now),
            "expiry block: expired, expired",
        ),
        (
            "a second before is not",
            DANA,
            Transactional,
            &|scene, message| message.expires_at = Some(after(scene.now, 1)),
            PASSES,
        ),
        (
            "all is off",
            DANA,
            Transactional,
            &|scene, _| scene.edit(|tenant| tenant.kill = vec![KillSwitch::All]),
            "kill_switch block: blocked, kill_switch",
        ),
        (
            "texts are off",
            DANA,
            Transactional,
            &|scene, _| {
                scene.edit(|tenant| tenant.kill = vec![KillSwitch::Channel(ChannelKind::Sms)]);
            },
            "kill_switch block: blocked, kill_switch",
        ),
        (
            "mails are off",
            DANA,
            Transactional,
            &|scene, _| {
                scene.edit(|tenant| tenant.kill = vec![KillSwitch::Channel(ChannelKind::Email)]);
            },
            PASSES,
        ),
        (
            "its workflow is off",
            DANA,
            Transactional,
            &|scene, message| {
                step(message);
                scene.edit(|tenant| tenant.kill = vec![KillSwitch::Workflow("welcome".into())]);
            },
            "kill_switch block: blocked, kill_switch",
        ),
        (
            "another workflow is off",
            DANA,
            Transactional,
            &|scene, message| {
                step(message);
                scene.edit(|tenant| tenant.kill = vec![KillSwitch::Workflow("welcom".into())]);
            },
            PASSES,
        ),
        (
            "a person wrote it",
            DANA,
            Transactional,
            &|scene, _| {
                scene.edit(|tenant| tenant.kill = vec![KillSwitch::Workflow("welcome".into())]);
            },
            PASSES,
        ),
        (
            "its workflow is for a share",
            DANA,
            Transactional,
            &|scene, message| {
                step(message);
                let share = Share {
                    workflow: "welcome".into(),
                    percent: 10,
                    back_above: 10,
                    since: 0,
                };
                scene.edit(|tenant| tenant.kill = vec![KillSwitch::Share(share)]);
            },
            PASSES,
        ),
    ]);
    let mut scene = Scene::new();
    scene.edit(|tenant| tenant.kill = vec![KillSwitch::All, KillSwitch::Workflow("x".into())]);
    let message = scene.message(DANA, Transactional);
    let verdict = scene.judge(&message);
    assert_eq!(
        said(&verdict, "kill_switch").unwrap().2,
        "All sending is switched off for this business."
    );
}

/// M12, P12: what stays in the sandbox, and who is reached for real all the same.
#[test]
fn the_sandbox_stands_in_where_nobody_must_be_reached() {
    let whole = |scene: &mut Scene| scene.edit(|tenant| tenant.sandbox = true);
    let tester = |scene: &mut Scene, typed: &str| {
        scene.settings(|settings| settings.sandbox.test_recipients = vec![typed.to_owned()]);
    };
    let hook = |message: &mut Message, name: &str| {
        message.channel = ChannelKind::Webhook;
        message.recipient = name.to_owned();
        message.plan.hook = Some(name.to_owned());
    };
    cases(&[
        (
            "sandbox mode",
            DANA,
            Transactional,
            &|scene, _| whole(scene),
            PLAYED,
        ),
        (
            "a test recipient",
            DANA,
            Transactional,
            &|scene, _| {
                whole(scene);
                tester(scene, "(303) 555-0151");
            },
            PASSES,
        ),
        (
            "another test recipient",
            DANA,
            Transactional,
            &|scene, _| {
                whole(scene);
                tester(scene, "(303) 555-0152");
            },
            PLAYED,
        ),
        (
            "a test recipient of a business that is live",
            DANA,
            Transactional,
            &|scene, _| tester(scene, "(303) 555-0151"),
            PASSES,
        ),
        (
            "a webhook has no test recipients",
            DANA,
            Transactional,
            &|scene, message| {
                whole(scene);
                tester(scene, "(303) 555-0151");
                hook(message, DANA);
                let hook = way(ConnectionId::from_raw(9), ChannelKind::Webhook, DANA);
                scene.edit(|tenant| tenant.connections.push(hook));
            },
            PLAYED,
        ),
        (
            "a lead that tries things out",
            DANA,
            Transactional,
            &|scene, message| message.lead = Some(scene.lead(|lead| lead.test = true)),
            PLAYED,
        ),
        (
            "a lead like others",
            DANA,
            Transactional,
            &|scene, message| message.lead = Some(scene.lead(|_| ())),
            PASSES,
        ),
        (
            "no account for texts",
            DANA,
            Transactional,
            &|scene, _| scene.edit(|tenant| tenant.connections.retain(|way| way.id == MAILS)),
            PLAYED,
        ),
        (
            "a test key",
            DANA,
            Transactional,
            &|_, message| message.sandbox = true,
            PLAYED,
        ),
        (
            "a hook that is not there",
            DANA,
            Transactional,
            &|scene, message| {
                hook(message, "crm");
                let other = way(ConnectionId::from_raw(9), ChannelKind::Webhook, "other");
                scene.edit(|tenant| tenant.connections.push(other));
            },
            PLAYED,
        ),
        (
            "the name of a hook is not that of an account for texts",
            DANA,
            Transactional,
            &|scene, message| {
                hook(message, "texts");
                let other = way(ConnectionId::from_raw(9), ChannelKind::Webhook, "other");
                scene.edit(|tenant| tenant.connections.push(other));
            },
            PLAYED,
        ),
        (
            "a hook that is there",
            DANA,
            Transactional,
            &|scene, message| {
                hook(message, "crm");
                let there = way(ConnectionId::from_raw(9), ChannelKind::Webhook, "crm");
                scene.edit(|tenant| tenant.connections.push(there));
            },
            PASSES,
        ),
    ]);
    let mut scene = Scene::new();
    scene.settings(|settings| settings.sandbox.test_recipients = vec![DANA.to_owned()]);
    let message = scene.message(DANA, Transactional);
    let sandbox =
        |scene: &mut Scene, message: &Message| said(&scene.judge(message), "sandbox").unwrap();
    assert_eq!(sandbox(&mut scene, &message).2, "");
    whole(&mut scene);
    let (says, _, because) = sandbox(&mut scene, &message);
    assert!(
        says == "pass" && because.starts_with("A test recipient"),
        "{because}"
    );
    let other = scene.message("+13035550159", Transactional);
    let (says, _, because) = sandbox(&mut scene, &other);
    assert_eq!(
        (&*says, &*because),
        ("sandbox", "The whole business is in sandbox mode.")
    );
}

/// C5, US-3, US-10, EU-2: each reason holds what it holds, and nothing else.
#[test]
fn suppression_holds_by_its_reason() {
    let all = [Promotional, Transactional, Emergency];
    for (reason, rule, held) in [
        (Suppression::OptedOut, "US-3", &all[..]),
        (Suppression::Unsubscribed, "EU-2", &all[..1]),
        (Suppression::Complained, "EU-2", &all[..1]),
        (Suppression::Bounced, "", &all[..]),
        (Suppression::Blocked, "", &all[..]),
        (Suppression::Listed, "US-10", &all[..]),
    ] {
        for category in all {
            let mut scene = Scene::new();
            let at = scene.now;
            let point = scene.point(DANA);
            point.suppressed = Some(reason);
            point.suppressed_at = Some(at);
            point.suppressed_how = Some("it was said".into());
            let message = scene.message(DANA, category);
            let verdict = scene.judge(&message);
            let (says, by, because) = said(&verdict, "suppression").unwrap();
            if held.contains(&category) {
                assert_eq!((&*says, &*by), ("block", rule), "{reason:?} {category}");
                assert_eq!(
                    because,
                    "On the suppression list since 23 November 2026: it was said"
                );
                assert!(
                    matches!(&verdict.ruling, Ruling::End { status: Status::Blocked, why } if why.code == "suppressed"),
                );
                let answer = Message {
                    plan: crate::messages::Plan {
                        keyword_answer: true,
                        ..message.plan
                    },
                    ..message
                };
                assert_eq!(
                    told(&mut scene, &answer),
                    PASSES,
                    "the one answer to STOP goes"
                );
            } else {
                assert_eq!(says, "pass", "{reason:?} {category}");
            }
        }
    }
}

/// C3: a reply that may mean stop holds offers for a day, and then everything.
#[test]
fn a_doubt_holds_offers_for_a_day_and_then_everything() {
    for (category, hours, wanted) in [
        (
            Promotional,
            0,
            "suppression defer US-3: doubted until 2026-11-24T16:00:00Z",
        ),
        (Transactional, 0, PASSES),
        (
            Promotional,
            24,
            "suppression block US-3: blocked, suppressed",
        ),
        (
            Transactional,
            24,
            "suppression block US-3: blocked, suppressed",
        ),
    ] {
        let mut scene = Scene::new();
        // An hour later, so that the day ends within the open hours.
        let since = after(scene.now, -3600);
        let point = scene.point(DANA);
        point.suppressed = Some(Suppression::Doubted);
        point.suppressed_at = Some(since);
        scene.now = after(since, hours * 3600);
        let message = scene.message(DANA, category);
        assert_eq!(
            told(&mut scene, &message),
            wanted,
            "{category} after {hours} hours"
        );
    }
}

/// C1, C2, US-2, US-3: what answers a person goes on what they gave or allowed, until they take it back or it ends.
#[test]
fn answers_go_on_what_the_person_gave() {
    let knows = |scene: &mut Scene, to: &str, consent| {
        let channel = if to.contains('@') {
            ChannelKind::Email
        } else {
            ChannelKind::Sms
        };
        let point = scene.point(to);
        point.allow(
            channel.code(),
            Purpose::Transactional,
            consent,
            Basis::Written,
            None,
        );
    };
    let ends = |scene: &mut Scene, purpose, seconds| {
        let until = after(scene.now, seconds);
        let point = scene.point(DANA);
        point.allow(0, purpose, Consent::Granted, Basis::Written, Some(until));
    };
    cases(&[
        ("granted", DANA, Transactional, &as_is, PASSES),
        (
            "given in an enquiry",
            DANA,
            Transactional,
            &|scene, _| knows(scene, DANA, Consent::Provided),
            PASSES,
        ),
        (
            "taken back",
            DANA,
            Transactional,
            &|scene, _| knows(scene, DANA, Consent::Revoked),
            "consent block US-3: blocked, no_consent",
        ),
        (
            "never asked",
            DANA,
            Transactional,
            &|scene, _| knows(scene, DANA, Consent::Unasked),
            "consent block US-2: blocked, no_consent",
        ),
        (
            "a stranger",
            "+13035550159",
            Transactional,
            &as_is,
            "consent block US-2: blocked, no_consent",
        ),
        (
            "a mail that a person of the business wrote",
            DANAS_MAIL,
            Transactional,
            &|scene, _| knows(scene, DANAS_MAIL, Consent::Unasked),
            PASSES,
        ),
        (
            "a mail of a workflow",
            DANAS_MAIL,
            Transactional,
            &|scene, message| {
                knows(scene, DANAS_MAIL, Consent::Unasked);
                message.step = Some("welcome@1#0".into());
            },
            "consent block US-2: blocked, no_consent",
        ),
        (
            "ended a moment ago",
            DANA,
            Transactional,
            &|scene, _| ends(scene, Purpose::Transactional, 0),
            "consent block US-2: blocked, no_consent",
        ),
        (
            "ends in a second",
            DANA,
            Transactional,
            &|scene, _| ends(scene, Purpose::Transactional, 1),
            PASSES,
        ),
        (
            "offers that ended",
            DANA,
            Promotional,
            &|scene, _| ends(scene, Purpose::Promotional, 0),
            "consent block US-1: blocked, no_consent",
        ),
        (
            "offers that end in a second",
            DANA,
            Promotional,
            &|scene, _| ends(scene, Purpose::Promotional, 1),
            PASSES,
        ),
        (
            "the answer to a word of a stranger",
            "+13035550159",
            Transactional,
            &|_, message| message.plan.keyword_answer = true,
            PASSES,
        ),
        (
            "a webhook asks nobody",
            DANA,
            Transactional,
            &|scene, message| {
                message.channel = ChannelKind::Webhook;
                message.recipient = "crm".into();
                scene.edit(|tenant| {
                    tenant.connections.push(way(
                        ConnectionId::from_raw(9),
                        ChannelKind::Webhook,
                        "crm",
                    ));
                });
            },
            PASSES,
        ),
    ]);
}

/// US-1, CA-1, UK-1, EU-1, XX-1: an offer goes on a ground that is enough wherever the person may be.
#[test]
fn offers_go_on_a_ground_that_is_enough_there() {
    let on = |scene: &mut Scene, to: &str, basis| {
        let channel = if to.contains('@') {
            ChannelKind::Email
        } else {
            ChannelKind::Sms
        };
        let point = scene.point(to);
        point.allow(
            channel.code(),
            Purpose::Promotional,
            Consent::Granted,
            basis,
            None,
        );
    };
    let lives = |scene: &mut Scene, message: &mut Message, country: &str, zone: &str| {
        message.lead = Some(scene.lead(|lead| {
            lead.phone = None;
            lead.country = Some(country.into());
            lead.time_zone = Some(zone.into());
        }));
    };
    cases(&[
        (
            "in writing",
            DANA,
            Promotional,
            &|scene, _| on(scene, DANA, Basis::Written),
            PASSES,
        ),
        (
            "by word of mouth",
            DANA,
            Promotional,
            &|scene, _| on(scene, DANA, Basis::Verbal),
            "consent block US-1: blocked, no_consent",
        ),
        (
            "taken back",
            DANA,
            Promotional,
            &|scene, _| {
                scene
                    .point(DANA)
                    .consent
                    .set(0, Purpose::Promotional, Consent::Revoked);
            },
            "consent block US-3: blocked, no_consent",
        ),
        (
            "never asked",
            DANA,
            Promotional,
            &|scene, _| {
                scene
                    .point(DANA)
                    .consent
                    .set(0, Purpose::Promotional, Consent::Unasked);
            },
            "consent block US-1: blocked, no_consent",
        ),
        (
            "to answer is not to offer",
            DANA,
            Promotional,
            &|scene, _| {
                scene
                    .point(DANA)
                    .consent
                    .set(0, Purpose::Promotional, Consent::Provided);
            },
            "consent block US-1: blocked, no_consent",
        ),
        (
            "a stranger",
            "+13035550159",
            Promotional,
            &as_is,
            "consent block US-1: blocked, no_consent",
        ),
        (
            "a mail in the United States may be allowed by word of mouth",
            DANAS_MAIL,
            Promotional,
            &|scene, message| {
                on(scene, DANAS_MAIL, Basis::Verbal);
                lives(scene, message, "US", "America/Denver");
            },
            PASSES,
        ),
        (
            "in Britain it may not",
            DANAS_MAIL,
            Promotional,
            &|scene, message| {
                on(scene, DANAS_MAIL, Basis::Verbal);
                scene.now = instant("2026-11-23T12:00:00Z");
                lives(scene, message, "GB", "Europe/London");
            },
            "consent block UK-1: blocked, no_consent",
        ),
        (
            "but by the soft opt-in",
            DANAS_MAIL,
            Promotional,
            &|scene, message| {
                on(scene, DANAS_MAIL, Basis::SoftOptIn);
                scene.now = instant("2026-11-23T12:00:00Z");
                lives(scene, message, "GB", "Europe/London");
            },
            PASSES,
        ),
        (
            "a country without a profile asks for writing",
            DANAS_MAIL,
            Promotional,
            &|scene, message| {
                on(scene, DANAS_MAIL, Basis::Verbal);
                lives(scene, message, "BR", "America/Sao_Paulo");
            },
            "consent block XX-1: blocked, no_consent",
        ),
    ]);
    let mut scene = Scene::new();
    let until = instant("2027-05-01T00:00:00Z");
    scene.point(DANA).allow(
        0,
        Purpose::Promotional,
        Consent::Granted,
        Basis::Written,
        Some(until),
    );
    let message = scene.message(DANA, Promotional);
    let verdict = scene.judge(&message);
    assert_eq!(
        said(&verdict, "consent").unwrap().2,
        "Granted for offers in writing until 1 May 2027."
    );
    scene.now = after(until, 0);
    let verdict = scene.judge(&message);
    assert_eq!(
        said(&verdict, "consent").unwrap().2,
        "The consent to offers by sms ended on 1 May 2027."
    );
}

/// ST-1, EX-1: alerts go to confirmed numbers; emergencies to leads stay off until somebody signs them off.
#[test]
fn alerts_and_emergencies_have_their_own_grounds() {
    let number = |scene: &mut Scene, consent| {
        scene
            .point(RUTH)
            .allow(0, Purpose::Staff, consent, Basis::Keyword, None);
    };
    let sign_off = |scene: &mut Scene, rule: &str| {
        let one = crate::config::settings::SignOff {
            rule: rule.into(),
            by: "Ruth Alder".into(),
            on: "2026-11-01".parse().unwrap(),
            reason: "Gas leaks.".into(),
        };
        scene.settings(|settings| settings.compliance.sign_offs = vec![one]);
    };
    let no = "consent block ST-1: blocked, unconfirmed";
    let off = "consent block EX-1: blocked, no_consent";
    cases(&[
        ("confirmed", RUTH, Staff, &as_is, PASSES),
        (
            "not asked",
            RUTH,
            Staff,
            &|scene, _| number(scene, Consent::Unasked),
            no,
        ),
        (
            "asked",
            RUTH,
            Staff,
            &|scene, _| number(scene, Consent::Provided),
            no,
        ),
        (
            "stopped",
            RUTH,
            Staff,
            &|scene, _| number(scene, Consent::Revoked),
            no,
        ),
        (
            "a number that nobody knows",
            "+13035550159",
            Staff,
            &as_is,
            no,
        ),
        (
            "the question itself",
            RUTH,
            Staff,
            &|scene, message| {
                number(scene, Consent::Provided);
                message.plan.asks_staff = true;
            },
            PASSES,
        ),
        (
            "not even the question after a stop",
            RUTH,
            Staff,
            &|scene, message| {
                number(scene, Consent::Revoked);
                message.plan.asks_staff = true;
            },
            no,
        ),
        (
            "a mail needs no number",
            "ruth@example.com",
            Staff,
            &as_is,
            PASSES,
        ),
        (
            "nobody is reached in the sandbox",
            RUTH,
            Staff,
            &|scene, _| {
                number(scene, Consent::Unasked);
                scene.edit(|tenant| tenant.sandbox = true);
            },
            PLAYED,
        ),
        (
            "an emergency of a lead",
            DANA,
            Emergency,
            &|scene, message| {
                message.lead = Some(scene.lead(|_| ()));
            },
            off,
        ),
        (
            "signed off",
            DANA,
            Emergency,
            &|scene, message| {
                message.lead = Some(scene.lead(|_| ()));
                sign_off(scene, "EX-1");
            },
            PASSES,
        ),
        (
            "something else is signed off",
            DANA,
            Emergency,
            &|scene, message| {
                message.lead = Some(scene.lead(|_| ()));
                sign_off(scene, "EX-2");
            },
            off,
        ),
        (
            "an emergency about a lead to somebody of the staff",
            RUTH,
            Emergency,
            &|scene, message| {
                message.lead = Some(scene.lead(|_| ()));
                message.staff = Some("Ruth Alder".into());
            },
            PASSES,
        ),
        ("an emergency about nobody", DANA, Emergency, &as_is, PASSES),
    ]);
    assert_eq!(
        Point::new(None, Timestamp::UNIX_EPOCH).staff_number(),
        StaffNumber::Unasked
    );
}

/// US-9: national lists are asked where the person may be; what exempts is looked up in what is known.
#[test]
fn national_lists_are_asked_where_the_person_may_be() {
    let list = |country, numbers| NationalList {
        id: 1,
        country,
        as_of: "2026-11-20".parse().unwrap(),
        numbers,
    };
    let asked = |scene: &mut Scene,
                 key: &str,
                 point: &dyn Fn(&mut Point),
                 listed: bool,
                 lead: &dyn Fn(&mut Lead)| {
        scene.world.listed.clear();
        if listed {
            scene.world.listed.insert((Scene::key(key), Region::US));
        }
        point(scene.point(key));
        let lead = scene.lead(|one| lead(one));
        let mut message = scene.message(key, Promotional);
        message.lead = Some(lead);
        scene.turn(|turn, tenant| {
            let key = Scene::key(key);
            let lead = turn.world.lead(lead).map(|state| &state.lead);
            let places = places_of(tenant, &message, lead);
            let asked = ground::Asked {
                key: &key,
                point: turn.world.point(&key),
                lead,
                lists: turn.world.national.get(&tenant.id),
                listed: &turn.world.listed,
                now: turn.now,
            };
            ground::do_not_call(&message, Some(&places), &asked).map(|told| {
                told.map(|ground| ground.because.into_owned())
                    .map_err(|ground| ground.because.into_owned())
            })
        })
    };
    let grant = |consent, basis| {
        move |point: &mut Point| point.allow(0, Purpose::Promotional, consent, basis, None)
    };
    let nothing = |_: &mut Lead| ();
    let mut scene = Scene::new();
    let none: fn(&mut Point) = |point| {
        point
            .consent
            .set(0, Purpose::Transactional, Consent::Unasked);
    };
    // Nothing was imported: what nothing exempts stays.
    let bare = grant(Consent::Granted, Basis::Verbal);
    scene
        .point(DANA)
        .consent
        .set(0, Purpose::Transactional, Consent::Unasked);
    let said = asked(&mut scene, DANA, &bare, false, &nothing)
        .unwrap()
        .unwrap_err();
    assert!(said.starts_with("There is no national list of"), "{said}");
    let tenant = scene.tenant().id;
    scene.world.national.insert(
        tenant,
        Arc::new(vec![list(Region::GB, 1), list(Region::US, 2)]),
    );
    let said = asked(&mut scene, DANA, &bare, false, &nothing)
        .unwrap()
        .unwrap();
    assert!(said.ends_with("which has 2 numbers."), "{said}");
    let said = asked(&mut scene, DANA, &bare, true, &nothing)
        .unwrap()
        .unwrap_err();
    assert!(
        said.starts_with("The number is on the national list"),
        "{said}"
    );
    // In writing; but not what was written and is taken back, nor what was spoken.
    for (consent, basis, exempt) in [
        (Consent::Granted, Basis::Written, true),
        (Consent::Revoked, Basis::Written, false),
        (Consent::Granted, Basis::Verbal, false),
    ] {
        let said = asked(&mut scene, DANA, &grant(consent, basis), true, &nothing).unwrap();
        assert_eq!(said.is_ok(), exempt, "{consent:?} {basis:?}: {said:?}");
    }
    // An enquiry in which the number was given; a consent that was ticked is none.
    for (consent, exempt) in [
        (Consent::Provided, true),
        (Consent::Granted, false),
        (Consent::Unasked, false),
    ] {
        let enquiry = |point: &mut Point| {
            point.allow(
                0,
                Purpose::Promotional,
                Consent::Granted,
                Basis::Verbal,
                None,
            );
            point.consent.set(0, Purpose::Transactional, consent);
        };
        let said = asked(&mut scene, DANA, &enquiry, true, &nothing).unwrap();
        assert_eq!(said.is_ok(), exempt, "{consent:?}: {said:?}");
    }
    none(scene.point(DANA));
    let bought = |lead: &mut Lead| {
        lead.attributes = serde_json::json!({"last_purchase": "2026-01-05T10:00:00Z"});
    };
    let said = asked(&mut scene, DANA, &bare, true, &bought)
        .unwrap()
        .unwrap();
    assert!(said.contains("a purchase on 5 January 2026"), "{said}");
    // A mail is no call, and where no rule is there is no list.
    let mut mail = scene.message(DANAS_MAIL, Promotional);
    mail.lead = Some(scene.lead(|_| ()));
    assert_eq!(told(&mut scene, &mail), PASSES);
    mail.recipient = DANA.into();
    assert!(said_of(&mut scene, &mail, "do_not_call").is_none());
    let said = asked(&mut scene, "+16135550123", &bare, false, &|lead| {
        lead.phone = None;
    });
    assert_eq!(said, None);
    // In Britain nobody needs a list: without one nothing is said, with one it is asked.
    let british = |scene: &mut Scene| {
        asked(
            scene,
            "+447400123456",
            &grant(Consent::Granted, Basis::Written),
            false,
            &|lead| lead.phone = None,
        )
    };
    assert!(matches!(british(&mut scene), Some(Ok(_))));
    scene
        .world
        .national
        .insert(tenant, Arc::new(vec![list(Region::US, 2)]));
    assert_eq!(british(&mut scene), None);
    // Where a person may be in both countries a no of the one is a no, whatever the other says.
    let both = |lead: &mut Lead| lead.country = Some("GB".into());
    let said = asked(&mut scene, DANA, &bare, true, &both).unwrap();
    assert!(said.is_err(), "{said:?}");
    scene.world.national.insert(
        tenant,
        Arc::new(vec![list(Region::US, 2), list(Region::GB, 1)]),
    );
    let said = asked(&mut scene, DANA, &bare, false, &both)
        .unwrap()
        .unwrap();
    assert!(
        said.contains("of the United") && !said.is_empty(),
        "the first of them speaks: {said}"
    );
}

fn said_of(scene: &mut Scene, message: &Message, gate: &str) -> Option<(String, String, String)> {
    said(&scene.judge(message), gate)
}

/// IN-1, IN-2: no text to numbers that take none, nor to countries nobody named.
#[test]
fn texts_go_to_numbers_that_take_them_in_countries_that_were_named() {
    let allow = |scene: &mut Scene, to: &str| {
        scene.point(to).allow(
            0,
            Purpose::Transactional,
            Consent::Granted,
            Basis::Written,
            None,
        );
    };
    let london = "+447400123456";
    cases(&[
        (
            "toll-free",
            "+18005550199",
            Transactional,
            &|scene, _| allow(scene, "+18005550199"),
            "number block IN-2: blocked, number_type",
        ),
        (
            "Britain",
            london,
            Transactional,
            &|scene, _| allow(scene, london),
            "number block IN-1: blocked, number_type",
        ),
        (
            "Britain, named",
            london,
            Transactional,
            &|scene, _| {
                allow(scene, london);
                scene.settings(|settings| settings.compliance.countries = vec![Region::GB]);
            },
            PASSES,
        ),
        (
            "the sandbox reaches no number",
            london,
            Transactional,
            &|scene, _| {
                allow(scene, london);
                scene.edit(|tenant| tenant.sandbox = true);
            },
            PLAYED,
        ),
    ]);
    let mut scene = Scene::new();
    let mail = Message {
        recipient: "+18005550199".into(),
        ..scene.message(DANAS_MAIL, Transactional)
    };
    let found = scene
        .turn(|_, tenant| ground::number(tenant, &mail).map(|ground| ground.because.into_owned()));
    assert_eq!(found, None, "only texts are asked");
}

/// US-15: a text to the United States goes over a registered sender, or not at all.
#[test]
fn texts_to_the_united_states_go_over_a_registered_sender() {
    let missing = || Registration::Missing("register a campaign.".into());
    let unregistered =
        |scene: &mut Scene| scene.edit(|tenant| tenant.connections[0].registration = missing());
    let second = |scene: &mut Scene, change: &dyn Fn(&mut Connection)| {
        let mut other = way(ConnectionId::from_raw(3), ChannelKind::Sms, "second");
        change(&mut other);
        scene.edit(|tenant| tenant.connections.push(other));
    };
    let no = "registration block US-15: blocked, unregistered";
    cases(&[
        (
            "none is registered",
            DANA,
            Transactional,
            &|scene, _| unregistered(scene),
            no,
        ),
        (
            "a second one is",
            DANA,
            Transactional,
            &|scene, _| {
                unregistered(scene);
                second(scene, &|way| {
                    way.registration = Registration::Registered("campaign C1".into());
                });
            },
            PASSES,
        ),
        (
            "the second is waited for while it is off",
            DANA,
            Transactional,
            &|scene, _| {
                unregistered(scene);
                second(scene, &|way| way.enabled = false);
            },
            "connection defer: no_connection until 2026-11-23T17:05:00Z",
        ),
        (
            "a number of another country does not ask",
            "+447400123456",
            Transactional,
            &|scene, _| {
                unregistered(scene);
                scene.settings(|settings| settings.compliance.countries = vec![Region::GB]);
                scene.point("+447400123456").allow(
                    0,
                    Purpose::Transactional,
                    Consent::Granted,
                    Basis::Written,
                    None,
                );
            },
            PASSES,
        ),
        (
            "nor does the sandbox",
            DANA,
            Transactional,
            &|scene, _| {
                unregistered(scene);
                scene.edit(|tenant| tenant.sandbox = true);
            },
            PLAYED,
        ),
    ]);
    let mut scene = Scene::new();
    unregistered(&mut scene);
    second(&mut scene, &|way| way.registration = missing());
    let message = scene.message(DANA, Transactional);
    assert_eq!(
        said_of(&mut scene, &message, "registration").unwrap().2,
        "No connection may text numbers in the United States. Connection texts: register a campaign. Connection second: register a campaign."
    );
    let mail = scene.message(DANAS_MAIL, Transactional);
    assert_eq!(said_of(&mut scene, &mail, "registration"), None);
}

/// C4: hours hold what goes to customers; the place is the person's, the jitter at most twenty minutes and never past the end.
#[test]
fn hours_hold_what_goes_to_customers() {
    let night = |scene: &mut Scene| scene.now = instant("2026-11-24T04:00:00Z");
    let opens = "quiet_hours defer: quiet_hours until 2026-11-24T15:00:00Z";
    let never = "quiet_hours block: blocked, no_common_hour";
    cases(&[
        (
            "an offer at night",
            DANA,
            Promotional,
            &|scene, _| night(scene),
            opens,
        ),
        (
            "an answer at night",
            DANA,
            Transactional,
            &|scene, _| night(scene),
            opens,
        ),
        (
            "an alert at night",
            RUTH,
            Staff,
            &|scene, _| night(scene),
            PASSES,
        ),
        (
            "an emergency at night",
            DANA,
            Emergency,
            &|scene, _| night(scene),
            PASSES,
        ),
        (
            "the answer to a word at night",
            DANA,
            Transactional,
            &|scene, message| {
                night(scene);
                message.plan.keyword_answer = true;
            },
            PASSES,
        ),
        (
            "a webhook at night",
            DANA,
            Transactional,
            &|scene, message| {
                night(scene);
                message.channel = ChannelKind::Webhook;
                message.recipient = "crm".into();
                scene.edit(|tenant| {
                    tenant.connections.push(way(
                        ConnectionId::from_raw(9),
                        ChannelKind::Webhook,
                        "crm",
                    ));
                });
            },
            PASSES,
        ),
        (
            "the direct answer to an act at night",
            DANA,
            Transactional,
            &|scene, message| {
                night(scene);
                message.plan.answers = Some(scene.now.as_microsecond());
            },
            PASSES,
        ),
        (
            "jitter",
            DANA,
            Transactional,
            &|scene, _| {
                night(scene);
                scene.dice.0 = 0.5;
            },
            "quiet_hours defer: quiet_hours until 2026-11-24T15:10:00Z",
        ),
        (
            "jitter that would pass the end of interest",
            DANA,
            Transactional,
            &|scene, message| {
                night(scene);
                scene.dice.0 = 0.5;
                message.expires_at = Some(instant("2026-11-24T15:10:00Z"));
            },
            opens,
        ),
        (
            "jitter that just does not",
            DANA,
            Transactional,
            &|scene, message| {
                night(scene);
                scene.dice.0 = 0.5;
                message.expires_at = Some(instant("2026-11-24T15:10:01Z"));
            },
            "quiet_hours defer: quiet_hours until 2026-11-24T15:10:00Z",
        ),
        (
            "a state that the operator closed",
            DANA,
            Promotional,
            &|scene, message| {
                message.lead = Some(scene.lead(|lead| lead.state = Some("CO".into())));
                scene.settings(|settings| {
                    settings.quiet_hours.closed_states = vec!["CO".parse().unwrap()];
                });
            },
            never,
        ),
        (
            "21:00 where the business chose it",
            DANA,
            Transactional,
            &|scene, _| {
                scene.now = instant("2026-11-24T03:30:00Z");
                scene.settings(|settings| settings.quiet_hours.transactional_until = 21);
            },
            PASSES,
        ),
        (
            "within the wider margin that the business chose",
            DANA,
            Transactional,
            &|scene, _| {
                scene.now = instant("2026-11-24T02:45:00Z");
                scene.settings(|settings| settings.quiet_hours.margin_minutes = 30);
            },
            opens,
        ),
    ]);
    // Where the person may be is looked up in number, lead and, for a mail, the lead's number.
    let zones = |scene: &mut Scene, message: &Message| -> BTreeSet<String> {
        let (.., because) = said_of(scene, message, "quiet_hours").unwrap();
        because
            .split(" in ")
            .skip(1)
            .filter_map(|part| part.split(" (").next())
            .filter(|zone| zone.contains('/'))
            .map(str::to_owned)
            .collect()
    };
    let mut scene = Scene::new();
    let mail = scene.message(DANAS_MAIL, Transactional);
    let lead = scene.lead(|lead| lead.phone = Some("+18085550123".into()));
    let mail = Message {
        lead: Some(lead),
        ..mail
    };
    assert_eq!(
        zones(&mut scene, &mail),
        BTreeSet::from(["Pacific/Honolulu".to_owned()])
    );
    let text = Message {
        lead: Some(lead),
        ..scene.message(DANA, Transactional)
    };
    assert_eq!(
        zones(&mut scene, &text),
        BTreeSet::from(["America/Denver".to_owned()]),
        "the number that is texted counts"
    );
}

/// US-16, US-17: an offer names the business and how to stop; a mail carries an address.
#[test]
fn offers_carry_what_they_must() {
    let no = "content block US-16: blocked, content";
    let dana = |scene: &mut Scene, message: &mut Message| message.lead = Some(scene.lead(|_| ()));
    let wrote = |message: &mut Message, body: &str| message.body = Some(body.into());
    cases(&[
        (
            "both are named",
            DANA,
            Promotional,
            &|_, message| wrote(message, "ALDER PLUMBING: 10 % off. Stop: STOP"),
            PASSES,
        ),
        (
            "no name",
            DANA,
            Promotional,
            &|_, message| wrote(message, "10 % off. Reply STOP to end."),
            no,
        ),
        (
            "no way to stop",
            DANA,
            Promotional,
            &|_, message| wrote(message, "Alder Plumbing: 10 % off"),
            no,
        ),
        (
            "a template closes itself",
            DANA,
            Promotional,
            &|_, message| message.body = None,
            PASSES,
        ),
        (
            "an answer needs neither",
            DANA,
            Transactional,
            &|_, message| wrote(message, "On our way"),
            PASSES,
        ),
        (
            "a mail with an address",
            DANAS_MAIL,
            Promotional,
            &|scene, message| dana(scene, message),
            PASSES,
        ),
        (
            "a mail without one",
            DANAS_MAIL,
            Promotional,
            &|scene, message| {
                dana(scene, message);
                scene.settings(|settings| settings.postal_address = None);
            },
            "content block US-17: blocked, content",
        ),
        (
            "a mail with an empty one",
            DANAS_MAIL,
            Promotional,
            &|scene, message| {
                dana(scene, message);
                scene.settings(|settings| settings.postal_address = Some("  ".into()));
            },
            "content block US-17: blocked, content",
        ),
        (
            "an answer by mail without one",
            DANAS_MAIL,
            Transactional,
            &|scene, message| {
                dana(scene, message);
                scene.settings(|settings| settings.postal_address = None);
            },
            PASSES,
        ),
    ]);
}

/// M5: where no account can carry it, it waits for one; what may have gone out over one that is gone is not asked for again.
#[test]
fn a_message_waits_for_an_account_that_can_carry_it() {
    let in_doubt = |message: &mut Message, connection: i64| {
        message.plan.doubt = Some(Doubt {
            connection: Some(ConnectionId::from_raw(connection)),
            called_at: 0,
            claimed_at: 0,
            since: 0,
            looks: 0,
            absent_at: None,
            calls: 1,
            spent: 0,
            again: false,
            stopped: false,
        });
    };
    let off = "connection defer: no_connection until 2026-11-23T17:05:00Z";
    cases(&[
        (
            "switched off",
            DANA,
            Transactional,
            &|scene, _| scene.edit(|tenant| tenant.connections[0].enabled = false),
            off,
        ),
        (
            "the doubtful account is there",
            DANA,
            Transactional,
            &|_, message| in_doubt(message, 1),
            PASSES,
        ),
        (
            "the doubtful account is gone",
            DANA,
            Transactional,
            &|_, message| in_doubt(message, 8),
            "connection block: blocked, no_connection",
        ),
        (
            "in the sandbox that matters to nobody",
            DANA,
            Transactional,
            &|_, message| {
                in_doubt(message, 8);
                message.sandbox = true;
            },
            PLAYED,
        ),
        (
            "nor is an account asked there",
            DANA,
            Transactional,
            &|scene, message| {
                message.sandbox = true;
                scene.edit(|tenant| tenant.connections[0].enabled = false);
            },
            PLAYED,
        ),
        (
            "no doubt, nothing to ask",
            DANA,
            Transactional,
            &|scene, _| scene.edit(|tenant| tenant.connections[0].enabled = false),
            off,
        ),
    ]);
    // Two rest: the one that is tried first decides.
    let mut scene = Scene::new();
    let other = ConnectionId::from_raw(3);
    scene.edit(|tenant| {
        tenant
            .connections
            .push(way(other, ChannelKind::Sms, "second"));
    });
    let failed = crate::turn::scene::retryable(None);
    for (id, at) in [(TEXTS, after(scene.now, -2)), (other, after(scene.now, -7))] {
        for _ in 0..5 {
            scene.world.breakers.settled(id, None, &failed, at);
        }
    }
    let message = scene.message(DANA, Transactional);
    assert_eq!(
        told(&mut scene, &message),
        "connection defer: rests until 2026-11-23T17:00:23Z"
    );
    let (.., because) = said_of(&mut scene, &message, "connection").unwrap();
    assert!(because.starts_with("Connection second rests"), "{because}");
    scene.now = after(scene.now, 30);
    assert_eq!(told(&mut scene, &message), PASSES, "a probe may go");
}
