//! Settings: what is set, where it is in the files, and who may change it (X2, X4, M12). Owners and admins only.

mod audit;
mod backups;
mod business;
mod compliance;
pub(super) mod document;
mod keys;
mod limits;
mod people;
mod staff;
mod switches;

use super::{PageResult, Session, see_other};
use crate::app::App;
use axum::Router;
use axum::routing::get;

/// Every part of the settings.
pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/t/{slug}/settings", get(front))
        .merge(business::routes())
        .merge(document::routes())
        .merge(keys::routes())
        .merge(staff::routes())
        .merge(people::routes())
        .merge(switches::routes())
        .merge(limits::routes())
        .merge(compliance::routes())
        .merge(audit::routes())
        .merge(backups::routes())
}

async fn front(session: Session) -> PageResult {
    session.admin()?;
    Ok(see_other(&format!("{}/settings/business", session.base())))
}

/// The parts, in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Business,
    Staff,
    People,
    Keys,
    Switches,
    Limits,
    Compliance,
    Backups,
    Audit,
}

const PARTS: &[Part] = &[
    Part::Business,
    Part::Staff,
    Part::People,
    Part::Keys,
    Part::Switches,
    Part::Limits,
    Part::Compliance,
    Part::Backups,
    Part::Audit,
];

impl Part {
    const fn label(self) -> &'static str {
        match self {
            Self::Business => "Business and files",
            Self::Staff => "Staff",
            Self::People => "Who signs in",
            Self::Keys => "Keys",
            Self::Switches => "Switches",
            Self::Limits => "Limits and costs",
            Self::Compliance => "Compliance",
            Self::Backups => "Backups",
            Self::Audit => "What was changed",
        }
    }

    const fn path(self) -> &'static str {
        match self {
            Self::Business => "business",
            Self::Staff => "staff",
            Self::People => "people",
            Self::Keys => "keys",
            Self::Switches => "switches",
            Self::Limits => "limits",
            Self::Compliance => "compliance",
            Self::Backups => "backups",
            Self::Audit => "audit",
        }
    }
}

/// A link to a part.
#[derive(Debug)]
struct Tab {
    href: String,
    label: &'static str,
    current: bool,
}

fn tabs(base: &str, open: Part) -> Vec<Tab> {
    PARTS
        .iter()
        .map(|part| Tab {
            href: format!("{base}/settings/{}", part.path()),
            label: part.label(),
            current: *part == open,
        })
        .collect()
}

/// Words between commas, each once, trimmed, without control characters.
fn words(typed: &str) -> Vec<String> {
    let mut out: Vec<String> = Vec::new();
    for word in typed
        .split(',')
        .map(str::trim)
        .filter(|word| !word.is_empty())
        .take(30)
    {
        let word: String = word.chars().filter(|c| !c.is_control()).take(60).collect();
        if !word.is_empty() && !out.contains(&word) {
            out.push(word);
        }
    }
    out
}

/// A name as a person typed it: trimmed, at most 100 characters, no control characters.
fn name(typed: &str) -> Result<String, String> {
    let typed = typed.trim();
    if typed.is_empty() {
        return Err("Type a name.".to_owned());
    }
    if typed.chars().count() > 100 {
        return Err("A name has at most 100 characters.".to_owned());
    }
    if typed.chars().any(char::is_control) {
        return Err(
            "The name holds a control character. Type it instead of pasting it.".to_owned(),
        );
    }
    Ok(typed.to_owned())
}

#[cfg(test)]
pub(in crate::pages) mod tests {
    use super::super::format::Local;
    use super::super::frame::{Entry, Group};
    use super::super::{Frame, assets};
    use super::*;
    use jiff::tz::TimeZone;
    use ringback_core::time::Timestamp;

    /// The present of the tests of pages.
    pub(crate) fn now() -> Timestamp {
        "2026-11-21T13:49:52Z".parse().unwrap()
    }

    /// Denver.
    pub(crate) fn local() -> Local {
        Local::new(TimeZone::get("America/Denver").unwrap(), "US", "Denver")
    }

    /// A frame as an owner sees it.
    pub(crate) fn frame() -> Frame {
        let entry = Entry {
            href: "/t/alder".into(),
            label: "Now",
            current: false,
            count: None,
        };
        Frame {
            business: "Alder Plumbing".into(),
            base: "/t/alder".into(),
            place: "Denver".into(),
            time: "6:49 am".into(),
            now_ms: now().as_millisecond(),
            menu: vec![Group {
                title: "",
                entries: vec![entry.clone()],
            }],
            tabs: vec![entry.clone()],
            more: vec![entry],
            ringing: 0,
            failed: 0,
            sandbox: true,
            held: None,
            user: "Inez Ford".into(),
            writes: true,
            admin: true,
            notice: None,
            css: assets::css(),
            script: assets::script(),
        }
    }

    /// A list that a person types has each word once.
    #[test]
    fn typed_lists_hold_each_word_once() {
        assert_eq!(words(" owner, agent ,, owner,\u{7}"), ["owner", "agent"]);
        assert!(name("  ").is_err());
        assert!(name(&"x".repeat(101)).is_err());
        assert_eq!(name(" Ruth Alder "), Ok("Ruth Alder".to_owned()));
    }
}
