//! Mail by SMTP submission (N2): RFC 6409, 5321, 8314.

mod codes;
mod mime;
mod session;
mod wire;

use crate::{
    catalogue::{ProviderInfo, RATE, SettingInfo},
    channel::{Capabilities, Channel, HookError, Length, Rate, RawHook, Repeat, Reports},
    http::{Dialer, Http},
    mail::mail,
    settings::{Settings, SettingsError},
};
use async_trait::async_trait;
use codes::{Fault, Stage};
use lettre::message::Mailbox;
use ringback_core::{
    messages::{ChannelKind, HookEvent, Outcome, Outgoing, ProviderRef, Reason, Suppress},
    time::Timestamp,
};
use session::{Login, Session, Tls};
use std::{
    num::NonZeroU16,
    sync::{Mutex, PoisonError},
    time::Duration,
};
use tokio::{
    sync::Semaphore,
    time::{Instant, timeout_at},
};

const NAME: &str = "The mail server";
/// For one message with everything.
const DEADLINE: Duration = Duration::from_secs(15);
/// Of that, everything before the mail itself may take this much, so that the reply to its final dot has time to come: without that
/// reply we would not know (M3).
const BEFORE_THE_MAIL: Duration = Duration::from_secs(9);
/// More connections than this at once are unfriendly to a mail server.
const MOST_CONNECTIONS: usize = 10;

pub(crate) const INFO: ProviderInfo = ProviderInfo {
    name: "smtp",
    channel: ChannelKind::Email,
    label: "SMTP",
    settings: &[
        SettingInfo::needed("host", "Server", "The name of the mail server, such as smtp.example.com."),
        SettingInfo::optional("port", "Port", "465 with implicit TLS (the default), 587 with STARTTLS, 25 without."),
        SettingInfo::optional("username", "User", "Leave it out when the server asks for none."),
        SettingInfo::optional("password", "Password", "Belongs to the user.").secret(),
        SettingInfo::optional(
            "tls",
            "Encryption",
            "implicit from the first byte (the default), start by STARTTLS, or none, which only reaches servers that the operator lists.",
        )
        .one_of(&["implicit", "start", "none"]),
        SettingInfo::needed("from", "Sender", "Such as Acme <hello@example.com>."),
        RATE,
    ],
};

/// A mail server with a sender.
pub struct Smtp {
    dialer: Dialer,
    login: Login,
    from: Mailbox,
    idle: Mutex<Vec<Session>>,
    room: Semaphore,
    rate: Option<Rate>,
}

impl Smtp {
    pub(crate) fn open(settings: &Settings<'_>, http: &Http) -> Result<Self, SettingsError> {
        let tls = match settings.get("tls") {
            Some("start") => Tls::Start,
            Some("none") => Tls::None,
            _ => Tls::Implicit,
        };
        let typed = settings.required("host")?;
        let host = url::Host::parse(typed)
            .map_err(|_| {
                SettingsError::new(
                    "host",
                    "Write the server's name alone, such as smtp.example.com.",
                )
            })?
            .to_string();
        let port = match settings.get("port") {
            None => match tls {
                Tls::Implicit => 465,
                Tls::Start => 587,
                Tls::None => 25,
            },
            Some(text) => text
                .parse::<NonZeroU16>()
                .map_err(|_| SettingsError::new("port", "Write a number from 1 to 65535."))?
                .get(),
        };
        let credentials = match (settings.get("username"), settings.get("password")) {
            (Some(user), Some(password)) => Some((user.to_owned(), password.to_owned())),
            (None, None) => None,
            (Some(_), None) => {
                return Err(SettingsError::new("password", "The user needs a password."));
            }
            (None, Some(_)) => {
                return Err(SettingsError::new("username", "The password needs a user."));
            }
        };
        if tls == Tls::None && credentials.is_some() {
            return Err(SettingsError::new(
                "tls",
                "A password is only sent over an encrypted connection; choose implicit or start.",
            ));
        }
        let from = settings.sender("from")?;
        Ok(Self {
            dialer: http.dialer().clone(),
            login: Login {
                host,
                port,
                tls,
                hello: from.email.domain().to_owned(),
                credentials,
            },
            from,
            idle: Mutex::default(),
            room: Semaphore::new(MOST_CONNECTIONS),
            rate: settings.rate()?,
        })
    }

    /// The connection used last that is still good, or a new one. What was idle for long is asked first.
    async fn session(&self, end: Instant) -> Result<(Session, bool), Fault> {
        loop {
            let kept = self
                .idle
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .pop();
            match kept {
                None => return Ok((Session::open(&self.dialer, &self.login, end).await?, false)),
                Some(mut one) => {
                    if one.still_good(end).await {
                        return Ok((one, true));
                    }
                }
            }
        }
    }

    fn keep(&self, session: Session) {
        if session.worn() {
            return;
        }
        self.idle
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(session);
    }

    async fn deliver(
        &self,
        envelope: &mime::Written,
        ends: Option<Duration>,
    ) -> Result<String, Fault> {
        let start = Instant::now();
        let last = self.dialer.boot().now() + DEADLINE;
        let last = ends.map_or(last, |ends| ends.min(last));
        let (soon, end) = (start + BEFORE_THE_MAIL, start + DEADLINE);
        let Ok(Ok(_room)) = timeout_at(soon, self.room.acquire()).await else {
            return Err(Fault::local(
                Stage::Connect,
                "busy",
                "All connections to the mail server are in use.",
            ));
        };
        loop {
            let (mut session, reused) = self.session(soon).await?;
            // Frozen meanwhile? Then nothing is begun: the lease may have passed on.
            if self.dialer.boot().now() >= last {
                return Err(Fault::late(Stage::Connect));
            }
            session.allow_until(last);
            let result = session.deliver(envelope, soon, end).await;
            match result {
                // Closed while it rested. Nothing was said yet, so a fresh connection is no second attempt.
                Err(fault) if reused && fault.stage == Stage::Mail && fault.line_is_dead() => {}
                Err(fault) => {
                    if !fault.line_is_dead() && session.reset(end).await {
                        self.keep(session);
                    }
                    return Err(fault);
                }
                Ok(reply) => {
                    self.keep(session);
                    return Ok(reply);
                }
            }
        }
    }
}

#[async_trait]
impl Channel for Smtp {
    fn capabilities(&self) -> Capabilities {
        Capabilities {
            kind: ChannelKind::Email,
            length: Some(Length::Bytes(10 * 1024 * 1024)),
            rate: self.rate,
            repeat: Repeat::Blind,
            reports: Reports::default(),
            answers_opt_out: false,
        }
    }

    async fn send(&self, message: &Outgoing) -> Outcome {
        let mail = match mail(NAME, &self.from, message) {
            Ok(mail) => mail,
            Err(outcome) => return outcome,
        };
        let Some(written) = mime::write(&mail, message.message, message.at) else {
            return Outcome::Permanent {
                why: Reason::new("request", "The mail cannot be written."),
                suppress: Suppress::No,
            };
        };
        match self.deliver(&written, message.ends).await {
            Ok(reply) => Outcome::Accepted {
                // What the server said often names its queue; without a word, our own Message-ID.
                reference: ProviderRef(if reply.is_empty() {
                    written.message_id
                } else {
                    reply
                }),
                cost: None,
            },
            Err(fault) => fault.outcome(),
        }
    }

    fn read(&self, _hook: &RawHook, _now: Timestamp) -> Result<Vec<HookEvent>, HookError> {
        Err(HookError::NotConfigured(
            "A mail server does not call back.".into(),
        ))
    }

    async fn probe(&self) -> Result<String, Reason> {
        let end = Instant::now() + DEADLINE;
        match Session::open(&self.dialer, &self.login, end).await {
            Ok(session) => {
                self.keep(session);
                Ok(if self.login.credentials.is_some() {
                    "The mail server answers and accepts the password.".to_owned()
                } else {
                    "The mail server answers.".to_owned()
                })
            }
            Err(fault) => Err(fault.reason()),
        }
    }
}
