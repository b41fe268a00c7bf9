//! The providers there are, what each wants to know, and opening a connection to one.

use crate::{
    channel::Channel, http::Http, http_sms, resend, sandbox, sendgrid, ses, settings::Settings,
    settings::SettingsError, smtp, twilio, webhook,
};
use ringback_core::messages::ChannelKind;
use std::{collections::BTreeMap, sync::Arc};

/// A provider, as a form and a check see it.
#[derive(Debug, Clone, Copy)]
pub struct ProviderInfo {
    /// The name in the API.
    pub name: &'static str,
    /// The way its messages travel. The sandbox is listed once for each.
    pub channel: ChannelKind,
    /// The name for people.
    pub label: &'static str,
    /// What it wants to know, in the order of a form.
    pub settings: &'static [SettingInfo],
}

/// One setting of a provider.
#[derive(Debug, Clone, Copy)]
pub struct SettingInfo {
    /// The name in the API.
    pub name: &'static str,
    /// The name for people.
    pub label: &'static str,
    /// Kept encrypted and never answered back (X5).
    pub secret: bool,
    /// The connection cannot be opened without it.
    pub required: bool,
    /// A sentence: where to find it, what it does, its default.
    pub help: &'static str,
    /// The values it can have; empty when it is free text.
    pub choices: &'static [&'static str],
}

impl SettingInfo {
    pub(crate) const fn needed(
        name: &'static str,
        label: &'static str,
        help: &'static str,
    ) -> Self {
        Self {
            name,
            label,
            secret: false,
            required: true,
            help,
            choices: &[],
        }
    }

    pub(crate) const fn optional(
        name: &'static str,
        label: &'static str,
        help: &'static str,
    ) -> Self {
        Self {
            required: false,
            ..Self::needed(name, label, help)
        }
    }

    pub(crate) const fn secret(self) -> Self {
        Self {
            secret: true,
            ..self
        }
    }

    pub(crate) const fn one_of(self, choices: &'static [&'static str]) -> Self {
        Self { choices, ..self }
    }
}

/// What all HTTP providers can be told.
pub(crate) const BASE_URL: SettingInfo = SettingInfo::optional(
    "base_url",
    "API address",
    "Another address to call instead of the provider's own: a regional one, or a stand-in for tests.",
);
pub(crate) const RATE: SettingInfo = SettingInfo::optional(
    "rate_per_second",
    "Messages a second",
    "The limit of your account, when you know it. Without it only the provider's own refusals slow us down.",
);

/// What every connection can be told: how much of it may be used, whatever its provider allows.
const EVERYWHERE: &[SettingInfo] = &[
    SettingInfo::optional(
        MOST_PER_HOUR,
        "Messages an hour",
        "The most this connection carries in an hour. What is over it takes the next connection, or waits.",
    ),
    SettingInfo::optional(
        MOST_PER_DAY,
        "Messages a day",
        "The most this connection carries in a day, such as the daily limit of a new account.",
    ),
];
/// The registered campaign behind a sender of texts.
pub(crate) const CAMPAIGN: SettingInfo = SettingInfo::optional(
    "campaign",
    "Registered campaign (10DLC)",
    "The id of the registered campaign that the number or messaging service belongs to. US carriers block long codes without one, so without it nothing is sent to numbers in the United States.",
);
pub(crate) const TOLL_FREE: SettingInfo = SettingInfo::optional(
    "toll_free_verified",
    "Toll-free number is verified",
    "Yes once the provider has verified the toll-free number you send from. Without it nothing is sent to numbers in the United States.",
)
.one_of(&["no", "yes"]);

const MOST_PER_HOUR: &str = "most_per_hour";
const MOST_PER_DAY: &str = "most_per_day";

impl ProviderInfo {
    /// Every setting of a connection: the provider's own, then what all of them have.
    pub fn all_settings(&self) -> impl Iterator<Item = &'static SettingInfo> + use<> {
        let everywhere = if self.name == "sandbox" {
            &[]
        } else {
            EVERYWHERE
        };
        self.settings.iter().chain(everywhere)
    }
}

/// The most messages of a connection in an hour and in a day, as they were set.
pub fn most_of(
    settings: &BTreeMap<String, String>,
) -> Result<(Option<u32>, Option<u32>), SettingsError> {
    let read = |name: &str| match settings.get(name).map(|text| text.trim()) {
        None | Some("") => Ok(None),
        Some(text) => match text.parse::<u32>() {
            Ok(most @ 1..) => Ok(Some(most)),
            _ => Err(SettingsError::new(name, "Write a whole number from 1.")),
        },
    };
    Ok((read(MOST_PER_HOUR)?, read(MOST_PER_DAY)?))
}

/// Every provider, in the order of a menu.
pub fn catalogue() -> &'static [ProviderInfo] {
    const ALL: &[ProviderInfo] = &[
        twilio::INFO,
        http_sms::INFO,
        resend::INFO,
        ses::INFO,
        sendgrid::INFO,
        smtp::INFO,
        webhook::INFO,
        sandbox::SMS,
        sandbox::EMAIL,
        sandbox::WEBHOOK,
    ];
    ALL
}

/// The provider of this name.
pub(crate) fn find(name: &str) -> Result<&'static ProviderInfo, SettingsError> {
    catalogue()
        .iter()
        .find(|one| one.name == name)
        .ok_or_else(|| {
            let mut known: Vec<&str> = catalogue().iter().map(|one| one.name).collect();
            known.dedup();
            SettingsError::new(
                "provider",
                format!(
                    "There is no provider of this name; there are {}.",
                    known.join(", ")
                ),
            )
        })
}

/// Opens a connection. Nothing is called yet; [`Channel::probe`] does.
pub fn open(
    provider: &str,
    settings: &BTreeMap<String, String>,
    http: &Http,
) -> Result<Arc<dyn Channel>, SettingsError> {
    let info = find(provider)?;
    most_of(settings)?;
    let settings = Settings::checked(info, settings)?;
    Ok(match info.name {
        "twilio" => Arc::new(twilio::Twilio::open(&settings, http)?),
        "http_sms" => Arc::new(http_sms::HttpSms::open(&settings, http)?),
        "resend" => Arc::new(resend::Resend::open(&settings, http)?),
        "ses" => Arc::new(ses::Ses::open(&settings, http)?),
        "sendgrid" => Arc::new(sendgrid::SendGrid::open(&settings, http)?),
        "smtp" => Arc::new(smtp::Smtp::open(&settings, http)?),
        "webhook" => Arc::new(webhook::Webhook::open(&settings, http)?),
        _ => Arc::new(sandbox::Sandbox::open(&settings)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_provider_explains_its_settings() {
        for provider in catalogue() {
            assert!(!provider.label.is_empty());
            for setting in provider.settings {
                assert!(
                    setting.help.ends_with('.'),
                    "{} {}",
                    provider.name,
                    setting.name
                );
                assert!(
                    setting
                        .name
                        .bytes()
                        .all(|b| b.is_ascii_lowercase() || b == b'_'),
                    "{} {}",
                    provider.name,
                    setting.name
                );
            }
            if provider.name != "sandbox" {
                let has = |name| provider.settings.iter().any(|one| one.name == name);
                assert!(
                    has("base_url") || has("host") || has("url"),
                    "{}",
                    provider.name
                );
            }
        }
    }

    /// X5: whatever opens a door is marked as a secret.
    #[test]
    fn secrets_are_marked() {
        for provider in catalogue() {
            for setting in provider.settings {
                let sounds_secret = ["token", "key", "secret", "password", "bearer"]
                    .iter()
                    .any(|word| setting.name.contains(word))
                    && setting.name != "access_key_id"
                    && !setting.name.starts_with("verification_key"); // public
                assert_eq!(
                    setting.secret, sounds_secret,
                    "{} {}",
                    provider.name, setting.name
                );
            }
        }
    }
}
