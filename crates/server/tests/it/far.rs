//! The far end: plays Twilio's messages, Resend's and SES's mails on a loopback port, remembers what it took, and misbehaves on request.

use crate::house::{Hands, House};
use ringback_core::time::{Clock as _, Timestamp};
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// What it does with a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Does {
    /// Takes it and says so.
    Takes,
    /// Takes it, and the line breaks before it says so.
    TakesAndBreaks,
    /// The line breaks before it took it.
    Breaks,
    /// Refuses the account.
    RefusesUs,
    /// Asks to come back after an hour.
    AsksForAnHour,
    /// Knows that the number does not exist.
    RefusesNumber,
    /// Refuses this one message for good.
    RefusesIt,
    /// Takes it and never answers.
    TakesAndHangs,
    /// Never answers; whoever waits for it can only die.
    Hangs,
}

/// A message as it arrived.
#[derive(Debug, Clone)]
pub struct Arrived {
    /// The idempotency key, if it had one.
    pub key: Option<String>,
    /// The form or document.
    pub body: String,
}

#[derive(Default)]
struct State {
    next: VecDeque<Does>,
    else_does: Option<Does>,
    log_fails: bool,
    calls: Vec<Arrived>,
    looks: usize,
    taken: Vec<(Timestamp, Arrived)>,
}

/// A provider that is reached over a real socket.
#[derive(Clone)]
pub struct Far {
    address: SocketAddr,
    clock: Arc<Hands>,
    state: Arc<Mutex<State>>,
    called: Arc<tokio::sync::Notify>,
}

impl Far {
    /// Opens its port. Its log has the times of the house.
    pub async fn open(house: &House) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let far = Self {
            address: listener.local_addr().unwrap(),
            clock: Arc::clone(&house.clock),
            state: Arc::default(),
            called: Arc::default(),
        };
        let own = far.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let far = own.clone();
                tokio::spawn(async move { far.serve(stream).await });
            }
        });
        far
    }

    /// Its address, for a connection's `base_url`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What it does with the next messages, one after the other; then it takes them.
    pub fn next(&self, does: &[Does]) {
        self.state.lock().unwrap().next.extend(does);
    }

    /// What it does with all messages that nothing else was said of.
    pub fn always(&self, does: Does) {
        self.state.lock().unwrap().else_does = Some(does);
    }

    /// Its log cannot be read.
    pub fn hide_log(&self) {
        self.state.lock().unwrap().log_fails = true;
    }

    /// How often it was called with a message.
    pub fn calls(&self) -> Vec<Arrived> {
        self.state.lock().unwrap().calls.clone()
    }

    /// Waits until it was called with so many messages. Ten seconds are for ever.
    pub async fn called(&self, n: usize) {
        let counted = async {
            loop {
                let next = self.called.notified();
                if self.calls().len() >= n {
                    return;
                }
                next.await;
            }
        };
        tokio::time::timeout(std::time::Duration::from_secs(10), counted)
            .await
            .unwrap_or_else(|_| panic!("waited in vain for call {n}"));
    }

    /// How often its log was asked.
    pub fn looks(&self) -> usize {
        self.state.lock().unwrap().looks
    }

    /// What people got, copies included.
    pub fn taken(&self) -> Vec<String> {
        let state = self.state.lock().unwrap();
        state
            .taken
            .iter()
            .map(|(_, one)| one.body.clone())
            .collect()
    }

    async fn serve(self, mut stream: TcpStream) {
        let mut buffer = Vec::new();
        while let Some((head, body)) = request(&mut stream, &mut buffer).await {
            let answer = self.answer(&head, body);
            let Some((status, body)) = answer else {
                return; // the line breaks
            };
            if status.is_empty() {
                std::future::pending::<()>().await;
            }
            let text = format!(
                "HTTP/1.1 {status}\r\ncontent-type: application/json\r\nretry-after: {}\r\ncontent-length: {}\r\n\r\n{body}",
                if status.starts_with("429") { 3_600 } else { 0 },
                body.len()
            );
            if stream.write_all(text.as_bytes()).await.is_err() {
                return;
            }
        }
    }

    fn answer(&self, head: &str, body: String) -> Option<(&'static str, String)> {
        let mut state = self.state.lock().unwrap();
        if head.starts_with("GET ") {
            state.looks += 1;
            if state.log_fails {
                return Some(("500 Oops", "{}".into()));
            }
            return Some(("200 OK", log(&state.taken).to_string()));
        }
        let key = head.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("idempotency-key")
                .then(|| value.trim().to_owned())
        });
        let arrived = Arrived { key, body };
        state.calls.push(arrived.clone());
        self.called.notify_waiters();
        let does = state.next.pop_front();
        let does = does.or(state.else_does).unwrap_or(Does::Takes);
        match does {
            Does::Breaks => return None,
            Does::Hangs => return Some(("", String::new())),
            Does::RefusesIt => {
                let why = json!({"statusCode": 422, "name": "validation_error", "message": "Invalid `to` field."});
                return Some(("422 Unprocessable", why.to_string()));
            }
            Does::RefusesUs => return Some(("401 Unauthorized", "{}".into())),
            Does::AsksForAnHour => return Some(("429 Too Many Requests", "{}".into())),
            Does::RefusesNumber => {
                let body = json!({"code": 21211, "message": "Invalid 'To' Phone Number"});
                return Some(("400 Bad Request", body.to_string()));
            }
            Does::Takes | Does::TakesAndBreaks | Does::TakesAndHangs => {}
        }
        let twin =
            arrived.key.is_some() && state.taken.iter().any(|(_, one)| one.key == arrived.key);
        if !twin {
            state.taken.push((self.clock.now(), arrived));
        }
        let n = state.taken.len();
        if does == Does::TakesAndHangs {
            return Some(("", String::new()));
        }
        (does == Does::Takes).then(|| {
            (
                "200 OK",
                json!({"sid": format!("SM{n}"), "status": "queued", "id": format!("mail-{n}"), "MessageId": format!("ses-{n}")})
                    .to_string(),
            )
        })
    }
}

/// Twilio's list of messages, newest first.
fn log(taken: &[(Timestamp, Arrived)]) -> Value {
    let entries: Vec<Value> = taken
        .iter()
        .enumerate()
        .rev()
        .map(|(n, (at, one))| {
            let field = |name: &str| {
                url::form_urlencoded::parse(one.body.as_bytes())
                    .find(|(key, _)| key == name)
                    .map(|(_, value)| value.into_owned())
            };
            json!({
                "sid": format!("SM{}", n + 1), "to": field("To"), "from": field("From"), "body": field("Body"), "status": "sent",
                "direction": "outbound-api", "date_created": at.strftime("%a, %d %b %Y %H:%M:%S +0000").to_string(),
                "messaging_service_sid": null, "error_code": null, "price": null, "price_unit": "USD",
            })
        })
        .collect();
    json!({"messages": entries, "next_page_uri": null})
}

async fn request(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Option<(String, String)> {
    let mut chunk = [0; 4096];
    loop {
        if let Some(end) = buffer.windows(4).position(|four| four == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&buffer[..end]).into_owned();
            let length = head
                .lines()
                .find_map(|line| {
                    let (name, value) = line.split_once(':')?;
                    name.eq_ignore_ascii_case("content-length")
                        .then(|| value.trim().parse::<usize>().unwrap())
                })
                .unwrap_or(0);
            if buffer.len() >= end + 4 + length {
                let body = String::from_utf8_lossy(&buffer[end + 4..end + 4 + length]).into_owned();
                buffer.drain(..end + 4 + length);
                return Some((head, body));
            }
        }
        match stream.read(&mut chunk).await {
            Ok(0) | Err(_) => return None,
            Ok(read) => buffer.extend_from_slice(&chunk[..read]),
        }
    }
}

/// A connection that leads there.
pub fn connection(provider: &str, name: &str, order: i64, url: &str) -> Value {
    let (channel, settings) = match provider {
        "twilio" => (
            "sms",
            json!({"account_sid": "AC00000000000000000000000000000001", "auth_token": "made-up", "from": "+13035550100", "campaign": "CM0000", "base_url": url}),
        ),
        "resend" => (
            "email",
            json!({"api_key": "re_made_up", "from": "Acme <hello@example.test>", "base_url": url}),
        ),
        _ => (
            "email",
            json!({"region": "us-east-1", "access_key_id": "AKIDMADEUPFORTESTS01", "secret_access_key": "made-up",
                "from": "Acme <hello@example.test>", "base_url": url}),
        ),
    };
    json!({"channel": channel, "provider": provider, "name": name, "order": order, "settings": settings})
}
