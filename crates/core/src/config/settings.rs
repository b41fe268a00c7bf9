//! `tenant.yaml`: who the business is, where and when it works, and how much may be said (M6, M11, C4).

use super::{did_you_mean, durations};
use crate::conditions::Condition;
use crate::contact::{Email, Phone};
use crate::messages::{ChannelKind, OwnPrices};
use crate::places::{self, OpeningHours, Region, State, Zone};
use crate::time::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::time::Duration;

/// Everything of `tenant.yaml`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The business, as customers know it.
    pub name: String,
    /// What it does, one word.
    pub industry: Option<String>,
    /// The country it works in; numbers without a country belong to it (L6).
    pub region: Region,
    /// The zone of its opening hours.
    pub time_zone: Zone,
    /// When somebody is there. Without it the business is always open.
    pub hours: Option<OpeningHours>,
    /// Days it is closed.
    #[serde(default)]
    pub holidays: Holidays,
    /// How its pages and mails look.
    #[serde(default)]
    pub branding: Branding,
    /// Its website.
    pub website: Option<String>,
    /// The number customers may call, as it is to be shown.
    pub phone: Option<String>,
    /// Where answers to its mails go.
    pub email: Option<String>,
    /// The postal address that mails carry (T5, US-17).
    pub postal_address: Option<String>,
    /// How much may be said (M6).
    #[serde(default)]
    pub limits: Limits,
    /// How much it may cost (M11).
    #[serde(default)]
    pub budget: Budget,
    /// The hours of messages to leads (C4).
    #[serde(default)]
    pub quiet_hours: QuietHours,
    /// Where it may write to, and which rules somebody signed off (C1 to C5).
    #[serde(default)]
    pub compliance: Compliance,
    /// Who is reached for real while everything stays in the sandbox (M12).
    #[serde(default)]
    pub sandbox: Sandbox,
    /// Who may send tracking events with the public write key (S1).
    #[serde(default)]
    pub tracking: Tracking,
    /// What is kept for how long (L11).
    #[serde(default)]
    pub retention: Retention,
    /// What the business promises its leads (W7).
    pub promise: Option<Promise>,
    /// The product of leads that nothing assigns elsewhere; may be left out when there is only one.
    pub product: Option<String>,
    /// Which product a lead belongs to; the first that matches (L9).
    #[serde(default)]
    pub routing: Vec<Route>,
}

/// Days the business is closed: dates, days of every year, or a named set.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Holidays(Vec<Holiday>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Holiday {
    /// One day.
    On(Date),
    /// The same day each year: month and day.
    Yearly(i8, i8),
    /// A calendar that is built in, such as `us_federal`.
    Calendar(String),
}

impl Holidays {
    /// Whether `day` is one.
    pub fn contains(&self, day: Date) -> bool {
        self.0.iter().any(|holiday| match holiday {
            Holiday::On(date) => *date == day,
            Holiday::Yearly(month, date) => day.month() == *month && day.day() == *date,
            Holiday::Calendar(key) => places::Holidays::built_in()
                .set(key)
                .is_some_and(|set| matches!(set.on(day), places::Holiday::Yes(_))),
        })
    }

    /// All of them from one day to another, both included, at most 800 days on.
    pub fn between(&self, from: Date, until: Date) -> Vec<Date> {
        if self.0.is_empty() {
            return Vec::new();
        }
        from.series(jiff::Span::new().days(1))
            .take(800)
            .take_while(|day| *day <= until)
            .filter(|day| self.contains(*day))
            .collect()
    }
}

impl Serialize for Holiday {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::On(date) => to.collect_str(date),
            Self::Yearly(month, day) => to.collect_str(&format_args!("{month:02}-{day:02}")),
            Self::Calendar(key) => to.serialize_str(key),
        }
    }
}

impl<'de> Deserialize<'de> for Holiday {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        let calendars = places::Holidays::built_in();
        if calendars.set(&text).is_some() {
            return Ok(Self::Calendar(text));
        }
        if let Ok(date) = text.parse::<Date>() {
            return Ok(Self::On(date));
        }
        // 2028 is a leap year, so that 02-29 is a day.
        if let Ok(date) = format!("2028-{text}").parse::<Date>() {
            return Ok(Self::Yearly(date.month(), date.day()));
        }
        let text: String = text.chars().take(60).collect();
        let mend = did_you_mean(&text, calendars.keys()).unwrap_or_else(|| {
            "Write a date (2026-12-24), a day of each year (12-24) or a calendar such as us_federal.".to_owned()
        });
        Err(de::Error::custom(format!("`{text}` is no holiday. {mend}")))
    }
}

/// The hour at the tenant's place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HoursNow {
    /// Within the opening hours.
    pub open: bool,
    /// Outside of them, or a holiday.
    pub after_hours: bool,
    /// Saturday or Sunday.
    pub weekend: bool,
    /// One of the tenant's holidays.
    pub holiday: bool,
    /// 0 to 23.
    pub hour: i8,
    /// `monday` to `sunday`.
    pub weekday: &'static str,
}

impl Settings {
    /// True for a number or address on the list of test recipients, however it was typed there.
    pub fn is_test_recipient(&self, recipient: &str) -> bool {
        self.sandbox.test_recipients.iter().any(|typed| {
            if typed.contains('@') {
                Email::parse(typed).is_ok_and(|email| email.key() == recipient)
            } else {
                Phone::parse(typed, self.region).is_ok_and(|phone| phone.as_str() == recipient)
            }
        })
    }

    /// What the clock on the tenant's wall says at an instant (S3). Without opening hours it is always open, holidays apart.
    pub fn hours_at(&self, at: Timestamp, zone: &TimeZone) -> HoursNow {
        let day = zone.to_datetime(at).date();
        let closed = self.holidays.contains(day).then_some(day);
        let always;
        let hours = match &self.hours {
            Some(hours) => hours,
            None => {
                always = OpeningHours::always();
                &always
            }
        };
        let state = hours.state_at(at, zone, closed.as_slice());
        HoursNow {
            open: state.open,
            after_hours: state.after_hours,
            weekend: state.weekend,
            holiday: state.holiday,
            hour: state.hour,
            weekday: state.weekday_name(),
        }
    }

    /// When the business will have been open for so long from `at` on (W7). None when it does not open that long within a year.
    pub fn after_open(
        &self,
        at: Timestamp,
        length: Duration,
        zone: &TimeZone,
    ) -> Option<Timestamp> {
        let length = jiff::SignedDuration::try_from(length).ok()?;
        let Some(hours) = &self.hours else {
            return Some(at + length);
        };
        let today = zone.to_datetime(at).date();
        let year = today.saturating_add(jiff::Span::new().days(370));
        let holidays = self.holidays.between(today, year);
        let (mut at, mut left) = (at, length);
        // Two years of days are more than anybody waits for.
        for _ in 0..1_500 {
            let opens = hours.next_open(at, zone, &holidays)?;
            let Some(closes) = hours.next_closed(opens, zone, &holidays) else {
                return Some(opens + left);
            };
            let open = closes.duration_since(opens);
            if open >= left {
                return Some(opens + left);
            }
            left -= open;
            at = closes;
        }
        None
    }

    /// The first open instant at or after `at` in the tenant's zone: a promise made at night begins then (W7). None when nothing
    /// opens within a year.
    pub fn next_open(&self, at: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        let Some(hours) = &self.hours else {
            return Some(at);
        };
        let today = zone.to_datetime(at).date();
        let year = today.saturating_add(jiff::Span::new().days(370));
        hours.next_open(at, zone, &self.holidays.between(today, year))
    }
}

/// How pages and mails look.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Branding {
    /// The colour of the mail's head and buttons, `#0b5cad`.
    pub color: Option<String>,
    /// The https address of a logo.
    pub logo: Option<String>,
}

/// How much may be said (M6).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// To staff, over all of them.
    pub staff_alerts: StaffLimits,
    /// To one lead.
    pub leads: LeadLimits,
    /// Texts of every kind.
    pub sms: ChannelLimits,
    /// Mails of every kind.
    pub email: ChannelLimits,
    /// Requests to other servers.
    pub webhook: ChannelLimits,
    /// Messages of every kind in an hour; none is without limit.
    pub all_per_hour: Option<u32>,
}

impl Limits {
    /// What a channel may carry.
    pub const fn of(&self, channel: ChannelKind) -> ChannelLimits {
        match channel {
            ChannelKind::Sms => self.sms,
            ChannelKind::Email => self.email,
            ChannelKind::Webhook => self.webhook,
        }
    }
}

/// What a channel may carry, bulk and answers together; what is critical is counted but passes. None is without limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ChannelLimits {
    /// In an hour.
    pub per_hour: Option<u32>,
    /// In a day.
    pub per_day: Option<u32>,
}

/// Alerts over these join a digest; a critical one is never silent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StaffLimits {
    /// Texts in an hour.
    pub sms_per_hour: u32,
    /// Texts in a day.
    pub sms_per_day: u32,
    /// Mails in an hour.
    pub email_per_hour: u32,
    /// Mails in a day.
    pub email_per_day: u32,
    /// Alerts in an hour over all channels.
    pub all_per_hour: u32,
}

impl Default for StaffLimits {
    fn default() -> Self {
        Self {
            sms_per_hour: 20,
            sms_per_day: 100,
            email_per_hour: 100,
            email_per_day: 1_000,
            all_per_hour: 50,
        }
    }
}

/// In a rolling 24 hours, to one person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LeadLimits {
    /// Promotional contacts: texts and calls. Never more than 3 (US-8).
    pub promotional_per_24h: u32,
    /// Texts of every kind.
    pub texts_per_24h: u32,
}

impl Default for LeadLimits {
    fn default() -> Self {
        Self {
            promotional_per_24h: 3,
            texts_per_24h: 4,
        }
    }
}

/// How much sending may cost, in the tenant's currency (M11).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Budget {
    /// ISO 4217.
    pub currency: String,
    /// For texts.
    pub sms: Spending,
    /// For mails.
    pub email: Spending,
    /// What its messages cost, where it knows better than the built-in list.
    pub prices: OwnPrices,
    /// What its numbers, plans and this server cost in a month, shared among the month's leads; whole units.
    pub monthly_fees: u32,
}

impl Default for Budget {
    fn default() -> Self {
        Self {
            currency: "USD".to_owned(),
            sms: Spending {
                per_day: Some(100),
                per_month: None,
            },
            email: Spending::default(),
            prices: OwnPrices::default(),
            monthly_fees: 0,
        }
    }
}

impl Budget {
    /// What may be spent on a channel.
    pub fn of(&self, channel: ChannelKind) -> Spending {
        match channel {
            ChannelKind::Sms => self.sms,
            ChannelKind::Email => self.email,
            ChannelKind::Webhook => Spending::default(),
        }
    }
}

/// Whole units of the currency; none is without limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Spending {
    /// In a day of the tenant's zone.
    pub per_day: Option<u32>,
    /// In a month of the tenant's zone.
    pub per_month: Option<u32>,
}

/// The hours of messages to leads (C4). Promotional ones go from 8 to 20, or narrower by law; that cannot be widened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct QuietHours {
    /// The hour at which transactional messages stop, 20 or 21.
    pub transactional_until: u8,
    /// Minutes before closing at which the last message goes, because carriers are late: 10 to 60.
    pub margin_minutes: u8,
    /// States closed to offers at once, as in a declared emergency: `[LA, FL]`.
    pub closed_states: Vec<State>,
}

impl Default for QuietHours {
    fn default() -> Self {
        Self {
            transactional_until: 20,
            margin_minutes: 10,
            closed_states: Vec::new(),
        }
    }
}

/// Where the business may write to, and which rules somebody signed off. Everything else can only be made stricter.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Compliance {
    /// Countries besides its own that texts may go to, two letters each (IN-1).
    pub countries: Vec<Region>,
    /// Rules that somebody takes responsibility for loosening.
    pub sign_offs: Vec<SignOff>,
}

/// Who is reached for real while the business is in sandbox mode (M12).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Sandbox {
    /// Numbers and addresses of people who try things out, as they are typed.
    pub test_recipients: Vec<String>,
}

/// Somebody takes responsibility for loosening a rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignOff {
    /// The rule's id; only some can be loosened.
    pub rule: String,
    /// Who.
    pub by: String,
    /// The day.
    pub on: Date,
    /// Why it is lawful here.
    pub reason: String,
}

/// Who may send tracking events with the public write key (S1).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Tracking {
    /// Origins such as `https://www.example.com`. Empty: no browser may.
    pub origins: Vec<String>,
}

/// What is kept for how long (L11). Consents, suppressions and the audit log are not among it: they are proofs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Retention {
    /// Leads that do nothing for so long are anonymised, with their messages, runs, points and history. Default 78w1d, eighteen months;
    /// 30 days to two years.
    #[serde(with = "durations")]
    pub silent_leads: Duration,
    /// Visitors without a name that reached no tier go after so long. Default 30 days; a day to two years.
    #[serde(with = "durations")]
    pub visitors: Duration,
    /// Tracking events go after so long; the points they gave stay, and scoring anew does not see them any more. Default 56w3d, thirteen
    /// months; a day to two years.
    #[serde(with = "durations")]
    pub events: Duration,
    /// Finished messages go after so long, with their calls. Failed ones stay until they are discarded, offers for five years (US-13).
    /// Default: they stay as long as their lead. 90 days to two years, because the links in them have to work.
    #[serde(default, with = "durations::option")]
    pub messages: Option<Duration>,
}

impl Default for Retention {
    fn default() -> Self {
        let days = |n: u64| Duration::from_secs(n * 86_400);
        Self {
            silent_leads: days(547),
            visitors: days(30),
            events: days(395),
            messages: None,
        }
    }
}

/// What the business promises its leads (W7).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Promise {
    /// Until a person answers, counted in opening hours.
    #[serde(with = "durations")]
    pub first_response: Duration,
}

/// One line of the routing list (L9).
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Route {
    /// What must hold; none always does.
    #[serde(serialize_with = "super::maybe_in_words")]
    pub when: Option<Condition>,
    /// Where the lead belongs then.
    pub product: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holidays(words: &str) -> Holidays {
        serde_json::from_str(words).unwrap()
    }

    #[test]
    fn the_federal_holidays_are_on_their_days() {
        let set = holidays(r#"["us_federal"]"#);
        let days: Vec<String> = set
            .between("2026-01-01".parse().unwrap(), "2027-01-01".parse().unwrap())
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(
            days,
            [
                "2026-01-01",
                "2026-01-19",
                "2026-02-16",
                "2026-05-25",
                "2026-06-19",
                "2026-07-03",
                "2026-07-04",
                "2026-09-07",
                "2026-10-12",
                "2026-11-11",
                "2026-11-26",
                "2026-12-25",
                "2027-01-01",
            ]
        );
    }

    #[test]
    fn a_holiday_is_a_date_or_a_day_of_each_year() {
        let set = holidays(r#"["12-24", "2026-03-05"]"#);
        for (day, closed) in [
            ("2026-12-24", true),
            ("2031-12-24", true),
            ("2026-03-05", true),
            ("2027-03-05", false),
        ] {
            assert_eq!(set.contains(day.parse().unwrap()), closed, "{day}");
        }
        assert!(serde_json::from_str::<Holidays>(r#"["christmas"]"#).is_err());
        assert_eq!(
            serde_json::to_string(&set).unwrap(),
            r#"["12-24","2026-03-05"]"#
        );
    }

    /// S3: the tenant's own clock, hours and holidays decide what after hours is.
    #[test]
    fn the_wall_clock_of_the_tenant_decides() {
        let settings: Settings = serde_saphyr::from_str(
            "name: a\nregion: US\ntime_zone: America/Denver\nhours: { monday: \"07:00-18:00\", friday: \"07:00-18:00\" }\nholidays: [us_federal, 12-24]\n",
        )
        .unwrap();
        let zone = settings.time_zone.rules();
        for (at, open, weekend, holiday, hour, weekday) in [
            ("2026-11-23T14:00:00Z", true, false, false, 7, "monday"),
            ("2026-11-23T13:59:59Z", false, false, false, 6, "monday"),
            ("2026-11-24T01:00:00Z", false, false, false, 18, "monday"),
            ("2026-11-22T18:00:00Z", false, true, false, 11, "sunday"),
            ("2026-12-25T18:00:00Z", false, false, true, 11, "friday"),
        ] {
            let now = settings.hours_at(at.parse().unwrap(), zone);
            let wanted = HoursNow {
                open,
                after_hours: !open,
                weekend,
                holiday,
                hour,
                weekday,
            };
            assert_eq!(now, wanted, "{at}");
        }
        let next = settings.next_open("2026-12-21T20:00:00Z".parse().unwrap(), zone);
        assert_eq!(next, Some("2026-12-21T20:00:00Z".parse().unwrap()));
        // Friday is Christmas, so that Monday is the next.
        let next = settings.next_open("2026-12-22T20:00:00Z".parse().unwrap(), zone);
        assert_eq!(next, Some("2026-12-28T14:00:00Z".parse().unwrap()));
        let always = Settings {
            hours: None,
            ..settings
        };
        assert!(
            always
                .hours_at("2026-11-22T08:00:00Z".parse().unwrap(), zone)
                .open
        );
        assert!(
            !always
                .hours_at("2026-12-25T18:00:00Z".parse().unwrap(), zone)
                .open
        );
    }
}
