//! Providers that misbehave: real sockets, written by hand, since a library would not let them.

use super::kinds::{Callback, Kind};
use crate::{
    dice::Dice,
    fault::{Tried, While},
    sink::{self, Sink},
};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::Response;
use ringback_channels::{
    RawHook,
    signing::twilio::{Algorithm, Signed, sign},
    testing::SendGrid,
};
use ringback_core::messages::ChannelKind;
use std::{
    collections::{BTreeMap, HashMap},
    io,
    net::SocketAddr,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

/// The token that the server's connection to Twilio has.
pub const TOKEN: &str = "0123456789abcdef0123456789abcdef";
/// The token of another business.
const OTHERS: &str = "ffffffffffffffffffffffffffffffff";
/// Silence is kept for longer than any call lasts.
const SILENCE: Duration = Duration::from_secs(40);

/// What happened so far.
#[derive(Debug, Default, Clone)]
pub struct Did {
    /// Sends that met a fault, by its kind.
    pub faults: BTreeMap<Kind, u64>,
    /// Faulted sends that the provider took all the same.
    pub taken: u64,
    /// Reports, by their kind.
    pub callbacks: BTreeMap<Callback, u64>,
    /// Forged reports that were not refused.
    pub forged_believed: u64,
    /// Rightly signed reports that were refused.
    pub refused: u64,
    /// Messages that met a fault.
    pub faulted: HashMap<(u64, ChannelKind), u32>,
}

/// A faulty provider: Twilio, Telnyx, Resend, SES and SendGrid over HTTP, and a mail server.
#[derive(Clone)]
pub struct Provider {
    http: SocketAddr,
    smtp: SocketAddr,
    sink: Sink,
    dice: Arc<Mutex<Dice>>,
    did: Arc<Mutex<Did>>,
    /// One call in so many meets a fault; 0 is none.
    one_in: Arc<AtomicU64>,
    closed: Arc<AtomicBool>,
    sendgrid: Arc<SendGrid>,
    /// Where SendGrid's events go.
    events: Arc<OnceLock<String>>,
    most: u32,
    bomb: Bytes,
}

impl Provider {
    /// Listens on loopback, in a thread of its own. What people would get is counted by `sink`. One send in `one_in` meets a fault, each
    /// message at most `most`.
    pub fn start(sink: Sink, seed: u64, one_in: u64, most: u32) -> Tried<Self> {
        let open = || -> io::Result<std::net::TcpListener> {
            let socket = std::net::TcpListener::bind("127.0.0.1:0")?;
            socket.set_nonblocking(true)?;
            Ok(socket)
        };
        let (http, smtp) = (
            open().during("opening the provider's port")?,
            open().during("opening the mail server's port")?,
        );
        let provider = Self {
            http: http.local_addr().during("opening the provider's port")?,
            smtp: smtp.local_addr().during("opening the mail server's port")?,
            sink,
            dice: Arc::new(Mutex::new(Dice::new(seed, 60))),
            did: Arc::default(),
            one_in: Arc::new(AtomicU64::new(one_in)),
            closed: Arc::default(),
            sendgrid: Arc::default(),
            events: Arc::default(),
            most,
            bomb: bomb(),
        };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .during("starting the provider")?;
        let own = provider.clone();
        thread::Builder::new()
            .name("provider".into())
            .spawn(move || {
                runtime.block_on(async {
                    let mails = own.clone();
                    tokio::join!(own.serve(http, false), mails.serve(smtp, true))
                })
            })
            .during("starting the provider")?;
        Ok(provider)
    }

    /// `http://ADDR`
    pub fn url(&self) -> String {
        format!("http://{}", self.http)
    }

    /// The port of the mail server.
    pub fn smtp_port(&self) -> u16 {
        self.smtp.port()
    }

    /// What belongs into `verification_key`.
    pub fn verification_key(&self) -> String {
        self.sendgrid.verification_key()
    }

    /// Where SendGrid's events go from now on.
    pub fn report_to(&self, url: &str) {
        drop(self.events.set(url.to_owned()));
    }

    /// From now on nothing is wrong any more.
    pub fn behave(&self) {
        self.one_in.store(0, Ordering::Relaxed);
    }

    /// What happened so far.
    pub fn did(&self) -> Did {
        self.did_mut().clone()
    }

    fn did_mut(&self) -> MutexGuard<'_, Did> {
        self.did.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn dice(&self) -> MutexGuard<'_, Dice> {
        self.dice.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is wrong with this call, and whether the message is taken all the same.
    fn draw(&self, mail: bool) -> Option<(Kind, bool)> {
        let one_in = self.one_in.load(Ordering::Relaxed);
        let mut dice = self.dice();
        if one_in == 0 || !dice.once_in(one_in) {
            return None;
        }
        let mut kind = dice.pick(&Kind::ALL);
        // Whoever does not listen fails everybody at once; the others would hardly be seen.
        if kind == Kind::Refused && !dice.once_in(10) {
            kind = Kind::ResetBeforeBody;
        }
        // A mail server cannot do the half of these.
        while mail && kind.status().is_some_and(|status| status < 500) {
            kind = dice.pick(&Kind::ALL);
        }
        let taken = kind.taken(&mut dice);
        Some((kind, taken))
    }

    /// True when a message met as many faults as it may: each further one may cost it minutes.
    fn had_enough(&self, body: &[u8], channel: ChannelKind) -> bool {
        let token = crate::people::read_token(body);
        let met = token.and_then(|(n, _)| self.did_mut().faulted.get(&(n, channel)).copied());
        met.is_some_and(|met| met >= self.most)
    }

    fn note(&self, kind: Kind, taken: bool, body: &[u8], channel: ChannelKind) {
        let mut did = self.did_mut();
        *did.faults.entry(kind).or_default() += 1;
        did.taken += u64::from(taken);
        if let Some((n, _)) = crate::people::read_token(body) {
            *did.faulted.entry((n, channel)).or_default() += 1;
        }
    }

    async fn serve(self, socket: std::net::TcpListener, mail: bool) {
        let Ok(mut listener) = TcpListener::from_std(socket) else {
            return;
        };
        let addr = if mail { self.smtp } else { self.http };
        loop {
            if !mail && self.closed.swap(false, Ordering::Relaxed) {
                drop(listener);
                tokio::time::sleep(Duration::from_millis(20)).await;
                loop {
                    if let Ok(again) = TcpListener::bind(addr).await {
                        listener = again;
                        break;
                    }
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            }
            let accepted = tokio::time::timeout(Duration::from_millis(50), listener.accept()).await;
            let Ok(Ok((stream, _))) = accepted else {
                continue;
            };
            drop(stream.set_nodelay(true));
            let own = self.clone();
            // A connection that breaks is what this is for.
            tokio::spawn(async move {
                if mail {
                    drop(own.mail_connection(stream).await);
                } else {
                    drop(own.connection(stream).await);
                }
            });
        }
    }

    async fn connection(self, mut stream: TcpStream) -> io::Result<()> {
        let mut buffer = Vec::new();
        loop {
            let head_end = loop {
                if let Some(at) = find(&buffer, b"\r\n\r\n") {
                    break at + 4;
                }
                if stream.read_buf(&mut buffer).await? == 0 {
                    return Ok(());
                }
            };
            let head = String::from_utf8_lossy(&buffer[..head_end]).into_owned();
            let length: usize = header(&head, "content-length")
                .and_then(|length| length.parse().ok())
                .unwrap_or(0);
            let send = head.starts_with("POST");
            let drawn = self.draw(false).filter(|_| send);
            let part = match drawn {
                Some((Kind::ResetBeforeBody | Kind::Refused, _)) => 0,
                Some((Kind::ResetMidBody, _)) => length / 2,
                _ => length,
            };
            while buffer.len() < head_end + part {
                if stream.read_buf(&mut buffer).await? == 0 {
                    return Ok(());
                }
            }
            let body = buffer[head_end..buffer.len().min(head_end + length)].to_vec();
            let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
            let channel = if path.ends_with("/Messages.json") || path == "/v2/messages" {
                ChannelKind::Sms
            } else {
                ChannelKind::Email
            };
            let drawn = drawn.filter(|_| part < length || !self.had_enough(&body, channel));
            let Some((kind, taken)) = drawn else {
                let answer = self.take(&path, &head, &body, true).await;
                stream.write_all(&answer).await?;
                buffer.drain(..head_end + length);
                continue;
            };
            self.note(kind, taken, &body, channel);
            let answer = if taken {
                self.take(&path, &head, &body, false).await
            } else {
                written(
                    200,
                    "",
                    br#"{"id":"lost","sid":"SMlost","MessageId":"lost"}"#,
                )
            };
            if !self.misbehave(kind, &mut stream, &answer).await? {
                return Ok(());
            }
            buffer.drain(..buffer.len().min(head_end + length));
        }
    }

    /// Does what is wrong. True when the connection goes on.
    async fn misbehave(
        &self,
        kind: Kind,
        stream: &mut TcpStream,
        answer: &[u8],
    ) -> io::Result<bool> {
        match kind {
            Kind::Refused => {
                // This caller sees a reset, those who connect meanwhile are refused.
                self.closed.store(true, Ordering::Relaxed);
                stream.set_zero_linger()?;
                return Ok(false);
            }
            Kind::ResetBeforeBody | Kind::ResetMidBody | Kind::ResetAfterBody => {
                stream.set_zero_linger()?;
                return Ok(false);
            }
            Kind::NoAnswer => {
                tokio::time::sleep(SILENCE).await;
                return Ok(false);
            }
            Kind::HeadThenSilence => {
                let end = find(answer, b"\r\n\r\n").map_or(answer.len(), |at| at + 4);
                stream.write_all(&answer[..end]).await?;
                tokio::time::sleep(SILENCE).await;
                return Ok(false);
            }
            Kind::OneByteASecond => {
                for byte in answer.iter().take(SILENCE.as_secs() as usize) {
                    stream.write_all(&[*byte]).await?;
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
                return Ok(false);
            }
            Kind::TruncatedJson => {
                stream
                    .write_all(&written(200, "", br#"{"sid":"SM0123","id":"01"#))
                    .await?;
            }
            Kind::WrongType => {
                let page = b"<html><body>Welcome to the hotel's wireless network</body></html>";
                stream.write_all(&written(200, "", page)).await?;
            }
            Kind::HundredMegabytes => {
                let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 104857600\r\n\r\n";
                stream.write_all(head.as_bytes()).await?;
                let piece = vec![b' '; 1 << 20];
                for _ in 0..100 {
                    stream.write_all(&piece).await?;
                }
            }
            Kind::GzipBomb => {
                let bomb = written(200, "content-encoding: gzip\r\n", &self.bomb);
                stream.write_all(&bomb).await?;
            }
            Kind::ErrorInside => {
                let inside =
                    br#"{"error":{"name":"internal_server_error","message":"sorry"},"code":20500}"#;
                stream.write_all(&written(200, "", inside)).await?;
            }
            Kind::StaleKeepAlive => {
                stream.write_all(answer).await?;
                return Ok(false);
            }
            _ => {
                let soon = jiff::Timestamp::now() + jiff::SignedDuration::from_secs(2);
                let extra = match kind {
                    Kind::SlowDownSeconds => "retry-after: 1\r\n".to_owned(),
                    Kind::SlowDownDate => soon
                        .strftime("retry-after: %a, %d %b %Y %H:%M:%S GMT\r\n")
                        .to_string(),
                    Kind::SlowDownAbsurd => "retry-after: 99999999999999999999\r\n".to_owned(),
                    Kind::Redirect => "location: http://127.0.0.1:1/\r\n".to_owned(),
                    _ => String::new(),
                };
                let status = kind.status().unwrap_or(500);
                let body = br#"{"message":"it was decided by dice","name":"application_error"}"#;
                stream.write_all(&written(status, &extra, body)).await?;
            }
        }
        Ok(true)
    }

    /// The provider takes what it was asked for, and answers.
    async fn take(&self, path: &str, head: &str, body: &[u8], callbacks: bool) -> Vec<u8> {
        let (bare, query) = path.split_once('?').unwrap_or((path, ""));
        let answer = if bare.ends_with("/Messages.json") && head.starts_with("GET") {
            self.sink.list(query)
        } else if bare.ends_with("/Messages.json") {
            let answer = self.sink.text(body);
            let url = sink::field(body, "StatusCallback");
            if callbacks && !url.is_empty() {
                let (status, json) = whole(answer).await;
                let json: Vec<u8> = json;
                self.report(&url, &json).await;
                return written(status, "", &json);
            }
            answer
        } else if bare == "/emails" {
            self.sink.mail(body, header(head, "idempotency-key"))
        } else if bare == "/v2/messages" {
            self.sink.keyed_text(body, header(head, "idempotency-key"))
        } else if bare == "/v3/mail/send" {
            let id = self.sink.sendgrid(body);
            self.tell_of_mail(&id, body);
            return written(202, &format!("x-message-id: {id}\r\n"), b"");
        } else if bare == "/v2/email/outbound-emails" {
            self.sink.ses(body)
        } else {
            return written(404, "", b"{}");
        };
        let (status, json) = whole(answer).await;
        written(status, "", &json)
    }

    /// Tells a little later that SendGrid delivered a mail, and repeats it until somebody listens, as SendGrid does for a day.
    fn tell_of_mail(&self, id: &str, body: &[u8]) {
        let json: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
        let args = json["personalizations"][0]["custom_args"].clone();
        let Some(url) = self.events.get().cloned() else {
            return;
        };
        let now = jiff::Timestamp::now();
        let event = serde_json::json!([{
            "event": "delivered", "sg_event_id": format!("e{id}"), "sg_message_id": format!("{id}.recvd-1"),
            "timestamp": now.as_second(), "message_ref": args["message_ref"], "attempt_ref": args["attempt_ref"]}]);
        let hook = self.sendgrid.events(&url, now, &event.to_string());
        tokio::spawn(async move {
            for _ in 0..60 {
                tokio::time::sleep(Duration::from_millis(500)).await;
                if post_hook(&hook).await.is_ok_and(|status| status < 500) {
                    return;
                }
            }
        });
    }

    /// Reports on a text, now and then and in every wrong way.
    async fn report(&self, url: &str, answer: &[u8]) {
        let kind = {
            let mut dice = self.dice();
            if self.one_in.load(Ordering::Relaxed) == 0 || !dice.once_in(6) {
                return;
            }
            dice.pick(&Callback::ALL)
        };
        *self.did_mut().callbacks.entry(kind).or_default() += 1;
        let json: serde_json::Value = serde_json::from_slice(answer).unwrap_or_default();
        let sid = json["sid"].as_str().unwrap_or_default().to_owned();
        let statuses: &[&str] = match kind {
            Callback::BeforeTheAnswer => &["delivered"],
            Callback::Twice => &["delivered", "delivered"],
            Callback::HundredTimes => &["delivered"; 100],
            Callback::Reversed => &["delivered", "sent", "queued"],
            Callback::WrongSignature | Callback::OthersSignature => &["undelivered"],
        };
        let token = if kind.forged() { OTHERS } else { TOKEN };
        let (own, url) = (self.clone(), url.to_owned());
        let reports = async move {
            for status in statuses {
                let fields: Vec<(String, String)> = [
                    ("MessageSid", sid.as_str()),
                    ("MessageStatus", status),
                    ("SmsStatus", status),
                ]
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .to_vec();
                let mut signature = sign(token, Algorithm::Sha1, &url, Signed::Form(&fields));
                if kind == Callback::WrongSignature {
                    signature = "AAAAAAAAAAAAAAAAAAAAAAAAAAA=".into();
                }
                let told = post_form(&url, &fields, &signature).await;
                let mut did = own.did_mut();
                match told {
                    Ok(status) if kind.forged() && (200..300).contains(&status) => {
                        did.forged_believed += 1;
                    }
                    // 429 and 503 ask to come back; a server that was killed does not answer at all.
                    Ok(400..=428) if !kind.forged() => did.refused += 1,
                    _ => {}
                }
            }
        };
        if kind == Callback::BeforeTheAnswer {
            reports.await;
        } else {
            tokio::spawn(reports);
        }
    }

    async fn mail_connection(self, mut stream: TcpStream) -> io::Result<()> {
        let mut lines = Lines::default();
        stream.write_all(b"220 mail.example.com ESMTP\r\n").await?;
        let mut drawn = None;
        loop {
            let Some(line) = lines.next(&mut stream).await? else {
                return Ok(());
            };
            let word = line.get(..4).unwrap_or(&line).to_ascii_uppercase();
            let reply: &[u8] = match word.as_str() {
                "EHLO" | "HELO" => b"250-mail.example.com\r\n250 8BITMIME\r\n",
                "MAIL" => {
                    drawn = self.draw(true);
                    if matches!(drawn, Some((Kind::ResetBeforeBody | Kind::Refused, _))) {
                        self.note(Kind::ResetBeforeBody, false, b"", ChannelKind::Email);
                        stream.set_zero_linger()?;
                        return Ok(());
                    }
                    b"250 OK\r\n"
                }
                "DATA" => {
                    stream.write_all(b"354 Go ahead\r\n").await?;
                    let Some(mail) = lines.mail(&mut stream, drawn.map(|(kind, _)| kind)).await?
                    else {
                        self.note(Kind::ResetMidBody, false, b"", ChannelKind::Email);
                        stream.set_zero_linger()?;
                        return Ok(());
                    };
                    let Some((kind, taken)) = drawn.take() else {
                        self.sink.smtp(&mail);
                        stream.write_all(b"250 2.0.0 queued\r\n").await?;
                        continue;
                    };
                    self.note(kind, taken, &mail, ChannelKind::Email);
                    if taken {
                        self.sink.smtp(&mail);
                    }
                    match kind {
                        Kind::NoAnswer | Kind::HeadThenSilence | Kind::OneByteASecond => {
                            tokio::time::sleep(SILENCE).await;
                            return Ok(());
                        }
                        Kind::StaleKeepAlive => {
                            stream.write_all(b"250 2.0.0 queued\r\n").await?;
                            return Ok(());
                        }
                        Kind::ErrorInside => b"451 4.3.0 try again later\r\n",
                        Kind::WrongType => b"hello\r\n",
                        _ => {
                            stream.set_zero_linger()?;
                            return Ok(());
                        }
                    }
                }
                "QUIT" => {
                    stream.write_all(b"221 Bye\r\n").await?;
                    return Ok(());
                }
                _ => b"250 OK\r\n",
            };
            stream.write_all(reply).await?;
        }
    }
}

/// Lines of a mail server's client.
#[derive(Default)]
struct Lines(Vec<u8>);

impl Lines {
    async fn next(&mut self, stream: &mut TcpStream) -> io::Result<Option<String>> {
        loop {
            if let Some(at) = find(&self.0, b"\r\n") {
                let line: Vec<u8> = self.0.drain(..at + 2).collect();
                return Ok(Some(String::from_utf8_lossy(&line[..at]).into_owned()));
            }
            if stream.read_buf(&mut self.0).await? == 0 {
                return Ok(None);
            }
        }
    }

    /// A mail up to its dot; none when the line is to break in its middle.
    async fn mail(
        &mut self,
        stream: &mut TcpStream,
        kind: Option<Kind>,
    ) -> io::Result<Option<Vec<u8>>> {
        loop {
            if kind == Some(Kind::ResetMidBody) && self.0.len() > 200 {
                return Ok(None);
            }
            if let Some(at) = find(&self.0, b"\r\n.\r\n") {
                let mail: Vec<u8> = self.0.drain(..at + 5).collect();
                return Ok(Some(mail));
            }
            if stream.read_buf(&mut self.0).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }
}

async fn whole(answer: Response<Full<Bytes>>) -> (u16, Vec<u8>) {
    let status = answer.status().as_u16();
    let body = answer.into_body().collect().await;
    let body = body
        .map(|body| body.to_bytes().to_vec())
        .unwrap_or_default();
    (status, body)
}

fn written(status: u16, extra: &str, body: &[u8]) -> Vec<u8> {
    let date = jiff::Timestamp::now().strftime("%a, %d %b %Y %H:%M:%S GMT");
    let head = format!(
        "HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ndate: {date}\r\ncontent-length: {}\r\n{extra}\r\n",
        body.len()
    );
    let mut all = head.into_bytes();
    all.extend_from_slice(body);
    all
}

/// The address and path of a report.
fn place(url: &str) -> io::Result<(SocketAddr, &str)> {
    let rest = url.strip_prefix("http://").unwrap_or(url);
    let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let addr = host
        .parse()
        .map_err(|_| io::Error::other("the report's address is no address"))?;
    Ok((addr, path))
}

/// Posts a report, and answers the status of the answer.
async fn deliver(addr: SocketAddr, request: &[u8]) -> io::Result<u16> {
    let ask = async {
        let mut wire = crate::wire::Wire::connect(addr).await?;
        Ok(wire.ask(request).await?.status)
    };
    tokio::time::timeout(Duration::from_secs(10), ask)
        .await
        .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

async fn post_hook(hook: &RawHook) -> io::Result<u16> {
    let (addr, path) = place(&hook.url)?;
    let mut request = crate::wire::Request::new("POST", path, addr);
    for (name, value) in &hook.headers {
        request = request.header(name.as_str(), value.to_str().unwrap_or_default());
    }
    deliver(addr, &request.body(&hook.body)).await
}

async fn post_form(url: &str, fields: &[(String, String)], signature: &str) -> io::Result<u16> {
    let (addr, path) = place(url)?;
    let body: Vec<String> = fields
        .iter()
        .map(|(name, value)| format!("{name}={}", crate::wire::escape(value)))
        .collect();
    let request = crate::wire::Request::new("POST", path, addr)
        .header("content-type", "application/x-www-form-urlencoded")
        .header("x-twilio-signature", signature)
        .body(body.join("&").as_bytes());
    deliver(addr, &request).await
}

fn find(text: &[u8], what: &[u8]) -> Option<usize> {
    text.windows(what.len()).position(|window| window == what)
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines()
        .filter_map(|line| line.split_once(':'))
        .find_map(|(key, value)| key.eq_ignore_ascii_case(name).then(|| value.trim()))
}

/// 64 MiB of nothing, packed.
fn bomb() -> Bytes {
    use flate2::{Compression, write::GzEncoder};
    use std::io::Write as _;
    let mut packed = GzEncoder::new(Vec::new(), Compression::best());
    let piece = vec![b' '; 1 << 20];
    for _ in 0..64 {
        // Writing into memory does not fail.
        drop(packed.write_all(&piece));
    }
    packed.finish().unwrap_or_default().into()
}
