//! `restore`: a backup at a random instant of a busy server, more leads, STOPs, deletions and sends after it, then the data folder is lost but
//! for its journal; the backup is restored and the server goes on (P11, P12, reliability 4.6).
//!
//! The providers remember. Nobody may get a message twice unless the store lists it as possibly repeated; whoever said STOP gets no text
//! any more; of whoever was deleted no table knows anything; an offer never comes twice; nothing goes to customers before the release.

use crate::{
    crash::{
        clients::{Clients, Told},
        records,
    },
    dice::Dice,
    fault::{Fault, Tried, While, fault},
    figures::round,
    people,
    rig::{Rig, Size, wait_until_settled},
    sink::OFFER,
    wire,
};
use clap::Args;
use jiff::{SignedDuration, Timestamp};
use ringback_channels::signing::twilio::{Algorithm, Signed, sign};
use ringback_core::ids::LeadId;
use ringback_core::messages::{ChannelKind, Status};
use rusqlite::{Connection, OpenFlags, types::ValueRef};
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

/// How large the campaign is.
#[derive(Debug, Args)]
pub struct RestoreArgs {
    #[command(flatten)]
    size: Size,
    /// How often all of it is done, each time with another seed.
    #[arg(long, default_value_t = 3)]
    times: u64,
    /// Leads a second.
    #[arg(long, default_value_t = 100)]
    pace: u32,
    /// The restore does nothing of what the journal remembers (a build with the feature `seeded-bugs`): the campaign must find a forgotten
    /// STOP or deletion.
    #[arg(long)]
    expect_forgotten: bool,
}

/// Tokens of texts that were asked for ahead of time are those of their leads and this.
const REMINDER: u64 = 10_000_000;
/// Tokens of offers.
const BARGAIN: u64 = 20_000_000;
/// One lead in so many has a reminder and an offer waiting.
const ONE_IN: u64 = 3;
/// How long the server is watched while it holds everything.
const HOLD: Duration = Duration::from_secs(3);
/// Leads that come while everything is held.
const MEANWHILE: u64 = 20;

/// Runs the campaign. True when every promise held, or when the seeded bug was found.
pub async fn run(args: &RestoreArgs) -> Tried<(Value, bool)> {
    let mut sum = Sum::default();
    let begun = Instant::now();
    for at in 0..args.times {
        let seed = args.size.seed + at;
        let size = Size {
            seed,
            ..args.size.clone()
        };
        let mut drill = Drill::begin(&size, args).await?;
        let found = drill.go(args.pace).await?;
        eprintln!("bench: seed {seed}: {found:?}");
        sum.add(seed, found);
    }
    let held = if args.expect_forgotten {
        sum.forgotten() > 0
    } else {
        sum.breaches.is_empty()
    };
    let mut line = sum.json();
    line["campaign"] = "restore".into();
    line["held"] = held.into();
    line["seed"] = args.size.seed.into();
    line["times"] = args.times.into();
    line["leads"] = args.size.leads.into();
    line["seconds"] = json!(round(begun.elapsed().as_secs_f64(), 1));
    if args.expect_forgotten {
        line["expected"] = "a forgotten STOP or deletion".into();
    }
    Ok((line, held))
}

/// What one drill came to.
#[derive(Debug, Default, Clone)]
struct Found {
    acknowledged: u64,
    backup_at: u64,
    lost_since: u64,
    stopped: u64,
    erased: u64,
    doubted: u64,
    listed: u64,
    twice_and_listed: u64,
    offers: u64,
    held: u64,
    restore_ms: u64,
    breaches: BTreeMap<&'static str, (u64, Vec<String>)>,
}

impl Found {
    fn breach(&mut self, what: &'static str, example: String) {
        let (n, examples) = self.breaches.entry(what).or_default();
        *n += 1;
        if examples.len() < 3 {
            examples.push(example);
        }
    }
}

#[derive(Debug, Default)]
struct Sum {
    all: Found,
    breaches: BTreeMap<&'static str, (u64, Vec<String>)>,
}

const STOP_FORGOTTEN: &str = "texts_to_stopped_numbers";
const ERASURE_FORGOTTEN: &str = "traces_of_erased_leads";

impl Sum {
    fn add(&mut self, seed: u64, found: Found) {
        let all = &mut self.all;
        all.acknowledged += found.acknowledged;
        all.backup_at += found.backup_at;
        all.lost_since += found.lost_since;
        all.stopped += found.stopped;
        all.erased += found.erased;
        all.doubted += found.doubted;
        all.listed += found.listed;
        all.twice_and_listed += found.twice_and_listed;
        all.offers += found.offers;
        all.held += found.held;
        all.restore_ms = all.restore_ms.max(found.restore_ms);
        for (what, (n, examples)) in found.breaches {
            let known = self.breaches.entry(what).or_default();
            known.0 += n;
            known.1.extend(
                examples
                    .into_iter()
                    .map(|one| format!("seed {seed}: {one}")),
            );
            known.1.truncate(5);
        }
    }

    fn forgotten(&self) -> u64 {
        let count = |what: &str| self.breaches.get(what).map_or(0, |(n, _)| *n);
        count(STOP_FORGOTTEN) + count(ERASURE_FORGOTTEN)
    }

    fn json(&self) -> Value {
        let all = &self.all;
        let counts: serde_json::Map<String, Value> = self
            .breaches
            .iter()
            .map(|(what, (n, examples))| {
                ((*what).to_owned(), json!({"n": n, "examples": examples}))
            })
            .collect();
        json!({
            "leads_acknowledged": all.acknowledged, "acknowledged_before_the_backups": all.backup_at,
            "lost_since_the_backups": all.lost_since, "stopped_since": all.stopped, "erased_since": all.erased,
            "messages_doubted": all.doubted, "listed_as_possibly_repeated": all.listed,
            "arrived_twice_and_listed": all.twice_and_listed, "offers_that_arrived": all.offers,
            "held_until_released": all.held, "slowest_restore_ms": all.restore_ms, "breaches": counts,
        })
    }
}

/// One loss and one restore.
struct Drill {
    rig: Rig,
    hook: String,
    backups: PathBuf,
    journal: PathBuf,
    key: PathBuf,
    bug: bool,
}

impl Drill {
    async fn begin(size: &Size, args: &RestoreArgs) -> Tried<Self> {
        let mut rig = Rig::new("restore", size)?;
        let (backups, journal, key) = (
            rig.scratch.path().join("backups"),
            rig.scratch.path().join("journal"),
            rig.scratch.path().join("master.key"),
        );
        rig.subject.set("RINGBACK__BACKUP__EVERY", "off");
        rig.subject
            .set("RINGBACK__JOURNAL__DIR", &journal.display().to_string());
        // Reports and replies of Twilio are signed for this address.
        let public = format!("http://{}", rig.subject.addr());
        rig.subject.set("RINGBACK__SERVER__PUBLIC_URL", &public);
        rig.open().await?;
        let list = rig
            .subject
            .get(&rig.tenant.api_key, "/v1/connections")
            .await?;
        let hook = list["data"]
            .as_array()
            .into_iter()
            .flatten()
            .find(|one| one["provider"] == "twilio")
            .and_then(|one| one["webhook_url"].as_str())
            .ok_or_else(|| Fault::new("the connection to Twilio has no webhook_url"))?
            .to_owned();
        fs::copy(rig.subject.data().join("master.key"), &key).during("keeping the master key")?;
        Ok(Self {
            rig,
            hook,
            backups,
            journal,
            key,
            bug: args.expect_forgotten,
        })
    }

    async fn go(&mut self, pace: u32) -> Tried<Found> {
        let mut dice = Dice::new(self.rig.size.seed, 90);
        let leads = self.rig.size.leads;
        let mut found = Found::default();
        let manners = crate::crash::clients::Manners {
            pace: Some(pace),
            want_offers: true,
            ..Default::default()
        };
        // The backup is made while these come in, at a random instant of theirs.
        let half = leads / 2;
        let first = Arc::new(self.rig.clients().with(manners).only(0, half));
        let second = Arc::new(self.rig.clients().with(manners).only(half, leads));
        let backup_after = half / 2 + dice.below(half / 2);
        let made = {
            let (clients, backed_up) = (first.clone(), self.back_up_after(&first, backup_after));
            let (_, backed_up) =
                tokio::join!(clients.post_all(self.rig.size.connections), backed_up);
            backed_up?
        };
        found.backup_at = made.acknowledged.len() as u64;
        let torment = self.torment(&first, &mut dice, &second);
        let (_, tormented) = tokio::join!(second.post_all(self.rig.size.connections), torment);
        let (stopped, erased) = tormented?;
        // Some of what was asked for ahead of time goes out between the backup and the loss, some is still to come.
        tokio::time::sleep(Duration::from_millis(500 + dice.below(1_500))).await;
        self.rig.subject.kill();
        fs::remove_dir_all(self.rig.subject.data()).during("losing the data folder")?;

        let begun = Instant::now();
        let told = self.restore()?;
        found.restore_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        let (restored, restored_at) = (Instant::now(), Timestamp::now());
        found.doubted = told["tenants"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|one| one["doubted"].as_u64())
            .sum();
        let before = self.rig.sink.tally().count;
        self.rig.subject.start()?;
        let third = Arc::new(
            self.rig
                .clients()
                .with(manners)
                .only(leads, leads + MEANWHILE),
        );
        third.post_all(4).await;
        tokio::time::sleep(HOLD).await;
        let meanwhile = self.rig.sink.tally().count - before;
        if meanwhile > 0 {
            found.breach(
                "sent_while_held",
                format!("{meanwhile} messages reached customers before the release"),
            );
        }
        let key = self.rig.tenant.api_key.clone();
        let hold = self.rig.subject.get(&key, "/v1/recovery").await?;
        found.held = hold["held"].as_u64().unwrap_or(0);
        if hold["state"] != "holds" || found.held < MEANWHILE {
            found.breach("hold_is_wrong", hold.to_string());
        }
        self.rig
            .subject
            .post(&key, "/v1/recovery/release", &json!({}))
            .await?;
        let size = self.rig.size.clone();
        let settled = wait_until_settled(
            &mut self.rig.subject,
            Duration::from_secs(size.settle_seconds),
            Duration::from_secs(size.unknown_seconds),
        )
        .await?;
        if settled.is_none() {
            found.breach("not_settled", "messages wait although time is up".into());
        }
        self.rig.subject.stop()?;
        for clients in [&first, &second, &third] {
            found.acknowledged += clients.acknowledged();
        }
        let database = self.rig.subject.database()?;
        let seen = Seen {
            made: &made,
            stopped: &stopped,
            erased: &erased,
            third: &third,
            restored,
            restored_at,
        };
        self.compare(&database, &seen, &mut found)?;
        self.verify_chain(&mut found)?;
        (found.stopped, found.erased) = (stopped.len() as u64, erased.len() as u64);
        Ok(found)
    }

    /// Asks for reminders and offers ahead of time, and makes the backup by the command line beside the busy server.
    async fn back_up_after(&self, clients: &Clients, count: u64) -> Tried<Made> {
        let mut dice = Dice::new(self.rig.size.seed, 91);
        let mut asked = BTreeSet::new();
        while clients.acknowledged() < count && !clients.done() {
            self.ask_ahead(clients, &mut asked, &mut dice).await?;
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let acknowledged = acknowledged(clients);
        let (command, to) = (self.rig.subject.command(), self.backups.clone());
        let output = tokio::task::spawn_blocking(move || {
            let mut command = command;
            command.arg("backup").arg("--to").arg(to).arg("--json");
            command.output()
        })
        .await
        .map_err(|_| Fault::new("the backup panicked"))?
        .during("running `ringback backup`")?;
        let output = output_of("backup", output)?;
        if output["manifest"]["sha256"].as_str().is_none() {
            return Err(fault!("the backup has no manifest: {output}"));
        }
        // What is asked for after the backup is lost with it.
        Ok(Made { acknowledged })
    }

    /// A reminder and an offer for some of the leads that were acknowledged, due within the next seconds.
    async fn ask_ahead(
        &self,
        clients: &Clients,
        asked: &mut BTreeSet<u64>,
        dice: &mut Dice,
    ) -> Tried<()> {
        for (n, lead) in acknowledged(clients) {
            if n % ONE_IN != 0 || !asked.insert(n) {
                continue;
            }
            let kinds = [
                (REMINDER, "transactional", "See you soon"),
                (BARGAIN, "promotional", OFFER),
            ];
            for (kind, category, words) in kinds {
                let due =
                    Timestamp::now() + SignedDuration::from_millis(dice.below(12_000) as i64 + 200);
                let token = people::token(n + kind, people::now_us());
                let body = json!({"lead_id": lead, "channel": "sms", "category": category, "send_at": due,
                    "body": format!("{}: {words} {token}. Reply STOP to end.", self.rig.name)});
                let key = &self.rig.tenant.api_key;
                self.rig.subject.post(key, "/v1/messages", &body).await?;
            }
        }
        Ok(())
    }

    /// People reply STOP, and the business deletes leads: of those before the backup and of those after it.
    async fn torment(
        &self,
        first: &Clients,
        dice: &mut Dice,
        second: &Clients,
    ) -> Tried<(BTreeSet<u64>, BTreeMap<u64, LeadId>)> {
        let (mut stopped, mut erased) = (BTreeSet::new(), BTreeMap::new());
        for (at, clients) in [first, second].into_iter().enumerate() {
            while at == 1 && clients.acknowledged() < 20 && !clients.done() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            for (n, lead) in acknowledged(clients) {
                match dice.below(12) {
                    0 => {
                        self.stop(n, dice.below(2) == 0).await?;
                        stopped.insert(n);
                    }
                    1 => {
                        let path = format!("/v1/leads/{lead}");
                        let key = Some(&*self.rig.tenant.api_key);
                        let addr = self.rig.subject.addr();
                        let answer = wire::call(addr, "DELETE", &path, key, None)
                            .await
                            .during("deleting a lead")?;
                        if !(200..300).contains(&answer.status) {
                            return Err(fault!(
                                "DELETE {path}: {} {}",
                                answer.status,
                                answer.text()
                            ));
                        }
                        erased.insert(n, lead);
                    }
                    _ => {}
                }
            }
        }
        Ok((stopped, erased))
    }

    /// STOP by the provider's webhook, or by a person of the business. Counts once it was answered.
    async fn stop(&self, n: u64, by_reply: bool) -> Tried<()> {
        let phone = people::phone(n);
        if !by_reply {
            let body = json!({"phone": phone, "reason": "opted_out", "how": "on the phone"});
            let key = &self.rig.tenant.api_key;
            self.rig
                .subject
                .post(key, "/v1/suppressions", &body)
                .await?;
            return Ok(());
        }
        let fields = [
            (
                "AccountSid",
                "AC00000000000000000000000000000001".to_owned(),
            ),
            ("From", phone),
            ("To", "+12125550100".to_owned()),
            ("Body", "STOP".to_owned()),
            ("MessageSid", format!("SM{n:032x}")),
            ("SmsStatus", "received".to_owned()),
        ]
        .map(|(name, value)| (name.to_owned(), value));
        let signature = sign(
            "0123456789abcdef0123456789abcdef",
            Algorithm::Sha1,
            &self.hook,
            Signed::Form(&fields),
        );
        let form: Vec<String> = fields
            .iter()
            .map(|(name, value)| format!("{name}={}", wire::escape(value)))
            .collect();
        let path = self.hook.splitn(4, '/').nth(3).unwrap_or_default();
        let request = wire::Request::new("POST", &format!("/{path}"), self.rig.subject.addr())
            .header("content-type", "application/x-www-form-urlencoded")
            .header("x-twilio-signature", &signature)
            .body(form.join("&").as_bytes());
        let mut wire = wire::Wire::connect(self.rig.subject.addr())
            .await
            .during("replying STOP")?;
        let answer = wire.ask(&request).await.during("replying STOP")?;
        if !(200..300).contains(&answer.status) {
            return Err(fault!(
                "a STOP was answered {}: {}",
                answer.status,
                answer.text()
            ));
        }
        Ok(())
    }

    fn restore(&self) -> Tried<Value> {
        let mut command = self.rig.subject.command();
        command.arg("restore").arg(&self.backups);
        command.arg("--config").arg(self.rig.subject.config());
        command.arg("--key").arg(&self.key).arg("--json");
        if self.bug {
            command.env("RINGBACK_TEST_BUGS", "journal-not-replayed");
        }
        let told = output_of(
            "restore",
            command.output().during("running `ringback restore`")?,
        )?;
        if told["journal_damaged"]
            .as_array()
            .is_none_or(|all| !all.is_empty())
        {
            return Err(fault!(
                "the journal in {} is damaged: {told}",
                self.journal.display()
            ));
        }
        Ok(told)
    }

    fn verify_chain(&self, found: &mut Found) -> Tried<()> {
        let mut command = self.rig.subject.command();
        let output = command
            .args(["audit", "verify"])
            .output()
            .during("running `ringback audit verify`")?;
        if !output.status.success() {
            let says = String::from_utf8_lossy(&output.stdout);
            found.breach("chain_broken", says.into_owned());
        }
        Ok(())
    }

    fn compare(&self, database: &Path, seen: &Seen<'_>, found: &mut Found) -> Tried<()> {
        let book = records::read(&records::Source::File(database.to_owned()))?;
        for damage in &book.damage {
            found.breach("damage", damage.clone());
        }
        for (n, lead) in &seen.made.acknowledged {
            if !book.leads.contains(&lead.raw()) {
                found.breach("lost_although_backed_up", format!("lead {n}, {lead}"));
            }
        }
        for (n, told) in seen.third.told() {
            match told {
                Told::Acknowledged(lead) if book.leads.contains(&lead.raw()) => {}
                other => found.breach("lost_after_the_restore", format!("lead {n}: {other:?}")),
            }
        }
        let stored = stored_messages(database)?;
        found.listed = stored.values().filter(|one| one.listed).count() as u64;
        let mut lost = 0;
        for ((n, channel), copies) in self.rig.sink.copies() {
            let known = stored.get(&(n, channel));
            lost += u64::from(known.is_none());
            match (copies, known.is_some_and(|one| one.listed)) {
                (2.., true) => found.twice_and_listed += 1,
                (2.., false) => found.breach(
                    "doubled_and_not_listed",
                    format!("{channel} of {n} arrived {copies} times: {known:?}"),
                ),
                _ => {}
            }
        }
        found.lost_since = lost;
        let mut offers: HashMap<u64, u32> = HashMap::new();
        for (n, _) in self.rig.sink.offers() {
            *offers.entry(n).or_default() += 1;
        }
        found.offers = offers.len() as u64;
        for (n, copies) in offers.iter().filter(|(_, copies)| **copies > 1) {
            found.breach(
                "offers_doubled",
                format!("the offer {n} arrived {copies} times"),
            );
        }
        for n in seen.stopped {
            let phone = people::phone(*n);
            for (at, body) in self.rig.sink.texts_to(&phone) {
                if at > seen.restored_at {
                    found.breach(STOP_FORGOTTEN, format!("lead {n} at {at}: {body}"));
                }
            }
        }
        let arrivals = self.rig.sink.arrivals();
        for n in seen.erased.keys() {
            for kind in [0, REMINDER, BARGAIN] {
                for channel in [ChannelKind::Sms, ChannelKind::Email] {
                    let times = arrivals.get(&(n + kind, channel));
                    if times.into_iter().flatten().any(|at| *at > seen.restored) {
                        found.breach(
                            ERASURE_FORGOTTEN,
                            format!("{channel} to the deleted lead {n} after the restore"),
                        );
                    }
                }
            }
        }
        for trace in traces(database, seen.erased)? {
            found.breach(ERASURE_FORGOTTEN, trace);
        }
        Ok(())
    }
}

/// What was true when the backup was made.
struct Made {
    acknowledged: BTreeMap<u64, LeadId>,
}

/// What everybody remembers.
struct Seen<'a> {
    made: &'a Made,
    stopped: &'a BTreeSet<u64>,
    erased: &'a BTreeMap<u64, LeadId>,
    third: &'a Clients,
    restored: Instant,
    restored_at: Timestamp,
}

fn acknowledged(clients: &Clients) -> BTreeMap<u64, LeadId> {
    clients
        .told()
        .into_iter()
        .filter_map(|(n, told)| match told {
            Told::Acknowledged(lead) => Some((n, lead)),
            Told::Unexpected(_) => None,
        })
        .collect()
}

fn output_of(what: &str, output: std::process::Output) -> Tried<Value> {
    if !output.status.success() {
        return Err(fault!(
            "`ringback {what}` ended with {}: {}",
            output.status,
            String::from_utf8_lossy(&output.stderr)
        ));
    }
    serde_json::from_slice(&output.stdout)
        .during(format_args!("reading what `ringback {what}` printed"))
}

/// A message as the store has it.
#[derive(Debug)]
struct Stored {
    /// As possibly repeated, or nobody knows.
    listed: bool,
}

fn open(database: &Path) -> Tried<Connection> {
    Connection::open_with_flags(database, OpenFlags::SQLITE_OPEN_READ_ONLY)
        .during("opening the server's database")
}

/// Messages by the token they say, their own or their lead's.
fn stored_messages(database: &Path) -> Tried<HashMap<(u64, ChannelKind), Stored>> {
    let db = open(database)?;
    let sql = "SELECT m.channel, m.status, m.repeated, m.body, l.last_name FROM messages AS m LEFT JOIN leads AS l ON l.id = m.lead_id";
    let mut read = db.prepare(sql).during(sql)?;
    let mut rows = read.query([]).during(sql)?;
    let mut all = HashMap::new();
    while let Some(row) = rows.next().during(sql)? {
        let text = |at: usize| -> Option<String> { row.get(at).ok().flatten() };
        let token = text(3)
            .or_else(|| text(4))
            .and_then(|text| people::read_token(text.as_bytes()));
        let (channel, status, repeated): (i64, i64, i64) = (
            row.get(0).during(sql)?,
            row.get(1).during(sql)?,
            row.get(2).during(sql)?,
        );
        if let (Some((n, _)), Some(channel)) = (token, ChannelKind::from_code(channel)) {
            let listed = repeated != 0 || status == Status::Unknown.code();
            let known = all.entry((n, channel)).or_insert(Stored { listed });
            known.listed |= listed;
        }
    }
    Ok(all)
}

/// What any table still says of the deleted: their token, address or number. Consents keep the number, as the law wants their proof, and
/// so does the suppression list.
fn traces(database: &Path, erased: &BTreeMap<u64, LeadId>) -> Tried<Vec<String>> {
    let db = open(database)?;
    let mut tables = db
        .prepare("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
        .during("listing the tables")?;
    let names: Vec<String> = tables
        .query_map([], |row| row.get(0))
        .and_then(Iterator::collect)
        .during("listing the tables")?;
    let phones: HashMap<String, u64> = erased.keys().map(|n| (people::phone(*n), *n)).collect();
    let mails: HashMap<String, u64> = erased.keys().map(|n| (people::email(*n), *n)).collect();
    let mut found = Vec::new();
    for table in names {
        let sql = format!("SELECT * FROM \"{table}\"");
        let mut read = db.prepare(&sql).during(&sql)?;
        let columns = read.column_count();
        let mut rows = read.query([]).during(&sql)?;
        while let Some(row) = rows.next().during(&sql)? {
            for at in 0..columns {
                let Ok(ValueRef::Text(text)) = row.get_ref(at) else {
                    continue;
                };
                let kept = matches!(&*table, "consents" | "contact_points");
                let words = String::from_utf8_lossy(text);
                let numbers = (!kept)
                    .then(|| phones.iter().find(|(phone, _)| words.contains(&***phone)))
                    .flatten();
                let address = (table != "consents")
                    .then(|| mails.iter().find(|(mail, _)| words.contains(&***mail)))
                    .flatten();
                let token = people::read_token(text)
                    .map(|(n, _)| n % REMINDER)
                    .filter(|n| erased.contains_key(n));
                let n = numbers.or(address).map(|(_, n)| *n).or(token);
                if let Some(n) = n {
                    let column = row.as_ref().column_name(at).unwrap_or("?").to_owned();
                    let words: String = words.chars().take(120).collect();
                    found.push(format!("lead {n} in {table}.{column}: {words}"));
                }
            }
        }
    }
    Ok(found)
}
