//! C1, C5, C7, X6: what can be shown of one person, of the rules, and of the chain that proves it.

use crate::house::House;
use ringback_core::messages::{ChannelKind, Inbound};
use ringback_core::turn::Intake;
use serde_json::json;

/// C7: consents, messages sent and not, what the gates said and by which rule; as JSON and as a table; nothing of it for another business.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_report_holds_all_about_one_number() {
    let (house, guest) = House::with("plumbing").await;
    let key = &guest.key;
    let lead = house.lead(key, "+13035550142").await;
    let yes = json!({"to": "+13035550142", "channel": "sms", "purpose": "promotional", "granted": true, "method": "paper", "wording": "Yes, \"send\" me offers, please.", "expires_at": "2027-01-01T00:00:00Z"});
    house.post(key, "/v1/consents", yes).await.is(201);
    let offer = |body: &str| json!({"lead_id": lead, "channel": "sms", "category": "promotional", "body": body});
    let sent = house
        .post(
            key,
            "/v1/messages",
            offer("Alder Plumbing: 10% off. Reply STOP to end."),
        )
        .await
        .is(201)
        .text_of("/id");
    let held = house
        .post(key, "/v1/messages", offer("10% off"))
        .await
        .is(201)
        .text_of("/id");
    house.message_is(key, &sent, &["delivered"]).await;
    house.message_is(key, &held, &["blocked"]).await;
    house
        .post(
            key,
            "/v1/suppressions",
            json!({"phone": "+13035550142", "reason": "opted_out", "how": "=cmd()"}),
        )
        .await
        .is(201);
    let path = "/v1/compliance/report?address=%28303%29%20555-0142";
    let report = house.get(key, path).await.is(200);
    assert_eq!(report.text_of("/address"), "+13035550142");
    assert_eq!(report.text_of("/suppressed/reason"), "opted_out");
    assert_eq!(report.text_of("/consents/0/basis"), "written");
    assert_eq!(
        report.text_of("/consents/0/expires_at"),
        "2027-01-01T00:00:00Z"
    );
    let messages = report.json["messages"].as_array().unwrap();
    let found = messages
        .iter()
        .find(|one| one["id"] == sent.as_str())
        .unwrap();
    let gates = found["gates"].as_array().unwrap();
    assert!(
        gates
            .iter()
            .any(|gate| gate["gate"] == "consent" && gate["rule"] == "US-1"),
        "{found}"
    );
    assert!(
        gates
            .iter()
            .any(|gate| gate["gate"] == "content" && gate["rule"] == "US-16"),
        "{found}"
    );
    let table = house
        .get(key, &format!("{path}&format=csv"))
        .await
        .is(200)
        .text;
    assert!(table.starts_with("\"at\",\"what\""), "{table}");
    assert!(
        table.contains("Yes, \"\"send\"\" me offers") && table.contains("'=cmd()"),
        "{table}"
    );
    house
        .get(key, "/v1/compliance/report?address=nobody")
        .await
        .is(422);
    let other = house.open("wren", "auto-glass").await;
    let nothing = house.get(&other.key, path).await.is(200);
    assert!(
        nothing.json["messages"].as_array().unwrap().is_empty()
            && nothing.json["consents"].as_array().unwrap().is_empty()
    );
    assert!(nothing.json["suppressed"].is_null());
}

/// C1, X6: the anchor moves with every consent and administrative action, and the chain verifies against the one before.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_anchor_moves_and_the_chain_verifies() {
    let (house, guest) = House::with("plumbing").await;
    let before = house
        .get(&guest.key, "/v1/audit/anchor")
        .await
        .is(200)
        .text_of("/anchor");
    house
        .post(&guest.key, "/v1/staff", json!({"name": "Inez Ford"}))
        .await
        .is(201);
    let told = json!({"to": "a@example.com", "channel": "email", "purpose": "promotional", "granted": true, "method": "verbal"});
    house.post(&guest.key, "/v1/consents", told).await.is(201);
    let after = house
        .get(&guest.key, "/v1/audit/anchor")
        .await
        .is(200)
        .text_of("/anchor");
    assert_ne!(before, after);
    let anchors = [before.parse().unwrap(), after.parse().unwrap()];
    let tenant = guest.id;
    let whole = house
        .app
        .ask(move |store| store.verify_chain(tenant, &anchors))
        .await
        .unwrap()
        .unwrap();
    assert_eq!((whole.head.to_string(), whole.consents), (after, 1));
    let implied = json!({"to": "a@example.com", "channel": "email", "purpose": "promotional", "granted": true, "method": "api", "basis": "implied"});
    let refused = house
        .post(&guest.key, "/v1/consents", implied)
        .await
        .is(422);
    assert_eq!(refused.text_of("/field"), "expires_at");
}

/// Every rule is there with its source, and the hours of states.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_rules_are_shown_with_their_sources() {
    let (house, guest) = House::with("plumbing").await;
    let rules = house.get(&guest.key, "/v1/rules").await.is(200);
    let all = rules.json["rules"].as_array().unwrap();
    assert!(
        all.iter()
            .any(|rule| rule["id"] == "US-1" && rule["source"] == "47 CFR 64.1200(a)(2), (f)(9)")
    );
    let hours = rules.json["hours"].as_array().unwrap();
    assert!(
        hours
            .iter()
            .any(|rule| rule["place"] == "Florida" && rule["mon_fri"] == "08:00-20:00"),
        "{hours:?}"
    );
}

/// C5: a list that was kept elsewhere comes in, lines that cannot be used are told, and the whole goes out again as it came.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_suppression_list_is_imported_and_exported() {
    let (house, guest) = House::with("plumbing").await;
    let table = "address,reason,how\n(303) 555-0161,opted_out,\"said \"\"no\"\", twice\"\nnobody\nB@Example.com,wished\nc@example.com\n";
    let done = house
        .call(
            http::Method::POST,
            &guest.key,
            "/v1/suppressions/import",
            table,
        )
        .await
        .is(200);
    assert_eq!(done.json["listed"], 2);
    let lines: Vec<i64> = done.json["refused"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["line"].as_i64().unwrap())
        .collect();
    assert_eq!(lines, [3, 4]);
    let out = house
        .get(&guest.key, "/v1/suppressions/export")
        .await
        .is(200)
        .text;
    assert!(
        out.contains("\"'+13035550161\",\"opted_out\",\"said \"\"no\"\", twice\"")
            && out.contains("c@example.com\",\"listed\""),
        "{out}"
    );
    let other = house.open("wren", "auto-glass").await;
    house
        .call(
            http::Method::POST,
            &other.key,
            "/v1/suppressions/import",
            out.clone(),
        )
        .await
        .is(200);
    let again = house
        .get(&other.key, "/v1/suppressions/export")
        .await
        .is(200)
        .text;
    let addresses = |text: &str| {
        text.lines()
            .skip(1)
            .filter_map(|line| line.split(',').next().map(str::to_owned))
            .collect::<std::collections::BTreeSet<_>>()
    };
    assert_eq!(addresses(&out), addresses(&again));
}

/// US-5: whoever takes back consent to news of their own request gets no offers either.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn revoking_one_purpose_revokes_what_it_implies() {
    let (house, guest) = House::with("plumbing").await;
    let key = &guest.key;
    let lead = house.lead(key, "+13035550142").await;
    let told = |purpose: &str, granted: bool| json!({"to": "+13035550142", "channel": "sms", "purpose": purpose, "granted": granted, "method": "paper", "wording": "as on the paper"});
    let offer = || json!({"lead_id": lead, "channel": "sms", "category": "promotional", "body": "Alder Plumbing: 10% off. Reply STOP to end."});
    house
        .post(key, "/v1/consents", told("promotional", true))
        .await
        .is(201);
    let sent = house.post(key, "/v1/messages", offer()).await.is(201);
    house
        .message_is(key, &sent.text_of("/id"), &["delivered"])
        .await;
    house
        .post(key, "/v1/consents", told("transactional", false))
        .await
        .is(201);
    let held = house.post(key, "/v1/messages", offer()).await.is(201);
    house
        .message_is(key, &held.text_of("/id"), &["blocked"])
        .await;
}

/// US-10: START lifts what the person said, never what the business put on its own list meanwhile.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn start_lifts_nothing_that_the_business_listed() {
    let (house, guest) = House::with("plumbing").await;
    let key = &guest.key;
    house.lead(key, "+13035550142").await;
    let says = |word: &str| {
        let inbound = Inbound {
            dedup: format!("in-{word}"),
            channel: ChannelKind::Sms,
            from: "+13035550142".into(),
            to: "+13035550100".into(),
            body: word.to_owned(),
            answered_by_provider: false,
            at: house.app.now(),
        };
        let intake = Intake::Inbound {
            inbound: Box::new(inbound),
            connection: None,
        };
        house.app.take(guest.id, intake, None)
    };
    let listed = || async {
        let list = house.get(key, "/v1/suppressions").await.is(200);
        let first = list.data().first().map(|one| one["reason"].clone());
        first.unwrap_or_default()
    };
    says("STOP").await.unwrap();
    assert_eq!(listed().await, "opted_out");
    let ours = json!({"phone": "+13035550142", "how": "asked on the phone"});
    house.post(key, "/v1/suppressions", ours).await.is(201);
    says("START").await.unwrap();
    assert_eq!(listed().await, "listed");
}
