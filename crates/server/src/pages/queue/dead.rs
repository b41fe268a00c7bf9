//! Dead letters: groups with one sample each, the letters of a group, and the questions before they are replayed or discarded (M4).

use super::super::format::{Local, amount, number};
use super::super::message::body::{content, first_words, shown};
use super::super::message::explain::{Chip, channel_word, chip, inner, lower_first, plain};
use super::super::message::{provider, whom};
use super::super::messages::leads_of;
use super::super::{
    Fields, Frame, Named, Page, PageError, PageResult, Session, html, see_other_with,
};
use super::Cursor;
use crate::app::App;
use crate::dead::{Discards, Group, PER_MINUTE, Preview, Replays, Which, choose, groups, preview};
use crate::registry::Home;
use askama::Template;
use axum::Router;
use axum::extract::{Query, State};
use axum::routing::get;
use ringback_core::ids::LeadId;
use ringback_core::leads::Lead;
use ringback_core::messages::{Cause, Message, Status};
use ringback_core::time::Timestamp;
use ringback_core::turn::QUARANTINED;
use serde::Deserialize;
use std::collections::HashMap;
use std::sync::Arc;

/// The routes of dead letters.
pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/t/{slug}/queue/dead", get(list))
        .route("/t/{slug}/queue/dead/{which}", get(one))
        .route("/t/{slug}/queue/dead/{which}/replay", get(ask).post(replay))
        .route(
            "/t/{slug}/queue/dead/{which}/discard",
            get(ask_discard).post(discard),
        )
}

/// Letters of a group on one page.
const LETTERS: u32 = 50;
/// Letters that one click replays or discards.
const MOST: u32 = 1_000;

/// A group as a page shows it.
#[derive(Debug, Clone)]
pub(super) struct Row {
    pub href: String,
    pub chip: Chip,
    pub n: i64,
    pub n_words: String,
    pub detail: String,
    pub code: String,
    pub by: String,
    pub template: String,
    pub first: String,
    pub last: String,
    pub machine: String,
    pub sample: String,
    pub sample_whom: String,
    pub words: String,
    pub answer: String,
    pub mend: &'static str,
}

impl Row {
    /// Reads a group for people; what its sample says is rendered.
    pub(super) async fn of(
        app: &App,
        home: &Arc<Home>,
        group: &Group,
        leads: &HashMap<LeadId, Lead>,
        now: Timestamp,
    ) -> Self {
        let words = first_words(&shown(content(app, home, &group.sample).await));
        Self::new(home, group, leads, words, now)
    }

    fn new(
        home: &Home,
        group: &Group,
        leads: &HashMap<LeadId, Lead>,
        words: String,
        now: Timestamp,
    ) -> Self {
        let local = Local::of(home);
        let sample = &group.sample;
        let base = format!("/t/{}", home.row.slug);
        let (label, account) = provider(home, sample.connection, sample.sandbox);
        let kind = channel_word(group.cause.channel);
        let by = if account.is_empty() {
            label.clone()
        } else {
            format!("{account} ({label})")
        };
        let detail = because(sample, &label);
        let answer = match &group.answer {
            Some(call) => {
                let why = call.why.as_ref().map(|why| &*why.detail);
                answered(&call.outcome, why, &detail, &label)
            }
            None => "No provider was called.".to_owned(),
        };
        Self {
            href: format!("{base}/queue/dead/{}", group.id),
            chip: chip(group.cause.status),
            n: group.n,
            n_words: amount(group.n, &kind.to_lowercase()),
            detail,
            code: group.cause.code.clone(),
            by,
            template: group.cause.template.clone().unwrap_or_default(),
            first: local.when(group.first_at, now),
            last: local.when(group.last_at, now),
            machine: Local::machine(group.last_at),
            sample: format!("{base}/messages/{}", sample.id),
            sample_whom: whom(sample, sample.lead.and_then(|id| leads.get(&id))),
            words,
            answer,
            mend: mend(&group.cause),
        }
    }

    #[cfg(test)]
    pub(super) fn sample() -> Self {
        use super::super::tests::HOSTILE;
        Self {
            href: "/t/alder/queue/dead/dead_1".into(),
            chip: chip(Status::Failed),
            n: 14,
            n_words: "14 texts".into(),
            detail: HOSTILE.into(),
            code: HOSTILE.into(),
            by: HOSTILE.into(),
            template: HOSTILE.into(),
            first: "yesterday, 6:43 am".into(),
            last: "6:43 am".into(),
            machine: "2026-11-21T13:43:09Z".into(),
            sample: "/t/alder/messages/msg_1".into(),
            sample_whom: HOSTILE.into(),
            words: HOSTILE.into(),
            answer: HOSTILE.into(),
            mend: "Mend it.",
        }
    }
}

/// Why they ended, without a full stop.
fn because(message: &Message, by: &str) -> String {
    match &message.why {
        Some(why) if !why.detail.is_empty() => plain(inner(&why.detail)),
        _ => format!("{by} gave no reason"),
    }
}

/// The last call in a sentence; what the group says already is not said again.
fn answered(outcome: &str, detail: Option<&str>, group: &str, by: &str) -> String {
    let said = detail
        .map(|detail| plain(inner(detail)))
        .filter(|detail| !detail.is_empty() && detail != group)
        .map(|detail| format!(": {}", lower_first(&detail)))
        .unwrap_or_default();
    match outcome {
        "unknown" => format!("{by} may or may not have it{said}."),
        "accepted" | "delivered" => format!("{by} took it and reported later."),
        "retry" => format!("{by} refused it for now{said}."),
        "misconfigured" => format!("{by} refused our account{said}."),
        _ => format!("{by} refused it for good{said}."),
    }
}

/// The title of a page about so many dead letters.
pub(in super::super) fn title(n: i64) -> String {
    match n {
        0 => "No dead letters".to_owned(),
        1 => "1 message did not arrive".to_owned(),
        n => format!("{} messages did not arrive", number(n)),
    }
}

/// What somebody has to do before a replay helps.
pub(in super::super) fn mend(cause: &Cause) -> &'static str {
    match (cause.status, cause.code.as_str()) {
        (_, QUARANTINED) => {
            "The server died while one of these was being sent. Look at its words and its connection before you replay it; it goes alone, and one more death puts it back here."
        }
        (Status::Bounced, _) => {
            "The address is at fault. Change it on the letter; as it is, the gates will block it."
        }
        (Status::Unknown, _) => "It may have arrived: whoever gets it again may get it twice.",
        (Status::Expired, _) => {
            "Its time ran out after calls that failed. Replay it only if it still matters."
        }
        (_, "template") => "Mend the template first; the letters are filled anew.",
        (_, "no_connection") => "Add or mend the connection first.",
        _ => "Mend what the sentence names first; each is asked at all gates again.",
    }
}

#[derive(Template)]
#[template(path = "queue/dead.html")]
struct ListPage {
    frame: Frame,
    title: String,
    groups: Vec<Row>,
}

async fn list(State(app): State<App>, session: Session) -> PageResult {
    let tenant = session.home.row.id;
    let (found, leads) = app
        .ask(move |store| {
            let found = groups(store, tenant)?;
            let samples: Vec<Message> = found.iter().map(|one| one.sample.clone()).collect();
            let leads = leads_of(store, tenant, &samples)?;
            Ok((found, leads))
        })
        .await?;
    let frame = Frame::load(&app, &session, Page::Queue).await?;
    let mut rows = Vec::new();
    for group in &found {
        rows.push(Row::of(&app, &session.home, group, &leads, app.now()).await);
    }
    Ok(html(&ListPage {
        title: title(found.iter().map(|group| group.n).sum()),
        groups: rows,
        frame,
    }))
}

/// A letter of a group.
#[derive(Debug, Clone)]
struct Letter {
    href: String,
    edit: String,
    whom: String,
    why: String,
    ended: String,
    machine: String,
    doubt: bool,
}

#[derive(Template)]
#[template(path = "queue/group.html")]
struct GroupPage {
    frame: Frame,
    title: String,
    group: Row,
    letters: Vec<Letter>,
    newest: String,
    older: String,
}

fn which(text: &str) -> PageResult<Which> {
    text.parse().map_err(|()| PageError::NotFound)
}

async fn one(
    State(app): State<App>,
    session: Session,
    Named((_, name)): Named<(String, String)>,
    Query(cursor): Query<Cursor>,
) -> PageResult {
    let Which::Of(id) = which(&name)? else {
        return Err(PageError::NotFound);
    };
    let tenant = session.home.row.id;
    let after = cursor.message()?;
    let (group, letters, leads) = app
        .ask(move |store| {
            let group = groups(store, tenant)?.into_iter().find(|one| one.id == id);
            let letters = store.dead_of(tenant, id, after, LETTERS + 1)?;
            let mut all = letters.clone();
            all.extend(group.iter().map(|group| group.sample.clone()));
            let leads = leads_of(store, tenant, &all)?;
            Ok((group, letters, leads))
        })
        .await?;
    let frame = Frame::load(&app, &session, Page::Queue).await?;
    let Some(group) = group else {
        // Somebody was faster, or the last of them went.
        return Ok(html(&ListPage {
            title: "This group is empty now".to_owned(),
            groups: Vec::new(),
            frame,
        }));
    };
    let now = app.now();
    let row = Row::of(&app, &session.home, &group, &leads, now).await;
    let local = Local::of(&session.home);
    let more = letters.len() > LETTERS as usize;
    let older = letters
        .get(LETTERS as usize - 1)
        .filter(|_| more)
        .map(|last| format!("{}?after={}", row.href, last.id))
        .unwrap_or_default();
    let letters = letters
        .iter()
        .take(LETTERS as usize)
        .map(|letter| {
            let at = letter.settled_at.unwrap_or(letter.created_at);
            Letter {
                href: format!("{}/messages/{}", frame.base, letter.id),
                edit: format!("{}/queue/dead/{}", frame.base, letter.id),
                whom: whom(letter, letter.lead.and_then(|id| leads.get(&id))),
                why: because(letter, &row.by),
                ended: local.when(at, now),
                machine: Local::machine(at),
                doubt: letter.plan.doubt.is_some(),
            }
        })
        .collect();
    Ok(html(&GroupPage {
        title: format!("{}: {}", row.n_words, lower_first(&row.detail)),
        newest: if after.is_some() {
            row.href.clone()
        } else {
            String::new()
        },
        older,
        letters,
        group: row,
        frame,
    }))
}

#[derive(Template)]
#[template(path = "queue/replay.html")]
struct ReplayPage {
    frame: Frame,
    title: String,
    href: String,
    back: String,
    n: usize,
    lines: Vec<(String, String)>,
    twice: String,
    button: String,
    per_minute: u32,
    many: bool,
}

async fn ask(
    State(app): State<App>,
    session: Session,
    Named((_, name)): Named<(String, String)>,
) -> PageResult {
    let which = which(&name)?;
    let found = preview(&app, session.home.row.id, which, false, PER_MINUTE, MOST).await?;
    let frame = Frame::load(&app, &session, Page::Queue).await?;
    Ok(html(&replay_page(frame, which, &found)))
}

fn back_to(base: &str, which: Which) -> String {
    match which {
        Which::All => format!("{base}/queue/dead"),
        Which::Of(id) => format!("{base}/queue/dead/{id}"),
        Which::One(id) => format!("{base}/messages/{id}"),
    }
}

fn replay_page(frame: Frame, which: Which, found: &Preview) -> ReplayPage {
    let count = |n: usize| number(i64::try_from(n).unwrap_or(i64::MAX));
    let mut lines = vec![("Would go now".to_owned(), count(found.would_go))];
    for reason in &found.reasons {
        let term = match reason.status.as_str() {
            "deferred" => "Would wait",
            "refused" => "Cannot be replayed",
            _ => "Would be stopped",
        };
        let detail = lower_first(&plain(inner(&reason.detail)));
        lines.push((
            term.to_owned(),
            format!("{}: {detail}", count(reason.count)),
        ));
    }
    if found.sandbox > 0 {
        lines.push((
            "In the sandbox".to_owned(),
            format!("{} reach nobody outside", count(found.sandbox)),
        ));
    }
    lines.push((
        "Cost".to_owned(),
        match &found.cost {
            Some(cost) => format!(
                "about {:.2} {}, as {} cost lately",
                cost.micros as f64 / 1e6,
                cost.currency,
                amount(i64::try_from(cost.from).unwrap_or(0), "such message"),
            ),
            None => "not known: no provider told what such messages cost".to_owned(),
        },
    ));
    if found.left > 0 {
        lines.push((
            "Left for later".to_owned(),
            format!("{}, the newest", number(found.left)),
        ));
    }
    let twice = match found.may_arrive_twice {
        0 => String::new(),
        1 if found.count == 1 => {
            "It may have arrived already: whoever gets it again may get it twice.".to_owned()
        }
        n => format!(
            "{} of them may have arrived already: whoever gets one again may get it twice.",
            count(n)
        ),
    };
    let goes = found.count - found.refused;
    ReplayPage {
        title: match goes {
            0 => "Nothing is left to replay".to_owned(),
            1 => "Replay 1 message?".to_owned(),
            n => format!("Replay {} messages?", count(n)),
        },
        href: format!("{}/queue/dead/{which}/replay", frame.base),
        back: back_to(&frame.base, which),
        n: goes,
        lines,
        twice,
        button: format!("Replay {}", count(goes)),
        per_minute: PER_MINUTE,
        many: goes > 1,
        frame,
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Pace {
    per_minute: String,
}

async fn replay(
    State(app): State<App>,
    session: Session,
    Named((_, name)): Named<(String, String)>,
    Fields(pace): Fields<Pace>,
) -> PageResult {
    let which = which(&name)?;
    let tenant = session.home.row.id;
    let per_minute = match pace.per_minute.trim() {
        "" => PER_MINUTE,
        text => text
            .parse()
            .ok()
            .filter(|n| (1..=600).contains(n))
            .ok_or_else(|| {
                PageError::Api(crate::http::ApiError::invalid(
                    "per_minute",
                    "From 1 to 600 go in a minute.",
                ))
            })?,
    };
    let chosen = choose(&app, tenant, which, false, MOST).await?;
    let done = Replays::of(&app, tenant, chosen, per_minute, &session.actor()).await;
    let local = Local::of(&session.home);
    let now = app.now();
    let stay = match done.refused {
        0 => String::new(),
        n => format!(" {n} stay as they are."),
    };
    let (class, said) = match (done.replayed, done.last_due_at) {
        (0, _) => ("late", format!("None was replayed.{stay}")),
        (1, _) => {
            let one = done.results.iter().find(|one| one.status.is_some());
            let held = one.and_then(|one| one.why.as_deref());
            match held {
                Some(why) => (
                    "held",
                    format!(
                        "It was asked at the gates again: {}{stay}",
                        lower_first(why)
                    ),
                ),
                None => ("kept", format!("It is tried again.{stay}")),
            }
        }
        (n, Some(last)) if last > now => (
            "kept",
            format!(
                "{n} go one after the other, the last {}.{stay}",
                local.on(last, now)
            ),
        ),
        (n, _) => ("kept", format!("{n} are asked at the gates again.{stay}")),
    };
    let to = match which {
        Which::One(id) => format!("{}/messages/{id}", session.base()),
        _ => format!("{}/queue", session.base()),
    };
    Ok(see_other_with(&to, class, &said))
}

#[derive(Template)]
#[template(path = "queue/discard.html")]
struct DiscardPage {
    frame: Frame,
    title: String,
    href: String,
    back: String,
    button: String,
    n: usize,
}

async fn ask_discard(
    State(app): State<App>,
    session: Session,
    Named((_, name)): Named<(String, String)>,
) -> PageResult {
    let which = which(&name)?;
    let chosen = choose(&app, session.home.row.id, which, false, MOST).await?;
    let n = chosen
        .letters
        .iter()
        .filter(|letter| letter.is_dead())
        .count();
    let frame = Frame::load(&app, &session, Page::Queue).await?;
    Ok(html(&discard_page(frame, which, n)))
}

fn discard_page(frame: Frame, which: Which, n: usize) -> DiscardPage {
    let words = amount(i64::try_from(n).unwrap_or(i64::MAX), "message");
    DiscardPage {
        title: if n == 0 {
            "Nothing is left to discard".to_owned()
        } else {
            format!("Discard {words}?")
        },
        href: format!("{}/queue/dead/{which}/discard", frame.base),
        back: back_to(&frame.base, which),
        button: format!("Discard {words}"),
        n,
        frame,
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Why {
    reason: String,
}

async fn discard(
    State(app): State<App>,
    session: Session,
    Named((_, name)): Named<(String, String)>,
    Fields(why): Fields<Why>,
) -> PageResult {
    let which = which(&name)?;
    let tenant = session.home.row.id;
    let reason: String = why
        .reason
        .trim()
        .chars()
        .filter(|c| !c.is_control())
        .take(200)
        .collect();
    let chosen = choose(&app, tenant, which, false, MOST).await?;
    let done = Discards::of(&app, tenant, chosen, &reason, &session.actor()).await;
    let said = match (done.discarded, done.refused) {
        (0, _) => "None was discarded: they are no dead letters any more.".to_owned(),
        (1, 0) => "Discarded. The message stays and says so.".to_owned(),
        (n, 0) => format!("{n} discarded. The messages stay and say so."),
        (n, stay) => format!("{n} discarded, {stay} stay as they are."),
    };
    let class = if done.discarded == 0 { "late" } else { "kept" };
    let to = match which {
        Which::One(id) => format!("{}/messages/{id}", session.base()),
        _ => format!("{}/queue/dead", session.base()),
    };
    Ok(see_other_with(&to, class, &said))
}

#[cfg(test)]
mod tests {
    use super::super::super::message::tests::frame;
    use super::super::super::tests::{HOSTILE, sound};
    use super::*;
    use crate::dead::{PreviewCost, PreviewReason};

    /// U, M4: the pages of dead letters are sound empty and full, and whatever is in them; a question names its number.
    #[test]
    fn the_pages_of_dead_letters_are_sound() {
        for n in [0, 1, 50] {
            let page = ListPage {
                frame: frame(),
                title: title(n),
                groups: vec![Row::sample(); usize::try_from(n).unwrap()],
            };
            sound(&page.render().unwrap());
        }
        let letter = Letter {
            href: "/t/alder/messages/msg_1".into(),
            edit: "/t/alder/queue/dead/msg_1".into(),
            whom: HOSTILE.into(),
            why: HOSTILE.into(),
            ended: "6:43 am".into(),
            machine: "2026-11-21T13:43:09Z".into(),
            doubt: true,
        };
        let group = GroupPage {
            frame: frame(),
            title: HOSTILE.into(),
            group: Row::sample(),
            letters: vec![letter; 50],
            newest: "/t/alder/queue/dead/dead_1".into(),
            older: "/t/alder/queue/dead/dead_1?after=msg_1".into(),
        };
        let text = group.render().unwrap();
        sound(&text);
        assert!(text.len() < 60_000, "{} bytes", text.len());
        let mut found = Preview {
            count: 1,
            refused: 1,
            ..Preview::default()
        };
        let empty = replay_page(frame(), Which::All, &found);
        assert_eq!(empty.title, "Nothing is left to replay");
        sound(&empty.render().unwrap());
        found = Preview {
            count: 14,
            left: 3,
            would_go: 9,
            would_wait: 5,
            may_arrive_twice: 2,
            sandbox: 1,
            reasons: vec![PreviewReason {
                status: "deferred".into(),
                code: HOSTILE.into(),
                detail: HOSTILE.into(),
                count: 5,
            }],
            cost: Some(PreviewCost {
                micros: 74_700,
                currency: "USD".into(),
                from: 20,
            }),
            ..Preview::default()
        };
        let full = replay_page(frame(), Which::All, &found);
        assert_eq!(
            (full.title.as_str(), full.button.as_str()),
            ("Replay 14 messages?", "Replay 14")
        );
        let text = full.render().unwrap();
        sound(&text);
        assert!(text.contains("about 0.07 USD, as 20 such messages cost lately"));
        sound(&discard_page(frame(), Which::All, 0).render().unwrap());
        assert_eq!(
            discard_page(frame(), Which::All, 14).button,
            "Discard 14 messages"
        );
        sound(&discard_page(frame(), Which::All, 14).render().unwrap());
    }
}
