//! Accidents that happened to others, each as a test of its own name. Where one is tested elsewhere, docs/promises.md says where.

use crate::far::{Does, Far, connection};
use crate::house::{Guest, House};
use ringback_core::messages::{Fact, Report, Reported, Status, Suppress};
use ringback_core::turn::Intake;
use serde_json::{Value, json};

async fn connect(house: &House, guest: &Guest, far: &Far) {
    let body = connection("twilio", "main", 0, &far.url());
    house
        .post(&guest.key, "/v1/connections", body)
        .await
        .is(201);
}

async fn text(house: &House, guest: &Guest, lead: &str, send_at: Option<&str>) -> String {
    let mut body = json!({"lead_id": lead, "channel": "sms", "category": "transactional", "body": format!("On our way to {lead}")});
    if let Some(at) = send_at {
        body["send_at"] = json!(at);
    }
    let sent = house.post(&guest.key, "/v1/messages", body).await;
    sent.is(201).text_of("/id")
}

async fn leads(house: &House, guest: &Guest, n: usize) -> Vec<String> {
    let mut leads = Vec::new();
    for n in 0..n {
        let phone = format!("+1303555{:04}", 100 + n);
        leads.push(house.lead(&guest.key, &phone).await);
    }
    leads
}

/// Others moved their place in the queue when a batch was fetched instead of when it was sent: a crash skipped the batch. Here ten
/// messages are in flight when the server ends, three of them taken: after the restart each arrived exactly once.
#[tokio::test(flavor = "multi_thread")]
async fn a_crash_skips_nobody_of_a_batch() {
    let (mut house, guest) = House::with("plumbing").await;
    let leads = leads(&house, &guest, 10).await;
    let far = Far::open(&house).await;
    connect(&house, &guest, &far).await;
    far.next(&[Does::TakesAndHangs; 3]);
    far.next(&[Does::Hangs; 7]);
    let mut ids = Vec::new();
    for lead in &leads {
        ids.push(text(&house, &guest, lead, None).await);
    }
    far.called(10).await;
    house.die().await;
    // Its log is read for all ten; the seven it does not have are looked for until that is proven, and sent again.
    for id in &ids {
        let path = format!("/v1/messages/{id}");
        for _ in 0..2_000 {
            let one = house.get(&guest.key, &path).await.is(200);
            if one.json["status"] == "accepted" {
                break;
            }
            house.pass(2).await;
        }
        house.message_is(&guest.key, id, &["accepted"]).await;
    }
    let mut arrived = far.taken();
    assert_eq!(arrived.len(), 10, "{arrived:?}");
    arrived.sort_unstable();
    arrived.dedup();
    assert_eq!(arrived.len(), 10, "each once");
}

/// Others sent a paused campaign again from its beginning when it was resumed. Here a switch that is turned off and on says nothing twice.
#[tokio::test(flavor = "multi_thread")]
async fn resuming_says_nothing_twice() {
    let (mut house, guest) = House::with("plumbing").await;
    let leads = leads(&house, &guest, 3).await;
    let far = Far::open(&house).await;
    connect(&house, &guest, &far).await;
    for lead in &leads {
        let id = text(&house, &guest, lead, None).await;
        house.message_is(&guest.key, &id, &["accepted"]).await;
    }
    for _ in 0..3 {
        for kill in [json!(["all"]), json!([])] {
            let body = json!({ "kill": kill });
            house.patch(&guest.key, "/v1/tenant", body).await.is(200);
            house.pass(600).await;
        }
    }
    house.die().await;
    house.pass(3_600).await;
    assert_eq!(far.calls().len(), 3);
}

/// Others took the same report twice when its copies raced. Here fifty copies at once are one report, and an older one does not undo it.
#[tokio::test(flavor = "multi_thread")]
async fn fifty_copies_of_a_report_are_one() {
    let (house, guest) = House::with("plumbing").await;
    let leads = leads(&house, &guest, 1).await;
    let far = Far::open(&house).await;
    connect(&house, &guest, &far).await;
    let id = text(&house, &guest, &leads[0], None).await;
    house.message_is(&guest.key, &id, &["accepted"]).await;
    let report = |dedup: &str, what: Reported| {
        Intake::Report(Box::new(Report {
            dedup: dedup.to_owned(),
            message: Some(id.parse().unwrap()),
            reference: None,
            what,
            suppress: Suppress::No,
            why: None,
            cost: None,
            at: house.app.now(),
        }))
    };
    let copies = (0..50).map(|n| {
        let what = match n % 3 {
            0 => ("delivered", Reported::Status(Status::Delivered)),
            1 => ("sent", Reported::Status(Status::Accepted)),
            _ => ("opened", Reported::Fact(Fact::Opened)),
        };
        house.app.take(guest.id, report(what.0, what.1), None)
    });
    for answer in futures_util::future::join_all(copies).await {
        answer.unwrap();
    }
    let message = house.message_is(&guest.key, &id, &["delivered"]).await;
    assert_eq!(message.json["facts"].as_object().unwrap().len(), 1);
    assert_eq!(far.calls().len(), 1);
}

/// Others answered a burst of 825 identical events with 825 alerts. Here it is one alert for each person of the list.
#[tokio::test(flavor = "multi_thread")]
async fn a_burst_of_identical_events_is_one_alert() {
    let (house, guest) = House::with("plumbing").await;
    let lead = house.lead(&guest.key, "+13035550142").await;
    let path = format!("/v1/leads/{lead}/events");
    let page = json!({"type": "page", "properties": {"path": "/emergency/burst-pipe"}});
    house.post(&guest.key, &path, page).await.is(201);
    let click = |n: usize| {
        // Half of them have the same name, half of them none.
        let kind = ["emergency_click", "phone_click"][n / 2 % 2];
        let mut body = json!({ "type": kind });
        if n.is_multiple_of(2) {
            body["id"] = json!(kind);
        }
        house.post(&guest.key, &path, body)
    };
    for round in 0..33 {
        let all = futures_util::future::join_all((0..25).map(|n| click(round * 25 + n))).await;
        assert!(all.iter().all(|reply| reply.status.is_success()));
    }
    let list = house
        .get(
            &guest.key,
            "/v1/messages?workflow=emergency-alert&limit=200",
        )
        .await
        .is(200);
    let mut told: Vec<(Value, Value)> = list
        .data()
        .iter()
        .map(|one| (one["staff"].clone(), one["channel"].clone()))
        .collect();
    let n = told.len();
    told.sort_by_key(|one| format!("{one:?}"));
    told.dedup();
    assert_eq!(
        (n, told.len()),
        (4, 4),
        "two people, text and mail: {told:?}"
    );
}

/// Others sent a reminder after the cancellation. Here what waits for a lead that was deleted, or that said STOP, never goes.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_planned_goes_after_the_end() {
    let (house, guest) = House::with("plumbing").await;
    let leads = leads(&house, &guest, 3).await;
    let far = Far::open(&house).await;
    connect(&house, &guest, &far).await;
    let later = Some("2026-11-23T19:00:00Z");
    let mut ids = Vec::new();
    for lead in &leads {
        ids.push(text(&house, &guest, lead, later).await);
    }
    let cancel = format!("/v1/messages/{}/cancel", ids[0]);
    house.post(&guest.key, &cancel, json!({})).await.is(200);
    let gone = format!("/v1/leads/{}", leads[1]);
    house.delete(&guest.key, &gone).await.is(204);
    let stop = json!({"phone": "+13035550102", "how": "asked on the phone"});
    house
        .post(&guest.key, "/v1/suppressions", stop)
        .await
        .is(201);
    house.pass(3 * 3_600).await;
    house.message_is(&guest.key, &ids[0], &["cancelled"]).await;
    house.message_is(&guest.key, &ids[1], &["cancelled"]).await;
    house
        .message_is(&guest.key, &ids[2], &["cancelled", "blocked"])
        .await;
    assert_eq!(far.calls().len(), 0);
}

/// Others alerted an empty list about a lead that nobody owned. Here those hear it who run the business, and the errors say that the list
/// is empty.
#[tokio::test(flavor = "multi_thread")]
async fn an_alert_for_an_empty_list_reaches_somebody() {
    let (house, guest) = House::with("plumbing").await;
    for gone in ["Sam%20Okafor", "Lena%20Ortiz"] {
        let path = format!("/v1/staff/{gone}");
        house.delete(&guest.key, &path).await.is(204);
    }
    let lead = house.lead(&guest.key, "+13035550142").await;
    let path = format!("/v1/leads/{lead}/events");
    for event in [
        json!({"type": "page", "properties": {"path": "/emergency/burst-pipe"}}),
        json!({"type": "emergency_click"}),
        json!({"type": "phone_click"}),
    ] {
        house.post(&guest.key, &path, event).await.is(201);
    }
    let list = house
        .get(
            &guest.key,
            "/v1/messages?workflow=emergency-alert&limit=200",
        )
        .await
        .is(200);
    let told: Vec<&str> = list
        .data()
        .iter()
        .map(|one| one["staff"].as_str().unwrap())
        .collect();
    assert_eq!(
        told,
        ["Ruth Alder", "Ruth Alder"],
        "text and mail: {}",
        list.text
    );
    let errors = house.get(&guest.key, "/v1/errors").await.is(200).text;
    assert!(
        errors.contains("so those hear it who run the business"),
        "{errors}"
    );
}
