//! `forms/*.yaml`: what a public form asks, where the answers go, and how it keeps robots out (L2, L3).

use super::durations;
use crate::messages::ChannelKind;
use serde::de::{self, Deserializer, Visitor};
use serde::{Deserialize, Serialize, Serializer};
use std::{fmt, time::Duration};

/// A public form.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Form {
    /// The name, which is the file's too.
    pub name: String,
    /// What people call it.
    pub label: Option<String>,
    /// The product its leads belong to; none is decided by the routing list.
    pub product: Option<String>,
    /// The source its leads get; none is the form's name.
    pub source: Option<String>,
    /// What is asked, in order.
    pub fields: Vec<Field>,
    /// A form of several pages: which fields are on which. Empty: one page.
    #[serde(default)]
    pub steps: Vec<Vec<String>>,
    /// Boxes that give consent, one for each purpose (C1).
    #[serde(default)]
    pub consents: Vec<Consent>,
    /// How robots are kept out (L3).
    #[serde(default)]
    pub anti_spam: AntiSpam,
    /// Where a browser goes afterwards: a path or an https address; `{reference}` in it becomes the reference number.
    #[serde(default = "thank_you")]
    pub thank_you: String,
    /// Pages of other origins that may post it by script, such as `https://www.example.com`.
    #[serde(default)]
    pub cors: Vec<String>,
}

fn thank_you() -> String {
    "/thank-you".to_owned()
}

impl Form {
    /// A field by name.
    pub fn field(&self, name: &str) -> Option<&Field> {
        self.fields.iter().find(|field| field.name == name)
    }

    /// What people call it.
    pub fn title(&self) -> &str {
        self.label.as_deref().unwrap_or(&self.name)
    }

    /// The source its leads get.
    pub fn source(&self) -> &str {
        self.source.as_deref().unwrap_or(&self.name)
    }

    /// The pages of the form, each with its fields in order.
    pub fn pages(&self) -> Vec<Vec<&Field>> {
        if self.steps.is_empty() {
            return vec![self.fields.iter().collect()];
        }
        self.steps
            .iter()
            .map(|names| names.iter().filter_map(|name| self.field(name)).collect())
            .collect()
    }
}

/// One question.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Field {
    /// The name in the form's HTML.
    pub name: String,
    /// What people read beside it.
    pub label: Option<String>,
    /// What kind of answer it takes.
    #[serde(rename = "type", default)]
    pub kind: FieldKind,
    /// Without an answer the form is refused.
    #[serde(default)]
    pub required: bool,
    /// The most characters of an answer, or the most photos.
    pub max: Option<u32>,
    /// The answers of a `select`.
    #[serde(default)]
    pub choices: Vec<Choice>,
    /// Where the answer goes; none is the lead's field of that name, else the attribute of that name.
    pub maps_to: Option<Target>,
    /// What the answer is needed for, in words for the person (GDPR 5(1)(c)).
    pub purpose: Option<String>,
    /// A line of help under it.
    pub hint: Option<String>,
}

impl Field {
    /// What people read beside it.
    pub fn title(&self) -> &str {
        self.label.as_deref().unwrap_or(&self.name)
    }

    /// Where the answer goes.
    pub fn target(&self) -> Target {
        self.maps_to
            .clone()
            .unwrap_or_else(|| match LeadField::from_name(&self.name) {
                Some(field) => Target::Lead(field),
                None => Target::Attribute(self.name.clone()),
            })
    }

    /// The most characters of an answer (or photos), written down or by kind.
    pub fn most(&self) -> u32 {
        self.max.unwrap_or(match self.kind {
            FieldKind::Textarea => 2_000,
            FieldKind::Email => 254,
            FieldKind::Phone => 40,
            FieldKind::Photos => 5,
            _ => 200,
        })
    }
}

/// What kind of answer a field takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FieldKind {
    /// A line of text.
    #[default]
    Text,
    /// A phone number, brought to E.164 (L6).
    Phone,
    /// An email address (L6).
    Email,
    /// A number.
    Number,
    /// One of the choices.
    Select,
    /// Yes or no.
    Checkbox,
    /// A day, `2026-11-23`.
    Date,
    /// Several lines of text.
    Textarea,
    /// Filled by the page, not by the person.
    Hidden,
    /// Images (L4).
    Photos,
}

/// One answer of a `select`: `replacement`, or `{ value: replacement, label: Windshield replacement }`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Choice {
    /// What is stored.
    pub value: String,
    /// What people read.
    pub label: String,
}

impl<'de> Deserialize<'de> for Choice {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Both {
            value: String,
            label: Option<String>,
        }
        struct OneChoice;
        impl<'de> Visitor<'de> for OneChoice {
            type Value = Choice;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text or `{ value, label }`")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Choice, E> {
                Ok(Choice {
                    value: text.to_owned(),
                    label: text.to_owned(),
                })
            }
            fn visit_i64<E: de::Error>(self, number: i64) -> Result<Choice, E> {
                self.visit_str(&number.to_string())
            }
            fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<Choice, A::Error> {
                let both = Both::deserialize(de::value::MapAccessDeserializer::new(map))?;
                Ok(Choice {
                    label: both.label.unwrap_or_else(|| both.value.clone()),
                    value: both.value,
                })
            }
        }
        from.deserialize_any(OneChoice)
    }
}

/// Where an answer goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// A field of the lead.
    Lead(LeadField),
    /// An attribute of the lead, by name.
    Attribute(String),
}

impl Target {
    fn read(text: &str) -> Result<Self, String> {
        if let Some(name) = text.strip_prefix("attributes.") {
            return if super::is_name(name) {
                Ok(Self::Attribute(name.to_owned()))
            } else {
                Err(format!(
                    "`{name}` is no name of an attribute: small letters, digits and _ are."
                ))
            };
        }
        LeadField::from_name(text).map(Self::Lead).ok_or_else(|| {
            let words: Vec<&str> = LeadField::ALL.iter().map(|field| field.as_str()).collect();
            format!(
                "`{text}` is no field of a lead. Write attributes.{text}, or one of {}.",
                words.join(", ")
            )
        })
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lead(field) => f.write_str(field.as_str()),
            Self::Attribute(name) => write!(f, "attributes.{name}"),
        }
    }
}

impl Serialize for Target {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Target {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Self::read(&String::deserialize(from)?).map_err(de::Error::custom)
    }
}

crate::messages::closed_list! {
    /// The fields of a lead that a form can fill.
    LeadField {
        /// Given name.
        FirstName = 0, "first_name";
        /// Family name.
        LastName = 1, "last_name";
        /// Phone number.
        Phone = 2, "phone";
        /// Email address.
        Email = 3, "email";
        /// Town.
        City = 4, "city";
        /// State or province.
        State = 5, "state";
        /// ZIP or postal code.
        Zip = 6, "zip";
        /// Country, ISO 3166-1 alpha-2.
        Country = 7, "country";
    }
}

/// A box that gives consent (C1). It is never ticked in advance and never required.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Consent {
    /// The checkbox among the fields.
    pub field: String,
    /// The channel it is for.
    pub channel: ChannelKind,
    /// What it allows.
    pub purpose: Purpose,
    /// The words beside the box, kept with the consent; `{business}` becomes the tenant's name.
    pub wording: String,
}

/// What a consent allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// Messages about what the person asked for.
    Transactional,
    /// Messages that want to sell.
    Promotional,
    /// Calls by machine.
    AutomatedCall,
    /// Seeing opens and clicks.
    Tracking,
}

/// How robots are kept out (L3).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AntiSpam {
    /// A field that people do not see; who fills it is a robot.
    pub honeypot: String,
    /// Faster than a person can type.
    pub min_seconds: u32,
    /// Older than a page stays open.
    pub max_hours: u32,
    /// From one address in a minute.
    pub per_ip_per_minute: u32,
    /// From one address in an hour.
    pub per_ip_per_hour: u32,
    /// Of the whole form in a minute.
    pub per_minute: u32,
    /// The same content within this time is the same submission.
    #[serde(with = "durations")]
    pub duplicate_window: Duration,
}

impl Default for AntiSpam {
    fn default() -> Self {
        Self {
            honeypot: "company_website".to_owned(),
            min_seconds: 2,
            max_hours: 24,
            per_ip_per_minute: 5,
            per_ip_per_hour: 30,
            per_minute: 60,
            duplicate_window: Duration::from_secs(600),
        }
    }
}
