//! Messages explain themselves (M9, M10), and are written, repeated and taken back.

use crate::house::{Guest, House};
use serde_json::json;

async fn write(
    house: &House,
    guest: &Guest,
    lead: &str,
    extra: serde_json::Value,
) -> crate::house::Reply {
    let mut body = json!({"lead_id": lead, "channel": "sms", "category": "transactional", "body": "On our way"});
    body.as_object_mut()
        .unwrap()
        .extend(extra.as_object().unwrap().clone());
    house.post(&guest.key, "/v1/messages", body).await
}

/// M10: a message that went says who caused it, what every gate said, each attempt, and what it says.
#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_went_explains_itself() {
    let (house, guest) = House::with("plumbing").await;
    let lead = house.lead(&guest.key, "+13035550142").await;
    let id = write(&house, &guest, &lead, json!({}))
        .await
        .is(201)
        .text_of("/id");
    let whole = house
        .message_is(&guest.key, &id, &["accepted", "delivered"])
        .await
        .json;
    for field in [
        "id",
        "notification_id",
        "lead_id",
        "channel",
        "recipient",
        "category",
        "priority",
        "status",
        "cause",
        "gates",
        "attempts",
        "explanation",
        "content",
        "cost",
        "why",
        "to_change",
    ] {
        assert!(whole.get(field).is_some(), "{field} in {whole}");
    }
    let gates: Vec<&str> = whole["gates"]
        .as_array()
        .unwrap()
        .iter()
        .map(|gate| gate["gate"].as_str().unwrap())
        .collect();
    for gate in [
        "kill_switch",
        "sandbox",
        "suppression",
        "consent",
        "caps",
        "quiet_hours",
        "connection",
    ] {
        assert!(gates.contains(&gate), "{gate} in {gates:?}");
    }
    assert_eq!(
        (
            &whole["sandbox"],
            &whole["content"]["text"],
            &whole["to_change"]
        ),
        (&json!(true), &json!("On our way"), &json!(null))
    );
    assert_eq!(whole["attempts"][0]["number"], 1);
    assert_eq!(whole["cause"]["event"], "message.composed");
    assert!(whole["explanation"].as_str().unwrap().contains("sandbox"));
    let shown = house.get(&guest.key, "/v1/sandbox/messages").await.is(200);
    assert!(
        shown
            .data()
            .iter()
            .any(|one| one["id"] == id.as_str() && one["content"]["text"] == "On our way")
    );
}

/// M10, C5: a message that was held back says which gate said no, and what would have to change.
#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_was_blocked_says_what_would_have_to_change() {
    let (house, guest) = House::with("plumbing").await;
    let lead = house.lead(&guest.key, "+13035550142").await;
    house
        .post(
            &guest.key,
            "/v1/suppressions",
            json!({"phone": "(303) 555-0142", "reason": "listed", "how": "Asked by letter."}),
        )
        .await
        .is(201);
    let blocked = write(&house, &guest, &lead, json!({})).await.is(201);
    assert_eq!(blocked.text_of("/status"), "blocked");
    let whole = house
        .get(
            &guest.key,
            &format!("/v1/messages/{}", blocked.text_of("/id")),
        )
        .await
        .is(200);
    assert_eq!(whole.text_of("/why/code"), "suppressed");
    assert!(
        whole.text_of("/explanation").contains("Asked by letter"),
        "{}",
        whole.text
    );
    assert!(
        whole.text_of("/to_change").contains("suppressions"),
        "{}",
        whole.text
    );
    assert!(
        whole.json["gates"]
            .as_array()
            .unwrap()
            .iter()
            .any(|gate| gate["gate"] == "suppression" && gate["says"] == "block")
    );
    house
        .delete(&guest.key, "/v1/suppressions/+13035550142")
        .await
        .is(204);
    house
        .delete(&guest.key, "/v1/suppressions/+13035550142")
        .await
        .is(404);
    house
        .post(
            &guest.key,
            &format!("/v1/messages/{}/retry", blocked.text_of("/id")),
            json!({}),
        )
        .await
        .is(200);
    house
        .message_is(
            &guest.key,
            &blocked.text_of("/id"),
            &["accepted", "delivered"],
        )
        .await;
    let promotional = write(&house, &guest, &lead, json!({"category": "promotional"}))
        .await
        .is(201);
    assert_eq!(promotional.text_of("/status"), "blocked");
}

/// C3, C5: what a person said themselves, nobody else takes back.
#[tokio::test(flavor = "multi_thread")]
async fn only_the_person_undoes_an_opt_out() {
    let (house, guest) = House::with("plumbing").await;
    for (n, reason, status) in [
        (10, "opted_out", 409),
        (11, "complained", 409),
        (12, "listed", 204),
        (13, "bounced", 204),
    ] {
        house
            .post(
                &guest.key,
                "/v1/suppressions",
                json!({"phone": format!("+130355501{n}"), "reason": reason}),
            )
            .await
            .is(201);
        house
            .delete(&guest.key, &format!("/v1/suppressions/+130355501{n}"))
            .await
            .is(status);
    }
    let page = house
        .get(&guest.key, "/v1/suppressions?limit=1")
        .await
        .is(200);
    let next = page.text_of("/next");
    let second = house
        .get(
            &guest.key,
            &format!("/v1/suppressions?limit=1&after={next}"),
        )
        .await
        .is(200);
    assert_eq!(
        (page.data().len(), second.data().len(), &second.json["next"]),
        (1, 1, &json!(null))
    );
    assert_ne!(page.data()[0]["address"], second.data()[0]["address"]);
}

/// M4, M12: a message waits until its time, is taken back, and put back.
#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_waits_is_taken_back_and_tried_again() {
    let (house, guest) = House::with("plumbing").await;
    let lead = house.lead(&guest.key, "+13035550142").await;
    let id = write(
        &house,
        &guest,
        &lead,
        json!({"send_at": "2026-11-23T18:00:00Z"}),
    )
    .await
    .is(201)
    .text_of("/id");
    let path = format!("/v1/messages/{id}");
    assert_eq!(
        house
            .get(&guest.key, &path)
            .await
            .is(200)
            .text_of("/status"),
        "scheduled"
    );
    assert_eq!(
        house
            .post(&guest.key, &format!("{path}/retry"), json!({}))
            .await
            .is(409)
            .text_of("/code"),
        "not_ended"
    );
    house
        .post(&guest.key, &format!("{path}/cancel"), json!({}))
        .await
        .is(200);
    assert_eq!(
        house
            .post(&guest.key, &format!("{path}/cancel"), json!({}))
            .await
            .is(409)
            .text_of("/code"),
        "not_waiting"
    );
    house
        .post(&guest.key, &format!("{path}/retry"), json!({}))
        .await
        .is(200);
    house
        .message_is(&guest.key, &id, &["accepted", "delivered"])
        .await;
    assert_eq!(
        house
            .get(
                &guest.key,
                &format!("/v1/messages?lead_id={lead}&channel=sms")
            )
            .await
            .is(200)
            .data()
            .len(),
        1
    );
    assert!(
        house
            .get(&guest.key, "/v1/messages?status=failed")
            .await
            .is(200)
            .data()
            .is_empty()
    );
    assert_eq!(
        house
            .get(&guest.key, "/v1/messages?status=lost")
            .await
            .is(422)
            .text_of("/field"),
        "status"
    );
}

/// M9: a notification says whether all, some or none of it arrived, how fast and for how much.
#[tokio::test(flavor = "multi_thread")]
async fn a_notification_adds_up_its_channels() {
    let (house, guest) = House::with("plumbing").await;
    let lead = house.lead(&guest.key, "+13035550142").await;
    let id = write(&house, &guest, &lead, json!({}))
        .await
        .is(201)
        .text_of("/id");
    let message = house
        .message_is(&guest.key, &id, &["accepted", "delivered"])
        .await;
    let whole = house
        .get(
            &guest.key,
            &format!("/v1/notifications/{}", message.text_of("/notification_id")),
        )
        .await
        .is(200)
        .json;
    assert_eq!(
        (
            &whole["overall"],
            whole["channels"].as_array().unwrap().len()
        ),
        (&json!("all"), 1)
    );
    assert_eq!(whole["channels"][0]["message_id"], id.as_str());
    assert!(
        whole["channels"][0]["milliseconds"].is_i64() && whole["cost"].is_object(),
        "{whole}"
    );
}

/// C2, X7: a message names one recipient, one text and a category that fits.
#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_cannot_be_meant_is_refused_with_its_field() {
    let (house, guest) = House::with("plumbing").await;
    let lead = house.lead(&guest.key, "+13035550142").await;
    let base = json!({"lead_id": lead, "channel": "sms", "category": "transactional", "body": "On our way"});
    for (change, field) in [
        (json!({"lead_id": null}), "lead_id"),
        (json!({"to": "+13035550143"}), "lead_id"),
        (json!({"channel": "fax"}), "channel"),
        (json!({"channel": "webhook"}), "channel"),
        (json!({"channel": "email"}), "channel"),
        (json!({"category": "staff"}), "category"),
        (json!({"category": "emergency"}), "category"),
        (json!({"category": "news"}), "category"),
        (json!({"body": ""}), "body"),
        (json!({"body": "x".repeat(1_601)}), "body"),
        (json!({"body": "a\u{7}"}), "body"),
        (json!({"template": "emergency"}), "template"),
        (
            json!({"body": null, "template": "nothing-like-it"}),
            "template",
        ),
        (
            json!({"lead_id": null, "staff_id": "Nobody", "category": "staff"}),
            "staff_id",
        ),
        (json!({"lead_id": null, "to": "12"}), "to"),
        (json!({"send_at": "2030-01-01T00:00:00Z"}), "send_at"),
    ] {
        let mut body = base.clone();
        body.as_object_mut()
            .unwrap()
            .extend(change.as_object().unwrap().clone());
        assert_eq!(
            house
                .post(&guest.key, "/v1/messages", body)
                .await
                .is(422)
                .text_of("/field"),
            field,
            "{change}"
        );
    }
    let staff = json!({"staff_id": "Sam Okafor", "channel": "sms", "category": "staff", "body": "Call Dana"});
    house.post(&guest.key, "/v1/messages", staff).await.is(201);
}

/// C1: consents are written down with wording and method, in order, and never changed.
#[tokio::test(flavor = "multi_thread")]
async fn the_trail_of_consents_only_grows() {
    let (house, guest) = House::with("plumbing").await;
    let lead = house.lead(&guest.key, "+13035550142").await;
    for granted in [true, false] {
        house.post(&guest.key, "/v1/consents", json!({"lead_id": lead, "channel": "sms", "purpose": "promotional", "granted": granted, "method": "verbal", "wording": "May we text you offers?"})).await.is(201);
    }
    let trail = house
        .get(&guest.key, &format!("/v1/consents?lead_id={lead}"))
        .await
        .is(200);
    let said: Vec<(bool, &str)> = trail
        .data()
        .iter()
        .filter(|line| line["purpose"] == "promotional")
        .map(|line| {
            (
                line["granted"].as_bool().unwrap(),
                line["wording"].as_str().unwrap(),
            )
        })
        .collect();
    assert_eq!(
        said,
        [
            (true, "May we text you offers?"),
            (false, "May we text you offers?")
        ]
    );
    for (bad, field) in [
        (json!({"channel": "fax"}), "channel"),
        (json!({"purpose": "fun"}), "purpose"),
        (json!({"lead_id": null}), "lead_id"),
        (json!({"method": " "}), "method"),
    ] {
        let mut body = json!({"lead_id": lead, "channel": "sms", "purpose": "promotional", "granted": true, "method": "verbal"});
        body.as_object_mut()
            .unwrap()
            .extend(bad.as_object().unwrap().clone());
        assert_eq!(
            house
                .post(&guest.key, "/v1/consents", body)
                .await
                .is(422)
                .text_of("/field"),
            field,
            "{bad}"
        );
    }
    assert_eq!(
        house
            .get(&guest.key, "/v1/consents")
            .await
            .is(422)
            .text_of("/field"),
        "query"
    );
}
