//! `ringback check`: every mistake of a tenant's folder with file, line and the mend (W5).

use super::{Done, Failed, failed, print_json};
use clap::Args;
use std::path::PathBuf;

/// Check a tenant's folder.
#[derive(Debug, Args)]
pub(crate) struct Check {
    /// The folder with tenant.yaml, or the name of a preset that ships.
    folder: PathBuf,
    /// For machines.
    #[arg(long)]
    json: bool,
}

impl Check {
    pub(crate) fn run(self) -> Done {
        let name = self.folder.to_string_lossy();
        let preset = if self.folder.is_dir() {
            ringback_server::presets::from_folder(&self.folder)
        } else {
            ringback_server::presets::find(&name)
        };
        let preset = preset.map_err(failed)?;
        let (problems, warnings, counts) = match ringback_server::onboarding::check(&preset.files) {
            Ok(config) => {
                let counts = format!(
                    "{} products, {} score models, {} workflows, {} templates, {} forms",
                    config.products.len(),
                    config.models.len(),
                    config.workflows.len(),
                    config.templates.iter().count(),
                    config.forms.len()
                );
                (Vec::new(), config.warnings, counts)
            }
            Err(problems) => (problems, Vec::new(), String::new()),
        };
        if self.json {
            let view = |one: &ringback_core::config::Problem| serde_json::json!({"path": one.path, "line": one.line, "message": one.message, "mend": one.mend});
            print_json(
                &serde_json::json!({"problems": problems.iter().map(view).collect::<Vec<_>>(), "warnings": warnings.iter().map(view).collect::<Vec<_>>()}),
            )?;
        } else {
            for problem in &problems {
                anstream::eprintln!("{problem}");
            }
            for warning in &warnings {
                anstream::eprintln!("warning: {warning}");
            }
        }
        match problems.len() {
            0 => {
                if !self.json {
                    anstream::println!("{name}: no problems ({counts})");
                }
                Ok(())
            }
            n => Err(Failed {
                code: 1,
                says: format!("{n} problems in {name}"),
            }),
        }
    }
}
