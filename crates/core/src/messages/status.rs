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
    /// harmless. A bounce after delivery is real and wins over it. Source: the providers' status tables.
    pub const fn rank(self) -> u8 {
        match self {
            Self::Scheduled | Self::Queued | Self::Deferred | Self::Sending => 0,
            Self::Unknown => 1,
            Self::Accepted => 2,
            Self::Delivered => 3,
            Self::Failed | Self::Expired | Self::Cancelled => 4,
            Self::Blocked => 5,
            Self::Bounced => 6,
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
