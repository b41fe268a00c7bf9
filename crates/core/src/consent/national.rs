//! National do-not-call lists: how old a list may be, and what exempts a person who is on one (US-9, UK-4).

use crate::places::Region;
use crate::time::Timestamp;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

/// What is kept about the list of a country.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NationalRule {
    /// The rule's id.
    pub rule: String,
    /// Whose list.
    pub country: Region,
    /// A list older than so many days is asked no more: what nothing exempts is blocked.
    pub oldest_days: u16,
    /// Without any list what nothing exempts is blocked as well.
    #[serde(default)]
    pub needed: bool,
    /// Who bought something so many months ago or later is exempt.
    pub purchase_months: Option<u8>,
    /// Who asked for something so many months ago or later is exempt.
    pub enquiry_months: Option<u8>,
}

/// A list that is in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NationalList {
    /// Its id.
    pub id: i64,
    /// Whose list.
    pub country: Region,
    /// The day it was drawn up.
    pub as_of: Date,
    /// How many numbers are on it.
    pub numbers: i64,
}

/// What may exempt a person, and when it happened.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Exemptions {
    /// A written permission to send offers.
    pub written: bool,
    /// The last purchase.
    pub purchase: Option<Date>,
    /// When the person gave the number in an enquiry.
    pub enquiry: Option<Date>,
}

impl NationalRule {
    /// Whether an offer may go: what was looked at and found, as a sentence, either way. None where nothing is asked.
    pub fn judge(
        &self,
        list: Option<&NationalList>,
        listed: bool,
        exempt: Exemptions,
        today: Date,
    ) -> Option<Result<String, String>> {
        let place = self.country.name();
        if exempt.written {
            let of = list.map_or_else(String::new, |list| format!(" of {}", day(list.as_of)));
            return Some(Ok(format!(
                "Exempt from the national list of {place}{of} by the person's written permission."
            )));
        }
        let within = |since: Option<Date>, months: Option<u8>| {
            let ends = since?.checked_add(jiff::Span::new().months(i64::from(months?)));
            since.filter(|_| ends.is_ok_and(|ends| today <= ends))
        };
        for (what, since, months) in [
            ("a purchase", exempt.purchase, self.purchase_months),
            ("an enquiry", exempt.enquiry, self.enquiry_months),
        ] {
            if let (Some(since), Some(months)) = (within(since, months), months) {
                return Some(Ok(format!(
                    "Exempt from the national list of {place} by {what} on {}, not more than {months} months ago.",
                    day(since)
                )));
            }
        }
        let Some(list) = list else {
            return self.needed.then(|| {
                Err(format!(
                    "There is no national list of {place} to ask, and nothing exempts the person. Import one under /v1/do-not-call/import."
                ))
            });
        };
        let age = (today - list.as_of).get_days();
        if age > i32::from(self.oldest_days) {
            return Some(Err(format!(
                "The national list of {place} is of {}, more than {} days old, and nothing exempts the person. Import a newer one under /v1/do-not-call/import.",
                day(list.as_of),
                self.oldest_days
            )));
        }
        Some(if listed {
            Err(format!(
                "The number is on the national list of {place} of {}, and neither a written permission, a purchase nor an enquiry exempts the person.",
                day(list.as_of)
            ))
        } else {
            Ok(format!(
                "Not on the national list of {place} of {}, which has {} numbers.",
                day(list.as_of),
                list.numbers
            ))
        })
    }

    /// The last day on which a list is asked.
    pub fn last_day(&self, as_of: Date) -> Date {
        as_of.saturating_add(jiff::Span::new().days(i64::from(self.oldest_days)))
    }
}

/// The day of an instant, by the clock that lists are dated by.
pub fn day_of(at: Timestamp) -> Date {
    at.to_zoned(jiff::tz::TimeZone::UTC).date()
}

fn day(date: Date) -> String {
    date.strftime("%-d %B %Y").to_string()
}

/// Reads the number of a line of a list: a number, a number in the first column, or area code and number in two columns. Answers the
/// digits with the country's code, or nothing for what is no number of the country.
pub fn number_of(line: &str, country: Region) -> Option<i64> {
    let mut cells = line.split([',', ';', '\t']).map(|cell| {
        let digits: String = cell.chars().filter(char::is_ascii_digit).collect();
        let odd = cell.chars().any(|c| {
            !(c.is_ascii_digit()
                || matches!(c, ' ' | '+' | '-' | '.' | '(' | ')' | '"' | '\u{feff}'))
        });
        (digits, odd)
    });
    let (mut digits, odd) = cells.next()?;
    if odd {
        return None;
    }
    if country == Region::GB {
        let national = digits
            .strip_prefix("0044")
            .or_else(|| digits.strip_prefix("44"))
            .or_else(|| digits.strip_prefix('0'))
            .unwrap_or(&digits);
        if !(9..=10).contains(&national.len()) || national.starts_with('0') {
            return None;
        }
        return format!("44{national}").parse().ok();
    }
    if digits.len() == 3
        && let Some((rest, false)) = cells.next()
    {
        digits.push_str(&rest);
    }
    let national = match digits.len() {
        11 => digits.strip_prefix('1')?,
        10 => &digits,
        _ => return None,
    };
    let begins = |at: usize| matches!(national.as_bytes().get(at), Some(b'2'..=b'9'));
    if !begins(0) || !begins(3) {
        return None;
    }
    format!("1{national}").parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::consent::rules::Rules;

    fn date(text: &str) -> Date {
        text.parse().unwrap()
    }

    fn list(country: Region, as_of: &str) -> NationalList {
        NationalList {
            id: 1,
            country,
            as_of: date(as_of),
            numbers: 3,
        }
    }

    /// US-9: the list of the United States is asked for 31 days, and what exempts says since when.
    #[test]
    fn the_american_list_is_asked_for_31_days_and_names_what_exempts() {
        let rule = Rules::built_in().national(Region::US).unwrap();
        let today = date("2026-11-23");
        let fresh = list(Region::US, "2026-10-23");
        let old = list(Region::US, "2026-10-22");
        let none = Exemptions::default();
        let judge = |list: Option<&NationalList>, listed, exempt| {
            rule.judge(list, listed, exempt, today).unwrap()
        };
        assert!(
            judge(Some(&fresh), false, none)
                .unwrap()
                .contains("23 October 2026")
        );
        assert!(
            judge(Some(&fresh), true, none)
                .unwrap_err()
                .contains("on the national list")
        );
        assert!(
            judge(Some(&old), false, none)
                .unwrap_err()
                .contains("31 days old")
        );
        assert!(
            judge(None, false, none)
                .unwrap_err()
                .contains("no national list")
        );
        let written = Exemptions {
            written: true,
            ..none
        };
        assert!(
            judge(None, true, written)
                .unwrap()
                .contains("written permission")
        );
        for (since, holds) in [("2025-05-23", true), ("2025-05-22", false)] {
            let bought = Exemptions {
                purchase: Some(date(since)),
                ..none
            };
            let said = judge(Some(&old), true, bought);
            assert_eq!(said.is_ok(), holds, "{said:?}");
            assert!(!holds || said.unwrap().contains("a purchase on 23 May 2025"));
        }
        for (since, holds) in [("2026-08-23", true), ("2026-08-22", false)] {
            let asked = Exemptions {
                enquiry: Some(date(since)),
                ..none
            };
            let said = judge(Some(&fresh), true, asked);
            assert_eq!(said.is_ok(), holds, "{said:?}");
            assert!(!holds || said.unwrap().contains("an enquiry on 23 August 2026"));
        }
    }

    /// UK-4: 28 days, no exemption but the permission, and without a list texts are not held.
    #[test]
    fn the_british_list_is_asked_for_28_days_and_an_enquiry_does_not_exempt() {
        let rule = Rules::built_in().national(Region::GB).unwrap();
        let today = date("2026-11-23");
        let asked = Exemptions {
            written: false,
            purchase: Some(today),
            enquiry: Some(today),
        };
        let fresh = list(Region::GB, "2026-10-26");
        assert!(
            rule.judge(Some(&fresh), true, asked, today)
                .unwrap()
                .is_err()
        );
        assert!(
            rule.judge(Some(&fresh), false, asked, today)
                .unwrap()
                .is_ok()
        );
        let old = list(Region::GB, "2026-10-25");
        assert!(
            rule.judge(Some(&old), false, asked, today)
                .unwrap()
                .is_err()
        );
        assert_eq!(rule.judge(None, false, asked, today), None);
        assert_eq!(rule.last_day(fresh.as_of), today);
    }

    /// A list is read as registries give it away.
    #[test]
    fn lines_are_read_as_registries_write_them() {
        for line in [
            "3035550142",
            "+1 303-555-0142",
            "303,5550142",
            "\"3035550142\",2026-01-01",
            "1 (303) 555.0142",
            "\u{feff}3035550142",
        ] {
            assert_eq!(number_of(line, Region::US), Some(13_035_550_142), "{line}");
        }
        for line in [
            "",
            "phone",
            "303555014",
            "0035550142",
            "3031550142",
            "+447400123456",
            "x3035550142",
        ] {
            assert_eq!(number_of(line, Region::US), None, "{line}");
        }
        for line in [
            "07400 123456",
            "+447400123456",
            "00447400123456",
            "7400123456",
        ] {
            assert_eq!(number_of(line, Region::GB), Some(447_400_123_456), "{line}");
        }
        assert_eq!(number_of("12", Region::GB), None);
    }

    /// US-9: a column of three digits is an area code only before the rest of a number; what begins with 0 or 1 is no number.
    #[test]
    fn area_codes_and_first_digits_are_minded() {
        for line in [
            "303;x5550142",
            "303",
            "3035;550142",
            "1303555014",
            "13035550142,9",
            "(303) 155-0142",
            "1303-055-0142",
        ] {
            let whole = line.starts_with("13035550142");
            assert_eq!(number_of(line, Region::US).is_some(), whole, "{line}");
        }
        assert_eq!(number_of("303\t555-0142", Region::US), Some(13_035_550_142));
        assert_eq!(
            number_of("23035550142", Region::US),
            None,
            "eleven digits begin with the country"
        );
        for (line, digits) in [
            ("441632960", None),
            ("44163296012", Some(44_163_296_012)),
            ("00441632960123", Some(441_632_960_123)),
            ("0 0 1632960123", None),
            ("16329601234", None),
        ] {
            assert_eq!(number_of(line, Region::GB), digits, "{line}");
        }
        assert_eq!(
            day_of("2026-11-23T23:59:59Z".parse().unwrap()),
            date("2026-11-23")
        );
    }
}
