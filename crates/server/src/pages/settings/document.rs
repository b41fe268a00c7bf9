//! One file of the configuration: read, edit, go back to an earlier version. It is stored only when all files together are without
//! problems (W5), so what runs is always whole.

use super::super::format::query;
use super::super::{Fields, Frame, Page, PageError, PageResult, Session, html, see_other_with};
use super::business::address;
use super::{Part, Tab, tabs};
use crate::app::App;
use crate::configuration::fits;
use crate::http::ApiError;
use askama::Template;
use axum::Router;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::routing::get;
use ringback_core::config::{Document, Problem, load};
use ringback_core::ids::TenantId;
use ringback_store::{DocumentRow, House as _};
use serde::Deserialize;
use std::collections::BTreeMap;

/// Earlier versions that are linked.
const VERSIONS: i64 = 12;

pub(super) fn routes() -> Router<App> {
    Router::new().route("/t/{slug}/settings/document", get(show).post(store))
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Asked {
    path: String,
    version: Option<i64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Typed {
    path: String,
    /// The version that was edited; 0 for a new file.
    version: i64,
    text: String,
    /// `save`, `check` or `remove`.
    act: String,
}

/// A problem at its line.
#[derive(Debug)]
pub(in crate::pages) struct Trouble {
    pub(in crate::pages) place: String,
    /// The page of the other file, where the problem is not in this one.
    pub(in crate::pages) href: String,
    pub(in crate::pages) text: String,
    /// The line as it was typed.
    pub(in crate::pages) line: String,
}

/// A link to a version.
#[derive(Debug)]
struct Version {
    number: i64,
    href: String,
    current: bool,
}

#[derive(Template)]
#[template(path = "settings/document.html")]
struct DocumentPage {
    frame: Frame,
    tabs: Vec<Tab>,
    headline: String,
    line: String,
    path: String,
    /// The newest version; 0 for a new file.
    version: i64,
    text: String,
    rows: usize,
    problems: Vec<Trouble>,
    /// Checked without a problem, not stored.
    fine: bool,
    versions: Vec<Version>,
    note: &'static str,
    action: String,
}

async fn show(State(app): State<App>, session: Session, Query(asked): Query<Asked>) -> PageResult {
    session.admin()?;
    let frame = Frame::load(&app, &session, Page::Settings).await?;
    if asked.path.is_empty() {
        return Ok(html(&page(frame, "", 0, None, String::new(), &[], false)));
    }
    let (tenant, path, version) = (session.home.row.id, asked.path.clone(), asked.version);
    let (newest, shown) = app
        .ask(move |store| {
            let newest = store.document(tenant, &path, None)?;
            let shown = match version {
                Some(_) => store.document(tenant, &path, version)?,
                None => newest.clone(),
            };
            Ok((newest, shown))
        })
        .await?;
    let (Some(newest), Some(shown)) = (newest, shown) else {
        return Err(PageError::NotFound);
    };
    let earlier = (shown.version != newest.version).then_some(shown.version);
    Ok(html(&page(
        frame,
        &shown.path,
        newest.version,
        earlier,
        shown.text.unwrap_or_default(),
        &[],
        false,
    )))
}

/// What a store came to.
enum Stored {
    /// As this version.
    As(i64),
    /// It is gone.
    Removed,
    /// Somebody else was faster: the version that is there now.
    Overtaken,
}

async fn store(
    State(app): State<App>,
    session: Session,
    Fields(mut typed): Fields<Typed>,
) -> PageResult {
    session.admin()?;
    typed.path = typed.path.trim().to_owned();
    // Browsers send a form's lines with CR LF.
    typed.text = typed.text.replace("\r\n", "\n");
    let tenant = session.home.row.id;
    let removing = typed.act == "remove";
    if let Err(problem) = fits(&typed.path, &typed.text) {
        return again(&app, &session, typed, &[problem], false).await;
    }
    let (path, text) = (typed.path.clone(), (!removing).then(|| typed.text.clone()));
    // Reading all files and compiling them takes a while: on a thread that may wait, and never in the writer.
    let checked = app
        .ask(move |store| Ok(check(&store.documents(tenant)?, &path, text.as_deref())))
        .await?;
    let (seen, name) = match checked {
        Ok(checked) => checked,
        Err(problems) => return again(&app, &session, typed, &problems, false).await,
    };
    if typed.act == "check" {
        return again(&app, &session, typed, &[], true).await;
    }
    let (actor, peer, now) = (session.actor(), session.peer.clone(), app.now());
    let (path, text, version) = (typed.path.clone(), typed.text.clone(), typed.version);
    let mut row = session.home.row.clone();
    let stored = app
        .change(move |writer| {
            let there = versions(&writer.documents(tenant)?);
            if there != seen || there.get(&path).copied().unwrap_or(0) != version {
                return Ok(Stored::Overtaken);
            }
            let stored = writer.put_document(
                tenant,
                &path,
                (!removing).then_some(text.as_str()),
                &actor,
                now,
            )?;
            if row.name != name {
                row.name = name;
                writer.update_tenant(&row)?;
            }
            let action = if removing {
                "document.remove"
            } else {
                "document.store"
            };
            writer.write_audit(
                tenant,
                &actor,
                Some(&peer),
                action,
                &serde_json::json!({"path": path, "version": stored}),
                now,
            )?;
            Ok(if removing {
                Stored::Removed
            } else {
                Stored::As(stored)
            })
        })
        .await?;
    let base = session.base();
    match stored {
        Stored::As(version) => Ok(see_other_with(
            &address(&base, &typed.path, None),
            "kept",
            &format!(
                "{} is stored as version {version} and holds from now on.",
                typed.path
            ),
        )),
        Stored::Removed => Ok(see_other_with(
            &format!("{base}/settings/business"),
            "kept",
            &format!(
                "{} is removed. Its versions stay for runs that go by them.",
                typed.path
            ),
        )),
        Stored::Overtaken => {
            let problem = Problem::of_file(
                &typed.path,
                "Somebody else stored a version in the meantime; yours is not stored.",
            )
            .mend(
                "Open the newest version in another tab, bring your lines over, and store there."
                    .to_owned(),
            );
            again(&app, &session, typed, &[problem], false).await
        }
    }
}

/// The page once more with what was typed.
async fn again(
    app: &App,
    session: &Session,
    typed: Typed,
    problems: &[Problem],
    fine: bool,
) -> PageResult {
    let frame = Frame::load(app, session, Page::Settings).await?;
    let mut response = html(&page(
        frame,
        &typed.path,
        typed.version,
        None,
        typed.text,
        problems,
        fine,
    ));
    if !problems.is_empty() {
        *response.status_mut() = StatusCode::UNPROCESSABLE_ENTITY;
    }
    Ok(response)
}

/// The versions a check went by, and the business's name by it.
type Checked = (BTreeMap<String, i64>, String);

/// All files with this one changed: the versions they were checked with, or everything that is wrong.
fn check(
    documents: &[DocumentRow],
    path: &str,
    text: Option<&str>,
) -> Result<Checked, Vec<Problem>> {
    let mut files: BTreeMap<String, Document> = documents
        .iter()
        .filter_map(|row| {
            Some((
                row.path.clone(),
                Document {
                    version: row.version,
                    text: row.text.clone()?,
                },
            ))
        })
        .collect();
    match text {
        Some(text) => {
            let version = files.get(path).map_or(1, |document| document.version + 1);
            files.insert(
                path.to_owned(),
                Document {
                    version,
                    text: text.to_owned(),
                },
            );
        }
        None => {
            files.remove(path);
        }
    }
    let config = load(&files)?;
    Ok((versions(documents), config.settings.name))
}

fn versions(documents: &[DocumentRow]) -> BTreeMap<String, i64> {
    documents
        .iter()
        .map(|row| (row.path.clone(), row.version))
        .collect()
}

fn page(
    frame: Frame,
    path: &str,
    version: i64,
    earlier: Option<i64>,
    text: String,
    problems: &[Problem],
    fine: bool,
) -> DocumentPage {
    let base = frame.base.clone();
    let headline = match problems.len() {
        0 if path.is_empty() => "A new file".to_owned(),
        0 => path.to_owned(),
        1 => format!("{path} has a problem and is not stored"),
        n => format!("{path} has {n} problems and is not stored"),
    };
    let line = match (earlier, version) {
        (Some(earlier), _) => {
            format!("Version {earlier}, as it was. Storing it makes it the newest again.")
        }
        (None, 0) => "It is stored when all files together are without problems.".to_owned(),
        (None, version) => format!("Version {version} holds now."),
    };
    let shown = earlier.unwrap_or(version);
    let oldest = (version - VERSIONS).max(0) + 1;
    DocumentPage {
        tabs: tabs(&base, Part::Business),
        headline,
        line,
        path: path.to_owned(),
        version,
        rows: text.lines().count().clamp(12, 40) + 2,
        problems: problems
            .iter()
            .take(50)
            .map(|problem| trouble(problem, path, &text, &base))
            .collect(),
        fine,
        versions: (oldest..=version)
            .rev()
            .map(|number| Version {
                number,
                href: address(&base, path, Some(number)),
                current: number == shown,
            })
            .collect(),
        note: note(path),
        action: format!("{base}/settings/document"),
        text,
        frame,
    }
}

pub(in crate::pages) fn trouble(problem: &Problem, path: &str, text: &str, base: &str) -> Trouble {
    let here = problem.path == path || problem.path.is_empty();
    let line = match problem.line {
        Some(line) if here => text
            .lines()
            .nth(
                usize::try_from(line)
                    .unwrap_or(usize::MAX)
                    .saturating_sub(1),
            )
            .unwrap_or_default()
            .trim_end()
            .to_owned(),
        _ => String::new(),
    };
    let place = match (here, problem.line) {
        (true, Some(line)) => format!("Line {line}"),
        (true, None) => "The file".to_owned(),
        (false, Some(line)) => format!("{}:{line}", problem.path),
        (false, None) => problem.path.clone(),
    };
    Trouble {
        place,
        href: if here {
            String::new()
        } else {
            format!("{base}/settings/document?path={}", query(&problem.path))
        },
        text: match &problem.mend {
            Some(mend) => format!("{} {mend}", problem.message),
            None => problem.message.clone(),
        },
        line: super::super::people::short(&line, 200),
    }
}

/// What an edit of this file does not do.
fn note(path: &str) -> &'static str {
    if path == "staff.yaml" {
        "The people of this file were taken over when the business moved in. Since then they are kept under Staff; hooks and the names of lists are still read here."
    } else if path.starts_with("workflows/") {
        "Runs that are under way go on by the version they began with."
    } else if path.starts_with("templates/") {
        "Messages that were decided already keep the words of their version."
    } else {
        ""
    }
}

/// The tenant's files by id, for pages that show one.
pub(in crate::pages) async fn read(
    app: &App,
    tenant: TenantId,
    path: String,
    version: i64,
) -> Result<Option<String>, ApiError> {
    let found = app
        .ask(move |store| store.document(tenant, &path, Some(version)))
        .await?;
    Ok(found.and_then(|row| row.text))
}

#[cfg(test)]
mod tests {
    use super::super::super::tests::{HOSTILE, sound};
    use super::super::tests::frame;
    use super::*;

    fn documents() -> Vec<DocumentRow> {
        crate::presets::find("plumbing")
            .unwrap()
            .files
            .into_iter()
            .map(|(path, text)| DocumentRow {
                path,
                version: 3,
                text: Some(text),
            })
            .collect()
    }

    fn text_of(path: &str) -> String {
        documents()
            .into_iter()
            .find(|row| row.path == path)
            .and_then(|row| row.text)
            .unwrap()
    }

    /// W5: what would break another file is found before anything is stored, and told with its place.
    #[test]
    fn a_change_is_checked_with_all_other_files() {
        assert!(check(&documents(), "tenant.yaml", Some(&text_of("tenant.yaml"))).is_ok());
        let problems = check(&documents(), "templates/emergency.sms.txt", None).unwrap_err();
        assert!(
            problems
                .iter()
                .any(|problem| problem.path.starts_with("workflows/")),
            "{problems:?}"
        );
        let renamed = text_of("workflows/emergency-alert.yaml")
            .replace("template: emergency,", "template: emergancy,");
        let problems = check(
            &documents(),
            "workflows/emergency-alert.yaml",
            Some(&renamed),
        )
        .unwrap_err();
        let text = page(
            frame(),
            "workflows/emergency-alert.yaml",
            3,
            None,
            renamed,
            &problems,
            false,
        )
        .render()
        .unwrap();
        sound(&text);
        assert!(text.contains("Line 7"), "{problems:?}");
        assert!(text.contains("Did you mean `emergency`?"));
        assert!(text.contains("is not stored"));
    }

    /// The name in tenant.yaml is the business's name everywhere.
    #[test]
    fn the_name_follows_the_file() {
        let text = text_of("tenant.yaml").replace("name: Alder Plumbing", "name: Birch Plumbing");
        assert_eq!(
            check(&documents(), "tenant.yaml", Some(&text)).unwrap().1,
            "Birch Plumbing"
        );
    }

    /// X4: paths stay inside the folder, and control characters are told with their line.
    #[test]
    fn hostile_paths_and_texts_are_refused() {
        for path in [
            "",
            "../tenant.yaml",
            "/etc/passwd",
            "a//b",
            "workflows/.hidden",
            "workflows/a b.yaml",
            HOSTILE,
        ] {
            assert!(fits(path, "").is_err(), "{path}");
        }
        assert!(fits("templates/welcome.sms.es.txt", "Hola\tä\n").is_ok());
        assert_eq!(fits("tenant.yaml", "a\nb\u{0}c").unwrap_err().line, Some(2));
    }

    /// Hostile text stays in its field.
    #[test]
    fn what_was_typed_stays_in_its_field() {
        let problem = Problem::at("tenant.yaml", 1, HOSTILE).mend(HOSTILE.to_owned());
        sound(
            &page(
                frame(),
                HOSTILE,
                0,
                None,
                format!("</textarea>{HOSTILE}"),
                &[problem],
                false,
            )
            .render()
            .unwrap(),
        );
        let text = page(
            frame(),
            "tenant.yaml",
            30,
            Some(4),
            "</textarea>x".into(),
            &[],
            true,
        )
        .render()
        .unwrap();
        sound(&text);
        assert_eq!(text.matches("</textarea>").count(), 1);
    }
}
