//! Two servers that stand in for each other: PostgreSQL under Patroni over etcd, all from Debian's packages.
//!
//! Patroni decides who is the primary by a key in etcd that expires when nobody renews it. With [`Standby::Synchronous`] a commit is
//! answered only when the standby has it too; only such a standby may be promoted, and without one nothing is committed.

use crate::{
    APP, Binaries, Error, OWNER, Result, While,
    cluster::{ROLES, end_of, processes_in, run, secret, signal_to, unlock},
    folder::Folder,
    free_port, random, wait_until,
};
use std::{
    fs::{self, File},
    io::{Read as _, Write as _},
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

/// What docs/postgresql.md tells an operator to write.
const SAMPLE: &str = include_str!("../../../docs/postgresql/patroni.yml");
/// The first start takes this long at most: one `initdb`, one copy.
const START_LIMIT: Duration = Duration::from_secs(120);
/// How long a primary's key lives without being renewed, and how long Patroni tries to renew it. Both are set when all is up, since a first
/// start on a busy machine takes longer. Patroni's own defaults are 30 and 10 seconds, but a campaign has many failovers to make.
const QUICK: &str = "{\"ttl\": 6, \"loop_wait\": 2, \"retry_timeout\": 2}";

/// Whether a commit waits for the standby.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standby {
    /// It does, always: `synchronous_mode` and `synchronous_mode_strict`.
    Synchronous,
    /// It does not: what was committed last is lost with the primary.
    Asynchronous,
}

/// One of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Node {
    /// The first.
    A,
    /// The second.
    B,
}

impl Node {
    /// Both.
    pub const BOTH: [Self; 2] = [Self::A, Self::B];

    /// The one that is not this.
    #[must_use]
    pub fn other(self) -> Self {
        match self {
            Self::A => Self::B,
            Self::B => Self::A,
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::A => "a",
            Self::B => "b",
        }
    }
}

/// Both servers, their Patronis and one etcd; ended and removed when dropped.
#[derive(Debug)]
pub struct Patroni {
    binaries: Binaries,
    password: String,
    places: [Place; 2],
    etcd: Child,
    started: PathBuf,
    // Dropped last: its guardian ends everything.
    _folder: Folder,
}

#[derive(Debug)]
struct Place {
    folder: PathBuf,
    port: u16,
    rest: u16,
    patroni: Option<Child>,
}

/// While it lives, nothing goes over the line from a primary to its standby, and both believe that the line is there: as when a network
/// swallows everything. What was held back is lost with the primary.
#[derive(Debug)]
pub struct Held(Vec<u32>);

impl Drop for Held {
    fn drop(&mut self) {
        for sender in &self.0 {
            // It may have ended with its server.
            drop(signal_to(*sender, "CONT"));
        }
    }
}

impl Patroni {
    /// Starts all of it and waits until the standby follows. `further` are parameters of PostgreSQL, `name: value`.
    pub fn start(standby: Standby, further: &[&str]) -> Result<Self> {
        let binaries = Binaries::find()?;
        let etcd = program("etcd")?;
        program("patroni")?;
        let folder = Folder::own(&binaries)?;
        let started = folder.started();
        let (client, peer) = (free_port()?, free_port()?);
        let place = started.join("etcd");
        make(&binaries, &place)?;
        let mut command = Command::new(etcd);
        command
            .args(["--name", "only", "--data-dir", "data", "--unsafe-no-fsync"])
            .args([
                "--listen-client-urls",
                &http(client),
                "--advertise-client-urls",
                &http(client),
            ])
            .args([
                "--listen-peer-urls",
                &http(peer),
                "--initial-advertise-peer-urls",
                &http(peer),
            ])
            .args(["--initial-cluster", &format!("only={}", http(peer))]);
        let etcd = spawn(&binaries, &mut command, &place)?;
        let mut whole = Self {
            password: format!("{:016x}", random(8)?),
            places: [
                Place::new(&started, Node::A)?,
                Place::new(&started, Node::B)?,
            ],
            binaries,
            etcd,
            started,
            _folder: folder,
        };
        for node in Node::BOTH {
            let place = whole.place(node);
            make(&whole.binaries, &place.folder)?;
            let conf = whole.conf(node, client, standby, further)?;
            let path = place.folder.join("patroni.yml");
            secret(&path, &conf)?;
            whole.binaries.give(&path)?;
        }
        // The first makes the database; the second would do the same if it were quicker.
        whole.bring_back(Node::A)?;
        whole.wait_for_primary(START_LIMIT)?;
        whole.bring_back(Node::B)?;
        whole.wait_for_standby(START_LIMIT)?;
        let roles = whole.started.join("roles.sql");
        fs::write(&roles, ROLES).during("writing the roles")?;
        let mut psql = whole.superuser(Node::A, "postgres");
        run(psql.arg("--file").arg(&roles), "making the roles")?;
        for role in [OWNER, APP] {
            let word = format!("ALTER ROLE {role} PASSWORD '{}'", whole.password);
            whole.sql_on(Node::A, "postgres", &word)?;
        }
        if !whole.place(Node::A).asked("PATCH", "config", QUICK) {
            return Err(Error::new("Patroni did not take its time limits"));
        }
        Ok(whole)
    }

    /// `postgres://…` of the database `ringback`, whoever is the primary: both hosts, and the one that can write is wanted.
    pub fn url(&self, role: &str) -> String {
        let [a, b] = [self.places[0].port, self.places[1].port];
        let password = &self.password;
        format!(
            "postgres://{role}:{password}@127.0.0.1:{a},127.0.0.1:{b}/ringback?target_session_attrs=read-write&connect_timeout=2"
        )
    }

    /// `psql` on the primary as a role.
    pub fn psql(&self, role: &str) -> Command {
        self.binaries.psql(&self.url(role))
    }

    /// Runs SQL on the primary as the superuser.
    pub fn sql(&self, database: &str, sql: &str) -> Result<String> {
        let node = self
            .primary()
            .ok_or_else(|| Error::new("there is no primary now"))?;
        self.sql_on(node, database, sql)
    }

    /// Runs SQL on one of the two as the superuser, whatever Patroni thinks of it.
    pub fn sql_on(&self, node: Node, database: &str, sql: &str) -> Result<String> {
        let mut psql = self.superuser(node, database);
        let said = run(psql.args(["--command", sql]), sql)?;
        Ok(String::from_utf8_lossy(&said.stdout).trim_end().to_owned())
    }

    fn superuser(&self, node: Node, database: &str) -> Command {
        let place = self.place(node);
        let (folder, port) = (place.folder.display(), place.port);
        self.binaries.psql(&format!(
            "host={folder} port={port} user=postgres dbname={database}"
        ))
    }

    /// Who is the primary now, as Patroni sees it.
    pub fn primary(&self) -> Option<Node> {
        Node::BOTH
            .into_iter()
            .find(|node| self.place(*node).says_yes("primary"))
    }

    /// Waits until there is a primary.
    pub fn wait_for_primary(&self, limit: Duration) -> Result<Node> {
        let mut found = None;
        self.wait(limit, || {
            found = self.primary();
            found.is_some()
        });
        found.ok_or_else(|| self.too_late("no primary", limit))
    }

    /// Waits until a standby receives what the primary writes, and counts as synchronous when that was wanted.
    pub fn wait_for_standby(&self, limit: Duration) -> Result<()> {
        let synchronous = self.synchronous();
        let streams = "SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming' AND application_name IN ('a', 'b')";
        if self.wait(limit, || {
            self.sql("postgres", streams)
                .is_ok_and(|count| count == "1")
                && (!synchronous
                    || Node::BOTH
                        .iter()
                        .any(|node| self.place(*node).says_yes("synchronous")))
        }) {
            return Ok(());
        }
        Err(self.too_late("no standby that follows", limit))
    }

    /// Ends one machine as a power cut would: Patroni and every process of its PostgreSQL, at once.
    pub fn kill(&mut self, node: Node) -> Result<()> {
        let place = self.place_mut(node);
        if let Some(mut patroni) = place.patroni.take() {
            patroni.kill().during("killing Patroni")?;
            patroni.wait().during("killing Patroni")?;
        }
        let data = place.data();
        let lock = fs::read_to_string(data.join("postmaster.pid")).unwrap_or_default();
        let Some(postmaster) = lock.lines().next().and_then(|line| line.parse().ok()) else {
            return Ok(());
        };
        for process in processes_in(&data) {
            // It may have ended by itself meanwhile, which is what is wanted.
            drop(signal_to(process, "KILL"));
        }
        wait_until(Duration::from_secs(20), || processes_in(&data).is_empty());
        unlock(postmaster, &data)
    }

    /// Starts a machine's Patroni, which makes its PostgreSQL a standby again, rewinding it when it knows what the new primary does not.
    pub fn bring_back(&mut self, node: Node) -> Result<()> {
        let mut command = Command::new(program("patroni")?);
        command.arg("patroni.yml").env("LC_ALL", "C.UTF-8");
        let child = spawn(&self.binaries, &mut command, &self.place(node).folder)?;
        self.place_mut(node).patroni = Some(child);
        Ok(())
    }

    /// Holds the line from a primary to its standby.
    pub fn hold_line(&self, primary: Node) -> Result<Held> {
        let sends = |process: &u32| {
            fs::read(format!("/proc/{process}/cmdline"))
                .is_ok_and(|line| String::from_utf8_lossy(&line).contains("walsender"))
        };
        let senders: Vec<_> = processes_in(&self.place(primary).data())
            .into_iter()
            .filter(sends)
            .collect();
        if senders.is_empty() {
            return Err(Error::new("the primary sends nothing to any standby"));
        }
        let held = Held(senders);
        for sender in &held.0 {
            signal_to(*sender, "STOP")?;
        }
        Ok(held)
    }

    /// How often both Patronis together have written `text` into their logs.
    pub fn said(&self, text: &str) -> usize {
        let logs = self.places.iter().map(|place| place.folder.join("log"));
        logs.map(|log| fs::read(log).unwrap_or_default())
            .map(|log| String::from_utf8_lossy(&log).matches(text).count())
            .sum()
    }

    fn synchronous(&self) -> bool {
        let conf = fs::read_to_string(self.places[0].folder.join("patroni.yml"));
        conf.is_ok_and(|conf| conf.contains("synchronous_mode: true"))
    }

    /// An error at once when a Patroni has given up, instead of after a long wait.
    fn gave_up(&self) -> bool {
        self.said("PatroniFatalException") > 0
    }

    /// Waits until so many seconds have gone by or `so` says yes; Patroni is not asked more often than is good for it.
    fn wait(&self, limit: Duration, mut so: impl FnMut() -> bool) -> bool {
        wait_until(limit, || {
            thread::sleep(Duration::from_millis(50));
            so() || self.gave_up()
        }) && !self.gave_up()
    }

    fn too_late(&self, what: &str, limit: Duration) -> Error {
        let mut said = format!("{what} within {limit:?}");
        for node in Node::BOTH {
            let place = self.place(node);
            let (name, end) = (node.name(), end_of(&place.folder.join("log")));
            said += &format!("\nthe end of the log of {name}:\n{end}");
        }
        said += &format!("\netcd:\n{}", end_of(&self.started.join("etcd/log")));
        Error::new(said)
    }

    fn place(&self, node: Node) -> &Place {
        &self.places[node as usize]
    }

    fn place_mut(&mut self, node: Node) -> &mut Place {
        &mut self.places[node as usize]
    }

    /// The file of docs/postgresql.md with this machine's addresses, so that what a reader copies is what the campaign has tried.
    fn conf(&self, node: Node, etcd: u16, standby: Standby, further: &[&str]) -> Result<String> {
        let place = self.place(node);
        let (bin, folder) = (self.binaries.folder().display(), place.folder.display());
        let parameters: String = ["max_connections: 200", "dynamic_shared_memory_type: mmap"]
            .iter()
            .chain(further)
            .map(|line| format!("{line}\n        "))
            .collect();
        let mut changes = vec![
            ("name: db-a", format!("name: {}", node.name())),
            (
                "hosts: 10.0.0.11:2379,10.0.0.12:2379,10.0.0.21:2379",
                format!("hosts: 127.0.0.1:{etcd}"),
            ),
            ("10.0.0.11:8008", format!("127.0.0.1:{}", place.rest)),
            ("10.0.0.11:5432", format!("127.0.0.1:{}", place.port)),
            ("10.0.0.0/24", "127.0.0.1/32".to_owned()),
            ("hostssl", "host".to_owned()),
            ("postgres peer", "postgres trust".to_owned()),
            ("ssl: 'on'", "ssl: 'off'".to_owned()),
            ("/usr/lib/postgresql/15/bin", bin.to_string()),
            ("/var/lib/postgresql/15/ringback", format!("{folder}/data")),
            (
                "/var/lib/postgresql/patroni.pgpass",
                format!("{folder}/pgpass"),
            ),
            ("/var/run/postgresql", folder.to_string()),
            ("first long secret", self.password.clone()),
            ("second long secret", self.password.clone()),
            ("max_connections: 200", parameters.trim_end().to_owned()),
            ("shared_buffers: 2GB", "shared_buffers: 64MB".to_owned()),
            ("loop_wait: 10", "loop_wait: 2".to_owned()),
        ];
        if standby == Standby::Asynchronous {
            changes.push((
                "synchronous_mode: true",
                "synchronous_mode: false".to_owned(),
            ));
            changes.push((
                "synchronous_mode_strict: true",
                "synchronous_mode_strict: false".to_owned(),
            ));
        }
        let mut conf = SAMPLE.to_owned();
        for (from, to) in changes {
            if !conf.contains(from) {
                return Err(Error::new(format!(
                    "docs/postgresql/patroni.yml says no more: {from}"
                )));
            }
            conf = conf.replace(from, &to);
        }
        Ok(conf)
    }
}

impl Place {
    fn new(started: &Path, node: Node) -> Result<Self> {
        Ok(Self {
            folder: started.join(node.name()),
            port: free_port()?,
            rest: free_port()?,
            patroni: None,
        })
    }

    fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    /// Asks Patroni whether its server is in a role.
    fn says_yes(&self, role: &str) -> bool {
        self.asked("GET", role, "")
    }

    /// A request to Patroni; true when it is answered 200.
    fn asked(&self, method: &str, path: &str, body: &str) -> bool {
        let ask = || -> std::io::Result<bool> {
            let mut line = TcpStream::connect(("127.0.0.1", self.rest))?;
            line.set_read_timeout(Some(Duration::from_secs(5)))?;
            let length = body.len();
            write!(
                line,
                "{method} /{path} HTTP/1.0\r\ncontent-length: {length}\r\n\r\n{body}"
            )?;
            // To the end: Patroni fills its log with complaints when nobody listens to all it says.
            let mut answer = Vec::new();
            line.read_to_end(&mut answer)?;
            Ok(answer.get(8..12) == Some(b" 200"))
        };
        ask().unwrap_or(false)
    }
}

impl Drop for Patroni {
    fn drop(&mut self) {
        // The guardian ends the rest; these are our children, and somebody has to wait for them.
        for child in self
            .places
            .iter_mut()
            .filter_map(|place| place.patroni.as_mut())
            .chain([&mut self.etcd])
        {
            drop(child.kill());
            drop(child.wait());
        }
    }
}

fn http(port: u16) -> String {
    format!("http://127.0.0.1:{port}")
}

fn program(name: &str) -> Result<PathBuf> {
    ["/usr/bin", "/usr/local/bin"]
        .iter()
        .map(|folder| Path::new(folder).join(name))
        .find(|path| path.is_file())
        .ok_or_else(|| {
            Error::new(format!(
                "{name} is not installed. Run `tests/install campaigns`, which gets it"
            ))
        })
}

fn make(binaries: &Binaries, folder: &Path) -> Result<()> {
    fs::create_dir(folder).during(format_args!("making {}", folder.display()))?;
    binaries.give(folder)
}

fn spawn(binaries: &Binaries, command: &mut Command, folder: &Path) -> Result<Child> {
    let trying = format!("starting {}", command.get_program().to_string_lossy());
    let log = File::options()
        .create(true)
        .append(true)
        .open(folder.join("log"))
        .during(&trying)?;
    let also = log.try_clone().during(&trying)?;
    command
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(log)
        .stderr(also);
    binaries.as_server(command);
    command.spawn().during(&trying)
}
