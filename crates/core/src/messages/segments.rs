//! SMS segments.
