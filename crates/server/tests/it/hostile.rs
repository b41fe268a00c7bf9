//! Hostile input is normal: whatever comes, the answer is a refusal with a code, never a failure of ours.

use crate::house::{House, request};
use axum::body::Body;
use axum::http::Method;
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use serde_json::{Map, Value, json};

/// Names that routes know, so that bodies get past the first check.
const NAMES: &[&str] = &[
    "first_name",
    "last_name",
    "phone",
    "email",
    "source",
    "product",
    "attributes",
    "address",
    "city",
    "state",
    "zip",
    "country",
    "time_zone",
    "consents",
    "test",
    "tags",
    "type",
    "at",
    "properties",
    "id",
    "stage",
    "reason",
    "into",
    "by",
    "lead_id",
    "staff_id",
    "to",
    "channel",
    "category",
    "body",
    "template",
    "subject",
    "data",
    "send_at",
    "status",
    "limit",
    "purpose",
    "granted",
    "wording",
    "method",
    "page",
    "how",
    "provider",
    "name",
    "settings",
    "order",
    "enabled",
    "kind",
    "scopes",
    "expires_at",
    "value",
    "roles",
    "lists",
    "on_call",
    "sandbox",
    "kill",
    "events",
    "from",
    "until",
    "seed",
    "draft",
    "preview",
    "tell",
    "files",
    "base",
];

const WORDS: &[&str] = &[
    "",
    " ",
    "sms",
    "email",
    "webhook",
    "transactional",
    "promotional",
    "staff",
    "emergency",
    "+13035550142",
    "dana@example.com",
    "twilio",
    "sandbox",
    "new",
    "lost",
    "2026-11-23T17:00:00Z",
    "9999-12-31T23:59:59Z",
    "-009999-01-01T00:00:00Z",
    "lead_0123456789abc",
    "US",
    "America/Denver",
    "\u{0}",
    "\u{202e}abc",
    "' OR 1=1 --",
    "../../etc/passwd",
    "{{ 7*7 }}",
    "*",
    "💧",
    "plumbing",
];

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(|n| json!(n)),
        proptest::sample::select(WORDS).prop_map(Value::from),
        "\\PC{0,40}".prop_map(Value::from),
        Just(json!("x".repeat(5_000))),
    ];
    leaf.prop_recursive(4, 32, 6, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            proptest::collection::vec((proptest::sample::select(NAMES), inner), 0..6).prop_map(
                |pairs| Value::Object(
                    pairs
                        .into_iter()
                        .map(|(name, value)| (name.to_owned(), value))
                        .collect::<Map<_, _>>()
                )
            ),
        ]
    })
}

fn body() -> impl Strategy<Value = Vec<u8>> {
    let object = proptest::collection::vec((proptest::sample::select(NAMES), value()), 0..8);
    let object = object.prop_map(|pairs| {
        Value::Object(
            pairs
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value))
                .collect::<Map<_, _>>(),
        )
    });
    prop_oneof![
        6 => object.prop_map(|value| value.to_string().into_bytes()),
        2 => value().prop_map(|value| value.to_string().into_bytes()),
        1 => proptest::collection::vec(any::<u8>(), 0..200),
        1 => Just("[".repeat(10_000).into_bytes()),
        1 => (1usize..200).prop_map(|n| format!("{}{}", "{\"a\":".repeat(n), "1").into_bytes()),
    ]
}

/// How many bodies each route gets.
const CASES: usize = 300;
/// A document is read together with the whole configuration, which takes its time; what is in it is tested where it is read.
const DOCUMENTS: usize = 40;

/// Every body that a route of these takes: no failure of ours, every refusal with its code, nothing half-decided.
async fn attack(fits: impl Fn(&str) -> bool, at_least: usize) {
    let (house, guest) = House::with("plumbing").await;
    let lead = house.lead(&guest.key, "+13035550142").await;
    let message = house.post(&guest.key, "/v1/messages", json!({"lead_id": lead, "channel": "sms", "category": "transactional", "body": "x", "send_at": "2026-11-23T20:00:00Z"})).await.is(201).text_of("/id");
    let connection = house
        .post(
            &guest.key,
            "/v1/connections",
            json!({"channel": "email", "provider": "sandbox", "name": "box", "settings": {}}),
        )
        .await
        .is(201)
        .text_of("/id");
    let api = serde_json::to_value(ringback_server::openapi()).unwrap();
    let mut runner = TestRunner::deterministic();
    let mut routes = 0;
    for (path, item) in api["paths"]
        .as_object()
        .unwrap()
        .iter()
        .filter(|(path, _)| path.starts_with("/v1/") && fits(path))
    {
        for (method, operation) in item.as_object().unwrap() {
            if operation.get("requestBody").is_none() {
                continue;
            }
            routes += 1;
            let id = if path.starts_with("/v1/leads") {
                &lead
            } else if path.starts_with("/v1/messages") {
                &message
            } else {
                &connection
            };
            let full = path.replace("{id}", id).replace("{name}", "hello");
            let verb: Method = method.to_uppercase().parse().unwrap();
            let cases = if method == "put" && !path.starts_with("/v1/leads") {
                DOCUMENTS
            } else {
                CASES
            };
            for _ in 0..cases {
                let body = body().new_tree(&mut runner).unwrap().current();
                let shown = String::from_utf8_lossy(&body)
                    .chars()
                    .take(300)
                    .collect::<String>();
                let reply = house
                    .send(
                        request(verb.clone(), &full, &guest.key)
                            .body(Body::from(body))
                            .unwrap(),
                    )
                    .await;
                assert!(
                    !reply.status.is_server_error(),
                    "{method} {path} {shown}: {} {}",
                    reply.status,
                    reply.text
                );
                if !reply.status.is_success() {
                    assert!(
                        reply.json["code"].is_string(),
                        "{method} {path} {shown}: {}",
                        reply.text
                    );
                }
            }
        }
    }
    assert!(routes >= at_least, "{routes}");
    assert!(
        house
            .get(&guest.key, "/v1/errors/set-aside")
            .await
            .is(200)
            .data()
            .is_empty(),
        "a body was taken that could not be decided"
    );
    house.get("", "/health/ready").await.is(200);
}

/// M1, X7: whatever is told about leads.
#[tokio::test(flavor = "multi_thread")]
async fn no_body_about_leads_makes_a_route_fail() {
    attack(|path| path.starts_with("/v1/leads"), 7).await;
}

/// M1, X7: whatever is told about messages, consent and runs.
#[tokio::test(flavor = "multi_thread")]
async fn no_body_about_messages_makes_a_route_fail() {
    attack(
        |path| {
            [
                "/v1/messages",
                "/v1/consents",
                "/v1/suppressions",
                "/v1/workflows/{name}/runs",
            ]
            .iter()
            .any(|begin| path.starts_with(begin))
        },
        5,
    )
    .await;
}

/// X7: whatever is told about the house: accounts, keys, people, switches, documents.
#[tokio::test(flavor = "multi_thread")]
async fn no_body_about_the_house_makes_a_route_fail() {
    let others = [
        "/v1/leads",
        "/v1/messages",
        "/v1/consents",
        "/v1/suppressions",
    ];
    attack(
        |path| !path.ends_with("/runs") && !others.iter().any(|begin| path.starts_with(begin)),
        8,
    )
    .await;
}

/// Queries, cursors and paths of any kind: never a failure of ours.
#[tokio::test(flavor = "multi_thread")]
async fn no_query_or_path_makes_a_route_fail() {
    let (house, guest) = House::with("plumbing").await;
    house.lead(&guest.key, "+13035550142").await;
    let api = serde_json::to_value(ringback_server::openapi()).unwrap();
    let mut runner = TestRunner::deterministic();
    let text = prop_oneof![
        "[ -~]{0,30}",
        "\\PC{0,12}",
        proptest::sample::select(WORDS).prop_map(str::to_owned)
    ];
    let names = proptest::sample::select(vec![
        "limit",
        "after",
        "q",
        "stage",
        "status",
        "channel",
        "lead_id",
        "type",
        "version",
        "created_after",
        "view",
        "workflow",
    ]);
    let query = proptest::collection::vec((names, text), 0..4);
    for (path, item) in api["paths"].as_object().unwrap() {
        if item.get("get").is_none() || !path.starts_with("/v1/") || path.starts_with("/v1/live") {
            continue;
        }
        for _ in 0..60 {
            let pairs = query.new_tree(&mut runner).unwrap().current();
            let thing = pairs.first().map_or("x", |(_, text)| text.as_str());
            let encode = |text: &str| {
                text.bytes()
                    .map(|byte| format!("%{byte:02X}"))
                    .collect::<String>()
            };
            let asked: Vec<String> = pairs
                .iter()
                .map(|(name, text)| format!("{name}={}", encode(text)))
                .collect();
            let mut full = String::new();
            let mut rest = path.as_str();
            while let Some((before, after)) = rest.split_once('{') {
                full.push_str(before);
                full.push_str(&encode(thing));
                rest = after.split_once('}').unwrap().1;
            }
            full.push_str(rest);
            let reply = house
                .get(&guest.key, &format!("{full}?{}", asked.join("&")))
                .await;
            assert!(
                !reply.status.is_server_error(),
                "{full} {asked:?}: {}",
                reply.text
            );
            assert!(
                reply.status.is_success() || reply.json["code"].is_string(),
                "{full}: {} {}",
                reply.status,
                reply.text
            );
        }
    }
}
