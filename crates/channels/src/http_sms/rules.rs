//! The small tables that say what a provider's answers and reports mean.

use http::StatusCode;
use ringback_core::messages::{Fact, Outcome, Reason, Reported, Status, Suppress};
use serde_json::Value;
use std::{collections::BTreeMap, ops::RangeInclusive, time::Duration};

/// Where something stands in a document (RFC 6901), and what it must be where that is said: `/status` or `/status=ok`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pointer {
    path: String,
    equals: Option<String>,
}

impl Pointer {
    /// Reads a pointer, with a value to compare with when `compares`. The error is a sentence on what to mend.
    pub fn parse(text: &str, compares: bool) -> Result<Self, String> {
        let (path, equals) = match text.split_once('=') {
            Some((path, value)) if compares => (path, Some(value.to_owned())),
            _ => (text, None),
        };
        if !path.starts_with('/') {
            return Err(
                "A JSON pointer starts with a slash, such as /data/id or /messages/0/id.".into(),
            );
        }
        Ok(Self {
            path: path.to_owned(),
            equals,
        })
    }

    /// True when something is there, and is what it must be.
    pub fn holds(&self, document: &Value) -> bool {
        match &self.equals {
            None => document
                .pointer(&self.path)
                .is_some_and(|found| !found.is_null()),
            Some(wanted) => self.text(document).as_deref() == Some(wanted),
        }
    }

    /// The word or number that is there; empty ones count as missing.
    pub fn text(&self, document: &Value) -> Option<String> {
        match document.pointer(&self.path)? {
            Value::String(text) if !text.is_empty() => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            Value::Bool(value) => Some(value.to_string()),
            _ => None,
        }
    }
}

/// The statuses of success: `200-299`, `200, 202`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Statuses(Vec<RangeInclusive<u16>>);

impl Default for Statuses {
    fn default() -> Self {
        Self(vec![200..=299])
    }
}

impl Statuses {
    /// Reads a list of statuses and ranges; the error is a sentence on what to mend.
    pub fn parse(text: &str) -> Result<Self, String> {
        let one = |part: &str| {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            let read = |text: &str| {
                text.trim()
                    .parse::<u16>()
                    .ok()
                    .filter(|n| (200..400).contains(n))
            };
            Some(read(first)?..=read(last)?).filter(|range| !range.is_empty())
        };
        let all: Option<Vec<_>> = text.split(',').map(|part| one(part.trim())).collect();
        all.map(Self).ok_or_else(|| {
            "Write statuses from 200 to 399 and ranges of them, such as 200-299 or 200, 202.".into()
        })
    }

    pub fn has(&self, status: StatusCode) -> bool {
        self.0.iter().any(|range| range.contains(&status.as_u16()))
    }
}

/// Reads `name=word, name=word`.
fn table<T: Copy>(text: &str, words: &[(&str, T)]) -> Result<BTreeMap<String, T>, String> {
    let mut rows = BTreeMap::new();
    for row in text.split(',').map(str::trim).filter(|row| !row.is_empty()) {
        let found = row.rsplit_once('=').and_then(|(name, word)| {
            let (_, class) = words.iter().find(|(one, _)| *one == word.trim())?;
            Some((name.trim(), *class)).filter(|(name, _)| !name.is_empty())
        });
        let Some((name, class)) = found else {
            let all: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
            return Err(format!(
                "“{}” is no row. Write name=word and a comma between rows; the words are {}.",
                crate::answers::short(row, 60),
                all.join(", ")
            ));
        };
        if rows.insert(name.to_owned(), class).is_some() {
            return Err(format!(
                "{} stands there twice.",
                crate::answers::short(name, 60)
            ));
        }
    }
    Ok(rows)
}

/// What a refusal means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    Retry,
    Permanent,
    Config,
    Invalid,
    OptedOut,
    Blocked,
}

impl Class {
    const WORDS: [(&'static str, Self); 6] = [
        ("retry", Self::Retry),
        ("permanent", Self::Permanent),
        ("config", Self::Config),
        ("invalid", Self::Invalid),
        ("opted_out", Self::OptedOut),
        ("blocked", Self::Blocked),
    ];

    fn suppress(self) -> Suppress {
        match self {
            Self::Retry | Self::Permanent | Self::Config => Suppress::No,
            Self::Invalid => Suppress::Invalid,
            Self::OptedOut => Suppress::OptedOut,
            Self::Blocked => Suppress::Blocked,
        }
    }

    fn detail(self) -> &'static str {
        match self {
            Self::Retry => "The SMS provider cannot take the text now.",
            Self::Permanent => "The SMS provider refused the text.",
            Self::Config => {
                "The SMS provider refused our account, sender or registration; mend the connection."
            }
            Self::Invalid => "The number does not exist or takes no texts.",
            Self::OptedOut => "The person opted out with the SMS provider.",
            Self::Blocked => "The recipient or the carrier blocks us.",
        }
    }

    /// What it comes to when it answers a call.
    pub fn outcome(self, code: String, after: Option<Duration>) -> Outcome {
        let why = Reason::new(code, self.detail());
        match self {
            Self::Retry => Outcome::Retryable { why, after },
            Self::Config => Outcome::Misconfigured { why },
            _ => Outcome::Permanent {
                why,
                suppress: self.suppress(),
            },
        }
    }
}

/// From the provider's codes (`40300`) and statuses (`http_402`) to their class; `*` is any other code.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Refusals(BTreeMap<String, Class>);

impl Refusals {
    /// Reads the table; the error is a sentence on what to mend.
    pub fn parse(text: &str) -> Result<Self, String> {
        table(text, &Class::WORDS).map(Self)
    }

    /// The class of an answer, and the code it goes by. A listed code says more than a status. `*` speaks for refusals alone: what a
    /// server says in its own trouble, or beside a yes, is only known when it is listed.
    pub fn find(&self, code: Option<&str>, status: StatusCode) -> Option<(Class, String)> {
        let row = |name: &str| self.0.get(name).map(|class| (*class, name.to_owned()));
        code.and_then(row)
            .or_else(|| row(&format!("http_{}", status.as_u16())))
            .or_else(|| {
                let code = code.filter(|_| status.is_client_error())?;
                self.0.get("*").map(|class| (*class, code.to_owned()))
            })
    }

    fn of_code(&self, code: &str) -> Option<Class> {
        self.0.get(code).copied()
    }
}

/// What a word of a report means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Word {
    Accepted,
    Sent,
    Delivered,
    Read,
    Failed,
    Expired,
    Cancelled,
    Invalid,
    OptedOut,
    Blocked,
    Nothing,
}

/// What a report comes to: each part, and for failures why.
pub(super) type Meaning = (Vec<Reported>, Suppress, Option<Reason>);

impl Word {
    const WORDS: [(&'static str, Self); 11] = [
        ("accepted", Self::Accepted),
        ("sent", Self::Sent),
        ("delivered", Self::Delivered),
        ("read", Self::Read),
        ("failed", Self::Failed),
        ("expired", Self::Expired),
        ("cancelled", Self::Cancelled),
        ("invalid", Self::Invalid),
        ("opted_out", Self::OptedOut),
        ("blocked", Self::Blocked),
        ("nothing", Self::Nothing),
    ];

    fn meaning(self, code: Option<&str>, said: &str) -> Meaning {
        let plain = |all: Vec<Reported>| (all, Suppress::No, None);
        let failed = |status, class: Class| {
            let why = Reason::new(code.unwrap_or(said), class.detail());
            (vec![Reported::Status(status)], class.suppress(), Some(why))
        };
        match self {
            Self::Nothing => plain(Vec::new()),
            Self::Accepted => plain(vec![Reported::Status(Status::Accepted)]),
            // Handed to the carrier: also proof that the provider has it, when the answer to the call was lost (M3).
            Self::Sent => plain(vec![
                Reported::Status(Status::Accepted),
                Reported::Fact(Fact::Sent),
            ]),
            Self::Delivered => plain(vec![Reported::Status(Status::Delivered)]),
            Self::Read => plain(vec![
                Reported::Status(Status::Delivered),
                Reported::Fact(Fact::Opened),
            ]),
            Self::Cancelled => plain(vec![Reported::Status(Status::Cancelled)]),
            Self::Expired => failed(Status::Expired, Class::Permanent),
            Self::Failed => failed(Status::Failed, Class::Permanent),
            Self::Invalid => failed(Status::Bounced, Class::Invalid),
            Self::OptedOut => failed(Status::Blocked, Class::OptedOut),
            Self::Blocked => failed(Status::Bounced, Class::Blocked),
        }
    }
}

/// From the provider's status words to ours.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Words(BTreeMap<String, Word>);

impl Words {
    /// Reads the table; the error is a sentence on what to mend.
    pub fn parse(text: &str) -> Result<Self, String> {
        table(text, &Word::WORDS).map(Self)
    }

    /// What a status means, with the code that came along: a failure whose code is in the table of refusals is what that says. None
    /// for a word that is not listed.
    pub fn meaning(&self, said: &str, code: Option<&str>, refusals: &Refusals) -> Option<Meaning> {
        let word = *self.0.get(said)?;
        let class = code.and_then(|code| refusals.of_code(code));
        let word = match (word, class) {
            (Word::Failed, Some(Class::Invalid)) => Word::Invalid,
            (Word::Failed, Some(Class::OptedOut)) => Word::OptedOut,
            (Word::Failed, Some(Class::Blocked)) => Word::Blocked,
            (word, _) => word,
        };
        Some(word.meaning(code, said))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn pointers_find_words_and_compare_them() {
        let document = json!({"a": {"b": [{"c": "x"}, 7, null, ""]}, "ok": true});
        let text = |path: &str| Pointer::parse(path, false).unwrap().text(&document);
        for (path, expected) in [
            ("/a/b/0/c", Some("x")),
            ("/a/b/1", Some("7")),
            ("/ok", Some("true")),
            ("/a/b/2", None),
            ("/a/b/3", None),
            ("/a/b", None),
            ("/no", None),
        ] {
            assert_eq!(text(path).as_deref(), expected, "{path}");
        }
        let holds = |path: &str| Pointer::parse(path, true).unwrap().holds(&document);
        for (path, expected) in [
            ("/a/b", true),
            ("/a/b/2", false),
            ("/a/b/0/c=x", true),
            ("/a/b/0/c=y", false),
            ("/a/b/1=7", true),
            ("/no=", false),
        ] {
            assert_eq!(holds(path), expected, "{path}");
        }
        assert!(Pointer::parse("a/b", false).unwrap_err().ends_with('.'));
    }

    #[test]
    fn tables_are_read_and_mistakes_named() {
        let both = |text: &str| (Refusals::parse(text).is_ok(), Words::parse(text).is_ok());
        for (text, expected) in [
            ("", (true, true)),
            ("1=retry, http_402 = config,*=permanent,", (true, false)),
            ("sent=sent, not delivered=failed", (false, true)),
            ("a=b=blocked", (true, true)),
            ("1", (false, false)),
            ("=blocked", (false, false)),
            ("1=blocked,1=invalid", (false, false)),
        ] {
            assert_eq!(both(text), expected, "{text}");
        }
        for text in ["200-299", "200, 202", "201", "200-204,302"] {
            assert!(Statuses::parse(text).is_ok(), "{text}");
        }
        for text in ["", "ok", "204-200", "500", "200-500", "200,"] {
            assert!(Statuses::parse(text).unwrap_err().ends_with('.'), "{text}");
        }
    }

    #[test]
    fn a_listed_code_says_more_than_a_status() {
        let table =
            Refusals::parse("40300=opted_out, http_422=permanent, http_503=retry, *=config")
                .unwrap();
        let find = |code, status| table.find(code, StatusCode::from_u16(status).unwrap());
        for (code, status, expected) in [
            (Some("40300"), 422, Some((Class::OptedOut, "40300"))),
            (Some("40300"), 200, Some((Class::OptedOut, "40300"))),
            (Some("1"), 422, Some((Class::Permanent, "http_422"))),
            (Some("1"), 400, Some((Class::Config, "1"))),
            (None, 400, None),
            (Some("1"), 500, None),
            (Some("1"), 200, None),
            (None, 503, Some((Class::Retry, "http_503"))),
        ] {
            let expected = expected.map(|(class, code)| (class, code.to_owned()));
            assert_eq!(find(code, status), expected, "{code:?} {status}");
        }
    }
}
