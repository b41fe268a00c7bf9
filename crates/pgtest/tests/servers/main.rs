//! The servers themselves: they are real, they are shared, they come back, and they do not stay behind.

#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "processes are waited for in real time; helpers of tests may fail as tests do"
)]

use ringback_pgtest::{
    Cluster, PgBouncer, ReadyTemplate, Server, Settings, Stop, Template, shared,
};
use std::{
    fs,
    io::{BufRead as _, BufReader, Write as _},
    net::TcpStream,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

#[test]
fn every_test_has_a_database_of_its_own() {
    let server = shared().unwrap();
    let (one, other) = (server.database().unwrap(), server.database().unwrap());
    one.sql("CREATE TABLE t (n BIGINT)").unwrap();
    assert_eq!(one.sql("SELECT count(*) FROM t").unwrap(), "0");
    assert!(other.sql("SELECT count(*) FROM t").is_err());
    let name = one.name().to_owned();
    drop(one);
    let left = format!("SELECT count(*) FROM pg_database WHERE datname = '{name}'");
    assert_eq!(other.sql(&left).unwrap(), "0");
}

/// X4: the application may read and write what the owner grants, and nothing else is open to it.
#[test]
fn the_application_owns_nothing() {
    let database = shared().unwrap().database().unwrap();
    let psql = |url: &str, sql: &str| {
        let mut psql = database.server().binaries().psql(url);
        let done = psql.args(["--command", sql]).output().unwrap();
        String::from_utf8(if done.status.success() {
            done.stdout
        } else {
            done.stderr
        })
        .unwrap()
    };
    let (owner, app) = (database.owner_url(), database.app_url());
    assert_eq!(psql(&owner, "CREATE TABLE t (n BIGINT)"), "");
    assert!(psql(&app, "SELECT * FROM t").contains("permission denied"));
    assert!(psql(&app, "CREATE TABLE u (n BIGINT)").contains("permission denied"));
    let powers = "SELECT rolsuper OR rolbypassrls OR rolcreatedb OR rolcreaterole FROM pg_roles WHERE rolname = current_user";
    assert_eq!(psql(&app, powers).trim(), "f");
}

/// X4, and docs/postgresql.md: the backup's role reads behind the second wall, the owner does not, and what was read can be restored.
#[test]
fn a_backup_reads_the_rows_of_all_tenants() {
    let database = shared().unwrap().database().unwrap();
    let owner = database.owner_url();
    let program = |name: &str| Command::new(database.server().binaries().folder().join(name));
    let schema = "CREATE TABLE t (tenant_id BIGINT); INSERT INTO t VALUES (1), (2); ALTER TABLE t ENABLE ROW LEVEL SECURITY;
        ALTER TABLE t FORCE ROW LEVEL SECURITY; CREATE POLICY wall ON t USING (tenant_id::TEXT = current_setting('ringback.tenants', true))";
    let mut psql = database.server().binaries().psql(&owner);
    assert!(psql.args(["--command", schema]).status().unwrap().success());

    let dump = |role: &str| {
        let mut dump = program("pg_dump");
        dump.args(["--format=custom", &database.url(role)])
            .output()
            .unwrap()
    };
    let refused = dump(ringback_pgtest::OWNER);
    let why = String::from_utf8(refused.stderr).unwrap();
    assert!(
        !refused.status.success() && why.contains("row-level security"),
        "{why}"
    );

    let dumped = dump(ringback_pgtest::BACKUP);
    assert!(
        dumped.status.success(),
        "{:?}",
        String::from_utf8(dumped.stderr)
    );
    let scratch = database.server().database().unwrap();
    let to = database.server().superuser_url(scratch.name());
    let mut restore = program("pg_restore")
        .args(["--no-owner", "--exit-on-error", "--dbname", &to])
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    restore
        .stdin
        .take()
        .unwrap()
        .write_all(&dumped.stdout)
        .unwrap();
    assert!(restore.wait().unwrap().success());
    assert_eq!(scratch.sql("SELECT count(*) FROM t").unwrap(), "2");
}

fn prepared(server: &Server, content: &str, built: &mut bool) -> ReadyTemplate {
    match server.template(content).unwrap() {
        Template::Ready(ready) => ready,
        Template::New(new) => {
            *built = true;
            new.database()
                .sql("CREATE TABLE t AS SELECT 7 AS n")
                .unwrap();
            new.finish().unwrap()
        }
    }
}

#[test]
fn a_template_is_prepared_once_and_copied() {
    let server = shared().unwrap();
    let content = format!("test of templates {}", std::process::id());
    let (mut first, mut second) = (false, false);
    let one = prepared(&server, &content, &mut first).database().unwrap();
    let other = prepared(&server, &content, &mut second).database().unwrap();
    assert!(first && !second, "prepared by the first alone");
    one.sql("UPDATE t SET n = 8").unwrap();
    assert_eq!(one.sql("SELECT n FROM t").unwrap(), "8");
    assert_eq!(other.sql("SELECT n FROM t").unwrap(), "7");
}

/// What failed while a template was prepared must not become the template.
#[test]
fn a_template_that_was_not_finished_is_prepared_anew() {
    let server = shared().unwrap();
    let content = format!("test of unfinished templates {}", std::process::id());
    match server.template(&content).unwrap() {
        Template::Ready(_) => panic!("nobody has prepared it"),
        Template::New(new) => drop(new),
    }
    assert!(matches!(
        server.template(&content).unwrap(),
        Template::New(_)
    ));
}

/// Text is ordered as in a real house, so that whoever relies on bytes is found out here.
#[test]
fn text_is_ordered_as_people_do() {
    let database = shared().unwrap().database().unwrap();
    assert_eq!(
        database
            .sql("SELECT 'a' < 'B', 'a' < 'B' COLLATE \"C\"")
            .unwrap(),
        "t|f"
    );
}

#[test]
fn committed_rows_survive_every_kind_of_stop() {
    let cluster = Cluster::start(&Settings::fast()).unwrap();
    let database = cluster.database().unwrap();
    database.sql("CREATE TABLE t (n BIGINT)").unwrap();
    let port = cluster.port();
    for (n, how) in [Stop::Fast, Stop::Immediate, Stop::Kill]
        .into_iter()
        .enumerate()
    {
        database
            .sql(&format!("INSERT INTO t VALUES ({n})"))
            .unwrap();
        cluster.stop(how).unwrap();
        assert!(cluster.postmaster().is_none(), "{how:?}");
        assert!(TcpStream::connect(("127.0.0.1", port)).is_err(), "{how:?}");
        cluster.resume().unwrap();
        let rows = database.sql("SELECT count(*) FROM t").unwrap();
        assert_eq!(rows, (n + 1).to_string(), "{how:?}");
    }
    let recovered = fs::read_to_string(log_of(&cluster)).unwrap();
    let recoveries = recovered.matches("automatic recovery in progress").count();
    assert_eq!(
        recoveries, 2,
        "immediate and kill need recovery, fast does not"
    );
}

fn log_of(server: &Server) -> PathBuf {
    let data = server.sql("postgres", "SHOW data_directory").unwrap();
    Path::new(&data).parent().unwrap().join("log")
}

/// A client that is connected and idle holds no connection to the server, so the next one gets it.
#[test]
fn the_pooler_lends_a_connection_for_a_transaction() {
    let cluster = shared().unwrap();
    let database = cluster.database().unwrap();
    let pooler = PgBouncer::start(&cluster, 1).unwrap();
    let url = pooler.url(ringback_pgtest::APP, &database);
    let mut first = Session::open(cluster.binaries().psql(&url));
    let mut second = Session::open(cluster.binaries().psql(&url));
    let backend = "SELECT pg_backend_pid();";
    assert_eq!(first.ask(backend), second.ask(backend));
    let direct = Session::open(cluster.binaries().psql(&database.app_url())).ask(backend);
    assert_ne!(first.ask(backend), direct);
}

/// A `psql` that stays connected.
struct Session {
    child: Child,
    lines: std::io::Lines<BufReader<std::process::ChildStdout>>,
}

impl Session {
    fn open(mut psql: Command) -> Self {
        let mut child = psql
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines }
    }

    fn ask(&mut self, sql: &str) -> String {
        let stdin = self.child.stdin.as_mut().unwrap();
        writeln!(stdin, "{sql}").unwrap();
        self.lines.next().unwrap().unwrap()
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        drop(self.child.wait());
    }
}

/// A temporary folder for programs of another process.
struct Place(PathBuf);

impl Place {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("rb-{name}-{}", std::process::id()));
        fs::create_dir(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        Self(path)
    }

    fn folders(&self) -> Vec<PathBuf> {
        fs::read_dir(&self.0)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect()
    }

    /// Another process with a server, and the port of that.
    fn run(&self, args: &[&str]) -> (Child, u16) {
        let mut child = Command::new(env!("CARGO_BIN_EXE_ringback-pgtest"))
            .args(args)
            .env("TMPDIR", &self.0)
            .env("RINGBACK_PG_GRACE_SECONDS", "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut url = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut url)
            .unwrap();
        let port = url.rsplit_once(':').unwrap().1.split_once('/').unwrap().0;
        (child, port.parse().unwrap())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.0));
    }
}

fn soon(what: &str, mut so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !so() {
        assert!(begun.elapsed() < Duration::from_secs(180), "{what}");
        thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn a_server_does_not_outlive_a_test_that_is_killed() {
    let place = Place::new("killed");
    let (mut child, port) = place.run(&[]);
    assert!(TcpStream::connect(("127.0.0.1", port)).is_ok());
    child.kill().unwrap();
    child.wait().unwrap();
    soon("the folder stayed behind", || place.folders().is_empty());
    assert!(TcpStream::connect(("127.0.0.1", port)).is_err());
}

#[test]
fn processes_share_one_server_which_ends_after_the_last() {
    let place = Place::new("shared");
    let (mut one, port) = place.run(&["--shared"]);
    let (mut other, same) = place.run(&["--shared"]);
    assert_eq!(port, same);
    one.kill().unwrap();
    one.wait().unwrap();
    let (mut third, same) = place.run(&["--shared"]);
    assert_eq!(port, same);
    for child in [&mut other, &mut third] {
        child.kill().unwrap();
        child.wait().unwrap();
    }
    soon("the server stayed behind", || {
        TcpStream::connect(("127.0.0.1", port)).is_err()
    });
    // Whoever comes later begins anew.
    let (mut fourth, port) = place.run(&["--shared"]);
    assert!(TcpStream::connect(("127.0.0.1", port)).is_ok());
    drop(fourth.stdin.take());
    assert!(fourth.wait().unwrap().success());
    soon("the server's files stayed behind", || {
        !place.folders()[0].join("started").exists()
    });
}
