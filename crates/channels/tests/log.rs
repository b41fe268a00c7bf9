//! M3: what Twilio's own log says about a text whose answer never came.

#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

mod support;

use ringback_core::messages::{Content, Finding, Outcome, Suppress};
use ringback_core::time::Timestamp;
use serde_json::{Value, json};
use support::{Reply, Server, answer, channel, now, outgoing};

const WORDS: &str = "Hello, we got your request. Zażółć 👍 & more+";

fn since() -> Timestamp {
    now() - jiff::SignedDuration::from_secs(60)
}

/// An entry so many seconds after the call began.
fn entry(after: i64, change: Value) -> Value {
    let at = since() + jiff::SignedDuration::from_secs(after);
    let mut entry = json!({
        "sid": "SM7", "to": "+12065550100", "from": "+15005550006", "body": WORDS, "status": "sent", "direction": "outbound-api",
        "date_created": at.strftime("%a, %d %b %Y %H:%M:%S +0000").to_string(), "messaging_service_sid": null,
        "error_code": null, "price": null, "price_unit": "USD",
    });
    entry
        .as_object_mut()
        .unwrap()
        .extend(change.as_object().unwrap().clone());
    entry
}

fn page(entries: &[Value], next: Option<&str>) -> String {
    json!({"messages": entries, "next_page_uri": next, "page": 0, "page_size": 20}).to_string()
}

async fn finding(entries: &[Value]) -> Finding {
    let server = Server::always(answer("200 OK", &[], &page(entries, None))).await;
    channel("twilio", &server.url())
        .look_up(&outgoing("twilio"), since())
        .await
}

fn word(finding: &Finding) -> String {
    match finding {
        Finding::Found(Outcome::Accepted { reference, .. }) => reference.0.clone(),
        Finding::Found(other) => format!("{other:?}"),
        Finding::Absent => "absent".into(),
        Finding::Unclear { why } => why.code.clone(),
    }
}

#[tokio::test]
async fn one_text_with_the_same_words_since_the_call_is_it() {
    let trial = format!("Sent from your Twilio trial account - {WORDS}");
    for (case, entries, expected) in [
        ("it is there", vec![entry(1, json!({}))], "SM7"),
        ("nothing is there", vec![], "absent"),
        (
            "within the margin of the clocks",
            vec![entry(-4, json!({}))],
            "SM7",
        ),
        (
            "an older one is another",
            vec![entry(-6, json!({}))],
            "absent",
        ),
        (
            "other words",
            vec![entry(1, json!({"body": "Something else"}))],
            "absent",
        ),
        (
            "another sender",
            vec![entry(1, json!({"from": "+15005550007"}))],
            "absent",
        ),
        (
            "what they wrote to us",
            vec![entry(1, json!({"direction": "inbound"}))],
            "absent",
        ),
        (
            "a trial account",
            vec![entry(1, json!({"body": trial}))],
            "SM7",
        ),
        (
            "smart encoding",
            vec![entry(
                1,
                json!({"body": "Hello, we got your request. Zażółć & more+"}),
            )],
            "SM7",
        ),
        (
            "twice",
            vec![entry(1, json!({})), entry(2, json!({}))],
            "several",
        ),
    ] {
        assert_eq!(word(&finding(&entries).await), expected, "{case}");
    }
}

#[tokio::test]
async fn a_text_that_failed_says_why() {
    let found = finding(&[entry(
        1,
        json!({"status": "undelivered", "error_code": 30005}),
    )])
    .await;
    let Finding::Found(Outcome::Permanent { suppress, .. }) = found else {
        panic!("{found:?}");
    };
    assert_eq!(suppress, Suppress::Invalid);
}

/// Proof of absence needs the whole time since the call: pages are followed until they are older.
#[tokio::test]
async fn pages_are_followed_until_they_are_older_than_the_call() {
    let other = || entry(5, json!({"body": "Another"}));
    let next =
        "/2010-04-01/Accounts/AC00000000000000000000000000000001/Messages.json?Page=1&PageToken=x";
    let server = Server::with(move |n| {
        answer(
            "200 OK",
            &[],
            &if n == 0 {
                page(&[other()], Some(next))
            } else {
                page(&[entry(1, json!({}))], None)
            },
        )
    })
    .await;
    let found = channel("twilio", &server.url())
        .look_up(&outgoing("twilio"), since())
        .await;
    assert_eq!(word(&found), "SM7");
    let asked = server.requests();
    assert!(asked[0].head.starts_with("GET /2010-04-01/Accounts/AC00000000000000000000000000000001/Messages.json?To=%2B12065550100&PageSize=20 "), "{}", asked[0].head);
    assert!(
        asked[1].head.starts_with(&format!("GET {next} ")),
        "{}",
        asked[1].head
    );

    let reached = Server::always(answer(
        "200 OK",
        &[],
        &page(&[other(), entry(-60, json!({}))], Some(next)),
    ))
    .await;
    let found = channel("twilio", &reached.url())
        .look_up(&outgoing("twilio"), since())
        .await;
    assert_eq!(
        (word(&found).as_str(), reached.requests().len()),
        ("absent", 1)
    );

    let endless = Server::always(answer("200 OK", &[], &page(&[other()], Some(next)))).await;
    let found = channel("twilio", &endless.url())
        .look_up(&outgoing("twilio"), since())
        .await;
    assert_eq!(
        (word(&found).as_str(), endless.requests().len()),
        ("long_log", 5)
    );
}

/// Twilio's clock counts: when ours is ahead, its dates lie before our call, and it is found all the same.
#[tokio::test]
async fn clocks_that_differ_do_not_hide_it() {
    let theirs = now() - jiff::SignedDuration::from_secs(600);
    let date = theirs.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
    let entries = [entry(-599, json!({}))];
    let server = Server::always(answer("200 OK", &[("date", &date)], &page(&entries, None))).await;
    let found = channel("twilio", &server.url())
        .look_up(&outgoing("twilio"), since())
        .await;
    assert_eq!(word(&found), "SM7");
}

/// A log that cannot be read proves nothing.
#[tokio::test]
async fn a_log_that_cannot_be_read_proves_nothing() {
    for (reply, expected) in [
        (answer("500 Oops", &[], "{}"), "http_500"),
        (answer("401 Unauthorized", &[], "{}"), "http_401"),
        (answer("429 Too Many Requests", &[], "{}"), "http_429"),
        (answer("200 OK", &[], "<html>"), "unreadable"),
        (Reply::Cut(Vec::new()), "closed"),
    ] {
        let server = Server::always(reply).await;
        let found = channel("twilio", &server.url())
            .look_up(&outgoing("twilio"), since())
            .await;
        assert_eq!(word(&found), expected);
    }
    let mail = {
        let mut one = outgoing("twilio");
        one.content = Content::Json {
            event: "x".into(),
            body: "{}".into(),
        };
        one
    };
    let server = Server::always(answer("200 OK", &[], "{}")).await;
    let found = channel("twilio", &server.url())
        .look_up(&mail, since())
        .await;
    assert_eq!(
        (word(&found).as_str(), server.requests().len()),
        ("wrong_kind", 0)
    );
}
