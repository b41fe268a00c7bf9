use super::*;
use crate::{TenantRow, Writer};
use jiff::SignedDuration;
use ringback_core::ids::{ConsentId, EventId, LeadId};
use ringback_core::messages::ChannelKind;
use ringback_core::turn::world::{ConsentRow, EventRow, PointKey, PointKind, Purpose, World};
use std::sync::atomic::{AtomicBool, Ordering};

const TENANT: TenantId = TenantId::from_raw(7);

struct Stopped(Timestamp);

impl Clock for Stopped {
    fn now(&self) -> Timestamp {
        self.0
    }
}

fn noon() -> Timestamp {
    "2026-11-21T12:00:00Z".parse().expect("a time")
}

/// A data folder and a folder for backups, gone with the test.
struct Place {
    root: PathBuf,
    data: PathBuf,
    to: PathBuf,
}

impl Place {
    fn new(name: &str) -> Self {
        let root =
            std::env::temp_dir().join(format!("ringback-backup-{name}-{}", std::process::id()));
        drop(fs::remove_dir_all(&root));
        let (data, to) = (root.join("data"), root.join("backups"));
        fs::create_dir_all(&data).expect("a folder");
        Self { root, data, to }
    }

    /// A house with one tenant.
    fn house(&self) -> Writer {
        let (writer, ..) = crate::open(&self.data).expect("opened");
        let row = TenantRow {
            id: TENANT,
            slug: "one".into(),
            name: "One".into(),
            secret: vec![7; 32],
            requests_per_minute: None,
            messages_per_hour: None,
            sandbox: false,
            kill: Vec::new(),
            created_at: noon(),
        };
        writer.insert_tenant(&row).expect("moved in");
        writer
    }

    fn back_up(&self, at: Timestamp) -> Result<Good, BackupError> {
        let wish = Wish {
            data: &self.data,
            to: &self.to,
            master_key: "mark",
            program: "ringback 0.1.0",
            rest: Duration::ZERO,
        };
        back_up(&wish, &Stopped(at))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.root));
    }
}

/// One turn: an event and a consent with its place in the chain.
fn turn(writer: &mut Writer, n: i64) {
    let mut world = World::default();
    world.out.events.push(EventRow {
        id: EventId::from_raw(n),
        tenant: TENANT,
        lead: LeadId::from_raw(1),
        kind: "page".into(),
        at: noon(),
        received_at: noon() + SignedDuration::from_secs(n),
        source: "api".into(),
        actor: None,
        session: None,
        properties: serde_json::json!({"text": "x".repeat(2_000)}),
    });
    world.out.consents.push(ConsentRow {
        id: ConsentId::from_raw(n),
        key: PointKey {
            tenant: TENANT,
            kind: PointKind::Phone,
            value: format!("+1303555{:04}", n % 10_000),
        },
        lead: None,
        channel: ChannelKind::Sms,
        purpose: Purpose::Promotional,
        granted: true,
        basis: ringback_core::consent::Basis::Written,
        wording: Some("Yes to offers".into()),
        wrote: None,
        method: "form".into(),
        page: None,
        ip: None,
        actor: None,
        expires_at: None,
        soft_opt_in: None,
        at: noon(),
    });
    writer.begin().expect("begun");
    writer.apply(&mut world, noon()).expect("written");
    writer.commit().expect("committed");
}

/// O5, P11: a backup taken while the house is written to is one instant of it, whole, and says of which.
#[test]
fn a_backup_beside_a_busy_writer_is_one_instant() {
    let place = Place::new("busy");
    let mut writer = place.house();
    for n in 1..=600 {
        turn(&mut writer, n);
    }
    let done = AtomicBool::new(false);
    let good = std::thread::scope(|scope| {
        let (done, writer) = (&done, &mut writer);
        scope.spawn(move || {
            for n in 601.. {
                if done.load(Ordering::Relaxed) {
                    break;
                }
                turn(writer, n);
            }
        });
        let wish = Wish {
            data: &place.data,
            to: &place.to,
            master_key: "mark",
            program: "ringback 0.1.0",
            rest: Duration::from_millis(3),
        };
        let good = back_up(&wish, &Stopped(noon()));
        done.store(true, Ordering::Relaxed);
        good
    });
    let good = good.expect("a good backup");
    let manifest = manifest(&good.folder).expect("a manifest");
    assert_eq!(manifest, good.manifest);
    let n = manifest.tables["events"];
    assert!(n >= 600, "{n}");
    // Each turn wrote one of each: an instant between two tables would differ.
    assert_eq!(manifest.tables["consents"], n);
    assert_eq!(manifest.tables["chain"], n);
    assert_eq!(
        manifest.newest_event_at,
        Some(noon() + SignedDuration::from_secs(n))
    );
    assert_eq!((manifest.chains[0].seq, manifest.last_id), (n, n));
    assert_eq!(kept(&place.to).expect("listed").len(), 1);
    let left: Vec<_> = fs::read_dir(&good.folder)
        .expect("read")
        .flatten()
        .map(|entry| entry.file_name())
        .collect();
    assert_eq!(left.len(), 2, "only the copy and its manifest: {left:?}");
}

/// P11: what a copy lost or what was changed in it is found when it is checked.
#[test]
fn a_copy_that_is_not_the_source_is_not_good() {
    let place = Place::new("bad");
    let mut writer = place.house();
    for n in 1..=50 {
        turn(&mut writer, n);
    }
    let good = place.back_up(noon()).expect("a good backup");
    let expected = Holds::from(&good.manifest);
    let folder = place.root.join("scratch");
    fs::create_dir_all(&folder).expect("a folder");
    let scratch = folder.join(DATABASE);
    let fresh =
        || copy_and_hash(&good.folder.join(DATABASE), &scratch, Duration::ZERO).expect("copied");
    let (sha256, bytes) = fresh();
    assert_eq!(
        (sha256, bytes),
        (good.manifest.sha256.clone(), good.manifest.bytes)
    );
    check(&scratch, &expected).expect("as it was");
    let cases: &[(&str, &str)] = &[
        ("DELETE FROM events WHERE id = 7", "table events"),
        (
            "UPDATE consents SET purpose = 'transactional' WHERE id = 9",
            "the chain of",
        ),
        (
            "UPDATE events SET received_at = 5 WHERE id = 50",
            "newest event",
        ),
        (
            "PRAGMA foreign_keys = OFF; UPDATE tenants SET id = 8; INSERT INTO documents VALUES (77, 'a', 1, 'x', 1, 'x')",
            "points at nothing",
        ),
    ];
    for (harm, says) in cases {
        fresh();
        let connection = Connection::open(&scratch).expect("opened");
        connection.execute_batch(harm).expect("harmed");
        drop(connection);
        let why = check(&scratch, &expected).expect_err(harm).to_string();
        assert!(why.contains(says), "{harm}: {why}");
    }
    // A page in the middle of the file is overwritten.
    fresh();
    let mut torn = fs::read(&scratch).expect("read");
    let middle = torn.len() / 2 / 4_096 * 4_096;
    torn[middle..middle + 512].fill(0xa5);
    fs::write(&scratch, torn).expect("torn");
    assert!(check(&scratch, &expected).is_err());
}

/// A backup that cannot be finished leaves nothing that looks like one.
#[test]
fn a_backup_that_fails_leaves_nothing() {
    let place = Place::new("fails");
    let mut writer = place.house();
    turn(&mut writer, 1);
    let harm = "UPDATE consents SET purpose = 'transactional'";
    writer
        .engine
        .as_sqlite()
        .execute(harm, [])
        .expect("somebody changed the ledger");
    let why = place.back_up(noon()).expect_err("not good").to_string();
    assert!(why.contains("not good"), "{why}");
    assert_eq!(fs::read_dir(&place.to).expect("read").count(), 0);
    let nowhere = place.root.join("nowhere");
    let wish = Wish {
        data: &nowhere,
        to: &place.to,
        master_key: "",
        program: "",
        rest: Duration::ZERO,
    };
    let none = back_up(&wish, &Stopped(noon()));
    assert!(matches!(none, Err(BackupError::NoDatabase(_))));
}

/// Compliance, retention: seven are kept, none is older than 35 days, and the newest stays whatever its age.
#[test]
fn old_backups_go_and_the_newest_stays() {
    let place = Place::new("prune");
    let _writer = place.house();
    let days = |n: i64| noon() + SignedDuration::from_hours(24 * n);
    for day in [0, 1, 2, 40, 41] {
        place.back_up(days(day)).expect("a good backup");
    }
    place.back_up(days(41)).expect("two within a second");
    let left = || {
        kept(&place.to)
            .expect("listed")
            .iter()
            .map(|one| one.manifest.as_ref().expect("good").taken_at)
            .collect::<Vec<_>>()
    };
    assert_eq!(left().len(), 6);
    assert_eq!(prune(&place.to, 7, days(42)).expect("pruned").len(), 3);
    assert_eq!(left(), [days(40), days(41), days(41)]);
    assert_eq!(prune(&place.to, 2, days(42)).expect("pruned").len(), 1);
    assert_eq!(prune(&place.to, 0, days(400)).expect("pruned").len(), 1);
    assert_eq!(left(), [days(41)]);
    let newest = newest(&place.to).expect("there");
    assert_eq!(newest.manifest.expect("good").taken_at, days(41));
}
