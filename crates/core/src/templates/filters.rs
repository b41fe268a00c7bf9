//! The filters and tests that templates may use. None of them makes much of little: each result is bounded.

use super::context::Manners;
use super::words::{self, DateStyle};
use minijinja::value::ValueKind;
use minijinja::{AutoEscape, Environment, Error, ErrorKind, State, Value};
use std::borrow::Cow;
use std::sync::Arc;

/// Name, and how many values it takes in brackets.
pub(super) const FILTERS: &[(&str, usize)] = &[
    ("date", 1),
    ("datetime", 1),
    ("default", 1),
    ("escape", 0),
    ("first", 0),
    ("first_name", 0),
    ("items", 0),
    ("join", 1),
    ("last", 0),
    ("length", 0),
    ("lower", 0),
    ("money", 1),
    ("number", 1),
    ("phone", 0),
    ("plural", 2),
    ("round", 1),
    ("time", 0),
    ("title", 0),
    ("tojson", 0),
    ("trim", 0),
    ("truncate", 1),
    ("upper", 0),
    ("urlencode", 0),
];

/// What can stand after `is`.
pub(super) const TESTS: &[&str] = &[
    "defined",
    "empty",
    "even",
    "none",
    "number",
    "odd",
    "string",
    "undefined",
];

/// The largest text a filter gives.
const MOST: usize = 64 * 1024;

/// Adds all filters and tests.
pub(super) fn add_to(env: &mut Environment<'static>) {
    env.add_filter("date", date);
    env.add_filter("datetime", datetime);
    env.add_filter("default", default);
    env.add_filter("escape", escape);
    env.add_filter("first", first);
    env.add_filter("first_name", first_name);
    env.add_filter("items", items);
    env.add_filter("join", join);
    env.add_filter("last", last);
    env.add_filter("length", length);
    env.add_filter("lower", |value: &Value| text(value, |t| t.to_lowercase()));
    env.add_filter("money", money);
    env.add_filter("number", number);
    env.add_filter("phone", phone);
    env.add_filter("plural", plural);
    env.add_filter("round", round);
    env.add_filter("time", time);
    env.add_filter("title", |value: &Value| text(value, title));
    env.add_filter("tojson", tojson);
    env.add_filter("trim", |value: &Value| text(value, |t| t.trim().to_owned()));
    env.add_filter("truncate", truncate);
    env.add_filter("upper", |value: &Value| text(value, |t| t.to_uppercase()));
    env.add_filter("urlencode", |value: &Value| text(value, urlencode));
    env.add_test("defined", |value: &Value| {
        !value.is_undefined() && !value.is_none()
    });
    env.add_test("undefined", |value: &Value| {
        value.is_undefined() || value.is_none()
    });
    env.add_test("none", |value: &Value| {
        value.is_undefined() || value.is_none()
    });
    env.add_test("empty", is_empty);
    env.add_test("even", |value: &Value| {
        value.as_i64().is_some_and(|n| n % 2 == 0)
    });
    env.add_test("odd", |value: &Value| {
        value.as_i64().is_some_and(|n| n % 2 != 0)
    });
    env.add_test("number", Value::is_number);
    env.add_test("string", |value: &Value| value.as_str().is_some());
}

/// Nothing, or a text of blanks, or a list without members.
fn is_empty(value: &Value) -> bool {
    match value.as_str() {
        Some(text) => text.trim().is_empty(),
        None => value.is_undefined() || value.is_none() || value.len() == Some(0),
    }
}

fn wrong(message: impl Into<Cow<'static, str>>) -> Error {
    Error::new(ErrorKind::InvalidOperation, message)
}

fn bounded(text: String) -> Result<Value, Error> {
    if text.len() > MOST {
        return Err(wrong("a filter's result is too long"));
    }
    Ok(Value::from(text))
}

/// The value as text; empty values stay empty, so that `default` still works after other filters.
fn as_text(value: &Value) -> Result<Option<Cow<'_, str>>, Error> {
    Ok(match value.kind() {
        ValueKind::Undefined | ValueKind::None => None,
        ValueKind::String => value.as_str().map(Cow::Borrowed),
        ValueKind::Number | ValueKind::Bool => Some(Cow::Owned(value.to_string())),
        _ => {
            return Err(wrong(
                "a list or group is no text; show its members, for example with join",
            ));
        }
    })
}

fn text(value: &Value, change: impl Fn(&str) -> String) -> Result<Value, Error> {
    match as_text(value)? {
        Some(text) if text.len() <= MOST => bounded(change(&text)),
        Some(_) => Err(wrong("a value is too long for a filter")),
        None => Ok(Value::UNDEFINED),
    }
}

fn default(value: &Value, fallback: Option<Value>) -> Value {
    if is_empty(value) {
        fallback.unwrap_or_else(|| Value::from(""))
    } else {
        value.clone()
    }
}

fn escape(value: &Value) -> Result<Value, Error> {
    if value.is_safe() {
        return Ok(value.clone());
    }
    match as_text(value)? {
        Some(text) if text.len() <= MOST / 6 => {
            let mut out = String::with_capacity(text.len() + 16);
            super::engine::push_html(&mut out, &text);
            Ok(Value::from_safe_string(out))
        }
        Some(_) => Err(wrong("a value is too long for a filter")),
        None => Ok(Value::UNDEFINED),
    }
}

fn title(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut fresh = true;
    for c in text.chars() {
        if fresh {
            out.extend(c.to_uppercase());
        } else {
            out.extend(c.to_lowercase());
        }
        fresh = !c.is_alphanumeric() && c != '\'' && c != '’';
    }
    out
}

/// The first word of a name, written as names are when it was typed all in one case.
fn first_name(value: &Value) -> Result<Value, Error> {
    text(value, |name| {
        let first = name.split_whitespace().next().unwrap_or_default();
        let one_case =
            !first.chars().any(char::is_lowercase) || !first.chars().any(char::is_uppercase);
        if one_case && first.chars().count() > 2 {
            title(first)
        } else {
            first.to_owned()
        }
    })
    .map(|name| {
        if name.as_str() == Some("") {
            Value::UNDEFINED
        } else {
            name
        }
    })
}

fn members(value: &Value) -> Result<Vec<Value>, Error> {
    match value.kind() {
        ValueKind::Undefined | ValueKind::None => Ok(Vec::new()),
        ValueKind::Seq | ValueKind::Iterable => Ok(value.try_iter()?.take(1_000).collect()),
        _ => Err(wrong("this is no list")),
    }
}

fn join(value: &Value, between: Option<&str>) -> Result<Value, Error> {
    let mut out = String::new();
    for (at, member) in members(value)?.iter().enumerate() {
        if at > 0 {
            out.push_str(between.unwrap_or_default());
        }
        out.push_str(&as_text(member)?.unwrap_or_default());
        if out.len() > MOST {
            break;
        }
    }
    bounded(out)
}

fn first(value: &Value) -> Result<Value, Error> {
    Ok(members(value)?.into_iter().next().unwrap_or_default())
}

fn last(value: &Value) -> Result<Value, Error> {
    Ok(members(value)?.pop().unwrap_or_default())
}

fn length(value: &Value) -> Result<Value, Error> {
    Ok(match value.as_str() {
        Some(text) => Value::from(text.chars().count()),
        None => Value::from(value.len().unwrap_or(0)),
    })
}

fn items(value: &Value) -> Result<Value, Error> {
    if value.kind() != ValueKind::Map {
        return Ok(Value::from(Vec::<Value>::new()));
    }
    let pairs: Result<Vec<Value>, Error> = value
        .try_iter()?
        .take(200)
        .map(|name| Ok(Value::from(vec![name.clone(), value.get_item(&name)?])))
        .collect();
    pairs.map(Value::from)
}

fn amount(value: &Value) -> Result<Option<f64>, Error> {
    if is_empty(value) {
        return Ok(None);
    }
    let number = match value.as_str() {
        Some(text) => text.trim().parse::<f64>().ok(),
        None => f64::try_from(value.clone()).ok(),
    };
    number
        .filter(|n| n.is_finite() && n.abs() < 1e15)
        .map(Some)
        .ok_or_else(|| wrong("this is no number"))
}

fn round(value: &Value, digits: Option<usize>) -> Result<Value, Error> {
    let Some(number) = amount(value)? else {
        return Ok(Value::UNDEFINED);
    };
    Ok(match digits.unwrap_or(0).min(6) {
        0 => Value::from(number.round() as i64),
        digits => Value::from(format!("{number:.digits$}")),
    })
}

fn truncate(value: &Value, most: Option<usize>) -> Result<Value, Error> {
    let most = most.unwrap_or(100).min(MOST / 4);
    text(value, |text| match text.char_indices().nth(most) {
        None => text.to_owned(),
        Some(_) => {
            let kept: String = text.chars().take(most.saturating_sub(3)).collect();
            // Three dots and not the character of three dots, which would turn an SMS into UCS-2.
            format!("{}...", kept.trim_end())
        }
    })
}

fn urlencode(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 16);
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~') {
            out.push(char::from(byte));
        } else {
            const HEX: &[u8; 16] = b"0123456789ABCDEF";
            out.push('%');
            out.push(char::from(HEX[usize::from(byte >> 4)]));
            out.push(char::from(HEX[usize::from(byte & 15)]));
        }
    }
    out
}

fn plural(value: &Value, one: &str, many: &str) -> Result<Value, Error> {
    let number = match members(value) {
        Ok(members) if !value.is_number() => members.len() as f64,
        _ => amount(value)?.unwrap_or(0.0),
    };
    Ok(Value::from(if number == 1.0 { one } else { many }))
}

/// JSON without indentation; nothing is `null`. It counts as escaped only where JSON is written.
fn tojson(state: &State<'_, '_>, value: &Value) -> Result<Value, Error> {
    let mut out = Bounded(Vec::new());
    let written = if value.is_undefined() {
        serde_json::to_writer(&mut out, &())
    } else {
        serde_json::to_writer(&mut out, value)
    };
    written.map_err(|_| wrong("a value is too long or too deep for JSON"))?;
    let json = String::from_utf8(out.0).map_err(|_| wrong("a value cannot be written as JSON"))?;
    // Harmless inside HTML too, should a consumer embed it.
    let json = if json.contains('<') {
        json.replace('<', "\\u003c")
    } else {
        json
    };
    Ok(if matches!(state.auto_escape(), AutoEscape::Json) {
        Value::from_safe_string(json)
    } else {
        Value::from(json)
    })
}

struct Bounded(Vec<u8>);

impl std::io::Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        if self.0.len() + bytes.len() > MOST {
            return Err(std::io::ErrorKind::FileTooLarge.into());
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// The recipient's manners, which every rendering carries under a name that no template can write.
fn manners(state: &State<'_, '_>) -> Result<Arc<Manners>, Error> {
    state
        .lookup(super::engine::MANNERS)
        .and_then(|value| value.downcast_object::<Manners>())
        .ok_or_else(|| wrong("the recipient's zone is not known"))
}

fn moment(value: &Value, manners: &Manners) -> Result<Option<words::Moment>, Error> {
    if is_empty(value) {
        return Ok(None);
    }
    let found = match (value.as_str(), value.as_i64()) {
        (Some(text), _) => words::moment(text, manners),
        (None, Some(number)) => words::moment_of_number(number, manners),
        (None, None) => None,
    };
    found.map(Some).ok_or_else(|| {
        wrong("this is no date or time; dates are written 2026-11-21 or 2026-11-21T16:00:00Z")
    })
}

fn style(name: Option<&str>, usual: DateStyle) -> Result<DateStyle, Error> {
    match name {
        None => Ok(usual),
        Some(name) => DateStyle::named(name)
            .ok_or_else(|| wrong("dates are written weekday, long, short or iso")),
    }
}

fn date(state: &State<'_, '_>, value: &Value, how: Option<&str>) -> Result<Value, Error> {
    let manners = manners(state)?;
    let style = style(how, DateStyle::Long)?;
    Ok(match moment(value, &manners)? {
        Some(words::Moment {
            date: Some(day), ..
        }) => Value::from(words::date(day, style, &manners)),
        Some(_) => return Err(wrong("this is a time without a date")),
        None => Value::UNDEFINED,
    })
}

fn time(state: &State<'_, '_>, value: &Value) -> Result<Value, Error> {
    let manners = manners(state)?;
    Ok(match moment(value, &manners)? {
        Some(words::Moment {
            time: Some(hour), ..
        }) => Value::from(words::time(hour, &manners)),
        Some(_) => return Err(wrong("this is a date without a time")),
        None => Value::UNDEFINED,
    })
}

fn datetime(state: &State<'_, '_>, value: &Value, how: Option<&str>) -> Result<Value, Error> {
    let manners = manners(state)?;
    let style = style(how, DateStyle::Weekday)?;
    Ok(match moment(value, &manners)? {
        Some(moment) => Value::from(words::date_time(moment, style, &manners)),
        None => Value::UNDEFINED,
    })
}

/// Also reads the product's own amounts, `{micros, currency}`.
fn money(state: &State<'_, '_>, value: &Value, currency: Option<&str>) -> Result<Value, Error> {
    let manners = manners(state)?;
    let (number, own) = if value.kind() == ValueKind::Map {
        let micros = amount(&value.get_attr("micros")?)?;
        (micros.map(|m| m / 1e6), value.get_attr("currency").ok())
    } else {
        (amount(value)?, None)
    };
    let currency = currency.or_else(|| own.as_ref().and_then(Value::as_str));
    if currency.is_some_and(|code| code.len() != 3 || !code.bytes().all(|b| b.is_ascii_uppercase()))
    {
        return Err(wrong("a currency is three capital letters such as USD"));
    }
    Ok(number.map_or(Value::UNDEFINED, |number| {
        Value::from(words::money(number, currency, &manners))
    }))
}

fn number(state: &State<'_, '_>, value: &Value, digits: Option<usize>) -> Result<Value, Error> {
    let manners = manners(state)?;
    Ok(amount(value)?.map_or(Value::UNDEFINED, |number| {
        let digits = digits.unwrap_or(if number.fract() == 0.0 { 0 } else { 2 });
        Value::from(words::number(number, digits, &manners))
    }))
}

fn phone(state: &State<'_, '_>, value: &Value) -> Result<Value, Error> {
    let manners = manners(state)?;
    text(value, |number| words::phone(number, &manners))
}
