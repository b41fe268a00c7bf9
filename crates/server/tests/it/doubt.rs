//! When nobody knows whether a message went out: it is found out, or decided by what it is for (M3, P3, P4).

use crate::far::{Does, Far, connection};
use crate::house::{Guest, House, Reply};
use serde_json::json;

/// A house with a provider that misbehaves, and a lead from before it was connected.
async fn house(provider: &str) -> (House, Guest, Far, String) {
    let (house, guest) = House::with("plumbing").await;
    let lead = house
        .post(
            &guest.key,
            "/v1/leads",
            json!({"first_name": "Dana", "phone": "+13035550142", "email": "dana@example.com", "source": "curl",
                "consents": [{"channel": "sms", "purpose": "promotional", "granted": true, "wording": "Offers by text", "method": "form"}]}),
        )
        .await
        .is(201)
        .text_of("/id");
    let far = Far::open(&house).await;
    let body = connection(provider, "main", 0, &far.url());
    house
        .post(&guest.key, "/v1/connections", body)
        .await
        .is(201);
    (house, guest, far, lead)
}

async fn text(house: &House, guest: &Guest, lead: &str, category: &str) -> String {
    let words = match category {
        "promotional" => "Alder Plumbing: a free check of your boiler. Reply STOP to end.",
        _ => "On our way",
    };
    let body = json!({"lead_id": lead, "channel": "sms", "category": category, "body": words});
    house
        .post(&guest.key, "/v1/messages", body)
        .await
        .is(201)
        .text_of("/id")
}

/// Lets time pass until the message was looked up, called or decided once more.
async fn attempts(house: &House, guest: &Guest, id: &str, seconds: i64, n: usize) -> Reply {
    house.pass(seconds).await;
    let path = format!("/v1/messages/{id}");
    let path = &path;
    house
        .until(&format!("attempt {n} of {id}"), || async move {
            let reply = house.get(&guest.key, path).await.is(200);
            (reply.json["attempts"].as_array().unwrap().len() >= n).then_some(reply)
        })
        .await
}

fn outcomes(reply: &Reply) -> Vec<&str> {
    let all = reply.json["attempts"].as_array().unwrap();
    all.iter()
        .map(|one| one["outcome"].as_str().unwrap())
        .collect()
}

async fn repeated(house: &House, guest: &Guest) -> usize {
    let list = house.get(&guest.key, "/v1/messages?repeated=true").await;
    list.is(200).data().len()
}

/// M3: a text whose answer was lost is found in Twilio's log and counts as taken; it is not sent again.
#[tokio::test(flavor = "multi_thread")]
async fn what_the_log_has_is_adopted() {
    let (house, guest, far, lead) = house("twilio").await;
    far.next(&[Does::TakesAndBreaks]);
    let id = text(&house, &guest, &lead, "transactional").await;
    let unknown = house.message_is(&guest.key, &id, &["unknown"]).await;
    assert_eq!(unknown.json["settled_at"], json!(null), "it is not over");
    let found = attempts(&house, &guest, &id, 5, 2).await;
    assert_eq!(outcomes(&found), ["unknown", "found"]);
    assert_eq!(
        (
            found.text_of("/status"),
            found.text_of("/provider_reference")
        ),
        ("accepted".into(), "SM1".into())
    );
    assert_eq!(found.json["repeated"], false);
    assert_eq!(
        (far.taken().len(), far.calls().len(), far.looks()),
        (1, 1, 1)
    );
    assert_eq!(repeated(&house, &guest).await, 0);
    let metrics = house.get(&guest.key, "/metrics").await.is(200).text;
    for name in [
        "ringback_messages_unknown_total ",
        "ringback_reconciled_total{result=\"found\"} ",
    ] {
        assert!(metrics.contains(name), "{name}");
    }
}

/// M3: what the log does not have, twice and a minute apart, did not go out, and is sent again without being a repetition.
#[tokio::test(flavor = "multi_thread")]
async fn what_the_log_does_not_have_is_sent_again() {
    let (house, guest, far, lead) = house("twilio").await;
    far.next(&[Does::Breaks]);
    let id = text(&house, &guest, &lead, "transactional").await;
    house.message_is(&guest.key, &id, &["unknown"]).await;
    for (n, seconds) in [(2, 5), (3, 10), (4, 45)] {
        let looked = attempts(&house, &guest, &id, seconds, n).await;
        assert_eq!(looked.text_of("/status"), "unknown", "{n}");
    }
    let proven = attempts(&house, &guest, &id, 240, 5).await;
    assert_eq!(proven.text_of("/status"), "queued");
    let sent = attempts(&house, &guest, &id, 5, 6).await;
    assert_eq!(
        outcomes(&sent),
        [
            "unknown", "absent", "absent", "absent", "absent", "accepted"
        ]
    );
    assert_eq!(sent.json["repeated"], false);
    assert_eq!((far.taken().len(), far.calls().len()), (1, 2));
    assert_eq!(repeated(&house, &guest).await, 0);
}

/// P4: when the log says nothing, what a customer waits for is said once more after 15 minutes, and is listed as possibly repeated.
#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_found_out_is_said_once_more() {
    let (house, guest, far, lead) = house("twilio").await;
    far.hide_log();
    far.next(&[Does::TakesAndBreaks]);
    let id = text(&house, &guest, &lead, "transactional").await;
    house.message_is(&guest.key, &id, &["unknown"]).await;
    let mut reply = None;
    for (n, seconds) in [(2, 5), (3, 10), (4, 45), (5, 240), (6, 600)] {
        assert_eq!(far.calls().len(), 1, "not before the last look");
        reply = Some(attempts(&house, &guest, &id, seconds, n).await);
    }
    assert_eq!(outcomes(&reply.unwrap())[1..6], ["unclear"; 5]);
    let sent = attempts(&house, &guest, &id, 1, 7).await;
    assert_eq!(sent.text_of("/status"), "accepted");
    assert_eq!(sent.json["repeated"], true);
    assert_eq!(far.taken().len(), 2, "it did go twice, and that is said");
    assert_eq!(far.taken()[0], far.taken()[1], "the text is unchanged");
    assert_eq!(repeated(&house, &guest).await, 1);
}

/// P4: an offer is never said twice.
#[tokio::test(flavor = "multi_thread")]
async fn an_offer_is_given_up() {
    let (house, guest, far, lead) = house("twilio").await;
    far.hide_log();
    far.next(&[Does::TakesAndBreaks]);
    let id = text(&house, &guest, &lead, "promotional").await;
    house.message_is(&guest.key, &id, &["unknown"]).await;
    for (n, seconds) in [(2, 5), (3, 10), (4, 45), (5, 240), (6, 600)] {
        attempts(&house, &guest, &id, seconds, n).await;
    }
    house.pass(86_400).await;
    let given_up = house.message_is(&guest.key, &id, &["unknown"]).await;
    assert_ne!(given_up.json["settled_at"], json!(null));
    assert_eq!(far.calls().len(), 1);
    assert_eq!(repeated(&house, &guest).await, 0);
    let list = house.get(&guest.key, "/v1/messages?status=unknown").await;
    assert_eq!(list.is(200).data().len(), 1);
}

/// P4: an alert that may be lost is said again at once over another account, and says that it is a repetition.
#[tokio::test(flavor = "multi_thread")]
async fn an_alert_is_said_again_at_once() {
    for second_account in [true, false] {
        let (house, guest, far, _) = house("twilio").await;
        let other = Far::open(&house).await;
        if second_account {
            let body = connection("twilio", "second", 1, &other.url());
            house
                .post(&guest.key, "/v1/connections", body)
                .await
                .is(201);
        }
        far.next(&[Does::TakesAndBreaks]);
        let staff = house.get(&guest.key, "/v1/staff").await.is(200);
        let name = staff.data()[0]["name"].as_str().unwrap().to_owned();
        let id = house
            .post(
                &guest.key,
                "/v1/messages",
                json!({"staff_id": name, "channel": "sms", "category": "staff", "body": "Burst pipe"}),
            )
            .await
            .is(201)
            .text_of("/id");
        let sent = attempts(&house, &guest, &id, 0, 2).await;
        assert_eq!(outcomes(&sent), ["unknown", "accepted"]);
        assert_eq!(
            (&sent.json["status"], &sent.json["repeated"]),
            (&json!("accepted"), &json!(true))
        );
        let (first, again) = if second_account {
            (&far, &other)
        } else {
            (&far, &far)
        };
        assert_eq!(
            first.taken().len()
                + if second_account {
                    other.taken().len()
                } else {
                    0
                },
            2
        );
        let repeat = again.taken().pop().unwrap();
        assert!(repeat.contains("Body=%28repeat%29+Burst+pipe"), "{repeat}");
        assert_eq!(first.looks(), 0, "an alert does not wait for a log");
        assert_eq!(repeated(&house, &guest).await, 1);
    }
}

/// P3: where the provider drops twins, the same call is made again with the same key and bytes, and one mail arrives.
#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_drops_twins_is_simply_asked_again() {
    let (house, guest, far, lead) = house("resend").await;
    far.next(&[Does::TakesAndBreaks, Does::Breaks]);
    let body = json!({"lead_id": lead, "channel": "email", "category": "transactional", "subject": "Hello", "body": "On our way"});
    let id = house
        .post(&guest.key, "/v1/messages", body)
        .await
        .is(201)
        .text_of("/id");
    let waits = attempts(&house, &guest, &id, 0, 1).await;
    assert_eq!(waits.text_of("/status"), "queued");
    attempts(&house, &guest, &id, 5, 2).await;
    let sent = attempts(&house, &guest, &id, 10, 3).await;
    assert_eq!(outcomes(&sent), ["unknown", "unknown", "accepted"]);
    assert_eq!(
        (&sent.json["status"], &sent.json["repeated"]),
        (&json!("accepted"), &json!(false))
    );
    let calls = far.calls();
    assert_eq!((calls.len(), far.taken().len()), (3, 1));
    assert!(
        calls
            .iter()
            .all(|one| one.key == calls[0].key && one.body == calls[0].body)
    );
    assert_eq!(repeated(&house, &guest).await, 0);
}

/// 3.2: where nothing tells, an offer is given up at once and a confirmation is said once more after a quarter of an hour.
#[tokio::test(flavor = "multi_thread")]
async fn where_nothing_tells_time_decides() {
    let (house, guest, far, lead) = house("ses").await;
    far.next(&[Does::Breaks]);
    let body = json!({"lead_id": lead, "channel": "email", "category": "transactional", "subject": "Hello", "body": "On our way"});
    let id = house
        .post(&guest.key, "/v1/messages", body)
        .await
        .is(201)
        .text_of("/id");
    house.message_is(&guest.key, &id, &["unknown"]).await;
    house.pass(899).await;
    house.message_is(&guest.key, &id, &["unknown"]).await;
    assert_eq!(far.calls().len(), 1);
    house.pass(1).await;
    house
        .message_is(&guest.key, &id, &["queued", "sending", "accepted"])
        .await;
    let sent = attempts(&house, &guest, &id, 1, 2).await;
    assert_eq!(outcomes(&sent), ["unknown", "accepted"]);
    assert_eq!(sent.json["repeated"], true);
    assert_eq!(far.looks(), 0);
}

/// M10: a stop that comes while a message is in doubt neither sends it again nor says that it did not go out.
#[tokio::test(flavor = "multi_thread")]
async fn a_stop_ends_the_doubt_without_a_lie() {
    let (house, guest, far, lead) = house("resend").await;
    far.next(&[Does::TakesAndBreaks]);
    let body = json!({"lead_id": lead, "channel": "email", "category": "transactional", "subject": "Hello", "body": "On our way"});
    let id = house
        .post(&guest.key, "/v1/messages", body)
        .await
        .is(201)
        .text_of("/id");
    attempts(&house, &guest, &id, 0, 1).await;
    let list = json!({"email": "dana@example.com"});
    house
        .post(&guest.key, "/v1/suppressions", list)
        .await
        .is(201);
    house.pass(5).await;
    let ended = house.message_is(&guest.key, &id, &["unknown"]).await;
    assert_ne!(ended.json["settled_at"], json!(null));
    assert_eq!(far.calls().len(), 1);
}
