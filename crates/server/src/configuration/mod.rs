//! The configuration as a whole (I5): what holds, what it is to become, how it came about; published and taken back in one commit.

pub mod diff;
mod routes;

use crate::app::App;
use crate::http::ApiError;
use ringback_core::config::{Document, Problem, TenantConfig, load};
use ringback_core::ids::TenantId;
use ringback_core::time::Timestamp;
use ringback_store::{DocumentRow, DraftFile, House, StoreError, VersionRow, Writer};
use std::collections::BTreeMap;

pub(crate) use routes::routes;

/// Files as they are to become; none is a file that goes.
pub(crate) type Changes = BTreeMap<String, Option<String>>;
/// Versions by path.
pub(crate) type Versions = BTreeMap<String, i64>;

/// The longest file.
const MOST_BYTES: usize = 256 << 10;
/// Versions that are looked at for a list of releases.
pub(crate) const MOST_VERSIONS: u32 = 2_000;

/// Whether a path may be one of a configuration, and a text fits.
pub fn fits(path: &str, text: &str) -> Result<(), Problem> {
    let part = |part: &str| {
        !part.is_empty()
            && !part.starts_with('.')
            && part
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'))
    };
    if path.len() > 200 || !path.split('/').all(part) {
        return Err(Problem::of_file(path, "This is no path of a file.").mend(
            "Write it like workflows/welcome.yaml or templates/welcome.sms.txt.".to_owned(),
        ));
    }
    if text.len() > MOST_BYTES {
        return Err(Problem::of_file(path, "A file has at most 256 KB."));
    }
    if let Some(at) = text
        .lines()
        .position(|line| line.chars().any(|c| c.is_control() && c != '\t'))
    {
        return Err(Problem::at(
            path,
            u32::try_from(at + 1).unwrap_or(u32::MAX),
            "There is a control character in this line.",
        )
        .mend("Type the line anew.".to_owned()));
    }
    Ok(())
}

/// The files that hold, with their versions.
pub(crate) fn held(rows: Vec<DocumentRow>) -> BTreeMap<String, Document> {
    rows.into_iter()
        .filter_map(|row| {
            let document = Document {
                version: row.version,
                text: row.text?,
            };
            Some((row.path, document))
        })
        .collect()
}

/// A change that fits into the whole, and what it was checked with.
#[derive(Debug)]
pub(crate) struct Checked {
    /// What changes indeed: a file with the same text as before does not.
    pub(crate) changes: Changes,
    /// The configuration as it would be.
    pub(crate) config: TenantConfig,
    /// The versions it was checked with.
    pub(crate) against: Versions,
}

/// All files with some of them changed, read as a whole (W5).
pub(crate) fn check(
    mut files: BTreeMap<String, Document>,
    changes: &Changes,
) -> Result<Checked, Vec<Problem>> {
    let against = files
        .iter()
        .map(|(path, document)| (path.clone(), document.version))
        .collect();
    let mut problems = Vec::new();
    let mut real = Changes::new();
    for (path, text) in changes {
        if let Err(problem) = fits(path, text.as_deref().unwrap_or_default()) {
            problems.push(problem);
            continue;
        }
        let before = files.get(path);
        if before.map(|document| document.text.as_str()) == text.as_deref() {
            continue;
        }
        let version = before.map_or(1, |document| document.version + 1);
        match text {
            Some(text) => {
                let document = Document {
                    version,
                    text: text.clone(),
                };
                files.insert(path.clone(), document);
            }
            None => {
                files.remove(path);
            }
        }
        real.insert(path.clone(), text.clone());
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    let config = load(&files)?;
    Ok(Checked {
        changes: real,
        config,
        against,
    })
}

/// The versions of the files that hold.
fn versions(store: &impl House, tenant: TenantId) -> Result<Versions, StoreError> {
    let rows = store.documents(tenant)?.into_iter();
    Ok(rows.map(|row| (row.path, row.version)).collect())
}

/// Paths whose version is not the one that was edited.
pub(crate) fn overtaken<'p>(
    base: impl IntoIterator<Item = (&'p String, i64)>,
    there: &Versions,
) -> Vec<String> {
    base.into_iter()
        .filter(|(path, base)| there.get(*path).copied().unwrap_or(0) != *base)
        .map(|(path, _)| path.clone())
        .collect()
}

/// 409: somebody else stored these files in the meantime.
pub(crate) fn conflict(paths: &[String]) -> ApiError {
    ApiError::conflict(
        "config_conflict",
        format!(
            "Somebody else stored {} in the meantime; nothing was stored. Pull, look at the difference, and try again.",
            paths.join(", ")
        ),
    )
}

/// Paths and versions that were stored; a version is 0 where a file went.
pub(crate) type Stored = Vec<(String, i64)>;

/// Stores a change that was checked, inside a commit of its own. Nothing is stored, and the paths are answered, when somebody else was faster.
pub(crate) fn store(
    writer: &Writer,
    tenant: TenantId,
    checked: &Checked,
    actor: &str,
    now: Timestamp,
) -> Result<Result<Stored, Vec<String>>, StoreError> {
    let there = versions(writer, tenant)?;
    if there != checked.against {
        let against = &checked.against;
        let mut moved = overtaken(
            against.iter().map(|(path, version)| (path, *version)),
            &there,
        );
        let new = there.keys().filter(|path| !against.contains_key(*path));
        moved.extend(new.cloned());
        return Ok(Err(moved));
    }
    let mut stored = Stored::new();
    for (path, text) in &checked.changes {
        let version = writer.put_document(tenant, path, text.as_deref(), actor, now)?;
        stored.push((path.clone(), if text.is_some() { version } else { 0 }));
    }
    let name = &checked.config.settings.name;
    let row = writer.tenants()?.into_iter().find(|row| row.id == tenant);
    if let Some(mut row) = row
        && row.name != *name
    {
        row.name.clone_from(name);
        writer.update_tenant(&row)?;
    }
    Ok(Ok(stored))
}

/// What a tenant's draft changes: files as they are to become.
pub(crate) fn changes_of(drafts: &[DraftFile]) -> Changes {
    let drafts = drafts.iter();
    drafts
        .map(|one| (one.path.clone(), one.text.clone()))
        .collect()
}

/// Everything that changed in one instant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Release {
    /// When.
    pub(crate) at: Timestamp,
    /// Who stored it.
    pub(crate) actor: String,
    /// The files, and what became of them.
    pub(crate) files: Vec<VersionRow>,
}

/// Versions of files, newest first, as releases: those of one instant were stored in one commit.
pub(crate) fn releases(rows: Vec<VersionRow>) -> Vec<Release> {
    let mut out: Vec<Release> = Vec::new();
    for row in rows {
        match out.last_mut() {
            Some(last) if last.at == row.at => last.files.push(row),
            _ => out.push(Release {
                at: row.at,
                actor: row.actor.clone(),
                files: vec![row],
            }),
        }
    }
    out
}

/// What would have to change so that the files are again as they held at an instant.
pub(crate) fn back_to(
    store: &impl House,
    tenant: TenantId,
    at: Timestamp,
) -> Result<Changes, StoreError> {
    let then: BTreeMap<String, String> = store
        .documents_at(tenant, at)?
        .into_iter()
        .filter_map(|row| Some((row.path, row.text?)))
        .collect();
    let now = store.documents(tenant)?;
    let mut changes = Changes::new();
    for row in now {
        match then.get(&row.path) {
            Some(text) if row.text.as_ref() == Some(text) => {}
            Some(text) => {
                changes.insert(row.path, Some(text.clone()));
            }
            None => {
                changes.insert(row.path, None);
            }
        }
    }
    let held = versions(store, tenant)?;
    let gone = then
        .into_iter()
        .filter(|(path, _)| !held.contains_key(path));
    changes.extend(gone.map(|(path, text)| (path, Some(text))));
    Ok(changes)
}

/// The configuration as the draft would make it, or everything that is wrong with it.
pub(crate) async fn with_draft(
    app: &App,
    tenant: TenantId,
) -> Result<Result<Checked, Vec<Problem>>, ApiError> {
    app.ask(move |store| {
        let changes = changes_of(&store.drafts(tenant)?);
        Ok(check(held(store.documents(tenant)?), &changes))
    })
    .await
}
