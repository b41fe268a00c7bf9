//! Any SMS provider that is called by HTTP (N1), described by its settings: what is posted where, how its answers and reports are read.
//! Ready settings are in `docs/sms-providers.md`.

mod answers;
mod hook;
mod request;
mod rules;
mod settings;
mod template;

use crate::{
    answers::{probe_failed, wrong_kind},
    channel::{Capabilities, Channel, HookError, Length, Rate, RawHook, Repeat, Reports},
    http::{Broke, Call, Http},
    settings::{Settings, SettingsError},
};
use answers::Answers;
use async_trait::async_trait;
use bytes::Bytes;
use hook::Door;
use http::{Method, Uri};
use request::{DEADLINE, Request};
use ringback_core::{
    messages::{ChannelKind, Content, HookEvent, Outcome, Outgoing, Reason, Suppress},
    time::Timestamp,
};
pub(crate) use settings::INFO;

const NAME: &str = "The SMS provider";

/// An SMS provider, as its settings describe it.
pub struct HttpSms {
    http: Http,
    request: Request,
    answers: Answers,
    door: Door,
    probe: Option<Uri>,
    rate: Option<Rate>,
    answers_opt_out: bool,
}

impl HttpSms {
    pub(crate) fn open(settings: &Settings<'_>, http: &Http) -> Result<Self, SettingsError> {
        let request = Request::open(settings, http)?;
        Ok(Self {
            http: http.clone(),
            answers: Answers::open(settings)?,
            door: Door::open(settings, &request)?,
            request,
            probe: settings
                .get("probe_url")
                .map(|typed| settings.url("probe_url", typed, http))
                .transpose()?,
            rate: settings.rate()?,
            answers_opt_out: settings.get("answers_opt_out") == Some("yes"),
        })
    }
}

/// A number in E.164, which nothing else can hide in.
fn is_number(text: &str) -> bool {
    text.strip_prefix('+').is_some_and(|digits| {
        (7..=15).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit())
    })
}

#[async_trait]
impl Channel for HttpSms {
    fn capabilities(&self) -> Capabilities {
        Capabilities {
            kind: ChannelKind::Sms,
            length: Some(Length::Characters(1600)),
            rate: self.rate,
            repeat: match (self.request.has_key(), self.door.hears_reports()) {
                (true, _) => Repeat::ByKey,
                (false, true) => Repeat::ByReport,
                (false, false) => Repeat::Blind,
            },
            reports: Reports {
                delivery: self.door.hears_reports(),
                failure: self.door.hears_reports(),
                engagement: false,
                replies: self.door.hears_replies(),
            },
            answers_opt_out: self.answers_opt_out,
        }
    }

    async fn send(&self, message: &Outgoing) -> Outcome {
        let Content::Text { body: text } = &message.content else {
            return wrong_kind(NAME);
        };
        let refused = |code: &str, detail: &str, suppress| Outcome::Permanent {
            why: Reason::new(code, detail),
            suppress,
        };
        if !is_number(&message.to) {
            return refused("number", "The number cannot be read.", Suppress::Invalid);
        }
        let Some(call) = self.request.call(message, text) else {
            return refused(
                "request",
                "The text cannot be written as a request.",
                Suppress::No,
            );
        };
        match self.http.call(call).await {
            Ok(answer) => self.answers.outcome(&answer, message),
            Err(broke) => broke.outcome(),
        }
    }

    fn read(&self, hook: &RawHook, now: Timestamp) -> Result<Vec<HookEvent>, HookError> {
        self.door.read(&self.answers.refusals, hook, now)
    }

    async fn probe(&self) -> Result<String, Reason> {
        let Some(uri) = &self.probe else {
            let unreadable = || Reason::new("url", "The address cannot be called.");
            let at = self.request.origin().ok_or_else(unreadable)?;
            self.http.reach(&at).await?;
            return Ok("The SMS provider is reachable; only a text tells whether it accepts the secrets. Send one to yourself.".to_owned());
        };
        let call = Call {
            method: Method::GET,
            uri: uri.clone(),
            headers: self.request.test_headers(),
            body: Bytes::new(),
            deadline: DEADLINE,
            ends: None,
        };
        let answer = self.http.call(call).await.map_err(Broke::reason)?;
        if answer.status.is_success() {
            return Ok(format!(
                "The SMS provider answered the test address with status {}.",
                answer.status.as_u16()
            ));
        }
        Err(probe_failed(NAME, &answer))
    }
}
