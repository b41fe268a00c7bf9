//! The far end: plays Twilio and Resend on a loopback port and remembers every message that reached it.
//!
//! It behaves as the providers do where that decides about duplicates: Resend drops a repeated `Idempotency-Key`, Twilio does
//! not, but can be asked for its log of messages by recipient. What is counted is what a person would have got.

use crate::{
    fault::{Tried, While},
    figures::Latencies,
    people,
};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{Method, Request, Response, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use ringback_core::messages::ChannelKind;
use serde_json::json;
use std::{
    collections::HashMap,
    convert::Infallible,
    net::SocketAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};
use tokio::net::TcpListener;

/// One message of a lead, as the person would have seen it: how many copies.
pub type Copies = HashMap<(u64, ChannelKind), u32>;

/// When copies of a message arrived.
pub type Arrivals = HashMap<(u64, ChannelKind), Vec<Instant>>;

/// A word that the text of an offer has and no other text; offers are counted apart.
pub const OFFER: &str = "Bargain";

/// What arrived since the last reset.
#[derive(Debug, Clone)]
pub struct Tally {
    /// Messages that a person would have got, copies included.
    pub count: u64,
    /// Different messages.
    pub unique: u64,
    /// Copies beyond the first.
    pub duplicates: u64,
    /// Requests that a provider's idempotency key answered again without sending.
    pub replays: u64,
    /// Messages without a token; the sink cannot tell whose they are.
    pub unmarked: u64,
    /// When the last came, microseconds since 1970.
    pub last_us: u64,
    /// From the lead's start to the provider, first copies only.
    pub latencies: Latencies,
}

struct Logged {
    sid: String,
    to: String,
    from: String,
    body: String,
    created: jiff::Timestamp,
}

struct State {
    copies: Copies,
    arrivals: Arrivals,
    offers: Vec<(u64, jiff::Timestamp)>,
    latencies: Latencies,
    count: u64,
    unmarked: u64,
    replays: u64,
    last_us: u64,
    sequence: u64,
    by_key: HashMap<String, String>,
    texts_by_number: HashMap<String, Vec<Logged>>,
    keeps_log: bool,
}

impl State {
    fn new(keeps_log: bool) -> Self {
        Self {
            copies: Copies::new(),
            arrivals: Arrivals::new(),
            offers: Vec::new(),
            latencies: Latencies::new(),
            count: 0,
            unmarked: 0,
            replays: 0,
            last_us: 0,
            sequence: 0,
            by_key: HashMap::new(),
            texts_by_number: HashMap::new(),
            keeps_log,
        }
    }

    fn take(&mut self, channel: ChannelKind, body: &[u8], true_now: jiff::Timestamp) {
        let now = people::now_us();
        self.count += 1;
        self.last_us = now;
        let Some((n, t0)) = people::read_token(body) else {
            self.unmarked += 1;
            return;
        };
        if body
            .windows(OFFER.len())
            .any(|word| word == OFFER.as_bytes())
        {
            self.count -= 1;
            self.offers.push((n, true_now));
            return;
        }
        if self.keeps_log {
            let arrivals = self.arrivals.entry((n, channel)).or_default();
            arrivals.push(Instant::now());
        }
        let copies = self.copies.entry((n, channel)).or_insert(0);
        *copies += 1;
        if *copies == 1 {
            self.latencies.see_us(now.saturating_sub(t0));
        }
    }

    fn next(&mut self) -> u64 {
        self.sequence += 1;
        self.sequence
    }
}

impl Tally {
    /// `{arrived, different, duplicates, answered_by_key, without_token}`.
    pub fn json(&self) -> serde_json::Value {
        json!({
            "arrived": self.count, "different": self.unique, "duplicates": self.duplicates, "answered_by_key": self.replays,
            "without_token": self.unmarked,
        })
    }
}

/// A running sink; it ends with the process.
#[derive(Clone)]
pub struct Sink {
    addr: SocketAddr,
    state: Arc<Mutex<State>>,
    delay_ms: Arc<AtomicU64>,
    clock_ms: Arc<AtomicI64>,
}

impl Sink {
    /// Listens on a loopback port of its own, in a thread of its own. With `keeps_log` it can be asked for the texts it took, as
    /// Twilio can.
    pub fn start(keeps_log: bool) -> Tried<Self> {
        let socket =
            std::net::TcpListener::bind("127.0.0.1:0").during("opening the sink's port")?;
        socket
            .set_nonblocking(true)
            .during("opening the sink's port")?;
        let sink = Self {
            addr: socket.local_addr().during("opening the sink's port")?,
            state: Arc::new(Mutex::new(State::new(keeps_log))),
            delay_ms: Arc::default(),
            clock_ms: Arc::default(),
        };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .during("starting the sink")?;
        let own = sink.clone();
        thread::Builder::new()
            .name("sink".into())
            .spawn(move || runtime.block_on(own.serve(socket)))
            .during("starting the sink")?;
        Ok(sink)
    }

    /// `http://ADDR`, for a connection's `base_url`.
    pub fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// Answers only after this long; the message counts as arrived at once.
    pub fn answer_after(&self, delay: Duration) {
        let ms = u64::try_from(delay.as_millis()).unwrap_or(u64::MAX);
        self.delay_ms.store(ms, Ordering::Relaxed);
    }

    /// Sets the provider's clock off from the machine's by so many milliseconds: the true time of a campaign.
    pub fn set_clock_off(&self, milliseconds: i64) {
        self.clock_ms.store(milliseconds, Ordering::Relaxed);
    }

    /// What time it truly is.
    fn now(&self) -> jiff::Timestamp {
        let off = jiff::SignedDuration::from_millis(self.clock_ms.load(Ordering::Relaxed));
        jiff::Timestamp::now()
            .saturating_add(off)
            .unwrap_or(jiff::Timestamp::MAX)
    }

    /// Takes over what another sink saw, so that all providers are compared together.
    pub fn adopt(&self, other: &Self) {
        let theirs = other.copies();
        let mut state = self.state();
        for (message, copies) in theirs {
            *state.copies.entry(message).or_insert(0) += copies;
            state.count += u64::from(copies);
        }
    }

    /// When the first copy of a message arrived; kept with the log.
    pub fn first_arrival(&self, n: u64, channel: ChannelKind) -> Option<Instant> {
        let state = self.state();
        state.arrivals.get(&(n, channel))?.first().copied()
    }

    /// When copies arrived; kept with the log.
    pub fn arrivals(&self) -> Arrivals {
        self.state().arrivals.clone()
    }

    /// The texts to a number, and when they came; kept with the log.
    pub fn texts_to(&self, number: &str) -> Vec<(jiff::Timestamp, String)> {
        let state = self.state();
        let texts = state.texts_by_number.get(number).into_iter().flatten();
        texts
            .map(|text| (text.created, text.body.clone()))
            .collect()
    }

    /// The offers that arrived, and what time it truly was.
    pub fn offers(&self) -> Vec<(u64, jiff::Timestamp)> {
        self.state().offers.clone()
    }

    /// Forgets what was counted, not what a provider would remember.
    pub fn reset(&self) {
        let mut state = self.state();
        state.copies.clear();
        state.latencies = Latencies::new();
        (state.count, state.unmarked, state.replays) = (0, 0, 0);
        state.last_us = 0;
    }

    /// The number of different messages so far.
    pub fn unique(&self) -> u64 {
        self.state().copies.len() as u64
    }

    /// What arrived so far.
    pub fn tally(&self) -> Tally {
        let state = self.state();
        let unique = state.copies.len() as u64;
        Tally {
            count: state.count,
            unique,
            duplicates: state.count - state.unmarked - unique,
            replays: state.replays,
            unmarked: state.unmarked,
            last_us: state.last_us,
            latencies: state.latencies.clone(),
        }
    }

    /// Copies of each message so far.
    pub fn copies(&self) -> Copies {
        self.state().copies.clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn serve(self, socket: std::net::TcpListener) {
        let Ok(listener) = TcpListener::from_std(socket) else {
            return;
        };
        loop {
            let Ok((stream, _)) = listener.accept().await else {
                tokio::time::sleep(Duration::from_millis(10)).await;
                continue;
            };
            drop(stream.set_nodelay(true));
            let sink = self.clone();
            tokio::spawn(async move {
                let service = service_fn(move |request| sink.clone().answer(request));
                // A connection that breaks is the server's affair: it was killed, or it closed.
                drop(
                    http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service)
                        .await,
                );
            });
        }
    }

    async fn answer(self, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
        let (head, body) = request.into_parts();
        // Half a request is none: the line broke before the provider had it all.
        let Ok(body) = body.collect().await.map(|body| body.to_bytes()) else {
            return Ok(reply(400, "{}"));
        };
        let path = head.uri.path();
        let mut answer = if path.ends_with("/Messages.json") && head.method == Method::GET {
            self.list(head.uri.query().unwrap_or_default())
        } else if path.ends_with("/Messages.json") {
            self.text(&body)
        } else if path == "/emails" {
            let key = head.headers.get("idempotency-key");
            self.mail(&body, key.and_then(|key| key.to_str().ok()))
        } else {
            reply(
                404,
                r#"{"message":"the sink plays Twilio's messages and Resend's emails only"}"#,
            )
        };
        let date = self.now().strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
        if let Ok(date) = hyper::header::HeaderValue::from_str(&date) {
            answer.headers_mut().insert(hyper::header::DATE, date);
        }
        let delay_ms = self.delay_ms.load(Ordering::Relaxed);
        if delay_ms > 0 {
            tokio::time::sleep(Duration::from_millis(delay_ms)).await;
        }
        Ok(answer)
    }

    /// Takes a text as Twilio does.
    pub fn text(&self, form: &[u8]) -> Response<Full<Bytes>> {
        let mut state = self.state();
        state.take(ChannelKind::Sms, form, self.now());
        let sid = format!("SM{:032x}", state.next());
        if state.keeps_log {
            let to = field(form, "To");
            let logged = Logged {
                sid: sid.clone(),
                to: to.clone(),
                from: field(form, "From"),
                body: field(form, "Body"),
                created: self.now(),
            };
            state.texts_by_number.entry(to).or_default().push(logged);
        }
        drop(state);
        reply(
            201,
            &format!(
                r#"{{"sid":"{sid}","status":"queued","num_segments":"1","price":null,"error_code":null,"error_message":null}}"#
            ),
        )
    }

    /// Takes a mail as SES does, which knows no keys.
    pub fn ses(&self, body: &[u8]) -> Response<Full<Bytes>> {
        let mut state = self.state();
        state.take(ChannelKind::Email, body, self.now());
        let id = state.next();
        reply(200, &format!(r#"{{"MessageId":"{id:032x}"}}"#))
    }

    /// Takes a mail as a mail server does: lines that were folded for the way are joined again.
    pub fn smtp(&self, mail: &[u8]) {
        let text = String::from_utf8_lossy(mail).replace("=\r\n", "");
        self.state()
            .take(ChannelKind::Email, text.as_bytes(), self.now());
    }

    /// Takes a mail as Resend does: one key, one mail.
    pub fn mail(&self, body: &[u8], key: Option<&str>) -> Response<Full<Bytes>> {
        let id = self.once(ChannelKind::Email, body, key);
        reply(200, &format!(r#"{{"id":"{id}"}}"#))
    }

    /// Takes a text as Telnyx does: one key, one text.
    pub fn keyed_text(&self, body: &[u8], key: Option<&str>) -> Response<Full<Bytes>> {
        let id = self.once(ChannelKind::Sms, body, key);
        reply(200, &format!(r#"{{"data":{{"id":"{id}"}}}}"#))
    }

    /// Takes what came with a key once; answers the id of the first.
    fn once(&self, channel: ChannelKind, body: &[u8], key: Option<&str>) -> String {
        let mut state = self.state();
        if let Some(known) = key.and_then(|key| state.by_key.get(key)) {
            let known = known.clone();
            state.replays += 1;
            return known;
        }
        state.take(channel, body, self.now());
        let id = format!("00000000-0000-4000-8000-{:012x}", state.next());
        if let Some(key) = key {
            state.by_key.insert(key.to_owned(), id.clone());
        }
        id
    }

    /// Takes a mail as SendGrid does: no key, no body in the answer; answers its id.
    pub fn sendgrid(&self, body: &[u8]) -> String {
        let mut state = self.state();
        state.take(ChannelKind::Email, body, self.now());
        format!("{:022x}", state.next())
    }

    /// The log of texts to a number, as Twilio answers it.
    pub fn list(&self, query: &str) -> Response<Full<Bytes>> {
        let to = field(query.as_bytes(), "To");
        let state = self.state();
        let messages: Vec<_> = state
            .texts_by_number
            .get(&to)
            .into_iter()
            .flatten()
            .rev()
            .map(|text| {
                // RFC 2822 in GMT, as the provider writes dates.
                let created = text.created.strftime("%a, %d %b %Y %H:%M:%S +0000").to_string();
                json!({
                    "sid": text.sid, "to": text.to, "from": text.from, "body": text.body, "status": "sent",
                    "direction": "outbound-api", "num_segments": "1", "price": null, "error_code": null,
                    "date_created": created, "date_sent": created, "date_updated": created,
                })
            })
            .collect();
        drop(state);
        let page = json!({"messages": messages, "next_page_uri": null, "page": 0, "page_size": 50});
        reply(200, &page.to_string())
    }
}

fn reply(status: u16, body: &str) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::copy_from_slice(body.as_bytes())));
    *response.status_mut() = hyper::StatusCode::from_u16(status).unwrap_or_default();
    response.headers_mut().insert(
        hyper::header::CONTENT_TYPE,
        hyper::header::HeaderValue::from_static("application/json"),
    );
    response
}

/// A field of a urlencoded form, decoded, empty when it is missing.
pub fn field(form: &[u8], name: &str) -> String {
    form.split(|byte| *byte == b'&')
        .find_map(|pair| pair.strip_prefix(name.as_bytes())?.strip_prefix(b"="))
        .map(decode)
        .unwrap_or_default()
}

fn decode(value: &[u8]) -> String {
    let mut out = Vec::with_capacity(value.len());
    let mut rest = value;
    while let Some((&byte, tail)) = rest.split_first() {
        let hex = || std::str::from_utf8(tail.get(..2)?).ok();
        let escaped = (byte == b'%')
            .then(hex)
            .flatten()
            .and_then(|hex| u8::from_str_radix(hex, 16).ok());
        (rest, _) = match escaped {
            Some(decoded) => (&tail[2..], out.push(decoded)),
            None => (tail, out.push(if byte == b'+' { b' ' } else { byte })),
        };
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{Request, Wire};

    async fn post(sink: &Sink, path: &str, key: Option<&str>, body: &str) -> u16 {
        let mut request = Request::new("POST", path, sink.addr);
        if let Some(key) = key {
            request = request.header("idempotency-key", key);
        }
        let mut wire = Wire::connect(sink.addr).await.unwrap();
        wire.ask(&request.body(body.as_bytes()))
            .await
            .unwrap()
            .status
    }

    const TEXTS: &str = "/2010-04-01/Accounts/AC1/Messages.json";

    #[tokio::test]
    async fn a_text_that_comes_twice_is_a_duplicate_and_a_mail_with_the_same_key_is_not() {
        let sink = Sink::start(true).unwrap();
        let start = people::now_us();
        let text = format!(
            "To=%2B12125550100&From=%2B1&Body=Hi+{}",
            people::token(4, start)
        );
        assert_eq!(post(&sink, TEXTS, None, &text).await, 201);
        assert_eq!(post(&sink, TEXTS, None, &text).await, 201);
        let mail = format!(
            r#"{{"to":["a@example.com"],"text":"{}"}}"#,
            people::token(4, start)
        );
        for _ in 0..3 {
            assert_eq!(post(&sink, "/emails", Some("k1"), &mail).await, 200);
        }
        assert_eq!(
            post(&sink, "/emails", None, r#"{"text":"nobody"}"#).await,
            200
        );
        let tally = sink.tally();
        assert_eq!((tally.count, tally.unique, tally.duplicates), (4, 2, 1));
        assert_eq!(
            (tally.replays, tally.unmarked, tally.latencies.count()),
            (2, 1, 2)
        );
        assert_eq!(sink.copies()[&(4, ChannelKind::Sms)], 2);
        assert_eq!(sink.copies()[&(4, ChannelKind::Email)], 1);
        sink.reset();
        assert_eq!(post(&sink, "/emails", Some("k1"), &mail).await, 200);
        assert_eq!(sink.tally().count, 0, "a provider remembers its keys");
    }

    #[tokio::test]
    async fn the_log_is_answered_by_recipient() {
        let sink = Sink::start(true).unwrap();
        for (to, body) in [
            ("%2B12125550100", "One%20%26"),
            ("%2B12125550101", "Two"),
            ("%2B12125550100", "Three"),
        ] {
            post(&sink, TEXTS, None, &format!("To={to}&Body={body}")).await;
        }
        let path = format!("{TEXTS}?To=%2B12125550100&PageSize=20");
        let answer = Wire::connect(sink.addr)
            .await
            .unwrap()
            .ask(&Request::new("GET", &path, sink.addr).bare())
            .await
            .unwrap();
        let json = answer.json();
        let bodies: Vec<_> = json["messages"]
            .as_array()
            .unwrap()
            .iter()
            .map(|m| m["body"].as_str().unwrap())
            .collect();
        assert_eq!(bodies, ["Three", "One &"]);
    }

    #[test]
    fn forms_are_decoded() {
        let form = b"From=%2B1&To=%2B1212&Body=a+b%20c%C3%A9%zz&X=1";
        assert_eq!(field(form, "To"), "+1212");
        assert_eq!(field(form, "Body"), "a b c\u{e9}%zz");
        assert_eq!(field(form, "None"), "");
    }
}
