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
    let text = mail.text.to_owned();
    let written = match mail.html {
        Some(html) => builder.multipart(MultiPart::alternative_plain_html(text, html.to_owned())),
        None => builder.singlepart(SinglePart::plain(text)),
    };
    Some(Written {
        from: mail.from.email.clone(),
        to: mail.to.clone(),
        message_id,
        bytes: written.ok()?.formatted(),
    })
}
