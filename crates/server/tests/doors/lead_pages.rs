//! Signing in, and the pages of people: Now, the list, a lead (U, X2, X4, X6, W7).

use crate::house::{Answer, House};
use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use ringback_core::ids::TenantId;
use ringback_server::onboarding::add_user;
use ringback_server::sign_in::{hash_password, make_link};
use ringback_store::House as _;

const PASSWORD: &str = "correct horse battery";
const HOSTILE: &str = "<script>alert('x')</script>\"><img src=x onerror=alert(1)>";

/// A person who may sign in.
async fn person(house: &House, tenant: TenantId, name: &'static str, role: &'static str) -> String {
    let now = house.app.now();
    let mut ids = ringback_core::ids::IdMaker::new(9, house.app.new_id());
    let email = format!("{}@example.com", name.to_lowercase());
    let (kept, password) = (email.clone(), hash_password(PASSWORD).unwrap());
    house
        .app
        .change(move |writer| {
            add_user(
                writer,
                &mut ids,
                tenant,
                &kept,
                name,
                role,
                Some(password),
                now,
            )
            .map(|_| ())
        })
        .await
        .unwrap();
    email
}

/// A browser with its cookies.
struct Browser<'a> {
    house: &'a House,
    cookie: String,
    notice: std::cell::RefCell<String>,
}

impl<'a> Browser<'a> {
    /// Signs in as a person does, by password.
    async fn sign_in(house: &'a House, email: &str, host: u8) -> Self {
        let answer = try_password(house, email, PASSWORD, host).await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.text());
        let cookie = answer.header(header::SET_COOKIE).unwrap();
        for part in [
            "__Host-ringback=",
            "; Path=/",
            "; HttpOnly",
            "; SameSite=Lax",
            "; Secure",
        ] {
            assert!(cookie.contains(part), "{part} in {cookie}");
        }
        Self {
            house,
            cookie: cookie.split(';').next().unwrap().to_owned(),
            notice: std::cell::RefCell::default(),
        }
    }

    fn cookies(&self) -> String {
        format!("{}; {}", self.cookie, self.notice.borrow())
    }

    async fn get(&self, path: &str) -> Answer {
        self.house
            .send(
                Request::get(path)
                    .header("cookie", self.cookies())
                    .body(Body::empty())
                    .unwrap(),
            )
            .await
    }

    /// A page that is whole and shows nothing of a visitor's as markup.
    async fn page(&self, path: &str) -> String {
        let answer = self.get(path).await;
        assert_eq!(answer.status, StatusCode::OK, "{path}: {}", answer.text());
        assert!(
            answer
                .header("content-security-policy")
                .is_some_and(|policy| policy.starts_with("default-src 'none'"))
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
        for bad in [" style=\"", "<script>", "<style", " onclick=", "<img"] {
            assert!(!text.contains(bad), "{path}: {bad}");
        }
        text
    }

    async fn post(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        self.post_from(path, fields, "same-origin").await
    }

    async fn post_from(&self, path: &str, fields: &[(&str, &str)], site: &str) -> Answer {
        let body = url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs(fields)
            .finish();
        let request = Request::post(path)
            .header("cookie", self.cookies())
            .header("sec-fetch-site", site)
            .header("content-type", "application/x-www-form-urlencoded");
        let answer = self
            .house
            .send(request.body(Body::from(body)).unwrap())
            .await;
        if let Some(notice) = answer
            .header(header::SET_COOKIE)
            .filter(|cookie| cookie.starts_with("ringback-notice="))
        {
            *self.notice.borrow_mut() = notice.split(';').next().unwrap().to_owned();
        }
        answer
    }
}

async fn try_password(house: &House, email: &str, password: &str, host: u8) -> Answer {
    let body = url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs([
            ("email", email),
            ("password", password),
            ("next", "/t/alder/leads?view=all"),
        ])
        .finish();
    house
        .send_from(
            host,
            Request::post("/sign-in")
                .header("content-type", "application/x-www-form-urlencoded")
                .body(Body::from(body))
                .unwrap(),
        )
        .await
}

/// A lead comes in through Alder's form.
async fn lead(house: &House, first: &str, phone: &str, words: &str) -> String {
    let page = house.get("/f/alder.contact").await;
    let time = page.input("_t").unwrap();
    house.pass(10);
    let fields = [
        ("first_name", first),
        ("phone", phone),
        (
            "email",
            &format!("{}@example.com", phone.len() + words.len()),
        ),
        ("service_type", "burst pipe"),
        ("message", words),
        ("sms_consent", "on"),
        ("zip", "80202"),
        ("_t", &time),
    ];
    let answer = house.post_form("/f/alder.contact", &fields).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.text());
    house.leads(house.alder).await[0].id.to_string()
}

/// X2: a password opens; what does not open sounds the same for everybody, and the sixth try of a minute waits.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_password_opens_and_guessing_is_slow() {
    let house = House::open().await;
    let email = person(&house, house.alder, "Inez", "owner").await;
    let wrong = try_password(&house, &email, "wrong horse battery", 1).await;
    let unknown = try_password(&house, "nobody@example.com", PASSWORD, 2).await;
    assert_eq!(
        (wrong.status, unknown.status),
        (
            StatusCode::UNPROCESSABLE_ENTITY,
            StatusCode::UNPROCESSABLE_ENTITY
        )
    );
    assert_eq!(
        wrong.text().replace(&email, ""),
        unknown.text().replace("nobody@example.com", "")
    );
    let right = try_password(&house, &email, PASSWORD, 3).await;
    assert_eq!(
        right.header(header::LOCATION),
        Some("/t/alder/leads?view=all")
    );
    for _ in 0..4 {
        try_password(&house, "other@example.com", PASSWORD, 1).await;
    }
    assert_eq!(
        try_password(&house, "third@example.com", PASSWORD, 1)
            .await
            .status,
        StatusCode::TOO_MANY_REQUESTS,
        "by address"
    );
    for host in 20..23 {
        try_password(&house, &email, "wrong horse battery", host).await;
    }
    assert_eq!(
        try_password(&house, &email, PASSWORD, 30).await.status,
        StatusCode::TOO_MANY_REQUESTS,
        "by account, from wherever"
    );
    house.close().await;
}

/// X2: looking at a sign-in link does not use it up; its button does, once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_link_opens_once() {
    let house = House::open().await;
    let email = person(&house, house.alder, "Inez", "owner").await;
    let now = house.app.now();
    let token = house.app.write(move |writer| {
        let user = writer.users_by_email(&email)?.remove(0).id;
        make_link(writer, user, now)
    });
    let path = format!("/sign-in/link/{}", token.await.unwrap());
    for _ in 0..2 {
        assert!(house.get(&path).await.text().contains("<button"));
    }
    let answer = house.post_form(&path, &[]).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER);
    let cookie = answer
        .header(header::SET_COOKIE)
        .unwrap()
        .split(';')
        .next()
        .unwrap()
        .to_owned();
    assert_eq!(house.post_form(&path, &[]).await.status, StatusCode::GONE);
    let front = house
        .send(
            Request::get("/")
                .header("cookie", &cookie)
                .body(Body::empty())
                .unwrap(),
        )
        .await;
    assert_eq!(front.header(header::LOCATION), Some("/t/alder"));
    // Half a day without use ends it.
    house.pass(12 * 3_600 + 1);
    let front = house
        .send(
            Request::get("/")
                .header("cookie", &cookie)
                .body(Body::empty())
                .unwrap(),
        )
        .await;
    assert_eq!(front.header(header::LOCATION), Some("/sign-in"));
    house.close().await;
}

/// X4: strangers are asked to sign in, other tenants' people find nothing, viewers and other sites' pages change nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_open_only_for_their_people() {
    let house = House::open().await;
    let id = lead(&house, "Dana", "(303) 555-0142", "Burst pipe").await;
    let path = format!("/t/alder/leads/{id}");
    let stranger = house.get(&path).await;
    assert_eq!(stranger.status, StatusCode::SEE_OTHER);
    assert!(
        stranger
            .header(header::LOCATION)
            .unwrap()
            .starts_with("/sign-in?next=%2Ft%2Falder%2Fleads%2F")
    );
    let owner = person(&house, house.wren, "Wren", "owner").await;
    let other = Browser::sign_in(&house, &owner, 40).await;
    for path in [
        "/t/alder",
        "/t/alder/leads",
        &path,
        "/t/alder/live",
        "/t/nobody",
    ] {
        let answer = other.get(path).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{path}");
        assert!(!answer.text().contains("Dana"));
    }
    assert_eq!(
        other.get(&format!("/t/wren/leads/{id}")).await.status,
        StatusCode::NOT_FOUND
    );
    assert_eq!(
        other
            .post(&format!("/t/wren/leads/{id}/take"), &[])
            .await
            .status,
        StatusCode::NOT_FOUND
    );
    let viewer = Browser::sign_in(
        &house,
        &person(&house, house.alder, "Vic", "viewer").await,
        41,
    )
    .await;
    assert_eq!(
        viewer.post(&format!("{path}/take"), &[]).await.status,
        StatusCode::FORBIDDEN
    );
    assert!(!viewer.page(&path).await.contains("I take this one"));
    let inez = Browser::sign_in(
        &house,
        &person(&house, house.alder, "Inez", "agent").await,
        42,
    )
    .await;
    assert_eq!(
        inez.post_from(&format!("{path}/take"), &[], "cross-site")
            .await
            .status,
        StatusCode::FORBIDDEN
    );
    assert!(house.leads(house.alder).await[0].answered_at.is_none());
    assert!(
        !inez.page("/t/alder").await.contains("/t/alder/settings"),
        "an agent does not see settings"
    );
    assert_eq!(
        inez.post("/sign-out", &[]).await.header(header::LOCATION),
        Some("/sign-in")
    );
    assert_eq!(inez.get("/t/alder").await.status, StatusCode::SEE_OTHER);
    house.close().await;
}

/// W7: a ringing lead stands on Now until somebody takes it; the second person reads who was first.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_person_has_the_lead() {
    let house = House::open().await;
    let inez = Browser::sign_in(
        &house,
        &person(&house, house.alder, "Inez", "owner").await,
        50,
    )
    .await;
    let empty = inez.page("/t/alder").await;
    assert!(
        empty.contains("Nobody is ringing")
            && empty.contains("curl https://ringback.test/v1/page -u $WRITE_KEY:")
    );
    assert!(
        inez.post("/t/alder/first-key", &[])
            .await
            .text()
            .contains("-u rb_write_")
    );
    let id = lead(&house, "<b>Dana</b>", "(303) 555-0142", HOSTILE).await;
    let page = inez.page("/t/alder").await;
    assert!(
        page.contains("1 person is ringing")
            && page.contains("tel:+13035550142")
            && page.contains("&#60;b&#62;Dana")
            && page.contains("&#60;script&#62;"),
        "{page}"
    );
    // Only the part that changed, as an open page asks for it.
    let part = inez.get("/t/alder?fragment=now").await;
    assert!(
        part.text().starts_with("<div id=\"now\"")
            && part.text().contains("ringing")
            && !part.text().contains("<title>")
    );
    house.pass(125);
    let marcus = Browser::sign_in(
        &house,
        &person(&house, house.alder, "Marcus", "agent").await,
        51,
    )
    .await;
    let take = format!("/t/alder/leads/{id}/take");
    assert_eq!(inez.post(&take, &[]).await.status, StatusCode::SEE_OTHER);
    assert!(inez.page("/t/alder").await.contains("You have this one"));
    house.pass(4);
    marcus.post(&take, &[]).await;
    assert!(
        marcus
            .page(&format!("/t/alder/leads/{id}"))
            .await
            .contains("Inez took it 4.0 s before you.")
    );
    let page = inez.page("/t/alder").await;
    assert!(
        page.contains("Nobody is ringing") && page.contains("Inez after 2:"),
        "{page}"
    );
    house.close().await;
}

/// U: the list is searched and filtered by its address, and spam is kept apart.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn leads_are_found_by_what_is_known() {
    let house = House::open().await;
    let inez = Browser::sign_in(
        &house,
        &person(&house, house.alder, "Inez", "owner").await,
        60,
    )
    .await;
    assert!(
        inez.page("/t/alder/leads")
            .await
            .contains("No lead has come yet")
    );
    let dana = lead(&house, "Dana", "(303) 555-0142", "Burst pipe").await;
    let omar = lead(&house, "Omar", "(303) 555-0143", "Slow sink").await;
    let both = inez.page("/t/alder/leads").await;
    assert!(
        both.contains(&dana)
            && both.contains(&omar)
            && !both.contains("+13035550142")
            && both.contains("+1 303 ••• ••42")
    );
    for (query, found, other) in [
        ("q=dana", &dana, &omar),
        ("q=%28303%29+555-0143", &omar, &dana),
        ("view=ringing&q=omar", &omar, &dana),
    ] {
        let page = inez.page(&format!("/t/alder/leads?{query}")).await;
        assert!(
            page.contains(found.as_str()) && !page.contains(other.as_str()),
            "{query}"
        );
    }
    for query in [
        "q=%3Cscript%3E",
        "tier=none",
        "stage=%22%3E%3Cimg",
        "view=spam",
        "after=lead_zzz",
        "view=board&after=%00",
    ] {
        inez.page(&format!("/t/alder/leads?{query}")).await;
    }
    assert_eq!(
        inez.get("/t/alder/nowhere/else").await.status,
        StatusCode::NOT_FOUND
    );
    assert_eq!(
        inez.get("/t/alder/leads/lead_nothing").await.status,
        StatusCode::NOT_FOUND
    );
    house.close().await;
}

/// X6: contact data are masked until somebody looks, and looking is written down. Notes and stages stand in the history.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lead_shows_everything_but_its_number() {
    let house = House::open().await;
    let inez = Browser::sign_in(
        &house,
        &person(&house, house.alder, "Inez", "owner").await,
        70,
    )
    .await;
    let id = lead(
        &house,
        "Dana",
        "(303) 555-0142",
        "Burst pipe above the kitchen",
    )
    .await;
    let path = format!("/t/alder/leads/{id}");
    let page = inez.page(&path).await;
    for said in [
        "Ringing since",
        "sent the form",
        "What we may send",
        "+1 303 ••• ••42",
        "Timeline and conversation",
    ] {
        assert!(page.contains(said), "{said}");
    }
    assert!(!page.contains("(303) 555-0142"));
    let (_, rest) = page.split_once("name=\"point\" value=\"").unwrap();
    let point = rest.split('"').next().unwrap().to_owned();
    let shown = inez
        .post(&format!("{path}/reveal"), &[("point", &point)])
        .await;
    assert!(
        shown.text().contains("(303) 555-0142") || shown.text().contains("@example.com</span>"),
        "{}",
        shown.text()
    );
    let alder = house.alder;
    let audit = house
        .app
        .ask(move |store| store.audit(alder, i64::MAX, 20))
        .await
        .unwrap();
    assert!(audit.iter().any(|entry| entry.action == "contact.reveal"
        && entry.actor == "user:Inez"
        && entry.details["lead"] == id));
    inez.post(&format!("{path}/note"), &[("text", HOSTILE)])
        .await;
    assert!(inez.page(&path).await.contains("noted"));
    inez.post(
        &format!("{path}/stage"),
        &[("stage", "contacted"), ("reason", "called back")],
    )
    .await;
    let page = inez.page(&path).await;
    assert!(
        page.contains("moved the lead to contacted: called back"),
        "{page}"
    );
    inez.post(
        &format!("{path}/reply"),
        &[("by", "sms"), ("body", "On our way <b>now</b>")],
    )
    .await;
    let page = inez.page(&path).await;
    assert!(page.contains("On our way &#60;b&#62;now"), "{page}");
    assert!(
        inez.post(&format!("{path}/reply"), &[("by", "sms"), ("body", "  ")])
            .await
            .status
            .is_redirection()
    );
    house.close().await;
}

/// X2: whoever signs out, or is signed out by an owner, hears nothing more on pages that are still open.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_open_page_falls_silent_with_its_sign_in() {
    use http_body_util::BodyExt as _;
    let house = House::open().await;
    let mut lines = Vec::new();
    let mut browsers = Vec::new();
    for (n, name) in ["Inez", "Omar"].into_iter().enumerate() {
        let email = person(&house, house.alder, name, "agent").await;
        let browser = Browser::sign_in(&house, &email, 30 + n as u8).await;
        let request = Request::get("/t/alder/live").header("cookie", browser.cookies());
        let response = house.stream(request.body(Body::empty()).unwrap()).await;
        assert_eq!(response.status(), StatusCode::OK);
        lines.push(response.into_body());
        browsers.push(browser);
    }
    let mut other = lines.pop().unwrap();
    let mut mine = lines.pop().unwrap();
    let out = browsers[0].post("/sign-out", &[]).await;
    assert_eq!(out.status, StatusCode::SEE_OTHER);
    let ended = async { while mine.frame().await.is_some() {} };
    tokio::time::timeout(std::time::Duration::from_secs(10), ended)
        .await
        .expect("the line ends");
    let heard = async {
        house
            .post_form(
                "/f/alder.contact",
                &[("first_name", "Dana"), ("phone", "303-555-0142")],
            )
            .await;
        other.frame().await
    };
    let heard = tokio::time::timeout(std::time::Duration::from_secs(10), heard)
        .await
        .expect("others go on");
    assert!(heard.is_some());
    house.close().await;
}

/// Every address under `/t/{slug}` that the pages' source declares.
fn declared() -> Vec<String> {
    let mut folders = vec![std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/pages")];
    let mut found = std::collections::BTreeSet::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let text = std::fs::read_to_string(&path).unwrap();
            let addresses = text.split("\"/t/{slug}").skip(1);
            found.extend(
                addresses
                    .filter_map(|rest| rest.split('"').next())
                    .filter(|rest| !rest.contains('*') && !rest.contains(' '))
                    .map(|rest| format!("/t/{{slug}}{rest}")),
            );
        }
    }
    found.into_iter().collect()
}

/// X4, P7: whoever signs in at another business finds nothing on any page, neither under the business's own address nor by its ids
/// under their own, and changes nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_business_finds_nothing_on_any_page() {
    let house = House::open().await;
    let lead = lead(&house, "Zyxcanary", "(303) 555-0142", "Burst pipe").await;
    let alder = house.alder;
    let messages = house
        .until("messages", async || {
            Some(house.messages(alder).await).filter(|all| {
                !all.is_empty()
                    && all
                        .iter()
                        .all(|one| one.status.settled() || one.accepted_at.is_some())
            })
        })
        .await;
    person(&house, house.alder, "Inez", "owner").await;
    let user = house
        .app
        .ask(move |store| store.users(alder))
        .await
        .unwrap()
        .remove(0);
    house
        .key(
            ringback_store::KeyKind::Secret,
            "rb_live_abcdefghijklmnopqrstuvwxyz012345678901234567",
        )
        .await;
    let key = house
        .app
        .ask(move |store| store.keys_of(alder))
        .await
        .unwrap()
        .remove(0);
    let ids = [
        lead.to_string(),
        messages[0].id.to_string(),
        house.twilio.to_string(),
        user.id.to_string(),
        key.id.to_string(),
    ];
    let before = (
        house.leads(alder).await,
        house.messages(alder).await,
        house.app.registry.home(alder).unwrap().connections.len(),
    );
    let owner = person(&house, house.wren, "Wren", "owner").await;
    let other = Browser::sign_in(&house, &owner, 40).await;
    let addresses = declared();
    assert!(addresses.len() > 45, "{addresses:?}");
    // What the forms of these pages ask, so that none is refused for being empty before anybody looks whose it is.
    let fields = [
        ("text", "x"),
        ("body", "x"),
        ("by", "sms"),
        ("stage", "contacted"),
        ("kind", "phone"),
        ("act", "disable"),
        ("report", "delivered"),
    ];
    for address in &addresses {
        // How the form looks on a website is as public as the form.
        if address == "/t/{slug}/example" {
            continue;
        }
        let theirs = address
            .replace("{slug}", "alder")
            .replace("{name}", "emergency-alert")
            .replace("{id}", &ids[0])
            .replace("{user}", &ids[3])
            .replace("{key}", &ids[4]);
        let answer = other.get(&theirs).await;
        // What only takes posts has no page for anybody.
        assert!(
            [404, 405].contains(&answer.status.as_u16()),
            "GET {theirs}: {}",
            answer.status
        );
        assert!(
            !String::from_utf8_lossy(&answer.body).contains("Zyxcanary"),
            "GET {theirs}"
        );
        let answer = other.post(&theirs, &fields).await;
        assert!(
            [404, 405].contains(&answer.status.as_u16()),
            "POST {theirs}: {}",
            answer.status
        );
        if !["{id}", "{user}", "{key}"]
            .iter()
            .any(|part| address.contains(part))
        {
            continue;
        }
        for id in &ids {
            let mine = address
                .replace("{slug}", "wren")
                .replace("{id}", id)
                .replace("{user}", id)
                .replace("{key}", id);
            for answer in [other.get(&mine).await, other.post(&mine, &fields).await] {
                assert!(
                    [400, 404, 405, 422].contains(&answer.status.as_u16()),
                    "{mine}: {}",
                    answer.status
                );
                assert!(
                    !String::from_utf8_lossy(&answer.body).contains("Zyxcanary"),
                    "{mine}"
                );
            }
        }
    }
    let after = (
        house.leads(alder).await,
        house.messages(alder).await,
        house.app.registry.home(alder).unwrap().connections.len(),
    );
    assert_eq!(before, after, "nothing changed");
    house.close().await;
}
