//! N1: any SMS provider by its settings. What is posted, how its answers are read, and what it may tell us.

#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

mod support;

use Reported::{Fact as F, Status as S};
use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use ringback_channels::{Channel, HookError, RawHook, Repeat, open, testing};
use ringback_core::messages::{Content, Fact, HookEvent, Outcome, Reported, Status, Suppress};
use serde_json::{Value, json};
use std::{collections::BTreeMap, sync::Arc};
use support::{PROOF, Reply, Server, answer, http, map, message_id, now, outgoing, settings};

const URL: &str = "https://leads.example.test/hooks/con_1/secret";

/// The settings of the tests with some of them changed; an empty value takes one out.
fn changed(base: &str, changes: &[(&str, &str)]) -> BTreeMap<String, String> {
    let mut all = settings("http_sms", base);
    all.extend(map(changes));
    all
}

fn opened(base: &str, changes: &[(&str, &str)]) -> Arc<dyn Channel> {
    open("http_sms", &changed(base, changes), &http()).unwrap_or_else(|error| panic!("{error}"))
}

async fn outcome_of(reply: Reply, changes: &[(&str, &str)]) -> Outcome {
    let server = Server::always(reply).await;
    let outcome = opened(&server.url(), changes)
        .send(&outgoing("http_sms"))
        .await;
    assert_eq!(server.requests().len(), 1, "exactly one request");
    outcome
}

/// What an outcome comes to, for a table: its kind, and what it says about the number.
fn gist(outcome: &Outcome) -> (&'static str, Suppress) {
    match outcome {
        Outcome::Delivered { .. } => ("delivered", Suppress::No),
        Outcome::Accepted { .. } => ("accepted", Suppress::No),
        Outcome::Retryable { .. } => ("retry", Suppress::No),
        Outcome::Misconfigured { .. } => ("config", Suppress::No),
        Outcome::Permanent { suppress, .. } => ("permanent", *suppress),
        Outcome::Unknown { .. } => ("unknown", Suppress::No),
    }
}

fn post(kind: &'static str, headers: &[(&str, &str)], body: &str) -> RawHook {
    let mut map: HeaderMap = headers
        .iter()
        .map(|(name, value)| {
            (
                name.parse::<HeaderName>().unwrap(),
                HeaderValue::from_str(value).unwrap(),
            )
        })
        .collect();
    map.insert("content-type", HeaderValue::from_static(kind));
    RawHook {
        method: Method::POST,
        url: format!("{URL}?m={}", message_id()),
        headers: map,
        body: Bytes::copy_from_slice(body.as_bytes()),
    }
}

/// A post to the connection of the tests, rightly signed.
fn signed(body: &str) -> RawHook {
    testing::signed_json(
        PROOF,
        &format!("{URL}?m={}", message_id()),
        ("x-signature", "x-timestamp"),
        now(),
        body,
    )
}

const ACCEPTED: &str = r#"{"data": {"id": "p-1"}}"#;

#[tokio::test]
async fn a_text_is_posted_as_the_settings_say() {
    let server = Server::always(answer("200 OK", &[], ACCEPTED)).await;
    let message = outgoing("http_sms");
    let Content::Text { body: text } = &message.content else {
        unreachable!()
    };
    let callback = format!("{URL}?m={}", message_id());
    let outcome = opened(&server.url(), &[]).send(&message).await;
    let Outcome::Accepted { reference, cost } = outcome else {
        panic!("{outcome:?}")
    };
    assert_eq!((reference.0.as_str(), cost), ("p-1", None));
    let seen = server.requests().pop().unwrap();
    assert!(
        seen.head.starts_with("POST /messages HTTP/1.1"),
        "{}",
        seen.head
    );
    assert_eq!(seen.header("authorization"), Some("Bearer made-up-key"));
    assert_eq!(seen.header("content-type"), Some("application/json"));
    assert!(seen.header("user-agent").unwrap().starts_with("ringback/"));
    let body: Value = serde_json::from_slice(&seen.body).unwrap();
    assert_eq!(
        body,
        json!({"to": "+12065550100", "from": "+15005550006", "text": text, "hook": callback,
               "ids": [message_id().to_string(), message.attempt.to_string()]})
    );
    // As a form.
    let form = opened(
        &server.url(),
        &[
            ("method", "PUT"),
            ("format", "form"),
            (
                "body",
                "api_key={{secret}}&dst={{to_digits}}&text={{text}}&fixed=a%26b&url={{report_url}}",
            ),
            (
                "headers",
                r#"{"X-Account": "{{user}}", "Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}"#,
            ),
            ("user", "acme"),
        ],
    );
    assert_eq!(gist(&form.send(&message).await).0, "accepted");
    let seen = server.requests().pop().unwrap();
    assert!(seen.head.starts_with("PUT /messages "));
    assert_eq!(seen.header("x-account"), Some("acme"));
    assert_eq!(
        seen.header("content-type"),
        Some("application/x-www-form-urlencoded; charset=utf-8")
    );
    let fields: Vec<(String, String)> = url::form_urlencoded::parse(&seen.body)
        .into_owned()
        .collect();
    let expected = [
        ("api_key", "made-up-key"),
        ("dst", "12065550100"),
        ("text", text),
        ("fixed", "a&b"),
        ("url", &callback),
    ];
    assert_eq!(
        fields,
        expected.map(|(name, value)| (name.to_owned(), value.to_owned()))
    );
    // Everything in the address.
    let get = opened(
        &server.url(),
        &[
            ("method", "GET"),
            (
                "url",
                &format!(
                    "{}/v1/{{{{user}}}}/send?to={{{{to}}}}&text={{{{text}}}}&from={{{{from}}}}&r={{{{report_url}}}}",
                    server.url()
                ),
            ),
            ("body", ""),
            ("user", "a/../b?c#d"),
        ],
    );
    assert_eq!(gist(&get.send(&message).await).0, "accepted");
    let seen = server.requests().pop().unwrap();
    let target = seen.head.split(' ').nth(1).unwrap();
    let url = url::Url::parse(&format!("http://host{target}")).unwrap();
    assert_eq!(url.path(), "/v1/a%2F..%2Fb%3Fc%23d/send");
    let fields: Vec<(String, String)> = url.query_pairs().into_owned().collect();
    assert_eq!(fields[1], ("text".to_owned(), text.clone()));
    assert_eq!(
        (fields.len(), seen.body.len(), seen.header("content-type")),
        (4, 0, None)
    );
}

/// Hostile words: whatever the text is, the provider reads exactly it and nothing beside it, and a number that is none is not sent to.
#[tokio::test]
async fn hostile_texts_stay_texts() {
    let server = Server::always(answer("200 OK", &[], ACCEPTED)).await;
    let json = opened(&server.url(), &[]);
    let form = opened(
        &server.url(),
        &[
            ("format", "form"),
            ("body", "to={{to}}&text={{text}}&r={{report_url}}"),
        ],
    );
    for text in [
        r#"", "to": "+19995550100", "x": ""#,
        r#"\", \u0022to\u0022: \"#,
        "&to=%2B19995550100",
        "{{secret}} {{to}}",
        "a\r\nX-Evil: 1\r\n\r\nGET / HTTP/1.1",
        "\0\u{1b}[31m\u{202e}",
        "👍 zażółć € +1 % # ?",
    ] {
        let mut message = outgoing("http_sms");
        message.content = Content::Text {
            body: text.to_owned(),
        };
        for channel in [&json, &form] {
            assert_eq!(
                gist(&channel.send(&message).await).0,
                "accepted",
                "{text:?}"
            );
        }
        let [.., first, second] = &server.requests()[..] else {
            unreachable!()
        };
        let body: Value = serde_json::from_slice(&first.body).unwrap();
        assert_eq!(
            (&body["text"], &body["to"]),
            (&json!(text), &json!("+12065550100"))
        );
        assert_eq!(body.as_object().unwrap().len(), 5);
        let fields: Vec<(String, String)> = url::form_urlencoded::parse(&second.body)
            .into_owned()
            .collect();
        assert_eq!(fields.len(), 3);
        assert_eq!(fields[0].1, "+12065550100");
        assert_eq!(fields[1].1, text);
    }
    let calls = server.requests().len();
    for to in [
        "",
        "12065550100",
        "+1206555010x",
        "+1",
        "+12065550100,+19995550100",
        "../balance",
        "+１２０６５５５０１００",
    ] {
        let mut message = outgoing("http_sms");
        message.to = to.to_owned();
        assert_eq!(
            gist(&json.send(&message).await),
            ("permanent", Suppress::Invalid),
            "{to}"
        );
    }
    assert_eq!(
        gist(&json.send(&outgoing("webhook")).await),
        ("permanent", Suppress::No)
    );
    assert_eq!(server.requests().len(), calls);
}

#[tokio::test]
async fn answers_are_read_by_pointers_and_tables() {
    let error = |code: &str| format!(r#"{{"errors": [{{"code": {code}}}]}}"#);
    let none = Suppress::No;
    for (status, body, changes, expected) in [
        ("200 OK", ACCEPTED.to_owned(), &[][..], ("accepted", none)),
        (
            "202 Accepted",
            ACCEPTED.to_owned(),
            &[("success", "200, 202")],
            ("accepted", none),
        ),
        // A yes that is not the one that was described is no proof.
        (
            "201 Created",
            ACCEPTED.to_owned(),
            &[("success", "200, 202")],
            ("unknown", none),
        ),
        (
            "200 OK",
            r#"{"data": {}}"#.to_owned(),
            &[],
            ("unknown", none),
        ),
        (
            "200 OK",
            "<html>Welcome to the proxy</html>".to_owned(),
            &[],
            ("unknown", none),
        ),
        (
            "204 No Content",
            String::new(),
            &[("id_pointer", "")],
            ("accepted", none),
        ),
        // 200 with an error inside.
        (
            "200 OK",
            r#"{"data": {"id": "p-1"}, "messages": [{"status": "0"}]}"#.to_owned(),
            &[("success_pointer", "/messages/0/status=0")],
            ("accepted", none),
        ),
        (
            "200 OK",
            r#"{"data": {"id": "p-1"}, "messages": [{"status": "9"}]}"#.to_owned(),
            &[("success_pointer", "/messages/0/status=0")],
            ("unknown", none),
        ),
        (
            "200 OK",
            r#"{"messages": [{"status": "9"}]}"#.to_owned(),
            &[
                ("success_pointer", "/messages/0/status=0"),
                ("code_pointer", "/messages/0/status"),
                ("refusals", "9=config, *=permanent"),
            ],
            ("config", none),
        ),
        (
            "200 OK",
            r#"{"messages": [{"status": "8"}]}"#.to_owned(),
            &[
                ("success_pointer", "/messages/0/status=0"),
                ("code_pointer", "/messages/0/status"),
                ("refusals", "9=config, *=permanent"),
            ],
            ("unknown", none),
        ),
        // Refusals by code, by status, and by status alone.
        (
            "422 No",
            error("\"40001\""),
            &[],
            ("permanent", Suppress::Invalid),
        ),
        (
            "409 No",
            error("40300"),
            &[],
            ("permanent", Suppress::OptedOut),
        ),
        (
            "400 No",
            error("\"40310\""),
            &[],
            ("permanent", Suppress::Blocked),
        ),
        ("400 No", error("\"402\""), &[], ("config", none)),
        ("400 No", error("\"10011\""), &[], ("retry", none)),
        ("402 No", error("\"unheard\""), &[], ("config", none)),
        ("409 No", String::new(), &[], ("retry", none)),
        ("400 No", error("\"unheard\""), &[], ("permanent", none)),
        (
            "400 No",
            error("\"unheard\""),
            &[("refusals", "*=retry")],
            ("retry", none),
        ),
        (
            "400 No",
            String::new(),
            &[("refusals", "*=retry")],
            ("permanent", none),
        ),
        ("401 No", String::new(), &[], ("config", none)),
        ("429 No", String::new(), &[], ("retry", none)),
        // Its own trouble leaves us not knowing, with a key too, unless the table says otherwise.
        (
            "503 No",
            error("\"unheard\""),
            &[("refusals", "*=retry")],
            ("unknown", none),
        ),
        (
            "503 No",
            String::new(),
            &[("refusals", "http_503=retry")],
            ("retry", none),
        ),
        (
            "503 No",
            String::new(),
            &[
                ("idempotency_header", "Idempotency-Key"),
                (
                    "body",
                    r#"{"to": "{{to}}", "text": "{{text}}", "u": "{{report_url}}"}"#,
                ),
            ],
            ("unknown", none),
        ),
    ] {
        let outcome = outcome_of(answer(status, &[], &body), changes).await;
        assert_eq!(
            gist(&outcome),
            expected,
            "{status} {body} {changes:?}: {outcome:?}"
        );
    }
    let slow = answer("409 No", &[("retry-after", "9")], "");
    let Outcome::Retryable { after, .. } = outcome_of(slow, &[]).await else {
        panic!()
    };
    assert_eq!(after.unwrap().as_secs(), 9);
}

/// M3: what a second call would mean follows from the settings, and a key belongs to the same bytes each time.
#[tokio::test]
async fn what_a_repeat_means_follows_from_the_settings() {
    let server = Server::always(answer("200 OK", &[], ACCEPTED)).await;
    let body = r#"{"to": "{{to}}", "text": "{{text}}", "u": "{{report_url}}"}"#;
    let keyed = opened(
        &server.url(),
        &[("idempotency_header", "Idempotency-Key"), ("body", body)],
    );
    assert_eq!(keyed.capabilities().repeat, Repeat::ByKey);
    let mut message = outgoing("http_sms");
    keyed.send(&message).await;
    message.attempt = ringback_core::ids::AttemptId::from_raw(78);
    keyed.send(&message).await;
    let [first, second] = &server.requests()[..] else {
        panic!()
    };
    assert_eq!(first.header("idempotency-key"), Some(message.key.as_str()));
    assert_eq!(second.header("idempotency-key"), Some(message.key.as_str()));
    assert_eq!(first.body, second.body);
    let by_report = opened(&server.url(), &[]).capabilities();
    assert_eq!(by_report.repeat, Repeat::ByReport);
    assert!(by_report.reports.delivery && by_report.reports.failure && by_report.reports.replies);
    let blind = opened(
        &server.url(),
        &[
            ("report_status", ""),
            ("report_statuses", ""),
            ("reply_text", ""),
            ("reply_from", ""),
        ],
    );
    assert_eq!(blind.capabilities().repeat, Repeat::Blind);
    assert_eq!(
        blind.capabilities().reports,
        ringback_channels::Reports::default()
    );
    assert!(matches!(
        blind.read(&signed("{}"), now()),
        Err(HookError::NotConfigured(_))
    ));
}

#[test]
fn reports_and_replies_come_in_our_words() {
    let channel = opened("https://api.example.com", &[]);
    let none = Suppress::No;
    for (body, expected) in [
        (
            r#"{"id": "p-1", "status": "queued"}"#,
            vec![(S(Status::Accepted), none, None)],
        ),
        (
            r#"{"id": "p-1", "status": "sent"}"#,
            vec![
                (S(Status::Accepted), none, None),
                (F(Fact::Sent), none, None),
            ],
        ),
        (
            r#"{"id": "p-1", "status": "delivered"}"#,
            vec![(S(Status::Delivered), none, None)],
        ),
        (
            r#"{"id": "p-1", "status": "read"}"#,
            vec![
                (S(Status::Delivered), none, None),
                (F(Fact::Opened), none, None),
            ],
        ),
        (
            r#"{"id": "p-1", "status": "failed"}"#,
            vec![(S(Status::Failed), none, Some("failed"))],
        ),
        (
            r#"{"id": "p-1", "status": "failed", "code": 7}"#,
            vec![(S(Status::Failed), none, Some("7"))],
        ),
        (
            r#"{"id": "p-1", "status": "failed", "code": "40001"}"#,
            vec![(S(Status::Bounced), Suppress::Invalid, Some("40001"))],
        ),
        (
            r#"{"id": "p-1", "status": "failed", "code": "40300"}"#,
            vec![(S(Status::Blocked), Suppress::OptedOut, Some("40300"))],
        ),
        (
            r#"{"id": "p-1", "status": "failed", "code": "40310"}"#,
            vec![(S(Status::Bounced), Suppress::Blocked, Some("40310"))],
        ),
        (
            r#"{"id": "p-1", "status": "delivered", "code": "40300"}"#,
            vec![(S(Status::Delivered), none, None)],
        ),
        (
            r#"{"id": "p-1", "status": "expired"}"#,
            vec![(S(Status::Expired), none, Some("expired"))],
        ),
        (
            r#"{"id": "p-1", "status": "gone"}"#,
            vec![(S(Status::Cancelled), none, None)],
        ),
        (r#"{"id": "p-1", "status": "other"}"#, vec![]),
        (r#"{"id": "p-1", "status": "unheard"}"#, vec![]),
        (r#"{"id": "p-1", "status": "DELIVERED"}"#, vec![]),
        ("[]", vec![]),
        (
            r#"[{"id": "p-1", "status": "queued"}, 7, {"id": "p-1", "status": "delivered"}]"#,
            vec![
                (S(Status::Accepted), none, None),
                (S(Status::Delivered), none, None),
            ],
        ),
    ] {
        let events = channel.read(&signed(body), now()).unwrap();
        let mut keys = Vec::new();
        let found: Vec<_> = events
            .iter()
            .map(|event| {
                let HookEvent::Report(report) = event else {
                    panic!("{event:?}")
                };
                assert_eq!(report.message, Some(message_id()), "by the address");
                assert_eq!(report.reference.as_ref().unwrap().0, "p-1");
                assert_eq!((report.at, report.cost.as_ref()), (now(), None));
                keys.push(report.dedup.clone());
                (
                    report.what,
                    report.suppress,
                    report.why.as_ref().map(|why| why.code.as_str()),
                )
            })
            .collect();
        assert_eq!(found, expected, "{body}");
        keys.dedup();
        assert_eq!(keys.len(), found.len(), "two facts are two");
        assert_eq!(
            channel.read(&signed(body), now()).unwrap(),
            events,
            "and a repeated one is the same"
        );
    }
    let reply = r#"{"id": "in-1", "from": "12065550100", "to": "+15005550006", "text": "Stop 👋"}"#;
    let events = channel.read(&signed(reply), now()).unwrap();
    let [HookEvent::Inbound(inbound)] = &events[..] else {
        panic!("{events:?}")
    };
    assert_eq!(
        (
            inbound.dedup.as_str(),
            inbound.from.as_str(),
            inbound.to.as_str(),
            inbound.body.as_str()
        ),
        (
            "+12065550100:in-1",
            "+12065550100",
            "+15005550006",
            "Stop 👋"
        )
    );
    for body in ["", "{", "7", "null", "\"x\""] {
        assert!(
            matches!(
                channel.read(&signed(body), now()),
                Err(HookError::Malformed(_))
            ),
            "{body}"
        );
    }
}

/// A report finds its message by our id in its body, where the provider gives it back, else by the address that was called.
#[test]
fn our_id_comes_back_in_the_body_or_the_address() {
    let channel = opened(
        "https://api.example.com",
        &[
            ("report_message", "/ref"),
            ("proof", ""),
            ("proof_header", ""),
            ("proof_secret", ""),
            ("proof_timestamp_header", ""),
        ],
    );
    let other = ringback_core::ids::MessageId::from_raw(5);
    for (reference, expected) in [
        (other.to_string(), Some(other)),
        ("nonsense".to_owned(), Some(message_id())),
        (String::new(), Some(message_id())),
    ] {
        let body = format!(r#"{{"status": "delivered", "ref": "{reference}"}}"#);
        let events = channel
            .read(&post("application/json", &[], &body), now())
            .unwrap();
        let [HookEvent::Report(report)] = &events[..] else {
            panic!("{events:?}")
        };
        assert_eq!(report.message, expected, "{reference}");
        let mut bare = post("application/json", &[], &body);
        bare.url = URL.to_owned();
        let events = channel.read(&bare, now()).unwrap();
        let [HookEvent::Report(report)] = &events[..] else {
            panic!("{events:?}")
        };
        assert_eq!(
            report.message,
            expected.filter(|id| *id == other),
            "{reference}"
        );
    }
    // The fields of a form are read like those of a document.
    let form = post(
        "application/x-www-form-urlencoded",
        &[],
        "status=sent&id=p+1&status=failed",
    );
    assert_eq!(channel.read(&form, now()).unwrap().len(), 2);
}

/// H1: reports are proven as the settings say, with both secrets while they are rotated, and never by anything less.
#[test]
fn reports_are_proven_as_the_settings_say() {
    let body = r#"{"status": "delivered"}"#;
    let second = "made-up-proof-secret-2";
    let no_stamp = ("proof_timestamp_header", "");
    let rotated = ("proof_secret_secondary", second);
    let header = opened(
        "https://api.example.com",
        &[("proof", "header"), no_stamp, rotated],
    );
    for (value, fits) in [
        (Some(PROOF), true),
        (Some(second), true),
        (Some("made-up-proof-secret-3"), false),
        (Some(""), false),
        (None, false),
    ] {
        let headers: Vec<(&str, &str)> = value
            .map(|value| ("x-signature", value))
            .into_iter()
            .collect();
        let read = header.read(&post("application/json", &headers, body), now());
        assert_eq!(read.is_ok(), fits, "{value:?}");
        assert!(fits || read == Err(HookError::BadSignature));
    }
    let mac = |secret: &str, text: &str| {
        let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, secret.as_bytes());
        aws_lc_rs::hmac::sign(&key, text.as_bytes())
            .as_ref()
            .to_vec()
    };
    let hex = |bytes: &[u8]| -> String { bytes.iter().map(|byte| format!("{byte:02x}")).collect() };
    let in_hex = opened("https://api.example.com", &[no_stamp, rotated]);
    let in_base64 = opened(
        "https://api.example.com",
        &[("proof", "hmac_sha256_base64"), no_stamp, rotated],
    );
    for (secret, fits) in [
        (PROOF, true),
        (second, true),
        ("made-up-proof-secret-3", false),
    ] {
        let bytes = mac(secret, body);
        for (channel, value) in [
            (&in_hex, hex(&bytes)),
            (&in_hex, hex(&bytes).to_uppercase()),
            (&in_hex, format!("sha256={}", hex(&bytes))),
            (&in_base64, STANDARD.encode(&bytes)),
        ] {
            let hook = post("application/json", &[("x-signature", &value)], body);
            assert_eq!(channel.read(&hook, now()).is_ok(), fits, "{value}");
            let mut other = hook.clone();
            other.body = Bytes::from_static(br#"{"status": "failed"}"#);
            assert_eq!(channel.read(&other, now()), Err(HookError::BadSignature));
        }
    }
    for value in ["", "zz", "abc", "+f", "é"] {
        let Ok(value) = HeaderValue::from_str(value) else {
            continue;
        };
        let mut hook = post("application/json", &[], body);
        hook.headers.insert("x-signature", value);
        for channel in [&in_hex, &in_base64] {
            assert_eq!(channel.read(&hook, now()), Err(HookError::BadSignature));
        }
    }
    // With a timestamp: old ones and those from the future are replays, and it cannot be left out.
    let stamped = opened("https://api.example.com", &[]);
    let at = |seconds: i64| {
        let at = ringback_core::time::Timestamp::from_second(now().as_second() + seconds).unwrap();
        testing::signed_json(PROOF, URL, ("x-signature", "x-timestamp"), at, body)
    };
    for (seconds, expected) in [
        (0, None),
        (-300, None),
        (300, None),
        (-301, Some(HookError::Stale)),
        (301, Some(HookError::Stale)),
    ] {
        assert_eq!(
            stamped.read(&at(seconds), now()).err(),
            expected,
            "{seconds}"
        );
    }
    for change in 0..3 {
        let mut hook = at(0);
        match change {
            0 => drop(hook.headers.remove("x-timestamp")),
            1 => drop(hook.headers.insert(
                "x-timestamp",
                HeaderValue::from_static("9223372036854775807"),
            )),
            _ => drop(
                hook.headers
                    .insert("x-timestamp", HeaderValue::from_static("soon")),
            ),
        }
        assert_eq!(
            stamped.read(&hook, now()),
            Err(HookError::BadSignature),
            "{change}"
        );
    }
}

#[test]
fn mistakes_in_the_settings_are_named() {
    let json = r#"{"to": "{{to}}", "text": "{{text}}"}"#;
    for (changes, setting) in [
        (&[("url", "https://{{user}}.example.com/")][..], "url"),
        (&[("url", "https://{{to}}/")], "url"),
        (&[("url", "https://api.example.com/{{nobody}}")], "url"),
        (&[("url", "https://api.example.com/{{text}}")], "url"),
        (&[("url", "https://api.example.com/a b")], "url"),
        (&[("url", "https://api.example.com/#{{to}}")], "url"),
        (&[("url", "https://user:pass@api.example.com/")], "url"),
        (&[("url", "https://127.0.0.1@10.0.0.1/")], "url"),
        (&[("url", "https://10.0.0.1/send")], "url"),
        (&[("url", "https://0x0a000001/send")], "url"),
        (&[("url", "ftp://api.example.com/")], "url"),
        (&[("url", "http://api.example.com/{{user}}")], "user"),
        (&[("method", "DELETE")], "method"),
        (&[("method", "GET")], "body"),
        (&[("format", "xml")], "format"),
        (&[("body", "to={{to}}&text={{text}}")], "body"),
        (&[("body", r#"{"to": {{to}}, "text": "{{text}}"}"#)], "body"),
        (&[("body", r#"{"{{to}}": 1, "text": "{{text}}"}"#)], "body"),
        (&[("body", r#"{"to": "{{to}}"}"#)], "body"),
        (&[("body", r#"{"text": "{{text}}"}"#)], "body"),
        (&[("body", "")], "body"),
        (&[("headers", "Authorization: x")], "headers"),
        (&[("headers", r#"{"Authorization": 7}"#)], "headers"),
        (&[("headers", r#"{"Auth orization": "x"}"#)], "headers"),
        (&[("headers", r#"{"Host": "evil.example"}"#)], "headers"),
        (&[("headers", r#"{"X-Text": "{{text}}"}"#)], "headers"),
        (&[("headers", r#"{"X-A": "a\r\nX-B: b"}"#)], "headers"),
        (
            &[("headers", r#"{"Authorization": "Bearer made-up-key"}"#)],
            "headers",
        ),
        (&[("headers", r#"{"X-Api-Key": "made-up-key"}"#)], "headers"),
        (&[("secret", "")], "secret"),
        (
            &[("headers", r#"{"Authorization": "Basic {{basic}}"}"#)],
            "user",
        ),
        (&[("from", "")], "from"),
        (&[("success", "500")], "success"),
        (&[("success_pointer", "id")], "success_pointer"),
        (&[("id_pointer", "data.id")], "id_pointer"),
        (&[("refusals", "40001")], "refusals"),
        (&[("refusals", "40001=forget")], "refusals"),
        (
            &[("idempotency_header", "Idempotency Key")],
            "idempotency_header",
        ),
        (
            &[("idempotency_header", "Authorization")],
            "idempotency_header",
        ),
        (
            &[("idempotency_header", "Idempotency-Key")],
            "idempotency_header",
        ),
        (&[("report_status", "")], "report_status"),
        (&[("report_statuses", "")], "report_statuses"),
        (&[("report_statuses", "sent=gone")], "report_statuses"),
        (&[("body", json)], "report_message"),
        (
            &[("body", json), ("report_message", "/ref")],
            "report_message",
        ),
        (&[("reply_from", "")], "reply_from"),
        (&[("reply_text", "")], "reply_text"),
        (&[("reply_when", "x=y")], "reply_when"),
        (&[("proof", "path")], "proof"),
        (&[("proof", "md5")], "proof"),
        (&[("proof_header", "")], "proof_header"),
        (&[("proof_secret", "")], "proof_secret"),
        (&[("proof_secret", "short")], "proof_secret"),
        (&[("proof", "header")], "proof_timestamp_header"),
        (&[("probe_url", "https://10.0.0.1/")], "probe_url"),
        (&[("rate_per_second", "fast")], "rate_per_second"),
    ] {
        let error = open(
            "http_sms",
            &changed("https://api.example.com", changes),
            &http(),
        )
        .err()
        .unwrap_or_else(|| panic!("{changes:?}"));
        assert_eq!(error.setting, setting, "{changes:?}: {error}");
        assert!(error.advice.ends_with('.'), "{error}");
        assert!(
            !error.advice.contains("made-up"),
            "secrets are not repeated: {error}"
        );
    }
}

#[tokio::test]
async fn a_probe_sends_no_text() {
    let server = Server::with(|number| match number {
        0 => answer("200 OK", &[], "{}"),
        _ => answer("403 No", &[], ""),
    })
    .await;
    let address = format!("{}/balance", server.url());
    let channel = opened(&server.url(), &[("probe_url", &address)]);
    assert!(channel.probe().await.unwrap().contains("status 200"));
    assert!(
        channel
            .probe()
            .await
            .unwrap_err()
            .detail
            .contains("credentials")
    );
    let seen = server.requests().remove(0);
    assert!(seen.head.starts_with("GET /balance "), "{}", seen.head);
    assert_eq!(seen.header("authorization"), Some("Bearer made-up-key"));
    assert_eq!((seen.body.len(), seen.header("content-type")), (0, None));
    // Without such an address only the line is tried.
    let calls = server.requests().len();
    assert!(
        opened(&server.url(), &[])
            .probe()
            .await
            .unwrap()
            .contains("reachable")
    );
    assert_eq!(server.requests().len(), calls);
    let gone = opened("http://127.0.0.1:9", &[]);
    assert_eq!(gone.probe().await.unwrap_err().code, "connect");
}

/// The settings that the documentation shows, by the provider's name.
fn documented() -> BTreeMap<String, BTreeMap<String, String>> {
    let text = include_str!("../../../docs/sms-providers.md");
    text.split("\n## ")
        .filter_map(|part| {
            let name = part.lines().next()?;
            let (_, rest) = part.split_once("```json\n")?;
            let (block, _) = rest.split_once("```")?;
            Some((name.to_owned(), serde_json::from_str(block).unwrap()))
        })
        .collect()
}

/// What each provider answers, reports and passes on, as its documentation shows it, and what we make of it.
struct Documented {
    name: &'static str,
    status: &'static str,
    answer: &'static str,
    refusal: (&'static str, &'static str, (&'static str, Suppress)),
    request: fn(&support::Seen),
    delivered: (&'static str, String),
    failed: (&'static str, String, Suppress),
    reply: (&'static str, &'static str),
    repeat: Repeat,
}

#[tokio::test]
async fn the_documented_settings_send_and_hear() {
    let json = "application/json";
    let form = "application/x-www-form-urlencoded; charset=utf-8";
    let id = message_id();
    let all = documented();
    let cases = [
        Documented {
            name: "Vonage",
            status: "202 Accepted",
            answer: r#"{"message_uuid": "aaaaaaaa-bbbb-cccc-dddd-0123456789ab"}"#,
            refusal: (
                "402 Payment Required",
                r#"{"type": "https://developer.vonage.com/api-errors/#low-balance", "title": "Low balance"}"#,
                ("config", Suppress::No),
            ),
            request: |seen| {
                assert!(seen.head.starts_with("POST /v1/messages "));
                let basic = STANDARD.encode("your API key:your API secret");
                assert_eq!(seen.header("authorization"), Some(format!("Basic {basic}").as_str()));
                let body: Value = serde_json::from_slice(&seen.body).unwrap();
                assert_eq!(body["to"], "12065550100", "without the plus");
                assert_eq!(body["client_ref"], message_id().to_string());
                assert_eq!((&body["channel"], &body["message_type"]), (&json!("sms"), &json!("text")));
            },
            delivered: (json, format!(r#"{{"message_uuid": "u", "client_ref": "{id}", "status": "delivered", "channel": "sms", "to": "12065550100"}}"#)),
            failed: (json, format!(r#"{{"message_uuid": "u", "client_ref": "{id}", "status": "rejected", "error": {{"title": 1050, "detail": "Number barred"}}}}"#), Suppress::Blocked),
            reply: (json, r#"{"message_uuid": "v", "from": "12065550100", "to": "15005550006", "text": "STOP", "channel": "sms"}"#),
            repeat: Repeat::ByReport,
        },
        Documented {
            name: "Telnyx",
            status: "200 OK",
            answer: r#"{"data": {"id": "40385f64-5717-4562-b3fc-2c963f66afa6", "to": [{"status": "queued"}]}}"#,
            refusal: (
                "409 Conflict",
                r#"{"errors": [{"code": "40300", "title": "Blocked due to STOP message"}]}"#,
                ("permanent", Suppress::OptedOut),
            ),
            request: |seen| {
                assert!(seen.head.starts_with("POST /v2/messages "));
                assert_eq!(seen.header("authorization"), Some("Bearer your API key"));
                let key = seen.header("idempotency-key").unwrap();
                assert!(key.bytes().all(|b| b.is_ascii_alphanumeric() || b"_:-".contains(&b)), "{key}");
                let body: Value = serde_json::from_slice(&seen.body).unwrap();
                assert_eq!(body["webhook_url"], format!("{URL}?m={}", message_id()));
            },
            delivered: (json, r#"{"data": {"event_type": "message.finalized", "payload": {"id": "p", "text": "Hello", "from": {"phone_number": "+15005550006"}, "to": [{"phone_number": "+12065550100", "status": "delivered"}]}}}"#.into()),
            failed: (json, r#"{"data": {"event_type": "message.finalized", "payload": {"id": "p", "errors": [{"code": "40300"}], "to": [{"status": "delivery_failed"}]}}}"#.into(), Suppress::OptedOut),
            reply: (json, r#"{"data": {"event_type": "message.received", "payload": {"id": "q", "text": "STOP", "from": {"phone_number": "+12065550100"}, "to": [{"phone_number": "+15005550006", "status": "webhook_delivered"}]}}}"#),
            repeat: Repeat::ByKey,
        },
        Documented {
            name: "Plivo",
            status: "202 Accepted",
            answer: r#"{"message": "message(s) queued", "message_uuid": ["db3ce55a-7f1d-11e1-8ea7-1231380bc196"], "api_id": "x"}"#,
            refusal: ("400 Bad Request", r#"{"error": "invalid dst"}"#, ("permanent", Suppress::No)),
            request: |seen| {
                assert!(seen.head.starts_with("POST /v1/Account/your%20auth%20ID/Message/ "), "{}", seen.head);
                let body: Value = serde_json::from_slice(&seen.body).unwrap();
                assert_eq!((&body["dst"], &body["method"]), (&json!("+12065550100"), &json!("POST")));
                assert_eq!(body["url"], format!("{URL}?m={}", message_id()));
            },
            delivered: (form, "MessageUUID=u&Status=delivered&To=12065550100&From=15005550006&Units=1".into()),
            failed: (form, "MessageUUID=u&Status=undelivered&ErrorCode=200&To=12065550100".into(), Suppress::OptedOut),
            reply: (form, "MessageUUID=v&From=12065550100&To=15005550006&Text=STOP&Type=sms"),
            repeat: Repeat::ByReport,
        },
    ];
    assert_eq!(all.len(), cases.len(), "every example is tried");
    for case in cases {
        let (name, mut settings) = (case.name, all[case.name].clone());
        let public = settings["url"].clone();
        open("http_sms", &settings, &http()).unwrap_or_else(|error| panic!("{name}: {error}"));
        let (status, body) = (case.status, case.answer);
        let (no, why, expected) = case.refusal;
        let server = Server::with(move |number| match number {
            0 => answer(status, &[], body),
            _ => answer(no, &[], why),
        })
        .await;
        let path = url::Url::parse(&public.replace("{{user}}", "USER")).unwrap();
        let path = path.path().replace("USER", "{{user}}");
        settings.insert("url".into(), format!("{}{path}", server.url()));
        let channel = open("http_sms", &settings, &http()).unwrap();
        assert_eq!(channel.capabilities().repeat, case.repeat, "{name}");
        let outcome = channel.send(&outgoing("http_sms")).await;
        assert_eq!(gist(&outcome).0, "accepted", "{name}: {outcome:?}");
        (case.request)(&server.requests()[0]);
        let outcome = channel.send(&outgoing("http_sms")).await;
        assert_eq!(gist(&outcome), expected, "{name}: {outcome:?}");
        let report = |(kind, body): (&'static str, &str)| {
            let events = channel.read(&post(kind, &[], body), now()).unwrap();
            let [HookEvent::Report(report)] = &events[..] else {
                panic!("{name}: {events:?}")
            };
            assert_eq!(report.message, Some(id), "{name}");
            report.clone()
        };
        let delivered = report((case.delivered.0, &case.delivered.1));
        assert_eq!(delivered.what, S(Status::Delivered), "{name}");
        let failed = report((case.failed.0, &case.failed.1));
        assert_eq!(failed.suppress, case.failed.2, "{name}");
        let events = channel
            .read(&post(case.reply.0, &[], case.reply.1), now())
            .unwrap();
        let [HookEvent::Inbound(inbound)] = &events[..] else {
            panic!("{name}: {events:?}")
        };
        assert_eq!(
            (
                inbound.from.as_str(),
                inbound.to.as_str(),
                inbound.body.as_str()
            ),
            ("+12065550100", "+15005550006", "STOP"),
            "{name}"
        );
    }
}
