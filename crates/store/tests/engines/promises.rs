//! What the store promises, on each engine.

use crate::house::{Engine, House, at};
use crate::on_both;
use crate::same::capture;
use jiff::SignedDuration;
use ringback_core::ids::{KeyId, TenantId, UserId};
use ringback_core::turn::{Answer, Once, Order};
use ringback_store::{DraftRow, House as _, KeyKind, KeyRow, LeadFilter, StoreError, UserRow};

const ALDER: TenantId = TenantId::from_raw(1);
const WREN: TenantId = TenantId::from_raw(2);

fn order(n: u64, once: Option<&str>) -> Order {
    Order {
        tenant: ALDER,
        at: at("2026-03-03T17:00:00Z"),
        intake: capture(n, format!("key-{n}")),
        once: once.map(|key| Once {
            key: key.into(),
            hash: [7; 32],
        }),
    }
}

on_both! {
    /// X7: the same key hears the same answer: in the same turn, in a later one, and with another body that it was used before.
    fn a_key_is_answered_once(house: &mut House) {
        let now = at("2026-03-03T17:00:00Z");
        let both = house.turn(&[order(1, Some("a")), order(1, Some("a"))], now).unwrap();
        assert!(matches!(both.answers[0], Answer::Captured(_)));
        assert!(matches!(both.answers[1], Answer::Repeated { status: 200, .. }));
        let later = house.turn(&[order(1, Some("a"))], now + SignedDuration::from_hours(3)).unwrap();
        assert_eq!(later.answers[0], both.answers[1]);
        let mut other = order(2, Some("a"));
        other.once = Some(Once { key: "a".into(), hash: [8; 32] });
        assert_eq!(house.turn(&[other], now).unwrap().answers, [Answer::OtherBody]);
        let gone = house.turn(&[order(3, Some("a"))], now + SignedDuration::from_hours(24 * 3)).unwrap();
        assert!(matches!(gone.answers[0], Answer::Captured(_)), "after two days the key is free");
    }

    /// A turn that is taken back leaves nothing, and the next one counts on where the last lasting one ended.
    fn what_is_taken_back_was_never_there(house: &mut House) {
        let now = at("2026-03-03T17:00:00Z");
        house.turn(&[order(1, None)], now).unwrap();
        let before = house.rows();
        house.writer.begin().unwrap();
        let row = DraftRow { form: "booking".into(), hash: vec![1], data: serde_json::json!({}), step: 1, at: now, lead: None };
        house.writer.insert_draft(5, ALDER, &row).unwrap();
        house.writer.write_audit(ALDER, "user:Inez", None, "switch", &serde_json::json!({}), now).unwrap();
        house.writer.roll_back();
        assert_eq!(house.rows(), before);
        assert_eq!(house.readers.ask(|store| store.draft(ALDER, 5)).unwrap(), None);
        house.turn(&[order(2, None)], now).unwrap();
        let leads = house.readers.ask(|store| store.leads(ALDER, &LeadFilter::default(), None, 9)).unwrap();
        assert_eq!(leads.iter().map(|lead| lead.number).collect::<Vec<_>>(), [2, 1]);
        house.readers.ask(|store| store.verify_chain(ALDER, &[])).unwrap().unwrap();
    }

    /// V5: lists are narrowed alike, whatever the case of the letters, and a tenant finds its own alone (X4).
    fn lists_find_the_same(house: &mut House) {
        let now = at("2026-03-03T17:00:00Z");
        let orders: Vec<Order> = (1..=12).map(|n| order(n, None)).collect();
        house.turn(&orders, now).unwrap();
        let find = |filter: LeadFilter| {
            let found = house.readers.ask(|store| store.leads(ALDER, &filter, None, 50)).unwrap();
            found.iter().map(|lead| lead.number).collect::<Vec<_>>()
        };
        let words = |text: &str| LeadFilter { words: Some(text.into()), ..LeadFilter::default() };
        assert_eq!(find(words("pERSON 12")), [12]);
        assert_eq!(find(words("pErSoN")).len(), 12);
        assert_eq!(find(words("100%_")).len(), 0);
        assert_eq!(find(words("person5@example.com")), [5]);
        assert_eq!(find(LeadFilter { number: Some(7), ..LeadFilter::default() }), [7]);
        assert_eq!(find(LeadFilter { source: Some("website".into()), ..LeadFilter::default() }).len(), 12);
        let lead = house.readers.ask(|store| store.leads(ALDER, &LeadFilter::default(), None, 1)).unwrap().remove(0);
        assert_eq!(house.readers.ask(|store| store.lead(WREN, lead.id)).unwrap(), None);
        assert_eq!(house.readers.ask(|store| store.lead(ALDER, lead.id)).unwrap().as_ref(), Some(&lead));
        let history = house.readers.ask(|store| store.timeline(ALDER, lead.id, None, 10)).unwrap();
        assert!(history.iter().any(|event| event.kind == "lead.captured"));
        assert!(!house.readers.ask(|store| store.points(ALDER, lead.id)).unwrap().is_empty());
        assert!(house.readers.ask(|store| store.points(WREN, lead.id)).unwrap().is_empty());
    }

    /// Documents keep every version; keys, people and links are found, and stop to open when they were ended.
    fn the_house_is_remembered(house: &mut House) {
        let now = at("2026-03-03T17:00:00Z");
        let w = &mut house.writer;
        w.begin().unwrap();
        for (n, text) in [Some("name: A"), Some("name: B"), None].into_iter().enumerate() {
            assert_eq!(w.put_document(ALDER, "tenant.yaml", text, "user:Inez", now).unwrap(), n as i64 + 1);
        }
        assert_eq!(w.put_document(WREN, "tenant.yaml", Some("name: W"), "user:Inez", now).unwrap(), 1);
        let key = KeyRow {
            id: KeyId::from_raw(77), tenant: ALDER, kind: KeyKind::Secret, name: "site".into(), shown: "rb_live_abc".into(),
            hash: vec![9; 32], scopes: vec!["*".into()], expires_at: None, last_used_at: None, revoked_at: None, created_at: now,
        };
        w.insert_key(&key).unwrap();
        w.keys_used(&[(key.id, now)]).unwrap();
        let user = UserRow {
            id: UserId::from_raw(88), tenant: ALDER, email: "inez@example.com".into(), name: "Inez".into(), role: "owner".into(),
            password: None, created_at: now, disabled_at: None,
        };
        w.insert_user(&user).unwrap();
        w.insert_link(&[3; 32], user.id, now + SignedDuration::from_mins(10)).unwrap();
        w.commit().unwrap();
        assert_eq!(w.use_link(&[3; 32], now).unwrap(), Some(user.id));
        assert_eq!(w.use_link(&[3; 32], now).unwrap(), None, "a link opens once");
        let ask = &house.readers;
        assert_eq!(ask.ask(|store| store.documents(ALDER)).unwrap(), [], "the last version removed it");
        assert_eq!(ask.ask(|store| store.document(ALDER, "tenant.yaml", Some(2))).unwrap().unwrap().text.as_deref(), Some("name: B"));
        assert_eq!(ask.ask(|store| store.keys()).unwrap(), [KeyRow { last_used_at: Some(now), ..key.clone() }]);
        assert_eq!(ask.ask(|store| store.users_by_email("inez@example.com")).unwrap(), [user]);
        assert!(house.writer.revoke_key(ALDER, key.id, now).unwrap());
        assert!(!house.writer.revoke_key(ALDER, key.id, now).unwrap(), "it was ended before");
        assert_eq!(ask.ask(|store| store.keys()).unwrap(), []);
    }

    /// Servers read anew what changed, and of whom, and nothing else; what was taken back changed nothing.
    fn what_changed_is_found_by_its_number(house: &mut House) {
        let since = |house: &House, number: i64| {
            let found = house.readers.ask(|store| store.tenants_since(number)).unwrap();
            found.into_iter().map(|(row, number)| (row.id, number)).collect::<Vec<_>>()
        };
        let all = since(house, -1);
        assert_eq!(all.iter().map(|(id, _)| *id).collect::<Vec<_>>(), [ALDER, WREN]);
        let known = all.iter().map(|(_, number)| *number).max().unwrap();
        assert_eq!(since(house, known), []);
        let now = at("2026-03-03T17:00:00Z");
        house.writer.begin().unwrap();
        house.writer.put_document(WREN, "tenant.yaml", Some("name: W"), "user:Inez", now).unwrap();
        house.writer.roll_back();
        assert_eq!(since(house, known), []);
        for changed in [WREN, ALDER, WREN] {
            let known = since(house, -1).iter().map(|(_, number)| *number).max().unwrap();
            house.writer.begin().unwrap();
            house.writer.delete_staff(changed, "Nobody").unwrap();
            house.writer.commit().unwrap();
            let found = since(house, known);
            assert_eq!(found.iter().map(|(id, _)| *id).collect::<Vec<_>>(), [changed]);
        }
    }

    /// The table has the last word on what may exist once.
    fn a_name_is_given_once(house: &mut House) {
        let mut rows = house.readers.ask(|store| store.connections(ALDER)).unwrap();
        let mut twin = rows.remove(0);
        twin.id = ringback_core::ids::ConnectionId::from_raw(999);
        let refused = house.writer.insert_connection(ALDER, &twin).unwrap_err();
        assert!(matches!(refused, StoreError::Failed { .. }), "{refused:?}");
        house.writer.insert_connection(WREN, &ringback_store::ConnectionRow { name: "third".into(), ..twin }).unwrap();
    }

    /// What was planned by a clock that ran ahead keeps its distance once the clock is right; what matters for a while matters as long.
    fn a_clock_that_is_set_moves_what_waits(house: &mut House) {
        let now = at("2026-03-03T17:00:00Z");
        let ahead = now + SignedDuration::from_hours(24 * 365);
        let wren = Order {
            tenant: WREN,
            ..order(1, None)
        };
        house.turn(&[wren], ahead).unwrap();
        let wake = house.writer.next_wake().unwrap().unwrap();
        house.writer.clock_was_set(-365 * 86_400_000_000, now).unwrap();
        let moved = house.writer.next_wake().unwrap().unwrap();
        assert_eq!(wake.duration_since(ahead), moved.duration_since(now));
    }

    /// Keys, reports and limits of days gone by are forgotten, and drafts that nobody went on with, 200 in one go (L11).
    fn old_things_go_in_small_pieces(house: &mut House) {
        let now = at("2026-03-03T17:00:00Z");
        let days = |n: i64| now - SignedDuration::from_hours(24 * n);
        let mut ids = ringback_core::ids::IdMaker::new(1, 0);
        for n in 0..230 {
            let row = DraftRow { form: "booking".into(), hash: vec![1], data: serde_json::json!({}), step: 1, at: days(31), lead: None };
            house.writer.insert_draft(ids.next(days(31)), TenantId::from_raw(1 + n % 2), &row).unwrap();
        }
        house.turn(&[order(1, Some("old"))], days(5)).unwrap();
        assert_eq!(house.rows()["idempotency_keys"].len(), 1);
        assert!(house.writer.tidy(now).unwrap(), "there is more");
        assert!(!house.writer.tidy(now).unwrap(), "that was all");
        assert_eq!(house.rows()["idempotency_keys"].len(), 0);
    }
}
