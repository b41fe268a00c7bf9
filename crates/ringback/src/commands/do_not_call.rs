//! `ringback do-not-call`: national lists, read in while no server runs (US-9, UK-4). A running server takes them at
//! `POST /v1/do-not-call/import`.

use super::{Data, Done, failed, misused, print_json};
use clap::{Args, Subcommand};
use ringback_core::consent::national::day_of;
use ringback_server::do_not_call::read::Lines;
use ringback_server::do_not_call::read_which;
use ringback_store::House as _;
use std::io::Read as _;
use std::path::PathBuf;

/// National do-not-call lists.
#[derive(Debug, Subcommand)]
pub(crate) enum DoNotCall {
    /// Read a list in: one number a line, or CSV. It is asked when it was read whole, instead of the one before. The server must not run.
    #[command(
        after_help = "Example: ringback do-not-call import numbers.csv --country US --date 2026-11-20"
    )]
    Import(Import),
    /// The lists that are asked.
    #[command(after_help = "Example: ringback do-not-call list")]
    List {
        #[command(flatten)]
        data: Data,
        /// Only this business.
        #[arg(long)]
        tenant: Option<String>,
    },
}

/// Read a list in.
#[derive(Debug, Args)]
pub(crate) struct Import {
    /// The file, or - for what is piped in.
    file: PathBuf,
    /// Whose list: US or GB.
    #[arg(long)]
    country: String,
    /// The day it was drawn up, such as 2026-11-20.
    #[arg(long)]
    date: String,
    /// The business; needed when there are several.
    #[arg(long)]
    tenant: Option<String>,
    #[command(flatten)]
    data: Data,
    /// For machines.
    #[arg(long)]
    json: bool,
}

/// Bytes read, and numbers written, in one go.
const PIECE: usize = 1 << 18;

impl DoNotCall {
    pub(crate) fn run(self) -> Done {
        match self {
            Self::Import(import) => import.run(),
            Self::List { data, tenant } => {
                let offline = data.open()?;
                let row = offline.tenant(tenant.as_deref())?;
                let lists = offline.writer.national_lists(row.id)?;
                if lists.is_empty() {
                    anstream::println!("{} has no national list.", row.slug);
                }
                for list in lists {
                    anstream::println!(
                        "{}  {}  {} numbers",
                        list.country,
                        list.as_of,
                        list.numbers
                    );
                }
                Ok(())
            }
        }
    }
}

impl Import {
    fn run(self) -> Done {
        let mut offline = self.data.open()?;
        let row = offline.tenant(self.tenant.as_deref())?;
        let today = day_of(offline.now);
        let (country, date) = read_which(&self.country, &self.date, today)
            .map_err(|(field, why)| misused(format!("{field}: {why}")))?;
        let have = offline.writer.national_lists(row.id)?;
        if let Some(list) = have
            .iter()
            .find(|list| list.country == country && list.as_of > date)
        {
            return Err(failed(format!(
                "the list that is asked is newer: it is of {}",
                list.as_of
            )));
        }
        let mut file: Box<dyn std::io::Read> = if self.file.as_os_str() == "-" {
            Box::new(std::io::stdin())
        } else {
            Box::new(std::fs::File::open(&self.file).map_err(|error| {
                failed(format!("{} cannot be read: {error}", self.file.display()))
            })?)
        };
        let id = offline.ids.next(offline.now);
        let (tenant, now) = (row.id, offline.now);
        let writer = &mut offline.writer;
        // All in one commit: a command that is broken off leaves nothing behind.
        writer.begin()?;
        let mut read = || -> Result<(i64, Lines), super::Failed> {
            writer.begin_national_list(tenant, id, country, date, now)?;
            let mut lines = Lines::new(country);
            let (mut piece, mut numbers) = (vec![0; PIECE], 0);
            loop {
                let n = file
                    .read(&mut piece)
                    .map_err(|error| failed(format!("the file cannot be read: {error}")))?;
                match piece.get(..n) {
                    None | Some([]) => lines.end(),
                    Some(bytes) => lines.feed(bytes),
                }
                let ready = lines.take(usize::MAX);
                numbers += writer.add_national_numbers(tenant, id, &ready)?;
                if n == 0 {
                    break;
                }
            }
            lines.sound().map_err(failed)?;
            let numbers = i64::try_from(numbers)?;
            writer.ask_national_list(tenant, id, country, numbers)?;
            let details = serde_json::json!({"country": country, "date": date.to_string(), "numbers": numbers, "passed_over": lines.passed_over});
            writer.write_audit(tenant, "cli", None, "do_not_call.import", &details, now)?;
            writer.commit()?;
            Ok((numbers, lines))
        };
        let read = read();
        if read.is_err() {
            writer.roll_back();
        }
        let (numbers, lines) = read?;
        if self.json {
            return print_json(
                &serde_json::json!({"tenant": tenant, "country": country, "date": date.to_string(), "numbers": numbers, "passed_over": lines.passed_over}),
            );
        }
        anstream::println!(
            "{} asks the list of {date} from now on: {numbers} numbers of {}; {} lines held none.",
            row.slug,
            country.name(),
            lines.passed_over
        );
        Ok(())
    }
}
