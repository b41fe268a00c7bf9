//! Bringing the schema up to date: in one transaction, under a lock, by the role that owns it.

use super::line::{Key, Line, Reply, Step};
use super::value::Param;
use super::{Address, said, value};
use crate::engine::Value;
use crate::{OpenError, StoreError};
use sha2::{Digest, Sha256};
use std::borrow::Cow;

/// Every change of the schema, in order; none is ever edited after a release.
const ALL: &[(i64, &str, &str)] = &[(
    1,
    "the_first_house",
    include_str!("../../../migrations/postgres/V1__the_first_house.sql"),
)];

/// Only one at a time, whichever node.
const LOCK: &str = "SELECT pg_advisory_xact_lock(1)";
const HISTORY: &str = "CREATE TABLE IF NOT EXISTS schema_history (version BIGINT PRIMARY KEY, name TEXT NOT NULL, checksum TEXT NOT NULL)";

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
        bring_up(owner, serves.role())?;
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
    let known = ALL.last().map_or(0, |(version, ..)| *version);
    if found > known {
        return Err(OpenError::Newer {
            found: i32::try_from(found).unwrap_or(i32::MAX),
            known: i32::try_from(known).unwrap_or(i32::MAX),
        });
    }
    if found < known {
        return Err(OpenError::NoSchema);
    }
    Ok(())
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

fn bring_up(owner: &Address, serves: &str) -> Result<(), OpenError> {
    let mut line = Line::connect(owner)?;
    run(&mut line, &[plain("BEGIN"), plain(LOCK), plain(HISTORY)])?;
    let history = "SELECT version, checksum FROM schema_history ORDER BY version";
    let replies = run(&mut line, &[ask("schema", history, Vec::new())])?;
    let mut done = Vec::new();
    for row in replies.iter().flat_map(|reply| &reply.rows) {
        if let (Value::Int(version), Value::Text(checksum)) = (value(row, 0)?, value(row, 1)?) {
            done.push((version, checksum.to_owned()));
        }
    }
    let known = ALL.last().map_or(0, |(version, ..)| *version);
    if let Some((found, _)) = done.iter().find(|(version, _)| *version > known) {
        return Err(OpenError::Newer {
            found: i32::try_from(*found).unwrap_or(i32::MAX),
            known: i32::try_from(known).unwrap_or(i32::MAX),
        });
    }
    for (version, name, text) in ALL {
        let sum = checksum(text);
        match done.iter().find(|(one, _)| one == version) {
            Some((_, before)) if *before == sum => continue,
            Some(_) => return Err(OpenError::Edited(*version)),
            None => {}
        }
        let note = ask(
            "schema",
            "INSERT INTO schema_history (version, name, checksum) VALUES ($1, $2, $3)",
            vec![
                Param::Int(*version),
                Param::Text((*name).to_owned()),
                Param::Text(sum),
            ],
        );
        run(&mut line, &[plain(*text), note])?;
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
