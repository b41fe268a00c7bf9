//! Email addresses.
