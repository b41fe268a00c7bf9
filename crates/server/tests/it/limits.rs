//! Limits and budgets: exact whatever comes at once, visible with what they hold, and given back when nothing went (M6, M11).

use crate::far::{Does, Far, connection};
use crate::house::{Guest, House, Reply};
use serde_json::{Value, json};

/// A house whose leads came more than an hour before anything is connected, so that nothing of theirs counts any more.
async fn house(changes: &[(&str, &str, &str)], leads: usize) -> (House, Guest, Vec<String>) {
    let (house, guest) = House::changed("plumbing", changes).await;
    let mut ids = Vec::new();
    for n in 0..leads {
        let phone = format!("+1303555{:04}", 100 + n);
        ids.push(house.lead(&guest.key, &phone).await);
    }
    house.pass(3_700).await;
    (house, guest, ids)
}

async fn connect(house: &House, guest: &Guest, name: &str, order: i64, far: &Far, more: Value) {
    let mut body = connection("twilio", name, order, &far.url());
    for (setting, value) in more.as_object().unwrap() {
        body["settings"][setting] = value.clone();
    }
    house
        .post(&guest.key, "/v1/connections", body)
        .await
        .is(201);
}

async fn text(house: &House, guest: &Guest, lead: &str, words: &str) -> String {
    let body =
        json!({"lead_id": lead, "channel": "sms", "category": "transactional", "body": words});
    let sent = house.post(&guest.key, "/v1/messages", body).await;
    sent.is(201).text_of("/id")
}

/// All at once, as a burst comes.
async fn burst(house: &House, guest: &Guest, leads: &[String]) -> Vec<String> {
    let calls = leads
        .iter()
        .map(|lead| text(house, guest, lead, "On our way"));
    futures_util::future::join_all(calls).await
}

async fn one(house: &House, guest: &Guest, id: &str) -> Reply {
    let reply = house.get(&guest.key, &format!("/v1/messages/{id}")).await;
    reply.is(200)
}

async fn statuses(house: &House, guest: &Guest, ids: &[String], status: &str) -> Vec<Value> {
    let mut out = Vec::new();
    for id in ids {
        let reply = one(house, guest, id).await;
        if reply.json["status"] == status {
            out.push(reply.json);
        }
    }
    out
}

/// Waits until no message of these is being sent.
async fn settled(house: &House, guest: &Guest, ids: &[String]) {
    for id in ids {
        let all = [
            "accepted", "deferred", "queued", "failed", "blocked", "unknown", "expired",
        ];
        house.message_is(&guest.key, id, &all).await;
    }
}

async fn spent_today(house: &House, guest: &Guest) -> i64 {
    let costs = house.get(&guest.key, "/v1/costs").await.is(200);
    let budgets = costs.json["budgets"].as_array().unwrap();
    let day = budgets
        .iter()
        .find(|one| one["channel"] == "sms" && one["period"] == "day");
    day.unwrap()["used_micros"].as_i64().unwrap()
}

const THREE_TEXTS: (&str, &str, &str) = (
    "tenant.yaml",
    "limits:\n",
    "limits:\n  sms: { per_hour: 3 }\n",
);
/// Thirty cents a text, one dollar a day: three go.
const DEAR: (&str, &str, &str) = (
    "tenant.yaml",
    "sms: { per_day: 100 }\n",
    "sms: { per_day: 1 }\n  prices: { sms: { US: 0.30 } }\n",
);

/// M6: ten at once over a limit of three: three go, seven wait, spread over the hours to come, and the page says which limit holds them.
#[tokio::test(flavor = "multi_thread")]
async fn a_channel_carries_no_more_than_its_limit() {
    let (house, guest, leads) = house(&[THREE_TEXTS], 10).await;
    let far = Far::open(&house).await;
    connect(&house, &guest, "main", 0, &far, json!({})).await;
    let ids = burst(&house, &guest, &leads).await;
    settled(&house, &guest, &ids).await;
    let waiting = statuses(&house, &guest, &ids, "deferred").await;
    assert_eq!((far.calls().len(), waiting.len()), (3, 7));
    let why = &waiting[0]["why"];
    assert!(
        why.to_string()
            .contains("Over the limit of 3 texts an hour"),
        "{why}"
    );
    let limits = house.get(&guest.key, "/v1/limits").await.is(200);
    let held = &limits.json["held"][0];
    assert_eq!(held["reason"], "limit:sms.hour");
    assert_eq!(held["messages"], 7);
    assert_ne!(held["first_at"], held["last_at"], "they are spread out");
    let hour = limits.json["limits"].as_array().unwrap();
    let hour = hour.iter().find(|one| one["name"] == "sms.hour").unwrap();
    assert_eq!((&hour["used"], &hour["most"]), (&json!(3), &json!(3)));
    // They are asked again at 19:00, 19:20, 19:40 and so on.
    for gone in [4, 7, 10] {
        house.pass(3_600).await;
        house
            .until("the next to go", || async {
                (far.calls().len() >= gone).then_some(())
            })
            .await;
        assert_eq!(far.calls().len(), gone);
    }
    settled(&house, &guest, &ids).await;
    assert_eq!(statuses(&house, &guest, &ids, "accepted").await.len(), 10);
}

/// M6, M5: what an account has no room for goes over the next one, and only waits when there is none.
#[tokio::test(flavor = "multi_thread")]
async fn an_account_at_its_limit_lets_the_next_one_carry() {
    let (house, guest, leads) = house(&[], 6).await;
    let (first, second) = (Far::open(&house).await, Far::open(&house).await);
    let most = json!({"most_per_hour": "2"});
    connect(&house, &guest, "first", 0, &first, most).await;
    let most = json!({"most_per_day": "3"});
    connect(&house, &guest, "second", 1, &second, most).await;
    let ids = burst(&house, &guest, &leads).await;
    settled(&house, &guest, &ids).await;
    assert_eq!((first.calls().len(), second.calls().len()), (2, 3));
    let waiting = statuses(&house, &guest, &ids, "deferred").await;
    assert_eq!(waiting.len(), 1);
    let why = waiting[0]["why"].to_string();
    assert!(
        why.contains("has no room: its limit is 2 calls an hour"),
        "{why}"
    );
}

/// M6: an account of one message a second gets one a second, and each message knows its second.
#[tokio::test(flavor = "multi_thread")]
async fn an_account_is_called_at_its_own_pace() {
    let (house, guest, leads) = house(&[], 4).await;
    let far = Far::open(&house).await;
    let rate = json!({"rate_per_second": "1"});
    connect(&house, &guest, "slow", 0, &far, rate).await;
    let ids = burst(&house, &guest, &leads).await;
    settled(&house, &guest, &ids).await;
    assert_eq!(far.calls().len(), 1);
    let waiting = statuses(&house, &guest, &ids, "deferred").await;
    let mut due: Vec<&str> = waiting
        .iter()
        .map(|one| one["due_at"].as_str().unwrap())
        .collect();
    due.sort_unstable();
    due.dedup();
    assert_eq!(due.len(), 3, "{due:?}");
    for n in 2..=4 {
        house.pass(1).await;
        house.pass(1).await;
        house
            .until("the next to go", || async {
                (far.calls().len() >= n).then_some(())
            })
            .await;
    }
    settled(&house, &guest, &ids).await;
    assert_eq!(statuses(&house, &guest, &ids, "accepted").await.len(), 4);
}

/// M11: five texts of thirty cents against a dollar a day: three go; people are told at 50 and 80 %; the rest waits for tomorrow.
#[tokio::test(flavor = "multi_thread")]
async fn a_budget_is_never_passed() {
    let (house, guest, leads) = house(&[DEAR], 6).await;
    let far = Far::open(&house).await;
    connect(&house, &guest, "main", 0, &far, json!({})).await;
    let ids = burst(&house, &guest, &leads[..5]).await;
    settled(&house, &guest, &ids).await;
    assert_eq!(far.calls().len(), 3);
    assert_eq!(spent_today(&house, &guest).await, 900_000);
    let waiting = statuses(&house, &guest, &ids, "deferred").await;
    assert_eq!(waiting.len(), 2);
    let why = waiting[0]["why"].to_string();
    assert!(why.contains("0.90 of 1 USD for texts today"), "{why}");
    let errors = house.get(&guest.key, "/v1/errors").await.is(200).text;
    for share in [
        "Half of the budget for texts today",
        "Four fifths of the budget for texts today",
    ] {
        assert!(errors.contains(share), "{share}: {errors}");
    }
    let mails = house
        .get(&guest.key, "/v1/messages?channel=email&limit=200")
        .await
        .is(200);
    let told = mails
        .data()
        .iter()
        .find(|one| one["lead_id"] == json!(null));
    let told = told.unwrap()["id"].as_str().unwrap();
    let told = one(&house, &guest, told).await.text;
    assert!(told.contains("Budget for texts: 80 %"), "{told}");

    // Staff must hear all the same, and are counted.
    let body = json!({"staff_id": staff(&house, &guest).await, "channel": "sms", "category": "staff", "body": "Call Avery"});
    let alert = house.post(&guest.key, "/v1/messages", body).await.is(201);
    house
        .message_is(&guest.key, &alert.text_of("/id"), &["accepted"])
        .await;
    assert_eq!(spent_today(&house, &guest).await, 1_200_000);

    // A new day, a new budget.
    house.pass(24 * 3_600).await;
    for id in &ids {
        house.message_is(&guest.key, id, &["accepted"]).await;
    }
    assert_eq!(spent_today(&house, &guest).await, 600_000);
}

async fn staff(house: &House, guest: &Guest) -> String {
    let all = house.get(&guest.key, "/v1/staff").await.is(200);
    let reachable = all.data().iter().find(|one| one["phone"].is_string());
    reachable.unwrap()["name"].as_str().unwrap().to_owned()
}

/// M11: what was reserved is given back when the provider refuses, and stays while nobody knows whether it went.
#[tokio::test(flavor = "multi_thread")]
async fn what_did_not_go_costs_nothing() {
    let (house, guest, leads) = house(&[DEAR], 2).await;
    let far = Far::open(&house).await;
    connect(&house, &guest, "main", 0, &far, json!({})).await;
    far.next(&[Does::RefusesUs]);
    let refused = text(&house, &guest, &leads[0], "On our way").await;
    house.message_is(&guest.key, &refused, &["queued"]).await;
    assert_eq!(spent_today(&house, &guest).await, 0);
    assert_eq!(
        one(&house, &guest, &refused).await.json["cost"],
        json!(null)
    );
    far.next(&[Does::TakesAndBreaks]);
    let unknown = text(&house, &guest, &leads[1], "On our way").await;
    house.message_is(&guest.key, &unknown, &["unknown"]).await;
    assert_eq!(spent_today(&house, &guest).await, 300_000);
    // Its log has it: it went, and costs what it costs.
    house.pass(6).await;
    house.message_is(&guest.key, &unknown, &["accepted"]).await;
    assert_eq!(spent_today(&house, &guest).await, 300_000);
}

/// M11: a text that turns out longer than was reserved for is not called for before its real price is reserved.
#[tokio::test(flavor = "multi_thread")]
async fn a_longer_text_is_reserved_anew_before_it_goes() {
    let long = format!(
        "---\ncategory: transactional\nmax_segments: 4\nsample:\n  tenant: {{ name: Alder Plumbing }}\n---\n{{{{ tenant.name }}}}: {}",
        "we are on our way to you and will be there soon. ".repeat(8)
            + "{{ message.opt_out_line }}"
    );
    let file = ("templates/far-away.sms.txt", "", long.as_str());
    let (house, guest, leads) = house(&[DEAR, file], 2).await;
    let far = Far::open(&house).await;
    connect(&house, &guest, "main", 0, &far, json!({})).await;
    let send = |lead: &str| json!({"lead_id": lead, "channel": "sms", "category": "transactional", "template": "far-away"});
    let sent = house
        .post(&guest.key, "/v1/messages", send(&leads[0]))
        .await
        .is(201);
    let sent = house
        .message_is(
            &guest.key,
            &sent.text_of("/id"),
            &["accepted", "deferred", "failed"],
        )
        .await;
    assert_eq!(sent.json["cost"]["micros"], 900_000, "{}", sent.text);
    let attempts = sent.json["attempts"].as_array().unwrap();
    assert_eq!(attempts.len(), 2);
    assert_eq!(attempts[0]["why"]["code"], "dearer", "{}", sent.text);
    assert_eq!(
        (far.calls().len(), spent_today(&house, &guest).await),
        (1, 900_000)
    );
    // The next of the template is known to be long: it does not even begin.
    let next = house
        .post(&guest.key, "/v1/messages", send(&leads[1]))
        .await
        .is(201);
    let next = house
        .message_is(&guest.key, &next.text_of("/id"), &["deferred"])
        .await;
    assert_eq!(next.json["attempts"], json!([]));
}

/// M11, I9: whatever happens to thirty messages, the budget stands at the sum of what they cost.
#[tokio::test(flavor = "multi_thread")]
async fn the_budget_is_the_sum_of_the_messages() {
    let (house, guest, leads) = house(&[], 30).await;
    let (first, second) = (Far::open(&house).await, Far::open(&house).await);
    connect(&house, &guest, "first", 0, &first, json!({})).await;
    connect(&house, &guest, "second", 1, &second, json!({})).await;
    let all = [
        Does::Takes,
        Does::TakesAndBreaks,
        Does::Breaks,
        Does::RefusesUs,
        Does::Takes,
        Does::AsksForAnHour,
        Does::Takes,
    ];
    let does: Vec<Does> = (0..30).map(|n| all[(n * 5) % all.len()]).collect();
    first.next(&does);
    second.next(&does[7..]);
    let ids = burst(&house, &guest, &leads).await;
    for wait in [0, 3, 6, 20, 70, 400] {
        house.pass(wait).await;
        settled(&house, &guest, &ids).await;
        let mut sum = 0;
        let mut moved = true;
        while moved {
            let before = spent_today(&house, &guest).await;
            sum = 0;
            for id in &ids {
                let cost = &one(&house, &guest, id).await.json["cost"];
                sum += cost["micros"].as_i64().unwrap_or_default();
            }
            // Something settled while they were read: they are read again.
            moved = before != spent_today(&house, &guest).await;
        }
        assert_eq!(spent_today(&house, &guest).await, sum, "after {wait} s");
        if wait == 400 {
            assert!(sum >= 30 * 13_300 / 2, "{sum}");
        }
    }
}

/// M12: a workflow for half of the leads goes to the same half; when too much of it fails it is taken back, and people are told.
#[tokio::test(flavor = "multi_thread")]
async fn a_share_that_fails_is_taken_back() {
    let anyone = (
        "workflows/request-received.yaml",
        "{ lead_captured: { form: contact } }",
        "{ lead_captured: {} }",
    );
    let (house, guest) = House::changed("plumbing", &[anyone]).await;
    let far = Far::open(&house).await;
    connect(&house, &guest, "main", 0, &far, json!({})).await;
    far.always(Does::RefusesNumber);
    let workflow = "request-received";
    let share =
        |percent: u8| json!({"kill": [{"share": {"workflow": workflow, "percent": percent}}]});
    let set = house
        .patch(&guest.key, "/v1/tenant", share(50))
        .await
        .is(200);
    assert_eq!(set.json["kill"][0]["share"]["percent"], 50);
    let refused = house.patch(&guest.key, "/v1/tenant", share(101)).await;
    refused.is(422);
    let percent = || async {
        let tenant = house.get(&guest.key, "/v1/tenant").await.is(200);
        tenant.json["kill"][0]["share"]["percent"].as_i64().unwrap()
    };
    let mut leads = Vec::new();
    for n in 0..80 {
        leads.push(
            house
                .lead(&guest.key, &format!("+1303555{:04}", 100 + n))
                .await,
        );
        if percent().await == 0 {
            break;
        }
    }
    house
        .until("the workflow to be taken back", || async {
            (percent().await == 0).then_some(())
        })
        .await;
    let mut passed = 0;
    for lead in &leads {
        let path = format!("/v1/leads/{lead}/timeline?limit=200");
        let timeline = house.get(&guest.key, &path).await.is(200);
        passed += usize::from(timeline.text.contains("workflow.passed_over"));
    }
    assert!(
        (leads.len() / 4..leads.len() * 3 / 4).contains(&passed),
        "{passed} of {}",
        leads.len()
    );
    let errors = house.get(&guest.key, "/v1/errors").await.is(200).text;
    assert!(
        errors.contains("Workflow request-received was taken back"),
        "{errors}"
    );
    let audit = house.get(&guest.key, "/v1/audit").await.is(200).text;
    assert!(audit.contains("workflow.taken_back"), "{audit}");
}
