//! `ringback backup`: a copy of the embedded database, beside a running server too, that counts once it was restored and checked (O5).

use super::{Data, Done, failed, print_json};
use crate::config;
use clap::{Args, Subcommand};
use ringback_core::time::Clock as _;
use ringback_server::{MasterKey, WallClock, backups};
use ringback_store::backup::{Manifest, kept};
use std::path::PathBuf;

/// A backup, or the list of those there are.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Backup {
    #[command(subcommand)]
    what: Option<What>,
    #[command(flatten)]
    place: Place,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Every backup of a folder: of which instant, how large, by which program.
    #[command(after_help = "Example: ringback backup list --to /mnt/backups")]
    List(Place),
}

/// Which data, and where its backups are.
#[derive(Debug, Args)]
struct Place {
    #[command(flatten)]
    data: Data,
    /// The folder of backups; without it `backup.to` of the configuration, else `backups` in the data folder.
    #[arg(long)]
    to: Option<PathBuf>,
    /// How many are kept there; without it `backup.keep` of the configuration, else 7.
    #[arg(long)]
    keep: Option<usize>,
    /// The server's configuration, TOML.
    #[arg(long)]
    config: Option<PathBuf>,
    /// For machines.
    #[arg(long)]
    json: bool,
}

impl Place {
    fn settings(&self) -> Result<(PathBuf, usize, PathBuf), super::Failed> {
        let config = config::load(self.config.as_deref(), std::env::vars()).map_err(failed)?;
        let data = self.data.embedded()?;
        let to = self.to.clone().unwrap_or_else(|| config.backup.to(data));
        let keep = self.keep.unwrap_or(config.backup.keep);
        Ok((to, keep, config.journal.dir(data)))
    }
}

impl Backup {
    pub(crate) fn run(self) -> Done {
        match self.what {
            Some(What::List(place)) => list(&place),
            None => make(&self.place),
        }
    }
}

fn make(place: &Place) -> Done {
    crate::logs::start();
    let (to, keep, journal) = place.settings()?;
    let data = place.data.embedded()?;
    let key = data.join("master.key");
    if !key.exists() {
        return Err(failed(format!(
            "there is no server in {}: it has no master.key",
            data.display()
        )));
    }
    let master = MasterKey::of_file(&key)?;
    backups::give_way();
    let good = backups::take(data, &to, &master, &WallClock)?;
    backups::tidy(&to, keep, &journal, WallClock.now());
    if place.json {
        return print_json(&serde_json::json!({"backup": good.folder, "manifest": good.manifest}));
    }
    anstream::println!("{}", good.folder.display());
    anstream::println!(
        "{}, restored into a scratch file and found good.",
        holds(&good.manifest)
    );
    anstream::println!(
        "It does not hold {}: keep a copy of that file apart from the backups. It is needed to restore, and opens the settings of connections.",
        key.display()
    );
    Ok(())
}

/// What a backup holds, in a line.
fn holds(manifest: &Manifest) -> String {
    let rows = |table: &str| manifest.tables.get(table).copied().unwrap_or(0);
    format!(
        "{} of {}: {} leads, {} messages, {} events",
        size(manifest.bytes),
        manifest.taken_at.strftime("%Y-%m-%d %H:%M:%S UTC"),
        rows("leads"),
        rows("messages"),
        rows("events")
    )
}

fn size(bytes: u64) -> String {
    if bytes >= 10 << 20 {
        format!("{} MB", bytes >> 20)
    } else {
        format!("{} KB", bytes >> 10)
    }
}

fn list(place: &Place) -> Done {
    let (to, ..) = place.settings()?;
    let all = kept(&to)?;
    if place.json {
        let told: Vec<_> = all
            .iter()
            .map(|one| match &one.manifest {
                Ok(manifest) => {
                    serde_json::json!({"backup": one.folder, "good": true, "manifest": manifest})
                }
                Err(why) => {
                    serde_json::json!({"backup": one.folder, "good": false, "why": why.to_string()})
                }
            })
            .collect();
        return print_json(&told);
    }
    if all.is_empty() {
        anstream::println!("There is no backup in {}.", to.display());
    }
    for one in &all {
        match &one.manifest {
            Ok(manifest) => anstream::println!("{}  {}", one.folder.display(), holds(manifest)),
            Err(why) => anstream::println!("{}  not good: {why}", one.folder.display()),
        }
    }
    Ok(())
}
