use super::*;
use crate::{Readers, Writer};
use ringback_core::consent::{Basis, SoftOptIn};
use ringback_core::ids::{ConsentId, LeadId};
use ringback_core::messages::ChannelKind;
use ringback_core::time::Timestamp;
use ringback_core::turn::world::{ConsentRow, PointKey, Purpose, World};
use rusqlite::Connection;
use std::path::PathBuf;

/// A data folder with a chain in it, gone with the test.
struct Folder {
    path: PathBuf,
    writer: Writer,
    readers: Readers,
}

const TENANT: TenantId = TenantId::from_raw(7);

impl Folder {
    fn new(name: &str) -> Self {
        let path =
            std::env::temp_dir().join(format!("ringback-ledger-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        let (writer, readers, _) = crate::open(&path).unwrap();
        Self {
            path,
            writer,
            readers,
        }
    }

    fn number(n: i64) -> String {
        format!("+1303555{n:04}")
    }

    /// So many consents and, after every fifth, an administrative action.
    fn fill(&mut self, n: i64) {
        for id in 1..=n {
            self.writer.begin().unwrap();
            self.consent(id, &Self::number(id % 50));
            if id % 5 == 0 {
                let details = serde_json::json!({"n": id});
                self.writer
                    .write_audit(TENANT, "user:Inez", None, "switch", &details, at(id))
                    .unwrap();
            }
            self.writer.commit().unwrap();
        }
    }

    fn consent(&mut self, id: i64, value: &str) {
        let mut world = World::default();
        world.out.consents.push(ConsentRow {
            id: ConsentId::from_raw(id),
            key: PointKey {
                tenant: TENANT,
                kind: PointKind::Phone,
                value: value.to_owned(),
            },
            lead: Some(LeadId::from_raw(9)),
            channel: ChannelKind::Sms,
            purpose: Purpose::Promotional,
            granted: id % 3 != 0,
            basis: Basis::Written,
            wording: Some(format!("Yes, text me. Version {}", id % 4)),
            wrote: None,
            method: "web_form".into(),
            page: Some("https://alder.example/quote".into()),
            ip: Some("192.0.2.7".into()),
            actor: None,
            expires_at: None,
            soft_opt_in: (id % 5 == 0).then_some(SoftOptIn::WHOLE),
            at: at(id),
        });
        self.writer.apply(&mut world, at(id)).unwrap();
    }

    fn verify(&self, anchors: &[Head]) -> Result<Verified, Broken> {
        self.readers
            .ask(|store| store.verify_chain(TENANT, anchors))
            .unwrap()
    }

    /// Changes the database behind the product's back, looks, and puts everything back.
    fn meddle(&self, sql: &str, anchors: &[Head]) -> Result<Verified, Broken> {
        let other = Connection::open(self.path.join("ringback.db")).unwrap();
        other.execute_batch("BEGIN IMMEDIATE").unwrap();
        other
            .execute_batch(sql)
            .unwrap_or_else(|error| panic!("{sql}: {error}"));
        let engine = crate::engine::Engine::Sqlite(other);
        let found = Reader { engine: &engine }
            .verify_chain(TENANT, anchors)
            .unwrap();
        engine.roll_back();
        found
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.path);
    }
}

fn at(n: i64) -> Timestamp {
    Timestamp::from_second(1_790_000_000 + n).unwrap()
}

/// C1, P15: whatever somebody changes, deletes, puts in, swaps or cuts off, at 200 places each, is found and named.
#[test]
fn every_kind_of_tampering_is_found_wherever_it_happens() {
    let mut folder = Folder::new("tamper");
    folder.fill(500);
    let anchor = folder.verify(&[]).unwrap().head;
    assert_eq!(anchor.seq, 600);
    let mut place = 17;
    for _ in 0..200 {
        place = place * 1_103 % 599 + 1;
        let row = format!("(SELECT row_id FROM chain WHERE seq = {place} AND entry = 0)");
        let consent = format!("UPDATE consents SET granted = 1 - granted WHERE id = {row}");
        let audit = format!(
            "UPDATE audit SET actor = 'nobody' WHERE id = (SELECT row_id FROM chain WHERE seq = {place} AND entry = 1)"
        );
        let changed = folder
            .meddle(&format!("{consent}; {audit}"), &[])
            .unwrap_err();
        assert_eq!(
            (changed.seq, &changed.why),
            (place, &BrokenHow::RowChanged),
            "{changed}"
        );

        let gone = folder
            .meddle(&format!("DELETE FROM chain WHERE seq = {place}"), &[])
            .unwrap_err();
        assert_eq!(
            (gone.seq, &gone.why),
            (place, &BrokenHow::Missing),
            "{gone}"
        );

        // Taken out with its row, and the rest moved up: the hashes tell.
        let moved = format!(
            "DELETE FROM consents WHERE id = {row}; DELETE FROM chain WHERE seq = {place}; UPDATE chain SET seq = seq + 100000 WHERE seq > {place}; UPDATE chain SET seq = seq - 100001 WHERE seq > 100000"
        );
        let moved = folder.meddle(&moved, &[]).unwrap_err();
        assert_eq!(
            (moved.seq, &moved.why),
            (place, &BrokenHow::Hash),
            "{moved}"
        );

        let put_in = folder
            .meddle(&format!("INSERT INTO consents SELECT 100000 + {place}, tenant_id, lead_id, kind, value, channel, purpose, granted, basis, wording, wrote, method, page, ip, actor, expires_at, at, salt, erased_at, conditions FROM consents WHERE id = {}", place % 500 + 1), &[])
            .unwrap_err();
        assert_eq!(put_in.row, Some((Entry::Consent, 100_000 + place)));
        assert_eq!(put_in.why, BrokenHow::Unnamed);

        let other = place % 500 + 1;
        let swap = format!("UPDATE consents SET wrote = 'yes' WHERE id = {other}");
        assert!(folder.meddle(&swap, &[]).is_err(), "{other}");

        let cut = format!(
            "DELETE FROM consents WHERE id IN (SELECT row_id FROM chain WHERE seq > {place} AND entry = 0); DELETE FROM audit WHERE id IN (SELECT row_id FROM chain WHERE seq > {place} AND entry = 1); DELETE FROM chain WHERE seq > {place}"
        );
        assert!(
            folder.meddle(&cut, &[]).is_ok(),
            "a clean cut shows by nothing but an anchor"
        );
        let cut = folder.meddle(&cut, &[anchor]).unwrap_err();
        assert_eq!(
            (cut.seq, &cut.why),
            (place, &BrokenHow::Short { anchor: 600 }),
            "{cut}"
        );
    }
    let wording = folder
        .meddle(
            "UPDATE wordings SET text = text || ' and your friends'",
            &[],
        )
        .unwrap_err();
    assert_eq!((wording.seq, wording.why), (1, BrokenHow::Wording));
    let rewritten = Head {
        seq: 300,
        hash: [1; 32],
    };
    let rewritten = folder.verify(&[rewritten]).unwrap_err();
    assert_eq!((rewritten.seq, rewritten.why), (300, BrokenHow::Rewritten));
    assert!(folder.verify(&[anchor]).is_ok());
}

/// C1, C6: what 200 people asked to be erased is gone, and the chain still verifies; a row that somebody emptied does not pass as one.
#[test]
fn erased_payloads_leave_the_chain_whole() {
    let mut folder = Folder::new("erase");
    folder.fill(500);
    let before = folder.verify(&[]).unwrap();
    folder.writer.begin().unwrap();
    let mut erased = 0;
    for n in 0..20 {
        erased += folder
            .writer
            .erase_consents(
                TENANT,
                &Folder::number(n),
                "user:Inez",
                "asked on 3 May",
                at(1_000),
            )
            .unwrap();
    }
    folder.writer.commit().unwrap();
    assert_eq!(erased, 200);
    let after = folder.verify(&[before.head]).unwrap();
    assert_eq!((after.erased, after.consents), (200, 500));
    let left = folder
        .readers
        .ask(|store| store.consents_of_address(TENANT, &Folder::number(3)))
        .unwrap();
    assert!(left.is_empty());
    let emptied =
        "UPDATE consents SET value = '', wording = NULL, salt = NULL, erased_at = 1 WHERE id = 30";
    let emptied = folder.meddle(emptied, &[]).unwrap_err();
    assert_eq!(emptied.row, Some((Entry::Consent, 30)));
    assert_eq!(emptied.why, BrokenHow::Emptied);
}

/// P15: a turn that is taken back leaves no gap and no wrong hash behind it.
#[test]
fn a_turn_that_was_taken_back_leaves_the_chain_whole() {
    let mut folder = Folder::new("back");
    folder.fill(10);
    folder.writer.begin().unwrap();
    folder.consent(11, "+13035550111");
    folder.writer.roll_back();
    folder.writer.begin().unwrap();
    folder.consent(12, "+13035550112");
    folder.writer.commit().unwrap();
    let whole = folder.verify(&[]).unwrap();
    assert_eq!((whole.head.seq, whole.consents), (13, 11));
}

/// Every tenant has a chain of its own, and the same wording is kept once for each.
#[test]
fn wordings_are_kept_once() {
    let mut folder = Folder::new("wordings");
    folder.fill(40);
    let other = Connection::open(folder.path.join("ringback.db")).unwrap();
    let n: i64 = other
        .query_row("SELECT count(*) FROM wordings", [], |row| row.get(0))
        .unwrap();
    assert_eq!(n, 4);
    let shown = folder
        .readers
        .ask(|store| store.consents(TENANT, LeadId::from_raw(9)))
        .unwrap();
    assert_eq!(shown.len(), 40);
    assert_eq!(shown[0].wording.as_deref(), Some("Yes, text me. Version 1"));
}
