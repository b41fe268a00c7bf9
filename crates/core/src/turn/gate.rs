//! The gates a message passes before every call, in the order of compliance.md 1: cheap and absolute first. Each says what it looked at
//! and what it found, so that a message explains itself with no present configuration at hand (M10).

pub(super) mod ground;

use super::say::{all_ways, signed};
use super::world::PointKey;
use super::{Connection, KillSwitch, Passage, Tenant, Turn, kind_of};
use crate::consent::hours::{Hours, HoursQuestion, HoursRuling, HoursSettings};
use crate::consent::rules::Rules;
use crate::contact::Phone;
use crate::leads::Lead;
use crate::messages::{Category, ChannelKind, Message, Reason, Status};
use crate::places::{Places, Region, Whereabouts};
use crate::seeded::{Bug, has};
use crate::time::Timestamp;
use ground::{Ground, Held};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// The code of a deferral because every account rests.
pub(super) const RESTS: &str = "rests";

/// The code of a text to staff whose number nobody confirmed.
pub(super) const UNCONFIRMED: &str = "unconfirmed";

/// What the gates decided together.
#[derive(Debug, Clone, PartialEq)]
pub enum Ruling {
    /// It may go now.
    Pass,
    /// Later.
    Defer {
        /// When to ask again.
        until: Timestamp,
        /// Why.
        why: Reason,
        /// Joins the others that are held for the same recipient.
        digest: bool,
    },
    /// No.
    End {
        /// Blocked or expired.
        status: Status,
        /// Why.
        why: Reason,
    },
}

/// What the gates said, ready to be kept.
#[derive(Debug, Clone, PartialEq)]
pub struct Verdict {
    /// The decision.
    pub ruling: Ruling,
    /// Whether the sandbox stands in for a provider.
    pub sandbox: bool,
    /// Everything said, as JSON text: [`Said`] in order.
    pub text: String,
}

/// What one gate said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Said {
    /// The gate.
    pub gate: String,
    /// `pass`, `defer`, `block` or `sandbox`.
    pub says: String,
    /// The rule that decided, by its id in [`Rules`].
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub rule: String,
    /// What it looked at and found, a sentence.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub because: String,
}

/// Collects what gates say, written as JSON while they say it.
struct Sayings(String);

impl Sayings {
    fn new(now: Timestamp) -> Self {
        let mut text = String::with_capacity(768);
        text.push_str("{\"at\":");
        text.push_str(&now.as_microsecond().to_string());
        text.push_str(",\"rules\":\"");
        text.push_str(&Rules::built_in().version);
        text.push_str("\",\"said\":[");
        Self(text)
    }

    fn say(&mut self, gate: &str, says: &str, because: &str) {
        self.say_by(gate, says, "", because);
    }

    fn say_by(&mut self, gate: &str, says: &str, rule: &str, because: &str) {
        if !self.0.ends_with('[') {
            self.0.push(',');
        }
        self.0.push_str("{\"gate\":\"");
        self.0.push_str(gate);
        self.0.push_str("\",\"says\":\"");
        self.0.push_str(says);
        self.0.push('"');
        if !rule.is_empty() {
            self.0.push_str(",\"rule\":\"");
            self.0.push_str(rule);
            self.0.push('"');
        }
        if !because.is_empty() {
            self.0.push_str(",\"because\":");
            // Writing a text as JSON into a String cannot fail.
            self.0
                .push_str(&serde_json::to_string(because).unwrap_or_else(|_| "\"\"".into()));
        }
        self.0.push('}');
    }

    fn pass(&mut self, gate: &str, because: &str) {
        self.say(gate, "pass", because);
    }

    fn finish(mut self, ruling: Ruling, sandbox: bool) -> Verdict {
        self.0.push_str("]}");
        Verdict {
            ruling,
            sandbox,
            text: self.0,
        }
    }

    fn end(
        self,
        gate: &str,
        status: Status,
        code: &str,
        because: String,
        sandbox: bool,
    ) -> Verdict {
        self.end_by(gate, status, code, Ground::none(because), sandbox)
    }

    fn end_by(
        mut self,
        gate: &str,
        status: Status,
        code: &str,
        ground: Ground,
        sandbox: bool,
    ) -> Verdict {
        let because = ground.because.into_owned();
        self.say_by(gate, "block", ground.rule, &because);
        self.finish(
            Ruling::End {
                status,
                why: Reason::new(code, because),
            },
            sandbox,
        )
    }

    fn defer(
        mut self,
        gate: &str,
        code: &str,
        until: Timestamp,
        because: String,
        sandbox: bool,
    ) -> Verdict {
        self.say(gate, "defer", &because);
        self.finish(
            Ruling::Defer {
                until,
                why: Reason::new(code, because),
                digest: false,
            },
            sandbox,
        )
    }
}

/// A stored verdict, read back for a page.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct VerdictView {
    /// When the gates were asked, microseconds UTC.
    #[serde(default)]
    pub at: i64,
    /// The version of the rules they went by.
    #[serde(default)]
    pub rules: String,
    /// What they said, in order.
    #[serde(default)]
    pub said: Vec<Said>,
}

impl Turn<'_> {
    /// Asks every gate in order; the first that holds ends the questions.
    pub(super) fn judge(&mut self, tenant: &Tenant, message: &Message) -> Verdict {
        let now = self.now;
        let mut said = Sayings::new(now);
        // First of all: by a clock that is not believed nothing expires, and no hour is open.
        if let Some(held) = self.distrust.as_ref().filter(|held| held.holds(message)) {
            let (until, because) = (now + signed(held.wait), held.because.clone());
            return said.defer("clock", "clock", until, because, message.sandbox);
        }
        if let Some(at) = message.expires_at.filter(|at| *at <= now) {
            return said.end(
                "expiry",
                Status::Expired,
                "expired",
                format!("It stopped to matter at {at}."),
                message.sandbox,
            );
        }
        if let Some(off) = killed(tenant, message) {
            return said.end(
                "kill_switch",
                Status::Blocked,
                "kill_switch",
                off,
                message.sandbox,
            );
        }
        said.pass("kill_switch", "");
        let lead = message
            .lead
            .and_then(|lead| self.world.lead(lead))
            .map(|state| &state.lead);
        let sandbox = sandboxed(tenant, message, lead);
        let sandbox = match sandbox {
            Some(because) => {
                said.say("sandbox", "sandbox", &because);
                true
            }
            None if tenant.sandbox => {
                said.pass("sandbox", "A test recipient, who is reached for real although the whole business is in sandbox mode.");
                false
            }
            None => {
                said.pass("sandbox", "");
                false
            }
        };
        if let Some(hold) = tenant
            .hold
            .as_ref()
            .filter(|hold| !sandbox && hold.holds(message))
        {
            let because = format!(
                "The database was restored at {}; nothing goes to customers until a person has looked at what waits and let it go.",
                hold.since
            );
            return said.defer("recovery", super::HELD, hold.until(), because, sandbox);
        }
        let key = PointKey {
            tenant: tenant.id,
            kind: kind_of(message.channel),
            value: message.recipient.clone(),
        };
        let point = if message.channel == ChannelKind::Webhook {
            None
        } else {
            self.world.point(&key)
        };
        // A seeded bug: what was asked when the message was planned is not asked again.
        let asked_before = has(Bug::ConsentAtPlanningOnly) && &*message.verdict != "{}";
        match ground::suppressed(message, point, now).filter(|_| !asked_before) {
            None => said.pass("suppression", ""),
            Some(Held::For(ground)) => {
                return said.end_by(
                    "suppression",
                    Status::Blocked,
                    "suppressed",
                    ground,
                    sandbox,
                );
            }
            Some(Held::Until(until, ground)) => {
                let because = ground.because.into_owned();
                said.say_by("suppression", "defer", ground.rule, &because);
                let why = Reason::new("doubted", because);
                let digest = false;
                return said.finish(Ruling::Defer { until, why, digest }, sandbox);
            }
        }
        let offer = message.category == Category::Promotional;
        let places = offer.then(|| places_of(tenant, message, lead));
        let consent = match message.category {
            Category::Staff => ground::staff(message, point, sandbox),
            _ => ground::consent(tenant, message, point, places.as_ref(), now),
        };
        let no = if message.category == Category::Staff {
            UNCONFIRMED
        } else {
            "no_consent"
        };
        match consent {
            Err(_) if asked_before => said.pass("consent", ""),
            Ok(ground) => said.say_by("consent", "pass", ground.rule, &ground.because),
            Err(ground) => {
                return said.end_by("consent", Status::Blocked, no, ground, sandbox);
            }
        }
        let asked = ground::Asked {
            key: &key,
            point,
            lead,
            lists: self.world.national.get(&tenant.id),
            listed: &self.world.listed,
            now,
        };
        match ground::do_not_call(message, places.as_ref(), &asked) {
            None => {}
            Some(Ok(ground)) => said.say_by("do_not_call", "pass", ground.rule, &ground.because),
            Some(Err(ground)) => {
                let blocked = Status::Blocked;
                return said.end_by("do_not_call", blocked, "do_not_call", ground, sandbox);
            }
        }
        if !sandbox && let Some(ground) = ground::number(tenant, message) {
            return said.end_by("number", Status::Blocked, "number_type", ground, sandbox);
        }
        said.pass("number", "");
        if !sandbox {
            match ground::registration(tenant, message) {
                None => {}
                Some(Ok(ground)) => {
                    said.say_by("registration", "pass", ground.rule, &ground.because);
                }
                Some(Err(ground)) => {
                    let blocked = Status::Blocked;
                    return said.end_by("registration", blocked, "unregistered", ground, sandbox);
                }
            }
        }
        match self.limited(tenant, message, point) {
            None => said.pass("caps", ""),
            Some(held) => {
                said.say("caps", "defer", &held.because);
                let until = self.place(&held);
                let why = Reason::new(held.code, held.because);
                let digest = held.digest;
                return said.finish(Ruling::Defer { until, why, digest }, sandbox);
            }
        }
        match self.over_budget(tenant, message, sandbox) {
            None => said.pass("budget", ""),
            Some((until, code, because)) => {
                let until = self.spread(until, message.expires_at);
                return said.defer("budget", &code, until, because, sandbox);
            }
        }
        match self.hours(tenant, message, lead, places) {
            Quiet::Open(because) => said.pass("quiet_hours", &because),
            Quiet::Opens(at, because) => {
                let until = self.spread(at, message.expires_at);
                return said.defer("quiet_hours", "quiet_hours", until, because, sandbox);
            }
            Quiet::Never(because) => {
                return said.end(
                    "quiet_hours",
                    Status::Blocked,
                    "no_common_hour",
                    because,
                    sandbox,
                );
            }
        }
        match ground::content(tenant, message, offer) {
            None => {}
            Some(Ok(ground)) => said.say_by("content", "pass", ground.rule, &ground.because),
            Some(Err(ground)) => {
                return said.end_by("content", Status::Blocked, "content", ground, sandbox);
            }
        }
        if !sandbox && message.plan.doubt.is_some() && self.ways(tenant, message).next().is_none() {
            let because = "The connection it may have gone out over is not there any more.".into();
            return said.end(
                "connection",
                Status::Blocked,
                "no_connection",
                because,
                sandbox,
            );
        }
        if !sandbox && self.twin_after_all(tenant, message) {
            let because = "It may have gone out, and the provider does not remember its key any more: a further call could arrive as a second copy.".into();
            return said.end(
                "connection",
                Status::Expired,
                "key_lapsed",
                because,
                sandbox,
            );
        }
        if !sandbox && let Some((code, until, because)) = self.no_way(tenant, message) {
            return said.defer("connection", &code, until, because, sandbox);
        }
        said.pass("connection", "");
        said.finish(Ruling::Pass, sandbox)
    }

    /// Why no account can carry a message now: all are off, rest, or are full. With the instant to ask again.
    fn no_way(
        &mut self,
        tenant: &Tenant,
        message: &Message,
    ) -> Option<(String, Timestamp, String)> {
        if all_ways(tenant, message).next().is_none() {
            let until = self.now + signed(Duration::from_secs(300));
            let because = format!(
                "Every {} connection that could carry it is switched off; asked again in five minutes.",
                message.channel
            );
            return Some(("no_connection".into(), until, because));
        }
        let rests = |way: &Connection| match self.world.breakers.passage(way.id, self.now) {
            Passage::Rests(until) => Some(until),
            Passage::Free | Passage::Probe => None,
        };
        let mut awake = self
            .ways(tenant, message)
            .filter(|way| rests(way).is_none())
            .peekable();
        if awake.peek().is_some() {
            // Whoever is awake is full: the one that has room first decides.
            let over: Option<Vec<_>> = awake
                .map(|way| Some((self.over_account(tenant.id, way)?, way)))
                .collect();
            let (over, way) = over?.into_iter().min_by_key(|((until, ..), _)| *until)?;
            let way = way.clone();
            let until = self.place_on(tenant.id, message, &way, over);
            let because = format!(
                "Connection {} has no room: its limit is {}.",
                way.name,
                super::limits::said_of(&way.pace, over.1),
            );
            return Some((
                format!("{}:{}", super::limits::LIMIT, over.1.name()),
                until,
                because,
            ));
        }
        let (until, name) = self
            .ways(tenant, message)
            .filter_map(|way| Some((rests(way)?, way.name.as_str())))
            .min()?;
        let because = format!(
            "Connection {name} rests after failures, and there is no other; asked again when it is tried."
        );
        Some((RESTS.into(), until, because))
    }

    /// True when the sandbox stands in for a provider: nothing of it leaves the house.
    pub(super) fn stays_in_house(&self, tenant: &Tenant, message: &Message) -> bool {
        let lead = message.lead.and_then(|lead| self.world.lead(lead));
        sandboxed(tenant, message, lead.map(|state| &state.lead)).is_some()
    }

    /// Quiet hours by the recipient's own places (C4).
    fn hours(
        &self,
        tenant: &Tenant,
        message: &Message,
        lead: Option<&Lead>,
        places: Option<Places>,
    ) -> Quiet {
        let held = matches!(
            message.category,
            Category::Transactional | Category::Promotional
        );
        if !held || message.plan.keyword_answer || message.channel == ChannelKind::Webhook {
            return Quiet::Open(String::new());
        }
        let mut places = places.unwrap_or_else(|| places_of(tenant, message, lead));
        if has(Bug::LocalZoneOfServer) {
            // A seeded bug: the server stands in Denver, and so does everybody else.
            places = Whereabouts {
                explicit_zone: Some("America/Denver"),
                ..Whereabouts::default()
            }
            .places();
        }
        let question = HoursQuestion {
            category: message.category,
            places: &places,
            reply_to: message.plan.answers.map(crate::time::from_micros),
            now: self.now,
        };
        let own = &tenant.config.settings.quiet_hours;
        let settings = HoursSettings {
            transactional_close: own.transactional_until,
            margin_minutes: own.margin_minutes,
            closed_states: own.closed_states.clone(),
        };
        let ruling = Rules::built_in().hours.judge(&question, &settings);
        match &ruling.hours {
            Hours::Open | Hours::OpenBecause(_) => Quiet::Open(explain(&ruling)),
            Hours::Opens { at, .. } => Quiet::Opens(*at, explain(&ruling)),
            Hours::Never { .. } => Quiet::Never(explain(&ruling)),
        }
    }

    /// The next opening with jitter up to 20 minutes, so that an opening is no burst; earlier when the message would expire.
    fn spread(&mut self, at: Timestamp, expires: Option<Timestamp>) -> Timestamp {
        let jitter = (self.dice.roll() * 20.0 * 60.0 * 1e6) as i64;
        let spread = crate::time::from_micros(at.as_microsecond() + jitter);
        match expires {
            Some(expires) if spread >= expires => at,
            _ => spread,
        }
    }
}

/// The answer of quiet hours with every zone it looked at and why, so that the proof needs no present rules (C7).
fn explain(ruling: &HoursRuling<'_>) -> String {
    use std::fmt::Write as _;
    let mut text = String::with_capacity(160);
    // Writing into a String cannot fail.
    let _ = write!(text, "{}", ruling.hours);
    for seen in &ruling.seen {
        let (hour, minute) = (seen.local.hour(), seen.local.minute());
        let _ = write!(text, " {hour:02}:{minute:02} in {} (", seen.zone.name());
        for (n, source) in seen.sources.iter().enumerate() {
            text.push_str(if n > 0 { ", " } else { "" });
            text.push_str(source.as_str());
        }
        text.push_str(").");
    }
    let _ = write!(
        text,
        " Rules {}, time zones {}:",
        ruling.rules_version, ruling.zone_data
    );
    for rule in &ruling.rules {
        let _ = write!(text, " {rule}");
    }
    text
}

/// What quiet hours say of a message, with the reason as a sentence.
enum Quiet {
    Open(String),
    Opens(Timestamp, String),
    Never(String),
}

fn killed(tenant: &Tenant, message: &Message) -> Option<String> {
    tenant.kill.iter().find_map(|switch| match switch {
        KillSwitch::All => Some("All sending is switched off for this business.".to_owned()),
        KillSwitch::Channel(channel) if *channel == message.channel => {
            Some(format!("Sending by {channel} is switched off."))
        }
        KillSwitch::Workflow(name)
            if message
                .step
                .as_ref()
                .is_some_and(|step| step.split('@').next() == Some(name)) =>
        {
            Some(format!("Workflow {name} is switched off."))
        }
        KillSwitch::Channel(_) | KillSwitch::Workflow(_) | KillSwitch::Share(_) => None,
    })
}

/// A test recipient of a business in sandbox mode (M12). Test leads and test keys stay in the sandbox all the same.
fn reached_for_real(tenant: &Tenant, message: &Message) -> bool {
    message.channel != ChannelKind::Webhook
        && tenant.config.settings.is_test_recipient(&message.recipient)
}

fn sandboxed(tenant: &Tenant, message: &Message, lead: Option<&Lead>) -> Option<String> {
    if tenant.sandbox && !reached_for_real(tenant, message) {
        Some("The whole business is in sandbox mode.".into())
    } else if lead.is_some_and(|lead| lead.test) {
        Some("This lead only tries things out.".into())
    } else if let Some(hook) = &message.plan.hook
        && !tenant
            .connections
            .iter()
            .any(|way| way.channel == ChannelKind::Webhook && way.name == *hook)
    {
        Some(format!("There is no webhook connection named {hook} yet."))
    } else if !tenant.has(message.channel) {
        Some(format!("There is no {} connection yet.", message.channel))
    } else {
        message
            .sandbox
            .then(|| "It was sent with a test key.".into())
    }
}

/// Where a lead may be, whatever it is reached by.
pub(super) fn places_of_lead(tenant: &Tenant, lead: Option<&Lead>) -> Places {
    let phone = lead
        .and_then(|lead| lead.phone.as_deref())
        .and_then(Phone::from_e164);
    whereabouts(tenant, lead, phone.as_ref())
}

/// Where the recipient may be, by all that is known.
fn places_of(tenant: &Tenant, message: &Message, lead: Option<&Lead>) -> Places {
    let reached = if message.channel == ChannelKind::Sms {
        Some(message.recipient.as_str())
    } else {
        lead.and_then(|lead| lead.phone.as_deref())
    };
    let phone = reached.and_then(Phone::from_e164);
    whereabouts(tenant, lead, phone.as_ref())
}

fn whereabouts(tenant: &Tenant, lead: Option<&Lead>, phone: Option<&Phone>) -> Places {
    let country = lead
        .and_then(|lead| lead.country.as_deref())
        .and_then(|country| country.parse::<Region>().ok());
    let whereabouts = Whereabouts {
        explicit_zone: lead.and_then(|lead| lead.time_zone.as_deref()),
        zip: lead.and_then(|lead| lead.zip.as_deref()),
        state: lead.and_then(|lead| lead.state.as_deref()),
        phone,
        // Nobody who says nothing of where they are lives anywhere but where the business works.
        country: country.or_else(|| phone.is_none().then_some(tenant.config.settings.region)),
    };
    whereabouts.places()
}

#[cfg(test)]
#[path = "gate_tests.rs"]
mod tests;
