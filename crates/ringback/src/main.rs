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
    let cli = commands::Cli::parse();
    match commands::run(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failed) => {
            anstream::eprintln!("ringback: {failed}");
            ExitCode::from(failed.code)
        }
    }
}
