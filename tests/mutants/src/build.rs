//! One build with all mutants that fit: those at which the compiler stumbles are left out, until it does not.

use crate::Failed;
use crate::list::Mutant;
use crate::place;
use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The tests, and which mutants they can be run against.
pub struct Built {
    /// The program that runs them.
    pub tests: PathBuf,
    /// Numbers of mutants, from one on.
    pub placed: HashSet<u32>,
}

const SWITCH: &str = "//! Which mutant is on.
#![allow(missing_docs)]
#[must_use]
pub fn which() -> u32 {
    static WHICH: std::sync::OnceLock<u32> = std::sync::OnceLock::new();
    *WHICH.get_or_init(|| std::env::var(\"MUTANT\").ok().and_then(|n| n.parse().ok()).unwrap_or(0))
}
#[must_use]
pub fn is_on(number: u32) -> bool {
    which() == number
}
";

/// Each round leaves out what the compiler complained of in the round before; it needs about four.
const ROUNDS: usize = 20;

pub fn all_that_fit(house: &Path, mutants: &[Mutant]) -> Result<Built, Failed> {
    let mut files: BTreeMap<&str, Vec<(u32, &Mutant)>> = BTreeMap::new();
    for (number, mutant) in (1..).zip(mutants) {
        files
            .entry(&mutant.file)
            .or_default()
            .push((number, mutant));
    }
    let root = house.join("crates/core/src/lib.rs");
    let lib = std::fs::read_to_string(&root)?;
    std::fs::write(&root, format!("{lib}\n#[doc(hidden)]\npub mod mutants;\n"))?;
    std::fs::write(house.join("crates/core/src/mutants.rs"), SWITCH)?;
    let mut originals = BTreeMap::new();
    for file in files.keys() {
        originals.insert(*file, std::fs::read_to_string(house.join(file))?);
    }
    let mut misfits = HashSet::new();
    for round in 1..=ROUNDS {
        let mut placed = HashSet::new();
        for (file, all) in &files {
            let fit: Vec<_> = all
                .iter()
                .filter(|(number, _)| !misfits.contains(number))
                .copied()
                .collect();
            let (text, here) = place::write(&originals[file], &fit)?;
            placed.extend(here);
            std::fs::write(house.join(file), text)?;
        }
        match compile(house)? {
            Ok(tests) => return Ok(Built { tests, placed }),
            Err(new) => {
                let before = misfits.len();
                misfits.extend(new);
                println!("round {round}: {} do not fit", misfits.len());
                if misfits.len() == before {
                    return Err("the compiler stumbles over something else than a mutant; see target/mutants/house".into());
                }
            }
        }
    }
    Err(format!("no build after {ROUNDS} rounds").into())
}

/// Builds the tests; or tells at which mutants the compiler stumbled.
fn compile(house: &Path) -> Result<Result<PathBuf, HashSet<u32>>, Failed> {
    let done = Command::new("cargo")
        .current_dir(house)
        .args([
            "test",
            "--package",
            "ringback-core",
            "--lib",
            "--no-run",
            "--message-format=json",
        ])
        .envs([
            ("RUSTFLAGS", "-Awarnings"),
            ("CARGO_PROFILE_DEV_DEBUG", "0"),
            ("CARGO_PROFILE_TEST_OPT_LEVEL", "1"),
        ])
        .env_remove("CARGO_TARGET_DIR")
        .output()?;
    let mut misfits = HashSet::new();
    let mut tests = None;
    for line in String::from_utf8_lossy(&done.stdout).lines() {
        let Ok(said) = serde_json::from_str::<serde_json::Value>(line) else {
            continue;
        };
        if let Some(program) = said["executable"].as_str() {
            tests = Some(PathBuf::from(program));
        }
        if said["message"]["level"] != "error" {
            continue;
        }
        for span in said["message"]["spans"]
            .as_array()
            .into_iter()
            .flatten()
            .filter(|span| span["is_primary"] == true)
        {
            let (Some(file), Some(line)) =
                (span["file_name"].as_str(), span["line_start"].as_u64())
            else {
                continue;
            };
            let text = std::fs::read_to_string(house.join(file))?;
            misfits.extend(nearest(&text, usize::try_from(line)?));
        }
    }
    if done.status.success() {
        return tests.map(Ok).ok_or_else(|| "cargo built no tests".into());
    }
    if misfits.is_empty() {
        return Err(String::from_utf8_lossy(&done.stderr).into_owned().into());
    }
    Ok(Err(misfits))
}

/// The numbers in the line that stumbled, or in the closest of the lines before it, or behind it.
fn nearest(text: &str, line: usize) -> Vec<u32> {
    let lines: Vec<&str> = text.lines().collect();
    let at = |line: usize| {
        lines
            .get(line - 1)
            .map(|line| numbers(line))
            .unwrap_or_default()
    };
    let before = (1..=line).rev().take(4).map(at);
    let after = std::iter::once(at(line + 1));
    let far = (1..=line).rev().skip(4).take(6).map(at);
    before
        .chain(after)
        .chain(far)
        .find(|found| !found.is_empty())
        .unwrap_or_default()
}

/// Switches are written as `is_on(7u32)` or `7u32 =>`.
fn numbers(line: &str) -> Vec<u32> {
    let number = |text: &str| {
        let digits: String = text
            .chars()
            .rev()
            .take_while(char::is_ascii_digit)
            .collect::<Vec<_>>()
            .into_iter()
            .rev()
            .collect();
        digits.parse().ok()
    };
    line.split("u32")
        .zip(line.split("u32").skip(1))
        .filter(|(_, after)| after.starts_with(')') || after.trim_start().starts_with("=>"))
        .filter_map(|(before, _)| number(before))
        .collect()
}
