//! Reading the chains: the trail of a number or address, and whether every entry still is what it was (C1, C7, X6, P15).

use crate::engine::{Row, params};
use crate::sql::{Statement, ledger};
use crate::writer::ledger::{ConsentPayload, ERASURE, audit_commitment};
use crate::{ConsentView, House as _, Reader, StoreError};
use ringback_core::consent::ledger::{Entry, Hash, Head, Link, Salt, wording_hash};
use ringback_core::ids::{LeadId, TenantId};
use ringback_core::time::from_micros;
use ringback_core::turn::world::PointKind;
use std::collections::HashSet;
use std::fmt;

/// Entries read at a time.
const PIECE: i64 = 2_000;

/// What a whole chain holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// Its end: an anchor to keep elsewhere.
    pub head: Head,
    /// Grants and revocations.
    pub consents: u64,
    /// Those whose content was erased at the person's request.
    pub erased: u64,
    /// Administrative actions.
    pub actions: u64,
}

/// The first entry that is not what it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broken {
    /// Its place in the chain.
    pub seq: i64,
    /// The row it names, when it is known.
    pub row: Option<(Entry, i64)>,
    /// What is wrong.
    pub why: BrokenHow,
}

/// What is wrong with a chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BrokenHow {
    /// An entry is missing: it was taken out.
    Missing,
    /// The entry was changed, or one before it was taken out or put in.
    Hash,
    /// The row that it names is gone.
    RowGone,
    /// The row that it names says something else now.
    RowChanged,
    /// The row that it names was emptied, and no erasure names it.
    Emptied,
    /// The row is named by no entry: it was put in beside the ledger, or the end of the chain was cut.
    Unnamed,
    /// A wording was changed.
    Wording,
    /// The chain ends before a place that an anchor knows: its end was cut.
    Short {
        /// The anchor's place.
        anchor: i64,
    },
    /// At the place of an anchor the chain hashes to something else: all of it was written anew.
    Rewritten,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "entry {}", self.seq)?;
        if let Some((entry, row)) = self.row {
            write!(f, " (row {row} of {})", entry.table())?;
        }
        match self.why {
            BrokenHow::Missing => f.write_str(": it is missing, so it was taken out"),
            BrokenHow::Hash => {
                f.write_str(": its hash is wrong, so it or one before it was changed")
            }
            BrokenHow::RowGone => f.write_str(": the row is gone"),
            BrokenHow::RowChanged => f.write_str(": the row does not say any more what it said"),
            BrokenHow::Emptied => f.write_str(": the row was emptied, and no erasure names it"),
            BrokenHow::Unnamed => f.write_str(
                ": no entry names this row, so it was put in, or the end of the chain was cut",
            ),
            BrokenHow::Wording => {
                f.write_str(": the wording that the person was shown was changed or is gone")
            }
            BrokenHow::Short { anchor } => {
                write!(
                    f,
                    ": the chain ends here, and the anchor knows {anchor} entries"
                )
            }
            BrokenHow::Rewritten => {
                f.write_str(": the anchor has another hash here, so the chain was written anew")
            }
        }
    }
}

struct Stored {
    seq: i64,
    link: Link,
    hash: Hash,
}

/// What a row says now.
enum Said {
    Gone,
    Erased,
    Wordless,
    This(Hash),
}

impl Reader<'_> {
    /// Walks a tenant's chain from its beginning and compares every row with what it was. The first that differs is named.
    pub fn verify_chain(
        &self,
        tenant: TenantId,
        anchors: &[Head],
    ) -> Result<Result<Verified, Broken>, StoreError> {
        let mut head = Head::default();
        let mut whole = Verified {
            head,
            consents: 0,
            erased: 0,
            actions: 0,
        };
        let mut named: [HashSet<i64>; 2] = [HashSet::new(), HashSet::new()];
        let (mut emptied, mut erasures) = (Vec::new(), HashSet::new());
        let wordings = self.intact_wordings(tenant)?;
        loop {
            let piece = self.links(tenant, head.seq)?;
            if piece.is_empty() {
                break;
            }
            for stored in piece {
                let (entry, row) = (stored.link.entry, stored.link.row);
                let broken = |why| Broken {
                    seq: stored.seq,
                    row: Some((entry, row)),
                    why,
                };
                if stored.seq != head.seq + 1 {
                    return Ok(Err(Broken {
                        seq: head.seq + 1,
                        row: None,
                        why: BrokenHow::Missing,
                    }));
                }
                head = head.after(tenant, &stored.link);
                if head.hash != stored.hash {
                    return Ok(Err(broken(BrokenHow::Hash)));
                }
                if anchors
                    .iter()
                    .any(|anchor| anchor.seq == head.seq && anchor.hash != head.hash)
                {
                    return Ok(Err(broken(BrokenHow::Rewritten)));
                }
                let said = match entry {
                    Entry::Consent => self.consent_says(tenant, row, &wordings)?,
                    Entry::Audit => self.audit_says(tenant, row, &mut erasures)?,
                };
                match said {
                    Said::Gone => return Ok(Err(broken(BrokenHow::RowGone))),
                    Said::Wordless => return Ok(Err(broken(BrokenHow::Wording))),
                    Said::Erased => emptied.push((stored.seq, row)),
                    Said::This(hash) if hash != stored.link.commitment => {
                        return Ok(Err(broken(BrokenHow::RowChanged)));
                    }
                    Said::This(_) => {}
                }
                match entry {
                    Entry::Consent => whole.consents += 1,
                    Entry::Audit => whole.actions += 1,
                }
                named[entry as usize].insert(row);
            }
        }
        if let Some((seq, row)) = emptied.iter().find(|(_, row)| !erasures.contains(row)) {
            let row = Some((Entry::Consent, *row));
            return Ok(Err(Broken {
                seq: *seq,
                row,
                why: BrokenHow::Emptied,
            }));
        }
        whole.erased = emptied.len() as u64;
        whole.head = head;
        Ok(self
            .around(tenant, anchors, &named, head)?
            .map_or(Ok(whole), Err))
    }

    /// What the chain itself cannot show: anchors beyond its end, and rows that no entry names.
    fn around(
        &self,
        tenant: TenantId,
        anchors: &[Head],
        named: &[HashSet<i64>; 2],
        head: Head,
    ) -> Result<Option<Broken>, StoreError> {
        let at_end = |row, why| {
            Some(Broken {
                seq: head.seq,
                row,
                why,
            })
        };
        if let Some(anchor) = anchors
            .iter()
            .map(|anchor| anchor.seq)
            .find(|seq| *seq > head.seq)
        {
            return Ok(at_end(None, BrokenHow::Short { anchor }));
        }
        for (entry, statement) in [
            (Entry::Consent, &ledger::CONSENT_IDS),
            (Entry::Audit, &ledger::AUDIT_IDS),
        ] {
            if let Some(row) = self.unnamed(tenant, statement, &named[entry as usize])? {
                return Ok(at_end(Some((entry, row)), BrokenHow::Unnamed));
            }
        }
        Ok(None)
    }

    /// The hashes whose texts still are what people were shown.
    fn intact_wordings(&self, tenant: TenantId) -> Result<HashSet<Vec<u8>>, StoreError> {
        let all = self.all(&ledger::WORDINGS, params![tenant.raw()], |row| {
            let hash: Vec<u8> = row.get(0)?;
            let text: String = row.get(1)?;
            Ok((wording_hash(&text).as_slice() == hash).then_some(hash))
        })?;
        Ok(all.into_iter().flatten().collect())
    }

    /// The first row that no entry names.
    fn unnamed(
        &self,
        tenant: TenantId,
        statement: &Statement,
        named: &HashSet<i64>,
    ) -> Result<Option<i64>, StoreError> {
        let mut last = i64::MIN;
        loop {
            let ids = self.all(statement, params![tenant.raw(), last, PIECE], |row| {
                row.get::<i64>(0)
            })?;
            let Some(end) = ids.last() else {
                return Ok(None);
            };
            last = *end;
            if let Some(id) = ids.into_iter().find(|id| !named.contains(id)) {
                return Ok(Some(id));
            }
        }
    }

    fn links(&self, tenant: TenantId, after: i64) -> Result<Vec<Stored>, StoreError> {
        self.all(&ledger::LINKS, params![tenant.raw(), after, PIECE], |row| {
            let seq: i64 = row.get(0)?;
            let wrong = |column| StoreError::Impossible {
                table: "chain",
                id: seq,
                column,
            };
            let entry: i64 = row.get(1)?;
            Ok(Stored {
                seq,
                link: Link {
                    entry: Entry::from_code(entry).ok_or(wrong("entry"))?,
                    row: row.get(2)?,
                    at: from_micros(row.get(3)?),
                    commitment: row.get(4)?,
                },
                hash: row.get(5)?,
            })
        })
    }

    fn consent_says(
        &self,
        tenant: TenantId,
        id: i64,
        wordings: &HashSet<Vec<u8>>,
    ) -> Result<Said, StoreError> {
        let values = params![tenant.raw(), id];
        let said = self.engine.one(&ledger::CONSENT_PAYLOAD, values, |row| {
            let salt: Option<Salt> = row.get(14)?;
            let Some(salt) = salt else {
                return Ok(Said::Erased);
            };
            let text = |at: usize| row.get::<Option<String>>(at);
            let conditions = text(16)?;
            let (value, channel, purpose) = (text(1)?, text(2)?, text(3)?);
            let (basis, wrote, method) = (text(5)?, text(7)?, text(8)?);
            let (page, ip, actor) = (text(9)?, text(10)?, text(11)?);
            let wording: Option<Vec<u8>> = row.get(6)?;
            let payload = ConsentPayload {
                kind: row.get(0)?,
                value: value.as_deref().unwrap_or_default(),
                channel: channel.as_deref().unwrap_or_default(),
                purpose: purpose.as_deref().unwrap_or_default(),
                granted: row.get(4)?,
                basis: basis.as_deref().unwrap_or_default(),
                wording: wording.as_deref(),
                wrote: wrote.as_deref(),
                method: method.as_deref().unwrap_or_default(),
                page: page.as_deref(),
                ip: ip.as_deref(),
                actor: actor.as_deref(),
                expires_at: row.get(12)?,
                conditions: conditions.as_deref(),
                at: row.get(13)?,
            };
            let lost = wording
                .as_ref()
                .is_some_and(|hash| !wordings.contains(hash));
            Ok(if lost {
                Said::Wordless
            } else {
                Said::This(payload.commitment(&salt))
            })
        })?;
        Ok(said.unwrap_or(Said::Gone))
    }

    /// Notes the rows that an erasure names while it is at it.
    fn audit_says(
        &self,
        tenant: TenantId,
        id: i64,
        erasures: &mut HashSet<i64>,
    ) -> Result<Said, StoreError> {
        let values = params![tenant.raw(), id];
        let said = self.engine.one(&ledger::AUDIT_PAYLOAD, values, |row| {
            let (actor, action): (String, String) = (row.get(1)?, row.get(3)?);
            let (address, details): (Option<String>, String) = (row.get(2)?, row.get(4)?);
            if action == ERASURE
                && let Ok(said) = serde_json::from_str::<serde_json::Value>(&details)
            {
                let rows = said.get("rows").and_then(serde_json::Value::as_array);
                erasures.extend(
                    rows.into_iter()
                        .flatten()
                        .filter_map(serde_json::Value::as_i64),
                );
            }
            let salt: Salt = row.get(5)?;
            let at = row.get(0)?;
            let hash = audit_commitment(&salt, at, &actor, address.as_deref(), &action, &details);
            Ok(Said::This(hash))
        })?;
        Ok(said.unwrap_or(Said::Gone))
    }

    /// The consents of a lead, oldest first.
    pub fn consents(&self, tenant: TenantId, lead: LeadId) -> Result<Vec<ConsentView>, StoreError> {
        self.all(
            &ledger::OF_LEAD,
            params![tenant.raw(), lead.raw()],
            consent_view,
        )
    }

    /// The consents of a number or address, oldest first, whoever's it is.
    pub fn consents_of_address(
        &self,
        tenant: TenantId,
        value: &str,
    ) -> Result<Vec<ConsentView>, StoreError> {
        self.all(
            &ledger::OF_ADDRESS,
            params![tenant.raw(), value],
            consent_view,
        )
    }

    /// The end of a tenant's chain: an anchor to keep elsewhere.
    pub fn anchor(&self, tenant: TenantId) -> Result<Head, StoreError> {
        self.chain_head(tenant)
    }
}

fn consent_view(row: &Row<'_>) -> Result<ConsentView, StoreError> {
    let read = || -> Result<ConsentView, StoreError> {
        Ok(ConsentView {
            id: row.get(0)?,
            kind: PointKind::from_code(row.get(1)?),
            value: row.get(2)?,
            channel: row.get(3)?,
            purpose: row.get(4)?,
            granted: row.get(5)?,
            basis: row.get(6)?,
            wording: row.get(7)?,
            wrote: row.get(8)?,
            method: row.get(9)?,
            page: row.get(10)?,
            ip: row.get(11)?,
            actor: row.get(12)?,
            expires_at: row.get::<Option<i64>>(13)?.map(from_micros),
            at: from_micros(row.get(14)?),
            erased_at: row.get::<Option<i64>>(15)?.map(from_micros),
            conditions: row
                .get::<Option<String>>(16)?
                .and_then(|text| serde_json::from_str(&text).ok()),
        })
    };
    read()
}

#[cfg(test)]
#[path = "ledger_tests.rs"]
mod tests;
