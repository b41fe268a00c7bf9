//! Our reference in the address that a provider reports to, so that a report finds its message even when the answer to the call was
//! lost (M3).

use ringback_core::ids::MessageId;
use std::borrow::Cow;

/// The report address with our reference in it.
pub(crate) fn with_reference(url: &str, message: MessageId) -> Cow<'_, str> {
    if reference(url).is_some() {
        return url.into();
    }
    let joint = if url.contains('?') { '&' } else { '?' };
    format!("{url}{joint}m={message}").into()
}

/// The reference in an address that was called.
pub(crate) fn reference(url: &str) -> Option<MessageId> {
    url.split_once('?')?
        .1
        .split('&')
        .find_map(|pair| pair.strip_prefix("m="))?
        .parse()
        .ok()
}
