//! What forms remember for a while: which pages were used up, and what was just taken. Kept in memory; what must outlive a restart is
//! found again in the store by the name of its event.

use super::spam::Digest;
use ringback_core::time::Timestamp;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// What was answered to a submission.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sent {
    /// The lead's id, as text.
    pub(crate) id: String,
    /// Its reference number.
    pub(crate) reference: String,
}

#[derive(Debug, Default)]
struct Inside {
    /// Pages that were sent, with what was on them.
    used: HashMap<Digest, (Timestamp, Digest)>,
    /// What was sent, with what was answered.
    sent: HashMap<Digest, (Timestamp, Sent)>,
}

/// The memory of all forms.
#[derive(Debug, Default)]
pub(crate) struct Memory(Mutex<Inside>);

const MOST: usize = 50_000;
/// No page is valid for longer (`max_hours` is at most a week).
const LONGEST: Duration = Duration::from_secs(7 * 86_400);

impl Memory {
    /// Whether this page was sent before with something else on it.
    pub(crate) fn used_for_other(&self, page: &Digest, content: &Digest) -> bool {
        self.inside()
            .used
            .get(page)
            .is_some_and(|(_, before)| before != content)
    }

    /// What was answered to the same content within the window.
    pub(crate) fn answered(
        &self,
        content: &Digest,
        now: Timestamp,
        window: Duration,
    ) -> Option<Sent> {
        let inside = self.inside();
        let (at, sent) = inside.sent.get(content)?;
        within(*at, now, window).then(|| sent.clone())
    }

    /// Notes what was sent, from which page, and what was answered.
    pub(crate) fn note(&self, page: Option<Digest>, content: Digest, sent: Sent, now: Timestamp) {
        let mut inside = self.inside();
        if inside.used.len() >= MOST {
            inside.used.retain(|_, (at, _)| within(*at, now, LONGEST));
            if inside.used.len() >= MOST {
                inside.used.clear();
            }
        }
        if inside.sent.len() >= MOST {
            inside.sent.clear();
        }
        if let Some(page) = page {
            inside.used.insert(page, (now, content));
        }
        inside.sent.insert(content, (now, sent));
    }

    fn inside(&self) -> std::sync::MutexGuard<'_, Inside> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether `at` lies within so much time before `now`.
pub(crate) fn within(at: Timestamp, now: Timestamp, window: Duration) -> bool {
    Duration::try_from(now.duration_since(at)).unwrap_or_default() <= window
}
