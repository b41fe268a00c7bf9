//! What all campaigns with clients share: a server with two connections to the sink, clients that do not give up, somebody who torments the
//! server meanwhile, and at the end the three records side by side.

use crate::{
    crash::{
        clients::Clients,
        records::{self, Book},
        verdict::{self, Verdict},
    },
    fault::{Fault, Tried, While, fault},
    figures::round,
    sink::{Copies, Sink},
    subject::{Elsewhere, Scratch, Subject, Tenant},
};
use clap::Args;
use serde_json::{Value, json};
use std::{
    path::PathBuf,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

/// How large a campaign is.
#[derive(Debug, Clone, Args)]
pub struct Size {
    /// The server under test.
    #[arg(long, default_value = "target/release/ringback")]
    pub binary: PathBuf,
    /// Leads in all.
    #[arg(long, default_value_t = 10_000)]
    pub leads: u64,
    /// Connections at the same time.
    #[arg(long, default_value_t = 64)]
    pub connections: usize,
    /// Decides everything that is left to chance.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Milliseconds that the providers take to answer, so that calls are under way when something happens.
    #[arg(long, default_value_t = 5)]
    pub sink_delay_ms: u64,
    /// How long to wait at the end for messages to settle.
    #[arg(long, default_value_t = 180)]
    pub settle_seconds: u64,
    /// How long to wait, once the rest has settled, for unknown messages to be found out; ends when none of them changes any more.
    #[arg(long, default_value_t = 75)]
    pub unknown_seconds: u64,
    /// Where the data folder is made; the system's temporary folder otherwise.
    #[arg(long)]
    pub folder: Option<PathBuf>,
    /// Leaves the data folder behind.
    #[arg(long)]
    pub keep: bool,
}

/// A server that is ready to be tormented.
pub struct Rig {
    /// The campaign's name.
    pub name: &'static str,
    /// How large it is.
    pub size: Size,
    /// The folder of everything.
    pub scratch: Scratch,
    /// The providers.
    pub sink: Sink,
    /// The server.
    pub subject: Subject,
    /// Its tenant.
    pub tenant: Tenant,
    begun: Instant,
}

/// A campaign whose messages have come to rest.
pub struct Ended {
    /// What the comparison found.
    pub verdict: Verdict,
    /// What the database says.
    pub book: Book,
    /// What the providers saw.
    pub saw: Copies,
    /// The line to print, without what only this campaign knows.
    pub line: Value,
}

impl Rig {
    /// Makes folder, tenant and sink; the server does not run yet, so that its surroundings can be arranged.
    pub fn new(name: &'static str, size: &Size) -> Tried<Self> {
        Self::on(name, size, None)
    }

    /// The same with everything in a database elsewhere, where one is named.
    pub fn on(name: &'static str, size: &Size, elsewhere: Option<Elsewhere>) -> Tried<Self> {
        let scratch = Scratch::new(name, size.folder.as_deref(), size.keep)?;
        let sink = Sink::start(true)?;
        sink.answer_after(Duration::from_millis(size.sink_delay_ms));
        let mut subject = Subject::new(&size.binary, scratch.path())?;
        if let Some(elsewhere) = elsewhere {
            subject.keep_in(elsewhere);
        }
        let tenant = subject.create_tenant(name, "bench")?;
        Ok(Self {
            name,
            size: size.clone(),
            scratch,
            sink,
            subject,
            tenant,
            begun: Instant::now(),
        })
    }

    /// Starts the server and adds the connections.
    pub async fn open(&mut self) -> Tried<()> {
        self.subject.start()?;
        self.subject.connect(&self.tenant, &self.sink).await?;
        self.begun = Instant::now();
        Ok(())
    }

    /// Clients for all leads of the campaign.
    pub fn clients(&self) -> Clients {
        let size = &self.size;
        Clients::new(
            self.subject.addr(),
            &self.tenant.api_key,
            size.seed,
            size.leads,
        )
    }

    /// Lets the clients post while `torment` has the server, until both are through. An error of `torment` ends the clients too.
    pub async fn storm<T: Send + 'static>(
        &mut self,
        clients: &Arc<Clients>,
        torment: impl FnOnce(&mut Subject, &Clients) -> Tried<T> + Send + 'static,
    ) -> Tried<T> {
        let mut subject = self.subject.lend();
        let theirs = clients.clone();
        let tormentor = thread::Builder::new()
            .name("tormentor".into())
            .spawn(move || {
                let done = torment(&mut subject, &theirs);
                if done.is_err() {
                    theirs.give_up();
                }
                (subject, done)
            })
            .during("starting the tormentor")?;
        clients.post_all(self.size.connections).await;
        while !tormentor.is_finished() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let (subject, done) = tormentor
            .join()
            .map_err(|_| Fault::new("the tormentor panicked"))?;
        self.subject = subject;
        done
    }

    /// Waits until nothing moves any more, stops the server, and compares; `further` are sinks beside the usual one.
    pub async fn end(&mut self, clients: &Clients, further: &[&Sink]) -> Tried<Ended> {
        self.sink.answer_after(Duration::ZERO);
        let size = &self.size;
        let settled = wait_until_settled(
            &mut self.subject,
            Duration::from_secs(size.settle_seconds),
            Duration::from_secs(size.unknown_seconds),
        )
        .await?;
        let stop = self.subject.stop()?;
        let book = records::read(&self.subject.records()?)?;
        for sink in further {
            self.sink.adopt(sink);
        }
        let saw = self.sink.copies();
        let verdict = verdict::compare(&clients.told(), &saw, &book);
        let line = json!({
            "campaign": self.name, "held": verdict.held(), "seed": size.seed, "leads": size.leads, "connections": size.connections,
            "seconds": round(self.begun.elapsed().as_secs_f64(), 1),
            "settled_after_s": settled.map(|after| round(after.as_secs_f64(), 1)),
            "stop_ms": round(stop.as_secs_f64() * 1_000.0, 0),
            "retried": clients.retried(), "providers": self.sink.tally().json(), "verdict": verdict.json(),
        });
        Ok(Ended {
            verdict,
            book,
            saw,
            line,
        })
    }
}

/// Waits until so many leads are acknowledged or all are through. An error when the server ended by itself.
pub fn until_acknowledged(subject: &mut Subject, clients: &Clients, count: u64) -> Tried<()> {
    while clients.acknowledged() < count && !clients.done() {
        still_there(subject)?;
        thread::sleep(Duration::from_millis(1));
    }
    Ok(())
}

/// An error with the end of the log when the server is not there any more.
pub fn still_there(subject: &mut Subject) -> Tried<()> {
    if subject.alive() {
        return Ok(());
    }
    Err(fault!(
        "the server ended by itself; the end of its log:\n{}",
        subject.end_of_log()
    ))
}

/// Waits until no message waits or is on its way, then until none is unknown or none of them has changed for `patience`. Answers when the
/// former was so; None when it was not in time.
pub async fn wait_until_settled(
    subject: &mut Subject,
    limit: Duration,
    patience: Duration,
) -> Tried<Option<Duration>> {
    let database = subject.records()?;
    let begun = Instant::now();
    let mut settled = None;
    let mut unknown = (0, begun);
    while begun.elapsed() < limit {
        still_there(subject)?;
        let open = records::open_messages(&database)?;
        if open.waiting > 0 {
            settled = None;
        } else {
            settled.get_or_insert_with(|| begun.elapsed());
            if open.unknown != unknown.0 {
                unknown = (open.unknown, Instant::now());
            }
            if open.unknown == 0 || unknown.1.elapsed() > patience {
                break;
            }
        }
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
    Ok(settled)
}
