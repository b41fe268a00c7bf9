//! Tests that pass say little of what they would notice. cargo-mutants lists every small change of some files: another comparison, a
//! branch that is never taken, a function that answers something else. It builds the crate anew for each, which takes a night for
//! thousands. Here all of them are written into one build, each behind a switch that an environment variable turns on, and the tests
//! run once for each: half an hour.
//!
//! What cannot be switched within one build (a constant, a pattern, a type that does not fit) is counted as not tried.

mod build;
mod list;
mod place;
mod tried;

use std::path::PathBuf;
use std::process::ExitCode;

type Failed = Box<dyn std::error::Error + Send + Sync>;

/// The least share of mutants that the tests of every area must notice, in percent.
const LEAST: usize = 90;

fn main() -> ExitCode {
    match run(&std::env::args().skip(1).collect::<Vec<_>>()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("mutants: {error}");
            ExitCode::FAILURE
        }
    }
}

/// The arguments are the files, from the root of the repository, where this is run.
fn run(files: &[String]) -> Result<bool, Failed> {
    if files.is_empty() {
        return Err(
            "name the files of crates/core/src that are changed; `make mutants` does".into(),
        );
    }
    let house = PathBuf::from("target/mutants/house");
    list::copy(&house)?;
    let mutants = list::mutants(&house, files)?;
    println!("{} mutants in {} files", mutants.len(), files.len());
    let built = build::all_that_fit(&house, &mutants)?;
    println!("{} of them fit into one build", built.placed.len());
    let tried = tried::all(&house, &built, &mutants)?;
    Ok(tried::tell(&mutants, &tried, LEAST))
}
