//! Public forms (L2) and what keeps robots out of them (L3).

use crate::house::{Answer, House};
use axum::body::Body;
use axum::http::{Request, StatusCode};
use proptest::prelude::*;
use ringback_core::messages::ChannelKind;
use ringback_core::turn::world::{Consent, PointKind, Purpose};
use serde_json::json;

const CONTACT: &str = "/f/alder.contact";
const BOOKING: &str = "/f/wren.booking";
const DANA: [(&str, &str); 4] = [
    ("first_name", "Dana"),
    ("phone", "(303) 555-0142"),
    ("email", "dana@example.com"),
    ("service_type", "burst pipe"),
];

/// What Dana typed and more, on a page of ours that was open for ten seconds.
async fn filled<'a>(house: &House, more: &[(&'a str, &'a str)]) -> Vec<(&'a str, String)> {
    let page = house.get(CONTACT).await;
    let time = page.input("_t").unwrap();
    house.pass(10);
    let mut fields: Vec<(&str, String)> = DANA
        .iter()
        .chain(more)
        .map(|(name, value)| (*name, (*value).to_owned()))
        .collect();
    fields.push(("_t", time));
    fields
}

async fn post(house: &House, path: &str, fields: &[(&str, String)]) -> Answer {
    let fields: Vec<(&str, &str)> = fields
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    house.post_form(path, &fields).await
}

fn reference(answer: &Answer) -> String {
    assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.text());
    let location = answer.header("location").unwrap();
    location.split_once("ref=").unwrap().1.to_owned()
}

/// L2: the page is whole without a script, and its answer is the way to the reference.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_form_works_without_a_script() {
    let house = House::open().await;
    let page = house.get(CONTACT).await;
    assert_eq!(page.status, StatusCode::OK);
    let text = page.text();
    assert!(
        !text.contains("<script")
            && text.contains("<html lang=\"en\">")
            && text.contains("Alder Plumbing")
    );
    for field in [
        "first_name",
        "last_name",
        "phone",
        "email",
        "zip",
        "service_type",
        "message",
        "sms_consent",
    ] {
        assert!(
            text.contains(&format!("<label for=\"{field}\">"))
                && text.contains(&format!("id=\"{field}\"")),
            "{field}"
        );
    }
    let policy = page.header("content-security-policy").unwrap();
    assert!(
        policy.starts_with("default-src 'none'; style-src 'nonce-"),
        "{policy}"
    );
    assert!(
        !text.contains("checked"),
        "consent is never ticked in advance"
    );

    let answer = post(
        &house,
        CONTACT,
        &filled(&house, &[("sms_consent", "on"), ("zip", "80202")]).await,
    )
    .await;
    let reference = reference(&answer);
    assert!(
        answer
            .header("location")
            .unwrap()
            .starts_with("/f/alder.contact/thanks?ref=")
    );
    let [lead] = &house.leads(house.alder).await[..] else {
        panic!("one lead")
    };
    assert_eq!(
        house
            .app
            .registry
            .home(house.alder)
            .unwrap()
            .tenant
            .references
            .write(lead.number),
        reference
    );
    assert_eq!(
        (
            lead.first_name.as_deref(),
            lead.phone.as_deref(),
            lead.zip.as_deref()
        ),
        (Some("Dana"), Some("+13035550142"), Some("80202"))
    );
    assert_eq!(
        (lead.source.as_deref(), lead.product()),
        (Some("website"), Some("plumbing"))
    );
    assert_eq!(lead.attributes["service_type"], "burst pipe");
    let point = house
        .point(house.alder, PointKind::Phone, "+13035550142")
        .await
        .unwrap();
    assert_eq!(
        point
            .consent
            .get(ChannelKind::Sms.code(), Purpose::Transactional),
        Consent::Granted
    );
    let id = lead.id;
    let consents = house
        .app
        .ask({
            let alder = house.alder;
            move |store| store.consents(alder, id)
        })
        .await
        .unwrap();
    let [consent] = &consents[..] else {
        panic!("one consent: {consents:?}")
    };
    assert!(
        consent
            .wording
            .as_ref()
            .is_some_and(|wording| wording.starts_with("Yes, Alder Plumbing may text me"))
    );
    assert_eq!(
        consent.page.as_deref(),
        Some("https://ringback.test/f/alder.contact")
    );

    let thanks = house.get(answer.header("location").unwrap()).await;
    assert!(thanks.text().contains(&reference));
    let made_up = house
        .get("/f/alder.contact/thanks?ref=%3Cb%3Ecall+0900%3C%2Fb%3E")
        .await;
    assert!(!made_up.text().contains("0900"));
    house.close().await;
}

/// L2, L6: a mistake is said in words, at its field and in the summary, and nothing typed is lost.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mistake_is_said_at_its_field_and_nothing_is_lost() {
    let house = House::open().await;
    let fields = [
        ("first_name", ""),
        ("last_name", "O'Neil <b>"),
        ("phone", "303 555"),
        ("email", "dana@"),
        ("service_type", "burst pipe"),
        ("message", "Water & mud"),
        ("sms_consent", "on"),
    ];
    let answer = house.post_form(CONTACT, &fields).await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    let text = answer.text();
    assert!(
        text.contains("3 answers need another look") && text.contains("“First name” is missing.")
    );
    for field in ["first_name", "phone", "email"] {
        assert!(
            text.contains(&format!("<a href=\"#{field}\">"))
                && text.contains(&format!("id=\"{field}-wrong\"")),
            "{field}"
        );
    }
    assert!(text.contains("value=\"303 555\"") && text.contains("value=\"dana@\""));
    assert!(text.contains("O&#39;Neil &#60;b&#62;") && text.contains("Water &#38; mud"));
    assert!(
        text.contains("<option value=\"burst pipe\" selected>")
            && text.contains("name=\"sms_consent\" value=\"on\" checked")
    );
    assert!(house.leads(house.alder).await.is_empty());
    house.close().await;
}

/// L2: a script is answered id and reference, and errors with their fields.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fetch_gets_an_id_and_a_reference() {
    let house = House::open().await;
    let answer = house
        .post_json(
            CONTACT,
            &json!({"first_name": "Dana", "phone": "+1 303 555 0142", "sms_consent": true}),
        )
        .await;
    assert_eq!(answer.status, StatusCode::CREATED);
    let body = answer.json();
    let [lead] = &house.leads(house.alder).await[..] else {
        panic!("one lead")
    };
    assert_eq!(body["id"], lead.id.to_string());
    assert_eq!(
        (body["reference"].as_str().map(str::len), &body["files"]),
        (Some(9), &json!([]))
    );

    let wrong = house
        .post_json(CONTACT, &json!({"phone": "12", "service_type": "magic"}))
        .await;
    assert_eq!(
        (wrong.status, wrong.header("content-type")),
        (
            StatusCode::UNPROCESSABLE_ENTITY,
            Some("application/problem+json")
        )
    );
    let fields: Vec<String> = wrong.json()["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|error| error["field"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(fields, ["first_name", "phone", "service_type"]);
    for (body, status) in [
        ("[]", 422),
        ("{", 400),
        ("{\"phone\":{\"a\":1}}", 422),
        ("7", 422),
    ] {
        let request = Request::post(CONTACT)
            .header("content-type", "application/json")
            .body(Body::from(body))
            .unwrap();
        assert_eq!(house.send(request).await.status.as_u16(), status, "{body}");
    }
    house.close().await;
}

/// L2: only pages of the form's list may read an answer by script; a plain form on any page works.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn origins_are_listed_per_form() {
    let house = House::open().await;
    let ask = |method: &str, origin: &str, kind: &str| {
        let body = if kind.contains("json") {
            json!({"first_name": "Dana", "phone": "303-555-0142"}).to_string()
        } else {
            "first_name=Dana&phone=303-555-0142".to_owned()
        };
        Request::builder()
            .method(method)
            .uri(CONTACT)
            .header("origin", origin)
            .header("content-type", kind)
            .body(Body::from(body))
            .unwrap()
    };
    let listed = house
        .send(ask(
            "OPTIONS",
            "https://www.example.com",
            "application/json",
        ))
        .await;
    assert_eq!(
        listed.header("access-control-allow-origin"),
        Some("https://www.example.com")
    );
    let foreign = house
        .send(ask("OPTIONS", "https://evil.example", "application/json"))
        .await;
    assert_eq!(foreign.header("access-control-allow-origin"), None);
    let refused = house
        .send(ask("POST", "https://evil.example", "application/json"))
        .await;
    assert_eq!(
        (
            refused.status,
            refused.header("access-control-allow-origin")
        ),
        (StatusCode::FORBIDDEN, None)
    );
    let taken = house
        .send(ask("POST", "https://www.example.com", "application/json"))
        .await;
    assert_eq!(
        (taken.status, taken.header("access-control-allow-origin")),
        (StatusCode::CREATED, Some("https://www.example.com"))
    );
    let plain = house
        .send(ask(
            "POST",
            "https://shop.example",
            "application/x-www-form-urlencoded",
        ))
        .await;
    assert_eq!(plain.status, StatusCode::SEE_OTHER);
    let time = house
        .send(
            Request::get("/f/alder.contact/time")
                .header("origin", "https://www.example.com")
                .body(Body::empty())
                .unwrap(),
        )
        .await;
    assert_eq!(
        time.header("access-control-allow-origin"),
        Some("https://www.example.com")
    );
    assert!(
        time.json()["_t"]
            .as_str()
            .is_some_and(|token| token.len() > 20)
    );
    house.close().await;
}

/// L3: what gives a robot away is kept apart, notifies nobody, and is answered like success.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn robots_are_kept_apart_and_told_nothing() {
    let house = House::open().await;
    let honest = post(&house, CONTACT, &filled(&house, &[]).await).await;
    house
        .until("the confirmation", async || {
            (!house.far.to("+13035550142").is_empty()).then_some(())
        })
        .await;
    let before = house.messages(house.alder).await.len();
    let page = house.get(CONTACT).await;
    let fresh = page.input("_t").unwrap();
    for (host, more, sign) in [
        (
            21,
            vec![("company_website", "https://spam.example")],
            "honeypot",
        ),
        (22, vec![("_t", fresh.as_str())], "too_fast"),
        (23, vec![("_t", "bm90aGluZw")], "forged_time"),
    ] {
        let fields: Vec<(&str, &str)> = DANA
            .iter()
            .copied()
            .map(|(name, value)| {
                if name == "first_name" {
                    (name, sign)
                } else {
                    (name, value)
                }
            })
            .chain(more)
            .collect();
        let body = url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs(&fields)
            .finish();
        let request = Request::post(CONTACT)
            .header("content-type", "application/x-www-form-urlencoded")
            .body(Body::from(body))
            .unwrap();
        let answer = house.send_from(host, request).await;
        assert_eq!(reference(&answer).len(), reference(&honest).len(), "{sign}");
        let kept = house.spam(house.alder).await;
        assert_eq!(kept[0].sign, sign);
        assert!(
            kept[0].raw.contains("303")
                && kept[0].ip.as_deref() == Some(&format!("203.0.113.{host}"))
        );
    }
    assert_eq!(house.leads(house.alder).await.len(), 1);
    assert_eq!(
        house.leads(house.alder).await[0].first_name.as_deref(),
        Some("Dana")
    );
    assert_eq!(house.messages(house.alder).await.len(), before);
    house.close().await;
}

/// L3: a page that was open for more than a day is kept apart and shown again, with everything still there; then it goes through.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_old_page_is_sent_once_more() {
    let house = House::open().await;
    let mut fields = filled(&house, &[]).await;
    house.pass(25 * 3_600);
    let again = post(&house, CONTACT, &fields).await;
    assert_eq!(again.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(
        again.text().contains("Everything you typed is still here")
            && again.text().contains("value=\"(303) 555-0142\"")
    );
    assert_eq!(house.spam(house.alder).await[0].sign, "too_old");
    assert!(house.leads(house.alder).await.is_empty());
    house.pass(5);
    fields.retain(|(name, _)| *name != "_t");
    fields.push(("_t", again.input("_t").unwrap()));
    reference(&post(&house, CONTACT, &fields).await);
    // The page is used up: the same page with other words on it is no second request.
    fields[0].1 = "Robot".to_owned();
    let used = post(&house, CONTACT, &fields).await;
    assert_eq!(used.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(house.spam(house.alder).await[0].sign, "page_used");
    assert_eq!(
        house.leads(house.alder).await[0].first_name.as_deref(),
        Some("Dana")
    );
    house.close().await;
}

/// L3: the same content within the window is the same submission, also across the edge of a window; later it is a new one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_content_is_the_same_submission() {
    let house = House::open().await;
    let captured = async |house: &House| {
        let lead = house.leads(house.alder).await[0].id;
        house
            .timeline(house.alder, lead)
            .await
            .iter()
            .filter(|event| event.kind == "lead.captured")
            .count()
    };
    // 18:09:59, one second before a window of ten minutes ends.
    house.pass(9 * 60 + 59);
    let first = house.post_form(CONTACT, &DANA).await;
    house.pass(2);
    let second = house.post_form(CONTACT, &DANA).await;
    house.pass(9 * 60 + 57);
    let third = house.post_form(CONTACT, &DANA).await;
    assert_eq!(reference(&first), reference(&second));
    assert_eq!(reference(&first), reference(&third));
    assert_eq!(
        (house.leads(house.alder).await.len(), captured(&house).await),
        (1, 1)
    );
    house.pass(60);
    assert_eq!(
        reference(&house.post_form(CONTACT, &DANA).await),
        reference(&first)
    );
    assert_eq!(captured(&house).await, 2);
    house.close().await;
}

/// L3, X7: the same Idempotency-Key is the same submission; with another body it is refused.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_makes_a_submission_once() {
    let house = House::open().await;
    let send = |key: &str, name: &str| {
        let body = json!({"first_name": name, "phone": "303-555-0142"}).to_string();
        Request::post(CONTACT)
            .header("content-type", "application/json")
            .header("idempotency-key", key)
            .body(Body::from(body))
            .unwrap()
    };
    let first = house.send(send("k1", "Dana")).await;
    house.pass(3_600);
    let second = house.send(send("k1", "Dana")).await;
    assert_eq!((first.status, first.json()), (second.status, second.json()));
    let other = house.send(send("k1", "Robin")).await;
    assert_eq!(
        (
            other.status,
            other.json()["code"].as_str().map(str::to_owned)
        ),
        (
            StatusCode::UNPROCESSABLE_ENTITY,
            Some("idempotency_key_reused".to_owned())
        )
    );
    assert_eq!(house.leads(house.alder).await.len(), 1);
    house.close().await;
}

/// L3: one address sends five a minute, then waits; others go on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_address_sends_so_many_a_minute() {
    let house = House::open().await;
    let send = |n: u32| {
        let body = format!("first_name=Dana{n}&phone=303-555-01{:02}", 40 + n);
        Request::post(CONTACT)
            .header("content-type", "application/x-www-form-urlencoded")
            .body(Body::from(body))
            .unwrap()
    };
    for n in 0..5 {
        assert_eq!(
            house.send_from(9, send(n)).await.status,
            StatusCode::SEE_OTHER
        );
    }
    let waits = house.send_from(9, send(6)).await;
    assert_eq!(
        (waits.status, waits.header("retry-after")),
        (StatusCode::TOO_MANY_REQUESTS, Some("12"))
    );
    assert!(waits.text().contains("wait 12 seconds") && waits.text().contains("value=\"Dana6\""));
    assert_eq!(
        house.send_from(10, send(7)).await.status,
        StatusCode::SEE_OTHER
    );
    house.pass(12);
    assert_eq!(
        house.send_from(9, send(6)).await.status,
        StatusCode::SEE_OTHER
    );
    house.close().await;
}

/// L2: a booking in three steps keeps what was typed, goes back and forth, and becomes one lead.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_booking_is_kept_step_by_step() {
    let house = House::open().await;
    let first = house.get(BOOKING).await;
    assert!(
        first.text().contains("Step 1 of 3")
            && first.text().contains("id=\"vehicle_make\"")
            && !first.text().contains("id=\"phone\"")
    );
    house.pass(10);
    let time = first.input("_t").unwrap();
    let vehicle = [
        ("_step", "0"),
        ("_t", &time),
        ("vehicle_year", "2021"),
        ("vehicle_make", "Subaru"),
        ("vehicle_model", "Outback"),
        ("service_type", "replacement"),
    ];
    let wrong = house.post_form(BOOKING, &vehicle[..5]).await;
    assert!(
        wrong.status == StatusCode::UNPROCESSABLE_ENTITY
            && wrong.text().contains("Step 1 of 3")
            && wrong.text().contains("value=\"Subaru\"")
    );
    let second = house.post_form(BOOKING, &vehicle).await;
    assert!(second.text().contains("Step 2 of 3"), "{}", second.text());
    let (draft, key) = (
        second.input("_draft").unwrap(),
        second.input("_key").unwrap(),
    );
    let hidden = [
        ("_t", time.as_str()),
        ("_draft", draft.as_str()),
        ("_key", key.as_str()),
    ];
    let on = async |fields: &[(&str, &str)]| {
        house
            .post_form(
                BOOKING,
                &hidden.iter().chain(fields).copied().collect::<Vec<_>>(),
            )
            .await
    };
    let place = [
        ("_step", "1"),
        ("mobile_service", "on"),
        ("preferred_date", "2026-11-25"),
        ("city", "Denver"),
        ("state", "CO"),
        ("zip", "80202"),
    ];
    let back = on(&[("_step", "1"), ("city", "Boulder"), ("_go", "back")]).await;
    assert!(back.text().contains("Step 1 of 3") && back.text().contains("value=\"Outback\""));
    assert!(
        on(&vehicle[2..]
            .iter()
            .copied()
            .chain([("_step", "0")])
            .collect::<Vec<_>>())
        .await
        .text()
        .contains("value=\"Boulder\"")
    );
    assert!(on(&place).await.text().contains("Step 3 of 3"));
    // Somebody else's secret opens nothing.
    let stranger = house
        .post_form(
            BOOKING,
            &[
                ("_step", "2"),
                ("_draft", &draft),
                ("_key", "guess"),
                ("first_name", "Eve"),
            ],
        )
        .await;
    assert!(stranger.text().contains("begin again") && !stranger.text().contains("Outback"));
    let person = [
        ("_step", "2"),
        ("first_name", "Dana"),
        ("last_name", "Whitfield"),
        ("phone", "303-555-0142"),
        ("email", "dana@example.com"),
        ("sms_consent", "on"),
    ];
    let sent = on(&person).await;
    let number = reference(&sent);
    assert_eq!(reference(&on(&person).await), number);
    let [lead] = &house.leads(house.wren).await[..] else {
        panic!("one lead")
    };
    assert_eq!(
        (
            lead.city.as_deref(),
            &lead.attributes["vehicle_year"],
            &lead.attributes["mobile_service"]
        ),
        (Some("Denver"), &json!(2021), &json!(true))
    );
    assert_eq!(lead.attributes["preferred_date"], "2026-11-25");
    let kept = house
        .app
        .ask({
            let (wren, id) = (house.wren, draft.parse().unwrap());
            move |store| store.draft(wren, id)
        })
        .await
        .unwrap()
        .unwrap();
    assert_eq!(kept.lead, Some(lead.id));
    assert!(kept.hash.len() == 32 && !String::from_utf8_lossy(&kept.hash).contains(&key));
    house.close().await;
}

/// L2: multipart is read like any form; a file is refused in words, and an empty file field is none.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn multipart_is_read_and_files_are_refused_in_words() {
    let house = House::open().await;
    let send = |file: &str, content: &str| {
        let part = |name: &str, value: &str| {
            format!("--b\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
        };
        let body = format!(
            "{}{}--b\r\nContent-Disposition: form-data; name=\"photos\"; filename=\"{file}\"\r\nContent-Type: image/jpeg\r\n\r\n{content}\r\n--b--\r\n",
            part("first_name", "Dana"),
            part("phone", "303-555-0142")
        );
        Request::post(CONTACT)
            .header("content-type", "multipart/form-data; boundary=b")
            .body(Body::from(body))
            .unwrap()
    };
    let refused = house.send(send("damage.jpg", "JFIF")).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(
        refused.text().contains("Send the form without them")
            && refused.text().contains("value=\"Dana\"")
    );
    assert_eq!(house.send(send("", "")).await.status, StatusCode::SEE_OTHER);
    house.close().await;
}

/// Hostile input is normal: whatever is posted, the answer is an answer.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_is_posted_is_answered() {
    let house = House::open().await;
    for path in [
        "/f/",
        "/f/none",
        "/f/alder.none",
        "/f/..",
        "/f/alder.contact/time/x",
        "/f/%00.%ff",
    ] {
        assert_eq!(
            house.get(path).await.status,
            StatusCode::NOT_FOUND,
            "{path}"
        );
    }
    let runtime = tokio::runtime::Handle::current();
    let kinds = prop_oneof![
        Just("application/json"),
        Just("multipart/form-data; boundary=b"),
        Just("multipart/form-data"),
        Just("application/x-www-form-urlencoded"),
        Just("text/plain"),
        Just("\u{1}x")
    ];
    let fields =
        "(first_name|phone|email|_t|_step|_draft|_key|_go|service_type|message|sms_consent)";
    let bodies = prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..300),
        proptest::collection::vec((fields, "\\PC{0,60}"), 0..8).prop_map(|pairs| {
            url::form_urlencoded::Serializer::new(String::new())
                .extend_pairs(pairs)
                .finish()
                .into_bytes()
        }),
        proptest::collection::hash_map(fields, "\\PC{0,60}", 0..8)
            .prop_map(|map| serde_json::to_vec(&map).unwrap()),
    ];
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig {
        cases: 100,
        failure_persistence: None,
        ..ProptestConfig::default()
    });
    tokio::task::block_in_place(|| {
        runner
            .run(
                &(kinds, bodies, prop_oneof![Just(CONTACT), Just(BOOKING)]),
                |(kind, body, path)| {
                    house.pass(60);
                    let Ok(request) = Request::post(path)
                        .header("content-type", kind)
                        .body(Body::from(body))
                    else {
                        return Ok(());
                    };
                    let answer = runtime.block_on(house.send(request));
                    prop_assert!(!answer.status.is_server_error(), "{}", answer.status);
                    Ok(())
                },
            )
            .unwrap();
    });
    house.close().await;
}

/// L2: a form may lead to a page of the tenant's own, with the reference; the browser is allowed to go there, and nowhere else.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_form_leads_to_the_tenants_own_page() {
    let house = House::open_with(10_000, |_, text| {
        text.replace(
            "thank_you: /thank-you?ref={reference}",
            "thank_you: https://www.example.com/danke#top",
        )
    })
    .await;
    let page = house.get(CONTACT).await;
    assert!(
        page.header("content-security-policy")
            .unwrap()
            .contains("form-action 'self' https://www.example.com;")
    );
    let sent = house.post_form(CONTACT, &DANA).await;
    let location = sent.header("location").unwrap();
    let number = location
        .strip_prefix("https://www.example.com/danke?ref=")
        .and_then(|rest| rest.strip_suffix("#top"))
        .unwrap();
    assert_eq!(number.len(), 9);
    house.close().await;
}
