//! Health (O1), figures (O2), and the API's own description (I1).

use crate::house::House;
use serde_json::Value;

/// O1: alive, ready and in detail; a server that stops is not ready.
#[tokio::test(flavor = "multi_thread")]
async fn the_server_says_how_it_is() {
    let (house, guest) = House::with("plumbing").await;
    house.get("", "/health/live").await.is(200);
    house.get("", "/health/ready").await.is(200);
    let health = house.get("", "/health").await.is(200).json;
    assert_eq!(health["status"], "healthy", "{health}");
    for field in [
        "reasons",
        "version",
        "uptime_seconds",
        "memory_bytes",
        "database",
        "queue",
        "disk",
        "orders_waiting",
        "time_zone_data",
    ] {
        assert!(!health[field].is_null(), "{field} in {health}");
    }
    let room = |name: &str| health["disk"][name].as_u64().unwrap();
    assert!(room("free_bytes") > 0 && room("free_bytes") <= room("total_bytes"));
    assert!(health["time_zone_data"].as_str().unwrap().starts_with("20"));
    assert!(
        health.get("connections").is_none(),
        "accounts are nobody else's business"
    );
    assert!(house.get(&guest.key, "/health").await.is(200).json["connections"].is_array());
    house.get("wrong", "/health").await.is(401);
    house.lead(&guest.key, "+13035550142").await;
    // Figures are counted a moment after the answer.
    let house = &house;
    house
        .until("the orders to be counted", || async move {
            house
                .get("", "/metrics")
                .await
                .is(200)
                .text
                .contains("ringback_orders_total")
                .then_some(())
        })
        .await;
    house.app.stopping.cancel();
    assert_eq!(
        house
            .get("", "/health/ready")
            .await
            .is(503)
            .text_of("/code"),
        "busy"
    );
    assert_eq!(
        house.get("", "/health").await.is(503).json["status"],
        "down"
    );
    house.get("", "/health/live").await.is(200);
}

/// I1: the description is OpenAPI 3.1, and every operation says what it is, which key it needs and which errors it has.
#[tokio::test(flavor = "multi_thread")]
async fn every_route_describes_itself() {
    let (house, _) = House::with("plumbing").await;
    let api = house.get("", "/openapi.json").await.is(200).json;
    assert!(api["openapi"].as_str().unwrap().starts_with("3.1"));
    let mut operations = 0;
    for (path, item) in api["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            operations += 1;
            let at = format!("{method} {path}");
            assert!(
                operation["summary"]
                    .as_str()
                    .is_some_and(|text| !text.is_empty()),
                "{at}"
            );
            let responses = operation["responses"].as_object().unwrap();
            assert!(
                responses
                    .keys()
                    .any(|status| status.starts_with(['1', '2'])),
                "{at}"
            );
            if path.starts_with("/v1/") {
                assert!(
                    operation["security"].is_array() && responses.contains_key("401"),
                    "{at}"
                );
            }
            if path.contains('{') {
                assert!(responses.contains_key("404"), "{at}");
            }
            for (status, response) in responses
                .iter()
                .filter(|(status, _)| status.starts_with(['4', '5']))
            {
                let health = path == "/health";
                assert!(
                    health
                        || response["content"]
                            .get("application/problem+json")
                            .is_some(),
                    "{at} {status}"
                );
            }
        }
    }
    assert!(operations > 45, "{operations}");
    dangling(&api, &api);
}

/// Every reference leads somewhere.
fn dangling(api: &Value, part: &Value) {
    match part {
        Value::Object(map) => {
            if let Some(Value::String(to)) = map.get("$ref") {
                assert!(api.pointer(to.trim_start_matches('#')).is_some(), "{to}");
            }
            map.values().for_each(|value| dangling(api, value));
        }
        Value::Array(list) => list.iter().for_each(|value| dangling(api, value)),
        _ => {}
    }
}

/// I1: the page loads its own files only, and its policy lets nothing else in.
#[tokio::test(flavor = "multi_thread")]
async fn the_page_of_the_api_loads_nothing_from_elsewhere() {
    let house = House::empty().await;
    house.get("", "/docs").await.is(303);
    let page = house.get("", "/docs/").await.is(200);
    let policy = page.headers["content-security-policy"].to_str().unwrap();
    assert!(
        policy.contains("default-src 'none'")
            && policy.contains("script-src 'self'")
            && !policy.contains("unsafe-eval")
    );
    for text in page
        .text
        .split(['"', '\''])
        .filter(|text| text.contains("://"))
    {
        assert!(text.contains("w3.org"), "{text}");
    }
    assert!(!page.text.contains("<script>"), "{}", page.text);
    for file in [
        "swagger-ui.css",
        "swagger-ui-bundle.js",
        "swagger-initializer.js",
    ] {
        house.get("", &format!("/docs/{file}")).await.is(200);
    }
    assert!(
        house
            .get("", "/docs/swagger-initializer.js")
            .await
            .text
            .contains("/openapi.json")
    );
}
