//! Turns the SQL files into named statements: a block begins with `-- name [flags]: reason` and ends before the next one.
//! `-- columns NAME: a, b, c` gives a list a name; `{NAME}` stands for it in the blocks below.
//!
//! Both engines read `sql/shared`; a block of the same name in `sql/sqlite` or `sql/postgres` stands for it on that engine.
//! Flags: `hot` runs for every lead or message; `operator` looks across tenants, or at what belongs to none. Every other statement
//! names its tenant by a value, `tenant_id = $1` or in the list of an INSERT; the build fails where one does not (X4).

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::{env, fs, path::Path};

fn main() {
    println!("cargo::rerun-if-changed=sql");
    println!("cargo::rerun-if-changed=build.rs");
    let [shared, sqlite, postgres] = ["shared", "sqlite", "postgres"].map(read);
    let mut names: Vec<&Name> = shared
        .keys()
        .chain(sqlite.keys())
        .chain(postgres.keys())
        .collect();
    names.sort();
    names.dedup();
    let mut all = Vec::new();
    let mut slices: BTreeMap<&str, String> = BTreeMap::new();
    for (id, name) in names.into_iter().enumerate() {
        let (slice, short) = name;
        let shown = format!("{slice}.{short}");
        let of = |own: &BTreeMap<Name, Block>| {
            let block = own.get(name).or_else(|| shared.get(name));
            block
                .unwrap_or_else(|| panic!("{shown} is missing for one of the engines"))
                .clone()
        };
        let (on_sqlite, on_postgres) = (of(&sqlite), of(&postgres));
        let tenant = tenant_of(&on_postgres.text);
        assert!(
            tenant.is_some() != on_postgres.operator,
            "{shown} must name its tenant by a value, or be marked [operator], and not both"
        );
        let tenant = tenant.map_or("None".to_owned(), |n| format!("Some({})", n - 1));
        let upper = short.to_uppercase();
        writeln!(
            slices.entry(slice).or_default(),
            "/// {}\npub const {upper}: Statement = Statement {{ id: {id}, name: {shown:?}, hot: {}, tenant: {tenant}, sqlite: {:?}, postgres: {:?} }};",
            on_postgres.reason,
            on_postgres.hot,
            numbered(&on_sqlite.text),
            on_postgres.text,
        )
        .expect("writing to a string");
        all.push(format!("{slice}::{upper}"));
    }
    let mut out = String::new();
    for (slice, body) in slices {
        writeln!(
            out,
            "/// Statements of `{slice}.sql`.\npub mod {slice} {{\nuse super::Statement;\n{body}}}"
        )
        .expect("writing to a string");
    }
    writeln!(
        out,
        "/// Every statement, in the order of their ids.\n#[cfg(test)]\npub const ALL: &[Statement] = &[{}];",
        all.join(", ")
    )
    .expect("writing to a string");
    let target = Path::new(&env::var("OUT_DIR").expect("cargo sets OUT_DIR")).join("statements.rs");
    fs::write(target, out).expect("OUT_DIR can be written");
}

/// A statement's slice and its name within it.
type Name = (String, String);

/// The blocks of a folder.
fn read(folder: &str) -> BTreeMap<Name, Block> {
    let mut out = BTreeMap::new();
    for entry in
        fs::read_dir(Path::new("sql").join(folder)).expect("the sql folder is part of the crate")
    {
        let file = entry.expect("a readable entry").path();
        let text = fs::read_to_string(&file).expect("a readable SQL file");
        let slice = file.file_stem().and_then(|stem| stem.to_str());
        let slice = slice.expect("a file name in UTF-8").to_owned();
        // Lists of columns have their names in the shared file.
        let lists = fs::read_to_string(Path::new("sql/shared").join(entry_name(&file)));
        for block in blocks(&text, &lists.unwrap_or_default()) {
            out.insert((slice.clone(), block.name.clone()), block);
        }
    }
    out
}

#[derive(Clone)]
struct Block {
    name: String,
    hot: bool,
    operator: bool,
    reason: String,
    text: String,
}

fn blocks(text: &str, lists: &str) -> Vec<Block> {
    let lists = lists
        .lines()
        .filter_map(|line| line.strip_prefix("-- columns "));
    let columns: Vec<(String, &str)> = lists
        .filter_map(|list| list.split_once(": "))
        .map(|(name, list)| (format!("{{{name}}}"), list))
        .collect();
    let mut blocks: Vec<Block> = Vec::new();
    for line in text.lines().filter(|line| !line.starts_with("-- columns ")) {
        if let Some(head) = line.strip_prefix("-- ") {
            blocks.extend(head_of(head));
        } else if let Some(block) = blocks.last_mut()
            && !line.trim().is_empty()
        {
            let mut line = line.to_owned();
            for (name, list) in &columns {
                line = line.replace(name, list);
            }
            block.text.push_str(&line);
            block.text.push('\n');
        }
    }
    blocks
}

fn entry_name(file: &Path) -> &Path {
    Path::new(file.file_name().expect("a file has a name"))
}

/// The beginning of a block, where a comment is one: `name [flags]: reason`.
fn head_of(head: &str) -> Option<Block> {
    let (name, reason) = head.split_once(": ")?;
    let (name, flags) = name
        .strip_suffix(']')
        .and_then(|name| name.split_once(" ["))
        .unwrap_or((name, ""));
    let plain = |c: char| c.is_ascii_lowercase() || c == '_' || c.is_ascii_digit();
    if !name.chars().all(plain) {
        return None;
    }
    let mut block = Block {
        name: name.to_owned(),
        hot: false,
        operator: false,
        reason: reason.to_owned(),
        text: String::new(),
    };
    for flag in flags.split(", ").filter(|flag| !flag.is_empty()) {
        match flag {
            "hot" => block.hot = true,
            "operator" => block.operator = true,
            other => panic!("{name} has an unknown flag: {other}"),
        }
    }
    Some(block)
}

/// The number of the value that names the tenant.
fn tenant_of(text: &str) -> Option<usize> {
    let number = |text: &str| {
        let digits = text.strip_prefix('$')?;
        let end = digits.find(|c: char| !c.is_ascii_digit());
        digits[..end.unwrap_or(digits.len())].parse().ok()
    };
    if let Some(rest) = text.strip_prefix("INSERT INTO ") {
        let (columns, rest) = rest.split_once('(')?.1.split_once(')')?;
        let place = columns.split(", ").position(|one| one == "tenant_id")?;
        let values = rest.split_once('(')?.1;
        return number(values.split(", ").nth(place)?);
    }
    // The tenants' own row is theirs too.
    let own = ["UPDATE tenants SET", "SELECT secret FROM tenants"];
    if own.iter().any(|one| text.starts_with(one)) {
        return number(text.split_once("WHERE id = ")?.1);
    }
    text.split("tenant_id = ").skip(1).find_map(number)
}

/// SQLite counts `$1` as a name, in the order in which names appear; `?1` is the first value wherever it stands.
fn numbered(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        let counts = c == '$' && rest.peek().is_some_and(char::is_ascii_digit);
        out.push(if counts { '?' } else { c });
    }
    out
}
