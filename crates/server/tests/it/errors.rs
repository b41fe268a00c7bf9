//! Every refusal is a problem document with a code (X7); errors are grouped (O4).

use crate::house::{House, request};
use axum::body::Body;
use axum::http::Method;
use serde_json::json;

/// X7: whatever is refused, wherever: problem+json with a code, and no text of the framework.
#[tokio::test(flavor = "multi_thread")]
async fn every_refusal_is_a_problem_document() {
    let (house, guest) = House::with("plumbing").await;
    let (key, big) = (&guest.key, "x".repeat(2 << 20));
    let cases: [(Method, &str, &str, String, u16, &str); 12] = [
        (
            Method::GET,
            "",
            "/v1/leads",
            String::new(),
            401,
            "unauthorized",
        ),
        (
            Method::GET,
            key,
            "/v1/nothing",
            String::new(),
            404,
            "not_found",
        ),
        (
            Method::GET,
            key,
            "/nothing",
            String::new(),
            404,
            "not_found",
        ),
        (
            Method::PUT,
            key,
            "/v1/leads",
            String::new(),
            405,
            "method_not_allowed",
        ),
        (
            Method::GET,
            key,
            "/v1/leads/lead_x",
            String::new(),
            404,
            "not_found",
        ),
        (
            Method::GET,
            key,
            "/v1/leads/%FF",
            String::new(),
            404,
            "not_found",
        ),
        (
            Method::GET,
            key,
            "/v1/leads?limit=many",
            String::new(),
            422,
            "invalid",
        ),
        (
            Method::POST,
            key,
            "/v1/leads",
            "{".into(),
            400,
            "body_unreadable",
        ),
        (Method::POST, key, "/v1/leads", "[1]".into(), 422, "invalid"),
        (
            Method::POST,
            key,
            "/v1/leads",
            "{} {}".into(),
            400,
            "body_unreadable",
        ),
        (Method::POST, key, "/v1/leads", big, 413, "too_large"),
        (
            Method::POST,
            key,
            "/v1/messages",
            "{}".into(),
            422,
            "missing",
        ),
    ];
    for (method, key, path, body, status, code) in cases {
        let refused = house
            .send(
                request(method.clone(), path, key)
                    .body(Body::from(body))
                    .unwrap(),
            )
            .await;
        assert_eq!(
            (refused.status.as_u16(), refused.json["code"].as_str()),
            (status, Some(code)),
            "{method} {path}: {}",
            refused.text
        );
        assert_eq!(
            refused.headers["content-type"], "application/problem+json",
            "{method} {path}"
        );
        assert!(refused.headers.contains_key("x-request-id"));
        for field in ["type", "title", "detail", "status"] {
            assert!(
                refused.json.get(field).is_some(),
                "{field} in {}",
                refused.text
            );
        }
    }
}

/// X3: the limit of a business is told in every answer, and over it the answer says when to come back.
#[tokio::test(flavor = "multi_thread")]
async fn over_the_limit_the_answer_says_when_to_come_back() {
    let (house, guest) = House::with("plumbing").await;
    let id = guest.id;
    house
        .app
        .change(move |writer| {
            let mut row = ringback_store::House::tenants(writer)?
                .into_iter()
                .find(|row| row.id == id)
                .unwrap();
            row.requests_per_minute = Some(3);
            writer.update_tenant(&row)
        })
        .await
        .unwrap();
    for left in ["2", "1", "0"] {
        assert_eq!(
            house.get(&guest.key, "/v1/me").await.is(200).headers["ratelimit-remaining"],
            left
        );
    }
    let refused = house.get(&guest.key, "/v1/me").await.is(429);
    assert_eq!(refused.text_of("/code"), "too_many_requests");
    assert!(refused.headers.contains_key("retry-after"));
}

/// O4: the same error again is counted, not listed twice; figures name the most frequent.
#[tokio::test(flavor = "multi_thread")]
async fn errors_are_grouped_and_counted() {
    let (house, guest) = House::with("plumbing").await;
    let (id, now) = (guest.id, house.app.now());
    house
        .app
        .write(move |writer| {
            for _ in 0..3 {
                writer.count_error(
                    id,
                    "error",
                    "template emergency could not be filled",
                    &json!({"component": "sending"}),
                    now,
                )?;
            }
            writer.count_error(id, "critical", "the disk is full", &json!({}), now)
        })
        .await
        .unwrap();
    let groups = house.get(&guest.key, "/v1/errors").await.is(200);
    assert_eq!(groups.data().len(), 2);
    let stats = house.get(&guest.key, "/v1/errors/stats").await.is(200).json;
    assert_eq!(
        (&stats["total"], &stats["by_severity"]),
        (&json!(4), &json!({"warning": 0, "error": 3, "critical": 1}))
    );
    assert_eq!(
        (
            &stats["most_frequent"][0]["count"],
            &stats["trend"]["last_hour"]
        ),
        (&json!(3), &json!(2))
    );
    assert!(
        house
            .get(&guest.key, "/v1/errors/set-aside")
            .await
            .is(200)
            .data()
            .is_empty()
    );
}
