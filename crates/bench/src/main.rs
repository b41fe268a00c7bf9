//! Ringback.
fn main() {}
