//! Whose messages wait and when the next of each is due: who is asked next, and how much of a turn is theirs (M7).
//!
//! A queue is what one tenant has waiting on one channel at one priority. Of the queues that are due the most urgent go first; those of
//! the same priority share a turn evenly, and where it ended the next turn goes on. A queue whose lines are full rests until one of
//! its calls ended.

use super::World;
use crate::ids::TenantId;
use crate::messages::{ChannelKind, Message, Priority};
use crate::time::{Timestamp, from_micros, micros};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

/// The messages of one tenant, channel and priority that wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct QueueOf {
    /// Whose.
    pub tenant: TenantId,
    /// The channel.
    pub channel: ChannelKind,
    /// The priority.
    pub priority: Priority,
}

impl QueueOf {
    /// The queue that a message waits in.
    pub const fn of(message: &Message) -> Self {
        Self {
            tenant: message.tenant,
            channel: message.channel,
            priority: message.priority,
        }
    }
}

/// The first part of a word that names queues.
const QUEUES: &str = "queues";
/// A word between nodes is no longer than this; PostgreSQL carries 8,000 bytes.
const LONGEST_WORD: usize = 7_000;

/// Words that tell other nodes which queues have something waiting, and when the next of each is due: numbers and dots alone.
pub fn words_of(queues: impl IntoIterator<Item = (QueueOf, Timestamp)>) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    for (queue, due) in queues {
        let one = format!(
            " {}.{}.{}.{}",
            queue.tenant.raw(),
            queue.channel.code(),
            queue.priority.code(),
            micros(due)
        );
        match words.last_mut() {
            Some(word) if word.len() + one.len() <= LONGEST_WORD => word.push_str(&one),
            _ => words.push(format!("{QUEUES}{one}")),
        }
    }
    words
}

/// The queues that a word names; `None` when it is another word. What cannot be read in it is left out: whoever hears it looks by itself
/// too.
pub fn queues_in(word: &str) -> Option<Vec<(QueueOf, Timestamp)>> {
    let mut parts = word.split(' ');
    if parts.next() != Some(QUEUES) {
        return None;
    }
    let read = |part: &str| {
        let mut numbers = part.split('.').map(|number| number.parse::<i64>().ok());
        let mut next = || numbers.next().flatten();
        let queue = QueueOf {
            tenant: TenantId::from_raw(next()?),
            channel: ChannelKind::from_code(next()?)?,
            priority: Priority::from_code(next()?)?,
        };
        Some((queue, from_micros(next()?)))
    };
    Some(parts.filter_map(read).collect())
}

/// Messages taken from the queues in one turn.
const MOST_CLAIMS: u32 = 200;

/// The queues, kept in memory; the store knows better, and is asked now and then.
#[derive(Debug, Default)]
pub struct Queues {
    next: HashMap<QueueOf, Timestamp>,
    order: BTreeSet<(Timestamp, QueueOf)>,
    held: HashMap<QueueOf, Timestamp>,
    /// Where the last turn ended, by priority.
    after: BTreeMap<Priority, TenantId>,
}

impl Queues {
    /// Everything as the store has it. What is held stays held.
    pub fn fill(&mut self, all: Vec<(QueueOf, Timestamp)>) {
        self.next.clear();
        self.order.clear();
        let held = std::mem::take(&mut self.held);
        for (queue, due) in all {
            if held.contains_key(&queue) {
                self.held.insert(queue, due);
            } else {
                self.set(queue, Some(due));
            }
        }
    }

    /// The next of a queue is due then, or nothing of it waits.
    pub fn set(&mut self, queue: QueueOf, due: Option<Timestamp>) {
        self.held.remove(&queue);
        if let Some(before) = self.next.remove(&queue) {
            self.order.remove(&(before, queue));
        }
        if let Some(due) = due {
            self.next.insert(queue, due);
            self.order.insert((due, queue));
        }
    }

    /// Something more waits: a queue is due no later than this.
    pub fn note(&mut self, queue: QueueOf, due: Timestamp) {
        if let Some(held) = self.held.get_mut(&queue) {
            *held = due.min(*held);
        } else if self.next.get(&queue).is_none_or(|next| due < *next) {
            self.set(queue, Some(due));
        }
    }

    /// No line of a queue has room: it rests until a call of its tenant and channel ended.
    pub fn hold(&mut self, queue: QueueOf, now: Timestamp) {
        let due = self.next.get(&queue).copied().unwrap_or(now);
        self.set(queue, None);
        self.held.insert(queue, due);
    }

    /// A call of a tenant and channel ended: its queues are asked again.
    pub fn release(&mut self, tenant: TenantId, channel: ChannelKind) {
        if self.held.is_empty() {
            return;
        }
        for priority in Priority::ALL.iter().copied() {
            let queue = QueueOf {
                tenant,
                channel,
                priority,
            };
            if let Some(due) = self.held.remove(&queue) {
                self.set(queue, Some(due));
            }
        }
    }

    /// Takes in what a turn did: a queue it took from is asked for its next (`next`), what it put into a queue may be due sooner, and where
    /// a call ended the lines have room.
    pub fn after_turn(
        &mut self,
        world: &World,
        claimed: &[(QueueOf, bool)],
        now: Timestamp,
        mut next: impl FnMut(QueueOf) -> Option<Timestamp>,
    ) {
        for (queue, held) in claimed {
            let due = next(*queue);
            self.set(*queue, due);
            if *held && due.is_some_and(|due| due <= now) {
                self.hold(*queue, now);
            }
        }
        let changed = world.out.changes.iter().map(|change| &change.message);
        let written = world.out.messages.iter().chain(changed);
        for message in written.filter(|message| message.status.waits()) {
            self.note(QueueOf::of(message), message.due_at);
        }
    }

    /// When the next queue is due.
    pub fn next(&self) -> Option<Timestamp> {
        self.order.first().map(|(due, _)| *due)
    }

    /// True when messages wait whose time has come.
    pub fn any_due(&self, now: Timestamp) -> bool {
        self.next().is_some_and(|due| due <= now)
    }

    /// Who has messages that a new one must not overtake.
    pub fn behind(&self, now: Timestamp) -> HashSet<(ChannelKind, TenantId, Priority)> {
        let due = self.order.iter().take_while(|(due, _)| *due <= now);
        due.map(|(_, queue)| queue)
            .chain(self.held.keys())
            .map(|queue| (queue.channel, queue.tenant, queue.priority))
            .collect()
    }

    /// The queues that are due, the most urgent first, with what each may take of a turn; those of one priority share evenly, and
    /// begin after the one that was last the time before.
    pub fn shares(&mut self, now: Timestamp, room: u32) -> Vec<(QueueOf, u32)> {
        let mut by_priority: BTreeMap<Priority, Vec<QueueOf>> = BTreeMap::new();
        for (_, queue) in self.order.iter().take_while(|(due, _)| *due <= now) {
            by_priority.entry(queue.priority).or_default().push(*queue);
        }
        let mut left = room.min(MOST_CLAIMS);
        let mut shares = Vec::new();
        for (priority, mut queues) in by_priority {
            if left == 0 {
                break;
            }
            let after = self.after.get(&priority).copied();
            queues.sort_unstable_by_key(|queue| {
                (after.is_some_and(|after| queue.tenant <= after), *queue)
            });
            let most = u32::try_from(queues.len()).unwrap_or(u32::MAX);
            let share = (left / most).max(1);
            for queue in queues {
                if left == 0 {
                    break;
                }
                let own = share.min(left);
                left -= own;
                self.after.insert(priority, queue.tenant);
                shares.push((queue, own));
            }
        }
        shares
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::messages::{Category, Status};
    use crate::turn::scene::{DANA, Scene};

    fn queue(tenant: i64, priority: Priority) -> QueueOf {
        QueueOf {
            tenant: TenantId::from_raw(tenant),
            channel: ChannelKind::Sms,
            priority,
        }
    }

    /// M7: the same priority is shared evenly, and what is urgent comes before it.
    #[test]
    fn tenants_share_what_is_equally_urgent() {
        let now = from_micros(100);
        let mut queues = Queues::default();
        for tenant in 1..=3 {
            queues.note(queue(tenant, Priority::Low), from_micros(tenant));
        }
        queues.note(queue(9, Priority::Critical), from_micros(99));
        queues.note(queue(8, Priority::Critical), from_micros(101));
        let shares = queues.shares(now, 1_000);
        assert_eq!(shares[0], (queue(9, Priority::Critical), 200));
        // The critical one took only what it had; the next turn is the others'.
        queues.set(queue(9, Priority::Critical), None);
        let shares = queues.shares(now, 100);
        assert_eq!(
            shares,
            [
                (queue(1, Priority::Low), 33),
                (queue(2, Priority::Low), 33),
                (queue(3, Priority::Low), 33)
            ]
        );
        let shares = queues.shares(now, 2);
        assert_eq!(
            shares,
            [(queue(1, Priority::Low), 1), (queue(2, Priority::Low), 1)]
        );
        let shares = queues.shares(now, 2);
        assert_eq!(
            shares,
            [(queue(3, Priority::Low), 1), (queue(1, Priority::Low), 1)]
        );
    }

    /// What one node says of its queues another one understands; words of other kinds, and noise, are none.
    #[test]
    fn queues_are_told_in_words() {
        let all: Vec<(QueueOf, Timestamp)> = (1..=600)
            .map(|tenant| {
                (
                    queue(tenant, Priority::Low),
                    from_micros(1_764_000_000_000_000 + tenant),
                )
            })
            .collect();
        let words = words_of(all.clone());
        assert!(words.len() > 1 && words.iter().all(|word| word.len() <= LONGEST_WORD));
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, ' ' | '.' | '-');
        assert!(words.iter().all(|word| word.chars().all(plain)));
        let heard: Vec<_> = words
            .iter()
            .filter_map(|word| queues_in(word))
            .flatten()
            .collect();
        assert_eq!(heard, all);
        for (word, heard) in [
            ("due", None),
            ("", None),
            ("queues", Some(Vec::new())),
            ("queues 1.9.1.5 x 1.0 1.0.7.99", Some(Vec::new())),
            (
                "queues 1.0.1.5",
                Some(vec![(
                    QueueOf {
                        tenant: TenantId::from_raw(1),
                        channel: ChannelKind::ALL[0],
                        priority: Priority::from_code(1).unwrap(),
                    },
                    from_micros(5),
                )]),
            ),
        ] {
            assert_eq!(queues_in(word), heard, "{word}");
        }
        assert_eq!(words_of([]), Vec::<String>::new());
        // Each of these takes 26 letters; 269 of them fill a word to its last one.
        let many = (1000..1538).map(|tenant| {
            let due = from_micros(1_764_000_000_000_000);
            (queue(tenant, Priority::Low), due)
        });
        let lengths: Vec<usize> = words_of(many).iter().map(String::len).collect();
        assert_eq!(lengths, [LONGEST_WORD, LONGEST_WORD]);
    }

    #[test]
    fn a_queue_without_a_line_rests_until_a_call_ended() {
        let now = from_micros(100);
        let mut queues = Queues::default();
        let slow = queue(1, Priority::Low);
        queues.note(slow, from_micros(50));
        queues.hold(slow, now);
        assert!(!queues.any_due(now));
        queues.note(slow, from_micros(40));
        assert!(!queues.any_due(now));
        assert!(queues.behind(now).contains(&(
            ChannelKind::Sms,
            TenantId::from_raw(1),
            Priority::Low
        )));
        queues.release(TenantId::from_raw(1), ChannelKind::Email);
        assert!(!queues.any_due(now));
        queues.release(TenantId::from_raw(1), ChannelKind::Sms);
        assert_eq!(queues.next(), Some(from_micros(40)));
        queues.fill(Vec::new());
        assert_eq!(queues.next(), None);
    }

    /// M7: due is what is due at this very instant, and a queue is known by its earliest message.
    #[test]
    fn a_queue_is_due_with_its_earliest_message() {
        let mut queues = Queues::default();
        let one = queue(1, Priority::Low);
        assert_eq!(
            (queues.next(), queues.any_due(from_micros(9))),
            (None, false)
        );
        queues.note(one, from_micros(50));
        for later in [50, 60] {
            queues.note(one, from_micros(later));
            assert_eq!(queues.next(), Some(from_micros(50)));
        }
        queues.note(one, from_micros(40));
        assert_eq!(queues.next(), Some(from_micros(40)));
        assert_eq!(queues.order.len(), 1, "a queue stands once in the order");
        assert!(!queues.any_due(from_micros(39)) && queues.any_due(from_micros(40)));
        assert_eq!(queues.shares(from_micros(39), 10), []);
        assert_eq!(queues.shares(from_micros(40), 10), [(one, 10)]);
        assert_eq!(queues.shares(from_micros(40), 0), []);
        let behind = |queues: &Queues, at| queues.behind(from_micros(at)).len();
        assert_eq!((behind(&queues, 39), behind(&queues, 40)), (0, 1));
        queues.set(one, None);
        assert_eq!((queues.next(), behind(&queues, 40)), (None, 0));
    }

    /// M7: what one queue cannot take of a turn is for the next priorities; a queue that is filled anew stays held.
    #[test]
    fn a_turn_is_shared_down_to_its_last_place() {
        let now = from_micros(100);
        let mut queues = Queues::default();
        let (urgent, other, low) = (
            queue(1, Priority::High),
            queue(2, Priority::High),
            queue(3, Priority::Low),
        );
        queues.fill(vec![(urgent, now), (other, now), (low, now)]);
        // Seven for two are three each, and the one that is left goes down.
        assert_eq!(queues.shares(now, 7), [(urgent, 3), (other, 3), (low, 1)]);
        assert_eq!(queues.shares(now, 6), [(urgent, 3), (other, 3)]);
        queues.hold(urgent, now);
        queues.fill(vec![(urgent, from_micros(70)), (other, now)]);
        assert_eq!(
            queues.next(),
            Some(now),
            "held as before, and what the store does not have is gone"
        );
        queues.release(urgent.tenant, ChannelKind::Sms);
        assert_eq!(queues.next(), Some(from_micros(70)));
    }

    /// M7, M8: after a turn its queues are asked for their next; one without a line rests when more of it is due; what was put in is known.
    #[test]
    fn after_a_turn_the_queues_know_what_waits() {
        let now = from_micros(100);
        for (held, next, rests) in [
            (false, Some(100), false),
            (true, Some(100), true),
            (true, Some(101), false),
            (true, None, false),
        ] {
            let mut queues = Queues::default();
            let one = queue(1, Priority::Low);
            queues.note(one, from_micros(5));
            let next = next.map(from_micros);
            queues.after_turn(&World::default(), &[(one, held)], now, |asked| {
                assert_eq!(asked, one);
                next
            });
            assert_eq!(queues.next(), next.filter(|_| !rests), "{held} {next:?}");
            assert_eq!(queues.held.contains_key(&one), rests, "{held} {next:?}");
        }
        let mut scene = Scene::new();
        let waiting = |status, due| {
            let mut scene = Scene::new();
            let message = scene.message(DANA, Category::Transactional);
            Message {
                status,
                due_at: from_micros(due),
                ..message
            }
        };
        scene.world.out.messages =
            vec![waiting(Status::Queued, 70), waiting(Status::Delivered, 10)];
        scene.world.out.changes = vec![crate::turn::world::MessageChange {
            message: waiting(Status::Deferred, 60),
            expects: crate::turn::world::Expects::Read,
        }];
        let mut queues = Queues::default();
        queues.after_turn(&scene.world, &[], now, |_| None);
        assert_eq!(queues.next(), Some(from_micros(60)));
        let of = QueueOf::of(&scene.world.out.messages[0]);
        assert_eq!(
            of,
            QueueOf {
                tenant: TenantId::from_raw(1),
                channel: ChannelKind::Sms,
                priority: Priority::Normal
            }
        );
        assert_eq!(queues.order.first().map(|(_, queue)| *queue), Some(of));
    }
}
