//! What all mail channels share: the message held against hostile input, and addresses in the forms that go on the wire.

use base64::{Engine, engine::general_purpose::STANDARD};
use lettre::{Address, message::Mailbox};
use ringback_core::messages::{Content, Outcome, Outgoing, Reason, Suppress};

/// A mail that is safe to hand on: no line breaks where none belong, one recipient with an ASCII domain.
pub(crate) struct Mail<'a> {
    pub from: Mailbox,
    pub to: Address,
    pub subject: &'a str,
    pub text: &'a str,
    pub html: Option<&'a str>,
    pub reply_to: Option<Mailbox>,
    pub headers: &'a [(String, String)],
}

/// True when nothing of an address is outside ASCII.
pub(crate) fn plain(address: &Address) -> bool {
    AsRef::<str>::as_ref(address).is_ascii()
}

/// Takes the mail out of a message, from the connection's sender under the message's own name if it has one.
pub(crate) fn mail<'a>(
    provider: &str,
    sender: &Mailbox,
    message: &'a Outgoing,
) -> Result<Mail<'a>, Outcome> {
    let Content::Mail {
        subject,
        text,
        html,
        reply_to,
        headers,
    } = &message.content
    else {
        return Err(crate::answers::wrong_kind(provider));
    };
    let breaks = |text: &str| text.contains(['\r', '\n', '\0']);
    let name = message.from_name.as_deref();
    if breaks(subject)
        || name.is_some_and(breaks)
        || headers
            .iter()
            .any(|(name, value)| breaks(value) || !header_name(name))
    {
        return Err(refused(
            "header",
            "A header of the mail has a line break or a name that no header can have.",
            Suppress::No,
        ));
    }
    let to = address(&message.to).ok_or_else(|| {
        refused(
            "address",
            "The mail address cannot be read.",
            Suppress::Invalid,
        )
    })?;
    let reply_to = match reply_to.as_deref() {
        None => None,
        Some(typed) => Some(address(typed).map(Mailbox::from).ok_or_else(|| {
            refused(
                "reply_to",
                "The reply-to address cannot be read.",
                Suppress::No,
            )
        })?),
    };
    let from = Mailbox::new(
        name.filter(|name| !name.trim().is_empty())
            .map(str::to_owned)
            .or_else(|| sender.name.clone()),
        sender.email.clone(),
    );
    Ok(Mail {
        from,
        to,
        subject,
        text,
        html: html.as_deref(),
        reply_to,
        headers,
    })
}

fn refused(code: &str, detail: &str, suppress: Suppress) -> Outcome {
    Outcome::Permanent {
        why: Reason::new(code, detail),
        suppress,
    }
}

/// The characters of a header name (RFC 5322: printable ASCII but the colon), narrowed to those that are used.
fn header_name(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= 76
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

/// One address, its domain as DNS has it.
pub(crate) fn address(typed: &str) -> Option<Address> {
    let (user, domain) = typed.trim().rsplit_once('@')?;
    let domain = url::Host::parse(domain).ok()?;
    let url::Host::Domain(domain) = domain else {
        return None; // bare addresses of machines are nobody's mailbox
    };
    if user.chars().any(|c| c.is_control() || c == ' ') {
        return None;
    }
    Address::new(user, domain).ok()
}

/// Reads `address` or `Name <address>` as people write it: `Acme, Inc. <…>` needs no quotes.
pub(crate) fn mailbox(typed: &str) -> Option<Mailbox> {
    let typed = typed.trim();
    let Some((name, rest)) = typed.rsplit_once('<') else {
        return address(typed).map(Mailbox::from);
    };
    let address = address(rest.strip_suffix('>')?)?;
    let name = name.trim();
    let unquoted = name
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'))
        .map(|inner| inner.replace("\\\"", "\"").replace("\\\\", "\\"));
    let name = unquoted.unwrap_or_else(|| name.to_owned());
    if name.chars().any(char::is_control) {
        return None;
    }
    Some(Mailbox::new((!name.is_empty()).then_some(name), address))
}

/// `Name <address>` with the name quoted where it must be; in ASCII by encoded words (RFC 2047) when asked for.
pub(crate) fn line(mailbox: &Mailbox, ascii: bool) -> String {
    let address: &str = mailbox.email.as_ref();
    let Some(name) = mailbox.name.as_deref().filter(|name| !name.is_empty()) else {
        return address.to_owned();
    };
    if ascii && !name.is_ascii() {
        return format!("{} <{address}>", encoded_words(name));
    }
    let plain = |c: char| c.is_alphanumeric() || c == ' ' || !c.is_ascii() || c == '-' || c == '\'';
    if name.chars().all(plain) {
        return format!("{name} <{address}>");
    }
    let quoted = name.replace('\\', "\\\\").replace('"', "\\\"");
    format!("\"{quoted}\" <{address}>")
}

/// A text as encoded words, each at most 75 characters and never splitting a character.
pub(crate) fn encoded_words(text: &str) -> String {
    let mut words = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let mut end = rest.len().min(45);
        while !rest.is_char_boundary(end) {
            end -= 1;
        }
        let (word, after) = rest.split_at(end);
        words.push(format!("=?UTF-8?B?{}?=", STANDARD.encode(word)));
        rest = after;
    }
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_quoted_or_encoded_where_they_must_be() {
        for (name, ascii, line_text) in [
            ("Acme", false, "Acme <hello@example.test>"),
            (
                "O'Neill Plumbing",
                true,
                "O'Neill Plumbing <hello@example.test>",
            ),
            ("Acme, Inc.", false, "\"Acme, Inc.\" <hello@example.test>"),
            (
                "A \"B\" <c@d>",
                false,
                "\"A \\\"B\\\" <c@d>\" <hello@example.test>",
            ),
            ("Żółw", false, "Żółw <hello@example.test>"),
            (
                "Żółw",
                true,
                "=?UTF-8?B?xbvDs8WCdw==?= <hello@example.test>",
            ),
        ] {
            let mailbox = Mailbox::new(Some(name.into()), "hello@example.test".parse().unwrap());
            assert_eq!(line(&mailbox, ascii), line_text);
        }
    }

    #[test]
    fn senders_are_read_as_people_write_them() {
        for (typed, name) in [
            ("hello@example.test", None),
            (" <hello@example.test> ", None),
            ("Acme <hello@example.test>", Some("Acme")),
            ("Acme, Inc. <hello@example.test>", Some("Acme, Inc.")),
            (
                "\"Acme \\\"A\\\"\" <hello@example.test>",
                Some("Acme \"A\""),
            ),
        ] {
            let found = mailbox(typed).unwrap();
            assert_eq!(found.name.as_deref(), name, "{typed}");
            assert_eq!(found.email.to_string(), "hello@example.test", "{typed}");
        }
        for typed in [
            "",
            "Acme",
            "Acme <hello>",
            "Acme <hello@example.test",
            "A <a@b.example> <c>",
        ] {
            assert_eq!(mailbox(typed), None, "{typed}");
        }
    }

    #[test]
    fn encoded_words_stay_short_and_whole() {
        let text = "€".repeat(100);
        let encoded = encoded_words(&text);
        let mut back = Vec::new();
        for word in encoded.split(' ') {
            assert!(word.len() <= 75, "{word}");
            let inner = word
                .strip_prefix("=?UTF-8?B?")
                .unwrap()
                .strip_suffix("?=")
                .unwrap();
            back.push(String::from_utf8(STANDARD.decode(inner).unwrap()).unwrap());
        }
        assert_eq!(back.concat(), text);
    }

    /// X8, mail headers: what could add a recipient or a header is no address.
    #[test]
    fn hostile_addresses_are_refused() {
        for typed in [
            "",
            "a",
            "@b.example",
            "a@",
            "a@b@c.example",
            "a@b.example,c@d.example",
            "a@b.example\r\nBcc: c@d.example",
            "a\n@b.example",
            "a b@c.example",
            "<a@b.example>",
            "a@127.0.0.1",
            "a@[127.0.0.1]",
            "a@b.example ;c",
            "a@b_.example>",
            "a@b.example\0",
        ] {
            assert_eq!(address(typed), None, "{typed:?}");
        }
        assert_eq!(
            address("lead@Bücher.example").unwrap().domain(),
            "xn--bcher-kva.example"
        );
        assert_eq!(
            address(" o'neill+x@example.test ").unwrap().user(),
            "o'neill+x"
        );
    }
}
