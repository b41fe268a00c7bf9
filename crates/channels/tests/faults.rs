//! N1, N2, N11: what each provider's own answers mean, and what our requests carry. What breaks on the way, alike for all, is in
//! `matrix.rs`.

#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

mod support;

use ringback_channels::open;
use ringback_core::messages::{Outcome, ProviderRef, Suppress};
use std::{sync::Arc, time::Duration};
use support::{Reply, Server, answer, channel, http, outgoing, settings, taken, word};
use tokio::net::TcpListener;

const HTTP_PROVIDERS: [&str; 5] = ["twilio", "resend", "ses", "sendgrid", "webhook"];

async fn sent(provider: &str, server: &Server) -> Outcome {
    channel(provider, &server.url())
        .send(&outgoing(provider))
        .await
}

async fn outcome_of(provider: &str, reply: Reply) -> Outcome {
    let server = Server::always(reply).await;
    let outcome = sent(provider, &server).await;
    assert_eq!(
        server.requests().len(),
        1,
        "{provider}: exactly one request"
    );
    outcome
}

#[tokio::test]
async fn a_taken_message_is_accepted_under_the_providers_name() {
    for provider in HTTP_PROVIDERS {
        let (reply, name) = taken(provider);
        match outcome_of(provider, reply).await {
            Outcome::Accepted { reference, cost } => {
                assert_eq!(reference, ProviderRef(name.to_owned()));
                assert_eq!(cost, None);
            }
            Outcome::Delivered { reference, .. } => {
                assert_eq!(provider, "webhook");
                assert_eq!(reference.0, outgoing(provider).key);
            }
            other => panic!("{provider}: {other:?}"),
        }
    }
}

/// Two hundred at once, a third of which meets trouble: every outcome fits what the server did with that very request.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_at_once_do_not_mix_up_their_outcomes() {
    let server = Server::with(|number| match number % 3 {
        0 => answer("201 Created", &[], r#"{"sid":"SM1"}"#),
        1 => Reply::Cut(Vec::new()),
        _ => answer("429 Slow", &[], r#"{"code":20429}"#),
    })
    .await;
    let channel = channel("twilio", &server.url());
    let mut all = tokio::task::JoinSet::new();
    for _ in 0..200 {
        let channel = Arc::clone(&channel);
        all.spawn(async move { word(&channel.send(&outgoing("twilio")).await) });
    }
    let words = all.join_all().await;
    let count = |wanted| words.iter().filter(|word| **word == wanted).count();
    let requests = server.requests().len();
    assert_eq!(requests, 200, "each message made one request");
    assert_eq!(count("accepted"), 67);
    assert_eq!(count("unknown"), 67);
    assert_eq!(count("retry"), 66);
}

#[tokio::test]
async fn twilios_codes_fall_into_their_class() {
    for (status, code, expected, suppress, after) in [
        ("400 Bad", 21211, "permanent", Suppress::Invalid, None),
        ("400 Bad", 21610, "permanent", Suppress::OptedOut, None),
        ("400 Bad", 21614, "permanent", Suppress::Invalid, None),
        ("400 Bad", 21408, "config", Suppress::No, None),
        ("400 Bad", 21606, "config", Suppress::No, None),
        ("400 Bad", 21611, "retry", Suppress::No, Some(120)),
        ("400 Bad", 14107, "retry", Suppress::No, Some(30)),
        ("400 Bad", 21617, "permanent", Suppress::No, None),
        ("400 Bad", 99_999, "permanent", Suppress::No, None),
        ("401 No", 20003, "config", Suppress::No, None),
        ("404 No", 20404, "config", Suppress::No, None),
        ("403 No", 12345, "config", Suppress::No, None),
        ("429 Slow", 20429, "retry", Suppress::No, None),
        ("500 Oops", 20500, "unknown", Suppress::No, None),
        ("503 Oops", 20503, "unknown", Suppress::No, None),
    ] {
        let body = format!(
            r#"{{"code":{code},"message":"about +12065550100","more_info":"https://www.twilio.com/docs/errors/{code}","status":400}}"#
        );
        let outcome = outcome_of("twilio", answer(status, &[], &body)).await;
        assert_eq!(word(&outcome), expected, "{code}");
        if let Outcome::Permanent {
            suppress: found, ..
        } = &outcome
        {
            assert_eq!(*found, suppress, "{code}");
        }
        if let Outcome::Retryable { after: found, .. } = &outcome {
            assert_eq!(found.map(|found| found.as_secs()), after, "{code}");
        }
        // Reasons are shown to many: no numbers of people in them.
        assert!(
            !format!("{outcome:?}").contains("2065550100"),
            "{outcome:?}"
        );
    }
    let failed = answer(
        "201 Created",
        &[],
        r#"{"sid":"SM1","status":"failed","error_code":30034}"#,
    );
    assert_eq!(word(&outcome_of("twilio", failed).await), "config");
}

#[tokio::test]
async fn resends_names_fall_into_their_class() {
    for (status, name, expected) in [
        ("422 No", "missing_required_field", "permanent"),
        ("422 No", "invalid_parameter", "permanent"),
        ("422 No", "invalid_attachment", "permanent"),
        ("400 No", "invalid_idempotency_key", "permanent"),
        ("400 No", "validation_error", "permanent"),
        ("401 No", "restricted_api_key", "config"),
        ("403 No", "invalid_access", "config"),
        ("403 No", "suspended_api_key", "config"),
        ("404 No", "not_found", "config"),
        ("405 No", "method_not_allowed", "config"),
        ("422 No", "invalid_region", "config"),
        ("429 No", "monthly_quota_exceeded", "retry"),
        ("500 No", "internal_server_error", "unknown"),
        ("403 No", "validation_error", "config"),
        ("422 No", "validation_error", "permanent"),
        ("401 No", "missing_api_key", "config"),
        ("403 No", "invalid_api_key", "config"),
        ("422 No", "invalid_from_address", "config"),
        ("409 No", "concurrent_idempotent_requests", "retry"),
        ("409 No", "invalid_idempotent_request", "unknown"),
        ("429 No", "rate_limit_exceeded", "retry"),
        ("429 No", "daily_quota_exceeded", "retry"),
        ("451 No", "security_error", "permanent"),
        ("500 No", "application_error", "unknown"),
        ("418 No", "something_new", "permanent"),
    ] {
        let body =
            format!(r#"{{"statusCode":400,"name":"{name}","message":"about lead@example.test"}}"#);
        let outcome = outcome_of("resend", answer(status, &[], &body)).await;
        assert_eq!(word(&outcome), expected, "{status} {name}");
        assert!(!format!("{outcome:?}").contains("lead@"), "{outcome:?}");
    }
    // When to come back: what Retry-After says, else when the window of the account ends.
    let body = r#"{"statusCode":429,"name":"rate_limit_exceeded","message":"x"}"#;
    for (headers, expected) in [
        (&[("ratelimit-reset", "3")][..], Some(3)),
        (&[("ratelimit-reset", "3"), ("retry-after", "9")], Some(9)),
        (&[("ratelimit-reset", "99999999")], Some(86_400)),
        (&[("ratelimit-reset", "soon")], None),
        (&[], None),
    ] {
        let outcome = outcome_of("resend", answer("429 No", headers, body)).await;
        let Outcome::Retryable { after, .. } = outcome else {
            panic!("{outcome:?}")
        };
        assert_eq!(after.map(|after| after.as_secs()), expected, "{headers:?}");
    }
}

#[tokio::test]
async fn the_types_of_ses_fall_into_their_class() {
    for (status, kind, message, expected) in [
        ("429 No", "TooManyRequestsException", "", "retry"),
        (
            "400 No",
            "ThrottlingException",
            "Maximum sending rate exceeded.",
            "retry",
        ),
        (
            "400 No",
            "LimitExceededException",
            "Daily message quota exceeded",
            "retry",
        ),
        (
            "400 No",
            "MessageRejected",
            "Email address is not verified.",
            "config",
        ),
        ("400 No", "MessageRejected", "virus", "permanent"),
        ("400 No", "MailFromDomainNotVerifiedException", "", "config"),
        ("400 No", "SendingPausedException", "", "config"),
        ("400 No", "AccountSuspendedException", "", "config"),
        ("403 No", "AccessDeniedException", "", "config"),
        ("403 No", "InvalidClientTokenId", "", "config"),
        ("403 No", "ExpiredTokenException", "", "config"),
        ("400 No", "LimitExceededException", "too many", "retry"),
        ("429 No", "TooManyRequestsException", "slow down", "retry"),
        ("418 No", "SomethingNewException", "", "permanent"),
        ("404 No", "NotFoundException", "", "config"),
        ("400 No", "BadRequestException", "", "permanent"),
        ("403 No", "SignatureDoesNotMatch", "", "config"),
        ("403 No", "RequestExpired", "", "config"),
        ("500 No", "InternalFailure", "", "unknown"),
        ("503 No", "ThrottlingException", "", "unknown"),
    ] {
        let header = format!("{kind}:http://internal.amazon.com/coral/");
        let body = format!(r#"{{"message":"{message}"}}"#);
        let outcome = outcome_of(
            "ses",
            answer(status, &[("x-amzn-errortype", &header)], &body),
        )
        .await;
        assert_eq!(word(&outcome), expected, "{kind}");
        let body = format!(r#"{{"__type":"com.amazonaws.ses#{kind}","Message":"{message}"}}"#);
        let outcome = outcome_of("ses", answer(status, &[], &body)).await;
        assert_eq!(word(&outcome), expected, "{kind} in the body");
    }
}

#[tokio::test]
async fn a_receiver_may_ask_to_be_left_alone() {
    let abort = answer("503 Oops", &[("webhook-delivery", "abort-message")], "");
    assert_eq!(word(&outcome_of("webhook", abort).await), "permanent");
    assert_eq!(
        word(&outcome_of("webhook", answer("410 Gone", &[], "")).await),
        "config"
    );
}

#[tokio::test]
async fn hostile_messages_are_refused_before_anything_is_called() {
    let server = Server::always(answer("200 OK", &[], "{}")).await;
    for provider in ["resend", "ses", "sendgrid"] {
        let channel = channel(provider, &server.url());
        for change in 0..6 {
            let mut message = outgoing(provider);
            let ringback_core::messages::Content::Mail {
                subject,
                reply_to,
                headers,
                ..
            } = &mut message.content
            else {
                unreachable!()
            };
            match change {
                0 => *subject = "Hello\r\nBcc: other@example.test".into(),
                1 => headers.push(("X-A\r\nBcc".into(), "x".into())),
                2 => headers.push(("X-A".into(), "x\nBcc: y".into())),
                3 => *reply_to = Some("a@b.example\r\nX: y".into()),
                4 => message.to = "a@b.example, c@d.example".into(),
                _ => message.from_name = Some("Acme\r\nBcc: x".into()),
            }
            assert_eq!(
                word(&channel.send(&message).await),
                "permanent",
                "{provider} {change}"
            );
        }
        assert_eq!(word(&channel.send(&outgoing("twilio")).await), "permanent");
    }
    assert_eq!(server.requests().len(), 0);
}

#[tokio::test]
async fn probes_tell_what_they_found_without_sending() {
    for (provider, body, expected) in [
        (
            "twilio",
            r#"{"balance":"12.34","currency":"USD"}"#,
            "12.34 USD",
        ),
        (
            "resend",
            r#"{"data":[{"status":"verified"},{"status":"pending"}]}"#,
            "1 of 2",
        ),
        (
            "ses",
            r#"{"SendingEnabled":true,"ProductionAccessEnabled":false,"SendQuota":{"Max24HourSend":200.0,"MaxSendRate":1.0,"SentLast24Hours":50.0}}"#,
            "150 more mails today, 1 a second. The account is still in the SES sandbox",
        ),
        (
            "sendgrid",
            r#"{"scopes":["mail.send","sender_verification_eligible"]}"#,
            "may send mail",
        ),
        ("webhook", "", "status 200"),
    ] {
        let server = Server::always(answer("200 OK", &[], body)).await;
        let found = channel(provider, &server.url()).probe().await.unwrap();
        assert!(found.contains(expected), "{found}");
        let request = &server.requests()[0];
        assert_eq!(request.head.starts_with("GET "), provider != "webhook");
        let no = Server::always(answer("401 No", &[], "{}")).await;
        let why = channel(provider, &no.url()).probe().await.unwrap_err();
        assert!(why.detail.contains("credentials"), "{why:?}");
    }
    let only_sends = answer(
        "401 No",
        &[],
        r#"{"name":"restricted_api_key","message":"x","statusCode":401}"#,
    );
    let server = Server::always(only_sends).await;
    assert!(
        channel("resend", &server.url())
            .probe()
            .await
            .unwrap()
            .contains("only send")
    );
}

/// N2: SendGrid's refusals, by status, field and words.
#[tokio::test]
async fn sendgrids_refusals_fall_into_their_class() {
    let error = |field: &str, message: &str| {
        format!(r#"{{"errors":[{{"message":"{message}","field":{field},"help":null}}]}}"#)
    };
    let at_reset = [
        ("x-ratelimit-reset", "1767225665"),
        ("x-ratelimit-remaining", "0"),
    ];
    let both = [("x-ratelimit-reset", "1767225665"), ("retry-after", "7")];
    let past = [("x-ratelimit-reset", "1767225600")];
    let absurd = [("x-ratelimit-reset", "99999999999999")];
    for (status, headers, body, expected, suppress, after) in [
        (
            "400 No",
            &[][..],
            error(
                r#""personalizations.0.to.0.email""#,
                "Does not contain a valid address.",
            ),
            "permanent",
            Suppress::Invalid,
            None,
        ),
        (
            "400 No",
            &[],
            error(
                r#""personalizations""#,
                "Each email address should be unique",
            ),
            "permanent",
            Suppress::No,
            None,
        ),
        (
            "400 No",
            &[],
            error(
                r#""from.email""#,
                "The from email does not contain a valid address.",
            ),
            "config",
            Suppress::No,
            None,
        ),
        (
            "400 No",
            &[],
            error(r#""subject""#, "The subject is required."),
            "permanent",
            Suppress::No,
            None,
        ),
        (
            "400 No",
            &[],
            error("null", "Bad Request"),
            "permanent",
            Suppress::No,
            None,
        ),
        (
            "401 No",
            &[],
            error(
                "null",
                "The provided authorization grant is invalid, expired, or revoked",
            ),
            "config",
            Suppress::No,
            None,
        ),
        (
            "401 No",
            &[],
            error("null", "Maximum credits exceeded"),
            "retry",
            Suppress::No,
            Some(3600),
        ),
        (
            "403 No",
            &[],
            error(
                r#""from""#,
                "The from address does not match a verified Sender Identity.",
            ),
            "config",
            Suppress::No,
            None,
        ),
        (
            "403 No",
            &[],
            error("null", "access forbidden"),
            "config",
            Suppress::No,
            None,
        ),
        (
            "413 No",
            &[],
            "<html>413</html>".to_owned(),
            "permanent",
            Suppress::No,
            None,
        ),
        (
            "429 No",
            &at_reset[..],
            error("null", "too many requests"),
            "retry",
            Suppress::No,
            Some(60),
        ),
        (
            "429 No",
            &both[..],
            String::new(),
            "retry",
            Suppress::No,
            Some(7),
        ),
        (
            "429 No",
            &past[..],
            String::new(),
            "retry",
            Suppress::No,
            Some(0),
        ),
        (
            "429 No",
            &absurd[..],
            String::new(),
            "retry",
            Suppress::No,
            Some(86_400),
        ),
        ("429 No", &[], String::new(), "retry", Suppress::No, None),
        (
            "500 No",
            &[],
            error("null", "Internal error"),
            "unknown",
            Suppress::No,
            None,
        ),
        // A yes without the name of the mail comes from somebody else.
        (
            "202 Accepted",
            &[],
            String::new(),
            "unknown",
            Suppress::No,
            None,
        ),
        (
            "200 OK",
            &[("x-message-id", "m-1")][..],
            String::new(),
            "unknown",
            Suppress::No,
            None,
        ),
    ] {
        let outcome = outcome_of("sendgrid", answer(status, headers, &body)).await;
        assert_eq!(word(&outcome), expected, "{status} {body}: {outcome:?}");
        match outcome {
            Outcome::Permanent {
                suppress: found, ..
            } => assert_eq!(found, suppress, "{body}"),
            Outcome::Retryable { after: found, .. } => {
                assert_eq!(
                    found.map(|after| after.as_secs()),
                    after,
                    "{status} {headers:?}"
                );
            }
            _ => {}
        }
    }
}

/// T5: SendGrid's own links and footers stay off unless they are asked for, and its own headers cannot be taken over.
#[tokio::test]
async fn sendgrid_leaves_mails_as_they_are_written() {
    let server = Server::always(answer("202 Accepted", &[("x-message-id", "m")], "")).await;
    for (tracking, expected) in [
        (
            "no",
            serde_json::json!({"click_tracking": {"enable": false}, "open_tracking": {"enable": false}, "subscription_tracking": {"enable": false}}),
        ),
        (
            "yes",
            serde_json::json!({"subscription_tracking": {"enable": false}}),
        ),
    ] {
        let mut all = settings("sendgrid", &server.url());
        all.extend(support::map(&[
            ("tracking", tracking),
            ("ip_pool", "offers"),
        ]));
        let channel = open("sendgrid", &all, &http()).unwrap();
        assert_eq!(channel.capabilities().reports.engagement, tracking == "yes");
        assert_eq!(word(&channel.send(&outgoing("sendgrid")).await), "accepted");
        let request = server.requests().pop().unwrap();
        let body: serde_json::Value = serde_json::from_slice(&request.body).unwrap();
        assert_eq!(body["tracking_settings"], expected);
        assert_eq!(body["ip_pool_name"], "offers");
    }
    let calls = server.requests().len();
    let channel = channel("sendgrid", &server.url());
    for (header, to) in [
        ("Subject", "lead@example.test"),
        ("X-SG-EID", "lead@example.test"),
        ("X-Fine", "żółw@example.test"),
    ] {
        let mut message = outgoing("sendgrid");
        let ringback_core::messages::Content::Mail { headers, .. } = &mut message.content else {
            unreachable!()
        };
        headers.push((header.into(), "x".into()));
        message.to = to.into();
        assert_eq!(word(&channel.send(&message).await), "permanent", "{header}");
    }
    assert_eq!(server.requests().len(), calls);
    let only_reads = Server::always(answer("200 OK", &[], r#"{"scopes":["alerts.read"]}"#)).await;
    let why = support::channel("sendgrid", &only_reads.url())
        .probe()
        .await
        .unwrap_err();
    assert_eq!(why.code, "no_scope");
}

/// The requests as they stand on the line.
#[tokio::test]
async fn requests_carry_what_the_providers_ask_for() {
    for provider in HTTP_PROVIDERS {
        let (reply, _) = taken(provider);
        let server = Server::always(reply).await;
        sent(provider, &server).await;
        let request = server.requests().remove(0);
        assert_eq!(
            request.header("host"),
            Some(server.address.to_string().as_str())
        );
        assert_eq!(request.header("accept-encoding"), None);
        assert!(
            request
                .header("user-agent")
                .unwrap()
                .starts_with("ringback/")
        );
        let id = support::message_id().to_string();
        match provider {
            "twilio" => {
                assert!(request.head.starts_with(
                    "POST /2010-04-01/Accounts/AC00000000000000000000000000000001/Messages.json HTTP/1.1"
                ));
                let fields: Vec<(String, String)> = url::form_urlencoded::parse(&request.body)
                    .into_owned()
                    .collect();
                let field = |name: &str| {
                    let found = fields.iter().find(|(one, _)| one == name);
                    found.map(|(_, value)| value.as_str())
                };
                assert_eq!(field("To"), Some("+12065550100"));
                assert_eq!(field("From"), Some("+15005550006"));
                assert_eq!(
                    field("Body"),
                    Some("Hello, we got your request. Zażółć 👍 & more+")
                );
                assert_eq!(field("ValidityPeriod"), Some("900"));
                let callback = format!("https://leads.example.test/hooks/con_1/secret?m={id}");
                assert_eq!(field("StatusCallback"), Some(callback.as_str()));
            }
            "resend" => {
                assert_eq!(request.header("idempotency-key"), Some(id.as_str()));
                let body: serde_json::Value = serde_json::from_slice(&request.body).unwrap();
                assert_eq!(body["from"], "Acme <hello@example.test>");
                assert_eq!(
                    body["headers"]["List-Unsubscribe-Post"],
                    "List-Unsubscribe=One-Click"
                );
                assert_eq!(body["tags"][0]["value"], id.as_str());
                // The same message gives the same bytes, or Resend would refuse the key.
                sent(provider, &server).await;
                assert_eq!(server.requests()[1].body, request.body);
            }
            "sendgrid" => {
                assert!(request.head.starts_with("POST /v3/mail/send "));
                assert_eq!(request.header("authorization"), Some("Bearer SG.made-up"));
                let body: serde_json::Value = serde_json::from_slice(&request.body).unwrap();
                assert_eq!(
                    body["from"],
                    serde_json::json!({"email": "hello@example.test", "name": "Acme"})
                );
                assert_eq!(
                    body["headers"]["List-Unsubscribe-Post"],
                    "List-Unsubscribe=One-Click"
                );
                assert_eq!(body["content"][0]["type"], "text/plain");
                assert_eq!(body["content"][1]["type"], "text/html");
                let person = &body["personalizations"][0];
                assert_eq!(person["to"][0]["email"], "lead@example.test");
                assert_eq!(person["custom_args"]["message_ref"], id.as_str());
                assert_eq!(
                    person["custom_args"]["attempt_ref"],
                    outgoing(provider).attempt.to_string()
                );
            }
            "ses" => {
                assert!(request.head.starts_with("POST /v2/email/outbound-emails "));
                assert_eq!(request.header("x-amz-date"), Some("20260101T000005Z"));
                assert!(request.header("authorization").unwrap().contains(
                    "Credential=AKIDMADEUPFORTESTS01/20260101/us-east-1/ses/aws4_request, SignedHeaders=content-type;host;x-amz-date, Signature="
                ));
                let body: serde_json::Value = serde_json::from_slice(&request.body).unwrap();
                assert_eq!(body["EmailTags"][0]["Value"], id.as_str());
                assert_eq!(
                    body["Content"]["Simple"]["Headers"][1]["Name"],
                    "List-Unsubscribe-Post"
                );
                assert_eq!(body["ConfigurationSetName"], "engage");
            }
            _ => {
                let hook = ringback_channels::RawHook {
                    method: http::Method::POST,
                    url: String::new(),
                    headers: ["webhook-id", "webhook-timestamp", "webhook-signature"]
                        .into_iter()
                        .map(|name| {
                            (
                                name.parse().unwrap(),
                                request.header(name).unwrap().parse().unwrap(),
                            )
                        })
                        .collect(),
                    body: request.body.clone().into(),
                };
                let secret =
                    ringback_channels::signing::standard::Secret::parse(support::WHSEC).unwrap();
                let proven =
                    ringback_channels::signing::standard::verify(&[secret], &hook, support::now());
                assert_eq!(proven, Ok(id.as_str()));
            }
        }
    }
}

/// D2: a CRM's own bearer token and source header; N11: both secrets sign while they are rotated.
#[tokio::test]
async fn webhooks_carry_bearer_source_and_two_signatures() {
    let server = Server::always(answer("200 OK", &[], "")).await;
    let mut all = settings("webhook", &server.url());
    all.extend(support::map(&[
        ("bearer", "made-up-token"),
        ("source", "auto-glass"),
        (
            "secret_secondary",
            "whsec_bWFkZS11cC1zaWduaW5nLXNlY3JldC0yLWZvci10ZXN0cw==",
        ),
    ]));
    let channel = open("webhook", &all, &http()).unwrap();
    channel.send(&outgoing("webhook")).await;
    let request = server.requests().remove(0);
    assert_eq!(
        request.header("authorization"),
        Some("Bearer made-up-token")
    );
    assert_eq!(request.header("x-webhook-source"), Some("auto-glass"));
    let signatures = request.header("webhook-signature").unwrap();
    assert_eq!(
        signatures
            .split(' ')
            .filter(|one| one.starts_with("v1,"))
            .count(),
        2
    );
}

/// Over TLS the same connection serves again, and a certificate of another name ends the matter before anything is said.
#[tokio::test]
async fn tls_connections_are_trusted_by_name_and_used_again() {
    use ringback_channels::http::Resolve;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    struct Home;
    #[async_trait::async_trait]
    impl Resolve for Home {
        async fn resolve(&self, _host: &str) -> std::io::Result<Vec<std::net::IpAddr>> {
            Ok(vec!["127.0.0.1".parse().unwrap()])
        }
    }
    let (client, acceptor) = support::trusted(&["api.example.test"], "127.0.0.0/8", Arc::new(Home));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let handshakes = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let counted = Arc::clone(&handshakes);
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let Ok(mut stream) = acceptor.accept(stream).await else {
                continue;
            };
            counted.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            tokio::spawn(async move {
                let mut bytes = vec![0; 8192];
                while let Ok(read @ 1..) = stream.read(&mut bytes).await {
                    // Head and form come in one piece or two; the form's last field tells the end.
                    if !String::from_utf8_lossy(&bytes[..read]).contains("ValidityPeriod=900") {
                        continue;
                    }
                    let body = r#"{"sid":"SM1"}"#;
                    let answer = format!(
                        "HTTP/1.1 201 Created\r\ncontent-length: {}\r\n\r\n{body}",
                        body.len()
                    );
                    stream.write_all(answer.as_bytes()).await.unwrap();
                    stream.flush().await.unwrap();
                }
            });
        }
    });
    let good = open(
        "twilio",
        &settings("twilio", &format!("https://api.example.test:{port}")),
        &client,
    )
    .unwrap();
    for _ in 0..3 {
        let outcome = good.send(&outgoing("twilio")).await;
        assert_eq!(word(&outcome), "accepted", "{outcome:?}");
    }
    assert_eq!(handshakes.load(std::sync::atomic::Ordering::Relaxed), 1);
    let other = open(
        "twilio",
        &settings("twilio", &format!("https://other.example.test:{port}")),
        &client,
    )
    .unwrap();
    let outcome = other.send(&outgoing("twilio")).await;
    assert!(
        matches!(&outcome, Outcome::Retryable { why, .. } if why.code == "tls"),
        "{outcome:?}"
    );
}

/// Servers close resting connections after five seconds or later; we leave them after four, so that no request meets the close.
#[tokio::test]
async fn connections_that_rested_are_left() {
    let server = Server::always(answer("200 OK", &[], "")).await;
    let channel = channel("webhook", &server.url());
    for rest in [0, 3, 5] {
        tokio::time::pause();
        tokio::time::advance(Duration::from_secs(rest)).await;
        tokio::time::resume();
        let outcome = channel.send(&outgoing("webhook")).await;
        assert_eq!(word(&outcome), "delivered");
    }
    let connections: Vec<usize> = server.requests().iter().map(|one| one.connection).collect();
    assert_eq!(connections, [0, 0, 1]);
}

/// A worker that was frozen while it connected finds its time over and writes nothing.
#[tokio::test]
async fn a_frozen_worker_writes_nothing_when_it_wakes() {
    use ringback_channels::{Egress, Http, http::Resolve};
    /// Takes twelve seconds of the clock without ever waiting, as a freeze does.
    struct Freeze;
    #[async_trait::async_trait]
    impl Resolve for Freeze {
        async fn resolve(&self, _host: &str) -> std::io::Result<Vec<std::net::IpAddr>> {
            tokio::time::advance(Duration::from_secs(12)).await;
            Ok(vec!["127.0.0.1".parse().unwrap()])
        }
    }
    let server = Server::always(answer("201 Created", &[], r#"{"sid":"SM1"}"#)).await;
    let egress = Egress {
        allow: vec!["127.0.0.0/8".parse().unwrap()],
        allow_http: false,
    };
    let http = Http::with_resolver(egress, Arc::new(Freeze));
    let base = format!("http://api.example.test:{}", server.address.port());
    let channel = open("twilio", &settings("twilio", &base), &http).unwrap();
    tokio::time::pause();
    let outcome = channel.send(&outgoing("twilio")).await;
    tokio::time::resume();
    assert_eq!(word(&outcome), "retry", "{outcome:?}");
    assert_eq!(server.requests().len(), 0);
}
