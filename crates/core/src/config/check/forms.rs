//! `forms/*.yaml`: forms that people can fill in, and consent that counts (L2, L3, C1).

use super::Findings;
use super::settings::{is_https, is_origin};
use crate::config::draft::{Draft, Read};
use crate::config::{FieldKind, Form, LeadField, Purpose, Target, is_name};
use crate::messages::ChannelKind;
use std::time::Duration;

/// The most questions of a form.
const MOST_FIELDS: usize = 60;

/// Names that the server itself uses in a posted form.
const RESERVED: [&str; 2] = ["_t", "_draft"];

pub(super) fn check(draft: &Draft, findings: &mut Findings) {
    for read in draft.forms.values() {
        let Some(form) = &read.value else { continue };
        if let Some(product) = &form.product {
            findings.known(
                read,
                "product",
                "product",
                product,
                draft.products.keys().map(String::as_str),
            );
        }
        fields(read, form, findings);
        steps(read, form, findings);
        consents(draft, read, form, findings);
        anti_spam(read, form, findings);
        let thank_you = form.thank_you.as_str();
        let path =
            thank_you.starts_with('/') && !thank_you.starts_with("//") && !thank_you.contains('\\');
        if !path && !is_https(thank_you) {
            findings.mended(
                read,
                "thank_you",
                format!("`{thank_you}` is neither a path nor an https address."),
                "Write /thank-you or https://www.example.com/thank-you?ref={reference}.".to_owned(),
            );
        }
        for (at, origin) in form.cors.iter().enumerate() {
            if !is_origin(origin) {
                findings.mended(
                    read,
                    &format!("cors/{at}"),
                    format!("`{origin}` is no origin."),
                    "Write scheme and host without a path, such as https://www.example.com."
                        .to_owned(),
                );
            }
        }
    }
}

fn fields(read: &Read<Form>, form: &Form, findings: &mut Findings) {
    if form.fields.is_empty() || form.fields.len() > MOST_FIELDS {
        findings.at(
            read,
            "fields",
            format!("A form has 1 to {MOST_FIELDS} fields."),
        );
    }
    for (at, field) in form.fields.iter().enumerate() {
        let place = |part: &str| format!("fields/{at}/{part}");
        let name = field.name.as_str();
        if !is_name(name) {
            let message = if RESERVED.contains(&name) {
                format!("`{name}` is a name that the server uses itself.")
            } else {
                format!("`{name}` is no name: small letters, digits, - and _ are.")
            };
            findings.at(read, &place("name"), message);
        }
        if form.fields[..at].iter().any(|other| other.name == name) {
            findings.at(
                read,
                &place("name"),
                format!("The field `{name}` is here twice."),
            );
        }
        let target = field.target();
        if form.fields[..at]
            .iter()
            .any(|other| other.target() == target)
        {
            findings.at(
                read,
                &place("maps_to"),
                format!("Two fields go to `{target}`; one would overwrite the other."),
            );
        }
        let choices = field.choices.len();
        if field.kind == FieldKind::Select && choices == 0 {
            findings.at(
                read,
                &place(""),
                format!("`{name}` is a select without `choices`."),
            );
        }
        if field.kind != FieldKind::Select && choices > 0 {
            findings.mended(
                read,
                &place("choices"),
                format!("`{name}` has `choices`, but is no select."),
                "Write `type: select`.".to_owned(),
            );
        }
        if field.choices.iter().enumerate().any(|(nth, choice)| {
            field.choices[..nth]
                .iter()
                .any(|other| other.value == choice.value)
        }) {
            findings.at(
                read,
                &place("choices"),
                format!("`{name}` has a choice twice."),
            );
        }
        if let Some(max) = field.max {
            let most = if field.kind == FieldKind::Photos {
                5
            } else {
                10_000
            };
            if max == 0 || max > most {
                findings.at(
                    read,
                    &place("max"),
                    format!("`max` of `{name}` is 1 to {most}."),
                );
            }
        }
        let wanted = match target {
            Target::Lead(LeadField::Phone) => Some(("phone", FieldKind::Phone)),
            Target::Lead(LeadField::Email) => Some(("email", FieldKind::Email)),
            _ => None,
        };
        if let Some((word, kind)) = wanted
            && field.kind != kind
            && field.kind != FieldKind::Hidden
        {
            findings.mended(
                read,
                &place("type"),
                format!("`{name}` fills the lead's {word}, so a mistake in it must be found while the person is there."),
                format!("Write `type: {word}`."),
            );
        }
    }
    let reachable = form.fields.iter().any(|field| {
        matches!(
            field.target(),
            Target::Lead(LeadField::Phone | LeadField::Email)
        )
    });
    if !reachable {
        findings.at(
            read,
            "fields",
            "The form asks neither for a phone number nor for an email address, so nobody can be answered.",
        );
    }
}

fn steps(read: &Read<Form>, form: &Form, findings: &mut Findings) {
    if form.steps.is_empty() {
        return;
    }
    let mut seen: Vec<&str> = Vec::new();
    for (page, names) in form.steps.iter().enumerate() {
        for (at, name) in names.iter().enumerate() {
            let place = format!("steps/{page}/{at}");
            let known = form.fields.iter().map(|field| field.name.as_str());
            findings.known(read, &place, "field", name, known);
            if seen.contains(&name.as_str()) {
                findings.at(read, &place, format!("`{name}` is asked twice."));
            }
            seen.push(name);
        }
    }
    for field in &form.fields {
        if !seen.contains(&field.name.as_str()) {
            findings.at(
                read,
                "steps",
                format!("No step asks for the field `{}`.", field.name),
            );
        }
    }
}

fn consents(draft: &Draft, read: &Read<Form>, form: &Form, findings: &mut Findings) {
    let us = draft
        .settings
        .as_ref()
        .and_then(|read| read.value.as_ref())
        .is_none_or(|settings| settings.region.as_str() == "US");
    for (at, consent) in form.consents.iter().enumerate() {
        let place = |part: &str| format!("consents/{at}/{part}");
        let names = form.fields.iter().map(|field| field.name.as_str());
        if !findings.known(read, &place("field"), "field", &consent.field, names) {
            continue;
        }
        let Some(field) = form.field(&consent.field) else {
            continue;
        };
        if field.kind != FieldKind::Checkbox {
            findings.mended(
                read,
                &place("field"),
                format!(
                    "Consent is an act: `{}` has to be a box that people tick.",
                    field.name
                ),
                "Write `type: checkbox`.".to_owned(),
            );
        }
        if field.required {
            findings.at(
                read,
                &place("field"),
                format!(
                    "`{}` is required, but consent may not be a condition (US-1, GDPR 7(4)).",
                    field.name
                ),
            );
        }
        if form.consents[..at]
            .iter()
            .any(|other| other.field == consent.field)
        {
            findings.at(
                read,
                &place("field"),
                format!(
                    "The box `{}` stands for two consents; every purpose has its own.",
                    field.name
                ),
            );
        }
        let words = consent.wording.to_lowercase();
        if words.trim().is_empty() || words.chars().count() > 2_000 {
            findings.at(
                read,
                &place("wording"),
                "`wording` has 1 to 2000 characters.",
            );
            continue;
        }
        let marketing = matches!(
            consent.purpose,
            Purpose::Promotional | Purpose::AutomatedCall
        );
        if us && marketing && consent.channel == ChannelKind::Sms {
            // What written consent has to say, 47 CFR 64.1200(f)(9), and what carriers add.
            let parts = [
                ("who asks: {business}", words.contains("{business}")),
                (
                    "that the texts are automated marketing",
                    words.contains("automated") && words.contains("marketing"),
                ),
                (
                    "that it is not a condition of a purchase",
                    words.contains("not a condition"),
                ),
                ("how often", words.contains("frequency")),
                (
                    "that message and data rates may apply",
                    words.contains("rates may apply"),
                ),
                (
                    "STOP and HELP",
                    words.contains("stop") && words.contains("help"),
                ),
            ];
            for (part, is_there) in parts {
                if !is_there {
                    findings.at(
                        read,
                        &place("wording"),
                        format!("Written consent to marketing texts has to say {part} (US-1)."),
                    );
                }
            }
        }
    }
}

fn anti_spam(read: &Read<Form>, form: &Form, findings: &mut Findings) {
    let spam = &form.anti_spam;
    if !is_name(&spam.honeypot) || form.field(&spam.honeypot).is_some() {
        findings.at(
            read,
            "anti_spam/honeypot",
            format!(
                "`{}` cannot be the trap: it is a name that no field has.",
                spam.honeypot
            ),
        );
    }
    if spam.min_seconds > 60 {
        findings.at(
            read,
            "anti_spam/min_seconds",
            "People fill in a short form within a minute: `min_seconds` is at most 60.",
        );
    }
    if !(1..=168).contains(&spam.max_hours) {
        findings.at(
            read,
            "anti_spam/max_hours",
            "`max_hours` is 1 to 168, a week.",
        );
    }
    for (place, value) in [
        ("anti_spam/per_ip_per_minute", spam.per_ip_per_minute),
        ("anti_spam/per_ip_per_hour", spam.per_ip_per_hour),
        ("anti_spam/per_minute", spam.per_minute),
    ] {
        if value == 0 {
            findings.at(read, place, "With 0 nobody could send the form.");
        }
    }
    if spam.duplicate_window > Duration::from_secs(86_400) {
        findings.at(
            read,
            "anti_spam/duplicate_window",
            "A day later the same words are a new question: `duplicate_window` is at most 1d.",
        );
    }
}
