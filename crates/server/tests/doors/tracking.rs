//! The tracking API (S1): SDKs as they are, anonymous visitors, sessions, and what a public key may not do.

use crate::house::House;
use axum::body::Body;
use axum::http::{Request, StatusCode};
use flate2::Compression;
use flate2::write::GzEncoder;
use ringback_core::leads::Lead;
use ringback_core::turn::world::{Consent, PointKind, Purpose};
use ringback_store::KeyKind;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::Write as _;

const KEY: &str = "wk_example_1";
const SECRET: &str = "rb_live_abcdefghijklmnopqrstuvwxyz012345678901234567";
const SITE: &str = "https://www.example.com";

#[derive(Deserialize)]
struct Recorded {
    requests: Vec<SdkRequest>,
}

#[derive(Deserialize)]
struct SdkRequest {
    sdk: String,
    path: String,
    headers: BTreeMap<String, String>,
    basic_auth_decoded: String,
    body: Box<RawValue>,
}

#[derive(Deserialize)]
struct Calls {
    calls: Vec<OneCall>,
}

#[derive(Deserialize)]
struct OneCall {
    path: String,
    content_type: Option<String>,
    body: Box<RawValue>,
}

fn call(path: &str, key: Option<&str>, body: impl Into<Body>) -> Request<Body> {
    use base64::Engine as _;
    let mut request = Request::post(path).header("content-type", "application/json");
    if let Some(key) = key {
        let user = base64::engine::general_purpose::STANDARD.encode(format!("{key}:"));
        request = request.header("authorization", format!("Basic {user}"));
    }
    request.body(body.into()).unwrap()
}

async fn track(house: &House, body: Value) -> Value {
    let path = format!("/v1/{}", body["type"].as_str().unwrap());
    let answer = house.send(call(&path, Some(KEY), body.to_string())).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    answer.json()
}

async fn house_with_keys() -> House {
    let house = House::open().await;
    house.key(KeyKind::Write, KEY).await;
    house.key(KeyKind::Secret, SECRET).await;
    house
}

/// S1: every request that was recorded from an unmodified SDK is taken, byte for byte, and once more without any change.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn recorded_requests_of_sdks_are_taken_as_they_are() {
    let recorded: Recorded =
        serde_json::from_str(include_str!("../fixtures/segment_sdk_requests.json")).unwrap();
    let house = House::open().await;
    for one in &recorded.requests {
        house
            .key(KeyKind::Write, one.basic_auth_decoded.trim_end_matches(':'))
            .await;
    }
    assert!(recorded.requests.len() >= 5);
    let mut events = None;
    for _round in 0..2 {
        for one in &recorded.requests {
            let mut request = Request::post(&one.path);
            for (name, value) in &one.headers {
                request = request.header(name, value);
            }
            let answer = house
                .send(request.body(Body::from(one.body.get().to_owned())).unwrap())
                .await;
            assert_eq!(
                (answer.status, answer.json()),
                (StatusCode::OK, json!({"success": true})),
                "{}",
                one.sdk
            );
        }
        let leads = house.leads(house.alder).await;
        let mut all = Vec::new();
        for lead in &leads {
            all.extend(
                house
                    .timeline(house.alder, lead.id)
                    .await
                    .into_iter()
                    .filter(|event| event.source == "tracking")
                    .map(|event| (event.id, event.kind)),
            );
        }
        match &events {
            None => events = Some(all),
            Some(before) => assert_eq!(*before, all, "the same message ids changed something"),
        }
    }
    // u1 is one person, told by all SDKs, and anon-1 joined it by alias.
    let leads = house.leads(house.alder).await;
    let [lead] = &leads[..] else {
        panic!("one lead: {leads:?}")
    };
    assert_eq!(lead.email.as_deref(), Some("a@example.com"));
    assert_eq!(lead.attributes["plan"], "pro");
    let kinds: Vec<String> = events.unwrap().into_iter().map(|(_, kind)| kind).collect();
    assert!(
        [
            "identify",
            "signed_up",
            "viewed_pricing",
            "page",
            "screen",
            "group",
            "alias"
        ]
        .iter()
        .all(|kind| kinds.iter().any(|one| one == kind)),
        "{kinds:?}"
    );
    house.close().await;
}

/// S1: the single calls and short names of the HTTP API, with the key in the header or in the body.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn single_calls_and_short_names_are_taken() {
    let calls: Calls =
        serde_json::from_str(include_str!("../fixtures/segment_http_calls.json")).unwrap();
    let house = House::open().await;
    house.key(KeyKind::Write, "wk_test_1").await;
    for one in &calls.calls {
        let mut request = call(
            &one.path,
            (one.content_type.is_none()).then_some("wk_test_1"),
            one.body.get().to_owned(),
        );
        if let Some(kind) = &one.content_type {
            request
                .headers_mut()
                .insert("content-type", kind.parse().unwrap());
        }
        let answer = house.send(request).await;
        assert_eq!(
            (answer.status, answer.json()),
            (StatusCode::OK, json!({"success": true})),
            "{}",
            one.path
        );
    }
    let leads = house.leads(house.alder).await;
    let [lead] = &leads[..] else {
        panic!("one lead: {leads:?}")
    };
    assert_eq!(
        (
            lead.first_name.as_deref(),
            lead.phone.as_deref(),
            lead.zip.as_deref()
        ),
        (Some("Dana"), Some("+16505550123"), Some("78701"))
    );
    let events = house.timeline(house.alder, lead.id).await;
    let page = events.iter().find(|event| event.kind == "page").unwrap();
    assert_eq!(
        (&page.properties["path"], &page.properties["name"]),
        (&json!("/pricing"), &json!("Pricing"))
    );
    assert!(
        events.iter().any(|event| event.kind == "emergency_click")
            && events.iter().any(|event| event.kind == "login")
    );
    house.close().await;
}

async fn only_lead(house: &House) -> Lead {
    let mut leads = house.leads(house.alder).await;
    assert_eq!(leads.len(), 1, "{leads:?}");
    leads.remove(0)
}

/// S1, S3: an anonymous visitor is scored from the first event, and what it did belongs to the person it turns out to be.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_anonymous_visitor_is_scored_and_merged_when_it_says_who_it_is() {
    let house = house_with_keys().await;
    let known = house
        .post_form(
            "/f/alder.contact",
            &[
                ("first_name", "Dana"),
                ("phone", "303-555-0142"),
                ("email", "dana@example.com"),
            ],
        )
        .await;
    assert_eq!(known.status, StatusCode::SEE_OTHER);
    let dana = only_lead(&house).await.id;
    track(
        &house,
        json!({"type": "page", "anonymousId": "b1", "messageId": "1", "properties": {"path": "/"}}),
    )
    .await;
    let click =
        json!({"type": "track", "anonymousId": "b1", "messageId": "2", "event": "Emergency Click"});
    track(&house, click.clone()).await;
    let visitor = house
        .leads(house.alder)
        .await
        .into_iter()
        .find(|lead| lead.id != dana)
        .unwrap();
    assert!(visitor.anonymous);
    // 30 for the click, 5 for the office hour.
    assert_eq!(visitor.points, 35);
    track(&house, click).await;
    assert_eq!(
        house
            .leads(house.alder)
            .await
            .iter()
            .map(|lead| lead.points)
            .sum::<i64>(),
        35
    );
    track(&house, json!({"type": "identify", "anonymousId": "b1", "userId": "crm-7", "messageId": "3", "traits": {"email": "Dana@example.com", "firstName": "Impostor", "phone": "nonsense"}})).await;
    let lead = only_lead(&house).await;
    assert_eq!(lead.id, dana);
    // A public key fills gaps and overwrites nothing.
    assert_eq!(
        (
            lead.first_name.as_deref(),
            lead.phone.as_deref(),
            lead.points
        ),
        (Some("Dana"), Some("+13035550142"), 35)
    );
    let events = house.timeline(house.alder, dana).await;
    assert!(events.iter().any(|event| event.kind == "emergency_click"));
    let identify = events
        .iter()
        .find(|event| event.kind == "identify")
        .unwrap();
    assert!(identify.properties["unusable"]["phone"].is_string());
    house.close().await;
}

/// S1: a public key never grants consent: who it names was not asked.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_public_key_grants_nothing() {
    let house = house_with_keys().await;
    track(&house, json!({"type": "identify", "userId": "u1", "traits": {"phone": "303-555-0142", "email": "dana@example.com", "consent": true}})).await;
    for (kind, value) in [
        (PointKind::Phone, "+13035550142"),
        (PointKind::Email, "dana@example.com"),
    ] {
        let point = house.point(house.alder, kind, value).await.unwrap();
        for purpose in [Purpose::Transactional, Purpose::Promotional] {
            for channel in [0, 1] {
                assert_eq!(point.consent.get(channel, purpose), Consent::Unasked);
            }
        }
    }
    house.close().await;
}

/// S1: events less than 30 minutes apart are one session; the next one counts anew.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn half_an_hour_of_silence_ends_a_session() {
    let house = house_with_keys().await;
    let page = |id: &str, path: &str| json!({"type": "page", "anonymousId": "b1", "messageId": id, "properties": {"path": path}});
    track(&house, page("1", "/")).await;
    house.pass(29 * 60);
    track(&house, page("2", "/services/drains")).await;
    house.pass(29 * 60 + 59);
    track(&house, page("3", "/services/heaters")).await;
    house.pass(30 * 60);
    track(&house, page("4", "/")).await;
    let lead = only_lead(&house).await;
    let events = house.timeline(house.alder, lead.id).await;
    let sessions: Vec<_> = events
        .iter()
        .filter(|event| event.kind == "page")
        .map(|event| event.session.unwrap())
        .collect();
    assert!(
        sessions[0] == sessions[1] && sessions[1] == sessions[2] && sessions[2] != sessions[3],
        "{sessions:?}"
    );
    house.close().await;
}

/// S1: who holds a secret is told lead, points and tier; who holds a public key is told nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_a_secret_key_is_told_about_the_lead() {
    let house = house_with_keys().await;
    let body = json!({"anonymousId": "b1", "event": "Emergency Click"}).to_string();
    let public = house.send(call("/v1/track", Some(KEY), body.clone())).await;
    assert_eq!(public.json(), json!({"success": true}));
    let secret = house
        .send(call("/v1/track", Some(SECRET), body.clone()))
        .await;
    let lead = only_lead(&house).await;
    assert_eq!(
        (
            &secret.json()["lead_id"],
            &secret.json()["points"],
            &secret.json()["tier"]
        ),
        (&json!(lead.id.to_string()), &json!(35), &Value::Null)
    );
    let bearer = Request::post("/v1/batch")
        .header("authorization", format!("Bearer {SECRET}"))
        .body(Body::from(format!(
            "{{\"batch\":[{}]}}",
            json!({"type": "track", "userId": "u", "event": "A"})
        )))
        .unwrap();
    assert_eq!(
        house.send(bearer).await.json()["results"]
            .as_array()
            .map(Vec::len),
        Some(1)
    );
    // A secret in a body is not believed: bodies of browsers are public.
    let body = json!({"anonymousId": "b1", "event": "A", "writeKey": SECRET}).to_string();
    assert_eq!(
        house.send(call("/v1/track", None, body)).await.status,
        StatusCode::UNAUTHORIZED
    );
    house.close().await;
}

/// S1: unknown keys, foreign origins, broken and oversized bodies are refused; what they would have said is not there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_may_not_come_in_does_not() {
    let house = house_with_keys().await;
    let body = json!({"anonymousId": "b1", "event": "A"}).to_string();
    let with = |name: &'static str, value: &str, mut request: Request<Body>| {
        request.headers_mut().insert(name, value.parse().unwrap());
        request
    };
    let large = format!("{{\"batch\":[],\"x\":\"{}\"}}", "x".repeat(600 << 10));
    for (what, request, status) in [
        (
            "unknown key",
            call("/v1/track", Some("wk_unknown"), body.clone()),
            401,
        ),
        ("no key", call("/v1/track", None, body.clone()), 401),
        (
            "unknown bearer",
            with(
                "authorization",
                "Bearer token",
                call("/v1/track", None, body.clone()),
            ),
            401,
        ),
        (
            "foreign origin",
            with(
                "origin",
                "https://evil.example",
                call("/v1/track", Some(KEY), body.clone()),
            ),
            403,
        ),
        ("no JSON", call("/v1/track", Some(KEY), "{"), 400),
        ("too large", call("/v1/batch", Some(KEY), large), 413),
        (
            "no gzip",
            with(
                "content-encoding",
                "gzip",
                call("/v1/track", Some(KEY), body.clone()),
            ),
            400,
        ),
        (
            "another encoding",
            with(
                "content-encoding",
                "br",
                call("/v1/track", Some(KEY), body.clone()),
            ),
            415,
        ),
    ] {
        assert_eq!(house.send(request).await.status.as_u16(), status, "{what}");
    }
    assert!(house.leads(house.alder).await.is_empty());
    let listed = with("origin", SITE, call("/v1/t", Some(KEY), body.clone()));
    let answer = house.send(listed).await;
    assert_eq!(
        (answer.status, answer.header("access-control-allow-origin")),
        (StatusCode::OK, Some(SITE))
    );
    house.close().await;
}

/// S1: bodies come gzipped from some SDKs, and what a small one unpacks to is bounded.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn gzipped_bodies_are_unpacked() {
    let house = house_with_keys().await;
    let send = |body: &[u8]| {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(body).unwrap();
        let mut request = call("/v1/batch", Some(KEY), encoder.finish().unwrap());
        request
            .headers_mut()
            .insert("content-encoding", "gzip".parse().unwrap());
        request
    };
    let body = json!({"batch": [{"type": "track", "userId": "u", "event": "A"}]}).to_string();
    assert_eq!(
        house.send(send(body.as_bytes())).await.status,
        StatusCode::OK
    );
    only_lead(&house).await;
    assert_eq!(
        house.send(send(&vec![b' '; 50 << 20])).await.status,
        StatusCode::PAYLOAD_TOO_LARGE
    );
    house.close().await;
}

/// S1: what the browser SDK asks before it speaks, and may it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_browser_sdk_finds_its_settings() {
    let house = house_with_keys().await;
    let ask = |method: &str, path: &str, origin: &str| {
        Request::builder()
            .method(method)
            .uri(path)
            .header("origin", origin)
            .body(Body::empty())
            .unwrap()
    };
    let settings = house
        .send(ask("GET", &format!("/v1/projects/{KEY}/settings"), SITE))
        .await;
    assert_eq!(
        settings.json()["integrations"]["Segment.io"]["apiHost"],
        "ringback.test/v1"
    );
    assert_eq!(settings.header("access-control-allow-origin"), Some(SITE));
    assert_eq!(
        house
            .send(ask("GET", "/v1/projects/unknown/settings", SITE))
            .await
            .status,
        StatusCode::UNAUTHORIZED
    );
    let preflight = house.send(ask("OPTIONS", "/v1/t", SITE)).await;
    assert_eq!(preflight.header("access-control-allow-origin"), Some(SITE));
    assert!(
        preflight
            .header("access-control-allow-headers")
            .unwrap()
            .contains("authorization")
    );
    assert_eq!(
        house
            .send(ask("OPTIONS", "/v1/t", "https://evil.example"))
            .await
            .header("access-control-allow-origin"),
        None
    );
    house.close().await;
}

/// S1: nobody outside plays an event of ours: a track call by its name starts no workflow of a captured lead.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_public_key_cannot_play_our_events() {
    let house = house_with_keys().await;
    track(
        &house,
        json!({"type": "identify", "userId": "u1", "traits": {"phone": "303-555-0142"}}),
    )
    .await;
    track(
        &house,
        json!({"type": "track", "userId": "u1", "event": "lead.captured"}),
    )
    .await;
    let lead = only_lead(&house).await;
    let events = house.timeline(house.alder, lead.id).await;
    assert!(
        events.iter().all(|event| event.kind != "lead.captured")
            && events.iter().any(|event| event.kind == "lead_captured")
    );
    assert!(house.messages(house.alder).await.is_empty());
    house.close().await;
}

/// S1: one address says so much in a minute, then hears when to come back; a secret key is held to its tenant's own limit only.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_address_says_so_much_a_minute() {
    let house = House::open_with(3, |_, text| text.to_owned()).await;
    house.key(KeyKind::Write, KEY).await;
    house.key(KeyKind::Secret, SECRET).await;
    let body = || json!({"anonymousId": "b1", "event": "A"}).to_string();
    for _ in 0..3 {
        assert_eq!(
            house
                .send_from(9, call("/v1/t", Some(KEY), body()))
                .await
                .status,
            StatusCode::OK
        );
    }
    let waits = house.send_from(9, call("/v1/t", Some(KEY), body())).await;
    assert_eq!(
        (waits.status, waits.header("retry-after")),
        (StatusCode::TOO_MANY_REQUESTS, Some("20"))
    );
    assert_eq!(
        house
            .send_from(10, call("/v1/t", Some(KEY), body()))
            .await
            .status,
        StatusCode::OK
    );
    for _ in 0..5 {
        assert_eq!(
            house
                .send_from(9, call("/v1/t", Some(SECRET), body()))
                .await
                .status,
            StatusCode::OK
        );
    }
    house.pass(20);
    assert_eq!(
        house
            .send_from(9, call("/v1/t", Some(KEY), body()))
            .await
            .status,
        StatusCode::OK
    );
    house.close().await;
}
