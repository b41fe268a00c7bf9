//! API keys (X2).

use crate::house::House;
use serde_json::json;

/// X2: a key is shown once, opens what its scopes say, and nothing once it is revoked or over.
#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_shown_once_and_ends() {
    let (house, guest) = House::with("plumbing").await;
    let made = house
        .post_once(
            &guest.key,
            "/v1/keys",
            "k",
            json!({"name": "website", "scopes": ["read"], "expires_at": "2026-11-23T18:00:00Z"}),
        )
        .await
        .is(201);
    let whole = made.text_of("/key");
    assert!(whole.starts_with(&made.text_of("/shown")) && whole.starts_with("rb_live_"));
    // A repeated request hears the same key: it is kept sealed, not in the clear.
    assert_eq!(
        house
            .post_once(
                &guest.key,
                "/v1/keys",
                "k",
                json!({"name": "website", "scopes": ["read"], "expires_at": "2026-11-23T18:00:00Z"})
            )
            .await
            .is(201)
            .text_of("/key"),
        whole
    );
    let list = house.get(&guest.key, "/v1/keys").await.is(200);
    assert!(!list.text.contains(&whole) && list.text.contains("website"));
    assert!(
        !house
            .get(&guest.key, "/v1/audit")
            .await
            .is(200)
            .text
            .contains(&whole)
    );
    house.get(&whole, "/v1/leads").await.is(200);
    assert_eq!(
        house
            .post(&whole, "/v1/leads", json!({"phone": "+13035550142"}))
            .await
            .is(403)
            .text_of("/code"),
        "forbidden"
    );
    house.clock.forward(jiff::SignedDuration::from_hours(2));
    house.get(&whole, "/v1/leads").await.is(401);
    let other = house
        .post(&guest.key, "/v1/keys", json!({"name": "b"}))
        .await
        .is(201);
    house.get(&other.text_of("/key"), "/v1/leads").await.is(200);
    house
        .delete(&guest.key, &format!("/v1/keys/{}", other.text_of("/id")))
        .await
        .is(204);
    house.get(&other.text_of("/key"), "/v1/leads").await.is(401);
    house
        .delete(&guest.key, &format!("/v1/keys/{}", other.text_of("/id")))
        .await
        .is(404);
}

/// X2: each scope opens its routes and no others.
#[tokio::test(flavor = "multi_thread")]
async fn a_scope_opens_its_routes_and_no_others() {
    let (house, guest) = House::with("plumbing").await;
    let lead = house.lead(&guest.key, "+13035550142").await;
    let cases = [
        ("read", "GET", "/v1/leads".to_owned(), json!(null)),
        (
            "read",
            "GET",
            format!("/v1/leads/{lead}/score"),
            json!(null),
        ),
        ("read", "GET", "/v1/messages".into(), json!(null)),
        (
            "read",
            "GET",
            "/v1/workflows/emergency-alert".into(),
            json!(null),
        ),
        (
            "leads",
            "POST",
            "/v1/leads".into(),
            json!({"phone": "+13035550143"}),
        ),
        (
            "leads",
            "POST",
            format!("/v1/leads/{lead}/events"),
            json!({"type": "page"}),
        ),
        (
            "leads",
            "PATCH",
            format!("/v1/leads/{lead}"),
            json!({"first_name": "Dee"}),
        ),
        (
            "leads",
            "POST",
            "/v1/suppressions".into(),
            json!({"phone": "+13035550144"}),
        ),
        (
            "send",
            "POST",
            "/v1/messages".into(),
            json!({"lead_id": lead, "channel": "sms", "category": "transactional", "body": "x"}),
        ),
        (
            "send",
            "POST",
            "/v1/dead-letters/all/replay".into(),
            json!({}),
        ),
        (
            "send",
            "POST",
            "/v1/dead-letters/all/discard".into(),
            json!({}),
        ),
        (
            "read",
            "POST",
            "/v1/dead-letters/all/preview".into(),
            json!({}),
        ),
        ("read", "GET", "/v1/unknown".into(), json!({})),
        ("admin", "GET", "/v1/keys".into(), json!(null)),
        ("admin", "GET", "/v1/audit".into(), json!(null)),
        (
            "admin",
            "PATCH",
            "/v1/tenant".into(),
            json!({"sandbox": true}),
        ),
        ("admin", "POST", "/v1/staff".into(), json!({"name": "Ann"})),
    ];
    for scope in ["read", "leads", "send", "admin"] {
        let key = house.key(&guest, &[scope]).await;
        house.get(&key, "/v1/me").await.is(200);
        for (needed, method, path, body) in &cases {
            let body = if body.is_null() {
                String::new()
            } else {
                body.to_string()
            };
            let reply = house.call(method.parse().unwrap(), &key, path, body).await;
            if scope == *needed {
                assert!(
                    reply.status.is_success(),
                    "{scope} {method} {path}: {}",
                    reply.text
                );
            } else {
                assert_eq!(reply.status, 403, "{scope} {method} {path}: {}", reply.text);
            }
        }
    }
}

/// X2: no key makes one that opens more than itself, and a test key makes none at all.
#[tokio::test(flavor = "multi_thread")]
async fn no_key_makes_one_that_opens_more() {
    let (house, guest) = House::with("plumbing").await;
    let admin = house.key(&guest, &["admin"]).await;
    house
        .post(&admin, "/v1/keys", json!({"name": "x", "scopes": ["*"]}))
        .await
        .is(403);
    house
        .post(
            &admin,
            "/v1/keys",
            json!({"name": "x", "scopes": ["admin", "send"]}),
        )
        .await
        .is(403);
    assert_eq!(
        house
            .post(&admin, "/v1/keys", json!({"name": "x"}))
            .await
            .is(201)
            .json["scopes"],
        json!(["admin"])
    );
    house
        .post(&guest.test_key, "/v1/keys", json!({"name": "x"}))
        .await
        .is(403);
    for (body, field) in [
        (json!({"name": " "}), "name"),
        (json!({"name": "x", "kind": "root"}), "kind"),
        (json!({"name": "x", "scopes": ["root"]}), "scopes"),
        (json!({"name": "x", "scopes": []}), "scopes"),
        (
            json!({"name": "x", "expires_at": "2020-01-01T00:00:00Z"}),
            "expires_at",
        ),
        (json!({"name": "x", "value": "abcdefgh"}), "value"),
        (
            json!({"name": "x", "kind": "write", "value": "rb_live_abcdefgh"}),
            "value",
        ),
    ] {
        assert_eq!(
            house
                .post(&guest.key, "/v1/keys", body.clone())
                .await
                .is(422)
                .text_of("/field"),
            field,
            "{body}"
        );
    }
    let adopted = house
        .post(
            &guest.key,
            "/v1/keys",
            json!({"name": "segment", "kind": "write", "value": "oldSegmentKey123"}),
        )
        .await
        .is(201);
    assert_eq!(adopted.text_of("/key"), "oldSegmentKey123");
    assert_eq!(
        house
            .post(
                &guest.key,
                "/v1/keys",
                json!({"name": "again", "kind": "write", "value": "oldSegmentKey123"})
            )
            .await
            .is(409)
            .text_of("/field"),
        "value"
    );
    house.get("oldSegmentKey123", "/v1/leads").await.is(401);
}

/// A test key reaches the sandbox and nothing else, whatever is connected.
#[tokio::test(flavor = "multi_thread")]
async fn a_test_key_only_reaches_the_sandbox() {
    let (house, guest) = House::with("plumbing").await;
    let real = house.lead(&guest.key, "+13035550142").await;
    for (path, body) in [
        (format!("/v1/leads/{real}/events"), json!({"type": "page"})),
        (format!("/v1/leads/{real}/stage"), json!({"stage": "lost"})),
        (
            "/v1/messages".into(),
            json!({"lead_id": real, "channel": "sms", "category": "transactional", "body": "x"}),
        ),
        (
            "/v1/workflows/emergency-alert/runs".into(),
            json!({"lead_id": real}),
        ),
    ] {
        house.post(&guest.test_key, &path, body).await.is(403);
    }
    let trying = house.lead(&guest.test_key, "+13035550150").await;
    house.post(&guest.key, "/v1/connections", json!({"channel": "sms", "provider": "twilio", "name": "main", "settings": {"account_sid": "AC0123456789abcdef0123456789abcdef", "auth_token": "t", "from": "+13035550100", "campaign": "CM0000", "base_url": "http://127.0.0.1:9"}})).await.is(201);
    for to in [json!({"lead_id": trying}), json!({"to": "+13035550151"})] {
        let mut body = json!({"channel": "sms", "category": "transactional", "body": "x"});
        body.as_object_mut()
            .unwrap()
            .extend(to.as_object().unwrap().clone());
        let id = house
            .post(&guest.test_key, "/v1/messages", body)
            .await
            .is(201)
            .text_of("/id");
        assert_eq!(
            house
                .get(&guest.key, &format!("/v1/messages/{id}"))
                .await
                .is(200)
                .json["sandbox"],
            true
        );
    }
}

/// X2: a key opens with all of it or not at all, and the refusal says how a key is sent.
#[tokio::test(flavor = "multi_thread")]
async fn a_key_without_or_with_a_wrong_secret_opens_nothing() {
    let (house, guest) = House::with("plumbing").await;
    let mut bent = guest.key.clone();
    let last = bent.pop().unwrap();
    bent.push(if last == 'A' { 'B' } else { 'A' });
    for key in ["", "x", &bent, &guest.key[..16], &"k".repeat(500)] {
        let refused = house.get(key, "/v1/leads").await.is(401);
        assert_eq!(
            (
                refused.text_of("/code"),
                refused.headers["www-authenticate"].to_str().unwrap()
            ),
            ("unauthorized".into(), "Bearer")
        );
    }
}
