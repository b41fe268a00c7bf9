//! Accounts at providers (X5).

use crate::house::House;
use serde_json::json;

const SECRET: &str = "canary-5ecret-t0ken";

fn twilio() -> serde_json::Value {
    json!({"channel": "sms", "provider": "twilio", "name": "main", "settings": {"account_sid": "AC0123456789abcdef0123456789abcdef", "auth_token": SECRET, "from": "+13035550100", "campaign": "CM0000"}})
}

/// X5: a secret goes in and never comes out, by any route.
#[tokio::test(flavor = "multi_thread")]
async fn a_secret_is_never_answered_back() {
    let (house, guest) = House::with("plumbing").await;
    let made = house
        .post_once(&guest.key, "/v1/connections", "c1", twilio())
        .await
        .is(201);
    let id = made.text_of("/id");
    assert_eq!(made.json["secrets"], json!(["auth_token"]));
    assert_eq!(made.json["settings"]["from"], "+13035550100");
    assert_eq!(made.json["lacks_registration"], json!(null));
    assert!(
        made.text_of("/webhook_url")
            .starts_with(&format!("https://ringback.example/hooks/{id}/"))
    );
    let changed = house
        .patch(
            &guest.key,
            &format!("/v1/connections/{id}"),
            json!({"settings": {"auth_token": format!("{SECRET}2")}, "order": 3}),
        )
        .await
        .is(200);
    let again = house
        .post_once(&guest.key, "/v1/connections", "c1", twilio())
        .await
        .is(201);
    let mut said = vec![made.text, changed.text, again.text];
    for path in [
        "/v1/connections",
        &format!("/v1/connections/{id}"),
        "/v1/audit",
        "/health",
        "/v1/me",
        "/metrics",
    ] {
        said.push(house.get(&guest.key, path).await.is(200).text);
    }
    for text in said {
        assert!(!text.contains("canary"), "{text}");
    }
    let row = house
        .app
        .ask(move |store| ringback_store::House::connections(store, guest.id))
        .await
        .unwrap()
        .remove(0);
    assert!(!row.settings.windows(6).any(|window| window == b"canary"));
    let settings = house
        .app
        .registry
        .master()
        .open(guest.id, row.id, &row.settings)
        .unwrap();
    assert_eq!(settings["auth_token"], format!("{SECRET}2"));
    assert_eq!(
        settings["account_sid"],
        "AC0123456789abcdef0123456789abcdef"
    );
}

/// X7: what is wrong with an account is said with the setting at fault.
#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_setting_is_named() {
    let (house, guest) = House::with("plumbing").await;
    house
        .post(&guest.key, "/v1/connections", twilio())
        .await
        .is(201);
    assert_eq!(
        house
            .post(&guest.key, "/v1/connections", twilio())
            .await
            .is(409)
            .text_of("/field"),
        "name"
    );
    for (change, field) in [
        (json!({"name": "b", "provider": "pigeon"}), "provider"),
        (json!({"name": "b", "channel": "email"}), "provider"),
        (json!({"name": "b", "channel": "fax"}), "channel"),
        (json!({"name": ""}), "name"),
        (
            json!({"name": "b", "settings": {"from": "+13035550100"}}),
            "settings.account_sid",
        ),
        (
            json!({"name": "b", "settings": {"colour": "red"}}),
            "settings.colour",
        ),
        (json!({"name": "b", "order": 9_999_999}), "order"),
    ] {
        let mut body = twilio();
        body.as_object_mut()
            .unwrap()
            .extend(change.as_object().unwrap().clone());
        assert_eq!(
            house
                .post(&guest.key, "/v1/connections", body)
                .await
                .is(422)
                .text_of("/field"),
            field,
            "{change}"
        );
    }
    // X8: an address inside the house is refused unless the operator lists it; this test lists loopback alone.
    let hook = |url: &str| json!({"channel": "webhook", "provider": "webhook", "name": "crm", "settings": {"url": url, "secret": "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0"}});
    let inside = house
        .post(&guest.key, "/v1/connections", hook("http://10.0.0.7/x"))
        .await
        .is(422);
    assert_eq!(inside.text_of("/field"), "settings.url");
    house
        .post(&guest.key, "/v1/connections", hook("http://127.0.0.1:9/x"))
        .await
        .is(201);
}

/// M12, O1: an account is switched off, tried and removed; each is in the log.
#[tokio::test(flavor = "multi_thread")]
async fn an_account_is_tried_switched_and_removed() {
    let (house, guest) = House::with("plumbing").await;
    let mut body = twilio();
    // Nothing listens there.
    body["settings"]["base_url"] = json!("http://127.0.0.1:9");
    let id = house
        .post(&guest.key, "/v1/connections", body)
        .await
        .is(201)
        .text_of("/id");
    let path = format!("/v1/connections/{id}");
    let tried = house
        .post(&guest.key, &format!("{path}/test"), json!({}))
        .await
        .is(200);
    assert_eq!(tried.json["ok"], false, "{}", tried.text);
    assert_eq!(
        house
            .patch(&guest.key, &path, json!({"enabled": false}))
            .await
            .is(200)
            .json["enabled"],
        false
    );
    let health = house.get(&guest.key, "/health").await.is(200);
    assert_eq!(
        (
            &health.json["connections"][0]["configured"],
            &health.json["connections"][0]["available"]
        ),
        (&json!(true), &json!(false))
    );
    house.delete(&guest.key, &path).await.is(204);
    house.delete(&guest.key, &path).await.is(404);
    let log = house.get(&guest.key, "/v1/audit").await.is(200);
    let actions: Vec<&str> = log
        .data()
        .iter()
        .map(|line| line["action"].as_str().unwrap())
        .collect();
    assert_eq!(
        actions,
        ["connection.remove", "connection.change", "connection.add"]
    );
    assert!(
        log.data()
            .iter()
            .all(|line| line["actor"] == "key:all" && line["address"].is_string())
    );
}

/// A channel that has an account is no sandbox any more: its failures are told, never hidden.
#[tokio::test(flavor = "multi_thread")]
async fn an_account_that_fails_never_falls_back_to_the_sandbox() {
    let (house, guest) = House::with("plumbing").await;
    let mut body = twilio();
    body["settings"]["base_url"] = json!("http://127.0.0.1:9");
    house
        .post(&guest.key, "/v1/connections", body)
        .await
        .is(201);
    let lead = house.lead(&guest.key, "+13035550142").await;
    let message = house.post(&guest.key, "/v1/messages", json!({"lead_id": lead, "channel": "sms", "category": "transactional", "body": "On our way"})).await.is(201).text_of("/id");
    let whole = house
        .message_is(
            &guest.key,
            &message,
            &["deferred", "failed", "unknown", "queued"],
        )
        .await
        .json;
    assert_eq!(whole["sandbox"], false);
}
