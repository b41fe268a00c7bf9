//! What a condition may look at: borrowed, built once per event, without a clock.

use crate::time::Timestamp;
use jiff::tz::TimeZone;
use serde_json::Value;

/// Everything known at the moment of deciding.
///
/// `event` and `session` are absent when nothing of the kind exists (a manual start has no event, a form posted by another system no
/// session); their fields then count as missing. The session must already contain the event that is being decided.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// The event that is being taken in.
    pub event: Option<EventFacts<'a>>,
    /// The lead it belongs to.
    pub lead: LeadFacts<'a>,
    /// The visit it belongs to.
    pub session: Option<SessionFacts<'a>>,
    /// The tenant's clock and opening hours; for a session model those of the session's first event (S3).
    pub time: TimeFacts,
    /// The tenant's zone, for dates that name none: `2026-11-22` is a day at the tenant's place.
    pub zone: &'a TimeZone,
    /// What a workflow run has gathered.
    pub run: Option<&'a Value>,
    /// The present.
    pub now: Timestamp,
}

/// Something a lead did or that happened to it.
#[derive(Debug, Clone, Copy)]
pub struct EventFacts<'a> {
    /// Its type, such as `page` or `lead.captured`.
    pub kind: &'a str,
    /// When it happened.
    pub at: Timestamp,
    /// Where it came from.
    pub source: &'a str,
    /// What it carries.
    pub properties: &'a Value,
}

/// A person who may buy.
#[derive(Debug, Clone, Copy)]
pub struct LeadFacts<'a> {
    /// Given name.
    pub first_name: Option<&'a str>,
    /// Family name.
    pub last_name: Option<&'a str>,
    /// Email address.
    pub email: Option<&'a str>,
    /// Phone number in E.164.
    pub phone: Option<&'a str>,
    /// Where the lead came from.
    pub source: Option<&'a str>,
    /// Stage in the pipeline of the product at hand.
    pub stage: Option<&'a str>,
    /// The product at hand.
    pub product: Option<&'a str>,
    /// Tier in the score model at hand.
    pub tier: Option<&'a str>,
    /// City of the address.
    pub city: Option<&'a str>,
    /// State or province of the address.
    pub state: Option<&'a str>,
    /// ZIP or postcode.
    pub zip: Option<&'a str>,
    /// Country, ISO 3166-1 alpha-2.
    pub country: Option<&'a str>,
    /// Points in the score model at hand.
    pub points: i64,
    /// Everything else that is known, by name.
    pub attributes: &'a Value,
    /// Tags that staff or workflows put on the lead.
    pub tags: &'a [String],
    /// When the lead was first seen.
    pub created_at: Timestamp,
    /// A visitor without any contact point (S1).
    pub anonymous: bool,
}

/// A visit: events less than 30 minutes apart.
#[derive(Debug, Clone, Copy)]
pub struct SessionFacts<'a> {
    /// 1 for the first visit of the lead, 2 for the next.
    pub number: u32,
    /// When its first event happened.
    pub started_at: Timestamp,
    /// Seconds from the first event to the one at hand.
    pub seconds: i64,
    /// Page views so far.
    pub views: u32,
    /// Different page paths, in the order of their first view.
    pub paths: &'a [String],
    /// The page the visit began on.
    pub first_path: Option<&'a str>,
    /// The address the visitor came from.
    pub referrer: Option<&'a str>,
    /// Campaign values: `source`, `medium`, `campaign`, `term`, `content`.
    pub utm: &'a Value,
}

/// The hour at the tenant's place.
#[derive(Debug, Clone, Copy)]
pub struct TimeFacts {
    /// Outside the opening hours, or a holiday.
    pub after_hours: bool,
    /// Saturday or Sunday.
    pub weekend: bool,
    /// Within the opening hours.
    pub business_hours: bool,
    /// One of the tenant's holidays.
    pub holiday: bool,
    /// Hour of the day, 0 to 23.
    pub hour: i8,
    /// `monday` to `sunday`.
    pub weekday: &'static str,
}
