//! A backup, a loss, a restore (O5, P12): nothing is said twice unseen, and what people said since the backup is not forgotten.

use crate::far::{Far, connection};
use crate::house::{Guest, House, Reply};
use ringback_core::time::Clock as _;
use serde_json::{Value, json};
use std::path::PathBuf;

/// A business whose texts and mails go to a provider that remembers them, and a folder for backups.
async fn house(preset: &'static str) -> (House, Guest, Far, PathBuf) {
    let (house, guest) = House::with(preset).await;
    let far = Far::open(&house).await;
    for provider in ["twilio", "resend"] {
        let body = connection(provider, provider, 0, &far.url());
        house
            .post(&guest.key, "/v1/connections", body)
            .await
            .is(201);
    }
    let to = house.folder.join("backups");
    (house, guest, far, to)
}

async fn lead(house: &House, guest: &Guest, name: &str, phone: &str) -> String {
    let body = json!({"first_name": name, "phone": phone, "email": format!("{}@example.com", name.to_lowercase()), "source": "curl",
        "consents": [{"channel": "sms", "purpose": "promotional", "granted": true, "wording": "Offers by text", "method": "form"}]});
    house
        .post(&guest.key, "/v1/leads", body)
        .await
        .is(201)
        .text_of("/id")
}

/// A text in so many minutes.
async fn text(house: &House, guest: &Guest, lead: &str, category: &str, minutes: i64) -> String {
    let words = match category {
        "promotional" => "Alder Plumbing: a free check of your boiler. Reply STOP to end.",
        _ => "We are on our way",
    };
    let at = house.clock.now() + jiff::SignedDuration::from_mins(minutes);
    let body = json!({"lead_id": lead, "channel": "sms", "category": category, "body": words, "send_at": at});
    house
        .post(&guest.key, "/v1/messages", body)
        .await
        .is(201)
        .text_of("/id")
}

async fn hold(house: &House, guest: &Guest) -> Value {
    house.get(&guest.key, "/v1/recovery").await.is(200).json
}

async fn message(house: &House, guest: &Guest, id: &str) -> Reply {
    house
        .get(&guest.key, &format!("/v1/messages/{id}"))
        .await
        .is(200)
}

/// P12: what went out since the backup is found in the provider's log and not sent again; an offer is dropped; a number on the list since
/// then gets nothing; a lead deleted since then is deleted again; what was lifted since is lifted.
#[tokio::test(flavor = "multi_thread")]
async fn what_happened_since_the_backup_is_not_forgotten() {
    let (mut house, guest, far, to) = house("plumbing").await;
    let dana = lead(&house, &guest, "Dana", "+13035550142").await;
    let erin = lead(&house, &guest, "Erin", "+13035550143").await;
    let finn = lead(&house, &guest, "Finn", "+13035550144").await;
    let suppress = |phone: &str| json!({"phone": phone, "reason": "opted_out", "how": "by phone"});
    // Listed by the business, which may take it off again.
    let listed = json!({"phone": "+13035550145", "reason": "listed", "how": "moved away"});
    house
        .post(&guest.key, "/v1/suppressions", listed)
        .await
        .is(201);
    let soon = text(&house, &guest, &dana, "transactional", 10).await;
    let offer = text(&house, &guest, &dana, "promotional", 10).await;
    let stopped = text(&house, &guest, &finn, "transactional", 120).await;
    let erased = text(&house, &guest, &erin, "transactional", 120).await;
    house.back_up(&to);

    house.pass(11 * 60).await;
    house.message_is(&guest.key, &soon, &["accepted"]).await;
    house.message_is(&guest.key, &offer, &["accepted"]).await;
    assert_eq!(far.taken().len(), 2);
    house
        .post(&guest.key, "/v1/suppressions", suppress("+13035550144"))
        .await
        .is(201);
    house
        .delete(&guest.key, "/v1/suppressions/+13035550145")
        .await
        .is(204);
    house
        .delete(&guest.key, &format!("/v1/leads/{erin}"))
        .await
        .is(204);
    let after = text(&house, &guest, &dana, "transactional", 60 * 24).await;

    let done = house.lose_and_restore(&to).await;
    let did = &done[0];
    assert_eq!(
        (did.listed, did.lifted, did.erased, did.doubted),
        (1, 1, 1, 2),
        "{did:?}"
    );
    let known = hold(&house, &guest).await;
    assert_eq!(known["state"], "holds");
    // What was decided after the backup is lost, and its id is given to nobody else.
    let lost = house
        .get(&guest.key, &format!("/v1/messages/{after}"))
        .await;
    lost.is(404);
    assert_eq!(
        message(&house, &guest, &stopped).await.text_of("/status"),
        "blocked"
    );
    assert_eq!(
        message(&house, &guest, &erased).await.text_of("/status"),
        "cancelled"
    );
    house
        .get(&guest.key, &format!("/v1/leads/{erin}"))
        .await
        .is(404);
    let list = house.get(&guest.key, "/v1/suppressions").await.is(200);
    let addresses: Vec<&str> = list
        .data()
        .iter()
        .filter_map(|one| one["address"].as_str())
        .collect();
    assert_eq!(addresses, ["+13035550144"]);
    let given_up = message(&house, &guest, &offer).await;
    assert_eq!(given_up.text_of("/status"), "unknown");
    assert_ne!(given_up.json["settled_at"], Value::Null);
    // The log is asked, and has it.
    house.pass(6).await;
    let found = house.message_is(&guest.key, &soon, &["accepted"]).await;
    assert_eq!(found.json["repeated"], false);
    assert_eq!((far.taken().len(), far.looks()), (2, 1));
    // Nothing more comes of any of them, whatever time passes and whoever lets go.
    house.pass(3 * 3_600).await;
    house
        .post(&guest.key, "/v1/recovery/release", json!({}))
        .await
        .is(200);
    assert_eq!(hold(&house, &guest).await["state"], "over");
    house.pass(3 * 3_600).await;
    assert_eq!(far.taken().len(), 2, "{:?}", far.taken());
    let verified = house.app.readers.ask(|store| {
        use ringback_store::House as _;
        let tenant = store.tenants().unwrap()[0].id;
        store.verify_chain(tenant, &[]).unwrap()
    });
    assert!(verified.is_ok(), "{verified:?}");
}

/// P12: during the hold customers get nothing, staff hear of new leads; one message can be let go, one discarded, and the rest goes with
/// the release. A restart in between changes nothing.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_goes_to_customers_until_a_person_lets_it() {
    let (mut house, guest, far, to) = house("auto-glass").await;
    house.back_up(&to);
    house.pass(3_600).await;
    house.lose_and_restore(&to).await;
    house.die().await;
    let dana = lead(&house, &guest, "Dana", "+13035550142").await;
    let of_dana = format!("/v1/messages?lead_id={dana}");
    let messages = house.get(&guest.key, &of_dana).await.is(200);
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for one in messages.data() {
        let id = one["id"].as_str().unwrap().to_owned();
        match (one["category"].as_str().unwrap(), one["sandbox"] == true) {
            (_, true) => {}
            ("staff", _) => ours.push(id),
            _ => theirs.push(id),
        }
    }
    assert!(!ours.is_empty() && theirs.len() == 2, "{}", messages.text);
    for id in &ours {
        let stands = message(&house, &guest, id).await;
        if stands.json["channel"] == "email" {
            house.message_is(&guest.key, id, &["accepted"]).await;
        }
    }
    let alerts = far.taken().len();
    for id in &theirs {
        let held = message(&house, &guest, id).await;
        assert_eq!(held.text_of("/status"), "deferred", "{}", held.text);
        assert!(
            held.text.contains("nothing goes to customers"),
            "{}",
            held.text
        );
    }
    let known = hold(&house, &guest).await;
    assert_eq!(known["held"], 2, "{known}");
    house.pass(7_200).await;
    assert_eq!(far.taken().len(), alerts, "held although hours passed");
    let wish = |act: &str, id: &str| (format!("/v1/recovery/{act}"), json!({"messages": [id]}));
    let (path, body) = wish("release", &theirs[0]);
    let acted = house.post(&guest.key, &path, body).await.is(200);
    assert_eq!(
        (&acted.json["done"], &acted.json["refused"]),
        (&json!(1), &json!(0))
    );
    house
        .message_is(&guest.key, &theirs[0], &["accepted", "expired"])
        .await;
    let (path, body) = wish("discard", &theirs[1]);
    house.post(&guest.key, &path, body).await.is(200);
    house
        .message_is(&guest.key, &theirs[1], &["cancelled"])
        .await;
    let now = far.taken().len();
    let erin = lead(&house, &guest, "Erin", "+13035550143").await;
    house.pass(60).await;
    let released = house
        .post(&guest.key, "/v1/recovery/release", json!({}))
        .await
        .is(200);
    assert_eq!(released.json["done"], 2, "{}", released.text);
    assert_eq!(hold(&house, &guest).await["state"], "over");
    let list = house
        .get(&guest.key, &format!("/v1/messages?lead_id={erin}"))
        .await
        .is(200);
    for one in list.data() {
        let id = one["id"].as_str().unwrap();
        if one["sandbox"] != true && one["category"] == "transactional" {
            house.message_is(&guest.key, id, &["accepted"]).await;
        }
    }
    assert!(far.taken().len() >= now + 2);
    let again = house
        .post(&guest.key, "/v1/recovery/release", json!({}))
        .await;
    assert_eq!(again.is(409).text_of("/code"), "not_held");
}

/// P12: a number that said STOP after the backup, and that the backup does not know, is refused when it comes again.
#[tokio::test(flavor = "multi_thread")]
async fn a_stop_of_somebody_the_backup_does_not_know_holds() {
    let (mut house, guest, far, to) = house("plumbing").await;
    house.back_up(&to);
    house.pass(60).await;
    lead(&house, &guest, "Finn", "+13035550144").await;
    let stop = json!({"phone": "+13035550144", "reason": "opted_out", "how": "by phone"});
    house
        .post(&guest.key, "/v1/suppressions", stop)
        .await
        .is(201);
    house.lose_and_restore(&to).await;
    house
        .post(&guest.key, "/v1/recovery/release", json!({}))
        .await
        .is(200);
    let finn = lead(&house, &guest, "Finn", "+13035550144").await;
    let id = text(&house, &guest, &finn, "transactional", 1).await;
    house.pass(120).await;
    let stands = house.message_is(&guest.key, &id, &["blocked"]).await;
    assert_eq!(stands.text_of("/why/code"), "suppressed");
    assert_eq!(far.taken().len(), 0);
}
