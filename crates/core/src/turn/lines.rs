//! The lines to the providers: how many calls may be under way, so that a slow account holds up only itself (M8), and who must queue.

use super::{Connection, Tenant, Turn};
use crate::ids::{ConnectionId, MessageId, TenantId};
use crate::messages::{ChannelKind, Message, Plan, Priority};
use crate::seeded::{Bug, has};
use std::collections::{HashMap, HashSet};
use std::time::Duration;

/// Calls under way at the same time, over all accounts and tenants (M8).
pub const MOST_CALLS: u32 = 1_000;
/// One of so many of these is kept for what is urgent.
const KEPT_FREE: u32 = 20;

/// What calls are counted by: an account, or the sandbox of a tenant's channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Line {
    /// An account at a provider.
    Account(ConnectionId),
    /// The built-in inbox.
    Sandbox(TenantId, ChannelKind),
}

impl Line {
    /// The line of a message that was claimed.
    pub const fn of(message: &Message) -> Self {
        match message.connection {
            Some(id) => Self::Account(id),
            None => Self::Sandbox(message.tenant, message.channel),
        }
    }
}

/// The calls under way in this process, until when each holds its message, and whose messages wait for their turn already.
///
/// A lease goes by the boot clock, which nobody sets: a wall clock that jumps neither ends a call early nor lets one hold on for ever
/// (reliability 3.1).
#[derive(Debug, Clone)]
pub struct Lines {
    most: u32,
    held: HashMap<(MessageId, i64), (Line, Option<Duration>)>,
    calls: HashMap<Line, u32>,
    all: u32,
    /// The message under way over which the server may have died; there is one at a time.
    suspect: Option<MessageId>,
    /// Who has messages whose time has come: a new one of the same or a lower priority goes behind them.
    pub behind: HashSet<(ChannelKind, TenantId, Priority)>,
}

impl Default for Lines {
    fn default() -> Self {
        Self::with_room_for(MOST_CALLS)
    }
}

impl Lines {
    /// Lines for so many calls at the same time.
    pub fn with_room_for(most: u32) -> Self {
        Self {
            most,
            held: HashMap::new(),
            calls: HashMap::new(),
            all: 0,
            suspect: None,
            behind: HashSet::new(),
        }
    }

    /// Calls that may still begin.
    pub const fn free(&self) -> u32 {
        self.most.saturating_sub(self.all)
    }

    /// A call for this message begins; its lease `ends`, counted from the start of the machine. `None` where time is moved by hand: then
    /// it ends by what was written with the intent.
    pub fn begin(&mut self, message: &Message, ends: Option<Duration>) {
        let line = Line::of(message);
        let call = (message.id, message.epoch);
        if self.held.insert(call, (line, ends)).is_none() {
            self.add(line);
        }
        if message.plan.deaths >= Plan::SUSPECT {
            self.suspect = Some(message.id);
        }
    }

    /// True while a message is under way over which the server may have died.
    pub const fn has_suspect(&self) -> bool {
        self.suspect.is_some()
    }

    fn add(&mut self, line: Line) {
        *self.calls.entry(line).or_default() += 1;
        self.all += 1;
    }

    /// A call ended, or its lease did; whichever comes second changes nothing.
    pub fn end(&mut self, message: &Message) {
        self.suspect = self.suspect.filter(|id| *id != message.id);
        if let Some((line, _)) = self.held.remove(&(message.id, message.epoch))
            && let Some(n) = self.calls.get_mut(&line)
        {
            *n -= 1;
            if *n == 0 {
                self.calls.remove(&line);
            }
            self.all -= 1;
        }
    }

    /// True while the call for this message may still answer.
    pub fn holds(&self, message: &Message, boot: Duration) -> bool {
        !has(Bug::LeaseByNodeClock)
            && self
                .held
                .get(&(message.id, message.epoch))
                .is_some_and(|(_, ends)| ends.is_some_and(|ends| boot < ends))
    }

    /// True when this call outlived its lease, whatever the wall clock says.
    pub fn is_over(&self, message: &Message, boot: Duration) -> bool {
        self.held
            .get(&(message.id, message.epoch))
            .is_some_and(|(_, ends)| ends.is_some_and(|ends| boot >= ends))
    }

    /// True when any call outlived its lease: it is worth a look into the store.
    pub fn any_over(&self, boot: Duration) -> bool {
        self.held
            .values()
            .any(|(_, ends)| ends.is_some_and(|ends| boot >= ends))
    }

    /// All calls under way.
    pub const fn all(&self) -> u32 {
        self.all
    }

    /// The calls under way on a line.
    pub fn on(&self, line: Line) -> u32 {
        self.calls.get(&line).copied().unwrap_or_default()
    }

    /// True when no call can begin before one ends.
    pub const fn full(&self) -> bool {
        self.all >= self.most
    }
}

/// The calls that a turn begins, on top of those under way.
#[derive(Debug, Default)]
pub(super) struct Begun {
    lines: HashMap<Line, u32>,
    all: u32,
}

impl Begun {
    pub(super) fn add(&mut self, line: Line) {
        *self.lines.entry(line).or_default() += 1;
        self.all += 1;
    }
}

impl Turn<'_> {
    /// Whether one more call may begin on a line. A line may hold as many calls as there is room left for others: one slow account
    /// takes half of all at most, two a third each, and the next always finds room. What is critical needs only room.
    pub(super) fn may_call(&self, line: Line, urgent: bool) -> bool {
        let free = self.lines.free().saturating_sub(self.begun.all);
        if urgent {
            return free > 0;
        }
        let free = free.saturating_sub(self.lines.most / KEPT_FREE);
        let begun = self.begun.lines.get(&line).copied().unwrap_or_default();
        self.lines.on(line) + begun < free
    }

    /// True where messages of the same tenant and channel wait that a new one must not overtake.
    pub(super) fn must_queue(&self, message: &Message) -> bool {
        !self.claiming
            && !self.lines.behind.is_empty()
            && Priority::ALL
                .iter()
                .filter(|one| one.code() <= message.priority.code())
                .any(|one| {
                    self.lines
                        .behind
                        .contains(&(message.channel, message.tenant, *one))
                })
    }

    /// What this turn began is counted anew, after some of it was taken back.
    pub(super) fn recount(&mut self) {
        self.begun = Begun::default();
        for id in &self.sent_off {
            if let Some(message) = self.world.out.message(*id) {
                self.begun.add(Line::of(message));
            }
        }
    }

    /// Whether any line that could carry the message has room.
    pub(super) fn has_line(&self, tenant: &Tenant, message: &Message) -> bool {
        let urgent = message.priority.urgent();
        if message.sandbox {
            return self.may_call(Line::Sandbox(tenant.id, message.channel), urgent);
        }
        let mut ways = self.ways(tenant, message);
        ways.any(|way: &Connection| self.may_call(Line::Account(way.id), urgent))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::messages::{Category, Status};
    use crate::turn::scene::{DANA, DANAS_MAIL, MAILS, Scene, TEXTS, accepted};

    /// M8: whatever the slow ones take, the next account finds room.
    #[test]
    fn slow_accounts_share_what_is_left() {
        let mut lines = Lines::default();
        let mut taken = Vec::new();
        for account in 1..=6 {
            let line = Line::Account(ConnectionId::from_raw(account));
            while lines.on(line) < lines.free().saturating_sub(MOST_CALLS / KEPT_FREE) {
                lines.add(line);
            }
            taken.push(lines.on(line));
        }
        assert_eq!(taken, [475, 238, 119, 59, 30, 15]);
    }

    const BOOT: Duration = Duration::from_secs(1_000);

    /// Reliability 3.1: a call is counted from its beginning to its end or the end of its lease, once each, by the clock since the start.
    #[test]
    fn a_call_is_counted_once_from_its_beginning_to_its_end() {
        let mut scene = Scene::new();
        let mut lines = Lines::with_room_for(3);
        let mut text = scene.message(DANA, Category::Transactional);
        text.connection = Some(TEXTS);
        let mail = scene.message(DANAS_MAIL, Category::Transactional);
        let line = Line::of(&text);
        assert_eq!(line, Line::Account(TEXTS));
        assert_eq!(
            Line::of(&mail),
            Line::Sandbox(mail.tenant, ChannelKind::Email)
        );
        assert!(!lines.holds(&text, BOOT) && !lines.is_over(&text, BOOT));
        for _ in 0..2 {
            lines.begin(&text, Some(BOOT));
            assert_eq!((lines.all(), lines.on(line), lines.free()), (1, 1, 2));
        }
        lines.begin(&mail, None);
        assert_eq!(
            (
                lines.all(),
                lines.on(line),
                lines.on(Line::of(&mail)),
                lines.free()
            ),
            (2, 1, 1, 1)
        );
        assert!(!lines.full());
        // Until the very end of its lease it may still answer.
        let before = BOOT - Duration::from_nanos(1);
        assert!(
            lines.holds(&text, before) && !lines.is_over(&text, before) && !lines.any_over(before)
        );
        assert!(!lines.holds(&text, BOOT) && lines.is_over(&text, BOOT) && lines.any_over(BOOT));
        // Where time is moved by hand nothing is held and nothing is over.
        assert!(!lines.holds(&mail, BOOT) && !lines.is_over(&mail, BOOT));
        let other = Message {
            epoch: 7,
            ..text.clone()
        };
        lines.end(&other);
        assert!(!lines.holds(&other, before));
        assert_eq!(lines.all(), 2, "another claim ends nothing");
        lines.begin(&other, Some(BOOT));
        assert_eq!((lines.all(), lines.on(line)), (3, 2));
        assert!(lines.full() && lines.free() == 0);
        for _ in 0..2 {
            lines.end(&text);
            assert_eq!((lines.all(), lines.on(line)), (2, 1));
        }
        lines.end(&other);
        lines.end(&mail);
        assert_eq!(
            (lines.all(), lines.on(line), lines.on(Line::of(&mail))),
            (0, 0, 0)
        );
        assert!(lines.calls.is_empty() && !lines.any_over(BOOT));
    }

    /// Reliability 3.3: a suspect is under way until its own end.
    #[test]
    fn a_suspect_is_under_way_until_its_own_end() {
        let mut scene = Scene::new();
        let mut lines = Lines::default();
        let mut text = scene.message(DANA, Category::Transactional);
        let other = scene.message(DANA, Category::Transactional);
        text.plan.deaths = Plan::SUSPECT - 1;
        lines.begin(&text, None);
        assert!(!lines.has_suspect());
        text.plan.deaths = Plan::SUSPECT;
        text.epoch = 2;
        lines.begin(&text, None);
        assert!(lines.has_suspect());
        lines.end(&other);
        assert!(lines.has_suspect());
        lines.end(&text);
        assert!(!lines.has_suspect());
    }

    /// M8, M7: a line holds no more calls than there is room left for others; the last twentieth is kept for what is urgent.
    #[test]
    fn a_line_leaves_as_much_room_as_it_takes() {
        let may = |most: u32, own: u32, others: u32, begun: u32, begun_own: u32| {
            let mut scene = Scene::new();
            scene.lines = Lines::with_room_for(most);
            let line = Line::Account(TEXTS);
            for _ in 0..own {
                scene.lines.add(line);
            }
            for _ in 0..others {
                scene.lines.add(Line::Account(MAILS));
            }
            scene.turn(|turn, _| {
                for _ in 0..begun {
                    turn.begun.add(Line::Account(MAILS));
                }
                for _ in 0..begun_own {
                    turn.begun.add(line);
                }
                (turn.may_call(line, false), turn.may_call(line, true))
            })
        };
        // Of 100, five are kept; 95 are free, and a line may hold up to what is left for others.
        assert_eq!(may(100, 0, 0, 0, 0), (true, true));
        assert_eq!(may(100, 47, 0, 0, 0), (true, true));
        assert_eq!(may(100, 48, 0, 0, 0), (false, true));
        assert_eq!(may(100, 40, 0, 0, 7), (true, true));
        assert_eq!(may(100, 40, 0, 0, 8), (false, true));
        assert_eq!(may(100, 0, 94, 0, 0), (true, true));
        assert_eq!(may(100, 0, 95, 0, 0), (false, true));
        assert_eq!(may(100, 0, 90, 5, 0), (false, true));
        assert_eq!(may(100, 0, 99, 0, 0), (false, true));
        assert_eq!(may(100, 0, 100, 0, 0), (false, false));
        assert_eq!(may(100, 0, 50, 50, 0), (false, false));
    }

    /// M7: a new message does not overtake what waits on the same channel at the same or a higher priority; taken from the queue it does
    /// not wait for itself.
    #[test]
    fn a_new_message_goes_behind_those_that_wait() {
        for (waits, new, queues) in [
            (Priority::Normal, Priority::Normal, true),
            (Priority::High, Priority::Normal, true),
            (Priority::Low, Priority::Normal, false),
            (Priority::Normal, Priority::Critical, false),
        ] {
            let mut scene = Scene::new();
            let text = Message {
                priority: new,
                ..scene.message(DANA, Category::Transactional)
            };
            assert!(
                !scene.turn(|turn, _| turn.must_queue(&text)),
                "nobody waits"
            );
            scene
                .lines
                .behind
                .insert((ChannelKind::Sms, text.tenant, waits));
            assert_eq!(
                scene.turn(|turn, _| turn.must_queue(&text)),
                queues,
                "{waits} waits, {new} comes"
            );
            let taken = scene.turn(|turn, _| {
                turn.claiming = true;
                turn.must_queue(&text)
            });
            assert!(!taken);
            let mail = Message {
                priority: new,
                ..scene.message(DANAS_MAIL, Category::Transactional)
            };
            assert!(!scene.turn(|turn, _| turn.must_queue(&mail)));
            let sent = scene.post(text);
            assert_eq!(sent.status == Status::Queued, queues);
        }
    }

    /// M8: a message needs a line of its own: one of its accounts with room, or the sandbox of its channel.
    #[test]
    fn a_message_needs_a_line_with_room() {
        let mut scene = Scene::new();
        scene.lines = Lines::with_room_for(2);
        let text = scene.message(DANA, Category::Transactional);
        let played = Message {
            sandbox: true,
            ..text.clone()
        };
        let lines = |scene: &mut Scene, message: &Message| {
            scene.turn(|turn, tenant| turn.has_line(tenant, message))
        };
        assert!(lines(&mut scene, &text) && lines(&mut scene, &played));
        scene
            .lines
            .add(Line::Sandbox(text.tenant, ChannelKind::Sms));
        assert!(
            lines(&mut scene, &text) && !lines(&mut scene, &played),
            "the sandbox has as much as the account"
        );
        scene.edit(|tenant| tenant.connections[0].enabled = false);
        assert!(!lines(&mut scene, &text));
        // Without a line it waits, due now, and what it would have begun is not counted.
        let mut scene = Scene::new();
        scene.lines = Lines::with_room_for(1);
        scene.lines.add(Line::Account(TEXTS));
        let waiting = scene.post(text);
        assert_eq!(
            (waiting.status, waiting.due_at),
            (Status::Queued, scene.now)
        );
        scene.lines = Lines::default();
        assert_eq!(scene.claim(), 1);
        assert_eq!(
            scene.settle(waiting.id, accepted(None)).status,
            Status::Accepted
        );
        // What a turn took back is counted anew from what it still sends off.
        let text = scene.message(DANA, Category::Transactional);
        let begun = scene.turn(|turn, tenant| {
            let id = text.id;
            turn.post(tenant, text);
            assert_eq!(turn.sent_off, [id]);
            turn.begun.add(Line::Account(MAILS));
            turn.recount();
            (turn.begun.all, turn.begun.lines.clone())
        });
        assert_eq!(begun, (1, HashMap::from([(Line::Account(TEXTS), 1)])));
    }
}
