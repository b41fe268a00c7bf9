//! A folder in which servers are started, and the guardian that ends and removes them when their users are gone.

use crate::{Binaries, Error, Result, While};
use std::{
    env,
    fs::{self, DirBuilder, File, OpenOptions, TryLockError},
    hash::{DefaultHasher, Hash, Hasher},
    os::unix::{
        fs::{DirBuilderExt, MetadataExt},
        process::CommandExt,
    },
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::SystemTime,
};

const GUARDIAN: &str = include_str!("guardian.sh");
/// A shared server outlives its last user by so many seconds: under nextest every test is a process, and between two of them there may be
/// a moment without any.
const GRACE_SECONDS: u32 = 20;
/// Says another number of seconds.
const GRACE_VARIABLE: &str = "RINGBACK_PG_GRACE_SECONDS";
/// The system allows 107 bytes for the path of a socket; its name takes the rest.
const LONGEST: usize = 80;

/// A folder that is used. All that is started has its working directory in `started`, which belongs to the user of servers.
#[derive(Debug)]
pub(crate) struct Folder {
    path: PathBuf,
    // Option, so that it can be given back before the guardian is waited for.
    users: Option<Users>,
    guardian: Option<Child>,
}

/// The shared lock on `users`.
#[derive(Debug)]
struct Users(File);

impl Users {
    fn join(folder: &Path) -> Result<Self> {
        let path = folder.join("users");
        let trying = format!("locking {}", path.display());
        let file = open(&path)?;
        file.lock_shared().during(&trying)?;
        file.set_modified(SystemTime::now()).during(&trying)?;
        Ok(Self(file))
    }
}

impl Drop for Users {
    fn drop(&mut self) {
        // The guardian counts from here; when the time cannot be set it merely comes a little earlier.
        drop(self.0.set_modified(SystemTime::now()));
    }
}

impl Folder {
    /// A new folder for one user alone.
    pub(crate) fn own(binaries: &Binaries) -> Result<Self> {
        let path = place(&format!("ringback-pg-{:010x}", crate::random(5)?))?;
        make(&path)?;
        let mut folder = Self {
            users: Some(Users::join(&path)?),
            guardian: None,
            path,
        };
        folder.make_started(binaries)?;
        folder.guardian = Some(folder.spawn_guardian(0)?);
        Ok(folder)
    }

    /// The folder that all processes of one target directory share. `start` is asked, by one of them at a time, to see that what is in
    /// `started` runs.
    pub(crate) fn shared<T>(
        binaries: &Binaries,
        kind: &str,
        start: impl FnOnce(&Path) -> Result<T>,
    ) -> Result<(Self, T)> {
        let me = fs::metadata("/proc/self").during("finding out who runs this")?;
        let mut hasher = DefaultHasher::new();
        (target_folder()?, binaries.folder(), kind, GUARDIAN).hash(&mut hasher);
        let name = format!("ringback-pg-{}-{:012x}", me.uid(), hasher.finish() >> 16);
        let path = place(&name)?;
        match make(&path) {
            Err(_) if path.is_dir() => {}
            made => made?,
        }
        let found = fs::symlink_metadata(&path).during(path.display())?;
        if !found.is_dir() || found.uid() != me.uid() {
            return Err(Error::new(format!(
                "{} belongs to somebody else; remove it or set TMPDIR",
                path.display()
            )));
        }
        open(&path.join("keep"))?;
        let folder = Self {
            users: Some(Users::join(&path)?),
            guardian: None,
            path,
        };
        let turn = open(&folder.path.join("start"))?;
        turn.lock().during("waiting for the server to be started")?;
        folder.make_started(binaries)?;
        folder.ensure_guardian()?;
        let started = start(&folder.started())?;
        Ok((folder, started))
    }

    /// Where servers have their files.
    pub(crate) fn started(&self) -> PathBuf {
        self.path.join("started")
    }

    fn make_started(&self, binaries: &Binaries) -> Result<()> {
        let started = self.started();
        if !started.is_dir() {
            make(&started)?;
            binaries.give(&started)?;
        }
        Ok(())
    }

    fn ensure_guardian(&self) -> Result<()> {
        let lock = open(&self.path.join("guardian"))?;
        match lock.try_lock() {
            Ok(()) => {
                lock.unlock().during("giving the guardian's lock back")?;
                let chosen = env::var(GRACE_VARIABLE)
                    .ok()
                    .and_then(|text| text.parse().ok());
                self.spawn_guardian(chosen.unwrap_or(GRACE_SECONDS))
                    .map(drop)
            }
            Err(TryLockError::WouldBlock) => Ok(()),
            Err(TryLockError::Error(why)) => Err(why).during("looking for the guardian"),
        }
    }

    fn spawn_guardian(&self, grace_seconds: u32) -> Result<Child> {
        let script = self.path.join("guardian.sh");
        fs::write(&script, GUARDIAN).during("writing the guardian of a server")?;
        Command::new("sh")
            .arg(script)
            .arg(&self.path)
            .arg(grace_seconds.to_string())
            .current_dir("/")
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .during("starting the guardian of a server")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        self.users = None;
        let Some(mut guardian) = self.guardian.take() else {
            return;
        };
        drop(guardian.wait());
        // Somebody ended the guardian; its work remains to be done.
        if self.path.is_dir()
            && let Ok(mut guardian) = self.spawn_guardian(0)
        {
            drop(guardian.wait());
        }
    }
}

/// An exclusive lock beside `path`, held while the file is.
pub(crate) fn lock_beside(path: &Path) -> Result<File> {
    let file = open(&path.with_extension("lock"))?;
    file.lock()
        .during(format_args!("locking {}", path.display()))?;
    Ok(file)
}

fn open(path: &Path) -> Result<File> {
    OpenOptions::new()
        .create(true)
        .append(true)
        .open(path)
        .during(format_args!("opening {}", path.display()))
}

fn make(path: &Path) -> Result<()> {
    // Others may pass, so that the user of servers reaches what is inside; that itself is closed to them.
    let mode = if path.ends_with("started") {
        0o700
    } else {
        0o711
    };
    DirBuilder::new()
        .mode(mode)
        .create(path)
        .during(format_args!("making {}", path.display()))
}

fn place(name: &str) -> Result<PathBuf> {
    let temporary = fs::canonicalize(env::temp_dir()).during("finding the temporary folder")?;
    let path = temporary.join(name);
    if path.as_os_str().len() > LONGEST {
        return Err(Error::new(format!(
            "{} is too long for the path of a socket; set TMPDIR to a shorter one",
            path.display()
        )));
    }
    Ok(path)
}

/// The target directory that the running program was built into; cargo marks it.
fn target_folder() -> Result<PathBuf> {
    let program = env::current_exe().during("finding the running program")?;
    let marked = program
        .ancestors()
        .find(|folder| folder.join("CACHEDIR.TAG").is_file());
    Ok(marked.or(program.parent()).unwrap_or(&program).to_owned())
}
