//! What the database says: read from the file itself, without the server and without its code.

use crate::{
    fault::{Tried, While, fault},
    people,
};
use ringback_core::messages::{Category, ChannelKind, Status};
use ringback_pgtest::Server;
use rusqlite::{Connection, OpenFlags, types::ValueRef};
use serde_json::{Map, Value};
use std::{
    collections::{HashMap, HashSet},
    path::{Path, PathBuf},
    sync::Arc,
};

/// Where the server keeps what it knows.
#[derive(Debug, Clone)]
pub enum Source {
    /// A file of SQLite.
    File(PathBuf),
    /// A database of a PostgreSQL server, looked at as its superuser.
    Postgres(Server, String),
    /// A database of PostgreSQL whose server changes: whoever is the primary is asked.
    Asked(Ask),
}

/// Asks a question of whoever can answer it now; its rows come as lines.
#[derive(Clone)]
pub struct Ask(Arc<Asks>);

type Asks = dyn Fn(&str) -> Tried<String> + Send + Sync;

impl Ask {
    /// By this way.
    pub fn new(ask: impl Fn(&str) -> Tried<String> + Send + Sync + 'static) -> Self {
        Self(Arc::new(ask))
    }
}

impl std::fmt::Debug for Ask {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Ask")
    }
}

/// A row by the names of its columns.
type Row = Map<String, Value>;

/// A message as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// The lead it belongs to.
    pub lead: i64,
    /// How it went.
    pub channel: ChannelKind,
    /// Where it stands.
    pub status: Status,
    /// The store itself says that it may have gone more than once (P4).
    pub maybe_repeated: bool,
    /// It waits for an hour that the law allows: what was held back for longer than a direct answer may take.
    pub waits_for_hours: bool,
}

/// Everything that is compared.
#[derive(Debug, Default)]
pub struct Book {
    /// The leads.
    pub leads: HashSet<i64>,
    /// Which leads carry the token of a number.
    pub by_number: HashMap<u64, Vec<i64>>,
    /// The messages to leads, offers left out.
    pub messages: Vec<Message>,
    /// The offers.
    pub offers: Vec<Message>,
    /// What `integrity_check` and `foreign_key_check` complained about.
    pub damage: Vec<String>,
}

fn open(database: &Path) -> Tried<Connection> {
    let db = Connection::open_with_flags(database, OpenFlags::SQLITE_OPEN_READ_ONLY)
        .during("opening the server's database")?;
    db.busy_timeout(std::time::Duration::from_secs(10))
        .during("opening the server's database")?;
    Ok(db)
}

/// Messages that are not done with.
#[derive(Debug, PartialEq, Eq)]
pub struct Open {
    /// They wait or are on their way.
    pub waiting: i64,
    /// Nobody knows yet whether they went.
    pub unknown: i64,
}

/// Counts the messages that are not done with. An offer may wait for an hour that is allowed, and so may what was held back for longer than a
/// direct answer may take; they are no part of this.
pub fn open_messages(source: &Source) -> Tried<Open> {
    let codes: Vec<String> = Status::ALL
        .iter()
        .filter(|status| !status.settled())
        .map(|status| status.code().to_string())
        .collect();
    let sql = format!(
        "SELECT count(*) FILTER (WHERE status IN ({})) AS waiting, count(*) FILTER (WHERE status = {}) AS unknown FROM messages WHERE category <> {} AND NOT (status = {} AND coalesce(why, '') LIKE '%\"quiet_hours\"%')",
        codes.join(", "),
        Status::Unknown.code(),
        Category::Promotional.code(),
        Status::Deferred.code()
    );
    let mut open = Open {
        waiting: 0,
        unknown: 0,
    };
    each(source, &sql, |row| {
        open = Open {
            waiting: number(row, "waiting")?,
            unknown: number(row, "unknown")?,
        };
        Ok(())
    })?;
    Ok(open)
}

/// The messages whose call was under way, as number of the lead and channel.
pub fn calls_under_way(source: &Source) -> Tried<HashSet<(u64, ChannelKind)>> {
    let mut calls = HashSet::new();
    let sql = "SELECT leads.*, messages.channel AS called_on FROM messages JOIN leads ON leads.id = messages.lead_id WHERE messages.state = 1";
    each(source, sql, |row| {
        let channel = number(row, "called_on")?;
        calls.extend(number_in(row).zip(ChannelKind::from_code(channel)));
        Ok(())
    })?;
    Ok(calls)
}

/// The ids of all calls that were kept, by number of the lead and channel; they rise with the instant of their claim.
pub fn calls_kept(source: &Source) -> Tried<HashMap<(u64, ChannelKind), Vec<i64>>> {
    let mut calls: HashMap<_, Vec<i64>> = HashMap::new();
    let sql = "SELECT leads.*, messages.channel AS called_on, attempts.id AS call FROM attempts JOIN messages ON messages.id = attempts.message_id JOIN leads ON leads.id = messages.lead_id";
    each(source, sql, |row| {
        let channel = number(row, "called_on")?;
        if let Some(key) = number_in(row).zip(ChannelKind::from_code(channel)) {
            calls.entry(key).or_default().push(number(row, "call")?);
        }
        Ok(())
    })?;
    Ok(calls)
}

/// Reads the whole book.
pub fn read(source: &Source) -> Tried<Book> {
    let mut book = Book {
        damage: match source {
            Source::File(database) => damage(&open(database)?)?,
            Source::Postgres(..) | Source::Asked(_) => Vec::new(),
        },
        ..Book::default()
    };
    each(source, "SELECT * FROM leads", |row| {
        let id = number(row, "id")?;
        book.leads.insert(id);
        if let Some(n) = number_in(row) {
            book.by_number.entry(n).or_default().push(id);
        }
        Ok(())
    })?;
    let messages = "SELECT * FROM messages WHERE lead_id IS NOT NULL";
    each(source, messages, |row| {
        let offer = number(row, "category").unwrap_or_default() == Category::Promotional.code();
        let books = if offer {
            &mut book.offers
        } else {
            &mut book.messages
        };
        books.push(message(row)?);
        Ok(())
    })?;
    Ok(book)
}

/// Hands every row of a question on, whichever engine answers.
fn each(source: &Source, sql: &str, take: impl FnMut(&Row) -> Tried<()>) -> Tried<()> {
    match source {
        Source::File(database) => each_of_file(&open(database)?, sql, take),
        Source::Postgres(server, database) => each_line(
            &server.sql(database, &as_lines(sql)).during(sql)?,
            sql,
            take,
        ),
        Source::Asked(ask) => each_line(&(ask.0)(&as_lines(sql))?, sql, take),
    }
}

/// A question whose rows come as lines of JSON.
fn as_lines(sql: &str) -> String {
    format!("SELECT row_to_json(r) FROM ({sql}) AS r")
}

fn each_line(rows: &str, sql: &str, mut take: impl FnMut(&Row) -> Tried<()>) -> Tried<()> {
    for line in rows.lines() {
        take(&serde_json::from_str(line).during(sql)?)?;
    }
    Ok(())
}

fn each_of_file(db: &Connection, sql: &str, mut take: impl FnMut(&Row) -> Tried<()>) -> Tried<()> {
    let mut read = db.prepare(sql).during(sql)?;
    let names: Vec<String> = read.column_names().map(str::to_owned).collect();
    let mut rows = read.query([]).during(sql)?;
    while let Some(row) = rows.next().during(sql)? {
        let mut fields = Row::new();
        for (at, name) in names.iter().enumerate() {
            let value = match row.get_ref(at).during(sql)? {
                ValueRef::Integer(number) => number.into(),
                ValueRef::Text(text) => String::from_utf8_lossy(text).into_owned().into(),
                ValueRef::Null | ValueRef::Real(_) | ValueRef::Blob(_) => Value::Null,
            };
            // Of two columns of one name, as in a join, the first counts.
            fields.entry(name.clone()).or_insert(value);
        }
        take(&fields)?;
    }
    Ok(())
}

fn number(row: &Row, name: &str) -> Tried<i64> {
    row.get(name)
        .and_then(Value::as_i64)
        .ok_or_else(|| fault!("a row has no number in {name}"))
}

fn message(row: &Row) -> Tried<Message> {
    let unreadable =
        |name: &str, code: i64| fault!("messages.{name} holds {code}, which is no such code");
    let (status, channel) = (number(row, "status")?, number(row, "channel")?);
    let why = row.get("why").and_then(Value::as_str).unwrap_or_default();
    Ok(Message {
        lead: number(row, "lead_id")?,
        channel: ChannelKind::from_code(channel).ok_or_else(|| unreadable("channel", channel))?,
        status: Status::from_code(status).ok_or_else(|| unreadable("status", status))?,
        // A schema without the mark lists nothing but unknown messages.
        maybe_repeated: number(row, "repeated").unwrap_or(0) != 0,
        waits_for_hours: status == Status::Deferred.code() && why.contains("\"quiet_hours\""),
    })
}

/// The number of the token in any text of a row.
fn number_in(row: &Row) -> Option<u64> {
    row.values()
        .filter_map(Value::as_str)
        .find_map(|text| people::read_token(text.as_bytes()).map(|(n, _)| n))
}

fn damage(db: &Connection) -> Tried<Vec<String>> {
    let mut damage = Vec::new();
    let mut read = db
        .prepare("PRAGMA integrity_check")
        .during("integrity_check")?;
    let lines = read
        .query_map([], |row| row.get::<_, String>(0))
        .during("integrity_check")?;
    for line in lines {
        let line = line.during("reading integrity_check")?;
        if line != "ok" {
            damage.push(line);
        }
    }
    let mut read = db
        .prepare("PRAGMA foreign_key_check")
        .during("foreign_key_check")?;
    let tables = read
        .query_map([], |row| row.get::<_, String>(0))
        .during("foreign_key_check")?;
    for table in tables {
        let table = table.during("reading foreign_key_check")?;
        damage.push(format!("a row of {table} points at nothing"));
    }
    Ok(damage)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_book_is_read_from_the_file() {
        let path = std::env::temp_dir().join(format!("ringback-records-{}.db", std::process::id()));
        let db = Connection::open(&path).unwrap();
        db.execute_batch(&format!(
            "PRAGMA foreign_keys = OFF;
             CREATE TABLE leads (id INTEGER PRIMARY KEY, note INTEGER, last_name TEXT);
             CREATE TABLE messages (id INTEGER PRIMARY KEY, lead_id INTEGER REFERENCES leads (id), channel INTEGER, status INTEGER, category INTEGER, why TEXT);
             INSERT INTO leads VALUES (10, 7, 'Whitfield {}'), (11, NULL, 'somebody else');
             INSERT INTO messages (id, lead_id, channel, status, category) VALUES (1, 10, 0, 4, 0), (2, 10, 1, 11, 0), (3, 11, 0, 3, 0), (4, NULL, 0, 1, 0), (5, 99, 1, 4, 0), (6, 10, 0, 2, {});
             INSERT INTO messages VALUES (7, 10, 0, 2, 0, '{{\"code\":\"quiet_hours\"}}');",
            people::token(42, 1_790_000_000_000_000),
            Category::Promotional.code()
        ))
        .unwrap();
        drop(db);
        let file = Source::File(path.clone());
        let book = read(&file).unwrap();
        assert_eq!(book.leads, HashSet::from([10, 11]));
        assert_eq!(book.by_number, HashMap::from([(42, vec![10])]));
        assert_eq!(book.messages.len(), 5, "messages to staff are not compared");
        assert_eq!(book.offers.len(), 1);
        assert_eq!(book.messages[1].channel, ChannelKind::Email);
        assert_eq!(book.messages[1].status, Status::Unknown);
        assert_eq!(book.damage, ["a row of messages points at nothing"]);
        assert_eq!(
            open_messages(&file).unwrap(),
            Open {
                waiting: 2,
                unknown: 1
            }
        );
        std::fs::remove_file(&path).unwrap();
    }

    /// Both engines tell the same of the same rows.
    #[test]
    fn the_book_is_read_from_postgresql() {
        let database = ringback_pgtest::shared().unwrap().database().unwrap();
        database
            .sql(&format!(
                "CREATE TABLE leads (id BIGINT PRIMARY KEY, note BIGINT, last_name TEXT);
                 CREATE TABLE messages (id BIGINT PRIMARY KEY, lead_id BIGINT, channel BIGINT, status BIGINT, category BIGINT, state BIGINT, why TEXT);
                 INSERT INTO leads VALUES (10, 7, E'Whit\nfield {}'), (11, NULL, 'somebody else');
                 INSERT INTO messages (id, lead_id, channel, status, category, state) VALUES (1, 10, 0, 4, 0, 2), (2, 10, 1, 11, 0, 3), (3, 11, 0, 3, 0, 1), (4, NULL, 0, 1, 0, 0), (6, 10, 0, 2, {}, 0);",
                people::token(42, 1_790_000_000_000_000),
                Category::Promotional.code()
            ))
            .unwrap();
        let source = Source::Postgres(database.server().clone(), database.name().to_owned());
        let book = read(&source).unwrap();
        assert_eq!(book.leads, HashSet::from([10, 11]));
        assert_eq!(book.by_number, HashMap::from([(42, vec![10])]));
        assert_eq!((book.messages.len(), book.offers.len()), (3, 1));
        assert_eq!(book.messages[1].status, Status::Unknown);
        let open = Open {
            waiting: 2,
            unknown: 1,
        };
        assert_eq!(open_messages(&source).unwrap(), open);
        assert_eq!(calls_under_way(&source).unwrap(), HashSet::new());
    }
}
