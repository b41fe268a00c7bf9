//! Now: whom to call, how late we are, what needs a decision (U).

use super::format::{Local, amount, clock, number};
use super::frame::{Frame, Page};
use super::line::{self, Line, Wait};
use super::people::{self, TierView};
use super::{PageResult, Session, html};
use crate::app::App;
use crate::dead::{Group, groups};
use crate::http::{hash_key, make_key};
use crate::registry::Home;
use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::{get, post};
use jiff::SignedDuration;
use ringback_core::ids::KeyId;
use ringback_core::leads::Lead;
use ringback_core::messages::{Message, Status};
use ringback_core::time::Timestamp;
use ringback_store::{
    House as _, KeyKind, KeyRow, LeadFilter, Reader, StoreError, UnknownCounts, WaitView,
};

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/t/{slug}", get(show))
        .route("/t/{slug}/", get(show))
        .route("/t/{slug}/first-key", post(first_key))
}

/// Ringing leads on one page; the rest are in the list.
const MOST_RINGING: u32 = 40;
const MOST_NEWEST: usize = 8;
/// Waits drawn in one row.
const MOST_TICKS: usize = 120;

#[derive(Debug)]
struct Ring {
    id: String,
    href: String,
    name: String,
    tier: Option<TierView>,
    need: String,
    wait: String,
    late: bool,
    since_ms: i64,
    line: Line,
    call: Option<String>,
    take: String,
}

#[derive(Debug)]
struct Tick {
    x: String,
    late: bool,
}

#[derive(Debug)]
struct Answered {
    when: String,
    leads: String,
    half: String,
    late: String,
    longest: String,
    label: String,
    ticks: Vec<Tick>,
    median: Option<String>,
}

#[derive(Debug)]
struct Decision {
    what: String,
    href: String,
    why: String,
    act: &'static str,
}

#[derive(Debug)]
struct Newest {
    href: String,
    name: String,
    what: String,
    tier: Option<TierView>,
    points: i64,
    state: String,
    state_class: &'static str,
    at: String,
    machine: String,
}

#[derive(Debug)]
struct FirstRun {
    command: String,
    keyed: bool,
    form: Option<String>,
}

#[derive(Template)]
#[template(path = "overview/page.html")]
struct Overview {
    frame: Frame,
    count: String,
    headline: String,
    line: String,
    rings: Vec<Ring>,
    more: i64,
    promise: Option<String>,
    answered: Vec<Answered>,
    decisions: Vec<Decision>,
    newest: Vec<Newest>,
    first: Option<FirstRun>,
}

/// What the page is made of, as the store has it.
struct Known {
    rings: Vec<(Lead, Vec<Message>, Option<String>)>,
    ringing: i64,
    waits: Vec<(Timestamp, Timestamp, Vec<WaitView>)>,
    last: Option<Lead>,
    newest: Vec<(Lead, Option<String>)>,
    groups: Vec<Group>,
    unknown: UnknownCounts,
    set_aside: i64,
    errors: i64,
    empty: bool,
}

fn read(store: &Reader<'_>, home: &Home, now: Timestamp) -> Result<Known, StoreError> {
    let tenant = home.row.id;
    let local = Local::of(home);
    let mut rings = Vec::new();
    for lead in store.ringing(tenant, MOST_RINGING)? {
        let messages = store.messages_of(tenant, lead.id, None, 40)?;
        let did = last_act(store, &lead)?;
        rings.push((lead, messages, did));
    }
    let day = SignedDuration::from_hours(24);
    let today = local.midnight(now);
    let mut waits = Vec::new();
    for (from, until) in [
        (now - day, now),
        (today - day, today),
        (today - day * 7, today - day * 6),
    ] {
        waits.push((from, until, store.waits(tenant, from, until, 2_000)?));
    }
    let leads = store.leads(tenant, &LeadFilter::default(), None, 30)?;
    let empty = leads.is_empty();
    let last = leads
        .iter()
        .filter(|lead| lead.answered_at.is_some())
        .max_by_key(|lead| lead.answered_at)
        .cloned();
    let mut newest = Vec::new();
    for lead in leads
        .into_iter()
        .filter(|lead| lead.ringing_since.is_none() || lead.answered_at.is_some())
        .take(MOST_NEWEST)
    {
        let did = last_act(store, &lead)?;
        newest.push((lead, did));
    }
    let set_aside = store.set_aside(tenant, i64::MAX, 100)?.len();
    let recent = now - day;
    let errors = store
        .errors(tenant, 100)?
        .iter()
        .filter(|error| error.last_at >= recent && error.severity != "warning")
        .count();
    Ok(Known {
        ringing: store.ringing_count(tenant)?,
        rings,
        waits,
        last,
        newest,
        groups: groups(store, tenant)?,
        unknown: store.unknown_counts(tenant)?,
        set_aside: i64::try_from(set_aside).unwrap_or(0),
        errors: i64::try_from(errors).unwrap_or(0),
        empty,
    })
}

/// What a lead did last, in words.
fn last_act(store: &Reader<'_>, lead: &Lead) -> Result<Option<String>, StoreError> {
    let ours = ["score", "stage", "merge", "workflow", "staff", "system"];
    let events = store.timeline(lead.tenant, lead.id, None, 12)?;
    let act = events.into_iter().find(|event| {
        !ours.contains(&event.source.as_str())
            && event.actor.is_none()
            && !event.kind.starts_with("lead.")
            && event.kind != "tier.entered"
    });
    Ok(act.map(|event| people::did(&event.kind, &event.properties)))
}

fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| {
        first.to_uppercase().chain(chars).collect()
    })
}

fn need(lead: &Lead, did: Option<&str>) -> String {
    people::need(lead)
        .or_else(|| did.map(capital))
        .or_else(|| {
            lead.source
                .as_deref()
                .map(|source| format!("Came by {}", people::plain(source).to_lowercase()))
        })
        .unwrap_or_default()
}

fn ring(
    home: &Home,
    (lead, messages, did): &(Lead, Vec<Message>, Option<String>),
    now: Timestamp,
) -> Option<Ring> {
    let since = lead.ringing_since?;
    let wait: Wait = line::wait(since, line::promised(home, since), None, messages);
    let href = format!("/t/{}/leads/{}", home.row.slug, lead.id);
    Some(Ring {
        id: format!("ring-{}", lead.id),
        take: format!("{href}/take"),
        href,
        name: people::name(&home.tenant, lead),
        tier: people::tier(&home.tenant, lead),
        need: need(lead, did.as_deref()),
        wait: wait.clock(now),
        late: wait.is_late(now),
        since_ms: since.as_millisecond(),
        line: wait.draw(now, false),
        call: lead.phone.clone(),
    })
}

fn answered(
    local: &Local,
    promise_s: Option<i64>,
    (from, until, waits): &(Timestamp, Timestamp, Vec<WaitView>),
    at: usize,
    now: Timestamp,
) -> Option<Answered> {
    let when = match at {
        0 => format!("Since {}", local.when(*from, now)),
        1 => "The day before".to_owned(),
        _ => format!(
            "{} a week ago",
            local.day(*from, now).split(' ').next().unwrap_or("The day")
        ),
    };
    debug_assert!(from <= until);
    if waits.is_empty() {
        return None;
    }
    let mut seconds: Vec<i64> = waits.iter().map(|wait| wait.seconds).collect();
    seconds.sort_unstable();
    let half = seconds[(seconds.len() - 1) / 2];
    let is_late = |seconds: i64| promise_s.is_some_and(|promise| seconds > promise);
    let late = seconds.iter().filter(|seconds| is_late(**seconds)).count();
    let step = seconds.len().div_ceil(MOST_TICKS);
    let ticks = seconds
        .iter()
        .step_by(step)
        .map(|seconds| Tick {
            x: line::percent(*seconds as f64),
            late: is_late(*seconds),
        })
        .collect();
    Some(Answered {
        label: format!(
            "{when}: {} answered, half of them within {}",
            seconds.len(),
            clock(half)
        ),
        when,
        leads: number(i64::try_from(seconds.len()).unwrap_or(0)),
        half: clock(half),
        late: if promise_s.is_some() {
            number(i64::try_from(late).unwrap_or(0))
        } else {
            "–".to_owned()
        },
        longest: clock(*seconds.last().unwrap_or(&0)),
        median: Some(line::percent(half as f64)),
        ticks,
    })
}

fn decisions(home: &Home, known: &Known, base: &str) -> Vec<Decision> {
    let mut out = Vec::new();
    for row in &home.connections {
        let why = home
            .broken
            .get(&row.id)
            .cloned()
            .or_else(|| row.trouble.clone());
        if let Some(why) = why {
            out.push(Decision {
                what: format!("Connection “{}” needs a hand", row.name),
                href: format!("{base}/connections"),
                why,
                act: "See it",
            });
        }
    }
    for group in known.groups.iter().take(6) {
        let what = match group.cause.status {
            Status::Unknown => {
                format!("{} may or may not have arrived", amount(group.n, "message"))
            }
            Status::Bounced => format!("{} came back", amount(group.n, "message")),
            Status::Expired => format!("{} did not go in time", amount(group.n, "message")),
            _ => format!("{} failed", amount(group.n, "message")),
        };
        let why = group.sample.why.as_ref();
        out.push(Decision {
            what,
            href: format!("{base}/queue/dead/{}", group.id),
            why: why.map(|why| why.detail.clone()).unwrap_or_default(),
            act: "See why",
        });
    }
    if known.unknown.repeated > 0 {
        out.push(Decision {
            what: format!(
                "{} possibly repeated",
                amount(known.unknown.repeated, "message")
            ),
            href: format!("{base}/queue/unknown"),
            why: super::queue::not_known(known.unknown),
            act: "See them",
        });
    }
    if known.set_aside > 0 {
        out.push(Decision {
            what: format!("{} set aside", amount(known.set_aside, "event")),
            href: format!("{base}/queue"),
            why: "Deciding failed; the leads are stored, what should have followed is not done."
                .to_owned(),
            act: "See them",
        });
    }
    if known.errors > 0 {
        out.push(Decision {
            what: format!(
                "{} in 24 hours",
                amount(known.errors, "kind of error").replace("kind of errors", "kinds of errors")
            ),
            href: format!("{base}/errors"),
            why: "Something of this business's went wrong on the server.".to_owned(),
            act: "See them",
        });
    }
    out
}

fn newest(
    home: &Home,
    local: &Local,
    (lead, did): &(Lead, Option<String>),
    now: Timestamp,
) -> Newest {
    let (state, state_class) = match (lead.ringing_since, lead.answered_at) {
        (Some(since), Some(at)) => {
            let by = lead
                .answered_by
                .as_deref()
                .map(people::actor)
                .unwrap_or_default();
            let late = line::promised(home, since).is_some_and(|promised| at > promised);
            (
                format!("{by} after {}", clock(at.duration_since(since).as_secs())),
                if late { "late" } else { "kept" },
            )
        }
        _ => ("Not ringing".to_owned(), ""),
    };
    Newest {
        href: format!("/t/{}/leads/{}", home.row.slug, lead.id),
        name: people::name(&home.tenant, lead),
        what: need(lead, did.as_deref()),
        tier: people::tier(&home.tenant, lead),
        points: lead.points,
        state,
        state_class,
        at: local.when(lead.last_event_at, now),
        machine: Local::machine(lead.last_event_at),
    }
}

/// Who is there now: open or closed, and who is on call.
fn presence(home: &Home, local: &Local, now: Timestamp) -> String {
    let settings = &home.tenant.config.settings;
    let mut out = local.day(now, now);
    let hours = settings.hours_at(now, &home.tenant.zone);
    if hours.open {
        out.push_str(", open now");
    } else {
        match settings.next_open(now, &home.tenant.zone) {
            Some(opens) => out.push_str(&format!(", closed until {}", local.when(opens, now))),
            None => out.push_str(", closed"),
        }
    }
    let on_call: Vec<&str> = home
        .tenant
        .on_call(now)
        .into_iter()
        .map(|person| person.name.as_str())
        .collect();
    match on_call.as_slice() {
        [] => {}
        [one] => out.push_str(&format!(", {one} is on call")),
        several => out.push_str(&format!(", {} are on call", several.join(" and "))),
    }
    out.push('.');
    out
}

impl Overview {
    fn new(
        frame: Frame,
        home: &Home,
        known: &Known,
        key: Option<&str>,
        public_url: &str,
        now: Timestamp,
    ) -> Self {
        let local = Local::of(home);
        let promise_s = home
            .tenant
            .config
            .settings
            .promise
            .and_then(|promise| i64::try_from(promise.first_response.as_secs()).ok());
        let rings: Vec<Ring> = known
            .rings
            .iter()
            .filter_map(|one| ring(home, one, now))
            .collect();
        let headline = match known.ringing {
            0 => "Nobody is ringing".to_owned(),
            1 => "1 person is ringing".to_owned(),
            n => format!("{} people are ringing", number(n)),
        };
        let mut words = match rings.first() {
            Some(first) => {
                let past = if first.late
                    && let Some(promise) = promise_s
                {
                    format!(
                        ", past your {}",
                        super::format::words(SignedDuration::from_secs(promise))
                    )
                } else {
                    String::new()
                };
                format!("{} has waited longest, {}{past}. ", first.name, first.wait)
            }
            None => match known
                .last
                .as_ref()
                .and_then(|lead| Some((lead, lead.answered_at?)))
            {
                Some((lead, at)) => format!(
                    "{} was answered last, {}. ",
                    people::name(&home.tenant, lead),
                    local.when(at, now)
                ),
                None => String::new(),
            },
        };
        words.push_str(&presence(home, &local, now));
        let first = known.empty.then(|| {
            let form = home.tenant.config.forms.keys().next().map(|form| format!("/f/{}.{form}", home.row.slug));
            let shown = key.unwrap_or("$WRITE_KEY");
            FirstRun {
                command: format!("curl {public_url}/v1/page -u {shown}: -H 'Content-Type: application/json' -d '{{\"anonymousId\":\"v1\",\"properties\":{{\"path\":\"/emergency/burst-pipe\"}}}}'"),
                keyed: key.is_some(),
                form,
            }
        });
        Self {
            count: if known.ringing > 0 {
                format!("{} ringing", number(known.ringing))
            } else {
                "Now".to_owned()
            },
            headline,
            line: words,
            more: known.ringing - i64::try_from(rings.len()).unwrap_or(0),
            rings,
            promise: promise_s.map(|seconds| line::percent(seconds as f64)),
            answered: known
                .waits
                .iter()
                .enumerate()
                .filter_map(|(at, row)| answered(&local, promise_s, row, at, now))
                .collect(),
            decisions: decisions(home, known, &frame.base),
            newest: known
                .newest
                .iter()
                .map(|one| newest(home, &local, one, now))
                .collect(),
            first,
            frame,
        }
    }
}

async fn page(app: &App, session: &Session, key: Option<String>) -> PageResult {
    let now = app.now();
    let home = std::sync::Arc::clone(&session.home);
    let known = app.ask(move |store| read(store, &home, now)).await?;
    let frame = Frame::load(app, session, Page::Now).await?;
    Ok(html(&Overview::new(
        frame,
        &session.home,
        &known,
        key.as_deref(),
        &app.settings.public_url,
        now,
    )))
}

async fn show(State(app): State<App>, session: Session) -> PageResult {
    page(&app, &session, None).await
}

/// Makes a write key and shows it in the first command, once.
async fn first_key(State(app): State<App>, session: Session) -> PageResult<Response> {
    session.admin()?;
    let text = make_key(KeyKind::Write);
    let now = app.now();
    let row = KeyRow {
        id: KeyId::from_raw(app.new_id()),
        tenant: session.home.row.id,
        kind: KeyKind::Write,
        name: "first steps".to_owned(),
        shown: text.shown.clone(),
        hash: hash_key(&text.whole).to_vec(),
        scopes: vec!["*".to_owned()],
        expires_at: None,
        last_used_at: None,
        revoked_at: None,
        created_at: now,
    };
    app.change(move |writer| writer.insert_key(&row)).await?;
    session
        .audit(
            &app,
            "key.create",
            serde_json::json!({"shown": text.shown, "kind": "write"}),
        )
        .await?;
    page(&app, &session, Some(text.whole)).await
}
