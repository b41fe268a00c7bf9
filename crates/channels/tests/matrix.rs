//! Reliability 4.4, M3: every fault of a provider at every channel. What is right follows from where the exchange broke alone: before the
//! first byte of a request it was certainly not sent; after it and without a whole answer nobody knows, and it is not said to have
//! failed. A fault that a channel cannot meet is named with its reason, and the cells are counted.

#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

#[path = "matrix/below.rs"]
mod below;
#[path = "matrix/callers.rs"]
mod callers;
mod support;
#[path = "matrix/table.rs"]
mod table;

use below::{EXPIRED, FITS, HOST, Names, OTHER_NAME, black_hole, no_handshake, tls_server};
use bytes::Bytes;
use callers::{Caller, URL, after, reports};
use ringback_channels::{
    Channel, Egress, HookError, Http, RawHook, Repeat, Reports, open, testing,
};
use ringback_core::{
    messages::{Content, Outcome, Outgoing, Status},
    time::Timestamp,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use support::{
    AUTH_TOKEN, Patience, Reply, Server, answer, map, message_id, now, outgoing, settings,
    sink::{At, Does, Sink, usual},
    taken, word,
};
use table::{Below, Cell, FAULTS, Line, Lookup, Right, Saw, Step, rows};
use tokio::{net::TcpListener, sync::Notify, time::Instant};

/// The columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Module {
    Twilio,
    HttpSms,
    /// The same where the provider promises to drop twins.
    HttpSmsWithKey,
    Resend,
    Ses,
    SendGrid,
    Webhook,
    Smtp,
}

const MODULES: [Module; 8] = [
    Module::Twilio,
    Module::HttpSms,
    Module::HttpSmsWithKey,
    Module::Resend,
    Module::Ses,
    Module::SendGrid,
    Module::Webhook,
    Module::Smtp,
];

impl Module {
    fn provider(self) -> &'static str {
        match self {
            Self::Twilio => "twilio",
            Self::HttpSms | Self::HttpSmsWithKey => "http_sms",
            Self::Resend => "resend",
            Self::Ses => "ses",
            Self::SendGrid => "sendgrid",
            Self::Webhook => "webhook",
            Self::Smtp => "smtp",
        }
    }

    fn settings(self, encrypted: bool, host: &str, port: u16) -> BTreeMap<String, String> {
        if self == Self::Smtp {
            return map(&[
                ("host", host),
                ("port", &port.to_string()),
                ("tls", if encrypted { "implicit" } else { "none" }),
                ("from", "Acme <hello@example.test>"),
            ]);
        }
        let scheme = if encrypted { "https" } else { "http" };
        let mut all = settings(self.provider(), &format!("{scheme}://{host}:{port}"));
        if self == Self::HttpSmsWithKey {
            all.extend(map(&[
                ("idempotency_header", "Idempotency-Key"),
                (
                    "body",
                    r#"{"to": "{{to}}", "from": "{{from}}", "text": "{{text}}", "hook": "{{report_url}}"}"#,
                ),
            ]));
        }
        all
    }

    fn open(self, http: &Http, encrypted: bool, host: &str, port: u16) -> Arc<dyn Channel> {
        let settings = self.settings(encrypted, host, port);
        open(self.provider(), &settings, http).unwrap_or_else(|error| panic!("{self:?}: {error}"))
    }

    fn at(self, address: SocketAddr) -> Arc<dyn Channel> {
        self.open(&support::http(), false, "127.0.0.1", address.port())
    }

    fn message(self) -> Outgoing {
        outgoing(self.provider())
    }

    /// A message of a megabyte, more than a server has read when it loses its patience.
    fn large_message(self) -> Outgoing {
        let mut message = self.message();
        let long = "words that fill a message ".repeat(40_000);
        match &mut message.content {
            Content::Text { body } => *body = long,
            Content::Mail { text, .. } => *text = long,
            Content::Json { body, .. } => *body = format!(r#"{{"data":"{long}"}}"#),
        }
        message
    }

    /// How long one attempt may take.
    fn deadline(self) -> Duration {
        match self {
            Self::Twilio | Self::HttpSms | Self::HttpSmsWithKey => Duration::from_secs(10),
            _ => Duration::from_secs(15),
        }
    }

    /// The header by which the provider drops twins.
    fn key(self) -> Option<&'static str> {
        match self {
            Self::Resend | Self::HttpSmsWithKey => Some("idempotency-key"),
            Self::Webhook => Some("webhook-id"),
            _ => None,
        }
    }

    /// The head of an answer that says yes.
    fn yes(self) -> (&'static str, &'static [(&'static str, &'static str)]) {
        match self {
            Self::Twilio => ("201 Created", &[]),
            Self::SendGrid => ("202 Accepted", &[("x-message-id", "m-1")]),
            _ => ("200 OK", &[]),
        }
    }
}

/// Makes one attempt, which ends by its deadline whatever happens. Where it hangs, the clock jumps from the moment that the bell tells.
async fn attempt(
    name: &str,
    module: Module,
    channel: &Arc<dyn Channel>,
    message: &Outgoing,
    hangs: Option<&Notify>,
) -> Outcome {
    let (sender, words) = (Arc::clone(channel), message.clone());
    let mut began = Instant::now();
    let sending = tokio::spawn(async move { sender.send(&words).await });
    if let Some(bell) = hangs {
        bell.notified().await;
        tokio::time::pause();
        began = Instant::now();
    }
    let outcome = sending.await.unwrap();
    let waited = began.elapsed();
    if hangs.is_some() {
        tokio::time::resume();
    }
    let most = module.deadline() + Duration::from_millis(10);
    assert!(waited <= most, "{name}: waited {waited:?}");
    outcome
}

/// Counts the cases that ran.
struct Tally {
    black_hole: SocketAddr,
    cases: usize,
}

impl Tally {
    fn judge(&mut self, case: &dyn fmt::Display, module: Module, right: Right, outcome: &Outcome) {
        self.cases += 1;
        let expected = right.word(module);
        assert_eq!(word(outcome), expected, "{case}: {outcome:?}");
        if let (Right::Slow(wanted), Outcome::Retryable { after, .. }) = (right, outcome) {
            assert_eq!(after.map(|after| after.as_secs()), wanted, "{case}");
        }
        // I3: what may be out is never simply sent again, unless the provider drops twins.
        let again = word(outcome) == "retry" && module.key().is_none();
        assert!(!(right.may_be_out() && again), "{case}: a second copy");
    }

    async fn below(&mut self, fault: &str, module: Module, case: Below) {
        let case_name = format!("{fault}, {module:?}, {case:?}");
        let message = module.message();
        let egress = Egress {
            allow: vec!["127.0.0.0/8".parse().unwrap()],
            allow_http: false,
        };
        let (channel, heard) = match case {
            Below::Lookup(lookup) => {
                let http = Http::with_resolver(egress, Arc::new(Names(lookup)));
                (module.open(&http, true, HOST, 443), Arc::default())
            }
            Below::Refused => {
                let free = TcpListener::bind("127.0.0.1:0").await.unwrap();
                let address = free.local_addr().unwrap();
                drop(free);
                (module.at(address), Arc::default())
            }
            Below::BlackHole => (module.at(self.black_hole), Arc::default()),
            Below::OtherName | Below::Expired => {
                let (http, acceptor) = match case {
                    Below::Expired => &*EXPIRED,
                    _ => &*OTHER_NAME,
                };
                let (port, heard) = tls_server(acceptor.clone()).await;
                (module.open(http, true, HOST, port), heard)
            }
            Below::BrokenOff | Below::NotSpoken => {
                let plain: &[u8] = match case {
                    Below::BrokenOff => b"",
                    _ => b"HTTP/1.1 400 Bad Request\r\n\r\n",
                };
                let (port, heard) = no_handshake(plain).await;
                (module.open(&FITS.0, true, HOST, port), heard)
            }
        };
        let waits = matches!(case, Below::Lookup(Lookup::Silence) | Below::BlackHole);
        if waits {
            tokio::time::pause();
        }
        let began = Instant::now();
        let outcome = channel.send(&message).await;
        let waited = began.elapsed();
        if waits {
            tokio::time::resume();
        }
        self.judge(&case_name, module, Right::NotSent, &outcome);
        assert!(waited <= Duration::from_secs(4), "{case_name}: {waited:?}");
        assert_eq!(heard.load(Ordering::Relaxed), 0, "{case_name}: words left");
        let Outcome::Retryable { why, .. } = outcome else {
            panic!("{case_name}")
        };
        let expected = match case {
            Below::Lookup(_) => "dns",
            Below::Refused | Below::BlackHole => "connect",
            Below::OtherName | Below::Expired | Below::BrokenOff | Below::NotSpoken => "tls",
        };
        assert_eq!(why.code, expected, "{case_name}: {why:?}");
    }

    async fn line(&mut self, fault: &str, module: Module, case: &Line) {
        let name = format!("{fault}, {module:?}, {}", case.what);
        let (faulty, healthy) = ((case.does)(module), taken(module.provider()).0);
        let (patience, first) = (case.patience, faulty.clone());
        let server = Server::patient(
            move |number| {
                if number == 0 {
                    first.clone()
                } else {
                    healthy.clone()
                }
            },
            move |connection| {
                if connection == 0 {
                    patience
                } else {
                    Patience::Whole
                }
            },
        )
        .await;
        let (channel, message) = (
            module.at(server.address),
            match patience {
                Patience::Whole => module.message(),
                _ => module.large_message(),
            },
        );
        let outcome = if matches!(faulty, Reply::Hang(_) | Reply::Drip(..)) {
            attempt(&name, module, &channel, &message, Some(&server.arrived)).await
        } else {
            attempt(&name, module, &channel, &message, None).await
        };
        let saw = match (
            server.begun.load(Ordering::Relaxed),
            server.requests().len(),
        ) {
            (0, _) => Saw::Nothing,
            (1, 0) => Saw::Part,
            (1, 1) => Saw::Whole,
            more => panic!("{name}: {more:?} requests for one attempt"),
        };
        let expected = match patience {
            Patience::Whole => Saw::Whole,
            Patience::Head | Patience::SomeOfTheBody => Saw::Part,
        };
        assert_eq!(saw, expected, "{name}");
        self.judge(&name, module, case.right, &outcome);
        if let (Saw::Whole, Some(key)) = (saw, module.key())
            && case.right.may_be_out()
        {
            // The same call again is no second message to who drops twins: the key and the words are the same.
            assert_eq!(channel.capabilities().repeat, Repeat::ByKey);
            let again = channel.send(&message).await;
            assert!(matches!(word(&again), "accepted" | "delivered"), "{name}");
            let [first, second] = &server.requests()[..] else {
                panic!("{name}")
            };
            assert!(first.header(key).is_some(), "{name}");
            assert_eq!(first.header(key), second.header(key), "{name}");
            assert_eq!(first.body, second.body, "{name}");
        }
        assert_eq!(
            server
                .requests()
                .first()
                .and_then(|one| one.header("accept-encoding")),
            None
        );
    }

    async fn step(&mut self, fault: &str, case: &Step) {
        let name = format!("{fault}, SMTP at {:?}, {:?}", case.at, case.does);
        let sink = Sink::at(case.at, case.does.clone()).await;
        let (channel, message) = (sink.channel(), Module::Smtp.message());
        let hangs = matches!(case.does, Does::Hangs | Does::Begins(_) | Does::Drips(_));
        let outcome = if hangs {
            attempt(&name, Module::Smtp, &channel, &message, Some(&sink.hung)).await
        } else {
            attempt(&name, Module::Smtp, &channel, &message, None).await
        };
        let log = sink.log();
        let saw = if log.mails.is_empty() { 0 } else { 1 };
        let whole = usize::from(case.at == At::Dot);
        assert_eq!((saw, log.connections), (whole, 1), "{name}");
        self.judge(&name, Module::Smtp, case.right, &outcome);
    }

    /// Nobody follows a provider that points into our own house.
    async fn redirect(&mut self, fault: &str, module: Module) {
        let inside = Server::always(taken(module.provider()).0).await;
        for status in [
            "301 Moved",
            "302 Found",
            "303 See Other",
            "307 Temporary",
            "308 Permanent",
        ] {
            let location = inside.url();
            let server = Server::always(answer(status, &[("location", &location)], "")).await;
            let outcome = module.at(server.address).send(&module.message()).await;
            let name = format!("{fault}, {module:?}, {status}");
            self.judge(&name, module, Right::Said("config"), &outcome);
            assert_eq!(server.requests().len(), 1, "{name}");
        }
        assert_eq!(inside.requests().len(), 0, "{fault}, {module:?}: followed");
    }

    /// A connection that closed while it rested is replaced before anything is written; one that closes as the request comes is not
    /// written to twice.
    async fn stale(&mut self, fault: &str, module: Module) {
        let message = module.message();
        if module == Module::Smtp {
            for (at, expected, mails) in [(At::Mail, "accepted", 2), (At::Dot, "unknown", 2)] {
                let begun = AtomicUsize::new(0);
                let sink = Sink::with(
                    move |step, connection| {
                        let second = step == at
                            && connection == 0
                            && begun.fetch_add(1, Ordering::Relaxed) == 1;
                        if second {
                            Does::Closes
                        } else {
                            Does::Says(usual(step))
                        }
                    },
                    None,
                )
                .await;
                let channel = sink.channel();
                assert_eq!(word(&channel.send(&message).await), "accepted");
                assert_eq!(word(&channel.send(&message).await), expected, "{at:?}");
                assert_eq!(sink.log().mails.len(), mails, "{at:?}");
                self.cases += 1;
            }
            return;
        }
        let (Reply::Whole(bytes), _) = taken(module.provider()) else {
            unreachable!()
        };
        let answers = bytes.clone();
        let server = Server::with(move |number| match number {
            1 => Reply::Cut(answers.clone()),
            _ => Reply::Whole(answers.clone()),
        })
        .await;
        let channel = module.at(server.address);
        for _ in 0..4 {
            let outcome = channel.send(&message).await;
            assert!(
                matches!(word(&outcome), "accepted" | "delivered"),
                "{fault}, {module:?}: {outcome:?}"
            );
        }
        let connections: Vec<usize> = server.requests().iter().map(|one| one.connection).collect();
        assert_eq!(connections, [0, 0, 1, 1], "{fault}, {module:?}");
        self.cases += 1;
        let server = Server::with(move |number| match number {
            1 => Reply::Cut(Vec::new()),
            _ => Reply::Whole(bytes.clone()),
        })
        .await;
        let channel = module.at(server.address);
        channel.send(&message).await;
        let outcome = channel.send(&message).await;
        let name = format!("{fault}, {module:?}, closed as the request comes");
        self.judge(&name, module, Right::Unknown, &outcome);
        assert_eq!(server.requests().len(), 2, "{name}: not written again");
    }

    /// What a channel can be asked of callbacks: who sent them, when, and whether it reads the same each time. That they are taken
    /// once, in any order and by nobody else is the server's part. One that never comes asks nothing of a channel.
    fn callbacks(&mut self, fault: &str, module: Module) {
        let name = format!("{fault}, {module:?}");
        let Some(provider) = Caller::of(module) else {
            let channel = module.at("127.0.0.1:9".parse().unwrap());
            assert_eq!(channel.capabilities().reports, Reports::default());
            let hook = testing::twilio_status(AUTH_TOKEN, URL, "SM1", "sent", None);
            assert!(
                matches!(channel.read(&hook, now()), Err(HookError::NotConfigured(_))),
                "{name}"
            );
            self.cases += 1;
            return;
        };
        let read = |hook: &RawHook| provider.channel.read(hook, now());
        let (sent, delivered) = (
            (provider.post)("sent", now(), false),
            (provider.post)("delivered", now(), false),
        );
        // Before the answer: nothing but our own id is needed to find the message.
        let first = read(&delivered).unwrap();
        assert!(!first.is_empty(), "{name}");
        assert!(
            reports(&first).all(|one| one.message == Some(message_id())),
            "{name}"
        );
        // Twice, and a hundred times: the same reports under the same names.
        for _ in 0..100 {
            assert_eq!(read(&delivered).unwrap(), first, "{name}");
        }
        // Reversed: the message ends in the same place.
        let earlier = read(&sent).unwrap();
        assert!(!earlier.is_empty(), "{name}");
        let forward = reports(&earlier)
            .chain(reports(&first))
            .fold(Status::Sending, after);
        let backward = reports(&first)
            .chain(reports(&earlier))
            .fold(Status::Sending, after);
        assert_eq!(
            (forward, backward),
            (Status::Delivered, Status::Delivered),
            "{name}"
        );
        let names: BTreeSet<&str> = reports(&earlier)
            .chain(reports(&first))
            .map(|one| one.dedup.as_str())
            .collect();
        assert_eq!(
            names.len(),
            earlier.len() + first.len(),
            "{name}: each has its own"
        );
        // A wrong signature, and another business's.
        let mut forged = delivered.clone();
        let body = String::from_utf8(delivered.body.to_vec()).unwrap();
        assert!(body.contains("eliver"), "{name}");
        forged.body = Bytes::from(body.replace("eliver", "elivar"));
        assert_eq!(read(&forged), Err(HookError::BadSignature), "{name}");
        let foreign = (provider.post)("delivered", now(), true);
        assert_eq!(read(&foreign), Err(HookError::BadSignature), "{name}");
        // An old timestamp.
        let days = Timestamp::from_second(now().as_second() - 3 * 86_400).unwrap();
        let old = (provider.post)("delivered", days, false);
        match module {
            // Twilio signs no time: a replay is known by the names of its reports, which stay the same.
            Module::Twilio => assert_eq!(read(&old).unwrap(), first, "{name}"),
            _ => assert_eq!(read(&old), Err(HookError::Stale), "{name}"),
        }
        self.cases += 7;
    }
}

/// M3, reliability 4.4: all faults at all channels.
#[tokio::test]
#[allow(
    clippy::print_stdout,
    reason = "the matrix says how many cells it has and which cannot be"
)]
async fn every_fault_at_every_channel_ends_with_what_is_known() {
    let (address, _waiting, _listener) = black_hole().await;
    let mut tally = Tally {
        black_hole: address,
        cases: 0,
    };
    // The certificates that are refused below are refused for their reason alone.
    let (port, heard) = tls_server(FITS.1.clone()).await;
    let channel = Module::Twilio.open(&FITS.0, true, HOST, port);
    let sending = tokio::spawn(async move { channel.send(&Module::Twilio.message()).await });
    while heard.load(Ordering::Relaxed) == 0 {
        tokio::task::yield_now().await;
    }
    sending.abort();

    let (rows, mut ran, mut named) = (rows(), 0, Vec::new());
    let faults: Vec<&str> = rows.iter().map(|row| row.fault).collect();
    assert_eq!(faults, FAULTS, "every fault of the plan has its row");
    for row in &rows {
        for module in MODULES {
            let before = tally.cases;
            match if module == Module::Smtp {
                &row.smtp
            } else {
                &row.http
            } {
                Cell::Below(cases) => {
                    for case in cases {
                        tally.below(row.fault, module, *case).await;
                    }
                }
                Cell::Lines(cases) => {
                    for case in cases {
                        tally.line(row.fault, module, case).await;
                    }
                }
                Cell::Steps(cases) => {
                    for case in cases {
                        tally.step(row.fault, case).await;
                    }
                }
                Cell::Redirect => tally.redirect(row.fault, module).await,
                Cell::Stale => tally.stale(row.fault, module).await,
                Cell::Callbacks => tally.callbacks(row.fault, module),
                Cell::Not(reason) => {
                    named.push(format!("{}, {module:?}: {reason}", row.fault));
                    continue;
                }
            }
            assert!(
                tally.cases > before,
                "{}, {module:?}: an empty cell",
                row.fault
            );
            ran += 1;
        }
    }
    println!(
        "{} faults at {} channels: {ran} cells with {} cases ran, {} cannot be:",
        FAULTS.len(),
        MODULES.len(),
        tally.cases,
        named.len()
    );
    for reason in &named {
        println!("  {reason}");
    }
    assert_eq!(ran + named.len(), FAULTS.len() * MODULES.len());
    assert_eq!((ran, named.len()), (205, 3));
}
