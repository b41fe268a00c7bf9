//! Contact points: whose a number, an address or a browser is, and what it may be used for.

use crate::consent::{Basis, Term};
use crate::ids::{LeadId, TenantId};
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

/// What kind of contact point it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PointKind {
    /// A phone number in E.164.
    Phone = 0,
    /// An email address, lower-cased.
    Email = 1,
    /// A browser that has not said who it is.
    Anonymous = 2,
    /// A person's id in another system.
    User = 3,
}

impl PointKind {
    /// Reads a stored number.
    pub const fn from_code(code: i64) -> Option<Self> {
        match code {
            0 => Some(Self::Phone),
            1 => Some(Self::Email),
            2 => Some(Self::Anonymous),
            3 => Some(Self::User),
            _ => None,
        }
    }
}

/// Names a contact point.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct PointKey {
    /// Whose it is.
    pub tenant: TenantId,
    /// Its kind.
    pub kind: PointKind,
    /// The number, address or id.
    pub value: String,
}

/// Why a contact point may not be used (C5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Suppression {
    /// The person said stop: nothing but the answer to START or HELP.
    OptedOut = 1,
    /// The person unsubscribed from offers.
    Unsubscribed = 2,
    /// The person complained: no offers ever again.
    Complained = 3,
    /// The address does not exist or cannot take the channel.
    Bounced = 4,
    /// Recipient or carrier blocks us.
    Blocked = 5,
    /// Put on the list by a person or an import.
    Listed = 6,
    /// A reply that may mean stop: no offers until a person of the business has read it, and after a day it counts as a stop (C3).
    Doubted = 7,
}

impl Suppression {
    /// Reads a stored number; 0 is no suppression.
    pub const fn from_code(code: i64) -> Option<Self> {
        match code {
            1 => Some(Self::OptedOut),
            2 => Some(Self::Unsubscribed),
            3 => Some(Self::Complained),
            4 => Some(Self::Bounced),
            5 => Some(Self::Blocked),
            6 => Some(Self::Listed),
            7 => Some(Self::Doubted),
            _ => None,
        }
    }

    /// The word of the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::OptedOut => "opted_out",
            Self::Unsubscribed => "unsubscribed",
            Self::Complained => "complained",
            Self::Bounced => "bounced",
            Self::Blocked => "blocked",
            Self::Listed => "listed",
            Self::Doubted => "doubted",
        }
    }

    /// True when the person alone can undo it: with START, or by signing up again.
    pub const fn person_only(self) -> bool {
        matches!(self, Self::OptedOut | Self::Complained)
    }

    /// True when only offers are held back.
    pub const fn offers_only(self) -> bool {
        matches!(self, Self::Unsubscribed | Self::Complained | Self::Doubted)
    }
}

/// What one contact point may be used for, two bits for each channel and purpose.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ConsentBits(pub i64);

/// One answer of the consent bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Consent {
    /// Nothing is known.
    Unasked = 0,
    /// Granted in writing or the like.
    Granted = 1,
    /// Taken back.
    Revoked = 2,
    /// Given by the person in an enquiry: good for answering it (US-2).
    Provided = 3,
}

/// What consent is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// Offers.
    Promotional = 0,
    /// Answers and service.
    Transactional = 1,
    /// Calls by a machine.
    AutomatedCall = 2,
    /// Open and click tracking.
    Tracking = 3,
    /// Alerts to a person of the business, at a number that the person confirmed (ST-1).
    Staff = 4,
}

/// Whether alerts may go to a staff number as texts (ST-1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StaffNumber {
    /// Nobody asked whoever has the number.
    Unasked,
    /// The one question went out.
    Asked,
    /// Whoever has it said yes.
    Confirmed,
    /// Whoever has it said stop.
    Stopped,
}

impl StaffNumber {
    /// The word of the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unasked => "unasked",
            Self::Asked => "asked",
            Self::Confirmed => "confirmed",
            Self::Stopped => "stopped",
        }
    }
}

impl Purpose {
    /// The word of the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Promotional => "promotional",
            Self::Transactional => "transactional",
            Self::AutomatedCall => "automated_call",
            Self::Tracking => "tracking",
            Self::Staff => "staff_alerts",
        }
    }
}

impl ConsentBits {
    const fn shift(channel: i64, purpose: Purpose) -> u32 {
        match purpose {
            // Beyond the seven channels with their four purposes; only numbers are confirmed.
            Purpose::Staff => 56,
            other => (channel as u32 % 7) * 8 + other as u32 * 2,
        }
    }

    /// What is known for channel (its stored number) and purpose.
    pub const fn get(self, channel: i64, purpose: Purpose) -> Consent {
        match self.0 >> Self::shift(channel, purpose) & 3 {
            1 => Consent::Granted,
            2 => Consent::Revoked,
            3 => Consent::Provided,
            _ => Consent::Unasked,
        }
    }

    /// What the person asked for, strongest first, with its bit. It stays while another entry of the list stands in front of it.
    const WISHES: [(Suppression, u32); 3] = [
        (Suppression::OptedOut, 58),
        (Suppression::Complained, 59),
        (Suppression::Unsubscribed, 60),
    ];

    /// The high bits of the consents, their low bits, and the bits of what the person asked for.
    pub const MASKS: [i64; 3] = [0x02aa_aaaa_aaaa_aaaa, 0x0155_5555_5555_5555, 7 << 58];

    /// True when a consent was taken back: that outlasts the lead.
    pub const fn has_a_no(self) -> bool {
        self.taken_back() != 0
    }

    /// The bits of the consents that were taken back: high without low.
    const fn taken_back(self) -> i64 {
        let [high, low, _] = Self::MASKS;
        self.0 & high & !((self.0 & low) << 1)
    }

    /// What outlasts the lead: what was taken back, and what the person asked for.
    pub const fn only_no(self) -> Self {
        let [_, _, wishes] = Self::MASKS;
        Self(self.taken_back() | self.0 & wishes)
    }

    fn wish_bit(reason: Suppression) -> i64 {
        let known = Self::WISHES.iter().find(|(wish, _)| *wish == reason);
        known.map_or(0, |(_, bit)| 1 << bit)
    }

    /// All that the person asked for, strongest first.
    pub fn wishes(self) -> Vec<Suppression> {
        self.asked_for().collect()
    }

    fn asked_for(self) -> impl Iterator<Item = Suppression> {
        let known = Self::WISHES.iter();
        known
            .filter(move |(_, bit)| self.0 & (1 << bit) != 0)
            .map(|(wish, _)| *wish)
    }

    /// The person asked for these and for nothing else.
    pub fn set_wishes(&mut self, wishes: &[Suppression]) {
        for (wish, bit) in Self::WISHES {
            self.0 &= !(1 << bit);
            self.0 |= i64::from(wishes.contains(&wish)) << bit;
        }
    }

    /// True when the person asked for this, whatever stands in front of it.
    pub fn wished(self, reason: Suppression) -> bool {
        self.0 & Self::wish_bit(reason) != 0
    }

    /// The strongest of what the person asked for.
    pub fn wish(self) -> Option<Suppression> {
        self.asked_for().next()
    }

    /// Writes what is known now.
    pub fn set(&mut self, channel: i64, purpose: Purpose, consent: Consent) {
        let shift = Self::shift(channel, purpose);
        self.0 = self.0 & !(3 << shift) | (consent as i64) << shift;
    }
}

/// The contacts of the last 24 hours: microseconds UTC with the lowest bit set for offers. Oldest first. Those of the day before are kept
/// too: a clock that is set ahead by a day and back again must not make them forgotten (P6).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Recent(pub SmallVec<[i64; 4]>);

impl Recent {
    /// Adds a contact and forgets what is older than two days. At most 32 are kept.
    pub fn add(&mut self, at: Timestamp, offer: bool) {
        let now = at.as_microsecond();
        self.0.retain(|one| *one > now - 2 * DAY_US);
        if self.0.len() == 32 {
            self.0.remove(0);
        }
        self.0.push(now & !1 | i64::from(offer));
    }

    /// Forgets the oldest contact of a kind: one of them turned out to be later than it was counted. With the oldest gone, no day that
    /// is looked at afterwards has fewer than there were.
    pub fn forget_oldest(&mut self, offer: bool) {
        let of_kind = |one: &i64| (*one & 1 == 1) == offer;
        if let Some(oldest) = self.0.iter().position(of_kind) {
            self.0.remove(oldest);
        }
    }

    /// Contacts within the day before `now`: all, and offers alone, with the instant at which the oldest of each leaves the window.
    pub fn within(&self, now: Timestamp) -> (Window, Window) {
        let now = now.as_microsecond();
        let (mut all, mut offers) = (Window::default(), Window::default());
        for one in self.0.iter().filter(|one| **one > now - DAY_US) {
            all.count(*one);
            if one & 1 == 1 {
                offers.count(*one);
            }
        }
        (all, offers)
    }
}

/// How many contacts fell into a window.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Window {
    /// The count.
    pub n: u32,
    /// The oldest of them, microseconds UTC.
    pub oldest: Option<i64>,
}

impl Window {
    fn count(&mut self, at: i64) {
        self.n += 1;
        self.oldest = Some(self.oldest.map_or(at, |oldest| oldest.min(at)));
    }
}

const DAY_US: i64 = 86_400_000_000;

/// A contact point with all that a gate asks of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Point {
    /// Whose it is.
    pub lead: Option<LeadId>,
    /// When it was first given.
    pub added_at: Timestamp,
    /// Why it may not be used.
    pub suppressed: Option<Suppression>,
    /// Since when.
    pub suppressed_at: Option<Timestamp>,
    /// How we know: a sentence.
    pub suppressed_how: Option<String>,
    /// What it may be used for.
    pub consent: ConsentBits,
    /// What is special about its grants; most have nothing.
    pub terms: Vec<Term>,
    /// What it had lately.
    pub recent: Recent,
    /// Not in the store yet.
    pub new: bool,
    /// To be written.
    pub dirty: bool,
}

impl Point {
    /// A contact point seen for the first time.
    pub fn new(lead: Option<LeadId>, now: Timestamp) -> Self {
        Self {
            lead,
            added_at: now,
            suppressed: None,
            suppressed_at: None,
            suppressed_how: None,
            consent: ConsentBits::default(),
            terms: Vec::new(),
            recent: Recent::default(),
            new: true,
            dirty: true,
        }
    }

    /// Puts it on the suppression list. A reason that holds back more is never replaced by one that holds back less, and what the person
    /// asked for is kept beneath whatever stands in front of it: START lifts what the person said, never what else stands against the
    /// address, and the business takes off what it put there, never what the person said (US-10).
    pub fn suppress(&mut self, reason: Suppression, how: &str, at: Timestamp) {
        self.consent.0 |= ConsentBits::wish_bit(reason);
        let outlasts_start = matches!(
            reason,
            Suppression::Listed | Suppression::Bounced | Suppression::Blocked
        );
        let gives_way = match self.suppressed {
            None => true,
            Some(Suppression::OptedOut) => outlasts_start,
            // Unread for a day, a doubtful reply holds all.
            Some(Suppression::Unsubscribed | Suppression::Complained) => {
                !reason.offers_only() || reason == Suppression::Doubted
            }
            Some(known) => known.offers_only() && !reason.offers_only(),
        };
        if gives_way {
            self.suppressed = Some(reason);
            self.suppressed_at = Some(at);
            self.suppressed_how = Some(how.chars().take(300).collect());
        }
    }

    /// Takes the entry that stands in front off the list. What the person asked for before comes to the front again.
    pub fn lift(&mut self, now: Timestamp) {
        let front = self.suppressed.take();
        self.consent.0 &= !front.map_or(0, ConsentBits::wish_bit);
        self.suppressed = self.consent.wish();
        (self.suppressed_at, self.suppressed_how) = match self.suppressed {
            Some(_) => (Some(now), Some("the person asked for it before".to_owned())),
            None => (None, None),
        };
    }

    /// The person writes START: the opt-out is lifted wherever it stands. Answers whether there was one.
    pub fn start(&mut self, now: Timestamp) -> bool {
        let front = matches!(
            self.suppressed,
            Some(Suppression::OptedOut | Suppression::Doubted)
        );
        let beneath = self.consent.wished(Suppression::OptedOut);
        self.consent.0 &= !ConsentBits::wish_bit(Suppression::OptedOut);
        if front {
            self.lift(now);
        }
        front || beneath
    }

    /// Writes what is known now, and what is special about it.
    pub fn allow(
        &mut self,
        channel: i64,
        purpose: Purpose,
        consent: Consent,
        basis: Basis,
        until: Option<Timestamp>,
    ) {
        self.consent.set(channel, purpose, consent);
        let slot = slot_of(channel, purpose);
        self.terms.retain(|term| term.slot != slot);
        if consent == Consent::Granted && (basis != Basis::Written || until.is_some()) {
            self.terms.push(Term { slot, basis, until });
        }
    }

    /// Whether alerts to staff may go there as texts (ST-1).
    pub fn staff_number(&self) -> StaffNumber {
        match self.consent.get(0, Purpose::Staff) {
            Consent::Granted => StaffNumber::Confirmed,
            Consent::Revoked => StaffNumber::Stopped,
            Consent::Provided => StaffNumber::Asked,
            Consent::Unasked => StaffNumber::Unasked,
        }
    }

    /// Notes that the one question went out.
    pub fn staff_asked(&mut self) {
        self.consent.set(0, Purpose::Staff, Consent::Provided);
    }

    /// The basis of a grant, and its end when it has one.
    pub fn grounds(&self, channel: i64, purpose: Purpose) -> (Basis, Option<Timestamp>) {
        let slot = slot_of(channel, purpose);
        self.terms
            .iter()
            .find(|term| term.slot == slot)
            .map_or((Basis::Written, None), |term| (term.basis, term.until))
    }
}

/// The number of a channel and purpose in [`Term`].
fn slot_of(channel: i64, purpose: Purpose) -> u8 {
    if purpose == Purpose::Staff {
        return u8::MAX - 1;
    }
    u8::try_from(channel * 4 + purpose as i64).unwrap_or(u8::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use Suppression::{Bounced, Complained, Doubted, Listed, OptedOut, Unsubscribed};

    fn stands(after: &[Suppression], then: impl Fn(&mut Point)) -> Option<Suppression> {
        let now = Timestamp::UNIX_EPOCH;
        let mut point = Point::new(None, now);
        for reason in after {
            point.suppress(*reason, "", now);
        }
        then(&mut point);
        point.suppressed
    }

    /// US-10, C3: the business takes off what it put on the list, never what the person said before or after.
    #[test]
    fn what_the_person_said_outlasts_what_is_taken_off_the_list() {
        let lift = |point: &mut Point| point.lift(Timestamp::UNIX_EPOCH);
        for (case, after, left) in [
            ("a list alone", &[Listed][..], None),
            ("STOP, then listed", &[OptedOut, Listed], Some(OptedOut)),
            ("listed, then STOP", &[Listed, OptedOut], Some(OptedOut)),
            ("STOP, then bounced", &[OptedOut, Bounced], Some(OptedOut)),
            (
                "a complaint beneath",
                &[Complained, Listed],
                Some(Complained),
            ),
            (
                "unsubscribed beneath",
                &[Unsubscribed, Listed],
                Some(Unsubscribed),
            ),
            (
                "the strongest of several",
                &[Unsubscribed, Complained, OptedOut, Listed],
                Some(OptedOut),
            ),
            (
                "a doubt that was read",
                &[Unsubscribed, Doubted],
                Some(Unsubscribed),
            ),
            ("unsubscribed itself", &[Unsubscribed], None),
        ] {
            assert_eq!(stands(after, lift), left, "{case}");
        }
    }

    /// C6: what a person took back is remembered when the lead is deleted, and nothing else of the consents.
    #[test]
    fn of_the_consents_only_the_no_outlasts_the_lead() {
        let all = [
            Purpose::Promotional,
            Purpose::Transactional,
            Purpose::AutomatedCall,
            Purpose::Tracking,
            Purpose::Staff,
        ];
        for (channel, purpose) in (0..7).flat_map(|channel| all.map(|purpose| (channel, purpose))) {
            for (consent, stays) in [
                (Consent::Granted, Consent::Unasked),
                (Consent::Provided, Consent::Unasked),
                (Consent::Revoked, Consent::Revoked),
            ] {
                let mut bits = ConsentBits::default();
                bits.set(channel, purpose, consent);
                assert_eq!(bits.has_a_no(), consent == Consent::Revoked);
                assert_eq!(bits.only_no().get(channel, purpose), stays);
            }
        }
        let mut stopped = Point::new(None, Timestamp::UNIX_EPOCH);
        stopped.suppress(OptedOut, "", Timestamp::UNIX_EPOCH);
        assert!(!stopped.consent.has_a_no());
        assert_eq!(stopped.consent.only_no(), stopped.consent);
    }

    /// US-10: START lifts the person's STOP wherever it stands, and nothing else.
    #[test]
    fn start_lifts_the_stop_and_nothing_else() {
        let start = |point: &mut Point| {
            point.start(Timestamp::UNIX_EPOCH);
        };
        for (case, after, left) in [
            ("STOP", &[OptedOut][..], None),
            ("a doubt", &[Doubted], None),
            ("listed after the STOP", &[OptedOut, Listed], Some(Listed)),
            (
                "unsubscribed before",
                &[Unsubscribed, OptedOut],
                Some(Unsubscribed),
            ),
            ("a complaint", &[Complained], Some(Complained)),
            ("bounced", &[Bounced], Some(Bounced)),
        ] {
            assert_eq!(stands(after, start), left, "{case}");
        }
        let listed_and_started = |point: &mut Point| {
            point.start(Timestamp::UNIX_EPOCH);
            point.lift(Timestamp::UNIX_EPOCH);
        };
        assert_eq!(stands(&[OptedOut, Listed], listed_and_started), None);
    }
}
