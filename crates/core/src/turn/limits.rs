//! Limits (M6): the person's own, the tenant's for alerts, for a channel and in all, and each account's. All apply; the narrowest wins.
//!
//! What counts against a limit is one row: read before the gates are asked, raised in the commit that holds the intent. Nobody else
//! comes between, so a limit is never passed. What is over it is placed where room will be, spread out, and asked again then.

use super::points::{Point, PointKey};
use super::{Connection, Tenant, Turn, kind_of};
use crate::consent::rules::Rules;
use crate::ids::{AttemptId, ConnectionId, TenantId, first_of};
use crate::messages::{Category, ChannelKind, Message, Priority};
use crate::seeded::{Bug, has};
use crate::time::{Timestamp, from_micros};
use std::borrow::Cow;
use std::collections::HashMap;

pub(super) const HOUR: i64 = 3_600_000_000;
pub(super) const DAY: i64 = 86_400_000_000;
/// A critical alert over the limit waits for no hour to end.
const SOON: i64 = 60_000_000;
/// The code of a message that a limit holds, before the limit's name.
pub(super) const LIMIT: &str = "limit";

/// How long a limit counts before it begins anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Span {
    /// An hour of the clock, UTC.
    Hour,
    /// A day of the clock, UTC.
    Day,
}

impl Span {
    const fn length(self) -> i64 {
        match self {
            Self::Hour => HOUR,
            Self::Day => DAY,
        }
    }

    fn slot(self, now: Timestamp) -> i64 {
        now.as_microsecond() / self.length()
    }

    /// `hour` or `day`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Hour => "hour",
            Self::Day => "day",
        }
    }
}

/// What a counter counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Counted {
    /// Alerts to staff by text, or by mail and webhook.
    Staff(ChannelKind, Span),
    /// Alerts to staff by whatever channel, in an hour.
    StaffAll,
    /// Messages of a channel.
    Channel(ChannelKind, Span),
    /// Messages of the tenant in an hour.
    All,
    /// Calls of an account.
    Account(ConnectionId, Span),
    /// When an account has room again at its own rate, microseconds UTC: not a count, it only grows with the clock.
    Pace(ConnectionId),
    /// Spent and reserved on a channel in a day of the tenant's zone (days since 1970), millionths of its currency.
    SpentDay(ChannelKind),
    /// The same in a month (months since year 0).
    SpentMonth(ChannelKind),
    /// Messages of a workflow that is watched: its short name, and whether they failed.
    Watched(u64, bool),
    /// Whose turn it is to have the next lead, among some people by their short name (D1).
    Turn(u64),
    /// Leads that a person has in hand, by a short name.
    Load(u64),
}

impl Counted {
    /// Its name in the store and in the API.
    pub fn name(self) -> Cow<'static, str> {
        use ChannelKind::{Email, Sms, Webhook};
        Cow::Borrowed(match self {
            Self::Staff(Sms, Span::Hour) => "staff.sms.hour",
            Self::Staff(Sms, Span::Day) => "staff.sms.day",
            Self::Staff(Email | Webhook, Span::Hour) => "staff.email.hour",
            Self::Staff(Email | Webhook, Span::Day) => "staff.email.day",
            Self::StaffAll => "staff.all.hour",
            Self::Channel(Sms, Span::Hour) => "sms.hour",
            Self::Channel(Sms, Span::Day) => "sms.day",
            Self::Channel(Email, Span::Hour) => "email.hour",
            Self::Channel(Email, Span::Day) => "email.day",
            Self::Channel(Webhook, Span::Hour) => "webhook.hour",
            Self::Channel(Webhook, Span::Day) => "webhook.day",
            Self::All => "all.hour",
            Self::SpentDay(Sms) => "spent.sms.date",
            Self::SpentDay(Email) => "spent.email.date",
            Self::SpentDay(Webhook) => "spent.webhook.date",
            Self::SpentMonth(Sms) => "spent.sms.month",
            Self::SpentMonth(Email) => "spent.email.month",
            Self::SpentMonth(Webhook) => "spent.webhook.month",
            Self::Account(id, span) => {
                return Cow::Owned(format!("{id}.{}", span.as_str()));
            }
            Self::Pace(id) => return Cow::Owned(format!("{id}.pace")),
            Self::Watched(workflow, failed) => {
                let end = if failed { "failed" } else { "fine" };
                return Cow::Owned(format!("flow.{workflow:016x}.{end}"));
            }
            Self::Turn(among) => return Cow::Owned(format!("turn.{among:016x}")),
            Self::Load(person) => return Cow::Owned(format!("load.{person:016x}")),
        })
    }
}

/// Names a counter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CounterKey {
    /// Whose.
    pub tenant: TenantId,
    /// What is counted.
    pub what: Counted,
    /// Which hour, day or month; 0 for a pace.
    pub slot: i64,
}

/// A counter as a turn sees it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Count {
    /// How far it stands, with what this turn added.
    pub n: i64,
    /// What this turn added: only this is written, so that what others add is never lost.
    pub added: i64,
}

/// How much an account may be used: the provider's own rate, or what was set for it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Pace {
    /// Microseconds from one call to the next.
    pub interval: Option<i64>,
    /// Calls in an hour.
    pub per_hour: Option<u32>,
    /// Calls in a day.
    pub per_day: Option<u32>,
}

impl Pace {
    /// True when nothing limits the account.
    pub const fn is_free(&self) -> bool {
        self.interval.is_none() && self.per_hour.is_none() && self.per_day.is_none()
    }

    fn bounds(&self) -> impl Iterator<Item = (Span, u32)> {
        let hour = self.per_hour.map(|most| (Span::Hour, most));
        hour.into_iter()
            .chain(self.per_day.map(|most| (Span::Day, most)))
    }
}

/// Where messages that a limit holds were placed: a hint for spreading them out, kept in memory alone.
#[derive(Debug, Default)]
pub struct Placed(HashMap<(TenantId, Counted), (i64, i64)>);

/// More limits than this are not remembered; then placing begins anew.
const MOST_PLACED: usize = 100_000;

impl Placed {
    /// The next place after a slot that is full: so many of the next slot's are spread evenly over it, then over the one after it.
    fn after(&mut self, key: CounterKey, length: i64, most: i64) -> i64 {
        let (slot, n) = self.slot_of(key.tenant, key.what);
        if *slot != key.slot {
            (*slot, *n) = (key.slot, 0);
        }
        let place = (key.slot + 1) * length + *n * (length / most.max(1));
        *n += 1;
        place
    }

    /// The next place on a line that has room at `free`, one `interval` after the one before.
    fn on_line(&mut self, tenant: TenantId, what: Counted, free: i64, interval: i64) -> i64 {
        let (next, _) = self.slot_of(tenant, what);
        let place = free.max(*next);
        // A little wider than the rate, so that what goes before the others is made up for.
        *next = place + interval + interval / 50;
        place
    }

    fn slot_of(&mut self, tenant: TenantId, what: Counted) -> &mut (i64, i64) {
        if self.0.len() >= MOST_PLACED {
            self.0.clear();
        }
        self.0.entry((tenant, what)).or_default()
    }
}

/// What a limit says to a message that is over it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Held {
    /// When it is asked again.
    pub(super) until: Timestamp,
    /// `limit`, or `limit` with the limit's name.
    pub(super) code: String,
    /// A sentence.
    pub(super) because: String,
    /// Joins the others that are held for the same person.
    pub(super) digest: bool,
    /// The limit among whose messages it is to be placed: its counter, how long it counts, how many there may be.
    pub(super) among: Option<(CounterKey, i64, i64)>,
}

impl Turn<'_> {
    /// Limits of the person and of the tenant; those of an account are asked where one is chosen.
    pub(super) fn limited(
        &self,
        tenant: &Tenant,
        message: &Message,
        point: Option<&Point>,
    ) -> Option<Held> {
        if message.plan.keyword_answer {
            return None;
        }
        if message.attempts > 0 {
            // It was counted with its first call; once that is a day ago the person may have had others since (US-8).
            let customers = matches!(
                message.category,
                Category::Transactional | Category::Promotional
            );
            return (customers && !self.within_a_day(message.attempt))
                .then(|| self.over_contacts(tenant, point, message))
                .flatten();
        }
        let of_person = match message.category {
            _ if message.channel == ChannelKind::Webhook => None,
            Category::Staff => self.over_alerts(tenant, message),
            Category::Transactional | Category::Promotional => {
                self.over_contacts(tenant, point, message)
            }
            Category::Emergency => None,
        };
        of_person.or_else(|| self.over_tenant(tenant, message))
    }

    /// True when a call began so lately that the person's rolling day still counts it.
    fn within_a_day(&self, call: Option<AttemptId>) -> bool {
        let day = jiff::SignedDuration::from_hours(24);
        // Ids know milliseconds: of the last one it is not said that it counts.
        let from = self.now - day + jiff::SignedDuration::from_millis(1);
        call.is_some_and(|call| call.raw() >= first_of(from))
    }

    /// Alerts to staff: over the limit they join a digest.
    fn over_alerts(&self, tenant: &Tenant, message: &Message) -> Option<Held> {
        // A digest speaks for those that were held; it is never held itself.
        if message.plan.digest {
            return None;
        }
        let most = &tenant.config.settings.limits.staff_alerts;
        let bounds = match message.channel {
            ChannelKind::Sms => [most.sms_per_hour, most.sms_per_day, most.all_per_hour],
            ChannelKind::Email | ChannelKind::Webhook => {
                [most.email_per_hour, most.email_per_day, most.all_per_hour]
            }
        };
        let keys = staff_counters(tenant.id, message.channel, self.now);
        let (key, bound) = keys
            .iter()
            .zip(bounds)
            .find(|(key, bound)| self.world.counter(key) >= i64::from(*bound))?;
        let length = match key.what {
            Counted::Staff(_, span) => span.length(),
            _ => HOUR,
        };
        let end = (key.slot + 1) * length;
        // A critical alert is never silent: what is over the limit goes as one digest within a minute.
        let until = if message.priority == Priority::Critical {
            end.min(self.now.as_microsecond() + SOON)
        } else {
            end
        };
        let name = key.what.name();
        Some(Held {
            until: from_micros(until),
            because: format!(
                "Over the limit of {bound} alerts ({}): joins one digest.",
                name.replace('.', " ")
            ),
            code: format!("{LIMIT}:{name}"),
            digest: true,
            among: None,
        })
    }

    /// What one person may get in a rolling day.
    fn over_contacts(
        &self,
        tenant: &Tenant,
        point: Option<&Point>,
        message: &Message,
    ) -> Option<Held> {
        let (mut all, mut offers) = point?.recent.within(self.now);
        if has(Bug::CapCheckThenSet) {
            // A seeded bug: what this turn has counted already is not seen.
            let now = self.now.as_microsecond();
            for one in point?.recent.0.iter().filter(|one| **one | 1 == now | 1) {
                all.n -= 1;
                offers.n -= u32::from(one & 1 == 1);
            }
        }
        let most = &tenant.config.settings.limits.leads;
        // A business may set less than the law allows, never more (US-8).
        let most_offers = most
            .promotional_per_24h
            .min(Rules::built_in().promotional_per_24h);
        let (window, name, because) = if message.category == Category::Promotional
            && offers.n >= most_offers
        {
            let first = offers.oldest.map(from_micros).unwrap_or(self.now);
            let because = format!(
                "{most_offers} promotional contacts in 24 hours are the limit (US-8); the first of them was at {first}."
            );
            (offers, "person.promotional", because)
        } else if message.channel == ChannelKind::Sms && all.n >= most.texts_per_24h {
            let because = format!("{} texts in 24 hours are the limit.", most.texts_per_24h);
            (all, "person.texts", because)
        } else {
            return None;
        };
        let until = window
            .oldest
            .map_or(self.now, |oldest| from_micros(oldest + DAY + 1));
        Some(Held {
            until,
            code: format!("{LIMIT}:{name}"),
            because,
            digest: false,
            among: None,
        })
    }

    /// What the tenant may send by a channel and in all. What is critical is counted and passes: it must not stand behind bulk (M7).
    fn over_tenant(&self, tenant: &Tenant, message: &Message) -> Option<Held> {
        if message.priority == Priority::Critical || message.category == Category::Emergency {
            return None;
        }
        let (key, bound) = tenant_counters(tenant, message.channel, self.now)
            .find(|(key, bound)| self.world.counter(key) >= i64::from(*bound))?;
        let length = match key.what {
            Counted::Channel(_, span) => span.length(),
            _ => HOUR,
        };
        let digest = message.category == Category::Staff && message.channel != ChannelKind::Webhook;
        let until = (key.slot + 1) * length;
        let (name, what) = (key.what.name(), said(key.what));
        Some(Held {
            until: from_micros(until),
            because: format!("Over the limit of {bound} {what}; goes as soon as there is room."),
            code: format!("{LIMIT}:{name}"),
            digest,
            among: (!digest).then_some((key, length, i64::from(bound))),
        })
    }

    /// When a message that a limit holds is asked again: spread out among the others that it holds.
    pub(super) fn place(&mut self, held: &Held) -> Timestamp {
        match held.among {
            Some((key, length, most)) => from_micros(self.world.placed.after(key, length, most)),
            None => held.until,
        }
    }

    /// From when an account may be called again by its own limits; `None` is now.
    pub(super) fn over_account(
        &self,
        tenant: TenantId,
        way: &Connection,
    ) -> Option<(Timestamp, Counted, i64)> {
        let now = self.now;
        if way.pace.is_free() {
            return None;
        }
        let over = way.pace.bounds().find_map(|(span, most)| {
            let what = Counted::Account(way.id, span);
            let slot = span.slot(now);
            let n = self.world.counter(&CounterKey { tenant, what, slot });
            (n >= i64::from(most)).then(|| {
                (
                    from_micros((slot + 1) * span.length()),
                    what,
                    i64::from(most),
                )
            })
        });
        over.or_else(|| {
            let what = Counted::Pace(way.id);
            let free = self.world.counter(&CounterKey {
                tenant,
                what,
                slot: 0,
            });
            (way.pace.interval.is_some() && free > now.as_microsecond())
                .then(|| (from_micros(free), what, 1))
        })
    }

    /// Where a message is placed that an account has no room for.
    pub(super) fn place_on(
        &mut self,
        tenant: TenantId,
        message: &Message,
        way: &Connection,
        over: (Timestamp, Counted, i64),
    ) -> Timestamp {
        let (free, what, most) = over;
        if message.priority == Priority::Critical {
            return free;
        }
        let now = self.now.as_microsecond();
        match (what, way.pace.interval) {
            // Placed before: it only makes room for what went ahead of it.
            (Counted::Pace(_), _)
                if message.due_at < self.now
                    && message
                        .why
                        .as_ref()
                        .is_some_and(|why| why.code.ends_with(".pace")) =>
            {
                free
            }
            (Counted::Pace(_), Some(interval)) => from_micros(self.world.placed.on_line(
                tenant,
                what,
                free.as_microsecond().max(now),
                interval,
            )),
            (Counted::Account(_, span), _) => {
                let slot = span.slot(self.now);
                let key = CounterKey { tenant, what, slot };
                from_micros(self.world.placed.after(key, span.length(), most))
            }
            _ => free,
        }
    }

    /// What limits count, at the moment of the intent (M6). `before` is the call before this one.
    pub(super) fn count_contact(
        &mut self,
        tenant: &Tenant,
        message: &Message,
        before: Option<AttemptId>,
    ) {
        if let Some(id) = message.connection
            && let Some(way) = tenant.connections.iter().find(|way| way.id == id)
        {
            self.count_call(tenant.id, way);
        }
        if message.plan.keyword_answer {
            return;
        }
        let again = message.attempts > 1;
        if !again {
            for (key, _) in tenant_counters(tenant, message.channel, self.now) {
                self.world.count(key, 1);
            }
        }
        if message.category == Category::Staff {
            if !again {
                for key in staff_counters(tenant.id, message.channel, self.now) {
                    self.world.count(key, 1);
                }
            }
            return;
        }
        let offer = message.category == Category::Promotional;
        if message.channel == ChannelKind::Sms || (offer && message.channel != ChannelKind::Webhook)
        {
            let key = PointKey {
                tenant: tenant.id,
                kind: kind_of(message.channel),
                value: message.recipient.clone(),
            };
            let now = self.now;
            let counted = again && self.within_a_day(before);
            let recent = &mut self.world.point_mut(&key, now).recent;
            if counted {
                // The call before did not go through, so the contact is now and not then.
                recent.forget_oldest(offer);
            }
            recent.add(now, offer);
        }
    }

    fn count_call(&mut self, tenant: TenantId, way: &Connection) {
        if way.pace.is_free() {
            return;
        }
        for (span, _) in way.pace.bounds() {
            let (what, slot) = (Counted::Account(way.id, span), span.slot(self.now));
            self.world.count(CounterKey { tenant, what, slot }, 1);
        }
        if let Some(interval) = way.pace.interval {
            let key = CounterKey {
                tenant,
                what: Counted::Pace(way.id),
                slot: 0,
            };
            let now = self.now.as_microsecond();
            let behind = now.saturating_sub(self.world.counter(&key)).max(0);
            self.world.count(key, behind + interval);
        }
    }
}

/// The counters that a staff alert raises, in the order of their limits.
fn staff_counters(tenant: TenantId, channel: ChannelKind, now: Timestamp) -> [CounterKey; 3] {
    let key = |what, span: Span| CounterKey {
        tenant,
        what,
        slot: span.slot(now),
    };
    let channel = if channel == ChannelKind::Sms {
        channel
    } else {
        ChannelKind::Email
    };
    [
        key(Counted::Staff(channel, Span::Hour), Span::Hour),
        key(Counted::Staff(channel, Span::Day), Span::Day),
        key(Counted::StaffAll, Span::Hour),
    ]
}

/// The limits a tenant has for a channel and in all, with their counters.
fn tenant_counters(
    tenant: &Tenant,
    channel: ChannelKind,
    now: Timestamp,
) -> impl Iterator<Item = (CounterKey, u32)> + use<> {
    let limits = &tenant.config.settings.limits;
    let of_channel = limits.of(channel);
    let in_all = match (limits.all_per_hour, tenant.most_per_hour) {
        (Some(own), Some(tier)) => Some(own.min(tier)),
        (own, tier) => own.or(tier),
    };
    let id = tenant.id;
    [
        (
            Counted::Channel(channel, Span::Hour),
            Span::Hour,
            of_channel.per_hour,
        ),
        (
            Counted::Channel(channel, Span::Day),
            Span::Day,
            of_channel.per_day,
        ),
        (Counted::All, Span::Hour, in_all),
    ]
    .into_iter()
    .filter_map(move |(what, span, most)| {
        let key = CounterKey {
            tenant: id,
            what,
            slot: span.slot(now),
        };
        Some((key, most?))
    })
}

/// Every counter that a turn may ask for, for the store to load.
pub fn counters_of(tenant: &Tenant, now: Timestamp) -> Vec<CounterKey> {
    let mut keys = staff_counters(tenant.id, ChannelKind::Sms, now).to_vec();
    keys.extend(
        staff_counters(tenant.id, ChannelKind::Email, now)
            .into_iter()
            .take(2),
    );
    for channel in ChannelKind::ALL {
        for (key, _) in tenant_counters(tenant, *channel, now) {
            if !keys.contains(&key) {
                keys.push(key);
            }
        }
    }
    for way in tenant.connections.iter().filter(|way| !way.pace.is_free()) {
        let mut add = |what, slot| {
            keys.push(CounterKey {
                tenant: tenant.id,
                what,
                slot,
            });
        };
        for (span, _) in way.pace.bounds() {
            add(Counted::Account(way.id, span), span.slot(now));
        }
        if way.pace.interval.is_some() {
            add(Counted::Pace(way.id), 0);
        }
    }
    keys.extend(super::budget::counters_of(tenant, now));
    keys.extend(super::rollout::counters_of(tenant));
    keys.extend(super::people::counters_of(tenant));
    keys
}

/// A limit in words: "texts an hour".
pub fn said(what: Counted) -> &'static str {
    use ChannelKind::{Email, Sms, Webhook};
    match what {
        Counted::Staff(Sms, Span::Hour) => "texts to staff an hour",
        Counted::Staff(Sms, Span::Day) => "texts to staff a day",
        Counted::Staff(Email | Webhook, Span::Hour) => "mails to staff an hour",
        Counted::Staff(Email | Webhook, Span::Day) => "mails to staff a day",
        Counted::StaffAll => "alerts an hour",
        Counted::Channel(Sms, Span::Hour) => "texts an hour",
        Counted::Channel(Sms, Span::Day) => "texts a day",
        Counted::Channel(Email, Span::Hour) => "mails an hour",
        Counted::Channel(Email, Span::Day) => "mails a day",
        Counted::Channel(Webhook, Span::Hour) => "webhooks an hour",
        Counted::Channel(Webhook, Span::Day) => "webhooks a day",
        Counted::All => "messages an hour",
        Counted::Account(_, Span::Hour) => "calls an hour over this connection",
        Counted::Account(_, Span::Day) => "calls a day over this connection",
        Counted::Pace(_) => "calls a second over this connection",
        Counted::SpentDay(_) => "spent a day",
        Counted::SpentMonth(_) => "spent a month",
        Counted::Watched(_, true) => "failed messages of a workflow",
        Counted::Watched(_, false) => "messages of a workflow",
        Counted::Turn(_) => "turns among some people",
        Counted::Load(_) => "leads in a person's hands",
    }
}

/// The limit of an account in words.
pub(super) fn said_of(pace: &Pace, what: Counted) -> String {
    let most = match what {
        Counted::Account(_, Span::Hour) => pace.per_hour,
        Counted::Account(_, Span::Day) => pace.per_day,
        _ => {
            let second = pace.interval.unwrap_or(1).max(1) as f64;
            return format!("{:.1} {}", 1e6 / second, said(what));
        }
    };
    format!("{} {}", most.unwrap_or_default(), said(what))
}

/// A limit of a tenant, with how far it is used, for people (M6).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// What is counted.
    pub key: CounterKey,
    /// How many there may be.
    pub most: i64,
    /// When it begins anew.
    pub anew_at: Timestamp,
}

/// The limits of a tenant that count, in the order of a page. What one person may get is not counted here.
pub fn standings(tenant: &Tenant, now: Timestamp) -> Vec<Standing> {
    let standing = |key: CounterKey, most: u32, span: Span| Standing {
        key,
        most: i64::from(most),
        anew_at: from_micros((key.slot + 1) * span.length()),
    };
    let mut out = Vec::new();
    let most = &tenant.config.settings.limits.staff_alerts;
    let texts = staff_counters(tenant.id, ChannelKind::Sms, now);
    let mails = staff_counters(tenant.id, ChannelKind::Email, now);
    out.push(standing(texts[0], most.sms_per_hour, Span::Hour));
    out.push(standing(texts[1], most.sms_per_day, Span::Day));
    out.push(standing(mails[0], most.email_per_hour, Span::Hour));
    out.push(standing(mails[1], most.email_per_day, Span::Day));
    out.push(standing(texts[2], most.all_per_hour, Span::Hour));
    for channel in ChannelKind::ALL {
        for (key, most) in tenant_counters(tenant, *channel, now) {
            let span = match key.what {
                Counted::Channel(_, span) => span,
                _ => Span::Hour,
            };
            if !out.iter().any(|one: &Standing| one.key == key) {
                out.push(standing(key, most, span));
            }
        }
    }
    for way in &tenant.connections {
        for (span, most) in way.pace.bounds() {
            let (what, slot) = (Counted::Account(way.id, span), span.slot(now));
            let key = CounterKey {
                tenant: tenant.id,
                what,
                slot,
            };
            out.push(standing(key, most, span));
        }
    }
    out
}

#[cfg(test)]
#[path = "limits_tests.rs"]
mod tests;
