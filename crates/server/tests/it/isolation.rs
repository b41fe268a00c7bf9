//! X4: whatever belongs to one business is not there for another: the same 404 as for what never was.

use crate::house::{Guest, House};
use axum::http::Method;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// What a business has, one of each kind.
async fn furnish(house: &House, guest: &Guest) -> BTreeMap<&'static str, String> {
    let key = &guest.key;
    let lead = house.lead(key, "+13035550177").await;
    let message = house.post(key, "/v1/messages", json!({"lead_id": lead, "channel": "sms", "category": "transactional", "body": "canary text", "send_at": "2026-11-23T20:00:00Z"})).await.is(201).text_of("/id");
    let letter = house.post(key, "/v1/messages", json!({"to": "refuse@example.com", "channel": "email", "category": "transactional", "subject": "canary", "body": "canary text"})).await.is(201).text_of("/id");
    house.message_is(key, &letter, &["failed"]).await;
    let notification = house
        .get(key, &format!("/v1/messages/{message}"))
        .await
        .is(200)
        .text_of("/notification_id");
    let connection = house.post(key, "/v1/connections", json!({"channel": "email", "provider": "sandbox", "name": "canary-box", "settings": {}})).await.is(201).text_of("/id");
    let made = house
        .post(key, "/v1/keys", json!({"name": "canary-key"}))
        .await
        .is(201)
        .text_of("/id");
    house
        .post(key, "/v1/staff", json!({"name": "Canary Person"}))
        .await
        .is(201);
    house
        .post(key, "/v1/suppressions", json!({"phone": "+13035550199"}))
        .await
        .is(201);
    let hello = "name: canary\nproduct: plumbing\ntrigger: manual\nsteps:\n  - create_task: { title: Canary task }\n  - wait: 1h\n";
    house.put(key, "/v1/workflows/canary", hello).await.is(200);
    let run = house
        .post(key, "/v1/workflows/canary/runs", json!({"lead_id": lead}))
        .await
        .is(201)
        .text_of("/id");
    let work = house
        .get(key, "/v1/work")
        .await
        .is(200)
        .text_of("/data/0/id");
    let draft = json!({"files": {"workflows/canary.yaml": hello.replace("1h", "2h")}});
    house
        .put(key, "/v1/config/draft", draft.to_string())
        .await
        .is(200);
    BTreeMap::from([
        ("leads", lead),
        ("messages", message),
        ("dead-letters", letter),
        ("notifications", notification),
        ("connections", connection),
        ("keys", made),
        ("staff", "Canary%20Person".into()),
        ("suppressions", "+13035550199".into()),
        ("workflows", "canary".into()),
        ("runs", run),
        ("work", work),
        ("templates", "emergency.sms".into()),
        ("score-models", "intent".into()),
        ("products", "plumbing".into()),
    ])
}

/// A body that a route would take if the thing were the caller's own.
fn body_for(path: &str, method: &str, things: &BTreeMap<&'static str, String>) -> Value {
    let lead = &things["leads"];
    match (method, path) {
        (_, path) if path.ends_with("/events") => json!({"type": "page"}),
        (_, path) if path.ends_with("/stage") => json!({"stage": "lost"}),
        (_, path) if path.ends_with("/merge") => json!({"into": lead}),
        (_, path) if path.ends_with("/runs") => json!({"lead_id": lead}),
        (_, path) if path.ends_with("/assign") => json!({"to": "Canary Person"}),
        ("put", "/v1/leads/{id}") => json!({"first_name": "Thief"}),
        ("patch", "/v1/leads/{id}") => json!({"first_name": "Thief"}),
        _ => json!({}),
    }
}

/// X4: every operation of the description that names a thing answers 404 to another business, word for word as for a thing that never
/// was, and changes nothing.
#[tokio::test(flavor = "multi_thread")]
async fn another_business_finds_nothing_by_any_route() {
    let (house, guest) = House::with("plumbing").await;
    let thief = house.open("thief", "auto-glass").await;
    let things = furnish(&house, &guest).await;
    let before = house
        .get(&guest.key, &format!("/v1/leads/{}", things["leads"]))
        .await
        .is(200)
        .text;
    let api = serde_json::to_value(ringback_server::openapi()).unwrap();
    let mut tried = 0;
    for (path, item) in api["paths"].as_object().unwrap() {
        let Some(kind) = path
            .strip_prefix("/v1/")
            .filter(|rest| rest.contains('{'))
            .and_then(|rest| rest.split('/').next())
        else {
            continue;
        };
        let Some(thing) = things.get(kind) else {
            continue;
        };
        for method in item.as_object().unwrap().keys() {
            // A document of this name may be the caller's own to write.
            if method == "put" && kind != "leads" {
                continue;
            }
            let verb: Method = method.to_uppercase().parse().unwrap();
            let full = |thing: &str| {
                path.replacen(
                    if path.contains("{id}") {
                        "{id}"
                    } else if path.contains("{address}") {
                        "{address}"
                    } else {
                        "{name}"
                    },
                    thing,
                    1,
                )
            };
            let body = if ["get", "delete"].contains(&method.as_str()) {
                String::new()
            } else {
                body_for(path, method, &things).to_string()
            };
            let stolen = house
                .call(verb.clone(), &thief.key, &full(thing), body.clone())
                .await;
            let never = if thing.starts_with('+') {
                "+13035550188".into()
            } else if thing.contains('_') {
                format!("{}_{}", thing.split('_').next().unwrap(), "0123456789abc")
            } else {
                "never-was".to_owned()
            };
            let nothing = house.call(verb, &thief.key, &full(&never), body).await;
            assert_eq!(stolen.status, 404, "{method} {path}: {}", stolen.text);
            assert_eq!(
                (stolen.status, &stolen.text),
                (nothing.status, &nothing.text),
                "{method} {path}"
            );
            tried += 1;
        }
    }
    assert!(tried >= 20, "{tried}");
    assert_eq!(
        house
            .get(&guest.key, &format!("/v1/leads/{}", things["leads"]))
            .await
            .is(200)
            .text,
        before
    );
    house
        .get(
            &guest.key,
            &format!("/v1/connections/{}", things["connections"]),
        )
        .await
        .is(200);
    house.get(&guest.key, "/v1/workflows/canary").await.is(200);
}

/// X4: ids in queries and bodies are no way in either, and no list shows what is another's.
#[tokio::test(flavor = "multi_thread")]
async fn no_list_or_body_reaches_into_another_business() {
    let (house, guest) = House::with("plumbing").await;
    let thief = house.open("thief", "auto-glass").await;
    let things = furnish(&house, &guest).await;
    let lead = &things["leads"];
    let theirs = house.lead(&thief.key, "+13035550170").await;
    for path in [
        format!("/v1/consents?lead_id={lead}"),
        format!("/v1/runs?lead_id={lead}"),
    ] {
        house.get(&thief.key, &path).await.is(404);
    }
    assert!(
        house
            .get(&thief.key, &format!("/v1/messages?lead_id={lead}"))
            .await
            .is(200)
            .data()
            .is_empty()
    );
    for (path, body) in [
        (
            "/v1/messages".to_owned(),
            json!({"lead_id": lead, "channel": "sms", "category": "transactional", "body": "x"}),
        ),
        (
            "/v1/consents".into(),
            json!({"lead_id": lead, "channel": "sms", "purpose": "promotional", "granted": true, "method": "verbal"}),
        ),
        (format!("/v1/leads/{theirs}/merge"), json!({"into": lead})),
        (format!("/v1/leads/{lead}/merge"), json!({"into": theirs})),
    ] {
        house.post(&thief.key, &path, body).await.is(404);
    }
    let number = house
        .get(&guest.key, &format!("/v1/leads/{lead}"))
        .await
        .is(200)
        .text_of("/reference");
    for q in ["Dana", "+13035550177", &number] {
        let found = house
            .get(
                &thief.key,
                &format!("/v1/leads?q={}", q.replace('+', "%2B")),
            )
            .await
            .is(200);
        assert!(!found.text.contains(lead.as_str()), "{q}: {}", found.text);
    }
    let api = serde_json::to_value(ringback_server::openapi()).unwrap();
    let mut lists = 0;
    for (path, item) in api["paths"].as_object().unwrap() {
        if !path.starts_with("/v1/")
            || path.contains('{')
            || path.starts_with("/v1/live")
            || item.get("get").is_none()
        {
            continue;
        }
        lists += 1;
        let said = house.get(&thief.key, path).await.text.to_lowercase();
        for mark in [
            "canary",
            "3035550177",
            "3035550199",
            lead.as_str(),
            things["messages"].as_str(),
            things["connections"].as_str(),
        ] {
            assert!(!said.contains(mark), "{mark} in {path}: {said}");
        }
    }
    assert!(lists >= 12, "{lists}");
}
