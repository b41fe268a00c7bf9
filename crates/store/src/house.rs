//! What belongs to the house rather than to a lead: tenants, documents, staff, connections, keys, people who sign in, errors, audit.

mod records;
mod write;

use crate::engine::{Engine, Row, params};
use crate::rows::{self, from_json};
use crate::sql::{house, leads, ledger};
use crate::{HoldRow, Reader, StoreError, Writer};
use ringback_core::consent::ledger::Head;
use ringback_core::consent::national::NationalList;
use ringback_core::ids::{ConnectionId, ErrorId, KeyId, LeadId, TenantId, UserId};
use ringback_core::messages::ChannelKind;
use ringback_core::time::{Timestamp, from_micros, micros};
use ringback_core::turn::StaffMember;
use ringback_core::turn::world::{PointKind, StaffNumber};

pub use records::*;

fn tenant(row: &Row<'_>) -> Result<TenantRow, StoreError> {
    let id: i64 = row.get(0)?;
    let kill: String = row.get(6)?;
    let kill = from_json(&kill, "tenants", id, "kill")?;
    let read = || -> Result<TenantRow, StoreError> {
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
    read()
}

fn staff(row: &Row<'_>) -> Result<StaffMember, StoreError> {
    let roles: String = row.get(3)?;
    let lists: String = row.get(4)?;
    Ok(StaffMember {
        name: row.get(0)?,
        phone: row.get(1)?,
        email: row.get(2)?,
        roles: from_json(&roles, "staff", 0, "roles")?,
        lists: from_json(&lists, "staff", 0, "lists")?,
        on_call: row.get(5)?,
    })
}

fn connection_row(row: &Row<'_>) -> Result<ConnectionRow, StoreError> {
    let id: i64 = row.get(0)?;
    let channel = ChannelKind::from_code(row.get(1)?).ok_or(StoreError::Impossible {
        table: "connections",
        id,
        column: "channel",
    })?;
    let read = || -> Result<ConnectionRow, StoreError> {
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
                .get::<Option<String>>(10)?
                .and_then(|text| serde_json::from_str(&text).ok()),
        })
    };
    read()
}

fn key(row: &Row<'_>) -> Result<KeyRow, StoreError> {
    let id: i64 = row.get(0)?;
    let kind: String = row.get(2)?;
    let kind = [KeyKind::Secret, KeyKind::Test, KeyKind::Write]
        .into_iter()
        .find(|one| one.as_str() == kind);
    let kind = kind.ok_or(StoreError::Impossible {
        table: "keys",
        id,
        column: "kind",
    })?;
    let scopes: String = row.get(6)?;
    let scopes = from_json(&scopes, "keys", id, "scopes")?;
    let read = || -> Result<KeyRow, StoreError> {
        Ok(KeyRow {
            id: KeyId::from_raw(id),
            tenant: TenantId::from_raw(row.get(1)?),
            kind,
            name: row.get(3)?,
            shown: row.get(4)?,
            hash: row.get(5)?,
            scopes,
            expires_at: row.get::<Option<i64>>(7)?.map(from_micros),
            last_used_at: row.get::<Option<i64>>(8)?.map(from_micros),
            revoked_at: row.get::<Option<i64>>(9)?.map(from_micros),
            created_at: from_micros(row.get(10)?),
        })
    };
    read()
}

fn user(row: &Row<'_>) -> Result<UserRow, StoreError> {
    let read = || -> Result<UserRow, StoreError> {
        Ok(UserRow {
            id: UserId::from_raw(row.get(0)?),
            tenant: TenantId::from_raw(row.get(1)?),
            email: row.get(2)?,
            name: row.get(3)?,
            role: row.get(4)?,
            password: row.get(5)?,
            created_at: from_micros(row.get(6)?),
            disabled_at: row.get::<Option<i64>>(7)?.map(from_micros),
        })
    };
    read()
}

/// Questions about the house; the writer and every reader can answer them.
pub trait House {
    #[doc(hidden)]
    fn engine(&self) -> &Engine;

    /// Every tenant.
    fn tenants(&self) -> Result<Vec<TenantRow>, StoreError> {
        self.engine().all(&house::TENANTS, params![], tenant)
    }

    /// Every tenant of which something changed that servers keep in mind since a number, with the number of its last change; -1 asks for all.
    fn tenants_since(&self, number: i64) -> Result<Vec<(TenantRow, i64)>, StoreError> {
        self.engine()
            .all(&house::TENANTS_SINCE, params![number], |row| {
                Ok((tenant(row)?, row.get(9)?))
            })
    }

    /// The files of a tenant, newest versions; removed ones are left out.
    fn documents(&self, tenant: TenantId) -> Result<Vec<DocumentRow>, StoreError> {
        let rows = self
            .engine()
            .all(&house::DOCUMENTS, params![tenant.raw()], |row| {
                Ok(DocumentRow {
                    path: row.get(0)?,
                    version: row.get(1)?,
                    text: row.get(2)?,
                })
            })?;
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
                version: row.get(0)?,
                text: row.get(1)?,
            })
        };
        let rows = match version {
            Some(version) => self.engine().all(
                &house::DOCUMENT_VERSION,
                params![tenant.raw(), path, version],
                map,
            )?,
            None => self
                .engine()
                .all(&house::DOCUMENT, params![tenant.raw(), path], map)?,
        };
        Ok(rows.into_iter().next())
    }

    /// The versions of a file, newest first.
    fn document_versions(
        &self,
        tenant: TenantId,
        path: &str,
        most: u32,
    ) -> Result<Vec<VersionRow>, StoreError> {
        let values = params![tenant.raw(), path, most];
        self.engine().all(&house::DOCUMENT_VERSIONS, values, |row| {
            Ok(VersionRow {
                path: path.to_owned(),
                version: row.get(0)?,
                at: from_micros(row.get(1)?),
                actor: row.get(2)?,
                removed: row.get(3)?,
            })
        })
    }

    /// The files of a tenant as they held at an instant.
    fn documents_at(
        &self,
        tenant: TenantId,
        at: Timestamp,
    ) -> Result<Vec<DocumentRow>, StoreError> {
        let values = params![tenant.raw(), micros(at)];
        let rows = self.engine().all(&house::DOCUMENTS_AT, values, |row| {
            Ok(DocumentRow {
                path: row.get(0)?,
                version: row.get(1)?,
                text: row.get(2)?,
            })
        })?;
        Ok(rows.into_iter().filter(|row| row.text.is_some()).collect())
    }

    /// Every version of every file, the newest first; those of one instant were stored together.
    fn releases(&self, tenant: TenantId, most: u32) -> Result<Vec<VersionRow>, StoreError> {
        self.engine()
            .all(&house::RELEASES, params![tenant.raw(), most], |row| {
                Ok(VersionRow {
                    at: from_micros(row.get(0)?),
                    actor: row.get(1)?,
                    path: row.get(2)?,
                    version: row.get(3)?,
                    removed: row.get(4)?,
                })
            })
    }

    /// Files as they are to become.
    fn drafts(&self, tenant: TenantId) -> Result<Vec<DraftFile>, StoreError> {
        self.engine()
            .all(&house::DOCUMENT_DRAFTS, params![tenant.raw()], |row| {
                Ok(DraftFile {
                    path: row.get(0)?,
                    text: row.get(1)?,
                    base: row.get(2)?,
                    at: from_micros(row.get(3)?),
                    actor: row.get(4)?,
                })
            })
    }

    /// Workflows and versions that open runs of a tenant go by (W4).
    fn open_workflows(&self, tenant: TenantId) -> Result<Vec<(String, i64)>, StoreError> {
        self.engine().all(
            &crate::sql::workflows::OPEN_VERSIONS,
            params![tenant.raw()],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )
    }

    /// Who works the leads.
    fn staff(&self, tenant: TenantId) -> Result<Vec<StaffMember>, StoreError> {
        self.engine()
            .all(&house::STAFF, params![tenant.raw()], staff)
    }

    /// Whether alerts to staff may go to a number as texts (ST-1).
    fn staff_number(&self, tenant: TenantId, phone: &str) -> Result<StaffNumber, StoreError> {
        let values = params![tenant.raw(), PointKind::Phone as i64, phone];
        let point = self
            .engine()
            .one(&leads::POINT, values, |row| rows::point(row, 0))?;
        Ok(point.map_or(StaffNumber::Unasked, |point| point.staff_number()))
    }

    /// The national do-not-call lists that are asked for a tenant.
    fn national_lists(&self, tenant: TenantId) -> Result<Vec<NationalList>, StoreError> {
        crate::writer::national::in_force_of(self.engine(), tenant)
    }

    /// A tenant's accounts.
    fn connections(&self, tenant: TenantId) -> Result<Vec<ConnectionRow>, StoreError> {
        self.engine()
            .all(&house::CONNECTIONS, params![tenant.raw()], connection_row)
    }

    /// Every key that may still be used.
    fn keys(&self) -> Result<Vec<KeyRow>, StoreError> {
        self.engine().all(&house::KEYS, params![], key)
    }

    /// A tenant's keys.
    fn keys_of(&self, tenant: TenantId) -> Result<Vec<KeyRow>, StoreError> {
        self.engine()
            .all(&house::KEYS_OF, params![tenant.raw()], key)
    }

    /// Who signs in to a tenant.
    fn users(&self, tenant: TenantId) -> Result<Vec<UserRow>, StoreError> {
        self.engine()
            .all(&house::USERS, params![tenant.raw()], user)
    }

    /// The accounts of an address, in every tenant.
    fn users_by_email(&self, email: &str) -> Result<Vec<UserRow>, StoreError> {
        self.engine()
            .all(&house::USERS_BY_EMAIL, params![email], user)
    }

    /// A person by id.
    fn user(&self, id: UserId) -> Result<Option<UserRow>, StoreError> {
        Ok(self
            .engine()
            .all(&house::USER, params![id.raw()], user)?
            .into_iter()
            .next())
    }

    /// Who is behind a cookie.
    fn browser(&self, hash: &[u8]) -> Result<Option<BrowserRow>, StoreError> {
        let rows = self.engine().all(&house::BROWSER, params![hash], |row| {
            Ok(BrowserRow {
                user: UserId::from_raw(row.get(0)?),
                created_at: from_micros(row.get(1)?),
                seen_at: from_micros(row.get(2)?),
                expires_at: from_micros(row.get(3)?),
            })
        })?;
        Ok(rows.into_iter().next())
    }

    /// Errors, grouped.
    fn errors(&self, tenant: TenantId, most: u32) -> Result<Vec<ErrorRow>, StoreError> {
        self.engine()
            .all(&house::ERRORS, params![tenant.raw(), most], |row| {
                let context: String = row.get(3)?;
                Ok(ErrorRow {
                    fingerprint: row.get(0)?,
                    severity: row.get(1)?,
                    message: row.get(2)?,
                    context: from_json(&context, "errors", 0, "context")?,
                    n: row.get(4)?,
                    first_at: from_micros(row.get(5)?),
                    last_at: from_micros(row.get(6)?),
                })
            })
    }

    /// Events that could not be decided, newest first.
    fn set_aside(
        &self,
        tenant: TenantId,
        before: i64,
        most: u32,
    ) -> Result<Vec<SetAsideRow>, StoreError> {
        self.engine().all(
            &house::SET_ASIDE,
            params![tenant.raw(), before, most],
            |row| {
                Ok(SetAsideRow {
                    id: ErrorId::from_raw(row.get(0)?),
                    lead: row.get::<Option<i64>>(1)?.map(LeadId::from_raw),
                    fingerprint: row.get(2)?,
                    error: row.get(3)?,
                    raw: row.get(4)?,
                    at: from_micros(row.get(5)?),
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
        self.engine()
            .all(&house::AUDIT, params![tenant.raw(), before, most], |row| {
                let id: i64 = row.get(0)?;
                let details: String = row.get(5)?;
                Ok(AuditView {
                    id,
                    at: from_micros(row.get(1)?),
                    actor: row.get(2)?,
                    address: row.get(3)?,
                    action: row.get(4)?,
                    details: from_json(&details, "audit", id, "details")?,
                })
            })
    }

    /// The end of a tenant's chain of consents and administrative actions; the beginning when it has none.
    fn chain_head(&self, tenant: TenantId) -> Result<Head, StoreError> {
        let rows = self
            .engine()
            .all(&ledger::HEAD, params![tenant.raw()], |row| {
                Ok(Head {
                    seq: row.get(0)?,
                    hash: row.get(1)?,
                })
            })?;
        Ok(rows.into_iter().next().unwrap_or_default())
    }

    /// Counts up with every change of what a server keeps in mind: tenants, documents, staff, connections, keys.
    fn version(&self) -> Result<i64, StoreError> {
        let version = self.engine().value(&house::VERSION, params![1])?;
        Ok(version.unwrap_or_default())
    }

    /// What a tenant is held by since a restore.
    fn hold(&self, tenant: TenantId) -> Result<Option<HoldRow>, StoreError> {
        let values = params![tenant.raw()];
        let statement = &crate::sql::recovery::HOLD;
        self.engine().one(statement, values, crate::recovery::hold)
    }

    /// Whether the database answers.
    fn answers(&self) -> Result<(), StoreError> {
        self.engine().exists(&house::ANSWER, params![]).map(|_| ())
    }
}

impl House for Writer {
    fn engine(&self) -> &Engine {
        &self.engine
    }
}

impl House for Reader<'_> {
    fn engine(&self) -> &Engine {
        self.engine
    }
}
