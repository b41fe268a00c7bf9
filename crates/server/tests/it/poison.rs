//! A message over which the server dies again and again is put into quarantine, and everything else goes on (reliability 3.3).

use crate::far::{Does, Far, connection};
use crate::house::{Guest, House};
use serde_json::json;

async fn mail(house: &House, guest: &Guest, to: &str) -> String {
    let body = json!({"to": to, "channel": "email", "category": "transactional", "subject": "Hello", "body": "On our way"});
    house
        .post(&guest.key, "/v1/messages", body)
        .await
        .is(201)
        .text_of("/id")
}

/// 3.3: after three deaths in a row the one that was under way alone is in quarantine; what was under way beside it before is sent once.
#[tokio::test(flavor = "multi_thread")]
async fn the_third_death_puts_a_message_into_quarantine_and_spares_the_others() {
    let (mut house, guest) = House::with("plumbing").await;
    let far = Far::open(&house).await;
    let body = connection("resend", "main", 0, &far.url());
    house
        .post(&guest.key, "/v1/connections", body)
        .await
        .is(201);
    far.always(Does::Hangs);
    let mut ids = Vec::new();
    for n in 0..4 {
        ids.push(mail(&house, &guest, &format!("dana+{n}@example.com")).await);
    }
    far.called(4).await;
    house.die().await;
    house.pass(5).await;
    far.called(8).await;
    house.die().await;
    // Every one of the four is a suspect now: one of them goes, the others wait for it.
    house.pass(10).await;
    far.called(9).await;
    for id in &ids[1..] {
        let waits = house.message_is(&guest.key, id, &["queued"]).await;
        assert_eq!(waits.text_of("/why/code"), "suspect", "{}", waits.text);
    }
    assert_eq!(far.calls().len(), 9, "one suspect at a time");
    house.die().await;
    let kept = house.message_is(&guest.key, &ids[0], &["unknown"]).await;
    assert_eq!(
        (kept.text_of("/why/code"), &kept.json["dead"]),
        ("quarantined".into(), &json!(true)),
        "{}",
        kept.text
    );
    far.always(Does::Takes);
    for id in &ids[1..] {
        for _ in 0..4 {
            house.pass(1).await;
        }
        let sent = house.message_is(&guest.key, id, &["accepted"]).await;
        assert_eq!(sent.json["repeated"], false);
    }
    assert_eq!(far.taken().len(), 3, "each of the others once");
    let dead = house.get(&guest.key, "/v1/dead-letters").await.is(200);
    assert_eq!(
        (
            dead.data().len(),
            dead.text_of("/data/0/code"),
            &dead.json["data"][0]["count"]
        ),
        (1, "quarantined".into(), &json!(1))
    );
    let errors = house.get(&guest.key, "/v1/errors").await.is(200);
    assert!(
        errors.text.contains("A message is in quarantine"),
        "{}",
        errors.text
    );

    // A person looked at it and replays it: it goes alone, and one more death puts it back.
    far.always(Does::Hangs);
    let path = format!("/v1/dead-letters/{}/replay", ids[0]);
    let before = far.calls().len();
    house.post(&guest.key, &path, json!({})).await.is(200);
    far.called(before + 1).await;
    house.die().await;
    let back = house.message_is(&guest.key, &ids[0], &["unknown"]).await;
    assert_eq!(back.text_of("/why/code"), "quarantined");
    far.always(Does::Takes);
    house.post(&guest.key, &path, json!({})).await.is(200);
    house.message_is(&guest.key, &ids[0], &["accepted"]).await;
    assert_eq!(far.taken().len(), 4);
}

/// 3.3: deaths count in a row: whoever heard an end of the call is no suspect, however often the server dies later.
#[tokio::test(flavor = "multi_thread")]
async fn an_end_of_the_call_clears_the_suspicion() {
    let (mut house, guest) = House::with("plumbing").await;
    let far = Far::open(&house).await;
    let body = connection("resend", "main", 0, &far.url());
    house
        .post(&guest.key, "/v1/connections", body)
        .await
        .is(201);
    far.next(&[Does::Hangs, Does::Hangs, Does::TakesAndBreaks, Does::Hangs]);
    let id = mail(&house, &guest, "dana@example.com").await;
    far.called(1).await;
    house.die().await;
    house.pass(5).await;
    far.called(2).await;
    house.die().await;
    house.pass(10).await;
    far.called(3).await;
    house.message_is(&guest.key, &id, &["queued"]).await;
    house.pass(45).await;
    far.called(4).await;
    house.die().await;
    let waits = house.message_is(&guest.key, &id, &["queued"]).await;
    assert_eq!(waits.text_of("/why/code"), "restart", "{}", waits.text);
    house.pass(240).await;
    house.message_is(&guest.key, &id, &["accepted"]).await;
    assert_eq!(far.taken().len(), 1);
}
