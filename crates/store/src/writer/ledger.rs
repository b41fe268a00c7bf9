//! Consents and administrative actions, each written with its place in the tenant's chain in the same commit (C1, X6).

use super::Writer;
use crate::engine::params;
use crate::rows::json;
use crate::sql::{house, ledger};
use crate::{House, StoreError};
use ringback_core::consent::ledger::{Entry, Head, Link, Payload, Salt, wording_hash};
use ringback_core::ids::TenantId;
use ringback_core::seeded::{Bug, has};
use ringback_core::time::{Timestamp, micros};
use ringback_core::turn::world::{AuditRow, ConsentRow};
use sha2::{Digest, Sha256};
use std::cell::RefCell;
use std::collections::{HashMap, HashSet};

/// Wordings that are known to be stored; beyond so many they are offered to the database again, which knows them.
const MOST_WORDINGS: usize = 4_096;

/// What the writer has in mind of the chains. Forgotten when a turn is taken back, and read again when it is next needed.
#[derive(Debug)]
pub(super) struct Chains {
    heads: RefCell<HashMap<TenantId, Head>>,
    wordings: RefCell<HashSet<(TenantId, [u8; 32])>>,
    /// Random, of this process, never stored: salts are made with it.
    seed: [u8; 32],
}

impl Chains {
    pub(super) fn new(seed: [u8; 32]) -> Self {
        Self {
            heads: RefCell::default(),
            wordings: RefCell::default(),
            seed,
        }
    }

    pub(super) fn forget_heads(&mut self) {
        self.heads.get_mut().clear();
    }

    pub(super) fn forget(&mut self) {
        self.heads.get_mut().clear();
        self.wordings.get_mut().clear();
    }

    /// A salt that nobody can guess: half a hash over the seed and what names the row.
    fn salt(&self, entry: Entry, row: i64) -> Salt {
        let whole: [u8; 32] = Sha256::new_with_prefix(self.seed)
            .chain_update([entry as u8])
            .chain_update(row.to_be_bytes())
            .finalize()
            .into();
        let mut salt = [0; 16];
        salt.copy_from_slice(&whole[..16]);
        salt
    }
}

/// The fields of a consent that its commitment is made from, in their order for good.
pub(crate) struct ConsentPayload<'a> {
    pub(crate) kind: i64,
    pub(crate) value: &'a str,
    pub(crate) channel: &'a str,
    pub(crate) purpose: &'a str,
    pub(crate) granted: bool,
    pub(crate) basis: &'a str,
    pub(crate) wording: Option<&'a [u8]>,
    pub(crate) wrote: Option<&'a str>,
    pub(crate) method: &'a str,
    pub(crate) page: Option<&'a str>,
    pub(crate) ip: Option<&'a str>,
    pub(crate) actor: Option<&'a str>,
    pub(crate) expires_at: Option<i64>,
    pub(crate) conditions: Option<&'a str>,
    pub(crate) at: i64,
}

impl ConsentPayload<'_> {
    pub(crate) fn commitment(&self, salt: &Salt) -> [u8; 32] {
        let payload = Payload::salted(salt)
            .number(Some(self.kind))
            .text(Some(self.value))
            .text(Some(self.channel))
            .text(Some(self.purpose))
            .number(Some(i64::from(self.granted)))
            .text(Some(self.basis))
            .bytes(self.wording)
            .text(self.wrote)
            .text(Some(self.method))
            .text(self.page)
            .text(self.ip)
            .text(self.actor)
            .number(self.expires_at)
            .number(Some(self.at));
        // Few have conditions; the entries of those that have none read as they always did.
        match self.conditions {
            Some(conditions) => payload.text(Some(conditions)).commitment(),
            None => payload.commitment(),
        }
    }
}

/// The commitment to an administrative action.
pub(crate) fn audit_commitment(
    salt: &Salt,
    at: i64,
    actor: &str,
    address: Option<&str>,
    action: &str,
    details: &str,
) -> [u8; 32] {
    Payload::salted(salt)
        .number(Some(at))
        .text(Some(actor))
        .text(address)
        .text(Some(action))
        .text(Some(details))
        .commitment()
}

impl Writer {
    pub(super) fn write_consent(&self, row: &ConsentRow) -> Result<(), StoreError> {
        let tenant = row.key.tenant;
        let wording = match &row.wording {
            Some(text) => Some(self.keep_wording(tenant, text, row.at)?),
            None => None,
        };
        let conditions = row.soft_opt_in.as_ref().map(json);
        let payload = ConsentPayload {
            kind: row.key.kind as i64,
            value: &row.key.value,
            channel: row.channel.as_str(),
            purpose: row.purpose.as_str(),
            granted: row.granted,
            basis: row.basis.as_str(),
            wording: wording.as_ref().map(<[u8; 32]>::as_slice),
            wrote: row.wrote.as_deref(),
            method: &row.method,
            page: row.page.as_deref(),
            ip: row.ip.as_deref(),
            actor: row.actor.as_deref(),
            expires_at: row.expires_at.map(micros),
            conditions: conditions.as_deref(),
            at: micros(row.at),
        };
        let salt = self.chains.salt(Entry::Consent, row.id.raw());
        let values = params![
            row.id.raw(),
            tenant.raw(),
            row.lead.map(|lead| lead.raw()),
            payload.kind,
            payload.value,
            payload.channel,
            payload.purpose,
            payload.granted,
            payload.basis,
            payload.wording,
            payload.wrote,
            payload.method,
            payload.page,
            payload.ip,
            payload.actor,
            payload.expires_at,
            payload.at,
            salt.as_slice(),
            payload.conditions
        ];
        self.run(&ledger::INSERT_CONSENT, values)?;
        if has(Bug::LedgerRowChanged) {
            self.change_a_ledger_row(tenant)?;
        }
        self.link(
            tenant,
            &Link {
                entry: Entry::Consent,
                row: row.id.raw(),
                at: row.at,
                commitment: payload.commitment(&salt),
            },
        )
    }

    /// A seeded bug: a grant that stands is made to say something else.
    fn change_a_ledger_row(&self, tenant: TenantId) -> Result<(), StoreError> {
        self.run(&ledger::SEEDED_CHANGE, params![tenant.raw()])
    }

    fn keep_wording(
        &self,
        tenant: TenantId,
        text: &str,
        at: Timestamp,
    ) -> Result<[u8; 32], StoreError> {
        let hash = wording_hash(text);
        let mut known = self.chains.wordings.borrow_mut();
        if known.contains(&(tenant, hash)) {
            return Ok(hash);
        }
        self.run(
            &ledger::INSERT_WORDING,
            params![tenant.raw(), hash.as_slice(), text, micros(at)],
        )?;
        if known.len() >= MOST_WORDINGS {
            known.clear();
        }
        known.insert((tenant, hash));
        Ok(hash)
    }

    /// Writes down an administrative action.
    pub(super) fn write_audit_row(&self, row: &AuditRow) -> Result<(), StoreError> {
        self.write_audit(
            row.tenant,
            &row.actor,
            row.address.as_deref(),
            &row.action,
            &row.details,
            row.at,
        )
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
        // Audit rows are rare; their ids follow the instant and each other.
        let last: i64 = self
            .engine
            .value(&house::LAST_AUDIT, params![tenant.raw()])?
            .unwrap_or_default();
        let id = last.max(micros(now)) + 1;
        let details = json(details);
        let salt = self.chains.salt(Entry::Audit, id);
        let values = params![
            id,
            tenant.raw(),
            micros(now),
            actor,
            address,
            action,
            details,
            salt.as_slice()
        ];
        self.run(&house::INSERT_AUDIT, values)?;
        let commitment = audit_commitment(&salt, micros(now), actor, address, action, &details);
        self.link(
            tenant,
            &Link {
                entry: Entry::Audit,
                row: id,
                at: now,
                commitment,
            },
        )
    }

    /// Puts an entry at the end of the tenant's chain: one hash and one row.
    fn link(&self, tenant: TenantId, link: &Link) -> Result<(), StoreError> {
        let mut heads = self.chains.heads.borrow_mut();
        let head = match heads.get(&tenant) {
            Some(head) => *head,
            None => self.chain_head(tenant)?,
        };
        let next = head.after(tenant, link);
        self.run(
            &ledger::INSERT_LINK,
            params![
                tenant.raw(),
                next.seq,
                link.entry as i64,
                link.row,
                micros(link.at),
                link.commitment.as_slice(),
                next.hash.as_slice()
            ],
        )?;
        heads.insert(tenant, next);
        Ok(())
    }

    /// Erases what the consents of a number or address say, at the person's request (C6). Their places in the chain stay, and an
    /// entry names the rows and the reason, so that an erased row can be told from a row that somebody emptied. Answers how many.
    pub fn erase_consents(
        &self,
        tenant: TenantId,
        value: &str,
        actor: &str,
        why: &str,
        now: Timestamp,
    ) -> Result<usize, StoreError> {
        let values = params![tenant.raw(), value];
        let rows: Vec<i64> = self
            .engine
            .all(&ledger::TO_ERASE, values, |row| row.get(0))?;
        if rows.is_empty() {
            return Ok(0);
        }
        for row in &rows {
            self.run(
                &ledger::ERASE_CONSENT,
                params![tenant.raw(), row, micros(now)],
            )?;
        }
        let details = serde_json::json!({"rows": rows, "why": why});
        self.write_audit(tenant, actor, None, ERASURE, &details, now)?;
        Ok(rows.len())
    }
}

/// The administrative action that names erased rows.
pub(crate) const ERASURE: &str = "consent.erase";
