//! Dead letters: found by cause, weighed, replayed over time, changed and discarded (M4); what stays unknown is one list (M3, P4).

use crate::far::{Does, Far, connection};
use crate::house::{Guest, House};
use serde_json::{Value, json};

/// A house whose mails go to a provider that does as it is told.
async fn house() -> (House, Guest, Far) {
    let (house, guest) = House::with("plumbing").await;
    let far = Far::open(&house).await;
    let body = connection("resend", "main", 0, &far.url());
    house
        .post(&guest.key, "/v1/connections", body)
        .await
        .is(201);
    (house, guest, far)
}

async fn mail(house: &House, guest: &Guest, to: &str) -> String {
    let body = json!({"to": to, "channel": "email", "category": "transactional", "subject": "Hello", "body": "On our way"});
    house
        .post(&guest.key, "/v1/messages", body)
        .await
        .is(201)
        .text_of("/id")
}

/// Mails that were refused for good, in order.
async fn refused(house: &House, guest: &Guest, far: &Far, n: usize) -> Vec<String> {
    let mut ids = Vec::new();
    for at in 0..n {
        far.next(&[Does::RefusesIt]);
        let id = mail(house, guest, &format!("dana+{at}@example.com")).await;
        house.message_is(&guest.key, &id, &["failed"]).await;
        ids.push(id);
    }
    ids
}

async fn count(house: &House, guest: &Guest) -> i64 {
    let list = house.get(&guest.key, "/v1/dead-letters").await.is(200);
    let groups = list.data().iter();
    groups.map(|group| group["count"].as_i64().unwrap()).sum()
}

async fn audited(house: &House, guest: &Guest, action: &str) -> Vec<Value> {
    let log = house.get(&guest.key, "/v1/audit?limit=200").await.is(200);
    let found = log.data().iter().filter(|one| one["action"] == action);
    found.map(|one| one["details"].clone()).collect()
}

/// M4: what failed for good is a group with its reason, its words and the provider's answer; a replay of many is spread out, keeps id and
/// key, and is audited.
#[tokio::test(flavor = "multi_thread")]
async fn dead_letters_are_grouped_weighed_and_replayed_over_time() {
    let (house, guest, far) = house().await;
    let ids = refused(&house, &guest, &far, 3).await;
    let list = house.get(&guest.key, "/v1/dead-letters").await.is(200);
    assert_eq!(list.data().len(), 1, "one cause: {}", list.text);
    let group = list.text_of("/data/0/id");
    for (pointer, value) in [
        ("/data/0/status", json!("failed")),
        ("/data/0/channel", json!("email")),
        ("/data/0/connection", json!("main")),
        ("/data/0/code", json!("validation_error")),
        ("/data/0/template", json!(null)),
        ("/data/0/count", json!(3)),
        ("/data/0/sample/id", json!(ids[2])),
        ("/data/0/sample/answer/outcome", json!("refused")),
        ("/data/0/sample/dead", json!(null)),
    ] {
        let found = list.json.pointer(pointer).cloned().unwrap_or_default();
        assert_eq!(found, value, "{pointer}: {}", list.text);
    }
    assert!(
        list.text_of("/data/0/sample/content/text")
            .starts_with("On our way")
    );
    let whole = house
        .get(&guest.key, &format!("/v1/dead-letters/{group}?limit=2"))
        .await
        .is(200);
    assert_eq!(
        (whole.data().len(), whole.text_of("/data/0/id")),
        (2, ids[2].clone())
    );
    let next = whole.text_of("/next");
    let rest = house
        .get(
            &guest.key,
            &format!("/v1/dead-letters/{group}?after={next}"),
        )
        .await
        .is(200);
    assert_eq!(rest.text_of("/data/0/id"), ids[0]);

    // One of the three may not be written to any more.
    let listed = json!({"email": "dana+1@example.com"});
    house
        .post(&guest.key, "/v1/suppressions", listed)
        .await
        .is(201);
    let path = |act: &str| format!("/v1/dead-letters/{group}/{act}");
    let seen = house
        .post(&guest.key, &path("preview"), json!({}))
        .await
        .is(200);
    assert_eq!(
        (
            &seen.json["count"],
            &seen.json["would_go"],
            &seen.json["would_be_stopped"],
            &seen.json["left"]
        ),
        (&json!(3), &json!(2), &json!(1), &json!(0)),
        "{}",
        seen.text
    );
    assert_eq!(seen.text_of("/reasons/0/code"), "suppressed");
    assert_eq!(
        (&seen.json["takes_seconds"], &seen.json["cost"]),
        (&json!(2), &json!(null))
    );
    assert_eq!(
        (count(&house, &guest).await, far.calls().len()),
        (3, 3),
        "nothing changed"
    );

    let done = house
        .post_once(&guest.key, &path("replay"), "r1", json!({"per_minute": 6}))
        .await
        .is(200);
    assert_eq!(
        (&done.json["replayed"], &done.json["refused"]),
        (&json!(3), &json!(0))
    );
    let due: Vec<&str> = done.json["results"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["due_at"].as_str().unwrap_or("now"))
        .collect();
    assert_eq!(due, ["now", "2026-11-23T17:00:10Z", "2026-11-23T17:00:20Z"]);
    let again = house
        .post_once(&guest.key, &path("replay"), "r1", json!({"per_minute": 6}))
        .await
        .is(200);
    assert_eq!(
        again.text, done.text,
        "the same call is answered, not done again"
    );
    house.message_is(&guest.key, &ids[0], &["accepted"]).await;
    assert_eq!(far.calls().len(), 4, "the others wait for their time");
    let waits = house
        .get(&guest.key, &format!("/v1/messages/{}", ids[2]))
        .await
        .is(200);
    assert_eq!(waits.text_of("/due_at"), "2026-11-23T17:00:20Z");
    house.pass(20).await;
    let gone = house.message_is(&guest.key, &ids[2], &["accepted"]).await;
    assert_eq!(gone.json["attempt_count"], 1, "attempts are counted anew");
    assert_eq!(gone.json["replayed"].as_array().unwrap().len(), 1);
    house.message_is(&guest.key, &ids[1], &["blocked"]).await;
    assert_eq!(far.taken().len(), 2);
    let calls = far.calls();
    assert_eq!(calls[0].key, calls[3].key, "the provider's key is kept");
    assert_eq!(
        count(&house, &guest).await,
        0,
        "what a gate ended is no dead letter"
    );
    assert_eq!(audited(&house, &guest, "message.retry").await.len(), 3);
    house
        .get(&guest.key, &format!("/v1/dead-letters/{group}"))
        .await
        .is(404);
}

/// M4: a dead letter is discarded with a reason; the row stays and says so.
#[tokio::test(flavor = "multi_thread")]
async fn a_discarded_letter_stays_and_says_who_and_why() {
    let (house, guest, far) = house().await;
    let ids = refused(&house, &guest, &far, 2).await;
    let path = format!("/v1/dead-letters/{}/discard", ids[0]);
    let body = json!({"reason": "They called us instead"});
    let done = house.post(&guest.key, &path, body).await.is(200);
    assert_eq!(
        (&done.json["discarded"], &done.json["refused"]),
        (&json!(1), &json!(0))
    );
    let one = house
        .get(&guest.key, &format!("/v1/messages/{}", ids[0]))
        .await
        .is(200);
    assert_eq!(
        (
            &one.json["status"],
            &one.json["dead"],
            &one.json["discarded"]["reason"]
        ),
        (
            &json!("failed"),
            &json!(false),
            &json!("They called us instead")
        )
    );
    assert_eq!(count(&house, &guest).await, 1);
    let twice = house.post(&guest.key, &path, json!({})).await.is(200);
    assert_eq!(
        twice.json["refused"], 1,
        "there is nothing to discard any more"
    );
    let all = house
        .post(&guest.key, "/v1/dead-letters/all/discard", json!({}))
        .await
        .is(200);
    assert_eq!(
        (&all.json["discarded"], count(&house, &guest).await),
        (&json!(1), 0)
    );
    let log = audited(&house, &guest, "message.discard").await;
    assert_eq!(
        (log.len(), &log[1]["reason"]),
        (2, &json!("They called us instead"))
    );
    let path = format!("/v1/messages/{}/retry", ids[0]);
    house.post(&guest.key, &path, json!({})).await.is(200);
    let back = house.message_is(&guest.key, &ids[0], &["accepted"]).await;
    assert_eq!(back.json["discarded"], json!(null), "it was taken up again");
}

/// M4: another recipient or other words are another message, which stands in for the old one and goes through the gates.
#[tokio::test(flavor = "multi_thread")]
async fn a_changed_letter_is_a_new_message_in_place_of_the_old() {
    let (house, guest, far) = house().await;
    let ids = refused(&house, &guest, &far, 2).await;
    let path = format!("/v1/dead-letters/{}", ids[0]);
    for (body, field) in [
        (json!({}), "to"),
        (json!({"to": "dana+0@example.com"}), "to"),
        (json!({"to": "nobody"}), "to"),
        (json!({"body": "a\u{7}"}), "body"),
        (json!({"data": {"lead": {"first_name": "Jo"}}}), "data"),
    ] {
        let said = house.patch(&guest.key, &path, body.clone()).await.is(422);
        assert_eq!(said.text_of("/field"), field, "{body}");
    }
    let made = house
        .patch(
            &guest.key,
            &path,
            json!({"to": "Dana@Example.com", "body": "We are on our way"}),
        )
        .await
        .is(201);
    let new = made.text_of("/id");
    assert_ne!(new, ids[0]);
    let new = house.message_is(&guest.key, &new, &["accepted"]).await;
    assert_eq!(
        (new.text_of("/recipient"), new.text_of("/instead_of")),
        ("dana@example.com".into(), ids[0].clone())
    );
    assert!(far.taken()[0].contains("We are on our way"));
    assert_ne!(
        far.calls()[0].key,
        far.calls()[2].key,
        "another message has another key"
    );
    let old = house
        .get(&guest.key, &format!("/v1/messages/{}", ids[0]))
        .await
        .is(200);
    assert_eq!(
        (
            old.text_of("/status"),
            old.text_of("/replaced_by"),
            &old.json["dead"]
        ),
        ("failed".into(), new.text_of("/id"), &json!(false))
    );
    assert_eq!(count(&house, &guest).await, 1);
    let retry = house
        .post(
            &guest.key,
            &format!("/v1/messages/{}/retry", ids[0]),
            json!({}),
        )
        .await;
    assert_eq!(retry.is(409).text_of("/code"), "replaced");
    house
        .patch(&guest.key, &path, json!({"body": "Again"}))
        .await
        .is(409);
    let log = audited(&house, &guest, "message.amend").await;
    assert_eq!((log.len(), &log[0]["changed"]), (1, &json!(["to", "text"])));
    // The gates decide about the new address as about any other.
    house
        .post(
            &guest.key,
            "/v1/suppressions",
            json!({"email": "listed@example.com"}),
        )
        .await
        .is(201);
    let held = house
        .patch(
            &guest.key,
            &format!("/v1/dead-letters/{}", ids[1]),
            json!({"to": "listed@example.com"}),
        )
        .await
        .is(201);
    assert_eq!(held.text_of("/status"), "blocked");
}

/// M4, C3: what a gate or a person ended, what waits, what went another way, and what arrived is no dead letter.
#[tokio::test(flavor = "multi_thread")]
async fn only_what_can_be_mended_is_a_dead_letter() {
    let (house, guest, far) = house().await;
    mail(&house, &guest, "fine@example.com").await;
    house
        .post(
            &guest.key,
            "/v1/suppressions",
            json!({"email": "listed@example.com"}),
        )
        .await
        .is(201);
    mail(&house, &guest, "listed@example.com").await;
    let later = json!({"to": "later@example.com", "channel": "email", "category": "transactional", "subject": "Hello", "body": "Hello",
        "send_at": "2026-11-23T20:00:00Z"});
    let id = house
        .post(&guest.key, "/v1/messages", later)
        .await
        .is(201)
        .text_of("/id");
    house
        .post(&guest.key, &format!("/v1/messages/{id}/cancel"), json!({}))
        .await
        .is(200);
    assert_eq!(count(&house, &guest).await, 0);
    // In doubt, then stopped by a person: whether it arrived stays unknown, and nobody has to mend anything.
    far.next(&[Does::TakesAndBreaks]);
    let id = mail(&house, &guest, "doubt@example.com").await;
    house.message_is(&guest.key, &id, &["queued"]).await;
    house
        .post(
            &guest.key,
            "/v1/suppressions",
            json!({"email": "doubt@example.com"}),
        )
        .await
        .is(201);
    house.pass(5).await;
    let ended = house.message_is(&guest.key, &id, &["unknown"]).await;
    assert_eq!(
        (&ended.json["dead"], count(&house, &guest).await),
        (&json!(false), 0)
    );
    for which in ["dead_0000000000001", "msg_0000000000001", "nonsense"] {
        for act in ["preview", "replay", "discard"] {
            house
                .post(
                    &guest.key,
                    &format!("/v1/dead-letters/{which}/{act}"),
                    json!({}),
                )
                .await
                .is(404);
        }
    }
    for body in [
        json!({"per_minute": 0}),
        json!({"per_minute": 601}),
        json!({"limit": 2_001}),
    ] {
        house
            .post(&guest.key, "/v1/dead-letters/all/replay", body)
            .await
            .is(422);
    }
}

/// X2: a test key sees what there is, and acts on the sandbox alone.
#[tokio::test(flavor = "multi_thread")]
async fn a_test_key_replays_sandbox_letters_alone() {
    let (house, guest, far) = house().await;
    let ids = refused(&house, &guest, &far, 1).await;
    let path = format!("/v1/dead-letters/{}", ids[0]);
    for act in ["replay", "discard"] {
        house
            .post(&guest.test_key, &format!("{path}/{act}"), json!({}))
            .await
            .is(403);
    }
    house
        .patch(&guest.test_key, &path, json!({"body": "x"}))
        .await
        .is(403);
    let done = house
        .post(&guest.test_key, "/v1/dead-letters/all/replay", json!({}))
        .await
        .is(200);
    assert_eq!(
        (&done.json["replayed"], count(&house, &guest).await),
        (&json!(0), 1)
    );
}

/// M3, P4: one list says what nobody knows: what was looked up when, what comes next, and how much may have gone out twice.
#[tokio::test(flavor = "multi_thread")]
async fn what_stays_unknown_is_one_list() {
    let (house, guest) = House::with("plumbing").await;
    let lead = house.lead(&guest.key, "+13035550142").await;
    let far = Far::open(&house).await;
    let body = connection("twilio", "main", 0, &far.url());
    house
        .post(&guest.key, "/v1/connections", body)
        .await
        .is(201);
    far.hide_log();
    far.next(&[Does::TakesAndBreaks, Does::TakesAndBreaks]);
    let text = json!({"lead_id": lead, "channel": "sms", "category": "transactional", "body": "On our way"});
    let id = house
        .post(&guest.key, "/v1/messages", text)
        .await
        .is(201)
        .text_of("/id");
    house.message_is(&guest.key, &id, &["unknown"]).await;
    let list = house.get(&guest.key, "/v1/unknown").await.is(200);
    assert_eq!(
        (
            &list.json["open"],
            &list.json["given_up"],
            &list.json["possibly_repeated"]
        ),
        (&json!(1), &json!(0), &json!(0))
    );
    assert_eq!(list.text_of("/data/0/next_look_at"), "2026-11-23T17:00:05Z");
    assert_eq!(count(&house, &guest).await, 0, "it is still found out");
    // The looks, then it is said once more, and that call has no end either; the looks again, then it is given up.
    let looks = [(2, 5), (3, 10), (4, 45), (5, 240), (6, 600), (7, 1)];
    let again = [(8, 5), (9, 10), (10, 45), (11, 240), (12, 600)];
    for (n, seconds) in looks.into_iter().chain(again) {
        house.pass(seconds).await;
        house
            .until(&format!("call or look {n}"), || async {
                let list = house.get(&guest.key, &format!("/v1/messages/{id}")).await;
                (list.json["attempts"].as_array().unwrap().len() >= n).then_some(())
            })
            .await;
    }
    let list = house.get(&guest.key, "/v1/unknown").await.is(200);
    assert_eq!(
        (
            &list.json["open"],
            &list.json["possibly_repeated"],
            &list.json["data"][0]["next_look_at"]
        ),
        (&json!(0), &json!(1), &json!(null)),
        "{}",
        list.text
    );
    assert!(list.json["data"][0]["looked_up"].as_array().unwrap().len() >= 8);
    let dead = house.get(&guest.key, "/v1/dead-letters").await.is(200);
    assert_eq!(
        (
            dead.text_of("/data/0/status"),
            &dead.json["data"][0]["count"]
        ),
        ("unknown".into(), &json!(1))
    );
    let seen = house
        .post(
            &guest.key,
            &format!("/v1/dead-letters/{id}/preview"),
            json!({}),
        )
        .await
        .is(200);
    assert_eq!(
        (&seen.json["would_go"], &seen.json["may_arrive_twice"]),
        (&json!(1), &json!(1))
    );
    house
        .post(
            &guest.key,
            &format!("/v1/dead-letters/{id}/replay"),
            json!({}),
        )
        .await
        .is(200);
    let sent = house.message_is(&guest.key, &id, &["accepted"]).await;
    assert_eq!(
        sent.json["repeated"], true,
        "what may have gone out before keeps its doubt"
    );
}
