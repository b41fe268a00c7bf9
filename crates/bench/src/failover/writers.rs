//! Plain clients: each inserts numbered rows over `psql`, one at a time, and remembers those whose commit was answered. A row without an
//! answer is inserted again over a new connection, as Ringback's own clients repeat a request under the same key.

use crate::fault::{Tried, While};
use ringback_pgtest::{OWNER, Patroni};
use std::{
    collections::HashSet,
    io::{BufRead, BufReader, Lines, Write as _},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

/// What a writer makes of a row that is there already when it repeats one without an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Repeated {
    /// It changes the row, so that its commit waits for the standby like any other.
    Written,
    /// It takes what it sees for what is safe. After a crash the primary shows commits that no standby has, so this loses rows.
    Seen,
}

/// What all writers together know.
#[derive(Debug, Default)]
struct Notebook {
    acknowledged: HashSet<u64>,
    last: Option<Instant>,
    longest_silence: Duration,
}

/// Writers at work.
pub struct Writers {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

struct Shared {
    notebook: Mutex<Notebook>,
    count: AtomicU64,
    retried: AtomicU64,
    ended: AtomicBool,
}

/// What they were told.
pub struct Told {
    /// The rows whose commit was answered.
    pub acknowledged: HashSet<u64>,
    /// How often a row had to be inserted again.
    pub retried: u64,
    /// The longest time in which nobody was answered.
    pub longest_silence: Duration,
}

impl Writers {
    /// Makes the table and starts so many writers.
    pub fn start(patroni: &Patroni, count: u64, repeated: Repeated) -> Tried<Self> {
        let table =
            "CREATE TABLE acknowledged (n BIGINT PRIMARY KEY, again BIGINT NOT NULL DEFAULT 0)";
        let made = patroni
            .psql(OWNER)
            .args(["--command", table])
            .output()
            .during("making the table of rows")?;
        if !made.status.success() {
            let said = String::from_utf8_lossy(&made.stderr).into_owned();
            return Err(said).during("making the table of rows");
        }
        let shared = Arc::new(Shared {
            notebook: Mutex::default(),
            count: AtomicU64::new(0),
            retried: AtomicU64::new(0),
            ended: AtomicBool::new(false),
        });
        let mut threads = Vec::new();
        for first in 0..count {
            let (shared, url) = (shared.clone(), patroni.url(OWNER));
            let psql = patroni.psql(OWNER).get_program().to_owned();
            let connect = move || {
                let mut command = Command::new(&psql);
                command.args(["-XqAt", "-v", "ON_ERROR_STOP=1", "-d", &url]);
                Session::open(command)
            };
            let writer = thread::Builder::new()
                .name(format!("writer {first}"))
                .spawn(move || shared.write(first, count, repeated, connect))
                .during("starting a writer")?;
            threads.push(writer);
        }
        Ok(Self { shared, threads })
    }

    /// Rows that were answered so far.
    pub fn acknowledged(&self) -> u64 {
        self.shared.count.load(Ordering::Relaxed)
    }

    /// Lets every writer bring its last row home.
    pub fn end(self) -> Told {
        self.shared.ended.store(true, Ordering::Relaxed);
        for thread in self.threads {
            // A writer that panicked has acknowledged nothing more; what it had is in the notebook.
            drop(thread.join());
        }
        let mut notebook = self
            .shared
            .notebook
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        Told {
            acknowledged: std::mem::take(&mut notebook.acknowledged),
            retried: self.shared.retried.load(Ordering::Relaxed),
            longest_silence: notebook.longest_silence,
        }
    }
}

impl Shared {
    fn write(
        &self,
        first: u64,
        step: u64,
        repeated: Repeated,
        connect: impl Fn() -> Option<Session>,
    ) {
        let mut session = None;
        let mut n = first;
        while !self.ended.load(Ordering::Relaxed) {
            let otherwise = match repeated {
                Repeated::Written => "DO UPDATE SET again = acknowledged.again + 1",
                Repeated::Seen => "DO NOTHING",
            };
            let sql =
                format!("INSERT INTO acknowledged (n) VALUES ({n}) ON CONFLICT (n) {otherwise};");
            if session.is_none() {
                session = connect();
            }
            if session.as_mut().is_some_and(|open| open.commit(&sql)) {
                self.note(n);
                n += step;
            } else {
                session = None;
                self.retried.fetch_add(1, Ordering::Relaxed);
                thread::sleep(Duration::from_millis(50));
            }
        }
    }

    fn note(&self, n: u64) {
        let mut notebook = self.notebook.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        if let Some(last) = notebook.last.replace(now) {
            notebook.longest_silence = notebook.longest_silence.max(now - last);
        }
        notebook.acknowledged.insert(n);
        self.count.fetch_add(1, Ordering::Relaxed);
    }
}

/// A `psql` that ends at the first error, so that what it echoes after a statement says that this was committed.
struct Session {
    child: Child,
    stdin: ChildStdin,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Session {
    fn open(mut command: Command) -> Option<Self> {
        let mut child = command
            .env("LC_ALL", "C")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .ok()?;
        let (stdin, stdout) = (child.stdin.take()?, child.stdout.take()?);
        Some(Self {
            child,
            stdin,
            lines: BufReader::new(stdout).lines(),
        })
    }

    fn commit(&mut self, sql: &str) -> bool {
        writeln!(self.stdin, "{sql}\n\\echo committed").is_ok()
            && matches!(self.lines.next(), Some(Ok(line)) if line == "committed")
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
