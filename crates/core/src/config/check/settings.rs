//! `tenant.yaml`.

use super::Findings;
use crate::config::draft::Draft;
use crate::consent::rules::Rules;
use crate::contact::{Email, Phone};
use std::time::Duration;

pub(super) fn check(draft: &Draft, findings: &mut Findings) {
    let Some(read) = &draft.settings else { return };
    let Some(settings) = &read.value else { return };
    if settings.name.trim().is_empty() || settings.name.chars().count() > 80 {
        findings.at(read, "name", "`name` has 1 to 80 characters.");
    }
    if let Some(phone) = &settings.phone
        && let Err(why) = Phone::parse(phone, settings.region)
    {
        findings.at(read, "phone", why.advice());
    }
    if let Some(email) = &settings.email
        && let Err(why) = Email::parse(email)
    {
        findings.at(read, "email", why.advice());
    }
    for (place, link) in [
        ("website", &settings.website),
        ("branding/logo", &settings.branding.logo),
    ] {
        if let Some(link) = link
            && !is_https(link)
        {
            findings.at(read, place, format!("`{link}` is no https address."));
        }
    }
    if let Some(color) = &settings.branding.color
        && !is_color(color)
    {
        findings.mended(
            read,
            "branding/color",
            format!("`{color}` is no colour."),
            "Write # and six digits in quotes, such as \"#0b5cad\".".to_owned(),
        );
    }
    for (at, origin) in settings.tracking.origins.iter().enumerate() {
        if !is_origin(origin) {
            findings.mended(
                read,
                &format!("tracking/origins/{at}"),
                format!("`{origin}` is no origin."),
                "Write scheme and host without a path, such as https://www.example.com.".to_owned(),
            );
        }
    }
    for (at, typed) in settings.sandbox.test_recipients.iter().enumerate() {
        let wrong = if typed.contains('@') {
            Email::parse(typed).err().map(|why| why.advice())
        } else {
            Phone::parse(typed, settings.region)
                .err()
                .map(|why| why.advice())
        };
        if let Some(advice) = wrong {
            findings.at(read, &format!("sandbox/test_recipients/{at}"), advice);
        }
    }
    if !matches!(settings.quiet_hours.transactional_until, 20 | 21) {
        findings.at(
            read,
            "quiet_hours/transactional_until",
            "Transactional messages stop at 20 or, at the latest, at 21 o'clock of the person's own time (US-7).",
        );
    }
    if !(10..=60).contains(&settings.quiet_hours.margin_minutes) {
        findings.at(
            read,
            "quiet_hours/margin_minutes",
            "The last message goes 10 to 60 minutes before closing, because carriers are late.",
        );
    }
    for (at, one) in settings.compliance.sign_offs.iter().enumerate() {
        let place = format!("compliance/sign_offs/{at}");
        let rules = &Rules::built_in().list;
        if !rules
            .iter()
            .any(|rule| rule.id == one.rule && rule.loosened)
        {
            let known: Vec<&str> = rules
                .iter()
                .filter(|rule| rule.loosened)
                .map(|rule| rule.id.as_str())
                .collect();
            let says = format!(
                "`{}` is no rule that can be loosened; only {} can, every other can only be made stricter.",
                one.rule,
                known.join(", ")
            );
            findings.at(read, &format!("{place}/rule"), says);
        }
        for (name, text) in [("by", &one.by), ("reason", &one.reason)] {
            if text.trim().is_empty() {
                findings.at(
                    read,
                    &format!("{place}/{name}"),
                    "A sign-off says who and why.",
                );
            }
        }
    }
    let leads = &settings.limits.leads;
    if leads.promotional_per_24h > 3 {
        findings.at(
            read,
            "limits/leads/promotional_per_24h",
            "Three promotional contacts in 24 hours are the most the law allows (US-8).",
        );
    }
    let alerts = &settings.limits.staff_alerts;
    if alerts.sms_per_hour > alerts.sms_per_day {
        findings.at(
            read,
            "limits/staff_alerts/sms_per_hour",
            "More texts an hour than a day: `sms_per_hour` is at most `sms_per_day`.",
        );
    }
    if alerts.email_per_hour > alerts.email_per_day {
        findings.at(
            read,
            "limits/staff_alerts/email_per_hour",
            "More mails an hour than a day: `email_per_hour` is at most `email_per_day`.",
        );
    }
    let currency = &settings.budget.currency;
    if currency.len() != 3 || !currency.bytes().all(|c| c.is_ascii_uppercase()) {
        findings.at(
            read,
            "budget/currency",
            format!("`{currency}` is no currency: three capital letters such as USD or GBP."),
        );
    }
    let kept = &settings.retention;
    let day = Duration::from_secs(86_400);
    for (name, length, least) in [
        ("silent_leads", Some(kept.silent_leads), 30),
        ("visitors", Some(kept.visitors), 1),
        ("events", Some(kept.events), 1),
        ("messages", kept.messages, 90),
    ] {
        if length.is_some_and(|length| length < day * least) {
            let says =
                format!("`{name}` is {least}d to 104w: what is gone cannot be brought back.");
            findings.at(read, &format!("retention/{name}"), says);
        }
    }
    if let Some(promise) = &settings.promise
        && promise.first_response < Duration::from_secs(60)
    {
        findings.at(
            read,
            "promise/first_response",
            "A promise is at least a minute.",
        );
    }
    products(draft, findings);
}

fn products(draft: &Draft, findings: &mut Findings) {
    let Some(read) = &draft.settings else { return };
    let Some(settings) = &read.value else { return };
    let known = || draft.products.keys().map(String::as_str);
    if draft.products.is_empty() {
        findings.at(
            read,
            "",
            "There is no product. Write products/NAME.yaml with its stages.",
        );
        return;
    }
    match &settings.product {
        Some(product) => {
            findings.known(read, "product", "product", product, known());
        }
        None if draft.products.len() > 1 => {
            let names: Vec<&str> = known().collect();
            findings.mended(
                read,
                "",
                "There are several products, and none is the default.",
                format!(
                    "Write `product: {}`.",
                    names.first().copied().unwrap_or_default()
                ),
            );
        }
        None => {}
    }
    for (at, route) in settings.routing.iter().enumerate() {
        findings.known(
            read,
            &format!("routing/{at}/product"),
            "product",
            &route.product,
            known(),
        );
        match &route.when {
            Some(when) => findings.condition(read, &format!("routing/{at}/when"), when),
            None if at + 1 < settings.routing.len() => findings.at(
                read,
                &format!("routing/{at}"),
                "This line always matches, so the lines below it are never asked.",
            ),
            None => {}
        }
    }
}

/// An https address without spaces or a login.
pub(super) fn is_https(link: &str) -> bool {
    link.strip_prefix("https://").is_some_and(|rest| {
        let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
        !host.is_empty()
            && !host.contains('@')
            && link.len() <= 2_000
            && !link.contains(|c: char| {
                c.is_whitespace() || c.is_control() || matches!(c, '"' | '<' | '>')
            })
    })
}

/// Scheme, host and perhaps a port. Plain http only for the own machine.
pub(super) fn is_origin(origin: &str) -> bool {
    let host_is_good = |host: &str| {
        !host.is_empty()
            && host.len() <= 253
            && host.bytes().all(|c| {
                c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, b'.' | b'-' | b':')
            })
    };
    match origin.strip_prefix("https://") {
        Some(host) => host_is_good(host),
        None => origin.strip_prefix("http://").is_some_and(|host| {
            host_is_good(host) && matches!(host.split(':').next(), Some("localhost" | "127.0.0.1"))
        }),
    }
}

fn is_color(text: &str) -> bool {
    text.strip_prefix('#')
        .is_some_and(|digits| digits.len() == 6 && digits.bytes().all(|c| c.is_ascii_hexdigit()))
}
