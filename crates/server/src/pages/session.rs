//! Who is at the browser: signing in by password or link, the cookie, roles (X2, X4).

use super::frame::cookie;
use super::{Fields, Named, PageError, PageResult, assets, html, see_other};
use crate::app::App;
use crate::http::{ApiError, Peer};
use crate::registry::Home;
use crate::sign_in::{hash_token, make_link, password_fits, token};
use askama::Template;
use axum::Router;
use axum::extract::{FromRequestParts, Query, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use jiff::SignedDuration;
use ringback_core::ids::{AttemptId, MessageId, TenantId, UserId};
use ringback_core::messages::{ChannelKind, Content, Outcome, Outgoing};
use ringback_store::{House as _, UserRow};
use serde::Deserialize;
use std::sync::{Arc, LazyLock};
use tokio::sync::Semaphore;

/// A browser that was not used for so long is signed out.
const IDLE: SignedDuration = SignedDuration::from_hours(12);
/// And one that was, after so long.
const LONGEST: SignedDuration = SignedDuration::from_hours(7 * 24);
/// Uses within this are not written down again.
const SEEN_EVERY: SignedDuration = SignedDuration::from_mins(5);
/// Attempts a minute for one address, and for one account wherever they come from.
const TRIES: u32 = 5;
/// Passwords that are looked at together: each takes 19 MiB and most of a core.
static TRYING: LazyLock<Semaphore> = LazyLock::new(|| Semaphore::new(2));

/// Sign-in, sign-out and the door to the pages.
pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/", get(front_door))
        .route("/sign-in", get(form).post(sign_in))
        .route("/sign-in/link/{token}", get(link).post(use_link))
        .route("/sign-out", axum::routing::post(sign_out))
}

/// A person at a page of a tenant. Taking it ends with a redirect to the sign-in for strangers, 404 for other tenants' people, and 403 for
/// posts of viewers.
#[derive(Debug, Clone)]
pub(crate) struct Session {
    /// Who.
    pub user: UserRow,
    /// The tenant.
    pub home: Arc<Home>,
    /// What the last action came to, as its cookie says.
    pub notice: Option<String>,
    /// Where the request came from.
    pub peer: String,
}

impl Session {
    /// Who did it, for timelines and the audit log.
    pub fn actor(&self) -> String {
        format!("user:{}", self.user.name)
    }

    /// May change something.
    pub fn may_write(&self) -> bool {
        self.user.role != "viewer"
    }

    /// Owner or admin.
    pub fn is_admin(&self) -> bool {
        matches!(self.user.role.as_str(), "owner" | "admin")
    }

    /// Ends with 403 for those who are neither owner nor admin.
    pub fn admin(&self) -> PageResult<()> {
        if self.is_admin() {
            Ok(())
        } else {
            Err(PageError::Forbidden(
                "Owners and admins may. Ask one of them to do it or to change your role.",
            ))
        }
    }

    /// `/t/{slug}`.
    pub fn base(&self) -> String {
        format!("/t/{}", self.home.row.slug)
    }

    /// Writes down an administrative action (X4).
    pub async fn audit(
        &self,
        app: &App,
        action: &'static str,
        details: serde_json::Value,
    ) -> PageResult<()> {
        let (tenant, actor, peer, now) =
            (self.home.row.id, self.actor(), self.peer.clone(), app.now());
        app.write(move |writer| {
            writer.write_audit(tenant, &actor, Some(&peer), action, &details, now)
        })
        .await?;
        Ok(())
    }
}

impl FromRequestParts<App> for Session {
    type Rejection = PageError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, PageError> {
        let reading = matches!(parts.method, Method::GET | Method::HEAD);
        // An open page that brings itself up to date is not a person who uses it.
        let by_itself = parts.uri.path().ends_with("/live")
            || parts
                .uri
                .query()
                .is_some_and(|query| query.contains("fragment="));
        let Some(user) = signed_in(app, &parts.headers, !by_itself).await? else {
            let here = parts.uri.path_and_query().map_or("/", |path| path.as_str());
            return Err(PageError::SignIn(if reading {
                here.to_owned()
            } else {
                "/".to_owned()
            }));
        };
        let slug = parts
            .uri
            .path()
            .strip_prefix("/t/")
            .and_then(|rest| rest.split('/').next())
            .unwrap_or_default();
        let home = app
            .registry
            .by_slug(slug)
            .filter(|home| home.row.id == user.tenant)
            .ok_or(PageError::NotFound)?;
        let Ok(Peer(peer)) = Peer::from_request_parts(parts, app).await;
        let session = Self {
            user,
            home,
            notice: cookie(&parts.headers, "ringback-notice").map(str::to_owned),
            peer: peer.to_string(),
        };
        if !reading && !session.may_write() {
            return Err(PageError::Forbidden(
                "Viewers look; they change nothing. Ask an owner for another role.",
            ));
        }
        Ok(session)
    }
}

/// The cookie's name: browsers accept `__Host-` only over https, and then for this host alone.
fn cookie_name(app: &App) -> &'static str {
    if app.settings.https {
        "__Host-ringback"
    } else {
        "ringback"
    }
}

/// The person behind the cookie, if it still opens.
async fn signed_in(app: &App, headers: &HeaderMap, used: bool) -> PageResult<Option<UserRow>> {
    let Some(text) = cookie(headers, cookie_name(app)).filter(|text| text.len() == 43) else {
        return Ok(None);
    };
    let hash = hash_token(text);
    let now = app.now();
    let found = app
        .ask(move |store| {
            let Some(browser) = store.browser(&hash)? else {
                return Ok(None);
            };
            if browser.expires_at <= now || browser.seen_at + IDLE <= now {
                return Ok(None);
            }
            Ok(store
                .user(browser.user)?
                .filter(|user| user.disabled_at.is_none())
                .map(|user| (user, browser.seen_at)))
        })
        .await?;
    let Some((user, seen)) = found else {
        return Ok(None);
    };
    if used && seen + SEEN_EVERY <= now {
        app.write(move |writer| writer.browser_seen(&hash, now))
            .await?;
    }
    Ok(Some(user))
}

/// Whether the cookie still opens the pages of a tenant. Asking is no use of it.
pub(crate) async fn is_signed_in(app: &App, headers: &HeaderMap, tenant: TenantId) -> bool {
    matches!(signed_in(app, headers, false).await, Ok(Some(user)) if user.tenant == tenant)
}

/// `/` leads to the pages of the tenant.
async fn front_door(State(app): State<App>, headers: HeaderMap) -> PageResult {
    let home = signed_in(&app, &headers, true)
        .await?
        .and_then(|user| app.registry.home(user.tenant));
    Ok(see_other(&home.map_or_else(
        || "/sign-in".to_owned(),
        |home| format!("/t/{}", home.row.slug),
    )))
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Asked {
    next: String,
    sent: Option<String>,
}

/// Why signing in did not work.
#[derive(Debug)]
struct Trouble {
    what: String,
    then: String,
}

#[derive(Template)]
#[template(path = "sign_in/form.html")]
struct FormPage {
    host: String,
    email: String,
    next: String,
    sent: bool,
    problem: Option<Trouble>,
    css: &'static str,
}

#[derive(Template)]
#[template(path = "sign_in/link.html")]
struct LinkPage {
    host: String,
    token: String,
    css: &'static str,
}

fn host(app: &App) -> String {
    let url = &app.settings.public_url;
    url.split_once("://")
        .map_or(url.as_str(), |(_, rest)| rest)
        .to_owned()
}

/// Only addresses of our own pages are gone to after signing in.
fn local(next: &str) -> &str {
    let fits = next.starts_with("/t/")
        && next.len() <= 500
        && !next.contains("//")
        && next
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && byte != b'\\');
    if fits { next } else { "/" }
}

async fn form(
    State(app): State<App>,
    Query(asked): Query<Asked>,
    headers: HeaderMap,
) -> PageResult {
    if asked.sent.is_none() && signed_in(&app, &headers, true).await?.is_some() {
        return Ok(see_other(local(&asked.next)));
    }
    let sent = asked.sent.is_some();
    let email = asked.sent.unwrap_or_default().chars().take(254).collect();
    Ok(html(&FormPage {
        host: host(&app),
        email,
        next: local(&asked.next).to_owned(),
        sent,
        problem: None,
        css: assets::css(),
    }))
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Typed {
    email: String,
    password: String,
    by: String,
    next: String,
}

async fn sign_in(
    State(app): State<App>,
    Peer(peer): Peer,
    Fields(typed): Fields<Typed>,
) -> PageResult {
    let email = typed.email.trim().to_lowercase();
    let next = local(&typed.next).to_owned();
    let refuse = |status: StatusCode, what: &str, then: String| {
        let mut response = html(&FormPage {
            host: host(&app),
            email: email.clone(),
            next: next.clone(),
            sent: false,
            problem: Some(Trouble {
                what: what.to_owned(),
                then,
            }),
            css: assets::css(),
        });
        *response.status_mut() = status;
        Ok(response)
    };
    if email.is_empty() || email.len() > 254 || !email.contains('@') {
        return refuse(
            StatusCode::UNPROCESSABLE_ENTITY,
            "An email address is needed.",
            "It looks like you@example.com.".to_owned(),
        );
    }
    let by_link = typed.by == "link";
    let (what, account) = if by_link {
        ("sign-in link", "sign-in link account")
    } else {
        ("sign-in", "sign-in account")
    };
    // One address may try so often, and one account is tried so often: many addresses do not help to guess it.
    let drawn = app.limits.address(peer, what, TRIES).and_then(|left| {
        app.limits
            .address(spread(&email), account, TRIES)
            .map(|_| left)
    });
    let left = match drawn {
        Ok(left) => left,
        Err(left) => {
            return refuse(
                StatusCode::TOO_MANY_REQUESTS,
                "That was too often.",
                format!("Try again in {} s.", left.wait),
            );
        }
    };
    let wanted = email.clone();
    let users = app.ask(move |store| store.users_by_email(&wanted)).await?;
    let users: Vec<UserRow> = users
        .into_iter()
        .filter(|user| user.disabled_at.is_none() && app.registry.home(user.tenant).is_some())
        .collect();
    if by_link {
        // Also after the answer's time nobody can tell whether the address is known: the mails are made beside the answer.
        let mailer = app.clone();
        tokio::spawn(async move {
            for user in users {
                if let Err(error) = mail_link(&mailer, &user).await {
                    tracing::warn!(%error, "a sign-in link could not be sent");
                }
            }
        });
        return Ok(see_other(&format!(
            "/sign-in?sent={}&next={}",
            super::format::query(&email),
            super::format::query(&next)
        )));
    }
    let user = fitting(typed.password, users, &app, &next).await?;
    let Some(user) = user else {
        let tries = match left.remaining {
            0 => "Wait a minute before the next try.".to_owned(),
            1 => "One more try, then a pause of some seconds.".to_owned(),
            n => format!("{n} more tries, then a pause of some seconds."),
        };
        return refuse(
            StatusCode::UNPROCESSABLE_ENTITY,
            "That email and password do not belong together.",
            tries,
        );
    };
    let by = "password";
    let response = let_in(&app, &user, &peer.to_string(), by).await?;
    Ok(to(response, &next))
}

/// A stand-in address for an account, so that the limits of addresses also hold for accounts.
fn spread(email: &str) -> std::net::IpAddr {
    let hash = hash_token(email);
    let mut bytes = [0u8; 16];
    bytes.copy_from_slice(&hash[..16]);
    // Outside of every real network, so that it never meets a caller's address. fd00::/8 is local.
    bytes[0] = 0xfd;
    std::net::IpAddr::V6(bytes.into())
}

/// The account whose password it is; among several, the one of the page that was asked for.
async fn fitting(
    password: String,
    mut users: Vec<UserRow>,
    app: &App,
    next: &str,
) -> PageResult<Option<UserRow>> {
    let slug = next
        .strip_prefix("/t/")
        .and_then(|rest| rest.split(['/', '?']).next())
        .unwrap_or_default();
    let here = app.registry.by_slug(slug).map(|home| home.row.id);
    users.sort_by_key(|user| Some(user.tenant) != here);
    users.truncate(4);
    let Ok(_permit) = TRYING.acquire().await else {
        return Ok(None);
    };
    let found = tokio::task::spawn_blocking(move || {
        if users.is_empty() {
            password_fits(&password, None);
        }
        users
            .into_iter()
            .find(|user| password_fits(&password, user.password.as_deref()))
    });
    found
        .await
        .map_err(|_| PageError::Api(ApiError::internal("looking at a password panicked")))
}

/// A mail with a link, straight through the tenant's own email account. It is no message of the tenant's: whoever reads those must not
/// find a link in them that signs somebody else in.
async fn mail_link(app: &App, user: &UserRow) -> Result<(), ApiError> {
    let Some(home) = app
        .registry
        .home(user.tenant)
        .filter(|home| !home.tenant.sandbox)
    else {
        return Ok(());
    };
    let way = home
        .tenant
        .ways(ChannelKind::Email)
        .next()
        .map(|way| way.id);
    let Some(channel) = way.and_then(|way| home.channels.get(&way).cloned()) else {
        tracing::info!(
            "a sign-in link was asked for, but there is no email connection; `ringback user add` makes one"
        );
        return Ok(());
    };
    let (id, now) = (user.id, app.now());
    let token = app.write(move |writer| make_link(writer, id, now)).await?;
    let text = format!(
        "Sign in to {}:\n\n{}/sign-in/link/{token}\n\nThe link works once, for 15 minutes. If you did not ask for it, leave it: nobody can sign in without it.\n",
        home.row.name, app.settings.public_url
    );
    let message = Outgoing {
        message: MessageId::from_raw(app.new_id()),
        attempt: AttemptId::from_raw(app.new_id()),
        key: format!("sign-in-{}", app.new_id()),
        to: user.email.clone(),
        from_name: Some(home.row.name.clone()),
        content: Content::Mail {
            subject: format!("Your link to {}", home.row.name),
            text,
            html: None,
            reply_to: None,
            headers: Vec::new(),
        },
        report_url: None,
        at: now,
        remaining: Some(std::time::Duration::from_secs(15 * 60)),
    };
    match channel.send(&message).await {
        Outcome::Accepted { .. } | Outcome::Delivered { .. } => Ok(()),
        other => Err(ApiError::internal(format!(
            "the email connection did not take it: {other:?}"
        ))),
    }
}

async fn link(State(app): State<App>, Named(token): Named<String>) -> Response {
    // Looking does not use it up: mail programs open links on their own.
    html(&LinkPage {
        host: host(&app),
        token: token.chars().take(100).collect(),
        css: assets::css(),
    })
}

async fn use_link(
    State(app): State<App>,
    Peer(peer): Peer,
    Named(token): Named<String>,
) -> PageResult {
    if app.limits.address(peer, "sign-in link use", 20).is_err() {
        return Err(PageError::Api(ApiError::too_many(60)));
    }
    let (hash, now) = (hash_token(&token), app.now());
    let id: Option<UserId> = app.write(move |writer| writer.use_link(&hash, now)).await?;
    let user = match id {
        Some(id) => app
            .ask(move |store| store.user(id))
            .await?
            .filter(|user| user.disabled_at.is_none()),
        None => None,
    };
    let Some(user) = user else {
        let detail = "It works once, for 15 minutes. Have another one sent, or ask whoever runs this server for one.";
        let mut response = html(&super::ErrorPage {
            title: "This link does not open any more",
            detail,
            back: "/sign-in",
            back_word: "Sign in",
            css: assets::css(),
        });
        *response.status_mut() = StatusCode::GONE;
        return Ok(response);
    };
    let response = let_in(&app, &user, &peer.to_string(), "link").await?;
    Ok(to(response, "/"))
}

/// Signs the browser in: a new token each time, so that none from before can be slipped in.
async fn let_in(app: &App, user: &UserRow, peer: &str, by: &'static str) -> PageResult {
    let (text, hash) = token();
    let (id, tenant, now) = (user.id, user.tenant, app.now());
    let (actor, peer) = (format!("user:{}", user.name), peer.to_owned());
    app.write(move |writer| {
        writer.insert_browser(&hash, id, now, now + LONGEST)?;
        writer.write_audit(
            tenant,
            &actor,
            Some(&peer),
            "sign_in",
            &serde_json::json!({ "by": by }),
            now,
        )
    })
    .await?;
    let mut response = see_other("/");
    set_cookie(app, &mut response, &text, LONGEST.as_secs());
    Ok(response)
}

fn set_cookie(app: &App, response: &mut Response, value: &str, age: i64) {
    let secure = if app.settings.https { "; Secure" } else { "" };
    let cookie = format!(
        "{}={value}; Path=/; Max-Age={age}; HttpOnly; SameSite=Lax{secure}",
        cookie_name(app)
    );
    if let Ok(cookie) = HeaderValue::from_str(&cookie) {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
}

fn to(mut response: Response, next: &str) -> Response {
    if let Ok(next) = HeaderValue::from_str(next) {
        response.headers_mut().insert(header::LOCATION, next);
    }
    response
}

async fn sign_out(State(app): State<App>, Peer(peer): Peer, headers: HeaderMap) -> PageResult {
    let user = signed_in(&app, &headers, true).await?;
    let mut response = see_other("/sign-in").into_response();
    if let (Some(user), Some(text)) = (user, cookie(&headers, cookie_name(&app))) {
        let (hash, now) = (hash_token(text), app.now());
        app.write(move |writer| {
            writer.delete_browser(&hash)?;
            writer.write_audit(
                user.tenant,
                &format!("user:{}", user.name),
                Some(&peer.to_string()),
                "sign_out",
                &serde_json::json!({}),
                now,
            )
        })
        .await?;
        app.live.ask_again();
    }
    set_cookie(&app, &mut response, "", 0);
    Ok(response)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// X4: signing in leads nowhere outside.
    #[test]
    fn only_our_own_pages_are_gone_to_after_signing_in() {
        for (next, to) in [
            ("/t/alder/leads?view=all", "/t/alder/leads?view=all"),
            ("//evil.example", "/"),
            ("/t//evil.example", "/"),
            ("https://evil.example/t/", "/"),
            ("/t/a\\b", "/"),
            ("/t/a\r\nSet-Cookie: x", "/"),
            ("", "/"),
        ] {
            assert_eq!(local(next), to, "{next}");
        }
    }

    /// The sign-in page is sound, whatever was typed.
    #[test]
    fn the_sign_in_page_shows_what_was_typed_as_text() {
        use super::super::tests::{HOSTILE, sound};
        let page = FormPage {
            host: "ringback.example".into(),
            email: HOSTILE.into(),
            next: "/".into(),
            sent: true,
            problem: Some(Trouble {
                what: "No.".into(),
                then: HOSTILE.into(),
            }),
            css: assets::css(),
        };
        sound(&page.render().unwrap());
        sound(
            &LinkPage {
                host: "x".into(),
                token: HOSTILE.into(),
                css: assets::css(),
            }
            .render()
            .unwrap(),
        );
    }
}
