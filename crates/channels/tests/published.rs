//! Our requests held against the providers' own published API descriptions. The folder with them is named by RINGBACK_OPENAPI; the
//! descriptions are not part of this repository. Amazon publishes none for SES.

#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

mod support;

use serde_json::{Map, Value};
use std::{fs, path::PathBuf};
use support::{Reply, Server, answer, channel, outgoing};

/// A description, with the schemas it refers to.
struct Description(Value);

impl Description {
    /// None, with a line that says so, when the descriptions are not here.
    #[allow(
        clippy::print_stdout,
        reason = "a skipped test must say that it was skipped"
    )]
    fn open(file: &str) -> Option<Self> {
        let Some(folder) = std::env::var_os("RINGBACK_OPENAPI") else {
            println!(
                "RINGBACK_OPENAPI is not set: requests were not held against the published descriptions"
            );
            return None;
        };
        let path = PathBuf::from(folder).join(file);
        let text =
            fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        Some(Self(serde_json::from_str(&text).unwrap()))
    }

    fn follow<'a>(&'a self, schema: &'a Value) -> &'a Value {
        match schema["$ref"].as_str() {
            None => schema,
            Some(pointer) => {
                let found = self.0.pointer(pointer.trim_start_matches('#')).unwrap();
                self.follow(found)
            }
        }
    }

    fn body_schema(&self, path: &str, media: &str) -> &Value {
        let operation = &self.0["paths"][path]["post"];
        assert!(operation.is_object(), "no POST {path} in the description");
        self.follow(&operation["requestBody"]["content"][media]["schema"])
    }

    /// Everything that is wrong with a value: what is required, known, of the right type, one of the words, short enough.
    fn faults(&self, schema: &Value, value: &Value, at: &str, faults: &mut Vec<String>) {
        let schema = self.follow(schema);
        for word in ["oneOf", "anyOf"] {
            if let Some(choices) = schema[word].as_array() {
                let fits = choices.iter().any(|choice| {
                    let mut inner = Vec::new();
                    self.faults(choice, value, at, &mut inner);
                    inner.is_empty()
                });
                if !fits {
                    faults.push(format!("{at} fits none of {word}"));
                }
                return;
            }
        }
        for part in schema["allOf"].as_array().into_iter().flatten() {
            self.faults(part, value, at, faults);
        }
        let kinds: Vec<&str> = match &schema["type"] {
            Value::String(one) => vec![one],
            Value::Array(many) => many.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        };
        let kind = match value {
            Value::Object(_) => "object",
            Value::Array(_) => "array",
            Value::String(_) => "string",
            Value::Bool(_) => "boolean",
            Value::Number(number) if number.is_i64() => "integer",
            Value::Number(_) => "number",
            Value::Null => "null",
        };
        let right = kinds.is_empty()
            || kinds.contains(&kind)
            || (kind == "integer" && kinds.contains(&"number"));
        if !right {
            faults.push(format!("{at} is {kind}, not {kinds:?}"));
        }
        if let Some(words) = schema["enum"].as_array()
            && !words.contains(value)
        {
            faults.push(format!("{at} is none of {words:?}"));
        }
        if let (Some(text), Some(most)) = (value.as_str(), schema["maxLength"].as_u64())
            && text.chars().count() as u64 > most
        {
            faults.push(format!("{at} is longer than {most}"));
        }
        if let Some(items) = value.as_array() {
            if let Some(most) = schema["maxItems"].as_u64()
                && items.len() as u64 > most
            {
                faults.push(format!("{at} has more than {most}"));
            }
            for (index, item) in items.iter().enumerate() {
                self.faults(&schema["items"], item, &format!("{at}[{index}]"), faults);
            }
        }
        if let (Some(fields), Some(known)) = (value.as_object(), schema["properties"].as_object()) {
            for name in schema["required"].as_array().into_iter().flatten() {
                let name = name.as_str().unwrap();
                if !fields.contains_key(name) {
                    faults.push(format!("{at}.{name} is missing"));
                }
            }
            for (name, inner) in fields {
                match known.get(name) {
                    Some(schema) => self.faults(schema, inner, &format!("{at}.{name}"), faults),
                    None => faults.push(format!("{at}.{name} is not in the description")),
                }
            }
        }
    }

    fn check(&self, schema: &Value, value: &Value) -> Vec<String> {
        let mut faults = Vec::new();
        self.faults(schema, value, "body", &mut faults);
        faults
    }
}

/// A form as the JSON that its description speaks of: numbers and booleans where the schema has them.
fn form(description: &Description, schema: &Value, body: &[u8]) -> Value {
    let mut fields = Map::new();
    for (name, value) in url::form_urlencoded::parse(body) {
        let kind = description.follow(&schema["properties"][&*name])["type"].as_str();
        let value = match kind {
            Some("integer") => Value::from(value.parse::<i64>().unwrap()),
            Some("boolean") => Value::from(value.parse::<bool>().unwrap()),
            _ => Value::from(value.into_owned()),
        };
        assert!(fields.insert(name.into_owned(), value).is_none());
    }
    Value::Object(fields)
}

async fn request(provider: &str, reply: Reply) -> support::Seen {
    let server = Server::always(reply).await;
    channel(provider, &server.url())
        .send(&outgoing(provider))
        .await;
    server.requests().remove(0)
}

#[tokio::test]
async fn our_text_is_a_message_as_twilio_describes_it() {
    let Some(description) = Description::open("twilio/twilio_api_v2010.messages.json") else {
        return;
    };
    let path = "/2010-04-01/Accounts/{AccountSid}/Messages.json";
    let schema = description.body_schema(path, "application/x-www-form-urlencoded");
    let seen = request("twilio", answer("201 Created", &[], r#"{"sid":"SM1"}"#)).await;
    assert!(seen.head.starts_with(
        "POST /2010-04-01/Accounts/AC00000000000000000000000000000001/Messages.json "
    ));
    let body = form(&description, schema, &seen.body);
    assert_eq!(description.check(schema, &body), Vec::<String>::new());
    // The check itself can fail.
    let mut wrong = body;
    wrong["Budy"] = "x".into();
    wrong["ValidityPeriod"] = "soon".into();
    wrong.as_object_mut().unwrap().remove("To");
    assert_eq!(description.check(schema, &wrong).len(), 3);
}

#[tokio::test]
async fn our_mail_is_an_email_as_resend_describes_it() {
    let Some(description) = Description::open("resend/resend.messages.json") else {
        return;
    };
    let schema = description.body_schema("/emails", "application/json");
    let seen = request("resend", answer("200 OK", &[], r#"{"id":"1"}"#)).await;
    assert!(seen.head.starts_with("POST /emails "));
    let body: Value = serde_json::from_slice(&seen.body).unwrap();
    assert_eq!(description.check(schema, &body), Vec::<String>::new());
    let mut wrong = body;
    wrong["tags"] = "x".into();
    wrong["subjekt"] = "x".into();
    wrong.as_object_mut().unwrap().remove("from");
    assert_eq!(description.check(schema, &wrong).len(), 3);
    let parameters = description.0["paths"]["/emails"]["post"]["parameters"]
        .as_array()
        .unwrap();
    let key = parameters
        .iter()
        .map(|one| description.follow(one))
        .find(|one| one["name"] == "Idempotency-Key");
    assert!(
        key.is_some(),
        "the description names the header that we send"
    );
}

#[tokio::test]
async fn our_mail_is_a_mail_as_sendgrid_describes_it() {
    let Some(description) = Description::open("sendgrid/tsg_mail_v3.json") else {
        return;
    };
    let body = &description.0["paths"]["/v3/mail/send"]["post"]["requestBody"];
    let schema = &description.follow(body)["content"]["application/json"]["schema"];
    let schema = description.follow(schema);
    assert!(schema["properties"].is_object());
    let taken = answer("202 Accepted", &[("x-message-id", "m-1")], "");
    let seen = request("sendgrid", taken).await;
    assert!(seen.head.starts_with("POST /v3/mail/send "));
    let body: Value = serde_json::from_slice(&seen.body).unwrap();
    assert_eq!(description.check(schema, &body), Vec::<String>::new());
    let mut wrong = body;
    wrong["personalizations"] = "x".into();
    wrong["subjekt"] = "x".into();
    wrong.as_object_mut().unwrap().remove("from");
    assert_eq!(description.check(schema, &wrong).len(), 3);
}
