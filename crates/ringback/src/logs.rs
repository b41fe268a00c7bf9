//! Logs: a line per happening on standard error, as JSON where no person looks. Never personal data.

use std::io::IsTerminal as _;
use tracing_subscriber::EnvFilter;

/// Starts logging. `RINGBACK_LOG` narrows or widens it (`info`, `ringback_server=debug`).
pub(crate) fn start() {
    let filter = EnvFilter::try_from_env("RINGBACK_LOG")
        .unwrap_or_else(|_| EnvFilter::new("info,hyper=warn,refinery_core=warn"));
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    let started = if std::io::stderr().is_terminal() {
        builder.compact().try_init()
    } else {
        builder.json().flatten_event(true).try_init()
    };
    if started.is_err() {
        anstream::eprintln!("ringback: logging was started before");
    }
}
