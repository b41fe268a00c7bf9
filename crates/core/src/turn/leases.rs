//! Calls under way in this process, and until when each of them holds its message. By the boot clock, which nobody sets: a wall clock
//! that jumps neither ends a call early nor lets one hold on for ever (reliability 3.1).

use crate::ids::MessageId;
use crate::messages::Message;
use crate::seeded::{Bug, has};
use std::collections::HashMap;
use std::time::Duration;

/// What this process has in flight.
#[derive(Debug, Clone, Default)]
pub struct Leases {
    held: HashMap<(MessageId, i64), (usize, Duration)>,
    lanes: [u32; 3],
}

impl Leases {
    /// A call for this message begins; `ends` counts from the start of the machine.
    pub fn begin(&mut self, message: &Message, ends: Duration) {
        let lane = message.channel.code() as usize;
        if self
            .held
            .insert((message.id, message.epoch), (lane, ends))
            .is_none()
        {
            self.lanes[lane] += 1;
        }
    }

    /// A call ended, and what came of it is written.
    pub fn end(&mut self, message: &Message) {
        if let Some((lane, _)) = self.held.remove(&(message.id, message.epoch)) {
            self.lanes[lane] -= 1;
        }
    }

    /// How many calls of a lane are under way.
    pub const fn in_lane(&self, lane: usize) -> u32 {
        self.lanes[lane]
    }

    /// True while the call for this message may still answer.
    pub fn holds(&self, message: &Message, boot: Duration) -> bool {
        !has(Bug::LeaseByNodeClock)
            && self
                .held
                .get(&(message.id, message.epoch))
                .is_some_and(|(_, ends)| boot < *ends)
    }

    /// True when this call outlived its lease, whatever the wall clock says.
    pub fn is_over(&self, message: &Message, boot: Duration) -> bool {
        self.held
            .get(&(message.id, message.epoch))
            .is_some_and(|(_, ends)| boot >= *ends)
    }

    /// True when any call outlived its lease: it is worth a look into the store.
    pub fn any_over(&self, boot: Duration) -> bool {
        self.held.values().any(|(_, ends)| boot >= *ends)
    }
}
