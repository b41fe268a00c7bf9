//! Changes that wait for the next question or the commit: those of one kind become one statement.

use super::line::{Key, Step};
use super::value::{Column, Param};
use super::{Scope, gather, params, text::Shape};
use crate::engine::Values;
use crate::sql::Statement;
use std::borrow::Cow;
use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

/// What waits, in the order in which it is sent.
#[derive(Debug, Default)]
pub(super) struct Queue(Vec<Batch>);

/// Changes of one kind.
#[derive(Debug)]
struct Batch {
    statement: Statement,
    shape: Arc<Shape>,
    tenants: BTreeSet<i64>,
    across: bool,
    values: Rows,
}

#[derive(Debug)]
enum Rows {
    One(Vec<Param>),
    Many {
        text: String,
        columns: Vec<Column>,
        met: HashSet<Vec<u8>>,
    },
}

impl Queue {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// One more change. It joins earlier ones of its kind when nothing that changes the same table came in between, and when none of them
    /// is about the same row.
    pub(super) fn push(
        &mut self,
        statement: &Statement,
        shape: Arc<Shape>,
        scope: Scope,
        values: Values<'_>,
    ) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        let (tenants, across) = match scope {
            Scope::Of(tenants) => (tenants, false),
            Scope::All => (Vec::new(), true),
        };
        let key = gather::of_places(values, &shape.key);
        for batch in self.0.iter_mut().rev() {
            if batch.statement.id == statement.id
                && let Rows::Many { columns, met, .. } = &mut batch.values
                && (shape.key.is_empty() || met.insert(key.clone()))
            {
                batch.tenants.extend(tenants);
                return gather::push(columns, values);
            }
            if batch.shape.table == shape.table {
                break;
            }
        }
        let values = match &shape.many {
            Some(text) => {
                let mut columns = gather::columns(values);
                gather::push(&mut columns, values)?;
                Rows::Many {
                    text: text.clone(),
                    columns,
                    met: HashSet::from([key]),
                }
            }
            None => Rows::One(params(values)),
        };
        self.0.push(Batch {
            statement: *statement,
            shape,
            tenants: tenants.into_iter().collect(),
            across,
            values,
        });
        Ok(())
    }

    /// Everything, as it is sent.
    pub(super) fn take(&mut self) -> Vec<(Scope, Step)> {
        let step = |batch: Batch| {
            let scope = if batch.across {
                Scope::All
            } else {
                Scope::Of(batch.tenants.into_iter().collect())
            };
            let (id, name) = (batch.statement.id, batch.statement.name);
            let step = match batch.values {
                Rows::Many { text, columns, .. } => Step::Ask {
                    name,
                    key: Key::Many(id),
                    text: Cow::Owned(text),
                    params: columns.into_iter().map(Param::Many).collect(),
                },
                Rows::One(params) => Step::Ask {
                    name,
                    key: Key::One(id),
                    text: Cow::Borrowed(batch.statement.postgres),
                    params,
                },
            };
            (scope, step)
        };
        std::mem::take(&mut self.0).into_iter().map(step).collect()
    }
}
