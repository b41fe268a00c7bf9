//! An account as the API shows it: without its secrets.

use crate::app::App;
use crate::registry::Home;
use ringback_channels::catalogue;
use ringback_core::ids::ConnectionId;
use ringback_core::messages::ChannelKind;
use ringback_core::time::{Timestamp, from_micros};
use ringback_core::turn::{Registration, Resting};
use ringback_store::ConnectionRow;
use serde::Serialize;
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// An account at a provider.
#[derive(Debug, Serialize, ToSchema)]
pub struct ConnectionBody {
    /// Its id.
    #[schema(value_type = String, example = "con_0h3kq2m8x7v5t")]
    id: ConnectionId,
    /// What it carries.
    #[schema(value_type = String)]
    channel: ChannelKind,
    /// The provider.
    provider: String,
    /// Its name.
    name: String,
    /// Settings that are no secrets.
    #[schema(value_type = Object)]
    settings: BTreeMap<String, String>,
    /// Secrets that are set; they are never answered back.
    secrets: Vec<String>,
    /// The order in which accounts are tried.
    order: i64,
    /// On or off.
    enabled: bool,
    /// What is wrong with it, as far as we know.
    trouble: Option<String>,
    /// Why it may not text numbers in the United States, and the mend; null when it may (US-15).
    lacks_registration: Option<String>,
    /// Since when it rests after repeated failures, why, and when one message tries it again; null while it is called as ever.
    rests: Option<RestBody>,
    /// Where the provider's reports and replies go.
    webhook_url: String,
    /// Since when.
    created_at: Timestamp,
}

/// An account that is not called for a while because its calls failed (M5).
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct RestBody {
    /// Since when.
    since: Timestamp,
    /// When one message tries it again.
    try_at: Timestamp,
    /// How many such tries failed.
    failed_tries: u32,
    /// What was seen, a sentence.
    because: String,
}

impl RestBody {
    /// What was seen.
    pub fn because(&self) -> &str {
        &self.because
    }

    /// As it is kept.
    pub fn new(resting: &Resting) -> Self {
        Self {
            since: from_micros(resting.since),
            try_at: from_micros(resting.probe_at),
            failed_tries: resting.failed_probes,
            because: resting.because.clone(),
        }
    }
}

impl ConnectionBody {
    /// An account without its secrets. A setting counts as secret unless the catalogue says that it is none.
    pub(super) fn new(app: &App, home: &Home, row: &ConnectionRow) -> Self {
        let all = app
            .registry
            .master()
            .open(home.row.id, row.id, &row.settings);
        let sealed = all.as_ref().err().map(ToString::to_string);
        let info = catalogue()
            .iter()
            .find(|one| one.name == row.provider && one.channel == row.channel);
        let open = |name: &str| {
            info.is_some_and(|info| {
                info.all_settings()
                    .any(|one| one.name == name && !one.secret)
            })
        };
        let lacks_registration = match &all {
            Ok(all) => match ringback_channels::registration_of(&row.provider, all) {
                Registration::Missing(mend) => Some(mend),
                Registration::NotNeeded | Registration::Registered(_) => None,
            },
            Err(_) => None,
        };
        let (settings, secrets): (BTreeMap<_, _>, BTreeMap<_, _>) = all
            .unwrap_or_default()
            .into_iter()
            .partition(|(name, _)| open(name));
        Self {
            id: row.id,
            channel: row.channel,
            provider: row.provider.clone(),
            name: row.name.clone(),
            settings,
            secrets: secrets.into_keys().collect(),
            order: row.position,
            enabled: row.enabled,
            trouble: row.trouble.clone().or(sealed),
            lacks_registration,
            rests: row.breaker.as_ref().map(RestBody::new),
            webhook_url: crate::loops::webhook_url(&app.settings.public_url, row),
            created_at: row.created_at,
        }
    }
}
