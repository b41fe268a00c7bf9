//! This server among others on one database: it is heard of every two seconds, hears what the others did, and takes over from those that
//! fell silent (O6).

use super::inbox::Inbox;
use ringback_channels::BootClock;
use ringback_core::time::{Clock, Timestamp};
use ringback_core::turn::{QueueOf, queues_in, words_of};
use ringback_store::{Beat, Dead, Node, Registrar, Role};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// How often a node is heard of. Its lease is three times as long.
const BEAT: Duration = Duration::from_secs(2);
/// After a failed beat it is tried again sooner.
const AGAIN: Duration = Duration::from_millis(400);
/// Words for others go out together, so often at most.
const WORDS_EVERY: Duration = Duration::from_millis(20);

/// Something is due that others may send.
pub(crate) const DUE: &str = "due";
/// What is kept in mind changed.
pub(crate) const HOUSE: &str = "house";

/// What the loops know of the other nodes. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Neighbours(Arc<Shared>);

impl std::fmt::Debug for Neighbours {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Neighbours").field(&self.0.node).finish()
    }
}

struct Shared {
    node: Node,
    role: Role,
    boot: BootClock,
    alive: AtomicUsize,
    leads: AtomicBool,
    version: AtomicI64,
    /// Others said that something is due.
    due: AtomicBool,
    /// Others said that the house changed.
    house: AtomicBool,
    /// Queues that others put something into.
    queues: Mutex<BTreeMap<QueueOf, Timestamp>>,
    words: Mutex<Words>,
    work: Condvar,
}

#[derive(Default)]
struct Words {
    tell: BTreeSet<&'static str>,
    queues: BTreeMap<QueueOf, Timestamp>,
    settled: Vec<Dead>,
    stop: bool,
}

impl Neighbours {
    /// Begins to be heard of. The thread ends with [`Self::leave`].
    pub(crate) fn start(
        registrar: Registrar,
        role: Role,
        clock: Arc<dyn Clock>,
        inbox: Arc<Inbox>,
    ) -> std::io::Result<(Self, JoinHandle<()>)> {
        let neighbours = Self(Arc::new(Shared {
            node: registrar.node(),
            role,
            boot: BootClock::of_the_machine(),
            alive: AtomicUsize::new(1),
            leads: AtomicBool::new(false),
            version: AtomicI64::new(0),
            due: AtomicBool::new(false),
            house: AtomicBool::new(false),
            queues: Mutex::default(),
            words: Mutex::default(),
            work: Condvar::new(),
        }));
        let own = neighbours.clone();
        let thread = std::thread::Builder::new()
            .name("nodes".into())
            .spawn(move || own.run(registrar, &*clock, &inbox))?;
        Ok((neighbours, thread))
    }

    pub(crate) fn node(&self) -> &Node {
        &self.0.node
    }

    pub(crate) fn sends(&self) -> bool {
        self.0.role.sends()
    }

    /// True as long as nobody can have taken over this node's work.
    pub(crate) fn holds(&self) -> bool {
        self.0.node.holds(self.0.boot.now())
    }

    /// True for the node that does what only one may do.
    pub(crate) fn leads(&self) -> bool {
        self.0.leads.load(Ordering::Relaxed)
    }

    /// True while no other node is there.
    pub(crate) fn alone(&self) -> bool {
        self.0.alive.load(Ordering::Relaxed) <= 1
    }

    /// Whether others said since the last question that something is due.
    pub(crate) fn heard_of_due(&self) -> bool {
        self.0.due.swap(false, Ordering::AcqRel)
    }

    /// Whether others said since the last question that what is kept in mind changed.
    pub(crate) fn heard_of_house(&self) -> bool {
        self.0.house.swap(false, Ordering::AcqRel)
    }

    /// Says a word to the others, soon.
    pub(crate) fn tell(&self, word: &'static str) {
        // Who leaves sending to others speaks whether it knows of one or not: one may have come since the last beat.
        if self.alone() && self.sends() {
            return;
        }
        self.words().tell.insert(word);
        self.0.work.notify_one();
    }

    /// Something waits in these queues, so that whoever has room may send it. Says it soon.
    pub(crate) fn tell_queues(&self, queues: impl Iterator<Item = (QueueOf, Timestamp)>) {
        let mut queues = queues.peekable();
        if self.alone() || queues.peek().is_none() {
            return;
        }
        let mut words = self.words();
        for (queue, due) in queues {
            note(&mut words.queues, queue, due);
        }
        drop(words);
        self.0.work.notify_one();
    }

    /// The queues that others put something into since the last question, and when it is due.
    pub(crate) fn heard_of_queues(&self) -> BTreeMap<QueueOf, Timestamp> {
        std::mem::take(&mut *self.queues())
    }

    fn queues(&self) -> std::sync::MutexGuard<'_, BTreeMap<QueueOf, Timestamp>> {
        self.0.queues.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// All calls of a dead node are settled.
    pub(crate) fn settled(&self, dead: Dead) {
        self.words().settled.push(dead);
        self.0.work.notify_one();
    }

    /// Leaves in order.
    pub(crate) fn leave(&self) {
        self.words().stop = true;
        self.0.work.notify_one();
    }

    fn words(&self) -> std::sync::MutexGuard<'_, Words> {
        self.0.words.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self, mut registrar: Registrar, clock: &dyn Clock, inbox: &Arc<Inbox>) {
        let mut next = Duration::ZERO;
        loop {
            let now = self.0.boot.now();
            if now >= next {
                // The lease counts from before the question, by the clock that a frozen process cannot miss.
                let beat = registrar.beat(clock.now(), now);
                next = now + if beat.is_ok() { BEAT } else { AGAIN };
                match beat {
                    Ok(beat) => self.take_in(beat, inbox),
                    Err(error) => {
                        tracing::warn!(%error, "this node could not say that it is alive; tried again");
                    }
                }
                if registrar.is_deaf() {
                    self.listen(&mut registrar, inbox);
                }
            }
            let mut words = self.words();
            if words.stop {
                break;
            }
            if words.tell.is_empty() && words.queues.is_empty() && words.settled.is_empty() {
                let wait = next.saturating_sub(self.0.boot.now());
                drop(
                    self.0
                        .work
                        .wait_timeout(words, wait)
                        .unwrap_or_else(PoisonError::into_inner),
                );
                continue;
            }
            let (tell, queues, settled) = (
                std::mem::take(&mut words.tell),
                std::mem::take(&mut words.queues),
                std::mem::take(&mut words.settled),
            );
            drop(words);
            let plain = tell.into_iter().map(str::to_owned);
            for word in plain.chain(words_of(queues)) {
                if let Err(error) = registrar.tell(&word) {
                    tracing::debug!(%error, "other nodes were not told; they look by themselves");
                }
            }
            for dead in settled {
                match registrar.settled(dead) {
                    Ok(()) => tracing::warn!(
                        node = dead.number,
                        "the work of a node that fell silent was taken over"
                    ),
                    Err(error) => {
                        tracing::warn!(%error, "a dead node's number could not be given free; tried again");
                    }
                }
            }
            std::thread::sleep(WORDS_EVERY);
        }
        if let Err(error) = registrar.leave() {
            tracing::warn!(%error, "this node could not say that it leaves; others find out in some seconds");
        }
    }

    fn take_in(&self, beat: Beat, inbox: &Inbox) {
        let before = self.0.alive.swap(beat.alive, Ordering::Relaxed);
        if beat.alive < before {
            // What waited for one that is gone is looked for by all.
            self.0.due.store(true, Ordering::Release);
            inbox.nudge();
        }
        self.0.leads.store(beat.leads, Ordering::Relaxed);
        if beat.joined_again {
            tracing::error!(
                node = self.0.node.number(),
                "this node was silent for too long and taken for dead; it has joined again under another number"
            );
        }
        let before = self.0.version.swap(beat.version, Ordering::AcqRel);
        if before != 0 && before != beat.version {
            self.0.house.store(true, Ordering::Release);
            inbox.nudge();
        }
        if !self.0.node.dead().is_empty() || beat.joined_again {
            inbox.nudge();
        }
        metrics::gauge!("ringback_nodes").set(beat.alive as f64);
    }

    /// Words of others wake the loops at once. Where nothing is heard, behind a pooler say, they look by themselves.
    fn listen(&self, registrar: &mut Registrar, inbox: &Arc<Inbox>) {
        let (own, inbox) = (self.clone(), Arc::clone(inbox));
        let heard = move |word: &str| {
            match (word, queues_in(word)) {
                (DUE, _) => own.0.due.store(true, Ordering::Release),
                (HOUSE, _) => own.0.house.store(true, Ordering::Release),
                (_, Some(named)) => {
                    let mut queues = own.queues();
                    for (queue, due) in named {
                        note(&mut queues, queue, due);
                    }
                }
                _ => return,
            }
            inbox.nudge();
        };
        if let Err(error) = registrar.listen(heard) {
            tracing::debug!(%error, "nothing is heard of other nodes; it is looked now and then");
        }
    }
}

/// Something of a queue is due then; sooner counts.
fn note(queues: &mut BTreeMap<QueueOf, Timestamp>, queue: QueueOf, due: Timestamp) {
    let known = queues.entry(queue).or_insert(due);
    *known = due.min(*known);
}
