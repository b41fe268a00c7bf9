//! `ringback restore`: from a backup to a data folder that can be started, held until a person has looked (O5, P12).

use super::client::Server;
use super::{Data, Done, Failed, failed, misused, print_json};
use crate::config;
use clap::{Args, Subcommand};
use ringback_core::time::Timestamp;
use ringback_server::recovery::{
    HoldWish, RestoreWish, Restored, TenantReport, hold_database, restore,
};
use ringback_server::{Database, WallClock};
use serde_json::{Value, json};
use std::path::PathBuf;

/// A restore, or what follows it.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(crate) struct Restore {
    #[command(subcommand)]
    what: Option<What>,
    #[command(flatten)]
    wish: Wish,
}

#[derive(Debug, Subcommand)]
enum What {
    /// What is held since the restore, of the tenant of the key.
    #[command(after_help = "Example: ringback restore status --key rb_live_…")]
    Status(Ask),
    /// Let held messages go; all of them when none is named, which ends the hold.
    #[command(after_help = "Example: ringback restore release --yes --key rb_live_…")]
    Release(Decide),
    /// End held messages without sending them; all that are held now when none is named.
    #[command(
        after_help = "Example: ringback restore discard msg_0h3kq2m8x7v5t --yes --key rb_live_…"
    )]
    Discard(Decide),
}

#[derive(Debug, Args)]
struct Wish {
    /// A backup, or a folder of backups: the newest good one of it. With --database none: PostgreSQL was restored by its own tools.
    from: Option<PathBuf>,
    #[command(flatten)]
    data: Data,
    /// The file of the master key, when it is not in the data folder already.
    #[arg(long)]
    key: Option<PathBuf>,
    /// A journal kept elsewhere; without it `journal.dir` of the configuration, else `journal` in the data folder. With --database those of
    /// the other nodes beside it, each with a --journal of its own.
    #[arg(long)]
    journal: Vec<PathBuf>,
    /// Go on although the journal is lost: a STOP since the backup may be forgotten.
    #[arg(long)]
    without_journal: bool,
    /// The instant that PostgreSQL was restored to; without it the newest thing in the database tells.
    #[arg(long, requires = "database")]
    as_of: Option<Timestamp>,
    /// The server's configuration, TOML.
    #[arg(long)]
    config: Option<PathBuf>,
    /// For machines.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct Ask {
    #[command(flatten)]
    server: Server,
    /// For machines.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct Decide {
    /// Messages; all that are held when none is named.
    messages: Vec<String>,
    /// Do it; without it only what is held is shown.
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    ask: Ask,
}

impl Restore {
    pub(crate) fn run(self) -> Done {
        match self.what {
            None => self.wish.run(),
            Some(What::Status(ask)) => ask.run(),
            Some(What::Release(decide)) => decide.run("release"),
            Some(What::Discard(decide)) => decide.run("discard"),
        }
    }
}

impl Wish {
    fn run(self) -> Done {
        crate::logs::start();
        let config = config::load(self.config.as_deref(), std::env::vars()).map_err(failed)?;
        if let Some(database) = self.data.postgres() {
            return self.hold(&config, database);
        }
        let data = self.data.folder().to_owned();
        let from = self
            .from
            .ok_or_else(|| misused("which backup? Name it, or the folder of backups"))?;
        if self.journal.len() > 1 {
            return Err(misused("one --journal: an embedded server has one"));
        }
        let wish = RestoreWish {
            from,
            journal: config.journal.dir(&data),
            journal_from: self.journal.into_iter().next(),
            without_journal: self.without_journal,
            key: self.key,
            egress: config.egress().map_err(failed)?,
            looks: config.limits.looks().map_err(failed)?,
            lease: config.limits.lease().map_err(failed)?,
            data,
        };
        let done = restore(&wish, &WallClock)?;
        if self.json {
            return print_json(&done);
        }
        tell(&wish, &done);
        Ok(())
    }

    /// What follows a restore of PostgreSQL.
    fn hold(self, config: &config::Config, database: Database) -> Done {
        if self.from.is_some() || self.key.is_some() {
            return Err(misused(
                "PostgreSQL is restored by its own tools (pg_restore, pgBackRest), and its master.key is in the data folder already: leave FROM and --key away",
            ));
        }
        let data = self.data.folder().to_owned();
        let wish = HoldWish {
            database,
            journal: config.journal.dir(&data),
            journals: self.journal,
            without_journal: self.without_journal,
            as_of: self.as_of,
            egress: config.egress().map_err(failed)?,
            looks: config.limits.looks().map_err(failed)?,
            lease: config.limits.lease().map_err(failed)?,
            data,
        };
        let done = hold_database(&wish, &WallClock)?;
        if self.json {
            return print_json(&done);
        }
        anstream::println!(
            "The database is as it was at {}.",
            done.as_of.strftime("%Y-%m-%d %H:%M:%S UTC")
        );
        tell_of_journal(
            done.journal_entries,
            done.journal_torn,
            &done.journal_damaged,
        );
        tell_of_tenants(&done.tenants);
        Ok(())
    }
}

fn tell(wish: &RestoreWish, done: &Restored) {
    anstream::println!(
        "Restored {} (of {}) into {}.",
        done.backup.display(),
        done.manifest.taken_at.strftime("%Y-%m-%d %H:%M:%S UTC"),
        wish.data.display()
    );
    tell_of_journal(
        done.journal_entries,
        done.journal_torn,
        &done.journal_damaged,
    );
    tell_of_tenants(&done.tenants);
}

fn tell_of_journal(entries: usize, torn: usize, damaged: &[PathBuf]) {
    anstream::println!(
        "The journal had {entries} entries.{}",
        if torn > 0 {
            " It ends in the middle of one, as a crash leaves it; nobody was told that it was taken."
        } else {
            ""
        }
    );
    for path in damaged {
        anstream::println!(
            "DAMAGE in {}: an entry of it cannot be read, so that a STOP may be missing. Look at the providers' own lists of opt-outs.",
            path.display()
        );
    }
}

fn tell_of_tenants(tenants: &[TenantReport]) {
    for tenant in tenants {
        anstream::println!(
            "{}: {} suppressions, {} lifted, {} consents taken back, {} leads deleted again; {} messages may have gone out since the backup, {} runs may have gone on.",
            tenant.tenant,
            tenant.listed,
            tenant.lifted,
            tenant.revoked,
            tenant.erased,
            tenant.doubted,
            tenant.runs
        );
    }
    anstream::println!(
        "Start the server: it takes leads and alerts staff, and nothing goes to customers. Look at what waits (the banner on every page, or `ringback restore status`), then let it go: `ringback restore release`."
    );
}

fn count(value: &Value) -> i64 {
    value.as_i64().unwrap_or(0)
}

fn word(value: &Value) -> &str {
    value.as_str().unwrap_or("–")
}

impl Ask {
    fn held(&self) -> Result<String, Failed> {
        self.server.call("GET", "/v1/recovery", None)
    }

    fn run(self) -> Done {
        let text = self.held()?;
        if self.json {
            anstream::println!("{text}");
            return Ok(());
        }
        let hold: Value = serde_json::from_str(&text)?;
        match word(&hold["state"]) {
            "none" => anstream::println!("Nothing is held: this business was not restored."),
            "over" => anstream::println!(
                "Nothing is held any more: {} let everything go at {}.",
                word(&hold["changed_by"]),
                word(&hold["changed_at"])
            ),
            state => {
                anstream::println!(
                    "{}: restored at {} from the backup of {}; {} messages wait, {} are still looked up.",
                    if state == "holds" {
                        "Held"
                    } else {
                        "Being let go"
                    },
                    word(&hold["restored_at"]),
                    word(&hold["backup_of"]),
                    count(&hold["held"]),
                    count(&hold["looked_up"])
                );
                for group in hold["groups"].as_array().into_iter().flatten() {
                    anstream::println!(
                        "  {} {} by {}, {} of them may arrive twice",
                        count(&group["count"]),
                        word(&group["category"]),
                        word(&group["channel"]),
                        count(&group["may_arrive_twice"])
                    );
                }
            }
        }
        Ok(())
    }
}

impl Decide {
    fn run(self, act: &str) -> Done {
        if !self.yes {
            self.ask.run()?;
            anstream::println!("Nothing was done. With --yes it is.");
            return Ok(());
        }
        let body = if self.messages.is_empty() {
            json!({})
        } else {
            json!({"messages": self.messages})
        };
        let path = format!("/v1/recovery/{act}");
        let text = self.ask.server.call("POST", &path, Some(&body))?;
        if self.ask.json {
            anstream::println!("{text}");
            return Ok(());
        }
        let said: Value = serde_json::from_str(&text)?;
        anstream::println!(
            "{} {}, {} were not held any more.",
            count(&said["done"]),
            if act == "release" { "go" } else { "discarded" },
            count(&said["refused"])
        );
        Ok(())
    }
}
