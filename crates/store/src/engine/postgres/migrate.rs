//! Bringing the schema up to date: in one transaction, under a lock, by the role that owns it.

use super::line::{Key, Line, Reply, Step};
use super::value::Param;
use super::{Address, said, value};
use crate::engine::Value;
use crate::{OpenError, StoreError};
use sha2::{Digest, Sha256};
use std::borrow::Cow;

/// A change of the schema.
struct Change {
    version: i64,
    name: &'static str,
    text: &'static str,
    /// The oldest schema whose programs still work when this one is in. A change that only adds (expands) leaves it where it was, so that servers
    /// of the version before go on beside the new ones; one that takes away (contracts) comes a version later and raises it.
    serves_from: i64,
}

/// Every change of the schema, in order; none is ever edited after a release.
const ALL: &[Change] = &[Change {
    version: 1,
    name: "the_first_house",
    text: include_str!("../../../migrations/postgres/V1__the_first_house.sql"),
    serves_from: 1,
}];

/// The newest schema that this program knows.
pub(crate) const KNOWN: i64 = newest(ALL);

const fn newest(all: &[Change]) -> i64 {
    match all.last() {
        Some(last) => last.version,
        None => 0,
    }
}

/// Only one at a time, whichever node.
const LOCK: &str = "SELECT pg_advisory_xact_lock(1)";
/// While this is held no node joins.
const NOBODY_JOINS: &str = "SELECT pg_advisory_xact_lock(2)";
const HISTORY: &str = "CREATE TABLE IF NOT EXISTS schema_history (version BIGINT PRIMARY KEY, name TEXT NOT NULL, checksum TEXT NOT NULL, serves_from BIGINT NOT NULL)";
/// Nodes that are at work and do not know so new a schema.
const OLDER: &str = "SELECT coalesce(string_agg(node::TEXT, ', ' ORDER BY node), '') FROM nodes
WHERE state = 0 AND knows < $1 AND lease_until >= (extract(epoch FROM clock_timestamp()) * 1000000)::BIGINT";

fn run(line: &mut Line, steps: &[Step]) -> Result<Vec<Reply>, StoreError> {
    line.exchange(steps)
        .map_err(|trouble| said(trouble, steps, false).0)
}

fn plain(text: impl Into<Cow<'static, str>>) -> Step {
    Step::Plain(text.into())
}

fn ask(name: &'static str, text: &'static str, params: Vec<Param>) -> Step {
    Step::Ask {
        name,
        key: Key::Text,
        text: Cow::Borrowed(text),
        params,
    }
}

/// Looks at the schema as the role that serves, and brings it up to date as its owner where one is given.
pub(crate) fn migrate(serves: &Address, owner: Option<&Address>) -> Result<(), OpenError> {
    if let Some(owner) = owner {
        bring_up(owner, serves.role(), ALL)?;
    }
    let mut line = Line::connect(serves)?;
    let role = run(
        &mut line,
        &[ask(
            "role",
            "SELECT rolsuper OR rolbypassrls FROM pg_roles WHERE rolname = current_user",
            Vec::new(),
        )],
    )?;
    if first(&role)? == 1 {
        return Err(OpenError::TooMighty(serves.role().to_owned()));
    }
    let there = "SELECT (to_regclass('schema_history') IS NOT NULL)::INT";
    if first(&run(&mut line, &[ask("schema", there, Vec::new())])?)? == 0 {
        return Err(OpenError::NoSchema);
    }
    let newest = "SELECT coalesce(max(version), 0) FROM schema_history";
    let found = first(&run(&mut line, &[ask("schema", newest, Vec::new())])?)?;
    let oldest = "SELECT coalesce(max(serves_from), 0) FROM schema_history";
    let serves_from = first(&run(&mut line, &[ask("schema", oldest, Vec::new())])?)?;
    if serves_from > KNOWN {
        return Err(newer(found, KNOWN));
    }
    if found < KNOWN {
        return Err(OpenError::NoSchema);
    }
    Ok(())
}

fn newer(found: i64, known: i64) -> OpenError {
    OpenError::Newer {
        found: i32::try_from(found).unwrap_or(i32::MAX),
        known: i32::try_from(known).unwrap_or(i32::MAX),
    }
}

/// The text in the first row.
fn words(replies: &[Reply]) -> Result<String, StoreError> {
    match replies.iter().flat_map(|reply| &reply.rows).next() {
        Some(row) => match value(row, 0)? {
            Value::Text(text) => Ok(text.to_owned()),
            _ => Ok(String::new()),
        },
        None => Ok(String::new()),
    }
}

/// The number in the first row.
fn first(replies: &[Reply]) -> Result<i64, StoreError> {
    match replies.iter().flat_map(|reply| &reply.rows).next() {
        Some(row) => match value(row, 0)? {
            Value::Int(n) => Ok(n),
            _ => Ok(0),
        },
        None => Ok(0),
    }
}

fn bring_up(owner: &Address, serves: &str, all: &[Change]) -> Result<(), OpenError> {
    let mut line = Line::connect(owner)?;
    run(&mut line, &[plain("BEGIN"), plain(LOCK), plain(HISTORY)])?;
    let history = "SELECT version, checksum, serves_from FROM schema_history ORDER BY version";
    let replies = run(&mut line, &[ask("schema", history, Vec::new())])?;
    let mut done = Vec::new();
    for row in replies.iter().flat_map(|reply| &reply.rows) {
        if let (Value::Int(version), Value::Text(checksum), Value::Int(serves_from)) =
            (value(row, 0)?, value(row, 1)?, value(row, 2)?)
        {
            done.push((version, checksum.to_owned(), serves_from));
        }
    }
    let known = newest(all);
    if let Some((found, ..)) = done.iter().rfind(|(.., from)| *from > known) {
        return Err(newer(*found, known));
    }
    for change in all {
        let sum = checksum(change.text);
        match done.iter().find(|(one, ..)| *one == change.version) {
            Some((_, before, _)) if *before == sum => continue,
            Some(_) => return Err(OpenError::Edited(change.version)),
            None => {}
        }
        if change.version > 1 {
            let older = ask("schema", OLDER, vec![Param::Int(change.serves_from)]);
            let older = words(&run(&mut line, &[plain(NOBODY_JOINS), older])?)?;
            if !older.is_empty() {
                return Err(OpenError::OlderServes {
                    version: change.version,
                    nodes: older,
                });
            }
        }
        let note = ask(
            "schema",
            "INSERT INTO schema_history (version, name, checksum, serves_from) VALUES ($1, $2, $3, $4)",
            vec![
                Param::Int(change.version),
                Param::Text(change.name.to_owned()),
                Param::Text(sum),
                Param::Int(change.serves_from),
            ],
        );
        run(&mut line, &[plain(change.text), note])?;
    }
    if serves != owner.role() {
        let role = serves.replace('"', "\"\"");
        run(
            &mut line,
            &[plain(format!(
                "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO \"{role}\"; \
                 REVOKE INSERT, UPDATE, DELETE ON schema_history FROM \"{role}\""
            ))],
        )?;
    }
    run(&mut line, &[plain("COMMIT")])?;
    Ok(())
}

fn checksum(text: &str) -> String {
    Sha256::digest(text.as_bytes())
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

    use super::*;
    use crate::Role;
    use crate::open::join_postgres;
    use ringback_core::time::from_micros;
    use std::time::Duration;

    const EXPANDS: Change = Change {
        version: 2,
        name: "room_for_more",
        text: "ALTER TABLE leads ADD COLUMN nickname TEXT; CREATE TABLE nicknames (tenant_id BIGINT NOT NULL, id BIGINT NOT NULL, PRIMARY KEY (tenant_id, id))",
        serves_from: 1,
    };
    const CONTRACTS: Change = Change {
        version: 3,
        name: "old_room_goes",
        text: "ALTER TABLE leads DROP COLUMN last_name",
        serves_from: 3,
    };

    fn first_house() -> Change {
        let only = &ALL[0];
        Change { ..*only }
    }

    /// O6: servers of the version before go on beside those of the next, whose change of the schema only adds; one that takes away waits until
    /// they have stopped, and keeps them out from then on.
    #[test]
    fn an_older_server_works_on_until_a_change_takes_away() {
        let database = ringback_pgtest::shared().unwrap().database().unwrap();
        let (serves, owns) = (database.app_url(), database.owner_url());
        let owner = Address::parse(&owns).unwrap();
        let role = Address::parse(&serves).unwrap().role().to_owned();
        let (now, boot) = (from_micros(1_790_000_000_000_000), Duration::from_secs(60));
        let join = || join_postgres(&serves, Some(&owns), Role::All, now, boot);
        let bring = |all: &[Change]| bring_up(&owner, &role, all);

        let (.., node) = join().unwrap();
        bring(&[first_house(), EXPANDS]).unwrap();
        assert!(!node.beat(now, boot).unwrap().joined_again);
        // One more of the old version comes up, even when it is told the owner.
        let (.., second) = join().unwrap();
        assert_eq!(second.beat(now, boot).unwrap().alive, 2);

        let refused = bring(&[first_house(), EXPANDS, CONTRACTS]).unwrap_err();
        assert!(
            matches!(&refused, OpenError::OlderServes { version: 3, nodes } if nodes == "1, 2"),
            "{refused}"
        );
        assert!(
            !node.beat(now, boot).unwrap().joined_again,
            "nothing was changed"
        );
        node.leave().unwrap();
        assert!(bring(&[first_house(), EXPANDS, CONTRACTS]).is_err());
        second.leave().unwrap();
        bring(&[first_house(), EXPANDS, CONTRACTS]).unwrap();
        for owner in [Some(&*owns), None] {
            let refused = join_postgres(&serves, owner, Role::All, now, boot).unwrap_err();
            assert!(
                matches!(refused, OpenError::Newer { found: 3, known: 1 }),
                "{refused}"
            );
        }
        // Nor does one that had looked before and joins only now.
        let late = second.beat(now, boot).unwrap_err();
        assert!(late.to_string().contains("joining"), "{late}");
    }
}
