//! Signatures: what providers put on their webhooks and what we put on ours. Each verifies in constant time.

pub mod sendgrid;
pub mod sigv4;
pub mod sns;
pub mod standard;
pub mod twilio;

use aws_lc_rs::{constant_time::verify_slices_are_equal, digest, hmac};

pub(crate) fn hmac_sha256(key: &[u8], text: &[u8]) -> hmac::Tag {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text)
}

/// The hash in lower-case hex.
pub(crate) fn sha256_hex(text: &[u8]) -> String {
    hex(digest::digest(&digest::SHA256, text).as_ref())
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut out = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        out.push(char::from(DIGITS[usize::from(byte >> 4)]));
        out.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
    out
}

/// Compares without telling by its time where the difference is.
pub(crate) fn same(left: &[u8], right: &[u8]) -> bool {
    verify_slices_are_equal(left, right).is_ok()
}
