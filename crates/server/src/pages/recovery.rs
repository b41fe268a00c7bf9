//! What is held since a restore: counts, the oldest of it, and the decision to let it go or not (P12).

use super::format::Local;
use super::message::explain::channel_word;
use super::message::whom;
use super::messages::leads_of;
use super::{Fields, Frame, Page, PageError, PageResult, Session, html, see_other_with};
use crate::app::App;
use crate::recovery::{Will, act_on};
use crate::registry::Home;
use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::routing::get;
use ringback_core::ids::LeadId;
use ringback_core::leads::Lead;
use ringback_core::messages::{Category, Message};
use ringback_core::time::Timestamp;
use ringback_store::{HeldCount, HoldRow, HoldState, House as _};
use serde::Deserialize;
use std::collections::HashMap;

/// The routes of the hold.
pub(super) fn routes() -> Router<App> {
    Router::new().route("/t/{slug}/recovery", get(show).post(decide))
}

/// Messages that are shown.
const ROWS: u32 = 50;

/// Messages of a kind.
#[derive(Debug, Clone)]
struct Group {
    what: &'static str,
    kind: &'static str,
    n: i64,
    doubtful: i64,
}

/// A message that waits.
#[derive(Debug, Clone)]
struct Waiting {
    id: String,
    href: String,
    whom: String,
    what: &'static str,
    kind: &'static str,
    sentence: String,
    made: String,
    machine: String,
}

#[derive(Template)]
#[template(path = "recovery/page.html")]
struct RecoveryPage {
    frame: Frame,
    title: String,
    line: String,
    did: Vec<(&'static str, String)>,
    groups: Vec<Group>,
    waiting: Vec<Waiting>,
    more: i64,
    looked_up: i64,
    /// Somebody may decide.
    open: bool,
}

/// What the page is made of.
struct Known {
    hold: Option<HoldRow>,
    counts: Vec<HeldCount>,
    waiting: Vec<Message>,
    leads: HashMap<LeadId, Lead>,
    looked_up: i64,
}

async fn show(State(app): State<App>, session: Session) -> PageResult {
    let tenant = session.home.row.id;
    let known = app
        .ask(move |store| {
            let hold = store.hold(tenant)?;
            let (mut counts, mut waiting) = (Vec::new(), Vec::new());
            if let Some(hold) = hold.as_ref().filter(|hold| hold.state != HoldState::Over) {
                counts = store.held_counts(tenant, &hold.hold())?;
                waiting = store.held_since_restore(tenant, &hold.hold(), None, ROWS)?;
            }
            Ok(Known {
                leads: leads_of(store, tenant, &waiting)?,
                looked_up: store.unknown_counts(tenant)?.open,
                hold,
                counts,
                waiting,
            })
        })
        .await?;
    let frame = Frame::load(&app, &session, Page::Queue).await?;
    Ok(html(&page(frame, &session.home, &known, app.now())))
}

const fn what(category: Category) -> &'static str {
    match category {
        Category::Transactional => "Answer or reminder",
        Category::Promotional => "Offer",
        Category::Staff => "Alert to staff",
        Category::Emergency => "Emergency",
    }
}

fn page(frame: Frame, home: &Home, known: &Known, now: Timestamp) -> RecoveryPage {
    let local = Local::of(home);
    lay_out(frame, &local, known, now)
}

fn lay_out(frame: Frame, local: &Local, known: &Known, now: Timestamp) -> RecoveryPage {
    let all: i64 = known.counts.iter().map(|count| count.n).sum();
    let (title, line) = match &known.hold {
        None => (
            "Nothing is held".to_owned(),
            "This business was not restored from a backup.".to_owned(),
        ),
        Some(hold) if hold.state == HoldState::Over => (
            "Nothing is held any more".to_owned(),
            format!(
                "{} {}; {} let everything go {}.",
                match moved_from(hold) {
                    Some(_) => "This business moved house".to_owned(),
                    None => format!(
                        "The backup of {} was restored",
                        local.when(hold.snapshot_at, now)
                    ),
                },
                local.when(hold.restored_at, now),
                super::people::actor(&hold.changed_by),
                local.when(hold.changed_at, now)
            ),
        ),
        Some(hold) => (
            {
                let since = match moved_from(hold) {
                    Some(_) => "move",
                    None => "restore",
                };
                match all {
                    0 => format!("Held since the {since}: nothing yet"),
                    1 => format!("1 message is held since the {since}"),
                    n => format!(
                        "{} messages are held since the {since}",
                        super::format::number(n)
                    ),
                }
            },
            match moved_from(hold) {
                Some(from) => format!(
                    "Everything of this business came from {from} {}, and nothing is lost. Make sure that no server works on the old database any more, else people get everything twice; then let what waits go.",
                    local.when(hold.restored_at, now)
                ),
                None => format!(
                    "The backup of {} was restored {}. What happened in between is lost here, and some of what waits may have gone out already. Look at it, discard what should not go, then let the rest go.",
                    local.when(hold.snapshot_at, now),
                    local.when(hold.restored_at, now)
                ),
            },
        ),
    };
    let base = frame.base.clone();
    let waiting: Vec<Waiting> = known
        .waiting
        .iter()
        .map(|message| Waiting {
            id: message.id.to_string(),
            href: format!("{base}/messages/{}", message.id),
            whom: whom(message, message.lead.and_then(|id| known.leads.get(&id))),
            what: what(message.category),
            kind: channel_word(message.channel),
            sentence: if message.plan.doubt.is_some() {
                "May have gone out already, so it may arrive twice".to_owned()
            } else {
                "Waits for you".to_owned()
            },
            made: local.when(message.created_at, now),
            machine: message.created_at.to_string(),
        })
        .collect();
    let held = known.hold.as_ref();
    RecoveryPage {
        title,
        line,
        did: held
            .filter(|hold| moved_from(hold).is_none())
            .map(|hold| did(&hold.report))
            .unwrap_or_default(),
        groups: known
            .counts
            .iter()
            .map(|count| Group {
                what: what(count.category),
                kind: channel_word(count.channel),
                n: count.n,
                doubtful: count.doubtful,
            })
            .collect(),
        more: all - waiting.len() as i64,
        waiting,
        looked_up: known.looked_up,
        open: held.is_some_and(|hold| hold.state == HoldState::Holds),
        frame,
    }
}

/// The database that the business came from, where a move and no restore is what it is held by.
fn moved_from(hold: &HoldRow) -> Option<&str> {
    hold.report[crate::recovery::MOVED_FROM].as_str()
}

/// What the restore did, in words.
fn did(report: &serde_json::Value) -> Vec<(&'static str, String)> {
    let rows = [
        ("listed", "Entries of the suppression list brought back"),
        ("lifted", "Entries taken off it again"),
        ("revoked", "Consents taken back again"),
        ("erased", "Leads deleted again"),
        ("doubted", "Messages that may have gone out"),
        ("runs", "Workflow runs that may have gone on"),
    ];
    let count = |name: &str| report[name].as_i64().unwrap_or(0);
    rows.iter()
        .map(|(name, says)| (*says, count(name).to_string()))
        .collect()
}

/// What a person decided.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Decision {
    /// A message, or `all`.
    which: String,
    /// `go` or `stay`.
    will: String,
}

async fn decide(
    State(app): State<App>,
    session: Session,
    Fields(decision): Fields<Decision>,
) -> PageResult {
    session.admin()?;
    let which = match decision.which.as_str() {
        "all" => None,
        one => Some(vec![one.parse().map_err(|_| PageError::NotFound)?]),
    };
    let will = match decision.will.as_str() {
        "go" => Will::Go,
        "stay" => Will::Stay,
        _ => return Err(PageError::NotFound),
    };
    let acted = act_on(&app, session.home.row.id, which, will, session.actor()).await?;
    let said = match (will, acted.done) {
        (Will::Go, 1) => "1 message goes; its gates are asked anew.".to_owned(),
        (Will::Go, n) => format!("{n} messages go; their gates are asked anew."),
        (Will::Stay, 1) => "1 message was discarded.".to_owned(),
        (Will::Stay, n) => format!("{n} messages were discarded."),
    };
    Ok(see_other_with(
        &format!("{}/recovery", session.base()),
        "kept",
        &said,
    ))
}

#[cfg(test)]
mod tests {
    use super::super::settings::tests::{frame, local, now};
    use super::*;
    use ringback_core::ids::TenantId;
    use ringback_core::messages::ChannelKind;

    fn known(state: HoldState, n: i64) -> Known {
        let hold = HoldRow {
            tenant: TenantId::from_raw(1),
            backup: "ringback-20261121T020000Z".into(),
            snapshot_at: now() - jiff::SignedDuration::from_hours(12),
            restored_at: now() - jiff::SignedDuration::from_mins(20),
            floor: 9,
            state,
            changed_at: now(),
            changed_by: "user:Inez Ford".into(),
            report: serde_json::json!({"listed": 3, "erased": 1}),
        };
        Known {
            hold: Some(hold),
            counts: vec![HeldCount {
                category: Category::Transactional,
                channel: ChannelKind::Sms,
                n,
                doubtful: 2,
                first_at: now(),
                last_at: now(),
            }],
            waiting: Vec::new(),
            leads: HashMap::new(),
            looked_up: 1,
        }
    }

    /// P12: the page says what would go, what may arrive twice, and lets a person decide; later it says that it is over.
    #[test]
    fn the_page_says_what_is_held_and_who_let_it_go() {
        let render = |known: &Known| {
            let page = lay_out(frame(), &local(), known, now());
            page.render().expect("a page")
        };
        let open = render(&known(HoldState::Holds, 14));
        for says in [
            "14 messages are held since the restore",
            "Answer or reminder",
            "2 of them may have gone out already",
            "Let all go",
            "Entries of the suppression list brought back",
        ] {
            assert!(open.contains(says), "{says}: {open}");
        }
        let over = render(&known(HoldState::Over, 0));
        assert!(over.contains("Nothing is held any more") && over.contains("Inez Ford"));
        assert!(!over.contains("Let all go"));
    }

    /// O6: after a move the page says so, and warns of the old house.
    #[test]
    fn the_page_tells_a_move_from_a_restore() {
        let mut known = known(HoldState::Holds, 2);
        if let Some(hold) = &mut known.hold {
            hold.report = serde_json::json!({"moved_from": "sqlite:/var/lib/ringback"});
        }
        let page = lay_out(frame(), &local(), &known, now()).render();
        let page = page.expect("a page");
        for says in [
            "2 messages are held since the move",
            "came from sqlite:/var/lib/ringback",
            "no server works on the old database",
            "Let all go",
        ] {
            assert!(page.contains(says), "{says}: {page}");
        }
        assert!(
            !page.contains("backup") && !page.contains("brought back"),
            "{page}"
        );
    }
}
