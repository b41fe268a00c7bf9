//! A fixed small set of worlds, and the seeds that once found something.

use ringback_core::ids::{IdMaker, LeadId};
use ringback_core::messages::{Category, ChannelKind};
use ringback_core::time::Timestamp;
use ringback_core::turn::world::{PointKey, PointKind, Recent};
use ringback_core::turn::{Answer, Batch, Intake, Lines, LookUps, Once, Order, Queues, Tenants};
use ringback_sim::campaign::{nth_plan, one, seed};
use ringback_sim::dice::Dice;
use ringback_sim::faults::Act;
use ringback_sim::people::Person;
use ringback_sim::world::{Plan, Sim};
use ringback_sim::{houses, requests};
use ringback_store::{Writer, open};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

fn holds(verdict: &ringback_sim::campaign::Verdict) {
    let said: Vec<String> = verdict.found.iter().map(ToString::to_string).collect();
    assert!(
        said.is_empty(),
        "seed {}: {}",
        verdict.seed,
        said.join("\n")
    );
}

/// I1 to I11 in a few worlds; make sim runs thousands.
#[test]
fn a_few_worlds_keep_every_promise() {
    let mut calls = 0;
    for n in 1..=2 {
        let verdict = seed(n, false);
        holds(&verdict);
        calls += verdict.calls;
    }
    assert!(calls > 50, "only {calls} calls were made");
}

/// C3, US-10: worlds that once showed what must not be.
#[test]
fn worlds_that_found_something_find_it_no_more() {
    for n in [1710, 2289, 4273, 4802, 5541, 5801, 7001, 8933, 10405] {
        holds(&seed(n, false));
    }
}

/// M1, W3: records in memory know what the store knows, batch by batch, whatever fails and whoever dies in between.
#[test]
fn memory_answers_what_the_store_answers() {
    let mut compared = 0;
    for seed in 1..=3 {
        let sim = Sim::run(Plan {
            twin: true,
            ..Plan::of(seed)
        });
        let twin = sim.twin.as_ref().expect("a twin");
        assert!(
            twin.differs.is_empty(),
            "seed {seed}: {}",
            twin.differs.join("\n")
        );
        compared += twin.compared;
    }
    assert!(compared > 2_000, "only {compared} rows were compared");
}

/// I12: the same seed tells the same history, and another seed another.
#[test]
fn a_seed_tells_its_history_again() {
    let (once, again, other) = (seed(2, false), seed(2, false), seed(3, false));
    assert_eq!(once.hash, again.hash);
    assert_ne!(once.hash, other.hash);
}

/// The process dies at the n-th operation, for some n; make sim tries every one, and failures and full disks too.
#[test]
fn a_crash_at_any_operation_loses_nothing() {
    for n in [1, 5, 8, 16, 40] {
        let verdict = one(nth_plan(1, n, Act::Crash));
        assert!(
            verdict.counts.keys().any(|what| what.starts_with("crash.")),
            "operation {n} is never reached"
        );
        holds(&verdict);
    }
}

struct House {
    folder: PathBuf,
    writer: Writer,
    ids: IdMaker,
    tenants: Tenants,
    now: Timestamp,
}

impl House {
    fn new(name: &str) -> Self {
        let folder =
            std::env::temp_dir().join(format!("ringback-sim-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        let (mut writer, ..) = open(&folder).expect("a store");
        let now: Timestamp = "2026-11-23T18:00:00Z".parse().expect("a time");
        let tenant = houses::tenant(2, &mut Dice::new(1, 1));
        houses::move_in(&mut writer, &tenant, now).expect("moved in");
        let tenants = Tenants::from([(tenant.id, Arc::new(tenant))]);
        let ids = IdMaker::new(0, writer.last_id());
        Self {
            folder,
            writer,
            ids,
            tenants,
            now,
        }
    }

    fn turn(&mut self, intakes: Vec<Intake>) -> Vec<Answer> {
        self.take(intakes, |_| None)
    }

    /// The same, each with the key that its place in the call gives it.
    fn keyed(&mut self, intakes: Vec<Intake>) -> Vec<Answer> {
        self.take(intakes, |n| {
            Some(Once {
                key: format!("key {n}"),
                hash: [7; 32],
            })
        })
    }

    fn take(&mut self, intakes: Vec<Intake>, once: fn(usize) -> Option<Once>) -> Vec<Answer> {
        let order = |(n, intake)| Order {
            tenant: houses::id(2),
            at: self.now,
            intake,
            once: once(n),
        };
        let orders: Vec<Order> = intakes.into_iter().enumerate().map(order).collect();
        let batch = Batch {
            orders: &orders,
            tenants: &self.tenants,
            now: self.now,
            ids: &mut self.ids,
            dice: &mut Dice::new(1, 2),
            lines: &mut Lines::default(),
            queues: &mut Queues::default(),
            distrust: None,
            looks: LookUps::default(),
            lease: Duration::from_secs(60),
            written: requests::written,
        };
        batch
            .commit(&mut self.writer, |_, _| Ok(()))
            .expect("committed")
            .answers
    }
}

impl Drop for House {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn lead(answer: &Answer) -> LeadId {
    requests::lead_in(answer).expect("a lead was captured")
}

/// Found in a world: the run of a deleted lead rang for ever, and the turn loop did nothing else any more.
#[test]
fn a_deleted_lead_leaves_no_run_that_rings_for_ever() {
    let mut house = House::new("rings");
    let person = Person::draw(&mut Dice::new(1, 3), 2, 1);
    let before = lead(&house.turn(vec![requests::capture(&person, "first", None).0])[0]);
    assert!(house.writer.next_wake().expect("read").is_some());
    house.turn(vec![requests::act(before, "delete")]);
    assert_eq!(house.writer.next_wake().expect("read"), None);
}

/// Found in a world: an offer whose first call failed counted from its first try, so a day could hold one too many (US-8).
#[test]
fn a_contact_counts_when_it_goes_and_not_when_it_was_first_tried() {
    let at = |hour: i64| Timestamp::UNIX_EPOCH + jiff::SignedDuration::from_hours(500_000 + hour);
    let mut recent = Recent::default();
    recent.add(at(0), true);
    recent.add(at(1), true);
    // The first of the two goes through at five.
    recent.forget_oldest(true);
    recent.add(at(5), true);
    let offers = |hour: i64| recent.within(at(hour)).1.n;
    assert_eq!(
        (offers(6), offers(24), offers(26), offers(30)),
        (2, 2, 1, 0)
    );
}

/// Found in a world: after a crash and a clock that went back, a call was given the id of another, and its record was overwritten.
#[test]
fn ids_of_calls_under_way_are_given_once() {
    let mut house = House::new("ids");
    let person = Person::draw(&mut Dice::new(1, 3), 2, 1);
    house.turn(vec![requests::capture(&person, "first", None).0]);
    let flying = house.writer.in_flight(100).expect("read");
    let highest = flying
        .iter()
        .filter_map(|one| one.attempt)
        .max()
        .expect("a call is under way");
    drop(std::mem::replace(&mut house.writer, spare("spare")));
    let (writer, ..) = open(&house.folder).expect("opened again");
    let next = IdMaker::new(0, writer.last_id()).next(Timestamp::UNIX_EPOCH);
    assert!(next > highest.raw(), "{next} was given before");
}

/// A writer of another folder, to put in the place of one that is closed.
fn spare(name: &str) -> Writer {
    let folder = std::env::temp_dir().join(format!("ringback-sim-{name}-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&folder);
    let (writer, ..) = open(&folder).expect("a store");
    let _ = std::fs::remove_dir_all(&folder);
    writer
}

/// A call holds its message by the boot clock alone.
#[test]
fn a_lease_holds_until_its_time_by_the_boot_clock_is_over() {
    let mut house = House::new("lease");
    let person = Person::draw(&mut Dice::new(1, 3), 2, 1);
    house.turn(vec![requests::capture(&person, "first", None).0]);
    let flying = house.writer.in_flight(100).expect("read");
    let message = flying.first().expect("a call is under way");
    let seconds = Duration::from_secs;
    let mut lines = Lines::default();
    lines.begin(message, Some(seconds(160)));
    assert_eq!(lines.all(), 1);
    assert!(lines.holds(message, seconds(159)) && !lines.any_over(seconds(159)));
    assert!(!lines.holds(message, seconds(160)) && lines.is_over(message, seconds(160)));
    lines.end(message);
    lines.end(message);
    assert_eq!(lines.all(), 0);
}

/// I1: whoever writes again in the very turn that deletes their lead is a new lead, and is not deleted with the old one.
#[test]
fn a_form_in_the_turn_that_deletes_its_lead_is_kept() {
    let mut house = House::new("deleted");
    let person = Person::draw(&mut Dice::new(1, 3), 2, 1);
    let before = lead(&house.turn(vec![requests::capture(&person, "first", None).0])[0]);
    let answers = house.turn(vec![
        requests::act(before, "delete"),
        requests::capture(&person, "second", None).0,
    ]);
    assert_eq!(answers[0], Answer::Done);
    let after = lead(&answers[1]);
    assert_ne!(after, before);
    let folder = house.folder.clone();
    let readers = ringback_store::look(&folder).expect("readers");
    let phone = readers
        .ask(|store| store.lead(houses::id(2), after))
        .expect("read")
        .and_then(|lead| lead.phone);
    assert_eq!(phone.as_deref(), Some(person.phone.as_str()));
    assert!(
        readers
            .ask(|store| store.lead(houses::id(2), before))
            .expect("read")
            .is_none()
    );
    // The person is found by number from now on.
    let third = lead(&house.turn(vec![requests::capture(&person, "third", None).0])[0]);
    assert_eq!(third, after);
}

/// X7, H1: a clock that is set back over midnight does not make a repeated call or report new.
#[test]
fn a_clock_set_back_over_midnight_forgets_no_key() {
    let mut house = House::new("midnight");
    house.now = "2026-11-24T00:00:00.4Z".parse().expect("a time");
    let person = Person::draw(&mut Dice::new(1, 3), 2, 1);
    let before = lead(&house.turn(vec![requests::capture(&person, "first", None).0])[0]);
    let note = requests::compose(
        before,
        ChannelKind::Sms,
        Category::Transactional,
        "note",
        None,
    );
    let stop = requests::reply(&person, "STOP", "one", house.now);
    let asked = house.keyed(vec![note.clone(), stop.clone()]);
    assert!(matches!(asked[0], Answer::Composed { .. }), "{asked:?}");
    house.turn(vec![requests::reply(&person, "START", "two", house.now)]);
    house.now = "2026-11-23T23:59:59.9Z".parse().expect("a time");
    assert!(matches!(
        house.keyed(vec![note])[0],
        Answer::Repeated { .. }
    ));
    house.turn(vec![stop]);
    let point = PointKey {
        tenant: houses::id(2),
        kind: PointKind::Phone,
        value: person.phone,
    };
    let readers = ringback_store::look(&house.folder).expect("readers");
    let point = readers
        .ask(|store| store.point(&point))
        .expect("read")
        .expect("known");
    assert_eq!(
        point.suppressed, None,
        "the STOP of before the START was taken again"
    );
}
