//! P1, P2: the answer to a commit is lost on its way. What was made lasting is found out and told as such; what was not is taken for not done.

use crate::house::{House, Place, at, database};
use crate::same::capture;
use ringback_core::ids::{IdMaker, TenantId};
use ringback_core::turn::Order;
use ringback_pgtest::Database;
use ringback_store::{Role, StoreError, join_postgres};
use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::time::Duration;

/// What happens to the next commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    Passes = 0,
    /// The line breaks before it reaches the server.
    NeverArrives = 1,
    /// It is done, and the line breaks before its answer reaches the client.
    AnswerIsLost = 2,
}

/// Passes on what clients and a server of PostgreSQL say, and breaks the line at a commit.
struct Between {
    port: u16,
    next: Arc<AtomicU8>,
}

const COMMIT: &[u8] = b"COMMIT\0";
/// What a node's turn begins with. Questions are transactions too, and nothing is lost with one.
const TURN: &[u8] = b"ringback_hold";

impl Between {
    fn of(database: &Database) -> (Self, String) {
        let url = database.app_url();
        let (head, rest) = url.split_once("@127.0.0.1:").unwrap();
        let (port, name) = rest.split_once('/').unwrap();
        let server: u16 = port.parse().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let between = Self {
            port: listener.local_addr().unwrap().port(),
            next: Arc::default(),
        };
        let next = Arc::clone(&between.next);
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let server = TcpStream::connect(("127.0.0.1", server)).unwrap();
                let swallows = Arc::new(AtomicBool::new(false));
                let (there, back) = (client.try_clone().unwrap(), server.try_clone().unwrap());
                let (armed, own) = (Arc::clone(&next), Arc::clone(&swallows));
                std::thread::spawn(move || asks(there, back, &armed, &own));
                std::thread::spawn(move || answers(server, client, &swallows));
            }
        });
        let through = format!("{head}@127.0.0.1:{}/{name}?sslmode=disable", between.port);
        (between, through)
    }

    fn next_commit(&self, what: Next) {
        self.next.store(what as u8, Ordering::SeqCst);
    }

    /// Whether the commit came by that was waited for.
    fn is_spent(&self) -> bool {
        self.next.load(Ordering::SeqCst) == Next::Passes as u8
    }
}

/// Hands over pieces, each with the end of the one before, so that a word is found which lies across two.
fn pieces(from: &mut TcpStream, mut each: impl FnMut(&[u8], bool) -> std::io::Result<()>) {
    let (mut buffer, mut tail) = (vec![0; 1 << 16], Vec::new());
    while let Ok(n) = from.read(&mut buffer) {
        if n == 0 {
            return;
        }
        let piece = &buffer[..n];
        tail.extend_from_slice(piece);
        let commits = tail.windows(COMMIT.len()).any(|bytes| bytes == COMMIT);
        if each(piece, commits).is_err() {
            return;
        }
        tail.drain(..tail.len().saturating_sub(COMMIT.len() - 1));
    }
}

fn cut(one: &TcpStream, other: &TcpStream) {
    // One that is closed already is cut.
    drop(one.shutdown(Shutdown::Both));
    drop(other.shutdown(Shutdown::Both));
}

fn asks(mut client: TcpStream, mut server: TcpStream, next: &AtomicU8, swallows: &AtomicBool) {
    let (there, back) = (client.try_clone().unwrap(), server.try_clone().unwrap());
    let mut turn = false;
    pieces(&mut client, |piece, commits| {
        turn |= piece.windows(TURN.len()).any(|bytes| bytes == TURN);
        if commits && std::mem::take(&mut turn) {
            match next.swap(Next::Passes as u8, Ordering::SeqCst) {
                one if one == Next::NeverArrives as u8 => {
                    cut(&there, &back);
                    return Err(std::io::ErrorKind::BrokenPipe.into());
                }
                one if one == Next::AnswerIsLost as u8 => swallows.store(true, Ordering::SeqCst),
                _ => {}
            }
        }
        server.write_all(piece)
    });
    // Whoever still reads its answer gets it; the other half ends by itself.
    drop(server.shutdown(Shutdown::Write));
}

fn answers(mut server: TcpStream, mut client: TcpStream, swallows: &AtomicBool) {
    let (there, back) = (client.try_clone().unwrap(), server.try_clone().unwrap());
    pieces(&mut server, |piece, commits| {
        if !swallows.load(Ordering::SeqCst) {
            return client.write_all(piece);
        }
        if commits {
            cut(&there, &back);
            return Err(std::io::ErrorKind::BrokenPipe.into());
        }
        Ok(())
    });
    cut(&there, &back);
}

fn order(n: u64) -> Order {
    Order {
        tenant: TenantId::from_raw(1),
        at: at("2026-03-03T17:00:00Z"),
        intake: capture(n, format!("key-{n}")),
        once: None,
    }
}

/// A turn whose answer was lost is a turn: told as done, and there once. One that never arrived is none, and the next finds nothing of it.
#[test]
fn a_commit_whose_answer_was_lost_is_found_out() {
    let database = database();
    let (between, url) = Between::of(&database);
    let now = at("2026-03-03T17:00:00Z");
    let (writer, readers, node) =
        join_postgres(&url, None, Role::All, now, Duration::from_secs(1_000)).unwrap();
    // However slow this machine is: nobody takes the node for dead.
    let alive = "UPDATE nodes SET lease_until = lease_until + 3600000000";
    database.sql(alive).unwrap();
    let mut house = House::with(writer, readers, Place::Elsewhere);
    house.ids = IdMaker::new(node.node().number() * 2, 0);
    let leads = || -> i64 {
        let n = database.sql("SELECT count(*) FROM leads WHERE tenant_id = 1");
        n.unwrap().parse().unwrap()
    };
    house.turn(&[order(1)], now).unwrap();
    assert_eq!(leads(), 1);
    for round in 0..5 {
        let before = leads();
        between.next_commit(Next::AnswerIsLost);
        house.turn(&[order(10 + 3 * round)], now).unwrap();
        assert!(between.is_spent(), "the commit came by");
        assert_eq!(leads(), before + 1, "round {round}: done, once");

        between.next_commit(Next::NeverArrives);
        let failed = house.turn(&[order(11 + 3 * round)], now).unwrap_err();
        assert!(between.is_spent(), "the commit came by");
        assert!(matches!(failed, StoreError::Away { .. }), "{failed:?}");
        assert_eq!(leads(), before + 1, "round {round}: not done");

        house.turn(&[order(11 + 3 * round)], now).unwrap();
        assert_eq!(leads(), before + 2, "round {round}: the same again");
    }
    for tenant in [1, 2] {
        let verified = house
            .readers
            .ask(|store| store.verify_chain(TenantId::from_raw(tenant), &[]));
        assert!(verified.unwrap().is_ok());
    }
    node.leave().unwrap();
}
