//! The limit: the same rows, written by a loop that does nothing else.
//!
//! The rows of one lead are taken from the database that the server just filled, whatever its schema is, and inserted again and
//! again with new ids, in groups, with `synchronous=FULL`. How far the server is from that rate is what the harness tells.

use crate::{
    dice::Dice,
    fault::{Tried, While, fault},
    figures::{per, round},
};
use rusqlite::{Connection, OpenFlags, types::Value};
use serde_json::json;
use std::{
    collections::{HashMap, HashSet},
    path::Path,
    time::{Duration, Instant},
};

/// Leads in one transaction.
const GROUP: u64 = 32;
// Ids of rows are milliseconds with room behind; what is smaller than this is a count, a code or a flag.
const SMALLEST_ID: i64 = 1 << 32;
/// Between the ids of two copies: four seconds in the form that ids have, more than the rows of one lead lie apart.
const STEP: i64 = 1 << 34;

/// A table, the rows of one lead in it, and what has to differ in each copy.
struct Rows {
    table: String,
    insert: String,
    rows: Vec<Vec<Value>>,
    changes: Vec<Change>,
}

/// What becomes of a column in a copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Change {
    /// Ids and times move on; everything else stays.
    Shift,
    /// It names what all leads share.
    Keep,
    /// Text or bytes in a unique index: each copy gets its own, in no order, as numbers and addresses are.
    Own,
    /// The reference number of a lead, which is random.
    Scatter,
}

/// What was measured.
pub struct Bare {
    /// Leads a second.
    pub leads_per_s: f64,
    /// Rows that one lead has, over all tables.
    pub rows_per_lead: usize,
    /// Bytes of the database per lead.
    pub bytes_per_lead: f64,
    tables: Vec<(String, usize)>,
}

impl Bare {
    /// As JSON, with how near `server` leads a second come to it.
    pub fn json(&self, server: f64) -> serde_json::Value {
        let tables: serde_json::Map<_, _> = self
            .tables
            .iter()
            .map(|(table, rows)| (table.clone(), json!(rows)))
            .collect();
        json!({
            "leads_per_s": self.leads_per_s, "group": GROUP, "rows_per_lead": self.rows_per_lead,
            "bytes_per_lead": self.bytes_per_lead, "rows": tables, "server_share": per(server, self.leads_per_s, 3),
        })
    }
}

/// Copies the schema of `source` into a new database at `target` and inserts copies of one lead for `time`.
pub fn measure(source: &Path, target: &Path, time: Duration) -> Tried<Bare> {
    let from = Connection::open_with_flags(source, OpenFlags::SQLITE_OPEN_READ_ONLY)
        .during("opening the server's database")?;
    let to = Connection::open(target).during("making the bare database")?;
    to.execute_batch(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = OFF; PRAGMA wal_autocheckpoint = 20000; \
         PRAGMA cache_size = -8192;",
    )
    .during("setting up the bare database")?;
    copy_schema(&from, &to)?;
    let tables = rows_of_one_lead(&from)?;
    let begun = Instant::now();
    let mut leads = 0;
    let mut dice = Dice::new(1, 1);
    let empty = size(&to)?;
    while begun.elapsed() < time {
        to.execute_batch("BEGIN IMMEDIATE")
            .during("beginning a group")?;
        for lead in leads..leads + GROUP {
            insert_copy(&to, &tables, lead, &mut dice)?;
        }
        to.execute_batch("COMMIT").during("committing a group")?;
        leads += GROUP;
    }
    let seconds = begun.elapsed().as_secs_f64();
    let rows_per_lead = tables.iter().map(|table| table.rows.len()).sum();
    Ok(Bare {
        leads_per_s: per(leads as f64, seconds, 1),
        rows_per_lead,
        bytes_per_lead: round((size(&to)? - empty) as f64 / leads as f64, 0),
        tables: tables
            .iter()
            .map(|table| (table.table.clone(), table.rows.len()))
            .collect(),
    })
}

fn size(db: &Connection) -> Tried<i64> {
    let pragma = |name: &str| {
        db.query_row(&format!("PRAGMA {name}"), [], |row| row.get::<_, i64>(0))
            .during(format_args!("reading {name}"))
    };
    Ok(pragma("page_count")? * pragma("page_size")?)
}

fn copy_schema(from: &Connection, to: &Connection) -> Tried<()> {
    let mut read = from
        .prepare(
            "SELECT sql FROM sqlite_master WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite_%' AND type IN ('table', 'index') \
             ORDER BY type = 'index', rowid",
        )
        .during("reading the schema")?;
    let texts: Vec<String> = read
        .query_map([], |row| row.get(0))
        .and_then(Iterator::collect)
        .during("reading the schema")?;
    for text in texts {
        to.execute_batch(&text)
            .during(format_args!("copying `{text}`"))?;
    }
    Ok(())
}

/// Starts at a lead from the middle of the table and takes every row that names it, or names a row that does.
fn rows_of_one_lead(db: &Connection) -> Tried<Vec<Rows>> {
    let lead: i64 = db
        .query_row(
            "SELECT id FROM leads ORDER BY id LIMIT 1 OFFSET (SELECT count(*) / 2 FROM leads)",
            [],
            |row| row.get(0),
        )
        .during("choosing a lead")?;
    let mut names = db
        .prepare("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY rowid")
        .during("reading the tables")?;
    let names: Vec<String> = names
        .query_map([], |row| row.get(0))
        .and_then(Iterator::collect)
        .during("reading the tables")?;
    let mut known: HashMap<&str, HashSet<i64>> =
        HashMap::from([("lead_id", HashSet::from([lead]))]);
    let mut found = Vec::new();
    for name in &names {
        let columns = columns(db, name)?;
        let wanted = if name == "leads" {
            Some(format!("id = {lead}"))
        } else {
            ["lead_id", "message_id", "run_id"]
                .into_iter()
                .find_map(|key| {
                    let ids = known.get(key)?;
                    let ids: Vec<String> = ids.iter().map(i64::to_string).collect();
                    columns
                        .contains(&key.to_owned())
                        .then(|| format!("{key} IN ({})", ids.join(", ")))
                })
        };
        // Every lead brings one idempotency key, if callers send them; the rows do not name the lead.
        let wanted = match wanted {
            Some(wanted) => wanted,
            None if name == "idempotency_keys" => "1 LIMIT 1".to_owned(),
            None => continue,
        };
        let rows = select(db, name, &columns, &wanted)?;
        if rows.is_empty() {
            continue;
        }
        let key = match name.as_str() {
            "messages" => Some("message_id"),
            "runs" => Some("run_id"),
            _ => None,
        };
        if let (Some(key), Some(at)) = (key, columns.iter().position(|column| column == "id")) {
            let ids = rows.iter().filter_map(|row| match row[at] {
                Value::Integer(id) => Some(id),
                _ => None,
            });
            known.entry(key).or_default().extend(ids);
        }
        let marks: Vec<String> = (1..=columns.len()).map(|at| format!("?{at}")).collect();
        let changes = changes(db, name, &columns)?;
        found.push(Rows {
            insert: format!(
                "INSERT INTO {name} ({}) VALUES ({})",
                columns.join(", "),
                marks.join(", ")
            ),
            table: name.clone(),
            rows,
            changes,
        });
    }
    if found.is_empty() {
        return Err(fault!("the database has no lead"));
    }
    Ok(found)
}

fn columns(db: &Connection, table: &str) -> Tried<Vec<String>> {
    // Generated columns have hidden = 2 or 3 and cannot be inserted.
    let mut read = db
        .prepare("SELECT name FROM pragma_table_xinfo(?1) WHERE hidden = 0 ORDER BY cid")
        .during("reading columns")?;
    read.query_map([table], |row| row.get(0))
        .and_then(Iterator::collect)
        .during(format_args!("reading the columns of {table}"))
}

fn changes(db: &Connection, table: &str, columns: &[String]) -> Tried<Vec<Change>> {
    let mut read = db
        .prepare(
            "SELECT DISTINCT info.name FROM pragma_index_list(?1) AS list, pragma_index_info(list.name) AS info \
             WHERE list.\"unique\" AND info.name IS NOT NULL",
        )
        .during("reading indexes")?;
    let unique: HashSet<String> = read
        .query_map([table], |row| row.get(0))
        .and_then(Iterator::collect)
        .during(format_args!("reading the indexes of {table}"))?;
    let change = |column: &String| match column.as_str() {
        "tenant_id" | "connection_id" => Change::Keep,
        "number" if table == "leads" => Change::Scatter,
        name if unique.contains(name) => Change::Own,
        _ => Change::Shift,
    };
    Ok(columns.iter().map(change).collect())
}

fn select(
    db: &Connection,
    table: &str,
    columns: &[String],
    wanted: &str,
) -> Tried<Vec<Vec<Value>>> {
    let sql = format!("SELECT {} FROM {table} WHERE {wanted}", columns.join(", "));
    let mut read = db.prepare(&sql).during(&sql)?;
    read.query_map([], |row| (0..columns.len()).map(|at| row.get(at)).collect())
        .and_then(Iterator::collect)
        .during(&sql)
}

fn insert_copy(db: &Connection, tables: &[Rows], lead: u64, dice: &mut Dice) -> Tried<()> {
    let shift = STEP * i64::try_from(lead + 1).unwrap_or(i64::MAX);
    for table in tables {
        let mut insert = db.prepare_cached(&table.insert).during(&table.insert)?;
        for row in &table.rows {
            let copy =
                row.iter()
                    .zip(&table.changes)
                    .map(|(value, change)| match (value, change) {
                        (Value::Integer(_), Change::Scatter) => {
                            Value::Integer(dice.below(1 << 40) as i64)
                        }
                        (Value::Integer(id), Change::Shift | Change::Own) if *id >= SMALLEST_ID => {
                            Value::Integer(id + shift)
                        }
                        (Value::Text(text), Change::Own) => Value::Text(another(text, dice)),
                        (Value::Blob(bytes), Change::Own) => Value::Blob(scrambled(bytes, dice)),
                        (value, _) => value.clone(),
                    });
            insert
                .execute(rusqlite::params_from_iter(copy))
                .during(format_args!("inserting a copy into {}", table.table))?;
        }
    }
    Ok(())
}

/// A text of the same length: its last letters and digits are thrown again, up to twelve, which keeps prefixes and checks of form.
fn another(text: &str, dice: &mut Dice) -> String {
    let mut letters: Vec<char> = text.chars().collect();
    let mut left = 12;
    for letter in letters.iter_mut().rev() {
        if left > 0 && letter.is_ascii_alphanumeric() {
            *letter = (b'0' + dice.below(10) as u8) as char;
            left -= 1;
        }
    }
    letters.into_iter().collect()
}

fn scrambled(bytes: &[u8], dice: &mut Dice) -> Vec<u8> {
    bytes.iter().map(|_| dice.roll() as u8).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rows_of_one_lead_are_found_and_copied_with_their_own_ids() {
        let folder = std::env::temp_dir().join(format!("ringback-bare-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let source = folder.join("source.db");
        let db = Connection::open(&source).unwrap();
        db.execute_batch(
            "CREATE TABLE tenants (id INTEGER PRIMARY KEY, name TEXT) STRICT;
             CREATE TABLE leads (id INTEGER PRIMARY KEY, tenant_id INTEGER, number INTEGER NOT NULL, code TEXT CHECK (length(code) = 8)) STRICT;
             CREATE UNIQUE INDEX leads_number ON leads (tenant_id, number);
             CREATE UNIQUE INDEX leads_code ON leads (tenant_id, code);
             CREATE TABLE messages (id INTEGER PRIMARY KEY, lead_id INTEGER NOT NULL, status INTEGER) STRICT;
             CREATE TABLE attempts (message_id INTEGER, number INTEGER, PRIMARY KEY (message_id, number)) STRICT, WITHOUT ROWID;
             CREATE TABLE points (value TEXT, lead_id INTEGER, PRIMARY KEY (value)) STRICT, WITHOUT ROWID;
             INSERT INTO tenants VALUES (1, 'one');",
        )
        .unwrap();
        for n in 0..5i64 {
            let id = (1 << 40) + n * 1_000;
            db.execute(
                "INSERT INTO leads VALUES (?1, 1 << 41, ?2, ?3)",
                (id, n, format!("RB-{n:05}")),
            )
            .unwrap();
            for m in 1..=2 {
                db.execute("INSERT INTO messages VALUES (?1, ?2, 6)", (id + m, id))
                    .unwrap();
                db.execute("INSERT INTO attempts VALUES (?1, 1)", [id + m])
                    .unwrap();
            }
            db.execute(
                "INSERT INTO points VALUES (?1, ?2)",
                (format!("+121255501{n:02}"), id),
            )
            .unwrap();
        }
        drop(db);
        let target = folder.join("bare.db");
        let bare = measure(&source, &target, Duration::from_millis(50)).unwrap();
        assert_eq!(bare.rows_per_lead, 6);
        let db = Connection::open(&target).unwrap();
        let count = |table: &str| {
            db.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| {
                row.get::<_, i64>(0)
            })
            .unwrap()
        };
        let leads = count("leads");
        assert!(leads >= GROUP as i64 && bare.leads_per_s > 0.0);
        assert_eq!(
            (
                count("messages"),
                count("attempts"),
                count("points"),
                count("tenants")
            ),
            (2 * leads, 2 * leads, leads, 0)
        );
        let astray: i64 = db
            .query_row(
                "SELECT count(*) FROM messages WHERE lead_id NOT IN (SELECT id FROM leads)",
                [],
                |row| row.get(0),
            )
            .unwrap();
        assert_eq!(astray, 0, "copies point at their own lead");
        let tenants: i64 = db
            .query_row("SELECT count(DISTINCT tenant_id) FROM leads", [], |row| {
                row.get(0)
            })
            .unwrap();
        assert_eq!(tenants, 1, "copies stay with their tenant");
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
