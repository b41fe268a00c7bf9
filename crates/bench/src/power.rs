//! `power`: the power fails under load, over and over. What the disk then has is made from what was synced (P1), and the server is started
//! on it. Nothing that a client was told may be gone.

use crate::{
    crash::{
        clients::{Clients, Told},
        records,
    },
    dice::Dice,
    fault::{Tried, While},
    rig::{Rig, Size, still_there, until_acknowledged},
    shim::{Disk, Files, Shim, after_power_cut, read_files, write_files},
    subject::Subject,
};
use clap::Args;
use rusqlite::Connection;
use serde_json::{Value, json};
use std::{path::PathBuf, sync::Arc, thread, time::Duration};

/// How large the campaign is.
#[derive(Debug, Args)]
pub struct PowerArgs {
    #[command(flatten)]
    size: Size,
    /// How often the power fails, at random instants.
    #[arg(long, default_value_t = 100)]
    cuts: u64,
    /// Microseconds that a sync of the disk takes.
    #[arg(long, default_value_t = 1_500)]
    sync_us: u32,
    /// The disk says that it synced and did nothing: the campaign must find a lost lead, and ends with it.
    #[arg(long)]
    lying_disk: bool,
}

/// What the cuts came to.
#[derive(Debug, Default)]
struct Cuts {
    done: u64,
    torn: u64,
    writes_under_way: u64,
    with_writes_under_way: u64,
    lost: u64,
    damaged: Vec<String>,
}

/// Runs the campaign. True when every promise held, or when a lying disk was found out.
pub async fn run(args: &PowerArgs) -> Tried<(Value, bool)> {
    let mut rig = Rig::new("power", &args.size)?;
    let shim = Shim::build(rig.scratch.path())?;
    shim.set_sync_us(args.sync_us)?;
    shim.put_before(&mut rig.subject, true);
    let before = read_files(&rig.subject.data())?;
    rig.open().await?;
    let clients = Arc::new(rig.clients());
    let copy = rig.scratch.path().join("copy");
    let (instants, seed, lying) = (instants(args), args.size.seed, args.lying_disk);
    let cuts = rig
        .storm(&clients, move |subject, clients| {
            let mut cutter = Cutter {
                shim,
                files: before,
                copy,
                dice: Dice::new(seed, 11),
                cuts: Cuts::default(),
            };
            for instant in instants {
                until_acknowledged(subject, clients, instant)?;
                cutter.cut(subject, clients, lying)?;
                if lying && cutter.cuts.lost > 0 {
                    clients.give_up();
                    break;
                }
            }
            Ok(cutter.cuts)
        })
        .await?;
    let told = json!({
        "cuts": cuts.done, "with_torn_sectors": cuts.torn, "with_writes_under_way": cuts.with_writes_under_way,
        "writes_under_way": cuts.writes_under_way, "lost_at_a_cut": cuts.lost, "damaged_at_a_cut": cuts.damaged,
    });
    if args.lying_disk {
        let found = cuts.lost > 0;
        let line = json!({"campaign": "power", "held": found, "seed": seed, "lying_disk": true, "power": told});
        return Ok((line, found));
    }
    let ended = rig.end(&clients, &[]).await?;
    let held = ended.verdict.held() && cuts.lost == 0 && cuts.damaged.is_empty();
    let mut line = ended.line;
    line["held"] = held.into();
    line["power"] = told;
    Ok((line, held))
}

/// The instants, as counts of acknowledged leads, rising.
fn instants(args: &PowerArgs) -> Vec<u64> {
    let mut dice = Dice::new(args.size.seed, 10);
    let mut instants: Vec<u64> = (0..args.cuts)
        .map(|_| 1 + dice.below(args.size.leads))
        .collect();
    instants.sort_unstable();
    instants
}

struct Cutter {
    shim: Shim,
    /// The disk when the server was started.
    files: Files,
    /// Where what is left is looked at before the server sees it.
    copy: PathBuf,
    dice: Dice,
    cuts: Cuts,
}

impl Cutter {
    fn cut(&mut self, subject: &mut Subject, clients: &Clients, lying: bool) -> Tried<()> {
        thread::sleep(Duration::from_micros(self.dice.below(20_000)));
        subject.kill();
        // Whoever was answered before the power failed is in this book, or hears of it a little later; the end looks at all.
        let told = clients.told();
        let records = self.shim.take_records()?;
        let disk = match (lying, self.dice.once_in(2)) {
            (true, _) => Disk::Lying,
            (false, true) => Disk::Torn,
            (false, false) => Disk::Strict,
        };
        let before = std::mem::take(&mut self.files);
        let (files, loose) = after_power_cut(before, &records, disk, &mut self.dice);
        write_files(&self.copy, &files)?;
        write_files(&subject.data(), &files)?;
        let cuts = &mut self.cuts;
        cuts.done += 1;
        cuts.torn += u64::from(disk == Disk::Torn);
        cuts.writes_under_way += loose;
        cuts.with_writes_under_way += u64::from(loose > 0);
        let database = self.copy.join("ringback.db");
        // What only reads may not recover; this does, as the server will.
        Connection::open(&database)
            .and_then(|db| db.query_row("SELECT count(*) FROM sqlite_master", [], |_| Ok(())))
            .during("opening what a power cut left")?;
        let book = records::read(&records::Source::File(database))?;
        let gone = told.values().filter(
            |told| matches!(told, Told::Acknowledged(lead) if !book.leads.contains(&lead.raw())),
        );
        cuts.lost += gone.count() as u64;
        cuts.damaged.extend(book.damage);
        if lying && cuts.lost > 0 {
            return Ok(());
        }
        self.files = files;
        let took = subject.start()?;
        let (done, acknowledged) = (cuts.done, clients.acknowledged());
        eprintln!(
            "bench: power cut {done} at {acknowledged} acknowledged leads, {loose} writes under way, back after {took:?}"
        );
        still_there(subject)
    }
}
