//! What waits for the writer: orders with a bound, outcomes of attempts, and jobs of the house. Never an unbounded heap: over the
//! bound callers are asked to come back (M1).

use ringback_core::turn::{Answer, Looked, Order, Settled};
use ringback_store::Writer;
use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

/// Why an order was not taken. Nothing of it was stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Too much waits already.
    #[error("The server is behind; nothing was stored. Try again in a second.")]
    Busy,
    /// The disk is full.
    #[error("The disk is full; nothing was stored. Free some space, then try again.")]
    DiskFull,
    /// The database failed.
    #[error("The database did not take it; nothing was stored. Try again.")]
    Store,
    /// The database went away in the middle, and it could not be found out what became of it.
    #[error(
        "The database went away while this was stored, so nobody knows whether it was. Send it again with the same Idempotency-Key."
    )]
    Unsure,
    /// The server is stopping.
    #[error("The server is stopping; nothing was stored. Try again in a moment.")]
    Stopping,
}

/// What an order's caller waits for.
pub(crate) type Reply = oneshot::Sender<Result<Answer, Refused>>;

/// Work of the house that needs the writer: settings, keys, people.
pub(crate) type Job = Box<dyn FnOnce(&mut Writer) + Send>;

/// Everything that waits.
#[derive(Default)]
pub(crate) struct Queue {
    pub(crate) orders: VecDeque<(Order, Option<Reply>)>,
    pub(crate) outcomes: Vec<Settled>,
    pub(crate) looked: Vec<Looked>,
    pub(crate) jobs: Vec<Job>,
    pub(crate) closed: bool,
    pub(crate) stop: bool,
    pub(crate) nudged: bool,
}

/// The door to the writer.
pub struct Inbox {
    queue: Mutex<Queue>,
    wake: Condvar,
    most: usize,
}

impl std::fmt::Debug for Inbox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Inbox")
            .field("most", &self.most)
            .finish_non_exhaustive()
    }
}

/// Results wait this long for company when nobody else waits: a small turn is dear.
const GATHER: Duration = Duration::from_millis(2);

impl Inbox {
    /// A door that lets `most` orders wait.
    pub fn new(most: usize) -> Self {
        Self {
            queue: Mutex::default(),
            wake: Condvar::new(),
            most,
        }
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts an order in and waits for its answer, which comes after the commit.
    pub async fn take(&self, order: Order) -> Result<Answer, Refused> {
        let (reply, answer) = oneshot::channel();
        self.put(order, Some(reply))?;
        answer.await.unwrap_or(Err(Refused::Stopping))
    }

    /// Puts several orders in and waits for all their answers. All of them wait for the same turn or two.
    pub async fn take_all(&self, orders: Vec<Order>) -> Vec<Result<Answer, Refused>> {
        let mut waiting = Vec::with_capacity(orders.len());
        for order in orders {
            let (reply, answer) = oneshot::channel();
            waiting.push(self.put(order, Some(reply)).map(|()| answer));
        }
        let mut answers = Vec::with_capacity(waiting.len());
        for one in waiting {
            answers.push(match one {
                Ok(answer) => answer.await.unwrap_or(Err(Refused::Stopping)),
                Err(refused) => Err(refused),
            });
        }
        answers
    }

    /// Puts an order in; nobody waits for its answer.
    pub fn put(&self, order: Order, reply: Option<Reply>) -> Result<(), Refused> {
        let mut queue = self.queue();
        if queue.closed {
            return Err(Refused::Stopping);
        }
        if queue.orders.len() >= self.most {
            return Err(Refused::Busy);
        }
        queue.orders.push_back((order, reply));
        drop(queue);
        self.wake.notify_one();
        Ok(())
    }

    /// Reports the outcome of an attempt. Bounded by what is in flight.
    pub fn settled(&self, settled: Settled) {
        self.queue().outcomes.push(settled);
        self.wake.notify_one();
    }

    /// Reports what a look-up found. Bounded by how many are under way.
    pub fn looked(&self, looked: Looked) {
        self.queue().looked.push(looked);
        self.wake.notify_one();
    }

    /// Has the writer do something of the house and waits for it.
    pub async fn job<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Writer) -> T + Send + 'static,
    ) -> Result<T, Refused> {
        let (reply, answer) = oneshot::channel();
        {
            let mut queue = self.queue();
            if queue.stop {
                return Err(Refused::Stopping);
            }
            queue.jobs.push(Box::new(move |writer| {
                let _ = reply.send(work(writer));
            }));
        }
        self.wake.notify_one();
        answer.await.map_err(|_| Refused::Store)
    }

    /// Has the writer look around, though nothing waits.
    pub(crate) fn nudge(&self) {
        self.queue().nudged = true;
        self.wake.notify_one();
    }

    /// How many orders wait.
    pub fn waiting(&self) -> usize {
        self.queue().orders.len()
    }

    /// From now on no order is taken; what waits is still decided.
    pub fn close(&self) {
        self.queue().closed = true;
        self.wake.notify_one();
    }

    /// The writer ends once nothing waits.
    pub fn stop(&self) {
        let mut queue = self.queue();
        queue.closed = true;
        queue.stop = true;
        drop(queue);
        self.wake.notify_one();
    }

    /// Waits for work or until `until`, and takes at most `most` orders with everything else. `None` once stopped and empty.
    pub(crate) fn next(&self, until: Option<Instant>, most: usize) -> Option<Queue> {
        let mut queue = self.queue();
        let mut gathered = false;
        loop {
            let only_outcomes =
                queue.orders.is_empty() && queue.jobs.is_empty() && !queue.outcomes.is_empty();
            if only_outcomes && !gathered && !queue.stop && queue.outcomes.len() < 64 {
                gathered = true;
                queue = self
                    .wake
                    .wait_timeout(queue, GATHER)
                    .unwrap_or_else(PoisonError::into_inner)
                    .0;
                continue;
            }
            if !queue.orders.is_empty()
                || !queue.jobs.is_empty()
                || !queue.outcomes.is_empty()
                || !queue.looked.is_empty()
                || queue.nudged
            {
                break;
            }
            if queue.stop {
                return None;
            }
            let now = instant();
            match until {
                Some(until) if until <= now => break,
                Some(until) => {
                    queue = self
                        .wake
                        .wait_timeout(queue, until - now)
                        .unwrap_or_else(PoisonError::into_inner)
                        .0;
                }
                None => {
                    queue = self
                        .wake
                        .wait(queue)
                        .unwrap_or_else(PoisonError::into_inner);
                }
            }
        }
        let n = queue.orders.len().min(most);
        let orders = queue.orders.drain(..n).collect();
        let outcomes = std::mem::take(&mut queue.outcomes);
        let jobs = std::mem::take(&mut queue.jobs);
        let looked = std::mem::take(&mut queue.looked);
        let nudged = std::mem::take(&mut queue.nudged);
        Some(Queue {
            nudged,
            orders,
            outcomes,
            looked,
            jobs,
            closed: queue.closed,
            stop: queue.stop,
        })
    }

    /// Puts outcomes and findings back that could not be written.
    pub(crate) fn put_back(&self, mut outcomes: Vec<Settled>, mut looked: Vec<Looked>) {
        let mut queue = self.queue();
        looked.append(&mut queue.looked);
        queue.looked = looked;
        outcomes.append(&mut queue.outcomes);
        queue.outcomes = outcomes;
    }
}

/// Time that only goes forward, for waits.
#[expect(
    clippy::disallowed_methods,
    reason = "a wait needs a clock that nobody sets"
)]
pub(crate) fn instant() -> Instant {
    Instant::now()
}
