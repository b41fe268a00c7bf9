//! Email addresses: checked for syntax once, compared in lower case, sent with an ASCII domain (L6).

use email_address::{EmailAddress, Options};
use std::{borrow::Cow, fmt};
use unicode_normalization::UnicodeNormalization;

/// RFC 5321: a path holds 256 bytes, angle brackets included.
const MAX_BYTES: usize = 254;

/// An email address as it was typed, its domain in lower case. Its `Debug` shows `d…@example.com`, since logs are read by many.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Email(Box<str>);

/// What is wrong with an email address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EmailFault {
    /// Nothing was written.
    Empty,
    /// There is a line break or another control character in it, which could forge a header.
    Control,
    /// There is a space in it.
    Space,
    /// There is no `@`, or nothing before or after it.
    NoAt,
    /// There is more than one `@`.
    ManyAts,
    /// More than 254 bytes, or more than 64 before the `@`.
    TooLong,
    /// The domain has no ending such as `.com`, or it is an address of numbers.
    NoEnding,
    /// The part after the `@` cannot be a domain.
    Domain,
    /// The part before the `@` has characters or dots where none may stand.
    Local,
}

/// An email address that cannot be used. `Display` and `Debug` never show it; [`EmailError::advice`] does, for the person who
/// typed it.
#[derive(Clone, PartialEq, Eq)]
pub struct EmailError {
    /// What is wrong.
    pub fault: EmailFault,
    typed: Box<str>,
}

impl Email {
    /// Reads what a person typed.
    ///
    /// # Errors
    /// When it cannot be an address; [`EmailError::advice`] says what to mend.
    pub fn parse(typed: &str) -> Result<Self, EmailError> {
        read(typed)
            .map(Self)
            .map_err(|fault| EmailError::new(fault, typed))
    }

    /// Takes an address from the store, which holds only addresses that were parsed once. Checks that it has one inner `@`, fits
    /// and has no control characters, and nothing else.
    pub fn from_stored(stored: &str) -> Option<Self> {
        let (local, domain) = stored.rsplit_once('@')?;
        let fine = !local.is_empty()
            && !domain.is_empty()
            && stored.len() <= MAX_BYTES
            && !stored.contains(char::is_control);
        fine.then(|| Self(stored.into()))
    }

    /// The address as typed, its domain in lower case.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn parts(&self) -> (&str, &str) {
        self.0.rsplit_once('@').unwrap_or((&self.0, ""))
    }

    /// The part before the `@`.
    pub fn local(&self) -> &str {
        self.parts().0
    }

    /// The domain in lower case, with the letters it was typed in.
    pub fn domain(&self) -> &str {
        self.parts().1
    }

    /// What addresses are compared by: all in lower case, the domain in ASCII. Two people who differ only in case are one.
    pub fn key(&self) -> String {
        let (local, _) = self.parts();
        format!("{}@{}", local.to_lowercase(), self.ascii_domain())
    }

    /// The address for the wire: the domain in ASCII (`xn--`), since most servers know no other.
    pub fn wire(&self) -> Cow<'_, str> {
        if self.0.is_ascii() {
            return Cow::Borrowed(&self.0);
        }
        Cow::Owned(format!("{}@{}", self.local(), self.ascii_domain()))
    }

    /// Whether the part before the `@` needs a server that speaks SMTPUTF8.
    pub fn needs_utf8(&self) -> bool {
        !self.local().is_ascii()
    }

    fn ascii_domain(&self) -> Cow<'_, str> {
        let domain = self.domain();
        if domain.is_ascii() {
            return Cow::Borrowed(domain);
        }
        // It was converted once when it was parsed, so it converts again.
        idna::domain_to_ascii_strict(domain).map_or(Cow::Borrowed(domain), Cow::Owned)
    }
}

fn read(typed: &str) -> Result<Box<str>, EmailFault> {
    let text = typed.trim_matches([' ', '\t', '\u{a0}', '\u{200b}', '\u{feff}']);
    if text.is_empty() {
        return Err(EmailFault::Empty);
    }
    if text.len() > MAX_BYTES * 4 {
        return Err(EmailFault::TooLong);
    }
    if text.contains(|c: char| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}')) {
        return Err(EmailFault::Control);
    }
    let text: String = text.nfc().collect();
    let (local, domain) = text.rsplit_once('@').ok_or(EmailFault::NoAt)?;
    if local.is_empty() || domain.is_empty() {
        return Err(EmailFault::NoAt);
    }
    let quoted = local.starts_with('"');
    if domain.contains(char::is_whitespace) || (!quoted && local.contains(char::is_whitespace)) {
        return Err(EmailFault::Space);
    }
    if !quoted && local.contains('@') {
        return Err(EmailFault::ManyAts);
    }
    let domain = domain.to_lowercase();
    let ascii = idna::domain_to_ascii_strict(&domain).map_err(|_| EmailFault::Domain)?;
    let (_, ending) = ascii.rsplit_once('.').ok_or(EmailFault::NoEnding)?;
    if ending.len() < 2 || ending.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(EmailFault::NoEnding);
    }
    if local.len() > 64 || local.len() + 1 + ascii.len().max(domain.len()) > MAX_BYTES {
        return Err(EmailFault::TooLong);
    }
    let options = Options::default()
        .with_required_tld()
        .without_display_text()
        .without_domain_literal();
    // The domain is checked in its ASCII form, so whatever is still wrong stands before the @.
    EmailAddress::parse_with_options(&format!("{local}@{ascii}"), options)
        .map_err(|_| EmailFault::Local)?;
    Ok(format!("{local}@{domain}").into())
}

impl EmailError {
    fn new(fault: EmailFault, typed: &str) -> Self {
        let typed: String = typed
            .trim()
            .chars()
            .filter(|c| !c.is_control())
            .take(64)
            .collect();
        Self {
            fault,
            typed: typed.into(),
        }
    }

    /// One sentence for the person who typed the address: what is wrong and what to do.
    pub fn advice(&self) -> String {
        let typed = &self.typed;
        match self.fault {
            EmailFault::Empty => "Write an email address.".to_owned(),
            EmailFault::Control => {
                "The email address has a line break or another invisible character in it; type it again.".to_owned()
            }
            EmailFault::Space => format!("{typed} has a space in it; email addresses have none."),
            EmailFault::NoAt => {
                format!("{typed} is not a whole email address; write it like name@example.com.")
            }
            EmailFault::ManyAts => format!("{typed} has more than one @; write one address only."),
            EmailFault::TooLong => {
                "The email address is too long: at most 254 characters, 64 of them before the @.".to_owned()
            }
            EmailFault::NoEnding => format!("{typed} has no ending such as .com after its domain."),
            EmailFault::Domain => format!(
                "The part of {typed} behind the @ cannot be a domain; check its dots and letters."
            ),
            EmailFault::Local => format!(
                "The part of {typed} before the @ has a character or a dot in a wrong place."
            ),
        }
    }
}

impl fmt::Debug for EmailError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EmailError")
            .field("fault", &self.fault)
            .finish_non_exhaustive()
    }
}

impl fmt::Display for EmailError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.fault {
            EmailFault::Empty => "the email address is empty",
            EmailFault::Control => "the email address has a control character in it",
            EmailFault::Space => "the email address has a space in it",
            EmailFault::NoAt => "the email address has no @ between a name and a domain",
            EmailFault::ManyAts => "the email address has more than one @",
            EmailFault::TooLong => "the email address is too long",
            EmailFault::NoEnding => "the email address has no ending such as .com",
            EmailFault::Domain => "the email address has no possible domain",
            EmailFault::Local => "the email address has a wrong character before the @",
        })
    }
}

impl std::error::Error for EmailError {}

impl fmt::Debug for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (local, domain) = self.parts();
        match local.chars().next() {
            Some(first) => write!(f, "{first}…@{domain}"),
            None => write!(f, "…@{domain}"),
        }
    }
}

impl fmt::Display for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl serde::Serialize for Email {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> serde::Deserialize<'de> for Email {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        Self::from_stored(&text).ok_or_else(|| serde::de::Error::custom("not an email address"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// L6: kept as typed, compared in lower case, sent in ASCII.
    #[test]
    fn an_address_is_kept_as_typed_and_compared_in_lower_case() {
        for (typed, kept, key, wire) in [
            (
                "Dana.Doe@Example.COM",
                "Dana.Doe@example.com",
                "dana.doe@example.com",
                "Dana.Doe@example.com",
            ),
            (
                " dana+quote@example.co.uk ",
                "dana+quote@example.co.uk",
                "dana+quote@example.co.uk",
                "dana+quote@example.co.uk",
            ),
            (
                "o'hara@example.org",
                "o'hara@example.org",
                "o'hara@example.org",
                "o'hara@example.org",
            ),
            (
                "info@BÜCHER.example",
                "info@bücher.example",
                "info@xn--bcher-kva.example",
                "info@xn--bcher-kva.example",
            ),
            (
                "info@xn--bcher-kva.example",
                "info@xn--bcher-kva.example",
                "info@xn--bcher-kva.example",
                "info@xn--bcher-kva.example",
            ),
            (
                "JOSÉ@example.com",
                "JOSÉ@example.com",
                "josé@example.com",
                "JOSÉ@example.com",
            ),
            (
                "\"dana doe\"@example.com",
                "\"dana doe\"@example.com",
                "\"dana doe\"@example.com",
                "\"dana doe\"@example.com",
            ),
        ] {
            let email = Email::parse(typed).unwrap_or_else(|error| panic!("{typed}: {error}"));
            assert_eq!(
                (email.as_str(), &*email.key(), &*email.wire()),
                (kept, key, wire)
            );
            assert_eq!(Email::from_stored(email.as_str()), Some(email));
        }
        assert!(Email::parse("JOSÉ@example.com").unwrap().needs_utf8());
        assert!(!Email::parse("info@bücher.example").unwrap().needs_utf8());
    }

    /// L6: a bad address is answered with what is wrong.
    #[test]
    fn a_bad_address_is_answered_with_its_fault() {
        let long_local = format!("{}@example.com", "a".repeat(65));
        let long = format!("a@{}.com", "b.".repeat(130));
        for (typed, fault) in [
            ("", EmailFault::Empty),
            ("   ", EmailFault::Empty),
            ("dana", EmailFault::NoAt),
            ("@example.com", EmailFault::NoAt),
            ("dana@", EmailFault::NoAt),
            ("dana@example", EmailFault::NoEnding),
            ("dana@10.0.0.1", EmailFault::NoEnding),
            ("dana@[10.0.0.1]", EmailFault::Domain),
            ("dana@example..com", EmailFault::Domain),
            ("dana@-example.com", EmailFault::Domain),
            ("dana@exa_mple.com", EmailFault::Domain),
            ("dana@example.com.", EmailFault::Domain),
            ("dana@example,com", EmailFault::Domain),
            ("dana@ex ample.com", EmailFault::Space),
            ("da na@example.com", EmailFault::Space),
            ("Dana Doe <dana@example.com>", EmailFault::Space),
            ("<dana@example.com>", EmailFault::Domain),
            ("dana@home@example.com", EmailFault::ManyAts),
            ("da..na@example.com", EmailFault::Local),
            (".dana@example.com", EmailFault::Local),
            ("dana.@example.com", EmailFault::Local),
            ("da(na@example.com", EmailFault::Local),
            (
                "dana@example.com\r\nBcc: all@example.com",
                EmailFault::Control,
            ),
            ("dana\0@example.com", EmailFault::Control),
            ("da\nna@example.com", EmailFault::Control),
            (long_local.as_str(), EmailFault::TooLong),
            (long.as_str(), EmailFault::Domain),
        ] {
            let error = Email::parse(typed).expect_err(typed);
            assert_eq!(error.fault, fault, "{typed}");
            assert!(!error.advice().is_empty() && !error.advice().contains(char::is_control));
        }
        assert_eq!(
            Email::parse("dana@example").unwrap_err().advice(),
            "dana@example has no ending such as .com after its domain."
        );
    }

    #[test]
    fn debug_shows_the_first_letter_only() {
        let email = Email::parse("dana@example.com").unwrap();
        assert_eq!(format!("{email:?}"), "d…@example.com");
        let error = Email::parse("dana@example").unwrap_err();
        assert!(!format!("{error:?} {error}").contains("dana"));
    }

    proptest! {
        /// Hostile input is normal; what is accepted can go into a header and comes back from the store.
        #[test]
        fn whatever_is_accepted_is_safe(typed in "(\\PC|[\\r\\n\\x00]){0,20}@(\\PC|[\\r\\n.]){0,20}") {
            match Email::parse(&typed) {
                Ok(email) => {
                    prop_assert!(!email.as_str().contains(char::is_control));
                    prop_assert!(email.as_str().len() <= 254 && email.wire().len() <= 254);
                    prop_assert!(email.wire().rsplit_once('@').is_some_and(|(_, domain)| domain.is_ascii()));
                    prop_assert_eq!(Email::parse(email.as_str()), Ok(email.clone()));
                    prop_assert_eq!(Email::from_stored(email.as_str()), Some(email));
                }
                Err(error) => prop_assert!(!error.advice().is_empty()),
            }
        }

        #[test]
        fn common_addresses_are_accepted(local in "[a-zA-Z0-9]{1,10}([._+-][a-z0-9]{1,5})?", domain in "[a-z][a-z0-9]{0,10}[.](com|org|co[.]uk)") {
            let typed = format!("{local}@{domain}");
            prop_assert!(Email::parse(&typed).is_ok());
        }
    }
}
