//! The present, for probes alone: everything that concerns a message is handed its instant.

use ringback_core::time::Timestamp;

/// The wall clock.
pub(crate) fn now() -> Timestamp {
    Timestamp::now()
}
