//! The live feed: each change of the business is told within a moment, and nobody else's.

use crate::house::House;
use http_body_util::BodyExt as _;
use std::time::Duration;

async fn next_line(body: &mut axum::body::Body) -> String {
    let frame = tokio::time::timeout(Duration::from_secs(10), body.frame())
        .await
        .expect("a line in time");
    String::from_utf8(
        frame
            .expect("an open line")
            .unwrap()
            .into_data()
            .unwrap()
            .to_vec(),
    )
    .unwrap()
}

/// A change is told with the leads it is about; another business hears nothing of it; the line ends when the server stops.
#[tokio::test(flavor = "multi_thread")]
async fn a_change_is_told_to_its_own_business() {
    let (house, guest) = House::with("plumbing").await;
    let other = house.open("other", "auto-glass").await;
    let response = house.open_stream(&guest.key, "/v1/live").await;
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    assert_eq!(
        (
            response.headers()["x-accel-buffering"].to_str().unwrap(),
            response.headers()["cache-control"].to_str().unwrap()
        ),
        ("no", "no-store")
    );
    let mut body = response.into_body();
    let theirs = house.lead(&other.key, "+13035550160").await;
    let ours = house.lead(&guest.key, "+13035550142").await;
    let line = next_line(&mut body).await;
    assert!(
        line.contains("event: change") && line.contains("id: ") && line.contains(&ours),
        "{line}"
    );
    assert!(!line.contains(&theirs), "{line}");
    house.app.stopping.cancel();
    let ended = async { while body.frame().await.is_some() {} };
    tokio::time::timeout(Duration::from_secs(10), ended)
        .await
        .expect("the line ends");
}

/// Who comes back is told that anything may have changed.
#[tokio::test(flavor = "multi_thread")]
async fn who_reconnects_is_told_to_look_again() {
    let (house, guest) = House::with("plumbing").await;
    let request = crate::house::request(http::Method::GET, "/v1/live", &guest.key)
        .header("last-event-id", "7")
        .body(axum::body::Body::empty())
        .unwrap();
    let response = tower::ServiceExt::oneshot(ringback_server::routes(&house.app), request)
        .await
        .unwrap();
    let line = next_line(&mut response.into_body()).await;
    assert!(line.contains(r#"{"leads":null}"#), "{line}");
}

/// A plain request for a WebSocket is told what to do.
#[tokio::test(flavor = "multi_thread")]
async fn a_plain_request_for_a_socket_is_refused() {
    let (house, guest) = House::with("plumbing").await;
    house.get(&guest.key, "/v1/live/ws").await.is(426);
    house.get("", "/v1/live/ws").await.is(401);
    house.get("", "/v1/live").await.is(401);
}

/// X2: a key that is taken back hears nothing more, and at once.
#[tokio::test(flavor = "multi_thread")]
async fn the_feed_ends_with_the_key_that_opened_it() {
    let (house, guest) = House::with("plumbing").await;
    let made = house
        .post(
            &guest.key,
            "/v1/keys",
            serde_json::json!({"name": "screen", "scopes": ["*"]}),
        )
        .await
        .is(201);
    let (id, whole) = (made.text_of("/id"), made.text_of("/key"));
    let mut ending = house.open_stream(&whole, "/v1/live").await.into_body();
    let mut other = house.open_stream(&guest.key, "/v1/live").await.into_body();
    house.delete(&guest.key, &format!("/v1/keys/{id}")).await;
    let ended = async { while ending.frame().await.is_some() {} };
    // Sooner than by the look every five seconds.
    tokio::time::timeout(Duration::from_secs(4), ended)
        .await
        .expect("the line ends");
    let lead = house.lead(&guest.key, "+13035550142").await;
    assert!(next_line(&mut other).await.contains(&lead), "others go on");
}

/// N6: what a person should look at now comes as an alert, with its urgency and what to do; another business hears nothing of it.
#[tokio::test(flavor = "multi_thread")]
async fn an_alert_says_what_to_do() {
    let (house, guest) = House::with("plumbing").await;
    let other = house.open("other", "auto-glass").await;
    let lead = house.lead(&guest.key, "+13035550142").await;
    let mut ours = house.open_stream(&guest.key, "/v1/live").await.into_body();
    let mut theirs = house.open_stream(&other.key, "/v1/live").await.into_body();
    let stage = serde_json::json!({"stage": "contacted"});
    let moved = house
        .post(&guest.key, &format!("/v1/leads/{lead}/stage"), stage)
        .await;
    moved.is(200);
    let alert = loop {
        let line = next_line(&mut ours).await;
        if line.contains("event: alert") {
            break line;
        }
    };
    let data = alert
        .lines()
        .find_map(|line| line.strip_prefix("data: "))
        .unwrap();
    let told: serde_json::Value = serde_json::from_str(data).unwrap();
    assert_eq!(
        (&told["event"], &told["lead"]),
        (&"lead_status_changed".into(), &lead.as_str().into())
    );
    assert!(told["actions"].as_array().unwrap().len() <= 3, "{told}");
    house.lead(&other.key, "+13035550160").await;
    let line = next_line(&mut theirs).await;
    assert!(!line.contains(&lead), "{line}");
}
