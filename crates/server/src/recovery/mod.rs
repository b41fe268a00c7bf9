//! Restoring a backup, and the hold that follows it (O5, P12, reliability 4.6).

mod held;
mod replay;
mod restore;
mod routes;

pub(crate) use held::{Will, act_on, go_on_with_all};
pub use restore::{RestoreError, RestoreWish, Restored, TenantReport, restore};
pub(crate) use routes::routes;
