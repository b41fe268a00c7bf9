//! The documents of a tenant's configuration, and runs of its workflows.

mod documents;
mod runs;

use crate::app::App;
use utoipa_axum::router::OpenApiRouter;

/// Every route about documents and runs.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .merge(documents::routes())
        .merge(runs::routes())
}
