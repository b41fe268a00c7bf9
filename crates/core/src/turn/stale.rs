//! The bug `gate-outside-intent` (see [`crate::seeded`]): what the gates see of a person was read some minutes ago, outside of the
//! transaction that writes the intent.

use super::world::{Point, PointKey, World};
use crate::seeded::{Bug, has};
use crate::time::Timestamp;
use std::cell::RefCell;
use std::collections::HashMap;

/// How old a reading may be. Unit: microseconds.
const OLDEST: i64 = 20 * 60 * 1_000_000;

thread_local! {
    static KNOWN: RefCell<HashMap<PointKey, (Point, i64)>> = RefCell::default();
}

/// Puts what was read before in the place of what was read just now.
pub(super) fn gate_outside_intent(world: &mut World, now: Timestamp) {
    if !has(Bug::GateOutsideIntent) {
        return;
    }
    let now = now.as_microsecond();
    KNOWN.with_borrow_mut(|known| {
        for (key, point) in &mut world.points {
            let Some(point) = point.as_mut().filter(|point| !point.dirty) else {
                continue;
            };
            match known.get(key) {
                Some((before, at)) if (0..OLDEST).contains(&(now - at)) => {
                    point.suppressed = before.suppressed;
                    point.consent = before.consent;
                }
                _ => {
                    known.insert(key.clone(), (point.clone(), now));
                }
            }
        }
    });
}

/// Forgets what was read: another world begins.
pub fn forget_readings() {
    KNOWN.with_borrow_mut(HashMap::clear);
}
