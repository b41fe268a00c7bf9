//! Messages over HTTP: every one explains itself (M10), and people write, repeat and take back.

mod acts;
mod compose;
mod explain;
mod find;
mod notification;
mod sandbox;
mod views;

pub(crate) use compose::{ComposedBody, address, check_text};
pub(crate) use find::said;
pub use views::{AttemptBody, GateBody, MessageBody, gates};

use crate::app::App;
use utoipa_axum::router::OpenApiRouter;

/// Every route about messages.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .merge(find::routes())
        .merge(acts::routes())
        .merge(notification::routes())
        .merge(sandbox::routes())
}
