//! Twilio's error codes, one table for answers and reports.
//! Source: <https://www.twilio.com/docs/api/errors>; unknown codes of a refusal are permanent, counted and shown.

use ringback_core::messages::{Outcome, Reason, Status, Suppress};
use std::time::Duration;

/// What a code means for the message, the person and the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    /// Not sent; the same may work in so many seconds (0: whenever).
    Retry(u32),
    /// Our account, sender or registration.
    Config,
    /// This message will not pass; the person may be fine.
    Permanent,
    /// The contact point is at fault.
    Suppress(Suppress),
    /// It may have been sent.
    Unknown,
    /// Its time ran out in their queue.
    Expired,
}

const UNKNOWN: (Class, &str) = (
    Class::Permanent,
    "Twilio refused it; the code is explained at twilio.com/docs/api/errors.",
);

/// The class of a code and a sentence for people; None for codes that are not in the table.
fn class(code: u32) -> Option<(Class, &'static str)> {
    use Class::{Config, Expired, Permanent, Retry, Unknown};
    let bad = Class::Suppress;
    Some(match code {
        20003 | 20005 | 10001 => (
            Config,
            "Twilio did not accept the credentials, or the account is not active.",
        ),
        20404 => (Config, "Twilio does not know the account or sender."),
        20429 => (Retry(0), "Too many calls at once for this Twilio account."),
        20500 | 20503 => (
            Unknown,
            "Twilio had trouble of its own and may have sent it all the same.",
        ),
        21211 => (bad(Suppress::Invalid), "The number is not valid."),
        21212 | 21601 | 21606 | 21659 | 21660 | 21661 => (
            Config,
            "The sender is not a number of this account, or cannot send texts there.",
        ),
        21267 => (
            Config,
            "An alphanumeric sender is not possible on a trial account.",
        ),
        21268 | 21635 => (
            bad(Suppress::Invalid),
            "The number cannot receive texts (premium or landline).",
        ),
        21408 => (
            Config,
            "Sending to this country is not allowed in the account's geographic permissions.",
        ),
        21605 | 21617 | 21658 | 30019 => (Permanent, "The text is too long."),
        21608 => (Config, "A trial account can only text verified numbers."),
        21609 => (
            Config,
            "Twilio does not accept the address for reports; check the public address of the server.",
        ),
        21610 => (bad(Suppress::OptedOut), "The person opted out with Twilio."),
        21611 => (Retry(120), "The sender's queue at Twilio is full."),
        21612 => (Permanent, "This sender cannot reach this number."),
        21614 => (bad(Suppress::Invalid), "The number is not a mobile number."),
        21701 | 21703 | 21704 | 21705 | 21709 | 21711 | 21712 => (
            Config,
            "The messaging service is unknown, empty, or the sender is not in it.",
        ),
        14107 => (
            Retry(30),
            "Too many replies between these two numbers; Twilio suspects a loop.",
        ),
        35125 => (Retry(0), "Too many scheduled messages."),
        30001 => (Retry(0), "Twilio's queue overflowed."),
        30002 => (Config, "The Twilio account is suspended."),
        30003 => (
            Retry(1800),
            "The phone could not be reached: off, without service, or a landline.",
        ),
        30004 => (
            bad(Suppress::Blocked),
            "The recipient or the carrier blocks messages from this sender.",
        ),
        30005 => (
            bad(Suppress::Invalid),
            "The number does not exist or is no longer in use.",
        ),
        30006 => (
            bad(Suppress::Invalid),
            "The number is a landline, or its carrier cannot be reached.",
        ),
        30007 => (
            Permanent,
            "Filtered as spam by Twilio or the carrier; the same text will be filtered again.",
        ),
        30008 => (Retry(300), "The carrier gave no reason."),
        30010 => (Permanent, "The price was above the maximum."),
        30011 => (Permanent, "Media cannot be sent to this number."),
        30017 => (Retry(0), "The carrier is congested."),
        30018 | 30040 => (Config, "This country wants the sender registered first."),
        30020 | 30021 => (Retry(0), "Twilio failed inside."),
        30022 => (
            Retry(0),
            "Faster than the registered A2P campaign may send.",
        ),
        30023 => (
            Retry(24 * 3600),
            "The daily limit of the registered A2P campaign is reached.",
        ),
        30024 => (Config, "The sender is not set up with this carrier."),
        30026 | 30027 => (
            Retry(3600),
            "T-Mobile's daily limit for this brand is nearly or quite reached.",
        ),
        30032 => (Config, "The toll-free number is not verified."),
        30033 => (Config, "The A2P campaign is suspended."),
        30034 => (Config, "The US number is not registered for A2P 10DLC."),
        30036 => (Expired, "The message's time ran out in Twilio's queue."),
        30037 => (Config, "Sending is switched off for this account."),
        30041 | 30043 => (Config, "The number is not registered for this route."),
        30410 => (Retry(0), "The carrier did not answer in time."),
        30450 => (Permanent, "Blocked as likely SMS pumping."),
        30454 => (Retry(24 * 3600), "The account's message limit is reached."),
        30610 => (Retry(0), "Held back by the account's quiet hours."),
        30640 => (
            bad(Suppress::Blocked),
            "The number belongs to a known litigator.",
        ),
        63001 | 63007 | 63008 | 63020 | 63022 | 63027 | 63028 | 63030 => (
            Config,
            "The sender, account or template of this channel is wrong.",
        ),
        63009 | 63012 | 63017 | 63018 | 63023 => (
            Retry(0),
            "The channel behind Twilio has trouble or a limit.",
        ),
        63038 => (Retry(24 * 3600), "The account's daily limit is reached."),
        20001 => (Permanent, "Twilio found a field of the request invalid."),
        21620 | 21623 | 63019 => (
            Permanent,
            "A picture or file could not be fetched, or there are too many.",
        ),
        21654..=21656 => (
            Permanent,
            "The content template is missing or does not fit its variables.",
        ),
        35111 | 35114..=35118 | 35126 => (Permanent, "The wish for a later time was wrong."),
        30038 => (Permanent, "Filtered because it looks like a one-time code."),
        30485 | 63032 => (Permanent, "The carrier or channel does not deliver it."),
        63003 | 63024 | 63036 => (Permanent, "The person is not on this channel."),
        63013 | 63021 => (Permanent, "The channel's rules do not allow this content."),
        63016 => (
            Permanent,
            "More than 24 hours since the person wrote: only an approved template may be sent.",
        ),
        21265 | 21266 | 21910 => (Permanent, "Sender and recipient do not go together."),
        21602 | 21603 | 21604 | 21619 => {
            (Permanent, "Text, sender, recipient or content was missing.")
        }
        _ => return None,
    })
}

/// True when the table has the code. Others say less than the status of the answer.
pub(super) fn known(code: u32) -> bool {
    class(code).is_some()
}

/// What a refusal comes to.
pub(super) fn outcome(code: u32, after: Option<Duration>) -> Outcome {
    let (class, detail) = class(code).unwrap_or(UNKNOWN);
    let why = Reason::new(code.to_string(), detail);
    match class {
        Class::Retry(seconds) => Outcome::Retryable {
            why,
            after: after.or((seconds > 0).then(|| Duration::from_secs(seconds.into()))),
        },
        Class::Config => Outcome::Misconfigured { why },
        Class::Permanent | Class::Expired => Outcome::Permanent {
            why,
            suppress: Suppress::No,
        },
        Class::Suppress(suppress) => Outcome::Permanent { why, suppress },
        Class::Unknown => Outcome::Unknown { why },
    }
}

/// What a failure that is reported later comes to.
pub(super) fn reported(code: Option<u32>) -> (Status, Suppress, Option<Reason>) {
    let Some(code) = code else {
        return (Status::Failed, Suppress::No, None);
    };
    let (class, detail) = class(code).unwrap_or(UNKNOWN);
    let why = Some(Reason::new(code.to_string(), detail));
    match class {
        Class::Suppress(Suppress::OptedOut) => (Status::Blocked, Suppress::OptedOut, why),
        Class::Suppress(suppress) => (Status::Bounced, suppress, why),
        Class::Expired => (Status::Expired, Suppress::No, why),
        _ => (Status::Failed, Suppress::No, why),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn word(outcome: &Outcome) -> String {
        match outcome {
            Outcome::Retryable { after, .. } => {
                format!("retry {}", after.map_or(0, |after| after.as_secs()))
            }
            Outcome::Misconfigured { .. } => "config".into(),
            Outcome::Permanent { suppress, .. } => format!("permanent {suppress:?}"),
            Outcome::Unknown { .. } => "unknown".into(),
            other => format!("{other:?}"),
        }
    }

    /// N1, M4, C5: what each code means for the message, the number and the connection; as an answer, and in a later report.
    #[test]
    fn codes_mean_what_the_table_says() {
        for (code, answered, reported_as, suppress) in [
            (20003, "config", Status::Failed, Suppress::No),
            (20429, "retry 0", Status::Failed, Suppress::No),
            (20500, "unknown", Status::Failed, Suppress::No),
            (
                21211,
                "permanent Invalid",
                Status::Bounced,
                Suppress::Invalid,
            ),
            (21408, "config", Status::Failed, Suppress::No),
            (
                21610,
                "permanent OptedOut",
                Status::Blocked,
                Suppress::OptedOut,
            ),
            (21611, "retry 120", Status::Failed, Suppress::No),
            (21612, "permanent No", Status::Failed, Suppress::No),
            (
                21614,
                "permanent Invalid",
                Status::Bounced,
                Suppress::Invalid,
            ),
            (30003, "retry 1800", Status::Failed, Suppress::No),
            (
                30004,
                "permanent Blocked",
                Status::Bounced,
                Suppress::Blocked,
            ),
            (
                30005,
                "permanent Invalid",
                Status::Bounced,
                Suppress::Invalid,
            ),
            (
                30006,
                "permanent Invalid",
                Status::Bounced,
                Suppress::Invalid,
            ),
            (30007, "permanent No", Status::Failed, Suppress::No),
            (30008, "retry 300", Status::Failed, Suppress::No),
            (30034, "config", Status::Failed, Suppress::No),
            (30036, "permanent No", Status::Expired, Suppress::No),
            (30454, "retry 86400", Status::Failed, Suppress::No),
            (63016, "permanent No", Status::Failed, Suppress::No),
            (99999, "permanent No", Status::Failed, Suppress::No),
        ] {
            assert_eq!(word(&outcome(code, None)), answered, "{code}");
            let (status, told, why) = reported(Some(code));
            assert_eq!((status, told), (reported_as, suppress), "{code}");
            assert_eq!(why.map(|why| why.code), Some(code.to_string()));
        }
        assert_eq!(reported(None), (Status::Failed, Suppress::No, None));
    }

    /// M4: what the answer asks for wins over the table.
    #[test]
    fn the_answers_own_wish_wins() {
        let wish = Some(Duration::from_secs(7));
        assert_eq!(word(&outcome(21611, wish)), "retry 7");
    }
}
