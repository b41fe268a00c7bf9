//! Changes to the house.

use super::*;
use crate::engine::params;
use crate::rows::json;
use crate::sql::house;
use crate::writer::fingerprint;
use crate::{StoreError, Writer};
use ringback_core::ids::{ConnectionId, KeyId, TenantId, UserId};
use ringback_core::time::{Timestamp, micros};
use ringback_core::turn::StaffMember;

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
            micros(row.created_at),
            row.messages_per_hour
        ];
        self.run(&house::INSERT_TENANT, values)?;
        self.house_changed(row.id)
    }

    /// Its switches change.
    pub fn update_tenant(&self, row: &TenantRow) -> Result<(), StoreError> {
        self.house_changed(row.id)?;
        self.run(
            &house::UPDATE_TENANT,
            params![
                row.id.raw(),
                row.name,
                row.requests_per_minute,
                row.sandbox,
                json(&row.kill),
                row.messages_per_hour
            ],
        )
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
        self.house_changed(tenant)?;
        let values = params![tenant.raw(), path, text, micros(now), actor];
        self.engine
            .value(&house::INSERT_DOCUMENT, values)?
            .ok_or_else(|| StoreError::nothing(house::INSERT_DOCUMENT.name))
    }

    /// A file is written down as it is to become.
    pub fn put_draft(&self, tenant: TenantId, draft: &DraftFile) -> Result<(), StoreError> {
        let values = params![
            tenant.raw(),
            draft.path,
            draft.text,
            draft.base,
            micros(draft.at),
            draft.actor
        ];
        self.run(&house::PUT_DRAFT, values)
    }

    /// What a file was to become is forgotten. Answers false when there was nothing.
    pub fn delete_draft(&self, tenant: TenantId, path: &str) -> Result<bool, StoreError> {
        Ok(self.count(&house::DELETE_DRAFT, params![tenant.raw(), path])? > 0)
    }

    /// Somebody did what was to be done. Answers false when it was done before; `None` when there is no such order.
    pub fn finish_work(
        &self,
        tenant: TenantId,
        id: ringback_core::ids::WorkId,
        by: &str,
        now: Timestamp,
    ) -> Result<Option<bool>, StoreError> {
        let slice = &crate::sql::workflows::FINISH_WORK;
        let values = params![tenant.raw(), id.raw(), micros(now), by];
        if self.count(slice, values)? > 0 {
            return Ok(Some(true));
        }
        let known = &crate::sql::workflows::WORK_EXISTS;
        let known = self.engine.exists(known, params![tenant.raw(), id.raw()])?;
        Ok(known.then_some(false))
    }

    /// A staff member is added or changed.
    pub fn put_staff(&self, tenant: TenantId, staff: &StaffMember) -> Result<(), StoreError> {
        self.house_changed(tenant)?;
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
        self.house_changed(tenant)?;
        Ok(self.count(&house::DELETE_STAFF, params![tenant.raw(), name])? > 0)
    }

    /// A new account.
    pub fn insert_connection(
        &self,
        tenant: TenantId,
        row: &ConnectionRow,
    ) -> Result<(), StoreError> {
        self.house_changed(tenant)?;
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

    /// An account changes. Without a rest its breaker begins anew.
    pub fn update_connection(
        &self,
        tenant: TenantId,
        row: &ConnectionRow,
    ) -> Result<(), StoreError> {
        self.house_changed(tenant)?;
        self.run(
            &house::UPDATE_CONNECTION,
            params![
                tenant.raw(),
                row.id.raw(),
                row.settings,
                row.position,
                row.enabled,
                row.trouble,
                row.breaker.as_ref().map(json)
            ],
        )?;
        if row.breaker.is_none() {
            self.breakers.borrow_mut().forget(row.id);
        }
        Ok(())
    }

    /// An account goes. Answers false when there was none.
    pub fn delete_connection(
        &self,
        tenant: TenantId,
        id: ConnectionId,
    ) -> Result<bool, StoreError> {
        self.house_changed(tenant)?;
        Ok(self.count(&house::DELETE_CONNECTION, params![tenant.raw(), id.raw()])? > 0)
    }

    /// A new key.
    pub fn insert_key(&self, row: &KeyRow) -> Result<(), StoreError> {
        self.house_changed(row.tenant)?;
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
        self.house_changed(tenant)?;
        Ok(self.count(
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
    }

    /// Opens a link once. Answers whose it was.
    pub fn use_link(&self, hash: &[u8], now: Timestamp) -> Result<Option<UserId>, StoreError> {
        let user = self
            .engine
            .value(&house::USE_LINK, params![hash, micros(now)])?;
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
    }

    /// It was used.
    pub fn browser_seen(&self, hash: &[u8], now: Timestamp) -> Result<(), StoreError> {
        self.run(&house::BROWSER_SEEN, params![hash, micros(now)])
    }

    /// It is signed out.
    pub fn delete_browser(&self, hash: &[u8]) -> Result<(), StoreError> {
        self.run(&house::DELETE_BROWSER, params![hash]).map(|_| ())
    }

    /// A person is signed out everywhere.
    pub fn delete_browsers(&self, user: UserId) -> Result<(), StoreError> {
        self.run(&house::DELETE_BROWSERS, params![user.raw()])
            .map(|_| ())
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
    }
}
