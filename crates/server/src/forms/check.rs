//! Answers become a lead's data: every one is parsed by its field's type, and what cannot be used is said at the field (L6).

use super::posted::Posted;
use ringback_core::config::{Field, FieldKind, Form, LeadField, Target};
use ringback_core::contact::{Email, Phone};
use ringback_core::leads::Profile;
use ringback_core::places::Region;
use serde_json::{Number, Value};

/// What is wrong with an answer, in words for the person who gave it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wrong {
    /// The field's name.
    pub(super) field: String,
    /// What people read beside it.
    pub(super) label: String,
    /// What is wrong and what to do.
    pub(super) say: String,
}

/// What the answers come to.
#[derive(Debug, Clone, Default)]
pub(super) struct Filled {
    pub(super) profile: Profile,
    pub(super) phone: Option<Phone>,
    pub(super) email: Option<Email>,
    /// The boxes that were ticked, by field.
    pub(super) consents: Vec<String>,
}

/// The longest answer that a lead's own field takes.
const MOST_LEAD_TEXT: u32 = 200;

/// Reads the answers to these fields of a form.
pub(super) fn check(
    form: &Form,
    fields: &[&Field],
    posted: &Posted,
    region: Region,
) -> (Filled, Vec<Wrong>) {
    let mut filled = Filled::default();
    let mut wrong = Vec::new();
    for field in fields {
        if let Err(say) = one(form, field, posted, region, &mut filled) {
            wrong.push(Wrong {
                field: field.name.clone(),
                label: field.title().to_owned(),
                say,
            });
        }
    }
    for name in &posted.files {
        let label = form
            .field(name)
            .map_or(name.as_str(), Field::title)
            .to_owned();
        let say = "Files cannot be taken here. Send the form without them; we ask for them when we answer.".to_owned();
        if wrong.iter().all(|one| one.field != *name) {
            wrong.push(Wrong {
                field: name.clone(),
                label,
                say,
            });
        }
    }
    (filled, wrong)
}

/// Whether a box was ticked, as browsers and scripts say it.
pub(super) fn ticked(value: &str) -> Option<bool> {
    match value.to_ascii_lowercase().as_str() {
        "on" | "true" | "yes" | "1" | "y" => Some(true),
        "off" | "false" | "no" | "0" | "n" => Some(false),
        _ => None,
    }
}

fn one(
    form: &Form,
    field: &Field,
    posted: &Posted,
    region: Region,
    filled: &mut Filled,
) -> Result<(), String> {
    let title = field.title();
    let Some(text) = posted.get(&field.name) else {
        return match (field.required, field.kind) {
            (false, _) | (true, FieldKind::Photos) => Ok(()),
            (true, FieldKind::Checkbox) => Err(format!("Tick “{title}”.")),
            (true, FieldKind::Select) => Err(format!("Choose an answer to “{title}”.")),
            (true, _) => Err(format!("“{title}” is missing.")),
        };
    };
    let most = field.most();
    let long = text.chars().count();
    if long > most as usize {
        return Err(format!(
            "This is {long} characters long; there is room for {most}."
        ));
    }
    if text.chars().any(|c| {
        c.is_control() && !(field.kind == FieldKind::Textarea && matches!(c, '\n' | '\r' | '\t'))
    }) {
        return Err("This holds a character that cannot be shown. Type it again.".to_owned());
    }
    let value = match field.kind {
        FieldKind::Checkbox => {
            let yes = ticked(text).ok_or_else(|| "This is a box: yes or no.".to_owned())?;
            if form
                .consents
                .iter()
                .any(|consent| consent.field == field.name)
            {
                if yes {
                    filled.consents.push(field.name.clone());
                }
                return Ok(());
            }
            if field.required && !yes {
                return Err(format!("Tick “{title}”."));
            }
            Value::Bool(yes)
        }
        FieldKind::Number => number(text)?,
        FieldKind::Select => {
            if !field.choices.iter().any(|choice| choice.value == text) {
                return Err("Choose one of the answers that are offered.".to_owned());
            }
            Value::String(text.to_owned())
        }
        FieldKind::Date => {
            let date: jiff::civil::Date = text
                .parse()
                .map_err(|_| "Write the day as year, month, day, such as 2026-11-23.".to_owned())?;
            if !(1900..=2200).contains(&date.year()) {
                return Err("This day is too far away.".to_owned());
            }
            Value::String(date.to_string())
        }
        FieldKind::Phone => {
            let phone = Phone::parse(text, region).map_err(|why| why.advice())?;
            let written = Value::String(phone.as_str().to_owned());
            if field.target() == Target::Lead(LeadField::Phone) {
                filled.phone = Some(phone);
                return Ok(());
            }
            written
        }
        FieldKind::Email => {
            let email = Email::parse(text).map_err(|why| why.advice())?;
            let written = Value::String(email.as_str().to_owned());
            if field.target() == Target::Lead(LeadField::Email) {
                filled.email = Some(email);
                return Ok(());
            }
            written
        }
        FieldKind::Photos => return Ok(()),
        FieldKind::Text | FieldKind::Textarea | FieldKind::Hidden => {
            Value::String(text.replace("\r\n", "\n"))
        }
    };
    place(field, value, region, filled)
}

/// A number as people write it, whole or with decimals.
fn number(text: &str) -> Result<Value, String> {
    let plain = text.replace([',', ' '], "");
    if let Ok(whole) = plain.parse::<i64>() {
        return Ok(Value::from(whole));
    }
    let parsed = plain
        .parse::<f64>()
        .ok()
        .and_then(Number::from_f64)
        .map(Value::Number);
    parsed.ok_or_else(|| "Write this in digits, such as 2021.".to_owned())
}

/// Puts an answer where the field says.
fn place(field: &Field, value: Value, region: Region, filled: &mut Filled) -> Result<(), String> {
    let to = match field.target() {
        Target::Attribute(name) => {
            filled.profile.attributes.insert(name, value);
            return Ok(());
        }
        Target::Lead(to) => to,
    };
    let text = match value {
        Value::String(text) => text,
        other => other.to_string(),
    };
    if text.chars().count() > MOST_LEAD_TEXT as usize {
        return Err(format!("There is room for {MOST_LEAD_TEXT} characters."));
    }
    let profile = &mut filled.profile;
    match to {
        LeadField::FirstName => profile.first_name = Some(text),
        LeadField::LastName => profile.last_name = Some(text),
        LeadField::City => profile.city = Some(text),
        LeadField::State => profile.state = Some(text),
        LeadField::Zip => profile.zip = Some(text),
        LeadField::Country => {
            let country: Region = text
                .parse()
                .map_err(|_| "Write the country in two letters, such as US or GB.".to_owned())?;
            profile.country = Some(country.as_str().to_owned());
        }
        // A field that is typed as text but meant as contact is parsed all the same.
        LeadField::Phone => {
            filled.phone = Some(Phone::parse(&text, region).map_err(|why| why.advice())?);
        }
        LeadField::Email => filled.email = Some(Email::parse(&text).map_err(|why| why.advice())?),
    }
    Ok(())
}
