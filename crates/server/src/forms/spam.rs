//! Signs that a robot filled the form in (L3). Each is a fact that no person brings about; what only looks odd is no sign.

use super::Door;
use super::posted::Posted;
use crate::app::App;
use ringback_core::config::{AntiSpam, Form};
use ringback_core::time::Timestamp;
use sha2::{Digest as _, Sha256};

/// A hash.
pub(super) type Digest = [u8; 32];

/// The hidden field with the signed instant at which the page was shown.
pub(super) const TIME: &str = "_t";

/// What the signed instant says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shown {
    /// The page was not ours: nothing is known about it.
    Unsaid,
    /// A person may have taken this long.
    Plausible,
    /// The page was open for longer than it is valid.
    TooOld,
    /// Nobody types this fast.
    TooFast,
    /// We never signed that.
    Forged,
}

/// Judges the signed instant.
pub(super) fn shown(app: &App, door: &Door, posted: &Posted, now: Timestamp) -> Shown {
    let Some(token) = posted.get(TIME) else {
        return Shown::Unsaid;
    };
    match app.tokens.read_form_time(&door.name, token) {
        Some(shown_ms) => judge(&door.form().anti_spam, now.as_millisecond() - shown_ms),
        None => Shown::Forged,
    }
}

fn judge(rules: &AntiSpam, ms: i64) -> Shown {
    if ms < i64::from(rules.min_seconds) * 1_000 {
        Shown::TooFast
    } else if ms > i64::from(rules.max_hours) * 3_600_000 {
        Shown::TooOld
    } else {
        Shown::Plausible
    }
}

/// What gives a robot away, as a word for the list of what was set apart.
pub(super) fn sign(form: &Form, posted: &Posted, shown: Shown) -> Option<&'static str> {
    if posted.get(&form.anti_spam.honeypot).is_some() {
        return Some("honeypot");
    }
    match shown {
        Shown::TooFast => Some("too_fast"),
        Shown::Forged => Some("forged_time"),
        Shown::Unsaid | Shown::Plausible | Shown::TooOld => None,
    }
}

/// A page, by its signed instant.
pub(super) fn page(posted: &Posted) -> Option<Digest> {
    posted
        .get(TIME)
        .map(|token| Sha256::digest(token.as_bytes()).into())
}

/// What a submission says, whatever page it came from: the same content is the same submission.
pub(super) fn content(door: &Door, posted: &Posted) -> Digest {
    let mut hash = Sha256::new()
        .chain_update(door.home.row.id.raw().to_be_bytes())
        .chain_update(&door.form().name);
    for field in &door.form().fields {
        let value = posted.get(&field.name).unwrap_or_default();
        hash.update((field.name.len() as u64).to_be_bytes());
        hash.update(&field.name);
        hash.update((value.len() as u64).to_be_bytes());
        hash.update(value);
    }
    hash.finalize().into()
}

/// The names that an event with this content has now and had just before. Two, because a window that begins at a fixed instant would
/// let twins through that lie on both sides of it.
pub(super) fn names(form: &Form, content: &Digest, now: Timestamp) -> [String; 2] {
    let window = i64::try_from(form.anti_spam.duplicate_window.as_millis())
        .unwrap_or(i64::MAX)
        .max(1);
    let bucket = now.as_millisecond().div_euclid(window);
    let hash: String = content
        .iter()
        .take(16)
        .map(|byte| format!("{byte:02x}"))
        .collect();
    [bucket, bucket - 1].map(|bucket| format!("form:{}:{hash}:{bucket}", form.name))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// L3: a form filled in faster than a person types is a robot's; one that was open for a day is only old.
    #[test]
    fn the_time_it_took_is_judged() {
        let rules = AntiSpam::default();
        for (ms, verdict) in [
            (-5_000, Shown::TooFast),
            (0, Shown::TooFast),
            (1_999, Shown::TooFast),
            (2_000, Shown::Plausible),
            (24 * 3_600_000, Shown::Plausible),
            (24 * 3_600_000 + 1, Shown::TooOld),
        ] {
            assert_eq!(judge(&rules, ms), verdict, "{ms} ms");
        }
    }
}
