//! One conversation with a mail server, step by step, each with its own time.

use super::{
    codes::{Fault, Stage, Trouble},
    mime::Written,
    wire::{Dot, Line},
};
use crate::{
    http::{
        Dialer,
        dial::{Meter, Wire},
    },
    mail::plain,
};
use lettre::transport::smtp::{
    Error,
    authentication::{Credentials, Mechanism},
    client::AsyncSmtpConnection,
    commands::{Data, Mail, Rcpt, Rset},
    extension::{ClientId, Extension, MailBodyParameter, MailParameter},
    response::Response,
};
use std::{error::Error as _, future::Future, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{Instant, timeout_at},
};

/// A step that takes longer is given up, even when the message had more time.
const STEP: Duration = Duration::from_secs(5);
/// After so much rest a connection is asked whether it still stands.
const RESTED: Duration = Duration::from_secs(5);
const OLDEST: Duration = Duration::from_secs(60);
const MOST_MESSAGES: u32 = 100;
/// What is read of a server before encryption begins.
const PLAIN_REPLY: usize = 4096;

/// When encryption begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tls {
    /// With the first byte.
    Implicit,
    /// After STARTTLS, which must be offered.
    Start,
    /// Never.
    None,
}

/// Where and who.
pub(super) struct Login {
    pub host: String,
    pub port: u16,
    pub tls: Tls,
    pub hello: String,
    pub credentials: Option<(String, String)>,
}

pub(super) struct Session {
    connection: AsyncSmtpConnection,
    meter: Meter,
    dot: Dot,
    born: Instant,
    used: Instant,
    messages: u32,
}

impl Session {
    pub async fn open(dialer: &Dialer, login: &Login, end: Instant) -> Result<Self, Fault> {
        let dialled = |error: crate::http::DialError| Fault {
            stage: Stage::Connect,
            trouble: Trouble::Dial(error.0),
        };
        let plain = login.tls == Tls::None;
        let mut tcp = dialer
            .tcp(&login.host, login.port, plain)
            .await
            .map_err(dialled)?;
        let mut preface: &[u8] = b"";
        if login.tls == Tls::Start {
            let greeted = timeout_at(step(end), ask_for_tls(&mut tcp, &login.hello)).await;
            greeted.map_err(|_| Fault::late(Stage::Connect))??;
            preface = b"220 encrypted\r\n";
        }
        let wire = if plain {
            Wire::plain(tcp, dialer.boot().clone())
        } else {
            let tls = dialer.tls(&login.host, tcp).await.map_err(dialled)?;
            Wire::tls(tls, dialer.boot().clone())
        };
        let meter = wire.meter.clone();
        let dot = Dot::default();
        let line = Box::new(Line::new(wire, preface, dot.clone()));
        let hello = ClientId::Domain(login.hello.clone());
        let mut connection = within(
            step(end),
            Stage::Connect,
            AsyncSmtpConnection::connect_with_transport(line, &hello),
        )
        .await?;
        if let Some((user, password)) = &login.credentials {
            let credentials = Credentials::new(user.clone(), password.clone());
            within(
                step(end),
                Stage::Auth,
                connection.auth(&[Mechanism::Plain, Mechanism::Login], &credentials),
            )
            .await?;
        }
        let now = Instant::now();
        Ok(Self {
            connection,
            meter,
            dot,
            born: now,
            used: now,
            messages: 0,
        })
    }

    /// True when it can be used again: not too old, and still answering if it rested.
    pub async fn still_good(&mut self, end: Instant) -> bool {
        if self.worn() {
            return false;
        }
        if self.used.elapsed() <= RESTED {
            return true;
        }
        // The limit of the mail before does not bind this question.
        self.allow_until(Duration::MAX);
        let until = end.min(Instant::now() + Duration::from_secs(2));
        timeout_at(until, self.connection.test_connected())
            .await
            .unwrap_or(false)
    }

    /// True when it has done its work and should not be used again.
    pub fn worn(&self) -> bool {
        self.connection.has_broken()
            || self.born.elapsed() > OLDEST
            || self.messages >= MOST_MESSAGES
    }

    /// From now on nothing is written after this instant of the boot clock.
    pub fn allow_until(&self, until: Duration) {
        self.meter.allow_until(until);
    }

    /// Forgets a refused mail, so that the connection can carry another.
    pub async fn reset(&mut self, end: Instant) -> bool {
        let until = end.min(Instant::now() + Duration::from_secs(2));
        matches!(
            timeout_at(until, self.connection.command(Rset)).await,
            Ok(Ok(_))
        )
    }

    /// Hands one mail over; the answer is what the server said to it. Everything before the mail itself must be done by `soon`.
    pub async fn deliver(
        &mut self,
        mail: &Written,
        soon: Instant,
        end: Instant,
    ) -> Result<String, Fault> {
        self.messages += 1;
        self.dot.clear();
        let options = self.options(mail)?;
        let connection = &mut self.connection;
        let from = Mail::new(Some(mail.from.clone()), options);
        within(step(soon), Stage::Mail, connection.command(from)).await?;
        let to = Rcpt::new(mail.to.clone(), Vec::new());
        within(step(soon), Stage::Rcpt, connection.command(to)).await?;
        within(step(soon), Stage::Data, connection.command(Data)).await?;
        // Frozen meanwhile (SIGSTOP, a paused machine)? The lease may have passed on: the mail is not begun.
        if Instant::now() >= soon {
            return Err(Fault::late(Stage::Data));
        }
        let sent = within(end, Stage::Body, connection.message(&mail.bytes)).await;
        let reply = sent.map_err(|fault| Fault {
            // A reply is an answer wherever it comes; without one, all depends on whether the dot may have left.
            stage: if self.dot.written() {
                Stage::Dot
            } else {
                Stage::Body
            },
            ..fault
        })?;
        self.used = Instant::now();
        Ok(said(&reply))
    }

    fn options(&self, mail: &Written) -> Result<Vec<MailParameter>, Fault> {
        let server = self.connection.server_info();
        let mut options = Vec::new();
        if !plain(&mail.to) || !plain(&mail.from) {
            if !server.supports_feature(Extension::SmtpUtfEight) {
                return Err(Fault::local(
                    Stage::Address,
                    "smtputf8",
                    "The mail server cannot carry addresses with letters outside ASCII before the @.",
                ));
            }
            options.push(MailParameter::SmtpUtfEight);
        }
        if !mail.bytes.is_ascii() && server.supports_feature(Extension::EightBitMime) {
            options.push(MailParameter::Body(MailBodyParameter::EightBitMime));
        }
        Ok(options)
    }
}

fn step(end: Instant) -> Instant {
    end.min(Instant::now() + STEP)
}

async fn within<T>(
    end: Instant,
    stage: Stage,
    work: impl Future<Output = Result<T, Error>>,
) -> Result<T, Fault> {
    match timeout_at(end, work).await {
        Ok(Ok(done)) => Ok(done),
        Ok(Err(error)) => Err(fault(stage, &error)),
        Err(_) => Err(Fault::late(stage)),
    }
}

fn fault(stage: Stage, error: &Error) -> Fault {
    let text = error.source().map(ToString::to_string).unwrap_or_default();
    let trouble = match error.status() {
        Some(code) => Trouble::Reply {
            code: code.into(),
            text,
        },
        None if error.is_client() => Trouble::Local(ringback_core::messages::Reason::new(
            "no_way",
            "The mail server offers no way to sign in that we know.",
        )),
        None => Trouble::Broken,
    };
    Fault { stage, trouble }
}

/// The server's words to an accepted mail, on one line.
fn said(reply: &Response) -> String {
    crate::answers::short(reply.first_line().unwrap_or_default().trim(), 120)
}

/// Speaks the few plain words before encryption. Whatever the server says beyond its consent would be taken for words of the
/// encrypted conversation, so it is refused (response injection).
async fn ask_for_tls(tcp: &mut TcpStream, hello: &str) -> Result<(), Fault> {
    plain_reply(tcp, 220).await?;
    tell(tcp, format!("EHLO {hello}\r\n").as_bytes()).await?;
    let offers = plain_reply(tcp, 250).await?;
    let offered = offers
        .lines()
        .filter_map(|line| line.get(4..))
        .any(|word| word.trim().eq_ignore_ascii_case("STARTTLS"));
    if !offered {
        return Err(Fault::local(
            Stage::Auth,
            "no_starttls",
            "The mail server does not offer STARTTLS; nothing is sent to it in the clear.",
        ));
    }
    tell(tcp, b"STARTTLS\r\n").await?;
    plain_reply(tcp, 220).await?;
    Ok(())
}

async fn tell(tcp: &mut TcpStream, words: &[u8]) -> Result<(), Fault> {
    tcp.write_all(words).await.map_err(|_| Fault {
        stage: Stage::Connect,
        trouble: Trouble::Broken,
    })
}

async fn plain_reply(tcp: &mut TcpStream, wanted: u16) -> Result<String, Fault> {
    let broken = || Fault {
        stage: Stage::Connect,
        trouble: Trouble::Broken,
    };
    let mut text = Vec::new();
    let mut chunk = [0; 512];
    loop {
        let read = tcp.read(&mut chunk).await.map_err(|_| broken())?;
        text.extend_from_slice(&chunk[..read]);
        if read == 0 || text.len() > PLAIN_REPLY {
            return Err(broken());
        }
        let Some(end) = end_of_reply(&text) else {
            continue;
        };
        if end != text.len() {
            return Err(Fault::local(
                Stage::Auth,
                "injection",
                "The mail server said more than it was asked before encryption; somebody may be in between.",
            ));
        }
        let text = String::from_utf8_lossy(&text).into_owned();
        let code = text
            .get(..3)
            .and_then(|code| code.parse().ok())
            .unwrap_or(0);
        if code == wanted {
            return Ok(text);
        }
        return Err(Fault {
            stage: Stage::Connect,
            trouble: Trouble::Reply {
                code,
                text: text.get(4..).unwrap_or_default().to_owned(),
            },
        });
    }
}

/// Where the first whole reply ends: after a line whose code is not followed by a hyphen.
fn end_of_reply(text: &[u8]) -> Option<usize> {
    let mut start = 0;
    while let Some(length) = text[start..].windows(2).position(|two| two == b"\r\n") {
        let line = &text[start..start + length];
        start += length + 2;
        if line.get(3) != Some(&b'-') {
            return Some(start);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_ends_where_its_last_line_ends() {
        for (text, end) in [
            ("", None),
            ("220", None),
            ("220 hello\r", None),
            ("220 hello\r\n", Some(11)),
            ("220\r\n", Some(5)),
            ("220-a\r\n220 b\r\n", Some(14)),
            ("220-a\r\n220-b\r\n", None),
            ("220 go\r\n250 injected\r\n", Some(8)),
        ] {
            assert_eq!(end_of_reply(text.as_bytes()), end, "{text:?}");
        }
    }
}
