//! What messages may cost (M11): reserved with the intent, settled with what it really was, given back when it did not go.
//!
//! At every commit a tenant's counters stand at the sum of what its messages carry as their cost, those under way included. So nothing
//! is ever spent twice, and a budget is never passed: a call that turns out dearer than what was reserved for it is not made, but
//! reserved anew.

use super::limits::{Counted, CounterKey};
use super::{Tenant, Turn};
use crate::config::Spending;
use crate::contact::Phone;
use crate::messages::segments::segments;
use crate::messages::{Category, ChannelKind, Cost, Doubt, Message, Prices};
use crate::places::Region;
use crate::seeded::{Bug, has};
use crate::time::Timestamp;
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

/// Segments that a text is taken to have before one of its template was seen.
const FIRST_GUESS: u32 = 2;
/// The code of a call that was not made because it would have cost more than was reserved.
pub const DEARER: &str = "dearer";
/// Shares of a budget at which people are told, in percent.
const TOLD_AT: [i64; 3] = [50, 80, 100];
const MILLION: i64 = 1_000_000;
/// More templates than this are not remembered; then guessing begins anew.
const MOST_GUESSES: usize = 10_000;

/// How many segments the texts of a template had: a guess for what is reserved, kept in memory alone.
#[derive(Debug, Default)]
pub struct Guesses(HashMap<u64, u32>);

impl Guesses {
    fn key(message: &Message) -> Option<u64> {
        let mut hash = DefaultHasher::new();
        message.tenant.hash(&mut hash);
        message.template.as_ref()?.hash(&mut hash);
        Some(hash.finish())
    }

    fn of(&self, message: &Message) -> u32 {
        match &message.body {
            // The sender puts a link in, whose length is not known here.
            Some(body) if message.plan.asks_staff => {
                let longest = "x".repeat(LONGEST_LINK);
                segments(&body.replace(super::CONFIRM_LINK, &longest)).count
            }
            Some(body) => segments(body).count,
            None => Self::key(message)
                .and_then(|key| self.0.get(&key).copied())
                .unwrap_or(FIRST_GUESS),
        }
    }

    /// A text of a template had so many segments.
    pub(super) fn learn(&mut self, message: &Message, n: u32) {
        if let Some(key) = Self::key(message) {
            if self.0.len() >= MOST_GUESSES {
                self.0.clear();
            }
            let known = self.0.entry(key).or_insert(n);
            *known = (*known).max(n);
        }
    }
}

/// A link that is put into a text is reserved for as if it had so many letters.
const LONGEST_LINK: usize = 200;

/// A period that a budget is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Period {
    Day,
    Month,
}

/// A budget of a channel with its counter.
#[derive(Debug, Clone, Copy)]
struct Purse {
    key: CounterKey,
    most: Option<i64>,
    period: Period,
}

fn purses(tenant: &Tenant, channel: ChannelKind, at: Timestamp) -> [Purse; 2] {
    let Spending { per_day, per_month } = tenant.config.settings.budget.of(channel);
    let date = tenant.zone.to_datetime(at).date();
    let day = i64::from(
        date.since(jiff::civil::date(1970, 1, 1))
            .map(|span| span.get_days())
            .unwrap_or_default(),
    );
    let month = i64::from(date.year()) * 12 + i64::from(date.month()) - 1;
    let purse = |what, slot, most: Option<u32>, period| Purse {
        key: CounterKey {
            tenant: tenant.id,
            what,
            slot,
        },
        most: most.map(|most| i64::from(most) * MILLION),
        period,
    };
    [
        purse(Counted::SpentDay(channel), day, per_day, Period::Day),
        purse(
            Counted::SpentMonth(channel),
            month,
            per_month,
            Period::Month,
        ),
    ]
}

/// When a period of the tenant's zone ends.
fn end_of(tenant: &Tenant, period: Period, at: Timestamp) -> Timestamp {
    let date = tenant.zone.to_datetime(at).date();
    let next = match period {
        Period::Day => date.tomorrow().ok(),
        Period::Month => date.last_of_month().tomorrow().ok(),
    };
    next.and_then(|date| tenant.zone.to_timestamp(date.at(0, 0, 0, 0)).ok())
        .unwrap_or(at)
}

/// The counters of a tenant's budgets, for the store to load.
pub(super) fn counters_of(tenant: &Tenant, now: Timestamp) -> Vec<CounterKey> {
    let mut keys = Vec::new();
    for channel in [ChannelKind::Sms, ChannelKind::Email] {
        // Without an account nothing is ever spent.
        if tenant.has(channel) {
            for purse in purses(tenant, channel, now) {
                keys.push(purse.key);
                if purse.most.is_some() {
                    keys.push(told_key(purse.key));
                }
            }
        }
    }
    keys
}

/// The counter of what people were told about a budget: its highest share, in percent. It shares the budget's slot, below zero.
const fn told_key(key: CounterKey) -> CounterKey {
    CounterKey {
        slot: -1 - key.slot,
        ..key
    }
}

/// What one segment or one mail costs over the message's account, millionths of the tenant's currency.
pub fn unit_price(tenant: &Tenant, message: &Message, provider: &str) -> i64 {
    let budget = &tenant.config.settings.budget;
    let country = (message.channel == ChannelKind::Sms)
        .then(|| country_of(&message.recipient))
        .flatten();
    Prices::built_in().of(
        &budget.prices,
        &budget.currency,
        message.channel,
        provider,
        country,
    )
}

fn country_of(recipient: &str) -> Option<Region> {
    Phone::from_e164(recipient).and_then(|phone| phone.region())
}

/// What a message costs by the list: so many segments of a text, or one mail.
pub fn listed(tenant: &Tenant, message: &Message, segments: u32) -> Option<Cost> {
    let way = message
        .connection
        .and_then(|id| tenant.connections.iter().find(|way| way.id == id))?;
    let unit = unit_price(tenant, message, &way.provider);
    (unit > 0).then(|| Cost {
        micros: unit * i64::from(segments.max(1)),
        currency: tenant.config.settings.budget.currency.clone(),
    })
}

/// What was reserved for the call under way, millionths of the tenant's currency.
pub fn reserved(message: &Message) -> i64 {
    let all = message.cost.as_ref().map_or(0, |cost| cost.micros);
    all - spent_before(message)
}

/// What calls before this one may have cost.
fn spent_before(message: &Message) -> i64 {
    let doubt = message.plan.doubt.as_ref();
    doubt.map_or(message.plan.paid, |doubt| doubt.spent)
}

/// What calls before the last one of a doubt may have cost: each of them is taken for an equal share.
pub(super) fn before_last(doubt: &Doubt, paid: i64) -> i64 {
    doubt.spent - (doubt.spent - paid) / i64::from(doubt.calls.max(1))
}

impl Turn<'_> {
    /// What a message would cost over the first account that could carry it, millionths of the tenant's currency.
    pub(super) fn price_of(&self, tenant: &Tenant, message: &Message) -> i64 {
        let way = super::say::all_ways(tenant, message).next();
        way.map_or(0, |way| {
            unit_price(tenant, message, &way.provider) * i64::from(self.guess(message).max(1))
        })
    }

    /// Whether the budgets of the channel hold a message back, until when, and why. Alerts to staff, emergencies and the one answer to
    /// STOP, START or HELP pass; priority alone never does.
    pub(super) fn over_budget(
        &self,
        tenant: &Tenant,
        message: &Message,
        sandbox: bool,
    ) -> Option<(Timestamp, String, String)> {
        let passes = matches!(message.category, Category::Staff | Category::Emergency)
            || message.plan.keyword_answer;
        if sandbox || passes || message.channel == ChannelKind::Webhook {
            return None;
        }
        let unit = self
            .ways(tenant, message)
            .map(|way| unit_price(tenant, message, &way.provider))
            .max()
            .filter(|unit| *unit > 0)?;
        let needs = unit * i64::from(self.guess(message));
        let purse = purses(tenant, message.channel, self.now)
            .into_iter()
            .find(|purse| {
                purse
                    .most
                    .is_some_and(|most| self.world.counter(&purse.key) + needs > most)
            })?;
        let most = purse.most.unwrap_or_default() / MILLION;
        let currency = &tenant.config.settings.budget.currency;
        let until = end_of(tenant, purse.period, self.now);
        let (used, of) = (
            self.world.counter(&purse.key) as f64 / MILLION as f64,
            period_word(purse.period),
        );
        Some((
            until,
            format!("budget:{}", purse.key.what.name()),
            format!(
                "{used:.2} of {most} {currency} for {} {of} are spent or reserved, and this one may cost {:.4}.",
                kind_word(message.channel),
                needs as f64 / MILLION as f64,
            ),
        ))
    }

    fn guess(&self, message: &Message) -> u32 {
        if message.channel == ChannelKind::Sms {
            self.world.guesses.of(message)
        } else {
            1
        }
    }

    /// Reserves with the intent what the call may cost.
    pub(super) fn reserve(&mut self, tenant: &Tenant, message: &mut Message) {
        let Some(cost) = listed(tenant, message, self.guess(message)) else {
            return;
        };
        let before = message.cost.as_ref().map_or(0, |cost| cost.micros);
        let all = Cost {
            micros: before + cost.micros,
            ..cost
        };
        let purses = purses(tenant, message.channel, self.now);
        self.price_from(tenant, message, Some(all), || purses);
        self.tell_of_budget(tenant, message.channel, purses);
    }

    /// A call ended without going out: what was reserved for it is given back.
    pub(super) fn give_back(&mut self, tenant: &Tenant, message: &mut Message, claimed: Timestamp) {
        if has(Bug::BudgetNotReleased) {
            return;
        }
        let left = spent_before(message);
        let cost = message.cost.as_ref().filter(|_| left > 0).map(|cost| Cost {
            micros: left,
            currency: cost.currency.clone(),
        });
        self.price(tenant, message, cost, claimed);
    }

    /// A message's cost becomes another; the budgets of the day it was claimed on follow. Every change of a cost goes through here.
    pub(super) fn price(
        &mut self,
        tenant: &Tenant,
        message: &mut Message,
        cost: Option<Cost>,
        at: Timestamp,
    ) {
        let channel = message.channel;
        self.price_from(tenant, message, cost, || purses(tenant, channel, at));
    }

    fn price_from(
        &mut self,
        tenant: &Tenant,
        message: &mut Message,
        cost: Option<Cost>,
        purses: impl FnOnce() -> [Purse; 2],
    ) {
        let currency = &tenant.config.settings.budget.currency;
        let worth = |cost: &Option<Cost>| {
            cost.as_ref()
                .map_or(0, |cost| Prices::built_in().in_currency(cost, currency))
        };
        let change = worth(&cost) - worth(&message.cost);
        message.cost = cost;
        if change != 0 {
            for purse in purses() {
                self.world.count(purse.key, change);
            }
        }
    }

    /// People are told once at each share of a budget.
    fn tell_of_budget(&mut self, tenant: &Tenant, channel: ChannelKind, purses: [Purse; 2]) {
        for purse in purses {
            let Some(most) = purse.most.filter(|most| *most > 0) else {
                continue;
            };
            let share = self.world.counter(&purse.key) * 100 / most;
            let told = told_key(purse.key);
            let before = self.world.counter(&told);
            let Some(reached) = TOLD_AT
                .into_iter()
                .rev()
                .find(|at| *at <= share && *at > before)
            else {
                continue;
            };
            self.world.count(told, reached - before);
            let budget = &tenant.config.settings.budget;
            let (what, of) = (kind_word(channel), period_word(purse.period));
            let then = if reached >= 100 {
                "Everything but alerts to staff waits until it begins anew, or until the budget is raised in tenant.yaml."
            } else {
                "At 100 % everything but alerts to staff waits."
            };
            // In words: errors that differ by digits alone are counted together.
            let share = match reached {
                100 => "All",
                80 => "Four fifths",
                _ => "Half",
            };
            let text = format!(
                "{share} of the budget for {what} {of} ({} {}) is used. {then}",
                most / MILLION,
                budget.currency,
            );
            self.raise(
                tenant,
                if reached >= 100 { "error" } else { "warning" },
                text.clone(),
                serde_json::json!({"component": "budget", "channel": channel, "share": reached}),
            );
            self.alert_admins(
                tenant,
                Some(channel),
                &format!("Budget for {what}: {reached} %"),
                &text,
            );
        }
    }

    /// What a message costs whose call went well, with what calls before it may have cost.
    pub(super) fn real_cost(
        tenant: &Tenant,
        message: &Message,
        told: Option<&Cost>,
    ) -> Option<Cost> {
        let before = spent_before(message);
        if before == 0 {
            return told.cloned();
        }
        let currency = &tenant.config.settings.budget.currency;
        let this = told.map_or(0, |cost| Prices::built_in().in_currency(cost, currency));
        Some(Cost {
            micros: before + this,
            currency: currency.clone(),
        })
    }
}

/// When the call under way was claimed: the intent was written a lease before its deadline.
pub(super) fn claimed_at(
    message: &Message,
    lease: std::time::Duration,
    now: Timestamp,
) -> Timestamp {
    message
        .deadline
        .map_or(now, |deadline| deadline - super::say::signed(lease))
}

const fn period_word(period: Period) -> &'static str {
    match period {
        Period::Day => "today",
        Period::Month => "this month",
    }
}

const fn kind_word(channel: ChannelKind) -> &'static str {
    match channel {
        ChannelKind::Sms => "texts",
        ChannelKind::Email => "mails",
        ChannelKind::Webhook => "webhooks",
    }
}

/// A budget of a tenant, for people (M11).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PurseView {
    /// The channel.
    pub channel: ChannelKind,
    /// `day` or `month`.
    pub period: &'static str,
    /// The counter of what is spent and reserved, millionths.
    pub key: CounterKey,
    /// What may be spent, millionths; none is without limit.
    pub most: Option<i64>,
    /// When it begins anew.
    pub anew_at: Timestamp,
}

/// The budgets of a tenant at an instant.
pub fn purses_of(tenant: &Tenant, now: Timestamp) -> Vec<PurseView> {
    [ChannelKind::Sms, ChannelKind::Email]
        .into_iter()
        .flat_map(|channel| {
            purses(tenant, channel, now).map(|purse| PurseView {
                channel,
                period: match purse.period {
                    Period::Day => "day",
                    Period::Month => "month",
                },
                key: purse.key,
                most: purse.most,
                anew_at: end_of(tenant, purse.period, now),
            })
        })
        .collect()
}

#[cfg(test)]
#[path = "budget_tests.rs"]
mod tests;
