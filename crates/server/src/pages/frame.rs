//! What is around every page of a tenant: menu, counts, the sandbox strip, local time.

use super::format::Local;
use super::session::Session;
use super::{PageResult, assets};
use crate::app::App;
use axum::http::{HeaderMap, header};
use ringback_core::time::Timestamp;

/// The pages of the menu.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Page {
    Now,
    Leads,
    Staff,
    Messages,
    Workflows,
    Runs,
    Simulate,
    Templates,
    Reports,
    Queue,
    Connections,
    Errors,
    Sandbox,
    Settings,
}

const GROUPS: &[(&str, &[Page])] = &[
    ("", &[Page::Now]),
    ("People", &[Page::Leads, Page::Staff]),
    (
        "Messages",
        &[
            Page::Messages,
            Page::Workflows,
            Page::Runs,
            Page::Simulate,
            Page::Templates,
        ],
    ),
    ("Proof", &[Page::Reports]),
    (
        "Server",
        &[
            Page::Queue,
            Page::Connections,
            Page::Errors,
            Page::Sandbox,
            Page::Settings,
        ],
    ),
];
const TABS: &[Page] = &[Page::Now, Page::Leads, Page::Messages];

impl Page {
    /// The word in the menu.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Now => "Now",
            Self::Leads => "Leads",
            Self::Staff => "Staff",
            Self::Reports => "Reports",
            Self::Messages => "Messages",
            Self::Workflows => "Workflows",
            Self::Runs => "Runs",
            Self::Simulate => "Simulate",
            Self::Templates => "Templates",
            Self::Queue => "Queue",
            Self::Connections => "Connections",
            Self::Errors => "Errors",
            Self::Sandbox => "Sandbox inbox",
            Self::Settings => "Settings",
        }
    }

    /// What follows `/t/{slug}`.
    pub const fn path(self) -> &'static str {
        match self {
            Self::Now => "",
            Self::Leads => "/leads",
            Self::Staff => "/staff",
            Self::Reports => "/reports",
            Self::Messages => "/messages",
            Self::Workflows => "/workflows",
            Self::Runs => "/runs",
            Self::Simulate => "/simulate",
            Self::Templates => "/templates",
            Self::Queue => "/queue",
            Self::Connections => "/connections",
            Self::Errors => "/errors",
            Self::Sandbox => "/sandbox",
            Self::Settings => "/settings",
        }
    }

    /// Pages of owners and admins.
    const fn for_admins(self) -> bool {
        matches!(self, Self::Connections | Self::Settings)
    }
}

/// A figure beside a menu entry.
#[derive(Debug, Clone)]
pub struct Count {
    /// `on`, `bad` or nothing.
    pub class: &'static str,
    /// The figure.
    pub figure: i64,
    /// What is counted, for those who do not see the colour.
    pub word: &'static str,
}

/// A link of the menu.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Where to.
    pub href: String,
    /// The word.
    pub label: &'static str,
    /// The page that is open.
    pub current: bool,
    /// Work that waits there.
    pub count: Option<Count>,
}

/// Entries under one heading.
#[derive(Debug, Clone)]
pub struct Group {
    /// The heading, or nothing.
    pub title: &'static str,
    /// Its links.
    pub entries: Vec<Entry>,
}

/// What the last action came to, said on the page it leads to.
#[derive(Debug, Clone)]
pub struct Notice {
    /// `kept`, `late`, `lamp` or `held`.
    pub class: &'static str,
    /// A sentence.
    pub text: String,
}

/// Everything around a page.
#[derive(Debug, Clone)]
pub struct Frame {
    /// The business.
    pub business: String,
    /// `/t/{slug}`.
    pub base: String,
    /// The city of its zone.
    pub place: String,
    /// Local time there.
    pub time: String,
    /// The present, milliseconds since 1970: scripts count from it.
    pub now_ms: i64,
    /// The menu.
    pub menu: Vec<Group>,
    /// The tabs of a phone.
    pub tabs: Vec<Entry>,
    /// What is behind the phone's More.
    pub more: Vec<Entry>,
    /// Leads that ring.
    pub ringing: i64,
    /// Dead letters.
    pub failed: i64,
    /// Everything stays on this server.
    pub sandbox: bool,
    /// Since when messages to customers are held after a restore, a sentence.
    pub held: Option<String>,
    /// Who is signed in.
    pub user: String,
    /// May change something.
    pub writes: bool,
    /// May change the house.
    pub admin: bool,
    /// What the last action came to.
    pub notice: Option<Notice>,
    /// Address of the stylesheet.
    pub css: &'static str,
    /// Address of the script.
    pub script: &'static str,
}

impl Frame {
    /// Reads the counts and lays out the menu.
    pub async fn load(app: &App, session: &Session, page: Page) -> PageResult<Self> {
        let (tenant, now) = (session.home.row.id, app.now());
        let (ringing, failed) = app
            .ask(move |store| Ok((store.ringing_count(tenant)?, store.dead_count(tenant)?)))
            .await?;
        Ok(Self::lay_out(session, page, ringing, failed, now))
    }

    /// The frame from its figures.
    pub fn lay_out(
        session: &Session,
        page: Page,
        ringing: i64,
        failed: i64,
        now: Timestamp,
    ) -> Self {
        let base = format!("/t/{}", session.home.row.slug);
        let local = Local::of(&session.home);
        let admin = session.is_admin();
        let entry = |one: Page| Entry {
            href: format!("{base}{}", one.path()),
            label: one.label(),
            current: one == page,
            count: match one {
                Page::Now if ringing > 0 => Some(Count {
                    class: "on",
                    figure: ringing,
                    word: "ringing",
                }),
                Page::Queue if failed > 0 => Some(Count {
                    class: "bad",
                    figure: failed,
                    word: "failed",
                }),
                _ => None,
            },
        };
        let open = |one: &&Page| admin || !one.for_admins();
        let menu: Vec<Group> = GROUPS
            .iter()
            .map(|(title, pages)| Group {
                title,
                entries: pages.iter().filter(open).map(|one| entry(*one)).collect(),
            })
            .collect();
        let more = GROUPS
            .iter()
            .flat_map(|(_, pages)| *pages)
            .filter(open)
            .filter(|one| !TABS.contains(one))
            .map(|one| entry(*one))
            .collect();
        let tabs = TABS
            .iter()
            .map(|one| Entry {
                label: one.label(),
                ..entry(*one)
            })
            .collect();
        Self {
            business: session.home.row.name.clone(),
            place: local.place().to_owned(),
            time: local.time(now),
            now_ms: now.as_millisecond(),
            menu,
            tabs,
            more,
            ringing,
            failed,
            sandbox: session.home.in_sandbox(),
            held: session
                .home
                .tenant
                .hold
                .as_ref()
                .map(|hold| local.when(hold.since, now)),
            user: session.user.name.clone(),
            writes: session.may_write(),
            admin,
            notice: session.notice.as_deref().and_then(Notice::read),
            css: assets::css(),
            script: assets::script(),
            base,
        }
    }
}

impl Notice {
    /// A notice travels in a short-lived cookie from an action to the page that follows.
    fn read(cookie: &str) -> Option<Self> {
        let bytes = percent_encoding::percent_decode_str(cookie)
            .decode_utf8()
            .ok()?;
        let (class, text) = bytes.split_once('|')?;
        let class = ["kept", "late", "lamp", "held"]
            .into_iter()
            .find(|one| *one == class)?;
        (!text.is_empty() && text.chars().count() <= 400).then(|| Self {
            class,
            text: text.to_owned(),
        })
    }

    /// As the cookie's value.
    pub(super) fn write(class: &str, text: &str) -> String {
        let text: String = text.chars().take(400).collect();
        percent_encoding::utf8_percent_encode(
            &format!("{class}|{text}"),
            percent_encoding::NON_ALPHANUMERIC,
        )
        .to_string()
    }
}

/// The value of a cookie of a request.
pub(super) fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .find_map(|pair| pair.trim().strip_prefix(name)?.strip_prefix('='))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What an action came to survives the redirect, whatever is in it.
    #[test]
    fn a_notice_travels_in_a_cookie() {
        let written = Notice::write("kept", "Marcus; took \"it\" <4 s before you>");
        assert!(
            written
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'%')
        );
        let read = Notice::read(&written).unwrap();
        assert_eq!(
            (read.class, read.text.as_str()),
            ("kept", "Marcus; took \"it\" <4 s before you>")
        );
        assert!(Notice::read("evil%7Cx").is_none());
    }
}
