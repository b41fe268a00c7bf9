//! What a mail server's reply means, by stage, code and enhanced status (RFC 5321, 3463, 5248).

use ringback_core::messages::{Outcome, Reason, Suppress};
use std::time::Duration;

/// How far the conversation had come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// Connecting, greeting, encryption.
    Connect,
    /// Signing in.
    Auth,
    /// The recipient, before anything was said.
    Address,
    /// MAIL FROM.
    Mail,
    /// RCPT TO.
    Rcpt,
    /// DATA.
    Data,
    /// The mail, before its final dot.
    Body,
    /// After the final dot may have left.
    Dot,
}

/// What went wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Trouble {
    /// No connection came about.
    Dial(Reason),
    /// The server said no.
    Reply { code: u16, text: String },
    /// The line broke, or what came was no SMTP.
    Broken,
    /// No answer in time.
    Late,
    /// We do not go on.
    Local(Reason),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault {
    pub stage: Stage,
    pub trouble: Trouble,
}

impl Fault {
    pub fn late(stage: Stage) -> Self {
        Self {
            stage,
            trouble: Trouble::Late,
        }
    }

    pub fn local(stage: Stage, code: &str, detail: &str) -> Self {
        Self {
            stage,
            trouble: Trouble::Local(Reason::new(code, detail)),
        }
    }

    /// True when the connection cannot be used any more.
    pub fn line_is_dead(&self) -> bool {
        match &self.trouble {
            Trouble::Reply { code, .. } => *code == 421,
            Trouble::Local(_) => self.stage != Stage::Address,
            Trouble::Dial(_) | Trouble::Broken | Trouble::Late => true,
        }
    }

    pub fn reason(self) -> Reason {
        match self.outcome() {
            Outcome::Retryable { why, .. }
            | Outcome::Misconfigured { why }
            | Outcome::Permanent { why, .. }
            | Outcome::Unknown { why } => why,
            Outcome::Delivered { .. } | Outcome::Accepted { .. } => {
                Reason::new("none", "Nothing went wrong.")
            }
        }
    }

    /// What it comes to for the message. Without a reply only the final dot matters: before it nothing was handed over.
    pub fn outcome(self) -> Outcome {
        let where_it_broke = |verb: &str| match self.stage {
            Stage::Dot => Outcome::Unknown {
                why: Reason::new(
                    "after_dot",
                    format!(
                        "The mail server {verb} after it had the whole mail; it may have taken it."
                    ),
                ),
            },
            _ => Outcome::Retryable {
                why: Reason::new(
                    "before_dot",
                    format!("The mail server {verb} before it had the mail."),
                ),
                after: None,
            },
        };
        match self.trouble {
            Trouble::Dial(why)
                if matches!(why.code.as_str(), "address_refused" | "not_encrypted") =>
            {
                Outcome::Misconfigured { why }
            }
            Trouble::Dial(why) => Outcome::Retryable { why, after: None },
            Trouble::Broken => where_it_broke("broke off"),
            Trouble::Late => where_it_broke("fell silent"),
            Trouble::Local(why) => match self.stage {
                Stage::Auth => Outcome::Misconfigured { why },
                Stage::Address => Outcome::Permanent {
                    why,
                    suppress: Suppress::No,
                },
                _ => Outcome::Retryable { why, after: None },
            },
            Trouble::Reply { code, text } => by_reply(self.stage, code, &text),
        }
    }
}

fn by_reply(stage: Stage, code: u16, text: &str) -> Outcome {
    let enhanced = enhanced(text);
    let shown = match &enhanced {
        Some((class, subject, detail)) => format!("{code} {class}.{subject}.{detail}"),
        None => code.to_string(),
    };
    let why = |detail: &str| Reason::new(shown.clone(), detail);
    let permanent = |detail: &str, suppress| Outcome::Permanent {
        why: why(detail),
        suppress,
    };
    let config = |detail: &str| Outcome::Misconfigured { why: why(detail) };
    let retry = |detail: &str, seconds: Option<u64>| Outcome::Retryable {
        why: why(detail),
        after: seconds.map(Duration::from_secs),
    };
    match code {
        454 if text.to_ascii_lowercase().contains("daily") => {
            retry("The account's daily quota is used up.", Some(3600))
        }
        // Gmail says so to a domain that sends too much or too much spam; minutes do not change that.
        400..=499 if enhanced == Some((4, 7, 28)) => retry(
            "The receiving side takes less mail from our domain for now.",
            Some(3600),
        ),
        // Often greylisting: who comes back after some minutes is let in.
        400..=499 if stage == Stage::Rcpt && matches!(enhanced, Some((4, 7, _))) => {
            retry("The mail server wants us to come back later.", Some(300))
        }
        400..=499 => retry("The mail server cannot take the mail now.", None),
        530 | 534 | 535 | 538 => config("The mail server did not accept user and password."),
        _ if matches!(stage, Stage::Connect | Stage::Auth) => config(
            "The mail server does not want to talk with us; check server, user and password.",
        ),
        500..=504 | 555 => permanent("The mail server did not understand us.", Suppress::No),
        521 | 556 => permanent("The address takes no mail.", Suppress::Invalid),
        _ => match enhanced {
            // Nothing was said about the recipient yet: whatever is wrong with an address is wrong with ours.
            Some((_, 1, _) | (_, 2, 0..=2) | (_, 4, 1)) if stage == Stage::Mail => {
                config("The mail server does not accept the sender.")
            }
            Some((_, subject, detail)) => by_enhanced(subject, detail, text, &shown),
            None => match (code, stage) {
                (552, _) => permanent(
                    "The mail is too large or the mailbox is full.",
                    Suppress::No,
                ),
                (_, Stage::Mail) => config("The mail server does not accept the sender."),
                (_, Stage::Rcpt) => permanent(
                    "The mail server does not know the address.",
                    Suppress::Invalid,
                ),
                _ => permanent("The mail server refused the mail.", Suppress::No),
            },
        },
    }
}

/// A permanent refusal by its enhanced status. Source: the IANA registry of RFC 5248 and the mailbox providers' own pages.
fn by_enhanced(subject: u16, detail: u16, text: &str, shown: &str) -> Outcome {
    let lower = text.to_ascii_lowercase();
    let why = |detail: &str| Reason::new(shown, detail);
    let permanent = |detail: &str, suppress| Outcome::Permanent {
        why: why(detail),
        suppress,
    };
    let config = |detail: &str| Outcome::Misconfigured { why: why(detail) };
    match (subject, detail) {
        (1, 7 | 8) => config("The mail server does not accept the sender's address."),
        (1, 1..=3 | 6 | 10) => permanent("The mailbox does not exist.", Suppress::Invalid),
        (2, 0 | 1) => permanent("The mailbox is switched off.", Suppress::Invalid),
        (2, 2) => permanent("The mailbox is full.", Suppress::No),
        (2, 3) | (3, 4) => permanent("The mail is too large.", Suppress::No),
        (4, 1) if lower.contains("access denied") => {
            permanent("The mailbox does not exist.", Suppress::Invalid)
        }
        (4, _) => permanent("The mail could not be passed on.", Suppress::No),
        (7, 0 | 1)
            if ["blocked", "reputation", "spamhaus"]
                .iter()
                .any(|word| lower.contains(word)) =>
        {
            config("The receiving side blocks our server or domain; its reply names the list.")
        }
        (7, 8 | 9 | 14) => config("The mail server did not accept user and password."),
        (7, 20..=27 | 29 | 30 | 32 | 509 | 515) => {
            config("The receiving side misses SPF, DKIM, DMARC, reverse DNS or TLS for our domain.")
        }
        (7, 28) => Outcome::Retryable {
            why: why("The receiving side takes less mail from our domain for now."),
            after: Some(Duration::from_secs(3600)),
        },
        _ => permanent("The mail server refused the mail.", Suppress::No),
    }
}

/// The enhanced status at the start of a reply's text.
fn enhanced(text: &str) -> Option<(u16, u16, u16)> {
    let word = text.split_ascii_whitespace().next()?;
    let mut parts = word.split('.').map(|part| part.parse::<u16>().ok());
    let status = (parts.next()??, parts.next()??, parts.next()??);
    (parts.next().is_none() && matches!(status.0, 2 | 4 | 5)).then_some(status)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn class(stage: Stage, code: u16, text: &str) -> String {
        let fault = Fault {
            stage,
            trouble: Trouble::Reply {
                code,
                text: text.to_owned(),
            },
        };
        match fault.outcome() {
            Outcome::Retryable { after, .. } => {
                format!("retry {}", after.map_or(0, |after| after.as_secs()))
            }
            Outcome::Misconfigured { .. } => "config".into(),
            Outcome::Permanent { suppress, .. } => format!("permanent {suppress:?}"),
            other => format!("{other:?}"),
        }
    }

    /// N2: the table of replies.
    #[test]
    fn replies_mean_what_the_table_says() {
        for (stage, code, text, expected) in [
            (Stage::Mail, 421, "4.3.2 closing", "retry 0"),
            (Stage::Rcpt, 450, "4.7.1 greylisted", "retry 300"),
            (Stage::Rcpt, 451, "try again", "retry 0"),
            (Stage::Dot, 452, "4.3.1 full", "retry 0"),
            (Stage::Auth, 454, "4.7.0 temporary", "retry 0"),
            (
                Stage::Data,
                454,
                "Throttling failure: Daily message quota exceeded.",
                "retry 3600",
            ),
            (
                Stage::Data,
                454,
                "Throttling failure: Maximum sending rate exceeded.",
                "retry 0",
            ),
            (Stage::Connect, 554, "no", "config"),
            (Stage::Auth, 535, "5.7.8 bad", "config"),
            (Stage::Mail, 530, "5.7.0 authentication required", "config"),
            (Stage::Mail, 550, "no", "config"),
            (Stage::Mail, 503, "5.5.1 order", "permanent No"),
            (Stage::Rcpt, 550, "no such user", "permanent Invalid"),
            (Stage::Rcpt, 550, "5.1.1 no such user", "permanent Invalid"),
            (Stage::Rcpt, 550, "5.1.10 null MX", "permanent Invalid"),
            (Stage::Rcpt, 556, "null MX", "permanent Invalid"),
            (Stage::Rcpt, 550, "5.2.1 disabled", "permanent Invalid"),
            (Stage::Rcpt, 552, "5.2.2 full", "permanent No"),
            (
                Stage::Rcpt,
                550,
                "5.4.1 Recipient address rejected: Access denied",
                "permanent Invalid",
            ),
            (Stage::Rcpt, 550, "5.4.1 relay", "permanent No"),
            (Stage::Mail, 550, "5.1.8 bad sender", "config"),
            (Stage::Rcpt, 550, "5.1.7 bad sender", "config"),
            // Before a recipient was named, no address but ours can be wrong.
            (Stage::Mail, 550, "5.1.1 no such sender", "config"),
            (Stage::Mail, 550, "5.2.1 sender disabled", "config"),
            (Stage::Mail, 552, "5.3.4 too big", "permanent No"),
            (Stage::Mail, 552, "5.2.3 too big", "permanent No"),
            (
                Stage::Rcpt,
                550,
                "5.1.2 no such domain",
                "permanent Invalid",
            ),
            (Stage::Rcpt, 553, "5.1.3 bad syntax", "permanent Invalid"),
            (Stage::Rcpt, 551, "5.1.6 moved", "permanent Invalid"),
            (Stage::Rcpt, 550, "5.2.0 disabled", "permanent Invalid"),
            (Stage::Rcpt, 521, "takes no mail", "permanent Invalid"),
            (Stage::Rcpt, 455, "cannot", "retry 0"),
            (Stage::Dot, 552, "5.2.3 too big", "permanent No"),
            (Stage::Dot, 554, "5.4.6 loop", "permanent No"),
            (Stage::Dot, 554, "5.5.2 syntax", "permanent No"),
            (Stage::Dot, 554, "5.6.0 content", "permanent No"),
            (
                Stage::Dot,
                554,
                "5.7.9 not accepted for policy reasons",
                "config",
            ),
            (Stage::Dot, 550, "5.7.29 no TLS", "config"),
            (Stage::Dot, 550, "5.7.509 DMARC", "config"),
            (
                Stage::Dot,
                421,
                "4.7.28 rate of unsolicited mail",
                "retry 3600",
            ),
            (Stage::Rcpt, 450, "4.7.28 rate", "retry 3600"),
            (Stage::Dot, 421, "4.7.26 unauthenticated", "retry 0"),
            (Stage::Auth, 534, "5.7.9 mechanism too weak", "config"),
            (Stage::Auth, 538, "5.7.11 encryption required", "config"),
            (Stage::Dot, 550, "5.7.1 message refused", "permanent No"),
            (
                Stage::Dot,
                550,
                "5.7.1 blocked using zen.spamhaus.org",
                "config",
            ),
            (Stage::Dot, 550, "5.7.26 unauthenticated", "config"),
            (Stage::Dot, 550, "5.7.515 access denied", "config"),
            (Stage::Dot, 550, "5.7.28 rate", "retry 3600"),
            (Stage::Dot, 552, "5.3.4 too big", "permanent No"),
            (Stage::Dot, 554, "spam", "permanent No"),
            (Stage::Dot, 555, "what", "permanent No"),
        ] {
            assert_eq!(
                class(stage, code, text),
                expected,
                "{stage:?} {code} {text}"
            );
        }
    }

    /// M3: without a reply, only the final dot makes an unknown.
    #[test]
    fn a_broken_line_is_unknown_only_after_the_dot() {
        for trouble in [Trouble::Broken, Trouble::Late] {
            for stage in [
                Stage::Connect,
                Stage::Auth,
                Stage::Mail,
                Stage::Rcpt,
                Stage::Data,
                Stage::Body,
            ] {
                let fault = Fault {
                    stage,
                    trouble: trouble.clone(),
                };
                assert!(
                    matches!(fault.outcome(), Outcome::Retryable { .. }),
                    "{stage:?}"
                );
            }
            let fault = Fault {
                stage: Stage::Dot,
                trouble,
            };
            assert!(matches!(fault.outcome(), Outcome::Unknown { .. }));
        }
    }
}
