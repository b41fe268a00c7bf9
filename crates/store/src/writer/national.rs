//! National do-not-call lists: read in piece by piece, put in force whole, and asked by one seek (US-9, UK-4).

use super::Writer;
use crate::StoreError;
use crate::engine::{Engine, Row, params};
use crate::sql::national;
use ringback_core::consent::national::NationalList;
use ringback_core::ids::TenantId;
use ringback_core::places::Region;
use ringback_core::time::{Timestamp, micros};
use ringback_core::turn::world::{PointKey, PointKind, World};
use std::collections::HashMap;
use std::sync::Arc;

/// The lists that are asked, by tenant: most have none, and then nothing is looked up. Read anew after a list changed.
pub(super) type Asked = Option<HashMap<TenantId, Arc<Vec<NationalList>>>>;

/// Numbers removed in one go, so that no turn waits for it.
const GONE_AT_ONCE: i64 = 5_000;
/// A list that is being read for longer was left by a server that ended.
const LONGEST_READING: jiff::SignedDuration = jiff::SignedDuration::from_hours(24);

/// The lists that are asked, of all tenants.
pub(crate) fn in_force(
    engine: &Engine,
) -> Result<HashMap<TenantId, Vec<NationalList>>, StoreError> {
    let mut out: HashMap<TenantId, Vec<NationalList>> = HashMap::new();
    for (tenant, list) in engine.all(&national::IN_FORCE, params![], list)? {
        out.entry(tenant).or_default().push(list);
    }
    Ok(out)
}

/// The lists that are asked for a tenant.
pub(crate) fn in_force_of(
    engine: &Engine,
    tenant: TenantId,
) -> Result<Vec<NationalList>, StoreError> {
    let values = params![tenant.raw()];
    let found = engine.all(&national::IN_FORCE_OF, values, list)?;
    Ok(found.into_iter().map(|(_, list)| list).collect())
}

fn list(row: &Row<'_>) -> Result<(TenantId, NationalList), StoreError> {
    let id: i64 = row.get(0)?;
    let wrong = |column: &'static str| StoreError::Impossible {
        table: "do_not_call_lists",
        id,
        column,
    };
    let (country, as_of): (String, String) = (row.get(2)?, row.get(3)?);
    let list = NationalList {
        id,
        country: country.parse().map_err(|_| wrong("country"))?,
        as_of: as_of.parse().map_err(|_| wrong("as_of"))?,
        numbers: row.get(4)?,
    };
    Ok((TenantId::from_raw(row.get(1)?), list))
}

/// A number as the lists have it.
pub(super) fn digits(key: &PointKey) -> Option<i64> {
    key.value.strip_prefix('+')?.parse().ok()
}

impl Writer {
    /// The lists that are asked for a tenant.
    pub(super) fn lists_of(&self, tenant: TenantId) -> Result<Arc<Vec<NationalList>>, StoreError> {
        let mut asked = self.national.borrow_mut();
        if self.engine.as_postgres().is_some() {
            // Read anew in each turn: another node may have changed them.
            let known = asked.get_or_insert_default();
            if let Some(lists) = known.get(&tenant) {
                return Ok(Arc::clone(lists));
            }
            let lists = Arc::new(in_force_of(&self.engine, tenant)?);
            known.insert(tenant, Arc::clone(&lists));
            return Ok(lists);
        }
        if asked.is_none() {
            let lists = in_force(&self.engine)?.into_iter();
            *asked = Some(
                lists
                    .map(|(tenant, lists)| (tenant, Arc::new(lists)))
                    .collect(),
            );
        }
        let lists = asked.as_ref().and_then(|asked| asked.get(&tenant));
        Ok(lists.cloned().unwrap_or_default())
    }

    /// What a gate asks of a number: the lists of its tenant, and on which of them it is. Nothing where there is no list.
    pub(super) fn load_national(
        &self,
        world: &mut World,
        key: &PointKey,
    ) -> Result<(), StoreError> {
        if key.kind != PointKind::Phone {
            return Ok(());
        }
        let lists = self.lists_of(key.tenant)?;
        if lists.is_empty() {
            return Ok(());
        }
        world
            .national
            .entry(key.tenant)
            .or_insert_with(|| Arc::clone(&lists));
        let Some(number) = digits(key) else {
            return Ok(());
        };
        for list in lists.iter() {
            let values = params![key.tenant.raw(), list.id, number];
            if self.engine.exists(&national::LISTED, values)? {
                world.listed.insert((key.clone(), list.country));
            }
        }
        Ok(())
    }

    /// A list begins to be read. It is asked only when [`Writer::ask_national_list`] says so.
    pub fn begin_national_list(
        &self,
        tenant: TenantId,
        id: i64,
        country: Region,
        as_of: jiff::civil::Date,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let values = params![
            id,
            tenant.raw(),
            country.as_str(),
            as_of.to_string(),
            micros(now)
        ];
        self.run(&national::INSERT_LIST, values)
    }

    /// Numbers of a list that is being read. Answers how many it did not have.
    pub fn add_national_numbers(
        &self,
        tenant: TenantId,
        list: i64,
        numbers: &[i64],
    ) -> Result<usize, StoreError> {
        let mut new = 0;
        for number in numbers {
            new += self.count(
                &national::INSERT_NUMBER,
                params![tenant.raw(), list, number],
            )?;
        }
        Ok(new)
    }

    /// The list was read whole: from the commit on it is asked instead of the one before. Answers false when it is not there any more.
    pub fn ask_national_list(
        &self,
        tenant: TenantId,
        id: i64,
        country: Region,
        numbers: i64,
    ) -> Result<bool, StoreError> {
        self.run(&national::REPLACE, params![tenant.raw(), country.as_str()])?;
        let done = self.count(&national::BEGIN_TO_ASK, params![tenant.raw(), id, numbers])?;
        *self.national.borrow_mut() = None;
        Ok(done == 1)
    }

    /// The list could not be read.
    pub fn give_up_national_list(&self, tenant: TenantId, id: i64) -> Result<(), StoreError> {
        self.run(&national::GIVE_UP, params![tenant.raw(), id])
    }

    /// Removes a piece of a list that is asked no more. Answers whether there is more of it.
    pub(super) fn tidy_national(&self, now: Timestamp) -> Result<bool, StoreError> {
        let values = params![micros(now - LONGEST_READING)];
        let gone: Option<(i64, i64)> = self.engine.one(&national::GONE, values, |row| {
            Ok((row.get(0)?, row.get(1)?))
        })?;
        let Some((tenant, list)) = gone else {
            return Ok(false);
        };
        let n = self.count(
            &national::PURGE_NUMBERS,
            params![tenant, list, GONE_AT_ONCE],
        )?;
        if n == 0 {
            self.run(&national::DELETE_LIST, params![tenant, list])?;
        }
        Ok(true)
    }
}
