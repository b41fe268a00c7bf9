//! Reads statements plainly and asks of each table in them: is it held to one tenant? Knows as much of SQL as the store's own files use.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

/// A statement as PostgreSQL runs it.
pub struct Statement {
    /// `slice.name`.
    pub name: String,
    /// It looks across tenants, or at what belongs to none.
    pub operator: bool,
    /// The text.
    pub text: String,
}

/// All statements: those that both engines read, replaced by PostgreSQL's own where it has one.
pub fn read(sql: &Path) -> Vec<Statement> {
    let mut all = BTreeMap::new();
    for folder in ["shared", "postgres"] {
        for entry in fs::read_dir(sql.join(folder)).unwrap() {
            let path = entry.unwrap().path();
            let slice = path.file_stem().unwrap().to_str().unwrap().to_owned();
            for (name, operator, text) in blocks(&fs::read_to_string(&path).unwrap()) {
                let name = format!("{slice}.{name}");
                all.insert(
                    name.clone(),
                    Statement {
                        name,
                        operator,
                        text,
                    },
                );
            }
        }
    }
    all.into_values().collect()
}

/// A block begins with `-- name [flags]: reason`.
fn blocks(text: &str) -> Vec<(String, bool, String)> {
    let mut blocks: Vec<(String, bool, String)> = Vec::new();
    for line in text.lines() {
        let Some(comment) = line.strip_prefix("-- ") else {
            if let Some((_, _, text)) = blocks.last_mut() {
                *text += line;
                text.push('\n');
            }
            continue;
        };
        let Some((head, _)) = comment.split_once(": ") else {
            continue;
        };
        let (name, flags) = head.split_once(" [").unwrap_or((head, ""));
        if name
            .chars()
            .all(|c| c.is_ascii_lowercase() || c == '_' || c.is_ascii_digit())
        {
            blocks.push((name.to_owned(), flags.contains("operator"), String::new()));
        }
    }
    blocks
}

/// A word, number, value or sign; or what stands in parentheses.
#[derive(Debug, Clone, PartialEq)]
enum Token {
    Word(String),
    Group(Vec<Token>),
}

fn tokens(text: &str) -> Vec<Token> {
    let mut open = vec![Vec::new()];
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        let here = open.last_mut().unwrap();
        let mut word = String::from(c);
        match c {
            '(' => open.push(Vec::new()),
            ')' => {
                let group = open.pop().unwrap();
                open.last_mut()
                    .expect("parentheses that match")
                    .push(Token::Group(group));
            }
            '\'' => {
                while let Some(c) = rest.next() {
                    if c == '\'' && rest.next_if_eq(&'\'').is_none() {
                        break;
                    }
                }
                here.push(Token::Word("'text'".to_owned()));
            }
            c if c.is_alphanumeric() || "_$.{}*".contains(c) => {
                while let Some(c) = rest.next_if(|c| c.is_alphanumeric() || "_$.{}*".contains(*c)) {
                    word.push(c);
                }
                here.push(Token::Word(word.to_lowercase()));
            }
            c if c.is_whitespace() || c == ';' => {}
            _ => {
                while let Some(c) = rest.next_if(|c| "<>=!|-+:".contains(*c)) {
                    word.push(c);
                }
                here.push(Token::Word(word));
            }
        }
    }
    assert_eq!(open.len(), 1, "parentheses that match: {text}");
    open.pop().unwrap()
}

fn word(token: Option<&Token>) -> &str {
    match token {
        Some(Token::Word(word)) => word,
        _ => "",
    }
}

/// Why a statement does not find its rows on one server; nothing when it does.
pub fn problems(text: &str, distributed: &BTreeSet<String>) -> Vec<String> {
    let mut found = Found {
        distributed,
        values: BTreeSet::new(),
        problems: Vec::new(),
    };
    found.level(&tokens(text), &BTreeSet::new());
    if found.values.len() > 1 {
        found
            .problems
            .push(format!("names more than one tenant: {:?}", found.values));
    }
    found.problems
}

struct Found<'a> {
    distributed: &'a BTreeSet<String>,
    /// The values that tenants are compared with.
    values: BTreeSet<String>,
    problems: Vec<String>,
}

/// Words after which no table and no condition of a level goes on.
const ENDS: [&str; 9] = [
    "group",
    "order",
    "limit",
    "returning",
    "for",
    "on_conflict",
    "set",
    "window",
    "union",
];

impl Found<'_> {
    /// One SELECT, INSERT, UPDATE or DELETE without what is nested in it. `outer` are the names that are held to the tenant around it.
    fn level(&mut self, level: &[Token], outer: &BTreeSet<String>) {
        let mut names: Vec<(String, String)> = Vec::new();
        let mut held: BTreeSet<String> = outer.clone();
        let mut conditions: Vec<&[Token]> = Vec::new();
        let mut at = 0;
        while at < level.len() {
            let this = word(level.get(at));
            match this {
                "on" if word(level.get(at + 1)) == "conflict" => {
                    self.conflict(level, at);
                    // What is set on a conflict is set in the row that was found by its key.
                    break;
                }
                "insert" => {
                    self.insert(level, at);
                    if level.iter().all(|token| word(Some(token)) != "select") {
                        at += 4;
                        continue;
                    }
                    at += 4;
                }
                "from" | "join" | "update" | "using" | "," => {
                    // A comma divides tables only between FROM and what follows it.
                    let tables = this != "," || in_from(level, at);
                    // `DO UPDATE` and `FOR UPDATE` change no further table.
                    let table = tables
                        && !(this == "update" && matches!(before(level, at), "do" | "for" | "key"));
                    if table {
                        self.table(level, at + 1, &mut names, &mut held);
                    }
                    at += 1;
                }
                "where" | "on" => {
                    let rest = &level[at + 1..];
                    let end = rest
                        .iter()
                        .position(|token| {
                            let word = word(Some(token));
                            ENDS.contains(&word)
                                || matches!(word, "where" | "join" | "left" | "inner" | "cross")
                        })
                        .unwrap_or(rest.len());
                    conditions.push(&rest[..end]);
                    at += 1;
                }
                _ => at += 1,
            }
        }
        let alone = (names.len() == 1).then(|| names[0].1.clone());
        let conjuncts: Vec<&[Token]> = conditions.iter().flat_map(|one| conjuncts(one)).collect();
        // An equation may hold a name by another that is held later in the text.
        for _ in 0..=names.len() {
            for conjunct in &conjuncts {
                self.equation(conjunct, alone.as_deref(), &mut held);
            }
        }
        for (table, alias) in &names {
            if self.distributed.contains(table) && !held.contains(alias) {
                self.problems
                    .push(format!("{alias} is not held to one tenant"));
            }
        }
        self.nested(level, &held);
    }

    /// Every SELECT that is nested in a level, but for those that `table` has looked into.
    fn nested(&mut self, tokens: &[Token], held: &BTreeSet<String>) {
        for (at, token) in tokens.iter().enumerate() {
            if let Token::Group(inner) = token {
                if word(inner.first()) != "select" {
                    self.nested(inner, held);
                } else if !matches!(before(tokens, at), "from" | "join" | "lateral") {
                    self.level(inner, held);
                }
            }
        }
    }

    fn table(
        &mut self,
        level: &[Token],
        at: usize,
        names: &mut Vec<(String, String)>,
        held: &mut BTreeSet<String>,
    ) {
        let named = |after: usize| {
            let next = word(level.get(after));
            if next == "as" {
                word(level.get(after + 1)).to_owned()
            } else {
                String::new()
            }
        };
        match level.get(at) {
            Some(Token::Group(inner)) if word(inner.first()) == "select" => {
                // Its rows are of one tenant when it passes by itself.
                self.level(inner, held);
                held.insert(named(at + 1));
            }
            Some(Token::Word(table)) => {
                let alias = named(at + 1);
                let alias = if alias.is_empty() {
                    table.clone()
                } else {
                    alias
                };
                names.push((table.clone(), alias));
            }
            _ => {}
        }
    }

    /// `tenant_id = $n`, or `one.tenant_id = other.tenant_id` where one is held.
    fn equation(&mut self, conjunct: &[Token], alone: Option<&str>, held: &mut BTreeSet<String>) {
        let [left, equals, right] = conjunct else {
            return;
        };
        if word(Some(equals)) != "=" {
            return;
        }
        let of = |token: &Token| {
            let name = word(Some(token)).to_owned();
            match name.strip_suffix(".tenant_id") {
                Some(alias) => Some(alias.to_owned()),
                None if name == "tenant_id" => alone.map(str::to_owned),
                None => None,
            }
        };
        match (of(left), of(right)) {
            (Some(one), Some(other)) => {
                if held.contains(&one) || held.contains(&other) {
                    held.extend([one, other]);
                }
            }
            (Some(alias), None) | (None, Some(alias)) => {
                let value = [left, right]
                    .into_iter()
                    .map(|token| word(Some(token)))
                    .find(|word| word.starts_with('$'));
                if let Some(value) = value {
                    self.values.insert(value.to_owned());
                    held.insert(alias);
                }
            }
            (None, None) => {}
        }
    }

    /// `INSERT INTO table (columns) VALUES (values)`: the tenant is among the columns, and a plain value.
    fn insert(&mut self, level: &[Token], at: usize) {
        let table = word(level.get(at + 2)).to_owned();
        if !self.distributed.contains(&table) {
            return;
        }
        let values = level.iter().position(|token| word(Some(token)) == "values");
        let list = |at: usize| match level.get(at) {
            Some(Token::Group(list)) => list.split(|token| word(Some(token)) == ",").collect(),
            _ => Vec::new(),
        };
        let columns = list(at + 3);
        let place = columns
            .iter()
            .position(|column| word(column.first()) == "tenant_id");
        let value = place.and_then(|place| list(values? + 1).get(place).copied());
        match value {
            Some([Token::Word(value)]) if value.starts_with('$') => {
                self.values.insert(value.clone());
            }
            _ => self.problems.push(format!(
                "a row of {table} is inserted without a plain value for its tenant"
            )),
        }
    }

    /// `ON CONFLICT (columns)` names the tenant among them.
    fn conflict(&mut self, level: &[Token], at: usize) {
        if let Some(Token::Group(columns)) = level.get(at + 2)
            && level
                .iter()
                .any(|token| self.distributed.contains(word(Some(token))))
            && columns
                .iter()
                .all(|column| word(Some(column)) != "tenant_id")
        {
            self.problems
                .push("a conflict is looked for without the tenant".to_owned());
        }
    }
}

fn before(tokens: &[Token], at: usize) -> &str {
    at.checked_sub(1).map_or("", |at| word(tokens.get(at)))
}

/// Whether a comma stands between tables.
fn in_from(level: &[Token], at: usize) -> bool {
    let last = level[..at]
        .iter()
        .map(|token| word(Some(token)))
        .rfind(|word| {
            ENDS.contains(word) || matches!(*word, "select" | "from" | "where" | "on" | "values")
        });
    last == Some("from")
}

/// The parts that `AND` joins; none where `OR` is among them.
fn conjuncts(condition: &[Token]) -> Vec<&[Token]> {
    if condition.iter().any(|token| word(Some(token)) == "or") {
        return Vec::new();
    }
    condition
        .split(|token| word(Some(token)) == "and")
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The reader itself: what it lets pass and what it does not.
    #[test]
    fn statements_that_leave_their_tenant_are_found() {
        let distributed: BTreeSet<String> =
            ["leads", "messages", "attempts"].map(str::to_owned).into();
        for (text, passes) in [
            ("SELECT * FROM leads WHERE tenant_id = $1 AND id = $2", true),
            (
                "SELECT * FROM leads AS l WHERE l.id = $2 AND $1 = l.tenant_id ORDER BY id LIMIT 3",
                true,
            ),
            ("SELECT * FROM leads WHERE id = $1", false),
            ("SELECT * FROM leads WHERE tenant_id > $1", false),
            ("SELECT * FROM leads WHERE tenant_id = $1 OR id = $2", false),
            (
                "SELECT * FROM leads WHERE tenant_id = $1 AND (id = $2 OR number = $3)",
                true,
            ),
            (
                "SELECT * FROM leads WHERE (tenant_id = $1 OR id = $2)",
                false,
            ),
            (
                "SELECT * FROM messages AS m JOIN attempts AS a ON a.message_id = m.id WHERE m.tenant_id = $1",
                false,
            ),
            (
                "SELECT * FROM messages AS m JOIN attempts AS a ON a.tenant_id = m.tenant_id AND a.message_id = m.id WHERE m.tenant_id = $1",
                true,
            ),
            (
                "SELECT * FROM messages AS m, attempts AS a WHERE a.message_id = m.id AND m.tenant_id = $1",
                false,
            ),
            (
                "SELECT * FROM messages AS m WHERE m.tenant_id = $1 AND EXISTS (SELECT 1 FROM attempts AS a WHERE a.message_id = m.id)",
                false,
            ),
            (
                "SELECT * FROM messages AS m WHERE m.tenant_id = $1 AND EXISTS (SELECT 1 FROM attempts AS a WHERE a.tenant_id = m.tenant_id)",
                true,
            ),
            (
                "SELECT * FROM (SELECT * FROM leads WHERE tenant_id = $1) AS some GROUP BY 1",
                true,
            ),
            (
                "SELECT * FROM (SELECT * FROM leads) AS some WHERE some.tenant_id = $1",
                false,
            ),
            (
                "SELECT * FROM leads WHERE tenant_id = $1 AND id IN (SELECT id FROM leads WHERE tenant_id = $2)",
                false,
            ),
            ("SELECT count(*) FROM tenants WHERE id = $1", true),
            (
                "UPDATE leads SET number = $3 WHERE id = $1 AND tenant_id = $2",
                true,
            ),
            ("UPDATE leads SET tenant_id = $1 WHERE id = $2", false),
            (
                "DELETE FROM leads WHERE id IN (SELECT id FROM leads WHERE tenant_id = $1)",
                false,
            ),
            (
                "INSERT INTO leads (id, tenant_id) VALUES ($1, $2) ON CONFLICT (tenant_id, id) DO UPDATE SET number = 3",
                true,
            ),
            (
                "INSERT INTO leads (id, tenant_id) VALUES ($1, $2) ON CONFLICT (id) DO NOTHING",
                false,
            ),
            ("INSERT INTO leads (id, tenant_id) VALUES ($1, 7)", false),
            (
                "INSERT INTO leads (id, tenant_id, number) VALUES ($1, $2, (SELECT max(number) FROM leads WHERE tenant_id = $2))",
                true,
            ),
            (
                "INSERT INTO leads (id, tenant_id, number) VALUES ($1, $2, (SELECT max(number) FROM leads))",
                false,
            ),
            (
                "SELECT * FROM leads WHERE tenant_id = $1 AND name = 'a) OR (b' FOR NO KEY UPDATE SKIP LOCKED",
                true,
            ),
        ] {
            let problems = problems(text, &distributed);
            assert_eq!(problems.is_empty(), passes, "{text}: {problems:?}");
        }
    }
}
