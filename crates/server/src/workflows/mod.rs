//! The documents of a tenant's configuration, and runs of its workflows.

mod documents;
pub(crate) mod figures;
mod jobs;
pub(crate) mod runs;
pub(crate) mod simulate;

use crate::app::App;
use utoipa_axum::router::OpenApiRouter;

/// Every route about documents and runs.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .merge(documents::routes())
        .merge(figures::routes())
        .merge(runs::routes())
        .merge(jobs::routes())
        .merge(simulate::routes())
}
