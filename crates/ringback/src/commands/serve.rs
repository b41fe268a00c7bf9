//! `ringback serve`: the server until it is told to stop.

use super::{Done, Failed, failed};
use crate::config::{self, Config};
use clap::{Args, ValueEnum};
use ringback_server::{App, Loops, WallClock};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::net::TcpListener;

/// Run the server.
#[derive(Debug, Args)]
pub(crate) struct Serve {
    /// The server's configuration, TOML.
    #[arg(long)]
    config: Option<PathBuf>,
    /// Holds everything of an embedded server.
    #[arg(long, env = "RINGBACK_DATA")]
    data: Option<PathBuf>,
    /// A database elsewhere instead of the SQLite file in the data folder.
    #[arg(long, env = "DATABASE_URL")]
    database: Option<String>,
    /// The role that owns the database, which brings the schema up to date and lets the role of --database use it. Needed by the first start
    /// of each version.
    #[arg(long, env = "DATABASE_OWNER_URL")]
    database_owner: Option<String>,
    /// Address and port; port 0 takes a free one.
    #[arg(long)]
    listen: Option<SocketAddr>,
    /// What this node does.
    #[arg(long, value_enum, default_value = "all")]
    role: Role,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Role {
    All,
    Api,
    Worker,
}

impl From<Role> for ringback_store::Role {
    fn from(role: Role) -> Self {
        match role {
            Role::All => Self::All,
            Role::Api => Self::Api,
            Role::Worker => Self::Worker,
        }
    }
}

impl Serve {
    pub(crate) fn run(self) -> Done {
        crate::logs::start();
        let database = match self.database.filter(|url| !url.starts_with("sqlite:")) {
            None if self.role != Role::All => {
                return Err(failed(
                    "--role api and worker need PostgreSQL, --database postgres://…: an embedded server does everything itself",
                ));
            }
            None => None,
            Some(serves) => Some(ringback_server::Database {
                serves,
                owner: self.database_owner,
            }),
        };
        let mut config = config::load(self.config.as_deref(), std::env::vars()).map_err(failed)?;
        if let Some(data) = self.data {
            config.server.data = data;
        }
        if let Some(listen) = self.listen {
            config.server.listen = listen;
        }
        runtime()?.block_on(async {
            let running = Running::start_with(&config, database, self.role.into()).await?;
            if running.app.registry.houses().homes.is_empty() {
                anstream::eprintln!("There is no tenant yet. Stop the server and make one: ringback tenant create NAME --preset plumbing --data {}", config.server.data.display());
            }
            running.until_stopped().await;
            Ok(())
        })
    }
}

pub(crate) fn runtime() -> Result<tokio::runtime::Runtime, Failed> {
    Ok(tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .thread_name("ringback")
        .build()?)
}

/// A server that listens.
pub(crate) struct Running {
    pub(crate) app: App,
    pub(crate) address: SocketAddr,
    loops: Loops,
    serving: tokio::task::JoinHandle<()>,
}

impl Running {
    /// Binds, opens, starts, and prints the line that says so.
    pub(crate) async fn start(config: &Config) -> Result<Self, Failed> {
        Self::start_with(config, None, ringback_store::Role::All).await
    }

    /// The same on another database than the file in the data folder.
    pub(crate) async fn start_with(
        config: &Config,
        database: Option<ringback_server::Database>,
        role: ringback_store::Role,
    ) -> Result<Self, Failed> {
        let listener = TcpListener::bind(config.server.listen)
            .await
            .map_err(|error| {
                failed(format!(
                    "{} cannot be listened on: {error}",
                    config.server.listen
                ))
            })?;
        let address = listener.local_addr()?;
        let mut settings = config.settings(address).map_err(failed)?;
        (settings.database, settings.role) = (database, role);
        let (app, loops) = App::start(settings, Arc::new(WallClock))?;
        let routes = ringback_server::routes(&app);
        let serving = {
            let app = app.clone();
            tokio::spawn(async move { ringback_server::http::serve(&app, listener, routes).await })
        };
        anstream::println!("listening on http://{address}");
        Ok(Self {
            app,
            address,
            loops,
            serving,
        })
    }

    /// Waits for Ctrl-C or a request to end, then stops in order (O7): a second Ctrl-C ends at once.
    pub(crate) async fn until_stopped(self) {
        wait_for_signal().await;
        anstream::eprintln!("stopping: calls under way end first, at most 30 s");
        let orderly = async {
            self.app.stopping.cancel();
            if self.serving.await.is_err() {
                tracing::error!("the accept loop ended in a panic");
            }
            self.app.stop(self.loops).await;
        };
        tokio::select! {
            () = orderly => {}
            () = wait_for_signal() => {
                anstream::eprintln!("stopped at once; nothing acknowledged is lost");
                std::process::exit(130);
            }
            () = tokio::time::sleep(std::time::Duration::from_secs(30)) => {
                tracing::warn!("stopping took longer than 30 s and was cut short; nothing acknowledged is lost");
                std::process::exit(0);
            }
        }
    }
}

async fn wait_for_signal() {
    let mut terminate =
        match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
            Ok(terminate) => terminate,
            Err(error) => {
                tracing::error!(%error, "cannot listen for the signal to end");
                return std::future::pending().await;
            }
        };
    tokio::select! {
        _ = terminate.recv() => {}
        interrupted = tokio::signal::ctrl_c() => {
            if interrupted.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }
}
