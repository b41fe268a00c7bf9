//! `ringback simulate`: what would go to whom, when and why not, for a file of events under virtual time (W5).

use super::{Done, Failed, failed, print_json};
use clap::Args;
use ringback_core::time::Timestamp;
use ringback_core::turn::simulate::{AFTERWARDS, read, simulate};
use std::path::PathBuf;
use std::sync::Arc;

/// Let a file of events happen to a tenant's folder, under virtual time.
#[derive(Debug, Args)]
pub(crate) struct Simulate {
    /// The folder with tenant.yaml, or the name of a preset that ships.
    folder: PathBuf,
    /// JSON lines with `at` or `at_offset_s`, `path` and `body`; without it the preset's own sample day.
    #[arg(long)]
    events: Option<PathBuf>,
    /// When it begins, such as 2026-11-24T08:00:00Z; offsets count from here.
    #[arg(long, default_value = "2026-11-24T15:00:00Z")]
    from: Timestamp,
    /// Until when time passes; two days after the last event when it is left out.
    #[arg(long)]
    until: Option<Timestamp>,
    /// Where chance begins: jitter and the like.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// For machines.
    #[arg(long)]
    json: bool,
}

impl Simulate {
    pub(crate) fn run(self) -> Done {
        let name = self.folder.to_string_lossy();
        let preset = if self.folder.is_dir() {
            ringback_server::presets::from_folder(&self.folder)
        } else {
            ringback_server::presets::find(&name)
        };
        let preset = preset.map_err(failed)?;
        let config = match ringback_server::onboarding::check(&preset.files) {
            Ok(config) => Arc::new(config),
            Err(problems) => {
                for problem in &problems {
                    anstream::eprintln!("{problem}");
                }
                return Err(Failed {
                    code: 1,
                    says: format!(
                        "{} problems in {name}; nothing was simulated",
                        problems.len()
                    ),
                });
            }
        };
        let text = match (&self.events, preset.events) {
            (Some(path), _) => std::fs::read_to_string(path)
                .map_err(|why| failed(format!("{} cannot be read: {why}", path.display())))?,
            (None, Some(sample)) => sample,
            (None, None) => {
                return Err(failed(format!(
                    "{name} has no sample day; name one with --events"
                )));
            }
        };
        let events = read(&text, self.from).map_err(|why| failed(format!("The events, {why}")))?;
        let last = events.last().map_or(self.from, |event| event.at);
        let after =
            jiff::SignedDuration::try_from(AFTERWARDS).unwrap_or(jiff::SignedDuration::ZERO);
        let until = self.until.unwrap_or(last + after);
        let told = simulate(Arc::clone(&config), &events, self.from, until, self.seed);
        if self.json {
            return print_json(&told);
        }
        anstream::print!("{}", told.show(&config));
        Ok(())
    }
}
