//! Dead letters (M4) and what stays unknown (M3, P4): found by their cause, weighed, replayed, mended, discarded.

mod acts;
mod find;
mod unknown;

pub(crate) use acts::{Amendment, Discards, PER_MINUTE, Preview, Replays, amend, preview};
#[cfg(test)]
pub(crate) use acts::{PreviewCost, PreviewReason};
pub(crate) use find::{Group, Which, choose, groups};
pub(crate) use unknown::{Doubtful, doubtful};

use crate::app::App;
use utoipa_axum::router::OpenApiRouter;

/// Every route about dead letters and what stays unknown.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .merge(find::routes())
        .merge(acts::routes())
        .merge(unknown::routes())
}
