//! `ringback pull`, `diff` and `push`: a tenant's configuration as a folder beside a running server (I5).
//!
//! The file `.ringback` in the folder remembers what was pulled: versions and texts. So it is known, without asking anybody, what was
//! changed here; and with asking, whether somebody else changed the same file in the meantime.

use super::client::Server;
use super::{Done, Failed, failed, print_json};
use clap::Args;
use ringback_server::configuration::diff::{DiffLine, around, lines};
use ringback_server::configuration::fits;
use ringback_server::presets::from_folder;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Where the folder remembers what was pulled. Without an ending, so that no check takes it for a document.
const MEMORY: &str = ".ringback";

/// Bring the configuration of a running server into a folder.
#[derive(Debug, Args)]
pub(crate) struct Pull {
    /// The folder; it is made when it is not there.
    folder: PathBuf,
    /// Takes the server's text also where a file was changed here.
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    server: Server,
}

/// Show how a folder and a running server differ.
#[derive(Debug, Args)]
pub(crate) struct Diff {
    /// The folder that was pulled.
    folder: PathBuf,
    /// For machines: paths and who changed them.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    server: Server,
}

/// Bring what was changed in a folder to a running server: as a draft, or published at once; or go back to an earlier release.
#[derive(Debug, Args)]
pub(crate) struct Push {
    /// The folder that was pulled.
    folder: PathBuf,
    /// It holds at once, in one commit. Without it the change becomes the draft, to be looked at and published on the server.
    #[arg(long, conflicts_with = "roll_back")]
    publish: bool,
    /// Sends nothing: the server's files become again what held at this instant, a release of GET /v1/config/releases. Pull afterwards.
    #[arg(long, value_name = "INSTANT")]
    roll_back: Option<jiff::Timestamp>,
    #[command(flatten)]
    server: Server,
}

/// A file as it was pulled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Pulled {
    version: i64,
    text: String,
}

/// Files by path.
type Files = BTreeMap<String, Pulled>;

/// What the folder remembers.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Memory {
    files: Files,
}

impl Memory {
    fn of(folder: &Path) -> Result<Option<Self>, Failed> {
        let path = folder.join(MEMORY);
        match std::fs::read_to_string(&path) {
            Ok(text) => serde_json::from_str(&text).map(Some).map_err(|why| {
                failed(format!(
                    "{} cannot be read ({why}); remove it and pull into an empty folder",
                    path.display()
                ))
            }),
            Err(why) if why.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(why) => Err(failed(format!("{} cannot be read: {why}", path.display()))),
        }
    }

    fn keep(&self, folder: &Path) -> Done {
        write(&folder.join(MEMORY), &serde_json::to_string_pretty(self)?)
    }
}

/// Writes a file beside the old one and puts it in its place, so that nobody finds half of it.
fn write(path: &Path, text: &str) -> Done {
    let told = |why: std::io::Error| failed(format!("{} cannot be written: {why}", path.display()));
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(told)?;
    }
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let beside = path.with_file_name(format!(".{name}.new"));
    std::fs::write(&beside, text).map_err(told)?;
    std::fs::rename(&beside, path).map_err(told)
}

/// The server's files. A path that leads out of a folder is refused, whoever sent it.
fn there(server: &Server) -> Result<Files, Failed> {
    let text = server.call("GET", "/v1/config", None)?;
    let told: Value = serde_json::from_str(&text)?;
    let files: Files = serde_json::from_value(told["files"].clone())?;
    for (path, file) in &files {
        fits(path, &file.text).map_err(|problem| failed(problem.to_string()))?;
    }
    Ok(files)
}

/// The folder's own files.
fn here(folder: &Path) -> Result<BTreeMap<String, String>, Failed> {
    if !folder.exists() {
        return Ok(BTreeMap::new());
    }
    from_folder(folder).map(|read| read.files).map_err(failed)
}

/// Who changed a file since it was pulled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Changed {
    /// Only here.
    Here,
    /// Only on the server.
    There,
    /// Here and on the server, and not alike.
    Both,
}

impl Changed {
    const fn says(self) -> &'static str {
        match self {
            Self::Here => "changed here",
            Self::There => "changed on the server",
            Self::Both => "changed here and on the server",
        }
    }
}

/// Files that differ between folder and server, and who changed them.
fn compare(
    here: &BTreeMap<String, String>,
    base: &Files,
    there: &Files,
) -> BTreeMap<String, Changed> {
    let paths: BTreeSet<&String> = here.keys().chain(there.keys()).collect();
    let mut out = BTreeMap::new();
    for path in paths {
        let mine = here.get(path).map(String::as_str);
        let was = base.get(path).map(|file| file.text.as_str());
        let theirs = there.get(path).map(|file| file.text.as_str());
        if mine == theirs {
            continue;
        }
        let changed = match (mine != was, theirs != was) {
            (true, true) => Changed::Both,
            (true, false) => Changed::Here,
            _ => Changed::There,
        };
        out.insert(path.clone(), changed);
    }
    out
}

impl Pull {
    pub(crate) fn run(self) -> Done {
        let theirs = there(&self.server)?;
        let known = Memory::of(&self.folder)?;
        let mine = here(&self.folder)?;
        if known.is_none() && !mine.is_empty() && !self.force {
            return Err(failed(format!(
                "{} was never pulled and is not empty; pull into an empty folder, or take the server's files with --force",
                self.folder.display()
            )));
        }
        let mut memory = known.unwrap_or_default();
        let differs = compare(&mine, &memory.files, &theirs);
        let (mut taken, mut kept, mut both) = (0, Vec::new(), Vec::new());
        for (path, changed) in &differs {
            match changed {
                Changed::Here if !self.force => kept.push(path),
                Changed::Both if !self.force => both.push(path),
                _ => {
                    taken += 1;
                    let at = self.folder.join(path);
                    match theirs.get(path) {
                        Some(file) => write(&at, &file.text)?,
                        None => std::fs::remove_file(&at).map_err(|why| {
                            failed(format!("{} cannot be removed: {why}", at.display()))
                        })?,
                    }
                }
            }
        }
        // What was changed on both sides keeps the version it was changed from, so that a push still sees it.
        let still: BTreeSet<&String> = both.iter().copied().collect();
        let before = std::mem::take(&mut memory.files);
        let old = before.into_iter().filter(|(path, _)| still.contains(path));
        memory.files = old.collect();
        let new = theirs.iter().filter(|(path, _)| !still.contains(path));
        memory
            .files
            .extend(new.map(|(path, file)| (path.clone(), file.clone())));
        memory.keep(&self.folder)?;
        anstream::println!("{taken} files taken, {} kept as changed here", kept.len());
        if both.is_empty() {
            return Ok(());
        }
        for path in &both {
            anstream::eprintln!("{path}: {}", Changed::Both.says());
        }
        Err(failed(format!(
            "{} files were changed on both sides and are left as they are here; look with `ringback diff`, bring them together, and pull with --force what the server shall win",
            both.len()
        )))
    }
}

impl Diff {
    pub(crate) fn run(self) -> Done {
        let theirs = there(&self.server)?;
        let memory = Memory::of(&self.folder)?.unwrap_or_default();
        let mine = here(&self.folder)?;
        let differs = compare(&mine, &memory.files, &theirs);
        if self.json {
            return print_json(&json!({"files": differs}));
        }
        for (path, changed) in &differs {
            anstream::println!("{path}: {}", changed.says());
            let server = theirs.get(path).map_or("", |file| file.text.as_str());
            let own = mine.get(path).map_or("", String::as_str);
            for line in around(&lines(server, own), 3) {
                match line {
                    None => anstream::println!("  ..."),
                    Some(DiffLine::Same(text)) => anstream::println!("    {text}"),
                    Some(DiffLine::Gone(text)) => anstream::println!("  - {text}"),
                    Some(DiffLine::New(text)) => anstream::println!("  + {text}"),
                }
            }
        }
        if differs.is_empty() {
            anstream::println!("no differences");
        }
        Ok(())
    }
}

impl Push {
    pub(crate) fn run(self) -> Done {
        if let Some(to) = self.roll_back {
            let body = json!({"to": to});
            let answer = self
                .server
                .call("POST", "/v1/config/rollback", Some(&body))?;
            anstream::println!("{answer}");
            anstream::eprintln!("the folder is as before; `ringback pull` brings what holds now");
            return Ok(());
        }
        let Some(mut memory) = Memory::of(&self.folder)? else {
            return Err(failed(format!(
                "{} was never pulled, so nobody knows what it was changed from; `ringback pull` into an empty folder first",
                self.folder.display()
            )));
        };
        let mine = here(&self.folder)?;
        if let Err(problems) = ringback_server::onboarding::check(&mine) {
            for problem in &problems {
                anstream::eprintln!("{problem}");
            }
            return Err(failed(format!(
                "{} problems; nothing was pushed",
                problems.len()
            )));
        }
        let theirs = there(&self.server)?;
        let differs = compare(&mine, &memory.files, &theirs);
        let both: Vec<&String> = differs
            .iter()
            .filter(|(_, changed)| **changed == Changed::Both)
            .map(|(path, _)| path)
            .collect();
        if !both.is_empty() {
            for path in &both {
                anstream::eprintln!("{path}: {}", Changed::Both.says());
            }
            return Err(failed(format!(
                "{} files were changed on both sides; nothing was pushed. Look with `ringback diff`, pull, bring them together",
                both.len()
            )));
        }
        let changed: Vec<&String> = differs
            .iter()
            .filter(|(_, changed)| **changed == Changed::Here)
            .map(|(path, _)| path)
            .collect();
        if changed.is_empty() {
            anstream::println!("nothing was changed here");
            return Ok(());
        }
        let files: BTreeMap<&String, Option<&String>> = changed
            .iter()
            .map(|path| (*path, mine.get(*path)))
            .collect();
        let base: BTreeMap<&String, i64> = changed
            .iter()
            .map(|path| {
                (
                    *path,
                    memory.files.get(*path).map_or(0, |file| file.version),
                )
            })
            .collect();
        let body = json!({"files": files, "base": base});
        if !self.publish {
            self.server.call("PUT", "/v1/config/draft", Some(&body))?;
            anstream::println!(
                "{} files are the draft now; publish it on the server, or with `ringback push --publish`",
                changed.len()
            );
            return Ok(());
        }
        let answer = self
            .server
            .call("POST", "/v1/config/publish", Some(&body))?;
        let told: Value = serde_json::from_str(&answer)?;
        for path in changed {
            let version = told["files"][path].as_i64().unwrap_or(0);
            match mine.get(path) {
                Some(text) => {
                    let text = text.clone();
                    memory.files.insert(path.clone(), Pulled { version, text });
                }
                None => {
                    memory.files.remove(path);
                }
            }
        }
        memory.keep(&self.folder)?;
        anstream::println!("{answer}");
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(all: &[(&str, i64, &str)]) -> Files {
        let all = all.iter().map(|(path, version, text)| {
            let file = Pulled {
                version: *version,
                text: (*text).to_owned(),
            };
            ((*path).to_owned(), file)
        });
        all.collect()
    }

    /// I5: who changed a file since it was pulled, also where it came or went.
    #[test]
    fn changes_are_told_apart_by_who_made_them() {
        let base = files(&[
            ("same", 1, "a"),
            ("here", 1, "a"),
            ("there", 1, "a"),
            ("both", 1, "a"),
            ("alike", 1, "a"),
            ("gone-here", 1, "a"),
            ("gone-there", 1, "a"),
        ]);
        let there = files(&[
            ("same", 1, "a"),
            ("here", 1, "a"),
            ("there", 2, "b"),
            ("both", 2, "b"),
            ("alike", 2, "c"),
            ("gone-here", 1, "a"),
            ("new-there", 1, "n"),
        ]);
        let here: BTreeMap<String, String> = [
            ("same", "a"),
            ("here", "x"),
            ("there", "a"),
            ("both", "x"),
            ("alike", "c"),
            ("gone-there", "a"),
            ("new-here", "n"),
        ]
        .map(|(path, text)| (path.to_owned(), text.to_owned()))
        .into();
        let told = compare(&here, &base, &there);
        let told: Vec<(&str, Changed)> = told
            .iter()
            .map(|(path, who)| (path.as_str(), *who))
            .collect();
        assert_eq!(
            told,
            [
                ("both", Changed::Both),
                ("gone-here", Changed::Here),
                ("gone-there", Changed::There),
                ("here", Changed::Here),
                ("new-here", Changed::Here),
                ("new-there", Changed::There),
                ("there", Changed::There),
            ]
        );
    }
}
