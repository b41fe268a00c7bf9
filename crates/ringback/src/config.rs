//! The server's own configuration: one TOML file, overridden by `RINGBACK__SECTION__KEY`, overridden by the command line.
//!
//! Every setting is documented here, where it is defined. A mistake is answered with file, line and the mend.

use ringback_channels::Egress;
use ringback_core::config::durations;
use ringback_core::turn::LookUps;
use ringback_server::Settings;
use ringback_server::backups::BackupPlan;
use serde::Deserialize;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Everything that can be set.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Config {
    /// `[server]`
    pub(crate) server: Server,
    /// `[egress]`
    pub(crate) egress: EgressConfig,
    /// `[limits]`
    pub(crate) limits: Limits,
    /// `[backup]`
    pub(crate) backup: BackupConfig,
    /// `[journal]`
    pub(crate) journal: JournalConfig,
}

/// Where the server listens and what it is called. Since 0.1.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Server {
    /// Address and port. Default `127.0.0.1:8080`; the variable `PORT` alone means all addresses and that port.
    pub(crate) listen: SocketAddr,
    /// The address that links and webhooks are built on, such as `https://leads.example.com`. Default: `http://` and the address it
    /// listens on, which only works on the same machine.
    pub(crate) public_url: Option<String>,
    /// Holds the database, the key and everything else. Default `data`.
    pub(crate) data: PathBuf,
    /// Networks of proxies whose X-Forwarded-For is believed, such as `["10.0.0.0/8"]`. Default none.
    pub(crate) trusted_proxies: Vec<String>,
}

impl Default for Server {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
            public_url: None,
            data: PathBuf::from("data"),
            trusted_proxies: Vec::new(),
        }
    }
}

/// What outgoing calls may reach beside the public internet. Since 0.1.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct EgressConfig {
    /// Private networks that providers may be reached in, such as `["127.0.0.0/8"]` for a mail relay on this machine. Default none.
    pub(crate) allow: Vec<String>,
    /// Allows plain http to public addresses. Default false.
    pub(crate) allow_http: bool,
}

/// Backups of the embedded database by the running server. Each is restored into a scratch file and checked before it counts, for which
/// the disk needs room for twice the database. A backup holds the database alone: not `master.key`, without which it cannot be restored.
/// Since 0.1.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct BackupConfig {
    /// The folder of backups. Default `backups` in the data folder; name another disk, so that one loss does not take both.
    pub(crate) to: Option<PathBuf>,
    /// How often the server makes one by itself, such as `6h` or `1d`; `off` leaves it to you. Default `1d`.
    pub(crate) every: String,
    /// How many are kept. None is kept for longer than 35 days but the newest, so that erased people are gone from them too. Default 7.
    pub(crate) keep: usize,
}

impl Default for BackupConfig {
    fn default() -> Self {
        Self {
            to: None,
            every: "1d".to_owned(),
            keep: 7,
        }
    }
}

impl BackupConfig {
    /// The folder of backups of a data folder.
    pub(crate) fn to(&self, data: &Path) -> PathBuf {
        self.to.clone().unwrap_or_else(|| data.join("backups"))
    }

    fn plan(&self, data: &Path) -> Result<BackupPlan, String> {
        let every = match self.every.as_str() {
            "off" => None,
            text => {
                let every = durations::parse(text).map_err(|why| format!("backup.every: {why}"))?;
                if every < Duration::from_secs(60) {
                    return Err("backup.every: write at least 1m, or off.".into());
                }
                Some(every)
            }
        };
        if self.keep == 0 {
            return Err("backup.keep: write at least 1.".into());
        }
        Ok(BackupPlan {
            to: self.to(data),
            every,
            keep: self.keep,
        })
    }
}

/// The journal: what a restored database must not have forgotten, kept outside of it: every STOP, bounce, complaint, entry of the
/// suppression list, consent taken back, and deleted lead. Since 0.1.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct JournalConfig {
    /// Its folder. Default `journal` in the data folder; name another disk, so that it outlives the database. Files go by themselves
    /// once a newer backup holds all they say and 35 days have passed.
    pub(crate) dir: Option<PathBuf>,
}

impl JournalConfig {
    /// The folder of the journal of a data folder.
    pub(crate) fn dir(&self, data: &Path) -> PathBuf {
        self.dir.clone().unwrap_or_else(|| data.join("journal"))
    }
}

/// Bounds of the whole server. Since 0.1.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Limits {
    /// Requests that may wait for the database; more are asked to come back (503). Default 4096.
    pub(crate) waiting: usize,
    /// Requests a minute from one address on public routes (forms, tracking, pages). Default 300.
    pub(crate) public_per_minute: u32,
    /// When it is looked up what became of a message whose call to the provider has no known end: five numbers of seconds, rising,
    /// counted from when that was so. After the last one the message's category decides. Default `[5, 15, 60, 300, 900]`.
    pub(crate) look_up_seconds: [u32; 5],
    /// Two look-ups that do not find a message prove that it did not go out when they are so many seconds apart. Default 60.
    pub(crate) absent_after_seconds: u32,
    /// How long a claim on a message holds; a call that has not ended by then is unknown. Nothing is written to a provider in its last
    /// third. From 2 to 600; a short one is for tests. Default 60.
    pub(crate) lease_seconds: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            waiting: 4_096,
            public_per_minute: 300,
            look_up_seconds: [5, 15, 60, 300, 900],
            absent_after_seconds: 60,
            lease_seconds: 60,
        }
    }
}

impl Limits {
    pub(crate) fn lease(&self) -> Result<Duration, String> {
        if !(2..=600).contains(&self.lease_seconds) {
            return Err("limits.lease_seconds: write a number of seconds from 2 to 600.".into());
        }
        Ok(Duration::from_secs(self.lease_seconds.into()))
    }

    pub(crate) fn looks(&self) -> Result<LookUps, String> {
        let after = self.look_up_seconds;
        if !after.is_sorted_by(|a, b| a < b) || after[0] == 0 || after[4] > 86_400 {
            return Err(
                "limits.look_up_seconds: write five numbers of seconds, each larger than the one before, from 1 to 86400."
                    .into(),
            );
        }
        if self.absent_after_seconds == 0 {
            return Err("limits.absent_after_seconds: write at least 1.".into());
        }
        Ok(LookUps {
            after: after.map(|seconds| Duration::from_secs(seconds.into())),
            apart: Duration::from_secs(self.absent_after_seconds.into()),
        })
    }
}

/// Names of settings by section, for "did you mean".
const KNOWN: &[(&str, &[&str])] = &[
    (
        "server",
        &["listen", "public_url", "data", "trusted_proxies"],
    ),
    ("egress", &["allow", "allow_http"]),
    (
        "limits",
        &[
            "waiting",
            "public_per_minute",
            "look_up_seconds",
            "absent_after_seconds",
            "lease_seconds",
        ],
    ),
    ("backup", &["to", "every", "keep"]),
    ("journal", &["dir"]),
];

/// Reads the file, if one is given, and lays the environment over it.
pub(crate) fn load(
    file: Option<&Path>,
    environment: impl Iterator<Item = (String, String)>,
) -> Result<Config, String> {
    let mut table = match file {
        Some(path) => {
            let text = std::fs::read_to_string(path)
                .map_err(|error| format!("{} cannot be read: {error}", path.display()))?;
            // The typed reading comes first: its errors know line and column.
            toml::from_str::<Config>(&text).map_err(|error| explain(path, &text, &error))?;
            text.parse::<toml::Table>()
                .map_err(|error| explain(path, &text, &error))?
        }
        None => toml::Table::new(),
    };
    let mut port = None;
    for (name, value) in environment {
        if name == "PORT" {
            port = Some(
                value
                    .parse::<u16>()
                    .map_err(|_| format!("PORT is `{value}`, which is no port number."))?,
            );
        } else if let Some(path) = name.strip_prefix("RINGBACK__") {
            lay_over(&mut table, &name, path, value)?;
        }
    }
    let mut config: Config =
        toml::Value::Table(table)
            .try_into()
            .map_err(|error: toml::de::Error| {
                format!("The environment does not fit: {}", error.message())
            })?;
    if let Some(port) = port {
        config.server.listen = SocketAddr::from(([0, 0, 0, 0], port));
    }
    Ok(config)
}

fn lay_over(table: &mut toml::Table, name: &str, path: &str, value: String) -> Result<(), String> {
    let path = path.to_lowercase();
    let mut parts = path.split("__");
    let (Some(section), Some(key), None) = (parts.next(), parts.next(), parts.next()) else {
        return Err(format!("{name} should look like RINGBACK__SECTION__KEY."));
    };
    let from_file = key.strip_suffix("_file");
    let keys = KNOWN
        .iter()
        .find(|(known, _)| *known == section)
        .map(|(_, keys)| *keys)
        .ok_or_else(|| {
            format!(
                "{name}: there is no section `{section}`{}",
                meant(section, KNOWN.iter().map(|(name, _)| *name))
            )
        })?;
    let key = if keys.contains(&key) {
        key
    } else {
        from_file.unwrap_or(key)
    };
    if !keys.contains(&key) {
        return Err(format!(
            "{name}: there is no setting `{key}` in `{section}`{}",
            meant(key, keys.iter().copied())
        ));
    }
    let text = match from_file {
        Some(_) => std::fs::read_to_string(value.trim())
            .map_err(|error| format!("{name}: {value} cannot be read: {error}"))?
            .trim()
            .to_owned(),
        None => value,
    };
    // Numbers, lists and true read as TOML; anything else is a text.
    let value = format!("x = {text}")
        .parse::<toml::Table>()
        .ok()
        .and_then(|mut one| one.remove("x"))
        .unwrap_or(toml::Value::String(text));
    let section = table
        .entry(section.to_owned())
        .or_insert_with(|| toml::Value::Table(toml::Table::new()));
    if let toml::Value::Table(section) = section {
        section.insert(key.to_owned(), value);
    }
    Ok(())
}

fn explain(path: &Path, text: &str, error: &toml::de::Error) -> String {
    let line = error.span().map_or(1, |span| {
        text.get(..span.start)
            .map_or(1, |before| before.matches('\n').count() + 1)
    });
    let message = error.message();
    let wrong = message
        .strip_prefix("unknown field `")
        .and_then(|rest| rest.split('`').next());
    let mend = wrong
        .map(|wrong| {
            meant(
                wrong,
                KNOWN
                    .iter()
                    .flat_map(|(name, keys)| keys.iter().copied().chain([*name])),
            )
        })
        .unwrap_or_default();
    format!("{}:{line}: {message}{mend}", path.display())
}

fn meant<'a>(wrong: &str, known: impl Iterator<Item = &'a str>) -> String {
    known
        .map(|name| (strsim::damerau_levenshtein(wrong, name), name))
        .min()
        .filter(|(distance, _)| *distance <= 3)
        .map_or_else(
            || ".".to_owned(),
            |(_, name)| format!(". Did you mean `{name}`?"),
        )
}

impl Config {
    /// What outgoing calls may reach.
    pub(crate) fn egress(&self) -> Result<Egress, String> {
        Ok(Egress {
            allow: networks(&self.egress.allow, "egress.allow")?,
            allow_http: self.egress.allow_http,
        })
    }

    /// What the running server needs. `listen` is the address it really listens on.
    pub(crate) fn settings(&self, listen: SocketAddr) -> Result<Settings, String> {
        let public_url = self
            .server
            .public_url
            .clone()
            .unwrap_or_else(|| format!("http://{listen}"));
        let url = url_of(&public_url)?;
        let mut settings = Settings::new(self.server.data.clone(), url);
        settings.egress = self.egress()?;
        settings.trusted_proxies =
            networks(&self.server.trusted_proxies, "server.trusted_proxies")?;
        settings.most_waiting = self.limits.waiting.max(16);
        settings.public_per_minute = self.limits.public_per_minute.max(1);
        settings.looks = self.limits.looks()?;
        settings.lease = self.limits.lease()?;
        settings.backup = self.backup.plan(&self.server.data)?;
        settings.journal = self.journal.dir(&self.server.data);
        Ok(settings)
    }
}

fn networks<T: std::str::FromStr>(list: &[String], what: &str) -> Result<Vec<T>, String> {
    list.iter()
        .map(|text| {
            text.parse()
                .map_err(|_| format!("{what}: `{text}` is no network; write it like 10.0.0.0/8."))
        })
        .collect()
}

fn url_of(text: &str) -> Result<String, String> {
    let fits = (text.starts_with("http://") || text.starts_with("https://"))
        && !text.contains([' ', '?', '#', '@']);
    fits.then(|| text.trim_end_matches('/').to_owned())
        .ok_or_else(|| {
            format!("server.public_url: `{text}` should look like https://leads.example.com.")
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(text: &str, environment: &[(&str, &str)]) -> Result<Config, String> {
        let path = std::env::temp_dir().join(format!(
            "ringback-config-{}-{:x}.toml",
            std::process::id(),
            text.len() * 31 + environment.len()
        ));
        std::fs::write(&path, text).unwrap();
        let read = load(
            Some(&path),
            environment
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned())),
        );
        std::fs::remove_file(&path).unwrap();
        read
    }

    /// The environment wins over the file.
    #[test]
    fn the_environment_wins_over_the_file() {
        let config = from(
            "[server]\nlisten = \"127.0.0.1:1\"\n[limits]\nwaiting = 5\n",
            &[
                ("RINGBACK__SERVER__LISTEN", "127.0.0.1:2"),
                ("RINGBACK__EGRESS__ALLOW", "[\"127.0.0.0/8\"]"),
            ],
        )
        .unwrap();
        assert_eq!(config.server.listen.port(), 2);
        assert_eq!(config.limits.waiting, 5);
        assert_eq!(config.egress.allow, ["127.0.0.0/8"]);
        assert_eq!(
            from("", &[("PORT", "9000")])
                .unwrap()
                .server
                .listen
                .to_string(),
            "0.0.0.0:9000"
        );
    }

    /// A lease that is too short to call in, or too long to wait for, is named.
    #[test]
    fn a_lease_has_bounds() {
        let lease = |text: &str| from(text, &[]).unwrap().limits.lease();
        assert_eq!(lease(""), Ok(Duration::from_secs(60)));
        assert_eq!(
            lease("[limits]\nlease_seconds = 2\n"),
            Ok(Duration::from_secs(2))
        );
        for wrong in [0, 1, 601] {
            let told = lease(&format!("[limits]\nlease_seconds = {wrong}\n")).unwrap_err();
            assert!(told.starts_with("limits.lease_seconds:"), "{told}");
        }
    }

    /// O5: backups are daily unless something else is said, and a mistake is named.
    #[test]
    fn backups_are_daily_unless_something_else_is_said() {
        let plan = |text: &str| from(text, &[]).unwrap().backup.plan(Path::new("/d"));
        let usual = plan("").unwrap();
        assert_eq!(usual, BackupPlan::of_folder(Path::new("/d")));
        let own = plan("[backup]\nto = \"/mnt/b\"\nevery = \"6h\"\nkeep = 30\n").unwrap();
        assert_eq!((own.to, own.keep), (PathBuf::from("/mnt/b"), 30));
        assert_eq!(own.every, Some(Duration::from_secs(6 * 3_600)));
        assert_eq!(plan("[backup]\nevery = \"off\"\n").unwrap().every, None);
        for wrong in ["every = \"5s\"", "every = \"daily\"", "keep = 0"] {
            let told = plan(&format!("[backup]\n{wrong}\n")).unwrap_err();
            assert!(told.starts_with("backup."), "{told}");
        }
        let config = from("", &[("RINGBACK__JOURNAL__DIR", "/mnt/j")]).unwrap();
        assert_eq!(config.journal.dir(Path::new("/d")), Path::new("/mnt/j"));
    }

    /// Look-ups rise, or the mistake is named.
    #[test]
    fn look_ups_are_five_rising_numbers() {
        let looks = |text: &str| from(text, &[]).unwrap().limits.looks();
        assert_eq!(looks(""), Ok(LookUps::default()));
        let quick =
            looks("[limits]\nlook_up_seconds = [1, 2, 3, 4, 5]\nabsent_after_seconds = 2\n");
        assert_eq!(quick.unwrap().apart, Duration::from_secs(2));
        for wrong in ["[1, 2, 2, 4, 5]", "[0, 2, 3, 4, 5]", "[1, 2, 3, 4, 90000]"] {
            let told = looks(&format!("[limits]\nlook_up_seconds = {wrong}\n")).unwrap_err();
            assert!(told.starts_with("limits.look_up_seconds:"), "{told}");
        }
        assert!(from("[limits]\nlook_up_seconds = [1, 2]\n", &[]).is_err());
    }

    /// A mistake is answered with file, line and the mend.
    #[test]
    fn a_mistake_is_answered_with_line_and_mend() {
        let told = from(
            "[server]\nlisten = \"127.0.0.1:1\"\npublic_ulr = \"x\"\n",
            &[],
        )
        .unwrap_err();
        assert!(
            told.contains(":3:") && told.contains("Did you mean `public_url`?"),
            "{told}"
        );
        let told = from("", &[("RINGBACK__SERVER__LISTN", "x")]).unwrap_err();
        assert!(told.contains("Did you mean `listen`?"), "{told}");
        assert!(
            from("[server]\nlisten = 3\n", &[])
                .unwrap_err()
                .contains(":2:")
        );
    }
}
