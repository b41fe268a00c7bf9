//! An account that fails again and again rests; its messages take another way or wait, and one of them finds out when it works (M5, M4).

use crate::far::{Does, Far, connection};
use crate::house::{Guest, House, Reply};
use serde_json::{Value, json};

/// A house with so many leads from before anything was connected.
async fn house(leads: usize) -> (House, Guest, Vec<String>) {
    let (house, guest) = House::with("plumbing").await;
    let mut ids = Vec::new();
    for n in 0..leads {
        ids.push(
            house
                .lead(&guest.key, &format!("+1303555{:04}", 100 + n))
                .await,
        );
    }
    (house, guest, ids)
}

async fn connect(house: &House, guest: &Guest, name: &str, order: i64, far: &Far) {
    let body = connection("twilio", name, order, &far.url());
    house
        .post(&guest.key, "/v1/connections", body)
        .await
        .is(201);
}

async fn text(house: &House, guest: &Guest, lead: &str) -> String {
    let body = json!({"lead_id": lead, "channel": "sms", "category": "transactional", "body": "On our way"});
    house
        .post(&guest.key, "/v1/messages", body)
        .await
        .is(201)
        .text_of("/id")
}

async fn named(house: &House, guest: &Guest, name: &str) -> Value {
    let all = house.get(&guest.key, "/v1/connections").await.is(200);
    all.data()
        .iter()
        .find(|one| one["name"] == name)
        .unwrap()
        .clone()
}

async fn tried(house: &House, guest: &Guest, id: &str, n: usize) -> Reply {
    let path = format!("/v1/messages/{id}");
    let path = &path;
    house
        .until(&format!("attempt {n} of {id}"), || async move {
            let reply = house.get(&guest.key, path).await.is(200);
            (reply.json["attempts"].as_array().unwrap().len() >= n).then_some(reply)
        })
        .await
}

/// M5: five failures in a row open it, said on every page that speaks of connections; messages go straight to the next account; after
/// the rest exactly one message tries it, and its success closes it.
#[tokio::test(flavor = "multi_thread")]
async fn five_failures_send_messages_another_way() {
    let (house, guest, leads) = house(10).await;
    let (first, second) = (Far::open(&house).await, Far::open(&house).await);
    connect(&house, &guest, "first", 0, &first).await;
    connect(&house, &guest, "second", 1, &second).await;
    first.always(Does::RefusesUs);
    for lead in &leads[..5] {
        let id = text(&house, &guest, lead).await;
        house.message_is(&guest.key, &id, &["accepted"]).await;
    }
    assert_eq!((first.calls().len(), second.taken().len()), (5, 5));
    let rests = named(&house, &guest, "first").await["rests"].clone();
    assert!(
        rests["because"]
            .as_str()
            .unwrap()
            .starts_with("5 calls failed in a row"),
        "{rests}"
    );
    let health = house.get(&guest.key, "/health").await.is(200);
    assert_eq!(health.text_of("/status"), "degraded");
    let seen = health.json["connections"].as_array().unwrap();
    assert!(
        seen.iter()
            .any(|one| one["name"] == "first" && one["available"] == false),
        "{}",
        health.text
    );
    let errors = house.get(&guest.key, "/v1/errors").await.is(200);
    assert!(
        errors.data().iter().any(|one| one["message"]
            .as_str()
            .unwrap()
            .starts_with("Connection first rests")),
        "{}",
        errors.text
    );

    // While it rests nobody calls it.
    let id = text(&house, &guest, &leads[5]).await;
    let straight = house.message_is(&guest.key, &id, &["accepted"]).await;
    assert_eq!(straight.json["attempts"].as_array().unwrap().len(), 1);
    assert_eq!(first.calls().len(), 5);

    // The probe fails: one call, and the rest doubles.
    house.pass(30).await;
    for lead in &leads[6..8] {
        let id = text(&house, &guest, lead).await;
        house.message_is(&guest.key, &id, &["accepted"]).await;
    }
    assert_eq!(first.calls().len(), 6, "exactly one message tried it");
    assert_eq!(
        named(&house, &guest, "first").await["rests"]["failed_tries"],
        1
    );

    // The next succeeds: all is as before.
    first.always(Does::Takes);
    house.pass(60).await;
    let id = text(&house, &guest, &leads[8]).await;
    house.message_is(&guest.key, &id, &["accepted"]).await;
    house
        .until("the account to work again", || async {
            let one = named(&house, &guest, "first").await;
            (one["rests"] == json!(null) && one["trouble"] == json!(null)).then_some(())
        })
        .await;
    let id = text(&house, &guest, &leads[9]).await;
    house.message_is(&guest.key, &id, &["accepted"]).await;
    assert_eq!((first.calls().len(), first.taken().len()), (8, 2));
}

/// M5: with no other account and no other channel a message waits for the probe, and says so.
#[tokio::test(flavor = "multi_thread")]
async fn without_another_way_a_message_waits_for_the_probe() {
    let (house, guest, leads) = house(7).await;
    let far = Far::open(&house).await;
    connect(&house, &guest, "only", 0, &far).await;
    far.always(Does::RefusesUs);
    for lead in &leads[..5] {
        let id = text(&house, &guest, lead).await;
        tried(&house, &guest, &id, 1).await;
    }
    let waits = text(&house, &guest, &leads[5]).await;
    let reply = house.message_is(&guest.key, &waits, &["deferred"]).await;
    let rests = named(&house, &guest, "only").await["rests"].clone();
    assert_eq!(reply.json["due_at"], rests["try_at"]);
    assert_eq!(reply.text_of("/why/code"), "rests");
    assert_eq!(far.calls().len(), 5, "it was not called");
    far.always(Does::Takes);
    house.pass(30).await;
    let sent = house.message_is(&guest.key, &waits, &["accepted"]).await;
    assert_eq!(sent.json["attempts"].as_array().unwrap().len(), 1);
}

/// M4: who asks for an hour gets it: another account takes over, and without one the message waits as long.
#[tokio::test(flavor = "multi_thread")]
async fn a_long_retry_after_is_respected() {
    let (house, guest, leads) = house(2).await;
    let (first, second) = (Far::open(&house).await, Far::open(&house).await);
    connect(&house, &guest, "first", 0, &first).await;
    first.next(&[Does::AsksForAnHour]);
    let before = house.app.now();
    let id = text(&house, &guest, &leads[0]).await;
    let waits = tried(&house, &guest, &id, 1).await;
    assert_eq!(waits.text_of("/status"), "queued");
    let due: jiff::Timestamp = waits.text_of("/due_at").parse().unwrap();
    assert_eq!(due.duration_since(before).as_secs(), 3_600);

    connect(&house, &guest, "second", 1, &second).await;
    first.next(&[Does::AsksForAnHour]);
    let id = text(&house, &guest, &leads[1]).await;
    house.message_is(&guest.key, &id, &["accepted"]).await;
    assert_eq!((first.taken().len(), second.taken().len()), (0, 1));
}
