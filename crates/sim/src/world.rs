//! One world: the real rules and the real store under virtual time, with clients, providers, people and clocks drawn from one seed.
//!
//! Two clocks run. True time is that of providers and people, and of the machine's boot clock; the server's wall clock is true time plus
//! an offset that jumps. Everything happens in one thread, in the order of true time, so that a seed tells the whole history.

use crate::dice::Dice;
use crate::faults::{Act, Failure, Faults, Fragile, Seam, Trouble};
use crate::history::History;
use crate::houses;
use crate::people::{Person, Will};
use crate::providers::{Goes, Provider};
use crate::requests::{self, Client, Request, WORDS};
use crate::twin::Twin;
use ringback_core::ids::{AttemptId, ConnectionId, IdMaker, MessageId, TenantId};
use ringback_core::messages::{
    Category, ChannelKind, Fact, Finding, Message, Outcome, Priority, ProviderRef, Reason, Repeat,
    Report, Reported, Status, Suppress,
};
use ringback_core::seeded::{Bug, has};
use ringback_core::time::{Timestamp, from_micros, micros};
use ringback_core::turn::world::{Purpose, Tally};
use ringback_core::turn::{
    Answer, Batch, Intake, Lines, LookUps, Looked, Order, Queues, Settled, Tenants, World as Known,
};
use ringback_store::{Checkpointer, LeadFilter, Readers, Writer, open};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, HashMap, HashSet, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// One second. Unit of all instants: microseconds.
pub const SECOND: i64 = 1_000_000;
const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;
/// How long a claim holds, as in the server.
const LEASE: Duration = Duration::from_secs(60);
const LEASE_US: i64 = 60 * SECOND;
/// Nothing is written to a provider so long before the lease ends, as in the server.
const BEFORE_LEASE_ENDS: i64 = 20 * SECOND;
/// The turn loop looks for calls that outlived their lease so often, as in the server.
const POLL: i64 = 5 * SECOND;
/// How long a world may need to become quiet.
const LONGEST_CALM: i64 = 60 * DAY;
/// A world of this size is quiet after some thousand steps; one that is not turns in a circle.
pub const MOST_STEPS: u64 = 12_000;

/// How a call to a provider stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// Under way.
    Open,
    /// The caller knows how it ended.
    Known,
    /// Nobody of ours knows how it ended.
    Unknown,
    /// The server ended before the call began.
    NeverMade,
}

/// A call to a provider, from its intent on.
#[derive(Debug, Clone)]
pub struct Call {
    /// The message as it was sent off.
    pub message: Arc<Message>,
    /// When its intent was committed, true time.
    pub intent_at: i64,
    /// The commit's number.
    pub commit: u64,
    /// Claimed when due rather than born claimed.
    pub claimed: bool,
    /// The server's wall clock minus true time at the intent.
    pub offset: i64,
    /// Which life of the server made it.
    pub life: u32,
    /// How it goes.
    pub goes: Goes,
    /// Whether bytes went out.
    pub begun: bool,
    /// When the provider passed a copy on.
    pub copied_at: Option<i64>,
    /// How it stands.
    pub end: End,
    /// What came of it is on the disk.
    pub written: bool,
    /// The server died before that.
    pub died: bool,
}

/// A message as it was planned.
#[derive(Debug, Clone)]
pub struct Planned {
    /// Whose.
    pub tenant: TenantId,
    /// When, true time.
    pub at: i64,
    /// Statuses it had, with the true time of their commit.
    pub statuses: Vec<(i64, Status)>,
    /// A person of the business had it sent again.
    pub retried: bool,
}

/// What somebody did about messages, once it was on the disk.
#[derive(Debug, Clone)]
pub struct Willed {
    /// When its commit was done, true time.
    pub at: i64,
    /// The commit's number.
    pub commit: u64,
    /// Which business.
    pub house: usize,
    /// The number or address.
    pub address: String,
    /// What.
    pub will: Will,
}

#[derive(Debug, Clone)]
enum Happening {
    Arrives(usize),
    Turn(u64),
    CallBegins(usize),
    MidCall(usize),
    Accepts(usize),
    Answers(usize, Outcome),
    LookEnds(Arc<Message>, i64, u32),
    ClockJumps(i64),
    Outage(ConnectionId, i64),
    Restart,
    StaffLooks(usize),
    /// Something is asked that depends on what is known by then.
    Asks(Asking),
}

#[derive(Debug, Clone, Copy)]
enum Asking {
    Reply {
        person: usize,
        word: usize,
    },
    Act {
        person: usize,
        what: &'static str,
    },
    Compose {
        person: usize,
        category: Category,
        channel: ChannelKind,
        later: bool,
    },
    OnMessage {
        again: bool,
    },
}

#[derive(Debug)]
struct Event {
    at: i64,
    seq: u64,
    what: Happening,
}

impl PartialEq for Event {
    fn eq(&self, other: &Self) -> bool {
        (self.at, self.seq) == (other.at, other.seq)
    }
}
impl Eq for Event {}
impl PartialOrd for Event {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Event {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.seq).cmp(&(other.at, other.seq))
    }
}

/// How a world is to be.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Everything random comes from it.
    pub seed: u64,
    /// What goes wrong at the seams; `None` draws it from the seed.
    pub trouble: Option<Trouble>,
    /// Keeps the history's lines.
    pub keep: bool,
    /// Fewer people and nothing drawn to go wrong besides `trouble`.
    pub small: bool,
    /// Records in memory hear every batch beside the store, and must answer the same.
    pub twin: bool,
}

impl Plan {
    /// A world as its seed has it.
    pub const fn of(seed: u64) -> Self {
        Self {
            seed,
            trouble: None,
            keep: false,
            small: false,
            twin: false,
        }
    }
}

/// The server's memory: gone when the process ends.
struct Server {
    writer: Writer,
    readers: Readers,
    checkpoints: Checkpointer,
    ids: IdMaker,
    lines: Lines,
    queues: Queues,
    looking: HashSet<MessageId>,
    inbox: VecDeque<(Order, Option<usize>)>,
    outcomes: Vec<Settled>,
    looked: Vec<Looked>,
    looked_at: i64,
}

/// One world.
pub struct Sim {
    /// The plan it was made by.
    pub plan: Plan,
    /// True time.
    pub now: i64,
    /// The server's wall clock minus true time.
    pub offset: i64,
    /// The farthest that the wall clock ever was from true time.
    pub farthest: i64,
    /// What goes wrong, and how often it did.
    pub faults: Faults,
    /// Everything that happened.
    pub history: History,
    /// The businesses.
    pub tenants: Tenants,
    /// The far ends of their accounts.
    pub providers: BTreeMap<ConnectionId, Provider>,
    /// The people.
    pub people: Vec<Person>,
    /// Everything asked of the server.
    pub requests: Vec<Request>,
    /// Every call to a provider.
    pub calls: Vec<Call>,
    /// Every message that a commit planned.
    pub planned: BTreeMap<MessageId, Planned>,
    /// What people wished, in the order of commits.
    pub wills: Vec<Willed>,
    /// Reports on messages that were taken, each once.
    pub reports: Vec<(MessageId, Status)>,
    /// Metrics: unknown, possible duplicates, found, absent.
    pub tallies: [u64; 4],
    /// Marks of other businesses on pages that staff of a business looked at.
    pub leaks: Vec<String>,
    /// People whose lead was deleted.
    pub deleted: HashSet<usize>,
    /// Calls given up although they answered in time.
    pub given_up: Vec<String>,
    /// Moments at which the server was down, true time.
    pub downs: Vec<(i64, i64)>,
    /// Things that happened.
    pub steps: u64,
    /// The folder of the store.
    pub folder: PathBuf,
    /// Records in memory beside the store, and where they answered otherwise.
    pub twin: Option<Twin>,
    server: Option<Server>,
    life: u32,
    commits: u64,
    turn_at: Option<(i64, u64)>,
    queue: BinaryHeap<Reverse<Event>>,
    seq: u64,
    calm: bool,
    rough: i64,
    most: [u32; 3],
    slow_start: i64,
    dice: Dice,
    script: Dice,
    turns: Dice,
    taken: HashSet<String>,
    by_attempt: HashMap<AttemptId, usize>,
    staff_clicks: bool,
    busy: Vec<i64>,
}

impl std::fmt::Debug for Sim {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sim")
            .field("seed", &self.plan.seed)
            .finish_non_exhaustive()
    }
}

static FOLDERS: AtomicU64 = AtomicU64::new(0);

fn scratch() -> PathBuf {
    let fast = Path::new("/dev/shm");
    let base = if fast.is_dir() {
        fast.to_owned()
    } else {
        std::env::temp_dir()
    };
    let n = FOLDERS.fetch_add(1, Ordering::Relaxed);
    base.join(format!("ringback-sim-{}-{n}", std::process::id()))
}

/// An empty database with the schema of today, made once.
fn empty_database() -> &'static [u8] {
    static EMPTY: std::sync::OnceLock<Vec<u8>> = std::sync::OnceLock::new();
    EMPTY.get_or_init(|| {
        let folder = scratch();
        drop(open(&folder).unwrap_or_else(|error| panic!("a new store: {error}")));
        let bytes = std::fs::read(folder.join("ringback.db")).unwrap_or_default();
        let _ = std::fs::remove_dir_all(&folder);
        bytes
    })
}

impl Drop for Sim {
    fn drop(&mut self) {
        self.server = None;
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

impl Sim {
    /// Builds a world and lets it happen until nothing more is to come.
    pub fn run(plan: Plan) -> Self {
        #[cfg(feature = "seeded-bugs")]
        ringback_core::turn::forget_readings();
        let mut sim = Self::new(plan);
        sim.begin();
        sim.live();
        sim.server = None;
        sim
    }

    fn new(plan: Plan) -> Self {
        let seed = plan.seed;
        let mut script = Dice::new(seed, 1);
        // 2026, any day and hour: summer time and its ends are among them.
        let began =
            1_767_225_600 * SECOND + script.below(330) * DAY + script.below(24 * 60) * MINUTE;
        let rough = if plan.small {
            0
        } else {
            script.pick(&[0, 60, 150, 300, 600])
        };
        let trouble = plan.trouble.clone().unwrap_or_else(|| {
            let mut dice = Dice::new(seed, 4);
            Trouble::Chance {
                crashes: dice.pick(&[0, 0, 4, 12, 30]),
                failures: dice.pick(&[0, 0, 5, 20]),
                left: 6,
                dice,
            }
        });
        let most = if script.in_thousand(300) {
            [2, 2, 1]
        } else {
            [400, 400, 200]
        };
        let slow_start = script.pick(&[0, 0, 10]);
        let folder = scratch();
        Self {
            history: History::new(began, plan.keep),
            now: began,
            offset: 0,
            farthest: 0,
            faults: Faults::new(trouble),
            tenants: HashMap::new(),
            providers: BTreeMap::new(),
            people: Vec::new(),
            requests: Vec::new(),
            calls: Vec::new(),
            planned: BTreeMap::new(),
            wills: Vec::new(),
            reports: Vec::new(),
            tallies: [0; 4],
            leaks: Vec::new(),
            deleted: HashSet::new(),
            given_up: Vec::new(),
            downs: Vec::new(),
            steps: 0,
            folder,
            twin: plan.twin.then(Twin::default),
            server: None,
            life: 0,
            commits: 0,
            turn_at: None,
            queue: BinaryHeap::new(),
            seq: 0,
            calm: false,
            rough,
            most,
            slow_start,
            dice: Dice::new(seed, 2),
            turns: Dice::new(seed, 3),
            script,
            taken: HashSet::new(),
            by_attempt: HashMap::new(),
            staff_clicks: true,
            busy: Vec::new(),
            plan,
        }
    }

    /// The server's wall clock.
    fn wall(&self) -> Timestamp {
        from_micros(self.now + self.offset)
    }

    /// The boot clock.
    fn boot(&self) -> Duration {
        Duration::from_micros(self.now.unsigned_abs())
    }

    fn at(&mut self, at: i64, what: Happening) {
        self.seq += 1;
        self.queue.push(Reverse(Event {
            at: at.max(self.now),
            seq: self.seq,
            what,
        }));
    }

    /// The turn loop is to run at an instant of true time.
    fn wake(&mut self, at: i64) {
        let at = at.max(self.now);
        if self.turn_at.is_none_or(|(next, _)| at < next) {
            self.at(at, Happening::Turn(self.seq + 1));
            self.turn_at = Some((at, self.seq));
        }
    }

    // How it begins

    fn begin(&mut self) {
        let (now, seed) = (self.now, self.plan.seed);
        let mut dice = Dice::new(seed, 5);
        let _ = std::fs::create_dir_all(&self.folder);
        if let Err(error) = std::fs::write(self.folder.join("ringback.db"), empty_database()) {
            panic!("the scratch folder cannot be written: {error}");
        }
        for house in 0..houses::NAMES.len() {
            let tenant = houses::tenant(house, &mut dice);
            self.providers.extend(houses::providers(&tenant));
            self.tenants.insert(tenant.id, Arc::new(tenant));
        }
        self.start();
        if let Some(server) = &mut self.server {
            for house in 0..houses::NAMES.len() {
                if let Some(tenant) = self.tenants.get(&houses::id(house))
                    && let Err(error) =
                        houses::move_in(&mut server.writer, tenant, from_micros(now))
                {
                    panic!("a business could not move in: {error}");
                }
                if let (Some(twin), Some(tenant)) =
                    (&mut self.twin, self.tenants.get(&houses::id(house)))
                {
                    twin.move_in(tenant, from_micros(now));
                }
            }
        }
        self.write_script();
    }

    /// Starts the server: what was in flight in its life before is unknown.
    fn start(&mut self) {
        let (writer, readers, checkpoints) = match open(&self.folder) {
            Ok(opened) => opened,
            Err(error) => panic!(
                "the store of seed {} cannot be opened: {error}",
                self.plan.seed
            ),
        };
        self.life += 1;
        let lost = match writer.in_flight(100_000) {
            Ok(lost) => lost,
            Err(error) => panic!("messages in flight cannot be read: {error}"),
        };
        let why = Reason::new(
            "restart",
            "The server stopped while the provider was being called.",
        );
        let outcomes = lost
            .into_iter()
            .map(|message| self.lost(message, &why))
            .collect();
        let ids = IdMaker::new(0, writer.last_id());
        self.server = Some(Server {
            writer,
            readers,
            checkpoints,
            ids,
            lines: Lines::with_room_for(self.most.iter().sum()),
            queues: Queues::default(),
            looking: HashSet::new(),
            inbox: VecDeque::new(),
            outcomes,
            looked: Vec::new(),
            looked_at: self.now,
        });
        self.wake(self.now);
    }

    fn lost(&self, message: Message, why: &Reason) -> Settled {
        let now = self.wall();
        let started_at = message.deadline.map_or(now, |deadline| {
            deadline - jiff::SignedDuration::from_secs(60)
        });
        Settled {
            message: Arc::new(message),
            started_at,
            finished_at: now,
            outcome: Outcome::Unknown { why: why.clone() },
            segments: None,
            died: why.code == "restart",
        }
    }

    fn ask(&mut self, at: i64, request: Request) {
        self.requests.push(request);
        self.at(at, Happening::Arrives(self.requests.len() - 1));
    }

    fn token(&self, kind: &str) -> String {
        format!("{kind}{}z", self.requests.len())
    }

    /// What people will do, as far as it does not depend on what happens.
    fn write_script(&mut self) {
        let mut script = self.script.clone();
        let span = if self.plan.small { HOUR } else { 2 * DAY };
        let mut shared: Option<Person> = None;
        for house in 0..houses::NAMES.len() {
            let n = if self.plan.small {
                1
            } else {
                script.between(1, 9)
            };
            for i in 0..n {
                let mut person = Person::draw(&mut script, house, 10 * house as i64 + i);
                if let Some(known) = shared.take().filter(|_| script.in_thousand(300)) {
                    // The same person is a customer of two businesses.
                    person = Person {
                        house,
                        mark: person.mark,
                        lead: None,
                        ..known
                    };
                }
                shared = Some(person.clone());
                self.people.push(person);
                self.plan_person(&mut script, span);
            }
            for _ in 0..2 {
                let at = self.now + script.below(span);
                self.at(at, Happening::StaffLooks(house));
            }
        }
        if !self.plan.small {
            for _ in 0..script.below(4) {
                let at = self.now + script.below(span);
                let again = script.in_thousand(600);
                self.at(at, Happening::Asks(Asking::OnMessage { again }));
            }
            if script.in_thousand(250) {
                for _ in 0..script.between(1, 4) {
                    let delta = script.pick(&[
                        -SECOND,
                        SECOND,
                        -90 * SECOND,
                        90 * SECOND,
                        -HOUR,
                        HOUR,
                        6 * HOUR,
                        -DAY,
                        DAY,
                    ]);
                    // Where it hurts: while calls are under way.
                    let at = if script.in_thousand(600) && !self.busy.is_empty() {
                        script.pick(&self.busy) + script.below(2 * SECOND)
                    } else {
                        self.now + script.below(span)
                    };
                    self.at(at, Happening::ClockJumps(delta));
                }
            }
            let accounts: Vec<ConnectionId> = self.providers.keys().copied().collect();
            for id in accounts {
                if script.in_thousand(80) {
                    let at = self.now + script.below(span);
                    let length = script.pick(&[MINUTE, 20 * MINUTE, 3 * HOUR]);
                    self.at(at, Happening::Outage(id, length));
                }
            }
        }
        self.script = script;
    }

    fn plan_person(&mut self, script: &mut Dice, span: i64) {
        let who = self.people.len() - 1;
        let person = self.people[who].clone();
        let house = person.house;
        let first = self.now + script.below(span);
        self.busy.push(first);
        let forms = [
            ["contact", "contact"],
            ["booking", "quick-quote"],
            ["contact", "contact"],
        ];
        for n in 0..script.pick(&[1, 1, 2]) {
            let form = script.pick(&forms[house]);
            let token = self.token("form");
            let (intake, wills) = requests::capture(&person, &token, Some(form));
            let mut request = Request::new(house, Client::Keyed, "capture", token, intake);
            request.person = Some(who);
            request.wills = wills;
            let at = first + n * script.between(MINUTE, DAY);
            self.ask(at, request);
        }
        if self.plan.small {
            self.at(
                first + 2 * MINUTE,
                Happening::Asks(Asking::Reply {
                    person: who,
                    word: 0,
                }),
            );
            return;
        }
        if script.in_thousand(400) {
            let mut at = first - script.below(HOUR);
            for n in 0..script.between(1, 6) {
                let (kind, path) = script.pick(&[
                    ("page", "/emergency/burst-pipe"),
                    ("page", "/services/drains"),
                    ("emergency_click", "/emergency/burst-pipe"),
                    ("phone_click", "/contact"),
                    ("contact_form_start", "/contact"),
                ]);
                at += script.below(2 * MINUTE);
                let token = format!("{}n{n}", self.token("page"));
                let intake = requests::track(&person, kind, path, &token, from_micros(at));
                let mut request = Request::new(house, Client::Keyed, "track", token, intake);
                request.person = Some(who);
                self.ask(at, request);
            }
        }
        for _ in 0..script.pick(&[0, 0, 1, 2]) {
            let at = first + script.below(span);
            let word = script.below(WORDS.len() as i64) as usize;
            self.at(at, Happening::Asks(Asking::Reply { person: who, word }));
        }
        let at = first + script.below(span);
        let channel = script.pick(&[ChannelKind::Sms, ChannelKind::Email]);
        match script.below(16) {
            0 => self.tell_consent(at, who, channel, Purpose::Promotional, false),
            1 => self.tell_consent(at, who, channel, Purpose::Transactional, false),
            2 => self.tell_consent(at, who, channel, Purpose::Promotional, true),
            3 => {
                for (on, at) in [(true, at), (false, at + script.below(DAY))] {
                    let token = self.token("list");
                    let intake = requests::list(&person, on);
                    let mut request = Request::new(house, Client::Keyed, "list", token, intake);
                    request.person = Some(who);
                    let will = if on { Will::List } else { Will::Unlist };
                    request.wills = vec![(person.phone.clone(), will)];
                    self.ask(at, request);
                }
            }
            4..=7 => {
                let category = script.pick(&[Category::Transactional, Category::Promotional]);
                let later = script.in_thousand(400);
                self.at(
                    at,
                    Happening::Asks(Asking::Compose {
                        person: who,
                        category,
                        channel,
                        later,
                    }),
                );
            }
            8 => {
                let what = script.pick(&["delete", "stage", "take"]);
                self.at(at, Happening::Asks(Asking::Act { person: who, what }));
            }
            _ => {}
        }
    }

    fn tell_consent(
        &mut self,
        at: i64,
        who: usize,
        channel: ChannelKind,
        purpose: Purpose,
        granted: bool,
    ) {
        let person = self.people[who].clone();
        let Some((intake, address)) = requests::consent(&person, channel, purpose, granted) else {
            return;
        };
        let token = self.token("consent");
        let mut request = Request::new(person.house, Client::Keyed, "consent", token, intake);
        request.person = Some(who);
        let will = match (granted, purpose) {
            (true, _) => Will::AllowOffers,
            (false, Purpose::Promotional) => Will::RevokeOffers,
            (false, _) => Will::RevokeAll,
        };
        request.wills = vec![(address, will)];
        self.ask(at, request);
    }

    // How it goes on

    fn live(&mut self) {
        let calm_at = self.now + if self.plan.small { 2 * DAY } else { 3 * DAY };
        let end = calm_at + LONGEST_CALM;
        while let Some(Reverse(event)) = self.queue.pop() {
            if event.at > end {
                break;
            }
            if !self.calm && event.at >= calm_at {
                self.calm = true;
                self.staff_clicks = false;
                if !matches!(self.faults.trouble, Trouble::Nth { .. }) {
                    self.faults.trouble = Trouble::None;
                }
                self.history
                    .say(calm_at, format_args!("from here on nothing goes wrong"));
            }
            self.now = event.at;
            self.steps += 1;
            if self.steps > MOST_STEPS {
                break;
            }
            self.happens(event.what);
        }
    }

    fn happens(&mut self, what: Happening) {
        match what {
            Happening::Arrives(request) => self.arrives(request),
            Happening::Turn(token) => {
                if self.turn_at.is_some_and(|(_, next)| next == token) {
                    self.turn_at = None;
                    self.turn();
                }
            }
            Happening::CallBegins(call) => self.call_begins(call),
            Happening::MidCall(call) => {
                if self.calls[call].life == self.life && self.server.is_some() {
                    self.crash_at(Seam::MidCall);
                }
            }
            Happening::Accepts(call) => self.accepts(call),
            Happening::Answers(call, outcome) => self.answers(call, outcome),
            Happening::LookEnds(message, began, life) => self.look_ends(message, began, life),
            Happening::ClockJumps(delta) => {
                self.offset += delta;
                self.farthest = self.farthest.max(self.offset.abs());
                self.faults.sometimes(if delta > 0 {
                    "clock.forward"
                } else {
                    "clock.back"
                });
                self.history.say(
                    self.now,
                    format_args!("the wall clock jumps by {} s", delta / SECOND),
                );
                self.wake(self.now + POLL);
            }
            Happening::Outage(id, length) => {
                if let Some(provider) = self.providers.get_mut(&id) {
                    provider.out_until = self.now + length;
                    self.faults.sometimes("provider.outage");
                    self.history.say(
                        self.now,
                        format_args!("{id} is out for {} s", length / SECOND),
                    );
                }
            }
            Happening::Restart => {
                if self.server.is_none() {
                    if let Some(down) = self.downs.last_mut() {
                        down.1 = self.now;
                    }
                    self.history
                        .say(self.now, format_args!("the server starts"));
                    self.start();
                }
            }
            Happening::StaffLooks(house) => self.staff_looks(house),
            Happening::Asks(asking) => self.asks(asking),
        }
    }

    fn arrives(&mut self, n: usize) {
        let request = &mut self.requests[n];
        if request.over || (request.client == Client::Keyed && request.told.is_some()) {
            return;
        }
        request.tries += 1;
        let Some(server) = &mut self.server else {
            self.comes_again(n, "nobody is there");
            return;
        };
        let order = Order {
            tenant: houses::id(request.house),
            at: from_micros(self.now + self.offset),
            intake: request.intake.clone(),
            once: request.once(),
        };
        server.inbox.push_back((order, Some(n)));
        self.history.say(
            self.now,
            format_args!(
                "{} {} arrives, try {}",
                self.requests[n].what, self.requests[n].token, self.requests[n].tries
            ),
        );
        let gather = self.dice.below(3_000);
        self.wake(self.now + gather);
    }

    /// The client heard nothing, or a refusal, and comes again.
    fn comes_again(&mut self, n: usize, why: &str) {
        let (tries, client) = (self.requests[n].tries, self.requests[n].client);
        self.history.say(
            self.now,
            format_args!(
                "{} {}: {why}",
                self.requests[n].what, self.requests[n].token
            ),
        );
        if client == Client::Keyed && tries >= 3 && self.dice.in_thousand(200) {
            self.requests[n].over = true;
            self.faults.sometimes("client.gives_up");
            return;
        }
        self.faults.sometimes("client.comes_again");
        let wait = self.dice.between(SECOND, 8 * SECOND) * i64::from(tries.min(8));
        self.at(self.now + wait, Happening::Arrives(n));
    }

    // Turns

    fn turn(&mut self) {
        let (wall, boot) = (self.wall(), self.boot());
        let Some(mut server) = self.server.take() else {
            return;
        };
        let mut clients: Vec<Option<usize>> = Vec::new();
        let mut orders: Vec<Order> = Vec::new();
        let taken = server.inbox.len().min(256);
        for (order, client) in server.inbox.drain(..taken) {
            orders.push(order);
            clients.push(client);
        }
        let outcomes = std::mem::take(&mut server.outcomes);
        let looked = std::mem::take(&mut server.looked);
        let own = |tenant, intake| Order {
            tenant,
            at: wall,
            intake,
            once: None,
        };
        for settled in &outcomes {
            orders.push(own(
                settled.message.tenant,
                Intake::Settled(Box::new(settled.clone())),
            ));
        }
        for one in &looked {
            orders.push(own(
                one.message.tenant,
                Intake::Looked(Box::new(one.clone())),
            ));
        }
        for (tenant, run, lead) in server.writer.wakes(wall, 500).unwrap_or_default() {
            orders.push(own(tenant, Intake::Wake { run, lead }));
        }
        if self.now - server.looked_at >= POLL {
            server.looked_at = self.now;
            for message in outlived(&server, wall, boot) {
                self.gives_up(&message);
                let why = Reason::new(
                    "lease",
                    "The server heard no end of the call before its lease ended.",
                );
                let settled = self.lost(message, &why);
                orders.push(own(
                    settled.message.tenant,
                    Intake::Settled(Box::new(settled)),
                ));
            }
        }
        clients.resize(orders.len(), None);
        let due = server.writer.looks(wall, 64).unwrap_or_default();
        for message in due {
            if server.looking.insert(message.id) {
                let length = self.dice.between(50_000, 3 * SECOND);
                self.faults.sometimes("look_up");
                self.at(
                    self.now + length,
                    Happening::LookEnds(Arc::new(message), self.now, self.life),
                );
            }
        }
        server
            .queues
            .fill(server.writer.queues().unwrap_or_default());
        let anything = server.queues.any_due(wall) && !server.lines.full();
        if orders.is_empty() && !anything {
            self.server = Some(server);
            self.look_ahead();
            return;
        }
        let mut early = None;
        let batch = Batch {
            orders: &orders,
            tenants: &self.tenants,
            now: wall,
            ids: &mut server.ids,
            dice: &mut self.turns,
            lines: &mut server.lines,
            queues: &mut server.queues,
            distrust: None,
            looks: LookUps::default(),
            lease: LEASE,
            written: requests::written,
        };
        let mut records = Fragile {
            writer: &mut server.writer,
            faults: &mut self.faults,
            twin: self.twin.as_mut(),
        };
        let decided = batch.commit(&mut records, |answers, _| {
            if has(Bug::AnswerBeforeCommit) {
                early = Some(answers.to_vec());
            }
            Ok(())
        });
        self.server = Some(server);
        match decided {
            Ok(decided) => {
                self.commits += 1;
                self.observe(
                    &orders,
                    &clients,
                    &decided.answers,
                    &decided.world,
                    &decided.sent_off,
                );
                let crashed = self.faults.at(Seam::Committed) == Act::Crash;
                if let Some(server) = &mut self.server {
                    // As the server does: a queue that this very turn holds is let go by a call that ended in it.
                    let writer = &server.writer;
                    server
                        .queues
                        .after_turn(&decided.world, &decided.claimed, wall, |queue| {
                            writer.next_due(queue).ok().flatten()
                        });
                    for order in &orders {
                        match &order.intake {
                            Intake::Settled(settled) => {
                                server.lines.end(&settled.message);
                                let message = &settled.message;
                                server.queues.release(message.tenant, message.channel);
                            }
                            Intake::Looked(one) => {
                                server.looking.remove(&one.message.id);
                            }
                            _ => {}
                        }
                    }
                    for message in &decided.sent_off {
                        server.lines.begin(message, Some(boot + LEASE));
                    }
                }
                self.intents(&decided.sent_off, &decided.world);
                if crashed {
                    self.break_lines(&clients);
                    self.crash("after a commit");
                    return;
                }
                for (client, answer) in clients.iter().zip(decided.answers) {
                    if let Some(n) = client {
                        self.tell(*n, answer);
                    }
                }
                self.look_ahead();
            }
            Err(failure) => {
                self.history
                    .say(self.now, format_args!("a turn fails: {failure:?}"));
                if let Some(early) = early {
                    for (client, answer) in clients.iter().zip(early) {
                        if let Some(n) = client {
                            self.tell(*n, answer);
                        }
                    }
                    clients.fill(None);
                }
                self.break_lines(&clients);
                if matches!(failure, Failure::Crash) {
                    self.crash("before a commit");
                    return;
                }
                if let Some(server) = &mut self.server {
                    server.outcomes.splice(0..0, outcomes);
                    server.looked.splice(0..0, looked);
                }
                self.wake(self.now + 200_000);
            }
        }
    }

    /// Clients whose order was not answered come again.
    fn break_lines(&mut self, clients: &[Option<usize>]) {
        for n in clients.iter().flatten() {
            self.comes_again(*n, "it hears nothing");
        }
    }

    fn look_ahead(&mut self) {
        let (now, offset) = (self.now, self.offset);
        let Some(server) = &self.server else { return };
        let mut next: Option<i64> = None;
        let mut sooner = |at: Option<Timestamp>| {
            if let Some(at) = at {
                let at = micros(at) - offset;
                next = Some(next.map_or(at, |next| next.min(at)));
            }
        };
        if !server.lines.full() {
            sooner(server.queues.next());
        }
        sooner(server.writer.next_wake().ok().flatten());
        // Those that are being looked up come back by themselves.
        let looks = server.writer.looks(Timestamp::MAX, 500).unwrap_or_default();
        let fresh = looks.iter().filter(|one| !server.looking.contains(&one.id));
        sooner(fresh.filter_map(|one| one.deadline).min());
        let calls = server.lines.all() > 0;
        if calls {
            next = Some(next.map_or(now + POLL, |next| next.min(now + POLL)));
        }
        if let Some(next) = next {
            // Never at once again: a turn that changed nothing must not spin.
            self.wake(next.max(now + 1_000));
        }
    }

    /// What a commit made of the world, for the records of the checker.
    fn observe(
        &mut self,
        orders: &[Order],
        clients: &[Option<usize>],
        answers: &[Answer],
        world: &Known,
        sent_off: &[Arc<Message>],
    ) {
        let now = self.now;
        self.history.say(
            now,
            format_args!(
                "commit {}: {} orders, {} sent off",
                self.commits,
                orders.len(),
                sent_off.len()
            ),
        );
        let retried: HashSet<MessageId> = orders
            .iter()
            .filter_map(|order| match &order.intake {
                Intake::Retry { message, .. } => Some(*message),
                _ => None,
            })
            .collect();
        for message in &world.out.messages {
            self.history.say(
                now,
                format_args!(
                    "  {} {} {} to {} is {}",
                    message.id,
                    message.category,
                    message.channel,
                    message.recipient,
                    message.status
                ),
            );
            self.planned.insert(
                message.id,
                Planned {
                    tenant: message.tenant,
                    at: now,
                    statuses: vec![(now, message.status)],
                    retried: false,
                },
            );
        }
        for change in &world.out.changes {
            let message = &change.message;
            self.history
                .say(now, format_args!("  {} is {}", message.id, message.status));
            if let Some(planned) = self.planned.get_mut(&message.id) {
                planned.retried |= retried.contains(&message.id);
            }
        }
        for tally in &world.out.tallies {
            let slot = match tally {
                Tally::Unknown => 0,
                Tally::PossibleDuplicate => 1,
                Tally::Found => 2,
                Tally::Absent => 3,
            };
            self.tallies[slot] += 1;
        }
        for ((order, client), answer) in orders.iter().zip(clients).zip(answers) {
            let fresh = !matches!(answer, Answer::Repeated { .. } | Answer::Refused { .. });
            if let (Some(n), true) = (client, fresh) {
                let request = self.requests[*n].clone();
                if !self.taken.insert(request.token.clone()) {
                    continue;
                }
                for (address, will) in request.wills {
                    self.willed(request.house, address, will);
                }
                match &order.intake {
                    Intake::Report(report) => {
                        if let (Some(message), Reported::Status(status)) =
                            (report.message, report.what)
                        {
                            self.reports.push((message, status));
                        }
                    }
                    Intake::Delete { .. } if *answer == Answer::Done => {
                        self.deleted.extend(request.person);
                    }
                    _ => {}
                }
            }
            if let Intake::Settled(settled) = &order.intake
                && let Some(n) = settled
                    .message
                    .attempt
                    .and_then(|id| self.by_attempt.get(&id))
            {
                self.calls[*n].written = true;
            }
            if let Intake::Settled(settled) = &order.intake
                && let Outcome::Permanent {
                    suppress: Suppress::OptedOut,
                    ..
                } = settled.outcome
                && world
                    .out
                    .attempts
                    .iter()
                    .any(|one| Some(one.id) == settled.message.attempt && !one.late)
            {
                let house = (settled.message.tenant.raw() - 1) as usize;
                self.willed(house, settled.message.recipient.clone(), Will::StoppedThere);
            }
        }
        // What was written is what counts, so statuses are read back.
        let Some(server) = &self.server else { return };
        if world.out.changes.is_empty() {
            return;
        }
        let changes = &world.out.changes;
        let statuses: Vec<(MessageId, Option<Status>)> = server.readers.ask(|store| {
            let read = |message: &Message| {
                let row = store.message(message.tenant, message.id).ok().flatten();
                (message.id, row.map(|row| row.status))
            };
            changes.iter().map(|change| read(&change.message)).collect()
        });
        for (id, status) in statuses {
            if let (Some(status), Some(planned)) = (status, self.planned.get_mut(&id)) {
                planned.statuses.push((now, status));
            }
        }
    }

    fn willed(&mut self, house: usize, address: String, will: Will) {
        self.history.say(
            self.now,
            format_args!("  {address} at {}: {will:?}", houses::NAMES[house]),
        );
        self.wills.push(Willed {
            at: self.now,
            commit: self.commits,
            house,
            address,
            will,
        });
    }

    fn tell(&mut self, n: usize, answer: Answer) {
        let request = &mut self.requests[n];
        let word = match &answer {
            Answer::Repeated { .. } => "hears the same again",
            Answer::Refused { code, .. } => code,
            Answer::NotFound => "hears that there is no such thing",
            _ => "is answered",
        };
        self.history.say(
            self.now,
            format_args!("{} {} {word}", request.what, request.token),
        );
        if let Some(person) = request.person
            && let Some(lead) = requests::lead_in(&answer)
        {
            self.people[person].lead = Some(lead);
        }
        if request.told.is_none() {
            request.told = Some(answer);
        }
        // Somebody taps twice, or a provider sends its webhook twice.
        if self.dice.in_thousand(60) && !self.calm && request.tries < 4 {
            self.faults.sometimes("request.twice");
            request.over = false;
            if request.client == Client::Keyed {
                let mut again = request.clone();
                again.told = None;
                let at = self.now + self.dice.below(MINUTE);
                self.ask(at, again);
            } else {
                let at = self.now + self.dice.below(6 * HOUR);
                self.at(at, Happening::Arrives(n));
            }
        }
    }

    // Crashes

    fn crash_at(&mut self, seam: Seam) -> bool {
        if self.faults.at(seam) == Act::Crash {
            self.crash(seam.as_str());
            return true;
        }
        false
    }

    /// The process ends: its memory is gone, an open transaction is taken back, calls break off wherever they are.
    fn crash(&mut self, wherever: &str) {
        self.history
            .say(self.now, format_args!("the server dies ({wherever})"));
        if let Some(server) = self.server.take() {
            let waiting: Vec<Option<usize>> =
                server.inbox.iter().map(|(_, client)| *client).collect();
            drop(server);
            self.break_lines(&waiting);
        }
        for call in &mut self.calls {
            if call.life == self.life && !call.written {
                call.died = true;
                if call.begun {
                    call.end = End::Unknown;
                    // Half of the requests were not whole yet.
                    if call.copied_at.is_none() && self.dice.in_thousand(500) {
                        call.goes = Goes::Silence;
                    }
                } else {
                    call.end = End::NeverMade;
                }
            }
        }
        let down = self.dice.between(200_000, 5 * SECOND);
        self.downs.push((self.now, self.now + down));
        self.at(self.now + down, Happening::Restart);
    }

    // Calls

    /// Messages that a commit sent off are called for.
    fn intents(&mut self, sent_off: &[Arc<Message>], world: &Known) {
        for message in sent_off {
            let claimed = !world.out.messages.iter().any(|new| new.id == message.id);
            let n = self.calls.len();
            if let Some(attempt) = message.attempt {
                self.by_attempt.insert(attempt, n);
            }
            self.calls.push(Call {
                message: Arc::clone(message),
                intent_at: self.now,
                commit: self.commits,
                claimed,
                offset: self.offset,
                life: self.life,
                goes: Goes::Silence,
                begun: false,
                copied_at: None,
                end: End::Open,
                written: false,
                died: false,
            });
            // Now and then the machine stands still before it calls.
            let delay = if self.dice.in_thousand(self.slow_start) && !self.calm {
                self.faults.sometimes("server.stands_still");
                self.dice.between(10 * SECOND, 90 * SECOND)
            } else {
                self.dice.between(100, 30_000)
            };
            self.at(self.now + delay, Happening::CallBegins(n));
        }
    }

    fn call_begins(&mut self, n: usize) {
        if self.calls[n].life != self.life || self.calls[n].end != End::Open {
            return;
        }
        if self.crash_at(Seam::BeforeCall) {
            return;
        }
        let message = Arc::clone(&self.calls[n].message);
        let late = message
            .deadline
            .is_none_or(|deadline| deadline <= self.wall())
            || self.now >= self.calls[n].intent_at + LEASE_US - BEFORE_LEASE_ENDS;
        if late {
            let outcome = Outcome::Retryable {
                why: Reason::new(
                    "late",
                    "The server was frozen past the deadline before it called.",
                ),
                after: None,
            };
            self.at(self.now, Happening::Answers(n, outcome));
            return;
        }
        let Some(connection) = message.connection else {
            let outcome = if message.sandbox {
                Outcome::Delivered {
                    reference: ProviderRef("sandbox".into()),
                    cost: None,
                }
            } else {
                Outcome::Misconfigured {
                    why: Reason::new(
                        "no_connection",
                        "There is no connection that is switched on.",
                    ),
                }
            };
            self.at(self.now + 1_000, Happening::Answers(n, outcome));
            return;
        };
        let Some(provider) = self.providers.get(&connection) else {
            return;
        };
        let repeat = provider.repeat;
        let rough = if self.calm {
            0
        } else if provider.out_until > self.now {
            950
        } else {
            self.rough
        };
        let goes = Goes::draw(&mut self.dice, rough);
        self.faults.sometimes(goes.as_str());
        let (outcome, length) = goes.outcome(&mut self.dice, &format!("ref{n}"));
        self.history.say(
            self.now,
            format_args!(
                "{} is called for over {connection} ({repeat:?}): {goes:?}",
                message.id
            ),
        );
        let call = &mut self.calls[n];
        call.goes = goes;
        call.begun = true;
        let answer_at = self.now + length;
        let accept_at = self.now + self.dice.between(1_000, length);
        let mid = self.now + self.dice.between(1, length);
        self.at(mid, Happening::MidCall(n));
        if goes.accepts() {
            self.at(accept_at, Happening::Accepts(n));
        }
        self.at(answer_at, Happening::Answers(n, outcome));
    }

    /// The provider has it and passes it on.
    fn accepts(&mut self, n: usize) {
        let call = &self.calls[n];
        if !call.goes.accepts() {
            return; // the line broke before the request was whole
        }
        let message = Arc::clone(&call.message);
        let Some(provider) = message
            .connection
            .and_then(|id| self.providers.get_mut(&id))
        else {
            return;
        };
        let mark = if message.marked_as_repeat() {
            "-repeat"
        } else {
            ""
        };
        let key = format!("{}{mark}", message.id);
        if !provider.accept(self.now, message.id, n, &key) {
            self.faults.sometimes("provider.drops_twin");
            return;
        }
        self.calls[n].copied_at = Some(self.now);
        self.history
            .say(self.now, format_args!("{} is passed on", message.id));
        self.plan_reports(n, self.now);
        if self.calls[n].life == self.life && self.server.is_some() {
            self.crash_at(Seam::AcceptedUnread);
        }
        if self.calm {
            return;
        }
        let person = self.people.iter().position(|person| {
            houses::id(person.house) == message.tenant && person.phone == message.recipient
        });
        if let Some(person) = person
            && self.dice.in_thousand(150)
        {
            let word = self.dice.below(WORDS.len() as i64) as usize;
            let at = self.now + self.dice.between(SECOND, 30 * MINUTE);
            self.at(at, Happening::Asks(Asking::Reply { person, word }));
        }
        if message.category == Category::Staff && self.staff_clicks {
            let person = self
                .people
                .iter()
                .position(|person| person.lead.is_some() && person.lead == message.lead);
            if let Some(person) = person
                && self.dice.in_thousand(400)
            {
                let at = self.now + self.dice.between(5 * SECOND, 10 * MINUTE);
                self.at(
                    at,
                    Happening::Asks(Asking::Act {
                        person,
                        what: "take",
                    }),
                );
            }
        }
    }

    /// Reports on a message: twice, in any order, late, before the answer.
    fn plan_reports(&mut self, n: usize, accepted_at: i64) {
        let message = Arc::clone(&self.calls[n].message);
        let repeat = message
            .connection
            .and_then(|id| self.providers.get(&id))
            .map(|far| far.repeat);
        if repeat == Some(Repeat::Blind) || self.dice.in_thousand(150) {
            return;
        }
        let end = if self.dice.in_thousand(850) {
            Status::Delivered
        } else {
            self.dice.pick(&[Status::Failed, Status::Bounced])
        };
        let mut news = vec![Reported::Fact(Fact::Sent), Reported::Status(end)];
        if self.dice.in_thousand(300) {
            news.push(Reported::Status(Status::Accepted));
        }
        if self.dice.in_thousand(100) {
            news.push(Reported::Status(Status::Bounced));
        }
        for (i, what) in news.into_iter().enumerate() {
            let token = format!("report{n}n{i}z");
            let suppress = match what {
                Reported::Status(Status::Bounced) => {
                    self.dice.pick(&[Suppress::No, Suppress::Invalid])
                }
                _ => Suppress::No,
            };
            let report = Report {
                dedup: token.clone(),
                message: Some(message.id),
                reference: Some(ProviderRef(format!("ref{n}"))),
                what,
                suppress,
                why: Some(Reason::new("report", "The provider reported it.")),
                cost: None,
                at: from_micros(accepted_at),
            };
            let house = (message.tenant.raw() - 1) as usize;
            let times = if self.dice.in_thousand(200) {
                self.faults.sometimes("report.twice");
                2
            } else {
                1
            };
            for _ in 0..times {
                let wait = self.dice.pick(&[20_000, 2 * SECOND, MINUTE, 5 * HOUR]);
                let at = accepted_at + self.dice.between(1_000, wait);
                let intake = requests::report(report.clone());
                let request = Request::new(house, Client::Hook, "report", token.clone(), intake);
                self.ask(at, request);
            }
        }
    }

    fn answers(&mut self, n: usize, outcome: Outcome) {
        if self.calls[n].life != self.life
            || self.server.is_none()
            || self.calls[n].end != End::Open
        {
            return;
        }
        let call = &mut self.calls[n];
        call.end = if matches!(outcome, Outcome::Unknown { .. }) {
            End::Unknown
        } else {
            End::Known
        };
        let settled = Settled {
            message: Arc::clone(&call.message),
            started_at: from_micros(call.intent_at + call.offset),
            finished_at: from_micros(self.now + self.offset),
            outcome,
            segments: None,
            died: false,
        };
        if self.crash_at(Seam::ReadUncommitted) {
            // It was read, and nothing of it is on the disk: nobody knows any more.
            if self.calls[n].begun {
                self.calls[n].end = End::Unknown;
            }
            return;
        }
        if let Some(server) = &mut self.server {
            server.outcomes.push(settled);
        }
        let gather = self.dice.below(3_000);
        self.wake(self.now + gather);
    }

    /// The server gives a call up by itself. Right only when its lease is over by the clock that nobody sets.
    fn gives_up(&mut self, message: &Message) {
        let call = message
            .attempt
            .and_then(|attempt| self.by_attempt.get(&attempt))
            .copied();
        if let Some(n) = call {
            let call = &mut self.calls[n];
            let held = self.now - call.intent_at;
            if held < LEASE_US && call.life == self.life {
                self.given_up.push(format!(
                    "{}: its call was given up after {:.1} s of a lease of 60 s, while it was under way",
                    message.id,
                    held as f64 / 1e6
                ));
            } else if call.end == End::Open {
                call.end = End::Unknown;
            }
        }
    }

    fn look_ends(&mut self, message: Arc<Message>, began: i64, life: u32) {
        if life != self.life || self.server.is_none() {
            return;
        }
        let far = message.connection.and_then(|id| self.providers.get(&id));
        let finding = match far {
            Some(far) if far.repeat == Repeat::ByLog => {
                if far.has(message.id) {
                    Finding::Found(Outcome::Accepted {
                        reference: ProviderRef("found".into()),
                        cost: None,
                    })
                } else {
                    Finding::Absent
                }
            }
            _ => Finding::Unclear {
                why: Reason::new("no_log", "This provider has no log that can be asked."),
            },
        };
        let unclear = !self.calm && self.dice.in_thousand(100);
        let finding = if unclear {
            Finding::Unclear {
                why: Reason::new("http_503", "The log cannot be read."),
            }
        } else {
            finding
        };
        self.faults.sometimes(match finding {
            Finding::Found(_) => "look_up.found",
            Finding::Absent => "look_up.absent",
            Finding::Unclear { .. } => "look_up.unclear",
        });
        self.history.say(
            self.now,
            format_args!("{} is looked up: {finding:?}", message.id),
        );
        let looked = Looked {
            message,
            started_at: from_micros(began + self.offset),
            finished_at: from_micros(self.now + self.offset),
            finding,
        };
        if let Some(server) = &mut self.server {
            server.looked.push(looked);
        }
        self.wake(self.now);
    }

    // People

    fn asks(&mut self, asking: Asking) {
        match asking {
            Asking::Reply { person, word } => {
                let (text, will) = WORDS[word];
                let who = self.people[person].clone();
                let token = self.token("reply");
                let intake = requests::reply(&who, text, &token, from_micros(self.now));
                let mut request = Request::new(who.house, Client::Hook, "reply", token, intake);
                request.person = Some(person);
                request.wills = will
                    .map(|will| (who.phone.clone(), will))
                    .into_iter()
                    .collect();
                self.history
                    .say(self.now, format_args!("{} writes {text:?}", who.phone));
                let again = self.dice.in_thousand(250);
                let at = self.now + self.dice.below(SECOND);
                if again {
                    self.faults.sometimes("reply.twice");
                    let late = at + self.dice.below(2 * HOUR);
                    self.ask(late, request.clone());
                }
                self.ask(at, request);
            }
            Asking::Act { person, what } => {
                let who = self.people[person].clone();
                let Some(lead) = who.lead else { return };
                let token = self.token(what);
                let mut request = Request::new(
                    who.house,
                    Client::Keyed,
                    what,
                    token,
                    requests::act(lead, what),
                );
                request.person = Some(person);
                self.ask(self.now, request);
            }
            Asking::Compose {
                person,
                category,
                channel,
                later,
            } => {
                let who = self.people[person].clone();
                let Some(lead) = who.lead else { return };
                let token = self.token("note");
                let send_at = later.then(|| self.now + self.offset + self.dice.below(DAY));
                let intake = requests::compose(lead, channel, category, &token, send_at);
                let mut request = Request::new(who.house, Client::Keyed, "compose", token, intake);
                request.person = Some(person);
                self.ask(self.now, request);
            }
            Asking::OnMessage { again } => {
                let wanted = |planned: &Planned| {
                    let Some((_, status)) = planned.statuses.last() else {
                        return false;
                    };
                    if again {
                        status.missed()
                    } else {
                        status.waits()
                    }
                };
                let all: Vec<(MessageId, TenantId)> = self
                    .planned
                    .iter()
                    .filter(|(_, planned)| wanted(planned))
                    .map(|(id, planned)| (*id, planned.tenant))
                    .collect();
                if all.is_empty() {
                    return;
                }
                let (message, tenant) = self.dice.pick(&all);
                let what = if again { "retry" } else { "cancel" };
                self.faults
                    .sometimes(if again { "staff.retry" } else { "staff.cancel" });
                let token = self.token(what);
                let house = (tenant.raw() - 1) as usize;
                let intake = requests::on_message(message, again);
                self.ask(
                    self.now,
                    Request::new(house, Client::Keyed, what, token, intake),
                );
            }
        }
    }

    /// Staff of a business look at their leads and messages. Nothing of another business may be there.
    fn staff_looks(&mut self, house: usize) {
        let Some(server) = &self.server else { return };
        let tenant = houses::id(house);
        let page = server.readers.ask(|store| {
            let leads = store.leads(tenant, &LeadFilter::default(), None, 200)?;
            let mut text = format!("{leads:?}");
            for lead in leads.iter().take(3) {
                text.push_str(&format!("{:?}", store.timeline(tenant, lead.id, None, 50)?));
                for message in store.messages_of(tenant, lead.id, None, 20)? {
                    text.push_str(message.data.text());
                }
            }
            Ok::<_, ringback_store::StoreError>(text)
        });
        let Ok(page) = page else { return };
        for other in crate::people::marks_in(&page).filter(|other| *other != house) {
            self.leaks.push(format!(
                "a page of {} shows what a person told {}",
                houses::NAMES[house],
                houses::NAMES[other]
            ));
        }
        let _ = server.checkpoints.run();
    }

    /// True for alerts that must never wait.
    pub fn is_critical(message: &Message) -> bool {
        message.category == Category::Staff && message.priority == Priority::Critical
    }
}

/// Attempts whose lease is over, as in the server.
fn outlived(server: &Server, wall: Timestamp, boot: Duration) -> Vec<Message> {
    let mut overdue = server.writer.overdue(wall, 500).unwrap_or_default();
    overdue.retain(|message| !server.lines.holds(message, boot));
    if server.lines.any_over(boot) {
        let known: HashSet<MessageId> = overdue.iter().map(|message| message.id).collect();
        let mut frozen = server.writer.in_flight(1_000).unwrap_or_default();
        frozen
            .retain(|message| server.lines.is_over(message, boot) && !known.contains(&message.id));
        overdue.append(&mut frozen);
    }
    overdue
}
