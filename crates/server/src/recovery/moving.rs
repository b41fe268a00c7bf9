//! A house moves from SQLite to PostgreSQL or back (O6): all of it, verified, and held until a person lets it go.

use crate::secrets::{MasterKey, SealError};
use ringback_core::ids::IdMaker;
use ringback_core::time::{Clock, Timestamp};
use ringback_store::moving::{End, Move, MoveError, Tell, Verified};
use ringback_store::{HoldRow, HoldState, House as _, StoreError, Writer};
use serde::Serialize;
use std::path::PathBuf;

/// In the report of a hold: the database that a business came from.
pub(crate) const MOVED_FROM: &str = "moved_from";

/// What is to move, and where.
#[derive(Debug, Clone)]
pub struct MoveWish {
    /// The end that is left.
    pub from: End,
    /// The other end.
    pub to: End,
    /// The data folder with the master key, which the house goes on with.
    pub data: PathBuf,
}

/// Why a house did not move.
#[derive(Debug, thiserror::Error)]
pub enum MovingError {
    /// An end.
    #[error(transparent)]
    Move(#[from] MoveError),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The master key.
    #[error(transparent)]
    Key(#[from] SealError),
    /// There is no master key.
    #[error(
        "there is no master key in {0}. It does not move with the database: copy master.key from the data folder of a server of this house first"
    )]
    NoKey(PathBuf),
    /// It is another one.
    #[error(
        "the key {0} does not open the settings of the account `{1}`: copy master.key from the data folder of a server of this house"
    )]
    OtherKey(PathBuf, String),
}

/// A table that was found the same at both ends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MovedTable {
    /// Its name.
    pub table: String,
    /// Its rows.
    pub rows: u64,
    /// The sum of the hashes of their canonical texts, in hexadecimal.
    pub hash: String,
}

impl From<Verified> for MovedTable {
    fn from(one: Verified) -> Self {
        Self {
            table: one.table,
            rows: one.rows,
            hash: one.hash,
        }
    }
}

/// A house that has moved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Moved {
    /// The end that was left.
    pub from: String,
    /// The other end.
    pub to: String,
    /// Whether it went on with what was interrupted.
    pub resumed: bool,
    /// Every table. None when all was over before and only the end that was left had to hear of it.
    pub tables: Vec<MovedTable>,
}

/// Moves a house. What is interrupted goes on when it is done again.
pub fn move_house(
    wish: &MoveWish,
    clock: &dyn Clock,
    copied: Tell<'_>,
    verified: Tell<'_>,
) -> Result<Moved, MovingError> {
    let file = wish.data.join("master.key");
    if !file.exists() {
        return Err(MovingError::NoKey(wish.data.clone()));
    }
    let master = MasterKey::of_file(&file)?;
    let mut moving = Move::begin(&wish.from, &wish.to, clock.now())?;
    let mut moved = Moved {
        from: moving.left(),
        to: moving.goes_to(),
        resumed: moving.resumed(),
        tables: Vec::new(),
    };
    if !moving.done() {
        fits(&moving, &master, &file)?;
        moving.copy(copied)?;
        let (tables, last_id) = moving.verify(verified)?;
        moved.tables = tables.into_iter().map(MovedTable::from).collect();
        let mut writer = moving.writer()?;
        let now = clock.now();
        writer.begin()?;
        let arrived = arrive(&moving, &writer, &moved, last_id, now);
        match arrived {
            Ok(()) => writer.commit()?,
            Err(error) => {
                writer.roll_back();
                return Err(error);
            }
        }
    }
    moving.leave(clock.now())?;
    Ok(moved)
}

/// Whether the key opens what is sealed in the house.
fn fits(moving: &Move, master: &MasterKey, file: &std::path::Path) -> Result<(), MovingError> {
    moving.reader()?.ask(|store| {
        for tenant in store.tenants()? {
            for one in store.connections(tenant.id)? {
                if master.open(tenant.id, one.id, &one.settings).is_err() {
                    return Err(MovingError::OtherKey(file.to_owned(), one.name));
                }
            }
        }
        Ok(())
    })
}

/// In one commit: every business is held, its chain tells of the move, and the house may be opened.
fn arrive(
    moving: &Move,
    writer: &Writer,
    moved: &Moved,
    last_id: i64,
    now: Timestamp,
) -> Result<(), MovingError> {
    let mut ids = IdMaker::new(0, last_id);
    let rows: u64 = moved.tables.iter().map(|table| table.rows).sum();
    for tenant in writer.tenants()? {
        let held = writer.hold(tenant.id)?;
        match held.map(|hold| hold.state) {
            // Held since a restore: that hold stays, and finds its messages by its own instant.
            Some(HoldState::Holds) => {}
            Some(HoldState::LettingGo) => {
                let (from, to) = (HoldState::LettingGo, HoldState::Holds);
                writer.move_hold(tenant.id, from, to, "migrate", now)?;
            }
            Some(HoldState::Over) | None => writer.put_hold(&HoldRow {
                tenant: tenant.id,
                backup: moved.from.clone(),
                snapshot_at: now,
                restored_at: now,
                floor: ids.next(now),
                state: HoldState::Holds,
                changed_at: now,
                changed_by: "migrate".to_owned(),
                report: serde_json::json!({ MOVED_FROM: moved.from }),
            })?,
        }
        let details = serde_json::json!({"from": moved.from, "to": moved.to, "rows": rows});
        writer.write_audit(tenant.id, "cli", None, "migrate", &details, now)?;
    }
    moving.arrive(writer, last_id, now)?;
    Ok(())
}
