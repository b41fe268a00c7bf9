//! Every rule that a gate asks for, from both sides: what it lets through and what it holds, with the rule's id in the verdict (C1 to C5).

use crate::house::{House, TOKEN};
use ringback_channels::testing::twilio_inbound;
use ringback_core::consent::{Basis, SoftOptIn};
use ringback_core::contact::{Email, Phone};
use ringback_core::ids::ConnectionId;
use ringback_core::messages::{Category, ChannelKind, Message, Status};
use ringback_core::turn::world::{PointKind, Purpose, Suppression};
use ringback_core::turn::{
    Answer, Capture, Compose, ConsentGiven, ConsentTold, Intake, Said, SuppressOrder, VerdictView,
};
use ringback_store::{ConnectionRow, House as _};

const OURS: &str = "+13035550100";
use Category::{Emergency, Promotional, Transactional};
use ChannelKind::{Email as Mail, Sms};

/// The gate of a verdict, as it was kept with the message.
fn said<'a>(verdict: &'a VerdictView, gate: &str) -> &'a Said {
    verdict
        .said
        .iter()
        .find(|said| said.gate == gate)
        .unwrap_or_else(|| panic!("{gate} was not asked: {verdict:?}"))
}

struct Person<'a> {
    house: &'a House,
    to: String,
}

impl<'a> Person<'a> {
    fn new(house: &'a House, to: &str) -> Self {
        Self {
            house,
            to: to.to_owned(),
        }
    }

    fn channel(&self) -> ChannelKind {
        if self.to.contains('@') { Mail } else { Sms }
    }

    fn kind(&self) -> PointKind {
        if self.to.contains('@') {
            PointKind::Email
        } else {
            PointKind::Phone
        }
    }

    async fn allows(self, purpose: Purpose, basis: Basis, days: Option<i64>) -> Self {
        let told = ConsentTold {
            channel: self.channel(),
            purpose,
            granted: true,
            wording: Some("Yes.".into()),
            method: "web_form".into(),
            page: None,
            basis: Some(basis),
            expires_at: days
                .map(|days| self.house.app.now() + jiff::SignedDuration::from_hours(24 * days)),
            soft_opt_in: (basis == Basis::SoftOptIn).then_some(SoftOptIn::WHOLE),
        };
        let point = Some((self.kind(), self.to.clone()));
        let given = ConsentGiven {
            lead: None,
            point,
            told,
            actor: "test".into(),
        };
        self.house
            .app
            .take(self.house.alder, Intake::Consent(Box::new(given)), None)
            .await
            .unwrap();
        self
    }

    async fn offers(self, basis: Basis) -> Self {
        self.allows(Purpose::Promotional, basis, None).await
    }

    async fn listed(self, reason: Suppression) -> Self {
        let order = SuppressOrder {
            kind: self.kind(),
            value: self.to.clone(),
            reason: Some(reason),
            how: "a test".into(),
            actor: "test".into(),
        };
        self.house
            .app
            .take(self.house.alder, Intake::Suppress(Box::new(order)), None)
            .await
            .unwrap();
        self
    }

    async fn captured(self, own_enquiry: bool) -> Self {
        let (phone, email) = match self.channel() {
            Sms => (Phone::from_e164(&self.to), None),
            _ => (None, Email::parse(&self.to).ok()),
        };
        let capture = Capture {
            // A mail says nothing of where its reader is.
            profile: ringback_core::leads::Profile {
                state: Some("CO".into()),
                ..Default::default()
            },
            phone,
            email,
            anonymous_id: None,
            product: None,
            consents: Vec::new(),
            form: None,
            key: None,
            test: false,
            own_enquiry,
            overwrite: ringback_core::leads::Overwrite::Newer,
            ip: None,
        };
        self.house
            .app
            .take(self.house.alder, Intake::Capture(Box::new(capture)), None)
            .await
            .unwrap();
        self
    }

    async fn writes(self, body: &str) -> Self {
        let url = self.house.hook_url(self.house.alder, self.house.twilio);
        let sid = format!("SM{:032x}", self.house.app.new_id());
        let answer = self
            .house
            .hook(&twilio_inbound(TOKEN, &url, &sid, &self.to, OURS, body))
            .await;
        assert!(answer.status.is_success(), "{}", answer.text());
        self
    }

    async fn gets_text(&self, category: Category, body: &str) -> (Message, VerdictView) {
        let house = self.house;
        let key = ringback_core::turn::world::PointKey {
            tenant: house.alder,
            kind: self.kind(),
            value: self.to.clone(),
        };
        let lead = house
            .app
            .ask(move |store| store.point(&key))
            .await
            .unwrap()
            .and_then(|point| point.lead);
        let compose = Compose {
            lead,
            staff: None,
            to: Some(self.to.clone()),
            channel: self.channel(),
            category,
            body: Some(body.to_owned()),
            subject: Some("Hello".into()),
            template: None,
            data: serde_json::Value::Null,
            send_at: None,
            actor: "test".into(),
            sandbox: false,
        };
        let answer = house
            .app
            .take(house.alder, Intake::Compose(Box::new(compose)), None)
            .await
            .unwrap();
        let Answer::Composed { id, .. } = answer else {
            panic!("{answer:?}")
        };
        let message = house.message(house.alder, id).await;
        let verdict: VerdictView = serde_json::from_str(&message.verdict).unwrap();
        assert_eq!(
            verdict.rules,
            ringback_core::consent::rules::Rules::built_in().version
        );
        (message, verdict)
    }

    async fn gets(&self, category: Category) -> (Message, VerdictView) {
        self.gets_text(category, "Alder Plumbing: a word. Reply STOP to end.")
            .await
    }

    /// The gate lets it pass, by this rule.
    async fn passes(self, rule: &str, gate: &str, category: Category) -> Self {
        let (_, verdict) = self.gets(category).await;
        let said = said(&verdict, gate);
        assert_eq!(
            (said.says.as_str(), said.rule.as_str()),
            ("pass", rule),
            "{}: {said:?}",
            self.to
        );
        self
    }

    /// The gate ends it, by this rule, and the message says why.
    async fn blocks(self, rule: &str, gate: &str, category: Category) -> Self {
        let (message, verdict) = self.gets(category).await;
        self.blocked(&message, &verdict, rule, gate);
        self
    }

    fn blocked(&self, message: &Message, verdict: &VerdictView, rule: &str, gate: &str) {
        let said = said(verdict, gate);
        assert_eq!(
            (said.says.as_str(), said.rule.as_str()),
            ("block", rule),
            "{}: {said:?}",
            self.to
        );
        assert_eq!(message.status, Status::Blocked);
        assert_eq!(
            message.why.as_ref().map(|why| why.detail.as_str()),
            Some(said.because.as_str())
        );
        assert_eq!(
            verdict.said.last(),
            Some(said),
            "nothing is asked after a no"
        );
    }
}

/// `tenant.yaml` of Alder with more at its end.
fn with_countries(path: &str, text: &str) -> String {
    if path == "tenant.yaml" {
        format!("{text}\ncompliance:\n  countries: [CA, GB, IE, AU, PR]\n")
    } else {
        text.to_owned()
    }
}

/// US-1, US-2, CA-1, UK-1, EU-1, XX-1, US-9: on which ground an offer or an answer goes where.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn consent_holds_on_the_ground_that_the_country_asks_for() {
    let house = &House::open_with(10_000, with_countries).await;
    let us = |n: u32| Person::new(house, &format!("+1303555{n:04}"));
    us(111)
        .offers(Basis::Written)
        .await
        .passes("US-1", "consent", Promotional)
        .await;
    us(112)
        .offers(Basis::Verbal)
        .await
        .blocks("US-1", "consent", Promotional)
        .await;
    us(113)
        .offers(Basis::Imported)
        .await
        .blocks("US-1", "consent", Promotional)
        .await;
    us(114).blocks("US-1", "consent", Promotional).await;
    us(115)
        .offers(Basis::Written)
        .await
        .passes("US-9", "do_not_call", Promotional)
        .await;
    us(116)
        .captured(true)
        .await
        .passes("US-2", "consent", Transactional)
        .await;
    us(117)
        .captured(false)
        .await
        .blocks("US-2", "consent", Transactional)
        .await;

    let mail = |name: &str| Person::new(house, &format!("{name}@example.com"));
    mail("a")
        .offers(Basis::Verbal)
        .await
        .passes("US-17", "consent", Promotional)
        .await;
    mail("b")
        .offers(Basis::Imported)
        .await
        .blocks("US-17", "consent", Promotional)
        .await;

    let canada = |n: u32| Person::new(house, &format!("+1604250{n:04}"));
    canada(1)
        .allows(Purpose::Promotional, Basis::Implied, Some(30))
        .await
        .passes("CA-1", "consent", Promotional)
        .await;
    let ended = canada(2)
        .allows(Purpose::Promotional, Basis::Implied, Some(30))
        .await;
    canada(3)
        .offers(Basis::SoftOptIn)
        .await
        .blocks("CA-1", "consent", Promotional)
        .await;

    let uk = |n: u32| Person::new(house, &format!("+447400{n:06}"));
    uk(123_451)
        .offers(Basis::SoftOptIn)
        .await
        .passes("UK-1", "consent", Promotional)
        .await;
    uk(123_452)
        .offers(Basis::Verbal)
        .await
        .blocks("UK-1", "consent", Promotional)
        .await;
    let ireland = |n: u32| Person::new(house, &format!("+35385{n:07}"));
    ireland(123_451)
        .offers(Basis::SoftOptIn)
        .await
        .passes("EU-1", "consent", Promotional)
        .await;
    ireland(123_452)
        .offers(Basis::Implied)
        .await
        .blocks("EU-1", "consent", Promotional)
        .await;
    let australia = |n: u32| Person::new(house, &format!("+61412{n:06}"));
    australia(123_451)
        .offers(Basis::Written)
        .await
        .passes("XX-1", "consent", Promotional)
        .await;
    australia(123_452)
        .offers(Basis::SoftOptIn)
        .await
        .blocks("XX-1", "consent", Promotional)
        .await;

    // Expiry is honoured at the moment of sending, not when it was given.
    house.pass(31 * 86_400);
    let ended = ended.blocks("CA-1", "consent", Promotional).await;
    let (message, _) = ended.gets(Promotional).await;
    assert!(
        message
            .why
            .unwrap()
            .detail
            .contains("ended on 23 December 2026")
    );
}

/// US-3, US-5, US-10, EU-2: what is on the list stays there for what its reason holds.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn suppression_holds_what_its_reason_holds() {
    let house = &House::open().await;
    let person = |n: u32| Person::new(house, &format!("+1303555{n:04}"));
    let allowed = async |n| person(n).offers(Basis::Written).await.captured(true).await;
    let both = allowed(121).await;
    let both = both
        .passes("", "suppression", Promotional)
        .await
        .passes("", "suppression", Transactional)
        .await;
    let both = both.writes("Please stop texting me").await;
    both.blocks("US-3", "suppression", Promotional)
        .await
        .blocks("US-3", "suppression", Transactional)
        .await;
    let listed = allowed(122).await.listed(Suppression::Listed).await;
    listed
        .blocks("US-10", "suppression", Promotional)
        .await
        .blocks("US-10", "suppression", Transactional)
        .await;
    let complained = allowed(123).await.listed(Suppression::Complained).await;
    complained
        .blocks("EU-2", "suppression", Promotional)
        .await
        .passes("", "suppression", Transactional)
        .await;
}

/// C3: a reply that may mean stop holds offers until somebody read it, and after a day it counts as a stop; START lifts it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_doubtful_reply_holds_offers_and_then_everything() {
    let house = &House::open().await;
    let doubted = async |n: u32| {
        let person = Person::new(house, &format!("+1303555{n:04}"));
        person
            .offers(Basis::Written)
            .await
            .captured(true)
            .await
            .writes("how did you get my number")
            .await
    };
    let (left, read, lifted) = (doubted(131).await, doubted(132).await, doubted(133).await);
    let (offer, verdict) = left.gets(Promotional).await;
    assert_eq!(
        (offer.status, said(&verdict, "suppression").says.as_str()),
        (Status::Deferred, "defer")
    );
    assert_eq!(
        offer.due_at,
        house.app.now() + jiff::SignedDuration::from_hours(24)
    );
    left.passes("", "suppression", Transactional).await;
    let order = SuppressOrder {
        kind: PointKind::Phone,
        value: read.to.clone(),
        reason: None,
        how: "no stop".into(),
        actor: "test".into(),
    };
    house
        .app
        .take(house.alder, Intake::Suppress(Box::new(order)), None)
        .await
        .unwrap();
    read.passes("", "suppression", Promotional).await;
    lifted
        .writes("START")
        .await
        .passes("", "suppression", Promotional)
        .await;
    house.pass(86_400);
    let left = Person::new(house, "+13035550131");
    left.blocks("US-3", "suppression", Transactional)
        .await
        .blocks("US-3", "suppression", Promotional)
        .await;
}

/// US-6, US-7, US-8: by the hour, and how often.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hours_and_caps_hold_until_they_open() {
    let house = &House::open().await;
    let person = async |n: u32| {
        let person = Person::new(house, &format!("+1303555{n:04}"));
        person
            .offers(Basis::Written)
            .await
            .allows(Purpose::Transactional, Basis::Written, None)
            .await
    };
    // Monday, 11:00 in Denver.
    let often = person(141).await;
    for _ in 0..3 {
        let (offer, verdict) = often.gets(Promotional).await;
        assert_ne!(offer.status, Status::Deferred, "{verdict:?}");
    }
    let (fourth, verdict) = often.gets(Promotional).await;
    assert_eq!(said(&verdict, "caps").says, "defer");
    assert!(
        said(&verdict, "caps").because.contains("US-8"),
        "{verdict:?}"
    );
    assert!(fourth.due_at > house.app.now() + jiff::SignedDuration::from_hours(23));
    let early = person(142).await;
    let early = early
        .passes("", "quiet_hours", Promotional)
        .await
        .passes("", "quiet_hours", Transactional)
        .await;
    // 20:30 in Denver.
    house.pass(9 * 3_600 + 1_800);
    for (category, rule) in [(Promotional, "US-6"), (Transactional, "US-7")] {
        let (message, verdict) = early.gets(category).await;
        let hours = said(&verdict, "quiet_hours");
        assert_eq!(
            (message.status, hours.says.as_str()),
            (Status::Deferred, "defer"),
            "{hours:?}"
        );
        assert!(
            hours.because.contains(rule) && hours.because.contains("America/Denver"),
            "{hours:?}"
        );
    }
}

/// US-16, US-17, IN-1, IN-2, EX-1: what an offer must carry, where texts go, and what emergencies are for.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn content_numbers_and_emergencies_keep_their_rules() {
    let house = &House::open().await;
    let person = async |to: &str| {
        let person = Person::new(house, to);
        person
            .offers(Basis::Written)
            .await
            .allows(Purpose::Transactional, Basis::Written, None)
            .await
    };
    let text = person("+13035550151")
        .await
        .passes("US-16", "content", Promotional)
        .await;
    for body in [
        "Ten percent off. Reply STOP to end.",
        "Alder Plumbing: ten percent off.",
    ] {
        let (message, verdict) = text.gets_text(Promotional, body).await;
        text.blocked(&message, &verdict, "US-16", "content");
    }
    person("c@example.com")
        .await
        .captured(true)
        .await
        .passes("US-17", "content", Promotional)
        .await;
    person("+13035550152")
        .await
        .passes("", "number", Transactional)
        .await;
    person("+447400123456")
        .await
        .blocks("IN-1", "number", Transactional)
        .await;
    person("+19005550142")
        .await
        .blocks("IN-2", "number", Transactional)
        .await;
    let lead = person("+13035550153").await.captured(true).await;
    lead.blocks("EX-1", "consent", Emergency).await;

    let loose = &House::open_with(10_000, |path, text| match path {
        "tenant.yaml" => format!("{text}\ncompliance:\n  countries: [GB]\n  sign_offs:\n    - {{ rule: EX-1, by: Inez Ford, on: 2026-11-20, reason: gas leaks at their home }}\n"),
        _ => text.to_owned(),
    })
    .await;
    let person = async |to: &str| {
        let person = Person::new(loose, to);
        person
            .offers(Basis::Written)
            .await
            .allows(Purpose::Transactional, Basis::Written, None)
            .await
    };
    person("+447400123456")
        .await
        .passes("", "number", Transactional)
        .await;
    person("+13035550153")
        .await
        .captured(true)
        .await
        .passes("EX-1", "consent", Emergency)
        .await;
}

/// Replaces Alder's accounts for texts by these, in order.
async fn connects(house: &House, accounts: &[(&str, &[(&str, &str)])]) -> Vec<ConnectionId> {
    let tenant = house.alder;
    let rows: Vec<ConnectionRow> = accounts
        .iter()
        .enumerate()
        .map(|(position, (name, more))| {
            let id = ConnectionId::from_raw(house.app.new_id());
            let mut settings: std::collections::BTreeMap<String, String> = [
                ("account_sid", "AC0123456789abcdef0123456789abcdef"),
                ("auth_token", TOKEN),
                ("base_url", "http://127.0.0.1:9"),
            ]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into();
            settings.extend(
                more.iter()
                    .map(|(name, value)| ((*name).to_owned(), (*value).to_owned())),
            );
            ConnectionRow {
                id,
                channel: Sms,
                provider: "twilio".into(),
                name: (*name).to_owned(),
                settings: house.app.registry.master().seal(tenant, id, &settings),
                path_secret: format!("secret-{name}"),
                position: position as i64,
                enabled: true,
                trouble: None,
                breaker: None,
                created_at: house.app.now(),
            }
        })
        .collect();
    let ids = rows.iter().map(|row| row.id).collect();
    house
        .app
        .change(move |writer| {
            for old in writer.connections(tenant)? {
                writer.delete_connection(tenant, old.id)?;
            }
            rows.iter()
                .try_for_each(|row| writer.insert_connection(tenant, row))
        })
        .await
        .unwrap();
    ids
}

/// US-15: a text to the United States goes over a registered sender, whatever its category; others are passed over, and elsewhere nobody
/// asks.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn texts_to_the_united_states_need_a_registered_sender() {
    let house = &House::open_with(10_000, with_countries).await;
    let person = async |to: &str| Person::new(house, to).captured(true).await;
    let here = person("+13035550161").await;
    let (_, verdict) = here.gets(Transactional).await;
    let (gate, rule) = ("registration", "US-15");
    assert_eq!(
        (
            said(&verdict, gate).says.as_str(),
            said(&verdict, gate).rule.as_str()
        ),
        ("pass", rule)
    );
    assert!(said(&verdict, gate).because.contains("campaign CM0000"));

    let long: &[(&str, &str)] = &[("from", "+13035550100")];
    connects(house, &[("plain", long)]).await;
    let here = here.blocks(rule, gate, Transactional).await;
    let (message, _) = here.gets(Transactional).await;
    let why = message.why.unwrap();
    assert_eq!(why.code, "unregistered");
    assert!(
        why.detail.contains("plain") && why.detail.contains("`campaign`"),
        "{why:?}"
    );
    person("+17875550161")
        .await
        .blocks(rule, gate, Transactional)
        .await;
    for elsewhere in ["+447400123461", "+16042500161"] {
        let (message, verdict) = person(elsewhere).await.gets(Transactional).await;
        assert!(
            !verdict.said.iter().any(|said| said.gate == gate),
            "{verdict:?}"
        );
        assert_ne!(message.status, Status::Blocked, "{verdict:?}");
    }

    // The next connection takes it, and one whose number needs nothing is as good.
    let free: &[(&str, &str)] = &[("from", "+18005550100"), ("toll_free_verified", "yes")];
    for second in [free, &[("from", "12345")]] {
        let ids = connects(house, &[("plain", long), ("second", second)]).await;
        let (message, verdict) = here.gets(Transactional).await;
        assert_eq!(said(&verdict, gate).says, "pass");
        assert_eq!(message.connection, Some(ids[1]), "{verdict:?}");
    }

    // What is registered but switched off is waited for.
    let ids = connects(house, &[("plain", long), ("second", free)]).await;
    let (tenant, second) = (house.alder, ids[1]);
    house
        .app
        .change(move |writer| {
            let mut rows = writer.connections(tenant)?;
            rows.retain(|row| row.id == second);
            rows[0].enabled = false;
            writer.update_connection(tenant, &rows[0])
        })
        .await
        .unwrap();
    let (message, verdict) = here.gets(Transactional).await;
    assert_eq!(said(&verdict, gate).says, "pass");
    assert_eq!(message.status, Status::Deferred, "{verdict:?}");
}

/// M12: in sandbox mode only the test recipients are reached, however their numbers are typed; everybody when it is off.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_sandbox_mode_only_test_recipients_are_reached() {
    let house = &House::open_with(10_000, |path, text| match path {
        "tenant.yaml" => format!(
            "{text}\nsandbox:\n  test_recipients: [\"(303) 555-0171\", Tester@Example.com]\n"
        ),
        _ => text.to_owned(),
    })
    .await;
    let tenant = house.alder;
    let switch = async |on: bool| {
        house
            .app
            .change(move |writer| {
                let mut rows = writer.tenants()?;
                rows.retain(|row| row.id == tenant);
                rows[0].sandbox = on;
                writer.update_tenant(&rows[0])
            })
            .await
            .unwrap();
    };
    let tester = Person::new(house, "+13035550171").captured(true).await;
    let other = Person::new(house, "+13035550172").captured(true).await;
    switch(true).await;
    let (real, verdict) = tester.gets(Transactional).await;
    assert!(
        !real.sandbox && real.connection == Some(house.twilio),
        "{verdict:?}"
    );
    let sandbox = said(&verdict, "sandbox");
    assert!(
        sandbox.says == "pass" && sandbox.because.contains("test recipient"),
        "{verdict:?}"
    );
    let (kept, verdict) = other.gets(Transactional).await;
    assert!(kept.sandbox && kept.connection.is_none(), "{verdict:?}");
    assert_eq!(said(&verdict, "sandbox").says, "sandbox");
    // There is no account for mails, so nothing can be real there.
    let mail = Person::new(house, "tester@example.com")
        .captured(true)
        .await;
    let (mail, verdict) = mail.gets(Transactional).await;
    assert!(mail.sandbox, "{verdict:?}");
    switch(false).await;
    let (real, verdict) = other.gets(Transactional).await;
    assert!(!real.sandbox, "{verdict:?}");
    assert_eq!(said(&verdict, "sandbox").because, "");
}

/// Test recipients that cannot be read are told with their place.
#[test]
fn test_recipients_are_checked() {
    let text = "name: A\nregion: US\ntime_zone: America/Denver\nsandbox:\n  test_recipients: [nobody@, \"+13035550142\"]\n";
    let documents = std::collections::BTreeMap::from([(
        "tenant.yaml".to_owned(),
        ringback_core::config::Document::new(text.to_owned()),
    )]);
    let problems = ringback_core::config::load(&documents).unwrap_err();
    let told: Vec<String> = problems.iter().map(ToString::to_string).collect();
    assert_eq!(
        told.iter()
            .filter(|one| one.contains("tenant.yaml:5"))
            .count(),
        1,
        "{told:?}"
    );
}

/// UK-1: a soft opt-in carries an offer only when all five conditions are stated, and whoever leaves one out hears which.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_soft_opt_in_is_recorded_with_its_five_conditions() {
    let house = &House::open_with(10_000, with_countries).await;
    let key = "rb_live_soft-opt-in-0123456789abcdef";
    house.key(ringback_store::KeyKind::Secret, key).await;
    let tell = async |to: &str, conditions: serde_json::Value| {
        let mut body = serde_json::json!({"to": to, "channel": "sms", "purpose": "promotional", "granted": true,
            "method": "web_form", "basis": "soft_opt_in"});
        if !conditions.is_null() {
            body["soft_opt_in"] = conditions;
        }
        house
            .send(
                http::Request::post("/v1/consents")
                    .header("content-type", "application/json")
                    .header("authorization", format!("Bearer {key}"))
                    .body(axum::body::Body::from(body.to_string()))
                    .unwrap(),
            )
            .await
    };
    let whole = serde_json::to_value(SoftOptIn::WHOLE).unwrap();
    for name in [
        "from_the_person",
        "in_a_sale",
        "own_similar_things",
        "refusal_offered",
        "refusal_in_every_message",
    ] {
        let to = "+447400123481";
        for told in [serde_json::json!(false), serde_json::Value::Null] {
            let mut lacking = whole.clone();
            if told.is_null() {
                lacking.as_object_mut().unwrap().remove(name);
            } else {
                lacking[name] = told;
            }
            let refused = tell(to, lacking).await;
            assert_eq!(refused.status.as_u16(), 422, "{}", refused.text());
            assert!(
                refused.text().contains(&format!("soft_opt_in.{name}")),
                "{}",
                refused.text()
            );
        }
    }
    assert_eq!(
        tell("+447400123481", serde_json::Value::Null)
            .await
            .status
            .as_u16(),
        422
    );
    Person::new(house, "+447400123481")
        .blocks("UK-1", "consent", Promotional)
        .await;

    let told = tell("+447400123482", whole.clone()).await;
    assert!(told.status.is_success(), "{}", told.text());
    Person::new(house, "+447400123482")
        .passes("UK-1", "consent", Promotional)
        .await;
    let tenant = house.alder;
    let (trail, verified) = house
        .app
        .ask(move |store| {
            Ok((
                store.consents_of_address(tenant, "+447400123482")?,
                store.verify_chain(tenant, &[])?,
            ))
        })
        .await
        .unwrap();
    assert_eq!(trail.len(), 1);
    assert_eq!(trail[0].conditions, Some(SoftOptIn::WHOLE));
    verified.expect("the chain holds");
}

/// UK-4, US-9: a list that was imported is asked, a newer one replaces it whole, an old one blocks, and a permission exempts.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn national_lists_are_asked_until_they_are_old() {
    let house = &House::open_with(10_000, with_countries).await;
    let key = "rb_live_national-lists-0123456789abcdef";
    house.key(ringback_store::KeyKind::Secret, key).await;
    let import = async |country: &str, date: &str, body: &str| {
        house
            .send(
                http::Request::post(format!(
                    "/v1/do-not-call/import?country={country}&date={date}"
                ))
                .header("content-type", "text/csv")
                .header("authorization", format!("Bearer {key}"))
                .body(axum::body::Body::from(body.to_owned()))
                .unwrap(),
            )
            .await
    };
    let gate = "do_not_call";
    let uk = async |n: u32| {
        Person::new(house, &format!("+447400{n:06}"))
            .offers(Basis::SoftOptIn)
            .await
    };
    let (listed, free) = (uk(123_501).await, uk(123_502).await);
    // Without a list nobody is asked: the law speaks of calls.
    let (_, verdict) = listed.gets(Promotional).await;
    assert!(
        !verdict.said.iter().any(|said| said.gate == gate),
        "{verdict:?}"
    );

    let done = import("GB", "2026-11-20", "number\n07400 123501\n").await;
    assert_eq!(done.status.as_u16(), 200, "{}", done.text());
    assert_eq!(done.json()["list"]["numbers"], 1, "{}", done.text());
    assert_eq!(
        done.json()["list"]["good_until"],
        "2026-12-18",
        "{}",
        done.text()
    );
    let listed = listed.blocks("UK-4", gate, Promotional).await;
    let free = free.passes("UK-4", gate, Promotional).await;
    // What is no offer is not asked.
    let (_, verdict) = listed.gets(Transactional).await;
    assert!(
        !verdict.said.iter().any(|said| said.gate == gate),
        "{verdict:?}"
    );
    let written = Person::new(house, "+447400123501")
        .offers(Basis::Written)
        .await;
    written.passes("UK-4", gate, Promotional).await;
    let listed = uk(123_501).await;

    // An older list, a wrong file and a wrong query change nothing; a newer one takes its place whole.
    for (country, date, body, status) in [
        ("GB", "2026-11-19", "07400123502", 409),
        ("GB", "2026-11-24", "07400123502", 422),
        ("GB", "2026-11-21", "not a list\nat all", 422),
        ("FR", "2026-11-21", "07400123502", 422),
        ("GB", "yesterday", "07400123502", 422),
    ] {
        let refused = import(country, date, body).await;
        assert_eq!(refused.status.as_u16(), status, "{}", refused.text());
    }
    let listed = listed.blocks("UK-4", gate, Promotional).await;
    let many: String = (0..5_000)
        .map(|n| format!("0740012{:04}\r\n", 3_502 + n))
        .collect();
    let done = import("GB", "2026-11-21", &many).await;
    assert_eq!(done.json()["list"]["numbers"], 5_000, "{}", done.text());
    let free = free.blocks("UK-4", gate, Promotional).await;
    listed.passes("UK-4", gate, Promotional).await;

    // US-9: a permission in writing exempts from a list the person is on.
    let done = import("US", "2026-11-20", "303,5550191\n").await;
    assert_eq!(done.status.as_u16(), 200, "{}", done.text());
    let here = Person::new(house, "+13035550191")
        .offers(Basis::Written)
        .await;
    here.passes("US-9", gate, Promotional).await;

    // The lists of one business are not another's.
    let wren = house.wren;
    let theirs = house
        .app
        .ask(move |store| store.national_lists(wren))
        .await
        .unwrap();
    assert!(theirs.is_empty());

    // 28 days on the list is asked for the last time; the day after it blocks whatever is on it.
    house.pass(26 * 86_400);
    let other = Person::new(house, "+447400923501")
        .offers(Basis::SoftOptIn)
        .await;
    let other = other.passes("UK-4", gate, Promotional).await;
    house.pass(86_400);
    let (message, _) = other.gets(Promotional).await;
    other.blocks("UK-4", gate, Promotional).await;
    assert!(
        message
            .why
            .unwrap()
            .detail
            .contains("more than 28 days old")
    );
    drop(free);
}

/// ST-1: whoever works the leads is asked once before texts come, hears by mail until then and after a STOP, and the others are told.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn staff_confirm_their_number_and_may_say_stop() {
    let house = &House::open().await;
    let tenant = house.alder;
    let number = "+13035550195";
    let ray = ringback_core::turn::StaffMember {
        name: "Ray Poe".into(),
        phone: Some(number.into()),
        email: Some("ray@example.com".into()),
        roles: vec!["agent".into()],
        lists: Vec::new(),
        on_call: false,
    };
    house
        .app
        .change(move |writer| writer.put_staff(tenant, &ray))
        .await
        .unwrap();
    let alert = async || {
        let compose = Compose {
            lead: None,
            staff: Some("Ray Poe".into()),
            to: None,
            channel: Sms,
            category: Category::Staff,
            body: Some("Alder: a lead waits.".into()),
            subject: None,
            template: None,
            data: serde_json::Value::Null,
            send_at: None,
            actor: "test".into(),
            sandbox: false,
        };
        let answer = house
            .app
            .take(tenant, Intake::Compose(Box::new(compose)), None)
            .await
            .unwrap();
        let Answer::Composed { id, .. } = answer else {
            panic!("{answer:?}")
        };
        let message = house.message(tenant, id).await;
        let verdict: VerdictView = serde_json::from_str(&message.verdict).unwrap();
        (message, verdict)
    };
    let mails = async |to: &'static str| -> Vec<String> {
        house
            .messages(tenant)
            .await
            .into_iter()
            .filter(|one| one.channel == Mail && one.recipient == to)
            .map(|one| one.body.unwrap_or_default())
            .collect()
    };
    let questions = async || {
        house
            .messages(tenant)
            .await
            .into_iter()
            .filter(|one| one.plan.asks_staff)
            .collect::<Vec<_>>()
    };

    for n in 1..=2 {
        let (message, verdict) = alert().await;
        let consent = said(&verdict, "consent");
        assert_eq!(
            (consent.says.as_str(), consent.rule.as_str()),
            ("block", "ST-1"),
            "{verdict:?}"
        );
        assert_eq!(message.status, Status::Blocked);
        assert!(
            message
                .why
                .unwrap()
                .detail
                .contains("Said by email instead.")
        );
        let mails = mails("ray@example.com").await;
        assert_eq!(mails.len(), n, "each alert goes by mail");
        assert!(mails[0].contains("a lead waits"));
        assert_eq!(
            questions().await.len(),
            1,
            "one question, however many alerts"
        );
    }
    let asked = house
        .until("the question arrives", async || house.far.to(number).pop())
        .await;
    assert!(
        asked.contains("Reply YES") && asked.contains("/c/"),
        "{asked}"
    );

    // The link confirms at the press of its button, and not by being looked at.
    let link = asked.split(' ').find(|word| word.contains("/c/")).unwrap();
    let path = link.strip_prefix(crate::house::PUBLIC).unwrap();
    let page = house.get(path).await;
    assert!(
        page.status.is_success() && page.text().contains("Yes, text me"),
        "{}",
        page.text()
    );
    assert_eq!(alert().await.0.status, Status::Blocked);
    assert!(house.post_form(path, &[]).await.status.is_success());
    let (message, verdict) = alert().await;
    let consent = said(&verdict, "consent");
    assert_eq!(
        (consent.says.as_str(), consent.rule.as_str()),
        ("pass", "ST-1"),
        "{verdict:?}"
    );
    assert_ne!(message.status, Status::Blocked);

    // STOP: no text any more, the alert by mail, and whoever runs the business hears it.
    let before = mails("ray@example.com").await.len();
    let ray = Person::new(house, number).writes("STOP").await;
    let told = mails("ruth@example.com").await;
    assert!(
        told.iter()
            .any(|text| text.contains("Ray Poe answered STOP")),
        "{told:?}"
    );
    let (message, verdict) = alert().await;
    assert_eq!(said(&verdict, "suppression").says, "block");
    assert!(
        message
            .why
            .unwrap()
            .detail
            .contains("Said by email instead.")
    );
    assert_eq!(mails("ray@example.com").await.len(), before + 1);
    // The old link does not undo a STOP.
    house.post_form(path, &[]).await;
    assert_eq!(alert().await.0.status, Status::Blocked);

    // Only the person undoes it.
    ray.writes("START").await;
    let (message, verdict) = alert().await;
    assert_eq!(said(&verdict, "consent").says, "pass", "{verdict:?}");
    assert_ne!(message.status, Status::Blocked);
}

/// ST-1: YES confirms as well as the link, and nobody else's does.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_yes_confirms_the_number_of_staff_alone() {
    let house = &House::open().await;
    let tenant = house.alder;
    let (staff, other) = ("+13035550196", "+13035550197");
    let member = ringback_core::turn::StaffMember {
        name: "Lou Hay".into(),
        phone: Some(staff.into()),
        email: None,
        roles: Vec::new(),
        lists: Vec::new(),
        on_call: false,
    };
    house
        .app
        .change(move |writer| writer.put_staff(tenant, &member))
        .await
        .unwrap();
    let stands = async |number: &'static str| {
        house
            .app
            .ask(move |store| store.staff_number(tenant, number))
            .await
            .unwrap()
            .as_str()
    };
    assert_eq!(stands(staff).await, "unasked");
    Person::new(house, other).writes("YES").await;
    assert_eq!(stands(other).await, "unasked");
    let lou = Person::new(house, staff).writes("YES").await;
    assert_eq!(stands(staff).await, "confirmed");
    house
        .until("the answer arrives", async || {
            house
                .far
                .to(staff)
                .into_iter()
                .find(|text| text.contains("confirmed"))
        })
        .await;
    lou.writes("stop").await;
    assert_eq!(stands(staff).await, "stopped");
}

/// A sign-off of a rule that cannot be loosened, or one that says nothing, is refused with the folder.
#[test]
fn only_some_rules_can_be_signed_off() {
    let load = |sign_offs: &str| {
        let text = format!(
            "name: A\nregion: US\ntime_zone: America/Denver\ncompliance:\n  sign_offs:\n    - {sign_offs}\n"
        );
        let documents = std::collections::BTreeMap::from([(
            "tenant.yaml".to_owned(),
            ringback_core::config::Document::new(text),
        )]);
        let problems = ringback_core::config::load(&documents).unwrap_err();
        problems
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join("\n")
    };
    let good = load("{ rule: EX-1, by: Inez, on: 2026-11-20, reason: gas }");
    assert!(!good.contains("sign_offs"), "{good}");
    assert!(
        load("{ rule: US-1, by: Inez, on: 2026-11-20, reason: I like it }")
            .contains("only EX-1 can")
    );
    assert!(
        load("{ rule: EX-1, by: \"\", on: 2026-11-20, reason: gas }").contains("says who and why")
    );
}
