//! Connections: a tenant's accounts at providers, in the order in which they are tried, with what is wrong with them (X5).

mod form;

use super::format::Local;
use super::message::explain::{Chip, chip};
use super::message::label;
use super::{Frame, Named, Page, PageError, PageResult, Session, html, see_other_with};
use crate::app::App;
use crate::registry::Home;
use crate::webhook_url;
use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::{get, post};
use ringback_channels::catalogue;
use ringback_core::ids::{ConnectionId, TenantId};
use ringback_core::messages::{ChannelKind, Message};
use ringback_core::time::{Timestamp, from_micros};
use ringback_core::turn::{Registration, Resting};
use ringback_store::{ConnectionRow, House as _, StoreError, Writer};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::time::Duration;

/// The routes of connections.
pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/t/{slug}/connections", get(list))
        .route("/t/{slug}/connections/{id}/test", post(test))
        .route("/t/{slug}/connections/{id}/on", post(switch_on))
        .route("/t/{slug}/connections/{id}/off", post(switch_off))
        .route("/t/{slug}/connections/{id}/up", post(up))
        .route("/t/{slug}/connections/{id}/down", post(down))
        .route(
            "/t/{slug}/connections/{id}/delete",
            get(ask_delete).post(delete),
        )
        .merge(form::routes())
}

/// Providers answer a probe well before this.
const PROBE: Duration = Duration::from_secs(15);
/// So many messages are looked at for what a connection did last.
const LOOKED_AT: u32 = 200;

/// An account of the list.
#[derive(Debug, Clone)]
struct Account {
    id: String,
    href: String,
    name: String,
    provider: String,
    class: &'static str,
    symbol: &'static str,
    word: &'static str,
    trouble: String,
    rests: String,
    last: Option<(Chip, String)>,
    webhook: String,
    field: String,
    enabled: bool,
    first: bool,
    last_in_order: bool,
    n: usize,
}

/// The accounts of a channel.
#[derive(Debug, Clone)]
struct Lane {
    word: &'static str,
    id: &'static str,
    accounts: Vec<Account>,
    without: &'static str,
}

/// A provider that can be added.
#[derive(Debug, Clone)]
struct Offer {
    href: String,
    label: &'static str,
    carries: &'static str,
}

#[derive(Template)]
#[template(path = "connections/list.html")]
struct ConnectionsPage {
    frame: Frame,
    title: String,
    lanes: Vec<Lane>,
    offers: Vec<Offer>,
}

async fn list(State(app): State<App>, session: Session) -> PageResult {
    session.admin()?;
    let tenant = session.home.row.id;
    let (rows, recent) = app
        .ask(move |store| {
            Ok((
                store.connections(tenant)?,
                store.messages(tenant, None, None, None, None, LOOKED_AT)?,
            ))
        })
        .await?;
    let frame = Frame::load(&app, &session, Page::Connections).await?;
    let webhooks: HashMap<ConnectionId, String> = rows
        .iter()
        .map(|row| (row.id, webhook_url(&app.settings.public_url, row)))
        .collect();
    Ok(html(&page(
        frame,
        &Local::of(&session.home),
        &rows,
        &webhooks,
        &troubles(&session.home),
        &recent,
        app.now(),
    )))
}

/// What is wrong with accounts as they are set up: they cannot be opened, or US carriers would block their texts (US-15).
fn troubles(home: &Home) -> HashMap<ConnectionId, String> {
    let lacks = home
        .tenant
        .connections
        .iter()
        .filter_map(|way| match &way.registration {
            Registration::Missing(mend) => Some((
                way.id,
                format!("It sends nothing to numbers in the United States. {mend}"),
            )),
            Registration::NotNeeded | Registration::Registered(_) => None,
        });
    let mut all: HashMap<ConnectionId, String> = lacks.collect();
    all.extend(home.broken.clone());
    all
}

/// The newest thing that came of each account.
fn lasts(recent: &[Message]) -> HashMap<ConnectionId, &Message> {
    let mut lasts = HashMap::new();
    for message in recent {
        if let Some(id) = message
            .connection
            .filter(|_| message.attempts > 0 || message.accepted_at.is_some())
        {
            lasts.entry(id).or_insert(message);
        }
    }
    lasts
}

/// Why an account is not called now, and when it is tried again (M5).
fn rests(resting: &Resting, local: &Local, now: Timestamp) -> String {
    let at = |micros| local.when(from_micros(micros), now);
    let next = if resting.probe.is_some() {
        "One message is trying it now.".to_owned()
    } else if from_micros(resting.probe_at) <= now {
        "The next message tries it.".to_owned()
    } else {
        format!("At {} one message tries it.", at(resting.probe_at))
    };
    let probes = match resting.failed_probes {
        0 => String::new(),
        1 => " One try since then failed.".to_owned(),
        n => format!(" {n} tries since then failed."),
    };
    format!(
        "It rests since {}: {}{probes} {next} Until then its messages take another way, or wait.",
        at(resting.since),
        resting.because
    )
}

fn page(
    frame: Frame,
    local: &Local,
    rows: &[ConnectionRow],
    webhooks: &HashMap<ConnectionId, String>,
    broken: &HashMap<ConnectionId, String>,
    recent: &[Message],
    now: Timestamp,
) -> ConnectionsPage {
    let lasts = lasts(recent);
    let lanes: Vec<Lane> = ChannelKind::ALL
        .iter()
        .map(|channel| {
            let mine: Vec<&ConnectionRow> =
                rows.iter().filter(|row| row.channel == *channel).collect();
            let count = mine.len();
            let accounts = mine
                .into_iter()
                .enumerate()
                .map(|(n, row)| {
                    let trouble = broken
                        .get(&row.id)
                        .cloned()
                        .or_else(|| row.trouble.clone())
                        .unwrap_or_default();
                    let rests = row
                        .breaker
                        .as_ref()
                        .map(|resting| rests(resting, local, now))
                        .unwrap_or_default();
                    let (class, symbol, word) =
                        match (row.enabled, rests.is_empty(), trouble.is_empty()) {
                            (false, ..) => ("", "cancelled", "Off"),
                            (true, false, _) => ("held", "deferred", "Rests"),
                            (true, true, true) => ("kept", "delivered", "On"),
                            (true, true, false) => ("late", "failed", "Trouble"),
                        };
                    let last = lasts.get(&row.id).map(|message| {
                        let at = message
                            .settled_at
                            .or(message.accepted_at)
                            .unwrap_or(message.created_at);
                        (chip(message.status), local.when(at, now))
                    });
                    Account {
                        id: row.id.to_string(),
                        href: format!("{}/connections/{}", frame.base, row.id),
                        name: row.name.clone(),
                        provider: label(&row.provider).to_owned(),
                        class,
                        symbol,
                        word,
                        trouble,
                        rests,
                        last,
                        webhook: if matches!(row.provider.as_str(), "sandbox" | "smtp" | "webhook")
                        {
                            String::new()
                        } else {
                            webhooks.get(&row.id).cloned().unwrap_or_default()
                        },
                        field: format!("hook-{}", row.id),
                        enabled: row.enabled,
                        first: n == 0,
                        last_in_order: n + 1 == count,
                        n: n + 1,
                    }
                })
                .collect();
            let (word, without) = match channel {
                ChannelKind::Sms => (
                    "Texts",
                    "Texts go to the sandbox until a provider is connected.",
                ),
                ChannelKind::Email => (
                    "Emails",
                    "Emails go to the sandbox until a provider is connected.",
                ),
                ChannelKind::Webhook => (
                    "Webhooks",
                    "Workflows that call a server by name need a connection of that name.",
                ),
            };
            Lane {
                word,
                id: channel.as_str(),
                accounts,
                without,
            }
        })
        .collect();
    let trouble = lanes
        .iter()
        .flat_map(|lane| &lane.accounts)
        .filter(|one| one.enabled && !(one.trouble.is_empty() && one.rests.is_empty()))
        .count();
    let on = lanes
        .iter()
        .flat_map(|lane| &lane.accounts)
        .filter(|one| one.enabled)
        .count();
    let title = match (trouble, on) {
        (0, 0) => "Nothing is connected yet".to_owned(),
        (0, 1) => "1 connection, no trouble".to_owned(),
        (0, n) => format!("{n} connections, no trouble"),
        (1, _) => "1 connection has trouble".to_owned(),
        (n, _) => format!("{n} connections have trouble"),
    };
    let offers = catalogue()
        .iter()
        .map(|one| Offer {
            href: format!(
                "{}/connections/new?provider={}&channel={}",
                frame.base, one.name, one.channel
            ),
            label: one.label,
            carries: carries(one.name, one.channel),
        })
        .collect();
    ConnectionsPage {
        title,
        lanes,
        offers,
        frame,
    }
}

const fn carries(provider: &str, channel: ChannelKind) -> &'static str {
    let kept = matches!(provider.as_bytes(), b"sandbox");
    match (channel, kept) {
        (ChannelKind::Sms, false) => "Texts",
        (ChannelKind::Email, false) => "Emails",
        (ChannelKind::Webhook, false) => "Signed requests to a server of yours",
        (ChannelKind::Sms, true) => "Texts that stay on this server",
        (ChannelKind::Email, true) => "Emails that stay on this server",
        (ChannelKind::Webhook, true) => "Requests that stay on this server",
    }
}

pub(super) fn read(id: &str) -> PageResult<ConnectionId> {
    id.parse().map_err(|_| PageError::NotFound)
}

/// Changes one account, and writes the action down in the same commit (X4).
async fn change(
    app: &App,
    session: &Session,
    id: ConnectionId,
    action: &'static str,
    details: Value,
    work: impl FnOnce(&Writer, TenantId, Vec<ConnectionRow>) -> Result<(), StoreError> + Send + 'static,
) -> PageResult<()> {
    session.admin()?;
    let (tenant, actor, peer, now) = (
        session.home.row.id,
        session.actor(),
        session.peer.clone(),
        app.now(),
    );
    let found = app
        .change(move |writer| {
            let rows = writer.connections(tenant)?;
            if !rows.iter().any(|row| row.id == id) {
                return Ok(false);
            }
            work(writer, tenant, rows)?;
            writer.write_audit(tenant, &actor, Some(&peer), action, &details, now)?;
            Ok(true)
        })
        .await?;
    if found {
        Ok(())
    } else {
        Err(PageError::NotFound)
    }
}

fn back(session: &Session, class: &'static str, text: &str) -> Response {
    see_other_with(&format!("{}/connections", session.base()), class, text)
}

/// The account as the page knows it.
fn row_of(session: &Session, id: ConnectionId) -> PageResult<&ConnectionRow> {
    let mut rows = session.home.connections.iter();
    rows.find(|row| row.id == id).ok_or(PageError::NotFound)
}

fn name_of(session: &Session, id: ConnectionId) -> String {
    row_of(session, id).map_or_else(|_| "The connection".to_owned(), |row| row.name.clone())
}

async fn switch(app: &App, session: &Session, id: &str, enabled: bool) -> PageResult {
    let id = read(id)?;
    let details = json!({"id": id, "enabled": enabled});
    change(
        app,
        session,
        id,
        "connection.change",
        details,
        move |writer, tenant, rows| {
            rows.into_iter()
                .filter(|row| row.id == id)
                .try_for_each(|row| {
                    let row = ConnectionRow {
                        enabled,
                        breaker: None,
                        ..row
                    };
                    writer.update_connection(tenant, &row)
                })
        },
    )
    .await?;
    let name = name_of(session, id);
    Ok(if enabled {
        back(
            session,
            "kept",
            &format!("{name} is on. What waits for it goes within five minutes."),
        )
    } else {
        back(
            session,
            "held",
            &format!(
                "{name} is off. Nothing goes through it; the next connection of the channel takes over, or messages wait."
            ),
        )
    })
}

async fn switch_on(
    State(app): State<App>,
    session: Session,
    Named((_, id)): Named<(String, String)>,
) -> PageResult {
    switch(&app, &session, &id, true).await
}

async fn switch_off(
    State(app): State<App>,
    session: Session,
    Named((_, id)): Named<(String, String)>,
) -> PageResult {
    switch(&app, &session, &id, false).await
}

/// The accounts of the same channel with this one a place further up or down; positions are counted anew.
fn moved(rows: Vec<ConnectionRow>, id: ConnectionId, by: isize) -> Vec<ConnectionRow> {
    let Some(channel) = rows.iter().find(|row| row.id == id).map(|row| row.channel) else {
        return Vec::new();
    };
    let mut lane: Vec<ConnectionRow> = rows
        .into_iter()
        .filter(|row| row.channel == channel)
        .collect();
    if let Some(at) = lane.iter().position(|row| row.id == id)
        && let Some(to) = at.checked_add_signed(by).filter(|to| *to < lane.len())
    {
        lane.swap(at, to);
    }
    for (n, row) in lane.iter_mut().enumerate() {
        row.position = n as i64;
    }
    lane
}

async fn shift(app: &App, session: &Session, id: &str, by: isize) -> PageResult {
    let id = read(id)?;
    let details = json!({"id": id, "moved": by});
    change(
        app,
        session,
        id,
        "connection.order",
        details,
        move |writer, tenant, rows| {
            moved(rows, id, by)
                .iter()
                .try_for_each(|row| writer.update_connection(tenant, row))
        },
    )
    .await?;
    Ok(back(
        session,
        "kept",
        &format!(
            "{} is tried {} now.",
            name_of(session, id),
            if by < 0 { "earlier" } else { "later" }
        ),
    ))
}

async fn up(
    State(app): State<App>,
    session: Session,
    Named((_, id)): Named<(String, String)>,
) -> PageResult {
    shift(&app, &session, &id, -1).await
}

async fn down(
    State(app): State<App>,
    session: Session,
    Named((_, id)): Named<(String, String)>,
) -> PageResult {
    shift(&app, &session, &id, 1).await
}

/// Tries the account without sending anything to a person; what it found is kept as its trouble, or clears it.
async fn test(
    State(app): State<App>,
    session: Session,
    Named((_, id)): Named<(String, String)>,
) -> PageResult {
    session.admin()?;
    let id = read(&id)?;
    let row = row_of(&session, id)?;
    if let Some(why) = session.home.broken.get(&id) {
        return Ok(back(&session, "late", &format!("{}: {why}", row.name)));
    }
    let channel = session.home.channels.get(&id).ok_or(PageError::NotFound)?;
    let (found, trouble) = match tokio::time::timeout(PROBE, channel.probe()).await {
        Ok(Ok(found)) => (found, None),
        Ok(Err(why)) => (why.detail.clone(), Some(why.detail)),
        Err(_) => ("It did not answer within 15 seconds.".to_owned(), None),
    };
    let class = if trouble.is_some() || found.starts_with("It did not answer") {
        "late"
    } else {
        "kept"
    };
    let notice = format!("{}: {found}", row.name);
    // Who tests and finds that it works need not wait for the probe.
    let works = class == "kept";
    if works || (row.trouble != trouble && trouble.is_some()) {
        let details = json!({"id": id, "trouble": trouble});
        change(
            &app,
            &session,
            id,
            "connection.test",
            details,
            move |writer, tenant, rows| {
                rows.into_iter()
                    .filter(|row| row.id == id)
                    .try_for_each(|row| {
                        writer.update_connection(
                            tenant,
                            &ConnectionRow {
                                trouble: trouble.clone(),
                                breaker: row.breaker.filter(|_| !works),
                                ..row
                            },
                        )
                    })
            },
        )
        .await?;
    }
    Ok(back(&session, class, &notice))
}

#[derive(Template)]
#[template(path = "connections/delete.html")]
struct DeletePage {
    frame: Frame,
    href: String,
    name: String,
    provider: String,
    after: &'static str,
}

async fn ask_delete(
    State(app): State<App>,
    session: Session,
    Named((_, id)): Named<(String, String)>,
) -> PageResult {
    session.admin()?;
    let id = read(&id)?;
    let row = row_of(&session, id)?;
    let others = session
        .home
        .connections
        .iter()
        .filter(|other| other.channel == row.channel && other.id != id)
        .count();
    let after = if others > 0 {
        "The next connection of the channel takes over what waits."
    } else {
        "It is the last one of its channel: from then on the sandbox takes these messages, and nobody outside is reached."
    };
    let frame = Frame::load(&app, &session, Page::Connections).await?;
    Ok(html(&DeletePage {
        href: format!("{}/connections/{id}", frame.base),
        name: row.name.clone(),
        provider: label(&row.provider).to_owned(),
        after,
        frame,
    }))
}

async fn delete(
    State(app): State<App>,
    session: Session,
    Named((_, id)): Named<(String, String)>,
) -> PageResult {
    let id = read(&id)?;
    let name = name_of(&session, id);
    change(
        &app,
        &session,
        id,
        "connection.remove",
        json!({"id": id, "name": name}),
        move |writer, tenant, _| writer.delete_connection(tenant, id).map(|_| ()),
    )
    .await?;
    Ok(back(
        &session,
        "kept",
        &format!("{name} is gone, with its settings."),
    ))
}

#[cfg(test)]
mod tests {
    use super::super::message::tests::frame;
    use super::super::tests::{HOSTILE, sound};
    use super::*;

    fn row(n: i64, channel: ChannelKind) -> ConnectionRow {
        ConnectionRow {
            id: ConnectionId::from_raw(n),
            channel,
            provider: "twilio".into(),
            name: format!("{HOSTILE}{n}"),
            settings: Vec::new(),
            path_secret: "p".into(),
            position: 0,
            enabled: n != 2,
            trouble: (n == 3).then(|| HOSTILE.to_owned()),
            breaker: None,
            created_at: Timestamp::UNIX_EPOCH,
        }
    }

    /// The list is sound and says what is wrong with which account.
    #[test]
    fn the_list_names_trouble() {
        let rows: Vec<ConnectionRow> = (1..=3).map(|n| row(n, ChannelKind::Sms)).collect();
        let webhooks = rows
            .iter()
            .map(|row| (row.id, "https://ringback.example/hooks/x".to_owned()))
            .collect();
        let local = Local::new(jiff::tz::TimeZone::UTC, "US", "UTC");
        let page = page(
            frame(),
            &local,
            &rows,
            &webhooks,
            &HashMap::new(),
            &[],
            Timestamp::UNIX_EPOCH,
        );
        assert_eq!(page.title, "1 connection has trouble");
        sound(&page.render().unwrap());
        let empty = super::page(
            frame(),
            &local,
            &[],
            &HashMap::new(),
            &HashMap::new(),
            &[],
            Timestamp::UNIX_EPOCH,
        );
        assert_eq!(empty.title, "Nothing is connected yet");
        sound(&empty.render().unwrap());
        sound(
            &DeletePage {
                frame: frame(),
                href: "/x".into(),
                name: HOSTILE.into(),
                provider: HOSTILE.into(),
                after: "",
            }
            .render()
            .unwrap(),
        );
    }

    /// Moving an account counts the positions of its channel anew and leaves the others alone.
    #[test]
    fn an_account_moves_within_its_channel() {
        let rows = vec![
            row(1, ChannelKind::Sms),
            row(2, ChannelKind::Email),
            row(3, ChannelKind::Sms),
        ];
        let order = |by| {
            moved(rows.clone(), ConnectionId::from_raw(3), by)
                .iter()
                .map(|row| (row.id.raw(), row.position))
                .collect::<Vec<_>>()
        };
        assert_eq!(order(-1), [(3, 0), (1, 1)]);
        assert_eq!(order(1), [(1, 0), (3, 1)]);
        assert!(moved(rows.clone(), ConnectionId::from_raw(9), 1).is_empty());
    }
}
