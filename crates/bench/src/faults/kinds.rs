//! What a provider can do wrong (reliability 4.4), as far as a server alone can do it.

use crate::dice::Dice;

/// A way to misbehave.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Nobody listens.
    Refused,
    /// The line is reset before the body was read.
    ResetBeforeBody,
    /// The line is reset in the middle of the body.
    ResetMidBody,
    /// The line is reset after the body.
    ResetAfterBody,
    /// No answer ever comes.
    NoAnswer,
    /// The head of an answer, then nothing.
    HeadThenSilence,
    /// An answer at one byte a second.
    OneByteASecond,
    /// JSON that ends in the middle.
    TruncatedJson,
    /// A page for people instead of JSON.
    WrongType,
    /// An answer of a hundred megabytes.
    HundredMegabytes,
    /// A small answer that unpacks to a large one.
    GzipBomb,
    /// 200, and an error inside.
    ErrorInside,
    /// 429 with so many seconds.
    SlowDownSeconds,
    /// 429 with a date.
    SlowDownDate,
    /// 429 without a word.
    SlowDown,
    /// 429 with an absurd time.
    SlowDownAbsurd,
    /// 500.
    E500,
    /// 502.
    E502,
    /// 503.
    E503,
    /// 504.
    E504,
    /// 400.
    E400,
    /// 401.
    E401,
    /// 403.
    E403,
    /// 404.
    E404,
    /// 409.
    E409,
    /// 422.
    E422,
    /// A redirect into the machine itself.
    Redirect,
    /// A good answer, and the connection is closed although it was to be kept.
    StaleKeepAlive,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 28] = [
        Self::Refused,
        Self::ResetBeforeBody,
        Self::ResetMidBody,
        Self::ResetAfterBody,
        Self::NoAnswer,
        Self::HeadThenSilence,
        Self::OneByteASecond,
        Self::TruncatedJson,
        Self::WrongType,
        Self::HundredMegabytes,
        Self::GzipBomb,
        Self::ErrorInside,
        Self::SlowDownSeconds,
        Self::SlowDownDate,
        Self::SlowDown,
        Self::SlowDownAbsurd,
        Self::E500,
        Self::E502,
        Self::E503,
        Self::E504,
        Self::E400,
        Self::E401,
        Self::E403,
        Self::E404,
        Self::E409,
        Self::E422,
        Self::Redirect,
        Self::StaleKeepAlive,
    ];

    /// Its name in a result.
    pub fn word(self) -> String {
        let mut word = String::new();
        for c in format!("{self:?}").chars() {
            if c.is_uppercase() && !word.is_empty() {
                word.push('_');
            }
            word.push(c.to_ascii_lowercase());
        }
        word
    }

    /// Whether the provider took the message all the same; only where a call has no clear answer can that be.
    pub fn taken(self, dice: &mut Dice) -> bool {
        match self {
            Self::ResetAfterBody
            | Self::NoAnswer
            | Self::HeadThenSilence
            | Self::OneByteASecond
            | Self::TruncatedJson
            | Self::WrongType
            | Self::HundredMegabytes
            | Self::GzipBomb
            | Self::E500
            | Self::E502
            | Self::E503
            | Self::E504 => dice.once_in(2),
            Self::StaleKeepAlive => true,
            _ => false,
        }
    }

    /// The status of the answer, where it is all that is wrong.
    pub const fn status(self) -> Option<u16> {
        Some(match self {
            Self::SlowDownSeconds | Self::SlowDownDate | Self::SlowDown | Self::SlowDownAbsurd => {
                429
            }
            Self::E500 => 500,
            Self::E502 => 502,
            Self::E503 => 503,
            Self::E504 => 504,
            Self::E400 => 400,
            Self::E401 => 401,
            Self::E403 => 403,
            Self::E404 => 404,
            Self::E409 => 409,
            Self::E422 => 422,
            Self::Redirect => 307,
            _ => return None,
        })
    }
}

/// A way to report on a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Callback {
    /// Before the call is answered.
    BeforeTheAnswer,
    /// Twice.
    Twice,
    /// A hundred times.
    HundredTimes,
    /// The last status first.
    Reversed,
    /// Signed by somebody else.
    WrongSignature,
    /// Signed for another business.
    OthersSignature,
}

impl Callback {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::BeforeTheAnswer,
        Self::Twice,
        Self::HundredTimes,
        Self::Reversed,
        Self::WrongSignature,
        Self::OthersSignature,
    ];

    /// True when nobody may believe it.
    pub const fn forged(self) -> bool {
        matches!(self, Self::WrongSignature | Self::OthersSignature)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clear_no_was_never_taken() {
        let mut dice = Dice::new(1, 1);
        for kind in Kind::ALL {
            let taken = (0..50).filter(|_| kind.taken(&mut dice)).count();
            if kind.status().is_some_and(|status| status < 500) {
                assert_eq!(taken, 0, "{kind:?}");
            }
        }
        assert_eq!(Kind::SlowDownAbsurd.word(), "slow_down_absurd");
    }
}
