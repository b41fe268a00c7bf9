//! P5: a STOP races what is being sent, and always wins: no intent is written after the revocation is stored.

use crate::house::{House, TOKEN};
use ringback_channels::testing::twilio_inbound;
use ringback_core::ids::MessageId;
use ringback_core::messages::{Category, ChannelKind, Status};
use ringback_core::turn::world::{PointKind, Purpose};
use ringback_core::turn::{Answer, Compose, ConsentGiven, ConsentTold, Intake};

const OURS: &str = "+13035550100";
/// Races that run side by side.
const SIDE_BY_SIDE: usize = 25;
const CONFIRMATION: &str = "you will get no more messages from us";

/// How many races: a few hundred each time, as many as `RINGBACK_STOP_RACES` says in a campaign.
fn races() -> usize {
    std::env::var("RINGBACK_STOP_RACES")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(200)
}

fn number(n: usize) -> String {
    format!("+1303{:07}", 2_000_000 + n)
}

async fn allow(house: &House, phone: &str) {
    let told = |purpose| ConsentTold {
        channel: ChannelKind::Sms,
        purpose,
        granted: true,
        wording: Some("Yes, text me.".into()),
        method: "web_form".into(),
        page: None,
        basis: None,
        expires_at: None,
        soft_opt_in: None,
    };
    for purpose in [Purpose::Transactional, Purpose::Promotional] {
        let given = ConsentGiven {
            lead: None,
            point: Some((PointKind::Phone, phone.to_owned())),
            told: told(purpose),
            actor: "test".into(),
        };
        house
            .app
            .take(house.alder, Intake::Consent(Box::new(given)), None)
            .await
            .unwrap();
    }
}

async fn text(house: &House, phone: &str, category: Category, yields: u32) -> MessageId {
    for _ in 0..yields {
        tokio::task::yield_now().await;
    }
    let name = &house
        .app
        .registry
        .home(house.alder)
        .unwrap()
        .tenant
        .config
        .settings
        .name;
    let compose = Compose {
        lead: None,
        staff: None,
        to: Some(phone.to_owned()),
        channel: ChannelKind::Sms,
        category,
        body: Some(format!("{name}: we are on our way. Reply STOP to end.")),
        subject: None,
        template: None,
        data: serde_json::Value::Null,
        send_at: None,
        actor: "test".into(),
        sandbox: false,
    };
    match house
        .app
        .take(house.alder, Intake::Compose(Box::new(compose)), None)
        .await
        .unwrap()
    {
        Answer::Composed { id, .. } => id,
        other => panic!("{other:?}"),
    }
}

/// Sends a STOP as the provider does, and says how many texts the number had got when the answer came back.
async fn stop(house: &House, phone: &str, sid: usize, yields: u32) -> usize {
    for _ in 0..yields {
        tokio::task::yield_now().await;
    }
    let url = house.hook_url(house.alder, house.twilio);
    let sid = format!("SM{sid:032x}");
    let answer = house
        .hook(&twilio_inbound(TOKEN, &url, &sid, phone, OURS, "Stop"))
        .await;
    assert!(answer.status.is_success(), "{}", answer.text());
    house
        .far
        .to(phone)
        .iter()
        .filter(|text| !text.contains(CONFIRMATION))
        .count()
}

/// What came of one race.
#[derive(Default)]
struct Seen {
    sent: usize,
    blocked: usize,
    on_the_wire: usize,
}

/// Four texts and the STOP, twice, all at once; then one more text.
async fn race(
    house: &House,
    n: usize,
    mut dice: u64,
) -> (String, Vec<MessageId>, MessageId, usize) {
    let phone = number(n);
    allow(house, &phone).await;
    let mut yields = || {
        dice = dice
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        u32::try_from(dice >> 59).unwrap()
    };
    let (a, b, c, d, first, again) = tokio::join!(
        text(house, &phone, Category::Transactional, yields()),
        text(house, &phone, Category::Promotional, yields()),
        text(house, &phone, Category::Transactional, yields()),
        text(house, &phone, Category::Promotional, yields()),
        stop(house, &phone, n, yields()),
        stop(house, &phone, n, yields()),
    );
    let late = text(house, &phone, Category::Transactional, 0).await;
    (phone, vec![a, b, c, d], late, first.min(again))
}

async fn look(house: &House, raced: (String, Vec<MessageId>, MessageId, usize)) -> Seen {
    let (phone, texts, late, had) = raced;
    let mut seen = Seen::default();
    let tenant = house.alder;
    let trail = {
        let phone = phone.clone();
        house
            .app
            .ask(move |store| store.consents_of_address(tenant, &phone))
            .await
            .unwrap()
    };
    // Ids are given by the one writer in the order of its decisions, also where the clock stands still.
    let revoked = trail
        .iter()
        .filter(|row| !row.granted)
        .map(|row| row.id)
        .min()
        .unwrap();
    for id in texts {
        let message = house.message(tenant, id).await;
        let calls = house
            .app
            .ask(move |store| store.attempts(tenant, id))
            .await
            .unwrap();
        for call in &calls {
            assert!(
                call.id.raw() < revoked,
                "{phone}: the intent {} of {id} was written after the revocation",
                call.id
            );
        }
        match message.status {
            Status::Blocked => {
                assert!(calls.is_empty(), "{id} was sent and says it was not");
                seen.blocked += 1;
            }
            _ => seen.sent += 1,
        }
    }
    let message = house.message(tenant, late).await;
    assert_eq!(
        message.status,
        Status::Blocked,
        "a text after the STOP: {:?}",
        message.why
    );
    let got = house.far.to(&phone);
    let (confirmations, others): (Vec<&String>, Vec<&String>) =
        got.iter().partition(|text| text.contains(CONFIRMATION));
    assert_eq!(confirmations.len(), 1, "{phone} got {got:?}");
    assert_eq!(others.len(), seen.sent, "{phone} got {got:?}");
    // What the provider got after the STOP was answered was on the wire, and its intent older than the revocation, as shown above.
    seen.on_the_wire = others.len().saturating_sub(had);
    seen
}

/// P5, C3: whatever the order, no intent is younger than the revocation, nothing leaves afterwards, and one confirmation goes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[expect(
    clippy::print_stdout,
    reason = "the figures of a campaign are what is kept of it"
)]
async fn a_stop_wins_every_race() {
    let house = House::open().await;
    let (all, mut total) = (races(), Seen::default());
    for chunk in (0..all).collect::<Vec<_>>().chunks(SIDE_BY_SIDE) {
        let raced =
            futures_util::future::join_all(chunk.iter().map(|n| race(&house, *n, *n as u64 + 1)))
                .await;
        house
            .until("everything to be settled", async || {
                let flying = house.app.ask(|store| store.flying()).await.unwrap();
                let waiting = house.app.ask(|store| store.waiting()).await.unwrap();
                (flying == 0 && waiting.iter().all(|one| one.n == 0)).then_some(())
            })
            .await;
        for one in raced {
            let seen = look(&house, one).await;
            total.sent += seen.sent;
            total.blocked += seen.blocked;
            total.on_the_wire += seen.on_the_wire;
        }
    }
    println!(
        "{all} races: {} texts went before the STOP, {} of them were on the wire when it was answered; {} were blocked",
        total.sent, total.on_the_wire, total.blocked
    );
    // A race that one side always wins is no race.
    assert!(
        total.sent > 0 && total.blocked > 0,
        "{} sent, {} blocked",
        total.sent,
        total.blocked
    );
    house.close().await;
}
