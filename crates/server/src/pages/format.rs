//! How values read on pages: local time with its place, durations, masked contact data.

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Zoned};
use ringback_core::time::Timestamp;

/// Time as a tenant's people read it.
#[derive(Debug, Clone)]
pub struct Local {
    zone: TimeZone,
    twelve: bool,
    place: String,
}

impl Local {
    /// In a zone; `region` decides between 6:43 pm and 18:43, `place` is the city.
    pub fn new(zone: TimeZone, region: &str, place: impl Into<String>) -> Self {
        let twelve = matches!(
            region,
            "US" | "CA" | "AU" | "NZ" | "IN" | "PH" | "GB" | "IE"
        );
        Self {
            zone,
            twelve,
            place: place.into(),
        }
    }

    /// In the zone of a tenant.
    pub fn of(home: &crate::registry::Home) -> Self {
        let settings = &home.tenant.config.settings;
        Self::new(
            home.tenant.zone.clone(),
            settings.region.as_str(),
            settings.time_zone.city(),
        )
    }

    /// The city.
    pub fn place(&self) -> &str {
        &self.place
    }

    /// The zone.
    pub const fn zone(&self) -> &TimeZone {
        &self.zone
    }

    fn at(&self, at: Timestamp) -> Zoned {
        at.to_zoned(self.zone.clone())
    }

    /// `6:43 am`.
    pub fn time(&self, at: Timestamp) -> String {
        self.at(at)
            .strftime(if self.twelve { "%-I:%M %P" } else { "%-H:%M" })
            .to_string()
    }

    /// `6:43:09 am`, for traces.
    pub fn exact(&self, at: Timestamp) -> String {
        self.at(at)
            .strftime(if self.twelve {
                "%-I:%M:%S %P"
            } else {
                "%-H:%M:%S"
            })
            .to_string()
    }

    /// `Saturday 21 November`; with the year when it is not this one.
    pub fn day(&self, at: Timestamp, now: Timestamp) -> String {
        let (at, now) = (self.at(at), self.at(now));
        at.strftime(if at.year() == now.year() {
            "%A %-d %B"
        } else {
            "%A %-d %B %Y"
        })
        .to_string()
    }

    /// The shortest that is clear from now: `6:43 am`, `tomorrow, 8:07 am`, `Fri 9:00 am`, `3 November`, `3 November 2025`.
    pub fn when(&self, at: Timestamp, now: Timestamp) -> String {
        let (day, today) = (self.at(at).date(), self.at(now).date());
        let days = (day - today).get_days();
        match days {
            0 => self.time(at),
            -1 => format!("yesterday, {}", self.time(at)),
            1 => format!("tomorrow, {}", self.time(at)),
            -6..=6 => format!("{} {}", day.strftime("%a"), self.time(at)),
            _ if day.year() == today.year() => day.strftime("%-d %B").to_string(),
            _ => day.strftime("%-d %B %Y").to_string(),
        }
    }

    /// The same within a sentence: `at 6:43 am`, `tomorrow at 8:07 am`, `on Fri at 9:00 am`, `on 3 November`.
    pub fn on(&self, at: Timestamp, now: Timestamp) -> String {
        let (day, today) = (self.at(at).date(), self.at(now).date());
        let time = self.time(at);
        match (day - today).get_days() {
            0 => format!("at {time}"),
            -1 => format!("yesterday at {time}"),
            1 => format!("tomorrow at {time}"),
            -6..=6 => format!("on {} at {time}", day.strftime("%a")),
            _ => format!("on {}", self.when(at, now)),
        }
    }

    /// For the `datetime` of `<time>`.
    pub fn machine(at: Timestamp) -> String {
        at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
    }

    /// The first instant of the day of `at`.
    pub fn midnight(&self, at: Timestamp) -> Timestamp {
        self.at(at).start_of_day().map_or(at, |day| day.timestamp())
    }

    /// `Held until 8:07 am in Denver`.
    pub fn held(&self, until: Timestamp, now: Timestamp) -> String {
        format!("Held until {} in {}", self.when(until, now), self.place)
    }
}

/// A wait as clocks show it: `0:48`, `6:43`, `1 h 12`, `3 days`.
pub fn clock(seconds: i64) -> String {
    let seconds = seconds.max(0);
    match seconds {
        0..3_600 => format!("{}:{:02}", seconds / 60, seconds % 60),
        3_600..86_400 => format!("{} h {:02}", seconds / 3_600, seconds % 3_600 / 60),
        _ => amount(seconds / 86_400, "day"),
    }
}

/// A duration in words: `1.1 s`, `38 s`, `6 min 43 s`, `1 h 12 min`, `3 days 4 h`.
pub fn words(span: SignedDuration) -> String {
    let ms = span.as_millis().max(0);
    let s = i64::try_from(ms / 1_000).unwrap_or(i64::MAX);
    match s {
        0 if ms < 1_000 => format!("{ms} ms"),
        0..10 => format!("{}.{} s", s, ms % 1_000 / 100),
        10..60 => format!("{s} s"),
        60..3_600 if s % 60 == 0 => format!("{} min", s / 60),
        60..3_600 => format!("{} min {} s", s / 60, s % 60),
        3_600..86_400 if s % 3_600 / 60 == 0 => format!("{} h", s / 3_600),
        3_600..86_400 => format!("{} h {} min", s / 3_600, s % 3_600 / 60),
        _ if s % 86_400 / 3_600 == 0 => amount(s / 86_400, "day"),
        _ => format!("{} {} h", amount(s / 86_400, "day"), s % 86_400 / 3_600),
    }
}

/// `1 lead`, `3 leads`.
pub fn amount(n: i64, one: &str) -> String {
    if n == 1 {
        format!("1 {one}")
    } else {
        format!("{} {one}s", number(n))
    }
}

/// `1,234`.
pub fn number(n: i64) -> String {
    let digits = n.unsigned_abs().to_string();
    let mut out = String::from(if n < 0 { "-" } else { "" });
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// `+1 303 ••• ••42`: the country, for North America the area, and the last two digits.
pub fn mask_phone(e164: &str) -> String {
    let digits: Vec<char> = e164.chars().filter(char::is_ascii_digit).collect();
    if digits.len() < 7 {
        return "•••".to_owned();
    }
    let tail: String = digits[digits.len() - 2..].iter().collect();
    if digits[0] == '1' && digits.len() == 11 {
        let area: String = digits[1..4].iter().collect();
        format!("+1 {area} ••• ••{tail}")
    } else {
        let head: String = digits[..2].iter().collect();
        format!("+{head} ••• ••• ••{tail}")
    }
}

/// `d•••@example.com`.
pub fn mask_email(email: &str) -> String {
    match email.rsplit_once('@') {
        Some((name, domain)) => format!("{}•••@{domain}", name.chars().next().unwrap_or('•')),
        None => "•••".to_owned(),
    }
}

/// Masks what looks like a number or an address, whichever it is.
pub fn mask(contact: &str) -> String {
    if contact.contains('@') {
        mask_email(contact)
    } else {
        mask_phone(contact)
    }
}

/// A number as people dial it: `(303) 555-0142` for North America, else as it is kept.
pub fn phone(e164: &str) -> String {
    match e164
        .strip_prefix("+1")
        .filter(|rest| rest.len() == 10 && rest.is_ascii())
    {
        Some(rest) => format!("({}) {}-{}", &rest[..3], &rest[3..6], &rest[6..]),
        None => e164.to_owned(),
    }
}

/// Percent-encodes a value for a query string.
pub fn query(value: &str) -> String {
    url::form_urlencoded::byte_serialize(value.as_bytes()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn denver() -> Local {
        Local::new(TimeZone::get("America/Denver").unwrap(), "US", "Denver")
    }

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    /// U: the wait is read like a clock until it is hours.
    #[test]
    fn waits_read_like_clocks() {
        for (seconds, text) in [
            (-3, "0:00"),
            (48, "0:48"),
            (403, "6:43"),
            (3_599, "59:59"),
            (4_320, "1 h 12"),
            (86_400, "1 day"),
            (300_000, "3 days"),
        ] {
            assert_eq!(clock(seconds), text);
        }
    }

    /// Durations say their units.
    #[test]
    fn durations_have_units() {
        for (ms, text) in [
            (4, "4 ms"),
            (1_149, "1.1 s"),
            (38_000, "38 s"),
            (403_000, "6 min 43 s"),
            (300_000, "5 min"),
            (4_320_000, "1 h 12 min"),
            (100 * 3_600_000, "4 days 4 h"),
        ] {
            assert_eq!(words(SignedDuration::from_millis(ms)), text);
        }
    }

    /// Local time has the shortest form that is clear.
    #[test]
    fn instants_are_said_as_briefly_as_is_clear() {
        let now = at("2026-11-21T13:49:52Z");
        let local = denver();
        for (then, text) in [
            ("2026-11-21T13:43:09Z", "6:43 am"),
            ("2026-11-22T15:07:00Z", "tomorrow, 8:07 am"),
            ("2026-11-21T03:00:00Z", "yesterday, 8:00 pm"),
            ("2026-11-18T16:00:00Z", "Wed 9:00 am"),
            ("2026-11-03T16:00:00Z", "3 November"),
            ("2025-11-03T16:00:00Z", "3 November 2025"),
        ] {
            assert_eq!(local.when(at(then), now), text);
        }
        for (then, text) in [
            ("2026-11-21T13:43:09Z", "at 6:43 am"),
            ("2026-11-22T15:07:00Z", "tomorrow at 8:07 am"),
            ("2026-11-21T03:00:00Z", "yesterday at 8:00 pm"),
            ("2026-11-18T16:00:00Z", "on Wed at 9:00 am"),
            ("2025-11-03T16:00:00Z", "on 3 November 2025"),
        ] {
            assert_eq!(local.on(at(then), now), text);
        }
        assert_eq!(
            local.held(at("2026-11-21T15:07:00Z"), now),
            "Held until 8:07 am in Denver"
        );
        assert_eq!(local.day(now, now), "Saturday 21 November");
        assert_eq!(
            Local::new(TimeZone::get("Europe/Berlin").unwrap(), "DE", "Berlin").time(now),
            "14:49"
        );
    }

    /// X6: what is masked keeps nothing that reaches a person.
    #[test]
    fn masks_keep_only_what_tells_people_apart() {
        assert_eq!(mask("+13035550142"), "+1 303 ••• ••42");
        assert_eq!(mask("+447700900123"), "+44 ••• ••• ••23");
        assert_eq!(mask("dana@example.com"), "d•••@example.com");
        assert_eq!(mask("x"), "•••");
        assert_eq!(mask("@"), "••••@");
    }

    /// Figures are grouped, words follow their number.
    #[test]
    fn figures_are_grouped() {
        assert_eq!(number(1_234_567), "1,234,567");
        assert_eq!(number(-12), "-12");
        assert_eq!(amount(1, "lead"), "1 lead");
        assert_eq!(phone("+13035550142"), "(303) 555-0142");
    }
}
