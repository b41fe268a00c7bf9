//! Roles (O6): who takes in and who sends, on one PostgreSQL.

use crate::far::{Far, connection};
use crate::house::{Guest, House};
use ringback_server::App;
use ringback_store::Role;
use serde_json::json;
use std::time::Duration;

async fn text(house: &House, guest: &Guest, lead: &str) -> String {
    let body = json!({"lead_id": lead, "channel": "sms", "category": "transactional", "body": "We are on our way"});
    house
        .post(&guest.key, "/v1/messages", body)
        .await
        .is(201)
        .text_of("/id")
}

async fn status(house: &House, guest: &Guest, id: &str) -> String {
    let path = format!("/v1/messages/{id}");
    house
        .get(&guest.key, &path)
        .await
        .is(200)
        .text_of("/status")
}

/// Waits until the worker has brought a message to its provider. It is told, and looks every five seconds; twenty are for ever.
async fn goes_by(worker: &App, house: &House, guest: &Guest, id: &str) {
    let mut changes = worker.live.listen();
    let goes = async {
        while status(house, guest, id).await != "accepted" {
            // Lagging is a change too.
            drop(changes.recv().await);
        }
    };
    tokio::time::timeout(Duration::from_secs(20), goes)
        .await
        .expect("the worker sends it");
}

/// What an `api` node takes in it leaves to the workers: nothing goes while there is none, and everything once there is one. What changes
/// in the house at one node holds at the other.
#[tokio::test(flavor = "multi_thread")]
async fn an_api_node_takes_in_and_a_worker_sends() {
    let house = House::empty_node(Role::Api).await;
    let guest = house.open("plumbing", "plumbing").await;
    let far = Far::open(&house).await;
    let body = connection("twilio", "main", 0, &far.url());
    house
        .post(&guest.key, "/v1/connections", body)
        .await
        .is(201);
    let dana = house.lead(&guest.key, "+13035550142").await;
    let first = text(&house, &guest, &dana).await;
    // Many turns, and time that passes: whoever sends would have sent.
    for _ in 0..5 {
        house.pass(20).await;
    }
    assert_ne!(status(&house, &guest, &first).await, "accepted");
    assert_eq!(far.calls().len(), 0);

    let (worker, loops) = house.node(Role::Worker);
    goes_by(&worker, &house, &guest, &first).await;
    let second = text(&house, &guest, &dana).await;
    goes_by(&worker, &house, &guest, &second).await;
    let ours = |far: &Far| {
        let taken = far.taken();
        taken
            .iter()
            .filter(|one| one.contains("We+are+on+our+way"))
            .count()
    };
    assert_eq!(ours(&far), 2);
    worker.stop(loops).await;

    let third = text(&house, &guest, &dana).await;
    for _ in 0..5 {
        house.pass(20).await;
    }
    assert_ne!(status(&house, &guest, &third).await, "accepted");
    assert_eq!(ours(&far), 2);
}
