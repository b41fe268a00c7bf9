//! Databases: one for each test, copied from a template that was prepared once.

use crate::{APP, BACKUP, OWNER, Result, Server, cluster::run, folder::lock_beside};
use std::{
    fs::File,
    hash::{DefaultHasher, Hash, Hasher},
    path::Path,
    sync::atomic::{AtomicU32, Ordering},
};

/// A database of one's own, dropped at the end.
#[derive(Debug)]
pub struct Database {
    server: Server,
    name: String,
}

/// A database that others are copied from.
#[derive(Debug)]
pub enum Template {
    /// It is there.
    Ready(ReadyTemplate),
    /// It has to be prepared by the one who got this; others wait meanwhile.
    New(NewTemplate),
}

/// A prepared template.
#[derive(Debug, Clone)]
pub struct ReadyTemplate {
    server: Server,
    name: String,
}

/// A template that is being prepared. When it is dropped without [`Self::finish`], the next one who asks begins anew.
#[derive(Debug)]
pub struct NewTemplate {
    building: Database,
    name: String,
    _turn: File,
}

impl Server {
    /// An empty database, owned by [`OWNER`].
    pub fn database(&self) -> Result<Database> {
        self.create(&format!("OWNER {OWNER}"))
    }

    /// A database that is what [`Database::dump`] copied.
    pub fn restored(&self, from: &Path) -> Result<Database> {
        let database = self.database()?;
        let mut restore = self.binaries().client("pg_restore");
        restore.args([
            "--exit-on-error",
            "--dbname",
            &self.superuser_url(&database.name),
        ]);
        run(restore.arg(from), "pg_restore")?;
        Ok(database)
    }

    /// The template for `content`: whatever decides what it holds, such as the text of all migrations.
    pub fn template(&self, content: impl Hash) -> Result<Template> {
        let mut hasher = DefaultHasher::new();
        content.hash(&mut hasher);
        let name = format!("template_{:016x}", hasher.finish());
        let turn = lock_beside(&self.started().join(&name))?;
        let ready = ReadyTemplate {
            server: self.clone(),
            name: name.clone(),
        };
        if self.sql(
            "postgres",
            &format!("SELECT 1 FROM pg_database WHERE datname = '{name}'"),
        )? == "1"
        {
            return Ok(Template::Ready(ready));
        }
        Ok(Template::New(NewTemplate {
            building: self.database()?,
            name,
            _turn: turn,
        }))
    }

    fn create(&self, how: &str) -> Result<Database> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("t_{}_{count}_{:04x}", std::process::id(), crate::random(2)?);
        self.sql("postgres", &format!("CREATE DATABASE {name} {how}"))?;
        Ok(Database {
            server: self.clone(),
            name,
        })
    }
}

impl ReadyTemplate {
    /// A copy.
    pub fn database(&self) -> Result<Database> {
        self.server
            .create(&format!("OWNER {OWNER} TEMPLATE {}", self.name))
    }
}

impl NewTemplate {
    /// The database to prepare. Connections to it have to be closed before [`Self::finish`].
    pub fn database(&self) -> &Database {
        &self.building
    }

    /// Makes it the template. From now on nobody can change it.
    pub fn finish(self) -> Result<ReadyTemplate> {
        let server = self.building.server.clone();
        let (building, name) = (&self.building.name, &self.name);
        // Whoever still is connected to it would keep it from being renamed.
        server.sql(
            "postgres",
            &format!("SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE datname = '{building}'"),
        )?;
        server.sql(
            "postgres",
            &format!("ALTER DATABASE {building} RENAME TO {name}; ALTER DATABASE {name} ALLOW_CONNECTIONS false;"),
        )?;
        Ok(ReadyTemplate {
            server,
            name: self.name.clone(),
        })
    }
}

impl Database {
    /// `postgres://…` for the owner, who makes and changes the schema.
    pub fn owner_url(&self) -> String {
        self.url(OWNER)
    }

    /// `postgres://…` for the application.
    pub fn app_url(&self) -> String {
        self.url(APP)
    }

    /// `postgres://…` for any role of the server.
    pub fn url(&self, role: &str) -> String {
        self.server.url(role, &self.name)
    }

    /// Runs SQL as the superuser, past row security.
    pub fn sql(&self, sql: &str) -> Result<String> {
        self.server.sql(&self.name, sql)
    }

    /// A copy in a file, taken beside whoever works on it, as docs/postgresql.md tells an operator to take it.
    pub fn dump(&self, to: &Path) -> Result<()> {
        let mut dump = self.server.binaries().client("pg_dump");
        dump.args(["--format=custom", "--file"]).arg(to);
        run(dump.args(["--dbname", &self.url(BACKUP)]), "pg_dump").map(drop)
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The server it is on.
    pub fn server(&self) -> &Server {
        &self.server
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        // A server that does not run any more has taken its databases along; what stays goes with the server.
        let drop_it = format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name);
        drop(self.server.sql("postgres", &drop_it));
    }
}
