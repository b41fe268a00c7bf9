//! What the database says: read from the file itself, without the server and without its code.

use crate::{
    fault::{Fault, Tried, While, fault},
    people,
};
use ringback_core::messages::{Category, ChannelKind, Status};
use rusqlite::{Connection, OpenFlags, Row, types::ValueRef};
use std::{
    collections::{HashMap, HashSet},
    path::Path,
};

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

/// Counts the messages that are not done with. An offer may wait for an hour that is allowed; it is no part of this.
pub fn open_messages(database: &Path) -> Tried<Open> {
    let codes: Vec<String> = Status::ALL
        .iter()
        .filter(|status| !status.settled())
        .map(|status| status.code().to_string())
        .collect();
    let sql = format!(
        "SELECT count(*) FILTER (WHERE status IN ({})), count(*) FILTER (WHERE status = {}) FROM messages WHERE category <> {}",
        codes.join(", "),
        Status::Unknown.code(),
        Category::Promotional.code()
    );
    open(database)?
        .query_row(&sql, [], |row| {
            Ok(Open {
                waiting: row.get(0)?,
                unknown: row.get(1)?,
            })
        })
        .during("counting open messages")
}

/// The messages whose call was under way, as number of the lead and channel.
pub fn calls_under_way(database: &Path) -> Tried<HashSet<(u64, ChannelKind)>> {
    let mut calls = HashSet::new();
    let sql = "SELECT leads.*, messages.channel AS called_on FROM messages JOIN leads ON leads.id = messages.lead_id WHERE messages.state = 1";
    each(&open(database)?, sql, |row| {
        let channel: i64 = row.get("called_on").during("reading a channel")?;
        calls.extend(number_in(row).zip(ChannelKind::from_code(channel)));
        Ok(())
    })?;
    Ok(calls)
}

/// The ids of all calls that were kept, by number of the lead and channel; they rise with the instant of their claim.
pub fn calls_kept(database: &Path) -> Tried<HashMap<(u64, ChannelKind), Vec<i64>>> {
    let mut calls: HashMap<_, Vec<i64>> = HashMap::new();
    let sql = "SELECT leads.*, messages.channel AS called_on, attempts.id AS call FROM attempts JOIN messages ON messages.id = attempts.message_id JOIN leads ON leads.id = messages.lead_id";
    each(&open(database)?, sql, |row| {
        let channel: i64 = row.get("called_on").during("reading a channel")?;
        if let Some(key) = number_in(row).zip(ChannelKind::from_code(channel)) {
            let call = row.get("call").during("reading a call")?;
            calls.entry(key).or_default().push(call);
        }
        Ok(())
    })?;
    Ok(calls)
}

/// Reads the whole book.
pub fn read(database: &Path) -> Tried<Book> {
    let db = open(database)?;
    let mut book = Book {
        damage: damage(&db)?,
        ..Book::default()
    };
    each(&db, "SELECT * FROM leads", |row| {
        let id = row.get("id").during("reading a lead")?;
        book.leads.insert(id);
        if let Some(n) = number_in(row) {
            book.by_number.entry(n).or_default().push(id);
        }
        Ok(())
    })?;
    each(
        &db,
        "SELECT * FROM messages WHERE lead_id IS NOT NULL",
        |row| {
            let offer =
                row.get::<_, i64>("category").unwrap_or_default() == Category::Promotional.code();
            let books = if offer {
                &mut book.offers
            } else {
                &mut book.messages
            };
            books.push(message(row)?);
            Ok(())
        },
    )?;
    Ok(book)
}

fn each(db: &Connection, sql: &str, mut take: impl FnMut(&Row<'_>) -> Tried<()>) -> Tried<()> {
    let mut read = db.prepare(sql).during(sql)?;
    let mut rows = read.query([]).during(sql)?;
    while let Some(row) = rows.next().during(sql)? {
        take(row)?;
    }
    Ok(())
}

fn message(row: &Row<'_>) -> Tried<Message> {
    let number = |name: &str| {
        row.get::<_, i64>(name)
            .during(format_args!("reading messages.{name}"))
    };
    let unreadable =
        |name: &str, code: i64| fault!("messages.{name} holds {code}, which is no such code");
    let (status, channel) = (number("status")?, number("channel")?);
    Ok(Message {
        lead: number("lead_id")?,
        channel: ChannelKind::from_code(channel).ok_or_else(|| unreadable("channel", channel))?,
        status: Status::from_code(status).ok_or_else(|| unreadable("status", status))?,
        // A schema without the mark lists nothing but unknown messages.
        maybe_repeated: row.get::<_, i64>("repeated").unwrap_or(0) != 0,
    })
}

/// The number of the token in any text of a row.
fn number_in(row: &Row<'_>) -> Option<u64> {
    (0..row.as_ref().column_count()).find_map(|at| match row.get_ref(at) {
        Ok(ValueRef::Text(text)) => people::read_token(text).map(|(n, _)| n),
        _ => None,
    })
}

fn damage(db: &Connection) -> Tried<Vec<String>> {
    let mut damage = Vec::new();
    each(db, "PRAGMA integrity_check", |row| {
        let line: String = row.get(0).during("reading integrity_check")?;
        if line != "ok" {
            damage.push(line);
        }
        Ok(())
    })?;
    each(db, "PRAGMA foreign_key_check", |row| {
        let table: String = row.get(0).map_err(|why| Fault::new(why.to_string()))?;
        damage.push(format!("a row of {table} points at nothing"));
        Ok(())
    })?;
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
             CREATE TABLE messages (id INTEGER PRIMARY KEY, lead_id INTEGER REFERENCES leads (id), channel INTEGER, status INTEGER, category INTEGER);
             INSERT INTO leads VALUES (10, 7, 'Whitfield {}'), (11, NULL, 'somebody else');
             INSERT INTO messages VALUES (1, 10, 0, 4, 0), (2, 10, 1, 11, 0), (3, 11, 0, 3, 0), (4, NULL, 0, 1, 0), (5, 99, 1, 4, 0), (6, 10, 0, 2, {});",
            people::token(42, 1_790_000_000_000_000),
            Category::Promotional.code()
        ))
        .unwrap();
        drop(db);
        let book = read(&path).unwrap();
        assert_eq!(book.leads, HashSet::from([10, 11]));
        assert_eq!(book.by_number, HashMap::from([(42, vec![10])]));
        assert_eq!(book.messages.len(), 4, "messages to staff are not compared");
        assert_eq!(book.offers.len(), 1);
        assert_eq!(book.messages[1].channel, ChannelKind::Email);
        assert_eq!(book.messages[1].status, Status::Unknown);
        assert_eq!(book.damage, ["a row of messages points at nothing"]);
        assert_eq!(
            open_messages(&path).unwrap(),
            Open {
                waiting: 2,
                unknown: 1
            }
        );
        std::fs::remove_file(&path).unwrap();
    }
}
