//! M9, H1: what providers report, in our words. Unknown kinds come to nothing, and no proven bytes make us stumble.

#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

mod support;

use bytes::Bytes;
use proptest::prelude::*;
use ringback_channels::{Channel, HookError, RawHook, open, sandbox, testing};
use ringback_core::messages::{
    ChannelKind, Fact, HookEvent, Inbound, Report, Reported, Status, Suppress,
};
use std::sync::Arc;
use support::{AUTH_TOKEN, PROOF, SENDGRID, TOPIC, WHSEC, http, message_id, now, settings};

const URL: &str = "https://leads.example.test/hooks/con_1/secret";

fn opened(provider: &str) -> Arc<dyn Channel> {
    open(
        provider,
        &settings(provider, "https://api.example.com"),
        &http(),
    )
    .unwrap()
}

fn reports(events: Vec<HookEvent>) -> Vec<Report> {
    events
        .into_iter()
        .map(|event| match event {
            HookEvent::Report(report) => report,
            other => panic!("{other:?}"),
        })
        .collect()
}

/// What is left of a report for a table: content, suppression, and the reason's code.
fn gist(reports: &[Report]) -> Vec<(Reported, Suppress, Option<&str>)> {
    reports
        .iter()
        .map(|one| {
            (
                one.what,
                one.suppress,
                one.why.as_ref().map(|why| why.code.as_str()),
            )
        })
        .collect()
}

use Reported::{Fact as F, Status as S};

#[test]
fn twilios_reports_come_in_our_words() {
    let channel = opened("twilio");
    let url = format!("{URL}?m={}", message_id());
    let none = Suppress::No;
    for (status, error, expected) in [
        ("queued", None, vec![(S(Status::Accepted), none, None)]),
        ("accepted", None, vec![(S(Status::Accepted), none, None)]),
        ("sending", None, vec![(S(Status::Accepted), none, None)]),
        (
            "sent",
            None,
            vec![
                (S(Status::Accepted), none, None),
                (F(Fact::Sent), none, None),
            ],
        ),
        ("delivered", None, vec![(S(Status::Delivered), none, None)]),
        (
            "partially_delivered",
            None,
            vec![(S(Status::Delivered), none, None)],
        ),
        (
            "read",
            None,
            vec![
                (S(Status::Delivered), none, None),
                (F(Fact::Opened), none, None),
            ],
        ),
        ("canceled", None, vec![(S(Status::Cancelled), none, None)]),
        ("failed", None, vec![(S(Status::Failed), none, None)]),
        (
            "undelivered",
            Some("30003"),
            vec![(S(Status::Failed), none, Some("30003"))],
        ),
        (
            "undelivered",
            Some("30004"),
            vec![(S(Status::Bounced), Suppress::Blocked, Some("30004"))],
        ),
        (
            "undelivered",
            Some("30005"),
            vec![(S(Status::Bounced), Suppress::Invalid, Some("30005"))],
        ),
        (
            "undelivered",
            Some("30006"),
            vec![(S(Status::Bounced), Suppress::Invalid, Some("30006"))],
        ),
        (
            "undelivered",
            Some("30007"),
            vec![(S(Status::Failed), none, Some("30007"))],
        ),
        (
            "failed",
            Some("21610"),
            vec![(S(Status::Blocked), Suppress::OptedOut, Some("21610"))],
        ),
        (
            "failed",
            Some("30036"),
            vec![(S(Status::Expired), none, Some("30036"))],
        ),
        (
            "failed",
            Some("30034"),
            vec![(S(Status::Failed), none, Some("30034"))],
        ),
        (
            "failed",
            Some("99999"),
            vec![(S(Status::Failed), none, Some("99999"))],
        ),
        ("failed", Some("x"), vec![(S(Status::Failed), none, None)]),
        ("something_new", None, vec![]),
    ] {
        let hook = testing::twilio_status(AUTH_TOKEN, &url, "SM1", status, error);
        let found = reports(channel.read(&hook, now()).unwrap());
        assert_eq!(gist(&found), expected, "{status} {error:?}");
        for report in &found {
            assert_eq!(report.message, Some(message_id()));
            assert_eq!(report.reference.as_ref().unwrap().0, "SM1");
            assert_eq!(report.at, now());
        }
        let again = reports(channel.read(&hook, now()).unwrap());
        assert_eq!(again, found, "a repeated report is the same report");
        let mut keys: Vec<_> = found.iter().map(|one| &one.dedup).collect();
        keys.dedup();
        assert_eq!(keys.len(), found.len(), "and two facts are two");
    }
}

#[test]
fn what_people_write_back_arrives_with_its_opt_out() {
    let channel = opened("twilio");
    let hook = testing::twilio_inbound(
        AUTH_TOKEN,
        URL,
        "SM2",
        "+12065550100",
        "+15005550006",
        "Stop 👋",
    );
    assert_eq!(
        channel.read(&hook, now()).unwrap(),
        [HookEvent::Inbound(Inbound {
            dedup: "SM2".into(),
            channel: ChannelKind::Sms,
            from: "+12065550100".into(),
            to: "+15005550006".into(),
            body: "Stop 👋".into(),
            answered_by_provider: false,
            at: now(),
        })]
    );
    for (fields, answered) in [
        (vec![("OptOutType", "STOP")], true),
        (vec![("OptOutType", "")], false),
        (vec![], false),
    ] {
        let mut all = vec![
            ("MessageSid", "SM3"),
            ("SmsStatus", "received"),
            ("From", "+12065550100"),
            ("To", "+15005550006"),
            ("Body", ""),
        ];
        all.extend(fields);
        let hook = testing::twilio_form(AUTH_TOKEN, URL, &all);
        let events = channel.read(&hook, now()).unwrap();
        let [HookEvent::Inbound(inbound)] = &events[..] else {
            panic!("{events:?}")
        };
        assert_eq!(inbound.answered_by_provider, answered);
    }
    let long = "x".repeat(20_000);
    let hook = testing::twilio_inbound(
        AUTH_TOKEN,
        URL,
        "SM4",
        "+12065550100",
        "+15005550006",
        &long,
    );
    let events = channel.read(&hook, now()).unwrap();
    let [HookEvent::Inbound(inbound)] = &events[..] else {
        panic!()
    };
    assert_eq!(inbound.body.len(), 10_000);
    let other = testing::twilio_inbound(
        AUTH_TOKEN,
        URL,
        "SM5",
        "whatsapp:+12065550100",
        "whatsapp:+1",
        "hi",
    );
    assert_eq!(channel.read(&other, now()).unwrap(), []);
}

fn resend_event(kind: &str, extra: &str) -> RawHook {
    let body = format!(
        r#"{{"type":"{kind}","created_at":"2026-01-01T00:00:01.500Z","data":{{"email_id":"e-1","created_at":"2025-12-31T23:59:58.000Z","from":"Acme <hello@example.test>","to":["lead@example.test"],"subject":"Hello","tags":{{"message_ref":"{}"}}{extra}}}}}"#,
        message_id()
    );
    testing::svix(WHSEC, URL, "msg_1", now(), &body).unwrap()
}

#[test]
fn resends_events_come_in_our_words() {
    let channel = opened("resend");
    let none = Suppress::No;
    for (kind, extra, expected) in [
        (
            "email.scheduled",
            "",
            vec![(S(Status::Accepted), none, None)],
        ),
        (
            "email.sent",
            "",
            vec![
                (S(Status::Accepted), none, None),
                (F(Fact::Sent), none, None),
            ],
        ),
        (
            "email.delivered",
            "",
            vec![(S(Status::Delivered), none, None)],
        ),
        (
            "email.delivery_delayed",
            "",
            vec![(F(Fact::Delayed), none, None)],
        ),
        ("email.opened", "", vec![(F(Fact::Opened), none, None)]),
        (
            "email.clicked",
            r#","click":{"link":"https://example.test"}"#,
            vec![(F(Fact::Clicked), none, None)],
        ),
        (
            "email.complained",
            "",
            vec![(F(Fact::Complained), Suppress::Complained, Some("complaint"))],
        ),
        (
            "email.bounced",
            r#","bounce":{"type":"Permanent","subType":"General","message":"550"}"#,
            vec![(
                S(Status::Bounced),
                Suppress::Invalid,
                Some("Permanent/General"),
            )],
        ),
        (
            "email.bounced",
            r#","bounce":{"type":"Transient","subType":"MailboxFull"}"#,
            vec![(S(Status::Failed), none, Some("Transient/MailboxFull"))],
        ),
        (
            "email.bounced",
            "",
            vec![(S(Status::Failed), none, Some("/"))],
        ),
        (
            "email.suppressed",
            r#","suppressed":{"reason":"previous_bounce"}"#,
            vec![(
                S(Status::Blocked),
                Suppress::Invalid,
                Some("previous_bounce"),
            )],
        ),
        (
            "email.suppressed",
            r#","suppressed":{"reason":"previous_complaint"}"#,
            vec![(
                S(Status::Blocked),
                Suppress::Complained,
                Some("previous_complaint"),
            )],
        ),
        (
            "email.failed",
            r#","failed":{"reason":"reached_daily_quota"}"#,
            vec![(S(Status::Failed), none, Some("reached_daily_quota"))],
        ),
        ("contact.updated", "", vec![]),
        ("email.something_new", "", vec![]),
    ] {
        let found = reports(channel.read(&resend_event(kind, extra), now()).unwrap());
        assert_eq!(gist(&found), expected, "{kind}");
        for report in &found {
            assert_eq!(report.message, Some(message_id()));
            assert_eq!(report.reference.as_ref().unwrap().0, "e-1");
            assert_eq!(report.at.to_string(), "2026-01-01T00:00:01.5Z");
            assert!(report.dedup.starts_with("msg_1"));
        }
    }
    let reply = channel
        .read(&resend_event("email.received", ""), now())
        .unwrap();
    let [HookEvent::Inbound(inbound)] = &reply[..] else {
        panic!("{reply:?}")
    };
    assert_eq!(
        (inbound.from.as_str(), inbound.body.as_str()),
        ("hello@example.test", "Hello")
    );
}

#[test]
fn proven_nonsense_is_malformed_and_not_believed() {
    let channel = opened("resend");
    for body in ["", "{", "[]", "null", r#"{"type":7}"#] {
        let hook = testing::svix(WHSEC, URL, "msg_1", now(), body).unwrap();
        assert!(
            matches!(channel.read(&hook, now()), Err(HookError::Malformed(_))),
            "{body}"
        );
    }
}

#[test]
fn the_events_of_ses_come_in_our_words() {
    let sns = testing::Sns::new(TOPIC);
    let channel = sns
        .channel(&settings("ses", "https://email.example.com"), &http())
        .unwrap();
    let none = Suppress::No;
    let mail = format!(
        r#""mail":{{"timestamp":"2025-12-31T23:59:58.000Z","messageId":"0100-1","tags":{{"message_ref":["{}"]}}}}"#,
        message_id()
    );
    for (kind, extra, expected) in [
        (
            "Send",
            r#""send":{}"#,
            vec![
                (S(Status::Accepted), none, None),
                (F(Fact::Sent), none, None),
            ],
        ),
        (
            "Delivery",
            r#""delivery":{"timestamp":"2026-01-01T00:00:00.000Z"}"#,
            vec![(S(Status::Delivered), none, None)],
        ),
        (
            "DeliveryDelay",
            r#""deliveryDelay":{"delayType":"MailboxFull"}"#,
            vec![(F(Fact::Delayed), none, None)],
        ),
        ("Open", r#""open":{}"#, vec![(F(Fact::Opened), none, None)]),
        (
            "Click",
            r#""click":{"link":"https://example.test"}"#,
            vec![(F(Fact::Clicked), none, None)],
        ),
        (
            "Bounce",
            r#""bounce":{"bounceType":"Permanent","bounceSubType":"General","bouncedRecipients":[{"status":"5.1.1"}]}"#,
            vec![(
                S(Status::Bounced),
                Suppress::Invalid,
                Some("Permanent/General 5.1.1"),
            )],
        ),
        (
            "Bounce",
            r#""bounce":{"bounceType":"Permanent","bounceSubType":"OnAccountSuppressionList","bouncedRecipients":[]}"#,
            vec![(
                S(Status::Blocked),
                Suppress::Invalid,
                Some("Permanent/OnAccountSuppressionList"),
            )],
        ),
        (
            "Bounce",
            r#""bounce":{"bounceType":"Transient","bounceSubType":"MailboxFull"}"#,
            vec![(S(Status::Failed), none, Some("Transient/MailboxFull"))],
        ),
        (
            "Complaint",
            r#""complaint":{"complaintFeedbackType":"abuse","timestamp":"2026-01-01T00:00:00.000Z"}"#,
            vec![(F(Fact::Complained), Suppress::Complained, Some("abuse"))],
        ),
        (
            "Complaint",
            r#""complaint":{"complaintFeedbackType":"not-spam"}"#,
            vec![],
        ),
        (
            "Reject",
            r#""reject":{"reason":"Bad content"}"#,
            vec![(S(Status::Failed), none, Some("Reject"))],
        ),
        (
            "Rendering Failure",
            r#""failure":{}"#,
            vec![(S(Status::Failed), none, Some("Rendering Failure"))],
        ),
        (
            "Subscription",
            r#""subscription":{"newTopicPreferences":{"unsubscribeAll":true}}"#,
            vec![(
                F(Fact::Unsubscribed),
                Suppress::OptedOut,
                Some("unsubscribed"),
            )],
        ),
        (
            "Subscription",
            r#""subscription":{"newTopicPreferences":{"unsubscribeAll":false}}"#,
            vec![],
        ),
        ("SomethingNew", r#""new":{}"#, vec![]),
    ] {
        for dialect in ["eventType", "notificationType"] {
            let text = format!(r#"{{"{dialect}":"{kind}",{mail},{extra}}}"#);
            let hook = sns.notification(URL, "sns-1", now(), &text);
            let found = reports(channel.read(&hook, now()).unwrap());
            assert_eq!(gist(&found), expected, "{kind}");
            for report in &found {
                assert_eq!(report.message, Some(message_id()));
                assert_eq!(report.reference.as_ref().unwrap().0, "0100-1");
                assert!(report.dedup.starts_with("sns-1"));
            }
        }
    }
    for text in [
        "",
        "Successfully validated SNS topic for Amazon SES event publishing.",
        "{}",
        "null",
    ] {
        let hook = sns.notification(URL, "sns-1", now(), text);
        assert_eq!(channel.read(&hook, now()), Ok(Vec::new()), "{text}");
    }
}

#[test]
fn sendgrids_events_come_in_our_words() {
    let channel = opened("sendgrid");
    let none = Suppress::No;
    for (kind, extra, expected) in [
        ("processed", "", Some((S(Status::Accepted), none, None))),
        (
            "deferred",
            r#","response":"400 try again later","attempt":"5""#,
            Some((F(Fact::Delayed), none, None)),
        ),
        (
            "delivered",
            r#","response":"250 OK""#,
            Some((S(Status::Delivered), none, None)),
        ),
        (
            "bounce",
            r#","type":"bounce","bounce_classification":"Invalid Address","status":"5.1.1""#,
            Some((
                S(Status::Bounced),
                Suppress::Invalid,
                Some("bounce/Invalid Address 5.1.1"),
            )),
        ),
        (
            "bounce",
            r#","type":"bounce","bounce_classification":"Mailbox Unavailable","status":"5.2.2""#,
            Some((
                S(Status::Bounced),
                none,
                Some("bounce/Mailbox Unavailable 5.2.2"),
            )),
        ),
        (
            "bounce",
            r#","type":"bounce","bounce_classification":"Unclassified","status":"5.1.10""#,
            Some((
                S(Status::Bounced),
                Suppress::Invalid,
                Some("bounce/Unclassified 5.1.10"),
            )),
        ),
        (
            "bounce",
            r#","type":"bounce","status":"5.7.1""#,
            Some((S(Status::Bounced), none, Some("bounce/ 5.7.1"))),
        ),
        (
            "bounce",
            r#","type":"blocked","bounce_classification":"Reputation","status":"5.1.1""#,
            Some((S(Status::Failed), none, Some("blocked/Reputation 5.1.1"))),
        ),
        (
            "dropped",
            r#","reason":"Bounced Address""#,
            Some((
                S(Status::Blocked),
                Suppress::Invalid,
                Some("Bounced Address"),
            )),
        ),
        (
            "dropped",
            r#","reason":"Unsubscribed Address""#,
            Some((
                S(Status::Blocked),
                Suppress::OptedOut,
                Some("Unsubscribed Address"),
            )),
        ),
        (
            "dropped",
            r#","reason":"Spam Reporting Address""#,
            Some((
                S(Status::Blocked),
                Suppress::Complained,
                Some("Spam Reporting Address"),
            )),
        ),
        (
            "dropped",
            r#","reason":"Invalid""#,
            Some((S(Status::Blocked), Suppress::Invalid, Some("Invalid"))),
        ),
        (
            "dropped",
            r#","reason":"Spam Content (if spam checker app enabled)""#,
            Some((
                S(Status::Failed),
                none,
                Some("Spam Content (if spam checker app enabled)"),
            )),
        ),
        (
            "dropped",
            "",
            Some((S(Status::Failed), none, Some("dropped"))),
        ),
        ("open", "", Some((F(Fact::Opened), none, None))),
        ("open", r#","sg_machine_open":true"#, None),
        (
            "click",
            r#","url":"https://example.test""#,
            Some((F(Fact::Clicked), none, None)),
        ),
        (
            "spamreport",
            "",
            Some((
                F(Fact::Complained),
                Suppress::Complained,
                Some("spamreport"),
            )),
        ),
        (
            "unsubscribe",
            "",
            Some((
                F(Fact::Unsubscribed),
                Suppress::OptedOut,
                Some("unsubscribe"),
            )),
        ),
        (
            "group_unsubscribe",
            r#","asm_group_id":7"#,
            Some((
                F(Fact::Unsubscribed),
                Suppress::OptedOut,
                Some("group_unsubscribe"),
            )),
        ),
        ("group_resubscribe", r#","asm_group_id":7"#, None),
        (
            "account_status_change",
            r#","type":"compliance_suspend""#,
            None,
        ),
        ("something_new", "", None),
    ] {
        let event = format!(
            r#"{{"email":"lead@example.test","timestamp":1767225601,"event":"{kind}","sg_event_id":"e-1","sg_message_id":"14c5d75ce93.dfd.64b469.recvd-5f-0.0","message_ref":"{}"{extra}}}"#,
            message_id()
        );
        // What cannot be read stands between two that can, and loses neither.
        let hook = SENDGRID.events(URL, now(), &format!("[{event},\r\n7,{{}},{event}]\r\n"));
        let found = reports(channel.read(&hook, now()).unwrap());
        let twice: Vec<_> = expected.into_iter().chain(expected).collect();
        assert_eq!(gist(&found), twice, "{kind} {extra}");
        for report in &found {
            assert_eq!(report.message, Some(message_id()));
            assert_eq!(
                report.reference.as_ref().unwrap().0,
                "14c5d75ce93.dfd.64b469"
            );
            assert_eq!(report.at.to_string(), "2026-01-01T00:00:01Z");
            assert_eq!(report.dedup, "e-1");
        }
    }
    let bare = SENDGRID.events(URL, now(), r#"[{"event":"delivered"},{"event":"open"}]"#);
    let found = reports(channel.read(&bare, now()).unwrap());
    assert_eq!(
        (found[0].message, &found[0].reference, found[0].at),
        (None, &None, now())
    );
    assert_ne!(
        found[0].dedup, found[1].dedup,
        "without an id of its own, the event itself tells"
    );
    for body in ["", "{", "{}", "null", "7"] {
        let hook = SENDGRID.events(URL, now(), body);
        assert!(
            matches!(channel.read(&hook, now()), Err(HookError::Malformed(_))),
            "{body}"
        );
    }
}

#[test]
fn channels_that_hear_nothing_say_so() {
    let hook = testing::twilio_status(AUTH_TOKEN, URL, "SM1", "sent", None);
    for channel in [
        opened("webhook"),
        sandbox(ChannelKind::Sms),
        sandbox(ChannelKind::Email),
    ] {
        assert!(matches!(
            channel.read(&hook, now()),
            Err(HookError::NotConfigured(_))
        ));
        assert_eq!(
            channel.capabilities().reports,
            ringback_channels::Reports::default()
        );
    }
}

proptest! {
    /// Hostile input: any bytes in any field, signed or not, end in an answer.
    #[test]
    fn no_bytes_make_a_door_stumble(body in proptest::collection::vec(any::<u8>(), 0..300), text in ".{0,200}") {
        let twilio = opened("twilio");
        let hook = testing::twilio_form(AUTH_TOKEN, URL, &[("MessageSid", &text), ("MessageStatus", &text), ("ErrorCode", &text), ("From", &text), ("To", &text)]);
        let _events = twilio.read(&hook, now()).unwrap();
        let forged = RawHook { body: Bytes::from(body.clone()), ..hook };
        prop_assert_eq!(twilio.read(&forged, now()), Err(HookError::BadSignature));
        let resend = opened("resend");
        let _read = resend.read(&testing::svix(WHSEC, URL, "msg_1", now(), &text).unwrap(), now());
        let sendgrid = opened("sendgrid");
        let signed = SENDGRID.events(URL, now(), &text);
        let _read = sendgrid.read(&signed, now());
        let forged_events = RawHook { body: Bytes::from(body.clone()), ..signed };
        if body != text.as_bytes() {
            prop_assert_eq!(sendgrid.read(&forged_events, now()), Err(HookError::BadSignature));
        }
        let sms = opened("http_sms");
        for words in [text.clone(), format!(r#"{{"id":{0},"status":{0},"code":{0},"text":{0},"from":{0}}}"#, serde_json::Value::from(text.as_str()))] {
            let signed = testing::signed_json(PROOF, URL, ("x-signature", "x-timestamp"), now(), &words);
            for event in sms.read(&signed, now()).unwrap_or_default() {
                let HookEvent::Inbound(inbound) = event else { panic!("{event:?}") };
                prop_assert!(inbound.dedup.chars().count() <= 200);
            }
            let forged = RawHook { body: Bytes::from(body.clone()), ..signed };
            if body != words.as_bytes() {
                prop_assert_eq!(sms.read(&forged, now()), Err(HookError::BadSignature));
            }
        }
        let ses = opened("ses");
        let raw = RawHook { body: Bytes::from(body), ..forged };
        prop_assert_eq!(ses.read(&raw, now()), Err(HookError::BadSignature));
    }
}
