//! What belongs to the house rather than to a lead: tenants, documents, staff, connections, keys, people who sign in, errors, audit.

use crate::rows::{from_json, json};
use crate::sql::{Statement, house};
use crate::writer::fingerprint;
use crate::{Reader, StoreError, Writer};
use ringback_core::ids::{ConnectionId, ErrorId, KeyId, LeadId, TenantId, UserId};
use ringback_core::messages::ChannelKind;
use ringback_core::time::{Timestamp, from_micros, micros};
use ringback_core::turn::{KillSwitch, StaffMember};
use rusqlite::{Connection, OptionalExtension, Params, Row, params};

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

fn all<T>(
    connection: &Connection,
    statement: &Statement,
    values: impl Params,
    map: impl Fn(&Row<'_>) -> Result<T, StoreError>,
) -> Result<Vec<T>, StoreError> {
    let at = || StoreError::at(statement.name);
    let mut prepared = connection.prepare_cached(statement.text).map_err(at())?;
    let mut rows = prepared.query(values).map_err(at())?;
    let mut out = Vec::new();
    while let Some(row) = rows.next().map_err(at())? {
        out.push(map(row)?);
    }
    Ok(out)
}

fn sqlite<T>(read: Result<T, rusqlite::Error>) -> Result<T, StoreError> {
    read.map_err(StoreError::at("reading a row"))
}

fn tenant(row: &Row<'_>) -> Result<TenantRow, StoreError> {
    let id: i64 = sqlite(row.get(0))?;
    let kill: String = sqlite(row.get(6))?;
    let kill = from_json(&kill, "tenants", id, "kill")?;
    let read = || -> Result<TenantRow, rusqlite::Error> {
        Ok(TenantRow {
            id: TenantId::from_raw(id),
            slug: row.get(1)?,
            name: row.get(2)?,
            secret: row.get(3)?,
            requests_per_minute: row.get(4)?,
            sandbox: row.get(5)?,
            kill,
            created_at: from_micros(row.get(7)?),
        })
    };
    sqlite(read())
}

fn staff(row: &Row<'_>) -> Result<StaffMember, StoreError> {
    let roles: String = sqlite(row.get(3))?;
    let lists: String = sqlite(row.get(4))?;
    Ok(StaffMember {
        name: sqlite(row.get(0))?,
        phone: sqlite(row.get(1))?,
        email: sqlite(row.get(2))?,
        roles: from_json(&roles, "staff", 0, "roles")?,
        lists: from_json(&lists, "staff", 0, "lists")?,
        on_call: sqlite(row.get(5))?,
    })
}

fn connection_row(row: &Row<'_>) -> Result<ConnectionRow, StoreError> {
    let id: i64 = sqlite(row.get(0))?;
    let channel = ChannelKind::from_code(sqlite(row.get(1))?).ok_or(StoreError::Impossible {
        table: "connections",
        id,
        column: "channel",
    })?;
    let read = || -> Result<ConnectionRow, rusqlite::Error> {
        Ok(ConnectionRow {
            id: ConnectionId::from_raw(id),
            channel,
            provider: row.get(2)?,
            name: row.get(3)?,
            settings: row.get(4)?,
            path_secret: row.get(5)?,
            position: row.get(6)?,
            enabled: row.get(7)?,
            trouble: row.get(8)?,
            created_at: from_micros(row.get(9)?),
        })
    };
    sqlite(read())
}

fn key(row: &Row<'_>) -> Result<KeyRow, StoreError> {
    let id: i64 = sqlite(row.get(0))?;
    let kind: String = sqlite(row.get(2))?;
    let kind = [KeyKind::Secret, KeyKind::Test, KeyKind::Write]
        .into_iter()
        .find(|one| one.as_str() == kind);
    let kind = kind.ok_or(StoreError::Impossible {
        table: "keys",
        id,
        column: "kind",
    })?;
    let scopes: String = sqlite(row.get(6))?;
    let scopes = from_json(&scopes, "keys", id, "scopes")?;
    let read = || -> Result<KeyRow, rusqlite::Error> {
        Ok(KeyRow {
            id: KeyId::from_raw(id),
            tenant: TenantId::from_raw(row.get(1)?),
            kind,
            name: row.get(3)?,
            shown: row.get(4)?,
            hash: row.get(5)?,
            scopes,
            expires_at: row.get::<_, Option<i64>>(7)?.map(from_micros),
            last_used_at: row.get::<_, Option<i64>>(8)?.map(from_micros),
            revoked_at: row.get::<_, Option<i64>>(9)?.map(from_micros),
            created_at: from_micros(row.get(10)?),
        })
    };
    sqlite(read())
}

fn user(row: &Row<'_>) -> Result<UserRow, StoreError> {
    let read = || -> Result<UserRow, rusqlite::Error> {
        Ok(UserRow {
            id: UserId::from_raw(row.get(0)?),
            tenant: TenantId::from_raw(row.get(1)?),
            email: row.get(2)?,
            name: row.get(3)?,
            role: row.get(4)?,
            password: row.get(5)?,
            created_at: from_micros(row.get(6)?),
            disabled_at: row.get::<_, Option<i64>>(7)?.map(from_micros),
        })
    };
    sqlite(read())
}

/// Questions about the house; the writer and every reader can answer them.
pub trait House {
    #[doc(hidden)]
    fn connection(&self) -> &Connection;

    /// Every tenant.
    fn tenants(&self) -> Result<Vec<TenantRow>, StoreError> {
        all(self.connection(), &house::TENANTS, [], tenant)
    }

    /// The files of a tenant, newest versions; removed ones are left out.
    fn documents(&self, tenant: TenantId) -> Result<Vec<DocumentRow>, StoreError> {
        let rows = all(
            self.connection(),
            &house::DOCUMENTS,
            [tenant.raw()],
            |row| {
                Ok(DocumentRow {
                    path: sqlite(row.get(0))?,
                    version: sqlite(row.get(1))?,
                    text: sqlite(row.get(2))?,
                })
            },
        )?;
        Ok(rows.into_iter().filter(|row| row.text.is_some()).collect())
    }

    /// One file, newest version or the one that is asked for.
    fn document(
        &self,
        tenant: TenantId,
        path: &str,
        version: Option<i64>,
    ) -> Result<Option<DocumentRow>, StoreError> {
        let map = |row: &Row<'_>| {
            Ok(DocumentRow {
                path: path.to_owned(),
                version: sqlite(row.get(0))?,
                text: sqlite(row.get(1))?,
            })
        };
        let rows = match version {
            Some(version) => all(
                self.connection(),
                &house::DOCUMENT_VERSION,
                params![tenant.raw(), path, version],
                map,
            )?,
            None => all(
                self.connection(),
                &house::DOCUMENT,
                params![tenant.raw(), path],
                map,
            )?,
        };
        Ok(rows.into_iter().next())
    }

    /// Workflows and versions that open runs of a tenant go by (W4).
    fn open_workflows(&self, tenant: TenantId) -> Result<Vec<(String, i64)>, StoreError> {
        all(
            self.connection(),
            &crate::sql::workflows::OPEN_VERSIONS,
            [tenant.raw()],
            |row| Ok((sqlite(row.get(0))?, sqlite(row.get(1))?)),
        )
    }

    /// Who works the leads.
    fn staff(&self, tenant: TenantId) -> Result<Vec<StaffMember>, StoreError> {
        all(self.connection(), &house::STAFF, [tenant.raw()], staff)
    }

    /// A tenant's accounts.
    fn connections(&self, tenant: TenantId) -> Result<Vec<ConnectionRow>, StoreError> {
        all(
            self.connection(),
            &house::CONNECTIONS,
            [tenant.raw()],
            connection_row,
        )
    }

    /// Every key that may still be used.
    fn keys(&self) -> Result<Vec<KeyRow>, StoreError> {
        all(self.connection(), &house::KEYS, [], key)
    }

    /// A tenant's keys.
    fn keys_of(&self, tenant: TenantId) -> Result<Vec<KeyRow>, StoreError> {
        all(self.connection(), &house::KEYS_OF, [tenant.raw()], key)
    }

    /// Who signs in to a tenant.
    fn users(&self, tenant: TenantId) -> Result<Vec<UserRow>, StoreError> {
        all(self.connection(), &house::USERS, [tenant.raw()], user)
    }

    /// The accounts of an address, in every tenant.
    fn users_by_email(&self, email: &str) -> Result<Vec<UserRow>, StoreError> {
        all(self.connection(), &house::USERS_BY_EMAIL, [email], user)
    }

    /// A person by id.
    fn user(&self, id: UserId) -> Result<Option<UserRow>, StoreError> {
        Ok(all(self.connection(), &house::USER, [id.raw()], user)?
            .into_iter()
            .next())
    }

    /// Who is behind a cookie.
    fn browser(&self, hash: &[u8]) -> Result<Option<BrowserRow>, StoreError> {
        let rows = all(self.connection(), &house::BROWSER, [hash], |row| {
            Ok(BrowserRow {
                user: UserId::from_raw(sqlite(row.get(0))?),
                created_at: from_micros(sqlite(row.get(1))?),
                seen_at: from_micros(sqlite(row.get(2))?),
                expires_at: from_micros(sqlite(row.get(3))?),
            })
        })?;
        Ok(rows.into_iter().next())
    }

    /// Errors, grouped.
    fn errors(&self, tenant: TenantId, most: u32) -> Result<Vec<ErrorRow>, StoreError> {
        all(
            self.connection(),
            &house::ERRORS,
            params![tenant.raw(), most],
            |row| {
                let context: String = sqlite(row.get(3))?;
                Ok(ErrorRow {
                    fingerprint: sqlite(row.get(0))?,
                    severity: sqlite(row.get(1))?,
                    message: sqlite(row.get(2))?,
                    context: from_json(&context, "errors", 0, "context")?,
                    n: sqlite(row.get(4))?,
                    first_at: from_micros(sqlite(row.get(5))?),
                    last_at: from_micros(sqlite(row.get(6))?),
                })
            },
        )
    }

    /// Events that could not be decided, newest first.
    fn set_aside(
        &self,
        tenant: TenantId,
        before: i64,
        most: u32,
    ) -> Result<Vec<SetAsideRow>, StoreError> {
        all(
            self.connection(),
            &house::SET_ASIDE,
            params![tenant.raw(), before, most],
            |row| {
                Ok(SetAsideRow {
                    id: ErrorId::from_raw(sqlite(row.get(0))?),
                    lead: sqlite(row.get::<_, Option<i64>>(1))?.map(LeadId::from_raw),
                    fingerprint: sqlite(row.get(2))?,
                    error: sqlite(row.get(3))?,
                    raw: sqlite(row.get(4))?,
                    at: from_micros(sqlite(row.get(5))?),
                })
            },
        )
    }

    /// Administrative actions, newest first.
    fn audit(
        &self,
        tenant: TenantId,
        before: i64,
        most: u32,
    ) -> Result<Vec<AuditView>, StoreError> {
        all(
            self.connection(),
            &house::AUDIT,
            params![tenant.raw(), before, most],
            |row| {
                let id: i64 = sqlite(row.get(0))?;
                let details: String = sqlite(row.get(5))?;
                Ok(AuditView {
                    id,
                    at: from_micros(sqlite(row.get(1))?),
                    actor: sqlite(row.get(2))?,
                    address: sqlite(row.get(3))?,
                    action: sqlite(row.get(4))?,
                    details: from_json(&details, "audit", id, "details")?,
                })
            },
        )
    }

    /// Whether the database answers.
    fn answers(&self) -> Result<(), StoreError> {
        self.connection()
            .query_row(house::ANSWER.text, [], |_| Ok(()))
            .map_err(StoreError::at(house::ANSWER.name))
    }
}

impl House for Writer {
    fn connection(&self) -> &Connection {
        &self.connection
    }
}

impl House for Reader<'_> {
    fn connection(&self) -> &Connection {
        self.connection
    }
}

/// Changes to the house; inside or outside of a turn's transaction.
impl Writer {
    /// A business moves in.
    pub fn insert_tenant(&self, row: &TenantRow) -> Result<(), StoreError> {
        let values = params![
            row.id.raw(),
            row.slug,
            row.name,
            row.secret,
            row.requests_per_minute,
            row.sandbox,
            json(&row.kill),
            micros(row.created_at)
        ];
        self.run(&house::INSERT_TENANT, values).map(|_| ())
    }

    /// Its switches change.
    pub fn update_tenant(&self, row: &TenantRow) -> Result<(), StoreError> {
        self.run(
            &house::UPDATE_TENANT,
            params![
                row.id.raw(),
                row.name,
                row.requests_per_minute,
                row.sandbox,
                json(&row.kill)
            ],
        )
        .map(|_| ())
    }

    /// A new version of a file; answers its number.
    pub fn put_document(
        &self,
        tenant: TenantId,
        path: &str,
        text: Option<&str>,
        actor: &str,
        now: Timestamp,
    ) -> Result<i64, StoreError> {
        let at = StoreError::at(house::INSERT_DOCUMENT.name);
        self.get(&house::INSERT_DOCUMENT)?
            .query_row(
                params![tenant.raw(), path, text, micros(now), actor],
                |row| row.get(0),
            )
            .map_err(at)
    }

    /// A staff member is added or changed.
    pub fn put_staff(&self, tenant: TenantId, staff: &StaffMember) -> Result<(), StoreError> {
        let values = params![
            tenant.raw(),
            staff.name,
            staff.phone,
            staff.email,
            json(&staff.roles),
            json(&staff.lists),
            staff.on_call
        ];
        self.run(&house::PUT_STAFF, values).map(|_| ())
    }

    /// A staff member leaves. Answers false when there was none.
    pub fn delete_staff(&self, tenant: TenantId, name: &str) -> Result<bool, StoreError> {
        Ok(self.run(&house::DELETE_STAFF, params![tenant.raw(), name])? > 0)
    }

    /// A new account.
    pub fn insert_connection(
        &self,
        tenant: TenantId,
        row: &ConnectionRow,
    ) -> Result<(), StoreError> {
        let values = params![
            row.id.raw(),
            tenant.raw(),
            row.channel.code(),
            row.provider,
            row.name,
            row.settings,
            row.path_secret,
            row.position,
            row.enabled,
            micros(row.created_at)
        ];
        self.run(&house::INSERT_CONNECTION, values).map(|_| ())
    }

    /// An account changes.
    pub fn update_connection(
        &self,
        tenant: TenantId,
        row: &ConnectionRow,
    ) -> Result<(), StoreError> {
        self.run(
            &house::UPDATE_CONNECTION,
            params![
                tenant.raw(),
                row.id.raw(),
                row.settings,
                row.position,
                row.enabled,
                row.trouble
            ],
        )
        .map(|_| ())
    }

    /// An account goes. Answers false when there was none.
    pub fn delete_connection(
        &self,
        tenant: TenantId,
        id: ConnectionId,
    ) -> Result<bool, StoreError> {
        Ok(self.run(&house::DELETE_CONNECTION, params![tenant.raw(), id.raw()])? > 0)
    }

    /// A new key.
    pub fn insert_key(&self, row: &KeyRow) -> Result<(), StoreError> {
        let values = params![
            row.id.raw(),
            row.tenant.raw(),
            row.kind.as_str(),
            row.name,
            row.shown,
            row.hash,
            json(&row.scopes),
            row.expires_at.map(micros),
            micros(row.created_at)
        ];
        self.run(&house::INSERT_KEY, values).map(|_| ())
    }

    /// A key opens nothing any more. Answers false when it did not.
    pub fn revoke_key(
        &self,
        tenant: TenantId,
        id: KeyId,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        Ok(self.run(
            &house::REVOKE_KEY,
            params![tenant.raw(), id.raw(), micros(now)],
        )? > 0)
    }

    /// When keys were last used.
    pub fn keys_used(&self, used: &[(KeyId, Timestamp)]) -> Result<(), StoreError> {
        for (id, at) in used {
            self.run(&house::KEY_USED, params![id.raw(), micros(*at)])?;
        }
        Ok(())
    }

    /// A person may sign in.
    pub fn insert_user(&self, row: &UserRow) -> Result<(), StoreError> {
        let values = params![
            row.id.raw(),
            row.tenant.raw(),
            row.email,
            row.name,
            row.role,
            row.password,
            micros(row.created_at)
        ];
        self.run(&house::INSERT_USER, values).map(|_| ())
    }

    /// Name, role, password, on or off.
    pub fn update_user(&self, row: &UserRow) -> Result<(), StoreError> {
        self.run(
            &house::UPDATE_USER,
            params![
                row.tenant.raw(),
                row.id.raw(),
                row.name,
                row.role,
                row.password,
                row.disabled_at.map(micros)
            ],
        )
        .map(|_| ())
    }

    /// A link to sign in with.
    pub fn insert_link(
        &self,
        hash: &[u8],
        user: UserId,
        expires_at: Timestamp,
    ) -> Result<(), StoreError> {
        self.run(
            &house::INSERT_LINK,
            params![hash, user.raw(), micros(expires_at)],
        )
        .map(|_| ())
    }

    /// Opens a link once. Answers whose it was.
    pub fn use_link(&self, hash: &[u8], now: Timestamp) -> Result<Option<UserId>, StoreError> {
        let at = StoreError::at(house::USE_LINK.name);
        let user = self
            .get(&house::USE_LINK)?
            .query_row(params![hash, micros(now)], |row| row.get(0))
            .optional()
            .map_err(at)?;
        Ok(user.map(UserId::from_raw))
    }

    /// A browser is signed in.
    pub fn insert_browser(
        &self,
        hash: &[u8],
        user: UserId,
        now: Timestamp,
        expires_at: Timestamp,
    ) -> Result<(), StoreError> {
        self.run(
            &house::INSERT_BROWSER,
            params![hash, user.raw(), micros(now), micros(expires_at)],
        )
        .map(|_| ())
    }

    /// It was used.
    pub fn browser_seen(&self, hash: &[u8], now: Timestamp) -> Result<(), StoreError> {
        self.run(&house::BROWSER_SEEN, params![hash, micros(now)])
            .map(|_| ())
    }

    /// It is signed out.
    pub fn delete_browser(&self, hash: &[u8]) -> Result<(), StoreError> {
        self.run(&house::DELETE_BROWSER, [hash]).map(|_| ())
    }

    /// A person is signed out everywhere.
    pub fn delete_browsers(&self, user: UserId) -> Result<(), StoreError> {
        self.run(&house::DELETE_BROWSERS, [user.raw()]).map(|_| ())
    }

    /// Counts an error of this tenant.
    pub fn count_error(
        &self,
        tenant: TenantId,
        severity: &str,
        message: &str,
        context: &serde_json::Value,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.run(
            &house::COUNT_ERROR,
            params![
                tenant.raw(),
                fingerprint(message),
                severity,
                message,
                json(context),
                micros(now)
            ],
        )
        .map(|_| ())
    }

    /// Writes down an administrative action.
    pub fn write_audit(
        &self,
        tenant: TenantId,
        actor: &str,
        address: Option<&str>,
        action: &str,
        details: &serde_json::Value,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let id = self.last_audit_id()?.max(micros(now)) + 1;
        self.run(
            &house::INSERT_AUDIT,
            params![
                id,
                tenant.raw(),
                micros(now),
                actor,
                address,
                action,
                json(details)
            ],
        )
        .map(|_| ())
    }
}
