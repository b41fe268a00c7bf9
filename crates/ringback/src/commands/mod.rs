//! The command line (design 4): every command has an example in its help, `--json` where it answers something, and exit codes 0, 1 (it
//! failed, says why) and 2 (wrong use).

mod audit;
mod backup;
mod check;
mod client;
mod dead;
mod demo;
mod do_not_call;
mod doctor;
mod folder;
mod migrate;
mod people;
mod restore;
mod send;
mod serve;
mod simulate;
mod tenant;

use clap::{Args, CommandFactory as _, Parser, Subcommand};
use ringback_core::ids::IdMaker;
use ringback_core::time::{Clock as _, Timestamp};
use ringback_server::WallClock;
use ringback_store::{House as _, Registrar, Role, TenantRow, Writer};
use std::path::{Path, PathBuf};

/// A self-hosted lead engagement server: leads come in, are scored, and the right people hear about it, once.
#[derive(Debug, Parser)]
#[command(name = "ringback", version, after_help = "Try it: ringback demo")]
pub(crate) struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Everything in one: a new tenant, sandbox channels, a trickle of sample leads.
    #[command(after_help = "Example: ringback demo --preset auto-glass --listen 127.0.0.1:8080")]
    Demo(demo::Demo),
    /// Run the server.
    #[command(
        after_help = "Example: ringback serve --data /var/lib/ringback --listen 127.0.0.1:8080"
    )]
    Serve(serve::Serve),
    /// Tenants: the businesses that the server works for.
    #[command(subcommand)]
    Tenant(tenant::Tenant),
    /// Check a tenant's folder: every mistake with file, line and the mend.
    #[command(after_help = "Example: ringback check presets/plumbing")]
    Check(check::Check),
    /// Let a file of events happen to a tenant's folder: what would go to whom, when, at what cost, and why not.
    #[command(
        after_help = "Example: ringback simulate presets/plumbing --from 2026-11-24T08:00:00Z"
    )]
    Simulate(simulate::Simulate),
    /// Keys of the API.
    #[command(subcommand)]
    Key(people::Key),
    /// People who sign in.
    #[command(subcommand)]
    User(people::User),
    /// The chain of consents and administrative actions: verify it, anchor it, report from it, erase from it.
    #[command(subcommand)]
    Audit(audit::Audit),
    /// National do-not-call lists.
    #[command(subcommand)]
    DoNotCall(do_not_call::DoNotCall),
    /// Copy the database beside a running server; the copy counts once it was restored into a scratch file and checked.
    #[command(after_help = "Example: ringback backup --data /var/lib/ringback --to /mnt/backups")]
    Backup(backup::Backup),
    /// Restore a backup into a data folder that has no database, or hold a PostgreSQL that was restored. Nothing goes to customers until a
    /// person lets it.
    #[command(
        after_help = "Example: ringback restore /mnt/backups --data /var/lib/ringback --key /root/master.key"
    )]
    Restore(restore::Restore),
    /// Move a house from SQLite to PostgreSQL or back. What is interrupted goes on when it is done again; nothing goes to customers until a
    /// person lets it.
    #[command(
        after_help = "Example: ringback migrate --from sqlite --to postgres://ringback_app:…@db.internal/ringback --data /var/lib/ringback"
    )]
    Migrate(migrate::Migrate),
    /// Send one message through a running server.
    #[command(
        after_help = "Example: ringback send --to +13035550142 --channel sms --body 'On our way' --key rb_live_…"
    )]
    Send(send::Send),
    /// Bring the configuration of a running server into a folder. What was changed here is kept.
    #[command(after_help = "Example: ringback pull alder --key rb_live_…")]
    Pull(folder::Pull),
    /// Show how a folder and a running server differ, and who changed what.
    #[command(after_help = "Example: ringback diff alder --key rb_live_…")]
    Diff(folder::Diff),
    /// Bring what was changed in a folder to a running server, as a draft or published; or go back to an earlier release.
    #[command(after_help = "Example: ringback push alder --publish --key rb_live_…")]
    Push(folder::Push),
    /// Dead letters of a running server: see, replay, discard.
    #[command(subcommand)]
    Dead(dead::Dead),
    /// Look at a data folder and this machine, and say what is not as it should be.
    #[command(after_help = "Example: ringback doctor --data /var/lib/ringback")]
    Doctor(doctor::Doctor),
    /// Completions for a shell.
    #[command(after_help = "Example: ringback completions bash > /etc/bash_completion.d/ringback")]
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
}

/// Where a server keeps what it knows.
#[derive(Clone, Args)]
pub(crate) struct Data {
    /// Holds everything of an embedded server, and the key of any.
    #[arg(long, default_value = "data", env = "RINGBACK_DATA")]
    data: PathBuf,
    /// A database elsewhere instead of the SQLite file in the data folder.
    #[arg(long, env = "DATABASE_URL", hide_env_values = true)]
    database: Option<String>,
    /// The role that owns the database; needed by whatever comes first after an upgrade.
    #[arg(long, env = "DATABASE_OWNER_URL", hide_env_values = true)]
    database_owner: Option<String>,
}

/// Without the addresses, which have passwords in them.
impl std::fmt::Debug for Data {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Data").field(&self.data).finish()
    }
}

/// Why a command failed.
#[derive(Debug)]
pub(crate) struct Failed {
    pub(crate) code: u8,
    says: String,
}

impl std::fmt::Display for Failed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.says)
    }
}

impl<E: std::error::Error> From<E> for Failed {
    fn from(error: E) -> Self {
        let mut says = error.to_string();
        let mut source = error.source();
        while let Some(cause) = source {
            says.push_str(": ");
            says.push_str(&cause.to_string());
            source = cause.source();
        }
        Self { code: 1, says }
    }
}

/// It failed, for this reason.
pub(crate) fn failed(says: impl Into<String>) -> Failed {
    Failed {
        code: 1,
        says: says.into(),
    }
}

/// It was asked for in a way that makes no sense.
pub(crate) fn misused(says: impl Into<String>) -> Failed {
    Failed {
        code: 2,
        says: says.into(),
    }
}

pub(crate) type Done = Result<(), Failed>;

pub(crate) fn run(cli: Cli) -> Done {
    match cli.command {
        Command::Demo(demo) => demo.run(),
        Command::Serve(serve) => serve.run(),
        Command::Tenant(tenant) => tenant.run(),
        Command::Check(check) => check.run(),
        Command::Simulate(simulate) => simulate.run(),
        Command::Key(key) => key.run(),
        Command::User(user) => user.run(),
        Command::Audit(audit) => audit.run(),
        Command::DoNotCall(command) => command.run(),
        Command::Backup(backup) => backup.run(),
        Command::Restore(restore) => restore.run(),
        Command::Migrate(migrate) => migrate.run(),
        Command::Send(send) => send.run(),
        Command::Pull(pull) => pull.run(),
        Command::Diff(diff) => diff.run(),
        Command::Push(push) => push.run(),
        Command::Dead(dead) => dead.run(),
        Command::Doctor(doctor) => doctor.run(),
        Command::Completions { shell } => {
            clap_complete::generate(
                shell,
                &mut Cli::command(),
                "ringback",
                &mut std::io::stdout(),
            );
            Ok(())
        }
    }
}

/// The database, opened to change something: that of a data folder while no server runs on it, or one elsewhere beside its nodes.
pub(crate) struct Offline {
    pub(crate) writer: Writer,
    pub(crate) ids: IdMaker,
    pub(crate) now: Timestamp,
    node: Option<Registrar>,
}

impl Drop for Offline {
    fn drop(&mut self) {
        // A node that does not say goodbye is taken for dead some seconds later, which harms nobody.
        if let Some(node) = &self.node {
            drop(node.leave());
        }
    }
}

impl Data {
    pub(crate) fn folder(&self) -> &Path {
        &self.data
    }

    /// The address of a database elsewhere.
    fn elsewhere(&self) -> Option<&str> {
        let named = self.database.as_deref();
        named.filter(|url| !url.starts_with("sqlite:"))
    }

    /// A database elsewhere, as the server knows it.
    pub(crate) fn postgres(&self) -> Option<ringback_server::Database> {
        self.elsewhere().map(|serves| ringback_server::Database {
            serves: serves.to_owned(),
            owner: self.database_owner.clone(),
        })
    }

    /// An error where a command knows the SQLite file alone and would look at the wrong one.
    pub(crate) fn embedded(&self) -> Result<&Path, Failed> {
        match self.elsewhere() {
            None => Ok(&self.data),
            Some(_) => Err(failed(
                "this looks at the SQLite file of a data folder only; with --database (DATABASE_URL) it is not built yet",
            )),
        }
    }

    pub(crate) fn open(&self) -> Result<Offline, Failed> {
        if let Some(serves) = self.elsewhere() {
            let (owner, now) = (self.database_owner.as_deref(), WallClock.now());
            let since_boot = ringback_channels::BootClock::of_the_machine().now();
            let (writer, _, node) =
                ringback_store::join_postgres(serves, owner, Role::Api, now, since_boot)?;
            let ids = IdMaker::new(node.node().number() * 2 + 1, node.node().ids_from());
            return Ok(Offline {
                writer,
                ids,
                now,
                node: Some(node),
            });
        }
        let (writer, ..) = ringback_store::open(&self.data)?;
        let ids = IdMaker::new(1, writer.last_id());
        Ok(Offline {
            writer,
            ids,
            now: WallClock.now(),
            node: None,
        })
    }
}

impl Offline {
    /// The tenant of this name or address; the only one when none is named.
    pub(crate) fn tenant(&self, named: Option<&str>) -> Result<TenantRow, Failed> {
        let mut rows = self.writer.tenants()?;
        match named {
            Some(name) => {
                let known: Vec<String> = rows.iter().map(|row| row.slug.clone()).collect();
                let found = rows
                    .into_iter()
                    .find(|row| row.slug == name || row.name == name || row.id.to_string() == name);
                found.ok_or_else(|| {
                    failed(format!(
                        "there is no tenant `{name}`; there are {}",
                        known.join(", ")
                    ))
                })
            }
            None if rows.len() == 1 => rows.pop().ok_or_else(|| {
                failed("there is no tenant yet: make one with `ringback tenant create`")
            }),
            None if rows.is_empty() => Err(failed(
                "there is no tenant yet: make one with `ringback tenant create NAME --preset plumbing`",
            )),
            None => Err(misused(format!(
                "which tenant? --tenant {}",
                rows.iter()
                    .map(|row| row.slug.as_str())
                    .collect::<Vec<_>>()
                    .join(" or ")
            ))),
        }
    }
}

/// Prints a value for machines.
pub(crate) fn print_json(value: &impl serde::Serialize) -> Done {
    let text = serde_json::to_string(value)?;
    anstream::println!("{text}");
    Ok(())
}
