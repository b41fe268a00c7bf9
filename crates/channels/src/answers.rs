//! What an HTTP answer means when its body says nothing better: the same table for every provider.

use crate::http::{Answer, retry_after::retry_after};
use ringback_core::{
    messages::{Outcome, ProviderRef, Reason, Suppress},
    time::Timestamp,
};

/// Classifies a refusal by its status alone. `name` is the provider's, for the sentence. Who has trouble of its own may have sent the message all the
/// same, also where a second call with its key does no harm: another account must not be called for it as if nothing had happened.
pub(crate) fn by_status(name: &str, answer: &Answer, now: Timestamp) -> Outcome {
    let status = answer.status.as_u16();
    let code = format!("http_{status}");
    let why = |detail: String| Reason::new(code.clone(), detail);
    match status {
        200..=299 => unreadable(name),
        300..=399 => Outcome::Misconfigured {
            why: why(format!(
                "{name} answered with a redirect, which is not followed; enter the address it leads to."
            )),
        },
        401 | 403 => Outcome::Misconfigured {
            why: why(format!(
                "{name} did not accept the credentials; check them."
            )),
        },
        402 => Outcome::Misconfigured {
            why: why(format!(
                "{name} wants to be paid first; look at the account."
            )),
        },
        404 | 405 | 410 => Outcome::Misconfigured {
            why: why(format!(
                "{name} does not know this address; check the settings of the connection."
            )),
        },
        408 | 425 | 429 => Outcome::Retryable {
            why: why(format!("{name} asks us to slow down.")),
            after: retry_after(&answer.headers, now),
        },
        413 => Outcome::Permanent {
            why: why(format!("The message is too large for {name}.")),
            suppress: Suppress::No,
        },
        500..=599 => Outcome::Unknown {
            why: why(format!(
                "{name} had trouble of its own and may have sent it all the same."
            )),
        },
        _ => Outcome::Permanent {
            why: why(format!("{name} refused the message.")),
            suppress: Suppress::No,
        },
    }
}

/// It said yes in words that cannot be read: it may have been sent.
pub(crate) fn unreadable(name: &str) -> Outcome {
    Outcome::Unknown {
        why: Reason::new(
            "unreadable",
            format!("{name} answered with success, but the answer cannot be read."),
        ),
    }
}

/// A message of another kind reached the connection, which is our own mistake.
pub(crate) fn wrong_kind(name: &str) -> Outcome {
    Outcome::Permanent {
        why: Reason::new(
            "wrong_kind",
            format!("{name} cannot carry this kind of message."),
        ),
        suppress: Suppress::No,
    }
}

/// What a probe says of an answer that is no success.
pub(crate) fn probe_failed(name: &str, answer: &Answer) -> Reason {
    let status = answer.status.as_u16();
    let detail = match status {
        401 | 403 => format!("{name} did not accept the credentials; check them."),
        404 => format!("{name} does not know this account or address; check the settings."),
        429 => format!("{name} asks us to slow down; try again in a minute."),
        _ => format!("{name} answered with status {status}."),
    };
    Reason::new(format!("http_{status}"), detail)
}

/// A provider's name for a message: one short line, or it is no name.
pub(crate) fn reference(text: String) -> Option<ProviderRef> {
    let fits = !text.is_empty() && text.len() <= 200 && !text.contains(char::is_control);
    fits.then_some(ProviderRef(text))
}

/// At most `most` characters of a text from outside, on one line.
pub(crate) fn short(text: &str, most: usize) -> String {
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(most)
        .collect()
}
