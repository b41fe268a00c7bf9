//! Texts with `{{placeholders}}`. A value is written so that it stays a value wherever it stands: hostile words cannot end a field, an
//! address or a document.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;
use std::{borrow::Cow, fmt::Write as _};
use url::form_urlencoded::byte_serialize;

/// Everything but the unreserved characters of RFC 3986.
const VALUE: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// What can be filled in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Placeholder {
    To,
    ToDigits,
    From,
    Text,
    MessageId,
    AttemptId,
    ReportUrl,
    User,
    Secret,
    SecondSecret,
    Basic,
}

impl Placeholder {
    const ALL: [(&'static str, Self); 11] = [
        ("to", Self::To),
        ("to_digits", Self::ToDigits),
        ("from", Self::From),
        ("text", Self::Text),
        ("message_id", Self::MessageId),
        ("attempt_id", Self::AttemptId),
        ("report_url", Self::ReportUrl),
        ("user", Self::User),
        ("secret", Self::Secret),
        ("second_secret", Self::SecondSecret),
        ("basic", Self::Basic),
    ];

    fn of(name: &str) -> Result<Self, String> {
        let found = Self::ALL.iter().find(|(one, _)| *one == name);
        found.map(|(_, placeholder)| *placeholder).ok_or_else(|| {
            let all: Vec<&str> = Self::ALL.iter().map(|(name, _)| *name).collect();
            format!(
                "There is no placeholder {{{{{}}}}}; there are {}.",
                crate::answers::short(name, 40),
                all.join(", ")
            )
        })
    }
}

/// The words of a message, of an attempt and of the connection.
pub(super) struct Values<'a> {
    pub to: &'a str,
    pub from: &'a str,
    pub text: &'a str,
    pub message_id: &'a str,
    pub attempt_id: &'a str,
    pub report_url: &'a str,
    pub user: &'a str,
    pub secret: &'a str,
    pub second_secret: &'a str,
    pub basic: &'a str,
}

impl Values<'_> {
    fn get(&self, placeholder: Placeholder) -> &str {
        match placeholder {
            Placeholder::To => self.to,
            Placeholder::ToDigits => self.to.trim_start_matches('+'),
            Placeholder::From => self.from,
            Placeholder::Text => self.text,
            Placeholder::MessageId => self.message_id,
            Placeholder::AttemptId => self.attempt_id,
            Placeholder::ReportUrl => self.report_url,
            Placeholder::User => self.user,
            Placeholder::Secret => self.secret,
            Placeholder::SecondSecret => self.second_secret,
            Placeholder::Basic => self.basic,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Written(String),
    Value(Placeholder),
}

/// A text with placeholders, read once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Template(Vec<Part>);

impl Template {
    /// Reads a text; the error is a sentence on what to mend.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("{{") {
            let (name, after) = after
                .split_once("}}")
                .ok_or("A placeholder begins with {{ and never ends; write }} after its name.")?;
            if !before.is_empty() {
                parts.push(Part::Written(before.to_owned()));
            }
            parts.push(Part::Value(Placeholder::of(name.trim())?));
            rest = after;
        }
        if !rest.is_empty() {
            parts.push(Part::Written(rest.to_owned()));
        }
        Ok(Self(parts))
    }

    /// A text without placeholders.
    pub fn written(text: &str) -> Self {
        Self(vec![Part::Written(text.to_owned())])
    }

    /// True when this placeholder is in it.
    pub fn has(&self, placeholder: Placeholder) -> bool {
        self.0.contains(&Part::Value(placeholder))
    }

    /// Values as they are: for a JSON string, which is escaped as a whole, and for headers, which are checked as a whole.
    pub fn plain(&self, values: &Values<'_>) -> String {
        self.fill(values, |value| value.into())
    }

    /// Values as parts of an address.
    pub fn in_url(&self, values: &Values<'_>) -> String {
        self.fill(values, |value| utf8_percent_encode(value, VALUE).into())
    }

    /// Values as fields of a form.
    pub fn in_form(&self, values: &Values<'_>) -> String {
        self.fill(values, |value| {
            byte_serialize(value.as_bytes()).collect::<String>().into()
        })
    }

    fn fill(&self, values: &Values<'_>, write: impl Fn(&str) -> Cow<'_, str>) -> String {
        let mut out = String::new();
        for part in &self.0 {
            let _infallible = match part {
                Part::Written(text) => out.write_str(text),
                Part::Value(placeholder) => out.write_str(&write(values.get(*placeholder))),
            };
        }
        out
    }
}

/// What a request carries.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Body {
    /// Nothing: everything is in the address.
    None,
    /// A document; placeholders stand in its strings.
    Json(Json),
    /// Fields as in an address.
    Form(Template),
}

/// A JSON document whose strings are templates.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Json {
    Text(Template),
    List(Vec<Self>),
    Map(Vec<(String, Self)>),
    Other(Value),
}

impl Json {
    /// Reads a document; the error is a sentence on what to mend.
    pub fn parse(text: &str) -> Result<Self, String> {
        let value: Value = serde_json::from_str(text).map_err(|error| {
            format!("This is no JSON: {error}. Placeholders stand inside quotes, as in \"{{{{text}}}}\".")
        })?;
        Self::of(value)
    }

    fn of(value: Value) -> Result<Self, String> {
        Ok(match value {
            Value::String(text) => Self::Text(Template::parse(&text)?),
            Value::Array(all) => {
                Self::List(all.into_iter().map(Self::of).collect::<Result<_, _>>()?)
            }
            Value::Object(map) => {
                let mut fields = Vec::with_capacity(map.len());
                for (name, value) in map {
                    if name.contains("{{") {
                        return Err(
                            "A placeholder cannot be the name of a field; put it into the value."
                                .into(),
                        );
                    }
                    fields.push((name, Self::of(value)?));
                }
                Self::Map(fields)
            }
            other => Self::Other(other),
        })
    }

    fn has(&self, placeholder: Placeholder) -> bool {
        match self {
            Self::Text(template) => template.has(placeholder),
            Self::List(all) => all.iter().any(|one| one.has(placeholder)),
            Self::Map(fields) => fields.iter().any(|(_, one)| one.has(placeholder)),
            Self::Other(_) => false,
        }
    }

    fn fill(&self, values: &Values<'_>) -> Value {
        match self {
            Self::Text(template) => Value::String(template.plain(values)),
            Self::List(all) => all.iter().map(|one| one.fill(values)).collect(),
            Self::Map(fields) => fields
                .iter()
                .map(|(name, one)| (name.clone(), one.fill(values)))
                .collect(),
            Self::Other(value) => value.clone(),
        }
    }
}

impl Body {
    /// True when this placeholder is in it.
    pub fn has(&self, placeholder: Placeholder) -> bool {
        match self {
            Self::None => false,
            Self::Json(json) => json.has(placeholder),
            Self::Form(template) => template.has(placeholder),
        }
    }

    /// The bytes; the same values give the same bytes.
    pub fn fill(&self, values: &Values<'_>) -> String {
        match self {
            Self::None => String::new(),
            Self::Json(json) => json.fill(values).to_string(),
            Self::Form(template) => template.in_form(values),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn values(text: &str) -> Values<'_> {
        Values {
            to: "+12065550100",
            from: "Acme & Co",
            text,
            message_id: "msg_1",
            attempt_id: "att_1",
            report_url: "https://leads.example.test/h?m=1",
            user: "user",
            secret: "made-up",
            second_secret: "",
            basic: "dTpt",
        }
    }

    #[test]
    fn placeholders_are_read_and_mistakes_named() {
        let read = |text: &str| Template::parse(text).map(|template| template.plain(&values("hi")));
        for (text, expected) in [
            ("", ""),
            ("no placeholder", "no placeholder"),
            ("{{to}}", "+12065550100"),
            ("a{{ to_digits }}b{{text}}", "a12065550100bhi"),
            ("{{secret}}{{second_secret}}", "made-up"),
            ("}} { }", "}} { }"),
        ] {
            assert_eq!(read(text).as_deref(), Ok(expected), "{text}");
        }
        for text in ["{{", "{{to", "{{nobody}}", "{{}}", "{{to }", "{{ {{to}} }}"] {
            let advice = read(text).unwrap_err();
            assert!(advice.ends_with('.'), "{text}: {advice}");
        }
        // What is filled in is not read again.
        assert_eq!(
            Template::parse("{{text}}")
                .unwrap()
                .plain(&values("{{secret}}")),
            "{{secret}}"
        );
    }

    proptest! {
        /// Hostile words stay the value they are, in every place that they can stand.
        #[test]
        fn no_text_breaks_out(text in "\\PC{0,40}|[\"\\\\{}&=?#%+\r\n\0/ <>']{0,40}") {
            let all = values(&text);
            let json = Body::Json(Json::parse(r#"{"a":["{{text}}",1],"b":{"c":"x{{text}}y"}}"#).unwrap());
            let found: Value = serde_json::from_str(&json.fill(&all)).unwrap();
            prop_assert_eq!(found, serde_json::json!({"a": [text, 1], "b": {"c": format!("x{text}y")}}));
            let form = Body::Form(Template::parse("to={{to}}&text={{text}}&end=1").unwrap());
            let fields: Vec<(String, String)> =
                url::form_urlencoded::parse(form.fill(&all).as_bytes()).into_owned().collect();
            let expected = [("to", "+12065550100"), ("text", &text), ("end", "1")];
            prop_assert_eq!(fields, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
            let address = Template::parse("https://example.test/send?text={{text}}&end=1").unwrap();
            let address = address.in_url(&all);
            let _parses: http::Uri = address.parse().unwrap();
            let url = url::Url::parse(&address).unwrap();
            prop_assert_eq!(url.path(), "/send");
            let fields: Vec<(String, String)> = url.query_pairs().into_owned().collect();
            prop_assert_eq!(fields, [("text".to_owned(), text.clone()), ("end".to_owned(), "1".to_owned())]);
        }
    }
}
