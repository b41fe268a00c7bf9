//! Quiet hours.
