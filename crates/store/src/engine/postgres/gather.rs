//! Questions that are known beforehand, asked together: one statement for each kind, all in one round trip.

use super::line::{Key, Step};
use super::value::{Column, Param};
use super::{Postgres, Scope, scope_of, text, value};
use crate::StoreError;
use crate::engine::{Kind, Value, Values};
use crate::sql::Statement;
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashSet};

type Failed = Box<dyn std::error::Error + Send + Sync>;

/// Questions to be asked together. Each that is asked again soon is answered from what came back.
#[derive(Debug, Default)]
pub(crate) struct Gathered(BTreeMap<usize, Group>);

#[derive(Debug)]
struct Group {
    statement: Statement,
    text: Cow<'static, str>,
    columns: Vec<Column>,
    tenants: BTreeSet<i64>,
    keys: Vec<Vec<u8>>,
    met: HashSet<Vec<u8>>,
}

impl Gathered {
    /// One more question.
    pub(crate) fn add(
        &mut self,
        statement: &Statement,
        values: Values<'_>,
    ) -> Result<(), StoreError> {
        let group = self.0.entry(statement.id).or_insert_with(|| {
            let kinds: Vec<Kind> = values.iter().map(|value| value.kind()).collect();
            Group {
                statement: *statement,
                text: text::question(statement.postgres, &kinds).into(),
                columns: columns(values),
                tenants: BTreeSet::new(),
                keys: Vec::new(),
                met: HashSet::new(),
            }
        });
        let key = key(statement, values);
        if !group.met.insert(key.clone()) {
            return Ok(());
        }
        group.keys.push(key);
        if let Scope::Of(tenants) = scope_of(statement.tenant, values) {
            group.tenants.extend(tenants);
        }
        push(&mut group.columns, values).map_err(|source| StoreError::Failed {
            at: statement.name,
            source,
        })
    }

    /// True when nothing is asked.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Postgres {
    /// Asks all of it in one round trip. What a turn reads after that is answered from here, until it is forgotten.
    pub(crate) fn gather(&self, wanted: Gathered) -> Result<(), StoreError> {
        if wanted.is_empty() {
            return Ok(());
        }
        let (mut steps, mut asked) = (Vec::new(), Vec::new());
        for group in wanted.0.into_values() {
            let scope = match group.statement.tenant {
                Some(_) => Scope::Of(group.tenants.into_iter().collect()),
                None => Scope::All,
            };
            let step = Step::Ask {
                name: group.statement.name,
                key: Key::Many(group.statement.id),
                text: group.text,
                params: group.columns.into_iter().map(Param::Many).collect(),
            };
            steps.push((scope, step));
            asked.push(group.keys);
        }
        let replies = self.go(steps, None)?;
        let mut state = self.state.borrow_mut();
        for (keys, reply) in asked.into_iter().zip(replies) {
            let mut found: Vec<Vec<tokio_postgres::Row>> =
                keys.iter().map(|_| Vec::new()).collect();
            for row in reply.rows {
                let nth = match value(&row, row.len() - 1)? {
                    Value::Int(nth) => usize::try_from(nth - 1).unwrap_or(usize::MAX),
                    _ => usize::MAX,
                };
                if let Some(rows) = found.get_mut(nth) {
                    rows.push(row);
                }
            }
            state.gathered.extend(keys.into_iter().zip(found));
        }
        Ok(())
    }
}

pub(super) fn columns(values: Values<'_>) -> Vec<Column> {
    values
        .iter()
        .map(|value| Column::new(value.kind()))
        .collect()
}

pub(super) fn push(columns: &mut [Column], values: Values<'_>) -> Result<(), Failed> {
    for (column, value) in columns.iter_mut().zip(values) {
        column.push(value.value())?;
    }
    Ok(())
}

/// A question as bytes: the same question has the same.
pub(super) fn key(statement: &Statement, values: Values<'_>) -> Vec<u8> {
    let mut key = Vec::with_capacity(48);
    key.extend_from_slice(&statement.id.to_le_bytes());
    for value in values {
        write(&mut key, value.value());
    }
    key
}

/// The values at these places as bytes.
pub(super) fn of_places(values: &[&dyn crate::engine::ToValue], places: &[usize]) -> Vec<u8> {
    let mut key = Vec::with_capacity(32);
    for value in places.iter().filter_map(|at| values.get(*at)) {
        write(&mut key, value.value());
    }
    key
}

fn write(key: &mut Vec<u8>, value: Value<'_>) {
    let (kind, bytes): (u8, &[u8]) = match &value {
        Value::Null => (0, &[]),
        Value::Int(n) => {
            key.push(1);
            key.extend_from_slice(&n.to_le_bytes());
            return;
        }
        Value::Text(text) => (2, text.as_bytes()),
        Value::Bytes(bytes) => (3, bytes),
    };
    key.push(kind);
    key.extend_from_slice(&bytes.len().to_le_bytes());
    key.extend_from_slice(bytes);
}
