//! The present, for probes alone: everything that concerns a message is handed its instant.

use ringback_core::time::Timestamp;

/// The wall clock.
#[allow(
    clippy::disallowed_methods,
    reason = "a probe has no instant of its own"
)]
pub(crate) fn now() -> Timestamp {
    Timestamp::now()
}
