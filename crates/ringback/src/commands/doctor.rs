//! `ringback doctor`: what is not as it should be.

use super::{Data, Done, Failed, print_json};
use clap::Args;
use ringback_core::time::{Clock as _, micros};
use ringback_server::WallClock;
use ringback_store::{House as _, TenantRow, Writer};
use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

/// Look at a data folder and this machine.
#[derive(Debug, Args)]
pub(crate) struct Doctor {
    #[command(flatten)]
    data: Data,
    /// For machines.
    #[arg(long)]
    json: bool,
}

/// What was looked at, and whether it is as it should be.
#[derive(Default)]
struct Findings(Vec<Finding>);

struct Finding {
    fine: bool,
    says: String,
}

impl Findings {
    fn note(&mut self, fine: bool, says: String) {
        self.0.push(Finding { fine, says });
    }

    /// The machine and the files beside the database.
    fn machine(&mut self, folder: &Path) {
        let now = WallClock.now();
        self.note(
            micros(now) > 1_790_000_000_000_000,
            format!("the clock says {now}"),
        );
        let key = folder.join("master.key");
        let Ok(metadata) = std::fs::metadata(&key) else {
            let says = format!(
                "{} is not there yet: it is made when the server starts",
                key.display()
            );
            self.note(true, says);
            return;
        };
        let mode = metadata.permissions().mode() & 0o777;
        let open = mode & 0o077 != 0;
        let mend = if open {
            ": others can read it, chmod 600"
        } else {
            ""
        };
        self.note(!open, format!("{} has mode {mode:o}{mend}", key.display()));
    }

    /// The database and every tenant in it.
    fn database(&mut self, folder: &Path) -> Done {
        let (writer, readers, _) = match ringback_store::open(folder) {
            Ok(opened) => opened,
            Err(error) => {
                self.note(false, error.to_string());
                return Ok(());
            }
        };
        self.note(true, "the database opens and is up to date".into());
        match readers.ask(|store| store.integrity()) {
            Ok(faults) if faults.is_empty() => self.note(
                true,
                "the database is whole (integrity and foreign keys)".into(),
            ),
            Ok(faults) => self.note(
                false,
                format!("the database is damaged: {}", faults.join("; ")),
            ),
            Err(error) => self.note(false, format!("the database could not be checked: {error}")),
        }
        let tenants = writer.tenants()?;
        self.note(!tenants.is_empty(), format!("{} tenants", tenants.len()));
        for tenant in tenants {
            self.configuration(&writer, &tenant)?;
            self.connections(&writer, &tenant)?;
        }
        Ok(())
    }

    fn configuration(&mut self, writer: &Writer, tenant: &TenantRow) -> Done {
        let documents: BTreeMap<_, _> = writer
            .documents(tenant.id)?
            .into_iter()
            .filter_map(|document| Some((document.path, document.text?)))
            .collect();
        match ringback_server::onboarding::check(&documents) {
            Ok(_) => self.note(
                true,
                format!("{}: the configuration has no problems", tenant.slug),
            ),
            Err(problems) => {
                let first = problems.first().map(ToString::to_string);
                self.note(
                    false,
                    format!(
                        "{}: {} problems in the configuration, the first: {}",
                        tenant.slug,
                        problems.len(),
                        first.unwrap_or_default()
                    ),
                );
            }
        }
        Ok(())
    }

    fn connections(&mut self, writer: &Writer, tenant: &TenantRow) -> Done {
        let connections = writer.connections(tenant.id)?;
        let none = if connections.is_empty() {
            "; every message stays in the sandbox"
        } else {
            ""
        };
        self.note(
            !connections.is_empty(),
            format!("{}: {} connections{none}", tenant.slug, connections.len()),
        );
        for connection in &connections {
            if let Some(trouble) = &connection.trouble {
                let says = format!("{}: connection {}: {trouble}", tenant.slug, connection.name);
                self.note(false, says);
            }
        }
        Ok(())
    }
}

impl Doctor {
    pub(crate) fn run(self) -> Done {
        let mut findings = Findings::default();
        let folder = self.data.embedded()?;
        findings.machine(folder);
        findings.database(folder)?;
        let findings = findings.0;
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
