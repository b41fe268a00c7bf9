//! Where a message stands, and how reports move it: only ever forward (M9).

use super::words::closed_list;

closed_list! {
    /// Where a message stands. The word is the API's.
    Status {
        /// Waits for a time that was asked for.
        Scheduled = 0, "scheduled";
        /// Due, waits for its turn.
        Queued = 1, "queued";
        /// A gate said: later.
        Deferred = 2, "deferred";
        /// Intent committed, the provider is being called.
        Sending = 3, "sending";
        /// The provider took it.
        Accepted = 4, "accepted";
        /// It arrived.
        Delivered = 5, "delivered";
        /// It will not arrive; nobody's address is at fault.
        Failed = 6, "failed";
        /// The address is at fault.
        Bounced = 7, "bounced";
        /// A gate or the provider's own list said no.
        Blocked = 8, "blocked";
        /// Taken back before it went.
        Cancelled = 9, "cancelled";
        /// Its time ran out before it could go.
        Expired = 10, "expired";
        /// It may or may not have arrived: the line broke after we spoke (M3).
        Unknown = 11, "unknown";
    }
}

closed_list! {
    /// What happened to a message besides its status.
    Fact {
        /// The mail was opened.
        Opened = 0, "opened";
        /// A link in it was clicked.
        Clicked = 1, "clicked";
        /// The person answered.
        Replied = 2, "replied";
        /// The person called it spam.
        Complained = 3, "complained";
        /// The person wants no more.
        Unsubscribed = 4, "unsubscribed";
        /// The provider passed it on to the carrier.
        Sent = 5, "sent";
        /// The provider says it will take longer.
        Delayed = 6, "delayed";
    }
}

impl Status {
    /// Rank of a status that providers report; a report moves a message only to a higher rank, so late and repeated reports are
    /// harmless. No two that are reported share one, so that their order does not matter either. A bounce after delivery is real and
    /// wins over it. Source: the providers' status tables.
    pub const fn rank(self) -> u8 {
        match self {
            Self::Scheduled | Self::Queued | Self::Deferred | Self::Sending => 0,
            Self::Unknown => 1,
            Self::Accepted => 2,
            Self::Delivered => 3,
            Self::Cancelled => 4,
            Self::Expired => 5,
            Self::Failed => 6,
            Self::Blocked => 7,
            Self::Bounced => 8,
        }
    }

    /// The status after a report of `reported`.
    pub const fn after(self, reported: Self) -> Self {
        if reported.rank() > self.rank() {
            reported
        } else {
            self
        }
    }

    /// True when the message still waits to be sent.
    pub const fn waits(self) -> bool {
        matches!(self, Self::Scheduled | Self::Queued | Self::Deferred)
    }

    /// True when the message ended without arriving, and nobody took it back. The store's index of trouble holds the same.
    pub const fn missed(self) -> bool {
        matches!(
            self,
            Self::Failed | Self::Bounced | Self::Blocked | Self::Expired | Self::Unknown
        )
    }

    /// True when nothing more is to be done by us.
    pub const fn settled(self) -> bool {
        !self.waits() && !matches!(self, Self::Sending)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Status::{
        Accepted, Blocked, Bounced, Cancelled, Deferred, Delivered, Expired, Failed, Queued,
        Scheduled, Sending, Unknown,
    };
    use proptest::prelude::*;

    /// What providers report, from the least to the most that is known.
    const REPORTED: [Status; 7] = [
        Accepted, Delivered, Cancelled, Expired, Failed, Blocked, Bounced,
    ];

    /// A judge that knows the list above and nothing else: the last of it that was ever heard.
    fn naive(start: Status, heard: &[Status]) -> Status {
        let place = |one: &Status| REPORTED.iter().position(|known| known == one);
        heard
            .iter()
            .chain([&start])
            .max_by_key(|one| place(one))
            .copied()
            .unwrap_or(start)
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        /// M9: reports come in any order, twice or late, and the message ends in the same place and never goes back on the way.
        #[test]
        fn the_order_of_reports_does_not_matter(
            start in prop::sample::select(Status::ALL),
            heard in prop::collection::vec(prop::sample::select(&REPORTED[..]), 0..12),
            (again, order) in (any::<prop::sample::Index>(), any::<u64>()),
        ) {
            let wanted = naive(start, &heard);
            let mut shuffled: Vec<(u64, Status)> = heard
                .iter()
                .enumerate()
                .map(|(n, one)| (order.rotate_left(n as u32 * 7).wrapping_mul(0x9e37_79b9_7f4a_7c15), *one))
                .collect();
            shuffled.sort_unstable();
            if !heard.is_empty() {
                shuffled.push((0, heard[again.index(heard.len())]));
            }
            for reports in [heard, shuffled.into_iter().map(|(_, one)| one).collect()] {
                let mut at = start;
                for one in reports {
                    let next = at.after(one);
                    prop_assert!(next == at || next.rank() > at.rank(), "{at} to {next}");
                    at = next;
                }
                prop_assert_eq!(at, wanted);
            }
        }
    }

    /// What waits with us is no report: it moves nothing, not even what waits otherwise.
    #[test]
    fn what_waits_is_moved_by_reports_alone() {
        for one in [Scheduled, Queued, Deferred, Sending] {
            for other in [Scheduled, Queued, Deferred, Sending] {
                assert_eq!(one.after(other), one);
            }
            assert_eq!(one.after(Unknown), Unknown);
        }
    }

    /// Each status waits, is under way or is settled; what missed its recipient is what nobody took back.
    #[test]
    fn every_status_has_its_sides() {
        let of = |fits: fn(Status) -> bool| -> Vec<Status> {
            Status::ALL
                .iter()
                .copied()
                .filter(|one| fits(*one))
                .collect()
        };
        assert_eq!(of(Status::waits), [Scheduled, Queued, Deferred]);
        assert_eq!(of(|one| !one.waits() && !one.settled()), [Sending]);
        assert_eq!(
            of(Status::missed),
            [Failed, Bounced, Blocked, Expired, Unknown]
        );
        assert_eq!(of(|one| one.settled()).len(), 8);
        assert!(of(|one| one.waits() && one.settled()).is_empty());
    }
}
