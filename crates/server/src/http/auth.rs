//! Who is calling: API keys by hash (X2), their scopes, and the tenant's limit of requests (X3).

use super::{ApiError, Code};
use crate::app::App;
use crate::registry::Home;
use aws_lc_rs::constant_time;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use base64::Engine as _;
use ringback_store::{KeyKind, KeyRow};
use sha2::{Digest, Sha256};
use std::sync::Arc;

/// What a key may open. A key with scope `*` opens all of its kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Reading leads, events, messages.
    Read,
    /// Bringing leads and events in, editing them.
    Leads,
    /// Sending messages.
    Send,
    /// Connections, keys, staff, configuration.
    Admin,
}

impl Scope {
    /// Every scope.
    pub const ALL: [Self; 4] = [Self::Read, Self::Leads, Self::Send, Self::Admin];

    /// The word of the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Leads => "leads",
            Self::Send => "send",
            Self::Admin => "admin",
        }
    }
}

/// A caller with a key.
#[derive(Debug, Clone)]
pub struct Caller {
    /// The tenant.
    pub home: Arc<Home>,
    /// The key.
    pub key: Arc<KeyRow>,
}

impl Caller {
    /// Ends with 403 when the key does not open this.
    pub fn may(&self, scope: Scope) -> Result<(), ApiError> {
        if self
            .key
            .scopes
            .iter()
            .any(|one| one == "*" || one == scope.as_str())
        {
            Ok(())
        } else {
            Err(ApiError::forbidden(format!(
                "This key does not have the scope `{}`.",
                scope.as_str()
            )))
        }
    }

    /// Ends with 403 when the key may not change what is real: a test key only reaches the sandbox.
    pub fn may_change(&self, scope: Scope) -> Result<(), ApiError> {
        self.may(scope)?;
        if self.sandbox() {
            return Err(ApiError::forbidden(
                "A test key only reaches the sandbox. Use a live key to change this.",
            ));
        }
        Ok(())
    }

    /// Who did it, for timelines and the audit log.
    pub fn actor(&self) -> String {
        format!("key:{}", self.key.name)
    }

    /// True for keys whose messages only reach the sandbox.
    pub fn sandbox(&self) -> bool {
        self.key.kind == KeyKind::Test
    }
}

/// A key as its holder has it. Shown once.
#[derive(Clone)]
pub struct KeyText {
    /// The part that may be shown and is looked up.
    pub shown: String,
    /// The whole key.
    pub whole: String,
}

impl std::fmt::Debug for KeyText {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "KeyText({}…)", self.shown)
    }
}

const LETTERS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

fn letters(n: usize) -> String {
    let mut out = String::with_capacity(n);
    while out.len() < n {
        // Bytes at or over 248 would favour the first letters.
        out.extend(
            crate::clock::random_bytes::<32>()
                .iter()
                .filter(|byte| **byte < 248)
                .map(|byte| LETTERS[usize::from(byte % 62)] as char),
        );
    }
    out.truncate(n);
    out
}

/// Makes a key: kind, 8 letters that may be shown, 32 secret ones, and a check that lets leaked keys be found.
pub fn make_key(kind: KeyKind) -> KeyText {
    let prefix = match kind {
        KeyKind::Secret => "rb_live_",
        KeyKind::Test => "rb_test_",
        KeyKind::Write => "rb_write_",
    };
    let shown = format!("{prefix}{}", letters(8));
    let secret = letters(32);
    let check = Sha256::digest(format!("{shown}{secret}").as_bytes());
    let check: String = check
        .iter()
        .take(4)
        .map(|byte| LETTERS[usize::from(byte % 62)] as char)
        .collect();
    KeyText {
        whole: format!("{shown}{secret}{check}"),
        shown,
    }
}

/// What is kept of a key. Its 190 random bits need no slow hash.
pub fn hash_key(whole: &str) -> [u8; 32] {
    Sha256::digest(whole.as_bytes()).into()
}

/// The part of a key that is looked up: kind and 8 letters, or all of an adopted write key.
pub(crate) fn shown_part(whole: &str) -> &str {
    let prefix = ["rb_live_", "rb_test_", "rb_write_"]
        .into_iter()
        .find(|prefix| whole.starts_with(prefix));
    prefix
        .and_then(|prefix| whole.get(..prefix.len() + 8))
        .unwrap_or(whole)
}

/// The key behind a text, when it opens something.
pub(crate) fn find(app: &App, whole: &str, kinds: &[KeyKind]) -> Option<Caller> {
    if whole.len() > 200 {
        return None;
    }
    let houses = app.registry.houses();
    let key = houses
        .keys
        .get(shown_part(whole))
        .filter(|key| kinds.contains(&key.kind))?;
    constant_time::verify_slices_are_equal(&hash_key(whole), &key.hash).ok()?;
    if key.expires_at.is_some_and(|at| at <= app.now()) {
        return None;
    }
    let home = houses.homes.get(&key.tenant)?;
    Some(Caller {
        home: Arc::clone(home),
        key: Arc::clone(key),
    })
}

/// The user of a Basic authorization, for write keys.
pub(crate) fn basic_user(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, encoded) = value.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = base64::engine::general_purpose::STANDARD
        .decode(encoded.trim())
        .ok()?;
    let text = String::from_utf8(decoded).ok()?;
    text.split(':').next().map(str::to_owned)
}

impl FromRequestParts<App> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        let value = parts
            .headers
            .get(header::AUTHORIZATION)
            .and_then(|value| value.to_str().ok());
        let (scheme, whole) = value
            .and_then(|value| value.split_once(' '))
            .ok_or_else(ApiError::unauthorized)?;
        if !scheme.eq_ignore_ascii_case("bearer") {
            return Err(ApiError::unauthorized());
        }
        let caller = find(app, whole.trim(), &[KeyKind::Secret, KeyKind::Test])
            .ok_or_else(ApiError::unauthorized)?;
        if let Some(per_minute) = caller.home.row.requests_per_minute {
            let drawn = app.limits.tenant(caller.home.row.id, per_minute);
            let (Ok(left) | Err(left)) = drawn;
            if let Some(slot) = parts.extensions.get::<super::extract::LeftSlot>() {
                slot.set(left);
            }
            if drawn.is_err() {
                return Err(ApiError::too_many(left.wait));
            }
        }
        app.limits.used(caller.key.id, app.now());
        Ok(caller)
    }
}

/// 401 for callers whose key is no key, with words for the tracking routes.
pub(crate) fn no_write_key() -> ApiError {
    ApiError::new(StatusCode::UNAUTHORIZED, Code::Unauthorized).say("Send the write key as the user of a Basic authorization, with an empty password, or as `writeKey` in the body.")
}
