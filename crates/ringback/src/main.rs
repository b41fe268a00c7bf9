//! Ringback: a self-hosted lead engagement server. The wiring; what happens is in the other crates.

mod commands;
mod config;
mod logs;

use clap::Parser;
use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    if rustls::crypto::aws_lc_rs::default_provider()
        .install_default()
        .is_err()
    {
        // Somebody installed one before: theirs is as good.
    }
    #[cfg(feature = "seeded-bugs")]
    sow();
    let cli = commands::Cli::parse();
    match commands::run(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failed) => {
            anstream::eprintln!("ringback: {failed}");
            ExitCode::from(failed.code)
        }
    }
}

/// Puts in the bugs named in `RINGBACK_TEST_BUGS`, separated by commas.
#[cfg(feature = "seeded-bugs")]
fn sow() {
    use ringback_core::seeded::{Bug, sow};
    let named = std::env::var("RINGBACK_TEST_BUGS").unwrap_or_default();
    for bug in Bug::ALL {
        if named.split(',').any(|name| name == bug.as_str()) {
            sow(bug);
        }
    }
}
