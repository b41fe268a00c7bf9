//! A tenant as a turn sees it: configuration, staff, connections and switches, as they are when the turn begins.

use crate::config::TenantConfig;
use crate::ids::{ConnectionId, TenantId};
use crate::leads::ReferenceKey;
use crate::messages::{ChannelKind, Repeat};
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// A tenant with everything its rules need.
#[derive(Debug, Clone)]
pub struct Tenant {
    /// Its id.
    pub id: TenantId,
    /// Its name in addresses.
    pub slug: String,
    /// Its configuration, compiled.
    pub config: Arc<TenantConfig>,
    /// Who works its leads.
    pub staff: Vec<StaffMember>,
    /// Its accounts at providers, in the order in which they are tried.
    pub connections: Vec<Connection>,
    /// What is switched off (M12).
    pub kill: Vec<KillSwitch>,
    /// True when everything goes to the sandbox.
    pub sandbox: bool,
    /// What the operator lets it send in an hour, by its tier (M6); none is without limit.
    pub most_per_hour: Option<u32>,
    /// Its time zone.
    pub zone: TimeZone,
    /// Its key for reference numbers.
    pub references: ReferenceKey,
    /// Since a restore nothing goes to its customers until a person lets it.
    pub hold: Option<super::Hold>,
}

/// A person who works the leads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StaffMember {
    /// The name, unique in the tenant.
    pub name: String,
    /// Where texts go, E.164.
    pub phone: Option<String>,
    /// Where mails go.
    pub email: Option<String>,
    /// `owner`, `admin`, …
    pub roles: Vec<String>,
    /// Lists that the person is on.
    pub lists: Vec<String>,
    /// On call now.
    pub on_call: bool,
}

/// A tenant's account at a provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Connection {
    /// Its id.
    pub id: ConnectionId,
    /// What it carries.
    pub channel: ChannelKind,
    /// The provider's name.
    pub provider: String,
    /// Its name; hooks are called by it.
    pub name: String,
    /// False when it was switched off.
    pub enabled: bool,
    /// What can be done when the end of a call is unknown (M3).
    pub repeat: Repeat,
    /// True when the provider answers STOP itself.
    pub answers_opt_out: bool,
    /// How much it may be used (M6).
    pub pace: super::Pace,
    /// Whether carriers take its texts to numbers in the United States (US-15).
    pub registration: Registration,
}

/// Whether carriers take the texts of a connection to numbers in the United States (US-15).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Registration {
    /// Nothing asks for one: a short code, a name, a number of another country, or no texts at all.
    #[default]
    NotNeeded,
    /// It has one: what it is, such as `campaign CM…`.
    Registered(String),
    /// It lacks one: what to do about it, a sentence.
    Missing(String),
}

impl Connection {
    /// True when it may carry a message to this recipient: texts to the United States need a registered sender.
    pub fn may_reach(&self, recipient: &str) -> bool {
        !(self.channel == ChannelKind::Sms
            && matches!(self.registration, Registration::Missing(_))
            && crate::contact::Phone::from_e164(recipient).is_some_and(|phone| phone.is_american()))
    }
}

/// Something that is switched off.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KillSwitch {
    /// Everything of the tenant.
    All,
    /// One channel.
    Channel(ChannelKind),
    /// One workflow.
    Workflow(String),
    /// One workflow for all leads but a share of them.
    Share(super::Share),
}

impl Tenant {
    /// The accounts for a channel that are switched on, in order.
    pub fn ways(&self, channel: ChannelKind) -> impl Iterator<Item = &Connection> + Clone {
        self.connections
            .iter()
            .filter(move |one| one.channel == channel && one.enabled)
    }

    /// True when the tenant has any account for the channel, on or off: only a channel without one is served by the sandbox.
    pub fn has(&self, channel: ChannelKind) -> bool {
        self.connections.iter().any(|one| one.channel == channel)
    }
}
