//! `cargo run -p ringback-pgtest`: a PostgreSQL to try things on. Prints the address of an empty database and ends it, with all that was in
//! it, when its standard input is closed or Ctrl-C is pressed. With `--shared` it is the server that the tests share, with `--patroni` it is two
//! that stand in for each other.

use ringback_pgtest::{Cluster, OWNER, Patroni, Settings, Standby, shared};
use std::{
    env,
    io::{Read as _, Write as _},
    process::ExitCode,
};

fn main() -> ExitCode {
    let done = match env::args().nth(1).as_deref() {
        None => Cluster::start(&Settings::fast())
            .and_then(|cluster| cluster.database().map(|it| show(&it.owner_url()))),
        Some("--shared") => shared()
            .and_then(|server| server.database())
            .map(|it| show(&it.owner_url())),
        Some("--patroni") => {
            Patroni::start(Standby::Synchronous, &[]).map(|pair| show(&pair.url(OWNER)))
        }
        Some(_) => {
            eprintln!("use: ringback-pgtest [--shared|--patroni]");
            return ExitCode::from(2);
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("pgtest: {why}");
            ExitCode::FAILURE
        }
    }
}

/// Ctrl-C needs no care: the guardian sees that we are gone.
fn show(url: &str) {
    if writeln!(std::io::stdout(), "{url}").is_ok() {
        let mut rest = Vec::new();
        drop(std::io::stdin().read_to_end(&mut rest));
    }
}
