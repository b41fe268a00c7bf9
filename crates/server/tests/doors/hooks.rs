//! What providers send back (H1, C3, M9).

use crate::house::{House, MAIL_SECRET, TOKEN};
use axum::http::StatusCode;
use proptest::prelude::*;
use ringback_channels::testing::{svix, twilio_inbound, twilio_status};
use ringback_core::ids::MessageId;
use ringback_core::messages::{Category, ChannelKind, Status};
use ringback_core::turn::world::{Consent, PointKind, Purpose, Suppression};
use ringback_core::turn::{Answer, Capture, Compose, Intake};
use std::sync::atomic::{AtomicU32, Ordering};

const DANA: &str = "+13035550142";
const OURS: &str = "+13035550100";

/// A lead with a phone number; what the preset says to it goes out at once.
async fn dana(house: &House) -> ringback_core::ids::LeadId {
    let capture = Capture {
        profile: Default::default(),
        phone: Some(ringback_core::contact::Phone::from_e164(DANA).unwrap()),
        email: None,
        anonymous_id: None,
        product: None,
        consents: Vec::new(),
        form: None,
        key: None,
        test: false,
        own_enquiry: true,
        overwrite: ringback_core::leads::Overwrite::Newer,
        ip: None,
    };
    match house
        .app
        .take(house.alder, Intake::Capture(Box::new(capture)), None)
        .await
        .unwrap()
    {
        Answer::Captured(captured) => captured.id,
        other => panic!("{other:?}"),
    }
}

/// A text to Dana, now or in an hour.
async fn text(house: &House, body: &str, in_an_hour: bool) -> MessageId {
    let lead = dana(house).await;
    let now = house.app.now();
    let compose = Compose {
        lead: Some(lead),
        staff: None,
        to: None,
        channel: ChannelKind::Sms,
        category: Category::Transactional,
        body: Some(body.to_owned()),
        subject: None,
        template: None,
        data: serde_json::Value::Null,
        send_at: in_an_hour.then(|| now + jiff::SignedDuration::from_hours(1)),
        actor: "test".to_owned(),
        sandbox: false,
    };
    match house
        .app
        .take(house.alder, Intake::Compose(Box::new(compose)), None)
        .await
        .unwrap()
    {
        Answer::Composed { id, .. } => id,
        other => panic!("{other:?}"),
    }
}

async fn say(house: &House, sid: &str, body: &str) -> crate::house::Answer {
    let url = house.hook_url(house.alder, house.twilio);
    house
        .hook(&twilio_inbound(TOKEN, &url, sid, DANA, OURS, body))
        .await
}

/// M9, H1: reports in any order and any number leave a message that arrived delivered.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn delivered_moves_forward_and_never_back() {
    let house = House::open().await;
    let runtime = tokio::runtime::Handle::current();
    let sids = AtomicU32::new(0);
    let reports = Just(vec![
        "queued",
        "sending",
        "sent",
        "delivered",
        "sent",
        "delivered",
    ])
    .prop_shuffle();
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig {
        cases: 24,
        failure_persistence: None,
        ..ProptestConfig::default()
    });
    tokio::task::block_in_place(|| {
        runner
            .run(&reports, |reports| {
                runtime.block_on(async {
                    // Limits of one person are not what is tested here.
                    house.pass(86_400);
                    let id = text(&house, "We are on our way.", true).await;
                    let url = format!("{}?m={id}", house.hook_url(house.alder, house.twilio));
                    let sid = format!("SM{:032x}", sids.fetch_add(1, Ordering::Relaxed) + 1_000);
                    let mut arrived = false;
                    for report in reports {
                        let answer = house
                            .hook(&twilio_status(TOKEN, &url, &sid, report, None))
                            .await;
                        prop_assert_eq!(answer.status, StatusCode::NO_CONTENT);
                        arrived |= report == "delivered";
                        let status = house.message(house.alder, id).await.status;
                        prop_assert_eq!(
                            status == Status::Delivered,
                            arrived,
                            "after {}: {}",
                            report,
                            status
                        );
                    }
                    Ok(())
                })
            })
            .unwrap();
    });
    house.close().await;
}

/// C3: STOP blocks what waits, with the reason, revokes consent and is confirmed once, however often it is said.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stop_blocks_what_waits_and_is_confirmed_once() {
    let house = House::open().await;
    let id = text(&house, "A reminder of tomorrow.", true).await;
    assert_eq!(
        house.message(house.alder, id).await.status,
        Status::Scheduled
    );
    let answer = say(&house, "SM0001", "STOP").await;
    assert_eq!(
        (answer.status, answer.header("content-type"), answer.text()),
        (StatusCode::OK, Some("text/xml"), "<Response/>")
    );
    // Answered after the commit: it is so already.
    let blocked = house.message(house.alder, id).await;
    assert_eq!(blocked.status, Status::Blocked);
    assert_eq!(
        blocked.why.as_ref().map(|why| why.code.as_str()),
        Some("opted_out")
    );
    let point = house
        .point(house.alder, PointKind::Phone, DANA)
        .await
        .unwrap();
    assert_eq!(point.suppressed, Some(Suppression::OptedOut));
    for purpose in [Purpose::Promotional, Purpose::Transactional] {
        assert_eq!(
            point.consent.get(ChannelKind::Sms.code(), purpose),
            Consent::Revoked
        );
    }
    assert_eq!(say(&house, "SM0001", "STOP").await.status, StatusCode::OK); // the provider repeats itself
    assert_eq!(
        say(&house, "SM0002", "Stop please").await.status,
        StatusCode::OK
    ); // the person does
    house
        .until("the confirmation", async || {
            (!house.far.to(DANA).is_empty()).then_some(())
        })
        .await;
    let confirmations: Vec<_> = house
        .messages(house.alder)
        .await
        .into_iter()
        .filter(|message| message.plan.keyword_answer)
        .collect();
    assert_eq!(confirmations.len(), 1, "{confirmations:?}");
    assert!(house.far.to(DANA)[0].contains("no more messages"));
    house.close().await;
}

/// H1: what is not signed changes nothing and hears nothing, whatever is wrong with it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unsigned_stop_changes_nothing() {
    let house = House::open().await;
    let id = text(&house, "A reminder of tomorrow.", true).await;
    let url = house.hook_url(house.alder, house.twilio);
    let mut unsigned = twilio_inbound(TOKEN, &url, "SM1", DANA, OURS, "STOP");
    unsigned.headers.remove("x-twilio-signature");
    let forged = twilio_inbound("another-token", &url, "SM2", DANA, OURS, "STOP");
    let mut bent = twilio_inbound(TOKEN, &url, "SM3", DANA, OURS, "STAY");
    bent.body = twilio_inbound(TOKEN, &url, "SM3", DANA, OURS, "STOP").body;
    let mut elsewhere = twilio_inbound(TOKEN, &url, "SM4", DANA, OURS, "STOP");
    elsewhere.url = url.replace("p4thsecret", "p4thsecreT");
    let mut nobody = twilio_inbound(TOKEN, &url, "SM5", DANA, OURS, "STOP");
    nobody.url = url.replace("/hooks/", "/hooks/x");
    for (hook, what) in [
        (unsigned, "unsigned"),
        (forged, "forged"),
        (bent, "bent"),
        (elsewhere, "wrong secret"),
        (nobody, "no connection"),
    ] {
        let answer = house.hook(&hook).await;
        assert_eq!(
            (answer.status, answer.body.len()),
            (StatusCode::FORBIDDEN, 0),
            "{what}"
        );
    }
    assert_eq!(
        house.message(house.alder, id).await.status,
        Status::Scheduled
    );
    assert!(
        house
            .point(house.alder, PointKind::Phone, DANA)
            .await
            .unwrap()
            .suppressed
            .is_none()
    );
    // Counted where operators look.
    assert!(
        house
            .app
            .metrics
            .render()
            .contains(r#"outcome="bad_signature""#)
    );
    house.close().await;
}

/// C3: START undoes STOP, HELP is answered, and both say who speaks.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn start_lifts_and_help_answers() {
    let house = House::open().await;
    dana(&house).await;
    say(&house, "SM1", "STOP").await;
    say(&house, "SM2", "START").await;
    let point = house
        .point(house.alder, PointKind::Phone, DANA)
        .await
        .unwrap();
    assert_eq!(point.suppressed, None);
    assert_eq!(
        point
            .consent
            .get(ChannelKind::Sms.code(), Purpose::Transactional),
        Consent::Granted
    );
    assert_eq!(
        point
            .consent
            .get(ChannelKind::Sms.code(), Purpose::Promotional),
        Consent::Revoked
    );
    say(&house, "SM3", "HELP").await;
    house
        .until("the help", async || {
            house
                .far
                .to(DANA)
                .iter()
                .any(|text| text.contains("for help reach us at"))
                .then_some(())
        })
        .await;
    assert!(
        house
            .far
            .to(DANA)
            .iter()
            .any(|text| text.starts_with("Alder Plumbing: you will get our messages again"))
    );
    house.close().await;
}

/// A report on a message that nobody knows, or that is another tenant's, is taken and changes nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reports_on_strangers_change_nothing() {
    let house = House::open().await;
    let id = text(&house, "A reminder of tomorrow.", true).await;
    let at = house.app.now();
    let url = house.hook_url(house.wren, house.mail);
    let body = format!(
        r#"{{"type":"email.delivered","created_at":"{at}","data":{{"email_id":"e1","tags":{{"ringback":"{id}","message":"{id}","m":"{id}"}}}}}}"#
    );
    let hook = svix(MAIL_SECRET, &url, "msg_1", at, &body).unwrap();
    assert_eq!(house.hook(&hook).await.status, StatusCode::NO_CONTENT);
    assert_eq!(
        house.message(house.alder, id).await.status,
        Status::Scheduled
    );
    // The same one hour later is a replay.
    house.pass(3_600);
    let answer = house.hook(&hook).await;
    assert_eq!(
        (answer.status, answer.body.len()),
        (StatusCode::FORBIDDEN, 0)
    );
    let unknown = format!(
        "{}?m=msg_0000000000000",
        house.hook_url(house.alder, house.twilio)
    );
    assert_eq!(
        house
            .hook(&twilio_status(TOKEN, &unknown, "SM9", "delivered", None))
            .await
            .status,
        StatusCode::NO_CONTENT
    );
    house.close().await;
}

/// Rightly signed and unreadable is the provider's mistake; more than a megabyte is nobody's webhook.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unreadable_and_oversized_webhooks_are_refused() {
    let house = House::open().await;
    let url = house.hook_url(house.wren, house.mail);
    let broken = svix(MAIL_SECRET, &url, "msg_2", house.app.now(), "no json").unwrap();
    assert_eq!(house.hook(&broken).await.status, StatusCode::BAD_REQUEST);
    let large = svix(
        MAIL_SECRET,
        &url,
        "msg_3",
        house.app.now(),
        &"x".repeat(1 << 21),
    )
    .unwrap();
    assert_eq!(
        house.hook(&large).await.status,
        StatusCode::PAYLOAD_TOO_LARGE
    );
    house.close().await;
}
