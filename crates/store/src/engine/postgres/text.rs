//! One statement for many rows, made from the statement for one. A turn that asks or writes row by row would pay a round trip for each;
//! the text for many is derived and never written twice.

use crate::engine::Kind;
use std::fmt::Write as _;

/// How a statement changes many rows at a time.
#[derive(Debug)]
pub(super) struct Shape {
    /// The table that it changes.
    pub(super) table: String,
    /// The statement for many rows; none where they must go one by one.
    pub(super) many: Option<String>,
    /// The same, answering the number of each row that was changed.
    pub(super) counted: Option<String>,
    /// Values that must not repeat among the rows of one statement.
    pub(super) key: Vec<usize>,
}

/// Reads a change that is written for one row.
pub(super) fn shape(text: &str, kinds: &[Kind]) -> Shape {
    let text = text.trim_end().trim_end_matches(';');
    if kinds.is_empty() {
        // Without values there are no rows to put them in.
        alone(text.strip_prefix("UPDATE ").unwrap_or(text))
    } else if let Some(rest) = text.strip_prefix("INSERT INTO ") {
        insert(text, rest, kinds)
    } else if let Some(rest) = text.strip_prefix("UPDATE ") {
        update(rest, kinds)
    } else if let Some(rest) = text.strip_prefix("DELETE FROM ") {
        delete(rest, kinds)
    } else {
        alone(text)
    }
}

/// `DELETE … WHERE …` becomes `DELETE … USING unnest(…) WHERE …`, where it looks at its own table alone. A row that is met twice is gone once.
fn delete(rest: &str, kinds: &[Kind]) -> Shape {
    let parts = rest.split_once("WHERE ");
    let Some((table, tail)) = parts.filter(|_| !rest.contains(['(', '\n'])) else {
        return alone(rest);
    };
    let many = format!(
        "DELETE FROM {table}USING {} WHERE {}",
        rows(kinds, false),
        of_row(tail)
    );
    Shape {
        many: Some(many),
        ..alone(rest)
    }
}

fn alone(rest: &str) -> Shape {
    Shape {
        table: word(rest).to_owned(),
        many: None,
        counted: None,
        key: Vec::new(),
    }
}

fn word(text: &str) -> &str {
    text.split([' ', '\n', '(']).next().unwrap_or(text)
}

/// `INSERT … VALUES (…) …` becomes `INSERT … SELECT … FROM unnest(…) …`.
fn insert(text: &str, rest: &str, kinds: &[Kind]) -> Shape {
    let parts = || {
        let (head, values) = text.split_once("VALUES (")?;
        let end = closing(values)?;
        Some((head, &values[..end], &values[end + 1..]))
    };
    let Some((head, values, tail)) = parts().filter(|(_, values, _)| !values.contains("SELECT"))
    else {
        return alone(rest);
    };
    let many = format!(
        "{head}SELECT {} FROM {}{tail}",
        of_row(values),
        rows(kinds, false)
    );
    // A row that is met twice would be changed twice by one statement, which PostgreSQL refuses.
    let columns = |list: &str| list.split(", ").map(str::to_owned).collect::<Vec<_>>();
    let key = tail
        .split_once("DO UPDATE")
        .and_then(|(target, _)| target.split_once("ON CONFLICT ("))
        .and_then(|(_, target)| target.split_once(')'))
        .and_then(|(target, _)| {
            let names = columns(head.split_once('(')?.1.split_once(')')?.0);
            let numbers: Vec<&str> = values.split(", ").collect();
            columns(target)
                .iter()
                .map(|one| {
                    let at = names.iter().position(|name| name == one)?;
                    number(numbers.get(at)?.strip_prefix('$')?)
                })
                .collect()
        });
    Shape {
        table: word(rest).to_owned(),
        many: Some(many),
        counted: None,
        key: key.unwrap_or_default(),
    }
}

/// `UPDATE … SET … WHERE …` becomes `UPDATE … SET … FROM unnest(…) WHERE …`.
fn update(rest: &str, kinds: &[Kind]) -> Shape {
    let parts = || {
        let (head, tail) = rest.split_once("WHERE ")?;
        let (table, set) = head.split_once("SET ")?;
        if tail.contains("WHERE ") || rest.contains("FROM ") || rest.contains("SELECT ") {
            return None;
        }
        // A change of what it looks for is another change when it is made a second time.
        let set_columns = set.split(',').filter_map(|one| one.split_once(" = "));
        let set_columns: Vec<&str> = set_columns.map(|(name, _)| name.trim()).collect();
        let (mut key, mut fixed) = (Vec::new(), false);
        for one in tail.split(" AND ") {
            let (name, value) = one.trim().split_once(" = ")?;
            fixed |= set_columns.contains(&name);
            if let Some(n) = value.strip_prefix('$').and_then(number) {
                key.push(n);
            }
        }
        Some((table, set, tail, key, fixed))
    };
    let Some((table, set, tail, key, fixed)) = parts() else {
        return alone(rest);
    };
    let text = |counted| {
        format!(
            "UPDATE {table}SET {}FROM {} WHERE {}",
            of_row(set),
            rows(kinds, counted),
            of_row(tail)
        )
    };
    Shape {
        table: word(rest).to_owned(),
        many: (!fixed).then(|| text(false)),
        counted: Some(format!("{} RETURNING v.nth", text(true))),
        key,
    }
}

/// A question for many rows: what each finds, with the row's number as the last column.
pub(super) fn question(text: &str, kinds: &[Kind]) -> String {
    let text = text.trim_end().trim_end_matches(';');
    format!(
        "SELECT q.*, v.nth FROM {} CROSS JOIN LATERAL ({}) AS q",
        rows(kinds, true),
        of_row(text)
    )
}

/// The rows as a table: `unnest($1::BIGINT[], …) AS v(p1, …)`.
fn rows(kinds: &[Kind], counted: bool) -> String {
    let mut arrays = String::new();
    let mut names = String::new();
    for (n, kind) in kinds.iter().enumerate() {
        let comma = if n == 0 { "" } else { ", " };
        let _ = write!(arrays, "{comma}${}::{}[]", n + 1, kind.name());
        let _ = write!(names, "{comma}p{}", n + 1);
    }
    if counted {
        format!("unnest({arrays}) WITH ORDINALITY AS v({names}, nth)")
    } else {
        format!("unnest({arrays}) AS v({names})")
    }
}

/// `$3` becomes `v.p3`.
fn of_row(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 32);
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        if c == '$' && rest.peek().is_some_and(char::is_ascii_digit) {
            out.push_str("v.p");
        } else {
            out.push(c);
        }
    }
    out
}

/// Where the bracket that is open at the beginning is closed.
fn closing(text: &str) -> Option<usize> {
    let mut depth = 0;
    for (at, c) in text.char_indices() {
        match c {
            '(' => depth += 1,
            ')' if depth == 0 => return Some(at),
            ')' => depth -= 1,
            _ => {}
        }
    }
    None
}

/// The place of a value, from its number.
fn number(digits: &str) -> Option<usize> {
    digits.trim().parse::<usize>().ok()?.checked_sub(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql::{leads, messages, retention, scoring};

    const INT: Kind = Kind::Int;

    /// The text for many rows is the text for one, with its values from a table.
    #[test]
    fn many_rows_are_one_statement() {
        let insert = shape(
            leads::INSERT_EVENT_KEY.postgres,
            &[INT, INT, Kind::Text, INT],
        );
        assert_eq!(
            insert.many.as_deref(),
            Some(
                "INSERT INTO event_keys (tenant_id, lead_id, key, event_id) SELECT v.p1, v.p2, v.p3, v.p4 \
                 FROM unnest($1::BIGINT[], $2::BIGINT[], $3::TEXT[], $4::BIGINT[]) AS v(p1, p2, p3, p4) ON CONFLICT DO NOTHING"
            )
        );
        assert_eq!((insert.table.as_str(), insert.key), ("event_keys", vec![]));
        let update = shape(leads::UPDATE_SESSION.postgres, &[INT, INT, INT, Kind::Text]);
        assert_eq!(
            update.many.as_deref(),
            Some(
                "UPDATE sessions SET last_at = v.p3, data = v.p4 \
                 FROM unnest($1::BIGINT[], $2::BIGINT[], $3::BIGINT[], $4::TEXT[]) AS v(p1, p2, p3, p4) WHERE tenant_id = v.p2 AND id = v.p1"
            )
        );
        assert_eq!(update.key, [1, 0]);
    }

    /// A row that is met twice by one statement would be written once, or refused.
    #[test]
    fn what_must_not_repeat_is_known() {
        let counter = [INT, Kind::Text, INT, INT];
        assert_eq!(
            shape(messages::ADD_TO_COUNTER.postgres, &counter).key,
            [0, 1, 2]
        );
        let state = shape(scoring::INSERT_STATE.postgres, &[INT; 7]);
        assert_eq!(state.key, [0, 1, 2, 3]);
        let attempt = shape(messages::INSERT_ATTEMPT.postgres, &[INT; 11]);
        assert_eq!(attempt.key, [1, 0]);
    }

    /// What goes by its own columns goes together; what looks elsewhere goes alone.
    #[test]
    fn rows_go_together() {
        let message = shape(retention::FORGET_MESSAGE.postgres, &[INT, INT]);
        assert_eq!(
            message.many.as_deref(),
            Some(
                "DELETE FROM messages USING unnest($1::BIGINT[], $2::BIGINT[]) AS v(p1, p2) \
                 WHERE tenant_id = v.p1 AND id = v.p2 AND state = 2"
            )
        );
        assert_eq!((message.table.as_str(), message.key), ("messages", vec![]));
        assert_eq!(shape(leads::PURGE_DRAFTS.postgres, &[INT; 3]).many, None);
        assert_eq!(shape(leads::FORGET_POINTS.postgres, &[INT; 4]).many, None);
    }

    /// What was moved once would be found where it is now: such changes are made one by one.
    #[test]
    fn a_change_of_what_it_looks_for_goes_alone() {
        let merge = shape(leads::MERGE_EVENTS.postgres, &[INT; 3]);
        assert_eq!(merge.many, None);
        assert_eq!(
            shape(leads::MERGE_EVENT_KEYS.postgres, &[INT; 3]).many,
            None
        );
        let accept = shape(messages::ACCEPT.postgres, &[INT; 9]);
        assert_eq!(accept.many, None);
        assert!(
            accept
                .counted
                .is_some_and(|text| text.ends_with("RETURNING v.nth"))
        );
    }
}
