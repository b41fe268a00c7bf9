//! How dates, money, numbers and telephone numbers are written in different places.

use super::context::Manners;
use jiff::Timestamp;
use jiff::civil::{Date, DateTime, Time};

/// An instant or a date that a value names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Moment {
    pub date: Option<Date>,
    pub time: Option<Time>,
}

/// Reads RFC 3339 instants (moved to the recipient's zone), plain dates, times, and both.
pub(super) fn moment(text: &str, manners: &Manners) -> Option<Moment> {
    let text = text.trim();
    if let Ok(at) = text.parse::<Timestamp>() {
        return Some(of_instant(at, manners));
    }
    // A date parses from text that goes on with a time, too.
    if text.len() <= 10
        && let Ok(date) = text.parse::<Date>()
    {
        return Some(Moment {
            date: Some(date),
            time: None,
        });
    }
    if let Ok(both) = text.parse::<DateTime>() {
        return Some(Moment {
            date: Some(both.date()),
            time: Some(both.time()),
        });
    }
    let time = text.parse::<Time>().ok()?;
    Some(Moment {
        date: None,
        time: Some(time),
    })
}

/// Reads a number as an instant: seconds, milliseconds or microseconds since 1970, told apart by their size.
pub(super) fn moment_of_number(number: i64, manners: &Manners) -> Option<Moment> {
    let at = match number.unsigned_abs() {
        0..100_000_000_000 => Timestamp::from_second(number),
        100_000_000_000..100_000_000_000_000 => Timestamp::from_millisecond(number),
        _ => Timestamp::from_microsecond(number),
    };
    at.ok().map(|at| of_instant(at, manners))
}

fn of_instant(at: Timestamp, manners: &Manners) -> Moment {
    let local = manners.zone.to_datetime(at);
    Moment {
        date: Some(local.date()),
        time: Some(local.time()),
    }
}

/// How long a date is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum DateStyle {
    /// `Saturday, November 21`
    Weekday,
    /// `November 21, 2026`
    Long,
    /// `11/21/2026`
    Short,
    /// `2026-11-21`
    Iso,
}

impl DateStyle {
    pub(super) fn named(name: &str) -> Option<Self> {
        Some(match name {
            "weekday" => Self::Weekday,
            "long" => Self::Long,
            "short" => Self::Short,
            "iso" => Self::Iso,
            _ => return None,
        })
    }
}

struct Language {
    months: [&'static str; 12],
    weekdays: [&'static str; 7],
    at: &'static str,
}

const ENGLISH: Language = Language {
    months: [
        "January",
        "February",
        "March",
        "April",
        "May",
        "June",
        "July",
        "August",
        "September",
        "October",
        "November",
        "December",
    ],
    weekdays: [
        "Monday",
        "Tuesday",
        "Wednesday",
        "Thursday",
        "Friday",
        "Saturday",
        "Sunday",
    ],
    at: " at ",
};
const SPANISH: Language = Language {
    months: [
        "enero",
        "febrero",
        "marzo",
        "abril",
        "mayo",
        "junio",
        "julio",
        "agosto",
        "septiembre",
        "octubre",
        "noviembre",
        "diciembre",
    ],
    weekdays: [
        "lunes",
        "martes",
        "miércoles",
        "jueves",
        "viernes",
        "sábado",
        "domingo",
    ],
    at: ", ",
};
const FRENCH: Language = Language {
    months: [
        "janvier",
        "février",
        "mars",
        "avril",
        "mai",
        "juin",
        "juillet",
        "août",
        "septembre",
        "octobre",
        "novembre",
        "décembre",
    ],
    weekdays: [
        "lundi", "mardi", "mercredi", "jeudi", "vendredi", "samedi", "dimanche",
    ],
    at: " à ",
};
const GERMAN: Language = Language {
    months: [
        "Januar",
        "Februar",
        "März",
        "April",
        "Mai",
        "Juni",
        "Juli",
        "August",
        "September",
        "Oktober",
        "November",
        "Dezember",
    ],
    weekdays: [
        "Montag",
        "Dienstag",
        "Mittwoch",
        "Donnerstag",
        "Freitag",
        "Samstag",
        "Sonntag",
    ],
    at: ", ",
};

/// The names of a language, `None` for those whose dates are written in digits.
fn language(code: [u8; 2]) -> Option<&'static Language> {
    Some(match &code {
        b"en" => &ENGLISH,
        b"es" => &SPANISH,
        b"fr" => &FRENCH,
        b"de" => &GERMAN,
        _ => return None,
    })
}

/// A date as people there write it.
pub(super) fn date(date: Date, style: DateStyle, manners: &Manners) -> String {
    let (year, month, day) = (date.year(), date.month(), date.day());
    let month_first = matches!(&manners.region, b"US");
    let Some(names) = language(manners.language)
        .filter(|_| matches!(style, DateStyle::Weekday | DateStyle::Long))
    else {
        return match (&manners.region, style) {
            (_, DateStyle::Iso) => format!("{year:04}-{month:02}-{day:02}"),
            (b"US", _) => format!("{month}/{day}/{year}"),
            (b"CA" | b"SE" | b"LT" | b"HU" | b"CN" | b"JP" | b"KR" | b"TW", _) => {
                format!("{year:04}-{month:02}-{day:02}")
            }
            (
                b"DE" | b"AT" | b"CH" | b"PL" | b"CZ" | b"SK" | b"NO" | b"FI" | b"DK" | b"RU"
                | b"UA" | b"TR" | b"RO",
                _,
            ) => {
                format!("{day:02}.{month:02}.{year}")
            }
            _ => format!("{day:02}/{month:02}/{year}"),
        };
    };
    let month = names.months[usize::from(month.unsigned_abs().clamp(1, 12)) - 1];
    let weekday =
        names.weekdays[usize::from(date.weekday().to_monday_zero_offset().unsigned_abs()) % 7];
    let day_and_month = match &manners.language {
        b"en" if month_first || &manners.region == b"CA" => format!("{month} {day}"),
        b"es" => format!("{day} de {month}"),
        b"de" => format!("{day}. {month}"),
        _ => format!("{day} {month}"),
    };
    match (style, &manners.language) {
        (DateStyle::Weekday, b"fr") => format!("{weekday} {day_and_month}"),
        (DateStyle::Weekday, b"en") if !month_first && &manners.region != b"CA" => {
            format!("{weekday} {day_and_month}")
        }
        (DateStyle::Weekday, _) => format!("{weekday}, {day_and_month}"),
        (_, b"en") if month_first || &manners.region == b"CA" => format!("{day_and_month}, {year}"),
        (_, b"es") => format!("{day_and_month} de {year}"),
        _ => format!("{day_and_month} {year}"),
    }
}

/// A time of day as people there write it: `4:30 PM` or `16:30`.
pub(super) fn time(time: Time, manners: &Manners) -> String {
    let (hour, minute) = (time.hour(), time.minute());
    if matches!(
        &manners.region,
        b"US" | b"CA" | b"AU" | b"NZ" | b"IN" | b"PH" | b"PK" | b"EG"
    ) && &manners.language == b"en"
    {
        let half = if hour < 12 { "AM" } else { "PM" };
        let hour = match hour % 12 {
            0 => 12,
            hour => hour,
        };
        return format!("{hour}:{minute:02} {half}");
    }
    format!("{hour:02}:{minute:02}")
}

/// Date and time together.
pub(super) fn date_time(moment: Moment, style: DateStyle, manners: &Manners) -> String {
    match (moment.date, moment.time) {
        (Some(day), Some(hour)) => {
            let between = language(manners.language).map_or(" ", |names| names.at);
            format!(
                "{}{between}{}",
                date(day, style, manners),
                time(hour, manners)
            )
        }
        (Some(day), None) => date(day, style, manners),
        (None, Some(hour)) => time(hour, manners),
        (None, None) => String::new(),
    }
}

/// Thousands and decimals: `1,250.5`, `1.250,5` or `1 250,5`, with `digits` decimals.
pub(super) fn number(value: f64, digits: usize, manners: &Manners) -> String {
    let (group, point) = match &manners.region {
        b"DE" | b"AT" | b"ES" | b"IT" | b"NL" | b"BE" | b"PT" | b"BR" | b"DK" | b"TR" | b"ID"
        | b"AR" | b"GR" => (".", ","),
        b"FR" | b"PL" | b"CZ" | b"SE" | b"NO" | b"FI" | b"RU" | b"UA" | b"SK" | b"HU" | b"BG" => {
            (" ", ",")
        }
        b"CH" => ("'", "."),
        _ => (",", "."),
    };
    let plain = format!("{:.*}", digits.min(6), value.abs());
    let (whole, part) = plain.split_once('.').unwrap_or((&plain, ""));
    let mut out = String::with_capacity(plain.len() + 8);
    if value < 0.0 && plain.bytes().any(|b| (b'1'..=b'9').contains(&b)) {
        out.push('-');
    }
    for (at, digit) in whole.chars().enumerate() {
        if at > 0 && (whole.len() - at) % 3 == 0 {
            out.push_str(group);
        }
        out.push(digit);
    }
    if !part.is_empty() {
        out.push_str(point);
        out.push_str(part);
    }
    out
}

/// An amount with its currency, `$1,250` or `1.250,50 €`: decimals only where there are any. Without a currency the region's.
pub(super) fn money(value: f64, currency: Option<&str>, manners: &Manners) -> String {
    let currency = currency.unwrap_or_else(|| currency_of(&manners.region));
    let digits = match currency {
        "JPY" | "KRW" | "CLP" | "VND" | "ISK" => 0,
        _ if (value * 100.0).round() % 100.0 == 0.0 => 0,
        _ => 2,
    };
    let amount = number(value.abs(), digits, manners);
    let sign = if value < 0.0 { "-" } else { "" };
    let symbol = match currency {
        "USD" | "CAD" | "AUD" | "NZD" | "MXN" => "$",
        "GBP" => "£",
        "EUR" => "€",
        "JPY" => "¥",
        "INR" => "₹",
        other => other,
    };
    if symbol.len() == 3 && symbol == currency {
        return format!("{sign}{amount} {symbol}");
    }
    // A dollar abroad says whose it is.
    let foreign = symbol == "$" && currency != currency_of(&manners.region);
    match &manners.region {
        b"DE" | b"AT" | b"ES" | b"IT" | b"FR" | b"BE" | b"PT" | b"FI" | b"GR" | b"PL" | b"CZ"
        | b"SK" | b"SE" | b"NO" | b"DK" => {
            format!("{sign}{amount} {symbol}")
        }
        _ if foreign => format!("{sign}{}{symbol}{amount}", &currency[..2]),
        _ => format!("{sign}{symbol}{amount}"),
    }
}

fn currency_of(region: &[u8; 2]) -> &'static str {
    match region {
        b"GB" => "GBP",
        b"CA" => "CAD",
        b"AU" => "AUD",
        b"NZ" => "NZD",
        b"MX" => "MXN",
        b"IN" => "INR",
        b"JP" => "JPY",
        b"CH" => "CHF",
        b"SE" => "SEK",
        b"NO" => "NOK",
        b"DK" => "DKK",
        b"PL" => "PLN",
        b"CZ" => "CZK",
        b"HU" => "HUF",
        b"BR" => "BRL",
        b"ZA" => "ZAR",
        b"AT" | b"BE" | b"CY" | b"DE" | b"EE" | b"ES" | b"FI" | b"FR" | b"GR" | b"HR" | b"IE"
        | b"IT" | b"LT" | b"LU" | b"LV" | b"MT" | b"NL" | b"PT" | b"SI" | b"SK" => "EUR",
        _ => "USD",
    }
}

/// A number in E.164 as people of the region write their own: `(512) 555-0123`, `07700 900123`; foreign ones stay international.
pub(super) fn phone(number: &str, manners: &Manners) -> String {
    let Some(digits) = number
        .strip_prefix('+')
        .filter(|rest| rest.bytes().all(|b| b.is_ascii_digit()))
    else {
        return number.to_owned();
    };
    match (&manners.region, digits.as_bytes()) {
        (b"US" | b"CA" | b"PR", [b'1', rest @ ..]) if rest.len() == 10 => {
            format!("({}) {}-{}", &digits[1..4], &digits[4..7], &digits[7..])
        }
        (_, [b'1', rest @ ..]) if rest.len() == 10 => {
            format!("+1 {}-{}-{}", &digits[1..4], &digits[4..7], &digits[7..])
        }
        (b"GB", [b'4', b'4', b'2', rest @ ..]) if rest.len() == 9 => {
            format!("0{} {} {}", &digits[2..4], &digits[4..8], &digits[8..])
        }
        (b"GB", [b'4', b'4', _, rest @ ..]) if rest.len() == 9 => {
            format!("0{} {}", &digits[2..6], &digits[6..])
        }
        (b"AU", [b'6', b'1', b'4', rest @ ..]) if rest.len() == 8 => {
            format!("0{} {} {}", &digits[2..5], &digits[5..8], &digits[8..])
        }
        _ => number.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::templates::RenderContext;
    use jiff::tz::TimeZone;

    fn manners(zone: &str, region: &str, locale: &str) -> RenderContext {
        RenderContext::new(TimeZone::get(zone).unwrap(), region, Some(locale))
    }

    /// T1: date and time stand in the recipient's zone and as people there write them.
    #[test]
    fn dates_follow_zone_region_and_language() {
        for (zone, region, locale, short, long, both) in [
            (
                "America/Chicago",
                "US",
                "en",
                "11/21/2026",
                "November 21, 2026",
                "Saturday, November 21 at 10:05 PM",
            ),
            (
                "Europe/London",
                "GB",
                "en",
                "22/11/2026",
                "22 November 2026",
                "Sunday 22 November at 04:05",
            ),
            (
                "America/Mexico_City",
                "MX",
                "es-MX",
                "21/11/2026",
                "21 de noviembre de 2026",
                "sábado, 21 de noviembre, 22:05",
            ),
            (
                "Europe/Paris",
                "FR",
                "fr",
                "22/11/2026",
                "22 novembre 2026",
                "dimanche 22 novembre à 05:05",
            ),
            (
                "Europe/Berlin",
                "DE",
                "de",
                "22.11.2026",
                "22. November 2026",
                "Sonntag, 22. November, 05:05",
            ),
            (
                "Pacific/Honolulu",
                "US",
                "en",
                "11/21/2026",
                "November 21, 2026",
                "Saturday, November 21 at 6:05 PM",
            ),
            (
                "Europe/Warsaw",
                "PL",
                "pl",
                "22.11.2026",
                "22.11.2026",
                "22.11.2026 05:05",
            ),
        ] {
            let context = manners(zone, region, locale);
            let at = moment("2026-11-22T04:05:00Z", &context.manners).unwrap();
            let day = at.date.unwrap();
            assert_eq!(date(day, DateStyle::Short, &context.manners), short);
            assert_eq!(date(day, DateStyle::Long, &context.manners), long);
            assert_eq!(date_time(at, DateStyle::Weekday, &context.manners), both);
        }
    }

    #[test]
    fn plain_dates_and_times_keep_their_day() {
        let context = manners("Pacific/Honolulu", "US", "en");
        let m = &context.manners;
        assert_eq!(
            date_time(moment("2026-11-22", m).unwrap(), DateStyle::Iso, m),
            "2026-11-22"
        );
        assert_eq!(
            date_time(moment("14:30", m).unwrap(), DateStyle::Iso, m),
            "2:30 PM"
        );
        assert_eq!(
            date_time(moment("2026-11-22T14:30", m).unwrap(), DateStyle::Iso, m),
            "2026-11-22 at 2:30 PM"
        );
        assert_eq!(moment("soon", m), None);
        assert_eq!(
            moment_of_number(1_795_320_300, m),
            moment_of_number(1_795_320_300_000_000, m)
        );
        assert_eq!(
            moment_of_number(1_795_320_300, m),
            moment_of_number(1_795_320_300_000, m)
        );
        assert_eq!(moment_of_number(i64::MAX, m), None);
    }

    /// T1: money and telephone numbers as people there write them.
    #[test]
    fn money_numbers_and_phones_follow_the_region() {
        for (region, value, currency, expected) in [
            ("US", 1250.0, None, "$1,250"),
            ("US", 1250.5, None, "$1,250.50"),
            ("US", -3.0, None, "-$3"),
            ("US", 20.0, Some("CAD"), "CA$20"),
            ("GB", 1_234_567.891, None, "£1,234,567.89"),
            ("DE", 1250.5, None, "1.250,50 €"),
            ("FR", 1250.0, None, "1 250 €"),
            ("IE", 12.0, None, "€12"),
            ("CH", 1250.0, None, "1'250 CHF"),
            ("JP", 1250.4, None, "¥1,250"),
        ] {
            let context = manners("UTC", region, "en");
            assert_eq!(money(value, currency, &context.manners), expected);
        }
        for (region, number, expected) in [
            ("US", "+15125550123", "(512) 555-0123"),
            ("GB", "+15125550123", "+1 512-555-0123"),
            ("GB", "+447700900123", "07700 900123"),
            ("GB", "+442079460123", "020 7946 0123"),
            ("AU", "+61491570123", "0491 570 123"),
            ("DE", "+4930123456", "+4930123456"),
            ("US", "not a number", "not a number"),
        ] {
            let context = manners("UTC", region, "en");
            assert_eq!(phone(number, &context.manners), expected);
        }
    }
}
