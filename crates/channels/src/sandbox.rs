//! The sandbox (N12): it delivers into nothing and never calls out. Some recipients ask it to go wrong, so that people can play.
//!
//! | mail, before the @ | number ends in | webhook path ends in | what happens |
//! |---|---|---|---|
//! | `bounce` | `5550001` | `/bounce` | the address does not exist |
//! | `refuse` | `5550002` | `/refuse` | refused, the address is fine |
//! | `misconfigured` | `5550003` | `/misconfigured` | our account is wrong |
//! | `optout` | `5550004` | `/optout` | the person opted out with the provider |
//! | `unknown` | `5550005` | `/unknown` | the line broke after we spoke |
//! | `retry` | `5550008` | `/retry` | not now, perhaps later |
//!
//! Words may be followed by `+` or `-` and anything else. 555-00xx numbers are nobody's, and none of the numbers set aside for
//! examples (555-0100 to 555-0199) is among them.

use crate::{
    catalogue::{ProviderInfo, SettingInfo},
    channel::{Capabilities, Channel, HookError, RawHook, Repeat, Reports},
    settings::Settings,
};
use async_trait::async_trait;
use ringback_core::{
    messages::{ChannelKind, HookEvent, Outcome, Outgoing, ProviderRef, Reason, Suppress},
    time::Timestamp,
};
use std::{sync::Arc, time::Duration};

const SETTINGS: &[SettingInfo] = &[SettingInfo::optional(
    "channel",
    "Channel",
    "What the sandbox stands in for: sms (the default), email or webhook.",
)
.one_of(&["sms", "email", "webhook"])];

const fn info(channel: ChannelKind) -> ProviderInfo {
    ProviderInfo {
        name: "sandbox",
        channel,
        label: "Sandbox",
        settings: SETTINGS,
    }
}

pub(crate) const SMS: ProviderInfo = info(ChannelKind::Sms);
pub(crate) const EMAIL: ProviderInfo = info(ChannelKind::Email);
pub(crate) const WEBHOOK: ProviderInfo = info(ChannelKind::Webhook);

/// Stands in for a channel.
pub struct Sandbox {
    kind: ChannelKind,
}

/// The sandbox of a channel, as it serves tenants that have no connection yet.
pub fn sandbox(kind: ChannelKind) -> Arc<dyn Channel> {
    Arc::new(Sandbox { kind })
}

impl Sandbox {
    pub(crate) fn open(settings: &Settings<'_>) -> Self {
        Self {
            kind: settings
                .get("channel")
                .and_then(ChannelKind::from_name)
                .unwrap_or(ChannelKind::Sms),
        }
    }
}

/// The wish that hides in a recipient.
fn wish(to: &str) -> Option<&'static str> {
    const WORDS: [&str; 6] = [
        "bounce",
        "refuse",
        "misconfigured",
        "optout",
        "unknown",
        "retry",
    ];
    if to.starts_with("http") {
        let path = to.split(['?', '#']).next()?;
        let last = path.trim_end_matches('/').rsplit_once('/')?.1;
        return WORDS.into_iter().find(|word| *word == last);
    }
    if let Some((user, _)) = to.rsplit_once('@') {
        let word = user.split(['+', '-']).next()?;
        return WORDS.into_iter().find(|one| one.eq_ignore_ascii_case(word));
    }
    let last = to.len().checked_sub(7).and_then(|start| to.get(start..))?;
    Some(match last {
        "5550001" => "bounce",
        "5550002" => "refuse",
        "5550003" => "misconfigured",
        "5550004" => "optout",
        "5550005" => "unknown",
        "5550008" => "retry",
        _ => return None,
    })
}

#[async_trait]
impl Channel for Sandbox {
    fn capabilities(&self) -> Capabilities {
        Capabilities {
            kind: self.kind,
            length: None,
            rate: None,
            repeat: Repeat::ByKey,
            reports: Reports::default(),
            answers_opt_out: false,
        }
    }

    async fn send(&self, message: &Outgoing) -> Outcome {
        let Some(wish) = wish(&message.to) else {
            return Outcome::Delivered {
                reference: ProviderRef("sandbox".to_owned()),
                cost: None,
            };
        };
        let why = Reason::new(
            format!("sandbox_{wish}"),
            "The sandbox was asked for this by the recipient's address.",
        );
        match wish {
            "bounce" => Outcome::Permanent {
                why,
                suppress: Suppress::Invalid,
            },
            "optout" => Outcome::Permanent {
                why,
                suppress: Suppress::OptedOut,
            },
            "misconfigured" => Outcome::Misconfigured { why },
            "unknown" => Outcome::Unknown { why },
            "retry" => Outcome::Retryable {
                why,
                after: Some(Duration::from_secs(2)),
            },
            _ => Outcome::Permanent {
                why,
                suppress: Suppress::No,
            },
        }
    }

    fn read(&self, _hook: &RawHook, _now: Timestamp) -> Result<Vec<HookEvent>, HookError> {
        Err(HookError::NotConfigured(
            "The sandbox calls nobody, so nobody calls back.".into(),
        ))
    }

    async fn probe(&self) -> Result<String, Reason> {
        Ok("The sandbox is always there; it sends nothing.".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// N12: people can ask for trouble, and nobody gets it by accident.
    #[test]
    fn only_magic_recipients_go_wrong() {
        for (to, expected) in [
            ("+12065550100", None),
            ("+12065550199", None),
            ("+447700900123", None),
            ("+15005550001", Some("bounce")),
            ("+15005550004", Some("optout")),
            ("lead@example.test", None),
            ("bounce@example.test", Some("bounce")),
            ("Unknown+3@example.test", Some("unknown")),
            ("bouncer@example.test", None),
            ("https://example.test/hooks/refuse?x=1", Some("refuse")),
            ("https://example.test/refuse/x", None),
            ("", None),
            ("é50001", None),
        ] {
            assert_eq!(wish(to), expected, "{to}");
        }
    }
}
