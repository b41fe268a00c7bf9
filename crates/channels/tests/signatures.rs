//! H1: what comes in is proven first. Every published vector, and ten thousand forgeries.

#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

mod support;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use ringback_channels::{
    Channel, HookError, RawHook, open,
    signing::{
        sns::{Certificate, Envelope, is_certificate_url},
        standard::{Secret, verify as verify_standard},
        twilio::{Algorithm, Signed, verify},
    },
    testing,
};
use ringback_core::{messages::HookEvent, time::Timestamp};
use serde_json::Value;
use std::sync::Arc;
use support::{AUTH_TOKEN, SENDGRID, TOPIC, WHSEC, http, map, now, settings};

fn vectors(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

fn headers(vector: &Value) -> HeaderMap {
    vector["headers"]
        .as_object()
        .unwrap()
        .iter()
        .map(|(name, value)| {
            (
                HeaderName::try_from(name).unwrap(),
                HeaderValue::from_str(value.as_str().unwrap()).unwrap(),
            )
        })
        .collect()
}

fn seconds(value: &Value) -> Timestamp {
    Timestamp::from_second(value.as_i64().unwrap()).unwrap()
}

fn twilio_hook(vector: &Value) -> RawHook {
    RawHook {
        method: vector["method"]
            .as_str()
            .map_or(Method::POST, |name| name.parse().unwrap()),
        url: vector["url_seen"].as_str().unwrap().to_owned(),
        headers: headers(vector),
        body: Bytes::from(vector["raw_body"].as_str().unwrap_or_default().to_owned()),
    }
}

fn twilio(extra: &[(&str, &str)]) -> Arc<dyn Channel> {
    let mut all = settings("twilio", "https://api.example.com");
    all.extend(map(extra));
    open("twilio", &all, &http()).unwrap()
}

#[test]
fn twilio_forms_are_proven_as_its_own_libraries_do() {
    let file = vectors(include_str!("fixtures/twilio_form.json"));
    let all = file["vectors"].as_array().unwrap();
    assert!(all.len() >= 22);
    for vector in all {
        let token = vector["auth_token"].as_str().unwrap();
        let read = twilio(&[("auth_token", token)]).read(&twilio_hook(vector), now());
        let name = vector["name"].as_str().unwrap();
        match vector["expect"].as_str().unwrap() {
            "valid" => assert!(read.is_ok(), "{name}: {read:?}"),
            _ => assert_eq!(read, Err(HookError::BadSignature), "{name}"),
        }
    }
}

#[test]
fn the_second_token_counts_while_tokens_are_rotated() {
    let file = vectors(include_str!("fixtures/twilio_form.json"));
    let all = file["vectors"].as_array().unwrap();
    let old = all
        .iter()
        .find(|one| one["name"] == "signed_with_old_token")
        .unwrap();
    let channel = twilio(&[(
        "auth_token_secondary",
        file["other_tokens"]["old"].as_str().unwrap(),
    )]);
    assert!(channel.read(&twilio_hook(old), now()).is_ok());
}

#[test]
fn twilio_json_is_proven_by_the_hash_in_the_url() {
    let file = vectors(include_str!("fixtures/twilio_json.json"));
    for vector in file["vectors"].as_array().unwrap() {
        let token = vector["auth_token"].as_str().unwrap();
        let read = twilio(&[("auth_token", token)]).read(&twilio_hook(vector), now());
        let name = vector["name"].as_str().unwrap();
        match vector["expect"].as_str().unwrap() {
            "valid" => assert_eq!(read, Ok(Vec::new()), "{name}"),
            _ => assert_eq!(read, Err(HookError::BadSignature), "{name}"),
        }
    }
}

#[test]
fn twilio_shared_keys_are_proven_with_the_named_algorithm() {
    let file = vectors(include_str!("fixtures/twilio_shared_key.json"));
    for vector in file["vectors"].as_array().unwrap() {
        let name = vector["name"].as_str().unwrap();
        let secret = vector["shared_key_secret"].as_str().unwrap();
        let hook = twilio_hook(vector);
        let fields: Vec<(String, String)> = url::form_urlencoded::parse(&hook.body)
            .into_owned()
            .collect();
        let algorithm = hook
            .header("x-twilio-webhooks-signature-settings")
            .map_or(Some(Algorithm::Sha1), Algorithm::from_settings)
            .unwrap();
        let proven = verify(
            &[secret],
            algorithm,
            &hook.url,
            Signed::Form(&fields),
            hook.header("x-twilio-signature").unwrap(),
        );
        assert_eq!(proven, vector["expect"] == "valid", "{name}");
        // The same through the channel, which takes the key where Twilio says that it used it, else the token.
        let channel = twilio(&[("auth_token", secret), ("webhook_shared_key", secret)]);
        assert_eq!(channel.read(&hook, now()).is_ok(), proven, "{name}");
    }
    assert_eq!(Algorithm::from_settings("key=a,algorithm=HMAC_MD5"), None);
    assert_eq!(Algorithm::from_settings("key=a"), None);
}

#[test]
fn svix_and_standard_webhooks_are_proven() {
    let svix = vectors(include_str!("fixtures/svix_standard_webhooks.json"));
    for vector in svix["vectors"].as_array().unwrap() {
        let hook = RawHook {
            method: Method::POST,
            url: "https://leads.example.test/hooks".into(),
            headers: headers(vector),
            body: Bytes::from(vector["raw_body"].as_str().unwrap().to_owned()),
        };
        let secret = Secret::parse(vector["secret"].as_str().unwrap()).unwrap();
        let proven = verify_standard(&[secret], &hook, seconds(&vector["now_unix"]));
        assert_eq!(
            proven.is_ok(),
            vector["expect"] == "valid",
            "{}",
            vector["name"]
        );
    }
    let standard = vectors(include_str!("fixtures/standard_webhooks.json"));
    for case in standard["cases"].as_array().unwrap() {
        let Some(secret) = standard[case["verify_with"].as_str().unwrap()]
            .as_str()
            .and_then(Secret::parse)
        else {
            continue; // v1a is not ours
        };
        let hook = RawHook {
            method: Method::POST,
            url: String::new(),
            headers: headers(case),
            body: Bytes::from(case["body"].as_str().unwrap().to_owned()),
        };
        let proven = verify_standard(&[secret], &hook, seconds(&case["now"]));
        assert_eq!(
            Value::Bool(proven.is_ok()),
            case["valid"],
            "{}",
            case["name"]
        );
    }
}

fn sendgrid(key: &str) -> Arc<dyn Channel> {
    let mut all = settings("sendgrid", "https://api.example.com");
    all.insert("verification_key".into(), key.to_owned());
    open("sendgrid", &all, &http()).unwrap()
}

#[test]
fn sendgrids_events_are_proven_as_its_own_libraries_do() {
    let file = vectors(include_str!("fixtures/sendgrid_event.json"));
    let all = file["vectors"].as_array().unwrap();
    assert!(all.len() >= 10);
    for vector in all {
        let hook = RawHook {
            method: Method::POST,
            url: "https://leads.example.test/hooks".into(),
            headers: headers(vector),
            body: Bytes::from(vector["raw_body"].as_str().unwrap().to_owned()),
        };
        let key = vector["public_key_base64_der"].as_str().unwrap();
        let read = sendgrid(key).read(&hook, now());
        let name = vector["name"].as_str().unwrap();
        match vector["expect"].as_str().unwrap() {
            "valid" => {
                let events = read.unwrap_or_else(|error| panic!("{name}: {error}"));
                let listed: Vec<Value> = serde_json::from_slice(&hook.body).unwrap();
                assert_eq!(events.len(), listed.len(), "{name}");
            }
            _ => assert_eq!(read, Err(HookError::BadSignature), "{name}"),
        }
    }
}

/// SendGrid repeats for a day what was not taken; what is older, or from the future, is a replay.
#[test]
fn sendgrids_events_age_and_its_keys_are_changed() {
    let key = SENDGRID.verification_key();
    let channel = sendgrid(&key);
    let hook = SENDGRID.events("https://leads.example.test/h", now(), "[]");
    let after = |seconds: i64| {
        let at = Timestamp::from_second(now().as_second() + seconds).unwrap();
        channel.read(&hook, at)
    };
    assert!(after(25 * 3600).is_ok());
    assert_eq!(after(25 * 3600 + 1), Err(HookError::Stale));
    assert!(after(-300).is_ok());
    assert_eq!(after(-301), Err(HookError::Stale));
    // Another account's events, until its key stands beside ours.
    let other = testing::SendGrid::default();
    let foreign = other.events("https://leads.example.test/h", now(), "[]");
    assert_eq!(channel.read(&foreign, now()), Err(HookError::BadSignature));
    let mut all = settings("sendgrid", "https://api.example.com");
    all.insert(
        "verification_key_secondary".into(),
        other.verification_key(),
    );
    let both = open("sendgrid", &all, &http()).unwrap();
    assert!(both.read(&foreign, now()).is_ok() && both.read(&hook, now()).is_ok());
    // Without its headers nothing is proven.
    for name in [
        "x-twilio-email-event-webhook-signature",
        "x-twilio-email-event-webhook-timestamp",
    ] {
        let mut bare = hook.clone();
        bare.headers.remove(name);
        assert_eq!(channel.read(&bare, now()), Err(HookError::BadSignature));
    }
}

fn sns_file() -> Value {
    vectors(include_str!("fixtures/sns.json"))
}

fn sns_hook(vector: &Value) -> RawHook {
    RawHook {
        method: Method::POST,
        url: "https://leads.example.test/hooks".into(),
        headers: headers(vector),
        body: Bytes::from(vector["raw_body"].as_str().unwrap().to_owned()),
    }
}

fn ses_with_certificate(file: &Value) -> Arc<dyn Channel> {
    testing::trusting(
        &settings("ses", "https://email.example.com"),
        &http(),
        "https://sns.us-east-1.amazonaws.com/SimpleNotificationService-00000000000000000000000000000001.pem",
        file["certificate_pem"].as_str().unwrap().as_bytes(),
    )
    .unwrap()
}

#[test]
fn sns_messages_are_proven_by_the_certificate() {
    let file = sns_file();
    let certificate =
        Certificate::from_pem(file["certificate_pem"].as_str().unwrap().as_bytes()).unwrap();
    let channel = ses_with_certificate(&file);
    for vector in file["vectors"].as_array().unwrap() {
        let name = &vector["name"];
        let envelope: Envelope =
            serde_json::from_str(vector["raw_body"].as_str().unwrap()).unwrap();
        if let Some(text) = vector["string_to_sign"].as_str()
            && vector["signature_ok"] == true
        {
            assert_eq!(envelope.signed_text().as_deref(), Some(text), "{name}");
        }
        if let Some(ok) = vector["signature_ok"].as_bool() {
            assert_eq!(envelope.signed_by(&certificate), ok, "{name}");
        }
        let read = channel.read(&sns_hook(vector), now());
        match vector["expect"].as_str().unwrap() {
            "valid" => assert!(read.is_ok(), "{name}: {read:?}"),
            _ => assert_eq!(read, Err(HookError::BadSignature), "{name}"),
        }
    }
    let confirmation = &file["vectors"][3];
    assert!(matches!(
        channel.read(&sns_hook(confirmation), now()).unwrap()[..],
        [HookEvent::Confirm { .. }]
    ));
}

#[test]
fn sns_messages_age_and_certificates_end() {
    let file = sns_file();
    let channel = ses_with_certificate(&file);
    let hook = sns_hook(&file["vectors"][0]);
    let at = |text: &str| channel.read(&hook, text.parse().unwrap());
    assert!(at("2026-01-01T01:59:00Z").is_ok());
    assert_eq!(at("2026-01-01T02:01:00Z"), Err(HookError::Stale));
    assert_eq!(at("2025-12-31T23:54:00Z"), Err(HookError::Stale));
    assert_eq!(at("2045-01-02T00:00:00Z"), Err(HookError::BadSignature));
    assert_eq!(at("2024-12-31T23:59:59Z"), Err(HookError::BadSignature));
}

#[test]
fn certificates_are_only_taken_from_the_house_of_sns() {
    for case in sns_file()["cert_url_cases"].as_array().unwrap() {
        let url = case["url"].as_str().unwrap();
        assert_eq!(
            Value::Bool(is_certificate_url(url)),
            case["accept"],
            "{url}"
        );
    }
}

#[test]
fn certificates_of_any_bytes_never_panic() {
    let file = sns_file();
    let pem = file["certificate_pem"].as_str().unwrap();
    for cut in 0..pem.len() {
        let _whatever = Certificate::from_pem(&pem.as_bytes()[..cut]);
        let mut changed = pem.as_bytes().to_vec();
        changed[cut] = changed[cut].wrapping_add(1);
        let _whatever = Certificate::from_pem(&changed);
    }
}

/// A small generator that needs no seed file: xorshift.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % limit as u64).unwrap()
    }
}

/// Flips one bit somewhere in body, signature headers or URL. None when nothing that can be sent comes of it.
fn flipped(hook: &RawHook, signed: &[&'static str], dice: &mut Dice) -> Option<RawHook> {
    let mut forged = hook.clone();
    let bit = 1 << dice.below(8);
    match dice.below(3) {
        0 => {
            let mut body = hook.body.to_vec();
            let at = dice.below(body.len());
            body[at] ^= bit;
            forged.body = Bytes::from(body);
        }
        1 => {
            let name = signed[dice.below(signed.len())];
            let mut value = hook.headers.get(name)?.as_bytes().to_vec();
            let at = dice.below(value.len());
            value[at] ^= bit;
            forged
                .headers
                .insert(name, HeaderValue::from_bytes(&value).ok()?);
        }
        _ => {
            let mut url = hook.url.clone().into_bytes();
            let at = dice.below(url.len());
            url[at] ^= bit;
            forged.url = String::from_utf8(url).ok()?;
        }
    }
    Some(forged)
}

/// Of ten thousand forged webhooks none is taken for anything else than what was signed.
#[test]
fn no_flipped_bit_is_accepted() {
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
    let url = "https://leads.example.test/hooks/con_1/secret?m=msg_0000000000001";
    let status = testing::twilio_status(AUTH_TOKEN, url, "SM1", "undelivered", Some("30005"));
    let inbound = testing::twilio_inbound(
        AUTH_TOKEN,
        url,
        "SM2",
        "+12065550100",
        "+15005550006",
        "STOP now",
    );
    let body = r#"{"type":"email.delivered","created_at":"2026-01-01T00:00:00Z","data":{"email_id":"e1"}}"#;
    let resend = testing::svix(WHSEC, "", "msg_1", now(), body).unwrap();
    let events = r#"[{"event":"delivered","timestamp":1767225601,"sg_event_id":"e-1"}]"#;
    let events = SENDGRID.events("-", now(), events);
    let channels = [
        (
            sendgrid(&SENDGRID.verification_key()),
            events,
            &[
                "x-twilio-email-event-webhook-signature",
                "x-twilio-email-event-webhook-timestamp",
            ][..],
        ),
        (twilio(&[]), status, &["x-twilio-signature"][..]),
        (twilio(&[]), inbound, &["x-twilio-signature"]),
        (
            open(
                "resend",
                &settings("resend", "https://api.example.com"),
                &http(),
            )
            .unwrap(),
            RawHook {
                url: "-".into(),
                ..resend
            },
            &["svix-id", "svix-timestamp", "svix-signature"],
        ),
    ];
    let (mut tried, mut same_meaning) = (0, 0);
    for (channel, hook, signed) in &channels {
        let honest = channel.read(hook, now()).unwrap();
        assert!(!honest.is_empty());
        let mut here = 0;
        while here < 3_000 {
            let Some(forged) = flipped(hook, signed, &mut dice) else {
                continue;
            };
            // The URL of a webhook is our own and not a part of what Svix or SendGrid signs.
            if hook.url == "-" && forged.url != hook.url {
                continue;
            }
            here += 1;
            // "%2b" for "%2B" is another spelling of the same fields, which is what Twilio signs.
            match channel.read(&forged, now()) {
                Err(_) => {}
                Ok(events) if events == honest => {
                    let fields = |hook: &RawHook| -> Vec<_> {
                        url::form_urlencoded::parse(&hook.body)
                            .into_owned()
                            .collect()
                    };
                    assert_eq!(fields(&forged), fields(hook), "{forged:?}");
                    assert_ne!(hook.url, "-");
                    same_meaning += 1;
                }
                Ok(events) => panic!("accepted {forged:?} as {events:?}"),
            }
        }
        tried += here;
    }
    assert!(same_meaning < 100, "{same_meaning}");
    tried += no_flipped_bit_of_sns_is_accepted(&mut dice);
    assert!(tried >= 10_000);
}

/// Of an SNS post, everything that is used is signed; flips in what is not used (such as UnsubscribeURL) change nothing.
fn no_flipped_bit_of_sns_is_accepted(dice: &mut Dice) -> usize {
    let file = sns_file();
    let channel = ses_with_certificate(&file);
    let hook = sns_hook(&file["vectors"][0]);
    let honest = channel.read(&hook, now()).unwrap();
    let text = String::from_utf8(hook.body.to_vec()).unwrap();
    let unused = text.find("\"UnsubscribeURL\"").unwrap();
    let unused = unused..unused + text[unused..].find("\", \"").unwrap();
    let mut tried = 0;
    while tried < 1_500 {
        let mut body = hook.body.to_vec();
        let at = dice.below(body.len());
        body[at] ^= 1 << dice.below(8);
        if unused.contains(&at) {
            continue;
        }
        tried += 1;
        let forged = RawHook {
            body: Bytes::from(body),
            ..hook.clone()
        };
        match channel.read(&forged, now()) {
            Err(_) => {}
            // White space between JSON's words is nobody's meaning.
            Ok(events) => assert_eq!(events, honest),
        }
    }
    tried
}

#[test]
fn our_own_sns_stand_in_signs_what_the_door_accepts() {
    let sns = testing::Sns::new(TOPIC);
    let channel = sns
        .channel(&settings("ses", "https://email.example.com"), &http())
        .unwrap();
    let url = "https://leads.example.test/hooks";
    let event = r#"{"eventType":"Delivery","mail":{"messageId":"m","tags":{}},"delivery":{}}"#;
    let hook = sns.notification(url, "id-1", now(), event);
    assert_eq!(channel.read(&hook, now()).unwrap().len(), 1);
    let other = testing::Sns::new(TOPIC).notification(url, "id-1", now(), event);
    assert_eq!(channel.read(&other, now()), Err(HookError::BadSignature));
    assert!(matches!(
        channel
            .read(&sns.confirmation(url, "id-2", now()), now())
            .unwrap()[..],
        [HookEvent::Confirm { .. }]
    ));
}

#[test]
fn without_a_secret_nothing_is_believed() {
    let mut all = settings("resend", "https://api.example.com");
    all.remove("webhook_secret");
    let channel = open("resend", &all, &http()).unwrap();
    let hook = testing::svix(WHSEC, "", "msg_1", now(), "{}").unwrap();
    assert!(matches!(
        channel.read(&hook, now()),
        Err(HookError::NotConfigured(_))
    ));
    let mut all = settings("sendgrid", "https://api.example.com");
    all.remove("verification_key");
    let channel = open("sendgrid", &all, &http()).unwrap();
    let hook = SENDGRID.events("", now(), "[]");
    assert!(matches!(
        channel.read(&hook, now()),
        Err(HookError::NotConfigured(_))
    ));
    let mut all = settings("ses", "https://email.example.com");
    all.remove("topic_arn");
    let channel = open("ses", &all, &http()).unwrap();
    let hook = sns_hook(&sns_file()["vectors"][0]);
    assert!(matches!(
        channel.read(&hook, now()),
        Err(HookError::NotConfigured(_))
    ));
}

#[test]
fn a_signature_that_comes_twice_is_none() {
    let mut hook = testing::twilio_status(
        AUTH_TOKEN,
        "https://leads.example.test/h",
        "SM1",
        "sent",
        None,
    );
    let again = hook.headers["x-twilio-signature"].clone();
    hook.headers.append("x-twilio-signature", again);
    assert_eq!(twilio(&[]).read(&hook, now()), Err(HookError::BadSignature));
}

/// The certificate is fetched once through the guarded client, and never for a topic or from a place that is not ours to hear.
#[tokio::test]
async fn the_certificate_of_sns_is_fetched_once() {
    use ringback_channels::http::Resolve;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    struct Home;
    #[async_trait::async_trait]
    impl Resolve for Home {
        async fn resolve(&self, _host: &str) -> std::io::Result<Vec<std::net::IpAddr>> {
            Ok(vec!["127.77.0.1".parse().unwrap()])
        }
    }
    // The address of a certificate has no port, so the stand-in must listen at 443.
    let Ok(listener) = tokio::net::TcpListener::bind("127.77.0.1:443").await else {
        #[allow(
            clippy::print_stdout,
            reason = "a skipped test must say that it was skipped"
        )]
        {
            println!(
                "port 443 of loopback cannot be bound here: fetching the certificate was not tested"
            );
        }
        return;
    };
    let (client, acceptor) = support::trusted(
        &["sns.us-east-1.amazonaws.com"],
        "127.77.0.0/16",
        Arc::new(Home),
    );
    let file = sns_file();
    let pem = file["certificate_pem"].as_str().unwrap().to_owned();
    let fetched = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&fetched);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let Ok(mut stream) = acceptor.accept(stream).await else {
                continue;
            };
            let mut bytes = vec![0; 4096];
            let _request = stream.read(&mut bytes).await;
            counted.fetch_add(1, Ordering::Relaxed);
            let answer = format!(
                "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{pem}",
                pem.len()
            );
            let _gone = stream.write_all(answer.as_bytes()).await;
            let _gone = stream.shutdown().await;
        }
    });
    let channel = open(
        "ses",
        &settings("ses", "https://email.us-east-1.amazonaws.com"),
        &client,
    )
    .unwrap();
    let find = |name: &str| {
        let all = file["vectors"].as_array().unwrap();
        sns_hook(all.iter().find(|one| one["name"] == name).unwrap())
    };
    let honest = find("bounce_v2");
    assert!(matches!(
        channel.read(&honest, now()),
        Err(HookError::NotConfigured(_))
    ));
    for _ in 0..3 {
        assert_eq!(channel.prepare(&honest).await, Ok(()));
        assert_eq!(channel.read(&honest, now()).unwrap().len(), 1);
    }
    for refused in ["wrong_topic_arn", "cert_url_bad_host", "unknown_version"] {
        assert_eq!(
            channel.prepare(&find(refused)).await,
            Err(HookError::BadSignature),
            "{refused}"
        );
    }
    assert_eq!(fetched.load(Ordering::Relaxed), 1);
}
