//! Lets a version of a workflow hold from now on, whether it was typed, drafted or taken from before (W4, I5).

use super::super::{PageResult, Session};
use crate::app::App;
use crate::configuration::{self, Checked};
use ringback_store::Writer;

/// Stores what was checked and takes the draft of the file away. Answers in words what holds from now on; none when nothing changed. Refused when
/// somebody else was faster.
pub(super) async fn publish(
    app: &App,
    session: &Session,
    path: String,
    checked: Checked,
) -> PageResult<Option<String>> {
    let tenant = session.home.row.id;
    let (now, actor, peer) = (app.now(), session.actor(), session.peer.clone());
    let done = app
        .change(move |writer: &mut Writer| {
            let stored = configuration::store(writer, tenant, &checked, &actor, now)?;
            if stored.is_ok() {
                writer.delete_draft(tenant, &path)?;
                let details = serde_json::json!({"paths": [path]});
                writer.write_audit(tenant, &actor, Some(&peer), "config.publish", &details, now)?;
            }
            Ok(stored)
        })
        .await?
        .map_err(|moved| configuration::conflict(&moved))?;
    Ok(done.first().map(|(_, version)| {
        format!("Version {version} holds from now on. Runs that are under way go on by theirs.")
    }))
}
