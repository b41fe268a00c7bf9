//! Where PostgreSQL's programs are and as whom they run.

use crate::{Error, Result, While};
use std::{
    env, fs,
    os::unix::{fs::MetadataExt, process::CommandExt},
    path::{Path, PathBuf},
    process::Command,
};

/// Where Debian's packages put each version.
const DEBIAN: &str = "/usr/lib/postgresql";
/// Names another folder, for other systems.
const VARIABLE: &str = "RINGBACK_PG_BIN";

/// PostgreSQL's programs, all of one version.
#[derive(Debug, Clone)]
pub struct Binaries {
    folder: PathBuf,
    user: Option<(u32, u32)>,
}

impl Binaries {
    /// The newest version of Debian's packages, or what `RINGBACK_PG_BIN` names.
    pub fn find() -> Result<Self> {
        let chosen = env::var_os(VARIABLE).map(PathBuf::from);
        let folder = look(Path::new(DEBIAN), chosen)?;
        Ok(Self {
            folder,
            user: server_user()?,
        })
    }

    /// The folder of all of them.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// A program of PostgreSQL, to be run as the present user.
    pub(crate) fn client(&self, name: &str) -> Command {
        let mut command = Command::new(self.folder.join(name));
        command.env("LC_ALL", "C").env_remove("PGOPTIONS");
        command
    }

    /// `psql` for a `postgres://…` or a connection string: rows alone, columns divided by `|`, an end at the first error.
    pub fn psql(&self, to: &str) -> Command {
        let mut psql = self.client("psql");
        psql.args(["--no-psqlrc", "--quiet", "--tuples-only", "--no-align"])
            .args(["--set", "ON_ERROR_STOP=1", "--dbname", to]);
        psql
    }

    /// A program of PostgreSQL, to be run as the user of servers.
    pub(crate) fn server(&self, name: &str) -> Command {
        let mut command = self.client(name);
        self.as_server(&mut command);
        command
    }

    /// Makes a program run as the user of servers, away from the signals that a terminal sends to a test.
    pub(crate) fn as_server(&self, command: &mut Command) {
        if let Some((user, group)) = self.user {
            command.uid(user).gid(group);
        }
        command.process_group(0);
    }

    /// Gives a path to the user of servers.
    pub(crate) fn give(&self, path: &Path) -> Result<()> {
        match self.user {
            Some((user, group)) => std::os::unix::fs::chown(path, Some(user), Some(group))
                .during(format_args!("giving {} to postgres", path.display())),
            None => Ok(()),
        }
    }
}

fn look(debian: &Path, chosen: Option<PathBuf>) -> Result<PathBuf> {
    let whole = |folder: &Path| {
        ["initdb", "postgres", "pg_ctl", "psql"]
            .iter()
            .all(|name| folder.join(name).is_file())
    };
    if let Some(folder) = chosen {
        return if whole(&folder) {
            Ok(folder)
        } else {
            Err(Error::new(format!(
                "{VARIABLE} names {}, where initdb, postgres, pg_ctl or psql lacks",
                folder.display()
            )))
        };
    }
    let versions = fs::read_dir(debian).into_iter().flatten().flatten();
    versions
        .filter_map(|entry| {
            let version: u32 = entry.file_name().to_str()?.parse().ok()?;
            let folder = entry.path().join("bin");
            whole(&folder).then_some((version, folder))
        })
        .max()
        .map(|(_, folder)| folder)
        .ok_or_else(|| {
            Error::new(format!(
                "PostgreSQL is not installed: no {}/*/bin has initdb, postgres, pg_ctl and psql. \
                 Run `tests/install`, which gets it, or set {VARIABLE} to the folder of these programs",
                debian.display()
            ))
        })
}

/// Root cannot run PostgreSQL; the system user `postgres` can, and it comes with the package.
fn server_user() -> Result<Option<(u32, u32)>> {
    let me = fs::metadata("/proc/self").during("finding out who runs this")?;
    if me.uid() != 0 {
        return Ok(None);
    }
    let users = fs::read_to_string("/etc/passwd").during("reading /etc/passwd")?;
    user_in(&users, "postgres").map(Some).ok_or_else(|| {
        Error::new("PostgreSQL cannot run as root and there is no user postgres. Run `tests/install`, which gets both")
    })
}

fn user_in(passwd: &str, name: &str) -> Option<(u32, u32)> {
    passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        (fields.next()? == name).then_some(())?;
        Some((fields.nth(1)?.parse().ok()?, fields.next()?.parse().ok()?))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_version_that_is_whole_is_taken() {
        let root = env::temp_dir().join(format!("ringback-pg-versions-{}", std::process::id()));
        for (version, whole) in [("9", true), ("15", true), ("16", false)] {
            let bin = root.join(version).join("bin");
            fs::create_dir_all(&bin).unwrap();
            for name in ["initdb", "postgres", "pg_ctl", "psql"] {
                if whole || name != "initdb" {
                    fs::write(bin.join(name), "").unwrap();
                }
            }
        }
        assert_eq!(look(&root, None).unwrap(), root.join("15/bin"));
        assert_eq!(
            look(&root, Some(root.join("9/bin"))).unwrap(),
            root.join("9/bin")
        );
        assert!(look(&root, Some(root.join("16/bin"))).is_err());
        fs::remove_dir_all(&root).unwrap();
    }

    /// Nobody shall believe that something was tested where there is no PostgreSQL.
    #[test]
    fn without_postgresql_the_error_says_what_gets_it() {
        let why = look(Path::new("/nowhere"), None).unwrap_err().to_string();
        assert!(why.contains("`tests/install`"), "{why}");
    }

    #[test]
    fn users_are_read_from_passwd() {
        let passwd = "root:x:0:0:root:/root:/bin/bash\npostgres:x:101:104:PostgreSQL:/var/lib/postgresql:/bin/bash\n";
        assert_eq!(user_in(passwd, "postgres"), Some((101, 104)));
        assert_eq!(user_in(passwd, "nobody"), None);
    }
}
