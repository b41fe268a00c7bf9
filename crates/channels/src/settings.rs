//! Reading the settings of a connection: all strings, checked once, refused with advice.

use crate::mail::mailbox;
use crate::{
    catalogue::ProviderInfo,
    channel::Rate,
    http::{Http, parse_url},
};
use http::{HeaderMap, HeaderValue, Uri, header};
use lettre::message::Mailbox;
use std::{collections::BTreeMap, time::Duration};

/// Which setting is wrong, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{setting}: {advice}")]
pub struct SettingsError {
    /// The setting's name, as in the catalogue.
    pub setting: String,
    /// A sentence for the person who fills in the form.
    pub advice: String,
}

impl SettingsError {
    pub(crate) fn new(setting: &str, advice: impl Into<String>) -> Self {
        Self {
            setting: setting.to_owned(),
            advice: advice.into(),
        }
    }
}

/// The settings of one connection, held against the catalogue: every name is known, what is required is there, what has choices
/// is one of them, and no value can break out of a header.
pub(crate) struct Settings<'a>(&'a BTreeMap<String, String>);

impl<'a> Settings<'a> {
    pub fn checked(
        provider: &ProviderInfo,
        values: &'a BTreeMap<String, String>,
    ) -> Result<Self, SettingsError> {
        for (name, value) in values {
            let Some(info) = provider.all_settings().find(|one| one.name == name) else {
                let known: Vec<&str> = provider.all_settings().map(|one| one.name).collect();
                return Err(SettingsError::new(
                    name,
                    format!(
                        "{} has no such setting; it has {}.",
                        provider.label,
                        known.join(", ")
                    ),
                ));
            };
            if value.len() > 4096 || value.contains(['\r', '\n', '\0']) {
                return Err(SettingsError::new(
                    name,
                    "This must be one line of at most 4096 characters.",
                ));
            }
            if !info.choices.is_empty()
                && !value.trim().is_empty()
                && !info.choices.contains(&value.trim())
            {
                return Err(SettingsError::new(
                    name,
                    format!("Choose one of {}.", info.choices.join(", ")),
                ));
            }
        }
        let settings = Self(values);
        for info in provider.settings.iter().filter(|one| one.required) {
            if settings.get(info.name).is_none() {
                return Err(SettingsError::new(
                    info.name,
                    format!("{} is missing. {}", info.label, info.help),
                ));
            }
        }
        Ok(settings)
    }

    /// A value; blank ones count as not given.
    pub fn get(&self, name: &str) -> Option<&'a str> {
        self.0
            .get(name)
            .map(|value| value.trim())
            .filter(|value| !value.is_empty())
    }

    /// A value that the catalogue calls required.
    pub fn required(&self, name: &str) -> Result<&'a str, SettingsError> {
        self.get(name)
            .ok_or_else(|| SettingsError::new(name, "This is missing."))
    }

    /// A sender: `hello@example.test` or `Acme <hello@example.test>`.
    pub fn sender(&self, name: &str) -> Result<Mailbox, SettingsError> {
        mailbox(self.required(name)?).ok_or_else(|| {
            SettingsError::new(
                name,
                "Write an address such as hello@example.com or Acme <hello@example.com>.",
            )
        })
    }

    /// Where the provider is called: `base_url`, else the provider's own address. Without a slash at the end.
    pub fn base(&self, default: &str, http: &Http) -> Result<String, SettingsError> {
        let typed = self.get("base_url").unwrap_or(default);
        self.url("base_url", typed, http)
            .map(|uri| uri.to_string().trim_end_matches('/').to_owned())
            .and_then(|base| {
                if base.contains('?') {
                    return Err(SettingsError::new(
                        "base_url",
                        "Leave out the part after ?.",
                    ));
                }
                Ok(base)
            })
    }

    /// An address that may be called.
    pub fn url(&self, name: &str, typed: &str, http: &Http) -> Result<Uri, SettingsError> {
        let uri = parse_url(typed).map_err(|advice| SettingsError::new(name, advice))?;
        http.check(&uri)
            .map_err(|advice| SettingsError::new(name, advice))?;
        Ok(uri)
    }

    /// The headers of an API that speaks JSON and knows us by the key in the setting `name`.
    pub fn json_headers(&self, name: &str) -> Result<HeaderMap, SettingsError> {
        const JSON: HeaderValue = HeaderValue::from_static("application/json");
        let bearer = format!("Bearer {}", self.required(name)?);
        let mut headers = HeaderMap::new();
        headers.insert(header::AUTHORIZATION, secret_header(name, &bearer)?);
        headers.insert(header::CONTENT_TYPE, JSON);
        headers.insert(header::ACCEPT, JSON);
        headers.insert(header::USER_AGENT, crate::user_agent());
        Ok(headers)
    }

    /// The limit that the account has, when it was set.
    pub fn rate(&self) -> Result<Option<Rate>, SettingsError> {
        let Some(text) = self.get("rate_per_second") else {
            return Ok(None);
        };
        match text.parse::<u32>() {
            Ok(count @ 1..=100_000) => Ok(Some(Rate {
                count,
                per: Duration::from_secs(1),
            })),
            _ => Err(SettingsError::new(
                "rate_per_second",
                "Write a whole number from 1 to 100000.",
            )),
        }
    }
}

/// An address made from a checked base and a path of ours.
pub(crate) fn under(base: &str, path: &str) -> Result<Uri, SettingsError> {
    format!("{base}{path}")
        .parse()
        .map_err(|_| SettingsError::new("base_url", "This is not an address that can be called."))
}

/// A header value in ASCII.
pub(crate) fn plain_header(name: &str, value: &str) -> Result<HeaderValue, SettingsError> {
    HeaderValue::from_str(value)
        .ok()
        .filter(|_| value.is_ascii())
        .ok_or_else(|| {
            SettingsError::new(
                name,
                "This has characters that cannot be sent; copy it again.",
            )
        })
}

/// A header value that never shows in logs.
pub(crate) fn secret_header(name: &str, value: &str) -> Result<HeaderValue, SettingsError> {
    let mut header = plain_header(name, value)?;
    header.set_sensitive(true);
    Ok(header)
}
