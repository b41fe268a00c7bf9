//! Servers: one for all tests, or one of one's own that is stopped and started at will.

use crate::{Binaries, Error, Result, While, folder::Folder, free_port, random, wait_until};
use std::{
    ffi::OsStr,
    fmt::Write as _,
    fs,
    ops::Deref,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    sync::Arc,
    time::Duration,
};

/// The role that owns every database and may change its schema.
pub const OWNER: &str = "ringback_owner";
/// The role of a running server: it owns nothing, and row security holds for it.
pub const APP: &str = "ringback_app";
/// The role that reads everything for a backup.
pub const BACKUP: &str = "ringback_backup";
/// The roles as docs/postgresql.md tells an operator to make them.
pub(crate) const ROLES: &str = include_str!("../../../docs/postgresql/roles.sql");
/// The superuser, for the tests' own look at things.
const SUPERUSER: &str = "postgres";
const START_LIMIT: Duration = Duration::from_secs(60);

/// Whether what was committed survives a power cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Durability {
    /// As in a real house: every commit waits for the disk.
    Fsync,
    /// Nothing waits for the disk. For tests; a restart after a crash of the server alone loses nothing, a power cut everything.
    None,
}

/// How a server is set up.
#[derive(Debug, Clone, Hash)]
pub struct Settings {
    /// Whether commits wait for the disk.
    pub durability: Durability,
    /// Further lines of `postgresql.conf`, `name = value`.
    pub further: Vec<String>,
}

impl Settings {
    /// For tests.
    pub fn fast() -> Self {
        Self {
            durability: Durability::None,
            further: Vec::new(),
        }
    }

    /// For campaigns that count what was lost, and for measurements.
    pub fn durable() -> Self {
        Self {
            durability: Durability::Fsync,
            further: Vec::new(),
        }
    }

    /// The same with one more line of `postgresql.conf`.
    #[must_use]
    pub fn with(mut self, line: impl Into<String>) -> Self {
        self.further.push(line.into());
        self
    }

    fn conf(&self, started: &Path) -> String {
        let mut conf = format!(
            "listen_addresses = '127.0.0.1'\nunix_socket_directories = '{}'\nmax_connections = 200\nshared_buffers = 64MB\n\
             dynamic_shared_memory_type = mmap\ntimezone = 'UTC'\nlog_line_prefix = '%m [%p] %q%u@%d '\n",
            started.display()
        );
        if self.durability == Durability::None {
            conf.push_str(
                "fsync = off\nfull_page_writes = off\nwal_level = minimal\nmax_wal_senders = 0\nmax_wal_size = 4GB\n",
            );
        }
        for line in &self.further {
            conf.push_str(line);
            conf.push('\n');
        }
        conf
    }
}

/// How a server is stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// Connections are closed, what is under way is rolled back, everything is written (SIGINT).
    Fast,
    /// All processes end at once, and the next start recovers from the log (SIGQUIT).
    Immediate,
    /// SIGKILL for the postmaster; its children notice that it is gone.
    Kill,
}

/// A running server as its users see it. A copy of it keeps a shared server alive.
#[derive(Debug, Clone)]
pub struct Server {
    binaries: Binaries,
    started: PathBuf,
    port: u16,
    password: String,
    // Held by users of the shared server alone: the owner of a cluster ends it whoever still has a copy.
    _held: Option<Arc<Folder>>,
}

/// A server of one's own, ended and removed when dropped.
#[derive(Debug)]
pub struct Cluster {
    server: Server,
    // Dropped last: its guardian ends the server.
    _folder: Folder,
}

/// The server that all tests of a run share. It is started by the first user, and ended some seconds after the last one has gone.
pub fn shared() -> Result<Server> {
    let binaries = Binaries::find()?;
    let settings = Settings::fast();
    let kind = format!("{settings:?} {SHARED} {ROLES}");
    let (folder, server) = Folder::shared(&binaries, &kind, |started| {
        match Server::found(&binaries, started) {
            Some(server) => Ok(server),
            None => {
                empty(started)?;
                Server::start(&binaries, started, &settings)
            }
        }
    })?;
    Ok(Server {
        _held: Some(Arc::new(folder)),
        ..server
    })
}

/// Part of the name of the shared folder: another number when a server of an older version of this file must not be taken up.
const SHARED: u32 = 1;

impl Cluster {
    /// Starts a server of one's own.
    pub fn start(settings: &Settings) -> Result<Self> {
        let binaries = Binaries::find()?;
        let folder = Folder::own(&binaries)?;
        let server = Server::start(&binaries, &folder.started(), settings)?;
        Ok(Self {
            server,
            _folder: folder,
        })
    }

    /// Stops the server and waits until its last process is gone. Answers without harm when it does not run.
    pub fn stop(&self, how: Stop) -> Result<()> {
        let server = &self.server;
        let Some(postmaster) = server.postmaster() else {
            return Ok(());
        };
        let signal = match how {
            Stop::Fast => "INT",
            Stop::Immediate => "QUIT",
            Stop::Kill => "KILL",
        };
        signal_to(postmaster, signal)?;
        let data = server.data();
        if wait_until(START_LIMIT, || processes_in(&data).is_empty()) {
            return unlock(postmaster, &data);
        }
        Err(Error::new(format!(
            "the server did not end within {START_LIMIT:?} after SIG{signal}; the end of its log:\n{}",
            server.end_of_log()
        )))
    }

    /// Starts the server again on the same port and waits until it takes connections.
    pub fn resume(&self) -> Result<()> {
        self.server.launch()
    }

    /// [`Self::stop`], then [`Self::resume`].
    pub fn restart(&self, how: Stop) -> Result<()> {
        self.stop(how)?;
        self.resume()
    }

    /// Adds lines to `postgresql.conf`; they hold from the next start, or from [`Self::reload`] where the setting allows it.
    pub fn configure(&self, lines: &str) -> Result<()> {
        let path = self.server.data().join("postgresql.conf");
        let conf = fs::read_to_string(&path).during("reading postgresql.conf")?;
        fs::write(&path, format!("{conf}\n{lines}\n")).during("writing postgresql.conf")
    }

    /// Lets the server read its configuration anew.
    pub fn reload(&self) -> Result<()> {
        self.server
            .sql("postgres", "SELECT pg_reload_conf()")
            .map(drop)
    }
}

impl Deref for Cluster {
    type Target = Server;
    fn deref(&self) -> &Server {
        &self.server
    }
}

impl Server {
    /// What an earlier user has started, if it still runs.
    fn found(binaries: &Binaries, started: &Path) -> Option<Self> {
        let state = fs::read_to_string(started.join("state")).ok()?;
        let (port, password) = state.trim().split_once(' ')?;
        let server = Self {
            binaries: binaries.clone(),
            started: started.to_owned(),
            port: port.parse().ok()?,
            password: password.to_owned(),
            _held: None,
        };
        server.postmaster().map(|_| server)
    }

    fn start(binaries: &Binaries, started: &Path, settings: &Settings) -> Result<Self> {
        let password = format!("{:016x}", random(8)?);
        let mut server = Self {
            binaries: binaries.clone(),
            started: started.to_owned(),
            port: 0,
            password,
            _held: None,
        };
        server.init(settings)?;
        // Between the choice of a port and its use another process may take it.
        let mut tries = 0;
        loop {
            server.port = free_port()?;
            match server.launch() {
                Err(why) if tries < 5 && why.to_string().contains("could not bind") => tries += 1,
                launched => break launched?,
            }
        }
        let roles = started.join("roles.sql");
        fs::write(&roles, ROLES).during("writing the roles")?;
        let mut psql = server.psql("postgres");
        run(psql.arg("--file").arg(&roles), "making the roles")?;
        for role in [OWNER, APP, BACKUP] {
            let word = format!("ALTER ROLE {role} PASSWORD '{}'", server.password);
            server.sql("postgres", &word)?;
        }
        let state = started.join("state");
        secret(&state, &format!("{} {}\n", server.port, server.password))?;
        Ok(server)
    }

    fn init(&self, settings: &Settings) -> Result<()> {
        let word = self.started.join("word");
        secret(&word, &self.password)?;
        self.binaries.give(&word)?;
        let mut initdb = self.binaries.server("initdb");
        initdb
            .current_dir(&self.started)
            .args(["--username", SUPERUSER, "--encoding", "UTF8"])
            .args([
                "--locale",
                "C.UTF-8",
                "--locale-provider",
                "icu",
                "--icu-locale",
                "en",
            ])
            .args([
                "--auth-local",
                "trust",
                "--auth-host",
                "password",
                "--no-sync",
            ])
            .arg("--pwfile")
            .arg(&word)
            .arg("--pgdata")
            .arg(self.data());
        run(&mut initdb, "initdb")?;
        let conf = self.data().join("postgresql.conf");
        let sample = fs::read_to_string(&conf).during("reading postgresql.conf")?;
        fs::write(&conf, sample + &settings.conf(&self.started)).during("writing postgresql.conf")
    }

    fn launch(&self) -> Result<()> {
        let mut start = self.binaries.server("pg_ctl");
        start
            .current_dir(self.data())
            .args(["start", "--wait", "--silent", "--timeout"])
            .arg(START_LIMIT.as_secs().to_string())
            .arg("--pgdata")
            .arg(self.data())
            .arg("--log")
            .arg(self.log())
            .arg("--options")
            .arg(format!("-p {}", self.port))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        // Its children would hold a pipe open for as long as the server runs, so what it says is read from the log.
        let ended = start.status().during("running pg_ctl start")?;
        if ended.success() {
            return Ok(());
        }
        Err(Error::new(format!(
            "the server did not start; the end of its log:\n{}",
            self.end_of_log()
        )))
    }

    /// Runs SQL as the superuser, all of it in one transaction when there are several statements; answers the rows, columns divided by `|`.
    pub fn sql(&self, database: &str, sql: &str) -> Result<String> {
        let mut psql = self.psql(database);
        psql.args(["--command", sql]);
        let said = run(&mut psql, sql)?;
        Ok(String::from_utf8_lossy(&said.stdout).trim_end().to_owned())
    }

    /// `psql` as the superuser, over the socket.
    pub fn psql(&self, database: &str) -> Command {
        self.binaries.psql(&self.superuser_url(database))
    }

    /// `postgres://…` of a database over TCP, for [`OWNER`], [`APP`] or another role that a test has made with [`Self::password`].
    pub fn url(&self, role: &str, database: &str) -> String {
        self.url_at(self.port, role, database)
    }

    pub(crate) fn url_at(&self, port: u16, role: &str, database: &str) -> String {
        let password = &self.password;
        format!("postgres://{role}:{password}@127.0.0.1:{port}/{database}")
    }

    /// The same as the superuser, over the socket.
    pub fn superuser_url(&self, database: &str) -> String {
        let mut host = String::new();
        for byte in self.started.as_os_str().as_encoded_bytes() {
            match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => {
                    host.push(char::from(*byte));
                }
                other => drop(write!(host, "%{other:02X}")),
            }
        }
        let port = self.port;
        format!("postgres://{SUPERUSER}@{host}:{port}/{database}")
    }

    /// The password of the roles here.
    pub fn password(&self) -> &str {
        &self.password
    }

    /// The port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The programs that it runs by.
    pub fn binaries(&self) -> &Binaries {
        &self.binaries
    }

    /// The process of the postmaster, while it runs.
    pub fn postmaster(&self) -> Option<u32> {
        let text = fs::read_to_string(self.data().join("postmaster.pid")).ok()?;
        let process = text.lines().next()?.parse().ok()?;
        // The number may be another process's by now.
        works_in(process, &self.data()).then_some(process)
    }

    /// The last lines of the server's log.
    pub fn end_of_log(&self) -> String {
        end_of(&self.log())
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.started.join("data")
    }

    /// The folder of everything, which the user of servers can write to.
    pub(crate) fn started(&self) -> &Path {
        &self.started
    }

    fn log(&self) -> PathBuf {
        self.started.join("log")
    }
}

/// A killed postmaster leaves its lock file, and as long as the process table remembers it, PostgreSQL takes it for alive. In a container
/// where nobody collects the dead that is for ever, so then the file is removed.
pub(crate) fn unlock(postmaster: u32, data: &Path) -> Result<()> {
    let lock = data.join("postmaster.pid");
    let free = || !lock.exists() || !Path::new(&format!("/proc/{postmaster}")).exists();
    if wait_until(Duration::from_secs(5), free) {
        return Ok(());
    }
    fs::remove_file(&lock).during("removing the lock file of a killed server")
}

/// The last lines of a file.
pub(crate) fn end_of(log: &Path) -> String {
    let text = fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<_> = text.lines().collect();
    lines[lines.len().saturating_sub(60)..].join("\n")
}

pub(crate) fn secret(path: &Path, text: &str) -> Result<()> {
    use std::io::Write as _;
    fs::OpenOptions::new()
        .create(true)
        .truncate(true)
        .write(true)
        .mode(0o600)
        .open(path)
        .and_then(|mut file| file.write_all(text.as_bytes()))
        .during(format_args!("writing {}", path.display()))
}

fn empty(folder: &Path) -> Result<()> {
    for entry in fs::read_dir(folder).during("emptying the server's folder")? {
        let path = entry.during("emptying the server's folder")?.path();
        let gone = if path.is_dir() {
            fs::remove_dir_all(&path)
        } else {
            fs::remove_file(&path)
        };
        gone.during(format_args!("removing {}", path.display()))?;
    }
    Ok(())
}

/// Runs a program to its end; an error with what it said when it failed.
pub(crate) fn run(command: &mut Command, what: &str) -> Result<Output> {
    let program = command.get_program().to_string_lossy().into_owned();
    let done = command
        .stdin(Stdio::null())
        .output()
        .during(format_args!("running {program}"))?;
    if done.status.success() {
        return Ok(done);
    }
    let said = String::from_utf8_lossy(&done.stderr);
    Err(Error::new(format!("{what} failed: {}", said.trim_end())))
}

pub(crate) fn signal_to(process: u32, name: &str) -> Result<()> {
    run(
        Command::new("kill").args([format!("-{name}"), process.to_string()]),
        &format!("sending SIG{name} to process {process}"),
    )
    .map(drop)
}

fn works_in(process: u32, folder: &Path) -> bool {
    fs::read_link(format!("/proc/{process}/cwd")).is_ok_and(|cwd| cwd == folder)
}

/// The processes whose working directory is `folder`.
pub(crate) fn processes_in(folder: &Path) -> Vec<u32> {
    let all = fs::read_dir("/proc").into_iter().flatten().flatten();
    all.filter_map(|entry| OsStr::to_str(&entry.file_name())?.parse().ok())
        .filter(|process| works_in(*process, folder))
        .collect()
}
