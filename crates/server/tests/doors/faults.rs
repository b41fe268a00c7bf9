//! What providers do wrong, and what the message API and the message page say of it: what happened, and nothing else (M3, M10).

use crate::house::House;
use crate::message_pages::Desk;
use axum::http::Request;
use ringback_core::ids::ConnectionId;
use ringback_core::messages::ChannelKind;
use ringback_store::{ConnectionRow, KeyKind};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

const SECRET: &str = "rb_live_abcdefghijklmnopqrstuvwxyz012345678901234567";

/// What a provider does with each request, once it has read it.
#[derive(Debug, Clone, Copy)]
enum Does {
    /// Answers these bytes.
    Answers(&'static str),
    /// Ends the connection without a word.
    Cuts,
    /// Holds the line and never answers.
    Sleeps,
}

/// A provider on a loopback port; counts the requests that reached it whole.
async fn provider(does: Does) -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let heard = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&heard);
    tokio::spawn(async move {
        let mut held = Vec::new();
        while let Ok((mut stream, _)) = listener.accept().await {
            if !whole(&mut stream).await {
                continue;
            }
            counted.fetch_add(1, Ordering::SeqCst);
            match does {
                Does::Answers(answer) => {
                    stream.write_all(answer.as_bytes()).await.ok();
                    stream.shutdown().await.ok();
                }
                Does::Cuts => drop(stream),
                Does::Sleeps => held.push(stream),
            }
        }
    });
    (address, heard)
}

/// Reads one request with its body.
async fn whole(stream: &mut TcpStream) -> bool {
    let mut seen = Vec::new();
    let mut part = [0; 4096];
    loop {
        match stream.read(&mut part).await {
            Ok(0) | Err(_) => return false,
            Ok(n) => seen.extend_from_slice(&part[..n]),
        }
        let text = String::from_utf8_lossy(&seen);
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length: usize = head
                .lines()
                .find_map(|line| {
                    line.to_ascii_lowercase()
                        .strip_prefix("content-length:")?
                        .trim()
                        .parse()
                        .ok()
                })
                .unwrap_or(0);
            if body.len() >= length {
                return true;
            }
        }
    }
}

/// A port at which nobody listens.
async fn nobody() -> SocketAddr {
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap();
    free.local_addr().unwrap()
}

async fn leads_to(house: &House, base: &str) -> ConnectionId {
    let id = ConnectionId::from_raw(house.app.new_id());
    let settings: BTreeMap<String, String> = [
        ("account_sid", "AC0123456789abcdef0123456789abcdef"),
        ("auth_token", "example-auth-token"),
        ("from", "+13035550100"),
        ("campaign", "CM0000"),
        ("base_url", base),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into();
    let (tenant, old) = (house.alder, house.twilio);
    let row = ConnectionRow {
        id,
        channel: ChannelKind::Sms,
        provider: "twilio".to_owned(),
        name: "fault".to_owned(),
        settings: house.app.registry.master().seal(tenant, id, &settings),
        path_secret: "p4thsecret2".to_owned(),
        position: 0,
        enabled: true,
        trouble: None,
        breaker: None,
        created_at: house.app.now(),
    };
    house
        .app
        .change(move |writer| {
            writer.delete_connection(tenant, old)?;
            writer.insert_connection(tenant, &row)
        })
        .await
        .unwrap();
    id
}

/// What is to be true of one text after one call.
struct Case {
    name: &'static str,
    base: String,
    /// How many requests reached the provider whole, when it can count.
    heard: Option<(Arc<AtomicUsize>, usize)>,
    /// Status in the API, and the code of the reason.
    status: &'static str,
    code: &'static str,
    /// What the attempt came to.
    outcome: &'static str,
    /// Words of the page's title.
    title: &'static str,
    /// Words of the attempt's line on the page.
    attempt: &'static str,
}

async fn cases() -> Vec<Case> {
    let mut cases = vec![
        Case {
            name: "nobody listens",
            base: format!("http://{}", nobody().await),
            heard: None,
            status: "queued",
            code: "connect",
            outcome: "retry",
            title: "cannot be reached: nobody listens there",
            attempt: "nothing was sent",
        },
        Case {
            name: "no such name",
            base: "http://provider.invalid".to_owned(),
            heard: None,
            status: "queued",
            code: "dns",
            outcome: "retry",
            title: "provider.invalid could not be looked up: the name is wrong, or the network is down",
            attempt: "nothing was sent",
        },
    ];
    for (name, does, status, code, outcome, title, attempt) in [
        (
            "refuses the number",
            Does::Answers(
                "HTTP/1.1 400 Bad Request\r\ncontent-type: application/json\r\ncontent-length: 59\r\n\r\n{\"code\":21211,\"message\":\"Invalid 'To' number\",\"status\":400}",
            ),
            "bounced",
            "21211",
            "refused",
            "Bounced: ",
            "refused for good",
        ),
        (
            "refuses the account",
            Does::Answers("HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\n\r\n"),
            "queued",
            "http_401",
            "misconfigured",
            "Waits to be tried again at ",
            "refused our account, nothing was sent",
        ),
        (
            "asks to slow down",
            Does::Answers(
                "HTTP/1.1 429 Too Many Requests\r\nretry-after: 30\r\ncontent-length: 0\r\n\r\n",
            ),
            "queued",
            "http_429",
            "retry",
            "Waits to be tried again at 11:00 am: Twilio asks us to slow down",
            "refused, nothing was sent",
        ),
        (
            "has trouble of its own",
            Does::Answers("HTTP/1.1 500 Internal Server Error\r\ncontent-length: 0\r\n\r\n"),
            "unknown",
            "http_500",
            "unknown",
            "May or may not have arrived: ",
            "may or may not have it",
        ),
        (
            "cuts the line after the request",
            Does::Cuts,
            "unknown",
            "closed",
            "unknown",
            "May or may not have arrived: ",
            "may or may not have it",
        ),
        (
            "never answers",
            Does::Sleeps,
            "unknown",
            "timeout",
            "unknown",
            "May or may not have arrived: ",
            "may or may not have it",
        ),
    ] {
        let (address, heard) = provider(does).await;
        cases.push(Case {
            name,
            base: format!("http://{address}"),
            heard: Some((heard, 1)),
            status,
            code,
            outcome,
            title,
            attempt,
        });
    }
    cases
}

async fn post(house: &House, path: &str, body: Value) -> Value {
    let request = Request::post(path)
        .header("content-type", "application/json")
        .header("authorization", format!("Bearer {SECRET}"));
    let answer = house
        .send(request.body(body.to_string().into()).unwrap())
        .await;
    assert_eq!(answer.status.as_u16() / 100, 2, "{}", answer.text());
    answer.json()
}

async fn read(house: &House, path: &str) -> Value {
    let request = Request::get(path).header("authorization", format!("Bearer {SECRET}"));
    house
        .send(request.body(axum::body::Body::empty()).unwrap())
        .await
        .json()
}

/// The heading of a page.
fn heading(page: &str) -> &str {
    let (_, rest) = page.split_once("<h1").unwrap();
    let (_, rest) = rest.split_once('>').unwrap();
    rest.split("</h1>").next().unwrap()
}

async fn tried(case: &Case) {
    let house = House::open().await;
    house.key(KeyKind::Secret, SECRET).await;
    leads_to(&house, &case.base).await;
    let lead = post(
        &house,
        "/v1/leads",
        json!({"first_name": "Dana", "phone": "+13035550142"}),
    )
    .await;
    let sent = post(
        &house,
        "/v1/messages",
        json!({"lead_id": lead["id"], "channel": "sms", "category": "transactional", "body": "We are on our way."}),
    )
    .await;
    let path = format!("/v1/messages/{}", sent["id"].as_str().unwrap());
    let message = house
        .until(case.name, async || {
            Some(read(&house, &path).await).filter(|message| {
                message["attempts"]
                    .as_array()
                    .is_some_and(|attempts| !attempts.is_empty())
            })
        })
        .await;
    let first = &message["attempts"][0];
    assert_eq!(
        (
            message["status"].as_str(),
            message["why"]["code"].as_str(),
            first["outcome"].as_str(),
        ),
        (Some(case.status), Some(case.code), Some(case.outcome)),
        "{}: {message:#}",
        case.name
    );
    if let Some((heard, wanted)) = &case.heard {
        assert_eq!(heard.load(Ordering::SeqCst), *wanted, "{}", case.name);
    }
    let desk = Desk::open(&house, house.alder, "viewer").await;
    let page = desk
        .page(&format!(
            "/t/alder/messages/{}",
            sent["id"].as_str().unwrap()
        ))
        .await;
    assert!(
        heading(&page).contains(case.title),
        "{}: {}",
        case.name,
        heading(&page)
    );
    assert!(page.contains(case.attempt), "{}: {page}", case.name);
    assert!(!page.contains("Delivered to"), "{}", case.name);
    house.close().await;
}

/// Without network, with a provider that refuses, is slow, asks to slow down, breaks or cuts the line: the message says what happened.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_message_says_of_a_broken_provider_is_what_happened() {
    let cases = cases().await;
    // At once: the slow one takes the ten seconds that a call may take.
    futures_util::future::join_all(cases.iter().map(tried)).await;
}
