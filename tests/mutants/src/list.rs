//! Which mutants there are.

use crate::Failed;
use serde::Deserialize;
use std::path::Path;
use std::process::Command;

/// One small change, as cargo-mutants lists it.
#[derive(Debug, Deserialize)]
pub struct Mutant {
    /// What it changes, in words, with file and line.
    pub name: String,
    /// The file, from the root.
    pub file: String,
    /// What kind of change: `FnValue`, `BinaryOperator`, `UnaryOperator`, `MatchArm`, `MatchArmGuard`, `StructField`.
    pub genre: String,
    /// What stands there instead.
    pub replacement: String,
    /// What is replaced.
    pub span: Span,
}

/// A stretch of a file.
#[derive(Debug, Deserialize)]
pub struct Span {
    /// Its first character.
    pub start: Place,
    /// The character behind it.
    pub end: Place,
}

/// A place in a file, both counted from one.
#[derive(Debug, Deserialize, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Place {
    /// Line.
    pub line: usize,
    /// Column.
    pub column: usize,
}

/// Copies what git knows of the repository, so that no mutant is ever written into it.
pub fn copy(to: &Path) -> Result<(), Failed> {
    let listed = Command::new("git")
        .args([
            "ls-files",
            "-z",
            "--cached",
            "--others",
            "--exclude-standard",
        ])
        .output()?;
    if !listed.status.success() {
        return Err("git does not list the files: run this in a checkout".into());
    }
    for file in String::from_utf8(listed.stdout)?.split_terminator('\0') {
        let target = to.join(file);
        let Ok(text) = std::fs::read(file) else {
            continue;
        }; // removed, and not yet committed
        if std::fs::read(&target).is_ok_and(|old| old == text) {
            continue;
        }
        std::fs::create_dir_all(target.parent().unwrap_or(to))?;
        std::fs::write(target, text)?;
    }
    Ok(())
}

/// Asks cargo-mutants.
pub fn mutants(house: &Path, files: &[String]) -> Result<Vec<Mutant>, Failed> {
    let mut ask = Command::new("cargo");
    ask.current_dir(house)
        .args(["mutants", "--package", "ringback-core", "--list", "--json"]);
    for file in files {
        ask.args(["--file", file]);
    }
    let listed = ask.output()?;
    if !listed.status.success() {
        let said = String::from_utf8_lossy(&listed.stderr);
        return Err(format!(
            "cargo mutants: {said}\nIt comes with `cargo install --locked cargo-mutants`."
        )
        .into());
    }
    Ok(serde_json::from_slice(&listed.stdout)?)
}
