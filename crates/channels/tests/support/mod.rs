//! A server that misbehaves on request, and the messages and connections that tests need.
#![allow(dead_code, reason = "each test file uses its own part")]

pub mod sink;

use ringback_channels::{Channel, Egress, Http, http::Resolve, open, testing};
use ringback_core::{
    ids::{AttemptId, MessageId},
    messages::{Content, Outcome, Outgoing},
    time::Timestamp,
};
use std::{
    collections::BTreeMap,
    future::pending,
    net::SocketAddr,
    sync::{
        Arc, LazyLock, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::Notify,
};
use tokio_rustls::{TlsAcceptor, rustls};

/// A client that trusts a certificate for these names and may go to that network, and a server's side that shows it.
pub fn trusted(names: &[&str], network: &str, resolver: Arc<dyn Resolve>) -> (Http, TlsAcceptor) {
    showing(testing::server_certificate(names), network, resolver)
}

/// The same with a key and certificate of one's own.
pub fn showing(
    (key, certificate): (Vec<u8>, Vec<u8>),
    network: &str,
    resolver: Arc<dyn Resolve>,
) -> (Http, TlsAcceptor) {
    let egress = Egress {
        allow: vec![network.parse().unwrap()],
        allow_http: false,
    };
    let client = Http::trusting(egress, resolver, std::slice::from_ref(&certificate)).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![certificate.into()],
            rustls::pki_types::PrivatePkcs8KeyDer::from(key).into(),
        )
        .unwrap();
    (client, TlsAcceptor::from(Arc::new(config)))
}

/// What the server does with a request that it has read to the end.
#[derive(Debug, Clone)]
pub enum Reply {
    /// Answers and keeps the connection.
    Whole(Vec<u8>),
    /// Writes this and closes.
    Cut(Vec<u8>),
    /// Writes this and then nothing for ever.
    Hang(Vec<u8>),
    /// Writes a head and then 100 MB.
    Huge(&'static str),
    /// Writes the first part, then of the second a byte a second.
    Drip(Vec<u8>, Vec<u8>),
    /// Closes with a reset.
    Reset,
}

/// How much of a request a server without patience reads before it resets the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Patience {
    /// Everything.
    Whole,
    /// The head.
    Head,
    /// The head and some of the body.
    SomeOfTheBody,
}

/// A request as it arrived.
#[derive(Debug, Clone)]
pub struct Seen {
    pub head: String,
    pub body: Vec<u8>,
    pub connection: usize,
}

impl Seen {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().skip(1).find_map(|line| {
            let (found, value) = line.split_once(':')?;
            found.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }
}

pub struct Server {
    pub address: SocketAddr,
    pub seen: Arc<Mutex<Vec<Seen>>>,
    /// How many requests began, whole or not.
    pub begun: Arc<AtomicUsize>,
    pub arrived: Arc<Notify>,
}

impl Server {
    /// A server that does the same with every request.
    pub async fn always(reply: Reply) -> Self {
        Self::with(move |_| reply.clone()).await
    }

    /// A server that asks what to do; the number counts requests from 0.
    pub async fn with(decide: impl Fn(usize) -> Reply + Send + Sync + 'static) -> Self {
        Self::patient(decide, |_| Patience::Whole).await
    }

    /// A server that reads only a part of the requests that `patience` says, by number of the connection.
    pub async fn patient(
        decide: impl Fn(usize) -> Reply + Send + Sync + 'static,
        patience: impl Fn(usize) -> Patience + Send + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let arrived = Arc::new(Notify::new());
        let begun = Arc::new(AtomicUsize::new(0));
        let decide = Arc::new(decide);
        let (all, bell, heads) = (Arc::clone(&seen), Arc::clone(&arrived), Arc::clone(&begun));
        tokio::spawn(async move {
            for connection in 0.. {
                let (stream, _) = listener.accept().await.unwrap();
                let (all, bell, decide) =
                    (Arc::clone(&all), Arc::clone(&bell), Arc::clone(&decide));
                let (heads, patience) = (Arc::clone(&heads), patience(connection));
                tokio::spawn(async move {
                    serve(
                        stream,
                        connection,
                        patience,
                        (&all, &heads),
                        &bell,
                        &*decide,
                    )
                    .await;
                });
            }
        });
        Self {
            address,
            seen,
            begun,
            arrived,
        }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn requests(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }
}

async fn serve(
    mut stream: TcpStream,
    connection: usize,
    patience: Patience,
    (all, heads): (&Mutex<Vec<Seen>>, &AtomicUsize),
    bell: &Notify,
    decide: &(dyn Fn(usize) -> Reply + Send + Sync),
) {
    let mut buffer = Vec::new();
    loop {
        let mut chunk = [0; 4096];
        let end = loop {
            if let Some(end) = buffer.windows(4).position(|four| four == b"\r\n\r\n") {
                break end + 4;
            }
            match stream.read(&mut chunk).await {
                Ok(0) | Err(_) => return,
                Ok(read) => buffer.extend_from_slice(&chunk[..read]),
            }
        };
        let head = String::from_utf8(buffer[..end].to_vec()).unwrap();
        let mut seen = Seen {
            head,
            body: Vec::new(),
            connection,
        };
        let length: usize = seen
            .header("content-length")
            .map_or(0, |text| text.parse().unwrap());
        heads.fetch_add(1, Ordering::Relaxed);
        let enough = match patience {
            Patience::Whole => length,
            Patience::Head => 0,
            Patience::SomeOfTheBody => length / 2,
        };
        while buffer.len() < end + enough {
            match stream.read(&mut chunk).await {
                Ok(0) | Err(_) => return,
                Ok(read) => buffer.extend_from_slice(&chunk[..read]),
            }
        }
        if patience != Patience::Whole {
            socket_linger_zero(&stream);
            return;
        }
        seen.body = buffer[end..end + length].to_vec();
        buffer.drain(..end + length);
        let number = {
            let mut all = all.lock().unwrap();
            all.push(seen);
            all.len() - 1
        };
        bell.notify_one();
        match decide(number) {
            Reply::Whole(bytes) => stream.write_all(&bytes).await.unwrap(),
            Reply::Cut(bytes) => {
                let _gone = stream.write_all(&bytes).await;
                let _gone = stream.shutdown().await;
                return;
            }
            Reply::Hang(bytes) => {
                stream.write_all(&bytes).await.unwrap();
                pending::<()>().await;
            }
            Reply::Drip(at_once, rest) => {
                stream.write_all(&at_once).await.unwrap();
                for byte in rest {
                    tokio::time::sleep(Duration::from_secs(1)).await;
                    if stream.write_all(&[byte]).await.is_err() {
                        return;
                    }
                }
                pending::<()>().await;
            }
            Reply::Huge(head) => {
                let block = vec![b' '; 1 << 20];
                if stream.write_all(head.as_bytes()).await.is_err() {
                    return;
                }
                for _ in 0..100 {
                    if stream.write_all(&block).await.is_err() {
                        return;
                    }
                }
            }
            Reply::Reset => {
                socket_linger_zero(&stream);
                return;
            }
        }
    }
}

fn socket_linger_zero(stream: &TcpStream) {
    #[allow(
        deprecated,
        reason = "a linger of zero never blocks; it makes close send a reset"
    )]
    stream.set_linger(Some(Duration::ZERO)).unwrap();
}

/// A whole answer with a length.
pub fn answer(status: &str, headers: &[(&str, &str)], body: &str) -> Reply {
    let mut text = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n", body.len());
    for (name, value) in headers {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    text.push_str("\r\n");
    text.push_str(body);
    Reply::Whole(text.into_bytes())
}

/// A client that may reach loopback and nothing else that is private.
pub fn http() -> Http {
    Http::new(Egress {
        allow: vec!["127.0.0.0/8".parse().unwrap()],
        allow_http: false,
    })
}

pub fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

pub const AUTH_TOKEN: &str = "made-up-auth-token-for-tests-0001";
pub const WHSEC: &str = "whsec_bWFkZS11cC1zaWduaW5nLXNlY3JldC0xLWZvci10ZXN0cw==";
/// An account that signs its events with a key made for this run.
pub static SENDGRID: LazyLock<testing::SendGrid> = LazyLock::new(testing::SendGrid::default);
pub const PROOF: &str = "made-up-proof-secret-1";
pub const TOPIC: &str = "arn:aws:sns:us-east-1:000000000001:ses-events";

/// Settings of a provider that calls `base`.
pub fn settings(provider: &str, base: &str) -> BTreeMap<String, String> {
    match provider {
        "twilio" => map(&[
            ("account_sid", "AC00000000000000000000000000000001"),
            ("auth_token", AUTH_TOKEN),
            ("from", "+15005550006"),
            ("base_url", base),
        ]),
        "resend" => map(&[
            ("api_key", "re_made_up"),
            ("from", "Acme <hello@example.test>"),
            ("webhook_secret", WHSEC),
            ("base_url", base),
        ]),
        "ses" => map(&[
            ("region", "us-east-1"),
            ("access_key_id", "AKIDMADEUPFORTESTS01"),
            ("secret_access_key", "made-up-secret-key-for-tests-only"),
            ("from", "Acme <hello@example.test>"),
            ("configuration_set", "engage"),
            ("topic_arn", TOPIC),
            ("base_url", base),
        ]),
        "sendgrid" => map(&[
            ("api_key", "SG.made-up"),
            ("from", "Acme <hello@example.test>"),
            ("verification_key", &SENDGRID.verification_key()),
            ("base_url", base),
        ]),
        "http_sms" => map(&[
            ("url", &format!("{base}/messages")),
            ("headers", r#"{"Authorization": "Bearer {{secret}}"}"#),
            (
                "body",
                r#"{"to": "{{to}}", "from": "{{from}}", "text": "{{text}}", "hook": "{{report_url}}", "ids": ["{{message_id}}", "{{attempt_id}}"]}"#,
            ),
            ("from", "+15005550006"),
            ("secret", "made-up-key"),
            ("id_pointer", "/data/id"),
            ("code_pointer", "/errors/0/code"),
            (
                "refusals",
                "40001=invalid, 40300=opted_out, 40310=blocked, 402=config, 10011=retry, http_402=config, http_409=retry",
            ),
            ("report_id", "/id"),
            ("report_status", "/status"),
            (
                "report_statuses",
                "queued=accepted, sent=sent, delivered=delivered, read=read, failed=failed, expired=expired, gone=cancelled, other=nothing",
            ),
            ("report_code", "/code"),
            ("reply_id", "/id"),
            ("reply_from", "/from"),
            ("reply_to", "/to"),
            ("reply_text", "/text"),
            ("proof", "hmac_sha256_hex"),
            ("proof_header", "X-Signature"),
            ("proof_secret", PROOF),
            ("proof_timestamp_header", "X-Timestamp"),
        ]),
        "webhook" => map(&[("url", base), ("secret", WHSEC)]),
        other => panic!("no settings for {other}"),
    }
}

pub fn channel(provider: &str, base: &str) -> Arc<dyn Channel> {
    open(provider, &settings(provider, base), &http()).unwrap()
}

pub fn now() -> Timestamp {
    "2026-01-01T00:00:05Z".parse().unwrap()
}

pub fn message_id() -> MessageId {
    MessageId::from_raw(123_456_789_012)
}

/// A message that the provider can carry.
pub fn outgoing(provider: &str) -> Outgoing {
    let (to, content) = match provider {
        "twilio" | "http_sms" => (
            "+12065550100",
            Content::Text {
                body: "Hello, we got your request. Zażółć 👍 & more+".to_owned(),
            },
        ),
        "webhook" => (
            "https://example.test/hook",
            Content::Json {
                event: "lead.created".to_owned(),
                body: r#"{"type":"lead.created","data":{"id":"lead_1"}}"#.to_owned(),
            },
        ),
        _ => (
            "lead@example.test",
            Content::Mail {
                subject: "Hello – Zażółć".to_owned(),
                text: "Hello,\n.\n..\nthat was a dot.".to_owned(),
                html: Some("<p>Hello</p>".to_owned()),
                reply_to: Some("inbox@example.test".to_owned()),
                headers: vec![
                    (
                        "List-Unsubscribe".to_owned(),
                        "<https://example.test/u/1>".to_owned(),
                    ),
                    (
                        "List-Unsubscribe-Post".to_owned(),
                        "List-Unsubscribe=One-Click".to_owned(),
                    ),
                ],
            },
        ),
    };
    Outgoing {
        message: message_id(),
        attempt: AttemptId::from_raw(77),
        key: message_id().to_string(),
        to: to.to_owned(),
        from_name: None,
        content,
        report_url: Some("https://leads.example.test/hooks/con_1/secret".to_owned()),
        at: now(),
        remaining: Some(Duration::from_secs(900)),
        ends: None,
    }
}

/// What an outcome is called in the tables of these tests.
pub fn word(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Delivered { .. } => "delivered",
        Outcome::Accepted { .. } => "accepted",
        Outcome::Retryable { .. } => "retry",
        Outcome::Misconfigured { .. } => "config",
        Outcome::Permanent { .. } => "permanent",
        Outcome::Unknown { .. } => "unknown",
    }
}

/// What a provider answers when it took the message, and the name it gives it.
pub fn taken(provider: &str) -> (Reply, &'static str) {
    match provider {
        "twilio" => (
            answer(
                "201 Created",
                &[],
                r#"{"sid":"SM1","status":"queued","price":null}"#,
            ),
            "SM1",
        ),
        "resend" => (answer("200 OK", &[], r#"{"id":"e-1"}"#), "e-1"),
        "ses" => (answer("200 OK", &[], r#"{"MessageId":"0100-1"}"#), "0100-1"),
        "http_sms" => (answer("200 OK", &[], r#"{"data":{"id":"p-1"}}"#), "p-1"),
        "sendgrid" => (
            answer("202 Accepted", &[("x-message-id", "m-1.a")], ""),
            "m-1.a",
        ),
        _ => (answer("204 No Content", &[], ""), ""),
    }
}
