//! Moving house (O6): all of it comes along, nothing goes to customers until a person lets it, and nothing goes twice.

use crate::database;
use crate::far::{Far, connection};
use crate::house::{Guest, House};
use ringback_core::time::Clock as _;
use ringback_server::recovery::{MoveWish, Moved, MovingError, move_house};
use ringback_store::House as _;
use ringback_store::moving::{End, MoveError};
use serde_json::{Value, json};

fn quiet(_: &str, _: u64, _: bool) {}

fn moves(house: &House, to: &End) -> Result<Moved, MovingError> {
    let wish = MoveWish {
        from: house.place(),
        to: to.clone(),
        data: house.folder.clone(),
    };
    move_house(&wish, &*house.clock, &quiet, &quiet)
}

async fn text(house: &House, guest: &Guest, lead: &str, minutes: i64) -> String {
    let at = house.clock.now() + jiff::SignedDuration::from_mins(minutes);
    let body = json!({"lead_id": lead, "channel": "sms", "category": "transactional", "body": "We are on our way", "send_at": at});
    house
        .post(&guest.key, "/v1/messages", body)
        .await
        .is(201)
        .text_of("/id")
}

/// How many of our own texts arrived; what workflows say beside them is not counted.
fn said(far: &Far) -> usize {
    let taken = far.taken();
    let ours = taken
        .iter()
        .filter(|text| text.contains("We+are+on+our+way"));
    ours.count()
}

fn end_of(database: &ringback_pgtest::Database) -> End {
    End::Database {
        serves: database.app_url(),
        owner: None,
    }
}

fn whole(house: &House) {
    house.app.readers.ask(|store| {
        for tenant in store.tenants().unwrap() {
            let verified = store.verify_chain(tenant.id, &[]).unwrap();
            assert!(verified.is_ok(), "{verified:?}");
        }
    });
}

async fn hold(house: &House, guest: &Guest) -> Value {
    house.get(&guest.key, "/v1/recovery").await.is(200).json
}

async fn let_go(house: &House, guest: &Guest) {
    house
        .post(&guest.key, "/v1/recovery/release", json!({}))
        .await
        .is(200);
    assert_eq!(hold(house, guest).await["state"], "over");
}

/// From the file to PostgreSQL and back into another file, with messages that wait, that went, and one whose time comes during the move.
#[tokio::test(flavor = "multi_thread")]
async fn a_house_moves_there_and_back_and_says_nothing_twice() {
    let mut house = House::empty_on_file().await;
    let guest = house.open("plumbing", "plumbing").await;
    let far = Far::open(&house).await;
    let body = connection("twilio", "main", 0, &far.url());
    house
        .post(&guest.key, "/v1/connections", body)
        .await
        .is(201);
    let dana = house.lead(&guest.key, "+13035550142").await;
    let erin = house.lead(&guest.key, "+13035550143").await;
    let gone = text(&house, &guest, &dana, 1).await;
    house.pass(61).await;
    house.message_is(&guest.key, &gone, &["accepted"]).await;
    let stop = json!({"phone": "+13035550143", "reason": "opted_out", "how": "by phone"});
    house
        .post(&guest.key, "/v1/suppressions", stop)
        .await
        .is(201);
    let soon = text(&house, &guest, &dana, 10).await;
    let never = text(&house, &guest, &erin, 10).await;
    let before = said(&far);

    let database = database::copy();
    let refused = moves(&house, &end_of(&database)).unwrap_err();
    assert!(refused.to_string().contains("in use"), "{refused}");
    house.end();
    house.clock.forward(jiff::SignedDuration::from_mins(11));
    let there = moves(&house, &end_of(&database)).unwrap();
    let rows = |table: &str| {
        there
            .tables
            .iter()
            .find(|one| one.table == table)
            .unwrap()
            .rows
    };
    assert!(rows("leads") == 2 && rows("messages") >= 3 && rows("connections") == 1);
    let told = "SELECT count(*) FROM audit WHERE action = 'migrate'";
    assert_eq!(database.sql(told).unwrap(), "1");
    house.stands_on(Some(database));
    house.start();
    whole(&house);
    let known = hold(&house, &guest).await;
    assert_eq!(known["state"], "holds", "{known}");
    assert!(
        known["report"]["moved_from"]
            .as_str()
            .unwrap()
            .starts_with("sqlite:"),
        "{known}"
    );
    house.pass(60).await;
    for id in [&soon, &never] {
        house
            .message_is(&guest.key, id, &["deferred", "blocked"])
            .await;
    }
    assert_eq!(said(&far), before, "nothing goes before a person lets it");
    let finn = house.lead(&guest.key, "+13035550144").await;
    let_go(&house, &guest).await;
    house.message_is(&guest.key, &soon, &["accepted"]).await;
    house.message_is(&guest.key, &never, &["blocked"]).await;
    assert_eq!(said(&far), before + 1);

    // And back, into another folder with the same key.
    let file = house.folder.join("back");
    std::fs::create_dir_all(&file).unwrap();
    let to = End::Folder(file.clone());
    let taken = said(&far);
    let busy = moves(&house, &to).unwrap_err();
    assert!(busy.to_string().contains("servers work on"), "{busy}");
    house.end();
    let back = moves(&house, &to).unwrap();
    let leads = |moved: &Moved| {
        let leads = moved.tables.iter().find(|one| one.table == "leads");
        leads.unwrap().clone()
    };
    assert_eq!(leads(&back).rows, 3);
    std::fs::copy(house.folder.join("master.key"), file.join("master.key")).unwrap();
    let outer = std::mem::replace(&mut house.folder, file);
    house.stands_on(None);
    house.start();
    whole(&house);
    assert_eq!(hold(&house, &guest).await["state"], "holds");
    house
        .get(&guest.key, &format!("/v1/leads/{finn}"))
        .await
        .is(200);
    let_go(&house, &guest).await;
    house.pass(3_600).await;
    assert_eq!(said(&far), taken, "what went does not go again");
    let last = text(&house, &guest, &dana, 1).await;
    house.pass(61).await;
    house.message_is(&guest.key, &last, &["accepted"]).await;
    house.end();
    house.folder = outer;
}

/// A house that is held since a restore stays held as it was, and what waits is found when it is let go at the new place.
#[tokio::test(flavor = "multi_thread")]
async fn a_hold_since_a_restore_moves_along() {
    let mut house = House::empty_on_file().await;
    let guest = house.open("plumbing", "plumbing").await;
    let far = Far::open(&house).await;
    let body = connection("twilio", "main", 0, &far.url());
    house
        .post(&guest.key, "/v1/connections", body)
        .await
        .is(201);
    let backups = house.folder.join("backups");
    house.back_up(&backups);
    house.pass(60).await;
    house.lose_and_restore(&backups).await;
    let dana = house.lead(&guest.key, "+13035550142").await;
    let held = text(&house, &guest, &dana, 1).await;
    house.pass(120).await;
    house.message_is(&guest.key, &held, &["deferred"]).await;
    let before = hold(&house, &guest).await;
    house.end();
    let database = database::copy();
    moves(&house, &end_of(&database)).unwrap();
    house.stands_on(Some(database));
    house.start();
    let after = hold(&house, &guest).await;
    assert_eq!(after, before);
    assert_eq!(said(&far), 0);
    let_go(&house, &guest).await;
    house.message_is(&guest.key, &held, &["accepted"]).await;
}

/// The key is no part of a database: a wrong one is found before anything is copied.
#[tokio::test(flavor = "multi_thread")]
async fn another_key_is_refused_before_anything_moves() {
    let mut house = House::empty_on_file().await;
    let guest = house.open("plumbing", "plumbing").await;
    let far = Far::open(&house).await;
    let body = connection("twilio", "main", 0, &far.url());
    house
        .post(&guest.key, "/v1/connections", body)
        .await
        .is(201);
    house.end();
    let (database, elsewhere) = (database::copy(), house.folder.join("elsewhere"));
    std::fs::create_dir_all(&elsewhere).unwrap();
    let wish = MoveWish {
        from: house.place(),
        to: end_of(&database),
        data: elsewhere.clone(),
    };
    let refused = move_house(&wish, &*house.clock, &quiet, &quiet).unwrap_err();
    assert!(matches!(refused, MovingError::NoKey(_)), "{refused}");
    ringback_server::MasterKey::of_folder(&elsewhere).unwrap();
    let refused = move_house(&wish, &*house.clock, &quiet, &quiet).unwrap_err();
    assert!(matches!(refused, MovingError::OtherKey(..)), "{refused}");
    assert_eq!(database.sql("SELECT count(*) FROM leads").unwrap(), "0");
    let done = moves(&house, &end_of(&database)).unwrap();
    assert!(!done.tables.is_empty());
    let again = moves(&house, &end_of(&database)).unwrap();
    assert!(again.tables.is_empty() && again.resumed, "{again:?}");
    let other = moves(&house, &end_of(&database::copy())).unwrap_err();
    assert!(
        matches!(other, MovingError::Move(MoveError::Gone(_))),
        "{other}"
    );
}
