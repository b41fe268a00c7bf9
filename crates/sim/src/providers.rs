//! Providers that keep a log of all they accepted, and that misbehave when they are called.

use crate::dice::Dice;
use ringback_core::ids::MessageId;
use ringback_core::messages::{Cost, Outcome, ProviderRef, Reason, Repeat, Suppress};
use std::collections::HashMap;
use std::time::Duration;

/// Something a provider took in order to pass it on: one copy for one person.
#[derive(Debug, Clone)]
pub struct Copied {
    /// By the provider's own clock.
    pub at: i64,
    /// The message.
    pub message: MessageId,
    /// Which call it came with.
    pub call: usize,
}

/// The far end of an account.
#[derive(Debug, Clone)]
pub struct Provider {
    /// What it can tell about a call without an answer.
    pub repeat: Repeat,
    /// What it accepted, never changed.
    pub log: Vec<Copied>,
    keys: HashMap<String, i64>,
    /// It answers nothing well until then: an outage.
    pub out_until: i64,
}

/// How a call goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Goes {
    /// Accepted and answered.
    Well,
    /// Refused before the first byte.
    NoConnection,
    /// Asked to come back later.
    SlowDown,
    /// A server error; nothing was accepted.
    ServerError,
    /// A server error although it was accepted.
    ServerErrorAccepted,
    /// Accepted, and the answer was lost.
    AnswerLost,
    /// Never answered, never accepted.
    Silence,
    /// Refused for good.
    Refused,
    /// Refused because the person opted out there.
    OptedOutThere,
    /// The account is at fault.
    AccountWrong,
    /// Delivered while we wait.
    DeliveredAtOnce,
}

impl Goes {
    /// Its name in the counts.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Well => "call.accepted",
            Self::NoConnection => "call.no_connection",
            Self::SlowDown => "call.slow_down",
            Self::ServerError => "call.server_error",
            Self::ServerErrorAccepted => "call.server_error_accepted",
            Self::AnswerLost => "call.answer_lost",
            Self::Silence => "call.silence",
            Self::Refused => "call.refused",
            Self::OptedOutThere => "call.opted_out_there",
            Self::AccountWrong => "call.account_wrong",
            Self::DeliveredAtOnce => "call.delivered_at_once",
        }
    }

    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::Well,
        Self::NoConnection,
        Self::SlowDown,
        Self::ServerError,
        Self::ServerErrorAccepted,
        Self::AnswerLost,
        Self::Silence,
        Self::Refused,
        Self::OptedOutThere,
        Self::AccountWrong,
        Self::DeliveredAtOnce,
    ];

    /// True when the provider passes it on.
    pub const fn accepts(self) -> bool {
        matches!(
            self,
            Self::Well | Self::ServerErrorAccepted | Self::AnswerLost | Self::DeliveredAtOnce
        )
    }

    /// What chance makes of a call; `rough` of a thousand go wrong.
    pub fn draw(dice: &mut Dice, rough: i64) -> Self {
        if !dice.in_thousand(rough) {
            return if dice.in_thousand(50) {
                Self::DeliveredAtOnce
            } else {
                Self::Well
            };
        }
        dice.pick(&[
            Self::NoConnection,
            Self::NoConnection,
            Self::SlowDown,
            Self::ServerError,
            Self::ServerErrorAccepted,
            Self::AnswerLost,
            Self::AnswerLost,
            Self::Silence,
            Self::Refused,
            Self::OptedOutThere,
            Self::AccountWrong,
        ])
    }

    /// What the caller hears, and after how long; `None` is never.
    pub fn outcome(self, dice: &mut Dice, reference: &str) -> (Outcome, i64) {
        // Half of the providers' answers name a price.
        let cost = (reference.bytes().map(u32::from).sum::<u32>() % 2 == 0).then(|| Cost {
            micros: 8_300,
            currency: "USD".into(),
        });
        let reference = ProviderRef(reference.to_owned());
        let why = |code: &str| Reason::new(code, "The provider said so.");
        let quick = dice.between(30_000, 900_000);
        match self {
            Self::Well => (Outcome::Accepted { reference, cost }, quick),
            Self::DeliveredAtOnce => (Outcome::Delivered { reference, cost }, quick),
            Self::NoConnection => (
                Outcome::Retryable {
                    why: why("connect"),
                    after: None,
                },
                quick,
            ),
            Self::SlowDown => {
                let seconds = dice.pick(&[1, 30, 300, 1_800]);
                (
                    Outcome::Retryable {
                        why: why("http_429"),
                        after: Some(Duration::from_secs(seconds)),
                    },
                    quick,
                )
            }
            Self::ServerError | Self::ServerErrorAccepted => (
                Outcome::Unknown {
                    why: why("http_503"),
                },
                quick,
            ),
            Self::AnswerLost => (
                Outcome::Unknown { why: why("reset") },
                dice.between(500_000, 12_000_000),
            ),
            Self::Silence => (
                Outcome::Unknown {
                    why: why("timeout"),
                },
                dice.between(10_000_000, 15_000_000),
            ),
            Self::Refused => (
                Outcome::Permanent {
                    why: why("refused"),
                    suppress: dice.pick(&[Suppress::No, Suppress::No, Suppress::Invalid]),
                },
                quick,
            ),
            Self::OptedOutThere => (
                Outcome::Permanent {
                    why: why("21610"),
                    suppress: Suppress::OptedOut,
                },
                quick,
            ),
            Self::AccountWrong => (
                Outcome::Misconfigured {
                    why: why("http_401"),
                },
                quick,
            ),
        }
    }
}

/// How long a key is remembered by a provider that drops twins. Unit: microseconds.
const KEY_HOLDS: i64 = 24 * 3_600_000_000;

impl Provider {
    /// One without a past.
    pub fn new(repeat: Repeat) -> Self {
        Self {
            repeat,
            log: Vec::new(),
            keys: HashMap::new(),
            out_until: 0,
        }
    }

    /// Takes a message. Answers true when it is passed on, false when it is a twin that was dropped.
    pub fn accept(&mut self, at: i64, message: MessageId, call: usize, key: &str) -> bool {
        if self.repeat == Repeat::ByKey {
            if let Some(before) = self.keys.get(key)
                && at - before < KEY_HOLDS
            {
                return false;
            }
            self.keys.insert(key.to_owned(), at);
        }
        self.log.push(Copied { at, message, call });
        true
    }

    /// Whether its log has a message.
    pub fn has(&self, message: MessageId) -> bool {
        self.log.iter().any(|one| one.message == message)
    }
}
