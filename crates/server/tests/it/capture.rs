//! Taking leads in (L1, L6, L7, X7).

use crate::house::House;
use ringback_core::leads::{Overwrite, Profile};
use ringback_core::messages::ChannelKind;
use ringback_core::turn::world::Purpose;
use ringback_core::turn::{Answer, Capture, ConsentTold, Intake};
use serde_json::json;

/// L7: the same person again is the same lead, and nothing known is lost.
#[tokio::test(flavor = "multi_thread")]
async fn a_person_who_comes_again_is_merged_and_answered_200() {
    let (house, guest) = House::with("plumbing").await;
    let first = house.post(&guest.key, "/v1/leads", json!({"first_name": "Dana", "phone": "(303) 555-0142", "source": "curl", "attributes": {"need": "drain"}})).await.is(201);
    assert_eq!(first.json["status"], "created");
    assert_eq!(first.json["products"]["plumbing"]["stage"], "new");
    let second = house.post(&guest.key, "/v1/leads", json!({"last_name": "Whitfield", "phone": "+1 303 555 0142", "email": "Dana@Example.com"})).await.is(200);
    assert_eq!(
        (second.json["status"].as_str(), &second.json["id"]),
        (Some("merged"), &first.json["id"])
    );
    let third = house
        .post(
            &guest.key,
            "/v1/leads",
            json!({"email": "dana@example.com"}),
        )
        .await
        .is(200);
    assert_eq!(third.json["id"], first.json["id"]);
    let lead = house
        .get(&guest.key, &format!("/v1/leads/{}", first.text_of("/id")))
        .await
        .is(200)
        .json;
    assert_eq!(
        (
            &lead["first_name"],
            &lead["last_name"],
            &lead["attributes"]["need"]
        ),
        (&json!("Dana"), &json!("Whitfield"), &json!("drain"))
    );
    assert_eq!(lead["phone"], "+13035550142");
    assert_eq!(lead["contact_points"].as_array().unwrap().len(), 2);
    assert_eq!(lead["reference"], first.json["reference"]);
}

/// L6, X7: what cannot be used is refused with its field and advice.
#[tokio::test(flavor = "multi_thread")]
async fn a_bad_number_or_address_is_refused_with_its_field() {
    let (house, guest) = House::with("plumbing").await;
    for (body, code, field) in [
        (json!({"phone": "303 555"}), "phone_unreadable", "phone"),
        (json!({"email": "dana@"}), "email_unreadable", "email"),
        (json!({"phone": 7}), "invalid", "phone"),
        (json!({"phnoe": "+13035550142"}), "invalid", "phnoe"),
        (
            json!({"phone": "+13035550142", "product": "roofs"}),
            "invalid",
            "product",
        ),
        (
            json!({"phone": "+13035550142", "time_zone": "Denver"}),
            "invalid",
            "time_zone",
        ),
    ] {
        let refused = house.post(&guest.key, "/v1/leads", body).await.is(422);
        assert_eq!(
            (
                refused.json["code"].as_str(),
                refused.json["field"].as_str()
            ),
            (Some(code), Some(field)),
            "{}",
            refused.text
        );
        assert_eq!(refused.headers["content-type"], "application/problem+json");
    }
    assert!(
        house
            .get(&guest.key, "/v1/leads")
            .await
            .is(200)
            .data()
            .is_empty()
    );
}

/// X7: the same request under the same key happens once; another body under it is refused.
#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_request_is_answered_alike_and_happens_once() {
    let (house, guest) = House::with("plumbing").await;
    let body = json!({"phone": "+13035550142"});
    let first = house
        .post_once(&guest.key, "/v1/leads", "k1", body.clone())
        .await
        .is(201);
    assert!(!first.headers.contains_key("idempotency-replayed"));
    let again = house
        .post_once(&guest.key, "/v1/leads", "k1", body)
        .await
        .is(201);
    assert_eq!(
        (
            &again.text,
            again.headers["idempotency-replayed"].to_str().unwrap()
        ),
        (&first.text, "true")
    );
    let other = house
        .post_once(
            &guest.key,
            "/v1/leads",
            "k1",
            json!({"phone": "+13035550143"}),
        )
        .await
        .is(422);
    assert_eq!(other.json["code"], "idempotency_key_reused");
    let path = format!(
        "/v1/leads/{}/timeline?type=lead.captured",
        first.text_of("/id")
    );
    assert_eq!(house.get(&guest.key, &path).await.is(200).data().len(), 1);
    assert_eq!(
        house
            .get(&guest.key, "/v1/leads")
            .await
            .is(200)
            .data()
            .len(),
        1
    );
}

/// E2 and E3 of the empty pages work as pasted.
#[tokio::test(flavor = "multi_thread")]
async fn the_first_commands_that_pages_offer_work_as_pasted() {
    let (house, guest) = House::with("plumbing").await;
    let lead = house
        .post(
            &guest.key,
            "/v1/leads",
            json!({"first_name": "Dana", "phone": "+13035550142", "source": "curl"}),
        )
        .await
        .is(201)
        .text_of("/id");
    let event = house
        .post(
            &guest.key,
            &format!("/v1/leads/{lead}/events"),
            json!({"type": "emergency_click"}),
        )
        .await
        .is(201);
    assert!(
        event.json["scores"]["intent"]["points"].as_i64().unwrap() >= 30,
        "{}",
        event.text
    );
    house.post(&guest.key, "/v1/messages", json!({"lead_id": lead, "channel": "sms", "category": "transactional", "body": "On our way"})).await.is(201);
    house.post(&guest.key, "/v1/messages", json!({"lead_id": lead, "channel": "sms", "category": "transactional", "body": "On our way", "send_at": "2026-11-23T18:00:00Z"})).await.is(201);
    house.post(&guest.key, "/v1/consents", json!({"lead_id": lead, "channel": "sms", "purpose": "promotional", "granted": false, "method": "verbal"})).await.is(201);
    house.post(&guest.key, "/v1/connections", json!({"channel": "sms", "provider": "twilio", "name": "main", "settings": {"account_sid": "AC0123456789abcdef0123456789abcdef", "auth_token": "t0ken", "from": "+13035550100", "campaign": "CM0000"}})).await.is(201);
    house.get(&guest.key, "/v1/errors/stats").await.is(200);
    house.get(&guest.key, "/v1/sandbox/messages").await.is(200);
    let hello = "name: hello\nproduct: plumbing\ntrigger: manual\nsteps:\n  - send: { to: lead, channels: { all: [sms] }, template: request-received, category: transactional }\n";
    house
        .put(&guest.key, "/v1/workflows/hello", hello)
        .await
        .is(200);
}

/// X7, C1: the same sending again, under the name that the sender gave it, writes nothing, no consent either.
#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_submission_writes_no_second_consent() {
    let (house, guest) = House::with("plumbing").await;
    let phone = ringback_core::contact::Phone::from_e164("+13035550142").unwrap();
    let told = |name: &str| Capture {
        profile: Profile {
            first_name: Some(name.to_owned()),
            ..Profile::default()
        },
        phone: Some(phone),
        email: None,
        anonymous_id: None,
        product: None,
        consents: vec![ConsentTold {
            channel: ChannelKind::Sms,
            purpose: Purpose::Promotional,
            granted: true,
            wording: Some("Send me offers".to_owned()),
            method: "web_form".to_owned(),
            page: None,
            basis: None,
            expires_at: None,
            soft_opt_in: None,
        }],
        form: Some("contact".to_owned()),
        key: Some("form:contact:1".to_owned()),
        test: false,
        own_enquiry: true,
        overwrite: Overwrite::Newer,
        ip: None,
    };
    let mut leads = Vec::new();
    for name in ["Dana", "Somebody else", "Dana"] {
        let taken = house
            .app
            .take(guest.id, Intake::Capture(Box::new(told(name))), None)
            .await
            .unwrap();
        let Answer::Captured(captured) = taken else {
            panic!("{taken:?}");
        };
        leads.push((captured.id.to_string(), captured.messages.len()));
    }
    let (lead, said) = leads[0].clone();
    assert!(said > 0);
    assert_eq!(leads[1..], [(lead.clone(), 0), (lead.clone(), 0)]);
    let known = house
        .get(&guest.key, &format!("/v1/leads/{lead}"))
        .await
        .is(200);
    assert_eq!(known.json["first_name"], "Dana");
    let consents = house
        .get(&guest.key, &format!("/v1/consents?lead_id={lead}"))
        .await
        .is(200);
    assert_eq!(consents.data().len(), 1, "{}", consents.text);
}

/// N12: trying things out never touches a real person: not their name, not their consent, not where their messages go. A test lead
/// who turns up for real is real from then on.
#[tokio::test(flavor = "multi_thread")]
async fn a_test_never_turns_a_real_lead_into_a_test() {
    let (house, guest) = House::with("plumbing").await;
    let real = house.lead(&guest.key, "+13035550142").await;
    let path = format!("/v1/leads/{real}");
    let before = house.get(&guest.key, &path).await.is(200).text;
    for (key, body) in [
        (
            &guest.test_key,
            json!({"first_name": "Try", "phone": "+13035550142"}),
        ),
        (
            &guest.key,
            json!({"first_name": "Try", "phone": "+13035550142", "email": "try@example.com", "test": true,
                "consents": [{"channel": "sms", "purpose": "promotional", "granted": true, "wording": "x", "method": "api"}]}),
        ),
    ] {
        let refused = house.post(key, "/v1/leads", body).await.is(409);
        assert_eq!(
            (refused.text_of("/code"), refused.text_of("/field")),
            ("real_lead".into(), "phone".into())
        );
    }
    assert_eq!(house.get(&guest.key, &path).await.is(200).text, before);
    let trying = house.lead(&guest.test_key, "+13035550150").await;
    let test = async |id: &str| {
        house
            .get(&guest.key, &format!("/v1/leads/{id}"))
            .await
            .is(200)
            .json["test"]
            .clone()
    };
    assert_eq!(test(&trying).await, true);
    let again = house
        .post(
            &guest.test_key,
            "/v1/leads",
            json!({"phone": "+13035550150"}),
        )
        .await
        .is(200);
    assert_eq!(
        (again.text_of("/id"), test(&trying).await),
        (trying.clone(), json!(true))
    );
    house
        .post(&guest.key, "/v1/leads", json!({"phone": "+13035550150"}))
        .await
        .is(200);
    assert_eq!(test(&trying).await, false, "now they mean it");
}
