//! What belongs to the house rather than to a lead: tenants, documents, staff, connections, keys, people who sign in, errors, audit.

mod records;
mod write;

use crate::rows::{self, from_json};
use crate::sql::{Statement, house, leads, ledger};
use crate::{HoldRow, Reader, StoreError, Writer};
use ringback_core::consent::ledger::Head;
use ringback_core::consent::national::NationalList;
use ringback_core::ids::{ConnectionId, ErrorId, KeyId, LeadId, TenantId, UserId};
use ringback_core::messages::ChannelKind;
use ringback_core::time::from_micros;
use ringback_core::turn::StaffMember;
use ringback_core::turn::world::{PointKind, StaffNumber};
use rusqlite::{Connection, OptionalExtension as _, Params, Row, params};

pub use records::*;

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
            messages_per_hour: row.get(8)?,
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
            breaker: row
                .get::<_, Option<String>>(10)?
                .and_then(|text| serde_json::from_str(&text).ok()),
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

    /// Whether alerts to staff may go to a number as texts (ST-1).
    fn staff_number(&self, tenant: TenantId, phone: &str) -> Result<StaffNumber, StoreError> {
        let at = || StoreError::at(leads::POINT.name);
        let point = self
            .connection()
            .prepare_cached(leads::POINT.text)
            .map_err(at())?
            .query_row(
                params![tenant.raw(), PointKind::Phone as i64, phone],
                |row| rows::point(row, 0),
            )
            .optional()
            .map_err(at())?;
        Ok(point.map_or(StaffNumber::Unasked, |point| point.staff_number()))
    }

    /// The national do-not-call lists that are asked for a tenant.
    fn national_lists(&self, tenant: TenantId) -> Result<Vec<NationalList>, StoreError> {
        let mut all = crate::writer::national::in_force(self.connection())?;
        Ok(all.remove(&tenant).unwrap_or_default())
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

    /// The end of a tenant's chain of consents and administrative actions; the beginning when it has none.
    fn chain_head(&self, tenant: TenantId) -> Result<Head, StoreError> {
        let rows = all(self.connection(), &ledger::HEAD, [tenant.raw()], |row| {
            Ok(Head {
                seq: sqlite(row.get(0))?,
                hash: sqlite(row.get(1))?,
            })
        })?;
        Ok(rows.into_iter().next().unwrap_or_default())
    }

    /// What a tenant is held by since a restore.
    fn hold(&self, tenant: TenantId) -> Result<Option<HoldRow>, StoreError> {
        let found = all(
            self.connection(),
            &crate::sql::recovery::HOLD,
            [tenant.raw()],
            crate::recovery::hold,
        )?;
        Ok(found.into_iter().next())
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
