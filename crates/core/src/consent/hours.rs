//! Quiet hours: whether a message may reach a person now, and when it may next (C4).
//!
//! Open are the moments at which every zone the person may be in is inside the hours of every law they may be under. Local time is
//! worked out from UTC with the zone's rules of that very date, so changes of the clock need no care anywhere else.

mod rules;

pub(super) use rules::HoursFile;
pub use rules::{HoursRule, QuietHours};

use crate::{
    messages::Category,
    places::{Holiday, Places, Region, Sources, State, Zone, zone_data_version},
};
use jiff::{Timestamp, civil::DateTime};
use smallvec::SmallVec;
use std::fmt;

const DAY: i64 = 86_400;
/// Nothing is deferred further than this.
const HORIZON: i64 = 72 * 3600;
/// How long after a person's own act a direct answer is welcome.
const REPLY_GRACE: i64 = 15 * 60;
/// A node's clock may run ahead of ours by this much.
const SKEW: i64 = 60;

/// What a tenant may set about hours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HoursSettings {
    /// The hour at which transactional messages end. Whatever is set, it counts as 9 to 21. Default 20.
    pub transactional_close: u8,
    /// Minutes before closing at which the last message goes, because carriers are late. Counts as 0 to 60. Default 10.
    pub margin_minutes: u8,
    /// States closed to promotional messages at once, as in a declared emergency.
    pub closed_states: Vec<State>,
}

impl Default for HoursSettings {
    fn default() -> Self {
        Self {
            transactional_close: 20,
            margin_minutes: 10,
            closed_states: Vec::new(),
        }
    }
}

/// What is to be judged.
#[derive(Debug, Clone, Copy)]
pub struct HoursQuestion<'a> {
    /// What kind of message it is.
    pub category: Category,
    /// Where the recipient may be.
    pub places: &'a Places,
    /// When the person did what this message answers directly.
    pub reply_to: Option<Timestamp>,
    /// The instant the message would go.
    pub now: Timestamp,
}

/// The answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Hours<'a> {
    /// It may go: everywhere the person may be is inside the hours.
    Open,
    /// It may go although it is late or early.
    OpenBecause(Exempt),
    /// Not now.
    Opens {
        /// The first instant at which it may go, without jitter.
        at: Timestamp,
        /// What keeps it now.
        because: Held<'a>,
    },
    /// Not within three days.
    Never {
        /// Why.
        because: Barred<'a>,
    },
}

/// Why a message need not keep the hours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exempt {
    /// Messages to staff and in emergencies are not held.
    Category(Category),
    /// It answers the person's own act of the last 15 minutes.
    Reply {
        /// When they acted.
        act: Timestamp,
    },
}

/// The place and rule that keep a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held<'a> {
    /// The zone that is outside the hours.
    pub zone: Zone,
    /// Its local time.
    pub local: DateTime,
    /// The id of the rule.
    pub rule: &'a str,
    /// Whose rule it is; empty for the product's own.
    pub place: &'a str,
    /// The hours of that day.
    pub hours: String,
    /// The public holiday that closes the day, or that no data says whether it is one.
    pub holiday: Option<&'a str>,
}

/// Why a message may not go at all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Barred<'a> {
    /// Nothing says where the person is; promotional messages then stay.
    UnknownPlace,
    /// The country has no profile of rules; promotional messages to it stay.
    NoProfile(Region),
    /// The operator closed the state.
    ClosedState(State),
    /// The places share no open moment within 72 hours.
    NoCommonHour(Held<'a>),
}

/// A zone that was looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    /// The zone.
    pub zone: Zone,
    /// Why it counts.
    pub sources: Sources,
    /// The time there.
    pub local: DateTime,
}

/// The answer with all it was made from, as a verdict keeps it (C7).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HoursRuling<'a> {
    /// The answer.
    pub hours: Hours<'a>,
    /// Every zone considered, with its sources and local time.
    pub seen: SmallVec<[Seen; 3]>,
    /// The ids of every rule that counted.
    pub rules: SmallVec<[&'a str; 4]>,
    /// The version of the rules.
    pub rules_version: &'a str,
    /// The version of the time zone data.
    pub zone_data: &'static str,
}

/// A rule with the hours that count of it: the product's own have a closing hour that is a setting.
#[derive(Clone, Copy)]
struct Applied<'a> {
    rule: &'a HoursRule,
    /// The second of the day at which it closes in any case.
    close: i64,
}

/// Local time in a zone: days since 1970 and second of the day.
#[derive(Clone, Copy)]
struct Local {
    day: i64,
    second: i64,
}

impl Local {
    fn at(unix: i64, offset: i64) -> Self {
        let all = unix + offset;
        Self {
            day: all.div_euclid(DAY),
            second: all.rem_euclid(DAY),
        }
    }

    /// Monday is 0; 1 January 1970 was a Thursday.
    fn weekday(self) -> i64 {
        (self.day + 3).rem_euclid(7)
    }
}

/// Which rule is closed in which zone, and how many seconds later it may open if the clock does not change.
struct Block<'a> {
    zone: Zone,
    rule: &'a HoursRule,
    holiday: Option<&'a str>,
    offset: i64,
    wait: i64,
}

impl<'a> Applied<'a> {
    /// None when the rule is open at that local time, else the seconds until it may open and the holiday in the way.
    fn wait(self, local: Local, margin: i64) -> Option<(i64, Option<&'a str>)> {
        let tomorrow = DAY - local.second;
        if let Some(set) = &self.rule.holidays {
            match set.on_epoch_day(local.day) {
                Holiday::No => {}
                Holiday::Yes(name) => return Some((tomorrow, Some(name))),
                Holiday::NoData => return Some((tomorrow, Some(NO_DATA))),
            }
        }
        let hours = self.rule.on(local.weekday());
        if local.second < self.close - margin && hours.contains(local.second, margin) {
            return None;
        }
        let wait = hours
            .next_start(local.second, margin)
            .map_or(tomorrow, |start| start - local.second);
        Some((wait, None))
    }
}

/// What stands for a holiday's name where the calendar ends.
pub const NO_DATA: &str = "no holiday data for this year";

fn unix(at: Timestamp) -> i64 {
    at.as_microsecond().div_euclid(1_000_000)
}

fn offset(zone: Zone, at: Timestamp) -> i64 {
    i64::from(zone.rules().to_offset(at).seconds())
}

impl QuietHours {
    /// Judges one message. A microsecond or two when it is open.
    pub fn judge<'a>(
        &'a self,
        question: &HoursQuestion<'_>,
        settings: &HoursSettings,
    ) -> HoursRuling<'a> {
        let HoursQuestion {
            category,
            places,
            reply_to,
            now,
        } = *question;
        let seen = places
            .zones
            .iter()
            .map(|(zone, sources)| Seen {
                zone: *zone,
                sources: *sources,
                local: zone.rules().to_datetime(now),
            })
            .collect();
        let applied = self.applied(category, places, settings);
        let ruling = |hours| HoursRuling {
            hours,
            seen,
            rules: applied
                .iter()
                .map(|applied| applied.rule.id.as_str())
                .collect(),
            rules_version: &self.version,
            zone_data: zone_data_version(),
        };
        if matches!(category, Category::Staff | Category::Emergency) {
            return ruling(Hours::OpenBecause(Exempt::Category(category)));
        }
        if category == Category::Promotional
            && let Some(because) = self.barred(places, settings)
        {
            return ruling(Hours::Never { because });
        }
        let margin = i64::from(settings.margin_minutes.min(60)) * 60;
        let Some(first) = block(places, &applied, margin, now) else {
            return ruling(Hours::Open);
        };
        if category == Category::Transactional
            && let Some(act) = reply_to
            && (-SKEW..=REPLY_GRACE).contains(&(unix(now) - unix(act)))
        {
            return ruling(Hours::OpenBecause(Exempt::Reply { act }));
        }
        let held = Held {
            zone: first.zone,
            local: first.zone.rules().to_datetime(now),
            rule: &first.rule.id,
            place: &first.rule.place,
            hours: first
                .rule
                .on(Local::at(unix(now), first.offset).weekday())
                .to_string(),
            holiday: first.holiday,
        };
        ruling(match next_open(places, &applied, margin, now, first) {
            Some(at) => Hours::Opens { at, because: held },
            None => Hours::Never {
                because: Barred::NoCommonHour(held),
            },
        })
    }

    /// The last instant at or before `latest`, and not before the question's own, at which the message may go. A reminder that
    /// would come too late moves there.
    pub fn last_open(
        &self,
        question: &HoursQuestion<'_>,
        settings: &HoursSettings,
        latest: Timestamp,
    ) -> Option<Timestamp> {
        let (category, places) = (question.category, question.places);
        if matches!(category, Category::Staff | Category::Emergency) {
            return (latest >= question.now).then_some(latest);
        }
        if category == Category::Promotional && self.barred(places, settings).is_some() {
            return None;
        }
        let applied = self.applied(category, places, settings);
        let margin = i64::from(settings.margin_minutes.min(60)) * 60;
        let mut found = None;
        let mut at = question.now;
        // Every round passes one opening and one closing, so three days take a handful.
        for _ in 0..256 {
            let open = match block(places, &applied, margin, at) {
                None => at,
                Some(first) => match next_open(places, &applied, margin, at, first) {
                    Some(open) => open,
                    None => return found,
                },
            };
            if open > latest {
                return found;
            }
            let shut = until_closed(places, &applied, margin, open);
            if shut > latest {
                return Some(latest);
            }
            found = Timestamp::from_second(unix(shut) - 1).ok();
            at = shut;
        }
        found
    }

    fn barred<'a>(&self, places: &Places, settings: &HoursSettings) -> Option<Barred<'a>> {
        if places.unknown {
            return Some(Barred::UnknownPlace);
        }
        let closed = |(state, _): &&(State, Sources)| settings.closed_states.contains(state);
        if let Some((state, _)) = places.states.iter().find(closed) {
            return Some(Barred::ClosedState(*state));
        }
        let foreign = |region: &&Region| self.of_country(**region).is_none();
        places
            .countries
            .iter()
            .find(foreign)
            .map(|region| Barred::NoProfile(*region))
    }

    fn applied<'a>(
        &'a self,
        category: Category,
        places: &Places,
        settings: &HoursSettings,
    ) -> SmallVec<[Applied<'a>; 4]> {
        let mut applied = SmallVec::new();
        match category {
            Category::Staff | Category::Emergency => {}
            Category::Transactional => applied.push(Applied {
                rule: &self.transactional,
                close: i64::from(settings.transactional_close.clamp(9, 21)) * 3600,
            }),
            Category::Promotional => {
                let whole = |rule| Applied { rule, close: DAY };
                applied.push(whole(&self.promotional));
                applied.extend(
                    places
                        .states
                        .iter()
                        .filter_map(|(state, _)| self.of_state(*state))
                        .map(whole),
                );
                applied.extend(
                    places
                        .countries
                        .iter()
                        .filter_map(|region| self.of_country(*region).flatten())
                        .map(whole),
                );
            }
        }
        applied
    }
}

/// The first zone and rule that are closed at an instant; none when all are open.
fn block<'a>(
    places: &Places,
    applied: &[Applied<'a>],
    margin: i64,
    at: Timestamp,
) -> Option<Block<'a>> {
    let seconds = unix(at);
    let blocked = |zone, offset, applied: &Applied<'a>| {
        let (wait, holiday) = applied.wait(Local::at(seconds, offset), margin)?;
        Some(Block {
            zone,
            rule: applied.rule,
            holiday,
            offset,
            wait,
        })
    };
    let mut done: SmallVec<[i64; 4]> = SmallVec::new();
    for (zone, _) in &places.zones {
        let offset = offset(*zone, at);
        // Many zones differ only in their past; what counts now is the offset.
        if done.contains(&offset) {
            continue;
        }
        done.push(offset);
        if let Some(block) = applied
            .iter()
            .find_map(|applied| blocked(*zone, offset, applied))
        {
            return Some(block);
        }
    }
    applied.iter().find_map(|applied| {
        let zone = applied.rule.also_in?;
        blocked(zone, offset(zone, at), applied)
    })
}

/// The first open instant after a closed one, within the horizon. Each step goes to the earliest instant that the rule in the
/// way allows, or to the next change of that zone's clock if it comes first; so no open instant is passed over.
fn next_open<'a>(
    places: &Places,
    applied: &[Applied<'a>],
    margin: i64,
    now: Timestamp,
    first: Block<'a>,
) -> Option<Timestamp> {
    let last = unix(now) + HORIZON;
    let (mut at, mut block_now) = (now, first);
    loop {
        let mut next = unix(at) + block_now.wait;
        if let Some(change) = block_now.zone.rules().following(at).next() {
            next = next.min(unix(change.timestamp()));
        }
        if next > last {
            return None;
        }
        at = Timestamp::from_second(next).ok()?;
        match block(places, applied, margin, at) {
            None => return Some(at),
            Some(block) => block_now = block,
        }
    }
}

/// The first instant after an open one at which something closes, at most a day on.
fn until_closed(
    places: &Places,
    applied: &[Applied<'_>],
    margin: i64,
    open: Timestamp,
) -> Timestamp {
    let mut at = open;
    let limit = unix(open) + DAY;
    while unix(at) < limit && block(places, applied, margin, at).is_none() {
        let seconds = unix(at);
        let mut next = limit;
        let own = places.zones.iter().map(|(zone, _)| *zone);
        for zone in own.chain(applied.iter().filter_map(|applied| applied.rule.also_in)) {
            let local = Local::at(seconds, offset(zone, at));
            for one in applied {
                let end = one
                    .rule
                    .on(local.weekday())
                    .end_of(local.second)
                    .unwrap_or(DAY);
                let end = end.min(one.close) - margin;
                if end > local.second {
                    next = next.min(seconds + end - local.second);
                }
            }
            next = next.min(seconds + DAY - local.second);
            if let Some(change) = zone.rules().following(at).next() {
                next = next.min(unix(change.timestamp()));
            }
        }
        match Timestamp::from_second(next.max(seconds + 1)) {
            Ok(later) => at = later,
            Err(_) => break,
        }
    }
    at
}

impl fmt::Display for Held<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (city, rule) = (self.zone.city(), self.rule);
        write!(f, "It is {} in {city}", self.local.strftime("%H:%M on %A"))?;
        match (self.holiday, self.hours.as_str()) {
            (Some(NO_DATA), _) => write!(f, "; there is {NO_DATA}, so the day counts as a holiday"),
            (Some(name), _) => write!(f, "; {} is closed on {name}", self.owner()),
            (None, "closed") => write!(f, "; {} is closed on that day", self.owner()),
            (None, hours) => write!(f, "; {} has hours {hours}", self.owner()),
        }?;
        write!(f, " ({rule}).")
    }
}

impl Held<'_> {
    fn owner(&self) -> &str {
        if self.place.is_empty() {
            "this kind of message"
        } else {
            self.place
        }
    }
}

impl fmt::Display for Barred<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownPlace => f.write_str(
                "Nothing says where the person is, so no hour is surely right; add a ZIP, a state or a time zone.",
            ),
            Self::NoProfile(region) => write!(
                f,
                "There are no rules for {} yet, so promotional messages to it are not sent.",
                region.name()
            ),
            Self::ClosedState(state) => {
                write!(f, "{} is closed to promotional messages by the operator.", state.name())
            }
            Self::NoCommonHour(held) => write!(
                f,
                "The places the person may be in share no open hour within 72 hours. {held}"
            ),
        }
    }
}

impl fmt::Display for Hours<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Open => f.write_str("Open everywhere the person may be."),
            Self::OpenBecause(Exempt::Category(category)) => {
                write!(
                    f,
                    "Messages of the category {category} do not wait for hours."
                )
            }
            Self::OpenBecause(Exempt::Reply { .. }) => {
                f.write_str("It answers what the person did within the last 15 minutes.")
            }
            Self::Opens { at, because } => write!(f, "{because} It goes at {at} or shortly after."),
            Self::Never { because } => because.fmt(f),
        }
    }
}

#[cfg(test)]
#[path = "hours_tests.rs"]
mod tests;
