//! W5: a mistake in the settings of a connection is answered with the setting and the mend.

#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

mod support;

use ringback_channels::{catalogue, open, sandbox};
use ringback_core::messages::{ChannelKind, Outcome};
use support::{http, map, outgoing, settings};

#[test]
fn what_is_missing_or_wrong_is_named() {
    let good = |provider| settings(provider, "https://api.example.com");
    for (provider, change, setting) in [
        ("twilio", ("account_sid", ""), "account_sid"),
        ("twilio", ("account_sid", "SK1"), "account_sid"),
        ("twilio", ("account_sid", "AC/../../x"), "account_sid"),
        ("twilio", ("auth_token", " "), "auth_token"),
        ("twilio", ("from", ""), "from"),
        (
            "twilio",
            ("messaging_service_sid", "XX1"),
            "messaging_service_sid",
        ),
        ("twilio", ("api_sid", "SK1"), "api_secret"),
        ("twilio", ("api_secret", "x"), "api_sid"),
        ("twilio", ("answers_opt_out", "perhaps"), "answers_opt_out"),
        ("twilio", ("rate_per_second", "fast"), "rate_per_second"),
        (
            "twilio",
            ("base_url", "https://api.example.com?x=1"),
            "base_url",
        ),
        ("twilio", ("colour", "red"), "colour"),
        ("resend", ("api_key", ""), "api_key"),
        ("resend", ("api_key", "a\nb"), "api_key"),
        ("resend", ("from", "Acme"), "from"),
        ("resend", ("webhook_secret", "whsec_!"), "webhook_secret"),
        ("resend", ("base_url", "ftp://example.com"), "base_url"),
        ("ses", ("region", "us-east-1.evil.example/"), "region"),
        ("ses", ("topic_arn", "my-topic"), "topic_arn"),
        ("ses", ("secret_access_key", ""), "secret_access_key"),
        ("sendgrid", ("api_key", ""), "api_key"),
        ("sendgrid", ("from", "Acme"), "from"),
        ("sendgrid", ("verification_key", "MFkw"), "verification_key"),
        (
            "sendgrid",
            ("verification_key_secondary", "whsec_x"),
            "verification_key_secondary",
        ),
        ("sendgrid", ("ip_pool", "x"), "ip_pool"),
        ("sendgrid", ("tracking", "perhaps"), "tracking"),
        ("webhook", ("url", ""), "url"),
        ("webhook", ("secret", "short"), "secret"),
        ("webhook", ("source", "Ż"), "source"),
    ] {
        let mut all = good(provider);
        all.insert(change.0.into(), change.1.into());
        let error = open(provider, &all, &http())
            .err()
            .unwrap_or_else(|| panic!("{provider} {change:?}"));
        assert_eq!(error.setting, setting, "{error}");
        assert!(error.advice.ends_with('.'), "{error}");
        assert!(
            !error.advice.contains("made-up"),
            "secrets are not repeated: {error}"
        );
    }
    let error = open("twillio", &map(&[]), &http()).err().unwrap();
    assert!(
        error
            .advice
            .contains("twilio, http_sms, resend, ses, sendgrid, smtp, webhook, sandbox"),
        "{error}"
    );
}

#[test]
fn everything_in_the_catalogue_opens_with_what_it_requires() {
    for provider in catalogue() {
        let values: Vec<(&str, &str)> = provider
            .settings
            .iter()
            .filter(|one| {
                one.required
                    || one.name == "from"
                    || (provider.name == "http_sms" && one.name == "body")
            })
            .map(|one| {
                let value = match one.name {
                    "account_sid" => "AC1",
                    "from" if provider.channel == ChannelKind::Sms => "+15005550006",
                    "from" => "Acme <hello@example.com>",
                    "body" => r#"{"to": "{{to}}", "text": "{{text}}"}"#,
                    "url" => "https://example.com/hook",
                    "host" => "smtp.example.com",
                    "region" => "eu-central-1",
                    _ => "made-up",
                };
                (one.name, value)
            })
            .collect();
        let opened = open(provider.name, &map(&values), &http());
        let channel = opened.unwrap_or_else(|error| panic!("{}: {error}", provider.name));
        if provider.name != "sandbox" {
            assert_eq!(channel.capabilities().kind, provider.channel);
        }
    }
}

#[tokio::test]
async fn the_sandbox_delivers_into_nothing() {
    for (kind, provider) in [
        (ChannelKind::Sms, "twilio"),
        (ChannelKind::Email, "resend"),
        (ChannelKind::Webhook, "webhook"),
    ] {
        let channel = sandbox(kind);
        assert_eq!(channel.capabilities().kind, kind);
        let Outcome::Delivered { reference, cost } = channel.send(&outgoing(provider)).await else {
            panic!()
        };
        assert_eq!((reference.0.as_str(), cost), ("sandbox", None));
        let opened = open("sandbox", &map(&[("channel", kind.as_str())]), &http()).unwrap();
        assert_eq!(opened.capabilities().kind, kind);
    }
    let mut message = outgoing("twilio");
    message.to = "+15005550005".into();
    assert!(matches!(
        sandbox(ChannelKind::Sms).send(&message).await,
        Outcome::Unknown { .. }
    ));
}
