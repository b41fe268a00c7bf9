//! When and where to look for what is old (L11): one tenant after the other, once a day, by the node that leads. How far it came is kept in
//! mind alone: a node that takes over begins at the front, where what went before is not there any more.

use super::inbox::instant;
use ringback_core::ids::TenantId;
use ringback_core::time::Timestamp;
use ringback_core::turn::{Breath, Intake, Kept, Mark, Old, Tenants};
use ringback_store::{StoreError, Writer};
use std::time::{Duration, Instant};

/// From the beginning of one round through all tenants to that of the next.
const ROUND: Duration = Duration::from_secs(24 * 3600);
/// Where there is nothing else to do, the disk rests for so long after a piece.
const REST: Duration = Duration::from_millis(20);
/// While the clock is not believed.
const PAUSE: Duration = Duration::from_secs(1);
/// Looks of one turn that may find nothing before the next turn goes on.
const LOOKS: usize = 8;

/// A round through all tenants.
pub(super) struct Retention {
    /// Whose turn it is, last first, and where to look.
    left: Vec<(TenantId, Mark)>,
    /// What was named last: named again, it does not go, and the next tenant's turn comes.
    last: Option<(TenantId, Old)>,
    begins: Instant,
    rested: Instant,
    breath: Breath,
}

impl Retention {
    pub(super) fn new() -> Self {
        let now = instant();
        Self {
            left: Vec::new(),
            last: None,
            begins: now,
            rested: now,
            breath: Breath::default(),
        }
    }

    /// How long until the next look, where there is one.
    pub(super) fn wait(&self) -> Option<Duration> {
        (!self.left.is_empty()).then(|| self.rested.saturating_duration_since(instant()))
    }

    /// Nothing is looked for in the next second.
    pub(super) fn pause(&mut self) {
        self.rested = instant() + PAUSE;
    }

    /// The next piece, if it may go with this turn.
    pub(super) fn next(
        &mut self,
        writer: &Writer,
        tenants: &Tenants,
        now: Timestamp,
        busy: bool,
    ) -> Result<Option<(TenantId, Intake)>, StoreError> {
        let at = instant();
        if self.left.is_empty() && at >= self.begins {
            self.begins = at + ROUND;
            self.left = tenants.keys().map(|id| (*id, Mark::START)).collect();
            // In one order on every node, whatever the map's is.
            self.left.sort_unstable_by(|(a, _), (b, _)| b.cmp(a));
        }
        if self.left.is_empty() || at < self.rested || !self.breath.may(busy) {
            return Ok(None);
        }
        self.rested = at + REST;
        let looks = if busy { 1 } else { LOOKS };
        for _ in 0..looks {
            let Some((id, mark)) = self.left.pop() else {
                break;
            };
            let Some(tenant) = tenants.get(&id) else {
                continue;
            };
            let (old, next) = writer.old(id, &Kept::of(tenant, now), mark)?;
            if old.is_empty() {
                self.left.extend(next.map(|next| (id, next)));
                continue;
            }
            if self
                .last
                .as_ref()
                .is_some_and(|last| *last == (id, old.clone()))
            {
                tracing::warn!(tenant = %id, "what is old did not go; it is looked at again tomorrow");
                continue;
            }
            self.left.extend(next.map(|next| (id, next)));
            self.last = Some((id, old.clone()));
            return Ok(Some((id, Intake::Old(Box::new(old)))));
        }
        Ok(None)
    }
}
