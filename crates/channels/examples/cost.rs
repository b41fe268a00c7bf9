//! CPU time that one message costs on the way out, without the server around it: a client thread, and a server thread on loopback
//! whose time is not counted. `cargo run --release -p ringback-channels --example cost`
#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a tool for the one who runs it"
)]

use ringback_channels::{Channel, Egress, Http, open};
use ringback_core::{
    ids::{AttemptId, MessageId},
    messages::{Content, Outcome, Outgoing},
};
use std::{
    collections::BTreeMap,
    io::{Read, Write},
    net::TcpListener,
    sync::Arc,
    time::Duration,
};

const CALLS: usize = 60_000;
const TOGETHER: usize = 32;

/// Nanoseconds that this thread has run.
fn thread_ns() -> u64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    text.split(' ').next().unwrap().parse().unwrap()
}

/// Answers every request alike. Requests here arrive in one piece.
fn serve(answer: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            std::thread::spawn(move || {
                let mut bytes = vec![0; 16_384];
                while let Ok(1..) = stream.read(&mut bytes) {
                    if stream.write_all(answer.as_bytes()).is_err() {
                        return;
                    }
                }
            });
        }
    });
    url
}

fn message(number: usize, to: &str, content: Content) -> Outgoing {
    let message = MessageId::from_raw(1_000_000 + number as i64);
    Outgoing {
        message,
        attempt: AttemptId::from_raw(1),
        key: message.to_string(),
        to: to.to_owned(),
        from_name: None,
        content,
        report_url: Some("https://leads.example.test/hooks/con_1/secret".to_owned()),
        at: "2026-01-01T00:00:00Z".parse().unwrap(),
        remaining: Some(Duration::from_secs(900)),
        ends: None,
    }
}

async fn measure(name: &str, channel: Arc<dyn Channel>, to: &'static str, content: Content) {
    let run = |calls: usize| {
        let (channel, content) = (Arc::clone(&channel), content.clone());
        async move {
            let mut all = tokio::task::JoinSet::new();
            for lane in 0..TOGETHER {
                let (channel, content) = (Arc::clone(&channel), content.clone());
                all.spawn_local(async move {
                    for number in 0..calls / TOGETHER {
                        let message = message(lane * calls + number, to, content.clone());
                        let outcome = channel.send(&message).await;
                        assert!(
                            matches!(
                                outcome,
                                Outcome::Accepted { .. } | Outcome::Delivered { .. }
                            ),
                            "{outcome:?}"
                        );
                    }
                });
            }
            all.join_all().await;
        }
    };
    run(2_000).await;
    let before = thread_ns();
    run(CALLS).await;
    let each = (thread_ns() - before) as f64 / (CALLS / TOGETHER * TOGETHER) as f64 / 1000.0;
    println!("{name}: {each:.1} us of CPU a message, kernel and all");
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let http = Http::new(Egress {
        allow: vec!["127.0.0.0/8".parse().unwrap()],
        allow_http: false,
    });
    let connect = |provider: &str, pairs: &[(&str, &str)]| {
        let settings: BTreeMap<String, String> = pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        open(provider, &settings, &http).unwrap()
    };
    let mail = Content::Mail {
        subject: "A new lead".to_owned(),
        text: "Somebody asks for a quote.\n".repeat(10),
        html: Some("<p>Somebody asks for a quote.</p>\n".repeat(20)),
        reply_to: None,
        headers: Vec::new(),
    };
    tokio::task::LocalSet::new()
        .run_until(async {
            let url = serve("HTTP/1.1 201 Created\r\ncontent-length: 13\r\n\r\n{\"sid\":\"SM1\"}");
            let twilio = [
                ("account_sid", "AC1"),
                ("auth_token", "x"),
                ("from", "+15005550006"),
                ("base_url", &url),
            ];
            let text = Content::Text {
                body: "Thank you, we call you back within the hour.".to_owned(),
            };
            measure("twilio", connect("twilio", &twilio), "+12065550100", text).await;
            let url = serve("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n{\"id\":\"1\"}");
            let resend = [
                ("api_key", "x"),
                ("from", "Acme <hello@example.test>"),
                ("base_url", url.as_str()),
            ];
            measure(
                "resend",
                connect("resend", &resend),
                "lead@example.test",
                mail.clone(),
            )
            .await;
            let url = serve("HTTP/1.1 200 OK\r\ncontent-length: 17\r\n\r\n{\"MessageId\":\"1\"}");
            let ses = [
                ("region", "us-east-1"),
                ("access_key_id", "x"),
                ("secret_access_key", "y"),
                ("from", "hello@example.test"),
                ("base_url", &url),
            ];
            measure("ses", connect("ses", &ses), "lead@example.test", mail).await;
            let url = serve("HTTP/1.1 204 No Content\r\n\r\n");
            let hook = [
                ("url", url.as_str()),
                (
                    "secret",
                    "whsec_bWFkZS11cC1zaWduaW5nLXNlY3JldC0xLWZvci10ZXN0cw==",
                ),
            ];
            let json = Content::Json {
                event: "lead.created".to_owned(),
                body: "{\"type\":\"lead.created\"}".to_owned(),
            };
            measure("webhook", connect("webhook", &hook), "", json).await;
        })
        .await;
}
