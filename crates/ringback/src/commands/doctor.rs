//! `ringback doctor`: what is not as it should be.

use super::{Data, Done, Failed, print_json};
use clap::Args;
use ringback_core::time::{Clock as _, micros};
use ringback_server::WallClock;
use ringback_store::House as _;
use std::os::unix::fs::PermissionsExt as _;

/// Look at a data folder and this machine.
#[derive(Debug, Args)]
pub(crate) struct Doctor {
    #[command(flatten)]
    data: Data,
    /// For machines.
    #[arg(long)]
    json: bool,
}

struct Finding {
    fine: bool,
    says: String,
}

impl Doctor {
    pub(crate) fn run(self) -> Done {
        let mut findings = Vec::new();
        let mut note = |fine: bool, says: String| findings.push(Finding { fine, says });
        let now = WallClock.now();
        note(
            micros(now) > 1_790_000_000_000_000,
            format!("the clock says {now}"),
        );
        let key = self.data.data.join("master.key");
        match std::fs::metadata(&key) {
            Ok(metadata) => {
                let mode = metadata.permissions().mode() & 0o777;
                note(
                    mode & 0o077 == 0,
                    format!(
                        "{} has mode {mode:o}{}",
                        key.display(),
                        if mode & 0o077 == 0 {
                            ""
                        } else {
                            ": others can read it, chmod 600"
                        }
                    ),
                );
            }
            Err(_) => note(
                true,
                format!(
                    "{} is not there yet: it is made when the server starts",
                    key.display()
                ),
            ),
        }
        match ringback_store::open(&self.data.data) {
            Ok((writer, readers, _)) => {
                note(true, "the database opens and is up to date".into());
                match readers.ask(|store| store.integrity()) {
                    Ok(faults) if faults.is_empty() => note(
                        true,
                        "the database is whole (integrity and foreign keys)".into(),
                    ),
                    Ok(faults) => note(
                        false,
                        format!("the database is damaged: {}", faults.join("; ")),
                    ),
                    Err(error) => {
                        note(false, format!("the database could not be checked: {error}"));
                    }
                }
                let tenants = writer.tenants()?;
                note(!tenants.is_empty(), format!("{} tenants", tenants.len()));
                for tenant in tenants {
                    let documents: std::collections::BTreeMap<_, _> = writer
                        .documents(tenant.id)?
                        .into_iter()
                        .filter_map(|document| Some((document.path, document.text?)))
                        .collect();
                    match ringback_server::onboarding::check(&documents) {
                        Ok(_) => note(
                            true,
                            format!("{}: the configuration has no problems", tenant.slug),
                        ),
                        Err(problems) => note(
                            false,
                            format!(
                                "{}: {} problems in the configuration, the first: {}",
                                tenant.slug,
                                problems.len(),
                                problems
                                    .first()
                                    .map(ToString::to_string)
                                    .unwrap_or_default()
                            ),
                        ),
                    }
                    let connections = writer.connections(tenant.id)?;
                    note(
                        !connections.is_empty(),
                        format!(
                            "{}: {} connections{}",
                            tenant.slug,
                            connections.len(),
                            if connections.is_empty() {
                                "; every message stays in the sandbox"
                            } else {
                                ""
                            }
                        ),
                    );
                    for connection in connections
                        .iter()
                        .filter(|connection| connection.trouble.is_some())
                    {
                        note(
                            false,
                            format!(
                                "{}: connection {}: {}",
                                tenant.slug,
                                connection.name,
                                connection.trouble.as_deref().unwrap_or_default()
                            ),
                        );
                    }
                }
            }
            Err(error) => note(false, error.to_string()),
        }
        let bad = findings.iter().filter(|finding| !finding.fine).count();
        if self.json {
            print_json(
                &findings
                    .iter()
                    .map(|finding| serde_json::json!({"fine": finding.fine, "says": finding.says}))
                    .collect::<Vec<_>>(),
            )?;
        } else {
            for finding in &findings {
                anstream::println!(
                    "{} {}",
                    if finding.fine { "ok  " } else { "look" },
                    finding.says
                );
            }
        }
        if bad == 0 {
            Ok(())
        } else {
            Err(Failed {
                code: 1,
                says: format!("{bad} things to look at"),
            })
        }
    }
}
