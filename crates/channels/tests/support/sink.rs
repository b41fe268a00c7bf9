//! A mail server that misbehaves at the step that it is asked to.

use super::{http, map};
use ringback_channels::{Channel, open};
use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader},
    net::TcpListener,
    sync::Notify,
};
use tokio_rustls::TlsAcceptor;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum At {
    Greeting,
    Ehlo,
    StartTls,
    Auth,
    Mail,
    Rcpt,
    Data,
    /// After 354, in the middle of the mail.
    Body,
    Dot,
    Rset,
}

#[derive(Debug, Clone)]
pub enum Does {
    Says(&'static str),
    /// Writes this as it stands, and closes.
    Breaks(&'static str),
    /// Writes this as it stands, and then nothing for ever.
    Begins(&'static str),
    /// Writes this, a byte a second.
    Drips(&'static str),
    /// Writes 100 MB of lines that announce another.
    Floods,
    Closes,
    Hangs,
}

#[derive(Debug, Default, Clone)]
pub struct Log {
    pub connections: usize,
    pub commands: Vec<String>,
    pub mails: Vec<String>,
}

/// What the sink does at a step; the number is the connection's.
pub type Script = dyn Fn(At, usize) -> Does + Send + Sync;

pub struct Sink {
    pub address: SocketAddr,
    pub log: Arc<Mutex<Log>>,
    pub hung: Arc<Notify>,
}

pub const OFFERS: &str =
    "250-sink.example.test\r\n250-8BITMIME\r\n250-AUTH PLAIN LOGIN\r\n250 ENHANCEDSTATUSCODES";

pub fn usual(at: At) -> &'static str {
    match at {
        At::Greeting => "220 sink.example.test ESMTP",
        At::Ehlo => OFFERS,
        At::StartTls => "220 2.0.0 go ahead",
        At::Auth => "235 2.7.0 welcome",
        At::Data => "354 go on",
        At::Dot => "250 2.0.0 Ok: queued as 4XyZ",
        At::Mail | At::Rcpt | At::Body | At::Rset => "250 2.1.0 Ok",
    }
}

impl Sink {
    pub async fn usual() -> Self {
        Self::with(|at, _| Does::Says(usual(at)), None).await
    }

    /// Misbehaves at one step, always.
    pub async fn at(step: At, does: Does) -> Self {
        Self::with(
            move |at, _| {
                if at == step {
                    does.clone()
                } else {
                    Does::Says(usual(at))
                }
            },
            None,
        )
        .await
    }

    pub async fn with(
        script: impl Fn(At, usize) -> Does + Send + Sync + 'static,
        tls: Option<TlsAcceptor>,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let log = Arc::new(Mutex::new(Log::default()));
        let hung = Arc::new(Notify::new());
        let script: Arc<Script> = Arc::new(script);
        let (all, bell) = (Arc::clone(&log), Arc::clone(&hung));
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let number = {
                    let mut log = all.lock().unwrap();
                    log.connections += 1;
                    log.connections - 1
                };
                let (log, script, bell, tls) = (
                    Arc::clone(&all),
                    Arc::clone(&script),
                    Arc::clone(&bell),
                    tls.clone(),
                );
                tokio::spawn(async move {
                    let mut talk = Talk {
                        number,
                        log,
                        script,
                        bell,
                        greet: true,
                    };
                    match tls {
                        None => {
                            talk.go(stream).await;
                        }
                        Some(acceptor) => {
                            if let Ok(stream) = acceptor.accept(stream).await {
                                talk.go(stream).await;
                            }
                        }
                    }
                });
            }
        });
        Self { address, log, hung }
    }

    pub fn log(&self) -> Log {
        self.log.lock().unwrap().clone()
    }

    pub fn settings(&self) -> BTreeMap<String, String> {
        map(&[
            ("host", "127.0.0.1"),
            ("port", &self.address.port().to_string()),
            ("tls", "none"),
            ("from", "Acme, Inc. <hello@example.test>"),
        ])
    }

    pub fn channel(&self) -> Arc<dyn Channel> {
        open("smtp", &self.settings(), &http()).unwrap()
    }
}

pub struct Talk {
    pub number: usize,
    pub log: Arc<Mutex<Log>>,
    pub script: Arc<Script>,
    pub bell: Arc<Notify>,
    pub greet: bool,
}

impl Talk {
    /// Does what the script says; false when the conversation is over.
    pub async fn step(
        &self,
        at: At,
        stream: &mut (impl AsyncWrite + Unpin),
    ) -> Option<&'static str> {
        match (self.script)(at, self.number) {
            Does::Says(text) => {
                stream
                    .write_all(format!("{text}\r\n").as_bytes())
                    .await
                    .ok()?;
                stream.flush().await.ok()?;
                Some(text)
            }
            Does::Breaks(text) => {
                stream.write_all(text.as_bytes()).await.ok()?;
                stream.flush().await.ok()?;
                None
            }
            Does::Begins(text) => {
                stream.write_all(text.as_bytes()).await.ok()?;
                stream.flush().await.ok()?;
                self.bell.notify_one();
                std::future::pending().await
            }
            Does::Drips(text) => {
                self.bell.notify_one();
                for byte in text.bytes() {
                    tokio::time::sleep(Duration::from_secs(1)).await;
                    stream.write_all(&[byte]).await.ok()?;
                    stream.flush().await.ok()?;
                }
                std::future::pending().await
            }
            Does::Floods => {
                let lines = "250-and another line\r\n".repeat(1 << 10);
                for _ in 0..(100 << 20) / lines.len() {
                    stream.write_all(lines.as_bytes()).await.ok()?;
                }
                None
            }
            Does::Closes => None,
            Does::Hangs => {
                self.bell.notify_one();
                std::future::pending().await
            }
        }
    }

    pub async fn go<S: AsyncRead + AsyncWrite + Unpin>(&mut self, stream: S) -> Option<S> {
        let mut stream = BufReader::new(stream);
        if self.greet {
            self.step(At::Greeting, &mut stream).await?;
        }
        loop {
            let mut line = String::new();
            if stream.read_line(&mut line).await.ok()? == 0 {
                return None;
            }
            self.log
                .lock()
                .unwrap()
                .commands
                .push(line.trim_end().to_owned());
            let word = line.split([' ', '\r']).next()?.to_ascii_uppercase();
            let at = match word.as_str() {
                "EHLO" => At::Ehlo,
                "STARTTLS" => {
                    self.step(At::StartTls, &mut stream).await?;
                    return Some(stream.into_inner());
                }
                "AUTH" => At::Auth,
                "MAIL" => At::Mail,
                "RCPT" => At::Rcpt,
                "RSET" | "NOOP" => At::Rset,
                "QUIT" => return None,
                "DATA" => {
                    if !self.step(At::Data, &mut stream).await?.starts_with("354") {
                        continue;
                    }
                    match (self.script)(At::Body, self.number) {
                        Does::Closes | Does::Breaks(_) => return None,
                        Does::Hangs => {
                            self.bell.notify_one();
                            std::future::pending::<()>().await;
                        }
                        _ => {}
                    }
                    let mut mail = String::new();
                    loop {
                        let mut line = String::new();
                        if stream.read_line(&mut line).await.ok()? == 0 {
                            return None;
                        }
                        if line == ".\r\n" {
                            break;
                        }
                        mail.push_str(line.strip_prefix('.').unwrap_or(&line));
                    }
                    self.log.lock().unwrap().mails.push(mail);
                    At::Dot
                }
                _ => At::Rset,
            };
            self.step(at, &mut stream).await?;
        }
    }
}
