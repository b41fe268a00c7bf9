//! The pages of messages, sandbox, queue and connections, as a person at a browser meets them (M10, N12, X5).

use crate::house::{Answer, House};
use axum::body::Body;
use axum::http::{Request, StatusCode};
use ringback_core::ids::{TenantId, UserId};
use ringback_core::messages::{ChannelKind, Status};
use ringback_core::turn::world::{PointKind, Suppression};
use ringback_server::onboarding::add_user;
use ringback_store::House as _;

/// A browser that is signed in.
pub(crate) struct Desk<'a> {
    house: &'a House,
    cookie: String,
}

impl<'a> Desk<'a> {
    pub(crate) async fn open(house: &'a House, tenant: TenantId, role: &'static str) -> Self {
        let (text, hash) = ringback_server::sign_in::token();
        let now = house.app.now();
        let mut ids = ringback_core::ids::IdMaker::new(9, house.app.new_id());
        house
            .app
            .change(move |writer| {
                let user: UserId = add_user(
                    writer,
                    &mut ids,
                    tenant,
                    &format!("{role}@example.com"),
                    "Inez Ford",
                    role,
                    None,
                    now,
                )?;
                writer.insert_browser(&hash, user, now, now + jiff::SignedDuration::from_hours(24))
            })
            .await
            .unwrap();
        Self {
            house,
            cookie: format!("__Host-ringback={text}"),
        }
    }

    async fn get(&self, path: &str) -> Answer {
        self.house
            .send(
                Request::get(path)
                    .header("cookie", &self.cookie)
                    .body(Body::empty())
                    .unwrap(),
            )
            .await
    }

    /// A page that is whole: one heading, ids once, nothing that a strict policy would stop.
    pub(crate) async fn page(&self, path: &str) -> String {
        let answer = self.get(path).await;
        assert_eq!(answer.status, StatusCode::OK, "{path}: {}", answer.text());
        assert!(
            answer
                .header("content-security-policy")
                .is_some_and(|policy| policy.starts_with("default-src 'none'")),
            "{path}"
        );
        let text = answer.text().to_owned();
        assert_eq!(text.matches("<h1").count(), 1, "{path}");
        let mut ids: Vec<&str> = text
            .split(" id=\"")
            .skip(1)
            .filter_map(|rest| rest.split('"').next())
            .collect();
        let all = ids.len();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), all, "{path}: ids are unique");
        for bad in [" style=\"", "<script>", "<style", " onclick="] {
            assert!(!text.contains(bad), "{path}: {bad}");
        }
        text
    }

    async fn post(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let body = url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs(fields)
            .finish();
        let request = Request::post(path)
            .header("cookie", &self.cookie)
            .header("sec-fetch-site", "same-origin")
            .header("content-type", "application/x-www-form-urlencoded");
        self.house
            .send(request.body(Body::from(body)).unwrap())
            .await
    }
}

/// Dana fills in the form of Alder, whose texts go to Twilio and whose mails go to the sandbox.
async fn dana(house: &House) {
    let page = house.get("/f/alder.contact").await;
    let time = page.input("_t").unwrap();
    house.pass(10);
    let fields = [
        ("first_name", "Dana & Jo"),
        ("phone", "(303) 555-0142"),
        ("email", "dana@example.com"),
        ("service_type", "burst pipe"),
        ("sms_consent", "on"),
        ("zip", "80202"),
        ("_t", &time),
    ];
    let answer = house.post_form("/f/alder.contact", &fields).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.text());
}

/// M10: every message says on a page of its own why it stands where it stands, with its gates, calls and what would have to change.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_message_explains_itself() {
    let house = House::open().await;
    let desk = Desk::open(&house, house.alder, "owner").await;
    assert!(
        desk.page("/t/alder/messages")
            .await
            .contains("No messages yet")
    );
    dana(&house).await;
    let alder = house.alder;
    let settled = house
        .until("all messages went", async || {
            Some(house.messages(alder).await)
                .filter(|all| !all.is_empty() && all.iter().all(|one| one.status.settled()))
        })
        .await;
    let list = desk.page("/t/alder/messages").await;
    assert!(
        list.contains("Dana &#38; Jo") && !list.contains("Dana & Jo"),
        "names are text"
    );
    for message in &settled {
        let path = format!("/t/alder/messages/{}", message.id);
        assert!(list.contains(&path));
        let text = desk.page(&path).await;
        for said in [
            "What happened",
            "What would have to change",
            "To go sooner:",
            "It will not go if",
            "So that it does not happen again:",
            "Cost",
        ] {
            assert!(text.contains(said), "{said}");
        }
        if message.attempts > 0 {
            assert!(
                text.contains("gates let it through") && text.contains("Attempt 1: "),
                "{text}"
            );
        }
        if message.recipient == "dana@example.com" {
            assert!(
                text.contains("<span class=\"mask\">d•••@example.com</span>"),
                "contact data is masked"
            );
        }
        let body = desk.get(&format!("{path}/body")).await;
        assert_eq!(body.status, StatusCode::OK);
        assert!(
            body.header("content-security-policy")
                .unwrap()
                .ends_with("sandbox")
        );
    }
    for query in ["?status=delivered", "?channel=sms", "?workflow=no-such"] {
        desk.page(&format!("/t/alder/messages{query}")).await;
    }
    assert_eq!(
        desk.get("/t/alder/messages?status=lost").await.status,
        StatusCode::UNPROCESSABLE_ENTITY
    );
    assert_eq!(
        desk.get("/t/wren/messages").await.status,
        StatusCode::NOT_FOUND,
        "another tenant's pages are not there"
    );
    assert_eq!(
        house.get("/t/alder/messages").await.status,
        StatusCode::SEE_OTHER,
        "strangers sign in first"
    );
    house.close().await;
}

/// N12: in the sandbox a person plays the other side; what is made up there is never made up for a real message.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_other_side_can_be_played() {
    let house = House::open().await;
    let desk = Desk::open(&house, house.alder, "agent").await;
    assert!(
        desk.page("/t/alder/sandbox")
            .await
            .contains("Nothing was said yet")
    );
    dana(&house).await;
    let alder = house.alder;
    let mail = house
        .until("a mail to Dana in the sandbox", async || {
            house.messages(alder).await.into_iter().find(|one| {
                one.sandbox
                    && one.recipient == "dana@example.com"
                    && one.status == Status::Delivered
            })
        })
        .await;
    let inbox = desk.page(&format!("/t/alder/sandbox?m={}", mail.id)).await;
    assert!(inbox.contains("Delivered in the sandbox") && inbox.contains("Play the other side"));
    let base = format!("/t/alder/sandbox/{}", mail.id);
    let told = desk
        .post(&format!("{base}/report"), &[("report", "bounced")])
        .await;
    assert_eq!(told.status, StatusCode::SEE_OTHER, "{}", told.text());
    house.stands(mail.id, Status::Bounced).await;
    assert_eq!(
        house
            .point(alder, PointKind::Email, "dana@example.com")
            .await
            .unwrap()
            .suppressed,
        Some(Suppression::Bounced)
    );
    assert!(
        desk.page(&format!("/t/alder/messages/{}", mail.id))
            .await
            .contains("The address is at fault")
    );
    assert!(
        desk.page("/t/alder/queue")
            .await
            .contains("1 did not arrive")
    );

    let real = house
        .until("a text through Twilio", async || {
            house
                .messages(alder)
                .await
                .into_iter()
                .find(|one| !one.sandbox && one.channel == ChannelKind::Sms)
        })
        .await;
    let refused = desk
        .post(
            &format!("/t/alder/sandbox/{}/report", real.id),
            &[("report", "delivered")],
        )
        .await;
    assert_eq!(refused.status, StatusCode::CONFLICT);
    let viewer = Desk::open(&house, house.alder, "viewer").await;
    assert_eq!(
        viewer
            .post(&format!("{base}/report"), &[("report", "failed")])
            .await
            .status,
        StatusCode::FORBIDDEN
    );
    house.close().await;
}

/// C3 in the sandbox: STOP as the person ends what may be said.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stop_can_be_answered_in_the_sandbox() {
    let house = House::open().await;
    let desk = Desk::open(&house, house.alder, "owner").await;
    dana(&house).await;
    let alder = house.alder;
    let mail = house
        .until("a mail", async || {
            house
                .messages(alder)
                .await
                .into_iter()
                .find(|one| one.sandbox && one.recipient == "dana@example.com")
        })
        .await;
    let told = desk
        .post(
            &format!("/t/alder/sandbox/{}/reply", mail.id),
            &[("word", "STOP"), ("body", "")],
        )
        .await;
    assert_eq!(told.status, StatusCode::SEE_OTHER, "{}", told.text());
    assert_eq!(
        house
            .point(alder, PointKind::Email, "dana@example.com")
            .await
            .unwrap()
            .suppressed,
        Some(Suppression::OptedOut)
    );
    let empty = desk
        .post(
            &format!("/t/alder/sandbox/{}/reply", mail.id),
            &[("body", " ")],
        )
        .await;
    assert!(empty.header("set-cookie").unwrap().contains("late"));
    house.close().await;
}

/// X5: a connection is checked at its fields, sealed, and never shown again; it is switched, moved and deleted on pages.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_is_made_and_its_secrets_stay() {
    let house = House::open().await;
    let desk = Desk::open(&house, house.alder, "owner").await;
    let list = desk.page("/t/alder/connections").await;
    assert!(
        list.contains("1 connection, no trouble") && list.contains("https://ringback.test/hooks/")
    );
    let form = desk
        .page("/t/alder/connections/new?provider=twilio&channel=sms")
        .await;
    assert!(form.contains("name=\"s.auth_token\" type=\"password\""));

    let secret = "a-secret-nobody-sees";
    let wrong = desk
        .post(
            "/t/alder/connections/new",
            &[
                ("provider", "twilio"),
                ("channel", "sms"),
                ("name", "second"),
                ("s.account_sid", "AC1\"><i>"),
                ("s.auth_token", secret),
            ],
        )
        .await;
    assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(
        wrong.text().contains("aria-invalid=\"true\"")
            && wrong.text().contains("to mend")
            && !wrong.text().contains(secret)
            && !wrong.text().contains("\"><i>")
    );
    let sid = "AC0123456789abcdef0123456789abcdef";
    let fields = [
        ("provider", "twilio"),
        ("channel", "sms"),
        ("name", "second"),
        ("s.account_sid", sid),
        ("s.auth_token", secret),
        ("s.from", "+13035550101"),
        ("s.base_url", ""),
    ];
    let made = desk.post("/t/alder/connections/new", &fields).await;
    assert_eq!(made.status, StatusCode::SEE_OTHER, "{}", made.text());
    assert_eq!(
        desk.post("/t/alder/connections/new", &fields).await.status,
        StatusCode::UNPROCESSABLE_ENTITY,
        "a name is taken once"
    );

    let alder = house.alder;
    let rows = async || {
        house
            .app
            .ask(move |store| store.connections(alder))
            .await
            .unwrap()
    };
    let second = rows()
        .await
        .into_iter()
        .find(|row| row.name == "second")
        .unwrap();
    assert!(!String::from_utf8_lossy(&second.settings).contains(secret));
    let path = format!("/t/alder/connections/{}", second.id);
    let edit = desk.page(&path).await;
    assert!(
        edit.contains(sid)
            && !edit.contains(secret)
            && edit.contains("kept; leave empty to keep it")
    );
    let saved = desk
        .post(
            &path,
            &[
                ("s.account_sid", sid),
                ("s.auth_token", ""),
                ("s.from", "+13035550102"),
            ],
        )
        .await;
    assert_eq!(saved.status, StatusCode::SEE_OTHER, "{}", saved.text());
    let second = rows()
        .await
        .into_iter()
        .find(|row| row.name == "second")
        .unwrap();
    let kept = house
        .app
        .registry
        .master()
        .open(alder, second.id, &second.settings)
        .unwrap();
    assert_eq!(
        (kept["auth_token"].as_str(), kept["from"].as_str()),
        (secret, "+13035550102")
    );

    desk.post(&format!("{path}/up"), &[]).await;
    assert_eq!(rows().await[0].name, "second");
    desk.post(&format!("{path}/off"), &[]).await;
    assert!(!rows().await[0].enabled);
    assert!(
        desk.page(&format!("{path}/delete"))
            .await
            .contains("Delete the connection second?")
    );
    desk.post(&format!("{path}/delete"), &[]).await;
    assert!(rows().await.iter().all(|row| row.name != "second"));
    let done: Vec<String> = house
        .app
        .ask(move |store| store.audit(alder, i64::MAX, 20))
        .await
        .unwrap()
        .into_iter()
        .map(|entry| entry.action)
        .collect();
    for action in [
        "connection.add",
        "connection.change",
        "connection.order",
        "connection.remove",
    ] {
        assert!(done.iter().any(|one| one == action), "{action} in {done:?}");
    }
    let agent = Desk::open(&house, house.alder, "agent").await;
    assert_eq!(
        agent.get("/t/alder/connections").await.status,
        StatusCode::FORBIDDEN
    );
    house.close().await;
}

/// A test of a connection says what the provider said, and keeps its trouble until it is mended.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_test_says_what_the_provider_said() {
    let house = House::open().await;
    let desk = Desk::open(&house, house.alder, "owner").await;
    let told = desk
        .post(&format!("/t/alder/connections/{}/test", house.twilio), &[])
        .await;
    assert_eq!(told.status, StatusCode::SEE_OTHER, "{}", told.text());
    assert!(
        told.header("set-cookie")
            .unwrap()
            .contains("ringback-notice=")
    );
    desk.page("/t/alder/connections").await;
    house.close().await;
}
