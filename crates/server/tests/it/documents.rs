//! Documents of the configuration (W5), runs (W4), staff and switches (M12).

use crate::house::House;
use serde_json::json;

const HELLO: &str = "name: hello\nproduct: plumbing\ntrigger: manual\nreentry: once_per_lead\nsteps:\n  - send: { to: lead, channels: { all: [sms] }, template: request-received, category: transactional }\n";

/// W5: a document comes out as it went in, and each change is a new version.
#[tokio::test(flavor = "multi_thread")]
async fn a_document_comes_out_as_it_went_in() {
    let (house, guest) = House::with("plumbing").await;
    for path in [
        "/v1/workflows/emergency-alert",
        "/v1/templates/emergency.sms",
        "/v1/templates/emergency.email.mjml",
        "/v1/templates/standard",
        "/v1/score-models/intent",
        "/v1/products/plumbing",
    ] {
        let text = house.get(&guest.key, path).await.is(200);
        assert_eq!(text.headers["etag"], "\"1\"", "{path}");
        assert_eq!(
            house
                .put(&guest.key, path, text.text.clone())
                .await
                .is(200)
                .json["version"],
            1,
            "{path}: the same text is no change"
        );
        let changed = format!("{}\n", text.text);
        assert_eq!(
            house
                .put(&guest.key, path, changed.clone())
                .await
                .is(200)
                .json["version"],
            2,
            "{path}"
        );
        assert_eq!(house.get(&guest.key, path).await.is(200).text, changed);
        assert_eq!(
            house
                .get(&guest.key, &format!("{path}?version=1"))
                .await
                .is(200)
                .text,
            text.text
        );
    }
    for path in [
        "/v1/workflows/nothing",
        "/v1/workflows/..%2Ftenant",
        "/v1/templates/nothing",
        "/v1/products/roofs",
        "/v1/workflows/emergency-alert?version=9",
    ] {
        house.get(&guest.key, path).await.is(404);
    }
}

/// W5: what would break the configuration is refused with path, line and mend, and nothing is stored.
#[tokio::test(flavor = "multi_thread")]
async fn a_document_with_a_mistake_is_refused_with_all_its_problems() {
    let (house, guest) = House::with("plumbing").await;
    let wrong = HELLO.replace("request-received", "request-recieved");
    let refused = house
        .put(&guest.key, "/v1/workflows/hello", wrong)
        .await
        .is(422);
    assert_eq!(refused.text_of("/code"), "configuration_problems");
    let problem = &refused.json["errors"][0];
    assert_eq!(problem["path"], "workflows/hello.yaml");
    assert!(
        problem["line"].is_u64() && problem["message"].is_string(),
        "{problem}"
    );
    assert!(
        problem["mend"]
            .as_str()
            .unwrap()
            .contains("request-received"),
        "{problem}"
    );
    house.get(&guest.key, "/v1/workflows/hello").await.is(404);
    for text in ["", "  \n", "a: [", "\u{0}", "&a [*a]"] {
        assert!(
            house
                .put(&guest.key, "/v1/workflows/hello", text)
                .await
                .status
                .is_client_error(),
            "{text:?}"
        );
    }
    assert_eq!(
        house
            .put(&guest.key, "/v1/workflows/Bad%20Name", HELLO)
            .await
            .is(422)
            .text_of("/field"),
        "name"
    );
    assert_eq!(
        house
            .put(
                &guest.key,
                "/v1/templates/new",
                "---\ncategory: staff\n---\nHello"
            )
            .await
            .is(422)
            .text_of("/field"),
        "name"
    );
    // A product that a workflow needs cannot lose its name.
    house
        .put(
            &guest.key,
            "/v1/products/plumbing",
            "name: roofs\nstages: [{ name: new }]\n",
        )
        .await
        .is(422);
}

/// W4: a workflow is started by hand, as often as its re-entry allows, and the run is found at the lead.
#[tokio::test(flavor = "multi_thread")]
async fn a_workflow_is_started_by_hand() {
    let (house, guest) = House::with("plumbing").await;
    house
        .put(&guest.key, "/v1/workflows/hello", HELLO)
        .await
        .is(200);
    let lead = house.lead(&guest.key, "+13035550142").await;
    let run = house
        .post_once(
            &guest.key,
            "/v1/workflows/hello/runs",
            "r",
            json!({"lead_id": lead}),
        )
        .await
        .is(201);
    assert_eq!(run.text_of("/state"), "done");
    assert_eq!(
        house
            .post_once(
                &guest.key,
                "/v1/workflows/hello/runs",
                "r",
                json!({"lead_id": lead})
            )
            .await
            .is(201)
            .text,
        run.text
    );
    assert_eq!(
        house
            .post(
                &guest.key,
                "/v1/workflows/hello/runs",
                json!({"lead_id": lead})
            )
            .await
            .is(409)
            .text_of("/code"),
        "ran_before"
    );
    let runs = house
        .get(&guest.key, &format!("/v1/runs?lead_id={lead}"))
        .await
        .is(200);
    assert_eq!(
        (
            runs.data()[0]["id"].clone(),
            runs.data()[0]["workflow"].as_str()
        ),
        (run.json["id"].clone(), Some("hello"))
    );
    let messages = house
        .get(
            &guest.key,
            &format!("/v1/messages?lead_id={lead}&workflow=hello"),
        )
        .await
        .is(200);
    assert_eq!(messages.data().len(), 1);
    let whole = house
        .get(
            &guest.key,
            &format!(
                "/v1/messages/{}",
                messages.data()[0]["id"].as_str().unwrap()
            ),
        )
        .await
        .is(200);
    assert_eq!(
        (
            whole.text_of("/cause/workflow"),
            whole.json["cause"]["version"].as_i64(),
            whole.text_of("/cause/step")
        ),
        ("hello".into(), Some(1), "0".into())
    );
    house
        .post(
            &guest.key,
            "/v1/workflows/nothing/runs",
            json!({"lead_id": lead}),
        )
        .await
        .is(404);
}

/// M12: what is switched off does not go, says so, and goes when it is switched on.
#[tokio::test(flavor = "multi_thread")]
async fn a_channel_that_is_switched_off_holds_its_messages() {
    let (house, guest) = House::with("plumbing").await;
    let lead = house.lead(&guest.key, "+13035550142").await;
    let text = json!({"lead_id": lead, "channel": "sms", "category": "transactional", "body": "On our way"});
    assert_eq!(
        house
            .patch(
                &guest.key,
                "/v1/tenant",
                json!({"kill": [{"channel": "sms"}]})
            )
            .await
            .is(200)
            .json["kill"],
        json!([{"channel": "sms"}])
    );
    let held = house
        .post(&guest.key, "/v1/messages", text.clone())
        .await
        .is(201);
    assert!(
        !["sending", "accepted", "delivered"].contains(&held.text_of("/status").as_str()),
        "{}",
        held.text
    );
    let whole = house
        .get(&guest.key, &format!("/v1/messages/{}", held.text_of("/id")))
        .await
        .is(200);
    assert!(
        whole.text_of("/explanation").contains("switched off"),
        "{}",
        whole.text
    );
    house
        .patch(&guest.key, "/v1/tenant", json!({"kill": []}))
        .await
        .is(200);
    let sent = house
        .post(&guest.key, "/v1/messages", text)
        .await
        .is(201)
        .text_of("/id");
    house
        .message_is(&guest.key, &sent, &["accepted", "delivered"])
        .await;
    for bad in [
        json!({"kill": ["sms"]}),
        json!({"kill": [{"workflow": "nothing"}]}),
        json!({"kill": [{"channel": "fax"}]}),
        json!({"sandbox": "yes"}),
    ] {
        house.patch(&guest.key, "/v1/tenant", bad).await.is(422);
    }
}

/// D1: people are added, changed and removed.
#[tokio::test(flavor = "multi_thread")]
async fn people_come_and_go() {
    let (house, guest) = House::with("plumbing").await;
    let added = house
        .post(
            &guest.key,
            "/v1/staff",
            json!({"name": "Ann Lee", "phone": "(303) 555-0171", "lists": ["emergency"]}),
        )
        .await
        .is(201);
    assert_eq!(added.text_of("/phone"), "+13035550171");
    assert_eq!(
        house
            .post(
                &guest.key,
                "/v1/staff",
                json!({"name": "Ann Lee", "on_call": true})
            )
            .await
            .is(200)
            .json["on_call"],
        true
    );
    assert_eq!(
        house
            .get(&guest.key, "/v1/staff")
            .await
            .is(200)
            .data()
            .len(),
        4
    );
    assert_eq!(
        house
            .post(&guest.key, "/v1/staff", json!({"name": "Bo", "phone": "1"}))
            .await
            .is(422)
            .text_of("/field"),
        "phone"
    );
    house
        .delete(&guest.key, "/v1/staff/Ann%20Lee")
        .await
        .is(204);
    house
        .delete(&guest.key, "/v1/staff/Ann%20Lee")
        .await
        .is(404);
}
