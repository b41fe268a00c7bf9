//! Workflows over HTTP and on pages: where runs are, stopping and moving them, scoring anew, tasks, simulating, drafts and releases (W3 to
//! W5, S6, D1, I5).

use crate::dead_pages::Desk;
use crate::house::{Guest, House};
use axum::http::Method;
use jiff::SignedDuration;
use serde_json::{Value, json};

const WAITS: &str = "name: waits
product: plumbing
trigger: manual
steps:
  - tag: { add: [waited] }
  - wait_for: { event: lead.acknowledged, within: 1h }
    then:
      - create_task: { title: Call back, due: 1h }
    otherwise:
      - wait: 2h
";

/// What a question is answered with after as many turns as it takes. Jobs and wake-ups change nothing that a page hears of.
async fn after_turns<T>(house: &House, ask: impl AsyncFn() -> Option<T>) -> T {
    for _ in 0..200 {
        if let Some(found) = ask().await {
            return found;
        }
        house.app.write(|_| Ok(())).await.unwrap();
    }
    panic!("two hundred turns were not enough");
}

async fn begun(house: &House, guest: &Guest, phone: &str) -> (String, String) {
    let lead = house.lead(&guest.key, phone).await;
    let run = house
        .post(
            &guest.key,
            "/v1/workflows/waits/runs",
            json!({"lead_id": lead}),
        )
        .await
        .is(201)
        .text_of("/id");
    (lead, run)
}

async fn house() -> (House, Guest) {
    let (house, guest) = House::with("plumbing").await;
    house
        .put(&guest.key, "/v1/workflows/waits", WAITS)
        .await
        .is(200);
    (house, guest)
}

/// U, W3: runs say where they are, and the workflow's figures are counted from them.
#[tokio::test(flavor = "multi_thread")]
async fn runs_and_figures_agree() {
    let (house, guest) = house().await;
    let (key, mut runs) = (&guest.key, Vec::new());
    for n in 10..14 {
        runs.push(begun(&house, &guest, &format!("+130355501{n}")).await);
    }
    let taken = format!("/v1/leads/{}/take", runs[0].0);
    house.post(key, &taken, json!({})).await.is(200);
    let stopped = format!("/v1/runs/{}/stop", runs[1].1);
    let reply = house
        .post_once(key, &stopped, "one", json!({}))
        .await
        .is(200);
    assert_eq!(reply.json["state"], "stopped");
    house.post(key, &stopped, json!({})).await.is(409);
    house.clock.forward(SignedDuration::from_mins(61));
    // Somebody asks, and the clock is looked at.
    house.lead(key, "+13035550199").await;
    let waits = after_turns(&house, async || {
        let all = house
            .get(key, "/v1/runs?workflow=waits&state=open")
            .await
            .is(200);
        let steps: Vec<Value> = all.data().iter().map(|run| run["step"].clone()).collect();
        (steps == ["1.otherwise.0", "1.otherwise.0"]).then_some(all)
    })
    .await;
    assert_eq!(waits.data().len(), 2);
    let figures = house.get(key, "/v1/workflows/waits/figures").await.is(200);
    let of = |id: &str| {
        let steps = figures.json["steps"].as_array().unwrap();
        let one = steps.iter().find(|step| step["id"] == id).unwrap();
        (
            one["reached"].as_u64().unwrap(),
            one["here"].as_u64().unwrap(),
            one["left"].as_u64().unwrap(),
        )
    };
    assert_eq!(of("0"), (4, 0, 0));
    assert_eq!(of("1"), (4, 0, 1), "one was stopped there");
    assert_eq!(of("1.then.0"), (1, 0, 0));
    assert_eq!(of("1.otherwise.0"), (2, 2, 0));
    assert_eq!(figures.json["ways"]["1.otherwise"], 2);
    assert_eq!(
        (&figures.json["runs"], &figures.json["through"]),
        (&json!(4), &json!(1))
    );
    let list = house.get(key, "/v1/workflows").await.is(200);
    let waits = list
        .data()
        .iter()
        .find(|one| one["name"] == "waits")
        .unwrap();
    assert_eq!(waits["open_runs"], 2);
    // Cursor pages hold each run once.
    let first = house
        .get(key, "/v1/runs?workflow=waits&limit=3")
        .await
        .is(200);
    let next = first.text_of("/next");
    let rest = house
        .get(
            key,
            &format!("/v1/runs?workflow=waits&limit=3&after={next}"),
        )
        .await
        .is(200);
    assert_eq!((first.data().len(), rest.data().len()), (3, 1));
    house.get(key, "/v1/runs?state=odd").await.is(422);
}

/// D1, W2: what a workflow leaves people to do is a list, and each thing is done once.
#[tokio::test(flavor = "multi_thread")]
async fn tasks_are_done_once_and_leads_are_given_away() {
    let (house, guest) = house().await;
    let key = &guest.key;
    let (lead, _) = begun(&house, &guest, "+13035550120").await;
    let assigned = format!("/v1/leads/{lead}/assign");
    house
        .post(key, &assigned, json!({"to": "Nobody"}))
        .await
        .is(422);
    house
        .post(key, &assigned, json!({"to": "Sam Okafor"}))
        .await
        .is(200);
    house
        .post(key, &format!("/v1/leads/{lead}/take"), json!({}))
        .await
        .is(200);
    let work = house.get(key, "/v1/work").await.is(200);
    assert_eq!(work.data().len(), 1);
    assert_eq!(
        (&work.data()[0]["title"], &work.data()[0]["lead_id"]),
        (&json!("Call back"), &json!(lead))
    );
    let done = format!("/v1/work/{}/done", work.text_of("/data/0/id"));
    house.post(key, &done, json!({})).await.is(200);
    house.post(key, &done, json!({})).await.is(409);
    house
        .post(key, "/v1/work/work_0123456789abc/done", json!({}))
        .await
        .is(404);
    assert!(house.get(key, "/v1/work").await.is(200).data().is_empty());
}

/// W4: runs move to the present version on demand, after a look; those that cannot say why.
#[tokio::test(flavor = "multi_thread")]
async fn runs_move_to_the_present_version_after_a_look() {
    let (house, guest) = house().await;
    let key = &guest.key;
    let (_, run) = begun(&house, &guest, "+13035550121").await;
    let other = WAITS.replace("within: 1h", "within: 3h");
    house.put(key, "/v1/workflows/waits", other).await.is(200);
    let look = async |preview: bool| {
        house
            .post(
                key,
                "/v1/workflows/waits/migrate",
                json!({"preview": preview}),
            )
            .await
            .is(200);
        after_turns(&house, async || {
            let jobs = house.get(key, "/v1/jobs").await.is(200);
            let job = jobs
                .data()
                .iter()
                .find(|job| job["name"] == "migrate:waits")
                .cloned();
            job.filter(|job| job["state"] == "over" && job["what"]["preview"] == preview)
        })
        .await
    };
    assert_eq!(look(true).await["found"]["moves"], 1);
    let version = async || {
        house
            .get(key, &format!("/v1/runs/{run}"))
            .await
            .is(200)
            .json["version"]
            .clone()
    };
    assert_eq!(version().await, 1);
    look(false).await;
    assert_eq!(version().await, 2);
    house
        .post(key, "/v1/score-models/intent/rescore", json!({}))
        .await
        .is(200);
    house
        .post(key, "/v1/score-models/nothing/rescore", json!({}))
        .await
        .is(404);
    after_turns(&house, async || {
        let jobs = house.get(key, "/v1/jobs").await.is(200);
        let over = |job: &&Value| job["name"] == "rescore:intent" && job["state"] == "over";
        jobs.data().iter().find(over).cloned()
    })
    .await;
}

/// W5: events happen to the configuration, or to its draft, and nothing of it is in the house afterwards.
#[tokio::test(flavor = "multi_thread")]
async fn a_simulation_leaves_nothing_behind() {
    let (house, guest) = house().await;
    let key = &guest.key;
    let events = r#"{"at_offset_s":0,"path":"/f/contact","body":{"first_name":"Dana","phone":"+1 303-555-0151","email":"dana@example.com","zip":"80202"}}"#;
    let told = house
        .post(key, "/v1/simulate", json!({"events": events}))
        .await
        .is(200);
    assert!(told.json["sent"].as_u64().unwrap() >= 2, "{}", told.text);
    assert!(house.get(key, "/v1/leads").await.is(200).data().is_empty());
    assert!(
        house
            .get(key, "/v1/messages")
            .await
            .is(200)
            .data()
            .is_empty()
    );
    for (body, field) in [
        (json!({"events": "nonsense"}), "events"),
        (json!({"events": ""}), "events"),
        (
            json!({"events": events, "until": "2099-01-01T00:00:00Z"}),
            "until",
        ),
        (
            json!({"events": events.replace("\"at_offset_s\":0", "\"at\":\"1990-01-01T00:00:00Z\"")}),
            "until",
        ),
    ] {
        let refused = house.post(key, "/v1/simulate", body).await.is(422);
        assert_eq!(refused.json["field"], field, "{}", refused.text);
    }
}

/// I5: a draft holds nothing, is published in one commit, is refused when somebody was faster, and can be taken back.
#[tokio::test(flavor = "multi_thread")]
async fn a_draft_is_published_and_taken_back() {
    let (house, guest) = house().await;
    let key = &guest.key;
    let before = house.get(key, "/v1/config").await.is(200);
    let release = before.text_of("/release");
    let path = "workflows/waits.yaml";
    let other = WAITS.replace("within: 1h", "within: 3h");
    house.clock.forward(SignedDuration::from_mins(1));
    // A mistake is refused with its place, and nothing is written down.
    let wrong = json!({"files": {path: WAITS.replace("wait: 2h", "wait: soon")}});
    let refused = house
        .call(Method::PUT, key, "/v1/config/draft", wrong.to_string())
        .await
        .is(422);
    assert_eq!(refused.json["errors"][0]["path"], path);
    let draft =
        json!({"files": {path: other, "workflows/standard-alert.yaml": null}, "base": {path: 1}});
    house
        .call(Method::PUT, key, "/v1/config/draft", draft.to_string())
        .await
        .is(200);
    assert_eq!(
        house.get(key, "/v1/workflows/waits").await.is(200).text,
        WAITS
    );
    assert_eq!(
        house
            .get(key, "/v1/config/draft")
            .await
            .is(200)
            .data()
            .len(),
        2
    );
    let published = house
        .post_once(key, "/v1/config/publish", "p1", json!({}))
        .await
        .is(200);
    assert_eq!(published.json["files"][path], 2);
    assert_eq!(published.json["files"]["workflows/standard-alert.yaml"], 0);
    let again = house
        .post_once(key, "/v1/config/publish", "p1", json!({}))
        .await
        .is(200);
    assert_eq!(
        (again.text, again.headers["idempotency-replayed"].as_bytes()),
        (published.text, b"true".as_slice())
    );
    assert!(
        house
            .get(key, "/v1/config/draft")
            .await
            .is(200)
            .data()
            .is_empty()
    );
    house.get(key, "/v1/workflows/standard-alert").await.is(404);
    // Somebody who still has version 1 is told, and changes nothing.
    let late = json!({"files": {path: WAITS}, "base": {path: 1}});
    let refused = house.post(key, "/v1/config/publish", late).await.is(409);
    assert_eq!(refused.json["code"], "config_conflict");
    assert!(refused.text_of("/detail").contains(path));
    house.clock.forward(SignedDuration::from_mins(1));
    let releases = house.get(key, "/v1/config/releases").await.is(200);
    assert_eq!(releases.data()[0]["files"].as_array().unwrap().len(), 2);
    house
        .post(key, "/v1/config/rollback", json!({"to": release}))
        .await
        .is(200);
    let now = house.get(key, "/v1/config").await.is(200);
    let texts = |reply: &crate::house::Reply| -> Vec<(String, Value)> {
        let files = reply.json["files"].as_object().unwrap();
        files
            .iter()
            .map(|(path, file)| (path.clone(), file["text"].clone()))
            .collect()
    };
    assert_eq!(texts(&now), texts(&before));
    house
        .post(
            key,
            "/v1/config/rollback",
            json!({"to": "1999-01-01T00:00:00Z"}),
        )
        .await
        .is(422);
    let only_reads = house.key(&guest, &["read"]).await;
    house
        .post(&only_reads, "/v1/config/publish", json!({}))
        .await
        .is(403);
}

/// U, W4, W5: the pages of a workflow: its drawing, a draft that is kept, compared and published, versions, runs, a simulation.
#[tokio::test(flavor = "multi_thread")]
async fn a_workflow_is_edited_on_its_pages() {
    let (house, guest) = house().await;
    let (_, run) = begun(&house, &guest, "+13035550122").await;
    let desk = Desk::open(&house, &guest, "owner").await;
    let page = desk.page("/workflows/waits").await;
    assert!(page.contains("1 came, 1 waits now"), "{page}");
    let other = WAITS.replace("within: 1h", "within: 3h");
    let edit = async |act: &str, text: &str| {
        let fields = [("version", "1"), ("act", act), ("text", text)];
        desk.post("/workflows/waits/edit", &fields).await
    };
    edit("check", &other).await.is(200);
    let wrong = edit("draft", "name: waits\n").await.is(422);
    assert!(wrong.text.contains("What to mend"), "{}", wrong.text);
    edit("draft", &other).await.is(303);
    let page = desk.page("/workflows/waits").await;
    assert!(
        page.contains("A draft differs: 1 line of it in place of 1 line."),
        "{page}"
    );
    let page = desk.page("/workflows/waits/versions?to=draft").await;
    assert!(
        page.contains("within: 3h }</ins>") && page.contains("Publish the draft"),
        "{page}"
    );
    let publish = [("version", "1"), ("take", "draft")];
    desk.post("/workflows/waits/versions", &publish)
        .await
        .is(303);
    let page = desk.page("/workflows/waits/versions").await;
    assert!(
        page.contains("What version 2 changed in version 1")
            && page.contains("Some runs go by earlier versions"),
        "{page}"
    );
    let late = edit("publish", &other).await.is(422);
    assert!(
        late.text.contains("Somebody else stored a version"),
        "{}",
        late.text
    );
    let page = desk.page("/workflows/waits/move").await;
    assert!(page.contains("1 run goes by an earlier version"), "{page}");
    let page = desk.page("/runs").await;
    assert!(
        page.contains("Waits for “I take this one”, until") && page.contains("1 run is under way"),
        "{page}"
    );
    let page = desk.page(&format!("/runs/{run}")).await;
    assert!(
        page.contains("Wait, now") && page.contains("Stop the run"),
        "{page}"
    );
    desk.post(&format!("/runs/{run}/stop"), &[]).await.is(303);
    let page = desk.page(&format!("/runs/{run}")).await;
    assert!(
        page.contains("waits was stopped") && page.contains("step 2"),
        "{page}"
    );
    let page = desk.page("/simulate?workflow=waits").await;
    assert!(page.contains("/simulate/start"), "{page}");
    for path in [
        "/workflows/none",
        "/workflows/none/edit",
        "/runs/run_0123456789abc",
        "/runs/odd",
    ] {
        desk.get(path).await.is(404);
    }
    let viewer = Desk::open(&house, &guest, "viewer").await;
    viewer.get("/workflows/waits/edit").await.is(403);
    viewer.post(&format!("/runs/{run}/stop"), &[]).await.is(403);
}
