//! `ringback migrate`: a house moves from SQLite to PostgreSQL or back, whole and verified (O6).

use super::{Done, Failed, failed, misused, print_json};
use clap::Args;
use ringback_core::time::Clock as _;
use ringback_server::WallClock;
use ringback_server::recovery::{MoveWish, Moved, move_house};
use ringback_store::moving::{End, give_up};
use std::path::{Path, PathBuf};

/// A move.
#[derive(Args)]
pub(crate) struct Migrate {
    /// The database that is left: `sqlite` (the file in the data folder), `sqlite:FOLDER` or `postgres://…`.
    #[arg(long)]
    from: String,
    /// The database that is moved into, which has to be empty: the same words.
    #[arg(long, required_unless_present = "give_up")]
    to: Option<String>,
    /// The data folder, with master.key.
    #[arg(long, default_value = "data", env = "RINGBACK_DATA")]
    data: PathBuf,
    /// The role that owns the database of PostgreSQL and brings its schema up to date.
    #[arg(long, env = "DATABASE_OWNER_URL", hide_env_values = true)]
    database_owner: Option<String>,
    /// Take the house up again where it was, whatever has gone elsewhere.
    #[arg(long, conflicts_with = "to")]
    give_up: bool,
    /// For machines.
    #[arg(long)]
    json: bool,
}

/// Without the addresses, which have passwords in them.
impl std::fmt::Debug for Migrate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Migrate").field(&self.data).finish()
    }
}

/// How often a large table says how far it is. Unit: rows.
const EVERY: u64 = 200_000;

impl Migrate {
    fn end(&self, written: &str) -> Result<End, Failed> {
        if written.starts_with("postgres://") || written.starts_with("postgresql://") {
            return Ok(End::Database {
                serves: written.to_owned(),
                owner: self.database_owner.clone(),
            });
        }
        match written.strip_prefix("sqlite") {
            Some("") => Ok(End::Folder(self.data.clone())),
            Some(rest) if rest.starts_with(':') => {
                let path = rest.trim_start_matches(':');
                let path = path.strip_prefix("//").unwrap_or(path);
                Ok(End::Folder(Path::new(path).to_owned()))
            }
            _ => Err(misused(
                "write a database as sqlite, sqlite:FOLDER or postgres://…",
            )),
        }
    }

    pub(crate) fn run(self) -> Done {
        crate::logs::start();
        let from = self.end(&self.from)?;
        let Some(to) = &self.to else {
            let to = give_up(&from, WallClock.now())?;
            anstream::println!(
                "The house stays where it was, and may be served there again. What is in {to} is of no use: empty it before it is moved into."
            );
            return Ok(());
        };
        let to = self.end(to)?;
        if let (End::Folder(_), End::Database { .. }) = (&from, &to)
            && let End::Folder(folder) = &from
            && folder != &self.data
            && !self.data.join("master.key").exists()
        {
            return Err(failed(format!(
                "--data {} has no master.key; the one in {} is meant: --data {}",
                self.data.display(),
                folder.display(),
                folder.display()
            )));
        }
        let wish = MoveWish {
            from,
            to,
            data: self.data.clone(),
        };
        let told = std::sync::Mutex::new(std::collections::HashMap::<String, u64>::new());
        let copied = |table: &str, rows: u64, done: bool| {
            let mut told = told
                .lock()
                .unwrap_or_else(std::sync::PoisonError::into_inner);
            let last = told.entry(table.to_owned()).or_default();
            if (done && rows > 0) || rows >= *last + EVERY {
                *last = rows;
                let more = if done { "" } else { " so far" };
                anstream::eprintln!("{table}: {rows} rows{more}");
            }
        };
        let verified = |table: &str, rows: u64, _: bool| {
            if rows > EVERY {
                anstream::eprintln!("{table}: read again for comparison");
            }
        };
        let moved = move_house(&wish, &WallClock, &copied, &verified)?;
        if self.json {
            return print_json(&moved);
        }
        tell(&moved);
        Ok(())
    }
}

fn tell(moved: &Moved) {
    if moved.tables.is_empty() {
        anstream::println!(
            "The house had moved from {} to {} already.",
            moved.from,
            moved.to
        );
    } else {
        let rows: u64 = moved.tables.iter().map(|table| table.rows).sum();
        for table in moved.tables.iter().filter(|table| table.rows > 0) {
            anstream::println!("{:>12}  {}  {}", table.rows, &table.hash[..16], table.table);
        }
        anstream::println!(
            "{rows} rows of {} tables have moved from {} to {}, counts and hashes equal at both ends.",
            moved.tables.len(),
            moved.from,
            moved.to
        );
    }
    anstream::println!(
        "No server opens the old one any more. Start servers on the new one: they take leads and alert staff, and nothing goes to customers until a person lets it: `ringback restore status`, then `ringback restore release`."
    );
}
