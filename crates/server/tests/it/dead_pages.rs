//! What people read: a message that was unknown and found, one that was given up, a dead letter that is replayed, changed or discarded
//! (M3, M4, M10).

use crate::far::{Does, Far, connection};
use crate::house::{Guest, House, Reply};
use axum::body::Body;
use axum::http::Request;
use ringback_core::ids::IdMaker;
use ringback_server::onboarding::add_user;
use serde_json::json;

const WORDS: &str = "Alder Plumbing: a free check of your boiler. Reply STOP to end.";

/// A browser that is signed in.
pub(crate) struct Desk<'a> {
    house: &'a House,
    cookie: String,
}

impl<'a> Desk<'a> {
    pub(crate) async fn open(house: &'a House, guest: &Guest, role: &'static str) -> Self {
        let (text, hash) = ringback_server::sign_in::token();
        let (tenant, now) = (guest.id, house.app.now());
        let mut ids = IdMaker::new(9, house.app.new_id());
        house
            .app
            .change(move |writer| {
                let mail = format!("{role}@example.com");
                let user = add_user(
                    writer,
                    &mut ids,
                    tenant,
                    &mail,
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

    pub(crate) async fn get(&self, path: &str) -> Reply {
        let request = Request::get(format!("/t/plumbing{path}")).header("cookie", &self.cookie);
        self.house.send(request.body(Body::empty()).unwrap()).await
    }

    /// A page that is there; entities as people read them.
    pub(crate) async fn page(&self, path: &str) -> String {
        let text = self.get(path).await.is(200).text;
        assert_eq!(text.matches("<h1").count(), 1, "{path}");
        text.replace("&#39;", "'")
    }

    pub(crate) async fn post(&self, path: &str, fields: &[(&str, &str)]) -> Reply {
        let body = url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs(fields)
            .finish();
        let request = Request::post(format!("/t/plumbing{path}"))
            .header("cookie", &self.cookie)
            .header("sec-fetch-site", "same-origin")
            .header("content-type", "application/x-www-form-urlencoded");
        self.house
            .send(request.body(Body::from(body)).unwrap())
            .await
    }
}

#[track_caller]
fn says(page: &str, sentences: &[&str]) {
    for sentence in sentences {
        assert!(page.contains(sentence), "“{sentence}” is missing in {page}");
    }
}

/// A house with a provider that misbehaves, and a lead from before it was connected.
async fn house(provider: &str) -> (House, Guest, Far, String) {
    let (house, guest) = House::with("plumbing").await;
    let lead = house
        .post(
            &guest.key,
            "/v1/leads",
            json!({"first_name": "Dana", "last_name": "Reyes", "phone": "+13035550142", "email": "dana@example.com", "source": "curl",
                "consents": [{"channel": "sms", "purpose": "promotional", "granted": true, "wording": "Offers by text", "method": "form"}]}),
        )
        .await
        .is(201)
        .text_of("/id");
    let far = Far::open(&house).await;
    let body = connection(provider, "main", 0, &far.url());
    house
        .post(&guest.key, "/v1/connections", body)
        .await
        .is(201);
    (house, guest, far, lead)
}

async fn send(house: &House, guest: &Guest, lead: &str, channel: &str, category: &str) -> String {
    let body = json!({"lead_id": lead, "channel": channel, "category": category, "body": WORDS,
        "subject": (channel == "email").then_some("Your boiler")});
    house
        .post(&guest.key, "/v1/messages", body)
        .await
        .is(201)
        .text_of("/id")
}

/// Lets time pass until there is the n-th call or look.
async fn attempts(house: &House, guest: &Guest, id: &str, seconds: i64, n: usize) {
    house.pass(seconds).await;
    house
        .until(&format!("attempt {n} of {id}"), || async {
            let reply = house.get(&guest.key, &format!("/v1/messages/{id}")).await;
            (reply.json["attempts"].as_array().unwrap().len() >= n).then_some(())
        })
        .await;
}

/// M3, M10: unknown, then found in the provider's log.
#[tokio::test(flavor = "multi_thread")]
async fn a_page_tells_of_a_message_that_was_unknown_and_found() {
    let (house, guest, far, lead) = house("twilio").await;
    let desk = Desk::open(&house, &guest, "owner").await;
    far.next(&[Does::TakesAndBreaks]);
    let id = send(&house, &guest, &lead, "sms", "transactional").await;
    house.message_is(&guest.key, &id, &["unknown"]).await;
    let page = desk.page(&format!("/messages/{id}")).await;
    says(
        &page,
        &[
            "May or may not have arrived",
            "It is found out; the next look is at 10:00 am",
            "Attempt 1: Twilio may or may not have it: the line broke",
            "It is looked up again whether it went out",
        ],
    );
    let list = desk.page("/queue/unknown").await;
    says(
        &list,
        &[
            "1 message may or may not have gone out",
            "1 message looked up now.",
            "to Dana Reyes",
            "Twilio was called, and the line broke",
            "No message went out twice.",
        ],
    );
    assert!(
        !list.contains("Replay, perhaps twice"),
        "it is still found out"
    );
    attempts(&house, &guest, &id, 5, 2).await;
    let page = desk.page(&format!("/messages/{id}")).await;
    says(
        &page,
        &[
            "Twilio took it at 10:00 am; it has not said yet whether it arrived",
            "Looked up in the log of Twilio: found",
            "The provider's log has it: it went out.",
        ],
    );
    assert!(!page.contains("may have gone out twice"));
    says(
        &desk.page("/queue/unknown").await,
        &["Nothing is unknown", "Every call has a known end."],
    );
}

/// M3, P4, M10: unknown, then given up: nothing more is sent by itself, and a person may decide.
#[tokio::test(flavor = "multi_thread")]
async fn a_page_tells_of_a_message_that_was_given_up() {
    let (house, guest, far, lead) = house("twilio").await;
    let desk = Desk::open(&house, &guest, "owner").await;
    far.hide_log();
    far.next(&[Does::TakesAndBreaks]);
    let id = send(&house, &guest, &lead, "sms", "promotional").await;
    house.message_is(&guest.key, &id, &["unknown"]).await;
    for (n, seconds) in [(2, 5), (3, 10), (4, 45), (5, 240), (6, 600)] {
        attempts(&house, &guest, &id, seconds, n).await;
    }
    let page = desk.page(&format!("/messages/{id}")).await;
    says(
        &page,
        &[
            "May or may not have arrived",
            "It is not sent again by itself",
            "Looked up in the log of Twilio: no clear answer",
            "Nobody knows whether it arrived",
            "Try again, perhaps twice",
            "Change and send",
            "Dana Reyes may then get it twice",
        ],
    );
    let list = desk.page("/queue/unknown").await;
    says(
        &list,
        &[
            "1 may or may not have arrived.",
            "What was called and looked up: 6",
            "The log of Twilio gave no clear answer",
            "Replay, perhaps twice",
        ],
    );
    let ask = desk.page(&format!("/queue/dead/{id}/replay")).await;
    says(
        &ask,
        &[
            "Replay 1 message?",
            "It may have arrived already: whoever gets it again may get it twice.",
        ],
    );
    far.next(&[Does::Takes]);
    desk.post(&format!("/queue/dead/{id}/replay"), &[])
        .await
        .is(303);
    house.message_is(&guest.key, &id, &["accepted"]).await;
    let page = desk.page(&format!("/messages/{id}")).await;
    says(
        &page,
        &[
            "Inez Ford had it tried again",
            "It may have gone out twice",
            "may have gone out twice</span>",
        ],
    );
    for path in ["/queue", "/queue/unknown"] {
        says(&desk.page(path).await, &["1 possibly repeated."]);
    }
    says(&desk.page("").await, &["1 message possibly repeated"]);
    says(
        &desk.page("/queue/unknown").await,
        &["Possibly repeated", "All of them"],
    );
}

/// M4, M10: a dead letter with its reason, its words and the answer; a question with numbers before it is replayed; the page tells both.
#[tokio::test(flavor = "multi_thread")]
async fn a_page_tells_of_a_dead_letter_that_was_replayed() {
    let (house, guest, far, lead) = house("resend").await;
    let desk = Desk::open(&house, &guest, "agent").await;
    says(
        &desk.page("/queue/dead").await,
        &["No dead letters", "Everything that could go has gone."],
    );
    far.next(&[Does::RefusesIt, Does::RefusesIt]);
    let mut ids = Vec::new();
    for _ in 0..2 {
        let id = send(&house, &guest, &lead, "email", "transactional").await;
        house.message_is(&guest.key, &id, &["failed"]).await;
        ids.push(id);
    }
    let queue = desk.page("/queue").await;
    says(
        &queue,
        &[
            "2 did not arrive",
            "2 emails</a>: Resend found the mail invalid",
            "“Your boiler”",
        ],
    );
    let list = desk.page("/queue/dead").await;
    says(
        &list,
        &[
            "2 messages did not arrive",
            "By main (Resend).",
            "to Dana Reyes</a>, “Your boiler”. Resend refused it for good.",
            "Replay all 2",
        ],
    );
    let group = house
        .get(&guest.key, "/v1/dead-letters")
        .await
        .text_of("/data/0/id");
    says(
        &desk.page(&format!("/queue/dead/{group}")).await,
        &[
            "2 emails: Resend found the mail invalid",
            "The newest of them",
            "Mend what the sentence names first",
        ],
    );
    let ask = desk.page(&format!("/queue/dead/{group}/replay")).await;
    says(
        &ask,
        &[
            "Replay 2 messages?",
            "<dt>Would go now</dt><dd>2</dd>",
            "not known: no provider told",
            "How many a minute",
        ],
    );
    let done = desk
        .post(
            &format!("/queue/dead/{group}/replay"),
            &[("per_minute", "1")],
        )
        .await
        .is(303);
    assert!(
        done.headers["set-cookie"]
            .to_str()
            .unwrap()
            .contains("the%20last%20at")
    );
    house.message_is(&guest.key, &ids[0], &["accepted"]).await;
    let waits = desk.page(&format!("/messages/{}", ids[1])).await;
    says(
        &waits,
        &[
            "Goes again at 10:01 am, when its turn in the replay comes",
            "Attempt 1: Resend refused for good",
            "Inez Ford had it tried again",
            "every gate is asked and every attempt is counted anew",
        ],
    );
    house.pass(60).await;
    house.message_is(&guest.key, &ids[1], &["accepted"]).await;
    let page = desk.page(&format!("/messages/{}", ids[1])).await;
    assert_eq!(page.matches("Attempt 1: ").count(), 2, "{page}");
    says(
        &page,
        &["Resend took it at 10:01 am", "Inez Ford had it tried again"],
    );
    says(
        &desk.page(&format!("/queue/dead/{group}")).await,
        &["This group is empty now"],
    );

    let viewer = Desk::open(&house, &guest, "viewer").await;
    viewer.post("/queue/dead/all/replay", &[]).await.is(403);
    viewer.post("/queue/dead/all/discard", &[]).await.is(403);
}

/// M4: recipient and words are changed on a page, where nothing typed is lost; a letter is discarded with its reason.
#[tokio::test(flavor = "multi_thread")]
async fn a_letter_is_changed_or_discarded_on_a_page() {
    let (house, guest, far, lead) = house("resend").await;
    let desk = Desk::open(&house, &guest, "agent").await;
    far.next(&[Does::RefusesIt, Does::RefusesIt]);
    let mut ids = Vec::new();
    for _ in 0..2 {
        let id = send(&house, &guest, &lead, "email", "transactional").await;
        house.message_is(&guest.key, &id, &["failed"]).await;
        ids.push(id);
    }
    let edit = format!("/queue/dead/{}/edit", ids[0]);
    let form = desk.page(&edit).await;
    says(
        &form,
        &[
            "Change the email to Dana Reyes and send it?",
            "Now it goes to d•••@example.com",
            "value=\"Your boiler\"",
            "As it was written.",
        ],
    );
    let body = WORDS;
    let fields = |to, body| [("to", to), ("subject", "Your boiler"), ("body", body)];
    let same = desk.post(&edit, &fields("", body)).await.is(422);
    says(&same.text, &["Nothing was changed", "role=\"alert\""]);
    let wrong = desk
        .post(&edit, &fields("dana at home", "Other words"))
        .await
        .is(422);
    says(
        &wrong.text,
        &["value=\"dana at home\"", "Other words</textarea>"],
    );
    let made = desk
        .post(&edit, &fields("dana.reyes@example.com", body))
        .await
        .is(303);
    let to = made.headers["location"].to_str().unwrap().to_owned();
    let new = to.rsplit('/').next().unwrap().to_owned();
    house.message_is(&guest.key, &new, &["accepted"]).await;
    says(
        &desk.page(&format!("/messages/{new}")).await,
        &[
            "It stands in for msg_",
            "which did not arrive",
            "Stands in for",
        ],
    );
    let old = desk.page(&format!("/messages/{}", ids[0])).await;
    says(&old, &["Said instead by", &new]);
    assert!(!old.contains(">Try again<") && !old.contains("Change and send"));
    desk.get(&edit).await.is(404);

    let path = format!("/queue/dead/{}/discard", ids[1]);
    says(
        &desk.page(&path).await,
        &[
            "Discard 1 message?",
            "Nothing more is done about it by itself",
        ],
    );
    desk.post(&path, &[("reason", "She called <us>")])
        .await
        .is(303);
    let page = desk.page(&format!("/messages/{}", ids[1])).await;
    says(
        &page,
        &[
            "Inez Ford discarded it",
            "“She called &#60;us&#62;”",
            "discarded</span>",
        ],
    );
    says(
        &desk.page("/queue").await,
        &["Everything that could go has gone."],
    );
}
