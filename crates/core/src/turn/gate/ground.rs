//! On which ground a message may go or may not: suppression, consent, do-not-call lists, numbers, content. Each answer names the rule
//! and what it looked at, so that it can be read without today's configuration (compliance rules 1 to 4 of a verdict, M10).

use super::super::world::{Consent, Point, PointKey, Purpose, StaffNumber, Suppression};
use super::super::{DOUBT_LASTS, Registration, Tenant};
use crate::consent::Basis;
use crate::consent::national::{Exemptions, NationalList, day_of};
use crate::consent::rules::Rules;
use crate::contact::Phone;
use crate::leads::Lead;
use crate::messages::{Category, ChannelKind, Message};
use crate::places::{Places, Region};
use crate::time::Timestamp;
use std::borrow::Cow;
use std::collections::HashSet;
use std::sync::Arc;

/// A rule, and what was found, as a sentence.
pub(in super::super) struct Ground {
    /// The rule's id; empty for what no law asks.
    pub(super) rule: &'static str,
    /// What was looked at and found.
    pub(super) because: Cow<'static, str>,
}

impl Ground {
    pub(super) fn none(because: impl Into<Cow<'static, str>>) -> Self {
        Self::by("", because)
    }

    fn by(rule: &'static str, because: impl Into<Cow<'static, str>>) -> Self {
        let because = because.into();
        Self { rule, because }
    }
}

/// How a suppression holds a message.
pub(super) enum Held {
    /// For good.
    For(Ground),
    /// Until somebody read the person's reply, or the day is over that they have for it.
    Until(Timestamp, Ground),
}

/// Whether the recipient is on the suppression list for this kind of message (US-3, US-5, US-10, EU-2).
pub(super) fn suppressed(message: &Message, point: Option<&Point>, now: Timestamp) -> Option<Held> {
    let point = point?;
    let reason = point.suppressed?;
    if message.plan.keyword_answer {
        return None;
    }
    let offer = message.category == Category::Promotional;
    let how = point
        .suppressed_how
        .as_deref()
        .unwrap_or("no reason was given");
    let since = point
        .suppressed_at
        .map(|at| format!(" since {}", at.strftime("%-d %B %Y")))
        .unwrap_or_default();
    if reason == Suppression::Doubted {
        let until = point.suppressed_at.unwrap_or(now) + DOUBT_LASTS;
        return match (now >= until, offer) {
            (true, _) => Some(Held::For(Ground::by(
                "US-3",
                format!(
                    "A reply that may mean stop{since} was not read within a day, so it counts as a stop: {how}"
                ),
            ))),
            (false, true) => Some(Held::Until(
                until,
                Ground::by(
                    "US-3",
                    format!(
                        "A reply{since} may mean stop and waits for somebody to read it: {how}"
                    ),
                ),
            )),
            (false, false) => None,
        };
    }
    if reason.offers_only() && !offer {
        return None;
    }
    let rule = match reason {
        Suppression::OptedOut => "US-3",
        Suppression::Unsubscribed | Suppression::Complained => "EU-2",
        Suppression::Listed => "US-10",
        Suppression::Bounced | Suppression::Blocked | Suppression::Doubted => "",
    };
    let because = format!("On the suppression list{since}: {how}");
    Some(Held::For(Ground::by(rule, because)))
}

/// Whether the person allowed this kind of message on this channel, on a ground that holds where they may be (US-1, US-2, CA-1, UK-1, EU-1).
pub(super) fn consent(
    tenant: &Tenant,
    message: &Message,
    point: Option<&Point>,
    places: Option<&Places>,
    now: Timestamp,
) -> Result<Ground, Ground> {
    if message.plan.keyword_answer || message.channel == ChannelKind::Webhook {
        return Ok(Ground::none(""));
    }
    let channel = message.channel.code();
    match (message.category, places) {
        (Category::Staff, _) => Ok(Ground::none("")),
        (Category::Emergency, _) => emergency(tenant, message),
        (Category::Promotional, Some(places)) => offers(message.channel, point, places, now),
        (Category::Transactional | Category::Promotional, _) => {
            let known = point.map_or(Consent::Unasked, |point| {
                point.consent.get(channel, Purpose::Transactional)
            });
            match known {
                Consent::Granted => match over(point, channel, Purpose::Transactional, now) {
                    None => Ok(Ground::by("US-2", "Granted for this.")),
                    Some(end) => Err(Ground::by("US-2", format!("The consent ended on {end}."))),
                },
                Consent::Provided => Ok(Ground::by(
                    "US-2",
                    "The person gave this contact in an enquiry.",
                )),
                Consent::Revoked => Err(Ground::by(
                    "US-3",
                    format!("Consent to messages by {} was taken back.", message.channel),
                )),
                Consent::Unasked
                    if message.channel == ChannelKind::Email && message.step.is_none() =>
                {
                    Ok(Ground::none("Written by a person of the business."))
                }
                Consent::Unasked => Err(Ground::by(
                    "US-2",
                    "The person did not give this contact in an enquiry, and there is no consent.",
                )),
            }
        }
    }
}

/// Whether a person of the business confirmed the number that alerts go to (ST-1). What stays in the sandbox reaches nobody.
pub(super) fn staff(
    message: &Message,
    point: Option<&Point>,
    sandbox: bool,
) -> Result<Ground, Ground> {
    if message.channel != ChannelKind::Sms || sandbox {
        return Ok(Ground::none(""));
    }
    let known = point.map_or(StaffNumber::Unasked, Point::staff_number);
    let who = message.staff.as_deref().unwrap_or("Whoever has it");
    match known {
        StaffNumber::Confirmed => Ok(Ground::by(
            "ST-1",
            format!("{who} confirmed the number for alerts."),
        )),
        StaffNumber::Stopped => Err(Ground::by("ST-1", format!("{who} said stop to texts."))),
        StaffNumber::Unasked | StaffNumber::Asked if message.plan.asks_staff => Ok(Ground::by(
            "ST-1",
            "The one question whether alerts may come to this number.",
        )),
        StaffNumber::Unasked | StaffNumber::Asked => Err(Ground::by(
            "ST-1",
            format!(
                "{who} has not confirmed the number yet: answer the question that is sent to it with YES, or open its link."
            ),
        )),
    }
}

/// Emergencies are the recipient's own; to leads they are off until somebody signs them off (EX-1).
fn emergency(tenant: &Tenant, message: &Message) -> Result<Ground, Ground> {
    if message.lead.is_none() || message.staff.is_some() {
        return Ok(Ground::none(""));
    }
    let signed = &tenant.config.settings.compliance.sign_offs;
    match signed.iter().find(|one| one.rule == "EX-1") {
        Some(one) => Ok(Ground::by(
            "EX-1",
            format!("Signed off by {} on {}: {}", one.by, one.on, one.reason),
        )),
        None => Err(Ground::by(
            "EX-1",
            "Emergency messages to leads are off: the category is for the recipient's own health and safety. Sign rule EX-1 off in tenant.yaml.",
        )),
    }
}

/// When a consent ended, if it has.
fn over(point: Option<&Point>, channel: i64, purpose: Purpose, now: Timestamp) -> Option<String> {
    let until = point?.grounds(channel, purpose).1?;
    (until <= now).then(|| until.strftime("%-d %B %Y").to_string())
}

fn offers(
    channel: ChannelKind,
    point: Option<&Point>,
    places: &Places,
    now: Timestamp,
) -> Result<Ground, Ground> {
    let rules = Rules::built_in();
    let code = channel.code();
    let countries: &[Option<Region>] = &match places.countries.as_slice() {
        [] => vec![None],
        some => some.iter().copied().map(Some).collect::<Vec<_>>(),
    };
    let (first, _) = rules.offers(countries.first().copied().flatten(), channel);
    let known = point.map(|point| (point.consent.get(code, Purpose::Promotional), point));
    let point = match known {
        Some((Consent::Granted, point)) => point,
        Some((Consent::Revoked, _)) => {
            return Err(Ground::by(
                "US-3",
                format!("Consent to offers by {channel} was taken back."),
            ));
        }
        _ => {
            return Err(Ground::by(
                first,
                format!("There is no consent to offers by {channel}."),
            ));
        }
    };
    if let Some(end) = over(Some(point), code, Purpose::Promotional, now) {
        return Err(Ground::by(
            first,
            format!("The consent to offers by {channel} ended on {end}."),
        ));
    }
    let (basis, until) = point.grounds(code, Purpose::Promotional);
    for country in countries {
        let (rule, bases) = rules.offers(*country, channel);
        let place = country.map_or("an unknown country", Region::name);
        if !bases.contains(&basis) {
            return Err(Ground::by(
                rule,
                format!(
                    "Consent to offers by {channel} was given {}, which is not enough for {place}.",
                    basis.in_words()
                ),
            ));
        }
    }
    let end = until.map(|until| format!(" until {}", until.strftime("%-d %B %Y")));
    Ok(Ground::by(
        first,
        format!(
            "Granted for offers {}{}.",
            basis.in_words(),
            end.unwrap_or_default()
        ),
    ))
}

/// What is known of a recipient and the lists, for the question of national lists.
pub(super) struct Asked<'a> {
    /// The recipient.
    pub(super) key: &'a PointKey,
    /// What the recipient agreed to.
    pub(super) point: Option<&'a Point>,
    /// Who it is.
    pub(super) lead: Option<&'a Lead>,
    /// The lists that are asked.
    pub(super) lists: Option<&'a Arc<Vec<NationalList>>>,
    /// Numbers that are on one.
    pub(super) listed: &'a HashSet<(PointKey, Region)>,
    /// The instant.
    pub(super) now: Timestamp,
}

/// National lists of people who do not want offers, in every country where the person may be; a no of one is a no (US-9, UK-4). None
/// where no list is asked.
pub(super) fn do_not_call(
    message: &Message,
    places: Option<&Places>,
    asked: &Asked<'_>,
) -> Option<Result<Ground, Ground>> {
    if message.channel != ChannelKind::Sms {
        return None;
    }
    let exempt = exemptions(message, asked);
    let today = day_of(asked.now);
    let mut passes = None;
    for country in &places?.countries {
        let Some(rule) = Rules::built_in().national(*country) else {
            continue;
        };
        let list = asked
            .lists
            .and_then(|lists| lists.iter().find(|list| list.country == *country));
        let listed = asked.listed.contains(&(asked.key.clone(), *country));
        match rule.judge(list, listed, exempt, today) {
            Some(Err(because)) => return Some(Err(Ground::by(&rule.rule, because))),
            // Without a list an exemption says nothing where none is needed.
            Some(Ok(because)) if passes.is_none() && (rule.needed || list.is_some()) => {
                passes = Some(Ok(Ground::by(&rule.rule, because)));
            }
            _ => {}
        }
    }
    passes
}

/// What may exempt a person from national lists. The enquiry is the one in which the number was given first; the last purchase is the
/// lead's attribute `last_purchase`, a date.
fn exemptions(message: &Message, asked: &Asked<'_>) -> Exemptions {
    let code = message.channel.code();
    let written = asked.point.is_some_and(|point| {
        point.consent.get(code, Purpose::Promotional) == Consent::Granted
            && point.grounds(code, Purpose::Promotional).0 == Basis::Written
    });
    let enquiry = asked
        .point
        .filter(|point| point.consent.get(code, Purpose::Transactional) == Consent::Provided);
    let purchase = asked
        .lead
        .and_then(|lead| lead.attributes.get("last_purchase"))
        .and_then(serde_json::Value::as_str)
        .and_then(|text| text.get(..10)?.parse().ok());
    Exemptions {
        written,
        purchase,
        enquiry: enquiry.map(|point| day_of(point.added_at)),
    }
}

/// Numbers that no text may go to, and countries that the business does not write to (IN-1, IN-2).
pub(in super::super) fn number(tenant: &Tenant, message: &Message) -> Option<Ground> {
    if message.channel != ChannelKind::Sms {
        return None;
    }
    let phone = Phone::from_e164(&message.recipient)?;
    if !phone.can_text() {
        let because = format!("A text cannot go to this number: it is {}.", phone.kind());
        return Some(Ground::by("IN-2", because));
    }
    let settings = &tenant.config.settings;
    let region = phone.region()?;
    let wanted = region == settings.region || settings.compliance.countries.contains(&region);
    (!wanted).then(|| {
        Ground::by(
            "IN-1",
            format!(
                "The number is of {}, and texts go only to {}. Add {region} to `compliance.countries` in tenant.yaml to write there.",
                region.name(),
                settings.region.name()
            ),
        )
    })
}

/// Whether a connection may carry a text to the United States: carriers block long codes without a registered campaign and toll-free
/// numbers that are not verified (US-15). None where nothing asks.
pub(in super::super) fn registration(
    tenant: &Tenant,
    message: &Message,
) -> Option<Result<Ground, Ground>> {
    let to_us = message.channel == ChannelKind::Sms
        && Phone::from_e164(&message.recipient).is_some_and(|phone| phone.is_american());
    if !to_us {
        return None;
    }
    let mut lacks = Vec::new();
    // One that is switched off for now is waited for; one that is not registered is not.
    for way in tenant
        .connections
        .iter()
        .filter(|way| way.channel == message.channel)
    {
        match &way.registration {
            Registration::NotNeeded => {
                let because = format!(
                    "Connection {} sends from what needs no registration.",
                    way.name
                );
                return Some(Ok(Ground::by("US-15", because)));
            }
            Registration::Registered(what) => {
                let because = format!("Connection {} is registered: {what}.", way.name);
                return Some(Ok(Ground::by("US-15", because)));
            }
            Registration::Missing(mend) => lacks.push(format!("Connection {}: {mend}", way.name)),
        }
    }
    Some(Err(Ground::by(
        "US-15",
        format!(
            "No connection may text numbers in the United States. {}",
            lacks.join(" ")
        ),
    )))
}

/// What an offer must carry (US-16, US-17, CA-2, UK-2, EM-2). None when it is no offer.
pub(super) fn content(
    tenant: &Tenant,
    message: &Message,
    offer: bool,
) -> Option<Result<Ground, Ground>> {
    if !offer {
        return None;
    }
    let settings = &tenant.config.settings;
    Some(match message.channel {
        ChannelKind::Email => match settings.postal_address.as_deref().map(str::trim) {
            None | Some("") => Err(Ground::by(
                "US-17",
                "An offer by mail carries the postal address of the business, and there is none. Write `postal_address` in tenant.yaml.",
            )),
            Some(_) => Ok(Ground::by(
                "US-17",
                "It carries the postal address and one-click unsubscribing.",
            )),
        },
        ChannelKind::Sms => match &message.body {
            // Text of a template is closed by the way to stop when it is rendered.
            None => Ok(Ground::by(
                "US-16",
                "Its template names the business and how to stop.",
            )),
            Some(body) => {
                let has = |part: &str| body.to_lowercase().contains(&part.to_lowercase());
                match (has(&settings.name), has("stop")) {
                    (true, true) => Ok(Ground::by(
                        "US-16",
                        "It names the business and how to stop.",
                    )),
                    (false, _) => Err(Ground::by(
                        "US-16",
                        format!(
                            "An offer by text names the business: write {} in it.",
                            settings.name
                        ),
                    )),
                    (true, false) => Err(Ground::by(
                        "US-16",
                        "An offer by text says how to stop: write “Reply STOP to end.” in it.",
                    )),
                }
            }
        },
        ChannelKind::Webhook => Ok(Ground::none("")),
    })
}

/// Only a written permission exempts from the national list, and only it carries an offer by text there: the two are one gate.
#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_exempts_from_the_national_list_is_what_carries_an_offer() {
        let (rule, bases) = Rules::built_in().offers(Some(Region::US), ChannelKind::Sms);
        assert_eq!((rule, bases), ("US-1", [Basis::Written].as_slice()));
    }
}
