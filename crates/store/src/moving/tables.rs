//! The tables that move: read from the schemas of both ends, so that none is forgotten.

use super::MoveError;
use crate::engine::Kind;
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// Tables that belong to an engine or to the move itself, with why they stay.
pub const STAY: &[(&str, &str)] = &[
    ("refinery_schema_history", "which migrations SQLite has had"),
    ("schema_history", "which migrations PostgreSQL has had"),
    ("nodes", "servers that work on this PostgreSQL"),
    ("node_turns", "what each of them committed last"),
    ("house_version", "tells them that a configuration changed"),
    ("moves", "the move itself"),
    ("moved_tables", "how far the move has come"),
];

/// A table as one end has it.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// Columns with their kinds.
    pub(super) columns: BTreeMap<String, Kind>,
    /// The columns of its primary key, in their order.
    pub(super) key: Vec<String>,
}

/// Every table of a database, by name.
pub(super) type Schema = BTreeMap<String, Found>;

/// A table that moves. Columns are in the order of their names on either engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Table {
    pub(super) name: String,
    pub(super) columns: Vec<(String, Kind)>,
    /// Places in `columns` of the primary key at the end that is left.
    pub(super) from_key: Vec<usize>,
    /// The same at the other end, where it may begin with the tenant.
    pub(super) to_key: Vec<usize>,
}

/// The tables that move from one schema to the other: those of tenants first, which others point at.
pub(super) fn agree(from: &Schema, to: &Schema) -> Result<Vec<Table>, MoveError> {
    let stays = |name: &str| STAY.iter().any(|(one, _)| *one == name);
    let names = |schema: &Schema| -> Vec<String> {
        let names = schema.keys().filter(|name| !stays(name));
        names.cloned().collect()
    };
    let (ours, theirs) = (names(from), names(to));
    if let Some(lonely) = ours
        .iter()
        .find(|one| !theirs.contains(one))
        .or_else(|| theirs.iter().find(|one| !ours.contains(one)))
    {
        return Err(MoveError::Schemas(format!(
            "the table {lonely} is at one of the two ends alone"
        )));
    }
    let mut tables = Vec::new();
    for name in ours {
        let (Some(here), Some(there)) = (from.get(&name), to.get(&name)) else {
            continue;
        };
        if here.columns != there.columns {
            return Err(MoveError::Schemas(format!(
                "the columns of {name} are not the same at both ends"
            )));
        }
        let columns: Vec<(String, Kind)> = here.columns.clone().into_iter().collect();
        let places = |key: &[String]| -> Vec<usize> {
            let place = |one| columns.iter().position(|(column, _)| column == one);
            key.iter().filter_map(place).collect()
        };
        let (from_key, to_key) = (places(&here.key), places(&there.key));
        if from_key.is_empty() || to_key.is_empty() {
            return Err(MoveError::Schemas(format!("{name} has no primary key")));
        }
        tables.push(Table {
            name,
            columns,
            from_key,
            to_key,
        });
    }
    tables.sort_by_key(|table| (table.name != "tenants", table.name.clone()));
    Ok(tables)
}

impl Table {
    fn list(&self, places: impl Iterator<Item = usize>) -> String {
        let mut out = String::new();
        for place in places {
            let comma = if out.is_empty() { "" } else { ", " };
            if let Some((name, _)) = self.columns.get(place) {
                let _ = write!(out, "{comma}\"{name}\"");
            }
        }
        out
    }

    /// All columns, as they are written in a statement.
    pub(super) fn all(&self) -> String {
        self.list(0..self.columns.len())
    }

    /// A piece of the table in the order of a key: after a row, or from the beginning. `mark` is what values are written with.
    pub(super) fn piece(&self, key: &[usize], after: bool, most: usize, mark: char) -> String {
        let order = self.list(key.iter().copied());
        let mut text = format!("SELECT {} FROM \"{}\"", self.all(), self.name);
        if after {
            let values: Vec<String> = (1..=key.len()).map(|n| format!("{mark}{n}")).collect();
            let _ = write!(text, " WHERE ({order}) > ({})", values.join(", "));
        }
        let _ = write!(text, " ORDER BY {order} LIMIT {most}");
        text
    }
}
