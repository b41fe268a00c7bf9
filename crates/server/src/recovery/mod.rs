//! Restoring a backup, moving house, and the hold that follows either (O5, O6, P12, reliability 4.6).

mod held;
mod moving;
mod replay;
mod restore;
mod routes;

pub(crate) use held::{Will, act_on, go_on_with_all};
pub(crate) use moving::MOVED_FROM;
pub use moving::{MoveWish, Moved, MovedTable, MovingError, move_house};
pub use restore::{
    Held, HoldWish, RestoreError, RestoreWish, Restored, TenantReport, hold_database, restore,
};
pub(crate) use routes::routes;
