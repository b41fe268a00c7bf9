//! The routes of a server, as its own `/openapi.json` lists them, and bodies that fit them.

use crate::{
    fault::{Tried, While, fault},
    wire,
};
use serde_json::{Map, Value, json};
use std::net::SocketAddr;

/// How deep a schema is followed; a schema may contain itself.
const DEPTH: usize = 6;

/// One method on one path.
#[derive(Debug, Clone, PartialEq)]
pub struct Route {
    /// `GET`, `POST`…
    pub method: String,
    /// With its placeholders: `/v1/leads/{id}`.
    pub path: String,
    /// Names of query parameters.
    pub query: Vec<String>,
    /// A body that has every field, with plausible values; null when the route takes no JSON.
    pub sample: Value,
}

impl Route {
    /// A route that the description does not list, such as the public pages.
    pub fn plain(method: &str, path: &str) -> Self {
        Self {
            method: method.to_owned(),
            path: path.to_owned(),
            query: Vec::new(),
            sample: Value::Null,
        }
    }

    /// The names of the placeholders.
    pub fn placeholders(&self) -> Vec<&str> {
        self.path
            .split('{')
            .skip(1)
            .filter_map(|rest| rest.split_once('}').map(|(name, _)| name))
            .collect()
    }

    /// The path with each placeholder replaced.
    pub fn filled(&self, mut value: impl FnMut(&str) -> String) -> String {
        self.placeholders()
            .into_iter()
            .fold(self.path.clone(), |path, name| {
                path.replace(&format!("{{{name}}}"), &wire::escape(&value(name)))
            })
    }

    /// True for routes that are part of the API proper, where every error is a problem document (X7).
    pub fn speaks_problems(&self) -> bool {
        self.path.starts_with("/v1/")
    }
}

/// Asks the server for its description.
pub async fn listed(addr: SocketAddr) -> Tried<Vec<Route>> {
    let answer = wire::call(addr, "GET", "/openapi.json", None, None)
        .await
        .during("GET /openapi.json")?;
    let routes = read(&answer.json());
    if routes.is_empty() {
        return Err(fault!(
            "/openapi.json was answered {} and lists no route",
            answer.status
        ));
    }
    Ok(routes)
}

fn read(description: &Value) -> Vec<Route> {
    let mut routes = Vec::new();
    for (path, item) in entries(&description["paths"]) {
        for (method, operation) in entries(item) {
            if !matches!(method.as_str(), "get" | "post" | "put" | "patch" | "delete") {
                continue;
            }
            let parameters = [&item["parameters"], &operation["parameters"]];
            let query = parameters
                .into_iter()
                .filter_map(Value::as_array)
                .flatten()
                .filter(|parameter| parameter["in"] == "query")
                .filter_map(|parameter| parameter["name"].as_str().map(str::to_owned))
                .collect();
            let schema = &operation["requestBody"]["content"]["application/json"]["schema"];
            routes.push(Route {
                method: method.to_uppercase(),
                path: path.clone(),
                query,
                sample: sample(description, schema, DEPTH),
            });
        }
    }
    routes
}

fn entries(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flatten()
}

/// A value that a schema allows, with every property.
fn sample(description: &Value, schema: &Value, depth: usize) -> Value {
    let Some(depth) = depth.checked_sub(1) else {
        return Value::Null;
    };
    if let Some(name) = schema["$ref"]
        .as_str()
        .and_then(|path| path.rsplit('/').next())
    {
        return sample(
            description,
            &description["components"]["schemas"][name],
            depth,
        );
    }
    if let Some(example) = [
        &schema["example"],
        &schema["examples"][0],
        &schema["enum"][0],
        &schema["const"],
    ]
    .into_iter()
    .find(|value| !value.is_null())
    {
        return example.clone();
    }
    if let Some(parts) = schema["allOf"].as_array() {
        let mut whole = Map::new();
        for part in parts {
            if let Value::Object(fields) = sample(description, part, depth) {
                whole.extend(fields);
            }
        }
        return Value::Object(whole);
    }
    for choice in ["oneOf", "anyOf"] {
        if let Some(first) = schema[choice]
            .as_array()
            .and_then(|choices| choices.iter().find(|choice| choice["type"] != "null"))
        {
            return sample(description, first, depth);
        }
    }
    let kind = match &schema["type"] {
        // OpenAPI 3.1 says ["string", "null"] for what may be left out.
        Value::Array(kinds) => kinds
            .iter()
            .filter_map(Value::as_str)
            .find(|kind| *kind != "null"),
        kind => kind.as_str(),
    };
    match kind {
        Some("object") => {
            let fields = entries(&schema["properties"])
                .map(|(name, schema)| (name.clone(), sample(description, schema, depth)))
                .collect();
            Value::Object(fields)
        }
        Some("array") => json!([sample(description, &schema["items"], depth)]),
        Some("integer") => json!(1),
        Some("number") => json!(0.5),
        Some("boolean") => json!(true),
        Some("string") => match schema["format"].as_str() {
            Some("date-time") => json!("2026-11-21T17:00:00Z"),
            Some("date") => json!("2026-11-21"),
            Some("email") => json!("dana@example.com"),
            Some("uri") => json!("https://example.com/"),
            _ => json!("text"),
        },
        _ => Value::Null,
    }
}

/// Every id (`lead_…`, `msg_…`) in a JSON value.
pub fn ids_in(value: &Value, into: &mut Vec<String>) {
    match value {
        Value::String(text) if is_id(text) && !into.contains(text) => into.push(text.clone()),
        Value::Array(items) => items.iter().for_each(|item| ids_in(item, into)),
        Value::Object(fields) => fields.values().for_each(|field| ids_in(field, into)),
        _ => {}
    }
}

fn is_id(text: &str) -> bool {
    text.split_once('_').is_some_and(|(prefix, letters)| {
        (3..=4).contains(&prefix.len())
            && prefix.bytes().all(|c| c.is_ascii_lowercase())
            && letters.len() == 13
            && letters
                .bytes()
                .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_description_becomes_routes_with_bodies() {
        let description = json!({
            "paths": {"/v1/leads/{id}": {
                "parameters": [{"in": "path", "name": "id"}],
                "patch": {
                    "parameters": [{"in": "query", "name": "dry"}],
                    "requestBody": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Change"}}}}},
                "get": {}, "summary": "not a method"}},
            "components": {"schemas": {"Change": {"type": "object", "properties": {
                "name": {"type": ["string", "null"]}, "count": {"type": "integer"}, "when": {"type": "string", "format": "date-time"},
                "kind": {"oneOf": [{"type": "null"}, {"type": "string", "enum": ["sms", "email"]}]},
                "again": {"$ref": "#/components/schemas/Change"}, "tags": {"type": "array", "items": {"type": "string"}}}}}},
        });
        let routes = read(&description);
        assert_eq!(routes.len(), 2);
        let patch = routes.iter().find(|route| route.method == "PATCH").unwrap();
        assert_eq!(patch.query, ["dry"]);
        assert_eq!(patch.placeholders(), ["id"]);
        assert_eq!(patch.filled(|name| format!("{name}/x")), "/v1/leads/id%2Fx");
        assert_eq!(patch.sample["name"], "text");
        assert_eq!(patch.sample["kind"], "sms");
        assert_eq!(patch.sample["tags"], json!(["text"]));
        assert_eq!(
            patch.sample["again"]["count"], 1,
            "a schema that holds itself ends"
        );
    }

    #[test]
    fn ids_are_known_by_their_form() {
        let mut ids = Vec::new();
        ids_in(
            &json!({"id": "lead_0h3kz9vw2m4qa", "deep": [{"message": "msg_0h3kz9vw2m4qb"}], "not": ["lead_short", "a_0h3kz9vw2m4qa", "plain"],
                "again": "lead_0h3kz9vw2m4qa"}),
            &mut ids,
        );
        ids.sort_unstable();
        assert_eq!(ids, ["lead_0h3kz9vw2m4qa", "msg_0h3kz9vw2m4qb"]);
    }
}
