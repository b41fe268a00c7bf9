//! What has to be done now and then beside the loops: metrics, the use of keys, backups, what a restore left to be let go.

use crate::app::App;
use std::time::Duration;

const METRICS_EVERY: Duration = Duration::from_secs(5);
/// In so many rounds the use of keys is written down.
const KEYS_EVERY: u32 = 6;

/// Tidies the metrics and writes down when keys were last used, until the server stops.
pub(crate) async fn run(app: App) {
    let mut tick = tokio::time::interval(METRICS_EVERY);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut round = 0u32;
    loop {
        tokio::select! {
            () = app.stopping.cancelled() => return,
            _ = tick.tick() => {}
        }
        app.metrics.run_upkeep();
        crate::backups::when_due(&app).await;
        crate::recovery::go_on_with_all(&app).await;
        round = round.wrapping_add(1);
        if round.is_multiple_of(KEYS_EVERY) {
            note_keys(&app).await;
        }
    }
}

/// Writes down when keys were last used (X2).
pub(crate) async fn note_keys(app: &App) {
    let used = app.limits.take_used();
    if used.is_empty() {
        return;
    }
    if let Err(error) = app.write(move |writer| writer.keys_used(&used)).await {
        tracing::warn!(%error, "when keys were last used could not be written down");
    }
}
