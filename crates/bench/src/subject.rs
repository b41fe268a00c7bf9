//! The server under test: the real binary, a data folder of its own, a tenant, two connections that lead to the sink.

use crate::{
    crash::records::Source,
    fault::{Fault, Tried, While, fault},
    sink::Sink,
    wire,
};
use serde::Deserialize;
use serde_json::{Value, json};
use std::{
    fs,
    io::{BufRead, BufReader},
    net::{SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

/// How long a server may take from its start to its first line.
const START_LIMIT: Duration = Duration::from_secs(60);
/// How long a stop may take (P9 says 30 seconds; the harness waits a little longer and says so).
const STOP_LIMIT: Duration = Duration::from_secs(35);

/// A tenant with its keys, as `ringback tenant create --json` prints it.
#[derive(Debug, Clone, Deserialize)]
pub struct Tenant {
    /// The tenant's public id.
    pub tenant: String,
    /// A secret API key.
    pub api_key: String,
    /// The public key of the tracking API.
    pub write_key: String,
}

/// A server and its data.
pub struct Subject {
    binary: PathBuf,
    folder: PathBuf,
    addr: SocketAddr,
    environment: Vec<(String, String)>,
    elsewhere: Option<Elsewhere>,
    child: Option<Child>,
}

/// A database of PostgreSQL instead of the file in the data folder.
#[derive(Debug, Clone)]
pub struct Elsewhere {
    /// `postgres://…` as the application.
    pub serves: String,
    /// `postgres://…` as the owner.
    pub owner: String,
    /// The same as the harness looks at it.
    pub source: Source,
}

impl Subject {
    /// Makes folder and configuration; starts nothing yet. The port stays the same over restarts.
    pub fn new(binary: &Path, folder: &Path) -> Tried<Self> {
        if !binary.is_file() {
            return Err(fault!(
                "there is no server at {}; build it first or name it with --binary",
                binary.display()
            ));
        }
        fs::create_dir_all(folder).during("making the data folder")?;
        let free = TcpListener::bind("127.0.0.1:0").during("finding a free port")?;
        let addr = free.local_addr().during("finding a free port")?;
        let subject = Self {
            binary: fs::canonicalize(binary).during("finding the server")?,
            folder: folder.to_owned(),
            addr,
            environment: Vec::new(),
            elsewhere: None,
            child: None,
        };
        fs::write(subject.config(), CONFIG).during("writing the configuration")?;
        Ok(subject)
    }

    /// Adds lines to the end of the configuration, which is the section `[limits]`.
    pub fn limit(&self, line: &str) -> Tried<()> {
        let text = fs::read_to_string(self.config()).during("reading the configuration")?;
        fs::write(self.config(), format!("{text}{line}\n")).during("writing the configuration")
    }

    /// Starts the server from now on with this variable set.
    pub fn set(&mut self, name: &str, value: &str) {
        self.environment.push((name.to_owned(), value.to_owned()));
    }

    /// Hands the server to another thread; what stays behind is the same place without a process.
    pub fn lend(&mut self) -> Self {
        let shell = Self {
            binary: self.binary.clone(),
            folder: self.folder.clone(),
            addr: self.addr,
            environment: self.environment.clone(),
            elsewhere: self.elsewhere.clone(),
            child: None,
        };
        std::mem::replace(self, shell)
    }

    /// Keeps everything in a database elsewhere from now on.
    pub fn keep_in(&mut self, elsewhere: Elsewhere) {
        self.elsewhere = Some(elsewhere);
    }

    fn database_args(&self) -> Vec<&str> {
        match &self.elsewhere {
            None => Vec::new(),
            Some(it) => vec!["--database", &it.serves, "--database-owner", &it.owner],
        }
    }

    /// Where the harness reads what the server knows.
    pub fn records(&self) -> Tried<Source> {
        match &self.elsewhere {
            None => self.database().map(Source::File),
            Some(it) => Ok(it.source.clone()),
        }
    }

    /// Where the server listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The folder given to `--data`.
    pub fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    /// The server's configuration.
    pub fn config(&self) -> PathBuf {
        self.folder.join("ringback.toml")
    }

    /// The database: the one SQLite file in the data folder that has a table of leads.
    pub fn database(&self) -> Tried<PathBuf> {
        let entries = fs::read_dir(self.data()).during("looking into the data folder")?;
        entries
            .flatten()
            .map(|entry| entry.path())
            .find(|path| {
                let kind = path.extension().and_then(|kind| kind.to_str());
                matches!(kind, Some("db" | "sqlite" | "sqlite3"))
            })
            .ok_or_else(|| fault!("no database in {}", self.data().display()))
    }

    /// Creates a tenant by the command line (design: `ringback tenant create`).
    pub fn create_tenant(&self, name: &str, preset: &str) -> Tried<Tenant> {
        let output = Command::new(&self.binary)
            .args([
                "tenant", "create", name, "--preset", preset, "--json", "--data",
            ])
            .arg(self.data())
            .args(self.database_args())
            .output()
            .during("running `ringback tenant create`")?;
        if !output.status.success() {
            return Err(fault!(
                "`ringback tenant create` ended with {}: {}",
                output.status,
                String::from_utf8_lossy(&output.stderr)
            ));
        }
        serde_json::from_slice(&output.stdout)
            .during("reading what `ringback tenant create` printed")
    }

    /// Starts the server and waits until it says that it listens. Answers how long that took.
    pub fn start(&mut self) -> Tried<Duration> {
        let begun = Instant::now();
        let log = fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.log())
            .during("opening the server's log")?;
        let mut child = Command::new(&self.binary)
            .arg("serve")
            .arg("--config")
            .arg(self.config())
            .arg("--data")
            .arg(self.data())
            .arg("--listen")
            .arg(self.addr.to_string())
            .args(self.database_args())
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .during("starting the server")?;
        let stdout = child
            .stdout
            .take()
            .ok_or_else(|| Fault::new("the server has no standard output"))?;
        self.child = Some(child);
        let (said, heard) = mpsc::channel();
        // Reads to the end, so that the server never waits for a full pipe.
        thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                // Nobody hears it a second time; the pipe is read on all the same.
                if line.starts_with("listening on ") && said.send(()).is_err() {
                    continue;
                }
            }
        });
        if heard.recv_timeout(START_LIMIT).is_err() {
            self.kill();
            return Err(fault!(
                "the server did not say `listening on …`; the end of its log:\n{}",
                self.end_of_log()
            ));
        }
        Ok(begun.elapsed())
    }

    /// The server's own command line on its data folder, with everything that is set for the server.
    pub fn command(&self) -> Command {
        let mut command = Command::new(&self.binary);
        command
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .env("RINGBACK_DATA", self.data())
            .stdin(Stdio::null());
        command
    }

    /// Gets JSON and wants a 2xx.
    pub async fn get(&self, key: &str, path: &str) -> Tried<Value> {
        let answer = wire::call(self.addr, "GET", path, Some(key), None)
            .await
            .during(format_args!("GET {path}"))?;
        if !(200..300).contains(&answer.status) {
            let (status, text) = (answer.status, answer.text());
            return Err(fault!("GET {path} was answered {status}: {text}"));
        }
        Ok(answer.json())
    }

    /// The process, while it runs.
    pub fn pid(&self) -> Tried<u32> {
        self.child
            .as_ref()
            .map(Child::id)
            .ok_or_else(|| Fault::new("the server does not run"))
    }

    /// True while the process lives.
    pub fn alive(&mut self) -> bool {
        self.child
            .as_mut()
            .is_some_and(|child| matches!(child.try_wait(), Ok(None)))
    }

    /// Ends the process as a crash would: SIGKILL.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            drop(child.kill());
            drop(child.wait());
        }
    }

    /// Asks the process to stop and waits until it has. Answers how long that took.
    pub fn stop(&mut self) -> Tried<Duration> {
        let begun = Instant::now();
        let pid = self.pid()?;
        Command::new("kill")
            .args(["-TERM", &pid.to_string()])
            .status()
            .during("sending SIGTERM")?;
        while self.alive() {
            if begun.elapsed() > STOP_LIMIT {
                self.kill();
                return Err(fault!("the server did not stop within {STOP_LIMIT:?} (P9)"));
            }
            thread::sleep(Duration::from_millis(20));
        }
        self.kill();
        Ok(begun.elapsed())
    }

    /// Adds the two connections that lead to the sink: texts by Twilio, mail by Resend.
    pub async fn connect(&self, tenant: &Tenant, sink: &Sink) -> Tried<()> {
        self.connect_apart(tenant, sink, sink).await
    }

    /// The same, with a sink for texts and one for mail.
    pub async fn connect_apart(&self, tenant: &Tenant, texts: &Sink, mail: &Sink) -> Tried<()> {
        let (texts, mail) = (texts.url(), mail.url());
        for body in [
            json!({"channel": "sms", "provider": "twilio", "name": "bench texts", "settings": {
                "account_sid": "AC00000000000000000000000000000001", "auth_token": "0123456789abcdef0123456789abcdef",
                "from": "+12125550100", "campaign": "CM0000", "base_url": texts}}),
            json!({"channel": "email", "provider": "resend", "name": "bench mail", "settings": {
                "api_key": "re_0123456789", "from": "Bench <bench@example.com>", "base_url": mail}}),
        ] {
            self.post(&tenant.api_key, "/v1/connections", &body).await?;
        }
        Ok(())
    }

    /// Stores a document (`workflows/answer`, `templates/answer.sms`) and wants a 2xx.
    pub async fn put(&self, key: &str, document: &str, text: &str) -> Tried<()> {
        let path = format!("/v1/{document}");
        let request = wire::Request::new("PUT", &path, self.addr)
            .header("authorization", &format!("Bearer {key}"))
            .header("content-type", "text/plain")
            .body(text.as_bytes());
        let trying = format!("PUT {path}");
        let mut wire = wire::Wire::connect(self.addr).await.during(&trying)?;
        let answer = wire.ask(&request).await.during(&trying)?;
        if !(200..300).contains(&answer.status) {
            let (status, text) = (answer.status, answer.text());
            return Err(fault!("{trying} was answered {status}: {text}"));
        }
        Ok(())
    }

    /// Sends the process a signal by its name, such as `STOP`.
    pub fn signal(&self, name: &str) -> Tried<()> {
        let sent = Command::new("kill")
            .args([format!("-{name}"), self.pid()?.to_string()])
            .status()
            .during(format_args!("sending SIG{name}"))?;
        if sent.success() {
            Ok(())
        } else {
            Err(fault!("SIG{name} could not be sent"))
        }
    }

    /// Posts JSON and wants a 2xx.
    pub async fn post(&self, key: &str, path: &str, body: &Value) -> Tried<Value> {
        let answer = wire::call(self.addr, "POST", path, Some(key), Some(body))
            .await
            .during(format_args!("POST {path}"))?;
        if !(200..300).contains(&answer.status) {
            return Err(fault!(
                "POST {path} was answered {}: {}",
                answer.status,
                answer.text()
            ));
        }
        Ok(answer.json())
    }

    /// The last lines that the server wrote to its log.
    pub fn end_of_log(&self) -> String {
        let text = fs::read_to_string(self.log()).unwrap_or_default();
        let lines: Vec<_> = text.lines().collect();
        lines[lines.len().saturating_sub(20)..].join("\n")
    }

    fn log(&self) -> PathBuf {
        self.folder.join("server.log")
    }
}

impl Drop for Subject {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Loopback may be called, since the sink is there, no limit of requests stands between load and server, and messages whose end is unknown
/// are looked up in seconds instead of minutes, so that a campaign comes to rest.
const CONFIG: &str = r#"[egress]
allow = ["127.0.0.0/8", "::1/128"]

[limits]
public_per_minute = 10000000
look_up_seconds = [1, 2, 4, 6, 8]
absent_after_seconds = 2
"#;

/// A folder under the system's temporary folder that is removed at the end, unless it is to be kept.
pub struct Scratch {
    path: PathBuf,
    keep: bool,
}

impl Scratch {
    /// Makes a folder for `purpose`, in `under` or the system's temporary folder.
    pub fn new(purpose: &str, under: Option<&Path>, keep: bool) -> Tried<Self> {
        let under = under.map_or_else(std::env::temp_dir, Path::to_owned);
        let path = under.join(format!("ringback-{purpose}-{}", std::process::id()));
        fs::create_dir_all(&path).during(format_args!("making {}", path.display()))?;
        Ok(Self { path, keep })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if !self.keep {
            drop(fs::remove_dir_all(&self.path));
        }
    }
}
