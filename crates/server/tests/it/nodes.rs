//! Roles (O6): who takes in and who sends, on one PostgreSQL.

use crate::far::{Far, connection};
use crate::house::{Guest, House};
use ringback_pgtest::{APP, PgBouncer};
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
            // Lagging is a change too; what another node did is not heard here, and looked for.
            let next = tokio::time::timeout(Duration::from_millis(200), changes.recv());
            drop(next.await);
        }
    };
    let gone = tokio::time::timeout(Duration::from_secs(20), goes).await;
    if gone.is_err() {
        let path = format!("/v1/messages/{id}");
        panic!(
            "it does not go: {}",
            house.get(&guest.key, &path).await.text
        );
    }
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

/// The next version's change of the schema only adds: servers of this version go on beside its own, those that run and those that start. When a
/// later change takes away what they use, they are kept out with words.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_goes_on_when_the_next_version_has_added_to_the_schema() {
    let house = House::on_postgres().await;
    let guest = house.open("plumbing", "plumbing").await;
    let far = Far::open(&house).await;
    let body = connection("twilio", "main", 0, &far.url());
    house
        .post(&guest.key, "/v1/connections", body)
        .await
        .is(201);
    let dana = house.lead(&guest.key, "+13035550142").await;
    let first = text(&house, &guest, &dana).await;
    goes_by(&house.app, &house, &guest, &first).await;
    // More in every table than this version knows of: whatever of it is prepared, and whoever writes rows, goes on.
    let adds = "DO $$ DECLARE one TEXT; BEGIN
        FOR one IN SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'schema_history' LOOP
            EXECUTE format('ALTER TABLE %I ADD COLUMN of_the_next_version BIGINT', one);
        END LOOP;
        INSERT INTO schema_history (version, name, checksum, serves_from) VALUES (2, 'adds', '', 1);
    END $$";
    house.database().sql(adds).unwrap();
    let eve = house.lead(&guest.key, "+13035550143").await;
    for lead in [&dana, &eve] {
        let next = text(&house, &guest, lead).await;
        goes_by(&house.app, &house, &guest, &next).await;
    }
    let beside = house.neighbour();
    let next = text(&beside, &guest, &eve).await;
    goes_by(&house.app, &house, &guest, &next).await;
    // Both look at all that is kept of a lead.
    for one in [&house, &beside] {
        let path = format!("/v1/leads/{eve}/timeline");
        assert!(one.get(&guest.key, &path).await.is(200).data().len() > 2);
    }

    let takes_away = "INSERT INTO schema_history (version, name, checksum, serves_from) VALUES (3, 'takes away', '', 3)";
    house.database().sql(takes_away).unwrap();
    let refused = house.second_node(Role::All).unwrap_err();
    assert!(
        refused.contains("the database is of version 3, this program knows 1"),
        "{refused}"
    );
}

/// Behind a pooler in transaction mode no server hears another: it looks by itself every few seconds, and nothing stays.
#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_hears_nothing_looks_by_itself() {
    let house = House::empty_node(Role::Api).await;
    let guest = house.open("plumbing", "plumbing").await;
    let far = Far::open(&house).await;
    let body = connection("twilio", "main", 0, &far.url());
    house
        .post(&guest.key, "/v1/connections", body)
        .await
        .is(201);
    let dana = house.lead(&guest.key, "+13035550142").await;
    let pooler = PgBouncer::start(house.database().server(), 4).unwrap();
    let through = format!("{}?prepare=off", pooler.url(APP, house.database()));
    let (worker, loops) = house.node_at(Role::Worker, &through);
    for _ in 0..2 {
        let id = text(&house, &guest, &dana).await;
        goes_by(&worker, &house, &guest, &id).await;
    }
    worker.stop(loops).await;
}
