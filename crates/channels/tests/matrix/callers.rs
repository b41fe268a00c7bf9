//! Providers that call back, each in its own words and with its own signature.

use super::Module;
use super::support::{self, AUTH_TOKEN, PROOF, SENDGRID, TOPIC, WHSEC, message_id};
use ringback_channels::{Channel, RawHook, testing};
use ringback_core::{
    messages::{HookEvent, Report, Reported, Status},
    time::Timestamp,
};
use std::sync::Arc;

pub fn reports(events: &[HookEvent]) -> impl Iterator<Item = &Report> {
    events.iter().map(|event| match event {
        HookEvent::Report(report) => report,
        other => panic!("{other:?}"),
    })
}

pub fn after(status: Status, report: &Report) -> Status {
    match report.what {
        Reported::Status(next) => status.after(next),
        Reported::Fact(_) => status,
    }
}

pub const URL: &str = "https://leads.example.test/hooks/con_1/secret";

/// A provider that calls back: it says `sent` or `delivered`, at an instant, in our name or in another business's.
pub struct Caller {
    pub channel: Arc<dyn Channel>,
    pub post: Box<dyn Fn(&'static str, Timestamp, bool) -> RawHook>,
}

impl Caller {
    pub fn of(module: Module) -> Option<Self> {
        let id = message_id();
        let url = format!("{URL}?m={id}");
        let opened = || module.open(&support::http(), true, "api.example.com", 443);
        let pick = |says: &str, sent, delivered| if says == "sent" { sent } else { delivered };
        Some(match module {
            Module::Twilio => Self {
                channel: opened(),
                post: Box::new(move |says, _, foreign| {
                    let token = if foreign {
                        "another-business"
                    } else {
                        AUTH_TOKEN
                    };
                    testing::twilio_status(token, &url, "SM1", says, None)
                }),
            },
            Module::Resend => Self {
                channel: opened(),
                post: Box::new(move |says, at, foreign| {
                    let other = "whsec_YW5vdGhlci1idXNpbmVzcy1zZWNyZXQ=";
                    let kind = pick(says, "email.sent", "email.delivered");
                    let body = format!(
                        r#"{{"type":"{kind}","created_at":"2026-01-01T00:00:01Z","data":{{"email_id":"e-1","tags":{{"message_ref":"{id}"}}}}}}"#
                    );
                    let secret = if foreign { other } else { WHSEC };
                    testing::svix(secret, URL, says, at, &body).unwrap()
                }),
            },
            Module::Ses => {
                let (ours, others) = (testing::Sns::new(TOPIC), testing::Sns::new(TOPIC));
                Self {
                    channel: ours
                        .channel(
                            &module.settings(true, "email.example.com", 443),
                            &support::http(),
                        )
                        .unwrap(),
                    post: Box::new(move |says, at, foreign| {
                        let kind = pick(says, "Send", "Delivery");
                        let event = format!(
                            r#"{{"eventType":"{kind}","mail":{{"messageId":"0100-1","tags":{{"message_ref":["{id}"]}}}}}}"#
                        );
                        let sns = if foreign { &others } else { &ours };
                        sns.notification(URL, says, at, &event)
                    }),
                }
            }
            Module::SendGrid => {
                let others = testing::SendGrid::default();
                Self {
                    channel: opened(),
                    post: Box::new(move |says, at, foreign| {
                        let kind = pick(says, "processed", "delivered");
                        let event = format!(
                            r#"[{{"event":"{kind}","timestamp":1767225601,"sg_event_id":"{says}","message_ref":"{id}"}}]"#
                        );
                        let account = if foreign { &others } else { &*SENDGRID };
                        account.events(URL, at, &event)
                    }),
                }
            }
            Module::HttpSms | Module::HttpSmsWithKey => Self {
                channel: opened(),
                post: Box::new(move |says, at, foreign| {
                    let secret = if foreign { "another-business" } else { PROOF };
                    let body = format!(r#"{{"id":"p-1","status":"{says}"}}"#);
                    testing::signed_json(secret, &url, ("x-signature", "x-timestamp"), at, &body)
                }),
            },
            Module::Webhook | Module::Smtp => return None,
        })
    }
}
