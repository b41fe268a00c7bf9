//! The records of the house: tenants, documents, connections, keys, people, errors.

use ringback_core::ids::{ConnectionId, ErrorId, KeyId, LeadId, TenantId, UserId};
use ringback_core::messages::ChannelKind;
use ringback_core::time::Timestamp;
use ringback_core::turn::{KillSwitch, Resting};

/// A tenant's own row.
#[derive(Clone, PartialEq)]
pub struct TenantRow {
    /// Its id.
    pub id: TenantId,
    /// Its name in addresses: `a-z0-9-`.
    pub slug: String,
    /// Its name.
    pub name: String,
    /// 32 random bytes: reference numbers and links are made with them.
    pub secret: Vec<u8>,
    /// Requests a minute; `None` is no limit.
    pub requests_per_minute: Option<u32>,
    /// Messages an hour, by its tier; `None` is no limit (M6).
    pub messages_per_hour: Option<u32>,
    /// Everything goes to the sandbox.
    pub sandbox: bool,
    /// What is switched off.
    pub kill: Vec<KillSwitch>,
    /// Since when.
    pub created_at: Timestamp,
}

impl std::fmt::Debug for TenantRow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TenantRow")
            .field("id", &self.id)
            .field("slug", &self.slug)
            .finish_non_exhaustive()
    }
}

/// One version of a file of a tenant's configuration. No text: the file was removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DocumentRow {
    /// Where it is in the folder.
    pub path: String,
    /// Counts up per file.
    pub version: i64,
    /// What is in it.
    pub text: Option<String>,
}

/// A version of a file, without its text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VersionRow {
    /// Where it is in the folder.
    pub path: String,
    /// Its number.
    pub version: i64,
    /// Since when it held.
    pub at: Timestamp,
    /// Who stored it.
    pub actor: String,
    /// The file was removed with it.
    pub removed: bool,
}

/// A file as it is to become.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DraftFile {
    /// Where it is in the folder.
    pub path: String,
    /// What will be in it; none is a file that goes.
    pub text: Option<String>,
    /// The version that was edited; 0 for a new file.
    pub base: i64,
    /// When it was written.
    pub at: Timestamp,
    /// Who wrote it.
    pub actor: String,
}

/// A tenant's account at a provider, its settings sealed.
#[derive(Clone, PartialEq)]
pub struct ConnectionRow {
    /// Its id.
    pub id: ConnectionId,
    /// What it carries.
    pub channel: ChannelKind,
    /// The provider.
    pub provider: String,
    /// Its name.
    pub name: String,
    /// Settings, sealed with the server's key.
    pub settings: Vec<u8>,
    /// What makes its webhook address unguessable.
    pub path_secret: String,
    /// The order in which accounts are tried.
    pub position: i64,
    /// On or off.
    pub enabled: bool,
    /// What the provider says is wrong.
    pub trouble: Option<String>,
    /// Rests after repeated failures, since when and until when (M5).
    pub breaker: Option<Resting>,
    /// Since when.
    pub created_at: Timestamp,
}

impl std::fmt::Debug for ConnectionRow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ConnectionRow")
            .field("id", &self.id)
            .field("provider", &self.provider)
            .finish_non_exhaustive()
    }
}

/// What a key may open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyKind {
    /// The API, for servers.
    Secret,
    /// The same, but messages only reach the sandbox.
    Test,
    /// Tracking calls of browsers; public (S1).
    Write,
}

impl KeyKind {
    /// The word that is stored.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Secret => "secret",
            Self::Test => "test",
            Self::Write => "write",
        }
    }
}

/// An API key. The key itself is not kept, only its hash.
#[derive(Debug, Clone, PartialEq)]
pub struct KeyRow {
    /// Its id.
    pub id: KeyId,
    /// Whose.
    pub tenant: TenantId,
    /// What it may open.
    pub kind: KeyKind,
    /// What people call it.
    pub name: String,
    /// The part that is shown and looked up.
    pub shown: String,
    /// SHA-256 of the whole key.
    pub hash: Vec<u8>,
    /// Scopes such as `leads:write`; `*` is all.
    pub scopes: Vec<String>,
    /// Until when.
    pub expires_at: Option<Timestamp>,
    /// When it was last used.
    pub last_used_at: Option<Timestamp>,
    /// Since when it opens nothing.
    pub revoked_at: Option<Timestamp>,
    /// Since when.
    pub created_at: Timestamp,
}

/// A person who signs in.
#[derive(Clone, PartialEq)]
pub struct UserRow {
    /// Its id.
    pub id: UserId,
    /// Whose.
    pub tenant: TenantId,
    /// The address, lower-cased.
    pub email: String,
    /// The name.
    pub name: String,
    /// `owner`, `admin`, `agent` or `viewer`.
    pub role: String,
    /// argon2id in PHC form.
    pub password: Option<String>,
    /// Since when.
    pub created_at: Timestamp,
    /// Since when not any more.
    pub disabled_at: Option<Timestamp>,
}

impl std::fmt::Debug for UserRow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("UserRow")
            .field("id", &self.id)
            .field("role", &self.role)
            .finish_non_exhaustive()
    }
}

/// A browser that is signed in.
#[derive(Debug, Clone, PartialEq)]
pub struct BrowserRow {
    /// Who.
    pub user: UserId,
    /// Since when.
    pub created_at: Timestamp,
    /// When it was last used.
    pub seen_at: Timestamp,
    /// Until when at most.
    pub expires_at: Timestamp,
}

/// Errors that read alike.
#[derive(Debug, Clone, PartialEq)]
pub struct ErrorRow {
    /// What they have in common.
    pub fingerprint: String,
    /// `warning`, `error` or `critical`.
    pub severity: String,
    /// What went wrong.
    pub message: String,
    /// Where: JSON.
    pub context: serde_json::Value,
    /// How often.
    pub n: i64,
    /// When first.
    pub first_at: Timestamp,
    /// When last.
    pub last_at: Timestamp,
}

/// An event that could not be decided.
#[derive(Debug, Clone, PartialEq)]
pub struct SetAsideRow {
    /// Its id.
    pub id: ErrorId,
    /// Its lead, stored all the same.
    pub lead: Option<LeadId>,
    /// Which group of errors it belongs to.
    pub fingerprint: String,
    /// What went wrong.
    pub error: String,
    /// What came in.
    pub raw: String,
    /// When.
    pub at: Timestamp,
}

/// An administrative action.
#[derive(Debug, Clone, PartialEq)]
pub struct AuditView {
    /// Its id.
    pub id: i64,
    /// When.
    pub at: Timestamp,
    /// Who.
    pub actor: String,
    /// From where.
    pub address: Option<String>,
    /// What.
    pub action: String,
    /// Details.
    pub details: serde_json::Value,
}
