//! HTTP, seen from the routes: the one error, who is calling, limits, and the accept loop.

mod administer;
pub(crate) mod auth;
pub(crate) mod docs;
mod error;
pub(crate) mod extract;
mod limits;
pub(crate) mod once;
mod serve;

pub(crate) use administer::{Act, Deed};
pub use auth::{Caller, KeyText, Scope, hash_key, make_key};
pub use error::{ApiError, ApiResult, Code, Problem};
pub use extract::{Body, Limit, Listed, MaybeBody, Page, PathId, PathText, Peer, Queries, Text};
pub(crate) use extract::{cursor, headers, not_a_cursor};
pub use limits::Limits;
pub(crate) use limits::network;
pub use once::{once, reply, reply_as, written};
pub use serve::serve;

/// The recorder of metrics, installed once for the process.
pub fn recorder() -> metrics_exporter_prometheus::PrometheusHandle {
    static HANDLE: std::sync::OnceLock<metrics_exporter_prometheus::PrometheusHandle> =
        std::sync::OnceLock::new();
    HANDLE
        .get_or_init(|| {
            let buckets = [
                0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
            ];
            let recorder = metrics_exporter_prometheus::PrometheusBuilder::new()
                .set_buckets(&buckets)
                .map(metrics_exporter_prometheus::PrometheusBuilder::build_recorder)
                .unwrap_or_else(|_| {
                    metrics_exporter_prometheus::PrometheusBuilder::new().build_recorder()
                });
            let handle = recorder.handle();
            if metrics::set_global_recorder(recorder).is_err() {
                tracing::warn!("metrics are recorded elsewhere already");
            }
            handle
        })
        .clone()
}
