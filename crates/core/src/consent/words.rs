//! Inbound words.
