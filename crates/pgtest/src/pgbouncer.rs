//! PgBouncer in transaction mode: a connection to the server belongs to a client for one transaction only, so nothing that a session sets
//! may be relied on, and row security must be told its tenant in each transaction (X4).

use crate::{
    APP, Database, Error, OWNER, Result, Server, While, cluster::end_of, free_port, random,
    wait_until,
};
use std::{
    fs::{self, File},
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

const PLACES: [&str; 3] = [
    "/usr/sbin/pgbouncer",
    "/usr/bin/pgbouncer",
    "/usr/local/bin/pgbouncer",
];

/// A pooler in front of all databases of a server, ended when dropped.
#[derive(Debug)]
pub struct PgBouncer {
    server: Server,
    port: u16,
    folder: PathBuf,
    child: Child,
}

impl PgBouncer {
    /// Starts one with so many connections to the server for each role and database. Fewer than the clients have, so that they really share.
    pub fn start(server: &Server, connections: u32) -> Result<Self> {
        let program = PLACES
            .iter()
            .map(Path::new)
            .find(|path| path.is_file())
            .ok_or_else(|| {
                Error::new("PgBouncer is not installed. Run `tests/install`, which gets it")
            })?;
        let binaries = server.binaries();
        let folder = server
            .started()
            .join(format!("pgbouncer-{:06x}", random(3)?));
        fs::create_dir(&folder).during("making PgBouncer's folder")?;
        binaries.give(&folder)?;
        let port = free_port()?;
        let users = folder.join("users.txt");
        let password = server.password();
        fs::write(
            &users,
            format!("\"{OWNER}\" \"{password}\"\n\"{APP}\" \"{password}\"\n"),
        )
        .during("writing PgBouncer's users")?;
        let conf = folder.join("pgbouncer.ini");
        fs::write(
            &conf,
            format!(
                "[databases]\n* = host={} port={}\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\n\
                 auth_type = plain\nauth_file = {}\npool_mode = transaction\nmax_client_conn = 500\ndefault_pool_size = {connections}\n",
                server.started().display(),
                server.port(),
                users.display(),
            ),
        )
        .during("writing PgBouncer's configuration")?;
        let log = folder.join("log");
        let into = File::create(&log).during("opening PgBouncer's log")?;
        let mut command = Command::new(program);
        command
            .arg("--quiet")
            .arg(&conf)
            .current_dir(&folder)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(into);
        binaries.as_server(&mut command);
        let child = command.spawn().during("starting PgBouncer")?;
        let pooler = Self {
            server: server.clone(),
            port,
            folder,
            child,
        };
        let up = || TcpStream::connect(("127.0.0.1", port)).is_ok();
        if wait_until(Duration::from_secs(20), up) {
            return Ok(pooler);
        }
        Err(Error::new(format!(
            "PgBouncer did not start; the end of its log:\n{}",
            end_of(&log)
        )))
    }

    /// `postgres://…` of a database through the pooler.
    pub fn url(&self, role: &str, database: &Database) -> String {
        self.server.url_at(self.port, role, database.name())
    }

    /// The port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }
}

impl Drop for PgBouncer {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
        drop(fs::remove_dir_all(&self.folder));
    }
}
