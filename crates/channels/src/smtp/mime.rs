//! A mail as bytes.

use crate::mail::Mail;
use lettre::{
    Address, Message,
    message::{
        Mailbox, MultiPart, SinglePart,
        header::{HeaderName, HeaderValue},
    },
};
use ringback_core::{ids::MessageId, time::Timestamp};

/// A mail, ready for the line.
pub(super) struct Written {
    pub from: Address,
    pub to: Address,
    /// The same over all attempts, so that receivers can drop twins (M3).
    pub message_id: String,
    pub bytes: Vec<u8>,
}

/// The text with every line end as CRLF. A bare CR or LF is read as a line end by some servers and not by others, which lets one
/// mail hide another (smuggling); lettre would do the LF, but in time that grows with the square of the length.
fn lines(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + text.len() / 32);
    let mut rest = text;
    while let Some(at) = rest.find(['\r', '\n']) {
        let (line, after) = rest.split_at(at);
        out.push_str(line);
        out.push_str("\r\n");
        rest = after.strip_prefix("\r\n").unwrap_or(&after[1..]);
    }
    out.push_str(rest);
    out
}

pub(super) fn write(mail: &Mail<'_>, message: MessageId, at: Timestamp) -> Option<Written> {
    let message_id = format!("<{message}@{}>", mail.from.email.domain());
    let mut builder = Message::builder()
        .from(mail.from.clone())
        .to(Mailbox::from(mail.to.clone()))
        .subject(mail.subject)
        .date(at.into())
        .message_id(Some(message_id.clone()));
    if let Some(reply_to) = &mail.reply_to {
        builder = builder.reply_to(reply_to.clone());
    }
    for (name, value) in mail.headers {
        let name = HeaderName::new_from_ascii(name.clone()).ok()?;
        builder = builder.raw_header(HeaderValue::new(name, value.clone()));
    }
    let text = lines(mail.text);
    let written = match mail.html {
        Some(html) => builder.multipart(MultiPart::alternative_plain_html(text, lines(html))),
        None => builder.singlepart(SinglePart::plain(text)),
    };
    Some(Written {
        from: mail.from.email.clone(),
        to: mail.to.clone(),
        message_id,
        bytes: written.ok()?.formatted(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_end_becomes_the_same() {
        for (text, expected) in [
            ("", ""),
            ("a", "a"),
            ("a\nb", "a\r\nb"),
            ("a\r\nb\r\n", "a\r\nb\r\n"),
            ("a\rb\n\rc", "a\r\nb\r\n\r\nc"),
            ("\r\r\n\n", "\r\n\r\n\r\n"),
            ("ż\n👍", "ż\r\n👍"),
        ] {
            assert_eq!(lines(text), expected, "{text:?}");
        }
    }
}
