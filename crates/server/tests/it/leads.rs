//! Finding, editing and explaining leads (L1, L9, L10, S2).

use crate::house::House;
use serde_json::{Value, json};

fn ids(rows: &[Value]) -> Vec<&str> {
    rows.iter().map(|row| row["id"].as_str().unwrap()).collect()
}

/// L1: pages follow each other without gap or repetition, newest first.
#[tokio::test(flavor = "multi_thread")]
async fn pages_of_leads_follow_each_other() {
    let (house, guest) = House::with("plumbing").await;
    let mut made = Vec::new();
    for n in 0..7 {
        made.push(house.lead(&guest.key, &format!("+130355501{n:02}")).await);
    }
    made.reverse();
    let mut seen: Vec<String> = Vec::new();
    let mut path = "/v1/leads?limit=3".to_owned();
    loop {
        let page = house.get(&guest.key, &path).await.is(200);
        assert!(page.data().len() <= 3);
        seen.extend(ids(page.data()).into_iter().map(str::to_owned));
        match page.json["next"].as_str() {
            Some(next) => path = format!("/v1/leads?limit=3&after={next}"),
            None => break,
        }
    }
    assert_eq!(seen, made);
    assert_eq!(
        house.get(&guest.key, "/v1/leads").await.is(200).headers["cache-control"],
        "no-store"
    );
    for (bad, field) in [
        ("limit=0", "query"),
        ("limit=201", "query"),
        ("after=lead_x", "after"),
        ("colour=red", "query"),
        ("created_after=monday", "created_after"),
        ("view=blue", "view"),
    ] {
        assert_eq!(
            house
                .get(&guest.key, &format!("/v1/leads?{bad}"))
                .await
                .is(422)
                .text_of("/field"),
            field,
            "{bad}"
        );
    }
}

/// L1: a lead is found by name, phone as typed, email and reference, and lists are narrowed.
#[tokio::test(flavor = "multi_thread")]
async fn a_lead_is_found_by_whatever_is_known_of_it() {
    let (house, guest) = House::with("plumbing").await;
    let dana = house.post(&guest.key, "/v1/leads", json!({"first_name": "Dana", "last_name": "Whitfield", "phone": "+13035550142", "email": "dana@example.com", "source": "web"})).await.is(201);
    let other = house
        .post(
            &guest.key,
            "/v1/leads",
            json!({"first_name": "Owen", "phone": "+13035550143", "source": "phone"}),
        )
        .await
        .is(201);
    let reference = dana.text_of("/reference");
    for q in [
        "dana",
        "whitf",
        "Dana%20Whitfield",
        "(303)%20555-0142",
        "3035550142",
        "DANA@example.com",
        &reference,
        &reference.to_lowercase().replace('-', ""),
    ] {
        let found = house
            .get(&guest.key, &format!("/v1/leads?q={q}"))
            .await
            .is(200);
        assert_eq!(ids(found.data()), [dana.text_of("/id")], "{q}");
    }
    assert_eq!(
        ids(house
            .get(&guest.key, "/v1/leads?source=phone")
            .await
            .is(200)
            .data()),
        [other.text_of("/id")]
    );
    assert_eq!(
        house
            .get(&guest.key, "/v1/leads?stage=new&product=plumbing")
            .await
            .is(200)
            .data()
            .len(),
        2
    );
    assert!(
        house
            .get(&guest.key, "/v1/leads?stage=lost")
            .await
            .is(200)
            .data()
            .is_empty()
    );
    assert!(
        house
            .get(&guest.key, "/v1/leads?created_after=2026-11-24T00:00:00Z")
            .await
            .is(200)
            .data()
            .is_empty()
    );
    assert_eq!(
        house
            .get(&guest.key, "/v1/leads?view=ringing")
            .await
            .is(200)
            .data()
            .len(),
        2
    );
    house
        .call(
            http::Method::POST,
            &guest.key,
            &format!("/v1/leads/{}/take", other.text_of("/id")),
            "",
        )
        .await
        .is(200);
    assert_eq!(
        ids(house
            .get(&guest.key, "/v1/leads?view=ringing")
            .await
            .is(200)
            .data()),
        [dana.text_of("/id")]
    );
}

/// L1: PATCH merges and null empties; PUT replaces; DELETE forgets.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_known_is_merged_replaced_and_forgotten() {
    let (house, guest) = House::with("plumbing").await;
    let id = house.post(&guest.key, "/v1/leads", json!({"first_name": "Dana", "last_name": "W", "phone": "+13035550142", "source": "web", "attributes": {"a": 1, "b": 2}, "address": {"city": "Denver", "state": "CO"}})).await.is(201).text_of("/id");
    let path = format!("/v1/leads/{id}");
    let patched = house.patch(&guest.key, &path, json!({"last_name": null, "attributes": {"a": null, "c": 3}, "address": {"city": null, "zip": "80202"}, "tags": ["vip"], "email": "dana@example.com", "source": "fair"})).await.is(200).json;
    assert_eq!(
        (
            &patched["first_name"],
            &patched["last_name"],
            &patched["source"]
        ),
        (&json!("Dana"), &Value::Null, &json!("fair"))
    );
    assert_eq!(patched["attributes"], json!({"b": 2, "c": 3}));
    assert_eq!(
        patched["address"],
        json!({"city": null, "state": "CO", "zip": "80202", "country": null})
    );
    assert_eq!(
        (&patched["tags"], &patched["email"]),
        (&json!(["vip"]), &json!("dana@example.com"))
    );
    let replaced = house
        .put(
            &guest.key,
            &path,
            json!({"first_name": "Dee", "phone": "+13035550142"}).to_string(),
        )
        .await
        .is(200)
        .json;
    assert_eq!(
        (
            &replaced["first_name"],
            &replaced["phone"],
            &replaced["email"]
        ),
        (&json!("Dee"), &json!("+13035550142"), &Value::Null)
    );
    assert_eq!(
        (
            &replaced["attributes"],
            &replaced["tags"],
            &replaced["address"]["zip"]
        ),
        (&json!({}), &json!([]), &Value::Null)
    );
    assert_eq!(
        house
            .post(
                &guest.key,
                "/v1/leads",
                json!({"email": "dana@example.com"})
            )
            .await
            .is(201)
            .json["status"],
        "created"
    );
    let taken = house
        .patch(&guest.key, &path, json!({"email": "dana@example.com"}))
        .await
        .is(409);
    assert_eq!(
        (taken.text_of("/code"), taken.text_of("/field")),
        ("belongs_to_another_lead".into(), "email".into())
    );
    house.delete(&guest.key, &path).await.is(204);
    house.get(&guest.key, &path).await.is(404);
    house.delete(&guest.key, &path).await.is(404);
}

/// L9: a pipeline says where a lead may go; a refusal says why and names the field.
#[tokio::test(flavor = "multi_thread")]
async fn a_stage_that_is_not_allowed_is_refused_with_the_reason() {
    let (house, guest) = House::with("plumbing").await;
    let id = house.lead(&guest.key, "+13035550142").await;
    let path = format!("/v1/leads/{id}/stage");
    assert_eq!(
        house
            .post(
                &guest.key,
                &path,
                json!({"stage": "quoted", "reason": "by phone"})
            )
            .await
            .is(200)
            .json["stage"],
        "quoted"
    );
    let back = house
        .post(&guest.key, &path, json!({"stage": "new"}))
        .await
        .is(409);
    assert_eq!(
        (back.text_of("/code"), back.text_of("/field")),
        ("stage_not_allowed".into(), "stage".into())
    );
    assert!(
        back.text_of("/detail").contains("comes before"),
        "{}",
        back.text
    );
    house
        .post(&guest.key, &path, json!({"stage": "qouted"}))
        .await
        .is(409);
    house
        .post(
            &guest.key,
            &path,
            json!({"stage": "won", "product": "roofs"}),
        )
        .await
        .is(422);
    let line = &house
        .get(
            &guest.key,
            &format!("/v1/leads/{id}/timeline?type=stage.changed"),
        )
        .await
        .is(200)
        .data()[0]
        .clone();
    assert_eq!(
        (
            &line["actor"],
            &line["details"]["from"],
            &line["details"]["reason"]
        ),
        (&json!("key:all"), &json!("new"), &json!("by phone"))
    );
}

/// L10: the history is in order, names type and actor, says which points each event added, and pages without gap.
#[tokio::test(flavor = "multi_thread")]
async fn the_history_of_a_lead_is_whole_and_in_order() {
    let (house, guest) = House::with("plumbing").await;
    let id = house.lead(&guest.key, "+13035550142").await;
    for kind in ["emergency_click", "phone_click", "contact_form_start"] {
        house.clock.forward(jiff::SignedDuration::from_secs(20));
        house
            .post(
                &guest.key,
                &format!("/v1/leads/{id}/events"),
                json!({"type": kind}),
            )
            .await
            .is(201);
    }
    let message = house.post(&guest.key, "/v1/messages", json!({"lead_id": id, "channel": "sms", "category": "transactional", "body": "On our way"})).await.is(201).text_of("/id");
    house
        .message_is(&guest.key, &message, &["accepted", "delivered"])
        .await;
    let path = format!("/v1/leads/{id}/timeline");
    let whole = house.get(&guest.key, &path).await.is(200);
    let kinds: Vec<&str> = whole
        .data()
        .iter()
        .rev()
        .map(|line| line["type"].as_str().unwrap())
        .collect();
    let place = |kind: &str| {
        kinds
            .iter()
            .position(|one| *one == kind)
            .unwrap_or_else(|| panic!("{kind} in {kinds:?}"))
    };
    assert!(
        place("lead.captured") < place("emergency_click"),
        "{kinds:?}"
    );
    assert!(
        place("emergency_click") < place("phone_click")
            && place("phone_click") < place("contact_form_start"),
        "{kinds:?}"
    );
    assert!(
        place("tier.entered") > place("emergency_click"),
        "{kinds:?}"
    );
    let click = whole
        .data()
        .iter()
        .find(|line| line["type"] == "emergency_click")
        .unwrap();
    assert!(click["points"].as_i64().unwrap() >= 30, "{click}");
    assert_eq!(click["actor"], "lead");
    assert!(
        whole
            .data()
            .iter()
            .any(|line| line["type"] == "attempt"
                && line["details"]["message_id"] == message.as_str()),
        "{}",
        whole.text
    );
    let mut seen = Vec::new();
    let mut next = String::new();
    loop {
        let page = house
            .get(&guest.key, &format!("{path}?limit=2{next}"))
            .await
            .is(200);
        seen.extend(
            page.data()
                .iter()
                .map(|line| line["id"].as_str().unwrap().to_owned()),
        );
        match page.json["next"].as_str() {
            Some(cursor) => next = format!("&after={cursor}"),
            None => break,
        }
    }
    assert_eq!(seen, ids(whole.data()));
    let only = house
        .get(&guest.key, &format!("{path}?type=phone_click"))
        .await
        .is(200);
    assert_eq!(only.data().len(), 1);
}

/// S2: the breakdown adds up to the points and says why each rule fired and what the next tier needs.
#[tokio::test(flavor = "multi_thread")]
async fn a_score_explains_every_point() {
    let (house, guest) = House::with("plumbing").await;
    let id = house.lead(&guest.key, "+13035550142").await;
    house
        .post(
            &guest.key,
            &format!("/v1/leads/{id}/events"),
            json!({"type": "page", "properties": {"path": "/emergency/burst-pipe"}}),
        )
        .await
        .is(201);
    house
        .post(
            &guest.key,
            &format!("/v1/leads/{id}/events"),
            json!({"type": "emergency_click"}),
        )
        .await
        .is(201);
    let score = house
        .get(&guest.key, &format!("/v1/leads/{id}/score"))
        .await
        .is(200)
        .json["scores"]["intent"]
        .clone();
    let lines = score["breakdown"].as_array().unwrap();
    let sum: i64 = lines
        .iter()
        .map(|line| line["points"].as_i64().unwrap())
        .sum();
    assert_eq!(score["points"].as_i64().unwrap(), sum);
    assert!(
        lines.iter().any(|line| line["rule"] == "emergency_click"),
        "{score}"
    );
    let direct = lines
        .iter()
        .find(|line| line["rule"] == "direct_emergency_navigation")
        .unwrap_or_else(|| panic!("{score}"));
    assert!(
        direct["why"][0].as_str().unwrap().contains("emergency"),
        "{direct}"
    );
    assert!(direct["event"].as_str().unwrap().starts_with("evt_") && direct["at"].is_string());
    assert!(score["tier"].is_string());
    assert!(
        score["next_tier"]["missing"].as_i64().unwrap() > 0,
        "{score}"
    );
    let lead = house
        .get(&guest.key, &format!("/v1/leads/{id}"))
        .await
        .is(200);
    assert_eq!(
        lead.json["products"]["plumbing"]["scores"]["intent"]["points"],
        score["points"]
    );
}

/// S1: an event with a name of its own happens once.
#[tokio::test(flavor = "multi_thread")]
async fn an_event_told_twice_counts_once() {
    let (house, guest) = House::with("plumbing").await;
    let id = house.lead(&guest.key, "+13035550142").await;
    let path = format!("/v1/leads/{id}/events");
    let body = json!({"type": "phone_click", "id": "m-1", "at": "2026-11-23T16:59:00Z", "properties": {"page": "/"}});
    let first = house.post(&guest.key, &path, body.clone()).await.is(201);
    let again = house.post(&guest.key, &path, body).await.is(200);
    assert_eq!(
        (&again.json["id"], &again.json["repeated"]),
        (&first.json["id"], &json!(true))
    );
    for (bad, field) in [
        (json!({"type": ""}), "type"),
        (json!({"type": "a b"}), "type"),
        (json!({"type": "x", "at": "2027-01-01T00:00:00Z"}), "at"),
        (json!({"type": "x", "properties": []}), "properties"),
        (json!({"at": "2026-11-23T16:59:00Z"}), "type"),
    ] {
        assert_eq!(
            house
                .post(&guest.key, &path, bad.clone())
                .await
                .is(422)
                .text_of("/field"),
            field,
            "{bad}"
        );
    }
}

/// L7: two leads become one by hand; the old id leads to the one that stays.
#[tokio::test(flavor = "multi_thread")]
async fn two_leads_become_one_and_the_old_id_still_leads_there() {
    let (house, guest) = House::with("plumbing").await;
    let old = house.lead(&guest.key, "+13035550142").await;
    let new = house
        .post(
            &guest.key,
            "/v1/leads",
            json!({"email": "dana@example.com"}),
        )
        .await
        .is(201)
        .text_of("/id");
    let merged = house
        .post(
            &guest.key,
            &format!("/v1/leads/{old}/merge"),
            json!({"into": new}),
        )
        .await
        .is(200);
    assert_eq!(
        (
            merged.text_of("/id"),
            merged.text_of("/phone"),
            merged.text_of("/email")
        ),
        (
            new.clone(),
            "+13035550142".into(),
            "dana@example.com".into()
        )
    );
    assert_eq!(
        house
            .get(&guest.key, &format!("/v1/leads/{old}"))
            .await
            .is(200)
            .text_of("/id"),
        new
    );
    assert_eq!(
        house
            .post(
                &guest.key,
                &format!("/v1/leads/{old}/merge"),
                json!({"into": new})
            )
            .await
            .is(409)
            .text_of("/code"),
        "same_lead"
    );
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

/// W7: the first to take a lead has it; the second hears who was first.
#[tokio::test(flavor = "multi_thread")]
async fn the_second_to_take_a_lead_hears_who_was_first() {
    let (house, guest) = House::with("plumbing").await;
    let id = house.lead(&guest.key, "+13035550142").await;
    let path = format!("/v1/leads/{id}/take");
    let first = house
        .post(&guest.key, &path, json!({"by": "Sam Okafor"}))
        .await
        .is(200);
    assert_eq!(
        (
            first.text_of("/answered_by"),
            first.json["by_you_now"].as_bool()
        ),
        ("Sam Okafor".into(), Some(true))
    );
    let second = house
        .post(&guest.key, &path, json!({"by": "Lena Ortiz"}))
        .await
        .is(200);
    assert_eq!(
        (
            second.text_of("/answered_by"),
            second.json["by_you_now"].as_bool()
        ),
        ("Sam Okafor".into(), Some(false))
    );
    assert_eq!(
        house
            .post(&guest.key, &path, json!({"by": "Nobody"}))
            .await
            .is(422)
            .text_of("/field"),
        "by"
    );
}
