//! Runs the tests against each mutant.

use crate::Failed;
use crate::build::Built;
use crate::list::Mutant;
use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// A mutant that makes the tests run for so long is noticed too.
const LIMIT: Duration = Duration::from_secs(60);

/// For each number whether the tests noticed.
pub type Tried = BTreeMap<u32, bool>;

pub fn all(house: &Path, built: &Built, mutants: &[Mutant]) -> Result<Tried, Failed> {
    if notices(house, built, 0, "")? {
        return Err("the tests fail without any mutant".into());
    }
    let (next, tried) = (AtomicU32::new(1), Mutex::new(Tried::new()));
    let workers = std::thread::available_parallelism()?.get();
    std::thread::scope(|scope| {
        let work = || -> Result<(), Failed> {
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                let Some(mutant) = mutants.get(number as usize - 1) else {
                    return Ok(());
                };
                if !built.placed.contains(&number) {
                    continue;
                }
                let noticed = nearest_first(house, built, number, mutant)?;
                let mut tried = tried.lock().map_err(|_| "a thread panicked")?;
                tried.insert(number, noticed);
                if !noticed {
                    eprintln!("missed: {}", mutant.name);
                }
                if tried.len().is_multiple_of(100) {
                    eprintln!("{} of {}", tried.len(), built.placed.len());
                }
            }
        };
        let threads: Vec<_> = (0..workers).map(|_| scope.spawn(work)).collect();
        threads
            .into_iter()
            .try_for_each(|thread| thread.join().map_err(|_| "a thread panicked")?)
    })?;
    Ok(tried.into_inner()?)
}

/// The tests of its own file, then those of its part, then all: most are noticed by the nearest.
fn nearest_first(
    house: &Path,
    built: &Built,
    number: u32,
    mutant: &Mutant,
) -> Result<bool, Failed> {
    let file = mutant
        .file
        .trim_start_matches("crates/core/src/")
        .trim_end_matches(".rs")
        .replace('/', "::");
    let part = file.split("::").next().unwrap_or_default();
    for tests in [&format!("{file}::"), &format!("{part}::"), ""] {
        if notices(house, built, number, tests)? {
            return Ok(true);
        }
    }
    Ok(false)
}

fn notices(house: &Path, built: &Built, number: u32, part: &str) -> Result<bool, Failed> {
    let mut tests = Command::new(&built.tests);
    tests
        .current_dir(house.join("crates/core"))
        .env("MUTANT", number.to_string())
        .env("PROPTEST_MAX_SHRINK_ITERS", "0");
    if !part.is_empty() {
        tests.arg(part);
    }
    let mut running = tests.stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
    let began = Instant::now();
    loop {
        if let Some(ended) = running.try_wait()? {
            return Ok(!ended.success());
        }
        if began.elapsed() > LIMIT {
            running.kill()?;
            running.wait()?;
            return Ok(true);
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Prints a table, and what nobody noticed. Answers whether enough of every file was noticed.
pub fn tell(mutants: &[Mutant], tried: &Tried, least: usize) -> bool {
    let mut files: BTreeMap<&str, (usize, usize, usize)> = BTreeMap::new();
    for (number, mutant) in (1..).zip(mutants) {
        let file = files
            .entry(mutant.file.trim_start_matches("crates/core/src/"))
            .or_default();
        file.0 += 1;
        if let Some(noticed) = tried.get(&number) {
            file.1 += 1;
            file.2 += usize::from(*noticed);
        }
    }
    println!("| file | listed | tried | noticed | |\n|---|---|---|---|---|");
    let mut enough = true;
    for (file, (listed, tried, noticed)) in files {
        let share = noticed * 100 / tried.max(1);
        enough &= share >= least;
        println!("| `{file}` | {listed} | {tried} | {noticed} | {share} % |");
    }
    for (number, mutant) in (1..).zip(mutants) {
        if tried.get(&number) == Some(&false) {
            println!("missed: {}", mutant.name);
        }
    }
    enough
}
