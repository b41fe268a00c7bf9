//! A house with rows in every table, put together from the schema: a table or column that is added is filled without a change here, or the
//! insert fails and says which rule it met.

use rusqlite::Connection;
use rusqlite::types::Value;
use std::collections::BTreeMap;
use std::path::Path;

/// How many businesses it has.
pub const TENANTS: usize = 3;

/// Dice that always fall the same way.
pub struct Chance(pub u64);

impl Chance {
    pub fn below(&mut self, n: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % n.max(1)
    }

    /// A text as people and programs write them: empty, long, with quotes, newlines, other scripts, marks of a hash.
    fn text(&mut self) -> String {
        const PARTS: &[&str] = &[
            "",
            "a",
            "O'Brien",
            "\"quoted\"",
            "line\nbreak",
            "tab\t",
            "|t3:abc|",
            "-",
            "Žluťoučký",
            "日本語",
            "🚪",
            "\u{7f}",
            "\\N",
            "{\"a\":1}",
            "%_",
            "a\u{301}",
            "NULL",
            "  ",
            "ß",
        ];
        let n = self.below(4);
        (0..n).map(|_| PARTS[self.below(PARTS.len())]).collect()
    }

    fn bytes(&mut self, n: usize) -> Vec<u8> {
        (0..n).map(|_| self.below(256) as u8).collect()
    }
}

/// A column of the schema.
struct Column {
    name: String,
    kind: String,
    required: bool,
    key: bool,
}

fn columns(connection: &Connection) -> BTreeMap<String, Vec<Column>> {
    let sql = "SELECT t.name, c.name, c.type, c.\"notnull\", c.pk FROM sqlite_master AS t, pragma_table_info(t.name) AS c
        WHERE t.type = 'table' AND t.name NOT LIKE 'sqlite_%' ORDER BY t.name, c.cid";
    let mut statement = connection.prepare(sql).unwrap();
    let rows = statement.query_map([], |row| {
        let column = Column {
            name: row.get(1)?,
            kind: row.get(2)?,
            required: row.get(3)?,
            key: row.get::<_, i64>(4)? > 0,
        };
        Ok((row.get::<_, String>(0)?, column))
    });
    let mut tables: BTreeMap<String, Vec<Column>> = BTreeMap::new();
    for row in rows.unwrap() {
        let (table, column) = row.unwrap();
        tables.entry(table).or_default().push(column);
    }
    tables
}

/// What the rules of the schema and the program itself ask of a value; anything where there is none.
fn ruled(table: &str, column: &str, n: usize, seal: &Seal<'_>) -> Option<Value> {
    let int = |n: usize| Some(Value::Integer(n as i64));
    let text = |text: &str| Some(Value::Text(text.to_owned()));
    let long = || Some(Value::Blob(vec![n as u8; 32]));
    let tenant = (n % TENANTS + 1) as i64;
    // Four kinds of messages, as their checks allow.
    let state = [0, 2, 3, 1][n % 4];
    match (table, column) {
        ("tenants", "id") | (_, "tenant_id") => Some(Value::Integer(tenant)),
        ("tenants", "kill") => text("[]"),
        ("tenants", "secret")
        | ("keys" | "wordings", "hash")
        | ("chain", "hash" | "commitment") => long().map(|value| match value {
            Value::Blob(mut bytes) => {
                bytes[..8].copy_from_slice(&n.to_be_bytes());
                Value::Blob(bytes)
            }
            other => other,
        }),
        ("tenants", "sandbox")
        | ("connections", "enabled")
        | ("work", "kind")
        | ("chain", "entry")
        | ("consents", "granted") => int(n % 2),
        ("tenants", "requests_per_minute" | "messages_per_hour") => int(60 + n),
        ("connections", "channel") => int(0),
        ("connections", "breaker" | "trouble") => Some(Value::Null),
        ("connections", "settings") => Some(Value::Blob(seal(tenant, n as i64 + 1))),
        ("keys", "kind") => text(["secret", "test", "write"][n % 3]),
        ("users", "role") => text(["owner", "admin", "agent", "viewer"][n % 4]),
        ("sign_in_links" | "browser_sessions", "user_id") => int(n % 3 + 1),
        ("contact_points", "kind") => int(n % 4),
        ("runs", "state") => int(n % 3),
        ("runs", "ended_at") => match n % 3 {
            0 => Some(Value::Null),
            _ => int(n),
        },
        ("messages", "state") => int(state),
        ("messages", "status") => int([1, 5, 11, 3][n % 4]),
        ("messages", "deadline") => match state {
            1 | 3 => int(n),
            _ => Some(Value::Null),
        },
        ("messages", "attempt_id") => match state {
            1 => int(n + 7),
            _ => Some(Value::Null),
        },
        ("consents", "salt") => match n % 5 {
            0 => Some(Value::Null),
            _ => Some(Value::Blob(vec![n as u8; 16])),
        },
        ("consents", "erased_at") => match n % 5 {
            0 => int(n),
            _ => Some(Value::Null),
        },
        ("do_not_call_lists", "state") => int(2 * (n % 2)),
        ("recovery_holds", "state") => int(n % 3),
        ("recovery_holds", "report") => text("{}"),
        ("recovery_holds", "snapshot_at" | "restored_at" | "changed_at" | "floor")
        | ("tenants", "created_at")
        | ("connections", "created_at") => int(1_770_000_000_000_000 + n),
        _ => None,
    }
}

/// Seals the settings of a connection: tenant, connection.
pub type Seal<'a> = dyn Fn(i64, i64) -> Vec<u8> + 'a;

/// How many rows a table has in a house with so many leads.
fn rows(table: &str, leads: usize) -> usize {
    match table {
        "tenants" | "recovery_holds" => TENANTS,
        "leads" | "events" | "messages" | "attempts" | "contact_points" | "consents" | "chain" => {
            leads
        }
        "score_ledger" | "score_states" | "runs" | "seen" => leads / 2 + 20,
        _ => 20 + leads / 50,
    }
}

/// Fills the database of a folder. Tables of engines and of moves stay as they are.
pub fn fill(folder: &Path, leads: usize, seed: u64, seal: &Seal<'_>) {
    drop(ringback_store::open(folder).unwrap());
    let mut connection = Connection::open(folder.join("ringback.db")).unwrap();
    let all = columns(&connection);
    let work = connection.transaction().unwrap();
    work.execute_batch("PRAGMA defer_foreign_keys = ON")
        .unwrap();
    let mut chance = Chance(seed);
    for (table, columns) in &all {
        if ringback_store::moving::STAY
            .iter()
            .any(|(one, _)| one == table)
        {
            continue;
        }
        let names: Vec<String> = columns
            .iter()
            .map(|one| format!("\"{}\"", one.name))
            .collect();
        let marks: Vec<String> = (1..=columns.len()).map(|n| format!("?{n}")).collect();
        let sql = format!(
            "INSERT INTO \"{table}\" ({}) VALUES ({})",
            names.join(", "),
            marks.join(", ")
        );
        let mut insert = work.prepare(&sql).unwrap();
        for n in 0..rows(table, leads) {
            let values = columns.iter().map(|column| {
                ruled(table, &column.name, n, seal).unwrap_or_else(|| any(column, n, &mut chance))
            });
            let values: Vec<Value> = values.collect();
            insert
                .execute(rusqlite::params_from_iter(&values))
                .unwrap_or_else(|why| panic!("{table}: {why}: {values:?}"));
        }
    }
    work.commit().unwrap();
}

fn any(column: &Column, n: usize, chance: &mut Chance) -> Value {
    if !column.required && !column.key && chance.below(3) == 0 {
        return Value::Null;
    }
    match column.kind.as_str() {
        // Unique where it has to be, in an order that is not that of the rows.
        "TEXT" => Value::Text(format!(
            "{}{}{n}",
            chance.text(),
            ["z", "a", "m", "É"][n % 4]
        )),
        "BLOB" => {
            let n_bytes = chance.below(40);
            let mut bytes = chance.bytes(n_bytes);
            if column.key {
                bytes.extend(n.to_be_bytes());
            }
            Value::Blob(bytes)
        }
        _ if column.key || column.name == "number" => Value::Integer(n as i64 + 1),
        _ => Value::Integer(match chance.below(6) {
            0 => i64::MAX - n as i64,
            1 => i64::MIN + n as i64,
            2 => 0,
            3 => -(n as i64),
            _ => 1_770_000_000_000_000 + n as i64,
        }),
    }
}
