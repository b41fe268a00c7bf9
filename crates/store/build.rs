//! Turns the SQL files into named statements: a block begins with `-- name [hot]: reason` and ends before the next one.
//! `-- columns NAME: a, b, c` gives a list a name; `{NAME}` stands for it in the blocks below.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::{env, fs, path::Path};

fn main() {
    println!("cargo::rerun-if-changed=sql");
    let mut files = Vec::new();
    {
        let folder = "sql/shared";
        let mut found: Vec<_> = fs::read_dir(folder)
            .expect("the sql folder is part of the crate")
            .map(|entry| entry.expect("a readable entry").path())
            .collect();
        found.sort();
        files.append(&mut found);
    }
    let mut out = String::new();
    let mut all = Vec::new();
    let mut slices: BTreeMap<String, String> = BTreeMap::new();
    for file in files {
        let text = fs::read_to_string(&file).expect("a readable SQL file");
        let slice = file
            .file_stem()
            .and_then(|stem| stem.to_str())
            .expect("a file name in UTF-8")
            .to_owned();
        let body = slices.entry(slice.clone()).or_default();
        for block in blocks(&text) {
            let name = block.name.to_uppercase();
            writeln!(body, "/// {}\npub const {name}: Statement = Statement {{ name: {:?}, hot: {}, text: {:?} }};", block.reason, format!("{slice}.{}", block.name), block.hot, block.text)
                .expect("writing to a string");
            all.push(format!("{slice}::{name}"));
        }
    }
    for (slice, body) in slices {
        writeln!(
            out,
            "/// Statements of `{slice}.sql`.\npub mod {slice} {{\nuse super::Statement;\n{body}}}"
        )
        .expect("writing to a string");
    }
    writeln!(
        out,
        "/// Every statement.\n#[cfg(test)]\npub const ALL: &[Statement] = &[{}];",
        all.join(", ")
    )
    .expect("writing to a string");
    let target = Path::new(&env::var("OUT_DIR").expect("cargo sets OUT_DIR")).join("statements.rs");
    fs::write(target, out).expect("OUT_DIR can be written");
}

struct Block {
    name: String,
    hot: bool,
    reason: String,
    text: String,
}

fn blocks(text: &str) -> Vec<Block> {
    let mut columns: Vec<(String, String)> = Vec::new();
    let mut blocks: Vec<Block> = Vec::new();
    for line in text.lines() {
        if let Some(list) = line.strip_prefix("-- columns ") {
            let (name, list) = list
                .split_once(": ")
                .expect("columns need a name and a list");
            columns.push((format!("{{{name}}}"), list.to_owned()));
        } else if let Some(head) = line.strip_prefix("-- ") {
            if let Some((name, reason)) = head.split_once(": ").filter(|(name, _)| {
                name.trim_end_matches(" [hot]")
                    .chars()
                    .all(|c| c.is_ascii_lowercase() || c == '_' || c.is_ascii_digit())
            }) {
                let hot = name.ends_with(" [hot]");
                blocks.push(Block {
                    name: name.trim_end_matches(" [hot]").to_owned(),
                    hot,
                    reason: reason.to_owned(),
                    text: String::new(),
                });
            }
        } else if let Some(block) = blocks.last_mut()
            && !line.trim().is_empty()
        {
            let mut line = line.to_owned();
            for (name, list) in &columns {
                line = line.replace(name, list);
            }
            block.text.push_str(&numbered(&line));
            block.text.push('\n');
        }
    }
    blocks
}

/// SQLite counts `$1` as a name, in the order in which names appear; `?1` is the first value wherever it stands.
fn numbered(line: &str) -> String {
    let mut out = String::with_capacity(line.len());
    let mut rest = line.chars().peekable();
    while let Some(c) = rest.next() {
        let counts = c == '$' && rest.peek().is_some_and(char::is_ascii_digit);
        out.push(if counts { '?' } else { c });
    }
    out
}
