//! Fills a database whose server is stopped: the real rows of a small run, copied with ids, instants, numbers and addresses of their own, by
//! statements over whole batches, so that millions of messages take minutes.

use crate::fault::{Tried, While};
use ringback_pgtest::Server;
use rusqlite::Connection;
use serde_json::Value;

/// Instants of the filling are so much older than those of the small run: nothing of it is recent. Unit: microseconds.
const AGO: i64 = 200 * 86_400_000_000;
/// Copied ids begin here: below all that a server gives, so that what is old comes before what is new in every index.
const FIRST_ID: i64 = 1 << 50;
/// Ids from one lead to the next.
const APART: i64 = 65_536;
/// Leads that are filled in by one statement.
const BATCH: u64 = 20_000;
/// Of each lead the first event is copied, its copies from this id on.
const EVENTS_FROM: i64 = 20_000;

/// A database that is filled.
pub(super) enum Base {
    /// A file of SQLite.
    File(Connection),
    /// A database of a PostgreSQL server.
    Database(Server, String),
}

impl Base {
    fn run(&self, sql: &str) -> Tried<()> {
        let doing = || sql.chars().take(120).collect::<String>();
        match self {
            Self::File(db) => db.execute_batch(sql).during(doing()),
            Self::Database(server, name) => {
                let sql = format!("SET synchronous_commit = off; {sql}");
                server.sql(name, &sql).map(drop).during(doing())
            }
        }
    }

    /// The lines that a question finds, of one column.
    fn lines(&self, sql: &str) -> Tried<Vec<String>> {
        match self {
            Self::File(db) => {
                let mut read = db.prepare(sql).during(sql)?;
                let text = |row: &rusqlite::Row<'_>| {
                    row.get::<_, rusqlite::types::Value>(0)
                        .map(|value| match value {
                            rusqlite::types::Value::Integer(n) => n.to_string(),
                            rusqlite::types::Value::Text(text) => text,
                            other => format!("{other:?}"),
                        })
                };
                read.query_map([], text)
                    .and_then(Iterator::collect)
                    .during(sql)
            }
            Self::Database(server, name) => {
                let said = server.sql(name, sql).during(sql)?;
                Ok(said.lines().map(str::to_owned).collect())
            }
        }
    }

    fn number(&self, sql: &str) -> Tried<u64> {
        let lines = self.lines(sql)?;
        lines.first().map_or("", String::as_str).parse().during(sql)
    }

    fn columns(&self, table: &str) -> Tried<Vec<String>> {
        self.lines(&match self {
            Self::File(_) => format!("SELECT name FROM pragma_table_info('{table}') ORDER BY cid"),
            Self::Database(..) => format!(
                "SELECT column_name FROM information_schema.columns WHERE table_name = '{table}' ORDER BY ordinal_position"
            ),
        })
    }

    /// On PostgreSQL indexes are made at the end, which takes a fraction of the time, and nothing waits for the disk meanwhile. Answers what makes
    /// them again; those that keys stand on stay.
    fn set_indexes_aside(&self) -> Tried<Vec<String>> {
        let Self::Database(server, name) = self else {
            return Ok(Vec::new());
        };
        for sql in [
            "ALTER SYSTEM SET fsync = off",
            "ALTER SYSTEM SET full_page_writes = off",
            "SELECT pg_reload_conf()",
        ] {
            server.sql(name, sql).map(drop).during(sql)?;
        }
        let plain = "FROM pg_indexes AS i WHERE i.schemaname = current_schema() AND i.tablename IN ('leads', 'contact_points', 'messages', 'attempts', 'runs', 'sessions', 'events')
            AND NOT EXISTS (SELECT 1 FROM pg_constraint AS c WHERE c.conname = i.indexname)";
        let made_by = self.lines(&format!("SELECT i.indexdef {plain} ORDER BY i.indexname"))?;
        for index in self.lines(&format!("SELECT i.indexname {plain}"))? {
            self.run(&format!("DROP INDEX {index}"))?;
        }
        Ok(made_by)
    }

    /// A table for the time of the filling.
    const fn make(&self) -> &'static str {
        match self {
            Self::File(_) => "CREATE TEMP TABLE",
            Self::Database(..) => "CREATE UNLOGGED TABLE",
        }
    }

    /// Numbers as rows of one column; whoever comes after it is looked up for each.
    fn series(&self, name: &str, from: u64, to: u64) -> String {
        match self {
            Self::File(_) => format!(
                "(WITH RECURSIVE n({name}) AS (SELECT {from} UNION ALL SELECT {name} + 1 FROM n WHERE {name} + 1 < {to}) SELECT {name} FROM n) AS s_{name}"
            ),
            Self::Database(..) => {
                format!("generate_series({from}::BIGINT, {to}::BIGINT - 1) AS s_{name}({name})")
            }
        }
    }

    /// Nine digits that belong to the lead of this number alone, in no order.
    fn digits(&self) -> &'static str {
        match self {
            Self::File(_) => "printf('%09d', (i * 19577647) % 1000000000)",
            Self::Database(..) => "lpad(((i * 19577647) % 1000000000)::TEXT, 9, '0')",
        }
    }
}

/// Rows that are copied: a table, which of its rows are samples, and what becomes of columns. `nth` counts a lead's rows of a table from 1.
struct Copied {
    table: &'static str,
    of: &'static str,
    changes: Vec<(&'static str, String)>,
}

/// Fills a database. Answers how many rows there are then.
pub(super) fn fill(base: &Base, messages: u64, events: u64) -> Tried<Value> {
    let leads = (messages / 2).max(1);
    if let Base::File(_) = base {
        base.run(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF; PRAGMA cache_size = -400000; PRAGMA foreign_keys = OFF; PRAGMA temp_store = MEMORY;",
        )?;
    }
    let make = base.make();
    base.run(&format!(
        "{make} fill_leads AS SELECT t.*, row_number() OVER (ORDER BY id) - 1 AS sample_at, 1 AS nth FROM leads AS t WHERE last_name LIKE '%xq'"
    ))?;
    let samples = base.number("SELECT count(*) FROM fill_leads")?.max(1);
    let copies = copied(base);
    for one in &copies {
        if one.table == "leads" {
            continue;
        }
        let (table, of) = (one.table, one.of);
        base.run(&format!(
            "{make} fill_{table} AS SELECT t.*, l.sample_at AS sample_at, row_number() OVER (PARTITION BY l.id ORDER BY {}) AS nth
             FROM {table} AS t {of}",
            if table == "contact_points" { "t.kind" } else if table.starts_with("score_") { "t.model" } else { "t.id" }
        ))?;
    }
    for one in &copies {
        base.run(&format!(
            "CREATE INDEX {}fill_{}_at ON fill_{} (sample_at)",
            if matches!(base, Base::File(_)) {
                "temp."
            } else {
                ""
            },
            one.table,
            one.table
        ))?;
    }
    let indexes = base.set_indexes_aside()?;
    let per_lead = events.div_ceil(leads).max(1);
    let mut from = 0;
    while from < leads {
        let to = (from + BATCH).min(leads);
        if let Base::File(_) = base {
            base.run("BEGIN")?;
        }
        for one in &copies {
            base.run(&insert(base, one, samples, (from, to), per_lead)?)?;
        }
        if let Base::File(_) = base {
            base.run("COMMIT")?;
        }
        from = to;
    }
    for one in &copies {
        base.run(&format!("DROP TABLE fill_{}", one.table))?;
    }
    for made_by in indexes {
        base.run(&format!("SET maintenance_work_mem = '512MB'; {made_by}"))?;
    }
    match base {
        Base::File(_) => base.run("PRAGMA wal_checkpoint(TRUNCATE)")?,
        Base::Database(server, name) => {
            let as_before = ["fsync", "full_page_writes"]
                .map(|name| format!("ALTER SYSTEM RESET {name}"))
                .into_iter()
                .chain(
                    ["VACUUM (ANALYZE)", "SELECT pg_reload_conf()", "CHECKPOINT"]
                        .map(str::to_owned),
                );
            for sql in as_before {
                server.sql(name, &sql).map(drop).during(&sql)?;
            }
        }
    }
    let mut counts = serde_json::Map::new();
    for table in [
        "leads",
        "messages",
        "attempts",
        "events",
        "contact_points",
        "runs",
    ] {
        let n = base.number(&format!("SELECT count(*) FROM {table}"))?;
        counts.insert(table.to_owned(), n.into());
    }
    let bytes = match base {
        Base::File(_) => "SELECT page_count * 4096 FROM pragma_page_count",
        Base::Database(..) => "SELECT pg_database_size(current_database())",
    };
    counts.insert("megabytes".to_owned(), (base.number(bytes)? >> 20).into());
    Ok(Value::Object(counts))
}

fn insert(
    base: &Base,
    one: &Copied,
    samples: u64,
    (from, to): (u64, u64),
    per_lead: u64,
) -> Tried<String> {
    let columns = base.columns(one.table)?;
    let expressions: Vec<String> = columns
        .iter()
        .map(|column| {
            let changed = one.changes.iter().find(|(name, _)| name == column);
            changed.map_or_else(|| format!("t.{column}"), |(_, to)| to.clone())
        })
        .collect();
    let further = if one.table == "events" {
        format!("CROSS JOIN {}", base.series("k", 0, per_lead))
    } else {
        String::new()
    };
    // SQLite takes the order of a cross join as it is written: the new rows come in the order of their ids.
    let join = match base {
        Base::File(_) => "CROSS JOIN",
        Base::Database(..) => "JOIN",
    };
    Ok(format!(
        "INSERT INTO {} ({}) SELECT {} FROM {} {join} fill_{} AS t ON t.sample_at = i % {samples} {further}",
        one.table,
        columns.join(", "),
        expressions.join(", "),
        base.series("i", from, to),
        one.table,
    ))
}

fn copied(base: &Base) -> Vec<Copied> {
    let lead = || format!("{FIRST_ID} + i * {APART}");
    let nth = || format!("{FIRST_ID} + i * {APART} + t.nth");
    let ago = |column: &str| format!("t.{column} - {AGO}");
    let phone = format!("'+19' || {}", base.digits());
    let email = format!("'old.' || {} || '@example.com'", base.digits());
    let address = |column: &str| format!("CASE t.{column} WHEN 0 THEN {phone} ELSE {email} END");
    let of_lead = "JOIN fill_leads AS l ON l.id = t.lead_id";
    vec![
        Copied {
            table: "leads",
            of: "",
            changes: vec![
                ("id", lead()),
                ("number", "1000 + i".to_owned()),
                ("phone", phone.clone()),
                ("email", email.clone()),
                ("last_name", "'Old'".to_owned()),
                ("created_at", ago("created_at")),
                ("updated_at", ago("updated_at")),
                ("last_event_at", ago("last_event_at")),
            ],
        },
        Copied {
            table: "contact_points",
            of: "JOIN fill_leads AS l ON l.id = t.lead_id AND t.kind < 2",
            changes: vec![
                ("value", address("kind")),
                ("lead_id", lead()),
                ("added_at", ago("added_at")),
            ],
        },
        Copied {
            table: "messages",
            of: "JOIN fill_leads AS l ON l.id = t.lead_id AND t.state = 2",
            changes: vec![
                ("id", nth()),
                ("lead_id", lead()),
                ("notification_id", lead()),
                ("recipient", address("channel")),
                ("due_at", ago("due_at")),
                ("created_at", ago("created_at")),
            ],
        },
        Copied {
            table: "attempts",
            of: "JOIN fill_messages AS m ON m.id = t.message_id JOIN fill_leads AS l ON l.id = m.lead_id",
            changes: vec![
                ("id", nth()),
                ("message_id", nth()),
                ("started_at", ago("started_at")),
                ("finished_at", ago("finished_at")),
            ],
        },
        Copied {
            table: "runs",
            of: "JOIN fill_leads AS l ON l.id = t.lead_id AND t.state <> 0",
            changes: vec![
                ("id", nth()),
                ("lead_id", lead()),
                ("created_at", ago("created_at")),
            ],
        },
        Copied {
            table: "sessions",
            of: of_lead,
            changes: vec![
                ("id", nth()),
                ("lead_id", lead()),
                ("started_at", ago("started_at")),
                ("last_at", ago("last_at")),
            ],
        },
        Copied {
            table: "score_states",
            of: of_lead,
            changes: vec![("lead_id", lead())],
        },
        Copied {
            table: "score_ledger",
            of: of_lead,
            changes: vec![("lead_id", lead())],
        },
        Copied {
            table: "events",
            of: "JOIN fill_leads AS l ON l.id = t.lead_id AND t.id = (SELECT min(id) FROM events AS e WHERE e.lead_id = t.lead_id)",
            changes: vec![
                (
                    "id",
                    format!("{FIRST_ID} + i * {APART} + {EVENTS_FROM} + k"),
                ),
                ("lead_id", lead()),
                ("at", format!("t.at - {AGO} + k")),
                ("received_at", format!("t.received_at - {AGO} + k")),
            ],
        },
    ]
}
