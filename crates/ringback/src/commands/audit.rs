//! `ringback audit`: the chain of consents and administrative actions, looked at without a running server or beside one.

use super::{Data, Done, Failed, failed, misused, print_json};
use clap::{Args, Subcommand};
use ringback_core::consent::ledger::Head;
use ringback_core::places::Region;
use ringback_core::time::Clock as _;
use ringback_core::turn::JournalEntry;
use ringback_core::turn::world::PointKey;
use ringback_server::compliance::report::{ReportedAbout, csv, make};
use ringback_server::journal::Journal;
use ringback_server::{MasterKey, WallClock};
use ringback_store::{House as _, Readers, TenantRow};

/// The chain of consents and administrative actions.
#[derive(Debug, Subcommand)]
pub(crate) enum Audit {
    /// Walk the chains and compare every row with what it was. Exit code 1 names the first that is not.
    #[command(
        after_help = "Example: ringback audit verify --tenant alder-plumbing --anchor 17:9f2c…"
    )]
    Verify(Verify),
    /// Print the end of each chain: an anchor to keep on another machine.
    #[command(after_help = "Example: ringback audit head >> /mnt/elsewhere/anchors.txt")]
    Head {
        #[command(flatten)]
        which: Which,
        /// For machines.
        #[arg(long)]
        json: bool,
    },
    /// All about one number or address: consents, messages, what the gates said.
    #[command(after_help = "Example: ringback audit report +13035550142 --csv > report.csv")]
    Report(Report),
    /// Erase what the consents of a number or address say, at the person's request. The chain still verifies. The server must not run.
    #[command(
        after_help = "Example: ringback audit erase +13035550142 --why 'asked by mail on 3 May'"
    )]
    Erase(Erase),
}

/// Which folder and business.
#[derive(Debug, Args)]
pub(crate) struct Which {
    #[command(flatten)]
    data: Data,
    /// Only this business.
    #[arg(long)]
    tenant: Option<String>,
}

/// Walk the chains.
#[derive(Debug, Args)]
pub(crate) struct Verify {
    #[command(flatten)]
    which: Which,
    /// An anchor that was kept elsewhere, as `audit head` printed it; may be given several times. Needs --tenant when there are several.
    #[arg(long)]
    anchor: Vec<Head>,
    /// For machines.
    #[arg(long)]
    json: bool,
}

/// All about one number or address.
#[derive(Debug, Args)]
pub(crate) struct Report {
    /// The number with its country (+1…), or the email address.
    address: String,
    #[command(flatten)]
    which: Which,
    /// A table for spreadsheets instead of JSON.
    #[arg(long)]
    csv: bool,
}

/// Erase what consents say.
#[derive(Debug, Args)]
pub(crate) struct Erase {
    /// The number with its country (+1…), or the email address.
    address: String,
    /// Why: who asked, and when. Kept, so name no person.
    #[arg(long)]
    why: String,
    #[command(flatten)]
    which: Which,
}

impl Which {
    fn look(&self) -> Result<(Readers, Vec<TenantRow>), Failed> {
        let readers = ringback_store::look(self.data.embedded()?)?;
        let mut rows = readers.ask(|store| store.tenants())?;
        if let Some(name) = &self.tenant {
            rows.retain(|row| {
                row.slug == *name || row.name == *name || row.id.to_string() == *name
            });
            if rows.is_empty() {
                return Err(failed(format!("there is no tenant `{name}`")));
            }
        }
        Ok((readers, rows))
    }

    fn one(&self) -> Result<(Readers, TenantRow), Failed> {
        let (readers, mut rows) = self.look()?;
        match (rows.pop(), rows.is_empty()) {
            (Some(row), true) => Ok((readers, row)),
            (None, _) => Err(failed("there is no tenant yet")),
            (Some(_), false) => Err(misused("there are several tenants: name one with --tenant")),
        }
    }
}

impl Audit {
    pub(crate) fn run(self) -> Done {
        match self {
            Self::Verify(verify) => verify.run(),
            Self::Head { which, json } => {
                let (readers, rows) = which.look()?;
                for row in rows {
                    let head = readers.ask(|store| store.anchor(row.id))?;
                    if json {
                        print_json(
                            &serde_json::json!({"tenant": row.id, "slug": row.slug, "anchor": head.to_string()}),
                        )?;
                    } else {
                        anstream::println!("{}  {head}", row.slug);
                    }
                }
                Ok(())
            }
            Self::Report(report) => report.run(),
            Self::Erase(erase) => erase.run(),
        }
    }
}

impl Verify {
    fn run(self) -> Done {
        let (readers, rows) = self.which.look()?;
        if rows.len() > 1 && !self.anchor.is_empty() {
            return Err(misused(
                "an anchor belongs to one tenant: name it with --tenant",
            ));
        }
        let mut broken = Vec::new();
        for row in rows {
            let found = readers.ask(|store| store.verify_chain(row.id, &self.anchor))?;
            match found {
                Ok(whole) if self.json => print_json(&serde_json::json!({
                    "tenant": row.id, "slug": row.slug, "whole": true, "anchor": whole.head.to_string(),
                    "consents": whole.consents, "erased": whole.erased, "actions": whole.actions,
                }))?,
                Ok(whole) => {
                    let against = match self.anchor.len() {
                        0 => "no anchor was given, so a cut end would not show".to_owned(),
                        n => format!("{n} anchors agree"),
                    };
                    anstream::println!(
                        "{}: whole. {} consents ({} erased), {} administrative actions; {against}. Anchor {}",
                        row.slug,
                        whole.consents,
                        whole.erased,
                        whole.actions,
                        whole.head
                    );
                }
                Err(why) => {
                    if self.json {
                        print_json(&serde_json::json!({
                            "tenant": row.id, "slug": row.slug, "whole": false, "entry": why.seq, "why": why.to_string(),
                        }))?;
                    }
                    broken.push(format!("{}: broken at {why}", row.slug));
                }
            }
        }
        if broken.is_empty() {
            Ok(())
        } else {
            Err(failed(broken.join("\n")))
        }
    }
}

fn about(address: &str) -> Result<ReportedAbout, Failed> {
    ReportedAbout::read(address, Region::US).ok_or_else(|| {
        misused(format!(
            "`{address}` is neither a phone number nor an email address"
        ))
    })
}

impl Report {
    fn run(self) -> Done {
        let about = about(&self.address)?;
        let (readers, row) = self.which.one()?;
        let report = readers.ask(|store| make(store, row.id, &about, WallClock.now()))?;
        if self.csv {
            anstream::print!("{}", csv(&report));
            Ok(())
        } else {
            print_json(&report)
        }
    }
}

impl Erase {
    fn run(self) -> Done {
        let about = about(&self.address)?;
        let mut offline = self.which.data.open()?;
        let row = offline.tenant(self.which.tenant.as_deref())?;
        let master = MasterKey::of_folder(self.which.data.folder())?;
        let config = crate::config::load(None, std::env::vars()).map_err(failed)?;
        let folder = config.journal.dir(self.which.data.folder());
        let mut journal = Journal::open(folder, &master)?;
        let key = PointKey {
            tenant: row.id,
            kind: about.kind,
            value: about.value.clone(),
        };
        let forgotten = JournalEntry::Forgotten {
            tenant: row.id,
            before: offline.ids.next(offline.now),
            marks: vec![journal.marks().of(&key)],
            at: offline.now,
        };
        offline.writer.begin()?;
        // A restored database must not bring it back: the journal has it first (P12).
        let n = offline
            .writer
            .erase_consents(row.id, &about.value, "cli", &self.why, offline.now)
            .and_then(|n| journal.write(&[forgotten]).map(|()| n))
            .and_then(|n| offline.writer.commit().map(|()| n));
        if n.is_err() {
            offline.writer.roll_back();
        }
        anstream::println!(
            "{} consents were erased; `ringback audit verify` still holds.",
            n?
        );
        Ok(())
    }
}
