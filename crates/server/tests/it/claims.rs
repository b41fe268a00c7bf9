//! Who takes a lead has it: by the API, by the link, by answering the alert; the second one hears who was faster (D1, W7).

use crate::dead_pages::Desk;
use crate::house::{Guest, House};
use ringback_core::ids::LeadId;
use ringback_core::messages::{ChannelKind, Inbound};
use ringback_core::turn::{Answer, Intake};
use serde_json::json;
use std::sync::Arc;

const ESCALATES: &str = "name: escalates
product: plumbing
trigger: manual
steps:
  - wait_for: { event: lead.acknowledged, within: 1h }
    otherwise:
      - send: { to: { role: owner }, channels: { all: [email] }, template: escalation, category: staff }
";

const PINGS: &str = "name: ping
product: plumbing
trigger: manual
steps:
  - send: { to: { list: emergency }, channels: { all: [sms] }, template: ping, category: staff, priority: critical }
";

/// Two of the staff take the same lead at the same moment over two of three nodes, a thousand times: one has it each time, and no run is left
/// that would pass a taken lead on.
#[tokio::test(flavor = "multi_thread")]
async fn of_two_who_take_a_lead_at_once_over_three_nodes_one_has_it() {
    const LEADS: usize = 1_000;
    const AT_ONCE: usize = 20;
    let first = House::on_postgres().await;
    let guest = first.open("plumbing", "plumbing").await;
    first
        .put(&guest.key, "/v1/workflows/escalates", ESCALATES)
        .await
        .is(200);
    let nodes = Arc::new([first.neighbour(), first.neighbour(), first]);
    let mut won = [0; 2];
    for begin in (0..LEADS).step_by(AT_ONCE) {
        let mut claims = tokio::task::JoinSet::new();
        for n in begin..begin + AT_ONCE {
            claims.spawn(claim(Arc::clone(&nodes), guest.clone(), n));
        }
        while let Some(winner) = claims.join_next().await {
            won[winner.unwrap()] += 1;
        }
    }
    assert_eq!(won[0] + won[1], LEADS);
    println!("Sam had {}, Lena {} of {LEADS}", won[0], won[1]);
    let open = nodes[0]
        .get(&guest.key, "/v1/runs?workflow=escalates&state=open")
        .await
        .is(200);
    assert!(open.data().is_empty(), "{}", open.text);
}

/// One lead, two people, two nodes. Answers which of the two has it.
async fn claim(nodes: Arc<[House; 3]>, guest: Guest, n: usize) -> usize {
    let key = &guest.key;
    let phone = format!("+1303555{:04}", n);
    let lead = nodes[n % 3]
        .post(
            key,
            "/v1/leads",
            json!({"first_name": "Dana", "phone": phone, "source": "curl"}),
        )
        .await
        .is(201)
        .text_of("/id");
    nodes[(n + 1) % 3]
        .post(
            key,
            "/v1/workflows/escalates/runs",
            json!({"lead_id": lead}),
        )
        .await
        .is(201);
    let path = format!("/v1/leads/{lead}/take");
    let (sam, lena) = tokio::join!(
        nodes[n % 3].post(key, &path, json!({"by": "Sam Okafor"})),
        nodes[(n + 2) % 3].post(key, &path, json!({"by": "Lena Ortiz"})),
    );
    let (sam, lena) = (sam.is(200), lena.is(200));
    let own = [&sam.json["by_you_now"], &lena.json["by_you_now"]].map(|own| own == true);
    assert_ne!(own[0], own[1], "{} {}", sam.text, lena.text);
    let winner = usize::from(own[1]);
    let name = ["Sam Okafor", "Lena Ortiz"][winner];
    assert_eq!(
        (&sam.json["answered_by"], &lena.json["answered_by"]),
        (&json!(name), &json!(name))
    );
    winner
}

/// W7: whoever answers the alert with 1 has the lead; the next one hears who has it; anybody else's 1 is a message like any other.
#[tokio::test(flavor = "multi_thread")]
async fn an_answer_to_the_alert_takes_the_lead() {
    let (house, guest) = House::with("plumbing").await;
    let key = &guest.key;
    let lead = house
        .post(
            key,
            "/v1/leads",
            json!({"first_name": "Dana", "phone": "+13035550142", "email": "dana@example.com"}),
        )
        .await
        .is(201)
        .text_of("/id");
    let ping = "---\ncategory: staff\nsample: {}\n---\nLook at this lead\n";
    house.put(key, "/v1/templates/ping.sms", ping).await.is(200);
    house.put(key, "/v1/workflows/ping", PINGS).await.is(200);
    let path = "/v1/workflows/ping/runs";
    house
        .post(key, path, json!({"lead_id": lead}))
        .await
        .is(201);
    let desk = Desk::open(&house, &guest, "owner").await;
    let sent = house
        .get(key, &format!("/v1/messages?lead_id={lead}&channel=sms"))
        .await
        .is(200);
    let to = |name: &str| {
        let all = sent.data().iter();
        let mut found = all
            .filter(|message| message["staff"] == name)
            .map(|message| message["id"].as_str().unwrap().to_owned());
        found
            .next_back()
            .unwrap_or_else(|| panic!("no alert to {name}: {}", sent.text))
    };
    let (sam, lena) = (to("Sam Okafor"), to("Lena Ortiz"));
    house
        .message_is(key, &sam, &["accepted", "delivered"])
        .await;
    house
        .message_is(key, &lena, &["accepted", "delivered"])
        .await;
    desk.post(&format!("/sandbox/{sam}/reply"), &[("body", "1")])
        .await
        .is(303);
    desk.post(&format!("/sandbox/{lena}/reply"), &[("body", "Mine!")])
        .await
        .is(303);
    let taken = house.get(key, &format!("/v1/leads/{lead}")).await.is(200);
    assert_eq!(
        taken.json["answered_by"], "staff:Sam Okafor",
        "{}",
        taken.text
    );
    house
        .until("both were answered", || async {
            let inbox = house.get(key, "/v1/sandbox/messages").await.is(200).text;
            let words = ["Dana is yours. Call +13035550142.", "Sam Okafor took Dana"];
            words
                .iter()
                .all(|words| inbox.contains(words))
                .then_some(())
        })
        .await;
    // A customer who writes 1 takes nothing.
    let inbound = Inbound {
        dedup: "in:1".into(),
        channel: ChannelKind::Sms,
        from: "+13035550142".into(),
        to: "sandbox".into(),
        body: "1".into(),
        answered_by_provider: false,
        at: house.app.now(),
    };
    let order = Intake::Claim {
        lead: LeadId::from_raw(1),
        staff: "Nobody".into(),
        inbound: Box::new(inbound),
        connection: None,
    };
    assert_eq!(
        house.app.take(guest.id, order, None).await.ok(),
        Some(Answer::NotFound)
    );
}
